/* SPDX-License-Identifier: MIT
 *
 * migrate.h: clears a window, any frames in a row of one zone, of the movable blocks in it. What
 * the frames are wanted for is for others to say: contig_migrate.c asks CMA memory back, compact.c
 * makes blocks of ordinary memory. In two phases, so that whatever fails can be undone without
 * failing:
 *
 *   a, b: blocks of movable owners                 window
 *                                            |<---------------->|
 *   before                    ...  |    a     |  free  |    b    |  free  | ...
 *   free blocks are held                      |  held  |         |  held |      not given to others
 *   a block is allocated for each owner, who is asked to TRY: it copies, and holds still
 *   all agree: descriptors swap places; each owner hears COMMIT
 *   what a had outside of the window is free, and the rest is the caller's
 *
 *   one does not: owners that agreed hear CANCEL, their new blocks are freed, what was held is free
 *
 * The struct buddy that an owner keeps for its block (requirement A6) describes the new place from
 * then on, so that nobody's handle changes: the one that came with the new block goes the other
 * way. While owners are asked, no lock is held: blocks that nobody has agreed for may be freed and
 * given out again meanwhile, or held for another window (contig_take.h tells them apart). Then this
 * window is given up.
 *
 * Who can be asked is seen from the type in the frame's word, and from the head behind it
 * (requirement D3): other blocks are passed over, their descriptors not locked, nobody told.
 *
 * An owner's block moves to zones of no higher class than that it leaves: it may have asked for
 * such.
 */
#ifndef POTAD_CORE_MIGRATE_H
#define POTAD_CORE_MIGRATE_H

#include "core/page_alloc.h"

struct migrate_window {
    struct potad *potad;
    struct alloc_context alloc;
    const struct block_request *block; /* what the frames are for: which zones it means */
    struct space *zone;
    void *holder;          /* whose the held blocks are: contig_mark() */
    pfn_t pfn;             /* the window that is being cleared */
    uint64_t units;        /* its frames */
    order_t order_end;     /* blocks of this order or more stay where they are */
    uint64_t frames_left;  /* that places may still be looked for */
    uint64_t frames_moved; /* out of windows so far */
    bool near;             /* new places are looked for in the zone itself first */
    pfn_t from;            /* where it helps to go on when a window has not been cleared */
    uint32_t movable;      /* types whose owners can be asked, as bits */
    struct memdesc_ops ops[MEMDESC_TYPES]; /* theirs, for all stages of a move */
    struct list_head *moves;               /* of owners that agreed, see moves_push() */
};

/* Takes note of whom to ask. */
void migrate_begin(struct migrate_window *window);

/* Whether the owner of the block under @word can be asked to move it. Context: the zone's lock. */
bool migrate_can_move(const struct migrate_window *window, memdesc_t word);

/* The frames of the window. */
static inline struct contig_run migrate_run(const struct migrate_window *window)
{
    return (struct contig_run){window->zone, window->pfn, window->units, window->holder};
}

/* Asks the owners of all blocks in the window that are not held, by ascending address. Context: no
 * lock; what was free is held. Return: whether all agree; if not, window->from is where it helps to
 * go on. */
bool migrate_ask(struct migrate_window *window);

/* Locks all zones. Those that there are blocks of in hand are among them, and stay. Return: which
 * they are, for migrate_unlock(). */
uint32_t migrate_lock(struct potad *potad);
void migrate_unlock(struct potad *potad, uint32_t zones);

/* Swaps all places: what owners have left is held from here on. Context: migrate_lock(). Return:
 * false where that cannot be, with nothing changed. */
bool migrate_swap(struct migrate_window *window);

/* Tells all that agreed that they have moved. Cannot fail. Context: no lock. */
void migrate_commit(struct migrate_window *window);

/* Tells all that agreed that they stay, and frees the places they were to have. What is held
 * remains so. Context: no lock. */
void migrate_cancel(struct migrate_window *window);

#endif
