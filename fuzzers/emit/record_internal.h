/* SPDX-License-Identifier: MIT
 *
 * record_internal.h: what the files of the recorder share.
 */
#ifndef POTAD_FUZZERS_EMIT_RECORD_INTERNAL_H
#define POTAD_FUZZERS_EMIT_RECORD_INTERNAL_H

#include "fuzzers/emit/emit_pieces.h"
#include "fuzzers/emit/emit_text.h"
#include "fuzzers/emit/record.h"
#include "fuzzers/executor_internal.h"

/* What was recorded last. */
enum record_kind { RECORD_OTHER, RECORD_BLOCK, RECORD_RUN };

struct recorder {
    FILE *log;
    const struct program *program;
    const struct subject *inner;
    struct subject outer;
    struct subject_range_ops range;
    struct subject_space_ops spaces;
    struct executor executor;
    unsigned depth;    /* of calls that are being made: owners call from within */
    uint32_t cpu;      /* that the log has gone to */
    uint32_t fault_op; /* the last one whose fault was written; RECORD_BOOT: none */
    uint32_t once_op;  /* record_once() */
    uint32_t pieces;   /* bit n: piece n was asked for */
    enum record_kind kind;
    uint32_t number; /* of the last block or run */
    enum status status;
};

/* The functions of a subject have no place for it. */
extern struct recorder recorder;

/* Begins a call. Return: whether it is one of the case's own, to be written down. */
bool record_begin(void);

/* Ends it. */
void record_end(void);
void record_end_status(bool noted, enum status status);

/* Writes a call down: @status: it answers one. Context: before it is made. */
void record_call(enum record_kind kind, uint32_t number, bool status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void record_piece(enum emit_piece piece);

/* The operation that is under way; RECORD_BOOT: none, yet. */
uint32_t record_op(void);

/* Sets what wraps caches, and CPUs and zones, and runs. */
void record_wrap_caches(struct subject *outer);
void record_wrap_memory(struct subject *outer);
void record_wrap_ranges(struct subject_range_ops *outer);
void record_wrap_spaces(struct subject_space_ops *outer);

/* The numbers that @count parts of block @whole will have, as a C array: slots from there on that
 * are taken, and of no block; @first_used: that field of the first block, @stride bytes from that
 * of the next. */
const char *record_parts(const struct slot_map *slots, const bool *first_used, size_t stride,
                         uint32_t whole, order_t count);

/* Whether the operation is one of @op, and this the first time that it is asked. */
bool record_once(enum op op);

#endif
