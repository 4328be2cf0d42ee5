#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# potad-stress emit-c: a test does what the explorer did, call by call and answer by answer, fails
# with a core that has the bug, and passes with the one that has not. Silent on success.
set -euo pipefail

usage() {
    cat <<'END'
usage: emit_race_test.sh BIN REPO LIBRARY COMPILER [FLAG...]

Has potad-stress and emit_judged of the folder BIN write tests, and compiles them, with FLAGs,
against the headers of REPO and the core in LIBRARY, which is built with POTAD_EXPLORED.

Exit status: 0 all as it should be; 1 not, with each difference named; 2 bad usage.
END
}

if [[ ${1-} == --help ]]; then
    usage
    exit 0
fi
[[ $# -ge 4 ]] || { usage >&2 && exit 2; }
repo=$2 library=$3
compile=("${@:4}" -O0 -Wall -Wextra -Werror "-I$2")
set -- "$1"
# shellcheck source=../../../../fuzzers/test/cli.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../../../fuzzers/test/cli.sh"

# ThreadSanitizer would wait a second at the end of each.
export TSAN_OPTIONS=${TSAN_OPTIONS:+$TSAN_OPTIONS:}atexit_sleep_ms=0

built() { # name object...
    "${compile[@]}" -pthread "$1.c" "${@:2}" "$library" -o "$1" 2>stderr ||
        complain "does not compile:" "$1"
}

# A command ends in this status, and says so of a violation, if any.
ends_in() { # status violated command...
    local status=0
    "${@:3}" >stdout 2>stderr || status=$?
    [[ $status -eq $1 ]] || complain "exit status $status, not $1:" "${@:3}"
    [[ $2 == - ]] || grep -q "^potad: violated: $2: " stderr || complain "not $2:" "${@:3}"
}

# What a judge could object to is all that was called and answered: each kind of call, in two phases
# with something between, on CPUs that are choices, with moves, a fault, and the end of a folio.
cat >everything.ops <<'END'
# subject: core-tree
# options: any-cpu
# schedule: 2@12.30 3@14.41 1@11.25 3@15.9 2@13.4 1@18.17 3@22.60 2@19.11 1@24.3 1@11.2=1 2@12.2=1
potad-case 2
slots 64
cpus 2
range zone=0 start=0 frames=96
range zone=1 start=96 frames=32 class=movable
alloc slot=0 order=3 zone=any type=movable
alloc slot=10 order=3 zone=any type=movable
split slot=0 order=0
free slot=0
free slot=2
alloc slot=11 order=4 zone=1 type=movable
split slot=11 order=1
free slot=11
free slot=13
cache-create cache=0 size=100 align=8
alloc-desc slot=30 order=1 zone=any desc=folio
compact order=3 zone=1 type=movable count=0 thread=1
cache-bulk slot=0 cache=0 count=6 thread=2
lookup frame=27 thread=2
contig slot=0 zone=any type=movable units=6 align=1 frame=0 within=0 thread=3
ref-folio slot=0 thread=3
shrink
memory-failure frame=64
free slot=30 thread=1
put slot=0 thread=2
cache-free slot=0 thread=2
alloc slot=40 order=0 zone=any type=unmovable fault=buddy-desc:1:always thread=3
alloc-compact slot=41 order=4 zone=1 type=movable thread=3
contig-free slot=0 thread=3
cpu-offline cpu=1 thread=1
unpoison frame=64 thread=2
END
"$bin/emit_judged" everything.ops >judged.c 2>stderr || complain "no test is written:" everything.ops
sed 's/^    check_history(/    if (getenv("JUDGE") != NULL) &/' judged.c >everything.c
cmp -s judged.c everything.c && complain "it judges nothing:" everything
grep -q ': moved 0x' everything.c || complain "no owner moves:" everything
grep -q ', the last"' everything.c || complain "no folio ends:" everything
built everything
ends_in 1 linearizability env JUDGE=1 ./everything
ends_in 0 - ./everything
# Another order of the same calls is another history.
sed '/^static const struct turn order/,/^};/s/^    {.*/    {3, END, 0},/' everything.c >other.c
cmp -s other.c everything.c && complain "nothing is changed:" other
built other
ends_in 0 - env JUDGE=1 ./other

# A bug that shows in one order only: a frame fails while its block is split. One file of the core
# has it.
cat >split.ops <<'END'
# schedule: 1@1.12 2@end 1@end
potad-case 2
slots 64
range zone=0 start=0 frames=64
alloc slot=0 order=2 zone=any type=unmovable
split slot=0 order=0 thread=1
free slot=0 thread=1
memory-failure frame=0 thread=2
END
mkdir core
cp "$repo/core/page_alloc.c" core
patch -s -p1 <"$repo/corpus/bugs/split-looks-for-failures-too-early.patch" ||
    complain "the bug cannot be planted:" split-looks-for-failures-too-early
"${compile[@]}" -ffreestanding -DPOTAD_EXPLORED -c core/page_alloc.c -o page_alloc.o 2>stderr ||
    complain "does not compile:" page_alloc.c
"$bin/potad-stress" emit-c split.ops -o split.c 2>stderr || complain "no test is written:" split.ops
! grep -q 'take_run\|take_objects' split.c || complain "more is in the test than it needs:" split
built split
ends_in 0 - ./split
cp split.c planted.c
built planted page_alloc.o
ends_in 1 head-word ./planted

# A lock that is never released: who waits for it, and who has it.
sed -e 's/^static void set_up/static spinlock_t never;\n&/' \
    -e '/^    OP([23], /a\    spinlock_lock(\&never);' split.c >stuck.c
built stuck
ends_in 1 deadlock ./stuck
grep -q 'wants &never in thread_1(), which thread 2 took in thread_2()' stderr ||
    complain "it does not say who waits for whom:" stuck

# Without its set-up, there is nothing to be said.
sed 's/\.order = 2,/.order = 9,/' split.c >starved.c
built starved
ends_in 3 - ./starved

sed 's/ thread=.//' split.ops >none.ops
{ echo '# options: weak' && cat split.ops; } >weak.ops
{ echo '# found: tsan: x' && cat split.ops; } >tsan.ops
{ echo '# found: head-word: x' && cat split.ops; } >gone.ops
refused FILE -- "$bin/potad-stress" emit-c
refused FILE -- "$bin/potad-stress" emit-c split.ops split.ops
refused --weak -- "$bin/potad-stress" emit-c --weak split.ops
refused missing.ops -- "$bin/potad-stress" emit-c missing.ops
refused none.ops potad-case -- "$bin/potad-stress" emit-c none.ops
refused weak.ops --weak -- "$bin/potad-stress" emit-c weak.ops
refused tsan.ops ThreadSanitizer -- "$bin/potad-stress" emit-c tsan.ops
refused no/such.c -- "$bin/potad-stress" emit-c split.ops -o no/such.c
ends_in 3 - "$bin/potad-stress" emit-c gone.ops -o gone.c
[[ ! -e gone.c ]] || complain "what was not found has a test:" gone.ops
exit "$((failures > 0))"
