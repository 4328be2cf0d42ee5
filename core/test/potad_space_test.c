/* SPDX-License-Identifier: MIT
 *
 * potad_space_test.c: spaces of other things than memory: requirements B2, B4, B5, F1.
 */
#include "core/potad_space.h"

#include "core/test/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { XFS_BUF_BYTES = 360, FRAMES = 1024 };

#define KINDS ((unsigned)BLOCK_MAP_BOTH + 1)

static struct arena arena;
static struct potad_space space;

static void validate(void)
{
    struct violation violation;
    arena_validate(&arena);
    if (!potad_space_validate(&space, &violation)) {
        fail_msg("%s at unit %#lx: %#lx, expected %#lx", invariant_name(violation.invariant),
                 (unsigned long)violation.pfn, (unsigned long)violation.actual,
                 (unsigned long)violation.expected);
    }
}

static void add(const struct potad_space_config *config)
{
    assert_int_equal(potad_space_add(&arena.potad, &space, config), STATUS_OK);
    validate();
}

static struct buddy *take(order_t order)
{
    struct buddy *buddy = NULL;
    assert_int_equal(potad_space_alloc(&arena.potad, &space, order, &buddy), STATUS_OK);
    assert_int_equal(buddy_order(buddy), order);
    assert_true(pfn_is_aligned(buddy->pfn, order));
    return buddy;
}

static void give(struct buddy *buddy)
{
    potad_space_free(&arena.potad, &space, buddy);
}

/* Ends the space and the arena; memory must be as it was. */
static void end(uint64_t hash)
{
    validate();
    assert_int_equal(potad_space_remove(&arena.potad, &space), STATUS_OK);
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* B2: buffers of 512 to 65,536 bytes inside a block of pages, each with a descriptor of 360 bytes:
 *
 *   | 512 | 512 | 1 KiB | 2 KiB | 4 KiB | ...        | 32 KiB            |
 */
static void potad_space_b2_buffers_inside_pages(void **state)
{
    enum { ORDERS_OF_BUFFERS = 8, UNITS = 128 };
    static const struct unit_range range = {0, UNITS};
    struct buddy *buffers[ORDERS_OF_BUFFERS];
    struct potad_space_info info;
    (void)state;
    arena_open_frames(&arena, 0, FRAMES);
    uint64_t hash = potad_state_hash(&arena.potad);
    struct buddy *pages = arena_take(&arena, 4);
    uint64_t base = (uint64_t)(uintptr_t)(arena.port.direct_map + (pages->pfn << FRAME_SHIFT));
    add(&(struct potad_space_config){.base = base,
                                     .unit_shift = 9,
                                     .map = BLOCK_MAP_TREE,
                                     .ranges = &range,
                                     .ranges_count = 1,
                                     .descriptor_bytes = XFS_BUF_BYTES});
    give(take(7));
    for (order_t order = 0; order < ORDERS_OF_BUFFERS - 1; order++) {
        buffers[order] = take(order);
        memset(buffers[order] + 1, (int)order, XFS_BUF_BYTES - sizeof(struct buddy));
    }
    validate();
    for (order_t order = 0; order < ORDERS_OF_BUFFERS - 1; order++) {
        uint64_t address;
        pfn_t unit;
        assert_true(potad_space_address(&space, buffers[order]->pfn, &address));
        uint64_t bytes = (uint64_t)512 << order;
        assert_in_range(address, base, base + 65536 - bytes);
        assert_true(potad_space_unit(&space, address + bytes - 1, &unit));
        assert_true(potad_space_lookup(&space, unit, &info));
        assert_ptr_equal(info.descriptor, buffers[order]);
        assert_int_equal(info.order, order);
        assert_false(info.is_free);
    }
    for (order_t order = 0; order < ORDERS_OF_BUFFERS - 1; order++) {
        const unsigned char *own = (const unsigned char *)(buffers[order] + 1);
        for (unsigned i = 0; i < XFS_BUF_BYTES - sizeof(struct buddy); i++) {
            assert_int_equal(own[i], order);
        }
        give(buffers[order]);
    }
    assert_int_equal(space.space.areas[AREA_MOVABLE].blocks[7], 1);
    free_pages(&arena.potad, pages);
    end(hash);
}

/* B4: 2^28 slots that own no memory: their addresses do not exist, and nobody looks. */
static void potad_space_b4_swap_owns_no_memory(void **state)
{
    enum { BLOCKS = 200 };
    static const struct unit_range range = {1, ((uint64_t)1 << 28) - 1};
    struct buddy *blocks[BLOCKS];
    struct potad_space_info info;
    (void)state;
    for (unsigned map = BLOCK_MAP_TABLE; map < KINDS; map++) {
        arena_open_frames(&arena, 0, FRAMES);
        uint64_t hash = potad_state_hash(&arena.potad);
        struct potad_space_config config = {.unit_shift = 12,
                                            .map = (enum block_map_kind)map,
                                            .ranges = &range,
                                            .ranges_count = 1,
                                            .descriptor_bytes = sizeof(struct buddy)};
        if (map != BLOCK_MAP_TREE) {
            /* A word a unit is more than this machine has. */
            assert_int_equal(potad_space_add(&arena.potad, &space, &config), STATUS_NO_MEMORY);
            assert_int_equal(potad_state_hash(&arena.potad), hash);
            arena_close(&arena);
            continue;
        }
        add(&config);
        for (unsigned i = 0; i < BLOCKS; i++) {
            blocks[i] = take(i % 5 * (i % 5));
        }
        validate();
        assert_false(potad_space_lookup(&space, 0, &info));
        assert_true(potad_space_lookup(&space, ((uint64_t)1 << 28) - 1, &info));
        assert_true(info.is_free);
        for (unsigned i = 0; i < BLOCKS; i++) {
            give(blocks[i * 7 % BLOCKS]);
        }
        end(hash);
    }
}

/* B5: no largest order, up to the last number there is: half of 2^64 units in one block. */
static void potad_space_b5_no_largest_order(void **state)
{
    static const struct unit_range range = {0, UINT64_MAX};
    struct potad_space_info info;
    uint64_t address;
    (void)state;
    arena_open_frames(&arena, 0, FRAMES);
    uint64_t hash = potad_state_hash(&arena.potad);
    add(&(struct potad_space_config){.unit_shift = 63,
                                     .map = BLOCK_MAP_TREE,
                                     .ranges = &range,
                                     .ranges_count = 1,
                                     .descriptor_bytes = 64});
    uint64_t whole = potad_space_state_hash(&space);
    struct buddy *half = take(63);
    assert_int_equal(half->pfn, 0);
    struct buddy *parts[ORDERS];
    struct buddy *refused = NULL;
    assert_int_equal(potad_space_alloc(&arena.potad, &space, 63, &refused), STATUS_NO_MEMORY);
    assert_int_equal(potad_space_alloc(&arena.potad, &space, 64, &refused), STATUS_INVALID);
    assert_int_equal(potad_space_split(&arena.potad, &space, half, 63, parts), STATUS_INVALID);
    assert_int_equal(potad_space_split(&arena.potad, &space, half, 0, parts), STATUS_OK);
    validate();
    assert_ptr_equal(parts[63], half);
    assert_int_equal(half->pfn, (uint64_t)1 << 62);
    assert_true(potad_space_lookup(&space, ((uint64_t)1 << 63) - 1, &info));
    assert_ptr_equal(info.descriptor, half);
    assert_true(potad_space_lookup(&space, UINT64_MAX - 1, &info));
    assert_int_equal(info.order, 0);
    assert_false(potad_space_lookup(&space, UINT64_MAX, &info));
    assert_true(potad_space_address(&space, 1, &address));
    assert_int_equal(address, (uint64_t)1 << 63);
    assert_false(potad_space_address(&space, 2, &address));
    for (unsigned i = 0; i < 64; i++) {
        give(parts[i * 11 % 64]);
    }
    assert_int_equal(potad_space_state_hash(&space), whole);
    end(hash);
}

/* Odd edges and a hole, with the last unit there can be:
 *
 *   |3 4 5 6 7|   |9 10 11|  ...  |2^64-6 ... 2^64-2|
 *
 * Ranges that touch are one; no block reaches over a hole. */
static void potad_space_holes_and_edges_stay(void **state)
{
    static const struct unit_range ranges[] = {{3, 3}, {6, 2}, {9, 3}, {UINT64_MAX - 5, 5}};
    struct buddy *units[13];
    struct potad_space_info info;
    (void)state;
    arena_open_frames(&arena, 0, FRAMES);
    uint64_t hash = potad_state_hash(&arena.potad);
    add(&(struct potad_space_config){.base = (uint64_t)1 << 40,
                                     .unit_shift = 12,
                                     .map = BLOCK_MAP_TREE,
                                     .ranges = ranges,
                                     .ranges_count = 4,
                                     .descriptor_bytes = 96});
    uint64_t whole = potad_space_state_hash(&space);
    const uint64_t *free = space.space.areas[AREA_MOVABLE].blocks;
    /* 3, 4-7 (out of two ranges that touch), 9, 10-11, and 5 units at the top as 2, 2, 1. */
    assert_int_equal(free[0], 3);
    assert_int_equal(free[1], 3);
    assert_int_equal(free[2], 1);
    assert_false(potad_space_lookup(&space, 8, &info));
    assert_false(potad_space_lookup(&space, 12, &info));
    for (unsigned i = 0; i < 13; i++) {
        units[i] = take(0);
    }
    validate();
    struct buddy *none = NULL;
    assert_int_equal(potad_space_alloc(&arena.potad, &space, 0, &none), STATUS_NO_MEMORY);
    for (unsigned i = 0; i < 13; i++) {
        give(units[i * 5 % 13]);
    }
    assert_int_equal(potad_space_state_hash(&space), whole);
    end(hash);
}

/* A space is removed only when it is wholly free; else nothing changes. */
static void potad_space_remove_refuses_while_busy(void **state)
{
    static const struct unit_range range = {1, 100};
    (void)state;
    for (unsigned map = BLOCK_MAP_TABLE; map < KINDS; map++) {
        arena_open_frames(&arena, 0, FRAMES);
        uint64_t hash = potad_state_hash(&arena.potad);
        add(&(struct potad_space_config){.unit_shift = 9,
                                         .map = (enum block_map_kind)map,
                                         .ranges = &range,
                                         .ranges_count = 1,
                                         .descriptor_bytes = 32});
        struct buddy *buddy = take(0);
        uint64_t busy = potad_space_state_hash(&space) ^ potad_state_hash(&arena.potad);
        assert_int_equal(potad_space_remove(&arena.potad, &space), STATUS_BUSY);
        assert_int_equal(potad_space_state_hash(&space) ^ potad_state_hash(&arena.potad), busy);
        give(buddy);
        end(hash);
    }
}

/* Metadata of a space lies where its owner says; two spaces may share a cache of descriptors. */
static void potad_space_homes_and_caches_are_the_users(void **state)
{
    enum { BLOCKS = 100 };
    static const struct unit_range range = {0, 5000};
    struct buddy *blocks[BLOCKS];
    struct boot_map map = {
        .zones_count = 2,
        .ranges_count = 2,
        .ranges = {{.start = 0, .frames = 512}, {.start = 512, .frames = 512, .zone = 1}},
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_NORMAL}},
    };
    struct kmem_cache *cache = NULL;
    struct kmem_cache *refused = NULL;
    static struct potad_space other;
    struct buddy *buddy;
    (void)state;
    arena_open(&arena, &map);
    struct potad *potad = &arena.potad;
    uint64_t hash = potad_state_hash(potad);
    assert_int_equal(kmem_cache_create_in(potad, "none", 64, 32, 0, &refused), STATUS_INVALID);
    assert_int_equal(kmem_cache_create_in(potad, "none", 64, 32, 4, &refused), STATUS_INVALID);
    assert_int_equal(kmem_cache_create_in(potad, "descriptors", 200, 32, 2, &cache), STATUS_OK);
    struct potad_space_config config = {.unit_shift = 12,
                                        .map = BLOCK_MAP_BOTH,
                                        .ranges = &range,
                                        .ranges_count = 1,
                                        .homes = 2,
                                        .descriptors = cache};
    add(&config);
    assert_int_equal(potad_space_add(potad, &other, &config), STATUS_OK);
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = take(0);
        const void *objects[] = {blocks[i], space.table.words};
        for (unsigned j = 0; j < 2; j++) {
            uint64_t offset = (uintptr_t)objects[j] - (uintptr_t)arena.port.direct_map;
            assert_true(offset >> FRAME_SHIFT >= 512);
        }
    }
    assert_int_equal(potad_space_alloc(potad, &other, 5, &buddy), STATUS_OK);
    assert_int_equal(kmem_cache_destroy(potad, cache), STATUS_BUSY);
    validate();
    potad_space_free(potad, &other, buddy);
    assert_int_equal(potad_space_remove(potad, &other), STATUS_OK);
    for (unsigned i = 0; i < BLOCKS; i++) {
        give(blocks[i]);
    }
    assert_int_equal(potad_space_remove(potad, &space), STATUS_OK);
    assert_int_equal(kmem_cache_destroy(potad, cache), STATUS_OK);
    potad_shrink(potad);
    assert_int_equal(potad_state_hash(potad), hash);
    arena_close(&arena);
}

static void assert_refused(const struct potad_space_config *config)
{
    assert_int_equal(potad_space_add(&arena.potad, &space, config), STATUS_INVALID);
}

static void potad_space_add_refuses_bad_configs(void **state)
{
    static const struct unit_range good = {0, 16};
    static const struct unit_range bad[][2] = {
        {{0, 0}, {16, 16}},             /* empty */
        {{16, 16}, {0, 16}},            /* not ascending */
        {{0, 16}, {15, 16}},            /* overlapping */
        {{0, 16}, {2, UINT64_MAX - 1}}, /* with the unit 2^64 - 1 */
        {{0, 16}, {UINT64_MAX, 1}},
    };
    struct kmem_cache *small = NULL;
    struct kmem_cache *unaligned = NULL;
    (void)state;
    arena_open_frames(&arena, 0, FRAMES);
    struct potad *potad = &arena.potad;
    assert_int_equal(kmem_cache_create(potad, "small", 24, 32, &small), STATUS_OK);
    assert_int_equal(kmem_cache_create(potad, "unaligned", 40, 8, &unaligned), STATUS_OK);
    uint64_t hash = potad_state_hash(potad);
    const struct potad_space_config right = {.unit_shift = 9,
                                             .map = BLOCK_MAP_TREE,
                                             .ranges = &good,
                                             .ranges_count = 1,
                                             .descriptor_bytes = 32};
    struct potad_space_config wrong[9];
    for (unsigned i = 0; i < 9; i++) {
        wrong[i] = right;
    }
    wrong[0].unit_shift = 8;
    wrong[1].unit_shift = 64;
    wrong[2].base = 256;
    wrong[3].ranges_count = 0;
    wrong[4].descriptor_bytes = 31;
    wrong[5].descriptors = small;
    wrong[6].descriptors = unaligned;
    wrong[7].homes = 1 << 3;
    wrong[8].ranges_count = RANGES_MAX + 1;
    for (unsigned i = 0; i < 9; i++) {
        assert_refused(&wrong[i]);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct potad_space_config config = right;
        config.ranges = bad[i];
        config.ranges_count = 2;
        assert_refused(&config);
    }
    static const struct unit_range large = {0, (uint64_t)1 << 30};
    struct potad_space_config config = right;
    config.ranges = &large;
    config.map = BLOCK_MAP_TABLE;
    assert_refused(&config);
    assert_int_equal(potad_state_hash(potad), hash);
    arena_close(&arena);
}

/* Runs @act until it succeeds with step 1, 2, ... at @site failing, once or for good. Each time
 * that it fails, all is as it was (F1); what is free then is freed with every site failing (F3). */
static void fail_each_step(enum fault_site site, bool once, enum status (*act)(void))
{
    uint64_t before = potad_state_hash(&arena.potad);
    enum status status = STATUS_NO_MEMORY;
    for (uint64_t step = 1; status != STATUS_OK; step++) {
        arena.fail_once = once;
        arena_fail(&arena, site, step);
        status = act();
        bool reached = arena.steps[site] >= step;
        arena_fail(&arena, FAULT_SITES, 0);
        arena.fail_once = false;
        arena_validate(&arena);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NO_MEMORY);
            assert_true(reached);
            assert_int_equal(potad_state_hash(&arena.potad), before);
        }
    }
}

/* Asks for a run; it must begin at @unit. */
static struct unit_run take_run(const struct unit_run_request *request, pfn_t unit)
{
    struct unit_run run = {0};
    assert_int_equal(potad_space_alloc_run(&arena.potad, &space, request, &run), STATUS_OK);
    assert_int_equal(run.unit, unit);
    assert_int_equal(run.units, request->units);
    validate();
    return run;
}

/* B6: [1, 9) MB free is 1@1 + 2@2 + 4@4 + 1@8 after coalescing: 8 MB at 1 MB alignment are there,
 * and not at 2 MB. With units of 512 bytes:
 *
 *   0   1   2       4               8   9
 *   | x |   |       |               |   | x ...
 */
static void potad_space_b6_runs_across_what_coalescing_made(void **state)
{
    static const struct unit_range range = {0, (uint64_t)16 << 11};
    (void)state;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        arena_open_frames(&arena, 0, FRAMES);
        uint64_t hash = potad_state_hash(&arena.potad);
        const struct potad_space_config config = {.unit_shift = 9,
                                                  .map = (enum block_map_kind)kind,
                                                  .ranges = &range,
                                                  .ranges_count = 1,
                                                  .descriptor_bytes = 64};
        struct unit_run_request request = {.units = 1 << 11, .align = 11};
        struct unit_run run;
        add(&config);
        struct unit_run below = take_run(&request, 0);
        request = (struct unit_run_request){.units = 7 << 11, .low = 9 << 11};
        struct unit_run above = take_run(&request, 9 << 11);
        request = (struct unit_run_request){.units = 8 << 11, .align = 12};
        uint64_t before = potad_space_state_hash(&space);
        assert_int_equal(potad_space_alloc_run(&arena.potad, &space, &request, &run),
                         STATUS_NO_MEMORY);
        assert_int_equal(potad_space_state_hash(&space), before);
        request.align = 11;
        run = take_run(&request, 1 << 11);
        assert_int_equal(run.parts, 4);
        potad_space_free_run(&arena.potad, &space, &run);
        potad_space_free_run(&arena.potad, &space, &above);
        potad_space_free_run(&arena.potad, &space, &below);
        end(hash);
    }
}

enum { SMALL_UNITS = 96, SMALL_BLOCKS = 64, SMALL_STATES = 2000 };

/* The first unit of a run in @used (true: it is), or SMALL_UNITS where there is none. */
static pfn_t brute_run(const bool *used, const struct unit_run_request *request)
{
    for (pfn_t unit = 0; unit + request->units <= SMALL_UNITS; unit++) {
        uint64_t length = 0;
        while (length < request->units && !used[unit + length]) {
            length++;
        }
        if (length == request->units && unit % ((pfn_t)1 << request->align) == 0 &&
            unit >= request->low && unit + request->units <= request->high) {
            return unit;
        }
    }
    return SMALL_UNITS;
}

static void mark(bool *used, pfn_t unit, uint64_t units, bool value)
{
    for (uint64_t i = 0; i < units; i++) {
        assert_int_equal(used[unit + i], !value);
        used[unit + i] = value;
    }
}

/* B6: in random states, a run is found where brute force finds one, and nowhere else. */
static void potad_space_b6_random_runs_agree_with_brute_force(void **state)
{
    static const struct unit_range ranges[] = {{3, 40}, {43, 30}, {80, 16}};
    struct buddy *blocks[SMALL_BLOCKS] = {NULL};
    bool used[SMALL_UNITS];
    uint64_t random = 20210329;
    (void)state;
    memset(used, true, sizeof(used));
    for (unsigned i = 0; i < 3; i++) {
        mark(used, ranges[i].start, ranges[i].units, false);
    }
    arena_open_frames(&arena, 0, FRAMES);
    uint64_t hash = potad_state_hash(&arena.potad);
    const struct potad_space_config config = {.unit_shift = 12,
                                              .map = BLOCK_MAP_BOTH,
                                              .ranges = ranges,
                                              .ranges_count = 3,
                                              .descriptor_bytes = 32};
    add(&config);
    for (unsigned i = 0; i < SMALL_STATES; i++) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        struct buddy **block = &blocks[random >> 40 & (SMALL_BLOCKS - 1)];
        if (*block != NULL) {
            mark(used, (*block)->pfn, order_frames(buddy_order(*block)), false);
            give(*block);
            *block = NULL;
        } else if (potad_space_alloc(&arena.potad, &space, (order_t)(random >> 60 & 1), block) ==
                   STATUS_OK) {
            mark(used, (*block)->pfn, order_frames(buddy_order(*block)), true);
        }
        struct unit_run_request request = {
            .units = 1 + (random >> 33 & 15),
            .align = (order_t)(random >> 37 & 3),
            .low = random >> 50 & 31,
            .high = SMALL_UNITS - (random >> 55 & 31),
        };
        struct unit_run run;
        enum status status = potad_space_alloc_run(&arena.potad, &space, &request, &run);
        assert_int_equal(status == STATUS_OK, brute_run(used, &request) < SMALL_UNITS);
        if (status == STATUS_OK) {
            assert_true(pfn_is_aligned(run.unit, request.align));
            assert_true(run.unit >= request.low);
            assert_true(run.unit + run.units <= request.high);
            mark(used, run.unit, run.units, true);
            validate();
            potad_space_free_run(&arena.potad, &space, &run);
            mark(used, run.unit, run.units, false);
        }
    }
    for (unsigned i = 0; i < SMALL_BLOCKS; i++) {
        if (blocks[i] != NULL) {
            give(blocks[i]);
        }
    }
    end(hash);
}

/* B5, B6: all units that there can be, in a row. */
static void potad_space_b6_run_of_all_numbers(void **state)
{
    static const struct unit_range range = {0, UINT64_MAX};
    (void)state;
    arena_open_frames(&arena, 0, FRAMES);
    uint64_t hash = potad_state_hash(&arena.potad);
    const struct potad_space_config config = {.unit_shift = 9,
                                              .map = BLOCK_MAP_TREE,
                                              .ranges = &range,
                                              .ranges_count = 1,
                                              .descriptor_bytes = 32};
    add(&config);
    struct unit_run_request request = {.units = UINT64_MAX};
    struct unit_run run = take_run(&request, 0);
    assert_int_equal(run.parts, 64);
    potad_space_free_run(&arena.potad, &space, &run);
    request = (struct unit_run_request){.units = (uint64_t)1 << 63, .align = 1, .low = 3};
    run = take_run(&request, 4);
    potad_space_free_run(&arena.potad, &space, &run);
    end(hash);
}

static void potad_space_alloc_run_refuses_bad_requests(void **state)
{
    static const struct unit_range range = {0, 64};
    static const struct unit_run_request bad[] = {
        {.units = 0}, {.units = 1, .align = ORDERS}, {.units = 1, .low = 9, .high = 9}};
    struct unit_run run;
    (void)state;
    arena_open_frames(&arena, 0, FRAMES);
    uint64_t hash = potad_state_hash(&arena.potad);
    const struct potad_space_config config = {
        .unit_shift = 12, .ranges = &range, .ranges_count = 1, .descriptor_bytes = 32};
    add(&config);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(potad_space_alloc_run(&arena.potad, &space, &bad[i], &run),
                         STATUS_INVALID);
    }
    end(hash);
}

static struct potad_space_config fault_config;
static struct buddy *fault_block;
static struct buddy *fault_parts[ORDERS];

static enum status act_add(void)
{
    return potad_space_add(&arena.potad, &space, &fault_config);
}

static enum status act_alloc(void)
{
    uint64_t before = fault_block == NULL ? potad_space_state_hash(&space) : 0;
    enum status status = potad_space_alloc(&arena.potad, &space, 9, &fault_block);
    assert_true(status == STATUS_OK || before == potad_space_state_hash(&space));
    return status;
}

static enum status act_split(void)
{
    uint64_t before = potad_space_state_hash(&space);
    enum status status = potad_space_split(&arena.potad, &space, fault_block, 0, fault_parts);
    assert_true(status == STATUS_OK || before == potad_space_state_hash(&space));
    return status;
}

static struct unit_run fault_run;

static enum status act_run(void)
{
    static const struct unit_run_request request = {.units = 1001, .low = 1030};
    uint64_t before = potad_space_state_hash(&space);
    enum status status = potad_space_alloc_run(&arena.potad, &space, &request, &fault_run);
    assert_true(status == STATUS_OK || before == potad_space_state_hash(&space));
    return status;
}

/* F1, F3: every step of add, alloc, run and split fails, on every map; freeing asks for no step. */
static void potad_space_f1_each_step_fails(void **state)
{
    static const struct unit_range ranges[] = {{1, 1022}, {1030, 3000}};
    (void)state;
    for (unsigned run = 0; run < 2U * FAULT_SITES * KINDS; run++) {
        enum fault_site site = (enum fault_site)(run / 2 % FAULT_SITES);
        arena_open_frames(&arena, 0, FRAMES);
        uint64_t hash = potad_state_hash(&arena.potad);
        /* So large that each takes a slab of its own. */
        fault_config =
            (struct potad_space_config){.unit_shift = 12,
                                        .map = (enum block_map_kind)(run / 2 / FAULT_SITES),
                                        .ranges = ranges,
                                        .ranges_count = 2,
                                        .descriptor_bytes = 4096};
        fault_block = NULL;
        fail_each_step(site, run % 2 != 0, act_add);
        fail_each_step(site, run % 2 != 0, act_alloc);
        fail_each_step(site, run % 2 != 0, act_run);
        fail_each_step(site, run % 2 != 0, act_split);
        validate();
        arena_fail(&arena, (enum fault_site)(run % FAULT_SITES), 1);
        for (unsigned i = 0; i < 10; i++) {
            give(fault_parts[i]);
        }
        potad_space_free_run(&arena.potad, &space, &fault_run);
        for (unsigned asked = 0; asked < FAULT_SITES; asked++) {
            assert_int_equal(arena.steps[asked], 0);
        }
        end(hash);
    }
}

/* Where memory for descriptors runs out, what cannot be allocated changes nothing, and frees go
 * on. */
static void potad_space_memory_runs_out(void **state)
{
    static const struct unit_range range = {0, (uint64_t)1 << 40};
    enum { BLOCKS_MOST = 4096 };
    static struct buddy *blocks[BLOCKS_MOST];
    unsigned count = 0;
    (void)state;
    arena_open_frames(&arena, 0, 64);
    uint64_t hash = potad_state_hash(&arena.potad);
    add(&(struct potad_space_config){.unit_shift = 12,
                                     .map = BLOCK_MAP_TREE,
                                     .ranges = &range,
                                     .ranges_count = 1,
                                     .descriptor_bytes = 1024});
    for (;;) {
        uint64_t before = potad_state_hash(&arena.potad) ^ potad_space_state_hash(&space);
        assert_true(count < BLOCKS_MOST);
        if (potad_space_alloc(&arena.potad, &space, count % 7, &blocks[count]) != STATUS_OK) {
            assert_int_equal(potad_state_hash(&arena.potad) ^ potad_space_state_hash(&space),
                             before);
            break;
        }
        count++;
    }
    validate();
    assert_true(count > 50);
    for (unsigned i = 0; i < count; i += 2) {
        give(blocks[i]);
    }
    validate();
    for (unsigned i = 1; i < count; i += 2) {
        give(blocks[i]);
    }
    end(hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(potad_space_b2_buffers_inside_pages),
        cmocka_unit_test(potad_space_b4_swap_owns_no_memory),
        cmocka_unit_test(potad_space_b5_no_largest_order),
        cmocka_unit_test(potad_space_holes_and_edges_stay),
        cmocka_unit_test(potad_space_remove_refuses_while_busy),
        cmocka_unit_test(potad_space_homes_and_caches_are_the_users),
        cmocka_unit_test(potad_space_add_refuses_bad_configs),
        cmocka_unit_test(potad_space_b6_runs_across_what_coalescing_made),
        cmocka_unit_test(potad_space_b6_random_runs_agree_with_brute_force),
        cmocka_unit_test(potad_space_b6_run_of_all_numbers),
        cmocka_unit_test(potad_space_alloc_run_refuses_bad_requests),
        cmocka_unit_test(potad_space_f1_each_step_fails),
        cmocka_unit_test(potad_space_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
