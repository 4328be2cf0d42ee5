/* SPDX-License-Identifier: MIT
 *
 * attempt.h: one attempt to have an operation of a case fail at given steps, in a process of its
 * own: it starts from the state that the caller is in, and whatever it breaks, the caller goes on.
 *
 *   the operation, with its faults ──> changed nothing? then again, without ──> [the rest] ──> end
 */
#ifndef POTAD_FUZZERS_SWEEP_ATTEMPT_H
#define POTAD_FUZZERS_SWEEP_ATTEMPT_H

#include "fuzzers/executor.h"

/* What an operation does that no fault hinders. */
struct attempt_clean {
    uint32_t steps[FAULT_SITES];
    bool unchanged;      /* it fails all the same */
    uint64_t state_hash; /* after it */
};

struct attempt {
    uint32_t index;     /* of the operation */
    struct fault first; /* nth 0: none; the operation's own fault is left out in any case */
    struct fault then;
    bool rest; /* go on with the rest of the case */
};

/* How far it came. X(id, text) */
#define ATTEMPT_STAGE_TABLE(X)                                                                     \
    X(ATTEMPT_OPERATION, "in the operation")                                                       \
    X(ATTEMPT_AGAIN, "when it was tried again without the fault")                                  \
    X(ATTEMPT_REST, "in the rest of the case")                                                     \
    X(ATTEMPT_END, "at the end")

enum attempt_stage {
#define X(id, text) id,
    ATTEMPT_STAGE_TABLE(X)
#undef X
        ATTEMPT_STAGES
};

/* What became of it. */
struct attempt_outcome {
    enum attempt_stage stage; /* that it came to */
    uint32_t op_index;        /* that it came to */
    bool done;                /* it ended by itself; else died says how it did */
    int died;                 /* as waitpid() says it */
    struct report report;     /* name NULL: nothing was found */
    uint32_t fired;           /* steps that failed */
    uint32_t fired_then;
    uint32_t steps_after[FAULT_SITES]; /* after the first one that failed */
    struct attempt_clean clean;        /* what the operation did */
};

const char *attempt_stage_text(enum attempt_stage stage);

/* Whether there is something wrong. */
static inline bool attempt_found(const struct attempt_outcome *outcome)
{
    return !outcome->done || outcome->report.name != NULL;
}

/* Memory for an outcome, shared with processes to come. Aborts where there is none. */
struct attempt_outcome *attempt_outcome_make(void);
void attempt_outcome_free(struct attempt_outcome *outcome);

/* Tries @attempt of @program on a copy of @executor, which has run all operations before. @clean:
 * what the operation does without faults; NULL, where the attempt has none. Aborts where no process
 * can be made. */
void attempt_run(struct executor *executor, const struct program *program,
                 const struct attempt *attempt, const struct attempt_clean *clean,
                 struct attempt_outcome *outcome);

/* Operation @index of @program with no other fault than @fault; {0} is none. */
struct case_op attempt_op(const struct program *program, uint32_t index, const struct fault *fault);

/* What the present operation of @executor has done. */
struct attempt_clean attempt_note(struct executor *executor);

#endif
