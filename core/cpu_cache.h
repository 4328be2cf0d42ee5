/* SPDX-License-Identifier: MIT
 *
 * cpu_cache.h: small blocks that a CPU keeps for its next allocations, so that most of these take
 * no lock. Not for users: see potad.h.
 *
 *   alloc_pages()   pops ──┐                       ┌── pushes   free_pages()
 *                          ▼                       ▲
 *              lists of one CPU, by zone, migrate type and order
 *                          ▲ a batch: refill       ▼ a batch: drain
 *                              zone, under its lock
 *
 * To the zone, what is in a list is in use: BUDDY_ALLOCATED, of the list's type, its word leading
 * to its struct buddy, which is marked BUDDY_CACHED. So a pop and a push write the list and the
 * struct buddy's flags, and nothing else.
 *
 * Who is on a CPU (port.cpu_enter()) has its lists for itself, without a lock: it says so in
 * slot->inside, a plain store, and then sees whether slot->cache leads to them. Others claim all
 * CPUs' lists, so that none does, have the port make both sides see each other's stores
 * (port.cpu_barrier()), and wait until nobody is inside:
 *
 *   owner     inside = 1; lists = cache; NULL: inside = 0, goes to the zone
 *   others    cache = 0; barrier; wait for inside == 0; ...; cache = lists
 */
/* Before the guard: potad.h includes this file in its midst, where struct potad is known and
 * alloc_pages() is not yet; so whoever includes this one first gets it from there. */
#include "core/potad.h"

#ifndef POTAD_CORE_CPU_CACHE_H
#define POTAD_CORE_CPU_CACHE_H

enum {
    CPU_MAGAZINE = 64, /* frames in a magazine */
    ZONE_SPARE = 256,  /* struct buddys that a zone keeps for its next cuts */
    CPU_TYPES = 4,     /* lists for so many migrate types, more than there are */
    CPU_LISTS = ZONES_MAX * CPU_TYPES * CPU_ORDERS
};

/* Blocks linked by list.next, the warmest first. */
struct cpu_magazine {
    struct list_head *blocks;
    uint64_t room; /* for so many more */
};

/* Blocks of one kind, in two magazines: only when both are empty, or full, blocks come or go; so no
 * pattern of allocations and frees has each of them do so. */
struct cpu_list {
    struct cpu_magazine loaded;
    struct cpu_magazine other;
};

struct object_magazine {
    object_link_t first;
    uint64_t room; /* for so many more; of an empty one, 0 is as good as all there is */
};

/* Objects of one cache, in two magazines for the same reason: cpu_objects.h. */
struct cpu_objects {
    struct object_magazine loaded;
    struct object_magazine other;
};

struct cpu_cache {
    struct cpu_objects objects[CPU_CACHES]; /* by kmem_cache.number */
    struct cpu_list lists[CPU_LISTS];       /* cpu_list_of() */
};

/* The lists of CPU number @cpu, be they claimed or not; NULL: it is offline. Context: they stay. */
static inline struct cpu_cache *cpu_cache_of(const struct potad *potad, uint32_t cpu)
{
    return (struct cpu_cache *)(uintptr_t)atomic_word_acquire(&potad->cpus[cpu]);
}

static ALWAYS_INLINE void cpu_cache_leave(struct potad *potad, uint32_t cpu)
{
    lock_check_release(&potad->cpu_slots[cpu], LOCK_CPU_LISTS, 0);
    atomic_flags_release(&potad->cpu_slots[cpu].inside, 0);
    if (UNLIKELY(potad->port.cpu_leave != NULL)) {
        potad->port.cpu_leave(potad->port.context, cpu);
    }
}

/* cpu_cache.c: leaves CPU number @cpu, whose lists are claimed, or not there. */
void cpu_cache_turn_away(struct potad *potad, uint32_t cpu);

/* Enters the lists of the CPU that this thread is on, as @cpu. Return: NULL where there are none,
 * or others have claimed them. Context: until cpu_cache_leave(), no call of the core, and no wait.
 */
static ALWAYS_INLINE struct cpu_cache *cpu_cache_enter(struct potad *potad, uint32_t *cpu)
{
    const struct port *port = &potad->port;
    if (port->cpu_enter == NULL) {
        return NULL;
    }
    lock_check_call("port.cpu_enter");
    *cpu = port->cpu_enter(port->context);
    if (UNLIKELY(*cpu >= CPUS_MAX)) {
        return NULL;
    }
    struct cpu_slot *slot = &potad->cpu_slots[*cpu];
    lock_check_take(slot, LOCK_CPU_LISTS, 0);
    atomic_flags_announce(&slot->inside, port->cpu_barrier == NULL);
    uint64_t cache = atomic_word_load_ordered(&slot->cache);
    if (UNLIKELY(cache == 0)) {
        cpu_cache_turn_away(potad, *cpu);
    }
    return (struct cpu_cache *)(uintptr_t)cache;
}

/* The list for blocks of @zone, one that there is. */
static ALWAYS_INLINE struct cpu_list *cpu_list_of(struct cpu_cache *cache, zone_id_t zone,
                                                  unsigned type, order_t order)
{
    return &cache->lists[(zone * CPU_TYPES + type) * CPU_ORDERS + order];
}

static ALWAYS_INLINE struct cpu_magazine cpu_magazine_empty(order_t order)
{
    return (struct cpu_magazine){.blocks = NULL, .room = (uint64_t)CPU_MAGAZINE >> order};
}

static ALWAYS_INLINE void chain_push(struct list_head **chain, struct list_head *link)
{
    link->next = *chain;
    *chain = link;
}

static ALWAYS_INLINE struct list_head *chain_pop(struct list_head **chain)
{
    struct list_head *link = *chain;
    *chain = link->next;
    return link;
}

static ALWAYS_INLINE void cpu_list_swap(struct cpu_list *list)
{
    struct cpu_magazine before = list->loaded;
    list->loaded = list->other;
    list->other = before;
}

/* Return: the warmest block, or NULL. */
static ALWAYS_INLINE struct buddy *cpu_list_take(struct cpu_list *list)
{
    if (UNLIKELY(list->loaded.blocks == NULL)) {
        if (list->other.blocks == NULL) {
            return NULL;
        }
        cpu_list_swap(list);
    }
    list->loaded.room++;
    return buddy_of_link(chain_pop(&list->loaded.blocks));
}

/* Adds @buddy. Context: there is room. */
static ALWAYS_INLINE void cpu_magazine_push(struct cpu_magazine *magazine, struct buddy *buddy)
{
    magazine->room--;
    chain_push(&magazine->blocks, &buddy->list);
}

/* Keeps @buddy. Return: the chain of blocks that there is no room for any more, or NULL. */
static ALWAYS_INLINE struct list_head *cpu_list_give(struct cpu_list *list, struct buddy *buddy,
                                                     order_t order)
{
    struct list_head *surplus = NULL;
    if (UNLIKELY(list->loaded.room == 0)) {
        cpu_list_swap(list);
        surplus = list->loaded.blocks;
        list->loaded = cpu_magazine_empty(order);
    }
    cpu_magazine_push(&list->loaded, buddy);
    return surplus;
}

/* The zone that an allocation of @type tries first on @node, or ZONE_ANY. */
static ALWAYS_INLINE zone_id_t cpu_first_zone(const struct potad *potad, uint32_t node,
                                              enum migratetype type)
{
    uint64_t firsts = atomic_word_acquire(&potad->firsts);
    return firsts >> 8 * (2 * node + (type == MIGRATE_MOVABLE ? 1 : 0)) & 0xff;
}

/* A block for @request that this CPU keeps, from the zone that would be tried first; or NULL. */
static ALWAYS_INLINE struct buddy *cpu_cache_alloc(struct potad *potad,
                                                   const struct page_request *request)
{
    uint32_t cpu;
    if (request->order >= CPU_ORDERS || (uint32_t)request->migratetype >= MIGRATETYPES ||
        request->node >= NODES_MAX || request->below != ZONE_DMA) {
        return NULL;
    }
    struct cpu_cache *cache = cpu_cache_enter(potad, &cpu);
    if (UNLIKELY(cache == NULL)) {
        return NULL;
    }
    zone_id_t zone = request->zone == ZONE_ANY
                         ? cpu_first_zone(potad, request->node, request->migratetype)
                         : request->zone;
    struct buddy *buddy = NULL;
    if (LIKELY(zone < ZONES_MAX)) {
        buddy = cpu_list_take(cpu_list_of(cache, zone, request->migratetype, request->order));
        if (LIKELY(buddy != NULL)) {
            buddy_set_use(buddy, BUDDY_CACHED, false);
        }
    }
    cpu_cache_leave(potad, cpu);
    return buddy;
}

/* Keeps the block of @buddy where it is small, plain and sound. Blocks of its zone that there is no
 * room for any more are @surplus, a chain. Return: whether it does. */
static ALWAYS_INLINE bool cpu_cache_free(struct potad *potad, struct buddy *buddy,
                                         struct list_head **surplus)
{
    uint32_t cpu;
    order_t order = buddy_order(buddy);
    *surplus = NULL;
    if (order >= CPU_ORDERS) {
        return false;
    }
    struct cpu_cache *cache = cpu_cache_enter(potad, &cpu);
    if (UNLIKELY(cache == NULL)) {
        return false;
    }
    uint32_t flags = atomic_flags_peek(&buddy->head.flags);
    bool keeps = (flags & BUDDY_PLAIN_MASK) == BUDDY_ALLOCATED;
    if (LIKELY(keeps)) {
        atomic_flags_poke(&buddy->head.flags, flags | BUDDY_CACHED);
        *surplus = cpu_list_give(
            cpu_list_of(cache, buddy->head.zone, buddy->head.migratetype, order), buddy, order);
    }
    cpu_cache_leave(potad, cpu);
    return keeps;
}

/* cpu_cache.c: frees the chain of blocks, all of one zone, which no CPU keeps any more. Context: no
 * lock. */
void cpu_cache_give_back(struct potad *potad, struct list_head *chain);

#endif
