/* SPDX-License-Identifier: MIT
 *
 * range_tree.h: a map from 64-bit keys to words, by ranges that do not overlap (requirement B3): a
 * B+ tree of 256-byte nodes (range_node.h) that readers walk without a lock.
 *
 *                      root | height 2
 *                            │
 *                     [ 99 | 399 | max ]                     pivots: the last key of each child
 *                     /       │       \
 *         [ 39 | 99 ]    [ 230 | ... ]    [ ... ]
 *          /      \
 *   [0-9 a][20-29 b]   [40-49 c][50-99 d]                    leaves: ranges and their values
 *
 * Writing. One writer at a time, under a lock of the caller's. Published nodes do not change but
 * for single words: a store builds new nodes for all that changes and publishes them by writing one
 * word, the pointer to the topmost of them; the replaced ones are retired, and come back when their
 * grace period (epoch.h) has ended. Where only a value changes, that word is written in place.
 *
 * Erasing (requirement A3). Erasing a stored range whole needs no node, ever: its slot's value
 * becomes 0. A node that is empty then is unhooked by writing a neighbour's word into its slots of
 * the parent: a child in adjacent slots spans all of them, and pivots need not change:
 *
 *   [ 39 | 99 | max ]          [ 39 | 99 | max ]          [ 39 | 99 | max ]
 *     A    B    C       B is     A    A    C       A and     N    N    N
 *                     empty now                   C merge
 *
 * In the same way two nodes that are nearly empty become one, where a spare node is at hand: spare
 * nodes are retired ones that came back, kept for the next operations. While a section stays open
 * none comes back, and merging waits for a later erase or store that passes; erasing does not.
 *
 * Memory. Nodes come from a range_source, and go back to it but for RANGE_SPARE_KEEP of them. With
 * range_tree_prepare(), stores that are to come have theirs in hand.
 *
 * Context of all functions, unless they say otherwise: the writer's lock.
 */
#ifndef POTAD_CORE_RANGE_TREE_H
#define POTAD_CORE_RANGE_TREE_H

#include "core/epoch.h"
#include "core/invariant.h"
#include "core/range_find.h"
#include "core/range_node.h"

enum {
    RANGE_SPARE_KEEP = 24,  /* spare nodes that are not given back */
    RANGE_RETIRED_POLL = 8, /* retired nodes at which grace periods are looked at */
    RANGE_STORE_MANY = 64   /* entries that one call stores */
};

/* Where nodes come from. */
struct range_source {
    void *context;

    /* RANGE_NODE_BYTES on a border of as many, or NULL. */
    void *(*take)(void *context);
    void (*give_back)(void *context, void *node);

    /* Called before and after each word that readers see is written. May be NULL; may read the
     * tree. For tests: what a reader on another CPU could do. */
    void (*step)(void *context);
};

/* What the writer's operations came to, since the beginning: paths that tests must have taken.
 * X(id, name) */
#define RANGE_EVENT_TABLE(X)                                                                       \
    X(RANGE_EVENT_IN_PLACE, "value-in-place") /* a store wrote one word, and built nothing */      \
    X(RANGE_EVENT_COPIED, "leaf-copied")      /* a store copied one leaf, with a range more */     \
    X(RANGE_EVENT_SPLIT, "leaf-split")        /* a store left more leaves than it found */         \
    X(RANGE_EVENT_MERGED, "node-merged")      /* sparse neighbours became one node */              \
    X(RANGE_EVENT_UNHOOKED, "node-unhooked")  /* an empty leaf left the tree */                    \
    X(RANGE_EVENT_RETURNED, "node-returned")  /* a grace period ended, and a node came back */

enum range_event {
#define X(id, name) id,
    RANGE_EVENT_TABLE(X)
#undef X
        RANGE_EVENTS
};

struct range_tree {
    atomic_word_t root; /* range_word_t, or 0 */
    const struct range_find *find;
    const struct range_source *source; /* NULL: only spare nodes are there to be used */
    struct epoch_queue retired;
    struct epoch_list spare;
    uint64_t prepared;   /* stores that cannot fail */
    uint64_t store_need; /* spare nodes kept for each of these */
    uint64_t floor;      /* spare nodes that merging leaves alone; the owner's to set */
    uint64_t nodes;      /* in the tree */
    uint64_t ranges;
    uint64_t events[RANGE_EVENTS];
};

/* Makes an empty tree, whose readers have sections of @epoch. @source may be NULL. Uses vector
 * instructions where there are any. */
void range_tree_init(struct range_tree *tree, struct epoch *epoch,
                     const struct range_source *source);

/* Empties the tree: its nodes are retired. */
void range_tree_empty(struct range_tree *tree);

/* Makes all retired nodes spare ones. Context: no section is open that began before the last was
 * retired. */
void range_tree_drain(struct range_tree *tree);

/* Empties the tree and gives all nodes to @source. Context: no section is open. */
void range_tree_destroy(struct range_tree *tree);

/* Stores @value (not 0) for all keys from @first to @last, both included; what was stored there is
 * overwritten, ranges that stick out are cut. Readers see all of it or nothing.
 * Return: OK; INVALID for first > last or value 0; NO_MEMORY with the tree as it was. */
enum status range_tree_store(struct range_tree *tree, uint64_t first, uint64_t last, uint64_t value)
    __attribute__((warn_unused_result));

/* The same, but EXISTS with the tree as it was where any of the keys has a value. */
enum status range_tree_store_empty(struct range_tree *tree, uint64_t first, uint64_t last,
                                   uint64_t value) __attribute__((warn_unused_result));

/* Replaces all that is stored from @first to @last by @count (1 to RANGE_STORE_MANY) entries
 * inside, sorted and apart. Readers see all of it or nothing. Return: as range_tree_store(). */
enum status range_tree_store_many(struct range_tree *tree, uint64_t first, uint64_t last,
                                  const struct range_entry *entries, unsigned count)
    __attribute__((warn_unused_result));

/* Erases the whole range that @key is in. Never fails, never needs a node (requirement A3).
 * Return: whether there was one; @erased, if not NULL, says which. */
bool range_tree_erase(struct range_tree *tree, uint64_t key, struct range_entry *erased);

/* Erases from @first to @last; ranges that stick out are cut. Where none does, as
 * range_tree_erase() of each. Return: OK; INVALID for first > last; NO_MEMORY with the tree as it
 * was, which can only be where a range is cut. */
enum status range_tree_clear(struct range_tree *tree, uint64_t first, uint64_t last)
    __attribute__((warn_unused_result));

/* Builds the tree, which is empty, from @count sorted entries, with full nodes.
 * Return: OK; INVALID where entries are not sorted, apart, and with values; BUSY where the tree is
 * not empty; NO_MEMORY with the tree empty. */
enum status range_tree_build(struct range_tree *tree, const struct range_entry *entries,
                             uint64_t count) __attribute__((warn_unused_result));

/* Holds what @stores more calls of range_tree_store(), range_tree_store_empty() or
 * range_tree_clear() need at most, so that they cannot fail; 0 lets go of it. Calls that succeed
 * count down. Return: OK, or NO_MEMORY with no more held than before. */
enum status range_tree_prepare(struct range_tree *tree, uint64_t stores)
    __attribute__((warn_unused_result));

/* Merges all sparse nodes that have a neighbour to merge with, as far as spare nodes above the
 * floor last; erasing does so only where it passes. Context: sections may be open. Cost: as the
 * number of nodes, as often as that merges any. */
void range_tree_compact(struct range_tree *tree);

/* Gives spare nodes back, but for those that are reserved. */
void range_tree_trim(struct range_tree *tree);

/* The value that @key has, or 0. Context: a section of the epoch, or the writer's lock. */
static inline uint64_t range_tree_value(const struct range_tree *tree, uint64_t key)
{
    range_word_t root = atomic_word_acquire(&tree->root);
    return root == 0 ? 0 : tree->find->value(root, key);
}

/* The range that @key is in; the first one that ends at or behind @key; the last one that starts at
 * or before @key. Return: whether there is one. Beside a writer: it was there during the call, and
 * none between it and @key was there all the time.
 * Context of all: a section of the epoch, or the writer's lock. */
bool range_tree_load(const struct range_tree *tree, uint64_t key, struct range_entry *entry);
bool range_tree_next(const struct range_tree *tree, uint64_t key, struct range_entry *entry);
bool range_tree_prev(const struct range_tree *tree, uint64_t key, struct range_entry *entry);

/* Visits the stored ranges from @from on, in order. The body may break, and may change the tree
 * behind @entry. Context: as range_tree_next(). */
#define range_tree_for_each(tree, from, entry)                                                     \
    for (bool more_ = range_tree_next((tree), (from), (entry)); more_;                             \
         more_ =                                                                                   \
             (entry)->last != UINT64_MAX && range_tree_next((tree), (entry)->last + 1, (entry)))

struct range_gap_request {
    uint64_t first; /* the gap is to lie in these keys */
    uint64_t last;
    uint64_t size;  /* keys, from 1 */
    uint64_t align; /* the gap's first key is a multiple of it: a power of two */
    bool from_above;
};

/* Finds the lowest, or from above the highest, place of @request without any value in it.
 * Return: OK and *@found, its first key; NOT_FOUND; INVALID for limits the wrong way round, a size
 * of 0, an alignment that is no power of two. Cost: as the height, and the gaps that are as large
 * as the one found, but not aligned. */
enum status range_tree_gap(const struct range_tree *tree, const struct range_gap_request *request,
                           uint64_t *found) __attribute__((warn_unused_result));

/* Nodes that storing @count entries in one call needs at most, in a tree of @height inner levels:
 * see range_splice.c. */
uint64_t range_store_many_nodes(unsigned height, unsigned count);

/* Has @count spare nodes at hand, from the source if there is one. Return: whether it has; if not,
 * what it took is back. */
bool range_nodes_ready(struct range_tree *tree, uint64_t count);

/* Makes @node, RANGE_NODE_BYTES on a border of as many, a spare one: for owners of trees without a
 * source. */
void range_node_put(struct range_tree *tree, void *node);

/* Inner levels of a tree of @height at most, after @stores more stores. */
unsigned range_height_after(unsigned height, uint64_t stores);

/* Has the nodes for which @leaves says so leave the tree, as far as other spare nodes go but for
 * @keep of them: what is in them moves. Context: sections may be open; what they hold back leaves
 * at a later call. Return: nodes that have left, as many as leave @keep spare ones. Cost: as the
 * number of nodes. */
struct epoch_list range_tree_evacuate(struct range_tree *tree, uint64_t keep,
                                      bool (*leaves)(void *context, const void *node),
                                      void *context);

/* The node that a link of range_tree_evacuate() belongs to. */
static inline void *range_node_of_link(struct epoch_link *link)
{
    return (char *)link - RANGE_LINK_AT;
}

/* All nodes that the tree has, for whatever: what it costs in memory. */
static inline uint64_t range_tree_nodes(const struct range_tree *tree)
{
    return tree->nodes + tree->spare.count + tree->retired.fresh.count +
           tree->retired.waiting.count;
}

/* Inner levels. */
static inline unsigned range_tree_height(const struct range_tree *tree)
{
    return range_word_height(atomic_word_peek(&tree->root));
}

/* Checks I12 to I15. Return: whether all hold; if not, @violation says which does not, with the key
 * in pfn. */
bool range_tree_validate(const struct range_tree *tree, struct violation *violation);

#endif
