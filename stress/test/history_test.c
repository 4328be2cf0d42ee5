/* SPDX-License-Identifier: MIT
 *
 * history_test.c: judging reads. All cases are on 64 units of 4 KiB, the last of which has all keys
 * behind, and on this history:
 *
 *   units 2-3  ├── 9 ────┼── 11 ────────┤
 *   unit  4    ├── 9 ────┤
 *   unit  6                       ├── 14 ──
 *   time       4         8         12   15
 */
#include "stress/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { UNITS = KEYSPACE_STRETCH };

#define PAGE ((uint64_t)4096)

struct bench {
    struct keyspace keys;
    struct history history;
};

static int open_history(void **state)
{
    static struct bench bench;
    struct random random;
    random_init(&random, 1, 0);
    *state = &bench;
    if (!keyspace_open(&bench.keys, UNITS, &random) || !history_open(&bench.history, &bench.keys)) {
        return -1;
    }
    history_put(&bench.history, 2, 4, 9, 4);
    history_cut(&bench.history, 2, 4, 8);
    history_put(&bench.history, 2, 3, 11, 8);
    history_put(&bench.history, 6, 6, 14, 12);
    history_cut(&bench.history, 2, 3, 15);
    return 0;
}

static int close_history(void **state)
{
    struct bench *bench = *state;
    history_close(&bench->history);
    keyspace_close(&bench->keys);
    return 0;
}

/* A call that was told of @value from unit @first to @last, or of nothing for value 0. */
static enum verdict judge(void **state, enum read_kind kind, uint64_t key, struct range_entry told,
                          uint64_t before, uint64_t after)
{
    const struct bench *bench = *state;
    struct range_entry entry = {told.first * PAGE, told.last * PAGE + PAGE - 1, told.value};
    struct read read = {.kind = kind,
                        .found = told.value != 0,
                        .key = key,
                        .entry = entry,
                        .before = before,
                        .after = after};
    return history_judge(&bench->history, &read);
}

static const struct range_entry nothing;

static void history_judge_value_is_true_from_begin_to_end(void **state)
{
    struct range_entry nine = {.value = 9};
    assert_int_equal(judge(state, READ_VALUE, 3 * PAGE, nine, 3, 3), VERDICT_UNTRUE);
    assert_int_equal(judge(state, READ_VALUE, 3 * PAGE, nine, 3, 4), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_VALUE, 3 * PAGE, nine, 7, 9), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_VALUE, 3 * PAGE, nine, 8, 9), VERDICT_UNTRUE);
    assert_int_equal(judge(state, READ_VALUE, 5 * PAGE, nine, 5, 5), VERDICT_UNTRUE);
}

/* What one operation replaced was never missing. */
static void history_judge_nothing_needs_gap(void **state)
{
    assert_int_equal(judge(state, READ_VALUE, 3 * PAGE, nothing, 7, 9), VERDICT_PASSED_OVER);
    assert_int_equal(judge(state, READ_VALUE, 4 * PAGE, nothing, 7, 7), VERDICT_PASSED_OVER);
    assert_int_equal(judge(state, READ_VALUE, 4 * PAGE, nothing, 7, 8), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_VALUE, 2 * PAGE, nothing, 3, 9), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_VALUE, 2 * PAGE, nothing, 14, 15), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_VALUE, 1 * PAGE, nothing, 14, 15), VERDICT_TRUE);
}

static void history_judge_load_needs_whole_range(void **state)
{
    struct range_entry whole = {2, 4, 9};
    struct range_entry part = {2, 3, 9};
    struct range_entry next = {2, 3, 11};
    assert_int_equal(judge(state, READ_LOAD, 2 * PAGE + 7, whole, 5, 5), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_LOAD, 2 * PAGE + 7, part, 5, 9), VERDICT_UNTRUE);
    assert_int_equal(judge(state, READ_LOAD, 4 * PAGE, next, 9, 9), VERDICT_UNTRUE);
}

static void history_judge_next_may_pass_what_was_not_always_there(void **state)
{
    struct range_entry six = {6, 6, 14};
    assert_int_equal(judge(state, READ_NEXT, PAGE, six, 12, 12), VERDICT_PASSED_OVER);
    assert_int_equal(judge(state, READ_NEXT, PAGE, six, 12, 15), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_NEXT, PAGE, nothing, 9, 10), VERDICT_PASSED_OVER);
    assert_int_equal(judge(state, READ_NEXT, 4 * PAGE, nothing, 9, 10), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_NEXT, 7 * PAGE, six, 15, 15), VERDICT_UNTRUE);
    assert_int_equal(judge(state, READ_NEXT, 7 * PAGE, nothing, 15, 15), VERDICT_TRUE);
}

static void history_judge_prev_may_pass_what_was_not_always_there(void **state)
{
    struct range_entry two = {2, 4, 9};
    assert_int_equal(judge(state, READ_PREV, UINT64_MAX, two, 4, 4), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_PREV, UINT64_MAX, two, 7, 12), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_PREV, UINT64_MAX, two, 12, 12), VERDICT_UNTRUE);
    assert_int_equal(judge(state, READ_PREV, PAGE, two, 4, 4), VERDICT_UNTRUE);
    assert_int_equal(judge(state, READ_PREV, UINT64_MAX, nothing, 12, 15), VERDICT_PASSED_OVER);
    assert_int_equal(judge(state, READ_PREV, 5 * PAGE, nothing, 12, 15), VERDICT_TRUE);
}

static void history_cut_leaves_what_sticks_out(void **state)
{
    struct bench *bench = *state;
    struct range_entry left = {10, 11, 20};
    struct range_entry right = {15, 19, 20};
    struct range_entry before = {10, 19, 20};
    history_put(&bench->history, 10, 19, 20, 16);
    history_cut(&bench->history, 12, 14, 17);
    assert_int_equal(bench->history.live, 3);
    assert_null(history_now(&bench->history, 12));
    assert_int_equal(history_now(&bench->history, 15)->last, 19);
    assert_int_equal(judge(state, READ_LOAD, 11 * PAGE, left, 17, 17), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_LOAD, 11 * PAGE, before, 17, 17), VERDICT_UNTRUE);
    assert_int_equal(judge(state, READ_NEXT, 12 * PAGE, right, 16, 17), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_VALUE, 19 * PAGE, nothing, 16, 17), VERDICT_PASSED_OVER);
}

static void history_restart_keeps_what_is_there(void **state)
{
    struct bench *bench = *state;
    struct range_entry six = {6, 6, 14};
    history_restart(&bench->history, 15);
    assert_int_equal(bench->history.live, 1);
    assert_int_equal(judge(state, READ_LOAD, 6 * PAGE, six, 15, 15), VERDICT_TRUE);
    assert_int_equal(judge(state, READ_LOAD, 6 * PAGE, nothing, 15, 15), VERDICT_PASSED_OVER);
    assert_int_equal(judge(state, READ_LOAD, 2 * PAGE, nothing, 15, 15), VERDICT_TRUE);
    history_clear(&bench->history, 15);
    assert_null(history_now(&bench->history, 6));
}

static void keyspace_unit_has_its_keys(void **state)
{
    struct keyspace keys;
    struct random random;
    (void)state;
    random_init(&random, 2, 0);
    assert_true(keyspace_open(&keys, 10000, &random));
    assert_int_equal(keyspace_unit(&keys, 0), 0);
    assert_int_equal(keyspace_unit(&keys, UINT64_MAX), 9999);
    for (uint32_t unit = 0; unit < keys.units; unit++) {
        assert_int_equal(keyspace_unit(&keys, keyspace_first(&keys, unit)), unit);
        assert_int_equal(keyspace_unit(&keys, keyspace_last(&keys, unit)), unit);
        assert_int_equal(keyspace_unit(&keys, keyspace_draw(&keys, unit, &random)), unit);
    }
    keyspace_close(&keys);
}

#define ON_HISTORY(name) cmocka_unit_test_setup_teardown(name, open_history, close_history)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_HISTORY(history_judge_value_is_true_from_begin_to_end),
        ON_HISTORY(history_judge_nothing_needs_gap),
        ON_HISTORY(history_judge_load_needs_whole_range),
        ON_HISTORY(history_judge_next_may_pass_what_was_not_always_there),
        ON_HISTORY(history_judge_prev_may_pass_what_was_not_always_there),
        ON_HISTORY(history_cut_leaves_what_sticks_out),
        ON_HISTORY(history_restart_keeps_what_is_there),
        cmocka_unit_test(keyspace_unit_has_its_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
