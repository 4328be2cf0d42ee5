/* SPDX-License-Identifier: MIT
 *
 * kmem.c: the caches that users create.
 */
#include "core/page_alloc.h"

/* kmem_cache_take(), again where it was for want of tree nodes that it failed. */
static bool take(struct potad *potad, struct alloc_context alloc, struct kmem_cache *cache,
                 uint64_t count, void **objects)
{
    do {
        if (kmem_cache_take(cache, alloc, count, objects)) {
            return true;
        }
    } while (map_nodes_fill(potad, alloc));
    return false;
}

enum status kmem_cache_create(struct potad *potad, const char *name, uint64_t size, uint64_t align,
                              struct kmem_cache **cache)
{
    return kmem_cache_create_site(potad, name, size, align, FAULT_SITES, cache);
}

enum status kmem_cache_create_site(struct potad *potad, const char *name, uint64_t size,
                                   uint64_t align, enum fault_site site, struct kmem_cache **cache)
{
    struct alloc_transaction transaction;
    struct kmem_cache prepared;
    void *object;
    enum status status = kmem_cache_init(&prepared, name, size, align, site, &potad->source);
    if (status != STATUS_OK) {
        return status;
    }
    struct alloc_context alloc = transaction_begin(potad, &transaction);
    if (!take(potad, alloc, &potad->cache_cache, 1, &object)) {
        transaction_undo(potad, &transaction);
        return STATUS_NO_MEMORY;
    }
    transaction_commit(potad, &transaction);
    *cache = object;
    status = kmem_cache_init(*cache, name, size, align, site, &potad->source);
    ASSERT(status == STATUS_OK);
    spinlock_lock(&potad->caches_lock);
    list_push(&potad->caches, &(*cache)->caches);
    spinlock_unlock(&potad->caches_lock);
    return STATUS_OK;
}

void kmem_cache_free(struct potad *potad, struct kmem_cache *cache, void *object)
{
    struct buddy_stash released;
    buddy_stash_init(&released);
    struct slab *empty = kmem_cache_put(cache, slab_of(&potad->source, object), object);
    if (empty != NULL) {
        slab_page_give_back(potad, empty, &released);
    }
    descriptors_release(potad, &released);
}

enum status kmem_cache_destroy(struct potad *potad, struct kmem_cache *cache)
{
    spinlock_lock(&cache->lock);
    bool busy = cache->live > 0;
    spinlock_unlock(&cache->lock);
    if (busy) {
        return STATUS_BUSY;
    }
    spinlock_lock(&potad->caches_lock);
    list_remove(&cache->caches);
    spinlock_unlock(&potad->caches_lock);
    kmem_cache_free(potad, &potad->cache_cache, cache);
    return STATUS_OK;
}

enum status kmem_cache_alloc(struct potad *potad, struct kmem_cache *cache, void **object)
{
    return kmem_cache_alloc_bulk(potad, cache, 1, object);
}

enum status kmem_cache_alloc_bulk(struct potad *potad, struct kmem_cache *cache, uint64_t count,
                                  void **objects)
{
    struct alloc_transaction transaction;
    struct alloc_context alloc = transaction_begin(potad, &transaction);
    if (!take(potad, alloc, cache, count, objects)) {
        transaction_undo(potad, &transaction);
        return STATUS_NO_MEMORY;
    }
    transaction_commit(potad, &transaction);
    return STATUS_OK;
}
