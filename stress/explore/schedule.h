/* SPDX-License-Identifier: MIT
 *
 * schedule.h: who ran when in one execution: enough to have it run again in just this way.
 *
 *   1@0.14 2@3.5 1@end 2@end      thread 1 ran until it had done 14 steps of operation 0, then
 * thread 2 until 5 steps of operation 3, then 1 to its end, then 2 2@3.2=1 and at its step 2 of
 * operation 3, thread 2 was given choice 1, not 0
 *
 * Operations have the numbers that they have in their case, so what is said of one stays true when
 * others are removed.
 */
#ifndef POTAD_STRESS_EXPLORE_SCHEDULE_H
#define POTAD_STRESS_EXPLORE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    SCHEDULE_RUNS_MAX = 8192,
    SCHEDULE_PICKS_MAX = 1024,
    SCHEDULE_ERROR_MAX = 120,
    SCHEDULE_THREADS = 4
};

/* Where a thread is: it has done @step steps of operation @op. */
struct schedule_point {
    uint32_t op;
    uint32_t step;
};

#define SCHEDULE_END ((struct schedule_point){UINT32_MAX, UINT32_MAX})

struct schedule_run {
    uint8_t thread; /* from 0 */
    struct schedule_point until;
};

/* A choice other than of a thread; only those that were not 0 are kept. */
struct schedule_pick {
    uint8_t thread;
    uint8_t value;
    struct schedule_point at;
};

struct schedule {
    uint32_t runs_count;
    uint32_t picks_count;
    bool overflow; /* there were more than can be kept */
    struct schedule_run runs[SCHEDULE_RUNS_MAX];
    struct schedule_pick picks[SCHEDULE_PICKS_MAX];
};

static inline bool schedule_point_is_before(struct schedule_point a, struct schedule_point b)
{
    return a.op < b.op || (a.op == b.op && a.step < b.step);
}

static inline void schedule_clear(struct schedule *schedule)
{
    schedule->runs_count = 0;
    schedule->picks_count = 0;
    schedule->overflow = false;
}

void schedule_copy(struct schedule *to, const struct schedule *from);

static inline void schedule_add_run(struct schedule *schedule, struct schedule_run run)
{
    if (schedule->runs_count == SCHEDULE_RUNS_MAX) {
        schedule->overflow = true;
        return;
    }
    schedule->runs[schedule->runs_count++] = run;
}

static inline void schedule_add_pick(struct schedule *schedule, struct schedule_pick pick)
{
    if (schedule->picks_count == SCHEDULE_PICKS_MAX) {
        schedule->overflow = true;
        return;
    }
    schedule->picks[schedule->picks_count++] = pick;
}

/* The thread that ran last, from 0; 0 where none did. */
static inline unsigned schedule_last_thread(const struct schedule *schedule)
{
    return schedule->runs_count > 0 ? schedule->runs[schedule->runs_count - 1].thread : 0;
}

/* How often another thread went on although the one before had not ended. */
uint32_t schedule_switches(const struct schedule *schedule);

/* Prints it in the form above, in one line without its end; and reads that. Return: false with
 * @error, of SCHEDULE_ERROR_MAX bytes, saying what is wrong. */
void schedule_print(FILE *out, const struct schedule *schedule);
bool schedule_parse(struct schedule *schedule, const char *text, char *error)
    __attribute__((warn_unused_result));

#endif
