/* SPDX-License-Identifier: MIT
 *
 * subject_core.c: the allocator of core/ as subjects: by what leads from frames to blocks.
 */
#include "fuzzers/subject_range.h"
#include "fuzzers/subject_space.h"

static enum status open_with(void *instance, const struct port *port, const struct boot_map *map,
                             enum block_map_kind kind)
{
    struct boot_map chosen = *map;
    chosen.kind = kind;
    return potad_boot(instance, port, &chosen);
}

static enum status core_open(void *instance, const struct port *port, const struct boot_map *map)
{
    return open_with(instance, port, map, BLOCK_MAP_TABLE);
}

static enum status core_tree_open(void *instance, const struct port *port,
                                  const struct boot_map *map)
{
    return open_with(instance, port, map, BLOCK_MAP_TREE);
}

static enum status core_both_open(void *instance, const struct port *port,
                                  const struct boot_map *map)
{
    return open_with(instance, port, map, BLOCK_MAP_BOTH);
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
    struct page_request pages = subject_page_request(request);
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
    /* A longer name than a cache has room for. */
    enum status status =
        kmem_cache_create(instance, "a cache of the harness's own", size, align, &created);
    *cache = created;
    return status;
}

static enum status core_cache_destroy(void *instance, void *cache)
{
    return kmem_cache_destroy(instance, cache);
}

static enum status core_cache_alloc(void *instance, void *cache, uint64_t count, void **objects)
{
    return count == 1 ? kmem_cache_alloc(instance, cache, objects)
                      : kmem_cache_alloc_bulk(instance, cache, count, objects);
}

static void core_cache_free(void *instance, void *cache, void *object)
{
    kmem_cache_free(instance, cache, object);
}

/* @taken: slots of each slab that are never objects. */
static uint64_t cache_spare(const struct kmem_cache *cache, uint64_t taken)
{
    return cache->slabs * (cache->capacity - taken) - cache->live;
}

static void core_cache_stats(void *instance, void *handle, struct subject_cache_stats *stats)
{
    const struct kmem_cache *cache = handle;
    uint64_t kept = cpu_objects_count(instance, cache);
    stats->live = cache->live - kept;
    stats->spare = cache_spare(cache, 0) + kept;
}

static enum status core_cache_reserve(void *instance, void *cache, uint64_t count,
                                      struct kmem_reserve *reserve)
{
    return kmem_cache_reserve(instance, cache, count, reserve);
}

static void *core_cache_take(void *instance, struct kmem_reserve *reserve)
{
    (void)instance;
    return kmem_cache_alloc_reserved(reserve);
}

static void core_cache_unreserve(void *instance, struct kmem_reserve *reserve)
{
    kmem_cache_unreserve(instance, reserve);
}

static void core_shrink(void *instance)
{
    potad_shrink(instance);
}

static enum status core_watch(void *instance, enum memdesc_type type, const struct memdesc_ops *ops)
{
    return memdesc_register(instance, type, ops);
}

static enum status core_memory_failure(void *instance, pfn_t pfn)
{
    return memory_failure(instance, pfn);
}

static enum status core_unpoison(void *instance, pfn_t pfn)
{
    return unpoison(instance, pfn);
}

static enum status core_alloc_contig(void *instance, const struct contig_request *request,
                                     struct contig *contig)
{
    return alloc_contig(instance, request, contig);
}

static void core_free_contig(void *instance, const struct contig *contig)
{
    free_contig(instance, contig);
}

static enum status core_compact(void *instance, const struct compact_request *request,
                                struct compact_result *result)
{
    return potad_compact(instance, request, result);
}

static bool core_tryget(void *instance, pfn_t pfn, struct memdesc_ref *ref)
{
    return memdesc_tryget(instance, pfn, ref);
}

static void core_put(void *instance, struct memdesc *descriptor, enum memdesc_type type)
{
    memdesc_put(instance, descriptor, type);
}

static void core_synchronise(void *instance)
{
    struct potad *potad = instance;
    struct epoch_stall stall;
    bool ended = epoch_synchronise(&potad->epoch, 0, &stall);
    ASSERT(ended);
}

static enum status core_zone_add(void *instance, zone_id_t zone, const struct zone_config *config,
                                 const struct range *ranges, uint32_t count)
{
    return potad_zone_add(instance, zone, config, ranges, count);
}

static enum status core_zone_remove(void *instance, zone_id_t zone)
{
    return potad_zone_remove(instance, zone);
}

static enum status core_cpu_online(void *instance, uint32_t cpu)
{
    return potad_cpu_online(instance, cpu);
}

static enum status core_cpu_offline(void *instance, uint32_t cpu)
{
    return potad_cpu_offline(instance, cpu);
}

static void core_cached(void *instance,
                        void (*visit)(void *context, const struct subject_cached *kept),
                        void *context)
{
    for (unsigned keeper = 0; keeper < CPU_KEEPERS; keeper++) {
        const struct cpu_list *lists = cpu_keeper_lists(instance, keeper);
        for (unsigned i = 0; lists != NULL && i < CPU_LISTS; i++) {
            const struct cpu_list *list = &lists[i];
            const struct cpu_kind kind = cpu_kind_of(i);
            for (uint32_t k = 0; k < list->count; k++) {
                struct subject_cached kept = {
                    .pfn = list->blocks[k]->pfn,
                    .order = kind.order,
                    .migratetype = kind.type,
                    .zone = kind.zone,
                };
                visit(context, &kept);
            }
        }
    }
}

static const uint64_t *core_free_blocks(void *instance, zone_id_t zone, unsigned area)
{
    struct potad *potad = instance;
    return potad->zones[zone].areas[area].blocks;
}

/* Whether @cache is the allocator's own. */
static bool is_own(const struct potad *potad, const struct kmem_cache *cache)
{
    const struct kmem_cache *own[] = {&potad->cache_buddy,  &potad->cache_slab, &potad->cache_cache,
                                      &potad->cache_poison, &potad->cache_node, &potad->cache_cpu,
                                      &potad->cache_blocks};
    for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (own[i] == cache) {
            return true;
        }
    }
    /* Of the metadata of zones that were added. */
    for (zone_id_t zone = 0; zone < ZONES_MAX; zone++) {
        if (potad->claims[zone].cache == cache) {
            return true;
        }
    }
    return false;
}

/* Whether a block of @zone can be cut without a new slab of tree nodes. */
static bool cuts_have_nodes(const struct space *zone)
{
    /* The zone keeps a reserve for all but one of them; there are more where slabs may lie. */
    uint64_t cuts = zone->metadata_allowed ? 6 : 3;
    const struct range_tree *tree = &zone->map.tree;
    uint64_t need = range_store_many_nodes(range_tree_height(tree) + 1, zone->orders);
    return !block_map_has_tree(&zone->map) || tree->spare.count >= cuts * need;
}

static void core_stats(void *instance, struct subject_stats *stats)
{
    const struct potad *potad = instance;
    *stats = (struct subject_stats){
        .descriptors_live = potad->cache_buddy.live + atomic_word_peek(&potad->boot_buddies),
        .descriptors_spare = cache_spare(&potad->cache_buddy, 0),
        .slab_descriptors_spare = cache_spare(&potad->cache_slab, 1),
        .chain_depth_seen = atomic_word_peek(&potad->chain_depth_seen),
    };
    for (unsigned event = 0; event < CORE_EVENTS; event++) {
        stats->events[event] = atomic_word_peek(&potad->events[event]);
    }
    list_for_each (link, &potad->caches) {
        const struct kmem_cache *cache = list_item(link, struct kmem_cache, caches);
        stats->slabs += cache->slabs;
        if (!is_own(potad, cache)) {
            stats->cache_objects_live += cache->live;
            stats->cache_objects_kept += cpu_objects_count(potad, cache);
        }
    }
    stats->cache_objects_live -= stats->cache_objects_kept;
    for (zone_id_t id = 0; id < ZONES_MAX; id++) {
        if (!cuts_have_nodes(&potad->zones[id])) {
            stats->descriptors_spare = 0;
        }
        stats->descriptors_kept += potad->zones[id].spare.count;
        stats->frame_table_writes += potad->zones[id].frame_writes;
        list_for_each (link, &potad->zones[id].flaws) {
            stats->descriptors_reserved += list_item(link, struct poison, list)->buddys.count;
        }
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

/* X(id, name, open, slack_frames, summary) */
#define CORE_SUBJECT_TABLE(X)                                                                      \
    X(subject_core, "core", core_open, 0,                                                          \
      "one word a frame, struct buddys apart (the scheme of core/)")                               \
    X(subject_core_tree, "core-tree", core_tree_open, TREE_SLACK_FRAMES,                           \
      "the same with a range tree instead of a word a frame")                                      \
    X(subject_core_both, "core-both", core_both_open, TREE_SLACK_FRAMES,                           \
      "the same with both, which must agree on every block")

enum { TREE_SLACK_FRAMES = 16 };

#define X(id, subject_name, subject_open, slack, text)                                             \
    const struct subject id = {                                                                    \
        .version = SUBJECT_VERSION,                                                                \
        .capabilities = SUBJECT_DESC | SUBJECT_SPLIT | SUBJECT_LOOKUP | SUBJECT_CACHE |            \
                        SUBJECT_UNACCEPTED | SUBJECT_COUNTERS | SUBJECT_VALIDATE |                 \
                        SUBJECT_SHRINK | SUBJECT_THREADS | SUBJECT_POISON | SUBJECT_RANGE |        \
                        SUBJECT_ZONES | SUBJECT_CONTIG | SUBJECT_SPACES | SUBJECT_HOTPLUG |        \
                        SUBJECT_CPUS | SUBJECT_REFS | SUBJECT_EVENTS | SUBJECT_COMPACT |           \
                        SUBJECT_RESERVE,                                                           \
        .name = (subject_name),                                                                    \
        .summary = (text),                                                                         \
        .instance_bytes = sizeof(struct subject_core_instance),                                    \
        .slack_frames = (slack),                                                                   \
        .open = (subject_open),                                                                    \
        .close = core_close,                                                                       \
        .alloc = core_alloc,                                                                       \
        .free = core_free,                                                                         \
        .split = core_split,                                                                       \
        .lookup = core_lookup,                                                                     \
        .cache_create = core_cache_create,                                                         \
        .cache_destroy = core_cache_destroy,                                                       \
        .cache_alloc = core_cache_alloc,                                                           \
        .cache_free = core_cache_free,                                                             \
        .cache_stats = core_cache_stats,                                                           \
        .cache_reserve = core_cache_reserve,                                                       \
        .cache_take = core_cache_take,                                                             \
        .cache_unreserve = core_cache_unreserve,                                                   \
        .shrink = core_shrink,                                                                     \
        .watch = core_watch,                                                                       \
        .memory_failure = core_memory_failure,                                                     \
        .unpoison = core_unpoison,                                                                 \
        .tryget = core_tryget,                                                                     \
        .put = core_put,                                                                           \
        .synchronise = core_synchronise,                                                           \
        .range = &subject_core_range,                                                              \
        .alloc_contig = core_alloc_contig,                                                         \
        .free_contig = core_free_contig,                                                           \
        .compact = core_compact,                                                                   \
        .spaces = &subject_core_spaces,                                                            \
        .zone_add = core_zone_add,                                                                 \
        .zone_remove = core_zone_remove,                                                           \
        .cpu_online = core_cpu_online,                                                             \
        .cpu_offline = core_cpu_offline,                                                           \
        .cached = core_cached,                                                                     \
        .free_blocks = core_free_blocks,                                                           \
        .stats = core_stats,                                                                       \
        .validate = core_validate,                                                                 \
        .state_hash = core_state_hash,                                                             \
    };
CORE_SUBJECT_TABLE(X)
#undef X
