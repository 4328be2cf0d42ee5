/* SPDX-License-Identifier: MIT */
#include "fuzzers/sweep/attempt.h"

#include "fuzzers/harness_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ATTEMPT_SECONDS_MAX = 60 /* then it is stuck */ };

const char *attempt_stage_text(enum attempt_stage stage)
{
    static const char *const texts[] = {
#define X(id, text) text,
        ATTEMPT_STAGE_TABLE(X)
#undef X
    };
    return stage < ATTEMPT_STAGES ? texts[stage] : "?";
}

struct attempt_outcome *attempt_outcome_make(void)
{
    struct attempt_outcome *outcome =
        mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcome == MAP_FAILED) {
        fprintf(stderr, "potad: no memory to share with attempts: %s\n", strerror(errno));
        abort();
    }
    return outcome;
}

void attempt_outcome_free(struct attempt_outcome *outcome)
{
    munmap(outcome, sizeof(*outcome));
}

struct attempt_clean attempt_note(struct executor *executor)
{
    struct harness *harness = &executor->harness;
    struct attempt_clean clean = {
        .unchanged = harness->unchanged,
        .state_hash = harness_state_hash(harness),
    };
    memcpy(clean.steps, harness->fault.steps, sizeof(clean.steps));
    return clean;
}

struct case_op attempt_op(const struct program *program, uint32_t index, const struct fault *fault)
{
    struct case_op op = program->ops[index];
    op.site = (uint8_t)fault->site;
    op.nth = (uint8_t)fault->nth;
    op.mode = (unsigned)fault->mode & CASE_HALF_MASK;
    return op;
}

/* Compares what the second try of @op has done with what it does where nothing fails; all of it
 * only where it began in the same state: @alike. Compaction goes on where it has stopped: within
 * limits, it may not come as far the second time. */
static void compare(struct executor *executor, const struct case_op *op,
                    const struct attempt_clean *clean, bool alike)
{
    struct harness *harness = &executor->harness;
    if (harness_violated(harness) || (op->op == OP_COMPACT && op->count != 0)) {
        return;
    }
    struct attempt_clean again = attempt_note(executor);
    /* From another state, with less that is kept for later, it may do what it could not. */
    bool differs = again.unchanged != clean->unchanged && (alike || again.unchanged);
    if (differs) {
        harness_fail(harness, CHECK_RETRY, "tried again, it %s; where no step fails, it %s",
                     again.unchanged ? "fails" : "succeeds",
                     clean->unchanged ? "fails" : "succeeds");
    } else if (alike && again.state_hash != clean->state_hash) {
        harness_fail(harness, CHECK_RETRY, "tried again, it ends in state %016llx, not %016llx",
                     (unsigned long long)again.state_hash, (unsigned long long)clean->state_hash);
    }
}

/* Whether the hash of the state tells all that what @op does depends on. It leaves out what CPUs
 * keep, where compaction goes on looking, and how many nodes trees have to spare: those of zones
 * that have come, and of subjects that take frames for them ahead. A failed operation on a range
 * tree may leave slabs behind. */
static bool hash_tells_all(const struct harness *harness, enum op op)
{
    const struct model *model = &harness->model;
    bool told = harness->cpus.online == 0 && harness->subject->slack_frames == 0 &&
                op != OP_COMPACT && op != OP_ALLOC_COMPACT && !op_is_range(op);
    for (zone_id_t zone = 0; zone < model->map.zones_count; zone++) {
        told = told && !(model_has_zone(model, zone) && model->map.zones[zone].later);
    }
    return told;
}

/* Runs the operation without a fault, now that it has failed with one; before that, @accepted
 * frames had been. */
static void try_again(struct executor *executor, const struct program *program, uint32_t index,
                      const struct attempt_clean *clean, uint64_t accepted)
{
    struct harness *harness = &executor->harness;
    const struct fault none = {0};
    const struct case_op op = attempt_op(program, index, &none);
    /* What was accepted stays so, though the operation has failed. */
    bool alike = hash_tells_all(harness, (enum op)op.op) && harness->model.accepted == accepted;
    executor_step(executor, &op, index);
    compare(executor, &op, clean, alike);
}

/* The rest of the case, if it is asked for, and its end. */
static void go_on(struct executor *executor, const struct program *program,
                  const struct attempt *attempt, struct attempt_outcome *outcome)
{
    const struct harness *harness = &executor->harness;
    outcome->stage = ATTEMPT_REST;
    for (uint32_t i = attempt->index + 1;
         attempt->rest && i < program->ops_count && !harness_violated(harness); i++) {
        outcome->op_index = i;
        executor_step(executor, &program->ops[i], i);
    }
    if (!harness_violated(harness)) {
        outcome->stage = ATTEMPT_END;
        executor_end(executor, program);
    }
}

/* The attempt, in the process that is its own. */
static void attempt_make(struct executor *executor, const struct program *program,
                         const struct attempt *attempt, const struct attempt_clean *clean,
                         struct attempt_outcome *outcome)
{
    struct harness *harness = &executor->harness;
    const struct fault none = {0};
    const struct case_op op = attempt_op(program, attempt->index, &attempt->first);
    uint64_t accepted = harness->model.accepted;
    harness->fault.then = attempt->then;
    executor_step(executor, &op, attempt->index);
    harness->fault.then = none;
    outcome->fired = attempt->first.nth == 0 ? 0 : harness->fault.fired;
    outcome->fired_then = harness->fault.fired_then;
    memcpy(outcome->steps_after, harness->fault.steps_after, sizeof(outcome->steps_after));
    if (harness_violated(harness)) {
        return;
    }
    outcome->clean = attempt_note(executor);
    if (outcome->fired == 0) {
        return;
    }
    if (outcome->clean.unchanged) {
        outcome->stage = ATTEMPT_AGAIN;
        try_again(executor, program, attempt->index, clean, accepted);
    }
    if (!harness_violated(harness)) {
        go_on(executor, program, attempt, outcome);
    }
}

void attempt_run(struct executor *executor, const struct program *program,
                 const struct attempt *attempt, const struct attempt_clean *clean,
                 struct attempt_outcome *outcome)
{
    *outcome = (struct attempt_outcome){.op_index = attempt->index};
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        /* Who interrupts the sweep wants its summary. */
        signal(SIGINT, SIG_IGN);
        alarm(ATTEMPT_SECONDS_MAX);
        attempt_make(executor, program, attempt, clean, outcome);
        outcome->report = executor->harness.report;
        outcome->done = true;
        _exit(0);
    }
    pid_t ended = -1;
    while (child > 0 && ended < 0) {
        ended = waitpid(child, &outcome->died, 0);
        if (ended < 0 && errno != EINTR) {
            break;
        }
    }
    if (ended < 0) {
        fprintf(stderr, "potad: no process for an attempt: %s\n", strerror(errno));
        abort();
    }
}
