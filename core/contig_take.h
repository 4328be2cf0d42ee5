/* SPDX-License-Identifier: MIT
 *
 * contig_take.h: takes units in a row out of a space, and puts them back, with descriptors and tree
 * nodes in hand (requirement A4). A run is whatever blocks the space's map leads to from its units:
 *
 *   free       |       4       |       4       |         units 2 to 6 are asked for
 *   held       |       4       |       4       |         off their lists
 *   trimmed    |   2   |   2   | 1 | 1 |   2   |         what is not of the run is free again
 *                      ^^^^^^^^^^^^^
 *
 * Context of all: the lock of @space.
 */
#ifndef POTAD_CORE_CONTIG_TAKE_H
#define POTAD_CORE_CONTIG_TAKE_H

#include "core/space.h"

/* Halvings of the blocks at both ends of a run: descriptors that trimming it takes at most. */
struct contig_cut {
    order_t left;
    order_t right;
};

/* What trimming a run takes. Context: each unit of it is in a block. */
struct contig_cut contig_cut_of(const struct space *space, pfn_t pfn, uint64_t units);

/* Tree nodes for that, also when the tree has grown by @levels until then. */
uint64_t contig_cut_nodes(const struct space *space, struct contig_cut cut, unsigned levels);

/* Frames in a row, and who takes them: any address that is his alone. */
struct contig_run {
    struct space *space;
    pfn_t pfn;
    uint64_t units;
    void *holder;
};

/* Makes @buddy's block, on no list, one that @holder holds: BUDDY_TAKEN, of MIGRATE_ISOLATED, and
 * its links lead to him. While nobody has the lock, other threads hold blocks of their own, maybe
 * right beside his, where somebody has just freed some. */
static inline void contig_mark(struct buddy *buddy, void *holder)
{
    ASSERT(buddy_state(buddy) == BUDDY_TAKEN);
    buddy->head.migratetype = MIGRATE_ISOLATED;
    buddy->list.next = holder;
}

static inline bool contig_is_held(const struct buddy *buddy, const void *holder)
{
    return buddy_state(buddy) == BUDDY_TAKEN && buddy->head.migratetype == MIGRATE_ISOLATED &&
           buddy->list.next == holder;
}

/* Takes all free blocks that @run touches off their lists: they are held. Other blocks stay as they
 * are. */
void contig_hold(const struct contig_run *run);

/* Frees all blocks that @run touches and that its holder holds. */
void contig_let_go(const struct contig_run *run, struct buddy_stash *released);

/* Cuts the blocks at the ends of @run, where these are held, and frees what is not of the run.
 * @stash and the map have what contig_cut_of() and contig_cut_nodes() say. */
void contig_trim(const struct contig_run *run, struct buddy_stash *stash,
                 struct buddy_stash *released);

/* Makes all blocks of the trimmed and accepted @run allocated ones of @migratetype, with flags of
 * BUDDY_USE_MASK. Return: how many they are. */
uint64_t contig_give(const struct contig_run *run, enum migratetype migratetype, uint32_t use);

/* The struct buddy of the block that unit @pfn of the run is in. Context: it is free, or described
 * by the allocator alone. */
struct buddy *contig_part(const struct space *space, pfn_t pfn);

#endif
