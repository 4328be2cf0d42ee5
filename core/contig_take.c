/* SPDX-License-Identifier: MIT */
#include "core/contig_take.h"

/* A block that a run touches. */
struct run_block {
    pfn_t pfn;
    pfn_t end;
    struct buddy *buddy; /* or NULL: its owner's descriptor is on it */
};

static struct run_block block_at(const struct space *space, pfn_t pfn)
{
    struct frame_entry entry = block_map_find(&space->map, pfn);
    struct memdesc *head = memdesc_head(entry.word);
    bool own = memdesc_type_is_buddy(memdesc_type(entry.word));
    struct run_block block = {
        .pfn = entry.pfn,
        .end = entry.pfn + order_frames(head->order),
        .buddy = own ? (struct buddy *)(void *)head : NULL,
    };
    ASSERT(pfn < block.end);
    return block;
}

struct buddy *contig_part(const struct space *space, pfn_t pfn)
{
    struct run_block block = block_at(space, pfn);
    ASSERT(block.buddy != NULL);
    return block.buddy;
}

/* Other threads' blocks may be off their lists, too. */
static bool is_held(const struct run_block *block)
{
    return block->buddy != NULL && buddy_state(block->buddy) == BUDDY_TAKEN &&
           block->buddy->head.migratetype == MIGRATE_ISOLATED;
}

/* How often @block is halved until a part of it ends at @pfn, inside it or at one of its ends. */
static order_t halvings(const struct run_block *block, pfn_t pfn)
{
    bool inside = pfn > block->pfn && pfn < block->end;
    order_t order = (order_t)__builtin_ctzll(block->end - block->pfn);
    return inside ? order - (order_t)__builtin_ctzll(pfn) : 0;
}

struct contig_cut contig_cut_of(const struct space *space, pfn_t pfn, uint64_t units)
{
    struct run_block first = block_at(space, pfn);
    struct run_block last = block_at(space, pfn + units - 1);
    return (struct contig_cut){
        .left = halvings(&first, pfn),
        .right = halvings(&last, pfn + units),
    };
}

uint64_t contig_cut_nodes(const struct space *space, struct contig_cut cut, unsigned levels)
{
    /* The first cut may make the tree two levels higher. */
    return block_map_nodes(&space->map, cut.left, levels) +
           block_map_nodes(&space->map, cut.right, levels + 2);
}

void contig_hold(struct space *space, pfn_t pfn, uint64_t units)
{
    pfn_t at = pfn;
    while (at < pfn + units) {
        struct run_block block = block_at(space, at);
        if (block.buddy != NULL && buddy_state(block.buddy) == BUDDY_FREE) {
            space_detach(space, block.buddy);
            block.buddy->head.migratetype = MIGRATE_ISOLATED;
            /* No longer free for others who look from the side of its buddy. */
            space_set_word(space, block.buddy, memdesc_make(block.buddy, MEMDESC_BUDDY_ALLOCATED));
        }
        at = block.end;
    }
}

void contig_let_go(struct space *space, pfn_t pfn, uint64_t units, struct buddy_stash *released)
{
    pfn_t at = pfn;
    while (at < pfn + units) {
        struct run_block block = block_at(space, at);
        if (is_held(&block)) {
            space_free(space, block.buddy, NULL, released);
        }
        at = block.end;
    }
}

/* Cuts the held @block at @pfn, if that is inside it. */
static void cut_at(struct space *space, const struct run_block *block, pfn_t pfn,
                   struct buddy_stash *stash)
{
    if (is_held(block) && halvings(block, pfn) > 0) {
        space_cut_at(space, block->buddy, pfn, stash);
    }
}

void contig_trim(struct space *space, pfn_t pfn, uint64_t units, struct buddy_stash *stash,
                 struct buddy_stash *released)
{
    pfn_t end = pfn + units;
    struct run_block first = block_at(space, pfn);
    struct run_block last = block_at(space, end - 1);
    cut_at(space, &first, pfn, stash);
    /* Both may have been one. */
    struct run_block rest = block_at(space, end - 1);
    cut_at(space, &rest, end, stash);
    contig_let_go(space, first.pfn, pfn - first.pfn, released);
    contig_let_go(space, end, last.end - end, released);
}

uint64_t contig_give(struct space *space, pfn_t pfn, uint64_t units, enum migratetype migratetype)
{
    uint64_t parts = 0;
    pfn_t at = pfn;
    while (at < pfn + units) {
        struct buddy *buddy = contig_part(space, at);
        ASSERT(buddy_state(buddy) == BUDDY_TAKEN);
        ASSERT(buddy->head.migratetype == MIGRATE_ISOLATED);
        ASSERT(buddy->pfn == at);
        buddy->head.migratetype = (uint8_t)migratetype;
        space_set_state(space, buddy, BUDDY_ALLOCATED);
        at += order_frames(buddy_order(buddy));
        parts++;
    }
    ASSERT(at == pfn + units);
    return parts;
}
