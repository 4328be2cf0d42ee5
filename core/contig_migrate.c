/* SPDX-License-Identifier: MIT
 *
 * contig_migrate.c: CMA memory that is asked back. A window is cleared in two phases, so that
 * whatever fails can be undone without failing:
 *
 *   a, b: blocks of movable owners                 window
 *                                            |<---------------->|
 *   before                    ...  |    a     |  free  |    b    |  free  | ...
 *   free blocks are held                      |  held  |         |  held |      not given to others
 *   a block is allocated for each owner, who is asked to TRY: it copies, and holds still
 *   all agree: descriptors swap places; each owner hears COMMIT
 *   what a had outside of the window is free, and the rest is the run
 *
 *   one does not: owners that agreed hear CANCEL, their new blocks are freed, what was held is free
 *
 * The struct buddy that an owner keeps for its block (requirement A6) describes the new place from
 * then on, so that nobody's handle changes: the one that came with the new block goes the other
 * way. While owners are asked, no lock is held: blocks that nobody has agreed for may be freed and
 * given out again meanwhile, or held for another window (contig_take.h tells them apart). Then this
 * window is given up.
 *
 * An owner's block moves to zones of no higher class than that it leaves: it may have asked for
 * such.
 */
#include "core/page_alloc.h"

struct cma_window {
    struct contig_call *call;
    struct space *zone;
    enum watermark watermark;
    uint32_t movable;                      /* types whose owners can be asked, as bits */
    struct memdesc_ops ops[MEMDESC_TYPES]; /* theirs, for all stages of a move */
    pfn_t from;                            /* windows start here or behind */
    pfn_t pfn;                             /* the one that is being cleared */
    struct list_head *moves;               /* of owners that agreed, see moves_push() */
    struct epoch_list nodes;
};

/* Notes that the owner of @buddy has agreed: its links lead to the next owner's, and to the new
 * block's descriptor, whose own are left for others to look at (contig_mark()). */
static void moves_push(struct cma_window *window, struct buddy *buddy, struct buddy *replacement)
{
    buddy->list.next = window->moves;
    buddy->list.prev = &replacement->list;
    window->moves = &buddy->list;
}

/* Takes a note off. Context: there is one. */
static struct buddy *moves_pop(struct cma_window *window, struct buddy **replacement)
{
    struct list_head *link = window->moves;
    window->moves = link->next;
    *replacement = buddy_of_link(link->prev);
    return buddy_of_link(link);
}

/* The frames of the window. */
static struct contig_run window_run(const struct cma_window *window)
{
    struct contig_call *call = window->call;
    return (struct contig_run){window->zone, window->pfn, call->goal.units, call};
}

/* Takes note of whom to ask. */
static void window_ops(struct cma_window *window)
{
    struct potad *potad = window->call->potad;
    window->movable = 0;
    spinlock_lock(&potad->owners_lock);
    for (unsigned type = 0; type < MEMDESC_TYPES; type++) {
        window->ops[type] = potad->owners[type];
        bool moves = window->ops[type].migrate != NULL && type != MEMDESC_SLAB;
        window->movable |= moves ? 1U << type : 0;
    }
    spinlock_unlock(&potad->owners_lock);
}

/* Asks or tells the owner whose functions are @ops. Context: no lock. Return: what it answers. */
static bool owner_call(const struct memdesc_ops *ops, struct memdesc *descriptor,
                       struct migration *move, enum migrate_stage stage)
{
    lock_check_call("memdesc_ops.migrate");
    return ops->migrate(ops->context, descriptor, move, stage);
}

/* Whether the owner of the block under @word can be asked to move it. */
static bool block_moves(const struct cma_window *window, memdesc_t word)
{
    const struct memdesc *head = memdesc_head(word);
    enum memdesc_type type = memdesc_type(word);
    if ((window->movable >> type & 1) == 0 || head->migratetype != MIGRATE_MOVABLE ||
        head->flawed) {
        return false;
    }
    /* Else another thread is just allocating it; or a CPU keeps it, and it has no owner to ask:
     * where no other window serves, CPUs' lists are drained, and it is free. */
    const struct buddy *buddy = (const struct buddy *)(const void *)head;
    return type != MEMDESC_BUDDY_ALLOCATED ||
           (buddy_state(buddy) == BUDDY_ALLOCATED && !buddy_is(buddy, BUDDY_CACHED));
}

/* The end of the first block of the window at @pfn that keeps it from being cleared, or PFN_NONE.
 */
static pfn_t obstacle_end(const struct cma_window *window, pfn_t pfn)
{
    pfn_t at = pfn;
    while (at < pfn + window->call->goal.units) {
        struct frame_entry entry = block_map_find(&window->zone->map, at);
        at = entry.pfn + order_frames(memdesc_head(entry.word)->order);
        if (memdesc_type(entry.word) != MEMDESC_BUDDY_FREE && !block_moves(window, entry.word)) {
            return at;
        }
    }
    return PFN_NONE;
}

/* Finds the first window, from window->from on, that owners can be asked to clear. Cost: as the
 * number of blocks in CMA ranges up to there. */
static bool window_find(struct cma_window *window)
{
    const struct contig_goal *goal = &window->call->goal;
    const struct space *zone = window->zone;
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
        at = pfn_align_up(at > window->from ? at : window->from, goal->align);
        while (zone->ranges[i].cma && at < end && end - at >= goal->units) {
            pfn_t next = obstacle_end(window, at);
            if (next == PFN_NONE) {
                window->pfn = at;
                return true;
            }
            at = pfn_align_up(next, goal->align);
        }
    }
    return false;
}

/* Free frames of the window: what it takes of the zone's. Blocks that move leave as many as they
 * take elsewhere. */
static uint64_t window_free(const struct cma_window *window)
{
    uint64_t frames = 0;
    pfn_t end = window->pfn + window->call->goal.units;
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
    struct space *zone = window->zone;
    uint64_t units = call->goal.units;
    for (;;) {
        spinlock_lock(&zone->lock);
        if (!zone_serves(zone, &call->block) || !window_find(window) ||
            !zone_may_give(zone, &call->block, window->watermark, window_free(window))) {
            break;
        }
        struct contig_cut cut = contig_cut_of(zone, window->pfn, units);
        if (!map_nodes_ready(call->alloc, zone, contig_cut_nodes(zone, cut, 1))) {
            break;
        }
        if (call->stash.count >= (uint64_t)cut.left + cut.right) {
            struct contig_run run = window_run(window);
            contig_hold(&run);
            contig_trim(&run, &call->stash, &call->alloc.transaction->pending);
            cut = contig_cut_of(zone, window->pfn, units);
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

/* Tells the owner of the block of @buddy. Context: no lock; the owner holds still. */
static void owner_finish(const struct cma_window *window, struct buddy *buddy, pfn_t from, pfn_t to,
                         enum migrate_stage stage)
{
    struct potad *potad = window->call->potad;
    struct space *zone = &potad->zones[buddy->head.zone];
    struct migration move = {from, to, buddy_order(buddy), buddy};
    spinlock_lock(&zone->lock);
    memdesc_t word = block_map_read(&zone->map, buddy->pfn);
    spinlock_unlock(&zone->lock);
    const struct memdesc_ops *ops = &window->ops[memdesc_type(word)];
    (void)owner_call(ops, memdesc_head(word), &move, stage);
}

static void replacement_free(struct contig_call *call, struct buddy *buddy)
{
    struct space *zone = &call->potad->zones[buddy->head.zone];
    spinlock_lock(&zone->lock);
    block_free(call->potad, zone, buddy, NULL, &call->alloc.transaction->pending);
    spinlock_unlock(&zone->lock);
}

/* Takes everything back that was done for the window. */
static void window_abort(struct cma_window *window)
{
    struct contig_call *call = window->call;
    while (window->moves != NULL) {
        struct buddy *replacement;
        struct buddy *buddy = moves_pop(window, &replacement);
        owner_finish(window, buddy, buddy->pfn, replacement->pfn, MIGRATE_CANCEL);
        replacement_free(call, replacement);
    }
    struct contig_run run = window_run(window);
    spinlock_lock(&window->zone->lock);
    block_map_attach(&window->zone->map, &window->nodes);
    contig_let_go(&run, &call->alloc.transaction->pending);
    spinlock_unlock(&window->zone->lock);
}

/* Allocates where the block of @order may go. Context: no lock. */
static struct buddy *replacement_alloc(struct cma_window *window, order_t order)
{
    struct contig_call *call = window->call;
    struct buddy *buddy;
    uint64_t as_of = atomic_word_acquire(&call->potad->index.births);
    struct block_request request = {
        .order = order,
        .as_of = as_of,
        .zones = zonelist_filter(call->potad, window->zone->zone_class + 1, MIGRATE_MOVABLE),
        .node = window->zone->node,
        .migratetype = MIGRATE_MOVABLE,
    };
    if (block_alloc(call->potad, call->alloc, &request, 0, &buddy) != STATUS_OK) {
        return NULL;
    }
    if (buddy->pfn - window->pfn < call->goal.units) {
        /* Another thread has freed it there just now. */
        replacement_free(call, buddy);
        return NULL;
    }
    return buddy;
}

enum asked { ASKED_AGREED, ASKED_REFUSED, ASKED_NO_MEMORY };

/* Whether the owner that agreed to @move has just the block of @word that was seen: another thread
 * may have freed that, and allocated another, under the same descriptor or a new one. Until the
 * word says so, nobody knows that there still is a struct buddy. Context: no lock; the owner holds
 * still. */
static bool move_is_meant(const struct cma_window *window, const struct migration *move,
                          memdesc_t word)
{
    struct space *zone = window->zone;
    spinlock_lock(&zone->lock);
    const struct buddy *buddy = move->buddy;
    bool meant = block_map_read(&zone->map, move->from) == word && buddy->pfn == move->from &&
                 buddy_order(buddy) == move->order && buddy_state(buddy) == BUDDY_ALLOCATED;
    spinlock_unlock(&zone->lock);
    return meant;
}

/* Asks the owner of the block under @entry. Context: no lock. */
static enum asked owner_ask(struct cma_window *window, const struct frame_entry *entry,
                            order_t order)
{
    struct potad *potad = window->call->potad;
    enum memdesc_type type = memdesc_type(entry->word);
    struct memdesc *head = memdesc_head(entry->word);
    const struct memdesc_ops *ops = &window->ops[type];
    struct buddy *replacement = replacement_alloc(window, order);
    if (replacement == NULL) {
        return ASKED_NO_MEMORY;
    }
    struct migration move = {.from = entry->pfn, .to = replacement->pfn, .order = order};
    if (type == MEMDESC_BUDDY_ALLOCATED) {
        move.buddy = (struct buddy *)(void *)head;
    }
    bool agreed = !port_fault(potad, FAULT_MIGRATE) && owner_call(ops, head, &move, MIGRATE_TRY);
    ASSERT(!agreed || move.buddy != NULL);
    if (agreed && !move_is_meant(window, &move, entry->word)) {
        (void)owner_call(ops, head, &move, MIGRATE_CANCEL);
        agreed = false;
    }
    if (!agreed) {
        replacement_free(window->call, replacement);
        return ASKED_REFUSED;
    }
    moves_push(window, move.buddy, replacement);
    return ASKED_AGREED;
}

/* Whether the block at @entry is one that the window holds. Context: the zone's lock. */
static bool is_held(const struct cma_window *window, const struct frame_entry *entry)
{
    return memdesc_type(entry->word) == MEMDESC_BUDDY_ALLOCATED &&
           contig_is_held((struct buddy *)(void *)memdesc_head(entry->word), window->call);
}

/* Asks the owners of all blocks in the window, by ascending address. Return: whether all agree; if
 * not, window->from is where it helps to go on. */
static bool owners_ask(struct cma_window *window)
{
    struct space *zone = window->zone;
    pfn_t first_end = 0;
    pfn_t at = window->pfn;
    while (at < window->pfn + window->call->goal.units) {
        spinlock_lock(&zone->lock);
        struct frame_entry entry = block_map_find(&zone->map, at);
        order_t order = memdesc_head(entry.word)->order;
        bool held = is_held(window, &entry);
        bool moves = block_moves(window, entry.word);
        spinlock_unlock(&zone->lock);
        at = entry.pfn + order_frames(order);
        if (held) {
            continue;
        }
        first_end = first_end == 0 ? at : first_end;
        /* Another thread may have freed it, and others taken it: then this window is given up. */
        enum asked asked = moves ? owner_ask(window, &entry, order) : ASKED_REFUSED;
        if (asked != ASKED_AGREED) {
            /* A window with the same blocks to move, and more, finds no more memory. */
            window->from = asked == ASKED_REFUSED ? at : first_end;
            return false;
        }
    }
    return true;
}

/* Lets the owner's @buddy describe the new place of its block, and @replacement the old one, which
 * is held from here on. Context: the locks of both zones. */
static void buddys_swap(struct contig_call *call, struct buddy *buddy, struct buddy *replacement)
{
    struct potad *potad = call->potad;
    struct space *old_zone = &potad->zones[buddy->head.zone];
    struct space *new_zone = &potad->zones[replacement->head.zone];
    uint32_t own = (uint32_t)BUDDY_BOOT | (uint32_t)BUDDY_OWNED;
    uint32_t old_flags = atomic_flags_peek(&buddy->head.flags);
    uint32_t new_flags = atomic_flags_peek(&replacement->head.flags);
    memdesc_t word = block_map_read(&old_zone->map, buddy->pfn);
    pfn_t from = buddy->pfn;
    buddy->pfn = replacement->pfn;
    replacement->pfn = from;
    buddy->head.zone = (uint8_t)new_zone->id;
    replacement->head.zone = (uint8_t)old_zone->id;
    /* Whether it is of the boot is the descriptor's own, and so is the owner; all else is the
     * block's. */
    atomic_flags_poke(&buddy->head.flags, (new_flags & ~own) | (old_flags & own));
    atomic_flags_poke(&replacement->head.flags, (old_flags & ~own) | (new_flags & own));
    if (memdesc_type(word) != MEMDESC_BUDDY_ALLOCATED) {
        buddy_describe(buddy, memdesc_head(word));
    }
    space_set_word(new_zone, buddy, word);
    space_set_word(old_zone, replacement, memdesc_make(replacement, MEMDESC_BUDDY_ALLOCATED));
    space_set_state(old_zone, replacement, BUDDY_TAKEN);
    contig_mark(replacement, call);
}

/* The descriptor that others may have references to of the block of @buddy, or NULL. Context: its
 * zone's lock. */
static struct memdesc *shared_descriptor(const struct potad *potad, const struct buddy *buddy)
{
    memdesc_t word = block_map_read(&potad->zones[buddy->head.zone].map, buddy->pfn);
    return memdesc_is_shared(potad, memdesc_type(word)) ? memdesc_head(word) : NULL;
}

/* Lets references be taken again to what is to move, up to @end. Context: as moves_are_sound(). */
static void moves_thaw(const struct cma_window *window, const struct list_head *end)
{
    for (struct list_head *link = window->moves; link != end; link = link->next) {
        struct memdesc *descriptor = shared_descriptor(window->call->potad, buddy_of_link(link));
        if (descriptor != NULL) {
            memdesc_thaw(descriptor);
        }
    }
}

/* Whether no frame that is to move, or to be moved to, has failed since, and nobody but the owners
 * has references to what is to move: from here on nobody gets any. Context: all zones' locks. */
static bool moves_are_sound(const struct cma_window *window)
{
    const struct potad *potad = window->call->potad;
    for (struct list_head *link = window->moves; link != NULL; link = link->next) {
        const struct buddy *buddy = buddy_of_link(link);
        const struct space *zone = &potad->zones[buddy->head.zone];
        struct memdesc *descriptor = shared_descriptor(potad, buddy);
        if (memdesc_head(block_map_read(&zone->map, buddy->pfn))->flawed ||
            buddy_of_link(link->prev)->head.flawed ||
            (descriptor != NULL && !memdesc_freeze(descriptor))) {
            moves_thaw(window, link);
            return false;
        }
    }
    return true;
}

/* Has in hand what cutting the ends of the window takes, now that all in it stays as it is: blocks
 * there may have become larger since it was found. Context: no lock. */
static bool window_gather(struct cma_window *window)
{
    struct space *zone = window->zone;
    spinlock_lock(&zone->lock);
    struct contig_cut cut = contig_cut_of(zone, window->pfn, window->call->goal.units);
    spinlock_unlock(&zone->lock);
    return contig_gather(window->call, cut);
}

/* Swaps all places. Return: false where that cannot be, with nothing changed. */
static bool window_swap(struct cma_window *window)
{
    struct potad *potad = window->call->potad;
    struct space *zone = window->zone;
    /* Those that there are blocks of in hand are among them, and stay. */
    uint32_t zones = zones_present(potad);
    zones_for_each(zones, id)
    {
        spinlock_lock(&potad->zones[id].lock);
    }
    /* The new blocks' cuts may have made the tree higher. */
    struct contig_cut cut = contig_cut_of(zone, window->pfn, window->call->goal.units);
    uint64_t nodes = contig_cut_nodes(zone, cut, 1);
    bool done = window->nodes.count >= nodes || map_nodes_ready(window->call->alloc, zone, nodes);
    done = done && moves_are_sound(window);
    if (done) {
        block_map_attach(&zone->map, &window->nodes);
        window->nodes = block_map_detach(&zone->map, nodes);
        for (struct list_head *link = window->moves; link != NULL; link = link->next) {
            buddys_swap(window->call, buddy_of_link(link), buddy_of_link(link->prev));
        }
        moves_thaw(window, NULL);
    }
    zones_for_each(zones, id)
    {
        spinlock_unlock(&potad->zones[id].lock);
    }
    return done;
}

/* Ends what all owners have agreed to. Cannot fail. */
static void window_commit(struct cma_window *window)
{
    struct contig_call *call = window->call;
    struct space *zone = window->zone;
    struct contig_run run = window_run(window);
    while (window->moves != NULL) {
        struct buddy *replacement;
        struct buddy *buddy = moves_pop(window, &replacement);
        owner_finish(window, buddy, replacement->pfn, buddy->pfn, MIGRATE_COMMIT);
    }
    spinlock_lock(&zone->lock);
    block_map_attach(&zone->map, &window->nodes);
    contig_trim(&run, &call->stash, &call->alloc.transaction->pending);
    uint64_t parts = contig_give(&run, call->migratetype);
    *call->contig = (struct contig){run.pfn, run.units, parts, zone->id};
    spinlock_unlock(&zone->lock);
}

enum status contig_move_out(struct contig_call *call, struct space *zone, enum watermark watermark)
{
    struct buddy_stash *pending = &call->alloc.transaction->pending;
    enum status status = STATUS_NO_MEMORY;
    struct cma_window window = {
        .call = call,
        .zone = zone,
        .watermark = watermark,
    };
    window_ops(&window);
    /* Each turn that fails goes on behind a block at least. */
    while (call->alloc.transaction->nodes_short == 0 && window_hold(&window)) {
        if (owners_ask(&window) && window_gather(&window) && window_swap(&window)) {
            window_commit(&window);
            status = STATUS_OK;
            break;
        }
        core_event(call->potad, CORE_EVENT_WINDOW_LEFT);
        window_abort(&window);
        window.from = window.from > window.pfn ? window.from : window.pfn + 1;
    }
    buddy_stash_move(&call->stash, pending);
    return status;
}
