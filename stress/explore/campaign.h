/* SPDX-License-Identifier: MIT
 *
 * campaign.h: explores cases until something is found or the time is up: each from a file, or
 * random ones, one after another; in as many processes as asked for. What is found is replayed,
 * shrunken and saved.
 */
#ifndef POTAD_STRESS_EXPLORE_CAMPAIGN_H
#define POTAD_STRESS_EXPLORE_CAMPAIGN_H

#include "stress/explore/failure.h"
#include "stress/explore/shrink.h"

#include <limits.h>

enum { CAMPAIGN_JOBS_MAX = 64, CAMPAIGN_REPLAYS = 10 };

struct campaign_plan {
    const char *const *files; /* of cases; none: random programs */
    int files_count;
    bool pairs; /* of operations: in place of random programs, each until it is covered */
    const char *strategy;
    uint64_t seed;
    uint64_t seconds;    /* 0: no limit */
    uint64_t executions; /* of all programs, in each process; 0: no limit */
    unsigned threads;    /* of random programs */
    unsigned ops;        /* of random programs, a thread */
    unsigned jobs;
    const char *out; /* folder that failures are saved in */
    bool shrinks;
    struct stage_options options;
    const char *subject;
};

enum campaign_result {
    CAMPAIGN_NOTHING,
    CAMPAIGN_FOUND,
    CAMPAIGN_BAD_INPUT,
    CAMPAIGN_INCONCLUSIVE /* nothing was executed, or what was found was not found again */
};

/* What came of it. */
struct campaign_report {
    uint64_t executions;
    uint64_t programs;
    uint64_t programs_all; /* that there are: of pairs of operations; else 0 */
    uint64_t covered;      /* programs of which all executions have been */
    uint64_t steps;
    uint64_t switches;
    uint64_t undecided; /* executions whose histories are too long for the exact judge */
    double seconds;
    struct explore_finding finding;
    unsigned replays; /* of CAMPAIGN_REPLAYS that found the same */
    struct shrunk shrunk;
    char path[PATH_MAX]; /* where it was saved; "": nowhere */
};

/* Explores, and prints progress to stderr. */
enum campaign_result campaign_run(const struct campaign_plan *plan, struct campaign_report *report);

#endif
