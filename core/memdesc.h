/* SPDX-License-Identifier: MIT
 *
 * memdesc.h: the one word a frame costs (requirement A1), and the head that all descriptors share.
 *
 *  63                                   5 4        0
 * +--------------------------------------+----------+
 * | descriptor address, 32-byte aligned  | type id  |     0: no block starts at this frame
 * +--------------------------------------+----------+
 */
#ifndef POTAD_CORE_MEMDESC_H
#define POTAD_CORE_MEMDESC_H

#include "core/check.h"
#include "core/sync.h"
#include "core/types.h"

/* X(id, name). FOLIO to VMALLOC, and types from MEMDESC_USER on, mean the same to the core: an
 * owner. Which owner is for the users to say. */
#define MEMDESC_TABLE(X)                                                                           \
    X(MEMDESC_NONE, "none")                                                                        \
    X(MEMDESC_BUDDY_FREE, "free")                                                                  \
    X(MEMDESC_BUDDY_ALLOCATED, "allocated")                                                        \
    X(MEMDESC_RESERVED, "reserved") /* the boot metadata */                                        \
    X(MEMDESC_SLAB, "slab")                                                                        \
    X(MEMDESC_FOLIO, "folio")                                                                      \
    X(MEMDESC_ANONMEM, "anonmem")                                                                  \
    X(MEMDESC_FILEMEM, "filemem")                                                                  \
    X(MEMDESC_PGTABLE, "pgtable")                                                                  \
    X(MEMDESC_VMALLOC, "vmalloc")                                                                  \
    X(MEMDESC_POISONED, "poisoned") /* one failed frame, out of circulation */

enum memdesc_type {
#define X(id, name) id,
    MEMDESC_TABLE(X)
#undef X
        MEMDESC_USER = 16,
    MEMDESC_TYPES = 32
};

enum { MEMDESC_TYPE_BITS = 5, MEMDESC_ALIGN = 1 << MEMDESC_TYPE_BITS };

/* What becomes of a block's content when its memory is wanted: the kernel's migrate types. */
enum migratetype {
    MIGRATE_UNMOVABLE,
    MIGRATE_MOVABLE,
    MIGRATE_RECLAIMABLE,
    MIGRATETYPES,               /* of requests */
    MIGRATE_CMA = MIGRATETYPES, /* of free blocks that only movable ones may have */
    MIGRATE_ISOLATED            /* of blocks that a run or a window has off their lists */
};

/* The common head of every descriptor (requirements A10, D1). The allocator fills it in when the
 * descriptor is put on a block; all fields but flags are under the lock of the block's zone.
 *
 * flags:
 *   31       30                         9 8                  0
 *  +--------+----------------------------+--------------------+
 *  | locked |  references                |  the type's own    |
 *  +--------+----------------------------+--------------------+
 *
 * Owners' descriptors have references, the first of them the owner's own, and all change flags in
 * one step. The allocator's own descriptors (struct buddy, struct slab) have none, ever: they are
 * frozen; their flags are written under the lock of the block's zone or the slab's cache, and may
 * be peeked at without it. */
struct memdesc {
    atomic_flags_t flags;
    uint8_t order;
    uint8_t zone;
    uint8_t migratetype; /* of a free block: that of its pageblock */
    bool flawed; /* frames of the block have failed while it was in use: there are records */
};

/* Of memdesc.flags. */
#define MEMDESC_REF      ((uint32_t)1 << 9)
#define MEMDESC_LOCKED   ((uint32_t)1 << 31)
#define MEMDESC_REFS     (MEMDESC_LOCKED - MEMDESC_REF) /* the bits of the count */
#define MEMDESC_REFS_MAX ((MEMDESC_LOCKED - 1) / MEMDESC_REF)

_Static_assert(sizeof(struct memdesc) == 8, "the head shares its first line with list links");

/* A tagged descriptor address. */
typedef uint64_t memdesc_t;

static inline memdesc_t memdesc_make(const void *descriptor, enum memdesc_type type)
{
    uint64_t address = (uint64_t)(uintptr_t)descriptor;
    ASSERT((address & (MEMDESC_ALIGN - 1)) == 0);
    return address | (uint64_t)type;
}

static inline enum memdesc_type memdesc_type(memdesc_t word)
{
    return (enum memdesc_type)(word & (MEMDESC_ALIGN - 1));
}

/* Whether the descriptor under @type is a struct buddy. */
static inline bool memdesc_type_is_buddy(enum memdesc_type type)
{
    return type == MEMDESC_BUDDY_FREE || type == MEMDESC_BUDDY_ALLOCATED ||
           type == MEMDESC_POISONED;
}

/* Whether @type is one that owners put on their blocks (requirement A6). */
static inline bool memdesc_type_is_owner(enum memdesc_type type)
{
    return (type >= MEMDESC_FOLIO && type <= MEMDESC_VMALLOC) ||
           (type >= MEMDESC_USER && type < MEMDESC_TYPES);
}

static inline struct memdesc *memdesc_head(memdesc_t word)
{
    return (struct memdesc *)(uintptr_t)(word & ~(uint64_t)(MEMDESC_ALIGN - 1));
}

#endif
