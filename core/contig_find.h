/* SPDX-License-Identifier: MIT
 *
 * contig_find.h: finds units in a row that are free, any number of them (requirement B6). It only
 * looks: nothing changes, nothing is allocated.
 */
#ifndef POTAD_CORE_CONTIG_FIND_H
#define POTAD_CORE_CONTIG_FIND_H

#include "core/space.h"

/* Free blocks of different kinds never merge, but may lie side by side in one run. */
enum contig_kind { CONTIG_ACCEPTED, CONTIG_CMA, CONTIG_UNACCEPTED, CONTIG_KINDS };

struct contig_goal {
    uint64_t units; /* more than 0 */
    order_t align;  /* the run starts at a multiple of 2^align units; below ORDERS */
    pfn_t low;      /* the run lies in [low, high) */
    pfn_t high;
    uint32_t kinds; /* bit n: enum contig_kind n will do */
};

/* Finds a run as @goal asks for: of accepted memory where there is one, then of CMA's, then of
 * unaccepted memory, then of more than one kind.
 *
 * Cost, in looks at a block, each O(order) reads of a table or one walk down a tree: where a single
 * block serves, and limits rule no block out, one. Else, for each kind, at most 2 * ORDERS times
 * the smaller of two numbers: F, the free blocks of order floor(log2(units + 1)) - 1 or more, at
 * most 4 / units of the space; and P, the multiples of 2^align between the limits. For more than
 * one kind, a run may have as many blocks as units: at most all blocks between the limits for each
 * of P places, or the runs around all free blocks but those of the kind that has most.
 *
 * Context: the lock of @space. Return: false where there is no such run; else *@found is its first
 * unit. */
bool contig_find(const struct space *space, const struct contig_goal *goal, pfn_t *found);

/* The first multiple of 2^@align from @pfn on, or PFN_NONE where the numbers end before. */
static inline pfn_t pfn_align_up(pfn_t pfn, order_t align)
{
    uint64_t mask = order_frames(align) - 1;
    return pfn > PFN_NONE - mask ? PFN_NONE : (pfn + mask) & ~mask;
}

#endif
