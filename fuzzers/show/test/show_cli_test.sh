#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# potad-case show --html and --svg: what is bad ends in exit status 2 and in one line on stderr; what
# is written is one file that needs no other.
set -euo pipefail

usage() {
    cat <<'END'
usage: show_cli_test.sh BIN

Tests what the potad-case in the folder BIN shows as pages and pictures.

Exit status: 0 all as it should be; 1 not, with each difference named; 2 bad usage.
END
}

# shellcheck source=../../test/cli.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../test/cli.sh"

show=("$bin/potad-case" show)
printf '%s\n' 'potad-case 2' 'range zone=0 start=0 frames=64' \
    'alloc slot=0 order=1 zone=any type=movable' 'free slot=0' >good.ops
printf '%s\n' 'potad-case 2' 'range zone=0 start=0 frames=64 class=highmem' shrink >no-room.ops
line='  bash-4725  [001] d..1. 2316242878474: mm_page_alloc: page=1 pfn=0x1126%s order=0'
line+=' migratetype=1 gfp_flags=GFP_KERNEL\n'
# shellcheck disable=SC2059 # the format is the line above
printf "$line$line" 86 87 >good.txt
mkdir folder

refused --html -- "${show[@]}" --html --svg good.ops
refused --trace -- "${show[@]}" --svg --trace good.txt
refused --trace -- "${show[@]}" --trace good.txt
refused --map -- "${show[@]}" --html --map good.ops good.ops
refused FILE -- "${show[@]}" --html
refused FILE -- "${show[@]}" --html good.ops good.ops
refused FILE -- "${show[@]}" --html --trace good.txt good.ops
refused frobnicate -- "${show[@]}" --html --subject frobnicate good.ops
refused --subject -- "${show[@]}" --html good.ops --subject
refused --validate -- "${show[@]}" --html --validate x good.ops
refused missing.ops -- "${show[@]}" --html missing.ops
refused missing.txt -- "${show[@]}" --html --trace missing.txt
refused missing/out.html -- "${show[@]}" --html good.ops -o missing/out.html
refused folder -- "${show[@]}" --svg good.ops -o folder
refused folder -- "${show[@]}" good.ops -o folder
refused /dev/full -- "${show[@]}" --html good.ops -o /dev/full

# A disk that is full while the case is run is no violation of the case.
limited() { # command...: its files have at most 4 KiB
    (ulimit -f 4 && exec "$@")
}
operations=$(tail -n 2 good.ops)
{
    head -n 2 good.ops
    for ((i = 0; i < 64; i++)); do printf '%s\n' "$operations"; done
} >long.ops
refused 'temporary file' -- limited "${show[@]}" --html long.ops -o long.html
[[ ! -e long.html ]] || complain "a page is written" long.html

# The status of a command, and nothing on stderr where it found nothing.
ends_in() { # status command...
    local status=0 due=$1
    shift
    "$@" >stdout 2>stderr </dev/null || status=$?
    [[ $status -eq $due ]] || complain "exit status $status, not $due:" "$@"
    [[ $due -ne 0 || ! -s stderr ]] || complain "something on stderr:" "$@"
}

# Nothing is loaded: the only address is the name of SVG.
stands_alone() { # file
    if grep -oE 'https?://[^"'\'' ]*' "$1" | grep -qvxF 'http://www.w3.org/2000/svg' ||
        grep -qE '<(link|img|iframe)|<script[^>]* src|@import' "$1"; then
        complain "it needs something from outside:" "$1"
    fi
}

ends_in 3 "${show[@]}" --html no-room.ops -o no-room.html
ends_in 0 "${show[@]}" --html good.ops -o good.html
ends_in 0 "${show[@]}" --html good.ops
cmp -s stdout good.html || complain "standard output is not the file:" "${show[@]}" --html good.ops
ends_in 0 "${show[@]}" --html --subject core-tree good.ops -o tree.html
grep -q '"subject":"core-tree"' tree.html || complain "another subject is shown:" core-tree
ends_in 0 "${show[@]}" --html --trace good.txt -o trace.html
grep -q '"events":2' trace.html || complain "not the events of the trace:" good.txt
ends_in 0 "${show[@]}" --html --trace good.txt --map good.ops -o map.html
grep -q '"frames":64' map.html || complain "not on the map:" good.ops
for page in good.html tree.html trace.html map.html; do
    stands_alone "$page"
    [[ $(tail -n 1 "$page") == '</html>' ]] || complain "it does not end:" "$page"
done

ends_in 0 "${show[@]}" --svg --validate 1 good.ops -o good.svg
stands_alone good.svg
[[ $(tail -n 1 good.svg) == '</svg>' ]] || complain "it does not end:" good.svg
if grep -q '<script' good.svg; then complain "it has a script:" good.svg; fi

# A file may have any name; what is written is UTF-8.
odd=$'bad\xff.ops'
cp good.ops "$odd"
cp good.txt $'bad\xff.txt'
ends_in 0 "${show[@]}" --html "$odd" -o odd.html
ends_in 0 "${show[@]}" --html --trace $'bad\xff.txt' -o odd-trace.html
ends_in 0 "${show[@]}" --svg "$odd" -o odd.svg
for page in odd.html odd-trace.html odd.svg; do
    iconv -f UTF-8 -t UTF-8 "$page" >/dev/null 2>&1 || complain "it is no UTF-8:" "$page"
    grep -q $'bad\xef\xbf\xbd\.' "$page" || complain "it does not show its name:" "$page"
done
grep -q '"file":"bad\\uFFFD.ops"' odd.html || complain "another file is named:" odd.html

ends_in 0 "${show[@]}" good.ops -o text.ops
"${show[@]}" good.ops | cmp -s - text.ops || complain "text in a file is not that on standard output:" good.ops

[[ $failures -eq 0 ]]
