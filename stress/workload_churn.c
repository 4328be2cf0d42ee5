/* SPDX-License-Identifier: MIT
 *
 * churn: every thread allocates, splits, looks up and frees blocks and slab objects of its own.
 * The set grows and shrinks in turns, so that slabs fill up and run empty and merges go all the
 * way; what threads share is the allocator, and the caches.
 */
#include "stress/holdings.h"
#include "stress/workload.h"

static const struct mix churn_mix = {
    .weights =
        {
            [MIX_ALLOC] = 30,
            [MIX_ALLOC_DESC] = 10,
            [MIX_FREE] = 30,
            [MIX_SPLIT] = 6,
            [MIX_LOOKUP] = 6,
            [MIX_LOOKUP_ANY] = 6,
            [MIX_RUN] = 3,
            [MIX_OBJECT_ALLOC] = 15,
            [MIX_OBJECT_BULK] = 3,
            [MIX_OBJECT_FREE] = 30,
            [MIX_OBJECT_RESERVE] = 3,
            [MIX_CACHE_CYCLE] = 1,
            [MIX_SHRINK_SUBJECT] = 1,
        },
    .order_max = 7,
    .blocks_max = 384,
    .objects_max = 256,
    .mood_steps_max = 600,
};

static void churn_step(struct worker *worker)
{
    holdings_step(worker, worker->own, &churn_mix);
}

static void churn_drain(struct worker *worker, unsigned threads)
{
    (void)threads;
    holdings_drain(worker, worker->own);
}

static const enum path required[] = {
    PATH_ALLOC,
    PATH_ALLOC_DESC,
    PATH_FREE,
    PATH_SPLIT,
    PATH_LOOKUP,
    PATH_RUN,
    PATH_OBJECT_FREE,
    PATH_CACHE_CYCLE,
    PATH_SHRINK,
    PATH_CORE_EVENT_REFILLED,
    PATH_RESERVE,
    PATH_CORE_EVENT_OBJECTS_REFILLED,
    PATHS,
};

const struct workload workload_churn = {
    .name = "churn",
    .summary = "each thread allocates, splits, looks up and frees blocks and objects of its own",
    .scene = &scene_world,
    .frames = 16384,
    .required = required,
    .own_bytes = sizeof(struct holdings),
    .threads_min = 1,
    .step = churn_step,
    .drain = churn_drain,
};
