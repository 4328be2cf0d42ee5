/* SPDX-License-Identifier: MIT
 *
 * scene_world.c: what most workloads work on: a subject in its world, booted for each round.
 */
#include "stress/plot.h"
#include "stress/quiescent.h"
#include "stress/run.h"

static bool scene_open(struct worker *coordinator, const struct plan *plan)
{
    struct world *world = coordinator->world;
    struct world_plan wanted = {
        .frames = plan->frames,
        .cma = plan->workload->cma,
        .later = plan->workload->later,
        .cpus = plan->cpus,
        .threads = plan->threads,
        .seed = plan->seed,
    };
    if (!world_open(world, plan->subject, &wanted)) {
        return false;
    }
    simmem_watch(&world->memory);
    return true;
}

static void scene_close(struct worker *coordinator)
{
    simmem_watch(NULL);
    world_close(coordinator->world);
}

static enum status scene_begin(struct worker *coordinator)
{
    return world_boot(coordinator->world);
}

static void scene_check(struct worker *coordinator, struct worker *workers, unsigned threads)
{
    int64_t objects_live = 0;
    for (unsigned i = 0; i < threads; i++) {
        objects_live += workers[i].objects_live;
    }
    quiescent_check(coordinator, (uint64_t)objects_live);
}

/* Has all memory taken and given back, and checks that it is whole again. */
static void scene_end(struct worker *coordinator)
{
    world_destroy_caches(coordinator->world);
    world_stop_cpus(coordinator->world);
    plots_end(coordinator);
    quiescent_check_whole(coordinator);
    world_shut(coordinator->world);
}

const struct scene scene_world = {
    .open = scene_open,
    .close = scene_close,
    .begin = scene_begin,
    .check = scene_check,
    .end = scene_end,
};
