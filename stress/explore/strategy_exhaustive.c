/* SPDX-License-Identifier: MIT
 *
 * strategy_exhaustive.c: depth first through all executions with few preemptions: switches away
 * from a thread that could have gone on (Musuvathi and Qadeer, PLDI 2007). Most bugs need one or
 * two.
 *
 * Pruned with sleep sets (Godefroid, 1996). With a bound these miss executions if used without care
 * (Coons, Musuvathi and McKinley, OOPSLA 2013): the order that is kept may need more preemptions
 * than the one that is left out. So only the thread that was running, c, is put to sleep, when
 * another one, u, is tried after it. What is left out is then an execution u w c z, in which the
 * step of c changes places with u and all of w; in its place stands c u w z. That one has no more
 * preemptions: it goes on with c for nothing, switches to u at a cost of at most 1, which the other
 * has paid before, too; and where the other switches to c and from it, it goes from w to z
 * straight.
 */
#include "stress/explore/strategy.h"

#include <stdlib.h>

enum { NODES_MAX = EXPLORE_CHOICES_MAX };

/* A point of the present execution at which there was a choice. */
struct node {
    uint8_t chosen;
    uint8_t current; /* the thread that ran, if it could have gone on; else NO_THREAD */
    uint8_t tried;   /* threads, as bits; of a pick: the values below */
    uint8_t enabled;
    uint8_t asleep;
    uint8_t values; /* of a pick: how many there are; 0: threads are chosen from */
    uint8_t cost;   /* preemptions before */
};

struct exhaustive {
    struct strategy strategy;
    unsigned bound;
    struct node *nodes;
    uint32_t count; /* of the path that is to be taken again */
    uint32_t next;  /* the node that the execution comes to next */
    unsigned cost;  /* preemptions of this execution, so far */
    uint8_t asleep; /* threads whose next step changes nothing, now */
    bool redundant; /* all that can go on are asleep: this was seen before */
    struct pending sleeping[EXPLORE_THREADS];
};

static struct exhaustive *exhaustive_of(struct strategy *strategy)
{
    return (struct exhaustive *)(void *)strategy;
}

static void exhaustive_begin(struct strategy *strategy, unsigned threads)
{
    struct exhaustive *search = exhaustive_of(strategy);
    (void)threads;
    search->next = 0;
    search->cost = 0;
    search->asleep = 0;
    search->redundant = false;
}

static unsigned lowest(uint32_t threads)
{
    return (unsigned)__builtin_ctz(threads);
}

static uint8_t bit(unsigned thread)
{
    return (uint8_t)(1U << thread);
}

/* The first choice at a new node: whoever runs goes on, if it is not asleep. */
static void node_make(struct exhaustive *search, const struct decision *decision, struct node *node)
{
    bool goes_on = decision->current != NO_THREAD && !decision->yielded &&
                   decision_is_enabled(decision, decision->current);
    uint32_t awake = decision->enabled & ~(uint32_t)search->asleep;
    *node = (struct node){
        .current = (uint8_t)(goes_on ? decision->current : NO_THREAD),
        .enabled = (uint8_t)decision->enabled,
        .asleep = search->asleep,
        .cost = (uint8_t)search->cost,
    };
    search->redundant = search->redundant || awake == 0;
    if (search->redundant) {
        node->chosen = (uint8_t)(goes_on ? decision->current : lowest(decision->enabled));
        node->tried = node->enabled; /* nothing else will be */
        return;
    }
    bool first = goes_on && (awake & bit(decision->current)) != 0;
    /* Whoever runs, asleep: others cost a preemption, if there is one left. */
    if (!first && goes_on && search->cost >= search->bound) {
        search->redundant = true;
        node->chosen = (uint8_t)decision->current;
        node->tried = node->enabled;
        return;
    }
    node->chosen = (uint8_t)(first ? decision->current : lowest(awake));
    node->tried = bit(node->chosen);
}

/* Whoever was tried before, and was running, sleeps until a step conflicts with its own. */
static void node_take(struct exhaustive *search, const struct decision *decision,
                      const struct node *node)
{
    if (node->current == NO_THREAD || node->chosen == node->current) {
        return;
    }
    search->cost++;
    if ((node->tried & bit(node->current)) != 0 && !search->redundant) {
        search->asleep |= bit(node->current);
        search->sleeping[node->current] = decision->pending[node->current];
    }
}

static unsigned exhaustive_choose(struct strategy *strategy, const struct decision *decision)
{
    struct exhaustive *search = exhaustive_of(strategy);
    if (search->next == NODES_MAX) {
        return lowest(decision->enabled); /* the explorer ends so long an execution */
    }
    struct node *node = &search->nodes[search->next];
    if (search->next == search->count) {
        node_make(search, decision, node);
        search->count++;
    }
    search->next++;
    node_take(search, decision, node);
    search->asleep &= (uint8_t)~bit(node->chosen);
    return node->chosen;
}

static unsigned exhaustive_pick(struct strategy *strategy, const struct decision *decision,
                                unsigned count)
{
    struct exhaustive *search = exhaustive_of(strategy);
    (void)decision;
    if (search->next == NODES_MAX) {
        return 0;
    }
    struct node *node = &search->nodes[search->next];
    if (search->next == search->count) {
        *node = (struct node){.values = (uint8_t)count, .cost = (uint8_t)search->cost};
        search->count++;
    }
    search->next++;
    return node->chosen;
}

static void exhaustive_stepped(struct strategy *strategy, const void *address, bool writes)
{
    struct exhaustive *search = exhaustive_of(strategy);
    struct pending step = {.address = address, .writes = writes};
    for (uint32_t asleep = search->asleep; asleep != 0; asleep &= asleep - 1) {
        unsigned thread = lowest(asleep);
        if (pending_conflict(&search->sleeping[thread], &step)) {
            search->asleep &= (uint8_t)~bit(thread);
        }
    }
}

/* Changes @node to a choice that was not tried. Return: whether there is one. */
static bool node_advance(const struct exhaustive *search, struct node *node)
{
    if (node->values > 0) {
        node->chosen++;
        return node->chosen < node->values;
    }
    uint32_t left = (uint32_t)node->enabled & ~(uint32_t)node->tried & ~(uint32_t)node->asleep;
    if (left == 0 || (node->current != NO_THREAD && node->cost >= search->bound)) {
        return false;
    }
    node->chosen = (uint8_t)lowest(left);
    node->tried |= bit(node->chosen);
    return true;
}

static bool exhaustive_end(struct strategy *strategy, uint64_t decisions)
{
    struct exhaustive *search = exhaustive_of(strategy);
    (void)decisions;
    while (search->count > 0) {
        if (node_advance(search, &search->nodes[search->count - 1])) {
            return true;
        }
        search->count--;
    }
    return false;
}

static void exhaustive_close(struct strategy *strategy)
{
    free(exhaustive_of(strategy)->nodes);
    free(strategy);
}

struct strategy *strategy_exhaustive(unsigned bound)
{
    struct exhaustive *search = calloc(1, sizeof(*search));
    if (search == NULL) {
        return NULL;
    }
    search->strategy = (struct strategy){"exhaustive",
                                         "all, with at most so many preemptions",
                                         true,
                                         exhaustive_begin,
                                         exhaustive_choose,
                                         exhaustive_pick,
                                         exhaustive_stepped,
                                         exhaustive_end,
                                         exhaustive_close};
    search->bound = bound;
    search->nodes = calloc(NODES_MAX, sizeof(*search->nodes));
    if (search->nodes == NULL) {
        free(search);
        return NULL;
    }
    return &search->strategy;
}
