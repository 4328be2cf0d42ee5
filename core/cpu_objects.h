/* SPDX-License-Identifier: MIT
 *
 * cpu_objects.h: objects that a CPU keeps of users' caches, so that most allocations of them, and
 * frees, take no lock and look no slab up. Not for users: see potad.h.
 *
 *   kmem_cache_alloc()   pops ──┐                  ┌── pushes   kmem_cache_free()
 *                               ▼                  ▲
 *                   two magazines of one CPU, by the cache's number
 *                               ▲ refill           ▼ flush: a magazine at a time
 *                            slabs of the cache, under its lock
 *
 * To its slab, an object in a magazine is in use. Magazines are chains through the objects, so
 * there is nothing to allocate for them but struct cpu_cache, and they are its CPU's as the lists
 * of blocks are: cpu_cache_enter(). Caches have numbers, and magazines by these, as long as there
 * are numbers left; not those with a fault site of their own, which is asked before each object,
 * nor the allocator's own caches: their objects are reached by others who hold locks only.
 */
/* Before the guard: as in cpu_cache.h. */
#include "core/potad.h"

#ifndef POTAD_CORE_CPU_OBJECTS_H
#define POTAD_CORE_CPU_OBJECTS_H

enum {
    CPU_OBJECTS_MAX = 64,          /* in a magazine, at most */
    CPU_OBJECTS_BYTES = 32 * 1024, /* and so much */
    CPU_OBJECTS_STRIDE = 4096      /* larger objects are not kept */
};

static ALWAYS_INLINE void cpu_objects_swap(struct cpu_objects *objects)
{
    struct object_magazine before = objects->loaded;
    objects->loaded = objects->other;
    objects->other = before;
}

#define OBJECT_MAGAZINE_EMPTY ((struct object_magazine){.first = OBJECT_NONE, .room = 0})

/* Return: the warmest object, or NULL. */
static ALWAYS_INLINE void *cpu_objects_take(struct cpu_objects *objects)
{
    struct object_magazine *loaded = &objects->loaded;
    if (UNLIKELY(loaded->first == OBJECT_NONE)) {
        if (objects->other.first == OBJECT_NONE) {
            return NULL;
        }
        cpu_objects_swap(objects);
    }
    loaded->room++;
    return object_pop(&loaded->first);
}

/* Keeps @object, of @cache. Return: the chain of objects that there is no room for any more, a
 * magazine, or OBJECT_NONE. */
static ALWAYS_INLINE object_link_t cpu_objects_give(struct cpu_objects *objects,
                                                    const struct kmem_cache *cache, void *object)
{
    struct object_magazine *loaded = &objects->loaded;
    object_link_t surplus = OBJECT_NONE;
    if (UNLIKELY(loaded->room == 0)) {
        cpu_objects_swap(objects);
        surplus = loaded->first;
        *loaded = (struct object_magazine){.first = OBJECT_NONE, .room = cache->magazine};
    }
    loaded->room--;
    object_push(&loaded->first, object);
    return surplus;
}

/* An object that this CPU keeps of @cache, or NULL. */
static ALWAYS_INLINE void *cpu_objects_alloc(struct potad *potad, const struct kmem_cache *cache)
{
    uint32_t cpu;
    uint32_t number = cache->number;
    if (UNLIKELY(number >= CPU_CACHES)) {
        return NULL;
    }
    struct cpu_cache *keeper = cpu_cache_enter(potad, &cpu);
    if (UNLIKELY(keeper == NULL)) {
        return NULL;
    }
    void *object = cpu_objects_take(&keeper->objects[number]);
    cpu_cache_leave(potad, cpu);
    return object;
}

/* cpu_objects.c: ends the program where @object, which looks it, is free already. Context: no
 * lock. */
void cpu_objects_check(struct potad *potad, struct kmem_cache *cache, void *object);

/* Keeps @object. @surplus: as cpu_objects_give() answers. Return: whether it does; if not, there is
 * no surplus. */
static ALWAYS_INLINE bool cpu_objects_free(struct potad *potad, struct kmem_cache *cache,
                                           void *object, object_link_t *surplus)
{
    uint32_t cpu;
    uint32_t number = cache->number;
    if (UNLIKELY(number >= CPU_CACHES)) {
        return false;
    }
    if (UNLIKELY(object_is_linked(object))) {
        cpu_objects_check(potad, cache, object);
    }
    struct cpu_cache *keeper = cpu_cache_enter(potad, &cpu);
    if (UNLIKELY(keeper == NULL)) {
        return false;
    }
    *surplus = cpu_objects_give(&keeper->objects[number], cache, object);
    cpu_cache_leave(potad, cpu);
    return true;
}

/* Puts the magazine that begins with @surplus back into the slabs of @cache. Context: no lock. */
void cpu_objects_flush(struct potad *potad, struct kmem_cache *cache, object_link_t surplus);

/* Objects of @cache that CPUs keep. Context: no other thread is inside the allocator. */
uint64_t cpu_objects_count(const struct potad *potad, const struct kmem_cache *cache);

#endif
