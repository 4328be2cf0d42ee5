/* SPDX-License-Identifier: MIT
 *
 * range_find_avx2.c: all pivots of a node compared at once. Reads no byte that a writer may write.
 */
#include "core/range_find.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define WITH_AVX2 __attribute__((target("avx2,popcnt")))

/* Pivots below @key, compared four at a time as signed numbers with the top bit flipped. */
WITH_AVX2 static inline unsigned inner_slot(const struct range_inner *inner, uint64_t key)
{
    const __m256i flip = _mm256_set1_epi64x(INT64_MIN);
    const __m256i keys = _mm256_xor_si256(_mm256_set1_epi64x((int64_t)key), flip);
    unsigned below = inner->pivot[RANGE_PIVOTS - 1] < key ? 1U << (RANGE_PIVOTS - 1) : 0;
#pragma GCC unroll 3
    for (unsigned i = 0; i < RANGE_PIVOTS - 1; i += 4) {
        __m256i pivots = _mm256_loadu_si256((const __m256i *)(const void *)&inner->pivot[i]);
        __m256i less = _mm256_cmpgt_epi64(keys, _mm256_xor_si256(pivots, flip));
        below |= (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(less)) << i;
    }
    return (unsigned)__builtin_popcount(below);
}

/* Ranges that start at or before @distance, less one: they are sorted, so the first one behind it
 * is found, with a mark behind the last slot. */
WITH_AVX2 static inline unsigned narrow_slot(const struct range_narrow *narrow, int16_t distance)
{
    enum { HEAD = 16, TAIL = RANGE_NARROW - HEAD };
    const __m256i distances = _mm256_set1_epi16(distance);
    __m256i head = _mm256_loadu_si256((const __m256i *)(const void *)narrow->first);
    /* Reads on into the last keys, which are as constant. */
    __m128i tail = _mm_loadu_si128((const __m128i *)(const void *)&narrow->first[HEAD]);
    uint64_t above = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi16(head, distances));
    uint64_t above_tail =
        (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi16(tail, _mm256_castsi256_si128(distances)));
    above |= (above_tail | (uint64_t)1 << 2 * TAIL) << 2 * HEAD;
    return (unsigned)__builtin_ctzll(above) / 2 - 1;
}

WITH_AVX2 static uint64_t value_avx2(range_word_t root, uint64_t key)
{
    return range_value_of(root, key, inner_slot, narrow_slot);
}

WITH_AVX2 static struct range_place place_avx2(range_word_t root, uint64_t key)
{
    return range_place_of(root, key, inner_slot, narrow_slot);
}

WITH_AVX2 static int path_avx2(range_word_t root, uint64_t key, struct range_path *path)
{
    return range_path_of(root, key, path, inner_slot, narrow_slot);
}

static const struct range_find range_find_avx2 = {
    .name = "avx2",
    .value = value_avx2,
    .place = place_avx2,
    .path = path_avx2,
};

/* Whether CPU and system have AVX2: the system must save its registers. */
static bool cpu_has_avx2(void)
{
    enum { OSXSAVE = 1 << 27, AVX2 = 1 << 5, POPCNT = 1 << 23, YMM_STATE = 6 };
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & OSXSAVE) == 0 || (c & POPCNT) == 0) {
        return false;
    }
    unsigned low;
    unsigned high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & YMM_STATE) != YMM_STATE) {
        return false;
    }
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & AVX2) != 0;
}

const struct range_find *range_find_vector(void)
{
    return cpu_has_avx2() ? &range_find_avx2 : NULL;
}

#else

const struct range_find *range_find_vector(void)
{
    return NULL;
}

#endif
