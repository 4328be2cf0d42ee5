/* SPDX-License-Identifier: MIT
 *
 * shrink.h: makes what was found small, so that it can be read: fewer operations, fewer threads,
 * fewer switches, as long as the same is found.
 */
#ifndef POTAD_STRESS_EXPLORE_SHRINK_H
#define POTAD_STRESS_EXPLORE_SHRINK_H

#include "stress/explore/attempt.h"

struct shrunk {
    uint32_t switches_before;
    uint32_t switches_after;
    uint32_t ops_before;
    uint32_t ops_after;
    unsigned threads_before;
    unsigned threads_after;
    uint64_t attempts;
};

/* Shrinks @program and @schedule, under which the finding called @name is made. @attempt: memory to
 * try with. */
void shrink(struct attempt *attempt, struct program *program, const struct stage_options *options,
            struct schedule *schedule, const char *name, struct shrunk *shrunk);

#endif
