/* SPDX-License-Identifier: MIT
 *
 * sync.h: the only header that names a memory order. Atomics and locks of the core, here as native
 * C11. In builds with POTAD_EXPLORED, each of them passes by sync_explored.h first, which lets a
 * scheduler decide who goes on. No fences: ThreadSanitizer cannot see them.
 */
#ifndef POTAD_CORE_SYNC_H
#define POTAD_CORE_SYNC_H

#include "core/lock_order.h"
#include "core/port.h"

#include <stdatomic.h>

/* One word that threads share. */
typedef struct {
    _Atomic uint64_t value;
} atomic_word_t;

/* Pairs with atomic_word_release(): what was written before it is seen after this. */
static inline uint64_t atomic_word_acquire(const atomic_word_t *word)
{
    return atomic_load_explicit(&word->value, memory_order_acquire);
}

/* Pairs with atomic_word_acquire(). */
static inline void atomic_word_release(atomic_word_t *word, uint64_t value)
{
    atomic_store_explicit(&word->value, value, memory_order_release);
}

/* A value whose order against other memory does not matter: a statistic, a hint. */
static inline uint64_t atomic_word_peek(const atomic_word_t *word)
{
    return atomic_load_explicit(&word->value, memory_order_relaxed);
}

static inline void atomic_word_poke(atomic_word_t *word, uint64_t value)
{
    atomic_store_explicit(&word->value, value, memory_order_relaxed);
}

/* Return: the value before the addition. */
static inline uint64_t atomic_word_add(atomic_word_t *word, uint64_t value)
{
    return atomic_fetch_add_explicit(&word->value, value, memory_order_relaxed);
}

/* The next five take part in one order that all threads agree on: epoch.c says what for. Each is an
 * acquire, and where it writes a release, too. */
static inline uint64_t atomic_word_load_ordered(const atomic_word_t *word)
{
    return atomic_load_explicit(&word->value, memory_order_seq_cst);
}

/* Return: the value before the addition. */
static inline uint64_t atomic_word_add_ordered(atomic_word_t *word, uint64_t value)
{
    return atomic_fetch_add_explicit(&word->value, value, memory_order_seq_cst);
}

static inline void atomic_word_or_ordered(atomic_word_t *word, uint64_t bits)
{
    atomic_fetch_or_explicit(&word->value, bits, memory_order_seq_cst);
}

static inline void atomic_word_clear_ordered(atomic_word_t *word)
{
    (void)atomic_exchange_explicit(&word->value, 0, memory_order_seq_cst);
}

/* Makes @word, if it is 0, @value. Return: whether it was 0. */
static inline bool atomic_word_claim_ordered(atomic_word_t *word, uint64_t value)
{
    uint64_t none = 0;
    return atomic_compare_exchange_strong_explicit(&word->value, &none, value, memory_order_seq_cst,
                                                   memory_order_relaxed);
}

/* Raises @word to at least @value. */
static inline void atomic_word_raise(atomic_word_t *word, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(&word->value, memory_order_relaxed);
    while (seen < value &&
           !atomic_compare_exchange_weak_explicit(&word->value, &seen, value, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

/* A 32-bit word of flags that one thread writes under its lock and others may peek at. */
typedef struct {
    _Atomic uint32_t value;
} atomic_flags_t;

static inline uint32_t atomic_flags_peek(const atomic_flags_t *flags)
{
    return atomic_load_explicit(&flags->value, memory_order_relaxed);
}

static inline void atomic_flags_poke(atomic_flags_t *flags, uint32_t value)
{
    atomic_store_explicit(&flags->value, value, memory_order_relaxed);
}

/* Pairs with atomic_flags_release(). */
static inline uint32_t atomic_flags_acquire(const atomic_flags_t *flags)
{
    return atomic_load_explicit(&flags->value, memory_order_acquire);
}

static inline void atomic_flags_release(atomic_flags_t *flags, uint32_t value)
{
    atomic_store_explicit(&flags->value, value, memory_order_release);
}

/* Adds @value to @flags unless that would take the bits of @field from 0, or over @most. Acquire:
 * pairs with atomic_flags_drop(). Return: whether it did. */
static inline bool atomic_flags_raise(atomic_flags_t *flags, uint32_t value, uint32_t field,
                                      uint32_t most)
{
    uint32_t seen = atomic_load_explicit(&flags->value, memory_order_relaxed);
    do {
        if ((seen & field) == 0 || (seen & field) == most) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&flags->value, &seen, seen + value,
                                                    memory_order_acquire, memory_order_relaxed));
    return true;
}

/* Subtracts @value. Return: @flags before. What all did before they dropped is seen by the last. */
static inline uint32_t atomic_flags_drop(atomic_flags_t *flags, uint32_t value)
{
    return atomic_fetch_sub_explicit(&flags->value, value, memory_order_acq_rel);
}

/* Makes the bits of @field @to where they are @from. Return: whether they were. */
static inline bool atomic_flags_change(atomic_flags_t *flags, uint32_t field, uint32_t from,
                                       uint32_t to)
{
    uint32_t seen = atomic_load_explicit(&flags->value, memory_order_relaxed);
    do {
        if ((seen & field) != from) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&flags->value, &seen, (seen & ~field) | to,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return true;
}

/* Makes @flags 1 before what follows is read: for threads that look at @flags when they have made
 * this one see their own stores (port.cpu_barrier()), or, where @alone says so, without that. */
static inline void atomic_flags_announce(atomic_flags_t *flags, bool alone)
{
    if (UNLIKELY(alone)) {
        (void)atomic_exchange_explicit(&flags->value, 1, memory_order_seq_cst);
    } else {
        atomic_store_explicit(&flags->value, 1, memory_order_relaxed);
        __asm__ volatile("" ::: "memory"); /* the compiler must not turn the two around */
    }
}

/* Looks at what others announce, in the order that atomic_word_clear_ordered() is in, too. */
static inline uint32_t atomic_flags_load_ordered(const atomic_flags_t *flags)
{
    return atomic_load_explicit(&flags->value, memory_order_seq_cst);
}

/* The locks that a thread holds are checked against lock_order.h where the build asks for it; else
 * the next four are nothing, and locks have no class. */
#ifdef POTAD_CHECK_LOCKS
static inline void lock_check_take(const void *lock, enum lock_class class, uint32_t number)
{
    struct lock_held *held = port_locks_held();
    struct lock_violation violation;
    struct lock_name asked = {lock, class, number};
    if (held != NULL && !lock_order_take(held, asked, &violation)) {
        port_lock_order_broken(&violation);
    }
}

static inline void lock_check_release(const void *lock, enum lock_class class, uint32_t number)
{
    struct lock_held *held = port_locks_held();
    struct lock_violation violation;
    struct lock_name asked = {lock, class, number};
    if (held != NULL && !lock_order_release(held, asked, &violation)) {
        port_lock_order_broken(&violation);
    }
}

/* What follows changes what @lock covers. */
static inline void lock_check_held(const void *lock, enum lock_class class, uint32_t number)
{
    const struct lock_held *held = port_locks_held();
    struct lock_violation violation;
    struct lock_name asked = {lock, class, number};
    if (held != NULL && !lock_order_held(held, asked, &violation)) {
        port_lock_order_broken(&violation);
    }
}

/* What follows is @call, before which all locks of the core are to be released. */
static inline void lock_check_call(const char *call)
{
    const struct lock_held *held = port_locks_held();
    struct lock_violation violation;
    if (held != NULL && !lock_order_call(held, call, &violation)) {
        port_lock_order_broken(&violation);
    }
}
#else
static inline void lock_check_take(const void *lock, enum lock_class class, uint32_t number)
{
    (void)lock;
    (void)class;
    (void)number;
}

static inline void lock_check_release(const void *lock, enum lock_class class, uint32_t number)
{
    (void)lock;
    (void)class;
    (void)number;
}

static inline void lock_check_held(const void *lock, enum lock_class class, uint32_t number)
{
    (void)lock;
    (void)class;
    (void)number;
}

static inline void lock_check_call(const char *call)
{
    (void)call;
}
#endif

/* A lock for short sections; 0 is free, 1 is held. */
typedef struct {
#ifdef POTAD_CHECK_LOCKS
    _Atomic uint16_t held;
    uint8_t class; /* enum lock_class */
    uint8_t number;
#else
    _Atomic uint32_t held;
#endif
} spinlock_t;

_Static_assert(sizeof(spinlock_t) == 4, "what has a lock is of one size in all builds");

/* @number: of a class with the rule LOCK_ASCENDING, below 256; else it does not matter. */
static inline void spinlock_init(spinlock_t *lock, enum lock_class class, uint32_t number)
{
    atomic_init(&lock->held, 0);
#ifdef POTAD_CHECK_LOCKS
    lock->class = (uint8_t) class;
    lock->number = (uint8_t)number;
#else
    (void)class;
    (void)number;
#endif
}

/* The class that @lock was made with, where locks have one. */
static inline enum lock_class spinlock_class(const spinlock_t *lock)
{
#ifdef POTAD_CHECK_LOCKS
    return (enum lock_class)lock->class;
#else
    (void)lock;
    return LOCK_CLASSES;
#endif
}

static inline uint32_t spinlock_number(const spinlock_t *lock)
{
#ifdef POTAD_CHECK_LOCKS
    return lock->number;
#else
    (void)lock;
    return 0;
#endif
}

/* Takes @lock, which was checked to be next in order. */
static inline void spinlock_take(spinlock_t *lock)
{
    /* Acquire pairs with the release in spinlock_unlock(). */
    while (atomic_exchange_explicit(&lock->held, 1, memory_order_acquire) != 0) {
        while (atomic_load_explicit(&lock->held, memory_order_relaxed) != 0) {
            port_relax();
        }
    }
}

static inline void spinlock_lock(spinlock_t *lock)
{
    lock_check_take(lock, spinlock_class(lock), spinlock_number(lock));
    spinlock_take(lock);
}

/* Checks, where the build asks for it, that this thread has @lock. */
static inline void spinlock_check_held(const spinlock_t *lock)
{
    lock_check_held(lock, spinlock_class(lock), spinlock_number(lock));
}

/* Whether somebody has @lock, at a moment that is over. */
static inline bool spinlock_is_held(const spinlock_t *lock)
{
    return atomic_load_explicit(&lock->held, memory_order_relaxed) != 0;
}

static inline void spinlock_unlock(spinlock_t *lock)
{
    lock_check_release(lock, spinlock_class(lock), spinlock_number(lock));
    atomic_store_explicit(&lock->held, 0, memory_order_release);
}

#ifdef POTAD_EXPLORED
#include "core/sync_explored.h"
#endif

#endif
