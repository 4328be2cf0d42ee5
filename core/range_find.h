/* SPDX-License-Identifier: MIT
 *
 * range_find.h: from a root to a value or a place in a leaf, in builds of the same code: for any
 * machine, with AVX2, and with AVX-512. The number of steps depends on the tree's height alone, and
 * no step branches on keys, so that a CPU works on many lookups at a time.
 */
#ifndef POTAD_CORE_RANGE_FIND_H
#define POTAD_CORE_RANGE_FIND_H

#include "core/range_node.h"

/* The leaf whose span has a key in it, and its last slot that starts at or before that key: -1
 * where none does. */
struct range_place {
    range_word_t leaf;
    int slot;
    uint64_t span_first; /* the leaf's, as far as the path's slots say */
    uint64_t span_last;
};

enum {
    RANGE_HEIGHT_MAX = 24
}; /* inner levels: each takes 7 times as many stores as the one below */

/* A node on the way from the root to a leaf. */
struct range_step {
    range_word_t word;
    unsigned slot; /* of an inner node: the child that the way goes on to */
};

/* steps[0] is the leaf, steps[height] the root. */
struct range_path {
    unsigned height;
    struct range_step steps[RANGE_HEIGHT_MAX + 1];
};

struct range_find {
    const char *name;

    /* The value of the range that @key is in, or 0. Context of both: inside a section of the
     * tree's epoch, or no writer; @root is not 0. */
    uint64_t (*value)(range_word_t root, uint64_t key);
    struct range_place (*place)(range_word_t root, uint64_t key);

    /* The way to the leaf whose span @key is in. Return: its last slot that starts at or before
     * @key, or -1. */
    int (*path)(range_word_t root, uint64_t key, struct range_path *path);
};

extern const struct range_find range_find_portable;

/* With vector instructions: by rank, the best that this CPU has first; NULL: it has no more that
 * this build knows. */
const struct range_find *range_find_vector(unsigned rank);

typedef uint64_t range_inner_slot_fn(const struct range_inner *inner, uint64_t key);
typedef uint64_t range_narrow_slot_fn(const struct range_narrow *narrow, int16_t distance);

/* The distance that stands for @units of a narrow leaf in comparisons. */
static inline int16_t range_narrow_distance(uint64_t units)
{
    return units <= RANGE_NEAR_MAX ? (int16_t)units : (int16_t)RANGE_FAR;
}

/* The slot of the last range of @narrow that starts at or before @key; -1: none does. */
static ALWAYS_INLINE int range_narrow_find(const struct range_narrow *narrow, uint64_t key,
                                           range_narrow_slot_fn *slot_of)
{
    uint64_t units = (key - narrow->base) >> narrow->shift;
    /* Slot 0 starts at distance 0. */
    int slot = (int)slot_of(narrow, range_narrow_distance(units));
    return __builtin_expect(key >= narrow->base, 1) ? slot : -1;
}

/* Asks for all lines of @leaf at once. */
static inline void range_leaf_prefetch(range_word_t leaf)
{
    const char *node = (const char *)range_word_node(leaf);
    __builtin_prefetch(node + CACHE_LINE);
    __builtin_prefetch(node + 2 * CACHE_LINE);
    __builtin_prefetch(node + 3 * CACHE_LINE);
}

static inline int range_wide_find(const struct range_wide *wide, uint64_t key)
{
    int slot = -1;
    for (unsigned i = 0; i < wide->count; i++) {
        slot += wide->first[i] <= key ? 1 : 0;
    }
    return slot;
}

static ALWAYS_INLINE int range_leaf_find(range_word_t leaf, uint64_t key,
                                         range_narrow_slot_fn *slot_of)
{
    const union range_node *node = range_word_node(leaf);
    return range_word_is_wide(leaf) ? range_wide_find(&node->wide, key)
                                    : range_narrow_find(&node->narrow, key, slot_of);
}

/* The leaf's word. Words of inner nodes are addresses: only a leaf's and the root's say more. */
static ALWAYS_INLINE range_word_t range_leaf_of(range_word_t root, uint64_t key,
                                                range_inner_slot_fn *inner_slot)
{
    unsigned level = range_word_height(root);
    range_word_t word = range_word_plain(root);
    for (; level > 0; level--) {
        const struct range_inner *inner = (const struct range_inner *)(uintptr_t)word;
        word = atomic_word_acquire(&inner->child[inner_slot(inner, key)]);
    }
    return word;
}

static ALWAYS_INLINE uint64_t range_value_of(range_word_t root, uint64_t key,
                                             range_inner_slot_fn *inner_slot,
                                             range_narrow_slot_fn *narrow_slot)
{
    range_word_t word = range_leaf_of(root, key, inner_slot);
    if (__builtin_expect(range_word_is_wide(word), 0)) {
        const struct range_wide *wide = &range_word_node(word)->wide;
        int slot = range_wide_find(wide, key);
        return slot >= 0 && key <= wide->last[slot] ? atomic_word_acquire(&wide->value[slot]) : 0;
    }
    const struct range_narrow *narrow = (const struct range_narrow *)(uintptr_t)word;
    range_leaf_prefetch(word);
    uint64_t units = (key - narrow->base) >> narrow->shift;
    uint64_t slot = narrow_slot(narrow, range_narrow_distance(units));
    unsigned outside = key < narrow->base ? 1 : 0;
    outside |= units > (uint64_t)narrow->last[slot] ? 1 : 0;
    return __builtin_expect(outside, 0) ? 0 : atomic_word_acquire(&narrow->value[slot]);
}

static ALWAYS_INLINE int range_path_of(range_word_t root, uint64_t key, struct range_path *path,
                                       range_inner_slot_fn *inner_slot,
                                       range_narrow_slot_fn *narrow_slot)
{
    unsigned level = range_word_height(root);
    range_word_t word = range_word_plain(root);
    path->height = level;
    for (; level > 0; level--) {
        const struct range_inner *inner = &range_word_node(word)->inner;
        unsigned slot = (unsigned)inner_slot(inner, key);
        path->steps[level] = (struct range_step){word, slot};
        word = range_inner_child(inner, slot);
    }
    path->steps[0] = (struct range_step){.word = word};
    range_leaf_prefetch(word);
    return range_leaf_find(word, key, narrow_slot);
}

static ALWAYS_INLINE struct range_place range_place_of(range_word_t root, uint64_t key,
                                                       range_inner_slot_fn *inner_slot,
                                                       range_narrow_slot_fn *narrow_slot)
{
    struct range_place place = {.leaf = root, .span_last = UINT64_MAX};
    for (unsigned level = range_word_height(root); level > 0; level--) {
        const struct range_inner *inner = &range_word_node(place.leaf)->inner;
        unsigned slot = (unsigned)inner_slot(inner, key);
        if (slot > 0) {
            place.span_first = inner->pivot[slot - 1] + 1;
        }
        /* A last child's pivot is the maximum; its span ends where its parent's does. */
        if (slot < RANGE_PIVOTS && inner->pivot[slot] < place.span_last) {
            place.span_last = inner->pivot[slot];
        }
        place.leaf = range_inner_child(inner, slot);
    }
    place.leaf = range_word_plain(place.leaf);
    place.slot = range_leaf_find(place.leaf, key, narrow_slot);
    return place;
}

#endif
