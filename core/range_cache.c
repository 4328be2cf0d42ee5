/* SPDX-License-Identifier: MIT */
#include "core/range_cache.h"

static void *cache_take(void *context)
{
    const struct range_cache *cache = context;
    void *node = NULL;
    enum status status = kmem_cache_alloc(cache->potad, cache->cache, &node);
    return status == STATUS_OK ? node : NULL;
}

static void cache_give_back(void *context, void *node)
{
    const struct range_cache *cache = context;
    kmem_cache_free(cache->potad, cache->cache, node);
}

enum status range_cache_open(struct range_cache *cache, struct potad *potad)
{
    *cache = (struct range_cache){
        .potad = potad,
        .source = {.context = cache, .take = cache_take, .give_back = cache_give_back},
    };
    return kmem_cache_create_site(potad, "range_cache", RANGE_NODE_BYTES, RANGE_NODE_BYTES,
                                  FAULT_RANGE_NODE, &cache->cache);
}

enum status range_cache_close(struct range_cache *cache)
{
    return kmem_cache_destroy(cache->potad, cache->cache);
}
