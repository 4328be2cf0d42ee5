/* SPDX-License-Identifier: MIT
 *
 * trace.h: reads Linux ftrace text, the kmem:mm_page_alloc and kmem:mm_page_free events of it, as a
 * stream in bounded memory. Plain, .gz and .xz files, and standard input, told by their content.
 */
#ifndef POTAD_FUZZERS_TRACE_H
#define POTAD_FUZZERS_TRACE_H

#include "core/types.h"

enum { TRACE_ERROR_MAX = 200 };

struct trace_event {
    bool is_free; /* mm_page_free, else mm_page_alloc */
    pfn_t pfn;
    order_t order;
    uint32_t migratetype; /* as the trace has it; 0 for a free */
    uint32_t cpu;
    uint64_t line; /* from 1 */
};

enum trace_result {
    TRACE_EVENT, /* the event is filled in */
    TRACE_END,
    TRACE_ERROR /* trace_error() says what; events before it were good */
};

/* Lines that are not page events. */
struct trace_counts {
    uint64_t lines;
    uint64_t comments;      /* # ... */
    uint64_t other_events;  /* well-formed lines of other tracepoints */
    uint64_t failed_allocs; /* mm_page_alloc without a page: pfn=0x0 and page=NULL or (nil) */
    uint64_t lost_events;   /* what the kernel says that it dropped */
};

struct trace;

/* Opens @path, or standard input for "-". Return: NULL with one line in @error (TRACE_ERROR_MAX
 * bytes) that names the file and the reason. */
struct trace *trace_open(const char *path, char *error);
void trace_close(struct trace *trace);

/* Reads up to the next page event. */
enum trace_result trace_next(struct trace *trace, struct trace_event *event)
    __attribute__((warn_unused_result));

/* After TRACE_ERROR: "FILE:LINE: reason". */
const char *trace_error(const struct trace *trace);

const struct trace_counts *trace_counts(const struct trace *trace);

#endif
