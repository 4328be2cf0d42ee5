/* SPDX-License-Identifier: MIT */
#include "core/zone.h"

void zone_init(struct zone *zone, zone_id_t id, const struct range *ranges, uint32_t ranges_count)
{
    ASSERT(ranges_count > 0);
    const struct range *last = &ranges[ranges_count - 1];
    *zone = (struct zone){
        .id = id,
        .ranges = ranges,
        .ranges_count = ranges_count,
        .start = ranges[0].start,
        .end = last->start + last->frames,
    };
    zone->orders = 64 - (order_t)__builtin_clzll(zone->end - zone->start);
    zone->orders = zone->orders < ORDERS ? zone->orders : ORDERS;
    spinlock_init(&zone->lock);
    list_init(&zone->flaws);
    for (unsigned area = 0; area < AREAS; area++) {
        for (order_t order = 0; order < ORDERS; order++) {
            list_init(&zone->areas[area].lists[order]);
        }
    }
}

bool zone_manages(const struct zone *zone, pfn_t pfn, uint64_t frames)
{
    uint64_t left = frames;
    pfn_t next = pfn;
    for (uint32_t i = 0; i < zone->ranges_count && left > 0; i++) {
        const struct range *range = &zone->ranges[i];
        if (next - range->start < range->frames) {
            uint64_t here = range->frames - (next - range->start);
            here = here < left ? here : left;
            next += here;
            left -= here;
        }
    }
    bool reserved =
        pfn < zone->reserved_start + zone->reserved_frames && zone->reserved_start < pfn + frames;
    return left == 0 && !reserved;
}

static unsigned buddy_area(const struct buddy *buddy)
{
    return buddy_is(buddy, BUDDY_UNACCEPTED) ? AREA_UNACCEPTED : AREA_ACCEPTED;
}

static void zone_write(struct zone *zone, pfn_t pfn, memdesc_t word)
{
    zone->frame_writes++;
    block_map_write(&zone->map, pfn, word);
}

void zone_set_word(struct zone *zone, const struct buddy *buddy, memdesc_t word)
{
    zone_write(zone, buddy->pfn, word);
}

void zone_set_state(struct zone *zone, struct buddy *buddy, enum buddy_state state)
{
    uint64_t frames = order_frames(buddy_order(buddy));
    zone->frames[buddy_state(buddy)] -= frames;
    zone->frames[state] += frames;
    buddy_set_state(buddy, state);
}

static void zone_list_push(struct zone *zone, struct buddy *buddy)
{
    struct free_area *area = &zone->areas[buddy_area(buddy)];
    order_t order = buddy_order(buddy);
    list_push(&area->lists[order], &buddy->list);
    area->blocks[order]++;
    area->nonempty |= (uint64_t)1 << order;
}

static void zone_list_remove(struct zone *zone, struct buddy *buddy)
{
    struct free_area *area = &zone->areas[buddy_area(buddy)];
    order_t order = buddy_order(buddy);
    list_remove(&buddy->list);
    area->blocks[order]--;
    if (area->blocks[order] == 0) {
        area->nonempty &= ~((uint64_t)1 << order);
    }
}

/* Lists @buddy's block, whose word must be written here because it is new or its state is. */
static void zone_list_block(struct zone *zone, struct buddy *buddy)
{
    zone_set_state(zone, buddy, BUDDY_FREE);
    zone_list_push(zone, buddy);
    zone_set_word(zone, buddy, memdesc_make(buddy, MEMDESC_BUDDY_FREE));
}

struct buddy *zone_smallest(const struct zone *zone, unsigned area, order_t order)
{
    uint64_t orders = zone->areas[area].nonempty >> order << order;
    if (orders == 0) {
        return NULL;
    }
    return buddy_of_link(zone->areas[area].lists[__builtin_ctzll(orders)].next);
}

void zone_detach(struct zone *zone, struct buddy *buddy)
{
    ASSERT(buddy_state(buddy) == BUDDY_FREE);
    zone_list_remove(zone, buddy);
    zone_set_state(zone, buddy, BUDDY_TAKEN);
}

/* Gives the lower half of @upper's block to @lower, which is in hand. Writes no word. */
static void zone_halve(struct zone *zone, struct buddy *upper, struct buddy *lower)
{
    ASSERT(buddy_state(lower) == BUDDY_HELD);
    order_t order = buddy_order(upper) - 1;
    lower->head.order = (uint8_t)order;
    lower->head.zone = upper->head.zone;
    lower->head.migratetype = upper->head.migratetype;
    lower->head.flawed = false;
    lower->pfn = upper->pfn;
    buddy_set_unaccepted(lower, buddy_is(upper, BUDDY_UNACCEPTED));
    buddy_set_state(lower, buddy_state(upper));
    upper->head.order = (uint8_t)order;
    upper->pfn += order_frames(order);
    zone->blocks++;
}

/* Writes the words of the new blocks of a cut of the block of @frames at @pfn. */
static void zone_write_heads(struct zone *zone, pfn_t pfn, uint64_t frames,
                             const struct block_heads *heads)
{
    zone->frame_writes += heads->count;
    block_map_cut(&zone->map, pfn, frames, heads);
}

struct buddy *zone_split_detached(struct zone *zone, struct buddy *buddy, order_t order,
                                  struct buddy_stash *stash)
{
    struct block_heads heads = {.count = 0};
    struct buddy *part = buddy;
    pfn_t pfn = buddy->pfn;
    uint64_t frames = order_frames(buddy_order(buddy));
    while (buddy_order(part) > order) {
        struct buddy *lower = buddy_stash_take(stash);
        zone_halve(zone, part, lower);
        zone_set_state(zone, part, BUDDY_FREE);
        zone_list_push(zone, part);
        block_heads_add(&heads, part->pfn, memdesc_make(part, MEMDESC_BUDDY_FREE));
        part = lower;
    }
    zone_write_heads(zone, pfn, frames, &heads);
    return part;
}

void zone_split_allocated(struct zone *zone, struct buddy *buddy, order_t order,
                          struct buddy_stash *stash, struct buddy **parts)
{
    struct block_heads heads = {.count = 0};
    order_t count = buddy_order(buddy) - order;
    struct buddy *part = buddy;
    pfn_t pfn = buddy->pfn;
    uint64_t frames = order_frames(buddy_order(buddy));
    for (order_t i = count; i > 0; i--) {
        struct buddy *lower = buddy_stash_take(stash);
        zone_halve(zone, part, lower);
        block_heads_add(&heads, part->pfn, memdesc_make(part, MEMDESC_BUDDY_ALLOCATED));
        parts[i] = part;
        part = lower;
    }
    zone_write_heads(zone, pfn, frames, &heads);
    zone_set_word(zone, part, memdesc_make(part, MEMDESC_BUDDY_ALLOCATED));
    parts[0] = part;
}

/* The free block that would merge with the block of @order at @pfn, or NULL. */
static struct buddy *zone_free_buddy(const struct zone *zone, pfn_t pfn, order_t order,
                                     unsigned area)
{
    pfn_t other = pfn_buddy(pfn, order);
    /* I4: a block reaches over no border; its buddy's frames may be another zone's or nobody's. */
    if (other < zone->start || other >= zone->end || order + 1 >= zone->orders) {
        return NULL;
    }
    memdesc_t word = block_map_read(&zone->map, other);
    if (memdesc_type(word) != MEMDESC_BUDDY_FREE) {
        return NULL;
    }
    struct buddy *buddy = (struct buddy *)(void *)memdesc_head(word);
    bool fits = buddy_order(buddy) == order && buddy_area(buddy) == area;
    return fits ? buddy : NULL;
}

/* Whether @freed, not @listed, describes the block that both merge into. */
static bool buddy_stays(const struct buddy *freed, const struct buddy *listed, const void *avoid)
{
    if (buddy_is(freed, BUDDY_BOOT) || buddy_is(listed, BUDDY_BOOT)) {
        return buddy_is(freed, BUDDY_BOOT);
    }
    return buddy_is_in_page(listed, avoid);
}

/* Merges @buddy, on no list, with all free buddies. Only the upper half's word is cleared each
 * time; the caller writes the word of the result. */
static struct buddy *zone_merge(struct zone *zone, struct buddy *buddy, const void *avoid,
                                struct buddy_stash *released)
{
    unsigned area = buddy_area(buddy);
    struct buddy *merged = buddy;
    for (;;) {
        order_t order = buddy_order(merged);
        struct buddy *listed = zone_free_buddy(zone, merged->pfn, order, area);
        if (listed == NULL) {
            return merged;
        }
        zone_list_remove(zone, listed);
        zone_set_state(zone, listed, buddy_state(merged));
        pfn_t lower = merged->pfn < listed->pfn ? merged->pfn : listed->pfn;
        zone_write(zone, lower + order_frames(order), 0);
        struct buddy *stays = buddy_stays(merged, listed, avoid) ? merged : listed;
        buddy_stash_put(released, stays == merged ? listed : merged);
        stays->pfn = lower;
        stays->head.order = (uint8_t)(order + 1);
        zone->blocks--;
        merged = stays;
    }
}

struct buddy *zone_free(struct zone *zone, struct buddy *buddy, const void *avoid,
                        struct buddy_stash *released)
{
    ASSERT(buddy_state(buddy) != BUDDY_FREE);
    ASSERT(buddy_state(buddy) != BUDDY_HELD);
    struct buddy *merged = zone_merge(zone, buddy, avoid, released);
    zone_list_block(zone, merged);
    return merged;
}

/* Makes the single frame of @buddy, on no list, a poisoned block. */
static void zone_poison_block(struct zone *zone, struct buddy *buddy)
{
    ASSERT(buddy_order(buddy) == 0);
    zone_set_state(zone, buddy, BUDDY_POISONED);
    zone_set_word(zone, buddy, memdesc_make(buddy, MEMDESC_POISONED));
}

/* Halves the block of @buddy, on no list, until frame @pfn is alone, and poisons it. The other
 * parts go to @parts, their words not yet written, but for that of the first. */
static void zone_cut_around(struct zone *zone, struct buddy *buddy, pfn_t pfn,
                            struct buddy_stash *stash, struct list_head *parts)
{
    struct block_heads heads = {.count = 0};
    struct buddy *part = buddy;
    pfn_t first = buddy->pfn;
    uint64_t frames = order_frames(buddy_order(buddy));
    memdesc_t before = block_map_read(&zone->map, first);
    while (buddy_order(part) > 0) {
        struct buddy *lower = buddy_stash_take(stash);
        zone_halve(zone, part, lower);
        bool below = pfn < part->pfn;
        struct buddy *other = below ? part : lower;
        list_push(parts, &other->list);
        if (other->pfn != first) {
            block_heads_add(&heads, other->pfn, memdesc_make(other, MEMDESC_BUDDY_ALLOCATED));
        }
        part = below ? lower : part;
    }
    ASSERT(part->pfn == pfn);
    if (pfn != first) {
        block_heads_add(&heads, pfn, before);
    }
    zone_write_heads(zone, first, frames, &heads);
    zone_poison_block(zone, part);
}

void zone_poison_free(struct zone *zone, struct buddy *buddy, pfn_t pfn, struct buddy_stash *stash)
{
    struct list_head parts;
    list_init(&parts);
    zone_detach(zone, buddy);
    zone_cut_around(zone, buddy, pfn, stash, &parts);
    while (!list_is_empty(&parts)) {
        zone_list_block(zone, buddy_of_link(list_pop(&parts)));
    }
}

static struct poison *poison_of_link(struct list_head *link)
{
    return list_item(link, struct poison, list);
}

/* The first record on @records of a frame of the block of @order at @pfn, or NULL. */
static struct poison *find_record(const struct list_head *records, pfn_t pfn, order_t order)
{
    list_for_each (link, records) {
        struct poison *record = poison_of_link(link);
        if (record->pfn - pfn < order_frames(order)) {
            return record;
        }
    }
    return NULL;
}

struct poison *zone_find_flaw(const struct zone *zone, pfn_t pfn)
{
    return find_record(&zone->flaws, pfn, 0);
}

bool zone_has_flaw(const struct zone *zone, pfn_t pfn, order_t order)
{
    return find_record(&zone->flaws, pfn, order) != NULL;
}

/* The part on @parts that @pfn lies in, off the list. */
static struct buddy *take_part(struct list_head *parts, pfn_t pfn)
{
    struct list_head *link = parts->next;
    for (; link != parts; link = link->next) {
        struct buddy *part = buddy_of_link(link);
        if (pfn - part->pfn < order_frames(buddy_order(part))) {
            list_remove(link);
            return part;
        }
    }
    return NULL;
}

void zone_free_flawed(struct zone *zone, struct buddy *buddy, struct list_head *spent,
                      struct buddy_stash *released)
{
    struct list_head parts;
    struct poison *record;
    pfn_t pfn = buddy->pfn;
    order_t order = buddy_order(buddy);
    list_init(&parts);
    while ((record = find_record(&zone->flaws, pfn, order)) != NULL) {
        list_remove(&record->list);
        block_map_attach(&zone->map, &record->nodes);
        /* Only before the first cut is there no part. */
        struct buddy *part = list_is_empty(&parts) ? buddy : take_part(&parts, record->pfn);
        zone_cut_around(zone, part, record->pfn, &record->buddys, &parts);
        buddy_stash_move(&record->buddys, released);
        list_push(spent, &record->list);
    }
    while (!list_is_empty(&parts)) {
        zone_free(zone, buddy_of_link(list_pop(&parts)), NULL, released);
    }
}

void zone_settle_flaws(struct zone *zone, struct buddy *buddy, struct buddy_stash *released)
{
    buddy->head.flawed = false;
    list_for_each (link, &zone->flaws) {
        struct poison *record = poison_of_link(link);
        if (record->pfn - buddy->pfn < order_frames(buddy_order(buddy))) {
            buddy->head.flawed = true;
            while (record->buddys.count > buddy_order(buddy)) {
                buddy_stash_put(released, buddy_stash_take(&record->buddys));
            }
        }
    }
}

void zone_add_block(struct zone *zone, struct buddy *buddy, struct buddy_stash *released)
{
    uint64_t frames = order_frames(buddy_order(buddy));
    buddy->head.zone = (uint8_t)zone->id;
    buddy_set_state(buddy, BUDDY_ALLOCATED);
    zone->frames[BUDDY_ALLOCATED] += frames;
    zone->managed_frames += frames;
    zone->blocks++;
    block_map_add(&zone->map, buddy->pfn, memdesc_make(buddy, MEMDESC_BUDDY_ALLOCATED));
    zone_free(zone, buddy, NULL, released);
}

void zone_replace_buddy(struct zone *zone, struct buddy *from, struct buddy *to)
{
    ASSERT(buddy_state(to) == BUDDY_HELD);
    enum buddy_state state = buddy_state(from);
    ASSERT(state == BUDDY_FREE || state == BUDDY_SLAB || state == BUDDY_POISONED);
    uint32_t kept = atomic_flags_peek(&to->head.flags) & (uint32_t)BUDDY_BOOT;
    to->head = from->head;
    atomic_flags_poke(&to->head.flags, atomic_flags_peek(&from->head.flags) | kept);
    to->pfn = from->pfn;
    if (state == BUDDY_FREE) {
        list_replace(&from->list, &to->list);
        zone_set_word(zone, to, memdesc_make(to, MEMDESC_BUDDY_FREE));
    } else if (state == BUDDY_POISONED) {
        zone_set_word(zone, to, memdesc_make(to, MEMDESC_POISONED));
    }
    buddy_set_state(from, BUDDY_HELD);
}

static void preview_add(struct merge_preview *merged, const struct buddy *buddy, const void *page)
{
    bool in_page = buddy_is_in_page(buddy, page);
    merged->in_page += in_page ? 1 : 0;
    merged->outside += in_page ? 0 : 1;
}

struct merge_preview zone_preview_free(const struct zone *zone, const struct buddy *buddy,
                                       const void *page, const struct merge_preview *other,
                                       bool *joined)
{
    struct merge_preview merged = {.pfn = buddy->pfn, .order = buddy_order(buddy)};
    preview_add(&merged, buddy, page);
    *joined = false;
    for (;;) {
        pfn_t next = pfn_buddy(merged.pfn, merged.order);
        struct buddy *listed = zone_free_buddy(zone, merged.pfn, merged.order, AREA_ACCEPTED);
        if (listed != NULL) {
            preview_add(&merged, listed, page);
        } else if (other != NULL && !*joined && next == other->pfn && next >= zone->start &&
                   next < zone->end && merged.order == other->order) {
            merged.in_page += other->in_page;
            merged.outside += other->outside;
            *joined = true;
        } else {
            return merged;
        }
        merged.pfn &= ~order_frames(merged.order);
        merged.order++;
    }
}

struct merge_preview zone_preview_poison(const struct buddy *buddy, const void *page)
{
    struct merge_preview alone = {.pfn = buddy->pfn, .order = buddy_order(buddy)};
    preview_add(&alone, buddy, page);
    return alone;
}
