#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# ci/coverage.awk: what it counts, explains, and finds stale. Silent on success.
set -euo pipefail

usage() {
    cat <<'END'
usage: coverage_test.sh SOURCE

Tests ci/coverage.awk of the tree SOURCE.

Exit status: 0 as it should be; 1 not, with the difference; 2 bad usage.
END
}

[[ ${1:-} != --help ]] || { usage && exit 0; }
[[ $# -eq 1 && -r $1/ci/coverage.awk ]] || { usage >&2 && exit 2; }
program=$(realpath "$1")/ci/coverage.awk
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cd "$scratch"
mkdir core
printf '%s\n' 'if (a) {' '    ASSERT(b);' '} else if (c) {' '    if (d) {' 'while (e) {' >core/x.c
printf '%s\n' '# no rule' 'not counted: a bug' '  core/*: any: (d)' 'not reached: why' \
    '  core/x.c: not: (c)' '  core/x.c: taken: (c)' '  core/y.c: any: *' >rules
printf 'core/x.c\t%s\t%s\n' 1 4 2 0 2 1 3 0 >lines
# Taken alone; never false; beside others; an assertion; a branch of no rule.
{
    printf '%s\tcore/x.c\t%s\t5\t0\t0\t%s\t%s\n' alone 1 3 1 alone 2 0 9 alone 3 0 0 \
        beside 3 2 0 alone 4 0 7 alone 5 0 1
} >branches
cat >expected <<'END'
branch core/x.c 5 5 taken while (e) {
explained core/x.c 3 5 not } else if (c) {
file core/x.c 3 2 7 5 4 1 1
line core/x.c 3 } else if (c) {
stale core/x.c: taken: (c)
stale core/y.c: any: *
sum all 3 2 7 5 4 1 1
END
awk -F '\t' -v OFS='\t' -f "$program" rules lines branches | LC_ALL=C sort | tr '\t' ' ' >found
diff expected found || exit 1
