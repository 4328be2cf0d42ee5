/* SPDX-License-Identifier: MIT
 *
 * stage_port.c: what the subject asks of its surroundings in an explored execution.
 */
#include "stress/explore/stage_internal.h"

#include <inttypes.h>

static bool may_hold_metadata(const struct stage *stage, pfn_t pfn)
{
    const struct boot_map *map = &stage->program->map;
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        if (pfn >= range->start && pfn < range->start + range->frames) {
            return zone_holds_metadata(&map->zones[range->zone]) && !range->cma &&
                   stage->state.accepted[pfn - stage->memory.start] != 0;
        }
    }
    return false;
}

static void port_expose(void *context, pfn_t pfn, uint64_t frames, bool zeroed)
{
    struct stage *stage = context;
    stage_own(stage, pfn, frames, OWNER_FREE, OWNER_METADATA, "overlap");
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        if (!may_hold_metadata(stage, at)) {
            stage_fail(stage, "metadata-home",
                       "frame %#" PRIx64 " is made metadata, and not fit for it", at);
        }
    }
    arena_expose(&stage->memory, pfn, frames, zeroed);
}

static void port_conceal(void *context, pfn_t pfn, uint64_t frames)
{
    struct stage *stage = context;
    arena_conceal(&stage->memory, pfn, frames);
    stage_own(stage, pfn, frames, OWNER_METADATA, OWNER_FREE, "ownership");
}

static bool port_accept(void *context, pfn_t pfn, uint64_t frames)
{
    struct stage *stage = context;
    stage->state.accepted_any = true;
    for (uint64_t i = pfn - stage->memory.start; i < pfn - stage->memory.start + frames; i++) {
        if (stage->state.accepted[i] != 0) {
            stage_fail(stage, "accept", "frame %#" PRIx64 " is accepted twice",
                       stage->memory.start + i);
        }
        stage->state.accepted[i] = 1;
    }
    return true;
}

static bool port_fault(void *context, enum fault_site site)
{
    struct stage *stage = context;
    return fault_step(&stage->faults[stage_thread(stage)], site);
}

void stage_cpu_turn(struct stage *stage, uint32_t cpu)
{
    (void)atomic_word_add(&stage->cpu_turns[cpu], 1);
}

/* A thread has a CPU of its own, as far as there are so many, and is on none while another one is
 * on it, or it is offline. */
static uint32_t port_cpu_enter(void *context)
{
    struct stage *stage = context;
    uint32_t cpus = stage->program->cpus;
    unsigned thread = stage_thread(stage) % EXPLORE_THREADS;
    unsigned other = stage->options.any_cpu && explorer_active != NULL && cpus > 1
                         ? explorer_pick(stage->explorer, cpus)
                         : 0;
    uint32_t cpu = (thread + other) % cpus;
    uint32_t bit = 1U << cpu;
    stage_cpu_turn(stage, cpu);
    if ((stage->state.cpus_online & bit) == 0 || (stage->cpu_taken & bit) != 0) {
        return CPUS_MAX;
    }
    stage->cpu_taken |= bit;
    explorer_acquire(&stage->cpu_points[cpu]);
    return cpu;
}

static void port_cpu_leave(void *context, uint32_t cpu)
{
    struct stage *stage = context;
    explorer_release(&stage->cpu_points[cpu]);
    stage_cpu_turn(stage, cpu);
    stage->cpu_taken &= ~(1U << cpu);
}

static void port_cpu_barrier(void *context)
{
    struct stage *stage = context;
    if (explorer_active != NULL) {
        explorer_barrier(stage->explorer);
    }
}

void stage_port_init(struct stage *stage)
{
    bool cpus =
        stage->program->cpus > 0 && (stage->options.subject->capabilities & SUBJECT_CPUS) != 0;
    stage->port = (struct port){
        .context = stage,
        .direct_map = arena_direct_map(&stage->memory),
        .expose = port_expose,
        .conceal = port_conceal,
        .accept = port_accept,
        .fault = port_fault,
        .cpu_enter = cpus ? port_cpu_enter : NULL,
        .cpu_leave = cpus ? port_cpu_leave : NULL,
        .cpu_barrier = cpus ? port_cpu_barrier : NULL,
    };
}
