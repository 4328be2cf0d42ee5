/* SPDX-License-Identifier: MIT */
#include "stress/disturb_turn.h"

#include "stress/clock.h"
#include "stress/cpu_turn.h"
#include "stress/range_scene.h"
#include "stress/shuffle.h"

enum {
    WAIT_STEPS = 16,
    HOARD_ORDER_MAX = 12,
    HOARD_LEAVES = 3, /* orders: smaller blocks than one of these may be left */
    HOARD_MS = 3,     /* how long */
    EXHAUST_MS = 150, /* from one time to the next, at least, and once more that at most */
    ONLINE_MS = 10,
    OFFLINE_MS = 5,
    ONLINE_FAILS_ONE_IN = 8
};

const char *disturb_refusal(const struct plan *plan, enum disturbance disturbance)
{
    bool allocates = plan->workload->scene != &scene_range;
    bool lists = plan->cpus > 0 && (plan->subject->capabilities & SUBJECT_CPUS) != 0;
    switch (disturbance) {
    case DISTURB_AFFINITY:
        return shuffle_processors() > 1 ? NULL : "there is one processor only";
    case DISTURB_EXHAUST:
        return allocates ? NULL : "the workload has no allocator";
    case DISTURB_HOTPLUG:
        if (!allocates) {
            return "the workload has no allocator";
        }
        return lists ? NULL : "there are no CPUs with lists";
    default:
        return NULL;
    }
}

/* From @ms to twice that from now. */
static double after_ms(struct disturber *disturber, uint64_t ms)
{
    return clock_seconds() + (double)(ms + random_below(&disturber->random, ms)) / 1000;
}

/* Takes what there is, large blocks first. Return: whether it came to the end of it. */
static bool hoard(struct worker *worker, struct disturber *disturber, struct held_block *blocks,
                  uint32_t *count)
{
    int smallest = (int)random_below(&disturber->random, HOARD_LEAVES + 1);
    struct subject_request request = {
        .order = HOARD_ORDER_MAX,
        .zone = ZONE_ANY,
        .migratetype = MIGRATE_MOVABLE,
        .type = MEMDESC_NONE,
    };
    *count = 0;
    while (*count < HOARD_MAX) {
        if (held_block_alloc(worker, &request, &blocks[*count])) {
            ++*count;
        } else if (request.order == (order_t)smallest) {
            return true;
        } else {
            request.order--;
        }
    }
    return false;
}

static void turn_exhaust(struct worker *worker, struct disturber *disturber,
                         struct held_block *blocks)
{
    uint32_t count;
    if (hoard(worker, disturber, blocks, &count)) {
        disturber_count(disturber, DISTURB_EXHAUST);
        clock_sleep_ms(1 + (long)random_below(&disturber->random, HOARD_MS));
    }
    while (count > 0) {
        held_block_free(worker, &blocks[--count]);
    }
}

static void turn_hotplug(struct worker *worker, struct disturber *disturber)
{
    /* There may be no memory for its lists: then it stays offline until the next time. */
    if (worker->cpu_down && random_once_in(&disturber->random, ONLINE_FAILS_ONE_IN)) {
        worker_arm_site(worker, FAULT_CPU_DESC);
    }
    if (cpu_turn(worker)) {
        disturber_count(disturber, DISTURB_HOTPLUG);
    }
    worker_disarm(worker);
}

void disturb_turn(struct worker *worker, struct disturber *disturber, struct disturb_turns *turns)
{
    disturber_next(disturber);
    if (turns->wait-- > 0) {
        return;
    }
    turns->wait = WAIT_STEPS;
    double now = clock_seconds();
    if (disturber_asks(disturber, DISTURB_EXHAUST) && now >= turns->exhaust_from) {
        turn_exhaust(worker, disturber, turns->hoard);
        turns->exhaust_from = after_ms(disturber, EXHAUST_MS);
    }
    if (disturber_asks(disturber, DISTURB_HOTPLUG) && now >= turns->hotplug_from) {
        turn_hotplug(worker, disturber);
        turns->hotplug_from = after_ms(disturber, worker->cpu_down ? OFFLINE_MS : ONLINE_MS);
    }
}
