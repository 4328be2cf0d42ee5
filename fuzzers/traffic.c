/* SPDX-License-Identifier: MIT */
#include "fuzzers/traffic.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A block of the trace; number is NUMBER_NONE in an empty entry. */
struct name {
    pfn_t pfn;
    uint32_t number;
    uint32_t order;
};

enum { NUMBER_NONE = UINT32_MAX & 0x7fffffff, ENTRIES_FIRST = 1 << 12 };

/* Open addressing with linear probing, at most half full: pfn of the trace -> block of the run. */
struct names {
    struct name *entries;
    uint64_t mask;
    uint64_t used;
    uint32_t *free_numbers; /* a stack of numbers given back */
    uint32_t free_count;
    uint32_t next_number; /* never given out so far */
    uint32_t limit;
};

static void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);
    if (memory == NULL) {
        fprintf(stderr, "potad: no memory for %zu blocks of the trace\n", count);
        abort();
    }
    return memory;
}

static struct name *allocate_entries(uint64_t count)
{
    struct name *entries = allocate(count, sizeof(*entries));
    for (uint64_t i = 0; i < count; i++) {
        entries[i].number = NUMBER_NONE;
    }
    return entries;
}

static uint64_t names_home(const struct names *names, pfn_t pfn)
{
    return (pfn * 0x9e3779b97f4a7c15U) >> 20 & names->mask;
}

/* The entry of @pfn, or the empty one where it would be. */
static struct name *names_find(const struct names *names, pfn_t pfn)
{
    uint64_t at = names_home(names, pfn);
    while (names->entries[at].number != NUMBER_NONE && names->entries[at].pfn != pfn) {
        at = (at + 1) & names->mask;
    }
    return &names->entries[at];
}

static void names_grow(struct names *names)
{
    struct name *old = names->entries;
    uint64_t count = names->mask + 1;
    names->entries = allocate_entries(count * 2);
    names->mask = count * 2 - 1;
    for (uint64_t i = 0; i < count; i++) {
        if (old[i].number != NUMBER_NONE) {
            *names_find(names, old[i].pfn) = old[i];
        }
    }
    free(old);
}

static void names_add(struct names *names, struct name name)
{
    if (names->used * 2 > names->mask) {
        names_grow(names);
    }
    *names_find(names, name.pfn) = name;
    names->used++;
}

/* Empties @entry, and moves up what probed past it. */
static void names_remove(struct names *names, struct name *entry)
{
    uint64_t hole = (uint64_t)(entry - names->entries);
    uint64_t at = hole;
    names->free_numbers[names->free_count++] = entry->number;
    names->used--;
    for (;;) {
        at = (at + 1) & names->mask;
        if (names->entries[at].number == NUMBER_NONE) {
            break;
        }
        uint64_t home = names_home(names, names->entries[at].pfn);
        if (((at - home) & names->mask) >= ((at - hole) & names->mask)) {
            names->entries[hole] = names->entries[at];
            hole = at;
        }
    }
    names->entries[hole].number = NUMBER_NONE;
}

/* Return: NUMBER_NONE where all are in use. */
static uint32_t names_take_number(struct names *names)
{
    if (names->free_count > 0) {
        return names->free_numbers[--names->free_count];
    }
    return names->next_number < names->limit ? names->next_number++ : NUMBER_NONE;
}

static void names_init(struct names *names, uint32_t limit)
{
    *names = (struct names){.mask = ENTRIES_FIRST - 1, .limit = limit};
    names->entries = allocate_entries(ENTRIES_FIRST);
    names->free_numbers = allocate(limit, sizeof(*names->free_numbers));
}

static void names_close(struct names *names)
{
    free(names->entries);
    free(names->free_numbers);
}

struct traffic {
    struct names names;
    struct traffic_sink sink;
    struct traffic_counts counts;
};

struct traffic *traffic_open(uint32_t blocks, const struct traffic_sink *sink)
{
    struct traffic *traffic = allocate(1, sizeof(*traffic));
    traffic->sink = *sink;
    names_init(&traffic->names, blocks);
    return traffic;
}

void traffic_close(struct traffic *traffic)
{
    names_close(&traffic->names);
    free(traffic);
}

const struct traffic_counts *traffic_counts(const struct traffic *traffic)
{
    return &traffic->counts;
}

static void free_block(struct traffic *traffic, struct name *entry)
{
    traffic->counts.live_blocks--;
    traffic->counts.live_frames -= (uint64_t)1 << entry->order;
    traffic->sink.free(traffic->sink.context, entry->number);
    names_remove(&traffic->names, entry);
}

static void feed_alloc(struct traffic *traffic, const struct trace_event *event)
{
    struct names *names = &traffic->names;
    struct traffic_counts *counts = &traffic->counts;
    struct name *entry = names_find(names, event->pfn);
    counts->allocs++;
    if (entry->number != NUMBER_NONE) {
        /* Its free was not traced, but has happened. */
        counts->double_allocs++;
        free_block(traffic, entry);
    }
    uint32_t number = names_take_number(names);
    if (number == NUMBER_NONE || !traffic->sink.alloc(traffic->sink.context, event, number)) {
        counts->dropped++;
        if (number != NUMBER_NONE) {
            names->free_numbers[names->free_count++] = number;
        }
        return;
    }
    names_add(names, (struct name){event->pfn, number, event->order});
    counts->live_blocks++;
    counts->live_frames += (uint64_t)1 << event->order;
    if (counts->live_frames > counts->peak_frames) {
        counts->peak_frames = counts->live_frames;
    }
}

static void feed_free(struct traffic *traffic, const struct trace_event *event)
{
    struct name *entry = names_find(&traffic->names, event->pfn);
    traffic->counts.frees++;
    if (entry->number == NUMBER_NONE) {
        traffic->counts.unknown_frees++;
        return;
    }
    traffic->counts.order_changes += entry->order != event->order ? 1 : 0;
    free_block(traffic, entry);
}

void traffic_feed(struct traffic *traffic, const struct trace_event *events, size_t count)
{
    for (size_t i = 0; i < count && !traffic->sink.stopped(traffic->sink.context); i++) {
        traffic->counts.events++;
        if (events[i].is_free) {
            feed_free(traffic, &events[i]);
        } else {
            feed_alloc(traffic, &events[i]);
        }
    }
}

void traffic_print(FILE *out, const struct traffic_counts *counts)
{
    const struct {
        const char *name;
        uint64_t value;
    } lines[] = {
        {"events", counts->events},
        {"allocations", counts->allocs},
        {"frees", counts->frees},
        {"unknown frees", counts->unknown_frees},
        {"double allocations", counts->double_allocs},
        {"order changes", counts->order_changes},
        {"dropped", counts->dropped},
        {"live blocks at the end", counts->live_blocks},
        {"peak frames", counts->peak_frames},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        fprintf(out, "  %-24s %" PRIu64 "\n", lines[i].name, lines[i].value);
    }
}
