/* SPDX-License-Identifier: MIT */
#include "stress/gate.h"

void gate_init(struct gate *gate, unsigned threads)
{
    *gate = (struct gate){.threads = threads};
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, NULL);
}

void gate_destroy(struct gate *gate)
{
    pthread_mutex_destroy(&gate->lock);
    pthread_cond_destroy(&gate->changed);
}

enum gate_order gate_wait(struct gate *gate, struct worker *worker)
{
    relaxed_store(&worker->parked, 1);
    pthread_mutex_lock(&gate->lock);
    uint64_t rounds = gate->rounds;
    gate->parked++;
    pthread_cond_broadcast(&gate->changed);
    while (gate->rounds == rounds) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    enum gate_order order = gate->order;
    pthread_mutex_unlock(&gate->lock);
    relaxed_store(&worker->parked, 0);
    return order;
}

void gate_open(struct gate *gate, enum gate_order order)
{
    relaxed_store(&gate->called, 0);
    pthread_mutex_lock(&gate->lock);
    gate->order = order;
    gate->parked = 0;
    gate->rounds++;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

void gate_collect(struct gate *gate)
{
    relaxed_store(&gate->called, 1);
    pthread_mutex_lock(&gate->lock);
    while (gate->parked < gate->threads) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    pthread_mutex_unlock(&gate->lock);
}
