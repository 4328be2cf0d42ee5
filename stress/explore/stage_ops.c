/* SPDX-License-Identifier: MIT
 *
 * stage_ops.c: the operations of a case, as threads do them beside each other. A slot that an
 * operation works on is busy until it has ended, and is passed over by others.
 */
#include "stress/explore/stage_internal.h"

#include <inttypes.h>

enum { BULK_MAX = 16 };

const struct stage_slot *stage_find_slot(const struct stage_slot *slots, uint32_t count,
                                         uint32_t from, enum slot_state state)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct stage_slot *slot = &slots[(from + i) % count];
        if (slot->state == state) {
            return slot;
        }
    }
    return NULL;
}

struct stage_slot *stage_take_slot(struct stage_slot *slots, uint32_t count, uint32_t from,
                                   enum slot_state state)
{
    const struct stage_slot *found = stage_find_slot(slots, count, from, state);
    struct stage_slot *slot = found == NULL ? NULL : &slots[found - slots];
    if (slot != NULL) {
        slot->state = SLOT_BUSY;
        explorer_acquire(&slot->handed);
    }
    return slot;
}

void stage_leave_slot(struct stage_slot *slot, enum slot_state state)
{
    explorer_release(&slot->handed);
    slot->state = state;
}

/* The answers that an operation may have where it asks for memory. */
static void expect(struct stage *stage, const char *what, enum status status)
{
    if (status != STATUS_OK && status != STATUS_NO_MEMORY && status != STATUS_ACCEPT_FAILED &&
        status != STATUS_INVALID) {
        stage_fail(stage, "status", "%s answers %d", what, (int)status);
    }
}

static uint64_t failures_now(const struct stage *stage)
{
    return stage->state.failures;
}

/* @frames frames from @pfn were granted to who asked when there had been @failures failures. */
static void granted(struct stage *stage, pfn_t pfn, uint64_t frames, uint64_t failures)
{
    stage_own(stage, pfn, frames, OWNER_FREE, OWNER_HELD, "overlap");
    for (uint64_t i = pfn - stage->memory.start; i < pfn - stage->memory.start + frames; i++) {
        uint64_t failed = stage->state.failed[i];
        if (failed != 0 && failed <= failures) {
            stage_fail(stage, "failed-frame",
                       "frame %#" PRIx64 " is granted, and had failed before",
                       stage->memory.start + i);
        }
    }
}

static void check_block(struct stage *stage, const struct case_op *op,
                        const struct subject_block *block)
{
    if (block->order != op->order || (block->pfn & (((pfn_t)1 << block->order) - 1)) != 0) {
        stage_fail(stage, "containment", "order %u was asked for, %u at frame %#" PRIx64 " granted",
                   op->order, block->order, block->pfn);
    }
}

static void run_alloc(struct stage *stage, const struct case_op *op)
{
    const struct subject *subject = stage->options.subject;
    struct stage_slot *slot =
        stage_take_slot(stage->state.blocks, STAGE_SLOTS, op->slot, SLOT_FREE);
    if (slot == NULL) {
        return;
    }
    struct subject_request request = op_alloc_request(op);
    request.descriptor = request.type != MEMDESC_NONE ? &slot->descriptor.head : NULL;
    slot->type = request.type;
    slot->migratetype = request.migratetype;
    descriptor_begin(&slot->descriptor);
    uint64_t failures = failures_now(stage);
    struct call *call = stage_call(stage, CALL_ALLOC, 0);
    enum status status = subject->alloc(stage->instance, &request, &slot->block);
    if (status == STATUS_OK) {
        check_block(stage, op, &slot->block);
        granted(stage, slot->block.pfn, (uint64_t)1 << slot->block.order, failures);
        call->pfn = slot->block.pfn;
    }
    expect(stage, op_name((enum op)op->op), status);
    call->order = op->order;
    call->zones = stage_zones(stage, request.zone, request.below, request.migratetype);
    call->type = slot->type;
    call->descriptor = call->type != MEMDESC_NONE ? (uint64_t)(uintptr_t)&slot->descriptor : 0;
    call->counted = stage_is_shared(stage, slot->type);
    call->status = status == STATUS_INVALID ? STATUS_ACCEPT_FAILED : status;
    stage_called(stage, call);
    stage_leave_slot(slot, status == STATUS_OK ? SLOT_USED : SLOT_FREE);
}

/* Notes which block of @slot a call is about. */
static void call_on_block(struct call *call, const struct stage_slot *slot)
{
    call->order = slot->block.order;
    call->type = slot->type;
    call->descriptor = slot->type == MEMDESC_NONE ? 0 : (uint64_t)(uintptr_t)&slot->descriptor;
}

void stage_free_block(struct stage *stage, struct stage_slot *slot)
{
    struct call *call = stage_call(stage, CALL_FREE, slot->block.pfn);
    call_on_block(call, slot);
    stage_own(stage, slot->block.pfn, (uint64_t)1 << slot->block.order, OWNER_HELD, OWNER_FREE,
              "ownership");
    stage->options.subject->free(stage->instance, &slot->block);
    stage_called(stage, call);
}

static void free_slot(struct stage *stage, struct stage_slot *slot)
{
    if (stage_is_shared(stage, slot->type)) {
        stage_end_folio(stage, slot);
        return;
    }
    stage_free_block(stage, slot);
    stage_leave_slot(slot, SLOT_FREE);
}

static void run_free(struct stage *stage, const struct case_op *op)
{
    struct stage_slot *slot =
        stage_take_slot(stage->state.blocks, STAGE_SLOTS, op->slot, SLOT_USED);
    if (slot != NULL) {
        free_slot(stage, slot);
    }
}

/* Takes free slots for @count parts. Return: whether there are so many; if not, none is taken. */
static bool take_parts(struct stage *stage, uint32_t from, order_t count, struct stage_slot **parts)
{
    for (order_t i = 0; i < count; i++) {
        parts[i] = stage_take_slot(stage->state.blocks, STAGE_SLOTS, from, SLOT_FREE);
        if (parts[i] == NULL) {
            while (i > 0) {
                stage_leave_slot(parts[--i], SLOT_FREE);
            }
            return false;
        }
    }
    return true;
}

static void run_split(struct stage *stage, const struct case_op *op)
{
    struct stage_slot *parts[ORDERS];
    struct subject_block blocks[ORDERS];
    struct stage_slot *slot =
        stage_take_slot(stage->state.blocks, STAGE_SLOTS, op->slot, SLOT_USED);
    if (slot == NULL) {
        return;
    }
    order_t count = op->order < slot->block.order ? slot->block.order - op->order : 0;
    if (count == 0 || slot->type != MEMDESC_NONE || !take_parts(stage, op->slot, count, parts)) {
        stage_leave_slot(slot, SLOT_USED);
        return;
    }
    struct call *call = stage_call(stage, CALL_SPLIT, slot->block.pfn);
    call_on_block(call, slot);
    call->part = op->order;
    enum status status =
        stage->options.subject->split(stage->instance, &slot->block, op->order, blocks);
    call->status = status;
    stage_called(stage, call);
    for (order_t i = 0; i < count; i++) {
        if (status == STATUS_OK) {
            parts[i]->block = blocks[i];
            parts[i]->type = MEMDESC_NONE;
            parts[i]->migratetype = slot->migratetype;
        }
        stage_leave_slot(parts[i], status == STATUS_OK ? SLOT_USED : SLOT_FREE);
    }
    if (status == STATUS_OK) {
        slot->block = blocks[count];
    } else {
        expect(stage, "split", status);
    }
    stage_leave_slot(slot, SLOT_USED);
}

static void run_lookup(struct stage *stage, const struct case_op *op)
{
    struct memdesc_info info;
    pfn_t pfn = stage->memory.start + op->value;
    struct call *call = stage_call(stage, CALL_LOOKUP, pfn);
    bool found = stage->options.subject->lookup(stage->instance, pfn, &info);
    call->found = found;
    if (found) {
        call->type = info.type;
        call->descriptor =
            memdesc_type_is_owner(info.type) ? (uint64_t)(uintptr_t)info.descriptor : 0;
        call->seen = (struct call_seen){info.pfn, info.frames, info.flawed};
    }
    stage_called(stage, call);
    if (found && (pfn < info.pfn || pfn - info.pfn >= info.frames)) {
        stage_fail(stage, "lookup",
                   "frame %#" PRIx64 " is said to be in %" PRIu64 " frames from %#" PRIx64, pfn,
                   info.frames, info.pfn);
    }
}

/* The first cache at or after @from that nothing is done to; or NULL. */
static struct stage_cache *find_cache(struct stage *stage, uint32_t from, enum slot_state state)
{
    for (uint32_t i = 0; i < CASE_CACHES; i++) {
        struct stage_cache *cache = &stage->state.caches[(from + i) % CASE_CACHES];
        if (cache->state == state) {
            return cache;
        }
    }
    return NULL;
}

static void run_cache_create(struct stage *stage, const struct case_op *op)
{
    struct stage_cache *cache = find_cache(stage, op->zone, SLOT_FREE);
    if (cache == NULL) {
        return;
    }
    cache->state = SLOT_BUSY;
    explorer_acquire(&cache->handed); /* from who tried before */
    cache->size = op->value;
    enum status status = stage->options.subject->cache_create(
        stage->instance, op->value, (uint64_t)1 << op->align, &cache->cache);
    expect(stage, "cache-create", status);
    explorer_release(&cache->handed);
    cache->state = status == STATUS_OK ? SLOT_USED : SLOT_FREE;
}

static void run_cache_destroy(struct stage *stage, const struct case_op *op)
{
    struct stage_cache *cache = find_cache(stage, op->zone, SLOT_USED);
    if (cache == NULL || cache->users > 0) {
        return;
    }
    cache->state = SLOT_BUSY;
    explorer_acquire(&cache->handed);
    enum status due = cache->objects > 0 ? STATUS_BUSY : STATUS_OK;
    enum status status = stage->options.subject->cache_destroy(stage->instance, cache->cache);
    if (status != due) {
        stage_fail(stage, "status", "cache-destroy with %" PRIu32 " objects answers %d",
                   cache->objects, (int)status);
    }
    cache->state = status == STATUS_OK ? SLOT_FREE : SLOT_USED;
}

/* No two objects that are held share a byte. */
static void check_object(struct stage *stage, const struct stage_slot *slot, uint64_t size)
{
    const char *start = slot->object;
    for (uint32_t i = 0; i < STAGE_SLOTS; i++) {
        const struct stage_slot *other = &stage->state.objects[i];
        const char *held = other->object;
        if (other != slot && held != NULL && start < held + other->cache->size &&
            held < start + size) {
            stage_fail(stage, "overlap", "an object is given out while it is held in slot %" PRIu32,
                       i);
        }
    }
}

static void objects_granted(struct stage *stage, struct stage_cache *cache,
                            struct stage_slot **slots, void **objects, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        slots[i]->cache = cache;
        slots[i]->object = objects[i];
        check_object(stage, slots[i], cache->size);
    }
    cache->objects += count;
}

static void run_cache_alloc(struct stage *stage, const struct case_op *op)
{
    struct stage_slot *slots[BULK_MAX];
    void *objects[BULK_MAX];
    struct stage_cache *cache = find_cache(stage, op->zone, SLOT_USED);
    uint32_t count = op->op == OP_CACHE_BULK ? op->count : 1;
    if (cache == NULL || count == 0 || count > BULK_MAX) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        slots[i] = stage_take_slot(stage->state.objects, STAGE_SLOTS, op->slot, SLOT_FREE);
        count = slots[i] == NULL ? i : count;
    }
    cache->users++;
    explorer_acquire(&cache->handed);
    enum status status =
        count == 0
            ? STATUS_NO_MEMORY
            : stage->options.subject->cache_alloc(stage->instance, cache->cache, count, objects);
    expect(stage, op_name((enum op)op->op), status);
    if (status == STATUS_OK) {
        objects_granted(stage, cache, slots, objects, count);
    }
    explorer_release(&cache->handed);
    cache->users--;
    for (uint32_t i = 0; i < count; i++) {
        stage_leave_slot(slots[i], status == STATUS_OK ? SLOT_USED : SLOT_FREE);
    }
}

static void free_object(struct stage *stage, struct stage_slot *slot)
{
    struct stage_cache *cache = slot->cache;
    void *object = slot->object;
    slot->object = NULL;
    cache->users++;
    cache->objects--;
    explorer_acquire(&cache->handed);
    stage->options.subject->cache_free(stage->instance, cache->cache, object);
    explorer_release(&cache->handed);
    cache->users--;
    stage_leave_slot(slot, SLOT_FREE);
}

static void run_cache_free(struct stage *stage, const struct case_op *op)
{
    struct stage_slot *slot =
        stage_take_slot(stage->state.objects, STAGE_SLOTS, op->slot, SLOT_USED);
    if (slot != NULL && slot->cache->state != SLOT_USED) {
        stage_leave_slot(slot,
                         SLOT_USED); /* the cache is being destroyed, or rather found in use */
    } else if (slot != NULL) {
        free_object(stage, slot);
    }
}

static void run_contig(struct stage *stage, const struct case_op *op)
{
    struct stage_slot *slot =
        stage_take_slot(stage->state.contigs, CASE_CONTIGS, op->slot, SLOT_FREE);
    if (slot == NULL) {
        return;
    }
    struct contig_request request = op_contig_request(op, stage->memory.start);
    uint64_t failures = failures_now(stage);
    struct call *call = stage_call(stage, CALL_CONTIG, 0);
    enum status status =
        stage->options.subject->alloc_contig(stage->instance, &request, &slot->contig);
    if (status == STATUS_OK) {
        granted(stage, slot->contig.pfn, slot->contig.units, failures);
        call->pfn = slot->contig.pfn;
    }
    expect(stage, op_name((enum op)op->op), status);
    /* Limits, and where runs of a type may be, are not for the judges to know. */
    call->frames = request.units;
    call->order = request.align;
    call->zones = UINT32_MAX;
    call->status = status == STATUS_OK ? STATUS_OK : STATUS_ACCEPT_FAILED;
    stage_called(stage, call);
    stage_leave_slot(slot, status == STATUS_OK ? SLOT_USED : SLOT_FREE);
}

static void free_contig_slot(struct stage *stage, struct stage_slot *slot)
{
    struct call *call = stage_call(stage, CALL_CONTIG_FREE, slot->contig.pfn);
    call->frames = slot->contig.units;
    stage_own(stage, slot->contig.pfn, slot->contig.units, OWNER_HELD, OWNER_FREE, "ownership");
    stage->options.subject->free_contig(stage->instance, &slot->contig);
    stage_called(stage, call);
    stage_leave_slot(slot, SLOT_FREE);
}

static void run_contig_free(struct stage *stage, const struct case_op *op)
{
    struct stage_slot *slot =
        stage_take_slot(stage->state.contigs, CASE_CONTIGS, op->slot, SLOT_USED);
    if (slot != NULL) {
        free_contig_slot(stage, slot);
    }
}

static void run_compact(struct stage *stage, const struct case_op *op)
{
    struct compact_request request = op_compact_request(op);
    struct compact_result result;
    (void)stage->options.subject->compact(stage->instance, &request, &result);
}

static bool in_stage(const struct stage *stage, pfn_t pfn)
{
    return pfn >= stage->memory.start && pfn - stage->memory.start < stage->memory.frames;
}

static void run_failure(struct stage *stage, const struct case_op *op)
{
    pfn_t pfn = stage->memory.start + op->value;
    struct stage_state *state = &stage->state;
    bool alone = state->mends_ended == state->mends;
    uint64_t mends = state->mends;
    struct call *call = stage_call(stage, CALL_FAILURE, pfn);
    enum status status = stage->options.subject->memory_failure(stage->instance, pfn);
    call->status = status;
    stage_called(stage, call);
    if (status == STATUS_OK && in_stage(stage, pfn)) {
        alone = alone && state->mends == mends;
        state->failed[op->value] = alone ? ++state->failures : FAILED_PERHAPS;
    }
}

static void run_unpoison(struct stage *stage, const struct case_op *op)
{
    pfn_t pfn = stage->memory.start + op->value;
    if (in_stage(stage, pfn)) {
        stage->state.failed[op->value] = 0;
    }
    stage->state.mends++;
    struct call *call = stage_call(stage, CALL_UNPOISON, pfn);
    call->status = stage->options.subject->unpoison(stage->instance, pfn);
    stage_called(stage, call);
    stage->state.mends_ended++;
}

/* Nobody goes to a CPU that is on its way to or fro; who is on it leaves it first. */
static void run_cpu(struct stage *stage, const struct case_op *op)
{
    struct stage_state *state = &stage->state;
    bool online = op->op == OP_CPU_ONLINE;
    uint32_t cpu = op->zone;
    uint32_t bit = 1U << cpu % 32;
    if (cpu >= stage->program->cpus) {
        return;
    }
    stage_cpu_turn(stage, cpu);
    bool is_online = (state->cpus_online & bit) != 0;
    if ((state->cpus_moving & bit) != 0 || online == is_online) {
        return;
    }
    state->cpus_moving |= bit;
    state->cpus_online &= ~bit;
    while (explorer_active != NULL && (stage->cpu_taken & bit) != 0) {
        explorer_relax(stage->explorer);
    }
    explorer_acquire(&stage->cpu_points[cpu]);
    enum status status = online ? stage->options.subject->cpu_online(stage->instance, cpu)
                                : stage->options.subject->cpu_offline(stage->instance, cpu);
    explorer_release(&stage->cpu_points[cpu]);
    if (!online && status != STATUS_OK) {
        stage_fail(stage, "status", "cpu-offline answers %d", (int)status);
    }
    stage_cpu_turn(stage, cpu);
    state->cpus_online |= online && status == STATUS_OK ? bit : 0;
    state->cpus_moving &= ~bit;
}

static void run_cache_op(struct stage *stage, const struct case_op *op)
{
    switch ((enum op)op->op) {
    case OP_CACHE_CREATE:
        run_cache_create(stage, op);
        break;
    case OP_CACHE_DESTROY:
        run_cache_destroy(stage, op);
        break;
    case OP_CACHE_ALLOC:
    case OP_CACHE_BULK:
        run_cache_alloc(stage, op);
        break;
    case OP_CACHE_FREE:
        run_cache_free(stage, op);
        break;
    default:
        break;
    }
}

void stage_run_op(struct stage *stage, const struct case_op *op)
{
    if ((op_needs((enum op)op->op) & ~stage->options.subject->capabilities) != 0) {
        return;
    }
    switch ((enum op)op->op) {
    case OP_ALLOC:
    case OP_ALLOC_DESC:
    case OP_ALLOC_NODE:
    case OP_ALLOC_COMPACT:
        run_alloc(stage, op);
        break;
    case OP_FREE:
        run_free(stage, op);
        break;
    case OP_SPLIT:
        run_split(stage, op);
        break;
    case OP_LOOKUP:
        run_lookup(stage, op);
        break;
    case OP_SHRINK:
        stage->options.subject->shrink(stage->instance);
        break;
    case OP_MEMORY_FAILURE:
        run_failure(stage, op);
        break;
    case OP_UNPOISON:
        run_unpoison(stage, op);
        break;
    case OP_CONTIG:
    case OP_CONTIG_CMA:
        run_contig(stage, op);
        break;
    case OP_CONTIG_FREE:
        run_contig_free(stage, op);
        break;
    case OP_COMPACT:
        run_compact(stage, op);
        break;
    case OP_CPU_ONLINE:
    case OP_CPU_OFFLINE:
        run_cpu(stage, op);
        break;
    case OP_REF:
    case OP_REF_FOLIO:
    case OP_PUT:
        stage_run_ref(stage, op);
        break;
    default:
        run_cache_op(stage, op);
        break;
    }
}

static void stop_cpus(struct stage *stage)
{
    for (uint32_t cpu = 0; cpu < stage->program->cpus; cpu++) {
        const struct case_op op = {.op = OP_CPU_OFFLINE, .zone = (uint8_t)cpu};
        if ((stage->state.cpus_online >> cpu & 1) != 0) {
            run_cpu(stage, &op);
        }
    }
}

void stage_free_all(struct stage *stage)
{
    struct stage_state *state = &stage->state;
    stage_drop_refs(stage);
    for (uint32_t i = 0; i < STAGE_SLOTS; i++) {
        if (state->objects[i].state == SLOT_USED) {
            free_object(stage, &state->objects[i]);
        }
        if (state->blocks[i].state == SLOT_USED) {
            free_slot(stage, &state->blocks[i]);
        }
    }
    for (uint32_t i = 0; i < CASE_CONTIGS; i++) {
        if (state->contigs[i].state == SLOT_USED) {
            free_contig_slot(stage, &state->contigs[i]);
        }
    }
    stop_cpus(stage);
    for (uint32_t i = 0; i < CASE_CACHES; i++) {
        const struct case_op op = {.op = OP_CACHE_DESTROY, .zone = (uint8_t)i};
        if (state->caches[i].state == SLOT_USED) {
            run_cache_destroy(stage, &op);
        }
    }
    for (uint64_t i = 0; i < stage->memory.frames; i++) {
        const struct case_op op = {.op = OP_UNPOISON, .value = (uint32_t)i};
        if (state->failed[i] != 0) {
            run_unpoison(stage, &op);
        }
    }
    if ((stage->options.subject->capabilities & SUBJECT_SHRINK) != 0) {
        stage->options.subject->shrink(stage->instance);
    }
}
