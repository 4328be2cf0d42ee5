/* SPDX-License-Identifier: MIT */
#include "fuzzers/harness_space.h"

#include "fuzzers/harness_internal.h"

#include <stdio.h>

enum {
    NODE_BYTES = 256,
    NODES_OF_CUT = 64,     /* more than any one takes */
    TABLE_WORDS_LOG2 = 29, /* of the largest table */
    RANGES_MOST = 32,
    WHERE_MAX = 40
};

typedef unsigned long long ull;

static const struct subject_space_ops *ops_of(const struct harness *harness)
{
    return harness->subject->spaces;
}

static uint64_t block_last(const struct subject_space_block *block)
{
    return block->unit + (((uint64_t)1 << block->order) - 1);
}

/* Whether the subject is to take @config. */
static bool config_is_valid(const struct harness *harness,
                            const struct subject_space_config *config)
{
    const struct boot_map *map = &harness->model.map;
    uint32_t homes = 0;
    for (zone_id_t zone = 0; zone < map->zones_count; zone++) {
        homes |= zone_holds_metadata(&map->zones[zone]) ? 1U << zone : 0;
    }
    if ((config->homes & ~homes) != 0 || config->unit_shift < UNIT_SHIFT_MIN ||
        config->unit_shift > UNIT_SHIFT_MAX || config->base % ((uint64_t)1 << config->unit_shift) ||
        config->descriptor_bytes < ops_of(harness)->own_bytes || config->ranges_count == 0 ||
        config->ranges_count > RANGES_MOST) {
        return false;
    }
    uint64_t end = 0;
    for (uint32_t i = 0; i < config->ranges_count; i++) {
        const struct unit_range *range = &config->ranges[i];
        bool wraps = range->start + range->units < range->start;
        if (range->units == 0 || range->start < end || wraps) {
            return false;
        }
        end = range->start + range->units;
    }
    return !config->table || (end - config->ranges[0].start - 1) >> TABLE_WORDS_LOG2 == 0;
}

/* F2: whether nothing excuses a failure to have @descriptors more of them, @nodes and @bytes. */
static bool memory_serves(const struct harness *harness, const struct harness_space *space,
                          uint64_t descriptors, uint64_t nodes, uint64_t bytes)
{
    uint64_t stride = (space->descriptor_bytes + MEMDESC_ALIGN - 1) / MEMDESC_ALIGN * MEMDESC_ALIGN;
    return harness_objects_fit(harness, space->homes, stride,
                               stride * descriptors + nodes * NODE_BYTES + bytes);
}

static void fail_lookup(struct harness *harness, uint32_t number, uint64_t unit, bool found,
                        const struct potad_space_info *info)
{
    harness_fail(harness, CHECK_LOOKUP, "space %u, unit %#llx: %s at %#llx, order %u", number,
                 (ull)unit, !found ? "none" : (info->is_free ? "free" : "allocated"),
                 (ull)info->unit, info->order);
}

/* @block: the allocated one that @unit is in, or NULL. */
static void check_lookup(struct harness *harness, uint32_t number, uint64_t unit,
                         const struct harness_space_block *block)
{
    struct potad_space_info info = {0};
    const struct space_model *model = &harness->spaces.spaces[number].model;
    if (harness_violated(harness)) {
        return;
    }
    bool found = ops_of(harness)->lookup(harness->instance, number, unit, &info);
    bool right = found == space_model_exists(model, unit);
    if (right && found && block != NULL) {
        right = !info.is_free && info.unit == block->block.unit &&
                info.order == block->block.order && info.descriptor == block->block.descriptor;
    } else if (right && found && space_model_is_free(model, unit, unit)) {
        struct space_model_block expected = space_model_block_at(model, unit);
        right = info.is_free && info.unit == expected.unit && info.order == expected.order;
    } else if (right && found) {
        right = !info.is_free && (unit - info.unit) >> info.order == 0;
    }
    if (!right) {
        fail_lookup(harness, number, unit, found, &info);
    }
}

static void check_ends(struct harness *harness, const struct harness_space_block *block)
{
    uint64_t last = block_last(&block->block);
    check_lookup(harness, block->space, block->block.unit, block);
    check_lookup(harness, block->space, last, block);
    /* Whose these are, validation says. */
    check_lookup(harness, block->space, block->block.unit - 1, NULL);
    check_lookup(harness, block->space, last + 1, NULL);
}

/* Compares what can be counted of space @number, and of memory: after each operation (F5, F6). */
static void space_settle(struct harness *harness, uint32_t number)
{
    const struct harness_space *space = &harness->spaces.spaces[number];
    const uint64_t *free = ops_of(harness)->free_blocks(harness->instance, number);
    for (order_t order = 0; order < ORDERS; order++) {
        if (free[order] != space->model.blocks[order]) {
            harness_fail(harness, CHECK_COALESCING,
                         "space %u, order %u: %llu free blocks, %llu expected", number, order,
                         (ull)free[order], (ull)space->model.blocks[order]);
        }
    }
    uint64_t descriptors = ops_of(harness)->descriptors(harness->instance, number);
    uint64_t expected = space_model_blocks(&space->model) + space->blocks;
    if (descriptors != expected) {
        harness_fail(harness, CHECK_DESCRIPTORS, "space %u: %llu descriptors in use, %llu expected",
                     number, (ull)descriptors, (ull)expected);
    }
    harness_settle(harness);
}

/* An operation answers @status instead of OK: whether it may, and whether all is as it was. */
static void check_failed(struct harness *harness, const char *name, enum status status,
                         enum status expected, bool must, const struct before *before)
{
    if (expected != STATUS_OK && status != expected) {
        harness_fail(harness, CHECK_STATUS, "%s answers %d; expected %d", name, (int)status,
                     (int)expected);
    } else if (expected == STATUS_OK && status != STATUS_NO_MEMORY) {
        harness_fail(harness, CHECK_STATUS, "%s answers %d", name, (int)status);
    } else if (expected == STATUS_OK && must && harness->fault.fired == 0) {
        harness_fail(harness, CHECK_SPURIOUS, "%s answers %d with memory for descriptors", name,
                     (int)status);
    }
    harness_check_unchanged(harness, before);
}

void harness_space_add(struct harness *harness, uint32_t number,
                       const struct subject_space_config *config)
{
    struct harness_space *space = &harness->spaces.spaces[number];
    struct before before = harness_remember(harness);
    bool valid = config_is_valid(harness, config);
    enum status expected = valid ? STATUS_OK : STATUS_INVALID;
    uint64_t words = 0;
    space->homes = config->homes;
    space->descriptor_bytes = config->descriptor_bytes;
    space->blocks = 0;
    space_model_reset(&space->model);
    for (uint32_t i = 0; valid && i < config->ranges_count; i++) {
        const struct unit_range *range = &config->ranges[i];
        space_model_add(&space->model, range->start, range->start + range->units - 1);
        words = range->start + range->units - config->ranges[0].start;
    }
    uint64_t blocks = space_model_blocks(&space->model) + 1;
    /* The blocks of ranges that touch are joined one by one. */
    bool must = memory_serves(harness, space, blocks + 1, NODES_OF_CUT + blocks,
                              config->table ? words * sizeof(uint64_t) : 0);
    harness->operations++;
    enum status status = ops_of(harness)->add(harness->instance, number, config);
    space->used = status == STATUS_OK;
    if (status != STATUS_OK) {
        check_failed(harness, "space-add", status, expected, must, &before);
        harness_settle(harness);
        return;
    }
    if (!valid) {
        harness_fail(harness, CHECK_STATUS, "a space was made that cannot be");
        return;
    }
    space_settle(harness, number);
    check_lookup(harness, number, config->ranges[0].start, NULL);
    check_lookup(harness, number, config->ranges[0].start + words - 1, NULL);
    check_lookup(harness, number, config->ranges[0].start + words, NULL);
}

void harness_space_remove(struct harness *harness, uint32_t number)
{
    struct harness_space *space = &harness->spaces.spaces[number];
    struct before before = harness_remember(harness);
    harness->operations++;
    harness->freeing = true;
    enum status status = ops_of(harness)->remove(harness->instance, number);
    harness->freeing = false;
    enum status expected = space->blocks > 0 ? STATUS_BUSY : STATUS_OK;
    if (status != expected) {
        harness_fail(harness, CHECK_STATUS, "removing a space with %llu blocks answers %d",
                     (ull)space->blocks, (int)status);
        return;
    }
    space->used = status != STATUS_OK;
    if (space->used) {
        harness_check_unchanged(harness, &before);
        space_settle(harness, number);
    }
    harness_settle(harness);
}

/* The descriptor lies in a slab, where the space may keep it. */
static void check_descriptor(struct harness *harness, const struct harness_space *space,
                             const unsigned char *descriptor)
{
    pfn_t pfn;
    if (!harness_object_is_contained(harness, descriptor, space->descriptor_bytes) ||
        !simmem_frame_of(&harness->mem, descriptor, &pfn)) {
        harness_fail(harness, CHECK_CONTAINMENT, "descriptor at %p is not in frames of a slab",
                     (const void *)descriptor);
        return;
    }
    zone_id_t zone = model_kind_zone(model_frame_kind(&harness->model, pfn));
    if (space->homes != 0 && (space->homes >> zone & 1) == 0) {
        harness_fail(harness, CHECK_METADATA_HOME, "descriptor of a space in frame %#llx, zone %u",
                     (ull)pfn, zone);
    }
}

/* Takes note of a new block, and writes a pattern into its descriptor. */
static void block_begin(struct harness *harness, uint32_t number, uint32_t index,
                        const struct subject_space_block *granted)
{
    struct harness_spaces *spaces = &harness->spaces;
    const struct harness_space *space = &spaces->spaces[number];
    uint64_t own = ops_of(harness)->own_bytes;
    unsigned char *descriptor = granted->descriptor;
    spaces->blocks[index] = (struct harness_space_block){
        .block = *granted, .space = number, .used = true, .serial = spaces->serial++};
    spaces->blocks_end = index < spaces->blocks_end ? spaces->blocks_end : index + 1;
    check_descriptor(harness, space, descriptor);
    if (!harness_violated(harness)) {
        harness_pattern_write(descriptor + own, space->descriptor_bytes - own,
                              spaces->blocks[index].serial);
    }
}

static void check_pattern(struct harness *harness, const struct harness_space_block *block)
{
    uint64_t own = ops_of(harness)->own_bytes;
    const unsigned char *descriptor = block->block.descriptor;
    harness_pattern_check(harness, descriptor + own,
                          harness->spaces.spaces[block->space].descriptor_bytes - own,
                          block->serial);
}

/* Compares a granted block with the model, and tells the model. */
static void check_granted(struct harness *harness, uint32_t number, order_t order,
                          const struct subject_space_block *granted)
{
    struct space_model *model = &harness->spaces.spaces[number].model;
    uint64_t last = block_last(granted);
    if (granted->order != order || granted->unit % ((uint64_t)1 << order) != 0) {
        harness_fail(harness, CHECK_ALIGNMENT,
                     "unit %#llx of space %u, order %u; asked for order %u", (ull)granted->unit,
                     number, granted->order, order);
    } else if (!space_model_exists(model, granted->unit) || !space_model_exists(model, last)) {
        harness_fail(harness, CHECK_CONTAINMENT, "block %#llx, order %u, is not in space %u",
                     (ull)granted->unit, order, number);
    } else if (!space_model_is_free(model, granted->unit, last)) {
        harness_fail(harness, CHECK_OVERLAP, "block %#llx, order %u, of space %u is not free",
                     (ull)granted->unit, order, number);
    } else {
        space_model_allocate(model, granted->unit, last);
    }
}

bool harness_space_alloc(struct harness *harness, uint32_t number, order_t order, uint32_t index)
{
    struct harness_space *space = &harness->spaces.spaces[number];
    struct subject_space_block granted = {0};
    struct before before = harness_remember(harness);
    order_t found = space_model_smallest(&space->model, order);
    enum status expected = found < ORDERS ? STATUS_OK : STATUS_NO_MEMORY;
    /* What needs no cut needs no memory. */
    bool must = found == order ||
                memory_serves(harness, space, found < ORDERS ? found - order : 0, NODES_OF_CUT, 0);
    harness->operations++;
    enum status status = ops_of(harness)->alloc(harness->instance, number, order, &granted);
    if (status != STATUS_OK) {
        check_failed(harness, "space-alloc", status, expected, must, &before);
        space_settle(harness, number);
        return false;
    }
    check_granted(harness, number, order, &granted);
    if (!harness_violated(harness)) {
        space->blocks++;
        block_begin(harness, number, index, &granted);
        space_settle(harness, number);
        check_ends(harness, &harness->spaces.blocks[index]);
    }
    return true;
}

void harness_space_free(struct harness *harness, uint32_t index)
{
    struct harness_space_block *block = &harness->spaces.blocks[index];
    struct harness_space *space = &harness->spaces.spaces[block->space];
    uint64_t unit = block->block.unit;
    harness->operations++;
    check_pattern(harness, block);
    if (harness_violated(harness)) {
        return;
    }
    space_model_release(&space->model, unit, block_last(&block->block));
    space->blocks--;
    block->used = false;
    harness->freeing = true;
    ops_of(harness)->free(harness->instance, block->space, &block->block);
    harness->freeing = false;
    space_settle(harness, block->space);
    check_lookup(harness, block->space, unit, NULL);
}

/* Compares the parts of a split block with what its place and order say. */
static void check_parts(struct harness *harness, uint32_t number,
                        const struct subject_space_block *whole, order_t order,
                        const struct subject_space_block *parts)
{
    uint64_t unit = whole->unit;
    for (order_t i = 0; i <= whole->order - order; i++) {
        order_t expected = i == 0 ? order : order + i - 1;
        if (parts[i].unit != unit || parts[i].order != expected) {
            harness_fail(harness, CHECK_ALIGNMENT,
                         "part %u of a split in space %u is %#llx, order %u; "
                         "expected %#llx, order %u",
                         i, number, (ull)parts[i].unit, parts[i].order, (ull)unit, expected);
            return;
        }
        unit += (uint64_t)1 << expected;
    }
}

bool harness_space_split(struct harness *harness, uint32_t index, order_t order,
                         const uint32_t *parts)
{
    struct harness_space_block *whole = &harness->spaces.blocks[index];
    struct subject_space_block old = whole->block;
    struct subject_space_block results[ORDERS];
    uint32_t number = whole->space;
    struct harness_space *space = &harness->spaces.spaces[number];
    struct before before = harness_remember(harness);
    bool valid = order < old.order;
    bool must = memory_serves(harness, space, valid ? old.order - order : 0, NODES_OF_CUT, 0);
    harness->operations++;
    check_pattern(harness, whole);
    enum status status = ops_of(harness)->split(harness->instance, number, &old, order, results);
    if (status != STATUS_OK) {
        check_failed(harness, "space-split", status, valid ? STATUS_OK : STATUS_INVALID, must,
                     &before);
        space_settle(harness, number);
        return false;
    }
    if (!valid) {
        harness_fail(harness, CHECK_STATUS, "a block of order %u was split to order %u", old.order,
                     order);
        return false;
    }
    check_pattern(harness, whole);
    check_parts(harness, number, &old, order, results);
    order_t last = old.order - order;
    space->blocks += last;
    for (order_t i = 0; i <= last && !harness_violated(harness); i++) {
        uint32_t part = i == last ? index : parts[i];
        block_begin(harness, number, part, &results[i]);
        check_ends(harness, &harness->spaces.blocks[part]);
    }
    space_settle(harness, number);
    return true;
}

static uint64_t run_last(const struct unit_run *run)
{
    return run->unit + (run->units - 1);
}

/* The units that a run may be made of, where its limits are not the wrong way round: the number
 * 2^64 - 1 is never a unit. */
static struct space_run run_limits(const struct unit_run_request *request)
{
    uint64_t high = request->high == 0 ? UINT64_MAX : request->high;
    return (struct space_run){request->low, high - 1};
}

static bool run_is_valid(const struct unit_run_request *request)
{
    uint64_t high = request->high == 0 ? UINT64_MAX : request->high;
    return request->units > 0 && request->align < ORDERS && request->low < high;
}

/* Compares a granted run with the request and the model, and tells the model. */
static void check_run(struct harness *harness, uint32_t number,
                      const struct unit_run_request *request, const struct unit_run *run)
{
    struct space_model *model = &harness->spaces.spaces[number].model;
    struct space_run limits = run_limits(request);
    uint64_t last = run_last(run);
    if (run->units != request->units || run->unit % ((uint64_t)1 << request->align) != 0 ||
        last < run->unit) {
        harness_fail(harness, CHECK_ALIGNMENT,
                     "%llu units of space %u from %#llx; asked for %llu at 2^%u", (ull)run->units,
                     number, (ull)run->unit, (ull)request->units, request->align);
    } else if (run->unit < limits.first || last > limits.last) {
        harness_fail(harness, CHECK_CONTAINMENT,
                     "units %#llx to %#llx of space %u; asked for some from %#llx to %#llx",
                     (ull)run->unit, (ull)last, number, (ull)limits.first, (ull)limits.last);
    } else if (!space_model_is_free(model, run->unit, last)) {
        harness_fail(harness, CHECK_OVERLAP, "units %#llx to %#llx of space %u are not all free",
                     (ull)run->unit, (ull)last, number);
    } else {
        space_model_allocate(model, run->unit, last);
    }
}

/* Takes note of part @index of a new run, and writes a pattern into its descriptor. */
static void part_begin(struct harness *harness, struct harness_space_run *run, uint32_t index,
                       const struct harness_space_block *part)
{
    uint64_t own = ops_of(harness)->own_bytes;
    const struct harness_space *space = &harness->spaces.spaces[run->space];
    unsigned char *descriptor = part->block.descriptor;
    for (uint32_t i = 0; i < index; i++) {
        if (run->descriptors[i] == descriptor) {
            harness_fail(harness, CHECK_LOOKUP,
                         "parts %u and %u of run %#llx in space %u have one descriptor", i, index,
                         (ull)run->run.unit, run->space);
        }
    }
    run->descriptors[index] = descriptor;
    check_descriptor(harness, space, descriptor);
    if (!harness_violated(harness)) {
        harness_pattern_write(descriptor + own, space->descriptor_bytes - own, part->serial);
        check_lookup(harness, run->space, block_last(&part->block), part);
    }
}

/* Compares part @index of a run with what it was when the run began. */
static void part_check(struct harness *harness, struct harness_space_run *run, uint32_t index,
                       const struct harness_space_block *part)
{
    uint64_t turn = harness->operations * 0x9e3779b97f4a7c15U;
    uint64_t mask = ((uint64_t)1 << part->block.order) - 1;
    if (run->descriptors[index] != part->block.descriptor) {
        harness_fail(harness, CHECK_LOOKUP,
                     "part %u of run %#llx in space %u has another descriptor", index,
                     (ull)run->run.unit, run->space);
        return;
    }
    check_pattern(harness, part);
    check_lookup(harness, run->space, part->block.unit + (turn & mask), part);
}

/* Visits the parts of @run, by ascending unit, as lookups find them: they must be as many as the
 * subject says, and no more units. */
static void visit_parts(struct harness *harness, struct harness_space_run *run,
                        void (*visit)(struct harness *harness, struct harness_space_run *run,
                                      uint32_t index, const struct harness_space_block *part))
{
    uint64_t unit = run->run.unit;
    uint64_t left = run->run.units;
    uint32_t index = 0;
    while (left > 0 && index < HARNESS_RUN_PARTS && !harness_violated(harness)) {
        struct potad_space_info info = {0};
        bool found = ops_of(harness)->lookup(harness->instance, run->space, unit, &info);
        uint64_t units = info.order < ORDERS ? (uint64_t)1 << info.order : 0;
        bool right = found && !info.is_free && info.unit == unit && units > 0;
        if (!right || unit % units != 0 || units > left) {
            fail_lookup(harness, run->space, unit, found, &info);
            return;
        }
        struct harness_space_block part = {
            /* Behind what is the subject's, it is for who has the run to write to. */
            .block = {unit, info.order, (void *)info.descriptor},
            .space = run->space,
            .serial = run->serial + index,
        };
        visit(harness, run, index, &part);
        index++;
        unit += units;
        left -= units;
    }
    if (!harness_violated(harness) && left == 0 && index != run->run.parts) {
        harness_fail(harness, CHECK_LOOKUP, "run %#llx in space %u has %u parts, not %llu",
                     (ull)run->run.unit, run->space, index, (ull)run->run.parts);
    }
}

/* Takes note of a new run, which the model knows. */
static void run_begin(struct harness *harness, uint32_t number, struct harness_space_run *run)
{
    struct harness_spaces *spaces = &harness->spaces;
    run->space = number;
    run->used = true;
    run->serial = spaces->serial;
    spaces->serial += run->run.parts;
    spaces->spaces[number].blocks += run->run.parts;
    space_settle(harness, number);
    visit_parts(harness, run, part_begin);
    check_lookup(harness, number, run->run.unit - 1, NULL);
    check_lookup(harness, number, run_last(&run->run) + 1, NULL);
}

bool harness_space_alloc_run(struct harness *harness, uint32_t number,
                             const struct unit_run_request *request, uint32_t index)
{
    struct harness_space *space = &harness->spaces.spaces[number];
    struct harness_space_run *run = &harness->spaces.runs[index];
    struct before before = harness_remember(harness);
    bool valid = run_is_valid(request);
    bool there = valid && space_model_has_run(&space->model, request->units, request->align,
                                              run_limits(request));
    enum status expected = !valid ? STATUS_INVALID : (there ? STATUS_OK : STATUS_NO_MEMORY);
    bool must = memory_serves(harness, space, 2 * (uint64_t)ORDERS, 2 * (uint64_t)NODES_OF_CUT, 0);
    harness->operations++;
    enum status status = ops_of(harness)->alloc_run(harness->instance, number, request, &run->run);
    if (status != STATUS_OK) {
        check_failed(harness, "space-run", status, expected, must, &before);
        space_settle(harness, number);
        return false;
    }
    if (!valid) {
        harness_fail(harness, CHECK_STATUS, "a run was granted that cannot be");
        return false;
    }
    check_run(harness, number, request, &run->run);
    if (!harness_violated(harness)) {
        run_begin(harness, number, run);
    }
    return true;
}

void harness_space_free_run(struct harness *harness, uint32_t index)
{
    struct harness_space_run *run = &harness->spaces.runs[index];
    struct harness_space *space = &harness->spaces.spaces[run->space];
    harness->operations++;
    visit_parts(harness, run, part_check);
    if (harness_violated(harness)) {
        return;
    }
    space_model_release(&space->model, run->run.unit, run_last(&run->run));
    space->blocks -= run->run.parts;
    run->used = false;
    harness->freeing = true;
    ops_of(harness)->free_run(harness->instance, run->space, &run->run);
    harness->freeing = false;
    space_settle(harness, run->space);
    check_lookup(harness, run->space, run->run.unit, NULL);
}

/* The allocated block of space @number that @unit is in, or NULL. */
static const struct harness_space_block *find_block(const struct harness_spaces *spaces,
                                                    uint32_t number, uint64_t unit)
{
    for (uint32_t i = 0; i < spaces->blocks_end; i++) {
        const struct harness_space_block *block = &spaces->blocks[i];
        if (block->used && block->space == number &&
            (unit - block->block.unit) >> block->block.order == 0) {
            return block;
        }
    }
    return NULL;
}

void harness_space_lookup(struct harness *harness, uint32_t number, uint64_t unit)
{
    harness->operations++;
    check_lookup(harness, number, unit, find_block(&harness->spaces, number, unit));
}

void harness_space_validate(struct harness *harness)
{
    struct harness_spaces *spaces = &harness->spaces;
    struct violation violation;
    for (uint32_t i = 0; i < spaces->blocks_end; i++) {
        const struct harness_space_block *block = &spaces->blocks[i];
        if (block->used) {
            uint64_t mask = ((uint64_t)1 << block->block.order) - 1;
            uint64_t turn = harness->operations * 0x9e3779b97f4a7c15U;
            check_lookup(harness, block->space, block->block.unit + (turn & mask), block);
        }
    }
    for (uint32_t i = 0; i < CASE_CONTIGS; i++) {
        if (spaces->runs[i].used) {
            visit_parts(harness, &spaces->runs[i], part_check);
        }
    }
    for (uint32_t number = 0; number < CASE_SPACES; number++) {
        if (!spaces->spaces[number].used || harness_violated(harness)) {
            continue;
        }
        space_settle(harness, number);
        if (!ops_of(harness)->validate(harness->instance, number, &violation)) {
            char whole[WHERE_MAX];
            snprintf(whole, sizeof(whole), "space %u", number);
            harness_fail_invariant(harness, whole, "unit", &violation);
        }
    }
}

uint64_t harness_space_hash(struct harness *harness)
{
    uint64_t hash = 0;
    for (uint32_t number = 0; number < CASE_SPACES; number++) {
        if (harness->spaces.spaces[number].used) {
            hash += (number + 1) * ops_of(harness)->state_hash(harness->instance, number);
        }
    }
    return hash;
}

void harness_space_reset(struct harness_spaces *spaces)
{
    for (uint32_t number = 0; number < CASE_SPACES; number++) {
        spaces->spaces[number].used = false;
    }
    for (uint32_t i = 0; i < spaces->blocks_end; i++) {
        spaces->blocks[i].used = false;
    }
    for (uint32_t i = 0; i < CASE_CONTIGS; i++) {
        spaces->runs[i].used = false;
    }
    spaces->blocks_end = 0;
    spaces->serial = 0;
}

void harness_space_close(struct harness_spaces *spaces)
{
    for (uint32_t number = 0; number < CASE_SPACES; number++) {
        space_model_free(&spaces->spaces[number].model);
    }
}
