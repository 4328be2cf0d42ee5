/* SPDX-License-Identifier: MIT
 *
 * bench_memory.h: an allocator on simulated memory, without model and faults.
 */
#ifndef POTAD_STRESS_BENCH_MEMORY_H
#define POTAD_STRESS_BENCH_MEMORY_H

#include "fuzzers/simmem.h"
#include "fuzzers/subject.h"

struct bench_memory {
    struct simmem mem;
    struct port port;
    void *instance;
    const struct subject *subject;
};

/* Boots the subject called @subject on @map. Aborts where that does not work. */
void bench_memory_open(struct bench_memory *memory, const char *subject,
                       const struct boot_map *map);
void bench_memory_close(struct bench_memory *memory);

#endif
