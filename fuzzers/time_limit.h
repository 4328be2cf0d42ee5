/* SPDX-License-Identifier: MIT
 *
 * time_limit.h: ends a process that runs a case which may come to no end. Processor time counts, so
 * that a busy machine makes nothing endless.
 */
#ifndef POTAD_FUZZERS_TIME_LIMIT_H
#define POTAD_FUZZERS_TIME_LIMIT_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

/* For one run of a case that is to be shown or written down. */
enum { TIME_LIMIT_SECONDS = 60, TIME_LIMIT_SIGNAL = SIGPROF };

/* Has TIME_LIMIT_SIGNAL end this process after @seconds of processor time; 0: not any more. */
static inline void time_limit_set(uint32_t seconds)
{
    const struct itimerval time = {.it_value = {.tv_sec = (time_t)seconds}};
    setitimer(ITIMER_PROF, &time, NULL);
}

#endif
