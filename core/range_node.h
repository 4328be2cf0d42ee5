/* SPDX-License-Identifier: MIT
 *
 * range_node.h: the nodes of a range tree: 256 bytes on a 256-byte border, in the order of cache
 * lines. range_tree.h says what they are for.
 *
 *  inner      0                       64          104 112                   128     224    252
 *            +------------------------+------------+--+---------------------+--------+------+--+
 *            | pivot[0] ...           ... pivot[12]|# | child[0] ...     child[13]   | gap  |  |
 *            +------------------------+------------+--+---------------------+--------+------+--+
 *  Child i holds what lies in (pivot[i - 1], pivot[i]]. Pivots behind the last child's are the
 *  maximum, and so is the last child's own: a key is never above it. Adjacent slots may hold the
 *  same child: its span is theirs together (see range_tree.h, "Erasing").
 *
 *  narrow     0      8    16            54            92 96                        248
 *  leaf      +------+----+-------------+-------------+--+-------------------------+------+
 *            | base | #  | first[0..18]| last[0..18] |  | value[0] ...  value[18] | link |
 *            +------+----+-------------+-------------+--+-------------------------+------+
 *  16-bit distances from base, in units of 2^shift: all first keys, and all keys behind last ones,
 *  lie on multiples of 2^shift from base. base is the first key of slot 0.
 *
 *  wide       0    8                  88                 168                248
 *  leaf      +----+------------------+------------------+------------------+------+
 *            | #  | first[0..9]      | last[0..9]       | value[0..9]      | link |
 *            +----+------------------+------------------+------------------+------+
 *  Whole keys, where distances do not fit.
 *
 * Readers read pivots, keys and base of a published node as plain memory: they are never written
 * again. Children and values are atomic words: a writer may replace a child, or empty a slot
 * (value 0) or fill it again, in place. All else is the writer's alone: #, the counts; gap, for
 * each child the largest gap (see range_gap.c); link, once the node is retired or spare.
 */
#ifndef POTAD_CORE_RANGE_NODE_H
#define POTAD_CORE_RANGE_NODE_H

#include "core/epoch.h"

enum {
    RANGE_NODE_BYTES = 256,
    RANGE_CHILDREN = 14,
    RANGE_PIVOTS = RANGE_CHILDREN - 1,
    RANGE_NARROW = 19, /* slots of a narrow leaf */
    RANGE_WIDE = 10,   /* slots of a wide leaf */
    RANGE_LINK_AT = 248
};

/* Distances in narrow leaves: the largest one used, what a key behind all of them is taken for,
 * and what unused slots have. */
enum { RANGE_NEAR_MAX = 0x7ffd, RANGE_FAR = 0x7ffe, RANGE_UNUSED = 0x7fff };

struct range_inner {
    uint64_t pivot[RANGE_PIVOTS];
    uint8_t count; /* slots in use, from 1 */
    uint8_t level; /* 1 above leaves */
    uint8_t unused[6];
    atomic_word_t child[RANGE_CHILDREN];
    uint16_t gap[RANGE_CHILDREN];
    uint8_t unused_too[4];
};

struct range_narrow {
    uint64_t base;
    uint8_t shift;
    uint8_t count; /* slots in use */
    uint8_t live;  /* of these with a value */
    uint8_t unused[5];
    int16_t first[RANGE_NARROW];
    int16_t last[RANGE_NARROW];
    atomic_word_t value[RANGE_NARROW];
};

struct range_wide {
    uint8_t unused;
    uint8_t count;
    uint8_t live;
    uint8_t unused_too[5];
    uint64_t first[RANGE_WIDE];
    uint64_t last[RANGE_WIDE];
    atomic_word_t value[RANGE_WIDE];
};

union range_node {
    struct range_inner inner;
    struct range_narrow narrow;
    struct range_wide wide;
    struct {
        unsigned char content[RANGE_LINK_AT];
        struct epoch_link link;
    } retired;
};

_Static_assert(sizeof(union range_node) == RANGE_NODE_BYTES, "four cache lines");
_Static_assert(sizeof(struct range_narrow) <= RANGE_LINK_AT,
               "readers of a retired node still read");
_Static_assert(sizeof(struct range_wide) <= RANGE_LINK_AT, "readers of a retired node still read");
_Static_assert(offsetof(struct range_inner, gap) + 12 * sizeof(uint16_t) <= RANGE_LINK_AT,
               "of an inner node, the link overlays gaps");

/* A stored range: all keys from first to last, both included. */
struct range_entry {
    uint64_t first;
    uint64_t last;
    uint64_t value; /* not 0 */
};

/* A node's address, with what readers must know before they look at it in the bits below:
 *
 *  63                              8 7    6      1   0
 * +---------------------------------+---+--------+------+
 * | node address                    | 0 | height | wide |     height: in the root's word only
 * +---------------------------------+---+--------+------+
 */
typedef uint64_t range_word_t;

enum { RANGE_WORD_WIDE = 1, RANGE_WORD_HEIGHT_SHIFT = 1, RANGE_WORD_HEIGHT_MASK = 0x3f };

static inline union range_node *range_word_node(range_word_t word)
{
    return (union range_node *)(uintptr_t)(word & ~(uint64_t)(RANGE_NODE_BYTES - 1));
}

static inline bool range_word_is_wide(range_word_t word)
{
    return (word & RANGE_WORD_WIDE) != 0;
}

/* Inner levels below the root's word. */
static inline unsigned range_word_height(range_word_t root)
{
    return (unsigned)(root >> RANGE_WORD_HEIGHT_SHIFT) & RANGE_WORD_HEIGHT_MASK;
}

static inline range_word_t range_word_root(range_word_t word, unsigned height)
{
    return word | (uint64_t)height << RANGE_WORD_HEIGHT_SHIFT;
}

/* The word without the height: as a parent would hold it. */
static inline range_word_t range_word_plain(range_word_t root)
{
    return root & ~((uint64_t)RANGE_WORD_HEIGHT_MASK << RANGE_WORD_HEIGHT_SHIFT);
}

static inline uint8_t *range_leaf_live(range_word_t leaf)
{
    union range_node *node = range_word_node(leaf);
    return range_word_is_wide(leaf) ? &node->wide.live : &node->narrow.live;
}

static inline unsigned range_leaf_count(range_word_t leaf)
{
    const union range_node *node = range_word_node(leaf);
    return range_word_is_wide(leaf) ? node->wide.count : node->narrow.count;
}

static inline atomic_word_t *range_leaf_value(range_word_t leaf, unsigned slot)
{
    union range_node *node = range_word_node(leaf);
    return range_word_is_wide(leaf) ? &node->wide.value[slot] : &node->narrow.value[slot];
}

/* Slot @slot of @leaf; its value is 0 where it is empty. */
static inline struct range_entry range_leaf_entry(range_word_t leaf, unsigned slot)
{
    const union range_node *node = range_word_node(leaf);
    if (range_word_is_wide(leaf)) {
        const struct range_wide *wide = &node->wide;
        return (struct range_entry){wide->first[slot], wide->last[slot],
                                    atomic_word_acquire(&wide->value[slot])};
    }
    const struct range_narrow *narrow = &node->narrow;
    uint64_t unit = (uint64_t)1 << narrow->shift;
    return (struct range_entry){
        narrow->base + ((uint64_t)narrow->first[slot] << narrow->shift),
        narrow->base + ((uint64_t)narrow->last[slot] << narrow->shift) + (unit - 1),
        atomic_word_acquire(&narrow->value[slot]),
    };
}

/* Whether @count (> 0) sorted entries fit one leaf, of either kind. */
bool range_leaf_fits(const struct range_entry *entries, unsigned count);

/* Makes @node a leaf of @count entries that fit. Return: its word. */
range_word_t range_leaf_write(union range_node *node, const struct range_entry *entries,
                              unsigned count);

/* Copies the entries of @leaf that have a value. Return: how many. */
unsigned range_leaf_read(range_word_t leaf, struct range_entry *entries);

/* A child as its parent holds it. */
struct range_child {
    range_word_t word;
    uint64_t pivot; /* the last key of its span */
    uint16_t gap;
};

/* Makes @node an inner node of 1 to RANGE_CHILDREN children at @level. Return: its word. */
range_word_t range_inner_write(union range_node *node, unsigned level,
                               const struct range_child *children, unsigned count);

/* Copies the children of @inner, each once, for a span that ends at @last. Return: how many. */
unsigned range_inner_read(const struct range_inner *inner, uint64_t last,
                          struct range_child *children);

static inline range_word_t range_inner_child(const struct range_inner *inner, unsigned slot)
{
    return atomic_word_acquire(&inner->child[slot]);
}

/* The first and the last of the adjacent slots that hold the child of @slot. */
unsigned range_group_first(const struct range_inner *inner, unsigned slot);
unsigned range_group_last(const struct range_inner *inner, unsigned slot);

#endif
