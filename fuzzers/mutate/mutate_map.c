/* SPDX-License-Identifier: MIT
 *
 * mutate_map.c: the memory that a program runs in, and its CPUs.
 */
#include "fuzzers/mutate/mutation.h"

#include <string.h>

enum { GROWTH_ORDER_MAX = 9, WATERMARK_MAX = 6, NODES = 2, PAGEBLOCK_MAX = 7 };

/* Moves all ranges from @index on; upward by @frames, or down to what is free before them. */
static void shift_ranges(struct boot_map *map, uint32_t index, int64_t frames)
{
    if (index >= map->ranges_count) {
        return;
    }
    const struct range *last = index == 0 ? NULL : &map->ranges[index - 1];
    pfn_t low = last == NULL ? 0 : last->start + last->frames;
    pfn_t start = map->ranges[index].start;
    if (frames < 0 && start - low < (pfn_t)-frames) {
        frames = -(int64_t)(start - low);
    }
    for (uint32_t i = index; i < map->ranges_count; i++) {
        map->ranges[i].start += (pfn_t)frames;
    }
}

/* Some frames, up to a step; mostly few. */
static int64_t step(struct mutator *mutator)
{
    int64_t frames = (int64_t)1 << (mutate_few(mutator, GROWTH_ORDER_MAX) - 1);
    return mutate_one_in(mutator, 2) ? frames : -frames;
}

/* Frames of a range: any power of two is as likely, for little memory runs out soon, and costs
 * little. */
static uint32_t draw_frames(struct mutator *mutator)
{
    uint32_t orders = 32 - (uint32_t)__builtin_clz(mutator->limits->frames);
    return 1 + mutate_below(mutator, 1U << mutate_below(mutator, orders));
}

static void resize_range(struct mutator *mutator, struct boot_map *map, uint32_t index)
{
    struct range *range = &map->ranges[index];
    int64_t frames = step(mutator);
    if (mutate_one_in(mutator, 4)) {
        frames =
            1 + (int64_t)mutate_below(mutator, mutator->limits->frames) - (int64_t)range->frames;
    }
    int64_t left = (int64_t)mutator->limits->frames - (int64_t)range->frames;
    frames = frames < left ? frames : left;
    frames = frames <= -(int64_t)range->frames ? 1 - (int64_t)range->frames : frames;
    if (frames > 0) {
        shift_ranges(map, index + 1, frames);
    }
    range->frames += (pfn_t)frames;
    if (frames < 0) {
        shift_ranges(map, index + 1, frames);
    }
}

static void retype_range(struct mutator *mutator, struct range *range)
{
    uint32_t kind = mutate_below(mutator, 4);
    range->unaccepted = kind == 1;
    range->cma = kind == 2;
}

/* Range @index begins a zone, or goes on with the one before it. */
static void rezone_range(struct mutator *mutator, struct boot_map *map, uint32_t index)
{
    if (index == 0 ||
        (map->zones_count == ZONES_MAX && map->ranges[index].zone == map->ranges[index - 1].zone)) {
        return;
    }
    bool begins = map->ranges[index].zone != map->ranges[index - 1].zone;
    uint32_t zone = map->ranges[index].zone;
    if (begins) {
        memmove(&map->zones[zone], &map->zones[zone + 1],
                (map->zones_count - zone - 1) * sizeof(map->zones[0]));
    } else {
        memmove(&map->zones[zone + 1], &map->zones[zone],
                (map->zones_count - zone) * sizeof(map->zones[0]));
        map->zones[zone + 1].zone_class =
            (enum zone_class)mutate_below(mutator, (uint32_t)ZONE_CLASSES);
    }
    map->zones_count += begins ? ~0U : 1U;
    for (uint32_t i = index; i < map->ranges_count; i++) {
        map->ranges[i].zone += begins ? ~0U : 1U;
    }
}

static void change_zone(struct mutator *mutator, struct zone_config *zone)
{
    switch (mutate_below(mutator, 4)) {
    case 0:
        zone->zone_class = (enum zone_class)mutate_below(mutator, (uint32_t)ZONE_CLASSES);
        break;
    case 1:
        zone->node = mutate_below(mutator, NODES);
        break;
    case 2:
        zone->watermark_min = ((uint64_t)1 << mutate_below(mutator, WATERMARK_MAX)) / 2;
        break;
    default:
        zone->later = !zone->later;
        break;
    }
}

/* One more range at the end, of the last zone. */
static bool add_range(struct mutator *mutator, struct boot_map *map)
{
    if (map->ranges_count >= mutator->limits->ranges || map->ranges_count >= RANGES_MAX ||
        (mutation_room(mutator) == 0 && mutator->program.ops_count == 0)) {
        return false;
    }
    struct range range = map->ranges[map->ranges_count - 1];
    range.start += range.frames + mutate_below(mutator, mutator->limits->gap);
    range.frames = draw_frames(mutator);
    map->ranges[map->ranges_count++] = range;
    rezone_range(mutator, map, map->ranges_count - 1);
    return true;
}

/* Leaves range @index out, and its zone, where there is nothing else in it. */
static bool remove_range(struct boot_map *map, uint32_t index)
{
    if (map->ranges_count == 1) {
        return false;
    }
    uint32_t zone = map->ranges[index].zone;
    bool shared = (index > 0 && map->ranges[index - 1].zone == zone) ||
                  (index + 1 < map->ranges_count && map->ranges[index + 1].zone == zone);
    memmove(&map->ranges[index], &map->ranges[index + 1],
            (map->ranges_count - index - 1) * sizeof(map->ranges[0]));
    map->ranges_count--;
    if (shared) {
        return true;
    }
    memmove(&map->zones[zone], &map->zones[zone + 1],
            (map->zones_count - zone - 1) * sizeof(map->zones[0]));
    map->zones_count--;
    for (uint32_t i = index; i < map->ranges_count; i++) {
        map->ranges[i].zone--;
    }
    return true;
}

/* What is not of one range. */
static void change_header(struct mutator *mutator, struct program *program)
{
    switch (mutate_below(mutator, 3)) {
    case 0:
        program->cpus = mutate_below(mutator, mutator->limits->cpus + 1);
        break;
    case 1:
        program->map.pageblock_order = mutate_below(mutator, PAGEBLOCK_MAX + 1);
        break;
    default:
        program->slots = CASE_SLOTS_MIN;
        while (program->slots < mutator->limits->slots && mutate_one_in(mutator, 2)) {
            program->slots *= 2;
        }
        break;
    }
}

bool mutate_map(struct mutator *mutator)
{
    struct program *program = &mutator->program;
    struct boot_map *map = &program->map;
    uint32_t index = mutate_below(mutator, map->ranges_count);
    switch (mutate_below(mutator, 8)) {
    case 0:
    case 1:
        resize_range(mutator, map, index);
        return true;
    case 2:
        shift_ranges(map, index, step(mutator));
        return true;
    case 3:
        retype_range(mutator, &map->ranges[index]);
        return true;
    case 4:
        rezone_range(mutator, map, index);
        return true;
    case 5:
        change_zone(mutator, &map->zones[mutate_below(mutator, map->zones_count)]);
        return true;
    case 6:
        return mutate_one_in(mutator, 2) ? add_range(mutator, map) : remove_range(map, index);
    default:
        change_header(mutator, program);
        return true;
    }
}
