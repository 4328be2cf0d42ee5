/* SPDX-License-Identifier: MIT
 *
 * sequential.h: what an allocator is that does one call after the other: which extents are in use,
 * which frames have failed, and how many references each descriptor has.
 *
 * Each call that changes anything adds something to that, or takes the same away again: a block, a
 * failed frame, a reference. What that is follows from the call alone, so the state after some
 * calls, each of which was right when its turn came, follows from which calls these are, in
 * whatever order: linear.h counts on it. It is why who frees a block says its descriptor, too: of
 * two blocks that were at one place one after the other, either may be the one that is left.
 */
#ifndef POTAD_STRESS_SEQUENTIAL_H
#define POTAD_STRESS_SEQUENTIAL_H

#include "stress/explore/calls.h"

enum {
    SEQUENTIAL_EXTENTS_MAX = 256, /* in use at a time */
    SEQUENTIAL_FAILED_MAX = 64,
    SEQUENTIAL_DESCRIPTORS_MAX = 64
};

/* A block in use, or a run. */
struct extent {
    pfn_t pfn;
    uint64_t frames;
    enum memdesc_type type; /* MEMDESC_NONE: the allocator's alone */
    uint64_t descriptor;
    bool run;
    bool counted;
};

struct references {
    uint64_t descriptor;
    uint32_t count;
    uint32_t lives; /* grants of a block under it, less the times that the last reference went */
};

struct sequential {
    const struct call_rules *rules;
    uint64_t slack;
    struct extent extents[SEQUENTIAL_EXTENTS_MAX];
    pfn_t failed[SEQUENTIAL_FAILED_MAX];
    struct references references[SEQUENTIAL_DESCRIPTORS_MAX];
    uint32_t extents_count;
    uint32_t failed_count;
    uint32_t references_count;
    bool overflow; /* more than there is room for: nothing that was answered counts */
};

/* One call and what overlaps it, in which a frame or descriptor is in between for a moment. */
struct turn {
    struct call call; /* complete, with all its answers */
    bool beside_move;
    bool beside_tryget; /* another one */
    bool beside_grant;  /* of frames that nobody knows: a pending call may have them */
};

enum fit {
    FIT_WRONG,  /* the call cannot have had its answers now; nothing has changed */
    FIT_SEEN,   /* it can, and changes nothing */
    FIT_CHANGED /* it can, and has changed something */
};

/* What it takes to undo a turn. */
struct undo {
    struct extent extent; /* that it changed or took away, */
    uint32_t index;       /* and where that was */
    uint32_t extents_count;
    uint32_t references;
};

/* Nothing is in use. @slack: in place of that of @rules. */
void sequential_reset(struct sequential *state, const struct call_rules *rules, uint64_t slack);

/* Does @turn, if its answers are right now. */
enum fit sequential_apply(struct sequential *state, const struct turn *turn, struct undo *undo);

/* Undoes the latest turn that changed something and is not undone. */
void sequential_undo(struct sequential *state, const struct turn *turn, const struct undo *undo);

/* How many disjoint runs of @frames frames, on multiples of 2^@align, are nobody's in @zones. */
uint64_t sequential_runs(const struct sequential *state, uint64_t frames, order_t align,
                         uint32_t zones);

/* Whether a call that needs memory for the allocator's own use may be told that there is none. */
bool sequential_may_be_short_of_frames(const struct sequential *state);

#endif
