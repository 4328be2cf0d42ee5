/* SPDX-License-Identifier: MIT
 *
 * bench_range_tree.c: loads, and trees over memory that is counted.
 */
#include "stress/bench_range.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE_SHIFT = 12, ORDERS_USED = 10, GAP_PAGES = 256 };

static void *allocate(uint64_t count, size_t bytes)
{
    void *memory = malloc(count * bytes);
    if (memory == NULL) {
        fprintf(stderr, "potad-bench: no memory for %llu ranges\n", (unsigned long long)count);
        abort();
    }
    return memory;
}

void range_load_open(struct range_load *load, uint64_t count, bool sparse, uint64_t seed)
{
    *load = (struct range_load){
        .count = count,
        .sorted = allocate(count, sizeof(*load->sorted)),
        .order = allocate(count, sizeof(*load->order)),
        .queries = allocate(QUERIES, sizeof(*load->queries)),
        .changes = allocate(CHANGES, sizeof(*load->changes)),
    };
    uint64_t page = (uint64_t)1 << 20;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t pages = (uint64_t)1 << bench_random(&seed) % ORDERS_USED;
        page += sparse ? bench_random(&seed) % GAP_PAGES : 0;
        page = (page + pages - 1) & ~(pages - 1);
        load->sorted[i] = (struct range_entry){page << PAGE_SHIFT,
                                               ((page + pages) << PAGE_SHIFT) - 1, i * 32 + 32};
        load->order[i] = (uint32_t)i;
        page += pages;
    }
    for (uint64_t i = count; i-- > 1;) {
        uint64_t other = bench_random(&seed) % (i + 1);
        uint32_t kept = load->order[i];
        load->order[i] = load->order[other];
        load->order[other] = kept;
    }
    for (uint64_t i = 0; i < QUERIES; i++) {
        const struct range_entry *entry = &load->sorted[bench_random(&seed) % count];
        load->queries[i] = entry->first + bench_random(&seed) % (entry->last - entry->first + 1);
        load->sum += entry->value;
    }
    for (uint64_t i = 0; i < CHANGES; i++) {
        load->changes[i] = (uint32_t)(bench_random(&seed) % count);
    }
}

void range_load_close(struct range_load *load)
{
    free(load->sorted);
    free(load->order);
    free(load->queries);
    free(load->changes);
}

void range_time_lookups(const struct range_load *load, struct range_lookup *lookups, unsigned count)
{
    for (unsigned i = 0; i < REPEATS * count; i++) {
        struct range_lookup *lookup = &lookups[i % count];
        double start = bench_now();
        uint64_t sum = lookup->run(lookup->map, load->queries, QUERIES);
        double ns = (bench_now() - start) * 1e9 / (double)QUERIES;
        lookup->ns = lookup->ns == 0 || ns < lookup->ns ? ns : lookup->ns;
        if (sum != load->sum) {
            fprintf(stderr, "potad-bench: a lookup by %s is wrong\n", lookup->name);
            abort();
        }
    }
}

static void *pool_take(void *context)
{
    struct range_pool *pool = context;
    if (pool->free.count > 0) {
        pool->taken++;
        return (unsigned char *)epoch_list_pop(&pool->free) - RANGE_LINK_AT;
    }
    if (pool->fresh == pool->capacity) {
        return NULL;
    }
    pool->taken++;
    return pool->memory + RANGE_NODE_BYTES * pool->fresh++;
}

static void pool_give_back(void *context, void *node)
{
    struct range_pool *pool = context;
    pool->taken--;
    epoch_list_push(&pool->free, (void *)((unsigned char *)node + RANGE_LINK_AT));
}

void range_pool_open(struct range_pool *pool, uint64_t ranges)
{
    uint64_t nodes = ranges / 2 + 4096;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *memory = mmap(NULL, nodes * RANGE_NODE_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) {
        fputs("potad-bench: no memory for nodes\n", stderr);
        abort();
    }
    *pool = (struct range_pool){.memory = memory, .capacity = nodes};
    pool->source =
        (struct range_source){.context = pool, .take = pool_take, .give_back = pool_give_back};
}

void range_pool_close(struct range_pool *pool)
{
    munmap(pool->memory, pool->capacity * RANGE_NODE_BYTES);
}

void range_must_store(struct range_tree *tree, const struct range_entry *entry)
{
    if (range_tree_store(tree, entry->first, entry->last, entry->value) != STATUS_OK) {
        fputs("potad-bench: a store failed\n", stderr);
        abort();
    }
}

static uint64_t run_best(const void *map, const uint64_t *keys, uint64_t count)
{
    const struct range_tree *tree = map;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        sum += range_tree_value(tree, keys[i]);
    }
    return sum;
}

static uint64_t run_portable(const void *map, const uint64_t *keys, uint64_t count)
{
    const struct range_tree *tree = map;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        sum += range_find_portable.value(atomic_word_acquire(&tree->root), keys[i]);
    }
    return sum;
}

static uint64_t run_section(const void *map, const uint64_t *keys, uint64_t count)
{
    const struct range_tree *tree = map;
    uint64_t sum = 0;
    uint32_t hint = epoch_hint();
    for (uint64_t i = 0; i < count; i++) {
        struct epoch_slot *section = epoch_enter(tree->retired.epoch, hint);
        sum += range_tree_value(tree, keys[i]);
        epoch_exit(section);
    }
    return sum;
}

void tree_lookups(const struct tree_trial *trial, struct range_lookup *lookups)
{
    const struct range_tree *tree = &trial->tree;
    lookups[TREE_LOOKUP_BEST] =
        (struct range_lookup){.name = tree->find->name, .run = run_best, .map = tree};
    lookups[TREE_LOOKUP_PORTABLE] =
        (struct range_lookup){.name = "portable", .run = run_portable, .map = tree};
    lookups[TREE_LOOKUP_SECTION] =
        (struct range_lookup){.name = "section", .run = run_section, .map = tree};
}

static double node_bytes(const struct tree_trial *trial)
{
    return (double)(trial->pool.taken * RANGE_NODE_BYTES) / (double)trial->tree.ranges;
}

static void open_empty(struct tree_trial *trial, const struct range_load *load)
{
    *trial = (struct tree_trial){.height = 0};
    epoch_init(&trial->epoch);
    range_pool_open(&trial->pool, load->count);
    range_tree_init(&trial->tree, &trial->epoch, &trial->pool.source);
}

void tree_open(struct tree_trial *trial, const struct range_load *load)
{
    open_empty(trial, load);
    double start = bench_now();
    for (uint64_t i = 0; i < load->count; i++) {
        range_must_store(&trial->tree, &load->sorted[load->order[i]]);
    }
    trial->trial.store = (bench_now() - start) * 1e9 / (double)load->count;
    trial->trial.bytes = node_bytes(trial);
    trial->height = range_tree_height(&trial->tree);
}

void tree_change(struct tree_trial *trial, const struct range_load *load)
{
    double start = bench_now();
    for (uint64_t i = 0; i < CHANGES; i += CHANGE_BATCH) {
        for (uint64_t j = 0; j < CHANGE_BATCH; j++) {
            range_tree_erase(&trial->tree, load->sorted[load->changes[i + j]].first, NULL);
        }
        for (uint64_t j = CHANGE_BATCH; j-- > 0;) {
            struct range_entry entry = load->sorted[load->changes[i + j]];
            /* Every other time a shorter one, which no emptied slot fits. */
            entry.last -= (j & 1) != 0 ? (entry.last - entry.first + 1) / 2 : 0;
            range_must_store(&trial->tree, &entry);
        }
    }
    trial->trial.change = (bench_now() - start) * 1e9 / (double)CHANGES;
}

void tree_thin_out(struct tree_trial *trial, const struct range_load *load)
{
    struct tree_trial built;
    uint64_t kept = load->count / 10;
    for (uint64_t i = kept; i < load->count; i++) {
        range_tree_erase(&trial->tree, load->sorted[load->order[i]].first, NULL);
    }
    trial->bytes_erased = node_bytes(trial);
    for (uint64_t i = kept; i < kept + load->count / 10; i++) {
        range_must_store(&trial->tree, &load->sorted[load->order[i]]);
    }
    trial->bytes_restored = node_bytes(trial);
    open_empty(&built, load);
    if (range_tree_build(&built.tree, load->sorted, load->count) != STATUS_OK) {
        abort();
    }
    trial->bytes_built = node_bytes(&built);
    tree_close(&built);
}

void tree_close(struct tree_trial *trial)
{
    range_pool_close(&trial->pool);
}
