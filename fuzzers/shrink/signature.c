/* SPDX-License-Identifier: MIT */
#include "fuzzers/shrink/signature.h"

#include "fuzzers/shrink/symbols.h"

#include <execinfo.h>
#include <stdio.h>
#include <string.h>

void call_stack_take(struct call_stack *stack)
{
    void *addresses[CALL_STACK_MAX];
    int depth = backtrace(addresses, CALL_STACK_MAX);
    stack->depth = (uint32_t)depth;
    for (int i = 0; i < depth; i++) {
        stack->addresses[i] = (uintptr_t)addresses[i];
    }
}

/* A call may be the last instruction of a function that it never returns to. */
static uintptr_t call_address(const struct call_stack *stack, uint32_t index)
{
    return stack->addresses[index] - 1;
}

/* Whether from this function on, the stack is that of any case. */
static bool is_bottom(const struct symbol *symbol)
{
    return strncmp(symbol->name, "executor_", strlen("executor_")) == 0;
}

/* Whether the function says where something was found, and not what was. */
static bool is_found(const struct symbol *symbol)
{
    static const char *const reporters[] = {"harness_fail", "harness_fail_invariant",
                                            "port_assert_failed", "port_lock_order_broken",
                                            "call_stack_take"};
    for (unsigned i = 0; i < sizeof(reporters) / sizeof(reporters[0]); i++) {
        if (strcmp(symbol->name, reporters[i]) == 0) {
            return false;
        }
    }
    /* What starts with a line is of a sanitizer or of the C library. */
    return symbol->exported && symbol->name[0] != '_';
}

void signature_make(struct signature *signature, const char *name, const struct call_stack *stack,
                    bool endless)
{
    struct symbol found[CALL_STACK_MAX];
    uintptr_t addresses[CALL_STACK_MAX];
    uint32_t count = 0;
    *signature = (struct signature){0};
    for (uint32_t i = 0; i < stack->depth; i++) {
        struct symbol symbol;
        if (!symbols_find(call_address(stack, i), &symbol)) {
            continue;
        }
        if (is_bottom(&symbol)) {
            break;
        }
        if (is_found(&symbol)) {
            addresses[count] = call_address(stack, i);
            found[count++] = symbol;
        }
    }
    uint32_t first = endless && count > 0 ? count - 1 : 0;
    snprintf(signature->name, sizeof(signature->name), "%s", name);
    int length = snprintf(signature->text, sizeof(signature->text), "%s", signature->name);
    for (uint32_t i = first; i < count && i < first + SIGNATURE_FRAMES; i++) {
        length += snprintf(signature->text + length, sizeof(signature->text) - (size_t)length,
                           "%s%s", i == first ? " in " : " < ", found[i].name);
    }
    signature->address = first < count ? addresses[first] : 0;
}

bool signature_equal(const struct signature *a, const struct signature *b)
{
    return strcmp(a->text, b->text) == 0;
}
