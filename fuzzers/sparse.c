/* SPDX-License-Identifier: MIT */
#include "fuzzers/sparse.h"

#include <string.h>
#include <sys/mman.h>

/* Up to here, memory that is used again is zeroed byte by byte; beyond, it is given back. */
#define ZEROED_BYTES_MAX ((size_t)1 << 20)

/* Entries of a level: pairs of halves, whole ones. */
static uint64_t level_entries(uint64_t count, order_t level)
{
    return (((count - 1) >> level) | 1) + 1;
}

/* Makes @sparse->memory @bytes of zeros. */
static bool clear_memory(struct sparse *sparse, size_t bytes)
{
    if (bytes <= sparse->bytes) {
        if (bytes <= ZEROED_BYTES_MAX) {
            memset(sparse->memory, 0, bytes);
            return true;
        }
        return madvise(sparse->memory, sparse->bytes, MADV_DONTNEED) == 0;
    }
    sparse_close(sparse);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    /* Few words of each page are written: huge pages would make up most of what is resident. */
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
    sparse->memory = memory;
    sparse->bytes = bytes;
    return true;
}

bool sparse_open(struct sparse *sparse, uint64_t first, uint64_t count)
{
    order_t orders = 64 - (order_t)__builtin_clzll(count);
    uint64_t base = first >> (orders - 1) << (orders - 1);
    uint64_t entries = 0;
    for (order_t level = 0; level < orders; level++) {
        entries += level_entries(first + count - base, level);
    }
    if (!clear_memory(sparse, entries * sizeof(uint32_t))) {
        return false;
    }
    sparse->base = base;
    sparse->orders = orders;
    uint32_t *at = sparse->memory;
    for (order_t level = 0; level < orders; level++) {
        sparse->levels[level] = at;
        at += level_entries(first + count - base, level);
    }
    return true;
}

void sparse_close(struct sparse *sparse)
{
    if (sparse->memory != NULL) {
        munmap(sparse->memory, sparse->bytes);
    }
    *sparse = (struct sparse){0};
}

order_t sparse_set(struct sparse *sparse, uint64_t index, order_t order, uint32_t word)
{
    uint64_t at = index - sparse->base;
    /* The word of a larger block goes to its halves, until this block is one of them. */
    for (order_t level = sparse->orders - 1; level > order; level--) {
        uint32_t *around = &sparse->levels[level][at >> level];
        if (*around != 0) {
            uint32_t *halves = &sparse->levels[level - 1][at >> level << 1];
            halves[0] = *around;
            halves[1] = *around;
            *around = 0;
        }
    }
    sparse->levels[order][at >> order] = word;
    while (order + 1 < sparse->orders && sparse->levels[order][(at >> order) ^ 1] == word) {
        order++;
        sparse->levels[order][at >> order] = word;
    }
    return order;
}
