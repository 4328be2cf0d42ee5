/* SPDX-License-Identifier: MIT
 *
 * bench_contig.c: what frames in a row cost (requirement B6), in zones of 2^16 to 2^24 frames that
 * blocks of 1 to 64 frames fill to 1, 50 and 99 %: the time of alloc_contig() and free_contig(), or
 * of finding that there is no such run, beside a search that looks at frame after frame, which is
 * no more than the search.
 */
#include "fuzzers/simmem.h"
#include "fuzzers/subject.h"
#include "stress/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What a zone is filled to, in percent; PAIRS: every other pair of frames is free, the worst there
 * is for a search for three. */
enum { BLOCK_ORDERS = 7, PERCENT = 100, PAIRS = PERCENT + 1, FIGURES = 36 };

struct contig_memory {
    struct simmem mem;
    struct port port;
    void *instance;
    const struct subject *subject;
};

static void memory_expose(void *context, pfn_t pfn, uint64_t frames, bool zeroed)
{
    struct contig_memory *memory = context;
    simmem_expose(&memory->mem, pfn, frames, zeroed);
}

static void memory_conceal(void *context, pfn_t pfn, uint64_t frames)
{
    struct contig_memory *memory = context;
    simmem_conceal(&memory->mem, pfn, frames);
}

static bool memory_accept(void *context, pfn_t pfn, uint64_t frames)
{
    (void)context;
    (void)pfn;
    (void)frames;
    return true;
}

static void memory_open(struct contig_memory *memory, const char *subject,
                        const struct boot_map *map)
{
    *memory = (struct contig_memory){.subject = subject_find(subject)};
    memory->instance = aligned_alloc(64, (memory->subject->instance_bytes + 63) / 64 * 64);
    if (memory->instance == NULL || !simmem_open(&memory->mem, map)) {
        abort();
    }
    memory->port = (struct port){
        .context = memory,
        .direct_map = simmem_direct_map(&memory->mem),
        .expose = memory_expose,
        .conceal = memory_conceal,
        .accept = memory_accept,
    };
    if (memory->subject->open(memory->instance, &memory->port, map) != STATUS_OK) {
        abort();
    }
}

static void memory_close(struct contig_memory *memory)
{
    memory->subject->close(memory->instance);
    free(memory->instance);
    simmem_close(&memory->mem);
}

/* A zone of which parts are in use. */
struct contig_zone {
    struct contig_memory memory;
    pfn_t start;
    uint64_t frames;
    struct subject_block *blocks;
    uint64_t blocks_count;
    uint8_t *free; /* for each frame */
};

static void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static void mark(struct contig_zone *zone, const struct subject_block *block, uint8_t free)
{
    for (uint64_t i = 0; i < order_frames(block->order); i++) {
        zone->free[block->pfn - zone->start + i] = free;
    }
}

/* Frees block @index of those in use. */
static void zone_free(struct contig_zone *zone, uint64_t index)
{
    struct subject_block block = zone->blocks[index];
    zone->blocks[index] = zone->blocks[--zone->blocks_count];
    mark(zone, &block, 1);
    zone->memory.subject->free(zone->memory.instance, &block);
}

/* Takes all of zone 1, in blocks of @order, or where that is BLOCK_ORDERS, of any. */
static void zone_take_all(struct contig_zone *zone, order_t order, uint64_t *random)
{
    const struct subject *subject = zone->memory.subject;
    uint64_t used = 0;
    while (used < zone->frames) {
        struct subject_block *block = &zone->blocks[zone->blocks_count];
        order_t chance = (order_t)(bench_random(random) % BLOCK_ORDERS);
        struct subject_request request = {.order = order < BLOCK_ORDERS ? order : chance,
                                          .zone = 1};
        if (subject->alloc(zone->memory.instance, &request, block) != STATUS_OK) {
            /* The last frames may be short of large blocks. */
            request.order = 0;
            if (subject->alloc(zone->memory.instance, &request, block) != STATUS_OK) {
                abort();
            }
        }
        used += order_frames(request.order);
        zone->blocks_count++;
    }
}

/* Zone 1 is filled, and blocks by chance are freed until @percent of it are in use. Metadata has
 * zone 0. */
static void zone_open(struct contig_zone *zone, order_t order, unsigned percent, uint64_t seed)
{
    uint64_t random = seed;
    *zone = (struct contig_zone){.start = (pfn_t)1 << order, .frames = (uint64_t)1 << order};
    const struct boot_map map = {
        .zones_count = 2,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = zone->frames / 4, .zone = 0},
                   {.start = zone->start, .frames = zone->frames, .zone = 1}},
    };
    memory_open(&zone->memory, "core", &map);
    zone->blocks = allocate(zone->frames, sizeof(*zone->blocks));
    zone->free = allocate(zone->frames, 1);
    zone_take_all(zone, percent == PAIRS ? 1 : BLOCK_ORDERS, &random);
    if (percent == PAIRS) {
        for (uint64_t i = zone->blocks_count; i-- > 0;) {
            if (zone->blocks[i].pfn % 4 == 0) {
                zone_free(zone, i);
            }
        }
        return;
    }
    uint64_t used = zone->frames;
    while (used > zone->frames / PERCENT * percent) {
        uint64_t victim = bench_random(&random) % zone->blocks_count;
        used -= order_frames(zone->blocks[victim].order);
        zone_free(zone, victim);
    }
}

static void zone_close(struct contig_zone *zone)
{
    memory_close(&zone->memory);
    free(zone->blocks);
    free(zone->free);
}

/* Nanoseconds of a run of @units and its free; *@found: whether there is one. */
static double time_contig(const struct contig_zone *zone, uint64_t units, double seconds,
                          bool *found)
{
    const struct subject *subject = zone->memory.subject;
    struct contig_request request = {.units = units, .zone = 1};
    struct contig contig;
    uint64_t pairs = 0;
    double start = bench_now();
    double elapsed = 0;
    while (elapsed < seconds) {
        *found = subject->alloc_contig(zone->memory.instance, &request, &contig) == STATUS_OK;
        if (*found) {
            subject->free_contig(zone->memory.instance, &contig);
        }
        pairs++;
        elapsed = bench_now() - start;
    }
    return elapsed * 1e9 / (double)pairs;
}

/* The first run of free frames, or the number of frames. */
static uint64_t scan(const struct contig_zone *zone, uint64_t units)
{
    uint64_t length = 0;
    for (uint64_t at = 0; at < zone->frames; at++) {
        length = zone->free[at] != 0 ? length + 1 : 0;
        if (length == units) {
            return at + 1 - units;
        }
    }
    return zone->frames;
}

/* Nanoseconds of that search. */
static double time_scan(const struct contig_zone *zone, uint64_t units, double seconds, bool *found)
{
    uint64_t scans = 0;
    double start = bench_now();
    double elapsed = 0;
    while (elapsed < seconds) {
        *found = scan(zone, units) < zone->frames;
        scans++;
        elapsed = bench_now() - start;
    }
    return elapsed * 1e9 / (double)scans;
}

static json_t *bench_run(const struct contig_zone *zone, order_t order, unsigned percent,
                         uint64_t units, double seconds)
{
    bool found = false;
    bool scanned = false;
    double contig_ns = time_contig(zone, units, seconds / 2, &found);
    double scan_ns = time_scan(zone, units, seconds / 2, &scanned);
    if (found != scanned) {
        fprintf(stderr, "potad-bench: %" PRIu64 " frames: found %d, by scan %d\n", units, found,
                scanned);
        abort();
    }
    printf("  2^%-4u", order);
    if (percent == PAIRS) {
        printf("  pairs");
    } else {
        printf(" %5u%%", percent);
    }
    printf(" %8" PRIu64 " %6s %16.0f %16.0f %11.2f\n", units, found ? "yes" : "no", contig_ns,
           scan_ns, scan_ns / contig_ns);
    return json_pack("{s:i,s:i,s:I,s:b,s:f,s:f}", "zone_order", (int)order, "percent", (int)percent,
                     "units", (json_int_t)units, "found", found, "contig_ns", contig_ns, "scan_ns",
                     scan_ns);
}

json_t *bench_contig(const struct bench_options *options)
{
    static const order_t orders[] = {16, 20, 24};
    static const unsigned percents[] = {1, 50, 99, PAIRS};
    static const uint64_t units[] = {3, 8, 2048};
    json_t *results = json_array();
    puts("frames in a row, allocated and freed, beside a search frame by frame:");
    printf("  %-6s %6s %8s %6s %16s %16s %11s\n", "zone", "in use", "frames", "found",
           "contig+free, ns", "scan alone, ns", "scan/contig");
    for (unsigned i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        for (unsigned j = 0; j < sizeof(percents) / sizeof(percents[0]); j++) {
            struct contig_zone zone;
            zone_open(&zone, orders[i], percents[j], options->seed);
            for (unsigned k = 0; k < sizeof(units) / sizeof(units[0]); k++) {
                json_array_append_new(results, bench_run(&zone, orders[i], percents[j], units[k],
                                                         options->seconds / (double)FIGURES));
            }
            zone_close(&zone);
        }
    }
    return results;
}
