/* SPDX-License-Identifier: MIT
 *
 * shrink_command.h: what the commands that shrink, potad-case shrink and triage, share.
 */
#ifndef POTAD_FUZZERS_SHRINK_SHRINK_COMMAND_H
#define POTAD_FUZZERS_SHRINK_SHRINK_COMMAND_H

#include "fuzzers/shrink/shrink_failure.h"

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

/* Prints what was found in the case @path, and what shrinking took, in lines. */
void shrink_print_figures(FILE *out, const char *path, const struct shrink_result *result);

#endif
