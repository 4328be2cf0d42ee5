# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# cli.sh: what tests of command lines share. Sourced by them with their arguments, once they have
# usage(); never run. Leaves them in an empty folder, which goes at exit; the tools are in $bin.

if [[ $# -ne 1 || $1 == -* ]]; then
    [[ ${1-} == --help ]] || { usage >&2 && exit 2; }
    usage
    exit 0
fi

bin=$(cd -- "$1" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cd "$scratch" || exit 1
failures=0

complain() { # what command...
    local what=$1
    shift
    printf '%s\n    %s\n' "$what" "${*#"$bin"/}"
    sed 's/^/    stderr: /' stderr
    failures=$((failures + 1))
}

# The command ends in status 2, and its one line on stderr has each of the words.
refused() { # word... -- command...
    local words=() word status=0
    while [[ $1 != -- ]]; do
        words+=("$1")
        shift
    done
    shift
    "$@" >stdout 2>stderr </dev/null || status=$?
    if [[ $status -ne 2 ]]; then
        complain "exit status $status, not 2:" "$@"
    elif [[ $(wc -l <stderr) -ne 1 ]]; then
        complain "$(wc -l <stderr) lines on stderr, not one:" "$@"
    fi
    for word in "${words[@]}"; do
        grep -qF -e "$word" stderr || complain "'$word' is not named:" "$@"
    done
}
