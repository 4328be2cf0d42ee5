/* SPDX-License-Identifier: MIT
 *
 * range_store_test.c: cases that potad-stress found. Range i has the keys 10 i to 10 i + 4 and the
 * value i + 1.
 */
#include "core/range_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RANGES = 2 * RANGE_NARROW, SPARE_MOST = 1000 };

struct bench {
    struct epoch epoch;
    struct range_tree tree;
    struct range_source source;
    bool exhausted;
    struct epoch_slot *section; /* open until the end, or NULL */
};

static void *take(void *context)
{
    const struct bench *bench = context;
    return bench->exhausted ? NULL : aligned_alloc(RANGE_NODE_BYTES, RANGE_NODE_BYTES);
}

static void give_back(void *context, void *node)
{
    (void)context;
    free(node);
}

/* Two full leaves below a root. */
static int open_tree(void **state)
{
    static struct bench bench;
    struct range_entry entries[RANGES];
    for (uint64_t i = 0; i < RANGES; i++) {
        entries[i] = (struct range_entry){10 * i, 10 * i + 4, i + 1};
    }
    *state = &bench;
    bench.exhausted = false;
    bench.section = NULL;
    bench.source = (struct range_source){.context = &bench, .take = take, .give_back = give_back};
    epoch_init(&bench.epoch);
    range_tree_init(&bench.tree, &bench.epoch, &bench.source);
    return range_tree_build(&bench.tree, entries, RANGES) == STATUS_OK ? 0 : -1;
}

static int close_tree(void **state)
{
    struct bench *bench = *state;
    if (bench->section != NULL) {
        epoch_exit(bench->section);
    }
    range_tree_destroy(&bench->tree);
    return 0;
}

static void erase_ranges(struct range_tree *tree, uint64_t begin, uint64_t end)
{
    for (uint64_t i = begin; i < end; i++) {
        assert_true(range_tree_erase(tree, 10 * i, NULL));
    }
}

/*   [ 0-4 | 10-14 | ... 7 ranges ][ 190-194 | ... 10 ranges | 9 emptied slots ]
 *    └── stored over ──┘             6 and 10 are as many as a merged leaf has
 */
static void range_tree_store_merges_with_leaf_that_has_emptied_slots(void **state)
{
    struct bench *bench = *state;
    struct violation violation;
    erase_ranges(&bench->tree, RANGE_NARROW + 10, RANGES);
    erase_ranges(&bench->tree, 7, RANGE_NARROW);
    assert_int_equal(range_tree_height(&bench->tree), 1);
    assert_int_equal(range_tree_store(&bench->tree, 0, 14, 99), STATUS_OK);
    assert_int_equal(range_tree_height(&bench->tree), 0);
    assert_true(range_tree_validate(&bench->tree, &violation));
    assert_int_equal(range_tree_value(&bench->tree, 280), 29);
}

/* A reader keeps what is replaced from coming back, and there is no other memory. */
static void range_tree_store_many_leaves_what_is_prepared(void **state)
{
    struct bench *bench = *state;
    struct violation violation;
    enum status status = range_tree_prepare(&bench->tree, 2);
    assert_int_equal(status, STATUS_OK);
    bench->section = epoch_enter(&bench->epoch, 0);
    for (uint64_t i = 0; i < 16; i++) {
        struct range_entry entry = {10 * i, 10 * i + 1, 100 + i};
        status = range_tree_store_many(&bench->tree, 10 * i, 10 * i + 4, &entry, 1);
        assert_int_equal(status, STATUS_OK);
        assert_true(range_tree_validate(&bench->tree, &violation));
    }
    bench->exhausted = true;
    const struct range_entry none_left = {4, 4, 6};
    status = STATUS_OK;
    for (unsigned i = 0; i < SPARE_MOST && status == STATUS_OK; i++) {
        status = range_tree_store_many(&bench->tree, 3, 4, &none_left, 1);
    }
    assert_int_equal(status, STATUS_NO_MEMORY);
    assert_int_equal(range_tree_store(&bench->tree, 3, 3, 7), STATUS_OK);
    assert_int_equal(range_tree_store(&bench->tree, 7, 7, 8), STATUS_OK);
}

/* Two stores were prepared for an empty tree; the build makes it higher than they could. */
static void range_tree_build_leaves_what_is_prepared(void **state)
{
    enum { MANY = 4096 };
    static struct range_entry entries[MANY];
    struct bench *bench = *state;
    for (uint64_t i = 0; i < MANY; i++) {
        entries[i] = (struct range_entry){10 * i, 10 * i + 4, i + 1};
    }
    assert_int_equal(range_tree_clear(&bench->tree, 0, UINT64_MAX), STATUS_OK);
    assert_int_equal(range_tree_prepare(&bench->tree, 2), STATUS_OK);
    assert_int_equal(range_tree_build(&bench->tree, entries, MANY), STATUS_OK);
    bench->section = epoch_enter(&bench->epoch, 0);
    bench->exhausted = true;
    assert_int_equal(range_tree_store(&bench->tree, 3, 3, 7), STATUS_OK);
    assert_int_equal(range_tree_store(&bench->tree, 20003, 20003, 8), STATUS_OK);
}

#define ON_TREE(name) cmocka_unit_test_setup_teardown(name, open_tree, close_tree)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TREE(range_tree_store_merges_with_leaf_that_has_emptied_slots),
        ON_TREE(range_tree_store_many_leaves_what_is_prepared),
        ON_TREE(range_tree_build_leaves_what_is_prepared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
