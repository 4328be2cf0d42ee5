/* SPDX-License-Identifier: MIT
 *
 * weak.h: which older values a load may see, as weak memory lets it. Threads run one at a time;
 * here is what each atomic word has been, and what each thread has to know of that.
 *
 *   location  ├ 0 ┼─ 1 ─┼─ 7 ─┼─ 2 ─┤   the last stores, in the order in which they were made
 *                    ▲     ▲     ▲
 *                    │     └─────┴── may be seen: pick() decides
 *                    └── a store that the thread knows: the oldest that it may see
 *
 * A clock has a time for each thread: what that one did up to then is known. Beside each store is
 * when each thread first saw it, and the clock that who acquires it gets to know. A store is known
 * to a thread if the clock of that thread has come to a time at which somebody had seen it; then
 * nothing older may be seen. README.md says which part of C11 that is, and what is left out.
 *
 * Measured: a load or a store 4 to 5 ns, an update 7.5 ns, with four threads and 8 to 64 words.
 *
 * Source: the store histories of Relacy (D. Vyukov) and CDSChecker (Norris and Demsky, OOPSLA
 * 2013); that loops end, of loom (Tokio).
 */
#ifndef POTAD_STRESS_EXPLORE_WEAK_H
#define POTAD_STRESS_EXPLORE_WEAK_H

#include "core/types.h"

enum {
    WEAK_SETUP = 4,   /* the number of who sets up; threads have the numbers below */
    WEAK_THREADS = 5, /* with that one */
    WEAK_LANES = 8,   /* times in a clock; a whole machine register */
    WEAK_STORES = 8   /* that are kept of each location; what was before cannot be seen any more */
};

/* Up to when each thread is known; or when each has seen something, WEAK_NEVER if it has not. Times
 * stop before that: who has released more often only seems to be known better than he is. */
struct weak_clock {
    _Alignas(2 * WEAK_LANES) uint16_t times[WEAK_LANES];
};

#define WEAK_NEVER UINT16_MAX

struct weak_store {
    struct weak_clock seen;     /* when each thread first saw it */
    struct weak_clock released; /* what who acquires it gets to know */
    uint64_t value;
};

/* One atomic word, or one lock: of that, only what was released last. */
struct weak_location {
    _Alignas(CACHE_LINE_BYTES) const void *address;
    uint64_t execution; /* that it is of; of another one: the slot is free */
    uint32_t newest;    /* stores are counted; number n is in stores[n % WEAK_STORES] */
    uint32_t kept;      /* so many, up to the newest one */
    uint32_t ordered;   /* the newest store that an ordered operation made or saw */
    struct weak_store stores[WEAK_STORES];
};

/* Which of @count stores (2 or more) a load sees: 0 is the newest, the others go back in time. */
typedef uint32_t weak_pick(void *context, uint32_t count);

struct weak {
    struct weak_clock clocks[WEAK_THREADS];
    uint16_t fresh[WEAK_THREADS]; /* the time of the last weak_fresh() */
    bool full;                    /* there was no room for a location */
    uint64_t execution;
    weak_pick *pick;
    void *context;
    struct weak_location *locations; /* a hash table */
    uint32_t slots_mask;
    uint32_t locations_used;
    uint32_t locations_max;
};

/* Makes a memory for executions with up to @locations (1 to 2^24) words and locks. Return: whether
 * there was memory; weak_close() in any case. Context: nothing else here allocates. */
bool weak_open(struct weak *weak, uint32_t locations) __attribute__((warn_unused_result));
void weak_close(struct weak *weak);

/* A new execution begins: all that was stored is forgotten, in no time. @pick, called with
 * @context, decides what loads see; NULL: always the newest. */
void weak_reset(struct weak *weak, weak_pick *pick, void *context);

/* Whether there was no room for a location. From then on all loads see the newest. */
bool weak_is_full(const struct weak *weak);

/* Below, @thread is 0 to WEAK_SETUP; @address is that of the word, which is always accessed as a
 * whole; @order is an enum sync_order. @newest is the value in memory, by which plain writes are
 * noticed, too: a word that was written plainly has no older values, and nothing was released by
 * it. */

/* Return: what @thread sees at @address. */
uint64_t weak_load(struct weak *weak, uint32_t thread, const void *address, unsigned order,
                   uint64_t newest);

/* @thread stores @value where @newest is, or was until just now. */
void weak_store(struct weak *weak, uint32_t thread, const void *address, unsigned order,
                uint64_t newest, uint64_t value);

/* @thread reads @newest and writes @value, in one. */
void weak_update(struct weak *weak, uint32_t thread, const void *address, unsigned order,
                 uint64_t newest, uint64_t value);

/* As weak_update(), where what was read was not such that anything was written. @order: of that
 * case, SYNC_RELAXED in all of core/sync.h. */
void weak_update_failed(struct weak *weak, uint32_t thread, const void *address, unsigned order,
                        uint64_t newest);

/* @thread has taken @lock, or releases it. As well, @lock is the address of anything else by which
 * users hand over: an object that one thread passes to another, a CPU that it leaves; else, who
 * gets it may see words in it as they were before. Context: what is at @lock is not loaded, stored
 * or updated as a word. */
void weak_lock(struct weak *weak, uint32_t thread, const void *lock);
void weak_unlock(struct weak *weak, uint32_t thread, const void *lock);

/* What @from knows, @to knows: that a thread is started, or has been waited for. */
void weak_handover(struct weak *weak, uint32_t from, uint32_t to);

/* @thread has found that it has to wait (port_relax()): what it has seen so far, it sees again only
 * where nothing newer is. So loops end, if they wait for what has been stored, after fewer than
 * WEAK_STORES looks at it. What it has not looked at is not any fresher. */
void weak_fresh(struct weak *weak, uint32_t thread);

/* All threads see what all have stored or seen: a full barrier in each of them at this moment, as
 * port.cpu_barrier() asks for. */
void weak_barrier_all(struct weak *weak);

#endif
