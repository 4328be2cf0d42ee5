/* SPDX-License-Identifier: MIT
 *
 * bench_turns.h: what makes figures comparable on a machine that others use, too: a CPU to itself
 * for each thread, many short turns, the same random choices.
 */
#ifndef POTAD_STRESS_BENCH_TURNS_H
#define POTAD_STRESS_BENCH_TURNS_H

#include "core/types.h"

/* Makes *@best @ns, unless it is better already; 0 is none yet. For what one thread does: nothing
 * but other work makes a turn slower. */
static inline void bench_best_note(double *best, double ns)
{
    *best = *best == 0 || ns < *best ? ns : *best;
}

/* For what threads do to each other, which no single turn stands for: all turns. One counts only if
 * its threads had their CPUs for so much of the time: one that waits for a CPU does not get into
 * the way of the other. */
#define BENCH_SHARE_MIN 0.9

enum { BENCH_TURNS_MAX = 512 };

struct bench_turns {
    unsigned count;   /* that count */
    unsigned waiting; /* that do not */
    double ns[BENCH_TURNS_MAX];
    double ns_waiting[BENCH_TURNS_MAX];
};

/* Takes note of a turn. @share: of the time, that a thread had its CPU: the one that had it least.
 * What does not fit is passed over. */
void bench_turns_note(struct bench_turns *turns, double ns, double share);

/* The median of the turns that count; of the others where these are more than nine in ten. There is
 * a turn. Sorts them. */
double bench_turns_median(struct bench_turns *turns);

/* Whether it is of turns that count. */
static inline bool bench_turns_count(const struct bench_turns *turns)
{
    return turns->count * 9 >= turns->waiting && turns->count > 0;
}

/* CPUs that this process may use, and the thread's own. nth: of these; the same thread always gets
 * the same. bench_unpin() undoes it. Context: one of these at a time. */
unsigned bench_cpus(void);
void bench_pin(unsigned nth);

/* The number that the thread has been pinned with, also after that; 0 for one that never was. */
extern _Thread_local unsigned bench_pinned;
void bench_unpin(void);

/* CPU time of the calling thread. */
double bench_cpu_seconds(void);

/* Brings @count @blocks into random order. */
void bench_shuffle(void **blocks, uint64_t count, uint64_t *random);

/* Draws @batch different numbers below @count, into @drawn. @numbers: all numbers below @count, in
 * any order, which changes. */
void bench_draw(uint32_t *numbers, uint64_t count, uint32_t *drawn, unsigned batch,
                uint64_t *random);

/* calloc(), or abort(). */
void *bench_memory_get(size_t count, size_t bytes);

/* Says that an allocator has no memory left, and aborts. */
_Noreturn void bench_exhausted(void);

#endif
