/* SPDX-License-Identifier: MIT */
#include "core/test/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t test_cpu_enter(void *context)
{
    struct machine *machine = context;
    machine->entered += machine->cpu < CPUS_MAX ? 1 : 0;
    return machine->cpu;
}

static void test_cpu_leave(void *context, uint32_t cpu)
{
    struct machine *machine = context;
    assert_int_equal(cpu, machine->cpu);
    assert_true(cpu < CPUS_MAX);
    machine->entered--;
}

void machine_open(struct machine *machine, const struct boot_map *map, uint32_t cpus)
{
    arena_open(&machine->arena, map);
    machine->cpu = 0;
    machine->entered = 0;
    machine->arena.port.cpu_enter = test_cpu_enter;
    machine->arena.port.cpu_leave = test_cpu_leave;
    assert_int_equal(potad_boot(&machine->arena.potad, &machine->arena.port, map), STATUS_OK);
    machine->hash = potad_state_hash(&machine->arena.potad);
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        assert_int_equal(potad_cpu_online(&machine->arena.potad, cpu), STATUS_OK);
    }
}

void machine_open_frames(struct machine *machine, enum block_map_kind kind, uint64_t frames,
                         uint32_t cpus)
{
    struct boot_map map = {
        .kind = kind,
        .zones_count = 1,
        .ranges_count = 1,
        .zones = {{.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 0, .frames = frames}},
    };
    machine_open(machine, &map, cpus);
}

void machine_close(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    assert_int_equal(machine->entered, 0);
    arena_validate(&machine->arena);
    for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
        if (machine_keeper(machine, cpu) != NULL) {
            assert_int_equal(potad_cpu_offline(potad, cpu), STATUS_OK);
            arena_validate(&machine->arena);
        }
    }
    potad_shrink(potad);
    arena_validate(&machine->arena);
    assert_int_equal(potad_state_hash(potad), machine->hash);
    assert_int_equal(machine->entered, 0);
    arena_close(&machine->arena);
}

void machine_for_each_kind(uint64_t frames, uint32_t cpus, void (*test)(struct machine *machine))
{
    static struct machine machine;
    for (unsigned kind = BLOCK_MAP_TABLE; kind <= BLOCK_MAP_BOTH; kind++) {
        machine_open_frames(&machine, (enum block_map_kind)kind, frames, cpus);
        test(&machine);
        machine_close(&machine);
    }
}

struct cpu_cache *machine_keeper(const struct machine *machine, uint32_t cpu)
{
    return cpu_cache_of(&machine->arena.potad, cpu);
}

void machine_cpu_toggle(struct machine *machine, uint32_t cpu)
{
    struct potad *potad = &machine->arena.potad;
    if (machine_keeper(machine, cpu) != NULL) {
        assert_int_equal(potad_cpu_offline(potad, cpu), STATUS_OK);
    } else {
        enum status status = potad_cpu_online(potad, cpu);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
    }
}

bool machine_asserts(struct machine *machine, void (*act)(struct machine *machine, void *context),
                     void *context)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        act(machine, context);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
