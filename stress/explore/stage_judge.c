/* SPDX-License-Identifier: MIT
 *
 * stage_judge.c: the history of an execution, which begins at the boot, and what its judges say.
 */
#include "stress/explore/stage_internal.h"

#include <string.h>

enum {
    CALLS_MAX = 512,
    LINEAR_BITS = 14,
    SLACK = 24 /* ranges that metadata may be in, or that are on their way */
};

/* Whether a request may fail for reasons that the rules do not know. */
static bool fails_for_other_reasons(const struct program *program)
{
    for (uint32_t i = 0; i < program->map.zones_count; i++) {
        const struct zone_config *zone = &program->map.zones[i];
        if (zone->watermark_min != 0 || zone->later) {
            return true;
        }
    }
    for (uint32_t i = 0; i < program->map.ranges_count; i++) {
        if (program->map.ranges[i].cma || program->map.ranges[i].unaccepted) {
            return true;
        }
    }
    for (uint32_t i = 0; i < program->ops_count; i++) {
        if (program->ops[i].nth != 0) {
            return true;
        }
    }
    return false;
}

/* Zones of memory that not all of the kernel reaches, or that is for movable blocks only, as bits.
 */
static uint32_t homeless_of(const struct boot_map *map)
{
    uint32_t zones = 0;
    for (uint32_t zone = 0; zone < map->zones_count; zone++) {
        enum zone_class class = map->zones[zone].zone_class;
        zones |= class == ZONE_HIGHMEM || class == ZONE_MOVABLE ? 1U << zone : 0;
    }
    return zones;
}

bool stage_judge_open(struct stage *stage)
{
    const struct boot_map *map = &stage->program->map;
    uint32_t count = 0;
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        if (!map->zones[range->zone].later) {
            stage->spans[count++] = (struct call_span){range->start, range->frames, range->zone};
        }
    }
    stage->rules = (struct call_rules){
        .spans = stage->spans,
        .spans_count = count,
        .slack = fails_for_other_reasons(stage->program)
                     ? UINT64_MAX / 2
                     : SLACK + stage->options.subject->slack_frames,
        .homeless = homeless_of(map),
        .keeps = true, /* what is on its way to or from a free list is as what CPUs keep */
        .metadata = true,
    };
    return calls_open(&stage->calls, CALLS_MAX) && calls_open(&stage->calls_kept, CALLS_MAX) &&
           frames_judge_open(&stage->frames_judge, stage->memory.start, stage->memory.frames,
                             CALLS_MAX) &&
           linear_open(&stage->linear, LINEAR_BITS);
}

void stage_judge_close(struct stage *stage)
{
    calls_close(&stage->calls);
    calls_close(&stage->calls_kept);
    frames_judge_close(&stage->frames_judge);
    linear_close(&stage->linear);
}

static void calls_copy(struct calls *to, const struct calls *from)
{
    memcpy(to->calls, from->calls, from->count * sizeof(*from->calls));
    memcpy(to->moments, from->moments, from->moment * sizeof(*from->moments));
    to->count = from->count;
    to->moment = from->moment;
    to->lost = from->lost;
}

void stage_judge_keep(struct stage *stage)
{
    calls_copy(&stage->calls_kept, &stage->calls);
}

void stage_judge_restore(struct stage *stage)
{
    calls_copy(&stage->calls, &stage->calls_kept);
    memset(stage->call, 0, sizeof(stage->call));
}

static uint64_t step_now(const struct stage *stage)
{
    return explorer_active != NULL ? stage->explorer->steps : 0;
}

/* Its judges take it that who calls knows of all calls that have returned. */
struct call *stage_call(struct stage *stage, enum call_kind kind, pfn_t pfn)
{
    explorer_ask_time();
    struct call *call = calls_begin(&stage->calls, kind, stage_thread(stage), step_now(stage));
    call->pfn = pfn;
    return call;
}

void stage_called(struct stage *stage, struct call *call)
{
    explorer_tell_time();
    calls_end(&stage->calls, call, step_now(stage));
}

uint32_t stage_zones(const struct stage *stage, zone_id_t zone, enum zone_class below,
                     enum migratetype type)
{
    const struct boot_map *map = &stage->program->map;
    uint32_t zones = 0;
    for (uint32_t i = 0; i < map->zones_count; i++) {
        enum zone_class class = map->zones[i].zone_class;
        bool serves = (zone == ZONE_ANY || zone == i) &&
                      (class != ZONE_MOVABLE || type == MIGRATE_MOVABLE) &&
                      (below == ZONE_DMA || class < below);
        zones |= serves ? 1U << i : 0;
    }
    return zones;
}

/* Says what no order of the calls can explain. */
static void say_stuck(struct stage *stage)
{
    const struct linear *linear = &stage->linear;
    char text[CALL_TEXT_MAX];
    uint32_t number = linear->stuck_count > 0 ? linear->stuck[0] : 0;
    stage_fail(stage, "linearizability",
               "no order of the calls explains all answers; behind %u of them, none of %u can be "
               "next, among them %s",
               linear->prefix_count, linear->stuck_count,
               call_describe(&stage->calls.calls[number], text));
}

static void judge(struct stage *stage)
{
    enum finding finding = judge_frames(&stage->frames_judge, &stage->calls, &stage->rules);
    if (finding != FINDINGS) {
        char text[CALL_TEXT_MAX];
        stage_fail(stage, finding_name(finding), "%s",
                   call_describe(&stage->calls.calls[stage->frames_judge.call], text));
        return;
    }
    enum linear_answer answer = judge_linear(&stage->linear, &stage->calls, &stage->rules);
    stage->undecided = answer == LINEAR_UNDECIDED;
    if (answer == LINEAR_NO) {
        say_stuck(stage);
    }
}

void stage_judge(struct stage *stage)
{
    const struct stage_listener *listener = stage->options.listener;
    judge(stage);
    if (listener != NULL && stage_failed(stage)) {
        listener->judged(listener->context, stage);
    }
}
