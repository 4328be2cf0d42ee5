/* SPDX-License-Identifier: MIT
 *
 * slab_page.c: where slabs come from, and the bootstrap of requirements A7 to A9.
 *
 * A new slab needs a struct slab and a block; the block may need struct buddys; and both kinds of
 * descriptors come from slabs. The chain of calls ends in one of two places that need nothing but
 * one free block, because they build the descriptors for cutting it on that block itself:
 *
 *   alloc_pages                       block to be split: struct buddys needed
 *   └ slab_page_make(buddy)           none left: a new slab of them
 *     ├ slab_page_make(slab)          needs a struct slab, none left
 *     │ └ self_described_make()       A8: ends here
 *     └ block_alloc                   others were faster: no small block, no struct buddy left
 *       └ slab_page_make(buddy)       nested
 *         ├ slab_page_make(slab)
 *         │ └ self_described_make()   A9: the deepest point, CHAIN_DEPTH_MAX with a user's cache
 *         └ self_cut_make()           a nested slab of struct buddys describes its own block's
 *                                     halves: ends here
 */
#include "core/page_alloc.h"

/* Makes @slab the owner of the detached or allocated block of @buddy, which is accepted. Context:
 * the zone's lock. */
static void slab_own_block(struct space *zone, struct slab *slab, struct buddy *buddy)
{
    if (buddy_state(buddy) == BUDDY_TAKEN) {
        /* Else it was @slab's before, and frames may have failed since. */
        slab->head.flawed = false;
    }
    buddy_set_accepted(buddy);
    buddy->head.migratetype = MIGRATE_UNMOVABLE;
    buddy_describe(buddy, &slab->head);
    slab->buddy = buddy;
    space_set_word(zone, buddy, memdesc_make(slab, MEMDESC_SLAB));
    space_set_state(zone, buddy, BUDDY_SLAB);
}

/* The smallest free block of @zone that metadata can have, accepted or not yet, or NULL. */
static struct buddy *smallest_block(const struct space *zone, bool unaccepted)
{
    if (zone->born == 0 || !zone->metadata_allowed) {
        return NULL;
    }
    return unaccepted ? space_smallest(zone, AREA_UNACCEPTED, 0) : space_smallest_accepted(zone, 0);
}

/* The zone with the smallest such block, or NULL. */
static struct space *smallest_zone(struct potad *potad, bool unaccepted)
{
    struct space *best = NULL;
    order_t best_order = ORDERS;
    uint32_t homes = zones_for_metadata(potad);
    for (zone_id_t id = ZONES_MAX; id-- > 0;) {
        struct space *zone = &potad->zones[id];
        if ((homes >> id & 1) == 0) {
            continue;
        }
        spinlock_lock(&zone->lock);
        struct buddy *buddy = smallest_block(zone, unaccepted);
        if (buddy != NULL && buddy_order(buddy) < best_order) {
            best = zone;
            best_order = buddy_order(buddy);
        }
        spinlock_unlock(&zone->lock);
    }
    return best;
}

/* A block that becomes slabs, and the tree nodes for cutting it. */
struct found_block {
    struct buddy *buddy; /* NULL: there is none */
    struct alloc_transaction *transaction;
    struct epoch_list nodes;
};

/* Takes nodes for cutting all that @found is to be cut to: in up to two cuts, the second of one
 * halving. Context: the zone's lock. Return: whether there are so many. */
static bool found_nodes(struct space *zone, struct alloc_context alloc, struct found_block *found)
{
    order_t order = buddy_order(found->buddy);
    /* The zone is not locked until the cut: others may make the tree grow. */
    uint64_t nodes = block_map_nodes(&zone->map, order, 2);
    nodes += order > 0 ? block_map_nodes(&zone->map, 1, 3) : 0;
    if (!map_nodes_ready(alloc, zone, nodes)) {
        return false;
    }
    found->nodes = block_map_detach(&zone->map, nodes);
    return true;
}

/* Takes the smallest block that may hold metadata off its list, with its first @pages frames (as
 * far as it has them) accepted. Context: no lock. */
static struct found_block smallest_try(struct potad *potad, uint64_t pages,
                                       struct alloc_context alloc)
{
    struct found_block found = {.transaction = alloc.transaction};
    for (unsigned unaccepted = 0; unaccepted < 2; unaccepted++) {
        struct space *zone = smallest_zone(potad, unaccepted != 0);
        while (zone != NULL) {
            spinlock_lock(&zone->lock);
            struct buddy *buddy = smallest_block(zone, unaccepted != 0);
            if (buddy == NULL) {
                /* Somebody took it meanwhile. */
                spinlock_unlock(&zone->lock);
                zone = smallest_zone(potad, unaccepted != 0);
                continue;
            }
            found.buddy = buddy;
            if (!found_nodes(zone, alloc, &found)) {
                spinlock_unlock(&zone->lock);
                return (struct found_block){.buddy = NULL};
            }
            block_in_hand(potad);
            space_detach(zone, buddy);
            space_set_word(zone, buddy, memdesc_make(buddy, MEMDESC_BUDDY_ALLOCATED));
            uint64_t frames = order_frames(buddy_order(buddy));
            frames = frames < pages ? frames : pages;
            bool usable =
                unaccepted == 0 || block_accept(potad, zone, buddy, frames, alloc.transaction);
            if (usable) {
                spinlock_unlock(&zone->lock);
                return found;
            }
            block_map_attach(&zone->map, &found.nodes);
            spinlock_unlock(&zone->lock);
            block_put_back(potad, alloc.transaction);
            break;
        }
    }
    return (struct found_block){.buddy = NULL};
}

static struct found_block smallest_detach(struct potad *potad, uint64_t pages,
                                          struct alloc_context alloc)
{
    uint32_t drains = alloc.transaction->drains;
    struct found_block found = smallest_try(potad, pages, alloc);
    if (found.buddy == NULL && cpu_cache_reclaim(potad, alloc, &drains)) {
        found = smallest_try(potad, pages, alloc);
    }
    return found;
}

/* Fills @stash with @count struct buddys out of @slab, which nobody else has seen. */
static void stash_from_slab(struct slab *slab, order_t count, struct buddy_stash *stash)
{
    buddy_stash_init(stash);
    for (order_t i = 0; i < count; i++) {
        struct buddy *buddy = slab_take(slab);
        buddy_stash_put(stash, buddy);
    }
}

/* slab_init() for a slab of struct buddys: each slot's state is to be read as soon as the slot is
 * in use, by those who want to retire the slab. */
static void buddy_slab_init(struct potad *potad, struct slab *slab, unsigned char *page)
{
    slab_init(slab, &potad->cache_buddy, page);
    for (uint64_t slot = 0; slot < slab->capacity; slot++) {
        buddy_reset(slab_slot(slab, slot));
    }
}

/* Stamps @slab as made by now: a failed call gives back what is younger than its beginning. */
static void slab_stamp(struct potad *potad, struct slab *slab)
{
    slab->generation = atomic_word_add(&potad->slab_generation, 1) + 1;
}

/* What became of an attempt to make a slab. */
enum made {
    MADE_NONE,    /* no memory; nothing has changed */
    MADE_IN_HAND, /* an empty slab that nobody else has seen */
    MADE_LISTED   /* a slab in use already, on its cache's list: take from there */
};

/* Makes the single frame of @found the block of @slab. Context: no lock. */
static void single_make(struct potad *potad, struct slab *slab, struct found_block *found)
{
    struct space *zone = &potad->zones[found->buddy->head.zone];
    spinlock_lock(&zone->lock);
    block_map_attach(&zone->map, &found->nodes);
    slab_own_block(zone, slab, found->buddy);
    spinlock_unlock(&zone->lock);
    block_put_back(potad, found->transaction);
}

/* Cuts the first two frames off the detached block of @found: frame 0 becomes the self-describing
 * @home, frame 1 the slab @descriptors, whose slots describe all that results (requirement A8).
 * Others may take, free and merge these blocks as soon as the zone is unlocked, so both slabs are
 * listed before. Context: no lock. */
static void pair_make(struct potad *potad, struct slab *home, struct slab *descriptors,
                      struct found_block *found)
{
    struct buddy *buddy = found->buddy;
    struct space *zone = &potad->zones[buddy->head.zone];
    struct buddy_stash stash;
    struct buddy *parts[2];
    stash_from_slab(descriptors, buddy_order(buddy), &stash);
    slab_stamp(potad, descriptors);
    spinlock_lock(&potad->cache_buddy.lock);
    spinlock_lock(&potad->cache_slab.lock);
    spinlock_lock(&zone->lock);
    block_map_attach(&zone->map, &found->nodes);
    struct buddy *pair = space_split_detached(zone, buddy, 1, &stash);
    space_split_allocated(zone, pair, 0, &stash, parts);
    slab_own_block(zone, home, parts[0]);
    slab_own_block(zone, descriptors, parts[1]);
    kmem_cache_list(&potad->cache_buddy, descriptors);
    kmem_cache_list(&potad->cache_slab, home);
    spinlock_unlock(&zone->lock);
    spinlock_unlock(&potad->cache_slab.lock);
    spinlock_unlock(&potad->cache_buddy.lock);
    block_put_back(potad, found->transaction);
}

/* __alloc_slab() of requirement A8: the smallest block there is becomes a self-describing slab of
 * struct slabs; of a larger one, the second frame becomes a slab of struct buddys. Context: no
 * lock. *@slab is what is in hand. */
static enum made self_described_make(struct potad *potad, struct alloc_context alloc,
                                     struct slab **slab)
{
    struct found_block found = smallest_detach(potad, 2, alloc);
    struct buddy *buddy = found.buddy;
    if (buddy == NULL) {
        return MADE_NONE;
    }
    alloc.depth++;
    ASSERT(alloc.depth <= CHAIN_DEPTH_MAX);
    atomic_word_raise(&potad->chain_depth_seen, alloc.depth);
    bool pair = buddy_order(buddy) > 0;
    unsigned char *page = pfn_address(potad, buddy->pfn);
    struct slab *home = (struct slab *)(void *)page;
    potad->port.expose(potad->port.context, buddy->pfn, pair ? 2 : 1, false);
    slab_init(home, &potad->cache_slab, page);
    home->floor = 1;
    void *self = slab_take(home);
    ASSERT(self == home);
    slab_stamp(potad, home);
    if (pair) {
        struct slab *descriptors = slab_take(home);
        buddy_slab_init(potad, descriptors, page + FRAME_SIZE);
        pair_make(potad, home, descriptors, &found);
    } else {
        single_make(potad, home, &found);
        *slab = home;
    }
    port_window(potad, WINDOW_SELF_DESCRIBED);
    return pair ? MADE_LISTED : MADE_IN_HAND;
}

/* Makes @slab, a struct slab in hand, a slab of struct buddys on the first frame of the smallest
 * block, whose other parts its own slots describe. Context: no lock. */
static enum made self_cut_make(struct potad *potad, struct slab *slab, struct alloc_context alloc)
{
    struct buddy_stash stash;
    struct found_block found = smallest_detach(potad, 1, alloc);
    struct buddy *buddy = found.buddy;
    if (buddy == NULL) {
        return MADE_NONE;
    }
    potad->port.expose(potad->port.context, buddy->pfn, 1, false);
    buddy_slab_init(potad, slab, pfn_address(potad, buddy->pfn));
    slab_stamp(potad, slab);
    if (buddy_order(buddy) == 0) {
        single_make(potad, slab, &found);
        return MADE_IN_HAND;
    }
    struct space *zone = &potad->zones[buddy->head.zone];
    stash_from_slab(slab, buddy_order(buddy), &stash);
    spinlock_lock(&potad->cache_buddy.lock);
    spinlock_lock(&zone->lock);
    block_map_attach(&zone->map, &found.nodes);
    buddy = space_split_detached(zone, buddy, 0, &stash);
    slab_own_block(zone, slab, buddy);
    kmem_cache_list(&potad->cache_buddy, slab);
    spinlock_unlock(&zone->lock);
    spinlock_unlock(&potad->cache_buddy.lock);
    block_put_back(potad, found.transaction);
    return MADE_LISTED;
}

/* Gives @slab, a struct slab in hand, a block out of the ordinary allocator. */
static enum made block_make(struct potad *potad, struct kmem_cache *cache, struct slab *slab,
                            struct alloc_context alloc)
{
    struct buddy *buddy;
    uint64_t as_of = atomic_word_acquire(&potad->index.births);
    uint32_t homes = zones_for_metadata(potad);
    struct block_request request = {
        .order = cache->order,
        .as_of = as_of,
        .zones = cache->zones == 0 ? homes : homes & cache->zones,
        .migratetype = MIGRATE_UNMOVABLE,
        .reserve = true,
    };
    memdesc_t owner = memdesc_make(slab, MEMDESC_SLAB);
    /* What is nested is of struct buddys, which would not come here. */
    ASSERT(!alloc.nested);
    alloc.nested = cache == &potad->cache_buddy;
    if (block_alloc(potad, alloc, &request, owner, &buddy) != STATUS_OK) {
        return MADE_NONE;
    }
    struct space *zone = &potad->zones[buddy->head.zone];
    if (cache == &potad->cache_buddy && kmem_cache_has_free(cache)) {
        /* Cutting this block took a slab of struct buddys already: another is one too many. */
        spinlock_lock(&zone->lock);
        block_free(potad, zone, buddy, NULL, &alloc.transaction->pending);
        spinlock_unlock(&zone->lock);
        return MADE_NONE;
    }
    potad->port.expose(potad->port.context, buddy->pfn, order_frames(cache->order), false);
    if (cache == &potad->cache_buddy) {
        buddy_slab_init(potad, slab, pfn_address(potad, buddy->pfn));
    } else {
        slab_init(slab, cache, pfn_address(potad, buddy->pfn));
    }
    if (cache == &potad->cache_buddy || cache == &potad->cache_node) {
        slab_stamp(potad, slab);
    }
    spinlock_lock(&zone->lock);
    slab_own_block(zone, slab, buddy);
    spinlock_unlock(&zone->lock);
    return MADE_IN_HAND;
}

static void struct_slab_put(struct potad *potad, struct slab *slab, struct buddy_stash *released)
{
    struct slab *empty = kmem_cache_put(&potad->cache_slab, slab_of(&potad->source, slab), slab);
    if (empty != NULL) {
        slab_page_give_back(potad, empty, released);
    }
}

/* alloc_slab_page() of requirement A7. */
bool slab_page_make(void *context, struct kmem_cache *cache, struct alloc_context alloc,
                    struct slab **slab)
{
    struct potad *potad = context;
    void *object;
    enum made made = MADE_NONE;
    bool of_buddys = cache == &potad->cache_buddy;
    alloc.depth++;
    *slab = NULL;
    port_window(potad, WINDOW_SLAB_GROW);
    if (cache == &potad->cache_slab) {
        /* The recursion stops here. */
        return !port_fault(potad, FAULT_SLAB_PAGE) &&
               self_described_make(potad, alloc, slab) != MADE_NONE;
    }
    if (!kmem_cache_take(&potad->cache_slab, alloc, 1, &object)) {
        return false;
    }
    struct slab *made_of = object;
    port_window(potad, WINDOW_SLAB_DESC_TAKEN);
    /* The struct slab may have come with a whole slab of struct buddys: then that will do. */
    bool needed = !(of_buddys && kmem_cache_has_free(cache));
    if (needed && !port_fault(potad, FAULT_SLAB_PAGE)) {
        made = of_buddys && alloc.nested ? self_cut_make(potad, made_of, alloc)
                                         : block_make(potad, cache, made_of, alloc);
    }
    if (made == MADE_NONE) {
        struct_slab_put(potad, made_of, &alloc.transaction->pending);
    }
    *slab = made == MADE_IN_HAND ? made_of : NULL;
    /* block_make() makes none, either, where there is one by then. */
    return made != MADE_NONE || !needed || kmem_cache_has_free(cache);
}

void slab_page_give_back(void *context, struct slab *slab, struct buddy_stash *released)
{
    struct potad *potad = context;
    while (slab != NULL) {
        struct space *zone = &potad->zones[slab->head.zone];
        bool self_described = slab->floor > 0;
        spinlock_lock(&zone->lock);
        pfn_t pfn = slab->buddy->pfn;
        order_t order = buddy_order(slab->buddy);
        /* A slab that describes itself is looked into, so it must not be concealed yet. */
        block_free(potad, zone, slab->buddy, NULL, released);
        potad->port.conceal(potad->port.context, pfn, order_frames(order));
        spinlock_unlock(&zone->lock);
        if (self_described) {
            return;
        }
        slab = kmem_cache_put(&potad->cache_slab, slab_of(&potad->source, slab), slab);
    }
}
