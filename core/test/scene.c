/* SPDX-License-Identifier: MIT */
#include "core/test/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

const struct range *scene_range(const struct scene *scene, pfn_t pfn)
{
    const struct boot_map *map = &scene->arena.map;
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        if (pfn - map->ranges[i].start < map->ranges[i].frames) {
            return &map->ranges[i];
        }
    }
    return NULL;
}

/* The class of the zone of @pfn, or ZONE_CLASSES where the boot map has no memory. */
static enum zone_class class_of(const struct scene *scene, pfn_t pfn)
{
    const struct range *range = scene_range(scene, pfn);
    return range == NULL ? ZONE_CLASSES : scene->arena.map.zones[range->zone].zone_class;
}

/* Puts @content where @expected is. */
static void content_change(struct scene *scene, pfn_t pfn, order_t order, uint64_t expected,
                           uint64_t content)
{
    for (pfn_t at = pfn; at < pfn + order_frames(order); at++) {
        assert_int_equal(scene->content[at], expected);
        scene->content[at] = content;
    }
}

static bool owner_tries(struct scene *scene, struct block *block, struct migration *move)
{
    assert_true(class_of(scene, move->to) <= class_of(scene, move->from));
    assert_true(pfn_is_aligned(move->to, move->order));
    scene->frames_told += order_frames(block->order);
    if (block->refuses) {
        return false;
    }
    move->buddy = block->handle;
    block->to = move->to;
    block->moving = true;
    scene->agreed++;
    content_change(scene, move->to, move->order, 0, block->content);
    return true;
}

/* The owner of all blocks: what is asked is about one of them, and each answer has its end. */
static bool owner_migrate(void *context, struct memdesc *descriptor, struct migration *move,
                          enum migrate_stage stage)
{
    struct scene *scene = context;
    assert_true(move->from < SCENE_FRAMES);
    scene->told[stage]++;
    struct block *block = scene_find(scene, move->from);
    if (block == NULL) {
        /* Somebody has freed it just now. */
        assert_true(scene->changed);
        assert_int_equal(stage, MIGRATE_TRY);
        return false;
    }
    assert_ptr_equal(descriptor, block->described ? &block->descriptor : &block->handle->head);
    assert_int_equal(block->order, move->order);
    assert_int_equal(block->moving, stage != MIGRATE_TRY);
    assert_true(block->type == MIGRATE_MOVABLE || (scene->changed && stage != MIGRATE_COMMIT));
    if (stage == MIGRATE_TRY) {
        return owner_tries(scene, block, move);
    }
    assert_ptr_equal(move->buddy, block->handle);
    assert_int_equal(move->to, block->to);
    pfn_t left = stage == MIGRATE_COMMIT ? move->from : move->to;
    content_change(scene, left, move->order, block->content, 0);
    if (stage == MIGRATE_COMMIT) {
        assert_int_equal(scene->at[move->to], 0);
        scene->at[move->to] = scene->at[move->from];
        scene->at[move->from] = 0;
        block->pfn = move->to;
    }
    block->moving = false;
    return true;
}

void scene_watch(struct scene *scene, bool plain)
{
    struct memdesc_ops ops = {.migrate = owner_migrate, .context = scene};
    struct potad *potad = &scene->arena.potad;
    assert_int_equal(memdesc_register(potad, MEMDESC_FOLIO, &ops), STATUS_OK);
    ops.migrate = plain ? owner_migrate : NULL;
    assert_int_equal(memdesc_register(potad, MEMDESC_BUDDY_ALLOCATED, &ops), STATUS_OK);
}

void scene_open(struct scene *scene, const struct boot_map *map)
{
    memset(scene, 0, sizeof(*scene));
    arena_open(&scene->arena, map);
    scene_watch(scene, true);
}

void scene_close(struct scene *scene)
{
    for (unsigned i = 0; i < SCENE_BLOCKS; i++) {
        if (scene->blocks[i].handle != NULL) {
            scene_free(scene, &scene->blocks[i]);
        }
    }
    arena_validate(&scene->arena);
    arena_close(&scene->arena);
}

static struct block *unused_block(struct scene *scene)
{
    struct block *block = scene->blocks;
    while (block->handle != NULL || block->wanted) {
        block++;
    }
    return block;
}

/* What @block is, but for its descriptor, is known: notes where it is. */
static void block_note(struct scene *scene, struct block *block, struct buddy *handle)
{
    block->handle = handle;
    block->pfn = handle->pfn;
    block->content = ++scene->contents;
    scene->at[block->pfn] = (uint16_t)(1 + (block - scene->blocks));
    content_change(scene, block->pfn, block->order, 0, block->content);
}

struct block *scene_take(struct scene *scene, const struct page_request *request, bool described)
{
    struct potad *potad = &scene->arena.potad;
    struct block *block = unused_block(scene);
    struct buddy *handle;
    *block = (struct block){
        .wanted = true,
        .order = request->order,
        .type = request->migratetype,
        .described = described,
    };
    enum status status =
        described ? alloc_pages_desc(potad, request, &block->descriptor, MEMDESC_FOLIO, &handle)
                  : alloc_pages(potad, request, &handle);
    block->wanted = false;
    if (status != STATUS_OK) {
        assert_int_equal(status, STATUS_NO_MEMORY);
        return NULL;
    }
    block_note(scene, block, handle);
    return block;
}

struct block *scene_own(struct scene *scene, struct buddy *handle, enum migratetype type)
{
    struct block *block = unused_block(scene);
    assert_true(handle->pfn < SCENE_FRAMES);
    *block = (struct block){.order = buddy_order(handle), .type = type};
    block_note(scene, block, handle);
    return block;
}

void scene_free(struct scene *scene, struct block *block)
{
    if (block->handle == NULL) {
        fail_msg("block at %d is freed twice", (int)block->pfn);
        return; /* which the analyzer does not know */
    }
    content_change(scene, block->pfn, block->order, block->content, 0);
    scene->at[block->pfn] = 0;
    free_pages(&scene->arena.potad, block->handle);
    block->handle = NULL;
}

struct block *scene_find(struct scene *scene, pfn_t pfn)
{
    return scene->at[pfn] == 0 ? NULL : &scene->blocks[scene->at[pfn] - 1];
}

struct block *scene_block(struct scene *scene, pfn_t at)
{
    struct block *block = scene_find(scene, SCENE_BASE + at);
    assert_non_null(block);
    return block;
}

void scene_check(struct scene *scene)
{
    for (unsigned i = 0; i < SCENE_BLOCKS; i++) {
        const struct block *block = &scene->blocks[i];
        struct memdesc_info info;
        if (block->handle == NULL) {
            continue;
        }
        assert_false(block->moving);
        assert_int_equal(block->handle->pfn, block->pfn);
        assert_int_equal(scene->at[block->pfn], 1 + i);
        pfn_t last = block->pfn + order_frames(block->order) - 1;
        assert_true(memdesc_lookup(&scene->arena.potad, last, &info));
        assert_int_equal(info.pfn, block->pfn);
        assert_int_equal(info.frames, order_frames(block->order));
        assert_int_equal(info.zone, scene_range(scene, block->pfn)->zone);
        assert_int_equal(info.migratetype, block->type);
        assert_ptr_equal(info.descriptor,
                         block->described ? &block->descriptor : &block->handle->head);
        content_change(scene, block->pfn, block->order, block->content, block->content);
    }
}

pfn_t scene_map_range(struct boot_map *map, pfn_t start, uint64_t frames, bool cma,
                      uint64_t *random)
{
    map->ranges[map->ranges_count++] =
        (struct range){.start = start, .frames = frames, .zone = 1, .cma = cma};
    return start + frames + (arena_random(random, 2) == 0 ? arena_random(random, 8) : 0);
}
