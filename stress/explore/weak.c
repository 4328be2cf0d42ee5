/* SPDX-License-Identifier: MIT */
#include "stress/explore/weak.h"

#include "core/check.h"
#include "core/sync_explored.h"

#include <stdlib.h>

enum { LOCATIONS_LIMIT = 1 << 24 };

_Static_assert((int)WEAK_THREADS <= (int)WEAK_LANES, "each thread has a lane");
_Static_assert((int)WEAK_LANES == 8, "unseen has so many times");

static const struct weak_clock nothing;
static const struct weak_clock unseen = {
    {WEAK_NEVER, WEAK_NEVER, WEAK_NEVER, WEAK_NEVER, WEAK_NEVER, WEAK_NEVER, WEAK_NEVER,
     WEAK_NEVER},
};

bool weak_open(struct weak *weak, uint32_t locations)
{
    ASSERT(locations > 0);
    ASSERT(locations <= LOCATIONS_LIMIT);
    uint32_t slots = 2;
    while (slots < 2 * locations) {
        slots *= 2;
    }
    size_t bytes = slots * sizeof(*weak->locations);
    *weak = (struct weak){.slots_mask = slots - 1, .locations_max = locations};
    weak->locations = aligned_alloc(_Alignof(struct weak_location), bytes);
    if (weak->locations == NULL) {
        return false;
    }
    for (uint32_t slot = 0; slot < slots; slot++) {
        weak->locations[slot].execution = 0;
    }
    weak_reset(weak, NULL, NULL);
    return true;
}

void weak_close(struct weak *weak)
{
    free(weak->locations);
}

void weak_reset(struct weak *weak, weak_pick *pick, void *context)
{
    weak->execution++;
    weak->locations_used = 0;
    weak->full = false;
    weak->pick = pick;
    weak->context = context;
    for (uint32_t thread = 0; thread < WEAK_THREADS; thread++) {
        weak->clocks[thread] = nothing;
        weak->clocks[thread].times[thread] = 1;
        weak->fresh[thread] = 0;
    }
}

bool weak_is_full(const struct weak *weak)
{
    return weak->full;
}

static ALWAYS_INLINE bool order_acquires(unsigned order)
{
    return order == SYNC_ACQUIRE || order == SYNC_ACQ_REL || order == SYNC_ORDERED;
}

static ALWAYS_INLINE bool order_releases(unsigned order)
{
    return order == SYNC_RELEASE || order == SYNC_ACQ_REL || order == SYNC_ORDERED;
}

static ALWAYS_INLINE void clock_join(struct weak_clock *clock, const struct weak_clock *other)
{
    for (unsigned lane = 0; lane < WEAK_LANES; lane++) {
        uint16_t time = other->times[lane];
        clock->times[lane] = clock->times[lane] > time ? clock->times[lane] : time;
    }
}

/* Whether somebody had seen it at a time that @clock has come to. */
static ALWAYS_INLINE bool clock_knows(const struct weak_clock *clock, const struct weak_clock *seen)
{
    uint16_t knows = 0; /* as wide as a time: so compilers have one instruction for all lanes */
    for (unsigned lane = 0; lane < WEAK_LANES; lane++) {
        knows |= seen->times[lane] <= clock->times[lane] ? UINT16_MAX : 0;
    }
    return knows != 0;
}

/* What @thread does from now on is not known to who knows what it has done so far. */
static ALWAYS_INLINE void clock_tick(struct weak *weak, uint32_t thread)
{
    uint16_t *time = &weak->clocks[thread].times[thread];
    if (LIKELY(*time < WEAK_NEVER - 1)) {
        ++*time;
    }
}

/* @to gets to know what @thread does. */
static ALWAYS_INLINE void clock_release(struct weak *weak, uint32_t thread, struct weak_clock *to)
{
    clock_join(to, &weak->clocks[thread]);
    clock_tick(weak, thread);
}

static ALWAYS_INLINE struct weak_store *store_at(struct weak_location *location, uint32_t number)
{
    return &location->stores[number % WEAK_STORES];
}

/* All that @location has been is one store of @value. */
static void location_begin(struct weak_location *location, uint64_t value)
{
    struct weak_store *store = &location->stores[0];
    location->newest = 0;
    location->kept = 1;
    location->ordered = 0;
    store->value = value;
    store->seen = unseen;
    store->released = nothing;
}

/* The location at @address, perhaps a new one with the value @newest. Return: or NULL, where there
 * is or was no room for one. */
static ALWAYS_INLINE struct weak_location *location_find(struct weak *weak, const void *address,
                                                         uint64_t newest)
{
    uint64_t slot = (uint64_t)(uintptr_t)address * 0x9e3779b97f4a7c15U >> 32;
    if (UNLIKELY(weak->full)) {
        return NULL;
    }
    for (;; slot++) {
        struct weak_location *location = &weak->locations[slot & weak->slots_mask];
        if (location->execution != weak->execution) {
            if (weak->locations_used == weak->locations_max) {
                weak->full = true;
                return NULL;
            }
            weak->locations_used++;
            location->address = address;
            location->execution = weak->execution;
            location_begin(location, newest);
            return location;
        }
        if (LIKELY(location->address == address)) {
            return location;
        }
    }
}

/* As location_find(), of a word that is @newest now. */
static ALWAYS_INLINE struct weak_location *word_find(struct weak *weak, const void *address,
                                                     uint64_t newest)
{
    struct weak_location *location = location_find(weak, address, newest);
    if (UNLIKELY(location != NULL && store_at(location, location->newest)->value != newest)) {
        location_begin(location, newest);
    }
    return location;
}

/* How many stores @thread may see: the newest, and those behind it up to one that it knows. */
static ALWAYS_INLINE uint32_t stores_visible(const struct weak *weak, uint32_t thread,
                                             struct weak_location *location, bool ordered)
{
    uint32_t count = 1;
    for (; count < location->kept; count++) {
        uint32_t number = location->newest - count + 1;
        if (clock_knows(&weak->clocks[thread], &store_at(location, number)->seen) ||
            (ordered && number == location->ordered)) {
            break;
        }
        if (store_at(location, number - 1)->seen.times[thread] <= weak->fresh[thread]) {
            break;
        }
    }
    return count;
}

/* @thread sees store @number of @location. */
static ALWAYS_INLINE uint64_t store_see(struct weak *weak, uint32_t thread,
                                        struct weak_location *location, uint32_t number,
                                        unsigned order)
{
    struct weak_store *store = store_at(location, number);
    if (store->seen.times[thread] == WEAK_NEVER) {
        store->seen.times[thread] = weak->clocks[thread].times[thread];
    }
    if (order_acquires(order)) {
        clock_join(&weak->clocks[thread], &store->released);
    }
    if (order == SYNC_ORDERED) {
        location->ordered = number;
    }
    return store->value;
}

uint64_t weak_load(struct weak *weak, uint32_t thread, const void *address, unsigned order,
                   uint64_t newest)
{
    uint32_t back = 0;
    ASSERT(thread < WEAK_THREADS);
    struct weak_location *location = word_find(weak, address, newest);
    if (UNLIKELY(location == NULL)) {
        return newest;
    }
    uint32_t count = stores_visible(weak, thread, location, order == SYNC_ORDERED);
    if (count > 1 && weak->pick != NULL) {
        back = weak->pick(weak->context, count);
        ASSERT(back < count);
    }
    return store_see(weak, thread, location, location->newest - back, order);
}

/* @thread makes the next store of @location, which passes on @released, and what @thread knows if
 * it releases. */
static ALWAYS_INLINE void store_add(struct weak *weak, uint32_t thread,
                                    struct weak_location *location, unsigned order, uint64_t value,
                                    struct weak_clock released)
{
    struct weak_store *store = store_at(location, ++location->newest);
    location->kept += location->kept < WEAK_STORES ? 1 : 0;
    store->value = value;
    store->seen = unseen;
    store->seen.times[thread] = weak->clocks[thread].times[thread];
    if (order_releases(order)) {
        clock_release(weak, thread, &released);
    }
    store->released = released;
    if (order == SYNC_ORDERED) {
        location->ordered = location->newest;
    }
}

void weak_store(struct weak *weak, uint32_t thread, const void *address, unsigned order,
                uint64_t newest, uint64_t value)
{
    ASSERT(thread < WEAK_THREADS);
    struct weak_location *location = word_find(weak, address, newest);
    if (LIKELY(location != NULL)) {
        store_add(weak, thread, location, order, value, nothing);
    }
}

void weak_update(struct weak *weak, uint32_t thread, const void *address, unsigned order,
                 uint64_t newest, uint64_t value)
{
    ASSERT(thread < WEAK_THREADS);
    struct weak_location *location = word_find(weak, address, newest);
    if (LIKELY(location != NULL)) {
        (void)store_see(weak, thread, location, location->newest, order);
        /* Who acquires this store gets to know what the one before released: a release sequence. */
        store_add(weak, thread, location, order, value,
                  store_at(location, location->newest)->released);
    }
}

void weak_update_failed(struct weak *weak, uint32_t thread, const void *address, unsigned order,
                        uint64_t newest)
{
    ASSERT(thread < WEAK_THREADS);
    struct weak_location *location = word_find(weak, address, newest);
    if (LIKELY(location != NULL)) {
        (void)store_see(weak, thread, location, location->newest, order);
    }
}

void weak_lock(struct weak *weak, uint32_t thread, const void *lock)
{
    ASSERT(thread < WEAK_THREADS);
    const struct weak_location *location = location_find(weak, lock, 0);
    if (LIKELY(location != NULL)) {
        clock_join(&weak->clocks[thread], &location->stores[0].released);
    }
}

void weak_unlock(struct weak *weak, uint32_t thread, const void *lock)
{
    ASSERT(thread < WEAK_THREADS);
    struct weak_location *location = location_find(weak, lock, 0);
    if (LIKELY(location != NULL)) {
        clock_release(weak, thread, &location->stores[0].released);
    }
}

void weak_handover(struct weak *weak, uint32_t from, uint32_t to)
{
    ASSERT(from < WEAK_THREADS);
    ASSERT(to < WEAK_THREADS);
    clock_release(weak, from, &weak->clocks[to]);
}

void weak_fresh(struct weak *weak, uint32_t thread)
{
    ASSERT(thread < WEAK_THREADS);
    weak->fresh[thread] = weak->clocks[thread].times[thread];
    clock_tick(weak, thread);
}

void weak_barrier_all(struct weak *weak)
{
    struct weak_clock all = nothing;
    for (uint32_t thread = 0; thread < WEAK_THREADS; thread++) {
        clock_join(&all, &weak->clocks[thread]);
    }
    for (uint32_t thread = 0; thread < WEAK_THREADS; thread++) {
        weak->clocks[thread] = all;
        clock_tick(weak, thread);
    }
}
