/* SPDX-License-Identifier: MIT
 *
 * mutate_cross.c: one program of two, cut between operations.
 */
#include "fuzzers/mutate/mutation.h"

#include <string.h>

/* Has @count operations of the other program from @from on at @at, as far as there is room. */
static void take_run(struct mutator *mutator, uint32_t at, uint32_t from, uint32_t count)
{
    uint32_t room = mutation_room(mutator);
    count = count < room ? count : room;
    memcpy(mutate_open(mutator, at, count), mutator->other.ops + from,
           count * sizeof(struct case_op));
}

/* The beginning of this one, the end of the other. */
static void join(struct mutator *mutator)
{
    uint32_t from = mutate_below(mutator, mutator->other.ops_count + 1);
    mutator->program.ops_count = mutate_below(mutator, mutator->program.ops_count + 1);
    take_run(mutator, mutator->program.ops_count, from, mutator->other.ops_count - from);
}

/* A run of the other one instead of one of this, or, at times, among what there is. */
static void graft(struct mutator *mutator)
{
    enum { RUN_MAX = 16, AMONG_ONE_IN = 4 };
    struct program *program = &mutator->program;
    uint32_t from = mutate_below(mutator, mutator->other.ops_count);
    uint32_t most = mutator->other.ops_count - from;
    uint32_t count = 1 + mutate_below(mutator, most < RUN_MAX ? most : RUN_MAX);
    uint32_t at = mutate_below(mutator, program->ops_count + 1);
    uint32_t left = program->ops_count - at;
    if (!mutate_one_in(mutator, AMONG_ONE_IN) || mutation_room(mutator) == 0) {
        mutate_cut(mutator, at, count < left ? count : left);
    }
    take_run(mutator, at, from, count);
}

/* Side by side, runs of the one and of the other by turns. */
static void alternate(struct mutator *mutator)
{
    enum { TURN_MAX = 8 };
    const struct program *other = &mutator->other;
    struct program *program = &mutator->program;
    uint32_t shorter =
        program->ops_count < other->ops_count ? program->ops_count : other->ops_count;
    uint32_t at = mutate_few(mutator, TURN_MAX);
    while (at < shorter) {
        uint32_t count = mutate_few(mutator, TURN_MAX);
        count = count < shorter - at ? count : shorter - at;
        memcpy(program->ops + at, other->ops + at, count * sizeof(struct case_op));
        at += count + mutate_few(mutator, TURN_MAX);
    }
}

/* The memory of the other one. */
static void move_in(struct mutator *mutator)
{
    mutator->program.map = mutator->other.map;
    mutator->program.cpus = mutator->other.cpus;
}

bool mutate_splice(struct mutator *mutator)
{
    enum { OTHER_MAP_ONE_IN = 8 };
    if (mutator->other.slots > mutator->program.slots) {
        mutator->program.slots = mutator->other.slots;
    }
    if (mutate_one_in(mutator, OTHER_MAP_ONE_IN)) {
        move_in(mutator);
        if (mutate_one_in(mutator, 2)) {
            return true;
        }
    }
    if (mutator->other.ops_count == 0) {
        return true;
    }
    switch (mutate_below(mutator, 4)) {
    case 0:
        join(mutator);
        break;
    case 1:
        alternate(mutator);
        break;
    default:
        graft(mutator);
        break;
    }
    return true;
}
