/* SPDX-License-Identifier: MIT
 *
 * asan_memory.h: what AddressSanitizer takes for memory that may be touched. Its own header has
 * nothing to say to code that is compiled without it, as most of this folder is (CMakeLists.txt);
 * the functions are there all the same, where it is linked in. They are not called by their names,
 * or a build without it would look like one with.
 */
#ifndef POTAD_STRESS_EXPLORE_ASAN_MEMORY_H
#define POTAD_STRESS_EXPLORE_ASAN_MEMORY_H

#include <stddef.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the sanitizer's */
__attribute__((weak)) void __asan_poison_memory_region(const volatile void *address, size_t size);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void *address, size_t size);
/* NOLINTEND(bugprone-reserved-identifier) */

/* Whoever touches these @bytes is found out. */
static inline void asan_poison(const void *address, size_t bytes)
{
    void (*volatile poison)(const volatile void *, size_t) = __asan_poison_memory_region;
    if (poison != NULL) {
        poison(address, bytes);
    }
}

static inline void asan_unpoison(const void *address, size_t bytes)
{
    void (*volatile unpoison)(const volatile void *, size_t) = __asan_unpoison_memory_region;
    if (unpoison != NULL) {
        unpoison(address, bytes);
    }
}

#endif
