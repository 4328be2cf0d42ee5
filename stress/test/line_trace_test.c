/* SPDX-License-Identifier: MIT
 *
 * line_trace_test.c: counting lines of functions that touch known ones.
 */
#include "stress/line_trace.h"
#include "stress/test/line_trace_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

_Static_assert(sizeof(struct probe_line) == LINE_TRACE_BYTES, "a probe's line is a line");

static struct probe_line lines[PROBE_LINES];

/* Ends the trace: @touched lines, @written of them written. */
static void expect(uint64_t touched, uint64_t written)
{
    struct line_count count = line_trace_end();
    assert_int_equal(count.touched, touched);
    assert_int_equal(count.written, written);
}

static void line_trace_counts_each_line_once(void **state)
{
    (void)state;
    line_trace_begin();
    probe_add(lines);
    probe_add(lines);
    expect(3, 1);
}

static void line_trace_begins_from_0(void **state)
{
    (void)state;
    probe_add(lines);
    line_trace_begin();
    expect(0, 0);
    line_trace_begin();
    probe_add(lines);
    (void)line_trace_end();
    line_trace_begin();
    probe_add(lines + 1);
    expect(3, 1);
}

static void line_trace_leaves_stack_out(void **state)
{
    (void)state;
    line_trace_begin();
    uint64_t sum = probe_stack(5);
    expect(0, 0);
    assert_int_equal(sum, PROBE_LINES * 5 + PROBE_LINES * (PROBE_LINES - 1) / 2);
}

static void line_trace_counts_atomics(void **state)
{
    static _Alignas(LINE_TRACE_BYTES) struct {
        atomic_word_t from;
        uint64_t unused[7];
        atomic_word_t to;
    } words = {.from = {7}, .to = {4}};
    (void)state;
    line_trace_begin();
    probe_atomics(&words.from, &words.to);
    expect(2, 1);
    assert_int_equal(atomic_word_peek(&words.to), 11);
}

static void line_trace_counts_failed_comparison_as_write(void **state)
{
    static _Alignas(LINE_TRACE_BYTES) struct {
        spinlock_t lock;
        uint64_t unused[8];
        atomic_word_t word;
    } words = {.word = {9}};
    (void)state;
    line_trace_begin();
    assert_true(probe_locks(&words.lock, &words.word));
    expect(2, 2);
    assert_int_equal(atomic_word_peek(&words.word), 9);
}

static void line_trace_counts_ranges(void **state)
{
    (void)state;
    line_trace_begin();
    probe_clear(lines);
    expect(PROBE_LINES - 2, PROBE_LINES - 2);
    line_trace_begin();
    probe_copy(lines);
    expect(3, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_trace_counts_each_line_once),
        cmocka_unit_test(line_trace_begins_from_0),
        cmocka_unit_test(line_trace_leaves_stack_out),
        cmocka_unit_test(line_trace_counts_atomics),
        cmocka_unit_test(line_trace_counts_failed_comparison_as_write),
        cmocka_unit_test(line_trace_counts_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
