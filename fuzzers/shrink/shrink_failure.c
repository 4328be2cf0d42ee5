/* SPDX-License-Identifier: MIT */
#include "fuzzers/shrink/shrink_failure.h"

#include "fuzzers/shrink/shrink.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    ENDLESS_SECONDS = 1,
    SLOWER_FACTOR = 8 /* a smaller program should not take so much longer */
};

static const uint64_t second_ns = 1000000000;

/* Between lines of progress; on a terminal, between changes of the one. */
static const double line_seconds = 10;
static const double live_seconds = 0.2;

struct holding {
    const struct shrink_plan *plan;
    struct trials *trials;
    const struct signature *signature;
    bool terminal;
    bool printed; /* a live line stands there */
    bool stopped;
    double start;
    double next; /* when to say how far it is */
};

static double now_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / (double)second_ns;
}

static void show_progress(struct holding *holding, uint32_t ops)
{
    double now = now_seconds();
    if (now < holding->next) {
        return;
    }
    fprintf(stderr, "%s%s: %u operations, %" PRIu64 " executions%s", holding->terminal ? "\r" : "",
            holding->plan->label, ops, holding->trials->executions,
            holding->terminal ? "\033[K" : "\n");
    holding->printed = holding->terminal;
    holding->next = now + (holding->terminal ? live_seconds : line_seconds);
}

static bool is_over(struct holding *holding)
{
    holding->stopped = holding->stopped || *holding->plan->stop != 0 ||
                       now_seconds() - holding->start > holding->plan->seconds;
    return holding->stopped;
}

static bool holds(void *context, const struct program *program)
{
    struct holding *holding = context;
    struct trial trial;
    if (is_over(holding)) {
        return false;
    }
    show_progress(holding, program->ops_count);
    trial_run(holding->trials, program, &trial);
    return trial.end == TRIAL_FAILED && signature_equal(&trial.signature, holding->signature);
}

static void copy_program(struct program *to, const struct program *from)
{
    program_init(to);
    for (uint32_t i = 0; i < from->ops_count; i++) {
        program_add(to, from->ops[i]);
    }
    to->map = from->map;
    to->slots = from->slots;
    to->cpus = from->cpus;
}

/* How long a run may take, once it is known what it is to show: without an end, no candidate is
 * waited for as long as the first. */
static uint32_t seconds_allowed(const struct shrink_plan *plan, const struct trial *first)
{
    uint64_t slower = 1 + first->ns * SLOWER_FACTOR / second_ns;
    bool endless = strcmp(first->signature.name, "timeout") == 0;
    uint64_t seconds = endless ? ENDLESS_SECONDS : slower;
    return seconds < plan->trial_seconds ? (uint32_t)seconds : plan->trial_seconds;
}

/* Shrinks it, and looks at what came out under the conditions that it came in: if it is not the
 * same failure any more, it was none to shrink, and is left as it was. */
static void shrink_held(struct holding *holding, const struct trial *first, struct program *program,
                        struct shrink_result *result)
{
    const struct shrink_judge judge = {holds, holding};
    struct trials *trials = holding->trials;
    struct program before;
    copy_program(&before, program);
    trials->seconds = seconds_allowed(holding->plan, first);
    shrink_program(program, &judge);
    trials->seconds = holding->plan->trial_seconds;
    trial_run(trials, program, &result->trial);
    if (result->trial.end != TRIAL_FAILED ||
        !signature_equal(&result->trial.signature, &first->signature)) {
        program_free(program);
        copy_program(program, &before);
        result->trial = *first;
        holding->stopped = true;
    }
    program_free(&before);
}

bool shrink_failure(const struct shrink_plan *plan, struct program *program,
                    struct shrink_result *result)
{
    struct trials trials;
    struct trial first;
    *result = (struct shrink_result){.ops_before = program->ops_count};
    struct holding holding = {.plan = plan,
                              .trials = &trials,
                              .signature = &first.signature,
                              .terminal = isatty(STDERR_FILENO) != 0,
                              .start = now_seconds()};
    holding.next = holding.start + (holding.terminal ? live_seconds : line_seconds);
    trials_open(&trials, plan->subject, program);
    trials.validate_period = plan->validate_period;
    trials.seconds = plan->trial_seconds;
    trial_run_first(&trials, program, &first);
    result->trial = first;
    if (first.end == TRIAL_FAILED) {
        shrink_held(&holding, &first, program, result);
    }
    if (holding.printed) {
        fputs("\r\033[K", stderr);
    }
    result->ops_after = program->ops_count;
    result->executions = trials.executions;
    result->forks = trials.forks;
    result->seconds = now_seconds() - holding.start;
    result->stopped = holding.stopped;
    trials_close(&trials);
    return first.end == TRIAL_FAILED;
}
