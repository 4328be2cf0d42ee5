/* SPDX-License-Identifier: MIT
 *
 * fuzz_target.h: what a fuzz target gives, to an engine or to the plain replayer.
 */
#ifndef POTAD_FUZZERS_FUZZ_TARGET_H
#define POTAD_FUZZERS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* Runs one input. Aborts at a violation, after a line that names it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The state that the last input ended in, before its teardown: for the determinism check. */
uint64_t fuzz_target_state_hash(void);

/* Inputs and operations run so far. */
void fuzz_target_stats(uint64_t *executions, uint64_t *operations);

#endif
