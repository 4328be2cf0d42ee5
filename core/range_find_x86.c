/* SPDX-License-Identifier: MIT
 *
 * range_find_x86.c: all pivots of a node compared at once, with AVX2 or AVX-512. Reads no byte that
 * a writer may write.
 */
#include "core/range_find.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

enum {
    PIVOT_LAST = RANGE_PIVOTS - 1, /* one more than three vectors of four hold */
    HEAD = 16,                     /* first keys of a narrow leaf in one vector */
    TAIL = RANGE_NARROW - HEAD     /* and the rest of them */
};

static inline const __m256i *four_pivots(const struct range_inner *inner, unsigned from)
{
    return (const __m256i *)(const void *)&inner->pivot[from];
}

static inline const __m256i *head_keys(const struct range_narrow *narrow)
{
    return (const __m256i *)(const void *)narrow->first;
}

/* Goes on into the last keys, which are as constant. */
static inline const __m128i *tail_keys(const struct range_narrow *narrow)
{
    return (const __m128i *)(const void *)&narrow->first[HEAD];
}

/* What range_find.h has to do with both, @target being the compiler's name of the instructions. */
#define DEFINE_FIND(kind, target_names)                                                            \
    __attribute__((target(target_names))) static uint64_t value_##kind(range_word_t root,          \
                                                                       uint64_t key)               \
    {                                                                                              \
        return range_value_of(root, key, inner_slot_##kind, narrow_slot_##kind);                   \
    }                                                                                              \
    __attribute__((target(target_names))) static struct range_place place_##kind(                  \
        range_word_t root, uint64_t key)                                                           \
    {                                                                                              \
        return range_place_of(root, key, inner_slot_##kind, narrow_slot_##kind);                   \
    }                                                                                              \
    __attribute__((target(target_names))) static int path_##kind(range_word_t root, uint64_t key,  \
                                                                 struct range_path *path)          \
    {                                                                                              \
        return range_path_of(root, key, path, inner_slot_##kind, narrow_slot_##kind);              \
    }                                                                                              \
    static const struct range_find range_find_##kind = {                                           \
        .name = #kind, .value = value_##kind, .place = place_##kind, .path = path_##kind};

#define AVX2_NAMES "avx2,popcnt"

/* Pivots below @key, compared four at a time as signed numbers with the top bit flipped. */
__attribute__((target(AVX2_NAMES))) static inline uint64_t
inner_slot_avx2(const struct range_inner *inner, uint64_t key)
{
    const __m256i flip = _mm256_set1_epi64x(INT64_MIN);
    const __m256i keys = _mm256_xor_si256(_mm256_set1_epi64x((int64_t)key), flip);
    uint64_t below = inner->pivot[PIVOT_LAST] < key ? 1U << PIVOT_LAST : 0;
#pragma GCC unroll 3
    for (unsigned i = 0; i < PIVOT_LAST; i += 4) {
        __m256i pivots = _mm256_loadu_si256(four_pivots(inner, i));
        __m256i less = _mm256_cmpgt_epi64(keys, _mm256_xor_si256(pivots, flip));
        below |= (uint64_t)_mm256_movemask_pd(_mm256_castsi256_pd(less)) << i;
    }
    return (uint64_t)__builtin_popcountll(below);
}

/* Ranges that start at or before @distance, less one: they are sorted, so the first one behind it
 * is found, with a mark behind the last slot. */
__attribute__((target(AVX2_NAMES))) static inline uint64_t
narrow_slot_avx2(const struct range_narrow *narrow, int16_t distance)
{
    const __m256i distances = _mm256_set1_epi16(distance);
    __m256i head = _mm256_cmpgt_epi16(_mm256_loadu_si256(head_keys(narrow)), distances);
    __m128i tail =
        _mm_cmpgt_epi16(_mm_loadu_si128(tail_keys(narrow)), _mm256_castsi256_si128(distances));
    uint64_t above = (uint32_t)_mm_movemask_epi8(tail);
    above = (above | (uint64_t)1 << 2 * TAIL) << 2 * HEAD;
    above |= (uint32_t)_mm256_movemask_epi8(head);
    return (uint64_t)__builtin_ctzll(above) / 2 - 1;
}

DEFINE_FIND(avx2, AVX2_NAMES)

#define AVX512_NAMES "avx512f,avx512vl,avx512bw,popcnt"

__attribute__((target(AVX512_NAMES))) static inline uint64_t
inner_slot_avx512(const struct range_inner *inner, uint64_t key)
{
    enum { EIGHT = 8, REST = (1 << (RANGE_PIVOTS - EIGHT)) - 1 };
    const __m512i keys = _mm512_set1_epi64((int64_t)key);
    /* What is masked out is not read. */
    __m512i high = _mm512_maskz_loadu_epi64(REST, &inner->pivot[EIGHT]);
    __mmask8 below = _mm512_cmplt_epu64_mask(_mm512_loadu_si512(inner->pivot), keys);
    __mmask8 below_high = _mm512_mask_cmplt_epu64_mask(REST, high, keys);
    return (uint64_t)__builtin_popcountll(_mm512_kunpackb(below_high, below));
}

/* As with AVX2, but a mask has a bit a key, and those behind the last slot are cut off. */
__attribute__((target(AVX512_NAMES))) static inline uint64_t
narrow_slot_avx512(const struct range_narrow *narrow, int16_t distance)
{
    uint64_t head =
        _mm256_cmple_epi16_mask(_mm256_loadu_si256(head_keys(narrow)), _mm256_set1_epi16(distance));
    uint64_t tail =
        _mm_cmple_epi16_mask(_mm_loadu_si128(tail_keys(narrow)), _mm_set1_epi16(distance));
    return (uint64_t)__builtin_popcountll(head | (tail & ((1U << TAIL) - 1)) << HEAD) - 1;
}

DEFINE_FIND(avx512, AVX512_NAMES)

/* What CPU and system have: the system must save the registers. */
struct vectors {
    bool avx2;
    bool avx512;
};

static struct vectors vectors_of_cpu(void)
{
    enum { OSXSAVE = 1 << 27, POPCNT = 1 << 23, AVX2 = 1 << 5, YMM_STATE = 0x06, ZMM_STATE = 0xe6 };
    const unsigned avx512 = 1U << 16 | 1U << 30 | 1U << 31; /* F, BW, VL */
    struct vectors vectors = {.avx2 = false};
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & OSXSAVE) == 0 || (c & POPCNT) == 0) {
        return vectors;
    }
    unsigned low;
    unsigned high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        vectors.avx2 = (b & AVX2) != 0 && (low & YMM_STATE) == YMM_STATE;
        vectors.avx512 = vectors.avx2 && (b & avx512) == avx512 && (low & ZMM_STATE) == ZMM_STATE;
    }
    return vectors;
}

const struct range_find *range_find_vector(unsigned rank)
{
    struct vectors vectors = vectors_of_cpu();
    if (vectors.avx512 && rank-- == 0) {
        return &range_find_avx512;
    }
    return vectors.avx2 && rank == 0 ? &range_find_avx2 : NULL;
}

#else

const struct range_find *range_find_vector(unsigned rank)
{
    (void)rank;
    return NULL;
}

#endif
