/* SPDX-License-Identifier: MIT
 *
 * bench_page.c: what a block costs by its order (requirement A5): words written into the frame
 * table when it is split off a free block of order 18 and when it is freed again, beside the words
 * that rewriting each of its frames would take; and the time of both, with a table and with a range
 * tree as the map from frames to blocks.
 */
#include "stress/bench.h"
#include "stress/bench_memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOP_ORDER = 18, METADATA_FRAMES = 1 << 12, BATCH = 64 };

/* One free block of TOP_ORDER in zone 1; metadata has zone 0 to itself. */
static void memory_open(struct bench_memory *memory, const char *subject)
{
    const struct boot_map map = {
        .zones_count = 2,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = METADATA_FRAMES, .zone = 0},
                   {.start = (pfn_t)1 << TOP_ORDER, .frames = (uint64_t)1 << TOP_ORDER, .zone = 1}},
    };
    bench_memory_open(memory, subject, &map);
}

static uint64_t table_writes(const struct bench_memory *memory)
{
    struct subject_stats stats;
    memory->subject->stats(memory->instance, &stats);
    return stats.frame_table_writes;
}

static void take(struct bench_memory *memory, order_t order, struct subject_block *block)
{
    struct subject_request request = {.order = order, .zone = 1};
    if (memory->subject->alloc(memory->instance, &request, block) != STATUS_OK) {
        abort();
    }
}

/* Nanoseconds of an allocation of @order and its free. */
static double time_pair(struct bench_memory *memory, order_t order, double seconds)
{
    struct subject_block block;
    uint64_t pairs = 0;
    double start = bench_now();
    double elapsed = 0;
    while (elapsed < seconds) {
        for (unsigned i = 0; i < BATCH; i++) {
            take(memory, order, &block);
            memory->subject->free(memory->instance, &block);
        }
        pairs += BATCH;
        elapsed = bench_now() - start;
    }
    return elapsed * 1e9 / (double)pairs;
}

/* Splits a block of zone 0 and keeps its parts, so that a slab of descriptors stays: only the cut
 * itself is counted and timed, not the making of slabs. */
static void keep_descriptors(struct bench_memory *memory)
{
    struct subject_request request = {.order = 3, .zone = 0};
    struct subject_block block;
    struct subject_block parts[4];
    if (memory->subject->alloc(memory->instance, &request, &block) != STATUS_OK ||
        memory->subject->split(memory->instance, &block, 0, parts) != STATUS_OK) {
        abort();
    }
}

/* What one block costs, by one of the core's maps from frames to blocks. */
struct pair_cost {
    uint64_t split;
    uint64_t merge;
    double ns;
};

static struct pair_cost measure_pair(const char *subject, order_t order, double seconds)
{
    struct bench_memory memory;
    struct subject_block first;
    struct pair_cost cost;
    memory_open(&memory, subject);
    keep_descriptors(&memory);
    uint64_t before = table_writes(&memory);
    take(&memory, order, &first);
    cost.split = table_writes(&memory) - before;
    memory.subject->free(memory.instance, &first);
    cost.merge = table_writes(&memory) - before - cost.split;
    cost.ns = time_pair(&memory, order, seconds);
    bench_memory_close(&memory);
    return cost;
}

static json_t *bench_order(order_t order, double seconds)
{
    struct pair_cost table = measure_pair("core", order, seconds / 2);
    struct pair_cost tree = measure_pair("core-tree", order, seconds / 2);
    uint64_t rewritten = (uint64_t)1 << TOP_ORDER;
    printf("  %5u %12" PRIu64 " %12" PRIu64 " %20" PRIu64 " %14.0f %14.0f %6.1f\n", order,
           table.split, table.merge, rewritten, table.ns, tree.ns, tree.ns / table.ns);
    return json_pack("{s:i,s:I,s:I,s:I,s:f,s:f}", "order", (int)order, "split_writes",
                     (json_int_t)table.split, "free_writes", (json_int_t)table.merge, "rewrite_all",
                     (json_int_t)rewritten, "pair_ns", table.ns, "pair_tree_ns", tree.ns);
}

json_t *bench_page(const struct bench_options *options)
{
    json_t *results = json_array();
    puts("words written into the frame table: a block cut off a free one of order 18, and freed:");
    printf("  %5s %12s %12s %20s %14s %14s %6s\n", "order", "split", "free+merge",
           "rewriting all frames", "pair, ns", "by tree, ns", "ratio");
    for (order_t order = 0; order <= TOP_ORDER; order++) {
        json_array_append_new(results, bench_order(order, options->seconds / (double)TOP_ORDER));
    }
    return results;
}
