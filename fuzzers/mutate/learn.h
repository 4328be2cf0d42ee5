/* SPDX-License-Identifier: MIT
 *
 * learn.h: finds the idioms of a kernel trace: what its CPUs do again and again.
 */
#ifndef POTAD_FUZZERS_MUTATE_LEARN_H
#define POTAD_FUZZERS_MUTATE_LEARN_H

#include "fuzzers/mutate/idioms.h"
#include "fuzzers/trace.h"

struct learner;

/* Makes a learner that has seen nothing. Aborts where there is no memory; so does all else here. */
struct learner *learner_open(void);
void learner_close(struct learner *learner);

/* Feeds one event of a trace, in its order. */
void learner_feed(struct learner *learner, const struct trace_event *event);

/* Writes those that are worth it to @found, of IDIOMS_MAX, the most frequent of each length first.
 * Context: no event comes behind it. Return: how many. */
uint32_t learner_idioms(struct learner *learner, struct idiom *found);

#endif
