/* SPDX-License-Identifier: MIT */
#include "fuzzers/subject_range.h"

static void *source_take(void *context)
{
    const struct range_source *nodes = &((struct subject_tree *)context)->nodes.source;
    return nodes->take(nodes->context);
}

static void source_give_back(void *context, void *node)
{
    const struct range_source *nodes = &((struct subject_tree *)context)->nodes.source;
    nodes->give_back(nodes->context, node);
}

static void source_step(void *context)
{
    const struct subject_tree *own = context;
    own->step(own->step_context);
}

static enum status tree_open(void *instance, void (*step)(void *context), void *context,
                             void **tree)
{
    struct subject_core_instance *core = instance;
    struct subject_tree *own = &core->tree;
    own->step = step;
    own->step_context = context;
    own->source = (struct range_source){
        .context = own,
        .take = source_take,
        .give_back = source_give_back,
        .step = source_step,
    };
    enum status status = range_cache_open(&own->nodes, &core->potad);
    if (status == STATUS_OK) {
        epoch_init(&own->epoch);
        range_tree_init(&own->tree, &own->epoch, &own->source);
        *tree = own;
    }
    return status;
}

static enum status tree_close(void *tree)
{
    struct subject_tree *own = tree;
    range_tree_destroy(&own->tree);
    return range_cache_close(&own->nodes);
}

static struct range_tree *tree_of(void *tree)
{
    return &((struct subject_tree *)tree)->tree;
}

static enum status tree_store(void *tree, uint64_t first, uint64_t last, uint64_t value)
{
    return range_tree_store(tree_of(tree), first, last, value);
}

static enum status tree_store_empty(void *tree, uint64_t first, uint64_t last, uint64_t value)
{
    return range_tree_store_empty(tree_of(tree), first, last, value);
}

static bool tree_erase(void *tree, uint64_t key, struct range_entry *erased)
{
    return range_tree_erase(tree_of(tree), key, erased);
}

static enum status tree_clear(void *tree, uint64_t first, uint64_t last)
{
    return range_tree_clear(tree_of(tree), first, last);
}

static enum status tree_prepare(void *tree, uint64_t stores)
{
    return range_tree_prepare(tree_of(tree), stores);
}

static enum status tree_build(void *tree, const struct range_entry *entries, uint64_t count)
{
    return range_tree_build(tree_of(tree), entries, count);
}

static uint64_t tree_value(void *tree, uint64_t key)
{
    return range_tree_value(tree_of(tree), key);
}

static bool tree_load(void *tree, uint64_t key, struct range_entry *entry)
{
    return range_tree_load(tree_of(tree), key, entry);
}

static bool tree_next(void *tree, uint64_t key, struct range_entry *entry)
{
    return range_tree_next(tree_of(tree), key, entry);
}

static bool tree_prev(void *tree, uint64_t key, struct range_entry *entry)
{
    return range_tree_prev(tree_of(tree), key, entry);
}

static enum status tree_gap(void *tree, const struct range_gap_request *request, uint64_t *found)
{
    return range_tree_gap(tree_of(tree), request, found);
}

static void *tree_enter(void *tree)
{
    struct subject_tree *own = tree;
    return epoch_enter(&own->epoch, 0);
}

static void tree_exit(void *tree, void *section)
{
    (void)tree;
    epoch_exit(section);
}

static uint64_t tree_root(void *tree)
{
    return atomic_word_acquire(&tree_of(tree)->root);
}

static uint64_t tree_root_value(void *tree, uint64_t root, uint64_t key)
{
    return root == 0 ? 0 : tree_of(tree)->find->value(root, key);
}

static uint64_t tree_count(void *tree)
{
    return tree_of(tree)->ranges;
}

static bool tree_validate(void *tree, struct violation *violation)
{
    return range_tree_validate(tree_of(tree), violation);
}

const struct subject_range_ops subject_core_range = {
    .open = tree_open,
    .close = tree_close,
    .store = tree_store,
    .store_empty = tree_store_empty,
    .erase = tree_erase,
    .clear = tree_clear,
    .prepare = tree_prepare,
    .build = tree_build,
    .value = tree_value,
    .load = tree_load,
    .next = tree_next,
    .prev = tree_prev,
    .gap = tree_gap,
    .enter = tree_enter,
    .exit = tree_exit,
    .root = tree_root,
    .root_value = tree_root_value,
    .count = tree_count,
    .validate = tree_validate,
};
