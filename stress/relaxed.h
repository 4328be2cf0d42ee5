/* SPDX-License-Identifier: MIT
 *
 * relaxed.h: the only header of this folder that names a memory order. What the harness notes
 * down while threads run is relaxed on purpose: an ordering made here would hide from
 * ThreadSanitizer the ordering that the subject owes its users.
 */
#ifndef POTAD_STRESS_RELAXED_H
#define POTAD_STRESS_RELAXED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A word that threads share, without any order against other memory. */
typedef struct {
    _Atomic uint64_t value;
} relaxed_word_t;

static inline uint64_t relaxed_load(const relaxed_word_t *word)
{
    return atomic_load_explicit(&word->value, memory_order_relaxed);
}

static inline void relaxed_store(relaxed_word_t *word, uint64_t value)
{
    atomic_store_explicit(&word->value, value, memory_order_relaxed);
}

/* Adds to a counter that one thread writes and others read. */
static inline void relaxed_count(relaxed_word_t *word, uint64_t more)
{
    relaxed_store(word, relaxed_load(word) + more);
}

/* Adds 1 to a counter that many threads write. Return: what is there then. */
static inline uint64_t relaxed_number(relaxed_word_t *word)
{
    return atomic_fetch_add_explicit(&word->value, 1, memory_order_relaxed) + 1;
}

/* Return: what was there before. */
static inline uint64_t relaxed_swap(relaxed_word_t *word, uint64_t value)
{
    return atomic_exchange_explicit(&word->value, value, memory_order_relaxed);
}

/* Puts @value where @expected is. Return: what was there, @expected where it worked. */
static inline uint64_t relaxed_replace(relaxed_word_t *word, uint64_t expected, uint64_t value)
{
    uint64_t seen = expected;
    atomic_compare_exchange_strong_explicit(&word->value, &seen, value, memory_order_relaxed,
                                            memory_order_relaxed);
    return seen;
}

/* Keeps the compiler from moving what is before behind it, and the other way round. */
static inline void relaxed_pin(void)
{
    __asm__ volatile("" ::: "memory");
}

/* A load, and a store, in their place among others: of words that say when something happens. They
 * have to be seen in order, but ThreadSanitizer is not to take them for an order of the threads.
 * x86 keeps loads in order with loads, and stores with stores, so that the compiler alone has to be
 * kept from moving them; elsewhere these are an acquire and a release, and hide races. */
#if defined(__x86_64__)
enum {
    RELAXED_IN_PLACE_LOAD = memory_order_relaxed,
    RELAXED_IN_PLACE_STORE = memory_order_relaxed
};
#else
enum {
    RELAXED_IN_PLACE_LOAD = memory_order_acquire,
    RELAXED_IN_PLACE_STORE = memory_order_release
};
#endif

static inline uint64_t relaxed_load_in_place(const relaxed_word_t *word)
{
    relaxed_pin();
    uint64_t value = atomic_load_explicit(&word->value, RELAXED_IN_PLACE_LOAD);
    relaxed_pin();
    return value;
}

static inline void relaxed_store_in_place(relaxed_word_t *word, uint64_t value)
{
    relaxed_pin();
    atomic_store_explicit(&word->value, value, RELAXED_IN_PLACE_STORE);
    relaxed_pin();
}

/* A text that one thread sets and others read: never changed once it is set here. */
typedef struct {
    _Atomic(const char *) text;
} relaxed_text_t;

static inline const char *relaxed_text(const relaxed_text_t *shared)
{
    return atomic_load_explicit(&shared->text, memory_order_relaxed);
}

static inline void relaxed_set_text(relaxed_text_t *shared, const char *text)
{
    atomic_store_explicit(&shared->text, text, memory_order_relaxed);
}

/* A lock that is tried and never waited for. It orders those who have it, as whatever keeps two
 * threads from being on one CPU does. */
typedef struct {
    _Atomic uint32_t held;
} try_lock_t;

/* Return: whether it is this thread's now. */
static inline bool try_lock(try_lock_t *lock)
{
    return atomic_load_explicit(&lock->held, memory_order_relaxed) == 0 &&
           atomic_exchange_explicit(&lock->held, 1, memory_order_acquire) == 0;
}

static inline void try_unlock(try_lock_t *lock)
{
    atomic_store_explicit(&lock->held, 0, memory_order_release);
}

/* Whether somebody has it. */
static inline bool try_lock_is_held(const try_lock_t *lock)
{
    return atomic_load_explicit(&lock->held, memory_order_relaxed) != 0;
}

/* A word by which one thread hands on what it has written: this orders, too, from who gives it to
 * who sees that it was given, and nobody else. */
typedef struct {
    _Atomic uint32_t value;
} handover_t;

/* The release pairs with the acquire of handover_look(). */
static inline void handover_give(handover_t *word, uint32_t value)
{
    atomic_store_explicit(&word->value, value, memory_order_release);
}

static inline uint32_t handover_look(const handover_t *word)
{
    return atomic_load_explicit(&word->value, memory_order_acquire);
}

/* A place where one thread leaves something for another: this orders, too, from who leaves it to
 * who takes it, and nobody else. */
typedef struct {
    _Atomic(void *) item;
} exchange_slot_t;

/* Leaves @item, which may be NULL. The release pairs with the acquire of the next swap. Return:
 * what was left here before, or NULL. */
static inline void *exchange_swap(exchange_slot_t *slot, void *item)
{
    return atomic_exchange_explicit(&slot->item, item, memory_order_acq_rel);
}

#endif
