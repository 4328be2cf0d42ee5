#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# potad-case emit-c: tests made of seeds, of which each piece of the prelude is in one at least, compile
# without a warning, pass, and fail where they should. Silent on success.
set -euo pipefail

usage() {
    cat <<'END'
usage: emit_test.sh BIN REPO LIBRARY COMPILER [FLAG...]

Has potad-case of the folder BIN write tests, and compiles them, with FLAGs, against the headers of
REPO and the core in LIBRARY.

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
# shellcheck source=../../test/cli.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../test/cli.sh"

emitted() { # name seed option...
    "$bin/potad-case" emit-c "${@:3}" "$repo/corpus/seeds/$2" -o "$1.c" 2>stderr ||
        complain "no test is written:" "$2"
}

# The test compiles. Return: what it answers.
built_runs() { # name
    "${compile[@]}" "$1.c" "$library" -o "$1" 2>stderr || {
        complain "does not compile:" "$1"
        return 125
    }
    "./$1" 2>stderr
}

# A test of the seed passes, and is made of these pieces (some words of each) and of no others.
passes() { # seed words option...
    local name
    name=$(basename "$1" .ops)
    emitted "$name" "$1" "${@:3}"
    built_runs "$name" || complain "the test fails:" "$1"
    grep -q "^static .*$2" "$name.c" || complain "'$2' is not in the test:" "$1"
}

# The test, changed, fails by a check.
fails() { # name sed-script check
    local status=0
    sed "$2" "$1.c" >changed.c
    cmp -s "$1.c" changed.c && complain "nothing is changed:" "$1: $2"
    built_runs changed || status=$?
    [[ $status -eq 1 ]] || complain "exit status $status, not 1:" "$1: $2"
    grep -q "^potad: violated: $3: .*(changed.c:[0-9]*)$" stderr || complain "not $3:" "$1: $2"
}

passes space_fuzzer/d3-movable-blocks-make-room.ops hear_move
passes space_fuzzer/b6-cma-moves-owners.ops take_run --subject core-both
passes space_fuzzer/b2-zone-comes-and-goes.ops remove_zones
passes space_fuzzer/b6-runs-in-spaces.ops take_unit_run
passes range_tree_fuzzer/b3-readers-hold-on.ops check_section
passes page_fuzzer/d1-folio-with-failed-frames.ops hear_release
passes slab_fuzzer/d1-cpu-objects-pressure.ops mark_kept --subject core-tree
passes common/a4-split-order-10.ops split

# What a test does not need is not in it.
for words in hear_move cpu_online range_tree potad_space kmem_cache_create check_told; do
    ! grep -q "$words" a4-split-order-10.c || complain "'$words' is in the test:" a4-split-order-10
done

fails a4-split-order-10 '0,/STATUS_OK); .. op/s//STATUS_BUSY); \/* op/' status
fails a4-split-order-10 's/^    give(T, 0); .*/    t.frames[3].use = USED;&/' coalescing
fails b3-readers-hold-on '0,/^    store(T.*/s//&\n    ranges_set(\&r.now, 0, UINT64_MAX, 1);/' range-reader
fails b6-runs-in-spaces '0,/^    give_unit_run(T.*/s//    *(unsigned char *)\&pieces[0].serial ^= 1;\n&/' \
    object-corrupt
touch='for (pfn_t pfn = FIRST_FRAME;; pfn++) if (frame_at(\&t, pfn)->use == FREE) *frame_address(\&t, pfn) = 1;'
fails d1-cpu-objects-pressure "0,/^    take_objects(T.*/s//&\n    $touch/" forbidden-touch

# The case that the bug report has, from any bytes and from standard input.
"$bin/potad-case" asm "$repo/corpus/seeds/common/a2-one-buddy-a-block.ops" -o any.bin
printf X | dd of=any.bin conv=notrunc status=none
"$bin/potad-case" emit-c --target slab_fuzzer - <any.bin >any.c 2>stderr || complain "not written:" -
built_runs any || complain "the test fails:" any.bin

threads=$repo/corpus/seeds/schedule_fuzzer/f2-lists-in-one-hand.ops
refused f2-lists-in-one-hand.ops 'potad-stress emit-c' -- "$bin/potad-case" emit-c "$threads"
refused b5-one-terabyte.ops 'flat array' -- \
    "$bin/potad-case" emit-c "$repo/corpus/seeds/large/b5-one-terabyte.ops"
refused emit-c 'one FILE' -- "$bin/potad-case" emit-c
refused emit-c -- "$bin/potad-case" emit-c --validate=-1 "$threads"
refused no/such -- "$bin/potad-case" emit-c -o no/such/file.c any.bin --raw
refused any.bin byte -- "$bin/potad-case" emit-c any.bin
exit "$((failures > 0))"
