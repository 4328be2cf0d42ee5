/* SPDX-License-Identifier: MIT */
#include "fuzzers/model.h"

#include <stdio.h>
#include <stdlib.h>

/*  31                                   8 7       5 4        0
 * | owner: number of the allocated block | use     | kind     |   the word of a frame
 */
enum { KIND_BITS = 5, USE_BITS = 3 };

_Static_assert(MODEL_KINDS <= 1 << KIND_BITS, "a word has room for each kind");
_Static_assert(USE_POISONED < 1 << USE_BITS, "a word has room for each use");
_Static_assert((uint64_t)MODEL_OWNERS << (KIND_BITS + USE_BITS) == (uint64_t)1 << 32,
               "the owner has the rest of the word");

static uint32_t word_make(enum model_use use, uint8_t kind, uint32_t owner)
{
    return owner << (KIND_BITS + USE_BITS) | (uint32_t)use << KIND_BITS | kind;
}

static uint32_t word_owner(uint32_t word)
{
    return word >> (KIND_BITS + USE_BITS);
}

static enum model_use word_use(uint32_t word)
{
    return (enum model_use)(word >> KIND_BITS & ((1U << USE_BITS) - 1));
}

static uint8_t word_kind(uint32_t word)
{
    return (uint8_t)(word & ((1U << KIND_BITS) - 1));
}

static uint32_t word_at(const struct model *model, pfn_t pfn)
{
    order_t order;
    return sparse_get(&model->facts, pfn, &order);
}

/* The order of the largest block that starts at @pfn and has at most @frames (> 0). */
static order_t order_within(pfn_t pfn, uint64_t frames)
{
    order_t order = 0;
    while (order + 1 < ORDERS && pfn % ((uint64_t)2 << order) == 0 &&
           (uint64_t)2 << order <= frames) {
        order++;
    }
    return order;
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

/* A block none of whose frames is free becomes free, of @kind. */
static void make_free(struct model *model, pfn_t pfn, order_t order, uint8_t kind)
{
    order_t top = sparse_set(&model->facts, pfn, order, word_make(USE_FREE, kind, 0));
    for (order_t k = order; k < top; k++) {
        count_block(model, kind, k, (pfn >> k) ^ 1, false);
    }
    count_block(model, kind, top, pfn >> top, true);
    model->free_frames[kind] += (uint64_t)1 << order;
}

/* A block that is free becomes used. */
static void make_used(struct model *model, pfn_t pfn, order_t order, enum model_use use,
                      uint32_t owner)
{
    order_t top;
    uint8_t kind = word_kind(sparse_get(&model->facts, pfn, &top));
    count_block(model, kind, top, pfn >> top, false);
    for (order_t k = top; k > order; k--) {
        count_block(model, kind, k - 1, (pfn >> (k - 1)) ^ 1, true);
    }
    sparse_set(&model->facts, pfn, order, word_make(use, kind, owner));
    model->free_frames[kind] -= (uint64_t)1 << order;
}

/* A value of its own for each frame and thing that is true of it, for the hash. */
static uint64_t frame_hash(pfn_t pfn, uint64_t what)
{
    return mix(mix(pfn) + what);
}

static void count_poisoned(struct model *model, pfn_t pfn)
{
    model->poisoned_frames++;
    model->hash += frame_hash(pfn, USE_POISONED);
}

static void uncount_poisoned(struct model *model, pfn_t pfn)
{
    model->poisoned_frames--;
    model->hash -= frame_hash(pfn, USE_POISONED);
}

bool model_open(struct model *model, const struct boot_map *map)
{
    const struct range *last = &map->ranges[map->ranges_count - 1];
    struct sparse facts = model->facts;
    pfn_t *failed = model->failed;
    uint64_t failed_room = model->failed_room;
    *model = (struct model){.map = *map, .start = map->ranges[0].start};
    model->frames = last->start + last->frames - model->start;
    model->failed = failed;
    model->failed_room = failed_room;
    while (model->orders < ORDERS && (uint64_t)1 << model->orders <= model->frames) {
        model->orders++;
    }
    bool opened = sparse_open(&facts, model->start, model->frames);
    model->facts = facts;
    for (zone_id_t zone = 0; opened && zone < map->zones_count; zone++) {
        if (!map->zones[zone].later) {
            model_add_zone(model, zone);
        }
    }
    return opened;
}

void model_add_zone(struct model *model, zone_id_t zone)
{
    model->zones |= 1U << zone;
    for (uint32_t i = 0; i < model->map.ranges_count; i++) {
        const struct range *range = &model->map.ranges[i];
        if (range->zone != zone) {
            continue;
        }
        enum frame_class class = range->unaccepted ? FRAME_UNACCEPTED
                                 : range->cma      ? FRAME_CMA
                                                   : FRAME_ACCEPTED;
        uint8_t kind = model_kind(range->zone, class);
        pfn_t end = range->start + range->frames;
        for (pfn_t pfn = range->start; pfn < end;) {
            order_t order = order_within(pfn, end - pfn);
            make_free(model, pfn, order, kind);
            pfn += (uint64_t)1 << order;
        }
    }
}

bool model_uses_zone(const struct model *model, zone_id_t zone)
{
    for (uint32_t i = 0; i < model->map.ranges_count; i++) {
        const struct range *range = &model->map.ranges[i];
        pfn_t end = range->start + range->frames;
        for (pfn_t pfn = range->start; range->zone == zone && pfn < end;) {
            enum model_use use = model_use(model, pfn);
            if (use != USE_FREE && use != USE_POISONED) {
                return true;
            }
            pfn += model_alike(model, pfn);
        }
    }
    return false;
}

void model_remove_zone(struct model *model, zone_id_t zone)
{
    model->zones &= ~(1U << zone);
    for (uint32_t i = 0; i < model->map.ranges_count; i++) {
        const struct range *range = &model->map.ranges[i];
        pfn_t end = range->start + range->frames;
        for (pfn_t pfn = range->start; range->zone == zone && pfn < end;) {
            uint64_t alike = model_alike(model, pfn);
            order_t order = order_within(pfn, alike < end - pfn ? alike : end - pfn);
            if (model_use(model, pfn) == USE_POISONED) {
                uncount_poisoned(model, pfn);
                order = 0;
                sparse_set(&model->facts, pfn, order,
                           word_make(USE_HOLE, model_frame_kind(model, pfn), 0));
            } else {
                make_used(model, pfn, order, USE_HOLE, 0);
            }
            pfn += (uint64_t)1 << order;
        }
    }
}

void model_close(struct model *model)
{
    sparse_close(&model->facts);
    free(model->failed);
    *model = (struct model){0};
}

/* Whether the @frames from @pfn on lie in the span. */
static bool is_inside(const struct model *model, pfn_t pfn, uint64_t frames)
{
    return pfn - model->start < model->frames && frames <= model->frames - (pfn - model->start);
}

bool model_is_free(const struct model *model, pfn_t pfn, order_t order)
{
    order_t around;
    if (order >= model->orders || pfn % ((uint64_t)1 << order) != 0 ||
        !is_inside(model, pfn, (uint64_t)1 << order)) {
        return false;
    }
    uint32_t word = sparse_get(&model->facts, pfn, &around);
    return word_use(word) == USE_FREE && around >= order;
}

void model_set_owner(struct model *model, pfn_t pfn, order_t order, uint32_t owner)
{
    uint8_t kind = model_frame_kind(model, pfn);
    sparse_set(&model->facts, pfn, order, word_make(USE_ALLOCATED, kind, owner));
}

void model_allocate(struct model *model, pfn_t pfn, order_t order, uint32_t owner)
{
    make_used(model, pfn, order, USE_ALLOCATED, owner);
}

static void add_failed(struct model *model, pfn_t pfn)
{
    if (model->failed_frames == model->failed_room) {
        model->failed_room = model->failed_room == 0 ? 64 : 2 * model->failed_room;
        model->failed = realloc(model->failed, model->failed_room * sizeof(*model->failed));
        if (model->failed == NULL) {
            fprintf(stderr, "potad: no memory for a model of so many failed frames\n");
            abort();
        }
    }
    model->failed[model->failed_frames++] = pfn;
    model->hash += frame_hash(pfn, USE_ALLOCATED);
}

/* Context: @pfn is one of them. */
static void remove_failed(struct model *model, pfn_t pfn)
{
    uint64_t at = 0;
    while (model->failed[at] != pfn) {
        at++;
    }
    model->failed[at] = model->failed[--model->failed_frames];
    model->hash -= frame_hash(pfn, USE_ALLOCATED);
}

void model_fail(struct model *model, pfn_t pfn)
{
    if (model_use(model, pfn) == USE_FREE) {
        make_used(model, pfn, 0, USE_POISONED, 0);
        count_poisoned(model, pfn);
    } else {
        add_failed(model, pfn);
    }
}

void model_heal(struct model *model, pfn_t pfn)
{
    if (model_use(model, pfn) != USE_POISONED) {
        remove_failed(model, pfn);
        return;
    }
    uncount_poisoned(model, pfn);
    make_free(model, pfn, 0, model_frame_kind(model, pfn));
}

bool model_has_failed(const struct model *model, pfn_t pfn, uint64_t frames)
{
    for (uint64_t i = 0; i < model->failed_frames; i++) {
        if (model->failed[i] - pfn < frames) {
            return true;
        }
    }
    return false;
}

/* Frames in use, all of one kind, become free, or poisoned. */
static void release(struct model *model, pfn_t pfn, uint64_t frames)
{
    uint8_t kind = model_frame_kind(model, pfn);
    pfn_t end = pfn + frames;
    while (pfn < end) {
        order_t order = order_within(pfn, end - pfn);
        while (order > 0 && model_has_failed(model, pfn, (uint64_t)1 << order)) {
            order--;
        }
        if (model_has_failed(model, pfn, (uint64_t)1 << order)) {
            remove_failed(model, pfn);
            sparse_set(&model->facts, pfn, 0, word_make(USE_POISONED, kind, 0));
            count_poisoned(model, pfn);
        } else {
            make_free(model, pfn, order, kind);
        }
        pfn += (uint64_t)1 << order;
    }
}

void model_release(struct model *model, pfn_t pfn, order_t order)
{
    release(model, pfn, (uint64_t)1 << order);
}

void model_expose(struct model *model, pfn_t pfn, uint64_t frames)
{
    pfn_t end = pfn + frames;
    for (pfn_t at = pfn; at < end;) {
        order_t order = order_within(at, end - at);
        make_used(model, at, order, USE_METADATA, 0);
        at += (uint64_t)1 << order;
    }
    for (pfn_t at = pfn; at < end; at++) {
        model->hash += frame_hash(at, 0);
    }
    model->metadata_frames += frames;
}

void model_conceal(struct model *model, pfn_t pfn, uint64_t frames)
{
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        model->hash -= frame_hash(at, 0);
    }
    model->metadata_frames -= frames;
    release(model, pfn, frames);
}

void model_accept(struct model *model, pfn_t pfn, uint64_t frames)
{
    uint8_t kind = model_kind(model_kind_zone(model_frame_kind(model, pfn)), FRAME_ACCEPTED);
    pfn_t end = pfn + frames;
    for (pfn_t at = pfn; at < end;) {
        order_t order = order_within(at, end - at);
        make_used(model, at, order, USE_ALLOCATED, 0);
        make_free(model, at, order, kind);
        at += (uint64_t)1 << order;
    }
    model->accepted += frames;
}

enum model_use model_use(const struct model *model, pfn_t pfn)
{
    return is_inside(model, pfn, 1) ? word_use(word_at(model, pfn)) : USE_HOLE;
}

uint8_t model_frame_kind(const struct model *model, pfn_t pfn)
{
    uint32_t word = word_at(model, pfn);
    return word_use(word) == USE_HOLE ? 0 : word_kind(word);
}

uint32_t model_owner(const struct model *model, pfn_t pfn)
{
    return word_owner(word_at(model, pfn));
}

uint64_t model_alike(const struct model *model, pfn_t pfn)
{
    order_t order;
    sparse_get(&model->facts, pfn, &order);
    return ((uint64_t)1 << order) - pfn % ((uint64_t)1 << order);
}

pfn_t model_next(const struct model *model, pfn_t pfn, enum model_use use)
{
    for (uint32_t i = 0; i < model->map.ranges_count; i++) {
        const struct range *range = &model->map.ranges[i];
        pfn_t at = pfn < range->start ? range->start : pfn;
        while (at < range->start + range->frames) {
            if (model_use(model, at) == use) {
                return at;
            }
            at += model_alike(model, at);
        }
    }
    return model->start + model->frames;
}

bool model_has_run(const struct model *model, const struct model_run *run,
                   bool (*serves)(const void *context, pfn_t pfn), const void *context)
{
    pfn_t mask = ((pfn_t)1 << run->align) - 1;
    pfn_t first = 0; /* of the frames in a row that do, and that the alignment leaves */
    pfn_t end = 0;   /* behind them */
    uint64_t alike;
    for (pfn_t pfn = model->start; pfn < model->start + model->frames; pfn += alike) {
        alike = model_alike(model, pfn);
        pfn_t low = pfn > run->low ? pfn : run->low;
        pfn_t high = pfn + alike < run->high ? pfn + alike : run->high;
        if (low >= high || !serves(context, pfn)) {
            continue;
        }
        first = low == end ? first : (low + mask) & ~mask;
        end = high;
        if (first < end && end - first >= run->units) {
            return true;
        }
    }
    return false;
}

void model_free_block(const struct model *model, pfn_t pfn, pfn_t *start, order_t *order)
{
    sparse_get(&model->facts, pfn, order);
    *start = pfn >> *order << *order;
}

order_t model_smallest(const struct model *model, uint8_t kind, order_t order)
{
    while (order < model->orders && model->blocks[kind][order] == 0) {
        order++;
    }
    return order < model->orders ? order : ORDERS;
}
