/* SPDX-License-Identifier: MIT */
#include "stress/holdings.h"

/* An operation against the mood is done once in so many draws of it. */
enum { AGAINST_MOOD = 4 };

enum mix_effect { MIX_GROWS, MIX_SHRINKS, MIX_KEEPS };

static struct held_block take_block(struct worker *worker, struct holdings *holdings)
{
    uint64_t index = random_below(&worker->random, holdings->blocks_count);
    struct held_block held = holdings->blocks[index];
    holdings->blocks[index] = holdings->blocks[--holdings->blocks_count];
    return held;
}

static struct held_object take_object(struct worker *worker, struct holdings *holdings)
{
    uint64_t index = random_below(&worker->random, holdings->objects_count);
    struct held_object held = holdings->objects[index];
    holdings->objects[index] = holdings->objects[--holdings->objects_count];
    return held;
}

static bool mix_free(struct worker *worker, struct holdings *holdings, const struct mix *mix)
{
    (void)mix;
    if (holdings->blocks_count > 0) {
        struct held_block held = take_block(worker, holdings);
        held_block_free(worker, &held);
    }
    return true;
}

static bool alloc_block(struct worker *worker, struct holdings *holdings, const struct mix *mix,
                        bool described)
{
    if (holdings->blocks_count >= mix->blocks_max) {
        return mix_free(worker, holdings, mix);
    }
    struct subject_request request = held_block_request(worker, mix->order_max, described);
    struct held_block *held = &holdings->blocks[holdings->blocks_count];
    bool allocated = held_block_alloc(worker, &request, held);
    holdings->blocks_count += allocated ? 1 : 0;
    return allocated;
}

static bool mix_alloc(struct worker *worker, struct holdings *holdings, const struct mix *mix)
{
    return alloc_block(worker, holdings, mix, false);
}

static bool mix_alloc_desc(struct worker *worker, struct holdings *holdings, const struct mix *mix)
{
    return alloc_block(worker, holdings, mix, true);
}

static bool mix_split(struct worker *worker, struct holdings *holdings, const struct mix *mix)
{
    struct held_block parts[ORDERS];
    if (holdings->blocks_count == 0) {
        return true;
    }
    struct held_block held = take_block(worker, holdings);
    bool fits = holdings->blocks_count + held.block.order + 1 <= mix->blocks_max;
    unsigned count = 0;
    if (fits && held.block.order > 0 && held.type == MEMDESC_NONE) {
        order_t order = (order_t)random_below(&worker->random, held.block.order);
        count = held_block_split(worker, &held, order, parts);
    } else {
        parts[count++] = held;
    }
    if (count == 0) {
        holdings->blocks[holdings->blocks_count++] = held;
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        holdings->blocks[holdings->blocks_count++] = parts[i];
    }
    return true;
}

static bool mix_lookup(struct worker *worker, struct holdings *holdings, const struct mix *mix)
{
    (void)mix;
    if (holdings->blocks_count > 0) {
        uint64_t index = random_below(&worker->random, holdings->blocks_count);
        held_block_lookup(worker, &holdings->blocks[index]);
    }
    return true;
}

static bool mix_lookup_any(struct worker *worker, struct holdings *holdings, const struct mix *mix)
{
    (void)holdings;
    (void)mix;
    held_block_lookup_any(worker);
    return true;
}

static bool mix_run(struct worker *worker, struct holdings *holdings, const struct mix *mix)
{
    (void)holdings;
    (void)mix;
    return held_run_cycle(worker);
}

static bool mix_object_free(struct worker *worker, struct holdings *holdings, const struct mix *mix)
{
    (void)mix;
    if (holdings->objects_count > 0) {
        struct held_object held = take_object(worker, holdings);
        held_object_free(worker, &held);
    }
    return true;
}

static bool alloc_objects(struct worker *worker, struct holdings *holdings, const struct mix *mix,
                          unsigned count)
{
    if (holdings->objects_count + count > mix->objects_max) {
        return mix_object_free(worker, holdings, mix);
    }
    struct held_object *held = &holdings->objects[holdings->objects_count];
    bool allocated = held_object_alloc(worker, count, held);
    holdings->objects_count += allocated ? count : 0;
    return allocated;
}

static bool mix_object_alloc(struct worker *worker, struct holdings *holdings,
                             const struct mix *mix)
{
    return alloc_objects(worker, holdings, mix, 1);
}

static bool mix_object_bulk(struct worker *worker, struct holdings *holdings, const struct mix *mix)
{
    unsigned count = 1 + (unsigned)random_below(&worker->random, HELD_BULK_MAX);
    return alloc_objects(worker, holdings, mix, count);
}

static bool mix_object_reserve(struct worker *worker, struct holdings *holdings,
                               const struct mix *mix)
{
    (void)holdings;
    (void)mix;
    return held_object_reserve(worker);
}

static bool mix_cache_cycle(struct worker *worker, struct holdings *holdings, const struct mix *mix)
{
    (void)holdings;
    (void)mix;
    held_object_cycle_cache(worker);
    return true;
}

static bool mix_shrink_subject(struct worker *worker, struct holdings *holdings,
                               const struct mix *mix)
{
    (void)holdings;
    (void)mix;
    struct world *world = worker->world;
    worker_begin(worker, "shrink");
    world->subject->shrink(world->instance);
    worker_count(worker, PATH_SHRINK);
    worker_end(worker);
    return true;
}

static const struct {
    enum mix_effect effect;
    uint32_t capabilities;
    bool (*run)(struct worker *worker, struct holdings *holdings, const struct mix *mix);
} operations[] = {
#define X(id, effect, capabilities, function) [id] = {effect, capabilities, function},
    MIX_TABLE(X)
#undef X
};

static enum mix_operation draw(struct worker *worker, const struct mix *mix)
{
    unsigned operation =
        random_by_weight(&worker->random, mix->weights, sizeof(mix->weights[0]), MIX_OPERATIONS);
    return (enum mix_operation)operation;
}

static void advance_mood(struct worker *worker, struct holdings *holdings, const struct mix *mix)
{
    if (mix->mood_steps_max > 0 && holdings->mood_steps-- == 0) {
        holdings->shrinks = !holdings->shrinks;
        holdings->mood_steps = random_below(&worker->random, mix->mood_steps_max);
    }
}

bool holdings_step(struct worker *worker, struct holdings *holdings, const struct mix *mix)
{
    advance_mood(worker, holdings, mix);
    for (;;) {
        enum mix_operation operation = draw(worker, mix);
        enum mix_effect against = holdings->shrinks ? MIX_GROWS : MIX_SHRINKS;
        bool moody = mix->mood_steps_max > 0 && operations[operation].effect == against;
        bool able = world_can(worker->world, operations[operation].capabilities);
        if (able && (!moody || random_once_in(&worker->random, AGAINST_MOOD))) {
            return operations[operation].run(worker, holdings, mix);
        }
    }
}

void holdings_free_one(struct worker *worker, struct holdings *holdings)
{
    uint64_t all = (uint64_t)holdings->blocks_count + holdings->objects_count;
    if (all > 0 && random_below(&worker->random, all) < holdings->blocks_count) {
        mix_free(worker, holdings, NULL);
    } else {
        mix_object_free(worker, holdings, NULL);
    }
}

void holdings_drain(struct worker *worker, struct holdings *holdings)
{
    while (holdings->blocks_count + holdings->objects_count > 0) {
        holdings_free_one(worker, holdings);
    }
}
