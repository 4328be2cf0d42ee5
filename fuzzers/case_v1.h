/* SPDX-License-Identifier: MIT
 *
 * case_v1.h: cases of version 1, which had zones with metadata or without, and no more to say of
 * them. All that such a case says, version 2 says, too.
 */
#ifndef POTAD_FUZZERS_CASE_V1_H
#define POTAD_FUZZERS_CASE_V1_H

#include "fuzzers/case.h"

enum { CASE_VERSION_1 = 1 };

/* Rewrites the binary case @data of version 1, whose size stays, as one of version 2. Return:
 * false, with @error naming the byte. */
bool case_v1_upgrade(uint8_t *data, size_t size, struct case_error *error)
    __attribute__((warn_unused_result));

#endif
