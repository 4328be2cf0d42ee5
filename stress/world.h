/* SPDX-License-Identifier: MIT
 *
 * world.h: one subject with its surroundings: a memory map, simulated memory, a port that keeps
 * the shadow table, and caches that all threads share.
 */
#ifndef POTAD_STRESS_WORLD_H
#define POTAD_STRESS_WORLD_H

#include "fuzzers/simmem.h"
#include "fuzzers/subject.h"
#include "stress/cpus.h"
#include "stress/shadow.h"

/* Zones that are always there come first; those that come and go have the numbers behind. */
enum { WORLD_ZONES = 2, WORLD_PLOTS = 2, PLOT_RANGES = 2 };

enum { WORLD_CACHES = 5, WORLD_FRAMES_MIN = 512, WORLD_FRAMES_MAX = 1 << 22 };

/* Objects of a cache that all threads share. */
struct cache_shape {
    uint64_t size;
    uint64_t align;
};

extern const struct cache_shape cache_shapes[WORLD_CACHES];

enum plot_state { PLOT_ABSENT, PLOT_MOVING, PLOT_THERE, PLOT_STATES };

/* Memory that comes and goes: see plot.h. */
struct plot {
    struct range ranges[PLOT_RANGES];
    uint32_t count;
    relaxed_word_t moving;  /* 1: a thread is adding or removing it; it writes the next four */
    relaxed_word_t changes; /* of its state, times PLOT_STATES; plus the state */
    relaxed_word_t zone;    /* while it is there, its number and class */
    relaxed_word_t zone_class;
    relaxed_word_t leaving; /* turns that are left to remove it in; 0: nobody wants to */
};

static inline enum plot_state plot_state(uint64_t changes)
{
    return (enum plot_state)(changes % PLOT_STATES);
}

/* What a world is to be. */
struct world_plan {
    uint64_t frames; /* WORLD_FRAMES_MIN to _MAX */
    bool cma;        /* some ranges are CMA's, if the subject knows such */
    bool later;      /* some memory comes and goes, if the subject can do that; not with @cma */
    uint32_t cpus;   /* if the subject knows such */
    unsigned threads;
    uint64_t seed;
};

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
    struct cpus cpus;
    struct plot plots[WORLD_PLOTS];
    unsigned plots_count;
    relaxed_word_t
        failures;   /* frames that have failed so far, and for good until they are mended */
    uint64_t boots; /* so far, and the seed: every other has no port.cpu_barrier() */
    uint64_t events[CORE_EVENTS]; /* of all boots that were shut */
};

/* Makes surroundings for @subject; nothing is booted. Return: whether there was memory for it; if
 * not, nothing is left to close. */
bool world_open(struct world *world, const struct subject *subject, const struct world_plan *plan)
    __attribute__((warn_unused_result));
void world_close(struct world *world);

/* Boots the subject, on memory that is as if never used but for old content, creates the
 * caches and brings all CPUs online. Context of this and all below: a thread with a worker, and no
 * other in the subject. Return: what the subject answered. */
enum status world_boot(struct world *world) __attribute__((warn_unused_result));

/* Takes all CPUs offline. */
void world_stop_cpus(struct world *world);

/* Destroys the caches, whose objects are all freed. */
void world_destroy_caches(struct world *world);

/* Ends what world_boot() began, and notes how deep the calls were. */
void world_shut(struct world *world);

/* Return: how many frames @cookie owns. */
uint64_t world_count_frames(const struct world *world, cookie_t cookie);

/* The range of the map that @pfn is in, or NULL. Context: any. */
const struct range *world_range_of(const struct world *world, pfn_t pfn);

/* Whether @range of the map is of a plot, and of which. */
static inline bool range_is_later(const struct range *range)
{
    return range->zone >= WORLD_ZONES;
}

static inline const struct plot *world_plot_of(const struct world *world, const struct range *range)
{
    return &world->plots[range->zone - WORLD_ZONES];
}

/* The number of the zone that @range of the map is in, and its class. Context: it is there. */
static inline zone_id_t world_zone_of(const struct world *world, const struct range *range)
{
    return range_is_later(range) ? (zone_id_t)relaxed_load(&world_plot_of(world, range)->zone)
                                 : range->zone;
}

static inline enum zone_class world_class_of(const struct world *world, const struct range *range)
{
    return range_is_later(range)
               ? (enum zone_class)relaxed_load(&world_plot_of(world, range)->zone_class)
               : world->map.zones[range->zone].zone_class;
}

/* The state of what @range of the map is of, as plot->changes. */
static inline uint64_t world_changes_of(const struct world *world, const struct range *range)
{
    return range_is_later(range) ? relaxed_load_in_place(&world_plot_of(world, range)->changes)
                                 : (uint64_t)PLOT_THERE;
}

/* Whether zone number @zone need not be there. */
static inline bool world_zone_is_later(const struct world *world, zone_id_t zone)
{
    return zone < world->map.zones_count && world->map.zones[zone].later;
}

static inline bool world_can(const struct world *world, uint32_t capabilities)
{
    return (world->subject->capabilities & capabilities) == capabilities;
}

#endif
