/* SPDX-License-Identifier: MIT
 *
 * fault.h: which fallible step of the present operation fails (requirement F1). One thread.
 */
#ifndef POTAD_FUZZERS_FAULT_H
#define POTAD_FUZZERS_FAULT_H

#include "fuzzers/case.h"

struct fault_plan {
    enum fault_site site;
    uint32_t nth; /* from 1; 0: nothing is armed */
    enum fault_mode mode;
    uint32_t steps;                         /* at @site, in this operation */
    uint32_t fired;                         /* in this operation */
    enum op op;                             /* the present operation; OPS: boot and teardown */
    uint64_t reached[OPS + 1][FAULT_SITES]; /* by operation, in all programs */
    uint64_t failed[OPS + 1][FAULT_SITES];
};

/* Arms what @op says, for the steps from here on. */
static inline void fault_arm(struct fault_plan *plan, const struct case_op *op)
{
    plan->op = (enum op)op->op;
    plan->site = (enum fault_site)op->site;
    plan->nth = op->nth;
    plan->mode = (enum fault_mode)op->mode;
    plan->steps = 0;
    plan->fired = 0;
}

/* Arms nothing, for what is no operation. */
static inline void fault_disarm(struct fault_plan *plan)
{
    plan->op = OPS;
    plan->nth = 0;
    plan->fired = 0;
}

/* One step at @site. Return: whether it is to fail. */
static inline bool fault_step(struct fault_plan *plan, enum fault_site site)
{
    plan->reached[plan->op][site]++;
    if (plan->nth == 0 || site != plan->site) {
        return false;
    }
    plan->steps++;
    bool fails = plan->mode == FAULT_ONCE ? plan->steps == plan->nth : plan->steps >= plan->nth;
    plan->fired += fails ? 1 : 0;
    plan->failed[plan->op][site] += fails ? 1 : 0;
    return fails;
}

#endif
