/* SPDX-License-Identifier: MIT
 *
 * bench_range.h: what the files of potad-bench range share: ranges, queries and measured maps.
 */
#ifndef POTAD_STRESS_BENCH_RANGE_H
#define POTAD_STRESS_BENCH_RANGE_H

#include "core/range_tree.h"
#include "stress/bench.h"

enum {
    QUERIES = 1 << 20,
    CHANGES = 1 << 18, /* erase-and-store pairs measured at most */
    CHANGE_BATCH = 64,
    REPEATS = 5 /* of each lookup measurement; the best counts */
};

/* The same ranges and the same random choices for each map. */
struct range_load {
    uint64_t count;
    struct range_entry *sorted;
    uint32_t *order;   /* indices, shuffled: the order of random stores */
    uint64_t *queries; /* QUERIES keys, each inside a range */
    uint64_t sum;      /* of the values that they have */
    uint32_t *changes; /* CHANGES indices */
};

/* Nanoseconds an operation, and bytes a range; 0: not measured. */
struct range_times {
    double lookup;
    double store;
    double change; /* one erase and one store */
    double bytes;
};

/* Power-of-two ranges of 1 to 512 pages, each aligned to its size, one behind the other; where
 * @sparse, with gaps of up to 255 pages between them. Aborts where there is no memory. */
void range_load_open(struct range_load *load, uint64_t count, bool sparse, uint64_t seed);
void range_load_close(struct range_load *load);

/* The best of REPEATS passes of @lookup over all queries, in ns a query. Aborts where the sum of
 * the values found is not load->sum. */
double range_time_lookups(const struct range_load *load,
                          uint64_t (*lookup)(const void *map, const uint64_t *keys, uint64_t count),
                          const void *map);

/* bench_range_peers.c: Judy with the faster of its two predecessor lookups, and a sorted array. */
struct range_times bench_judy(const struct range_load *load);
struct range_times bench_sorted_array(const struct range_load *load);

/* bench_range_tree.c: nodes from memory of the benchmark's own, so that all of it is counted. */
struct range_pool {
    struct range_source source;
    unsigned char *memory;
    uint64_t capacity; /* nodes */
    uint64_t fresh;    /* never taken so far */
    uint64_t taken;
    struct epoch_list free;
};

/* Room for the nodes of @ranges ranges, however they are stored. */
void range_pool_open(struct range_pool *pool, uint64_t ranges);
void range_pool_close(struct range_pool *pool);

/* The tree, with vector instructions where there are any, and what is particular to it. */
struct range_tree_times {
    struct range_times times;
    double lookup_portable;
    double lookup_section; /* each lookup in a section of its own */
    double bytes_built;    /* built from sorted ranges */
    double bytes_erased;   /* after erasing 90 % at random, for each range left */
    double bytes_restored; /* after as many stores as a tenth of all ranges */
    unsigned height;
    const char *vector; /* name of the lookup in use */
};

struct range_tree_times bench_range_tree(const struct range_load *load);

/* Stores @entry; aborts where that fails. */
void range_must_store(struct range_tree *tree, const struct range_entry *entry);

/* bench_range_threads.c: two readers with and without a writer. */
json_t *bench_range_threads(const struct bench_options *options);

#endif
