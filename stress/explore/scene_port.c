/* SPDX-License-Identifier: MIT
 *
 * scene_port.c: what the subject asks of its surroundings in an explored execution.
 */
#include "stress/explore/fiber.h"
#include "stress/explore/scene_internal.h"

#include <inttypes.h>

static bool may_hold_metadata(const struct scene *scene, pfn_t pfn)
{
    const struct boot_map *map = &scene->program->map;
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        if (pfn >= range->start && pfn < range->start + range->frames) {
            return zone_holds_metadata(&map->zones[range->zone]) && !range->cma &&
                   scene->state.accepted[pfn - scene->memory.start] != 0;
        }
    }
    return false;
}

static void port_expose(void *context, pfn_t pfn, uint64_t frames, bool zeroed)
{
    struct scene *scene = context;
    scene_own(scene, pfn, frames, OWNER_FREE, OWNER_METADATA, "overlap");
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        if (!may_hold_metadata(scene, at)) {
            scene_fail(scene, "metadata-home",
                       "frame %#" PRIx64 " is made metadata, and not fit for it", at);
        }
    }
    arena_expose(&scene->memory, pfn, frames, zeroed);
}

static void port_conceal(void *context, pfn_t pfn, uint64_t frames)
{
    struct scene *scene = context;
    arena_conceal(&scene->memory, pfn, frames);
    scene_own(scene, pfn, frames, OWNER_METADATA, OWNER_FREE, "ownership");
}

static bool port_accept(void *context, pfn_t pfn, uint64_t frames)
{
    struct scene *scene = context;
    for (uint64_t i = pfn - scene->memory.start; i < pfn - scene->memory.start + frames; i++) {
        if (scene->state.accepted[i] != 0) {
            scene_fail(scene, "accept", "frame %#" PRIx64 " is accepted twice",
                       scene->memory.start + i);
        }
        scene->state.accepted[i] = 1;
    }
    return true;
}

static bool port_fault(void *context, enum fault_site site)
{
    struct scene *scene = context;
    struct scene_fault *fault = &scene->faults[scene_thread(scene)];
    const struct case_op *op = fault->op;
    if (op == NULL || op->nth == 0 || op->site != site) {
        return false;
    }
    fault->asked++;
    return op->mode == FAULT_PERSISTENT ? fault->asked >= op->nth : fault->asked == op->nth;
}

/* A thread has a CPU of its own, as far as there are so many, and is on none while another one is
 * on it, or it is offline. */
static uint32_t port_cpu_enter(void *context)
{
    struct scene *scene = context;
    uint32_t cpus = scene->program->cpus;
    unsigned thread = scene_thread(scene) % EXPLORE_THREADS;
    unsigned other = scene->options.any_cpu && explorer_active != NULL && cpus > 1
                         ? explorer_pick(scene->explorer, cpus)
                         : 0;
    uint32_t cpu = (thread + other) % cpus;
    uint32_t bit = 1U << cpu;
    if ((scene->state.cpus_online & bit) == 0 || (scene->cpu_taken & bit) != 0) {
        return CPUS_MAX;
    }
    scene->cpu_taken |= bit;
    fiber_acquire(&scene->cpu_points[cpu]);
    return cpu;
}

static void port_cpu_leave(void *context, uint32_t cpu)
{
    struct scene *scene = context;
    fiber_release(&scene->cpu_points[cpu]);
    scene->cpu_taken &= ~(1U << cpu);
}

/* Between two steps of a fiber, no other one runs: nothing is left to do, but in weak memory. */
static void port_cpu_barrier(void *context)
{
    struct scene *scene = context;
    if (explorer_active != NULL) {
        explorer_barrier(scene->explorer);
    }
}

void scene_port_init(struct scene *scene)
{
    bool cpus =
        scene->program->cpus > 0 && (scene->options.subject->capabilities & SUBJECT_CPUS) != 0;
    scene->port = (struct port){
        .context = scene,
        .direct_map = arena_direct_map(&scene->memory),
        .expose = port_expose,
        .conceal = port_conceal,
        .accept = port_accept,
        .fault = port_fault,
        .cpu_enter = cpus ? port_cpu_enter : NULL,
        .cpu_leave = cpus ? port_cpu_leave : NULL,
        .cpu_barrier = cpus ? port_cpu_barrier : NULL,
    };
}
