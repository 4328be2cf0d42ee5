/* SPDX-License-Identifier: MIT
 *
 * watchdog.h: a thread that ends the run when another one is stuck: the same operation for
 * WATCHDOG_SECONDS. It can't be asked to come back then, so the process ends here.
 */
#ifndef POTAD_STRESS_WATCHDOG_H
#define POTAD_STRESS_WATCHDOG_H

#include "stress/worker.h"

/* Who is stuck is so for good; who is slow, under a sanitizer on a busy machine, is not. */
enum { WATCHDOG_SECONDS = 30 };

struct watchdog {
    struct worker *workers;
    unsigned count;
    relaxed_word_t stopped;
    pthread_t thread;

    /* Called once a thread is stuck and that is reported. Does not return. */
    void (*bite)(void *context);
    void *context;
};

/* Starts to watch @count workers that do not park. Return: whether there was a thread for it. */
bool watchdog_start(struct watchdog *watchdog) __attribute__((warn_unused_result));

/* Ends the thread. */
void watchdog_stop(struct watchdog *watchdog);

#endif
