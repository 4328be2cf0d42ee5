/* SPDX-License-Identifier: MIT
 *
 * emit_pieces.h: what a test is put together from: the files of prelude/, in the order in which
 * they are written, and of them only what the case needs.
 */
#ifndef POTAD_FUZZERS_EMIT_PIECES_H
#define POTAD_FUZZERS_EMIT_PIECES_H

/* X(id, name of the file, what a test does before boot(), behind it; NULL: nothing) */
#define EMIT_PIECE_TABLE(X)                                                                        \
    X(PIECE_MEMORY, memory, NULL, NULL)                                                            \
    X(PIECE_BLOCKS, blocks, NULL, NULL)                                                            \
    X(PIECE_OWNERS, owners, NULL, NULL)                                                            \
    X(PIECE_FAILURES, failures, NULL, "hear_failures")                                             \
    X(PIECE_MOVES, moves, NULL, "hear_moves")                                                      \
    X(PIECE_REFS, refs, NULL, "hear_releases")                                                     \
    X(PIECE_OBJECTS, objects, NULL, NULL)                                                          \
    X(PIECE_RUNS, runs, NULL, NULL)                                                                \
    X(PIECE_ZONES, zones, NULL, NULL)                                                              \
    X(PIECE_CPUS, cpus, "use_cpus", "watch_cpus")                                                  \
    X(PIECE_PAGEBLOCKS, pageblocks, NULL, "watch_pageblocks")                                      \
    X(PIECE_RANGES, ranges, NULL, NULL)                                                            \
    X(PIECE_SPACES, spaces, NULL, "watch_spaces")

/* How a test frees what is left, in this order. X(id of the piece, function) */
#define EMIT_TEARDOWN_TABLE(X)                                                                     \
    X(PIECE_CPUS, "end_cpus")                                                                      \
    X(PIECE_RANGES, "close_ranges")                                                                \
    X(PIECE_SPACES, "end_spaces")                                                                  \
    X(PIECE_OBJECTS, "end_caches")                                                                 \
    X(PIECE_REFS, "put_all")                                                                       \
    X(PIECE_BLOCKS, "give_all")                                                                    \
    X(PIECE_RUNS, "give_runs")                                                                     \
    X(PIECE_FAILURES, "heal_all")                                                                  \
    X(PIECE_ZONES, "remove_zones")                                                                 \
    X(PIECE_BLOCKS, "finish")

enum emit_piece {
#define X(id, name, before, behind) id,
    EMIT_PIECE_TABLE(X)
#undef X
        EMIT_PIECES
};

#define X(id, name, before, behind) extern const char emit_piece_##name[];
EMIT_PIECE_TABLE(X)
#undef X

#endif
