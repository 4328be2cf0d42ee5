/* SPDX-License-Identifier: MIT
 *
 * stage_internal.h: what the files of a stage share.
 */
#ifndef POTAD_STRESS_EXPLORE_STAGE_INTERNAL_H
#define POTAD_STRESS_EXPLORE_STAGE_INTERNAL_H

#include "fuzzers/executor.h"
#include "stress/explore/stage.h"

/* Of stage_state.owners. */
enum stage_owner { OWNER_FREE, OWNER_METADATA, OWNER_HOLE, OWNER_HELD };

/* Something is wrong: from a thread that is explored, does not return. */
void stage_fail(struct stage *stage, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline bool stage_failed(const struct stage *stage)
{
    return stage->finding.name[0] != '\0';
}

/* Who runs: a thread, or EXPLORE_THREADS outside of the explorer. */
static inline unsigned stage_thread(const struct stage *stage)
{
    return explorer_active != NULL ? explorer_thread(stage->explorer) : EXPLORE_THREADS;
}

/* Gives frames that were @from's to @to; others are a finding called @name. */
void stage_own(struct stage *stage, pfn_t pfn, uint64_t frames, enum stage_owner from,
               enum stage_owner to, const char *name);

/* stage_port.c: fills in stage->port. */
void stage_port_init(struct stage *stage);

/* stage_ops.c: runs operation @op of the program. */
void stage_run_op(struct stage *stage, const struct case_op *op);

/* Frees all that the slots hold, as the operations would. */
void stage_free_all(struct stage *stage);

#endif
