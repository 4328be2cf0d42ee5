/* SPDX-License-Identifier: MIT
 *
 * idioms.h: what a real machine does often with its pages, learned from a trace. idioms.c is what
 * `potad-case learn` prints.
 */
#ifndef POTAD_FUZZERS_MUTATE_IDIOMS_H
#define POTAD_FUZZERS_MUTATE_IDIOMS_H

#include "core/memdesc.h"
#include "core/types.h"

enum { IDIOM_STEPS_MAX = 4, IDIOM_COUNT_MAX = 32, IDIOMS_MAX = 40 };

/* X(id, name): what a run of operations in a row does. Those that free say which of the blocks that
 * the CPU has allocated before. */
#define IDIOM_ACTION_TABLE(X)                                                                      \
    X(IDIOM_ALLOC, "alloc")               /* blocks of an order and type */                        \
    X(IDIOM_FREE_NEWEST, "free-newest")   /* the last one first, then backwards */                 \
    X(IDIOM_FREE_FORWARD, "free-forward") /* in the order in which they were allocated */          \
    X(IDIOM_FREE_ANY, "free-any")         /* in no order, or from before the trace */

enum idiom_action {
#define X(id, name) id,
    IDIOM_ACTION_TABLE(X)
#undef X
        IDIOM_ACTIONS
};

struct idiom_step {
    uint8_t action; /* enum idiom_action */
    uint8_t order;
    uint8_t type;  /* enum migratetype; 0 for a free */
    uint8_t count; /* in a row: a power of two, rounded down, up to IDIOM_COUNT_MAX */
};

struct idiom {
    uint32_t seen; /* times in the trace */
    uint8_t steps_count;
    struct idiom_step steps[IDIOM_STEPS_MAX];
};

extern const struct idiom idioms[];
extern const uint32_t idioms_count;

const char *idiom_action_name(enum idiom_action action);

#endif
