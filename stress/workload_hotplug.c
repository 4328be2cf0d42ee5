/* SPDX-License-Identifier: MIT
 *
 * hotplug: zones, CPUs and frames come and go while all threads allocate and free small blocks of
 * all zones. A thread takes its own CPU offline, and works without one until it is online again.
 * Whoever draws it adds a plot, or removes it; while one is to be removed, all threads free what
 * they have there. Frames fail, stay so for a while, and are mended: one that had failed before an
 * operation began is not given to it.
 */
#include "stress/cpu_turn.h"
#include "stress/holdings.h"
#include "stress/plot.h"
#include "stress/workload.h"

enum {
    FAILED_MAX = 8,   /* frames that one thread has failed at a time */
    KEPT_SPAN = 128,  /* frames that are looked at for one that a CPU keeps */
    TURN_ONE_IN = 16, /* of the steps while a plot is to be left */
    BURST_MAX = 2 * CPU_MAGAZINE + CPU_MAGAZINE / 2, /* frames: more than a CPU keeps of a kind */
    BURST_ORDERS = 4,
    COMPACT_ORDER_MAX = 6
};

enum fail_kind { FAIL_ANY, FAIL_OWN, FAIL_KEPT, FAIL_KINDS };

/* X(weight, function): what a step is; the others are of the mix */
#define STEP_TABLE(X)                                                                              \
    X(4, step_burst)                                                                               \
    X(12, step_plot)                                                                               \
    X(2, step_cpu)                                                                                 \
    X(6, step_fail)                                                                                \
    X(6, step_mend)                                                                                \
    X(12, step_compact)                                                                            \
    X(400, step_mix)

struct failed_frame {
    pfn_t pfn;
    uint64_t number;
};

/* What a thread has of its own. */
struct tenant {
    struct holdings holdings;
    uint32_t failed_count;
    struct failed_frame failed[FAILED_MAX];
    struct held_block burst[BURST_MAX];
    pfn_t failing; /* the frame that it is just making fail */
};

static const struct mix hotplug_mix = {
    .weights =
        {
            [MIX_ALLOC] = 200,
            [MIX_ALLOC_DESC] = 30,
            [MIX_FREE] = 200,
            [MIX_SPLIT] = 20,
            [MIX_LOOKUP] = 30,
            [MIX_LOOKUP_ANY] = 10,
            [MIX_RUN] = 8,
            [MIX_OBJECT_ALLOC] = 20,
            [MIX_OBJECT_FREE] = 30,
            [MIX_OBJECT_RESERVE] = 4,
            [MIX_CACHE_CYCLE] = 2,
            [MIX_SHRINK_SUBJECT] = 1,
        },
    .order_max = 4,
    .blocks_max = 112,
    .objects_max = 64,
    .mood_steps_max = 600,
};

static void step_mix(struct worker *worker, struct tenant *own)
{
    (void)holdings_step(worker, &own->holdings, &hotplug_mix);
}

/* Takes more blocks of one kind than a CPU keeps, and frees them. */
static void step_burst(struct worker *worker, struct tenant *own)
{
    order_t order = (order_t)random_below(&worker->random, BURST_ORDERS);
    struct subject_request request = held_block_request(worker, 0, false);
    uint32_t count = 0;
    request.order = order;
    while (count < (uint32_t)BURST_MAX >> order &&
           held_block_alloc(worker, &request, &own->burst[count])) {
        count++;
    }
    while (count > 0) {
        held_block_free(worker, &own->burst[--count]);
    }
}

static void step_plot(struct worker *worker, struct tenant *own)
{
    struct world *world = worker->world;
    (void)own;
    if (world->plots_count > 0) {
        plot_turn(worker, &world->plots[random_below(&worker->random, world->plots_count)]);
    }
}

static void step_cpu(struct worker *worker, struct tenant *own)
{
    (void)own;
    (void)cpu_turn(worker);
}

/* A frame that is nobody's, and not free either, at or behind @pfn: it is on a CPU's list, or on
 * its way to or from one. Return: @pfn where none is near. */
static pfn_t kept_frame(const struct world *world, pfn_t pfn)
{
    const struct shadow *shadow = &world->shadow;
    struct memdesc_info info;
    for (pfn_t at = pfn; at < pfn + KEPT_SPAN && at < shadow->start + shadow->frames; at++) {
        if (shadow_owner(shadow, at) == COOKIE_FREE &&
            world->subject->lookup(world->instance, at, &info) &&
            info.type == MEMDESC_BUDDY_ALLOCATED) {
            return at;
        }
    }
    return pfn;
}

/* A frame to fail: any, one of a block of this thread's, or one that a CPU keeps. */
static pfn_t fail_frame(struct worker *worker, const struct holdings *holdings)
{
    struct random *random = &worker->random;
    const struct shadow *shadow = &worker->world->shadow;
    pfn_t any = shadow->start + random_below(random, shadow->frames);
    uint64_t kind = random_below(random, FAIL_KINDS);
    if (kind == FAIL_KEPT && world_can(worker->world, SUBJECT_LOOKUP)) {
        return kept_frame(worker->world, any);
    }
    if (kind == FAIL_ANY || holdings->blocks_count == 0) {
        return any;
    }
    const struct subject_block *block =
        &holdings->blocks[random_below(random, holdings->blocks_count)].block;
    return block->pfn + random_below(random, order_frames(block->order));
}

/* Ends the failure of @pfn. @lasts: nothing but this call can have ended it. */
static void mend(struct worker *worker, pfn_t pfn, bool lasts)
{
    struct world *world = worker->world;
    worker_begin(worker, "mend");
    enum status status = world->subject->unpoison(world->instance, pfn);
    if (status != STATUS_OK && (lasts || status != STATUS_INVALID)) {
        worker_report(worker, FINDING_STATUS, "unpoison of failed frame %#" PRIx64 " answers %d",
                      pfn, (int)status);
    }
    worker_count(worker, PATH_FRAME_MENDED);
    worker_end(worker);
}

static void step_mend(struct worker *worker, struct tenant *own)
{
    if (own->failed_count == 0) {
        return;
    }
    uint64_t index = random_below(&worker->random, own->failed_count);
    pfn_t pfn = own->failed[index].pfn;
    own->failed[index] = own->failed[--own->failed_count];
    shadow_set_failed(&worker->world->shadow, pfn, 0);
    mend(worker, pfn, true);
}

/* Has a frame fail. Those of zones that may go, and their failures with them, only for a moment:
 * nobody could say whose failure it is that ends. */
static void step_fail(struct worker *worker, struct tenant *own)
{
    struct world *world = worker->world;
    if (!world_can(world, SUBJECT_POISON) || own->failed_count == FAILED_MAX) {
        return;
    }
    pfn_t pfn = fail_frame(worker, &own->holdings);
    const struct range *range = world_range_of(world, pfn);
    worker_begin(worker, "failure");
    own->failing = pfn;
    enum status status = world->subject->memory_failure(world->instance, pfn);
    own->failing = PFN_NONE;
    if (status == STATUS_ACCEPT_FAILED || status == STATUS_NOT_FOUND ||
        (status == STATUS_INVALID && range != NULL && !range_is_later(range))) {
        worker_report(worker, FINDING_STATUS, "of frame %#" PRIx64 " answers status %d", pfn,
                      (int)status);
    }
    worker_end(worker);
    if (status != STATUS_OK || range == NULL) {
        return;
    }
    worker_count(worker, PATH_FRAME_FAILED);
    if (range_is_later(range)) {
        worker_pause(worker);
        mend(worker, pfn, false);
        return;
    }
    uint64_t number = relaxed_number(&world->failures);
    shadow_set_failed(&world->shadow, pfn, number);
    own->failed[own->failed_count++] = (struct failed_frame){pfn, number};
}

/* Looks for blocks to be made in zones that may go meanwhile; nobody moves here. */
static void step_compact(struct worker *worker, struct tenant *own)
{
    struct subject_request wanted = held_block_request(worker, COMPACT_ORDER_MAX, false);
    (void)own;
    held_block_compact(worker, &wanted, UINT64_MAX);
}

/* Frees the blocks that this thread has in @plot. */
static void leave(struct worker *worker, struct holdings *holdings, const struct plot *plot)
{
    pfn_t start = plot->ranges[0].start;
    pfn_t end = plot->ranges[plot->count - 1].start + plot->ranges[plot->count - 1].frames;
    for (uint32_t i = 0; i < holdings->blocks_count;) {
        struct held_block held = holdings->blocks[i];
        if (held.block.pfn >= start && held.block.pfn < end) {
            holdings->blocks[i] = holdings->blocks[--holdings->blocks_count];
            held_block_free(worker, &held);
        } else {
            i++;
        }
    }
}

static const struct {
    uint32_t weight;
    void (*run)(struct worker *worker, struct tenant *own);
} steps[] = {
#define X(weight, function) {weight, function},
    STEP_TABLE(X)
#undef X
};

static void hotplug_step(struct worker *worker)
{
    struct world *world = worker->world;
    struct tenant *own = worker->own;
    for (unsigned i = 0; i < world->plots_count; i++) {
        if (plot_is_leaving(&world->plots[i])) {
            leave(worker, &own->holdings, &world->plots[i]);
            if (random_once_in(&worker->random, TURN_ONE_IN)) {
                plot_turn(worker, &world->plots[i]);
            }
        }
    }
    steps[random_by_weight(&worker->random, &steps[0].weight, sizeof(steps[0]),
                           sizeof(steps) / sizeof(steps[0]))]
        .run(worker, own);
}

static void hotplug_drain(struct worker *worker, unsigned threads)
{
    struct tenant *own = worker->own;
    (void)threads;
    while (own->failed_count > 0) {
        step_mend(worker, own);
    }
    holdings_drain(worker, &own->holdings);
}

/* The owner of a block of which @pfn has failed: he learns it from who has it fail, in his call. */
static void hear(void *context, struct memdesc *descriptor, pfn_t pfn)
{
    struct worker *worker = worker_current;
    const struct tenant *own = worker->own;
    (void)context;
    (void)descriptor;
    if (own->failing != pfn) {
        worker_report(worker, FINDING_STATUS,
                      "an owner is told of frame %#" PRIx64 ", but %#" PRIx64 " has failed", pfn,
                      own->failing);
    }
    worker_count(worker, PATH_OWNER_TOLD);
}

/* All owners refuse to move. */
static bool refuse(void *context, struct memdesc *descriptor, struct migration *move,
                   enum migrate_stage stage)
{
    (void)context;
    (void)descriptor;
    (void)move;
    if (stage != MIGRATE_TRY) {
        worker_report(worker_current, FINDING_MIGRATE,
                      "an owner that refused to move hears stage %d of it", (int)stage);
    }
    worker_count(worker_current, PATH_MOVE_REFUSED);
    worker_pause(worker_current);
    return false;
}

static enum status hotplug_watch(struct worker *coordinator)
{
    const struct world *world = coordinator->world;
    struct memdesc_ops ops = {.memory_failure = hear, .migrate = refuse};
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < MEMDESC_TYPES && world_can(world, SUBJECT_POISON); i++) {
        enum memdesc_type type = (enum memdesc_type)i;
        if (status == STATUS_OK &&
            (type == MEMDESC_BUDDY_ALLOCATED || memdesc_type_is_owner(type))) {
            status = world->subject->watch(world->instance, type, &ops);
        }
    }
    return status;
}

static const enum path required[] = {
    PATH_ZONE_ADDED,
    PATH_ZONE_EXISTS,
    PATH_ZONE_REMOVED,
    PATH_ZONE_BUSY,
    PATH_CPU_ONLINE,
    PATH_CPU_OFFLINE,
    PATH_FRAME_FAILED,
    PATH_FRAME_MENDED,
    PATH_OWNER_TOLD,
    PATH_RUN,
    PATH_SHRINK,
    PATH_CORE_EVENT_REFILLED,
    PATH_CORE_EVENT_FULL,
    PATH_CORE_EVENT_PRESSURE,
    PATH_CORE_EVENT_OBJECTS_REFILLED,
    PATH_CORE_EVENT_CLAIM_MET,
    PATH_CORE_EVENT_OWNER_MET,
    PATH_CORE_EVENT_ZONE_CHANGED,
    PATH_CORE_EVENT_RETIRE_RACED,
    PATH_CORE_EVENT_FAILURE_RETRIED,
    PATH_CORE_EVENT_COMPACT_LEFT,
    PATHS,
};

const struct workload workload_hotplug = {
    .name = "hotplug",
    .summary = "zones, CPUs and frames come and go while threads allocate and free small blocks",
    .scene = &scene_world,
    .frames = 2048,
    .required = required,
    .later = true,
    .own_bytes = sizeof(struct tenant),
    .threads_min = 2,
    .watch = hotplug_watch,
    .step = hotplug_step,
    .drain = hotplug_drain,
};
