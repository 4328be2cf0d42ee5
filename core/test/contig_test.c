/* SPDX-License-Identifier: MIT
 *
 * contig_test.c: requirement B6: frames in a row. In the drawings, . is a free frame, a one in use,
 * u a free one that is not accepted, c a free one of CMA, C one of CMA in use, P a poisoned one.
 */
#include "core/contig_find.h"
#include "core/test/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_MAX = 512, METADATA_FRAMES = 256, BASE = 1024 };

/* Zone 0 holds metadata; zone 1, from BASE on, and zones behind it are what tests are about. */
struct scene {
    struct arena arena;
    struct buddy *buddys[FRAMES_MAX]; /* of blocks in use, by first frame from BASE on */
};

static void scene_open(struct scene *scene, const struct boot_map *map)
{
    memset(scene->buddys, 0, sizeof(scene->buddys));
    arena_open(&scene->arena, map);
}

static struct boot_map scene_map(void)
{
    return (struct boot_map){
        .zones_count = 2,
        .ranges_count = 1,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = METADATA_FRAMES, .zone = 0}},
    };
}

static struct range *map_add(struct boot_map *map, pfn_t at, uint64_t frames)
{
    struct range *range = &map->ranges[map->ranges_count++];
    *range = (struct range){.start = BASE + at, .frames = frames, .zone = 1};
    return range;
}

static enum status scene_take(struct scene *scene, order_t order, enum migratetype type, pfn_t *at)
{
    struct buddy *buddy = NULL;
    struct page_request request = {.order = order, .zone = 1, .migratetype = type};
    enum status status = alloc_pages(&scene->arena.potad, &request, &buddy);
    if (status == STATUS_OK) {
        *at = buddy->pfn - BASE;
        scene->buddys[*at] = buddy;
    }
    return status;
}

static void scene_free(struct scene *scene, pfn_t at)
{
    free_pages(&scene->arena.potad, scene->buddys[at]);
    scene->buddys[at] = NULL;
}

/* Fills zone 1 frame by frame, with movable blocks, and frees the frames drawn as free. */
static void scene_draw(struct scene *scene, const char *drawing)
{
    pfn_t at = 0;
    while (scene_take(scene, 0, MIGRATE_MOVABLE, &at) == STATUS_OK) {
    }
    for (at = 0; drawing[at] != '\0'; at++) {
        if (drawing[at] != 'a' && drawing[at] != 'C' && drawing[at] != ' ') {
            scene_free(scene, at);
        }
    }
}

/* Zone 1 of one range, drawn. */
static void scene_open_drawn(struct scene *scene, const char *drawing)
{
    struct boot_map map = scene_map();
    map_add(&map, 0, strlen(drawing));
    scene_open(scene, &map);
    scene_draw(scene, drawing);
}

static void scene_close(struct scene *scene)
{
    for (pfn_t at = 0; at < FRAMES_MAX; at++) {
        if (scene->buddys[at] != NULL) {
            scene_free(scene, at);
        }
    }
    arena_validate(&scene->arena);
    arena_close(&scene->arena);
}

static struct contig_request request_of(uint64_t units, order_t align)
{
    return (struct contig_request){.units = units, .align = align, .zone = 1};
}

/* All frames of the run are allocated now, in parts that are its own. */
static void assert_granted(struct arena *arena, const struct contig *contig)
{
    uint64_t parts = 0;
    pfn_t pfn = contig->pfn;
    while (pfn < contig->pfn + contig->units) {
        struct memdesc_info info;
        assert_true(memdesc_lookup(&arena->potad, pfn, &info));
        assert_int_equal(info.type, MEMDESC_BUDDY_ALLOCATED);
        assert_int_equal(info.pfn, pfn);
        assert_int_equal(info.zone, contig->zone);
        assert_false(info.unaccepted);
        pfn += info.frames;
        parts++;
    }
    assert_int_equal(pfn, contig->pfn + contig->units);
    assert_int_equal(parts, contig->parts);
    arena_validate(arena);
}

/* Asks, checks that the run starts at BASE + @at, and that freeing it leaves all as it was. */
static void assert_found(struct scene *scene, const struct contig_request *request, pfn_t at)
{
    struct contig contig;
    uint64_t hash = potad_state_hash(&scene->arena.potad);
    assert_int_equal(alloc_contig(&scene->arena.potad, request, &contig), STATUS_OK);
    assert_int_equal(contig.pfn, BASE + at);
    assert_int_equal(contig.units, request->units);
    assert_granted(&scene->arena, &contig);
    free_contig(&scene->arena.potad, &contig);
    arena_validate(&scene->arena);
    assert_int_equal(potad_state_hash(&scene->arena.potad), hash);
}

/* Asks for what there is none of: nothing changes. */
static void assert_none(struct scene *scene, const struct contig_request *request,
                        enum status expected)
{
    struct contig contig;
    uint64_t hash = potad_state_hash(&scene->arena.potad);
    assert_int_equal(alloc_contig(&scene->arena.potad, request, &contig), expected);
    arena_validate(&scene->arena);
    assert_int_equal(potad_state_hash(&scene->arena.potad), hash);
}

/* The mail's case, a frame a megabyte: 8 at alignment 1, free from 1 to 9.
 *
 *   a.|..|....|.aaaaaaa        orders 0, 1, 2, 0: no block of 8, no two of 4 or of 2 side by side
 */
static void b6_contig_finds_what_coalescing_made_of_1_to_9(void **state)
{
    (void)state;
    struct scene scene;
    scene_open_drawn(&scene, "a........aaaaaaa");
    struct contig_request request = request_of(8, 0);
    assert_found(&scene, &request, 1);
    request.units = 9;
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    scene_close(&scene);
}

/* One block of 8; two of 4 that are no buddys; four of 2; eight frames, each time the only ones. */
static void b6_contig_tries_smaller_and_smaller_blocks(void **state)
{
    (void)state;
    static const char *const drawings[] = {
        "aaaaaaaa........aaaaaaaaaaaaaaaa", "aaaa........aaaaaaaaaaaaaaaaaaaa",
        "aa........aaaaaaaaaaaaaaaaaaaaaa", "a........aaaaaaaaaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaaaaaaaaa........a",
    };
    static const pfn_t starts[] = {8, 4, 2, 1, 23};
    for (unsigned i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct scene scene;
        scene_open_drawn(&scene, drawings[i]);
        struct contig_request request = request_of(8, 0);
        assert_found(&scene, &request, starts[i]);
        request.units = 9;
        assert_none(&scene, &request, STATUS_NO_MEMORY);
        scene_close(&scene);
    }
}

/* The run starts and ends inside blocks: what is beside it stays free. */
static void contig_cuts_blocks_at_both_ends(void **state)
{
    (void)state;
    struct scene scene;
    struct contig contig;
    scene_open_drawn(&scene, "................................");
    struct contig_request request = request_of(13, 0);
    request.low = BASE + 9;
    assert_found(&scene, &request, 9);
    assert_int_equal(alloc_contig(&scene.arena.potad, &request, &contig), STATUS_OK);
    /* 0-7 and 8; 22-23 and 24-31. */
    assert_int_equal(arena_free_blocks(&scene.arena, 1, 3), 2);
    assert_int_equal(arena_free_blocks(&scene.arena, 1, 0), 1);
    assert_int_equal(arena_free_blocks(&scene.arena, 1, 1), 1);
    free_contig(&scene.arena.potad, &contig);
    assert_int_equal(arena_free_blocks(&scene.arena, 1, 5), 1);
    scene_close(&scene);
}

/* An alignment larger than the run: a run in the middle of a free block will not do. */
static void contig_keeps_to_its_alignment(void **state)
{
    (void)state;
    struct scene scene;
    scene_open_drawn(&scene, "a.......a...............aaaaaaaa");
    struct contig_request request = request_of(3, 4);
    assert_found(&scene, &request, 16);
    request.units = 9;
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    request = request_of(9, 3);
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    request = request_of(8, 3);
    assert_found(&scene, &request, 16);
    request = request_of(9, 2);
    assert_found(&scene, &request, 12);
    request = request_of(1, 5);
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    scene_close(&scene);
}

static void contig_keeps_to_its_limits(void **state)
{
    (void)state;
    struct scene scene;
    scene_open_drawn(&scene, "................");
    struct contig_request request = request_of(5, 0);
    request.low = BASE + 3;
    request.high = BASE + 8;
    assert_found(&scene, &request, 3);
    request.high = BASE + 7;
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    request.low = BASE + 14;
    request.high = 0;
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    request.units = 2;
    assert_found(&scene, &request, 14);
    scene_close(&scene);
}

static void contig_takes_one_frame_or_all(void **state)
{
    (void)state;
    struct scene scene;
    struct boot_map map = scene_map();
    map_add(&map, 5, 50);
    scene_open(&scene, &map);
    struct contig_request request = request_of(50, 0);
    assert_found(&scene, &request, 5);
    request = request_of(51, 0);
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    request = request_of(1, 5);
    assert_found(&scene, &request, 32);
    scene_close(&scene);
}

static void contig_refuses_what_cannot_be_asked_for(void **state)
{
    (void)state;
    struct scene scene;
    scene_open_drawn(&scene, "....");
    struct contig_request request = request_of(0, 0);
    assert_none(&scene, &request, STATUS_INVALID);
    request = request_of(1, ORDERS);
    assert_none(&scene, &request, STATUS_INVALID);
    request = request_of(1, 0);
    request.low = 7;
    request.high = 7;
    assert_none(&scene, &request, STATUS_INVALID);
    request = request_of(1, 0);
    request.zone = 2;
    assert_none(&scene, &request, STATUS_INVALID);
    request = request_of(UINT64_MAX, ORDERS - 1);
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    scene_close(&scene);
}

/* Ranges of a zone that touch are one run; those of two zones are not; nor is a hole crossed.
 *
 *   |aaaaaa....|......aa|  |........|
 *   zone 1                  zone 2, right behind frame 23
 */
static void contig_crosses_ranges_but_no_zones_and_no_holes(void **state)
{
    (void)state;
    struct scene scene;
    struct boot_map map = scene_map();
    map_add(&map, 0, 10);
    map_add(&map, 10, 6);
    map_add(&map, 20, 4);
    map_add(&map, 24, 8)->zone = 2;
    map.zones[map.zones_count++] = (struct zone_config){.zone_class = ZONE_HIGHMEM};
    scene_open(&scene, &map);
    struct contig_request request = request_of(16, 0);
    assert_found(&scene, &request, 0);
    request = request_of(10, 0);
    request.low = BASE + 5;
    assert_found(&scene, &request, 5);
    request.low = BASE + 7;
    request.zone = ZONE_ANY;
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    request.units = 9;
    assert_found(&scene, &request, 7);
    request.low = BASE + 16;
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    request.units = 8;
    assert_found(&scene, &request, 24);
    scene_close(&scene);
}

/* B5: 1.5 TB with a hole from 3 to 4 GB. No aligned block of 1 TB is free, but 1 TB is, as
 * |4 GB|8|16| ... |512 GB| and a part of what follows. */
static void b5_contig_finds_a_terabyte_behind_the_pci_hole(void **state)
{
    (void)state;
    enum { NORMAL = 4096 };
    const pfn_t gigabyte = (pfn_t)1 << (30 - FRAME_SHIFT);
    struct arena arena;
    struct buddy *buddy;
    struct contig contig;
    const struct boot_map map = {
        .kind = BLOCK_MAP_TREE,
        .zones_count = 2,
        .ranges_count = 3,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = NORMAL, .zone = 0},
                   {.start = NORMAL, .frames = 3 * gigabyte - NORMAL, .zone = 1},
                   {.start = 4 * gigabyte, .frames = 1533 * gigabyte, .zone = 1}},
    };
    arena_open(&arena, &map);
    uint64_t hash = potad_state_hash(&arena.potad);
    struct page_request pages = {.order = 28, .zone = 1};
    assert_int_equal(alloc_pages(&arena.potad, &pages, &buddy), STATUS_NO_MEMORY);
    struct contig_request request = {.units = 1024 * gigabyte, .align = 18, .zone = 1};
    assert_int_equal(alloc_contig(&arena.potad, &request, &contig), STATUS_OK);
    assert_true(contig.pfn >= 4 * gigabyte);
    assert_granted(&arena, &contig);
    free_contig(&arena.potad, &contig);
    request.units = 1533 * gigabyte;
    assert_int_equal(alloc_contig(&arena.potad, &request, &contig), STATUS_OK);
    assert_int_equal(contig.pfn, 4 * gigabyte);
    free_contig(&arena.potad, &contig);
    request.units++;
    assert_int_equal(alloc_contig(&arena.potad, &request, &contig), STATUS_NO_MEMORY);
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* A zone keeps its reserve for those who may use it; others get their run from the next zone of the
 * node's list, if it may serve them. */
static void contig_leaves_the_reserve_and_tries_the_next_zone(void **state)
{
    (void)state;
    struct scene scene;
    struct contig contig;
    struct boot_map map = scene_map();
    map.zones[1].watermark_min = 8;
    map_add(&map, 0, 32);
    map_add(&map, 64, 32)->zone = 2;
    map.zones[map.zones_count++] = (struct zone_config){.zone_class = ZONE_MOVABLE};
    scene_open(&scene, &map);
    struct contig_request request = request_of(25, 0);
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    request.reserve = true;
    assert_found(&scene, &request, 0);
    request.reserve = false;
    request.units = 24;
    assert_found(&scene, &request, 0);
    request.units = 32;
    request.low = BASE;
    request.zone = ZONE_ANY;
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    request.migratetype = MIGRATE_MOVABLE;
    assert_int_equal(alloc_contig(&scene.arena.potad, &request, &contig), STATUS_OK);
    assert_int_equal(contig.zone, 2);
    free_contig(&scene.arena.potad, &contig);
    request.below = ZONE_MOVABLE;
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    scene_close(&scene);
}

/* Unaccepted memory is taken only where accepted memory has no run, and is accepted just as far.
 *
 *   ........uuuuuuuu
 */
static void contig_accepts_what_it_takes(void **state)
{
    (void)state;
    struct scene scene;
    struct contig contig;
    struct boot_map map = scene_map();
    map_add(&map, 0, 8);
    map_add(&map, 8, 8)->unaccepted = true;
    scene_open(&scene, &map);
    struct contig_request request = request_of(5, 2);
    request.high = BASE + 9;
    assert_found(&scene, &request, 0);
    assert_int_equal(scene.arena.accepted, 0);
    request = request_of(9, 0);
    request.low = BASE + 2;
    assert_none(&scene, &(struct contig_request){.units = 17, .zone = 1}, STATUS_NO_MEMORY);
    assert_int_equal(alloc_contig(&scene.arena.potad, &request, &contig), STATUS_OK);
    assert_int_equal(contig.pfn, BASE + 2);
    assert_int_equal(scene.arena.accepted, 3);
    assert_granted(&scene.arena, &contig);
    free_contig(&scene.arena.potad, &contig);
    assert_found(&scene, &request, 2);
    assert_int_equal(scene.arena.accepted, 3);
    scene_close(&scene);
}

/* Accepting fails, at each part: all is free, and what was accepted stays so. */
static void contig_leaves_all_free_where_accepting_fails(void **state)
{
    (void)state;
    for (uint64_t from = 1; from <= 4; from++) {
        struct scene scene;
        struct contig contig;
        struct boot_map map = scene_map();
        map_add(&map, 0, 4);
        map_add(&map, 4, 12)->unaccepted = true;
        scene_open(&scene, &map);
        struct contig_request request = request_of(10, 0);
        request.low = BASE + 3; /* 3, 4-7, 8-11, 12 */
        arena_fail(&scene.arena, FAULT_ACCEPT, from);
        enum status expected = from <= 3 ? STATUS_ACCEPT_FAILED : STATUS_OK;
        assert_int_equal(alloc_contig(&scene.arena.potad, &request, &contig), expected);
        arena_validate(&scene.arena);
        arena_fail(&scene.arena, FAULT_SITES, 0);
        if (expected == STATUS_OK) {
            free_contig(&scene.arena.potad, &contig);
        }
        assert_int_equal(scene.arena.potad.zones[1].frames[BUDDY_FREE], 16);
        scene_close(&scene);
    }
}

/* ....P...: a poisoned frame is not free; one that fails in a run is kept back when that is freed.
 */
static void contig_goes_around_poisoned_frames(void **state)
{
    (void)state;
    struct scene scene;
    struct contig contig;
    scene_open_drawn(&scene, "........");
    assert_int_equal(memory_failure(&scene.arena.potad, BASE + 4), STATUS_OK);
    struct contig_request request = request_of(5, 0);
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    request.units = 4;
    assert_found(&scene, &request, 0);
    assert_int_equal(unpoison(&scene.arena.potad, BASE + 4), STATUS_OK);
    request.units = 7;
    assert_int_equal(alloc_contig(&scene.arena.potad, &request, &contig), STATUS_OK);
    assert_int_equal(memory_failure(&scene.arena.potad, BASE + 5), STATUS_OK);
    arena_validate(&scene.arena);
    free_contig(&scene.arena.potad, &contig);
    arena_validate(&scene.arena);
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    assert_int_equal(unpoison(&scene.arena.potad, BASE + 5), STATUS_OK);
    assert_found(&scene, &request, 0);
    scene_close(&scene);
}

/* F1, F2: each site fails, from each step on: the call fails with nothing changed, or succeeds. */
static void contig_undoes_what_a_fault_stops(void **state)
{
    (void)state;
    static const enum block_map_kind kinds[] = {BLOCK_MAP_TABLE, BLOCK_MAP_TREE, BLOCK_MAP_BOTH};
    for (unsigned kind = 0; kind < 3; kind++) {
        for (unsigned site = 0; site < FAULT_SITES; site++) {
            struct scene scene;
            struct contig contig;
            struct boot_map map = scene_map();
            map.kind = kinds[kind];
            map_add(&map, 0, 256);
            scene_open(&scene, &map);
            struct contig_request request = request_of(201, 0);
            request.low = BASE + 27;
            uint64_t hash = potad_state_hash(&scene.arena.potad);
            enum status status = STATUS_NO_MEMORY;
            for (uint64_t from = 1; status != STATUS_OK; from++) {
                arena_fail(&scene.arena, (enum fault_site)site, from);
                status = alloc_contig(&scene.arena.potad, &request, &contig);
                arena_fail(&scene.arena, FAULT_SITES, 0);
                arena_validate(&scene.arena);
                if (status != STATUS_OK) {
                    assert_int_equal(potad_state_hash(&scene.arena.potad), hash);
                }
            }
            free_contig(&scene.arena.potad, &contig);
            potad_shrink(&scene.arena.potad);
            assert_int_equal(potad_state_hash(&scene.arena.potad), hash);
            scene_close(&scene);
        }
    }
}

/* Where descriptors can come only from the memory that the run is in, one of the runs is found. */
static void contig_finds_another_run_when_slabs_take_one(void **state)
{
    (void)state;
    struct arena arena;
    struct contig contig;
    arena_open_frames(&arena, 0, 64);
    uint64_t hash = potad_state_hash(&arena.potad);
    struct contig_request request = {.units = 31, .zone = 0};
    assert_int_equal(alloc_contig(&arena.potad, &request, &contig), STATUS_OK);
    assert_granted(&arena, &contig);
    free_contig(&arena.potad, &contig);
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    request.units = 64;
    assert_int_equal(alloc_contig(&arena.potad, &request, &contig), STATUS_OK);
    free_contig(&arena.potad, &contig);
    arena_close(&arena);
}

/* The owner of movable blocks, of either kind of handle. */
struct owner {
    _Alignas(MEMDESC_ALIGN) struct memdesc descriptor;
    struct scene *scene;
    struct memdesc *refuses;             /* the descriptor that it does not agree for */
    struct buddy *handle;                /* of the block under the owner's descriptor */
    unsigned stages[MIGRATE_CANCEL + 1]; /* calls */
};

static bool owner_migrate(void *context, struct memdesc *descriptor, struct migration *move,
                          enum migrate_stage stage)
{
    struct owner *owner = context;
    owner->stages[stage]++;
    if (stage == MIGRATE_TRY && descriptor == &owner->descriptor) {
        move->buddy = owner->handle;
    }
    if (stage == MIGRATE_COMMIT) {
        assert_int_equal(move->buddy->pfn, move->to);
        assert_int_equal(buddy_order(move->buddy), move->order);
        if (descriptor != &owner->descriptor && move->from >= BASE) {
            assert_ptr_equal(owner->scene->buddys[move->from - BASE], move->buddy);
            owner->scene->buddys[move->from - BASE] = NULL;
            owner->scene->buddys[move->to - BASE] = move->buddy;
        }
    }
    return descriptor != owner->refuses;
}

static void owner_open(struct owner *owner, struct scene *scene)
{
    *owner = (struct owner){.scene = scene};
    struct memdesc_ops ops = {.migrate = owner_migrate, .context = owner};
    enum status status = memdesc_register(&scene->arena.potad, MEMDESC_BUDDY_ALLOCATED, &ops);
    assert_int_equal(status, STATUS_OK);
    status = memdesc_register(&scene->arena.potad, MEMDESC_ANONMEM, &ops);
    assert_int_equal(status, STATUS_OK);
}

/* Zone 1: 16 frames of CMA, then @others that are not. Its blocks move nowhere else. */
static void scene_open_cma(struct scene *scene, enum block_map_kind kind, uint64_t others)
{
    struct boot_map map = scene_map();
    map.kind = kind;
    map.zones[1].zone_class = ZONE_DMA;
    map_add(&map, 0, 16)->cma = true;
    if (others > 0) {
        map_add(&map, 16, others);
    }
    scene_open(scene, &map);
}

static struct contig_request cma_request(uint64_t units, order_t align)
{
    struct contig_request request = request_of(units, align);
    request.cma = true;
    return request;
}

/* cccccccc cccccccc ........: CMA memory is for those who ask for it, and only that. */
static void contig_takes_cma_memory_only_where_asked(void **state)
{
    (void)state;
    struct scene scene;
    scene_open_cma(&scene, BLOCK_MAP_TABLE, 8);
    struct contig_request request = request_of(9, 0);
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    request.migratetype = MIGRATE_MOVABLE;
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    request.units = 8;
    assert_found(&scene, &request, 16);
    request = cma_request(16, 0);
    assert_found(&scene, &request, 0);
    request = cma_request(17, 0);
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    scene_close(&scene);
}

/* ccCcccAA cccccccc ........ ........  ->  16 frames: C and AA, an owner's own, move.
 * Each handle describes its block where it is now, and the block of AA leads to its owner. */
static void contig_moves_owners_out_of_cma(void **state)
{
    (void)state;
    static const enum block_map_kind kinds[] = {BLOCK_MAP_TABLE, BLOCK_MAP_TREE, BLOCK_MAP_BOTH};
    for (unsigned kind = 0; kind < 3; kind++) {
        struct scene scene;
        struct owner owner;
        struct contig contig;
        pfn_t at = 0;
        scene_open_cma(&scene, kinds[kind], 16);
        owner_open(&owner, &scene);
        uint64_t hash = potad_state_hash(&scene.arena.potad);
        while (scene_take(&scene, 0, MIGRATE_UNMOVABLE, &at) == STATUS_OK) {
        }
        assert_int_equal(scene_take(&scene, 0, MIGRATE_MOVABLE, &at), STATUS_OK);
        struct page_request pages = {.order = 1, .zone = 1, .migratetype = MIGRATE_MOVABLE};
        assert_int_equal(alloc_pages_desc(&scene.arena.potad, &pages, &owner.descriptor,
                                          MEMDESC_ANONMEM, &owner.handle),
                         STATUS_OK);
        struct buddy *moved = scene.buddys[at];
        struct contig_request request = cma_request(16, 0);
        assert_none(&scene, &request, STATUS_NO_MEMORY); /* nowhere to go */
        for (pfn_t i = 16; i < 32; i++) {
            if (i % 4 != 0) {
                scene_free(&scene, i);
            }
        }
        owner.stages[MIGRATE_TRY] = 0;
        owner.stages[MIGRATE_CANCEL] = 0;
        assert_int_equal(alloc_contig(&scene.arena.potad, &request, &contig), STATUS_OK);
        assert_granted(&scene.arena, &contig);
        assert_int_equal(owner.stages[MIGRATE_TRY], 2);
        assert_int_equal(owner.stages[MIGRATE_COMMIT], 2);
        assert_int_equal(owner.stages[MIGRATE_CANCEL], 0);
        assert_true(moved->pfn >= BASE + 16);
        assert_true(owner.handle->pfn >= BASE + 16);
        struct memdesc_info info;
        assert_true(memdesc_lookup(&scene.arena.potad, owner.handle->pfn + 1, &info));
        assert_ptr_equal(info.descriptor, &owner.descriptor);
        assert_int_equal(info.pfn, owner.handle->pfn);
        free_pages(&scene.arena.potad, owner.handle);
        free_contig(&scene.arena.potad, &contig);
        for (pfn_t i = 0; i < FRAMES_MAX; i++) {
            if (scene.buddys[i] != NULL) {
                scene_free(&scene, i);
            }
        }
        potad_shrink(&scene.arena.potad);
        assert_int_equal(potad_state_hash(&scene.arena.potad), hash);
        scene_close(&scene);
    }
}

/* CCCCCCCC CCCCCCCC in blocks of 4, the window 2 to 6: both its blocks move as a whole, and what is
 * not of the window is free. */
static void contig_moves_blocks_across_its_ends(void **state)
{
    (void)state;
    struct scene scene;
    struct owner owner;
    struct contig contig;
    pfn_t at = 0;
    scene_open_cma(&scene, BLOCK_MAP_BOTH, 16);
    owner_open(&owner, &scene);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(scene_take(&scene, 2, MIGRATE_MOVABLE, &at), STATUS_OK);
    }
    for (pfn_t i = 16; i < 32; i += 4) {
        scene_free(&scene, i);
    }
    struct contig_request request = cma_request(4, 1);
    request.low = BASE + 2;
    request.high = BASE + 6;
    assert_int_equal(alloc_contig(&scene.arena.potad, &request, &contig), STATUS_OK);
    assert_int_equal(contig.pfn, BASE + 2);
    assert_int_equal(owner.stages[MIGRATE_COMMIT], 2);
    assert_granted(&scene.arena, &contig);
    assert_int_equal(arena_free_blocks(&scene.arena, 1, 1), 2);
    free_contig(&scene.arena.potad, &contig);
    arena_validate(&scene.arena);
    scene_close(&scene);
}

/* CcCc CcCc CcCc CcCc: the owner of one block refuses. Windows without it are tried; where there is
 * none, all who agreed hear that they stay. */
static void contig_goes_elsewhere_where_an_owner_refuses(void **state)
{
    (void)state;
    for (pfn_t refused = 0; refused < 16; refused += 2) {
        struct scene scene;
        struct owner owner;
        struct contig contig;
        struct boot_map map = scene_map();
        map_add(&map, 0, 16)->cma = true;
        map_add(&map, 16, 16);
        scene_open(&scene, &map);
        owner_open(&owner, &scene);
        scene_draw(&scene, "CcCcCcCcCcCcCcCc................");
        owner.refuses = &scene.buddys[refused]->head;
        struct contig_request request = cma_request(16, 0);
        assert_none(&scene, &request, STATUS_NO_MEMORY);
        assert_int_equal(owner.stages[MIGRATE_COMMIT], 0);
        assert_int_equal(owner.stages[MIGRATE_CANCEL], owner.stages[MIGRATE_TRY] - 1);
        request = cma_request(7, 3);
        assert_int_equal(alloc_contig(&scene.arena.potad, &request, &contig), STATUS_OK);
        assert_int_equal(contig.pfn, BASE + (refused < 8 ? 8 : 0));
        assert_granted(&scene.arena, &contig);
        assert_int_equal(owner.stages[MIGRATE_COMMIT], 4);
        free_contig(&scene.arena.potad, &contig);
        scene_close(&scene);
    }
}

/* F1 for moves: each site fails from each step on, MIGRATE among them. */
static void contig_undoes_moves_that_a_fault_stops(void **state)
{
    (void)state;
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        struct scene scene;
        struct owner owner;
        struct contig contig;
        struct boot_map map = scene_map();
        map.kind = BLOCK_MAP_BOTH;
        map_add(&map, 0, 16)->cma = true;
        map_add(&map, 16, 64);
        scene_open(&scene, &map);
        owner_open(&owner, &scene);
        scene_draw(&scene, "CcCcCcCcCcCcCcCc................");
        uint64_t hash = potad_state_hash(&scene.arena.potad);
        struct contig_request request = cma_request(14, 0);
        request.low = BASE + 1;
        enum status status = STATUS_NO_MEMORY;
        for (uint64_t from = 1; status != STATUS_OK; from++) {
            arena_fail(&scene.arena, (enum fault_site)site, from);
            status = alloc_contig(&scene.arena.potad, &request, &contig);
            arena_fail(&scene.arena, FAULT_SITES, 0);
            arena_validate(&scene.arena);
            if (status != STATUS_OK) {
                assert_int_equal(potad_state_hash(&scene.arena.potad), hash);
            }
        }
        assert_int_equal(owner.stages[MIGRATE_COMMIT], 7);
        free_contig(&scene.arena.potad, &contig);
        scene_close(&scene);
    }
}

/* A frame of a block that would have to move has failed: the window is none. */
static void contig_moves_no_failed_frames(void **state)
{
    (void)state;
    struct scene scene;
    struct owner owner;
    struct boot_map map = scene_map();
    map_add(&map, 0, 16)->cma = true;
    map_add(&map, 16, 16);
    scene_open(&scene, &map);
    owner_open(&owner, &scene);
    scene_draw(&scene, "CcCcCcCcCcCcCcCc................");
    assert_int_equal(memory_failure(&scene.arena.potad, BASE + 8), STATUS_OK);
    struct contig_request request = cma_request(8, 0);
    struct contig contig;
    request.low = BASE + 1;
    assert_none(&scene, &request, STATUS_NO_MEMORY);
    assert_int_equal(owner.stages[MIGRATE_TRY], 0);
    request.low = 0;
    assert_int_equal(alloc_contig(&scene.arena.potad, &request, &contig), STATUS_OK);
    assert_int_equal(contig.pfn, BASE);
    free_contig(&scene.arena.potad, &contig);
    assert_int_equal(unpoison(&scene.arena.potad, BASE + 8), STATUS_OK);
    scene_close(&scene);
}

/* Zone 1 of up to four ranges of any kind, some of which touch. */
static void open_random(struct scene *scene, uint64_t *random)
{
    struct boot_map map = scene_map();
    pfn_t at = arena_random(random, 64);
    uint64_t ranges = 1 + arena_random(random, 4);
    map.kind = (enum block_map_kind)arena_random(random, 3);
    for (uint64_t i = 0; i < ranges; i++) {
        struct range *range = map_add(&map, at, 1 + arena_random(random, 64));
        range->unaccepted = arena_random(random, 3) == 0;
        range->cma = !range->unaccepted && arena_random(random, 3) == 0;
        at += range->frames + (arena_random(random, 2) == 0 ? arena_random(random, 16) : 0);
    }
    scene_open(scene, &map);
}

/* Takes blocks of any order until about @used frames are in use, and frees what begins in a part of
 * the zone, so that there are long runs, too. */
static void fill_random(struct scene *scene, uint64_t *random, uint64_t used)
{
    const struct space *zone = &scene->arena.potad.zones[1];
    order_t orders = 1 + (order_t)arena_random(random, 4);
    pfn_t at = 0;
    for (unsigned turn = 0; turn < FRAMES_MAX && zone->frames[BUDDY_ALLOCATED] < used; turn++) {
        order_t order = (order_t)arena_random(random, orders);
        (void)scene_take(scene, order, (enum migratetype)arena_random(random, MIGRATETYPES), &at);
    }
    for (unsigned turn = 0; turn < FRAMES_MAX; turn++) {
        at = arena_random(random, FRAMES_MAX);
        if (scene->buddys[at] != NULL && zone->frames[BUDDY_ALLOCATED] > used) {
            scene_free(scene, at);
        }
    }
    pfn_t start = arena_random(random, FRAMES_MAX / 2);
    pfn_t end = start + arena_random(random, FRAMES_MAX / 4);
    for (at = start; at < end; at++) {
        if (scene->buddys[at] != NULL) {
            scene_free(scene, at);
        }
    }
}

/* Whether any run does, frame by frame. */
static bool run_exists(const struct contig_request *request, const char *drawn, const char *allowed)
{
    for (pfn_t start = 0; start + request->units <= FRAMES_MAX; start++) {
        bool fits = (BASE + start) % order_frames(request->align) == 0 &&
                    BASE + start >= request->low && BASE + start + request->units <= request->high;
        for (uint64_t i = 0; fits && i < request->units; i++) {
            fits = strchr(allowed, drawn[start + i]) != NULL;
        }
        if (fits) {
            return true;
        }
    }
    return false;
}

/* Draws zone 1 into @drawn. */
static void draw_frames(struct scene *scene, char *drawn)
{
    const struct boot_map *map = &scene->arena.map;
    for (pfn_t at = 0; at < FRAMES_MAX; at++) {
        struct memdesc_info info;
        drawn[at] = ' ';
        for (uint32_t i = 1; i < map->ranges_count; i++) {
            const struct range *range = &map->ranges[i];
            if (BASE + at - range->start < range->frames) {
                assert_true(memdesc_lookup(&scene->arena.potad, BASE + at, &info));
                char free = info.unaccepted ? 'u' : range->cma ? 'c' : '.';
                drawn[at] = info.type == MEMDESC_BUDDY_FREE ? free : 'a';
            }
        }
    }
}

/* A request of any size and limits; or, half of the time, one that fits a run in @drawn to the
 * frame, or is one frame too many. */
static struct contig_request request_random(uint64_t *random, const char *drawn)
{
    struct contig_request request =
        request_of(1 + arena_random(random, 1 + arena_random(random, 96)), 0);
    request.cma = arena_random(random, 4) == 0;
    request.migratetype = (enum migratetype)arena_random(random, MIGRATETYPES);
    request.align = arena_random(random, 2) == 0 ? 0 : (order_t)arena_random(random, 8);
    request.low = arena_random(random, 2) == 0 ? 0 : BASE + arena_random(random, 200);
    request.high = PFN_NONE;
    pfn_t start = arena_random(random, FRAMES_MAX / 2);
    pfn_t end = start;
    while (end < FRAMES_MAX && strchr(request.cma ? "c" : ".u", drawn[end]) != NULL) {
        end++;
    }
    if (end > start && arena_random(random, 2) == 0) {
        request.align = (order_t)arena_random(random, 3);
        pfn_t first = pfn_align_up(start, request.align);
        request.low = BASE + start;
        request.high = BASE + end - arena_random(random, (end - start + 1) / 2);
        pfn_t high = request.high - BASE;
        request.units = (first < high ? high - first : 0) + arena_random(random, 2);
        request.units = request.units > 0 ? request.units : 1;
    } else if (arena_random(random, 2) == 0) {
        request.high = (request.low > BASE ? request.low : BASE) + 1 + arena_random(random, 200);
    }
    return request;
}

static void ask_random(struct scene *scene, uint64_t *random, uint64_t number)
{
    char drawn[FRAMES_MAX];
    struct contig contig;
    draw_frames(scene, drawn);
    struct contig_request request = request_random(random, drawn);
    bool exists = run_exists(&request, drawn, request.cma ? "c" : ".u");
    enum status status = alloc_contig(&scene->arena.potad, &request, &contig);
    if (status != (exists ? STATUS_OK : STATUS_NO_MEMORY)) {
        fail_msg("state %lu: answers %d for %lu frames, alignment 2^%u, from %lu in %.*s",
                 (unsigned long)number, (int)status, (unsigned long)request.units, request.align,
                 (unsigned long)(request.low - BASE), FRAMES_MAX, drawn);
    }
    if (exists) {
        assert_true(contig.pfn % order_frames(request.align) == 0);
        assert_true(contig.pfn >= request.low);
        assert_true(contig.pfn + contig.units <= request.high);
        for (pfn_t at = contig.pfn - BASE; at < contig.pfn - BASE + request.units; at++) {
            assert_non_null(strchr(request.cma ? "c" : ".u", drawn[at]));
        }
        free_contig(&scene->arena.potad, &contig);
    }
}

/* POTAD_CONTIG_STATES says how many states. contig_migrate_test.c has those in which blocks move.
 */
static void contig_random_states_agree_with_brute_force(void **state)
{
    (void)state;
    enum { STATES_A_SCENE = 16 };
    const char *asked = getenv("POTAD_CONTIG_STATES");
    uint64_t states = asked == NULL ? 20000 : strtoull(asked, NULL, 0);
    struct scene scene;
    for (uint64_t i = 0; i < states; i++) {
        uint64_t random = i;
        if (i % STATES_A_SCENE == 0) {
            open_random(&scene, &random);
        }
        uint64_t frames = scene.arena.potad.zones[1].managed_frames;
        fill_random(&scene, &random, arena_random(&random, frames + 1));
        ask_random(&scene, &random, i);
        if (i % STATES_A_SCENE == STATES_A_SCENE - 1 || i == states - 1) {
            scene_close(&scene);
        }
    }
}

/* Below: a device asks for the 16 CMA frames of zone 1 while one block is in them.
 *
 *   zone 0: 512 frames         zone 1:   1024       1040       1056
 *                                        | cma, 16  | 16 more  |
 */
static const struct boot_map small_cma = {
    .zones_count = 2,
    .ranges_count = 3,
    .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_NORMAL, .watermark_min = 8}},
    .ranges = {{.start = 0, .frames = 512, .zone = 0},
               {.start = 1024, .frames = 16, .zone = 1, .cma = true},
               {.start = 1040, .frames = 16, .zone = 1}},
};

static struct {
    struct arena arena;
    _Alignas(MEMDESC_ALIGN) struct memdesc head;
    struct buddy *buddy;
    order_t next_order; /* of the block that takes the place of the first one */
    bool changed;
    unsigned told[MIGRATE_CANCEL + 1];
} owned;

static bool owner_agrees(void *context, struct memdesc *descriptor, struct migration *move,
                         enum migrate_stage stage)
{
    (void)context;
    assert_ptr_equal(descriptor, &owned.head);
    owned.told[stage]++;
    move->buddy = stage == MIGRATE_TRY ? owned.buddy : move->buddy;
    return true;
}

static void owned_take(order_t order)
{
    struct page_request request = {
        .order = order, .zone = 1, .migratetype = MIGRATE_MOVABLE, .reserve = true};
    assert_int_equal(
        alloc_pages_desc(&owned.arena.potad, &request, &owned.head, MEMDESC_ANONMEM, &owned.buddy),
        STATUS_OK);
}

static void owned_open(bool (*migrate)(void *, struct memdesc *, struct migration *,
                                       enum migrate_stage))
{
    struct page_request fill = {.order = 4, .zone = 1, .reserve = true};
    struct memdesc_ops ops = {.migrate = migrate};
    struct buddy *buddy;
    owned.changed = false;
    memset(owned.told, 0, sizeof(owned.told));
    arena_open(&owned.arena, &small_cma);
    assert_int_equal(memdesc_register(&owned.arena.potad, MEMDESC_ANONMEM, &ops), STATUS_OK);
    assert_int_equal(alloc_pages(&owned.arena.potad, &fill, &buddy), STATUS_OK);
}

/* As another CPU between the look at the block and the question. */
static bool other_frees_and_allocates(void *context, enum fault_site site)
{
    (void)context;
    if (site == FAULT_MIGRATE && !owned.changed) {
        owned.changed = true;
        free_pages(&owned.arena.potad, owned.buddy);
        owned_take(owned.next_order);
    }
    return false;
}

/* An owner agrees, but its block is another one by now, under the same descriptor: it hears that
 * nothing moves. */
static void contig_moves_only_the_block_that_was_seen(void **state)
{
    (void)state;
    const struct contig_request request = {.units = 16, .zone = 1, .cma = true, .reserve = true};
    struct contig contig;
    for (owned.next_order = 0; owned.next_order < 2; owned.next_order++) {
        owned_open(owner_agrees);
        owned_take(1);
        owned.arena.port.fault = other_frees_and_allocates;
        owned.arena.potad.port.fault = other_frees_and_allocates;
        enum status status = alloc_contig(&owned.arena.potad, &request, &contig);
        /* It may be asked again: what the other one had in hand is back. */
        assert_true(status == STATUS_OK || owned.next_order == 0);
        assert_true(owned.told[MIGRATE_CANCEL] > 0 || owned.next_order == 1);
        assert_int_equal(owned.told[MIGRATE_TRY],
                         owned.told[MIGRATE_COMMIT] + owned.told[MIGRATE_CANCEL]);
        arena_validate(&owned.arena);
        arena_close(&owned.arena);
    }
}

static bool owner_leaves(void *context, struct memdesc *descriptor, struct migration *move,
                         enum migrate_stage stage)
{
    const struct memdesc_ops none = {.migrate = NULL};
    if (stage == MIGRATE_TRY) {
        assert_int_equal(memdesc_register(&owned.arena.potad, MEMDESC_ANONMEM, &none), STATUS_OK);
    }
    return owner_agrees(context, descriptor, move, stage);
}

/* Whoever has agreed hears the end of it, registered or not. */
static void contig_ends_a_move_with_whom_it_began(void **state)
{
    (void)state;
    const struct contig_request request = {.units = 16, .zone = 1, .cma = true, .reserve = true};
    struct contig contig;
    owned_open(owner_leaves);
    owned_take(1);
    assert_int_equal(alloc_contig(&owned.arena.potad, &request, &contig), STATUS_OK);
    assert_int_equal(owned.told[MIGRATE_COMMIT], 1);
    arena_validate(&owned.arena);
    arena_close(&owned.arena);
}

/* Zone 1 keeps 8 frames, and has 16 beside the CMA range: what moves to zone 0 takes none of them.
 */
static void contig_moves_out_above_the_watermark(void **state)
{
    (void)state;
    struct contig_request request = {.units = 16, .zone = 1, .cma = true};
    struct contig contig;
    struct buddy *buddy;
    struct memdesc_ops ops = {.migrate = owner_agrees};
    arena_open(&owned.arena, &small_cma);
    assert_int_equal(memdesc_register(&owned.arena.potad, MEMDESC_ANONMEM, &ops), STATUS_OK);
    struct page_request fill = {.order = 4, .zone = 1, .reserve = true};
    assert_int_equal(alloc_pages(&owned.arena.potad, &fill, &buddy), STATUS_OK);
    owned_take(4);
    assert_int_equal(owned.buddy->pfn, 1024);
    free_pages(&owned.arena.potad, buddy);
    memset(owned.told, 0, sizeof(owned.told));
    assert_int_equal(alloc_contig(&owned.arena.potad, &request, &contig), STATUS_OK);
    assert_int_equal(owned.told[MIGRATE_COMMIT], 1);
    assert_true(owned.arena.potad.zones[1].frames[BUDDY_FREE] >= 8);
    arena_validate(&owned.arena);
    arena_close(&owned.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b6_contig_finds_what_coalescing_made_of_1_to_9),
        cmocka_unit_test(b6_contig_tries_smaller_and_smaller_blocks),
        cmocka_unit_test(contig_cuts_blocks_at_both_ends),
        cmocka_unit_test(contig_keeps_to_its_alignment),
        cmocka_unit_test(contig_keeps_to_its_limits),
        cmocka_unit_test(contig_takes_one_frame_or_all),
        cmocka_unit_test(contig_refuses_what_cannot_be_asked_for),
        cmocka_unit_test(contig_crosses_ranges_but_no_zones_and_no_holes),
        cmocka_unit_test(b5_contig_finds_a_terabyte_behind_the_pci_hole),
        cmocka_unit_test(contig_leaves_the_reserve_and_tries_the_next_zone),
        cmocka_unit_test(contig_accepts_what_it_takes),
        cmocka_unit_test(contig_leaves_all_free_where_accepting_fails),
        cmocka_unit_test(contig_goes_around_poisoned_frames),
        cmocka_unit_test(contig_undoes_what_a_fault_stops),
        cmocka_unit_test(contig_finds_another_run_when_slabs_take_one),
        cmocka_unit_test(contig_takes_cma_memory_only_where_asked),
        cmocka_unit_test(contig_moves_owners_out_of_cma),
        cmocka_unit_test(contig_moves_blocks_across_its_ends),
        cmocka_unit_test(contig_goes_elsewhere_where_an_owner_refuses),
        cmocka_unit_test(contig_undoes_moves_that_a_fault_stops),
        cmocka_unit_test(contig_moves_no_failed_frames),
        cmocka_unit_test(contig_moves_only_the_block_that_was_seen),
        cmocka_unit_test(contig_ends_a_move_with_whom_it_began),
        cmocka_unit_test(contig_moves_out_above_the_watermark),
        cmocka_unit_test(contig_random_states_agree_with_brute_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
