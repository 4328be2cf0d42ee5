/* SPDX-License-Identifier: MIT */
#include "stress/world.h"

#include "stress/worker.h"

#include <stdlib.h>
#include <string.h>

/* From many small objects a slab to few that need slabs of several frames. */
const struct cache_shape cache_shapes[WORLD_CACHES] = {
    {24, 8}, {64, 64}, {200, 32}, {1000, 8}, {6000, 16},
};

enum { INSTANCE_ALIGN = 64 };

struct map_part {
    uint64_t gap;
    uint64_t sixteenths; /* of all frames; 0: what is left */
    zone_id_t zone;
    bool unaccepted;
    bool cma;
};

/* Edges are at odd frames:
 *
 *   | zone 0: accepted | hole | accepted | unaccepted | zone 1: accepted | hole | unaccepted |
 *
 * Only zone 0 may hold metadata. Ranges of one zone, and the zones, touch each other: merges must
 * stop at both borders. With 16,384 frames the second hole has frame 0x3000, from where a search
 * for a block's first frame goes straight to zone 0. */
static const struct map_part parts_usual[] = {{259, 5, 0, false, false},
                                              {101, 4, 0, false, false},
                                              {0, 1, 0, true, false},
                                              {0, 1, 1, false, false},
                                              {701, 0, 1, true, false}};

/* CMA ranges lie between others, and two of them touch each other:
 *
 *   | zone 0: accepted | hole | CMA | accepted | unaccepted | zone 1: CMA | CMA | accepted | hole |
 *   | unaccepted | */
static const struct map_part parts_lent[] = {{259, 4, 0, false, false}, {101, 2, 0, false, true},
                                             {0, 2, 0, false, false},   {0, 1, 0, true, false},
                                             {0, 1, 1, false, true},    {0, 2, 1, false, true},
                                             {0, 2, 1, false, false},   {701, 0, 1, true, false}};

/* Two plots lie behind the zones that stay, the first of which they touch; the second one has a
 * hole:
 *
 *   | zone 0: accepted | hole | accepted | unaccepted | zone 1: accepted | hole | unaccepted |
 *   | plot 0: accepted | unaccepted | plot 1: accepted | hole | accepted | */
static const struct map_part parts_later[] = {
    {259, 5, 0, false, false}, {101, 3, 0, false, false}, {0, 1, 0, true, false},
    {0, 1, 1, false, false},   {701, 2, 1, true, false},  {0, 1, 2, false, false},
    {0, 1, 2, true, false},    {0, 1, 3, false, false},   {7, 0, 3, false, false}};

static const struct {
    const struct map_part *parts;
    uint32_t count;
    uint32_t zones;
} shapes[] = {
    {parts_usual, sizeof(parts_usual) / sizeof(parts_usual[0]), WORLD_ZONES},
    {parts_lent, sizeof(parts_lent) / sizeof(parts_lent[0]), WORLD_ZONES},
    {parts_later, sizeof(parts_later) / sizeof(parts_later[0]), WORLD_ZONES + WORLD_PLOTS},
};

/* Makes the map, of @frames frames in all, out of shapes[@shape]. */
static void map_make(struct boot_map *map, uint64_t frames, bool unaccepted, unsigned shape)
{
    const struct map_part *parts = shapes[shape].parts;
    *map = (struct boot_map){
        .zones_count = shapes[shape].zones,
        .ranges_count = shapes[shape].count,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
    };
    for (uint32_t zone = WORLD_ZONES; zone < map->zones_count; zone++) {
        map->zones[zone] = (struct zone_config){.zone_class = ZONE_HIGHMEM, .later = true};
    }
    pfn_t pfn = 0;
    uint64_t left = frames;
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        uint64_t share = parts[i].sixteenths == 0 ? left : frames * parts[i].sixteenths / 16 | 1;
        map->ranges[i] = (struct range){
            .start = pfn + parts[i].gap,
            .frames = share,
            .zone = parts[i].zone,
            .unaccepted = parts[i].unaccepted && unaccepted,
            .cma = parts[i].cma,
        };
        pfn = map->ranges[i].start + share;
        left -= share;
    }
}

const struct range *world_range_of(const struct world *world, pfn_t pfn)
{
    for (uint32_t i = 0; i < world->map.ranges_count; i++) {
        const struct range *range = &world->map.ranges[i];
        if (pfn - range->start < range->frames) {
            return range;
        }
    }
    return NULL;
}

/* Whether metadata may be in @frames frames from @pfn. */
static bool may_hold_metadata(const struct world *world, pfn_t pfn, uint64_t frames)
{
    const struct range *range = world_range_of(world, pfn);
    return range != NULL && !range->cma && zone_holds_metadata(&world->map.zones[range->zone]) &&
           shadow_is_accepted(&world->shadow, pfn, frames);
}

static void world_expose(void *context, pfn_t pfn, uint64_t frames, bool zeroed)
{
    struct world *world = context;
    struct shadow_conflict conflict;
    char text[COOKIE_TEXT_MAX];
    if (!shadow_claim(&world->shadow, pfn, frames, COOKIE_SUBJECT, &conflict)) {
        worker_report(worker_current, FINDING_OVERLAP,
                      "the subject makes frame %#" PRIx64 " metadata, which is of %s", conflict.pfn,
                      cookie_describe(conflict.cookie, text));
    }
    if (!may_hold_metadata(world, pfn, frames)) {
        worker_report(worker_current, FINDING_METADATA_HOME,
                      "the subject makes %" PRIu64 " frames from %#" PRIx64
                      " metadata, in a zone that is not for it or not accepted",
                      frames, pfn);
    }
    worker_check_sound(worker_current, pfn, frames);
    simmem_expose(&world->memory, pfn, frames, zeroed);
}

static void world_conceal(void *context, pfn_t pfn, uint64_t frames)
{
    struct world *world = context;
    struct shadow_conflict conflict;
    char text[COOKIE_TEXT_MAX];
    simmem_conceal(&world->memory, pfn, frames);
    if (!shadow_release(&world->shadow, pfn, frames, COOKIE_SUBJECT, &conflict)) {
        worker_report(worker_current, FINDING_OWNERSHIP,
                      "the subject gives metadata frame %#" PRIx64 " back, which is of %s",
                      conflict.pfn, cookie_describe(conflict.cookie, text));
    }
}

static bool world_accept(void *context, pfn_t pfn, uint64_t frames)
{
    struct world *world = context;
    if (!shadow_accept(&world->shadow, pfn, frames)) {
        worker_report(worker_current, FINDING_ACCEPT,
                      "%" PRIu64 " frames from %#" PRIx64 " are accepted twice, in part at least",
                      frames, pfn);
    }
    worker_count(worker_current, PATH_ACCEPT);
    return true;
}

static bool world_fault(void *context, enum fault_site site)
{
    (void)context;
    return worker_fault(worker_current, site);
}

static void world_window(void *context, enum window window)
{
    (void)context;
    worker_window(worker_current, window);
}

/* A thread may lose the processor where the subject thinks that it is on its CPU. */
static uint32_t world_cpu_enter(void *context)
{
    struct world *world = context;
    uint32_t cpu = cpus_enter(&world->cpus, worker_current->index, worker_current->cpu);
    worker_pause_seldom(worker_current);
    return cpu;
}

static void world_cpu_leave(void *context, uint32_t cpu)
{
    struct world *world = context;
    cpus_leave(&world->cpus, cpu);
}

static void world_cpu_barrier(void *context)
{
    (void)context;
    cpus_barrier();
    worker_count(worker_current, PATH_CPU_BARRIER);
    worker_pause(worker_current);
}

static void plots_make(struct world *world)
{
    for (uint32_t i = 0; i < world->map.ranges_count; i++) {
        const struct range *range = &world->map.ranges[i];
        if (range->zone >= WORLD_ZONES) {
            struct plot *plot = &world->plots[range->zone - WORLD_ZONES];
            plot->ranges[plot->count++] = *range;
        }
    }
    world->plots_count = world->map.zones_count - WORLD_ZONES;
}

bool world_open(struct world *world, const struct subject *subject, const struct world_plan *plan)
{
    size_t bytes = (subject->instance_bytes + INSTANCE_ALIGN - 1) / INSTANCE_ALIGN * INSTANCE_ALIGN;
    *world = (struct world){.subject = subject, .boots = plan->seed};
    unsigned shape = plan->cma && world_can(world, SUBJECT_ZONES) ? 1 : 0;
    shape = plan->later && world_can(world, SUBJECT_HOTPLUG) ? 2 : shape;
    map_make(&world->map, plan->frames, world_can(world, SUBJECT_UNACCEPTED), shape);
    plots_make(world);
    cpus_open(&world->cpus, world_can(world, SUBJECT_CPUS) ? plan->cpus : 0, plan->threads);
    world->instance = aligned_alloc(INSTANCE_ALIGN, bytes);
    if (world->instance == NULL || !shadow_open(&world->shadow, &world->map) ||
        !simmem_open(&world->memory, &world->map)) {
        world_close(world);
        return false;
    }
    world->port = (struct port){
        .context = world,
        .direct_map = simmem_direct_map(&world->memory),
        .expose = world_expose,
        .conceal = world_conceal,
        .accept = world_accept,
        .fault = world_fault,
        .window = world_window,
        .cpu_enter = world->cpus.count > 0 ? world_cpu_enter : NULL,
        .cpu_leave = cpus_are_shared(&world->cpus) ? world_cpu_leave : NULL,
    };
    return true;
}

void world_close(struct world *world)
{
    simmem_close(&world->memory);
    shadow_close(&world->shadow);
    free(world->instance);
}

uint64_t world_count_frames(const struct world *world, cookie_t cookie)
{
    uint64_t count = 0;
    for (uint64_t frame = 0; frame < world->shadow.frames; frame++) {
        count += shadow_owner(&world->shadow, world->shadow.start + frame) == cookie ? 1 : 0;
    }
    return count;
}

static enum status start_cpus(struct world *world)
{
    enum status status = STATUS_OK;
    for (uint32_t cpu = 0; cpu < world->cpus.count && status == STATUS_OK; cpu++) {
        status = world->subject->cpu_online(world->instance, cpu);
        relaxed_store(&world->cpus.cpus[cpu].online, status == STATUS_OK ? 1 : 0);
    }
    return status;
}

enum status world_boot(struct world *world)
{
    simmem_reset(&world->memory);
    shadow_reset(&world->shadow, &world->map);
    memset(world->instance, 0, world->subject->instance_bytes);
    for (unsigned i = 0; i < world->plots_count; i++) {
        relaxed_store(&world->plots[i].changes, PLOT_ABSENT);
        relaxed_store(&world->plots[i].leaving, 0);
    }
    bool barrier = world->cpus.barrier && world->boots++ % 2 == 0;
    world->port.cpu_barrier = barrier ? world_cpu_barrier : NULL;
    enum status status = world->subject->open(world->instance, &world->port, &world->map);
    if (status != STATUS_OK) {
        return status;
    }
    world->boot_frames = world_count_frames(world, COOKIE_SUBJECT);
    for (unsigned i = 0; i < WORLD_CACHES && world_can(world, SUBJECT_CACHE); i++) {
        status = world->subject->cache_create(world->instance, cache_shapes[i].size,
                                              cache_shapes[i].align, &world->caches[i]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return start_cpus(world);
}

void world_stop_cpus(struct world *world)
{
    for (uint32_t cpu = 0; cpu < world->cpus.count; cpu++) {
        relaxed_word_t *online = &world->cpus.cpus[cpu].online;
        enum status due = relaxed_swap(online, 0) != 0 ? STATUS_OK : STATUS_INVALID;
        enum status status = world->subject->cpu_offline(world->instance, cpu);
        if (status != due) {
            worker_report(worker_current, FINDING_STATUS, "cpu-offline answers %d", (int)status);
        }
    }
}

void world_destroy_caches(struct world *world)
{
    for (unsigned i = 0; i < WORLD_CACHES && world_can(world, SUBJECT_CACHE); i++) {
        enum status status = world->subject->cache_destroy(world->instance, world->caches[i]);
        if (status != STATUS_OK) {
            worker_report(worker_current, FINDING_STATUS,
                          "cache-destroy of an empty cache answers %d", (int)status);
        }
    }
}

void world_shut(struct world *world)
{
    struct subject_stats stats = {0};
    if (world_can(world, SUBJECT_COUNTERS)) {
        world->subject->stats(world->instance, &stats);
    }
    for (unsigned event = 0; event < CORE_EVENTS; event++) {
        world->events[event] += stats.events[event];
    }
    if (stats.chain_depth_seen > world->chain_depth) {
        world->chain_depth = stats.chain_depth_seen;
    }
    world->subject->close(world->instance);
}
