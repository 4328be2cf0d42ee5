/* SPDX-License-Identifier: MIT */
#include "core/page_alloc.h"

void cpu_cache_init(struct potad *potad)
{
    spinlock_init(&potad->cpus_lock, LOCK_CPUS, 0);
    potad->cpus_online = 0;
    spinlock_init(&potad->depot.lock, LOCK_DEPOT, 0);
    for (unsigned i = 0; i < (unsigned)CPU_LISTS; i++) {
        potad->depot.lists[i] = (struct cpu_list){.blocks = NULL};
    }
    atomic_word_poke(&potad->spare_most, 0);
    for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
        atomic_word_poke(&potad->cpus[cpu], 0);
        atomic_word_poke(&potad->cpu_slots[cpu].cache, 0);
        atomic_flags_poke(&potad->cpu_slots[cpu].inside, 0);
    }
}

void cpu_cache_turn_away(struct potad *potad, uint32_t cpu)
{
    if (cpu_cache_of(potad, cpu) != NULL) {
        core_event(potad, CORE_EVENT_OWNER_MET);
    }
    cpu_cache_leave(potad, cpu);
}

/* Appends @count of @blocks to @list, which has room for them. */
static void list_append(struct cpu_list *list, struct buddy *const *blocks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        list->blocks[list->count + i] = blocks[i];
    }
    list->count += count;
}

/* Moves @count of @blocks of kind @number into the depot. Context: inside. Return: false where
 * there is no room. */
static bool depot_store(struct potad *potad, uint32_t number, struct buddy *const *blocks,
                        uint32_t count)
{
    struct cpu_list *store = &potad->depot.lists[number];
    if (store->room == 0) {
        return false;
    }
    spinlock_lock(&potad->depot.lock);
    bool stored = store->room - store->count >= count;
    list_append(store, blocks, stored ? count : 0);
    spinlock_unlock(&potad->depot.lock);
    return stored;
}

/* Moves a magazine from the depot to empty @list, of kind @number. Context: inside. */
static void depot_fetch(struct potad *potad, uint32_t number, struct cpu_list *list)
{
    struct cpu_list *store = &potad->depot.lists[number];
    if (store->room == 0 || list->room < CPU_MAGAZINE) {
        return;
    }
    spinlock_lock(&potad->depot.lock);
    uint32_t count = store->count < CPU_MAGAZINE ? store->count : CPU_MAGAZINE;
    store->count -= count;
    list_append(list, &store->blocks[store->count], count);
    spinlock_unlock(&potad->depot.lock);
    if (count > 0) {
        core_event(potad, CORE_EVENT_FETCHED);
    }
}

/* Takes the colder half of full @list, of kind @number, off: into the depot, or where that has no
 * room, into @surplus. Context: inside. Return: how many blocks are surplus. */
static uint32_t list_halve(struct potad *potad, struct cpu_list *list, uint32_t number,
                           struct buddy **surplus)
{
    struct cpu_list rest = {.blocks = surplus};
    uint32_t half = list->count / 2;
    bool stored = depot_store(potad, number, list->blocks, half);
    core_event(potad, stored ? CORE_EVENT_STORED : CORE_EVENT_FULL);
    list_append(&rest, list->blocks, stored ? 0 : half);
    list->count = 0;
    list_append(list, &list->blocks[half], half);
    return rest.count;
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
    uint32_t number = cpu_list_number(zone->id, buddy->head.migratetype, order);
    struct cpu_list *list = &cache->lists[number];
    bool keeps = buddy_may_be_kept(buddy) && list->room > 0;
    /* Another thread on this CPU may have made room. */
    if (keeps && list->count == list->room) {
        count = list_halve(potad, list, number, surplus);
    }
    if (keeps) {
        bool pushed = cpu_list_push(list, buddy);
        ASSERT(pushed);
    }
    if (count > 0) {
        block_in_hand(potad);
    }
    cpu_cache_leave(potad, cpu);
    if (count > 0) {
        buddy_stash_init(&released);
        batch_free(potad, zone, surplus, count, &released);
        block_put_back(potad, NULL);
        descriptors_release(potad, &released);
    }
    return keeps;
}

/* Where the blocks of a request come from that a list of this CPU would serve. */
struct refill {
    const struct block_request *block;
    zone_id_t zone; /* the first that will do */
};

/* Takes a block for @refill that this CPU keeps, or the depot. Return: whether there is a CPU with
 * lists, and the zones are those that the request meant. */
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
        uint32_t number =
            cpu_list_number(refill->zone, refill->block->migratetype, refill->block->order);
        struct cpu_list *list = &cache->lists[number];
        if (list->count == 0) {
            depot_fetch(potad, number, list);
        }
        *buddy = cpu_list_pop(list);
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
        cpu_list_of(cache->lists, refill->zone, refill->block->migratetype, refill->block->order);
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
    block_in_hand(potad);
    batch_take(potad, alloc, &potad->zones[refill.zone], block, &batch);
    if (batch.count == 0) {
        block_not_in_hand(potad);
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
    block_put_back(potad, &transaction);
    transaction_commit(potad, &transaction);
    return batch.blocks[0];
}

/* Frees all blocks of @lists; what that leaves over goes to @released. Context: they are claimed,
 * or the CPU's own, and cpus_lock is held: what is on its way would be nobody's. Return: whether
 * there were any. */
static bool lists_empty(struct potad *potad, struct cpu_list *lists, struct buddy_stash *released)
{
    bool any = false;
    for (unsigned i = 0; i < (unsigned)CPU_LISTS; i++) {
        struct cpu_list *list = &lists[i];
        if (list->count > 0) {
            batch_free(potad, &potad->zones[cpu_kind_of(i).zone], list->blocks, list->count,
                       released);
            list->count = 0;
            any = true;
        }
    }
    return any;
}

/* The same of the objects of @cache: kmem_cache_destroy() is to see all of them in magazines or
 * slabs. */
static bool objects_empty(struct potad *potad, struct cpu_cache *cache,
                          struct buddy_stash *released)
{
    struct list_head slabs; /* that are empty without the objects */
    list_init(&slabs);
    bool any = cpu_objects_empty(potad, cache, &slabs) > 0;
    slabs_give_back(potad, &slabs, released);
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

uint32_t cpu_cache_end(const struct potad *potad)
{
    uint32_t left = potad->cpus_online;
    uint32_t end = 0;
    for (; left > 0; end++) {
        left -= cpu_cache_of(potad, end) != NULL ? 1 : 0;
    }
    return end;
}

void cpu_cache_stop(struct potad *potad)
{
    if (potad->port.cpu_enter == NULL) {
        return;
    }
    spinlock_lock(&potad->cpus_lock);
    uint32_t end = cpu_cache_end(potad);
    for (uint32_t cpu = 0; cpu < end; cpu++) {
        if (cpu_cache_of(potad, cpu) != NULL) {
            atomic_word_clear_ordered(&potad->cpu_slots[cpu].cache);
        }
    }
    if (end > 0 && potad->port.cpu_barrier != NULL) {
        potad->port.cpu_barrier(potad->port.context);
    }
    for (uint32_t cpu = 0; cpu < end; cpu++) {
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
    uint32_t end = cpu_cache_end(potad);
    for (uint32_t cpu = 0; cpu < end; cpu++) {
        /* 0 again for those that are offline. */
        atomic_word_release(&potad->cpu_slots[cpu].cache, atomic_word_peek(&potad->cpus[cpu]));
    }
    spinlock_unlock(&potad->cpus_lock);
}

/* cpu_cache_drain(), for @transaction or NULL; what it leaves over goes to @released. */
static bool drain(struct potad *potad, struct alloc_transaction *transaction,
                  struct buddy_stash *released)
{
    bool any = false;
    if (potad->port.cpu_enter == NULL) {
        return false;
    }
    block_in_hand(potad);
    cpu_cache_stop(potad);
    uint32_t end = cpu_cache_end(potad);
    for (uint32_t cpu = 0; cpu < end; cpu++) {
        struct cpu_cache *cache = cpu_cache_of(potad, cpu);
        any = (cache != NULL && objects_empty(potad, cache, released)) || any;
    }
    for (unsigned keeper = 0; keeper < CPU_KEEPERS; keeper++) {
        struct cpu_list *lists = cpu_keeper_lists(potad, keeper);
        any = (lists != NULL && lists_empty(potad, lists, released)) || any;
    }
    any = spare_empty(potad, released) || any;
    cpu_cache_start(potad);
    if (any) {
        block_put_back(potad, transaction);
    } else {
        block_not_in_hand(potad);
    }
    return any;
}

bool cpu_cache_drain(struct potad *potad)
{
    struct buddy_stash released;
    buddy_stash_init(&released);
    bool any = drain(potad, NULL, &released);
    descriptors_release(potad, &released);
    return any;
}

bool cpu_cache_reclaim(struct potad *potad, struct alloc_context alloc, uint32_t *seen)
{
    if (drain(potad, alloc.transaction, &alloc.transaction->pending)) {
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

bool cpu_cache_keeps(struct potad *potad, const struct buddy *buddy)
{
    const struct memdesc *head = &buddy->head;
    bool keeps = false;
    for (unsigned keeper = 0; keeper < CPU_KEEPERS && head->order < CPU_ORDERS && !keeps;
         keeper++) {
        struct cpu_list *lists = cpu_keeper_lists(potad, keeper);
        keeps = lists != NULL &&
                list_has(cpu_list_of(lists, head->zone, head->migratetype, head->order), buddy);
    }
    return keeps;
}

void cpu_cache_mark(struct potad *potad, bool kept)
{
    for (unsigned keeper = 0; keeper < CPU_KEEPERS; keeper++) {
        const struct cpu_list *lists = cpu_keeper_lists(potad, keeper);
        for (unsigned i = 0; lists != NULL && i < (unsigned)CPU_LISTS; i++) {
            for (uint32_t k = 0; k < lists[i].count; k++) {
                buddy_set_use(lists[i].blocks[k], BUDDY_CACHED, kept);
            }
        }
    }
}

/* Gives those of @lists that are for @zone, which have none, the arrays of @blocks. */
static void lists_put_blocks(struct cpu_list *lists, zone_id_t zone, struct cpu_blocks *blocks,
                             bool depot)
{
    for (unsigned type = 0; type < MIGRATETYPES; type++) {
        struct buddy **at = blocks->blocks[type];
        for (order_t order = 0; order < (depot ? 1 : CPU_ORDERS); order++) {
            uint32_t room = depot ? (uint32_t)CPU_BLOCKS : cpu_list_room(order);
            *cpu_list_of(lists, zone, type, order) = (struct cpu_list){.blocks = at, .room = room};
            at += room;
        }
    }
}

/* Takes the arrays of @lists, which are empty, off. */
static void lists_take_blocks(struct cpu_list *lists, struct cpu_blocks **blocks)
{
    for (zone_id_t zone = 0; zone < ZONES_MAX; zone++) {
        /* The first array begins where they do. */
        blocks[zone] = (struct cpu_blocks *)(void *)cpu_list_of(lists, zone, 0, 0)->blocks;
    }
    for (unsigned i = 0; i < (unsigned)CPU_LISTS; i++) {
        lists[i] = (struct cpu_list){.blocks = NULL};
    }
}

static void blocks_put(struct potad *potad, struct cpu_blocks *const *blocks,
                       struct buddy_stash *released)
{
    for (zone_id_t zone = 0; zone < ZONES_MAX; zone++) {
        if (blocks[zone] != NULL) {
            cache_put(potad, &potad->cache_blocks, blocks[zone], released);
        }
    }
}

/* Whether @keeper is to have arrays for @zone, and has none. Context: cpus_lock. */
static bool keeper_lacks(struct potad *potad, unsigned keeper, zone_id_t zone)
{
    struct cpu_list *lists = cpu_keeper_lists(potad, keeper);
    bool wants = lists != NULL && (keeper != CPU_KEEPER_DEPOT || potad->cpus_online > 1);
    return wants && cpu_list_of(lists, zone, 0, 0)->room == 0;
}

/* Gives @keeper arrays for @zone. Return: false where there is no memory for them. */
static bool keeper_extend(struct potad *potad, unsigned keeper, zone_id_t zone)
{
    struct alloc_transaction transaction;
    void *object;
    struct alloc_context alloc = transaction_begin(potad, &transaction);
    if (!cache_take(potad, alloc, &potad->cache_blocks, 1, &object)) {
        transaction_undo(potad, &transaction);
        return false;
    }
    cpu_cache_stop(potad);
    bool lacks = keeper_lacks(potad, keeper, zone);
    if (lacks) {
        lists_put_blocks(cpu_keeper_lists(potad, keeper), zone, object, keeper == CPU_KEEPER_DEPOT);
    }
    cpu_cache_start(potad);
    if (!lacks) {
        cache_put(potad, &potad->cache_blocks, object, &transaction.pending);
    }
    transaction_commit(potad, &transaction);
    return true;
}

void cpu_cache_extend(struct potad *potad, zone_id_t zone)
{
    bool more = potad->port.cpu_enter != NULL;
    for (unsigned keeper = 0; keeper < CPU_KEEPERS && more; keeper++) {
        spinlock_lock(&potad->cpus_lock);
        bool lacks = keeper_lacks(potad, keeper, zone);
        spinlock_unlock(&potad->cpus_lock);
        more = !lacks || keeper_extend(potad, keeper, zone);
    }
}

static void cache_init(struct cpu_cache *cache)
{
    cpu_objects_init(cache);
    cache->recent_number = CPU_LISTS;
    for (unsigned i = 0; i < (unsigned)CPU_LISTS; i++) {
        cache->lists[i] = (struct cpu_list){.blocks = NULL};
    }
}

enum status potad_cpu_online(struct potad *potad, uint32_t cpu)
{
    void *object;
    if (cpu >= CPUS_MAX || potad->port.cpu_enter == NULL) {
        return STATUS_INVALID;
    }
    if (cpu_cache_of(potad, cpu) != NULL) {
        return STATUS_EXISTS;
    }
    enum status status = kmem_cache_alloc_bulk(potad, &potad->cache_cpu, 1, &object);
    if (status != STATUS_OK) {
        return status;
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
        kmem_cache_free(potad, &potad->cache_cpu, object);
        return STATUS_EXISTS;
    }
    zones_for_each(zones_present(potad), zone)
    {
        cpu_cache_extend(potad, zone);
    }
    return STATUS_OK;
}

/* What a CPU leaves behind that goes offline. */
struct left_over {
    struct cpu_cache *cache;
    struct cpu_blocks *own[ZONES_MAX];
    struct cpu_blocks *depot[ZONES_MAX]; /* of one CPU by itself, there is nothing to keep there */
    struct buddy_stash released;
};

/* Empties the lists of CPU number @cpu. Context: all are claimed. */
static void cpu_leave(struct potad *potad, uint32_t cpu, struct left_over *left)
{
    struct cpu_cache *cache = cpu_cache_of(potad, cpu);
    left->cache = cache;
    if (cache == NULL) {
        return;
    }
    atomic_word_release(&potad->cpus[cpu], 0);
    potad->cpus_online--;
    (void)objects_empty(potad, cache, &left->released);
    (void)lists_empty(potad, cache->lists, &left->released);
    lists_take_blocks(cache->lists, left->own);
    if (potad->cpus_online < 2) {
        (void)lists_empty(potad, potad->depot.lists, &left->released);
        lists_take_blocks(potad->depot.lists, left->depot);
    }
    if (potad->cpus_online == 0) {
        atomic_word_poke(&potad->spare_most, 0);
        (void)spare_empty(potad, &left->released);
    }
}

enum status potad_cpu_offline(struct potad *potad, uint32_t cpu)
{
    struct left_over left = {.cache = NULL};
    if (cpu >= CPUS_MAX || potad->port.cpu_enter == NULL) {
        return STATUS_INVALID;
    }
    buddy_stash_init(&left.released);
    cpu_cache_stop(potad);
    cpu_leave(potad, cpu, &left);
    cpu_cache_start(potad);
    if (left.cache == NULL) {
        return STATUS_INVALID;
    }
    blocks_put(potad, left.own, &left.released);
    blocks_put(potad, left.depot, &left.released);
    cache_put(potad, &potad->cache_cpu, left.cache, &left.released);
    descriptors_release(potad, &left.released);
    return STATUS_OK;
}
