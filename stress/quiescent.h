/* SPDX-License-Identifier: MIT
 *
 * quiescent.h: what is checked while no thread is inside the subject.
 *
 * Context of all: the coordinator, all threads parked. What is wrong is reported.
 */
#ifndef POTAD_STRESS_QUIESCENT_H
#define POTAD_STRESS_QUIESCENT_H

#include "stress/worker.h"

/* Compares the subject with itself (validate()), with the shadow table frame by frame (lookup()),
 * and with counts (free_blocks(), stats()). @objects_live: objects that threads hold. */
void quiescent_check(struct worker *coordinator, uint64_t objects_live);

/* With everything freed: takes all memory there is, which accepts what was not, largest blocks
 * first, gives it back, and checks that the free blocks are what they would be right after boot,
 * had all memory been accepted then: each as large as its place allows, and no slab left. */
void quiescent_check_whole(struct worker *coordinator);

#endif
