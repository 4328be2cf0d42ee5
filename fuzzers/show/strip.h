/* SPDX-License-Identifier: MIT
 *
 * strip.h: a timeline as a picture without scripts, for a README or an issue: memory downwards, a
 * column for each operation, from left to right.
 */
#ifndef POTAD_FUZZERS_SHOW_STRIP_H
#define POTAD_FUZZERS_SHOW_STRIP_H

#include "fuzzers/case.h"
#include "fuzzers/show/timeline.h"

/* Prints the picture as SVG. @file: the name of the case. Context: @timeline->booted. */
void strip_print(FILE *out, const struct timeline *timeline, const struct program *program,
                 const char *file);

#endif
