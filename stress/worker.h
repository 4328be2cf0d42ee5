/* SPDX-License-Identifier: MIT
 *
 * worker.h: what one thread of a run has of its own: random numbers, counters, the fault that is
 * armed for it, and where it stands. The thread that coordinates a run has one too.
 */
#ifndef POTAD_STRESS_WORKER_H
#define POTAD_STRESS_WORKER_H

#include "stress/finding.h"
#include "stress/path.h"
#include "stress/random.h"
#include "stress/world.h"

#include <inttypes.h>

/* A step of the subject that is to fail. */
struct armed_fault {
    bool armed;
    bool persistent; /* from the nth time on, not only then */
    bool fired;
    enum fault_site site;
    uint64_t nth;
    uint64_t asked; /* times that the site was come to */
};

struct worker {
    struct world *world; /* open only where the workload works on one */
    struct findings *findings;
    uint32_t cpu;         /* that it is on, where there is such a one; CPUS_MAX: its own (cpus.h) */
    unsigned index;       /* the coordinator's is that behind the last thread's */
    struct random random; /* what to do */
    struct random jitter; /* when to give up the CPU; does not change what is done */
    struct armed_fault fault;
    bool cpu_down;          /* its own CPU is offline, and nobody can be on it */
    uint64_t failures_seen; /* world->failures when its operation began */
    uint64_t serial;        /* of the last block or object that it allocated */
    int64_t objects_live;   /* that it allocated, less those that it freed */
    void *shared;           /* the workload's, the same for all threads */
    void *own;              /* the workload's, for this thread */

    /* Written by this thread, read by others. */
    relaxed_text_t operation; /* what it does now */
    relaxed_word_t operations;
    relaxed_word_t parked; /* 1: it waits for the coordinator or another thread, or it is that */
    relaxed_word_t idle;   /* 1: it has no work before the next check */
    relaxed_word_t sites_asked;
    relaxed_word_t paths[PATHS];
};

/* This thread's worker: the port's functions are not told who calls. */
extern _Thread_local struct worker *worker_current;

/* Makes worker number @index, whose numbers all come from @seed. */
void worker_init(struct worker *worker, unsigned index, uint64_t seed);

/* From here to worker_end(), this thread does @operation, a text that stays. */
static inline void worker_begin(struct worker *worker, const char *operation)
{
    worker->failures_seen = relaxed_load_in_place(&worker->world->failures);
    relaxed_set_text(&worker->operation, operation);
}

static inline void worker_end(struct worker *worker)
{
    relaxed_count(&worker->operations, 1);
}

static inline void worker_count_more(struct worker *worker, enum path path, uint64_t more)
{
    relaxed_count(&worker->paths[path], more);
}

static inline void worker_count(struct worker *worker, enum path path)
{
    worker_count_more(worker, path, 1);
}

static inline cookie_t worker_cookie(struct worker *worker)
{
    return cookie_make(worker->index, ++worker->serial);
}

/* Records a finding, with this thread and what it does. */
void worker_report(struct worker *worker, enum finding finding, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Arms a random fault at a random site, until worker_disarm(). */
void worker_arm(struct worker *worker);

/* Arms @site, to fail when it is asked next. */
void worker_arm_site(struct worker *worker, enum fault_site site);
void worker_disarm(struct worker *worker);

/* Answers port.fault(). Context: core locks may be held. */
bool worker_fault(struct worker *worker, enum fault_site site);

/* Sometimes lets others come in. */
void worker_pause(struct worker *worker);

/* The same where that is come by very often. */
void worker_pause_seldom(struct worker *worker);

/* Answers port.window(), with a pause. */
void worker_window(struct worker *worker, enum window window);

/* Reports that one of @frames frames from @pfn, which the worker's operation was given, had failed
 * before it began. */
void worker_check_sound(struct worker *worker, pfn_t pfn, uint64_t frames);

/* Whether an allocation may answer @status: OK, NO_MEMORY, or ACCEPT_FAILED where accepting was
 * made to fail; any other is reported. */
bool worker_expect(struct worker *worker, enum status status);

#endif
