/* SPDX-License-Identifier: MIT
 *
 * sync_explored.h: what sync.h is in builds with POTAD_EXPLORED: every atomic and every lock tells
 * the embedder that it is about to happen, where, and on which word, and what came of it. So an
 * embedder can have another thread go first (a scheduler, a delay), or let a load see an older
 * value, as weak memory does. The operations themselves are those of sync.h, with the same orders.
 *
 *   atomic_word_release(&zone->births, 7)
 *       port_sync_step()    who goes on? returns when it is this thread
 *       (the store itself)
 *       port_sync_stored()  what was written
 */
#ifndef POTAD_CORE_SYNC_EXPLORED_H
#define POTAD_CORE_SYNC_EXPLORED_H

#include "core/sync.h"

enum sync_kind {
    SYNC_LOAD,
    SYNC_STORE,
    SYNC_UPDATE, /* reads and perhaps writes, in one */
    SYNC_LOCK,
    SYNC_UNLOCK,
    SYNC_KINDS
};

/* As the C11 order of the same name; ordered is memory_order_seq_cst. */
enum sync_order {
    SYNC_RELAXED,
    SYNC_ACQUIRE,
    SYNC_RELEASE,
    SYNC_ACQ_REL,
    SYNC_ORDERED,
    SYNC_ORDERS
};

/* One line of the source that is a step of a thread. */
struct sync_place {
    const char *file;
    const char *function;
    const char *what; /* the word or lock, as the source names it */
    int line;
    uint8_t kind;  /* enum sync_kind */
    uint8_t order; /* enum sync_order */
    uint8_t bytes; /* of the word: 4 or 8 */
};

/* The thread is about to do what @place says to @address. */
void port_sync_step(const struct sync_place *place, const void *address);

/* It has loaded @newest. Return: what it is to see: that, or an older value of the same word. */
uint64_t port_sync_loaded(const struct sync_place *place, const void *address, uint64_t newest);

/* It has stored @value, or updated to it. */
void port_sync_stored(const struct sync_place *place, const void *address, uint64_t value);

/* It has tried to update, saw @value, the newest, and wrote nothing. */
void port_sync_seen(const struct sync_place *place, const void *address, uint64_t value);

/* It wants @lock. Returns when nobody has it, as far as the embedder can tell; or at once: then the
 * thread spins. */
void port_sync_lock(const struct sync_place *place, const spinlock_t *lock);

/* It has taken @lock, or released it. */
void port_sync_locked(const struct sync_place *place, const spinlock_t *lock);
void port_sync_unlocked(const struct sync_place *place, const spinlock_t *lock);

/* Numbers the threads from 0 on, in *@hint, where the embedder does: then nothing depends on where
 * their stacks are. Return: whether it does. */
bool port_sync_hint(uint32_t *hint);

#define SYNC_PLACE(kind_, order_, bytes_, what_)                                                   \
    __extension__({                                                                                \
        static const struct sync_place sync_place = {.file = __FILE__,                             \
                                                     .function = __func__,                         \
                                                     .what = what_,                                \
                                                     .line = __LINE__,                             \
                                                     .kind = kind_,                                \
                                                     .order = order_,                              \
                                                     .bytes = bytes_};                             \
        &sync_place;                                                                               \
    })

/* The newest value, as others have left it. */
static inline uint64_t sync_word_now(const atomic_word_t *word)
{
    return (atomic_word_peek)(word);
}

static inline uint32_t sync_flags_now(const atomic_flags_t *flags)
{
    return (atomic_flags_peek)(flags);
}

/* X(name): loads of a word, of flags; stores; see sync.h for each. */
#define SYNC_DEFINE_LOAD(type, bits, name)                                                         \
    static inline uint##bits##_t explored_##type##_##name(const struct sync_place *place,          \
                                                          const atomic_##type##_t *word)           \
    {                                                                                              \
        port_sync_step(place, word);                                                               \
        return (uint##bits##_t)port_sync_loaded(place, word, (atomic_##type##_##name)(word));      \
    }

#define SYNC_DEFINE_STORE(type, bits, name)                                                        \
    static inline void explored_##type##_##name(const struct sync_place *place,                    \
                                                atomic_##type##_t *word, uint##bits##_t value)     \
    {                                                                                              \
        port_sync_step(place, word);                                                               \
        (atomic_##type##_##name)(word, value);                                                     \
        port_sync_stored(place, word, value);                                                      \
    }

SYNC_DEFINE_LOAD(word, 64, acquire)
SYNC_DEFINE_LOAD(word, 64, peek)
SYNC_DEFINE_LOAD(word, 64, load_ordered)
SYNC_DEFINE_LOAD(flags, 32, acquire)
SYNC_DEFINE_LOAD(flags, 32, peek)
SYNC_DEFINE_LOAD(flags, 32, load_ordered)
SYNC_DEFINE_STORE(word, 64, release)
SYNC_DEFINE_STORE(word, 64, poke)
SYNC_DEFINE_STORE(flags, 32, release)
SYNC_DEFINE_STORE(flags, 32, poke)

/* An update, which always sees the newest value: @call, that answers as the function of sync.h. */
#define SYNC_UPDATED(type, place, word, call)                                                      \
    __extension__({                                                                                \
        port_sync_step(place, word);                                                               \
        __auto_type sync_answer = call;                                                            \
        port_sync_stored(place, word, sync_##type##_now(word));                                    \
        sync_answer;                                                                               \
    })

/* The same of an update that may fail: @call says whether it wrote. */
#define SYNC_TRIED(type, place, word, call)                                                        \
    __extension__({                                                                                \
        port_sync_step(place, word);                                                               \
        bool sync_wrote = call;                                                                    \
        (sync_wrote ? port_sync_stored : port_sync_seen)(place, word, sync_##type##_now(word));    \
        sync_wrote;                                                                                \
    })

static inline uint64_t explored_word_add(const struct sync_place *place, atomic_word_t *word,
                                         uint64_t value)
{
    return SYNC_UPDATED(word, place, word, (atomic_word_add)(word, value));
}

static inline uint64_t explored_word_add_ordered(const struct sync_place *place,
                                                 atomic_word_t *word, uint64_t value)
{
    return SYNC_UPDATED(word, place, word, (atomic_word_add_ordered)(word, value));
}

static inline void explored_word_or_ordered(const struct sync_place *place, atomic_word_t *word,
                                            uint64_t bits)
{
    port_sync_step(place, word);
    (atomic_word_or_ordered)(word, bits);
    port_sync_stored(place, word, sync_word_now(word));
}

static inline void explored_word_clear_ordered(const struct sync_place *place, atomic_word_t *word)
{
    port_sync_step(place, word);
    (atomic_word_clear_ordered)(word);
    port_sync_stored(place, word, 0);
}

static inline bool explored_word_claim_ordered(const struct sync_place *place, atomic_word_t *word,
                                               uint64_t value)
{
    return SYNC_TRIED(word, place, word, (atomic_word_claim_ordered)(word, value));
}

static inline void explored_word_raise(const struct sync_place *place, atomic_word_t *word,
                                       uint64_t value)
{
    port_sync_step(place, word);
    bool raises = sync_word_now(word) < value;
    (atomic_word_raise)(word, value);
    (raises ? port_sync_stored : port_sync_seen)(place, word, sync_word_now(word));
}

static inline bool explored_flags_raise(const struct sync_place *place, atomic_flags_t *flags,
                                        uint32_t value, uint32_t field, uint32_t most)
{
    return SYNC_TRIED(flags, place, flags, (atomic_flags_raise)(flags, value, field, most));
}

static inline uint32_t explored_flags_drop(const struct sync_place *place, atomic_flags_t *flags,
                                           uint32_t value)
{
    port_sync_step(place, flags);
    uint32_t before = (atomic_flags_drop)(flags, value);
    /* Not read again: others may drop what is left, and free what the word is in. */
    port_sync_stored(place, flags, before - value);
    return before;
}

static inline bool explored_flags_change(const struct sync_place *place, atomic_flags_t *flags,
                                         uint32_t field, uint32_t from, uint32_t to)
{
    return SYNC_TRIED(flags, place, flags, (atomic_flags_change)(flags, field, from, to));
}

static inline void explored_flags_announce(const struct sync_place *alone_place,
                                           const struct sync_place *place, atomic_flags_t *flags,
                                           bool alone)
{
    place = alone ? alone_place : place;
    port_sync_step(place, flags);
    (atomic_flags_announce)(flags, alone);
    port_sync_stored(place, flags, 1);
}

static inline void explored_spinlock_lock(const struct sync_place *place, spinlock_t *lock)
{
    lock_check_take(lock, spinlock_class(lock), spinlock_number(lock));
    port_sync_lock(place, lock);
    spinlock_take(lock);
    port_sync_locked(place, lock);
}

static inline void explored_spinlock_unlock(const struct sync_place *place, spinlock_t *lock)
{
    (spinlock_unlock)(lock);
    port_sync_unlocked(place, lock);
}

#define SYNC_WORD(name, kind, order, word, ...)                                                    \
    explored_word_##name(SYNC_PLACE(kind, order, 8, #word), word, ##__VA_ARGS__)
#define SYNC_FLAGS(name, kind, order, flags, ...)                                                  \
    explored_flags_##name(SYNC_PLACE(kind, order, 4, #flags), flags, ##__VA_ARGS__)

#define atomic_word_acquire(word)        SYNC_WORD(acquire, SYNC_LOAD, SYNC_ACQUIRE, word)
#define atomic_word_release(word, value) SYNC_WORD(release, SYNC_STORE, SYNC_RELEASE, word, value)
#define atomic_word_peek(word)           SYNC_WORD(peek, SYNC_LOAD, SYNC_RELAXED, word)
#define atomic_word_poke(word, value)    SYNC_WORD(poke, SYNC_STORE, SYNC_RELAXED, word, value)
#define atomic_word_add(word, value)     SYNC_WORD(add, SYNC_UPDATE, SYNC_RELAXED, word, value)
#define atomic_word_load_ordered(word)   SYNC_WORD(load_ordered, SYNC_LOAD, SYNC_ORDERED, word)
#define atomic_word_add_ordered(word, value)                                                       \
    SYNC_WORD(add_ordered, SYNC_UPDATE, SYNC_ORDERED, word, value)
#define atomic_word_or_ordered(word, bits)                                                         \
    SYNC_WORD(or_ordered, SYNC_UPDATE, SYNC_ORDERED, word, bits)
#define atomic_word_clear_ordered(word) SYNC_WORD(clear_ordered, SYNC_UPDATE, SYNC_ORDERED, word)
#define atomic_word_claim_ordered(word, value)                                                     \
    SYNC_WORD(claim_ordered, SYNC_UPDATE, SYNC_ORDERED, word, value)
#define atomic_word_raise(word, value) SYNC_WORD(raise, SYNC_UPDATE, SYNC_RELAXED, word, value)

#define atomic_flags_peek(flags)        SYNC_FLAGS(peek, SYNC_LOAD, SYNC_RELAXED, flags)
#define atomic_flags_poke(flags, value) SYNC_FLAGS(poke, SYNC_STORE, SYNC_RELAXED, flags, value)
#define atomic_flags_acquire(flags)     SYNC_FLAGS(acquire, SYNC_LOAD, SYNC_ACQUIRE, flags)
#define atomic_flags_release(flags, value)                                                         \
    SYNC_FLAGS(release, SYNC_STORE, SYNC_RELEASE, flags, value)
#define atomic_flags_raise(flags, value, field, most)                                              \
    SYNC_FLAGS(raise, SYNC_UPDATE, SYNC_ACQUIRE, flags, value, field, most)
#define atomic_flags_drop(flags, value) SYNC_FLAGS(drop, SYNC_UPDATE, SYNC_ACQ_REL, flags, value)
#define atomic_flags_change(flags, field, from, to)                                                \
    SYNC_FLAGS(change, SYNC_UPDATE, SYNC_ACQ_REL, flags, field, from, to)
#define atomic_flags_announce(flags, alone)                                                        \
    explored_flags_announce(SYNC_PLACE(SYNC_UPDATE, SYNC_ORDERED, 4, #flags),                      \
                            SYNC_PLACE(SYNC_STORE, SYNC_RELAXED, 4, #flags), flags, alone)
#define atomic_flags_load_ordered(flags) SYNC_FLAGS(load_ordered, SYNC_LOAD, SYNC_ORDERED, flags)

#define spinlock_lock(lock)                                                                        \
    explored_spinlock_lock(SYNC_PLACE(SYNC_LOCK, SYNC_ACQUIRE, 4, #lock), lock)
#define spinlock_unlock(lock)                                                                      \
    explored_spinlock_unlock(SYNC_PLACE(SYNC_UNLOCK, SYNC_RELEASE, 4, #lock), lock)

#endif
