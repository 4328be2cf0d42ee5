/* SPDX-License-Identifier: MIT */
#include "core/contig_take.h"
#include "core/space_lists.h"

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
static bool is_held(const struct run_block *block, const struct contig_run *run)
{
    return block->buddy != NULL && contig_is_held(block->buddy, run->holder);
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

void contig_hold(const struct contig_run *run)
{
    struct space *space = run->space;
    pfn_t at = run->pfn;
    while (at < run->pfn + run->units) {
        struct run_block block = block_at(space, at);
        if (block.buddy != NULL && buddy_state(block.buddy) == BUDDY_FREE) {
            space_detach(space, block.buddy);
            contig_mark(block.buddy, run->holder);
            /* No longer free for others who look from the side of its buddy. */
            space_set_word(space, block.buddy, memdesc_make(block.buddy, MEMDESC_BUDDY_ALLOCATED));
        }
        at = block.end;
    }
}

/* Frees what is held from @pfn to @end. */
static void let_go(const struct contig_run *run, pfn_t pfn, pfn_t end, struct buddy_stash *released)
{
    pfn_t at = pfn;
    while (at < end) {
        struct run_block block = block_at(run->space, at);
        if (is_held(&block, run)) {
            space_free(run->space, block.buddy, NULL, released);
        }
        at = block.end;
    }
}

void contig_let_go(const struct contig_run *run, struct buddy_stash *released)
{
    let_go(run, run->pfn, run->pfn + run->units, released);
}

/* Cuts the held @block at @pfn, if that is inside it. */
static void cut_at(const struct contig_run *run, const struct run_block *block, pfn_t pfn,
                   struct buddy_stash *stash)
{
    if (!is_held(block, run) || halvings(block, pfn) == 0) {
        return;
    }
    space_cut_at(run->space, block->buddy, pfn, stash);
    for (pfn_t at = block->pfn; at < block->end;) {
        struct buddy *part = contig_part(run->space, at);
        contig_mark(part, run->holder);
        at += order_frames(buddy_order(part));
    }
}

void contig_trim(const struct contig_run *run, struct buddy_stash *stash,
                 struct buddy_stash *released)
{
    struct space *space = run->space;
    pfn_t end = run->pfn + run->units;
    struct run_block first = block_at(space, run->pfn);
    struct run_block last = block_at(space, end - 1);
    cut_at(run, &first, run->pfn, stash);
    /* Both may have been one. */
    struct run_block rest = block_at(space, end - 1);
    cut_at(run, &rest, end, stash);
    let_go(run, first.pfn, run->pfn, released);
    let_go(run, end, last.end, released);
}

uint64_t contig_give(const struct contig_run *run, enum migratetype migratetype, uint32_t use)
{
    uint64_t parts = 0;
    pfn_t at = run->pfn;
    while (at < run->pfn + run->units) {
        struct buddy *buddy = contig_part(run->space, at);
        ASSERT(contig_is_held(buddy, run->holder));
        ASSERT(buddy->pfn == at);
        buddy->head.migratetype = (uint8_t)migratetype;
        space_set_state(run->space, buddy, BUDDY_ALLOCATED);
        buddy_set_use(buddy, use, true);
        at += order_frames(buddy_order(buddy));
        parts++;
    }
    ASSERT(at == run->pfn + run->units);
    return parts;
}
