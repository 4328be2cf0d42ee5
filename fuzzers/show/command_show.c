/* SPDX-License-Identifier: MIT
 *
 * command_show.c: potad-case show.
 */
#include "fuzzers/input.h"
#include "fuzzers/potad_case.h"
#include "fuzzers/show/page.h"
#include "fuzzers/show/page_case.h"
#include "fuzzers/show/record.h"
#include "fuzzers/show/strip.h"
#include "fuzzers/show/trace_page.h"
#include "fuzzers/time_limit.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

struct show_options {
    const struct subject *subject;
    const struct case_limits *limits; /* for files that are no cases; NULL: they are errors */
    const char *output;
    const char *trace;
    const char *map;
    uint32_t validate_period;
    uint32_t seconds;
    bool html;
    bool svg;
    bool runs;    /* an option is about how the case is run: */
    bool counted; /* how long, or how often it is validated */
};

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},          {"raw", no_argument, NULL, 'r'},
    {"target", required_argument, NULL, 't'},  {"html", no_argument, NULL, 'H'},
    {"svg", no_argument, NULL, 'S'},           {"output", required_argument, NULL, 'o'},
    {"subject", required_argument, NULL, 's'}, {"trace", required_argument, NULL, 'T'},
    {"map", required_argument, NULL, 'm'},     {"validate", required_argument, NULL, 'v'},
    {"timeout", required_argument, NULL, 'x'}, {NULL, 0, NULL, 0},
};

static void usage(void)
{
    puts("usage: potad-case show [--raw] [--target NAME] FILE\n"
         "       potad-case show --html|--svg [OPTION]... FILE\n"
         "       potad-case show --html [OPTION]... --trace FILE\n\n"
         "Prints a binary or text case as text, in canonical form; or runs it, and shows what\n"
         "memory looks like after each operation, and where what the allocator says is not what\n"
         "the model says. A case that crashes is shown up to there.\n\n"
         "  --html           as a page to step through, which needs a browser and nothing else\n"
         "  --svg            as a picture: memory downwards, operations from left to right\n"
         "  -o, --output OUT where to (default: standard output)\n"
         "  --subject NAME   the allocator under test (default core; see potad-case list)\n"
         "  --validate N     full validation every N operations (default: at the end only): shows\n"
         "                   what breaks the allocator, where that is seen only later\n"
         "  --timeout SECONDS\n"
         "                   of processor time, to run the case and note each step: one that\n"
         "                   takes longer has no end (default 60)\n"
         "  --trace FILE     a kernel's trace, as potad-case run has it: occupancy of memory and\n"
         "                   fragmentation over its events\n"
         "  --map FILE       with --trace: the memory map, as potad-case run has it\n"
         "  --raw            take a file that is no case as bytes that a fuzz target was given\n"
         "  --target NAME    that target (default page_fuzzer); implies --raw\n\n"
         "potad-stress replay --html shows a schedule: who ran when.\n\n"
         "Exit status: 0 nothing found, 1 it is shown, and a violation was found, 2 bad usage or\n"
         "bad input, 3 the case did not run, because its map has no room for metadata.");
}

/* Takes one option. Return: NULL, or what is wrong with it. */
static const char *take_option(struct show_options *show, int option)
{
    switch (option) {
    case 'r':
        show->limits = show->limits == NULL ? &case_limits_page : show->limits;
        return NULL;
    case 't':
        show->limits = case_limits_find(optarg);
        return show->limits == NULL ? "no such target" : NULL;
    case 'H':
        show->html = true;
        return NULL;
    case 'S':
        show->svg = true;
        return NULL;
    case 'o':
        show->output = optarg;
        return NULL;
    case 's':
        show->runs = true;
        show->subject = subject_find(optarg);
        return show->subject == NULL ? "no such subject" : NULL;
    case 'T':
        show->trace = optarg;
        return NULL;
    case 'm':
        show->map = optarg;
        return NULL;
    case 'v':
        show->runs = true;
        show->counted = true;
        return parse_count(optarg, &show->validate_period) ? NULL : "--validate needs a number";
    case 'x':
        show->runs = true;
        show->counted = true;
        return parse_count(optarg, &show->seconds) && show->seconds > 0
                   ? NULL
                   : "--timeout needs a number of seconds from 1 on";
    default:
        return "unknown option, or one without its value";
    }
}

/* What is wrong with the options together, or NULL. */
static const char *contradiction(const struct show_options *show, int files)
{
    if (show->html && show->svg) {
        return "--html or --svg, not both";
    }
    if (show->trace != NULL && !show->html) {
        return "--trace needs --html";
    }
    if (!show->html && !show->svg && show->runs) {
        return "--validate, --subject and --timeout need --html or --svg";
    }
    if (show->trace != NULL && (show->limits != NULL || show->counted)) {
        return "--validate, --timeout, --raw and --target are for a FILE, not --trace";
    }
    if (show->map != NULL && show->trace == NULL) {
        return "--map needs --trace";
    }
    if (files != (show->trace == NULL ? 1 : 0)) {
        return show->trace == NULL ? "one FILE is needed" : "--trace has its own FILE";
    }
    return NULL;
}

/* Says that the output could not be written. Return: an exit status. */
static int output_error(const struct show_options *show)
{
    fprintf(stderr, "potad-case show: %s: %s\n", show->output, strerror(errno));
    return EXIT_BAD_INPUT;
}

static bool write_text(const struct show_options *show, const struct timeline *timeline,
                       const struct program *program, const char *file)
{
    bool standard = strcmp(show->output, "-") == 0;
    FILE *out = standard ? stdout : fopen(show->output, "w");
    if (out == NULL) {
        return false;
    }
    if (show->svg) {
        strip_print(out, timeline, program, file);
    } else {
        case_print(out, program);
    }
    bool good = fflush(out) == 0 && ferror(out) == 0;
    return (standard || fclose(out) == 0) && good;
}

static bool write_page(const struct show_options *show, const struct timeline *timeline,
                       const struct program *program, const char *file)
{
    json_t *data = page_case_data(timeline, program, file, show->subject->name);
    bool written = page_write(show->output, PAGE_CASE, file, data);
    json_decref(data);
    return written;
}

/* Runs @program, and shows it. Return: an exit status. */
static int show_run(const struct show_options *show, const struct program *program,
                    const char *file)
{
    struct timeline timeline;
    if (!record_case(show->subject, program, show->validate_period, show->seconds, &timeline)) {
        return EXIT_BAD_INPUT;
    }
    const struct shown_finding *finding = &timeline.finding;
    int status = finding->name[0] != '\0' ? EXIT_VIOLATION : EXIT_NOTHING_FOUND;
    if (!timeline.booted) {
        fprintf(stderr, "potad-case show: %s: nothing to show: %s\n", file,
                status == EXIT_VIOLATION ? "it does not boot" : "the map has no room for metadata");
        status = status == EXIT_VIOLATION ? status : EXIT_INCONCLUSIVE;
    } else if (!(show->svg ? write_text(show, &timeline, program, file)
                           : write_page(show, &timeline, program, file))) {
        status = output_error(show);
    } else if (status == EXIT_VIOLATION) {
        fprintf(stderr, "potad-case show: %s: op %u violates %s\n", file, finding->op,
                finding->name);
    }
    timeline_free(&timeline);
    return status;
}

static int show_case(const struct show_options *show, const char *file)
{
    struct program program;
    int status = EXIT_BAD_INPUT;
    program_init(&program);
    if (!input_read_case(file, show->limits, &program)) {
        status = EXIT_BAD_INPUT;
    } else if (show->html || show->svg) {
        status = show_run(show, &program, file);
    } else {
        status = write_text(show, NULL, &program, file) ? EXIT_NOTHING_FOUND : output_error(show);
    }
    program_free(&program);
    return status;
}

static int show_trace(const struct show_options *show)
{
    struct boot_map map;
    json_t *data = NULL;
    if (show->map != NULL && !input_read_map(show->map, &map)) {
        return EXIT_BAD_INPUT;
    }
    int status =
        trace_page_data(show->trace, show->subject, show->map != NULL ? &map : NULL, &data);
    if (data != NULL && !page_write(show->output, PAGE_TRACE, show->trace, data)) {
        status = output_error(show);
    }
    json_decref(data);
    return status;
}

int command_show(int argc, char **argv)
{
    struct show_options show = {
        .subject = subjects[0], .output = "-", .seconds = TIME_LIMIT_SECONDS};
    int option;
    while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
        if (option == 'h') {
            usage();
            return EXIT_NOTHING_FOUND;
        }
        const char *wrong = take_option(&show, option);
        if (wrong != NULL) {
            return usage_error("show", option == '?' ? unknown_option(argv) : optarg, wrong);
        }
    }
    const char *wrong = contradiction(&show, argc - optind);
    if (wrong != NULL) {
        return usage_error("show", NULL, wrong);
    }
    return show.trace != NULL ? show_trace(&show) : show_case(&show, argv[optind]);
}
