/* SPDX-License-Identifier: MIT */
#include "stress/bench_turns.h"
#include "stress/bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void bench_turns_note(struct bench_turns *turns, double ns, double share)
{
    if (share >= BENCH_SHARE_MIN && turns->count < BENCH_TURNS_MAX) {
        turns->ns[turns->count++] = ns;
    } else if (share < BENCH_SHARE_MIN && turns->waiting < BENCH_TURNS_MAX) {
        turns->ns_waiting[turns->waiting++] = ns;
    }
}

static int compare(const void *left, const void *right)
{
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

double bench_turns_median(struct bench_turns *turns)
{
    bool counts = bench_turns_count(turns);
    double *ns = counts ? turns->ns : turns->ns_waiting;
    unsigned count = counts ? turns->count : turns->waiting;
    qsort(ns, count, sizeof(ns[0]), compare);
    return ns[count / 2];
}

/* The CPUs that the process had at its start. */
static const cpu_set_t *cpus_allowed(void)
{
    static cpu_set_t allowed;
    static bool known;
    if (!known) {
        known = true;
        if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
            CPU_ZERO(&allowed);
        }
    }
    return &allowed;
}

unsigned bench_cpus(void)
{
    return (unsigned)CPU_COUNT(cpus_allowed());
}

_Thread_local unsigned bench_pinned;

void bench_pin(unsigned nth)
{
    bench_pinned = nth;
    const cpu_set_t *allowed = cpus_allowed();
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, allowed) && nth-- == 0) {
            cpu_set_t own;
            CPU_ZERO(&own);
            CPU_SET(cpu, &own);
            /* Where it is not granted, the figures are worse, and still compare. */
            (void)pthread_setaffinity_np(pthread_self(), sizeof(own), &own);
            return;
        }
    }
}

void bench_unpin(void)
{
    (void)pthread_setaffinity_np(pthread_self(), sizeof(cpu_set_t), cpus_allowed());
}

double bench_cpu_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void bench_shuffle(void **blocks, uint64_t count, uint64_t *random)
{
    for (uint64_t left = count; left > 1; left--) {
        uint64_t drawn = bench_random(random) % left;
        void *last = blocks[left - 1];
        blocks[left - 1] = blocks[drawn];
        blocks[drawn] = last;
    }
}

void bench_draw(uint32_t *numbers, uint64_t count, uint32_t *drawn, unsigned batch,
                uint64_t *random)
{
    for (unsigned i = 0; i < batch; i++) {
        uint64_t at = i + bench_random(random) % (count - i);
        drawn[i] = numbers[at];
        numbers[at] = numbers[i];
        numbers[i] = drawn[i];
    }
}

void *bench_memory_get(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);
    if (memory == NULL) {
        fputs("potad-bench: not enough memory\n", stderr);
        abort();
    }
    return memory;
}

void bench_exhausted(void)
{
    fputs("potad-bench: an allocator has no memory left\n", stderr);
    abort();
}
