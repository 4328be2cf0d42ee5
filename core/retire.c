/* SPDX-License-Identifier: MIT
 *
 * retire.c: giving back slabs of struct buddys that are not empty but not needed.
 *
 * A slab of struct buddys lies on a frame, and that frame keeps the blocks around it from merging.
 * Often the only descriptors left in such a slab are those of just these blocks, of its own frame,
 * and of the slab of struct slabs that describes it: each needs the other, and neither ever gets
 * empty. (After a cold start, requirement A8, this is so at once.) Such a slab is retired: its
 * frame, and that of its struct slab's home where nothing else lives there, are freed first, with
 * all that this merges; the descriptors that are then left move to slots of other slabs.
 *
 * Only descriptors that no caller points to can move: those of free blocks, slabs and poisoned
 * frames. A frame that failed becomes poisoned instead of merging. Whether the rest finds room is
 * known before anything changes, so that this cannot fail half-way, and nothing is allocated: it is
 * done while freeing.
 *
 * Locks: the caches of struct buddys and of struct slabs, and all zones.
 */
#include "core/page_alloc.h"

enum { PUT_GROUP = 64 };

struct retirement {
    struct slab *slab; /* of struct buddys */
    struct slab *home; /* its struct slab's, if that slab goes with it; else NULL */
    uint64_t moves;    /* descriptors that must be found a place elsewhere */
    uint64_t gains;    /* places that merging itself leaves over */
};

/* While the first lock is held, no zone comes or goes. Those that are being made have blocks, too,
 * before others find them. */
static void lock_all(struct potad *potad)
{
    spinlock_lock(&potad->cache_buddy.lock);
    spinlock_lock(&potad->cache_slab.lock);
    zones_for_each(potad->zones_made, id)
    {
        spinlock_lock(&potad->zones[id].lock);
    }
}

static void unlock_all(struct potad *potad)
{
    zones_for_each(potad->zones_made, id)
    {
        spinlock_unlock(&potad->zones[id].lock);
    }
    spinlock_unlock(&potad->cache_slab.lock);
    spinlock_unlock(&potad->cache_buddy.lock);
}

static bool buddy_moves(const struct buddy *buddy)
{
    enum buddy_state state = buddy_state(buddy);
    return state == BUDDY_FREE || state == BUDDY_SLAB || state == BUDDY_POISONED;
}

/* Whether some descriptor of @slab cannot move. Looks at the one that was seen last time first, so
 * that a slab in ordinary use costs one look. Context: the lock of the cache of struct buddys. */
static bool slab_is_pinned(struct slab *slab)
{
    if (slab_next_used(slab, slab->pinned) == slab->pinned &&
        !buddy_moves(slab_slot(slab, slab->pinned))) {
        return true;
    }
    for (uint64_t slot = slab_next_used(slab, 0); slot < slab->capacity;
         slot = slab_next_used(slab, slot + 1)) {
        if (!buddy_moves(slab_slot(slab, slot))) {
            slab->pinned = (uint16_t)slot;
            return true;
        }
    }
    return false;
}

/* Adds what @merged comes to: its descriptors need no place, but the merged block does, where none
 * of them lies elsewhere; where more than one does, the others are left over. */
static void plan_merged(struct retirement *plan, const struct merge_preview *merged)
{
    plan->moves -= merged->in_page;
    plan->moves += merged->outside == 0 ? 1 : 0;
    plan->gains += merged->outside > 1 ? merged->outside - 1 : 0;
}

/* What freeing the frame of @slab comes to; the rest as space_preview_free(). */
static struct merge_preview preview(const struct space *zone, const struct slab *slab,
                                    const void *page, const struct merge_preview *other,
                                    bool *joined)
{
    return slab->head.flawed ? space_preview_poison(slab->buddy, page)
                             : space_preview_free(zone, slab->buddy, page, other, joined);
}

/* Counts the moves and gains of freeing and merging the slab's frame, and its home's. */
static void plan_count(const struct potad *potad, struct retirement *plan)
{
    bool joined = false;
    const struct slab *slab = plan->slab;
    const struct space *zone = &potad->zones[slab->head.zone];
    struct merge_preview first = preview(zone, slab, slab->objects, NULL, &joined);
    plan->moves = slab->live;
    plan->gains = 0;
    if (plan->home != NULL) {
        const struct slab *home = plan->home;
        bool may_join = home->head.zone == slab->head.zone && !slab->head.flawed;
        struct merge_preview second = preview(&potad->zones[home->head.zone], home, slab->objects,
                                              may_join ? &first : NULL, &joined);
        plan_merged(plan, &second);
    }
    if (!joined) {
        plan_merged(plan, &first);
    }
}

/* Whether @slab, listed, can be retired. Context: all locks. */
static bool retire_plan(struct potad *potad, struct slab *slab, const struct buddy_stash *released,
                        struct retirement *plan)
{
    const struct kmem_cache *buddys = &potad->cache_buddy;
    if (slab_is_pinned(slab)) {
        return false;
    }
    struct slab *home = slab_of(&potad->source, slab);
    plan->slab = slab;
    /* Two in use are the home's own struct slab and this one. */
    plan->home = home->live == 2 ? home : NULL;
    plan_count(potad, plan);
    uint64_t free_here = (uint64_t)(slab->capacity - slab->live);
    uint64_t free_all = buddys->slabs * buddys->capacity - buddys->live;
    uint64_t places = free_all - free_here + potad->boot_spare.count + plan->gains;
    /* None of @released lies in @slab: a descriptor in hand would pin it. */
    return plan->moves <= places + released->count;
}

/* A descriptor for a move: out of @released, of the boot, or a free slot. */
static struct buddy *move_target(struct potad *potad, struct buddy_stash *released)
{
    if (released->count > 0) {
        return buddy_stash_take(released);
    }
    if (potad->boot_spare.count > 0) {
        atomic_word_add(&potad->boot_buddies, 1);
        return buddy_stash_take(&potad->boot_spare);
    }
    struct buddy *buddy = kmem_cache_take_locked(&potad->cache_buddy);
    buddy_reset(buddy);
    return buddy;
}

/* Moves what is left in @slab, whose frames are free already, to other slabs. */
static void move_rest(struct potad *potad, struct slab *slab, struct buddy_stash *released)
{
    for (uint64_t slot = slab_next_used(slab, 0); slot < slab->capacity;
         slot = slab_next_used(slab, slot + 1)) {
        struct buddy *from = slab_slot(slab, slot);
        struct buddy *to = move_target(potad, released);
        struct space *zone = &potad->zones[from->head.zone];
        space_replace_buddy(zone, from, to);
        if (buddy_state(to) == BUDDY_SLAB) {
            memdesc_t word = block_map_read(&zone->map, to->pfn);
            struct slab *owner = (struct slab *)(void *)memdesc_head(word);
            owner->buddy = to;
        }
    }
}

/* Sorts what merging let go: slots of the dying @slab are cleared, the others are @released. */
static void sort_merged(struct slab *slab, struct buddy_stash *merged, struct buddy_stash *released)
{
    while (merged->count > 0) {
        struct buddy *buddy = buddy_stash_take(merged);
        if (buddy_is_in_page(buddy, slab->objects)) {
            slab_put(slab, buddy);
        } else {
            buddy_stash_put(released, buddy);
        }
    }
}

/* Does what retire_plan() found possible. Context: all locks. */
static void retire(struct potad *potad, const struct retirement *plan, struct buddy_stash *released)
{
    struct slab *slab = plan->slab;
    struct slab *home = slab_of(&potad->source, slab);
    struct buddy_stash merged;
    pfn_t pfn = address_pfn(potad, slab->objects);
    pfn_t home_pfn = address_pfn(potad, home->objects);
    buddy_stash_init(&merged);
    kmem_cache_unlist(&potad->cache_buddy, slab);
    block_free(potad, &potad->zones[slab->head.zone], slab->buddy, slab->objects, &merged);
    if (plan->home != NULL) {
        kmem_cache_unlist(&potad->cache_slab, home);
        block_free(potad, &potad->zones[home->head.zone], home->buddy, slab->objects, &merged);
    }
    sort_merged(slab, &merged, released);
    move_rest(potad, slab, released);
    if (plan->home == NULL) {
        void *object = slab;
        bool empty = kmem_cache_put_locked(&potad->cache_slab, home, &object, 1);
        ASSERT(!empty);
    } else {
        potad->port.conceal(potad->port.context, home_pfn, 1);
    }
    potad->port.conceal(potad->port.context, pfn, 1);
}

/* Retires @slab at frame @pfn, of which nobody knows any more whether it is one, if it can be. */
static void retire_try(struct potad *potad, struct slab *slab, pfn_t pfn,
                       struct buddy_stash *released)
{
    struct retirement plan;
    port_window(potad, WINDOW_RETIRE);
    lock_all(potad);
    /* Somebody may have given the slab back meanwhile: its frame tells, under its zone's lock. */
    const struct space *zone = zone_of(potad, pfn);
    memdesc_t word = zone == NULL ? 0 : block_map_read(&zone->map, pfn);
    bool same = memdesc_type(word) == MEMDESC_SLAB && (void *)memdesc_head(word) == (void *)slab;
    bool listed = same && atomic_flags_peek(&slab->head.flags) == SLAB_LISTED;
    if (!listed || slab->cache != &potad->cache_buddy) {
        core_event(potad, CORE_EVENT_RETIRE_RACED);
    } else if (retire_plan(potad, slab, released, &plan)) {
        retire(potad, &plan, released);
    }
    unlock_all(potad);
}

/* Descriptors that go back to their slabs together: what each looks at is asked for before the
 * first is put. */
struct put_group {
    unsigned count;
    void *buddys[PUT_GROUP];
    struct slab *slabs[PUT_GROUP]; /* of each */
    unsigned candidates;
    struct slab *loose[PUT_GROUP]; /* slabs that perhaps can be retired */
    pfn_t loose_pfns[PUT_GROUP];
    struct list_head empty; /* slabs */
};

static struct slab *slab_of_buddy(const struct potad *potad, const struct buddy *buddy)
{
    if (potad->table.frames == 0) {
        return slab_of(&potad->source, buddy);
    }
    /* Slabs of struct buddys are single frames, of zones of the boot. */
    memdesc_t word = frame_table_read(&potad->table, address_pfn(potad, buddy));
    ASSERT(memdesc_type(word) == MEMDESC_SLAB);
    return (struct slab *)(void *)memdesc_head(word);
}

/* Keeps boot descriptor @buddy, left over where two blocks of the boot have merged, for the next
 * block that must leave a slab. */
static void boot_keep(struct potad *potad, struct buddy *buddy)
{
    atomic_word_add(&potad->boot_buddies, ~(uint64_t)0);
    spinlock_lock(&potad->cache_buddy.lock);
    buddy_stash_put(&potad->boot_spare, buddy);
    spinlock_unlock(&potad->cache_buddy.lock);
}

/* Takes what goes back off @released; boot descriptors are kept. */
static void group_gather(struct potad *potad, struct put_group *group, struct buddy_stash *released)
{
    struct slab *slab = NULL;
    group->count = 0;
    group->candidates = 0;
    list_init(&group->empty);
    while (released->count > 0 && group->count < PUT_GROUP) {
        struct buddy *buddy = buddy_stash_take(released);
        if (buddy_is(buddy, BUDDY_BOOT)) {
            boot_keep(potad, buddy);
            continue;
        }
        if (slab == NULL || !buddy_is_in_page(buddy, slab->objects)) {
            slab = slab_of_buddy(potad, buddy);
            __builtin_prefetch(slab->used, 1);
        }
        group->buddys[group->count] = buddy;
        group->slabs[group->count++] = slab;
    }
}

/* Puts all, and takes note of slabs that perhaps can go. Context: the lock of their cache. */
static void group_put(struct potad *potad, struct put_group *group)
{
    unsigned next;
    for (unsigned i = 0; i < group->count; i = next) {
        struct slab *slab = group->slabs[i];
        for (next = i + 1; next < group->count && group->slabs[next] == slab; next++) {
        }
        if (kmem_cache_put_locked(&potad->cache_buddy, slab, &group->buddys[i], next - i)) {
            list_push(&group->empty, &slab->list);
        } else if (!slab_is_pinned(slab)) {
            /* So nothing else of the group, all in hand, lies in it: each is noted once. */
            group->loose[group->candidates] = slab;
            group->loose_pfns[group->candidates++] = address_pfn(potad, slab->objects);
        }
    }
}

void retire_put(struct potad *potad, struct buddy_stash *released)
{
    struct put_group group;
    while (released->count > 0) {
        group_gather(potad, &group, released);
        if (group.count == 0) {
            continue;
        }
        spinlock_lock(&potad->cache_buddy.lock);
        group_put(potad, &group);
        spinlock_unlock(&potad->cache_buddy.lock);
        slabs_give_back(potad, &group.empty, released);
        for (unsigned i = 0; i < group.candidates; i++) {
            retire_try(potad, group.loose[i], group.loose_pfns[i], released);
        }
    }
}

bool retire_one(struct potad *potad, uint64_t generation, struct buddy_stash *released)
{
    struct kmem_cache *cache = &potad->cache_buddy;
    struct retirement plan;
    bool retired = false;
    lock_all(potad);
    for (unsigned full = 0; full < 2 && !retired; full++) {
        list_for_each (link, full != 0 ? &cache->full : &cache->partial) {
            struct slab *slab = list_item(link, struct slab, list);
            if (slab->generation > generation && retire_plan(potad, slab, released, &plan)) {
                retire(potad, &plan, released);
                retired = true;
                break;
            }
        }
    }
    unlock_all(potad);
    return retired;
}

void potad_shrink(struct potad *potad)
{
    struct buddy_stash released;
    buddy_stash_init(&released);
    (void)cpu_cache_drain(potad);
    /* Blocks merge where node slabs were, so that trees shrink, and more nodes can leave. */
    while (map_nodes_leave(potad, 0, true, &released) > 0) {
        descriptors_release(potad, &released);
    }
    while (retire_one(potad, 0, &released)) {
        descriptors_release(potad, &released);
    }
}
