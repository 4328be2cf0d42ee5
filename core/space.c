/* SPDX-License-Identifier: MIT */
#include "core/space.h"

void space_init(struct space *space, zone_id_t id, const struct range *ranges,
                uint32_t ranges_count)
{
    ASSERT(ranges_count > 0);
    const struct range *last = &ranges[ranges_count - 1];
    *space = (struct space){
        .id = id,
        .ranges = ranges,
        .ranges_count = ranges_count,
        .start = ranges[0].start,
        .end = last->start + last->frames,
    };
    space->orders = 64 - (order_t)__builtin_clzll(space->end - space->start);
    space->orders = space->orders < ORDERS ? space->orders : ORDERS;
    spinlock_init(&space->lock);
    list_init(&space->flaws);
    for (unsigned area = 0; area < AREAS; area++) {
        for (order_t order = 0; order < ORDERS; order++) {
            list_init(&space->areas[area].lists[order]);
        }
    }
}

bool space_manages(const struct space *space, pfn_t pfn, uint64_t frames)
{
    uint64_t left = frames;
    pfn_t next = pfn;
    for (uint32_t i = 0; i < space->ranges_count && left > 0; i++) {
        const struct range *range = &space->ranges[i];
        if (next - range->start < range->frames) {
            uint64_t here = range->frames - (next - range->start);
            here = here < left ? here : left;
            next += here;
            left -= here;
        }
    }
    bool reserved = pfn < space->reserved_start + space->reserved_frames &&
                    space->reserved_start < pfn + frames;
    return left == 0 && !reserved;
}

static unsigned buddy_area(const struct buddy *buddy)
{
    return buddy_is(buddy, BUDDY_UNACCEPTED) ? AREA_UNACCEPTED : AREA_ACCEPTED;
}

static void space_write(struct space *space, pfn_t pfn, memdesc_t word)
{
    space->frame_writes++;
    block_map_write(&space->map, pfn, word);
}

void space_set_word(struct space *space, const struct buddy *buddy, memdesc_t word)
{
    space_write(space, buddy->pfn, word);
}

void space_set_state(struct space *space, struct buddy *buddy, enum buddy_state state)
{
    uint64_t frames = order_frames(buddy_order(buddy));
    space->frames[buddy_state(buddy)] -= frames;
    space->frames[state] += frames;
    buddy_set_state(buddy, state);
}

static void space_list_push(struct space *space, struct buddy *buddy)
{
    struct free_area *area = &space->areas[buddy_area(buddy)];
    order_t order = buddy_order(buddy);
    list_push(&area->lists[order], &buddy->list);
    area->blocks[order]++;
    area->nonempty |= (uint64_t)1 << order;
}

static void space_list_remove(struct space *space, struct buddy *buddy)
{
    struct free_area *area = &space->areas[buddy_area(buddy)];
    order_t order = buddy_order(buddy);
    list_remove(&buddy->list);
    area->blocks[order]--;
    if (area->blocks[order] == 0) {
        area->nonempty &= ~((uint64_t)1 << order);
    }
}

/* Lists @buddy's block, whose word must be written here because it is new or its state is. */
static void space_list_block(struct space *space, struct buddy *buddy)
{
    space_set_state(space, buddy, BUDDY_FREE);
    space_list_push(space, buddy);
    space_set_word(space, buddy, memdesc_make(buddy, MEMDESC_BUDDY_FREE));
}

struct buddy *space_smallest(const struct space *space, unsigned area, order_t order)
{
    uint64_t orders = space->areas[area].nonempty >> order << order;
    if (orders == 0) {
        return NULL;
    }
    return buddy_of_link(space->areas[area].lists[__builtin_ctzll(orders)].next);
}

void space_detach(struct space *space, struct buddy *buddy)
{
    ASSERT(buddy_state(buddy) == BUDDY_FREE);
    space_list_remove(space, buddy);
    space_set_state(space, buddy, BUDDY_TAKEN);
}

/* Gives the lower half of @upper's block to @lower, which is in hand. Writes no word. */
static void space_halve(struct space *space, struct buddy *upper, struct buddy *lower)
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
    space->blocks++;
}

/* Writes the words of the new blocks of a cut of the block of @frames at @pfn. */
static void space_write_heads(struct space *space, pfn_t pfn, uint64_t frames,
                              const struct block_heads *heads)
{
    space->frame_writes += heads->count;
    block_map_cut(&space->map, pfn, frames, heads);
}

struct buddy *space_split_detached(struct space *space, struct buddy *buddy, order_t order,
                                   struct buddy_stash *stash)
{
    struct block_heads heads = {.count = 0};
    struct buddy *part = buddy;
    pfn_t pfn = buddy->pfn;
    uint64_t frames = order_frames(buddy_order(buddy));
    while (buddy_order(part) > order) {
        struct buddy *lower = buddy_stash_take(stash);
        space_halve(space, part, lower);
        space_set_state(space, part, BUDDY_FREE);
        space_list_push(space, part);
        block_heads_add(&heads, part->pfn, memdesc_make(part, MEMDESC_BUDDY_FREE));
        part = lower;
    }
    space_write_heads(space, pfn, frames, &heads);
    return part;
}

void space_split_allocated(struct space *space, struct buddy *buddy, order_t order,
                           struct buddy_stash *stash, struct buddy **parts)
{
    struct block_heads heads = {.count = 0};
    order_t count = buddy_order(buddy) - order;
    struct buddy *part = buddy;
    pfn_t pfn = buddy->pfn;
    uint64_t frames = order_frames(buddy_order(buddy));
    for (order_t i = count; i > 0; i--) {
        struct buddy *lower = buddy_stash_take(stash);
        space_halve(space, part, lower);
        block_heads_add(&heads, part->pfn, memdesc_make(part, MEMDESC_BUDDY_ALLOCATED));
        parts[i] = part;
        part = lower;
    }
    space_write_heads(space, pfn, frames, &heads);
    space_set_word(space, part, memdesc_make(part, MEMDESC_BUDDY_ALLOCATED));
    parts[0] = part;
}

/* The free block that would merge with the block of @order at @pfn, or NULL. */
static struct buddy *space_free_buddy(const struct space *space, pfn_t pfn, order_t order,
                                      unsigned area)
{
    pfn_t other = pfn_buddy(pfn, order);
    /* I4: a block reaches over no border; its buddy's frames may be another zone's or nobody's. */
    if (other < space->start || other >= space->end || order + 1 >= space->orders) {
        return NULL;
    }
    memdesc_t word = block_map_read(&space->map, other);
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
static struct buddy *space_merge(struct space *space, struct buddy *buddy, const void *avoid,
                                 struct buddy_stash *released)
{
    unsigned area = buddy_area(buddy);
    struct buddy *merged = buddy;
    for (;;) {
        order_t order = buddy_order(merged);
        struct buddy *listed = space_free_buddy(space, merged->pfn, order, area);
        if (listed == NULL) {
            return merged;
        }
        space_list_remove(space, listed);
        space_set_state(space, listed, buddy_state(merged));
        pfn_t lower = merged->pfn < listed->pfn ? merged->pfn : listed->pfn;
        space_write(space, lower + order_frames(order), 0);
        struct buddy *stays = buddy_stays(merged, listed, avoid) ? merged : listed;
        buddy_stash_put(released, stays == merged ? listed : merged);
        stays->pfn = lower;
        stays->head.order = (uint8_t)(order + 1);
        space->blocks--;
        merged = stays;
    }
}

struct buddy *space_free(struct space *space, struct buddy *buddy, const void *avoid,
                         struct buddy_stash *released)
{
    ASSERT(buddy_state(buddy) != BUDDY_FREE);
    ASSERT(buddy_state(buddy) != BUDDY_HELD);
    struct buddy *merged = space_merge(space, buddy, avoid, released);
    space_list_block(space, merged);
    return merged;
}

/* Makes the single frame of @buddy, on no list, a poisoned block. */
static void space_poison_block(struct space *space, struct buddy *buddy)
{
    ASSERT(buddy_order(buddy) == 0);
    space_set_state(space, buddy, BUDDY_POISONED);
    space_set_word(space, buddy, memdesc_make(buddy, MEMDESC_POISONED));
}

/* Halves the block of @buddy, on no list, until frame @pfn is alone, and poisons it. The other
 * parts go to @parts, their words not yet written, but for that of the first. */
static void space_cut_around(struct space *space, struct buddy *buddy, pfn_t pfn,
                             struct buddy_stash *stash, struct list_head *parts)
{
    struct block_heads heads = {.count = 0};
    struct buddy *part = buddy;
    pfn_t first = buddy->pfn;
    uint64_t frames = order_frames(buddy_order(buddy));
    memdesc_t before = block_map_read(&space->map, first);
    while (buddy_order(part) > 0) {
        struct buddy *lower = buddy_stash_take(stash);
        space_halve(space, part, lower);
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
    space_write_heads(space, first, frames, &heads);
    space_poison_block(space, part);
}

void space_poison_free(struct space *space, struct buddy *buddy, pfn_t pfn,
                       struct buddy_stash *stash)
{
    struct list_head parts;
    list_init(&parts);
    space_detach(space, buddy);
    space_cut_around(space, buddy, pfn, stash, &parts);
    while (!list_is_empty(&parts)) {
        space_list_block(space, buddy_of_link(list_pop(&parts)));
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

struct poison *space_find_flaw(const struct space *space, pfn_t pfn)
{
    return find_record(&space->flaws, pfn, 0);
}

bool space_has_flaw(const struct space *space, pfn_t pfn, order_t order)
{
    return find_record(&space->flaws, pfn, order) != NULL;
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

void space_free_flawed(struct space *space, struct buddy *buddy, struct list_head *spent,
                       struct buddy_stash *released)
{
    struct list_head parts;
    struct poison *record;
    pfn_t pfn = buddy->pfn;
    order_t order = buddy_order(buddy);
    list_init(&parts);
    while ((record = find_record(&space->flaws, pfn, order)) != NULL) {
        list_remove(&record->list);
        block_map_attach(&space->map, &record->nodes);
        /* Only before the first cut is there no part. */
        struct buddy *part = list_is_empty(&parts) ? buddy : take_part(&parts, record->pfn);
        space_cut_around(space, part, record->pfn, &record->buddys, &parts);
        buddy_stash_move(&record->buddys, released);
        list_push(spent, &record->list);
    }
    while (!list_is_empty(&parts)) {
        space_free(space, buddy_of_link(list_pop(&parts)), NULL, released);
    }
}

void space_settle_flaws(struct space *space, struct buddy *buddy, struct buddy_stash *released)
{
    buddy->head.flawed = false;
    list_for_each (link, &space->flaws) {
        struct poison *record = poison_of_link(link);
        if (record->pfn - buddy->pfn < order_frames(buddy_order(buddy))) {
            buddy->head.flawed = true;
            while (record->buddys.count > buddy_order(buddy)) {
                buddy_stash_put(released, buddy_stash_take(&record->buddys));
            }
        }
    }
}

void space_add_block(struct space *space, struct buddy *buddy, struct buddy_stash *released)
{
    uint64_t frames = order_frames(buddy_order(buddy));
    buddy->head.zone = (uint8_t)space->id;
    buddy_set_state(buddy, BUDDY_ALLOCATED);
    space->frames[BUDDY_ALLOCATED] += frames;
    space->managed_frames += frames;
    space->blocks++;
    block_map_add(&space->map, buddy->pfn, memdesc_make(buddy, MEMDESC_BUDDY_ALLOCATED));
    space_free(space, buddy, NULL, released);
}

void space_replace_buddy(struct space *space, struct buddy *from, struct buddy *to)
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
        space_set_word(space, to, memdesc_make(to, MEMDESC_BUDDY_FREE));
    } else if (state == BUDDY_POISONED) {
        space_set_word(space, to, memdesc_make(to, MEMDESC_POISONED));
    }
    buddy_set_state(from, BUDDY_HELD);
}

static void preview_add(struct merge_preview *merged, const struct buddy *buddy, const void *page)
{
    bool in_page = buddy_is_in_page(buddy, page);
    merged->in_page += in_page ? 1 : 0;
    merged->outside += in_page ? 0 : 1;
}

struct merge_preview space_preview_free(const struct space *space, const struct buddy *buddy,
                                        const void *page, const struct merge_preview *other,
                                        bool *joined)
{
    struct merge_preview merged = {.pfn = buddy->pfn, .order = buddy_order(buddy)};
    preview_add(&merged, buddy, page);
    *joined = false;
    for (;;) {
        pfn_t next = pfn_buddy(merged.pfn, merged.order);
        struct buddy *listed = space_free_buddy(space, merged.pfn, merged.order, AREA_ACCEPTED);
        if (listed != NULL) {
            preview_add(&merged, listed, page);
        } else if (other != NULL && !*joined && next == other->pfn && next >= space->start &&
                   next < space->end && merged.order == other->order) {
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

struct merge_preview space_preview_poison(const struct buddy *buddy, const void *page)
{
    struct merge_preview alone = {.pfn = buddy->pfn, .order = buddy_order(buddy)};
    preview_add(&alone, buddy, page);
    return alone;
}
