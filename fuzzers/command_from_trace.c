/* SPDX-License-Identifier: MIT
 *
 * command_from_trace.c: potad-case from-trace: cuts cases out of a kernel trace.
 */
#include "fuzzers/case.h"
#include "fuzzers/potad_case.h"
#include "fuzzers/traffic.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

struct cut_options {
    const char *output;
    uint64_t skip;
    uint64_t ops;
    uint64_t frames;
};

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},         {"skip", required_argument, NULL, 's'},
    {"ops", required_argument, NULL, 'n'},    {"frames", required_argument, NULL, 'f'},
    {"output", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0},
};

static void usage(void)
{
    puts("usage: potad-case from-trace [OPTION]... TRACE\n\n"
         "Turns page events of a kernel trace (ftrace text, plain, .gz, .xz, or - for standard\n"
         "input) into a text case. Blocks of the trace become slots; frees of blocks that were\n"
         "allocated before the cut are left out, and counted on stderr.\n\n"
         "  --skip N      leave out the first N events (default 0)\n"
         "  --ops N       stop after N operations (default 64)\n"
         "  --frames N    frames of the case's memory (default 512)\n"
         "  -o, --output FILE   write there instead of to standard output\n\n"
         "To run a whole trace at once: potad-case run --trace TRACE");
}

struct cutter {
    struct program program;
    uint64_t ops;
};

static bool sink_alloc(void *context, const struct trace_event *event, uint32_t number)
{
    struct cutter *cutter = context;
    program_add(&cutter->program,
                (struct case_op){
                    .op = OP_ALLOC,
                    .slot = (uint16_t)number,
                    .order = (uint8_t)event->order,
                    .zone = (uint8_t)ZONE_ANY,
                    .type = event->migratetype < MIGRATETYPES ? (uint8_t)event->migratetype : 0,
                });
    return true;
}

static void sink_free(void *context, uint32_t number)
{
    struct cutter *cutter = context;
    program_add(&cutter->program, (struct case_op){.op = OP_FREE, .slot = (uint16_t)number});
}

static bool sink_stopped(void *context)
{
    const struct cutter *cutter = context;
    return cutter->program.ops_count >= cutter->ops;
}

/* Two zones with uneven edges, the first an eighth of the whole. */
static void make_map(struct boot_map *map, uint64_t frames)
{
    uint64_t low = frames / 8 + 1;
    *map = (struct boot_map){
        .zones_count = 2,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 1, .frames = low, .zone = 0},
                   {.start = low + 4, .frames = frames - low, .zone = 1}},
    };
}

/* Reads the wanted events. Return: false at an error in the trace. */
static bool cut(struct trace *trace, const struct cut_options *cutting, struct cutter *cutter)
{
    struct trace_event event;
    struct traffic_sink sink = {cutter, sink_alloc, sink_free, sink_stopped};
    struct traffic *traffic = traffic_open(CASE_SLOTS_MAX, &sink);
    enum trace_result result = TRACE_EVENT;
    for (uint64_t i = 0; i < cutting->skip && result == TRACE_EVENT; i++) {
        result = trace_next(trace, &event);
    }
    while (result == TRACE_EVENT && !sink_stopped(cutter)) {
        result = trace_next(trace, &event);
        if (result == TRACE_EVENT) {
            traffic_feed(traffic, &event, 1);
        }
    }
    const struct traffic_counts *counts = traffic_counts(traffic);
    if (result != TRACE_ERROR) {
        fprintf(stderr,
                "%llu events: %llu frees of unknown frames left out, %llu double allocations\n",
                (unsigned long long)counts->events, (unsigned long long)counts->unknown_frees,
                (unsigned long long)counts->double_allocs);
    }
    traffic_close(traffic);
    return result != TRACE_ERROR;
}

/* As few slots as the operations name. */
static void fit_slots(struct program *program)
{
    program->slots = CASE_SLOTS_MIN;
    for (uint32_t i = 0; i < program->ops_count; i++) {
        while (program->slots <= program->ops[i].slot) {
            program->slots *= 2;
        }
    }
}

static int write_case(const struct cut_options *cutting, const char *path,
                      const struct program *program)
{
    FILE *file = cutting->output == NULL ? stdout : fopen(cutting->output, "w");
    bool written = file != NULL;
    if (written) {
        const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
        fprintf(file, "# %u operations of %s, from event %llu on.\n", program->ops_count, name,
                (unsigned long long)cutting->skip);
        case_print(file, program);
        written = !ferror(file);
    }
    written = written && (file == stdout ? fflush(file) : fclose(file)) == 0;
    if (!written) {
        fprintf(stderr, "potad-case from-trace: %s: %s\n",
                cutting->output == NULL ? "standard output" : cutting->output, strerror(errno));
    }
    return written ? EXIT_NOTHING_FOUND : EXIT_BAD_INPUT;
}

static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0' && *number >= least && *number <= most;
}

/* Return: NULL, or what is wrong. */
static const char *take_option(struct cut_options *cutting, int option)
{
    switch (option) {
    case 's':
        return parse_number(optarg, 0, UINT64_MAX, &cutting->skip) ? NULL : "--skip needs a number";
    case 'n':
        return parse_number(optarg, 1, UINT32_MAX, &cutting->ops)
                   ? NULL
                   : "--ops needs a number, 1 or more";
    case 'f':
        return parse_number(optarg, 16, UINT32_MAX, &cutting->frames)
                   ? NULL
                   : "--frames needs a number, 16 or more";
    case 'o':
        cutting->output = optarg;
        return NULL;
    default:
        return "unknown option, or one without its value";
    }
}

int command_from_trace(int argc, char **argv)
{
    struct cut_options cutting = {.ops = 64, .frames = 512};
    struct cutter cutter = {0};
    char error[TRACE_ERROR_MAX];
    int option;
    while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
        if (option == 'h') {
            usage();
            return EXIT_NOTHING_FOUND;
        }
        const char *wrong = take_option(&cutting, option);
        if (wrong != NULL) {
            return usage_error("from-trace", option == '?' ? unknown_option(argv) : optarg, wrong);
        }
    }
    if (optind + 1 != argc) {
        return usage_error("from-trace", NULL, "one TRACE is needed");
    }
    struct trace *trace = trace_open(argv[optind], error);
    if (trace == NULL) {
        fprintf(stderr, "potad-case from-trace: %s\n", error);
        return EXIT_BAD_INPUT;
    }
    cutter.ops = cutting.ops;
    make_map(&cutter.program.map, cutting.frames);
    int status = EXIT_BAD_INPUT;
    if (!cut(trace, &cutting, &cutter)) {
        fprintf(stderr, "potad-case from-trace: %s\n", trace_error(trace));
    } else {
        fit_slots(&cutter.program);
        status = write_case(&cutting, argv[optind], &cutter.program);
    }
    program_free(&cutter.program);
    trace_close(trace);
    return status;
}
