/* SPDX-License-Identifier: MIT
 *
 * emit_race.h: what the explorer found as a C test that needs nothing but the core: threads that
 * take turns as the schedule says.
 */
#ifndef POTAD_STRESS_EXPLORE_EMIT_EMIT_RACE_H
#define POTAD_STRESS_EXPLORE_EMIT_EMIT_RACE_H

#include "stress/explore/attempt.h"
#include "stress/explore/emit/race_record.h"
#include "stress/explore/failure.h"

/* What a test cannot have. Return: NULL, or why @failure has none. */
const char *emit_race_refuses(const struct failure *failure);

/* Executes @failure, in a process of its own, noting in @attempt what came of it and in @record
 * how; again with fewer turns where it has very many. */
void emit_race_execute(const struct failure *failure, struct attempt *attempt,
                       struct race_record *record);

/* Writes what was executed to @out. @name: of the file that it was in. */
void emit_race_test(FILE *out, const struct failure *failure, const struct attempt *attempt,
                    const struct race_record *record, const char *name);

#endif
