/* SPDX-License-Identifier: MIT
 *
 * fault.h: which fallible step of the present operation fails (requirement F1). One thread.
 */
#ifndef POTAD_FUZZERS_FAULT_H
#define POTAD_FUZZERS_FAULT_H

#include "fuzzers/case.h"

#include <string.h>

/* Steps of a kind that fail. */
struct fault {
    enum fault_site site;
    uint32_t nth; /* from 1; 0: none does */
    enum fault_mode mode;
};

struct fault_plan {
    enum fault_site site;
    uint32_t nth; /* from 1; 0: nothing is armed */
    enum fault_mode mode;
    struct fault then;                 /* its steps count from the first one on that has failed */
    uint32_t steps[FAULT_SITES];       /* in this operation */
    uint32_t steps_after[FAULT_SITES]; /* of them, those after the first one that has failed */
    uint32_t fired;                    /* in this operation */
    uint32_t fired_then;               /* of them, those that @then says */
    enum op op;                        /* the present operation; OPS: boot and teardown */
    uint64_t reached[OPS + 1][FAULT_SITES]; /* by operation, in all programs */
    uint64_t failed[OPS + 1][FAULT_SITES][FAULT_MODES];
};

/* Arms what @op says, for the steps from here on; plan->then is for others to say. */
static inline void fault_arm(struct fault_plan *plan, const struct case_op *op)
{
    plan->op = (enum op)op->op;
    plan->site = (enum fault_site)op->site;
    plan->nth = op->nth;
    plan->mode = (enum fault_mode)op->mode;
    memset(plan->steps, 0, sizeof(plan->steps));
    memset(plan->steps_after, 0, sizeof(plan->steps_after));
    plan->fired = 0;
    plan->fired_then = 0;
}

/* Arms nothing, for what is no operation. */
static inline void fault_disarm(struct fault_plan *plan)
{
    plan->op = OPS;
    plan->nth = 0;
    plan->then.nth = 0;
    plan->fired = 0;
}

/* Whether step number @step at @site is one that @fault says. */
static inline bool fault_strikes(const struct fault *fault, enum fault_site site, uint32_t step)
{
    if (fault->nth == 0 || site != fault->site) {
        return false;
    }
    return fault->mode == FAULT_ONCE ? step == fault->nth : step >= fault->nth;
}

/* One step at @site. Return: whether it is to fail. */
static inline bool fault_step(struct fault_plan *plan, enum fault_site site)
{
    const struct fault first = {plan->site, plan->nth, plan->mode};
    bool later = plan->fired > 0;
    plan->reached[plan->op][site]++;
    plan->steps[site]++;
    plan->steps_after[site] += later ? 1 : 0;
    bool then = later && fault_strikes(&plan->then, site, plan->steps_after[site]);
    bool fails = then || fault_strikes(&first, site, plan->steps[site]);
    plan->fired += fails ? 1 : 0;
    plan->fired_then += then ? 1 : 0;
    plan->failed[plan->op][site][then ? plan->then.mode : plan->mode] += fails ? 1 : 0;
    return fails;
}

#endif
