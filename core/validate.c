/* SPDX-License-Identifier: MIT
 *
 * validate.c: the checks that span zones and caches, and the state hash.
 */
#include "core/page_alloc.h"

/* Slabs of all caches, and their frames. */
struct slab_census {
    uint64_t slabs;
    uint64_t self_described;
    uint64_t frames;
};

/* I10 for one slab; its block was checked with its zone. */
static bool check_home(const struct potad *potad, const struct kmem_cache *cache,
                       const struct slab *slab, struct slab_census *census,
                       struct violation *violation)
{
    pfn_t pfn = address_pfn(potad, slab->objects);
    memdesc_t word = block_map_read(&potad->zones[slab->head.zone].map, pfn);
    census->slabs++;
    census->self_described += slab->floor > 0 ? 1 : 0;
    census->frames += order_frames(cache->order);
    return invariant_check(violation, INVARIANT_SLAB, pfn, memdesc_make(slab, MEMDESC_SLAB),
                           word) &&
           invariant_check(violation, INVARIANT_SLAB, pfn, pfn, slab->buddy->pfn) &&
           invariant_check(violation, INVARIANT_SLAB, pfn, BUDDY_SLAB, buddy_state(slab->buddy)) &&
           invariant_check(violation, INVARIANT_SLAB_HOME, pfn, true,
                           potad->zones[slab->head.zone].metadata_allowed) &&
           invariant_check(violation, INVARIANT_SLAB_HOME, pfn, true,
                           cache->zones == 0 || (cache->zones >> slab->head.zone & 1) != 0) &&
           invariant_check(violation, INVARIANT_SLAB_HOME, pfn, false,
                           buddy_is(slab->buddy, BUDDY_UNACCEPTED));
}

static bool check_cache(const struct potad *potad, const struct kmem_cache *cache,
                        struct slab_census *census, struct violation *violation)
{
    if (!kmem_cache_validate(cache, violation)) {
        return false;
    }
    for (unsigned full = 0; full < 2; full++) {
        list_for_each (link, full != 0 ? &cache->full : &cache->partial) {
            const struct slab *slab = list_item(link, struct slab, list);
            if (!check_home(potad, cache, slab, census, violation)) {
                return false;
            }
        }
    }
    return true;
}

/* What the records of failed frames hold. */
struct record_census {
    uint64_t records;
    uint64_t buddys;
    uint64_t nodes;
};

static void count_records(const struct space *zone, struct record_census *census)
{
    list_for_each (link, &zone->flaws) {
        census->records++;
        census->buddys += list_item(link, struct poison, list)->buddys.count;
        census->nodes += list_item(link, struct poison, list)->nodes.count;
    }
}

/* I17 for one list of a CPU, the blocks of which are marked; their marks are taken off, so that
 * none is met again. */
static bool check_list(const struct potad *potad, const struct cpu_list *list, struct cpu_kind kind,
                       struct violation *violation)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct buddy *buddy = list->blocks[i];
        const struct space *zone = &potad->zones[kind.zone];
        uint32_t flags = atomic_flags_peek(&buddy->head.flags);
        bool fits = buddy_state(buddy) == BUDDY_ALLOCATED &&
                    (flags & (uint32_t)BUDDY_USE_MASK) == BUDDY_CACHED &&
                    buddy->head.order == kind.order && buddy->head.zone == kind.zone &&
                    buddy->head.migratetype == kind.type && !buddy->head.flawed;
        if (!invariant_check(violation, INVARIANT_CPU_LIST, buddy->pfn, true, fits) ||
            !invariant_check(violation, INVARIANT_CPU_LIST, buddy->pfn,
                             memdesc_make(buddy, MEMDESC_BUDDY_ALLOCATED),
                             block_map_read(&zone->map, buddy->pfn))) {
            return false;
        }
        buddy_set_use(buddy, BUDDY_CACHED, false);
    }
    return true;
}

/* I17 for one CPU, or the depot. */
static bool check_lists(const struct potad *potad, const struct cpu_list *lists,
                        struct violation *violation)
{
    for (unsigned i = 0; i < CPU_LISTS; i++) {
        const struct cpu_list *list = &lists[i];
        bool fits = list->count <= list->room;
        if (!invariant_check(violation, INVARIANT_CPU_LIST, PFN_NONE, true, fits) ||
            !check_list(potad, list, cpu_kind_of(i), violation)) {
            return false;
        }
    }
    return true;
}

/* I17 for the blocks of @zone that are on no list. */
static bool check_unmarked(const struct space *zone, struct violation *violation)
{
    pfn_t at = zone->start;
    while ((at = block_map_next(&zone->map, at, zone->end)) < zone->end) {
        memdesc_t word = block_map_read(&zone->map, at);
        const struct memdesc *head = memdesc_head(word);
        bool plain = memdesc_type(word) == MEMDESC_BUDDY_ALLOCATED;
        bool marked = (atomic_flags_peek(&head->flags) & (uint32_t)BUDDY_CACHED) != 0;
        if (!invariant_check(violation, INVARIANT_CPU_LIST, at, false, plain && marked)) {
            return false;
        }
        at += order_frames(head->order);
    }
    return true;
}

/* I17: the lists of all CPUs, and that no other block says it is on one. */
static bool check_marked(struct potad *potad, struct violation *violation)
{
    for (unsigned keeper = 0; keeper < CPU_KEEPERS; keeper++) {
        const struct cpu_list *lists = cpu_keeper_lists(potad, keeper);
        if (lists != NULL && !check_lists(potad, lists, violation)) {
            return false;
        }
    }
    zones_for_each(zones_present(potad), id)
    {
        if (!check_unmarked(&potad->zones[id], violation)) {
            return false;
        }
    }
    return true;
}

static bool check_cpus(struct potad *potad, struct violation *violation)
{
    if (potad->port.cpu_enter == NULL) {
        return true;
    }
    if (!CPU_MARKS) {
        cpu_cache_mark(potad, true);
    }
    bool holds = check_marked(potad, violation);
    cpu_cache_mark(potad, CPU_MARKS);
    return holds;
}

bool potad_validate(struct potad *potad, struct violation *violation)
{
    struct slab_census census = {0};
    struct record_census held = {0};
    uint64_t blocks = 0;
    uint64_t spare = 0;
    uint64_t slab_frames = 0;
    uint64_t nodes = 0;
    *violation = (struct violation){.pfn = PFN_NONE};
    zones_for_each(zones_present(potad), id)
    {
        if (!range_tree_validate(&potad->zones[id].map.tree, violation) ||
            !space_validate(&potad->zones[id], violation)) {
            return false;
        }
        blocks += potad->zones[id].blocks;
        spare += potad->zones[id].spare.count;
        slab_frames += potad->zones[id].frames[BUDDY_SLAB];
        count_records(&potad->zones[id], &held);
        nodes += range_tree_nodes(&potad->zones[id].map.tree);
    }
    list_for_each (link, &potad->caches) {
        const struct kmem_cache *cache = list_item(link, struct kmem_cache, caches);
        if (!check_cache(potad, cache, &census, violation)) {
            return false;
        }
    }
    if (!check_cpus(potad, violation) || !cpu_objects_validate(potad, violation)) {
        return false;
    }
    uint64_t buddys = potad->cache_buddy.live + atomic_word_peek(&potad->boot_buddies);
    return invariant_check(violation, INVARIANT_DESC_COUNT, PFN_NONE, blocks + held.buddys + spare,
                           buddys) &&
           invariant_check(violation, INVARIANT_DESC_COUNT, PFN_NONE,
                           census.slabs - census.self_described, potad->cache_slab.live) &&
           invariant_check(violation, INVARIANT_ACCOUNTING, PFN_NONE, census.frames, slab_frames) &&
           invariant_check(violation, INVARIANT_POISON, PFN_NONE, held.records,
                           potad->cache_poison.live) &&
           invariant_check(violation, INVARIANT_RANGE_NODES, PFN_NONE, nodes + held.nodes,
                           potad->cache_node.live + potad->boot_nodes_count) &&
           invariant_check(violation, INVARIANT_IN_HAND, PFN_NONE, 0, blocks_in_hand(potad));
}

uint64_t potad_state_hash(struct potad *potad)
{
    uint64_t hash = 0;
    zones_for_each(zones_present(potad), id)
    {
        hash += space_hash(&potad->zones[id]);
    }
    list_for_each (link, &potad->caches) {
        const struct kmem_cache *cache = list_item(link, struct kmem_cache, caches);
        /* How many nodes a tree has tells of its past, not of what is in it. */
        if (cache != &potad->cache_node) {
            hash += hash_mix(hash_mix(cache->stride) ^ hash_mix(cache->live) ^ cache->slabs);
        }
    }
    return hash;
}
