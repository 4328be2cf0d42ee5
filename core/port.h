/* SPDX-License-Identifier: MIT
 *
 * port.h: all that the core needs from outside. The core has no libc and no global state: what it
 * calls is either in struct port, one for each allocator, or one of the symbols at the end, which
 * the embedder links in (with the memcpy and memset that every freestanding compiler asks for).
 */
#ifndef POTAD_CORE_PORT_H
#define POTAD_CORE_PORT_H

#include "core/types.h"

struct lock_held;
struct lock_violation;

/* The steps of the core that can fail (requirement F1). X(id, name, what fails) */
#define FAULT_SITE_TABLE(X)                                                                        \
    X(FAULT_BUDDY_DESC, "buddy-desc", "a struct buddy from its cache")                             \
    X(FAULT_SLAB_DESC, "slab-desc", "a struct slab from its cache")                                \
    X(FAULT_CACHE_DESC, "cache-desc", "a struct kmem_cache from its cache")                        \
    X(FAULT_SLAB_PAGE, "slab-page", "the block that a new slab is made of")                        \
    X(FAULT_ACCEPT, "accept", "accepting memory that was not accepted at boot")                    \
    X(FAULT_POISON_DESC, "poison-desc", "a struct poison from its cache")                          \
    X(FAULT_RANGE_NODE, "range-node", "a node of a range tree from its cache")                     \
    X(FAULT_MIGRATE, "migrate", "an owner moves its block out of memory that is asked back")       \
    X(FAULT_CPU_DESC, "cpu-desc", "the lists of a CPU that comes online")

enum fault_site {
#define X(id, name, what) id,
    FAULT_SITE_TABLE(X)
#undef X
        FAULT_SITES
};

/* Moments of a call at which the core holds no lock, so that another CPU may come in. A port may
 * act there: tests do, to reach chains of calls that need unlucky company. X(id, name) */
#define WINDOW_TABLE(X)                                                                            \
    X(WINDOW_SLAB_GROW, "slab-grow")             /* a cache is empty: a new slab will be made */   \
    X(WINDOW_SLAB_DESC_TAKEN, "slab-desc-taken") /* A7: struct slab in hand, block not yet */      \
    X(WINDOW_SELF_DESCRIBED, "self-described") /* A8: __alloc_slab made a self-describing slab */  \
    X(WINDOW_BEFORE_ACCEPT, "before-accept")   /* block detached, not yet accepted */              \
    X(WINDOW_BATCH_TAKEN, "batch-taken")       /* blocks for a CPU's list, on none yet */          \
    X(WINDOW_REF_LOOKED, "ref-looked") /* descriptor found, in a section, not yet referred to */   \
    X(WINDOW_REF_TAKEN, "ref-taken")   /* the same, referred to, but not yet looked at again */    \
    X(WINDOW_RETIRE, "retire") /* a free has found a slab that could go, and let go of its lock */

enum window {
#define X(id, name) id,
    WINDOW_TABLE(X)
#undef X
        WINDOWS
};

/* The services of one allocator's surroundings. All functions may be called by any thread that
 * calls the core; none may call back into the same allocator, @window excepted. */
struct port {
    /* Address of frame 0: frame n starts at direct_map + n * FRAME_SIZE. Only frames that the core
     * has exposed are touched through it (requirements E2, E3). Objects are aligned in memory as
     * far as this is. */
    unsigned char *direct_map;

    /* Makes @frames frames from @pfn accessible: they hold metadata or slab objects from now on.
     * Where @zeroed, they read as zero. Cannot fail. Context: the core may hold a zone lock. */
    void (*expose)(void *context, pfn_t pfn, uint64_t frames, bool zeroed);

    /* Ends what @expose began; the frames are free afterwards. Context: as @expose. */
    void (*conceal)(void *context, pfn_t pfn, uint64_t frames);

    /* Accepts @frames frames from @pfn, once and for good. Return: false where it failed; the
     * frames are then as they were. Context: no lock is held. Source: requirement E2. */
    bool (*accept)(void *context, pfn_t pfn, uint64_t frames);

    /* Asked before each fallible step: true makes this step fail. May be NULL. Context: the core
     * may hold a cache lock. Source: requirement F1. */
    bool (*fault)(void *context, enum fault_site site);

    /* Told of each window of WINDOW_TABLE. May be NULL. Context: no lock is held; may call into
     * the same allocator, as another CPU could. */
    void (*window)(void *context, enum window window);

    /* From here on: what an allocation looks at where a CPU has lists, on one line (potad.h). */
    void *context;

    /* The CPU that this thread is on, below CPUS_MAX, or CPUS_MAX: none. Until cpu_leave(), no
     * other thread gets the same answer. NULL: there are no CPUs, and no caches of theirs. Context:
     * no lock is held. */
    uint32_t (*cpu_enter)(void *context);

    /* Ends what cpu_enter() began, unless that answered CPUS_MAX. NULL: threads never change their
     * CPU, nor share it. */
    void (*cpu_leave)(void *context, uint32_t cpu);

    /* All threads see what this one has stored, and this one what all have stored, before it
     * returns: what the system call membarrier does. NULL: threads that enter pay for that
     * themselves, each time. Context: the core may hold a lock of its own. */
    void (*cpu_barrier)(void *context);
};

/* Reports a broken assertion and does not return. */
_Noreturn void port_assert_failed(const char *expression, const char *file, int line);

/* Called while a lock is held by somebody else: gives up the CPU for a moment. */
void port_relax(void);

/* In builds with POTAD_CHECK_LOCKS only: the locks that this thread holds, kept for the core in
 * lock_order.h; or NULL: they are not checked. A thread that comes from within one allocator into
 * another (out of @expose, say) has a set for each. */
struct lock_held *port_locks_held(void);

/* In these builds: reports a lock that is taken or released against the order, or a call out of the
 * core with a lock held. Does not return. */
_Noreturn void port_lock_order_broken(const struct lock_violation *violation);

#endif
