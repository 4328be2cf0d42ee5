/* SPDX-License-Identifier: MIT
 *
 * interleaving.h: what threads did, as a table: a column a thread, a line a step.
 */
#ifndef POTAD_STRESS_EXPLORE_INTERLEAVING_H
#define POTAD_STRESS_EXPLORE_INTERLEAVING_H

#include "fuzzers/case.h"
#include "stress/explore/explorer.h"

/* Prints the steps of @log, of @threads threads of @program. @all: every step; else where
 * operations begin, and steps on a word between which another thread's came, one of which wrote it.
 */
void interleaving_print(FILE *out, const struct explore_log *log, const struct program *program,
                        unsigned threads, bool all);

/* Whether step @index of @log is shown where not all are; and whether it is where an operation
 * begins or ends: the harness's own. */
bool interleaving_matters(const struct explore_log *log, uint32_t index);
bool interleaving_is_turn(const struct explored_step *step);

/* What a step does to its word: "load". */
const char *interleaving_kind_name(const struct explored_step *step);

#endif
