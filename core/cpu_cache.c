/* SPDX-License-Identifier: MIT */
#include "core/page_alloc.h"

static struct cpu_cache *cache_of(const struct potad *potad, uint32_t cpu)
{
    return (struct cpu_cache *)(uintptr_t)atomic_word_acquire(&potad->cpus[cpu]);
}

void cpu_cache_turn_away(struct potad *potad, uint32_t cpu)
{
    if (cache_of(potad, cpu) != NULL) {
        core_event(potad, CORE_EVENT_OWNER_MET);
    }
    cpu_cache_leave(potad, cpu);
}

/* Keeps descriptors of @released for the next cuts, as far as there is room. */
static void spare_give(struct potad *potad, struct buddy_stash *released)
{
    struct buddy_stash boot;
    uint32_t cpu;
    struct cpu_cache *cache = cpu_cache_enter(potad, &cpu);
    if (cache == NULL) {
        return;
    }
    buddy_stash_init(&boot);
    while (released->count > 0 && cache->spare.count < CPU_SPARE) {
        struct buddy *buddy = buddy_stash_take(released);
        buddy_stash_put(buddy_is(buddy, BUDDY_BOOT) ? &boot : &cache->spare, buddy);
    }
    cpu_cache_leave(potad, cpu);
    buddy_stash_move(&boot, released);
}

/* Takes up to @count of them. */
static void spare_take(struct potad *potad, struct buddy_stash *stash, uint64_t count)
{
    uint32_t cpu;
    struct cpu_cache *cache = cpu_cache_enter(potad, &cpu);
    if (cache == NULL) {
        return;
    }
    while (stash->count < count && cache->spare.count > 0) {
        struct buddy *buddy = buddy_stash_take(&cache->spare);
        buddy_reset(buddy);
        buddy_stash_put(stash, buddy);
    }
    cpu_cache_leave(potad, cpu);
}

/* Frees all blocks of the chain, all of @zone, which no CPU keeps any more; what that leaves over
 * goes to @released. Context: no lock. */
static void chain_free(struct potad *potad, struct space *zone, struct list_head *chain,
                       struct buddy_stash *released)
{
    spinlock_lock(&zone->lock);
    while (chain != NULL) {
        struct buddy *buddy = buddy_of_link(chain_pop(&chain));
        block_free(potad, zone, buddy, NULL, released);
    }
    spinlock_unlock(&zone->lock);
}

void cpu_cache_give_back(struct potad *potad, struct list_head *chain)
{
    struct buddy_stash released;
    buddy_stash_init(&released);
    core_event(potad, CORE_EVENT_FULL);
    chain_free(potad, &potad->zones[buddy_of_link(chain)->head.zone], chain, &released);
    spare_give(potad, &released);
    descriptors_release(potad, &released);
}

/* Takes blocks for @request off @zone, a batch of them, on @blocks by ascending address. Context:
 * in a transaction, no lock. */
static void batch_take(struct potad *potad, struct alloc_context alloc, struct space *zone,
                       const struct block_request *request, struct list_head *blocks)
{
    struct buddy_stash stash;
    order_t order = request->order;
    uint64_t need = 0;
    buddy_stash_init(&stash);
    do {
        spinlock_lock(&zone->lock);
        struct buddy *buddy = block_pick_accepted(zone, request, order_frames(SPACE_EVENLY));
        zone_note_change(potad, zone, request);
        order_t whole = buddy == NULL ? order : buddy_order(buddy);
        order_t part = whole < SPACE_EVENLY ? whole : (order_t)SPACE_EVENLY;
        bool ready = part > order;
        if (ready) {
            uint64_t cuts = order_frames(part - order) - 1;
            need = whole - part + cuts;
            ready = map_nodes_ready(alloc, zone,
                                    block_map_nodes(&zone->map, whole - part, 0) +
                                        block_map_nodes(&zone->map, (unsigned)cuts, 1));
        }
        if (ready && stash.count >= need) {
            space_detach(zone, buddy);
            buddy = space_split_detached(zone, buddy, part, &stash);
            space_split_evenly(zone, buddy, order, &stash, blocks);
            list_for_each (link, blocks) {
                struct buddy *block = buddy_of_link(link);
                block->head.migratetype = (uint8_t)request->migratetype;
                space_set_state(zone, block, BUDDY_ALLOCATED);
            }
        }
        spinlock_unlock(&zone->lock);
        need = ready && list_is_empty(blocks) ? need : 0;
        spare_take(potad, &stash, need);
    } while (need > 0 &&
             stash_fill(potad, alloc, &stash, (order_t)(need < ORDERS ? need : ORDERS - 1)) &&
             stash_fill(potad, alloc, &stash, (order_t)need));
    buddy_stash_move(&stash, &alloc.transaction->pending);
}

/* Frees what is left of @blocks, all of @zone. Context: no lock. */
static void batch_free(struct potad *potad, struct space *zone, struct list_head *blocks,
                       struct buddy_stash *released)
{
    spinlock_lock(&zone->lock);
    while (!list_is_empty(blocks)) {
        block_free(potad, zone, buddy_of_link(list_pop(blocks)), NULL, released);
    }
    spinlock_unlock(&zone->lock);
}

/* Where the blocks of a request come from that a list of this CPU would serve. */
struct refill {
    const struct block_request *block;
    zone_id_t zone; /* the first that will do */
};

/* Takes a block for @refill that this CPU keeps. Return: whether there is a CPU with lists. */
static bool refill_pop(struct potad *potad, const struct refill *refill, struct buddy **buddy)
{
    uint32_t cpu;
    struct cpu_cache *cache = cpu_cache_enter(potad, &cpu);
    *buddy = NULL;
    if (cache == NULL) {
        return false;
    }
    *buddy = cpu_list_take(
        cpu_list_of(cache, refill->zone, refill->block->migratetype, refill->block->order));
    if (*buddy != NULL) {
        buddy_set_use(*buddy, BUDDY_CACHED, false);
    }
    cpu_cache_leave(potad, cpu);
    return true;
}

/* Keeps @blocks, as far as there is room: another thread may have filled the list meanwhile. Blocks
 * a frame of which has failed since they were taken are left, too. */
static void refill_push(struct potad *potad, const struct refill *refill, struct list_head *blocks)
{
    const uint32_t plain = (uint32_t)BUDDY_USE_MASK | (uint32_t)BUDDY_STATE_MASK;
    order_t order = refill->block->order;
    uint32_t cpu;
    struct cpu_cache *cache = cpu_cache_enter(potad, &cpu);
    if (cache == NULL) {
        return;
    }
    struct cpu_list *list = cpu_list_of(cache, refill->zone, refill->block->migratetype, order);
    struct list_head *next;
    for (struct list_head *link = blocks->next; link != blocks; link = next) {
        struct buddy *buddy = buddy_of_link(link);
        next = link->next;
        /* memory_failure() has nobody inside when it marks a block. */
        bool keeps = (atomic_flags_peek(&buddy->head.flags) & plain) == (uint32_t)BUDDY_ALLOCATED;
        if (keeps && list->loaded.room > 0) {
            list_remove(link);
            buddy_set_use(buddy, BUDDY_CACHED, true);
            cpu_magazine_push(&list->loaded, buddy);
        }
    }
    cpu_cache_leave(potad, cpu);
}

struct buddy *cpu_cache_refill(struct potad *potad, const struct block_request *block)
{
    struct alloc_transaction transaction;
    struct list_head blocks;
    struct refill refill = {.block = block, .zone = ZONES_MAX};
    uint64_t zones = atomic_word_acquire(&potad->index.lists[block->node]);
    struct buddy *buddy = NULL;
    if (block->order >= CPU_ORDERS || potad->port.cpu_enter == NULL) {
        return NULL;
    }
    while (zonelist_next(&zones, &refill.zone) && (block->zones >> refill.zone & 1) == 0) {
    }
    /* Not all requests have looked there before: then what there is must not become more. */
    if (refill.zone >= ZONES_MAX || !refill_pop(potad, &refill, &buddy) || buddy != NULL) {
        return buddy;
    }
    list_init(&blocks);
    struct alloc_context alloc = transaction_begin(potad, &transaction);
    batch_take(potad, alloc, &potad->zones[refill.zone], block, &blocks);
    if (list_is_empty(&blocks)) {
        transaction_undo(potad, &transaction);
        return NULL;
    }
    core_event(potad, CORE_EVENT_REFILLED);
    port_window(potad, WINDOW_BATCH_TAKEN);
    struct buddy *first = buddy_of_link(list_pop(&blocks));
    refill_push(potad, &refill, &blocks);
    if (!list_is_empty(&blocks)) {
        batch_free(potad, &potad->zones[refill.zone], &blocks, &transaction.pending);
    }
    spare_give(potad, &transaction.pending);
    transaction_commit(potad, &transaction);
    return first;
}

/* All that a cache has held. */
struct held {
    struct list_head *chains[ZONES_MAX];
    struct buddy_stash spare;
};

static void held_init(struct held *held)
{
    for (zone_id_t zone = 0; zone < ZONES_MAX; zone++) {
        held->chains[zone] = NULL;
    }
    buddy_stash_init(&held->spare);
}

/* Moves all of @cache to @held. */
static void cache_empty(struct cpu_cache *cache, struct held *held)
{
    for (zone_id_t zone = 0; zone < ZONES_MAX; zone++) {
        struct cpu_list *lists = cpu_list_of(cache, zone, 0, 0);
        for (unsigned i = 0; i < (unsigned)CPU_TYPES * CPU_ORDERS; i++) {
            struct buddy *buddy;
            while ((buddy = cpu_list_take(&lists[i])) != NULL) {
                chain_push(&held->chains[zone], &buddy->list);
            }
        }
    }
    buddy_stash_move(&cache->spare, &held->spare);
}

/* Frees it; what that leaves over goes to @released. Return: whether there was anything. */
static bool held_free(struct potad *potad, struct held *held, struct buddy_stash *released)
{
    bool any = held->spare.count > 0;
    for (zone_id_t zone = 0; zone < ZONES_MAX; zone++) {
        if (held->chains[zone] != NULL) {
            chain_free(potad, &potad->zones[zone], held->chains[zone], released);
            any = true;
        }
    }
    buddy_stash_move(&held->spare, released);
    return any;
}

void cpu_cache_stop(struct potad *potad)
{
    bool any = false;
    if (potad->port.cpu_enter == NULL) {
        return;
    }
    spinlock_lock(&potad->cpus_lock);
    for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
        struct cpu_cache *cache = cache_of(potad, cpu);
        if (cache != NULL) {
            atomic_word_clear_ordered(&potad->cpu_slots[cpu].cache);
            any = true;
        }
    }
    if (any && potad->port.cpu_barrier != NULL) {
        potad->port.cpu_barrier(potad->port.context);
    }
    for (uint32_t cpu = 0; any && cpu < CPUS_MAX; cpu++) {
        const atomic_flags_t *inside = &potad->cpu_slots[cpu].inside;
        if (cache_of(potad, cpu) != NULL && atomic_flags_load_ordered(inside) != 0) {
            core_event(potad, CORE_EVENT_CLAIM_MET);
            do {
                port_relax();
            } while (atomic_flags_acquire(inside) != 0);
        }
    }
}

void cpu_cache_start(struct potad *potad)
{
    if (potad->port.cpu_enter == NULL) {
        return;
    }
    for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
        /* 0 again for those that are offline. */
        atomic_word_release(&potad->cpu_slots[cpu].cache, atomic_word_peek(&potad->cpus[cpu]));
    }
    spinlock_unlock(&potad->cpus_lock);
}

/* cpu_cache_drain(), but what it leaves over goes to @released. */
static bool drain(struct potad *potad, struct buddy_stash *released)
{
    struct held held;
    if (potad->port.cpu_enter == NULL) {
        return false;
    }
    held_init(&held);
    cpu_cache_stop(potad);
    for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
        struct cpu_cache *cache = cache_of(potad, cpu);
        if (cache != NULL) {
            cache_empty(cache, &held);
        }
    }
    cpu_cache_start(potad);
    return held_free(potad, &held, released);
}

bool cpu_cache_drain(struct potad *potad)
{
    struct buddy_stash released;
    buddy_stash_init(&released);
    bool any = drain(potad, &released);
    descriptors_release(potad, &released);
    return any;
}

bool cpu_cache_reclaim(struct potad *potad, struct alloc_context alloc, uint32_t *seen)
{
    if (drain(potad, &alloc.transaction->pending)) {
        core_event(potad, CORE_EVENT_PRESSURE);
        alloc.transaction->drains++;
    }
    bool any = alloc.transaction->drains != *seen;
    *seen = alloc.transaction->drains;
    return any;
}

static void cache_init(struct cpu_cache *cache)
{
    buddy_stash_init(&cache->spare);
    for (unsigned i = 0; i < (unsigned)CPU_LISTS; i++) {
        struct cpu_magazine empty = cpu_magazine_empty((order_t)(i % CPU_ORDERS));
        cache->lists[i] = (struct cpu_list){empty, empty};
    }
}

enum status potad_cpu_online(struct potad *potad, uint32_t cpu)
{
    struct alloc_transaction transaction;
    void *object;
    if (cpu >= CPUS_MAX) {
        return STATUS_INVALID;
    }
    if (cache_of(potad, cpu) != NULL) {
        return STATUS_EXISTS;
    }
    struct alloc_context alloc = transaction_begin(potad, &transaction);
    if (!cache_take(potad, alloc, &potad->cache_cpu, 1, &object)) {
        transaction_undo(potad, &transaction);
        return STATUS_NO_MEMORY;
    }
    cache_init(object);
    spinlock_lock(&potad->cpus_lock);
    bool first = cache_of(potad, cpu) == NULL;
    if (first) {
        atomic_word_release(&potad->cpus[cpu], (uint64_t)(uintptr_t)object);
        atomic_word_release(&potad->cpu_slots[cpu].cache, (uint64_t)(uintptr_t)object);
    }
    spinlock_unlock(&potad->cpus_lock);
    if (!first) {
        cache_put(potad, &potad->cache_cpu, object, &transaction.pending);
        transaction_undo(potad, &transaction);
        return STATUS_EXISTS;
    }
    transaction_commit(potad, &transaction);
    return STATUS_OK;
}

enum status potad_cpu_offline(struct potad *potad, uint32_t cpu)
{
    struct held held;
    struct buddy_stash released;
    if (cpu >= CPUS_MAX) {
        return STATUS_INVALID;
    }
    spinlock_lock(&potad->cpus_lock);
    struct cpu_cache *cache = cache_of(potad, cpu);
    atomic_word_release(&potad->cpus[cpu], 0);
    atomic_word_release(&potad->cpu_slots[cpu].cache, 0);
    spinlock_unlock(&potad->cpus_lock);
    if (cache == NULL) {
        return STATUS_INVALID;
    }
    held_init(&held);
    cache_empty(cache, &held);
    buddy_stash_init(&released);
    cache_put(potad, &potad->cache_cpu, cache, &released);
    (void)held_free(potad, &held, &released);
    descriptors_release(potad, &released);
    return STATUS_OK;
}
