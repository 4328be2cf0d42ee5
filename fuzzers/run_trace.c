/* SPDX-License-Identifier: MIT
 *
 * run_trace.c: a kernel trace on subject and model.
 */
#include "fuzzers/run_trace.h"

#include "fuzzers/harness.h"
#include "fuzzers/input.h"
#include "fuzzers/potad_case.h"
#include "fuzzers/traffic.h"

#include <inttypes.h>
#include <sys/resource.h>
#include <time.h>

enum {
    TRACE_BLOCKS = 1 << 22,
    BATCH_EVENTS = 4096, /* read ahead, so that reading and running are timed apart */
    SPACE = 0            /* the number of the space, if there is one */
};

static double now_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* The machine that the shipped trace was recorded on: zones DMA, DMA32, Normal. */
static const struct boot_map trace_map = {
    .zones_count = 3,
    .ranges_count = 4,
    .zones = {{.zone_class = ZONE_NORMAL},
              {.zone_class = ZONE_NORMAL},
              {.zone_class = ZONE_NORMAL}},
    .ranges = {{.start = 0x1, .frames = 0x9e, .zone = 0},
               {.start = 0x100, .frames = 0xf00, .zone = 0},
               {.start = 0x1000, .frames = 0xbf000, .zone = 1},
               {.start = 0x100000, .frames = 0x540000, .zone = 2}},
};

struct trace_runner {
    struct harness harness;
    const struct trace_options *options;
};

static struct trace_runner the_runner;

/* The zone that @pfn lies in in this run's map, if any: there its block is wanted. */
static zone_id_t zone_of(const struct boot_map *map, pfn_t pfn)
{
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        if (pfn - map->ranges[i].start < map->ranges[i].frames) {
            return map->ranges[i].zone;
        }
    }
    return ZONE_ANY;
}

static void operation_ended(struct trace_runner *runner)
{
    struct harness *harness = &runner->harness;
    const struct trace_options *options = runner->options;
    if (options->validate_period != 0 && harness->operations % options->validate_period == 0) {
        harness_validate(harness);
    }
    if (options->watch != NULL) {
        options->watch(options->watch_context, harness, false);
    }
}

static bool sink_alloc(void *context, const struct trace_event *event, uint32_t number)
{
    struct trace_runner *runner = context;
    struct subject_request request = {
        .order = event->order,
        .zone = zone_of(&runner->harness.model.map, event->pfn),
        .migratetype = event->migratetype < MIGRATETYPES ? (enum migratetype)event->migratetype
                                                         : MIGRATE_UNMOVABLE,
    };
    bool granted = harness_alloc(&runner->harness, &request, number);
    operation_ended(runner);
    return granted;
}

static void sink_free(void *context, uint32_t number)
{
    struct trace_runner *runner = context;
    harness_free(&runner->harness, number);
    operation_ended(runner);
}

/* The same in a space: what the trace did with frames is done with units. */
static bool sink_space_alloc(void *context, const struct trace_event *event, uint32_t number)
{
    struct trace_runner *runner = context;
    bool granted = harness_space_alloc(&runner->harness, SPACE, event->order, number);
    operation_ended(runner);
    return granted;
}

static void sink_space_free(void *context, uint32_t number)
{
    struct trace_runner *runner = context;
    harness_space_free(&runner->harness, number);
    operation_ended(runner);
}

/* Makes the space. Return: whether there is one; if not, there was no memory for it. */
static bool space_begin(struct trace_runner *runner, uint64_t units)
{
    struct harness *harness = &runner->harness;
    const struct unit_range range = {0, units};
    const struct subject_space_config config = {
        .unit_shift = FRAME_SHIFT,
        .ranges = &range,
        .ranges_count = 1,
        .descriptor_bytes = harness->subject->spaces->own_bytes,
    };
    harness_space_add(harness, SPACE, &config);
    return harness->spaces.spaces[SPACE].used;
}

static void space_end(struct harness *harness)
{
    for (uint32_t i = 0; i < harness->spaces.blocks_end && !harness_violated(harness); i++) {
        if (harness->spaces.blocks[i].used) {
            harness_space_free(harness, i);
        }
    }
    if (harness->spaces.spaces[SPACE].used && !harness_violated(harness)) {
        harness_space_remove(harness, SPACE);
    }
}

static bool sink_stopped(void *context)
{
    const struct trace_runner *runner = context;
    return harness_violated(&runner->harness);
}

/* Frees what the trace left, and checks that memory is whole. */
static void trace_tear_down(struct trace_runner *runner)
{
    struct harness *harness = &runner->harness;
    space_end(harness);
    for (uint32_t i = 0; harness->blocks_used > 0 && !harness_violated(harness); i++) {
        if (harness->blocks[i].used) {
            harness_free(harness, i);
        }
    }
    if (!harness_violated(harness)) {
        harness_shrink(harness);
    }
    harness_validate(harness);
    harness_check_whole(harness);
}

struct run_times {
    double reading;
    double running;
};

/* Runs all events, a batch at a time. Return: false at an error in the trace. */
static bool run_events(struct trace *trace, struct traffic *traffic,
                       const struct trace_runner *runner, struct run_times *times)
{
    static struct trace_event batch[BATCH_EVENTS];
    enum trace_result result = TRACE_EVENT;
    while (result == TRACE_EVENT && !harness_violated(&runner->harness)) {
        double start = now_seconds();
        size_t count = 0;
        while (count < BATCH_EVENTS && (result = trace_next(trace, &batch[count])) == TRACE_EVENT) {
            count++;
        }
        double read = now_seconds();
        traffic_feed(traffic, batch, count);
        times->reading += read - start;
        times->running += now_seconds() - read;
    }
    return result != TRACE_ERROR;
}

static double events_a_second(const struct traffic *traffic, const struct run_times *times)
{
    return times->running > 0 ? (double)traffic_counts(traffic)->events / times->running : 0;
}

static void print_results(const char *path, const struct trace *trace,
                          const struct traffic *traffic, const struct run_times *times)
{
    struct rusage usage;
    const struct traffic_counts *counts = traffic_counts(traffic);
    getrusage(RUSAGE_SELF, &usage);
    printf("%s:\n", path);
    traffic_print(stdout, counts);
    printf("  %-24s %" PRIu64 "\n", "lost by the kernel", trace_counts(trace)->lost_events);
    printf("  %-24s %.3f\n", "seconds reading", times->reading);
    printf("  %-24s %.3f\n", "seconds running", times->running);
    printf("  %-24s %.0f\n", "events a second running", events_a_second(traffic, times));
    printf("  %-24s %.1f\n", "peak memory, MiB", (double)usage.ru_maxrss / 1024);
}

static json_t *pack_results(const char *path, const struct traffic *traffic,
                            const struct run_times *times)
{
    const struct traffic_counts *counts = traffic_counts(traffic);
    return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f}", "trace", path, "events",
                     (json_int_t)counts->events, "allocations", (json_int_t)counts->allocs, "frees",
                     (json_int_t)counts->frees, "unknown_frees", (json_int_t)counts->unknown_frees,
                     "double_allocations", (json_int_t)counts->double_allocs, "dropped",
                     (json_int_t)counts->dropped, "live_blocks", (json_int_t)counts->live_blocks,
                     "peak_frames", (json_int_t)counts->peak_frames, "seconds_reading",
                     times->reading, "seconds_running", times->running, "events_per_second",
                     events_a_second(traffic, times));
}

/* Says on stderr what ended the run early, if anything did. Return: an exit status. */
static int run_status(const struct trace_options *options, const struct traffic *traffic,
                      const struct trace *trace, bool booted, bool good)
{
    const struct report *report = &the_runner.harness.report;
    const char *command = options->command == NULL ? "run" : options->command;
    if (options->report != NULL) {
        *options->report = *report;
    }
    if (harness_violated(&the_runner.harness)) {
        fprintf(stderr, "potad: violated: %s: %s\npotad:   %s\npotad:   event %" PRIu64 " of %s\n",
                report->name, report->sentence, report->detail, traffic_counts(traffic)->events,
                options->path);
        return EXIT_VIOLATION;
    }
    if (!booted) {
        fprintf(stderr, "potad-case %s: the map has no room for metadata%s\n", command,
                options->space_units > 0 ? ", the space's included" : "");
        return EXIT_INCONCLUSIVE;
    }
    if (!good) {
        fprintf(stderr, "potad-case %s: %s\n", command, trace_error(trace));
        return EXIT_BAD_INPUT;
    }
    return EXIT_NOTHING_FOUND;
}

int run_trace(const struct trace_options *options, json_t **results)
{
    char error[TRACE_ERROR_MAX];
    bool space = options->space_units > 0;
    struct traffic_sink sink = {&the_runner, space ? sink_space_alloc : sink_alloc,
                                space ? sink_space_free : sink_free, sink_stopped};
    struct run_times times = {0};
    struct trace *trace = trace_open(options->path, error);
    *results = NULL;
    if (trace == NULL) {
        fprintf(stderr, "potad-case %s: %s\n", options->command == NULL ? "run" : options->command,
                error);
        return EXIT_BAD_INPUT;
    }
    the_runner.options = options;
    harness_init(&the_runner.harness, options->subject, TRACE_BLOCKS);
    struct traffic *traffic = traffic_open(TRACE_BLOCKS, &sink);
    bool booted =
        harness_boot(&the_runner.harness, options->map == NULL ? &trace_map : options->map);
    booted = booted && (!space || space_begin(&the_runner, options->space_units));
    bool good = !booted || run_events(trace, traffic, &the_runner, &times);
    if (booted && options->watch != NULL) {
        options->watch(options->watch_context, &the_runner.harness, true);
    }
    if (booted && !harness_violated(&the_runner.harness)) {
        harness_validate(&the_runner.harness);
        if (options->watch == NULL) {
            print_results(options->path, trace, traffic, &times);
        }
        *results = pack_results(options->path, traffic, &times);
        trace_tear_down(&the_runner);
    }
    int status = run_status(options, traffic, trace, booted, good);
    traffic_close(traffic);
    harness_close(&the_runner.harness);
    trace_close(trace);
    return status;
}
