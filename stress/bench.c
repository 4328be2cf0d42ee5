/* SPDX-License-Identifier: MIT
 *
 * bench.c: potad-bench. Times move from machine to machine: compare figures of one run only.
 */
#include "stress/bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *name;
    json_t *(*run)(const struct bench_options *options);
    const char *summary;
} benches[] = {
    {"page", bench_page,
     "frame-table writes, time and cache lines of blocks, beside a textbook buddy"},
    {"range", bench_range,
     "the range tree beside Judy and a sorted array, 10^4 to 10^7 ranges (a minute, 1 GiB)"},
    {"fuzz", bench_fuzz, "cases a second of the executor, with model and faults"},
    {"contig", bench_contig, "frames in a row, found and cut out, beside a search frame by frame"},
};

enum { BENCHES = sizeof(benches) / sizeof(benches[0]) };

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"json", required_argument, NULL, 'j'},
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
        fprintf(out, "  %-6s %s\n", benches[i].name, benches[i].summary);
    }
    fputs("\n  --seconds S   measure each figure for about S seconds (default 1)\n"
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

/* Return: whether a bench is called @name; *@results has what it, or all, came to. */
static bool run_named(const char *name, const struct bench_options *bench, json_t *results)
{
    bool found = false;
    for (unsigned i = 0; i < BENCHES; i++) {
        if (strcmp(name, "all") == 0 || strcmp(name, benches[i].name) == 0) {
            json_object_set_new(results, benches[i].name, benches[i].run(bench));
            found = true;
        }
    }
    return found;
}

int main(int argc, char **argv)
{
    struct bench_options bench = {.seed = 1, .seconds = 1};
    const char *json = NULL;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        char *end = "";
        switch (option) {
        case 'h':
            usage(stdout);
            return 0;
        case 'j':
            json = optarg;
            break;
        case 's':
            bench.seed = strtoull(optarg, &end, 0);
            break;
        case 't':
            bench.seconds = strtod(optarg, &end);
            break;
        default:
            return usage_error("unknown option, or one without its value");
        }
        if (*end != '\0' || !(bench.seconds > 0)) {
            return usage_error("--seed and --seconds need numbers");
        }
    }
    if (optind + 1 != argc) {
        return usage_error("one BENCH is needed");
    }
    json_t *results = json_object();
    if (!run_named(argv[optind], &bench, results)) {
        json_decref(results);
        return usage_error("no such bench");
    }
    int status = 0;
    if (json != NULL && json_dump_file(results, json, JSON_INDENT(2)) != 0) {
        fprintf(stderr, "potad-bench: %s: cannot be written\n", json);
        status = 2;
    }
    json_decref(results);
    return status;
}
