/* SPDX-License-Identifier: MIT
 *
 * buddy.h: struct buddy, the descriptor of one block (requirement A2), which lives apart from the
 * frames it describes.
 *
 * head.flags:
 *   31       9    8       7       6       5      4           3      2     0
 *  +---------+--------+-------+--------+-----+------------+------+-----------+
 *  | 0       | flawed | owned | cached | cma | unaccepted | boot |   state   |
 *  +---------+--------+-------+--------+-----+------------+------+-----------+
 */
#ifndef POTAD_CORE_BUDDY_H
#define POTAD_CORE_BUDDY_H

#include "core/list.h"
#include "core/memdesc.h"

enum buddy_state {
    BUDDY_HELD,      /* in somebody's hand: describes no block yet */
    BUDDY_FREE,      /* its block is on a free list */
    BUDDY_ALLOCATED, /* its block and the struct buddy itself belong to a caller */
    BUDDY_SLAB,      /* its block is a slab: struct slab has the only pointer to it */
    BUDDY_TAKEN,     /* its block is off its list, not yet anybody's: the core works on it */
    BUDDY_POISONED, /* its block is one failed frame: the frame's word has the only pointer to it */
    BUDDY_STATES
};

enum {
    BUDDY_STATE_MASK = 7,
    BUDDY_BOOT = 1 << 3,       /* made at boot, outside of all slabs: outlives every merge */
    BUDDY_UNACCEPTED = 1 << 4, /* its block must be accepted before use (requirement E2) */
    BUDDY_CMA = 1 << 5,        /* its block is lent to movable owners only (requirement B6) */
    BUDDY_CACHED = 1 << 6,     /* beside BUDDY_ALLOCATED: a CPU keeps it, where CPU_MARKS says so */
    BUDDY_OWNED = 1 << 7,  /* beside BUDDY_ALLOCATED: its word leads to an owner's descriptor, or it
                            * is a part of a run: no plain block */
    BUDDY_FLAWED = 1 << 8, /* head.flawed, where its word leads here: for a look without a lock */
    BUDDY_USE_MASK = BUDDY_CACHED | BUDDY_OWNED | BUDDY_FLAWED,
    BUDDY_TOLD_MASK = BUDDY_OWNED | BUDDY_FLAWED, /* its word or records have more to say of it */
    BUDDY_PLAIN_MASK = BUDDY_USE_MASK | BUDDY_STATE_MASK, /* BUDDY_ALLOCATED alone: plain, in use */
    BUDDY_KIND_MASK = BUDDY_UNACCEPTED | BUDDY_CMA /* blocks that differ in these never merge */
};

struct buddy {
    struct memdesc head;
    struct list_head list; /* free list, or the hand that holds it */
    pfn_t pfn;             /* first frame of the block */
};

_Static_assert(sizeof(struct buddy) == MEMDESC_ALIGN, "a slot of its slab is a taggable address");
_Static_assert(BUDDY_STATES <= BUDDY_STATE_MASK + 1, "the states fit their bits");

/* Descriptors in hand, taken before a change that will need them (requirement A4), linked by
 * list.next. */
struct buddy_stash {
    struct list_head *first;
    uint64_t count;
};

static inline enum buddy_state buddy_state(const struct buddy *buddy)
{
    return (enum buddy_state)(atomic_flags_peek(&buddy->head.flags) & BUDDY_STATE_MASK);
}

static inline bool buddy_is(const struct buddy *buddy, uint32_t flag)
{
    return (atomic_flags_peek(&buddy->head.flags) & flag) != 0;
}

/* Context: the zone's lock, or the only pointer to @buddy. */
static inline void buddy_set_state(struct buddy *buddy, enum buddy_state state)
{
    uint32_t rest = atomic_flags_peek(&buddy->head.flags) & ~(uint32_t)BUDDY_STATE_MASK;
    atomic_flags_poke(&buddy->head.flags, rest | (uint32_t)state);
}

/* Sets flags of BUDDY_USE_MASK, or clears them. Context: as buddy_set_state(). */
static inline void buddy_set_use(struct buddy *buddy, uint32_t flags, bool set)
{
    uint32_t rest = atomic_flags_peek(&buddy->head.flags) & ~flags;
    atomic_flags_poke(&buddy->head.flags, set ? rest | flags : rest);
}

/* The flags of BUDDY_KIND_MASK. */
static inline uint32_t buddy_kind(const struct buddy *buddy)
{
    return atomic_flags_peek(&buddy->head.flags) & (uint32_t)BUDDY_KIND_MASK;
}

/* Context: as buddy_set_state(). */
static inline void buddy_set_kind(struct buddy *buddy, uint32_t kind)
{
    uint32_t rest = atomic_flags_peek(&buddy->head.flags) & ~(uint32_t)BUDDY_KIND_MASK;
    atomic_flags_poke(&buddy->head.flags, rest | kind);
}

/* Context: as buddy_set_state(). */
static inline void buddy_set_accepted(struct buddy *buddy)
{
    buddy_set_kind(buddy, buddy_kind(buddy) & ~(uint32_t)BUDDY_UNACCEPTED);
}

/* Makes a slot a descriptor in hand. Context: the slot is the caller's alone, but its state may be
 * peeked at. */
static inline void buddy_reset(struct buddy *buddy)
{
    atomic_flags_poke(&buddy->head.flags, BUDDY_HELD);
    buddy->head.order = 0;
    buddy->head.zone = 0;
    buddy->head.migratetype = 0;
    buddy->head.flawed = false;
    buddy->pfn = PFN_NONE;
}

static inline order_t buddy_order(const struct buddy *buddy)
{
    return buddy->head.order;
}

/* Copies what the common head says of @buddy's block into the head of its owner's descriptor.
 * Context: the zone's lock. */
static inline void buddy_describe(const struct buddy *buddy, struct memdesc *owner)
{
    owner->order = buddy->head.order;
    owner->zone = buddy->head.zone;
    owner->migratetype = buddy->head.migratetype;
}

static inline struct buddy *buddy_of_link(struct list_head *link)
{
    return list_item(link, struct buddy, list);
}

/* Whether @buddy lies in the frame whose address is @page. */
static inline bool buddy_is_in_page(const struct buddy *buddy, const void *page)
{
    return ((uintptr_t)buddy & ~(uintptr_t)(FRAME_SIZE - 1)) == (uintptr_t)page;
}

static inline void buddy_stash_init(struct buddy_stash *stash)
{
    stash->first = NULL;
    stash->count = 0;
}

/* Takes @buddy into @stash: it describes nothing from here on. */
static inline void buddy_stash_put(struct buddy_stash *stash, struct buddy *buddy)
{
    uint32_t flags = atomic_flags_peek(&buddy->head.flags) & (uint32_t)BUDDY_BOOT;
    atomic_flags_poke(&buddy->head.flags, flags | (uint32_t)BUDDY_HELD);
    buddy->list.next = stash->first;
    stash->first = &buddy->list;
    stash->count++;
}

/* Context: @stash is not empty. */
static inline struct buddy *buddy_stash_take(struct buddy_stash *stash)
{
    ASSERT(stash->count > 0);
    struct list_head *link = stash->first;
    stash->first = link->next;
    stash->count--;
    return buddy_of_link(link);
}

/* Moves all of @stash to @to. */
static inline void buddy_stash_move(struct buddy_stash *stash, struct buddy_stash *to)
{
    while (stash->count > 0) {
        buddy_stash_put(to, buddy_stash_take(stash));
    }
}

#endif
