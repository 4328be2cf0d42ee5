/* SPDX-License-Identifier: MIT */
#include "core/slab.h"

static bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static uint64_t slots_of_order(order_t order, uint64_t stride)
{
    uint64_t slots = (FRAME_SIZE << order) / stride;
    return slots < SLAB_OBJECTS_MAX ? slots : SLAB_OBJECTS_MAX;
}

/* The smallest order that wastes at most an eighth. That is among the first four that hold an
 * object: the last of these holds at least eight, and less than one more is wasted. */
static order_t choose_order(uint64_t stride)
{
    order_t order = 0;
    uint64_t bytes = FRAME_SIZE;
    while ((bytes - slots_of_order(order, stride) * stride) * 8 > bytes) {
        order++;
        bytes *= 2;
    }
    return order;
}

static void copy_name(char *to, const char *from)
{
    unsigned i = 0;
    for (; from[i] != '\0' && i < CACHE_NAME_MAX - 1; i++) {
        to[i] = from[i];
    }
    to[i] = '\0';
}

enum status kmem_cache_init(struct kmem_cache *cache, const char *name, uint64_t size,
                            uint64_t align, enum fault_site site, const struct slab_source *source)
{
    if (size == 0 || size > SLAB_STRIDE_MAX || align > SLAB_STRIDE_MAX || !is_power_of_two(align)) {
        return STATUS_INVALID;
    }
    uint64_t step = align > SLAB_STRIDE_MIN ? align : SLAB_STRIDE_MIN;
    uint64_t stride = (size + step - 1) & ~(step - 1);
    order_t order = choose_order(stride);
    *cache = (struct kmem_cache){
        .source = source,
        .site = site,
        .order = order,
        .size = size,
        .stride = stride,
        .inverse = UINT64_MAX / stride + 1,
        .capacity = slots_of_order(order, stride),
        .number = CPU_CACHES,
    };
    spinlock_init(&cache->lock, LOCK_CACHE, 0);
    list_init(&cache->partial);
    list_init(&cache->full);
    copy_name(cache->name, name);
    return STATUS_OK;
}

struct slab *slab_of(const struct slab_source *source, const void *object)
{
    uintptr_t offset = (uintptr_t)object - (uintptr_t)source->port->direct_map;
    struct frame_entry entry = source->find(source->context, offset >> FRAME_SHIFT);
    ASSERT(memdesc_type(entry.word) == MEMDESC_SLAB);
    return (struct slab *)(void *)memdesc_head(entry.word);
}

void slab_init(struct slab *slab, struct kmem_cache *cache, unsigned char *objects)
{
    /* Not the rest of the head: it may be looked up already, and is under its zone's lock. */
    atomic_flags_poke(&slab->head.flags, 0);
    slab->cache = cache;
    slab->objects = objects;
    slab->capacity = (uint16_t)cache->capacity;
    slab->live = 0;
    slab->floor = 0;
    slab->pinned = 0;
    slab->generation = 0;
    for (unsigned word = 0; word < SLAB_WORDS; word++) {
        slab->used[word] = 0;
    }
    for (uint64_t slot = cache->capacity; slot < SLAB_OBJECTS_MAX; slot++) {
        if (slot % 64 == 0) {
            slab->used[slot / 64] = ~(uint64_t)0;
            slot += 63;
        } else {
            slab->used[slot / 64] |= (uint64_t)1 << slot % 64;
        }
    }
}

void *slab_take(struct slab *slab)
{
    unsigned word = 0;
    ASSERT(slab->live < slab->capacity);
    while (slab->used[word] == ~(uint64_t)0) {
        word++;
    }
    unsigned bit = (unsigned)__builtin_ctzll(~slab->used[word]);
    slab->used[word] |= (uint64_t)1 << bit;
    slab->live++;
    return slab_slot(slab, (uint64_t)word * 64 + bit);
}

void slab_put(struct slab *slab, const void *object)
{
    uint64_t offset = (uint64_t)((const unsigned char *)object - slab->objects);
    uint64_t slot = (uint64_t)((unsigned __int128)offset * slab->cache->inverse >> 64);
    uint64_t bit = (uint64_t)1 << slot % 64;
    ASSERT(slot * slab->cache->stride == offset);
    ASSERT(slot < slab->capacity);
    ASSERT((slab->used[slot / 64] & bit) != 0); /* a double free else */
    slab->used[slot / 64] &= ~bit;
    slab->live--;
}

bool slab_uses(const struct slab *slab, const void *object)
{
    uint64_t offset = (uint64_t)((const unsigned char *)object - slab->objects);
    uint64_t slot = offset / slab->cache->stride;
    return offset % slab->cache->stride == 0 && slot < slab->capacity &&
           (slab->used[slot / 64] >> slot % 64 & 1) != 0;
}

void slab_mark(struct slab *slab, const void *object, bool used)
{
    uint64_t slot = (uint64_t)((const unsigned char *)object - slab->objects) / slab->cache->stride;
    uint64_t rest = slab->used[slot / 64] & ~((uint64_t)1 << slot % 64);
    slab->used[slot / 64] = rest | (uint64_t)used << slot % 64;
}

uint64_t slab_next_used(const struct slab *slab, uint64_t slot)
{
    while (slot < slab->capacity) {
        uint64_t left = slab->used[slot / 64] >> slot % 64;
        if (left != 0) {
            return slot + (uint64_t)__builtin_ctzll(left);
        }
        slot = (slot / 64 + 1) * 64;
    }
    return slab->capacity;
}

void kmem_cache_list(struct kmem_cache *cache, struct slab *slab)
{
    ASSERT(slab->live > slab->floor);
    list_push(slab->live == slab->capacity ? &cache->full : &cache->partial, &slab->list);
    atomic_flags_poke(&slab->head.flags, SLAB_LISTED);
    cache->slabs++;
    cache->live += (uint64_t)(slab->live - slab->floor);
}

void kmem_cache_unlist(struct kmem_cache *cache, struct slab *slab)
{
    list_remove(&slab->list);
    atomic_flags_poke(&slab->head.flags, 0);
    cache->slabs--;
    cache->live -= (uint64_t)(slab->live - slab->floor);
}

static bool object_fails(const struct kmem_cache *cache)
{
    const struct port *port = cache->source->port;
    return cache->site != FAULT_SITES && port->fault != NULL &&
           port->fault(port->context, cache->site);
}

void *kmem_cache_take_locked(struct kmem_cache *cache)
{
    struct slab *slab = slab_of_link(cache->partial.next);
    void *object = slab_take(slab);
    cache->live++;
    if (slab->live == slab->capacity) {
        list_remove(&slab->list);
        list_push(&cache->full, &slab->list);
    }
    return object;
}

void kmem_cache_take_chain(struct kmem_cache *cache, uint64_t count, struct object_chain *chain)
{
    spinlock_lock(&cache->lock);
    while (chain->count < count && !list_is_empty(&cache->partial)) {
        object_chain_push(chain, kmem_cache_take_locked(cache));
    }
    spinlock_unlock(&cache->lock);
}

bool kmem_cache_has_free(struct kmem_cache *cache)
{
    spinlock_lock(&cache->lock);
    bool has_free = !list_is_empty(&cache->partial);
    spinlock_unlock(&cache->lock);
    return has_free;
}

/* Takes objects from the listed slabs until @count are there or a fault says no. */
static uint64_t take_listed(struct kmem_cache *cache, uint64_t count, void **objects, bool *failed)
{
    uint64_t taken = 0;
    spinlock_lock(&cache->lock);
    while (taken < count && !list_is_empty(&cache->partial)) {
        *failed = object_fails(cache);
        if (*failed) {
            break;
        }
        objects[taken++] = kmem_cache_take_locked(cache);
    }
    spinlock_unlock(&cache->lock);
    return taken;
}

/* Takes objects from a new slab before other threads see it, so that growing always helps the one
 * who grew; then lists it, or gives it back where a fault left it empty. */
static uint64_t take_new(struct kmem_cache *cache, struct alloc_context alloc, uint64_t count,
                         void **objects, bool *failed)
{
    const struct slab_source *source = cache->source;
    struct slab *slab;
    *failed = !source->make(source->context, cache, alloc, &slab);
    if (*failed || slab == NULL) {
        return 0;
    }
    uint64_t taken = 0;
    while (taken < count && slab->live < slab->capacity) {
        *failed = object_fails(cache);
        if (*failed) {
            break;
        }
        objects[taken++] = slab_take(slab);
    }
    if (slab->live == slab->floor) {
        source->give_back(source->context, slab, &alloc.transaction->pending);
        return 0;
    }
    spinlock_lock(&cache->lock);
    kmem_cache_list(cache, slab);
    spinlock_unlock(&cache->lock);
    return taken;
}

bool kmem_cache_take(struct kmem_cache *cache, struct alloc_context alloc, uint64_t count,
                     void **objects)
{
    const struct slab_source *source = cache->source;
    bool failed = false;
    alloc.depth++;
    uint64_t taken = take_listed(cache, count, objects, &failed);
    while (taken < count && !failed) {
        taken += take_new(cache, alloc, count - taken, objects + taken, &failed);
        if (taken < count && !failed) {
            taken += take_listed(cache, count - taken, objects + taken, &failed);
        }
    }
    for (uint64_t i = 0; i < taken && cache->number < CPU_CACHES; i++) {
        *object_next(objects[i]) = 0; /* what a link was is none any more */
    }
    while (failed && taken > 0) {
        void *object = objects[--taken];
        struct slab *empty = kmem_cache_put(cache, slab_of(source, object), object);
        if (empty != NULL) {
            source->give_back(source->context, empty, &alloc.transaction->pending);
        }
    }
    return !failed;
}

bool kmem_cache_put_locked(struct kmem_cache *cache, struct slab *slab, void *const *objects,
                           unsigned count)
{
    bool was_full = slab->live == slab->capacity;
    ASSERT(atomic_flags_peek(&slab->head.flags) == SLAB_LISTED);
    for (unsigned i = 0; i < count; i++) {
        slab_put(slab, objects[i]);
    }
    cache->live -= count;
    bool empty = slab->live == slab->floor;
    if (empty || was_full) {
        list_remove(&slab->list);
    }
    if (empty) {
        atomic_flags_poke(&slab->head.flags, 0);
        cache->slabs--;
    } else if (was_full) {
        list_push(&cache->partial, &slab->list);
    }
    return empty;
}

struct slab *kmem_cache_put(struct kmem_cache *cache, struct slab *slab, void *object)
{
    spinlock_lock(&cache->lock);
    bool empty = kmem_cache_put_locked(cache, slab, &object, 1);
    spinlock_unlock(&cache->lock);
    return empty ? slab : NULL;
}

enum { CHAIN_GROUP = 32 };

/* Takes the first objects of @chain off it, as far as they lie in @slab. The links stay, so that
 * another free of one of them is looked at closely. Return: how many @objects. */
static unsigned chain_take_of(struct object_chain *chain, const struct slab *slab, void **objects)
{
    uint64_t bytes = FRAME_SIZE << slab->cache->order;
    unsigned count = 0;
    while (chain->count > 0 && count < CHAIN_GROUP) {
        unsigned char *object = object_of_link(chain->first);
        if ((uint64_t)(object - slab->objects) >= bytes) {
            break;
        }
        ASSERT(object_is_linked(object));
        objects[count++] = object;
        chain->first = *object_next(object);
        chain->count--;
    }
    return count;
}

void kmem_cache_put_chain(struct kmem_cache *cache, struct object_chain *chain,
                          struct list_head *empty)
{
    void *objects[CHAIN_GROUP];
    spinlock_lock(&cache->lock);
    while (chain->count > 0) {
        struct slab *slab = slab_of(cache->source, object_of_link(chain->first));
        ASSERT(slab->cache == cache);
        unsigned count = chain_take_of(chain, slab, objects);
        if (kmem_cache_put_locked(cache, slab, objects, count)) {
            list_push(empty, &slab->list);
        }
    }
    ASSERT(chain->first == OBJECT_NONE);
    spinlock_unlock(&cache->lock);
}

/* Bits set in @word, by adding ever wider fields; gcc's own popcount would ask for libgcc. */
static uint64_t count_bits(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555U;
    word = (word & 0x3333333333333333U) + (word >> 2 & 0x3333333333333333U);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fU;
    return word * 0x0101010101010101U >> 56;
}

/* I9 for one slab: its count is its bits, and it is on the right list. */
static bool check_slab(const struct kmem_cache *cache, const struct slab *slab, bool full,
                       struct violation *violation)
{
    pfn_t pfn =
        ((uintptr_t)slab->objects - (uintptr_t)cache->source->port->direct_map) >> FRAME_SHIFT;
    uint64_t live = 0;
    for (unsigned word = 0; word < SLAB_WORDS; word++) {
        live += count_bits(slab->used[word]);
    }
    live -= SLAB_OBJECTS_MAX - slab->capacity;
    return invariant_check(violation, INVARIANT_SLAB, pfn, live, slab->live) &&
           invariant_check(violation, INVARIANT_SLAB, pfn, true, live > slab->floor) &&
           invariant_check(violation, INVARIANT_SLAB, pfn, full, live == slab->capacity) &&
           invariant_check(violation, INVARIANT_SLAB, pfn, true, slab->cache == cache) &&
           invariant_check(violation, INVARIANT_SLAB, pfn, cache->order, slab->head.order);
}

bool kmem_cache_validate(const struct kmem_cache *cache, struct violation *violation)
{
    uint64_t slabs = 0;
    uint64_t live = 0;
    for (unsigned full = 0; full < 2; full++) {
        list_for_each (link, full ? &cache->full : &cache->partial) {
            const struct slab *slab = slab_of_link(link);
            if (!check_slab(cache, slab, full == 1, violation)) {
                return false;
            }
            slabs++;
            live += (uint64_t)(slab->live - slab->floor);
        }
    }
    return invariant_check(violation, INVARIANT_SLAB, PFN_NONE, slabs, cache->slabs) &&
           invariant_check(violation, INVARIANT_SLAB, PFN_NONE, live, cache->live);
}
