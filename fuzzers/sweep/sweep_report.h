/* SPDX-License-Identifier: MIT
 *
 * sweep_report.h: what a sweep says: its progress, what it found, with the line that repeats it and
 * the case that shows it, and its summary.
 */
#ifndef POTAD_FUZZERS_SWEEP_SWEEP_REPORT_H
#define POTAD_FUZZERS_SWEEP_SWEEP_REPORT_H

#include "fuzzers/sweep/sweep.h"

struct sweep_report {
    const char *path; /* of the present case */
    const char *out;  /* folder for cases that show a failure */
    uint32_t files;   /* to sweep */
    bool terminal;
    bool printed; /* a live line */
    double begun;
    double next;
    json_t *findings;
    json_t *shown; /* by what is alike of them: how many */
};

void sweep_report_begin(struct sweep_report *report, const char *out, uint32_t files);
void sweep_report_close(struct sweep_report *report);

/* Prints how far it is, where some time has passed since it did. */
void sweep_report_progress(struct sweep_report *report, const struct sweep *sweep);

/* As sweep.found; sweep->context is the report. Of those that are alike (same violation, operation
 * and site) only the first is printed. */
void sweep_report_found(struct sweep *sweep, const struct program *program,
                        const struct attempt *attempt, const struct attempt_outcome *outcome);

/* Without any fault but its own, the case violates something already. */
void sweep_report_not_clean(struct sweep_report *report, const struct sweep *sweep,
                            const struct program *program);

/* Prints the summary. */
void sweep_report_end(struct sweep_report *report, const struct sweep *sweep);

/* Prints the matrix. Return: how many of its cells are not as they should be. */
uint32_t sweep_report_matrix(struct sweep_report *report, const struct sweep *sweep);

/* Writes all as JSON. Return: false with one line on stderr. */
bool sweep_report_write(const struct sweep_report *report, const struct sweep *sweep,
                        const char *path);

enum { ATTEMPT_TEXT_MAX = 120 };

/* An attempt as --only takes it: OP:SITE:NTH:MODE, and perhaps +SITE:NTH:MODE; NTH 0 is no fault.
 */
void attempt_print(const struct attempt *attempt, char *text);
bool attempt_parse(const char *text, struct attempt *attempt) __attribute__((warn_unused_result));

#endif
