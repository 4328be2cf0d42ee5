/* SPDX-License-Identifier: MIT */
#include "fuzzers/shrink/shrink_internal.h"

void shrink_program(struct program *program, const struct shrink_judge *judge)
{
    struct shrinking shrinking = {program, judge};
    bool any = true;
    while (any) {
        any = shrink_ops(&shrinking);
        any = shrink_map(&shrinking) || any;
        any = shrink_operands(&shrinking) || any;
        any = any || shrink_pairs(&shrinking); /* they are many: when all runs are short */
    }
}
