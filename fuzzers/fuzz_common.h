/* SPDX-License-Identifier: MIT
 *
 * fuzz_common.h: the body that fuzz targets over cases share.
 */
#ifndef POTAD_FUZZERS_FUZZ_COMMON_H
#define POTAD_FUZZERS_FUZZ_COMMON_H

#include "fuzzers/case.h"

/* Runs one input, cut down to @limits, on the subject that POTAD_SUBJECT names (default: core).
 * Aborts at a violation. */
void fuzz_case(const uint8_t *data, size_t size, const struct case_limits *limits);

#endif
