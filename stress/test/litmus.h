/* SPDX-License-Identifier: MIT
 *
 * litmus.h: small programs of 2 to 4 threads on shared words, run on stress/explore/weak.h in all
 * interleavings, with all values that loads may see. A program is a text:
 *
 *   x=1; y=1(rel) / a=y(acq); b=x      two threads; each step is one of
 *
 *   x=1           a store; words are x, y and z, and 0 at first
 *   a=x           a load; registers are a to d, and 0 at first
 *   x+1, a=x+1    an update that adds; a is what was there before
 *   a=x?1:2       an update that makes 1 into 2, if it finds that
 *   lock, unlock  of the one lock
 *   barrier       weak_barrier_all()
 *   wait x        loads x until it is not 0
 *   after 1       waits until the thread numbered 1 has ended; the first one has number 0
 *
 * Orders follow in brackets: rlx (if there are none), acq, rel, acq_rel, or ord.
 */
#ifndef POTAD_STRESS_TEST_LITMUS_H
#define POTAD_STRESS_TEST_LITMUS_H

#include "stress/explore/weak.h"

enum {
    LITMUS_THREADS = 4,
    LITMUS_STEPS = 8, /* of a thread */
    LITMUS_WORDS = 3,
    LITMUS_REGISTERS = 4,
    LITMUS_VALUES = 10,     /* a value is a digit */
    LITMUS_OUTCOMES = 10000 /* of four digits */
};

struct litmus_step {
    enum litmus_kind {
        LITMUS_STORE,
        LITMUS_LOAD,
        LITMUS_ADD,
        LITMUS_CHANGE,
        LITMUS_LOCK,
        LITMUS_UNLOCK,
        LITMUS_BARRIER,
        LITMUS_WAIT,
        LITMUS_AFTER
    } kind;
    unsigned order; /* enum sync_order */
    unsigned word;
    unsigned target; /* the register, or LITMUS_REGISTERS */
    unsigned from;   /* of LITMUS_CHANGE */
    unsigned value;  /* or the thread of LITMUS_AFTER */
};

struct litmus_program {
    struct litmus_step steps[LITMUS_THREADS][LITMUS_STEPS];
    unsigned counts[LITMUS_THREADS];
    unsigned threads;
};

/* What came out in some execution: the digits of an outcome are the values of up to four registers,
 * or of words at the end. */
struct litmus_outcomes {
    bool shown[LITMUS_OUTCOMES];
    uint64_t executions;
    uint32_t steps_max; /* of an execution */
};

/* Reads @text. Return: whether it is a program. */
bool litmus_parse(struct litmus_program *program, const char *text)
    __attribute__((warn_unused_result));

/* Runs @program in all ways. @observes: the names of what outcomes are made of, such as "abx".
 * Return: whether each execution came to an end. */
bool litmus_run(const struct litmus_program *program, const char *observes, struct weak *weak,
                struct litmus_outcomes *outcomes) __attribute__((warn_unused_result));

#endif
