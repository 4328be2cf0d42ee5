/* SPDX-License-Identifier: MIT
 *
 * space_model.h: which units of a space are free, as sorted runs: no code shared with core/.
 *
 *   free runs       |3 4 5 6 7|     |10 11 12|            as long as can be
 *   free blocks     |3|4 5 6 7|     |10 11|12|            each run cut into the largest aligned
 * ones
 *
 * Where blocks coalesce as far as they can, the free blocks are just these.
 */
#ifndef POTAD_FUZZERS_SPACE_MODEL_H
#define POTAD_FUZZERS_SPACE_MODEL_H

#include "core/types.h"

/* Units from first to last, both included, so that any number can be in one. */
struct space_run {
    uint64_t first;
    uint64_t last;
};

struct space_runs {
    struct space_run *runs; /* ascending; no two touch */
    uint64_t count;
    uint64_t capacity;
};

struct space_model {
    struct space_runs units; /* that exist */
    struct space_runs free;
    uint64_t blocks[ORDERS]; /* free ones */
};

/* A free block. */
struct space_model_block {
    uint64_t unit;
    order_t order;
};

/* Makes a space without units. Context: @model is zeroed, or was used before. */
void space_model_reset(struct space_model *model);
void space_model_free(struct space_model *model);

/* Adds free units behind all that there are. Context: not empty. */
void space_model_add(struct space_model *model, uint64_t first, uint64_t last);

bool space_model_exists(const struct space_model *model, uint64_t unit);

/* Whether all units from @first to @last are free. */
bool space_model_is_free(const struct space_model *model, uint64_t first, uint64_t last);

/* Whether @units in a row, more than 0, are free inside @limits, from a multiple of 2^@align on: of
 * each run of free units, the first such place is tried. */
bool space_model_has_run(const struct space_model *model, uint64_t units, order_t align,
                         struct space_run limits);

/* Marks units that are free as allocated, and back. */
void space_model_allocate(struct space_model *model, uint64_t first, uint64_t last);
void space_model_release(struct space_model *model, uint64_t first, uint64_t last);

/* The free block that free @unit is in. */
struct space_model_block space_model_block_at(const struct space_model *model, uint64_t unit);

/* The smallest order at or above @order that has a free block, or ORDERS. */
order_t space_model_smallest(const struct space_model *model, order_t order);

/* Free blocks of all orders. */
uint64_t space_model_blocks(const struct space_model *model);

#endif
