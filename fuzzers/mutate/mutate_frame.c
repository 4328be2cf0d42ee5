/* SPDX-License-Identifier: MIT
 *
 * mutate_frame.c: frames that are worth asking about. Where blocks lie is the subject's own affair,
 * so they are guessed: borders of ranges, ends of aligned blocks, and what the program names.
 */
#include "fuzzers/mutate/mutation.h"

enum { NEAR_ORDER_MAX = 10 };

/* A frame that an operation before @at names, or one near by; else frame 0. */
static uint32_t frame_named(struct mutator *mutator, uint32_t at)
{
    const struct program *program = &mutator->program;
    for (uint32_t i = at; i-- > 0;) {
        const struct case_op *op = &program->ops[i];
        if ((op_operands((enum op)op->op) & OPERAND_FRAME) != 0 && mutate_one_in(mutator, 2)) {
            return op->value;
        }
    }
    return 0;
}

/* The first or last frame of an aligned block in @range. */
static uint32_t frame_aligned(struct mutator *mutator, const struct range *range, pfn_t start)
{
    uint32_t order = mutate_few(mutator, NEAR_ORDER_MAX);
    pfn_t pfn = range->start + mutate_below(mutator, (uint32_t)range->frames);
    pfn_t first = pfn >> order << order;
    pfn_t frame = mutate_one_in(mutator, 2) ? first : first + ((pfn_t)1 << order) - 1;
    return frame < start ? 0 : (uint32_t)(frame - start);
}

uint32_t mutate_frame(struct mutator *mutator, uint32_t at)
{
    const struct boot_map *map = &mutator->program.map;
    pfn_t start = map->ranges[0].start;
    const struct range *range = &map->ranges[mutate_below(mutator, map->ranges_count)];
    uint32_t first = (uint32_t)(range->start - start);
    uint32_t last = first + (uint32_t)range->frames - 1;
    uint32_t near = 1U << mutate_few(mutator, NEAR_ORDER_MAX) >> 1;
    switch (mutate_below(mutator, 8)) {
    case 0:
        return first;
    case 1:
        return last;
    case 2:
        return last + 1; /* a hole, or the next zone */
    case 3:
        return frame_named(mutator, at);
    case 4:
        return frame_named(mutator, at) ^ near;
    case 5:
        return frame_aligned(mutator, range, start);
    default:
        return first + mutate_below(mutator, (uint32_t)range->frames);
    }
}
