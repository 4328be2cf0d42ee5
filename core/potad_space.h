/* SPDX-License-Identifier: MIT
 *
 * potad_space.h: spaces of anything: power-of-two pieces with descriptors out of units that need
 * not be memory (requirements B2, B4, B5): slots of a swap file, VRAM, buffers inside pages.
 *
 *   unit      0     1     2     3     4     5     6     7     8
 *          +-----+-----+-----+-----+-----+-----+-----+-----+- - -
 *          |  range 0        | hole|        range 1               units of 2^unit_shift bytes
 *          +-----+-----+-----+-----+-----+-----+-----+-----+- - -
 *          base  ^ unit 1 is at base + 2^unit_shift
 *
 * A space is the buddy system that zones of memory are (space.h), with what a zone has from its
 * allocator chosen by the user: the descriptors, which start with a struct buddy (its head is the
 * common one) and whose other bytes are the user's while the block is; the map from units to
 * blocks; and the zones of memory that all this may live in. What the units are is nobody's
 * business here: nothing at their addresses is ever touched.
 *
 * Each block has a descriptor of the user's size, a free one too: that is what makes freeing and
 * merging need no memory (requirement A3). It costs little, as there are at most as many free
 * blocks as allocated ones and the borders of ranges ask for.
 *
 * Growth is no recursion: descriptors and nodes come from ordinary slabs of memory zones.
 *
 * Context of every function, unless it says otherwise: any thread, no lock of the core held.
 */
#ifndef POTAD_CORE_POTAD_SPACE_H
#define POTAD_CORE_POTAD_SPACE_H

#include "core/potad.h"

enum {
    UNIT_SHIFT_MIN = 9, /* 512 bytes */
    UNIT_SHIFT_MAX = 63
};

/* Units that exist. */
struct unit_range {
    pfn_t start;
    uint64_t units;
};

struct potad_space_config {
    uint64_t base;                   /* address of unit 0, a multiple of the unit's size */
    uint32_t unit_shift;             /* log2 of a unit's bytes, UNIT_SHIFT_MIN to UNIT_SHIFT_MAX */
    enum block_map_kind map;         /* from units to blocks; a table costs a word a unit */
    const struct unit_range *ranges; /* ascending, not empty; they may touch; copied */
    uint32_t ranges_count;           /* 1 to RANGES_MAX */
    uint32_t homes; /* bit n: metadata may lie in zone n; 0: in any that may hold it */
    struct kmem_cache *descriptors; /* outlives the space, and others may use it, too; or NULL: */
    uint64_t descriptor_bytes;      /* the space makes one of its own, of so large objects */
};

/* A space. The user provides the memory; the fields are for the core. */
struct potad_space {
    struct space space;
    struct frame_table table;
    struct range ranges[RANGES_MAX];
    uint64_t base;
    uint32_t unit_shift;
    struct kmem_cache *descriptors;
    struct kmem_cache *own_descriptors; /* the same, or NULL: it is the user's */
    struct kmem_cache *nodes;           /* of the tree, or NULL */
    struct kmem_cache *tables;          /* whose only object is the table, or NULL */
};

/* What a unit belongs to. */
struct potad_space_info {
    pfn_t unit; /* the block's first */
    order_t order;
    bool is_free;
    const struct buddy *descriptor;
};

/* Makes @space, all of it free. Return: OK, or with nothing changed: NO_MEMORY; INVALID where
 * @config is not as it says: a range is empty, does not begin behind the last one, or has the unit
 * 2^64 - 1; a descriptor is smaller than a struct buddy or not MEMDESC_ALIGN-aligned; a home may
 * not hold metadata; or a table would need more than SLAB_STRIDE_MAX bytes. Source: requirement B4.
 */
enum status potad_space_add(struct potad *potad, struct potad_space *space,
                            const struct potad_space_config *config)
    __attribute__((warn_unused_result));

/* Ends @space, which no other thread uses any more, and gives all its memory back. Never allocates.
 * Return: OK, or with nothing changed: BUSY while a block is allocated. */
enum status potad_space_remove(struct potad *potad, struct potad_space *space)
    __attribute__((warn_unused_result));

/* Allocates a block of 2^order units, aligned to its size as units are counted. *@descriptor is
 * what describes it: from the end of struct buddy on it is the caller's, with nothing in particular
 * in it. Return: OK, or with nothing changed: NO_MEMORY, where there is no such block or no memory
 * for descriptors; INVALID for an order of ORDERS or more. Source: requirements A3, B5. */
enum status potad_space_alloc(struct potad *potad, struct potad_space *space, order_t order,
                              struct buddy **descriptor) __attribute__((warn_unused_result));

/* Frees the block that @descriptor describes. Never fails, never allocates (requirement A3). */
void potad_space_free(struct potad *potad, struct potad_space *space, struct buddy *descriptor);

/* Splits an allocated block as split_pages() does; the last of the @parts keeps @descriptor.
 * Return: OK, or with nothing changed: NO_MEMORY; INVALID where @order is not below the block's.
 * Source: requirement A4. */
enum status potad_space_split(struct potad *potad, struct potad_space *space,
                              struct buddy *descriptor, order_t order, struct buddy **parts)
    __attribute__((warn_unused_result));

/* Units in a row. */
struct unit_run {
    pfn_t unit;
    uint64_t units;
    uint64_t parts; /* blocks that it is made of */
};

struct unit_run_request {
    uint64_t units; /* more than 0 */
    order_t align;  /* the run starts at a multiple of 2^align units; below ORDERS */
    pfn_t low;      /* the run lies in [low, high); high 0: no limit */
    pfn_t high;
};

/* Allocates units in a row, any number of them, wherever they are free: alloc_contig() for spaces;
 * contig_find() states the cost. Each part is a block with a descriptor of its own, to be freed
 * with the others only. Return: OK and *@run, or with nothing changed: NO_MEMORY, where no such run
 * is free or there is no memory for descriptors; INVALID. Source: requirement B6. */
enum status potad_space_alloc_run(struct potad *potad, struct potad_space *space,
                                  const struct unit_run_request *request, struct unit_run *run)
    __attribute__((warn_unused_result));

/* Frees all of @run. Never fails, never allocates (requirement A3). */
void potad_space_free_run(struct potad *potad, struct potad_space *space,
                          const struct unit_run *run);

/* Finds the block that @unit, any number, is in. Context: takes the space's lock; what it answers
 * may change as soon as it has. Return: false where there is no such unit. */
bool potad_space_lookup(struct potad_space *space, pfn_t unit, struct potad_space_info *info);

/* The address of @unit. Return: false where it is 2^64 or more: such units have a number only. */
bool potad_space_address(const struct potad_space *space, pfn_t unit, uint64_t *address);

/* The unit that @address lies in. Return: false below the base; whether the unit exists, lookup
 * says. */
bool potad_space_unit(const struct potad_space *space, uint64_t address, pfn_t *unit);

/* Checks all invariants of the space. Context: no other thread is inside. Return: whether all hold;
 * if not, @violation says which does not. */
bool potad_space_validate(const struct potad_space *space, struct violation *violation);

/* A hash of all its blocks (place, extent, state). Context: no other thread is inside. */
uint64_t potad_space_state_hash(const struct potad_space *space);

#endif
