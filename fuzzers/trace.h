/* SPDX-License-Identifier: MIT
 *
 * trace.h: reads the text of tracefs' `trace` file, the kmem:mm_page_alloc and kmem:mm_page_free
 * events of it, as a stream in bounded memory. Plain, gzip and xz, told by content. A torn line and
 * a cut-off or damaged compressed file are errors, not a shorter trace; but libarchive does not
 * verify the checksum of gzip, so damage that still decompresses is only found if it tears a line.
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
    uint64_t line; /* of the text, from 1 */
};

enum trace_result {
    TRACE_EVENT, /* the event is filled in */
    TRACE_END,
    TRACE_ERROR /* trace_error() says what; events before it were good, none come after it */
};

/* What has been read besides page events. */
struct trace_counts {
    uint64_t lines;         /* all of them */
    uint64_t comments;      /* # ... */
    uint64_t other_events;  /* well-formed lines of other tracepoints */
    uint64_t failed_allocs; /* mm_page_alloc without a page: pfn=0x0 and a null page= */
    uint64_t lost_events;   /* the kernel's count of them; 1 where it says that it has none */
};

struct trace;

/* Opens @path, or standard input for "-"; what is in it is for trace_next() to judge. Return: NULL
 * with one line in @error (TRACE_ERROR_MAX bytes) that names the file and the reason. */
struct trace *trace_open(const char *path, char *error);
void trace_close(struct trace *trace);

/* Reads up to the next page event. Context: one thread at a time for each trace. Return:
 * TRACE_EVENT; or TRACE_END or TRACE_ERROR, which every further call then answers, too. */
enum trace_result trace_next(struct trace *trace, struct trace_event *event)
    __attribute__((warn_unused_result));

/* After TRACE_ERROR: "FILE:LINE: reason". Valid until trace_close(). */
const char *trace_error(const struct trace *trace);

/* The counts up to now, kept up to date until trace_close(). */
const struct trace_counts *trace_counts(const struct trace *trace);

#endif
