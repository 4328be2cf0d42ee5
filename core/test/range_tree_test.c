/* SPDX-License-Identifier: MIT
 *
 * range_tree_test.c: requirements A3, B3 and F1 on range trees, drawn before and after.
 */
#include "core/test/range_draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define LEAF ((uint64_t)RANGE_NARROW) /* ranges of a full leaf */

/* Stores, which must succeed. */
static void put(struct range_bed *bed, uint64_t first, uint64_t last, uint64_t value)
{
    enum status status = range_tree_store(&bed->tree, first, last, value);
    assert_int_equal(status, STATUS_OK);
}

static void erase(struct range_bed *bed, uint64_t key)
{
    bool erased = range_tree_erase(&bed->tree, key, NULL);
    assert_true(erased);
}

/* Builds a tree of @count ranges of 5 keys, one every 10 keys, in full leaves of LEAF. */
static void plant(struct range_bed *bed, uint64_t count)
{
    struct range_entry *entries = malloc((count + 1) * sizeof(*entries));
    for (uint64_t i = 0; i < count; i++) {
        entries[i] = (struct range_entry){10 * i, 10 * i + 4, 'a' + i % 26};
    }
    range_bed_open(bed);
    enum status status = range_tree_build(&bed->tree, entries, count);
    assert_int_equal(status, STATUS_OK);
    free(entries);
}

static void store_first_range_makes_a_leaf(void **state)
{
    struct range_bed bed;
    (void)state;
    range_bed_open(&bed);
    range_bed_assert(&bed, "");
    put(&bed, 20, 29, 'b');
    range_bed_assert(&bed, "[20-29 b]\n");
    put(&bed, 0, 9, 'a');
    range_bed_assert(&bed, "[0-9 a][20-29 b]\n");
    range_bed_close(&bed);
}

static void store_cuts_what_sticks_out(void **state)
{
    struct range_bed bed;
    (void)state;
    range_bed_open(&bed);
    put(&bed, 0, 99, 'a');
    put(&bed, 40, 49, 'b');
    range_bed_assert(&bed, "[0-39 a][40-49 b][50-99 a]\n");
    put(&bed, 30, 59, 'c');
    range_bed_assert(&bed, "[0-29 a][30-59 c][60-99 a]\n");
    put(&bed, 90, 120, 'd');
    range_bed_assert(&bed, "[0-29 a][30-59 c][60-89 a][90-120 d]\n");
    put(&bed, 0, 200, 'e');
    range_bed_assert(&bed, "[0-200 e]\n");
    range_bed_close(&bed);
}

/* The same range again: one word changes, and no node is needed. */
static void store_same_range_writes_in_place(void **state)
{
    struct range_bed bed;
    (void)state;
    range_bed_open(&bed);
    put(&bed, 0, 9, 'a');
    put(&bed, 20, 29, 'b');
    range_tree_trim(&bed.tree);
    range_bed_dry(&bed);
    put(&bed, 20, 29, 'c');
    range_bed_assert(&bed, "[0-9 a][20-29 c]\n");
    erase(&bed, 25);
    range_bed_assert(&bed, "[0-9 a][20-29 -]\n");
    put(&bed, 20, 29, 'd');
    range_bed_assert(&bed, "[0-9 a][20-29 d]\n");
    range_bed_close(&bed);
}

static void store_splits_a_full_leaf(void **state)
{
    struct range_bed bed;
    (void)state;
    plant(&bed, LEAF);
    range_bed_assert(&bed, "[0-4 a]..17..[180-184 s]\n");
    put(&bed, 7, 8, 'X');
    range_bed_assert(&bed, "[ 89 | max ]\n"
                           "  [0-4 a]..8..[80-84 i]\n"
                           "  [90-94 j]..8..[180-184 s]\n");
    range_bed_close(&bed);
}

/* A tree that grows at its end leaves full leaves behind. */
static void store_appends_behind_a_full_leaf(void **state)
{
    struct range_bed bed;
    (void)state;
    plant(&bed, LEAF);
    put(&bed, 190, 194, 'X');
    range_bed_assert(&bed, "[ 189 | max ]\n"
                           "  [0-4 a]..17..[180-184 s]\n"
                           "  [190-194 X]\n");
    range_bed_close(&bed);
}

static void store_replaces_several_leaves(void **state)
{
    struct range_bed bed;
    (void)state;
    plant(&bed, 4 * LEAF);
    range_bed_assert(&bed, "[ 189 | 379 | 569 | max ]\n"
                           "  [0-4 a]..17..[180-184 s]\n"
                           "  [190-194 t]..17..[370-374 l]\n"
                           "  [380-384 m]..17..[560-564 e]\n"
                           "  [570-574 f]..17..[750-754 x]\n");
    put(&bed, 22, 701, 'X');
    range_bed_assert(&bed, "[0-4 a]..8..[750-754 x]\n");
    range_bed_close(&bed);
}

/* Ranges that do not lie on multiples of anything, far apart, need whole keys. */
static void store_far_key_makes_a_wide_leaf(void **state)
{
    struct range_bed bed;
    (void)state;
    range_bed_open(&bed);
    put(&bed, 0, 9, 'a');
    put(&bed, 11, 11, 'b');
    range_bed_assert(&bed, "[0-9 a][11-11 b]\n");
    put(&bed, 100000, 100000, 'c');
    range_bed_assert(&bed, "wide [0-9 a][11-11 b][100000-100000 c]\n");
    range_bed_close(&bed);
}

static void store_key_0_and_the_last_key(void **state)
{
    struct range_bed bed;
    (void)state;
    range_bed_open(&bed);
    put(&bed, 0, 0, 'a');
    put(&bed, UINT64_MAX, UINT64_MAX, 'z');
    range_bed_assert(&bed, "wide [0-0 a][max-max z]\n");
    range_bed_close(&bed);
}

static void bad_input_changes_nothing(void **state)
{
    struct range_bed bed;
    struct range_entry entry = {5, 9, 'x'};
    const struct range_entry outside[] = {{5, 9, 'x'}};
    struct range_tree *tree = &bed.tree;
    (void)state;
    plant(&bed, 2);
    const char *drawing = "[0-4 a][10-14 b]\n";
    assert_int_equal(range_tree_store(tree, 1, 0, 'x'), STATUS_INVALID);
    assert_int_equal(range_tree_store(tree, 0, 1, 0), STATUS_INVALID);
    assert_int_equal(range_tree_store_empty(tree, 1, 0, 'x'), STATUS_INVALID);
    assert_int_equal(range_tree_store_empty(tree, 0, 1, 0), STATUS_INVALID);
    assert_int_equal(range_tree_store_empty(tree, 4, 6, 'x'), STATUS_EXISTS);
    assert_int_equal(range_tree_store_many(tree, 6, 9, outside, 1), STATUS_INVALID);
    assert_int_equal(range_tree_store_many(tree, 5, 9, outside, 0), STATUS_INVALID);
    assert_int_equal(range_tree_store_many(tree, 5, 9, outside, RANGE_STORE_MANY + 1),
                     STATUS_INVALID);
    assert_int_equal(range_tree_clear(tree, 1, 0), STATUS_INVALID);
    assert_int_equal(range_tree_build(tree, &entry, 1), STATUS_BUSY);
    assert_false(range_tree_erase(tree, 7, NULL));
    assert_false(range_tree_load(tree, 7, &entry));
    range_bed_assert(&bed, drawing);
    range_bed_close(&bed);
}

static void build_refuses_entries_that_are_wrong(void **state)
{
    const struct range_entry wrong[][2] = {
        {{0, 9, 'a'}, {9, 12, 'b'}},  /* overlap */
        {{10, 19, 'a'}, {0, 9, 'b'}}, /* out of order */
        {{0, 9, 'a'}, {20, 12, 'b'}}, /* limits the wrong way round */
        {{0, 9, 'a'}, {20, 22, 0}},   /* no value */
    };
    struct range_bed bed;
    (void)state;
    range_bed_open(&bed);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(range_tree_build(&bed.tree, wrong[i], 2), STATUS_INVALID);
        range_bed_assert(&bed, "");
    }
    range_bed_close(&bed);
}

static void build_then_iterate_gives_all(void **state)
{
    enum { COUNT = 5000 };
    struct range_bed bed;
    struct range_entry entry;
    uint64_t seen = 0;
    (void)state;
    plant(&bed, COUNT);
    range_bed_validate(&bed);
    assert_int_equal(range_tree_height(&bed.tree), 3);
    range_tree_for_each(&bed.tree, 0, &entry)
    {
        assert_int_equal(entry.first, 10 * seen);
        assert_int_equal(entry.value, 'a' + seen % 26);
        seen++;
    }
    assert_int_equal(seen, COUNT);
    range_bed_close(&bed);
}

/* F1: a failed call gives back the nodes that it took. */
static void calls_without_memory_change_nothing(void **state)
{
    struct range_bed bed;
    struct range_entry entries[2 * RANGE_NARROW];
    (void)state;
    plant(&bed, 1);
    for (unsigned more = 0; more < 4; more++) {
        bed.nodes_max = bed.nodes + more;
        assert_int_equal(range_tree_store(&bed.tree, 6, 7, 'x'), STATUS_NO_MEMORY);
        assert_int_equal(range_tree_clear(&bed.tree, 2, 3), STATUS_NO_MEMORY);
        assert_int_equal(range_tree_prepare(&bed.tree, 1), STATUS_NO_MEMORY);
        assert_int_equal(range_tree_prepare(&bed.tree, UINT64_MAX), STATUS_NO_MEMORY);
        assert_int_equal(bed.nodes, 1);
        range_bed_assert(&bed, "[0-4 a]\n");
    }
    erase(&bed, 0);
    range_tree_trim(&bed.tree);
    for (unsigned i = 0; i < 2 * LEAF; i++) {
        entries[i] = (struct range_entry){i, i, 'a'};
    }
    bed.nodes_max = 2;
    assert_int_equal(range_tree_build(&bed.tree, entries, 2 * LEAF), STATUS_NO_MEMORY);
    assert_int_equal(bed.nodes, 0);
    range_bed_assert(&bed, "");
    range_bed_close(&bed);
}

static void erase_empties_a_slot_in_place(void **state)
{
    struct range_bed bed;
    struct range_entry erased;
    (void)state;
    plant(&bed, 3);
    assert_true(range_tree_erase(&bed.tree, 12, &erased));
    assert_int_equal(erased.first, 10);
    assert_int_equal(erased.last, 14);
    assert_int_equal(erased.value, 'b');
    range_bed_assert(&bed, "[0-4 a][10-14 -][20-24 c]\n");
    assert_false(range_tree_erase(&bed.tree, 12, &erased));
    erase(&bed, 0);
    erase(&bed, 24);
    range_bed_assert(&bed, "");
    range_bed_close(&bed);
}

/* While a section is open no node comes back, and nothing merges: the leaf before gets the slot. */
static void erase_unhooks_an_empty_leaf(void **state)
{
    struct range_bed bed;
    (void)state;
    plant(&bed, 3 * LEAF);
    struct epoch_slot *section = epoch_enter(&bed.epoch, 0);
    for (uint64_t i = LEAF; i < 2 * LEAF; i++) {
        erase(&bed, 10 * i);
    }
    range_bed_assert(&bed, "[ 189 = 379 | max ]\n"
                           "  [0-4 a]..17..[180-184 s]\n"
                           "  [380-384 m]..17..[560-564 e]\n");
    for (uint64_t i = 0; i < LEAF; i++) {
        erase(&bed, 10 * i);
    }
    range_bed_assert(&bed, "[380-384 m]..17..[560-564 e]\n");
    epoch_exit(section);
    range_bed_close(&bed);
}

static void erase_merges_sparse_leaves(void **state)
{
    struct range_bed bed;
    (void)state;
    plant(&bed, 3 * LEAF);
    put(&bed, 5, 6, 'X'); /* what it replaces is spare from here on */
    for (uint64_t i = 1; i < LEAF - 2; i++) {
        erase(&bed, 10 * i);
    }
    range_bed_validate(&bed);
    for (uint64_t i = LEAF; i < 2 * LEAF - 3; i++) {
        erase(&bed, 10 * i);
    }
    range_bed_assert(&bed, "[ 89 = 189 = 379 | max ]\n"
                           "  [0-4 a]..8..[370-374 l]\n"
                           "  [380-384 m]..17..[560-564 e]\n");
    range_bed_close(&bed);
}

static void erase_lowers_the_root(void **state)
{
    struct range_bed bed;
    (void)state;
    plant(&bed, 2 * LEAF);
    assert_int_equal(range_tree_height(&bed.tree), 1);
    for (uint64_t i = LEAF; i < 2 * LEAF; i++) {
        erase(&bed, 10 * i);
    }
    range_bed_assert(&bed, "[0-4 a]..17..[180-184 s]\n");
    range_bed_close(&bed);
}

/* A3: all of a tree is erased while a section is open, which keeps every node from coming back, and
 * the source has none. */
static void erase_needs_no_node_at_any_height(void **state)
{
    uint64_t leaves = 1;
    struct range_bed *bed = malloc(sizeof(*bed));
    (void)state;
    for (unsigned height = 0; height <= 5; height++) {
        uint64_t count = height == 0 ? 5 : leaves * LEAF + 1;
        plant(bed, count);
        assert_int_equal(range_tree_height(&bed->tree), height);
        struct epoch_slot *section = epoch_enter(&bed->epoch, 0);
        range_bed_dry(bed);
        /* From the middle, in steps without a common factor with the count. */
        for (uint64_t i = 0, at = count / 2; i < count; i++) {
            erase(bed, 10 * at);
            at = (at + 7919) % count;
        }
        assert_int_equal(bed->tree.ranges, 0);
        range_bed_assert(bed, "");
        epoch_exit(section);
        range_bed_close(bed);
        leaves *= height == 0 ? 1 : RANGE_CHILDREN;
    }
    free(bed);
}

static void clear_cuts_at_both_ends(void **state)
{
    struct range_bed bed;
    (void)state;
    plant(&bed, 4);
    assert_int_equal(range_tree_clear(&bed.tree, 3, 21), STATUS_OK);
    range_bed_assert(&bed, "[0-2 a][22-24 c][30-34 d]\n");
    assert_int_equal(range_tree_clear(&bed.tree, 22, 29), STATUS_OK);
    range_bed_assert(&bed, "[0-2 a][22-24 -][30-34 d]\n");
    range_bed_close(&bed);
}

static uint64_t gap(struct range_bed *bed, uint64_t first, uint64_t last, uint64_t size,
                    uint64_t align, bool above)
{
    struct range_gap_request request = {first, last, size, align, above};
    uint64_t found = 0;
    enum status status = range_tree_gap(&bed->tree, &request, &found);
    return status == STATUS_OK ? found : UINT64_MAX - (uint64_t)status;
}

static void gap_crosses_leaf_borders(void **state)
{
    const uint64_t none = UINT64_MAX - STATUS_NOT_FOUND;
    struct range_bed bed;
    (void)state;
    plant(&bed, 3 * LEAF);
    erase(&bed, 180); /* the last of the first leaf, and the first of the second */
    erase(&bed, 190);
    assert_int_equal(gap(&bed, 0, 569, 5, 1, false), 5);
    assert_int_equal(gap(&bed, 0, 569, 6, 1, false), 175);
    assert_int_equal(gap(&bed, 0, 569, 25, 1, false), 175);
    assert_int_equal(gap(&bed, 0, 569, 25, 1, true), 175);
    assert_int_equal(gap(&bed, 0, 569, 26, 1, false), none);
    assert_int_equal(gap(&bed, 0, 569, 16, 16, false), 176);
    assert_int_equal(gap(&bed, 0, 569, 16, 8, true), 184);
    assert_int_equal(gap(&bed, 180, 569, 6, 1, false), 180);
    assert_int_equal(gap(&bed, 0, 569, 5, 1, true), 565);
    assert_int_equal(gap(&bed, 0, UINT64_MAX, 6, 1, true), UINT64_MAX - 5);
    range_bed_close(&bed);
}

static void gap_in_an_empty_tree_and_a_full_one(void **state)
{
    struct range_bed bed;
    (void)state;
    range_bed_open(&bed);
    assert_int_equal(gap(&bed, 0, UINT64_MAX, UINT64_MAX, 1, false), 0);
    assert_int_equal(gap(&bed, 0, UINT64_MAX, UINT64_MAX, 1, true), 1);
    put(&bed, 0, UINT64_MAX, 'a');
    range_bed_assert(&bed, "[0-max a]\n");
    assert_int_equal(gap(&bed, 0, UINT64_MAX, 1, 1, false), UINT64_MAX - STATUS_NOT_FOUND);
    range_bed_close(&bed);
}

static void gap_refuses_bad_requests(void **state)
{
    const uint64_t invalid = UINT64_MAX - STATUS_INVALID;
    struct range_bed bed;
    (void)state;
    plant(&bed, 2);
    assert_int_equal(gap(&bed, 1, 0, 1, 1, false), invalid);
    assert_int_equal(gap(&bed, 0, 9, 0, 1, false), invalid);
    assert_int_equal(gap(&bed, 0, 9, 1, 0, false), invalid);
    assert_int_equal(gap(&bed, 0, 9, 1, 6, false), invalid);
    range_bed_close(&bed);
}

static void prepare_then_store_without_a_source(void **state)
{
    enum { STORES = 200 };
    struct range_bed bed;
    (void)state;
    range_bed_open(&bed);
    assert_int_equal(range_tree_prepare(&bed.tree, STORES), STATUS_OK);
    struct epoch_slot *section = epoch_enter(&bed.epoch, 0);
    range_bed_dry(&bed);
    for (uint64_t i = 0; i < STORES; i++) {
        uint64_t key = i * 0x9e3779b97f4a7c15;
        put(&bed, key, key | 0xff, 'a');
        range_bed_validate(&bed);
    }
    epoch_exit(section);
    range_bed_close(&bed);
}

/* A section finds in the root that it began with what was there, while the tree is another. */
static void section_keeps_what_it_began_with(void **state)
{
    struct range_bed bed;
    (void)state;
    plant(&bed, 3 * LEAF);
    struct epoch_slot *section = epoch_enter(&bed.epoch, 0);
    range_word_t root = atomic_word_acquire(&bed.tree.root);
    put(&bed, 0, 10000, 'X');
    range_tree_trim(&bed.tree);
    for (uint64_t i = 0; i < 3 * LEAF; i++) {
        assert_int_equal(bed.tree.find->value(root, 10 * i), 'a' + i % 26);
    }
    range_bed_assert(&bed, "[0-10000 X]\n");
    epoch_exit(section);
    range_tree_trim(&bed.tree);
    assert_int_equal(bed.nodes, 1);
    range_bed_close(&bed);
}

static uint64_t random_state = 1;

static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Leaves of @count ranges, whose limits are multiples of 2^@shift, or of nothing. */
static void compare_leaf_finds(const struct range_find *vector, unsigned count, unsigned shift,
                               uint64_t base)
{
    struct range_entry entries[RANGE_NARROW];
    _Alignas(RANGE_NODE_BYTES) union range_node node = {0};
    uint64_t at = base;
    for (unsigned i = 0; i < count; i++) {
        uint64_t first = at + (random_u64() % 3 << shift);
        entries[i] = (struct range_entry){first, first + ((1 + random_u64() % 3) << shift) - 1, 1};
        at = entries[i].last + 1;
    }
    if (!range_leaf_fits(entries, count)) {
        return;
    }
    range_word_t leaf = range_leaf_write(&node, entries, count);
    for (unsigned i = 0; i < 8 * count; i++) {
        const struct range_entry *entry = &entries[i % count];
        const uint64_t keys[] = {entry->first,    entry->first - 1, entry->last,
                                 entry->last + 1, random_u64(),     0,
                                 UINT64_MAX};
        for (unsigned k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
            assert_int_equal(vector->place(leaf, keys[k]).slot,
                             range_find_portable.place(leaf, keys[k]).slot);
            assert_int_equal(vector->value(leaf, keys[k]),
                             range_find_portable.value(leaf, keys[k]));
        }
    }
}

static void finds_agree_on_leaves(void **state)
{
    const unsigned shifts[] = {0, 3, 12, 40};
    (void)state;
    const struct range_find *vector;
    for (unsigned rank = 0; (vector = range_find_vector(rank)) != NULL; rank++) {
        for (unsigned i = 0; i < 4 * RANGE_NARROW; i++) {
            unsigned count = 1 + i / 4;
            compare_leaf_finds(vector, count, shifts[i % 4], 0);
            compare_leaf_finds(vector, count, shifts[i % 4], random_u64() >> 1);
            compare_leaf_finds(vector, count, shifts[i % 4], (uint64_t)1 << 63);
        }
    }
}

static void assert_finds_agree(const struct range_find *vector, range_word_t root, uint64_t key)
{
    const struct range_find *const finds[] = {&range_find_portable, vector};
    struct range_path paths[2];
    struct range_place places[2];
    for (unsigned i = 0; i < 2; i++) {
        places[i] = finds[i]->place(root, key);
        assert_int_equal(finds[i]->path(root, key, &paths[i]), places[i].slot);
        assert_int_equal(paths[i].height, range_word_height(root));
    }
    assert_int_equal(places[0].leaf, places[1].leaf);
    assert_int_equal(places[0].slot, places[1].slot);
    assert_int_equal(places[0].span_first, places[1].span_first);
    assert_int_equal(places[0].span_last, places[1].span_last);
    for (unsigned level = 1; level <= paths[0].height; level++) {
        assert_int_equal(paths[0].steps[level].slot, paths[1].steps[level].slot);
    }
}

static void finds_agree_on_inner_nodes(void **state)
{
    const struct range_find *vector;
    struct range_bed bed;
    (void)state;
    for (uint64_t leaves = 1; leaves <= 40; leaves++) {
        plant(&bed, leaves * LEAF);
        range_word_t root = atomic_word_peek(&bed.tree.root);
        for (unsigned rank = 0; (vector = range_find_vector(rank)) != NULL; rank++) {
            for (uint64_t key = 0; key <= 10 * leaves * LEAF; key++) {
                assert_finds_agree(vector, root, key);
            }
            assert_finds_agree(vector, root, UINT64_MAX);
        }
        range_bed_close(&bed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_first_range_makes_a_leaf),
        cmocka_unit_test(store_cuts_what_sticks_out),
        cmocka_unit_test(store_same_range_writes_in_place),
        cmocka_unit_test(store_splits_a_full_leaf),
        cmocka_unit_test(store_appends_behind_a_full_leaf),
        cmocka_unit_test(store_replaces_several_leaves),
        cmocka_unit_test(store_far_key_makes_a_wide_leaf),
        cmocka_unit_test(store_key_0_and_the_last_key),
        cmocka_unit_test(bad_input_changes_nothing),
        cmocka_unit_test(build_refuses_entries_that_are_wrong),
        cmocka_unit_test(build_then_iterate_gives_all),
        cmocka_unit_test(calls_without_memory_change_nothing),
        cmocka_unit_test(erase_empties_a_slot_in_place),
        cmocka_unit_test(erase_unhooks_an_empty_leaf),
        cmocka_unit_test(erase_merges_sparse_leaves),
        cmocka_unit_test(erase_lowers_the_root),
        cmocka_unit_test(erase_needs_no_node_at_any_height),
        cmocka_unit_test(clear_cuts_at_both_ends),
        cmocka_unit_test(gap_crosses_leaf_borders),
        cmocka_unit_test(gap_in_an_empty_tree_and_a_full_one),
        cmocka_unit_test(gap_refuses_bad_requests),
        cmocka_unit_test(prepare_then_store_without_a_source),
        cmocka_unit_test(section_keeps_what_it_began_with),
        cmocka_unit_test(finds_agree_on_leaves),
        cmocka_unit_test(finds_agree_on_inner_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
