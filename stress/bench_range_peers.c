/* SPDX-License-Identifier: MIT
 *
 * bench_range_peers.c: what the range tree is measured beside. Judy is given no last keys, and its
 * lookups check none, which is in its favour.
 */
#include "stress/bench_range.h"

#include <Judy.h>
#include <stdlib.h>

/* The last range that starts at or before a key. */
static uint64_t judy_last(const void *map, const uint64_t *keys, uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        Word_t key = keys[i];
        const Word_t *value = (const Word_t *)JudyLLast(map, &key, PJE0);
        sum += *value;
    }
    return sum;
}

static uint64_t judy_prev(const void *map, const uint64_t *keys, uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        Word_t key = keys[i] + 1;
        const Word_t *value = (const Word_t *)JudyLPrev(map, &key, PJE0);
        sum += *value;
    }
    return sum;
}

static void judy_store(Pvoid_t *map, const struct range_entry *entry)
{
    Word_t *value = (Word_t *)JudyLIns(map, entry->first, PJE0);
    *value = entry->value;
}

struct range_times bench_judy(const struct range_load *load)
{
    Pvoid_t map = NULL;
    struct range_times times = {0};
    double start = bench_now();
    for (uint64_t i = 0; i < load->count; i++) {
        judy_store(&map, &load->sorted[load->order[i]]);
    }
    times.store = (bench_now() - start) * 1e9 / (double)load->count;
    times.bytes = (double)JudyLMemUsed(map) / (double)load->count;
    double last = range_time_lookups(load, judy_last, map);
    double prev = range_time_lookups(load, judy_prev, map);
    times.lookup = last < prev ? last : prev;
    start = bench_now();
    for (uint64_t i = 0; i < CHANGES; i += CHANGE_BATCH) {
        for (uint64_t j = 0; j < CHANGE_BATCH; j++) {
            (void)JudyLDel(&map, load->sorted[load->changes[i + j]].first, PJE0);
        }
        for (uint64_t j = CHANGE_BATCH; j-- > 0;) {
            judy_store(&map, &load->sorted[load->changes[i + j]]);
        }
    }
    times.change = (bench_now() - start) * 1e9 / (double)CHANGES;
    JudyLFreeArray(&map, PJE0);
    return times;
}

/* Halves without a branch on the keys. */
static uint64_t array_lookup(const void *map, const uint64_t *keys, uint64_t count)
{
    const struct range_load *load = map;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct range_entry *low = load->sorted;
        for (uint64_t left = load->count; left > 1;) {
            uint64_t half = left / 2;
            low = low[half].first <= keys[i] ? low + half : low;
            left -= half;
        }
        sum += keys[i] <= low->last ? low->value : 0;
    }
    return sum;
}

struct range_times bench_sorted_array(const struct range_load *load)
{
    return (struct range_times){
        .lookup = range_time_lookups(load, array_lookup, load),
        .bytes = sizeof(struct range_entry),
    };
}
