/* SPDX-License-Identifier: MIT */
#include "stress/explore/image.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* What MemorySanitizer knows of the memory stays as it is. */
#if defined(__clang__)
#define UNSEEN __attribute__((no_sanitize("address", "memory", "thread")))
#else
#define UNSEEN __attribute__((no_sanitize_address, no_sanitize_thread))
#endif

/* A line, as words. */
typedef uint64_t word_t __attribute__((may_alias));

enum { LINE_WORDS = IMAGE_LINE_BYTES / sizeof(word_t) };

static inline const word_t *line_at(const void *memory, size_t at)
{
    return (const word_t *)(const void *)((const unsigned char *)memory + at);
}

UNSEEN static void line_copy(void *to, const void *from, size_t at)
{
    volatile word_t *words = (word_t *)(void *)((unsigned char *)to + at);
    const word_t *source = line_at(from, at);
    for (unsigned i = 0; i < LINE_WORDS; i++) {
        words[i] = source[i]; /* volatile: no call of memcpy(), which sanitizers see */
    }
}

/* The first line at or behind @at that differs. Return: where it is, or @bytes. */
UNSEEN static size_t next_portable(const void *now, const void *kept, size_t at, size_t bytes)
{
    for (; at < bytes; at += IMAGE_LINE_BYTES) {
        const word_t *a = line_at(now, at);
        const word_t *b = line_at(kept, at);
        uint64_t differs = 0;
        for (unsigned i = 0; i < LINE_WORDS; i++) {
            differs |= a[i] ^ b[i];
        }
        if (differs != 0) {
            break;
        }
    }
    return at;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) UNSEEN static size_t next_avx2(const void *now, const void *kept,
                                                               size_t at, size_t bytes)
{
    for (; at < bytes; at += IMAGE_LINE_BYTES) {
        const __m256i_u *a = (const __m256i_u *)(const void *)line_at(now, at);
        const __m256i_u *b = (const __m256i_u *)(const void *)line_at(kept, at);
        __m256i low = _mm256_xor_si256(_mm256_loadu_si256(a), _mm256_loadu_si256(b));
        __m256i high = _mm256_xor_si256(_mm256_loadu_si256(a + 1), _mm256_loadu_si256(b + 1));
        __m256i differs = _mm256_or_si256(low, high);
        if (_mm256_testz_si256(differs, differs) == 0) {
            break;
        }
    }
    return at;
}
#endif

static size_t next_line(const void *now, const void *kept, size_t at, size_t bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        return next_avx2(now, kept, at, bytes);
    }
#endif
    return next_portable(now, kept, at, bytes);
}

void image_copy(void *to, const void *from, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += IMAGE_LINE_BYTES) {
        line_copy(to, from, at);
    }
}

void image_restore(void *now, const void *kept, size_t bytes)
{
    for (size_t at = next_line(now, kept, 0, bytes); at < bytes;
         at = next_line(now, kept, at + IMAGE_LINE_BYTES, bytes)) {
        line_copy(now, kept, at);
    }
}

void image_restore_lines(const struct image_lines *lines)
{
    for (uint32_t i = 0; i < lines->count; i++) {
        line_copy(lines->lines[i].now, lines->lines[i].kept, 0);
    }
}

/* Both halves of a product: each bit depends on all of both factors. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

UNSEEN static uint64_t line_hash(uint64_t hash, const word_t *line, size_t at)
{
    /* Bits of the golden ratio and of others: any that are odd and in no order will do. */
    uint64_t sum = fold(hash ^ at, 0x9e3779b97f4a7c15U);
    sum += fold(line[0] ^ 0xa0761d6478bd642fU, line[1] ^ 0xe7037ed1a0b428dbU);
    sum += fold(line[2] ^ 0x8ebc6af09c88c6e3U, line[3] ^ 0x589965cc75374cc3U);
    sum += fold(line[4] ^ 0x1d8e4e27c47d124fU, line[5] ^ 0xeb44accab455d165U);
    sum += fold(line[6] ^ 0xbf58476d1ce4e5b9U, line[7] ^ 0x94d049bb133111ebU);
    return sum;
}

static void line_note(struct image_lines *lines, void *now, const void *kept, size_t at)
{
    if (lines->count == IMAGE_LINES_MAX) {
        lines->overflow = true;
        return;
    }
    lines->lines[lines->count].now = (unsigned char *)now + at;
    lines->lines[lines->count].kept = line_at(kept, at);
    lines->count++;
}

uint64_t image_hash(uint64_t hash, void *now, const void *kept, size_t bytes,
                    struct image_lines *lines)
{
    for (size_t at = next_line(now, kept, 0, bytes); at < bytes;
         at = next_line(now, kept, at + IMAGE_LINE_BYTES, bytes)) {
        hash = line_hash(hash, line_at(now, at), at);
        if (lines != NULL) {
            line_note(lines, now, kept, at);
        }
    }
    return fold(hash ^ bytes, 0xd6e8feb86659fd93U);
}
