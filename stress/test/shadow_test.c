/* SPDX-License-Identifier: MIT
 *
 * shadow_test.c: the table of owners. All cases are on this map:
 *
 *   frame    100      150      160      200        220
 *             | zone 0 |  hole  | zone 0 | unaccepted |
 */
#include "stress/shadow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct boot_map map = {
    .zones_count = 1,
    .ranges_count = 3,
    .zones = {{.zone_class = ZONE_NORMAL}},
    .ranges = {{.start = 100, .frames = 50},
               {.start = 160, .frames = 40},
               {.start = 200, .frames = 20, .unaccepted = true}},
};

static const cookie_t cookie_a = ((cookie_t)1 << COOKIE_SERIAL_BITS) | 7;
static const cookie_t cookie_b = ((cookie_t)2 << COOKIE_SERIAL_BITS) | 7;

static int open_table(void **state)
{
    static struct shadow shadow;
    *state = &shadow;
    return shadow_open(&shadow, &map) ? 0 : -1;
}

static int close_table(void **state)
{
    shadow_close(*state);
    return 0;
}

static void shadow_claim_gives_free_frames(void **state)
{
    struct shadow *shadow = *state;
    struct shadow_conflict conflict;
    assert_true(shadow_claim(shadow, 104, 4, cookie_a, &conflict));
    assert_int_equal(shadow_owner(shadow, 103), COOKIE_FREE);
    assert_int_equal(shadow_owner(shadow, 104), cookie_a);
    assert_int_equal(shadow_owner(shadow, 107), cookie_a);
    assert_int_equal(shadow_owner(shadow, 108), COOKIE_FREE);
}

static void shadow_claim_names_first_owned_frame(void **state)
{
    struct shadow *shadow = *state;
    struct shadow_conflict conflict;
    assert_true(shadow_claim(shadow, 106, 2, cookie_a, &conflict));
    assert_false(shadow_claim(shadow, 104, 8, cookie_b, &conflict));
    assert_int_equal(conflict.pfn, 106);
    assert_int_equal(conflict.cookie, cookie_a);
    assert_int_equal(shadow_owner(shadow, 106), cookie_a);
}

/* Neither a hole nor what lies around the map can be given out. */
static void shadow_claim_finds_no_memory_in_hole(void **state)
{
    struct shadow *shadow = *state;
    struct shadow_conflict conflict;
    assert_false(shadow_claim(shadow, 148, 4, cookie_a, &conflict));
    assert_int_equal(conflict.pfn, 150);
    assert_int_equal(conflict.cookie, COOKIE_HOLE);
    assert_false(shadow_claim(shadow, 99, 1, cookie_a, &conflict));
    assert_int_equal(conflict.pfn, 99);
    assert_false(shadow_claim(shadow, 220, 1, cookie_a, &conflict));
    assert_int_equal(conflict.cookie, COOKIE_HOLE);
}

static void shadow_release_frees_own_frames(void **state)
{
    struct shadow *shadow = *state;
    struct shadow_conflict conflict;
    assert_true(shadow_claim(shadow, 160, 8, cookie_a, &conflict));
    assert_true(shadow_release(shadow, 160, 8, cookie_a, &conflict));
    assert_int_equal(shadow_owner(shadow, 160), COOKIE_FREE);
    assert_true(shadow_claim(shadow, 160, 8, cookie_b, &conflict));
}

static void shadow_release_leaves_frames_of_others(void **state)
{
    struct shadow *shadow = *state;
    struct shadow_conflict conflict;
    assert_true(shadow_claim(shadow, 160, 4, cookie_a, &conflict));
    assert_true(shadow_claim(shadow, 164, 4, cookie_b, &conflict));
    assert_false(shadow_release(shadow, 160, 8, cookie_a, &conflict));
    assert_int_equal(conflict.pfn, 164);
    assert_int_equal(conflict.cookie, cookie_b);
    assert_int_equal(shadow_owner(shadow, 164), cookie_b);
}

/* A second free of the same block finds that nobody owns it. */
static void shadow_release_twice_is_conflict(void **state)
{
    struct shadow *shadow = *state;
    struct shadow_conflict conflict;
    assert_true(shadow_claim(shadow, 160, 4, cookie_a, &conflict));
    assert_true(shadow_release(shadow, 160, 4, cookie_a, &conflict));
    assert_false(shadow_release(shadow, 160, 4, cookie_a, &conflict));
    assert_int_equal(conflict.cookie, COOKIE_FREE);
}

static void shadow_accept_happens_once(void **state)
{
    struct shadow *shadow = *state;
    assert_true(shadow_is_accepted(shadow, 160, 40));
    assert_false(shadow_is_accepted(shadow, 199, 2));
    assert_true(shadow_accept(shadow, 200, 4));
    assert_true(shadow_is_accepted(shadow, 199, 5));
    assert_false(shadow_accept(shadow, 203, 2));
    assert_false(shadow_accept(shadow, 100, 1));
}

static void shadow_reset_makes_all_as_at_first(void **state)
{
    struct shadow *shadow = *state;
    struct shadow_conflict conflict;
    assert_true(shadow_claim(shadow, 200, 20, cookie_a, &conflict));
    assert_true(shadow_accept(shadow, 200, 20));
    shadow_reset(shadow, &map);
    assert_int_equal(shadow_owner(shadow, 200), COOKIE_FREE);
    assert_int_equal(shadow_owner(shadow, 155), COOKIE_HOLE);
    assert_false(shadow_is_accepted(shadow, 200, 1));
}

static void cookie_make_differs_by_thread_and_serial(void **state)
{
    (void)state;
    assert_int_equal(cookie_make(0, 7), cookie_a);
    assert_int_equal(cookie_make(1, 7), cookie_b);
    assert_int_not_equal(cookie_make(0, 8), cookie_a);
    assert_true(cookie_is_thread(cookie_make(0, 0)));
    assert_false(cookie_is_thread(COOKIE_FREE));
    assert_false(cookie_is_thread(COOKIE_SUBJECT));
    assert_false(cookie_is_thread(COOKIE_HOLE));
}

static void cookie_describe_names_owner(void **state)
{
    (void)state;
    char text[COOKIE_TEXT_MAX];
    assert_string_equal(cookie_describe(cookie_make(3, 12), text), "thread 3 (item 12)");
    assert_string_equal(cookie_describe(COOKIE_FREE, text), "nobody");
    assert_string_equal(cookie_describe(COOKIE_SUBJECT, text), "the subject's metadata");
    assert_string_equal(cookie_describe(COOKIE_HOLE, text), "no memory");
}

/* Frames of a zone that comes later are nobody's to have until it comes, and from when it goes. */
static void shadow_keeps_absent_zones_apart(void **state)
{
    const struct boot_map later = {
        .zones_count = 2,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.later = true}},
        .ranges = {{.start = 100, .frames = 50},
                   {.start = 150, .frames = 10, .zone = 1, .unaccepted = true}},
    };
    struct shadow shadow;
    struct shadow_conflict conflict;
    (void)state;
    assert_true(shadow_open(&shadow, &later));
    assert_false(shadow_claim(&shadow, 149, 2, cookie_a, &conflict));
    assert_int_equal(conflict.pfn, 150);
    assert_int_equal(conflict.cookie, COOKIE_ABSENT);
    assert_true(shadow_arrive(&shadow, 150, 10, &conflict));
    assert_true(shadow_claim(&shadow, 150, 1, cookie_a, &conflict));
    assert_true(shadow_accept(&shadow, 150, 1));
    assert_true(shadow_release(&shadow, 150, 1, cookie_a, &conflict));
    assert_true(shadow_leave(&shadow, 150, 10, &conflict));
    shadow_forget(&shadow, 150, 10);
    assert_false(shadow_is_accepted(&shadow, 150, 1));
    assert_false(shadow_leave(&shadow, 150, 10, &conflict));
    shadow_close(&shadow);
}

/* What failed before is known until it is mended, or the table is reset. */
static void shadow_notes_failures(void **state)
{
    struct shadow *shadow = *state;
    shadow_set_failed(shadow, 104, 3);
    assert_int_equal(shadow_failed(shadow, 104), 3);
    assert_int_equal(shadow_failed(shadow, 105), 0);
    shadow_reset(shadow, &map);
    assert_int_equal(shadow_failed(shadow, 104), 0);
}

#define ON_TABLE(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TABLE(shadow_claim_gives_free_frames),
        ON_TABLE(shadow_claim_names_first_owned_frame),
        ON_TABLE(shadow_claim_finds_no_memory_in_hole),
        ON_TABLE(shadow_release_frees_own_frames),
        ON_TABLE(shadow_release_leaves_frames_of_others),
        ON_TABLE(shadow_release_twice_is_conflict),
        ON_TABLE(shadow_accept_happens_once),
        ON_TABLE(shadow_reset_makes_all_as_at_first),
        ON_TABLE(shadow_notes_failures),
        cmocka_unit_test(shadow_keeps_absent_zones_apart),
        cmocka_unit_test(cookie_make_differs_by_thread_and_serial),
        cmocka_unit_test(cookie_describe_names_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
