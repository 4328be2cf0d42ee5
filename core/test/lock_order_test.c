/* SPDX-License-Identifier: MIT
 *
 * lock_order_test.c: what the check of the lock order lets pass, and what it reports; and that
 * README.md says what the table does.
 */
#include "core/lock_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_MAX = 256 };

/* A thread that takes locks; each lock is an address of its own. */
struct fixture {
    struct lock_held held;
    struct lock_violation violation;
    char locks[64];
};

static struct lock_name name_of(struct fixture *f, enum lock_class class, uint32_t number)
{
    /* Zones have numbers up to ZONES_MAX; no other class has more than two here. */
    size_t place = class == LOCK_ZONE ? 48 + number : 2 * (size_t) class + number;
    return (struct lock_name){&f->locks[place], class, number};
}

static bool take(struct fixture *f, enum lock_class class, uint32_t number)
{
    return lock_order_take(&f->held, name_of(f, class, number), &f->violation);
}

static bool release(struct fixture *f, enum lock_class class, uint32_t number)
{
    return lock_order_release(&f->held, name_of(f, class, number), &f->violation);
}

/* All that the core holds at once: what retire.c locks, with the records that a free uses up. */
static void lock_order_take_downwards_passes(void **state)
{
    struct fixture f = {0};
    (void)state;
    assert_true(take(&f, LOCK_OWNER, 0));
    assert_true(take(&f, LOCK_DESCRIPTOR, 0));
    assert_true(take(&f, LOCK_CPUS, 0));
    assert_true(take(&f, LOCK_CACHE_BUDDY, 0));
    assert_true(take(&f, LOCK_CACHE_SLAB, 0));
    for (uint32_t zone = 0; zone < ZONES_MAX; zone++) {
        assert_true(take(&f, LOCK_ZONE, zone));
    }
    assert_true(take(&f, LOCK_SPENT, 0));
    assert_int_equal(f.held.count, 6 + ZONES_MAX);
    assert_true(release(&f, LOCK_CPUS, 0));
    assert_true(release(&f, LOCK_ZONE, 3));
    assert_true(release(&f, LOCK_SPENT, 0));
    assert_int_equal(f.held.count, 3 + ZONES_MAX);
}

static void lock_order_take_upwards_is_reported(void **state)
{
    struct fixture f = {0};
    (void)state;
    assert_true(take(&f, LOCK_ZONE, 5));
    assert_false(take(&f, LOCK_CACHE_BUDDY, 0));
    assert_int_equal(f.violation.broken, LOCK_BROKEN_ORDER);
    assert_string_equal(f.violation.first.name, "cache-buddy");
    assert_false(f.violation.first.numbered);
    assert_string_equal(f.violation.held.name, "zone");
    assert_true(f.violation.held.numbered);
    assert_int_equal(f.violation.held.number, 5);
    /* Nothing was noted. */
    assert_int_equal(f.held.count, 1);
    assert_true(take(&f, LOCK_SPENT, 0));
}

static void lock_order_take_of_one_class_ascends(void **state)
{
    struct fixture f = {0};
    (void)state;
    assert_true(take(&f, LOCK_ZONE, 2));
    assert_true(take(&f, LOCK_ZONE, 4));
    assert_false(take(&f, LOCK_ZONE, 3));
    assert_int_equal(f.violation.broken, LOCK_BROKEN_ORDER);
    assert_int_equal(f.violation.first.number, 3);
    assert_int_equal(f.violation.held.number, 4);
    assert_true(take(&f, LOCK_ZONE, 5));
    f.held.count = 0;
    assert_true(take(&f, LOCK_CACHE_SLAB, 0));
    assert_false(take(&f, LOCK_CACHE_SLAB, 1));
}

static void lock_order_take_twice_is_reported(void **state)
{
    struct fixture f = {0};
    (void)state;
    assert_true(take(&f, LOCK_DESCRIPTOR, 0));
    assert_false(take(&f, LOCK_DESCRIPTOR, 0));
    assert_int_equal(f.violation.broken, LOCK_BROKEN_TWICE);
    assert_true(take(&f, LOCK_DESCRIPTOR, 1));
}

static void lock_order_held_knows_who_has_it(void **state)
{
    struct fixture f = {0};
    (void)state;
    assert_true(take(&f, LOCK_ZONE, 2));
    assert_true(lock_order_held(&f.held, name_of(&f, LOCK_ZONE, 2), &f.violation));
    assert_false(lock_order_held(&f.held, name_of(&f, LOCK_ZONE, 3), &f.violation));
    assert_int_equal(f.violation.broken, LOCK_BROKEN_HELD);
    assert_int_equal(f.violation.first.number, 3);
    assert_int_equal(f.violation.held.number, 2);
    assert_true(release(&f, LOCK_ZONE, 2));
    assert_false(lock_order_held(&f.held, name_of(&f, LOCK_ZONE, 2), &f.violation));
    assert_string_equal(f.violation.held.name, "nothing");
}

/* With none of the core's, before or behind it, but with owners' own. */
static void lock_order_take_alone_has_no_company(void **state)
{
    (void)state;
    for (unsigned class = 0; class < LOCK_CLASSES; class ++) {
        if (lock_class_rule(class) != LOCK_ALONE) {
            continue;
        }
        struct fixture f = {0};
        assert_true(take(&f, LOCK_OWNER, 0));
        assert_true(take(&f, class, 0));
        for (unsigned other = 0; other < LOCK_CLASSES; other++) {
            struct fixture behind = {0};
            bool owners = lock_class_rule(other) == LOCK_OUTSIDE;
            if (lock_class_rule(other) == LOCK_WITHIN) {
                continue;
            }
            assert_false(take(&f, other, 1));
            assert_true(take(&behind, other, 1));
            assert_int_equal(take(&behind, class, 0), owners);
        }
        assert_true(release(&f, class, 0));
    }
}

/* Inside a CPU's lists, but with no other lock of the core's, and none is taken behind it. */
static void lock_order_take_within_has_lists_around_it(void **state)
{
    (void)state;
    for (unsigned other = 0; other < LOCK_CLASSES; other++) {
        struct fixture f = {0};
        bool owners = lock_class_rule(other) == LOCK_OUTSIDE;
        assert_true(take(&f, other, 1));
        assert_int_equal(take(&f, LOCK_DEPOT, 0), owners || other == LOCK_CPU_LISTS);
        struct fixture behind = {0};
        assert_true(take(&behind, LOCK_CPU_LISTS, 0));
        assert_true(take(&behind, LOCK_DEPOT, 0));
        assert_false(take(&behind, other, 1));
    }
}

static void lock_order_release_of_what_is_not_held_is_reported(void **state)
{
    struct fixture f = {0};
    (void)state;
    assert_false(release(&f, LOCK_ZONE, 0));
    assert_int_equal(f.violation.broken, LOCK_BROKEN_RELEASE);
    assert_string_equal(f.violation.held.name, "nothing");
    assert_true(take(&f, LOCK_ZONE, 0));
    assert_false(release(&f, LOCK_ZONE, 1));
    assert_string_equal(f.violation.held.name, "zone");
    assert_true(release(&f, LOCK_ZONE, 0));
    assert_false(release(&f, LOCK_ZONE, 0));
}

static void lock_order_call_with_a_lock_is_reported(void **state)
{
    struct fixture f = {0};
    (void)state;
    assert_true(lock_order_call(&f.held, "port.accept", &f.violation));
    assert_true(take(&f, LOCK_OWNER, 0));
    assert_true(lock_order_call(&f.held, "port.accept", &f.violation));
    assert_true(take(&f, LOCK_ZONE, 7));
    assert_false(lock_order_call(&f.held, "port.accept", &f.violation));
    assert_int_equal(f.violation.broken, LOCK_BROKEN_CALL);
    assert_string_equal(f.violation.first.name, "port.accept");
    assert_int_equal(f.violation.held.number, 7);
}

/* Owners may hold more of their own than there is room for. */
static void lock_order_take_of_many_owners_leaves_room(void **state)
{
    struct fixture f = {0};
    char own[4 * LOCKS_HELD_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof(own); i++) {
        struct lock_name name = {&own[i], LOCK_OWNER, 0};
        assert_true(lock_order_take(&f.held, name, &f.violation));
    }
    lock_order_take_downwards_passes(state);
    assert_true(take(&f, LOCK_ZONE, 0));
    assert_false(take(&f, LOCK_CPUS, 0));
    for (size_t i = 0; i < sizeof(own); i++) {
        struct lock_name name = {&own[i], LOCK_OWNER, 0};
        assert_true(lock_order_release(&f.held, name, &f.violation));
    }
    assert_int_equal(f.held.count, 1);
}

/* The rows of the table "Lock order" are LOCK_CLASS_TABLE, line by line. */
static void lock_order_readme_has_the_table(void **state)
{
    char line[TEXT_MAX];
    char wanted[TEXT_MAX];
    unsigned class = 0;
    FILE *readme = fopen(POTAD_CORE_README, "r");
    (void)state;
    assert_non_null(readme);
    do {
        assert_non_null(fgets(line, sizeof(line), readme));
    } while (strcmp(line, "| lock | how many at once | what it is of |\n") != 0);
    assert_non_null(fgets(line, sizeof(line), readme));
    while (fgets(line, sizeof(line), readme) != NULL && line[0] == '|') {
        assert_true(class < LOCK_CLASSES);
        (void)snprintf(wanted, sizeof(wanted), "| %s | %s | %s |\n", lock_class_name(class),
                       lock_rule_words(lock_class_rule(class)), lock_class_what(class));
        assert_string_equal(line, wanted);
        class ++;
    }
    assert_int_equal(class, LOCK_CLASSES);
    assert_int_equal(fclose(readme), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lock_order_take_downwards_passes),
        cmocka_unit_test(lock_order_take_upwards_is_reported),
        cmocka_unit_test(lock_order_take_of_one_class_ascends),
        cmocka_unit_test(lock_order_take_twice_is_reported),
        cmocka_unit_test(lock_order_held_knows_who_has_it),
        cmocka_unit_test(lock_order_take_alone_has_no_company),
        cmocka_unit_test(lock_order_take_within_has_lists_around_it),
        cmocka_unit_test(lock_order_release_of_what_is_not_held_is_reported),
        cmocka_unit_test(lock_order_call_with_a_lock_is_reported),
        cmocka_unit_test(lock_order_take_of_many_owners_leaves_room),
        cmocka_unit_test(lock_order_readme_has_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
