/* SPDX-License-Identifier: MIT
 *
 * holdings.h: the private set of blocks and objects of one thread, and random operations on it,
 * drawn by the weights of a mix.
 */
#ifndef POTAD_STRESS_HOLDINGS_H
#define POTAD_STRESS_HOLDINGS_H

#include "stress/held_block.h"
#include "stress/held_object.h"
#include "stress/held_run.h"

enum { HOLDINGS_MAX = 2048 };

/* X(id, what it does to the holdings, capabilities, function) */
#define MIX_TABLE(X)                                                                               \
    X(MIX_ALLOC, MIX_GROWS, 0, mix_alloc)                                                          \
    X(MIX_ALLOC_DESC, MIX_GROWS, SUBJECT_DESC, mix_alloc_desc)                                     \
    X(MIX_FREE, MIX_SHRINKS, 0, mix_free)                                                          \
    X(MIX_SPLIT, MIX_KEEPS, SUBJECT_SPLIT, mix_split)                                              \
    X(MIX_LOOKUP, MIX_KEEPS, SUBJECT_LOOKUP, mix_lookup)                                           \
    X(MIX_LOOKUP_ANY, MIX_KEEPS, SUBJECT_LOOKUP, mix_lookup_any)                                   \
    X(MIX_RUN, MIX_KEEPS, SUBJECT_CONTIG, mix_run)                                                 \
    X(MIX_OBJECT_ALLOC, MIX_GROWS, SUBJECT_CACHE, mix_object_alloc)                                \
    X(MIX_OBJECT_BULK, MIX_GROWS, SUBJECT_CACHE, mix_object_bulk)                                  \
    X(MIX_OBJECT_FREE, MIX_SHRINKS, SUBJECT_CACHE, mix_object_free)                                \
    X(MIX_OBJECT_RESERVE, MIX_KEEPS, SUBJECT_CACHE | SUBJECT_RESERVE, mix_object_reserve)          \
    X(MIX_CACHE_CYCLE, MIX_KEEPS, SUBJECT_CACHE, mix_cache_cycle)                                  \
    X(MIX_SHRINK_SUBJECT, MIX_KEEPS, SUBJECT_SHRINK, mix_shrink_subject)

enum mix_operation {
#define X(id, effect, capabilities, function) id,
    MIX_TABLE(X)
#undef X
        MIX_OPERATIONS
};

struct mix {
    uint32_t weights[MIX_OPERATIONS]; /* relative; 0: never */
    order_t order_max;
    uint32_t blocks_max; /* held at a time; up to HOLDINGS_MAX, as the next */
    uint32_t objects_max;
    uint32_t mood_steps_max; /* how long it mostly grows or mostly shrinks; 0: it always grows */
};

/* All zero: holds nothing. */
struct holdings {
    uint32_t blocks_count;
    uint32_t objects_count;
    uint64_t mood_steps; /* left */
    bool shrinks;        /* the mood */
    struct held_block blocks[HOLDINGS_MAX];
    struct held_object objects[HOLDINGS_MAX];
};

/* Does one operation of @mix. Return: false where there was no memory for it. */
bool holdings_step(struct worker *worker, struct holdings *holdings, const struct mix *mix);

/* Frees one random block or object, if any is held. */
void holdings_free_one(struct worker *worker, struct holdings *holdings);

/* Frees all. */
void holdings_drain(struct worker *worker, struct holdings *holdings);

#endif
