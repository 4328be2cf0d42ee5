/* SPDX-License-Identifier: MIT
 *
 * record.h: runs a case, and notes what memory looks like after each operation. It runs in a
 * process of its own: where that crashes, what it had noted is still there, and the crash is the
 * finding.
 */
#ifndef POTAD_FUZZERS_SHOW_RECORD_H
#define POTAD_FUZZERS_SHOW_RECORD_H

#include "fuzzers/case.h"
#include "fuzzers/show/timeline.h"
#include "fuzzers/subject.h"

enum {
    /* Of a program with more operations, not each gets a step of its own, but the last ones do. */
    RECORD_STEPS_MAX = 4096,
    RECORD_LAST_STEPS = 256
};

/* Runs @program, with full validation every @validate_period operations (0: at the end only), for
 * @seconds of processor time at most (0: any), and fills @timeline, which timeline_free() frees in
 * any case. What the process says on stderr is copied there. Return: false with a line on stderr
 * where the system has no process or file for it, or the file no room.
 */
bool record_case(const struct subject *subject, const struct program *program,
                 uint32_t validate_period, uint32_t seconds, struct timeline *timeline)
    __attribute__((warn_unused_result));

#endif
