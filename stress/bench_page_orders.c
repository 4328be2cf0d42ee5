/* SPDX-License-Identifier: MIT
 *
 * bench_page_orders.c: what a block costs by its order (requirement A5): words written into the
 * frame table when it is split off a free block of order 18 and when it is freed again, beside the
 * words that rewriting each of its frames would take; and the time of both, with a table and with a
 * range tree as the map from frames to blocks, beside a textbook buddy.
 */
#include "stress/bench_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 64 };

static uint64_t table_writes(const struct bench_memory *memory)
{
    struct subject_stats stats = {.frame_table_writes = 0};
    if ((memory->subject->capabilities & SUBJECT_COUNTERS) == 0) {
        return 0;
    }
    memory->subject->stats(memory->instance, &stats);
    return stats.frame_table_writes;
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
            bench_memory_take(memory, order, &block);
            bench_memory_give(memory, &block);
        }
        pairs += BATCH;
        elapsed = bench_now() - start;
    }
    return elapsed * 1e9 / (double)pairs;
}

/* What one block costs. */
struct pair_cost {
    uint64_t split;
    uint64_t merge;
    double ns;
};

static struct pair_cost measure_pair(const struct subject *subject, order_t order, double seconds)
{
    struct bench_memory memory;
    struct subject_block first;
    struct pair_cost cost;
    bench_memory_open(&memory, subject);
    uint64_t before = table_writes(&memory);
    bench_memory_take(&memory, order, &first);
    cost.split = table_writes(&memory) - before;
    bench_memory_give(&memory, &first);
    cost.merge = table_writes(&memory) - before - cost.split;
    cost.ns = time_pair(&memory, order, seconds);
    bench_memory_close(&memory);
    return cost;
}

static json_t *bench_order(order_t order, double seconds)
{
    struct pair_cost table = measure_pair(bench_page_peers[PEER_TABLE], order, seconds / 3);
    struct pair_cost tree = measure_pair(bench_page_peers[PEER_TREE], order, seconds / 3);
    struct pair_cost textbook = measure_pair(bench_page_peers[PEER_TEXTBOOK], order, seconds / 3);
    uint64_t rewritten = (uint64_t)1 << BENCH_TOP_ORDER;
    printf("  %5u %12" PRIu64 " %12" PRIu64 " %20" PRIu64 " %14.0f %14.0f %6.1f %13.0f %6.1f\n",
           order, table.split, table.merge, rewritten, table.ns, tree.ns, tree.ns / table.ns,
           textbook.ns, table.ns / textbook.ns);
    return json_pack("{s:i,s:I,s:I,s:I,s:f,s:f,s:f}", "order", (int)order, "split_writes",
                     (json_int_t)table.split, "free_writes", (json_int_t)table.merge, "rewrite_all",
                     (json_int_t)rewritten, "pair_ns", table.ns, "pair_tree_ns", tree.ns,
                     "pair_textbook_ns", textbook.ns);
}

json_t *bench_page_orders(const struct bench_options *options)
{
    const double orders = BENCH_TOP_ORDER + 1;
    json_t *rows = json_array();
    puts("words written into the frame table: a block cut off a free one of order 18, and freed;\n"
         "the time of both, by table, by tree (ratio: to the table), and of a textbook list buddy\n"
         "of one thread, without checks (ratio: of the table to it):");
    printf("  %5s %12s %12s %20s %14s %14s %6s %13s %6s\n", "order", "split", "free+merge",
           "rewriting all frames", "pair, ns", "by tree, ns", "ratio", "textbook, ns", "ratio");
    for (order_t order = 0; order <= BENCH_TOP_ORDER; order++) {
        json_array_append_new(rows, bench_order(order, options->seconds / orders));
    }
    return rows;
}
