/* SPDX-License-Identifier: MIT
 *
 * bench_page_traced.c: the way into the shared library that has the core and the textbook buddy a
 * second time, compiled as traced code. Nothing else of it can be seen from outside, so that the
 * two copies do not mix.
 */
#include "core/range_find.h"
#include "stress/bench_page.h"

/* Compilers pass over loads of whole vectors. The portable code reads the same lines. */
const struct range_find *range_find_vector(unsigned rank)
{
    (void)rank;
    return NULL;
}

__attribute__((visibility("default"))) const struct bench_page_traced *bench_page_traced(void)
{
    static const struct bench_page_traced traced = {
        .peers = bench_page_peers,
        .begin = line_trace_begin,
        .end = line_trace_end,
    };
    return &traced;
}
