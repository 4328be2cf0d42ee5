/* SPDX-License-Identifier: MIT
 *
 * flaw.h: shows that the executor names the check that a subject violates which does one thing
 * wrong.
 */
#ifndef POTAD_FUZZERS_TEST_FLAW_H
#define POTAD_FUZZERS_TEST_FLAW_H

#include "fuzzers/executor.h"

struct flaw_case {
    unsigned flaw; /* what goes wrong, for plant(); 0 is nothing */
    enum check check;
    uint32_t op; /* at which it is found */
    const char *program;
};

/* Reads @text; fails the running test where it is no case. */
void flaw_parse(struct program *program, const char *text);

/* Runs the program of @flaw without the flaw, with it, and without it again: only with it is a
 * violation found, and it is the one of the check at that operation. @plant has the subject do
 * wrong from there on. */
void flaw_assert_found(const struct subject *subject, const struct flaw_case *flaw,
                       void (*plant)(unsigned flaw));

#endif
