/* SPDX-License-Identifier: MIT
 *
 * script.h: a kernel's page trace, cut into what each thread of a run is to do.
 *
 *   trace    [000] alloc A   [001] alloc B   [000] free B    [001] free A    [000] alloc C
 *   thread 0       alloc 0                         free 1                          alloc 2
 *   thread 1                       alloc 1                         free 0
 *
 * What CPU c of the trace did, thread c modulo the number of threads does, in that order. Each
 * allocation of the trace is a block of its own, for threads get out of step: a free names the
 * block, and has to wait for it. The one that comes first in the trace never has to, so somebody
 * always goes on.
 */
#ifndef POTAD_STRESS_SCRIPT_H
#define POTAD_STRESS_SCRIPT_H

#include "core/potad.h"
#include "fuzzers/traffic.h"

/* An allocation of the trace. */
struct script_block {
    uint8_t order;
    uint8_t migratetype; /* below MIGRATETYPES */
    uint8_t cpu;         /* that it was made on */
};

struct script_op {
    uint32_t block;
    uint8_t cpu;
    bool is_free;
};

/* What one thread does. */
struct script_part {
    struct script_op *ops;
    uint64_t count;
    uint64_t room;
};

struct script {
    const char *path; /* as given */
    uint32_t cpus;    /* one more than the highest number of a CPU in it, up to CPUS_MAX */
    unsigned threads;
    struct script_part *parts; /* of each */
    struct script_block *blocks;
    uint64_t blocks_count;
    uint64_t blocks_room;
    struct traffic_counts counts;
};

/* Reads the trace at @path, "-" for standard input, for @threads threads. CPUs from CPUS_MAX on are
 * taken for such below. Return: false with one line in @error (TRACE_ERROR_MAX bytes) that names
 * the file, and the line where it is bad: then nothing is left to close. */
bool script_open(struct script *script, const char *path, unsigned threads, char *error)
    __attribute__((warn_unused_result));
void script_close(struct script *script);

#endif
