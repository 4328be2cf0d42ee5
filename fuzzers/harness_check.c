/* SPDX-License-Identifier: MIT
 *
 * harness_check.c: comparisons that look at frames: lookups, full validation, the end of a case.
 */
#include "fuzzers/harness_internal.h"
#include "fuzzers/violation.h"

#include <stdio.h>

static void fail_lookup(struct harness *harness, pfn_t pfn, const struct memdesc_info *info,
                        const char *expected)
{
    harness_fail(harness, CHECK_LOOKUP,
                 "frame %#llx: %s at %#llx of %llu frames in zone %u%s%s; expected %s",
                 (unsigned long long)pfn, memdesc_type_name(info->type),
                 (unsigned long long)info->pfn, (unsigned long long)info->frames, info->zone,
                 info->unaccepted ? ", unaccepted" : "", info->flawed ? ", flawed" : "", expected);
}

static void check_free_lookup(struct harness *harness, pfn_t pfn, const struct memdesc_info *info)
{
    pfn_t start;
    order_t order;
    uint8_t kind = model_frame_kind(&harness->model, pfn);
    model_free_block(&harness->model, pfn, &start, &order);
    if (info->type != MEMDESC_BUDDY_FREE || info->pfn != start ||
        info->frames != (uint64_t)1 << order || info->zone != model_kind_zone(kind) ||
        info->unaccepted != model_kind_unaccepted(kind) || info->flawed) {
        fail_lookup(harness, pfn, info, "the free block around it");
    } else if (!info->unaccepted && harness_can_search(harness) &&
               info->migratetype != harness_free_type(harness, start, order)) {
        fail_lookup(harness, pfn, info, "the type of its pageblock");
    }
}

/* A frame that a CPU keeps is free, but in a plain block in use. */
static void check_kept_lookup(struct harness *harness, pfn_t pfn, const struct memdesc_info *info)
{
    const struct subject_cached *kept = harness_kept_at(harness, pfn);
    if (kept == NULL || info->type != MEMDESC_BUDDY_ALLOCATED || info->pfn != kept->pfn ||
        info->frames != (uint64_t)1 << kept->order || info->zone != kept->zone ||
        info->migratetype != kept->migratetype || info->unaccepted || info->flawed) {
        fail_lookup(harness, pfn, info, "the block around it that a CPU keeps");
    }
}

/* Context: @pfn is free in the model. */
static void check_unused_lookup(struct harness *harness, pfn_t pfn, const struct memdesc_info *info)
{
    harness_kept_mark(harness);
    if (model_use(&harness->model, pfn) == USE_FREE) {
        check_free_lookup(harness, pfn, info);
    } else {
        check_kept_lookup(harness, pfn, info);
    }
    harness_kept_unmark(harness);
}

static void check_poisoned_lookup(struct harness *harness, pfn_t pfn,
                                  const struct memdesc_info *info)
{
    uint8_t kind = model_frame_kind(&harness->model, pfn);
    if (info->type != MEMDESC_POISONED || info->pfn != pfn || info->frames != 1 ||
        info->zone != model_kind_zone(kind) || info->unaccepted != model_kind_unaccepted(kind) ||
        info->flawed) {
        fail_lookup(harness, pfn, info, "a poisoned frame");
    }
}

/* A run's parts are the subject's choice, but they are in it, and plain blocks. */
static void check_contig_lookup(struct harness *harness, const struct harness_contig *held,
                                pfn_t pfn, const struct memdesc_info *info)
{
    const struct contig *contig = &held->contig;
    bool inside = info->pfn >= contig->pfn && pfn - info->pfn < info->frames &&
                  info->pfn + info->frames <= contig->pfn + contig->units;
    if (!inside || info->type != MEMDESC_BUDDY_ALLOCATED || info->zone != contig->zone ||
        info->migratetype != held->migratetype || info->unaccepted ||
        info->flawed != model_has_failed(&harness->model, info->pfn, info->frames)) {
        fail_lookup(harness, pfn, info, "a part of the run around it");
    }
}

static void check_owner_lookup(struct harness *harness, pfn_t pfn, const struct memdesc_info *info)
{
    const struct harness_contig *contig = harness_contig_of(harness, pfn);
    if (contig != NULL) {
        check_contig_lookup(harness, contig, pfn, info);
        return;
    }
    uint32_t number = model_owner(&harness->model, pfn);
    const struct harness_block *block = &harness->blocks[number];
    bool own = block->type != MEMDESC_NONE;
    enum memdesc_type type = own ? block->type : MEMDESC_BUDDY_ALLOCATED;
    zone_id_t zone = model_kind_zone(model_frame_kind(&harness->model, pfn));
    if (info->type != type || info->pfn != block->block.pfn ||
        info->frames != (uint64_t)1 << block->block.order || info->zone != zone ||
        info->migratetype != block->migratetype ||
        info->flawed != model_has_failed(&harness->model, info->pfn, info->frames) ||
        (own && info->descriptor != &block->descriptor)) {
        fail_lookup(harness, pfn, info, "the allocated block around it");
    }
}

static void check_metadata_lookup(struct harness *harness, pfn_t pfn,
                                  const struct memdesc_info *info)
{
    bool right = (info->type == MEMDESC_SLAB || info->type == MEMDESC_RESERVED) &&
                 pfn - info->pfn < info->frames;
    pfn_t last = info->pfn + info->frames - 1;
    if (!right || model_use(&harness->model, info->pfn) != USE_METADATA ||
        model_use(&harness->model, last) != USE_METADATA ||
        info->flawed != model_has_failed(&harness->model, info->pfn, info->frames)) {
        fail_lookup(harness, pfn, info, "metadata around it");
    }
}

void harness_check_lookup(struct harness *harness, pfn_t pfn)
{
    struct memdesc_info info = {0};
    const struct subject *subject = harness->subject;
    if ((subject->capabilities & SUBJECT_LOOKUP) == 0 || harness_violated(harness)) {
        return;
    }
    bool found = subject->lookup(harness->instance, pfn, &info);
    enum model_use use = model_use(&harness->model, pfn);
    if (found != (use != USE_HOLE)) {
        harness_fail(harness, CHECK_LOOKUP, "frame %#llx is %s, lookup says otherwise",
                     (unsigned long long)pfn, found ? "in a hole" : "memory");
        return;
    }
    switch (use) {
    case USE_FREE:
        check_unused_lookup(harness, pfn, &info);
        break;
    case USE_ALLOCATED:
        check_owner_lookup(harness, pfn, &info);
        break;
    case USE_METADATA:
        check_metadata_lookup(harness, pfn, &info);
        break;
    case USE_POISONED:
        check_poisoned_lookup(harness, pfn, &info);
        break;
    case USE_HOLE:
        break;
    }
}

/* One frame of every block and run held, and one of the map: the operations so far choose which. */
static void check_some_frames(struct harness *harness)
{
    uint64_t turn = harness->operations;
    for (uint32_t i = 0; i < harness->blocks_end; i++) {
        const struct harness_block *block = &harness->blocks[i];
        if (block->used) {
            uint64_t frames = (uint64_t)1 << block->block.order;
            harness_check_lookup(harness, block->block.pfn + turn % frames);
        }
    }
    for (uint32_t i = 0; i < CASE_CONTIGS; i++) {
        const struct harness_contig *held = &harness->contigs[i];
        if (held->used) {
            harness_check_lookup(harness, held->contig.pfn + turn % held->contig.units);
        }
    }
    harness_check_lookup(harness, harness->model.start + turn * 7919 % harness->model.frames);
}

void harness_fail_invariant(struct harness *harness, const char *whole, const char *where,
                            const struct violation *violation)
{
    if (harness_violated(harness)) {
        return;
    }
    harness->report.name = invariant_name(violation->invariant);
    harness->report.sentence = violation_sentence(violation);
    violation_text(harness->report.detail, whole, where, violation);
    harness_say_violated(harness);
}

void harness_validate(struct harness *harness)
{
    const struct subject *subject = harness->subject;
    struct violation violation;
    if (harness_violated(harness)) {
        return;
    }
    harness_settle(harness);
    check_some_frames(harness);
    harness_range_validate(harness);
    if (!harness_violated(harness) && harness_can_search(harness)) {
        harness_kept_mark(harness);
        harness_check_types(harness);
        harness_kept_unmark(harness);
    }
    harness_space_validate(harness);
    if ((subject->capabilities & SUBJECT_VALIDATE) == 0) {
        return;
    }
    if (!subject->validate(harness->instance, &violation)) {
        harness_fail_invariant(harness, "", "frame", &violation);
    }
}

/* Free blocks there would be without slabs. Leaves the model unfit for anything more. */
static uint64_t blocks_without_slabs(struct harness *harness)
{
    struct model *model = &harness->model;
    pfn_t end = model->start + model->frames;
    pfn_t pfn = model_next(model, model->start, USE_METADATA);
    while (pfn < end) {
        if (pfn - harness->boot_metadata_start < harness->boot_metadata_frames) {
            pfn = harness->boot_metadata_start + harness->boot_metadata_frames;
        } else {
            model_conceal(model, pfn, 1);
        }
        pfn = model_next(model, pfn, USE_METADATA);
    }
    return model->free_blocks;
}

void harness_check_whole(struct harness *harness)
{
    const struct model *model = &harness->model;
    if (harness_violated(harness)) {
        return;
    }
    uint64_t slabs = model->metadata_frames - harness->boot_metadata_frames;
    bool changed = model->accepted == 0 && harness_state_hash(harness) != harness->boot_hash;
    if (slabs == 0 && changed) {
        harness_fail(harness, CHECK_WHOLE, "all is free, but blocks are not as after boot");
    }
    /* Acceptance cuts blocks for good: more of them than at boot need slabs for descriptors. */
    if (slabs > 0 && blocks_without_slabs(harness) <= harness->boot_free_blocks) {
        harness_fail(harness, CHECK_WHOLE, "all is free, but %llu frames of slabs are left",
                     (unsigned long long)slabs);
    }
}
