/* SPDX-License-Identifier: MIT
 *
 * violation.h: what a subject's own validation has found broken (core/invariant.h), in words.
 */
#ifndef POTAD_FUZZERS_VIOLATION_H
#define POTAD_FUZZERS_VIOLATION_H

#include "core/invariant.h"

enum { VIOLATION_TEXT_MAX = 128 };

/* Writes where @violation is and which values differ. @whole: of what it is, "" for all that there
 * is; @where: what a place in that is a number of, "frame", "unit" or "key". What is broken of the
 * whole has no place. */
void violation_text(char text[VIOLATION_TEXT_MAX], const char *whole, const char *where,
                    const struct violation *violation);

/* What always holds, in a sentence; that the subject says so, where it is no invariant of the core.
 */
const char *violation_sentence(const struct violation *violation);

#endif
