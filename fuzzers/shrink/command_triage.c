/* SPDX-License-Identifier: MIT
 *
 * command_triage.c: potad-case triage.
 */
#include "fuzzers/potad_case.h"
#include "fuzzers/shrink/triage.h"

#include <getopt.h>

#define KNOWN_DEFAULT "corpus/regressions"

struct reports {
    const char *markdown;
    const char *sarif;
};

static const struct option options[] = {
    {"out", required_argument, NULL, 'O'},
    {"known", required_argument, NULL, 'k'},
    {"markdown", required_argument, NULL, 'm'},
    {"sarif", required_argument, NULL, 'a'},
    SHRINK_COMMON_OPTIONS,
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void usage(void)
{
    puts("usage: potad-case triage [OPTION]... DIR|FILE...\n\n"
         "Runs the failing inputs of folders (DIR/*, DIR/TARGET/failures/*), puts those that fail\n"
         "with the same signature into one group (see potad-case shrink --help), shrinks the one "
         "of\n"
         "fewest operations of each, and says which groups are new: known is one whose signature\n"
         "stands in a case of a known bug, behind '# signature: '. A file that is no case is what\n"
         "the fuzz target was given that the path names.\n\n"
         "  --out DIR          save the shrunken cases there\n"
         "  --known DIR        cases of known bugs (default: " KNOWN_DEFAULT
         ", where there is one)\n"
         "  --markdown FILE    write a summary that is fit for an issue\n"
         "  --sarif FILE       write SARIF 2.1.0, for code scanning");
    shrink_common_usage();
    puts(
        "\nExit status: 1 some fail, 0 none does, 2 bad usage, or nothing fails but one cannot be\n"
        "read, or a report cannot be written. Ctrl-C ends it with what there is.");
}

/* Takes one option. Return: NULL, or what is wrong with it. */
static const char *take_option(struct triage *triage, struct reports *reports, int option)
{
    switch (option) {
    case 'O':
        triage->out = optarg;
        return NULL;
    case 'k':
        triage->known = optarg;
        return triage_is_folder(optarg) ? NULL : "--known needs a folder";
    case 'm':
        reports->markdown = optarg;
        return NULL;
    case 'a':
        reports->sarif = optarg;
        return NULL;
    default:
        return shrink_common_take(&triage->common, option);
    }
}

/* Return: whether all could be written. */
static bool report(const struct triage *triage, const struct reports *reports)
{
    const char *json = triage->common.json;
    bool written = json == NULL || triage_write_json(triage, json);
    written =
        (reports->markdown == NULL || triage_write_markdown(triage, reports->markdown)) && written;
    return (reports->sarif == NULL || triage_write_sarif(triage, reports->sarif)) && written;
}

int command_triage(int argc, char **argv)
{
    struct triage triage = {.common = shrink_common_defaults(),
                            .known = triage_is_folder(KNOWN_DEFAULT) ? KNOWN_DEFAULT : NULL};
    struct reports reports = {0};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            usage();
            return EXIT_NOTHING_FOUND;
        }
        const char *wrong = take_option(&triage, &reports, option);
        if (wrong != NULL) {
            return usage_error("triage", option == '?' ? unknown_option(argv) : optarg, wrong);
        }
    }
    if (optind == argc) {
        return usage_error("triage", NULL, "a DIR or FILEs are needed");
    }
    for (int i = optind; i < argc; i++) {
        triage_add(&triage, argv[i]);
    }
    bool written = triage_settle(&triage);
    triage_print(&triage);
    written = report(&triage, &reports) && written;
    int status = triage.failing > 0  ? EXIT_VIOLATION
                 : triage.unreadable ? EXIT_BAD_INPUT
                                     : EXIT_NOTHING_FOUND;
    status = written ? status : EXIT_BAD_INPUT;
    triage_free(&triage);
    return status;
}
