/* SPDX-License-Identifier: MIT
 *
 * movable.h: blocks that one thread holds and any other may move, by asking for CMA memory
 * (memdesc_ops.migrate). The holder decides under the item's lock whether its block is there:
 *
 *             publish             TRY, agreed
 *     NONE ───────────► HELD ─────────────────► MOVING      told by the thread that moves it
 *      ▲                │ ▲ ◄───────────────────┘
 *      │           take │ │ put      COMMIT: it is elsewhere; CANCEL: it stays
 *      └─────────────── BUSY      the holder's alone: TRY is refused
 *        retire
 *
 * The new frames get the block's cookie when its owner agrees; the old ones lose it on COMMIT, the
 * new ones on CANCEL.
 */
#ifndef POTAD_STRESS_MOVABLE_H
#define POTAD_STRESS_MOVABLE_H

#include "core/sync.h"
#include "stress/held_block.h"

enum { MOVABLES_OF_THREAD = 256 };

enum movable_state { MOVABLE_NONE, MOVABLE_HELD, MOVABLE_BUSY, MOVABLE_MOVING };

struct movable {
    _Alignas(CACHE_LINE_BYTES) struct memdesc descriptor; /* never freed: questions come late */
    spinlock_t lock;          /* of all below, which in NONE and BUSY are the holder's */
    enum movable_state state; /* written by the holder, and by who moves it */
    uint64_t changes;         /* of what is below, by other threads */
    struct held_block held;
    pfn_t to; /* of the move that is under way */
};

/* All zero: not open. */
struct movables {
    struct movable *items; /* MOVABLES_OF_THREAD of each thread, in a row */
    uint64_t count;
    relaxed_word_t *plain; /* by frame: 1 + the index of the item whose block, described by the
                            * subject alone, starts there; or 0 */
    const struct world *world;
};

/* Makes items for @threads threads in @world. Context of this to movables_check(): the coordinator,
 * all threads parked. Return: false where there is no memory for it; nothing is left to close. */
bool movables_open(struct movables *all, const struct world *world, unsigned threads)
    __attribute__((warn_unused_result));
void movables_close(struct movables *all);

/* Has the subject, just booted, ask the items. Return: what it answers. */
enum status movables_watch(struct movables *all) __attribute__((warn_unused_result));

/* No item is moving, and each one's block is where it should be. */
void movables_check(struct worker *coordinator, const struct movables *all);

/* Makes @item, which is NONE, the block of @held. Context of this and all below: the holder. */
void movable_publish(struct movables *all, struct movable *item, const struct held_block *held);

/* Takes @item out of the hands of others. Return: false where one is moving it just now. */
bool movable_take(struct movable *item) __attribute__((warn_unused_result));

/* Ends that. */
void movable_put(struct movable *item);

/* Makes @item, which is BUSY, NONE: its block may be freed from here on. Return: the block. */
struct held_block movable_retire(struct movables *all, struct movable *item);

/* A random frame of the block of @item, as of now. */
pfn_t movable_frame(struct worker *worker, struct movable *item);

/* Looks up the block of @item while others may move it. */
void movable_lookup(struct worker *worker, struct movable *item);

#endif
