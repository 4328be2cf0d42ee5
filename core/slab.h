/* SPDX-License-Identifier: MIT
 *
 * slab.h: caches of equal objects over blocks of frames. This layer knows slots, slabs and caches;
 * where a slab's block and its struct slab come from is the business of a slab_source above it.
 *
 * A slab of order 1, 5 objects:
 *
 *   frame n                              frame n + 1
 *  +----------+----------+----------+----+-----+----------+----------+
 *  | object 0 | object 1 | object 2 |  object 3| object 4 |  waste   |
 *  +----------+----------+----------+----+-----+----------+----------+
 *
 * Its struct slab lies elsewhere, in a slab of the cache of struct slabs, and says with one bit a
 * slot which are in use: nothing is stored in a free object. To the slab, what CPUs keep is in use
 * (cpu_objects.h). Only a slab of that cache itself is
 * self-describing (requirement A8): its slot 0 is its own struct slab.
 *
 * Locks: a cache's lock guards its lists, and its slabs but for slab->buddy, which is under the
 * lock of the block's zone. Order: lock_order.h.
 */
#ifndef POTAD_CORE_SLAB_H
#define POTAD_CORE_SLAB_H

#include "core/buddy.h"
#include "core/frame_table.h"
#include "core/invariant.h"
#include "core/port.h"

enum {
    SLAB_OBJECTS_MAX = 512,
    SLAB_STRIDE_MIN = 8,
    SLAB_WORDS = SLAB_OBJECTS_MAX / 64,
    CACHE_NAME_MAX = 24
};

#define SLAB_STRIDE_MAX (FRAME_SIZE << 20)

/* slab->head.flags: on its cache's partial or full list. Set and cleared under the cache's lock. */
#define SLAB_LISTED ((uint32_t)1)

struct kmem_cache;

struct slab {
    struct memdesc head;
    struct list_head list; /* its cache's partial or full list */
    struct kmem_cache *cache;
    struct buddy *buddy; /* handed back when the slab's block is freed (requirement A6) */
    unsigned char *objects;
    uint16_t capacity;
    uint16_t live;             /* slots in use, its own struct slab included */
    uint16_t floor;            /* live when empty: 1 if self-describing */
    uint16_t pinned;           /* hint: a slot that was seen to keep the slab from being retired */
    uint64_t generation;       /* when it was made, counted in slabs of descriptor caches */
    uint64_t used[SLAB_WORDS]; /* bit n: slot n is in use; bits behind capacity are set */
};

_Static_assert(sizeof(struct slab) == 128, "32 struct slabs fit a frame");

/* What one public call of the allocator carries through its nested calls. */
struct alloc_transaction {
    struct buddy_stash pending; /* descriptors let go so far; given back when the call ends */
    uint64_t generation;        /* of descriptor slabs, when the call began */
    uint32_t nodes_short;       /* bit n: a cut in zone n did not happen for want of tree nodes */
    uint32_t fills;             /* how often such nodes were allocated */
    uint32_t drains;            /* how often memory was short, and CPUs' lists had some */
    uint64_t in_hand;           /* potad.in_hand, when the call began */
    uint32_t put_back;          /* how often the call itself has put something back since */
};

struct alloc_context {
    struct alloc_transaction *transaction;
    uint32_t depth; /* calls nested so far (requirement A9) */
    bool nested;    /* inside the growth of the cache of struct buddys */
    bool filling;   /* inside the growth of the cache of tree nodes: uses its reserve */
};

/* Where slabs come from and go to. */
struct slab_source {
    void *context;
    const struct port *port;

    /* The block that frame @pfn, of a slab, lies in. Context: the frame stays in use. */
    struct frame_entry (*find)(void *context, pfn_t pfn);

    /* Makes a slab for @cache: *@slab, which is empty, and which nobody else has seen; or one that
     * is in use and listed already: then *@slab is NULL, and others may have taken, or given back,
     * all of it. Context: no lock is held; may nest. Return: false where there is no memory, with
     * nothing changed. */
    bool (*make)(void *context, struct kmem_cache *cache, struct alloc_context alloc,
                 struct slab **slab);

    /* Takes back the empty and detached @slab; descriptors that are left over go to @released.
     * Context: no lock is held. Never allocates. */
    void (*give_back)(void *context, struct slab *slab, struct buddy_stash *released);
};

/* A link to an object at hand, whose first word is the link to the next one: its address under a
 * mask, so that a word of a user is hardly ever taken for one. Who writes into a free object, or
 * frees it again, is found out by that.
 *
 *  63           48 47                            0
 * +---------------+-------------------------------+
 * | OBJECT_MARK   | address; 0: there is none     |
 * +---------------+-------------------------------+
 */
typedef uint64_t __attribute__((__may_alias__)) object_link_t;

enum { OBJECT_ADDRESS_BITS = 48, OBJECT_MARK = 0x9e37 };

#define OBJECT_NONE ((object_link_t)OBJECT_MARK << OBJECT_ADDRESS_BITS)

/* Objects at hand. */
struct object_chain {
    object_link_t first;
    uint64_t count;
};

#define OBJECT_CHAIN_EMPTY ((struct object_chain){.first = OBJECT_NONE, .count = 0})

struct kmem_cache {
    spinlock_t lock;
    struct list_head partial; /* slabs with free and used slots */
    struct list_head full;
    uint64_t live;  /* objects in use; the struct slab of a self-describing slab is not one */
    uint64_t slabs; /* on both lists */
    const struct slab_source *source;
    enum fault_site site; /* asked before each object; FAULT_SITES: never */
    order_t order;        /* of a slab's block */
    uint64_t size;        /* asked for */
    uint64_t stride;      /* between objects */
    uint64_t inverse;  /* 2^64 / stride, up: for small numbers, a product in place of a quotient */
    uint64_t capacity; /* slots of a slab */
    uint32_t zones;    /* bit n: slabs may lie in zone n; 0: in any that holds metadata */
    uint32_t number;   /* of its magazines in each CPU's; CPU_CACHES: it has none */
    uint32_t magazine; /* objects in one */
    struct list_head caches; /* all caches of the allocator */
    char name[CACHE_NAME_MAX];
};

/* Makes an empty cache of objects of @size bytes (1 to SLAB_STRIDE_MAX) that start at multiples of
 * @align (a power of two up to SLAB_STRIDE_MAX). Return: INVALID where these are out of range. */
enum status kmem_cache_init(struct kmem_cache *cache, const char *name, uint64_t size,
                            uint64_t align, enum fault_site site, const struct slab_source *source)
    __attribute__((warn_unused_result));

/* Takes @count objects, all or none (requirement A4). Context: no lock is held; may make slabs.
 * Return: whether it did; if not, all that was taken is back. */
bool kmem_cache_take(struct kmem_cache *cache, struct alloc_context alloc, uint64_t count,
                     void **objects) __attribute__((warn_unused_result));

/* Puts one object back into its @slab. Context: no lock is held. Never allocates.
 * Return: @slab, if it is empty now: off all lists, for source->give_back(). Else NULL. */
struct slab *kmem_cache_put(struct kmem_cache *cache, struct slab *slab, void *object)
    __attribute__((warn_unused_result));

/* The same of @count @objects of @slab, with the cache's lock held. Return: whether @slab is empty
 * now, and off all lists. */
bool kmem_cache_put_locked(struct kmem_cache *cache, struct slab *slab, void *const *objects,
                           unsigned count) __attribute__((warn_unused_result));

/* Takes one object from the listed slabs, asking no fault. Context: the cache's lock; a slot is
 * free. */
void *kmem_cache_take_locked(struct kmem_cache *cache);

/* Takes up to @count objects from the listed slabs into @chain, asking no fault. Context: no lock
 * is held. Never allocates. */
void kmem_cache_take_chain(struct kmem_cache *cache, uint64_t count, struct object_chain *chain);

/* Puts all objects of @chain back; slabs that are empty now, off all lists, go to @empty, for
 * source->give_back(). Context: no lock of a cache or zone is held. Never allocates. */
void kmem_cache_put_chain(struct kmem_cache *cache, struct object_chain *chain,
                          struct list_head *empty);

/* Whether a listed slab has a free slot. Context: no lock is held; the answer may be old. */
bool kmem_cache_has_free(struct kmem_cache *cache);

/* The slab that @object lies in. Context: @object is in use. */
struct slab *slab_of(const struct slab_source *source, const void *object);

/* Makes @slab an empty slab of @cache over the block at @objects, on no list. */
void slab_init(struct slab *slab, struct kmem_cache *cache, unsigned char *objects);

/* Takes one slot of a slab that is on no list, or whose cache's lock is held, and that has a free
 * one. */
void *slab_take(struct slab *slab);

/* Empties slot of @object. Context: as slab_take(). */
void slab_put(struct slab *slab, const void *object);

/* Puts @slab, which has used slots, on the list that its count asks for. Context: cache's lock. */
void kmem_cache_list(struct kmem_cache *cache, struct slab *slab);

/* Takes @slab off its list for good. Context: the cache's lock. */
void kmem_cache_unlist(struct kmem_cache *cache, struct slab *slab);

/* Whether @object is a slot of @slab, in use. Context: as slab_take(). */
bool slab_uses(const struct slab *slab, const void *object);

/* Makes the slot of @object used, or not, and changes no count: for checks, which undo it. */
void slab_mark(struct slab *slab, const void *object, bool used);

/* Visits the used slots of @slab: the first at or after @slot; capacity, or behind it, where there
 * is none. */
uint64_t slab_next_used(const struct slab *slab, uint64_t slot);

static inline void *slab_slot(const struct slab *slab, uint64_t slot)
{
    return slab->objects + slot * slab->cache->stride;
}

static inline struct slab *slab_of_link(struct list_head *link)
{
    return list_item(link, struct slab, list);
}

static ALWAYS_INLINE object_link_t object_link_to(const void *object)
{
    return (uintptr_t)object ^ OBJECT_NONE;
}

/* NULL where @link is OBJECT_NONE. */
static ALWAYS_INLINE void *object_of_link(object_link_t link)
{
    return (void *)(uintptr_t)(link ^ OBJECT_NONE);
}

/* Where the link of @object is while it is at hand. */
static ALWAYS_INLINE object_link_t *object_next(void *object)
{
    return object;
}

/* Whether the first word of @object is a link, or looks like one. */
static ALWAYS_INLINE bool object_is_linked(const void *object)
{
    return *(const object_link_t *)object >> OBJECT_ADDRESS_BITS == OBJECT_MARK;
}

/* Puts @object in front of the chain that begins with *@first. */
static ALWAYS_INLINE void object_push(object_link_t *first, void *object)
{
    *object_next(object) = *first;
    *first = object_link_to(object);
}

/* Takes the first object of the chain that begins with *@first, not an empty one. */
static ALWAYS_INLINE void *object_pop(object_link_t *first)
{
    void *object = object_of_link(*first);
    ASSERT(object_is_linked(object)); /* somebody has written into a free object else */
    *first = *object_next(object);
    *object_next(object) = 0; /* not to be taken for a link when it comes back */
    return object;
}

static inline void object_chain_push(struct object_chain *chain, void *object)
{
    object_push(&chain->first, object);
    chain->count++;
}

/* Context: @chain is not empty. */
static inline void *object_chain_pop(struct object_chain *chain)
{
    chain->count--;
    return object_pop(&chain->first);
}

/* Checks I9 for this cache. Context: no other thread is inside the allocator. */
bool kmem_cache_validate(const struct kmem_cache *cache, struct violation *violation);

#endif
