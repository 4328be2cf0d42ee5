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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(range_cache_gives_all_memory_back),
        cmocka_unit_test(range_cache_asks_before_each_node),
        cmocka_unit_test(range_cache_open_without_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
