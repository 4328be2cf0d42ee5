/* SPDX-License-Identifier: MIT
 *
 * fuzz_reader.h: what the fuzz targets of the formats' own readers share. They run nothing: what is
 * read must hold together, and what is refused must be refused with a reason.
 */
#ifndef POTAD_FUZZERS_FUZZ_READER_H
#define POTAD_FUZZERS_FUZZ_READER_H

#include "fuzzers/case.h"

/* X(id, name, sentence). fuzzers/README.md says which planted bug only this one catches. */
#define READER_CHECK_TABLE(X)                                                                      \
    X(READER_ROUND_TRIP, "round-trip", "what is read, written and read again is the same")         \
    X(READER_PIECES, "pieces", "a text reads the same, however large the pieces it comes in")      \
    X(READER_REASON, "reason", "what is refused is refused for a reason, in one printable line")   \
    X(READER_BOUNDS, "bounds", "what is read lies within the bounds that are promised")

enum reader_check {
#define X(id, name, sentence) id,
    READER_CHECK_TABLE(X)
#undef X
        READER_CHECKS
};

/* Begins an input: what it comes to is counted, and hashed, from here on. */
void fuzz_reader_begin(void);

/* What was read of the present input: @count things, which are these bytes. */
void fuzz_reader_add(uint32_t count, const void *data, size_t size);

/* Reports a violation, and aborts. */
void fuzz_reader_fail(enum reader_check check, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/* Checks that @reason, of a reader that has refused its input, is one printable line. */
void fuzz_reader_check_reason(const char *reason);

/* Checks that @program is the same after a way through the binary form, and through text. */
void fuzz_reader_check_program(const struct program *program);

#endif
