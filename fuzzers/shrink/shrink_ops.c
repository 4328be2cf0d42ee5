/* SPDX-License-Identifier: MIT
 *
 * shrink_ops.c: fewer operations.
 */
#include "fuzzers/shrink/shrink_internal.h"

#include <stdlib.h>
#include <string.h>

enum { PAIRS_OPS_MAX = 32 }; /* the square of it is tried */

/* Takes the operations from @first to before @end out; @removed gets them. */
static void ops_take(struct program *program, uint32_t first, uint32_t end, struct case_op *removed)
{
    struct case_op *ops = program->ops;
    memcpy(removed, ops + first, (end - first) * sizeof(*ops));
    memmove(ops + first, ops + end, (program->ops_count - end) * sizeof(*ops));
    program->ops_count -= end - first;
}

static void ops_put(struct program *program, uint32_t first, uint32_t end,
                    const struct case_op *removed)
{
    struct case_op *ops = program->ops;
    memmove(ops + end, ops + first, (program->ops_count - first) * sizeof(*ops));
    memcpy(ops + first, removed, (end - first) * sizeof(*ops));
    program->ops_count += end - first;
}

static bool try_without(struct shrinking *shrinking, uint32_t first, uint32_t end,
                        struct case_op *removed)
{
    ops_take(shrinking->program, first, end, removed);
    if (shrink_holds(shrinking)) {
        return true;
    }
    ops_put(shrinking->program, first, end, removed);
    return false;
}

/* Each run of @chunk operations in turn, the last first: those behind need those before. */
static bool remove_chunks(struct shrinking *shrinking, uint32_t chunk, struct case_op *removed)
{
    bool any = false;
    uint32_t end = shrinking->program->ops_count;
    while (end > 0) {
        uint32_t first = end > chunk ? end - chunk : 0;
        any = try_without(shrinking, first, end, removed) || any;
        end = first;
    }
    return any;
}

bool shrink_ops(struct shrinking *shrinking)
{
    bool any = false;
    uint32_t count = shrinking->program->ops_count;
    struct case_op *removed = malloc((count + 1) * sizeof(*removed));
    if (removed == NULL) {
        abort();
    }
    for (uint32_t chunk = (count + 1) / 2; chunk > 0; chunk /= 2) {
        any = remove_chunks(shrinking, chunk, removed) || any;
    }
    free(removed);
    return any;
}

/* An allocation and its free, say, of which each alone is needed. */
bool shrink_pairs(struct shrinking *shrinking)
{
    struct program *program = shrinking->program;
    bool any = false;
    if (program->ops_count > PAIRS_OPS_MAX) {
        return false;
    }
    for (uint32_t second = program->ops_count; second-- > 0;) {
        for (uint32_t first = second; first-- > 0 && second < program->ops_count;) {
            struct case_op removed[2];
            ops_take(program, second, second + 1, &removed[1]);
            if (try_without(shrinking, first, first + 1, &removed[0])) {
                any = true;
                break;
            }
            ops_put(program, second, second + 1, &removed[1]);
        }
        second = second < program->ops_count ? second : program->ops_count;
    }
    return any;
}
