/* SPDX-License-Identifier: MIT
 *
 * space_free.c: blocks become free, and merge.
 */
#include "core/space_lists.h"

/* A block that becomes free, and what it has merged with so far. */
struct merging {
    struct buddy *buddy; /* which describes it; pfn, order and word are written in the end */
    uint32_t flags;      /* its */
    pfn_t pfn;
    order_t order;
};

/* The free block that would merge with @block, or NULL. */
static ALWAYS_INLINE struct buddy *merging_next(const struct space *space,
                                                const struct merging *block)
{
    pfn_t other = pfn_buddy(block->pfn, block->order);
    /* I4: a block reaches over no border; its buddy's frames may be another zone's or nobody's. */
    if (other - space->start >= space->end - space->start || block->order + 1 >= space->orders) {
        return NULL;
    }
    memdesc_t word = block_map_read(&space->map, other);
    if (memdesc_type(word) != MEMDESC_BUDDY_FREE) {
        return NULL;
    }
    struct buddy *buddy = (struct buddy *)(void *)memdesc_head(word);
    uint32_t kinds = block->flags ^ atomic_flags_peek(&buddy->head.flags);
    bool fits = buddy_order(buddy) == block->order && (kinds & (uint32_t)BUDDY_KIND_MASK) == 0;
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

/* Merges @block, on no list, with all free buddies. Only the upper half's word is cleared each
 * time. All frames are counted as free already. */
static ALWAYS_INLINE void space_merge(struct space *space, struct merging *block, const void *avoid,
                                      struct buddy_stash *released)
{
    struct buddy *listed;
    while ((listed = merging_next(space, block)) != NULL) {
        uint32_t flags = atomic_flags_peek(&listed->head.flags);
        space_list_remove(space, listed);
        space_erase_word(space, block->pfn | order_frames(block->order));
        block->pfn &= ~order_frames(block->order);
        block->order++;
        space->blocks--;
        bool plain = avoid == NULL && ((flags | block->flags) & (uint32_t)BUDDY_BOOT) == 0;
        if (LIKELY(plain) || !buddy_stays(block->buddy, listed, avoid)) {
            buddy_stash_put(released, block->buddy);
            block->buddy = listed;
            block->flags = flags;
        } else {
            buddy_stash_put(released, listed);
        }
    }
}

/* Counts the block of @buddy as free. Return: the type of the list that it belongs on. */
static ALWAYS_INLINE enum migratetype space_count_freed(struct space *space,
                                                        const struct merging *block)
{
    uint64_t frames = order_frames(block->order);
    enum buddy_state state = (enum buddy_state)(block->flags & (uint32_t)BUDDY_STATE_MASK);
    ASSERT(state != BUDDY_FREE && state != BUDDY_HELD);
    space->frames[state] -= frames;
    space->frames[BUDDY_FREE] += frames;
    if ((block->flags & (uint32_t)BUDDY_CMA) != 0) {
        return MIGRATE_CMA;
    }
    if (space->pageblocks == NULL || block->order >= space->pageblock_order) {
        return MIGRATE_MOVABLE;
    }
    struct pageblock *pageblock = space_pageblock(space, block->pfn);
    if (LIKELY(state_is_used(state))) {
        pageblock_subtract(space, pageblock, block->buddy);
    }
    return pageblock_type(pageblock);
}

struct buddy *space_free(struct space *space, struct buddy *buddy, const void *avoid,
                         struct buddy_stash *released)
{
    struct merging block = {
        .buddy = buddy,
        .flags = atomic_flags_peek(&buddy->head.flags),
        .pfn = buddy->pfn,
        .order = buddy_order(buddy),
    };
    enum migratetype type = space_count_freed(space, &block);
    space_merge(space, &block, avoid, released);
    if (block.order >= space->pageblock_order && type != MIGRATE_CMA) {
        type = MIGRATE_MOVABLE;
    }
    struct buddy *merged = block.buddy;
    merged->pfn = block.pfn;
    merged->head.order = (uint8_t)block.order;
    merged->head.migratetype = (uint8_t)type;
    uint32_t rest = block.flags & ~(uint32_t)BUDDY_STATE_MASK;
    atomic_flags_poke(&merged->head.flags, rest | (uint32_t)BUDDY_FREE);
    space_list_add(space, merged);
    space_set_word(space, merged, memdesc_make(merged, MEMDESC_BUDDY_FREE));
    return merged;
}

/* The descriptor of the block that starts at @pfn, which is off its list. */
static struct buddy *taken_at(const struct space *space, pfn_t pfn)
{
    struct buddy *buddy = (struct buddy *)(void *)memdesc_head(block_map_read(&space->map, pfn));
    ASSERT(buddy_state(buddy) == BUDDY_TAKEN);
    return buddy;
}

struct buddy *space_join(struct space *space, pfn_t pfn, order_t order,
                         struct buddy_stash *released)
{
    struct buddy *joined = taken_at(space, pfn);
    pfn_t at = pfn + order_frames(buddy_order(joined));
    while (at < pfn + order_frames(order)) {
        struct buddy *part = taken_at(space, at);
        space_write(space, at, 0);
        at += order_frames(buddy_order(part));
        struct buddy *stays = buddy_stays(part, joined, NULL) ? part : joined;
        buddy_stash_put(released, stays == part ? joined : part);
        space->blocks--;
        joined = stays;
    }
    ASSERT(at == pfn + order_frames(order));
    joined->pfn = pfn;
    joined->head.order = (uint8_t)order;
    space_set_word(space, joined, memdesc_make(joined, MEMDESC_BUDDY_ALLOCATED));
    return joined;
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
        const struct merging block = {.pfn = merged.pfn, .order = merged.order};
        struct buddy *listed = merging_next(space, &block);
        if (listed != NULL) {
            preview_add(&merged, listed, page);
        } else if (other != NULL && !*joined && next == other->pfn &&
                   merged.order == other->order) {
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
