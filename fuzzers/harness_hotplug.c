/* SPDX-License-Identifier: MIT
 *
 * harness_hotplug.c: zones that come and go.
 */
#include "fuzzers/harness_internal.h"

/* What the map has of one zone. */
struct zone_part {
    const struct range *ranges;
    uint32_t count;
    uint64_t frames;
};

static struct zone_part zone_part(const struct boot_map *map, zone_id_t zone)
{
    struct zone_part part = {.count = 0};
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        if (map->ranges[i].zone == zone) {
            part.ranges = part.count == 0 ? &map->ranges[i] : part.ranges;
            part.count++;
            part.frames += map->ranges[i].frames;
        }
    }
    return part;
}

/* F2: whether there is memory for what describes a zone of @part, without doubt: a descriptor and
 * a node for each block, some words for each range and pageblock. */
static bool add_must_succeed(const struct harness *harness, const struct zone_part *part)
{
    enum { RANGE_BYTES = 128, PAGEBLOCK_BYTES = 16 };
    uint64_t slack = harness_slack_frames(harness);
    uint64_t ranges = part->count;
    uint64_t bytes = ranges * RANGE_BYTES + (part->frames + ranges) * PAGEBLOCK_BYTES;
    return harness_metadata_room(harness) >= 2 * slack + 2 * ranges &&
           harness_objects_fit(harness, 0, bytes + slack * FRAME_SIZE, bytes);
}

void harness_zone_add(struct harness *harness, zone_id_t zone)
{
    struct model *model = &harness->model;
    struct before before = harness_remember(harness);
    if (zone >= model->map.zones_count) {
        return; /* the map says nothing of it */
    }
    struct zone_part part = zone_part(&model->map, zone);
    bool exists = model_has_zone(model, zone);
    bool must = !exists && add_must_succeed(harness, &part);
    harness->operations++;
    enum status status = harness->subject->zone_add(
        harness->instance, zone, &model->map.zones[zone], part.ranges, part.count);
    if (exists != (status == STATUS_EXISTS) || status == STATUS_INVALID) {
        harness_fail(harness, CHECK_STATUS, "zone-add of zone %u, which is %sthere, answers %d",
                     zone, exists ? "" : "not ", (int)status);
        return;
    }
    if (status == STATUS_OK) {
        model_add_zone(model, zone);
    } else if (must && harness->fault.fired == 0) {
        harness_fail(harness, CHECK_SPURIOUS,
                     "zone-add of zone %u answers %d with memory for what describes it", zone,
                     (int)status);
    }
    harness_settle(harness);
    if (status != STATUS_OK) {
        harness_check_unchanged(harness, &before);
    } else {
        harness_check_lookup(harness, part.ranges[0].start);
    }
}

void harness_zone_remove(struct harness *harness, zone_id_t zone)
{
    struct model *model = &harness->model;
    struct before before = harness_remember(harness);
    enum status expected = STATUS_INVALID;
    if (model_has_zone(model, zone) && model->map.zones[zone].later) {
        expected = model_uses_zone(model, zone) ? STATUS_BUSY : STATUS_OK;
    }
    harness->operations++;
    harness->freeing = true;
    enum status status = harness->subject->zone_remove(harness->instance, zone);
    harness->freeing = false;
    if (status != expected) {
        harness_fail(harness, CHECK_STATUS, "zone-remove of zone %u answers %d, %d expected", zone,
                     (int)status, (int)expected);
        return;
    }
    if (status == STATUS_OK) {
        model_remove_zone(model, zone);
    }
    harness_settle(harness);
    if (status != STATUS_OK) {
        harness_check_unchanged(harness, &before);
    } else {
        struct zone_part part = zone_part(&model->map, zone);
        harness_check_lookup(harness, part.count > 0 ? part.ranges[0].start : 0);
    }
}
