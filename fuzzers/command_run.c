/* SPDX-License-Identifier: MIT
 *
 * command_run.c: potad-case run.
 */
#include "fuzzers/executor.h"
#include "fuzzers/input.h"
#include "fuzzers/json_text.h"
#include "fuzzers/potad_case.h"
#include "fuzzers/run_trace.h"
#include "fuzzers/sweep/fault_matrix.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_OPS = 8 };

struct run_options {
    const struct subject *subject;
    const struct case_limits *limits; /* for files that are no cases; NULL: they are errors */
    const char *trace;
    const char *map;
    const char *json;
    uint64_t space_units;
    uint32_t validate_period;
    bool twice;
    bool matrix;
};

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},        {"subject", required_argument, NULL, 's'},
    {"raw", no_argument, NULL, 'r'},         {"target", required_argument, NULL, 't'},
    {"trace", required_argument, NULL, 'T'}, {"map", required_argument, NULL, 'm'},
    {"space", required_argument, NULL, 'u'}, {"validate", required_argument, NULL, 'v'},
    {"json", required_argument, NULL, 'j'},  {"twice", no_argument, NULL, 'w'},
    {"matrix", no_argument, NULL, 'M'},      {NULL, 0, NULL, 0},
};

static void usage(void)
{
    puts("usage: potad-case run [OPTION]... FILE...\n"
         "       potad-case run [OPTION]... --trace FILE\n\n"
         "Runs cases, text or binary, or the page events of a kernel trace (ftrace text, plain,\n"
         ".gz, .xz, or - for standard input) on an allocator and on the model, and compares them\n"
         "after every operation.\n\n"
         "  --subject NAME   the allocator under test (default core; see potad-case list)\n"
         "  --validate N     full validation every N operations (default: at the end only)\n"
         "  --twice          run each case twice; it must end in the same state\n"
         "  --matrix         print how often each operation reached each fault site, and failed "
         "there\n"
         "  --raw            take a file that is no case as bytes that a fuzz target was given\n"
         "  --target NAME    that target (default page_fuzzer); implies --raw\n"
         "  --map FILE       with --trace: the memory map: that of a case, or a machine's (see "
         "potad-case\n"
         "                   map --help; default: 24 GiB with a hole from 3 to 4 GiB)\n"
         "  --space UNITS    with --trace: in a space of so many units of 4 KiB that owns no "
         "memory\n"
         "                   (swap), not in memory: that holds the descriptors only\n"
         "  --json FILE      write the results as JSON\n\n"
         "Exit status: 0 nothing found, 1 a violation was found, 2 bad usage or bad input,\n"
         "3 a case or trace did not run, because its map has no room for metadata.");
}

static bool parse_units(const char *text, uint64_t *units)
{
    char *end;
    errno = 0;
    *units = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0' && *units > 0 && *text != '-';
}

/* Takes one option. Return: NULL, or what is wrong with it. */
static const char *take_option(struct run_options *run, int option)
{
    switch (option) {
    case 's':
        run->subject = subject_find(optarg);
        return run->subject == NULL ? "no such subject" : NULL;
    case 'r':
        run->limits = run->limits == NULL ? &case_limits_page : run->limits;
        return NULL;
    case 't':
        run->limits = case_limits_find(optarg);
        return run->limits == NULL ? "no such target" : NULL;
    case 'T':
        run->trace = optarg;
        return NULL;
    case 'm':
        run->map = optarg;
        return NULL;
    case 'u':
        return parse_units(optarg, &run->space_units) ? NULL : "--space needs a number of units";
    case 'v':
        return parse_count(optarg, &run->validate_period) ? NULL : "--validate needs a number";
    case 'w':
        run->twice = true;
        return NULL;
    case 'M':
        run->matrix = true;
        return NULL;
    case 'j':
        run->json = optarg;
        return strcmp(optarg, "-") == 0 ? JSON_NEEDS_A_FILE : NULL;
    default:
        return "unknown option, or one without its value";
    }
}

/* Puts what became of the case @path into @cases; @executor and @program: NULL, it is none. */
static void tell_case(json_t *cases, const char *path, const struct executor *executor,
                      const struct program *program, int status)
{
    json_t *told = json_pack("{s:o,s:b,s:n,s:n,s:n}", "file", json_text(path), "ran",
                             status == EXIT_NOTHING_FOUND || status == EXIT_VIOLATION, "operations",
                             "violated", "op");
    if (program != NULL) {
        json_object_set_new(told, "operations", json_integer(program->ops_count));
    }
    if (status == EXIT_VIOLATION) {
        json_object_set_new(told, "violated", json_string(executor->harness.report.name));
        json_object_set_new(told, "op", json_integer(executor->op_index));
    }
    json_array_append_new(cases, told);
}

/* Runs one case. Return: an exit status. */
static int run_case(struct executor *executor, const struct run_options *run, const char *path,
                    json_t *cases)
{
    struct program program;
    int status = EXIT_BAD_INPUT;
    program_init(&program);
    if (input_read_case(path, run->limits, &program)) {
        bool good =
            run->twice ? executor_run_twice(executor, &program) : executor_run(executor, &program);
        status = good ? EXIT_NOTHING_FOUND : EXIT_VIOLATION;
        if (good && !executor->harness.opened) {
            printf("%s: nothing was run: the map has no room for metadata\n", path);
            status = EXIT_INCONCLUSIVE;
        } else if (good) {
            printf("%s: %u operations, state %016" PRIx64 "\n", path, program.ops_count,
                   executor->state_hash);
        } else {
            fprintf(stderr, "potad: %s\n", path);
            executor_print_violation(stderr, executor, &program, SHOWN_OPS);
        }
        tell_case(cases, path, executor, &program, status);
    } else {
        tell_case(cases, path, NULL, NULL, status);
    }
    program_free(&program);
    return status;
}

/* What the programs that were run have come to, in steps. */
static void matrix_fill(struct fault_matrix *matrix, const struct fault_plan *plan)
{
    *matrix = (struct fault_matrix){0};
    for (unsigned op = 0; op <= OPS; op++) {
        for (unsigned site = 0; site < FAULT_SITES; site++) {
            for (unsigned mode = 0; mode < FAULT_MODES; mode++) {
                uint64_t failed = plan->failed[op][site][mode];
                matrix->cells[op][site][mode] =
                    (struct fault_cell){plan->reached[op][site], failed, failed};
            }
        }
    }
}

/* Prints how often each fault site was reached, and how often it was made to fail. */
static void report_faults(const struct fault_matrix *matrix, json_t *results)
{
    json_t *sites = json_array();
    printf("%-12s %10s %10s\n", "fault site", "reached", "failed");
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        const char *name = fault_site_name((enum fault_site)site);
        uint64_t reached = 0;
        uint64_t failed = 0;
        for (unsigned op = 0; op <= OPS; op++) {
            const struct fault_cell *cells = matrix->cells[op][site];
            reached += cells[MATRIX_ONCE].reached;
            failed += cells[MATRIX_ONCE].failed + cells[MATRIX_ALWAYS].failed;
        }
        printf("%-12s %10" PRIu64 " %10" PRIu64 "\n", name, reached, failed);
        json_array_append_new(sites, json_pack("{s:s,s:I,s:I}", "site", name, "reached",
                                               (json_int_t)reached, "failed", (json_int_t)failed));
    }
    json_object_set_new(results, "fault_sites", sites);
}

/* Prints the operations that reached a fault site, and how often they were made to fail there. */
static void report_matrix(const struct fault_matrix *matrix, json_t *results)
{
    puts("\nsteps that failed/that operations came to");
    for (unsigned mode = 0; mode < FAULT_MODES; mode++) {
        fault_matrix_print(stdout, matrix, (enum matrix_mode)mode);
    }
    json_object_set_new(results, "fault_matrix", fault_matrix_json(matrix, NULL));
}

/* Runs all files. A violation outweighs an unreadable file, and that a case that did not run. */
static int run_cases(const struct run_options *run, char **paths, json_t *results)
{
    int status = EXIT_NOTHING_FOUND;
    bool any = false; /* case could be read */
    struct executor executor;
    json_t *cases = json_array();
    json_object_set_new(results, "cases", cases);
    executor_init(&executor, run->subject, CASE_SLOTS_MAX);
    executor.validate_period = run->validate_period;
    for (; *paths != NULL; paths++) {
        int one = run_case(&executor, run, *paths, cases);
        bool worse = status == EXIT_NOTHING_FOUND || one == EXIT_VIOLATION ||
                     (one == EXIT_BAD_INPUT && status == EXIT_INCONCLUSIVE);
        status = worse ? one : status;
        any = any || one != EXIT_BAD_INPUT;
    }
    if (any) {
        struct fault_matrix matrix;
        matrix_fill(&matrix, &executor.harness.fault);
        report_faults(&matrix, results);
        if (run->matrix) {
            report_matrix(&matrix, results);
        }
    }
    executor_close(&executor);
    return status;
}

static int run_one_trace(const struct run_options *run, json_t *results)
{
    struct boot_map map;
    struct trace_options trace = {.path = run->trace,
                                  .subject = run->subject,
                                  .space_units = run->space_units,
                                  .validate_period = run->validate_period};
    if (run->map != NULL) {
        if (!input_read_map(run->map, &map)) {
            return EXIT_BAD_INPUT;
        }
        trace.map = &map;
    }
    json_t *result = NULL;
    int status = run_trace(&trace, &result);
    if (result != NULL) {
        json_object_set_new(results, "trace", result);
    }
    return status;
}

int command_run(int argc, char **argv)
{
    struct run_options run = {.subject = subjects[0]};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            usage();
            return EXIT_NOTHING_FOUND;
        }
        const char *wrong = take_option(&run, option);
        if (wrong != NULL) {
            return usage_error("run", option == '?' ? unknown_option(argv) : optarg, wrong);
        }
    }
    if ((run.trace == NULL) == (optind == argc)) {
        return usage_error("run", NULL, "FILEs or one --trace are needed");
    }
    if (run.trace == NULL ? run.map != NULL : run.twice || run.matrix || run.limits != NULL) {
        return usage_error(
            "run", NULL,
            run.trace == NULL ? "--map needs --trace"
                              : "--twice, --matrix, --raw and --target are for FILEs, not --trace");
    }
    if (run.space_units > 0 &&
        (run.trace == NULL || (run.subject->capabilities & SUBJECT_SPACES) == 0)) {
        return usage_error("run", NULL, "--space needs a --trace, and a subject with spaces");
    }
    json_t *results = json_object();
    int status =
        run.trace != NULL ? run_one_trace(&run, results) : run_cases(&run, argv + optind, results);
    if (run.json != NULL && json_dump_file(results, run.json, JSON_INDENT(2)) != 0) {
        fprintf(stderr, "potad-case run: %s: cannot be written\n", run.json);
        status = status == EXIT_NOTHING_FOUND ? EXIT_BAD_INPUT : status;
    }
    json_decref(results);
    return status;
}
