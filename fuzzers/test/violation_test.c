/* SPDX-License-Identifier: MIT
 *
 * violation_test.c: what a subject's validation found, in words.
 */
#include "fuzzers/violation.h"

#include "fuzzers/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void text_names_place_and_values(void **state)
{
    char text[VIOLATION_TEXT_MAX];
    const struct violation at_a_frame = {INVARIANT_HEAD_WORD, 0x21, 1, 0};
    const struct violation of_all = {INVARIANT_DESC_COUNT, PFN_NONE, 10, 8};
    const struct violation longest = {INVARIANT_COVER, PFN_NONE - 1, UINT64_MAX, UINT64_MAX};
    (void)state;
    violation_text(text, "", "frame", &at_a_frame);
    assert_string_equal(text, "frame 0x21: 0, expected 0x1");
    violation_text(text, "", "frame", &of_all);
    assert_string_equal(text, "in all: 0x8, expected 0xa");
    violation_text(text, "space 1", "unit", &of_all);
    assert_string_equal(text, "space 1, in all: 0x8, expected 0xa");
    violation_text(text, "space 1", "unit", &at_a_frame);
    assert_string_equal(text, "space 1, unit 0x21: 0, expected 0x1");
    violation_text(text, "", "key", &longest);
    assert_string_equal(text, "key 0xfffffffffffffffe: 0xffffffffffffffff, "
                              "expected 0xffffffffffffffff");
}

static void sentence_is_that_of_the_invariant(void **state)
{
    const struct violation core = {.invariant = INVARIANT_ZONE_BORDER};
    const struct violation own = {.invariant = INVARIANT_NONE};
    (void)state;
    assert_string_equal(violation_sentence(&core), "no block reaches over its zone's border");
    assert_string_equal(violation_sentence(&own), "the subject's own validation found it");
}

static void each_check_and_invariant_has_a_sentence(void **state)
{
    (void)state;
    for (int i = INVARIANT_NONE + 1; i < INVARIANTS; i++) {
        assert_non_null(check_sentence_of(invariant_name((enum invariant)i)));
    }
    for (int i = 0; i < CHECKS; i++) {
        assert_string_equal(check_sentence_of(check_name((enum check)i)),
                            check_sentence((enum check)i));
    }
    assert_null(check_sentence_of("none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_names_place_and_values),
        cmocka_unit_test(sentence_is_that_of_the_invariant),
        cmocka_unit_test(each_check_and_invariant_has_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
