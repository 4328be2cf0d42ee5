/* SPDX-License-Identifier: MIT
 *
 * lookup.c: from any frame to its descriptor (requirements A10, F4).
 */
#include "core/page_alloc.h"

struct space *zone_of(struct potad *potad, pfn_t pfn)
{
    const struct zone_spans *spans = &potad->spans;
    uint64_t before;
    zone_id_t id;
    do {
        before = atomic_word_acquire(&spans->changes);
        for (id = 0; id < ZONES_MAX; id++) {
            pfn_t start = atomic_word_acquire(&spans->spans[id].start);
            pfn_t end = atomic_word_acquire(&spans->spans[id].end);
            if (pfn >= start && pfn < end) {
                break;
            }
        }
        /* Pairs with span_set(): had one of the words been a newer one, this would be, too. */
    } while ((before & 1) != 0 || atomic_word_peek(&spans->changes) != before);
    return id < ZONES_MAX ? &potad->zones[id] : NULL;
}

struct space *zone_lock_of(struct potad *potad, pfn_t pfn)
{
    struct space *zone = zone_of(potad, pfn);
    if (zone == NULL) {
        return NULL;
    }
    spinlock_lock(&zone->lock);
    if (zone_has(zone, pfn)) {
        return zone;
    }
    spinlock_unlock(&zone->lock);
    return NULL;
}

bool block_find(const struct space *zone, pfn_t pfn, struct frame_entry *entry)
{
    *entry = block_map_find(&zone->map, pfn);
    /* From a hole, the search may end in another zone, whose lock is not held here. */
    if (entry->word == 0 || entry->pfn < zone->start) {
        return false;
    }
    /* A frame in a hole finds the block below the hole. */
    return pfn - entry->pfn < order_frames(memdesc_head(entry->word)->order);
}

struct frame_entry block_of_slab(void *context, pfn_t pfn)
{
    struct potad *potad = context;
    const struct block_map *map = &zone_of(potad, pfn)->map;
    if (!block_map_has_tree(map)) {
        return frame_table_find(map->table, pfn);
    }
    struct epoch_slot *section = epoch_enter(&potad->epoch, epoch_hint());
    struct range_entry head = {0};
    bool found = range_tree_prev(&map->tree, pfn, &head);
    epoch_exit(section);
    ASSERT(found);
    return (struct frame_entry){.pfn = head.first, .word = head.value};
}

/* Context: the zone's lock. */
static bool zone_lookup(const struct space *zone, pfn_t pfn, struct memdesc_info *info)
{
    if (pfn - zone->reserved_start < zone->reserved_frames) {
        *info = (struct memdesc_info){
            .type = MEMDESC_RESERVED,
            .pfn = zone->reserved_start,
            .frames = zone->reserved_frames,
            .zone = zone->id,
        };
        return true;
    }
    struct frame_entry entry;
    if (!block_find(zone, pfn, &entry)) {
        return false;
    }
    enum memdesc_type type = memdesc_type(entry.word);
    const struct memdesc *head = memdesc_head(entry.word);
    bool buddy = memdesc_type_is_buddy(type);
    *info = (struct memdesc_info){
        .type = type,
        .pfn = entry.pfn,
        .frames = order_frames(head->order),
        .zone = head->zone,
        .migratetype = (enum migratetype)head->migratetype,
        .unaccepted = buddy && buddy_is((const struct buddy *)(const void *)head, BUDDY_UNACCEPTED),
        .flawed = head->flawed,
        .descriptor = head,
    };
    return true;
}

bool memdesc_lookup(struct potad *potad, pfn_t pfn, struct memdesc_info *info)
{
    struct space *zone = zone_lock_of(potad, pfn);
    if (zone == NULL) {
        return false;
    }
    bool found = zone_lookup(zone, pfn, info);
    spinlock_unlock(&zone->lock);
    return found;
}
