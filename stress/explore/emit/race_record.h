/* SPDX-License-Identifier: MIT
 *
 * race_record.h: what the operations of an execution come to, call by call, and what is answered:
 * enough to do it again without a stage. In memory that processes share, as what it is of may end
 * the process.
 */
#ifndef POTAD_STRESS_EXPLORE_EMIT_RACE_RECORD_H
#define POTAD_STRESS_EXPLORE_EMIT_RACE_RECORD_H

#include "stress/explore/stage.h"

enum { RACE_LINE_BYTES = 100, RACE_LINES_MAX = 1024, RACE_OTHERS_MAX = 64 };

/* One operation. */
struct race_op {
    bool began;
    bool ended;
    bool nothing;        /* there was no slot for it: it called nothing */
    bool granted;        /* what it asked for is in its slot */
    uint32_t number;     /* of the slot that it works on */
    uint32_t cache;      /* of objects: the number of their cache */
    pfn_t pfn;           /* that it asks about */
    uint32_t first_call; /* of the history, from there on */
    uint32_t others_count;
    uint32_t others[RACE_OTHERS_MAX]; /* slots of the parts of a split, or of objects */
    char answer[RACE_LINE_BYTES];     /* as in the history; empty: none */
};

struct race_record {
    struct race_op ops[STAGE_OPS_MAX];
    bool judged; /* what is wrong is answers: lines are all calls of the threads, and returns */
    uint32_t lines_count;
    char lines[RACE_LINES_MAX][RACE_LINE_BYTES];
};

_Static_assert((int)RACE_OTHERS_MAX >= (int)ORDERS, "a split has a part of each order at most");

/* Return: memory that processes forked later share, all zero; or NULL. */
struct race_record *race_record_open(void);
void race_record_close(struct race_record *record);

/* What writes to @record: for stage_options. */
struct stage_listener race_record_listener(struct race_record *record);

#endif
