/* SPDX-License-Identifier: MIT
 *
 * strategy_bytes.c: takes its choices from bytes, any of which mean something. Those at the front
 * say how long the thread that runs goes on, and who is next:
 *
 *     7   6 5          0    whom: 0: the same thread, with the next byte; n: the n-th of those
 *   |  whom |  how long  |        behind it that can go on, around
 *                           how long: below 48: so many choices; from there on, until 1, 2, ...
 *                                 operations more have begun
 *
 * Those at the back say what the other choices are: after so many (bits 7 to 4) that are the usual
 * one, it is this (bits 3 to 0). So a byte more of one kind does not move those of the other. Where
 * the two meet there is nothing left, and all goes its usual way: who runs goes on until it waits
 * or ends, and then the next one that can.
 */
#include "stress/explore/strategy.h"

#include <stdlib.h>

enum {
    LENGTH_BITS = 6,
    LENGTH_MASK = (1 << LENGTH_BITS) - 1,
    LENGTH_OPS = 48, /* from there on, operations */
    VALUE_BITS = 4,
    VALUE_MASK = (1 << VALUE_BITS) - 1
};

#define NO_OP UINT32_MAX

struct bytes {
    struct strategy strategy;
    const uint8_t *data;
    size_t size;
    size_t front; /* bytes that were taken there */
    size_t back;
    uint32_t choices;             /* left of those that the last byte is for */
    uint32_t ops;                 /* and of operations */
    unsigned whom;                /* next */
    uint32_t op[EXPLORE_THREADS]; /* in which each thread was seen */
    uint32_t usual;               /* picks that are left before that of the last byte at the back */
    unsigned value;               /* of that one */
    bool picked;                  /* or there is none any more */
};

static struct bytes *bytes_of(struct strategy *strategy)
{
    return (struct bytes *)(void *)strategy;
}

static void bytes_begin(struct strategy *strategy, unsigned threads)
{
    struct bytes *bytes = bytes_of(strategy);
    bytes->front = 0;
    bytes->back = 0;
    bytes->choices = 0;
    bytes->ops = 0;
    bytes->whom = 0;
    bytes->picked = true;
    for (unsigned i = 0; i < threads; i++) {
        bytes->op[i] = NO_OP;
    }
}

static bool bytes_left(const struct bytes *bytes)
{
    return bytes->front + bytes->back < bytes->size;
}

/* The @count-th thread behind @from, from 1 and around, of those that can go on and are not it. */
static unsigned thread_behind(const struct decision *decision, unsigned from, unsigned count)
{
    unsigned others = (unsigned)__builtin_popcount(decision->enabled & ~(1U << from));
    unsigned skip = (count - 1) % others;
    unsigned thread = from;
    do {
        thread = (thread + 1) % decision->threads;
    } while (thread == from || !decision_is_enabled(decision, thread) || skip-- > 0);
    return thread;
}

/* Who goes on unless a byte says something else. */
static unsigned usual_thread(const struct decision *decision)
{
    unsigned current = decision->current;
    if (current == NO_THREAD) {
        return (unsigned)__builtin_ctz(decision->enabled);
    }
    if (decision->yielded || !decision_is_enabled(decision, current)) {
        return thread_behind(decision, current, 1);
    }
    return current;
}

/* Counts it if @thread has begun an operation since it was seen; of one that never was, the first
 * is not new. */
static void note_op(struct bytes *bytes, const struct decision *decision, unsigned thread)
{
    uint32_t op = decision->pending[thread].at.op;
    if (bytes->op[thread] != NO_OP && bytes->op[thread] != op && bytes->ops > 0) {
        bytes->ops--;
    }
    bytes->op[thread] = op;
}

static void take_length(struct bytes *bytes)
{
    uint8_t byte = bytes->data[bytes->front++];
    uint32_t length = byte & LENGTH_MASK;
    bytes->choices = length < LENGTH_OPS ? length : 0;
    bytes->ops = length < LENGTH_OPS ? 0 : length - LENGTH_OPS + 1;
    bytes->whom = byte >> LENGTH_BITS;
}

static unsigned bytes_choose(struct strategy *strategy, const struct decision *decision)
{
    struct bytes *bytes = bytes_of(strategy);
    unsigned thread = usual_thread(decision);
    note_op(bytes, decision, thread);
    while (bytes->choices == 0 && bytes->ops == 0) {
        thread = bytes->whom == 0 ? thread : thread_behind(decision, thread, bytes->whom);
        bytes->whom = 0;
        if (!bytes_left(bytes)) {
            return thread;
        }
        take_length(bytes);
    }
    bytes->choices -= bytes->choices > 0 ? 1 : 0;
    return thread;
}

static unsigned bytes_pick(struct strategy *strategy, const struct decision *decision,
                           unsigned count)
{
    struct bytes *bytes = bytes_of(strategy);
    (void)decision;
    if (bytes->picked) {
        if (!bytes_left(bytes)) {
            return 0;
        }
        uint8_t byte = bytes->data[bytes->size - ++bytes->back];
        bytes->usual = byte >> VALUE_BITS;
        bytes->value = byte & VALUE_MASK;
        bytes->picked = false;
    }
    if (bytes->usual > 0) {
        bytes->usual--;
        return 0;
    }
    bytes->picked = true;
    return bytes->value % count;
}

static bool bytes_end(struct strategy *strategy, uint64_t decisions)
{
    (void)strategy;
    (void)decisions;
    return false;
}

static void bytes_close(struct strategy *strategy)
{
    free(strategy);
}

struct strategy *strategy_bytes(const uint8_t *data, size_t size)
{
    struct bytes *bytes = calloc(1, sizeof(*bytes));
    if (bytes == NULL) {
        return NULL;
    }
    bytes->strategy = (struct strategy){.name = "bytes",
                                        .summary = "what bytes say",
                                        .begin = bytes_begin,
                                        .choose = bytes_choose,
                                        .pick = bytes_pick,
                                        .end = bytes_end,
                                        .close = bytes_close};
    bytes->data = data;
    bytes->size = size;
    return &bytes->strategy;
}
