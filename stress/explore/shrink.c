/* SPDX-License-Identifier: MIT
 *
 * shrink.c: by turns, until nothing more goes: switches, operations, unusual choices. A schedule
 * says of operations by their number where threads switched, and of what is not there any more
 * nothing: so it is still a schedule when an operation has gone, with the numbers behind it
 * lowered; what is executed then is noted, and is the schedule from there on.
 */
#include "stress/explore/shrink.h"

#include <stdlib.h>
#include <string.h>

struct shrinking {
    struct attempt *attempt;
    struct program *program;
    const struct stage_options *options;
    struct schedule *schedule;
    struct schedule *candidate;
    const char *name;
    uint64_t attempts;
};

/* Whether @program under the candidate schedule is found wrong in the same way, with at most
 * @switches switches and @picks unusual choices; if so, what was executed is the schedule. */
static bool try(struct shrinking *shrinking, const struct program *program, uint32_t switches,
                uint32_t picks)
{
    struct attempt *attempt = shrinking->attempt;
    shrinking->attempts++;
    attempt_replay(attempt, program, shrinking->options, shrinking->candidate, shrinking->name,
                   false);
    if (attempt->bad_program || strcmp(attempt->finding.name, shrinking->name) != 0 ||
        schedule_switches(&attempt->schedule) > switches || attempt->schedule.picks_count > picks) {
        return false;
    }
    schedule_copy(shrinking->schedule, &attempt->schedule);
    return true;
}

/* The same with fewer switches than there are now. */
static bool try_fewer(struct shrinking *shrinking)
{
    uint32_t switches = schedule_switches(shrinking->schedule);
    return switches > 0 && try(shrinking, shrinking->program, switches - 1, UINT32_MAX);
}

/* Makes run @index of the candidate and the next one of the same thread one: without the switch
 * that was between them. */
static void run_remove(struct schedule *schedule, uint32_t index)
{
    schedule->runs_count--;
    memmove(&schedule->runs[index], &schedule->runs[index + 1],
            (schedule->runs_count - index) * sizeof(schedule->runs[0]));
}

/* Tries without each run in turn: the thread does then what it did in it when it comes next. */
static bool remove_runs(struct shrinking *shrinking)
{
    bool any = false;
    for (uint32_t i = shrinking->schedule->runs_count; i > 0; i--) {
        if (i > shrinking->schedule->runs_count) {
            continue;
        }
        schedule_copy(shrinking->candidate, shrinking->schedule);
        run_remove(shrinking->candidate, i - 1);
        any = try_fewer(shrinking) || any;
    }
    return any;
}

/* Tries with a half of the schedule, a quarter and so on: what is not said goes on by itself. */
static void cut_tail(struct shrinking *shrinking)
{
    for (uint32_t keep = shrinking->schedule->runs_count / 2; keep > 0; keep /= 2) {
        schedule_copy(shrinking->candidate, shrinking->schedule);
        shrinking->candidate->runs_count = keep;
        (void)try_fewer(shrinking);
    }
}

/* Tries without each choice in turn: then it is the usual one. */
static bool remove_picks(struct shrinking *shrinking)
{
    bool any = false;
    for (uint32_t i = shrinking->schedule->picks_count; i > 0; i--) {
        struct schedule *candidate = shrinking->candidate;
        uint32_t picks = shrinking->schedule->picks_count;
        if (i > picks) {
            continue;
        }
        schedule_copy(candidate, shrinking->schedule);
        memmove(&candidate->picks[i - 1], &candidate->picks[i],
                (picks - i) * sizeof(candidate->picks[0]));
        candidate->picks_count--;
        any =
            try(shrinking, shrinking->program, schedule_switches(shrinking->schedule), picks - 1) ||
            any;
    }
    return any;
}

/* What @schedule says of operations behind @op is of those before, where @op has gone. */
static void point_lower(struct schedule_point *point, uint32_t op)
{
    if (point->op == SCHEDULE_END.op) {
        return;
    }
    if (point->op == op) {
        point->step = 0;
    } else if (point->op > op) {
        point->op--;
    }
}

static void schedule_lower(struct schedule *schedule, uint32_t op)
{
    for (uint32_t i = 0; i < schedule->runs_count; i++) {
        point_lower(&schedule->runs[i].until, op);
    }
    for (uint32_t i = 0; i < schedule->picks_count; i++) {
        point_lower(&schedule->picks[i].at, op);
    }
}

static bool remove_ops(struct shrinking *shrinking)
{
    struct program *program = shrinking->program;
    bool any = false;
    for (uint32_t i = program->ops_count; i > 0; i--) {
        uint32_t index = i - 1;
        struct case_op op = program->ops[index];
        size_t behind = (program->ops_count - i) * sizeof(op);
        memmove(&program->ops[index], &program->ops[i], behind);
        program->ops_count--;
        schedule_copy(shrinking->candidate, shrinking->schedule);
        schedule_lower(shrinking->candidate, index);
        if (try(shrinking, program, UINT32_MAX, UINT32_MAX)) {
            any = true;
            continue;
        }
        memmove(&program->ops[i], &program->ops[index], behind);
        program->ops[index] = op;
        program->ops_count++;
    }
    return any;
}

static bool thread_is_used(const struct program *program, unsigned thread)
{
    for (uint32_t i = 0; i < program->ops_count; i++) {
        if (program->ops[i].thread == thread) {
            return true;
        }
    }
    return false;
}

/* @number is that of a thread behind @gone, or it stays. */
static uint8_t thread_lowered(unsigned number, unsigned gone)
{
    return (uint8_t)(number > gone ? number - 1 : number);
}

/* The thread number @gone, which has no operation, leaves its number to the next one. */
static void thread_remove(struct program *program, struct schedule *schedule, unsigned gone)
{
    for (uint32_t i = 0; i < program->ops_count; i++) {
        struct case_op *op = &program->ops[i];
        op->thread = (uint8_t)(thread_lowered(op->thread, gone) & CASE_HALF_MASK);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < schedule->runs_count; i++) {
        struct schedule_run run = schedule->runs[i];
        if (run.thread != gone - 1) {
            run.thread = thread_lowered(run.thread, gone - 1);
            schedule->runs[kept++] = run;
        }
    }
    schedule->runs_count = kept;
    for (uint32_t i = 0; i < schedule->picks_count; i++) {
        schedule->picks[i].thread = thread_lowered(schedule->picks[i].thread, gone - 1);
    }
}

/* Numbers threads anew, from 1 on, where that changes nothing: which CPU they are on follows from
 * them. */
static void threads_close_up(struct shrinking *shrinking)
{
    struct program *program = shrinking->program;
    for (unsigned thread = program_threads(program); thread > 0; thread--) {
        struct case_op before[STAGE_OPS_MAX];
        if (thread_is_used(program, thread)) {
            continue;
        }
        memcpy(before, program->ops, program->ops_count * sizeof(before[0]));
        schedule_copy(shrinking->candidate, shrinking->schedule);
        thread_remove(program, shrinking->candidate, thread);
        if (!try(shrinking, program, UINT32_MAX, UINT32_MAX)) {
            memcpy(program->ops, before, program->ops_count * sizeof(before[0]));
        }
    }
}

void shrink(struct attempt *attempt, struct program *program, const struct stage_options *options,
            struct schedule *schedule, const char *name, struct shrunk *shrunk)
{
    struct shrinking shrinking = {
        .attempt = attempt,
        .program = program,
        .options = options,
        .schedule = schedule,
        .candidate = malloc(sizeof(*schedule)),
        .name = name,
    };
    if (shrinking.candidate == NULL) {
        abort();
    }
    *shrunk = (struct shrunk){.switches_before = schedule_switches(schedule),
                              .ops_before = program->ops_count,
                              .threads_before = program_threads(program)};
    cut_tail(&shrinking);
    while (remove_runs(&shrinking) || remove_ops(&shrinking) || remove_picks(&shrinking)) {
    }
    threads_close_up(&shrinking);
    shrunk->switches_after = schedule_switches(schedule);
    shrunk->ops_after = program->ops_count;
    shrunk->threads_after = program_threads(program);
    shrunk->attempts = shrinking.attempts;
    free(shrinking.candidate);
}
