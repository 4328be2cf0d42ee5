/* SPDX-License-Identifier: MIT
 *
 * subject_core.c: the allocator of core/ as a subject.
 */
#include "fuzzers/subject_range.h"

static enum status core_open(void *instance, const struct port *port, const struct boot_map *map)
{
    return potad_boot(instance, port, map);
}

static void core_close(void *instance)
{
    /* All it had was in the memory that it was given. */
    (void)instance;
}

static void set_block(struct subject_block *block, struct buddy *buddy)
{
    *block =
        (struct subject_block){.pfn = buddy->pfn, .order = buddy_order(buddy), .handle = buddy};
}

static enum status core_alloc(void *instance, const struct subject_request *request,
                              struct subject_block *block)
{
    struct buddy *buddy = NULL;
    struct page_request pages = {request->order, request->zone, request->migratetype};
    enum status status =
        request->type == MEMDESC_NONE
            ? alloc_pages(instance, &pages, &buddy)
            : alloc_pages_desc(instance, &pages, request->descriptor, request->type, &buddy);
    if (status == STATUS_OK) {
        set_block(block, buddy);
    }
    return status;
}

static void core_free(void *instance, const struct subject_block *block)
{
    free_pages(instance, block->handle);
}

static enum status core_split(void *instance, const struct subject_block *block, order_t order,
                              struct subject_block *parts)
{
    struct buddy *buddys[ORDERS];
    enum status status = split_pages(instance, block->handle, order, buddys);
    for (order_t i = 0; status == STATUS_OK && i <= block->order - order; i++) {
        set_block(&parts[i], buddys[i]);
    }
    return status;
}

static bool core_lookup(void *instance, pfn_t pfn, struct memdesc_info *info)
{
    return memdesc_lookup(instance, pfn, info);
}

static enum status core_cache_create(void *instance, uint64_t size, uint64_t align, void **cache)
{
    struct kmem_cache *created = NULL;
    enum status status = kmem_cache_create(instance, "subject", size, align, &created);
    *cache = created;
    return status;
}

static enum status core_cache_destroy(void *instance, void *cache)
{
    return kmem_cache_destroy(instance, cache);
}

static enum status core_cache_alloc(void *instance, void *cache, uint64_t count, void **objects)
{
    return kmem_cache_alloc_bulk(instance, cache, count, objects);
}

static void core_cache_free(void *instance, void *cache, void *object)
{
    kmem_cache_free(instance, cache, object);
}

static void core_shrink(void *instance)
{
    potad_shrink(instance);
}

static const uint64_t *core_free_blocks(void *instance, zone_id_t zone, bool unaccepted)
{
    struct potad *potad = instance;
    return potad->zones[zone].areas[unaccepted ? AREA_UNACCEPTED : AREA_ACCEPTED].blocks;
}

/* @taken: slots of each slab that are never objects. */
static uint64_t cache_spare(const struct kmem_cache *cache, uint64_t taken)
{
    return cache->slabs * (cache->capacity - taken) - cache->live;
}

static void core_stats(void *instance, struct subject_stats *stats)
{
    const struct potad *potad = instance;
    const struct kmem_cache *own[] = {&potad->cache_buddy, &potad->cache_slab, &potad->cache_cache};
    *stats = (struct subject_stats){
        .descriptors_live = potad->cache_buddy.live + atomic_word_peek(&potad->boot_buddies),
        .descriptors_spare = cache_spare(&potad->cache_buddy, 0),
        .slab_descriptors_spare = cache_spare(&potad->cache_slab, 1),
        .chain_depth_seen = atomic_word_peek(&potad->chain_depth_seen),
    };
    list_for_each (link, &potad->caches) {
        const struct kmem_cache *cache = list_item(link, struct kmem_cache, caches);
        stats->slabs += cache->slabs;
        if (cache != own[0] && cache != own[1] && cache != own[2]) {
            stats->cache_objects_live += cache->live;
        }
    }
    for (zone_id_t id = 0; id < potad->zones_count; id++) {
        stats->frame_table_writes += potad->zones[id].frame_writes;
    }
}

static bool core_validate(void *instance, struct violation *violation)
{
    return potad_validate(instance, violation);
}

static uint64_t core_state_hash(void *instance)
{
    return potad_state_hash(instance);
}

const struct subject subject_core = {
    .version = SUBJECT_VERSION,
    .capabilities = SUBJECT_DESC | SUBJECT_SPLIT | SUBJECT_LOOKUP | SUBJECT_CACHE |
                    SUBJECT_UNACCEPTED | SUBJECT_COUNTERS | SUBJECT_VALIDATE | SUBJECT_SHRINK |
                    SUBJECT_THREADS | SUBJECT_RANGE,
    .name = "core",
    .summary = "one word a frame, struct buddys apart (the scheme of core/)",
    .instance_bytes = sizeof(struct subject_core_instance),
    .open = core_open,
    .close = core_close,
    .alloc = core_alloc,
    .free = core_free,
    .split = core_split,
    .lookup = core_lookup,
    .cache_create = core_cache_create,
    .cache_destroy = core_cache_destroy,
    .cache_alloc = core_cache_alloc,
    .cache_free = core_cache_free,
    .shrink = core_shrink,
    .range = &subject_core_range,
    .free_blocks = core_free_blocks,
    .stats = core_stats,
    .validate = core_validate,
    .state_hash = core_state_hash,
};
