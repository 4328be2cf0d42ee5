/* SPDX-License-Identifier: MIT
 *
 * harness.c: operations on subject and model. harness_port.c has the port's side.
 */
#include "fuzzers/harness.h"

#include "fuzzers/harness_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SMALL_FRAMES = 1 << 14 /* maps that end here share their simulated memory */ };

void harness_fail(struct harness *harness, enum check check, const char *format, ...)
{
    if (harness_violated(harness)) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(harness->report.detail, sizeof(harness->report.detail), format, arguments);
    va_end(arguments);
    harness->report.name = check_name(check);
    harness->report.sentence = check_sentence(check);
    harness_say_violated(harness);
}

/* Zeroed memory on a page border, of which only touched pages cost anything. */
static void *map_zeroed(size_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) {
        fprintf(stderr, "potad: no memory for %zu bytes of harness\n", bytes);
        abort();
    }
    return memory;
}

void harness_init(struct harness *harness, const struct subject *subject, uint32_t blocks)
{
    *harness = (struct harness){.subject = subject, .blocks_count = blocks};
    harness->instance = map_zeroed(subject->instance_bytes);
    harness->blocks = map_zeroed(blocks * sizeof(*harness->blocks));
    harness->spaces.blocks = map_zeroed(blocks * sizeof(*harness->spaces.blocks));
}

static void harness_shut(struct harness *harness)
{
    if (harness->opened) {
        harness->subject->close(harness->instance);
        harness->opened = false;
    }
}

void harness_close(struct harness *harness)
{
    harness_shut(harness);
    simmem_watch(NULL);
    simmem_close(&harness->mem);
    model_close(&harness->model);
    harness_range_free(&harness->range);
    harness_space_close(&harness->spaces);
    free(harness->cpus.kept);
    munmap(harness->instance, harness->subject->instance_bytes);
    munmap(harness->blocks, harness->blocks_count * sizeof(*harness->blocks));
    munmap(harness->spaces.blocks, harness->blocks_count * sizeof(*harness->spaces.blocks));
    *harness = (struct harness){0};
}

/* Simulated memory for @map: that of the last boot, where it has the frames. Small maps all get the
 * same, so that a fuzzer's cases need no new address space each. */
static bool prepare_memory(struct harness *harness, const struct boot_map *map)
{
    const struct range *last = &map->ranges[map->ranges_count - 1];
    struct simmem *mem = &harness->mem;
    pfn_t start = map->ranges[0].start;
    pfn_t end = last->start + last->frames;
    if (mem->base != NULL && start >= mem->start && end <= mem->start + mem->frames) {
        simmem_reset(mem);
        return true;
    }
    struct boot_map span = {.ranges_count = 1, .ranges = {{.start = start, .frames = end - start}}};
    if (end <= SMALL_FRAMES) {
        span.ranges[0] = (struct range){.start = 0, .frames = SMALL_FRAMES};
    }
    simmem_close(mem);
    return simmem_open(mem, &span);
}

/* Whether the model agrees that @map has no range for a frame table and boot descriptors. */
static bool map_is_too_small(const struct subject *subject, const struct boot_map *map)
{
    const struct range *last = &map->ranges[map->ranges_count - 1];
    uint64_t span = last->start + last->frames - map->ranges[0].start;
    /* Generous: a word a frame, half a word for its pageblock, and a page of descriptors for each
     * range. */
    uint64_t most = span / (FRAME_SIZE / sizeof(uint64_t)) + 1 + map->ranges_count +
                    span / (FRAME_SIZE / 4) + 1 + subject->slack_frames * map->zones_count;
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        if (range_holds_metadata(map, range) && range->frames >= most) {
            return false;
        }
    }
    return true;
}

/* What the subject is shown of @asked: one without acceptance sees no unaccepted memory, one
 * without zones that differ sees none but in whether they may hold metadata, and to one whose zones
 * do not come and go all are there at boot. */
static struct boot_map visible_map(const struct subject *subject, const struct boot_map *asked)
{
    struct boot_map map = *asked;
    for (uint32_t i = 0; i < map.ranges_count; i++) {
        map.ranges[i].unaccepted =
            asked->ranges[i].unaccepted && (subject->capabilities & SUBJECT_UNACCEPTED) != 0;
        map.ranges[i].cma = asked->ranges[i].cma && (subject->capabilities & SUBJECT_ZONES) != 0;
    }
    for (uint32_t i = 0; (subject->capabilities & SUBJECT_ZONES) == 0 && i < map.zones_count; i++) {
        enum zone_class seen = map.zones[i].zone_class;
        map.zones[i] = (struct zone_config){
            .zone_class = seen == ZONE_MOVABLE ? ZONE_HIGHMEM : seen,
            .later = map.zones[i].later,
        };
    }
    for (uint32_t i = 0; i < map.zones_count; i++) {
        map.zones[i].later = map.zones[i].later && (subject->capabilities & SUBJECT_HOTPLUG) != 0;
    }
    return map;
}

bool harness_boot(struct harness *harness, const struct boot_map *asked)
{
    const struct boot_map visible = visible_map(harness->subject, asked);
    const struct boot_map *map = &visible;
    harness_shut(harness);
    harness->report.name = NULL;
    fault_disarm(&harness->fault);
    harness->freeing = false;
    harness->operations = 0;
    harness_range_reset(&harness->range);
    harness_space_reset(&harness->spaces);
    harness->blocks_used = 0;
    harness->blocks_end = 0;
    memset(harness->contigs, 0, sizeof(harness->contigs));
    harness->contig_parts = 0;
    harness->moving = 0;
    harness->exposed = 0;
    harness_refs_reset(harness);
    harness_cpus_reset(harness);
    if (!prepare_memory(harness, map) || !model_open(&harness->model, map)) {
        const struct range *last = &map->ranges[map->ranges_count - 1];
        uint64_t span = last->start + last->frames - map->ranges[0].start;
        fprintf(stderr, "potad: no address space for %llu frames\n", (unsigned long long)span);
        abort();
    }
    harness_port_init(harness);
    simmem_watch(&harness->mem);
    memset(harness->instance, 0, harness->subject->instance_bytes);
    enum status status = harness->subject->open(harness->instance, &harness->port, map);
    harness->opened = status == STATUS_OK;
    if (!harness->opened &&
        (status != STATUS_NO_MEMORY || !map_is_too_small(harness->subject, map))) {
        harness_fail(harness, CHECK_STATUS, "boot answers %d on a map with room", (int)status);
    }
    if (harness->opened) {
        harness_watch(harness);
        harness_settle(harness);
        harness->boot_metadata_frames = harness->model.metadata_frames;
        harness->boot_free_blocks = harness->model.free_blocks;
        harness->boot_hash = harness_state_hash(harness);
        harness_cpus_boot(harness);
    }
    return harness->opened && !harness_violated(harness);
}

/* Compares the counts of free blocks of one zone and class (F5, F6). */
static void settle_class(struct harness *harness, zone_id_t zone, enum frame_class class,
                         const uint64_t *actual)
{
    static const char *const names[FRAME_CLASSES] = {"", " unaccepted", " cma"};
    const struct model *model = &harness->model;
    const uint64_t *expected = model->blocks[model_kind(zone, class)];
    for (order_t order = 0; order < model->orders; order++) {
        if (actual[order] != expected[order]) {
            harness_fail(harness, CHECK_COALESCING,
                         "zone %u%s, order %u: %llu free blocks, %llu expected", zone, names[class],
                         order, (unsigned long long)actual[order],
                         (unsigned long long)expected[order]);
            return;
        }
    }
}

void harness_settle(struct harness *harness)
{
    const struct subject *subject = harness->subject;
    const struct model *model = &harness->model;
    if ((subject->capabilities & SUBJECT_COUNTERS) == 0 || harness_violated(harness)) {
        return;
    }
    harness_kept_mark(harness);
    for (zone_id_t zone = 0; zone < model->map.zones_count && !harness_violated(harness); zone++) {
        struct subject_blocks blocks;
        subject_count_blocks(subject, harness->instance, zone, model->orders, &blocks);
        settle_class(harness, zone, FRAME_ACCEPTED, blocks.accepted);
        settle_class(harness, zone, FRAME_UNACCEPTED, blocks.unaccepted);
        settle_class(harness, zone, FRAME_CMA, blocks.cma);
    }
    struct subject_stats stats;
    subject->stats(harness->instance, &stats);
    uint64_t expected = model->free_blocks + harness->blocks_used + harness->contig_parts +
                        stats.slabs + model->poisoned_frames + stats.descriptors_reserved +
                        harness->cpus.kept_count + stats.descriptors_kept;
    if (stats.descriptors_live != expected) {
        harness_fail(harness, CHECK_DESCRIPTORS, "%llu descriptors in use, %llu expected",
                     (unsigned long long)stats.descriptors_live, (unsigned long long)expected);
    }
    harness_kept_unmark(harness);
}

/* Descriptors and objects that CPUs keep for allocations to come. */
static uint64_t kept_spare(const struct harness *harness)
{
    struct subject_stats stats = {0};
    if (harness->cpus.online != 0 && (harness->subject->capabilities & SUBJECT_COUNTERS) != 0) {
        harness->subject->stats(harness->instance, &stats);
    }
    return stats.descriptors_kept + stats.cache_objects_kept;
}

/* Whether CPUs are to keep nothing before the present operation. */
static bool drains_first(const struct harness *harness)
{
    return harness->cpus.online != 0 && harness->fault.nth != 0 &&
           harness->fault.mode == FAULT_PERSISTENT;
}

struct before harness_remember(struct harness *harness)
{
    if (drains_first(harness)) {
        harness_shrink(harness);
    }
    harness_kept_list(harness);
    struct before before = {
        .exposed = harness->exposed,
        .kept_blocks = harness->cpus.kept_count,
        .kept = harness->cpus.kept_count > 0 || kept_spare(harness) > 0,
        .model_hash = harness->model.hash,
        .accepted = harness->model.accepted,
        .metadata_frames = harness->model.metadata_frames,
    };
    if (harness->fault.nth != 0 && !before.kept) {
        before.state_hash = harness_state_hash(harness);
    }
    return before;
}

uint64_t harness_grown(const struct harness *harness, const struct before *before)
{
    uint64_t now = harness->model.metadata_frames;
    if (harness->cpus.online > 0) {
        return harness->exposed - before->exposed;
    }
    /* An operation that accepts memory ahead may give back what was there before it. */
    return now > before->metadata_frames ? now - before->metadata_frames : 0;
}

void harness_check_unchanged(struct harness *harness, const struct before *before)
{
    const struct model *model = &harness->model;
    harness->unchanged = true;
    if (model->accepted != before->accepted) {
        return;
    }
    if (before->kept) {
        if (model->metadata_frames > before->metadata_frames) {
            harness_fail(harness, CHECK_FAILURE_STATE,
                         "the operation failed, but metadata has grown from %llu frames to %llu",
                         (unsigned long long)before->metadata_frames,
                         (unsigned long long)model->metadata_frames);
        }
        return;
    }
    bool same = model->hash == before->model_hash;
    if (same && harness->fault.nth != 0) {
        same = harness_state_hash(harness) == before->state_hash;
    }
    if (!same) {
        harness_fail(harness, CHECK_FAILURE_STATE,
                     "the operation failed, but free blocks or metadata are not as before");
    }
}

uint64_t harness_metadata_room(const struct harness *harness)
{
    const struct model *model = &harness->model;
    uint64_t frames = 0;
    for (zone_id_t zone = 0; zone < model->map.zones_count; zone++) {
        if (zone_holds_metadata(&model->map.zones[zone])) {
            frames += model->free_frames[model_kind(zone, FRAME_ACCEPTED)] +
                      model->free_frames[model_kind(zone, FRAME_UNACCEPTED)];
        }
    }
    return frames;
}

uint64_t harness_spare_descriptors(struct harness *harness)
{
    struct subject_stats stats = {0};
    if ((harness->subject->capabilities & SUBJECT_COUNTERS) != 0) {
        harness->subject->stats(harness->instance, &stats);
    }
    return stats.descriptors_spare;
}

/* Whether the request is one that cannot be made. */
static bool request_is_invalid(const struct harness *harness, const struct subject_request *request)
{
    bool desc = request->type != MEMDESC_NONE;
    bool any = request->zone == ZONE_ANY;
    return request->order >= ORDERS || request->node >= NODES_MAX ||
           (uint32_t)request->below > ZONE_CLASSES ||
           (!any && !harness_zone_serves(harness, request, request->zone)) ||
           (desc && request->type < MEMDESC_FOLIO) ||
           (request->type > MEMDESC_VMALLOC && request->type < MEMDESC_USER);
}

/* Compares a granted block with the model, and tells the model. */
static void check_granted(struct harness *harness, const struct subject_request *request,
                          const struct harness_block *granted, uint32_t index,
                          const struct before *before)
{
    struct model *model = &harness->model;
    pfn_t pfn = granted->block.pfn;
    order_t order = granted->block.order;
    if (order != request->order || pfn % ((uint64_t)1 << order) != 0) {
        harness_fail(harness, CHECK_ALIGNMENT, "frame %#llx, order %u; asked for order %u",
                     (unsigned long long)pfn, order, request->order);
        return;
    }
    if (!model_is_free(model, pfn, order)) {
        harness_fail(harness, CHECK_OVERLAP,
                     "block %#llx, order %u, is not free memory of one zone",
                     (unsigned long long)pfn, order);
        return;
    }
    uint8_t kind = model_frame_kind(model, pfn);
    if (!harness_zone_serves(harness, request, model_kind_zone(kind)) ||
        (model_kind_class(kind) == FRAME_CMA && request->migratetype != MIGRATE_MOVABLE)) {
        harness_fail(harness, CHECK_CONTAINMENT,
                     "block %#llx is in zone %u%s, which does not serve this request",
                     (unsigned long long)pfn, model_kind_zone(kind),
                     model_kind_class(kind) == FRAME_CMA ? ", cma" : "");
        return;
    }
    if (model_kind_unaccepted(kind)) {
        harness_fail(harness, CHECK_ACCEPT, "block %#llx was granted without being accepted",
                     (unsigned long long)pfn);
        return;
    }
    harness_check_choice(harness, request, pfn, before);
    model_allocate(model, pfn, order, index);
    harness_check_ahead(harness, pfn, before);
}

/* Both ends of a block must lead to it. */
static void check_ends(struct harness *harness, const struct harness_block *block)
{
    pfn_t pfn = block->block.pfn;
    uint64_t frames = (uint64_t)1 << block->block.order;
    harness_check_lookup(harness, pfn);
    if (frames > 1) {
        harness_check_lookup(harness, pfn + frames - 1);
    }
}

static void harness_note_number(struct harness *harness, uint32_t number)
{
    harness->blocks_end = number < harness->blocks_end ? harness->blocks_end : number + 1;
}

bool harness_alloc(struct harness *harness, const struct subject_request *request, uint32_t index)
{
    struct harness_block *block = &harness->blocks[index];
    struct before before = harness_remember(harness);
    struct subject_request asked = *request;
    before.spare = harness_spare_descriptors(harness);
    bool invalid = request_is_invalid(harness, request);
    bool there = !invalid && harness_alloc_must_succeed(harness, request, before.spare);
    bool must =
        there || (!invalid && request->compact && harness_compact_must_succeed(harness, request));
    asked.descriptor = &block->descriptor;
    harness_compact_begin(harness, request->compact ? request->order : 0);
    harness->operations++;
    enum status status = harness->subject->alloc(harness->instance, &asked, &block->block);
    harness_check_moves(harness);
    harness_check_need(harness, there);
    if (status != STATUS_OK) {
        if (invalid != (status == STATUS_INVALID)) {
            harness_fail(harness, CHECK_STATUS, "alloc answers %d", (int)status);
        } else if (must && harness->fault.fired == 0) {
            harness_fail(harness, CHECK_SPURIOUS,
                         "alloc of order %u in zone %u answers %d with a block free",
                         request->order, request->zone, (int)status);
        }
        harness_settle(harness);
        harness_check_unchanged(harness, &before);
        return false;
    }
    if (invalid) {
        harness_fail(harness, CHECK_STATUS, "alloc granted what cannot be asked for");
        return false;
    }
    block->type = request->type;
    block->migratetype = request->migratetype;
    block->used = true;
    block->moving = false;
    block->ended = false;
    block->refs = 0;
    check_granted(harness, request, block, index, &before);
    if (!harness_violated(harness)) {
        harness->blocks_used++;
        harness_note_number(harness, index);
        harness_settle(harness);
        check_ends(harness, block);
    }
    return true;
}

void harness_block_free(struct harness *harness, struct harness_block *block)
{
    model_release(&harness->model, block->block.pfn, block->block.order);
    block->used = false;
    harness->blocks_used--;
    harness->refs.ended -= block->ended ? 1 : 0;
    harness->subject->free(harness->instance, &block->block);
}

void harness_free(struct harness *harness, uint32_t index)
{
    struct harness_block *block = &harness->blocks[index];
    if (harness_type_is_shared(harness, block->type)) {
        harness_block_end(harness, block);
        return;
    }
    harness->operations++;
    harness->freeing = true;
    harness_block_free(harness, block);
    harness->freeing = false;
    harness_settle(harness);
}

/* Compares the parts of a split block with what its place and order say. */
static void check_parts(struct harness *harness, const struct subject_block *whole, order_t order,
                        const struct subject_block *parts)
{
    pfn_t pfn = whole->pfn;
    for (order_t i = 0; i <= whole->order - order; i++) {
        order_t expected = i == 0 ? order : order + i - 1;
        if (parts[i].pfn != pfn || parts[i].order != expected) {
            harness_fail(harness, CHECK_ALIGNMENT,
                         "part %u of a split is %#llx, order %u; expected %#llx, order %u", i,
                         (unsigned long long)parts[i].pfn, parts[i].order, (unsigned long long)pfn,
                         expected);
            return;
        }
        pfn += (uint64_t)1 << expected;
    }
}

bool harness_split(struct harness *harness, uint32_t index, order_t order, const uint32_t *parts)
{
    struct harness_block *whole = &harness->blocks[index];
    struct subject_block old = whole->block;
    struct subject_block results[ORDERS];
    struct before before = harness_remember(harness);
    bool invalid = order >= old.order || whole->type != MEMDESC_NONE;
    bool must = !invalid && (old.order - order <= harness_spare_descriptors(harness) ||
                             harness_metadata_room(harness) >= harness_slack_frames(harness));
    harness->operations++;
    enum status status = harness->subject->split(harness->instance, &old, order, results);
    if (invalid != (status == STATUS_INVALID)) {
        harness_fail(harness, CHECK_STATUS, "split answers %d", (int)status);
        return false;
    }
    if (status != STATUS_OK) {
        if (must && harness->fault.fired == 0) {
            harness_fail(harness, CHECK_SPURIOUS, "split answers %d with memory for descriptors",
                         (int)status);
        }
        harness_settle(harness);
        harness_check_unchanged(harness, &before);
        return false;
    }
    check_parts(harness, &old, order, results);
    for (order_t i = 0; i <= old.order - order && !harness_violated(harness); i++) {
        uint32_t number = i == old.order - order ? index : parts[i];
        struct harness_block *part = &harness->blocks[number];
        part->block = results[i];
        part->type = MEMDESC_NONE;
        part->migratetype = whole->migratetype;
        part->used = true;
        part->moving = false;
        part->ended = false;
        part->refs = 0;
        model_set_owner(&harness->model, results[i].pfn, results[i].order, number);
        harness->blocks_used += number == index ? 0 : 1;
        harness_note_number(harness, number);
        check_ends(harness, part);
    }
    harness_settle(harness);
    return true;
}

void harness_lookup(struct harness *harness, pfn_t pfn)
{
    harness->operations++;
    harness_check_lookup(harness, pfn);
}

void harness_shrink(struct harness *harness)
{
    harness->operations++;
    if ((harness->subject->capabilities & SUBJECT_SHRINK) != 0) {
        harness->freeing = true;
        harness->subject->shrink(harness->instance);
        harness->freeing = false;
    }
    harness_settle(harness);
}

uint64_t harness_state_hash(struct harness *harness)
{
    bool own = (harness->subject->capabilities & SUBJECT_VALIDATE) != 0;
    return harness_space_hash(harness) +
           (own ? harness->subject->state_hash(harness->instance) : harness->model.hash);
}
