/* SPDX-License-Identifier: MIT
 *
 * zone_add.c: zones of memory that come and go while the allocator is in use.
 *
 *   claimed   number and frames are nobody else's     claims_lock
 *   made      metadata taken, blocks listed           the zone's lock; not born: nobody looks
 *   there     zonelist_add(): all find it
 *   dead      all free: blocks off their lists        the zone's lock; nobody looks any more
 *   gone      zonelist_remove(), a grace period; the metadata goes back, and the claim ends
 *
 * A zone's struct stays where it is, and its lock is never made anew: who has found a zone by its
 * number or by a frame, and gets its lock only when it has gone, or has become another one, sees
 * that under the lock (zone_serves(), zone_has()).
 *
 * An added zone holds no metadata of others, or it could hardly ever go again. Its own lies in
 * zones of the boot: struct buddys and tree nodes as those of any cut, and, as one object of a
 * cache of its own:
 *
 *   | pageblocks | ranges | first pageblock of each range |
 */
#include "core/page_alloc.h"

/* What a zone is to be made of. */
struct zone_plan {
    zone_id_t id;
    const struct zone_config *config;
    const struct range *ranges;
    uint32_t count;
};

static bool plan_is_valid(const struct zone_plan *plan)
{
    if (plan->id >= ZONES_MAX || plan->count == 0 || plan->count > RANGES_MAX ||
        !zone_config_is_valid(plan->config)) {
        return false;
    }
    for (uint32_t i = 0; i < plan->count; i++) {
        if (!range_is_valid(&plan->ranges[i], i > 0 ? &plan->ranges[i - 1] : NULL)) {
            return false;
        }
    }
    return true;
}

/* Claims number and frames. Return: whether nobody else has. */
static bool zone_claim(struct potad *potad, const struct zone_plan *plan)
{
    const struct range *last = &plan->ranges[plan->count - 1];
    struct zone_claim wanted = {
        .start = plan->ranges[0].start,
        .end = last->start + last->frames,
        .moving = true,
    };
    spinlock_lock(&potad->claims_lock);
    bool free = potad->claims[plan->id].end == 0;
    for (zone_id_t id = 0; id < ZONES_MAX; id++) {
        const struct zone_claim *claim = &potad->claims[id];
        free = free && (wanted.start >= claim->end || claim->start >= wanted.end);
    }
    if (free) {
        potad->claims[plan->id] = wanted;
    }
    spinlock_unlock(&potad->claims_lock);
    return free;
}

/* Ends that zone @id is on its way: it is there, or it is not and its claim ends. */
static void zone_arrive(struct potad *potad, zone_id_t id, bool there)
{
    spinlock_lock(&potad->claims_lock);
    potad->claims[id].moving = false;
    if (!there) {
        potad->claims[id] = (struct zone_claim){.end = 0};
    }
    spinlock_unlock(&potad->claims_lock);
}

/* Takes a zeroed metadata object of @bytes for the zone of @claim. */
static bool metadata_take(struct potad *potad, struct alloc_context alloc, struct zone_claim *claim,
                          uint64_t bytes)
{
    struct cache_request request = {"zone_metadata", FRAME_SIZE, FRAME_SIZE, FAULT_SITES, 0};
    /* Whole blocks, as a space's table is: a slab has room for one. */
    while (request.size < bytes) {
        request.size *= 2;
    }
    if (request.size > SLAB_STRIDE_MAX ||
        cache_make(potad, alloc, &request, &claim->cache) != STATUS_OK) {
        return false;
    }
    if (!cache_take(potad, alloc, claim->cache, 1, &claim->metadata)) {
        cache_discard(potad, claim->cache, &alloc.transaction->pending);
        return false;
    }
    for (uint64_t i = 0; i < bytes; i++) {
        ((unsigned char *)claim->metadata)[i] = 0;
    }
    return true;
}

static void metadata_put(struct potad *potad, const struct zone_claim *claim,
                         struct buddy_stash *released)
{
    cache_put(potad, claim->cache, claim->metadata, released);
    cache_discard(potad, claim->cache, released);
}

/* Makes zone @plan->id an empty one over the metadata that is taken here. Return: whether it is. */
static bool zone_begin(struct potad *potad, struct alloc_context alloc,
                       const struct zone_plan *plan)
{
    struct space *zone = &potad->zones[plan->id];
    struct zone_claim *claim = &potad->claims[plan->id];
    uint64_t first[RANGES_MAX];
    uint64_t count = space_lay_pageblocks(plan->ranges, plan->count, potad->pageblock_order, first);
    uint64_t bytes = count * sizeof(struct pageblock) + plan->count * sizeof(struct range) +
                     plan->count * sizeof(uint64_t);
    if (!metadata_take(potad, alloc, claim, bytes)) {
        return false;
    }
    struct pageblock *pageblocks = claim->metadata;
    struct range *ranges = (struct range *)(void *)(pageblocks + count);
    uint64_t *pageblock_first = (uint64_t *)(void *)(ranges + plan->count);
    for (uint32_t i = 0; i < plan->count; i++) {
        ranges[i] = plan->ranges[i];
        ranges[i].zone = plan->id;
        pageblock_first[i] = first[i];
    }
    spinlock_lock(&zone->lock);
    space_reset(zone, plan->id, ranges, plan->count);
    block_map_init(&zone->map, BLOCK_MAP_TREE, &potad->table, &potad->epoch);
    zone_configure(zone, plan->config, potad->pageblock_order);
    zone->metadata_allowed = false;
    zone->pageblocks = pageblocks;
    zone->pageblock_first = pageblock_first;
    spinlock_unlock(&zone->lock);
    zonelist_make(potad, plan->id, true);
    return true;
}

/* Has in hand what another block of @zone takes. Return: whether it has: then the zone is locked.
 */
static bool block_prepare(struct potad *potad, struct alloc_context alloc, struct space *zone,
                          struct buddy_stash *stash)
{
    do {
        if (!stash_fill(potad, alloc, stash, 1) || !map_nodes_take(potad, alloc, zone)) {
            continue;
        }
        spinlock_lock(&zone->lock);
        return true;
    } while (map_nodes_fill(potad, alloc));
    return false;
}

/* Gives the frames of @range to @zone. Return: whether there were descriptors for all of it. */
static bool zone_give(struct potad *potad, struct alloc_context alloc, struct space *zone,
                      const struct range *range)
{
    struct buddy_stash stash;
    pfn_t pfn = range->start;
    pfn_t end = range->start + range->frames;
    buddy_stash_init(&stash);
    while (pfn < end && block_prepare(potad, alloc, zone, &stash)) {
        struct buddy *buddy = buddy_stash_take(&stash);
        buddy_set_kind(buddy, (range->unaccepted ? (uint32_t)BUDDY_UNACCEPTED : 0) |
                                  (range->cma ? (uint32_t)BUDDY_CMA : 0));
        buddy->head.order = (uint8_t)pfn_order_max(pfn, end - pfn);
        buddy->pfn = pfn;
        pfn += order_frames(buddy_order(buddy));
        space_add_block(zone, buddy, &alloc.transaction->pending);
        spinlock_unlock(&zone->lock);
    }
    buddy_stash_move(&stash, &alloc.transaction->pending);
    return pfn >= end;
}

/* Takes all blocks off the free @zone, which nobody looks at any more. Context: its lock. */
static void zone_die(struct space *zone, struct buddy_stash *released)
{
    pfn_t at = zone->start;
    while ((at = block_map_next(&zone->map, at, zone->end)) < zone->end) {
        struct buddy *buddy = (struct buddy *)(void *)memdesc_head(block_map_read(&zone->map, at));
        at += order_frames(buddy_order(buddy));
        buddy_stash_put(released, buddy);
    }
    buddy_stash_move(&zone->spare, released);
    zone->born = 0;
    range_tree_empty(&zone->map.tree);
}

/* Ends the dead zone @id, in whose tree no reader is any more, and gives back what it has taken. */
static void zone_end(struct potad *potad, zone_id_t id, struct buddy_stash *released)
{
    struct space *zone = &potad->zones[id];
    zonelist_make(potad, id, false);
    spinlock_lock(&zone->lock);
    /* It has no source: all its nodes are spare ones now. */
    range_tree_drain(&zone->map.tree);
    struct epoch_list nodes = zone->map.tree.spare;
    space_reset(zone, id, NULL, 0);
    spinlock_unlock(&zone->lock);
    map_nodes_put(potad, &nodes, released);
    metadata_put(potad, &potad->claims[id], released);
}

/* Makes the zone of @plan, but that nobody finds it yet. Return: whether it is; if not, what is
 * left of it is in the transaction's hands. */
static bool zone_make(struct potad *potad, struct alloc_context alloc, const struct zone_plan *plan)
{
    struct space *zone = &potad->zones[plan->id];
    bool made = true;
    if (!zone_begin(potad, alloc, plan)) {
        return false;
    }
    for (uint32_t i = 0; made && i < plan->count; i++) {
        made = zone_give(potad, alloc, zone, &plan->ranges[i]);
    }
    if (!made) {
        spinlock_lock(&zone->lock);
        zone_die(zone, &alloc.transaction->pending);
        spinlock_unlock(&zone->lock);
        zone_end(potad, plan->id, &alloc.transaction->pending);
    }
    return made;
}

/* zone_make(), or leaves all as it was: then *@retries says whether to try it again, having done so
 * @tried times. */
static bool zone_make_once(struct potad *potad, const struct zone_plan *plan, unsigned tried,
                           bool *retries)
{
    struct alloc_transaction transaction;
    struct alloc_context alloc = transaction_begin(potad, &transaction);
    *retries = false;
    if (zone_make(potad, alloc, plan)) {
        transaction_commit(potad, &transaction);
        return true;
    }
    transaction_undo(potad, &transaction);
    *retries = transaction_retries(potad, &transaction, tried);
    return false;
}

enum status potad_zone_add(struct potad *potad, zone_id_t id, const struct zone_config *config,
                           const struct range *ranges, uint32_t count)
{
    struct zone_plan plan = {id, config, ranges, count};
    unsigned tried = 0;
    bool made;
    bool retries;
    if (!plan_is_valid(&plan)) {
        return STATUS_INVALID;
    }
    if (!zone_claim(potad, &plan)) {
        return STATUS_EXISTS;
    }
    do {
        made = zone_make_once(potad, &plan, tried++, &retries);
    } while (retries);
    if (made) {
        zonelist_add(potad, id);
    }
    zone_arrive(potad, id, made);
    if (made) {
        cpu_cache_extend(potad, id);
    }
    return made ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Whether nothing of @zone is in use. Context: its lock. */
static bool zone_is_free(const struct space *zone)
{
    return zone->frames[BUDDY_FREE] + zone->frames[BUDDY_POISONED] == zone->managed_frames;
}

/* Sets out to remove zone @id. Return: OK, or why not. */
static enum status zone_leave(struct potad *potad, zone_id_t id)
{
    enum status status = STATUS_INVALID;
    spinlock_lock(&potad->claims_lock);
    struct zone_claim *claim = &potad->claims[id];
    if (claim->moving) {
        status = STATUS_BUSY;
    } else if (claim->cache != NULL) {
        claim->moving = true;
        status = STATUS_OK;
    }
    spinlock_unlock(&potad->claims_lock);
    return status;
}

enum status potad_zone_remove(struct potad *potad, zone_id_t id)
{
    struct buddy_stash released;
    struct epoch_stall stall;
    if (id >= ZONES_MAX) {
        return STATUS_INVALID;
    }
    enum status status = zone_leave(potad, id);
    if (status != STATUS_OK) {
        return status;
    }
    struct space *zone = &potad->zones[id];
    buddy_stash_init(&released);
    (void)cpu_cache_drain(potad);
    spinlock_lock(&zone->lock);
    bool is_free = zone_is_free(zone);
    if (is_free) {
        zone_die(zone, &released);
    }
    spinlock_unlock(&zone->lock);
    if (!is_free) {
        zone_arrive(potad, id, true);
        return STATUS_BUSY;
    }
    zonelist_remove(potad, id);
    bool ended = epoch_synchronise(&potad->epoch, 0, &stall);
    ASSERT(ended);
    zone_end(potad, id, &released);
    zone_arrive(potad, id, false);
    descriptors_release(potad, &released);
    return STATUS_OK;
}
