/* SPDX-License-Identifier: MIT */
#include "stress/explore/strategy.h"

#include <stdlib.h>

struct replay {
    struct strategy strategy;
    const struct schedule *schedule;
    uint32_t run;  /* that is under way */
    uint32_t pick; /* the first that may still come */
};

static struct replay *replay_of(struct strategy *strategy)
{
    return (struct replay *)(void *)strategy;
}

static void replay_begin(struct strategy *strategy, unsigned threads)
{
    (void)threads;
    replay_of(strategy)->run = 0;
    replay_of(strategy)->pick = 0;
}

/* Where the schedule does not fit, it goes on with whoever can: so a schedule still says something
 * of a case that has lost operations. */
static unsigned replay_choose(struct strategy *strategy, const struct decision *decision)
{
    struct replay *replay = replay_of(strategy);
    const struct schedule *schedule = replay->schedule;
    for (; replay->run < schedule->runs_count; replay->run++) {
        const struct schedule_run *run = &schedule->runs[replay->run];
        if (run->thread < decision->threads && decision_is_enabled(decision, run->thread) &&
            schedule_point_is_before(decision->pending[run->thread].at, run->until)) {
            return run->thread;
        }
    }
    if (decision->current != NO_THREAD && !decision->yielded &&
        decision_is_enabled(decision, decision->current)) {
        return decision->current;
    }
    return (unsigned)__builtin_ctz(decision->enabled);
}

static unsigned replay_pick(struct strategy *strategy, const struct decision *decision,
                            unsigned count)
{
    struct replay *replay = replay_of(strategy);
    const struct schedule *schedule = replay->schedule;
    struct schedule_point at = decision->pending[decision->current].at;
    for (uint32_t i = replay->pick; i < schedule->picks_count; i++) {
        const struct schedule_pick *pick = &schedule->picks[i];
        if (pick->thread == decision->current && pick->at.op == at.op && pick->at.step == at.step) {
            replay->pick = i == replay->pick ? i + 1 : replay->pick;
            return pick->value < count ? pick->value : 0;
        }
    }
    return 0;
}

static bool replay_end(struct strategy *strategy, uint64_t decisions)
{
    (void)strategy;
    (void)decisions;
    return false;
}

static void replay_close(struct strategy *strategy)
{
    free(strategy);
}

struct strategy *strategy_replay(const struct schedule *schedule)
{
    struct replay *replay = calloc(1, sizeof(*replay));
    if (replay == NULL) {
        return NULL;
    }
    replay->strategy = (struct strategy){"replay",      "what a schedule says",
                                         true,          replay_begin,
                                         replay_choose, replay_pick,
                                         NULL,          replay_end,
                                         replay_close};
    replay->schedule = schedule;
    return &replay->strategy;
}
