/* SPDX-License-Identifier: MIT
 *
 * gate.h: where the threads of a run wait for the coordinator, and it for them.
 *
 *    coordinator          threads
 *    gate_open(order) ──► gate_wait() returns the order; they do it, until it is done or until
 *    gate_collect()   ──► gate_is_called() says to come back ──► gate_wait()
 *    (all are parked: a quiescent point)
 */
#ifndef POTAD_STRESS_GATE_H
#define POTAD_STRESS_GATE_H

#include "stress/worker.h"

enum gate_order {
    GATE_RUN,   /* work until called back */
    GATE_DRAIN, /* free everything, then come back */
    GATE_LEAVE  /* end the thread */
};

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned threads;
    unsigned parked; /* threads that wait here */
    uint64_t rounds; /* orders given so far */
    enum gate_order order;
    relaxed_word_t called; /* 1: come back */
};

/* Makes a gate for @threads threads, which are all on their way to it. */
void gate_init(struct gate *gate, unsigned threads);
void gate_destroy(struct gate *gate);

/* Waits for the next order. Context: a thread of the run. */
enum gate_order gate_wait(struct gate *gate, struct worker *worker);

/* Whether the coordinator calls the threads back. Context: any. */
static inline bool gate_is_called(const struct gate *gate)
{
    return relaxed_load(&gate->called) != 0;
}

/* Gives @order to all. Context of this and the next: the coordinator. All threads are parked. */
void gate_open(struct gate *gate, enum gate_order order);

/* Calls the threads back and waits until all are parked. */
void gate_collect(struct gate *gate);

#endif
