/* SPDX-License-Identifier: MIT */
#include "stress/bench_memory.h"

#include <stdlib.h>

static void memory_expose(void *context, pfn_t pfn, uint64_t frames, bool zeroed)
{
    struct bench_memory *memory = context;
    simmem_expose(&memory->mem, pfn, frames, zeroed);
}

static void memory_conceal(void *context, pfn_t pfn, uint64_t frames)
{
    struct bench_memory *memory = context;
    simmem_conceal(&memory->mem, pfn, frames);
}

static bool memory_accept(void *context, pfn_t pfn, uint64_t frames)
{
    (void)context;
    (void)pfn;
    (void)frames;
    return true;
}

void bench_memory_open(struct bench_memory *memory, const char *subject, const struct boot_map *map)
{
    *memory = (struct bench_memory){.subject = subject_find(subject)};
    memory->instance = aligned_alloc(64, (memory->subject->instance_bytes + 63) / 64 * 64);
    if (memory->instance == NULL || !simmem_open(&memory->mem, map)) {
        abort();
    }
    memory->port = (struct port){
        .context = memory,
        .direct_map = simmem_direct_map(&memory->mem),
        .expose = memory_expose,
        .conceal = memory_conceal,
        .accept = memory_accept,
    };
    if (memory->subject->open(memory->instance, &memory->port, map) != STATUS_OK) {
        abort();
    }
}

void bench_memory_close(struct bench_memory *memory)
{
    memory->subject->close(memory->instance);
    free(memory->instance);
    simmem_close(&memory->mem);
}
