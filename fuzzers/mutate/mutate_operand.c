/* SPDX-License-Identifier: MIT
 *
 * mutate_operand.c: what operations say: their operands, and their faults. Values that no target
 * takes are cut down later, as those of random bytes are.
 */
#include "fuzzers/mutate/mutation.h"
#include "fuzzers/operand.h"

#include <string.h>

enum {
    KNOWN_ONE_IN = 3,  /* operations are of a kind that the program has */
    OTHER_ONE_IN = 3,  /* or of any: targets take those, too, that their weights leave out */
    FAULT_ONE_IN = 16, /* those that are drawn have a fault */
    NTH_MAX = 16,
    ORDER_HIGHEST = 11,
    SLOT_NEAR = 8
};

static bool has_operand(const struct case_op *op, unsigned operand)
{
    return (op_operands((enum op)op->op) & 1U << operand) != 0;
}

/* One of the operands that @op has; OPERANDS: it has none. */
static unsigned pick_operand(struct mutator *mutator, const struct case_op *op)
{
    uint32_t operands = op_operands((enum op)op->op);
    uint32_t count = (uint32_t)__builtin_popcount(operands);
    if (count == 0) {
        return OPERANDS;
    }
    for (uint32_t skip = mutate_below(mutator, count); skip > 0; skip--) {
        operands &= operands - 1;
    }
    return (unsigned)__builtin_ctz(operands);
}

/* What another operation says for the same operand; @otherwise where none of those tried has it. */
static uint32_t value_of_another(struct mutator *mutator, unsigned operand, uint32_t otherwise)
{
    enum { TRIES = 8 };
    for (unsigned i = 0; i < TRIES && mutator->program.ops_count > 0; i++) {
        const struct case_op *op = &mutator->program.ops[mutate_index(mutator)];
        if (has_operand(op, operand)) {
            return operand_get(op, operand);
        }
    }
    return otherwise;
}

/* The slot of one of the operations shortly before @at: of what is there, or has just gone. */
static uint32_t slot_near(struct mutator *mutator, uint32_t at)
{
    const struct program *program = &mutator->program;
    uint32_t back = at < SLOT_NEAR ? at : SLOT_NEAR;
    for (uint32_t i = 0; i < back; i++) {
        const struct case_op *op = &program->ops[at - 1 - mutate_below(mutator, back)];
        if (has_operand(op, OPERAND_SLOT_INDEX)) {
            return op->slot;
        }
    }
    return mutate_below(mutator, SLOT_NEAR);
}

/* Bytes of an object around what slabs are cut by. */
static uint32_t border_size(struct mutator *mutator)
{
    uint32_t size = mutate_one_in(mutator, 4)
                        ? (uint32_t)FRAME_SIZE * (1 + mutate_below(mutator, 2)) / 2
                        : 1U << (3 + mutate_below(mutator, 10));
    return size + mutate_below(mutator, 3) - 1;
}

static uint32_t low_order(struct mutator *mutator)
{
    uint32_t order = mutate_few(mutator, ORDER_HIGHEST + 1) - 1;
    return mutate_one_in(mutator, 8) ? mutate_below(mutator, ORDER_HIGHEST + 1) : order;
}

/* A value that is worth more than a random one, for @operand of what is or comes at @at. */
static uint32_t good_value(struct mutator *mutator, uint32_t at, unsigned operand, uint32_t value)
{
    switch (operand) {
    case OPERAND_FRAME_INDEX:
        return mutate_frame(mutator, at);
    case OPERAND_SLOT_INDEX:
        return slot_near(mutator, at);
    case OPERAND_ORDER_INDEX:
        return low_order(mutator);
    case OPERAND_ZONE_INDEX:
    case OPERAND_HOME_INDEX:
        return mutate_one_in(mutator, 3) ? mutate_below(mutator, 4) : ZONE_ANY;
    case OPERAND_CACHE_INDEX:
    case OPERAND_SPACE_INDEX:
    case OPERAND_SECTION_INDEX:
    case OPERAND_KEY_INDEX:
        return value_of_another(mutator, operand, 0) + mutate_few(mutator, 4) / 2;
    case OPERAND_SIZE_INDEX:
        return border_size(mutator);
    default:
        return value;
    }
}

/* Random bytes, which have good chances by the way they are cut down, with good values for some
 * operands. */
struct case_op mutate_draw_of(struct mutator *mutator, enum op kind)
{
    uint64_t a = mutate_random(mutator);
    uint64_t b = mutate_random(mutator);
    uint32_t at = mutator->program.ops_count == 0 ? 0 : mutate_index(mutator);
    struct case_op op = {
        .op = (uint8_t)kind,
        .order = (uint8_t)a,
        .zone = (uint8_t)(a >> 8),
        .type = (uint8_t)(a >> 16),
        .slot = (uint16_t)(a >> 24),
        .count = (uint16_t)(a >> 40),
        .align = (uint8_t)(a >> 56),
        .value = (uint32_t)b,
        .site = (uint8_t)(b >> 32),
        .mode = (unsigned)(b >> 40) & CASE_HALF_MASK,
        .thread = (unsigned)(b >> 48) & CASE_HALF_MASK,
    };
    if (mutate_one_in(mutator, FAULT_ONE_IN)) {
        op.nth = (uint8_t)mutate_few(mutator, NTH_MAX);
    }
    for (unsigned operand = 0; operand < OPERANDS; operand++) {
        if (has_operand(&op, operand) && !mutate_one_in(mutator, 3)) {
            uint32_t value = operand_get(&op, operand);
            operand_put(&op, operand, good_value(mutator, at, operand, value));
        }
    }
    return op;
}

static enum op draw_kind(struct mutator *mutator)
{
    return (enum op)mutate_weighted(mutator, mutator->limits->op_weights, OPS);
}

struct case_op mutate_draw(struct mutator *mutator)
{
    const struct program *program = &mutator->program;
    enum op kind = draw_kind(mutator);
    if (program->ops_count > 0 && mutate_one_in(mutator, KNOWN_ONE_IN)) {
        kind = (enum op)program->ops[mutate_index(mutator)].op;
    } else if (mutate_one_in(mutator, OTHER_ONE_IN)) {
        kind = (enum op)mutate_below(mutator, OPS);
    }
    return mutate_draw_of(mutator, kind);
}

/* A step off, or to a border, or to what another operation says. */
static uint32_t tuned(struct mutator *mutator, uint32_t at, unsigned operand, uint32_t value)
{
    switch (mutate_below(mutator, 8)) {
    case 0:
        return value + 1;
    case 1:
        return value == 0 ? 1 : value - 1;
    case 2:
        return value_of_another(mutator, operand, value);
    case 3:
        return (uint32_t)mutate_random(mutator);
    case 4:
        return value ^ 1U << mutate_few(mutator, 16) >> 1;
    case 5:
        return mutate_below(mutator, 3);
    default:
        return good_value(mutator, at, operand, value + mutate_below(mutator, 3) - 1);
    }
}

bool mutate_tune(struct mutator *mutator)
{
    enum { TUNED_MAX = 3 };
    struct program *program = &mutator->program;
    uint32_t wanted = mutate_few(mutator, TUNED_MAX);
    bool done = false;
    for (uint32_t i = 0; i < wanted && program->ops_count > 0; i++) {
        uint32_t at = mutate_index(mutator);
        struct case_op *op = &program->ops[at];
        unsigned operand = pick_operand(mutator, op);
        if (operand < OPERANDS) {
            operand_put(op, operand, tuned(mutator, at, operand, operand_get(op, operand)));
            done = true;
        }
    }
    return done;
}

static void draw_fault(struct mutator *mutator, struct case_op *op)
{
    op->nth = (uint8_t)mutate_few(mutator, NTH_MAX);
    op->site = (uint8_t)mutate_below(mutator, FAULT_SITES);
    op->mode = mutate_below(mutator, FAULT_MODES) & CASE_HALF_MASK;
}

bool mutate_fault_add(struct mutator *mutator)
{
    if (mutator->program.ops_count == 0) {
        return false;
    }
    draw_fault(mutator, &mutator->program.ops[mutate_index(mutator)]);
    return true;
}

/* An operation that has a fault; NULL: none has. */
static struct case_op *find_fault(struct mutator *mutator)
{
    struct program *program = &mutator->program;
    uint32_t from = program->ops_count == 0 ? 0 : mutate_index(mutator);
    for (uint32_t i = 0; i < program->ops_count; i++) {
        struct case_op *op = &program->ops[(from + i) % program->ops_count];
        if (op->nth != 0) {
            return op;
        }
    }
    return NULL;
}

bool mutate_fault_move(struct mutator *mutator)
{
    struct case_op *op = find_fault(mutator);
    if (op == NULL) {
        return false;
    }
    struct case_op *to = &mutator->program.ops[mutate_index(mutator)];
    switch (mutate_below(mutator, 4)) {
    case 0:
        op->nth = (uint8_t)(op->nth % NTH_MAX + 1);
        break;
    case 1:
        op->site = (uint8_t)mutate_below(mutator, FAULT_SITES);
        break;
    case 2:
        op->mode = op->mode == FAULT_ONCE ? FAULT_PERSISTENT : FAULT_ONCE;
        break;
    default:
        to->site = op->site;
        to->mode = op->mode;
        to->nth = op->nth;
        op->nth = to == op ? op->nth : 0;
        break;
    }
    return true;
}

bool mutate_fault_remove(struct mutator *mutator)
{
    struct case_op *op = find_fault(mutator);
    if (op == NULL) {
        return false;
    }
    op->nth = 0;
    return true;
}
