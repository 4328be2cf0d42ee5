/* SPDX-License-Identifier: MIT
 *
 * race_pieces.h: what a test with threads is put together from, behind the memory of all emitted
 * tests: the files of prelude/, in the order in which they are written, and of the last ones only
 * what the case needs.
 */
#ifndef POTAD_STRESS_EXPLORE_EMIT_RACE_PIECES_H
#define POTAD_STRESS_EXPLORE_EMIT_RACE_PIECES_H

/* X(id, name of the file) */
#define RACE_PIECE_TABLE(X)                                                                        \
    X(RACE_TURNS, turns)                                                                           \
    X(RACE_HISTORY, history)                                                                       \
    X(RACE_WORLD, world)                                                                           \
    X(RACE_GRANTS, grants)                                                                         \
    X(RACE_OBJECTS, objects)                                                                       \
    X(RACE_RUNS, runs)

enum race_piece {
#define X(id, name) id,
    RACE_PIECE_TABLE(X)
#undef X
        RACE_PIECES
};

#define X(id, name) extern const char race_piece_##name[];
RACE_PIECE_TABLE(X)
#undef X

#endif
