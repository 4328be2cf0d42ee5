/* SPDX-License-Identifier: MIT
 *
 * bench_ring.h: blocks on their way from the one thread that allocates them to the one that frees
 * them. Each side tells the other of a batch at a time, so that little of what is measured is the
 * ring's own.
 */
#ifndef POTAD_STRESS_BENCH_RING_H
#define POTAD_STRESS_BENCH_RING_H

#include "core/sync.h"

enum { BENCH_RING_BATCH = 32, BENCH_RING_BLOCKS = 8 * BENCH_RING_BATCH };

struct bench_ring {
    _Alignas(CACHE_LINE_BYTES) atomic_word_t put;   /* blocks so far */
    _Alignas(CACHE_LINE_BYTES) atomic_word_t taken; /* of these */
    _Alignas(CACHE_LINE_BYTES) atomic_word_t ended; /* no more will be put */
    void *blocks[BENCH_RING_BLOCKS];
};

/* Where the next batch goes, or comes from, or NULL: the ring is full, or empty. */
static inline void **bench_ring_room(struct bench_ring *ring)
{
    uint64_t put = atomic_word_peek(&ring->put);
    /* Acquire: the slots have been read. */
    bool full = put - atomic_word_acquire(&ring->taken) == BENCH_RING_BLOCKS;
    return full ? NULL : &ring->blocks[put % BENCH_RING_BLOCKS];
}

static inline void **bench_ring_batch(struct bench_ring *ring)
{
    uint64_t taken = atomic_word_peek(&ring->taken);
    /* Acquire: the slots have been written. */
    bool empty = atomic_word_acquire(&ring->put) == taken;
    return empty ? NULL : &ring->blocks[taken % BENCH_RING_BLOCKS];
}

/* Ends the visit to a batch: it is there, or it is read. */
static inline void bench_ring_put(struct bench_ring *ring)
{
    atomic_word_release(&ring->put, atomic_word_peek(&ring->put) + BENCH_RING_BATCH);
}

static inline void bench_ring_taken(struct bench_ring *ring)
{
    atomic_word_release(&ring->taken, atomic_word_peek(&ring->taken) + BENCH_RING_BATCH);
}

#endif
