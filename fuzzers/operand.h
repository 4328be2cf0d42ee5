/* SPDX-License-Identifier: MIT
 *
 * operand.h: the operands of an operation by number (enum operand_index), for those who go through
 * all of them.
 */
#ifndef POTAD_FUZZERS_OPERAND_H
#define POTAD_FUZZERS_OPERAND_H

#include "fuzzers/case.h"

/* Where an operand is in an operation, and what it means. */
struct operand_field {
    const char *name;
    enum operand_kind kind;
    uint8_t offset;
    uint8_t bytes; /* 1, 2 or 4 */
};

extern const struct operand_field operand_fields[OPERANDS];

uint32_t operand_get(const struct case_op *op, unsigned operand);

/* Cuts @value down to the operand's bytes. */
void operand_put(struct case_op *op, unsigned operand, uint32_t value);

#endif
