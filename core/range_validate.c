/* SPDX-License-Identifier: MIT
 *
 * range_validate.c: walks a whole tree in order. What is checked is computed anew: a gap from the
 * last range seen, a span from the pivots above.
 */
#include "core/range_internal.h"

struct range_census {
    const struct range_tree *tree;
    struct violation *violation;
    uint64_t nodes;
    uint64_t ranges;
    uint64_t gap_first; /* the key behind the last range seen */
    bool at_end;        /* that range ends with the last key there is */
};

static bool check(struct range_census *census, enum invariant invariant, uint64_t key,
                  uint64_t expected, uint64_t actual)
{
    return invariant_check(census->violation, invariant, key, expected, actual);
}

/* One slot of a leaf whose span is that of @leaf; its gap before counts in @code. */
static bool check_entry(struct range_census *census, const struct range_extent *leaf,
                        const struct range_entry *entry, uint16_t *code)
{
    bool inside = entry->first >= leaf->first && entry->last <= leaf->last;
    if (entry->value == 0) {
        return true;
    }
    if (!check(census, INVARIANT_RANGE_ORDER, entry->first, true, inside) ||
        !check(census, INVARIANT_RANGE_ORDER, entry->first, false, census->at_end) ||
        !check(census, INVARIANT_RANGE_ORDER, entry->first, true,
               entry->first >= census->gap_first)) {
        return false;
    }
    /* What ends with the span before counts there. */
    if (entry->first > census->gap_first && entry->first > leaf->first) {
        uint16_t gap = range_gap_code(census->gap_first, entry->first - 1);
        *code = gap > *code ? gap : *code;
    }
    census->at_end = entry->last == UINT64_MAX;
    census->gap_first = entry->last + 1;
    census->ranges++;
    return true;
}

static bool check_leaf(struct range_census *census, const struct range_extent *leaf, uint16_t *code)
{
    unsigned count = range_leaf_count(leaf->word);
    unsigned most = range_word_is_wide(leaf->word) ? RANGE_WIDE : RANGE_NARROW;
    uint64_t before = census->ranges;
    uint64_t behind = 0;
    bool wrapped = false;
    *code = 0;
    if (!check(census, INVARIANT_RANGE_FILL, leaf->first, true, count > 0 && count <= most)) {
        return false;
    }
    for (unsigned slot = 0; slot < count; slot++) {
        struct range_entry entry = range_leaf_entry(leaf->word, slot);
        bool sorted = !wrapped && entry.first >= behind && entry.first <= entry.last;
        if (!check(census, INVARIANT_RANGE_ORDER, entry.first, true, sorted) ||
            !check_entry(census, leaf, &entry, code)) {
            return false;
        }
        behind = entry.last + 1;
        wrapped = behind == 0;
    }
    uint64_t live = census->ranges - before;
    if (!census->at_end && census->gap_first <= leaf->last) {
        uint64_t piece = census->gap_first > leaf->first ? census->gap_first : leaf->first;
        uint16_t gap = range_gap_code(piece, leaf->last);
        *code = gap > *code ? gap : *code;
    }
    return check(census, INVARIANT_RANGE_FILL, leaf->first, live, *range_leaf_live(leaf->word)) &&
           check(census, INVARIANT_RANGE_FILL, leaf->first, true, live > 0);
}

/* A node's own facts: its level, its slots, and its pivots. */
static bool check_inner(struct range_census *census, const struct range_extent *node,
                        unsigned level)
{
    const struct range_inner *inner = &range_word_node(node->word)->inner;
    unsigned count = inner->count;
    if (!check(census, INVARIANT_RANGE_FILL, node->first, level, inner->level) ||
        !check(census, INVARIANT_RANGE_FILL, node->first, true,
               count > 0 && count <= RANGE_CHILDREN)) {
        return false;
    }
    for (unsigned slot = 0; slot < RANGE_PIVOTS; slot++) {
        uint64_t pivot = inner->pivot[slot];
        uint64_t low = slot == 0 ? node->first : inner->pivot[slot - 1] + 1;
        bool right = slot + 1u < count ? pivot >= low && pivot < node->last : pivot == UINT64_MAX;
        if (!check(census, INVARIANT_RANGE_ORDER, pivot, true, right)) {
            return false;
        }
    }
    for (unsigned slot = 0; slot < count; slot++) {
        for (unsigned other = range_group_last(inner, slot) + 1; other < count; other++) {
            bool again = range_inner_child(inner, slot) == range_inner_child(inner, other);
            if (!check(census, INVARIANT_RANGE_NODES, inner->pivot[slot], false, again)) {
                return false;
            }
        }
    }
    return true;
}

/* The subtree of @node, whose largest gap has the code *@code. */
static bool check_node(struct range_census *census, const struct range_extent *node, unsigned level,
                       uint16_t *code)
{
    census->nodes++;
    if (level == 0) {
        return check_leaf(census, node, code);
    }
    if (!check_inner(census, node, level)) {
        return false;
    }
    const struct range_inner *inner = &range_word_node(node->word)->inner;
    *code = 0;
    for (unsigned slot = 0; slot < inner->count; slot = range_group_last(inner, slot) + 1) {
        uint16_t below = 0;
        struct range_extent child = range_extent_child(node, slot);
        if (!check_node(census, &child, level - 1, &below)) {
            return false;
        }
        for (unsigned same = slot; same <= range_group_last(inner, slot); same++) {
            if (!check(census, INVARIANT_RANGE_GAP, child.first, below, inner->gap[same])) {
                return false;
            }
        }
        *code = below > *code ? below : *code;
    }
    return true;
}

static uint64_t list_length(const struct epoch_list *list)
{
    uint64_t length = 0;
    for (const struct epoch_link *link = list->first; link != NULL; link = link->next) {
        length++;
    }
    return length;
}

bool range_tree_validate(const struct range_tree *tree, struct violation *violation)
{
    struct range_census census = {.tree = tree, .violation = violation};
    range_word_t root = atomic_word_peek(&tree->root);
    unsigned height = range_word_height(root);
    *violation = (struct violation){.pfn = PFN_NONE};
    if (root != 0) {
        uint16_t code;
        struct range_extent top = {.word = range_word_plain(root), .last = UINT64_MAX};
        if (!check_node(&census, &top, height, &code)) {
            return false;
        }
        const struct range_inner *inner = &range_word_node(top.word)->inner;
        bool chain = height > 0 && range_group_last(inner, 0) + 1u == inner->count;
        if (!check(&census, INVARIANT_RANGE_FILL, 0, false, chain)) {
            return false;
        }
    }
    uint64_t promised = tree->prepared * tree->store_need;
    return check(&census, INVARIANT_RANGE_NODES, PFN_NONE, census.nodes, tree->nodes) &&
           check(&census, INVARIANT_RANGE_NODES, PFN_NONE, census.ranges, tree->ranges) &&
           check(&census, INVARIANT_RANGE_NODES, PFN_NONE, list_length(&tree->spare),
                 tree->spare.count) &&
           check(&census, INVARIANT_RANGE_NODES, PFN_NONE, true, tree->spare.count >= promised);
}
