/* SPDX-License-Identifier: MIT
 *
 * shrink_internal.h: what the turns of the shrinker share. Each goes through all that it can try,
 * and says whether anything has become smaller.
 */
#ifndef POTAD_FUZZERS_SHRINK_SHRINK_INTERNAL_H
#define POTAD_FUZZERS_SHRINK_SHRINK_INTERNAL_H

#include "fuzzers/shrink/shrink.h"

struct shrinking {
    struct program *program;
    const struct shrink_judge *judge;
};

static inline bool shrink_holds(const struct shrinking *shrinking)
{
    return shrinking->judge->holds(shrinking->judge->context, shrinking->program);
}

/* The next smaller value to try for one of which @value holds, the @step-th from 0 on: 0, a half,
 * three quarters, ... one less. Return: false where there is none. */
static inline bool shrink_next(uint64_t value, unsigned step, uint64_t *tried)
{
    uint64_t less = step < 64 ? value >> step : 0;
    *tried = value - less;
    return less > 0;
}

/* shrink_ops.c */
bool shrink_ops(struct shrinking *shrinking);
bool shrink_pairs(struct shrinking *shrinking);

/* shrink_map.c */
bool shrink_map(struct shrinking *shrinking);

/* shrink_operands.c */
bool shrink_operands(struct shrinking *shrinking);

#endif
