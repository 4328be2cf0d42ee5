/* SPDX-License-Identifier: MIT
 *
 * bench_range.c: the range tree beside Judy and a sorted array, in one run: lookups, stores, erases
 * and memory as the number of ranges grows, and readers beside a writer.
 */
#include "stress/bench_range.h"

#include <inttypes.h>
#include <stdio.h>

/* All lookups of one run, in the order of their columns. */
enum { LOOKUP_JUDY = TREE_LOOKUPS, LOOKUP_ARRAY = LOOKUP_JUDY + JUDY_LOOKUPS, LOOKUPS };

static double judy_faster(const struct range_lookup *lookups)
{
    double last = lookups[LOOKUP_JUDY].ns;
    double prev = lookups[LOOKUP_JUDY + 1].ns;
    return last < prev ? last : prev;
}

static void print_head(void)
{
    puts(
        "ranges of 1 to 512 pages, random queries and changes; ns, and the ratio to Judy's in ():");
    printf("  %9s %15s %15s %8s %8s %8s %16s %16s\n", "ranges", "lookup", "portable", "section",
           "judy", "array", "random store", "erase+store");
}

static void print_row(const struct range_load *load, bool sparse, const struct tree_trial *tree,
                      const struct judy_trial *judy, const struct range_lookup *lookups)
{
    const struct range_trial *own = &tree->trial;
    const struct range_trial *peer = &judy->trial;
    double best = lookups[TREE_LOOKUP_BEST].ns;
    double portable = lookups[TREE_LOOKUP_PORTABLE].ns;
    double judys = judy_faster(lookups);
    printf("  %8" PRIu64 "%c %7.1f (%5.2f) %7.1f (%5.2f) %8.1f %8.1f %8.1f %8.1f (%5.2f) "
           "%8.1f (%5.2f)\n",
           load->count, sparse ? '*' : ' ', best, best / judys, portable, portable / judys,
           lookups[TREE_LOOKUP_SECTION].ns, judys, lookups[LOOKUP_ARRAY].ns, own->store,
           own->store / peer->store, own->change, own->change / peer->change);
    printf(
        "            bytes a range: %.1f after random stores, %.1f built; %.1f with 90 %% erased, "
        "%.1f with a tenth of all stored again; judy %.1f; height %u\n",
        own->bytes, tree->bytes_built, tree->bytes_erased, tree->bytes_restored, peer->bytes,
        tree->height);
}

static json_t *json_trial(const struct range_trial *trial)
{
    return json_pack("{s:f,s:f,s:f}", "store_ns", trial->store, "erase_store_ns", trial->change,
                     "bytes_per_range", trial->bytes);
}

static json_t *json_row(const struct range_load *load, bool sparse, const struct tree_trial *tree,
                        const struct judy_trial *judy, const struct range_lookup *lookups)
{
    json_t *own = json_trial(&tree->trial);
    json_t *times = json_object();
    json_object_set_new(own, "bytes_built", json_real(tree->bytes_built));
    json_object_set_new(own, "bytes_erased", json_real(tree->bytes_erased));
    json_object_set_new(own, "bytes_restored", json_real(tree->bytes_restored));
    json_object_set_new(own, "height", json_integer(tree->height));
    for (unsigned i = 0; i < LOOKUPS; i++) {
        json_object_set_new(times, lookups[i].name, json_real(lookups[i].ns));
    }
    return json_pack("{s:I,s:b,s:o,s:o,s:o}", "ranges", (json_int_t)load->count, "sparse", sparse,
                     "lookup_ns", times, "tree", own, "judy", json_trial(&judy->trial));
}

static json_t *bench_count(uint64_t count, bool sparse, uint64_t seed)
{
    static struct tree_trial tree;
    struct judy_trial judy;
    struct range_lookup lookups[LOOKUPS];
    struct range_load load;
    range_load_open(&load, count, sparse, seed);
    tree_open(&tree, &load);
    judy_open(&judy, &load);
    tree_lookups(&tree, lookups);
    judy_lookups(&judy, lookups + LOOKUP_JUDY);
    lookups[LOOKUP_ARRAY] = array_lookup(&load);
    range_time_lookups(&load, lookups, LOOKUPS);
    tree_change(&tree, &load);
    judy_change(&judy, &load);
    tree_thin_out(&tree, &load);
    print_row(&load, sparse, &tree, &judy, lookups);
    json_t *row = json_row(&load, sparse, &tree, &judy, lookups);
    judy_close(&judy);
    tree_close(&tree);
    range_load_close(&load);
    return row;
}

json_t *bench_range(const struct bench_options *options)
{
    static const uint64_t counts[] = {10000, 100000, 1000000, 10000000};
    json_t *growth = json_array();
    print_head();
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        json_array_append_new(growth, bench_count(counts[i], false, options->seed));
    }
    json_array_append_new(growth, bench_count(1000000, true, options->seed));
    puts("  * with gaps of up to 255 pages between ranges\n"
         "  lookup: many in one section; section: each in a section of its own");
    return json_pack("{s:o,s:o}", "growth", growth, "threads", bench_range_threads(options));
}
