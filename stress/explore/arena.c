/* SPDX-License-Identifier: MIT */
#include "stress/explore/arena.h"

#include "fuzzers/simmem.h"
#include "stress/explore/asan_memory.h"

#include <stdlib.h>
#include <string.h>

static unsigned char *frame_at(const struct arena *arena, uint64_t index)
{
    return arena->memory + index * FRAME_SIZE;
}

bool arena_open(struct arena *arena, const struct boot_map *map)
{
    const struct range *last = &map->ranges[map->ranges_count - 1];
    pfn_t start = map->ranges[0].start;
    uint64_t frames = last->start + last->frames - start;
    *arena = (struct arena){.start = start, .frames = frames};
    if (frames > ARENA_FRAMES_MAX) {
        return false;
    }
    arena->memory = aligned_alloc(FRAME_SIZE, frames * FRAME_SIZE);
    arena->contents = aligned_alloc(FRAME_SIZE, frames * FRAME_SIZE);
    arena->exposed = calloc(frames, 1);
    arena->kept = calloc(frames, 1);
    if (arena->memory == NULL || arena->contents == NULL || arena->exposed == NULL ||
        arena->kept == NULL) {
        arena_close(arena);
        return false;
    }
    asan_poison(arena->memory, frames * FRAME_SIZE);
    return true;
}

void arena_close(struct arena *arena)
{
    if (arena->memory != NULL) {
        asan_unpoison(arena->memory, arena->frames * FRAME_SIZE);
    }
    free(arena->memory);
    free(arena->contents);
    free(arena->exposed);
    free(arena->kept);
    *arena = (struct arena){.memory = NULL};
}

unsigned char *arena_direct_map(const struct arena *arena)
{
    return arena->memory - arena->start * FRAME_SIZE;
}

static void expose(struct arena *arena, uint64_t index)
{
    arena->exposed[index] = 1;
    asan_unpoison(frame_at(arena, index), FRAME_SIZE);
}

static void conceal(struct arena *arena, uint64_t index)
{
    arena->exposed[index] = 0;
    asan_poison(frame_at(arena, index), FRAME_SIZE);
}

void arena_expose(struct arena *arena, pfn_t pfn, uint64_t frames, bool zeroed)
{
    for (uint64_t i = pfn - arena->start; i < pfn - arena->start + frames; i++) {
        expose(arena, i);
        memset(frame_at(arena, i), zeroed ? 0 : SIMMEM_STALE_BYTE, FRAME_SIZE);
    }
}

void arena_conceal(struct arena *arena, pfn_t pfn, uint64_t frames)
{
    for (uint64_t i = pfn - arena->start; i < pfn - arena->start + frames; i++) {
        conceal(arena, i);
    }
}

void arena_reset(struct arena *arena)
{
    for (uint64_t i = 0; i < arena->frames; i++) {
        if (arena->exposed[i] != 0) {
            conceal(arena, i);
        }
    }
}

void arena_keep(struct arena *arena)
{
    memcpy(arena->kept, arena->exposed, arena->frames);
    for (uint64_t i = 0; i < arena->frames; i++) {
        if (arena->exposed[i] != 0) {
            image_copy(arena->contents + i * FRAME_SIZE, frame_at(arena, i), FRAME_SIZE);
        }
    }
}

void arena_restore(struct arena *arena, bool exposure_only)
{
    for (uint64_t i = 0; i < arena->frames; i++) {
        bool other = arena->exposed[i] != arena->kept[i];
        if (other && arena->kept[i] != 0) {
            expose(arena, i);
        } else if (other) {
            conceal(arena, i);
        }
        if (arena->kept[i] != 0 && (other || !exposure_only)) {
            image_restore(frame_at(arena, i), arena->contents + i * FRAME_SIZE, FRAME_SIZE);
        }
    }
}

uint64_t arena_hash(const struct arena *arena, uint64_t hash, struct image_lines *lines)
{
    static const unsigned char nothing[FRAME_SIZE];
    for (uint64_t i = 0; i < arena->frames; i++) {
        bool was = arena->kept[i] != 0;
        if (arena->exposed[i] != arena->kept[i]) {
            hash = hash_mix(hash + (i << 1 | arena->exposed[i]));
        }
        if (arena->exposed[i] != 0) {
            const unsigned char *kept = was ? arena->contents + i * FRAME_SIZE : nothing;
            hash = image_hash(hash, frame_at(arena, i), kept, FRAME_SIZE, was ? lines : NULL);
        }
    }
    return hash;
}
