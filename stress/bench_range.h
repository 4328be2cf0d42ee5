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
    REPEATS = 7 /* of each lookup measurement; the best counts */
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

/* Power-of-two ranges of 1 to 512 pages, each aligned to its size, one behind the other; where
 * @sparse, with gaps of up to 255 pages between them. Aborts where there is no memory. */
void range_load_open(struct range_load *load, uint64_t count, bool sparse, uint64_t seed);
void range_load_close(struct range_load *load);

/* A way of looking up. @run: the sum of the values that @count keys have. */
struct range_lookup {
    const char *name;
    uint64_t (*run)(const void *map, const uint64_t *keys, uint64_t count);
    const void *map;
    double ns; /* a query: the best pass */
};

/* Times all lookups, taking turns, so that what else the machine does strikes all of them. Aborts
 * where a sum is not load->sum. */
void range_time_lookups(const struct range_load *load, struct range_lookup *lookups,
                        unsigned count);

/* One map with all ranges. Nanoseconds an operation, and bytes a range. */
struct range_trial {
    double store;
    double change; /* one erase and one store */
    double bytes;
};

/* bench_range_peers.c: Judy, and a sorted array, which is the load itself. */
struct judy_trial {
    struct range_trial trial;
    void *map;
};

enum { JUDY_LOOKUPS = 2 };

/* Stores all ranges, in random order. */
void judy_open(struct judy_trial *judy, const struct range_load *load);
/* Fills in JUDY_LOOKUPS: its two predecessor lookups. */
void judy_lookups(const struct judy_trial *judy, struct range_lookup *lookups);
void judy_change(struct judy_trial *judy, const struct range_load *load);
void judy_close(struct judy_trial *judy);

struct range_lookup array_lookup(const struct range_load *load);

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

struct tree_trial {
    struct range_trial trial;
    struct range_pool pool;
    struct epoch epoch;
    struct range_tree tree;
    unsigned height;
    double bytes_built;    /* built from sorted ranges */
    double bytes_erased;   /* after erasing 90 % at random, for each range left */
    double bytes_restored; /* after as many stores as a tenth of all ranges */
};

/* The best that this CPU has, the portable one, and the best with each lookup in a section. */
enum { TREE_LOOKUP_BEST, TREE_LOOKUP_PORTABLE, TREE_LOOKUP_SECTION, TREE_LOOKUPS };

/* As their counterparts for Judy. */
void tree_open(struct tree_trial *trial, const struct range_load *load);
void tree_lookups(const struct tree_trial *trial, struct range_lookup *lookups);
void tree_change(struct tree_trial *trial, const struct range_load *load);

/* Erases most ranges, and stores some again; then builds a tree from all of them. */
void tree_thin_out(struct tree_trial *trial, const struct range_load *load);
void tree_close(struct tree_trial *trial);

/* Stores @entry; aborts where that fails. */
void range_must_store(struct range_tree *tree, const struct range_entry *entry);

/* bench_range_threads.c: two readers with and without a writer. */
json_t *bench_range_threads(const struct bench_options *options);

#endif
