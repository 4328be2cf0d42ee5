/* SPDX-License-Identifier: MIT
 *
 * snapshot.h: what the model has in memory now, as spans, and what lookups of the subject say.
 */
#ifndef POTAD_FUZZERS_SHOW_SNAPSHOT_H
#define POTAD_FUZZERS_SHOW_SNAPSHOT_H

#include "fuzzers/harness.h"
#include "fuzzers/show/timeline.h"

/* Fills @list with all frames from the first range's start to the last one's end, holes included:
 * a span for each block. Context: the harness has booted. */
void snapshot_spans(struct harness *harness, struct span_list *list);

/* Appends to *@counts (@room of them, @used so far) the free blocks that there are of each zone,
 * class and order, by model and subject. */
uint32_t snapshot_counts(struct harness *harness, struct shown_count *counts, uint32_t room);

void snapshot_numbers(struct harness *harness, uint64_t numbers[SHOWN_NUMBERS]);

/* Fills @views with what lookups of the subject say where that is not what the model has.
 * Context: the subject may be broken, so this may be the last thing that the process does. */
void snapshot_views(struct harness *harness, struct span_list *views);

#endif
