/* SPDX-License-Identifier: MIT
 *
 * page_alloc_test.c: requirements A1 to A6, A10, E1 to E3 on blocks.
 */
#include "core/test/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A1: the word is the descriptor's address with the type in its low bits. */
static void memdesc_word_holds_address_and_type(void **state)
{
    (void)state;
    _Alignas(MEMDESC_ALIGN) struct memdesc head = {.order = 3};
    for (unsigned type = MEMDESC_NONE; type < MEMDESC_TYPES; type++) {
        memdesc_t word = memdesc_make(&head, (enum memdesc_type)type);
        assert_ptr_equal(memdesc_head(word), &head);
        assert_int_equal(memdesc_type(word), type);
    }
    assert_int_equal(sizeof(memdesc_t), 8);
}

/* A2: blocks, free and allocated, are as many as live struct buddys, and told apart by type. */
static void buddy_each_block_has_one_descriptor(void **state)
{
    (void)state;
    struct arena arena;
    struct memdesc_info info;
    arena_open_frames(&arena, 16, 1000);
    struct buddy *taken = arena_take(&arena, 3);
    assert_true(memdesc_lookup(&arena.potad, taken->pfn, &info));
    assert_int_equal(info.type, MEMDESC_BUDDY_ALLOCATED);
    assert_ptr_equal(info.descriptor, taken);
    const struct buddy *left = space_smallest(&arena.potad.zones[0], AREA_ACCEPTED, 0);
    assert_true(memdesc_lookup(&arena.potad, left->pfn, &info));
    assert_int_equal(info.type, MEMDESC_BUDDY_FREE);
    assert_ptr_equal(info.descriptor, left);
    arena_validate(&arena);
    free_pages(&arena.potad, taken);
    arena_validate(&arena);
    arena_close(&arena);
}

/* A3: a free asks for nothing, whatever would fail. */
static void free_pages_asks_no_fallible_step(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *taken[64];
    arena_open_frames(&arena, 0, 512);
    uint64_t hash = potad_state_hash(&arena.potad);
    for (unsigned i = 0; i < 64; i++) {
        taken[i] = arena_take(&arena, i % 3);
    }
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        arena_fail(&arena, (enum fault_site)site, 1);
        for (unsigned i = site; i < 64; i += FAULT_SITES) {
            free_pages(&arena.potad, taken[i]);
        }
        for (unsigned asked = 0; asked < FAULT_SITES; asked++) {
            assert_int_equal(arena.steps[asked], 0);
        }
    }
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* A4: order 11 down to 0 takes 11 new descriptors; the order-10 block keeps the old one. */
static void split_pages_order_11_takes_11_descriptors(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *parts[12];
    arena_open_frames(&arena, 0, 4096 + 8);
    struct buddy *whole = arena_take(&arena, 11);
    uint64_t live = arena.potad.cache_buddy.live;
    uint64_t blocks = arena.potad.zones[0].blocks;
    assert_int_equal(split_pages(&arena.potad, whole, 0, parts), STATUS_OK);
    arena_validate(&arena);
    /* Slabs for the descriptors took blocks, too: count what describes the parts alone. */
    uint64_t slabs = arena.potad.zones[0].blocks - blocks - 11;
    assert_int_equal(arena.potad.cache_buddy.live - live, 11 + slabs);
    assert_ptr_equal(parts[11], whole);
    assert_int_equal(buddy_order(parts[0]), 0);
    for (order_t i = 1; i < 12; i++) {
        assert_int_equal(buddy_order(parts[i]), i - 1);
        assert_int_equal(parts[i]->pfn, parts[0]->pfn + order_frames(i - 1));
    }
    for (unsigned i = 0; i < 12; i++) {
        free_pages(&arena.potad, parts[i]);
    }
    arena_validate(&arena);
    arena_close(&arena);
}

/* A4: all or nothing: with the nth descriptor failing, nothing has changed. */
static void split_pages_failure_changes_nothing(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *parts[8];
    arena_open_frames(&arena, 0, 1024);
    struct buddy *whole = arena_take(&arena, 7);
    uint64_t hash = potad_state_hash(&arena.potad);
    for (uint64_t nth = 1; nth <= 7; nth++) {
        arena_fail(&arena, FAULT_BUDDY_DESC, nth);
        assert_int_equal(split_pages(&arena.potad, whole, 0, parts), STATUS_NO_MEMORY);
        assert_int_equal(potad_state_hash(&arena.potad), hash);
        arena_validate(&arena);
    }
    arena_fail(&arena, FAULT_SITES, 0);
    assert_int_equal(split_pages(&arena.potad, whole, 0, parts), STATUS_OK);
    arena_close(&arena);
}

/* A5: words written for cutting order 0 off order n, and for freeing it, grow with n, not 2^n. */
static void frame_table_writes_grow_with_order(void **state)
{
    (void)state;
    for (order_t order = 1; order <= 12; order++) {
        struct arena arena;
        arena_open_frames(&arena, 0, order_frames(order) + 4);
        uint64_t *writes = &arena.potad.zones[0].frame_writes;
        uint64_t before = *writes;
        struct buddy *taken = arena_take(&arena, 0);
        free_pages(&arena.potad, taken);
        potad_shrink(&arena.potad);
        /* The cut, the merge, and the same for two slabs of descriptors. */
        assert_in_range(*writes - before, 1, 6 * order + 32);
        arena_close(&arena);
    }
}

/* A6, A10: every frame leads to the owner's descriptor, which knows the order. */
static void alloc_pages_desc_every_frame_leads_to_owner(void **state)
{
    (void)state;
    struct arena arena;
    _Alignas(MEMDESC_ALIGN) struct memdesc folio = {.flawed = false};
    struct page_request request = {.order = 5, .zone = 0, .migratetype = MIGRATE_MOVABLE};
    struct buddy *buddy;
    arena_open_frames(&arena, 3, 500);
    assert_int_equal(alloc_pages_desc(&arena.potad, &request, &folio, MEMDESC_FOLIO, &buddy),
                     STATUS_OK);
    for (uint64_t i = 0; i < 32; i++) {
        struct memdesc_info info;
        assert_true(memdesc_lookup(&arena.potad, buddy->pfn + i, &info));
        assert_ptr_equal(info.descriptor, &folio);
        assert_int_equal(info.type, MEMDESC_FOLIO);
        assert_int_equal(info.pfn, buddy->pfn);
        assert_int_equal(info.frames, 32);
        assert_int_equal(info.migratetype, MIGRATE_MOVABLE);
    }
    assert_int_equal(folio.order, 5);
    free_pages(&arena.potad, buddy);
    arena_validate(&arena);
    arena_close(&arena);
}

static void alloc_pages_refuses_bad_requests(void **state)
{
    (void)state;
    struct arena arena;
    struct memdesc_info info;
    _Alignas(MEMDESC_ALIGN) struct memdesc own = {.flawed = false};
    struct buddy *buddy;
    struct page_request order = {.order = ORDERS, .zone = 0};
    struct page_request zone = {.order = 0, .zone = 1};
    struct page_request good = {.order = 0, .zone = 0};
    arena_open_frames(&arena, 8, 64);
    assert_int_equal(alloc_pages(&arena.potad, &order, &buddy), STATUS_INVALID);
    assert_int_equal(alloc_pages(&arena.potad, &zone, &buddy), STATUS_INVALID);
    assert_int_equal(alloc_pages_desc(&arena.potad, &good, &own, MEMDESC_SLAB, &buddy),
                     STATUS_INVALID);
    assert_false(memdesc_lookup(&arena.potad, 7, &info));
    assert_false(memdesc_lookup(&arena.potad, UINT64_MAX, &info));
    arena_close(&arena);
}

/* E1: two zones touch within what would be one block of order 6: no merge crosses the border. */
static void free_pages_merges_no_block_over_a_zone_border(void **state)
{
    (void)state;
    struct arena arena;
    const struct boot_map map = {
        .zones_count = 2,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 0, .frames = 96, .zone = 0}, {.start = 96, .frames = 160, .zone = 1}},
    };
    arena_open(&arena, &map);
    struct page_request request = {.order = 5, .zone = 1};
    struct buddy *buddy;
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_OK);
    assert_int_equal(buddy->pfn, 96);
    free_pages(&arena.potad, buddy);
    arena_validate(&arena);
    assert_int_equal(arena_free_blocks(&arena, 1, 5), 1);
    assert_int_equal(arena_free_blocks(&arena, 1, 7), 1);
    arena_close(&arena);
}

/* E2: unaccepted memory is accepted at first allocation, no more of it than is asked for; where
 * that fails, the block stays as it was. */
static void alloc_pages_accepts_what_it_hands_out(void **state)
{
    (void)state;
    struct arena arena;
    const struct boot_map map = {
        .zones_count = 2,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = 64, .zone = 0},
                   {.start = 64, .frames = 64, .zone = 1, .unaccepted = true}},
    };
    struct buddy *buddy;
    struct memdesc_info info;
    struct page_request request = {.order = 2, .zone = 1};
    arena_open(&arena, &map);
    uint64_t hash = potad_state_hash(&arena.potad);
    arena_fail(&arena, FAULT_ACCEPT, 1);
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_ACCEPT_FAILED);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_fail(&arena, FAULT_SITES, 0);
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_OK);
    assert_int_equal(arena.accepted, 4);
    free_pages(&arena.potad, buddy);
    assert_true(memdesc_lookup(&arena.potad, 64, &info));
    assert_false(info.unaccepted);
    assert_true(memdesc_lookup(&arena.potad, 68, &info));
    assert_true(info.unaccepted);
    arena_validate(&arena);
    arena_close(&arena);
}

/* E3: a map whose only lowmem is unaccepted, or too small for a frame table, boots not. */
static void potad_boot_keeps_metadata_in_lowmem(void **state)
{
    (void)state;
    struct potad potad;
    struct port port = {0};
    struct boot_map map = {
        .zones_count = 2,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = 64, .zone = 0, .unaccepted = true},
                   {.start = 64, .frames = 64, .zone = 1}},
    };
    assert_int_equal(potad_boot(&potad, &port, &map), STATUS_NO_MEMORY);
    map.ranges[0] = (struct range){.start = 63, .frames = 1, .zone = 0};
    assert_int_equal(potad_boot(&potad, &port, &map), STATUS_NO_MEMORY);
}

static void potad_boot_refuses_bad_maps(void **state)
{
    (void)state;
    struct potad potad;
    struct port port = {0};
    const struct boot_map good = {
        .zones_count = 2,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 0, .frames = 64, .zone = 0}, {.start = 64, .frames = 64, .zone = 1}},
    };
    struct boot_map bad[6] = {good, good, good, good, good, good};
    bad[0].zones_count = 0;
    bad[1].ranges_count = RANGES_MAX + 1;
    bad[2].ranges[1].start = 63; /* overlaps */
    bad[3].ranges[1].zone = 2;   /* skips a zone */
    bad[4].ranges[0].frames = 0;
    bad[5].ranges[1].frames = UINT64_MAX;
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(potad_boot(&potad, &port, &bad[i]), STATUS_INVALID);
    }
}

/* The last frames that 64-bit addresses have. */
static void potad_boot_runs_at_the_highest_frames(void **state)
{
    (void)state;
    struct arena arena;
    struct memdesc_info info;
    const pfn_t limit = (pfn_t)1 << (64 - FRAME_SHIFT);
    const struct boot_map map = {
        .zones_count = 1,
        .ranges_count = 1,
        .zones = {{.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = limit - 300, .frames = 300, .zone = 0}},
    };
    arena_open(&arena, &map);
    struct buddy *buddy = arena_take(&arena, 5);
    arena_validate(&arena);
    assert_true(memdesc_lookup(&arena.potad, buddy->pfn + 31, &info));
    assert_int_equal(info.pfn, buddy->pfn);
    assert_true(memdesc_lookup(&arena.potad, limit - 1, &info));
    assert_false(memdesc_lookup(&arena.potad, limit, &info));
    assert_false(memdesc_lookup(&arena.potad, limit - 301, &info));
    free_pages(&arena.potad, buddy);
    arena_validate(&arena);
    arena_close(&arena);
}

/* As many ranges and zones as can be, of 1 to 3 frames, with holes between most of them. */
static void potad_boot_takes_the_most_ranges(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *taken[RANGES_MAX * 3];
    struct boot_map map = {.zones_count = ZONES_MAX,
                           .ranges_count = RANGES_MAX,
                           .zones = {{.zone_class = ZONE_NORMAL}}};
    pfn_t pfn = 7;
    unsigned count = 0;
    for (uint32_t i = 0; i < RANGES_MAX; i++) {
        uint64_t frames = i == 0 ? 64 : 1 + i % 3;
        map.ranges[i] =
            (struct range){.start = pfn, .frames = frames, .zone = i / (RANGES_MAX / ZONES_MAX)};
        pfn += frames + i % 4;
    }
    arena_open(&arena, &map);
    uint64_t hash = potad_state_hash(&arena.potad);
    arena_validate(&arena);
    for (zone_id_t zone = 1; zone < ZONES_MAX; zone++) {
        struct page_request request = {.order = 0, .zone = zone};
        while (alloc_pages(&arena.potad, &request, &taken[count]) == STATUS_OK) {
            count++;
        }
    }
    arena_validate(&arena);
    while (count > 0) {
        free_pages(&arena.potad, taken[--count]);
    }
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* F4: from a hole, the bits cleared lead past the zone's start; another zone's block, whatever its
 * extent claims, is none of its business:
 *
 *   | zone 0: one block of order 12 |    zone 1    | hole: frame 0x1800 | zone 1 |
 */
static void memdesc_lookup_from_a_hole_stays_in_its_zone(void **state)
{
    (void)state;
    struct arena arena;
    struct memdesc_info info;
    const struct boot_map map = {
        .zones_count = 2,
        .ranges_count = 3,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 0, .frames = 0x1100, .zone = 0},
                   {.start = 0x1100, .frames = 0x100, .zone = 1},
                   {.start = 0x1900, .frames = 0x100, .zone = 1}},
    };
    arena_open(&arena, &map);
    struct frame_entry entry = frame_table_find(&arena.potad.table, 0x1800);
    assert_int_equal(entry.pfn, 0x1000);
    /* A block of zone 0 that is just being cut: its order is not to be read from zone 1. */
    struct memdesc *head = memdesc_head(entry.word);
    uint8_t order = head->order;
    head->order = 12;
    assert_false(memdesc_lookup(&arena.potad, 0x1800, &info));
    head->order = order;
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memdesc_word_holds_address_and_type),
        cmocka_unit_test(buddy_each_block_has_one_descriptor),
        cmocka_unit_test(free_pages_asks_no_fallible_step),
        cmocka_unit_test(split_pages_order_11_takes_11_descriptors),
        cmocka_unit_test(split_pages_failure_changes_nothing),
        cmocka_unit_test(frame_table_writes_grow_with_order),
        cmocka_unit_test(alloc_pages_desc_every_frame_leads_to_owner),
        cmocka_unit_test(alloc_pages_refuses_bad_requests),
        cmocka_unit_test(free_pages_merges_no_block_over_a_zone_border),
        cmocka_unit_test(alloc_pages_accepts_what_it_hands_out),
        cmocka_unit_test(potad_boot_keeps_metadata_in_lowmem),
        cmocka_unit_test(potad_boot_refuses_bad_maps),
        cmocka_unit_test(potad_boot_runs_at_the_highest_frames),
        cmocka_unit_test(potad_boot_takes_the_most_ranges),
        cmocka_unit_test(memdesc_lookup_from_a_hole_stays_in_its_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
