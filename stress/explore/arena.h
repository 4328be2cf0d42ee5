/* SPDX-License-Identifier: MIT
 *
 * arena.h: a small simulated memory that can be put back to how it was, in place: what an explored
 * execution works on, thousands of times a second. Unlike fuzzers/simmem.h it costs no system
 * calls, so only AddressSanitizer sees a touch of a frame that is not exposed.
 */
#ifndef POTAD_STRESS_EXPLORE_ARENA_H
#define POTAD_STRESS_EXPLORE_ARENA_H

#include "core/boot_map.h"
#include "stress/explore/image.h"

enum { ARENA_FRAMES_MAX = 1024 };

struct arena {
    pfn_t start;
    uint64_t frames;
    unsigned char *memory;   /* of frame start */
    unsigned char *exposed;  /* a byte a frame: whether it is */
    unsigned char *kept;     /* the same at arena_keep() */
    unsigned char *contents; /* of the frames that were exposed then */
};

/* Makes memory for the frames of @map, from its first to its last. Return: whether there was any.
 */
bool arena_open(struct arena *arena, const struct boot_map *map)
    __attribute__((warn_unused_result));
void arena_close(struct arena *arena);

/* The address that frame 0 has, or would have. */
unsigned char *arena_direct_map(const struct arena *arena);

/* As those of struct port. */
void arena_expose(struct arena *arena, pfn_t pfn, uint64_t frames, bool zeroed);
void arena_conceal(struct arena *arena, pfn_t pfn, uint64_t frames);

/* Conceals all. */
void arena_reset(struct arena *arena);

/* Remembers all that is exposed; and makes it so again. @exposure_only: frames that are exposed now
 * as then are as they were, or the caller makes them so. */
void arena_keep(struct arena *arena);
void arena_restore(struct arena *arena, bool exposure_only);

/* Return: @hash, and what is exposed now, and different; which lines differ of frames that are
 * exposed now as then is added to @lines. Context: after arena_keep(). */
uint64_t arena_hash(const struct arena *arena, uint64_t hash, struct image_lines *lines);

#endif
