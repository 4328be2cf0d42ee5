/* SPDX-License-Identifier: MIT
 *
 * page_alloc.c: blocks with descriptors: what a later free needs is in hand before anything
 * changes (requirements A3, A4).
 */
#include "core/page_alloc.h"

struct alloc_context transaction_begin(struct potad *potad, struct alloc_transaction *transaction)
{
    buddy_stash_init(&transaction->pending);
    transaction->nodes_short = 0;
    transaction->fills = 0;
    transaction->drains = 0;
    transaction->put_back = 0;
    transaction->generation = atomic_word_peek(&potad->slab_generation);
    transaction->in_hand = atomic_word_acquire(&potad->in_hand);
    return (struct alloc_context){.transaction = transaction, .depth = 1};
}

void transaction_commit(struct potad *potad, struct alloc_transaction *transaction)
{
    descriptors_release(potad, &transaction->pending);
}

/* Puts the descriptors that come from slabs younger than @generation back, so that those slabs
 * are left with the descriptors of blocks alone; with @generation 0, puts all back. */
static void put_younger(struct potad *potad, uint64_t generation, struct buddy_stash *pending)
{
    struct buddy_stash older;
    buddy_stash_init(&older);
    while (pending->count > 0) {
        struct buddy *buddy = buddy_stash_take(pending);
        bool boot = buddy_is(buddy, BUDDY_BOOT);
        struct slab *slab = boot ? NULL : slab_of(&potad->source, buddy);
        if (boot || slab->generation <= generation) {
            buddy_stash_put(&older, buddy);
        } else if (kmem_cache_put(&potad->cache_buddy, slab, buddy) != NULL) {
            slab_page_give_back(potad, slab, pending);
        }
    }
    buddy_stash_move(&older, pending);
}

/* descriptors_release(), but surplus tree nodes go only where @trim says so. */
static void release(struct potad *potad, struct buddy_stash *released, bool trim)
{
    do {
        retire_put(potad, released);
        if (trim) {
            map_nodes_trim(potad, released);
        }
    } while (released->count > 0 || poison_release(potad, released));
}

void descriptors_release(struct potad *potad, struct buddy_stash *released)
{
    if (released->count == 0 && !atomic_word_peek(&potad->spent_any) &&
        !zones_have(potad, ZONES_HAVE_TREES)) {
        return;
    }
    release(potad, released, true);
}

void transaction_undo(struct potad *potad, struct alloc_transaction *transaction)
{
    uint64_t generation = transaction->generation;
    struct buddy_stash *pending = &transaction->pending;
    if (atomic_word_peek(&potad->slab_generation) != generation) {
        (void)map_nodes_leave(potad, generation, false, pending);
        /* The old descriptors stay in hand: blocks that new ones describe move over to them, as
         * it was before the call. */
        do {
            put_younger(potad, generation, pending);
        } while (retire_one(potad, generation, pending));
    }
    put_younger(potad, 0, pending);
    /* Surplus nodes were there before the call. */
    release(potad, pending, false);
    /* What was kept for cuts has kept slabs from being retired, and is back in them only now. */
    while (transaction->drains > 0 && retire_one(potad, 0, pending)) {
        release(potad, pending, false);
    }
}

enum {
    RETRIES_MAX = 8,
    PATIENCE = 10000, /* looks; who waits may have the block in hand himself, further out */
    PUT_BACK_SHIFT = 32
};

void block_in_hand(struct potad *potad)
{
    (void)atomic_word_add(&potad->in_hand, 1);
}

void block_put_back(struct potad *potad, struct alloc_transaction *transaction)
{
    if (transaction != NULL) {
        transaction->put_back++;
    }
    (void)atomic_word_add(&potad->in_hand, ((uint64_t)1 << PUT_BACK_SHIFT) - 1);
}

void block_not_in_hand(struct potad *potad)
{
    (void)atomic_word_add(&potad->in_hand, ~(uint64_t)0);
}

uint32_t blocks_in_hand(const struct potad *potad)
{
    return (uint32_t)atomic_word_acquire(&potad->in_hand);
}

bool transaction_retries(struct potad *potad, const struct alloc_transaction *transaction,
                         unsigned tried)
{
    if (transaction->drains > 0 && tried == 0) {
        return true;
    }
    uint64_t in_hand = atomic_word_acquire(&potad->in_hand);
    uint64_t own = (uint64_t)transaction->put_back << PUT_BACK_SHIFT;
    uint64_t due = transaction->in_hand - (uint32_t)transaction->in_hand + own;
    bool others = in_hand != due; /* have something, or have put something back */
    if (tried >= RETRIES_MAX || !others) {
        return false;
    }
    for (uint32_t i = 0; i < PATIENCE && (uint32_t)in_hand != 0; i++) {
        port_relax();
        in_hand = atomic_word_acquire(&potad->in_hand);
    }
    return true;
}

/* Fills @stash up to @count with what the call has let go. */
static void stash_take_pending(struct alloc_context alloc, struct buddy_stash *stash,
                               uint64_t count)
{
    struct buddy_stash *pending = &alloc.transaction->pending;
    while (stash->count < count && pending->count > 0) {
        buddy_stash_put(stash, buddy_stash_take(pending));
    }
}

bool stash_fill(struct potad *potad, struct alloc_context alloc, struct buddy_stash *stash,
                uint64_t count)
{
    void *objects[ORDERS];
    stash_take_pending(alloc, stash, count);
    alloc.depth++;
    while (stash->count < count) {
        uint64_t missing = count - stash->count;
        missing = missing < ORDERS ? missing : ORDERS;
        if (!kmem_cache_take(&potad->cache_buddy, alloc, missing, objects)) {
            /* Zones may have kept some. */
            stash_take_pending(alloc, stash, count);
            return stash->count >= count;
        }
        for (uint64_t i = 0; i < missing; i++) {
            struct buddy *buddy = objects[i];
            buddy_reset(buddy);
            buddy_stash_put(stash, buddy);
        }
    }
    return true;
}

bool frames_accept(struct potad *potad, struct space *zone, pfn_t pfn, uint64_t frames,
                   struct alloc_transaction *transaction)
{
    block_in_hand(potad);
    spinlock_unlock(&zone->lock);
    port_window(potad, WINDOW_BEFORE_ACCEPT);
    lock_check_call("port.accept");
    bool accepted =
        !port_fault(potad, FAULT_ACCEPT) && potad->port.accept(potad->port.context, pfn, frames);
    spinlock_lock(&zone->lock);
    block_put_back(potad, transaction);
    return accepted;
}

bool block_accept(struct potad *potad, struct space *zone, struct buddy *buddy, uint64_t frames,
                  struct alloc_transaction *transaction)
{
    /* No longer free for others who look from the buddy's side. */
    space_set_word(zone, buddy, memdesc_make(buddy, MEMDESC_BUDDY_ALLOCATED));
    bool accepted = frames_accept(potad, zone, buddy->pfn, frames, transaction);
    if (!accepted) {
        space_free(zone, buddy, NULL, &transaction->pending);
    }
    return accepted;
}

void block_give(struct space *zone, struct buddy *buddy, enum migratetype migratetype,
                memdesc_t owner)
{
    buddy_set_accepted(buddy);
    buddy->head.migratetype = (uint8_t)migratetype;
    if (owner == 0) {
        owner = memdesc_make(buddy, MEMDESC_BUDDY_ALLOCATED);
    } else {
        buddy_describe(buddy, memdesc_head(owner));
        memdesc_head(owner)->flawed = false;
        if (memdesc_type_is_owner(memdesc_type(owner))) {
            /* The owner's own reference. Nobody else looks at it until the word leads to it. */
            atomic_flags_poke(&memdesc_head(owner)->flags, MEMDESC_REF);
        }
        buddy_set_use(buddy, BUDDY_OWNED, true);
    }
    /* The word first: with the state, the blocks beside it may go to other lists. */
    space_set_word(zone, buddy, owner);
    space_set_state(zone, buddy, BUDDY_ALLOCATED);
}

bool zone_may_give(const struct space *zone, const struct block_request *request,
                   enum watermark watermark, uint64_t frames)
{
    uint64_t keep = zone_watermark(zone, request->reserve ? WATERMARK_NONE : watermark);
    if (keep == 0) {
        /* Most zones: the count of CMA frames is not to cost them a cache line (requirement B1). */
        return true;
    }
    uint64_t free = space_free_frames(zone, request->migratetype);
    return free >= keep && free - keep >= frames;
}

/* Where a block is looked for. */
struct block_place {
    struct space *zone;
    enum watermark watermark;
    bool unaccepted;
    bool cheap; /* take what needs the fewest descriptors */
};

/* The block to cut @request's from, or NULL where there is none, or where the zone keeps what is
 * left for others. Context: the zone's lock. */
static struct buddy *block_pick(const struct block_place *place,
                                const struct block_request *request)
{
    const struct space *zone = place->zone;
    order_t order = request->order;
    if (!zone_serves(zone, request)) {
        return NULL;
    }
    if (!zone_may_give(zone, request, place->watermark, order_frames(order))) {
        return NULL;
    }
    struct buddy *buddy = NULL;
    if (place->unaccepted) {
        buddy = space_smallest(zone, AREA_UNACCEPTED, order);
    } else if (place->cheap || request->whole) {
        buddy = space_pick_smallest(zone, order, request->migratetype);
    } else {
        buddy = space_pick(zone, order, request->migratetype);
    }
    bool fits = buddy != NULL && (!request->whole || buddy_order(buddy) == order);
    return fits ? buddy : NULL;
}

/* Takes a block to cut @request's from off its list, with the descriptors for the cut in @stash.
 * While these are allocated, the block is held, so that it does not itself become a slab; only
 * where nothing else can, it is let go, and what the slab leaves of it is looked at again.
 * Context: the zone's lock, let go meanwhile. Return: the block, detached, or NULL. */
static struct buddy *block_take(struct potad *potad, struct alloc_context alloc,
                                const struct block_place *place,
                                const struct block_request *request, struct buddy_stash *stash)
{
    struct space *zone = place->zone;
    for (;;) {
        struct buddy *buddy = block_pick(place, request);
        if (buddy == NULL) {
            zone_note_change(potad, zone, request);
            return NULL;
        }
        order_t need = buddy_order(buddy) - request->order;
        space_detach(zone, buddy);
        uint64_t nodes = space_cut_nodes(zone, need);
        if (!map_nodes_ready(alloc, zone, nodes)) {
            space_free(zone, buddy, NULL, &alloc.transaction->pending);
            return NULL;
        }
        zone_spare_take(zone, stash, need);
        if (stash->count >= need) {
            return buddy;
        }
        space_set_word(zone, buddy, memdesc_make(buddy, MEMDESC_BUDDY_ALLOCATED));
        block_in_hand(potad);
        spinlock_unlock(&zone->lock);
        bool filled = stash_fill(potad, alloc, stash, need);
        spinlock_lock(&zone->lock);
        /* Or it will be, before the zone is unlocked. */
        block_put_back(potad, alloc.transaction);
        /* Others may have used the nodes meanwhile. */
        bool ready = map_nodes_ready(alloc, zone, space_cut_nodes(zone, need));
        if (filled && ready) {
            return buddy;
        }
        space_free(zone, buddy, NULL, &alloc.transaction->pending);
        spinlock_unlock(&zone->lock);
        core_event(potad, CORE_EVENT_LET_GO);
        filled = ready && stash_fill(potad, alloc, stash, need);
        spinlock_lock(&zone->lock);
        if (!filled) {
            return NULL;
        }
    }
}

static enum status block_alloc_from(struct potad *potad, struct alloc_context alloc,
                                    const struct block_place *place,
                                    const struct block_request *request, memdesc_t owner,
                                    struct buddy **result)
{
    struct buddy_stash stash;
    struct buddy_stash *pending = &alloc.transaction->pending;
    struct space *zone = place->zone;
    enum status status = STATUS_NO_MEMORY;
    buddy_stash_init(&stash);
    spinlock_lock(&zone->lock);
    struct buddy *buddy = block_take(potad, alloc, place, request, &stash);
    if (buddy == NULL && !place->unaccepted) {
        /* What is best to cut may take more descriptors than there are. */
        struct block_place cheap = *place;
        cheap.cheap = true;
        buddy = block_take(potad, alloc, &cheap, request, &stash);
    }
    if (buddy != NULL) {
        buddy = space_split_detached(zone, buddy, request->order, &stash);
        uint64_t frames = order_frames(request->order);
        bool accepted =
            !place->unaccepted || block_accept(potad, zone, buddy, frames, alloc.transaction);
        status = accepted ? STATUS_OK : STATUS_ACCEPT_FAILED;
    }
    if (status == STATUS_OK) {
        block_give(zone, buddy, request->migratetype, owner);
        *result = buddy;
    }
    spinlock_unlock(&zone->lock);
    buddy_stash_move(&stash, pending);
    return status;
}

enum status block_alloc_unaccepted(struct potad *potad, struct alloc_context alloc,
                                   struct space *zone, const struct block_request *request,
                                   struct buddy **buddy)
{
    struct block_place place = {.zone = zone, .watermark = WATERMARK_NONE, .unaccepted = true};
    return block_alloc_from(potad, alloc, &place, request, 0, buddy);
}

/* Tries all zones that will do, with @watermark: first what is accepted, zone by zone. */
static enum status block_alloc_above(struct potad *potad, struct alloc_context alloc,
                                     const struct block_request *request, memdesc_t owner,
                                     enum watermark watermark, struct buddy **buddy)
{
    enum status status = STATUS_NO_MEMORY;
    uint64_t list = atomic_word_acquire(&potad->index.lists[request->node]);
    zone_id_t id;
    while (zonelist_next(&list, &id)) {
        for (unsigned unaccepted = 0; unaccepted < 2 && (request->zones >> id & 1) != 0;
             unaccepted++) {
            struct block_place place = {
                .zone = &potad->zones[id],
                .watermark = watermark,
                .unaccepted = unaccepted != 0,
            };
            enum status tried = block_alloc_from(potad, alloc, &place, request, owner, buddy);
            if (tried == STATUS_OK) {
                return STATUS_OK;
            }
            status = tried == STATUS_ACCEPT_FAILED ? tried : status;
            if (request_waits(alloc, request)) {
                return status;
            }
        }
    }
    return status;
}

enum status block_alloc(struct potad *potad, struct alloc_context alloc,
                        const struct block_request *request, memdesc_t owner, struct buddy **buddy)
{
    uint32_t drains = alloc.transaction->drains;
    alloc.depth++;
    /* While zones have enough, none is drawn upon that has not. */
    bool twice = zones_have(potad, ZONES_HAVE_WATERMARKS) && !request->reserve;
    enum status status = STATUS_NO_MEMORY;
    if (twice) {
        status = block_alloc_above(potad, alloc, request, owner, WATERMARK_LOW, buddy);
    }
    if (status != STATUS_OK && !request_waits(alloc, request)) {
        status = block_alloc_above(potad, alloc, request, owner, WATERMARK_MIN, buddy);
    }
    if (status != STATUS_OK && cpu_cache_reclaim(potad, alloc, &drains)) {
        status = block_alloc_above(potad, alloc, request, owner, WATERMARK_MIN, buddy);
    }
    return status;
}

bool request_resolve(const struct potad *potad, const struct page_request *request,
                     struct block_request *block)
{
    bool any = request->zone == ZONE_ANY;
    if (request->order >= ORDERS || (uint32_t)request->migratetype >= MIGRATETYPES ||
        request->node >= NODES_MAX || (uint32_t)request->below > ZONE_CLASSES ||
        (!any && request->zone >= ZONES_MAX)) {
        return false;
    }
    uint64_t as_of = atomic_word_acquire(&potad->index.births);
    uint32_t zones = zonelist_filter(potad, request->below, request->migratetype);
    *block = (struct block_request){
        .order = request->order,
        .zones = any ? zones : zones & 1U << request->zone,
        .as_of = as_of,
        .node = request->node,
        .migratetype = request->migratetype,
        .reserve = request->reserve,
    };
    return any || block->zones != 0;
}

/* Allocates what is asked for, or leaves all as it was: then *@retries says whether to try it
 * again, having done so @tried times. */
static enum status block_request_once(struct potad *potad, const struct block_request *block,
                                      memdesc_t owner, struct buddy **buddy, unsigned tried,
                                      bool *retries)
{
    struct alloc_transaction transaction;
    struct alloc_context alloc = transaction_begin(potad, &transaction);
    struct block_request request = *block;
    enum status status;
    request.patient = true;
    do {
        status = block_alloc(potad, alloc, &request, owner, buddy);
    } while (status != STATUS_OK && request_again(potad, alloc, &request));
    *retries = false;
    if (status == STATUS_OK) {
        transaction_commit(potad, &transaction);
    } else {
        transaction_undo(potad, &transaction);
        *retries = status == STATUS_NO_MEMORY && transaction_retries(potad, &transaction, tried);
    }
    return status;
}

static enum status block_request_try(struct potad *potad, const struct block_request *block,
                                     memdesc_t owner, struct buddy **buddy)
{
    enum status status;
    bool retries;
    unsigned tried = 0;
    do {
        status = block_request_once(potad, block, owner, buddy, tried++, &retries);
    } while (retries);
    return status;
}

/* What block_alloc() would do first, where that is simple: no zone keeps memory for others, or
 * needs nodes, and the first one has what it takes, descriptors too. Return: NULL where it is not.
 */
static struct buddy *block_alloc_simply(struct potad *potad, const struct block_request *request,
                                        memdesc_t owner)
{
    uint64_t list = atomic_word_acquire(&potad->index.lists[request->node]);
    zone_id_t id;
    if (zones_have(potad, ZONES_HAVE_WATERMARKS | ZONES_HAVE_TREES)) {
        return NULL;
    }
    do {
        if (!zonelist_next(&list, &id)) {
            return NULL;
        }
    } while ((request->zones >> id & 1) == 0);
    struct space *zone = &potad->zones[id];
    spinlock_lock(&zone->lock);
    struct buddy *buddy =
        zone_serves(zone, request) ? space_pick(zone, request->order, request->migratetype) : NULL;
    if (buddy != NULL && (uint64_t)(buddy_order(buddy) - request->order) <= zone->spare.count) {
        space_detach(zone, buddy);
        buddy = space_split_detached(zone, buddy, request->order, &zone->spare);
        block_give(zone, buddy, request->migratetype, owner);
    } else {
        buddy = NULL;
    }
    spinlock_unlock(&zone->lock);
    return buddy;
}

static enum status request_alloc(struct potad *potad, const struct page_request *request,
                                 memdesc_t owner, struct buddy **buddy)
{
    struct block_request block;
    if (!request_resolve(potad, request, &block)) {
        return STATUS_INVALID;
    }
    bool small = owner == 0 && block.order < CPU_ORDERS;
    struct buddy *cached = small ? cpu_cache_refill(potad, &block) : NULL;
    if (cached != NULL) {
        *buddy = cached;
        zone_accept_ahead(potad, &potad->zones[cached->head.zone]);
        return STATUS_OK;
    }
    struct buddy *simple = block_alloc_simply(potad, &block, owner);
    if (simple != NULL) {
        *buddy = simple;
        return STATUS_OK;
    }
    enum status status = block_request_try(potad, &block, owner, buddy);
    if (status == STATUS_NO_MEMORY) {
        /* Slabs for cutting a block of one zone may have taken the whole block of another. */
        block.whole = true;
        status = block_request_try(potad, &block, owner, buddy);
        block.whole = false;
    }
    if (status == STATUS_NO_MEMORY && request->compact) {
        status = compact_alloc(potad, &block, owner, buddy);
    }
    if (status == STATUS_OK) {
        zone_accept_ahead(potad, &potad->zones[(*buddy)->head.zone]);
    }
    return status;
}

enum status alloc_pages_slow(struct potad *potad, struct page_request request, struct buddy **buddy)
{
    return request_alloc(potad, &request, 0, buddy);
}

enum status alloc_pages_desc(struct potad *potad, const struct page_request *request,
                             struct memdesc *descriptor, enum memdesc_type type,
                             struct buddy **buddy)
{
    bool aligned = ((uintptr_t)descriptor & (MEMDESC_ALIGN - 1)) == 0;
    if (!aligned || descriptor == NULL || !memdesc_type_is_owner(type)) {
        return STATUS_INVALID;
    }
    return request_alloc(potad, request, memdesc_make(descriptor, type), buddy);
}

void block_free(struct potad *potad, struct space *zone, struct buddy *buddy, const void *avoid,
                struct buddy_stash *released)
{
    if (buddy_state(buddy) == BUDDY_ALLOCATED && !buddy_is(buddy, BUDDY_TOLD_MASK)) {
        /* Its word leads to it. */
        buddy_set_use(buddy, BUDDY_CACHED, false);
        space_free(zone, buddy, avoid, released);
        return;
    }
    memdesc_t word = block_map_read(&zone->map, buddy->pfn);
    struct memdesc *head = memdesc_head(word);
    /* Who has a reference would be left with a block that is not there. */
    ASSERT(!memdesc_is_shared(potad, memdesc_type(word)) ||
           (atomic_flags_peek(&head->flags) & MEMDESC_REFS) == 0);
    buddy_set_use(buddy, BUDDY_USE_MASK, false);
    if (!head->flawed) {
        space_free(zone, buddy, avoid, released);
        return;
    }
    head->flawed = false;
    spinlock_lock(&potad->spent_lock);
    space_free_flawed(zone, buddy, &potad->spent, released);
    atomic_word_poke(&potad->spent_any, true);
    spinlock_unlock(&potad->spent_lock);
}

void free_pages_slow(struct potad *potad, struct buddy *buddy)
{
    struct buddy_stash released;
    struct space *zone = &potad->zones[buddy->head.zone];
    if (cpu_cache_make_room(potad, buddy)) {
        return;
    }
    buddy_stash_init(&released);
    spinlock_lock(&zone->lock);
    ASSERT(buddy_state(buddy) == BUDDY_ALLOCATED);
    ASSERT(!buddy_is(buddy, BUDDY_CACHED)); /* a double free else */
    block_free(potad, zone, buddy, NULL, &zone->spare);
    zone_spare_trim(potad, zone, &released);
    spinlock_unlock(&zone->lock);
    descriptors_release(potad, &released);
}

/* Has in hand what @halvings in @zone need. Context: no lock. Return: whether it has: then the
 * zone is locked. */
static bool split_prepare(struct potad *potad, struct alloc_context alloc, struct space *zone,
                          order_t halvings, struct buddy_stash *stash)
{
    do {
        if (!stash_fill(potad, alloc, stash, halvings)) {
            continue;
        }
        spinlock_lock(&zone->lock);
        if (map_nodes_ready(alloc, zone, space_cut_nodes(zone, halvings))) {
            return true;
        }
        spinlock_unlock(&zone->lock);
    } while (map_nodes_fill(potad, alloc));
    return false;
}

/* Splits as split_pages(), or leaves all as it was: then *@retries says whether to try it again,
 * having done so @tried times. */
static enum status split_once(struct potad *potad, struct buddy *buddy, order_t order,
                              struct buddy **parts, unsigned tried, bool *retries)
{
    struct alloc_transaction transaction;
    struct buddy_stash stash;
    struct space *zone = &potad->zones[buddy->head.zone];
    struct alloc_context alloc = transaction_begin(potad, &transaction);
    order_t last = buddy_order(buddy) - order;
    *retries = false;
    buddy_stash_init(&stash);
    if (!split_prepare(potad, alloc, zone, last, &stash)) {
        buddy_stash_move(&stash, &transaction.pending);
        transaction_undo(potad, &transaction);
        *retries = transaction_retries(potad, &transaction, tried);
        return STATUS_NO_MEMORY;
    }
    bool flawed = buddy->head.flawed;
    space_split_allocated(zone, buddy, order, &stash, parts);
    for (order_t i = 0; flawed && i <= last; i++) {
        space_settle_flaws(zone, parts[i], &transaction.pending);
    }
    spinlock_unlock(&zone->lock);
    transaction_commit(potad, &transaction);
    return STATUS_OK;
}

enum status split_pages(struct potad *potad, struct buddy *buddy, order_t order,
                        struct buddy **parts)
{
    struct space *zone = &potad->zones[buddy->head.zone];
    memdesc_t plain = memdesc_make(buddy, MEMDESC_BUDDY_ALLOCATED);
    spinlock_lock(&zone->lock);
    bool is_plain = block_map_read(&zone->map, buddy->pfn) == plain;
    spinlock_unlock(&zone->lock);
    if (order >= buddy_order(buddy) || !is_plain) {
        return STATUS_INVALID;
    }
    enum status status;
    bool retries;
    unsigned tried = 0;
    do {
        status = split_once(potad, buddy, order, parts, tried++, &retries);
    } while (retries);
    return status;
}
