/* SPDX-License-Identifier: MIT
 *
 * mutate_idiom.c: writes one of the idioms into the program: with the slots that it needs, and
 * often larger or smaller, for a program is short and its memory small.
 */
#include "fuzzers/mutate/idioms.h"
#include "fuzzers/mutate/mutation.h"

const char *idiom_action_name(enum idiom_action action)
{
    static const char *const names[IDIOM_ACTIONS] = {
#define X(id, name) [id] = (name),
        IDIOM_ACTION_TABLE(X)
#undef X
    };
    return action < IDIOM_ACTIONS ? names[action] : "?";
}

/* An idiom that is being written. */
struct writing {
    uint32_t at;    /* in the program */
    uint32_t room;  /* operations */
    uint32_t slot;  /* of the next block */
    uint32_t first; /* slot of the oldest block that was allocated here and is not freed */
    uint32_t thread;
};

static void write_alloc(struct mutator *mutator, struct writing *writing,
                        const struct idiom_step *step)
{
    struct case_op op = {.op = OP_ALLOC,
                         .order = step->order,
                         .zone = (uint8_t)ZONE_ANY,
                         .type = step->type,
                         .slot = (uint16_t)writing->slot++,
                         .thread = writing->thread & CASE_HALF_MASK};
    mutate_open(mutator, writing->at++, 1)[0] = op;
}

/* Blocks from before the idiom are in any slot. */
static void write_free(struct mutator *mutator, struct writing *writing,
                       const struct idiom_step *step)
{
    uint32_t slot = mutate_below(mutator, mutator->program.slots);
    if (writing->first < writing->slot && step->action == IDIOM_FREE_NEWEST) {
        slot = --writing->slot;
    } else if (writing->first < writing->slot && step->action == IDIOM_FREE_FORWARD) {
        slot = writing->first++;
    }
    struct case_op op = {
        .op = OP_FREE, .slot = (uint16_t)slot, .thread = writing->thread & CASE_HALF_MASK};
    mutate_open(mutator, writing->at++, 1)[0] = op;
}

bool mutate_idiom(struct mutator *mutator)
{
    if (mutator->limits->op_weights[OP_ALLOC] == 0 || mutation_room(mutator) == 0) {
        return false;
    }
    const struct idiom *idiom = &idioms[mutate_below(mutator, idioms_count)];
    struct writing writing = {
        .at = mutate_below(mutator, mutator->program.ops_count + 1),
        .room = mutation_room(mutator),
        .slot = mutate_below(mutator, mutator->program.slots),
        .thread = mutate_below(mutator, mutator->limits->threads + 1),
    };
    writing.first = writing.slot;
    uint32_t shift = mutate_below(mutator, 3); /* counts are halved so often */
    for (uint32_t i = 0; i < idiom->steps_count; i++) {
        struct idiom_step step = idiom->steps[i];
        uint32_t count = step.count >> shift == 0 ? 1 : (uint32_t)step.count >> shift;
        for (uint32_t n = 0; n < count && writing.room > 0; n++, writing.room--) {
            if (step.action == IDIOM_ALLOC) {
                write_alloc(mutator, &writing, &step);
            } else {
                write_free(mutator, &writing, &step);
            }
        }
    }
    return true;
}
