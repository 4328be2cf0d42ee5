/* SPDX-License-Identifier: MIT
 *
 * bench_page.h: what the files of potad-bench page share: memory to allocate from, who allocates,
 * and copies of these that can be counted.
 */
#ifndef POTAD_STRESS_BENCH_PAGE_H
#define POTAD_STRESS_BENCH_PAGE_H

#include "fuzzers/simmem.h"
#include "fuzzers/subject.h"
#include "stress/bench.h"
#include "stress/line_trace.h"

#include <stdlib.h>

enum { BENCH_TOP_ORDER = 18 };

/* One free block of BENCH_TOP_ORDER in zone 1; metadata has zone 0 to itself, and a slab of
 * descriptors that stays. */
struct bench_memory {
    struct simmem mem;
    struct port port;
    void *instance;
    const struct subject *subject;
};

void bench_memory_open(struct bench_memory *memory, const struct subject *subject);
void bench_memory_close(struct bench_memory *memory);

/* Takes a block of @order in zone 1. Context: there is one. */
static inline void bench_memory_take(struct bench_memory *memory, order_t order,
                                     struct subject_block *block)
{
    struct subject_request request = {.order = order, .zone = 1};
    if (memory->subject->alloc(memory->instance, &request, block) != STATUS_OK) {
        abort();
    }
}

static inline void bench_memory_give(struct bench_memory *memory, const struct subject_block *block)
{
    memory->subject->free(memory->instance, block);
}

/* Those that are compared. */
enum bench_page_peer { PEER_TABLE, PEER_TREE, PEER_TEXTBOOK, PEER_TEXTBOOK_CACHED, PEERS };

extern const struct subject *const bench_page_peers[PEERS];

/* The same, in a copy whose loads and stores are counted: see line_trace.h. */
struct bench_page_traced {
    const struct subject *const *peers; /* PEERS of them */
    void (*begin)(void);
    struct line_count (*end)(void);
};

/* NULL in builds for a sanitizer: it is called at each load and store itself. */
const struct bench_page_traced *bench_page_traced(void);

#endif
