/* SPDX-License-Identifier: MIT
 *
 * run.h: one run of a workload: threads, quiescent points, rounds.
 *
 *   boot ─ work ─ check ─ work ─ check ─ drain ─ check ─ is all whole? ─ boot ─ ...
 *         └ 0.5 s ┘                    └ the round ends
 */
#ifndef POTAD_STRESS_RUN_H
#define POTAD_STRESS_RUN_H

#include "stress/workload.h"

#include <stdio.h>

enum { THREADS_MAX = 64 };

/* Exit statuses of the program. */
enum result {
    RESULT_NOTHING_FOUND = 0,
    RESULT_VIOLATION = 1,
    RESULT_BAD_USAGE = 2,
    RESULT_INCONCLUSIVE = 3
};

/* What to run. */
struct plan {
    const struct workload *workload;
    const struct subject *subject;
    unsigned threads; /* 1 to THREADS_MAX */
    uint64_t seconds;
    uint64_t seed;
    uint64_t frames;
    uint32_t cpus;               /* up to CPUS_MAX; 0: none */
    uint32_t disturb;            /* bits by enum disturbance, each of which makes sense */
    FILE *json;                  /* open for writing, or NULL */
    const struct script *script; /* of a trace that the workload wants; or NULL */
};

/* What came of it, so far. */
struct outcome {
    enum result result;
    bool interrupted;
    double seconds;
    double seconds_working; /* of these, that the threads were let work or drain */
    uint64_t operations;
    uint64_t operations_of[THREADS_MAX]; /* each thread's */
    uint64_t validations;
    uint64_t rounds;      /* from boot until all was free again */
    uint64_t chain_depth; /* of the subject's nested calls, the deepest of all rounds */
    uint64_t paths[PATHS];
    bool missing[PATHS];             /* should have been taken, and were not */
    const struct findings *findings; /* for RESULT_VIOLATION */
};

/* Runs @plan and reports. Return: the exit status. Context: once in a process. */
enum result run_execute(const struct plan *plan);

#endif
