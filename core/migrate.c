/* SPDX-License-Identifier: MIT */
#include "core/migrate.h"

/* Notes that the owner of @buddy has agreed: its links lead to the next owner's, and to the new
 * block's descriptor, whose own are left for others to look at (contig_mark()). */
static void moves_push(struct migrate_window *window, struct buddy *buddy,
                       struct buddy *replacement)
{
    buddy->list.next = window->moves;
    buddy->list.prev = &replacement->list;
    window->moves = &buddy->list;
}

/* Takes a note off. Context: there is one. */
static struct buddy *moves_pop(struct migrate_window *window, struct buddy **replacement)
{
    struct list_head *link = window->moves;
    window->moves = link->next;
    *replacement = buddy_of_link(link->prev);
    return buddy_of_link(link);
}

void migrate_begin(struct migrate_window *window)
{
    struct potad *potad = window->potad;
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

bool migrate_can_move(const struct migrate_window *window, memdesc_t word)
{
    const struct memdesc *head = memdesc_head(word);
    enum memdesc_type type = memdesc_type(word);
    if ((window->movable >> type & 1) == 0 || head->migratetype != MIGRATE_MOVABLE ||
        head->order >= window->order_end || head->flawed) {
        return false;
    }
    /* Else another thread is just allocating it, or it is a part of a run, and stays with it. */
    const struct buddy *buddy = (const struct buddy *)(const void *)head;
    return type != MEMDESC_BUDDY_ALLOCATED ||
           (buddy_state(buddy) == BUDDY_ALLOCATED && !buddy_is(buddy, BUDDY_OWNED));
}

/* Tells the owner of the block of @buddy. Context: no lock; the owner holds still. */
static void owner_finish(const struct migrate_window *window, struct buddy *buddy, pfn_t from,
                         pfn_t to, enum migrate_stage stage)
{
    struct space *zone = &window->potad->zones[buddy->head.zone];
    struct migration move = {from, to, buddy_order(buddy), buddy};
    spinlock_lock(&zone->lock);
    memdesc_t word = block_map_read(&zone->map, buddy->pfn);
    spinlock_unlock(&zone->lock);
    const struct memdesc_ops *ops = &window->ops[memdesc_type(word)];
    (void)owner_call(ops, memdesc_head(word), &move, stage);
}

static void replacement_free(const struct migrate_window *window, struct buddy *buddy)
{
    struct potad *potad = window->potad;
    struct space *zone = &potad->zones[buddy->head.zone];
    spinlock_lock(&zone->lock);
    block_free(potad, zone, buddy, NULL, &window->alloc.transaction->pending);
    spinlock_unlock(&zone->lock);
}

void migrate_cancel(struct migrate_window *window)
{
    while (window->moves != NULL) {
        struct buddy *replacement;
        struct buddy *buddy = moves_pop(window, &replacement);
        owner_finish(window, buddy, buddy->pfn, replacement->pfn, MIGRATE_CANCEL);
        replacement_free(window, replacement);
    }
}

/* Allocates a block of @order in one of @zones. Context: no lock. */
static struct buddy *replacement_alloc_in(const struct migrate_window *window, order_t order,
                                          uint32_t zones, uint64_t as_of)
{
    struct buddy *buddy;
    struct block_request request = {
        .order = order,
        .as_of = as_of,
        .zones = zones,
        .node = window->zone->node,
        .migratetype = MIGRATE_MOVABLE,
    };
    if (block_alloc(window->potad, window->alloc, &request, 0, &buddy) != STATUS_OK) {
        return NULL;
    }
    if (buddy->pfn - window->pfn < window->units) {
        /* Another thread has freed it there just now. */
        replacement_free(window, buddy);
        return NULL;
    }
    return buddy;
}

/* Allocates where the block of @order may go. Context: no lock. */
static struct buddy *replacement_alloc(const struct migrate_window *window, order_t order)
{
    struct potad *potad = window->potad;
    uint64_t as_of = atomic_word_acquire(&potad->index.births);
    uint32_t zones = zonelist_filter(potad, window->zone->zone_class + 1, MIGRATE_MOVABLE);
    uint32_t own = window->near ? zones & 1U << window->zone->id : 0;
    struct buddy *buddy = own == 0 ? NULL : replacement_alloc_in(window, order, own, as_of);
    if (buddy == NULL && (zones & ~own) != 0) {
        buddy = replacement_alloc_in(window, order, zones & ~own, as_of);
    }
    return buddy;
}

enum asked { ASKED_AGREED, ASKED_REFUSED, ASKED_NO_MEMORY };

/* Whether the owner that agreed to @move has just the block of @word that was seen: another thread
 * may have freed that, and allocated another, under the same descriptor or a new one, and one that
 * is not movable. Until the word says so, nobody knows that there still is a struct buddy. Context:
 * no lock; the owner holds still. */
static bool move_is_meant(const struct migrate_window *window, const struct migration *move,
                          memdesc_t word)
{
    struct space *zone = window->zone;
    spinlock_lock(&zone->lock);
    const struct buddy *buddy = move->buddy;
    bool meant = block_map_read(&zone->map, move->from) == word && migrate_can_move(window, word) &&
                 memdesc_head(word)->order == move->order;
    /* The owner's own handle then, of a block in use. */
    ASSERT(!meant || buddy->pfn == move->from);
    ASSERT(!meant || buddy_state(buddy) == BUDDY_ALLOCATED);
    spinlock_unlock(&zone->lock);
    return meant;
}

/* Asks the owner of the block under @entry. Context: no lock. */
static enum asked owner_ask(struct migrate_window *window, const struct frame_entry *entry,
                            order_t order)
{
    struct potad *potad = window->potad;
    enum memdesc_type type = memdesc_type(entry->word);
    struct memdesc *head = memdesc_head(entry->word);
    const struct memdesc_ops *ops = &window->ops[type];
    if (window->frames_left < order_frames(order)) {
        return ASKED_REFUSED;
    }
    window->frames_left -= order_frames(order);
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
        replacement_free(window, replacement);
        return ASKED_REFUSED;
    }
    moves_push(window, move.buddy, replacement);
    return ASKED_AGREED;
}

/* Whether the block at @entry is one that the window holds. Context: the zone's lock. */
static bool is_held(const struct migrate_window *window, const struct frame_entry *entry)
{
    return memdesc_type(entry->word) == MEMDESC_BUDDY_ALLOCATED &&
           contig_is_held((struct buddy *)(void *)memdesc_head(entry->word), window->holder);
}

/* A block of the window. */
struct asking {
    struct frame_entry entry;
    order_t order;
    bool held;
    bool moves;
};

/* Looks at the block that frame @pfn of the window is in. Return: false where the zone, of which
 * nothing was held, has gone. */
static bool block_look(const struct migrate_window *window, pfn_t pfn, struct asking *asking)
{
    struct space *zone = window->zone;
    spinlock_lock(&zone->lock);
    bool there = zone_serves(zone, window->block);
    if (there) {
        asking->entry = block_map_find(&zone->map, pfn);
        asking->order = memdesc_head(asking->entry.word)->order;
        asking->held = is_held(window, &asking->entry);
        asking->moves = migrate_can_move(window, asking->entry.word);
    }
    spinlock_unlock(&zone->lock);
    return there;
}

bool migrate_ask(struct migrate_window *window)
{
    struct asking asking;
    pfn_t first_end = 0;
    pfn_t end = window->pfn + window->units;
    pfn_t at = window->pfn;
    window->from = end;
    while (at < end) {
        if (!block_look(window, at, &asking)) {
            return false;
        }
        at = asking.entry.pfn + order_frames(asking.order);
        if (asking.held) {
            continue;
        }
        first_end = first_end == 0 ? at : first_end;
        /* Another thread may have freed it, and others taken it: then this window is given up. */
        enum asked asked =
            asking.moves ? owner_ask(window, &asking.entry, asking.order) : ASKED_REFUSED;
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
static void buddys_swap(struct migrate_window *window, struct buddy *buddy,
                        struct buddy *replacement)
{
    struct space *old_zone = window->zone;
    struct space *new_zone = &window->potad->zones[replacement->head.zone];
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
    contig_mark(replacement, window->holder);
    window->frames_moved += order_frames(buddy_order(buddy));
}

/* The descriptor that others may have references to of the block of @buddy, or NULL. Context: its
 * zone's lock. */
static struct memdesc *shared_descriptor(const struct potad *potad, const struct buddy *buddy)
{
    memdesc_t word = block_map_read(&potad->zones[buddy->head.zone].map, buddy->pfn);
    return memdesc_is_shared(potad, memdesc_type(word)) ? memdesc_head(word) : NULL;
}

/* Lets references be taken again to what is to move, up to @end. Context: as moves_are_sound(). */
static void moves_thaw(const struct migrate_window *window, const struct list_head *end)
{
    for (struct list_head *link = window->moves; link != end; link = link->next) {
        struct memdesc *descriptor = shared_descriptor(window->potad, buddy_of_link(link));
        if (descriptor != NULL) {
            memdesc_thaw(descriptor);
        }
    }
}

/* Whether no frame that is to move, or to be moved to, has failed since, and nobody but the owners
 * has references to what is to move: from here on nobody gets any. If not, window->from is behind
 * such a block, for windows with it are no better. Context: all zones' locks. */
static bool moves_are_sound(struct migrate_window *window)
{
    const struct potad *potad = window->potad;
    for (struct list_head *link = window->moves; link != NULL; link = link->next) {
        const struct buddy *buddy = buddy_of_link(link);
        const struct space *zone = &potad->zones[buddy->head.zone];
        struct memdesc *descriptor = shared_descriptor(potad, buddy);
        if (memdesc_head(block_map_read(&zone->map, buddy->pfn))->flawed ||
            buddy_of_link(link->prev)->head.flawed ||
            (descriptor != NULL && !memdesc_freeze(descriptor))) {
            moves_thaw(window, link);
            window->from = buddy->pfn + order_frames(buddy_order(buddy));
            return false;
        }
    }
    return true;
}

uint32_t migrate_lock(struct potad *potad)
{
    uint32_t zones = zones_present(potad);
    zones_for_each(zones, id)
    {
        spinlock_lock(&potad->zones[id].lock);
    }
    return zones;
}

void migrate_unlock(struct potad *potad, uint32_t zones)
{
    zones_for_each(zones, id)
    {
        spinlock_unlock(&potad->zones[id].lock);
    }
}

bool migrate_swap(struct migrate_window *window)
{
    if (!moves_are_sound(window)) {
        return false;
    }
    for (struct list_head *link = window->moves; link != NULL; link = link->next) {
        buddys_swap(window, buddy_of_link(link), buddy_of_link(link->prev));
    }
    moves_thaw(window, NULL);
    return true;
}

void migrate_commit(struct migrate_window *window)
{
    while (window->moves != NULL) {
        struct buddy *replacement;
        struct buddy *buddy = moves_pop(window, &replacement);
        owner_finish(window, buddy, replacement->pfn, buddy->pfn, MIGRATE_COMMIT);
    }
}
