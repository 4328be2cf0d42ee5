/* SPDX-License-Identifier: MIT
 *
 * page_case.h: a timeline as the data of a page; case.js is what reads it.
 *
 *   cells   [look, order, type, flags, owner]: the ways in which spans look, by number
 *   steps   o  operations that have ended      d  changes: frame, frames, cell, and so on
 *           t  the last one, as text           f  free lists: zone, class, order, model, allocator
 *           e  spans: look, number of them     n  numbers: which, value
 *
 * Of f, e and n there is what is not as in the step before.
 */
#ifndef POTAD_FUZZERS_SHOW_PAGE_CASE_H
#define POTAD_FUZZERS_SHOW_PAGE_CASE_H

#include "fuzzers/case.h"
#include "fuzzers/show/timeline.h"

#include <jansson.h>

json_t *page_case_data(const struct timeline *timeline, const struct program *program,
                       const char *file, const char *subject);

#endif
