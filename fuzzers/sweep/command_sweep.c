/* SPDX-License-Identifier: MIT
 *
 * command_sweep.c: potad-case sweep.
 */
#include "fuzzers/input.h"
#include "fuzzers/interrupt.h"
#include "fuzzers/potad_case.h"
#include "fuzzers/sweep/sweep.h"
#include "fuzzers/sweep/sweep_files.h"
#include "fuzzers/sweep/sweep_report.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_DEFAULT = 64, REST_DEFAULT = 64 };

struct sweep_options {
    const struct subject *subject;
    const char *json;
    const char *out;
    const char *only;
    uint32_t pairs;
    uint32_t each;
    uint32_t rest;
    bool matrix;
};

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},        {"subject", required_argument, NULL, 's'},
    {"pairs", required_argument, NULL, 'p'}, {"each", required_argument, NULL, 'e'},
    {"rest", required_argument, NULL, 'r'},  {"matrix", no_argument, NULL, 'M'},
    {"only", required_argument, NULL, 'n'},  {"out", required_argument, NULL, 'o'},
    {"json", required_argument, NULL, 'j'},  {NULL, 0, NULL, 0},
};

static void usage(void)
{
    puts("usage: potad-case sweep [OPTION]... FILE|DIR...\n\n"
         "Makes each operation of each case fail, at each fault site that it comes to: the first\n"
         "step there, the second, ... until no step fails; one step only (once), and all from it "
         "on\n"
         "(always); and then with a second fault, at each step after the first one that failed.\n"
         "Each attempt is a process of its own that starts from the state before the operation.\n"
         "The operation may find another way; else it must leave the state as it was, and, tried\n"
         "again without the fault, do what it does where nothing fails. Then all is freed, and\n"
         "memory must be as after boot. Of a DIR, all cases in it are taken (*.ops).\n\n"
         "  --subject NAME  the allocator under test (default core; see potad-case list)\n"
         "  --pairs N       at most so many attempts with two faults for each operation of a case\n"
         "                  (default 64; 0: none)\n"
         "  --each N        sweep only the first N operations of a kind that come to a site, of "
         "all\n"
         "                  cases together (default 0: all)\n"
         "  --rest N        one of N attempts goes on with the rest of the case before all is "
         "freed\n"
         "                  (default 64; 0: none does)\n"
         "  --matrix        print how often each operation was made to fail at each site. A case "
         "is\n"
         "                  missing where it never was, and can: that is a violation\n"
         "  --only WHICH    one attempt, which is what a failure's line says: the operation's "
         "number\n"
         "                  and the fault, OP:SITE:NTH:once or OP:SITE:NTH:always, and perhaps a\n"
         "                  second one, behind a plus: 3:slab-page:1:once+buddy-desc:2:once.\n"
         "                  NTH 0 is no fault, not even the one that the case has there\n"
         "  --out DIR       where cases go that show a failure (default out/sweep)\n"
         "  --json FILE     write the results as JSON\n\n"
         "Exit status: 0 nothing found, 1 a violation was found, 2 bad usage or bad input,\n"
         "3 interrupted, or no case ran, or no step failed in the one attempt.");
}

/* Takes one option. Return: NULL, or what is wrong with it. */
static const char *take_option(struct sweep_options *sweep, int option)
{
    switch (option) {
    case 's':
        sweep->subject = subject_find(optarg);
        return sweep->subject == NULL ? "no such subject" : NULL;
    case 'p':
        return parse_count(optarg, &sweep->pairs) ? NULL : "--pairs needs a number";
    case 'e':
        return parse_count(optarg, &sweep->each) ? NULL : "--each needs a number";
    case 'r':
        return parse_count(optarg, &sweep->rest) ? NULL : "--rest needs a number";
    case 'M':
        sweep->matrix = true;
        return NULL;
    case 'n':
        sweep->only = optarg;
        return NULL;
    case 'o':
        sweep->out = optarg;
        return NULL;
    case 'j':
        sweep->json = optarg;
        return strcmp(optarg, "-") == 0 ? JSON_NEEDS_A_FILE : NULL;
    default:
        return "unknown option, or one without its value";
    }
}

static bool goes_on(struct sweep *sweep)
{
    sweep_report_progress(sweep->context, sweep);
    return interrupted == 0;
}

/* Sweeps one case, or makes just the attempt @only of it. Return: an exit status. */
static int sweep_file(struct sweep *sweep, const char *path, const struct attempt *only)
{
    struct sweep_report *report = sweep->context;
    struct program program;
    uint64_t found = sweep->counts.found;
    int status = EXIT_BAD_INPUT;
    program_init(&program);
    report->path = path;
    if (!input_read_case(path, NULL, &program)) {
        program_free(&program);
        return status;
    }
    if (only != NULL && only->index >= program.ops_count) {
        program_free(&program);
        return usage_error("sweep", path, "the case has no operation of the number in --only");
    }
    enum sweep_result result =
        only != NULL ? sweep_only(sweep, &program, only) : sweep_case(sweep, &program);
    if (result == SWEEP_NOT_CLEAN) {
        sweep->counts.found++;
        sweep_report_not_clean(report, sweep, &program);
        status = EXIT_VIOLATION;
    } else if (result == SWEEP_NOT_RUN) {
        sweep->counts.not_run++;
        status = EXIT_NOTHING_FOUND;
    } else if (result == SWEEP_NO_STRIKE) {
        fprintf(stderr, "potad: %s: the operation does not come to a step that is to fail\n", path);
        status = EXIT_INCONCLUSIVE;
    } else {
        status = sweep->counts.found > found ? EXIT_VIOLATION : EXIT_NOTHING_FOUND;
    }
    program_free(&program);
    return status;
}

/* A violation outweighs an unreadable file, and that a case that did not run. */
static int worse_of(int status, int other)
{
    static const int weights[] = {
        [EXIT_NOTHING_FOUND] = 0,
        [EXIT_VIOLATION] = 3,
        [EXIT_BAD_INPUT] = 2,
        [EXIT_INCONCLUSIVE] = 1,
    };
    return weights[other] > weights[status] ? other : status;
}

static int sweep_all(const struct sweep_options *asked, const struct sweep_files *files,
                     const struct attempt *only)
{
    struct sweep sweep;
    struct sweep_report report;
    int status = EXIT_NOTHING_FOUND;
    sweep_init(&sweep, asked->subject);
    sweep_report_begin(&report, asked->out, files->count);
    sweep.pairs = asked->pairs;
    sweep.each = asked->each;
    sweep.rest = asked->rest;
    sweep.found = sweep_report_found;
    sweep.goes_on = goes_on;
    sweep.context = &report;
    for (uint32_t i = 0; i < files->count && interrupted == 0; i++) {
        status = worse_of(status, sweep_file(&sweep, files->paths[i], only));
    }
    sweep_report_end(&report, &sweep);
    if (asked->matrix && interrupted == 0 && sweep_report_matrix(&report, &sweep) > 0) {
        status = EXIT_VIOLATION;
    }
    if (interrupted != 0 || sweep.counts.not_run == files->count) {
        status = worse_of(status, EXIT_INCONCLUSIVE);
    }
    if (asked->json != NULL && !sweep_report_write(&report, &sweep, asked->json)) {
        status = worse_of(status, EXIT_BAD_INPUT);
    }
    sweep_report_close(&report);
    sweep_close(&sweep);
    return status;
}

int command_sweep(int argc, char **argv)
{
    struct sweep_options sweep = {
        .subject = subjects[0], .out = "out/sweep", .pairs = PAIRS_DEFAULT, .rest = REST_DEFAULT};
    struct attempt only;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            usage();
            return EXIT_NOTHING_FOUND;
        }
        const char *wrong = take_option(&sweep, option);
        if (wrong != NULL) {
            return usage_error("sweep", option == '?' ? unknown_option(argv) : optarg, wrong);
        }
    }
    if (optind == argc) {
        return usage_error("sweep", NULL, "a FILE or DIR is needed");
    }
    if (sweep.only != NULL && !attempt_parse(sweep.only, &only)) {
        return usage_error("sweep", sweep.only,
                           "--only needs OP:SITE:NTH:MODE, or that and +SITE:NTH:MODE");
    }
    struct sweep_files files = {.count = 0};
    int status = EXIT_BAD_INPUT;
    bool found = sweep_files_find(&files, argv + optind);
    if (found && sweep.only != NULL && files.count != 1) {
        status = usage_error("sweep", NULL, "--only needs one FILE");
    } else if (found) {
        interrupt_watch();
        status = sweep_all(&sweep, &files, sweep.only != NULL ? &only : NULL);
    }
    sweep_files_free(&files);
    return status;
}
