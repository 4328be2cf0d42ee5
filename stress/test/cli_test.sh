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

# shellcheck source=../../fuzzers/test/cli.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../fuzzers/test/cli.sh"

run=("$bin/potad-stress" run --threads 2 --seconds 1)
event=' bash-1 [000] ..... 1: mm_page_alloc: page=1 pfn=0xa order=0 migratetype=1 gfp_flags=X'
printf '# tracer: nop\n%s\n%s' "$event" "${event%order*}" >torn.txt
printf '# tracer: nop\n' >empty.txt
printf 'not a trace\n' >words.txt
xz -k torn.txt 2>/dev/null && head -c 60 torn.txt.xz >cut.txt.xz

refused --trace 'needs one' -- "${run[@]}" --workload trace
refused --trace 'replays none' -- "${run[@]}" --workload churn --trace torn.txt
refused --trace value -- "${run[@]}" --workload trace --trace
refused missing.txt -- "${run[@]}" --workload trace --trace missing.txt
refused torn.txt:3: -- "${run[@]}" --workload trace --trace torn.txt
refused words.txt:1: -- "${run[@]}" --workload trace --trace words.txt
refused empty.txt -- "${run[@]}" --workload trace --trace empty.txt
refused noise -- "${run[@]}" --workload churn --disturb delay,noise
refused 'exhaust: the workload has no allocator' -- "${run[@]}" --workload range --disturb exhaust
refused 'hotplug: there are no CPUs' -- "${run[@]}" --workload churn --disturb hotplug --cpus 0
[[ ! -e cut.txt.xz ]] || refused cut.txt.xz -- "${run[@]}" --workload trace --trace cut.txt.xz
refused . -- "${run[@]}" --workload trace --trace .

[[ $failures -eq 0 ]]
