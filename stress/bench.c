/* SPDX-License-Identifier: MIT
 *
 * bench.c: potad-bench. Times move from machine to machine: compare figures of one run only.
 */
#include "stress/bench.h"
#include "stress/bench_malloc.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A part can be run by itself. */
struct part {
    const char *name;
    json_t *(*run)(const struct bench_options *options);
    const char *summary;
};

static const struct part parts_page[] = {
    {"orders", bench_page_orders, "words written into the frame table, and time, by order"},
    {"frames", bench_page_frames, "cache lines and time of a frame, beside a textbook buddy"},
    {"peers", bench_race_page, "blocks of --arena, beside a textbook buddy and four mallocs"},
    {"threads", bench_threads_page, "two threads, each with its own frames, or handing them over"},
    {"metadata", bench_metadata, "bytes a frame of --arena, by what is in use"},
    {NULL, NULL, NULL},
};

static const struct part parts_slab[] = {
    {"peers", bench_race_slab, "objects of 64, 256 and 1024 bytes, beside four mallocs"},
    {"threads", bench_threads_slab, "two threads, each with its own objects, or handing them over"},
    {NULL, NULL, NULL},
};

static const struct bench {
    const char *name;
    const struct part *parts;                            /* or */
    json_t *(*run)(const struct bench_options *options); /* all of it */
    const char *summary;
} benches[] = {
    {"page", parts_page, NULL, "blocks of frames"},
    {"slab", parts_slab, NULL, "objects of equal size"},
    {"range", NULL, bench_range,
     "the range tree beside Judy and a sorted array, 10^4 to 10^7 ranges (a minute, 1 GiB)"},
    {"fuzz", NULL, bench_fuzz, "cases a second of the executor, with model and faults"},
    {"contig", NULL, bench_contig,
     "frames in a row, found and cut out, beside a search frame by frame"},
};

enum { BENCHES = sizeof(benches) / sizeof(benches[0]) };

enum { ARENA_ORDER_MIN = 14, ARENA_ORDER_MAX = 24, GIB_ORDER = 18 };

static const struct option options[] = {
    {"arena", required_argument, NULL, 'a'},
    {"help", no_argument, NULL, 'h'},
    {"json", required_argument, NULL, 'j'},
    {"part", required_argument, NULL, 'p'},
    {"seed", required_argument, NULL, 's'},
    {"seconds", required_argument, NULL, 't'},
    {NULL, 0, NULL, 0},
};

double bench_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void usage(FILE *out)
{
    fputs("usage: potad-bench [OPTION]... BENCH|all\n\n", out);
    for (unsigned i = 0; i < BENCHES; i++) {
        fprintf(out, "  %-8s %s\n", benches[i].name, benches[i].summary);
        for (const struct part *part = benches[i].parts; part != NULL && part->name != NULL;
             part++) {
            fprintf(out, "    %-8s %s\n", part->name, part->summary);
        }
    }
    fputs(
        "\n  --part NAME   only this part of the bench, one of those below its name\n"
        "  --arena GIB   a power of two from 1/16 (0.0625) to 64 (default 1); the mallocs, which\n"
        "                need memory for it, get 1 GiB at most\n"
        "  --seconds S   measure each figure for about S seconds (default 1)\n"
        "  --seed N      of all random choices (default 1)\n"
        "  --json FILE   write the results as JSON, too\n\n"
        "Exit status: 0, or 2 for bad usage.\n",
        out);
}

static int usage_error(const char *reason)
{
    fprintf(stderr, "potad-bench: %s; see 'potad-bench --help'\n", reason);
    return 2;
}

/* Return: what @part of @bench, or where that is NULL, what all of it came to; NULL where there is
 * no such part. */
static json_t *bench_run(const struct bench *bench, const char *part_name,
                         const struct bench_options *bench_options)
{
    if (bench->parts == NULL) {
        return part_name == NULL ? bench->run(bench_options) : NULL;
    }
    json_t *results = NULL;
    for (const struct part *part = bench->parts; part->name != NULL; part++) {
        if (part_name == NULL || strcmp(part_name, part->name) == 0) {
            if (results == NULL) {
                results = json_object();
            } else {
                puts("");
            }
            json_object_set_new(results, part->name, part->run(bench_options));
        }
    }
    return results;
}

/* Return: whether there is a bench called @name, with such a part; *@results has what it, or all,
 * came to. */
static bool run_named(const char *name, const char *part, const struct bench_options *bench,
                      json_t *results)
{
    bool found = false;
    for (unsigned i = 0; i < BENCHES; i++) {
        if (strcmp(name, "all") == 0 || strcmp(name, benches[i].name) == 0) {
            json_t *result = bench_run(&benches[i], part, bench);
            if (result != NULL) {
                json_object_set_new(results, benches[i].name, result);
                found = true;
            }
        }
    }
    return found;
}

/* *@frames: of an arena of @gib. Return: whether there can be one. */
static bool arena_parse(double gib, uint64_t *frames)
{
    for (unsigned order = ARENA_ORDER_MIN; order <= ARENA_ORDER_MAX; order++) {
        *frames = (uint64_t)1 << order;
        if (gib == ldexp(1, (int)order - GIB_ORDER)) {
            return true;
        }
    }
    return false;
}

/* What the command line says. */
struct command {
    struct bench_options bench;
    double arena_gib;
    const char *part;
    const char *json;
    bool help;
};

/* Return: NULL, or what is wrong with it. */
static const char *command_parse(struct command *command, int argc, char **argv)
{
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        char *end = "";
        switch (option) {
        case 'a':
            command->arena_gib = strtod(optarg, &end);
            break;
        case 'h':
            command->help = true;
            break;
        case 'j':
            command->json = optarg;
            if (strcmp(optarg, "-") == 0) {
                return "--json needs a FILE: standard output has the text";
            }
            break;
        case 'p':
            command->part = optarg;
            break;
        case 's':
            command->bench.seed = strtoull(optarg, &end, 0);
            break;
        case 't':
            command->bench.seconds = strtod(optarg, &end);
            break;
        default:
            return "unknown option, or one without its value";
        }
        if (*end != '\0' || !(command->bench.seconds > 0)) {
            return "--arena, --seed and --seconds need numbers";
        }
    }
    if (!arena_parse(command->arena_gib, &command->bench.arena_frames)) {
        return "--arena needs a power of two from 0.0625 to 64";
    }
    return optind + 1 == argc || command->help ? NULL : "one BENCH is needed";
}

int main(int argc, char **argv)
{
    struct command command = {.bench = {.seed = 1, .seconds = 1}, .arena_gib = 1};
    const char *wrong = command_parse(&command, argc, argv);
    if (wrong != NULL) {
        return usage_error(wrong);
    }
    if (command.help) {
        usage(stdout);
        return 0;
    }
    bench_malloc_restart(argv);
    json_t *results = json_object();
    if (!run_named(argv[optind], command.part, &command.bench, results)) {
        json_decref(results);
        return usage_error("no such bench, or no such part of it");
    }
    int status = 0;
    if (command.json != NULL && json_dump_file(results, command.json, JSON_INDENT(2)) != 0) {
        fprintf(stderr, "potad-bench: %s: cannot be written\n", command.json);
        status = 2;
    }
    json_decref(results);
    return status;
}
