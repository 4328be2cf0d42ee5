/* SPDX-License-Identifier: MIT
 *
 * interrupt.h: Ctrl-C, or a kill, asks a long command to end in order.
 */
#ifndef POTAD_FUZZERS_INTERRUPT_H
#define POTAD_FUZZERS_INTERRUPT_H

#include <signal.h>

/* Not 0 once somebody has asked. */
extern volatile sig_atomic_t interrupted;

/* From here on, the first SIGINT or SIGTERM only sets that; a second one ends the process. */
void interrupt_watch(void);

#endif
