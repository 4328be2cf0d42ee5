/* SPDX-License-Identifier: MIT
 *
 * random.h: a stream of random numbers for each thread, all from the one seed that is printed.
 * xoshiro256** by Blackman and Vigna, seeded by SplitMix64 as they advise.
 */
#ifndef POTAD_STRESS_RANDOM_H
#define POTAD_STRESS_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};

/* SplitMix64: advances @state. */
static inline uint64_t random_mix(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15U;
    uint64_t value = *state;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
    value = (value ^ value >> 27) * 0x94d049bb133111ebU;
    return value ^ value >> 31;
}

/* Starts stream number @stream of @seed. */
static inline void random_init(struct random *random, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;
    state = random_mix(&state) ^ stream;
    for (unsigned i = 0; i < 4; i++) {
        random->state[i] = random_mix(&state);
    }
}

static inline uint64_t random_rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline uint64_t random_next(struct random *random)
{
    uint64_t *state = random->state;
    uint64_t result = random_rotate(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = random_rotate(state[3], 45);
    return result;
}

/* Return: 0 to @limit - 1; the bias is far below what any run here could see. @limit: above 0. */
static inline uint64_t random_below(struct random *random, uint64_t limit)
{
    return random_next(random) % limit;
}

/* Draws one of @count things by their weights: @first is that of the first, @stride bytes from that
 * of the next. Context: some weight is above 0. */
static inline unsigned random_by_weight(struct random *random, const uint32_t *first, size_t stride,
                                        unsigned count)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += *(const uint32_t *)(const void *)((const char *)first + i * stride);
    }
    uint64_t drawn = random_below(random, sum);
    const char *at = (const char *)first;
    unsigned thing = 0;
    for (; drawn >= *(const uint32_t *)(const void *)at; at += stride, thing++) {
        drawn -= *(const uint32_t *)(const void *)at;
    }
    return thing;
}

/* Return: true once in @times. */
static inline bool random_once_in(struct random *random, uint64_t times)
{
    return random_below(random, times) == 0;
}

#endif
