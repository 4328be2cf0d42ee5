/* SPDX-License-Identifier: MIT
 *
 * shrink_operands.c: operations that say less.
 */
#include "fuzzers/shrink/shrink_internal.h"

#include <string.h>

static const struct {
    enum operand id;
    enum operand_kind kind;
    size_t offset;
    size_t bytes;
} fields[OPERANDS] = {
#define X(id, name, member, kind, help)                                                            \
    [id##_INDEX] = {id, kind, offsetof(struct case_op, member),                                    \
                    sizeof(((struct case_op *)0)->member)},
    OPERAND_TABLE(X)
#undef X
};

static uint64_t field_get(const struct case_op *op, unsigned operand)
{
    const void *at = (const unsigned char *)op + fields[operand].offset;
    switch (fields[operand].bytes) {
    case sizeof(uint8_t):
        return *(const uint8_t *)at;
    case sizeof(uint16_t):
        return *(const uint16_t *)at;
    default:
        return *(const uint32_t *)at;
    }
}

/* Context: @value is no larger than that of another operation. */
static void field_set(struct case_op *op, unsigned operand, uint64_t value)
{
    void *at = (unsigned char *)op + fields[operand].offset;
    switch (fields[operand].bytes) {
    case sizeof(uint8_t):
        *(uint8_t *)at = (uint8_t)value;
        break;
    case sizeof(uint16_t):
        *(uint16_t *)at = (uint16_t)value;
        break;
    default:
        *(uint32_t *)at = (uint32_t)value;
        break;
    }
}

/* Tries @changed in place of operation @index. */
static bool try_op(struct shrinking *shrinking, uint32_t index, struct case_op changed)
{
    struct case_op *op = &shrinking->program->ops[index];
    struct case_op before = *op;
    *op = case_op_canonical(changed);
    if (memcmp(op, &before, sizeof(before)) != 0 && shrink_holds(shrinking)) {
        return true;
    }
    *op = before;
    return false;
}

static bool lower_operand(struct shrinking *shrinking, uint32_t index, unsigned operand)
{
    const struct case_op *op = &shrinking->program->ops[index];
    bool any = false;
    uint64_t value = field_get(op, operand);
    uint64_t tried;
    if (fields[operand].kind == KIND_ZONE && value == ZONE_ANY) {
        return false; /* it asks for nothing */
    }
    for (unsigned step = 0; shrink_next(value, step, &tried);) {
        struct case_op changed = *op;
        field_set(&changed, operand, tried);
        if (try_op(shrinking, index, changed)) {
            any = true;
            value = tried;
            step = 0;
        } else {
            step++;
        }
    }
    return any;
}

/* No fault; else an earlier one, once. */
static bool lower_fault(struct shrinking *shrinking, uint32_t index)
{
    struct case_op changed = shrinking->program->ops[index];
    bool any = false;
    if (changed.nth == 0) {
        return false;
    }
    changed.nth = 0;
    if (try_op(shrinking, index, changed)) {
        return true;
    }
    changed = shrinking->program->ops[index];
    changed.mode = FAULT_ONCE;
    any = try_op(shrinking, index, changed);
    for (unsigned nth = 1; nth < shrinking->program->ops[index].nth; nth++) {
        changed = shrinking->program->ops[index];
        changed.nth = (uint8_t)nth;
        any = try_op(shrinking, index, changed) || any;
    }
    return any;
}

static bool lower_thread(struct shrinking *shrinking, uint32_t index)
{
    for (unsigned thread = 0; thread < shrinking->program->ops[index].thread; thread++) {
        struct case_op changed = shrinking->program->ops[index];
        changed.thread = thread & CASE_HALF_MASK;
        if (try_op(shrinking, index, changed)) {
            return true;
        }
    }
    return false;
}

bool shrink_operands(struct shrinking *shrinking)
{
    bool any = false;
    for (uint32_t i = 0; i < shrinking->program->ops_count; i++) {
        any = lower_fault(shrinking, i) || any;
        any = lower_thread(shrinking, i) || any;
        uint32_t operands = op_operands((enum op)shrinking->program->ops[i].op);
        for (unsigned operand = 0; operand < OPERANDS; operand++) {
            if ((operands & fields[operand].id) != 0) {
                any = lower_operand(shrinking, i, operand) || any;
            }
        }
    }
    return any;
}
