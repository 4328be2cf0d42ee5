/* SPDX-License-Identifier: MIT */
#include "stress/explore/arena.h"

#include "stress/explore/asan_memory.h"

#include <stdlib.h>
#include <string.h>

void arena_copy(void *to, const void *from, size_t bytes)
{
#if defined(__x86_64__)
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
#else
    volatile uint64_t *words = to;
    const uint64_t *source = from;
    for (size_t i = 0; i < bytes / sizeof(*source); i++) {
        words[i] = source[i];
    }
    for (size_t i = bytes / sizeof(*source) * sizeof(*source); i < bytes; i++) {
        ((volatile unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    }
#endif
}

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
        if (zeroed) {
            memset(frame_at(arena, i), 0, FRAME_SIZE);
        }
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
            memcpy(arena->contents + i * FRAME_SIZE, frame_at(arena, i), FRAME_SIZE);
        }
    }
}

void arena_restore(struct arena *arena)
{
    for (uint64_t i = 0; i < arena->frames; i++) {
        if (arena->exposed[i] != arena->kept[i]) {
            if (arena->kept[i] != 0) {
                expose(arena, i);
            } else {
                conceal(arena, i);
            }
        }
        if (arena->kept[i] != 0) {
            arena_copy(frame_at(arena, i), arena->contents + i * FRAME_SIZE, FRAME_SIZE);
        }
    }
}
