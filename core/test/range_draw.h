/* SPDX-License-Identifier: MIT
 *
 * range_draw.h: a range tree on ordinary memory for unit tests, and how it looks:
 *
 *   [ 39 = 99 | max ]            an inner node: the pivots of its slots; = joins slots of one child
 *     [0-9 a][20-29 -]           a leaf: its slots; - has no value
 *     wide [100-max b]           a wide one
 *     [200-209 a]..17..[390-399 s]   17 slots between, not shown
 */
#ifndef POTAD_CORE_TEST_RANGE_DRAW_H
#define POTAD_CORE_TEST_RANGE_DRAW_H

#include "core/range_tree.h"

enum { DRAWING_MAX = 4096 };

struct range_bed {
    struct range_tree tree;
    struct epoch epoch;
    struct range_source source;
    uint64_t nodes;     /* out of the source */
    uint64_t nodes_max; /* that the source has */
    char drawing[DRAWING_MAX];
};

/* Makes an empty tree; fails the running test where that does not work. */
void range_bed_open(struct range_bed *bed);

/* Empties it; fails the running test where a node is missing then. */
void range_bed_close(struct range_bed *bed);

/* From here on, the source has no more nodes. */
void range_bed_dry(struct range_bed *bed);

/* Draws the whole tree; an empty one is "". */
const char *range_bed_draw(struct range_bed *bed);

/* Fails the running test unless the tree is valid and looks like @expected. */
void range_bed_assert(struct range_bed *bed, const char *expected);

/* Fails the running test unless all invariants hold. */
void range_bed_validate(struct range_bed *bed);

#endif
