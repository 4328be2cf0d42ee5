/* SPDX-License-Identifier: MIT
 *
 * zonelist.c: which zones an allocation tries, in which order, and how far it may draw upon them.
 */
#include "core/page_alloc.h"

/* Nodes that are passed on the way from @node to that of @zone. */
static uint32_t node_distance(const struct space *zone, uint32_t node)
{
    return (zone->node + NODES_MAX - node) % NODES_MAX;
}

/* Whether @node tries zone @a before zone @b. */
static bool zone_is_before(const struct potad *potad, uint32_t node, zone_id_t a, zone_id_t b)
{
    const struct space *one = &potad->zones[a];
    const struct space *other = &potad->zones[b];
    if (one->node != other->node) {
        return node_distance(one, node) < node_distance(other, node);
    }
    if (one->zone_class != other->zone_class) {
        return one->zone_class > other->zone_class;
    }
    return a > b;
}

void zonelists_init(struct potad *potad)
{
    for (unsigned zone_class = 0; zone_class < ZONE_CLASSES; zone_class++) {
        potad->zones_of_class[zone_class] = 0;
    }
    for (zone_id_t id = 0; id < potad->zones_count; id++) {
        potad->zones_of_class[potad->zones[id].zone_class] |= (uint8_t)(1U << id);
    }
    for (uint32_t node = 0; node < NODES_MAX; node++) {
        uint8_t *list = potad->zonelists[node];
        for (zone_id_t id = 0; id < potad->zones_count; id++) {
            uint32_t at = id;
            for (; at > 0 && zone_is_before(potad, node, id, list[at - 1]); at--) {
                list[at] = list[at - 1];
            }
            list[at] = (uint8_t)id;
        }
    }
}

uint32_t zonelist_filter(const struct potad *potad, enum zone_class below, enum migratetype type)
{
    uint32_t zones = 0;
    unsigned classes = below == ZONE_DMA ? (unsigned)ZONE_CLASSES : (unsigned)below;
    for (unsigned zone_class = 0; zone_class < classes; zone_class++) {
        bool takes = zone_class != ZONE_MOVABLE || type == MIGRATE_MOVABLE;
        zones |= takes ? potad->zones_of_class[zone_class] : 0;
    }
    return zones;
}

uint64_t zone_watermark(const struct space *zone, enum watermark watermark)
{
    uint64_t min = zone->watermark_min;
    switch (watermark) {
    case WATERMARK_HIGH:
        return min + min / 2;
    case WATERMARK_LOW:
        return min + min / 4;
    case WATERMARK_MIN:
        return min;
    default:
        return 0;
    }
}
