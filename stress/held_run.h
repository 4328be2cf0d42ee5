/* SPDX-License-Identifier: MIT
 *
 * held_run.h: frames in a row that a thread holds, checked as blocks are (held_block.h).
 *
 * Context of all: the worker's own thread.
 */
#ifndef POTAD_STRESS_HELD_RUN_H
#define POTAD_STRESS_HELD_RUN_H

#include "stress/worker.h"

struct held_run {
    struct contig run;
    cookie_t cookie;
};

/* Allocates what @request says. Return: whether there was memory. */
bool held_run_alloc(struct worker *worker, const struct contig_request *request,
                    struct held_run *held);

void held_run_free(struct worker *worker, const struct held_run *held);

/* Takes a random number of frames in a row, and gives them back. Return: whether there were. */
bool held_run_cycle(struct worker *worker);

#endif
