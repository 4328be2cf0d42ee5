/* SPDX-License-Identifier: MIT
 *
 * workload.h: what the threads of a run do. A new workload is a file workload_NAME.c that defines
 * workload_NAME, and one line in WORKLOAD_TABLE.
 */
#ifndef POTAD_STRESS_WORKLOAD_H
#define POTAD_STRESS_WORKLOAD_H

#include "stress/worker.h"

/* X(name) */
#define WORKLOAD_TABLE(X)                                                                          \
    X(churn)                                                                                       \
    X(handoff)                                                                                     \
    X(exhaust)                                                                                     \
    X(migrate)                                                                                     \
    X(lifetime)                                                                                    \
    X(hotplug)                                                                                     \
    X(trace)                                                                                       \
    X(range)

struct plan;

/* What the threads of a workload work on. Context of all: the coordinator, all threads parked.
 * What is wrong is reported. */
struct scene {
    /* Makes what all rounds need. Return: whether there was memory for it; if not, nothing is left
     * to close. */
    bool (*open)(struct worker *coordinator, const struct plan *plan);
    void (*close)(struct worker *coordinator);

    /* A round begins. Return: OK, or why it cannot. */
    enum status (*begin)(struct worker *coordinator);

    /* Checks what is there, between two pieces of work of the @threads @workers. */
    void (*check)(struct worker *coordinator, struct worker *workers, unsigned threads);

    /* A round ends: the threads have drained, and all was checked. */
    void (*end)(struct worker *coordinator);
};

/* A subject in its world. */
extern const struct scene scene_world;

struct workload {
    const char *name;
    const char *summary; /* one line */
    const struct scene *scene;
    const char *subject;       /* the only one that it is for, or NULL */
    uint64_t frames;           /* of the map, or of keys; unless the user says otherwise */
    const enum path *required; /* PATHS ends it: without one of them, a run is inconclusive */
    bool cma;                  /* the map has CMA ranges */
    bool later;                /* zones of it come and go: plot.h */
    bool wants_trace;          /* it replays one: plan->script */
    bool arms_faults;          /* each fault site that the subject comes to must have fired, too */
    size_t own_bytes;          /* of zeroed memory, for each thread: worker->own */
    size_t shared_bytes;  /* of zeroed memory on a cache line's border: worker->shared of all */
    unsigned threads_min; /* below, it makes no sense */

    /* After each boot, has the subject tell the workload what it wants to hear; or NULL. Context:
     * as scene->begin(). Return: what the subject answers. */
    enum status (*watch)(struct worker *coordinator);

    /* Does one small piece of work; sets worker->idle where there is none before the next check.
     * Must not wait for other threads. */
    void (*step)(struct worker *worker);

    /* Frees all that this thread holds, and its share of what lies between the threads, while the
     * @threads threads do the same and nothing else. */
    void (*drain)(struct worker *worker, unsigned threads);

    /* Whether a round has come to its end; or NULL: it lasts a second. Context: the coordinator. */
    bool (*finished)(const struct worker *coordinator);
};

/* In the order of the table; NULL ends the array. */
extern const struct workload *const workloads[];

/* The workload called @name, or NULL. */
const struct workload *workload_find(const char *name);

#endif
