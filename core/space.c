/* SPDX-License-Identifier: MIT */
#include "core/space_lists.h"

void space_init(struct space *space, zone_id_t id, const struct range *ranges,
                uint32_t ranges_count)
{
    /* Zones are locked together, a user's space never is. */
    spinlock_init(&space->lock, id == ZONE_ANY ? LOCK_SPACE : LOCK_ZONE, id);
    space_reset(space, id, ranges, ranges_count);
}

void space_reset(struct space *space, zone_id_t id, const struct range *ranges,
                 uint32_t ranges_count)
{
    unsigned char *bytes = (unsigned char *)space;
    /* All but the lock, which comes first. */
    for (size_t i = offsetof(struct space, id); i < sizeof(*space); i++) {
        bytes[i] = 0;
    }
    space->id = id;
    space->ranges = ranges;
    space->ranges_count = ranges_count;
    if (ranges_count > 0) {
        const struct range *last = &ranges[ranges_count - 1];
        space->start = ranges[0].start;
        space->end = last->start + last->frames;
        space->orders = (uint8_t)(64 - __builtin_clzll(space->end - space->start));
    }
    list_init(&space->flaws);
    buddy_stash_init(&space->spare);
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

uint64_t space_lay_pageblocks(const struct range *ranges, uint32_t count, order_t pageblock_order,
                              uint64_t *first)
{
    uint64_t next = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct range *range = &ranges[i];
        const struct range *last = i > 0 ? range - 1 : NULL;
        uint64_t start = range->start >> pageblock_order;
        bool shared = last != NULL && (last->start + last->frames - 1) >> pageblock_order == start;
        first[i] = shared ? next - 1 : next;
        next = first[i] + ((range->start + range->frames - 1) >> pageblock_order) - start + 1;
    }
    return next;
}

void space_relist_pageblock(struct space *space, pfn_t pfn)
{
    pfn_t first = pfn >> space->pageblock_order << space->pageblock_order;
    pfn_t end = first + order_frames(space->pageblock_order);
    pfn_t at = first > space->start ? first : space->start;
    end = end < space->end ? end : space->end;
    while ((at = block_map_next(&space->map, at, end)) < end) {
        memdesc_t word = block_map_read(&space->map, at);
        order_t order = memdesc_head(word)->order;
        if (memdesc_type(word) == MEMDESC_BUDDY_FREE) {
            struct buddy *buddy = (struct buddy *)(void *)memdesc_head(word);
            space_list_remove(space, buddy);
            space_list_push(space, buddy);
        }
        at += order_frames(order);
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

struct buddy *space_smallest_accepted(const struct space *space, order_t order)
{
    struct buddy *best = NULL;
    for (unsigned area = 0; area < MIGRATETYPES; area++) {
        struct buddy *buddy = space_smallest(space, area, order);
        if (buddy != NULL && (best == NULL || buddy_order(buddy) < buddy_order(best))) {
            best = buddy;
        }
    }
    return best;
}

/* The first block of the largest order, at least @order, or NULL. */
static struct buddy *space_largest(const struct space *space, unsigned area, order_t order)
{
    uint64_t orders = space->areas[area].nonempty >> order << order;
    if (orders == 0) {
        return NULL;
    }
    return buddy_of_link(space->areas[area].lists[63 - __builtin_clzll(orders)].next);
}

struct buddy *space_pick_smallest(const struct space *space, order_t order, enum migratetype type)
{
    struct buddy *best = space_smallest_accepted(space, order);
    struct buddy *lent = space_smallest(space, AREA_CMA, order);
    if (type != MIGRATE_MOVABLE || lent == NULL) {
        return best;
    }
    return best == NULL || buddy_order(lent) < buddy_order(best) ? lent : best;
}

struct buddy *space_pick(const struct space *space, order_t order, enum migratetype type)
{
    static const enum migratetype fallbacks[MIGRATETYPES][MIGRATETYPES - 1] = {
        [MIGRATE_UNMOVABLE] = {MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE},
        [MIGRATE_MOVABLE] = {MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE},
        [MIGRATE_RECLAIMABLE] = {MIGRATE_UNMOVABLE, MIGRATE_MOVABLE},
    };
    struct buddy *buddy = space_smallest(space, type, order);
    if (buddy == NULL && type == MIGRATE_MOVABLE) {
        buddy = space_smallest(space, AREA_CMA, order);
    }
    if (buddy == NULL) {
        order_t block = space->pageblock_order > order ? space->pageblock_order : order;
        buddy = space_smallest(space, AREA_MOVABLE, block);
    }
    for (unsigned i = 0; buddy == NULL && i < MIGRATETYPES - 1; i++) {
        buddy = space_largest(space, fallbacks[type][i], order);
    }
    return buddy;
}

uint64_t space_free_frames(const struct space *space, enum migratetype type)
{
    uint64_t cma = type == MIGRATE_MOVABLE ? 0 : space->areas[AREA_CMA].frames;
    return space->frames[BUDDY_FREE] - cma;
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
    buddy_set_kind(lower, buddy_kind(upper));
    buddy_set_state(lower, buddy_state(upper));
    if (order + 1 == space->pageblock_order && state_is_used(buddy_state(upper)) &&
        !buddy_is(upper, BUDDY_CMA)) {
        /* Too large to be counted until now. */
        struct pageblock *pageblock = space_pageblock(space, upper->pfn);
        pageblock->used[upper->head.migratetype] = (uint16_t)order_frames(order + 1);
    }
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
    struct block_heads heads;
    struct buddy *part = buddy;
    pfn_t pfn = buddy->pfn;
    uint64_t frames = order_frames(buddy_order(buddy));
    bool alone = !block_map_has_tree(&space->map);
    heads.count = 0;
    ASSERT(buddy_state(buddy) == BUDDY_TAKEN);
    space->frames[BUDDY_TAKEN] -= frames - order_frames(order);
    space->frames[BUDDY_FREE] += frames - order_frames(order);
    while (buddy_order(part) > order) {
        struct buddy *lower = buddy_stash_take(stash);
        space_halve(space, part, lower);
        buddy_set_state(part, BUDDY_FREE);
        space_list_push(space, part);
        memdesc_t word = memdesc_make(part, MEMDESC_BUDDY_FREE);
        if (LIKELY(alone)) {
            space_write(space, part->pfn, word);
        } else {
            block_heads_add(&heads, part->pfn, word);
        }
        part = lower;
    }
    space_write_heads(space, pfn, frames, &heads);
    return part;
}

/* Counts the frames of the block of @order at @pfn in, in its pageblock, or where it is several, in
 * those of its @parts. */
static void space_count_parts(struct space *space, struct buddy *const *parts, pfn_t pfn,
                              order_t order)
{
    if (order < space->pageblock_order) {
        pageblock_count_in(space, parts[0], order);
        return;
    }
    for (pfn_t end = pfn + order_frames(order); pfn < end; parts++) {
        pageblock_count_in(space, *parts, buddy_order(*parts));
        pfn += order_frames(buddy_order(*parts));
    }
}

void space_split_evenly(struct space *space, struct buddy *buddy, order_t order,
                        struct buddy_stash *stash, struct buddy **parts)
{
    struct block_heads heads;
    const pfn_t start = buddy->pfn;
    const order_t whole = buddy_order(buddy);
    const uint64_t frames = order_frames(whole);
    const uint64_t step = order_frames(order);
    const uint32_t flags = (uint32_t)BUDDY_ALLOCATED | buddy_kind(buddy);
    const struct memdesc head = {
        .order = (uint8_t)order,
        .zone = buddy->head.zone,
        .migratetype = buddy->head.migratetype,
    };
    heads.count = 0;
    ASSERT(buddy_state(buddy) == BUDDY_TAKEN);
    ASSERT(whole - order <= SPACE_EVENLY);
    for (pfn_t pfn = start + frames - step, left = frames; left > 0; left -= step, pfn -= step) {
        struct buddy *part = left == frames ? buddy : buddy_stash_take(stash);
        uint32_t boot = atomic_flags_peek(&part->head.flags) & (uint32_t)BUDDY_BOOT;
        part->head.order = head.order;
        part->head.zone = head.zone;
        part->head.migratetype = head.migratetype;
        part->head.flawed = false;
        part->pfn = pfn;
        atomic_flags_poke(&part->head.flags, flags | boot);
        parts[(pfn - start) >> order] = part;
        memdesc_t word = memdesc_make(part, MEMDESC_BUDDY_ALLOCATED);
        if (pfn == start || !block_map_has_tree(&space->map)) {
            space_write(space, pfn, word);
        } else {
            block_heads_add(&heads, pfn, word);
        }
    }
    space_write_heads(space, start, frames, &heads);
    space->blocks += frames / step - 1;
    space->frames[BUDDY_TAKEN] -= frames;
    space->frames[BUDDY_ALLOCATED] += frames;
    space_count_parts(space, parts, start, whole);
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

void space_cut_at(struct space *space, struct buddy *buddy, pfn_t pfn, struct buddy_stash *stash)
{
    struct block_heads heads = {.count = 0};
    struct buddy *part = buddy;
    struct buddy *first = buddy;
    pfn_t start = buddy->pfn;
    uint64_t frames = order_frames(buddy_order(buddy));
    ASSERT(pfn > start);
    ASSERT(pfn - start < frames);
    pfn_t middle;
    do {
        struct buddy *lower = buddy_stash_take(stash);
        space_halve(space, part, lower);
        first = lower->pfn == start ? lower : first;
        middle = part->pfn;
        if (pfn <= middle) {
            block_heads_add(&heads, middle, memdesc_make(part, MEMDESC_BUDDY_ALLOCATED));
        }
        if (pfn >= middle && lower->pfn != start) {
            block_heads_add(&heads, lower->pfn, memdesc_make(lower, MEMDESC_BUDDY_ALLOCATED));
        }
        part = pfn < middle ? lower : part;
    } while (pfn != middle);
    space_write_heads(space, start, frames, &heads);
    space_set_word(space, first, memdesc_make(first, MEMDESC_BUDDY_ALLOCATED));
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

/* The part on @parts that @pfn lies in, off the list. Context: there is one. */
static struct buddy *take_part(struct list_head *parts, pfn_t pfn)
{
    struct list_head *link = parts->next;
    struct buddy *part = buddy_of_link(link);
    while (pfn - part->pfn >= order_frames(buddy_order(part))) {
        link = link->next;
        ASSERT(link != parts);
        part = buddy_of_link(link);
    }
    list_remove(link);
    return part;
}

void space_free_flawed(struct space *space, struct buddy *buddy, struct list_head *spent,
                       struct buddy_stash *released)
{
    struct list_head parts;
    struct poison *record;
    pfn_t pfn = buddy->pfn;
    order_t order = buddy_order(buddy);
    list_init(&parts);
    space_set_state(space, buddy, BUDDY_TAKEN);
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
    buddy_set_use(buddy, BUDDY_FLAWED, false);
    list_for_each (link, &space->flaws) {
        struct poison *record = poison_of_link(link);
        if (record->pfn - buddy->pfn < order_frames(buddy_order(buddy))) {
            buddy->head.flawed = true;
            buddy_set_use(buddy, BUDDY_FLAWED, true);
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
    buddy_set_state(buddy, BUDDY_TAKEN);
    space->frames[BUDDY_TAKEN] += frames;
    space->managed_frames += frames;
    space->blocks++;
    block_map_add(&space->map, buddy->pfn, memdesc_make(buddy, MEMDESC_BUDDY_ALLOCATED));
    space_free(space, buddy, NULL, released);
}

void space_replace_buddy(struct space *space, struct buddy *from, struct buddy *to)
{
    spinlock_check_held(&space->lock);
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
