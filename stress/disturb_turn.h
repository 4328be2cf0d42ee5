/* SPDX-License-Identifier: MIT
 *
 * disturb_turn.h: what a thread that is to disturb others does between two steps of its workload:
 * it takes nearly all memory for a moment, or its CPU offline.
 */
#ifndef POTAD_STRESS_DISTURB_TURN_H
#define POTAD_STRESS_DISTURB_TURN_H

#include "stress/disturb.h"
#include "stress/held_block.h"
#include "stress/run.h"

enum { HOARD_MAX = 4096 };

/* What a thread needs for it. */
struct disturb_turns {
    uint32_t wait;       /* steps until it looks at the clock */
    double exhaust_from; /* clock_seconds() */
    double hotplug_from;
    struct held_block hoard[HOARD_MAX];
};

/* Why @disturbance makes no sense for @plan, which is complete but for what is asked; or NULL. */
const char *disturb_refusal(const struct plan *plan, enum disturbance disturbance);

/* Comes between two steps of @worker. */
void disturb_turn(struct worker *worker, struct disturber *disturber, struct disturb_turns *turns);

#endif
