#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# potad-stress and traces: what is bad ends in exit status 2 and in one line on stderr, which names
# the file and the line, or the option. Silent on success.
set -euo pipefail

usage() {
    cat <<'END'
usage: cli_test.sh BIN

Tests the command line of potad-stress in the folder BIN.

Exit status: 0 all as it should be; 1 not, with each difference named; 2 bad usage.
END
}

if [[ $# -ne 1 || $1 == -* ]]; then
    [[ ${1-} == --help ]] || { usage >&2 && exit 2; }
    usage
    exit 0
fi

tool=$(cd -- "$1" && pwd)/potad-stress
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cd "$scratch"
failures=0

# The run ends in status 2, and its one line on stderr has each of the words.
refused() { # word... -- argument...
    local words=() word status=0
    while [[ $1 != -- ]]; do
        words+=("$1")
        shift
    done
    shift
    "$tool" run --threads 2 --seconds 1 "$@" >stdout 2>stderr </dev/null || status=$?
    for word in "${words[@]}"; do
        if ! grep -qF -e "$word" stderr || [[ $status -ne 2 || $(wc -l <stderr) -ne 1 ]]; then
            printf 'status %s, not 2 with one line that names %s: %s\n' "$status" "$word" "$*"
            sed 's/^/    stderr: /' stderr
            failures=$((failures + 1))
        fi
    done
}

event=' bash-1 [000] ..... 1: mm_page_alloc: page=1 pfn=0xa order=0 migratetype=1 gfp_flags=X'
printf '# tracer: nop\n%s\n%s' "$event" "${event%order*}" >torn.txt
printf '# tracer: nop\n' >empty.txt
printf 'not a trace\n' >words.txt
xz -k torn.txt 2>/dev/null && head -c 60 torn.txt.xz >cut.txt.xz

refused --trace 'needs one' -- --workload trace
refused --trace 'replays none' -- --workload churn --trace torn.txt
refused --trace value -- --workload trace --trace
refused missing.txt -- --workload trace --trace missing.txt
refused torn.txt:3: -- --workload trace --trace torn.txt
refused words.txt:1: -- --workload trace --trace words.txt
refused empty.txt -- --workload trace --trace empty.txt
[[ ! -e cut.txt.xz ]] || refused cut.txt.xz -- --workload trace --trace cut.txt.xz
refused . -- --workload trace --trace .

[[ $failures -eq 0 ]]
