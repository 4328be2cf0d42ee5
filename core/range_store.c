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

/* Writes @value into the slot of exactly this range, in use or emptied, if there is one: readers
 * see one word change, and no node is needed. Return: whether there was. */
static bool store_in_place(struct range_tree *tree, uint64_t first, uint64_t last, uint64_t value)
{
    struct range_path path;
    if (atomic_word_peek(&tree->root) == 0) {
        return false;
    }
    range_path_find(tree, first, &path);
    range_word_t leaf = path.steps[0].word;
    int slot = tree->find->leaf_slot(leaf, first);
    if (slot < 0) {
        return false;
    }
    struct range_entry entry = range_leaf_entry(leaf, (unsigned)slot);
    if (entry.first != first || entry.last != last) {
        return false;
    }
    range_publish(tree, range_leaf_value(leaf, (unsigned)slot), value);
    tree->events[RANGE_EVENT_IN_PLACE]++;
    if (entry.value == 0) {
        ++*range_leaf_live(leaf);
        tree->ranges++;
        range_gap_refresh(tree, first);
        /* Where it is the leaf's last range now, the next leaf's leading gap is shorter. */
        if (range_leaf_is_last(leaf, (unsigned)slot) && path.steps[0].last != UINT64_MAX) {
            range_gap_refresh(tree, path.steps[0].last + 1);
        }
    }
    return true;
}

enum status range_tree_store(struct range_tree *tree, uint64_t first, uint64_t last, uint64_t value)
{
    struct range_entry entry = {first, last, value};
    if (first > last || value == 0) {
        return STATUS_INVALID;
    }
    enum status status = STATUS_OK;
    if (!store_in_place(tree, first, last, value)) {
        status = range_splice(tree, first, last, &entry, 1);
    }
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
    if (first > last || count > RANGE_STORE_MANY ||
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
