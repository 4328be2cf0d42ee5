/* SPDX-License-Identifier: MIT */
#include "fuzzers/operand.h"

#include <stddef.h>

const struct operand_field operand_fields[OPERANDS] = {
#define X(id, name, member, kind, help)                                                            \
    [id##_INDEX] = {name, kind, offsetof(struct case_op, member),                                  \
                    sizeof(((struct case_op *)0)->member)},
    OPERAND_TABLE(X)
#undef X
};

uint32_t operand_get(const struct case_op *op, unsigned operand)
{
    const void *at = (const unsigned char *)op + operand_fields[operand].offset;
    switch (operand_fields[operand].bytes) {
    case sizeof(uint8_t):
        return *(const uint8_t *)at;
    case sizeof(uint16_t):
        return *(const uint16_t *)at;
    default:
        return *(const uint32_t *)at;
    }
}

void operand_put(struct case_op *op, unsigned operand, uint32_t value)
{
    void *at = (unsigned char *)op + operand_fields[operand].offset;
    switch (operand_fields[operand].bytes) {
    case sizeof(uint8_t):
        *(uint8_t *)at = (uint8_t)value;
        break;
    case sizeof(uint16_t):
        *(uint16_t *)at = (uint16_t)value;
        break;
    default:
        *(uint32_t *)at = value;
        break;
    }
}
