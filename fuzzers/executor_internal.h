/* SPDX-License-Identifier: MIT
 *
 * executor_internal.h: what the files of the executor share.
 */
#ifndef POTAD_FUZZERS_EXECUTOR_INTERNAL_H
#define POTAD_FUZZERS_EXECUTOR_INTERNAL_H

#include "fuzzers/executor.h"

/* The first slot at or after @from, around the end, that is used or is not. Context: there is. */
uint32_t slot_find(const struct slot_map *map, uint32_t from, bool used);
void slot_set(struct slot_map *map, uint32_t slot, bool used);

static inline uint32_t slots_left(const struct slot_map *map)
{
    return map->slots - map->count;
}

/* Takes @count free slots, from the one after @from on. Return: false where there are fewer. */
bool slots_take(struct slot_map *map, uint32_t from, uint32_t count, uint32_t *taken);
void slots_give(struct slot_map *map, const uint32_t *taken, uint32_t count);

/* The first of @count things at or after @from, around the end, that is used or is not;
 * @first_used: that field of the first of them, @stride bytes from that of the next. Return: @count
 * where there is none. */
static inline uint32_t ring_find(const bool *first_used, size_t stride, uint32_t count,
                                 uint32_t from, bool used)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = (from + i) % count;
        if (*(const bool *)((const char *)first_used + index * stride) == used) {
            return index;
        }
    }
    return count;
}

/* Runs @op, one of those on spaces. */
void executor_run_space(struct executor *executor, const struct case_op *op);

/* Frees all blocks of spaces, and removes these. */
void executor_tear_down_spaces(struct executor *executor);

/* Runs @op, one of those on a map by ranges, which is made where there is none. */
void executor_run_range(struct harness *harness, const struct case_op *op);

#endif
