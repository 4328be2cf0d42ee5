/* SPDX-License-Identifier: MIT */
#include "stress/bench_loops.h"

#include <stdlib.h>

struct source {
    void *(*alloc)(size_t bytes);
    void (*free)(void *memory);
    size_t unit_bytes;
};

BENCH_TEMPLATE void *unit_alloc(void *allocator, order_t order)
{
    const struct source *source = allocator;
    return source->alloc(source->unit_bytes << order);
}

BENCH_TEMPLATE void unit_free(void *allocator, void *block)
{
    const struct source *source = allocator;
    source->free(block);
}

BENCH_OPS(malloc_ops, unit_alloc, unit_free);

void bench_peer_malloc(struct bench_peer *peer, const struct bench_goods *goods,
                       enum bench_malloc_id id)
{
    const struct bench_malloc *found = bench_malloc_find(id);
    *peer = (struct bench_peer){.name = found->name, .missing = found->missing};
    if (found->missing != NULL) {
        return;
    }
    uint64_t frames =
        goods->frames < BENCH_MALLOC_FRAMES_MAX ? goods->frames : BENCH_MALLOC_FRAMES_MAX;
    struct source *source = bench_memory_get(1, sizeof(*source));
    source->alloc = found->alloc;
    source->free = found->free;
    source->unit_bytes = goods->object_bytes != 0 ? goods->object_bytes : FRAME_SIZE;
    peer->ops = &malloc_ops;
    peer->allocator = source;
    peer->close = free;
    peer->units = (frames << FRAME_SHIFT) / source->unit_bytes;
}
