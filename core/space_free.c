/* SPDX-License-Identifier: MIT
 *
 * space_free.c: blocks become free, and merge.
 */
#include "core/space_lists.h"

/* The free block that would merge with the block of @order at @pfn, or NULL. */
static ALWAYS_INLINE struct buddy *space_free_buddy(const struct space *space, pfn_t pfn,
                                                    order_t order, uint32_t kind)
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
    bool fits = buddy_order(buddy) == order && buddy_kind(buddy) == kind;
    return fits ? buddy : NULL;
}

/* Whether @freed, not @listed, describes the block that both merge into. */
static inline bool buddy_stays(const struct buddy *freed, const struct buddy *listed,
                               const void *avoid)
{
    if (buddy_is(freed, BUDDY_BOOT) || buddy_is(listed, BUDDY_BOOT)) {
        return buddy_is(freed, BUDDY_BOOT);
    }
    return buddy_is_in_page(listed, avoid);
}

/* Merges @buddy, on no list, with all free buddies. Only the upper half's word is cleared each
 * time; the caller writes the word of the result, and its state: all frames are counted as free. */
static ALWAYS_INLINE struct buddy *space_merge(struct space *space, struct buddy *buddy,
                                               const void *avoid, struct buddy_stash *released)
{
    uint32_t kind = buddy_kind(buddy);
    struct buddy *merged = buddy;
    for (;;) {
        order_t order = buddy_order(merged);
        struct buddy *listed = space_free_buddy(space, merged->pfn, order, kind);
        if (listed == NULL) {
            return merged;
        }
        space_list_remove(space, listed);
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
    space_set_state(space, buddy, BUDDY_FREE);
    struct buddy *merged = space_merge(space, buddy, avoid, released);
    buddy_set_state(merged, BUDDY_FREE);
    space_list_push(space, merged);
    space_set_word(space, merged, memdesc_make(merged, MEMDESC_BUDDY_FREE));
    return merged;
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
        struct buddy *listed = space_free_buddy(space, merged.pfn, merged.order, 0);
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
