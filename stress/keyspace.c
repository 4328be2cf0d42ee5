/* SPDX-License-Identifier: MIT */
#include "stress/keyspace.h"

#include <stdlib.h>

enum { STRETCH_PAGES, STRETCH_RAGGED, STRETCH_VAST, STRETCHES };

enum { PAGE_KEYS = 4096, VAST_SHIFT = 30, VAST_SHIFTS = 12 };

static uint64_t unit_size(unsigned stretch, struct random *random)
{
    switch (stretch) {
    case STRETCH_RAGGED:
        return 1 + random_below(random, PAGE_KEYS);
    case STRETCH_VAST:
        return (uint64_t)1 << (VAST_SHIFT + random_below(random, VAST_SHIFTS));
    default:
        return PAGE_KEYS;
    }
}

bool keyspace_open(struct keyspace *keys, uint32_t units, struct random *random)
{
    uint64_t first = 0;
    unsigned stretch = STRETCH_PAGES;
    *keys = (struct keyspace){.units = units, .first = calloc(units, sizeof(*keys->first))};
    for (uint32_t unit = 0; keys->first != NULL && unit < units; unit++) {
        if (unit > 0 && unit % KEYSPACE_STRETCH == 0) {
            stretch = (unsigned)random_below(random, STRETCHES);
        }
        keys->first[unit] = first;
        first += unit_size(stretch, random);
    }
    return keys->first != NULL;
}

void keyspace_close(struct keyspace *keys)
{
    free(keys->first);
}

uint32_t keyspace_unit(const struct keyspace *keys, uint64_t key)
{
    uint32_t low = 0; /* starts at or before key */
    uint32_t high = keys->units;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (keys->first[middle] <= key) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

uint64_t keyspace_draw(const struct keyspace *keys, uint32_t unit, struct random *random)
{
    uint64_t first = keyspace_first(keys, unit);
    uint64_t last = keyspace_last(keys, unit);
    switch (random_below(random, 4)) {
    case 0:
        return first;
    case 1:
        return last;
    default:
        return first + random_below(random, last - first + (last - first < UINT64_MAX ? 1 : 0));
    }
}
