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
    X(exhaust)

struct workload {
    const char *name;
    const char *summary;  /* one line */
    uint64_t frames;      /* of the map, unless the user says otherwise */
    uint64_t required;    /* PATH_BIT()s: without one of them, a run is inconclusive */
    bool arms_faults;     /* each fault site that the subject comes to must have fired, too */
    size_t own_bytes;     /* of zeroed memory, for each thread: worker->own */
    size_t shared_bytes;  /* of zeroed memory, for all threads: worker->shared */
    unsigned threads_min; /* below, it makes no sense */

    /* Does one small piece of work. Must not wait for other threads. */
    void (*step)(struct worker *worker);

    /* Frees all that this thread holds, and its share of what lies between the threads, while the
     * @threads threads do the same and nothing else. */
    void (*drain)(struct worker *worker, unsigned threads);
};

/* In the order of the table; NULL ends the array. */
extern const struct workload *const workloads[];

/* The workload called @name, or NULL. */
const struct workload *workload_find(const char *name);

#endif
