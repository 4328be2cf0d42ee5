/* SPDX-License-Identifier: MIT
 *
 * shrink_map.c: less memory, of fewer kinds.
 */
#include "fuzzers/shrink/shrink_internal.h"

#include <stdlib.h>
#include <string.h>

static bool try_map(struct shrinking *shrinking, const struct boot_map *map)
{
    struct boot_map before = shrinking->program->map;
    shrinking->program->map = *map;
    if (shrink_holds(shrinking)) {
        return true;
    }
    shrinking->program->map = before;
    return false;
}

/* Takes zone @zone, which has no range, out of @map. */
static void zone_drop(struct boot_map *map, zone_id_t zone)
{
    map->zones_count--;
    for (zone_id_t i = zone; i < map->zones_count; i++) {
        map->zones[i] = map->zones[i + 1];
    }
    map->zones[map->zones_count] = (struct zone_config){0};
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        map->ranges[i].zone -= map->ranges[i].zone > zone ? 1 : 0;
    }
    map->zones[0].later = false; /* one is there at boot */
}

/* @map without range @index. Return: the zone that has gone with it, or ZONES_MAX. */
static zone_id_t range_drop(struct boot_map *map, uint32_t index)
{
    zone_id_t zone = map->ranges[index].zone;
    bool used = false;
    map->ranges_count--;
    for (uint32_t i = index; i < map->ranges_count; i++) {
        map->ranges[i] = map->ranges[i + 1];
    }
    map->ranges[map->ranges_count] = (struct range){0};
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        used = used || map->ranges[i].zone == zone;
    }
    if (used) {
        return ZONES_MAX;
    }
    zone_drop(map, zone);
    return zone;
}

/* The number of a zone once @gone, of @count zones, has gone. Who named that one names the next. */
static uint8_t zone_without(uint8_t zone, zone_id_t gone, uint32_t count)
{
    bool lower =
        zone != ZONE_ANY && (zone > gone || (zone == gone && zone + 1U == count && zone > 0));
    return lower ? zone - 1 : zone;
}

static void renumber_zones(struct program *program, zone_id_t gone)
{
    uint32_t count = program->map.zones_count;
    for (uint32_t i = 0; i < program->ops_count; i++) {
        struct case_op *op = &program->ops[i];
        uint32_t operands = op_operands((enum op)op->op);
        if ((operands & OPERAND_ZONE) != 0) {
            op->zone = zone_without(op->zone, gone, count);
        }
        if ((operands & OPERAND_HOME) != 0) {
            op->type = zone_without(op->type, gone, count);
        }
    }
}

/* Tries without range @index. @before has room for all operations. */
static bool try_without_range(struct shrinking *shrinking, uint32_t index, struct case_op *before)
{
    struct program *program = shrinking->program;
    struct boot_map map = program->map;
    zone_id_t gone = range_drop(&map, index);
    if (gone == ZONES_MAX || program->ops_count == 0) {
        return try_map(shrinking, &map);
    }
    memcpy(before, program->ops, program->ops_count * sizeof(*before));
    renumber_zones(program, gone);
    if (try_map(shrinking, &map)) {
        return true;
    }
    memcpy(program->ops, before, program->ops_count * sizeof(*before));
    return false;
}

static bool remove_ranges(struct shrinking *shrinking)
{
    bool any = false;
    uint32_t count = shrinking->program->map.ranges_count;
    struct case_op *before = malloc((shrinking->program->ops_count + 1) * sizeof(*before));
    if (before == NULL) {
        abort();
    }
    for (uint32_t i = count; i-- > 0 && shrinking->program->map.ranges_count > 1;) {
        any = try_without_range(shrinking, i, before) || any;
    }
    free(before);
    return any;
}

/* Makes one property of range @index that of usual memory. */
static bool lower_range_kind(struct shrinking *shrinking, uint32_t index)
{
    struct boot_map map = shrinking->program->map;
    struct range *range = &map.ranges[index];
    if (!range->unaccepted && !range->cma) {
        return false;
    }
    range->unaccepted = false;
    range->cma = false;
    return try_map(shrinking, &map);
}

static bool lower_watermark(struct shrinking *shrinking, zone_id_t zone)
{
    bool any = false;
    uint64_t mark = 0;
    while (mark < shrinking->program->map.zones[zone].watermark_min && !any) {
        struct boot_map map = shrinking->program->map;
        map.zones[zone].watermark_min = mark;
        any = try_map(shrinking, &map);
        mark = mark == 0 ? 1 : 2 * mark;
    }
    return any;
}

/* The same of zone @zone, one property at a time. */
static bool lower_zone_kind(struct shrinking *shrinking, zone_id_t zone)
{
    const struct zone_config *now = &shrinking->program->map.zones[zone];
    struct boot_map map;
    bool any = false;
    if (now->later) {
        map = shrinking->program->map;
        map.zones[zone].later = false;
        any = try_map(shrinking, &map);
    }
    if (now->zone_class != ZONE_NORMAL) {
        map = shrinking->program->map;
        map.zones[zone].zone_class = ZONE_NORMAL;
        any = try_map(shrinking, &map) || any;
    }
    if (now->node != 0) {
        map = shrinking->program->map;
        map.zones[zone].node = 0;
        any = try_map(shrinking, &map) || any;
    }
    return lower_watermark(shrinking, zone) || any;
}

static bool lower_kinds(struct shrinking *shrinking)
{
    bool any = false;
    for (uint32_t i = 0; i < shrinking->program->map.ranges_count; i++) {
        any = lower_range_kind(shrinking, i) || any;
    }
    for (zone_id_t i = 0; i < shrinking->program->map.zones_count; i++) {
        any = lower_zone_kind(shrinking, i) || any;
    }
    return any;
}

/* Moves range @index and all behind it down by @units. */
static void ranges_move(struct boot_map *map, uint32_t index, uint64_t units)
{
    for (uint32_t i = index; i < map->ranges_count; i++) {
        map->ranges[i].start -= units;
    }
}

/* Shortens range @index, or with @gap what is before it; what is behind it follows or stays. */
static bool lower_length(struct shrinking *shrinking, uint32_t index, bool gap, bool follows)
{
    const struct boot_map *now = &shrinking->program->map;
    bool any = false;
    uint64_t tried;
    for (unsigned step = 0;;) {
        const struct range *last = index > 0 ? &now->ranges[index - 1] : NULL;
        pfn_t end = last == NULL ? 0 : last->start + last->frames;
        uint64_t value = gap ? now->ranges[index].start - end : now->ranges[index].frames - 1;
        if (!shrink_next(value, step, &tried)) {
            return any;
        }
        struct boot_map map = *now;
        if (gap) {
            ranges_move(&map, index, value - tried);
        } else {
            map.ranges[index].frames = tried + 1;
            ranges_move(&map, index + 1, follows ? value - tried : 0);
        }
        bool holds = try_map(shrinking, &map);
        any = holds || any;
        step = holds ? 0 : step + 1;
    }
}

static bool lower_lengths(struct shrinking *shrinking)
{
    bool any = false;
    for (uint32_t i = 0; i < shrinking->program->map.ranges_count; i++) {
        any = lower_length(shrinking, i, false, true) || any;
        if (i + 1 < shrinking->program->map.ranges_count) {
            any = lower_length(shrinking, i, false, false) || any;
        }
        any = lower_length(shrinking, i, true, true) || any;
    }
    return any;
}

/* Fewer CPUs, slots, and smaller pageblocks. */
static bool lower_header(struct shrinking *shrinking)
{
    struct program *program = shrinking->program;
    bool any = false;
    for (uint32_t cpus = 0, before = program->cpus; cpus < before && program->cpus == before;
         cpus++) {
        program->cpus = cpus;
        bool holds = shrink_holds(shrinking);
        program->cpus = holds ? cpus : before;
        any = holds || any;
    }
    for (uint32_t slots = CASE_SLOTS_MIN; slots < program->slots; slots *= 2) {
        uint32_t before = program->slots;
        program->slots = slots;
        bool holds = shrink_holds(shrinking);
        program->slots = holds ? slots : before;
        any = holds || any;
    }
    for (order_t order = 0; order < program->map.pageblock_order; order++) {
        struct boot_map map = program->map;
        map.pageblock_order = order;
        any = try_map(shrinking, &map) || any;
    }
    return any;
}

bool shrink_map(struct shrinking *shrinking)
{
    bool any = remove_ranges(shrinking);
    any = lower_header(shrinking) || any;
    any = lower_kinds(shrinking) || any;
    return lower_lengths(shrinking) || any;
}
