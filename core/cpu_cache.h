/* SPDX-License-Identifier: MIT
 *
 * cpu_cache.h: small blocks that a CPU keeps for its next allocations, so that most of these take
 * no lock. Not for users: see potad.h.
 *
 *   alloc_pages()   pops ──┐                       ┌── pushes   free_pages()
 *                          ▼                       ▲
 *              lists of one CPU, by zone, migrate type and order
 *                          ▲ a magazine            ▼ a magazine
 *                    the depot of all CPUs, frames only, under its lock
 *                          ▲ a batch: refill       ▼ what it has no room for
 *                              zone, under its lock
 *
 * To the zone, what is in a list is in use: BUDDY_ALLOCATED, of the list's type, its word leading
 * to its struct buddy. A list is an array of pointers, and only the array knows what is in it: so a
 * pop and a push write the list, and nothing else. Two struct buddys share a cache line, and their
 * blocks may be two CPUs': did a push write to them, each would take the line from the other.
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
    CPU_MAGAZINE = 64, /* frames that come and go at a time */
    CPU_BLOCKS = 4 * CPU_MAGAZINE - (4 * CPU_MAGAZINE >> CPU_ORDERS), /* of all orders */
    ZONE_SPARE = 256, /* struct buddys that a zone keeps for its next cuts */
};

/* Builds that check locks mark what is in a list BUDDY_CACHED, so that they see at once when it is
 * freed again; in others, a second free is seen when the zone gets the block for the second time.
 */
#ifdef POTAD_CHECK_LOCKS
enum { CPU_MARKS = 1 };
#else
enum { CPU_MARKS = 0 };
#endif

/* The arrays of a CPU's lists for one zone, by type and order: two magazines of each. A full list
 * gives one of them away, and an empty one gets no more than one: so no pattern of allocations and
 * frees has each of them do so. The depot has as many frames of each type instead. */
struct cpu_blocks {
    struct buddy *blocks[MIGRATETYPES][CPU_BLOCKS];
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
    struct cpu_list *recent;                /* where a block was freed to last, */
    uint32_t recent_number;                 /* and its number */
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

static ALWAYS_INLINE uint32_t cpu_list_number(zone_id_t zone, unsigned type, order_t order)
{
    return (zone * CPU_TYPES + type) * CPU_ORDERS + order;
}

/* The list for blocks of @zone, one that there is. */
static ALWAYS_INLINE struct cpu_list *cpu_list_of(struct cpu_list *lists, zone_id_t zone,
                                                  unsigned type, order_t order)
{
    return &lists[cpu_list_number(zone, type, order)];
}

enum { CPU_KEEPERS = CPUS_MAX + 1, CPU_KEEPER_DEPOT = CPUS_MAX };

/* The CPU_LISTS lists of CPU number @keeper, or of the depot; NULL: there are none. Context: who
 * looks into them has claimed them, or no other thread is inside the allocator. */
static inline struct cpu_list *cpu_keeper_lists(struct potad *potad, unsigned keeper)
{
    struct cpu_cache *cache = keeper < CPUS_MAX ? cpu_cache_of(potad, keeper) : NULL;
    struct cpu_list *depot = keeper == CPU_KEEPER_DEPOT ? potad->depot.lists : NULL;
    return cache != NULL ? cache->lists : depot;
}

/* The list that the block of @buddy, of @order, is freed to. Mostly it is that of the one before:
 * then a CPU that guesses so need not wait for the struct buddy to come from memory before it goes
 * on with the next free. */
static ALWAYS_INLINE struct cpu_list *cpu_list_for(struct cpu_cache *cache,
                                                   const struct buddy *buddy, order_t order)
{
    uint32_t number = cpu_list_number(buddy->head.zone, buddy->head.migratetype, order);
    if (UNLIKELY(number != cache->recent_number)) {
        cache->recent_number = number;
        cache->recent = &cache->lists[number];
    }
    return cache->recent;
}

/* What list number @number is for. */
struct cpu_kind {
    zone_id_t zone;
    enum migratetype type;
    order_t order;
};

static inline struct cpu_kind cpu_kind_of(unsigned number)
{
    return (struct cpu_kind){
        .zone = number / CPU_ORDERS / CPU_TYPES,
        .type = (enum migratetype)(number / CPU_ORDERS % CPU_TYPES),
        .order = number % CPU_ORDERS,
    };
}

/* Blocks of @order that a list has room for. */
static inline uint32_t cpu_list_room(order_t order)
{
    return 2 * (uint32_t)CPU_MAGAZINE >> order;
}

/* Return: the warmest block, or NULL. */
static ALWAYS_INLINE struct buddy *cpu_list_pop(struct cpu_list *list)
{
    if (UNLIKELY(list->count == 0)) {
        return NULL;
    }
    struct buddy *buddy = list->blocks[--list->count];
    if (CPU_MARKS) {
        buddy_set_use(buddy, BUDDY_CACHED, false);
    }
    return buddy;
}

/* Adds @buddy, if there is room. Return: whether there was. */
static ALWAYS_INLINE bool cpu_list_push(struct cpu_list *list, struct buddy *buddy)
{
    if (UNLIKELY(list->count >= list->room)) {
        return false;
    }
    if (CPU_MARKS) {
        buddy_set_use(buddy, BUDDY_CACHED, true);
    }
    list->blocks[list->count++] = buddy;
    return true;
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
        buddy = cpu_list_pop(cpu_list_of(cache->lists, zone, request->migratetype, request->order));
    }
    cpu_cache_leave(potad, cpu);
    return buddy;
}

/* Whether the block of @buddy is one that lists may have: plain, in use, and sound. */
static ALWAYS_INLINE bool buddy_may_be_kept(const struct buddy *buddy)
{
    uint32_t flags = atomic_flags_peek(&buddy->head.flags);
    return (flags & BUDDY_PLAIN_MASK) == BUDDY_ALLOCATED;
}

/* Keeps the block of @buddy where it is small, plain and sound, and there is room. Return: whether
 * it does. */
static ALWAYS_INLINE bool cpu_cache_free(struct potad *potad, struct buddy *buddy)
{
    uint32_t cpu;
    order_t order = buddy_order(buddy);
    if (order >= CPU_ORDERS) {
        return false;
    }
    struct cpu_cache *cache = cpu_cache_enter(potad, &cpu);
    if (UNLIKELY(cache == NULL)) {
        return false;
    }
    bool keeps =
        buddy_may_be_kept(buddy) && cpu_list_push(cpu_list_for(cache, buddy, order), buddy);
    cpu_cache_leave(potad, cpu);
    return keeps;
}

#endif
