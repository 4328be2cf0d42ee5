/* SPDX-License-Identifier: MIT
 *
 * signature.h: what tells one failure from another, in one line:
 *
 *   coalescing in harness_settle < harness_free
 *   assert(used <= RANGE_CHILDREN) in range_tree_build
 *   asan-heap-use-after-free in range_cache_get < range_tree_store < range_tree_clear
 *
 * the violated check or invariant, the assertion, the kind of a sanitizer's report, or the signal;
 * and the functions of core/ and fuzzers/ that stood highest on the stack when it was found, the
 * innermost first. Left out are static functions (which of these are there depends on what a
 * compiler puts into what), those that only report, and the executor and all below, which
 * stand in each stack. A case that does not end has the one function next to the executor: in which
 * of the others it is stopped is chance.
 */
#ifndef POTAD_FUZZERS_SHRINK_SIGNATURE_H
#define POTAD_FUZZERS_SHRINK_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CALL_STACK_MAX = 96,
    SIGNATURE_FRAMES = 3,
    SIGNATURE_NAME_MAX = 160,
    SIGNATURE_MAX = SIGNATURE_NAME_MAX + 224
};

/* Addresses, the innermost first, each behind the call that it is of. */
struct call_stack {
    uint32_t depth;
    uintptr_t addresses[CALL_STACK_MAX];
};

struct signature {
    char name[SIGNATURE_NAME_MAX]; /* of the check, ... */
    char text[SIGNATURE_MAX];      /* all of it */
    uintptr_t address;             /* in the innermost function that counts; 0: none does */
};

/* The stack of who calls it. Context: a signal handler may, once another call has returned. */
void call_stack_take(struct call_stack *stack);

/* Makes the signature of the failure @name, of SIGNATURE_NAME_MAX bytes at most, at @stack;
 * @endless: it did not end. */
void signature_make(struct signature *signature, const char *name, const struct call_stack *stack,
                    bool endless);

bool signature_equal(const struct signature *a, const struct signature *b);

#endif
