/* SPDX-License-Identifier: MIT
 *
 * stage_internal.h: what the files of a stage share.
 */
#ifndef POTAD_STRESS_EXPLORE_STAGE_INTERNAL_H
#define POTAD_STRESS_EXPLORE_STAGE_INTERNAL_H

#include "fuzzers/op_request.h"
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

/* Zeroed memory, in whole lines of an image. Return: NULL where there is none. */
void *stage_allocate(size_t bytes);

/* stage_memory.c: all that executions change: memory, the subject's instance, stage->state. */
bool stage_memory_open(struct stage *stage);
void stage_memory_close(struct stage *stage);
void stage_memory_keep(struct stage *stage);
void stage_memory_restore(struct stage *stage);

/* Whether all of it is as it was at an end that was noted; *@end is a hash of it. Context: if so,
 * nothing is done to it before it is restored. */
bool stage_end_is_known(struct stage *stage, uint64_t *end);
void stage_end_note(struct stage *stage, uint64_t end);

/* stage_port.c: fills in stage->port. */
void stage_port_init(struct stage *stage);

/* Who comes to @cpu, leaves it, or takes it away: a step, as the beginning of an operation is. */
void stage_cpu_turn(struct stage *stage, uint32_t cpu);

/* stage_refs.c: has the subject tell when a folio has no references left, and when a movable block
 * is to move. */
void stage_watch(struct stage *stage);

/* Whether others may refer to blocks of @type. */
bool stage_is_shared(const struct stage *stage, enum memdesc_type type);

/* The owner of @slot's block drops his reference. */
void stage_end_folio(struct stage *stage, struct stage_slot *slot);
void stage_run_ref(struct stage *stage, const struct case_op *op);
void stage_drop_refs(struct stage *stage);

/* Frees the block of @slot, which is the caller's. */
void stage_free_block(struct stage *stage, struct stage_slot *slot);

/* The first slot at or after @from, around the end, that is in @state; or NULL. */
const struct stage_slot *stage_find_slot(const struct stage_slot *slots, uint32_t count,
                                         uint32_t from, enum slot_state state);

/* The same, for this operation. */
struct stage_slot *stage_take_slot(struct stage_slot *slots, uint32_t count, uint32_t from,
                                   enum slot_state state);
void stage_leave_slot(struct stage_slot *slot, enum slot_state state);

/* stage_judge.c: the history and its judges. */
bool stage_judge_open(struct stage *stage);
void stage_judge_close(struct stage *stage);
void stage_judge_keep(struct stage *stage);
void stage_judge_restore(struct stage *stage);
struct call *stage_call(struct stage *stage, enum call_kind kind, pfn_t pfn);
void stage_called(struct stage *stage, struct call *call);
uint32_t stage_zones(const struct stage *stage, zone_id_t zone, enum zone_class below,
                     enum migratetype type);
void stage_judge(struct stage *stage);

/* stage_ops.c: runs operation @op of the program. */
void stage_run_op(struct stage *stage, const struct case_op *op);

/* Frees all that the slots hold, as the operations would. */
void stage_free_all(struct stage *stage);

#endif
