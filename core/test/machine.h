/* SPDX-License-Identifier: MIT
 *
 * machine.h: an arena with CPUs, for unit tests of what CPUs keep. One thread, which says which CPU
 * it is on.
 */
#ifndef POTAD_CORE_TEST_MACHINE_H
#define POTAD_CORE_TEST_MACHINE_H

#include "core/test/arena.h"

/* The arena is the first member: what is the port's context is both. */
struct machine {
    struct arena arena;
    uint32_t cpu;     /* that the thread is on; CPUS_MAX: none */
    uint32_t entered; /* CPUs, and not left yet */
    uint64_t hash;    /* after boot, without CPUs */
};

/* Boots on @map with @cpus CPUs, and is on the first. */
void machine_open(struct machine *machine, const struct boot_map *map, uint32_t cpus);

/* The same with one zone of ordinary memory. */
void machine_open_frames(struct machine *machine, enum block_map_kind kind, uint64_t frames,
                         uint32_t cpus);

/* Checks that without its CPUs, the machine is as after boot, and closes it. */
void machine_close(struct machine *machine);

/* Runs @test for each kind of map, with memory of @frames and @cpus. */
void machine_for_each_kind(uint64_t frames, uint32_t cpus, void (*test)(struct machine *machine));

/* What @cpu keeps. Return: NULL where it is offline. */
struct cpu_cache *machine_keeper(const struct machine *machine, uint32_t cpu);

/* Takes @cpu offline, or online where there is memory for that. */
void machine_cpu_toggle(struct machine *machine, uint32_t cpu);

/* Whether @act, with @context, ends the program by an assertion. It acts in a child: nothing of it
 * is left. */
bool machine_asserts(struct machine *machine, void (*act)(struct machine *machine, void *context),
                     void *context);

#endif
