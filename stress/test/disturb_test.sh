#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Each disturbance of potad-stress run happens where it is asked for, and nowhere else; a run in which
# one does not happen is inconclusive. Silent on success.
set -euo pipefail

usage() {
    cat <<'END'
usage: disturb_test.sh BIN WORKLOAD DISTURBANCE

Runs WORKLOAD with DISTURBANCE for a second, with potad-stress of the folder BIN; DISTURBANCE none:
without any; missing: with one that cannot happen.

Exit status: 0 all as it should be; 1 not, with the difference named; 2 bad usage; 77 the run did not
get everywhere else.
END
}

if [[ $# -ne 3 ]]; then
    [[ ${1-} == --help ]] || { usage >&2 && exit 2; }
    usage
    exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT

run() { # option...
    status=0
    "$bin/potad-stress" run --threads 3 --seconds 1 --seed 1 "$@" >"$scratch/out" 2>&1 || status=$?
}

fail() {
    printf '%s\n' "$*"
    cat "$scratch/out"
    exit 1
}

# How often the summary says that one happened.
count() { # name
    grep -oE "disturb-$1 +[0-9]+" "$scratch/out" | grep -oE '[0-9]+$' || fail "no counter for $1"
}

bin=$1 workload=$2 asked=$3
case $asked in
none)
    run --workload "$workload"
    ;;
missing)
    # Without CPUs that have lists, churn is never inside any, and reads nothing in a section.
    run --workload "$workload" --cpus 0 --disturb stall
    [[ $status -eq 3 ]] || fail "status $status, not 3, though nothing stalled"
    grep -q 'disturb-stall was never reached' "$scratch/out" || fail "it does not say what is missing"
    exit 0
    ;;
*)
    run --workload "$workload" --disturb "$asked"
    ;;
esac
for name in delay stutter stall affinity exhaust hotplug; do
    happened=$(count "$name")
    if [[ $name == "$asked" ]]; then
        ((happened > 0)) || fail "$name never happened"
    else
        ((happened == 0)) || fail "$name happened $happened times unasked"
    fi
done
case $status in
0) ;;
3) exit 77 ;;
*) fail "status $status" ;;
esac
