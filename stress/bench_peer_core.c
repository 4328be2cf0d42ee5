/* SPDX-License-Identifier: MIT */
#include "stress/bench_arena.h"
#include "stress/bench_loops.h"

#include <stdlib.h>

enum { CPUS = 2 };

struct core {
    struct potad *potad;
    struct kmem_cache *cache; /* of objects */
    struct bench_arena arena;
};

BENCH_TEMPLATE void *frames_alloc(void *allocator, order_t order)
{
    const struct core *core = allocator;
    const struct page_request request = {.order = order, .zone = ZONE_ANY};
    struct buddy *buddy;
    return alloc_pages(core->potad, &request, &buddy) == STATUS_OK ? buddy : NULL;
}

BENCH_TEMPLATE void frames_free(void *allocator, void *block)
{
    const struct core *core = allocator;
    free_pages(core->potad, block);
}

BENCH_OPS(core_frames, frames_alloc, frames_free);

BENCH_TEMPLATE void *object_alloc(void *allocator, order_t order)
{
    const struct core *core = allocator;
    void *object;
    (void)order;
    return kmem_cache_alloc(core->potad, core->cache, &object) == STATUS_OK ? object : NULL;
}

BENCH_TEMPLATE void object_free(void *allocator, void *block)
{
    const struct core *core = allocator;
    kmem_cache_free(core->potad, core->cache, block);
}

BENCH_OPS(core_objects, object_alloc, object_free);

static void core_close(void *allocator)
{
    struct core *core = allocator;
    bench_arena_close(&core->arena);
    free(core);
}

void bench_peer_core(struct bench_peer *peer, const struct bench_goods *goods,
                     enum bench_core which)
{
    static const char *const names[] = {
        [CORE_TABLE] = "core",
        [CORE_TREE] = "core-tree",
        [CORE_LOCKED] = "core-locked",
    };
    struct core *core = bench_memory_get(1, sizeof(*core));
    bench_arena_open(&core->arena, which == CORE_TREE ? BLOCK_MAP_TREE : BLOCK_MAP_TABLE,
                     goods->frames, which == CORE_LOCKED ? 0 : CPUS);
    core->potad = core->arena.potad;
    *peer = (struct bench_peer){
        .name = names[which],
        .ops = &core_frames,
        .allocator = core,
        .close = core_close,
        .units = goods->frames,
    };
    if (goods->object_bytes != 0) {
        peer->ops = &core_objects;
        peer->units = (goods->frames << FRAME_SHIFT) / goods->object_bytes;
        if (kmem_cache_create(core->potad, "bench", goods->object_bytes, 8, &core->cache) !=
            STATUS_OK) {
            abort();
        }
    }
}
