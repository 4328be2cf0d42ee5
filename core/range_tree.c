/* SPDX-License-Identifier: MIT
 *
 * range_tree.c: nodes in hand, ways down the tree, reading, and erasing in place.
 */
#include "core/range_tree.h"

#include "core/range_internal.h"

void range_tree_init(struct range_tree *tree, struct epoch *epoch,
                     const struct range_source *source)
{
    const struct range_find *vector = range_find_vector(0);
    *tree = (struct range_tree){
        .find = vector != NULL ? vector : &range_find_portable,
        .source = source,
    };
    epoch_queue_init(&tree->retired, epoch);
}

/* Spare nodes that merging must not use. */
static uint64_t spare_reserved(const struct range_tree *tree)
{
    return tree->prepared * tree->store_need + tree->floor;
}

void range_poll_retired(struct range_tree *tree)
{
    uint64_t before = tree->spare.count;
    epoch_poll(&tree->retired, &tree->spare);
    tree->events[RANGE_EVENT_RETURNED] += tree->spare.count - before;
}

union range_node *range_node_take(struct range_tree *tree, bool reserved)
{
    uint64_t kept = reserved ? 0 : spare_reserved(tree);
    if (tree->spare.count <= kept) {
        range_poll_retired(tree);
    }
    return tree->spare.count > kept ? range_node_of_link(epoch_list_pop(&tree->spare)) : NULL;
}

void range_node_put(struct range_tree *tree, void *node)
{
    union range_node *spare = node;
    epoch_list_push(&tree->spare, &spare->retired.link);
}

void range_node_retire(struct range_tree *tree, range_word_t word)
{
    tree->nodes--;
    epoch_retire(&tree->retired, &range_word_node(word)->retired.link);
}

static void trim_to(struct range_tree *tree, uint64_t count)
{
    while (tree->source != NULL && tree->spare.count > count) {
        union range_node *node = range_node_of_link(epoch_list_pop(&tree->spare));
        tree->source->give_back(tree->source->context, node);
    }
}

void range_nodes_give_back(struct range_tree *tree, uint64_t count)
{
    trim_to(tree, tree->spare.count - count);
}

bool range_nodes_ready(struct range_tree *tree, uint64_t count)
{
    uint64_t taken = 0;
    if (tree->spare.count < count) {
        range_poll_retired(tree);
    }
    while (tree->spare.count < count) {
        void *node = tree->source == NULL ? NULL : tree->source->take(tree->source->context);
        if (node == NULL) {
            range_nodes_give_back(tree, taken);
            return false;
        }
        range_node_put(tree, node);
        taken++;
    }
    return true;
}

void range_tree_settle(struct range_tree *tree)
{
    if (tree->retired.fresh.count + tree->retired.waiting.count >= RANGE_RETIRED_POLL) {
        range_poll_retired(tree);
    }
    trim_to(tree, spare_reserved(tree) + RANGE_SPARE_KEEP);
}

void range_tree_trim(struct range_tree *tree)
{
    range_poll_retired(tree);
    trim_to(tree, spare_reserved(tree));
}

void range_tree_empty(struct range_tree *tree)
{
    range_word_t root = atomic_word_peek(&tree->root);
    if (root != 0) {
        range_publish(tree, &tree->root, 0);
        range_retire_below(tree, range_word_plain(root), range_word_height(root));
    }
    tree->prepared = 0;
    tree->floor = 0;
}

void range_tree_drain(struct range_tree *tree)
{
    uint64_t before = tree->spare.count;
    epoch_queue_end(&tree->retired, &tree->spare);
    tree->events[RANGE_EVENT_RETURNED] += tree->spare.count - before;
}

void range_tree_destroy(struct range_tree *tree)
{
    range_tree_empty(tree);
    range_poll_retired(tree);
    ASSERT(tree->retired.waiting.count == 0);
    trim_to(tree, 0);
}

/* Stores split nodes: the height grows by one, and by one more for each factor of 7. */
unsigned range_height_after(unsigned height, uint64_t stores)
{
    unsigned grown = height + 1;
    for (uint64_t left = stores; left >= RANGE_CHILDREN / 2; left /= RANGE_CHILDREN / 2) {
        grown++;
    }
    return grown;
}

bool range_prepared_keep(struct range_tree *tree, unsigned height, uint64_t nodes)
{
    uint64_t need = range_store_many_nodes(range_height_after(height, tree->prepared), 1);
    need = need > tree->store_need ? need : tree->store_need;
    if (tree->prepared == 0) {
        return true;
    }
    if (!range_nodes_ready(tree, tree->prepared * need + nodes)) {
        return false;
    }
    tree->store_need = need;
    return true;
}

enum status range_tree_prepare(struct range_tree *tree, uint64_t stores)
{
    uint64_t need = range_store_many_nodes(range_height_after(range_tree_height(tree), stores), 1);
    if (stores > UINT64_MAX / need || !range_nodes_ready(tree, stores * need)) {
        return STATUS_NO_MEMORY;
    }
    tree->prepared = stores;
    tree->store_need = need;
    range_tree_settle(tree);
    return STATUS_OK;
}

static void step(const struct range_tree *tree)
{
    if (tree->source != NULL && tree->source->step != NULL) {
        tree->source->step(tree->source->context);
    }
}

void range_publish(const struct range_tree *tree, atomic_word_t *at, range_word_t word)
{
    step(tree);
    atomic_word_release(at, word);
    step(tree);
}

void range_publish_group(const struct range_tree *tree, struct range_inner *inner, unsigned first,
                         unsigned last, range_word_t word, uint16_t gap)
{
    for (unsigned slot = first; slot <= last; slot++) {
        inner->gap[slot] = gap;
        range_publish(tree, &inner->child[slot], word);
    }
}

struct range_extent range_extent_child(const struct range_extent *node, unsigned slot)
{
    const struct range_inner *inner = &range_word_node(node->word)->inner;
    unsigned low = range_group_first(inner, slot);
    unsigned high = range_group_last(inner, slot);
    return (struct range_extent){
        .word = range_inner_child(inner, slot),
        .first = low > 0 ? inner->pivot[low - 1] + 1 : node->first,
        .last = high + 1u < inner->count ? inner->pivot[high] : node->last,
    };
}

uint64_t range_path_first(const struct range_path *path, unsigned level)
{
    for (unsigned above = level + 1; above <= path->height; above++) {
        const struct range_inner *inner = range_step_inner(&path->steps[above]);
        unsigned slot = range_group_first(inner, path->steps[above].slot);
        if (slot > 0) {
            return inner->pivot[slot - 1] + 1;
        }
    }
    return 0;
}

uint64_t range_path_last(const struct range_path *path, unsigned level)
{
    for (unsigned above = level + 1; above <= path->height; above++) {
        const struct range_inner *inner = range_step_inner(&path->steps[above]);
        unsigned slot = range_group_last(inner, path->steps[above].slot);
        if (slot + 1u < inner->count) {
            return inner->pivot[slot];
        }
    }
    return UINT64_MAX;
}

struct range_extent range_path_extent(const struct range_path *path, unsigned level)
{
    return (struct range_extent){
        .word = path->steps[level].word,
        .first = range_path_first(path, level),
        .last = range_path_last(path, level),
    };
}

bool range_tree_load(const struct range_tree *tree, uint64_t key, struct range_entry *entry)
{
    range_word_t root = atomic_word_acquire(&tree->root);
    if (root == 0) {
        return false;
    }
    struct range_place place = tree->find->place(root, key);
    if (place.slot < 0) {
        return false;
    }
    *entry = range_leaf_entry(place.leaf, (unsigned)place.slot);
    return entry->value != 0 && key <= entry->last;
}

/* The first slot of @leaf from @slot on that has a value and ends at or behind @key. */
static bool leaf_next(range_word_t leaf, unsigned slot, uint64_t key, struct range_entry *entry)
{
    for (unsigned count = range_leaf_count(leaf); slot < count; slot++) {
        *entry = range_leaf_entry(leaf, slot);
        if (entry->value != 0 && key <= entry->last) {
            return true;
        }
    }
    return false;
}

bool range_tree_next(const struct range_tree *tree, uint64_t key, struct range_entry *entry)
{
    for (;;) {
        range_word_t root = atomic_word_acquire(&tree->root);
        if (root == 0) {
            return false;
        }
        struct range_place place = tree->find->place(root, key);
        if (leaf_next(place.leaf, place.slot < 0 ? 0 : (unsigned)place.slot, key, entry)) {
            return true;
        }
        if (place.span_last == UINT64_MAX) {
            return false;
        }
        key = place.span_last + 1;
    }
}

bool range_tree_prev(const struct range_tree *tree, uint64_t key, struct range_entry *entry)
{
    for (;;) {
        range_word_t root = atomic_word_acquire(&tree->root);
        if (root == 0) {
            return false;
        }
        struct range_place place = tree->find->place(root, key);
        for (int slot = place.slot; slot >= 0; slot--) {
            *entry = range_leaf_entry(place.leaf, (unsigned)slot);
            if (entry->value != 0) {
                return true;
            }
        }
        if (place.span_first == 0) {
            return false;
        }
        key = place.span_first - 1;
    }
}

bool range_leaf_is_last(range_word_t leaf, unsigned slot)
{
    struct range_entry behind;
    return !leaf_next(leaf, slot + 1, 0, &behind);
}

/* Empties @slot of the leaf of @path. */
static void erase_slot(struct range_tree *tree, struct range_path *path, unsigned slot)
{
    range_word_t leaf = path->steps[0].word;
    uint8_t *live = range_leaf_live(leaf);
    bool was_last = range_leaf_is_last(leaf, slot);
    uint64_t first = range_path_first(path, 0);
    uint64_t last = range_path_last(path, 0);
    range_publish(tree, range_leaf_value(leaf, slot), 0);
    tree->ranges--;
    --*live;
    if (*live == 0) {
        range_unhook(tree, path);
        range_gap_refresh(tree, first);
    } else {
        range_gap_erased(tree, path, slot);
        if (*live <= RANGE_SPARSE_LEAF) {
            (void)range_merge_sparse(tree, path, 0);
        }
    }
    if (was_last && last != UINT64_MAX) {
        range_gap_refresh(tree, last + 1);
    }
    range_tree_settle(tree);
}

bool range_tree_erase(struct range_tree *tree, uint64_t key, struct range_entry *erased)
{
    struct range_path path;
    if (atomic_word_peek(&tree->root) == 0) {
        return false;
    }
    int slot = range_path_find(tree, key, &path);
    if (slot < 0) {
        return false;
    }
    struct range_entry entry = range_leaf_entry(path.steps[0].word, (unsigned)slot);
    if (entry.value == 0 || key > entry.last) {
        return false;
    }
    if (erased != NULL) {
        *erased = entry;
    }
    erase_slot(tree, &path, (unsigned)slot);
    return true;
}
