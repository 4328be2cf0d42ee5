/* SPDX-License-Identifier: MIT */
#include "stress/bench_page.h"

#include <stdlib.h>
#include <string.h>

/* Enough for a descriptor and tree nodes for each frame of zone 1. */
enum { METADATA_FRAMES = 1 << 13 };

/* All memory for metadata is accessible from the start: system calls of the simulation would be
 * measured with the allocator. */
static void memory_expose(void *context, pfn_t pfn, uint64_t frames, bool zeroed)
{
    struct bench_memory *memory = context;
    if (zeroed) {
        memset(memory->port.direct_map + (pfn << FRAME_SHIFT), 0, frames << FRAME_SHIFT);
    }
}

static void memory_conceal(void *context, pfn_t pfn, uint64_t frames)
{
    (void)context;
    (void)pfn;
    (void)frames;
}

static bool memory_accept(void *context, pfn_t pfn, uint64_t frames)
{
    (void)context;
    (void)pfn;
    (void)frames;
    return true;
}

/* Splits a block of zone 0 and keeps its parts, so that a slab of descriptors stays: only the cut
 * itself is counted and timed, not the making of slabs. */
static void keep_descriptors(struct bench_memory *memory)
{
    if ((memory->subject->capabilities & SUBJECT_SPLIT) == 0) {
        return;
    }
    struct subject_request request = {.order = 3, .zone = 0};
    struct subject_block block;
    struct subject_block parts[4];
    if (memory->subject->alloc(memory->instance, &request, &block) != STATUS_OK ||
        memory->subject->split(memory->instance, &block, 0, parts) != STATUS_OK) {
        abort();
    }
}

void bench_memory_open(struct bench_memory *memory, const struct subject *subject)
{
    const struct boot_map map = {
        .zones_count = 2,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = METADATA_FRAMES, .zone = 0},
                   {.start = (pfn_t)1 << BENCH_TOP_ORDER,
                    .frames = (uint64_t)1 << BENCH_TOP_ORDER,
                    .zone = 1}},
    };
    *memory = (struct bench_memory){.subject = subject};
    memory->instance = aligned_alloc(64, (subject->instance_bytes + 63) / 64 * 64);
    if (memory->instance == NULL || !simmem_open(&memory->mem, &map)) {
        abort();
    }
    memset(memory->instance, 0, subject->instance_bytes);
    simmem_expose(&memory->mem, 0, METADATA_FRAMES, true);
    memory->port = (struct port){
        .context = memory,
        .direct_map = simmem_direct_map(&memory->mem),
        .expose = memory_expose,
        .conceal = memory_conceal,
        .accept = memory_accept,
    };
    if (subject->open(memory->instance, &memory->port, &map) != STATUS_OK) {
        abort();
    }
    keep_descriptors(memory);
}

void bench_memory_close(struct bench_memory *memory)
{
    memory->subject->close(memory->instance);
    free(memory->instance);
    simmem_close(&memory->mem);
}
