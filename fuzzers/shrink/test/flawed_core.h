/* SPDX-License-Identifier: MIT
 *
 * flawed_core.h: the core with one or more things wrong.
 */
#ifndef POTAD_FUZZERS_SHRINK_TEST_FLAWED_CORE_H
#define POTAD_FUZZERS_SHRINK_TEST_FLAWED_CORE_H

#include "fuzzers/subject.h"

enum { FLAWED_SPLITS = 3 };

/* What goes wrong, as a mask. */
enum flaw {
    FLAW_LOOKUP = 1,   /* from the third split on, no frame leads anywhere */
    FLAW_ORDER = 2,    /* blocks of order 5 are not to be had */
    FLAW_CRASH = 4,    /* the same end the process */
    FLAW_ASSERT = 8,   /* the same break an assertion */
    FLAW_ENDLESS = 16, /* the same never come */
    FLAW_FREED = 32,   /* for the same, memory is read that was freed: AddressSanitizer's */
    FLAW_SHIFT = 64,   /* a number is shifted too far: UndefinedBehaviorSanitizer's */
    FLAW_BOOT = 128    /* it does not boot */
};

/* The core, in which from here on @wrong is wrong: until the next call, in processes forked since.
 */
struct subject flawed_core(unsigned wrong);

#endif
