/* SPDX-License-Identifier: MIT
 *
 * shrink_failure.h: shrinks a program that fails, holding its signature fixed: a smaller one that
 * fails otherwise is about another bug.
 */
#ifndef POTAD_FUZZERS_SHRINK_SHRINK_FAILURE_H
#define POTAD_FUZZERS_SHRINK_SHRINK_FAILURE_H

#include "fuzzers/shrink/trial.h"

#include <signal.h>

enum { SHRINK_SECONDS = 60 };

struct shrink_plan {
    const struct subject *subject;
    const char *label;                 /* of the progress, on stderr */
    uint32_t validate_period;          /* operations */
    uint32_t trial_seconds;            /* that a run may take before it counts as one without end */
    uint32_t seconds;                  /* then it is left as it is; one run takes longer at most */
    const volatile sig_atomic_t *stop; /* the same at once, when it is not 0 */
};

struct shrink_result {
    struct trial trial; /* of what there is now; of what there was where it does not fail */
    uint32_t ops_before;
    uint32_t ops_after;
    uint64_t executions;
    uint64_t forks;
    double seconds;
    bool stopped; /* it may be that more would go */
};

/* Shrinks @program in place, and runs it once more. Return: whether it fails. */
bool shrink_failure(const struct shrink_plan *plan, struct program *program,
                    struct shrink_result *result);

#endif
