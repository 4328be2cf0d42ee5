/* SPDX-License-Identifier: MIT
 *
 * bench_page_frames.c: what a single frame costs (requirement B1: the buddy allocator "touches too
 * many cache lines"): the lines of memory that an allocation and a free touch, and the time of
 * both, after various histories. Lines are counted in traced copies of what is timed.
 */
#include "stress/bench_page.h"

#include <stdio.h>

enum { FRAMES = 1 << BENCH_TOP_ORDER, COUNTED_MIN = 1 << 13 };

static const struct pattern {
    const char *name;
    const char *what;
    bool half_full;
    bool random;      /* which frames are freed; else, frees follow the allocations */
    unsigned batch;   /* operations of one kind in a row */
    unsigned repeats; /* rounds between two looks at the clock */
} patterns[] = {
    {"repeat", "a frame is taken and freed; all others are free", false, false, 1, 64},
    {"bulk", "4096 frames are taken, then freed in this order; all others are free", false, false,
     4096, 1},
    {"repeat, half full", "as repeat; half of all frames, at random, are taken", true, false, 1,
     64},
    {"random, half full", "1024 taken frames, at random, are freed, then as many taken", true, true,
     1024, 1},
};

enum { PATTERNS = sizeof(patterns) / sizeof(patterns[0]) };

/* Sums over as many allocations as frees. */
struct lines {
    uint64_t pairs;
    struct line_count alloc;
    struct line_count free;
};

struct cost {
    double ns; /* of an allocation and a free */
    struct lines lines;
};

/* Memory, and the blocks that are taken from it. */
struct frames {
    struct bench_memory memory;
    struct subject_block *blocks;
    uint64_t taken;
    uint64_t random;
    bool counting;
    struct lines lines; /* while counting */
};

static void frames_open(struct frames *frames, const struct subject *subject, uint64_t seed)
{
    *frames = (struct frames){.random = seed};
    bench_memory_open(&frames->memory, subject);
    frames->blocks = calloc(FRAMES, sizeof(frames->blocks[0]));
    if (frames->blocks == NULL) {
        abort();
    }
}

static void frames_close(struct frames *frames)
{
    free(frames->blocks);
    bench_memory_close(&frames->memory);
}

static void count_begin(const struct frames *frames)
{
    if (frames->counting) {
        bench_page_traced()->begin();
    }
}

static void count_end(const struct frames *frames, struct line_count *sum)
{
    if (frames->counting) {
        struct line_count count = bench_page_traced()->end();
        sum->touched += count.touched;
        sum->written += count.written;
    }
}

static void frames_alloc(struct frames *frames, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        count_begin(frames);
        bench_memory_take(&frames->memory, 0, &frames->blocks[frames->taken + i]);
        count_end(frames, &frames->lines.alloc);
    }
    frames->taken += count;
}

/* Frees the last @count blocks, the first of them first. */
static void frames_free(struct frames *frames, uint64_t count)
{
    frames->taken -= count;
    for (uint64_t i = 0; i < count; i++) {
        count_begin(frames);
        bench_memory_give(&frames->memory, &frames->blocks[frames->taken + i]);
        count_end(frames, &frames->lines.free);
    }
}

/* Moves @count of the blocks, drawn at random, behind the others. */
static void frames_draw(struct frames *frames, uint64_t count)
{
    for (uint64_t left = frames->taken; left > frames->taken - count; left--) {
        struct subject_block *last = &frames->blocks[left - 1];
        struct subject_block *drawn = &frames->blocks[bench_random(&frames->random) % left];
        struct subject_block swapped = *last;
        *last = *drawn;
        *drawn = swapped;
    }
}

static void frames_fill_half(struct frames *frames)
{
    frames_alloc(frames, FRAMES);
    frames_draw(frames, FRAMES / 2);
    frames_free(frames, FRAMES / 2);
}

/* As many allocations as frees: as many frames are taken as before. Return: their seconds. */
static double rounds_run(struct frames *frames, const struct pattern *pattern)
{
    if (pattern->random) {
        frames_draw(frames, pattern->batch);
    }
    double start = bench_now();
    for (unsigned i = 0; i < pattern->repeats; i++) {
        if (pattern->random) {
            frames_free(frames, pattern->batch);
            frames_alloc(frames, pattern->batch);
        } else {
            frames_alloc(frames, pattern->batch);
            frames_free(frames, pattern->batch);
        }
    }
    return bench_now() - start;
}

/* Nanoseconds of a pair. */
static double pattern_time(struct frames *frames, const struct pattern *pattern, double seconds)
{
    uint64_t pairs = 0;
    double elapsed = 0;
    while (elapsed < seconds) {
        elapsed += rounds_run(frames, pattern);
        pairs += (uint64_t)pattern->repeats * pattern->batch;
    }
    return elapsed * 1e9 / (double)pairs;
}

static struct lines pattern_count(struct frames *frames, const struct pattern *pattern)
{
    frames->lines = (struct lines){.pairs = 0};
    frames->counting = true;
    while (frames->lines.pairs < COUNTED_MIN) {
        (void)rounds_run(frames, pattern);
        frames->lines.pairs += (uint64_t)pattern->repeats * pattern->batch;
    }
    frames->counting = false;
    return frames->lines;
}

/* Brings @frames to where @pattern begins. */
static void pattern_prepare(struct frames *frames, const struct pattern *pattern)
{
    if (pattern->half_full && frames->taken == 0) {
        frames_fill_half(frames);
    }
    /* What is made once, such as slabs of descriptors, is there from here on. */
    (void)rounds_run(frames, pattern);
}

/* Times the allocators in turn, several times, so that a busy moment of the machine does not hit
 * one alone, and takes the best. */
static void pattern_time_all(struct frames *frames, const struct pattern *pattern, double seconds,
                             struct cost *costs)
{
    enum { TURNS = 5 };
    for (unsigned turn = 0; turn < TURNS; turn++) {
        for (unsigned peer = 0; peer < PEERS; peer++) {
            double ns =
                pattern_time(&frames[peer], pattern, seconds / ((double)PEERS * (double)TURNS));
            costs[peer].ns = turn == 0 || ns < costs[peer].ns ? ns : costs[peer].ns;
        }
    }
}

static double lines_mean(uint64_t sum, const struct lines *lines)
{
    return (double)sum / (double)lines->pairs;
}

static json_t *cost_report(const struct pattern *pattern, const char *peer, const struct cost *cost,
                           double textbook_ns)
{
    const struct lines *lines = &cost->lines;
    printf("  %-18s %-16s", pattern->name, peer);
    json_t *row = json_pack("{s:s,s:s,s:f}", "pattern", pattern->name, "allocator", peer, "pair_ns",
                            cost->ns);
    if (lines->pairs > 0) {
        double alloc = lines_mean(lines->alloc.touched, lines);
        double alloc_written = lines_mean(lines->alloc.written, lines);
        double freed = lines_mean(lines->free.touched, lines);
        double freed_written = lines_mean(lines->free.written, lines);
        printf(" %8.1f %8.1f %8.1f %8.1f", alloc, alloc_written, freed, freed_written);
        json_t *means =
            json_pack("{s:f,s:f,s:f,s:f}", "alloc_lines", alloc, "alloc_lines_written",
                      alloc_written, "free_lines", freed, "free_lines_written", freed_written);
        json_object_update_new(row, means);
    } else {
        printf(" %8s %8s %8s %8s", "-", "-", "-", "-");
    }
    printf(" %10.1f %7.2f\n", cost->ns, cost->ns / textbook_ns);
    return row;
}

static void legend_print(void)
{
    printf(
        "one frame of 2^%d: the lines of %d bytes that its allocation touches, and those of them "
        "that are\nwritten; the same of its free; the stack is left out. The time of both; "
        "ratio: to that of the\ntextbook buddy, 24 bytes a frame; textbook-cached: the same "
        "behind a cache of up to 186 frames.\n",
        BENCH_TOP_ORDER, LINE_TRACE_BYTES);
    for (unsigned i = 0; i < PATTERNS; i++) {
        printf("  %-18s %s\n", patterns[i].name, patterns[i].what);
    }
    if (bench_page_traced() == NULL) {
        puts("lines are not counted in this build: use the preset release");
    }
    printf("\n  %-18s %-16s %8s %8s %8s %8s %10s %7s\n", "pattern", "allocator", "alloc", "written",
           "free", "written", "pair, ns", "ratio");
}

json_t *bench_page_frames(const struct bench_options *options)
{
    const struct bench_page_traced *traced = bench_page_traced();
    struct frames timed[PEERS];
    struct frames counted[PEERS];
    json_t *rows = json_array();
    legend_print();
    for (unsigned peer = 0; peer < PEERS; peer++) {
        frames_open(&timed[peer], bench_page_peers[peer], options->seed);
        if (traced != NULL) {
            frames_open(&counted[peer], traced->peers[peer], options->seed);
        }
    }
    for (unsigned i = 0; i < PATTERNS; i++) {
        struct cost costs[PEERS] = {{.ns = 0}};
        for (unsigned peer = 0; peer < PEERS; peer++) {
            pattern_prepare(&timed[peer], &patterns[i]);
            if (traced != NULL) {
                pattern_prepare(&counted[peer], &patterns[i]);
                costs[peer].lines = pattern_count(&counted[peer], &patterns[i]);
            }
        }
        pattern_time_all(timed, &patterns[i], options->seconds / (double)PATTERNS, costs);
        for (unsigned peer = 0; peer < PEERS; peer++) {
            json_array_append_new(rows, cost_report(&patterns[i], bench_page_peers[peer]->name,
                                                    &costs[peer], costs[PEER_TEXTBOOK].ns));
        }
    }
    for (unsigned peer = 0; peer < PEERS; peer++) {
        frames_close(&timed[peer]);
        if (traced != NULL) {
            frames_close(&counted[peer]);
        }
    }
    return rows;
}
