/* SPDX-License-Identifier: MIT
 *
 * range_compact.c: taking empty nodes out of the tree, and making one node of two, without a change
 * to any pivot: range_tree.h draws it.
 */
#include "core/range_internal.h"

/* Children of @inner, each counted once. */
static unsigned children_count(const struct range_inner *inner)
{
    unsigned count = 1;
    for (unsigned slot = 1; slot < inner->count; slot++) {
        count += range_inner_child(inner, slot) != range_inner_child(inner, slot - 1) ? 1 : 0;
    }
    return count;
}

void range_lower_root(struct range_tree *tree)
{
    range_word_t root = atomic_word_peek(&tree->root);
    for (unsigned height = range_word_height(root); height > 0; height--) {
        const struct range_inner *inner = &range_word_node(root)->inner;
        if (children_count(inner) > 1) {
            return;
        }
        range_word_t child = range_word_root(range_inner_child(inner, 0), height - 1);
        range_publish(tree, &tree->root, child);
        range_node_retire(tree, root);
        root = child;
    }
}

void range_unhook(struct range_tree *tree, struct range_path *path)
{
    unsigned level = 1;
    tree->events[RANGE_EVENT_UNHOOKED]++;
    for (; level <= path->height; level++) {
        struct range_step *at = &path->steps[level];
        struct range_inner *inner = range_step_inner(at);
        unsigned first = range_group_first(inner, at->slot);
        unsigned last = range_group_last(inner, at->slot);
        bool below = first > 0;
        if (!below && last + 1u == inner->count) {
            continue;
        }
        unsigned heir = below ? first - 1 : last + 1;
        range_publish_group(tree, inner, first, last, range_inner_child(inner, heir),
                            inner->gap[heir]);
        break;
    }
    if (level > path->height) {
        range_publish(tree, &tree->root, 0);
    }
    /* What is below has had no other child. */
    for (unsigned below = 0; below < level; below++) {
        range_node_retire(tree, path->steps[below].word);
    }
    if (level <= path->height) {
        range_merge_sparse(tree, path, level);
    }
}

/* What can be in a merged node: entries of leaves, or children. */
union contents {
    struct range_entry entries[2 * RANGE_NARROW];
    struct range_child children[2 * RANGE_CHILDREN];
};

/* Fills @contents with what the nodes @left, whose span ends at @left_last, and @right have.
 * Return: how much, or 0 where that is too much for one node that has room to grow. */
static unsigned merged_contents(unsigned level, range_word_t left, uint64_t left_last,
                                range_word_t right, uint64_t right_last, union contents *contents)
{
    if (level == 0) {
        unsigned count = (unsigned)(*range_leaf_live(left) + *range_leaf_live(right));
        if (count > RANGE_MERGED_LEAF) {
            return 0;
        }
        unsigned half = range_leaf_read(left, contents->entries);
        range_leaf_read(right, contents->entries + half);
        return range_leaf_fits(contents->entries, count) ? count : 0;
    }
    const struct range_inner *inner = &range_word_node(left)->inner;
    unsigned half = range_inner_read(inner, left_last, contents->children);
    inner = &range_word_node(right)->inner;
    unsigned count = half + range_inner_read(inner, right_last, contents->children + half);
    return count <= RANGE_MERGED_INNER ? count : 0;
}

/* Merges the children in slots @low and @high of @at, neighbours, if they and a spare node are
 * there for it. Return: whether it did. */
static bool merge_pair(struct range_tree *tree, struct range_step *at, unsigned low, unsigned high,
                       unsigned level)
{
    struct range_inner *parent = range_step_inner(at);
    range_word_t left = range_inner_child(parent, low);
    range_word_t right = range_inner_child(parent, high);
    union contents contents;
    uint64_t first;
    uint64_t middle;
    uint64_t last;
    range_child_span(at, low, &first, &middle);
    range_child_span(at, high, &last, &last);
    unsigned count = merged_contents(level, left, middle, right, last, &contents);
    union range_node *node = count > 0 ? range_node_take(tree, false) : NULL;
    if (node == NULL) {
        return false;
    }
    uint16_t gap = parent->gap[low] > parent->gap[high] ? parent->gap[low] : parent->gap[high];
    range_word_t word = level == 0 ? range_leaf_write(node, contents.entries, count)
                                   : range_inner_write(node, level, contents.children, count);
    tree->nodes++;
    tree->events[RANGE_EVENT_MERGED]++;
    low = range_group_first(parent, low);
    range_publish_group(tree, parent, low, range_group_last(parent, high), word, gap);
    range_node_retire(tree, left);
    range_node_retire(tree, right);
    at->slot = low;
    return true;
}

static bool is_sparse(range_word_t word, unsigned level)
{
    return level == 0 ? *range_leaf_live(word) <= RANGE_SPARSE_LEAF
                      : children_count(&range_word_node(word)->inner) <= RANGE_SPARSE_INNER;
}

void range_merge_sparse(struct range_tree *tree, struct range_path *path, unsigned level)
{
    for (; level < path->height && is_sparse(path->steps[level].word, level); level++) {
        struct range_step *at = &path->steps[level + 1];
        const struct range_inner *parent = range_step_inner(at);
        unsigned first = range_group_first(parent, at->slot);
        unsigned last = range_group_last(parent, at->slot);
        bool merged = (first > 0 && merge_pair(tree, at, first - 1, first, level)) ||
                      (last + 1u < parent->count && merge_pair(tree, at, last, last + 1, level));
        if (!merged) {
            break;
        }
    }
    range_lower_root(tree);
}
