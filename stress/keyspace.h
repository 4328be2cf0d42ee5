/* SPDX-License-Identifier: MIT
 *
 * keyspace.h: all 64-bit keys cut into units, so that what is stored can be kept in an array. Units
 * of one stretch are alike, those of different ones are not: a range tree packs them in different
 * ways.
 *
 *   unit   0     1     2          k                    n             last
 *        | 4 KiB | 4 KiB | ...  | 1 to 4096 keys | ... | 2^30 to 2^41 | ...  | the rest |
 *        0                                                                   UINT64_MAX
 */
#ifndef POTAD_STRESS_KEYSPACE_H
#define POTAD_STRESS_KEYSPACE_H

#include "stress/random.h"

enum { KEYSPACE_STRETCH = 64 /* units */ };

struct keyspace {
    uint32_t units;
    uint64_t *first; /* of each unit, the first key */
};

/* Cuts the keys into @units (at most 2^22) units. Return: whether there was memory. */
bool keyspace_open(struct keyspace *keys, uint32_t units, struct random *random)
    __attribute__((warn_unused_result));
void keyspace_close(struct keyspace *keys);

/* The unit that @key is in. */
uint32_t keyspace_unit(const struct keyspace *keys, uint64_t key);

static inline uint64_t keyspace_first(const struct keyspace *keys, uint32_t unit)
{
    return keys->first[unit];
}

static inline uint64_t keyspace_last(const struct keyspace *keys, uint32_t unit)
{
    return unit + 1 < keys->units ? keys->first[unit + 1] - 1 : UINT64_MAX;
}

/* A random key of @unit, its borders more often than others. */
uint64_t keyspace_draw(const struct keyspace *keys, uint32_t unit, struct random *random);

#endif
