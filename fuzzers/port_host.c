/* SPDX-License-Identifier: MIT
 *
 * port_host.c: the symbols that the core asks its embedder for, on a host with libc.
 */
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
