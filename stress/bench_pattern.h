/* SPDX-License-Identifier: MIT
 *
 * bench_pattern.h: what one thread does with an allocator while it is timed.
 */
#ifndef POTAD_STRESS_BENCH_PATTERN_H
#define POTAD_STRESS_BENCH_PATTERN_H

#include "stress/bench_peer.h"

/* X(id, name, what) */
#define FIGURE_TABLE(X)                                                                            \
    X(REPEAT, "repeat", "one is allocated and freed, nothing else is in use; both")                \
    X(REPEAT_HELD, "repeat, 33 held", "as repeat, with 33 in use; both")                           \
    X(BULK_ALLOC, "bulk alloc", "allocations in a row")                                            \
    X(BULK_FREE, "bulk free", "their frees, in the same order")                                    \
    X(RANDOM_FREE, "random free", "frees of as many, in random order")                             \
    X(CHURN, "churn64", "64 random frees, then 64 allocations; three quarters are in use; each")   \
    X(MIXED, "mixed 0-9", "orders 0 to 9, a third is in use; each allocation or free")

enum figure {
#define X(id, name, what) id,
    FIGURE_TABLE(X)
#undef X
        FIGURES
};

enum { BENCH_TURN_ROUNDS = 512, BENCH_TURN_STEPS = 65536 }; /* of churn, of mixed */

/* One of those that race. */
struct racer {
    struct bench_peer peer;
    struct bench_set set;
    double best[FIGURES]; /* ns; 0: none */
    uint64_t bulk;        /* units of bulk and random free */
    uint64_t churned;     /* units in use during churn */
    uint32_t *numbers;    /* those below churned: bench_draw() */
    uint32_t victims[BENCH_TURN_ROUNDS * BENCH_CHURN];
    struct bench_step steps[BENCH_TURN_STEPS];
    uint64_t failed; /* allocations of mixed that found no block */
    uint64_t stepped;
    uint64_t random;
};

/* Makes what @racer needs beside its peer, if that is not missing. @bulk: units of bulk and random
 * free; 0: three quarters of all, and all patterns. Else, those of a few units only. */
void racer_open(struct racer *racer, uint64_t bulk, uint64_t seed);
void racer_close(struct racer *racer);

/* What is measured at a time; begin and end may be NULL. */
struct stage {
    void (*begin)(struct racer *racer);
    void (*turn)(struct racer *racer);
    void (*end)(struct racer *racer);
    bool whole; /* of all units */
};

enum { STAGES = 6 };

extern const struct stage stages[STAGES];

#endif
