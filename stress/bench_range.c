/* SPDX-License-Identifier: MIT
 *
 * bench_range.c: the range tree beside Judy and a sorted array, in one run: lookups, stores, erases
 * and memory as the number of ranges grows, and readers beside a writer.
 */
#include "stress/bench_range.h"

#include <inttypes.h>
#include <stdio.h>

static double ratio(double value, double peer)
{
    return peer > 0 ? value / peer : 0;
}

static void print_head(void)
{
    puts(
        "ranges of 1 to 512 pages, random queries and changes; ns, and the ratio to Judy's in ():");
    printf("  %9s %15s %15s %8s %8s %8s %16s %16s\n", "ranges", "lookup", "portable", "section",
           "judy", "array", "random store", "erase+store");
}

static void print_times(const struct range_load *load, bool sparse,
                        const struct range_tree_times *tree, const struct range_times *judy,
                        const struct range_times *array)
{
    const struct range_times *times = &tree->times;
    printf("  %8" PRIu64 "%c %7.1f (%5.2f) %7.1f (%5.2f) %8.1f %8.1f %8.1f %8.1f (%5.2f) "
           "%8.1f (%5.2f)\n",
           load->count, sparse ? '*' : ' ', times->lookup, ratio(times->lookup, judy->lookup),
           tree->lookup_portable, ratio(tree->lookup_portable, judy->lookup), tree->lookup_section,
           judy->lookup, array->lookup, times->store, ratio(times->store, judy->store),
           times->change, ratio(times->change, judy->change));
    printf(
        "            bytes a range: %.1f after random stores, %.1f built; %.1f with 90 %% erased, "
        "%.1f with a tenth of all stored again; judy %.1f; height %u\n",
        times->bytes, tree->bytes_built, tree->bytes_erased, tree->bytes_restored, judy->bytes,
        tree->height);
}

static json_t *json_times(const struct range_times *times)
{
    return json_pack("{s:f,s:f,s:f,s:f}", "lookup_ns", times->lookup, "store_ns", times->store,
                     "erase_store_ns", times->change, "bytes_per_range", times->bytes);
}

static json_t *bench_count(uint64_t count, bool sparse, uint64_t seed)
{
    struct range_load load;
    range_load_open(&load, count, sparse, seed);
    struct range_tree_times tree = bench_range_tree(&load);
    struct range_times judy = bench_judy(&load);
    struct range_times array = bench_sorted_array(&load);
    print_times(&load, sparse, &tree, &judy, &array);
    json_t *own = json_times(&tree.times);
    json_object_set_new(own, "find", json_string(tree.vector));
    json_object_set_new(own, "lookup_portable_ns", json_real(tree.lookup_portable));
    json_object_set_new(own, "lookup_section_ns", json_real(tree.lookup_section));
    json_object_set_new(own, "bytes_built", json_real(tree.bytes_built));
    json_object_set_new(own, "bytes_erased", json_real(tree.bytes_erased));
    json_object_set_new(own, "bytes_restored", json_real(tree.bytes_restored));
    json_object_set_new(own, "height", json_integer(tree.height));
    range_load_close(&load);
    return json_pack("{s:I,s:b,s:o,s:o,s:o}", "ranges", (json_int_t)count, "sparse", sparse, "tree",
                     own, "judy", json_times(&judy), "array", json_times(&array));
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
