/* SPDX-License-Identifier: MIT
 *
 * violation.h: what a subject's own validation has found broken (core/invariant.h), in words.
 */
#ifndef POTAD_FUZZERS_VIOLATION_H
#define POTAD_FUZZERS_VIOLATION_H

#include "core/invariant.h"

enum { VIOLATION_TEXT_MAX = 128 };

/* Writes where @violation is and which values differ; @where: what its place is a number of,
 * "frame", "key", or "space 1, unit". What is broken of all together has no place. */
void violation_text(char text[VIOLATION_TEXT_MAX], const char *where,
                    const struct violation *violation);

/* What always holds, in a sentence; of what is no invariant of the core: that the subject says so.
 */
const char *violation_sentence(const struct violation *violation);

#endif
