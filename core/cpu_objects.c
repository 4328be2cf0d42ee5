/* SPDX-License-Identifier: MIT */
#include "core/page_alloc.h"

void cpu_objects_number(struct potad *potad, struct kmem_cache *cache)
{
    uint64_t fit = CPU_OBJECTS_BYTES / cache->stride;
    if (potad->port.cpu_enter == NULL || cache->site != FAULT_SITES ||
        cache->stride > CPU_OBJECTS_STRIDE) {
        return;
    }
    spinlock_lock(&potad->caches_lock);
    for (uint32_t number = 0; number < CPU_CACHES && cache->number == CPU_CACHES; number++) {
        if (potad->numbered[number] == NULL) {
            potad->numbered[number] = cache;
            cache->magazine = (uint32_t)(fit < CPU_OBJECTS_MAX ? fit : CPU_OBJECTS_MAX);
            cache->number = number;
        }
    }
    spinlock_unlock(&potad->caches_lock);
}

void cpu_objects_unnumber(struct potad *potad, struct kmem_cache *cache)
{
    if (cache->number < CPU_CACHES) {
        spinlock_lock(&potad->caches_lock);
        potad->numbered[cache->number] = NULL;
        spinlock_unlock(&potad->caches_lock);
        cache->number = CPU_CACHES;
    }
}

void cpu_objects_init(struct cpu_cache *keeper)
{
    for (unsigned number = 0; number < CPU_CACHES; number++) {
        keeper->objects[number] =
            (struct cpu_objects){OBJECT_MAGAZINE_EMPTY, OBJECT_MAGAZINE_EMPTY};
    }
}

static uint64_t magazine_count(const struct object_magazine *magazine,
                               const struct kmem_cache *cache)
{
    return magazine->first == OBJECT_NONE ? 0 : cache->magazine - magazine->room;
}

/* Puts all that is in @magazine back into the slabs of @cache. Return: objects. */
static uint64_t magazine_empty(struct object_magazine *magazine, struct kmem_cache *cache,
                               struct list_head *empty)
{
    uint64_t count = magazine_count(magazine, cache);
    struct object_chain chain = {.first = magazine->first, .count = count};
    *magazine = OBJECT_MAGAZINE_EMPTY;
    kmem_cache_put_chain(cache, &chain, empty);
    return count;
}

uint64_t cpu_objects_empty(struct potad *potad, struct cpu_cache *keeper, struct list_head *empty)
{
    uint64_t count = 0;
    for (unsigned number = 0; number < CPU_CACHES; number++) {
        struct cpu_objects *objects = &keeper->objects[number];
        if (objects->loaded.first != OBJECT_NONE || objects->other.first != OBJECT_NONE) {
            count += magazine_empty(&objects->loaded, potad->numbered[number], empty);
            count += magazine_empty(&objects->other, potad->numbered[number], empty);
        }
    }
    return count;
}

uint64_t cpu_objects_count(const struct potad *potad, const struct kmem_cache *cache)
{
    uint64_t count = 0;
    for (uint32_t cpu = 0; cpu < CPUS_MAX && cache->number < CPU_CACHES; cpu++) {
        const struct cpu_cache *keeper = cpu_cache_of(potad, cpu);
        if (keeper != NULL) {
            count += magazine_count(&keeper->objects[cache->number].loaded, cache);
            count += magazine_count(&keeper->objects[cache->number].other, cache);
        }
    }
    return count;
}

void slabs_give_back(struct potad *potad, struct list_head *empty, struct buddy_stash *released)
{
    while (!list_is_empty(empty)) {
        slab_page_give_back(potad, slab_of_link(list_pop(empty)), released);
    }
}

void cpu_objects_drain(struct potad *potad, struct kmem_cache *cache, struct buddy_stash *released)
{
    struct list_head empty;
    list_init(&empty);
    if (cache->number >= CPU_CACHES) {
        return;
    }
    cpu_cache_stop(potad);
    for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
        struct cpu_cache *keeper = cpu_cache_of(potad, cpu);
        if (keeper != NULL) {
            (void)magazine_empty(&keeper->objects[cache->number].loaded, cache, &empty);
            (void)magazine_empty(&keeper->objects[cache->number].other, cache, &empty);
        }
    }
    cpu_cache_start(potad);
    slabs_give_back(potad, &empty, released);
}

void cpu_objects_put(struct potad *potad, struct kmem_cache *cache, struct object_chain *chain,
                     struct buddy_stash *released)
{
    struct list_head empty;
    list_init(&empty);
    kmem_cache_put_chain(cache, chain, &empty);
    slabs_give_back(potad, &empty, released);
}

/* The same, with all that follows. */
static void chain_put(struct potad *potad, struct kmem_cache *cache, struct object_chain *chain)
{
    struct buddy_stash released;
    buddy_stash_init(&released);
    cpu_objects_put(potad, cache, chain, &released);
    descriptors_release(potad, &released);
}

void cpu_objects_flush(struct potad *potad, struct kmem_cache *cache, object_link_t surplus)
{
    /* One magazine is always full, or empty, before the other one is begun. */
    struct object_chain chain = {.first = surplus, .count = cache->magazine};
    core_event(potad, CORE_EVENT_FLUSHED);
    chain_put(potad, cache, &chain);
}

/* Takes an object that this CPU keeps. Return: whether there is a CPU with magazines. */
static bool refill_pop(struct potad *potad, const struct kmem_cache *cache, void **object)
{
    uint32_t cpu;
    struct cpu_cache *keeper = cpu_cache_enter(potad, &cpu);
    *object = NULL;
    if (keeper == NULL) {
        return false;
    }
    *object = cpu_objects_take(&keeper->objects[cache->number]);
    cpu_cache_leave(potad, cpu);
    return true;
}

/* Makes @batch a magazine of this CPU. Return: whether it is: another thread may have come first,
 * or have claimed the CPU. */
static bool refill_push(struct potad *potad, const struct kmem_cache *cache,
                        const struct object_chain *batch)
{
    uint32_t cpu;
    struct cpu_cache *keeper = cpu_cache_enter(potad, &cpu);
    if (keeper == NULL) {
        return false;
    }
    struct object_magazine *loaded = &keeper->objects[cache->number].loaded;
    bool free = loaded->first == OBJECT_NONE;
    if (free) {
        loaded->first = batch->first;
        loaded->room = cache->magazine - batch->count;
    }
    cpu_cache_leave(potad, cpu);
    return free;
}

void *cpu_objects_refill(struct potad *potad, struct kmem_cache *cache)
{
    struct object_chain batch = OBJECT_CHAIN_EMPTY;
    void *object = NULL;
    if (cache->number >= CPU_CACHES || !refill_pop(potad, cache, &object) || object != NULL) {
        return object;
    }
    /* Of slabs that are there: one that is made for a single object serves the next refill. */
    kmem_cache_take_chain(cache, cache->magazine, &batch);
    if (batch.count == 0) {
        return NULL;
    }
    core_event(potad, CORE_EVENT_OBJECTS_REFILLED);
    port_window(potad, WINDOW_BATCH_TAKEN);
    object = object_chain_pop(&batch);
    if (batch.count > 0 && !refill_push(potad, cache, &batch)) {
        chain_put(potad, cache, &batch);
    }
    return object;
}

static bool magazine_has(const struct object_magazine *magazine, const void *object)
{
    void *at = object_of_link(magazine->first);
    while (at != NULL && at != object) {
        ASSERT(object_is_linked(at));
        at = object_of_link(*object_next(at));
    }
    return at != NULL;
}

void cpu_objects_check(struct potad *potad, struct kmem_cache *cache, void *object)
{
    bool kept = false;
    cpu_cache_stop(potad);
    for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
        const struct cpu_cache *keeper = cpu_cache_of(potad, cpu);
        if (keeper != NULL) {
            const struct cpu_objects *objects = &keeper->objects[cache->number];
            kept = kept || magazine_has(&objects->loaded, object) ||
                   magazine_has(&objects->other, object);
        }
    }
    cpu_cache_start(potad);
    ASSERT(!kept); /* a double free else */
    const struct slab *slab = slab_of(&potad->source, object);
    spinlock_lock(&cache->lock);
    bool used = slab_uses(slab, object);
    spinlock_unlock(&cache->lock);
    ASSERT(used); /* the same, and it went back to its slab meanwhile */
}

/* Whether @object is in use to a slab of @cache. */
static bool object_fits(struct potad *potad, const struct kmem_cache *cache, const void *object)
{
    struct memdesc_info info;
    if ((uintptr_t)object % SLAB_STRIDE_MIN != 0 ||
        !memdesc_lookup(potad, address_pfn(potad, object), &info) || info.type != MEMDESC_SLAB) {
        return false;
    }
    const struct slab *slab = (const struct slab *)info.descriptor;
    return slab->cache == cache && slab_uses(slab, object) && object_is_linked(object);
}

/* I18 for one magazine. Each object is marked as not in use, so that it is not met again, and
 * counted in @marked. */
static bool magazine_check(struct potad *potad, const struct kmem_cache *cache,
                           const struct object_magazine *magazine, uint64_t *marked,
                           struct violation *violation)
{
    void *at = object_of_link(magazine->first);
    uint64_t count = 0;
    for (; at != NULL; count++) {
        bool fits = object_fits(potad, cache, at);
        if (!invariant_check(violation, INVARIANT_CPU_MAGAZINE, address_pfn(potad, at), true,
                             fits)) {
            return false;
        }
        slab_mark(slab_of(&potad->source, at), at, false);
        ++*marked;
        at = object_of_link(*object_next(at));
    }
    return invariant_check(violation, INVARIANT_CPU_MAGAZINE, PFN_NONE, count,
                           magazine_count(magazine, cache));
}

/* Undoes that for the first *@marked objects. */
static void magazine_restore(struct potad *potad, const struct object_magazine *magazine,
                             uint64_t *marked)
{
    for (void *at = object_of_link(magazine->first); at != NULL && *marked > 0; --*marked) {
        slab_mark(slab_of(&potad->source, at), at, true);
        at = object_of_link(*object_next(at));
    }
}

/* I18 for the magazines of one number, of CPUs below @cpus. */
static bool number_check(struct potad *potad, uint32_t number, uint32_t cpus,
                         struct violation *violation)
{
    const struct kmem_cache *cache = potad->numbered[number];
    bool holds = invariant_check(violation, INVARIANT_CPU_MAGAZINE, PFN_NONE, number,
                                 cache == NULL ? number : cache->number);
    uint64_t marked = 0;
    for (uint32_t cpu = 0; cpu < cpus && holds; cpu++) {
        const struct cpu_cache *keeper = cpu_cache_of(potad, cpu);
        const struct cpu_objects *objects = keeper == NULL ? NULL : &keeper->objects[number];
        if (objects != NULL && cache == NULL) {
            bool any = objects->loaded.first != OBJECT_NONE || objects->other.first != OBJECT_NONE;
            holds = invariant_check(violation, INVARIANT_CPU_MAGAZINE, PFN_NONE, false, any);
        } else if (objects != NULL) {
            holds = magazine_check(potad, cache, &objects->loaded, &marked, violation) &&
                    magazine_check(potad, cache, &objects->other, &marked, violation);
        }
    }
    for (uint32_t cpu = 0; cpu < cpus && marked > 0; cpu++) {
        const struct cpu_cache *keeper = cpu_cache_of(potad, cpu);
        if (keeper != NULL) {
            magazine_restore(potad, &keeper->objects[number].loaded, &marked);
            magazine_restore(potad, &keeper->objects[number].other, &marked);
        }
    }
    return holds;
}

bool cpu_objects_validate(struct potad *potad, struct violation *violation)
{
    list_for_each (link, &potad->caches) {
        const struct kmem_cache *cache = list_item(link, struct kmem_cache, caches);
        bool own = cache->number >= CPU_CACHES || potad->numbered[cache->number] == cache;
        if (!invariant_check(violation, INVARIANT_CPU_MAGAZINE, PFN_NONE, true, own)) {
            return false;
        }
    }
    uint32_t cpus = cpu_cache_end(potad);
    for (uint32_t number = 0; number < CPU_CACHES; number++) {
        if (!number_check(potad, number, cpus, violation)) {
            return false;
        }
    }
    return true;
}
