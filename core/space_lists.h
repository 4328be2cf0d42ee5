/* SPDX-License-Identifier: MIT
 *
 * space_lists.h: what each step of the buddy system does to a space: words, free lists, and counts
 * of frames. Short, and part of all that allocations and frees cost, so they are here, to be
 * inlined. For files of the core that cut and merge blocks.
 *
 * Context of all functions: the space's lock.
 */
#ifndef POTAD_CORE_SPACE_LISTS_H
#define POTAD_CORE_SPACE_LISTS_H

#include "core/space.h"

/* The area that free @buddy is listed in. */
static inline unsigned buddy_area(const struct buddy *buddy)
{
    return buddy_is(buddy, BUDDY_UNACCEPTED) ? AREA_UNACCEPTED : buddy->head.migratetype;
}

static inline void space_write(struct space *space, pfn_t pfn, memdesc_t word)
{
    space->frame_writes++;
    block_map_write(&space->map, pfn, word);
}

/* Takes the first word of a block that merged into the one below it off the map. */
static inline void space_erase_word(struct space *space, pfn_t pfn)
{
    space->frame_writes++;
    if (LIKELY(!block_map_has_tree(&space->map))) {
        /* As block_map_write() does, where there is a word. */
        space->map.words--;
        frame_table_write(space->map.table, pfn, 0);
    } else {
        block_map_write_tree(&space->map, pfn, 0);
    }
}

/* The type of a pageblock's free blocks. */
static inline enum migratetype pageblock_type(const struct pageblock *pageblock)
{
    if (pageblock->used[MIGRATE_UNMOVABLE] > 0) {
        return MIGRATE_UNMOVABLE;
    }
    return pageblock->used[MIGRATE_RECLAIMABLE] > 0 ? MIGRATE_RECLAIMABLE : MIGRATE_MOVABLE;
}

/* The pageblock that frame @pfn of a range of @space is in. Context: there are pageblocks. */
static inline struct pageblock *space_pageblock(const struct space *space, pfn_t pfn)
{
    order_t order = space->pageblock_order;
    if (space->ranges_count == 1) {
        /* The range need not be looked at. */
        ASSERT(pfn - space->start < space->end - space->start);
        return &space->pageblocks[(pfn >> order) - (space->start >> order)];
    }
    uint32_t i = 0;
    while (pfn - space->ranges[i].start >= space->ranges[i].frames) {
        i++;
        ASSERT(i < space->ranges_count);
    }
    uint64_t index = (pfn >> order) - (space->ranges[i].start >> order);
    return &space->pageblocks[space->pageblock_first[i] + index];
}

/* The type of the list that the block of @buddy belongs on while it is free and accepted. */
static inline enum migratetype space_free_type(const struct space *space, const struct buddy *buddy)
{
    if (buddy_is(buddy, BUDDY_CMA)) {
        return MIGRATE_CMA;
    }
    bool part = space->pageblocks != NULL && buddy_order(buddy) < space->pageblock_order;
    return part ? pageblock_type(space_pageblock(space, buddy->pfn)) : MIGRATE_MOVABLE;
}

/* Lists the block of @buddy, of the type that it has. */
static inline void space_list_add(struct space *space, struct buddy *buddy)
{
    struct free_area *area = &space->areas[buddy_area(buddy)];
    order_t order = buddy_order(buddy);
    list_push(&area->lists[order], &buddy->list);
    area->blocks[order]++;
    area->frames += order_frames(order);
    area->nonempty |= (uint64_t)1 << order;
}

/* Lists it by the type of its pageblock. */
static inline void space_list_push(struct space *space, struct buddy *buddy)
{
    buddy->head.migratetype = (uint8_t)space_free_type(space, buddy);
    space_list_add(space, buddy);
}

static inline void space_list_remove(struct space *space, struct buddy *buddy)
{
    struct free_area *area = &space->areas[buddy_area(buddy)];
    order_t order = buddy_order(buddy);
    list_remove(&buddy->list);
    area->blocks[order]--;
    area->frames -= order_frames(order);
    if (area->blocks[order] == 0) {
        area->nonempty &= ~((uint64_t)1 << order);
    }
}

/* space.c: puts the free blocks of the pageblock of frame @pfn, whose type has changed, on the
 * lists of the new one. Costs as many steps as it has blocks. */
void space_relist_pageblock(struct space *space, pfn_t pfn);

/* Whether blocks of @state count in their pageblocks. */
static inline bool state_is_used(enum buddy_state state)
{
    return state == BUDDY_ALLOCATED || state == BUDDY_SLAB;
}

/* Lists the free blocks of the pageblock of frame @pfn, whose counts have changed, by its type, if
 * that is not @before. */
static inline void pageblock_settle(struct space *space, const struct pageblock *pageblock,
                                    enum migratetype before, pfn_t pfn)
{
    if (UNLIKELY(pageblock_type(pageblock) != before)) {
        space_relist_pageblock(space, pfn);
    }
}

/* Counts 2^@order frames from the first of @buddy's block on in, as frames of its type. */
static inline void pageblock_add(struct space *space, struct pageblock *pageblock,
                                 const struct buddy *buddy, order_t order)
{
    uint16_t *used = &pageblock->used[buddy->head.migratetype];
    bool first = *used == 0;
    enum migratetype before = first ? pageblock_type(pageblock) : MIGRATE_UNMOVABLE;
    *used = (uint16_t)(*used + order_frames(order));
    if (first) {
        pageblock_settle(space, pageblock, before, buddy->pfn);
    }
}

/* Counts those of @buddy's block out. */
static inline void pageblock_subtract(struct space *space, struct pageblock *pageblock,
                                      const struct buddy *buddy)
{
    uint16_t *used = &pageblock->used[buddy->head.migratetype];
    uint16_t left = (uint16_t)(*used - order_frames(buddy_order(buddy)));
    bool last = left == 0;
    enum migratetype before = last ? pageblock_type(pageblock) : MIGRATE_UNMOVABLE;
    *used = left;
    if (last) {
        pageblock_settle(space, pageblock, before, buddy->pfn);
    }
}

/* The pageblock in which 2^@order frames of @buddy's block count, or NULL. */
static inline struct pageblock *pageblock_of(const struct space *space, const struct buddy *buddy,
                                             order_t order)
{
    bool counts =
        space->pageblocks != NULL && order < space->pageblock_order && !buddy_is(buddy, BUDDY_CMA);
    return counts ? space_pageblock(space, buddy->pfn) : NULL;
}

/* Counts 2^@order frames from the first of @buddy's block on in. */
static inline void pageblock_count_in(struct space *space, const struct buddy *buddy, order_t order)
{
    struct pageblock *pageblock = pageblock_of(space, buddy, order);
    if (pageblock != NULL) {
        pageblock_add(space, pageblock, buddy, order);
    }
}

/* Counts those of @buddy's block out. */
static inline void pageblock_count_out(struct space *space, const struct buddy *buddy)
{
    struct pageblock *pageblock = pageblock_of(space, buddy, buddy_order(buddy));
    if (pageblock != NULL) {
        pageblock_subtract(space, pageblock, buddy);
    }
}

/* Writes @word at the first frame of @buddy's block. Context: the lock of @space. */
static inline void space_set_word(struct space *space, const struct buddy *buddy, memdesc_t word)
{
    spinlock_check_held(&space->lock);
    space_write(space, buddy->pfn, word);
}

/* Moves the frames of @buddy, on no list, to @state in the counts. Context: the lock of @space. */
static inline void space_set_state(struct space *space, struct buddy *buddy, enum buddy_state state)
{
    spinlock_check_held(&space->lock);
    uint64_t frames = order_frames(buddy_order(buddy));
    bool was_used = state_is_used(buddy_state(buddy));
    space->frames[buddy_state(buddy)] -= frames;
    space->frames[state] += frames;
    buddy_set_state(buddy, state);
    if (state_is_used(state) && !was_used) {
        pageblock_count_in(space, buddy, buddy_order(buddy));
    } else if (!state_is_used(state) && was_used) {
        pageblock_count_out(space, buddy);
    }
}

#endif
