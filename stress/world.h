/* SPDX-License-Identifier: MIT
 *
 * world.h: one subject with its surroundings: a memory map, simulated memory, a port that keeps
 * the shadow table, and caches that all threads share.
 */
#ifndef POTAD_STRESS_WORLD_H
#define POTAD_STRESS_WORLD_H

#include "fuzzers/simmem.h"
#include "fuzzers/subject.h"
#include "stress/shadow.h"

enum { WORLD_CACHES = 5, WORLD_FRAMES_MIN = 512, WORLD_FRAMES_MAX = 1 << 22 };

/* Objects of a cache that all threads share. */
struct cache_shape {
    uint64_t size;
    uint64_t align;
};

extern const struct cache_shape cache_shapes[WORLD_CACHES];

struct world {
    const struct subject *subject;
    struct boot_map map;
    struct simmem memory;
    struct port port;
    struct shadow shadow;
    void *instance;
    void *caches[WORLD_CACHES];
    uint64_t boot_frames; /* that the subject keeps for itself from boot on */
    uint64_t chain_depth; /* of its nested calls, the deepest of all boots that were shut */
};

/* Makes surroundings of @frames frames (WORLD_FRAMES_MIN to _MAX) for @subject; nothing is booted.
 * @cma: some ranges are CMA's, if the subject knows such. Return: whether there was memory for it;
 * if not, nothing is left to close. */
bool world_open(struct world *world, const struct subject *subject, uint64_t frames, bool cma)
    __attribute__((warn_unused_result));
void world_close(struct world *world);

/* Boots the subject, on memory that is as if never used but for old content, and creates the
 * caches. Context of this and all below: a thread with a worker, and no other in the subject.
 * Return: what the subject answered. */
enum status world_boot(struct world *world) __attribute__((warn_unused_result));

/* Destroys the caches, whose objects are all freed. */
void world_destroy_caches(struct world *world);

/* Ends what world_boot() began, and notes how deep the calls were. */
void world_shut(struct world *world);

/* Return: how many frames @cookie owns. */
uint64_t world_count_frames(const struct world *world, cookie_t cookie);

/* The range of the map that @pfn is in, or NULL. Context: any. */
const struct range *world_range_of(const struct world *world, pfn_t pfn);

static inline bool world_can(const struct world *world, uint32_t capabilities)
{
    return (world->subject->capabilities & capabilities) == capabilities;
}

#endif
