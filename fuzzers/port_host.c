/* SPDX-License-Identifier: MIT
 *
 * port_host.c: the symbols that the core asks its embedder for, on a host with libc.
 */
#include "core/lock_order.h"
#include "core/port.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void port_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "potad: violated: assert: %s (%s:%d)\n", expression, file, line);
    abort();
}

void port_relax(void)
{
    /* The holder of the lock may be waiting for this very CPU. */
    sched_yield();
}

struct lock_held *port_locks_held(void)
{
    /* One set a thread: nobody here goes from within one allocator into another. */
    static _Thread_local struct lock_held held;
    return &held;
}

/* "zone 3", or "nothing". */
static void print_lock(const struct lock_words *lock)
{
    fprintf(stderr, " %s", lock->name);
    if (lock->numbered) {
        fprintf(stderr, " %u", lock->number);
    }
}

_Noreturn void port_lock_order_broken(const struct lock_violation *violation)
{
    fprintf(stderr, "potad: violated: lock-order:");
    print_lock(&violation->first);
    fprintf(stderr, " %s", violation->is);
    print_lock(&violation->held);
    fprintf(stderr, "\n");
    abort();
}
