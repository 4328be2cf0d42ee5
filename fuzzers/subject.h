/* SPDX-License-Identifier: MIT
 *
 * subject.h: what the harness needs of an allocator under test. The schemes of core/ are subjects
 * (subject_core.c), and so is any allocator that a user brings: fuzzers, executor, stress and
 * bench talk to a struct subject and to nothing behind it.
 *
 * An allocator need not do everything: each capability bit says that the functions it names are
 * there, and operations that need others are skipped.
 */
#ifndef POTAD_FUZZERS_SUBJECT_H
#define POTAD_FUZZERS_SUBJECT_H

#include "core/boot_map.h"
#include "core/invariant.h"
#include "core/memdesc.h"
#include "core/port.h"
#include "core/potad.h"
#include "core/potad_space.h"
#include "core/range_tree.h"

enum { SUBJECT_VERSION = 5, SUBJECT_SPACES_MAX = 4 };

/* X(id, bit, name) */
#define SUBJECT_CAPABILITY_TABLE(X)                                                                \
    X(SUBJECT_DESC, 0, "desc")             /* alloc with a descriptor of the caller's own */       \
    X(SUBJECT_SPLIT, 1, "split")           /* split() */                                           \
    X(SUBJECT_LOOKUP, 2, "lookup")         /* lookup() */                                          \
    X(SUBJECT_CACHE, 3, "cache")           /* cache_create(), _destroy(), _alloc(), _free() */     \
    X(SUBJECT_UNACCEPTED, 4, "unaccepted") /* honours range.unaccepted and port.accept() */        \
    X(SUBJECT_COUNTERS, 5, "counters")     /* free_blocks(), stats(); of caches, cache_stats() */  \
    X(SUBJECT_VALIDATE, 6, "validate")     /* validate(), state_hash() */                          \
    X(SUBJECT_SHRINK, 7, "shrink")         /* shrink() */                                          \
    X(SUBJECT_THREADS, 8, "threads")       /* any function may be called by many threads */        \
    X(SUBJECT_POISON, 9, "poison")         /* watch(), memory_failure(), unpoison() */             \
    X(SUBJECT_RANGE, 10, "range")          /* range */                                             \
    X(SUBJECT_ZONES, 11, "zones")          /* classes, nodes, watermarks, CMA, migrate types */    \
    X(SUBJECT_CONTIG, 12, "contig")        /* alloc_contig(), free_contig(); migration */          \
    X(SUBJECT_SPACES, 13, "spaces")        /* spaces */                                            \
    X(SUBJECT_HOTPLUG, 14, "hotplug")      /* zone_config.later; zone_add(), zone_remove() */      \
    X(SUBJECT_CPUS, 15, "cpus")     /* port.cpu_enter(); cpu_online(), cpu_offline(), cached() */  \
    X(SUBJECT_REFS, 16, "refs")     /* tryget(), put(), synchronise() */                           \
    X(SUBJECT_EVENTS, 17, "events") /* stats() counts CORE_EVENT_TABLE */                          \
    X(SUBJECT_COMPACT, 18, "compact") /* compact(), subject_request.compact; migration */          \
    X(SUBJECT_RESERVE, 19, "reserve") /* cache_reserve(), _take(), _unreserve() */

enum subject_capability {
#define X(id, bit, name) id = 1 << (bit),
    SUBJECT_CAPABILITY_TABLE(X)
#undef X
};

struct subject_request {
    order_t order;
    zone_id_t zone; /* or ZONE_ANY */
    enum migratetype migratetype;
    uint32_t node;         /* whose zones are tried first */
    enum zone_class below; /* zones of lower classes only; ZONE_DMA: of any */
    bool reserve;          /* may take what watermarks keep back */
    bool compact; /* has owners that watch() named move where there is none: SUBJECT_COMPACT */
    enum memdesc_type type;     /* MEMDESC_NONE: described by the allocator alone */
    struct memdesc *descriptor; /* for a type other than MEMDESC_NONE: SUBJECT_DESC */
};

/* What the core is asked for. */
static inline struct page_request subject_page_request(const struct subject_request *request)
{
    return (struct page_request){
        .order = request->order,
        .zone = request->zone,
        .migratetype = request->migratetype,
        .node = request->node,
        .below = request->below,
        .reserve = request->reserve,
        .compact = request->compact,
    };
}

/* An allocated block. */
struct subject_block {
    pfn_t pfn;
    order_t order;
    void *handle; /* the subject's own */
};

/* A free block that a CPU keeps for its next allocations, of just this kind. */
struct subject_cached {
    pfn_t pfn;
    order_t order;
    zone_id_t zone;
    enum migratetype migratetype;
};

/* Numbers that cost little to ask for. Context: no other thread is inside the subject. */
struct subject_stats {
    uint64_t descriptors_live;     /* of blocks, the boot's included, and what is reserved */
    uint64_t descriptors_spare;    /* more can be had without memory */
    uint64_t descriptors_reserved; /* for freeing blocks with failed frames in use */
    uint64_t descriptors_kept;     /* for the next cuts, where CPUs have lists; of no block */
    uint64_t slab_descriptors_spare;
    uint64_t cache_objects_live; /* of caches that cache_create() made, granted */
    uint64_t cache_objects_kept; /* of these caches by CPUs, for their next allocations */
    uint64_t slabs;
    uint64_t frame_table_writes;
    uint64_t chain_depth_seen;
    uint64_t events[CORE_EVENTS]; /* SUBJECT_EVENTS: how often each has been, since open() */
};

/* The same of one cache. */
struct subject_cache_stats {
    uint64_t live;  /* granted, or set aside */
    uint64_t spare; /* more can be had without memory */
};

/* One map from keys to words, by ranges, with nodes from the subject's own memory. Functions do
 * what those of range_tree.h do, and answer as they do. Context: one thread. */
struct subject_range_ops {
    /* Makes the map; there is none yet. Calls @step with @context before and after each word that
     * readers see is written. Return: OK and *@tree, or NO_MEMORY. */
    enum status (*open)(void *instance, void (*step)(void *context), void *context, void **tree);

    /* Empties it and gives all memory back. Context: no section is open. Return: OK. */
    enum status (*close)(void *tree);

    enum status (*store)(void *tree, uint64_t first, uint64_t last, uint64_t value);
    enum status (*store_empty)(void *tree, uint64_t first, uint64_t last, uint64_t value);
    bool (*erase)(void *tree, uint64_t key, struct range_entry *erased);
    enum status (*clear)(void *tree, uint64_t first, uint64_t last);
    enum status (*prepare)(void *tree, uint64_t stores);
    enum status (*build)(void *tree, const struct range_entry *entries, uint64_t count);

    /* What readers do, between a writer's steps, too. */
    uint64_t (*value)(void *tree, uint64_t key);
    bool (*load)(void *tree, uint64_t key, struct range_entry *entry);
    bool (*next)(void *tree, uint64_t key, struct range_entry *entry);
    bool (*prev)(void *tree, uint64_t key, struct range_entry *entry);
    enum status (*gap)(void *tree, const struct range_gap_request *request, uint64_t *found);

    /* A reader's section. root: what a reader begins with, 0 while the map is empty; root_value:
     * what it finds from there, in the section in which it asked for @root. */
    void *(*enter)(void *tree);
    void (*exit)(void *tree, void *section);
    uint64_t (*root)(void *tree);
    uint64_t (*root_value)(void *tree, uint64_t root, uint64_t key);

    uint64_t (*count)(void *tree); /* of ranges */
    bool (*validate)(void *tree, struct violation *violation);
};

struct subject_space_config {
    uint64_t base;
    uint32_t unit_shift;
    bool table; /* a word a unit leads to blocks, not a tree */
    const struct unit_range *ranges;
    uint32_t ranges_count;
    uint32_t homes; /* bit n: metadata may lie in zone n; 0: in any that may hold it */
    uint64_t descriptor_bytes;
};

/* An allocated block of a space. */
struct subject_space_block {
    uint64_t unit;
    order_t order;
    void *descriptor; /* behind own_bytes of it, the user's while the block is */
};

/* Spaces of units that need not be memory. Functions do what those of potad_space.h do, and answer
 * as they do. */
struct subject_space_ops {
    uint64_t own_bytes; /* at the start of descriptors; none is smaller */

    /* Makes space @number, below SUBJECT_SPACES_MAX, which there is not. */
    enum status (*add)(void *instance, uint32_t number, const struct subject_space_config *config);
    enum status (*remove)(void *instance, uint32_t number);
    enum status (*alloc)(void *instance, uint32_t number, order_t order,
                         struct subject_space_block *block);
    void (*free)(void *instance, uint32_t number, const struct subject_space_block *block);
    enum status (*split)(void *instance, uint32_t number, const struct subject_space_block *block,
                         order_t order, struct subject_space_block *parts);
    enum status (*alloc_run)(void *instance, uint32_t number,
                             const struct unit_run_request *request, struct unit_run *run);
    void (*free_run)(void *instance, uint32_t number, const struct unit_run *run);
    bool (*lookup)(void *instance, uint32_t number, uint64_t unit, struct potad_space_info *info);

    /* ORDERS counts of free blocks, and descriptors in use: of all blocks. */
    const uint64_t *(*free_blocks)(void *instance, uint32_t number);
    uint64_t (*descriptors)(void *instance, uint32_t number);

    /* Context of both: no other thread is inside the subject. */
    bool (*validate)(void *instance, uint32_t number, struct violation *violation);
    uint64_t (*state_hash)(void *instance, uint32_t number);
};

struct subject {
    uint32_t version; /* SUBJECT_VERSION of the header that it was compiled with */
    uint32_t capabilities;
    const char *name;
    const char *summary;
    size_t instance_bytes; /* of zeroed memory, 64-byte aligned, that open() gets */

    /* Frames that each zone may cost at boot beyond a word a frame and a page a range, and that the
     * subject may take for its metadata, beyond a few, before it refuses what could be met. */
    uint64_t slack_frames;

    /* Boots on @map; memory, acceptance and faults come from @port. Return: OK; NO_MEMORY where
     * the map has no room for metadata; INVALID where the map is none. */
    enum status (*open)(void *instance, const struct port *port, const struct boot_map *map);
    void (*close)(void *instance);

    enum status (*alloc)(void *instance, const struct subject_request *request,
                         struct subject_block *block);
    void (*free)(void *instance, const struct subject_block *block);

    /* Splits @block into order(block) - @order + 1 parts: by ascending address, two of @order and
     * one of each order between. */
    enum status (*split)(void *instance, const struct subject_block *block, order_t order,
                         struct subject_block *parts);
    bool (*lookup)(void *instance, pfn_t pfn, struct memdesc_info *info);

    enum status (*cache_create)(void *instance, uint64_t size, uint64_t align, void **cache);
    enum status (*cache_destroy)(void *instance, void *cache);
    enum status (*cache_alloc)(void *instance, void *cache, uint64_t count, void **objects);
    void (*cache_free)(void *instance, void *cache, void *object);
    void (*cache_stats)(void *instance, void *cache, struct subject_cache_stats *stats);

    /* Objects that are set aside. As kmem_cache_reserve(), kmem_cache_alloc_reserved() and
     * kmem_cache_unreserve() of potad.h; what the subject keeps in @reserve is its own. */
    enum status (*cache_reserve)(void *instance, void *cache, uint64_t count,
                                 struct kmem_reserve *reserve);
    void *(*cache_take)(void *instance, struct kmem_reserve *reserve);
    void (*cache_unreserve)(void *instance, struct kmem_reserve *reserve);

    void (*shrink)(void *instance);

    /* Has failures in blocks of @type, and wishes to move them, told to @ops, which is copied.
     * Return: OK, or INVALID for a type that no block in use has. */
    enum status (*watch)(void *instance, enum memdesc_type type, const struct memdesc_ops *ops);

    /* Frame @pfn has failed: a free one is poisoned, and is never granted; one in use is poisoned
     * when its block is freed, and its owner is told now. Return: as memory_failure() of potad.h.
     */
    enum status (*memory_failure)(void *instance, pfn_t pfn);

    /* Ends that. Return: OK, or INVALID for a frame that has not failed. */
    enum status (*unpoison)(void *instance, pfn_t pfn);

    /* References to descriptors, of types whose owners watch() with a release(). As
     * memdesc_tryget() and memdesc_put() of potad.h. */
    bool (*tryget)(void *instance, pfn_t pfn, struct memdesc_ref *ref);
    void (*put)(void *instance, struct memdesc *descriptor, enum memdesc_type type);

    /* Waits until no tryget() that runs now can come upon a descriptor whose block is freed. */
    void (*synchronise)(void *instance);

    const struct subject_range_ops *range;
    const struct subject_space_ops *spaces;

    /* Frames in a row. As alloc_contig() and free_contig() of potad.h; with SUBJECT_ZONES, owners
     * that watch() named are asked to move out of CMA ranges, as memdesc_ops.migrate says, where
     * the struct buddy is whatever the handle of the block is. */
    enum status (*alloc_contig)(void *instance, const struct contig_request *request,
                                struct contig *contig);
    void (*free_contig)(void *instance, const struct contig *contig);

    /* Makes a block out of what is free and what owners move. As potad_compact() of potad.h. */
    enum status (*compact)(void *instance, const struct compact_request *request,
                           struct compact_result *result);

    /* Memory that comes and goes. As potad_zone_add() and potad_zone_remove() of potad.h. */
    enum status (*zone_add)(void *instance, zone_id_t zone, const struct zone_config *config,
                            const struct range *ranges, uint32_t count);
    enum status (*zone_remove)(void *instance, zone_id_t zone);

    /* CPUs that come and go, as port.cpu_enter() answers them. As potad_cpu_online() and
     * potad_cpu_offline() of potad.h. */
    enum status (*cpu_online)(void *instance, uint32_t cpu);
    enum status (*cpu_offline)(void *instance, uint32_t cpu);

    /* Visits all blocks that CPUs keep: neither granted, nor in any count of free_blocks(), and
     * lookups find plain blocks in use. Context: no other thread is inside the subject. */
    void (*cached)(void *instance, void (*visit)(void *context, const struct subject_cached *kept),
                   void *context);

    /* ORDERS counts of free blocks of one zone and area (AREA_UNMOVABLE to AREA_UNACCEPTED); valid
     * until close(), always up to date. NULL: there are never any. Without SUBJECT_ZONES, all
     * accepted blocks may be in one area. */
    const uint64_t *(*free_blocks)(void *instance, zone_id_t zone, unsigned area);
    void (*stats)(void *instance, struct subject_stats *stats);

    /* Context of both: no other thread is inside the subject. */
    bool (*validate)(void *instance, struct violation *violation);
    uint64_t (*state_hash)(void *instance);
};

/* The subjects that this program was built with; NULL ends the array. */
extern const struct subject *const subjects[];

/* Free blocks of a zone by order, of accepted memory, CMA and not yet accepted memory. */
struct subject_blocks {
    uint64_t accepted[ORDERS];
    uint64_t cma[ORDERS];
    uint64_t unaccepted[ORDERS];
};

/* Sums what free_blocks() tells of @zone, for orders below @orders. */
void subject_count_blocks(const struct subject *subject, void *instance, zone_id_t zone,
                          order_t orders, struct subject_blocks *blocks);

/* The subject called @name, or NULL. */
const struct subject *subject_find(const char *name);

#endif
