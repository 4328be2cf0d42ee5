/* SPDX-License-Identifier: MIT
 *
 * map_nodes.c: the nodes of zones whose map is a tree (block_map.h): where they come from, and how
 * they go back.
 *
 * Cutting a block takes tree nodes; nodes come from slabs; and a slab is a block that has to be
 * cut. So each zone's tree has spare nodes at all times, enough for the cuts that making one slab
 * of nodes can take (MAP_CHAIN_CUTS, in zones that may hold slabs; elsewhere one): a cut goes ahead
 * only where these are left over after it, unless it is part of just that growth. Frees, which
 * merge nodes, leave them alone, too (range_tree.floor): while a reader keeps old nodes from coming
 * back, nothing else would replace them. The first ones are carved at boot, as boot descriptors
 * are.
 *
 *   block_alloc()         too few nodes for a cut: fails, and the transaction is marked nodes_short
 *   map_nodes_fill()      takes nodes from their cache, which may grow: those cuts use the reserve
 *   block_alloc()         again
 *
 * No other zone is tried before that, or one that lacks nodes would be passed over for as long as
 * others have memory.
 *
 * A call that fails in the end, and potad_shrink(), move what is in nodes of slabs to older ones,
 * or to those of the boot: then the slabs are empty, and go back.
 */
#include "core/page_alloc.h"

enum {
    /* A slab of nodes: its struct slab may cut a pair of frames off a block, which is two cuts, a
     * slab of struct buddys another, and its own block one. */
    MAP_CHAIN_CUTS = 4,
    MAP_SPARE_KEEP = 64, /* spare nodes beyond what must be, before any are given back */
    TAKE_MOST = 16,
    FILLS_MOST = 8 /* of a call: others may use up what it allocates */
};

/* Nodes that any one cut of @zone can take, also when its tree has grown by @levels. */
static uint64_t cut_most(const struct space *zone, unsigned levels)
{
    return range_store_many_nodes(range_tree_height(&zone->map.tree) + levels, zone->orders);
}

/* Spare nodes that must be left after a cut: for the growth that may follow, and for a free that
 * has to keep failed frames back. */
static uint64_t chain_reserve(const struct space *zone)
{
    return (zone->metadata_allowed ? MAP_CHAIN_CUTS : 1) * cut_most(zone, 1);
}

/* With so many spare nodes, any cut goes ahead: that of a self-describing slab's block is two, and
 * others may make the tree grow meanwhile. */
static uint64_t fill_target(const struct space *zone)
{
    return chain_reserve(zone) + cut_most(zone, 2) + cut_most(zone, 3);
}

uint64_t map_nodes_record(const struct space *zone, unsigned count)
{
    unsigned most = range_height_after(0, zone->managed_frames);
    unsigned now = range_tree_height(&zone->map.tree);
    /* Nodes are cut where they are full: so it never is higher than its frames take. */
    ASSERT(now < most);
    return block_map_nodes(&zone->map, count, most - now);
}

/* With so many, any record has its nodes, too: where a large zone's tree is low, that is more. */
static uint64_t take_target(const struct space *zone)
{
    uint64_t record = chain_reserve(zone) + map_nodes_record(zone, zone->orders);
    uint64_t target = fill_target(zone);
    return target > record ? target : record;
}

uint64_t map_nodes_boot(const struct space *zone, uint64_t blocks)
{
    /* The heights of trees of so few blocks are at most 2. */
    enum { HEIGHT_MOST = 2 };
    uint64_t cuts = (zone->metadata_allowed ? MAP_CHAIN_CUTS : 1) + 2;
    return blocks / (RANGE_WIDE / 2) + cuts * range_store_many_nodes(HEIGHT_MOST + 2, zone->orders);
}

bool map_nodes_ready(struct alloc_context alloc, struct space *zone, uint64_t nodes)
{
    if (nodes == 0) {
        return true;
    }
    uint64_t need = nodes + (alloc.filling ? 0 : chain_reserve(zone));
    bool ready = block_map_is_ready(&zone->map, need);
    /* Frees that merge nodes of the tree leave as many. */
    zone->map.tree.floor = fill_target(zone);
    if (!ready) {
        alloc.transaction->nodes_short |= 1U << zone->id;
    }
    return ready;
}

/* Makes @count nodes spare ones of @zone; what is no zone with a tree any more when it comes to
 * that takes none: they go back. Context: no lock. */
static void nodes_give(struct potad *potad, struct space *zone, void **nodes, uint64_t count,
                       struct buddy_stash *released)
{
    uint64_t given = 0;
    spinlock_lock(&zone->lock);
    if (block_map_has_tree(&zone->map)) {
        for (; given < count; given++) {
            range_node_put(&zone->map.tree, nodes[given]);
        }
    }
    spinlock_unlock(&zone->lock);
    for (; given < count; given++) {
        cache_put(potad, &potad->cache_node, nodes[given], released);
    }
}

bool map_nodes_take(struct potad *potad, struct alloc_context alloc, struct space *zone)
{
    void *nodes[TAKE_MOST];
    for (;;) {
        spinlock_lock(&zone->lock);
        uint64_t target = take_target(zone);
        bool ready = block_map_is_ready(&zone->map, target);
        uint64_t missing = ready ? 0 : target - zone->map.tree.spare.count;
        spinlock_unlock(&zone->lock);
        uint64_t count = missing < TAKE_MOST ? missing : TAKE_MOST;
        if (count == 0) {
            return true;
        }
        if (!kmem_cache_take(&potad->cache_node, alloc, count, nodes)) {
            return false;
        }
        nodes_give(potad, zone, nodes, count, &alloc.transaction->pending);
    }
}

bool map_nodes_fill(struct potad *potad, struct alloc_context alloc)
{
    uint32_t zones = alloc.transaction->nodes_short;
    bool filled = true;
    if (zones == 0 || ++alloc.transaction->fills > FILLS_MOST) {
        return false;
    }
    alloc.transaction->nodes_short = 0;
    alloc.filling = true;
    zones_for_each(zones, id)
    {
        filled = map_nodes_take(potad, alloc, &potad->zones[id]) && filled;
    }
    return filled;
}

bool request_again(struct potad *potad, struct alloc_context alloc, struct block_request *request)
{
    bool waited = request_waits(alloc, request);
    if (map_nodes_fill(potad, alloc)) {
        return true;
    }
    request->patient = false;
    return waited;
}

static bool is_boot_node(const struct potad *potad, const void *node)
{
    uintptr_t start = (uintptr_t)potad->boot_nodes;
    return (uintptr_t)node - start < potad->boot_nodes_count * RANGE_NODE_BYTES;
}

/* Which nodes are to leave the trees: those of slabs younger than a call's beginning. */
struct leaving {
    struct potad *potad;
    uint64_t generation;
};

static bool node_leaves(void *context, const void *node)
{
    const struct leaving *leaving = context;
    return !is_boot_node(leaving->potad, node) &&
           slab_of(&leaving->potad->source, node)->generation > leaving->generation;
}

void map_nodes_put(struct potad *potad, struct epoch_list *nodes, struct buddy_stash *released)
{
    while (nodes->count > 0) {
        cache_put(potad, &potad->cache_node, range_node_of_link(epoch_list_pop(nodes)), released);
    }
}

uint64_t map_nodes_leave(struct potad *potad, uint64_t generation, bool reserve,
                         struct buddy_stash *released)
{
    struct leaving leaving = {.potad = potad, .generation = generation};
    uint64_t left = 0;
    uint32_t zones = zones_have(potad, ZONES_HAVE_TREES) ? zones_present(potad) : 0;
    zones_for_each(zones, id)
    {
        struct space *zone = &potad->zones[id];
        spinlock_lock(&zone->lock);
        if (zone->born == 0 || !block_map_has_tree(&zone->map)) {
            spinlock_unlock(&zone->lock);
            continue;
        }
        uint64_t keep = reserve ? chain_reserve(zone) : 0;
        zone->map.tree.floor = keep;
        range_tree_compact(&zone->map.tree);
        struct epoch_list gone = range_tree_evacuate(&zone->map.tree, keep, node_leaves, &leaving);
        spinlock_unlock(&zone->lock);
        left += gone.count;
        map_nodes_put(potad, &gone, released);
    }
    return left;
}

/* Takes @count spare nodes of slabs out of @tree. Context: it has more by those of the boot. */
static struct epoch_list take_spare(const struct potad *potad, struct range_tree *tree,
                                    uint64_t count)
{
    struct epoch_list taken = {0};
    struct epoch_list boot = {0};
    while (taken.count < count) {
        struct epoch_link *link = epoch_list_pop(&tree->spare);
        bool stays = is_boot_node(potad, range_node_of_link(link));
        epoch_list_push(stays ? &boot : &taken, link);
    }
    while (boot.count > 0) {
        epoch_list_push(&tree->spare, epoch_list_pop(&boot));
    }
    return taken;
}

void map_nodes_trim(struct potad *potad, struct buddy_stash *released)
{
    uint32_t zones = zones_have(potad, ZONES_HAVE_TREES) ? zones_present(potad) : 0;
    zones_for_each(zones, id)
    {
        struct space *zone = &potad->zones[id];
        struct epoch_list surplus = {0};
        spinlock_lock(&zone->lock);
        if (zone->born == 0 || !block_map_has_tree(&zone->map)) {
            spinlock_unlock(&zone->lock);
            continue;
        }
        uint64_t keep = fill_target(zone) + MAP_SPARE_KEEP;
        keep = keep > potad->boot_nodes_count ? keep : potad->boot_nodes_count;
        if (zone->map.tree.spare.count > keep) {
            surplus = take_spare(potad, &zone->map.tree, zone->map.tree.spare.count - keep);
        }
        spinlock_unlock(&zone->lock);
        map_nodes_put(potad, &surplus, released);
    }
}
