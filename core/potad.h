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
#include "core/space.h"

enum {
    /* The longest chain of nested calls below one allocation; see slab_page.c. */
    CHAIN_DEPTH_MAX = 14
};

/* A block that is to move. */
struct migration {
    pfn_t from;
    pfn_t to;
    order_t order;
    struct buddy *buddy; /* what alloc_pages() or alloc_pages_desc() answered for the block */
};

/* The steps of a move. TRY: the owner may refuse. One that agrees has copied the content, and from
 * here on neither frees nor splits nor writes the block, until one of the others follows, just
 * once. COMMIT: the block is at its new place; CANCEL: it stays. These two cannot be refused. */
enum migrate_stage { MIGRATE_TRY, MIGRATE_COMMIT, MIGRATE_CANCEL };

/* What the owners of one type of descriptor want to be told. */
struct memdesc_ops {
    /* The last reference to @descriptor is gone: the owner frees the block, and then ends the
     * descriptor, as memdesc_tryget() says. NULL: nobody but the owner gets references to
     * descriptors of this type. Context: no lock of the core is held; may call into the allocator.
     * Source: requirement D2. */
    void (*release)(void *context, struct memdesc *descriptor);

    /* Frame @pfn of the block of @descriptor has failed; the block is kept from now on only until
     * it is freed. Context: no lock of the core is held; may call into the allocator, and free the
     * block. Another thread may be freeing it already: the owner knows whether it lives. */
    void (*memory_failure)(void *context, struct memdesc *descriptor, pfn_t pfn);

    /* The block of @descriptor is asked to move: alloc_contig() wants its frames, or compaction.
     * NULL: blocks of this type do not move. @descriptor and @move->buddy describe the block as
     * before, wherever it is: only its place changes. Where @descriptor is the owner's own, only
     * the owner knows the struct buddy, and fills in @move->buddy when it agrees (requirement A6).
     * Context: no lock of the core is held; must not allocate or free. The block may have been
     * freed already, as with memory_failure(), and another one allocated under @descriptor: the
     * owner refuses unless its block is of @move->order at @move->from. If that is not the one that
     * was seen, or not movable, it hears CANCEL next, and @move->buddy may be no more. A block
     * moves to zones of no higher class, also one that was asked for in a certain zone. Return: for
     * MIGRATE_TRY, whether it agrees. Source: requirements B6, D3. */
    bool (*migrate)(void *context, struct memdesc *descriptor, struct migration *move,
                    enum migrate_stage stage);
    void *context;
};

/* What calls look at of all zones before they lock one: each a word, so that zones can come and go
 * meanwhile (zonelist.c). */
struct zone_index {
    atomic_word_t lists[NODES_MAX]; /* a byte a zone, in the order that a node tries them */
    atomic_word_t classes; /* a byte a class: its zones as bits; then ZONES_HOMES; then traits */
    atomic_word_t births;  /* zones that have come so far */
};

enum {
    ZONES_HOMES = 8 * ZONE_CLASSES, /* from this bit on, the zones that may hold metadata */
    ZONES_TRAITS = ZONES_HOMES + 8  /* and what some zone has */
};

#define ZONES_HAVE_WATERMARKS ((uint64_t)1 << ZONES_TRAITS)
#define ZONES_HAVE_TREES      ((uint64_t)2 << ZONES_TRAITS)
#define ZONELIST_END          UINT64_MAX

_Static_assert(ZONES_MAX <= 8, "a set of zones is a byte, a list of them a word");
_Static_assert(ZONE_CLASSES == 4, "zones_of_classes()");

/* From frames to zones. */
struct zone_spans {
    atomic_word_t changes; /* odd while the others change */
    struct {
        atomic_word_t start;
        atomic_word_t end; /* 0: no such zone */
    } spans[ZONES_MAX];
};

/* Whose the frames of a zone are, be it there, or on its way to or fro. */
struct zone_claim {
    pfn_t start;
    pfn_t end;                /* 0: nobody's */
    bool moving;              /* on its way */
    struct kmem_cache *cache; /* of @metadata; NULL: the zone is there from the boot on */
    void *metadata;           /* of a zone that was added: see zone_add.c */
};

/* Ways that calls take only when others come between, or when something runs short. They are
 * counted, so that a test can tell whether it met them; those of CPUs' lists come first, up to
 * OWNER_MET. X(id, name) */
#define CORE_EVENT_TABLE(X)                                                                        \
    X(CORE_EVENT_REFILLED, "list-refilled")    /* a CPU got blocks of its zone, a batch */         \
    X(CORE_EVENT_FULL, "list-drained-full")    /* a CPU had too many: a magazine went back */      \
    X(CORE_EVENT_STORED, "magazine-stored")    /* the same, and it is kept for other CPUs */       \
    X(CORE_EVENT_FETCHED, "magazine-fetched")  /* a CPU got what another one had too much of */    \
    X(CORE_EVENT_PRESSURE, "drained-pressure") /* memory was short: CPUs' lists were emptied */    \
    X(CORE_EVENT_OBJECTS_REFILLED, "magazine-refilled") /* a CPU got objects of slabs */           \
    X(CORE_EVENT_FLUSHED, "magazine-flushed")  /* a CPU had too many: a magazine went back */      \
    X(CORE_EVENT_CLAIM_MET, "claim-met-owner") /* one who claims lists waited for an owner */      \
    X(CORE_EVENT_OWNER_MET, "owner-met-claim") /* an owner found its lists claimed */              \
    X(CORE_EVENT_LET_GO, "block-let-go")       /* a held block was let go, to be looked for */     \
    X(CORE_EVENT_ZONE_CHANGED, "zone-changed") /* another zone, or none, had the number */         \
    X(CORE_EVENT_RETIRE_RACED, "retire-raced") /* a slab to be retired was no more */              \
    X(CORE_EVENT_FAILURE_RETRIED,                                                                  \
      "failure-retried")                         /* once was not enough for a frame that fails */  \
    X(CORE_EVENT_WINDOW_LEFT, "window-given-up") /* owners had been asked for nothing */           \
    X(CORE_EVENT_COMPACTED, "compact-moved")     /* blocks moved, and left one large one */        \
    X(CORE_EVENT_COMPACT_LEFT,                                                                     \
      "compact-given-up") /* a window stayed as it was: owners had been asked for nothing */

enum core_event {
#define X(id, name) id,
    CORE_EVENT_TABLE(X)
#undef X
        CORE_EVENTS
};

/* Where a thread finds the lists of the CPU that it is on (cpu_cache.h). */
struct cpu_slot {
    _Alignas(CACHE_LINE_BYTES) atomic_flags_t inside; /* written by who is on the CPU */
    atomic_word_t cache; /* its lists; 0: claimed by others, or there are none */
    /* Machines fetch lines in pairs: this is what the next slot's shares a pair with. */
    _Alignas(CACHE_LINE_BYTES) unsigned char apart[CACHE_LINE_BYTES];
};

/* A list of blocks of one kind: cpu_cache.h. */
struct cpu_list {
    struct buddy **blocks; /* the warmest last, in a struct cpu_blocks of the list's zone */
    uint32_t count;
    uint32_t room; /* for so many, in all; 0: there is no array */
};

enum {
    CPU_TYPES = 4, /* lists for so many migrate types, more than there are */
    CPU_LISTS = ZONES_MAX * CPU_TYPES * CPU_ORDERS
};

/* What one CPU had too much of, for others that have none. */
struct cpu_depot {
    _Alignas(CACHE_LINE_BYTES) spinlock_t lock;
    struct cpu_list lists[CPU_LISTS]; /* cpu_list_of(); those of frames have arrays */
};

struct potad {
    /* What most calls look at, and hardly any writes. */
    _Alignas(CACHE_LINE_BYTES) struct zone_index index;
    atomic_word_t spent_any;       /* a hint: whether spent has any */
    atomic_word_t slab_generation; /* slabs of descriptor caches made so far */
    atomic_word_t spare_most;      /* struct buddys that a zone may keep for its next cuts */
    struct zone_spans spans;

    /* The end of the port, the table of zones whose map is one, and firsts share a line: with CPUs'
     * lists or without, allocations find there where to go on. */
    _Alignas(CACHE_LINE_BYTES) unsigned char *boot_nodes; /* made at boot, outside of all slabs */
    uint64_t boot_nodes_count;
    struct port port;
    struct frame_table table;
    atomic_word_t firsts; /* two bytes a node: the first zone of its list for unmovable blocks, for
                           * movable ones */
    atomic_word_t cpus[CPUS_MAX]; /* struct cpu_cache of each CPU that is online, or 0 */
    struct cpu_slot cpu_slots[CPUS_MAX];
    struct cpu_depot depot;

    struct slab_source source;
    struct epoch epoch;              /* of those who look into trees without the zone's lock */
    struct epoch locked_epoch;       /* of trees read under a lock only: no section is ever open */
    struct range ranges[RANGES_MAX]; /* of the boot's zones */
    uint32_t ranges_count;
    order_t pageblock_order;
    uint64_t range_pageblocks[RANGES_MAX]; /* each range's first, in its zone's array */
    struct space zones[ZONES_MAX];         /* those that are there: zones_present() */
    spinlock_t cpus_lock;
    uint32_t cpus_online; /* lock of cpus */
    uint32_t zones_made;  /* with blocks, there or not yet, as bits; lock of cache_buddy */
    spinlock_t claims_lock;
    struct zone_claim claims[ZONES_MAX];
    _Alignas(CACHE_LINE_BYTES) struct kmem_cache cache_buddy; /* kmem_cache_buddy of the mail */
    struct kmem_cache cache_slab;                             /* kmem_cache_slab */
    struct kmem_cache cache_cache;  /* of the kmem_caches that users create */
    struct kmem_cache cache_poison; /* of records of failed frames */
    struct kmem_cache cache_node;   /* of nodes of zones whose map is a tree */
    struct kmem_cache cache_cpu;    /* of struct cpu_caches */
    struct kmem_cache cache_blocks; /* of struct cpu_blocks */
    spinlock_t caches_lock;
    struct list_head caches;                 /* all of them */
    struct kmem_cache *numbered[CPU_CACHES]; /* those with magazines */
    spinlock_t spent_lock;
    struct list_head spent; /* records that frees have used up, not yet put back */
    spinlock_t owners_lock;
    atomic_word_t released;                   /* bit n: owners of type n have a release() */
    struct memdesc_ops owners[MEMDESC_TYPES]; /* whom memory_failure() tells, by type */
    struct buddy_stash boot_spare;            /* boot descriptors not in use; lock of cache_buddy */
    atomic_word_t boot_buddies;               /* boot descriptors in use */
    atomic_word_t chain_depth_seen;           /* the deepest __alloc_slab() so far */
    atomic_word_t in_hand;                    /* block_in_hand(); above: block_put_back() */
    atomic_word_t events[CORE_EVENTS];        /* how often each has been, since the boot */
};

_Static_assert(offsetof(struct potad, port) + offsetof(struct port, context) ==
                       offsetof(struct potad, boot_nodes) + CACHE_LINE_BYTES &&
                   offsetof(struct potad, cpus) ==
                       offsetof(struct potad, boot_nodes) + (size_t)2 * CACHE_LINE_BYTES,
               "one line says where an allocation goes on");

static inline void core_event(struct potad *potad, enum core_event event)
{
    (void)atomic_word_add(&potad->events[event], 1);
}

/* Boots @potad on the memory of @map. The frame table or the first tree nodes, as map->kind asks,
 * and the first descriptors are carved from
 * the end of the first accepted range that may hold them.
 * Return: INVALID where ranges or zones are not as boot_map.h says, NO_MEMORY where no range that
 * may hold metadata, accepted, has room for these.
 * Source: requirements A1, E3. */
enum status potad_boot(struct potad *potad, const struct port *port, const struct boot_map *map)
    __attribute__((warn_unused_result));

/* Adds memory as zone number @id, one that is not there yet: @count sorted @ranges (their zone
 * numbers do not matter), outside of all other zones, from the first to the last one. Its map is a
 * tree. It holds no metadata, whatever its class, for it may go again; what describes it lies in
 * zones of the boot. Whether a boot map had it as one to come later does not matter. Other threads
 * may use the allocator meanwhile, and see the zone at once or not yet. Return: OK; or with nothing
 * changed: EXISTS where the number, or frames between the first and the last one, are taken;
 * NO_MEMORY; INVALID where ranges or @config are not as boot_map.h says. Source: requirements B2,
 * E1. */
enum status potad_zone_add(struct potad *potad, zone_id_t id, const struct zone_config *config,
                           const struct range *ranges, uint32_t count)
    __attribute__((warn_unused_result));

/* Removes zone number @id, which potad_zone_add() has added, with its poisoned frames. Never
 * allocates. Waits until all who look frames up without a lock have come back.
 * Return: OK; or with nothing changed: BUSY while a block of the zone is in use, a frame in use has
 * failed, or the zone is just being added or removed; INVALID where there is none, and for zones of
 * the boot. */
enum status potad_zone_remove(struct potad *potad, zone_id_t id)
    __attribute__((warn_unused_result));

/* Gives CPU number @cpu, as port.cpu_enter() answers it, lists of its own for small blocks: from
 * here on most allocations and frees of less than 2^CPU_ORDERS frames on it take no lock. What such
 * lists hold is memory that allocations get where there is no other, whichever CPU they are on.
 * Return: OK; or with nothing changed: EXISTS where it is online; NO_MEMORY; INVALID, also where
 * the port has no CPUs. */
enum status potad_cpu_online(struct potad *potad, uint32_t cpu) __attribute__((warn_unused_result));

/* Ends that: frees what the lists hold. Never allocates. Context: no thread is on the CPU until it
 * is online again. Return: OK, or INVALID where it is not online. */
enum status potad_cpu_offline(struct potad *potad, uint32_t cpu)
    __attribute__((warn_unused_result));

struct page_request {
    order_t order;  /* below ORDERS */
    zone_id_t zone; /* just this one; or ZONE_ANY: as node and class say */
    enum migratetype migratetype;
    uint32_t node;         /* whose zones are tried first, below NODES_MAX */
    enum zone_class below; /* zones of lower classes only; ZONE_DMA: of any class */
    bool reserve;          /* may take what watermarks keep back */
    bool compact; /* where there is no block, have movable ones move until there is: bounded */
};

/* What alloc_pages() and free_pages() come to where this CPU's lists do not serve. */
enum status alloc_pages_slow(struct potad *potad, struct page_request request, struct buddy **buddy)
    __attribute__((warn_unused_result));
void free_pages_slow(struct potad *potad, struct buddy *buddy);

#include "core/cpu_cache.h"
#include "core/cpu_objects.h"

/* Allocates a block of 2^order frames, aligned to its size and accepted; its own struct buddy
 * describes it.
 * A zone of class ZONE_MOVABLE serves movable blocks only, and so do CMA ranges. A zone is drawn
 * upon below its watermark only where request->reserve says so, or for metadata. With
 * request->compact, a block that is nowhere is made as potad_compact() makes one, and is the
 * caller's at once.
 * Return: OK and *@buddy, or with nothing changed: NO_MEMORY, ACCEPT_FAILED, INVALID. */
static ALWAYS_INLINE enum status __attribute__((warn_unused_result))
alloc_pages(struct potad *potad, const struct page_request *request, struct buddy **buddy)
{
    /* Copies, of which the compiler knows that nobody else sees them: what the caller has just
     * written there need not be in memory unless the slow call is made. */
    const struct page_request wanted = *request;
    struct buddy *cached = cpu_cache_alloc(potad, &wanted);
    if (UNLIKELY(cached == NULL)) {
        return alloc_pages_slow(potad, wanted, buddy);
    }
    *buddy = cached;
    return STATUS_OK;
}

/* The same, but every frame of the block leads to the caller's @descriptor, which starts with a
 * struct memdesc (filled in here), is MEMDESC_ALIGN-aligned and outlives the allocation. The
 * caller keeps *@buddy for free_pages(). @type: MEMDESC_FOLIO to MEMDESC_VMALLOC, or from
 * MEMDESC_USER on.
 * Source: requirement A6. */
enum status alloc_pages_desc(struct potad *potad, const struct page_request *request,
                             struct memdesc *descriptor, enum memdesc_type type,
                             struct buddy **buddy) __attribute__((warn_unused_result));

/* Frees the block that @buddy describes; frames of it that have failed become poisoned. The block
 * of a descriptor that others may refer to has no references left: see memdesc_put(). Never
 * fails, never allocates (requirement A3). */
static ALWAYS_INLINE void free_pages(struct potad *potad, struct buddy *buddy)
{
    if (UNLIKELY(!cpu_cache_free(potad, buddy))) {
        free_pages_slow(potad, buddy);
    }
}

/* Splits an allocated block into order(@buddy) - @order + 1 allocated blocks: two of @order and
 * one of each order between, by ascending address and size (the arithmetic of requirement A4).
 * parts: as many entries; the last is @buddy itself. A block with a descriptor of the caller's own
 * is not split. What is known of failed frames goes with their parts. Return: OK, or with nothing
 * changed: NO_MEMORY, INVALID. */
enum status split_pages(struct potad *potad, struct buddy *buddy, order_t order,
                        struct buddy **parts) __attribute__((warn_unused_result));

struct contig_request {
    uint64_t units;               /* frames; any number but 0 */
    order_t align;                /* the run starts at a multiple of 2^align frames */
    pfn_t low;                    /* and lies in [low, high) */
    pfn_t high;                   /* 0: no limit */
    zone_id_t zone;               /* this and the rest as in struct page_request */
    enum migratetype migratetype; /* not used for CMA */
    uint32_t node;
    enum zone_class below;
    bool reserve;
    bool cma; /* out of CMA ranges, which movable blocks are moved out of where need be; the parts
               * are unmovable, also where the zone is ZONE_MOVABLE */
};

/* A run of frames. */
struct contig {
    pfn_t pfn;
    uint64_t units;
    uint64_t parts; /* blocks that it is made of */
    zone_id_t zone;
};

/* Allocates frames in a row, as many as asked for, all in one zone: whole blocks or parts of them,
 * of any orders, accepted. It is found wherever there is one; see contig_find.h for the cost.
 *
 * Without @cma, frames of CMA ranges are left alone: nobody could move the run out of them again.
 * With it, only they are taken: first such as are free; else owners of movable blocks are asked to
 * move to other memory (memdesc_ops.migrate), window after window, the lowest first. Where one
 * refuses, or finds no other memory, windows without its block are tried. The parts of such a run
 * are unmovable.
 *
 * Each part of a run is a block with a struct buddy of its own, which memdesc_lookup() finds; parts
 * are neither freed nor split by themselves.
 *
 * Return: OK and *@contig, or with nothing changed but memory that was accepted: NO_MEMORY,
 * ACCEPT_FAILED, INVALID. Source: requirement B6. */
enum status alloc_contig(struct potad *potad, const struct contig_request *request,
                         struct contig *contig) __attribute__((warn_unused_result));

/* Frees a run; frames of it that have failed become poisoned. Never fails, never allocates. */
void free_contig(struct potad *potad, const struct contig *contig);

struct compact_request {
    struct page_request pages; /* what is wanted; @compact does not matter */
    uint64_t frames_max;       /* of blocks that are to move, agreed or not, all together */
    uint64_t blocks_max; /* that are looked at; but a window that was begun is looked at all */
};

/* What a call of potad_compact() has done. */
struct compact_result {
    uint64_t frames_moved; /* 0: a block was there already, or nothing has changed */
    uint64_t frames_tried; /* of blocks that were to move */
    uint64_t blocks_seen;
};

/* Compaction: makes a free block of request->pages.order where a zone that may give one has none:
 * looks for a window of that size, aligned to it, in which there are only free blocks and smaller
 * movable ones, and has the owners of these move them (memdesc_ops.migrate), if all agree; first
 * to other places in the zone. Blocks of types without an owner to ask, or of unmovable requests,
 * failed frames, unaccepted memory and CMA ranges are passed over, without their descriptors'
 * locks. Each call goes on where the last one in the zone has ended, and the zone is locked for a
 * few hundred blocks at a time; for as long as all blocks of a window take to swap places, all
 * zones are.
 *
 * Return: OK: there is such a block now, for whoever comes first; or with nothing changed but
 * memory that was accepted: NO_MEMORY: there is not, everything has been looked at; BUSY: the
 * limits were in the way: another call goes on, or one with higher limits; INVALID. Source:
 * requirement D3. */
enum status potad_compact(struct potad *potad, const struct compact_request *request,
                          struct compact_result *result) __attribute__((warn_unused_result));

/* What a frame belongs to. */
struct memdesc_info {
    enum memdesc_type type;
    pfn_t pfn; /* the extent */
    uint64_t frames;
    zone_id_t zone;
    enum migratetype migratetype;
    bool unaccepted;
    bool flawed;                      /* frames of this block, in use, have failed */
    const struct memdesc *descriptor; /* NULL for boot metadata */
};

/* Finds the descriptor of the frame @pfn, any number. Context: takes the zone's lock; what it
 * answers may change as soon as it has. Return: false where no memory is at @pfn.
 * Source: requirements A5, A10, F4. */
bool memdesc_lookup(struct potad *potad, pfn_t pfn, struct memdesc_info *info);

/* A descriptor that is referred to. */
struct memdesc_ref {
    struct memdesc *descriptor;
    enum memdesc_type type;
    pfn_t pfn; /* its block, which stays where it is while the reference lasts */
    order_t order;
};

/* Takes a reference to the descriptor of the block that frame @pfn, any number, is in, without a
 * lock. What lies at the frame may be freed, split, and allocated anew meanwhile: the descriptor is
 * looked up inside an epoch section, a reference is taken unless there is none left, and then the
 * frame is looked up again; where it leads elsewhere by now, the reference is dropped and all is
 * tried again. Until it has the reference, neither extent nor type mean anything.
 *
 * So an owner whose type has memdesc_ops.release ends a block with memdesc_put(), and the memory of
 * its descriptor stays a descriptor until all sections of potad->epoch have ended that began before
 * the block was free: epoch_retire() and epoch_synchronise() are how to know. It may be put on
 * another block at once. The allocator's own descriptors need no such thing: their tags in the map
 * say what they are, and without the zone's lock nobody follows these.
 *
 * Context: any thread, any locks; not inside a section. Return: false where the frame belongs to no
 * owner of such a type, or its block is just being freed or moved.
 * Source: requirements D1, D2. */
bool memdesc_tryget(struct potad *potad, pfn_t pfn, struct memdesc_ref *ref)
    __attribute__((warn_unused_result));

/* Drops a reference to @descriptor, of @type; if it was the last, has the owner release it. The
 * owner's own is dropped in the same way, once. Context: as memdesc_ops.release. */
void memdesc_put(struct potad *potad, struct memdesc *descriptor, enum memdesc_type type);

/* Locks @descriptor, to which the caller has a reference; spins. What the lock guards is the
 * owners' to say: it does not keep the allocator from anything. */
void memdesc_lock(struct memdesc *descriptor);
void memdesc_unlock(struct memdesc *descriptor);

/* Has the owners of blocks of @type told from now on when their memory fails. @ops: copied; one
 * without a function ends it; a move that is under way ends with the functions that it began with.
 * Return: INVALID for a type that no block in use has: other than MEMDESC_BUDDY_ALLOCATED, whose
 * blocks have no descriptor but the struct buddy, MEMDESC_SLAB and those of alloc_pages_desc().
 * Source: requirement B3. */
enum status memdesc_register(struct potad *potad, enum memdesc_type type,
                             const struct memdesc_ops *ops) __attribute__((warn_unused_result));

/* Takes the failed frame @pfn out of circulation. A free frame is cut out of its block and is
 * poisoned at once, accepted or not. One in use stays until its block is freed, the block of a slab
 * too: then it becomes poisoned, and the rest is free. Its owner is told. What that free needs is
 * allocated here (requirement A3).
 * Return: OK, or with nothing changed: NO_MEMORY; EXISTS where the frame is known to have failed;
 * BUSY for boot metadata, and for a block that another thread is just allocating, where asking
 * again helps; INVALID where no memory is at @pfn. Source: requirements B3, F1. */
enum status memory_failure(struct potad *potad, pfn_t pfn) __attribute__((warn_unused_result));

/* Ends what memory_failure() began: a poisoned frame is free again; one that is in use stays so,
 * and nothing will happen to it. Never allocates. Return: INVALID where the frame is neither. */
enum status unpoison(struct potad *potad, pfn_t pfn) __attribute__((warn_unused_result));

/* Creates a cache of objects of @size bytes (1 to SLAB_STRIDE_MAX) whose physical addresses are
 * multiples of @align (a power of two up to SLAB_STRIDE_MAX). Return: OK and *@cache; INVALID for
 * a size or alignment out of range, NO_MEMORY. */
enum status kmem_cache_create(struct potad *potad, const char *name, uint64_t size, uint64_t align,
                              struct kmem_cache **cache) __attribute__((warn_unused_result));

/* The same, with @site asked before each object. */
enum status kmem_cache_create_site(struct potad *potad, const char *name, uint64_t size,
                                   uint64_t align, enum fault_site site, struct kmem_cache **cache)
    __attribute__((warn_unused_result));

/* The same, but slabs of the cache lie in zones of @zones only (bit n: zone n). Return: as
 * kmem_cache_create(); INVALID also where one of these may not hold metadata, or there is none. */
enum status kmem_cache_create_in(struct potad *potad, const char *name, uint64_t size,
                                 uint64_t align, uint32_t zones, struct kmem_cache **cache)
    __attribute__((warn_unused_result));

/* Destroys a cache without objects, that no other thread allocates from or frees to meanwhile.
 * Return: OK, or BUSY while objects are in use. */
enum status kmem_cache_destroy(struct potad *potad, struct kmem_cache *cache)
    __attribute__((warn_unused_result));

/* What kmem_cache_alloc() and kmem_cache_free() come to where this CPU's magazines do not serve. */
enum status kmem_cache_alloc_slow(struct potad *potad, struct kmem_cache *cache, void **object)
    __attribute__((warn_unused_result));
void kmem_cache_free_slow(struct potad *potad, struct kmem_cache *cache, void *object);

/* Allocates one object. Return: OK and *@object, or NO_MEMORY with nothing changed. */
static ALWAYS_INLINE enum status __attribute__((warn_unused_result))
kmem_cache_alloc(struct potad *potad, struct kmem_cache *cache, void **object)
{
    void *kept = cpu_objects_alloc(potad, cache);
    if (UNLIKELY(kept == NULL)) {
        return kmem_cache_alloc_slow(potad, cache, object);
    }
    *object = kept;
    return STATUS_OK;
}

/* Allocates @count objects, all or none. Return: OK, or NO_MEMORY with nothing changed. */
enum status kmem_cache_alloc_bulk(struct potad *potad, struct kmem_cache *cache, uint64_t count,
                                  void **objects) __attribute__((warn_unused_result));

/* Frees one object. Never fails, never allocates. Where a CPU keeps it, its first word is written
 * to. */
static ALWAYS_INLINE void kmem_cache_free(struct potad *potad, struct kmem_cache *cache,
                                          void *object)
{
    object_link_t surplus;
    if (UNLIKELY(!cpu_objects_free(potad, cache, object, &surplus))) {
        kmem_cache_free_slow(potad, cache, object);
    } else if (UNLIKELY(surplus != OBJECT_NONE)) {
        cpu_objects_flush(potad, cache, surplus);
    }
}

/* Objects that are set aside for a section of code that must not fail to allocate: a prefilled
 * sheaf. All 0 is a reserve without objects. Context: one thread at a time. */
struct kmem_reserve {
    struct kmem_cache *cache; /* NULL: none yet */
    struct object_chain objects;
};

/* Sets objects of @cache aside in @reserve, which has none or some of @cache, until there are
 * @count: all that are missing, or none. To the cache, they are in use.
 * Return: OK; or with nothing changed: NO_MEMORY; INVALID where @reserve is of another cache.
 * Source: requirement A4; the prefilled sheaves of Linux. */
enum status kmem_cache_reserve(struct potad *potad, struct kmem_cache *cache, uint64_t count,
                               struct kmem_reserve *reserve) __attribute__((warn_unused_result));

/* Takes an object out of @reserve, to be freed as any other one of its cache. Context: any locks;
 * takes none, and never allocates. Return: NULL only where as many were taken as were set aside. */
static ALWAYS_INLINE void *kmem_cache_alloc_reserved(struct kmem_reserve *reserve)
{
    return reserve->objects.count > 0 ? object_chain_pop(&reserve->objects) : NULL;
}

/* Frees what is left in @reserve, which is of no cache then. Never fails, never allocates. */
void kmem_cache_unreserve(struct potad *potad, struct kmem_reserve *reserve);

/* Gives back every slab of struct buddys and of tree nodes that the allocator can do without. Frees
 * do this for the slabs of struct buddys that they touch; here all are looked at. */
void potad_shrink(struct potad *potad);

/* Checks all invariants. Context: no other thread is inside the allocator. Return: whether all
 * hold; if not, @violation says which does not. */
bool potad_validate(struct potad *potad, struct violation *violation);

/* A hash of all blocks (place, extent, state, type, acceptance), of failed frames in use, and of
 * all caches' objects in number, the same for the same state however it was reached: descriptors'
 * own places are not in it. Context: no other thread is inside the allocator. Cost: as the number
 * of blocks, and of frames that are no block's. */
uint64_t potad_state_hash(struct potad *potad);

#endif
