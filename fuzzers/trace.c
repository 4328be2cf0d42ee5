/* SPDX-License-Identifier: MIT
 *
 * trace.c: see trace.h. libarchive undoes the compression; trace_text.c reads what it gives.
 */
#include "fuzzers/trace.h"

#include "fuzzers/trace_text.h"

#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 17 };

struct trace {
    struct archive *archive;
    int fd;
    bool begun; /* libarchive has looked at the first bytes */
    struct trace_text text;
};

/* libarchive has no text for some errors. */
static const char *archive_reason(struct trace *trace)
{
    const char *text = archive_error_string(trace->archive);
    return text != NULL ? text : "the compressed data is cut off or damaged";
}

/* Looks at the first bytes. What is wrong with them is for trace_next() to report, as with any
 * others. Return: libarchive's status. */
static int trace_begin(struct trace *trace)
{
    struct archive_entry *entry;
    trace->begun = true;
    int status = archive_read_open_fd(trace->archive, trace->fd, READ_BYTES);
    return status == ARCHIVE_OK ? archive_read_next_header(trace->archive, &entry) : status;
}

static const char *next_block(void *context, const char **block, size_t *bytes, bool *ended)
{
    struct trace *trace = context;
    const void *data = NULL;
    la_int64_t offset;
    int status = trace->begun ? ARCHIVE_OK : trace_begin(trace);
    if (status == ARCHIVE_OK) {
        status = archive_read_data_block(trace->archive, &data, bytes, &offset);
    }
    *block = data;
    *ended = status == ARCHIVE_EOF;
    return status == ARCHIVE_OK || status == ARCHIVE_EOF ? NULL : archive_reason(trace);
}

/* Opens @path. Return: NULL, or why that cannot be done. */
static const char *trace_connect(struct trace *trace, const char *path)
{
    struct stat stat;
    bool is_stdin = strcmp(path, "-") == 0;
    trace->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (trace->fd < 0 || fstat(trace->fd, &stat) != 0) {
        return strerror(errno);
    }
    if (S_ISDIR(stat.st_mode)) {
        return strerror(EISDIR);
    }

    trace->archive = archive_read_new();
    if (trace->archive == NULL) {
        return strerror(ENOMEM);
    }
    if (archive_read_support_filter_gzip(trace->archive) == ARCHIVE_FATAL ||
        archive_read_support_filter_xz(trace->archive) == ARCHIVE_FATAL ||
        archive_read_support_format_raw(trace->archive) != ARCHIVE_OK ||
        archive_read_support_format_empty(trace->archive) != ARCHIVE_OK) {
        return archive_reason(trace);
    }
    return NULL;
}

struct trace *trace_open(const char *path, char *error)
{
    struct trace *trace = calloc(1, sizeof(*trace));
    if (trace == NULL) {
        snprintf(error, TRACE_ERROR_MAX, "trace: %s", strerror(ENOMEM));
        return NULL;
    }
    trace_text_open(&trace->text, path,
                    &(struct trace_source){.context = trace, .next_block = next_block});
    const char *reason = trace_connect(trace, path);
    if (reason != NULL) {
        snprintf(error, TRACE_ERROR_MAX, "%s: %s", trace->text.name, reason);
        trace_close(trace);
        return NULL;
    }
    return trace;
}

void trace_close(struct trace *trace)
{
    archive_read_free(trace->archive);
    if (trace->fd > STDIN_FILENO) {
        close(trace->fd);
    }
    free(trace);
}

enum trace_result trace_next(struct trace *trace, struct trace_event *event)
{
    return trace_text_next(&trace->text, event);
}

const char *trace_error(const struct trace *trace)
{
    return trace->text.error;
}

const struct trace_counts *trace_counts(const struct trace *trace)
{
    return &trace->text.counts;
}
