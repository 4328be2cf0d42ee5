/* SPDX-License-Identifier: MIT
 *
 * held_block.h: blocks that a thread holds, and the operations on them, checked: whoever gets a
 * block writes his cookie beside each of its frames, and finds it there when he gives it back.
 *
 * Context of all: the worker's own thread. What is wrong is reported; a block that is wrong is
 * held all the same.
 */
#ifndef POTAD_STRESS_HELD_BLOCK_H
#define POTAD_STRESS_HELD_BLOCK_H

#include "stress/worker.h"

struct held_block {
    struct subject_block block;
    cookie_t cookie;
    enum migratetype migratetype;
    enum memdesc_type type;     /* MEMDESC_NONE: described by the subject alone */
    struct memdesc *descriptor; /* else, the holder's */
    bool heap;                  /* which is freed with the block */
};

/* Draws a request: small orders are likelier, none is above @order_max; any zone. @described: with
 * a descriptor of the holder's own. */
struct subject_request held_block_request(struct worker *worker, order_t order_max, bool described);

/* Allocates what @request says; where it has a type but no descriptor, one is made here. Return:
 * whether there was memory. */
bool held_block_alloc(struct worker *worker, const struct subject_request *request,
                      struct held_block *held);

/* Frees what anybody allocated and handed to this thread. */
void held_block_free(struct worker *worker, const struct held_block *held);

/* Splits @held, of an order above @order and with no descriptor of its own. parts: order(@held) -
 * @order + 1 entries. Return: how many there are now, 0 where there was no memory to do it. */
unsigned held_block_split(struct worker *worker, const struct held_block *held, order_t order,
                          struct held_block *parts);

/* Looks up a random frame of @held: the subject must lead to it. */
void held_block_lookup(struct worker *worker, const struct held_block *held);

/* Looks up frame @pfn of @held. Return: whether *@info, the answer, leads to @held. */
bool held_block_leads(const struct worker *worker, const struct held_block *held, pfn_t pfn,
                      struct memdesc_info *info);

/* Reports that it did not. */
void held_block_misled(struct worker *worker, const struct held_block *held, pfn_t pfn,
                       const struct memdesc_info *info);

/* Has compaction make a free block for @wanted, with at most @limit frames moved, and as many
 * blocks looked at; UINT64_MAX: any number. */
void held_block_compact(struct worker *worker, const struct subject_request *wanted,
                        uint64_t limit);

/* Looks up a random frame of the map or near it, whoever owns it. */
void held_block_lookup_any(struct worker *worker);

#endif
