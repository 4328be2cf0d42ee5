/* SPDX-License-Identifier: MIT */
#include "fuzzers/fuzz_common.h"

#include "fuzzers/executor.h"
#include "fuzzers/fuzz_target.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    VALIDATE_PERIOD = 16, /* operations between full validations */
    SHOWN_OPS = 8
};

static struct executor executor;
static struct program program;
static uint64_t executions;
static uint64_t operations;

/* Asked by AddressSanitizer. The subject's memory is not of malloc(): a large quarantine would only
 * cost page faults for copies of inputs. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=4";
}

static void print_stats(void)
{
    fprintf(stderr, "potad-stats: execs=%" PRIu64 " ops=%" PRIu64 "\n", executions, operations);
}

static void start(const struct case_limits *limits)
{
    const char *name = getenv("POTAD_SUBJECT");
    const struct subject *subject = subject_find(name == NULL ? "core" : name);
    if (subject == NULL) {
        fprintf(stderr, "potad: POTAD_SUBJECT: no subject is called '%s'\n", name);
        exit(2);
    }
    executor_init(&executor, subject, limits->slots);
    executor.validate_period = VALIDATE_PERIOD;
    program_init(&program);
    atexit(print_stats);
}

void fuzz_case(const uint8_t *data, size_t size, const struct case_limits *limits)
{
    if (executor.harness.subject == NULL) {
        start(limits);
    }
    case_decode_any(&program, data, size, limits);
    if (!executor_run(&executor, &program)) {
        executor_print_violation(stderr, &executor, &program, SHOWN_OPS);
        abort();
    }
    executions++;
    operations += executor.harness.operations;
}

uint64_t fuzz_target_state_hash(void)
{
    return executor.state_hash;
}

void fuzz_target_stats(uint64_t *executions_out, uint64_t *operations_out)
{
    *executions_out = executions;
    *operations_out = operations;
}
