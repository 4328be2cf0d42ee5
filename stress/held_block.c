/* SPDX-License-Identifier: MIT */
#include "stress/held_block.h"

#include <stdlib.h>

enum {
    LOOKUP_MARGIN = 64, /* frames around the map's span that are looked up too */
    LOOKUP_TIMES = 16,  /* of such a frame, in a row */
    LOOKUP_ORDERS = 14  /* a looked-up frame is rounded down to a start of one of so many orders */
};

struct subject_request held_block_request(struct worker *worker, order_t order_max, bool described)
{
    struct random *random = &worker->random;
    uint64_t order = (uint64_t)__builtin_ctzll(random_next(random) | order_frames(order_max));
    bool any_zone = random_once_in(random, 2);
    zone_id_t zone = (zone_id_t)random_below(random, worker->world->map.zones_count);
    enum memdesc_type type = MEMDESC_NONE;
    while (!memdesc_type_is_owner(type)) {
        type = (enum memdesc_type)random_below(random, MEMDESC_TYPES);
    }
    return (struct subject_request){
        .order = (order_t)order,
        .zone = any_zone ? ZONE_ANY : zone,
        .migratetype = (enum migratetype)random_below(random, MIGRATETYPES),
        .type = described ? type : MEMDESC_NONE,
    };
}

/* Whether @block is what @request asked for, as far as one can tell from the map. */
static bool shape_fits(const struct world *world, const struct subject_request *request,
                       const struct subject_block *block)
{
    if (block->order != request->order || !pfn_is_aligned(block->pfn, block->order)) {
        return false;
    }
    const struct range *first = world_range_of(world, block->pfn);
    const struct range *last = world_range_of(world, block->pfn + order_frames(block->order) - 1);
    if (first == NULL || last == NULL || first->zone != last->zone) {
        return false;
    }
    bool lent = first->cma || last->cma || world_class_of(world, first) == ZONE_MOVABLE;
    return (request->zone == ZONE_ANY || request->zone == world_zone_of(world, first)) &&
           (request->migratetype == MIGRATE_MOVABLE || !lent);
}

/* Makes the frames of the block just allocated @held's. */
static void claim(struct worker *worker, const struct subject_request *request,
                  const struct held_block *held)
{
    struct world *world = worker->world;
    const struct subject_block *block = &held->block;
    struct shadow_conflict conflict;
    char text[COOKIE_TEXT_MAX];
    if (!shape_fits(world, request, block)) {
        worker_report(worker, FINDING_CONTAINMENT,
                      "asked for order %u of zone %u, gets order %u at %#" PRIx64, request->order,
                      request->zone, block->order, block->pfn);
        return;
    }
    uint64_t frames = order_frames(block->order);
    if (!shadow_claim(&world->shadow, block->pfn, frames, held->cookie, &conflict)) {
        worker_report(worker, FINDING_OVERLAP,
                      "gets order %u at %#" PRIx64 ", but frame %#" PRIx64 " is of %s",
                      block->order, block->pfn, conflict.pfn,
                      cookie_describe(conflict.cookie, text));
    }
    if (!shadow_is_accepted(&world->shadow, block->pfn, frames)) {
        worker_report(worker, FINDING_ACCEPT,
                      "gets order %u at %#" PRIx64 ", not all of it accepted", block->order,
                      block->pfn);
    }
    worker_check_sound(worker, block->pfn, frames);
}

bool held_block_alloc(struct worker *worker, const struct subject_request *request,
                      struct held_block *held)
{
    struct world *world = worker->world;
    struct subject_request complete = *request;
    bool described = request->type != MEMDESC_NONE;
    worker_begin(worker, described ? "alloc-desc" : "alloc");
    bool heap = described && request->descriptor == NULL;
    if (heap) {
        complete.descriptor = aligned_alloc(MEMDESC_ALIGN, MEMDESC_ALIGN);
    }
    if (described && complete.descriptor == NULL) {
        return false;
    }
    *held = (struct held_block){
        .cookie = worker_cookie(worker),
        .migratetype = request->migratetype,
        .type = request->type,
        .descriptor = complete.descriptor,
        .heap = heap,
    };
    enum status status = world->subject->alloc(world->instance, &complete, &held->block);
    bool absent = status == STATUS_INVALID && world_zone_is_later(world, request->zone);
    if (absent || !worker_expect(worker, status) || status != STATUS_OK) {
        free(heap ? complete.descriptor : NULL);
        worker_count(worker, PATH_ALLOC_FAILED);
    } else {
        claim(worker, request, held);
        worker_count(worker, described ? PATH_ALLOC_DESC : PATH_ALLOC);
    }
    worker_end(worker);
    return status == STATUS_OK;
}

void held_block_free(struct worker *worker, const struct held_block *held)
{
    struct world *world = worker->world;
    const struct subject_block *block = &held->block;
    struct shadow_conflict conflict;
    char text[COOKIE_TEXT_MAX];
    char owner[COOKIE_TEXT_MAX];
    worker_begin(worker, "free");
    if (!shadow_release(&world->shadow, block->pfn, order_frames(block->order), held->cookie,
                        &conflict)) {
        worker_report(worker, FINDING_OWNERSHIP,
                      "frees order %u at %#" PRIx64 " of %s, but frame %#" PRIx64 " is of %s",
                      block->order, block->pfn, cookie_describe(held->cookie, owner), conflict.pfn,
                      cookie_describe(conflict.cookie, text));
    }
    world->subject->free(world->instance, block);
    free(held->heap ? held->descriptor : NULL);
    worker_count(worker, PATH_FREE);
    worker_end(worker);
}

unsigned held_block_split(struct worker *worker, const struct held_block *held, order_t order,
                          struct held_block *parts)
{
    struct world *world = worker->world;
    struct subject_block blocks[ORDERS];
    unsigned count = held->block.order - order + 1;
    worker_begin(worker, "split");
    enum status status = world->subject->split(world->instance, &held->block, order, blocks);
    bool split = worker_expect(worker, status) && status == STATUS_OK;
    pfn_t pfn = held->block.pfn;
    for (unsigned i = 0; split && i < count; i++) {
        order_t due = i == 0 ? order : order + i - 1;
        if (blocks[i].pfn != pfn || blocks[i].order != due) {
            worker_report(worker, FINDING_CONTAINMENT,
                          "part %u of order %u at %#" PRIx64 " is order %u at %#" PRIx64
                          ", not order %u at %#" PRIx64,
                          i, held->block.order, held->block.pfn, blocks[i].order, blocks[i].pfn,
                          due, pfn);
        }
        parts[i] = *held;
        parts[i].block = blocks[i];
        pfn += order_frames(due);
    }
    worker_count(worker, split ? PATH_SPLIT : PATH_SPLIT_FAILED);
    worker_end(worker);
    return split ? count : 0;
}

bool held_block_leads(const struct worker *worker, const struct held_block *held, pfn_t pfn,
                      struct memdesc_info *info)
{
    const struct world *world = worker->world;
    const struct range *range = world_range_of(world, pfn);
    enum memdesc_type type = held->type == MEMDESC_NONE ? MEMDESC_BUDDY_ALLOCATED : held->type;
    bool found = world->subject->lookup(world->instance, pfn, info);
    bool extent = info->pfn == held->block.pfn && info->frames == order_frames(held->block.order);
    bool place = range != NULL && info->zone == world_zone_of(world, range) && !info->unaccepted;
    bool kind = info->type == type && info->migratetype == held->migratetype;
    bool owner = held->descriptor == NULL || info->descriptor == held->descriptor;
    return found && extent && place && kind && owner;
}

void held_block_misled(struct worker *worker, const struct held_block *held, pfn_t pfn,
                       const struct memdesc_info *info)
{
    bool owner = held->descriptor == NULL || info->descriptor == held->descriptor;
    worker_report(worker, FINDING_LOOKUP,
                  "frame %#" PRIx64 " of own order %u at %#" PRIx64 " leads to %" PRIu64
                  " frames at %#" PRIx64 ", type %d, zone %u%s",
                  pfn, held->block.order, held->block.pfn, info->frames, info->pfn, (int)info->type,
                  info->zone, owner ? "" : ", other descriptor");
}

void held_block_lookup(struct worker *worker, const struct held_block *held)
{
    struct memdesc_info info = {0};
    pfn_t pfn = held->block.pfn + random_below(&worker->random, order_frames(held->block.order));
    worker_begin(worker, "lookup");
    if (!held_block_leads(worker, held, pfn, &info)) {
        held_block_misled(worker, held, pfn, &info);
    }
    worker_count(worker, PATH_LOOKUP);
    worker_end(worker);
}

/* The frame of a hole from where a search for a block's first frame takes its longest steps, and
 * so the one that leads across a zone border, if any does (map_make()). */
static pfn_t hole_frame(struct worker *worker)
{
    const struct boot_map *map = &worker->world->map;
    uint32_t above = (uint32_t)random_below(&worker->random, map->ranges_count);
    const struct range *below = above == 0 ? NULL : &map->ranges[above - 1];
    pfn_t first = below == NULL ? 0 : below->start + below->frames;
    pfn_t pfn = map->ranges[above].start - 1;
    while (pfn != 0 && (pfn & (pfn - 1)) >= first) {
        pfn &= pfn - 1;
    }
    return pfn;
}

/* A frame of the map, of a hole, or just outside; often one where a large block could start. */
static pfn_t any_frame(struct worker *worker)
{
    const struct shadow *shadow = &worker->world->shadow;
    uint64_t span = shadow->frames + 2 * (uint64_t)LOOKUP_MARGIN;
    pfn_t pfn = shadow->start - LOOKUP_MARGIN + random_below(&worker->random, span);
    return pfn & ~(order_frames((order_t)random_below(&worker->random, LOOKUP_ORDERS)) - 1);
}

/* Whether @pfn of @range must be found, or must not be, or neither, by a lookup while the state of
 * its plot went from @before to @after. */
static bool found_fits(const struct range *range, bool found, uint64_t before, uint64_t after)
{
    if (range == NULL) {
        return !found;
    }
    bool there = plot_state(before) == PLOT_THERE;
    return before != after || plot_state(before) == PLOT_MOVING || found == there;
}

/* The state of what @range, or no memory, is of. */
static uint64_t changes_of(const struct world *world, const struct range *range)
{
    return range == NULL ? (uint64_t)PLOT_THERE : world_changes_of(world, range);
}

static void lookup_any(struct worker *worker, pfn_t pfn, const struct range *range)
{
    struct world *world = worker->world;
    struct memdesc_info info = {0};
    worker_begin(worker, "lookup-any");
    uint64_t before = changes_of(world, range);
    bool found = world->subject->lookup(world->instance, pfn, &info);
    bool zone = range != NULL &&
                (range->zone < WORLD_ZONES ? info.zone == range->zone : info.zone >= WORLD_ZONES);
    bool fits = !found || (zone && pfn >= info.pfn && pfn - info.pfn < info.frames &&
                           info.type != MEMDESC_NONE && info.type < MEMDESC_TYPES);
    if (!found_fits(range, found, before, changes_of(world, range)) || !fits) {
        worker_report(worker, FINDING_LOOKUP,
                      "frame %#" PRIx64 ", %s, leads to %" PRIu64 " frames at %#" PRIx64
                      ", type %d, zone %u",
                      pfn, range == NULL ? "not of the map" : "of the map", info.frames, info.pfn,
                      (int)info.type, info.zone);
    }
    worker_count(worker, PATH_LOOKUP);
    worker_end(worker);
}

void held_block_compact(struct worker *worker, const struct subject_request *wanted, uint64_t limit)
{
    struct world *world = worker->world;
    struct compact_request request = {
        .pages = {.order = wanted->order, .zone = wanted->zone, .migratetype = wanted->migratetype},
        .frames_max = limit,
        .blocks_max = limit,
    };
    struct compact_result result = {0};
    if (!world_can(world, SUBJECT_COMPACT)) {
        return;
    }
    worker_begin(worker, "compact");
    uint64_t asked = relaxed_load(&worker->paths[PATH_MOVE_TRIED]);
    enum status status = world->subject->compact(world->instance, &request, &result);
    asked = relaxed_load(&worker->paths[PATH_MOVE_TRIED]) - asked;
    bool absent = status == STATUS_INVALID && world_zone_is_later(world, wanted->zone);
    if (status == STATUS_BUSY && limit != UINT64_MAX) {
        worker_count(worker, PATH_COMPACT_LIMITED);
    } else if (!absent && worker_expect(worker, status) && status == STATUS_OK) {
        worker_count(worker, PATH_COMPACT);
    }
    if (asked > result.frames_tried || result.frames_tried > limit) {
        worker_report(worker, FINDING_COMPACT,
                      "%" PRIu64 " owners are asked, for %" PRIu64 " frames; the limit is %" PRIu64,
                      asked, result.frames_tried, limit);
    }
    worker_end(worker);
}

/* One frame several times in a row: what other threads change is met the likelier in its midst. */
void held_block_lookup_any(struct worker *worker)
{
    pfn_t pfn = random_below(&worker->random, 2) == 0 ? hole_frame(worker) : any_frame(worker);
    const struct range *range = world_range_of(worker->world, pfn);
    for (unsigned i = 0; i < LOOKUP_TIMES; i++) {
        lookup_any(worker, pfn, range);
    }
}
