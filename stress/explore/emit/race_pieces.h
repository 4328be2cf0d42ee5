/* SPDX-License-Identifier: MIT
 *
 * race_pieces.h: what a test with threads is put together from, behind the memory of all emitted
 * tests: the files of prelude/, in the order in which they are written.
 */
#ifndef POTAD_STRESS_EXPLORE_EMIT_RACE_PIECES_H
#define POTAD_STRESS_EXPLORE_EMIT_RACE_PIECES_H

/* X(name of the file) */
#define RACE_PIECE_TABLE(X)                                                                        \
    X(turns)                                                                                       \
    X(history)                                                                                     \
    X(world)                                                                                       \
    X(grants)

#define X(name) extern const char race_piece_##name[];
RACE_PIECE_TABLE(X)
#undef X

#endif
