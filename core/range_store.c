/* SPDX-License-Identifier: MIT
 *
 * range_store.c: what writers call: in place where it can be, else by a splice (range_splice.c).
 */
#include "core/range_internal.h"

/* One prepared store is done. */
static void count_down(struct range_tree *tree)
{
    if (tree->prepared > 0) {
        tree->prepared--;
        range_tree_settle(tree);
    }
}

/* Where a store goes, if that is one slot of a leaf, or between two. */
struct store_place {
    struct range_path path;
    int slot; /* the last that starts at or before the range, or -1 */
};

/* The next leaf's leading gap has changed where the leaf's last range has. */
static void refresh_next(struct range_tree *tree, const struct range_path *path)
{
    uint64_t last = range_path_last(path, 0);
    if (last != UINT64_MAX) {
        range_gap_refresh(tree, last + 1);
    }
}

/* Ends a store of one more range, which is in @slot of the leaf of @path. */
static void store_done(struct range_tree *tree, const struct range_path *path, unsigned slot)
{
    tree->ranges++;
    range_gap_filled(tree, path, slot);
    if (range_leaf_is_last(path->steps[0].word, slot)) {
        refresh_next(tree, path);
    }
}

/* Writes the value into the slot of exactly this range, in use or emptied, if that is @place:
 * readers see one word change, and no node is needed. Return: whether it is. */
static bool store_in_place(struct range_tree *tree, const struct store_place *place,
                           const struct range_entry *entry)
{
    range_word_t leaf = place->path.steps[0].word;
    if (place->slot < 0) {
        return false;
    }
    unsigned slot = (unsigned)place->slot;
    struct range_entry old = range_leaf_entry(leaf, slot);
    if (old.first != entry->first || old.last != entry->last) {
        return false;
    }
    range_publish(tree, range_leaf_value(leaf, slot), entry->value);
    tree->events[RANGE_EVENT_IN_PLACE]++;
    if (old.value == 0) {
        ++*range_leaf_live(leaf);
        store_done(tree, &place->path, slot);
    }
    return true;
}

/* Whether @entry fits behind @slot of @narrow, in its units, with nothing in the way; no other
 * leaf's range starts at or before @span_last. */
static bool copy_serves(const struct range_narrow *narrow, unsigned slot, uint64_t span_last,
                        const struct range_entry *entry)
{
    uint64_t mask = ((uint64_t)1 << narrow->shift) - 1;
    uint64_t first = entry->first - narrow->base;
    uint64_t last = entry->last - narrow->base;
    bool in_units = (first & mask) == 0 && (last & mask) == mask;
    bool behind = first >> narrow->shift > (uint64_t)narrow->last[slot];
    bool before = slot + 1u == narrow->count
                      ? entry->last <= span_last
                      : last >> narrow->shift < (uint64_t)narrow->first[slot + 1];
    return in_units && behind && before && last >> narrow->shift <= RANGE_NEAR_MAX;
}

/* Makes @copy a copy of @old with @entry behind @slot. */
static void copy_with(struct range_narrow *copy, const struct range_narrow *old, unsigned slot,
                      const struct range_entry *entry)
{
    __builtin_memcpy(copy, old, sizeof(*copy));
    for (unsigned i = old->count; i > slot + 1; i--) {
        copy->first[i] = copy->first[i - 1];
        copy->last[i] = copy->last[i - 1];
        atomic_word_poke(&copy->value[i], atomic_word_peek(&copy->value[i - 1]));
    }
    copy->first[slot + 1] = (int16_t)((entry->first - old->base) >> old->shift);
    copy->last[slot + 1] = (int16_t)((entry->last - old->base) >> old->shift);
    atomic_word_poke(&copy->value[slot + 1], entry->value);
    copy->count++;
    copy->live++;
}

/* Replaces the narrow leaf of @place by a copy that has @entry, too, if it is without empty slots,
 * has room, needs no merging, and is in one slot of its parent: what a splice would do, at a third
 * of the time. Return: whether it did; if not, also for want of a node, nothing has changed. */
static bool store_by_copy(struct range_tree *tree, struct store_place *place,
                          const struct range_entry *entry)
{
    struct range_path *path = &place->path;
    range_word_t leaf = path->steps[0].word;
    const struct range_narrow *narrow = &range_word_node(leaf)->narrow;
    if (path->height == 0 || range_word_is_wide(leaf) || place->slot < 0 ||
        narrow->count == RANGE_NARROW || narrow->live != narrow->count ||
        narrow->live <= RANGE_SPARSE_LEAF ||
        !copy_serves(narrow, (unsigned)place->slot, range_path_last(path, 0), entry) ||
        !range_nodes_ready(tree, 1)) {
        return false;
    }
    struct range_inner *parent = range_step_inner(&path->steps[1]);
    unsigned at = path->steps[1].slot;
    if (range_group_first(parent, at) != range_group_last(parent, at)) {
        return false;
    }
    union range_node *node = range_node_take(tree, true);
    path->steps[0].word = (uint64_t)(uintptr_t)node;
    copy_with(&node->narrow, narrow, (unsigned)place->slot, entry);
    tree->nodes++;
    tree->events[RANGE_EVENT_COPIED]++;
    range_publish_group(tree, parent, at, at, path->steps[0].word, parent->gap[at]);
    range_node_retire(tree, leaf);
    store_done(tree, path, (unsigned)place->slot + 1);
    range_tree_settle(tree);
    return true;
}

/* Stores @entry, whatever is there. */
static enum status store(struct range_tree *tree, const struct range_entry *entry)
{
    struct store_place place;
    if (atomic_word_peek(&tree->root) != 0) {
        place.slot = range_path_find(tree, entry->first, &place.path);
        if (store_in_place(tree, &place, entry) || store_by_copy(tree, &place, entry)) {
            return STATUS_OK;
        }
    }
    return range_splice(tree, entry->first, entry->last, entry, 1);
}

enum status range_tree_store(struct range_tree *tree, uint64_t first, uint64_t last, uint64_t value)
{
    struct range_entry entry = {first, last, value};
    if (first > last || value == 0) {
        return STATUS_INVALID;
    }
    enum status status = store(tree, &entry);
    if (status == STATUS_OK) {
        count_down(tree);
    }
    return status;
}

enum status range_tree_store_empty(struct range_tree *tree, uint64_t first, uint64_t last,
                                   uint64_t value)
{
    struct range_entry entry;
    if (first > last || value == 0) {
        return STATUS_INVALID;
    }
    if (range_tree_next(tree, first, &entry) && entry.first <= last) {
        return STATUS_EXISTS;
    }
    return range_tree_store(tree, first, last, value);
}

bool range_entries_are_valid(const struct range_entry *entries, uint64_t count, uint64_t first,
                             uint64_t last)
{
    for (uint64_t i = 0; i < count; i++) {
        bool behind = i == 0 ? entries[i].first >= first : entries[i].first > entries[i - 1].last;
        if (!behind || entries[i].first > entries[i].last || entries[i].last > last ||
            entries[i].value == 0) {
            return false;
        }
    }
    return true;
}

enum status range_tree_store_many(struct range_tree *tree, uint64_t first, uint64_t last,
                                  const struct range_entry *entries, unsigned count)
{
    if (first > last || count == 0 || count > RANGE_STORE_MANY ||
        !range_entries_are_valid(entries, count, first, last)) {
        return STATUS_INVALID;
    }
    /* Without a level above its leaves, the tree gets two higher at most: see
     * range_store_many_nodes(). */
    unsigned height = range_tree_height(tree);
    if (!range_prepared_keep(tree, height + 2, range_store_many_nodes(height, count))) {
        return STATUS_NO_MEMORY;
    }
    return range_splice(tree, first, last, entries, count);
}

enum status range_tree_clear(struct range_tree *tree, uint64_t first, uint64_t last)
{
    struct range_entry entry;
    if (first > last) {
        return STATUS_INVALID;
    }
    bool cut = (range_tree_load(tree, first, &entry) && entry.first < first) ||
               (range_tree_load(tree, last, &entry) && entry.last > last);
    if (cut) {
        enum status status = range_splice(tree, first, last, NULL, 0);
        if (status == STATUS_OK) {
            count_down(tree);
        }
        return status;
    }
    while (range_tree_next(tree, first, &entry) && entry.first <= last) {
        bool erased = range_tree_erase(tree, entry.first, NULL);
        ASSERT(erased);
    }
    count_down(tree);
    return STATUS_OK;
}
