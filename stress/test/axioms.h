/* SPDX-License-Identifier: MIT
 *
 * axioms.h: which outcomes of a litmus program weak memory permits, by definition: each execution
 * is a sequence of events, each of which reads any store before it; and it counts if no rule is
 * broken. There are no clocks here, and nothing is taken from weak.c.
 */
#ifndef POTAD_STRESS_TEST_AXIOMS_H
#define POTAD_STRESS_TEST_AXIOMS_H

#include "stress/test/litmus.h"

/* Notes in @outcomes what may come out of @program, which has no LITMUS_WAIT. @observes: as for
 * litmus_run(). */
void axioms_run(const struct litmus_program *program, const char *observes,
                struct litmus_outcomes *outcomes);

#endif
