/* SPDX-License-Identifier: MIT
 *
 * memory_failure.c: frames that fail (requirement B3).
 *
 *   free:     |       order 3        |     frame 5 fails:     |  order 2  | 4 | P | order 1 |
 *
 *   in use:   |       order 3        |     frame 5 fails:     the same, marked, and a record:
 *                                          frame 5, 3 struct buddys; freeing it cuts as above
 *
 * A record lives in a slab like any object, and its struct buddys wait in hand: a free never
 * allocates, so all it will need is taken when the frame fails. A free that used a record up may
 * not put it back where it stands, for that may free a slab whose frames have failed, and so on: it
 * leaves it on potad->spent, and descriptors_release() goes on until nothing is left.
 *
 * A record may lie in a slab on the very frame that it is about: such a slab stays until
 * unpoison().
 */
#include "core/page_alloc.h"

/* What one call has in hand, and whom it is to tell. */
struct failure {
    struct potad *potad;
    struct space *zone;
    pfn_t pfn;
    struct buddy_stash stash;
    struct poison *record; /* or NULL */
    struct alloc_context alloc;
    order_t buddys_needed;
    uint32_t gathered; /* times that what was missing was allocated */
    bool record_needed;
    bool cached;    /* a CPU keeps the block: it must be free first */
    memdesc_t told; /* word of the owner; 0: nobody */
};

void memory_failure_init(struct potad *potad)
{
    spinlock_init(&potad->spent_lock, LOCK_SPENT, 0);
    list_init(&potad->spent);
    atomic_word_poke(&potad->spent_any, false);
    atomic_word_poke(&potad->released, 0);
    spinlock_init(&potad->owners_lock, LOCK_OWNERS, 0);
    for (unsigned type = 0; type < MEMDESC_TYPES; type++) {
        potad->owners[type] = (struct memdesc_ops){.context = NULL};
    }
}

enum status memdesc_register(struct potad *potad, enum memdesc_type type,
                             const struct memdesc_ops *ops)
{
    bool used = type == MEMDESC_BUDDY_ALLOCATED || type == MEMDESC_SLAB;
    if (!used && !memdesc_type_is_owner(type)) {
        return STATUS_INVALID;
    }
    spinlock_lock(&potad->owners_lock);
    potad->owners[type] = *ops;
    uint64_t released = atomic_word_peek(&potad->released) & ~((uint64_t)1 << (unsigned)type);
    released |= (uint64_t)(ops->release != NULL) << (unsigned)type;
    atomic_word_release(&potad->released, released);
    spinlock_unlock(&potad->owners_lock);
    return STATUS_OK;
}

static void owner_tell(struct potad *potad, memdesc_t word, pfn_t pfn)
{
    spinlock_lock(&potad->owners_lock);
    struct memdesc_ops ops = potad->owners[memdesc_type(word)];
    spinlock_unlock(&potad->owners_lock);
    if (ops.memory_failure != NULL) {
        lock_check_call("memdesc_ops.memory_failure");
        ops.memory_failure(ops.context, memdesc_head(word), pfn);
    }
}

static void record_put(struct potad *potad, struct poison *record, struct buddy_stash *released)
{
    struct slab *slab = slab_of(&potad->source, record);
    struct slab *empty = kmem_cache_put(&potad->cache_poison, slab, record);
    if (empty != NULL) {
        slab_page_give_back(potad, empty, released);
    }
}

bool poison_release(struct potad *potad, struct buddy_stash *released)
{
    struct poison *record = NULL;
    if (!atomic_word_peek(&potad->spent_any)) {
        return false;
    }
    spinlock_lock(&potad->spent_lock);
    if (!list_is_empty(&potad->spent)) {
        record = list_item(list_pop(&potad->spent), struct poison, list);
    }
    atomic_word_poke(&potad->spent_any, !list_is_empty(&potad->spent));
    spinlock_unlock(&potad->spent_lock);
    if (record != NULL) {
        record_put(potad, record, released);
    }
    return record != NULL;
}

/* Whether what the frame needs is in hand. */
static bool failure_ready(const struct failure *failure)
{
    return failure->stash.count >= failure->buddys_needed &&
           (failure->record != NULL || !failure->record_needed);
}

/* Hangs the record on the zone, and marks the block. */
static void failure_record(struct failure *failure, memdesc_t word)
{
    struct poison *record = failure->record;
    uint64_t nodes = map_nodes_record(failure->zone, failure->buddys_needed);
    record->pfn = failure->pfn;
    buddy_stash_init(&record->buddys);
    record->nodes = block_map_detach(&failure->zone->map, nodes);
    for (order_t i = 0; i < failure->buddys_needed; i++) {
        buddy_stash_put(&record->buddys, buddy_stash_take(&failure->stash));
    }
    list_push(&failure->zone->flaws, &record->list);
    memdesc_head(word)->flawed = true;
    if (memdesc_type(word) == MEMDESC_BUDDY_ALLOCATED) {
        buddy_set_use((struct buddy *)(void *)memdesc_head(word), BUDDY_FLAWED, true);
    }
    failure->record = NULL;
    failure->told = word;
}

/* Looks at the frame, and does what is to be done if that can be done with what is in hand.
 * Context: the zone's lock. Return: NO_MEMORY where it cannot: then buddys_needed and record_needed
 * say what it takes. */
static enum status failure_try(struct failure *failure)
{
    struct space *zone = failure->zone;
    struct frame_entry entry;
    if (!zone_has(zone, failure->pfn)) {
        return STATUS_INVALID;
    }
    if (!block_find(zone, failure->pfn, &entry)) {
        bool reserved = failure->pfn - zone->reserved_start < zone->reserved_frames;
        return reserved ? STATUS_BUSY : STATUS_INVALID;
    }
    struct memdesc *head = memdesc_head(entry.word);
    enum memdesc_type type = memdesc_type(entry.word);
    struct buddy *buddy = (struct buddy *)(void *)head; /* for the allocator's own types */
    if (type == MEMDESC_POISONED || (head->flawed && space_find_flaw(zone, failure->pfn) != NULL)) {
        return STATUS_EXISTS;
    }
    if (type == MEMDESC_BUDDY_ALLOCATED && buddy_state(buddy) == BUDDY_TAKEN) {
        return STATUS_BUSY;
    }
    failure->cached = type == MEMDESC_BUDDY_ALLOCATED && cpu_cache_keeps(failure->potad, buddy);
    if (failure->cached) {
        return STATUS_NO_MEMORY;
    }
    failure->buddys_needed = head->order;
    failure->record_needed = type != MEMDESC_BUDDY_FREE;
    uint64_t nodes = failure->record_needed ? map_nodes_record(zone, failure->buddys_needed)
                                            : space_cut_nodes(zone, failure->buddys_needed);
    if (!failure_ready(failure) || !map_nodes_ready(failure->alloc, zone, nodes)) {
        return STATUS_NO_MEMORY;
    }
    if (type == MEMDESC_BUDDY_FREE) {
        space_poison_free(zone, buddy, failure->pfn, &failure->stash);
    } else {
        failure_record(failure, entry.word);
    }
    return STATUS_OK;
}

/* Allocates what failure_try() found missing. Context: no lock. Return: whether it did. */
static bool failure_gather(struct failure *failure, struct alloc_context alloc)
{
    struct potad *potad = failure->potad;
    void *object;
    if (failure->gathered++ > 0) {
        core_event(potad, CORE_EVENT_FAILURE_RETRIED);
    }
    if (failure->cached) {
        /* It is free, and then it can be cut out of its block. */
        if (!cpu_cache_drain(potad)) {
            /* Another call has drained it. */
            port_relax();
        }
        return true;
    }
    if (alloc.transaction->nodes_short != 0 ||
        !stash_fill(potad, alloc, &failure->stash, failure->buddys_needed)) {
        return map_nodes_fill(potad, alloc);
    }
    if (failure->record_needed && failure->record == NULL) {
        if (!kmem_cache_take(&potad->cache_poison, alloc, 1, &object)) {
            return map_nodes_fill(potad, alloc);
        }
        failure->record = object;
    }
    return true;
}

/* memory_failure(), or leaves all as it was: then *@retries says whether to try it again, having
 * done so @tried times. */
static enum status failure_once(struct potad *potad, struct space *zone, pfn_t pfn, unsigned tried,
                                bool *retries)
{
    struct alloc_transaction transaction;
    struct failure failure = {.potad = potad, .zone = zone, .pfn = pfn};
    enum status status;
    struct alloc_context alloc = transaction_begin(potad, &transaction);
    failure.alloc = alloc;
    *retries = false;
    buddy_stash_init(&failure.stash);
    do {
        /* The zone is not locked while descriptors are allocated, and a free block is not held, for
         * it may be all that they can come from: whatever it was, it is looked at anew. */
        cpu_cache_stop(potad);
        spinlock_lock(&failure.zone->lock);
        status = failure_try(&failure);
        spinlock_unlock(&failure.zone->lock);
        cpu_cache_start(potad);
    } while (status == STATUS_NO_MEMORY && failure_gather(&failure, alloc));
    buddy_stash_move(&failure.stash, &transaction.pending);
    if (failure.record != NULL) {
        record_put(potad, failure.record, &transaction.pending);
    }
    if (status != STATUS_OK) {
        transaction_undo(potad, &transaction);
        *retries = status == STATUS_NO_MEMORY && transaction_retries(potad, &transaction, tried);
        return status;
    }
    transaction_commit(potad, &transaction);
    if (failure.told != 0) {
        owner_tell(potad, failure.told, pfn);
    }
    return STATUS_OK;
}

enum status memory_failure(struct potad *potad, pfn_t pfn)
{
    enum status status;
    bool retries;
    unsigned tried = 0;
    do {
        struct space *zone = zone_of(potad, pfn);
        if (zone == NULL) {
            return STATUS_INVALID;
        }
        status = failure_once(potad, zone, pfn, tried++, &retries);
    } while (retries);
    return status;
}

/* Takes the record of @pfn off, if there is one. Context: the zone's lock. Return: the record. */
static struct poison *flaw_remove(struct space *zone, const struct frame_entry *entry, pfn_t pfn,
                                  struct buddy_stash *released)
{
    struct memdesc *head = memdesc_head(entry->word);
    struct poison *record = head->flawed ? space_find_flaw(zone, pfn) : NULL;
    if (record != NULL) {
        list_remove(&record->list);
        buddy_stash_move(&record->buddys, released);
        block_map_attach(&zone->map, &record->nodes);
        head->flawed = space_has_flaw(zone, entry->pfn, head->order);
        if (memdesc_type(entry->word) == MEMDESC_BUDDY_ALLOCATED) {
            buddy_set_use((struct buddy *)(void *)head, BUDDY_FLAWED, head->flawed);
        }
    }
    return record;
}

enum status unpoison(struct potad *potad, pfn_t pfn)
{
    struct buddy_stash released;
    struct frame_entry entry;
    struct poison *record = NULL;
    bool poisoned = false;
    struct space *zone = zone_lock_of(potad, pfn);
    if (zone == NULL) {
        return STATUS_INVALID;
    }
    buddy_stash_init(&released);
    if (block_find(zone, pfn, &entry)) {
        poisoned = memdesc_type(entry.word) == MEMDESC_POISONED;
        if (poisoned) {
            space_free(zone, (struct buddy *)(void *)memdesc_head(entry.word), NULL, &released);
        } else {
            record = flaw_remove(zone, &entry, pfn, &released);
        }
    }
    spinlock_unlock(&zone->lock);
    if (record != NULL) {
        record_put(potad, record, &released);
    }
    descriptors_release(potad, &released);
    return poisoned || record != NULL ? STATUS_OK : STATUS_INVALID;
}
