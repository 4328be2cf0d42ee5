/* SPDX-License-Identifier: MIT
 *
 * page_lines_test.c: requirement B1: an allocation and a free of one frame touch few cache lines,
 * and always as many. The bounds are what they take today: a change that adds a line shows here.
 */
#include "stress/bench_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ALLOC_LINES = 13, FREE_LINES = 12, ROUNDS = 64, OTHERS = 4096 };

/* With free frames of order 0 at hand: of what is freed, no frame's buddy is free. */
static void b1_alloc_and_free_touch_few_lines(void **state)
{
    (void)state;
    const struct bench_page_traced *traced = bench_page_traced();
    struct bench_memory memory;
    struct subject_block blocks[OTHERS];
    if (traced == NULL) {
        skip();
    }
    bench_memory_open(&memory, traced->peers[PEER_TABLE]);
    for (unsigned i = 0; i < OTHERS; i++) {
        bench_memory_take(&memory, 0, &blocks[i]);
    }
    for (unsigned i = 0; i < OTHERS; i += 2) {
        bench_memory_give(&memory, &blocks[i]);
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct subject_block block;
        traced->begin();
        bench_memory_take(&memory, 0, &block);
        struct line_count alloc = traced->end();
        traced->begin();
        bench_memory_give(&memory, &block);
        struct line_count free = traced->end();
        assert_in_range(alloc.touched, 5, ALLOC_LINES);
        assert_in_range(free.touched, 5, FREE_LINES);
    }
    bench_memory_close(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b1_alloc_and_free_touch_few_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
