/* SPDX-License-Identifier: MIT
 *
 * block_map_test.c: zones whose map is a range tree (requirement B3), alone and beside a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/page_alloc.h"
#include "core/test/arena.h"

enum { HELD_MAX = 4096 };

/* One zone of 4,096 frames and the boot metadata. */
static void open_kind(struct arena *arena, enum block_map_kind kind)
{
    const struct boot_map map = {
        .kind = kind,
        .zones_count = 1,
        .ranges_count = 1,
        .zones = {{.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 0, .frames = 4096}},
    };
    arena_open(arena, &map);
}

static struct range_tree *tree_of(struct arena *arena)
{
    return &arena->potad.zones[0].map.tree;
}

/* Takes order-0 blocks until there is no memory. Return: how many. */
static unsigned take_all(struct arena *arena, struct buddy **held)
{
    struct page_request request = {.order = 0, .zone = ZONE_ANY};
    unsigned count = 0;
    while (count < HELD_MAX && alloc_pages(&arena->potad, &request, &held[count]) == STATUS_OK) {
        count++;
    }
    return count;
}

/* B3: what the tree answers is what the table answers, for every frame, at every moment of a random
 * run; block_map.c asserts it. */
static void both_maps_agree_on_every_frame(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *held[64] = {NULL};
    uint64_t random = 1;
    open_kind(&arena, BLOCK_MAP_BOTH);
    for (unsigned i = 0; i < 4000; i++) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        struct buddy **slot = &held[random >> 58];
        if (*slot != NULL) {
            free_pages(&arena.potad, *slot);
            *slot = NULL;
        } else {
            struct page_request request = {.order = (order_t)(random >> 32 & 7), .zone = ZONE_ANY};
            if (alloc_pages(&arena.potad, &request, slot) != STATUS_OK) {
                *slot = NULL;
            }
        }
        if (i % 64 == 0) {
            arena_validate(&arena);
            for (pfn_t pfn = 0; pfn < 4096; pfn++) {
                struct memdesc_info info;
                assert_true(memdesc_lookup(&arena.potad, pfn, &info));
                assert_true(pfn - info.pfn < info.frames);
            }
        }
    }
    arena_close(&arena);
}

/* A block is found from any of its frames, and holes are holes:
 *
 *   0        1024  1536     2048        4096
 *   | zone 0 |     | zone 1 |   hole    | zone 2 ...
 */
static void tree_tells_holes_from_blocks(void **state)
{
    (void)state;
    struct arena arena;
    struct memdesc_info info;
    const struct boot_map map = {
        .kind = BLOCK_MAP_TREE,
        .zones_count = 3,
        .ranges_count = 3,
        .zones = {{.zone_class = ZONE_NORMAL},
                  {.zone_class = ZONE_NORMAL},
                  {.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 0, .frames = 1024, .zone = 0},
                   {.start = 1536, .frames = 512, .zone = 1},
                   {.start = 4096, .frames = 512, .zone = 2}},
    };
    arena_open(&arena, &map);
    assert_int_equal(arena.potad.table.frames, 0);
    assert_true(memdesc_lookup(&arena.potad, 1535 + 256, &info));
    assert_int_equal(info.pfn, 1536);
    assert_int_equal(info.frames, 512);
    assert_int_equal(info.zone, 1);
    assert_false(memdesc_lookup(&arena.potad, 1024, &info));
    assert_false(memdesc_lookup(&arena.potad, 2048, &info));
    assert_false(memdesc_lookup(&arena.potad, 4095, &info));
    assert_true(memdesc_lookup(&arena.potad, 4096 + 511, &info));
    arena_close(&arena);
}

/* A3, F3: all memory in single frames, a tree of full height; then freed with every site failing
 * for good, in an order that merges as late as can be. */
static void free_needs_no_node(void **state)
{
    (void)state;
    struct arena arena;
    static struct buddy *held[HELD_MAX];
    open_kind(&arena, BLOCK_MAP_TREE);
    uint64_t hash = potad_state_hash(&arena.potad);
    unsigned count = take_all(&arena, held);
    assert_true(count > 3000);
    assert_true(range_tree_height(tree_of(&arena)) >= 2);
    arena_validate(&arena);
    for (enum fault_site site = 0; site < FAULT_SITES; site++) {
        arena_fail(&arena, site, 1);
        for (unsigned i = site; i < count; i += FAULT_SITES) {
            free_pages(&arena.potad, held[i]);
        }
        for (enum fault_site asked = 0; asked < FAULT_SITES; asked++) {
            assert_int_equal(arena.steps[asked], 0);
        }
    }
    arena_fail(&arena, FAULT_SITES, 0);
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(arena.potad.cache_node.live, 0);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* F1: without nodes beyond the reserve, what needs no cut still works, and what does fails and
 * changes nothing. */
static void alloc_without_nodes_fails_and_changes_nothing(void **state)
{
    (void)state;
    struct arena arena;
    static struct buddy *held[HELD_MAX];
    struct page_request request = {.order = 0, .zone = ZONE_ANY};
    open_kind(&arena, BLOCK_MAP_TREE);
    arena_fail(&arena, FAULT_RANGE_NODE, 1);
    unsigned count = take_all(&arena, held);
    assert_true(arena.steps[FAULT_RANGE_NODE] > 0);
    assert_true(count > 64);
    assert_true(count < 3000);
    uint64_t hash = potad_state_hash(&arena.potad);
    struct buddy *buddy;
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_NO_MEMORY);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_validate(&arena);
    free_pages(&arena.potad, held[0]);
    assert_int_equal(alloc_pages(&arena.potad, &request, &held[0]), STATUS_OK);
    arena_fail(&arena, FAULT_SITES, 0);
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_OK);
    arena_close(&arena);
}

/* F1: a call that made a slab of nodes, and fails for want of descriptors in the end, gives the
 * slab back, with what is in its nodes moved to older ones. */
static void failed_call_gives_node_slabs_back(void **state)
{
    (void)state;
    struct arena arena;
    static struct buddy *held[HELD_MAX];
    unsigned count = 0;
    unsigned made = 0;
    open_kind(&arena, BLOCK_MAP_TREE);
    for (unsigned i = 0; i < 2000; i++) {
        struct page_request request = {.order = 0, .zone = ZONE_ANY};
        uint64_t hash = potad_state_hash(&arena.potad);
        uint64_t frames = arena.exposed;
        arena_fail(&arena, FAULT_BUDDY_DESC, 1);
        enum status status = alloc_pages(&arena.potad, &request, &held[count]);
        made += arena.steps[FAULT_RANGE_NODE] > 0 && status != STATUS_OK ? 1 : 0;
        if (status != STATUS_OK) {
            assert_int_equal(potad_state_hash(&arena.potad), hash);
            assert_int_equal(arena.exposed, frames);
            arena_fail(&arena, FAULT_SITES, 0);
            assert_int_equal(alloc_pages(&arena.potad, &request, &held[count]), STATUS_OK);
        }
        count++;
    }
    assert_true(made > 0);
    arena_validate(&arena);
    arena_close(&arena);
}

/* B3 with A3: frames that fail inside blocks in use are kept back by a free that has no node but
 * those that were kept for it. */
static void failed_frame_is_kept_back_without_new_nodes(void **state)
{
    (void)state;
    struct arena arena;
    struct memdesc_info info;
    open_kind(&arena, BLOCK_MAP_BOTH);
    uint64_t hash = potad_state_hash(&arena.potad);
    struct buddy *buddy = arena_take(&arena, 9);
    pfn_t start = buddy->pfn;
    assert_int_equal(memory_failure(&arena.potad, start), STATUS_OK);
    assert_int_equal(memory_failure(&arena.potad, start + 77), STATUS_OK);
    assert_int_equal(memory_failure(&arena.potad, start + 511), STATUS_OK);
    for (enum fault_site site = 0; site < FAULT_SITES; site++) {
        arena_fail(&arena, site, 1);
    }
    free_pages(&arena.potad, buddy);
    assert_int_equal(arena.steps[FAULT_RANGE_NODE], 0);
    arena_fail(&arena, FAULT_SITES, 0);
    arena_validate(&arena);
    assert_true(memdesc_lookup(&arena.potad, start + 77, &info));
    assert_int_equal(info.type, MEMDESC_POISONED);
    assert_true(memdesc_lookup(&arena.potad, start + 78, &info));
    assert_int_equal(info.type, MEMDESC_BUDDY_FREE);
    assert_int_equal(unpoison(&arena.potad, start), STATUS_OK);
    assert_int_equal(unpoison(&arena.potad, start + 77), STATUS_OK);
    assert_int_equal(unpoison(&arena.potad, start + 511), STATUS_OK);
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* A section stays open while all memory is freed: no node comes back, and merging must not use up
 * those that the next cuts need. F2: allocating goes on. */
static void frees_beside_an_open_section_leave_nodes_for_cuts(void **state)
{
    (void)state;
    struct arena arena;
    static struct buddy *held[HELD_MAX];
    open_kind(&arena, BLOCK_MAP_TREE);
    unsigned count = take_all(&arena, held);
    struct epoch_slot *section = epoch_enter(&arena.potad.epoch, 0);
    for (unsigned i = 0; i < count; i++) {
        free_pages(&arena.potad, held[i]);
    }
    assert_true(tree_of(&arena)->retired.waiting.count > 0);
    assert_true(take_all(&arena, held) > count / 2);
    epoch_exit(section);
    arena_validate(&arena);
    arena_close(&arena);
}

/* A3: the tree is low when a frame of a block fails, and high when the block is freed, with no
 * other spare node than must be, and none coming back. */
static void failed_frame_is_kept_back_when_the_tree_has_grown(void **state)
{
    (void)state;
    struct arena arena;
    static struct buddy *held[HELD_MAX];
    open_kind(&arena, BLOCK_MAP_TREE);
    struct buddy *flawed = arena_take(&arena, 9);
    pfn_t pfn = flawed->pfn + 300;
    assert_int_equal(memory_failure(&arena.potad, pfn), STATUS_OK);
    unsigned height = range_tree_height(tree_of(&arena));
    unsigned count = take_all(&arena, held);
    assert_true(range_tree_height(tree_of(&arena)) > height);
    struct epoch_slot *section = epoch_enter(&arena.potad.epoch, 0);
    for (unsigned i = 0; i < count; i += 2) {
        free_pages(&arena.potad, held[i]);
    }
    free_pages(&arena.potad, flawed);
    epoch_exit(section);
    arena_validate(&arena);
    struct memdesc_info info;
    assert_true(memdesc_lookup(&arena.potad, pfn, &info));
    assert_int_equal(info.type, MEMDESC_POISONED);
    arena_close(&arena);
}

/* F2: as long as spare nodes are all that is missing, a failure makes more, as an allocation does.
 */
static void memory_failure_makes_nodes(void **state)
{
    (void)state;
    struct arena arena;
    static struct buddy *held[HELD_MAX];
    struct page_request request = {.order = 0, .zone = ZONE_ANY};
    open_kind(&arena, BLOCK_MAP_TREE);
    arena_fail(&arena, FAULT_RANGE_NODE, 1);
    unsigned count = 0;
    while (alloc_pages(&arena.potad, &request, &held[count]) == STATUS_OK) {
        count++;
    }
    arena_fail(&arena, FAULT_SITES, 0);
    assert_true(count > 0);
    assert_int_equal(memory_failure(&arena.potad, held[0]->pfn), STATUS_OK);
    pfn_t last = 0;
    struct memdesc_info info;
    for (pfn_t pfn = 0; pfn < 4096; pfn++) {
        bool found = memdesc_lookup(&arena.potad, pfn, &info);
        last = found && info.type == MEMDESC_BUDDY_FREE && info.frames > 1 ? pfn : last;
    }
    assert_true(last != 0);
    assert_int_equal(memory_failure(&arena.potad, last), STATUS_OK);
    arena_validate(&arena);
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_maps_agree_on_every_frame),
        cmocka_unit_test(tree_tells_holes_from_blocks),
        cmocka_unit_test(free_needs_no_node),
        cmocka_unit_test(alloc_without_nodes_fails_and_changes_nothing),
        cmocka_unit_test(failed_call_gives_node_slabs_back),
        cmocka_unit_test(failed_frame_is_kept_back_without_new_nodes),
        cmocka_unit_test(frees_beside_an_open_section_leave_nodes_for_cuts),
        cmocka_unit_test(failed_frame_is_kept_back_when_the_tree_has_grown),
        cmocka_unit_test(memory_failure_makes_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
