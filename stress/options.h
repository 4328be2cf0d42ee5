/* SPDX-License-Identifier: MIT
 *
 * options.h: the command line of potad-stress, and its manual.
 */
#ifndef POTAD_STRESS_OPTIONS_H
#define POTAD_STRESS_OPTIONS_H

#include "stress/disturb.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { OPTIONS_ERROR_MAX = 200 };

#define OPTIONS_CPUS_ANY UINT64_MAX

/* X(id, name, what it does) */
#define COMMAND_TABLE(X)                                                                           \
    X(COMMAND_RUN, "run", "run a workload on many threads and check it")                           \
    X(COMMAND_EXPLORE, "explore", "run small cases under a scheduler, schedule after schedule")    \
    X(COMMAND_REPLAY, "replay", "execute a case as its schedule says, and show what happened")     \
    X(COMMAND_EMIT_C, "emit-c",                                                                    \
      "write what explore has found as a C test that needs the core only")                         \
    X(COMMAND_LIST, "list", "list the workloads and the subjects")

enum command {
    COMMAND_NONE,
#define X(id, name, summary) id,
    COMMAND_TABLE(X)
#undef X
        COMMANDS
};

/* Numbers are within the bounds that the manual states; texts are as given, or NULL. */
struct options {
    enum command command; /* COMMAND_NONE: only with help */
    bool help;            /* the manual of command is asked for */
    const char *workload;
    const char *subject;
    const char *json;
    const char *trace;
    const char *html;
    uint64_t threads;
    uint64_t seconds;
    uint64_t seed;
    bool seed_given;
    uint64_t frames; /* 0: as the workload has it */
    uint64_t cpus;   /* OPTIONS_CPUS_ANY: one a thread, or, of a trace, its own */
    struct disturb_list disturb;
    const char *strategy;
    const char *out;
    const char *output;
    uint64_t executions; /* 0: no limit */
    uint64_t ops;        /* of a thread of a random program */
    uint64_t jobs;
    uint64_t times;
    bool any_cpu;
    bool pairs;
    bool reuse;
    bool weak;
    bool keep; /* what was found as it was found */
    bool all;
    char *const *files; /* the arguments that are no options */
    int files_count;
};

/* Reads the command line, and puts @arguments into another order. Return: whether it makes sense;
 * if not, one line that names the option is in @error, of OPTIONS_ERROR_MAX bytes. */
bool options_parse(int count, char **arguments, struct options *options, char *error)
    __attribute__((warn_unused_result));

/* The seed that was given, or a random one. */
uint64_t options_seed(const struct options *options);

/* Prints the manual of @command, or of the program for COMMAND_NONE. */
void options_print_help(FILE *out, enum command command);

#endif
