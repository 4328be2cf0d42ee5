/* SPDX-License-Identifier: MIT
 *
 * pairs.h: small cases of every two operations, for a search that is to be complete: two threads,
 * each of which does the one and then the other, on memory where each of them finds something to
 * do.
 */
#ifndef POTAD_STRESS_EXPLORE_PAIRS_H
#define POTAD_STRESS_EXPLORE_PAIRS_H

#include "fuzzers/case.h"

/* How many there are. */
uint32_t pairs_count(void);

/* Makes @program pair number @index. Its memory is used again. */
void pairs_make(struct program *program, uint32_t index);

#endif
