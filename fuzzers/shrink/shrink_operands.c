/* SPDX-License-Identifier: MIT
 *
 * shrink_operands.c: operations that say less.
 */
#include "fuzzers/operand.h"
#include "fuzzers/shrink/shrink_internal.h"

#include <string.h>

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
    uint64_t value = operand_get(op, operand);
    uint64_t tried;
    if (operand_fields[operand].kind == KIND_ZONE && value == ZONE_ANY) {
        return false; /* it asks for nothing */
    }
    for (unsigned step = 0; shrink_next(value, step, &tried);) {
        struct case_op changed = *op;
        operand_put(&changed, operand, (uint32_t)tried);
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
            if ((operands & 1U << operand) != 0) {
                any = lower_operand(shrinking, i, operand) || any;
            }
        }
    }
    return any;
}
