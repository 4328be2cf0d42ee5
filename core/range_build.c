/* SPDX-License-Identifier: MIT
 *
 * range_build.c: a tree of full nodes from sorted entries, in one pass: on each level one node's
 * children are gathered until they fill it.
 */
#include "core/range_internal.h"

/* The children of the node that is being filled, one level after the other. */
struct range_builder {
    struct range_tree *tree;
    uint64_t taken; /* nodes from the source */
    unsigned counts[RANGE_HEIGHT_MAX + 1];
    struct range_child children[RANGE_HEIGHT_MAX + 1][RANGE_CHILDREN];
};

/* How many of the @count first entries fill a leaf. */
static unsigned leaf_fill(const struct range_entry *entries, uint64_t count)
{
    unsigned size = count < RANGE_NARROW ? (unsigned)count : RANGE_NARROW;
    while (!range_leaf_fits(entries, size)) {
        size--;
    }
    return size;
}

/* A node, or NULL. */
static union range_node *build_node(struct range_builder *builder)
{
    struct range_tree *tree = builder->tree;
    union range_node *node = range_node_take(tree, false);
    if (node == NULL && tree->source != NULL) {
        node = tree->source->take(tree->source->context);
        builder->taken += node != NULL ? 1 : 0;
    }
    tree->nodes += node != NULL ? 1 : 0;
    return node;
}

/* Makes the children gathered at @level one node, a child of the level above. */
static bool build_close(struct range_builder *builder, unsigned level)
{
    unsigned count = builder->counts[level];
    union range_node *node = build_node(builder);
    if (node == NULL) {
        return false;
    }
    const struct range_child *children = builder->children[level];
    struct range_child made = {
        .word = range_inner_write(node, level, children, count),
        .pivot = children[count - 1].pivot,
        .gap = range_gap_of_inner(&node->inner),
    };
    builder->counts[level] = 0;
    builder->children[level + 1][builder->counts[level + 1]++] = made;
    return true;
}

/* Closes the nodes that are full from @level on, so that it takes one more child. */
static bool build_room(struct range_builder *builder, unsigned level)
{
    unsigned above = level;
    while (builder->counts[above] == RANGE_CHILDREN) {
        above++;
    }
    while (above-- > level) {
        if (!build_close(builder, above)) {
            return false;
        }
    }
    return true;
}

static bool build_add(struct range_builder *builder, struct range_child leaf)
{
    bool room = build_room(builder, 1);
    if (room) {
        builder->children[1][builder->counts[1]++] = leaf;
    }
    return room;
}

/* Closes what is open, up to the root. Return: its word, or 0 where there is no memory. */
static range_word_t build_root(struct range_builder *builder)
{
    unsigned level = 1;
    for (;; level++) {
        bool only = builder->counts[level] == 1;
        for (unsigned above = level + 1; only && above <= RANGE_HEIGHT_MAX; above++) {
            only = builder->counts[above] == 0;
        }
        if (only) {
            return range_word_root(builder->children[level][0].word, level - 1);
        }
        /* Each level has a child: the first one a leaf, those above the node closed just now. */
        if (!(build_room(builder, level + 1) && build_close(builder, level))) {
            return 0;
        }
    }
}

static void discard(struct range_tree *tree, range_word_t word, unsigned level)
{
    struct range_child children[RANGE_CHILDREN];
    unsigned count = 0;
    if (level > 0) {
        count = range_inner_read(&range_word_node(word)->inner, UINT64_MAX, children);
    }
    for (unsigned i = 0; i < count; i++) {
        discard(tree, children[i].word, level - 1);
    }
    tree->nodes--;
    range_node_put(tree, range_word_node(word));
}

/* Takes all nodes made so far apart, and gives back those that were taken. */
static void build_undo(struct range_builder *builder)
{
    for (unsigned level = 1; level <= RANGE_HEIGHT_MAX; level++) {
        for (unsigned i = 0; i < builder->counts[level]; i++) {
            discard(builder->tree, builder->children[level][i].word, level - 1);
        }
    }
    range_nodes_give_back(builder->tree, builder->taken);
}

/* Makes the next leaf of @entries. Return: how many it holds; 0: no memory. */
static unsigned build_leaf(struct range_builder *builder, const struct range_entry *entries,
                           uint64_t count, uint64_t first)
{
    union range_node *node = build_node(builder);
    if (node == NULL) {
        return 0;
    }
    unsigned size = leaf_fill(entries, count);
    uint64_t last = size < count ? entries[size].first - 1 : UINT64_MAX;
    range_word_t word = range_leaf_write(node, entries, size);
    uint16_t gap = range_gap_of_entries(builder->tree, entries, size, first, last);
    if (build_add(builder, (struct range_child){word, last, gap})) {
        return size;
    }
    builder->tree->nodes--;
    range_node_put(builder->tree, node);
    return 0;
}

enum status range_tree_build(struct range_tree *tree, const struct range_entry *entries,
                             uint64_t count)
{
    struct range_builder builder = {.tree = tree};
    uint64_t done = 0;
    if (atomic_word_peek(&tree->root) != 0) {
        return STATUS_BUSY;
    }
    if (!range_entries_are_valid(entries, count, 0, UINT64_MAX)) {
        return STATUS_INVALID;
    }
    while (done < count) {
        /* A span begins where the one before ends: no leaf has a gap before its first range. */
        uint64_t first = done == 0 ? 0 : entries[done].first;
        unsigned size = build_leaf(&builder, entries + done, count - done, first);
        if (size == 0) {
            build_undo(&builder);
            return STATUS_NO_MEMORY;
        }
        done += size;
    }
    range_word_t root = count == 0 ? 0 : build_root(&builder);
    if ((count > 0 && root == 0) || !range_prepared_keep(tree, range_word_height(root), 0)) {
        build_undo(&builder);
        return STATUS_NO_MEMORY;
    }
    range_publish(tree, &tree->root, root);
    tree->ranges = count;
    return STATUS_OK;
}
