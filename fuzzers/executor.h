/* SPDX-License-Identifier: MIT
 *
 * executor.h: runs a program on a subject and on the model, and stops at the first violation.
 */
#ifndef POTAD_FUZZERS_EXECUTOR_H
#define POTAD_FUZZERS_EXECUTOR_H

#include "fuzzers/case.h"
#include "fuzzers/harness.h"

struct slot_map {
    uint64_t *used; /* a bit for each slot */
    uint32_t slots; /* of the present program */
    uint32_t count; /* in use */
};

struct executor;

/* Looks at the state of a run: @done operations have ended, 0 after the boot; one more than the
 * program has when all that was left has been freed. */
typedef void executor_watch(void *context, struct executor *executor, uint32_t done);

struct executor {
    struct harness harness;
    struct slot_map block_slots;
    struct slot_map object_slots;
    struct slot_map space_slots; /* of blocks of spaces */
    struct harness_object *objects;
    struct harness_cache caches[CASE_CACHES];
    uint32_t validate_period; /* operations between full validations; 0: only at the end */
    uint32_t op_index;        /* of the operation that runs or ran last */
    uint64_t state_hash;      /* before the teardown of the last run */
    executor_watch *watch;    /* NULL: nobody does */
    void *watch_context;
};

/* Context: no program to come has more than @slots, which is a multiple of 64. */
void executor_init(struct executor *executor, const struct subject *subject, uint32_t slots);
void executor_close(struct executor *executor);

/* Boots, runs all operations of @program, frees everything, and checks that memory is whole.
 * Return: whether no violation was found; executor->harness.report says which was. */
bool executor_run(struct executor *executor, const struct program *program)
    __attribute__((warn_unused_result));

/* The same in parts, for those who have something to do between two operations: boots; runs @op as
 * number @index; frees everything, and checks. Return of the first: whether it is worth going on;
 * if not, harness->report says why, or nothing can be run on this map. */
bool executor_begin(struct executor *executor, const struct program *program)
    __attribute__((warn_unused_result));
void executor_step(struct executor *executor, const struct case_op *op, uint32_t index);
void executor_end(struct executor *executor, const struct program *program);

/* Runs @program twice: a different state before the teardown is a violation, too. */
bool executor_run_twice(struct executor *executor, const struct program *program)
    __attribute__((warn_unused_result));

/* Prints the violation, the operation at which it was found, and the @before operations before. */
void executor_print_violation(FILE *out, const struct executor *executor,
                              const struct program *program, uint32_t before);

#endif
