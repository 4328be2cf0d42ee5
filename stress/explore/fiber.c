/* SPDX-License-Identifier: MIT
 *
 * fiber.c: compiled without instrumentation (CMakeLists.txt), so that no sanitizer's function entry
 * or exit stands between the stacks. The sanitizers' own functions are weak: there where they are
 * linked in.
 */
#include "stress/explore/fiber.h"

#include "stress/explore/asan_memory.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WEAK __attribute__((weak))

/* NOLINTBEGIN(bugprone-reserved-identifier): the sanitizers' */
WEAK void __sanitizer_start_switch_fiber(void **fake_stack_save, const void *bottom, size_t size);
WEAK void __sanitizer_finish_switch_fiber(void *fake_stack_save, const void **bottom_old,
                                          size_t *size_old);
WEAK void *__tsan_get_current_fiber(void);
WEAK void *__tsan_create_fiber(unsigned flags);
WEAK void __tsan_destroy_fiber(void *fiber);
WEAK void __tsan_switch_to_fiber(void *fiber, unsigned flags);
WEAK void __tsan_acquire(void *address);
WEAK void __tsan_release(void *address);
/* NOLINTEND(bugprone-reserved-identifier) */

enum { TSAN_NO_SYNC = 1 };

/* fiber_swap(&from, to): leaves the callee-saved registers on the stack, its pointer in *from, and
 * goes on at @to, which is such a pointer. fiber_start: where a new stack begins; its first frame
 * holds what to call, and with what. */
#if defined(__x86_64__)
void fiber_swap(void **from, void *to);
void fiber_start(void);

__asm__(".text\n"
        ".p2align 4\n"
        ".type fiber_swap, @function\n"
        "fiber_swap:\n"
        "    endbr64\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size fiber_swap, .-fiber_swap\n"
        ".p2align 4\n"
        ".type fiber_start, @function\n"
        "fiber_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n" /* the outermost frame: unwinders stop here */
        "    endbr64\n"
        "    movq %r13, %rdi\n"
        "    callq *%r12\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size fiber_start, .-fiber_start\n");

enum { SAVED = 6, SAVED_ENTRY = 3, SAVED_CONTEXT = 2, SAVED_RETURN = 6 };

static void *stack_begin(unsigned char *top, void (*entry)(void *context), void *context)
{
    /* fiber_start() is "returned" to: then the stack pointer is a multiple of 16. */
    uintptr_t *frame = (uintptr_t *)(void *)(top - 16) - (SAVED + 1);
    memset(frame, 0, (SAVED + 1) * sizeof(*frame));
    frame[SAVED_ENTRY] = (uintptr_t)entry;
    frame[SAVED_CONTEXT] = (uintptr_t)context;
    frame[SAVED_RETURN] = (uintptr_t)fiber_start;
    return frame;
}
#elif defined(__aarch64__)
void fiber_swap(void **from, void *to);
void fiber_start(void);

__asm__(".text\n"
        ".p2align 4\n"
        ".type fiber_swap, %function\n"
        "fiber_swap:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size fiber_swap, .-fiber_swap\n"
        ".p2align 4\n"
        ".type fiber_start, %function\n"
        "fiber_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined x30\n"
        "    mov x0, x20\n"
        "    blr x19\n"
        "    brk #1\n"
        "    .cfi_endproc\n"
        ".size fiber_start, .-fiber_start\n");

enum { SAVED = 20, SAVED_ENTRY = 0, SAVED_CONTEXT = 1, SAVED_RETURN = 11 };

static void *stack_begin(unsigned char *top, void (*entry)(void *context), void *context)
{
    uintptr_t *frame = (uintptr_t *)(void *)top - SAVED;
    memset(frame, 0, SAVED * sizeof(*frame));
    frame[SAVED_ENTRY] = (uintptr_t)entry;
    frame[SAVED_CONTEXT] = (uintptr_t)context;
    frame[SAVED_RETURN] = (uintptr_t)fiber_start;
    return frame;
}
#else
#define FIBER_BY_UCONTEXT
#include <stdlib.h>
#include <ucontext.h>
#endif

static void switch_finished(struct fiber *fiber)
{
    if (__sanitizer_finish_switch_fiber != NULL) {
        __sanitizer_finish_switch_fiber(fiber->fake_stack, NULL, NULL);
    }
}

/* The first that a fiber does. */
static void fiber_main(void *argument)
{
    struct fiber *fiber = argument;
    fiber->fake_stack = NULL;
    switch_finished(fiber);
    fiber->entry(fiber->context);
    __builtin_trap();
}

#ifdef FIBER_BY_UCONTEXT
/* makecontext() hands on ints only. */
static void ucontext_main(unsigned high, unsigned low)
{
    fiber_main((void *)((uintptr_t)high << 16 << 16 | low));
}

static void fiber_begin(struct fiber *fiber)
{
    ucontext_t *context = fiber->ucontext;
    getcontext(context);
    context->uc_stack.ss_sp = fiber->stack;
    context->uc_stack.ss_size = fiber->stack_bytes;
    makecontext(context, (void (*)(void))ucontext_main, 2, (unsigned)((uintptr_t)fiber >> 16 >> 16),
                (unsigned)(uintptr_t)fiber);
}

static bool context_open(struct fiber *fiber)
{
    fiber->ucontext = calloc(1, sizeof(ucontext_t));
    return fiber->ucontext != NULL;
}

static void context_close(struct fiber *fiber)
{
    free(fiber->ucontext);
}

static void swap(struct fiber *from, struct fiber *to)
{
    swapcontext(from->ucontext, to->ucontext);
}
#else
static void fiber_begin(struct fiber *fiber)
{
    fiber->stack_pointer = stack_begin(fiber->stack + fiber->stack_bytes, fiber_main, fiber);
}

static bool context_open(struct fiber *fiber)
{
    (void)fiber;
    return true;
}

static void context_close(struct fiber *fiber)
{
    (void)fiber;
}

static void swap(struct fiber *from, struct fiber *to)
{
    fiber_swap(&from->stack_pointer, to->stack_pointer);
}
#endif

/* The stack that the caller is on, as AddressSanitizer has to know it to return there. */
static void stack_find(struct fiber *fiber)
{
    const void *bottom = NULL;
    size_t bytes = 0;
    void *fake = NULL;
    if (__sanitizer_start_switch_fiber != NULL) {
        /* A switch from here to here answers what the stack was. */
        unsigned char here = 0;
        __sanitizer_start_switch_fiber(&fake, &here, 1);
        __sanitizer_finish_switch_fiber(fake, &bottom, &bytes);
        __sanitizer_start_switch_fiber(&fake, bottom, bytes);
        __sanitizer_finish_switch_fiber(fake, NULL, NULL);
    }
    fiber->stack = (unsigned char *)(uintptr_t)bottom;
    fiber->stack_bytes = bytes;
}

bool fiber_adopt(struct fiber *fiber)
{
    *fiber = (struct fiber){.entry = NULL};
    stack_find(fiber);
    if (__tsan_get_current_fiber != NULL) {
        fiber->tsan = __tsan_get_current_fiber();
    }
    return context_open(fiber);
}

bool fiber_open(struct fiber *fiber, void (*entry)(void *context), void *context)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    *fiber = (struct fiber){.entry = entry, .context = context, .stack_bytes = FIBER_STACK_BYTES};
    unsigned char *memory = mmap(NULL, guard + FIBER_STACK_BYTES, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    fiber->stack = memory + guard;
    if (mprotect(memory, guard, PROT_NONE) != 0 || !context_open(fiber)) {
        munmap(memory, guard + FIBER_STACK_BYTES);
        return false;
    }
    if (__tsan_create_fiber != NULL) {
        fiber->tsan = __tsan_create_fiber(0);
    }
    fiber_begin(fiber);
    return true;
}

void fiber_close(struct fiber *fiber)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    context_close(fiber);
    if (fiber->entry == NULL) {
        return; /* adopted */
    }
    if (__tsan_destroy_fiber != NULL) {
        __tsan_destroy_fiber(fiber->tsan);
    }
    munmap(fiber->stack - guard, guard + fiber->stack_bytes);
}

void fiber_restart(struct fiber *fiber)
{
    asan_unpoison(fiber->stack, fiber->stack_bytes);
    if (__tsan_create_fiber != NULL) {
        __tsan_destroy_fiber(fiber->tsan);
        fiber->tsan = __tsan_create_fiber(0);
    }
    fiber_begin(fiber);
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
    if (__sanitizer_start_switch_fiber != NULL) {
        __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->stack_bytes);
    }
    if (__tsan_switch_to_fiber != NULL) {
        __tsan_switch_to_fiber(to->tsan, TSAN_NO_SYNC);
    }
    swap(from, to);
    switch_finished(from);
}

void fiber_release(void *point)
{
    if (__tsan_release != NULL) {
        __tsan_release(point);
    }
}

void fiber_acquire(void *point)
{
    if (__tsan_acquire != NULL) {
        __tsan_acquire(point);
    }
}
