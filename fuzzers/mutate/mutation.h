/* SPDX-License-Identifier: MIT
 *
 * mutation.h: what the files of this folder share. Each mutation changes mutator->program, which
 * may leave the limits of the target until it is brought back into them (mutate.c), but never has
 * more operations than mutation_room() says.
 */
#ifndef POTAD_FUZZERS_MUTATE_MUTATION_H
#define POTAD_FUZZERS_MUTATE_MUTATION_H

#include "fuzzers/mutate/mutate.h"

/* splitmix64 */
static inline uint64_t mutate_random(struct mutator *mutator)
{
    mutator->random += 0x9e3779b97f4a7c15U;
    uint64_t z = mutator->random;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

/* Below @limit, which is not 0. */
static inline uint32_t mutate_below(struct mutator *mutator, uint32_t limit)
{
    return (uint32_t)((mutate_random(mutator) >> 32) * limit >> 32);
}

static inline bool mutate_one_in(struct mutator *mutator, uint32_t count)
{
    return mutate_below(mutator, count) == 0;
}

/* One of @count numbers from 0 on, by their @weights, which are not all 0. */
static inline unsigned mutate_weighted(struct mutator *mutator, const uint8_t *weights,
                                       unsigned count)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += weights[i];
    }
    uint32_t at = mutate_below(mutator, sum);
    unsigned drawn = 0;
    while (at >= weights[drawn]) {
        at -= weights[drawn++];
    }
    return drawn;
}

/* From 1 to @max, each half as often as the one before. */
static inline uint32_t mutate_few(struct mutator *mutator, uint32_t max)
{
    uint32_t count = 1 + (uint32_t)__builtin_ctzll(mutate_random(mutator) | (uint64_t)1 << 32);
    return count < max ? count : max;
}

/* Operations that there is room for, beside those that there are. */
uint32_t mutation_room(const struct mutator *mutator);

/* The number of an operation of the program, which has some. */
static inline uint32_t mutate_index(struct mutator *mutator)
{
    return mutate_below(mutator, mutator->program.ops_count);
}

/* mutate_list.c: the program as a list. Return of the first: where @count operations are to go, all
 * that follow having moved. */
struct case_op *mutate_open(struct mutator *mutator, uint32_t at, uint32_t count);
void mutate_cut(struct mutator *mutator, uint32_t at, uint32_t count);

/* Return of all from here on: whether anything could be done. */
bool mutate_insert(struct mutator *mutator);
bool mutate_replace(struct mutator *mutator);
bool mutate_delete(struct mutator *mutator);
bool mutate_duplicate(struct mutator *mutator);
bool mutate_swap(struct mutator *mutator);
bool mutate_move(struct mutator *mutator);
bool mutate_swarm(struct mutator *mutator);
bool mutate_thread(struct mutator *mutator);

/* mutate_operand.c: what operations say. The first draws one: of a kind that the program has, or by
 * the weights of the target, or of any kind. */
struct case_op mutate_draw(struct mutator *mutator);
struct case_op mutate_draw_of(struct mutator *mutator, enum op kind);
bool mutate_tune(struct mutator *mutator);
bool mutate_fault_add(struct mutator *mutator);
bool mutate_fault_move(struct mutator *mutator);
bool mutate_fault_remove(struct mutator *mutator);

/* mutate_frame.c: a frame number that is worth asking about before operation @at. */
uint32_t mutate_frame(struct mutator *mutator, uint32_t at);

/* mutate_map.c */
bool mutate_map(struct mutator *mutator);

/* mutate_idiom.c */
bool mutate_idiom(struct mutator *mutator);

/* mutate_cross.c: has parts of mutator->other in mutator->program. */
bool mutate_splice(struct mutator *mutator);

/* mutate_schedule.c: changes the bytes that say how threads are scheduled; the second has some of
 * @other among them. At most @size_max in the end, which is not 0; @behind has room for them. */
void mutate_schedule(struct mutator *mutator, struct mutate_buffer *behind, size_t size_max);
void mutate_schedule_cross(struct mutator *mutator, struct mutate_buffer *behind,
                           const uint8_t *other, size_t other_size, size_t size_max);

#endif
