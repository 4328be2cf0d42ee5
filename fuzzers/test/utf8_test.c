/* SPDX-License-Identifier: MIT
 *
 * utf8_test.c: what is no UTF-8 is replaced, byte by byte, and all else is left as it is.
 */
#include "fuzzers/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define BAD "\xef\xbf\xbd"

static void assert_valid(const char *text, const char *expected)
{
    char *valid = utf8_valid(text);
    assert_non_null(valid);
    assert_string_equal(valid, expected);
    free(valid);
}

static void utf8_valid_leaves_what_is_valid(void **state)
{
    static const char *const texts[] = {"",
                                        "crash-1",
                                        "\x7f",
                                        "\xc2\x80\xdf\xbf",
                                        "\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf",
                                        "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"};
    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_valid(texts[i], texts[i]);
    }
}

static void utf8_valid_replaces_what_is_not(void **state)
{
    (void)state;
    assert_valid("a\xff-b", "a" BAD "-b");
    assert_valid("\x80\xbf", BAD BAD);
    assert_valid("\xc3", BAD);                         /* cut off */
    assert_valid("\xe2\x82", BAD BAD);                 /* as well */
    assert_valid("\xf0\x9f\x98x", BAD BAD BAD "x");    /* as well */
    assert_valid("\xc0\xaf", BAD BAD);                 /* too long for what it says */
    assert_valid("\xe0\x9f\xbf", BAD BAD BAD);         /* as well */
    assert_valid("\xf0\x8f\xbf\xbf", BAD BAD BAD BAD); /* as well */
    assert_valid("\xed\xa0\x80", BAD BAD BAD);         /* a surrogate */
    assert_valid("\xf4\x90\x80\x80", BAD BAD BAD BAD); /* above the last one */
    assert_valid("\xf5\xc3\xa4", BAD "\xc3\xa4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_valid_leaves_what_is_valid),
        cmocka_unit_test(utf8_valid_replaces_what_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
