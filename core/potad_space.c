/* SPDX-License-Identifier: MIT
 *
 * potad_space.c: what a call will need is gathered without a lock, in one transaction with what
 * that takes of memory; then the space is locked and looked at again:
 *
 *   alloc, split,    look: enough in hand?  --yes-->  cut, done
 *   run              ^        | no: unlocked
 *                    +--------+ hand_fill(): descriptors, tree nodes
 *
 * So the lock of a space is never held together with any other, and a call that fails has touched
 * nothing but what it puts back.
 */
#include "core/potad_space.h"

#include "core/contig_find.h"
#include "core/contig_take.h"
#include "core/page_alloc.h"

enum {
    SPARE_KEEP = RANGE_SPARE_KEEP, /* spare nodes that a space does not give back */
    TAKE_MOST = ORDERS
};

/* One call that allocates, with what it has in hand. */
struct space_call {
    struct potad *potad;
    struct potad_space *space;
    struct alloc_transaction transaction;
    struct alloc_context alloc;
    struct buddy_stash buddys;
    struct epoch_list nodes;
    uint64_t buddys_needed;
    uint64_t nodes_needed;
    bool short_of; /* what it needs: more is to be had first */
};

static bool ranges_are_valid(const struct potad_space_config *config)
{
    pfn_t end = 0;
    if (config->ranges_count == 0 || config->ranges_count > RANGES_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < config->ranges_count; i++) {
        const struct unit_range *range = &config->ranges[i];
        if (range->units == 0 || range->start < end || range->units > UINT64_MAX - range->start) {
            return false;
        }
        end = range->start + range->units;
    }
    return true;
}

/* Units from the first to behind the last one, holes included. Context: valid ranges. */
static uint64_t config_span(const struct potad_space_config *config)
{
    const struct unit_range *last = &config->ranges[config->ranges_count - 1];
    return last->start + last->units - config->ranges[0].start;
}

static bool descriptors_are_valid(const struct potad_space_config *config)
{
    const struct kmem_cache *cache = config->descriptors;
    if (cache != NULL) {
        /* Slabs start at frames, so objects are aligned as far as their stride is. */
        return cache->size >= sizeof(struct buddy) && cache->stride % MEMDESC_ALIGN == 0;
    }
    return config->descriptor_bytes >= sizeof(struct buddy) &&
           config->descriptor_bytes <= SLAB_STRIDE_MAX;
}

static bool config_is_valid(const struct potad *potad, const struct potad_space_config *config)
{
    if (config->unit_shift < UNIT_SHIFT_MIN || config->unit_shift > UNIT_SHIFT_MAX ||
        (uint32_t)config->map > BLOCK_MAP_BOTH ||
        (config->base & (((uint64_t)1 << config->unit_shift) - 1)) != 0 ||
        (config->homes & ~zones_for_metadata(potad)) != 0 || !ranges_are_valid(config) ||
        !descriptors_are_valid(config)) {
        return false;
    }
    return config->map == BLOCK_MAP_TREE ||
           config_span(config) <= SLAB_STRIDE_MAX / sizeof(atomic_word_t);
}

static void call_begin(struct space_call *call, struct potad *potad, struct potad_space *space)
{
    call->potad = potad;
    call->space = space;
    call->alloc = transaction_begin(potad, &call->transaction);
    buddy_stash_init(&call->buddys);
    call->nodes = (struct epoch_list){0};
    call->buddys_needed = 0;
    call->nodes_needed = 0;
    call->short_of = false;
}

static void put_buddys(struct potad *potad, const struct potad_space *space,
                       struct buddy_stash *buddys, struct buddy_stash *released)
{
    while (buddys->count > 0) {
        cache_put(potad, space->descriptors, buddy_stash_take(buddys), released);
    }
}

static void put_nodes(struct potad *potad, const struct potad_space *space,
                      struct epoch_list *nodes, struct buddy_stash *released)
{
    while (nodes->count > 0) {
        cache_put(potad, space->nodes, range_node_of_link(epoch_list_pop(nodes)), released);
    }
}

/* Takes spare nodes out of the tree, but for @keep of them. Context: the space's lock. */
static struct epoch_list take_spare(struct potad_space *space, uint64_t keep)
{
    uint64_t spare = space->space.map.tree.spare.count;
    return block_map_detach(&space->space.map, spare > keep ? spare - keep : 0);
}

/* Ends a call, and puts back what it has left in hand. Return: @status. */
static enum status call_end(struct space_call *call, enum status status)
{
    struct buddy_stash *pending = &call->transaction.pending;
    put_buddys(call->potad, call->space, &call->buddys, pending);
    put_nodes(call->potad, call->space, &call->nodes, pending);
    if (status != STATUS_OK) {
        transaction_undo(call->potad, &call->transaction);
        return status;
    }
    spinlock_lock(&call->space->space.lock);
    struct epoch_list surplus = take_spare(call->space, SPARE_KEEP);
    spinlock_unlock(&call->space->space.lock);
    put_nodes(call->potad, call->space, &surplus, pending);
    transaction_commit(call->potad, &call->transaction);
    return status;
}

/* Whether a call that has ended is to begin again, after @tried times: it lacked memory, and others
 * had some in hand meanwhile (requirement F2). */
static bool call_retries(const struct space_call *call, unsigned tried)
{
    return call->short_of && transaction_retries(call->potad, &call->transaction, tried);
}

/* Takes one batch of what the call still needs from @cache. Return: how much; 0: no memory. */
static uint64_t take_batch(struct space_call *call, struct kmem_cache *cache, uint64_t missing,
                           void **objects)
{
    uint64_t count = missing < TAKE_MOST ? missing : TAKE_MOST;
    return cache_take(call->potad, call->alloc, cache, count, objects) ? count : 0;
}

/* Allocates what the call needs. Context: no lock. Return: whether all of it is in hand. */
static bool hand_fill(struct space_call *call)
{
    void *objects[TAKE_MOST];
    uint64_t taken = 1;
    while (call->buddys.count < call->buddys_needed && taken > 0) {
        uint64_t missing = call->buddys_needed - call->buddys.count;
        taken = take_batch(call, call->space->descriptors, missing, objects);
        for (uint64_t i = 0; i < taken; i++) {
            buddy_reset(objects[i]);
            buddy_stash_put(&call->buddys, objects[i]);
        }
    }
    while (call->nodes.count < call->nodes_needed && taken > 0) {
        uint64_t missing = call->nodes_needed - call->nodes.count;
        taken = take_batch(call, call->space->nodes, missing, objects);
        for (uint64_t i = 0; i < taken; i++) {
            union range_node *node = objects[i];
            epoch_list_push(&call->nodes, &node->retired.link);
        }
    }
    return taken > 0;
}

/* Whether @buddys descriptors are in hand, and @nodes nodes there or in hand: then these are the
 * tree's. If not, the call notes what it needs, and is short of it. Context: the space's lock. */
static bool hand_serves(struct space_call *call, uint64_t buddys, uint64_t nodes)
{
    struct block_map *map = &call->space->space.map;
    call->buddys_needed = buddys;
    call->nodes_needed = block_map_is_ready(map, nodes) ? 0 : nodes;
    call->short_of = call->buddys.count < buddys || call->nodes.count < call->nodes_needed;
    if (call->short_of) {
        return false;
    }
    block_map_attach(map, &call->nodes);
    return true;
}

/* Gives the space the first block of @range, from @unit on. Return: its order, or ORDERS where
 * there is no memory for it. */
static order_t add_block(struct space_call *call, const struct range *range, pfn_t unit)
{
    struct space *space = &call->space->space;
    order_t order = pfn_order_max(unit, range->start + range->frames - unit);
    while (!hand_serves(call, 1, block_map_nodes(&space->map, 1, 0))) {
        if (!hand_fill(call)) {
            return ORDERS;
        }
    }
    struct buddy *buddy = buddy_stash_take(&call->buddys);
    buddy->head.order = (uint8_t)order;
    buddy->pfn = unit;
    /* What merges with a block of the range before stays in hand. */
    spinlock_lock(&space->lock);
    space_add_block(space, buddy, &call->buddys);
    spinlock_unlock(&space->lock);
    return order;
}

static bool add_blocks(struct space_call *call)
{
    for (uint32_t i = 0; i < call->space->space.ranges_count; i++) {
        const struct range *range = &call->space->ranges[i];
        pfn_t unit = range->start;
        while (unit < range->start + range->frames) {
            order_t order = add_block(call, range, unit);
            if (order == ORDERS) {
                return false;
            }
            unit += order_frames(order);
        }
    }
    return true;
}

static bool add_cache(struct space_call *call, const char *name, uint64_t size, uint64_t align,
                      uint32_t homes, struct kmem_cache **cache)
{
    /* Nodes have a fault site of their own. */
    enum fault_site site = align == RANGE_NODE_BYTES ? FAULT_RANGE_NODE : FAULT_SITES;
    struct cache_request request = {name, size, align, site, homes};
    *cache = NULL;
    return cache_make(call->potad, call->alloc, &request, cache) == STATUS_OK;
}

static bool add_table(struct space_call *call, uint32_t homes)
{
    struct potad_space *space = call->space;
    void *words;
    /* Whole blocks: a slab would else be large enough for several tables, where these waste less.
     */
    uint64_t bytes = FRAME_SIZE;
    while (bytes < space->table.frames * sizeof(atomic_word_t)) {
        bytes *= 2;
    }
    if (!add_cache(call, "space_table", bytes, sizeof(atomic_word_t), homes, &space->tables) ||
        !cache_take(call->potad, call->alloc, space->tables, 1, &words)) {
        return false;
    }
    space->table.words = words;
    for (uint64_t i = 0; i < space->table.frames; i++) {
        atomic_word_poke(&space->table.words[i], 0);
    }
    return true;
}

/* Makes the caches and the table of a space that has none. Return: false where memory ran out on
 * the way: discard() takes back what is there. */
static bool add_caches(struct space_call *call, const struct potad_space_config *config)
{
    struct potad_space *space = call->space;
    bool made = true;
    if (config->descriptors == NULL) {
        made = add_cache(call, "space_descriptor", config->descriptor_bytes, MEMDESC_ALIGN,
                         config->homes, &space->own_descriptors);
        space->descriptors = space->own_descriptors;
    }
    if (made && config->map != BLOCK_MAP_TABLE) {
        made = add_cache(call, "space_node", RANGE_NODE_BYTES, RANGE_NODE_BYTES, config->homes,
                         &space->nodes);
    }
    return made && (config->map == BLOCK_MAP_TREE || add_table(call, config->homes));
}

/* Makes @space empty: no unit, no memory. */
static void space_prepare(struct potad *potad, struct potad_space *space,
                          const struct potad_space_config *config)
{
    for (uint32_t i = 0; i < config->ranges_count; i++) {
        space->ranges[i] = (struct range){
            .start = config->ranges[i].start,
            .frames = config->ranges[i].units,
        };
    }
    /* Blocks of a space are of no zone. */
    space_init(&space->space, ZONE_ANY, space->ranges, config->ranges_count);
    space->table = (struct frame_table){
        .start = config->ranges[0].start,
        .frames = config->map == BLOCK_MAP_TREE ? 0 : config_span(config),
    };
    block_map_init(&space->space.map, config->map, &space->table, &potad->locked_epoch);
    space->base = config->base;
    space->unit_shift = config->unit_shift;
    space->descriptors = config->descriptors;
    space->own_descriptors = NULL;
    space->nodes = NULL;
    space->tables = NULL;
}

static void discard_cache(struct potad *potad, struct kmem_cache *cache,
                          struct buddy_stash *released)
{
    if (cache != NULL) {
        ASSERT(cache->live == 0);
        cache_discard(potad, cache, released);
    }
}

/* Takes apart what there is of a space without allocated blocks. Never allocates. */
static void discard(struct potad *potad, struct potad_space *space, struct buddy_stash *released)
{
    struct buddy_stash buddys;
    struct free_area *area = &space->space.areas[AREA_MOVABLE];
    buddy_stash_init(&buddys);
    for (order_t order = 0; order < ORDERS; order++) {
        struct list_head *next;
        for (struct list_head *link = area->lists[order].next; link != &area->lists[order];
             link = next) {
            next = link->next;
            buddy_stash_put(&buddys, buddy_of_link(link));
        }
    }
    put_buddys(potad, space, &buddys, released);
    /* It has no source: all its nodes are spare ones now. */
    range_tree_destroy(&space->space.map.tree);
    struct epoch_list nodes = take_spare(space, 0);
    put_nodes(potad, space, &nodes, released);
    if (space->table.words != NULL) {
        cache_put(potad, space->tables, space->table.words, released);
    }
    discard_cache(potad, space->tables, released);
    discard_cache(potad, space->nodes, released);
    discard_cache(potad, space->own_descriptors, released);
}

static enum status add_once(struct space_call *call, const struct potad_space_config *config)
{
    space_prepare(call->potad, call->space, config);
    if (add_caches(call, config) && add_blocks(call)) {
        return call_end(call, STATUS_OK);
    }
    struct buddy_stash *pending = &call->transaction.pending;
    put_buddys(call->potad, call->space, &call->buddys, pending);
    put_nodes(call->potad, call->space, &call->nodes, pending);
    discard(call->potad, call->space, pending);
    call->short_of = true;
    return call_end(call, STATUS_NO_MEMORY);
}

enum status potad_space_add(struct potad *potad, struct potad_space *space,
                            const struct potad_space_config *config)
{
    struct space_call call;
    enum status status;
    unsigned tried = 0;
    if (!config_is_valid(potad, config)) {
        return STATUS_INVALID;
    }
    do {
        call_begin(&call, potad, space);
        status = add_once(&call, config);
    } while (call_retries(&call, tried++));
    return status;
}

enum status potad_space_remove(struct potad *potad, struct potad_space *space)
{
    struct buddy_stash released;
    spinlock_lock(&space->space.lock);
    bool whole = space->space.frames[BUDDY_FREE] == space->space.managed_frames;
    spinlock_unlock(&space->space.lock);
    if (!whole) {
        return STATUS_BUSY;
    }
    buddy_stash_init(&released);
    discard(potad, space, &released);
    descriptors_release(potad, &released);
    return STATUS_OK;
}

/* Does what is @asked for, if what that takes is in hand. Context: the space's lock. Return:
 * whether it is done; if not, it cannot be, or the call is short of what it takes. */
typedef bool space_try_t(struct space_call *call, void *asked);

/* Has @attempt do what is @asked for, as often as it takes. Return: OK, or NO_MEMORY with all as it
 * was. */
static enum status call_run(struct potad *potad, struct potad_space *space, space_try_t *attempt,
                            void *asked)
{
    struct space_call call;
    enum status status;
    unsigned tried = 0;
    do {
        bool done;
        call_begin(&call, potad, space);
        do {
            spinlock_lock(&space->space.lock);
            call.short_of = false;
            done = attempt(&call, asked);
            spinlock_unlock(&space->space.lock);
        } while (call.short_of && hand_fill(&call));
        status = call_end(&call, done ? STATUS_OK : STATUS_NO_MEMORY);
    } while (call_retries(&call, tried++));
    return status;
}

struct alloc_asked {
    order_t order;
    struct buddy *buddy; /* the answer */
};

static bool alloc_try(struct space_call *call, void *asked)
{
    struct alloc_asked *alloc = asked;
    struct space *space = &call->space->space;
    struct buddy *buddy = space_smallest(space, AREA_MOVABLE, alloc->order);
    if (buddy == NULL) {
        return false;
    }
    order_t halvings = buddy_order(buddy) - alloc->order;
    if (!hand_serves(call, halvings, space_cut_nodes(space, halvings))) {
        return false;
    }
    space_detach(space, buddy);
    buddy = space_split_detached(space, buddy, alloc->order, &call->buddys);
    space_set_word(space, buddy, memdesc_make(buddy, MEMDESC_BUDDY_ALLOCATED));
    space_set_state(space, buddy, BUDDY_ALLOCATED);
    alloc->buddy = buddy;
    return true;
}

enum status potad_space_alloc(struct potad *potad, struct potad_space *space, order_t order,
                              struct buddy **descriptor)
{
    struct alloc_asked alloc = {.order = order};
    if (order >= ORDERS) {
        return STATUS_INVALID;
    }
    enum status status = call_run(potad, space, alloc_try, &alloc);
    if (status == STATUS_OK) {
        *descriptor = alloc.buddy;
    }
    return status;
}

struct run_asked {
    struct contig_goal goal;
    struct unit_run *run; /* the answer */
};

static bool run_try(struct space_call *call, void *asked)
{
    const struct run_asked *wanted = asked;
    const struct contig_goal *goal = &wanted->goal;
    struct space *space = &call->space->space;
    pfn_t unit;
    if (!contig_find(space, goal, &unit)) {
        return false;
    }
    struct contig_cut cut = contig_cut_of(space, unit, goal->units);
    uint64_t halvings = (uint64_t)cut.left + cut.right;
    if (!hand_serves(call, halvings, contig_cut_nodes(space, cut, 0))) {
        return false;
    }
    struct contig_run held = {space, unit, goal->units, call};
    contig_hold(&held);
    contig_trim(&held, &call->buddys, &call->buddys);
    *wanted->run = (struct unit_run){
        .unit = unit,
        .units = goal->units,
        .parts = contig_give(&held, MIGRATE_MOVABLE, 0),
    };
    return true;
}

enum status potad_space_alloc_run(struct potad *potad, struct potad_space *space,
                                  const struct unit_run_request *request, struct unit_run *run)
{
    struct run_asked asked = {
        .goal =
            {
                .units = request->units,
                .align = request->align,
                .low = request->low,
                .high = request->high == 0 ? PFN_NONE : request->high,
                .kinds = 1U << CONTIG_ACCEPTED,
            },
        .run = run,
    };
    const struct contig_goal *goal = &asked.goal;
    if (goal->units == 0 || goal->align >= ORDERS || goal->low >= goal->high) {
        return STATUS_INVALID;
    }
    return call_run(potad, space, run_try, &asked);
}

/* Ends what freed blocks of @space: @merged are the descriptors left over. Context: the space's
 * lock, which is let go. */
static void free_end(struct potad *potad, struct potad_space *space, struct buddy_stash *merged)
{
    struct buddy_stash released;
    struct epoch_list surplus = take_spare(space, SPARE_KEEP);
    spinlock_unlock(&space->space.lock);
    buddy_stash_init(&released);
    put_buddys(potad, space, merged, &released);
    put_nodes(potad, space, &surplus, &released);
    descriptors_release(potad, &released);
}

void potad_space_free_run(struct potad *potad, struct potad_space *space,
                          const struct unit_run *run)
{
    struct buddy_stash merged;
    pfn_t at = run->unit;
    buddy_stash_init(&merged);
    spinlock_lock(&space->space.lock);
    while (at < run->unit + run->units) {
        struct buddy *buddy = contig_part(&space->space, at);
        ASSERT(buddy_state(buddy) == BUDDY_ALLOCATED);
        ASSERT(buddy->pfn == at);
        at += order_frames(buddy_order(buddy));
        space_free(&space->space, buddy, NULL, &merged);
    }
    free_end(potad, space, &merged);
}

void potad_space_free(struct potad *potad, struct potad_space *space, struct buddy *descriptor)
{
    struct buddy_stash merged;
    buddy_stash_init(&merged);
    spinlock_lock(&space->space.lock);
    ASSERT(buddy_state(descriptor) == BUDDY_ALLOCATED);
    space_free(&space->space, descriptor, NULL, &merged);
    free_end(potad, space, &merged);
}

struct split_asked {
    struct buddy *descriptor;
    order_t order;
    struct buddy **parts; /* the answer */
};

static bool split_try(struct space_call *call, void *asked)
{
    const struct split_asked *split = asked;
    struct space *space = &call->space->space;
    order_t halvings = buddy_order(split->descriptor) - split->order;
    bool ready = hand_serves(call, halvings, space_cut_nodes(space, halvings));
    if (ready) {
        space_split_allocated(space, split->descriptor, split->order, &call->buddys, split->parts);
    }
    return ready;
}

enum status potad_space_split(struct potad *potad, struct potad_space *space,
                              struct buddy *descriptor, order_t order, struct buddy **parts)
{
    struct split_asked asked = {.descriptor = descriptor, .order = order, .parts = parts};
    if (order >= buddy_order(descriptor)) {
        return STATUS_INVALID;
    }
    return call_run(potad, space, split_try, &asked);
}

bool potad_space_lookup(struct potad_space *space, pfn_t unit, struct potad_space_info *info)
{
    struct frame_entry entry;
    spinlock_lock(&space->space.lock);
    bool found = block_find(&space->space, unit, &entry);
    if (found) {
        const struct memdesc *head = memdesc_head(entry.word);
        *info = (struct potad_space_info){
            .unit = entry.pfn,
            .order = head->order,
            .is_free = memdesc_type(entry.word) == MEMDESC_BUDDY_FREE,
            .descriptor = (const struct buddy *)(const void *)head,
        };
    }
    spinlock_unlock(&space->space.lock);
    return found;
}

bool potad_space_address(const struct potad_space *space, pfn_t unit, uint64_t *address)
{
    uint64_t offset = unit << space->unit_shift;
    *address = space->base + offset;
    return offset >> space->unit_shift == unit && *address >= offset;
}

bool potad_space_unit(const struct potad_space *space, uint64_t address, pfn_t *unit)
{
    *unit = (address - space->base) >> space->unit_shift;
    return address >= space->base;
}

bool potad_space_validate(const struct potad_space *space, struct violation *violation)
{
    uint64_t nodes = space->nodes == NULL ? 0 : space->nodes->live;
    *violation = (struct violation){.pfn = PFN_NONE};
    if (!range_tree_validate(&space->space.map.tree, violation) ||
        !space_validate(&space->space, violation) ||
        !invariant_check(violation, INVARIANT_RANGE_NODES, PFN_NONE,
                         range_tree_nodes(&space->space.map.tree), nodes)) {
        return false;
    }
    /* A user's cache may have other objects. */
    uint64_t blocks = space->space.blocks;
    return space->own_descriptors == NULL ||
           invariant_check(violation, INVARIANT_DESC_COUNT, PFN_NONE, blocks,
                           space->own_descriptors->live);
}

uint64_t potad_space_state_hash(const struct potad_space *space)
{
    return space_hash(&space->space);
}
