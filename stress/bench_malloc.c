/* SPDX-License-Identifier: MIT */
#include "stress/bench_malloc.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SYMBOL_MAX = 32 };

static const struct source {
    const char *name;
    const char *prefix;
    const char *libraries[2];
} sources[BENCH_MALLOCS] = {
#define X(id, name, prefix, library, library_development)                                          \
    [id] = {name, prefix, {library, library_development}},
    BENCH_MALLOC_TABLE(X)
#undef X
};

void bench_malloc_restart(char **argv)
{
    static const char mark[] = "POTAD_BENCH_RESTARTED";
    static const char room[] = "glibc.rtld.optional_static_tls=16384";
    static const char variable[] = "GLIBC_TUNABLES";
    if (getenv(mark) != NULL) {
        return;
    }
    const char *tunables = getenv(variable);
    char joined[1024];
    int length = snprintf(joined, sizeof(joined), "%s%s%s", tunables == NULL ? "" : tunables,
                          tunables == NULL ? "" : ":", room);
    if (length < 0 || (size_t)length >= sizeof(joined) || setenv(mark, "1", 1) != 0 ||
        setenv(variable, joined, 1) != 0) {
        return;
    }
    /* Two allocators that both move the end of the data segment get in each other's way. */
    setenv("TCMALLOC_SKIP_SBRK", "1", 0);
    execv("/proc/self/exe", argv);
}

/* Return: NULL where it cannot be loaded; *@missing says why. */
static void *library_open(const struct source *source, const char **missing)
{
    const char *why = "not installed";
    for (unsigned i = 0; i < 2; i++) {
        void *library = dlopen(source->libraries[i], RTLD_NOW | RTLD_LOCAL);
        if (library != NULL) {
            return library;
        }
        const char *error = dlerror();
        if (error != NULL && strstr(error, "static TLS") != NULL) {
            why = "not loadable";
        }
    }
    *missing = why;
    return NULL;
}

/* A function of @library, as a pointer to data: the caller converts it. */
static void *function_find(void *library, const struct source *source, const char *name)
{
    char symbol[SYMBOL_MAX];
    snprintf(symbol, sizeof(symbol), "%s%s", source->prefix, name);
    return dlsym(library, symbol);
}

static void load(struct bench_malloc *found, const struct source *source)
{
    *found = (struct bench_malloc){.name = source->name};
    if (source->libraries[0] == NULL) {
        found->alloc = malloc;
        found->free = free;
        return;
    }
    void *library = library_open(source, &found->missing);
    if (library == NULL) {
        return;
    }
    void *alloc = function_find(library, source, "malloc");
    void *give_back = function_find(library, source, "free");
    if (alloc == NULL || give_back == NULL) {
        found->missing = "another version";
        return;
    }
    /* What POSIX promises of dlsym(), and C does not. */
    memcpy((void *)&found->alloc, (const void *)&alloc, sizeof(alloc));
    memcpy((void *)&found->free, (const void *)&give_back, sizeof(give_back));
}

const struct bench_malloc *bench_malloc_find(enum bench_malloc_id id)
{
    static struct bench_malloc found[BENCH_MALLOCS];
    if (found[id].name == NULL) {
        load(&found[id], &sources[id]);
    }
    return &found[id];
}
