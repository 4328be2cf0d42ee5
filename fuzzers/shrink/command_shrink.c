/* SPDX-License-Identifier: MIT
 *
 * command_shrink.c: potad-case shrink.
 */
#include "fuzzers/input.h"
#include "fuzzers/json_text.h"
#include "fuzzers/potad_case.h"
#include "fuzzers/shrink/shrink_command.h"

#include <getopt.h>
#include <jansson.h>

struct shrink_options {
    struct shrink_common common;
    const char *output;
};

static const struct option options[] = {
    {"output", required_argument, NULL, 'o'},
    SHRINK_COMMON_OPTIONS,
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void usage(void)
{
    puts("usage: potad-case shrink [OPTION]... FILE\n\n"
         "Makes a failing case smaller, text or binary, for as long as it fails with the same\n"
         "signature: the violated check, assertion, sanitizer's report or signal, and the "
         "functions\n"
         "at the top of the stack. Removes operations; then takes away memory, CPUs, slots and\n"
         "faults, and lowers all operands. What comes out is printed as text, and does not become\n"
         "smaller by another run. Violations cost a run each, crashes a process.\n\n"
         "  -o, --output FILE  write the case there (default: standard output); whether it can be\n"
         "                     written is looked at first");
    shrink_common_usage();
    puts("\nExit status: 1 it fails and was shrunk, 0 it does not fail, 2 bad usage or bad input,\n"
         "3 it did not run, because its map has no room for metadata. Ctrl-C ends it with the\n"
         "smallest case so far.");
}

static bool write_json(const char *path, const char *file, const struct shrink_common *common,
                       const struct shrink_result *result)
{
    json_t *json = json_pack(
        "{s:o,s:s,s:b,s:o,s:o,s:o,s:i,s:i,s:I,s:I,s:f,s:b}", "file", json_text(file), "subject",
        common->subject->name, "fails", result->trial.end == TRIAL_FAILED, "violated",
        json_text(result->trial.signature.name), "signature",
        json_text(result->trial.signature.text), "detail", json_text(result->trial.detail),
        "ops_before", (int)result->ops_before, "ops_after", (int)result->ops_after, "executions",
        (json_int_t)result->executions, "processes", (json_int_t)result->forks, "seconds",
        result->seconds, "stopped", (int)result->stopped);
    bool written = json_dump_file(json, path, JSON_INDENT(2)) == 0;
    json_decref(json);
    if (!written) {
        fprintf(stderr, "potad-case shrink: %s: cannot be written\n", path);
    }
    return written;
}

/* Shrinks @program, of @path. Return: an exit status. */
static int shrink_case(const struct shrink_options *shrink, const char *path,
                       struct program *program)
{
    const struct shrink_common *common = &shrink->common;
    const struct shrink_plan plan = shrink_common_plan(common, "shrink");
    struct shrink_output output;
    struct shrink_result result;
    if (!shrink_output_open(&output, shrink->output)) {
        return EXIT_BAD_INPUT;
    }
    int status = EXIT_VIOLATION;
    if (shrink_failure(&plan, program, &result)) {
        shrink_print_figures(stderr, path, &result);
        if (!shrink_output_write(&output, common, &result.trial.signature, program)) {
            status = EXIT_BAD_INPUT;
        }
    } else {
        bool ran = result.trial.end != TRIAL_NOT_RUN;
        shrink_output_drop(&output);
        fprintf(stderr, "%s: %s\n", path,
                ran ? "does not fail" : "nothing was run: the map has no room for metadata");
        status = ran ? EXIT_NOTHING_FOUND : EXIT_INCONCLUSIVE;
    }
    if (common->json != NULL && !write_json(common->json, path, common, &result)) {
        status = EXIT_BAD_INPUT;
    }
    return status;
}

/* Shrinks the case of @path. Return: an exit status. */
static int shrink_file(const struct shrink_options *shrink, const char *path)
{
    struct program program;
    int status = EXIT_BAD_INPUT;
    program_init(&program);
    if (input_read_case(path, shrink->common.limits, &program)) {
        status = shrink_case(shrink, path, &program);
    }
    program_free(&program);
    return status;
}

int command_shrink(int argc, char **argv)
{
    struct shrink_options shrink = {.common = shrink_common_defaults()};
    int option;
    while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
        if (option == 'h') {
            usage();
            return EXIT_NOTHING_FOUND;
        }
        if (option == 'o') {
            shrink.output = optarg;
            continue;
        }
        const char *wrong = shrink_common_take(&shrink.common, option);
        if (wrong != NULL) {
            return usage_error("shrink", option == '?' ? unknown_option(argv) : optarg, wrong);
        }
    }
    if (optind + 1 != argc) {
        return usage_error("shrink", NULL, "one FILE is needed");
    }
    return shrink_file(&shrink, argv[optind]);
}
