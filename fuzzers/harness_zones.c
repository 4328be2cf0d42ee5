/* SPDX-License-Identifier: MIT
 *
 * harness_zones.c: which zones an allocation may take a block from, and which of their free blocks,
 * found by searching the model frame by frame.
 */
#include "fuzzers/harness_internal.h"

enum {
    SEARCH_FRAMES_MAX = 4096, /* of maps that are searched frame by frame */
    SPARE_MANY = 32           /* with so many descriptors to spare, none is wanting */
};

static bool zone_asked(const struct harness *harness, zone_id_t asked, zone_id_t zone)
{
    return model_has_zone(&harness->model, zone) && (asked == ZONE_ANY || asked == zone);
}

bool harness_zone_serves(const struct harness *harness, const struct subject_request *request,
                         zone_id_t zone)
{
    if (!zone_asked(harness, request->zone, zone)) {
        return false;
    }
    const struct zone_config *config = &harness->model.map.zones[zone];
    bool low = request->below == ZONE_DMA || config->zone_class < request->below;
    return low && (config->zone_class != ZONE_MOVABLE || request->migratetype == MIGRATE_MOVABLE);
}

uint64_t harness_zone_free(const struct model *model, zone_id_t zone, enum migratetype type)
{
    const uint64_t *frames = model->free_frames;
    return frames[model_kind(zone, FRAME_ACCEPTED)] + frames[model_kind(zone, FRAME_UNACCEPTED)] +
           (type == MIGRATE_MOVABLE ? frames[model_kind(zone, FRAME_CMA)] : 0);
}

/* Whether @zone has a block for @request that takes at most @cuts halvings, and would keep @kept
 * frames. */
static bool zone_can_give(const struct model *model, const struct subject_request *request,
                          zone_id_t zone, uint64_t cuts, uint64_t kept)
{
    uint64_t need = ((uint64_t)1 << request->order) + kept;
    if (kept > 0 && harness_zone_free(model, zone, request->migratetype) < need) {
        return false;
    }
    for (unsigned class = 0; class < FRAME_CLASSES; class ++) {
        bool lent = class == FRAME_CMA && request->migratetype != MIGRATE_MOVABLE;
        order_t found =
            model_smallest(model, model_kind(zone, (enum frame_class) class), request->order);
        if (!lent && found < ORDERS && found - request->order <= cuts) {
            return true;
        }
    }
    return false;
}

bool harness_alloc_must_succeed(const struct harness *harness,
                                const struct subject_request *request, uint64_t spare)
{
    const struct model *model = &harness->model;
    uint64_t slack = harness_slack_frames(harness);
    bool roomy = harness_metadata_room(harness) >= ((uint64_t)1 << request->order) + slack;
    uint64_t cuts = roomy ? ORDERS : spare;
    for (zone_id_t zone = 0; zone < model->map.zones_count; zone++) {
        uint64_t kept = request->reserve ? 0 : model->map.zones[zone].watermark_min;
        /* Slabs for the cut may come from the same zone. */
        kept += kept > 0 ? slack : 0;
        if (harness_zone_serves(harness, request, zone) &&
            zone_can_give(model, request, zone, cuts, kept)) {
            return true;
        }
    }
    return false;
}

/* The type that a used frame gives its pageblock, or MIGRATETYPES for none. What was there at boot
 * is no block. */
static enum migratetype frame_type(const struct harness *harness, pfn_t pfn)
{
    bool boot = pfn - harness->boot_metadata_start < harness->boot_metadata_frames;
    const struct harness_contig *contig;
    switch (model_use(&harness->model, pfn)) {
    case USE_ALLOCATED:
        contig = harness_contig_of(harness, pfn);
        if (contig != NULL) {
            return contig->migratetype;
        }
        if (model_owner(&harness->model, pfn) >= HARNESS_KEPT_OWNER) {
            return (enum migratetype)(model_owner(&harness->model, pfn) - HARNESS_KEPT_OWNER);
        }
        return harness->blocks[model_owner(&harness->model, pfn)].migratetype;
    case USE_METADATA:
        return boot ? MIGRATETYPES : MIGRATE_UNMOVABLE;
    default:
        return MIGRATETYPES;
    }
}

static order_t pageblock_order(const struct model *model)
{
    return model->map.pageblock_order == 0 ? (order_t)PAGEBLOCK_ORDER : model->map.pageblock_order;
}

enum migratetype harness_free_type(const struct harness *harness, pfn_t pfn, order_t order)
{
    const struct model *model = &harness->model;
    uint8_t kind = model_frame_kind(model, pfn);
    order_t block = pageblock_order(model);
    if (model_kind_class(kind) == FRAME_CMA) {
        return MIGRATE_CMA;
    }
    enum migratetype type = MIGRATE_MOVABLE;
    pfn_t first = pfn >> block << block;
    for (pfn_t at = first; order < block && at < first + ((pfn_t)1 << block); at++) {
        if (model_use(model, at) == USE_HOLE ||
            model_kind_zone(model_frame_kind(model, at)) != model_kind_zone(kind) ||
            model_kind_class(model_frame_kind(model, at)) == FRAME_CMA) {
            continue;
        }
        enum migratetype used = frame_type(harness, at);
        if (used == MIGRATE_UNMOVABLE) {
            return MIGRATE_UNMOVABLE;
        }
        type = used == MIGRATE_RECLAIMABLE ? used : type;
    }
    return type;
}

bool harness_can_search(const struct harness *harness)
{
    return (harness->subject->capabilities & SUBJECT_ZONES) != 0 &&
           harness->model.frames <= SEARCH_FRAMES_MAX;
}

/* How much @request wants a free block: the smaller, the more. What it gets is to be of the least
 * that there is: own type, CMA's for movable ones, whole pageblocks, anything. */
static unsigned block_rank(const struct harness *harness, const struct subject_request *request,
                           pfn_t pfn, order_t order)
{
    enum migratetype type = harness_free_type(harness, pfn, order);
    if (type == request->migratetype) {
        return 0;
    }
    if (type == MIGRATE_CMA) {
        return 1;
    }
    return order >= pageblock_order(&harness->model) ? 2 : 3;
}

/* Whether a block of the zone of @granted would have been wanted more, and could be had without
 * new descriptors. Not so where one that was wanted more could not be had: then it is the smallest
 * that is taken, whatever its type. */
static bool better_block(const struct harness *harness, const struct subject_request *request,
                         pfn_t granted, uint64_t cuts)
{
    const struct model *model = &harness->model;
    pfn_t start;
    order_t order;
    zone_id_t zone = model_kind_zone(model_frame_kind(model, granted));
    model_free_block(model, granted, &start, &order);
    unsigned rank = block_rank(harness, request, start, order);
    bool better = false;
    for (pfn_t at = model->start; rank > 0 && at < model->start + model->frames; at++) {
        if (model_use(model, at) != USE_FREE) {
            continue;
        }
        uint8_t kind = model_frame_kind(model, at);
        bool lent = model_kind_class(kind) == FRAME_CMA && request->migratetype != MIGRATE_MOVABLE;
        model_free_block(model, at, &start, &order);
        if (model_kind_zone(kind) == zone && !model_kind_unaccepted(kind) && !lent &&
            order >= request->order && block_rank(harness, request, start, order) < rank) {
            if (order - request->order > cuts) {
                return false;
            }
            better = true;
        }
        at = start + ((pfn_t)1 << order) - 1;
    }
    return better;
}

bool harness_zone_is_before(const struct boot_map *map, uint32_t node, zone_id_t a, zone_id_t b)
{
    const struct zone_config *one = &map->zones[a];
    const struct zone_config *other = &map->zones[b];
    if (one->node != other->node) {
        return (one->node + NODES_MAX - node) % NODES_MAX <
               (other->node + NODES_MAX - node) % NODES_MAX;
    }
    return one->zone_class != other->zone_class ? one->zone_class > other->zone_class : a > b;
}

/* The low watermark of @zone for @request. */
static uint64_t zone_low(const struct model *model, const struct subject_request *request,
                         zone_id_t zone)
{
    uint64_t min = request->reserve ? 0 : model->map.zones[zone].watermark_min;
    return min + min / 4;
}

/* A zone that should have been taken before @granted, or ZONE_ANY: one that comes first in the
 * list, or, where @granted has not @enough, any that has. */
static zone_id_t earlier_zone(const struct harness *harness, const struct subject_request *request,
                              zone_id_t granted, uint64_t cuts, bool enough)
{
    const struct model *model = &harness->model;
    for (zone_id_t zone = 0; zone < model->map.zones_count; zone++) {
        bool before = harness_zone_is_before(&model->map, request->node, zone, granted);
        if (zone != granted && harness_zone_serves(harness, request, zone) && (before || !enough) &&
            zone_can_give(model, request, zone, cuts, zone_low(model, request, zone))) {
            return zone;
        }
    }
    return ZONE_ANY;
}

/* How many of the blocks listed last are kept still. */
struct kept_count {
    const struct harness *harness;
    uint64_t blocks;
};

static void count_kept(void *context, const struct subject_cached *kept)
{
    struct kept_count *count = context;
    const struct subject_cached *before = harness_kept_at(count->harness, kept->pfn);
    bool same = before != NULL && before->pfn == kept->pfn && before->order == kept->order &&
                before->zone == kept->zone && before->migratetype == kept->migratetype;
    count->blocks += same ? 1 : 0;
}

/* Whether all blocks but one that CPUs kept before are kept still: else they were drained, and what
 * was kept is as good as what was not. */
static bool only_that_is_taken(const struct harness *harness, const struct before *before)
{
    struct kept_count now = {.harness = harness};
    harness->subject->cached(harness->instance, count_kept, &now);
    return before->kept_blocks > 1 && now.blocks + 1 == before->kept_blocks;
}

/* Where CPUs kept something before, which zone gives, and which block, is not for the model to say:
 * what looks free may have been kept, and was drained only where nothing else served. */
static void check_choice_kept(struct harness *harness, const struct subject_request *request,
                              pfn_t pfn, const struct before *before)
{
    const struct subject_cached *kept = harness_kept_at(harness, pfn);
    bool for_this =
        kept == NULL || (kept->migratetype == request->migratetype &&
                         kept->order == request->order && request->type == MEMDESC_NONE);
    if (!for_this && only_that_is_taken(harness, before)) {
        harness_fail(harness, CHECK_MIGRATETYPE,
                     "block %#llx was kept for others: order %u, type %d", (unsigned long long)pfn,
                     kept->order, (int)kept->migratetype);
    }
}

/* Whether the zone of the block at @pfn has what it keeps back for others. What CPUs keep does not
 * count, but a block that they kept comes from there, be the zone as poor as it may. */
static bool zone_keeps(const struct harness *harness, const struct subject_request *request,
                       pfn_t pfn, const struct before *before)
{
    uint64_t blocks;
    const struct model *model = &harness->model;
    zone_id_t zone = model_kind_zone(model_frame_kind(model, pfn));
    uint64_t kept = request->reserve ? 0 : model->map.zones[zone].watermark_min;
    uint64_t on_cpus = harness_kept_frames(harness, zone, request->migratetype, &blocks);
    /* All that was free before is free now or became metadata. */
    return kept == 0 || (before->kept && harness_kept_at(harness, pfn) != NULL) ||
           harness_zone_free(model, zone, request->migratetype) + harness_grown(harness, before) >=
               kept + ((uint64_t)1 << request->order) + on_cpus;
}

void harness_check_choice(struct harness *harness, const struct subject_request *request, pfn_t pfn,
                          const struct before *before)
{
    const struct model *model = &harness->model;
    zone_id_t zone = model_kind_zone(model_frame_kind(model, pfn));
    if ((harness->subject->capabilities & SUBJECT_ZONES) == 0) {
        return;
    }
    if (!zone_keeps(harness, request, pfn, before)) {
        harness_fail(harness, CHECK_WATERMARK, "zone %u keeps %llu frames, and gave away of them",
                     zone, (unsigned long long)model->map.zones[zone].watermark_min);
        return;
    }
    if (before->kept) {
        check_choice_kept(harness, request, pfn, before);
        return;
    }
    /* Where blocks have moved, no zone had one. */
    if (harness->compaction.moved != 0 || harness_grown(harness, before) != 0 ||
        model->metadata_frames < before->metadata_frames || harness->fault.fired != 0) {
        return;
    }
    uint64_t blocks;
    uint64_t on_cpus = harness_kept_frames(harness, zone, request->migratetype, &blocks);
    uint64_t low = zone_low(model, request, zone);
    bool enough = low == 0 || harness_zone_free(model, zone, request->migratetype) >=
                                  low + ((uint64_t)1 << request->order) + on_cpus;
    zone_id_t earlier = earlier_zone(harness, request, zone, before->spare, enough);
    if (earlier != ZONE_ANY) {
        harness_fail(harness, enough ? CHECK_ZONE_ORDER : CHECK_WATERMARK,
                     "zone %u gave a block, before zone %u%s", zone, earlier,
                     enough ? "" : ", which has more than its low watermark");
    } else if (model->accepted == before->accepted && harness_can_search(harness) &&
               better_block(harness, request, pfn, before->spare)) {
        harness_fail(harness, CHECK_MIGRATETYPE, "block %#llx was taken before one of its own type",
                     (unsigned long long)pfn);
    }
}

void harness_check_ahead(struct harness *harness, pfn_t pfn, const struct before *before)
{
    const struct model *model = &harness->model;
    zone_id_t zone = model_kind_zone(model_frame_kind(model, pfn));
    uint64_t min = model->map.zones[zone].watermark_min;
    const uint64_t *frames = model->free_frames;
    if (before->kept) {
        return; /* a block that a CPU kept takes nothing from its zone */
    }
    uint64_t accepted =
        frames[model_kind(zone, FRAME_ACCEPTED)] + frames[model_kind(zone, FRAME_CMA)];
    if ((harness->subject->capabilities & SUBJECT_ZONES) != 0 && min > 0 &&
        harness->fault.fired == 0 && accepted < min + min / 2 &&
        frames[model_kind(zone, FRAME_UNACCEPTED)] > 0 && model->accepted == before->accepted &&
        harness_spare_descriptors(harness) >= SPARE_MANY) {
        harness_fail(harness, CHECK_WATERMARK,
                     "zone %u has %llu accepted frames left and accepts no more", zone,
                     (unsigned long long)accepted);
    }
}

void harness_check_types(struct harness *harness)
{
    const struct model *model = &harness->model;
    uint64_t blocks[ZONES_MAX][AREA_UNACCEPTED][ORDERS] = {0};
    pfn_t start;
    order_t order;
    for (pfn_t at = model->start; at < model->start + model->frames; at++) {
        if (model_use(model, at) == USE_FREE) {
            uint8_t kind = model_frame_kind(model, at);
            model_free_block(model, at, &start, &order);
            if (!model_kind_unaccepted(kind)) {
                enum migratetype type = harness_free_type(harness, start, order);
                blocks[model_kind_zone(kind)][type][order]++;
            }
            at = start + ((pfn_t)1 << order) - 1;
        }
    }
    for (zone_id_t zone = 0; zone < model->map.zones_count; zone++) {
        for (unsigned area = 0; area < AREA_UNACCEPTED; area++) {
            const uint64_t *actual = harness->subject->free_blocks(harness->instance, zone, area);
            for (order = 0; order < model->orders; order++) {
                uint64_t count = actual == NULL ? 0 : actual[order];
                if (count != blocks[zone][area][order]) {
                    harness_fail(harness, CHECK_MIGRATETYPE,
                                 "zone %u, type %u, order %u: %llu free blocks, %llu expected",
                                 zone, area, order, (unsigned long long)count,
                                 (unsigned long long)blocks[zone][area][order]);
                    return;
                }
            }
        }
    }
}
