/* SPDX-License-Identifier: MIT */
#include "stress/bench_pattern.h"
#include "stress/bench.h"
#include "stress/bench_turns.h"

#include <stdlib.h>
#include <string.h>

enum {
    TURN_PAIRS = 1024,
    HELD = 33,
    MIXED_ORDERS = 10,
    MIXED_UNITS = 102 /* of a block, on average */
};

void racer_open(struct racer *racer, uint64_t bulk, uint64_t seed)
{
    if (racer->peer.missing != NULL) {
        return;
    }
    racer->random = seed;
    racer->bulk = bulk != 0 ? bulk : racer->peer.units / 4 * 3;
    racer->churned = racer->peer.units / 4 * 3;
    racer->set.allocator = racer->peer.allocator;
    racer->set.blocks = bench_memory_get(bulk != 0 ? bulk : racer->peer.units, sizeof(void *));
    if (bulk == 0) {
        racer->numbers = bench_memory_get(racer->churned, sizeof(racer->numbers[0]));
        for (uint64_t i = 0; i < racer->churned; i++) {
            racer->numbers[i] = (uint32_t)i;
        }
    }
}

void racer_close(struct racer *racer)
{
    bench_peer_close(&racer->peer);
    free((void *)racer->set.blocks);
    free(racer->numbers);
}

static double seconds_since(double start)
{
    return bench_now() - start;
}

static void note(struct racer *racer, enum figure figure, double seconds, uint64_t operations)
{
    bench_best_note(&racer->best[figure], seconds * 1e9 / (double)operations);
}

static void repeat_turn(struct racer *racer)
{
    double start = bench_now();
    racer->peer.ops->pairs(&racer->set, TURN_PAIRS);
    note(racer, REPEAT, seconds_since(start), TURN_PAIRS);
}

static void held_begin(struct racer *racer)
{
    racer->peer.ops->take(&racer->set, 0, HELD);
}

static void held_turn(struct racer *racer)
{
    double start = bench_now();
    racer->peer.ops->pairs(&racer->set, TURN_PAIRS);
    note(racer, REPEAT_HELD, seconds_since(start), TURN_PAIRS);
}

static void held_end(struct racer *racer)
{
    racer->peer.ops->give(&racer->set, 0, HELD);
}

static void bulk_turn(struct racer *racer)
{
    double start = bench_now();
    racer->peer.ops->take(&racer->set, 0, racer->bulk);
    note(racer, BULK_ALLOC, seconds_since(start), racer->bulk);
    start = bench_now();
    racer->peer.ops->give(&racer->set, 0, racer->bulk);
    note(racer, BULK_FREE, seconds_since(start), racer->bulk);
}

static void random_turn(struct racer *racer)
{
    racer->peer.ops->take(&racer->set, 0, racer->bulk);
    bench_shuffle(racer->set.blocks, racer->bulk, &racer->random);
    double start = bench_now();
    racer->peer.ops->give(&racer->set, 0, racer->bulk);
    note(racer, RANDOM_FREE, seconds_since(start), racer->bulk);
}

/* More than needed, and then some at random back: what is free has holes. */
static void churn_begin(struct racer *racer)
{
    uint64_t filled = racer->churned + racer->churned / 4;
    racer->peer.ops->take(&racer->set, 0, filled);
    bench_shuffle(racer->set.blocks, filled, &racer->random);
    racer->peer.ops->give(&racer->set, racer->churned, filled - racer->churned);
}

static void churn_turn(struct racer *racer)
{
    for (unsigned i = 0; i < BENCH_TURN_ROUNDS; i++) {
        bench_draw(racer->numbers, racer->churned, &racer->victims[(size_t)i * BENCH_CHURN],
                   BENCH_CHURN, &racer->random);
    }
    double start = bench_now();
    racer->peer.ops->churn(&racer->set, racer->victims, BENCH_TURN_ROUNDS);
    note(racer, CHURN, seconds_since(start), (uint64_t)2 * BENCH_TURN_ROUNDS * BENCH_CHURN);
}

static void churn_end(struct racer *racer)
{
    racer->peer.ops->give(&racer->set, 0, racer->churned);
}

/* Of which half are in use. */
static uint64_t mixed_slots(const struct racer *racer)
{
    return 1 + racer->peer.units / (MIXED_UNITS * 3 / 2);
}

static void mixed_turn(struct racer *racer)
{
    uint64_t slots = mixed_slots(racer);
    for (unsigned i = 0; i < BENCH_TURN_STEPS; i++) {
        racer->steps[i] = (struct bench_step){
            .slot = (uint32_t)(bench_random(&racer->random) % slots),
            .order = (order_t)(bench_random(&racer->random) % MIXED_ORDERS),
        };
    }
    double start = bench_now();
    racer->failed += racer->peer.ops->mixed(&racer->set, racer->steps, BENCH_TURN_STEPS);
    racer->stepped += BENCH_TURN_STEPS;
    note(racer, MIXED, seconds_since(start), BENCH_TURN_STEPS);
}

static void mixed_begin(struct racer *racer)
{
    memset((void *)racer->set.blocks, 0, mixed_slots(racer) * sizeof(void *));
    /* After two steps a slot, about half of them are in use. */
    for (uint64_t steps = 0; steps < 2 * mixed_slots(racer); steps += BENCH_TURN_STEPS) {
        mixed_turn(racer);
    }
    racer->best[MIXED] = 0;
}

static void mixed_end(struct racer *racer)
{
    for (uint64_t i = 0; i < mixed_slots(racer); i++) {
        if (racer->set.blocks[i] != NULL) {
            racer->peer.ops->give(&racer->set, i, 1);
        }
    }
}

const struct stage stages[STAGES] = {
    {NULL, repeat_turn, NULL, false},
    {held_begin, held_turn, held_end, false},
    {NULL, bulk_turn, NULL, false},
    {NULL, random_turn, NULL, false},
    {churn_begin, churn_turn, churn_end, true},
    {mixed_begin, mixed_turn, mixed_end, true},
};
