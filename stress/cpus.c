/* SPDX-License-Identifier: MIT */
#include "stress/cpus.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0U, 0) == 0;
}

void cpus_open(struct cpus *cpus, uint32_t count, unsigned threads)
{
    *cpus = (struct cpus){.count = count, .threads = threads};
    cpus->barrier = count > 0 && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

uint32_t cpus_enter(struct cpus *cpus, unsigned thread, uint32_t cpu)
{
    if (thread >= cpus->threads) {
        return CPUS_MAX;
    }
    cpu = cpu < cpus->count ? cpu : cpus_of_thread(cpus, thread);
    try_lock_t *taken = &cpus->cpus[cpu].taken;
    bool free = cpus_are_shared(cpus) ? try_lock(taken) : !try_lock_is_held(taken);
    return free ? cpu : CPUS_MAX;
}

void cpus_leave(struct cpus *cpus, uint32_t cpu)
{
    ASSERT(cpu < cpus->count);
    try_unlock(&cpus->cpus[cpu].taken);
}

bool cpus_shut_out(struct cpus *cpus, uint32_t cpu)
{
    return try_lock(&cpus->cpus[cpu].taken);
}

void cpus_let_in(struct cpus *cpus, uint32_t cpu)
{
    try_unlock(&cpus->cpus[cpu].taken);
}

void cpus_barrier(void)
{
    (void)membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}
