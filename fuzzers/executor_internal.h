/* SPDX-License-Identifier: MIT
 *
 * executor_internal.h: what the files of the executor share.
 */
#ifndef POTAD_FUZZERS_EXECUTOR_INTERNAL_H
#define POTAD_FUZZERS_EXECUTOR_INTERNAL_H

#include "fuzzers/executor.h"

/* Runs @op, one of those on a map by ranges, which is made where there is none. */
void executor_run_range(struct harness *harness, const struct case_op *op);

#endif
