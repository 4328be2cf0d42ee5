#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# potad-stress explore and replay: what is bad ends in exit status 2 and in one line on stderr; what
# a schedule says is done; the same seed does the same.
set -euo pipefail

usage() {
    cat <<'END'
usage: explore_cli_test.sh BIN

Tests the commands of potad-stress in the folder BIN that explore schedules.

Exit status: 0 all as it should be; 1 not, with each difference named; 2 bad usage.
END
}

# shellcheck source=../../fuzzers/test/cli.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../fuzzers/test/cli.sh"

stress=$bin/potad-stress
cat >two.ops <<'END'
potad-case 2
slots 64
range zone=0 start=0x0 frames=32
alloc slot=0 order=1 zone=any type=unmovable thread=1
alloc slot=8 order=0 zone=any type=movable thread=2
END
sed 's/ thread=.//' two.ops >none.ops
{ echo '# schedule: 2@1.9 1@end 2@end' && cat two.ops; } >said.ops
{ echo '# schedule: 2@1.9 one' && cat two.ops; } >torn.ops
{ printf '# found: overlap: x\n# schedule: 1@end 2@end\n' && cat two.ops; } >gone.ops
{ echo '# subject: nobody' && cat two.ops; } >nobody.ops
sed 's/frames=32/frames=32000/' two.ops >large.ops

refused --strategy nothing -- "$stress" explore --strategy nothing
refused --threads 5 -- "$stress" explore --threads 5
refused --subject nobody -- "$stress" explore --subject nobody
refused --pairs exhaustive -- "$stress" explore --pairs --strategy random
refused --strategy value -- "$stress" explore --strategy
refused explore --workload -- "$stress" explore --workload churn
refused FILE -- "$stress" replay
refused missing.ops -- "$stress" replay missing.ops
refused torn.ops one -- "$stress" replay torn.ops
refused none.ops thread -- "$stress" replay none.ops
refused large.ops frames -- "$stress" replay large.ops
refused --json FILE -- "$stress" explore --json - two.ops
refused nobody.ops nobody -- "$stress" replay nobody.ops

# The status of a command that prints what it likes.
ends_in() { # status command...
    local status=0 due=$1
    shift
    "$@" >stdout 2>stderr </dev/null || status=$?
    [[ $status -eq $due ]] || complain "exit status $status, not $due:" "$@"
}

# What cannot be explored is named, behind the line that says what is done.
for files in 'two.ops none.ops' '--jobs 2 large.ops' 'two.ops missing.ops'; do
    # shellcheck disable=SC2086 # words
    ends_in 2 "$stress" explore $files
    grep -q "^potad-stress: ${files##* }: " stderr || complain "the file is not named:" "$files"
done

ends_in 0 "$stress" replay said.ops
grep -q '^schedule: 2@1.9 1@end 2@end$' stdout || complain "another schedule was executed:" said.ops
ends_in 3 "$stress" replay gone.ops
grep -q '^found overlap: 0 of 1$' stdout || complain "what was not found is not told:" gone.ops

# The same as a page.
ends_in 0 "$stress" replay --html said.html said.ops
grep -q '"schedule":"2@1.9 1@end 2@end"' said.html || complain "another schedule is shown:" said.ops
refused missing/x.html -- "$stress" replay --html missing/x.html said.ops

# A page on standard output is alone there, and the table beside it.
ends_in 3 "$stress" replay --html - gone.ops
[[ $(head -n 1 stdout) == '<!doctype html>' && $(tail -n 1 stdout) == '</html>' ]] ||
    complain "standard output is not the page:" "$stress" replay --html -
for line in '^thread 1 ' '^schedule: 1@end 2@end$' '^found overlap: 0 of 1$'; do
    grep -q "$line" stderr || complain "'$line' is not on stderr:" "$stress" replay --html -
    ! grep -q "$line" stdout || complain "'$line' is in the page:" "$stress" replay --html -
done

# A file may have any name.
cp said.ops $'bad\xff.ops'
ends_in 0 "$stress" replay --html odd.html $'bad\xff.ops'
grep -q '"file":"bad\\uFFFD.ops"' odd.html || complain "it does not show its name:" odd.html
iconv -f UTF-8 -t UTF-8 odd.html >/dev/null 2>&1 || complain "it is no UTF-8:" odd.html

# Of very many steps the last ones are shown, which the page says, with the switches of all.
{
    printf 'potad-case 2\nslots 64\nrange zone=0 start=0x0 frames=1024\n'
    for _ in {0..9}; do
        echo "contig slot=0 zone=any units=511 align=1 frame=0 within=0 type=unmovable thread=1"
        echo "contig-free slot=0 thread=1"
    done
    echo 'shrink thread=2'
} >many.ops
ends_in 0 "$stress" replay --html many.html many.ops
number_in() { # key page
    grep -oE "\"$1\":[0-9]+" "$2" | cut -d: -f2
}
first=$(number_in first many.html)
[[ ${first:-0} -gt 0 && $(number_in total many.html) -eq $((first + 6000)) ]] ||
    complain "the steps are not numbered among all:" many.ops
[[ $(number_in switches many.html) -eq 1 ]] || complain "another number of switches:" many.ops
[[ $(number_in first said.html) -eq 0 ]] || complain "not all steps are shown:" said.ops

# All executions of two allocations with one preemption at most; the same number each time.
ends_in 0 "$stress" explore --strategy exhaustive1 two.ops
grep -oE '[0-9]+ executions' stdout >first.txt
grep -q 'all executions of 1 programs' stdout || complain "it does not say that all were:" two.ops
ends_in 0 "$stress" explore --strategy exhaustive1 two.ops
grep -oE '[0-9]+ executions' stdout | cmp -s first.txt - || complain "another number:" two.ops

# All pairs of operations, for as long as it takes; and for too short a time, which it says.
ends_in 0 "$stress" explore --pairs --strategy exhaustive0
grep -qE ': ([0-9]+) of \1 programs,.*; all executions of \1 programs' stdout ||
    complain "it does not say that all pairs were:" exhaustive0
ends_in 0 "$stress" explore --pairs --strategy exhaustive3 --seconds 1
grep -qE ': ([0-9]+) of \1 programs,' stdout && complain "all pairs were, in one second:" exhaustive3

# A history of more calls than the exact judge takes is counted, and told of.
{
    printf 'potad-case 2\nslots 64\nrange zone=0 start=0x0 frames=64\n'
    for slot in {0..23}; do echo "alloc-desc slot=$slot order=0 zone=any desc=folio"; done
    for slot in {0..23}; do echo "free slot=$slot thread=$((1 + slot % 2))"; done
} >long.ops
ends_in 0 "$stress" explore --executions 100 --json long.json long.ops
grep -q '; 100 histories too long to be judged exactly$' stdout ||
    complain "histories that are too long are passed over:" long.ops
grep -q '"undecided": 100' long.json || complain "the JSON does not count them:" long.ops
ends_in 0 "$stress" explore --executions 100 two.ops
! grep -q 'too long' stdout || complain "histories that are not too long:" two.ops

# One seed, one thing.
for try in first second; do
    ends_in 0 "$stress" explore --executions 2000 --seed 5 --json "$try.json"
    grep -E '"(programs|executions|steps|switches)"' "$try.json" >"$try.txt"
done
cmp -s first.txt second.txt || complain "one seed, and other executions:" "$stress" explore

[[ $failures -eq 0 ]]
