/* SPDX-License-Identifier: MIT
 *
 * sweep.h: makes each operation of a case fail, at each site that it comes to, at each step there
 * (requirement F1). For one operation, one site and one mode:
 *
 *   nth = 1, 2, ... until no step fails:
 *     an attempt with the fault at the nth step           (attempt.h)
 *     for each site, and nth = 1, 2, ... of the steps after that one:
 *       an attempt with both, until there were as many as the budget allows
 */
#ifndef POTAD_FUZZERS_SWEEP_SWEEP_H
#define POTAD_FUZZERS_SWEEP_SWEEP_H

#include "fuzzers/sweep/attempt.h"
#include "fuzzers/sweep/fault_matrix.h"

enum { SWEEP_NTH_MAX = UINT8_MAX /* what a case can say */ };

struct sweep_counts {
    uint64_t cases;
    uint64_t not_run; /* cases whose map has no room for metadata */
    uint64_t operations;
    uint64_t reaching;      /* of them, those that come to a fault site */
    uint64_t attempts;      /* processes, one for each */
    uint64_t failed;        /* attempts of which a step failed: */
    uint64_t refused;       /* the operation changed nothing, and was tried again */
    uint64_t survived;      /* the operation found another way */
    uint64_t second_faults; /* attempts of which a second step failed */
    uint64_t rests;         /* attempts that went on with the rest of the case */
    uint64_t left_out;      /* operations of which pairs were left out: more than the budget */
    uint64_t cut_off;       /* operations with steps behind SWEEP_NTH_MAX */
    uint64_t found;         /* attempts that found something, and cases that do as they are */
};

struct sweep {
    struct executor executor;
    struct fault_matrix matrix;
    struct sweep_counts counts;
    uint32_t swept[OPS][FAULT_SITES]; /* operations */
    uint32_t pairs;                   /* attempts with two faults for each operation, at most */
    uint32_t each; /* operations of a kind that are swept at a site, in all cases; 0: all */
    uint32_t rest; /* every so many attempts, one goes on with the rest of the case; 0: none */

    /* Called for each attempt that has found something, and after each operation: whether to go on.
     */
    void (*found)(struct sweep *sweep, const struct program *program, const struct attempt *attempt,
                  const struct attempt_outcome *outcome);
    bool (*goes_on)(struct sweep *sweep);
    void *context; /* theirs */
};

void sweep_init(struct sweep *sweep, const struct subject *subject);
void sweep_close(struct sweep *sweep);

enum sweep_result {
    SWEEP_DONE,
    SWEEP_STOPPED,   /* goes_on() said so */
    SWEEP_NOT_RUN,   /* the map has no room for metadata */
    SWEEP_NOT_CLEAN, /* the case as it is violates a check: executor.harness.report */
    SWEEP_NO_STRIKE  /* of one attempt: no step failed */
};

/* Sweeps @program. */
enum sweep_result sweep_case(struct sweep *sweep, const struct program *program);

/* Makes just @attempt. */
enum sweep_result sweep_only(struct sweep *sweep, const struct program *program,
                             const struct attempt *attempt);

#endif
