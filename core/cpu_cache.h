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
 * @inside, a plain store, and then sees whether they are claimed. Others claim all CPUs' lists,
 * have the port make both sides see each other's stores (port.cpu_barrier()), and wait until nobody
 * is inside:
 *
 *   owner     inside = 1;  claimed?  yes: inside = 0, goes to the zone
 *   others    claimed = 1; barrier; wait for inside == 0; ...; claimed = 0
 */
/* Before the guard: potad.h includes this file in its midst, where struct potad is known and
 * alloc_pages() is not yet; so whoever includes this one first gets it from there. */
#include "core/potad.h"

#ifndef POTAD_CORE_CPU_CACHE_H
#define POTAD_CORE_CPU_CACHE_H

enum {
    CPU_MAGAZINE = 64, /* frames in a magazine */
    CPU_SPARE = 256,   /* struct buddys that a CPU keeps for cutting blocks */
    CPU_TYPES = 4      /* lists for so many migrate types, more than there are */
};

/* Blocks of one kind, linked by list.next, the warmest first, in two magazines: only when both are
 * empty, or full, blocks come or go; so no pattern of allocations and frees has each of them do so.
 */
struct cpu_list {
    struct list_head *loaded;
    struct list_head *other;
    uint32_t loaded_count;
    uint32_t other_count;
};

struct cpu_cache {
    atomic_flags_t inside;  /* written by who is on the CPU */
    atomic_flags_t claimed; /* written under cpus_lock */
    struct buddy_stash spare;
    struct cpu_list lists[ZONES_MAX * CPU_TYPES * CPU_ORDERS]; /* cpu_list_of() */
};

/* Enters the lists of the CPU that this thread is on, as @cpu. Return: NULL where there are none,
 * or others have claimed them. Context: until cpu_cache_leave(), no call of the core, and no wait.
 */
static inline struct cpu_cache *cpu_cache_enter(struct potad *potad, uint32_t *cpu)
{
    const struct port *port = &potad->port;
    if (port->cpu_enter == NULL) {
        return NULL;
    }
    *cpu = port->cpu_enter(port->context);
    struct cpu_cache *cache =
        *cpu < CPUS_MAX ? (struct cpu_cache *)(uintptr_t)atomic_word_acquire(&potad->cpus[*cpu])
                        : NULL;
    if (cache != NULL) {
        atomic_flags_announce(&cache->inside, port->cpu_barrier == NULL);
        if (atomic_flags_acquire(&cache->claimed) == 0) {
            return cache;
        }
        atomic_flags_release(&cache->inside, 0);
        core_event(potad, CORE_EVENT_OWNER_MET);
    }
    if (port->cpu_leave != NULL && *cpu < CPUS_MAX) {
        port->cpu_leave(port->context, *cpu);
    }
    return NULL;
}

static inline void cpu_cache_leave(struct potad *potad, struct cpu_cache *cache, uint32_t cpu)
{
    atomic_flags_release(&cache->inside, 0);
    if (potad->port.cpu_leave != NULL) {
        potad->port.cpu_leave(potad->port.context, cpu);
    }
}

/* The list for blocks of @zone, one that there is. */
static inline struct cpu_list *cpu_list_of(struct cpu_cache *cache, zone_id_t zone, unsigned type,
                                           order_t order)
{
    return &cache->lists[(zone * CPU_TYPES + type) * CPU_ORDERS + order];
}

static inline void chain_push(struct list_head **chain, struct list_head *link)
{
    link->next = *chain;
    *chain = link;
}

static inline struct list_head *chain_pop(struct list_head **chain)
{
    struct list_head *link = *chain;
    *chain = link->next;
    return link;
}

static inline void cpu_list_swap(struct cpu_list *list)
{
    struct cpu_list before = *list;
    list->loaded = before.other;
    list->loaded_count = before.other_count;
    list->other = before.loaded;
    list->other_count = before.loaded_count;
}

/* Return: the warmest block, or NULL. */
static inline struct buddy *cpu_list_take(struct cpu_list *list)
{
    if (list->loaded_count == 0) {
        if (list->other_count == 0) {
            return NULL;
        }
        cpu_list_swap(list);
    }
    list->loaded_count--;
    return buddy_of_link(chain_pop(&list->loaded));
}

/* Keeps @buddy. Return: the chain of blocks that there is no room for any more, or NULL. */
static inline struct list_head *cpu_list_give(struct cpu_list *list, struct buddy *buddy,
                                              order_t order)
{
    struct list_head *surplus = NULL;
    if (list->loaded_count << order >= CPU_MAGAZINE) {
        cpu_list_swap(list);
        surplus = list->loaded;
        list->loaded = NULL;
        list->loaded_count = 0;
    }
    chain_push(&list->loaded, &buddy->list);
    list->loaded_count++;
    return surplus;
}

/* The zone that an allocation of @type tries first on @node, or ZONE_ANY. */
static inline zone_id_t cpu_first_zone(const struct potad *potad, uint32_t node,
                                       enum migratetype type)
{
    uint64_t firsts = atomic_word_acquire(&potad->firsts);
    return firsts >> 8 * (2 * node + (type == MIGRATE_MOVABLE ? 1 : 0)) & 0xff;
}

/* A block for @request that this CPU keeps, from the zone that would be tried first; or NULL. */
static inline struct buddy *cpu_cache_alloc(struct potad *potad, const struct page_request *request)
{
    uint32_t cpu;
    if (request->order >= CPU_ORDERS || (uint32_t)request->migratetype >= MIGRATETYPES ||
        request->node >= NODES_MAX || request->below != ZONE_DMA) {
        return NULL;
    }
    struct cpu_cache *cache = cpu_cache_enter(potad, &cpu);
    if (cache == NULL) {
        return NULL;
    }
    zone_id_t zone = request->zone == ZONE_ANY
                         ? cpu_first_zone(potad, request->node, request->migratetype)
                         : request->zone;
    struct buddy *buddy = NULL;
    if (zone < ZONES_MAX) {
        buddy = cpu_list_take(cpu_list_of(cache, zone, request->migratetype, request->order));
        if (buddy != NULL) {
            buddy_set_use(buddy, BUDDY_CACHED, false);
        }
    }
    cpu_cache_leave(potad, cache, cpu);
    return buddy;
}

/* Keeps the block of @buddy where it is small, plain and sound. Blocks of its zone that there is no
 * room for any more are @surplus, a chain. Return: whether it does. */
static inline bool cpu_cache_free(struct potad *potad, struct buddy *buddy,
                                  struct list_head **surplus)
{
    const uint32_t plain = (uint32_t)BUDDY_USE_MASK | (uint32_t)BUDDY_STATE_MASK;
    uint32_t cpu;
    order_t order = buddy_order(buddy);
    *surplus = NULL;
    if (order >= CPU_ORDERS) {
        return false;
    }
    struct cpu_cache *cache = cpu_cache_enter(potad, &cpu);
    if (cache == NULL) {
        return false;
    }
    uint32_t flags = atomic_flags_peek(&buddy->head.flags);
    bool keeps = (flags & plain) == BUDDY_ALLOCATED;
    ASSERT((flags & BUDDY_CACHED) == 0); /* a double free else */
    if (keeps) {
        atomic_flags_poke(&buddy->head.flags, flags | BUDDY_CACHED);
        *surplus = cpu_list_give(
            cpu_list_of(cache, buddy->head.zone, buddy->head.migratetype, order), buddy, order);
    }
    cpu_cache_leave(potad, cache, cpu);
    return keeps;
}

/* cpu_cache.c: frees the chain of blocks, all of one zone, which no CPU keeps any more. Context: no
 * lock. */
void cpu_cache_give_back(struct potad *potad, struct list_head *chain);

#endif
