/* SPDX-License-Identifier: MIT
 *
 * migrate: threads ask for CMA memory, and for blocks that compaction has to make, and so move the
 * blocks of others, who meanwhile look them up, split and free them. Blocks that a thread meets
 * while they are moving it leaves alone. Now and then a frame fails for a moment.
 *
 *   thread 0    alloc_contig(cma): TRY ──┐          COMMIT or CANCEL ──┐
 *   thread 1    holds the block          └► agrees                     └► may free it again
 */
#include "stress/held_run.h"
#include "stress/movable.h"
#include "stress/run.h"

enum {
    BLOCK_ORDER_MAX = 4,
    DESCRIBED_ONE_IN = 2,
    UNMOVABLE_ONE_IN = 8,
    MOOD_STEPS_MAX = 1000,
    AGAINST_MOOD = 4,
    RUNS_MAX = 3,
    RUN_UNITS_MAX = 64,
    RUN_ALIGNS = 7,
    SHORT_RUN_ONE_IN = 2,
    SHORT_RUN_UNITS = 6,
    LIMITED_ONE_IN = 2,
    LIMITS_MAX = 512,
    LARGE_ORDER_MIN = 3,
    LARGE_ORDERS = 4,
    COMPACT_LIMIT = 24,
    FAULT_ONE_IN = 16,
    FAIL_ANY_ONE_IN = 4
};

/* X(weight, function): what a step is */
#define STEP_TABLE(X)                                                                              \
    X(30, step_alloc)                                                                              \
    X(30, step_free)                                                                               \
    X(6, step_split)                                                                               \
    X(12, step_lookup)                                                                             \
    X(3, step_lookup_any)                                                                          \
    X(8, step_run)                                                                                 \
    X(6, step_run_free)                                                                            \
    X(2, step_fail)                                                                                \
    X(4, step_compact)                                                                             \
    X(4, step_alloc_large)                                                                         \
    X(1, step_run_usual)                                                                           \
    X(1, step_shrink)

/* What a thread has of its own. */
struct migrant {
    bool ready;
    bool shrinks;
    uint64_t mood_steps;
    uint32_t used;                      /* items: the first so many of slots */
    uint32_t slots[MOVABLES_OF_THREAD]; /* a permutation */
    uint32_t runs_count;
    struct held_run runs[RUNS_MAX];
};

static struct movable *item_at(const struct worker *worker, const struct migrant *own,
                               uint64_t place)
{
    const struct movables *all = worker->shared;
    return &all->items[(uint64_t)worker->index * MOVABLES_OF_THREAD + own->slots[place]];
}

/* Takes the next free item, for a block that is there already. */
static void item_add(struct worker *worker, struct migrant *own, const struct held_block *held)
{
    movable_publish(worker->shared, item_at(worker, own, own->used), held);
    own->used++;
}

/* The block of the item at @place, which is BUSY, and no item's from here on. */
static struct held_block item_remove(struct worker *worker, struct migrant *own, uint64_t place)
{
    struct held_block held = movable_retire(worker->shared, item_at(worker, own, place));
    uint32_t slot = own->slots[place];
    own->slots[place] = own->slots[--own->used];
    own->slots[own->used] = slot;
    return held;
}

/* Draws a block that nobody is moving, which is BUSY then. Return: whether there was one. */
static bool item_draw(struct worker *worker, struct migrant *own, uint64_t *place)
{
    if (own->used == 0) {
        return false;
    }
    *place = random_below(&worker->random, own->used);
    bool taken = movable_take(item_at(worker, own, *place));
    if (!taken) {
        worker_count(worker, PATH_MOVE_MET);
    }
    return taken;
}

static void step_free(struct worker *worker, struct migrant *own)
{
    uint64_t place;
    if (item_draw(worker, own, &place)) {
        struct held_block held = item_remove(worker, own, place);
        held_block_free(worker, &held);
    }
}

static void step_alloc(struct worker *worker, struct migrant *own)
{
    if (own->used == MOVABLES_OF_THREAD) {
        step_free(worker, own);
        return;
    }
    bool described =
        world_can(worker->world, SUBJECT_DESC) && random_once_in(&worker->random, DESCRIBED_ONE_IN);
    struct subject_request request = held_block_request(worker, BLOCK_ORDER_MAX, described);
    struct held_block held;
    if (!random_once_in(&worker->random, UNMOVABLE_ONE_IN)) {
        request.migratetype = MIGRATE_MOVABLE;
    }
    request.descriptor = described ? &item_at(worker, own, own->used)->descriptor : NULL;
    if (held_block_alloc(worker, &request, &held)) {
        item_add(worker, own, &held);
    } else {
        step_free(worker, own);
    }
}

static void step_split(struct worker *worker, struct migrant *own)
{
    struct held_block parts[ORDERS];
    uint64_t place;
    if (!world_can(worker->world, SUBJECT_SPLIT) || !item_draw(worker, own, &place)) {
        return;
    }
    struct movable *item = item_at(worker, own, place);
    order_t order = item->held.block.order;
    unsigned count = 0;
    if (order > 0 && item->held.type == MEMDESC_NONE && own->used + order < MOVABLES_OF_THREAD) {
        order_t into = (order_t)random_below(&worker->random, order);
        count = held_block_split(worker, &item->held, into, parts);
    }
    if (count == 0) {
        movable_put(item);
        return;
    }
    (void)item_remove(worker, own, place);
    for (unsigned i = 0; i < count; i++) {
        item_add(worker, own, &parts[i]);
    }
}

static void step_lookup(struct worker *worker, struct migrant *own)
{
    if (own->used > 0 && world_can(worker->world, SUBJECT_LOOKUP)) {
        movable_lookup(worker, item_at(worker, own, random_below(&worker->random, own->used)));
    }
}

/* Has a frame fail for a while, whoever it belongs to: often one of a block that may be moving. */
static void step_fail(struct worker *worker, struct migrant *own)
{
    const struct world *world = worker->world;
    const struct shadow *shadow = &world->shadow;
    pfn_t pfn = shadow->start + random_below(&worker->random, shadow->frames);
    if (!world_can(world, SUBJECT_POISON)) {
        return;
    }
    if (own->used > 0 && !random_once_in(&worker->random, FAIL_ANY_ONE_IN)) {
        pfn = movable_frame(worker, item_at(worker, own, random_below(&worker->random, own->used)));
    }
    worker_begin(worker, "failure");
    enum status status = world->subject->memory_failure(world->instance, pfn);
    if (status == STATUS_OK) {
        worker_count(worker, PATH_FRAME_FAILED);
        worker_pause(worker);
        status = world->subject->unpoison(world->instance, pfn);
        if (status != STATUS_OK) {
            worker_report(worker, FINDING_STATUS,
                          "unpoison of failed frame %#" PRIx64 " answers %d", pfn, (int)status);
        }
    } else if (status == STATUS_ACCEPT_FAILED || status == STATUS_NOT_FOUND) {
        worker_report(worker, FINDING_STATUS, "answers status %d", (int)status);
    }
    worker_end(worker);
}

static void step_lookup_any(struct worker *worker, struct migrant *own)
{
    (void)own;
    if (world_can(worker->world, SUBJECT_LOOKUP)) {
        held_block_lookup_any(worker);
    }
}

static void step_run_free(struct worker *worker, struct migrant *own)
{
    if (own->runs_count > 0) {
        held_run_free(worker, &own->runs[--own->runs_count]);
    }
}

/* Asks for CMA memory, anywhere or around a frame that is such. */
static struct contig_request run_request(struct worker *worker)
{
    struct random *random = &worker->random;
    const struct boot_map *map = &worker->world->map;
    bool is_short = random_once_in(random, SHORT_RUN_ONE_IN);
    struct contig_request request = {
        .units = 1 + random_below(random, is_short ? SHORT_RUN_UNITS : RUN_UNITS_MAX),
        .align = is_short ? 0 : (order_t)random_below(random, RUN_ALIGNS),
        .zone = ZONE_ANY,
        .cma = true,
    };
    const struct range *range = &map->ranges[random_below(random, map->ranges_count)];
    if (range->cma && random_once_in(random, LIMITED_ONE_IN)) {
        pfn_t pfn = range->start + random_below(random, range->frames);
        uint64_t span = request.units + random_below(random, LIMITS_MAX);
        request.low = pfn > span ? pfn - span : 0;
        request.high = pfn + span;
    } else if (range->cma) {
        request.zone = range->zone;
    }
    return request;
}

static void step_run(struct worker *worker, struct migrant *own)
{
    if (!world_can(worker->world, SUBJECT_MOVES) || own->runs_count == RUNS_MAX) {
        step_run_free(worker, own);
        return;
    }
    struct contig_request request = run_request(worker);
    uint64_t moves = relaxed_load(&worker->paths[PATH_MOVE_COMMITTED]);
    if (random_once_in(&worker->random, FAULT_ONE_IN)) {
        worker_arm(worker);
    }
    bool taken = held_run_alloc(worker, &request, &own->runs[own->runs_count]);
    worker_disarm(worker);
    own->runs_count += taken ? 1 : 0;
    if (taken && relaxed_load(&worker->paths[PATH_MOVE_COMMITTED]) > moves) {
        worker_count(worker, PATH_RUN_MOVED);
    }
}

/* What compaction is to make: in any zone, or in a certain one. */
static struct subject_request large_request(struct worker *worker)
{
    struct subject_request request = held_block_request(worker, 0, false);
    request.order = LARGE_ORDER_MIN + (order_t)random_below(&worker->random, LARGE_ORDERS);
    request.compact = true;
    return request;
}

/* Has a block made, at times within narrow limits. */
static void step_compact(struct worker *worker, struct migrant *own)
{
    const struct subject_request wanted = large_request(worker);
    bool limited = random_once_in(&worker->random, LIMITED_ONE_IN);
    (void)own;
    held_block_compact(worker, &wanted,
                       limited ? 1 + random_below(&worker->random, COMPACT_LIMIT) : UINT64_MAX);
}

static void step_alloc_large(struct worker *worker, struct migrant *own)
{
    struct subject_request request = large_request(worker);
    struct held_block held;
    if (!world_can(worker->world, SUBJECT_COMPACT) || own->used == MOVABLES_OF_THREAD) {
        step_free(worker, own);
        return;
    }
    uint64_t moves = relaxed_load(&worker->paths[PATH_MOVE_COMMITTED]);
    if (random_once_in(&worker->random, FAULT_ONE_IN)) {
        worker_arm(worker);
    }
    bool taken = held_block_alloc(worker, &request, &held);
    worker_disarm(worker);
    if (!taken) {
        step_free(worker, own);
        return;
    }
    item_add(worker, own, &held);
    if (relaxed_load(&worker->paths[PATH_MOVE_COMMITTED]) > moves) {
        worker_count(worker, PATH_LARGE_MOVED);
    }
}

static void step_run_usual(struct worker *worker, struct migrant *own)
{
    (void)own;
    if (world_can(worker->world, SUBJECT_CONTIG)) {
        (void)held_run_cycle(worker);
    }
}

static void step_shrink(struct worker *worker, struct migrant *own)
{
    (void)own;
    if (world_can(worker->world, SUBJECT_SHRINK)) {
        worker_begin(worker, "shrink");
        worker->world->subject->shrink(worker->world->instance);
        worker_count(worker, PATH_SHRINK);
        worker_end(worker);
    }
}

static const struct {
    uint32_t weight;
    void (*run)(struct worker *worker, struct migrant *own);
} steps[] = {
#define X(weight, function) {weight, function},
    STEP_TABLE(X)
#undef X
};

static void migrant_init(struct migrant *own)
{
    for (uint32_t i = 0; i < MOVABLES_OF_THREAD; i++) {
        own->slots[i] = i;
    }
    own->ready = true;
}

static void advance_mood(struct worker *worker, struct migrant *own)
{
    if (own->mood_steps-- == 0) {
        own->shrinks = !own->shrinks;
        own->mood_steps = random_below(&worker->random, MOOD_STEPS_MAX);
    }
}

static void migrate_step(struct worker *worker)
{
    struct migrant *own = worker->own;
    if (!own->ready) {
        migrant_init(own);
    }
    advance_mood(worker, own);
    unsigned step = random_by_weight(&worker->random, &steps[0].weight, sizeof(steps[0]),
                                     sizeof(steps) / sizeof(steps[0]));
    bool against = steps[step].run == (own->shrinks ? step_alloc : step_free);
    if (!against || random_once_in(&worker->random, AGAINST_MOOD)) {
        steps[step].run(worker, own);
    }
}

static void migrate_drain(struct worker *worker, unsigned threads)
{
    struct migrant *own = worker->own;
    (void)threads;
    while (own->runs_count > 0) {
        step_run_free(worker, own);
    }
    /* Nobody moves blocks any more: what is moving was found by the last check. */
    while (own->used > 0 && movable_take(item_at(worker, own, own->used - 1))) {
        struct held_block held = item_remove(worker, own, own->used - 1);
        held_block_free(worker, &held);
    }
}

static bool scene_open(struct worker *coordinator, const struct plan *plan)
{
    if (!scene_world.open(coordinator, plan)) {
        return false;
    }
    bool opened = movables_open(coordinator->shared, coordinator->world, plan->threads);
    if (!opened) {
        scene_world.close(coordinator);
    }
    return opened;
}

static void scene_close(struct worker *coordinator)
{
    movables_close(coordinator->shared);
    scene_world.close(coordinator);
}

static enum status scene_begin(struct worker *coordinator)
{
    enum status status = scene_world.begin(coordinator);
    return status == STATUS_OK ? movables_watch(coordinator->shared) : status;
}

static void scene_check(struct worker *coordinator, struct worker *workers, unsigned threads)
{
    movables_check(coordinator, coordinator->shared);
    scene_world.check(coordinator, workers, threads);
}

static void scene_end(struct worker *coordinator)
{
    scene_world.end(coordinator);
}

static const struct scene scene_migrate = {
    .open = scene_open,
    .close = scene_close,
    .begin = scene_begin,
    .check = scene_check,
    .end = scene_end,
};

static const enum path required[] = {
    PATH_MOVE_TRIED,
    PATH_MOVE_AGREED,
    PATH_MOVE_REFUSED,
    PATH_MOVE_GONE,
    PATH_MOVE_COMMITTED,
    PATH_MOVE_CANCELLED,
    PATH_MOVE_MET,
    PATH_RUN_MOVED,
    PATH_COMPACT,
    PATH_COMPACT_LIMITED,
    PATH_LARGE_MOVED,
    PATH_SPLIT,
    PATH_LOOKUP,
    PATH_FREE,
    PATH_FRAME_FAILED,
    PATH_CORE_EVENT_REFILLED,
    PATH_CORE_EVENT_WINDOW_LEFT,
    PATH_CORE_EVENT_COMPACTED,
    PATH_CORE_EVENT_COMPACT_LEFT,
    PATHS,
};

const struct workload workload_migrate = {
    .name = "migrate",
    .summary = "threads ask for CMA memory, or compaction, and move the blocks of others who work "
               "with them",
    .scene = &scene_migrate,
    .frames = 2048,
    .required = required,
    .cma = true,
    .own_bytes = sizeof(struct migrant),
    .shared_bytes = sizeof(struct movables),
    .threads_min = 2,
    .step = migrate_step,
    .drain = migrate_drain,
};
