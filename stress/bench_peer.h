/* SPDX-License-Identifier: MIT
 *
 * bench_peer.h: allocators that are measured beside each other, and what is done with them. The
 * loops that are timed are compiled once for each (bench_loops.h), so that each is called as its
 * users call it: the core and the textbook buddy directly, a malloc through one pointer.
 *
 * Nobody writes into what was allocated, but for an allocator that does so itself.
 */
#ifndef POTAD_STRESS_BENCH_PEER_H
#define POTAD_STRESS_BENCH_PEER_H

#include "core/boot_map.h"
#include "stress/bench_malloc.h"

enum { BENCH_CHURN = 64 }; /* frees in a row, then as many allocations */

/* What one thread has allocated. */
struct bench_set {
    void *allocator;
    void **blocks;
};

/* Frees the block of a slot, or where there is none, allocates one of @order. */
struct bench_step {
    uint32_t slot;
    order_t order;
};

/* Units are of order 0, and so are all blocks but those of mixed(). All but this abort where there
 * is no memory. */
struct bench_ops {
    /* Allocates and frees a unit, @count times. */
    void (*pairs)(const struct bench_set *set, uint64_t count);
    /* Fills, or frees, blocks[@first] and so on, in this order. */
    void (*take)(const struct bench_set *set, uint64_t first, uint64_t count);
    void (*give)(const struct bench_set *set, uint64_t first, uint64_t count);
    /* Frees the BENCH_CHURN blocks of the next so many @victims, and fills their slots again; and
     * so on, @rounds times. */
    void (*churn)(const struct bench_set *set, const uint32_t *victims, uint64_t rounds);
    /* Return: how many allocations found no memory; their slots stay empty. */
    uint64_t (*mixed)(const struct bench_set *set, const struct bench_step *steps, uint64_t count);
};

struct bench_peer {
    const char *name;
    const char *missing; /* why it is not measured, or NULL; what follows is for NULL */
    const struct bench_ops *ops;
    void *allocator;
    void (*close)(void *allocator);
    uint64_t units; /* that it has, about: metadata of the core comes from them */
};

/* What peers are to allocate. */
struct bench_goods {
    uint64_t frames;       /* of the arena: a power of two */
    uint64_t object_bytes; /* units are slab objects of this size; 0: units are frames */
};

/* The most frames that a malloc is given: it needs memory for them. */
#define BENCH_MALLOC_FRAMES_MAX ((uint64_t)1 << 18)

/* Each makes *@peer. bench_peer_core.c: the core; LOCKED is TABLE without per-CPU lists. Two CPUs
 * have lists: those that bench_pin() numbers 0 and 1. */
enum bench_core { CORE_TABLE, CORE_TREE, CORE_LOCKED };
void bench_peer_core(struct bench_peer *peer, const struct bench_goods *goods,
                     enum bench_core which);

/* bench_peer_textbook.c: frames only. PLAIN and CACHED are for one thread; LOCKED is PLAIN behind
 * one lock. */
enum bench_textbook { TEXTBOOK_PLAIN, TEXTBOOK_CACHED, TEXTBOOK_LOCKED };
void bench_peer_textbook(struct bench_peer *peer, const struct bench_goods *goods,
                         enum bench_textbook which);

/* bench_peer_malloc.c */
void bench_peer_malloc(struct bench_peer *peer, const struct bench_goods *goods,
                       enum bench_malloc_id id);

static inline void bench_peer_close(struct bench_peer *peer)
{
    if (peer->missing == NULL) {
        peer->close(peer->allocator);
    }
}

#endif
