/* SPDX-License-Identifier: MIT
 *
 * flaw.h: shows that the executor names the check that a subject violates which does one thing
 * wrong.
 */
#ifndef POTAD_FUZZERS_TEST_FLAW_H
#define POTAD_FUZZERS_TEST_FLAW_H

#include "fuzzers/executor.h"

struct flaw_case {
    unsigned flaw; /* what goes wrong */
    enum check check;
    uint32_t op; /* at which it is found */
    const char *program;
};

/* A test lists its flaws as FLAW_TABLE(X), of X(id, name, check, op, program), each a program for
 * the memory MAP. These make of it the enumeration of flaws, the elements of flaw_cases[], and the
 * tests that run executor_run_finds_flaw() with them. */
#define FLAW_ID(id, name, check, op, program)   id,
#define FLAW_CASE(id, name, check, op, program) [id] = {id, check, op, MAP program},
#define FLAW_TEST(id, name, check, op, program)                                                    \
    {"executor_run_finds_" name, executor_run_finds_flaw, NULL, NULL, &flaw_cases[id]},

/* What the subject does wrong; 0 is nothing. Outside of its instance, which each boot zeroes. */
extern unsigned flaw_now;

/* The allocator of this project. */
const struct subject *flaw_core(void);

/* Reads @text; fails the running test where it is no case. */
void flaw_parse(struct program *program, const char *text);

/* Runs the program @text; fails the running test where a violation is found. */
void flaw_assert_clean(const struct subject *subject, const char *text);

/* Runs the program of @flaw without the flaw, with it, and without it again: only with it is a
 * violation found, and it is the one of the check at that operation. */
void flaw_assert_found(const struct subject *subject, const struct flaw_case *flaw);

#endif
