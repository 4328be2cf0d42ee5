/* SPDX-License-Identifier: MIT
 *
 * executor_test.c: a small allocator of the test's own under the executor. As it is, it runs clean,
 * with any of its capabilities taken away; then it misbehaves in one way at a time, and the
 * executor must name the check that is violated.
 *
 * Not shown here: forbidden-touch ends the process (the canary shows it), determinism is the
 * replayer's to check, retry the sweep's (sweep_test.c), and executor_range_test.c, _zones_test.c,
 * _compact_test.c and _refs_test.c have those of what they are named after.
 */
#include "fuzzers/test/flaw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SEED = 20230921,
    PROGRAMS = 300,
    PROGRAMS_EACH = 50,
    BYTES_MAX = 2000,
    FRAMES_MAX = 4096,
    SLOTS = 512
};

/* The memory of the programs below: zones a, b, c and d; B: not accepted; c: without metadata; d:
 * not there at first.
 *
 *   3               96              192   198             224             240   247             271
 *   |a a a a a a a a|b b b b b b b b|     |B B B B B B B B|c c c c c c c c|     |d d d d d d d d|
 */
#define MAP                                                                                        \
    "potad-case 2\n"                                                                               \
    "range zone=0 start=3 frames=93\n"                                                             \
    "range zone=1 start=96 frames=96\n"                                                            \
    "range zone=1 start=198 frames=26 unaccepted\n"                                                \
    "range zone=2 start=224 frames=16 class=highmem\n"                                             \
    "range zone=3 start=247 frames=24 later\n"

#define ALLOC(slot, order, zone) "alloc slot=" slot " order=" order " zone=" zone " type=movable\n"
/* What is accepted of zone b. */
#define ALL_OF_B ALLOC("0", "6", "1") ALLOC("1", "5", "1")

#define CONTIG(units) "contig slot=0 zone=1 type=movable units=" units " align=1 frame=0 within=0\n"

#define ADD    "zone-add zone=3\n"
#define REMOVE "zone-remove zone=3\n"

#define CACHE(size, align) "cache-create cache=0 size=" size " align=" align "\n"
#define OBJECT(slot)       "cache-alloc slot=" slot " cache=0\n"
#define RESERVE(count)     "cache-reserve cache=0 count=" count "\n"
#define TAKE               "cache-take slot=0 cache=0\n"

/* X(id, name, check, operation at which it is found, program). Each shows its check; the allocator
 * does the one thing wrong that the comment says. */
#define FLAW_TABLE(X)                                                                              \
    /* overlap: grants the last block again */                                                     \
    X(FLAW_OVERLAP, "block_granted_twice", CHECK_OVERLAP, 1,                                       \
      ALLOC("0", "1", "0") ALLOC("1", "1", "0"))                                                   \
    /* overlap: a block reaches from one zone into the next */                                     \
    X(FLAW_BORDER, "block_over_zone_border", CHECK_OVERLAP, 0, ALLOC("0", "6", "0"))               \
    /* alignment: a block of order 1 starts at an odd frame */                                     \
    X(FLAW_CROOKED, "crooked_block", CHECK_ALIGNMENT, 0, ALLOC("0", "1", "0"))                     \
    /* alignment: a block of another order than was asked for */                                   \
    X(FLAW_LARGER, "larger_block", CHECK_ALIGNMENT, 0, ALLOC("0", "1", "0"))                       \
    /* alignment: an object 8 bytes from where it may start */                                     \
    X(FLAW_CROOKED_OBJECT, "crooked_object", CHECK_ALIGNMENT, 1, CACHE("40", "64") OBJECT("0"))    \
    /* containment: whatever zone is asked for, zone 1 answers */                                  \
    X(FLAW_ZONE, "block_of_other_zone", CHECK_CONTAINMENT, 0, ALLOC("0", "0", "0"))                \
    /* containment: an object's last byte lies in a frame that is not a slab's */                  \
    X(FLAW_OBJECT_OUTSIDE, "object_outside", CHECK_CONTAINMENT, 1, CACHE("4096", "8") OBJECT("0")) \
    /* lookup: frames in the middle of a block lead to a block of one frame */                     \
    X(FLAW_LOOKUP, "wrong_extent", CHECK_LOOKUP, 2,                                                \
      ALLOC("0", "2", "1") "lookup frame=93\nlookup frame=94\n")                                   \
    /* lookup: a hole is taken for memory */                                                       \
    X(FLAW_LOOKUP_HOLE, "hole_found", CHECK_LOOKUP, 0, "lookup frame=190\n")                       \
    /* coalescing: after the first free, the counters know no order above 1 */                     \
    X(FLAW_COALESCING, "buddies_not_merged", CHECK_COALESCING, 1,                                  \
      ALLOC("0", "0", "0") "free slot=0\n")                                                        \
    /* descriptors: one more is in use after the first free */                                     \
    X(FLAW_DESCRIPTORS, "descriptor_leaked", CHECK_DESCRIPTORS, 1,                                 \
      ALLOC("0", "0", "0") "free slot=0\n")                                                        \
    /* metadata-home: a frame of the block just freed for use */                                   \
    X(FLAW_HOME_USED, "metadata_in_allocated_frame", CHECK_METADATA_HOME, 1,                       \
      ALLOC("0", "0", "0") ALLOC("1", "0", "0"))                                                   \
    /* metadata-home: a frame that is not accepted */                                              \
    X(FLAW_HOME_UNACCEPTED, "metadata_in_unaccepted_frame", CHECK_METADATA_HOME, 0,                \
      ALLOC("0", "0", "0"))                                                                        \
    /* metadata-home: a frame of a zone without metadata */                                        \
    X(FLAW_HOME_ZONE, "metadata_in_forbidden_zone", CHECK_METADATA_HOME, 0, ALLOC("0", "0", "0"))  \
    /* metadata-home: gives back a frame that was never metadata */                                \
    X(FLAW_HOME_CONCEAL, "other_frame_concealed", CHECK_METADATA_HOME, 1,                          \
      ALLOC("0", "0", "0") "free slot=0\n")                                                        \
    /* accept: grants memory that is not accepted */                                               \
    X(FLAW_UNACCEPTED, "unaccepted_block_granted", CHECK_ACCEPT, 2, ALL_OF_B ALLOC("2", "3", "1")) \
    /* accept: accepts memory that is accepted */                                                  \
    X(FLAW_ACCEPTED_TWICE, "accepted_twice", CHECK_ACCEPT, 0, ALLOC("0", "0", "0"))                \
    /* free-allocates: a fallible step, frames for metadata, and acceptance, all in a free */      \
    X(FLAW_FREE_STEP, "step_in_free", CHECK_FREE_ALLOCATES, 1,                                     \
      ALLOC("0", "0", "0") "free slot=0\n")                                                        \
    X(FLAW_FREE_EXPOSES, "metadata_in_free", CHECK_FREE_ALLOCATES, 1,                              \
      ALLOC("0", "0", "0") "free slot=0\n")                                                        \
    X(FLAW_FREE_ACCEPTS, "acceptance_in_free", CHECK_FREE_ALLOCATES, 1,                            \
      ALLOC("0", "0", "0") "free slot=0\n")                                                        \
    /* free-allocates: the same of an object */                                                    \
    X(FLAW_OBJECT_FREE_STEP, "step_in_object_free", CHECK_FREE_ALLOCATES, 2,                       \
      CACHE("8", "8") OBJECT("0") "cache-free slot=0\n")                                           \
    /* failure-state: an allocation that fails keeps a frame that it has exposed */                \
    X(FLAW_FAILURE, "failure_keeps_frame", CHECK_FAILURE_STATE, 0,                                 \
      "alloc slot=0 order=0 zone=any type=movable fault=buddy-desc:1:once\n")                      \
    /* failure-state: the same of an object */                                                     \
    X(FLAW_OBJECT_FAILURE, "object_failure_keeps_frame", CHECK_FAILURE_STATE, 1,                   \
      CACHE("8", "8") "cache-alloc slot=0 cache=0 fault=slab-page:1:once\n")                       \
    /* spurious-failure: no block, though there is one */                                          \
    X(FLAW_SPURIOUS, "free_block_refused", CHECK_SPURIOUS, 0, ALLOC("0", "0", "any"))              \
    /* spurious-failure: no object, with half the memory free */                                   \
    X(FLAW_OBJECT_SPURIOUS, "object_refused", CHECK_SPURIOUS, 1, CACHE("8", "8") OBJECT("0"))      \
    /* status: calls a good request invalid, and takes one that is */                              \
    X(FLAW_STATUS, "good_request_invalid", CHECK_STATUS, 0, ALLOC("0", "0", "any"))                \
    X(FLAW_STATUS_TAKEN, "invalid_request_taken", CHECK_STATUS, 0, ALLOC("0", "0", "7"))           \
    /* status: a cache of ordinary objects refused, and one in use destroyed */                    \
    X(FLAW_STATUS_CACHE, "good_cache_invalid", CHECK_STATUS, 0, CACHE("8", "8"))                   \
    X(FLAW_STATUS_DESTROY, "cache_in_use_destroyed", CHECK_STATUS, 2,                              \
      CACHE("8", "8") OBJECT("0") "cache-destroy cache=0\n")                                       \
    /* status: no room to boot in, though there is */                                              \
    X(FLAW_STATUS_BOOT, "boot_refused", CHECK_STATUS, 0, "")                                       \
    /* object-corrupt: an allocation writes into the object before it */                           \
    X(FLAW_OBJECT, "object_overwritten", CHECK_OBJECT, 3,                                          \
      CACHE("40", "8") OBJECT("0") OBJECT("1") "cache-free slot=0\n")                              \
    /* object-corrupt: the same object for two owners */                                           \
    X(FLAW_OBJECT_TWICE, "object_granted_twice", CHECK_OBJECT, 3,                                  \
      CACHE("40", "8") OBJECT("0") OBJECT("1") "cache-free slot=0\n")                              \
    /* object-count: an object that was freed is still counted */                                  \
    X(FLAW_OBJECT_COUNT, "object_counted_for_ever", CHECK_OBJECT_COUNT, 2,                         \
      CACHE("8", "8") OBJECT("0") "cache-free slot=0\n")                                           \
    /* reserve: holds one object less than was asked for, or never ends */                         \
    X(FLAW_RESERVE_SHORT, "reserve_too_small", CHECK_RESERVE, 3,                                   \
      CACHE("8", "8") RESERVE("2") TAKE TAKE)                                                      \
    X(FLAW_RESERVE_ENDLESS, "reserve_without_end", CHECK_RESERVE, 3,                               \
      CACHE("8", "8") RESERVE("1") TAKE TAKE)                                                      \
    /* free-allocates: a fallible step in taking from a reserve, and in giving the rest back */    \
    X(FLAW_RESERVE_STEP, "step_in_reserved_object", CHECK_FREE_ALLOCATES, 2,                       \
      CACHE("8", "8") RESERVE("1") TAKE)                                                           \
    X(FLAW_UNRESERVE_STEP, "step_in_unreserve", CHECK_FREE_ALLOCATES, 2,                           \
      CACHE("8", "8") RESERVE("1") "cache-unreserve cache=0\n")                                    \
    /* failure-state: a reserve that there is no memory for keeps what was found */                \
    X(FLAW_RESERVE_FAILURE, "failed_reserve_keeps_object", CHECK_OBJECT_COUNT, 1,                  \
      CACHE("8", "8") "cache-reserve cache=0 count=3 fault=slab-page:2:once\n")                    \
    /* spurious-failure: nothing can be set aside, with half the memory free */                    \
    X(FLAW_RESERVE_SPURIOUS, "reserve_refused", CHECK_SPURIOUS, 1, CACHE("8", "8") RESERVE("2"))   \
    /* status: a cache goes while objects of it are set aside */                                   \
    X(FLAW_RESERVE_DESTROY, "reserved_cache_destroyed", CHECK_STATUS, 2,                           \
      CACHE("8", "8") RESERVE("1") "cache-destroy cache=0\n")                                      \
    /* owner-told: nobody is told, everybody twice, and of another frame */                        \
    X(FLAW_TOLD_NOBODY, "owner_not_told", CHECK_OWNER_TOLD, 1,                                     \
      ALLOC("0", "1", "0") "memory-failure frame=1\n")                                             \
    X(FLAW_TOLD_TWICE, "owner_told_twice", CHECK_OWNER_TOLD, 1,                                    \
      ALLOC("0", "1", "0") "memory-failure frame=1\n")                                             \
    X(FLAW_TOLD_OTHER, "owner_told_of_other_frame", CHECK_OWNER_TOLD, 1,                           \
      ALLOC("0", "1", "0") "memory-failure frame=1\n")                                             \
    /* owner-told: somebody is told of a free frame */                                             \
    X(FLAW_TOLD_FREE, "owner_told_of_free_frame", CHECK_OWNER_TOLD, 0, "memory-failure frame=9\n") \
    /* coalescing: a poisoned frame comes back when its block is freed */                          \
    X(FLAW_POISON_FREED, "poisoned_frame_freed", CHECK_COALESCING, 2,                              \
      ALLOC("0", "1", "0") "memory-failure frame=1\n"                                              \
                           "free slot=0\n")                                                        \
    /* lookup: the frame beside it is poisoned */                                                  \
    X(FLAW_POISON_BESIDE, "other_frame_poisoned", CHECK_LOOKUP, 0, "memory-failure frame=1\n")     \
    /* status: a frame fails as often as it is said to */                                          \
    X(FLAW_POISON_TWICE, "known_failure_taken", CHECK_STATUS, 1,                                   \
      "memory-failure frame=9\n"                                                                   \
      "memory-failure frame=9\n")                                                                  \
    /* free-allocates: a fallible step where a frame is taken into use again */                    \
    X(FLAW_UNPOISON_STEP, "step_in_unpoison", CHECK_FREE_ALLOCATES, 1,                             \
      "memory-failure frame=9\n"                                                                   \
      "unpoison frame=9\n")                                                                        \
    /* spurious-failure: no memory for a failure, with nearly all memory free */                   \
    X(FLAW_POISON_SPURIOUS, "failure_refused", CHECK_SPURIOUS, 0, "memory-failure frame=9\n")      \
    /* contig: no run, though there is one */                                                      \
    X(FLAW_CONTIG, "run_refused", CHECK_CONTIG, 0, CONTIG("7"))                                    \
    /* migrate: an owner is asked to move, and hears no more */                                    \
    X(FLAW_MIGRATE, "move_forgotten", CHECK_MIGRATE, 1, ALLOC("0", "1", "0") CONTIG("7"))          \
    /* overlap: a run begins a frame too early, in use */                                          \
    X(FLAW_CONTIG_EARLY, "run_too_early", CHECK_OVERLAP, 1, ALLOC("0", "0", "1") CONTIG("7"))      \
    /* coalescing: an added zone has no memory */                                                  \
    X(FLAW_ADD_NOTHING, "added_in_name_only", CHECK_COALESCING, 0, ADD)                            \
    /* lookup: its memory is counted, but not found */                                             \
    X(FLAW_ADD_UNSEEN, "added_but_not_found", CHECK_LOOKUP, 0, ADD)                                \
    /* lookup: memory that has gone is found */                                                    \
    X(FLAW_REMOVE_SEEN, "removed_but_found", CHECK_LOOKUP, 1, ADD REMOVE)                          \
    /* status: memory that is there comes again, or what is in use goes */                         \
    X(FLAW_ADD_TWICE, "added_twice", CHECK_STATUS, 1, ADD ADD)                                     \
    X(FLAW_REMOVE_USED, "removed_while_in_use", CHECK_STATUS, 2, ADD ALLOC("0", "0", "3") REMOVE)  \
    /* status: memory all free, or but for a frame that has failed, is taken to be in use */       \
    X(FLAW_REMOVE_BUSY, "removal_refused", CHECK_STATUS, 1, ADD REMOVE)                            \
    X(FLAW_REMOVE_POISONED, "poisoned_frame_in_use", CHECK_STATUS, 2,                              \
      ADD "memory-failure frame=250\n" REMOVE)                                                     \
    /* status: memory of the boot goes */                                                          \
    X(FLAW_REMOVE_BOOT, "boot_zone_removed", CHECK_STATUS, 0, "zone-remove zone=2\n")              \
    /* failure-state: memory that could not come leaves a frame in use */                          \
    X(FLAW_ADD_FAILURE, "failed_add_keeps_frame", CHECK_FAILURE_STATE, 0,                          \
      "zone-add zone=3 fault=cache-desc:1:once\n")                                                 \
    /* spurious-failure: memory cannot come, with nearly all memory free for what describes it */  \
    X(FLAW_ADD_SPURIOUS, "add_refused", CHECK_SPURIOUS, 0,                                         \
      "range zone=4 start=512 frames=512\n" ADD)                                                   \
    /* free-allocates: a fallible step where memory goes */                                        \
    X(FLAW_REMOVE_STEP, "step_in_removal", CHECK_FREE_ALLOCATES, 1, ADD REMOVE)                    \
    /* not-whole: a frame of metadata is never given back */                                       \
    X(FLAW_WHOLE, "frame_never_given_back", CHECK_WHOLE, 2, ALLOC("0", "0", "0") "free slot=0\n")

enum flaw { FLAW_NONE, FLAW_TABLE(FLAW_ID) FLAWS };

/* The fake allocator: an entry for each frame, and nothing in the frames themselves. An object is
 * a block of its own. */

enum fake_use { FAKE_HOLE, FAKE_FREE, FAKE_BLOCK, FAKE_OBJECT, FAKE_POISONED };

struct fake_frame {
    uint8_t use;
    uint8_t zone;
    bool unaccepted;
    bool failed;         /* in use, or poisoned */
    uint8_t order;       /* of its block, ... */
    uint8_t migratetype; /* ... if allocated */
};

struct fake_cache {
    bool used;
    order_t order; /* of the block of an object */
    uint64_t live;
    uint64_t reserved; /* of these, objects in a reserve */
    uint64_t stuck;    /* FLAW_OBJECT_COUNT has struck */
};

struct fake {
    struct port port;
    struct boot_map map;
    pfn_t start;
    uint64_t count;
    struct fake_frame frames[FRAMES_MAX];
    struct fake_cache caches[CASE_CACHES];
    uint64_t blocks[ZONES_MAX][2][ORDERS];
    uint64_t free_blocks;
    uint64_t live_blocks;
    uint64_t live_objects;
    uint64_t frees;
    pfn_t last_block;  /* granted last */
    pfn_t last_object; /* granted last; 0: none */
    bool kept;         /* FLAW_WHOLE has struck */
    uint64_t poisoned;
    uint32_t zones; /* bit n: zone n is there */
    struct memdesc_ops owners[MEMDESC_TYPES];
};

/* Whether the aligned block lies in one zone, free, and is all accepted or all not. */
static bool fake_is_free(const struct fake *fake, pfn_t pfn, order_t order)
{
    uint64_t count = order_frames(order);
    if (order > 20 || pfn < fake->start || pfn + count > fake->start + fake->count) {
        return false;
    }
    const struct fake_frame *first = &fake->frames[pfn - fake->start];
    for (uint64_t i = 0; i < count; i++) {
        if (first[i].use != FAKE_FREE || first[i].zone != first->zone ||
            first[i].unaccepted != first->unaccepted) {
            return false;
        }
    }
    return true;
}

/* The order of the largest free block around the free frame @pfn. */
static order_t fake_free_order(const struct fake *fake, pfn_t pfn)
{
    order_t order = 0;
    while (fake_is_free(fake, pfn >> (order + 1) << (order + 1), order + 1)) {
        order++;
    }
    return order;
}

/* Counts the free blocks anew. */
static void fake_count(struct fake *fake)
{
    order_t top = flaw_now == FLAW_COALESCING && fake->frees > 0 ? 1 : ORDERS - 1;
    memset(fake->blocks, 0, sizeof(fake->blocks));
    fake->free_blocks = 0;
    uint64_t at = 0;
    while (at < fake->count) {
        const struct fake_frame *frame = &fake->frames[at];
        if (frame->use != FAKE_FREE) {
            at++;
            continue;
        }
        order_t order = fake_free_order(fake, fake->start + at);
        order = order < top ? order : top;
        fake->blocks[frame->zone][frame->unaccepted ? 1 : 0][order]++;
        fake->free_blocks++;
        at += order_frames(order);
    }
}

/* Makes the frames of @range free, or holes. */
static void fake_set_range(struct fake *fake, const struct range *range, enum fake_use use)
{
    struct fake_frame *first = &fake->frames[range->start - fake->start];
    for (uint64_t i = 0; i < range->frames; i++) {
        fake->poisoned -= first[i].use == FAKE_POISONED ? 1 : 0;
        first[i] = (struct fake_frame){
            .use = (uint8_t)use, .zone = (uint8_t)range->zone, .unaccepted = range->unaccepted};
    }
}

static enum status fake_open(void *instance, const struct port *port, const struct boot_map *map)
{
    struct fake *fake = instance;
    const struct range *last = &map->ranges[map->ranges_count - 1];
    fake->port = *port;
    fake->map = *map;
    fake->start = map->ranges[0].start;
    fake->count = last->start + last->frames - fake->start;
    assert_true(fake->count <= FRAMES_MAX);
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        if (!map->zones[range->zone].later) {
            fake_set_range(fake, range, FAKE_FREE);
            fake->zones |= 1U << range->zone;
        }
    }
    fake_count(fake);
    return flaw_now == FLAW_STATUS_BOOT ? STATUS_NO_MEMORY : STATUS_OK;
}

static void fake_close(void *instance)
{
    (void)instance;
}

/* Whether @zone, any number, is there. */
static bool fake_has_zone(const struct fake *fake, zone_id_t zone)
{
    return zone < ZONES_MAX && (fake->zones >> zone & 1) != 0;
}

/* The first free block of @order in one of @zones (a mask), or PFN_NONE. */
static pfn_t fake_find(const struct fake *fake, order_t order, uint32_t zones, bool unaccepted)
{
    pfn_t end = fake->start + fake->count;
    if (order > 20) {
        return PFN_NONE;
    }
    for (pfn_t pfn = fake->start >> order << order; pfn < end; pfn += order_frames(order)) {
        if (fake_is_free(fake, pfn, order)) {
            const struct fake_frame *frame = &fake->frames[pfn - fake->start];
            if ((zones >> frame->zone & 1) != 0 && frame->unaccepted == unaccepted) {
                return pfn;
            }
        }
    }
    return PFN_NONE;
}

static void fake_set(struct fake *fake, pfn_t pfn, order_t order, enum fake_use use)
{
    struct fake_frame *first = &fake->frames[pfn - fake->start];
    for (uint64_t i = 0; i < order_frames(order); i++) {
        bool kept = use == FAKE_FREE && first[i].failed && flaw_now != FLAW_POISON_FREED;
        fake->poisoned += kept ? 1 : 0;
        first[i].use = (uint8_t)(kept ? FAKE_POISONED : use);
        first[i].order = (uint8_t)order;
        first[i].unaccepted = false;
    }
    fake_count(fake);
}

/* Takes a block, accepted if it must be. */
static enum status fake_take(struct fake *fake, order_t order, uint32_t zones, enum fake_use use,
                             pfn_t *pfn)
{
    *pfn = fake_find(fake, order, zones, false);
    if (*pfn == PFN_NONE) {
        *pfn = fake_find(fake, order, zones, true);
        if (*pfn == PFN_NONE) {
            return STATUS_NO_MEMORY;
        }
        bool asked = flaw_now != FLAW_UNACCEPTED;
        if (asked && (fake->port.fault(fake->port.context, FAULT_ACCEPT) ||
                      !fake->port.accept(fake->port.context, *pfn, order_frames(order)))) {
            return STATUS_ACCEPT_FAILED;
        }
    }
    fake_set(fake, *pfn, order, use);
    return STATUS_OK;
}

static void fake_expose(struct fake *fake, pfn_t pfn)
{
    fake->port.expose(fake->port.context, pfn, 1, false);
}

/* Makes a frame metadata, as a slab, and forgets about it. */
static void fake_keep_frame(struct fake *fake)
{
    pfn_t pfn = fake_find(fake, 0, 1, false);
    fake_expose(fake, pfn);
    fake_set(fake, pfn, 0, FAKE_OBJECT);
    fake->live_objects++;
}

/* Flaws of an allocation that are deeds, not answers. Context: a step has been taken. */
static void fake_alloc_misbehave(struct fake *fake)
{
    if (flaw_now == FLAW_HOME_USED && fake->live_blocks > 0) {
        fake_expose(fake, fake->last_block);
    } else if (flaw_now == FLAW_HOME_UNACCEPTED) {
        fake_expose(fake, fake_find(fake, 0, ~0U, true));
    } else if (flaw_now == FLAW_HOME_ZONE) {
        fake_expose(fake, fake_find(fake, 0, 1U << 2, false));
    } else if (flaw_now == FLAW_ACCEPTED_TWICE) {
        fake->port.accept(fake->port.context, fake_find(fake, 0, 1, false), 1);
    } else if (flaw_now == FLAW_WHOLE && !fake->kept) {
        fake_keep_frame(fake);
        fake->kept = true;
    }
}

/* Answers that are wrong, in place of the right one. Return: whether there is one. */
static bool fake_alloc_lie(struct fake *fake, const struct subject_request *request,
                           struct subject_block *block, enum status *status)
{
    *block = (struct subject_block){.pfn = fake->start, .order = request->order};
    *status = STATUS_OK;
    switch (flaw_now) {
    case FLAW_OVERLAP:
        block->pfn = fake->last_block;
        return fake->live_blocks > 0;
    case FLAW_BORDER:
        block->pfn = 64;
        return true;
    case FLAW_CROOKED:
        return true; /* the first frame of MAP is an odd one */
    case FLAW_LARGER:
        block->order++;
        return true;
    case FLAW_STATUS_TAKEN:
        return request->zone != ZONE_ANY && request->zone >= fake->map.zones_count;
    case FLAW_SPURIOUS:
        *status = STATUS_NO_MEMORY;
        return true;
    case FLAW_STATUS:
        *status = STATUS_INVALID;
        return true;
    default:
        return false;
    }
}

static enum status fake_alloc(void *instance, const struct subject_request *request,
                              struct subject_block *block)
{
    struct fake *fake = instance;
    enum status status;
    if (fake_alloc_lie(fake, request, block, &status)) {
        return status;
    }
    bool any = request->zone == ZONE_ANY;
    if (request->order >= ORDERS || (!any && !fake_has_zone(fake, request->zone))) {
        return STATUS_INVALID;
    }
    fake_alloc_misbehave(fake);
    if (fake->port.fault(fake->port.context, FAULT_BUDDY_DESC)) {
        if (flaw_now == FLAW_FAILURE) {
            fake_keep_frame(fake);
        }
        return STATUS_NO_MEMORY;
    }
    uint32_t zones = any ? ~0U : 1U << (flaw_now == FLAW_ZONE ? 1 : request->zone);
    pfn_t pfn;
    status = fake_take(fake, request->order, zones, FAKE_BLOCK, &pfn);
    if (status == STATUS_OK) {
        for (uint64_t i = 0; i < order_frames(request->order); i++) {
            fake->frames[pfn - fake->start + i].migratetype = (uint8_t)request->migratetype;
        }
        fake->live_blocks++;
        fake->last_block = pfn;
        *block = (struct subject_block){.pfn = pfn, .order = request->order};
    }
    return status;
}

/* A run of frames, each a block of its own; or PFN_NONE. */
static pfn_t fake_find_run(const struct fake *fake, const struct contig_request *request)
{
    uint64_t length = 0;
    for (pfn_t pfn = fake->start; pfn < fake->start + fake->count; pfn++) {
        const struct fake_frame *frame = &fake->frames[pfn - fake->start];
        bool zone = request->zone == ZONE_ANY || frame->zone == request->zone;
        bool limits = pfn >= request->low && (request->high == 0 || pfn < request->high);
        bool goes_on = length > 0 && frame->zone == frame[-1].zone;
        bool begins = pfn % order_frames(request->align) == 0;
        bool fits = frame->use == FAKE_FREE && zone && limits;
        length = fits && goes_on ? length + 1 : fits && begins ? 1 : 0;
        if (length == request->units) {
            return pfn + 1 - length;
        }
    }
    return PFN_NONE;
}

static enum status fake_alloc_contig(void *instance, const struct contig_request *request,
                                     struct contig *contig)
{
    struct fake *fake = instance;
    if (request->units == 0 || (request->zone != ZONE_ANY && !fake_has_zone(fake, request->zone))) {
        return STATUS_INVALID;
    }
    pfn_t pfn = fake_find_run(fake, request);
    if (flaw_now == FLAW_MIGRATE) {
        const struct memdesc_ops *ops = &fake->owners[MEMDESC_BUDDY_ALLOCATED];
        struct migration move = {.from = fake->last_block, .to = pfn, .order = 1};
        (void)ops->migrate(ops->context, NULL, &move, MIGRATE_TRY);
    }
    if (pfn == PFN_NONE || flaw_now == FLAW_CONTIG) {
        return STATUS_NO_MEMORY;
    }
    pfn -= flaw_now == FLAW_CONTIG_EARLY ? 1 : 0;
    for (pfn_t at = pfn; at < pfn + request->units; at++) {
        struct fake_frame *frame = &fake->frames[at - fake->start];
        if (frame->unaccepted && (fake->port.fault(fake->port.context, FAULT_ACCEPT) ||
                                  !fake->port.accept(fake->port.context, at, 1))) {
            while (at-- > pfn) {
                fake_set(fake, at, 0, FAKE_FREE);
            }
            return STATUS_ACCEPT_FAILED;
        }
        fake_set(fake, at, 0, FAKE_BLOCK);
        frame->migratetype = (uint8_t)request->migratetype;
    }
    fake->live_blocks += request->units;
    *contig = (struct contig){
        .pfn = pfn,
        .units = request->units,
        .parts = request->units,
        .zone = fake->frames[pfn - fake->start].zone,
    };
    return STATUS_OK;
}

static void fake_free_contig(void *instance, const struct contig *contig)
{
    struct fake *fake = instance;
    fake->live_blocks -= contig->units;
    for (pfn_t pfn = contig->pfn; pfn < contig->pfn + contig->units; pfn++) {
        fake_set(fake, pfn, 0, FAKE_FREE);
    }
}

static void fake_free(void *instance, const struct subject_block *block)
{
    struct fake *fake = instance;
    if (flaw_now == FLAW_FREE_STEP) {
        (void)fake->port.fault(fake->port.context, FAULT_BUDDY_DESC);
    } else if (flaw_now == FLAW_FREE_EXPOSES) {
        fake_expose(fake, fake_find(fake, 0, 1, false));
    } else if (flaw_now == FLAW_FREE_ACCEPTS) {
        (void)fake->port.accept(fake->port.context, fake_find(fake, 0, ~0U, true), 1);
    } else if (flaw_now == FLAW_HOME_CONCEAL) {
        fake->port.conceal(fake->port.context, block->pfn, 1);
    }
    fake->live_blocks--;
    fake->frees++;
    fake_set(fake, block->pfn, block->order, FAKE_FREE);
}

static bool fake_is_flawed(const struct fake *fake, pfn_t pfn, order_t order)
{
    const struct fake_frame *first = &fake->frames[(pfn >> order << order) - fake->start];
    bool flawed = false;
    for (uint64_t i = 0; i < order_frames(order); i++) {
        flawed = flawed || (first[i].failed && first[i].use != FAKE_POISONED);
    }
    return flawed;
}

static bool fake_lookup(void *instance, pfn_t pfn, struct memdesc_info *info)
{
    static const enum memdesc_type types[] = {
        MEMDESC_NONE, MEMDESC_BUDDY_FREE, MEMDESC_BUDDY_ALLOCATED, MEMDESC_SLAB, MEMDESC_POISONED};
    const struct fake *fake = instance;
    bool inside = pfn - fake->start < fake->count;
    const struct fake_frame *frame = inside ? &fake->frames[pfn - fake->start] : NULL;
    bool later = frame != NULL && fake->map.zones[frame->zone].later;
    if (frame == NULL || frame->use == FAKE_HOLE) {
        return flaw_now == FLAW_LOOKUP_HOLE || (flaw_now == FLAW_REMOVE_SEEN && later);
    }
    if (flaw_now == FLAW_ADD_UNSEEN && later) {
        return false;
    }
    order_t order = frame->use == FAKE_FREE ? fake_free_order(fake, pfn) : frame->order;
    order = frame->use == FAKE_POISONED ? 0 : order;
    bool middle = pfn % order_frames(order) != 0 && (pfn + 1) % order_frames(order) != 0;
    order = flaw_now == FLAW_LOOKUP && middle && frame->use == FAKE_BLOCK ? 0 : order;
    *info = (struct memdesc_info){
        .type = types[frame->use],
        .pfn = pfn >> order << order,
        .frames = order_frames(order),
        .zone = frame->zone,
        .migratetype = (enum migratetype)frame->migratetype,
        .unaccepted = frame->unaccepted,
        .flawed = fake_is_flawed(fake, pfn, order),
    };
    return true;
}

static enum status fake_watch(void *instance, enum memdesc_type type, const struct memdesc_ops *ops)
{
    struct fake *fake = instance;
    fake->owners[type] = *ops;
    bool used =
        type == MEMDESC_BUDDY_ALLOCATED || type == MEMDESC_SLAB || memdesc_type_is_owner(type);
    return used ? STATUS_OK : STATUS_INVALID;
}

static void fake_tell(struct fake *fake, const struct fake_frame *frame, pfn_t pfn)
{
    bool object = frame->use == FAKE_OBJECT;
    const struct memdesc_ops *ops = &fake->owners[object ? MEMDESC_SLAB : MEMDESC_BUDDY_ALLOCATED];
    unsigned times = flaw_now == FLAW_TOLD_NOBODY ? 0 : 1;
    times = flaw_now == FLAW_TOLD_TWICE ? 2 : times;
    for (unsigned i = 0; i < times; i++) {
        ops->memory_failure(ops->context, NULL, flaw_now == FLAW_TOLD_OTHER ? pfn + 1 : pfn);
    }
}

static enum status fake_memory_failure(void *instance, pfn_t pfn)
{
    struct fake *fake = instance;
    bool inside = pfn - fake->start < fake->count;
    struct fake_frame *frame = inside ? &fake->frames[pfn - fake->start] : NULL;
    if (frame == NULL || frame->use == FAKE_HOLE) {
        return STATUS_INVALID;
    }
    if (frame->failed) {
        return flaw_now == FLAW_POISON_TWICE ? STATUS_OK : STATUS_EXISTS;
    }
    if (fake->port.fault(fake->port.context, FAULT_POISON_DESC) ||
        flaw_now == FLAW_POISON_SPURIOUS) {
        return STATUS_NO_MEMORY;
    }
    bool free = frame->use == FAKE_FREE;
    frame += flaw_now == FLAW_POISON_BESIDE ? 1 : 0;
    frame->failed = true;
    if (free) {
        frame->use = FAKE_POISONED;
        fake->poisoned++;
        fake_count(fake);
    }
    if (!free || flaw_now == FLAW_TOLD_FREE) {
        fake_tell(fake, frame, pfn);
    }
    return STATUS_OK;
}

static enum status fake_unpoison(void *instance, pfn_t pfn)
{
    struct fake *fake = instance;
    bool inside = pfn - fake->start < fake->count;
    struct fake_frame *frame = inside ? &fake->frames[pfn - fake->start] : NULL;
    if (frame == NULL || !frame->failed) {
        return STATUS_INVALID;
    }
    if (flaw_now == FLAW_UNPOISON_STEP) {
        (void)fake->port.fault(fake->port.context, FAULT_POISON_DESC);
    }
    frame->failed = false;
    if (frame->use == FAKE_POISONED) {
        frame->use = FAKE_FREE;
        fake->poisoned--;
        fake_count(fake);
    }
    return STATUS_OK;
}

static enum status fake_zone_add(void *instance, zone_id_t zone, const struct zone_config *config,
                                 const struct range *ranges, uint32_t count)
{
    struct fake *fake = instance;
    (void)config;
    if (fake_has_zone(fake, zone)) {
        return flaw_now == FLAW_ADD_TWICE ? STATUS_OK : STATUS_EXISTS;
    }
    if (fake->port.fault(fake->port.context, FAULT_CACHE_DESC) || flaw_now == FLAW_ADD_SPURIOUS) {
        if (flaw_now == FLAW_ADD_FAILURE) {
            fake_keep_frame(fake);
        }
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count && flaw_now != FLAW_ADD_NOTHING; i++) {
        fake_set_range(fake, &ranges[i], FAKE_FREE);
    }
    fake->zones |= 1U << zone;
    fake_count(fake);
    return STATUS_OK;
}

/* Whether something of @range is in use. */
static bool fake_uses(const struct fake *fake, const struct range *range)
{
    for (uint64_t i = 0; i < range->frames; i++) {
        unsigned use = fake->frames[range->start - fake->start + i].use;
        bool gone = use == FAKE_POISONED && flaw_now != FLAW_REMOVE_POISONED;
        if (use != FAKE_FREE && !gone) {
            return true;
        }
    }
    return false;
}

static enum status fake_zone_remove(void *instance, zone_id_t zone)
{
    struct fake *fake = instance;
    bool boot = flaw_now != FLAW_REMOVE_BOOT && !fake->map.zones[zone % ZONES_MAX].later;
    if (!fake_has_zone(fake, zone) || boot) {
        return STATUS_INVALID;
    }
    if (flaw_now == FLAW_REMOVE_STEP) {
        (void)fake->port.fault(fake->port.context, FAULT_CACHE_DESC);
    }
    for (uint32_t i = 0; i < fake->map.ranges_count; i++) {
        const struct range *range = &fake->map.ranges[i];
        bool used = flaw_now == FLAW_REMOVE_BUSY || fake_uses(fake, range);
        if (range->zone == zone && used && flaw_now != FLAW_REMOVE_USED) {
            return STATUS_BUSY;
        }
    }
    for (uint32_t i = 0; i < fake->map.ranges_count; i++) {
        if (fake->map.ranges[i].zone == zone) {
            fake_set_range(fake, &fake->map.ranges[i], FAKE_HOLE);
        }
    }
    fake->zones &= ~(1U << zone);
    fake_count(fake);
    return STATUS_OK;
}

static enum status fake_cache_create(void *instance, uint64_t size, uint64_t align, void **cache)
{
    struct fake *fake = instance;
    uint64_t bytes = size > align ? size : align;
    if (size == 0 || align > FRAMES_MAX * FRAME_SIZE || flaw_now == FLAW_STATUS_CACHE) {
        return STATUS_INVALID;
    }
    for (unsigned i = 0; i < CASE_CACHES; i++) {
        if (!fake->caches[i].used) {
            fake->caches[i] = (struct fake_cache){.used = true};
            while (FRAME_SIZE << fake->caches[i].order < bytes) {
                fake->caches[i].order++;
            }
            *cache = &fake->caches[i];
            return STATUS_OK;
        }
    }
    return STATUS_NO_MEMORY;
}

static enum status fake_cache_destroy(void *instance, void *handle)
{
    (void)instance;
    struct fake_cache *cache = handle;
    bool destroys = flaw_now == FLAW_STATUS_DESTROY || flaw_now == FLAW_RESERVE_DESTROY;
    if (cache->live > 0 && !destroys) {
        return STATUS_BUSY;
    }
    cache->used = false;
    return STATUS_OK;
}

static void fake_cache_free(void *instance, void *handle, void *object)
{
    struct fake *fake = instance;
    struct fake_cache *cache = handle;
    pfn_t pfn = (pfn_t)((unsigned char *)object - fake->port.direct_map) >> FRAME_SHIFT;
    if (flaw_now == FLAW_OBJECT_FREE_STEP) {
        (void)fake->port.fault(fake->port.context, FAULT_SLAB_PAGE);
    }
    fake->port.conceal(fake->port.context, pfn, order_frames(cache->order));
    fake_set(fake, pfn, cache->order, FAKE_FREE);
    fake->live_objects--;
    cache->live--;
    cache->stuck += flaw_now == FLAW_OBJECT_COUNT ? 1 : 0;
}

static void *fake_object(struct fake *fake, struct fake_cache *cache)
{
    uint32_t zones = 0;
    pfn_t pfn;
    if (flaw_now == FLAW_OBJECT_TWICE && fake->last_object != 0) {
        cache->live++;
        return fake->port.direct_map + (fake->last_object << FRAME_SHIFT);
    }
    for (zone_id_t zone = 0; zone < fake->map.zones_count; zone++) {
        zones |= zone_holds_metadata(&fake->map.zones[zone]) ? 1U << zone : 0;
    }
    if (fake->port.fault(fake->port.context, FAULT_SLAB_PAGE)) {
        if (flaw_now == FLAW_OBJECT_FAILURE) {
            fake_keep_frame(fake);
        }
        return NULL;
    }
    if (flaw_now == FLAW_OBJECT_SPURIOUS ||
        fake_take(fake, cache->order, zones, FAKE_OBJECT, &pfn) != STATUS_OK) {
        return NULL;
    }
    fake->port.expose(fake->port.context, pfn, order_frames(cache->order), false);
    fake->live_objects++;
    cache->live++;
    unsigned char *object = fake->port.direct_map + (pfn << FRAME_SHIFT);
    if (flaw_now == FLAW_OBJECT && fake->last_object != 0) {
        fake->port.direct_map[fake->last_object << FRAME_SHIFT] ^= 1;
    }
    fake->last_object = pfn;
    bool aside = flaw_now == FLAW_CROOKED_OBJECT || flaw_now == FLAW_OBJECT_OUTSIDE;
    return aside ? object + 8 : object;
}

static enum status fake_cache_alloc(void *instance, void *handle, uint64_t count, void **objects)
{
    for (uint64_t i = 0; i < count; i++) {
        objects[i] = fake_object(instance, handle);
        if (objects[i] == NULL) {
            while (i-- > 0) {
                fake_cache_free(instance, handle, objects[i]);
            }
            return STATUS_NO_MEMORY;
        }
    }
    return STATUS_OK;
}

/* A reserve is a chain of its objects: those are the fake's own until they are taken. */
static enum status fake_cache_reserve(void *instance, void *handle, uint64_t count,
                                      struct kmem_reserve *reserve)
{
    struct fake_cache *cache = handle;
    uint64_t before = cache->reserved;
    uint64_t short_of = flaw_now == FLAW_RESERVE_SHORT ? 1 : 0;
    if (flaw_now == FLAW_RESERVE_SPURIOUS) {
        return STATUS_NO_MEMORY;
    }
    cache->stuck = short_of; /* counted all the same */
    reserve->cache = handle;
    reserve->objects = before == 0 ? OBJECT_CHAIN_EMPTY : reserve->objects;
    while (cache->reserved + short_of < count) {
        void *object = fake_object(instance, cache);
        bool keeps = flaw_now == FLAW_RESERVE_FAILURE && cache->reserved == before + 1;
        if (object != NULL) {
            object_chain_push(&reserve->objects, object);
            cache->reserved++;
            continue;
        }
        while (cache->reserved > before && !keeps) {
            cache->reserved--;
            fake_cache_free(instance, cache, object_chain_pop(&reserve->objects));
        }
        return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static void *fake_cache_take(void *instance, struct kmem_reserve *reserve)
{
    struct fake *fake = instance;
    struct fake_cache *cache = (struct fake_cache *)(void *)reserve->cache;
    if (flaw_now == FLAW_RESERVE_STEP) {
        (void)fake->port.fault(fake->port.context, FAULT_SLAB_PAGE);
    }
    if (cache == NULL || cache->reserved == 0) {
        bool endless = flaw_now == FLAW_RESERVE_ENDLESS && cache != NULL;
        return endless ? fake->port.direct_map + (fake->last_object << FRAME_SHIFT) : NULL;
    }
    cache->reserved--;
    return object_chain_pop(&reserve->objects);
}

static void fake_cache_unreserve(void *instance, struct kmem_reserve *reserve)
{
    struct fake *fake = instance;
    struct fake_cache *cache = (struct fake_cache *)(void *)reserve->cache;
    if (flaw_now == FLAW_UNRESERVE_STEP) {
        (void)fake->port.fault(fake->port.context, FAULT_SLAB_PAGE);
    }
    while (cache != NULL && cache->reserved > 0) {
        fake_cache_free(instance, cache, fake_cache_take(instance, reserve));
    }
    *reserve = (struct kmem_reserve){.cache = NULL};
}

static void fake_cache_stats(void *instance, void *handle, struct subject_cache_stats *stats)
{
    const struct fake_cache *cache = handle;
    (void)instance;
    *stats = (struct subject_cache_stats){.live = cache->live + cache->stuck};
}

static const uint64_t *fake_free_blocks(void *instance, zone_id_t zone, unsigned area)
{
    const struct fake *fake = instance;
    bool used = area == AREA_MOVABLE || area == AREA_UNACCEPTED;
    return used ? fake->blocks[zone][area == AREA_UNACCEPTED ? 1 : 0] : NULL;
}

static void fake_stats(void *instance, struct subject_stats *stats)
{
    const struct fake *fake = instance;
    *stats = (struct subject_stats){
        .descriptors_live =
            fake->free_blocks + fake->live_blocks + fake->live_objects + fake->poisoned,
        .descriptors_spare = UINT32_MAX, /* it needs none */
        .slabs = fake->live_objects,
    };
    if (flaw_now == FLAW_DESCRIPTORS && fake->frees > 0) {
        stats->descriptors_live++;
    }
}

enum {
    FAKE_CAN = SUBJECT_LOOKUP | SUBJECT_CACHE | SUBJECT_UNACCEPTED | SUBJECT_COUNTERS |
               SUBJECT_POISON | SUBJECT_CONTIG | SUBJECT_HOTPLUG | SUBJECT_RESERVE
};

/* The fake allocator with @capabilities out of FAKE_CAN, and no function that it does not claim. */
static struct subject fake_subject(uint32_t capabilities)
{
    bool lookup = (capabilities & SUBJECT_LOOKUP) != 0;
    bool cache = (capabilities & SUBJECT_CACHE) != 0;
    bool counters = (capabilities & SUBJECT_COUNTERS) != 0;
    bool poison = (capabilities & SUBJECT_POISON) != 0;
    bool contig = (capabilities & SUBJECT_CONTIG) != 0;
    bool hotplug = (capabilities & SUBJECT_HOTPLUG) != 0;
    bool reserve = cache && (capabilities & SUBJECT_RESERVE) != 0;
    return (struct subject){
        .version = SUBJECT_VERSION,
        .capabilities = capabilities,
        .name = "fake",
        .summary = "arrays",
        .instance_bytes = sizeof(struct fake),
        .open = fake_open,
        .close = fake_close,
        .alloc = fake_alloc,
        .free = fake_free,
        .lookup = lookup ? fake_lookup : NULL,
        .cache_create = cache ? fake_cache_create : NULL,
        .cache_destroy = cache ? fake_cache_destroy : NULL,
        .cache_alloc = cache ? fake_cache_alloc : NULL,
        .cache_free = cache ? fake_cache_free : NULL,
        .cache_stats = cache && counters ? fake_cache_stats : NULL,
        .cache_reserve = reserve ? fake_cache_reserve : NULL,
        .cache_take = reserve ? fake_cache_take : NULL,
        .cache_unreserve = reserve ? fake_cache_unreserve : NULL,
        .free_blocks = counters ? fake_free_blocks : NULL,
        .stats = counters ? fake_stats : NULL,
        .watch = poison ? fake_watch : NULL,
        .memory_failure = poison ? fake_memory_failure : NULL,
        .unpoison = poison ? fake_unpoison : NULL,
        .alloc_contig = contig ? fake_alloc_contig : NULL,
        .free_contig = contig ? fake_free_contig : NULL,
        .zone_add = hotplug ? fake_zone_add : NULL,
        .zone_remove = hotplug ? fake_zone_remove : NULL,
    };
}

/* Running programs */

/* @seed and @number: of a random program; 0 for others. */
static void assert_clean(struct executor *executor, const struct program *program, unsigned number)
{
    if (!executor_run(executor, program)) {
        executor_print_violation(stderr, executor, program, 4);
        fail_msg("seed %d, program %u, capabilities %#x: %s", SEED, number,
                 executor->harness.subject->capabilities, executor->harness.report.detail);
    }
}

static struct flaw_case flaw_cases[FLAWS] = {FLAW_TABLE(FLAW_CASE)};

static void executor_run_finds_flaw(void **state)
{
    struct subject subject = fake_subject(FAKE_CAN);
    flaw_assert_found(&subject, *state);
}

static void executor_run_finds_every_check(void **state)
{
    (void)state;
    for (unsigned check = 0; check < CHECKS; check++) {
        bool shown = check == CHECK_FORBIDDEN_TOUCH || check == CHECK_DETERMINISM ||
                     check == CHECK_RETRY ||
                     (check >= CHECK_ZONE_ORDER && check <= CHECK_MIGRATETYPE) ||
                     (check >= CHECK_REFERENCE && check <= CHECK_COMPACT) ||
                     (check >= CHECK_RANGE_LOOKUP && check <= CHECK_RANGE_PREPARED);
        for (unsigned flaw = FLAW_NONE + 1; flaw < FLAWS; flaw++) {
            shown = shown || flaw_cases[flaw].check == check;
        }
        if (!shown) {
            fail_msg("no test shows %s", check_name((enum check)check));
        }
    }
}

/* splitmix64 */
static uint64_t random_state;

static uint8_t random_byte(void)
{
    random_state += 0x9e3779b97f4a7c15U;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return (uint8_t)((z ^ z >> 31) >> 56);
}

/* The program that a fuzz target makes of random bytes. */
static void random_program(struct program *program, const struct case_limits *limits)
{
    uint8_t data[BYTES_MAX];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = random_byte();
    }
    case_decode_any(program, data, sizeof(data), limits);
}

/* Random programs with all operations, on every choice of capabilities that has @fixed. */
static void assert_partial_clean(uint32_t fixed, bool unaccepted)
{
    struct program program;
    program_init(&program);
    random_state = SEED;
    for (uint32_t capabilities = 0; capabilities <= FAKE_CAN; capabilities++) {
        bool reserves = (capabilities & SUBJECT_RESERVE) != 0;
        if ((capabilities & ~(uint32_t)FAKE_CAN) != 0 ||
            (capabilities & SUBJECT_UNACCEPTED) != fixed ||
            (reserves && (capabilities & SUBJECT_CACHE) == 0)) {
            continue;
        }
        struct subject subject = fake_subject(capabilities);
        struct executor executor;
        executor_init(&executor, &subject, SLOTS);
        executor.validate_period = 1;
        for (unsigned i = 0; i < PROGRAMS_EACH; i++) {
            random_program(&program, i % 2 == 0 ? &case_limits_page : &case_limits_slab);
            for (uint32_t range = 0; range < program.map.ranges_count; range++) {
                program.map.ranges[range].unaccepted &= unaccepted;
            }
            for (uint32_t op = 0; op < program.ops_count; op++) {
                program.ops[op].count %= HARNESS_BULK_MAX; /* of objects with a block each */
            }
            assert_clean(&executor, &program, i);
        }
        executor_close(&executor);
    }
    program_free(&program);
}

static void executor_run_takes_partial_allocators(void **state)
{
    (void)state;
    assert_partial_clean(SUBJECT_UNACCEPTED, true);
    assert_partial_clean(0, false);
}

/* An allocator that knows nothing of acceptance is not shown any: a map with unaccepted ranges is
 * for it one without. */
static void executor_run_takes_allocator_without_acceptance(void **state)
{
    (void)state;
    struct subject subject = fake_subject(0);
    struct executor executor;
    struct program program;
    program_init(&program);
    flaw_parse(&program, MAP ALL_OF_B ALLOC("2", "3", "1") "free slot=2\n");
    executor_init(&executor, &subject, SLOTS);
    /* It grants such memory without asking anybody. */
    flaw_now = FLAW_UNACCEPTED;
    bool clean = executor_run(&executor, &program);
    flaw_now = FLAW_NONE;
    assert_true(clean);
    executor_close(&executor);
    program_free(&program);
}

/* Every fault at every step of every operation, in turn: none makes a good allocator look bad. */
static void executor_run_sweeps_faults(void **state)
{
    enum { NTH_TRIED = 8, FAULTS = (int)FAULT_SITES * (int)FAULT_MODES * NTH_TRIED };
    (void)state;
    struct subject subject = fake_subject(FAKE_CAN);
    struct executor executor;
    struct program program;
    program_init(&program);
    flaw_parse(&program,
               MAP ALL_OF_B ALLOC("2", "3", "1")
                   CACHE("5000", "8") "cache-bulk slot=0 cache=0 count=5\ncache-free slot=2\n"
                                      "memory-failure frame=96\nfree slot=0\nunpoison frame=96\n"
                                      "zone-add zone=3\n" ALLOC("3", "2", "3") REMOVE
               "memory-failure frame=250\nfree slot=3\n" REMOVE);
    executor_init(&executor, &subject, SLOTS);
    for (uint32_t op = 0; op < program.ops_count; op++) {
        struct case_op clean = program.ops[op];
        for (unsigned i = 0; i < FAULTS; i++) {
            program.ops[op].site = (uint8_t)(i % FAULT_SITES);
            program.ops[op].mode = i / FAULT_SITES % FAULT_MODES & CASE_HALF_MASK;
            program.ops[op].nth = (uint8_t)(1 + i / FAULT_SITES / FAULT_MODES);
            assert_clean(&executor, &program, i);
        }
        program.ops[op] = clean;
    }
    executor_close(&executor);
    program_free(&program);
}

/* A map too small for the allocator's metadata is no violation, but nothing runs on it; the fake
 * one needs none, and runs. */
static void executor_run_takes_one_frame(void **state)
{
    (void)state;
    struct subject subject = fake_subject(FAKE_CAN);
    struct executor executor;
    struct program program;
    program_init(&program);
    flaw_parse(&program, "potad-case 2\nrange zone=0 start=7 frames=1\n" ALLOC("0", "0", "any")
                             ALLOC("1", "0", "any") "free slot=0\n");
    executor_init(&executor, &subject, SLOTS);
    assert_clean(&executor, &program, 0);
    assert_int_equal(executor.harness.operations, 4); /* and the shrink of the teardown */
    executor_close(&executor);
    program_free(&program);
}

/* Who has no threads runs all operations as they stand: the one state is the other. */
static void executor_run_ignores_threads(void **state)
{
    (void)state;
    struct executor executor;
    struct program program;
    program_init(&program);
    executor_init(&executor, flaw_core(), SLOTS);
    random_state = SEED;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        random_program(&program, &case_limits_schedule);
        bool named = program_threads(&program) > 0;
        assert_clean(&executor, &program, i);
        uint64_t hash = executor.state_hash;
        for (uint32_t op = 0; op < program.ops_count; op++) {
            program.ops[op].thread = 0;
        }
        assert_clean(&executor, &program, i);
        assert_true(named);
        assert_int_equal(executor.state_hash, hash);
    }
    executor_close(&executor);
    program_free(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLAW_TABLE(FLAW_TEST) cmocka_unit_test(executor_run_takes_partial_allocators),
        cmocka_unit_test(executor_run_takes_allocator_without_acceptance),
        cmocka_unit_test(executor_run_sweeps_faults),
        cmocka_unit_test(executor_run_takes_one_frame),
        cmocka_unit_test(executor_run_ignores_threads),
        cmocka_unit_test(executor_run_finds_every_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
