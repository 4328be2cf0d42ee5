/* SPDX-License-Identifier: MIT
 *
 * shrink.h: makes a program smaller for as long as somebody says that it is still the same. By
 * turns, until a whole turn changes nothing:
 *
 *   operations   halves, quarters, ... and single ones, from the end on
 *   the map      ranges; kinds of memory; frames and gaps; CPUs, slots, the order of pageblocks
 *   operands     of each operation: its fault, its thread, then each number, toward 0
 *   pairs        of operations, where these are few, and nothing else went
 *
 * Removing an operation may have others use other slots (case.h); where the failure is the same,
 * that is as good.
 *
 * What is tried follows from the program alone, in a fixed order, and each change makes some number
 * smaller. So this ends, and what comes out comes out again: the last turn has tried just what a
 * new one tries first.
 */
#ifndef POTAD_FUZZERS_SHRINK_SHRINK_H
#define POTAD_FUZZERS_SHRINK_SHRINK_H

#include "fuzzers/case.h"

struct shrink_judge {
    /* Whether @program is still what it was about. Asked of each smaller one, most of which are
     * not; one who is asked to stop answers false from then on. */
    bool (*holds)(void *context, const struct program *program);
    void *context;
};

/* Makes @program smaller in place. */
void shrink_program(struct program *program, const struct shrink_judge *judge);

#endif
