/* SPDX-License-Identifier: MIT
 *
 * line_trace.h: counts the cache lines that code touches. The code is compiled with
 * -fsanitize=thread, so that the compiler puts a call before each of its loads and stores; and it
 * is linked without ThreadSanitizer, with the functions of line_trace.c in its place.
 *
 * The stack is left out: its lines are in use all the time. So is code that is compiled otherwise.
 */
#ifndef POTAD_STRESS_LINE_TRACE_H
#define POTAD_STRESS_LINE_TRACE_H

#include <stdint.h>

enum { LINE_TRACE_BYTES = 64 };

/* Different lines of LINE_TRACE_BYTES each. */
struct line_count {
    uint64_t touched; /* read, written or both */
    uint64_t written;
};

/* Begins to count from 0. Context of both: one thread, the only one to run traced code. */
void line_trace_begin(void);

/* Return: what has been touched since line_trace_begin(). */
struct line_count line_trace_end(void);

#endif
