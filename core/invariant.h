/* SPDX-License-Identifier: MIT
 *
 * invariant.h: the names of what always holds in the core, and how a broken one is reported.
 * README.md of this folder says each in a sentence; x_validate() functions check them in this
 * order, at moments when no other thread is inside the allocator.
 */
#ifndef POTAD_CORE_INVARIANT_H
#define POTAD_CORE_INVARIANT_H

#include "core/types.h"

/* X(id, number, name, sentence) */
#define INVARIANT_TABLE(X)                                                                         \
    X(INVARIANT_COVER, "I1", "block-cover",                                                        \
      "every managed frame is in exactly one block or in the boot metadata; no other frame is")    \
    X(INVARIANT_ALIGNED, "I2", "block-aligned", "a block of order n starts at a multiple of 2^n")  \
    X(INVARIANT_HEAD_WORD, "I3", "head-word",                                                      \
      "a block's first word names its descriptor, which names that frame; its other words are 0")  \
    X(INVARIANT_ZONE_BORDER, "I4", "zone-border", "no block reaches over its zone's border")       \
    X(INVARIANT_FREE_LIST, "I5", "free-list",                                                      \
      "each free block is on the list of its order and kind, and the lists hold no other")         \
    X(INVARIANT_COALESCED, "I6", "coalesced",                                                      \
      "no two free buddies of one order, zone, acceptance and CMA-ness lie side by side")          \
    X(INVARIANT_ACCOUNTING, "I7", "accounting",                                                    \
      "free, allocated, metadata and poisoned frames add up to the managed ones, zone by zone")    \
    X(INVARIANT_DESC_COUNT, "I8", "desc-count",                                                    \
      "live struct buddys are as many as blocks, and as records and CPUs hold, live struct slabs " \
      "as many as slabs")                                                                          \
    X(INVARIANT_SLAB, "I9", "slab-consistent",                                                     \
      "a slab's count is that of its used slots; it is never empty, and on the list that its "     \
      "count asks for")                                                                            \
    X(INVARIANT_SLAB_HOME, "I10", "slab-home",                                                     \
      "slabs lie in zones that may hold metadata, and that their cache may use, in accepted "      \
      "memory")                                                                                    \
    X(INVARIANT_POISON, "I11", "poison-record",                                                    \
      "each record of a failed frame lies with an allocated block that is marked, and holds as "   \
      "many struct buddys as the block's order, and tree nodes for its cut; each marked block "    \
      "has "                                                                                       \
      "a record; poisoned blocks are single frames")                                               \
    X(INVARIANT_RANGE_ORDER, "I12", "range-order",                                                 \
      "ranges and pivots ascend, each inside the span that its parents give it")                   \
    X(INVARIANT_RANGE_FILL, "I13", "range-fill",                                                   \
      "no node of a range tree is empty or over-full, its counts are right, and levels go down "   \
      "by one")                                                                                    \
    X(INVARIANT_RANGE_GAP, "I14", "range-gap",                                                     \
      "the gap code of each child is that of the largest gap below it")                            \
    X(INVARIANT_RANGE_NODES, "I15", "range-nodes",                                                 \
      "a node has one parent, in adjacent slots; nodes and ranges are as many as counted, and "    \
      "prepared stores have theirs")                                                               \
    X(INVARIANT_PAGEBLOCK, "I16", "pageblock",                                                     \
      "a pageblock counts its frames in use by type, and its free blocks are on the lists of the " \
      "type that follows from that")                                                               \
    X(INVARIANT_CPU_LIST, "I17", "cpu-list",                                                       \
      "a CPU's lists hold allocated, plain, sound blocks of their zone, type and order, as many "  \
      "as counted, and all blocks that say so are on one")                                         \
    X(INVARIANT_CPU_MAGAZINE, "I18", "cpu-magazine",                                               \
      "a CPU's magazines hold objects of their cache that are in use to their slabs, each once, "  \
      "as many as counted and no more than fit; no two caches have one number")                    \
    X(INVARIANT_IN_HAND, "I19", "in-hand",                                                         \
      "between calls nobody is said to have memory in hand, which others would wait for")

enum invariant {
    INVARIANT_NONE,
#define X(id, number, name, sentence) id,
    INVARIANT_TABLE(X)
#undef X
        INVARIANTS
};

/* The first invariant found broken, where, and the two values that differ. */
struct violation {
    enum invariant invariant; /* INVARIANT_NONE: all hold */
    pfn_t pfn;                /* PFN_NONE where no frame is to blame */
    uint64_t expected;
    uint64_t actual;
};

/* The name in INVARIANT_TABLE, and "none". */
const char *invariant_name(enum invariant invariant);

/* Records @invariant as broken unless @expected is @actual. Return: whether they are equal. */
static inline bool invariant_check(struct violation *violation, enum invariant invariant, pfn_t pfn,
                                   uint64_t expected, uint64_t actual)
{
    if (expected == actual) {
        return true;
    }
    *violation = (struct violation){invariant, pfn, expected, actual};
    return false;
}

#endif
