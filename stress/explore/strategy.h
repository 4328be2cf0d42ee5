/* SPDX-License-Identifier: MIT
 *
 * strategy.h: who goes on, where more than one thread can. A strategy is asked at each such point
 * of an execution, and again for the next execution.
 */
#ifndef POTAD_STRESS_EXPLORE_STRATEGY_H
#define POTAD_STRESS_EXPLORE_STRATEGY_H

#include "stress/explore/schedule.h"
#include "stress/random.h"

enum {
    EXPLORE_THREADS = SCHEDULE_THREADS,
    NO_THREAD = EXPLORE_THREADS,
    EXPLORE_STEPS_MAX = 50000,  /* of an execution: more is no progress */
    EXPLORE_CHOICES_MAX = 65536 /* and choices */
};

/* What a thread will do when it goes on. */
struct pending {
    const void *address; /* NULL: not known, it begins, or goes on from where it waited */
    bool writes;
    struct schedule_point at;
};

struct decision {
    unsigned threads;
    uint32_t enabled; /* bit n: thread n can go on; more than one is set */
    unsigned current; /* who ran last, or NO_THREAD */
    bool yielded;     /* the current one waits for others in a loop, or has just begun to */
    bool loads;       /* a pick is of what a load sees: 0 the newest, the others go back in time */
    uint64_t number;  /* decisions before this one, in this execution */
    const struct pending *pending; /* of each thread */
};

static inline bool decision_is_enabled(const struct decision *decision, unsigned thread)
{
    return (decision->enabled >> thread & 1) != 0;
}

/* Whether two steps may not change places without changing what they do. */
static inline bool pending_conflict(const struct pending *a, const struct pending *b)
{
    return a->address == NULL || b->address == NULL ||
           (a->address == b->address && (a->writes || b->writes));
}

struct strategy {
    const char *name;
    const char *summary;
    bool complete; /* has to be asked at every step, also where nobody was ever seen to conflict */

    /* Begins an execution of @threads threads. */
    void (*begin)(struct strategy *strategy, unsigned threads);

    /* Return: one of the enabled threads. */
    unsigned (*choose)(struct strategy *strategy, const struct decision *decision);

    /* Return: one of @count values, below it; 0 is the usual one. */
    unsigned (*pick)(struct strategy *strategy, const struct decision *decision, unsigned count);

    /* A thread did a step, or unlocked; NULL: it need not know. */
    void (*stepped)(struct strategy *strategy, const void *address, bool writes);

    /* The execution has ended, after @decisions. Return: whether there is another one to try. */
    bool (*end)(struct strategy *strategy, uint64_t decisions);

    void (*close)(struct strategy *strategy);
};

/* The strategies that draw. Each is made with a seed, and ended by strategy_close(). Return: NULL
 * where there is no memory. */
struct strategy *strategy_random(uint64_t seed);
struct strategy *strategy_sticky(uint64_t seed);
struct strategy *strategy_pos(uint64_t seed);
struct strategy *strategy_pct(uint64_t seed, unsigned depth);

/* All executions with at most @bound switches away from a thread that could have gone on. */
struct strategy *strategy_exhaustive(unsigned bound);

/* All that draw, in turns. */
struct strategy *strategy_portfolio(uint64_t seed);

/* Does what @schedule says, as far as it can be done. @schedule stays until strategy_close(). */
struct strategy *strategy_replay(const struct schedule *schedule);

/* Takes its choices from @data, which stays until strategy_close(): strategy_bytes.c says how. Any
 * bytes mean something; behind the last one nobody is interrupted any more. */
struct strategy *strategy_bytes(const uint8_t *data, size_t size);

static inline void strategy_close(struct strategy *strategy)
{
    strategy->close(strategy);
}

/* The strategy called @name (pct3: of depth 3; exhaustive2: of bound 2), or NULL. */
struct strategy *strategy_make(const char *name, uint64_t seed);

/* The names, for those who list them; NULL ends the array. */
extern const char *const strategy_names[];

#endif
