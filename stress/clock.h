/* SPDX-License-Identifier: MIT
 *
 * clock.h: time since some moment in the past, for intervals.
 */
#ifndef POTAD_STRESS_CLOCK_H
#define POTAD_STRESS_CLOCK_H

#include <time.h>

static inline double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline void clock_sleep_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

#endif
