/* SPDX-License-Identifier: MIT
 *
 * cpus.h: the CPUs that the threads of a run are on, for port.cpu_enter(). Where there are as many
 * as threads, each thread has its own. Where there are fewer, threads share them: who finds his
 * taken is on none, for this time.
 */
#ifndef POTAD_STRESS_CPUS_H
#define POTAD_STRESS_CPUS_H

#include "core/check.h"
#include "core/types.h"
#include "stress/relaxed.h"

struct cpu {
    _Alignas(CACHE_LINE_BYTES) try_lock_t taken; /* shared: somebody is on it; or it is offline */
    relaxed_word_t online;                       /* in the subject */
};

struct cpus {
    uint32_t count; /* 0: there are none */
    unsigned threads;
    bool barrier; /* the system has what port.cpu_barrier() needs */
    struct cpu cpus[CPUS_MAX];
};

/* Makes @count CPUs, up to CPUS_MAX, for @threads threads; all are offline. */
void cpus_open(struct cpus *cpus, uint32_t count, unsigned threads);

/* Whether one CPU can have two threads. */
static inline bool cpus_are_shared(const struct cpus *cpus)
{
    return cpus->count < cpus->threads;
}

/* The CPU of thread number @thread, which may be free or not. Context: there are CPUs. */
static inline uint32_t cpus_of_thread(const struct cpus *cpus, unsigned thread)
{
    return thread % cpus->count;
}

/* Puts thread number @thread on @cpu, where there is one of that number, else on its own, as
 * port.cpu_enter(). The coordinator is on none. Context: CPUs that are not the thread's own are
 * also no other's. */
uint32_t cpus_enter(struct cpus *cpus, unsigned thread, uint32_t cpu);

/* Ends that, where CPUs are shared. */
void cpus_leave(struct cpus *cpus, uint32_t cpu);

/* Has nobody on @cpu until cpus_let_in(). Context: a thread whose CPU it is, and that is not on it.
 * Return: false where another one is. */
bool cpus_shut_out(struct cpus *cpus, uint32_t cpu) __attribute__((warn_unused_result));
void cpus_let_in(struct cpus *cpus, uint32_t cpu);

/* What port.cpu_barrier() has to do. Context: cpus->barrier. */
void cpus_barrier(void);

#endif
