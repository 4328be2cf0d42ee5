/* SPDX-License-Identifier: MIT
 *
 * cpu_turn.h: a thread's own CPU goes offline, and online again.
 */
#ifndef POTAD_STRESS_CPU_TURN_H
#define POTAD_STRESS_CPU_TURN_H

#include "stress/worker.h"

/* Takes the thread's CPU offline, so that nobody can be on it, or brings it back. Context: the
 * thread is on no CPU. Return: whether it went offline; not where there are no CPUs, or another
 * thread is on it. */
bool cpu_turn(struct worker *worker);

/* Has the CPU as others are: the next boot brings it online. Context: the round ends. */
void cpu_turn_end(struct worker *worker);

#endif
