/* SPDX-License-Identifier: MIT
 *
 * scene_ops.c: the operations of a case, as threads do them beside each other. A slot that an
 * operation works on is busy until it has ended, and is passed over by others.
 */
#include "stress/explore/scene_internal.h"

#include "stress/explore/fiber.h"

#include <inttypes.h>

enum { BULK_MAX = 16 };

/* The first slot at or after @from, around the end, that is in @state; or NULL. */
static struct scene_slot *find_slot(struct scene_slot *slots, uint32_t count, uint32_t from,
                                    enum slot_state state)
{
    for (uint32_t i = 0; i < count; i++) {
        struct scene_slot *slot = &slots[(from + i) % count];
        if (slot->state == state) {
            return slot;
        }
    }
    return NULL;
}

/* The same, of a slot that this operation has from here on. */
static struct scene_slot *take_slot(struct scene_slot *slots, uint32_t count, uint32_t from,
                                    enum slot_state state)
{
    struct scene_slot *slot = find_slot(slots, count, from, state);
    if (slot != NULL) {
        slot->state = SLOT_BUSY;
        fiber_acquire(&slot->handed);
    }
    return slot;
}

static void leave_slot(struct scene_slot *slot, enum slot_state state)
{
    fiber_release(&slot->handed);
    slot->state = state;
}

/* The answers that an operation may have where it asks for memory. */
static void expect(struct scene *scene, const char *what, enum status status)
{
    if (status != STATUS_OK && status != STATUS_NO_MEMORY && status != STATUS_ACCEPT_FAILED) {
        scene_fail(scene, "status", "%s answers %d", what, (int)status);
    }
}

static uint64_t failures_now(const struct scene *scene)
{
    return scene->state.failures;
}

/* @frames frames from @pfn were granted to who asked when there had been @failures failures. */
static void granted(struct scene *scene, pfn_t pfn, uint64_t frames, uint64_t failures)
{
    scene_own(scene, pfn, frames, OWNER_FREE, OWNER_HELD, "overlap");
    for (uint64_t i = pfn - scene->memory.start; i < pfn - scene->memory.start + frames; i++) {
        uint64_t failed = scene->state.failed[i];
        if (failed != 0 && failed <= failures) {
            scene_fail(scene, "failed-frame",
                       "frame %#" PRIx64 " is granted, and had failed before",
                       scene->memory.start + i);
        }
    }
}

static void check_block(struct scene *scene, const struct case_op *op,
                        const struct subject_block *block)
{
    if (block->order != op->order || (block->pfn & (((pfn_t)1 << block->order) - 1)) != 0) {
        scene_fail(scene, "containment", "order %u was asked for, %u at frame %#" PRIx64 " granted",
                   op->order, block->order, block->pfn);
    }
}

static void run_alloc(struct scene *scene, const struct case_op *op)
{
    const struct subject *subject = scene->options.subject;
    struct scene_slot *slot = take_slot(scene->state.blocks, SCENE_SLOTS, op->slot, SLOT_FREE);
    bool desc = op->op == OP_ALLOC_DESC;
    bool node = op->op == OP_ALLOC_NODE;
    if (slot == NULL) {
        return;
    }
    slot->type = desc ? (enum memdesc_type)op->type : MEMDESC_NONE;
    struct subject_request request = {
        .order = op->order,
        .zone = node ? ZONE_ANY : op->zone,
        .node = node ? op->zone : 0,
        .below = node ? (enum zone_class)op->align : ZONE_DMA,
        .reserve = node && op->count != 0,
        .compact = op->op == OP_ALLOC_COMPACT,
        .migratetype = desc ? MIGRATE_UNMOVABLE : (enum migratetype)op->type,
        .type = slot->type,
        .descriptor = desc ? (struct memdesc *)(void *)slot->descriptor : NULL,
    };
    uint64_t failures = failures_now(scene);
    enum status status = subject->alloc(scene->instance, &request, &slot->block);
    if (status == STATUS_OK) {
        check_block(scene, op, &slot->block);
        granted(scene, slot->block.pfn, (uint64_t)1 << slot->block.order, failures);
    } else if (status != STATUS_INVALID) {
        expect(scene, op_name((enum op)op->op), status);
    }
    leave_slot(slot, status == STATUS_OK ? SLOT_USED : SLOT_FREE);
}

static void free_slot(struct scene *scene, struct scene_slot *slot)
{
    scene_own(scene, slot->block.pfn, (uint64_t)1 << slot->block.order, OWNER_HELD, OWNER_FREE,
              "ownership");
    scene->options.subject->free(scene->instance, &slot->block);
    leave_slot(slot, SLOT_FREE);
}

static void run_free(struct scene *scene, const struct case_op *op)
{
    struct scene_slot *slot = take_slot(scene->state.blocks, SCENE_SLOTS, op->slot, SLOT_USED);
    if (slot != NULL) {
        free_slot(scene, slot);
    }
}

/* Takes free slots for @count parts. Return: whether there are so many; if not, none is taken. */
static bool take_parts(struct scene *scene, uint32_t from, order_t count, struct scene_slot **parts)
{
    for (order_t i = 0; i < count; i++) {
        parts[i] = take_slot(scene->state.blocks, SCENE_SLOTS, from, SLOT_FREE);
        if (parts[i] == NULL) {
            while (i > 0) {
                leave_slot(parts[--i], SLOT_FREE);
            }
            return false;
        }
    }
    return true;
}

static void run_split(struct scene *scene, const struct case_op *op)
{
    struct scene_slot *parts[ORDERS];
    struct subject_block blocks[ORDERS];
    struct scene_slot *slot = take_slot(scene->state.blocks, SCENE_SLOTS, op->slot, SLOT_USED);
    if (slot == NULL) {
        return;
    }
    order_t count = op->order < slot->block.order ? slot->block.order - op->order : 0;
    if (count == 0 || slot->type != MEMDESC_NONE || !take_parts(scene, op->slot, count, parts)) {
        leave_slot(slot, SLOT_USED);
        return;
    }
    enum status status =
        scene->options.subject->split(scene->instance, &slot->block, op->order, blocks);
    for (order_t i = 0; i < count; i++) {
        if (status == STATUS_OK) {
            parts[i]->block = blocks[i];
            parts[i]->type = MEMDESC_NONE;
        }
        leave_slot(parts[i], status == STATUS_OK ? SLOT_USED : SLOT_FREE);
    }
    if (status == STATUS_OK) {
        slot->block = blocks[count];
    } else {
        expect(scene, "split", status);
    }
    leave_slot(slot, SLOT_USED);
}

static void run_lookup(struct scene *scene, const struct case_op *op)
{
    struct memdesc_info info;
    pfn_t pfn = scene->memory.start + op->value;
    bool found = scene->options.subject->lookup(scene->instance, pfn, &info);
    if (found && (pfn < info.pfn || pfn - info.pfn >= info.frames)) {
        scene_fail(scene, "lookup",
                   "frame %#" PRIx64 " is said to be in %" PRIu64 " frames from %#" PRIx64, pfn,
                   info.frames, info.pfn);
    }
}

/* The first cache at or after @from that nothing is done to; or NULL. */
static struct scene_cache *find_cache(struct scene *scene, uint32_t from, enum slot_state state)
{
    for (uint32_t i = 0; i < CASE_CACHES; i++) {
        struct scene_cache *cache = &scene->state.caches[(from + i) % CASE_CACHES];
        if (cache->state == state) {
            return cache;
        }
    }
    return NULL;
}

static void run_cache_create(struct scene *scene, const struct case_op *op)
{
    struct scene_cache *cache = find_cache(scene, op->zone, SLOT_FREE);
    if (cache == NULL) {
        return;
    }
    cache->state = SLOT_BUSY;
    cache->size = op->value;
    enum status status = scene->options.subject->cache_create(
        scene->instance, op->value, (uint64_t)1 << op->align, &cache->cache);
    if (status != STATUS_INVALID) {
        expect(scene, "cache-create", status);
    }
    fiber_release(&cache->handed);
    cache->state = status == STATUS_OK ? SLOT_USED : SLOT_FREE;
}

static void run_cache_destroy(struct scene *scene, const struct case_op *op)
{
    struct scene_cache *cache = find_cache(scene, op->zone, SLOT_USED);
    if (cache == NULL || cache->users > 0) {
        return;
    }
    cache->state = SLOT_BUSY;
    fiber_acquire(&cache->handed);
    enum status status = scene->options.subject->cache_destroy(scene->instance, cache->cache);
    enum status due = cache->objects > 0 ? STATUS_BUSY : STATUS_OK;
    if (status != due) {
        scene_fail(scene, "status", "cache-destroy with %" PRIu32 " objects answers %d",
                   cache->objects, (int)status);
    }
    cache->state = status == STATUS_OK ? SLOT_FREE : SLOT_USED;
}

/* No two objects that are held share a byte. */
static void check_object(struct scene *scene, const struct scene_slot *slot, uint64_t size)
{
    const char *start = slot->object;
    for (uint32_t i = 0; i < SCENE_SLOTS; i++) {
        const struct scene_slot *other = &scene->state.objects[i];
        const char *held = other->object;
        if (other != slot && held != NULL && start < held + other->cache->size &&
            held < start + size) {
            scene_fail(scene, "overlap", "an object is given out while it is held in slot %" PRIu32,
                       i);
        }
    }
}

static void objects_granted(struct scene *scene, struct scene_cache *cache,
                            struct scene_slot **slots, void **objects, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        slots[i]->cache = cache;
        slots[i]->object = objects[i];
        check_object(scene, slots[i], cache->size);
    }
    cache->objects += count;
}

static void run_cache_alloc(struct scene *scene, const struct case_op *op)
{
    struct scene_slot *slots[BULK_MAX];
    void *objects[BULK_MAX];
    struct scene_cache *cache = find_cache(scene, op->zone, SLOT_USED);
    uint32_t count = op->op == OP_CACHE_BULK ? op->count : 1;
    if (cache == NULL || count == 0 || count > BULK_MAX) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        slots[i] = take_slot(scene->state.objects, SCENE_SLOTS, op->slot, SLOT_FREE);
        count = slots[i] == NULL ? i : count;
    }
    cache->users++;
    fiber_acquire(&cache->handed);
    enum status status =
        count == 0
            ? STATUS_NO_MEMORY
            : scene->options.subject->cache_alloc(scene->instance, cache->cache, count, objects);
    expect(scene, op_name((enum op)op->op), status);
    if (status == STATUS_OK) {
        objects_granted(scene, cache, slots, objects, count);
    }
    fiber_release(&cache->handed);
    cache->users--;
    for (uint32_t i = 0; i < count; i++) {
        leave_slot(slots[i], status == STATUS_OK ? SLOT_USED : SLOT_FREE);
    }
}

static void free_object(struct scene *scene, struct scene_slot *slot)
{
    struct scene_cache *cache = slot->cache;
    void *object = slot->object;
    slot->object = NULL;
    cache->users++;
    cache->objects--;
    fiber_acquire(&cache->handed);
    scene->options.subject->cache_free(scene->instance, cache->cache, object);
    fiber_release(&cache->handed);
    cache->users--;
    leave_slot(slot, SLOT_FREE);
}

static void run_cache_free(struct scene *scene, const struct case_op *op)
{
    struct scene_slot *slot = take_slot(scene->state.objects, SCENE_SLOTS, op->slot, SLOT_USED);
    if (slot != NULL) {
        free_object(scene, slot);
    }
}

static void run_contig(struct scene *scene, const struct case_op *op)
{
    struct scene_slot *slot = take_slot(scene->state.contigs, CASE_CONTIGS, op->slot, SLOT_FREE);
    bool cma = op->op == OP_CONTIG_CMA;
    bool limited = op->order != 0 && op->order < ORDERS;
    pfn_t low = scene->memory.start + op->value;
    if (slot == NULL) {
        return;
    }
    struct contig_request request = {
        .units = op->count,
        .align = op->align,
        .low = limited ? low : 0,
        .high = limited ? low + ((uint64_t)1 << op->order) : 0,
        .zone = op->zone,
        .migratetype = cma ? MIGRATE_UNMOVABLE : (enum migratetype)op->type,
        .below = ZONE_DMA,
        .cma = cma,
    };
    uint64_t failures = failures_now(scene);
    enum status status =
        scene->options.subject->alloc_contig(scene->instance, &request, &slot->contig);
    if (status == STATUS_OK) {
        granted(scene, slot->contig.pfn, slot->contig.units, failures);
    } else if (status != STATUS_INVALID) {
        expect(scene, op_name((enum op)op->op), status);
    }
    leave_slot(slot, status == STATUS_OK ? SLOT_USED : SLOT_FREE);
}

static void free_contig_slot(struct scene *scene, struct scene_slot *slot)
{
    scene_own(scene, slot->contig.pfn, slot->contig.units, OWNER_HELD, OWNER_FREE, "ownership");
    scene->options.subject->free_contig(scene->instance, &slot->contig);
    leave_slot(slot, SLOT_FREE);
}

static void run_contig_free(struct scene *scene, const struct case_op *op)
{
    struct scene_slot *slot = take_slot(scene->state.contigs, CASE_CONTIGS, op->slot, SLOT_USED);
    if (slot != NULL) {
        free_contig_slot(scene, slot);
    }
}

static void run_compact(struct scene *scene, const struct case_op *op)
{
    uint64_t limit = op->count == 0 ? UINT64_MAX : op->count;
    struct compact_request request = {
        .pages = {.order = op->order,
                  .zone = op->zone,
                  .migratetype = (enum migratetype)op->type,
                  .below = ZONE_DMA},
        .frames_max = limit,
        .blocks_max = limit,
    };
    struct compact_result result;
    (void)scene->options.subject->compact(scene->instance, &request, &result);
}

static bool in_scene(const struct scene *scene, pfn_t pfn)
{
    return pfn >= scene->memory.start && pfn - scene->memory.start < scene->memory.frames;
}

static void run_failure(struct scene *scene, const struct case_op *op)
{
    pfn_t pfn = scene->memory.start + op->value;
    enum status status = scene->options.subject->memory_failure(scene->instance, pfn);
    if (status == STATUS_OK && in_scene(scene, pfn)) {
        scene->state.failed[op->value] = ++scene->state.failures;
    }
}

static void run_unpoison(struct scene *scene, const struct case_op *op)
{
    pfn_t pfn = scene->memory.start + op->value;
    if (in_scene(scene, pfn)) {
        scene->state.failed[op->value] = 0;
    }
    (void)scene->options.subject->unpoison(scene->instance, pfn);
}

/* Nobody goes to a CPU that is on its way to or fro; who is on it leaves it first. */
static void run_cpu(struct scene *scene, const struct case_op *op)
{
    struct scene_state *state = &scene->state;
    bool online = op->op == OP_CPU_ONLINE;
    uint32_t cpu = op->zone;
    uint32_t bit = 1U << cpu % 32;
    bool is_online = (state->cpus_online & bit) != 0;
    if (cpu >= scene->program->cpus || (state->cpus_moving & bit) != 0 || online == is_online) {
        return;
    }
    state->cpus_moving |= bit;
    state->cpus_online &= ~bit;
    while (explorer_active != NULL && (scene->cpu_taken & bit) != 0) {
        explorer_relax(scene->explorer);
    }
    fiber_acquire(&scene->cpu_points[cpu]);
    enum status status = online ? scene->options.subject->cpu_online(scene->instance, cpu)
                                : scene->options.subject->cpu_offline(scene->instance, cpu);
    fiber_release(&scene->cpu_points[cpu]);
    if (!online && status != STATUS_OK) {
        scene_fail(scene, "status", "cpu-offline answers %d", (int)status);
    }
    state->cpus_online |= online && status == STATUS_OK ? bit : 0;
    state->cpus_moving &= ~bit;
}

static void run_cache_op(struct scene *scene, const struct case_op *op)
{
    switch ((enum op)op->op) {
    case OP_CACHE_CREATE:
        run_cache_create(scene, op);
        break;
    case OP_CACHE_DESTROY:
        run_cache_destroy(scene, op);
        break;
    case OP_CACHE_ALLOC:
    case OP_CACHE_BULK:
        run_cache_alloc(scene, op);
        break;
    case OP_CACHE_FREE:
        run_cache_free(scene, op);
        break;
    default:
        break;
    }
}

void scene_run_op(struct scene *scene, const struct case_op *op)
{
    if ((op_needs((enum op)op->op) & ~scene->options.subject->capabilities) != 0) {
        return;
    }
    switch ((enum op)op->op) {
    case OP_ALLOC:
    case OP_ALLOC_DESC:
    case OP_ALLOC_NODE:
    case OP_ALLOC_COMPACT:
        run_alloc(scene, op);
        break;
    case OP_FREE:
        run_free(scene, op);
        break;
    case OP_SPLIT:
        run_split(scene, op);
        break;
    case OP_LOOKUP:
        run_lookup(scene, op);
        break;
    case OP_SHRINK:
        scene->options.subject->shrink(scene->instance);
        break;
    case OP_MEMORY_FAILURE:
        run_failure(scene, op);
        break;
    case OP_UNPOISON:
        run_unpoison(scene, op);
        break;
    case OP_CONTIG:
    case OP_CONTIG_CMA:
        run_contig(scene, op);
        break;
    case OP_CONTIG_FREE:
        run_contig_free(scene, op);
        break;
    case OP_COMPACT:
        run_compact(scene, op);
        break;
    case OP_CPU_ONLINE:
    case OP_CPU_OFFLINE:
        run_cpu(scene, op);
        break;
    default:
        run_cache_op(scene, op);
        break;
    }
}

static void stop_cpus(struct scene *scene)
{
    for (uint32_t cpu = 0; cpu < scene->program->cpus; cpu++) {
        const struct case_op op = {.op = OP_CPU_OFFLINE, .zone = (uint8_t)cpu};
        if ((scene->state.cpus_online >> cpu & 1) != 0) {
            run_cpu(scene, &op);
        }
    }
}

void scene_free_all(struct scene *scene)
{
    struct scene_state *state = &scene->state;
    for (uint32_t i = 0; i < SCENE_SLOTS; i++) {
        if (state->objects[i].state == SLOT_USED) {
            free_object(scene, &state->objects[i]);
        }
        if (state->blocks[i].state == SLOT_USED) {
            free_slot(scene, &state->blocks[i]);
        }
    }
    for (uint32_t i = 0; i < CASE_CONTIGS; i++) {
        if (state->contigs[i].state == SLOT_USED) {
            free_contig_slot(scene, &state->contigs[i]);
        }
    }
    stop_cpus(scene);
    for (uint32_t i = 0; i < CASE_CACHES; i++) {
        const struct case_op op = {.op = OP_CACHE_DESTROY, .zone = (uint8_t)i};
        if (state->caches[i].state == SLOT_USED) {
            run_cache_destroy(scene, &op);
        }
    }
    for (uint64_t i = 0; i < scene->memory.frames; i++) {
        const struct case_op op = {.op = OP_UNPOISON, .value = (uint32_t)i};
        if (state->failed[i] != 0) {
            run_unpoison(scene, &op);
        }
    }
    if ((scene->options.subject->capabilities & SUBJECT_SHRINK) != 0) {
        scene->options.subject->shrink(scene->instance);
    }
}
