/* SPDX-License-Identifier: MIT
 *
 * space.h: the buddy system of one zone, or of any other units that are given out by powers of two
 * (potad_space.h): free lists by order, halving and merging of blocks. All that is done here is
 * done with descriptors in hand; nothing here allocates (requirement A3).
 *
 * Every function that takes a zone asks for its lock to be held, but for space_init() and
 * space_validate() and space_hash(), which ask that no other thread is inside the allocator.
 */
#ifndef POTAD_CORE_SPACE_H
#define POTAD_CORE_SPACE_H

#include "core/block_map.h"
#include "core/boot_map.h"
#include "core/buddy.h"
#include "core/invariant.h"
#include "core/port.h"

/* The free blocks of one kind, by order. */
struct free_area {
    _Alignas(CACHE_LINE_BYTES) uint64_t nonempty; /* bit n: lists[n] has a block */
    uint64_t frames;                              /* of all */
    struct list_head lists[ORDERS];
    uint64_t blocks[ORDERS]; /* on each list */
};

/* 2^SPACE_EVENLY units are cut into equal blocks at a time, at most: a batch for a CPU. */
enum { SPACE_EVENLY = 5 };

/* Accepted blocks are listed by the type of their pageblock. */
enum {
    AREA_UNMOVABLE = MIGRATE_UNMOVABLE,
    AREA_MOVABLE = MIGRATE_MOVABLE,
    AREA_RECLAIMABLE = MIGRATE_RECLAIMABLE,
    AREA_CMA = MIGRATE_CMA,
    AREA_UNACCEPTED,
    AREAS
};

/* An aligned run of 2^pageblock_order frames, whose free parts share one type so that blocks of a
 * kind keep company: the first of unmovable, reclaimable, movable that a frame in use has. That is
 * no history: a pageblock that nobody uses is movable again, so a call that fails and undoes its
 * steps leaves all types as they were (requirement F1), and types never keep buddies from merging
 * (F6). Blocks that are a pageblock or more are not counted, nor are frames of CMA ranges. */
struct pageblock {
    uint16_t used[MIGRATETYPES]; /* frames */
    uint16_t unused;
};

_Static_assert(sizeof(struct pageblock) == 8, "a word a pageblock");

/* The record of a frame that has failed while its block was in use. It holds what freeing the block
 * will need to keep the frame back (requirement A3). */
struct poison {
    struct list_head list; /* space->flaws */
    pfn_t pfn;
    struct buddy_stash buddys; /* as many as the order of the block: one for each halving */
    struct epoch_list nodes;   /* and what the tree needs for the cut, where the zone has one */
};

struct space {
    /* The first three lines are what every allocation and free look at. */
    _Alignas(CACHE_LINE_BYTES) spinlock_t lock;
    zone_id_t id;
    pfn_t start; /* first frame of the first range */
    pfn_t end;   /* behind the last frame of the last range */
    const struct range *ranges;
    struct pageblock *pageblocks;    /* or NULL: all blocks are of one type */
    const uint64_t *pageblock_first; /* for each range, the index of its first one */
    uint32_t ranges_count;
    uint8_t pageblock_order;
    uint8_t orders;        /* no block can be of this order or above */
    bool metadata_allowed; /* slabs may live here (requirement E3) */
    uint64_t born; /* zones there had been when this one came, itself counted; 0: it is not there */

    _Alignas(CACHE_LINE_BYTES) uint64_t frames[BUDDY_STATES]; /* by the state of their blocks */
    uint64_t blocks;                                          /* each has one struct buddy */
    uint64_t frame_writes; /* words written into the frame table (requirement A5) */

    _Alignas(
        CACHE_LINE_BYTES) struct buddy_stash spare; /* for the next cuts, where CPUs have lists */
    struct block_map map;
    struct free_area areas[AREAS];
    uint32_t node;
    enum zone_class zone_class;
    uint64_t watermark_min; /* free frames kept for those who may use the reserve */
    pfn_t reserved_start;   /* boot metadata, if this zone has any */
    uint64_t reserved_frames;
    uint64_t managed_frames;
    struct list_head flaws; /* the records of failed frames in blocks that are in use */
    pfn_t compact_from;     /* where compaction goes on; any number (compact.c) */
};

/* Makes an empty zone of sorted @ranges, without a map. */
void space_init(struct space *space, zone_id_t id, const struct range *ranges,
                uint32_t ranges_count);

/* The same of a zone that was another one before, whose lock others may be waiting for. */
void space_reset(struct space *space, zone_id_t id, const struct range *ranges,
                 uint32_t ranges_count);

/* Spare nodes of the map's tree that cutting a block takes at most: @halvings of them. */
static inline uint64_t space_cut_nodes(const struct space *space, order_t halvings)
{
    return block_map_nodes(&space->map, halvings, 0);
}

/* Whether all of @frames frames from @pfn belong to blocks of this zone. */
bool space_manages(const struct space *space, pfn_t pfn, uint64_t frames);

/* Gives the zone a block at boot: @buddy has its pfn, order and acceptance set, and is BUDDY_HELD.
 * Merges as space_free() does. */
void space_add_block(struct space *space, struct buddy *buddy, struct buddy_stash *released);

/* Return: the first block of the smallest order at or above @order that has one, or NULL. */
struct buddy *space_smallest(const struct space *space, unsigned area, order_t order);

/* The same of all accepted blocks that are not CMA's. */
struct buddy *space_smallest_accepted(const struct space *space, order_t order);

/* The accepted block to cut a block of @order and @type from. In turn: the smallest of its own
 * type; for a movable one, the smallest of CMA's; the smallest that is whole pageblocks; and the
 * largest of another type, as Linux steals, so that the rest serves the next ones. */
struct buddy *space_pick(const struct space *space, order_t order, enum migratetype type);

/* The smallest that a block of @type can be cut from, whatever the type of its pageblock: it takes
 * the fewest descriptors. */
struct buddy *space_pick_smallest(const struct space *space, order_t order, enum migratetype type);

/* Free frames that a block of @type can have. */
uint64_t space_free_frames(const struct space *space, enum migratetype type);

/* Pageblocks of all @count ranges, each of which gets the index of its first one in @first. Ranges
 * of one zone that share one get the same index for it. */
uint64_t space_lay_pageblocks(const struct range *ranges, uint32_t count, order_t pageblock_order,
                              uint64_t *first);

/* Takes free @buddy off its list; it is BUDDY_TAKEN from here on, with its word as it was:
 * follow with space_set_word() or space_free(). */
void space_detach(struct space *space, struct buddy *buddy);

/* Halves the detached block of @buddy until a block of @order is left, and frees the other halves.
 * @buddy goes with the upper half of the first halving, as in requirement A4; each further block
 * takes one descriptor of @stash, which must hold order(buddy) - @order. The map has
 * space_cut_nodes() of as many. Return: the descriptor of the lowest part, detached, its word not
 * yet written. */
struct buddy *space_split_detached(struct space *space, struct buddy *buddy, order_t order,
                                   struct buddy_stash *stash);

/* Cuts the detached block of @buddy, accepted and of the type that it is to have, into blocks of
 * @order in use: @parts, by ascending address, the last of them with @buddy itself. @stash must
 * hold a descriptor for each but one, and the map has block_map_nodes() of as many. At most
 * 2^SPACE_EVENLY of them. */
void space_split_evenly(struct space *space, struct buddy *buddy, order_t order,
                        struct buddy_stash *stash, struct buddy **parts);

/* Halves the allocated block of @buddy in the same way, but all parts stay allocated.
 * parts: order(buddy) - @order + 1 entries, filled by ascending address; the last is @buddy. */
void space_split_allocated(struct space *space, struct buddy *buddy, order_t order,
                           struct buddy_stash *stash, struct buddy **parts);

/* Halves the block of @buddy, on no list, until a part of it ends at frame @pfn inside it. All
 * parts have the state that it has, and words that lead to them as blocks in use. @stash must hold
 * a descriptor for each halving, order(@buddy) less the order that @pfn is aligned to, and the map
 * space_cut_nodes() of as many. Source: requirement B6. */
void space_cut_at(struct space *space, struct buddy *buddy, pfn_t pfn, struct buddy_stash *stash);

/* Makes one block of @order of all those from frame @pfn on, which are off their lists
 * (BUDDY_TAKEN), of one kind, and cover it. Descriptors that are left over go to @released. Return:
 * the block, whose word leads to it as one in use. */
struct buddy *space_join(struct space *space, pfn_t pfn, order_t order,
                         struct buddy_stash *released);

/* Frees the block of @buddy and merges it with its free buddies as far as it goes; the descriptors
 * that are left over go to @released. Never allocates, never fails (requirement A3). Of two that
 * merge, the boot descriptor stays, then one that is not in the frame @avoid (an address, or
 * NULL), then the one that was free before: so freeing undoes a split exactly.
 * Return: the descriptor of the merged block. */
struct buddy *space_free(struct space *space, struct buddy *buddy, const void *avoid,
                         struct buddy_stash *released);

/* Takes frame @pfn out of circulation: cuts the free block of @buddy around it, the rest of which
 * stays free. @stash must hold order(buddy), and the map space_cut_nodes() of as many. The frame's
 * own block is BUDDY_POISONED from here on, until space_free() of the descriptor that its word
 * leads to. Source: requirement B3. */
void space_poison_free(struct space *space, struct buddy *buddy, pfn_t pfn,
                       struct buddy_stash *stash);

/* The record of frame @pfn, or NULL. Cost: as the number of records. */
struct poison *space_find_flaw(const struct space *space, pfn_t pfn);

/* Whether there are records of frames from @pfn on, a block of @order. */
bool space_has_flaw(const struct space *space, pfn_t pfn, order_t order);

/* Frees the block of @buddy as space_free() does, but for its frames that have records: these are
 * BUDDY_POISONED from here on. Their records go to @spent, and the descriptors that were not needed
 * to @released. Never allocates, never fails (requirement A3). */
void space_free_flawed(struct space *space, struct buddy *buddy, struct list_head *spent,
                       struct buddy_stash *released);

/* Marks the part of @buddy, out of a block that had records, where some are the part's, and takes
 * the descriptors off them that so small a block does not need. */
void space_settle_flaws(struct space *space, struct buddy *buddy, struct buddy_stash *released);

/* Moves the role of @from, a free or poisoned block's or a slab's descriptor, to @to. Writes the
 * frame word of the first two; the owner of a slab must take note of @to itself. */
void space_replace_buddy(struct space *space, struct buddy *from, struct buddy *to);

/* What space_free() of a block would do, without doing it. */
struct merge_preview {
    pfn_t pfn; /* the merged block */
    order_t order;
    uint64_t in_page; /* merged descriptors that lie in the frame asked about */
    uint64_t outside; /* others: one can stay, the rest is left over */
};

/* Previews the freeing of @buddy, with respect to descriptors in the frame at @page. @other, if
 * not NULL, is an earlier preview, to be taken as a free block: merging with it adds it up, and
 * sets *@joined. */
struct merge_preview space_preview_free(const struct space *space, const struct buddy *buddy,
                                        const void *page, const struct merge_preview *other,
                                        bool *joined);

/* What it would do if the frame of @buddy had a record: nothing merges. */
struct merge_preview space_preview_poison(const struct buddy *buddy, const void *page);

/* Checks I1 to I8, I11 and I16 for this space. Return: whether all hold; if not, @violation says
 * which.
 */
bool space_validate(const struct space *space, struct violation *violation);

/* A hash of all blocks and records, as in potad_state_hash(). Context: as space_validate(). */
uint64_t space_hash(const struct space *space);

#endif
