/* SPDX-License-Identifier: MIT
 *
 * batch.c: blocks that come and go many at a time, between a zone and the lists of a CPU. What one
 * block would cost by itself, the lock above all, many share.
 */
#include "core/page_alloc.h"

enum {
    JOIN_MOST = 64,
    PREFETCH_FROM = 5 /* blocks: for fewer it does not pay */
};

/* The descriptors that a batch lacks. */
struct shortage {
    struct buddy_stash stash;
    uint64_t need;
};

/* The block to cut the next part of a batch from, or NULL: after the first, more of the same, but
 * none that is better left to others. Context: the zone's lock. */
static struct buddy *batch_pick(const struct space *zone, const struct block_request *request,
                                bool first)
{
    if (!zone_serves(zone, request) ||
        !zone_may_give(zone, request, WATERMARK_LOW, order_frames(SPACE_EVENLY))) {
        return NULL;
    }
    return first ? space_pick(zone, request->order, request->migratetype)
                 : space_smallest(zone, request->migratetype, request->order);
}

/* Takes a block for @request off @zone, as much of it as the batch lacks, and adds it to @batch.
 * Context: the zone's lock. Return: whether it did; if not, @shortage may say why. */
static bool batch_add(struct alloc_context alloc, struct space *zone,
                      const struct block_request *request, struct batch *batch,
                      struct shortage *shortage)
{
    order_t order = request->order;
    struct buddy *buddy = batch_pick(zone, request, batch->count == 0);
    if (buddy == NULL) {
        return false;
    }
    order_t whole = buddy_order(buddy);
    order_t most = order + 63 - (order_t)__builtin_clzll(batch->target - batch->count);
    order_t part = whole < most ? whole : most;
    uint64_t cuts = order_frames(part - order) - 1;
    if (!map_nodes_ready(alloc, zone,
                         block_map_nodes(&zone->map, whole - part, 0) +
                             block_map_nodes(&zone->map, (unsigned)cuts, 1))) {
        return false;
    }
    uint64_t need = whole - part + cuts;
    struct buddy_stash *stash = zone->spare.count >= need ? &zone->spare : &shortage->stash;
    zone_spare_take(zone, stash, need);
    if (stash->count < need) {
        shortage->need = need;
        return false;
    }
    space_detach(zone, buddy);
    buddy = space_split_detached(zone, buddy, part, stash);
    buddy->head.migratetype = (uint8_t)request->migratetype;
    space_split_evenly(zone, buddy, order, stash, &batch->blocks[batch->count]);
    batch->count += cuts + 1;
    return true;
}

void batch_take(struct potad *potad, struct alloc_context alloc, struct space *zone,
                const struct block_request *request, struct batch *batch)
{
    struct shortage shortage;
    struct block_request modest = *request;
    /* Who may draw upon the reserve gets no more of it than a block. */
    modest.reserve = false;
    buddy_stash_init(&shortage.stash);
    batch->target = order_frames(SPACE_EVENLY - request->order);
    batch->count = 0;
    do {
        shortage.need = 0;
        spinlock_lock(&zone->lock);
        while (batch->count < batch->target && batch_add(alloc, zone, &modest, batch, &shortage)) {
        }
        zone_note_change(potad, zone, request);
        spinlock_unlock(&zone->lock);
        /* Some will do: these are what is left of other blocks. */
    } while (batch->count == 0 && shortage.need > 0 &&
             stash_fill(potad, alloc, &shortage.stash, shortage.need));
    buddy_stash_move(&shortage.stash, &alloc.transaction->pending);
}

/* Blocks alike that lie side by side, in the order of their addresses or the other way round. */
struct run {
    struct buddy *const *parts;
    unsigned count;
    bool downwards;
};

static inline struct buddy *run_part(const struct run *run, unsigned nth)
{
    return run->parts[run->downwards ? run->count - 1 - nth : nth];
}

/* The run that the first of @count @parts begins: blocks that were got in a row are freed so, more
 * often than not. */
static struct run run_find(struct buddy *const *parts, unsigned count)
{
    const struct buddy *first = parts[0];
    const uint32_t flags = atomic_flags_peek(&first->head.flags);
    const uint64_t frames = order_frames(buddy_order(first));
    struct run run = {.parts = parts, .count = 1};
    if ((flags & ((uint32_t)BUDDY_TOLD_MASK | (uint32_t)BUDDY_BOOT)) != 0 || count == 1) {
        return run;
    }
    run.downwards = parts[1]->pfn < first->pfn;
    pfn_t next = first->pfn;
    for (; run.count < count; run.count++) {
        const struct buddy *part = parts[run.count];
        next = run.downwards ? next - frames : next + frames;
        if (part->pfn != next || atomic_flags_peek(&part->head.flags) != flags) {
            break;
        }
        ASSERT(buddy_order(part) == buddy_order(first));
        ASSERT(part->head.migratetype == first->head.migratetype);
    }
    return run;
}

/* The order of the largest block that begins with part number @nth of @run, and counts in
 * pageblocks as its parts do. */
static order_t run_order(const struct space *zone, const struct run *run, unsigned nth)
{
    const struct buddy *part = run_part(run, nth);
    order_t order = buddy_order(part);
    /* A zone has at least one order, and a pageblock two frames. */
    order_t end = zone->orders < zone->pageblock_order ? zone->orders : zone->pageblock_order;
    order_t fits = pfn_order_max(part->pfn, (uint64_t)(run->count - nth) << order);
    if (fits >= end) {
        fits = end - 1;
    }
    return fits > order ? fits : order;
}

/* Makes as few @blocks as can be of @run: then no list has to know the parts. Descriptors that are
 * left over go to @left. Return: how many. */
static unsigned run_join(struct space *zone, const struct run *run, struct buddy **blocks,
                         struct buddy_stash *left)
{
    unsigned joined = 0;
    for (unsigned nth = 0; nth < run->count;) {
        struct buddy *block = run_part(run, nth);
        order_t order = run_order(zone, run, nth);
        unsigned end = nth + (1U << (order - buddy_order(block)));
        zone->blocks -= end - nth - 1;
        for (nth++; nth < end; nth++) {
            struct buddy *part = run_part(run, nth);
            space_erase_word(zone, part->pfn);
            buddy_stash_put(left, part);
        }
        block->head.order = (uint8_t)order;
        blocks[joined++] = block;
    }
    return joined;
}

/* Joins neighbours of @count @parts that come one after the other. @left: as for run_join().
 * Return: how many @blocks that makes. */
static unsigned parts_join(struct space *zone, struct buddy *const *parts, unsigned count,
                           struct buddy **blocks, struct buddy_stash *left)
{
    unsigned joined = 0;
    for (unsigned i = 0; i < count;) {
        struct run run = run_find(&parts[i], count - i);
        joined += run_join(zone, &run, &blocks[joined], left);
        i += run.count;
    }
    return joined;
}

/* The free block that the block of @buddy would merge with first, or NULL, or another that is not
 * far: a hint. */
static const struct buddy *neighbour_of(const struct space *zone, const struct buddy *buddy)
{
    pfn_t other = pfn_buddy(buddy->pfn, buddy_order(buddy));
    /* Over the border, it is under another lock, and may be gone before it is looked at. */
    if (other - zone->start >= zone->end - zone->start) {
        return NULL;
    }
    memdesc_t word = frame_table_read(zone->map.table, other);
    return memdesc_type(word) == MEMDESC_BUDDY_FREE
               ? (const struct buddy *)(const void *)memdesc_head(word)
               : NULL;
}

/* Has what freeing @count @blocks will look at come from memory, all at a time: words, then the
 * neighbours that they lead to, then these' own on their lists. One by one, each would be waited
 * for. */
static void blocks_prefetch(const struct space *zone, struct buddy *const *blocks, unsigned count)
{
    const struct frame_table *table = zone->map.table;
    const struct buddy *neighbours[JOIN_MOST];
    for (unsigned i = 0; i < count; i++) {
        __builtin_prefetch(&table->words[blocks[i]->pfn - table->start], 1);
    }
    for (unsigned i = 0; i < count; i++) {
        neighbours[i] = neighbour_of(zone, blocks[i]);
        __builtin_prefetch(neighbours[i], 1);
    }
    for (unsigned i = 0; i < count; i++) {
        if (neighbours[i] != NULL) {
            __builtin_prefetch(neighbours[i]->list.next, 1);
            __builtin_prefetch(neighbours[i]->list.prev, 1);
        }
    }
}

void batch_free(struct potad *potad, struct space *zone, struct buddy *const *parts, unsigned count,
                struct buddy_stash *released)
{
    struct buddy *blocks[JOIN_MOST];
    spinlock_lock(&zone->lock);
    while (count > 0) {
        unsigned some = count < JOIN_MOST ? count : JOIN_MOST;
        /* What would be too much for the zone does not go by way of it. */
        bool full = zone->spare.count >= atomic_word_peek(&potad->spare_most);
        struct buddy_stash *left = full ? released : &zone->spare;
        unsigned joined = parts_join(zone, parts, some, blocks, left);
        if (joined >= PREFETCH_FROM && !block_map_has_tree(&zone->map)) {
            blocks_prefetch(zone, blocks, joined);
        }
        for (unsigned i = 0; i < joined; i++) {
            block_free(potad, zone, blocks[i], NULL, left);
        }
        parts += some;
        count -= some;
    }
    zone_spare_trim(potad, zone, released);
    spinlock_unlock(&zone->lock);
}
