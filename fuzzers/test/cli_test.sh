#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The command lines of potad-case and the replayers: bad input of any kind ends in exit status 2 and
# in one line on stderr, which names the file and the line, the byte or the option. Silent on success.
set -euo pipefail

usage() {
    cat <<'END'
usage: cli_test.sh BIN

Tests the command lines of the tools in the folder BIN.

Exit status: 0 all as it should be; 1 not, with each difference named; 2 bad usage.
END
}

# shellcheck source=cli.sh
source "$(dirname "${BASH_SOURCE[0]}")/cli.sh"

# The command ends in status 0, with something on stdout and nothing on stderr.
helps() { # command...
    local status=0
    "$@" >stdout 2>stderr </dev/null || status=$?
    [[ $status -eq 0 && -s stdout && ! -s stderr ]] || complain "exit status $status, no manual:" "$@"
}

# A byte of a copy of good.bin.
patched() { # name offset octal
    cp good.bin "$1"
    printf '%b' "\\0$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# Good inputs, and bad ones made of them

printf '%s\n' 'potad-case 2' 'range zone=0 start=0 frames=64' \
    'alloc slot=0 order=1 zone=any type=movable' 'free slot=0' >good.ops
"$bin/potad-case" asm good.ops -o good.bin # 8 + 12 + 16 + 16 bytes
head -c 50 good.bin >cut.bin
head -c 6 good.bin >header.bin
patched op.bin 36 377
patched operand.bin 37 7
patched version.bin 4 11
printf 'this is no case' >other.bin
: >empty.bin
sed 's/^free/fre/' good.ops >op.ops
sed 's/order=1/order=x/' good.ops >value.ops
sed 's/case 2/case 9/' good.ops >version.ops
printf '%s\n' 'potad-case 2' 'range zone=0 start=0 frames=64' 'shrink' 'range zone=x' >map.ops

line='  bash-4725  [001] d..1. 2316242878474: mm_page_alloc: page=1 pfn=0x1126%s order=0'
line+=' migratetype=1 gfp_flags=GFP_KERNEL\n'
# shellcheck disable=SC2059 # the format is the line above
printf "$line$line" 86 87 >good.txt
head -c 300 good.txt | head -c -50 >torn.txt # the second line has lost its end
printf '# tracer: nop\n  bash-4725  [00' >torn-header.txt

printf '%s\n' '00100000-00ffffff : System RAM' '01000000-02ffffff : System RAM' >good.iomem
printf '%s\n' '# a guest' 'BIOS-e820: [mem 0x1000000-0x1ffffff] usable' \
    '[    0.000000] BIOS-e820: [mem 0x2000000-0x1ffffff] unaccepted' >bad.e820

mkdir folder

# potad-case

case_files() { # command...: of a case
    refused missing.ops 'No such file' -- "$@" missing.ops
    refused folder 'Is a directory' -- "$@" folder
    refused cut.bin 'byte 50' -- "$@" cut.bin
    refused header.bin 'byte 6' -- "$@" header.bin
    refused op.bin 'byte 36' 'operation 1' -- "$@" op.bin
    refused operand.bin 'byte 36' -- "$@" operand.bin
    refused version.bin 'byte 4' 'version 9' -- "$@" version.bin
    refused other.bin 'byte 0' -- "$@" other.bin
    refused empty.bin 'byte 0' -- "$@" empty.bin
    refused op.ops 'line 4' "'fre'" -- "$@" op.ops
    refused value.ops 'line 3' order=x -- "$@" value.ops
    refused version.ops 'line 1' 'version 9' -- "$@" version.ops
}

trace_files() { # command... : of a trace
    refused missing.txt 'No such file' -- "$@" missing.txt
    refused folder 'Is a directory' -- "$@" folder
    refused torn.txt:2 -- "$@" torn.txt
    refused torn-header.txt:2 -- "$@" torn-header.txt
    refused other.bin:1 -- "$@" other.bin
}

tool=$bin/potad-case
refused "'frobnicate'" -- "$tool" frobnicate
refused "--frobnicate" -- "$tool" --frobnicate

case_files "$tool" show
refused --frobnicate -- "$tool" show --frobnicate good.ops
refused frobnicate -- "$tool" show --target frobnicate good.ops
refused FILE -- "$tool" show
refused FILE -- "$tool" show good.ops good.bin

refused --html -- "$tool" show --validate 1 good.ops
refused --timeout -- "$tool" show --html --timeout 0 good.ops
refused --timeout -- "$tool" emit-c --timeout 0 good.ops

# Options that would do nothing.
refused --json -- "$tool" run --json - good.ops
for command in sweep shrink triage; do
    refused --json -- "$tool" $command --json - good.ops
done
refused --map -- "$tool" run --map missing good.ops
refused --twice -- "$tool" run --twice --trace missing
mkdir two
cp good.ops two/a.ops && cp good.ops two/b.ops
refused --only -- "$tool" sweep --only 0:accept:1:once two

# What did not run, and what cannot be read, is told as such.
printf '%s\n' 'potad-case 2' 'range zone=0 start=0 frames=1 unaccepted' >no-room.ops
status=0
"$tool" run --json run.json good.ops no-room.ops cut.bin >stdout 2>stderr || status=$?
((status == 2)) || complain "status $status, not 2" cut.bin
tr -d ' \n' <run.json >run.flat
for told in '"good.ops","ran":true,"operations":[0-9]+,"violated":null,"op":null' \
    '"no-room.ops","ran":false,"operations":0,"violated":null' \
    '"cut.bin","ran":false,"operations":null,"violated":null'; do
    grep -qE "$told" run.flat || complain "not told: $told" run.json
done

# Which operation reached which fault site.
"$tool" run --matrix good.ops >stdout
grep -Eq '^once +buddy-desc' stdout || complain "no fault matrix" good.ops

refused missing.ops 'No such file' -- "$tool" sweep missing.ops
refused cut.bin 'byte 50' -- "$tool" sweep cut.bin
refused value.ops 'line 3' order=x -- "$tool" sweep value.ops
refused --frobnicate -- "$tool" sweep --frobnicate good.ops
refused frobnicate -- "$tool" sweep --subject frobnicate good.ops
for option in --pairs --each --rest; do
    refused "$option" -- "$tool" sweep "$option" x good.ops
    refused "$option" -- "$tool" sweep good.ops "$option"
done
refused FILE -- "$tool" sweep
refused folder 'no case' -- "$tool" sweep folder
refused missing/out.json -- "$tool" sweep --json missing/out.json good.ops
for which in x 0 0:buddy-desc 0:buddy-desc:0:once+accept:1:once 0:buddy-desc:1:twice 0:buddy:1:once 0:accept:1:once+; do
    refused "'$which'" --only -- "$tool" sweep --only "$which" good.ops
done
refused good.ops number -- "$tool" sweep --only 9:accept:1:once good.ops
refused FILE -- "$tool" sweep --only 0:accept:1:once good.ops good.bin

# Each step of the one operation that comes to any; a case that fills few cells.
printf '%s\n' 'potad-case 2' 'range zone=0 start=0 frames=64' \
    'cache-create cache=0 size=64 align=8' 'cache-destroy cache=0' >swept.ops
"$tool" sweep --json sweep.json swept.ops >stdout 2>stderr || complain "a sweep finds something" swept.ops
grep -q '"found": 0' sweep.json || complain "no results of a sweep" sweep.json
grep -qE '"seconds": [0-9]+[.][0-9]' sweep.json || complain "no time of a sweep" sweep.json
grep -q '"impossible": "only failures are recorded"' sweep.json || complain "no reasons" sweep.json
grep -Eq '^operations that come to a fault site +1$' stdout || complain "what was swept" swept.ops
status=0
"$tool" sweep --matrix swept.ops >stdout 2>stderr || status=$?
[[ $status -eq 1 ]] || complain "exit status $status, not 1, with empty cells" swept.ops
grep -q 'no case has split fail at slab-page, always' stderr || complain "no empty cell" swept.ops
status=0
"$tool" sweep --only 1:slab-page:1:once swept.ops >stdout 2>stderr || status=$?
[[ $status -eq 3 ]] || complain "exit status $status, not 3, where nothing is to fail" swept.ops

case_files "$tool" asm -o out.bin
[[ ! -e out.bin ]] || complain "asm wrote a bad case" out.bin
refused --frobnicate -- "$tool" asm --frobnicate good.ops -o out.bin
refused -o -- "$tool" asm good.ops
refused missing/out.bin -- "$tool" asm good.ops -o missing/out.bin
refused folder -- "$tool" asm good.ops -o folder

case_files "$tool" run
refused --frobnicate -- "$tool" run --frobnicate good.ops
refused --space -- "$tool" run --space x --trace good.txt
refused --space -- "$tool" run --space 0 --trace good.txt
refused --space -- "$tool" run --space 64 good.ops
refused --validate -- "$tool" run --validate x good.ops
refused --validate -- "$tool" run good.ops --validate
refused frobnicate -- "$tool" run --subject frobnicate good.ops
refused frobnicate -- "$tool" run --target frobnicate good.ops
refused FILE -- "$tool" run
refused --trace -- "$tool" run --trace good.txt good.ops
refused missing/out.json -- "$tool" run --json missing/out.json good.ops
refused folder -- "$tool" run --json folder good.ops
refused missing.ops 'No such file' -- "$tool" run good.ops missing.ops good.bin
if [[ $EUID -ne 0 ]]; then # nothing is read-only for root
    touch readonly.json unreadable.ops
    chmod 400 readonly.json
    chmod 200 unreadable.ops
    refused readonly.json -- "$tool" run --json readonly.json good.ops
    refused unreadable.ops 'Permission denied' -- "$tool" run unreadable.ops
fi

case_files "$tool" shrink
refused --frobnicate -- "$tool" shrink --frobnicate good.ops
refused frobnicate -- "$tool" shrink --subject frobnicate good.ops
refused frobnicate -- "$tool" shrink --target frobnicate good.ops
for option in --validate --timeout --seconds; do
    refused "$option" -- "$tool" shrink "$option" x good.ops
    refused "$option" -- "$tool" shrink good.ops "$option"
done
refused FILE -- "$tool" shrink
refused FILE -- "$tool" shrink good.ops good.bin
"$tool" shrink --json shrink.json good.ops >stdout 2>stderr ||
    complain "a case that does not fail is no success" "$tool" shrink good.ops
[[ ! -s stdout ]] || complain "a case that does not fail is printed" "$tool" shrink good.ops
grep -q 'does not fail' stderr || complain "it is not said" "$tool" shrink good.ops
grep -q '"fails": false' shrink.json || complain "no JSON" "$tool" shrink good.ops
refused missing/out.ops -- "$tool" shrink -o missing/out.ops good.ops # before anything is run
refused folder -- "$tool" shrink -o folder good.ops
echo kept >kept.ops
for output in kept.ops new.ops; do
    "$tool" shrink -o "$output" good.ops 2>stderr || complain "no success" "$tool" shrink -o
done
[[ $(cat kept.ops) == kept && ! -e new.ops ]] ||
    complain "a case that does not fail is written" "$tool" shrink -o kept.ops good.ops
cp good.ops $'\xff.ops'
"$tool" shrink --json shrink.json $'\xff.ops' 2>stderr ||
    complain "a name that is no UTF-8 is refused" "$tool" shrink
grep -q $'\xef\xbf\xbd.ops"' shrink.json || complain "no U+FFFD in JSON" "$tool" shrink
rm $'\xff.ops'
for command in shrink triage; do # numbers are those of run and show
    "$tool" "$command" --validate 0x10 good.ops >stdout 2>stderr ||
        complain "a number is refused" "$tool" "$command" --validate 0x10
    refused --seconds -- "$tool" "$command" --seconds 08 good.ops
done

refused missing.ops 'No such file' -- "$tool" triage missing.ops
refused cut.bin 'byte 50' -- "$tool" triage cut.bin
refused op.ops 'line 4' "'fre'" -- "$tool" triage op.ops
refused --frobnicate -- "$tool" triage --frobnicate good.ops
refused missing -- "$tool" triage --known missing good.ops
refused missing/out.sarif -- "$tool" triage --sarif missing/out.sarif good.ops
refused missing/out.md -- "$tool" triage --markdown missing/out.md good.ops
"$tool" triage --out made/for/it good.ops >stdout 2>stderr || complain "no success" "$tool" triage --out
[[ -d made/for/it ]] || complain "no folder is made:" "$tool" triage --out made/for/it
# One that fails: it takes longer than it may, whatever the machine.
operations=$(tail -n 2 good.ops)
{
    printf '%s\n' 'potad-case 2' 'range zone=0 start=0 frames=1048576'
    for ((i = 0; i < 30000; i++)); do printf '%s\n' "$operations"; done
} >slow.ops
# Before it is run: nothing is told of what was not looked at.
for out in good.ops/out good.ops; do
    refused "$out" -- "$tool" triage --out "$out" --json early.json --sarif early.sarif \
        --markdown early.md --validate 1 --timeout 1 slow.ops
    [[ ! -s stdout && -z $(compgen -G 'early.*') ]] || complain "something is told:" "$tool" triage
done
refused DIR -- "$tool" triage
mkdir inputs
cp good.ops good.bin inputs
"$tool" triage --sarif none.sarif inputs >stdout 2>stderr ||
    complain "cases that do not fail are no success" "$tool" triage inputs
grep -q '^2 inputs, 0 failing' stdout || complain "inputs are not counted" "$tool" triage inputs
echo '{}' >inputs/summary.json
"$tool" triage inputs >stdout 2>stderr || complain "a report is no input" "$tool" triage inputs
refused folder 'no inputs' -- "$tool" triage folder
refused folder 'no inputs' -- "$tool" triage good.ops folder
printf '%s\n' 'potad-case 2' 'range zone=0 start=0 frames=1' >narrow.ops

# The command ends in status 3, and says what was not run.
inconclusive() { # text command...
    local text=$1 status=0
    shift
    "$@" >stdout 2>stderr || status=$?
    [[ $status -eq 3 ]] || complain "exit status $status, not 3:" "$@"
    grep -qF -e "$text" stdout || complain "'$text' is not said:" "$@"
}

inconclusive 'not run: 1 input,' "$tool" triage narrow.ops
"$tool" triage narrow.ops good.ops >stdout 2>stderr || complain "one of two did run" "$tool" triage
refused missing.ops -- "$tool" triage narrow.ops missing.ops
# Stopped while it waits for the first of two inputs.
stopped_triage() {
    local pid status=0
    mkfifo waits.ops
    "$tool" triage waits.ops good.ops &
    pid=$!
    # shellcheck disable=SC2016 # the inner shell's
    timeout 60 bash -c 'exec 3>waits.ops; kill -TERM "$1"; cat good.ops >&3' _ "$pid" ||
        kill -KILL "$pid" # it never came to read
    wait "$pid" || status=$?
    return "$status"
}
inconclusive 'stopped: 1 input was not run' stopped_triage

trace_files "$tool" run --trace
refused torn.txt:2 -- "$tool" run --trace torn.txt
grep -Eq 'allocations +1$' stdout ||
    complain "events before the torn line are not counted" "$tool" run --trace torn.txt
refused map.ops 'line 4' -- "$tool" run --trace good.txt --map map.ops
refused missing.ops -- "$tool" run --trace good.txt --map missing.ops

refused bad.e820 'line 3' -- "$tool" run --trace good.txt --map bad.e820

refused --frobnicate -- "$tool" map --frobnicate good.iomem
refused FILE -- "$tool" map
refused FILE -- "$tool" map good.iomem bad.e820
refused missing.iomem 'No such file' -- "$tool" map missing.iomem
refused folder 'Is a directory' -- "$tool" map folder
refused bad.e820 'line 3' -- "$tool" map bad.e820
refused other.bin 'line 1' -- "$tool" map other.bin
refused empty.bin 'line 0' -- "$tool" map empty.bin
refused map.ops 'line 4' -- "$tool" map map.ops
"$tool" map good.iomem >good-map.ops 2>stderr || complain "a good map is refused:" "$tool" map good.iomem
for map in good-map.ops good.bin; do # what it prints, and what it makes of cases, are cases
    "$tool" map "$map" 2>stderr | "$tool" run - >stdout 2>>stderr || complain "no map:" "$tool" map "$map"
done
"$tool" run --trace good.txt --map good.iomem >stdout 2>stderr ||
    complain "a good map is refused:" "$tool" run --trace good.txt --map good.iomem

trace_files "$tool" from-trace
refused --frobnicate -- "$tool" from-trace --frobnicate good.txt
for option in --skip --ops --frames; do
    refused "$option" -- "$tool" from-trace "$option" x good.txt
    refused "$option" -- "$tool" from-trace good.txt "$option"
done
refused --ops -- "$tool" from-trace --ops 0 good.txt
refused TRACE -- "$tool" from-trace

trace_files "$tool" learn
refused --frobnicate -- "$tool" learn --frobnicate good.txt
refused TRACE -- "$tool" learn

refused --frobnicate -- "$tool" list --frobnicate

helps "$tool" --help
for command in show asm run sweep shrink triage emit-c from-trace learn map list; do
    helps "$tool" "$command" --help
done

# The replayers

for tool in "$bin"/*_replay; do
    refused missing.ops 'No such file' -- "$tool" missing.ops
    refused --frobnicate -- "$tool" --frobnicate good.ops
    case $(basename "$tool") in
    case_fuzzer_replay | memory_map_fuzzer_replay | trace_fuzzer_replay)
        # To a reader, a bad case is a text like any other.
        "$tool" op.ops version.ops >stdout 2>stderr || complain "a bad text is no input" "$tool"
        ;;
    *)
        refused op.ops 'line 4' "'fre'" -- "$tool" op.ops
        refused version.ops 'line 1' -- "$tool" version.ops
        refused frobnicate -- env POTAD_SUBJECT=frobnicate "$tool" good.ops
        ;;
    esac
    helps "$tool" --help
    # Any bytes are an input.
    "$tool" cut.bin op.bin version.bin other.bin empty.bin folder >stdout 2>stderr ||
        complain "raw bytes are refused" "$tool"
done

[[ $failures -eq 0 ]] || exit 1
