/* SPDX-License-Identifier: MIT */
#include "fuzzers/sweep/sweep.h"

#include "fuzzers/harness_internal.h"

#include <stdlib.h>
#include <string.h>

/* One operation that is swept. */
struct swept_op {
    const struct program *program;
    uint32_t index;
    struct attempt_clean clean;
    uint32_t pairs_left;
    bool pairs_left_out;
    bool cut_off;
    struct attempt_outcome *outcome; /* of the last attempt */
};

void sweep_init(struct sweep *sweep, const struct subject *subject)
{
    *sweep = (struct sweep){.pairs = 0};
    executor_init(&sweep->executor, subject, CASE_SLOTS_MAX);
}

void sweep_close(struct sweep *sweep)
{
    executor_close(&sweep->executor);
}

/* Counts what became of an attempt at the site of @fault. Return: whether its last fault struck,
 * and nothing was found. */
static bool count_attempt(struct sweep *sweep, const struct swept_op *swept,
                          const struct attempt *attempt)
{
    const struct attempt_outcome *outcome = swept->outcome;
    struct sweep_counts *counts = &sweep->counts;
    bool pair = attempt->then.nth != 0;
    bool found = attempt_found(outcome);
    bool struck = found || (pair ? outcome->fired_then : outcome->fired) > 0;
    enum fault_site site = pair ? attempt->then.site : attempt->first.site;
    enum matrix_mode mode = pair ? MATRIX_SECOND : (enum matrix_mode)attempt->first.mode;
    struct fault_cell *cell =
        &sweep->matrix.cells[swept->program->ops[swept->index].op][site][mode];
    cell->reached++;
    cell->failed += struck ? 1 : 0;
    cell->recovered += struck && !found ? 1 : 0;
    counts->attempts++;
    counts->failed += struck ? 1 : 0;
    counts->second_faults += pair && struck ? 1 : 0;
    counts->refused += struck && !found && outcome->clean.unchanged ? 1 : 0;
    counts->survived += struck && !found && !outcome->clean.unchanged ? 1 : 0;
    counts->rests += struck && attempt->rest ? 1 : 0;
    counts->found += found ? 1 : 0;
    return struck && !found;
}

/* One attempt. Return: as count_attempt(). */
static bool attempt_one(struct sweep *sweep, struct swept_op *swept, struct attempt *attempt)
{
    attempt->rest = sweep->rest != 0 && sweep->counts.attempts % sweep->rest == 0;
    attempt_run(&sweep->executor, swept->program, attempt, &swept->clean, swept->outcome);
    if (attempt_found(swept->outcome)) {
        sweep->found(sweep, swept->program, attempt, swept->outcome);
    }
    return count_attempt(sweep, swept, attempt);
}

/* All faults at @site, in @mode, after the @first one. */
static void sweep_second_site(struct sweep *sweep, struct swept_op *swept, struct fault first,
                              enum fault_site site, enum fault_mode mode)
{
    struct attempt attempt = {.index = swept->index, .first = first, .then = {site, 1, mode}};
    for (; attempt.then.nth <= SWEEP_NTH_MAX; attempt.then.nth++) {
        if (swept->pairs_left == 0) {
            swept->pairs_left_out = true;
            return;
        }
        swept->pairs_left--;
        if (!attempt_one(sweep, swept, &attempt)) {
            return;
        }
    }
    swept->cut_off = true;
}

/* All faults after the @first one, which has struck just now. */
static void sweep_second(struct sweep *sweep, struct swept_op *swept, struct fault first)
{
    uint32_t steps[FAULT_SITES];
    memcpy(steps, swept->outcome->steps_after, sizeof(steps));
    for (unsigned site = 0; site < FAULT_SITES && sweep->pairs > 0; site++) {
        bool fails_already = first.mode == FAULT_PERSISTENT && site == (unsigned)first.site;
        for (unsigned mode = 0; mode < FAULT_MODES && steps[site] > 0 && !fails_already; mode++) {
            sweep_second_site(sweep, swept, first, (enum fault_site)site, (enum fault_mode)mode);
        }
    }
}

/* All faults at @site in @mode, alone and with a second one. */
static void sweep_site(struct sweep *sweep, struct swept_op *swept, enum fault_site site,
                       enum fault_mode mode)
{
    struct attempt attempt = {.index = swept->index, .first = {site, 1, mode}};
    for (; attempt.first.nth <= SWEEP_NTH_MAX; attempt.first.nth++) {
        if (!attempt_one(sweep, swept, &attempt)) {
            return;
        }
        sweep_second(sweep, swept, attempt.first);
    }
    swept->cut_off = true;
}

/* What the next operation does without its own fault. Return: whether it does so unharmed. */
static bool probe(struct sweep *sweep, struct swept_op *swept)
{
    const struct attempt probe = {.index = swept->index};
    attempt_run(&sweep->executor, swept->program, &probe, NULL, swept->outcome);
    sweep->counts.attempts++;
    bool found = attempt_found(swept->outcome);
    if (found) {
        sweep->found(sweep, swept->program, &probe, swept->outcome);
        sweep->counts.found++;
    }
    swept->clean = swept->outcome->clean;
    return !found;
}

static bool reaches_any(const uint32_t *steps)
{
    uint32_t sum = 0;
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        sum += steps[site];
    }
    return sum > 0;
}

/* Whether enough operations of the kind have been swept at @site; if not, counts one more. */
static bool has_enough(struct sweep *sweep, enum op op, unsigned site)
{
    uint32_t *swept = &sweep->swept[op][site];
    if (sweep->each != 0 && *swept == sweep->each) {
        return true;
    }
    (*swept)++;
    return false;
}

/* Sweeps an operation, which the executor is about to run. */
static void sweep_op(struct sweep *sweep, struct swept_op *swept)
{
    const struct case_op *op = &swept->program->ops[swept->index];
    if (op->nth != 0 && !probe(sweep, swept)) {
        return;
    }
    if (!reaches_any(swept->clean.steps)) {
        return;
    }
    sweep->counts.reaching++;
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        if (swept->clean.steps[site] == 0 || has_enough(sweep, (enum op)op->op, site)) {
            continue;
        }
        for (unsigned mode = 0; mode < FAULT_MODES; mode++) {
            sweep_site(sweep, swept, (enum fault_site)site, (enum fault_mode)mode);
        }
    }
    sweep->counts.left_out += swept->pairs_left_out ? 1 : 0;
    sweep->counts.cut_off += swept->cut_off ? 1 : 0;
}

/* Runs the case as it is, and notes what its operations do in @cleans. Return: SWEEP_DONE where the
 * case can be swept. */
static enum sweep_result run_clean(struct sweep *sweep, const struct program *program,
                                   struct attempt_clean *cleans)
{
    struct executor *executor = &sweep->executor;
    const struct harness *harness = &executor->harness;
    if (!executor_begin(executor, program)) {
        return harness_violated(harness) ? SWEEP_NOT_CLEAN : SWEEP_NOT_RUN;
    }
    for (uint32_t i = 0; i < program->ops_count && !harness_violated(harness); i++) {
        /* One that this subject does not have leaves the steps of the one before. */
        memset(executor->harness.fault.steps, 0, sizeof(harness->fault.steps));
        executor_step(executor, &program->ops[i], i);
        if (!harness_violated(harness) && reaches_any(harness->fault.steps)) {
            cleans[i] = attempt_note(executor);
        }
    }
    if (!harness_violated(harness)) {
        executor_end(executor, program);
    }
    return harness_violated(harness) ? SWEEP_NOT_CLEAN : SWEEP_DONE;
}

/* Sweeps all operations. Context: the case is clean. */
static enum sweep_result sweep_ops(struct sweep *sweep, const struct program *program,
                                   const struct attempt_clean *cleans)
{
    enum sweep_result result = SWEEP_DONE;
    struct attempt_outcome *outcome = attempt_outcome_make();
    for (uint32_t i = 0; i < program->ops_count && result == SWEEP_DONE; i++) {
        struct swept_op swept = {
            .program = program,
            .index = i,
            .clean = cleans[i],
            .pairs_left = sweep->pairs,
            .outcome = outcome,
        };
        sweep_op(sweep, &swept);
        result = sweep->goes_on(sweep) ? result : SWEEP_STOPPED;
        executor_step(&sweep->executor, &program->ops[i], i);
    }
    attempt_outcome_free(outcome);
    sweep->counts.cases++;
    sweep->counts.operations += program->ops_count;
    return result;
}

enum sweep_result sweep_case(struct sweep *sweep, const struct program *program)
{
    struct attempt_clean *cleans = calloc(program->ops_count + 1U, sizeof(*cleans));
    if (cleans == NULL) {
        abort();
    }
    enum sweep_result result = run_clean(sweep, program, cleans);
    if (result == SWEEP_DONE && executor_begin(&sweep->executor, program)) {
        result = sweep_ops(sweep, program, cleans);
    }
    free(cleans);
    return result;
}

enum sweep_result sweep_only(struct sweep *sweep, const struct program *program,
                             const struct attempt *attempt)
{
    if (!executor_begin(&sweep->executor, program)) {
        return harness_violated(&sweep->executor.harness) ? SWEEP_NOT_CLEAN : SWEEP_NOT_RUN;
    }
    for (uint32_t i = 0; i < attempt->index; i++) {
        executor_step(&sweep->executor, &program->ops[i], i);
    }
    if (harness_violated(&sweep->executor.harness)) {
        return SWEEP_NOT_CLEAN;
    }
    struct swept_op swept = {
        .program = program, .index = attempt->index, .outcome = attempt_outcome_make()};
    struct attempt only = *attempt;
    bool probe_only = only.first.nth == 0;
    bool found = !probe(sweep, &swept);
    if (!found && !probe_only) {
        attempt_run(&sweep->executor, program, &only, &swept.clean, swept.outcome);
        found = attempt_found(swept.outcome);
        if (found) {
            sweep->found(sweep, program, &only, swept.outcome);
        }
        (void)count_attempt(sweep, &swept, &only);
    }
    bool struck = only.then.nth != 0 ? swept.outcome->fired_then > 0 : swept.outcome->fired > 0;
    attempt_outcome_free(swept.outcome);
    return struck || found || probe_only ? SWEEP_DONE : SWEEP_NO_STRIKE;
}
