/* SPDX-License-Identifier: MIT
 *
 * shrink_command.h: what the commands that shrink, potad-case shrink and triage, share.
 */
#ifndef POTAD_FUZZERS_SHRINK_SHRINK_COMMAND_H
#define POTAD_FUZZERS_SHRINK_SHRINK_COMMAND_H

#include "fuzzers/shrink/shrink_failure.h"

#include <jansson.h>

struct shrink_common {
    const struct subject *subject;
    const struct case_limits *limits; /* for files that are no cases; NULL: they are errors */
    const char *json;
    uint32_t validate_period;
    uint32_t trial_seconds;
    uint32_t seconds;
};

/* For arrays of struct option. */
#define SHRINK_COMMON_OPTIONS                                                                      \
    {"subject", required_argument, NULL, 's'}, {"raw", no_argument, NULL, 'r'},                    \
        {"target", required_argument, NULL, 't'}, {"validate", required_argument, NULL, 'v'},      \
        {"timeout", required_argument, NULL, 'T'}, {"seconds", required_argument, NULL, 'S'},      \
    {                                                                                              \
        "json", required_argument, NULL, 'j'                                                       \
    }

struct shrink_common shrink_common_defaults(void);

/* The lines of a manual that say what these options are. */
void shrink_common_usage(void);

/* Takes one option, as getopt_long() gives it. Return: NULL, or what is wrong with it. */
const char *shrink_common_take(struct shrink_common *common, int option);

/* What they ask for; from here on, Ctrl-C ends shrinking, not the program. */
struct shrink_plan shrink_common_plan(const struct shrink_common *common, const char *label);

/* Prints @program as text under comments that say what it shows, and nothing of how it came about:
 * shrunk once more, it is the same to the byte. */
void shrink_print_case(FILE *out, const struct shrink_common *common,
                       const struct signature *signature, const struct program *program);

/* Where the case is to go: looked at first, as it takes long to have one. */
struct shrink_output {
    const char *path; /* NULL: standard output */
    FILE *file;
    bool made; /* by us: there was none */
};

/* Opens @path (NULL or "-": standard output), and leaves what it holds. Return: false with one line
 * on stderr where it cannot be written. */
bool shrink_output_open(struct shrink_output *output, const char *path)
    __attribute__((warn_unused_result));

/* Writes the case over what was there, and closes it. Return: as shrink_output_open(). */
bool shrink_output_write(struct shrink_output *output, const struct shrink_common *common,
                         const struct signature *signature, const struct program *program)
    __attribute__((warn_unused_result));

/* The same where there is no case: all is as before, but that a link which led nowhere leads to an
 * empty file. */
void shrink_output_drop(struct shrink_output *output);

/* Prints what was found in the case @path, and what shrinking took, in lines. */
void shrink_print_figures(FILE *out, const char *path, const struct shrink_result *result);

#endif
