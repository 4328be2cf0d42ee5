/* SPDX-License-Identifier: MIT
 *
 * mutate_list.c: the program as a list of operations.
 */
#include "fuzzers/mutate/mutation.h"

#include <string.h>

enum {
    RUN_MAX = 16,      /* operations in a row that are moved or left out, mostly fewer */
    REPEAT_MAX = 24,   /* times that one is repeated */
    INSERT_MAX = 4,    /* new ones in a row */
    UNDONE_ONE_IN = 3, /* new ones that come with what undoes them */
    KINDS_OFF_ONE_IN = 2
};

struct case_op *mutate_open(struct mutator *mutator, uint32_t at, uint32_t count)
{
    struct program *program = &mutator->program;
    uint32_t behind = program->ops_count - at;
    for (uint32_t i = 0; i < count; i++) {
        program_add(program, (struct case_op){0});
    }
    memmove(program->ops + at + count, program->ops + at, behind * sizeof(*program->ops));
    return program->ops + at;
}

void mutate_cut(struct mutator *mutator, uint32_t at, uint32_t count)
{
    struct program *program = &mutator->program;
    uint32_t behind = program->ops_count - at - count;
    memmove(program->ops + at, program->ops + at + count, behind * sizeof(*program->ops));
    program->ops_count -= count;
}

/* A place between operations, at either end, too. */
static uint32_t place(struct mutator *mutator)
{
    return mutate_below(mutator, mutator->program.ops_count + 1);
}

/* A run of operations from @at on, mostly a short one. */
static uint32_t run_length(struct mutator *mutator, uint32_t at)
{
    uint32_t left = mutator->program.ops_count - at;
    uint32_t max = left < RUN_MAX ? left : RUN_MAX;
    return mutate_one_in(mutator, 4) ? 1 + mutate_below(mutator, max) : mutate_few(mutator, max);
}

/* What takes back what @kind does; OPS: nothing. */
static enum op undoing(enum op kind)
{
    switch (kind) {
    case OP_ALLOC:
    case OP_ALLOC_DESC:
    case OP_ALLOC_NODE:
    case OP_ALLOC_COMPACT:
    case OP_SPLIT:
        return OP_FREE;
    case OP_CACHE_CREATE:
        return OP_CACHE_DESTROY;
    case OP_CACHE_ALLOC:
    case OP_CACHE_BULK:
    case OP_CACHE_TAKE:
        return OP_CACHE_FREE;
    case OP_CACHE_RESERVE:
        return OP_CACHE_UNRESERVE;
    case OP_MEMORY_FAILURE:
        return OP_UNPOISON;
    case OP_RANGE_STORE:
    case OP_RANGE_STORE_EMPTY:
        return OP_RANGE_ERASE;
    case OP_RANGE_ENTER:
        return OP_RANGE_EXIT;
    case OP_CONTIG:
    case OP_CONTIG_LARGE:
    case OP_CONTIG_CMA:
        return OP_CONTIG_FREE;
    case OP_SPACE_ADD:
    case OP_SPACE_ADD_TABLE:
        return OP_SPACE_REMOVE;
    case OP_SPACE_ALLOC:
    case OP_SPACE_SPLIT:
        return OP_SPACE_FREE;
    case OP_SPACE_RUN:
        return OP_SPACE_RUN_FREE;
    case OP_ZONE_ADD:
        return OP_ZONE_REMOVE;
    case OP_CPU_ONLINE:
        return OP_CPU_OFFLINE;
    case OP_REF:
    case OP_REF_FOLIO:
        return OP_PUT;
    default:
        return OPS;
    }
}

/* Has what undoes operation @at, somewhere behind it. */
static void insert_undoing(struct mutator *mutator, uint32_t at)
{
    struct case_op op = mutator->program.ops[at];
    enum op kind = undoing((enum op)op.op);
    if (kind == OPS || mutation_room(mutator) == 0) {
        return;
    }
    op.op = (uint8_t)kind;
    op.nth = 0;
    uint32_t to = at + 1 + mutate_below(mutator, mutator->program.ops_count - at);
    mutate_open(mutator, to, 1)[0] = case_op_canonical(op);
}

bool mutate_insert(struct mutator *mutator)
{
    uint32_t room = mutation_room(mutator);
    if (room == 0) {
        return false;
    }
    uint32_t at = place(mutator);
    uint32_t count = mutate_few(mutator, room < INSERT_MAX ? room : INSERT_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct case_op op = mutate_draw(mutator);
        mutate_open(mutator, at + i, 1)[0] = op;
    }
    if (mutate_one_in(mutator, UNDONE_ONE_IN)) {
        insert_undoing(mutator, at);
    }
    return true;
}

bool mutate_replace(struct mutator *mutator)
{
    if (mutator->program.ops_count == 0) {
        return false;
    }
    uint32_t at = mutate_index(mutator);
    struct case_op op = mutate_draw(mutator);
    op.thread = mutator->program.ops[at].thread & CASE_HALF_MASK;
    mutator->program.ops[at] = op;
    return true;
}

bool mutate_delete(struct mutator *mutator)
{
    if (mutator->program.ops_count == 0) {
        return false;
    }
    uint32_t at = mutate_index(mutator);
    mutate_cut(mutator, at, run_length(mutator, at));
    return true;
}

/* One operation, many times in a row, each with the next slot: so memory runs out. */
static bool repeat(struct mutator *mutator, uint32_t at)
{
    uint32_t room = mutation_room(mutator);
    uint32_t max = mutate_one_in(mutator, 4) ? REPEAT_MAX : 4;
    uint32_t count = 1 + mutate_below(mutator, room < max ? room : max);
    struct case_op op = mutator->program.ops[at];
    bool moves_on = (op_operands((enum op)op.op) & OPERAND_SLOT) != 0;
    op.nth = 0;
    struct case_op *copies = mutate_open(mutator, at + 1, count);
    for (uint32_t i = 0; i < count; i++) {
        op.slot = (uint16_t)(op.slot + (moves_on ? 1 : 0));
        copies[i] = case_op_canonical(op);
    }
    return true;
}

bool mutate_duplicate(struct mutator *mutator)
{
    struct program *program = &mutator->program;
    uint32_t room = mutation_room(mutator);
    if (program->ops_count == 0 || room == 0) {
        return false;
    }
    uint32_t from = mutate_index(mutator);
    if (mutate_one_in(mutator, 2)) {
        return repeat(mutator, from);
    }
    struct case_op run[RUN_MAX];
    uint32_t count = run_length(mutator, from);
    count = count < room ? count : room;
    memcpy(run, program->ops + from, count * sizeof(run[0]));
    uint32_t at = mutate_one_in(mutator, 2) ? from + count : place(mutator);
    memcpy(mutate_open(mutator, at, count), run, count * sizeof(run[0]));
    return true;
}

bool mutate_swap(struct mutator *mutator)
{
    struct program *program = &mutator->program;
    if (program->ops_count < 2) {
        return false;
    }
    uint32_t one = mutate_below(mutator, program->ops_count - 1);
    uint32_t other = one + 1;
    if (mutate_one_in(mutator, 2)) {
        other += mutate_below(mutator, program->ops_count - other);
    }
    struct case_op op = program->ops[one];
    program->ops[one] = program->ops[other];
    program->ops[other] = op;
    return true;
}

bool mutate_move(struct mutator *mutator)
{
    struct program *program = &mutator->program;
    if (program->ops_count < 2) {
        return false;
    }
    struct case_op run[RUN_MAX];
    uint32_t from = mutate_index(mutator);
    uint32_t count = run_length(mutator, from);
    memcpy(run, program->ops + from, count * sizeof(run[0]));
    mutate_cut(mutator, from, count);
    memcpy(mutate_open(mutator, place(mutator), count), run, count * sizeof(run[0]));
    return true;
}

/* Some kinds of operations are off for all of the program: what is left has its room. What is drawn
 * later is often of a kind that there is, so they tend to stay off. */
bool mutate_swarm(struct mutator *mutator)
{
    struct program *program = &mutator->program;
    bool off[OPS];
    uint32_t before = program->ops_count;
    uint32_t kept = 0;
    for (unsigned kind = 0; kind < OPS; kind++) {
        off[kind] = mutate_one_in(mutator, KINDS_OFF_ONE_IN);
    }
    for (uint32_t i = 0; i < program->ops_count; i++) {
        if (!off[program->ops[i].op]) {
            program->ops[kept++] = program->ops[i];
        }
    }
    program->ops_count = kept;
    for (uint32_t added = kept; added < before && mutation_room(mutator) > 0; added++) {
        struct case_op op = mutate_draw(mutator);
        if (!off[op.op]) {
            mutate_open(mutator, place(mutator), 1)[0] = op;
        }
    }
    return program->ops_count != before || kept != before;
}

/* A run of operations becomes one thread's, or nobody's: then it runs alone. */
bool mutate_thread(struct mutator *mutator)
{
    struct program *program = &mutator->program;
    uint32_t threads = mutator->limits->threads;
    if (threads == 0 || program->ops_count == 0) {
        return false;
    }
    uint32_t at = mutate_index(mutator);
    uint32_t end = at + run_length(mutator, at);
    uint32_t thread = mutate_below(mutator, threads + 1);
    for (; at < end; at++) {
        program->ops[at].thread = thread & CASE_HALF_MASK;
    }
    return true;
}
