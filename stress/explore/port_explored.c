/* SPDX-License-Identifier: MIT
 *
 * port_explored.c: the symbols that a core built with POTAD_EXPLORED asks its embedder for: the
 * explorer, while one runs; else as fuzzers/port_host.c, and a step is nothing but a place where
 * the thread may be disturbed, if it is to be.
 */
#include "core/sync_explored.h"
#include "stress/disturb.h"
#include "stress/explore/explorer.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void port_assert_failed(const char *expression, const char *file, int line)
{
    if (explorer_active != NULL) {
        explorer_report(explorer_active, "assert", "%s (%s:%d)", expression, file, line);
    }
    fprintf(stderr, "potad: violated: assert: %s (%s:%d)\n", expression, file, line);
    abort();
}

void port_relax(void)
{
    if (explorer_active != NULL) {
        explorer_relax(explorer_active);
    } else {
        /* The holder of the lock may be waiting for this very CPU. */
        sched_yield();
    }
}

struct lock_held *port_locks_held(void)
{
    static _Thread_local struct lock_held held;
    return explorer_active != NULL ? explorer_locks_held(explorer_active) : &held;
}

/* "zone 3", or "nothing". */
static void name_lock(char *text, size_t bytes, const struct lock_words *lock)
{
    if (lock->numbered) {
        snprintf(text, bytes, "%s %u", lock->name, lock->number);
    } else {
        snprintf(text, bytes, "%s", lock->name);
    }
}

_Noreturn void port_lock_order_broken(const struct lock_violation *violation)
{
    char first[EXPLORE_NAME_MAX];
    char held[EXPLORE_NAME_MAX];
    name_lock(first, sizeof(first), &violation->first);
    name_lock(held, sizeof(held), &violation->held);
    if (explorer_active != NULL) {
        explorer_report(explorer_active, "lock-order", "%s %s %s", first, violation->is, held);
    }
    fprintf(stderr, "potad: violated: lock-order: %s %s %s\n", first, violation->is, held);
    abort();
}

void port_sync_step(const struct sync_place *place, const void *address)
{
    if (explorer_active != NULL) {
        explorer_step(explorer_active, place, address);
    } else if (disturber_current != NULL) {
        disturber_step(disturber_current, place);
    }
}

uint64_t port_sync_loaded(const struct sync_place *place, const void *address, uint64_t newest)
{
    if (explorer_active != NULL) {
        return explorer_loaded(explorer_active, place, address, newest);
    }
    if (disturber_current != NULL) {
        disturber_loaded(disturber_current, newest);
    }
    return newest;
}

void port_sync_stored(const struct sync_place *place, const void *address, uint64_t value)
{
    if (explorer_active != NULL) {
        explorer_stored(explorer_active, place, address, value);
    }
}

void port_sync_seen(const struct sync_place *place, const void *address, uint64_t value)
{
    if (explorer_active != NULL) {
        explorer_seen(explorer_active, place, address, value);
    }
}

void port_sync_lock(const struct sync_place *place, const spinlock_t *lock)
{
    if (explorer_active != NULL) {
        explorer_lock(explorer_active, place, lock);
    } else if (disturber_current != NULL) {
        disturber_step(disturber_current, place);
    }
}

void port_sync_locked(const struct sync_place *place, const spinlock_t *lock)
{
    if (explorer_active != NULL) {
        explorer_locked(explorer_active, place, lock);
    }
}

void port_sync_unlocked(const struct sync_place *place, const spinlock_t *lock)
{
    if (explorer_active != NULL) {
        explorer_unlocked(explorer_active, place, lock);
    }
}

bool port_sync_hint(uint32_t *hint)
{
    /* Who sets up and checks has a number of his own, not one that follows from where his stack is:
     * what executions begin with is the same in each process. */
    *hint = explorer_active != NULL ? explorer_thread(explorer_active) : EXPLORE_THREADS;
    return explorer_active != NULL || explorer_is_open;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): ThreadSanitizer's */
/* ThreadSanitizer calls it for each report: that ties it to the schedule. */
void __tsan_on_report(void *report);

void __tsan_on_report(void *report)
{
    (void)report;
    if (explorer_active != NULL) {
        explorer_note(explorer_active, "tsan", "ThreadSanitizer has a report, above");
    }
}
/* NOLINTEND(bugprone-reserved-identifier) */
