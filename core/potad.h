/* SPDX-License-Identifier: MIT
 *
 * potad.h: the allocator as its users see it. Everything hangs on a struct potad, whose memory the
 * user provides; its fields are for the core.
 *
 * Context of every function, unless it says otherwise: any thread, no lock of the core held; may
 * spin. Functions that allocate may nest (requirement A9), at most to CHAIN_DEPTH_MAX.
 */
#ifndef POTAD_CORE_POTAD_H
#define POTAD_CORE_POTAD_H

#include "core/boot_map.h"
#include "core/port.h"
#include "core/slab.h"
#include "core/zone.h"

enum {
    /* The longest chain of nested calls below one allocation; see slab_page.c. */
    CHAIN_DEPTH_MAX = 14
};

struct potad {
    struct port port;
    struct frame_table table;
    struct range ranges[RANGES_MAX];
    uint32_t ranges_count;
    struct zone zones[ZONES_MAX];
    uint32_t zones_count;
    struct slab_source source;
    struct kmem_cache cache_buddy; /* kmem_cache_buddy of the mail */
    struct kmem_cache cache_slab;  /* kmem_cache_slab */
    struct kmem_cache cache_cache; /* of the kmem_caches that users create */
    spinlock_t caches_lock;
    struct list_head caches;        /* all of them */
    struct buddy_stash boot_spare;  /* boot descriptors not in use; lock of cache_buddy */
    atomic_word_t boot_buddies;     /* boot descriptors in use */
    atomic_word_t slab_generation;  /* slabs of descriptor caches made so far */
    atomic_word_t chain_depth_seen; /* the deepest __alloc_slab() so far */
};

/* Boots @potad on the memory of @map. The frame table and the first descriptors are carved from
 * the end of the first accepted range that may hold them.
 * Return: INVALID where ranges or zones are not as boot_map.h says, NO_MEMORY where no range that
 * may hold metadata, accepted, has room for the table.
 * Source: requirements A1, E3. */
enum status potad_boot(struct potad *potad, const struct port *port, const struct boot_map *map)
    __attribute__((warn_unused_result));

struct page_request {
    order_t order;  /* below ORDERS */
    zone_id_t zone; /* or ZONE_ANY: the last zone first */
    enum migratetype migratetype;
};

/* Allocates a block of 2^order frames, aligned to its size and accepted; its own struct buddy
 * describes it.
 * Return: OK and *@buddy, or with nothing changed: NO_MEMORY, ACCEPT_FAILED, INVALID. */
enum status alloc_pages(struct potad *potad, const struct page_request *request,
                        struct buddy **buddy) __attribute__((warn_unused_result));

/* The same, but every frame of the block leads to the caller's @descriptor, which starts with a
 * struct memdesc (filled in here), is MEMDESC_ALIGN-aligned and outlives the allocation. The
 * caller keeps *@buddy for free_pages(). @type: MEMDESC_FOLIO or above.
 * Source: requirement A6. */
enum status alloc_pages_desc(struct potad *potad, const struct page_request *request,
                             struct memdesc *descriptor, enum memdesc_type type,
                             struct buddy **buddy) __attribute__((warn_unused_result));

/* Frees the block that @buddy describes. Never fails, never allocates (requirement A3). */
void free_pages(struct potad *potad, struct buddy *buddy);

/* Splits an allocated block into order(@buddy) - @order + 1 allocated blocks: two of @order and
 * one of each order between, by ascending address and size (the arithmetic of requirement A4).
 * parts: as many entries; the last is @buddy itself. A block with a descriptor of the caller's own
 * is not split. Return: OK, or with nothing changed: NO_MEMORY, INVALID. */
enum status split_pages(struct potad *potad, struct buddy *buddy, order_t order,
                        struct buddy **parts) __attribute__((warn_unused_result));

/* What a frame belongs to. */
struct memdesc_info {
    enum memdesc_type type;
    pfn_t pfn; /* the extent */
    uint64_t frames;
    zone_id_t zone;
    enum migratetype migratetype;
    bool unaccepted;
    const struct memdesc *descriptor; /* NULL for boot metadata */
};

/* Finds the descriptor of the frame @pfn, any number. Context: takes the zone's lock; what it
 * answers may change as soon as it has. Return: false where no memory is at @pfn.
 * Source: requirements A5, A10, F4. */
bool memdesc_lookup(struct potad *potad, pfn_t pfn, struct memdesc_info *info);

/* Creates a cache of objects of @size bytes (1 to SLAB_STRIDE_MAX) whose physical addresses are
 * multiples of @align (a power of two up to SLAB_STRIDE_MAX). Return: OK and *@cache; INVALID for
 * a size or alignment out of range, NO_MEMORY. */
enum status kmem_cache_create(struct potad *potad, const char *name, uint64_t size, uint64_t align,
                              struct kmem_cache **cache) __attribute__((warn_unused_result));

/* The same, with @site asked before each object. */
enum status kmem_cache_create_site(struct potad *potad, const char *name, uint64_t size,
                                   uint64_t align, enum fault_site site, struct kmem_cache **cache)
    __attribute__((warn_unused_result));

/* Destroys a cache without objects, that no other thread allocates from or frees to meanwhile.
 * Return: OK, or BUSY while objects are in use. */
enum status kmem_cache_destroy(struct potad *potad, struct kmem_cache *cache)
    __attribute__((warn_unused_result));

/* Allocates one object. Return: OK and *@object, or NO_MEMORY with nothing changed. */
enum status kmem_cache_alloc(struct potad *potad, struct kmem_cache *cache, void **object)
    __attribute__((warn_unused_result));

/* Allocates @count objects, all or none. Return: OK, or NO_MEMORY with nothing changed. */
enum status kmem_cache_alloc_bulk(struct potad *potad, struct kmem_cache *cache, uint64_t count,
                                  void **objects) __attribute__((warn_unused_result));

/* Frees one object. Never fails, never allocates. */
void kmem_cache_free(struct potad *potad, struct kmem_cache *cache, void *object);

/* Gives back every slab of struct buddys that the allocator can do without. Frees do this for the
 * slabs they touch; here all are looked at. */
void potad_shrink(struct potad *potad);

/* Checks I1 to I10. Context: no other thread is inside the allocator. Return: whether all hold;
 * if not, @violation says which does not. */
bool potad_validate(struct potad *potad, struct violation *violation);

/* A hash of all blocks (place, extent, state, type, acceptance) and of all caches' objects in
 * number, the same for the same state however it was reached: descriptors' own places are not in
 * it. Context: no other thread is inside the allocator. Cost: as the number of blocks, and of
 * frames that are no block's. */
uint64_t potad_state_hash(struct potad *potad);

#endif
