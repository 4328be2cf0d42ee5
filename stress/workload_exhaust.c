/* SPDX-License-Identifier: MIT
 *
 * exhaust: all threads together hold a small memory near empty, and steps of the subject are made
 * to fail at random. Whoever meets the end of memory frees a little; now and then all that he has,
 * so that the subject starts again from few descriptors.
 */
#include "stress/holdings.h"
#include "stress/workload.h"

/* Chances of one in so many steps, or failures. */
enum { ARM_ONE_IN = 4, ARM_ACCEPT_ONE_IN = 4, LET_GO_ONE_IN = 256, FREE_MAX = 4 };

static const struct mix exhaust_mix = {
    .weights =
        {
            [MIX_ALLOC] = 30,
            [MIX_ALLOC_DESC] = 10,
            [MIX_FREE] = 4,
            [MIX_SPLIT] = 8,
            [MIX_LOOKUP] = 2,
            [MIX_LOOKUP_ANY] = 2,
            [MIX_RUN] = 2,
            [MIX_OBJECT_ALLOC] = 10,
            [MIX_OBJECT_BULK] = 4,
            [MIX_OBJECT_FREE] = 4,
            [MIX_OBJECT_RESERVE] = 3,
            [MIX_CACHE_CYCLE] = 2,
            [MIX_SHRINK_SUBJECT] = 1,
        },
    .order_max = 5,
    .blocks_max = HOLDINGS_MAX,
    .objects_max = HOLDINGS_MAX,
};

static void exhaust_step(struct worker *worker)
{
    struct holdings *holdings = worker->own;
    bool arms = random_once_in(&worker->random, ARM_ONE_IN);
    if (arms) {
        worker_arm(worker);
    } else if (random_once_in(&worker->random, ARM_ACCEPT_ONE_IN)) {
        /* Memory is accepted only once a round. */
        worker_arm_site(worker, FAULT_ACCEPT);
    }
    bool enough = holdings_step(worker, holdings, &exhaust_mix);
    worker_disarm(worker);
    if (!enough && random_once_in(&worker->random, LET_GO_ONE_IN)) {
        holdings_drain(worker, holdings);
    } else if (!enough) {
        for (uint64_t left = 1 + random_below(&worker->random, FREE_MAX); left > 0; left--) {
            holdings_free_one(worker, holdings);
        }
    }
}

static void exhaust_drain(struct worker *worker, unsigned threads)
{
    (void)threads;
    holdings_drain(worker, worker->own);
}

static const enum path required[] = {
    PATH_ALLOC_FAILED,        PATH_SPLIT_FAILED,
    PATH_OBJECT_FAILED,       PATH_ACCEPT,
    PATH_CORE_EVENT_PRESSURE, PATH_CORE_EVENT_OBJECTS_REFILLED,
    PATH_CORE_EVENT_LET_GO,   PATHS,
};

const struct workload workload_exhaust = {
    .name = "exhaust",
    .summary = "all threads hold memory near empty, while steps of the allocator fail at random",
    .scene = &scene_world,
    .frames = 1024,
    .required = required,
    .arms_faults = true,
    .own_bytes = sizeof(struct holdings),
    .threads_min = 1,
    .step = exhaust_step,
    .drain = exhaust_drain,
};
