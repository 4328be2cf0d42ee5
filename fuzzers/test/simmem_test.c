/* SPDX-License-Identifier: MIT */
#include "fuzzers/simmem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 8 };

static unsigned char *frame(const struct simmem *mem, pfn_t pfn)
{
    return simmem_direct_map(mem) + (pfn << FRAME_SHIFT);
}

static void assert_all(const unsigned char *bytes, unsigned char byte)
{
    for (uint64_t i = 0; i < FRAME_SIZE; i++) {
        assert_int_equal(bytes[i], byte);
    }
}

/* What a frame holds that need not be zeroed is the same whatever was in it: nothing of an earlier
 * case, or a case that reads it would fail in one process and pass in another. */
static void simmem_expose_forgets(void **state)
{
    const struct boot_map map = {.ranges_count = 1, .ranges = {{.frames = FRAMES}}};
    struct simmem mem;
    (void)state;
    assert_true(simmem_open(&mem, &map));
    simmem_expose(&mem, 2, 1, false);
    unsigned char stale = frame(&mem, 2)[0];
    assert_int_not_equal(stale, 0);
    assert_all(frame(&mem, 2), stale);
    memset(frame(&mem, 2), 7, FRAME_SIZE);
    simmem_conceal(&mem, 2, 1);
    simmem_expose(&mem, 2, 1, false);
    assert_all(frame(&mem, 2), stale);
    simmem_conceal(&mem, 2, 1);
    simmem_expose(&mem, 1, 3, true);
    assert_all(frame(&mem, 1), 0);
    assert_all(frame(&mem, 2), 0);
    simmem_close(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(simmem_expose_forgets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
