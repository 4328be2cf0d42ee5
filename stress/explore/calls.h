/* SPDX-License-Identifier: MIT
 *
 * calls.h: a history: which calls the threads of one execution made, when, and what each was told.
 * One thread of the host records, in the order in which things happen:
 *
 *   thread 0  ├────── call 0: alloc ──────┤        ├─ call 3: free ─┤
 *   thread 1        ├─ call 1: lookup ─┤     ├── call 2: alloc ───────── (never returned)
 *   moment    0     1                  2  3  4     5                6
 *
 * Every beginning and every return is a moment of its own, so of two calls that do not overlap it
 * is clear which came first. Calls of one thread may lie within each other: what an owner does, or
 * is told, while the allocator calls him.
 */
#ifndef POTAD_STRESS_CALLS_H
#define POTAD_STRESS_CALLS_H

#include "core/memdesc.h"

/* X(id, name, what is recorded: arguments -> answers). Those that are no call of the allocator's
 * users:
 * MOVE: an owner is asked to move, from TRY until he is told COMMIT (OK) or CANCEL (BUSY).
 * DROP: the last reference went in passing: an owner's release() is called inside a tryget. */
#define CALL_TABLE(X)                                                                              \
    X(CALL_ALLOC, "alloc", "order, zones, type, descriptor -> status, pfn")                        \
    X(CALL_FREE, "free", "pfn, order, type, descriptor")                                           \
    X(CALL_SPLIT, "split", "pfn, order, part, type, descriptor -> status")                         \
    X(CALL_LOOKUP, "lookup", "pfn -> found, type, descriptor, seen")                               \
    X(CALL_CONTIG, "contig", "frames, order, zones -> status, pfn")                                \
    X(CALL_CONTIG_FREE, "contig-free", "pfn, frames")                                              \
    X(CALL_FAILURE, "memory-failure", "pfn -> status")                                             \
    X(CALL_UNPOISON, "unpoison", "pfn -> status")                                                  \
    X(CALL_MOVE, "move", "pfn, to, order, type, descriptor -> status")                             \
    X(CALL_TRYGET, "tryget", "pfn -> found, type, descriptor, seen")                               \
    X(CALL_PUT, "put", "descriptor -> last")                                                       \
    X(CALL_DROP, "drop", "descriptor")

enum call_kind {
#define X(id, name, recorded) id,
    CALL_TABLE(X)
#undef X
        CALL_KINDS
};

#define CALL_PENDING ((uint32_t) ~(uint32_t)0) /* the moment of a return that has not been */

/* The extent that a lookup or tryget answered. */
struct call_seen {
    pfn_t pfn;
    uint64_t frames; /* 0: not told */
    bool flawed;
};

struct call {
    uint32_t invoked;      /* moments */
    uint32_t returned;     /* or CALL_PENDING */
    uint64_t step_invoked; /* of the scheduler, for messages only */
    uint64_t step_returned;
    enum call_kind kind;
    uint32_t thread;
    enum status status;
    pfn_t pfn; /* what is asked about, given back, or granted */
    pfn_t to;
    uint64_t frames;
    order_t order;          /* of CONTIG: the alignment of the run */
    order_t part;           /* of the smallest parts of a split */
    uint32_t zones;         /* bit n: zone n may serve */
    enum memdesc_type type; /* of a block; of one without an owner's descriptor: MEMDESC_NONE */

    /* Its number or address; 0: not told. A block keeps what its ALLOC says, and whoever frees,
     * splits or moves it says the same: of the parts of a split, only the last one has it. */
    uint64_t descriptor;
    bool counted; /* of ALLOC: others may take references to the descriptor */
    bool found;
    bool last; /* of PUT: release() was called inside it */
    struct call_seen seen;
};

/* The record of one execution. */
struct calls {
    struct call *calls; /* by their beginning; one more, for those that there is no room for */
    uint32_t *moments;  /* what was at each: twice the number of a call, and 1 for its return */
    uint32_t max;
    uint32_t count;
    uint32_t moment; /* the next */
    uint32_t lost;   /* there was no room for so many: no judge has anything to say */
};

/* What may be there to be granted, and how exact the allocator's answers are. */
struct call_rules {
    struct call_span {
        pfn_t pfn;
        uint64_t frames;
        uint32_t zone; /* below 32 */
    } const *spans;    /* ascending */
    uint32_t spans_count;

    /* NO_MEMORY is right while no more than so many disjoint ranges of the kind asked for are
     * nobody's: the allocator's own metadata may be there, or they are on their way. */
    uint64_t slack;
    uint32_t homeless; /* bit n: zone n holds none of the allocator's own metadata */
    bool keeps;        /* frames of nobody's may be answered as in use and plain: CPUs keep lists */
    bool metadata;     /* or as the allocator's own */
};

enum { CALL_TEXT_MAX = 240 };

/* Makes a record with room for @max calls. Return: whether there was memory; calls_close() in any
 * case. */
bool calls_open(struct calls *calls, uint32_t max) __attribute__((warn_unused_result));
void calls_close(struct calls *calls);

/* Forgets all calls. */
void calls_clear(struct calls *calls);

/* Notes that @thread calls, at @step of the scheduler. The caller fills in the arguments, and then
 * the answers. Context of both: never allocates. Return: the call, never NULL. */
struct call *calls_begin(struct calls *calls, enum call_kind kind, uint32_t thread, uint64_t step);

/* Notes that @call, whose answers are filled in, has returned. */
void calls_end(struct calls *calls, struct call *call, uint64_t step);

static inline bool call_is_pending(const struct call *call)
{
    return call->returned == CALL_PENDING;
}

/* Whether @call had returned before @other began. */
static inline bool call_precedes(const struct call *call, const struct call *other)
{
    return call->returned < other->invoked;
}

static inline bool calls_overlap(const struct call *call, const struct call *other)
{
    return !call_precedes(call, other) && !call_precedes(other, call);
}

/* How many frames an ALLOC, FREE, SPLIT, MOVE, CONTIG or CONTIG_FREE is about. */
static inline uint64_t call_frames(const struct call *call)
{
    bool run = call->kind == CALL_CONTIG || call->kind == CALL_CONTIG_FREE;
    return run ? call->frames : order_frames(call->order);
}

/* Whether @frames frames from @pfn have one in common with @more from @other. */
static inline bool frames_meet(pfn_t pfn, uint64_t frames, pfn_t other, uint64_t more)
{
    return pfn < other + more && other < pfn + frames;
}

/* Whether all of @frames frames from @pfn are memory of one of @zones. */
bool rules_hold_frames(const struct call_rules *rules, pfn_t pfn, uint64_t frames, uint32_t zones);

const char *call_kind_name(enum call_kind kind);

/* Writes what @call was, and what it was told, into @text, of CALL_TEXT_MAX bytes. Return: @text.
 */
const char *call_describe(const struct call *call, char *text);

#endif
