/* SPDX-License-Identifier: MIT */
#include "stress/script.h"

#include <stdlib.h>
#include <string.h>

enum { SCRIPT_LIVE_MAX = 1 << 22, ROOM_FIRST = 1 << 12 };

/* What reads a trace: the names of live blocks, and the event that is just being read. */
struct reader {
    struct script *script;
    uint32_t *blocks; /* by the number of a live block */
    uint8_t cpu;
    bool full; /* there was no memory */
};

/* Makes room for one more of @bytes each. Return: false where there is no memory. */
static bool grow(void **items, size_t bytes, uint64_t count, uint64_t *room)
{
    if (count < *room) {
        return true;
    }
    uint64_t wanted = *room == 0 ? (uint64_t)ROOM_FIRST : *room * 2;
    void *larger = wanted > UINT32_MAX ? NULL : realloc(*items, wanted * bytes);
    if (larger == NULL) {
        return false;
    }
    *items = larger;
    *room = wanted;
    return true;
}

static void add_op(struct reader *reader, uint32_t block, bool is_free)
{
    struct script *script = reader->script;
    struct script_part *part = &script->parts[reader->cpu % script->threads];
    void *ops = part->ops;
    reader->full = reader->full || !grow(&ops, sizeof(*part->ops), part->count, &part->room);
    part->ops = ops;
    if (!reader->full) {
        part->ops[part->count++] = (struct script_op){block, reader->cpu, is_free};
    }
}

static bool reader_alloc(void *context, const struct trace_event *event, uint32_t number)
{
    struct reader *reader = context;
    struct script *script = reader->script;
    void *blocks = script->blocks;
    reader->full = reader->full || !grow(&blocks, sizeof(*script->blocks), script->blocks_count,
                                         &script->blocks_room);
    script->blocks = blocks;
    if (reader->full) {
        return false;
    }
    uint32_t block = (uint32_t)script->blocks_count++;
    bool known = event->migratetype < MIGRATETYPES;
    script->blocks[block] = (struct script_block){
        .order = (uint8_t)event->order,
        .migratetype = (uint8_t)(known ? event->migratetype : (uint32_t)MIGRATE_UNMOVABLE),
        .cpu = reader->cpu,
    };
    reader->blocks[number] = block;
    add_op(reader, block, false);
    return true;
}

static void reader_free(void *context, uint32_t number)
{
    struct reader *reader = context;
    add_op(reader, reader->blocks[number], true);
}

static bool reader_stopped(void *context)
{
    const struct reader *reader = context;
    return reader->full;
}

/* Reads all events. Return: false with a line in @error. */
static bool read_events(struct trace *trace, struct reader *reader, char *error)
{
    struct script *script = reader->script;
    struct traffic_sink sink = {reader, reader_alloc, reader_free, reader_stopped};
    struct traffic *traffic = traffic_open(SCRIPT_LIVE_MAX, &sink);
    enum trace_result result;
    struct trace_event event;
    while ((result = trace_next(trace, &event)) == TRACE_EVENT && !reader->full) {
        reader->cpu = (uint8_t)(event.cpu % CPUS_MAX);
        script->cpus = reader->cpu < script->cpus ? script->cpus : reader->cpu + 1U;
        traffic_feed(traffic, &event, 1);
    }
    script->counts = *traffic_counts(traffic);
    traffic_close(traffic);
    if (result == TRACE_ERROR) {
        snprintf(error, TRACE_ERROR_MAX, "%s", trace_error(trace));
    } else if (reader->full) {
        snprintf(error, TRACE_ERROR_MAX, "%.100s: no memory for so long a trace", script->path);
    } else if (script->blocks_count == 0) {
        snprintf(error, TRACE_ERROR_MAX, "%.100s: nothing is allocated in it", script->path);
    }
    return result == TRACE_END && !reader->full && script->blocks_count > 0;
}

bool script_open(struct script *script, const char *path, unsigned threads, char *error)
{
    *script = (struct script){.path = path, .threads = threads};
    struct reader reader = {.script = script};
    struct trace *trace = trace_open(path, error);
    if (trace == NULL) {
        return false;
    }
    script->parts = calloc(threads, sizeof(*script->parts));
    reader.blocks = calloc(SCRIPT_LIVE_MAX, sizeof(*reader.blocks));
    bool good = false;
    if (script->parts == NULL || reader.blocks == NULL) {
        snprintf(error, TRACE_ERROR_MAX, "%.100s: no memory for a trace", path);
    } else {
        good = read_events(trace, &reader, error);
    }
    trace_close(trace);
    free(reader.blocks);
    if (!good) {
        script_close(script);
    }
    return good;
}

void script_close(struct script *script)
{
    for (unsigned i = 0; script->parts != NULL && i < script->threads; i++) {
        free(script->parts[i].ops);
    }
    free(script->parts);
    free(script->blocks);
    *script = (struct script){.path = NULL};
}
