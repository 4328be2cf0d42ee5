/* SPDX-License-Identifier: MIT
 *
 * bench_malloc.h: the malloc() of libc and of three libraries, side by side in one process: each
 * library is loaded with its symbols to itself, and called through pointers, as a program that is
 * linked with it calls it through its procedure linkage table. Only libc's is the process's own.
 */
#ifndef POTAD_STRESS_BENCH_MALLOC_H
#define POTAD_STRESS_BENCH_MALLOC_H

#include <stddef.h>

/* X(id, name, function names begin with, library, its name where only development files say) */
#define BENCH_MALLOC_TABLE(X)                                                                      \
    X(BENCH_GLIBC, "glibc", "", NULL, NULL)                                                        \
    X(BENCH_JEMALLOC, "jemalloc", "", "libjemalloc.so.2", "libjemalloc.so")                        \
    X(BENCH_MIMALLOC, "mimalloc", "mi_", "libmimalloc.so.2", "libmimalloc.so")                     \
    X(BENCH_TCMALLOC, "tcmalloc", "tc_", "libtcmalloc_minimal.so.4", "libtcmalloc_minimal.so")

enum bench_malloc_id {
#define X(id, name, prefix, library, library_development) id,
    BENCH_MALLOC_TABLE(X)
#undef X
        BENCH_MALLOCS
};

struct bench_malloc {
    const char *name;
    void *(*alloc)(size_t bytes); /* NULL: see @missing */
    void (*free)(void *memory);
    const char *missing; /* why it cannot be measured, in a few words */
};

/* Starts the process anew, once, with room for the thread-local memory that these libraries want in
 * the static block: the loader fixes its size at the start. Where it cannot, they will be missing.
 * Context: before anything else is done; @argv: main()'s. */
void bench_malloc_restart(char **argv);

/* Loads it, the first time. Context: one thread. */
const struct bench_malloc *bench_malloc_find(enum bench_malloc_id id);

#endif
