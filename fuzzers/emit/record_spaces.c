/* SPDX-License-Identifier: MIT
 *
 * record_spaces.c: calls on spaces.
 */
#include "fuzzers/emit/record_internal.h"

#include <inttypes.h>
#include <string.h>

static const struct subject_space_ops *inner_ops(void)
{
    return recorder.inner->spaces;
}

/* How units are found: as the subject chooses it. */
static const char *map_text(const struct subject_space_config *config)
{
    bool both = strcmp(recorder.inner->name, "core-both") == 0;
    if (!config->table) {
        return "BLOCK_MAP_TREE";
    }
    return both ? "BLOCK_MAP_BOTH" : "BLOCK_MAP_TABLE";
}

static enum status wrap_add(void *instance, uint32_t number,
                            const struct subject_space_config *config)
{
    bool noted = record_begin();
    if (noted) {
        char ranges[RANGES_MAX * 64] = "NULL";
        size_t length = 0;
        for (uint32_t i = 0; i < config->ranges_count; i++) {
            length += (size_t)snprintf(ranges + length, sizeof(ranges) - length,
                                       "%s{%#" PRIx64 ", %#" PRIx64 "}",
                                       i == 0 ? "(const struct unit_range[]){" : ", ",
                                       config->ranges[i].start, config->ranges[i].units);
        }
        record_piece(PIECE_SPACES);
        /* Units have at least 512 bytes: the rest of the base is what is wrong with it. */
        record_call(RECORD_OTHER, 0, true,
                    "add_space(T, %" PRIu32 ", (struct potad_space_config){.base = %" PRIu64
                    ", .unit_shift = %" PRIu32
                    ", .map = %s, .ranges = %s%s, .ranges_count = %" PRIu32 ", .homes = %#" PRIx32
                    ", .descriptor_bytes = %" PRIu64 "}",
                    number, config->base % 512, config->unit_shift, map_text(config), ranges,
                    config->ranges_count > 0 ? "}" : "", config->ranges_count, config->homes,
                    config->descriptor_bytes);
    }
    enum status status = inner_ops()->add(instance, number, config);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_remove(void *instance, uint32_t number)
{
    bool noted = record_begin();
    if (noted) {
        record_call(RECORD_OTHER, 0, true, "remove_space(T, %" PRIu32, number);
    }
    enum status status = inner_ops()->remove(instance, number);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_alloc(void *instance, uint32_t number, order_t order,
                              struct subject_space_block *block)
{
    bool noted = record_begin();
    if (noted) {
        uint32_t from = recorder.program->ops[record_op()].slot;
        record_call(RECORD_OTHER, 0, true, "take_units(T, %" PRIu32 ", %" PRIu32 ", %" PRIu32,
                    slot_find(&recorder.executor.space_slots, from, false), number, order);
    }
    enum status status = inner_ops()->alloc(instance, number, order, block);
    record_end_status(noted, status);
    return status;
}

static void wrap_free(void *instance, uint32_t number, const struct subject_space_block *block)
{
    if (record_begin()) {
        const char *first = (const char *)&recorder.executor.harness.spaces.blocks[0].block;
        size_t index = (size_t)((const char *)block - first) / sizeof(struct harness_space_block);
        record_call(RECORD_OTHER, 0, false, "give_units(T, %zu", index);
    }
    inner_ops()->free(instance, number, block);
    record_end();
}

static enum status wrap_split(void *instance, uint32_t number,
                              const struct subject_space_block *block, order_t order,
                              struct subject_space_block *parts)
{
    const struct harness_spaces *spaces = &recorder.executor.harness.spaces;
    bool noted = record_begin();
    for (uint32_t i = 0; noted && i < spaces->blocks_end; i++) {
        const struct harness_space_block *whole = &spaces->blocks[i];
        if (whole->used && whole->block.descriptor == block->descriptor) {
            order_t count = order < block->order ? block->order - order : 0;
            record_call(RECORD_OTHER, 0, true, "split_units(T, %" PRIu32 ", %" PRIu32 ", %s", i,
                        order,
                        record_parts(&recorder.executor.space_slots, &spaces->blocks[0].used,
                                     sizeof(*whole), i, count));
            break;
        }
    }
    enum status status = inner_ops()->split(instance, number, block, order, parts);
    record_end_status(noted, status);
    return status;
}

static size_t run_number(const struct unit_run *run)
{
    const char *first = (const char *)&recorder.executor.harness.spaces.runs[0].run;
    return (size_t)((const char *)run - first) / sizeof(struct harness_space_run);
}

static enum status wrap_alloc_run(void *instance, uint32_t number,
                                  const struct unit_run_request *request, struct unit_run *run)
{
    bool noted = record_begin();
    if (noted) {
        record_call(
            RECORD_OTHER, 0, true,
            "take_unit_run(T, %zu, %" PRIu32 ", (struct unit_run_request){.units = %#" PRIx64
            ", .align = %" PRIu32 ", .low = %#" PRIx64 ", .high = %#" PRIx64 "}",
            run_number(run), number, request->units, request->align, request->low, request->high);
    }
    enum status status = inner_ops()->alloc_run(instance, number, request, run);
    record_end_status(noted, status);
    return status;
}

static void wrap_free_run(void *instance, uint32_t number, const struct unit_run *run)
{
    if (record_begin()) {
        record_call(RECORD_OTHER, 0, false, "give_unit_run(T, %zu", run_number(run));
    }
    inner_ops()->free_run(instance, number, run);
    record_end();
}

static bool wrap_lookup(void *instance, uint32_t number, uint64_t unit,
                        struct potad_space_info *info)
{
    if (record_begin() && record_once(OP_SPACE_LOOKUP)) {
        record_call(RECORD_OTHER, 0, false, "lookup_unit(T, %" PRIu32 ", %#" PRIx64, number, unit);
    }
    bool found = inner_ops()->lookup(instance, number, unit, info);
    record_end();
    return found;
}

void record_wrap_spaces(struct subject_space_ops *outer)
{
    outer->add = wrap_add;
    outer->remove = wrap_remove;
    outer->alloc = wrap_alloc;
    outer->free = wrap_free;
    outer->split = wrap_split;
    outer->alloc_run = wrap_alloc_run;
    outer->free_run = wrap_free_run;
    outer->lookup = wrap_lookup;
}
