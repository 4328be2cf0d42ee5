/* SPDX-License-Identifier: MIT
 *
 * trace_text.c: see trace_text.h. All goes through one buffer, which bounds the length of a line,
 * and lines are scanned in place.
 *
 *               bash-4725    (   4720) [001] d..1.  2316.242878: mm_page_free: page=... pfn=...
 *   comm             pid     (tgid)    [cpu] flags  timestamp    event name    fields
 *
 * The tgid and the flags are options of the tracer. A comm may contain anything, even what looks
 * like the rest of the line; the kernel pads it to 16 columns.
 */
#include "fuzzers/trace_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    TRACE_ORDERS = 64 - FRAME_SHIFT,
    COMM_COLUMNS = 16 /* padded to; a comm is shorter */
};

#define PFN_LIMIT ((uint64_t)1 << TRACE_ORDERS)
_Static_assert(TRACE_NAME_SHOWN_MAX + 80 <= TRACE_ERROR_MAX, "an error holds more than the name");

/* A part of a line; take_...() shorten it from the front, and leave it alone if they answer no. */
struct span {
    const char *at;
    const char *end;
};

static size_t span_bytes(struct span span)
{
    return (size_t)(span.end - span.at);
}

static inline bool span_is(struct span span, const char *text)
{
    return span_bytes(span) == strlen(text) && memcmp(span.at, text, strlen(text)) == 0;
}

static inline bool take_text(struct span *span, const char *text)
{
    size_t bytes = strlen(text);
    if (span_bytes(*span) < bytes || memcmp(span->at, text, bytes) != 0) {
        return false;
    }
    span->at += bytes;
    return true;
}

static bool take_blanks(struct span *span)
{
    const char *first = span->at;
    while (span->at < span->end && (*span->at == ' ' || *span->at == '\t')) {
        span->at++;
    }
    return span->at > first;
}

/* Takes up to the next space. */
static bool take_word(struct span *span, struct span *word)
{
    const char *space = memchr(span->at, ' ', span_bytes(*span));
    *word = (struct span){span->at, space != NULL ? space : span->end};
    span->at = word->end;
    return span_bytes(*word) > 0;
}

static inline uint32_t digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return (uint32_t)(digit - '0');
    }
    if (digit >= 'a' && digit <= 'f') {
        return (uint32_t)(digit - 'a') + 10;
    }
    return UINT32_MAX;
}

/* Takes a number of @base that is at most @max, which is below 2^59 so that nothing overflows. */
static inline bool take_number(struct span *span, uint32_t base, uint64_t max, uint64_t *number)
{
    const char *at = span->at;
    uint64_t sum = 0;
    for (; at < span->end && digit_value(*at) < base; at++) {
        sum = sum * base + digit_value(*at);
        if (sum > max) {
            return false;
        }
    }
    if (at == span->at) {
        return false;
    }
    span->at = at;
    *number = sum;
    return true;
}

/* Takes "123: " or "123.456: "; its value depends on the clock and is not needed. */
static bool take_timestamp(struct span *span)
{
    const char *at = span->at;
    while (at < span->end && digit_value(*at) < 10) {
        at++;
    }
    if (at == span->at) {
        return false;
    }
    if (at < span->end && *at == '.') {
        at++;
    }
    while (at < span->end && digit_value(*at) < 10) {
        at++;
    }
    struct span rest = {at, span->end};
    if (!take_text(&rest, ": ")) {
        return false;
    }
    *span = rest;
    return true;
}

/* Takes "-PID [CPU] ", with the record-tgid option "-PID (TGID) [CPU] ". */
static bool take_pid_and_cpu(struct span *span, uint32_t *cpu)
{
    struct span rest = *span;
    uint64_t number;
    if (!take_text(&rest, "-") || !take_number(&rest, 10, INT32_MAX, &number) ||
        !take_blanks(&rest)) {
        return false;
    }
    if (take_text(&rest, "(")) {
        const char *close = memchr(rest.at, ')', span_bytes(rest));
        if (close == NULL) {
            return false;
        }
        rest.at = close + 1;
        if (!take_blanks(&rest)) {
            return false;
        }
    }
    if (!take_text(&rest, "[") || !take_number(&rest, 10, UINT32_MAX, &number) ||
        !take_text(&rest, "] ")) {
        return false;
    }
    *cpu = (uint32_t)number;
    *span = rest;
    return true;
}

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           c == '.';
}

/* Takes "flags TIMESTAMP: event: "; the flags are not there with the noirq-info option. */
static bool take_event_name(struct span *span, struct span *name)
{
    struct span rest = *span;
    struct span flags;
    (void)take_blanks(&rest);
    if (!take_timestamp(&rest)) {
        if (!take_word(&rest, &flags)) {
            return false;
        }
        (void)take_blanks(&rest);
        if (!take_timestamp(&rest)) {
            return false;
        }
    }
    name->at = rest.at;
    while (rest.at < rest.end && is_name_character(*rest.at)) {
        rest.at++;
    }
    name->end = rest.at;
    if (span_bytes(*name) == 0 || !take_text(&rest, ":")) {
        return false;
    }
    if (!take_blanks(&rest) && span_bytes(rest) > 0) {
        return false;
    }
    *span = rest;
    return true;
}

/* Splits @line into what is in front of the event's @name, which holds @cpu, and @fields. */
static bool line_split(struct span line, uint32_t *cpu, struct span *name, struct span *fields)
{
    if (span_bytes(line) > COMM_COLUMNS) {
        *fields = (struct span){line.at + COMM_COLUMNS, line.end};
        if (take_pid_and_cpu(fields, cpu)) {
            return take_event_name(fields, name);
        }
    }

    /* Not padded by the kernel: the comm ends at the first dash with all that follows a comm. */
    struct span rest = line;
    while ((rest.at = memchr(rest.at, '-', span_bytes(rest))) != NULL) {
        *fields = rest;
        if (take_pid_and_cpu(fields, cpu) && take_event_name(fields, name)) {
            return true;
        }
        rest.at++;
    }
    return false;
}

/* Whether the kernel printed @page for a NULL; which text that is depends on its version. */
static bool page_is_null(struct span page)
{
    if (span_is(page, "(null)") || span_is(page, "(nil)") || span_is(page, "NULL")) {
        return true;
    }
    (void)take_text(&page, "0x");
    while (page.at < page.end && *page.at == '0') {
        page.at++;
    }
    return span_bytes(page) == 0;
}

/* Reads @fields into @event, whose is_free is set. Return: NULL, or what is wrong with them;
 * @failed says that it was an allocation that failed. */
static const char *page_event_parse(struct span fields, struct trace_event *event, bool *failed)
{
    struct span page;
    struct span gfp_flags;
    uint64_t order;
    uint64_t migratetype = 0;

    if (!take_text(&fields, "page=") || !take_word(&fields, &page)) {
        return "page= is missing";
    }
    if (!take_text(&fields, " pfn=")) {
        return "pfn= is missing";
    }
    uint32_t base = take_text(&fields, "0x") ? 16 : 10;
    if (!take_number(&fields, base, PFN_LIMIT - 1, &event->pfn)) {
        return "pfn= is malformed or out of range";
    }
    if (!take_text(&fields, " order=")) {
        return "order= is missing";
    }
    if (!take_number(&fields, 10, TRACE_ORDERS - 1, &order)) {
        return "order= is malformed or out of range";
    }
    if (event->pfn > PFN_LIMIT - order_frames((order_t)order)) {
        return "the block ends out of range";
    }
    if (!event->is_free) {
        if (!take_text(&fields, " migratetype=") ||
            !take_number(&fields, 10, UINT32_MAX, &migratetype)) {
            return "migratetype= is missing, malformed or out of range";
        }
        if (!take_text(&fields, " gfp_flags=") || !take_word(&fields, &gfp_flags)) {
            return "gfp_flags= is missing";
        }
    }
    if (span_bytes(fields) > 0) {
        return "more text behind the last field";
    }
    *failed = page_is_null(page);
    if (*failed && (event->is_free || event->pfn != 0)) {
        return "page= is null, but pfn= is a frame";
    }
    event->order = (order_t)order;
    event->migratetype = (uint32_t)migratetype;
    return NULL;
}

/* "CPU:1 [LOST 123 EVENTS]", or "CPU:1 [LOST EVENTS]" where the kernel does not know how many:
 * at least one. */
static bool lost_events_parse(struct span line, uint64_t *lost)
{
    uint64_t cpu;
    if (!take_text(&line, "CPU:") || !take_number(&line, 10, UINT32_MAX, &cpu)) {
        return false;
    }
    if (span_is(line, " [LOST EVENTS]")) {
        *lost = 1;
        return true;
    }
    return take_text(&line, " [LOST ") && take_number(&line, 10, PFN_LIMIT, lost) &&
           span_is(line, " EVENTS]");
}

static void text_fail(struct trace_text *text, uint64_t line, const char *reason)
{
    snprintf(text->error, sizeof(text->error), "%s:%" PRIu64 ": %s", text->name, line, reason);
    text->last = TRACE_ERROR;
}

/* Counts @line, or fills @event from it. Return: whether @event is filled in. */
static bool line_read(struct trace_text *text, struct span line, struct trace_event *event)
{
    struct trace_counts *counts = &text->counts;
    struct span name;
    struct span fields;
    uint64_t lost;

    if (take_text(&line, "#")) {
        counts->comments++;
        return false;
    }
    if (!line_split(line, &event->cpu, &name, &fields)) {
        (void)take_blanks(&line);
        if (lost_events_parse(line, &lost)) {
            counts->lost_events += lost;
        } else if (span_bytes(line) > 0) {
            text_fail(text, counts->lines, "not \"TASK-PID [CPU] flags TIMESTAMP: event:\"");
        }
        return false;
    }
    event->is_free = span_is(name, "mm_page_free");
    if (!event->is_free && !span_is(name, "mm_page_alloc")) {
        counts->other_events++;
        return false;
    }
    event->line = counts->lines;
    bool failed = false;
    const char *reason = page_event_parse(fields, event, &failed);
    if (reason != NULL) {
        text_fail(text, counts->lines, reason);
    } else if (failed) {
        counts->failed_allocs++;
    }
    return reason == NULL && !failed;
}

/* Puts more bytes, or the knowledge that there are none, behind the unread ones. Return: false
 * after a failure. */
static bool buffer_fill(struct trace_text *text)
{
    uint64_t line = text->counts.lines + 1;
    size_t kept = text->filled - text->unread;
    if (kept == sizeof(text->buffer)) {
        text_fail(text, line, "line too long");
        return false;
    }
    memmove(text->buffer, text->buffer + text->unread, kept);
    text->unread = 0;
    text->filled = kept;

    if (text->block_bytes == 0) {
        const struct trace_source *source = &text->source;
        const char *reason =
            source->next_block(source->context, &text->block, &text->block_bytes, &text->ended);
        if (reason != NULL) {
            text_fail(text, line, reason);
            return false;
        }
        if (text->ended) {
            return true;
        }
    }
    size_t room = sizeof(text->buffer) - kept;
    size_t bytes = text->block_bytes < room ? text->block_bytes : room;
    memcpy(text->buffer + kept, text->block, bytes);
    text->filled += bytes;
    text->block += bytes;
    text->block_bytes -= bytes;
    return true;
}

/* Takes the next line, without its newline, into @line, valid until the next call. Return: false
 * at the end and after a failure. */
static bool line_next(struct trace_text *text, struct span *line)
{
    size_t searched = 0;
    for (;;) {
        const char *first = text->buffer + text->unread;
        size_t bytes = text->filled - text->unread;
        const char *newline = memchr(first + searched, '\n', bytes - searched);
        if (newline != NULL) {
            *line = (struct span){first, newline};
            text->unread += span_bytes(*line) + 1;
            text->counts.lines++;
            return true;
        }
        if (text->ended) {
            text->last = TRACE_END;
            if (bytes > 0) {
                text_fail(text, text->counts.lines + 1, "the last line is cut short");
            }
            return false;
        }
        searched = bytes;
        if (!buffer_fill(text)) {
            return false;
        }
    }
}

void trace_text_open(struct trace_text *text, const char *name, const struct trace_source *source)
{
    /* Of a long name, the end tells more. */
    size_t bytes = strlen(name);
    size_t hidden = bytes > TRACE_NAME_SHOWN_MAX ? bytes - TRACE_NAME_SHOWN_MAX : 0;
    text->source = *source;
    text->block = NULL;
    text->block_bytes = 0;
    text->ended = false;
    text->last = TRACE_EVENT;
    text->counts = (struct trace_counts){0};
    text->error[0] = '\0';
    text->unread = 0;
    text->filled = 0;
    snprintf(text->name, sizeof(text->name), "%s%s", hidden > 0 ? "..." : "", name + hidden);
}

enum trace_result trace_text_next(struct trace_text *text, struct trace_event *event)
{
    struct span line;
    while (text->last == TRACE_EVENT && line_next(text, &line)) {
        if (line_read(text, line, event)) {
            return TRACE_EVENT;
        }
    }
    return text->last;
}
