/* SPDX-License-Identifier: MIT */
#include "stress/bench_arena.h"
#include "stress/bench_turns.h"
#include "stress/cpus.h"

#include <stdlib.h>
#include <string.h>

/* All memory is accessible from the start: system calls of the simulation would be measured with
 * the allocator. */
static void arena_expose(void *context, pfn_t pfn, uint64_t frames, bool zeroed)
{
    struct bench_arena *arena = context;
    atomic_word_add(&arena->exposed, frames);
    if (zeroed) {
        memset(arena->port.direct_map + (pfn << FRAME_SHIFT), 0, frames << FRAME_SHIFT);
    }
}

static void arena_conceal(void *context, pfn_t pfn, uint64_t frames)
{
    struct bench_arena *arena = context;
    (void)pfn;
    atomic_word_add(&arena->exposed, -frames);
}

static bool arena_accept(void *context, pfn_t pfn, uint64_t frames)
{
    (void)context;
    (void)pfn;
    (void)frames;
    return true;
}

static uint32_t arena_cpu(void *context)
{
    (void)context;
    return bench_pinned;
}

static void arena_barrier(void *context)
{
    (void)context;
    cpus_barrier();
}

/* CPUs, if there are to be some. */
static void arena_port(struct bench_arena *arena, uint32_t cpus)
{
    struct cpus system;
    arena->port = (struct port){
        .context = arena,
        .direct_map = simmem_direct_map(&arena->mem),
        .expose = arena_expose,
        .conceal = arena_conceal,
        .accept = arena_accept,
    };
    if (cpus > 0) {
        cpus_open(&system, cpus, cpus);
        arena->port.cpu_enter = arena_cpu;
        arena->port.cpu_barrier = system.barrier ? arena_barrier : NULL;
    }
}

void bench_arena_open(struct bench_arena *arena, enum block_map_kind kind, uint64_t frames,
                      uint32_t cpus)
{
    /* All frames together would be one block, if all were free. */
    const struct boot_map map = {
        .kind = kind,
        .zones_count = 1,
        .ranges_count = 1,
        .zones = {{.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = frames, .frames = frames, .zone = 0}},
    };
    size_t bytes = (sizeof(*arena->potad) + 63) / 64 * 64;
    *arena = (struct bench_arena){.frames = frames, .potad = aligned_alloc(64, bytes)};
    if (arena->potad == NULL || !simmem_open(&arena->mem, &map)) {
        abort();
    }
    memset(arena->potad, 0, bytes);
    simmem_expose(&arena->mem, frames, frames, true);
    arena_port(arena, cpus);
    if (potad_boot(arena->potad, &arena->port, &map) != STATUS_OK) {
        abort();
    }
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        if (potad_cpu_online(arena->potad, cpu) != STATUS_OK) {
            abort();
        }
    }
}

void bench_arena_close(struct bench_arena *arena)
{
    free(arena->potad);
    simmem_close(&arena->mem);
}
