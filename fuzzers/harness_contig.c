/* SPDX-License-Identifier: MIT
 *
 * harness_contig.c: frames in a row (requirement B6), on subject and model. Which run it is, is the
 * subject's choice; that one is found where there is one, the model says, frame by frame. All
 * owners agree to move out of CMA memory, but where a fault says no.
 */
#include "fuzzers/harness_internal.h"

const struct harness_contig *harness_contig_of(const struct harness *harness, pfn_t pfn)
{
    uint32_t owner = model_owner(&harness->model, pfn);
    return owner < HARNESS_CONTIG_OWNER ? NULL : &harness->contigs[owner - HARNESS_CONTIG_OWNER];
}

/* A question to the model, about one zone. */
struct contig_question {
    const struct harness *harness;
    zone_id_t zone;
    bool cma;
    bool moved; /* frames of blocks that can move will do, too */
};

/* Whether the frame will do for the run that is asked for. */
static bool frame_serves(const void *context, pfn_t pfn)
{
    const struct contig_question *question = context;
    const struct harness *harness = question->harness;
    const struct model *model = &harness->model;
    enum model_use use = model_use(model, pfn);
    if (use == USE_HOLE || model_kind_zone(model_frame_kind(model, pfn)) != question->zone ||
        (model_kind_class(model_frame_kind(model, pfn)) == FRAME_CMA) != question->cma) {
        return false;
    }
    if (use != USE_ALLOCATED || !question->moved || harness_contig_of(harness, pfn) != NULL) {
        return use == USE_FREE;
    }
    const struct harness_block *block = &harness->blocks[model_owner(model, pfn)];
    uint64_t frames = (uint64_t)1 << block->block.order;
    return block->migratetype == MIGRATE_MOVABLE && !harness_block_stays(block) &&
           !model_has_failed(model, block->block.pfn, frames);
}

/* Whether there is no doubt that all movable blocks of CMA memory of @zone find a place elsewhere:
 * accepted memory has room for as many blocks of the largest one's order, and some more. */
static bool all_can_move(const struct harness *harness, zone_id_t zone)
{
    const struct model *model = &harness->model;
    uint64_t blocks = 0;
    uint64_t places = 0;
    order_t largest = 0;
    for (uint32_t i = 0; i < harness->blocks_end; i++) {
        const struct harness_block *block = &harness->blocks[i];
        if (block->used &&
            model_frame_kind(model, block->block.pfn) == model_kind(zone, FRAME_CMA)) {
            blocks++;
            largest = block->block.order > largest ? block->block.order : largest;
        }
    }
    for (zone_id_t other = 0; other < model->map.zones_count; other++) {
        const struct zone_config *config = &model->map.zones[other];
        bool may = config->zone_class <= model->map.zones[zone].zone_class;
        const uint64_t *free = model->blocks[model_kind(other, FRAME_ACCEPTED)];
        for (order_t order = largest; order < model->orders; order++) {
            places += may && config->watermark_min == 0 ? free[order] << (order - largest) : 0;
        }
    }
    uint64_t slack = harness_slack_frames(harness);
    return places >= blocks + slack &&
           harness_metadata_room(harness) >= (blocks << largest) + 2 * slack;
}

/* F2: zones (bit n: zone n) of which nothing excuses that they do not give a run: they will do,
 * have one and may give it away, and the descriptors for cutting it are there, or are sure not to
 * be made of it. In *@moved, those that have one once owners have moved. Taken before the
 * operation. */
static uint32_t contig_zones(struct harness *harness, const struct contig_request *request,
                             const struct subject_request *served, uint32_t *moved)
{
    const struct model *model = &harness->model;
    uint32_t zones = 0;
    *moved = 0;
    uint64_t slack = harness_slack_frames(harness);
    bool spare = harness_spare_descriptors(harness) >= 2 * (uint64_t)model->orders;
    bool room = harness_metadata_room(harness) >= slack;
    struct model_run run = {
        .units = request->units,
        .align = request->align,
        .low = request->low,
        .high = request->high == 0 ? PFN_NONE : request->high,
    };
    for (zone_id_t zone = 0; zone < model->map.zones_count; zone++) {
        const struct zone_config *config = &model->map.zones[zone];
        uint64_t low = config->watermark_min + config->watermark_min / 4;
        uint64_t need = low + request->units + slack;
        bool above = config->watermark_min == 0 ||
                     harness_zone_free(model, zone, served->migratetype) >= need;
        bool apart = request->cma || !zone_holds_metadata(config);
        struct contig_question question = {harness, zone, request->cma, false};
        if (!harness_zone_serves(harness, served, zone) || !above) {
            continue;
        }
        if ((spare || (apart && room)) && model_has_run(model, &run, frame_serves, &question)) {
            zones |= 1U << zone;
        }
        question.moved = true;
        if (request->cma && all_can_move(harness, zone) &&
            model_has_run(model, &run, frame_serves, &question)) {
            *moved |= 1U << zone;
        }
    }
    return zones;
}

/* Compares the zone of the run with those that were @sure to give one, and with what it keeps. */
static void check_zone(struct harness *harness, const struct contig_request *request,
                       const struct contig *contig, uint32_t sure, const struct before *before)
{
    const struct model *model = &harness->model;
    uint64_t kept = model->map.zones[contig->zone].watermark_min;
    uint64_t grown = harness_grown(harness, before);
    if ((harness->subject->capabilities & SUBJECT_ZONES) == 0) {
        return;
    }
    /* What was free before is free, or is metadata now; of a CMA run, some had to move. */
    if (kept > 0 && !request->reserve && !request->cma &&
        harness_zone_free(model, contig->zone, request->migratetype) + grown <
            kept + request->units) {
        harness_fail(harness, CHECK_WATERMARK, "zone %u keeps %llu frames, and gave a run of them",
                     contig->zone, (unsigned long long)kept);
    }
    /* Where CPUs kept something, a zone may have had its run only once that was drained. */
    bool ordered = harness->fault.fired == 0 && !before->kept;
    for (zone_id_t zone = 0; ordered && zone < model->map.zones_count; zone++) {
        if ((sure >> zone & 1) != 0 && zone != contig->zone &&
            harness_zone_is_before(&model->map, request->node, zone, contig->zone)) {
            harness_fail(harness, CHECK_ZONE_ORDER, "zone %u gave a run, before zone %u",
                         contig->zone, zone);
        }
    }
}

/* Marks the run as allocated by @owner, or as free. */
static void run_mark(struct model *model, const struct contig *run, bool allocated, uint32_t owner)
{
    pfn_t end = run->pfn + run->units;
    for (pfn_t at = run->pfn; at < end;) {
        order_t order = pfn_order_max(at, end - at);
        if (allocated) {
            model_allocate(model, at, order, owner);
        } else {
            model_release(model, at, order);
        }
        at += (pfn_t)1 << order;
    }
}

/* Compares the run granted with what was asked, and with the model, frame by frame. */
static void check_granted(struct harness *harness, const struct contig_request *request,
                          const struct subject_request *served, const struct contig *contig)
{
    const struct model *model = &harness->model;
    unsigned long long pfn = contig->pfn;
    bool limits = contig->pfn >= request->low &&
                  (request->high == 0 || contig->pfn + contig->units <= request->high);
    if (contig->units != request->units || contig->pfn % ((uint64_t)1 << request->align) != 0) {
        harness_fail(harness, CHECK_ALIGNMENT, "run %#llx of %llu frames; asked for %llu at 2^%u",
                     pfn, (unsigned long long)contig->units, (unsigned long long)request->units,
                     request->align);
        return;
    }
    if (!limits || !harness_zone_serves(harness, served, contig->zone)) {
        harness_fail(harness, CHECK_CONTAINMENT, "run %#llx in zone %u is not inside its limits",
                     pfn, contig->zone);
        return;
    }
    struct contig_question question = {harness, contig->zone, request->cma, false};
    for (pfn_t at = contig->pfn; at < contig->pfn + contig->units; at += model_alike(model, at)) {
        if (model_use(model, at) != USE_FREE) {
            harness_fail(harness, CHECK_OVERLAP, "run %#llx: frame %#llx is not free", pfn,
                         (unsigned long long)at);
            return;
        }
        if (!frame_serves(&question, at)) {
            harness_fail(harness, CHECK_CONTAINMENT,
                         "run %#llx of zone %u%s: frame %#llx is elsewhere", pfn, contig->zone,
                         request->cma ? ", cma" : "", (unsigned long long)at);
            return;
        }
        if (model_kind_unaccepted(model_frame_kind(model, at))) {
            harness_fail(harness, CHECK_ACCEPT, "run %#llx: frame %#llx is not accepted", pfn,
                         (unsigned long long)at);
            return;
        }
    }
}

/* The parts that lookups find must be as many as the subject says. */
static void check_parts(struct harness *harness, const struct contig *contig)
{
    uint64_t parts = 0;
    pfn_t at = contig->pfn;
    if ((harness->subject->capabilities & SUBJECT_LOOKUP) == 0) {
        return;
    }
    while (at < contig->pfn + contig->units && !harness_violated(harness)) {
        struct memdesc_info info = {.frames = 1};
        harness_check_lookup(harness, at);
        (void)harness->subject->lookup(harness->instance, at, &info);
        at = info.pfn + info.frames;
        parts++;
    }
    if (parts != contig->parts) {
        harness_fail(harness, CHECK_LOOKUP, "run %#llx has %llu parts, not %llu",
                     (unsigned long long)contig->pfn, (unsigned long long)parts,
                     (unsigned long long)contig->parts);
    }
}

void harness_contig_alloc(struct harness *harness, const struct contig_request *request,
                          uint32_t index)
{
    struct harness_contig *held = &harness->contigs[index];
    struct contig contig = {.pfn = 0};
    struct before before = harness_remember(harness);
    struct subject_request served = {
        .zone = request->zone,
        .below = request->below,
        .migratetype = request->cma ? MIGRATE_MOVABLE : request->migratetype,
    };
    bool any = request->zone == ZONE_ANY;
    bool invalid =
        request->units == 0 || (!any && !harness_zone_serves(harness, &served, request->zone));
    uint32_t moved = 0;
    uint32_t sure = invalid ? 0 : contig_zones(harness, request, &served, &moved);
    harness->operations++;
    harness_compact_begin(harness, 0);
    enum status status = harness->subject->alloc_contig(harness->instance, request, &contig);
    harness_check_moves(harness);
    if (invalid != (status == STATUS_INVALID)) {
        harness_fail(harness, CHECK_STATUS, "contig answers %d", (int)status);
        return;
    }
    if (status != STATUS_OK) {
        bool accept = status == STATUS_ACCEPT_FAILED && harness->fault.fired > 0;
        if (!invalid && status != STATUS_NO_MEMORY && !accept) {
            harness_fail(harness, CHECK_STATUS, "contig answers %d", (int)status);
        } else if ((sure | moved) != 0 && harness->fault.fired == 0) {
            harness_fail(harness, CHECK_CONTIG,
                         "%llu frames at 2^%u in zone %u: answers %d where there are such",
                         (unsigned long long)request->units, request->align, request->zone,
                         (int)status);
        }
        harness_settle(harness);
        harness_check_unchanged(harness, &before);
        return;
    }
    check_granted(harness, request, &served, &contig);
    if (harness_violated(harness)) {
        return;
    }
    check_zone(harness, request, &contig, sure, &before);
    *held = (struct harness_contig){
        .contig = contig,
        .migratetype = request->cma ? MIGRATE_UNMOVABLE : request->migratetype,
        .used = true,
    };
    run_mark(&harness->model, &contig, true, HARNESS_CONTIG_OWNER + index);
    harness_check_ahead(harness, contig.pfn, &before);
    harness->contig_parts += contig.parts;
    harness_settle(harness);
    check_parts(harness, &contig);
}

void harness_contig_free(struct harness *harness, uint32_t index)
{
    struct harness_contig *held = &harness->contigs[index];
    harness->operations++;
    harness->freeing = true;
    run_mark(&harness->model, &held->contig, false, 0);
    held->used = false;
    harness->contig_parts -= held->contig.parts;
    harness->subject->free_contig(harness->instance, &held->contig);
    harness->freeing = false;
    harness_settle(harness);
}

/* The block that @move is about, or NULL where it is none that was asked in this way. */
static struct harness_block *block_moved(const struct harness_ear *ear,
                                         const struct memdesc *descriptor,
                                         const struct migration *move)
{
    struct harness *harness = ear->harness;
    if (model_use(&harness->model, move->from) != USE_ALLOCATED) {
        return NULL;
    }
    uint32_t number = model_owner(&harness->model, move->from);
    if (number >= HARNESS_CONTIG_OWNER) {
        return NULL;
    }
    struct harness_block *block = &harness->blocks[number];
    bool own = block->type != MEMDESC_NONE;
    bool right = block->block.pfn == move->from && block->block.order == move->order &&
                 block->migratetype == MIGRATE_MOVABLE &&
                 ear->type == (own ? block->type : MEMDESC_BUDDY_ALLOCATED) &&
                 (own ? descriptor == &block->descriptor : move->buddy == block->block.handle);
    return right ? block : NULL;
}

/* Moves @block in the model. */
static void block_move(struct harness *harness, struct harness_block *block,
                       const struct migration *move)
{
    struct model *model = &harness->model;
    uint32_t number = model_owner(model, move->from);
    uint64_t frames = (uint64_t)1 << move->order;
    if (block->refs > 0) {
        harness_fail(harness, CHECK_MIGRATE, "block %#llx moves, with %u references to it",
                     (unsigned long long)move->from, block->refs);
        return;
    }
    if (!model_is_free(model, move->to, move->order) ||
        model_kind_unaccepted(model_frame_kind(model, move->to))) {
        harness_fail(harness, CHECK_OVERLAP,
                     "block %#llx, order %u, moves to %#llx, not free accepted memory",
                     (unsigned long long)move->from, move->order, (unsigned long long)move->to);
        return;
    }
    const struct zone_config *zones = model->map.zones;
    zone_id_t old_zone = model_kind_zone(model_frame_kind(model, move->from));
    zone_id_t new_zone = model_kind_zone(model_frame_kind(model, move->to));
    if (zones[new_zone].zone_class > zones[old_zone].zone_class) {
        harness_fail(harness, CHECK_CONTAINMENT,
                     "block %#llx moves to zone %u, of a higher class than zone %u",
                     (unsigned long long)move->from, new_zone, old_zone);
        return;
    }
    model_release(model, move->from, move->order);
    model_allocate(model, move->to, move->order, number);
    block->block.pfn = move->to;
    harness->compaction.moved += frames;
    harness_check_lookup(harness, move->to);
    harness_check_lookup(harness, move->to + frames - 1);
}

bool harness_hear_migrate(void *context, struct memdesc *descriptor, struct migration *move,
                          enum migrate_stage stage)
{
    const struct harness_ear *ear = context;
    struct harness *harness = ear->harness;
    struct harness_block *block = block_moved(ear, descriptor, move);
    if (block == NULL || block->moving != (stage != MIGRATE_TRY)) {
        harness_fail(harness, CHECK_MIGRATE, "the owner of %#llx hears of a move out of turn: %d",
                     (unsigned long long)move->from, (int)stage);
        return false;
    }
    if (stage == MIGRATE_TRY) {
        move->buddy = block->block.handle;
        harness_check_asked(harness, block);
        if (block->ended) {
            return false; /* its owner has no say any more */
        }
    } else if (stage == MIGRATE_COMMIT) {
        block_move(harness, block, move);
    }
    block->moving = stage == MIGRATE_TRY;
    harness->moving += block->moving ? 1 : ~0U;
    return true;
}
