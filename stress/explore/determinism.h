/* SPDX-License-Identifier: MIT
 *
 * determinism.h: whether an execution happens again just as it was, when its schedule is executed;
 * and if not, where the two first differ: what decides there is not the scheduler alone.
 *
 *   first   ── a ── b ── c ── d ──
 *   again   ── a ── b ── x ── y ──        told of: c, and x
 */
#ifndef POTAD_STRESS_EXPLORE_DETERMINISM_H
#define POTAD_STRESS_EXPLORE_DETERMINISM_H

#include "stress/explore/stage.h"

#define DETERMINISM_NAME "determinism" /* of the finding */

/* Says in @text, of EXPLORE_TEXT_MAX bytes, at which step the two first differ, and what stands
 * there in each. Return: whether they do. Addresses are not compared. */
bool determinism_differ(const struct explore_log *first, const struct explore_log *again,
                        char *text);

/* Executes @stage as the last execution, whose steps are in @first, and in which nothing was found,
 * has been. Return: whether it was the same; if not, *@finding says where it was another one. */
bool determinism_check(struct stage *stage, const struct explore_log *first,
                       struct explore_finding *finding) __attribute__((warn_unused_result));

#endif
