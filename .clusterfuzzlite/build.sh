#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds every fuzz target into $OUT, with its seeds and options, for whatever engine and sanitizer the
# caller's $CC, $CXX, $CFLAGS, $CXXFLAGS and $LIB_FUZZING_ENGINE stand for. Runs in the tree, as
# OSS-Fuzz and ClusterFuzzLite do; ci/check-clusterfuzzlite does the same here.
set -euo pipefail
source_tree=$PWD
# shellcheck source=../ci/lib.sh
source "$source_tree/ci/lib.sh"
: "${OUT:?}" "${WORK:?}" "${LIB_FUZZING_ENGINE:?}"

# The tools that make seeds are of this machine's own kind, and stay out of $OUT.
clang_find || die "no clang that works"
(
    unset CFLAGS CXXFLAGS LIB_FUZZING_ENGINE
    cmake -S "$source_tree" -B "$WORK/tools" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_C_COMPILER="$clang" -DCMAKE_CXX_COMPILER="$clangxx"
    cmake --build "$WORK/tools" --target potad-case
)

# OSS-Fuzz has it reported that unsigned numbers wrap, which they do here on purpose; AFL++ ends a
# target at any report.
if [[ ${FUZZING_ENGINE:-} == afl && ${SANITIZER:-} == undefined ]]; then
    export CFLAGS="$CFLAGS -fno-sanitize=unsigned-integer-overflow"
    export CXXFLAGS="$CXXFLAGS -fno-sanitize=unsigned-integer-overflow"
fi

# Engines are linked with $CXX, as CMakeLists.txt has it.
cmake -S "$source_tree" -B "$WORK/targets" -G Ninja -DCMAKE_BUILD_TYPE=None -DPOTAD_TESTS=OFF \
    -DPOTAD_CHECK_LOCKS=ON
mapfile -t targets <"$WORK/targets/fuzz_targets.txt"
cmake --build "$WORK/targets" --target "${targets[@]}"

for target in "${targets[@]}"; do
    cp -- "$WORK/targets/bin/$target" "$OUT/"
    rm -rf -- "$WORK/seeds"
    mkdir "$WORK/seeds"
    seeds_assemble "$target" "$WORK/tools/bin/potad-case" "$WORK/seeds"
    rm -f -- "$OUT/${target}_seed_corpus.zip"
    (cd "$WORK/seeds" && zip -q -X "$OUT/${target}_seed_corpus.zip" ./*)
    printf '[libfuzzer]\nmax_len = 2048\ntimeout = 10\n' >"$OUT/$target.options"
done
