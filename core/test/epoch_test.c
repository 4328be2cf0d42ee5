/* SPDX-License-Identifier: MIT
 *
 * epoch_test.c: grace periods as one thread sees them.
 */
#include "core/epoch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
    struct epoch epoch;
    struct epoch_queue queue;
    struct epoch_list ended;
    struct epoch_link links[4];
};

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){0};
    epoch_init(&f->epoch);
    epoch_queue_init(&f->queue, &f->epoch);
}

static void poll_without_sections_ends_at_once(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    epoch_poll(&f.queue, &f.ended);
    assert_int_equal(f.ended.count, 0);
    epoch_retire(&f.queue, &f.links[0]);
    epoch_retire(&f.queue, &f.links[1]);
    epoch_poll(&f.queue, &f.ended);
    assert_int_equal(f.ended.count, 2);
}

static void poll_waits_for_a_section_that_was_open(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    struct epoch_slot *section = epoch_enter(&f.epoch, 0);
    epoch_retire(&f.queue, &f.links[0]);
    for (unsigned i = 0; i < 3; i++) {
        epoch_poll(&f.queue, &f.ended);
        assert_int_equal(f.ended.count, 0);
    }
    epoch_exit(section);
    epoch_poll(&f.queue, &f.ended);
    assert_int_equal(f.ended.count, 1);
}

/* A section that begins after the step does not hold up what was unlinked before. */
static void poll_does_not_wait_for_later_sections(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    struct epoch_slot *early = epoch_enter(&f.epoch, 0);
    epoch_retire(&f.queue, &f.links[0]);
    epoch_poll(&f.queue, &f.ended); /* steps */
    struct epoch_slot *late = epoch_enter(&f.epoch, 0);
    epoch_retire(&f.queue, &f.links[1]); /* the late section may see this one */
    epoch_exit(early);
    epoch_poll(&f.queue, &f.ended);
    assert_int_equal(f.ended.count, 1);
    assert_ptr_equal(f.ended.first, &f.links[0]);
    epoch_poll(&f.queue, &f.ended);
    assert_int_equal(f.ended.count, 1);
    epoch_exit(late);
    epoch_poll(&f.queue, &f.ended);
    assert_int_equal(f.ended.count, 2);
}

static void sections_nest_in_slots_of_their_own(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    struct epoch_slot *outer = epoch_enter(&f.epoch, 7);
    struct epoch_slot *inner = epoch_enter(&f.epoch, 7);
    assert_ptr_not_equal(outer, inner);
    epoch_retire(&f.queue, &f.links[0]);
    epoch_exit(inner);
    epoch_poll(&f.queue, &f.ended);
    assert_int_equal(f.ended.count, 0);
    epoch_exit(outer);
    epoch_poll(&f.queue, &f.ended);
    assert_int_equal(f.ended.count, 1);
}

static void all_slots_can_be_taken(void **state)
{
    struct fixture f;
    struct epoch_slot *sections[EPOCH_SLOTS];
    struct epoch_stall stall;
    (void)state;
    open_fixture(&f);
    for (unsigned i = 0; i < EPOCH_SLOTS; i++) {
        sections[i] = epoch_enter(&f.epoch, 5);
    }
    for (unsigned i = 0; i < EPOCH_SLOTS; i++) {
        assert_true(epoch_oldest(&f.epoch, &stall));
        epoch_exit(sections[i]);
    }
    assert_false(epoch_oldest(&f.epoch, &stall));
}

static void synchronise_without_sections_returns(void **state)
{
    struct fixture f;
    struct epoch_stall stall;
    (void)state;
    open_fixture(&f);
    assert_true(epoch_synchronise(&f.epoch, 0, &stall));
}

static void synchronise_reports_the_section_that_stalls(void **state)
{
    struct fixture f;
    struct epoch_stall stall = {0};
    (void)state;
    open_fixture(&f);
    struct epoch_slot *section = epoch_enter(&f.epoch, 9);
    assert_false(epoch_synchronise(&f.epoch, 3, &stall));
    assert_int_equal(stall.slot, 9);
    assert_int_equal(stall.entered, 1);
    assert_int_equal(stall.behind, 1);
    assert_false(epoch_synchronise(&f.epoch, 3, &stall));
    assert_int_equal(stall.behind, 2);
    epoch_exit(section);
    assert_true(epoch_synchronise(&f.epoch, 3, &stall));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poll_without_sections_ends_at_once),
        cmocka_unit_test(poll_waits_for_a_section_that_was_open),
        cmocka_unit_test(poll_does_not_wait_for_later_sections),
        cmocka_unit_test(sections_nest_in_slots_of_their_own),
        cmocka_unit_test(all_slots_can_be_taken),
        cmocka_unit_test(synchronise_without_sections_returns),
        cmocka_unit_test(synchronise_reports_the_section_that_stalls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
