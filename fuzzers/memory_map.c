/* SPDX-License-Identifier: MIT */
#include "fuzzers/memory_map.h"

#include <stdarg.h>
#include <string.h>

#define DMA_BYTES    ((uint64_t)16 << 20)
#define ADDRESS_BITS 52 /* no processor has more */

enum { SPANS_MAX = 128 };

/* Bytes from start to before end, and what a line says of them. */
struct span {
    uint64_t start;
    uint64_t end;
    uint32_t value;
    unsigned line;
};

struct span_list {
    uint32_t count;
    struct span spans[SPANS_MAX];
};

/* What the lines say. */
struct reader {
    const char *at; /* rest of the line */
    const char *end;
    unsigned line;
    struct case_error *error;
    struct span_list memory;  /* value: whether it is unaccepted */
    struct span_list nodes;   /* value: the node */
    struct span_list classes; /* value: enum zone_class */
};

static const char *const class_names[ZONE_CLASSES] = {
#define X(id, name) [id] = (name),
    ZONE_CLASS_TABLE(X)
#undef X
};

/* What is no memory; the end of a name may be a number. */
static const char *const other_types[] = {"reserved",          "ACPI data",     "ACPI NVS",
                                          "unusable",          "soft reserved", "device reserved",
                                          "persistent (type ", "type "};

static bool fail(const struct reader *reader, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(const struct reader *reader, unsigned line, const char *format, ...)
{
    char reason[CASE_ERROR_MAX - 32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    snprintf(reader->error->text, sizeof(reader->error->text), "line %u: %s", line, reason);
    case_error_clean(reader->error);
    return false;
}

/* Reading a line */

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t')) {
        reader->at++;
    }
}

/* Passes over @text where it is next. Return: whether it was. */
static bool take(struct reader *reader, const char *text)
{
    size_t length = strlen(text);
    bool is = (size_t)(reader->end - reader->at) >= length && memcmp(reader->at, text, length) == 0;
    reader->at += is ? length : 0;
    return is;
}

/* Whether @text is all that is left. */
static bool rest_is(const struct reader *reader, const char *text)
{
    size_t left = (size_t)(reader->end - reader->at);
    return left == strlen(text) && memcmp(reader->at, text, left) == 0;
}

static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* A number in hex, with 0x or without; UINT64_MAX stands for all that are too large. */
static bool take_address(struct reader *reader, uint64_t *address)
{
    (void)(take(reader, "0x") || take(reader, "0X"));
    const char *first = reader->at;
    *address = 0;
    while (reader->at < reader->end && digit_of(*reader->at) < 16) {
        bool fits = *address >> 60 == 0;
        *address = fits ? *address << 4 | digit_of(*reader->at) : UINT64_MAX;
        reader->at++;
    }
    return reader->at > first;
}

/* START-END, with what stands around them. Return: whether it is there. */
static bool take_span(struct reader *reader, struct span *span)
{
    *span = (struct span){.line = reader->line};
    return take_address(reader, &span->start) && take(reader, "-") &&
           take_address(reader, &span->end);
}

/* Turns the last byte of a span into its end. */
static bool check_span(const struct reader *reader, struct span *span)
{
    if (span->end < span->start) {
        return fail(reader, span->line, "it ends before it starts");
    }
    if (span->end >> ADDRESS_BITS != 0) {
        return fail(reader, span->line, "addresses have %u bits at most", ADDRESS_BITS);
    }
    span->end++;
    return true;
}

static bool add_span(struct reader *reader, struct span_list *list, const struct span *span)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (span->start < list->spans[i].end && list->spans[i].start < span->end) {
            return fail(reader, span->line, "it overlaps what line %u says", list->spans[i].line);
        }
    }
    if (list->count == SPANS_MAX) {
        return fail(reader, span->line, "more than %u such lines", SPANS_MAX);
    }
    list->spans[list->count++] = *span;
    return true;
}

/* Memory, trimmed to whole frames; there may be none of it left. */
static bool add_memory(struct reader *reader, struct span *span, bool unaccepted)
{
    struct span_list *memory = &reader->memory;
    if (!check_span(reader, span)) {
        return false;
    }
    span->value = unaccepted ? 1 : 0;
    span->start = (span->start + FRAME_SIZE - 1) & ~(FRAME_SIZE - 1);
    span->end &= ~(FRAME_SIZE - 1);
    if (span->start >= span->end) {
        return true;
    }
    if (!add_span(reader, memory, span)) {
        return false;
    }
    if (memory->count > 1 && memory->spans[memory->count - 2].start > span->start) {
        return fail(reader, span->line, "it lies below the memory of line %u",
                    memory->spans[memory->count - 2].line);
    }
    return true;
}

/* What our own lines say of all memory, or none, of each frame. */
static bool add_saying(struct reader *reader, struct span_list *list, uint32_t value)
{
    struct span span;
    skip_blanks(reader);
    if (!take_span(reader, &span) || reader->at != reader->end) {
        return fail(reader, reader->line, "START-END is expected here");
    }
    if (!check_span(reader, &span)) {
        return false;
    }
    if (((span.start | span.end) & (FRAME_SIZE - 1)) != 0) {
        return fail(reader, reader->line, "it cuts a frame");
    }
    span.value = value;
    return add_span(reader, list, &span);
}

static bool unknown_line(const struct reader *reader)
{
    return fail(reader, reader->line,
                "not of /proc/iomem or BIOS-e820, and not a node or zone line");
}

/* START-END : NAME */
static bool read_iomem(struct reader *reader, bool nested)
{
    struct span span;
    if (!take_span(reader, &span) || !take(reader, " : ") || reader->at == reader->end) {
        return unknown_line(reader);
    }
    bool unaccepted = rest_is(reader, "Unaccepted Memory") || rest_is(reader, "unaccepted");
    if (nested || (!unaccepted && !rest_is(reader, "System RAM"))) {
        return true;
    }
    return add_memory(reader, &span, unaccepted);
}

/* BIOS-e820: was read: [mem START-END] TYPE */
static bool read_e820(struct reader *reader)
{
    struct span span;
    skip_blanks(reader);
    if (!take(reader, "[mem ") || !take_span(reader, &span) || !take(reader, "] ")) {
        return unknown_line(reader);
    }
    bool unaccepted = rest_is(reader, "unaccepted") || rest_is(reader, "Unaccepted Memory");
    if (unaccepted || rest_is(reader, "usable")) {
        return add_memory(reader, &span, unaccepted);
    }
    for (unsigned i = 0; i < sizeof(other_types) / sizeof(other_types[0]); i++) {
        if (take(reader, other_types[i])) {
            return true;
        }
    }
    return fail(reader, reader->line, "unknown type '%.*s'", (int)(reader->end - reader->at),
                reader->at);
}

static bool read_node(struct reader *reader)
{
    uint64_t node;
    skip_blanks(reader);
    if (!take_address(reader, &node) || node >= NODES_MAX) {
        return fail(reader, reader->line, "nodes are 0 to %u", NODES_MAX - 1);
    }
    return add_saying(reader, &reader->nodes, (uint32_t)node);
}

static bool read_zone(struct reader *reader)
{
    skip_blanks(reader);
    for (uint32_t i = 0; i < ZONE_CLASSES; i++) {
        if (take(reader, class_names[i])) {
            return add_saying(reader, &reader->classes, i);
        }
    }
    return fail(reader, reader->line, "unknown zone class");
}

/* One line without its comment and the blanks at its end. */
static bool read_line(struct reader *reader)
{
    const char *comment = memchr(reader->at, '#', (size_t)(reader->end - reader->at));
    reader->end = comment == NULL ? reader->end : comment;
    while (reader->end > reader->at && strchr(" \t\r", reader->end[-1]) != NULL) {
        reader->end--;
    }
    const char *first = reader->at;
    skip_blanks(reader);
    if (reader->at == reader->end) {
        return true;
    }
    if (take(reader, "node ")) {
        return read_node(reader);
    }
    if (take(reader, "zone ")) {
        return read_zone(reader);
    }
    bool nested = reader->at > first;
    if (*reader->at == '[') {
        /* When the kernel said it. */
        const char *after = memchr(reader->at, ']', (size_t)(reader->end - reader->at));
        reader->at = after == NULL ? reader->end : after + 1;
        skip_blanks(reader);
    }
    return take(reader, "BIOS-e820:") ? read_e820(reader) : read_iomem(reader, nested);
}

/* Making the map */

/* What @list says at @address, or @otherwise. *@end is moved down to where that may change. */
static uint32_t saying_at(const struct span_list *list, uint64_t address, uint32_t otherwise,
                          uint64_t *end)
{
    uint32_t value = otherwise;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct span *span = &list->spans[i];
        uint64_t border = address < span->start ? span->start : span->end;
        value = address - span->start < span->end - span->start ? span->value : value;
        *end = border > address && border < *end ? border : *end;
    }
    return value;
}

/* The zone for memory of @config behind all memory so far, or ZONE_ANY: there can be no more. */
static zone_id_t zone_for(struct boot_map *map, const struct zone_config *config)
{
    const struct zone_config *last =
        map->zones_count == 0 ? NULL : &map->zones[map->zones_count - 1];
    if (last != NULL && last->zone_class == config->zone_class && last->node == config->node) {
        return map->zones_count - 1;
    }
    if (map->zones_count == ZONES_MAX) {
        return ZONE_ANY;
    }
    map->zones[map->zones_count] = *config;
    return map->zones_count++;
}

/* Appends frames of one zone and acceptance, to the last range where they belong to it. */
static bool add_range(const struct reader *reader, struct boot_map *map, const struct range *range,
                      unsigned line)
{
    struct range *last = map->ranges_count == 0 ? NULL : &map->ranges[map->ranges_count - 1];
    pfn_t end = last == NULL ? 0 : last->start + last->frames;
    bool joins = last != NULL && end == range->start && last->zone == range->zone &&
                 last->unaccepted == range->unaccepted;
    uint64_t frames = range->frames + (joins ? last->frames : 0);
    if (frames > UINT32_MAX || range->start - end > UINT32_MAX) {
        return fail(reader, line, "a range or a hole of 16 TiB or more");
    }
    if (joins) {
        last->frames = frames;
        return true;
    }
    if (map->ranges_count == RANGES_MAX) {
        return fail(reader, line, "more than %u ranges", RANGES_MAX);
    }
    map->ranges[map->ranges_count++] = *range;
    return true;
}

/* Cuts memory where its class or node changes. */
static bool map_memory(const struct reader *reader, struct boot_map *map, const struct span *span)
{
    uint64_t at = span->start;
    while (at < span->end) {
        uint64_t end = at < DMA_BYTES && span->end > DMA_BYTES ? DMA_BYTES : span->end;
        uint32_t usual = at < DMA_BYTES ? ZONE_DMA : ZONE_NORMAL;
        struct zone_config config = {
            .zone_class = (enum zone_class)saying_at(&reader->classes, at, usual, &end),
            .node = saying_at(&reader->nodes, at, 0, &end),
        };
        struct range range = {
            .start = at >> FRAME_SHIFT,
            .frames = (end - at) >> FRAME_SHIFT,
            .zone = zone_for(map, &config),
            .unaccepted = span->value != 0,
        };
        if (range.zone == ZONE_ANY) {
            return fail(reader, span->line, "more than %u zones", ZONES_MAX);
        }
        if (!add_range(reader, map, &range, span->line)) {
            return false;
        }
        at = end;
    }
    return true;
}

bool memory_map_parse(struct boot_map *map, const char *text, size_t size, struct case_error *error)
{
    struct reader reader = {.error = error};
    const char *at = text;
    const char *end = text + size;
    *map = (struct boot_map){0};
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end == NULL ? end : line_end;
        reader.at = at;
        reader.end = line_end;
        reader.line++;
        if (!read_line(&reader)) {
            return false;
        }
        at = line_end + 1;
    }
    for (uint32_t i = 0; i < reader.memory.count; i++) {
        if (!map_memory(&reader, map, &reader.memory.spans[i])) {
            return false;
        }
    }
    return map->ranges_count > 0 ||
           fail(&reader, reader.line, "no whole frame of memory: is it the copy that root sees?");
}
