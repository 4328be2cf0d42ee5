/* SPDX-License-Identifier: MIT
 *
 * page_alloc.h: what the files above the zones and slabs share: blocks with descriptors. Not for
 * users: see potad.h.
 */
#ifndef POTAD_CORE_PAGE_ALLOC_H
#define POTAD_CORE_PAGE_ALLOC_H

#include "core/contig_find.h"
#include "core/contig_take.h"
#include "core/potad.h"
#include "core/space_lists.h"

/* A page_request with the zones spelled out. */
struct block_request {
    order_t order;
    uint32_t zones; /* bit n: zone n will do */
    uint64_t as_of; /* births when the zones were chosen: later ones are others */
    uint32_t node;  /* zones are tried in the order of its zonelist */
    enum migratetype migratetype;
    bool reserve; /* below the watermarks, too */
    bool whole;   /* only a free block of just this order will do */
    bool patient; /* tree nodes are allocated before the next zone is tried */
};

/* Spells @request out. Return: whether it can be asked for at all. */
bool request_resolve(const struct potad *potad, const struct page_request *request,
                     struct block_request *block) __attribute__((warn_unused_result));

/* Begins what ends in transaction_commit() or transaction_undo(). */
struct alloc_context transaction_begin(struct potad *potad, struct alloc_transaction *transaction);

/* Ends a call that did what it should: gives unused descriptors back. */
void transaction_commit(struct potad *potad, struct alloc_transaction *transaction);

/* Ends a call that failed, its allocations already undone: also gives back the slabs of struct
 * buddys that it made, so that all blocks are as they were before. */
void transaction_undo(struct potad *potad, struct alloc_transaction *transaction);

/* A thread has memory in hand that is free to all but itself: a whole block, to cut it or to have
 * it accepted; those of a run; a batch for a CPU's list, or what such lists have held. Then it puts
 * that back, or does so before it next unlocks the zone. Meanwhile others do not find it, however
 * much it is. */
void block_in_hand(struct potad *potad);
void block_put_back(struct potad *potad, struct alloc_transaction *transaction);

/* It had none after all. */
void block_not_in_hand(struct potad *potad);

/* How often something is in somebody's hands. */
uint32_t blocks_in_hand(const struct potad *potad);

/* Whether a call that found no memory, and undid all, may find some when it is tried once more: it
 * had in hand itself all that CPUs and zones had kept, and blocks may be larger now; or others had
 * whole blocks in hand: then waits for these, for some time. @tried: how often that was the answer.
 * Context: no lock, in no transaction. */
bool transaction_retries(struct potad *potad, const struct alloc_transaction *transaction,
                         unsigned tried) __attribute__((warn_unused_result));

/* Gives descriptors back to their slabs, empty slabs to their zone, and so on until nothing more
 * follows; the work is a list, not a recursion. Slabs of struct buddys that can be done without
 * are retired. */
void descriptors_release(struct potad *potad, struct buddy_stash *released);

/* Fills @stash up to @count descriptors, all or none of what is missing. Context: inside a
 * transaction, no lock is held. */
bool stash_fill(struct potad *potad, struct alloc_context alloc, struct buddy_stash *stash,
                uint64_t count) __attribute__((warn_unused_result));

/* Moves descriptors that @zone keeps for cuts to @stash, as long as it has fewer than @count.
 * Context: the zone's lock. */
static inline void zone_spare_take(struct space *zone, struct buddy_stash *stash, uint64_t count)
{
    while (stash->count < count && zone->spare.count > 0) {
        buddy_stash_put(stash, buddy_stash_take(&zone->spare));
    }
}

/* Moves those that are too many to @released. Context: the zone's lock. */
static inline void zone_spare_trim(const struct potad *potad, struct space *zone,
                                   struct buddy_stash *released)
{
    uint64_t most = atomic_word_peek(&potad->spare_most);
    while (zone->spare.count > most) {
        buddy_stash_put(released, buddy_stash_take(&zone->spare));
    }
}

/* Blocks in use, in the order in which they are to be had. */
struct batch {
    struct buddy *blocks[1 << SPACE_EVENLY];
    uint64_t target; /* while it grows: to so many */
    uint64_t count;
};

/* batch.c: takes blocks for @request, of an order below CPU_ORDERS, off @zone: as many as make
 * 2^SPACE_EVENLY frames, or fewer. Context: in a transaction, no lock. */
void batch_take(struct potad *potad, struct alloc_context alloc, struct space *zone,
                const struct block_request *request, struct batch *batch);

/* Frees @count blocks, all of one order and type and of @zone, as a list has them; descriptors that
 * are left over go to @released. Context: no lock. */
void batch_free(struct potad *potad, struct space *zone, struct buddy *const *parts, unsigned count,
                struct buddy_stash *released);

/* Frees the block of @buddy, a caller's or a slab's: space_free(), but frames of it that have
 * failed are kept back. Follow with descriptors_release(). Context: the zone's lock. */
void block_free(struct potad *potad, struct space *zone, struct buddy *buddy, const void *avoid,
                struct buddy_stash *released);

/* Makes the detached block of @buddy @owner's, or nobody's if that is 0. Context: the zone's lock.
 */
void block_give(struct space *zone, struct buddy *buddy, enum migratetype migratetype,
                memdesc_t owner);

/* Allocates a block for @owner, or for nobody if that is 0. Context: inside a transaction. */
enum status block_alloc(struct potad *potad, struct alloc_context alloc,
                        const struct block_request *request, memdesc_t owner, struct buddy **buddy)
    __attribute__((warn_unused_result));

/* Accepts the first @frames frames of the detached block of @buddy. Context: the zone's lock, let
 * go while the port works. Return: whether it did; if not, the block is free and as it was. */
bool block_accept(struct potad *potad, struct space *zone, struct buddy *buddy, uint64_t frames,
                  struct alloc_transaction *transaction) __attribute__((warn_unused_result));

/* Has the port accept frames of blocks that are off their lists. Context: the zone's lock, let go
 * while the port works. Return: whether it did. */
bool frames_accept(struct potad *potad, struct space *zone, pfn_t pfn, uint64_t frames,
                   struct alloc_transaction *transaction) __attribute__((warn_unused_result));

/* zonelist.c: an index without zones. */
void zonelist_init(struct potad *potad);

/* Notes that zone @id, which nobody finds, gets blocks from here on, or has none any more: slabs of
 * struct buddys are retired under the locks of all zones that have. */
void zonelist_make(struct potad *potad, zone_id_t id, bool made);

/* Makes zone @id, which is complete, one that allocations and lookups find. */
void zonelist_add(struct potad *potad, zone_id_t id);

/* Ends that. Who has found the zone already will see that it is not the one it was: zone_serves(),
 * zone_lock_of(). Context: the zone is not born any more. */
void zonelist_remove(struct potad *potad, zone_id_t id);

/* The zones of all classes of the word @classes, as bits. */
static inline uint32_t zones_of_classes(uint64_t classes)
{
    uint32_t zones = (uint32_t)classes;
    zones |= zones >> 16;
    return (zones | zones >> 8) & 0xff;
}

/* The zones that are there, as bits. */
static inline uint32_t zones_present(const struct potad *potad)
{
    return zones_of_classes(atomic_word_acquire(&potad->index.classes));
}

/* Whether some zone has what @trait, ZONES_HAVE_..., says. */
static inline bool zones_have(const struct potad *potad, uint64_t trait)
{
    return (atomic_word_acquire(&potad->index.classes) & trait) != 0;
}

/* The first zone of @list, which goes on to the next one. Return: whether there is one. */
static inline bool zonelist_next(uint64_t *list, zone_id_t *id)
{
    *id = *list & 0xff;
    *list = *list >> 8 | ~(ZONELIST_END >> 8);
    return *id != (ZONELIST_END & 0xff);
}

/* The lowest number of the @zones, bits; ZONES_MAX where there is none. */
static inline zone_id_t zones_first(uint32_t zones)
{
    return (zone_id_t)__builtin_ctz(zones | 1U << ZONES_MAX);
}

/* Visits the numbers of the @zones, bits, in order. */
#define zones_for_each(zones, id)                                                                  \
    for (uint32_t left_ = (zones), id = zones_first(left_); left_ != 0;                            \
         left_ &= left_ - 1, (id) = zones_first(left_))

/* The zones that a block may come from, as bits: of classes below @below (ZONE_DMA: of any) that
 * take blocks of @type. */
uint32_t zonelist_filter(const struct potad *potad, enum zone_class below, enum migratetype type);

/* Whether @zone is still the one that @request means. Context: its lock. */
static inline bool zone_serves(const struct space *zone, const struct block_request *request)
{
    return zone->born != 0 && zone->born <= request->as_of;
}

/* Counts that it is not. Context: as zone_serves(). */
static inline void zone_note_change(struct potad *potad, const struct space *zone,
                                    const struct block_request *request)
{
    if (!zone_serves(zone, request)) {
        core_event(potad, CORE_EVENT_ZONE_CHANGED);
    }
}

/* How far a zone's reserve is drawn upon. */
enum watermark { WATERMARK_HIGH, WATERMARK_LOW, WATERMARK_MIN, WATERMARK_NONE };

/* Free frames that stay when @zone is drawn upon down to @watermark: min, a quarter more, a half
 * more, as in Linux. */
uint64_t zone_watermark(const struct space *zone, enum watermark watermark);

/* Whether @zone keeps enough for others if @frames are taken for @request. Context: the zone's
 * lock. */
bool zone_may_give(const struct space *zone, const struct block_request *request,
                   enum watermark watermark, uint64_t frames);

/* accept.c: where accepted memory of the zone of a new block has become little, accepts more,
 * before somebody has to wait for it. Context: no lock, in no transaction. */
void zone_accept_ahead(struct potad *potad, struct space *zone);

/* Allocates accepted memory out of unaccepted: block_alloc() for this zone and area only. */
enum status block_alloc_unaccepted(struct potad *potad, struct alloc_context alloc,
                                   struct space *zone, const struct block_request *request,
                                   struct buddy **buddy) __attribute__((warn_unused_result));

/* lookup.c: the zone whose span @pfn is in, or NULL. It may be gone as soon as this has answered,
 * unless the frame is in use. */
struct space *zone_of(struct potad *potad, pfn_t pfn);

/* Whether @pfn is in the span of @zone, and this is there. Context: its lock. */
static inline bool zone_has(const struct space *zone, pfn_t pfn)
{
    return zone->born != 0 && pfn - zone->start < zone->end - zone->start;
}

/* The zone whose span @pfn is in, locked, or NULL. */
struct space *zone_lock_of(struct potad *potad, pfn_t pfn);

/* The slab_source's find(). */
struct frame_entry block_of_slab(void *context, pfn_t pfn);

/* Finds the block that frame @pfn of the zone's span is in. Context: the zone's lock. Return: false
 * where it is in none: boot metadata, or a hole. */
bool block_find(const struct space *zone, pfn_t pfn, struct frame_entry *entry);

/* cpu_cache.c: an allocator without CPUs. */
void cpu_cache_init(struct potad *potad);

/* The number behind that of the last CPU that is online. Context: cpus_lock, or no other thread. */
uint32_t cpu_cache_end(const struct potad *potad);

/* Keeps the block of @buddy where the list that it would be on is full: half of that
 * list goes. Context: no lock. Return: whether it does. */
bool cpu_cache_make_room(struct potad *potad, struct buddy *buddy);

/* Whether a CPU keeps the block of @buddy. Context: between cpu_cache_stop() and _start(). */
bool cpu_cache_keeps(struct potad *potad, const struct buddy *buddy);

/* Marks all blocks that CPUs keep BUDDY_CACHED, or none: for potad_validate(). Context: no other
 * thread is inside the allocator. */
void cpu_cache_mark(struct potad *potad, bool kept);

/* cpu_cache.c: fills the list that @block would come from, and takes a block from it. Context: no
 * lock, in no transaction. Return: NULL where it cannot. */
struct buddy *cpu_cache_refill(struct potad *potad, const struct block_request *block);

/* Gives the lists of CPUs that are online, and the depot where these are several, arrays for blocks
 * of @zone, as far as there is memory. Context: no lock, in no transaction. */
void cpu_cache_extend(struct potad *potad, zone_id_t zone);

/* Frees all blocks that CPUs keep. Never allocates. Context: no lock. Return: whether there was
 * anything. */
bool cpu_cache_drain(struct potad *potad);

/* The same for a call that finds no memory. Descriptors that this leaves over are in the call's
 * hand until it ends: did they go back now, older slabs could go for what is in younger ones, which
 * the call must give back where it fails (F1). Return: whether there was anything since the call
 * had drained *@seen times, which it brings up to date: a call nested in it may have freed what
 * helps this one. */
bool cpu_cache_reclaim(struct potad *potad, struct alloc_context alloc, uint32_t *seen);

/* Has nobody inside any CPU's lists until cpu_cache_start(). Context: no lock. */
void cpu_cache_stop(struct potad *potad);
void cpu_cache_start(struct potad *potad);

/* cpu_objects.c: gives @cache, a new one of a user, magazines where it may have some. */
void cpu_objects_number(struct potad *potad, struct kmem_cache *cache);

/* Ends that. Context: no CPU keeps objects of @cache. */
void cpu_objects_unnumber(struct potad *potad, struct kmem_cache *cache);

/* Makes all magazines of @keeper empty ones. */
void cpu_objects_init(struct cpu_cache *keeper);

/* Puts all objects that @keeper keeps back into their slabs; those that are empty now, off all
 * lists, go to @empty. Context: cpus_lock; nobody is inside. Return: how many objects. */
uint64_t cpu_objects_empty(struct potad *potad, struct cpu_cache *keeper, struct list_head *empty);

/* cpu_objects.c: puts all of @chain back into the slabs of @cache; what that frees goes to
 * @released. Never allocates. Context: no lock. */
void cpu_objects_put(struct potad *potad, struct kmem_cache *cache, struct object_chain *chain,
                     struct buddy_stash *released);

/* Gives the slabs of @empty back. Never allocates. Context: no lock. */
void slabs_give_back(struct potad *potad, struct list_head *empty, struct buddy_stash *released);

/* Puts all objects of @cache that CPUs keep back into their slabs. Never allocates. Context: no
 * lock. */
void cpu_objects_drain(struct potad *potad, struct kmem_cache *cache, struct buddy_stash *released);

/* Fills a magazine of this CPU from slabs of @cache that there are, and takes an object. Never
 * allocates. Context: no lock. Return: NULL where it cannot. */
void *cpu_objects_refill(struct potad *potad, struct kmem_cache *cache);

/* Checks I18. Marks objects in their slabs meanwhile. Context: no other thread is inside the
 * allocator. */
bool cpu_objects_validate(struct potad *potad, struct violation *violation);

/* memdesc_ref.c: whether descriptors of @type have references of others than the owner. */
static inline bool memdesc_is_shared(const struct potad *potad, enum memdesc_type type)
{
    return memdesc_type_is_owner(type) &&
           (atomic_word_acquire(&potad->released) >> (unsigned)type & 1) != 0;
}

/* Keeps others from getting references to @descriptor while its block is moved. Return: false where
 * others have some. */
static inline bool memdesc_freeze(struct memdesc *descriptor)
{
    return atomic_flags_change(&descriptor->flags, MEMDESC_REFS, MEMDESC_REF, 0);
}

static inline void memdesc_thaw(struct memdesc *descriptor)
{
    bool thawed = atomic_flags_change(&descriptor->flags, MEMDESC_REFS, 0, MEMDESC_REF);
    ASSERT(thawed);
}

/* memory_failure.c: an allocator without failures and without owners to tell. */
void memory_failure_init(struct potad *potad);

/* Gives back one record that a free has used up, and what that frees to @released.
 * Return: whether there was one. Context: no lock. */
bool poison_release(struct potad *potad, struct buddy_stash *released);

/* contig.c: a call of alloc_contig() while it works. */
struct contig_call {
    struct potad *potad;
    struct alloc_context alloc;
    struct block_request block; /* zones and reserve as asked; order is not used */
    struct contig_goal goal;
    enum migratetype migratetype; /* of the run */
    struct buddy_stash stash;     /* descriptors in hand */
    struct contig *contig;        /* the result */
};

/* Allocates descriptors until as many as @cut takes are in hand. Context: no lock. */
bool contig_gather(struct contig_call *call, struct contig_cut cut)
    __attribute__((warn_unused_result));

/* contig_migrate.c: makes a run of CMA memory of @zone free by having the owners of its movable
 * blocks move them away, and takes it. Context: no lock. Return: OK; NO_MEMORY, with all as it
 * was. */
enum status contig_move_out(struct contig_call *call, struct space *zone, enum watermark watermark)
    __attribute__((warn_unused_result));

/* compact.c: makes a block for @block, and takes it, as block_alloc() does; nobody else can have it
 * between. Bounded. Context: no lock, in no transaction. Return: OK; NO_MEMORY, with all as it was.
 */
enum status compact_alloc(struct potad *potad, const struct block_request *block, memdesc_t owner,
                          struct buddy **buddy) __attribute__((warn_unused_result));

/* boot.c: whether a zone of @config can be. */
bool zone_config_is_valid(const struct zone_config *config);

/* Whether @range can be, behind @last, the one before it, or NULL. */
bool range_is_valid(const struct range *range, const struct range *last);

/* Makes @zone what @config says. */
void zone_configure(struct space *zone, const struct zone_config *config, order_t pageblock_order);

/* map_nodes.c: nodes for a zone of @blocks blocks at boot. */
uint64_t map_nodes_boot(const struct space *zone, uint64_t blocks);

/* Nodes that the record of a failure keeps for the free of its block, which may be cut @count
 * times, when the tree may be as high as one that all frames of @zone are stored in one by one.
 * Context: the zone's lock. */
uint64_t map_nodes_record(const struct space *zone, unsigned count);

/* Takes nodes until @zone's tree has as many spare ones as any cut takes, or any record. Return:
 * whether it has. Context: no lock. */
bool map_nodes_take(struct potad *potad, struct alloc_context alloc, struct space *zone)
    __attribute__((warn_unused_result));

/* Whether a cut that takes @nodes may go ahead; if not, notes that. Context: the zone's lock. */
bool map_nodes_ready(struct alloc_context alloc, struct space *zone, uint64_t nodes);

/* Where a cut did not go ahead for want of nodes, allocates some. Return: whether the call should
 * be tried again. Context: no lock; all that the call had is given back. */
bool map_nodes_fill(struct potad *potad, struct alloc_context alloc);

/* Whether @request looks no further until nodes are allocated that a cut has lacked. */
static inline bool request_waits(struct alloc_context alloc, const struct block_request *request)
{
    return request->patient && alloc.transaction->nodes_short != 0;
}

/* Whether the call for @request, which has failed, should be tried again: nodes have been
 * allocated, or cannot be, so that it is patient no more. Context: as map_nodes_fill(). */
bool request_again(struct potad *potad, struct alloc_context alloc, struct block_request *request);

/* Gives nodes of slabs made after @generation back, and moves what is in them to others, as far as
 * these go. Where @reserve, as many stay as the next cut needs; a call that undoes its steps leaves
 * what it found, be that less. Context: no lock. Never allocates. Return: how many. */
uint64_t map_nodes_leave(struct potad *potad, uint64_t generation, bool reserve,
                         struct buddy_stash *released);

/* Gives back spare nodes where there are many. Context: no lock. Never allocates. */
void map_nodes_trim(struct potad *potad, struct buddy_stash *released);

/* The zones that may hold metadata, as bits. */
static inline uint32_t zones_for_metadata(const struct potad *potad)
{
    return (uint32_t)(atomic_word_acquire(&potad->index.classes) >> ZONES_HOMES & 0xff);
}

/* Gives nodes that are no zone's any more back to their slabs. */
void map_nodes_put(struct potad *potad, struct epoch_list *nodes, struct buddy_stash *released);

/* Address of frame @pfn. */
static inline unsigned char *pfn_address(const struct potad *potad, pfn_t pfn)
{
    /* As a number: where frame 0 does not exist, direct_map points to nothing. */
    return (unsigned char *)((uintptr_t)potad->port.direct_map + (pfn << FRAME_SHIFT));
}

/* The frame that @address lies in. */
static inline pfn_t address_pfn(const struct potad *potad, const void *address)
{
    return ((uintptr_t)address - (uintptr_t)potad->port.direct_map) >> FRAME_SHIFT;
}

/* Whether the step at @site is to fail. */
static inline bool port_fault(const struct potad *potad, enum fault_site site)
{
    return potad->port.fault != NULL && potad->port.fault(potad->port.context, site);
}

static inline void port_window(const struct potad *potad, enum window window)
{
    lock_check_call("port.window");
    if (potad->port.window != NULL) {
        potad->port.window(potad->port.context, window);
    }
}

/* slab_page.c: the slab_source of all caches. */
bool slab_page_make(void *context, struct kmem_cache *cache, struct alloc_context alloc,
                    struct slab **slab);
void slab_page_give_back(void *context, struct slab *slab, struct buddy_stash *released);

/* kmem.c: what a cache is to be. */
struct cache_request {
    const char *name;
    uint64_t size;
    uint64_t align;
    enum fault_site site;
    uint32_t zones; /* as in struct kmem_cache */
};

/* kmem_cache_create() as a part of a larger call. */
enum status cache_make(struct potad *potad, struct alloc_context alloc,
                       const struct cache_request *request, struct kmem_cache **cache)
    __attribute__((warn_unused_result));

/* Ends @cache, which has no objects; what that frees goes to @released. Never allocates. */
void cache_discard(struct potad *potad, struct kmem_cache *cache, struct buddy_stash *released);

/* kmem_cache_take(), again where it was for want of tree nodes that it failed. */
bool cache_take(struct potad *potad, struct alloc_context alloc, struct kmem_cache *cache,
                uint64_t count, void **objects) __attribute__((warn_unused_result));

/* Puts one object back; what that frees goes to @released. Never allocates. */
void cache_put(struct potad *potad, struct kmem_cache *cache, void *object,
               struct buddy_stash *released);

/* retire.c: puts all of @released back into their slabs, and gives back those that are empty now.
 * Where a slab describes nothing but free blocks and slabs, tries to retire it. */
void retire_put(struct potad *potad, struct buddy_stash *released);

/* Retires one slab of struct buddys made after @generation, if any can be: its free blocks' and
 * slabs' descriptors move into slots of other slabs, or into descriptors of @released. Return:
 * whether one was. */
bool retire_one(struct potad *potad, uint64_t generation, struct buddy_stash *released);

#endif
