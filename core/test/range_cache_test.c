/* SPDX-License-Identifier: MIT
 *
 * range_cache_test.c: a range tree on the allocator's own memory.
 */
#include "core/range_cache.h"
#include "core/test/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

static void range_cache_gives_all_memory_back(void **state)
{
    enum { STORES = 500 };
    struct arena arena;
    struct range_cache nodes;
    struct range_tree tree;
    struct epoch epoch;
    (void)state;
    arena_open_frames(&arena, 0, 512);
    uint64_t hash = potad_state_hash(&arena.potad);
    assert_int_equal(range_cache_open(&nodes, &arena.potad), STATUS_OK);
    epoch_init(&epoch);
    range_tree_init(&tree, &epoch, &nodes.source);
    for (uint64_t i = 0; i < STORES; i++) {
        assert_int_equal(range_tree_store(&tree, 7 * i, 7 * i + i % 9, i + 1), STATUS_OK);
    }
    arena_validate(&arena);
    assert_int_equal(nodes.cache->live, range_tree_nodes(&tree));
    assert_int_equal(range_cache_close(&nodes), STATUS_BUSY);
    range_tree_destroy(&tree);
    assert_int_equal(range_cache_close(&nodes), STATUS_OK);
    potad_shrink(&arena.potad);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* F1: asked before each node, from the first. */
static void range_cache_asks_before_each_node(void **state)
{
    struct arena arena;
    struct range_cache nodes;
    (void)state;
    arena_open_frames(&arena, 0, 512);
    assert_int_equal(range_cache_open(&nodes, &arena.potad), STATUS_OK);
    arena_fail(&arena, FAULT_RANGE_NODE, arena.steps[FAULT_RANGE_NODE] + 2);
    void *node = nodes.source.take(nodes.source.context);
    assert_non_null(node);
    assert_int_equal((uintptr_t)node % RANGE_NODE_BYTES, 0);
    assert_null(nodes.source.take(nodes.source.context));
    nodes.source.give_back(nodes.source.context, node);
    assert_int_equal(range_cache_close(&nodes), STATUS_OK);
    arena_close(&arena);
}

static void range_cache_open_without_memory_changes_nothing(void **state)
{
    struct arena arena;
    struct range_cache nodes;
    (void)state;
    arena_open_frames(&arena, 0, 512);
    uint64_t hash = potad_state_hash(&arena.potad);
    arena_fail(&arena, FAULT_CACHE_DESC, 1);
    assert_int_equal(range_cache_open(&nodes, &arena.potad), STATUS_NO_MEMORY);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* Ranges of two keys, 3 apart: just more than full nodes of @height levels less one hold. */
static uint64_t plant_height(struct range_tree *tree, unsigned height)
{
    uint64_t count = RANGE_NARROW;
    for (unsigned level = 1; level < height; level++) {
        count *= RANGE_CHILDREN;
    }
    count += height > 0 ? 1 : 0;
    struct range_entry *entries = calloc(count, sizeof(*entries));
    assert_non_null(entries);
    for (uint64_t i = 0; i < count; i++) {
        entries[i] = (struct range_entry){3 * i, 3 * i + 1, i + 1};
    }
    assert_int_equal(range_tree_build(tree, entries, count), STATUS_OK);
    free(entries);
    assert_int_equal(range_tree_height(tree), height);
    return count;
}

/* A3, F3: trees of every height up to 5, erased range by range with each site in turn failing for
 * good: none is asked. What is erased first lies far apart, so that nodes get sparse and merge all
 * over; half the trees have a section open, so that no node comes back for that. */
static void erase_asks_no_site_at_any_height(void **state)
{
    (void)state;
    for (unsigned run = 0; run < 12; run++) {
        struct arena arena;
        struct range_cache nodes;
        struct range_tree tree;
        struct epoch epoch;
        arena_open_frames(&arena, 0, ARENA_FRAMES - 1024);
        assert_int_equal(range_cache_open(&nodes, &arena.potad), STATUS_OK);
        epoch_init(&epoch);
        range_tree_init(&tree, &epoch, &nodes.source);
        uint64_t count = plant_height(&tree, run / 2);
        struct epoch_slot *section = run % 2 == 0 ? NULL : epoch_enter(&epoch, 0);
        for (enum fault_site site = 0; site < FAULT_SITES; site++) {
            arena_fail(&arena, site, 1);
            for (uint64_t i = site; i < count; i += FAULT_SITES) {
                assert_true(range_tree_erase(&tree, 3 * i, NULL));
            }
            for (enum fault_site asked = 0; asked < FAULT_SITES; asked++) {
                assert_int_equal(arena.steps[asked], 0);
            }
            struct violation violation;
            assert_true(range_tree_validate(&tree, &violation));
        }
        arena_fail(&arena, FAULT_SITES, 0);
        assert_int_equal(tree.ranges, 0);
        assert_int_equal(tree.nodes, 0);
        if (section != NULL) {
            epoch_exit(section);
        }
        range_tree_destroy(&tree);
        assert_int_equal(range_cache_close(&nodes), STATUS_OK);
        arena_close(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(range_cache_gives_all_memory_back),
        cmocka_unit_test(range_cache_asks_before_each_node),
        cmocka_unit_test(range_cache_open_without_memory_changes_nothing),
        cmocka_unit_test(erase_asks_no_site_at_any_height),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
