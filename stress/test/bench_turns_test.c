/* SPDX-License-Identifier: MIT */
#include "stress/bench_turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void best_keeps_fastest(void **state)
{
    double best = 0;
    (void)state;
    bench_best_note(&best, 20);
    bench_best_note(&best, 10);
    bench_best_note(&best, 15);
    assert_true(best == 10);
}

/* Half of the time alone, two threads are faster than they are. */
static void median_is_of_turns_that_count(void **state)
{
    static const double ns[] = {30, 50, 40, 20, 60};
    static struct bench_turns turns;
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        bench_turns_note(&turns, 5, 0.5);
    }
    assert_false(bench_turns_count(&turns));
    assert_true(bench_turns_median(&turns) == 5);
    for (unsigned i = 0; i < 5; i++) {
        bench_turns_note(&turns, ns[i], 1);
    }
    assert_true(bench_turns_count(&turns));
    assert_true(bench_turns_median(&turns) == 40);
}

static void turns_end_where_there_is_no_room(void **state)
{
    static struct bench_turns turns;
    (void)state;
    for (unsigned i = 0; i < 2 * BENCH_TURNS_MAX; i++) {
        bench_turns_note(&turns, 5, 0.5);
        bench_turns_note(&turns, 7, 1);
    }
    assert_int_equal(turns.count, BENCH_TURNS_MAX);
    assert_true(bench_turns_median(&turns) == 7);
}

static void draw_is_of_different_numbers(void **state)
{
    enum { COUNT = 100, BATCH = 64, ROUNDS = 50 };
    uint32_t numbers[COUNT];
    uint64_t random = 1;
    uint64_t drawn_ever = 0;
    bool ever[COUNT] = {false};
    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        numbers[i] = i;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t drawn[BATCH];
        bool seen[COUNT] = {false};
        bench_draw(numbers, COUNT, drawn, BATCH, &random);
        for (unsigned i = 0; i < BATCH; i++) {
            assert_in_range(drawn[i], 0, COUNT - 1);
            assert_false(seen[drawn[i]]);
            seen[drawn[i]] = true;
            drawn_ever += ever[drawn[i]] ? 0 : 1;
            ever[drawn[i]] = true;
        }
    }
    assert_int_equal(drawn_ever, COUNT);
}

static void shuffle_keeps_all(void **state)
{
    enum { COUNT = 257 };
    static char places[COUNT];
    void *blocks[COUNT];
    bool seen[COUNT] = {false};
    uint64_t random = 1;
    unsigned moved = 0;
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        blocks[i] = &places[i];
    }
    bench_shuffle(blocks, COUNT, &random);
    for (unsigned i = 0; i < COUNT; i++) {
        size_t place = (size_t)((char *)blocks[i] - places);
        assert_false(seen[place]);
        seen[place] = true;
        moved += place != i ? 1 : 0;
    }
    assert_in_range(moved, COUNT / 2, COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_keeps_fastest),
        cmocka_unit_test(median_is_of_turns_that_count),
        cmocka_unit_test(turns_end_where_there_is_no_room),
        cmocka_unit_test(draw_is_of_different_numbers),
        cmocka_unit_test(shuffle_keeps_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
