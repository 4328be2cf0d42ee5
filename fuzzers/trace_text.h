/* SPDX-License-Identifier: MIT
 *
 * trace_text.h: the page events in the text of tracefs' `trace` file, from bytes that come in
 * blocks of any size; trace.h reads files. In bounded memory, and without a library.
 */
#ifndef POTAD_FUZZERS_TRACE_TEXT_H
#define POTAD_FUZZERS_TRACE_TEXT_H

#include "fuzzers/trace.h"

enum {
    TRACE_LINE_BYTES_MAX = 1 << 16, /* with the newline; the kernel's own limit is 8 KiB */
    TRACE_NAME_SHOWN_MAX = 100      /* so that line and reason fit behind it */
};

/* Where the bytes come from. */
struct trace_source {
    void *context;
    /* Lends the next bytes, which may be none, until the next call, or sets *ended. Return: NULL,
     * or what is wrong. */
    const char *(*next_block)(void *context, const char **block, size_t *bytes, bool *ended);
};

struct trace_text {
    struct trace_source source;
    const char *block; /* what is left of it */
    size_t block_bytes;
    bool ended;             /* there are no more blocks */
    enum trace_result last; /* other than TRACE_EVENT: what every further call answers */
    struct trace_counts counts;
    char name[sizeof("...") + TRACE_NAME_SHOWN_MAX];
    char error[TRACE_ERROR_MAX]; /* after TRACE_ERROR: "NAME:LINE: reason" */
    size_t unread; /* the part of the buffer that is not read yet is [unread, filled) */
    size_t filled;
    char buffer[TRACE_LINE_BYTES_MAX];
};

/* Begins at the first byte of @source; errors call it @name. */
void trace_text_open(struct trace_text *text, const char *name, const struct trace_source *source);

/* Reads up to the next page event. Return: as trace_next(). */
enum trace_result trace_text_next(struct trace_text *text, struct trace_event *event)
    __attribute__((warn_unused_result));

#endif
