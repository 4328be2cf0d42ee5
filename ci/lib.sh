# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# lib.sh: what the commands beside it share. Sourced by them, never run.
#
# Exit status of every command: 0 nothing found; 1 a violation or failure was found; 2 bad usage or
# bad input; 3 inconclusive, or interrupted before it could tell.

command_name=ci/$(basename "$0")
repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# The tree that is built, and where: ci/canary points both at its scratch copy.
tree=$repo_root
build_root=${POTAD_BUILD_ROOT:-build}
[[ $build_root == /* ]] || build_root=$repo_root/$build_root

jobs_max=$(nproc 2>/dev/null || echo 2)
clang=
clangxx=
job=            # the process group that runs in the background, if any
job_status=0    # of the last one that ended
scratch_paths=() # removed at exit
progress_due=0

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:allocator_may_return_null=1:handle_abort=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:history_size=7:second_deadlock_stack=1}

warn() {
    progress_clear
    printf '%s: %s\n' "$command_name" "$*" >&2
}

# Bad usage or bad input: one line, and out.
die() {
    warn "$@"
    exit 2
}

# Sets value to that of an option: "$@" starts with the option.
option_value() {
    [[ $# -ge 2 && -n $2 ]] || die "$1 needs a value"
    # shellcheck disable=SC2034 # the commands use it
    value=$2
}

option_number() {
    option_value "$@"
    [[ $2 =~ ^[1-9][0-9]{0,8}$ ]] || die "$1 needs a number from 1 on, not '$2'"
}

now_ms() {
    local now=${EPOCHREALTIME/[.,]/}
    printf '%s' $((now / 1000))
}

seconds_text() { # milliseconds
    printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100))
}

# A path as the caller would type it.
path_shown() {
    printf '%s' "${1#"$PWD"/}"
}

json_text() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "${text//[$'\001'-$'\037']/ }"
}

# How far a long job is: a live line on a terminal, a line every 10 seconds elsewhere.
progress_start() {
    progress_due=$((SECONDS + 10))
}

progress() {
    local text=$*
    if [[ -t 2 ]]; then
        printf '\r\033[K%s' "${text:0:$((${COLUMNS:-80} - 1))}" >&2
    elif ((SECONDS >= progress_due)); then
        printf '%s\n' "$text" >&2
        progress_due=$((SECONDS + 10))
    fi
}

progress_clear() {
    [[ ! -t 2 ]] || printf '\r\033[K' >&2
}

# Starts a command as the background job, in a process group of its own so that all of it can be
# stopped, with its output in a log.
job_start() { # log command...
    local log=$1
    shift
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    job=$!
    set +m
}

job_runs() {
    [[ -n $job ]] && kill -0 "$job" 2>/dev/null
}

# Collects the job: its status is in job_status.
job_wait() {
    job_status=0
    wait "$job" 2>/dev/null || job_status=$?
    job=
}

job_signal() { # signal
    [[ -z $job ]] || kill -s "$1" -- "-$job" 2>/dev/null || true
}

# Runs a command in the background, shows the last line that it logged as progress.
# Return: its status.
run_logged() { # label log command...
    local label=$1 log=$2
    shift 2
    progress_start
    job_start "$log" "$@"
    while job_runs; do
        progress "$label: $(tail -n 1 "$log" 2>/dev/null | tr -d '\r\000')"
        sleep 0.2
    done
    job_wait
    progress_clear
    return "$job_status"
}

# Runs a function on each item, several at a time. Return: 1 where one failed.
run_parallel() { # function item...
    local function=$1 running=0 failed=0 item
    shift
    for item in "$@"; do
        if ((running == jobs_max)); then
            wait -n || failed=1
            running=$((running - 1))
        fi
        "$function" "$item" &
        running=$((running + 1))
    done
    while ((running > 0)); do
        wait -n || failed=1
        running=$((running - 1))
    done
    return "$failed"
}

lib_exit() {
    job_signal TERM
    [[ ${#scratch_paths[@]} -eq 0 ]] || rm -rf -- "${scratch_paths[@]}"
}

interrupt() {
    warn "interrupted"
    exit 3
}

trap lib_exit EXIT
trap interrupt INT TERM HUP

# Files of the tree that are in git or would be, restricted to the patterns.
tree_files() { # pattern..., or . for all
    local file
    (
        cd "$tree"
        git ls-files -co --exclude-standard -- "$@" | sort -u | while IFS= read -r file; do
            [[ ! -e $file ]] || printf '%s\n' "$file"
        done
    ) || die "cannot list the files of $tree: is it a git checkout of yours?"
}

tool_first() { # name...: prints the first that is installed
    local name
    for name in "$@"; do
        if command -v "$name"; then return 0; fi
    done
    return 1
}

# Whether a clang is 14 or newer and can link what the presets ask of it.
clang_works() { # path
    local version
    version=$("$1" -dumpversion 2>/dev/null) || return 1
    [[ ${version%%.*} =~ ^[0-9]+$ && ${version%%.*} -ge 14 ]] || return 1
    printf 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n);\n%s\n' \
        'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !d && n; }' |
        "$1" -x c -fsanitize=fuzzer,address - -o /dev/null 2>/dev/null
}

# Sets clang and clangxx. Return: 1 where there is none that works.
clang_find() {
    local name path
    [[ -z $clang ]] || return 0
    for name in clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 clang; do
        path=$(command -v "$name") || continue
        command -v "${name/clang/clang++}" >/dev/null || continue
        if clang_works "$path"; then
            clang=$path
            clangxx=$(command -v "${name/clang/clang++}")
            return 0
        fi
    done
    return 1
}

pick_clang() {
    clang_find || die "no clang from 14 on that links -fsanitize=fuzzer,address: run ci/setup"
    ASAN_SYMBOLIZER_PATH=$("$clang" -print-prog-name=llvm-symbolizer)
    if [[ ! -x $ASAN_SYMBOLIZER_PATH ]]; then
        ASAN_SYMBOLIZER_PATH=$(tool_first "llvm-symbolizer${clang##*clang}" llvm-symbolizer) || return 0
    fi
    export ASAN_SYMBOLIZER_PATH
}

# Sets cc and cxx of the caller.
preset_compilers() { # preset
    case $1 in
    release) cc=gcc cxx=g++ ;;
    afl) cc=afl-clang-fast cxx=afl-clang-fast++ ;;
    *)
        pick_clang
        cc=$clang cxx=$clangxx
        ;;
    esac
    cc=$(command -v "$cc") || die "$cc is not installed: run ci/setup"
    cxx=$(command -v "$cxx") || die "$cxx is not installed: run ci/setup"
}

# A log from its first error on, or all of it.
log_errors() { # pattern log
    if grep -q "$1" "$2"; then sed -n "/$1/,\$p" "$2"; else cat "$2"; fi
}

# Build folders that this command has configured.
declare -A configured

# What is compiled again as it was before is taken from a cache, wherever it was: ci/canary takes
# bugs back, in a copy of the tree.
launchers=()
launchers_find() {
    command -v ccache >/dev/null || return 0
    launchers=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    export CCACHE_DIR=${CCACHE_DIR:-$build_root/ccache} CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$tree
}
launchers_find

# Configures a preset. A build folder that another compiler made is made anew, one that the same
# compiler made is kept. Return: 1 with the log on stderr.
preset_configure() { # preset
    local dir=$build_root/$1 cc cxx cached launched=("${launchers[@]}")
    preset_compilers "$1"
    # What is covered is named by where it is.
    [[ $1 != coverage ]] || launched=()
    cached=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$dir/CMakeCache.txt" 2>/dev/null || true)
    if [[ -n $cached && $cached != "$cc" ]]; then rm -rf -- "$dir"; fi
    mkdir -p "$dir" || die "cannot make $dir"
    if ! (cd "$tree" && CC=$cc CXX=$cxx AFL_QUIET=1 \
        run_logged "configure $1" "$dir/ci.log" cmake --preset "$1" -B "$dir" "${launched[@]}"); then
        log_errors '^CMake Error' "$dir/ci.log" >&2
        return 1
    fi
    configured[$dir]=1
}

# Configures and builds a preset, or some targets of it. Return: 1 with the errors on stderr.
preset_build() { # preset target...
    local preset=$1 dir=$build_root/$1 targets=()
    shift
    [[ $# -eq 0 ]] || targets=(--target "$@")
    # Once: the build itself sees where it has to be done again.
    [[ -n ${configured[$dir]:-} ]] || preset_configure "$preset" || return 1
    if ! AFL_QUIET=1 run_logged "build $preset" "$dir/ci.log" \
        cmake --build "$dir" --parallel "$jobs_max" "${targets[@]}"; then
        log_errors '^FAILED' "$dir/ci.log" >&2
        return 1
    fi
}

# The names of the fuzz targets, as a configured preset lists them.
fuzz_targets() { # preset
    cat "$build_root/$1/fuzz_targets.txt" 2>/dev/null ||
        die "$build_root/$1/fuzz_targets.txt is missing: nothing lists the fuzz targets"
}

# Whether the inputs of a fuzz target are programs, and are mutated as such but in NAME_bytes.
target_has_ops() { # preset target
    grep -qxF -- "$2" "$build_root/$1/ops_targets.txt" 2>/dev/null
}

# Sanitizers before clang 18 cannot start where the kernel randomises addresses by more than 28
# bits. Sets sanitized to what goes before such a program.
sanitized=()
sanitized_find() {
    local bits
    bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null) || return 0
    # shellcheck disable=SC2034 # the commands use it
    if ((bits > 28)) && setarch -R true 2>/dev/null; then sanitized=(setarch -R); fi
}
sanitized_find

# Whether a fuzz target is one of a format's reader: it takes files as they are.
target_reads() { # target
    [[ $1 == case_fuzzer || $1 == memory_map_fuzzer || $1 == trace_fuzzer ]]
}

# Copies the seeds of a reader: texts of its format.
seeds_copy() { # target folder
    local seed
    for seed in "$tree/corpus/seeds/$1"/*; do
        [[ ! -e $seed ]] || cp -- "$seed" "$2"
    done
    case $1 in
    case_fuzzer) cp -- "$tree/corpus/seeds/common"/*.ops "$2" ;;
    memory_map_fuzzer) cp -- "$tree/corpus/maps"/* "$2" ;;
    esac
}

# Turns the text seeds of a fuzz target, and those that all targets share, into binary cases.
seeds_assemble() { # target potad-case folder
    local seed file message
    if target_reads "$1"; then
        seeds_copy "$1" "$3"
        [[ $1 == case_fuzzer ]] || return 0
    fi
    for seed in "$tree/corpus/seeds/$1"/*.ops "$tree/corpus/seeds/common"/*.ops; do
        [[ -e $seed || -L $seed ]] || continue
        file=$(basename "$(dirname "$seed")")-$(basename "$seed" .ops).bin
        message=$("$2" asm "$seed" -o "$3/$file" 2>&1) ||
            die "$(path_shown "$seed"): ${message##*"$seed": }"
        # Behind the mark is how threads are scheduled: by nothing yet.
        [[ $1 != schedule_fuzzer ]] || printf 'PTSC\0' >>"$3/$file"
    done
}

# What the patches of planted bugs say, by name.
declare -A bug expect find race

header_field() { # file key
    sed -n "/^\(diff\|---\) /q; s/^$2: *//p" "$1" | head -n 1
}

# Whether what finds a bug is a program of one thread, which potad-case can shrink and write as C: what
# schedule_fuzzer finds depends on a schedule, and what readers take is no program.
bug_has_case() { # name
    local words
    read -ra words <<<"${find[$1]}"
    [[ ${words[0]} =~ ^(case|fuzz)$ && ${words[1]} != *schedule_fuzzer* ]] && ! target_reads "${words[1]}"
}

# Reads the head of a patch. A unit test runs, and schedules are searched, in the build that the bug
# shows in: find says which, as test-asan or explore-tsan.
bug_read() { # name
    local file=$repo_root/corpus/bugs/$1.patch key words preset=asan
    [[ -r $file ]] || die "corpus/bugs/$1.patch: no such bug; see --list"
    # shellcheck disable=SC2034 # the commands use it
    bug[$1]=$(header_field "$file" Bug)
    expect[$1]=$(header_field "$file" Expect)
    find[$1]=$(header_field "$file" Find)
    # shellcheck disable=SC2034 # ci/races uses it
    race[$1]=$(header_field "$file" Race)
    for key in bug expect find; do
        local -n field=$key
        [[ -n ${field[$1]} ]] || die "corpus/bugs/$1.patch: no line '${key^}: ...' before the diff"
    done
    read -ra words <<<"${find[$1]}"
    case ${words[0]}:${#words[@]} in
    fuzz:3 | case:2 | sweep:2 | stress:4) ;;
    test:2 | explore:[3-9])
        [[ " ${expect[$1]} " != *" tsan "* ]] || preset=tsan
        find[$1]="${words[0]}-$preset ${words[*]:1}"
        ;;
    *) die "corpus/bugs/$1.patch: cannot read 'Find: ${find[$1]}'" ;;
    esac
}

# A copy of this tree, to plant bugs into, and where it is built.
scratch_make() { # keep: 1 for a copy that stays
    scratch=$(mktemp -d)
    if (($1)); then echo "scratch copy: $scratch"; else scratch_paths+=("$scratch"); fi
    mkdir "$scratch/tree"
    tree_files . | tar -C "$repo_root" -c -T - | tar -C "$scratch/tree" -x
    tree=$scratch/tree
    build_root=$tree/build
    export CCACHE_BASEDIR=$tree
}

# Plants a bug into the copy, or takes it back.
bug_patch() { # name option...
    local file=$repo_root/corpus/bugs/$1.patch
    shift
    patch -d "$tree" -p1 --fuzz=0 --no-backup-if-mismatch -r - "$@" <"$file" >"$scratch/patch.log" 2>&1
}

bug_plant() { # name
    bug_patch "$1" --forward --dry-run && bug_patch "$1" --forward
}

bug_take_back() { # name
    bug_patch "$1" --reverse || die "$1.patch cannot be taken back: $(tail -n 1 "$scratch/patch.log")"
}

# Sets explored to the command that searches the schedules of a case, but for more options, and
# explored_file to what comes last.
explore_command() { # preset FILE SECONDS [OPTION...]
    local preset=$1 file=$2 seconds=$3 option
    shift 3
    explored=("$build_root/$preset/bin/potad-stress" explore --seconds "$seconds")
    for option in "$@"; do
        explored+=("--${option%%=*}")
        [[ $option != *=* ]] || explored+=("${option#*=}")
    done
    # shellcheck disable=SC2034 # the commands use it
    explored_file=$tree/$file
}
