/* SPDX-License-Identifier: MIT
 *
 * bench_arena.h: an allocator of the core, called as its users call it, that has one zone: blocks
 * and all that describes them share it. No frame is written to but those of metadata.
 */
#ifndef POTAD_STRESS_BENCH_ARENA_H
#define POTAD_STRESS_BENCH_ARENA_H

#include "core/potad.h"
#include "fuzzers/simmem.h"

struct bench_arena {
    struct simmem mem;
    struct port port;
    struct potad *potad;
    uint64_t frames;
    atomic_word_t exposed; /* frames of metadata and slabs at present */
};

/* Boots it on @frames frames, a power of two, with @cpus CPUs that have lists of their own; a
 * thread is on that of bench_pin(). Aborts where there is no address space. */
void bench_arena_open(struct bench_arena *arena, enum block_map_kind kind, uint64_t frames,
                      uint32_t cpus);
void bench_arena_close(struct bench_arena *arena);

#endif
