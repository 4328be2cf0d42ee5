/* SPDX-License-Identifier: MIT
 *
 * zones_test.c: zones that differ by node, class, reserve, acceptance and migrate type
 * (requirements C4, E1 to E3). Metadata of the boot takes the last frames of the first zone, and
 * with them leaves odd blocks: what a test counts is elsewhere.
 */
#include "core/test/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

enum { LOWMEM, HIGHMEM, MOVABLE, FAR, ZONES };

/* Two nodes; all but the first range of each kind begin where the last one ends.
 *
 *   0                 512        640        768     896        1024               1536        1664
 *   | LOWMEM          | unaccept.| cma      | HIGHMEM | MOVABLE | FAR, on node 1   | unaccepted|
 */
static const struct boot_map two_nodes = {
    .pageblock_order = 5,
    .zones_count = ZONES,
    .ranges_count = 7,
    .zones = {[LOWMEM] = {.zone_class = ZONE_NORMAL},
              [HIGHMEM] = {.zone_class = ZONE_HIGHMEM},
              [MOVABLE] = {.zone_class = ZONE_MOVABLE},
              [FAR] = {.zone_class = ZONE_NORMAL, .node = 1, .watermark_min = 64}},
    .ranges = {{.start = 0, .frames = 512, .zone = LOWMEM},
               {.start = 512, .frames = 128, .zone = LOWMEM, .unaccepted = true},
               {.start = 640, .frames = 128, .zone = LOWMEM, .cma = true},
               {.start = 768, .frames = 128, .zone = HIGHMEM},
               {.start = 896, .frames = 128, .zone = MOVABLE},
               {.start = 1024, .frames = 512, .zone = FAR},
               {.start = 1536, .frames = 128, .zone = FAR, .unaccepted = true}},
};

/* Return: the block, or NULL where there is none. */
static struct buddy *take(struct arena *arena, const struct page_request *request)
{
    struct buddy *buddy = NULL;
    return alloc_pages(&arena->potad, request, &buddy) == STATUS_OK ? buddy : NULL;
}

static struct memdesc_info lookup(struct arena *arena, pfn_t pfn)
{
    struct memdesc_info info = {0};
    assert_true(memdesc_lookup(&arena->potad, pfn, &info));
    return info;
}

static uint64_t listed(const struct arena *arena, zone_id_t zone, unsigned area)
{
    return arena->potad.zones[zone].areas[area].frames;
}

/* The zones that blocks of order 5 come from, in turn, until there are no more. */
static unsigned take_all(struct arena *arena, struct page_request request, zone_id_t *zones,
                         struct buddy **blocks, unsigned most)
{
    unsigned count = 0;
    struct buddy *buddy;
    while (count < most && (buddy = take(arena, &request)) != NULL) {
        zones[count] = buddy->head.zone;
        blocks[count++] = buddy;
    }
    return count;
}

/* A node's own zones first, the highest class first, then those of the next node. */
static void zonelist_goes_by_node_and_class(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *blocks[64];
    zone_id_t zones[64];
    arena_open(&arena, &two_nodes);
    struct page_request request = {
        .order = 5, .zone = ZONE_ANY, .migratetype = MIGRATE_MOVABLE, .node = 1};
    unsigned count = take_all(&arena, request, zones, blocks, 64);
    unsigned change = 0;
    for (unsigned i = 1; i < count; i++) {
        change += zones[i] != zones[i - 1] ? 1 : 0;
    }
    assert_int_equal(zones[0], FAR);
    /* FAR down to its low watermark, the zones of node 0, then FAR down to its minimum. */
    assert_int_equal(change, 4);
    assert_int_equal(zones[count - 1], FAR);
    arena_validate(&arena);
    arena_close(&arena);
}

/* Classes bound a request from above: what cannot reach high memory never gets it. */
static void zonelist_stays_below_a_class(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *blocks[64];
    zone_id_t zones[64];
    arena_open(&arena, &two_nodes);
    struct page_request request = {.order = 5, .zone = ZONE_ANY, .below = ZONE_HIGHMEM};
    unsigned count = take_all(&arena, request, zones, blocks, 64);
    assert_true(count > 20);
    for (unsigned i = 0; i < count; i++) {
        assert_true(zones[i] == LOWMEM || zones[i] == FAR);
    }
    arena_close(&arena);
}

/* The zone for movable blocks serves no others, asked for by name or not. */
static void zone_movable_serves_movable_blocks_only(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *buddy;
    arena_open(&arena, &two_nodes);
    struct page_request request = {.zone = MOVABLE, .migratetype = MIGRATE_RECLAIMABLE};
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_INVALID);
    request.migratetype = MIGRATE_MOVABLE;
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_OK);
    assert_int_equal(buddy->head.zone, MOVABLE);
    arena_close(&arena);
}

/* 512 frames, 64 of them kept: they go to those only who may use the reserve. */
static void watermark_keeps_frames_for_the_reserve(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *blocks[64];
    zone_id_t zones[64];
    arena_open(&arena, &two_nodes);
    struct page_request request = {.order = 5, .zone = FAR, .migratetype = MIGRATE_MOVABLE};
    unsigned count = take_all(&arena, request, zones, blocks, 64);
    const struct space *zone = &arena.potad.zones[FAR];
    assert_in_range(zone->frames[BUDDY_FREE], 64, 64 + 31);
    assert_int_equal(count, (512 + 128 - zone->frames[BUDDY_FREE]) / 32);
    request.reserve = true;
    assert_int_equal(take_all(&arena, request, zones, blocks, 64), 2);
    arena_validate(&arena);
    arena_close(&arena);
}

/* E1: blocks of all zones and kinds are freed, and merge with none of another zone, node, or kind.
 */
static void e1_no_merge_crosses_a_zone_or_node_border(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *blocks[2048];
    zone_id_t zones[2048];
    arena_open(&arena, &two_nodes);
    struct page_request request = {
        .zone = ZONE_ANY, .migratetype = MIGRATE_MOVABLE, .reserve = true};
    unsigned count = take_all(&arena, request, zones, blocks, 2048);
    assert_true(count > 1500);
    /* The odd ones first, so that every merge happens late. */
    for (unsigned odd = 2; odd-- > 0;) {
        for (unsigned i = odd; i < count; i += 2) {
            free_pages(&arena.potad, blocks[i]);
        }
    }
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    for (pfn_t pfn = 0; pfn < 1664; pfn++) {
        struct memdesc_info info = lookup(&arena, pfn);
        assert_int_equal(info.zone, lookup(&arena, info.pfn).zone);
        assert_int_equal(info.zone, lookup(&arena, info.pfn + info.frames - 1).zone);
    }
    arena_close(&arena);
}

/* E2: with little accepted memory left, more is accepted before it is asked for; where that fails,
 * nothing is lost, and the next allocation tries again. */
static void e2_memory_is_accepted_ahead_of_requests(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *blocks[64];
    zone_id_t zones[64];
    arena_open(&arena, &two_nodes);
    struct page_request request = {.order = 5, .zone = FAR, .migratetype = MIGRATE_MOVABLE};
    arena_fail(&arena, FAULT_ACCEPT, 1);
    /* High watermark: 96 frames. */
    assert_int_equal(take_all(&arena, request, zones, blocks, 14), 14);
    assert_int_equal(arena.accepted, 0);
    assert_true(arena.steps[FAULT_ACCEPT] > 0);
    assert_int_equal(listed(&arena, FAR, AREA_UNACCEPTED), 128);
    arena_validate(&arena);
    arena_fail(&arena, FAULT_SITES, 0);
    free_pages(&arena.potad, blocks[0]);
    assert_non_null(take(&arena, &request));
    /* The smallest piece that makes up for what is missing. */
    assert_int_equal(arena.accepted, 32);
    assert_int_equal(listed(&arena, FAR, AREA_UNACCEPTED), 96);
    arena_validate(&arena);
    arena_close(&arena);
}

/* E2: a failing accept answers so, and leaves the state as it was. */
static void e2_failed_acceptance_loses_nothing(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *blocks[64];
    struct buddy *buddy;
    zone_id_t zones[64];
    arena_open(&arena, &two_nodes);
    struct page_request request = {.order = 6, .zone = LOWMEM};
    arena_fail(&arena, FAULT_ACCEPT, 1);
    (void)take_all(&arena, request, zones, blocks, 64);
    uint64_t hash = potad_state_hash(&arena.potad);
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_ACCEPT_FAILED);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    assert_int_equal(listed(&arena, LOWMEM, AREA_UNACCEPTED), 128);
    arena_validate(&arena);
    arena_close(&arena);
}

/* E3: all memory becomes objects; no slab is in high memory, in a zone for movable blocks, in CMA,
 * or not accepted. I10 says so for each slab; here the frames themselves are asked. */
static void e3_metadata_stays_in_lowmem(void **state)
{
    (void)state;
    struct arena arena;
    struct kmem_cache *cache;
    void *object;
    arena_open(&arena, &two_nodes);
    assert_int_equal(kmem_cache_create(&arena.potad, "pages", 4096, 8, &cache), STATUS_OK);
    unsigned objects = 0;
    while (kmem_cache_alloc(&arena.potad, cache, &object) == STATUS_OK) {
        objects++;
    }
    assert_true(objects > 1000);
    arena_validate(&arena);
    for (pfn_t pfn = 640; pfn < 1024; pfn++) {
        assert_int_equal(lookup(&arena, pfn).type, MEMDESC_BUDDY_FREE);
    }
    assert_int_equal(lookup(&arena, 1024).type, MEMDESC_SLAB);
    arena_close(&arena);
}

/* C4: with lowmem used up and all steps failing, blocks of memory that can hold no metadata are
 * freed all the same, and ask for nothing. */
static void c4_freeing_highmem_movable_and_cma_needs_no_metadata(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *blocks[2048];
    zone_id_t zones[2048];
    arena_open(&arena, &two_nodes);
    struct page_request request = {
        .zone = ZONE_ANY, .migratetype = MIGRATE_MOVABLE, .reserve = true};
    unsigned count = take_all(&arena, request, zones, blocks, 2048);
    uint64_t exposed = arena.exposed;
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        arena_fail(&arena, (enum fault_site)site, 1);
        for (unsigned i = site; i < count; i += FAULT_SITES) {
            if (blocks[i]->pfn >= 640 && blocks[i]->pfn < 1024) {
                free_pages(&arena.potad, blocks[i]);
            }
        }
        for (unsigned step = 0; step < FAULT_SITES; step++) {
            assert_int_equal(arena.steps[step], 0);
        }
    }
    arena_fail(&arena, FAULT_SITES, 0);
    assert_true(arena.exposed <= exposed);
    assert_int_equal(listed(&arena, LOWMEM, AREA_CMA), 128);
    assert_int_equal(arena.potad.zones[HIGHMEM].frames[BUDDY_FREE], 128);
    assert_int_equal(arena.potad.zones[MOVABLE].frames[BUDDY_FREE], 128);
    arena_validate(&arena);
    arena_close(&arena);
}

/* Movable blocks borrow CMA memory once their own is used up; others never do. */
static void cma_serves_movable_blocks_only(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *blocks[64];
    zone_id_t zones[64];
    arena_open(&arena, &two_nodes);
    struct page_request request = {.order = 5, .zone = LOWMEM};
    unsigned count = take_all(&arena, request, zones, blocks, 64);
    assert_int_equal(listed(&arena, LOWMEM, AREA_CMA), 128);
    request.migratetype = MIGRATE_MOVABLE;
    assert_int_equal(take_all(&arena, request, zones, blocks + count, 64 - count), 4);
    assert_int_equal(listed(&arena, LOWMEM, AREA_CMA), 0);
    arena_validate(&arena);
    arena_close(&arena);
}

/* Blocks of one type share pageblocks of 32 frames: an unmovable frame makes all that is free
 * beside it unmovable, until it is freed. */
static void pageblock_type_follows_its_use(void **state)
{
    (void)state;
    struct arena arena;
    arena_open(&arena, &two_nodes);
    struct page_request movable = {.zone = HIGHMEM, .migratetype = MIGRATE_MOVABLE};
    struct page_request unmovable = {.zone = HIGHMEM, .migratetype = MIGRATE_UNMOVABLE};
    struct page_request reclaimable = {.zone = HIGHMEM, .migratetype = MIGRATE_RECLAIMABLE};
    struct buddy *one = take(&arena, &movable);
    struct buddy *two = take(&arena, &unmovable);
    struct buddy *three = take(&arena, &reclaimable);
    assert_int_equal(listed(&arena, HIGHMEM, AREA_UNMOVABLE), 31);
    assert_int_equal(listed(&arena, HIGHMEM, AREA_RECLAIMABLE), 31);
    assert_int_equal(listed(&arena, HIGHMEM, AREA_MOVABLE), 31 + 32);
    /* Company of their own type. */
    assert_int_equal(take(&arena, &unmovable)->pfn >> 5, two->pfn >> 5);
    assert_int_equal(take(&arena, &reclaimable)->pfn >> 5, three->pfn >> 5);
    free_pages(&arena.potad, three);
    free_pages(&arena.potad, one);
    assert_int_equal(listed(&arena, HIGHMEM, AREA_MOVABLE), 2 * 32);
    arena_validate(&arena);
    arena_close(&arena);
}

/* With no pageblock left that is wholly free, a block is stolen from the largest of another type,
 * whose pageblock changes sides; when what came in is gone, it changes back. */
static void pageblock_is_stolen_and_comes_back(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *blocks[4];
    zone_id_t zones[4];
    arena_open(&arena, &two_nodes);
    struct page_request movable = {.order = 4, .zone = HIGHMEM, .migratetype = MIGRATE_MOVABLE};
    struct page_request unmovable = {.zone = HIGHMEM, .migratetype = MIGRATE_UNMOVABLE};
    /* Half of the first two pageblocks. */
    (void)take_all(&arena, movable, zones, blocks, 3);
    movable.order = 5;
    (void)take_all(&arena, movable, zones, blocks, 2);
    assert_int_equal(listed(&arena, HIGHMEM, AREA_MOVABLE), 16);
    struct buddy *thief = take(&arena, &unmovable);
    assert_int_equal(listed(&arena, HIGHMEM, AREA_UNMOVABLE), 15);
    assert_int_equal(listed(&arena, HIGHMEM, AREA_MOVABLE), 0);
    free_pages(&arena.potad, thief);
    assert_int_equal(listed(&arena, HIGHMEM, AREA_MOVABLE), 16);
    arena_validate(&arena);
    arena_close(&arena);
}

/* A block that is split from pageblocks to less than one is counted from then on. */
static void pageblock_counts_parts_of_a_split_block(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *parts[8];
    arena_open(&arena, &two_nodes);
    struct page_request request = {.order = 6, .zone = HIGHMEM, .migratetype = MIGRATE_RECLAIMABLE};
    struct buddy *buddy = take(&arena, &request);
    assert_int_equal(split_pages(&arena.potad, buddy, 2, parts), STATUS_OK);
    arena_validate(&arena);
    /* |4|4|8|16|32|: what is freed beside reclaimable blocks is reclaimable. */
    free_pages(&arena.potad, parts[3]);
    assert_int_equal(listed(&arena, HIGHMEM, AREA_RECLAIMABLE), 16);
    free_pages(&arena.potad, parts[4]);
    assert_int_equal(listed(&arena, HIGHMEM, AREA_MOVABLE), 32 + 64);
    for (unsigned i = 0; i < 3; i++) {
        free_pages(&arena.potad, parts[i]);
        arena_validate(&arena);
    }
    assert_int_equal(listed(&arena, HIGHMEM, AREA_MOVABLE), 128);
    arena_close(&arena);
}

static void potad_boot_refuses_bad_zones(void **state)
{
    (void)state;
    struct arena arena;
    struct potad potad;
    arena_open(&arena, &two_nodes);
    struct boot_map bad[5] = {two_nodes, two_nodes, two_nodes, two_nodes, two_nodes};
    bad[0].pageblock_order = PAGEBLOCK_ORDER_MAX + 1;
    bad[1].zones[1].zone_class = ZONE_CLASSES;
    bad[2].zones[1].node = NODES_MAX;
    bad[3].zones[1].watermark_min = UINT64_MAX;
    bad[4].ranges[2].unaccepted = true;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(potad_boot(&potad, &arena.port, &bad[i]), STATUS_INVALID);
    }
    arena_close(&arena);
}

static void alloc_pages_refuses_bad_nodes_and_classes(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *buddy;
    arena_open(&arena, &two_nodes);
    const struct page_request bad[] = {
        {.zone = ZONE_ANY, .node = NODES_MAX},
        {.zone = ZONE_ANY, .below = ZONE_CLASSES + 1},
        {.zone = HIGHMEM, .below = ZONE_HIGHMEM},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(alloc_pages(&arena.potad, &bad[i], &buddy), STATUS_INVALID);
    }
    arena_close(&arena);
}

/* Frame 1024 is in the hole of zone 1, and a search for the first frame of its block goes straight
 * to frame 0. */
static atomic_word_t looked_enough;

static void *look_into_hole(void *context)
{
    struct arena *arena = context;
    struct memdesc_info info;
    uint64_t found = 0;
    while (atomic_word_peek(&looked_enough) == 0) {
        found += memdesc_lookup(&arena->potad, 1024, &info) ? 1 : 0;
    }
    arena->context = found == 0 ? NULL : arena;
    return NULL;
}

/* Whoever holds the lock of one zone looks at no block of another, which may be changing: under
 * ThreadSanitizer, this is a test. */
static void f4_lookup_from_a_hole_stays_in_its_zone(void **state)
{
    static struct arena arena;
    const struct boot_map map = {
        .zones_count = 2,
        .ranges_count = 3,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = 512, .zone = 0},
                   {.start = 600, .frames = 400, .zone = 1},
                   {.start = 1100, .frames = 100, .zone = 1}},
    };
    pthread_t thread;
    (void)state;
    arena_open(&arena, &map);
    assert_int_equal(pthread_create(&thread, NULL, look_into_hole, &arena), 0);
    for (unsigned i = 0; i < 50000; i++) {
        const struct page_request request = {.order = i % 7, .zone = 0};
        struct buddy *buddy = take(&arena, &request);
        assert_non_null(buddy);
        free_pages(&arena.potad, buddy);
    }
    atomic_word_poke(&looked_enough, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(arena.context);
    arena_validate(&arena);
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f4_lookup_from_a_hole_stays_in_its_zone),
        cmocka_unit_test(zonelist_goes_by_node_and_class),
        cmocka_unit_test(zonelist_stays_below_a_class),
        cmocka_unit_test(zone_movable_serves_movable_blocks_only),
        cmocka_unit_test(watermark_keeps_frames_for_the_reserve),
        cmocka_unit_test(e1_no_merge_crosses_a_zone_or_node_border),
        cmocka_unit_test(e2_memory_is_accepted_ahead_of_requests),
        cmocka_unit_test(e2_failed_acceptance_loses_nothing),
        cmocka_unit_test(e3_metadata_stays_in_lowmem),
        cmocka_unit_test(c4_freeing_highmem_movable_and_cma_needs_no_metadata),
        cmocka_unit_test(cma_serves_movable_blocks_only),
        cmocka_unit_test(pageblock_type_follows_its_use),
        cmocka_unit_test(pageblock_is_stolen_and_comes_back),
        cmocka_unit_test(pageblock_counts_parts_of_a_split_block),
        cmocka_unit_test(potad_boot_refuses_bad_zones),
        cmocka_unit_test(alloc_pages_refuses_bad_nodes_and_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
