/* SPDX-License-Identifier: MIT
 *
 * fiber.h: several stacks in one thread, and the switch between them: in assembly on x86-64 and
 * aarch64 (9 to 20 ns), by ucontext elsewhere. AddressSanitizer and ThreadSanitizer are told of
 * each switch, where they are linked in. ThreadSanitizer takes fibers for threads that no switch
 * orders, so it finds what only luck has ordered.
 */
#ifndef POTAD_STRESS_EXPLORE_FIBER_H
#define POTAD_STRESS_EXPLORE_FIBER_H

#include <stdbool.h>
#include <stddef.h>

enum { FIBER_STACK_BYTES = 256 << 10 };

struct fiber {
    void *stack_pointer; /* while it does not run */
    unsigned char *stack;
    size_t stack_bytes;
    void (*entry)(void *context); /* must not return */
    void *context;
    void *fake_stack; /* AddressSanitizer's */
    void *tsan;       /* ThreadSanitizer's */
    void *ucontext;   /* where there is no assembly */
};

/* Makes @fiber stand for the caller, who is on a stack of its own already. Return: whether there
 * was memory. */
bool fiber_adopt(struct fiber *fiber) __attribute__((warn_unused_result));

/* Makes a stack that will begin with @entry(@context). Return: whether there was memory. */
bool fiber_open(struct fiber *fiber, void (*entry)(void *context), void *context)
    __attribute__((warn_unused_result));
void fiber_close(struct fiber *fiber);

/* Drops whatever @fiber, which does not run, was doing: it will begin anew. */
void fiber_restart(struct fiber *fiber);

/* Goes on with @to, until somebody switches back to @from, the fiber that runs. */
void fiber_switch(struct fiber *from, struct fiber *to);

/* For ThreadSanitizer: what fibers did before they released @point is seen by those that acquire it
 * later. Nothing else orders fibers but what they do themselves. */
void fiber_release(void *point);
void fiber_acquire(void *point);

#endif
