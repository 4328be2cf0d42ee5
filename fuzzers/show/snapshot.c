/* SPDX-License-Identifier: MIT */
#include "fuzzers/show/snapshot.h"

#include "fuzzers/harness_internal.h"

enum { VIEWS_MAX = 1 << 16 /* lookups: a broken map might go on for ever */ };

static enum look look_of_type(enum migratetype type)
{
    static const enum look looks[MIGRATETYPES] = {
        [MIGRATE_UNMOVABLE] = LOOK_UNMOVABLE,
        [MIGRATE_MOVABLE] = LOOK_MOVABLE,
        [MIGRATE_RECLAIMABLE] = LOOK_RECLAIMABLE,
    };
    return (unsigned)type < MIGRATETYPES ? looks[type] : LOOK_UNMOVABLE;
}

static enum look look_of_free(uint8_t kind)
{
    switch (model_kind_class(kind)) {
    case FRAME_UNACCEPTED:
        return LOOK_UNACCEPTED;
    case FRAME_CMA:
        return LOOK_CMA;
    default:
        return LOOK_FREE;
    }
}

/* The span of a block that the harness holds, a run of its, or a block that a CPU keeps. */
static void describe_used(const struct harness *harness, pfn_t pfn, struct shown_span *span)
{
    const struct model *model = &harness->model;
    uint32_t owner = model_owner(model, pfn);
    span->flags = model_has_failed(model, pfn, span->frames) ? SHOWN_FAILED : 0;
    if (owner >= HARNESS_CONTIG_OWNER) {
        span->owner = owner - HARNESS_CONTIG_OWNER;
        span->look = LOOK_RUN;
        return;
    }
    const struct subject_cached *kept = harness_kept_at(harness, pfn);
    if (owner >= HARNESS_KEPT_OWNER && kept != NULL) {
        span->pfn = kept->pfn;
        span->frames = order_frames(kept->order);
        span->order = (uint8_t)kept->order;
        span->look = LOOK_KEPT;
        return;
    }
    const struct harness_block *block = &harness->blocks[owner];
    span->owner = owner;
    span->order = (uint8_t)block->block.order;
    span->look = (uint8_t)look_of_type(block->migratetype);
    if (block->type != MEMDESC_NONE) {
        span->look = LOOK_OWNED;
        span->type = (uint8_t)block->type;
    }
    span->flags |= block->refs > 0 ? SHOWN_REFERRED : 0;
    span->flags |= block->ended ? SHOWN_ENDED : 0;
}

/* The boot's metadata lies in a row, and slabs may lie beside it. */
static void describe_metadata(const struct harness *harness, pfn_t pfn, struct shown_span *span)
{
    pfn_t boot = harness->boot_metadata_start;
    pfn_t end = boot + harness->boot_metadata_frames;
    pfn_t border = pfn < boot ? boot : end;
    span->look = pfn >= boot && pfn < end ? LOOK_BOOT : LOOK_SLAB;
    if (pfn < border && border - pfn < span->frames) {
        span->frames = border - pfn;
    }
}

/* What is at @pfn, of a zone that is there. Return: whether it goes on with what is before it. */
static bool describe(const struct harness *harness, pfn_t pfn, struct shown_span *span)
{
    const struct model *model = &harness->model;
    pfn_t start;
    order_t order;
    *span =
        (struct shown_span){.pfn = pfn, .frames = model_alike(model, pfn), .order = SHOWN_NO_ORDER};
    switch (model_use(model, pfn)) {
    case USE_FREE:
        model_free_block(model, pfn, &start, &order);
        span->pfn = start;
        span->frames = order_frames(order);
        span->order = (uint8_t)order;
        span->look = (uint8_t)look_of_free(model_frame_kind(model, pfn));
        return false;
    case USE_ALLOCATED:
        describe_used(harness, pfn, span);
        return span->look != LOOK_KEPT;
    case USE_METADATA:
        describe_metadata(harness, pfn, span);
        return true;
    case USE_POISONED:
        span->look = LOOK_POISONED;
        return true;
    default:
        span->look = LOOK_HOLE;
        return true;
    }
}

static void add_hole(struct span_list *list, pfn_t pfn, uint64_t frames)
{
    const struct shown_span hole = {
        .pfn = pfn, .frames = frames, .look = LOOK_HOLE, .order = SHOWN_NO_ORDER};
    if (frames > 0) {
        span_list_add(list, &hole, true);
    }
}

/* Adds what is at the frames of @range from @pfn on. Return: the first frame behind that: a block
 * may lie in two ranges of a zone. */
static pfn_t add_range(const struct harness *harness, const struct range *range, pfn_t pfn,
                       struct span_list *list)
{
    pfn_t end = range->start + range->frames;
    if (!model_has_zone(&harness->model, range->zone)) {
        add_hole(list, pfn, end - pfn);
        return end;
    }
    while (pfn < end) {
        struct shown_span span;
        bool joins = describe(harness, pfn, &span);
        span_list_add(list, &span, joins);
        pfn = span.pfn + span.frames;
    }
    return pfn;
}

void snapshot_spans(struct harness *harness, struct span_list *list)
{
    const struct boot_map *map = &harness->model.map;
    pfn_t end = map->ranges[0].start;
    list->count = 0;
    harness_kept_mark(harness);
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        if (range->start > end) {
            add_hole(list, end, range->start - end);
            end = range->start;
        }
        end = add_range(harness, range, end, list);
    }
    harness_kept_unmark(harness);
}

/* Appends the counts of one zone and class that are not 0 on both sides. */
static uint32_t add_counts(const struct harness *harness, zone_id_t zone, enum frame_class class,
                           const uint64_t *actual, struct shown_count *counts, uint32_t room)
{
    const struct model *model = &harness->model;
    const uint64_t *due = model->blocks[model_kind(zone, class)];
    uint32_t used = 0;
    for (order_t order = 0; order < model->orders && used < room; order++) {
        uint64_t told = actual == NULL ? 0 : actual[order];
        if (due[order] != 0 || told != 0) {
            counts[used++] = (struct shown_count){.zone = (uint8_t)zone,
                                                  .class = (uint8_t) class,
                                                  .order = (uint8_t)order,
                                                  .known = actual != NULL,
                                                  .model = due[order],
                                                  .subject = told};
        }
    }
    return used;
}

uint32_t snapshot_counts(struct harness *harness, struct shown_count *counts, uint32_t room)
{
    const struct subject *subject = harness->subject;
    bool counted = (subject->capabilities & SUBJECT_COUNTERS) != 0;
    uint32_t used = 0;
    harness_kept_mark(harness);
    for (zone_id_t zone = 0; zone < harness->model.map.zones_count; zone++) {
        struct subject_blocks blocks;
        if (counted) {
            subject_count_blocks(subject, harness->instance, zone, harness->model.orders, &blocks);
        }
        const uint64_t *actual[FRAME_CLASSES] = {[FRAME_ACCEPTED] = blocks.accepted,
                                                 [FRAME_UNACCEPTED] = blocks.unaccepted,
                                                 [FRAME_CMA] = blocks.cma};
        for (unsigned class = 0; class < FRAME_CLASSES; class ++) {
            used += add_counts(harness, zone, (enum frame_class) class,
                               counted ? actual[class] : NULL, counts + used, room - used);
        }
    }
    harness_kept_unmark(harness);
    return used;
}

void snapshot_numbers(struct harness *harness, uint64_t numbers[SHOWN_NUMBERS])
{
    const struct model *model = &harness->model;
    struct subject_stats stats = {0};
    if ((harness->subject->capabilities & SUBJECT_COUNTERS) != 0) {
        harness->subject->stats(harness->instance, &stats);
    }
    harness_kept_mark(harness);
    numbers[NUMBER_FREE] = 0;
    for (unsigned kind = 0; kind < MODEL_KINDS; kind++) {
        numbers[NUMBER_FREE] += model->free_frames[kind];
    }
    numbers[NUMBER_HELD] = harness->blocks_used + harness->contig_parts;
    numbers[NUMBER_METADATA] = model->metadata_frames;
    numbers[NUMBER_SLABS] = stats.slabs;
    numbers[NUMBER_OBJECTS] = stats.cache_objects_live;
    numbers[NUMBER_SPARE] = stats.descriptors_spare;
    numbers[NUMBER_KEPT] = harness->cpus.kept_count;
    numbers[NUMBER_POISONED] = model->poisoned_frames;
    numbers[NUMBER_FAULTS] = harness->fault.fired;
    numbers[NUMBER_LIVE] = stats.descriptors_live;
    numbers[NUMBER_LIVE_DUE] = model->free_blocks + harness->blocks_used + harness->contig_parts +
                               stats.slabs + model->poisoned_frames + stats.descriptors_reserved +
                               harness->cpus.kept_count + stats.descriptors_kept;
    harness_kept_unmark(harness);
}

/* The span that a lookup tells. */
static struct shown_span span_told(const struct memdesc_info *info)
{
    struct shown_span span = {.pfn = info->pfn, .frames = info->frames, .order = SHOWN_NO_ORDER};
    bool block = info->frames > 0 && (info->frames & (info->frames - 1)) == 0;
    span.flags = info->flawed ? SHOWN_FAILED : 0;
    switch (info->type) {
    case MEMDESC_BUDDY_FREE:
        span.look = info->unaccepted                   ? LOOK_UNACCEPTED
                    : info->migratetype == MIGRATE_CMA ? LOOK_CMA
                                                       : LOOK_FREE;
        break;
    case MEMDESC_BUDDY_ALLOCATED:
        span.look = (uint8_t)look_of_type(info->migratetype);
        break;
    case MEMDESC_RESERVED:
        span.look = LOOK_BOOT;
        return span;
    case MEMDESC_SLAB:
        span.look = LOOK_SLAB;
        return span;
    case MEMDESC_POISONED:
        span.look = LOOK_POISONED;
        return span;
    default:
        span.look = LOOK_OWNED;
        span.type = (uint8_t)info->type;
        break;
    }
    span.order = block ? (uint8_t)__builtin_ctzll(info->frames) : SHOWN_NO_ORDER;
    return span;
}

static bool is_metadata(uint8_t look)
{
    return look == LOOK_SLAB || look == LOOK_BOOT || look == LOOK_HOLE || look == LOOK_POISONED;
}

/* Whether the model's span around what is @told says the same, as far as a lookup can tell. */
static bool agrees(const struct shown_span *told, const struct shown_span *known)
{
    if (known->look == LOOK_RUN) {
        return !is_metadata(told->look) && told->look >= LOOK_UNMOVABLE;
    }
    if (known->look == LOOK_KEPT) { /* lookups find plain blocks in use */
        return told->pfn == known->pfn && told->frames == known->frames;
    }
    if (is_metadata(known->look)) {
        return told->look == known->look;
    }
    return told->look == known->look && told->pfn == known->pfn && told->frames == known->frames;
}

void snapshot_views(struct harness *harness, struct span_list *views)
{
    struct span_list spans = {0};
    unsigned lookups = 0;
    views->count = 0;
    if ((harness->subject->capabilities & SUBJECT_LOOKUP) == 0) {
        return;
    }
    snapshot_spans(harness, &spans);
    for (uint32_t i = 0; i < spans.count; i++) {
        const struct shown_span *known = &spans.spans[i];
        pfn_t end = known->pfn + known->frames;
        pfn_t next;
        for (pfn_t pfn = known->pfn; pfn < end && lookups < VIEWS_MAX; pfn = next) {
            struct memdesc_info info = {0};
            struct shown_span told = {
                .pfn = pfn, .frames = end - pfn, .look = LOOK_HOLE, .order = SHOWN_NO_ORDER};
            lookups++;
            if (harness->subject->lookup(harness->instance, pfn, &info)) {
                told = span_told(&info);
            }
            bool around = pfn - told.pfn < told.frames;
            next = around ? told.pfn + told.frames : pfn + 1;
            if (!agrees(&told, known)) {
                told.frames = around ? next - pfn : 1;
                told.pfn = pfn;
                span_list_add(views, &told, false);
            }
        }
    }
    span_list_free(&spans);
}
