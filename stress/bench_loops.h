/* SPDX-License-Identifier: MIT
 *
 * bench_loops.h: the loops that are timed, as templates: BENCH_OPS() makes a struct bench_ops of
 * two functions, which are inlined into each loop.
 */
#ifndef POTAD_STRESS_BENCH_LOOPS_H
#define POTAD_STRESS_BENCH_LOOPS_H

#include "stress/bench_peer.h"
#include "stress/bench_turns.h"

#define BENCH_TEMPLATE static inline __attribute__((always_inline))

/* A block of @order, or NULL; what else is needed is behind @allocator. */
typedef void *bench_alloc_fn(void *allocator, order_t order);
typedef void bench_free_fn(void *allocator, void *block);

BENCH_TEMPLATE void *bench_unit(void *allocator, bench_alloc_fn *alloc)
{
    void *block = alloc(allocator, 0);
    if (__builtin_expect(block == NULL, 0)) {
        bench_exhausted();
    }
    return block;
}

BENCH_TEMPLATE void bench_pairs(const struct bench_set *set, uint64_t count, bench_alloc_fn *alloc,
                                bench_free_fn *give_back)
{
    void *allocator = set->allocator;
    for (uint64_t i = 0; i < count; i++) {
        give_back(allocator, bench_unit(allocator, alloc));
    }
}

BENCH_TEMPLATE void bench_take(const struct bench_set *set, uint64_t first, uint64_t count,
                               bench_alloc_fn *alloc)
{
    void *allocator = set->allocator;
    void **blocks = set->blocks + first;
    for (uint64_t i = 0; i < count; i++) {
        blocks[i] = bench_unit(allocator, alloc);
    }
}

BENCH_TEMPLATE void bench_give(const struct bench_set *set, uint64_t first, uint64_t count,
                               bench_free_fn *give_back)
{
    void *allocator = set->allocator;
    void **blocks = set->blocks + first;
    for (uint64_t i = 0; i < count; i++) {
        give_back(allocator, blocks[i]);
    }
}

BENCH_TEMPLATE void bench_churn(const struct bench_set *set, const uint32_t *victims,
                                uint64_t rounds, bench_alloc_fn *alloc, bench_free_fn *give_back)
{
    void *allocator = set->allocator;
    void **blocks = set->blocks;
    for (uint64_t round = 0; round < rounds; round++, victims += BENCH_CHURN) {
        for (unsigned i = 0; i < BENCH_CHURN; i++) {
            give_back(allocator, blocks[victims[i]]);
        }
        for (unsigned i = 0; i < BENCH_CHURN; i++) {
            blocks[victims[i]] = bench_unit(allocator, alloc);
        }
    }
}

BENCH_TEMPLATE uint64_t bench_mixed(const struct bench_set *set, const struct bench_step *steps,
                                    uint64_t count, bench_alloc_fn *alloc, bench_free_fn *give_back)
{
    void *allocator = set->allocator;
    uint64_t failed = 0;
    for (uint64_t i = 0; i < count; i++) {
        void **block = &set->blocks[steps[i].slot];
        if (*block != NULL) {
            give_back(allocator, *block);
            *block = NULL;
        } else {
            *block = alloc(allocator, steps[i].order);
            failed += *block == NULL ? 1 : 0;
        }
    }
    return failed;
}

/* Defines @ops, a struct bench_ops, with these two functions in it. */
#define BENCH_OPS(ops, alloc, give_back)                                                           \
    static void ops##_pairs(const struct bench_set *set, uint64_t count)                           \
    {                                                                                              \
        bench_pairs(set, count, alloc, give_back);                                                 \
    }                                                                                              \
    static void ops##_take(const struct bench_set *set, uint64_t first, uint64_t count)            \
    {                                                                                              \
        bench_take(set, first, count, alloc);                                                      \
    }                                                                                              \
    static void ops##_give(const struct bench_set *set, uint64_t first, uint64_t count)            \
    {                                                                                              \
        bench_give(set, first, count, give_back);                                                  \
    }                                                                                              \
    static void ops##_churn(const struct bench_set *set, const uint32_t *victims, uint64_t rounds) \
    {                                                                                              \
        bench_churn(set, victims, rounds, alloc, give_back);                                       \
    }                                                                                              \
    static uint64_t ops##_mixed(const struct bench_set *set, const struct bench_step *steps,       \
                                uint64_t count)                                                    \
    {                                                                                              \
        return bench_mixed(set, steps, count, alloc, give_back);                                   \
    }                                                                                              \
    static const struct bench_ops ops = {                                                          \
        .pairs = ops##_pairs,                                                                      \
        .take = ops##_take,                                                                        \
        .give = ops##_give,                                                                        \
        .churn = ops##_churn,                                                                      \
        .mixed = ops##_mixed,                                                                      \
    }

#endif
