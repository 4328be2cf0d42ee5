/* SPDX-License-Identifier: MIT
 *
 * emit.h: a case as a C test that needs nothing but the core.
 */
#ifndef POTAD_FUZZERS_EMIT_EMIT_H
#define POTAD_FUZZERS_EMIT_EMIT_H

#include "fuzzers/emit/record.h"

enum emit_result {
    EMIT_WRITTEN,
    EMIT_NOT_RUN, /* the map has no room for metadata: there is nothing to test */
    EMIT_NO_FILES /* no temporary files, or no process: errno says why */
};

/* What the emitted test cannot have. Return: NULL, or why @program has no test. */
const char *emit_refuses(const struct record_options *options, const struct program *program);

/* Runs @program, in a process of its own that it may end, and writes the test to @out. @name: of
 * the case. Context: emit_refuses() does not. */
enum emit_result emit_test(const struct record_options *options, const struct program *program,
                           const char *name, FILE *out) __attribute__((warn_unused_result));

#endif
