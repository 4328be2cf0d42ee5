/* SPDX-License-Identifier: MIT
 *
 * line_trace.c: what compilers call with -fsanitize=thread. The names and types are theirs: those
 * of gcc 12 and of clang 14 to 19, as far as the core makes use of them; the linker names what is
 * missing. With one thread, the atomic operations among them need not be atomic.
 */
#include "stress/line_trace.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

enum { SLOTS = 1 << 14 }; /* an operation that touches as many lines is not worth counting */

/* The lines seen, by open addressing; a slot of an older trace is empty. */
static struct {
    uint64_t line;
    uint64_t trace;
    bool written;
} slots[SLOTS];

static struct line_count count;
static uint64_t trace;
static bool tracing;
static uintptr_t stack_first;
static uintptr_t stack_end;

static void stack_find(void)
{
    pthread_attr_t attributes;
    void *first;
    size_t bytes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0 ||
        pthread_attr_getstack(&attributes, &first, &bytes) != 0) {
        abort();
    }
    pthread_attr_destroy(&attributes);
    stack_first = (uintptr_t)first;
    stack_end = stack_first + bytes;
}

void line_trace_begin(void)
{
    if (stack_end == 0) {
        stack_find();
    }
    count = (struct line_count){.touched = 0};
    trace++;
    tracing = true;
}

struct line_count line_trace_end(void)
{
    tracing = false;
    return count;
}

static void line_note(uint64_t line, bool written)
{
    uint64_t at = line * 0x9e3779b97f4a7c15U >> 50;
    while (slots[at].trace == trace && slots[at].line != line) {
        at = (at + 1) % SLOTS;
    }
    if (slots[at].trace != trace) {
        if (++count.touched == SLOTS) {
            abort();
        }
        slots[at].line = line;
        slots[at].trace = trace;
        slots[at].written = false;
    }
    if (written && !slots[at].written) {
        slots[at].written = true;
        count.written++;
    }
}

static void note(const volatile void *address, size_t bytes, bool written)
{
    uintptr_t first = (uintptr_t)address;
    if (!tracing || bytes == 0 || (first >= stack_first && first < stack_end)) {
        return;
    }
    uintptr_t last = first + bytes - 1;
    for (uint64_t line = first / LINE_TRACE_BYTES; line <= last / LINE_TRACE_BYTES; line++) {
        line_note(line, written);
    }
}

/* Compilers and the linker choose the names; the parameters of macros are types.
 * NOLINTBEGIN(bugprone-reserved-identifier, bugprone-macro-parentheses) */
void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *address, size_t bytes);
void __tsan_write_range(void *address, size_t bytes);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *address, size_t bytes)
{
    note(address, bytes, false);
}

void __tsan_write_range(void *address, size_t bytes)
{
    note(address, bytes, true);
}

#define DEFINE_ACCESS(name, bytes, written)                                                        \
    void name(void *address);                                                                      \
    void name(void *address)                                                                       \
    {                                                                                              \
        note(address, bytes, written);                                                             \
    }

#define DEFINE_ACCESSES(bytes)                                                                     \
    DEFINE_ACCESS(__tsan_read##bytes, bytes, false)                                                \
    DEFINE_ACCESS(__tsan_write##bytes, bytes, true)                                                \
    DEFINE_ACCESS(__tsan_unaligned_read##bytes, bytes, false)                                      \
    DEFINE_ACCESS(__tsan_unaligned_write##bytes, bytes, true)

DEFINE_ACCESSES(1)
DEFINE_ACCESSES(2)
DEFINE_ACCESSES(4)
DEFINE_ACCESSES(8)
DEFINE_ACCESSES(16)

/* One that stores nothing in the end takes its line as one that does. */
#define DEFINE_ATOMIC_CHANGE(name, type, expression)                                               \
    type name(volatile type *word, type value, int order);                                         \
    type name(volatile type *word, type value, int order)                                          \
    {                                                                                              \
        (void)order;                                                                               \
        note(word, sizeof(type), true);                                                            \
        type before = *word;                                                                       \
        *word = (expression);                                                                      \
        return before;                                                                             \
    }

#define DEFINE_ATOMICS(bits, type)                                                                 \
    type __tsan_atomic##bits##_load(const volatile type *word, int order);                         \
    void __tsan_atomic##bits##_store(volatile type *word, type value, int order);                  \
    type __tsan_atomic##bits##_load(const volatile type *word, int order)                          \
    {                                                                                              \
        (void)order;                                                                               \
        note(word, sizeof(type), false);                                                           \
        return *word;                                                                              \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile type *word, type value, int order)                   \
    {                                                                                              \
        (void)order;                                                                               \
        note(word, sizeof(type), true);                                                            \
        *word = value;                                                                             \
    }                                                                                              \
    DEFINE_ATOMIC_CHANGE(__tsan_atomic##bits##_exchange, type, value)                              \
    DEFINE_ATOMIC_CHANGE(__tsan_atomic##bits##_fetch_add, type, before + value)                    \
    DEFINE_ATOMIC_CHANGE(__tsan_atomic##bits##_fetch_sub, type, before - value)                    \
    DEFINE_ATOMIC_CHANGE(__tsan_atomic##bits##_fetch_or, type, before | value)

DEFINE_ATOMICS(32, uint32_t)
DEFINE_ATOMICS(64, uint64_t)

/* clang asks for a comparison by its value, gcc by strong and weak ones. */
#define DEFINE_COMPARE_EXCHANGE(name, value_name, type)                                            \
    bool name(volatile type *word, type *expected, type value, int order, int failure_order);      \
    bool name(volatile type *word, type *expected, type value, int order, int failure_order)       \
    {                                                                                              \
        type wanted = *expected;                                                                   \
        *expected = value_name(word, wanted, value, order, failure_order);                         \
        return *expected == wanted;                                                                \
    }

#define DEFINE_COMPARISONS(bits, type)                                                             \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *word, type expected,            \
                                                    type value, int order, int failure_order);     \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *word, type expected,            \
                                                    type value, int order, int failure_order)      \
    {                                                                                              \
        (void)order;                                                                               \
        (void)failure_order;                                                                       \
        note(word, sizeof(*word), true);                                                           \
        type before = *word;                                                                       \
        *word = before == expected ? value : before;                                               \
        return before;                                                                             \
    }                                                                                              \
    DEFINE_COMPARE_EXCHANGE(__tsan_atomic##bits##_compare_exchange_strong,                         \
                            __tsan_atomic##bits##_compare_exchange_val, type)                      \
    DEFINE_COMPARE_EXCHANGE(__tsan_atomic##bits##_compare_exchange_weak,                           \
                            __tsan_atomic##bits##_compare_exchange_val, type)

DEFINE_COMPARISONS(32, uint32_t)
DEFINE_COMPARISONS(64, uint64_t)

/* ThreadSanitizer takes the place of these in libc; here the linker leads calls astray (--wrap).
 * Newer compilers have names of their own for them. */
void *__real_memset(void *to, int byte, size_t bytes);
void *__real_memcpy(void *to, const void *from, size_t bytes);
void *__wrap_memset(void *to, int byte, size_t bytes);
void *__wrap_memcpy(void *to, const void *from, size_t bytes);
void *__tsan_memset(void *to, int byte, size_t bytes);
void *__tsan_memcpy(void *to, const void *from, size_t bytes);

void *__wrap_memset(void *to, int byte, size_t bytes)
{
    note(to, bytes, true);
    return __real_memset(to, byte, bytes);
}

void *__wrap_memcpy(void *to, const void *from, size_t bytes)
{
    note(from, bytes, false);
    note(to, bytes, true);
    return __real_memcpy(to, from, bytes);
}

void *__tsan_memset(void *to, int byte, size_t bytes)
{
    return __wrap_memset(to, byte, bytes);
}

void *__tsan_memcpy(void *to, const void *from, size_t bytes)
{
    return __wrap_memcpy(to, from, bytes);
}
/* NOLINTEND(bugprone-reserved-identifier, bugprone-macro-parentheses) */
