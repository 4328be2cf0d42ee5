/* SPDX-License-Identifier: MIT
 *
 * made_calls.h: histories made by hand. A call is written with its answers; one that is not open
 * when the next one is written has returned before:
 *
 *   told(calls, 0, alloc(2, 4));             thread 0  ├ alloc ┤  ├──── free ────┤
 *   call = opens(calls, 0, freed(2, 4));     thread 1                ├ lookup ┤
 *   told(calls, 1, looked(...));
 *   closes(calls, call);
 */
#ifndef POTAD_STRESS_TEST_MADE_CALLS_H
#define POTAD_STRESS_TEST_MADE_CALLS_H

#include "stress/explore/calls.h"

enum { ZONES = 3 }; /* that may serve */

static const enum memdesc_type owned = MEMDESC_FOLIO;

/* Begins a call like @what, which says the answers, too. */
static inline struct call *opens(struct calls *calls, uint32_t thread, struct call what)
{
    struct call *call = calls_begin(calls, what.kind, thread, calls->moment);
    what.thread = thread;
    what.invoked = call->invoked;
    what.returned = call->returned;
    what.step_invoked = call->step_invoked;
    *call = what;
    return call;
}

static inline void closes(struct calls *calls, struct call *call)
{
    calls_end(calls, call, calls->moment);
}

static inline void told(struct calls *calls, uint32_t thread, struct call what)
{
    closes(calls, opens(calls, thread, what));
}

static inline struct call alloc(order_t order, pfn_t pfn)
{
    return (struct call){.kind = CALL_ALLOC, .order = order, .pfn = pfn, .zones = ZONES};
}

/* With a descriptor that others may refer to. */
static inline struct call alloc_desc(order_t order, pfn_t pfn, uint64_t descriptor)
{
    struct call call = alloc(order, pfn);
    call.type = owned;
    call.descriptor = descriptor;
    call.counted = true;
    return call;
}

static inline struct call alloc_short(order_t order)
{
    struct call call = alloc(order, 0);
    call.status = STATUS_NO_MEMORY;
    return call;
}

static inline struct call freed(order_t order, pfn_t pfn)
{
    return (struct call){.kind = CALL_FREE, .order = order, .pfn = pfn};
}

static inline struct call freed_desc(order_t order, pfn_t pfn, uint64_t descriptor)
{
    struct call call = freed(order, pfn);
    call.type = owned;
    call.descriptor = descriptor;
    return call;
}

static inline struct call split(order_t order, pfn_t pfn, order_t part, enum status status)
{
    return (struct call){
        .kind = CALL_SPLIT, .order = order, .pfn = pfn, .part = part, .status = status};
}

static inline struct call contig(uint64_t frames, order_t align, pfn_t pfn)
{
    return (struct call){
        .kind = CALL_CONTIG, .frames = frames, .order = align, .pfn = pfn, .zones = ZONES};
}

static inline struct call contig_freed(uint64_t frames, pfn_t pfn)
{
    return (struct call){.kind = CALL_CONTIG_FREE, .frames = frames, .pfn = pfn};
}

static inline struct call on_frame(enum call_kind kind, pfn_t pfn, enum status status)
{
    return (struct call){.kind = kind, .pfn = pfn, .status = status};
}

static inline struct call moved(order_t order, pfn_t pfn, pfn_t to)
{
    return (struct call){.kind = CALL_MOVE, .order = order, .pfn = pfn, .to = to};
}

static inline struct call moved_desc(order_t order, pfn_t pfn, pfn_t to, uint64_t descriptor)
{
    struct call call = moved(order, pfn, to);
    call.type = owned;
    call.descriptor = descriptor;
    return call;
}

static inline struct call put(uint64_t descriptor, bool last)
{
    return (struct call){.kind = CALL_PUT, .descriptor = descriptor, .last = last};
}

static inline struct call none(enum call_kind kind, pfn_t pfn)
{
    return (struct call){.kind = kind, .pfn = pfn};
}

/* A block at @seen. */
static inline struct call looked(pfn_t pfn, enum memdesc_type type, pfn_t seen, order_t order)
{
    return (struct call){.kind = CALL_LOOKUP,
                         .pfn = pfn,
                         .found = true,
                         .type = type,
                         .seen = {.pfn = seen, .frames = order_frames(order)}};
}

static inline struct call looked_flawed(pfn_t pfn, enum memdesc_type type, pfn_t seen,
                                        order_t order)
{
    struct call call = looked(pfn, type, seen, order);
    call.seen.flawed = true;
    return call;
}

/* A block of @descriptor at @seen; by a tryget, or a lookup. */
static inline struct call found(enum call_kind kind, pfn_t pfn, uint64_t descriptor, pfn_t seen,
                                order_t order)
{
    struct call call = looked(pfn, owned, seen, order);
    call.kind = kind;
    call.descriptor = descriptor;
    return call;
}

#endif
