/* SPDX-License-Identifier: MIT
 *
 * run_trace.h: a kernel trace on subject and model.
 */
#ifndef POTAD_FUZZERS_RUN_TRACE_H
#define POTAD_FUZZERS_RUN_TRACE_H

#include "fuzzers/subject.h"

#include <jansson.h>

struct trace_options {
    const char *path; /* "-": standard input */
    const struct subject *subject;
    const struct boot_map *map; /* NULL: that of the machine of the shipped trace */
    uint64_t space_units;     /* 0: traffic of memory; else of a space of so many, that owns none */
    uint32_t validate_period; /* operations between full validations; 0: at the end only */
};

/* Runs all page events of a trace, prints their counts and the speed, then frees everything and
 * checks that memory is whole. *@results is the same as JSON, or NULL.
 * Return: an exit status; what was found is on stderr. */
int run_trace(const struct trace_options *options, json_t **results);

#endif
