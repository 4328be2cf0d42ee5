/* SPDX-License-Identifier: MIT
 *
 * shuffle.h: a thread that moves others from processor to processor.
 */
#ifndef POTAD_STRESS_SHUFFLE_H
#define POTAD_STRESS_SHUFFLE_H

#include "stress/disturb.h"

#include <pthread.h>
#include <sched.h>

struct shuffle_thread {
    pthread_t thread;
    struct disturber *disturber; /* counts the moves */
};

struct shuffle {
    struct shuffle_thread *threads;
    unsigned count;
    struct random random;
    cpu_set_t processors; /* that this process may run on */
    relaxed_word_t stopped;
    pthread_t thread;
};

/* Return: how many processors this process may run on. */
unsigned shuffle_processors(void);

/* Starts to move @count @threads, as @seed has it. Return: whether there was a thread for it. */
bool shuffle_start(struct shuffle *shuffle, struct shuffle_thread *threads, unsigned count,
                   uint64_t seed) __attribute__((warn_unused_result));

/* Ends the thread. Context: the others are still there. */
void shuffle_stop(struct shuffle *shuffle);

#endif
