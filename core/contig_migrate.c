/* SPDX-License-Identifier: MIT
 *
 * contig_migrate.c: CMA memory that is asked back: windows of any size, on any alignment, one after
 * the other until one has been cleared (migrate.h) and is the run that was asked for.
 */
#include "core/migrate.h"

/* A window in CMA ranges. What of the blocks at its ends is not of it goes back. */
struct cma_window {
    struct contig_call *call;
    enum watermark watermark;
    struct migrate_window migrate;
    struct epoch_list nodes; /* in hand, for the cuts at its ends */
};

/* The end of the first block of the window at @pfn that keeps it from being cleared, or PFN_NONE.
 */
static pfn_t obstacle_end(const struct migrate_window *window, pfn_t pfn)
{
    pfn_t at = pfn;
    while (at < pfn + window->units) {
        struct frame_entry entry = block_map_find(&window->zone->map, at);
        at = entry.pfn + order_frames(memdesc_head(entry.word)->order);
        if (memdesc_type(entry.word) != MEMDESC_BUDDY_FREE &&
            !migrate_can_move(window, entry.word)) {
            return at;
        }
    }
    return PFN_NONE;
}

/* Finds the first window, from its @from on, that owners can be asked to clear. Cost: as the number
 * of blocks in CMA ranges up to there. */
static bool window_find(struct cma_window *window)
{
    const struct contig_goal *goal = &window->call->goal;
    struct migrate_window *migrate = &window->migrate;
    const struct space *zone = migrate->zone;
    for (uint32_t i = 0; i < zone->ranges_count; i++) {
        pfn_t at = zone->ranges[i].start;
        /* Blocks may lie across ranges that touch. */
        while (zone->ranges[i].cma && i + 1 < zone->ranges_count && zone->ranges[i + 1].cma &&
               zone->ranges[i + 1].start == zone->ranges[i].start + zone->ranges[i].frames) {
            i++;
        }
        pfn_t end = zone->ranges[i].start + zone->ranges[i].frames;
        end = end < goal->high ? end : goal->high;
        at = at > goal->low ? at : goal->low;
        at = pfn_align_up(at > migrate->from ? at : migrate->from, goal->align);
        while (zone->ranges[i].cma && at < end && end - at >= goal->units) {
            pfn_t next = obstacle_end(migrate, at);
            if (next == PFN_NONE) {
                migrate->pfn = at;
                return true;
            }
            at = pfn_align_up(next, goal->align);
        }
    }
    return false;
}

/* Free frames of the window: what it takes of the zone's. Blocks that move leave as many as they
 * take elsewhere. */
static uint64_t window_free(const struct migrate_window *window)
{
    uint64_t frames = 0;
    pfn_t end = window->pfn + window->units;
    pfn_t at = window->pfn;
    while (at < end) {
        struct frame_entry entry = block_map_find(&window->zone->map, at);
        pfn_t next = entry.pfn + order_frames(memdesc_head(entry.word)->order);
        next = next < end ? next : end;
        frames += memdesc_type(entry.word) == MEMDESC_BUDDY_FREE ? next - at : 0;
        at = next;
    }
    return frames;
}

/* Finds a window and holds what is free in it, with all in hand that cutting its ends will take.
 * Context: no lock. Descriptors never come out of CMA memory, so the window stays as it is while
 * they are allocated. */
static bool window_hold(struct cma_window *window)
{
    struct contig_call *call = window->call;
    struct space *zone = window->migrate.zone;
    uint64_t units = call->goal.units;
    for (;;) {
        spinlock_lock(&zone->lock);
        if (!zone_serves(zone, &call->block) || !window_find(window) ||
            !zone_may_give(zone, &call->block, window->watermark, window_free(&window->migrate))) {
            break;
        }
        pfn_t pfn = window->migrate.pfn;
        struct contig_cut cut = contig_cut_of(zone, pfn, units);
        if (!map_nodes_ready(call->alloc, zone, contig_cut_nodes(zone, cut, 1))) {
            break;
        }
        if (call->stash.count >= (uint64_t)cut.left + cut.right) {
            struct contig_run run = migrate_run(&window->migrate);
            contig_hold(&run);
            contig_trim(&run, &call->stash, &call->alloc.transaction->pending);
            cut = contig_cut_of(zone, pfn, units);
            window->nodes = block_map_detach(&zone->map, contig_cut_nodes(zone, cut, 1));
            spinlock_unlock(&zone->lock);
            return true;
        }
        spinlock_unlock(&zone->lock);
        if (!contig_gather(call, cut)) {
            return false;
        }
    }
    zone_note_change(call->potad, zone, &call->block);
    spinlock_unlock(&zone->lock);
    return false;
}

/* Takes everything back that was done for the window. */
static void window_abort(struct cma_window *window)
{
    struct contig_call *call = window->call;
    struct contig_run run = migrate_run(&window->migrate);
    migrate_cancel(&window->migrate);
    spinlock_lock(&run.space->lock);
    /* Else nothing of it was held, and the zone could go. */
    if (zone_serves(run.space, &call->block)) {
        block_map_attach(&run.space->map, &window->nodes);
        contig_let_go(&run, &call->alloc.transaction->pending);
    }
    spinlock_unlock(&run.space->lock);
    map_nodes_put(call->potad, &window->nodes, &call->alloc.transaction->pending);
}

/* Has in hand what cutting the ends of the window takes, now that all in it stays as it is: blocks
 * there may have become larger since it was found. Context: no lock. */
static bool window_gather(struct cma_window *window)
{
    struct space *zone = window->migrate.zone;
    spinlock_lock(&zone->lock);
    struct contig_cut cut = contig_cut_of(zone, window->migrate.pfn, window->call->goal.units);
    spinlock_unlock(&zone->lock);
    return contig_gather(window->call, cut);
}

/* Swaps all places. Return: false where that cannot be, with nothing changed. */
static bool window_swap(struct cma_window *window)
{
    struct contig_call *call = window->call;
    struct space *zone = window->migrate.zone;
    uint32_t zones = migrate_lock(call->potad);
    /* The new blocks' cuts may have made the tree higher. */
    struct contig_cut cut = contig_cut_of(zone, window->migrate.pfn, call->goal.units);
    uint64_t nodes = contig_cut_nodes(zone, cut, 1);
    bool done = window->nodes.count >= nodes || map_nodes_ready(call->alloc, zone, nodes);
    done = done && migrate_swap(&window->migrate);
    if (done) {
        block_map_attach(&zone->map, &window->nodes);
        window->nodes = block_map_detach(&zone->map, nodes);
    }
    migrate_unlock(call->potad, zones);
    return done;
}

/* Ends what all owners have agreed to. Cannot fail. */
static void window_commit(struct cma_window *window)
{
    struct contig_call *call = window->call;
    struct space *zone = window->migrate.zone;
    struct contig_run run = migrate_run(&window->migrate);
    migrate_commit(&window->migrate);
    spinlock_lock(&zone->lock);
    block_map_attach(&zone->map, &window->nodes);
    contig_trim(&run, &call->stash, &call->alloc.transaction->pending);
    uint64_t parts = contig_give(&run, call->migratetype, BUDDY_OWNED);
    *call->contig = (struct contig){run.pfn, run.units, parts, zone->id};
    spinlock_unlock(&zone->lock);
}

enum status contig_move_out(struct contig_call *call, struct space *zone, enum watermark watermark)
{
    struct buddy_stash *pending = &call->alloc.transaction->pending;
    enum status status = STATUS_NO_MEMORY;
    struct cma_window window = {
        .call = call,
        .watermark = watermark,
        .migrate = {.potad = call->potad,
                    .alloc = call->alloc,
                    .block = &call->block,
                    .zone = zone,
                    .holder = call,
                    .units = call->goal.units,
                    .order_end = ORDERS,
                    .frames_left = UINT64_MAX},
    };
    struct migrate_window *migrate = &window.migrate;
    migrate_begin(migrate);
    /* Each turn that fails goes on behind a block at least. */
    while (call->alloc.transaction->nodes_short == 0 && window_hold(&window)) {
        if (migrate_ask(migrate) && window_gather(&window) && window_swap(&window)) {
            window_commit(&window);
            status = STATUS_OK;
            break;
        }
        core_event(call->potad, CORE_EVENT_WINDOW_LEFT);
        window_abort(&window);
        ASSERT(migrate->from > migrate->pfn);
    }
    buddy_stash_move(&call->stash, pending);
    return status;
}
