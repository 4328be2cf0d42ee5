/* SPDX-License-Identifier: MIT */
#include "core/page_alloc.h"

void cpu_cache_turn_away(struct potad *potad, uint32_t cpu)
{
    if (cpu_cache_of(potad, cpu) != NULL) {
        core_event(potad, CORE_EVENT_OWNER_MET);
    }
    cpu_cache_leave(potad, cpu);
}

void cpu_cache_give_back(struct potad *potad, struct list_head *chain)
{
    struct buddy_stash released;
    buddy_stash_init(&released);
    core_event(potad, CORE_EVENT_FULL);
    batch_free(potad, &potad->zones[buddy_of_link(chain)->head.zone], chain, &released);
    descriptors_release(potad, &released);
}

/* Where the blocks of a request come from that a list of this CPU would serve. */
struct refill {
    const struct block_request *block;
    zone_id_t zone; /* the first that will do */
};

/* Takes a block for @refill that this CPU keeps. Return: whether there is a CPU with lists, and the
 * zones are those that the request meant. */
static bool refill_pop(struct potad *potad, const struct refill *refill, struct buddy **buddy)
{
    uint32_t cpu;
    struct cpu_cache *cache = cpu_cache_enter(potad, &cpu);
    *buddy = NULL;
    if (cache == NULL) {
        return false;
    }
    /* Else the zone may be another one by now: it cannot change while this thread is inside. */
    bool same = atomic_word_acquire(&potad->index.births) == refill->block->as_of;
    if (same) {
        *buddy = cpu_list_take(
            cpu_list_of(cache, refill->zone, refill->block->migratetype, refill->block->order));
    }
    if (*buddy != NULL) {
        buddy_set_use(*buddy, BUDDY_CACHED, false);
    }
    cpu_cache_leave(potad, cpu);
    return same;
}

/* Marks the plain blocks of @batch as the CPU's. Return: the others, of which a frame has failed
 * since they were taken. Context: inside the CPU's lists: memory_failure() has nobody there when it
 * marks a block. */
static struct list_head *batch_mark(struct batch *batch)
{
    struct list_head *others = NULL;
    struct list_head **link = &batch->blocks;
    while (*link != NULL) {
        struct buddy *buddy = buddy_of_link(*link);
        uint32_t flags = atomic_flags_peek(&buddy->head.flags);
        if (LIKELY((flags & BUDDY_PLAIN_MASK) == (uint32_t)BUDDY_ALLOCATED)) {
            atomic_flags_poke(&buddy->head.flags, flags | (uint32_t)BUDDY_CACHED);
            link = &buddy->list.next;
        } else {
            chain_push(&others, chain_pop(link));
            batch->count--;
        }
    }
    return others;
}

/* Keeps the blocks of @batch, as far as they are sound and there is room: another thread may have
 * filled the list meanwhile. */
static void refill_push(struct potad *potad, const struct refill *refill, struct batch *batch)
{
    uint32_t cpu;
    struct cpu_cache *cache = cpu_cache_enter(potad, &cpu);
    if (cache == NULL) {
        return;
    }
    struct list_head *others = batch_mark(batch);
    struct cpu_magazine *magazine =
        &cpu_list_of(cache, refill->zone, refill->block->migratetype, refill->block->order)->loaded;
    if (magazine->blocks == NULL && magazine->room >= batch->count) {
        magazine->blocks = batch->blocks;
        magazine->room -= batch->count;
        batch->blocks = NULL;
    }
    while (batch->blocks != NULL && magazine->room > 0) {
        cpu_magazine_push(magazine, buddy_of_link(chain_pop(&batch->blocks)));
    }
    while (others != NULL) {
        chain_push(&batch->blocks, chain_pop(&others));
    }
    cpu_cache_leave(potad, cpu);
}

struct buddy *cpu_cache_refill(struct potad *potad, const struct block_request *block)
{
    struct alloc_transaction transaction;
    struct batch batch;
    struct refill refill = {.block = block, .zone = ZONES_MAX};
    uint64_t zones = atomic_word_acquire(&potad->index.lists[block->node]);
    struct buddy *buddy = NULL;
    if (potad->port.cpu_enter == NULL) {
        return NULL;
    }
    while (zonelist_next(&zones, &refill.zone) && (block->zones >> refill.zone & 1) == 0) {
    }
    /* Not all requests have looked there before: then what there is must not become more. */
    if (refill.zone >= ZONES_MAX || !refill_pop(potad, &refill, &buddy) || buddy != NULL) {
        return buddy;
    }
    struct alloc_context alloc = transaction_begin(potad, &transaction);
    batch_take(potad, alloc, &potad->zones[refill.zone], block, &batch);
    if (batch.count == 0) {
        transaction_undo(potad, &transaction);
        return NULL;
    }
    core_event(potad, CORE_EVENT_REFILLED);
    port_window(potad, WINDOW_BATCH_TAKEN);
    struct buddy *first = buddy_of_link(chain_pop(&batch.blocks));
    batch.count--;
    refill_push(potad, &refill, &batch);
    if (batch.blocks != NULL) {
        batch_free(potad, &potad->zones[refill.zone], batch.blocks, &transaction.pending);
    }
    transaction_commit(potad, &transaction);
    return first;
}

/* All that caches have held, by zone. */
struct held {
    struct list_head *chains[ZONES_MAX];
    struct list_head slabs; /* that are empty without the objects */
    uint64_t objects;       /* which are in their slabs again */
};

static void held_init(struct held *held)
{
    *held = (struct held){.objects = 0};
    list_init(&held->slabs);
}

/* Moves all of @cache to @held. Context: cpus_lock, so that kmem_cache_destroy() sees all objects
 * in magazines or slabs. */
static void cache_empty(struct potad *potad, struct cpu_cache *cache, struct held *held)
{
    held->objects += cpu_objects_empty(potad, cache, &held->slabs);
    for (zone_id_t zone = 0; zone < ZONES_MAX; zone++) {
        struct cpu_list *lists = cpu_list_of(cache, zone, 0, 0);
        for (unsigned i = 0; i < (unsigned)CPU_TYPES * CPU_ORDERS; i++) {
            struct buddy *buddy;
            while ((buddy = cpu_list_take(&lists[i])) != NULL) {
                chain_push(&held->chains[zone], &buddy->list);
            }
        }
    }
}

/* Frees it; what that leaves over goes to @released. Return: whether there was anything. */
static bool held_free(struct potad *potad, struct held *held, struct buddy_stash *released)
{
    bool any = held->objects > 0;
    slabs_give_back(potad, &held->slabs, released);
    for (zone_id_t zone = 0; zone < ZONES_MAX; zone++) {
        if (held->chains[zone] != NULL) {
            batch_free(potad, &potad->zones[zone], held->chains[zone], released);
            any = true;
        }
    }
    return any;
}

/* Moves what zones keep to @released. Return: whether there was anything. */
static bool spare_empty(struct potad *potad, struct buddy_stash *released)
{
    bool any = false;
    zones_for_each(zones_present(potad), id)
    {
        struct space *zone = &potad->zones[id];
        spinlock_lock(&zone->lock);
        any = any || zone->spare.count > 0;
        buddy_stash_move(&zone->spare, released);
        spinlock_unlock(&zone->lock);
    }
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
        struct cpu_cache *cache = cpu_cache_of(potad, cpu);
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
        if (cpu_cache_of(potad, cpu) != NULL && atomic_flags_load_ordered(inside) != 0) {
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
        struct cpu_cache *cache = cpu_cache_of(potad, cpu);
        if (cache != NULL) {
            cache_empty(potad, cache, &held);
        }
    }
    /* Before others can look: what is on its way would be nobody's. */
    bool any = held_free(potad, &held, released);
    any = spare_empty(potad, released) || any;
    cpu_cache_start(potad);
    return any;
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
    cpu_objects_init(cache);
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
    if (cpu_cache_of(potad, cpu) != NULL) {
        return STATUS_EXISTS;
    }
    struct alloc_context alloc = transaction_begin(potad, &transaction);
    if (!cache_take(potad, alloc, &potad->cache_cpu, 1, &object)) {
        transaction_undo(potad, &transaction);
        return STATUS_NO_MEMORY;
    }
    cache_init(object);
    spinlock_lock(&potad->cpus_lock);
    bool first = cpu_cache_of(potad, cpu) == NULL;
    if (first) {
        atomic_word_release(&potad->cpus[cpu], (uint64_t)(uintptr_t)object);
        atomic_word_release(&potad->cpu_slots[cpu].cache, (uint64_t)(uintptr_t)object);
        potad->cpus_online++;
        atomic_word_poke(&potad->spare_most, ZONE_SPARE);
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
    held_init(&held);
    buddy_stash_init(&released);
    spinlock_lock(&potad->cpus_lock);
    struct cpu_cache *cache = cpu_cache_of(potad, cpu);
    atomic_word_release(&potad->cpus[cpu], 0);
    atomic_word_release(&potad->cpu_slots[cpu].cache, 0);
    if (cache != NULL) {
        cache_empty(potad, cache, &held);
        (void)held_free(potad, &held, &released);
        potad->cpus_online--;
    }
    if (cache != NULL && potad->cpus_online == 0) {
        atomic_word_poke(&potad->spare_most, 0);
        (void)spare_empty(potad, &released);
    }
    spinlock_unlock(&potad->cpus_lock);
    if (cache == NULL) {
        return STATUS_INVALID;
    }
    cache_put(potad, &potad->cache_cpu, cache, &released);
    descriptors_release(potad, &released);
    return STATUS_OK;
}
