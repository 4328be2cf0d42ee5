#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What the table "Race mechanisms" of stress/README.md names is there: planted bugs, unit tests,
# workloads, counters, functions and files. Silent on success.
set -euo pipefail

usage() {
    cat <<'END'
usage: readme_test.sh ROOT

Checks the names in the table "Race mechanisms" of the tree at ROOT.

Exit status: 0 all are there; 1 some are not, each is named; 2 bad usage.
END
}

if [[ $# -ne 1 || $1 == -* ]]; then
    [[ ${1-} == --help ]] || { usage >&2 && exit 2; }
    usage
    exit 0
fi
cd -- "$1"

rows() {
    sed -n '/^## Race mechanisms/,/^## How/p' stress/README.md | grep '^| ' | tail -n +2
}

# The names of one column, a line each.
# shellcheck disable=SC2016 # backticks, as Markdown has them
names() { # column
    rows | cut -d '|' -f "$1" | grep -o '`[^`]*`' | tr -d '`' | sort -u
}

missing=0
complain() { # name what
    printf 'stress/README.md names %s, which is no %s\n' "$1" "$2"
    missing=1
}

[[ $(rows | wc -l) -eq 12 ]] || complain "$(rows | wc -l) mechanisms" 'twelve'
while IFS= read -r name; do
    [[ -e corpus/bugs/$name.patch ]] || complain "$name" 'planted bug'
done < <(names 5)
while IFS= read -r name; do
    [[ -e stress/workload_$name.c ]] || grep -qF "cmocka_unit_test($name)" core/test/*.c ||
        grep -qE "^ +X\(.*\"${name#window-}\"|^ +\"$name\"\)" stress/path.h core/*.h ||
        complain "$name" 'workload, unit test or counter'
done < <(names 4)
while IFS= read -r name; do
    if [[ $name == *.[ch] ]]; then
        [[ -e core/$name ]] || complain "$name" 'file of the core'
    else
        grep -qE "\b${name%()}\b|\"$name\"" core/*.[ch] || complain "$name" 'function or window'
    fi
done < <(names 3)
exit "$missing"
