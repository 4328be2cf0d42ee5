/* SPDX-License-Identifier: MIT
 *
 * boot.c: from a memory map to an allocator. The boot metadata is carved from the end of a range:
 *
 *   ... free memory | frame table | tree nodes | boot descriptors, pageblocks |
 *
 * with a table of one word a frame of the span, or nodes, or both, as the map that is asked for
 * needs them, and one word a pageblock.
 *
 * Each block that memory is cut into at boot has one boot descriptor. It outlives all merges (see
 * space_free()), so that when all is free again, no slab is left.
 */
#include "core/page_alloc.h"

struct carving {
    struct range *from;
    pfn_t pfn;
    uint64_t table_frames;
    uint64_t node_frames;
    uint64_t buddy_bytes;
    uint64_t frames;
};

bool zone_config_is_valid(const struct zone_config *config)
{
    return (uint32_t)config->zone_class < ZONE_CLASSES && config->node < NODES_MAX &&
           config->watermark_min >> 62 == 0;
}

bool range_is_valid(const struct range *range, const struct range *last)
{
    uint64_t end = range->start + range->frames;
    pfn_t limit = (pfn_t)1 << (64 - FRAME_SHIFT);
    if (range->frames == 0 || range->frames > limit || range->start >= limit || end > limit ||
        (range->unaccepted && range->cma)) {
        return false;
    }
    return last == NULL || range->start >= last->start + last->frames;
}

static bool map_is_valid(const struct boot_map *map)
{
    if (map->zones_count == 0 || map->zones_count > ZONES_MAX || map->ranges_count == 0 ||
        map->ranges_count > RANGES_MAX || map->pageblock_order > PAGEBLOCK_ORDER_MAX) {
        return false;
    }
    for (zone_id_t id = 0; id < map->zones_count; id++) {
        if (!zone_config_is_valid(&map->zones[id])) {
            return false;
        }
    }
    const struct range *last = NULL;
    bool some = false;
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        zone_id_t next = last == NULL ? 0 : last->zone + 1;
        bool zone_fits = range->zone == next || (last != NULL && range->zone == last->zone);
        if (!zone_fits || !range_is_valid(range, last)) {
            return false;
        }
        last = range;
        some = some || !map->zones[range->zone].later;
    }
    return some && last->zone == map->zones_count - 1;
}

/* At most this many naturally aligned blocks make up a range of @frames. */
static uint64_t range_blocks_max(uint64_t frames)
{
    return 2 * (64 - (uint64_t)__builtin_clzll(frames));
}

static uint64_t bytes_to_frames(uint64_t bytes)
{
    return (bytes + FRAME_SIZE - 1) >> FRAME_SHIFT;
}

/* Lays the pageblocks of all zones out, one zone's behind the other's, from @pageblocks on. Return:
 * how many. */
static uint64_t pageblocks_lay(struct potad *potad, uint32_t zones, struct pageblock *pageblocks)
{
    uint64_t count = 0;
    for (zone_id_t id = 0; id < zones; id++) {
        struct space *zone = &potad->zones[id];
        if (zone->ranges_count == 0) {
            continue;
        }
        uint64_t *first = &potad->range_pageblocks[zone->ranges - potad->ranges];
        zone->pageblock_first = first;
        zone->pageblocks = pageblocks == NULL ? NULL : pageblocks + count;
        count +=
            space_lay_pageblocks(zone->ranges, zone->ranges_count, zone->pageblock_order, first);
    }
    return count;
}

static uint64_t zone_blocks_max(const struct space *zone)
{
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < zone->ranges_count; i++) {
        blocks += range_blocks_max(zone->ranges[i].frames);
    }
    return blocks;
}

/* Cuts the boot metadata off the first range that can hold it. Return: whether one could. */
static bool carve(struct potad *potad, const struct boot_map *map, struct carving *carving)
{
    uint64_t blocks = 0;
    for (zone_id_t id = 0; id < map->zones_count; id++) {
        const struct space *zone = &potad->zones[id];
        blocks += zone_blocks_max(zone);
        if (map->kind != BLOCK_MAP_TABLE && zone->ranges_count > 0) {
            potad->boot_nodes_count += map_nodes_boot(zone, zone_blocks_max(zone));
        }
    }
    carving->table_frames = bytes_to_frames(potad->table.frames * sizeof(atomic_word_t));
    carving->node_frames = bytes_to_frames(potad->boot_nodes_count * RANGE_NODE_BYTES);
    carving->buddy_bytes = blocks * sizeof(struct buddy);
    uint64_t pageblock_bytes =
        pageblocks_lay(potad, map->zones_count, NULL) * sizeof(struct pageblock);
    carving->frames = carving->table_frames + carving->node_frames +
                      bytes_to_frames(carving->buddy_bytes + pageblock_bytes);
    for (uint32_t i = 0; i < potad->ranges_count; i++) {
        struct range *range = &potad->ranges[i];
        bool holds = range_holds_metadata(map, range);
        if (holds && range->frames >= carving->frames) {
            carving->from = range;
            carving->pfn = range->start + range->frames - carving->frames;
            return true;
        }
    }
    return false;
}

void zone_configure(struct space *zone, const struct zone_config *config, order_t pageblock_order)
{
    zone->metadata_allowed = zone_holds_metadata(config);
    zone->zone_class = config->zone_class;
    zone->node = config->node;
    zone->watermark_min = config->watermark_min;
    zone->pageblock_order = (uint8_t)pageblock_order;
}

/* Makes the zones of @map, and those that may be added, which are empty: without blocks yet. */
static void boot_zones(struct potad *potad, const struct boot_map *map)
{
    uint32_t first = 0;
    spinlock_init(&potad->claims_lock, LOCK_CLAIMS, 0);
    potad->zones_made = 0;
    for (zone_id_t id = 0; id < map->zones_count; id++) {
        uint32_t count = 0;
        while (first + count < potad->ranges_count && potad->ranges[first + count].zone == id) {
            count++;
        }
        struct space *zone = &potad->zones[id];
        space_init(zone, id, &potad->ranges[first], count);
        potad->claims[id] = (struct zone_claim){.end = 0};
        if (count == 0) {
            continue;
        }
        block_map_init(&zone->map, map->kind, &potad->table, &potad->epoch);
        zone_configure(zone, &map->zones[id], potad->pageblock_order);
        potad->claims[id] = (struct zone_claim){.start = zone->start, .end = zone->end};
        potad->zones_made |= 1U << id;
        first += count;
    }
    for (zone_id_t id = map->zones_count; id < ZONES_MAX; id++) {
        space_init(&potad->zones[id], id, NULL, 0);
        potad->claims[id] = (struct zone_claim){.end = 0};
    }
}

/* Gives each zone's tree its first nodes. */
static void boot_nodes(struct potad *potad, const struct boot_map *map)
{
    unsigned char *node = potad->boot_nodes;
    for (zone_id_t id = 0; id < map->zones_count && potad->boot_nodes_count > 0; id++) {
        struct space *zone = &potad->zones[id];
        if (zone->ranges_count == 0) {
            continue;
        }
        for (uint64_t i = map_nodes_boot(zone, zone_blocks_max(zone)); i > 0; i--) {
            range_node_put(&zone->map.tree, node);
            node += RANGE_NODE_BYTES;
        }
    }
}

/* Gives @range's frames, but for @skip at its end, to its zone. Return: the next unused boot
 * descriptor. */
static struct buddy *boot_range(struct potad *potad, const struct range *range, uint64_t skip,
                                struct buddy *next, struct buddy_stash *released)
{
    struct space *zone = &potad->zones[range->zone];
    pfn_t pfn = range->start;
    pfn_t end = range->start + range->frames - skip;
    spinlock_lock(&zone->lock);
    while (pfn < end) {
        order_t order = pfn_order_max(pfn, end - pfn);
        buddy_reset(next);
        atomic_flags_poke(&next->head.flags, (uint32_t)BUDDY_BOOT | (uint32_t)BUDDY_HELD);
        buddy_set_kind(next, (range->unaccepted ? (uint32_t)BUDDY_UNACCEPTED : 0) |
                                 (range->cma ? (uint32_t)BUDDY_CMA : 0));
        next->head.order = (uint8_t)order;
        next->pfn = pfn;
        space_add_block(zone, next, released);
        atomic_word_add(&potad->boot_buddies, 1);
        next++;
        pfn += order_frames(order);
    }
    spinlock_unlock(&zone->lock);
    return next;
}

static void boot_caches(struct potad *potad)
{
    potad->source = (struct slab_source){
        .context = potad,
        .port = &potad->port,
        .find = block_of_slab,
        .make = slab_page_make,
        .give_back = slab_page_give_back,
    };
    const struct {
        struct kmem_cache *cache;
        const char *name;
        uint64_t size;
        uint64_t align;
        enum fault_site site;
    } caches[] = {
        {&potad->cache_buddy, "kmem_cache_buddy", sizeof(struct buddy), MEMDESC_ALIGN,
         FAULT_BUDDY_DESC},
        {&potad->cache_slab, "kmem_cache_slab", sizeof(struct slab), MEMDESC_ALIGN,
         FAULT_SLAB_DESC},
        {&potad->cache_cache, "kmem_cache", sizeof(struct kmem_cache), CACHE_LINE_BYTES,
         FAULT_CACHE_DESC},
        {&potad->cache_poison, "kmem_cache_poison", sizeof(struct poison), MEMDESC_ALIGN,
         FAULT_POISON_DESC},
        {&potad->cache_node, "range_node", RANGE_NODE_BYTES, RANGE_NODE_BYTES, FAULT_RANGE_NODE},
        {&potad->cache_cpu, "cpu_cache", sizeof(struct cpu_cache), CACHE_PAIR_BYTES,
         FAULT_CPU_DESC},
        {&potad->cache_blocks, "cpu_blocks", sizeof(struct cpu_blocks), CACHE_PAIR_BYTES,
         FAULT_CPU_DESC},
    };
    spinlock_init(&potad->caches_lock, LOCK_CACHES, 0);
    list_init(&potad->caches);
    for (unsigned number = 0; number < CPU_CACHES; number++) {
        potad->numbered[number] = NULL;
    }
    for (unsigned i = 0; i < sizeof(caches) / sizeof(caches[0]); i++) {
        enum status status = kmem_cache_init(caches[i].cache, caches[i].name, caches[i].size,
                                             caches[i].align, caches[i].site, &potad->source);
        ASSERT(status == STATUS_OK);
        list_push(&potad->caches, &caches[i].cache->caches);
    }
    /* These two are locked with others. */
    spinlock_init(&potad->cache_buddy.lock, LOCK_CACHE_BUDDY, 0);
    spinlock_init(&potad->cache_slab.lock, LOCK_CACHE_SLAB, 0);
}

enum status potad_boot(struct potad *potad, const struct port *port, const struct boot_map *map)
{
    struct carving carving;
    struct buddy_stash released;
    if (!map_is_valid(map)) {
        return STATUS_INVALID;
    }
    potad->port = *port;
    potad->pageblock_order = map->pageblock_order == 0 ? PAGEBLOCK_ORDER : map->pageblock_order;
    potad->ranges_count = 0;
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        if (!map->zones[map->ranges[i].zone].later) {
            potad->ranges[potad->ranges_count++] = map->ranges[i];
        }
    }
    const struct range *last = &potad->ranges[potad->ranges_count - 1];
    potad->table = (struct frame_table){.start = potad->ranges[0].start};
    if (map->kind != BLOCK_MAP_TREE) {
        potad->table.frames = last->start + last->frames - potad->table.start;
    }
    buddy_stash_init(&potad->boot_spare);
    cpu_cache_init(potad);
    memory_failure_init(potad);
    atomic_word_poke(&potad->boot_buddies, 0);
    atomic_word_poke(&potad->slab_generation, 0);
    atomic_word_poke(&potad->chain_depth_seen, 0);
    for (unsigned event = 0; event < CORE_EVENTS; event++) {
        atomic_word_poke(&potad->events[event], 0);
    }
    potad->boot_nodes_count = 0;
    epoch_init(&potad->epoch);
    epoch_init(&potad->locked_epoch);
    boot_zones(potad, map);
    zonelist_init(potad);
    if (!carve(potad, map, &carving)) {
        return STATUS_NO_MEMORY;
    }
    unsigned char *metadata = pfn_address(potad, carving.pfn);
    potad->port.expose(potad->port.context, carving.pfn, carving.frames, true);
    struct space *home = &potad->zones[carving.from->zone];
    home->reserved_start = carving.pfn;
    home->reserved_frames = carving.frames;
    potad->table.words = (atomic_word_t *)(void *)metadata;
    potad->boot_nodes = metadata + carving.table_frames * FRAME_SIZE;
    boot_caches(potad);
    boot_nodes(potad, map);
    uint64_t before_buddys = carving.table_frames + carving.node_frames;
    unsigned char *buddys = metadata + before_buddys * FRAME_SIZE;
    struct buddy *next = (struct buddy *)(void *)buddys;
    (void)pageblocks_lay(potad, map->zones_count,
                         (struct pageblock *)(void *)(buddys + carving.buddy_bytes));
    buddy_stash_init(&released);
    for (uint32_t i = 0; i < potad->ranges_count; i++) {
        const struct range *range = &potad->ranges[i];
        next =
            boot_range(potad, range, range == carving.from ? carving.frames : 0, next, &released);
    }
    for (zone_id_t id = 0; id < map->zones_count; id++) {
        if (!map->zones[id].later) {
            zonelist_add(potad, id);
        }
    }
    descriptors_release(potad, &released);
    return STATUS_OK;
}
