/* SPDX-License-Identifier: MIT
 *
 * strategy_bytes_test.c: what bytes say of a schedule. Two or three threads add to a counter, in
 * two operations of two steps each:
 *
 *   load, store | load, store     a lost update, if another thread stores in between
 */
#include "stress/explore/explorer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS_MAX = 64, RANDOM_RUNS = 2000, RANDOM_BYTES_MAX = 40, PICKS = 6, PICK_OF = 5 };

/* A byte of the front. */
#define GO_ON(whom, length) ((uint8_t)((whom) << 6 | (length)))
#define OPS(count)          (47 + (count))
/* A byte of the back. */
#define PICK(usual, value) ((uint8_t)((usual) << 4 | (value)))

struct scene {
    struct explorer explorer;
    struct schedule schedule;
    struct explore_log log;
    struct explored_step steps[STEPS_MAX];
    atomic_word_t counter;
    spinlock_t lock;
    unsigned picks[PICKS];
};

static struct scene scene;

static int scene_open(void **state)
{
    (void)state;
    scene.log = (struct explore_log){.steps = scene.steps, .capacity = STEPS_MAX};
    return explorer_open(&scene.explorer, &scene.schedule) ? 0 : -1;
}

static int scene_close(void **state)
{
    (void)state;
    explorer_close(&scene.explorer);
    return 0;
}

static void add_twice(void *context, unsigned thread)
{
    (void)context;
    for (unsigned i = 1; i <= 2; i++) {
        explorer_begin_op(&scene.explorer, 2 * thread + i);
        atomic_word_release(&scene.counter, atomic_word_acquire(&scene.counter) + 1);
    }
}

/* Adds under a lock; thread 0 first waits until another one has. */
static void add_locked(void *context, unsigned thread)
{
    (void)context;
    explorer_begin_op(&scene.explorer, thread + 1);
    while (thread == 0 && atomic_word_acquire(&scene.counter) == 0) {
        explorer_relax(&scene.explorer);
    }
    for (unsigned i = 0; i < 2; i++) {
        spinlock_lock(&scene.lock);
        atomic_word_release(&scene.counter, atomic_word_acquire(&scene.counter) + 1);
        spinlock_unlock(&scene.lock);
    }
}

static void pick_all(void *context, unsigned thread)
{
    (void)context;
    for (unsigned i = 0; thread == 0 && i < PICKS; i++) {
        scene.picks[i] = explorer_pick(&scene.explorer, PICK_OF);
    }
}

/* Return: whether all threads ended. */
static bool run(void (*body)(void *context, unsigned thread), unsigned threads, const uint8_t *data,
                size_t size)
{
    struct strategy *strategy = strategy_bytes(data, size);
    assert_non_null(strategy);
    (atomic_word_poke)(&scene.counter, 0);
    scene.explorer.log = &scene.log;
    explorer_forget(&scene.explorer);
    bool good = explorer_run(&scene.explorer, threads, body, NULL, strategy);
    strategy_close(strategy);
    return good;
}

/* Runs add_twice(). Return: the threads of all steps, in their order. */
static const char *order_of(unsigned threads, const uint8_t *data, size_t size)
{
    static char text[STEPS_MAX + 1];
    assert_true(run(add_twice, threads, data, size));
    for (uint32_t i = 0; i < scene.log.count; i++) {
        text[i] = (char)('1' + scene.log.steps[i].thread);
    }
    text[scene.log.count] = '\0';
    return text;
}

#define ORDER_OF(threads, ...)                                                                     \
    order_of(threads, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void strategy_bytes_without_any_interrupts_nobody(void **state)
{
    (void)state;
    assert_string_equal(order_of(3, NULL, 0), "111122223333");
    assert_int_equal((atomic_word_peek)(&scene.counter), 6);
}

static void strategy_bytes_count_choices_and_name_who_is_next(void **state)
{
    (void)state;
    assert_string_equal(ORDER_OF(2, GO_ON(1, 1)), "12222111");
    assert_int_equal((atomic_word_peek)(&scene.counter), 2); /* a lost update, and one more */
    assert_string_equal(ORDER_OF(3, GO_ON(2, 2), GO_ON(1, 2)), "113311222233");
}

static void strategy_bytes_begin_with_whom_they_say(void **state)
{
    (void)state;
    assert_string_equal(ORDER_OF(3, GO_ON(2, 0)), "333311112222");
    assert_string_equal(ORDER_OF(2, GO_ON(1, 0), GO_ON(1, 0), GO_ON(1, 0)), "22221111");
    assert_string_equal(ORDER_OF(2, GO_ON(0, 1), GO_ON(1, 1)), "11222211");
}

static void strategy_bytes_count_operations(void **state)
{
    (void)state;
    assert_string_equal(ORDER_OF(2, GO_ON(1, OPS(1))), "11222211");
    assert_string_equal(ORDER_OF(2, GO_ON(1, OPS(1)), GO_ON(1, 1)), "11211222");
}

static void strategy_bytes_pick_from_the_back(void **state)
{
    static const unsigned expected[PICKS] = {0, 0, 3, 2, 0, 0};
    static const uint8_t data[] = {PICK(0, 7), PICK(2, 3)};
    (void)state;
    assert_true(run(pick_all, 2, data, sizeof(data)));
    assert_memory_equal(scene.picks, expected, sizeof(expected));
}

/* Any bytes have all threads end, and the same bytes do the same again. */
static void strategy_bytes_of_any_kind_end(void **state)
{
    struct random random;
    uint8_t data[RANDOM_BYTES_MAX];
    uint64_t orders = 0;
    uint64_t before = 0;
    (void)state;
    random_init(&random, 1, 0);
    for (unsigned i = 0; i < RANDOM_RUNS; i++) {
        size_t size = random_below(&random, sizeof(data) + 1);
        for (size_t j = 0; j < size; j++) {
            /* Half of them are of short runs, of which many come to be. */
            data[j] = (uint8_t)random_next(&random) & (i % 2 == 0 ? UINT8_MAX : GO_ON(3, 7));
        }
        assert_true(run(add_locked, 4, data, size));
        assert_int_equal((atomic_word_peek)(&scene.counter), 8);
        uint64_t hash = scene.explorer.hash;
        assert_true(run(add_locked, 4, data, size));
        assert_true(scene.explorer.hash == hash);
        orders += hash != before ? 1 : 0;
        before = hash;
    }
    assert_true(orders > RANDOM_RUNS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strategy_bytes_without_any_interrupts_nobody),
        cmocka_unit_test(strategy_bytes_count_choices_and_name_who_is_next),
        cmocka_unit_test(strategy_bytes_begin_with_whom_they_say),
        cmocka_unit_test(strategy_bytes_count_operations),
        cmocka_unit_test(strategy_bytes_pick_from_the_back),
        cmocka_unit_test(strategy_bytes_of_any_kind_end),
    };
    return cmocka_run_group_tests(tests, scene_open, scene_close);
}
