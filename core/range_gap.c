/* SPDX-License-Identifier: MIT
 *
 * range_gap.c: the largest gap below each child, and the search for a gap.
 *
 * A gap over a border between leaves counts in full for the leaf that it ends in; for the one that
 * it begins in, only the piece inside its span does.
 *
 *        span of leaf A      |      span of leaf B      | span of C
 *    aaaa....aa....aaa.......|...bbb.....bbb...bb.......|ccc
 *         4     4    7 for A  10 for B  5   3     7      0
 *
 * So a change in a leaf changes its own code, and, where its last range moves, that of the next;
 * and the leaf before has to be looked at only where a span begins with a gap.
 */
#include "core/range_internal.h"

enum { CODE_MANTISSA_BITS = 10 };

/* A floating-point number of 16 bits, rounded down: a larger gap never has a smaller code.
 * Context: @first <= @last. */
uint16_t range_gap_code(uint64_t first, uint64_t last)
{
    uint64_t beyond = last - first; /* the size less one: the whole space fits */
    unsigned exponent = 0;
    if (beyond >= (uint64_t)2 << CODE_MANTISSA_BITS) {
        exponent = 63 - (unsigned)__builtin_clzll(beyond) - CODE_MANTISSA_BITS;
    }
    return (uint16_t)((exponent << CODE_MANTISSA_BITS) + (beyond >> exponent) + 1);
}

/* Where the gap that ends before the key @first, the first of a leaf's span, begins. */
static uint64_t leading_gap(const struct range_tree *tree, uint64_t first)
{
    struct range_entry before;
    if (first == 0) {
        return 0;
    }
    /* I13: the leaf before is not empty. */
    bool there = range_tree_prev(tree, first - 1, &before);
    ASSERT(there);
    return before.last + 1;
}

uint16_t range_gap_of_entries(const struct range_tree *tree, const struct range_entry *entries,
                              unsigned count, uint64_t first, uint64_t last)
{
    uint16_t largest = 0;
    if (entries[0].first > first) {
        largest = range_gap_code(leading_gap(tree, first), entries[0].first - 1);
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t end = i + 1 < count ? entries[i + 1].first - 1 : last;
        if (entries[i].last < end) {
            uint16_t code = range_gap_code(entries[i].last + 1, end);
            largest = code > largest ? code : largest;
        }
    }
    return largest;
}

/* The same for a narrow leaf without empty slots: gaps in it are compared in its units. */
static uint16_t gap_of_narrow(const struct range_tree *tree, const struct range_narrow *narrow,
                              uint64_t first, uint64_t last)
{
    uint64_t end = narrow->base;
    int32_t widest = 0;
    for (unsigned i = 1; i < narrow->count; i++) {
        int32_t units = narrow->first[i] - narrow->last[i - 1] - 1;
        widest = units > widest ? units : widest;
    }
    uint16_t largest = widest > 0 ? range_gap_code(0, ((uint64_t)widest << narrow->shift) - 1) : 0;
    if (narrow->base > first) {
        uint16_t code = range_gap_code(leading_gap(tree, first), narrow->base - 1);
        largest = code > largest ? code : largest;
    }
    end += ((uint64_t)narrow->last[narrow->count - 1] + 1) << narrow->shift;
    if (end != 0 && end <= last) {
        uint16_t code = range_gap_code(end, last);
        largest = code > largest ? code : largest;
    }
    return largest;
}

static uint16_t gap_of_leaf(const struct range_tree *tree, const struct range_extent *leaf)
{
    struct range_entry entries[RANGE_NARROW];
    const struct range_narrow *narrow = &range_word_node(leaf->word)->narrow;
    if (!range_word_is_wide(leaf->word) && narrow->live == narrow->count) {
        return gap_of_narrow(tree, narrow, leaf->first, leaf->last);
    }
    unsigned count = range_leaf_read(leaf->word, entries);
    return range_gap_of_entries(tree, entries, count, leaf->first, leaf->last);
}

uint16_t range_gap_of_inner(const struct range_inner *inner)
{
    uint16_t largest = 0;
    for (unsigned slot = 0; slot < inner->count; slot++) {
        largest = inner->gap[slot] > largest ? inner->gap[slot] : largest;
    }
    return largest;
}

/* Sets the code of the child of @at. Return: whether it was another. */
static bool code_set(const struct range_step *at, uint16_t code)
{
    struct range_inner *inner = range_step_inner(at);
    unsigned last = range_group_last(inner, at->slot);
    bool differs = false;
    for (unsigned slot = range_group_first(inner, at->slot); slot <= last; slot++) {
        differs = differs || inner->gap[slot] != code;
        inner->gap[slot] = code;
    }
    return differs;
}

void range_gap_set(const struct range_path *path, unsigned level, uint16_t code)
{
    while (level < path->height && code_set(&path->steps[level + 1], code)) {
        code = range_gap_of_inner(range_step_inner(&path->steps[++level]));
    }
}

void range_gap_refresh(struct range_tree *tree, uint64_t key)
{
    struct range_path path;
    if (range_tree_height(tree) == 0) {
        return;
    }
    (void)range_path_find(tree, key, &path);
    struct range_extent leaf = range_path_extent(&path, 0);
    range_gap_set(&path, 0, gap_of_leaf(tree, &leaf));
}

/* Where the gap around the empty @slot of the leaf of @path begins. */
static uint64_t gap_around_first(const struct range_tree *tree, const struct range_path *path,
                                 unsigned slot)
{
    while (slot > 0) {
        struct range_entry entry = range_leaf_entry(path->steps[0].word, --slot);
        if (entry.value != 0) {
            return entry.last + 1;
        }
    }
    return leading_gap(tree, range_path_first(path, 0));
}

/* Where it ends, as far as the leaf's span goes. */
static uint64_t gap_around_last(const struct range_path *path, unsigned slot)
{
    unsigned count = range_leaf_count(path->steps[0].word);
    while (++slot < count) {
        struct range_entry entry = range_leaf_entry(path->steps[0].word, slot);
        if (entry.value != 0) {
            return entry.first - 1;
        }
    }
    return range_path_last(path, 0);
}

void range_gap_filled(const struct range_tree *tree, const struct range_path *path, unsigned slot)
{
    if (path->height == 0) {
        return;
    }
    /* Where a larger gap is in the leaf, nothing follows from this one. */
    const struct range_step *parent = &path->steps[1];
    uint64_t first = gap_around_first(tree, path, slot);
    uint64_t last = gap_around_last(path, slot);
    if (range_gap_code(first, last) < range_step_inner(parent)->gap[parent->slot]) {
        return;
    }
    struct range_extent leaf = range_path_extent(path, 0);
    range_gap_set(path, 0, gap_of_leaf(tree, &leaf));
}

void range_gap_erased(const struct range_tree *tree, const struct range_path *path, unsigned slot)
{
    if (path->height == 0) {
        return;
    }
    /* No other gap of the leaf has changed, and this one has grown. */
    const struct range_step *parent = &path->steps[1];
    uint16_t old = range_step_inner(parent)->gap[parent->slot];
    uint16_t code = range_gap_code(gap_around_first(tree, path, slot), gap_around_last(path, slot));
    if (code > old) {
        range_gap_set(path, 0, code);
    }
}

/* What is looked for, and what was found. */
struct gap_search {
    const struct range_tree *tree;
    const struct range_gap_request *request;
    uint16_t code; /* of the size asked for: smaller codes need no look */
    uint64_t found;
};

/* Whether the gap from @first to @last has a place for what is asked; if so, notes it. */
static bool gap_serves(struct gap_search *search, uint64_t first, uint64_t last)
{
    const struct range_gap_request *request = search->request;
    uint64_t mask = request->align - 1;
    uint64_t beyond = request->size - 1;
    first = first > request->first ? first : request->first;
    last = last < request->last ? last : request->last;
    if (first > last || last - first < beyond) {
        return false;
    }
    uint64_t start = request->from_above ? last - beyond : first;
    start = request->from_above ? start & ~mask : (start + mask) & ~mask;
    /* Rounded past the end of the keys, or of the gap. */
    if (start < first || start > last || last - start < beyond) {
        return false;
    }
    search->found = start;
    return true;
}

/* The gap before entry @at of @leaf, or behind the last. Return: whether there is one. */
static bool gap_before(const struct gap_search *search, const struct range_extent *leaf,
                       const struct range_entry *entries, unsigned count, unsigned at,
                       struct range_entry *gap)
{
    uint64_t behind = at > 0 ? entries[at - 1].last : 0;
    if (at > 0 ? behind == leaf->last : entries[0].first == leaf->first) {
        return false;
    }
    gap->first = at > 0 ? behind + 1 : leading_gap(search->tree, leaf->first);
    gap->last = at < count ? entries[at].first - 1 : leaf->last;
    return true;
}

static bool search_leaf(struct gap_search *search, const struct range_extent *leaf)
{
    struct range_entry entries[RANGE_NARROW];
    struct range_entry gap;
    unsigned count = range_leaf_read(leaf->word, entries);
    for (unsigned i = 0; i <= count; i++) {
        unsigned at = search->request->from_above ? count - i : i;
        if (gap_before(search, leaf, entries, count, at, &gap) &&
            gap_serves(search, gap.first, gap.last)) {
            return true;
        }
    }
    return false;
}

static bool search_node(struct gap_search *search, const struct range_extent *node, unsigned level)
{
    const struct range_inner *inner = &range_word_node(node->word)->inner;
    if (level == 0) {
        return search_leaf(search, node);
    }
    for (unsigned i = 0; i < inner->count; i++) {
        unsigned slot = search->request->from_above ? inner->count - 1u - i : i;
        bool again = search->request->from_above ? slot != range_group_last(inner, slot)
                                                 : slot != range_group_first(inner, slot);
        if (again || inner->gap[slot] < search->code) {
            continue;
        }
        struct range_extent child = range_extent_child(node, slot);
        bool outside = child.last < search->request->first || child.first > search->request->last;
        if (!outside && search_node(search, &child, level - 1)) {
            return true;
        }
    }
    return false;
}

enum status range_tree_gap(const struct range_tree *tree, const struct range_gap_request *request,
                           uint64_t *found)
{
    bool aligned = request->align != 0 && (request->align & (request->align - 1)) == 0;
    if (request->first > request->last || request->size == 0 || !aligned) {
        return STATUS_INVALID;
    }
    range_word_t root = atomic_word_peek(&tree->root);
    struct gap_search search = {
        .tree = tree, .request = request, .code = range_gap_code(0, request->size - 1)};
    struct range_extent top = {.word = range_word_plain(root), .last = UINT64_MAX};
    bool there = root == 0 ? gap_serves(&search, 0, UINT64_MAX)
                           : search_node(&search, &top, range_word_height(root));
    if (!there) {
        return STATUS_NOT_FOUND;
    }
    *found = search.found;
    return STATUS_OK;
}
