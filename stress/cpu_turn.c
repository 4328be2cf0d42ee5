/* SPDX-License-Identifier: MIT */
#include "stress/cpu_turn.h"

/* Takes @cpu offline, unless another thread is on it. Return: whether it did. */
static bool cpu_stop(struct worker *worker, uint32_t cpu)
{
    struct world *world = worker->world;
    if (!cpus_shut_out(&world->cpus, cpu)) {
        return false;
    }
    worker->cpu_down = true;
    relaxed_store(&world->cpus.cpus[cpu].online, 0);
    worker_begin(worker, "cpu-offline");
    enum status status = world->subject->cpu_offline(world->instance, cpu);
    if (status != STATUS_OK) {
        worker_report(worker, FINDING_STATUS, "answers status %d", (int)status);
    }
    worker_count(worker, PATH_CPU_OFFLINE);
    worker_end(worker);
    return true;
}

static void cpu_start(struct worker *worker, uint32_t cpu)
{
    struct world *world = worker->world;
    worker_begin(worker, "cpu-online");
    enum status status = world->subject->cpu_online(world->instance, cpu);
    if (worker_expect(worker, status) && status == STATUS_OK) {
        relaxed_store(&world->cpus.cpus[cpu].online, 1);
        worker->cpu_down = false;
        cpus_let_in(&world->cpus, cpu);
        worker_count(worker, PATH_CPU_ONLINE);
    }
    worker_end(worker);
}

bool cpu_turn(struct worker *worker)
{
    struct world *world = worker->world;
    if (world->cpus.count == 0) {
        return false;
    }
    uint32_t cpu = cpus_of_thread(&world->cpus, worker->index);
    if (!worker->cpu_down) {
        return cpu_stop(worker, cpu);
    }
    cpu_start(worker, cpu);
    return false;
}

void cpu_turn_end(struct worker *worker)
{
    struct cpus *cpus = &worker->world->cpus;
    if (worker->cpu_down) {
        worker->cpu_down = false;
        cpus_let_in(cpus, cpus_of_thread(cpus, worker->index));
    }
}
