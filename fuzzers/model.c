/* SPDX-License-Identifier: MIT */
#include "fuzzers/model.h"

#include <stdlib.h>
#include <string.h>

static uint64_t index_at(const struct model *model, pfn_t pfn, order_t order)
{
    return (pfn >> order) - (model->start >> order);
}

static uint64_t entries_at(const struct model *model, order_t order)
{
    return index_at(model, model->start + model->frames - 1, order) + 1;
}

/* All arrays together: an entry for each frame, and for each aligned block that touches the span.
 */
static size_t bytes_needed(const struct model *model)
{
    size_t bytes = model->frames * (sizeof(*model->owner) + 3);
    for (order_t order = 0; order < model->orders; order++) {
        bytes += entries_at(model, order);
    }
    return bytes;
}

/* Cuts the arrays out of model->memory, the widest entries first. */
static void lay_out(struct model *model)
{
    uint8_t *at = model->memory;
    model->owner = (void *)at;
    at += model->frames * sizeof(*model->owner);
    model->use = at;
    at += model->frames;
    model->kind = at;
    at += model->frames;
    model->failed = at;
    at += model->frames;
    for (order_t order = 0; order < model->orders; order++) {
        model->whole[order] = at;
        at += entries_at(model, order);
    }
}

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 31) * 0x9e3779b97f4a7c15U;
    return value ^ value >> 29;
}

static void count_block(struct model *model, uint8_t kind, order_t order, uint64_t index, bool is)
{
    uint64_t hash = mix((index << 8 | order) * MODEL_KINDS + kind);
    model->blocks[kind][order] += is ? 1 : ~(uint64_t)0;
    model->free_blocks += is ? 1 : ~(uint64_t)0;
    model->hash += is ? hash : ~hash + 1;
}

/* memset() for arrays that are mostly tiny: under a sanitizer a call costs more than they do. */
static void set_bytes(uint8_t *at, uint8_t value, uint64_t count)
{
    if (count > 32) {
        memset(at, value, count);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        at[i] = value;
    }
}

static void fill(struct model *model, pfn_t pfn, order_t order, uint8_t kind)
{
    for (order_t k = 0; k <= order; k++) {
        set_bytes(model->whole[k] + index_at(model, pfn, k), kind, (uint64_t)1 << (order - k));
    }
}

/* A block none of whose frames is free becomes free, of @kind. */
static void make_free(struct model *model, pfn_t pfn, order_t order, uint8_t kind)
{
    fill(model, pfn, order, kind);
    model->free_frames[kind] += (uint64_t)1 << order;
    uint64_t index = pfn >> order;
    order_t k = order;
    count_block(model, kind, k, index, true);
    while (k + 1 < model->orders) {
        pfn_t beside = (index ^ 1) << k;
        bool inside =
            beside >= model->start && beside + ((uint64_t)1 << k) <= model->start + model->frames;
        if (!inside || model->whole[k][index_at(model, beside, k)] != kind) {
            break;
        }
        count_block(model, kind, k, index, false);
        count_block(model, kind, k, index ^ 1, false);
        index >>= 1;
        k++;
        model->whole[k][index_at(model, index << k, k)] = kind;
        count_block(model, kind, k, index, true);
    }
}

/* A block that is free becomes used. */
static void make_used(struct model *model, pfn_t pfn, order_t order)
{
    uint8_t kind = model->whole[order][index_at(model, pfn, order)];
    order_t top = order;
    while (top + 1 < model->orders && model->whole[top + 1][index_at(model, pfn, top + 1)] != 0) {
        top++;
    }
    count_block(model, kind, top, pfn >> top, false);
    for (order_t k = top; k > order; k--) {
        model->whole[k][index_at(model, pfn, k)] = 0;
        count_block(model, kind, k - 1, (pfn >> (k - 1)) ^ 1, true);
    }
    fill(model, pfn, order, 0);
    model->free_frames[kind] -= (uint64_t)1 << order;
}

bool model_open(struct model *model, const struct boot_map *map)
{
    const struct range *last = &map->ranges[map->ranges_count - 1];
    void *memory = model->memory;
    size_t room = model->bytes;
    *model = (struct model){.map = *map, .start = map->ranges[0].start};
    model->frames = last->start + last->frames - model->start;
    while (model->orders < ORDERS && (uint64_t)1 << model->orders <= model->frames) {
        model->orders++;
    }
    size_t bytes = bytes_needed(model);
    if (bytes > room) {
        free(memory);
        memory = malloc(bytes);
        room = memory == NULL ? 0 : bytes;
    }
    model->memory = memory;
    model->bytes = room;
    if (memory == NULL) {
        return false;
    }
    lay_out(model);
    memset(memory, 0, bytes);
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        enum frame_class class = range->unaccepted ? FRAME_UNACCEPTED
                                 : range->cma      ? FRAME_CMA
                                                   : FRAME_ACCEPTED;
        uint8_t kind = model_kind(range->zone, class);
        memset(model->use + (range->start - model->start), USE_FREE, range->frames);
        memset(model->kind + (range->start - model->start), kind, range->frames);
        pfn_t pfn = range->start;
        while (pfn < range->start + range->frames) {
            order_t order = 0;
            while (order + 1 < model->orders && pfn % ((uint64_t)2 << order) == 0 &&
                   pfn + ((uint64_t)2 << order) <= range->start + range->frames) {
                order++;
            }
            make_free(model, pfn, order, kind);
            pfn += (uint64_t)1 << order;
        }
    }
    return true;
}

void model_close(struct model *model)
{
    free(model->memory);
    *model = (struct model){0};
}

bool model_is_free(const struct model *model, pfn_t pfn, order_t order)
{
    return order < model->orders && pfn % ((uint64_t)1 << order) == 0 && pfn >= model->start &&
           pfn + ((uint64_t)1 << order) <= model->start + model->frames &&
           model->whole[order][index_at(model, pfn, order)] != 0;
}

void model_set_owner(struct model *model, pfn_t pfn, order_t order, uint32_t owner)
{
    for (uint64_t i = 0; i < (uint64_t)1 << order; i++) {
        model->owner[pfn - model->start + i] = owner;
    }
}

void model_allocate(struct model *model, pfn_t pfn, order_t order, uint32_t owner)
{
    make_used(model, pfn, order);
    set_bytes(model->use + (pfn - model->start), USE_ALLOCATED, (uint64_t)1 << order);
    model_set_owner(model, pfn, order, owner);
}

/* A value of its own for each frame and thing that is true of it, for the hash. */
static uint64_t frame_hash(pfn_t pfn, uint64_t what)
{
    return mix(mix(pfn) + what);
}

static void set_poisoned(struct model *model, pfn_t pfn)
{
    model->use[pfn - model->start] = USE_POISONED;
    model->poisoned_frames++;
    model->hash += frame_hash(pfn, USE_POISONED);
}

static void set_failed(struct model *model, pfn_t pfn, bool failed)
{
    uint64_t hash = frame_hash(pfn, USE_ALLOCATED);
    model->failed[pfn - model->start] = failed ? 1 : 0;
    model->failed_frames += failed ? 1 : ~(uint64_t)0;
    model->hash += failed ? hash : ~hash + 1;
}

/* One frame in use becomes free, or poisoned. */
static void release_frame(struct model *model, pfn_t pfn)
{
    if (model_has_failed(model, pfn, 1)) {
        set_failed(model, pfn, false);
        set_poisoned(model, pfn);
        return;
    }
    model->use[pfn - model->start] = USE_FREE;
    make_free(model, pfn, 0, model_frame_kind(model, pfn));
}

void model_fail(struct model *model, pfn_t pfn)
{
    if (model->use[pfn - model->start] == USE_FREE) {
        make_used(model, pfn, 0);
        set_poisoned(model, pfn);
    } else {
        set_failed(model, pfn, true);
    }
}

void model_heal(struct model *model, pfn_t pfn)
{
    if (model->use[pfn - model->start] != USE_POISONED) {
        set_failed(model, pfn, false);
        return;
    }
    model->use[pfn - model->start] = USE_FREE;
    model->poisoned_frames--;
    model->hash -= frame_hash(pfn, USE_POISONED);
    make_free(model, pfn, 0, model_frame_kind(model, pfn));
}

bool model_has_failed(const struct model *model, pfn_t pfn, uint64_t frames)
{
    /* Most programs have none, and blocks are large. */
    return model->failed_frames > 0 &&
           memchr(model->failed + (pfn - model->start), 1, frames) != NULL;
}

void model_release(struct model *model, pfn_t pfn, order_t order)
{
    uint64_t frames = (uint64_t)1 << order;
    if (model_has_failed(model, pfn, frames)) {
        for (uint64_t i = 0; i < frames; i++) {
            release_frame(model, pfn + i);
        }
        return;
    }
    set_bytes(model->use + (pfn - model->start), USE_FREE, (uint64_t)1 << order);
    make_free(model, pfn, order, model_frame_kind(model, pfn));
}

void model_expose(struct model *model, pfn_t pfn)
{
    make_used(model, pfn, 0);
    model->use[pfn - model->start] = USE_METADATA;
    model->metadata_frames++;
    model->hash += frame_hash(pfn, 0);
}

void model_conceal(struct model *model, pfn_t pfn)
{
    model->metadata_frames--;
    model->hash -= frame_hash(pfn, 0);
    release_frame(model, pfn);
}

void model_accept(struct model *model, pfn_t pfn)
{
    uint8_t kind = model_kind(model_kind_zone(model_frame_kind(model, pfn)), FRAME_ACCEPTED);
    make_used(model, pfn, 0);
    model->kind[pfn - model->start] = kind;
    model->accepted++;
    make_free(model, pfn, 0, kind);
}

enum model_use model_use(const struct model *model, pfn_t pfn)
{
    bool inside = pfn - model->start < model->frames;
    return inside ? (enum model_use)model->use[pfn - model->start] : USE_HOLE;
}

bool model_has_run(const struct model *model, const struct model_run *run,
                   bool (*serves)(const void *context, pfn_t pfn), const void *context)
{
    uint64_t step = (uint64_t)1 << run->align;
    uint64_t length = 0; /* of the run that has begun at a multiple of the alignment */
    for (pfn_t pfn = model->start; pfn < model->start + model->frames; pfn++) {
        bool fits = pfn >= run->low && pfn < run->high && serves(context, pfn);
        bool begins = length > 0 || pfn % step == 0;
        length = fits && begins ? length + 1 : 0;
        if (length == run->units) {
            return true;
        }
    }
    return false;
}

void model_free_block(const struct model *model, pfn_t pfn, pfn_t *start, order_t *order)
{
    order_t top = 0;
    while (top + 1 < model->orders && model->whole[top + 1][index_at(model, pfn, top + 1)] != 0) {
        top++;
    }
    *order = top;
    *start = pfn >> top << top;
}

order_t model_smallest(const struct model *model, uint8_t kind, order_t order)
{
    while (order < model->orders && model->blocks[kind][order] == 0) {
        order++;
    }
    return order < model->orders ? order : ORDERS;
}
