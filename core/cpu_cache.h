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
#ifndef POTAD_CORE_CPU_CACHE_H
#define POTAD_CORE_CPU_CACHE_H

#include "core/page_alloc.h"

enum {
    CPU_MAGAZINE = 64, /* frames in a magazine */
    CPU_SPARE = 256    /* struct buddys that a CPU keeps for cutting blocks */
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
    struct cpu_list lists[ZONES_MAX][MIGRATETYPES][CPU_ORDERS];
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
    }
    if (port->cpu_leave != NULL) {
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

/* A cached block for @request, or NULL: from the first zone that it would try. Context: none. */
struct buddy *cpu_cache_alloc(struct potad *potad, const struct page_request *request);

/* Fills the list that @block would come from, and takes a block from it. Context: no lock, in no
 * transaction. Return: NULL where it cannot; nothing has changed then that matters. */
struct buddy *cpu_cache_refill(struct potad *potad, const struct block_request *block);

/* Keeps the block of @buddy, allocated, plain and sound, in the list of this CPU. Return: false
 * where it does not. Context: no lock, in no transaction. */
bool cpu_cache_free(struct potad *potad, struct buddy *buddy);

/* Frees all blocks that CPUs keep. Never allocates. Context: no lock, in no transaction. Return:
 * whether there were any. */
bool cpu_cache_drain(struct potad *potad);

/* Has nobody inside any CPU's lists until cpu_cache_start(). Context: no lock. */
void cpu_cache_stop(struct potad *potad);
void cpu_cache_start(struct potad *potad);

#endif
