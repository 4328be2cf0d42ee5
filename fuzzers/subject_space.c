/* SPDX-License-Identifier: MIT */
#include "fuzzers/subject_space.h"

#include "fuzzers/subject_range.h"

static struct potad_space *space_of(void *instance, uint32_t number)
{
    struct subject_core_instance *core = instance;
    return &core->spaces[number];
}

static void set_block(struct subject_space_block *block, struct buddy *buddy)
{
    *block = (struct subject_space_block){
        .unit = buddy->pfn, .order = buddy_order(buddy), .descriptor = buddy};
}

static enum status space_add(void *instance, uint32_t number,
                             const struct subject_space_config *config)
{
    const struct potad *potad = instance;
    /* Where zones have both, so have spaces that could have a table. */
    bool both = potad->zones[0].map.kind == BLOCK_MAP_BOTH;
    struct potad_space_config chosen = {
        .base = config->base,
        .unit_shift = config->unit_shift,
        .map = !config->table ? BLOCK_MAP_TREE : (both ? BLOCK_MAP_BOTH : BLOCK_MAP_TABLE),
        .ranges = config->ranges,
        .ranges_count = config->ranges_count,
        .homes = config->homes,
        .descriptor_bytes = config->descriptor_bytes,
    };
    return potad_space_add(instance, space_of(instance, number), &chosen);
}

static enum status space_remove(void *instance, uint32_t number)
{
    return potad_space_remove(instance, space_of(instance, number));
}

static enum status space_alloc(void *instance, uint32_t number, order_t order,
                               struct subject_space_block *block)
{
    struct buddy *buddy = NULL;
    enum status status = potad_space_alloc(instance, space_of(instance, number), order, &buddy);
    if (status == STATUS_OK) {
        set_block(block, buddy);
    }
    return status;
}

static void space_free_block(void *instance, uint32_t number,
                             const struct subject_space_block *block)
{
    potad_space_free(instance, space_of(instance, number), block->descriptor);
}

static enum status space_split(void *instance, uint32_t number,
                               const struct subject_space_block *block, order_t order,
                               struct subject_space_block *parts)
{
    struct buddy *buddys[ORDERS];
    enum status status =
        potad_space_split(instance, space_of(instance, number), block->descriptor, order, buddys);
    for (order_t i = 0; status == STATUS_OK && i <= block->order - order; i++) {
        set_block(&parts[i], buddys[i]);
    }
    return status;
}

static enum status space_alloc_run(void *instance, uint32_t number,
                                   const struct unit_run_request *request, struct unit_run *run)
{
    return potad_space_alloc_run(instance, space_of(instance, number), request, run);
}

static void space_free_run(void *instance, uint32_t number, const struct unit_run *run)
{
    potad_space_free_run(instance, space_of(instance, number), run);
}

static bool space_lookup(void *instance, uint32_t number, uint64_t unit,
                         struct potad_space_info *info)
{
    return potad_space_lookup(space_of(instance, number), unit, info);
}

static const uint64_t *space_free_blocks(void *instance, uint32_t number)
{
    return space_of(instance, number)->space.areas[AREA_MOVABLE].blocks;
}

static uint64_t space_descriptors(void *instance, uint32_t number)
{
    return space_of(instance, number)->own_descriptors->live;
}

static bool space_validates(void *instance, uint32_t number, struct violation *violation)
{
    return potad_space_validate(space_of(instance, number), violation);
}

static uint64_t space_state_hash(void *instance, uint32_t number)
{
    return potad_space_state_hash(space_of(instance, number));
}

const struct subject_space_ops subject_core_spaces = {
    .own_bytes = sizeof(struct buddy),
    .add = space_add,
    .remove = space_remove,
    .alloc = space_alloc,
    .free = space_free_block,
    .split = space_split,
    .alloc_run = space_alloc_run,
    .free_run = space_free_run,
    .lookup = space_lookup,
    .free_blocks = space_free_blocks,
    .descriptors = space_descriptors,
    .validate = space_validates,
    .state_hash = space_state_hash,
};
