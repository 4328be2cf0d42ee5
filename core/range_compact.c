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
        (void)range_merge_sparse(tree, path, level);
    }
}

/* What can be in a merged node: entries of leaves, or children. */
union contents {
    struct range_entry entries[2 * RANGE_NARROW];
    struct range_child children[2 * RANGE_CHILDREN];
};

/* Fills @contents with what the nodes @left and @right at @level have. Return: how much, or 0 where
 * that is too much for one node that has room to grow. */
static unsigned merged_contents(unsigned level, const struct range_extent *left,
                                const struct range_extent *right, union contents *contents)
{
    if (level == 0) {
        unsigned count = (unsigned)(*range_leaf_live(left->word) + *range_leaf_live(right->word));
        if (count > RANGE_MERGED_LEAF) {
            return 0;
        }
        unsigned half = range_leaf_read(left->word, contents->entries);
        range_leaf_read(right->word, contents->entries + half);
        return range_leaf_fits(contents->entries, count) ? count : 0;
    }
    const struct range_inner *inner = &range_word_node(left->word)->inner;
    unsigned half = range_inner_read(inner, left->last, contents->children);
    inner = &range_word_node(right->word)->inner;
    unsigned count = half + range_inner_read(inner, right->last, contents->children + half);
    return count <= RANGE_MERGED_INNER ? count : 0;
}

/* Merges the nodes at @level in slots @low and @high of the one of @path above, neighbours, if they
 * and a spare node are there for it. Return: whether it did. */
static bool merge_pair(struct range_tree *tree, struct range_path *path, unsigned low,
                       unsigned high, unsigned level)
{
    struct range_step *at = &path->steps[level + 1];
    struct range_inner *parent = range_step_inner(at);
    struct range_extent above = range_path_extent(path, level + 1);
    struct range_extent left = range_extent_child(&above, low);
    struct range_extent right = range_extent_child(&above, high);
    union contents contents;
    unsigned count = merged_contents(level, &left, &right, &contents);
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
    range_node_retire(tree, left.word);
    range_node_retire(tree, right.word);
    at->slot = low;
    return true;
}

static bool is_sparse(range_word_t word, unsigned level)
{
    return level == 0 ? *range_leaf_live(word) <= RANGE_SPARSE_LEAF
                      : children_count(&range_word_node(word)->inner) <= RANGE_SPARSE_INNER;
}

bool range_merge_sparse(struct range_tree *tree, struct range_path *path, unsigned level)
{
    bool any = false;
    for (; level < path->height && is_sparse(path->steps[level].word, level); level++) {
        const struct range_step *at = &path->steps[level + 1];
        const struct range_inner *parent = range_step_inner(at);
        unsigned first = range_group_first(parent, at->slot);
        unsigned last = range_group_last(parent, at->slot);
        /* Where it has no neighbour, the parent is sparse, too, and may get one for it. */
        any = (first > 0 && merge_pair(tree, path, first - 1, first, level)) ||
              (last + 1u < parent->count && merge_pair(tree, path, last, last + 1, level)) || any;
    }
    range_lower_root(tree);
    return any;
}

void range_tree_compact(struct range_tree *tree)
{
    bool again = atomic_word_peek(&tree->root) != 0;
    while (again) {
        struct range_path path;
        uint64_t last = 0;
        again = false;
        for (uint64_t key = 0; last != UINT64_MAX; key = last + 1) {
            (void)range_path_find(tree, key, &path);
            last = range_path_last(&path, 0);
            again = range_merge_sparse(tree, &path, 0) || again;
        }
    }
    range_tree_settle(tree);
}

/* Nodes that are to be empty, and others to move to. */
struct evacuation {
    struct range_tree *tree;
    bool (*leaves)(void *context, const void *node);
    void *context;
    uint64_t keep;
    struct epoch_list going; /* spare nodes that are to leave */
};

/* Sorts the spare nodes that are to leave out. */
static void sort_spare(struct evacuation *evacuation)
{
    struct range_tree *tree = evacuation->tree;
    struct epoch_list staying = {0};
    range_poll_retired(tree);
    while (tree->spare.count > 0) {
        struct epoch_link *link = epoch_list_pop(&tree->spare);
        bool leaves = evacuation->leaves(evacuation->context, range_node_of_link(link));
        epoch_list_push(leaves ? &evacuation->going : &staying, link);
    }
    tree->spare = staying;
}

/* Moves the contents of the node of @word to a spare node. Return: its word, or @word itself where
 * the node may stay, or there is none to move to. */
static range_word_t move_node(struct evacuation *evacuation, range_word_t word)
{
    struct range_tree *tree = evacuation->tree;
    union range_node *from = range_word_node(word);
    if (tree->spare.count <= evacuation->keep || !evacuation->leaves(evacuation->context, from)) {
        return word;
    }
    union range_node *to = range_node_of_link(epoch_list_pop(&tree->spare));
    __builtin_memcpy(to, from, sizeof(*to));
    return (uint64_t)(uintptr_t)to | (word & (RANGE_NODE_BYTES - 1));
}

/* Moves all nodes below @inner, a node at @level. */
static void move_below(struct evacuation *evacuation, struct range_inner *inner, unsigned level)
{
    struct range_tree *tree = evacuation->tree;
    for (unsigned slot = 0; slot < inner->count; slot++) {
        unsigned last = range_group_last(inner, slot);
        range_word_t word = range_inner_child(inner, slot);
        range_word_t moved = move_node(evacuation, word);
        if (moved != word) {
            range_publish_group(tree, inner, slot, last, moved, inner->gap[slot]);
            tree->nodes++;
            range_node_retire(tree, word);
        }
        if (level > 1) {
            move_below(evacuation, &range_word_node(moved)->inner, level - 1);
        }
        slot = last;
    }
}

struct epoch_list range_tree_evacuate(struct range_tree *tree, uint64_t keep,
                                      bool (*leaves)(void *context, const void *node),
                                      void *context)
{
    struct evacuation evacuation = {
        .tree = tree, .leaves = leaves, .context = context, .keep = keep};
    struct epoch_list gone = {0};
    range_word_t root = atomic_word_peek(&tree->root);
    sort_spare(&evacuation);
    if (root != 0) {
        range_word_t moved = move_node(&evacuation, root);
        if (moved != root) {
            range_publish(tree, &tree->root, moved);
            tree->nodes++;
            range_node_retire(tree, root);
        }
        if (range_word_height(root) > 0) {
            move_below(&evacuation, &range_word_node(moved)->inner, range_word_height(root));
        }
    }
    sort_spare(&evacuation);
    while (evacuation.going.count > 0 && tree->spare.count + evacuation.going.count > keep) {
        epoch_list_push(&gone, epoch_list_pop(&evacuation.going));
    }
    while (evacuation.going.count > 0) {
        epoch_list_push(&tree->spare, epoch_list_pop(&evacuation.going));
    }
    return gone;
}
