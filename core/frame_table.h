/* SPDX-License-Identifier: MIT
 *
 * frame_table.h: one tagged word a frame (requirement A1), written only where a block starts.
 *
 *      frame   8    9   10   11   12   13   14   15
 *            +----+----+----+----+----+----+----+----+
 *            | A  | 0  | 0  | 0  | B  | 0  | C  | D  |     A: order 2, B: order 1, C, D: order 0
 *            +----+----+----+----+----+----+----+----+
 *
 * A block of order n starts at a multiple of 2^n, so clearing the lowest set bits of a frame's
 * number, one at a time, visits candidates inside its block only, until it meets the block's
 * first frame: the only one of them whose word is not 0. So each frame leads to its descriptor
 * in O(order) reads, and a split or merge writes one word a halving instead of 2^order
 * (requirement A5). A frame in a hole finds nothing, or a block that ends before it: the caller
 * compares the extent.
 */
#ifndef POTAD_CORE_FRAME_TABLE_H
#define POTAD_CORE_FRAME_TABLE_H

#include "core/memdesc.h"
#include "core/sync.h"

struct frame_table {
    atomic_word_t *words; /* one for each frame from start on */
    pfn_t start;
    uint64_t frames;
};

/* A block's first frame and its word; word is 0 where none was found. */
struct frame_entry {
    pfn_t pfn;
    memdesc_t word;
};

static inline bool frame_table_has(const struct frame_table *table, pfn_t pfn)
{
    return pfn - table->start < table->frames;
}

/* Context: @pfn is in the table. Pairs with frame_table_write(). */
static inline memdesc_t frame_table_read(const struct frame_table *table, pfn_t pfn)
{
    ASSERT(frame_table_has(table, pfn));
    return atomic_word_acquire(&table->words[pfn - table->start]);
}

/* Context: the lock of the zone that @pfn is in. Zones count their writes: use space_write(). */
static inline void frame_table_write(struct frame_table *table, pfn_t pfn, memdesc_t word)
{
    ASSERT(frame_table_has(table, pfn));
    atomic_word_release(&table->words[pfn - table->start], word);
}

/* Finds the block that covers @pfn, if any does: compare the extent. At most one read for each
 * bit that is set in @pfn and lies above the block's start. */
struct frame_entry frame_table_find(const struct frame_table *table, pfn_t pfn);

#endif
