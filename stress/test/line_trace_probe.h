/* SPDX-License-Identifier: MIT
 *
 * line_trace_probe.h: functions whose lines can be counted by hand, compiled as traced code.
 */
#ifndef POTAD_STRESS_TEST_LINE_TRACE_PROBE_H
#define POTAD_STRESS_TEST_LINE_TRACE_PROBE_H

#include "core/sync.h"

enum { PROBE_LINES = 64 };

struct probe_line {
    _Alignas(64) uint64_t words[8];
};

/* Reads lines 0 and 1, two words each, and writes line 2. */
void probe_add(struct probe_line *lines);

/* Sums up words of its own stack. */
uint64_t probe_stack(uint64_t seed);

/* Reads line 0 and writes line 1, by one atomic operation each. */
void probe_atomics(atomic_word_t *from, atomic_word_t *to);

/* Takes line 0 with a lock, and line 1 with a comparison that fails. Return: whether it did. */
bool probe_locks(spinlock_t *lock, atomic_word_t *word);

/* Writes all lines but the first and the last. */
void probe_clear(struct probe_line *lines);

/* Reads line 0, and writes line 1 and a word of line 2: a copy across a border. */
void probe_copy(struct probe_line *lines);

#endif
