/* SPDX-License-Identifier: MIT
 *
 * record.h: what a case asks of the allocator, call by call, and what that answers, written down as
 * the lines of a C test.
 *
 *   executor ──> harness ──> recording subject ──> core
 *                                 │
 *                                 └──> log: a line a call, another one when it has ended
 *
 * The log is a file, and each call is written before it is made: so that a case that ends the
 * process has left it behind.
 *
 *   C op TEXT     a call that answers a status: its text up to there
 *   S status      of the call before, if it has come back
 *   N op TEXT     a call that answers none
 *   A TEXT        a check behind the call before
 *   X TEXT        what the call before should have answered, or what else may be expected
 *   V NAME DETAIL a violation was found
 *   P piece       a piece of the prelude is needed
 *   R             the case is run again: what is before does not count
 *   E             the end
 */
#ifndef POTAD_FUZZERS_EMIT_RECORD_H
#define POTAD_FUZZERS_EMIT_RECORD_H

#include "fuzzers/case.h"
#include "fuzzers/subject.h"

/* Between the operations' numbers: what is done at boot. */
#define RECORD_BOOT UINT32_MAX

struct record_options {
    const struct subject *subject;
    uint32_t validate_period; /* operations between full validations; 0: only at the end */
    uint32_t seconds;         /* of processor time; a case that takes longer has no end; 0: any */
};

/* Runs @program and writes the log to @log. Context: one at a time; the program may end the
 * process. */
void record_run(const struct record_options *options, const struct program *program, FILE *log);

#endif
