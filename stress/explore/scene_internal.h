/* SPDX-License-Identifier: MIT
 *
 * scene_internal.h: what the files of a scene share.
 */
#ifndef POTAD_STRESS_EXPLORE_SCENE_INTERNAL_H
#define POTAD_STRESS_EXPLORE_SCENE_INTERNAL_H

#include "fuzzers/executor.h"
#include "stress/explore/scene.h"

/* Of scene_state.owners. */
enum scene_owner { OWNER_FREE, OWNER_METADATA, OWNER_HOLE, OWNER_HELD };

/* Something is wrong: from a thread that is explored, does not return. */
void scene_fail(struct scene *scene, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline bool scene_failed(const struct scene *scene)
{
    return scene->finding.name[0] != '\0';
}

/* Who runs: a thread, or EXPLORE_THREADS outside of the explorer. */
static inline unsigned scene_thread(const struct scene *scene)
{
    return explorer_active != NULL ? explorer_thread(scene->explorer) : EXPLORE_THREADS;
}

/* Gives frames that were @from's to @to; others are a finding called @name. */
void scene_own(struct scene *scene, pfn_t pfn, uint64_t frames, enum scene_owner from,
               enum scene_owner to, const char *name);

/* scene_port.c: fills in scene->port. */
void scene_port_init(struct scene *scene);

/* scene_ops.c: runs operation @op of the program. */
void scene_run_op(struct scene *scene, const struct case_op *op);

/* Frees all that the slots hold, as the operations would. */
void scene_free_all(struct scene *scene);

#endif
