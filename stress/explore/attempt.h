/* SPDX-License-Identifier: MIT
 *
 * attempt.h: executions in a process of their own, so that one that crashes, or that a sanitizer
 * ends, is a finding as any other: what it did until then lies in memory that both processes share.
 */
#ifndef POTAD_STRESS_EXPLORE_ATTEMPT_H
#define POTAD_STRESS_EXPLORE_ATTEMPT_H

#include "stress/explore/stage.h"

enum { ATTEMPT_LOG_MAX = EXPLORE_STEPS_MAX, ATTEMPT_CASE_MAX = 1 << 15 };

/* What is found where threads go on without coming to a step. */
#define HANG_NAME "hang"

/* What a process leaves behind. */
struct attempt {
    struct explore_finding finding;
    struct schedule schedule;
    char program[ATTEMPT_CASE_MAX]; /* as text: what was executed last */
    uint64_t hash;
    uint64_t executions; /* all below: so far */
    uint64_t programs;
    uint64_t steps;
    uint64_t switches;
    uint64_t undecided; /* histories, by the exact judge */
    uint64_t covered;   /* programs of which all executions have been */
    bool bad_program;   /* error says why there was nothing to execute */
    int bad_file;       /* the number of the file that it is in */
    bool stop;          /* asked for by who waits */
    char error[SCHEDULE_ERROR_MAX];
    struct explore_log log;
    struct explored_step steps_logged[ATTEMPT_LOG_MAX];
};

/* Memory that processes forked later share. Return: NULL where there is none. */
struct attempt *attempt_open(void);
void attempt_close(struct attempt *attempt);

/* An empty log of the steps of an execution, in @attempt. */
struct explore_log *attempt_log(struct attempt *attempt);

/* What is executed from here on is due to end within @milliseconds of this CPU's time: where it
 * does not, that ends the process, and is the finding HANG_NAME. */
void attempt_expect_end(unsigned milliseconds);

/* Starts a process that does @work(@context), which notes what it does in @attempt. @quiet: what it
 * prints goes nowhere. Return: its number, or -1. */
int attempt_start(struct attempt *attempt, bool quiet, void (*work)(void *context), void *context);

/* Waits for process @process of @attempt; if it did not end by itself, that is the finding, unless
 * there is one already. */
void attempt_wait(struct attempt *attempt, int process);

/* Whether it found something. */
static inline bool attempt_found(const struct attempt *attempt)
{
    return attempt->finding.name[0] != '\0';
}

/* Executes @program as @schedule says, in a process of its own: once, or, to find that it has not
 * the same outcome (@name: determinism), twice. @log: with each step noted, and what it prints
 * shown. @schedule may be that of @attempt. */
void attempt_replay(struct attempt *attempt, const struct program *program,
                    const struct stage_options *options, const struct schedule *schedule,
                    const char *name, bool log);

#endif
