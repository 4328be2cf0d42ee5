/* SPDX-License-Identifier: MIT */
#include "stress/quiescent.h"

#include "fuzzers/violation.h"
#include "stress/held_block.h"

#include <stdlib.h>

/* Free blocks, by zone, acceptance and order, as they should be. */
struct free_census {
    uint64_t blocks[ZONES_MAX][2][ORDERS];
};

static void check_invariants(struct worker *coordinator)
{
    const struct world *world = coordinator->world;
    struct violation violation;
    worker_begin(coordinator, "validate");
    if (!world->subject->validate(world->instance, &violation)) {
        char text[VIOLATION_TEXT_MAX];
        violation_text(text, "", "frame", &violation);
        worker_report(coordinator, FINDING_INVARIANT, "%s does not hold; %s",
                      invariant_name(violation.invariant), text);
    }
    worker_end(coordinator);
}

/* What is checked of all blocks, one by one. */
struct walk {
    struct worker *coordinator;
    struct free_census census;
    bool *cached; /* by frame: a CPU keeps its block; NULL: none does */
};

/* Whether the shadow table may say that @cookie owns a frame of a block of @type. */
static bool owner_fits(enum memdesc_type type, bool cached, cookie_t cookie)
{
    if (cached) {
        return type == MEMDESC_BUDDY_ALLOCATED && cookie == COOKIE_FREE;
    }
    switch (type) {
    case MEMDESC_NONE:
        return false;
    case MEMDESC_BUDDY_FREE:
    case MEMDESC_POISONED:
        return cookie == COOKIE_FREE;
    case MEMDESC_RESERVED:
    case MEMDESC_SLAB:
        return cookie == COOKIE_SUBJECT;
    default:
        return cookie_is_thread(cookie);
    }
}

/* Whether @info knows which frames of the block have failed. */
static bool check_failed(struct worker *coordinator, const struct memdesc_info *info)
{
    const struct shadow *shadow = &coordinator->world->shadow;
    bool failed = false;
    for (pfn_t pfn = info->pfn; pfn < info->pfn + info->frames; pfn++) {
        failed = failed || shadow_failed(shadow, pfn) != 0;
    }
    bool known = info->type == MEMDESC_POISONED || info->flawed;
    if (known != failed) {
        worker_report(coordinator, FINDING_ACCOUNTING,
                      "the block of %" PRIu64 " frames at %#" PRIx64
                      " has type %d and is %sflawed, but %s failed",
                      info->frames, info->pfn, (int)info->type, info->flawed ? "" : "not ",
                      failed ? "a frame has" : "no frame has");
    }
    return known == failed;
}

/* Compares the block @info with the shadow table. Return: whether they agree. */
static bool check_block(const struct walk *walk, const struct memdesc_info *info)
{
    struct worker *coordinator = walk->coordinator;
    const struct shadow *shadow = &coordinator->world->shadow;
    char text[COOKIE_TEXT_MAX];
    for (pfn_t pfn = info->pfn; pfn < info->pfn + info->frames; pfn++) {
        cookie_t owner = shadow_owner(shadow, pfn);
        bool accepted = shadow_is_accepted(shadow, pfn, 1);
        bool cached = walk->cached != NULL && walk->cached[pfn - shadow->start];
        if (!owner_fits(info->type, cached, owner) || accepted == info->unaccepted) {
            worker_report(coordinator, FINDING_ACCOUNTING,
                          "the block of %" PRIu64 " frames at %#" PRIx64
                          " has type %d and is %saccepted, but frame %#" PRIx64
                          " is of %s and %saccepted",
                          info->frames, info->pfn, (int)info->type, info->unaccepted ? "not " : "",
                          pfn, cookie_describe(owner, text), accepted ? "" : "not ");
            return false;
        }
    }
    return check_failed(coordinator, info);
}

/* No frame of @range is to be found. */
static bool check_absent(struct worker *coordinator, const struct range *range)
{
    const struct world *world = coordinator->world;
    struct memdesc_info info;
    for (pfn_t pfn = range->start; pfn < range->start + range->frames; pfn++) {
        if (world->subject->lookup(world->instance, pfn, &info)) {
            worker_report(coordinator, FINDING_ACCOUNTING,
                          "frame %#" PRIx64 " is found, of a zone that is not there", pfn);
            return false;
        }
    }
    return true;
}

/* Walks over all blocks of @range; counts the free ones. Return: whether all is well. */
static bool check_range(struct walk *walk, const struct range *range)
{
    struct worker *coordinator = walk->coordinator;
    const struct world *world = coordinator->world;
    pfn_t pfn = range->start;
    if (plot_state(world_changes_of(world, range)) == PLOT_ABSENT) {
        return check_absent(coordinator, range);
    }
    while (pfn < range->start + range->frames) {
        struct memdesc_info info = {0};
        bool found = world->subject->lookup(world->instance, pfn, &info);
        /* A block may have begun in the range before, where it was looked at. */
        bool looked_at = info.pfn < range->start && pfn == range->start;
        if (!found || info.frames == 0 || (!looked_at && info.pfn != pfn)) {
            worker_report(coordinator, FINDING_ACCOUNTING,
                          "no block starts at frame %#" PRIx64 ", behind the last one", pfn);
            return false;
        }
        if (!looked_at && !check_block(walk, &info)) {
            return false;
        }
        if (!looked_at && info.type == MEMDESC_BUDDY_FREE) {
            order_t order = (order_t)__builtin_ctzll(info.frames);
            walk->census.blocks[world_zone_of(world, range)][info.unaccepted ? 1 : 0][order]++;
        }
        pfn = info.pfn + info.frames;
    }
    return true;
}

/* Compares free_blocks() with @census. */
static void check_free_blocks(struct worker *coordinator, const struct free_census *census,
                              enum finding finding)
{
    const struct world *world = coordinator->world;
    for (zone_id_t zone = 0; zone < world->map.zones_count; zone++) {
        struct subject_blocks counted;
        subject_count_blocks(world->subject, world->instance, zone, ORDERS, &counted);
        for (unsigned unaccepted = 0; unaccepted < 2; unaccepted++) {
            const uint64_t *blocks = unaccepted == 1 ? counted.unaccepted : counted.accepted;
            for (order_t order = 0; order < ORDERS; order++) {
                uint64_t due = census->blocks[zone][unaccepted][order];
                uint64_t lent = unaccepted == 1 ? 0 : counted.cma[order];
                if (blocks[order] + lent != due) {
                    worker_report(coordinator, finding,
                                  "zone %u has %" PRIu64 " free %saccepted blocks of order %u, "
                                  "expected %" PRIu64,
                                  zone, blocks[order] + lent, unaccepted == 1 ? "un" : "", order,
                                  due);
                }
            }
        }
    }
}

/* Notes that a CPU keeps @block. */
static void visit_cached(void *context, const struct subject_cached *block)
{
    struct walk *walk = context;
    const struct shadow *shadow = &walk->coordinator->world->shadow;
    for (pfn_t pfn = block->pfn; pfn < block->pfn + order_frames(block->order); pfn++) {
        if (pfn - shadow->start >= shadow->frames || walk->cached[pfn - shadow->start]) {
            worker_report(walk->coordinator, FINDING_OVERLAP,
                          "CPUs keep frame %#" PRIx64 ", which is no memory, or twice", pfn);
            return;
        }
        walk->cached[pfn - shadow->start] = true;
    }
}

/* Compares all blocks with the shadow table, and their numbers with free_blocks(). */
static void check_blocks(struct worker *coordinator)
{
    const struct world *world = coordinator->world;
    struct walk walk = {.coordinator = coordinator};
    bool walked = true;
    if (world_can(world, SUBJECT_CPUS)) {
        walk.cached = calloc(world->shadow.frames, sizeof(*walk.cached));
        if (walk.cached == NULL) {
            return;
        }
        world->subject->cached(world->instance, visit_cached, &walk);
    }
    for (uint32_t i = 0; walked && i < world->map.ranges_count; i++) {
        walked = check_range(&walk, &world->map.ranges[i]);
    }
    if (walked && world_can(world, SUBJECT_COUNTERS)) {
        check_free_blocks(coordinator, &walk.census, FINDING_ACCOUNTING);
    }
    free(walk.cached);
}

void quiescent_check(struct worker *coordinator, uint64_t objects_live)
{
    const struct world *world = coordinator->world;
    if (world_can(world, SUBJECT_VALIDATE)) {
        check_invariants(coordinator);
    }
    worker_begin(coordinator, "compare");
    if (world_can(world, SUBJECT_LOOKUP)) {
        check_blocks(coordinator);
    }
    if (world_can(world, SUBJECT_COUNTERS | SUBJECT_CACHE)) {
        struct subject_stats stats;
        world->subject->stats(world->instance, &stats);
        if (stats.cache_objects_live != objects_live) {
            worker_report(coordinator, FINDING_ACCOUNTING,
                          "%" PRIu64 " objects are live, but threads hold %" PRIu64,
                          stats.cache_objects_live, objects_live);
        }
    }
    worker_end(coordinator);
}

/* Allocates all memory, largest blocks first, so that no block has to be cut, and frees it. */
static void sweep(struct worker *coordinator)
{
    const struct world *world = coordinator->world;
    struct held_block *held = calloc(world->shadow.frames, sizeof(*held));
    uint64_t count = 0;
    if (held == NULL) {
        return;
    }
    order_t order = (order_t)(63 - __builtin_clzll(world->shadow.frames));
    for (;; order--) {
        struct subject_request request = {.order = order, .zone = ZONE_ANY};
        while (count < world->shadow.frames &&
               held_block_alloc(coordinator, &request, &held[count])) {
            count++;
        }
        if (order == 0) {
            break;
        }
    }
    for (uint64_t i = 0; i < count; i++) {
        held_block_free(coordinator, &held[i]);
    }
    free(held);
}

/* The blocks that the free frames of the shadow table make up when all merges are done. */
static void census_of_shadow(const struct world *world, struct free_census *census)
{
    const struct shadow *shadow = &world->shadow;
    pfn_t end = shadow->start + shadow->frames;
    pfn_t pfn = shadow->start;
    while (pfn < end) {
        const struct range *range = world_range_of(world, pfn);
        if (range == NULL || shadow_owner(shadow, pfn) != COOKIE_FREE) {
            pfn++;
            continue;
        }
        bool accepted = shadow_is_accepted(shadow, pfn, 1);
        pfn_t run = pfn;
        const struct range *here = range;
        while (here != NULL && here->zone == range->zone && here->cma == range->cma &&
               shadow_owner(shadow, run) == COOKIE_FREE &&
               shadow_is_accepted(shadow, run, 1) == accepted) {
            here = world_range_of(world, ++run);
        }
        while (pfn < run) {
            order_t order = pfn_order_max(pfn, run - pfn);
            census->blocks[world_zone_of(world, range)][accepted ? 0 : 1][order]++;
            pfn += order_frames(order);
        }
    }
}

void quiescent_check_whole(struct worker *coordinator)
{
    struct world *world = coordinator->world;
    struct free_census census = {0};
    sweep(coordinator);
    worker_begin(coordinator, "shrink");
    if (world_can(world, SUBJECT_SHRINK)) {
        world->subject->shrink(world->instance);
    }
    worker_begin(coordinator, "compare");
    uint64_t kept = world_count_frames(world, COOKIE_SUBJECT);
    if (kept != world->boot_frames) {
        worker_report(coordinator, FINDING_NOT_WHOLE,
                      "all is free, and the subject keeps %" PRIu64 " frames, %" PRIu64 " at boot",
                      kept, world->boot_frames);
    }
    if (world_can(world, SUBJECT_COUNTERS)) {
        census_of_shadow(world, &census);
        check_free_blocks(coordinator, &census, FINDING_NOT_WHOLE);
    }
    worker_end(coordinator);
}
