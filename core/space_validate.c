/* SPDX-License-Identifier: MIT
 *
 * space_validate.c: walks a zone frame by frame and list by list, and compares with its counts, or
 * makes them one number.
 */
#include "core/space_lists.h"

/* What the walk over the frames counts, for comparison with what the zone keeps. */
struct space_census {
    uint64_t blocks;
    uint64_t frames[BUDDY_STATES];
    uint64_t free_blocks[AREAS][ORDERS];
    uint64_t flawed;            /* blocks that are marked */
    struct pageblock pageblock; /* what has been seen of the one at pageblock_at */
    struct pageblock *pageblock_at;
};

/* Of a long run in a table only the beginning is read: a block of 512 GiB has a gigabyte of words
 * there, none of which was ever written. That the rest is 0, too, is a matter of counting: see
 * check_words_counted(). */
static bool check_words_clear(const struct space *space, pfn_t from, pfn_t to,
                              enum invariant broken, struct violation *violation)
{
    enum { WORDS_READ_MAX = 1 << 16 };
    bool partly = block_map_has_table(&space->map) && to - from > WORDS_READ_MAX;
    pfn_t end = partly ? from + WORDS_READ_MAX : to;
    pfn_t pfn = block_map_next(&space->map, from, end);
    return pfn == end ||
           invariant_check(violation, broken, pfn, 0, block_map_read(&space->map, pfn));
}

/* I3 as a sum: each block was found by its first word, so that as many words as blocks leave none
 * to be anywhere else. */
static bool check_words_counted(const struct space *space, const struct space_census *census,
                                struct violation *violation)
{
    return !block_map_has_table(&space->map) ||
           invariant_check(violation, INVARIANT_HEAD_WORD, PFN_NONE, census->blocks,
                           space->map.words);
}

static enum buddy_state state_of_type(enum memdesc_type type)
{
    switch (type) {
    case MEMDESC_BUDDY_FREE:
        return BUDDY_FREE;
    case MEMDESC_SLAB:
        return BUDDY_SLAB;
    case MEMDESC_POISONED:
        return BUDDY_POISONED;
    default:
        return BUDDY_ALLOCATED;
    }
}

/* Compares the pageblock that the walk has left: I16. */
static bool check_pageblock(const struct space *space, const struct space_census *census, pfn_t pfn,
                            struct violation *violation)
{
    for (unsigned type = 0;
         space->pageblocks != NULL && census->pageblock_at != NULL && type < MIGRATETYPES; type++) {
        if (!invariant_check(violation, INVARIANT_PAGEBLOCK, pfn, census->pageblock.used[type],
                             census->pageblock_at->used[type])) {
            return false;
        }
    }
    return true;
}

/* Goes on to all pageblocks that the block at @pfn touches, and counts it: I16. */
static bool count_pageblock(const struct space *space, pfn_t pfn, const struct memdesc *head,
                            bool used, struct space_census *census, struct violation *violation)
{
    if (space->pageblocks == NULL) {
        return true;
    }
    order_t order = head->order;
    uint64_t count =
        order > space->pageblock_order ? order_frames(order - space->pageblock_order) : 1;
    for (uint64_t i = 0; i < count; i++) {
        struct pageblock *at = space_pageblock(space, pfn) + i;
        if (at != census->pageblock_at) {
            if (!check_pageblock(space, census, pfn, violation)) {
                return false;
            }
            census->pageblock_at = at;
            census->pageblock = (struct pageblock){.unused = 0};
        }
    }
    bool cma = false;
    for (uint32_t i = 0; i < space->ranges_count; i++) {
        const struct range *range = &space->ranges[i];
        cma = cma || (range->cma && pfn - range->start < range->frames);
    }
    if (used && !cma && order < space->pageblock_order && head->migratetype < MIGRATETYPES) {
        census->pageblock.used[head->migratetype] += (uint16_t)order_frames(order);
    }
    return true;
}

/* A free block's own facts: I5 state, I6. */
static bool check_free_block(const struct space *space, const struct buddy *buddy,
                             struct space_census *census, struct violation *violation)
{
    pfn_t pfn = buddy->pfn;
    order_t order = buddy_order(buddy);
    if (!invariant_check(violation, INVARIANT_PAGEBLOCK, pfn, space_free_type(space, buddy),
                         buddy->head.migratetype)) {
        return false;
    }
    census->free_blocks[buddy_area(buddy)][order]++;
    pfn_t other = pfn_buddy(pfn, order);
    if (!space_manages(space, other, order_frames(order))) {
        return true;
    }
    memdesc_t word = block_map_read(&space->map, other);
    if (memdesc_type(word) != MEMDESC_BUDDY_FREE) {
        return true;
    }
    const struct buddy *beside = (const struct buddy *)(const void *)memdesc_head(word);
    bool merges = buddy_order(beside) == order && buddy_kind(beside) == buddy_kind(buddy);
    return invariant_check(violation, INVARIANT_COALESCED, pfn, false, merges);
}

/* The block whose first word is @word. Return: its frames, or 0 where something is broken. */
static uint64_t check_block(const struct space *space, pfn_t pfn, memdesc_t word,
                            struct space_census *census, struct violation *violation)
{
    enum memdesc_type type = memdesc_type(word);
    const struct memdesc *head = memdesc_head(word);
    order_t order = head->order;
    if (!invariant_check(violation, INVARIANT_ALIGNED, pfn, true,
                         order < ORDERS && pfn_is_aligned(pfn, order)) ||
        !invariant_check(violation, INVARIANT_ZONE_BORDER, pfn, space->id, head->zone) ||
        !invariant_check(violation, INVARIANT_ZONE_BORDER, pfn, true,
                         space_manages(space, pfn, order_frames(order))) ||
        !check_words_clear(space, pfn + 1, pfn + order_frames(order), INVARIANT_HEAD_WORD,
                           violation)) {
        return 0;
    }
    enum buddy_state state = state_of_type(type);
    if (memdesc_type_is_buddy(type)) {
        const struct buddy *buddy = (const struct buddy *)(const void *)head;
        if (!invariant_check(violation, INVARIANT_HEAD_WORD, pfn, pfn, buddy->pfn) ||
            !invariant_check(violation, INVARIANT_HEAD_WORD, pfn, state, buddy_state(buddy))) {
            return 0;
        }
        if (state == BUDDY_FREE && !check_free_block(space, buddy, census, violation)) {
            return 0;
        }
    }
    if (state == BUDDY_POISONED && !invariant_check(violation, INVARIANT_POISON, pfn, 0, order)) {
        return 0;
    }
    bool used = state == BUDDY_ALLOCATED || state == BUDDY_SLAB;
    if (!count_pageblock(space, pfn, head, used, census, violation)) {
        return 0;
    }
    census->blocks++;
    census->flawed += head->flawed ? 1 : 0;
    census->frames[state] += order_frames(order);
    return order_frames(order);
}

/* The end of the run of frames from @pfn on that are managed, or are not: as far as one range, hole
 * or reserve goes. */
static pfn_t run_end(const struct space *space, pfn_t pfn)
{
    pfn_t end = space->end;
    for (uint32_t i = space->ranges_count; i-- > 0;) {
        const struct range *range = &space->ranges[i];
        pfn_t edges[2] = {range->start, range->start + range->frames};
        for (unsigned edge = 0; edge < 2; edge++) {
            end = edges[edge] > pfn && edges[edge] < end ? edges[edge] : end;
        }
    }
    pfn_t reserved = space->reserved_start;
    end = reserved > pfn && reserved < end ? reserved : end;
    reserved += space->reserved_frames;
    return reserved > pfn && reserved < end ? reserved : end;
}

static bool check_frames(const struct space *space, struct space_census *census,
                         struct violation *violation)
{
    pfn_t pfn = space->start;
    while (pfn < space->end) {
        pfn_t end = run_end(space, pfn);
        if (!space_manages(space, pfn, 1)) {
            if (!check_words_clear(space, pfn, end, INVARIANT_COVER, violation)) {
                return false;
            }
            pfn = end;
            continue;
        }
        /* A block may reach into the next run: ranges of a zone may touch. */
        while (pfn < end) {
            memdesc_t word = block_map_read(&space->map, pfn);
            if (!invariant_check(violation, INVARIANT_COVER, pfn, true, word != 0)) {
                return false;
            }
            uint64_t frames = check_block(space, pfn, word, census, violation);
            if (frames == 0) {
                return false;
            }
            pfn += frames;
        }
    }
    return true;
}

static bool check_list(const struct space *space, unsigned area, order_t order,
                       const struct space_census *census, uint64_t *frames,
                       struct violation *violation)
{
    const struct free_area *free = &space->areas[area];
    uint64_t count = 0;
    list_for_each (link, &free->lists[order]) {
        const struct buddy *buddy = buddy_of_link(link);
        bool unaccepted = area == AREA_UNACCEPTED;
        bool listed = unaccepted || buddy->head.migratetype == area;
        bool fits = buddy_state(buddy) == BUDDY_FREE && buddy_order(buddy) == order &&
                    buddy_is(buddy, BUDDY_UNACCEPTED) == unaccepted && listed &&
                    link->next->prev == link;
        if (!invariant_check(violation, INVARIANT_FREE_LIST, buddy->pfn, true, fits)) {
            return false;
        }
        count++;
    }
    bool marked = (free->nonempty >> order & 1) != 0;
    *frames += count << order;
    return invariant_check(violation, INVARIANT_FREE_LIST, PFN_NONE,
                           census->free_blocks[area][order], count) &&
           invariant_check(violation, INVARIANT_FREE_LIST, PFN_NONE, count, free->blocks[order]) &&
           invariant_check(violation, INVARIANT_FREE_LIST, PFN_NONE, count > 0, marked);
}

/* I11 for one record. *@first: whether no record before it is of the same block. */
static bool check_record(const struct space *space, const struct poison *record, bool *first,
                         struct violation *violation)
{
    pfn_t pfn = record->pfn;
    struct frame_entry entry = block_map_find(&space->map, pfn);
    const struct memdesc *head = memdesc_head(entry.word);
    enum buddy_state state = state_of_type(memdesc_type(entry.word));
    bool used = state == BUDDY_ALLOCATED || state == BUDDY_SLAB;
    *first = true;
    if (!invariant_check(violation, INVARIANT_POISON, pfn, true, space_manages(space, pfn, 1)) ||
        !invariant_check(violation, INVARIANT_POISON, pfn, true, used && head->flawed) ||
        !invariant_check(violation, INVARIANT_POISON, pfn, head->order, record->buddys.count) ||
        !invariant_check(violation, INVARIANT_POISON, pfn, true,
                         record->nodes.count >= space_cut_nodes(space, head->order))) {
        return false;
    }
    const struct list_head *link = space->flaws.next;
    for (; link != &record->list; link = link->next) {
        pfn_t other = list_item(link, const struct poison, list)->pfn;
        *first = *first && other - entry.pfn >= order_frames(head->order);
        if (!invariant_check(violation, INVARIANT_POISON, pfn, true, other != pfn)) {
            return false;
        }
    }
    return true;
}

/* I11: the records, and that they are of all blocks that are marked. */
static bool check_records(const struct space *space, const struct space_census *census,
                          struct violation *violation)
{
    uint64_t flawed = 0;
    list_for_each (link, &space->flaws) {
        bool first;
        if (!check_record(space, list_item(link, struct poison, list), &first, violation)) {
            return false;
        }
        flawed += first ? 1 : 0;
    }
    return invariant_check(violation, INVARIANT_POISON, PFN_NONE, flawed, census->flawed);
}

bool space_validate(const struct space *space, struct violation *violation)
{
    struct space_census census = {0};
    if (!check_frames(space, &census, violation) ||
        !check_words_counted(space, &census, violation) ||
        !check_pageblock(space, &census, PFN_NONE, violation)) {
        return false;
    }
    for (unsigned area = 0; area < AREAS; area++) {
        uint64_t frames = 0;
        for (order_t order = 0; order < space->orders; order++) {
            if (!check_list(space, area, order, &census, &frames, violation)) {
                return false;
            }
        }
        if (!invariant_check(violation, INVARIANT_ACCOUNTING, PFN_NONE, frames,
                             space->areas[area].frames)) {
            return false;
        }
    }
    uint64_t sum = 0;
    for (unsigned state = BUDDY_FREE; state < BUDDY_STATES; state++) {
        sum += space->frames[state];
        if (!invariant_check(violation, INVARIANT_ACCOUNTING, PFN_NONE, census.frames[state],
                             space->frames[state])) {
            return false;
        }
    }
    return invariant_check(violation, INVARIANT_ACCOUNTING, PFN_NONE, space->managed_frames, sum) &&
           invariant_check(violation, INVARIANT_DESC_COUNT, PFN_NONE, census.blocks,
                           space->blocks) &&
           check_records(space, &census, violation);
}

uint64_t space_hash(const struct space *space)
{
    uint64_t hash = 0;
    pfn_t pfn = space->start;
    while ((pfn = block_map_next(&space->map, pfn, space->end)) < space->end) {
        memdesc_t word = block_map_read(&space->map, pfn);
        enum memdesc_type type = memdesc_type(word);
        const struct memdesc *head = memdesc_head(word);
        bool buddy = memdesc_type_is_buddy(type);
        bool unaccepted =
            buddy && buddy_is((const struct buddy *)(const void *)head, BUDDY_UNACCEPTED);
        uint64_t what = (uint64_t)type | (uint64_t)head->order << 8 | (uint64_t)head->zone << 16 |
                        (unaccepted ? (uint64_t)1 << 24 : 0);
        hash += hash_mix(hash_mix(pfn + 1) ^ what);
        pfn += order_frames(head->order);
    }
    list_for_each (link, &space->flaws) {
        hash += hash_mix(~hash_mix(list_item(link, struct poison, list)->pfn + 1));
    }
    return hash;
}
