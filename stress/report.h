/* SPDX-License-Identifier: MIT
 *
 * report.h: what a run says: its beginning, its progress, its summary, and the line that repeats
 * it.
 */
#ifndef POTAD_STRESS_REPORT_H
#define POTAD_STRESS_REPORT_H

#include "stress/run.h"

enum { REPLAY_MAX = 4096 + 512 }; /* the name of a trace included */

struct progress {
    bool terminal;
    bool printed; /* a live line stands on the terminal */
    double next;  /* clock_seconds() at which to print again */
};

/* Writes the command line that repeats @plan into @text, of REPLAY_MAX bytes. */
void report_replay(const struct plan *plan, char *text);

/* One line on stderr about what begins. */
void report_begin(const struct plan *plan, struct progress *progress);

/* A live line on a terminal, a line every 10 seconds elsewhere; both on stderr. @outcome: so far;
 * its result is not looked at. */
void report_progress(struct progress *progress, const struct plan *plan,
                     const struct outcome *outcome);

/* Whether report_progress() has something to print by now. */
bool report_is_due(const struct progress *progress);

/* The summary, on stdout, and as JSON where @plan asks for it. */
void report_end(const struct plan *plan, const struct outcome *outcome, struct progress *progress);

#endif
