/* SPDX-License-Identifier: MIT
 *
 * compact.c: compaction (requirement D3): where no free block is large enough, a window of its
 * size, at a multiple of that, is cleared of movable blocks (migrate.h), and is the block. A scan
 * goes over the windows of a zone and passes over those in which something stays; each block on its
 * way is looked at once:
 *
 *   order 2     | m . m m | . s m . | m . . m |       m: movable, s: a slab, .: free
 *               | m . m m | . s ^^^^^^^             nobody here is asked: on to the next window
 *
 * Nothing is asked for longer than the caller allows, and no lock is held for more than LOOKS_MOST
 * blocks, or 2^CHUNK_ORDER frames, at a time; only where descriptors swap places, all of a
 * window's do at once. Where a scan ends, the next one goes on: space.compact_from.
 */
#include "core/migrate.h"

enum {
    LOOKS_MOST = 256, /* blocks that a scan looks at before it lets others have the zone */
    CHUNK_ORDER = 8,  /* a window is held, and let go, in pieces of so many frames */

    /* What an allocation that asks for compaction may take: beside the frames, a window's. */
    ALLOC_BLOCKS = 1 << 16,
    ALLOC_FRAMES = 1 << 12
};

/* A call that wants a block made. */
struct compaction {
    struct potad *potad;
    struct alloc_context alloc;
    struct block_request block;
    uint64_t blocks_left; /* that may still be looked at */
    uint64_t frames_left; /* of blocks that may still be tried to move */
    uint64_t frames_max;  /* the same, when it began */
    bool stopped;         /* one of these was too little */
    bool takes;           /* the block is for @owner, or nobody if that is 0 */
    memdesc_t owner;
    struct buddy *buddy; /* the block, where @takes */
    struct compact_result *result;
};

/* A scan of one zone. */
struct scan {
    struct compaction *call;
    struct migrate_window window; /* the one that is looked at */
    pfn_t at;                     /* the next block in it */
    uint64_t moving;              /* frames of it that would have to move */
    pfn_t next;                   /* the next one starts here or behind */
    pfn_t stop;                   /* where the scan began */
    bool wrapped;                 /* it has come to the end of the zone, and began at its start */
};

/* Whether frames of the boot are among @frames from @pfn on. */
static bool touches_reserved(const struct space *zone, pfn_t pfn, uint64_t frames)
{
    return zone->reserved_frames > 0 && (zone->reserved_start - pfn < frames ||
                                         pfn - zone->reserved_start < zone->reserved_frames);
}

/* The first place from @from on, or PFN_NONE, where a block of @order could be that is not CMA's:
 * frames of the zone only, none of which is the boot's. */
static pfn_t place_next(const struct space *zone, pfn_t from, order_t order)
{
    uint64_t frames = order_frames(order);
    for (uint32_t i = 0; i < zone->ranges_count; i++) {
        const struct range *range = &zone->ranges[i];
        pfn_t start = range->start;
        /* Blocks may lie across ranges that touch. */
        while (!range->cma && i + 1 < zone->ranges_count && !range[1].cma &&
               range[1].start == range->start + range->frames) {
            range = &zone->ranges[++i];
        }
        pfn_t end = range->start + range->frames;
        pfn_t at = pfn_align_up(start > from ? start : from, order);
        if (touches_reserved(zone, at, frames)) {
            at = pfn_align_up(zone->reserved_start + zone->reserved_frames, order);
        }
        if (!range->cma && at < end && end - at >= frames) {
            return at;
        }
    }
    return PFN_NONE;
}

/* Whether @zone has a block for @block, or could cut it from one. Context: its lock. */
static bool zone_has_block(const struct space *zone, const struct block_request *block)
{
    return space_pick(zone, block->order, block->migratetype) != NULL ||
           space_smallest(zone, AREA_UNACCEPTED, block->order) != NULL;
}

/* Goes on to the first window from @from on. Context: the zone's lock. Return: false where the scan
 * has been everywhere. */
static bool scan_to(struct scan *scan, pfn_t from)
{
    const struct space *zone = scan->window.zone;
    order_t order = scan->call->block.order;
    pfn_t pfn = place_next(zone, from, order);
    if (pfn == PFN_NONE && !scan->wrapped) {
        scan->wrapped = true;
        pfn = place_next(zone, zone->start, order);
    }
    scan->moving = 0;
    if (pfn == PFN_NONE || (scan->wrapped && pfn >= scan->stop)) {
        return false;
    }
    scan->window.pfn = pfn;
    scan->at = pfn;
    return true;
}

/* What a block means to its window. */
enum found { FOUND_FREE, FOUND_MOVABLE, FOUND_OBSTACLE };

/* What cannot move is told by its type, or its head. Context: the zone's lock. */
static enum found block_found(const struct scan *scan, memdesc_t word)
{
    if (memdesc_type(word) == MEMDESC_BUDDY_FREE) {
        const struct buddy *buddy = (const struct buddy *)(const void *)memdesc_head(word);
        bool serves =
            buddy_order(buddy) < scan->call->block.order && !buddy_is(buddy, BUDDY_UNACCEPTED);
        return serves ? FOUND_FREE : FOUND_OBSTACLE;
    }
    return migrate_can_move(&scan->window, word) ? FOUND_MOVABLE : FOUND_OBSTACLE;
}

enum looked { LOOKED_ON, LOOKED_FOUND, LOOKED_ALL };

/* Looks at the next block. Context: the zone's lock. */
static enum looked scan_look(struct scan *scan)
{
    struct compaction *call = scan->call;
    struct frame_entry entry = block_map_find(&scan->window.zone->map, scan->at);
    uint64_t frames = order_frames(memdesc_head(entry.word)->order);
    enum found found = block_found(scan, entry.word);
    call->blocks_left -= call->blocks_left > 0 ? 1 : 0;
    call->result->blocks_seen++;
    scan->at = entry.pfn + frames;
    if (found == FOUND_MOVABLE && scan->window.frames_left - scan->moving < frames) {
        /* What is left for the next call starts here; what no such call can do is passed over. */
        call->stopped = true;
        if (scan->window.frames_left < call->frames_max) {
            return LOOKED_ALL;
        }
        found = FOUND_OBSTACLE;
    }
    scan->moving += found == FOUND_MOVABLE ? frames : 0;
    return found != FOUND_OBSTACLE || scan_to(scan, scan->at) ? LOOKED_ON : LOOKED_ALL;
}

/* Looks at some blocks. Context: the zone's lock. */
static enum looked scan_look_on(struct scan *scan)
{
    enum looked looked = LOOKED_ON;
    for (unsigned looks = 0; looks < LOOKS_MOST && looked == LOOKED_ON; looks++) {
        if (scan->at - scan->window.pfn >= scan->window.units) {
            return LOOKED_FOUND;
        }
        if (scan->at == scan->window.pfn && scan->call->blocks_left == 0) {
            /* Not in the midst of a window: it would be looked at again and again. */
            scan->call->stopped = true;
            return LOOKED_ALL;
        }
        looked = scan_look(scan);
    }
    return looked;
}

/* Finds the next window that owners can be asked to clear. Context: no lock. */
static bool window_find(struct scan *scan)
{
    struct space *zone = scan->window.zone;
    enum looked looked = LOOKED_ON;
    spinlock_lock(&zone->lock);
    if (!zone_serves(zone, &scan->call->block) || !scan_to(scan, scan->next)) {
        looked = LOOKED_ALL;
    }
    while (looked == LOOKED_ON) {
        looked = scan_look_on(scan);
        zone->compact_from = scan->window.pfn;
        if (looked == LOOKED_ON) {
            spinlock_unlock(&zone->lock);
            port_relax();
            spinlock_lock(&zone->lock);
            looked = zone_serves(zone, &scan->call->block) ? LOOKED_ON : LOOKED_ALL;
        }
    }
    spinlock_unlock(&zone->lock);
    return looked == LOOKED_FOUND;
}

/* The frames of the window from @pfn on that are held, or let go, at once. */
static struct contig_run window_chunk(const struct migrate_window *window, pfn_t pfn)
{
    uint64_t chunk = order_frames(CHUNK_ORDER);
    struct contig_run run = migrate_run(window);
    run.pfn = pfn;
    run.units = window->units < chunk ? window->units : chunk;
    return run;
}

/* Lets go what is held of the window. Context: no lock. */
static void window_let_go(const struct migrate_window *window)
{
    struct space *zone = window->zone;
    struct contig_run run = window_chunk(window, window->pfn);
    for (; run.pfn - window->pfn < window->units; run.pfn += run.units) {
        spinlock_lock(&zone->lock);
        /* Else nothing of it was held, and the zone could go. */
        if (zone_serves(zone, window->block)) {
            contig_let_go(&run, &window->alloc.transaction->pending);
        }
        spinlock_unlock(&zone->lock);
    }
}

/* Holds what is free in the window. Context: no lock. Return: false where that has become all of
 * it, or the zone has gone. */
static bool window_hold(const struct migrate_window *window)
{
    struct space *zone = window->zone;
    struct contig_run run = window_chunk(window, window->pfn);
    bool holds = true;
    for (; holds && run.pfn - window->pfn < window->units; run.pfn += run.units) {
        spinlock_lock(&zone->lock);
        holds = zone_serves(zone, window->block);
        if (holds) {
            struct frame_entry entry = block_map_find(&zone->map, run.pfn);
            holds = memdesc_head(entry.word)->order < window->block->order;
        }
        if (holds) {
            contig_hold(&run);
        }
        spinlock_unlock(&zone->lock);
    }
    return holds;
}

/* Clears the window, or leaves all as it was. Context: no lock. */
static bool window_clear(struct migrate_window *window)
{
    bool cleared = false;
    /* Also where there is nothing to ask for: all of it has become free, or the zone has gone. */
    window->from = window->pfn + window->units;
    if (window_hold(window) && migrate_ask(window)) {
        uint32_t zones = migrate_lock(window->potad);
        cleared = migrate_swap(window);
        migrate_unlock(window->potad, zones);
    }
    if (cleared) {
        migrate_commit(window);
        return true;
    }
    core_event(window->potad, CORE_EVENT_COMPACT_LEFT);
    migrate_cancel(window);
    window_let_go(window);
    return false;
}

/* Makes one block of the cleared window, all of which is held: the caller's, or a free one. */
static void window_join(struct scan *scan)
{
    struct compaction *call = scan->call;
    struct migrate_window *window = &scan->window;
    struct space *zone = window->zone;
    struct buddy_stash *pending = &call->alloc.transaction->pending;
    struct contig_run run = window_chunk(window, window->pfn);
    for (; run.pfn - window->pfn < window->units; run.pfn += run.units) {
        spinlock_lock(&zone->lock);
        struct buddy *part = contig_part(zone, run.pfn);
        if (buddy_order(part) < CHUNK_ORDER && run.units < window->units) {
            contig_mark(space_join(zone, run.pfn, CHUNK_ORDER, pending), window->holder);
        }
        spinlock_unlock(&zone->lock);
    }
    spinlock_lock(&zone->lock);
    struct buddy *buddy = space_join(zone, window->pfn, call->block.order, pending);
    if (call->takes) {
        block_give(zone, buddy, call->block.migratetype, call->owner);
        call->buddy = buddy;
    } else {
        (void)space_free(zone, buddy, NULL, pending);
    }
    zone->compact_from = window->pfn + window->units;
    spinlock_unlock(&zone->lock);
    core_event(call->potad, CORE_EVENT_COMPACTED);
}

/* Makes a block of @zone. Context: no lock. */
static bool compact_zone(struct compaction *call, struct space *zone)
{
    const struct block_request *block = &call->block;
    uint32_t *nodes_short = &call->alloc.transaction->nodes_short;
    struct scan scan = {
        .call = call,
        .window = {.potad = call->potad,
                   .alloc = call->alloc,
                   .block = block,
                   .zone = zone,
                   .holder = call,
                   .units = order_frames(block->order),
                   .order_end = block->order,
                   .frames_left = call->frames_left,
                   .near = true},
    };
    struct migrate_window *window = &scan.window;
    bool cleared = false;
    spinlock_lock(&zone->lock);
    /* What the zone keeps for others does not become less by moving blocks around. */
    bool may = block->order > 0 && zone_serves(zone, block) &&
               zone_may_give(zone, block, WATERMARK_MIN, order_frames(block->order));
    if (may) {
        scan.next = zone->compact_from;
        scan.stop = place_next(zone, scan.next, block->order);
    }
    spinlock_unlock(&zone->lock);
    migrate_begin(window);
    while (may && !cleared && *nodes_short == 0 && window_find(&scan)) {
        cleared = window_clear(window);
        ASSERT(window->from > window->pfn);
        scan.next = window->from;
    }
    if (cleared) {
        window_join(&scan);
    }
    call->frames_left = window->frames_left;
    call->result->frames_moved += window->frames_moved;
    return cleared;
}

/* Whether a zone has such a block already. Context: no lock. */
static bool is_available(const struct compaction *call)
{
    const struct block_request *block = &call->block;
    bool found = false;
    zones_for_each(block->zones, id)
    {
        struct space *zone = &call->potad->zones[id];
        spinlock_lock(&zone->lock);
        found = found || (zone_serves(zone, block) &&
                          zone_may_give(zone, block, WATERMARK_MIN, order_frames(block->order)) &&
                          zone_has_block(zone, block));
        spinlock_unlock(&zone->lock);
    }
    return found;
}

/* Makes a block of any of the zones that will do, in the node's order. */
static enum status compact_zones(struct compaction *call)
{
    uint64_t list = atomic_word_acquire(&call->potad->index.lists[call->block.node]);
    zone_id_t id;
    call->stopped = false;
    while (zonelist_next(&list, &id) && !request_waits(call->alloc, &call->block)) {
        bool will_do = (call->block.zones >> id & 1) != 0;
        if (will_do && compact_zone(call, &call->potad->zones[id])) {
            return STATUS_OK;
        }
    }
    return call->stopped ? STATUS_BUSY : STATUS_NO_MEMORY;
}

/* Does that in a transaction of its own. What CPUs keep is drained before: it has no owner to ask.
 */
static enum status compact(struct compaction *call)
{
    struct alloc_transaction transaction;
    struct potad *potad = call->potad;
    uint32_t drains = 0;
    call->alloc = transaction_begin(potad, &transaction);
    call->block.patient = true;
    bool done = !call->takes && is_available(call);
    if (!done) {
        (void)cpu_cache_reclaim(potad, call->alloc, &drains);
        done = !call->takes && is_available(call);
    }
    enum status status = done ? STATUS_OK : STATUS_NO_MEMORY;
    while (status != STATUS_OK) {
        status = compact_zones(call);
        if (status != STATUS_OK && !request_again(potad, call->alloc, &call->block)) {
            break;
        }
    }
    if (status == STATUS_OK) {
        transaction_commit(potad, &transaction);
    } else {
        transaction_undo(potad, &transaction);
    }
    return status;
}

enum status potad_compact(struct potad *potad, const struct compact_request *request,
                          struct compact_result *result)
{
    struct compaction call = {
        .potad = potad,
        .blocks_left = request->blocks_max,
        .frames_left = request->frames_max,
        .frames_max = request->frames_max,
        .result = result,
    };
    *result = (struct compact_result){0};
    if (!request_resolve(potad, &request->pages, &call.block)) {
        return STATUS_INVALID;
    }
    enum status status = compact(&call);
    result->frames_tried = request->frames_max - call.frames_left;
    return status;
}

enum status compact_alloc(struct potad *potad, const struct block_request *block, memdesc_t owner,
                          struct buddy **buddy)
{
    struct compact_result result = {0};
    uint64_t frames = ALLOC_FRAMES + order_frames(block->order);
    struct compaction call = {
        .potad = potad,
        .block = *block,
        .blocks_left = ALLOC_BLOCKS,
        .frames_left = frames,
        .frames_max = frames,
        .takes = true,
        .owner = owner,
        .result = &result,
    };
    if (compact(&call) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    *buddy = call.buddy;
    return STATUS_OK;
}
