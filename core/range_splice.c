/* SPDX-License-Identifier: MIT
 *
 * range_splice.c: replacing all that is stored in some keys: new nodes are built from the leaves
 * upward for all that is on the two ways to the first and the last key, until one word is left to
 * be published.
 *
 *                 [ A | B | C | D ]                   [ A | L' M' R' | D ]
 *                      │   │                               new, or the one word
 *            [ b b1 b2 ]   [ c1 c c3 ]      becomes             │
 *               │              │                     [ b x1 ] [ x2 ] [ x3 c3 ]
 *            [ 1 2 3 ]     [ 7 8 9 ]                     [ 1 n n ] [ n 9 ]
 *
 *   left way: b     right way: c        (b1, b2, c1 lie between: they are retired whole)
 *
 * Nodes needed at most. On the leaves: 19 entries on the left, as many on the right, and a new one
 * between them: 39. Halves of at most 10 always fit a wide leaf, so 4 leaves. On each level
 * above: 13 children beside the left way, 13 beside the right, and at most 4 new ones: 30, in 3
 * nodes; and 3 new ones again for the next level. A new root above these. With h inner levels:
 * 4 + 3 h + 1. Merging with a sparse neighbour happens only where the
 * result fits one node, and never adds any.
 */
#include "core/range_internal.h"

enum {
    ENTRIES_MAX = 2 * RANGE_NARROW + RANGE_STORE_MANY + 2,
    CHILDREN_MAX = 4 * RANGE_CHILDREN /* new, left and right ones together */
};

_Static_assert(ENTRIES_MAX / (RANGE_WIDE / 2) + 2 * RANGE_PIVOTS <= CHILDREN_MAX, "all fit");

struct splice {
    struct range_tree *tree;
    struct range_path left; /* the ways as they were */
    struct range_path right;
    range_word_t merged[RANGE_HEIGHT_MAX + 1]; /* a sparse neighbour's word by level, or 0 */
    unsigned from;                             /* slots that go, on the level above: from the */
    unsigned to;                               /* left way's node to the right way's */
    uint64_t first;                            /* the span of what is new */
    uint64_t last;
    bool append; /* the tree grows at its end: leave full nodes behind */
    unsigned entries_count;
    unsigned children_count;
    struct range_entry entries[ENTRIES_MAX];
    struct range_child children[CHILDREN_MAX]; /* new on the level done last */
};

uint64_t range_store_many_nodes(unsigned height, unsigned count)
{
    uint64_t leaves = 4;
    while (leaves * RANGE_WIDE < (uint64_t)count + RANGE_NARROW + RANGE_NARROW) {
        leaves *= 2;
    }
    /* More than 14 new leaves without a level above need two nodes there, and a root. */
    return leaves + 3 * (uint64_t)height + (count <= 1 ? 1 : 3);
}

static union range_node *node_new(struct splice *splice)
{
    union range_node *node = range_node_take(splice->tree, true);
    ASSERT(node != NULL);
    splice->tree->nodes++;
    return node;
}

static void child_add(struct splice *splice, struct range_child child)
{
    ASSERT(splice->children_count < CHILDREN_MAX);
    splice->children[splice->children_count++] = child;
}

static void entry_add(struct splice *splice, struct range_entry entry)
{
    ASSERT(splice->entries_count < ENTRIES_MAX);
    splice->entries[splice->entries_count++] = entry;
}

/* The entries of the leaf that @path leads to; none where the tree is empty. */
static unsigned old_entries(const struct range_path *path, struct range_entry *entries)
{
    range_word_t leaf = path->steps[0].word;
    return leaf == 0 ? 0 : range_leaf_read(leaf, entries);
}

/* The new leaves' entries: what is left of the old ones before @first, the new ones, and what is
 * left behind @last. */
static void gather_entries(struct splice *splice, uint64_t first, uint64_t last,
                           const struct range_entry *entries, unsigned count)
{
    struct range_entry old[RANGE_NARROW];
    unsigned old_count = old_entries(&splice->left, old);
    for (unsigned i = 0; i < old_count && old[i].first < first; i++) {
        old[i].last = old[i].last < first ? old[i].last : first - 1;
        entry_add(splice, old[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        entry_add(splice, entries[i]);
    }
    unsigned before = splice->entries_count;
    old_count = old_entries(&splice->right, old);
    for (unsigned i = 0; i < old_count; i++) {
        if (old[i].last > last) {
            old[i].first = old[i].first > last ? old[i].first : last + 1;
            entry_add(splice, old[i]);
        }
    }
    bool at_end =
        before == splice->entries_count && range_path_last(&splice->left, 0) == UINT64_MAX;
    splice->append = at_end && count == 1;
}

/* The entries of @leaf and those in hand become the entries in hand, if one leaf holds them. */
static bool merge_leaf(struct splice *splice, range_word_t leaf, bool before)
{
    struct range_entry all[RANGE_MERGED_LEAF];
    unsigned own = splice->entries_count;
    unsigned count = own + *range_leaf_live(leaf);
    if (count > RANGE_MERGED_LEAF) {
        return false;
    }
    unsigned at = before ? count - own : 0;
    range_leaf_read(leaf, before ? all : all + own);
    for (unsigned i = 0; i < own; i++) {
        all[at + i] = splice->entries[i];
    }
    if (!range_leaf_fits(all, count)) {
        return false;
    }
    splice->entries_count = 0;
    for (unsigned i = 0; i < count; i++) {
        entry_add(splice, all[i]);
    }
    return true;
}

/* The same with children, of an inner node whose span ends at @last. */
static bool merge_inner(struct splice *splice, range_word_t word, uint64_t last, bool before)
{
    struct range_child all[2 * RANGE_CHILDREN];
    struct range_child theirs[RANGE_CHILDREN];
    unsigned own = splice->children_count;
    unsigned count = own + range_inner_read(&range_word_node(word)->inner, last, theirs);
    if (count > RANGE_MERGED_INNER) {
        return false;
    }
    unsigned at = before ? count - own : 0;
    for (unsigned i = 0; i < own; i++) {
        all[at + i] = splice->children[i];
    }
    for (unsigned i = 0; i < count - own; i++) {
        all[before ? i : own + i] = theirs[i];
    }
    splice->children_count = 0;
    for (unsigned i = 0; i < count; i++) {
        child_add(splice, all[i]);
    }
    return true;
}

/* Takes the neighbour in @slot of the left way's node above into what is new on @level, if both are
 * small enough. Return: whether it did. */
static bool merge_neighbour(struct splice *splice, unsigned slot, unsigned level, bool before)
{
    struct range_extent parent = range_path_extent(&splice->left, level + 1);
    struct range_extent other = range_extent_child(&parent, slot);
    bool merged = level == 0 ? merge_leaf(splice, other.word, before)
                             : merge_inner(splice, other.word, other.last, before);
    if (merged) {
        splice->merged[level] = other.word;
        splice->tree->events[RANGE_EVENT_MERGED]++;
        splice->first = before ? other.first : splice->first;
        splice->last = before ? splice->last : other.last;
    }
    return merged;
}

/* Says which slots of the level above go for what is new on @level, and its span; merges with a
 * neighbour where that is little. Context: there is a level above. */
static void splice_extent(struct splice *splice, unsigned level)
{
    const struct range_step *left = &splice->left.steps[level + 1];
    const struct range_step *right = &splice->right.steps[level + 1];
    splice->from = range_group_first(range_step_inner(left), left->slot);
    splice->to = range_group_last(range_step_inner(right), right->slot);
    splice->first = range_path_first(&splice->left, level);
    splice->last = range_path_last(&splice->right, level);
    bool sparse = level == 0 ? splice->entries_count <= RANGE_SPARSE_LEAF
                             : splice->children_count <= RANGE_SPARSE_INNER;
    if (!sparse || left->word != right->word) {
        return;
    }
    const struct range_inner *parent = range_step_inner(left);
    if (splice->from > 0 && merge_neighbour(splice, splice->from - 1, level, true)) {
        splice->from = range_group_first(parent, splice->from - 1);
    } else if (splice->to + 1u < parent->count &&
               merge_neighbour(splice, splice->to + 1, level, false)) {
        splice->to = range_group_last(parent, splice->to + 1);
    }
}

/* Makes leaves of the entries from @begin to before @end, for the span from @first to @last. */
static void cut_leaves(struct splice *splice, unsigned begin, unsigned end, uint64_t first,
                       uint64_t last)
{
    const struct range_entry *entries = splice->entries;
    unsigned count = end - begin;
    if (range_leaf_fits(entries + begin, count)) {
        range_word_t word = range_leaf_write(node_new(splice), entries + begin, count);
        uint16_t gap = range_gap_of_entries(splice->tree, entries + begin, count, first, last);
        child_add(splice, (struct range_child){word, last, gap});
        return;
    }
    bool full = splice->append && count > RANGE_NARROW;
    unsigned middle = begin + (full ? RANGE_NARROW : count / 2);
    cut_leaves(splice, begin, middle, first, entries[middle].first - 1);
    cut_leaves(splice, middle, end, entries[middle].first, last);
}

/* Makes inner nodes at @level of the children in hand, which become theirs. */
static void cut_inner(struct splice *splice, unsigned level)
{
    unsigned count = splice->children_count;
    unsigned nodes = (count + RANGE_CHILDREN - 1) / RANGE_CHILDREN;
    unsigned begin = 0;
    for (unsigned i = 0; i < nodes; i++) {
        unsigned even = (count - begin) / (nodes - i);
        unsigned size = splice->append && count - begin > RANGE_CHILDREN ? RANGE_CHILDREN : even;
        const struct range_child *children = splice->children + begin;
        union range_node *node = node_new(splice);
        struct range_child made = {
            .word = range_inner_write(node, level, children, size),
            .pivot = children[size - 1].pivot,
            .gap = range_gap_of_inner(&node->inner),
        };
        /* Not ahead of what is still to be read: i <= begin. */
        splice->children[i] = made;
        begin += size;
    }
    splice->children_count = nodes;
}

/* Adds the children of the node of @path at @level in slots from @begin to before @end, each once.
 */
static void keep_children(struct splice *splice, const struct range_path *path, unsigned level,
                          unsigned begin, unsigned end)
{
    const struct range_inner *inner = range_step_inner(&path->steps[level]);
    for (unsigned slot = begin; slot < end; slot++) {
        struct range_child child = {
            .word = range_inner_child(inner, slot),
            .gap = inner->gap[slot],
        };
        slot = range_group_last(inner, slot);
        child.pivot = slot + 1u < inner->count ? inner->pivot[slot] : range_path_last(path, level);
        child_add(splice, child);
    }
}

/* Surrounds the new children with the old ones of both ways' nodes at @level. */
static void gather_children(struct splice *splice, unsigned level)
{
    struct range_child new[CHILDREN_MAX];
    const struct range_inner *right = range_step_inner(&splice->right.steps[level]);
    unsigned count = splice->children_count;
    for (unsigned i = 0; i < count; i++) {
        new[i] = splice->children[i];
    }
    splice->children_count = 0;
    keep_children(splice, &splice->left, level, 0, splice->from);
    for (unsigned i = 0; i < count; i++) {
        child_add(splice, new[i]);
    }
    keep_children(splice, &splice->right, level, splice->to + 1, right->count);
}

/* Whether one word in the node of both ways at @level publishes what is new: readers see all of a
 * store or nothing, so it must not be a child in several slots. */
static bool is_one_word(const struct splice *splice, unsigned level)
{
    const struct range_step *step = &splice->left.steps[level];
    return step->word == splice->right.steps[level].word && splice->children_count == 1 &&
           splice->merged[level - 1] == 0 && splice->from == splice->to;
}

static void retire_leaf(struct range_tree *tree, range_word_t word)
{
    tree->ranges -= *range_leaf_live(word);
    range_node_retire(tree, word);
}

/* Retires the subtrees of the children in slots from @begin to before @end. */
static void retire_children(struct range_tree *tree, const struct range_inner *inner,
                            unsigned begin, unsigned end, unsigned level)
{
    for (unsigned slot = begin; slot < end; slot = range_group_last(inner, slot) + 1) {
        range_retire_below(tree, range_inner_child(inner, slot), level - 1);
    }
}

void range_retire_below(struct range_tree *tree, range_word_t word, unsigned level)
{
    if (level == 0) {
        retire_leaf(tree, word);
        return;
    }
    const struct range_inner *inner = &range_word_node(word)->inner;
    retire_children(tree, inner, 0, inner->count, level);
    range_node_retire(tree, word);
}

/* Retires what lies between the two ways at @level. */
static void retire_between(struct splice *splice, unsigned level)
{
    const struct range_step *left = &splice->left.steps[level];
    const struct range_step *right = &splice->right.steps[level];
    const struct range_inner *inner = range_step_inner(left);
    unsigned begin = range_group_last(inner, left->slot) + 1;
    unsigned end = range_group_first(range_step_inner(right), right->slot);
    if (left->word == right->word) {
        retire_children(splice->tree, inner, begin, end, level);
    } else {
        retire_children(splice->tree, inner, begin, inner->count, level);
        retire_children(splice->tree, range_step_inner(right), 0, end, level);
    }
}

/* Retires all that was replaced, below the node at @top that was not. */
static void retire_replaced(struct splice *splice, unsigned top)
{
    struct range_tree *tree = splice->tree;
    for (unsigned level = 0; level <= splice->left.height; level++) {
        if (level > 0) {
            retire_between(splice, level);
        }
        if (level == top) {
            break;
        }
        range_word_t words[3] = {splice->left.steps[level].word, splice->right.steps[level].word,
                                 splice->merged[level]};
        for (unsigned i = 0; i < 3; i++) {
            if (words[i] == 0 || (i == 1 && words[1] == words[0])) {
                continue;
            }
            if (level == 0) {
                retire_leaf(tree, words[i]);
            } else {
                range_node_retire(tree, words[i]);
            }
        }
    }
}

/* Builds levels until one word can be published, and publishes it. Return: the level of the node
 * that it was published in; one above the old root for the tree's own word. */
static unsigned splice_publish(struct splice *splice)
{
    struct range_tree *tree = splice->tree;
    unsigned level = 1;
    for (; level <= splice->left.height; level++) {
        const struct range_step *step = &splice->left.steps[level];
        if (is_one_word(splice, level)) {
            range_publish_group(tree, range_step_inner(step), splice->from, splice->from,
                                splice->children[0].word, splice->children[0].gap);
            range_gap_set(&splice->left, level, range_gap_of_inner(range_step_inner(step)));
            return level;
        }
        gather_children(splice, level);
        if (level == splice->left.height) {
            break;
        }
        splice_extent(splice, level);
        cut_inner(splice, level);
    }
    unsigned height = splice->left.height == 0 ? 0 : splice->left.height - 1;
    while (splice->children_count > 1) {
        cut_inner(splice, ++height);
    }
    range_publish(tree, &tree->root, range_word_root(splice->children[0].word, height));
    return splice->left.height + 1;
}

/* The key behind the last one with a value in the right leaf; 0: there is none. */
static uint64_t old_end(const struct splice *splice)
{
    struct range_entry old[RANGE_NARROW];
    unsigned count = old_entries(&splice->right, old);
    return count > 0 ? old[count - 1].last + 1 : 0;
}

static uint64_t new_end(const struct splice *splice)
{
    return splice->entries[splice->entries_count - 1].last + 1;
}

enum status range_splice(struct range_tree *tree, uint64_t first, uint64_t last,
                         const struct range_entry *entries, unsigned count)
{
    struct splice splice;
    unsigned height = range_tree_height(tree);
    if (!range_nodes_ready(tree, range_store_many_nodes(height, count))) {
        return STATUS_NO_MEMORY;
    }
    splice.tree = tree;
    splice.entries_count = 0;
    splice.children_count = 0;
    splice.first = 0;
    splice.last = UINT64_MAX;
    for (unsigned level = 0; level <= height; level++) {
        splice.merged[level] = 0;
    }
    splice.left.height = 0;
    splice.left.steps[0].word = 0;
    if (atomic_word_peek(&tree->root) != 0) {
        (void)range_path_find(tree, first, &splice.left);
    }
    splice.right = splice.left;
    uint64_t right_last = range_path_last(&splice.left, 0);
    if (last > right_last) {
        (void)range_path_find(tree, last, &splice.right);
        right_last = range_path_last(&splice.right, 0);
    }
    gather_entries(&splice, first, last, entries, count);
    ASSERT(splice.entries_count > 0);
    bool end_moves = old_end(&splice) != new_end(&splice);
    if (height > 0) {
        splice_extent(&splice, 0);
    }
    cut_leaves(&splice, 0, splice.entries_count, splice.first, splice.last);
    unsigned replaced = splice.left.steps[0].word == splice.right.steps[0].word ? 1 : 2;
    tree->events[RANGE_EVENT_SPLIT] += splice.children_count > replaced ? 1 : 0;
    unsigned top = splice_publish(&splice);
    retire_replaced(&splice, top);
    tree->ranges += splice.entries_count;
    if (end_moves && right_last != UINT64_MAX) {
        range_gap_refresh(tree, right_last + 1);
    }
    if (top > height) {
        range_lower_root(tree);
    }
    range_tree_settle(tree);
    return STATUS_OK;
}
