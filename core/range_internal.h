/* SPDX-License-Identifier: MIT
 *
 * range_internal.h: what the files of the range tree share.
 */
#ifndef POTAD_CORE_RANGE_INTERNAL_H
#define POTAD_CORE_RANGE_INTERNAL_H

#include "core/range_tree.h"

/* A node and its span, for walks over the tree. */
struct range_extent {
    range_word_t word;
    uint64_t first;
    uint64_t last;
};

/* The child in @slot of the inner node @node; adjacent slots with the same child count as one. */
struct range_extent range_extent_child(const struct range_extent *node, unsigned slot);

/* Finds the way to the leaf whose span @key is in. Context: the tree is not empty. Return: the
 * leaf's last slot that starts at or before @key, or -1. */
static inline int range_path_find(const struct range_tree *tree, uint64_t key,
                                  struct range_path *path)
{
    return tree->find->path(atomic_word_peek(&tree->root), key, path);
}

static inline struct range_inner *range_step_inner(const struct range_step *step)
{
    return &range_word_node(step->word)->inner;
}

/* The first and the last key of the span of the node of @path at @level. */
uint64_t range_path_first(const struct range_path *path, unsigned level);
uint64_t range_path_last(const struct range_path *path, unsigned level);

/* The node of @path at @level with its span. */
struct range_extent range_path_extent(const struct range_path *path, unsigned level);

/* Whether no slot of @leaf behind @slot has a value. */
bool range_leaf_is_last(range_word_t leaf, unsigned slot);

/* Makes spare nodes of those that no reader can see any more. */
void range_poll_retired(struct range_tree *tree);

/* Keeps what is prepared, before a call that is not: one that needs @nodes, and may leave a tree of
 * @height inner levels. Return: whether there was memory. */
bool range_prepared_keep(struct range_tree *tree, unsigned height, uint64_t nodes)
    __attribute__((warn_unused_result));

/* A spare node. @reserved: those kept for prepared stores may be used. Return: NULL where there is
 * none. Never allocates. */
union range_node *range_node_take(struct range_tree *tree, bool reserved);

/* Gives @count spare nodes to the source that they were taken from. */
void range_nodes_give_back(struct range_tree *tree, uint64_t count);

/* Takes note that the node of @word is not in the tree any more. */
void range_node_retire(struct range_tree *tree, range_word_t word);

/* Looks at grace periods, and gives back what need not be kept: ends each operation that has
 * retired anything. */
void range_tree_settle(struct range_tree *tree);

/* Writes a word that readers see. */
void range_publish(const struct range_tree *tree, atomic_word_t *at, range_word_t word);

/* Writes @word into the slots from @first to @last of @inner, and its gap code. */
void range_publish_group(const struct range_tree *tree, struct range_inner *inner, unsigned first,
                         unsigned last, range_word_t word, uint16_t gap);

/* At this many ranges or children or fewer a node is sparse, and is to become one with a neighbour;
 * the result may have so many. */
enum {
    RANGE_SPARSE_LEAF = RANGE_NARROW / 3,
    RANGE_MERGED_LEAF = RANGE_NARROW - 3,
    RANGE_SPARSE_INNER = RANGE_CHILDREN / 3,
    RANGE_MERGED_INNER = RANGE_CHILDREN - 2
};

/* range_compact.c: takes the empty leaf of @path out of the tree. */
void range_unhook(struct range_tree *tree, struct range_path *path);

/* Merges the node of @path at @level with a neighbour where it is sparse, then those above it, as
 * far as spare nodes last. Return: whether any were merged. */
bool range_merge_sparse(struct range_tree *tree, struct range_path *path, unsigned level);

/* Makes the root's only child the root, as long as it has but one. */
void range_lower_root(struct range_tree *tree);

/* range_splice.c: replaces all that is stored from @first to @last by @count (at most
 * RANGE_STORE_MANY) entries inside, sorted and apart. Context: of these, or of the ranges that the
 * first and the last key lie in, something remains. Return: OK, or NO_MEMORY with the tree as it
 * was. */
enum status range_splice(struct range_tree *tree, uint64_t first, uint64_t last,
                         const struct range_entry *entries, unsigned count)
    __attribute__((warn_unused_result));

/* range_store.c: whether @entries are sorted, apart, with values, and from @first to @last. */
bool range_entries_are_valid(const struct range_entry *entries, uint64_t count, uint64_t first,
                             uint64_t last);

/* Retires the subtree of @word, a node at @level: its ranges are not counted any more. */
void range_retire_below(struct range_tree *tree, range_word_t word, unsigned level);

/* range_gap.c: the code of the gap from @first to @last: grows with the gap; no gap has code 0. */
uint16_t range_gap_code(uint64_t first, uint64_t last);

/* The largest code of gaps that count for a leaf of @count (> 0) entries and the span from @first
 * to @last. */
uint16_t range_gap_of_entries(const struct range_tree *tree, const struct range_entry *entries,
                              unsigned count, uint64_t first, uint64_t last);

/* The largest code in @inner. */
uint16_t range_gap_of_inner(const struct range_inner *inner);

/* Brings the codes of the leaf that @key is in, and of the nodes above it, up to date. */
void range_gap_refresh(struct range_tree *tree, uint64_t key);

/* Sets the code of the node of @path at @level, and those that follow from it above. */
void range_gap_set(const struct range_path *path, unsigned level, uint16_t code);

/* Does so for the leaf of @path, in whose @slot a value was stored or erased. */
void range_gap_filled(const struct range_tree *tree, const struct range_path *path, unsigned slot);
void range_gap_erased(const struct range_tree *tree, const struct range_path *path, unsigned slot);

#endif
