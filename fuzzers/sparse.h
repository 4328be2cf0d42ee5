/* SPDX-License-Identifier: MIT
 *
 * sparse.h: an array of words in which a run of equal ones costs next to nothing, however long: a
 * tree of halves in memory that is zero until it is written.
 *
 * levels[k][i] is the word of all 2^k entries of the aligned block i, or 0: then its halves tell.
 * Below a word, nothing is looked at, so nothing need be written there:
 *
 *   level 2   |         0         |         5         |     the entries:
 *   level 1   |    3    |    0    |    -    |    -    |
 *   level 0   | -  | -  | 0  | 7  | -  | -  | -  | -  |     3 3 0 7 5 5 5 5
 *
 * Halves with equal words are always made one. An entry that was never set is 0.
 */
#ifndef POTAD_FUZZERS_SPARSE_H
#define POTAD_FUZZERS_SPARSE_H

#include "core/types.h"

struct sparse {
    uint64_t base;  /* index of the first entry of each level: a multiple of the largest block */
    order_t orders; /* how many levels there are */
    uint32_t *levels[ORDERS];
    void *memory; /* that the levels lie in */
    size_t bytes;
};

/* Makes all entries from @first on, @count (> 0) of them, 0. @sparse is zeroed or was opened
 * before: its memory is used again where it is large enough. Return: false where there is no
 * memory. */
bool sparse_open(struct sparse *sparse, uint64_t first, uint64_t count)
    __attribute__((warn_unused_result));
void sparse_close(struct sparse *sparse);

/* The word of entry @index, one that there is. *@order: that of the largest aligned block around it
 * that has this word only; 0 for the word 0. */
static inline uint32_t sparse_get(const struct sparse *sparse, uint64_t index, order_t *order)
{
    order_t level = sparse->orders;
    uint32_t word = 0;
    while (word == 0 && level > 0) {
        level--;
        word = sparse->levels[level][(index - sparse->base) >> level];
    }
    *order = level;
    return word;
}

/* Makes @word, not 0, that of the aligned block of @order at @index, all of whose entries there
 * are. Return: the order of the largest aligned block around it that has this word only. */
order_t sparse_set(struct sparse *sparse, uint64_t index, order_t order, uint32_t word);

#endif
