/* SPDX-License-Identifier: MIT
 *
 * disturb_test.c: where a thread that is to be disturbed rests, and where it stalls.
 */
#include "stress/disturb.h"

#include "core/cpu_cache.h"
#include "core/epoch.h"
#include "core/sync_explored.h"
#include "stress/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { VISITS = 100000, RARE_ONE_IN = 1000 };

static struct disturber disturber;
static const struct sync_place often = {.function = "often", .kind = SYNC_STORE};
static const struct sync_place seldom = {.function = "seldom", .kind = SYNC_STORE};

static uint64_t count_of(enum disturbance disturbance)
{
    return relaxed_load(&disturber.counts[disturbance]);
}

/* Comes to @place, as if it had rested long ago. Return: whether it is delayed there. */
static bool delayed_at(const struct sync_place *place)
{
    uint64_t before = count_of(DISTURB_DELAY);
    disturber.rest_from = 0;
    disturber_step(&disturber, place);
    return count_of(DISTURB_DELAY) != before;
}

static void disturb_write_is_read_again(void **state)
{
    (void)state;
    char text[DISTURB_TEXT_MAX];
    char error[DISTURB_ERROR_MAX];
    for (uint32_t asked = 1; asked < 1 << DISTURBANCES; asked++) {
        struct disturb_list list;
        disturb_write(asked, text);
        assert_true(disturb_parse(text, &list, error));
        assert_int_equal(list.asked, asked);
        assert_false(list.all);
    }
}

static void delay_prefers_places_seldom_met(void **state)
{
    (void)state;
    uint64_t delays_often = 0;
    uint64_t delays_seldom = 0;
    disturber_init(&disturber, 1 << DISTURB_DELAY, 1, 0);
    for (unsigned visit = 1; visit <= VISITS; visit++) {
        delays_often += delayed_at(&often) ? 1 : 0;
        if (visit % RARE_ONE_IN == 0) {
            delays_seldom += delayed_at(&seldom) ? 1 : 0;
        }
    }
    assert_true(delays_seldom > 0);
    assert_true(delays_often > 0);
    /* By visit, at least ten times as often. */
    assert_true(delays_seldom * RARE_ONE_IN > 10 * delays_often);
}

/* However many places are due, the thread gets on with its work. */
static void delay_leaves_time_to_work(void **state)
{
    (void)state;
    double start = clock_seconds();
    disturber_init(&disturber, 1 << DISTURB_DELAY, 1, 0);
    delayed_at(&often);
    disturber.rest_from = start + 3600;
    for (unsigned visit = 0; visit < VISITS; visit++) {
        disturber_step(&disturber, &often);
    }
    assert_true(count_of(DISTURB_DELAY) <= 1);
}

static void stutter_ends_with_its_operation(void **state)
{
    (void)state;
    disturber_init(&disturber, 1 << DISTURB_STUTTER, 1, 0);
    while (disturber.burst == 0) {
        disturber.rest_from = 0;
        disturber_step(&disturber, &often);
    }
    assert_int_equal(count_of(DISTURB_STUTTER), 0); /* one rest is none */
    disturber_step(&disturber, &seldom);
    assert_int_equal(count_of(DISTURB_STUTTER), 1);
    disturber_next(&disturber);
    assert_int_equal(disturber.burst, 0);
}

/* The core's own section, through its own code: renamed, and it would not be known any more. */
static void stall_is_inside_a_section(void **state)
{
    (void)state;
    static struct epoch epoch;
    static atomic_word_t word;
    epoch_init(&epoch);
    disturber_init(&disturber, 1 << DISTURB_STALL, 1, 0);
    disturber_current = &disturber;
    for (unsigned visit = 0; visit < 2048; visit++) {
        disturber.stall_in = 1;
        disturber.stall_from = 0;
        (void)atomic_word_peek(&word);
    }
    assert_int_equal(count_of(DISTURB_STALL), 0);
    struct epoch_slot *section = epoch_enter(&epoch, 0);
    disturber.stall_in = 1;
    disturber.stall_from = 0;
    uint64_t before = count_of(DISTURB_STALL);
    (void)atomic_word_peek(&word);
    assert_int_equal(count_of(DISTURB_STALL), before + 1);
    epoch_exit(section);
    before = count_of(DISTURB_STALL);
    disturber.stall_in = 1;
    disturber.stall_from = 0;
    (void)atomic_word_peek(&word);
    disturber_current = NULL;
    assert_int_equal(count_of(DISTURB_STALL), before);
}

static uint32_t enter_cpu(void *context)
{
    (void)context;
    return 0;
}

static void stall_is_inside_the_lists_of_a_cpu(void **state)
{
    (void)state;
    static struct potad potad;
    static struct cpu_cache lists;
    uint32_t cpu = 0;
    potad.port.cpu_enter = enter_cpu;
    atomic_word_poke(&potad.cpu_slots[0].cache, (uint64_t)(uintptr_t)&lists);
    disturber_init(&disturber, 1 << DISTURB_STALL, 1, 0);
    disturber.stall_in = 1;
    disturber_current = &disturber;
    struct cpu_cache *cache = cpu_cache_enter(&potad, &cpu);
    disturber_current = NULL;
    assert_ptr_equal(cache, &lists);
    assert_int_equal(count_of(DISTURB_STALL), 1);
    cpu_cache_leave(&potad, cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disturb_write_is_read_again),
        cmocka_unit_test(delay_prefers_places_seldom_met),
        cmocka_unit_test(delay_leaves_time_to_work),
        cmocka_unit_test(stutter_ends_with_its_operation),
        cmocka_unit_test(stall_is_inside_a_section),
        cmocka_unit_test(stall_is_inside_the_lists_of_a_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
