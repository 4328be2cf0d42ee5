/* SPDX-License-Identifier: MIT
 *
 * run_trace.h: a kernel trace on subject and model.
 */
#ifndef POTAD_FUZZERS_RUN_TRACE_H
#define POTAD_FUZZERS_RUN_TRACE_H

#include "fuzzers/harness.h"

#include <jansson.h>

struct trace_options {
    const char *command; /* of potad-case: errors name it; NULL: run */
    const char *path;    /* "-": standard input */
    const struct subject *subject;
    const struct boot_map *map; /* NULL: that of the machine of the shipped trace */
    uint64_t space_units;     /* 0: traffic of memory; else of a space of so many, that owns none */
    uint32_t validate_period; /* operations between full validations; 0: at the end only */

    /* For who looks at memory meanwhile: called after each operation, and once more when the last
     * event has been. Then nothing is printed but errors, and what is found is also in @report. */
    void (*watch)(void *context, struct harness *harness, bool ended);
    void *watch_context;
    struct report *report;
};

/* Runs all page events of a trace, prints their counts and the speed, then frees everything and
 * checks that memory is whole. *@results is the same as JSON, or NULL.
 * Return: an exit status; what was found is on stderr. */
int run_trace(const struct trace_options *options, json_t **results);

#endif
