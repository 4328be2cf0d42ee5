/* SPDX-License-Identifier: MIT
 *
 * kmem.c: the caches that users create.
 */
#include "core/page_alloc.h"

bool cache_take(struct potad *potad, struct alloc_context alloc, struct kmem_cache *cache,
                uint64_t count, void **objects)
{
    do {
        if (kmem_cache_take(cache, alloc, count, objects)) {
            return true;
        }
    } while (map_nodes_fill(potad, alloc));
    return false;
}

void cache_put(struct potad *potad, struct kmem_cache *cache, void *object,
               struct buddy_stash *released)
{
    struct slab *empty = kmem_cache_put(cache, slab_of(&potad->source, object), object);
    if (empty != NULL) {
        slab_page_give_back(potad, empty, released);
    }
}

enum status cache_make(struct potad *potad, struct alloc_context alloc,
                       const struct cache_request *request, struct kmem_cache **cache)
{
    struct kmem_cache prepared;
    void *object;
    enum status status = kmem_cache_init(&prepared, request->name, request->size, request->align,
                                         request->site, &potad->source);
    if (status != STATUS_OK || (request->zones & ~zones_for_metadata(potad)) != 0) {
        return STATUS_INVALID;
    }
    if (!cache_take(potad, alloc, &potad->cache_cache, 1, &object)) {
        return STATUS_NO_MEMORY;
    }
    *cache = object;
    /* In place: its lists' heads link to themselves. */
    status = kmem_cache_init(*cache, request->name, request->size, request->align, request->site,
                             &potad->source);
    ASSERT(status == STATUS_OK);
    (*cache)->zones = request->zones;
    spinlock_lock(&potad->caches_lock);
    list_push(&potad->caches, &(*cache)->caches);
    spinlock_unlock(&potad->caches_lock);
    return STATUS_OK;
}

void cache_discard(struct potad *potad, struct kmem_cache *cache, struct buddy_stash *released)
{
    spinlock_lock(&potad->caches_lock);
    list_remove(&cache->caches);
    spinlock_unlock(&potad->caches_lock);
    cache_put(potad, &potad->cache_cache, cache, released);
}

static enum status cache_create(struct potad *potad, const struct cache_request *request,
                                struct kmem_cache **cache)
{
    struct alloc_transaction transaction;
    enum status status;
    unsigned tried = 0;
    do {
        struct alloc_context alloc = transaction_begin(potad, &transaction);
        status = cache_make(potad, alloc, request, cache);
        if (status == STATUS_OK) {
            cpu_objects_number(potad, *cache);
            transaction_commit(potad, &transaction);
            return status;
        }
        transaction_undo(potad, &transaction);
    } while (status == STATUS_NO_MEMORY && transaction_retries(potad, &transaction, tried++));
    return status;
}

enum status kmem_cache_create(struct potad *potad, const char *name, uint64_t size, uint64_t align,
                              struct kmem_cache **cache)
{
    return kmem_cache_create_site(potad, name, size, align, FAULT_SITES, cache);
}

enum status kmem_cache_create_site(struct potad *potad, const char *name, uint64_t size,
                                   uint64_t align, enum fault_site site, struct kmem_cache **cache)
{
    struct cache_request request = {name, size, align, site, 0};
    return cache_create(potad, &request, cache);
}

enum status kmem_cache_create_in(struct potad *potad, const char *name, uint64_t size,
                                 uint64_t align, uint32_t zones, struct kmem_cache **cache)
{
    struct cache_request request = {name, size, align, FAULT_SITES, zones};
    return zones == 0 ? STATUS_INVALID : cache_create(potad, &request, cache);
}

void kmem_cache_free_slow(struct potad *potad, struct kmem_cache *cache, void *object)
{
    struct buddy_stash released;
    buddy_stash_init(&released);
    if (cache->number < CPU_CACHES) {
        *object_next(object) = OBJECT_NONE; /* another free is looked at closely */
    }
    cache_put(potad, cache, object, &released);
    descriptors_release(potad, &released);
}

enum status kmem_cache_destroy(struct potad *potad, struct kmem_cache *cache)
{
    struct buddy_stash released;
    buddy_stash_init(&released);
    cpu_objects_drain(potad, cache, &released);
    spinlock_lock(&cache->lock);
    bool busy = cache->live > 0;
    spinlock_unlock(&cache->lock);
    if (!busy) {
        cpu_objects_unnumber(potad, cache);
        cache_discard(potad, cache, &released);
    }
    descriptors_release(potad, &released);
    return busy ? STATUS_BUSY : STATUS_OK;
}

enum status kmem_cache_alloc_slow(struct potad *potad, struct kmem_cache *cache, void **object)
{
    void *kept = cpu_objects_refill(potad, cache);
    if (kept == NULL) {
        return kmem_cache_alloc_bulk(potad, cache, 1, object);
    }
    *object = kept;
    return STATUS_OK;
}

enum status kmem_cache_alloc_bulk(struct potad *potad, struct kmem_cache *cache, uint64_t count,
                                  void **objects)
{
    struct alloc_transaction transaction;
    unsigned tried = 0;
    do {
        struct alloc_context alloc = transaction_begin(potad, &transaction);
        if (cache_take(potad, alloc, cache, count, objects)) {
            transaction_commit(potad, &transaction);
            return STATUS_OK;
        }
        transaction_undo(potad, &transaction);
    } while (transaction_retries(potad, &transaction, tried++));
    return STATUS_NO_MEMORY;
}

/* Adds objects to @chain until there are @count. Return: false where there is no memory for all. */
static bool chain_fill(struct potad *potad, struct alloc_context alloc, struct kmem_cache *cache,
                       uint64_t count, struct object_chain *chain)
{
    enum { BATCH = 64 };
    void *objects[BATCH];
    while (chain->count < count) {
        uint64_t missing = count - chain->count;
        uint64_t batch = missing < BATCH ? missing : BATCH;
        if (!cache_take(potad, alloc, cache, batch, objects)) {
            return false;
        }
        for (uint64_t i = 0; i < batch; i++) {
            object_chain_push(chain, objects[i]);
        }
    }
    return true;
}

/* Takes @count objects. Return: false where there is no memory for all; then none is taken. */
static bool chain_take(struct potad *potad, struct kmem_cache *cache, uint64_t count,
                       struct object_chain *chain)
{
    struct alloc_transaction transaction;
    unsigned tried = 0;
    do {
        struct alloc_context alloc = transaction_begin(potad, &transaction);
        if (chain_fill(potad, alloc, cache, count, chain)) {
            transaction_commit(potad, &transaction);
            return true;
        }
        cpu_objects_put(potad, cache, chain, &transaction.pending);
        transaction_undo(potad, &transaction);
    } while (transaction_retries(potad, &transaction, tried++));
    return false;
}

enum status kmem_cache_reserve(struct potad *potad, struct kmem_cache *cache, uint64_t count,
                               struct kmem_reserve *reserve)
{
    struct object_chain added = OBJECT_CHAIN_EMPTY;
    struct object_chain *objects = &reserve->objects;
    if (reserve->cache != NULL && reserve->cache != cache) {
        return STATUS_INVALID;
    }
    uint64_t missing = objects->count < count ? count - objects->count : 0;
    if (!chain_take(potad, cache, missing, &added)) {
        return STATUS_NO_MEMORY;
    }
    if (reserve->cache == NULL) {
        *reserve = (struct kmem_reserve){.cache = cache, .objects = OBJECT_CHAIN_EMPTY};
    }
    while (added.count > 0) {
        object_chain_push(objects, object_chain_pop(&added));
    }
    return STATUS_OK;
}

void kmem_cache_unreserve(struct potad *potad, struct kmem_reserve *reserve)
{
    struct buddy_stash released;
    buddy_stash_init(&released);
    if (reserve->cache != NULL) {
        cpu_objects_put(potad, reserve->cache, &reserve->objects, &released);
        descriptors_release(potad, &released);
    }
    *reserve = (struct kmem_reserve){.cache = NULL};
}
