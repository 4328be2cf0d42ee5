/* SPDX-License-Identifier: MIT
 *
 * schedule_fuzzer: for any small program of threads, and any schedule of it: no frame has two
 * owners, the history of the calls is one that an allocator can have, nobody waits forever, and in
 * the end memory is as after boot.
 *
 *   program, as of all targets over cases   CASE_MARK   how   bytes for strategy_bytes()
 *
 * Bit 0 of how: which CPU a thread is on is a choice, too; bit 1: so is what loads see, as far as
 * weak memory lets them (weak.h). Without the mark, each thread runs until it waits or ends. A
 * program that does not name two threads, or does not boot, is passed over; so are all, if the
 * subject is for one thread only.
 */
#include "fuzzers/fuzz_target.h"
#include "stress/explore/failure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    THREADS_MIN = 2,
    HOW_ANY_CPU = 1,
    HOW_WEAK = 2,
    HOW_REUSE = 4,
    HOW_MASK = HOW_ANY_CPU | HOW_WEAK | HOW_REUSE,
    MARK_BYTES = sizeof(CASE_MARK) - 1,
    STAGES = 16, /* that are kept: mostly, an input differs in its schedule from one just before */
    KEY_MAX = 1 << 10
};

/* A stage, and what it is of: a program, and how. */
struct kept_stage {
    size_t key_bytes;
    uint8_t key[KEY_MAX];
    struct program program;
    struct stage *stage;    /* NULL: there can be none */
    struct sharing sharing; /* after an execution without interruptions: where there are choices */
};

static const struct subject *subject;
static struct explorer explorer;
static struct failure failure; /* its schedule is where executions are noted */
static struct kept_stage stages[STAGES];
static struct kept_stage *current; /* whose program runs */
static uint64_t executions;
static uint64_t operations;
static uint64_t steps;

/* Asked by AddressSanitizer. The subject's memory is not of malloc(): a large quarantine would only
 * cost page faults for stages that were dropped. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=4";
}

/* NOLINTNEXTLINE(bugprone-reserved-identifier): the sanitizers' */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

/* An engine's, if that is libFuzzer; it has a death callback of its own. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);

static void print_stats(void)
{
    fprintf(stderr, "potad-stats: execs=%" PRIu64 " ops=%" PRIu64 " steps=%" PRIu64 "\n",
            executions, operations, steps);
}

/* Prints what it takes to have it happen again, and saves it where POTAD_FAILURE says. */
static void print_failure(const char *name, const char *text)
{
    const char *path = getenv("POTAD_FAILURE");
    failure.program = current->program;
    failure.options = current->stage->options;
    snprintf(failure.found, sizeof(failure.found), "%s", name);
    snprintf(failure.text, sizeof(failure.text), "%s", text);
    snprintf(failure.subject, sizeof(failure.subject), "%s", subject->name);
    build_id(failure.build, sizeof(failure.build));
    fputs("potad: its case and schedule, for potad-stress replay:\n", stderr);
    failure_print(stderr, &failure);
    if (path == NULL) {
        fputs("potad: replay: ci/reproduce FILE, the input, also saves this as a file\n", stderr);
    } else if (failure_save(&failure, path)) {
        fprintf(stderr, "potad: replay: potad-stress replay %s\n", path);
    } else {
        fprintf(stderr, "potad: POTAD_FAILURE: %s: %s\n", path, strerror(errno));
    }
}

/* A sanitizer has reported something, and ends the process. */
static void on_death(void)
{
    if (explorer_active != NULL) {
        explorer_active = NULL;
        print_failure("sanitizer", "its report is above");
    }
}

static void start(void)
{
    const char *name = getenv("POTAD_SUBJECT");
    subject = subject_find(name == NULL ? "core" : name);
    if (subject == NULL) {
        fprintf(stderr, "potad: POTAD_SUBJECT: no subject is called '%s'\n", name);
        exit(2);
    }
    if ((subject->capabilities & SUBJECT_THREADS) == 0) {
        fprintf(stderr, "potad: POTAD_SUBJECT: %s is for one thread only: nothing to run\n", name);
    }
    if (!explorer_open(&explorer, &failure.schedule)) {
        abort();
    }
    for (unsigned i = 0; i < STAGES; i++) {
        program_init(&stages[i].program);
    }
    if (LLVMFuzzerMutate == NULL && __sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(on_death);
    }
    atexit(print_stats);
}

static uint64_t hash_bytes(const uint8_t *data, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ data[i]) * 0x100000001b3U;
    }
    return hash ^ hash >> 32;
}

/* Executes what @kept is of, as the bytes say. Does not return where anything is wrong. */
static void execute(struct kept_stage *kept, const uint8_t *data, size_t size)
{
    struct explore_finding finding;
    struct strategy *strategy = strategy_bytes(data, size);
    if (strategy == NULL || !explorer_set_weak(&explorer, kept->stage->options.weak)) {
        abort();
    }
    current = kept;
    bool good = stage_execute(kept->stage, strategy, &finding);
    strategy_close(strategy);
    if (!good) {
        fprintf(stderr, "potad: violated: %s: %s\n", finding.name, finding.text);
        print_failure(finding.name, finding.text);
        abort();
    }
}

/* The stage of the program in @program_bytes of @data, new or kept; NULL where there is none. */
static struct kept_stage *find_stage(const uint8_t *data, size_t program_bytes, uint8_t how)
{
    static struct program program;
    uint8_t key[KEY_MAX];
    char error[SCHEDULE_ERROR_MAX];
    struct stage_options options = {
        .subject = subject,
        .any_cpu = (how & HOW_ANY_CPU) != 0,
        .reuse = (how & HOW_REUSE) != 0,
        .weak = (how & HOW_WEAK) != 0,
    };
    case_decode_any(&program, data, program_bytes, &case_limits_schedule);
    size_t bytes = case_encoded_bytes(&program);
    bool threads = (subject->capabilities & SUBJECT_THREADS) != 0;
    if (!threads || program_threads(&program) < THREADS_MIN || bytes >= sizeof(key)) {
        return NULL;
    }
    case_encode(&program, key);
    key[bytes++] = how & HOW_MASK;
    struct kept_stage *kept = &stages[hash_bytes(key, bytes) % STAGES];
    if (kept->key_bytes == bytes && memcmp(kept->key, key, bytes) == 0) {
        return kept->stage == NULL ? NULL : kept;
    }
    if (kept->stage != NULL) {
        stage_close(kept->stage);
    }
    memcpy(kept->key, key, bytes);
    kept->key_bytes = bytes;
    struct program old = kept->program;
    kept->program = program;
    program = old;
    kept->stage = stage_open(&kept->program, &options, &explorer, error);
    if (kept->stage == NULL) {
        return NULL;
    }
    execute(kept, NULL, 0);
    kept->sharing = explorer.sharing;
    return kept;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (subject == NULL) {
        start();
    }
    size_t program_bytes = case_program_bytes(data, size);
    size_t at = program_bytes + (program_bytes < size ? MARK_BYTES : 0);
    uint8_t how = at < size ? data[at++] : 0;
    struct kept_stage *kept = find_stage(data, program_bytes, how);
    if (kept == NULL) {
        explorer.hash = 0;
        return -1; /* not for the corpus */
    }
    /* Of what other inputs have shown to be shared, this one knows nothing. */
    explorer.sharing = kept->sharing;
    execute(kept, data + at, size - at);
    executions++;
    operations += kept->program.ops_count;
    steps += explorer.steps;
    return 0;
}

uint64_t fuzz_target_state_hash(void)
{
    return explorer.hash;
}

void fuzz_target_stats(uint64_t *executions_out, uint64_t *operations_out)
{
    *executions_out = executions;
    *operations_out = operations;
}
