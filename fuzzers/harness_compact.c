/* SPDX-License-Identifier: MIT
 *
 * harness_compact.c: compaction (requirement D3), on subject and model. Which window is cleared,
 * and where its blocks go, is the subject's choice; the model says whether there was one, whom the
 * subject may ask, and whether the block is there in the end. All owners agree, but where a fault
 * says no.
 */
#include "fuzzers/harness_internal.h"

void harness_compact_begin(struct harness *harness, order_t order)
{
    harness->compaction = (struct harness_compaction){.order = order};
}

void harness_check_moves(struct harness *harness)
{
    if (harness->moving > 0) {
        harness_fail(harness, CHECK_MIGRATE, "%u owners that agreed have heard nothing since",
                     harness->moving);
    }
}

void harness_check_need(struct harness *harness, bool there)
{
    if (there && harness->fault.fired == 0 && harness->compaction.tried > 0) {
        harness_fail(harness, CHECK_COMPACT, "owners are asked to move, where order %u is free",
                     harness->compaction.order);
    }
}

void harness_check_asked(struct harness *harness, const struct harness_block *block)
{
    struct harness_compaction *compaction = &harness->compaction;
    unsigned long long pfn = block->block.pfn;
    compaction->tried += (uint64_t)1 << block->block.order;
    if (compaction->order == 0) {
        return; /* memory of CMA is asked back */
    }
    if (block->block.order >= compaction->order ||
        model_kind_class(model_frame_kind(&harness->model, block->block.pfn)) == FRAME_CMA) {
        harness_fail(harness, CHECK_COMPACT,
                     "the owner of %#llx, order %u, is asked to make room for order %u", pfn,
                     block->block.order, compaction->order);
    }
}

/* A question to the model. */
struct window_question {
    const struct harness *harness;
    zone_id_t zone;
    order_t order;
};

/* Whether the frame may be in a window that movable blocks can be moved out of. */
static bool frame_clears(const void *context, pfn_t pfn)
{
    const struct window_question *question = context;
    const struct harness *harness = question->harness;
    const struct model *model = &harness->model;
    enum model_use use = model_use(model, pfn);
    if (use == USE_HOLE ||
        model_frame_kind(model, pfn) != model_kind(question->zone, FRAME_ACCEPTED)) {
        return false;
    }
    if (use != USE_ALLOCATED || harness_contig_of(harness, pfn) != NULL) {
        return use == USE_FREE;
    }
    const struct harness_block *block = &harness->blocks[model_owner(model, pfn)];
    uint64_t frames = (uint64_t)1 << block->block.order;
    return block->migratetype == MIGRATE_MOVABLE && block->block.order < question->order &&
           !harness_block_stays(block) && !model_has_failed(model, block->block.pfn, frames);
}

/* The order of the largest block of @zone that may have to move, for one of @order. */
static order_t largest_mover(const struct harness *harness, zone_id_t zone, order_t order)
{
    order_t largest = 0;
    for (uint32_t i = 0; i < harness->blocks_end; i++) {
        const struct harness_block *block = &harness->blocks[i];
        bool moves = block->used && block->migratetype == MIGRATE_MOVABLE &&
                     block->block.order < order && block->block.order > largest;
        if (moves && model_kind_zone(model_frame_kind(&harness->model, block->block.pfn)) == zone) {
            largest = block->block.order;
        }
    }
    return largest;
}

/* Whether there is no doubt that a window's blocks find places: memory that they may go to has room
 * for as many blocks of the largest one's order as a window has frames, twice, for what is free of
 * the window itself is none. */
static bool has_room(const struct harness *harness, zone_id_t zone, order_t order)
{
    const struct model *model = &harness->model;
    order_t largest = largest_mover(harness, zone, order);
    uint64_t slack = harness_slack_frames(harness);
    uint64_t frames = (uint64_t)2 << order;
    uint64_t places = 0;
    for (zone_id_t other = 0; other < model->map.zones_count; other++) {
        const struct zone_config *config = &model->map.zones[other];
        bool may =
            config->zone_class <= model->map.zones[zone].zone_class && config->watermark_min == 0;
        const uint64_t *free = model->blocks[model_kind(other, FRAME_ACCEPTED)];
        for (order_t at = largest; at < model->orders; at++) {
            places += may ? free[at] << (at - largest) : 0;
        }
    }
    return places >= frames + slack &&
           harness_metadata_room(harness) >= (frames << largest) + 2 * slack;
}

bool harness_compact_must_succeed(const struct harness *harness,
                                  const struct subject_request *request)
{
    const struct model *model = &harness->model;
    enum { ORDER_MOST = 12 /* larger ones take too long to look for, and to move */ };
    if (request->order == 0 || request->order > ORDER_MOST || !harness_can_search(harness)) {
        return false;
    }
    for (zone_id_t zone = 0; zone < model->map.zones_count; zone++) {
        struct window_question question = {harness, zone, request->order};
        struct model_run run = {
            .units = (uint64_t)1 << request->order,
            .align = request->order,
            .high = PFN_NONE,
        };
        if (harness_zone_serves(harness, request, zone) &&
            model->map.zones[zone].watermark_min == 0 && has_room(harness, zone, request->order) &&
            model_has_run(model, &run, frame_clears, &question)) {
            return true;
        }
    }
    return false;
}

/* Whether a zone that will do has a free block of @order, or more. */
static bool block_is_there(const struct harness *harness, const struct subject_request *request)
{
    const struct model *model = &harness->model;
    for (zone_id_t zone = 0; zone < model->map.zones_count; zone++) {
        for (unsigned class = 0; class < FRAME_CLASSES; class ++) {
            bool lent = class == FRAME_CMA && request->migratetype != MIGRATE_MOVABLE;
            uint8_t kind = model_kind(zone, (enum frame_class) class);
            if (!lent && harness_zone_serves(harness, request, zone) &&
                model_smallest(model, kind, request->order) < ORDERS) {
                return true;
            }
        }
    }
    return false;
}

/* Compares what compaction says it has done with what owners have heard. */
static void check_result(struct harness *harness, const struct compact_request *request,
                         const struct compact_result *result)
{
    const struct harness_compaction *heard = &harness->compaction;
    if (result->frames_moved != heard->moved || heard->tried > result->frames_tried) {
        harness_fail(harness, CHECK_COMPACT,
                     "says that %llu of %llu frames have moved; owners heard of %llu of %llu",
                     (unsigned long long)result->frames_moved,
                     (unsigned long long)result->frames_tried, (unsigned long long)heard->moved,
                     (unsigned long long)heard->tried);
        return;
    }
    uint64_t window = request->pages.order < ORDERS ? (uint64_t)1 << request->pages.order : 0;
    bool blocks = result->blocks_seen <= request->blocks_max ||
                  result->blocks_seen - request->blocks_max <= window;
    if (result->frames_tried > request->frames_max || heard->tried > request->frames_max ||
        !blocks) {
        harness_fail(
            harness, CHECK_COMPACT,
            "%llu frames were to move, of %llu; %llu blocks were looked at, of %llu",
            (unsigned long long)result->frames_tried, (unsigned long long)request->frames_max,
            (unsigned long long)result->blocks_seen, (unsigned long long)request->blocks_max);
    }
}

/* Compares the answer with the model, as it is now. */
static void check_status(struct harness *harness, const struct subject_request *served,
                         const struct compact_request *request, enum status status, bool must)
{
    bool limited = request->blocks_max != UINT64_MAX;
    bool there = block_is_there(harness, served);
    unsigned long long moved = harness->compaction.moved;
    if (status == STATUS_OK && !there) {
        harness_fail(harness, CHECK_COMPACT, "order %u is said to be there, and is not",
                     served->order);
    } else if (status == STATUS_OK) {
        return;
    } else if (status != STATUS_NO_MEMORY && (status != STATUS_BUSY || !limited)) {
        harness_fail(harness, CHECK_STATUS, "compact answers %d", (int)status);
    } else if (moved > 0) {
        harness_fail(harness, CHECK_FAILURE_STATE, "%llu frames have moved for nothing", moved);
    } else if (must && !limited && harness->fault.fired == 0) {
        harness_fail(harness, CHECK_SPURIOUS,
                     "compaction for order %u in zone %u answers %d where there is room",
                     served->order, served->zone, (int)status);
    }
}

void harness_compact(struct harness *harness, const struct compact_request *request)
{
    const struct page_request *pages = &request->pages;
    struct compact_result result;
    struct before before = harness_remember(harness);
    const struct subject_request served = {
        .order = pages->order,
        .zone = pages->zone,
        .migratetype = pages->migratetype,
        .node = pages->node,
        .below = pages->below,
    };
    bool any = pages->zone == ZONE_ANY;
    bool invalid =
        pages->order >= ORDERS || (!any && !harness_zone_serves(harness, &served, pages->zone));
    bool there = !invalid && harness_alloc_must_succeed(harness, &served, ORDERS);
    bool must = there || (!invalid && harness_compact_must_succeed(harness, &served));
    harness_compact_begin(harness, pages->order);
    harness->operations++;
    enum status status = harness->subject->compact(harness->instance, request, &result);
    harness_check_moves(harness);
    if (invalid != (status == STATUS_INVALID)) {
        harness_fail(harness, CHECK_STATUS, "compact answers %d", (int)status);
        return;
    }
    harness_check_need(harness, there);
    check_result(harness, request, &result);
    if (!invalid) {
        check_status(harness, &served, request, status, must);
    }
    harness_settle(harness);
    if (harness->compaction.moved == 0) {
        harness_check_unchanged(harness, &before);
    }
}
