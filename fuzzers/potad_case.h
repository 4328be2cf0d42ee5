/* SPDX-License-Identifier: MIT
 *
 * potad_case.h: the commands of potad-case. Each gets its own name as argv[0], and returns the exit
 * status of the program.
 */
#ifndef POTAD_FUZZERS_POTAD_CASE_H
#define POTAD_FUZZERS_POTAD_CASE_H

#include <stdbool.h>
#include <stdint.h>

enum exit_status {
    EXIT_NOTHING_FOUND = 0,
    EXIT_VIOLATION = 1,
    EXIT_BAD_INPUT = 2,
    EXIT_INCONCLUSIVE = 3
};

int command_show(int argc, char **argv);
int command_asm(int argc, char **argv);
int command_run(int argc, char **argv);
int command_sweep(int argc, char **argv);
int command_shrink(int argc, char **argv);
int command_triage(int argc, char **argv);
int command_emit_c(int argc, char **argv);
int command_from_trace(int argc, char **argv);
int command_learn(int argc, char **argv);
int command_map(int argc, char **argv);
int command_list(int argc, char **argv);

/* What is wrong with --json -. */
#define JSON_NEEDS_A_FILE "--json needs a FILE: standard output has the text"

/* Says on stderr what is wrong with the word @culprit of the command line (NULL: with all of it).
 * Return: EXIT_BAD_INPUT. */
int usage_error(const char *command, const char *culprit, const char *reason);

/* What getopt_long() has answered '?' to: the option itself. */
const char *unknown_option(char **argv);

/* Reads the number that an option is given: decimal, or as C has it. Return: whether it is one. */
bool parse_count(const char *text, uint32_t *count) __attribute__((warn_unused_result));

#endif
