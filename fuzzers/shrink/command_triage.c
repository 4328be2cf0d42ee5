/* SPDX-License-Identifier: MIT
 *
 * command_triage.c: potad-case triage.
 */
#include "fuzzers/folder.h"
#include "fuzzers/potad_case.h"
#include "fuzzers/shrink/triage.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

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
         "Runs the failing inputs of folders (DIR/*, DIR/failures/*, DIR/TARGET/failures/*),\n"
         "puts those that fail with the same signature into one group (see potad-case shrink\n"
         "--help), shrinks the one of fewest operations of each, and says which groups are new:\n"
         "known is one whose signature stands in a case of a known bug, behind '# signature: '.\n"
         "A file that is no case is what the fuzz target was given that the path names. Where\n"
         "none is named, only cases of DIR/* are run: *.ops, and what is one in binary. What\n"
         "other commands leave in folders is left out: *.c, *.replay.ops, *.json and the like.\n\n"
         "  --out DIR          save the shrunken cases there; it is made where there is none\n"
         "  --known DIR        cases of known bugs (default: " KNOWN_DEFAULT
         ", where there is one)\n"
         "  --markdown FILE    write a summary that is fit for an issue\n"
         "  --sarif FILE       write SARIF 2.1.0, for code scanning");
    shrink_common_usage();
    puts("\nExit status: 1 some fail; 2 bad usage, or a report cannot be written, or none fails\n"
         "but one cannot be read, or a DIR has no inputs; 3 none fails, but Ctrl-C came before\n"
         "all were run, or none ran, because no map has room for metadata; 0 none fails. Ctrl-C\n"
         "ends it with what there is.");
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

/* What was found comes before what could not be looked at. */
static int status_of(const struct triage *triage)
{
    if (triage->failing > 0) {
        return EXIT_VIOLATION;
    }
    if (triage->unreadable) {
        return EXIT_BAD_INPUT;
    }
    return triage->left > 0 || triage->inputs == 0 ? EXIT_INCONCLUSIVE : EXIT_NOTHING_FOUND;
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
    /* Before anything is run: what was shrunk would be lost. */
    if (triage.out != NULL && !folder_make(triage.out)) {
        fprintf(stderr, "potad-case triage: %s: %s\n", triage.out, strerror(errno));
        return EXIT_BAD_INPUT;
    }
    for (int i = optind; i < argc; i++) {
        triage_add(&triage, argv[i]);
    }
    bool written = triage_settle(&triage);
    triage_print(&triage);
    written = report(&triage, &reports) && written;
    int status = written ? status_of(&triage) : EXIT_BAD_INPUT;
    triage_free(&triage);
    return status;
}
