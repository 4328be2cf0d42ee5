/* SPDX-License-Identifier: MIT
 *
 * bench.h: what the benchmarks of potad-bench share.
 */
#ifndef POTAD_STRESS_BENCH_H
#define POTAD_STRESS_BENCH_H

#include "core/types.h"

#include <jansson.h>

struct bench_options {
    uint64_t seed;
    double seconds;        /* for each measured figure, about */
    uint64_t arena_frames; /* that peers share out: a power of two */
};

/* Each prints a table, and returns it as JSON. */
json_t *bench_page_orders(const struct bench_options *options);
json_t *bench_page_frames(const struct bench_options *options);
json_t *bench_race_page(const struct bench_options *options);
json_t *bench_race_slab(const struct bench_options *options);
json_t *bench_threads_page(const struct bench_options *options);
json_t *bench_threads_slab(const struct bench_options *options);
json_t *bench_metadata(const struct bench_options *options);
json_t *bench_range(const struct bench_options *options);
json_t *bench_fuzz(const struct bench_options *options);
json_t *bench_contig(const struct bench_options *options);

/* Seconds of a clock that only goes forward. */
double bench_now(void);

/* The next number of a SplitMix64 sequence. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t value = *state += 0x9e3779b97f4a7c15U;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
    value = (value ^ value >> 27) * 0x94d049bb133111ebU;
    return value ^ value >> 31;
}

#endif
