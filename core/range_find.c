/* SPDX-License-Identifier: MIT */
#include "core/range_find.h"

/* Pivots below @key. */
static inline uint64_t inner_slot(const struct range_inner *inner, uint64_t key)
{
    unsigned slot = 0;
#pragma GCC unroll 13
    for (unsigned i = 0; i < RANGE_PIVOTS; i++) {
        slot += inner->pivot[i] < key ? 1 : 0;
    }
    return slot;
}

/* Ranges that start at or before @distance, less one. */
static inline uint64_t narrow_slot(const struct range_narrow *narrow, int16_t distance)
{
    unsigned slot = 0;
#pragma GCC unroll 18
    for (unsigned i = 1; i < RANGE_NARROW; i++) {
        slot += narrow->first[i] <= distance ? 1 : 0;
    }
    return slot;
}

static uint64_t value_portable(range_word_t root, uint64_t key)
{
    return range_value_of(root, key, inner_slot, narrow_slot);
}

static struct range_place place_portable(range_word_t root, uint64_t key)
{
    return range_place_of(root, key, inner_slot, narrow_slot);
}

static int path_portable(range_word_t root, uint64_t key, struct range_path *path)
{
    return range_path_of(root, key, path, inner_slot, narrow_slot);
}

const struct range_find range_find_portable = {
    .name = "portable",
    .value = value_portable,
    .place = place_portable,
    .path = path_portable,
};
