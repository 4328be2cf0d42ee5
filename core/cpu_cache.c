/* SPDX-License-Identifier: MIT */
#include "core/page_alloc.h"

void cpu_cache_turn_away(struct potad *potad, uint32_t cpu)
{
    if (cpu_cache_of(potad, cpu) != NULL) {
        core_event(potad, CORE_EVENT_OWNER_MET);
    }
    cpu_cache_leave(potad, cpu);
}

/* Takes the colder half of full @list off, into @surplus. Return: how many blocks. */
static uint32_t list_halve(struct cpu_list *list, struct buddy **surplus)
{
    uint32_t half = list->count / 2;
    for (uint32_t i = 0; i < half; i++) {
        surplus[i] = list->blocks[i];
        list->blocks[i] = list->blocks[i + half];
    }
    list->count -= half;
    return half;
}

bool cpu_cache_make_room(struct potad *potad, struct buddy *buddy)
{
    uint32_t cpu;
    uint32_t count = 0;
    struct buddy *surplus[CPU_MAGAZINE];
    struct buddy_stash released;
    order_t order = buddy_order(buddy);
    struct space *zone = &potad->zones[buddy->head.zone];
    struct cpu_cache *cache = order < CPU_ORDERS ? cpu_cache_enter(potad, &cpu) : NULL;
    if (cache == NULL) {
        return false;
    }
    struct cpu_list *list = cpu_list_of(cache, zone->id, buddy->head.migratetype, order);
    bool keeps = buddy_may_be_kept(buddy) && list->room > 0;
    if (keeps && list->count == list->room) {
        count = list_halve(list, surplus);
    }
    /* Another thread on this CPU may have made room. */
    keeps = keeps && cpu_list_push(list, buddy);
    cpu_cache_leave(potad, cpu);
    if (count > 0) {
        buddy_stash_init(&released);
        core_event(potad, CORE_EVENT_FULL);
        batch_free(potad, zone, surplus, count, &released);
        descriptors_release(potad, &released);
    }
    return keeps;
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
        *buddy = cpu_list_pop(
            cpu_list_of(cache, refill->zone, refill->block->migratetype, refill->block->order));
    }
    cpu_cache_leave(potad, cpu);
    return same;
}

/* Keeps the blocks of @batch but the first, as far as there is room, for another thread may have
 * filled the list meanwhile, and as far as they are sound: memory_failure() has nobody inside when
 * it marks a block. Return: how many are left over, the last ones of @batch. */
static unsigned refill_push(struct potad *potad, const struct refill *refill, struct batch *batch)
{
    uint32_t cpu;
    uint64_t rest = batch->count;
    struct cpu_cache *cache = cpu_cache_enter(potad, &cpu);
    if (cache == NULL) {
        return (unsigned)rest - 1;
    }
    struct cpu_list *list =
        cpu_list_of(cache, refill->zone, refill->block->migratetype, refill->block->order);
    for (uint64_t i = batch->count - 1; i > 0; i--) {
        struct buddy *buddy = batch->blocks[i];
        if (UNLIKELY(!buddy_may_be_kept(buddy) || !cpu_list_push(list, buddy))) {
            batch->blocks[--rest] = buddy;
        }
    }
    cpu_cache_leave(potad, cpu);
    return (unsigned)(batch->count - rest);
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
    unsigned rest = refill_push(potad, &refill, &batch);
    if (rest > 0) {
        batch_free(potad, &potad->zones[refill.zone], &batch.blocks[batch.count - rest], rest,
                   &transaction.pending);
    }
    transaction_commit(potad, &transaction);
    return batch.blocks[0];
}

/* Frees all that @cache keeps; what that leaves over goes to @released. Context: cpus_lock, with
 * nobody inside: what is on its way would be nobody's, and kmem_cache_destroy() is to see all
 * objects in magazines or slabs. Return: whether there was anything. */
static bool cache_empty(struct potad *potad, struct cpu_cache *cache, struct buddy_stash *released)
{
    struct list_head slabs; /* that are empty without the objects */
    list_init(&slabs);
    bool any = cpu_objects_empty(potad, cache, &slabs) > 0;
    slabs_give_back(potad, &slabs, released);
    for (unsigned i = 0; i < (unsigned)CPU_LISTS; i++) {
        struct cpu_list *list = &cache->lists[i];
        if (list->count > 0) {
            batch_free(potad, &potad->zones[cpu_kind_of(i).zone], list->blocks, list->count,
                       released);
            list->count = 0;
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
    bool any = false;
    if (potad->port.cpu_enter == NULL) {
        return false;
    }
    cpu_cache_stop(potad);
    for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
        struct cpu_cache *cache = cpu_cache_of(potad, cpu);
        any = (cache != NULL && cache_empty(potad, cache, released)) || any;
    }
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

static bool list_has(const struct cpu_list *list, const struct buddy *buddy)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->blocks[i] == buddy) {
            return true;
        }
    }
    return false;
}

bool cpu_cache_keeps(const struct potad *potad, const struct buddy *buddy)
{
    const struct memdesc *head = &buddy->head;
    bool keeps = false;
    for (uint32_t cpu = 0; cpu < CPUS_MAX && buddy_order(buddy) < CPU_ORDERS && !keeps; cpu++) {
        struct cpu_cache *cache = cpu_cache_of(potad, cpu);
        keeps = cache != NULL &&
                list_has(cpu_list_of(cache, head->zone, head->migratetype, head->order), buddy);
    }
    return keeps;
}

void cpu_cache_mark(const struct potad *potad, bool kept)
{
    for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
        const struct cpu_cache *cache = cpu_cache_of(potad, cpu);
        for (unsigned i = 0; cache != NULL && i < (unsigned)CPU_LISTS; i++) {
            for (uint32_t k = 0; k < cache->lists[i].count; k++) {
                buddy_set_use(cache->lists[i].blocks[k], BUDDY_CACHED, kept);
            }
        }
    }
}

/* Whether the lists of @cache for @zone have arrays. */
static bool cache_has_blocks(struct cpu_cache *cache, zone_id_t zone)
{
    return cpu_list_of(cache, zone, 0, 0)->room > 0;
}

/* Gives the lists of @cache for @zone, which have none, the arrays of @blocks. */
static void cache_put_blocks(struct cpu_cache *cache, zone_id_t zone, struct cpu_blocks *blocks)
{
    for (unsigned type = 0; type < MIGRATETYPES; type++) {
        struct buddy **at = blocks->blocks[type];
        for (order_t order = 0; order < CPU_ORDERS; order++) {
            uint32_t room = cpu_list_room(order);
            *cpu_list_of(cache, zone, type, order) = (struct cpu_list){.blocks = at, .room = room};
            at += room;
        }
    }
}

/* Lists without arrays keep nothing: so a CPU does without those that there is no memory for. */
static struct cpu_blocks *blocks_take(struct potad *potad, struct alloc_context alloc)
{
    void *object;
    return cache_take(potad, alloc, &potad->cache_blocks, 1, &object) ? object : NULL;
}

static void cache_init(struct potad *potad, struct alloc_context alloc, struct cpu_cache *cache)
{
    cpu_objects_init(cache);
    cache->recent_number = CPU_LISTS;
    for (unsigned i = 0; i < (unsigned)CPU_LISTS; i++) {
        cache->lists[i] = (struct cpu_list){.blocks = NULL};
    }
    zones_for_each(zones_present(potad), zone)
    {
        struct cpu_blocks *blocks = blocks_take(potad, alloc);
        if (blocks != NULL) {
            cache_put_blocks(cache, zone, blocks);
        }
    }
}

/* Ends what cache_init() began; what that frees goes to @released. Context: its lists are empty. */
static void cache_end(struct potad *potad, struct cpu_cache *cache, struct buddy_stash *released)
{
    for (zone_id_t zone = 0; zone < ZONES_MAX; zone++) {
        if (cache_has_blocks(cache, zone)) {
            /* Its first array begins there. */
            cache_put(potad, &potad->cache_blocks, cpu_list_of(cache, zone, 0, 0)->blocks,
                      released);
        }
    }
    cache_put(potad, &potad->cache_cpu, cache, released);
}

void cpu_cache_extend(struct potad *potad, zone_id_t zone)
{
    for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
        struct alloc_transaction transaction;
        if (cpu_cache_of(potad, cpu) == NULL) {
            continue;
        }
        struct alloc_context alloc = transaction_begin(potad, &transaction);
        struct cpu_blocks *blocks = blocks_take(potad, alloc);
        if (blocks == NULL) {
            transaction_undo(potad, &transaction);
            return;
        }
        cpu_cache_stop(potad);
        struct cpu_cache *cache = cpu_cache_of(potad, cpu);
        bool lacks = cache != NULL && !cache_has_blocks(cache, zone);
        if (lacks) {
            cache_put_blocks(cache, zone, blocks);
        }
        cpu_cache_start(potad);
        if (!lacks) {
            cache_put(potad, &potad->cache_blocks, blocks, &transaction.pending);
        }
        transaction_commit(potad, &transaction);
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
    cache_init(potad, alloc, object);
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
        cache_end(potad, object, &transaction.pending);
        transaction_undo(potad, &transaction);
        return STATUS_EXISTS;
    }
    transaction_commit(potad, &transaction);
    return STATUS_OK;
}

enum status potad_cpu_offline(struct potad *potad, uint32_t cpu)
{
    struct buddy_stash released;
    if (cpu >= CPUS_MAX) {
        return STATUS_INVALID;
    }
    buddy_stash_init(&released);
    spinlock_lock(&potad->cpus_lock);
    struct cpu_cache *cache = cpu_cache_of(potad, cpu);
    atomic_word_release(&potad->cpus[cpu], 0);
    atomic_word_release(&potad->cpu_slots[cpu].cache, 0);
    if (cache != NULL) {
        (void)cache_empty(potad, cache, &released);
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
    cache_end(potad, cache, &released);
    descriptors_release(potad, &released);
    return STATUS_OK;
}
