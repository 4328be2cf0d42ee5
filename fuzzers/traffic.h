/* SPDX-License-Identifier: MIT
 *
 * traffic.h: a kernel's page traffic as operations. Frames of the trace are names of blocks: the
 * subject places its blocks where it likes.
 */
#ifndef POTAD_FUZZERS_TRAFFIC_H
#define POTAD_FUZZERS_TRAFFIC_H

#include "fuzzers/trace.h"

#include <stdio.h>

/* What a stream of events came to. */
struct traffic_counts {
    uint64_t events;
    uint64_t allocs;
    uint64_t frees;
    uint64_t unknown_frees; /* of frames whose allocation the trace does not have: skipped */
    uint64_t double_allocs; /* of frames that are allocated already: freed first */
    uint64_t order_changes; /* frees of a block with another order than it was allocated with */
    uint64_t dropped;       /* allocations that the run had no room for */
    uint64_t live_blocks;
    uint64_t live_frames;
    uint64_t peak_frames;
};

/* What to do with an allocation or free; @number names the block. Return of alloc: whether there is
 * a block now. */
struct traffic_sink {
    void *context;
    bool (*alloc)(void *context, const struct trace_event *event, uint32_t number);
    void (*free)(void *context, uint32_t number);
    bool (*stopped)(void *context); /* no more events are wanted */
};

struct traffic;

/* Makes a stream with block numbers below @blocks. Aborts where there is no memory. Memory: as the
 * live blocks. */
struct traffic *traffic_open(uint32_t blocks, const struct traffic_sink *sink);
void traffic_close(struct traffic *traffic);

/* Feeds @count events to the sink, until it has stopped. */
void traffic_feed(struct traffic *traffic, const struct trace_event *events, size_t count);

const struct traffic_counts *traffic_counts(const struct traffic *traffic);

/* Prints the counts, a line each. */
void traffic_print(FILE *out, const struct traffic_counts *counts);

#endif
