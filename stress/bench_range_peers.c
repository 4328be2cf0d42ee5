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

static void judy_store(struct judy_trial *judy, const struct range_entry *entry)
{
    Word_t *value = (Word_t *)JudyLIns(&judy->map, entry->first, PJE0);
    *value = entry->value;
}

void judy_open(struct judy_trial *judy, const struct range_load *load)
{
    *judy = (struct judy_trial){.map = NULL};
    double start = bench_now();
    for (uint64_t i = 0; i < load->count; i++) {
        judy_store(judy, &load->sorted[load->order[i]]);
    }
    judy->trial.store = (bench_now() - start) * 1e9 / (double)load->count;
    judy->trial.bytes = (double)JudyLMemUsed(judy->map) / (double)load->count;
}

void judy_lookups(const struct judy_trial *judy, struct range_lookup *lookups)
{
    lookups[0] = (struct range_lookup){.name = "JudyLLast", .run = judy_last, .map = judy->map};
    lookups[1] = (struct range_lookup){.name = "JudyLPrev", .run = judy_prev, .map = judy->map};
}

void judy_change(struct judy_trial *judy, const struct range_load *load)
{
    double start = bench_now();
    for (uint64_t i = 0; i < CHANGES; i += CHANGE_BATCH) {
        for (uint64_t j = 0; j < CHANGE_BATCH; j++) {
            (void)JudyLDel(&judy->map, load->sorted[load->changes[i + j]].first, PJE0);
        }
        for (uint64_t j = CHANGE_BATCH; j-- > 0;) {
            judy_store(judy, &load->sorted[load->changes[i + j]]);
        }
    }
    judy->trial.change = (bench_now() - start) * 1e9 / (double)CHANGES;
}

void judy_close(struct judy_trial *judy)
{
    JudyLFreeArray(&judy->map, PJE0);
}

/* Halves without a branch on the keys. */
static uint64_t array_run(const void *map, const uint64_t *keys, uint64_t count)
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

struct range_lookup array_lookup(const struct range_load *load)
{
    return (struct range_lookup){.name = "array", .run = array_run, .map = load};
}
