/* SPDX-License-Identifier: MIT
 *
 * trace_page.h: a kernel's trace as the data of a page, aggregated; trace.js is what reads it.
 */
#ifndef POTAD_FUZZERS_SHOW_TRACE_PAGE_H
#define POTAD_FUZZERS_SHOW_TRACE_PAGE_H

#include "fuzzers/subject.h"

#include <jansson.h>

enum {
    TRACE_SAMPLES_MAX = 480, /* from half as many on, of a long trace */
    TRACE_ROWS_MAX = 96      /* of page blocks that have been in use at some time */
};

/* Runs the trace @path on @subject and on the model, in @map (NULL: that of the shipped trace).
 * *@data is what to show, or NULL where nothing ran. Return: an exit status; what was found is on
 * stderr. */
int trace_page_data(const char *path, const struct subject *subject, const struct boot_map *map,
                    json_t **data);

#endif
