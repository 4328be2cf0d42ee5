/* SPDX-License-Identifier: MIT
 *
 * strategy_draw.c: strategies that draw: a random walk, one that seldom switches, partial order
 * sampling (Yuan, Yang and Gu, CAV 2018) and PCT (Burckhardt, Kothari, Musuvathi and Nagarakatte,
 * ASPLOS 2010); and all of them in turns.
 */
#include "stress/explore/strategy.h"

#include <stdlib.h>
#include <string.h>

enum {
    STICKY_SWITCH_ONE_IN = 20,
    PICK_OTHER_ONE_IN = 8,
    PCT_DEPTH_MAX = 8,
    PCT_STEPS_FIRST = 64,
    PCT_LEARNS = 32 /* executions that it learns their length from */
};

struct drawing {
    struct strategy strategy;
    struct random random;
    bool any_store; /* of those that a load may see, none is the usual one in this execution */
    uint64_t priority[EXPLORE_THREADS]; /* pos, pct: the highest goes on */

    /* pos: what each thread's priority was drawn for. */
    struct schedule_point drawn_for[EXPLORE_THREADS];
    bool drawn[EXPLORE_THREADS];

    /* pct: at decision changes[i], who runs gets priority i. */
    unsigned depth;
    uint64_t steps;   /* of an execution, as learned so far */
    uint64_t longest; /* of those that it learns from now */
    uint32_t learned; /* so many */
    uint64_t changes[PCT_DEPTH_MAX];
    uint64_t lowest; /* the next priority below all others */
};

static struct drawing *drawing_of(struct strategy *strategy)
{
    return (struct drawing *)(void *)strategy;
}

static void drawing_begin(struct strategy *strategy, unsigned threads)
{
    struct drawing *drawing = drawing_of(strategy);
    (void)threads;
    drawing->any_store = !drawing->any_store;
}

static bool drawing_end(struct strategy *strategy, uint64_t decisions)
{
    (void)strategy;
    (void)decisions;
    return true;
}

static void drawing_close(struct strategy *strategy)
{
    free(strategy);
}

/* Mostly the usual value: what is unusual is to meet what is usual. Loads in weak memory see any
 * store in every other execution: that finds the planted bugs four times as fast, and most loads
 * have no choice. In between, what needs all but one load to see the newest has its chance. */
static unsigned drawing_pick(struct strategy *strategy, const struct decision *decision,
                             unsigned count)
{
    struct random *random = &drawing_of(strategy)->random;
    bool any = decision->loads && drawing_of(strategy)->any_store;
    return any || random_once_in(random, PICK_OTHER_ONE_IN) ? (unsigned)random_below(random, count)
                                                            : 0;
}

static unsigned draw_thread(struct random *random, uint32_t enabled)
{
    uint64_t skip = random_below(random, (uint64_t)__builtin_popcount(enabled));
    while (skip > 0) {
        enabled &= enabled - 1;
        skip--;
    }
    return (unsigned)__builtin_ctz(enabled);
}

static unsigned random_choose(struct strategy *strategy, const struct decision *decision)
{
    return draw_thread(&drawing_of(strategy)->random, decision->enabled);
}

static unsigned sticky_choose(struct strategy *strategy, const struct decision *decision)
{
    struct random *random = &drawing_of(strategy)->random;
    if (decision->current != NO_THREAD && !decision->yielded &&
        decision_is_enabled(decision, decision->current) &&
        !random_once_in(random, STICKY_SWITCH_ONE_IN)) {
        return decision->current;
    }
    return draw_thread(random, decision->enabled);
}

static unsigned highest(const struct drawing *drawing, const struct decision *decision)
{
    unsigned best = NO_THREAD;
    for (unsigned i = 0; i < decision->threads; i++) {
        if (decision_is_enabled(decision, i) &&
            (best == NO_THREAD || drawing->priority[i] > drawing->priority[best])) {
            best = i;
        }
    }
    return best;
}

static void pos_begin(struct strategy *strategy, unsigned threads)
{
    drawing_begin(strategy, threads);
    memset(drawing_of(strategy)->drawn, 0, sizeof(drawing_of(strategy)->drawn));
}

/* Each step to come has a random priority; when one is done, those that conflict with it draw anew.
 * So steps that do not conflict cost no chance. */
static unsigned pos_choose(struct strategy *strategy, const struct decision *decision)
{
    struct drawing *drawing = drawing_of(strategy);
    const struct pending *pending = decision->pending;
    for (unsigned i = 0; i < decision->threads; i++) {
        bool same = drawing->drawn[i] && drawing->drawn_for[i].op == pending[i].at.op &&
                    drawing->drawn_for[i].step == pending[i].at.step;
        if (!same) {
            drawing->drawn[i] = true;
            drawing->drawn_for[i] = pending[i].at;
            drawing->priority[i] = random_next(&drawing->random);
        }
    }
    if (decision->yielded) {
        drawing->priority[decision->current] = 0;
    }
    unsigned next = highest(drawing, decision);
    for (unsigned i = 0; i < decision->threads; i++) {
        if (i != next && pending_conflict(&pending[i], &pending[next])) {
            drawing->drawn[i] = false;
        }
    }
    return next;
}

/* Its guarantee: a bug of depth d is met with a probability of at least 1/(n k^(d-1)), with n
 * threads and k steps at which there is a choice; k is learned from what has been. */
static void pct_begin(struct strategy *strategy, unsigned threads)
{
    struct drawing *drawing = drawing_of(strategy);
    drawing_begin(strategy, threads);
    for (unsigned i = 0; i < threads; i++) {
        drawing->priority[i] = UINT64_MAX / 2 + random_next(&drawing->random) / 2;
    }
    for (unsigned i = 0; i + 1 < drawing->depth; i++) {
        drawing->changes[i] = random_below(&drawing->random, drawing->steps);
    }
    drawing->lowest = UINT64_MAX / 2 - 1;
}

static unsigned pct_choose(struct strategy *strategy, const struct decision *decision)
{
    struct drawing *drawing = drawing_of(strategy);
    bool change = decision->yielded;
    for (unsigned i = 0; i + 1 < drawing->depth; i++) {
        change = change || drawing->changes[i] == decision->number;
    }
    if (change && decision->current != NO_THREAD) {
        drawing->priority[decision->current] = drawing->lowest--;
    }
    return highest(drawing, decision);
}

static bool pct_end(struct strategy *strategy, uint64_t decisions)
{
    struct drawing *drawing = drawing_of(strategy);
    drawing->longest = decisions > drawing->longest ? decisions : drawing->longest;
    drawing->steps = decisions > drawing->steps ? decisions : drawing->steps;
    if (++drawing->learned == PCT_LEARNS) {
        drawing->steps = drawing->longest > 0 ? drawing->longest : 1;
        drawing->longest = 0;
        drawing->learned = 0;
    }
    return true;
}

static struct strategy *drawing_make(const struct strategy *kind, uint64_t seed)
{
    struct drawing *drawing = calloc(1, sizeof(*drawing));
    if (drawing == NULL) {
        return NULL;
    }
    drawing->strategy = *kind;
    drawing->steps = PCT_STEPS_FIRST;
    random_init(&drawing->random, seed, 0);
    return &drawing->strategy;
}

struct strategy *strategy_random(uint64_t seed)
{
    static const struct strategy kind = {"random",      "any thread that can go on",
                                         false,         drawing_begin,
                                         random_choose, drawing_pick,
                                         NULL,          drawing_end,
                                         drawing_close};
    return drawing_make(&kind, seed);
}

struct strategy *strategy_sticky(uint64_t seed)
{
    static const struct strategy kind = {"sticky",      "as random, but seldom another one",
                                         false,         drawing_begin,
                                         sticky_choose, drawing_pick,
                                         NULL,          drawing_end,
                                         drawing_close};
    return drawing_make(&kind, seed);
}

struct strategy *strategy_pos(uint64_t seed)
{
    static const struct strategy kind = {
        "pos",        "partial order sampling: a priority for each step",
        false,        pos_begin,
        pos_choose,   drawing_pick,
        NULL,         drawing_end,
        drawing_close};
    return drawing_make(&kind, seed);
}

struct strategy *strategy_pct(uint64_t seed, unsigned depth)
{
    static const struct strategy kind = {
        "pct",        "a priority for each thread, lowered at depth - 1 random steps",
        false,        pct_begin,
        pct_choose,   drawing_pick,
        NULL,         pct_end,
        drawing_close};
    struct strategy *strategy = drawing_make(&kind, seed);
    if (strategy != NULL) {
        drawing_of(strategy)->depth = depth < PCT_DEPTH_MAX ? depth : PCT_DEPTH_MAX;
    }
    return strategy;
}

enum { PORTFOLIO = 8, PCT_DEPTH_FIRST = 2, PCT_DEPTHS = 5 };

struct portfolio {
    struct strategy strategy;
    struct strategy *members[PORTFOLIO];
    unsigned turn;
};

static struct strategy *member_of(struct strategy *strategy)
{
    struct portfolio *portfolio = (struct portfolio *)(void *)strategy;
    return portfolio->members[portfolio->turn];
}

static void portfolio_begin(struct strategy *strategy, unsigned threads)
{
    member_of(strategy)->begin(member_of(strategy), threads);
}

static unsigned portfolio_choose(struct strategy *strategy, const struct decision *decision)
{
    return member_of(strategy)->choose(member_of(strategy), decision);
}

static unsigned portfolio_pick(struct strategy *strategy, const struct decision *decision,
                               unsigned count)
{
    return member_of(strategy)->pick(member_of(strategy), decision, count);
}

static bool portfolio_end(struct strategy *strategy, uint64_t decisions)
{
    struct portfolio *portfolio = (struct portfolio *)(void *)strategy;
    member_of(strategy)->end(member_of(strategy), decisions);
    portfolio->turn = (portfolio->turn + 1) % PORTFOLIO;
    return true;
}

static void portfolio_close(struct strategy *strategy)
{
    struct portfolio *portfolio = (struct portfolio *)(void *)strategy;
    for (unsigned i = 0; i < PORTFOLIO && portfolio->members[i] != NULL; i++) {
        strategy_close(portfolio->members[i]);
    }
    free(portfolio);
}

struct strategy *strategy_portfolio(uint64_t seed)
{
    struct portfolio *portfolio = calloc(1, sizeof(*portfolio));
    if (portfolio == NULL) {
        return NULL;
    }
    portfolio->strategy = (struct strategy){"portfolio",
                                            "all that draw, in turns",
                                            false,
                                            portfolio_begin,
                                            portfolio_choose,
                                            portfolio_pick,
                                            NULL,
                                            portfolio_end,
                                            portfolio_close};
    unsigned count = 0;
    portfolio->members[count++] = strategy_random(seed);
    portfolio->members[count++] = strategy_sticky(seed + 1);
    portfolio->members[count++] = strategy_pos(seed + 2);
    for (unsigned i = 0; i < PCT_DEPTHS; i++) {
        portfolio->members[count++] = strategy_pct(seed + 3 + i, PCT_DEPTH_FIRST + i);
    }
    for (unsigned i = 0; i < PORTFOLIO; i++) {
        if (portfolio->members[i] == NULL) {
            strategy_close(&portfolio->strategy);
            return NULL;
        }
    }
    return &portfolio->strategy;
}
