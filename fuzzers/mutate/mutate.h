/* SPDX-License-Identifier: MIT
 *
 * mutate.h: changes inputs of fuzz targets as what they are: programs of operations, on a memory
 * map. Any bytes are a program; what comes out is a canonical case within the target's limits, so
 * that it means the same to whoever reads it. Nothing is ever cut but at the border of an
 * operation.
 *
 * Every choice comes from the seed: the same input, seed and limits give the same bytes.
 */
#ifndef POTAD_FUZZERS_MUTATE_MUTATE_H
#define POTAD_FUZZERS_MUTATE_MUTATE_H

#include "fuzzers/case.h"

/* The kinds of changes. X(id, name, weight): how often each is tried, relative to the others; 0:
 * those that are not drawn. */
#define MUTATION_TABLE(X)                                                                          \
    X(MUTATION_INSERT, "insert", 20)        /* new operations, at times with what undoes them */   \
    X(MUTATION_REPLACE, "replace", 10)      /* one by a new one */                                 \
    X(MUTATION_DELETE, "delete", 20)        /* some in a row */                                    \
    X(MUTATION_DUPLICATE, "duplicate", 8)   /* some in a row, or one many times */                 \
    X(MUTATION_SWAP, "swap", 4)             /* two */                                              \
    X(MUTATION_MOVE, "move", 4)             /* some in a row to elsewhere */                       \
    X(MUTATION_TUNE, "tune", 28)            /* operands toward borders */                          \
    X(MUTATION_FAULT_ADD, "fault-add", 5)   /* an operation gets one */                            \
    X(MUTATION_FAULT_MOVE, "fault-move", 3) /* to another operation, step or site */               \
    X(MUTATION_FAULT_REMOVE, "fault-remove", 2)                                                    \
    X(MUTATION_IDIOM, "idiom", 5)       /* what a real machine does (idioms.h) */                  \
    X(MUTATION_SWARM, "swarm", 2)       /* some kinds of operations go from all of it */           \
    X(MUTATION_MAP, "map", 6)           /* ranges, zones, CPUs */                                  \
    X(MUTATION_THREAD, "thread", 8)     /* who runs what, where there are threads */               \
    X(MUTATION_SCHEDULE, "schedule", 0) /* the bytes behind a program with threads */              \
    X(MUTATION_SPLICE, "splice", 0)     /* parts of two programs */

enum mutation {
#define X(id, name, weight) id,
    MUTATION_TABLE(X)
#undef X
        MUTATIONS
};

enum {
    MUTATE_BYTES_MIN = CASE_HEADER_BYTES + CASE_RANGE_BYTES, /* of a case */
    MUTATE_TEXT_MAX = 160
};

struct mutate_buffer {
    uint8_t *data;
    size_t size;
    size_t room;
};

struct mutator {
    const struct case_limits *limits;
    uint64_t random;             /* state of the generator */
    size_t bytes_max;            /* that the program may have, now */
    uint32_t applied;            /* a bit for each kind that the last call came to */
    struct program program;      /* that is changed */
    struct program other;        /* that parts are taken from */
    bool marked;                 /* there is something behind the program, at least CASE_MARK */
    struct mutate_buffer behind; /* that, without the mark */
    struct mutate_buffer bytes;  /* all of it again */
};

/* Makes a mutator for the inputs of the fuzz target of @limits. */
void mutator_init(struct mutator *mutator, const struct case_limits *limits);
void mutator_close(struct mutator *mutator);

/* All choices from here on come from @seed. */
void mutator_seed(struct mutator *mutator, uint64_t seed);

/* Changes the input @data, of @size bytes, in place. Return: its new size, at most @size_max: the
 * canonical form of a program, and what is behind it; in less than MUTATE_BYTES_MIN, any bytes. */
size_t mutator_mutate(struct mutator *mutator, uint8_t *data, size_t size, size_t size_max);

/* Makes an input of parts of two, into @out. Return: as mutator_mutate(). */
size_t mutator_cross(struct mutator *mutator, const uint8_t *one, size_t one_size,
                     const uint8_t *other, size_t other_size, uint8_t *out, size_t size_max);

/* Says in @text what the last call did: names of kinds, with commas. */
void mutator_describe(const struct mutator *mutator, char *text, size_t size);

const char *mutation_name(enum mutation mutation);

#endif
