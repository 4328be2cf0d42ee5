/* SPDX-License-Identifier: MIT */
#include "fuzzers/executor_internal.h"
#include "fuzzers/harness_internal.h"
#include "fuzzers/op_request.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_SLOTS = 64 };

static void *allocate_zeroed(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);
    if (memory == NULL) {
        fprintf(stderr, "potad: no memory for %zu slots\n", count);
        abort();
    }
    return memory;
}

static void slot_map_init(struct slot_map *map, uint32_t slots)
{
    map->slots = slots;
    map->count = 0;
    map->used = allocate_zeroed(slots / WORD_SLOTS, sizeof(*map->used));
}

/* Empties @map, and makes it one of @slots, at most what it was made with. */
static void slot_map_clear(struct slot_map *map, uint32_t slots)
{
    map->slots = slots;
    memset(map->used, 0, map->slots / WORD_SLOTS * sizeof(*map->used));
    map->count = 0;
}

uint32_t slot_find(const struct slot_map *map, uint32_t from, bool used)
{
    uint32_t words = map->slots / WORD_SLOTS;
    uint32_t word = from % map->slots / WORD_SLOTS;
    uint64_t flip = used ? 0 : ~(uint64_t)0;
    uint64_t bits = (map->used[word] ^ flip) >> from % WORD_SLOTS << from % WORD_SLOTS;
    while (bits == 0) {
        word = (word + 1) % words;
        bits = map->used[word] ^ flip;
    }
    return word * WORD_SLOTS + (uint32_t)__builtin_ctzll(bits);
}

void slot_set(struct slot_map *map, uint32_t slot, bool used)
{
    uint64_t bit = (uint64_t)1 << slot % WORD_SLOTS;
    map->used[slot / WORD_SLOTS] ^= bit;
    map->count += used ? 1U : ~0U;
}

bool slots_take(struct slot_map *map, uint32_t from, uint32_t count, uint32_t *taken)
{
    if (slots_left(map) < count) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        taken[i] = slot_find(map, from, false);
        slot_set(map, taken[i], true);
    }
    return true;
}

void slots_give(struct slot_map *map, const uint32_t *taken, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        slot_set(map, taken[i], false);
    }
}

void executor_init(struct executor *executor, const struct subject *subject, uint32_t slots)
{
    *executor = (struct executor){0};
    harness_init(&executor->harness, subject, slots);
    slot_map_init(&executor->block_slots, slots);
    slot_map_init(&executor->object_slots, slots);
    slot_map_init(&executor->space_slots, slots);
    executor->objects = allocate_zeroed(slots, sizeof(*executor->objects));
}

void executor_close(struct executor *executor)
{
    harness_close(&executor->harness);
    free(executor->block_slots.used);
    free(executor->object_slots.used);
    free(executor->space_slots.used);
    free(executor->objects);
    *executor = (struct executor){0};
}

/* The first block at or after @from, around the end, that its owner has. Return: whether there is
 * one. */
static bool find_block(const struct executor *executor, uint32_t from, uint32_t *slot)
{
    const struct slot_map *slots = &executor->block_slots;
    const struct harness *harness = &executor->harness;
    if (slots->count == harness->refs.ended) {
        return false;
    }
    *slot = slot_find(slots, from, true);
    while (harness->blocks[*slot].ended) {
        *slot = slot_find(slots, *slot + 1, true);
    }
    return true;
}

static void run_alloc(struct executor *executor, const struct case_op *op)
{
    struct slot_map *slots = &executor->block_slots;
    if (slots_left(slots) == 0) {
        return;
    }
    uint32_t slot = slot_find(slots, op->slot, false);
    struct subject_request request = op_alloc_request(op);
    if (harness_alloc(&executor->harness, &request, slot)) {
        slot_set(slots, slot, true);
    }
}

/* Empties the slot of a block that is not in use any more. */
static void block_settle(struct executor *executor, uint32_t slot)
{
    if (!executor->harness.blocks[slot].used) {
        slot_set(&executor->block_slots, slot, false);
    }
}

static void run_free(struct executor *executor, const struct case_op *op)
{
    uint32_t slot;
    if (find_block(executor, op->slot, &slot)) {
        harness_free(&executor->harness, slot);
        block_settle(executor, slot);
    }
}

/* Takes a reference from frame @pfn, into the first free slot from @slot on. */
static void take_ref(struct harness *harness, uint32_t slot, pfn_t pfn)
{
    const struct harness_ref *held = harness->refs.held;
    uint32_t index = ring_find(&held[0].used, sizeof(held[0]), CASE_REFS, slot, false);
    if (index < CASE_REFS) {
        harness_ref_get(harness, pfn, index);
    }
}

static void run_ref_folio(struct executor *executor, const struct case_op *op)
{
    const struct slot_map *slots = &executor->block_slots;
    uint32_t slot = op->slot;
    for (uint32_t i = 0; i < slots->count; i++) {
        slot = slot_find(slots, slot, true);
        const struct harness_block *block = &executor->harness.blocks[slot];
        if (block->type == MEMDESC_FOLIO) {
            pfn_t last = block->block.pfn + ((uint64_t)1 << block->block.order) - 1;
            take_ref(&executor->harness, 0, last);
            return;
        }
        slot++;
    }
}

/* Return: whether there was a reference to drop. */
static bool run_put(struct executor *executor, const struct case_op *op)
{
    struct harness *harness = &executor->harness;
    const struct harness_ref *held = harness->refs.held;
    uint32_t index = ring_find(&held[0].used, sizeof(held[0]), CASE_REFS, op->slot, true);
    if (index == CASE_REFS) {
        return false;
    }
    block_settle(executor, harness_ref_put(harness, index));
    return true;
}

static void run_split(struct executor *executor, const struct case_op *op)
{
    struct slot_map *slots = &executor->block_slots;
    uint32_t parts[ORDERS] = {0};
    uint32_t slot;
    if (!find_block(executor, op->slot, &slot)) {
        return;
    }
    order_t whole = executor->harness.blocks[slot].block.order;
    order_t count = op->order < whole ? whole - op->order : 0;
    if (slots_take(slots, slot, count, parts) &&
        !harness_split(&executor->harness, slot, op->order, parts)) {
        slots_give(slots, parts, count);
    }
}

/* The first cache at or after @from, around the end, that is used or is not; NULL: there is none.
 */
static struct harness_cache *find_cache(struct executor *executor, uint32_t from, bool used)
{
    uint32_t index =
        ring_find(&executor->caches[0].used, sizeof(executor->caches[0]), CASE_CACHES, from, used);
    return index < CASE_CACHES ? &executor->caches[index] : NULL;
}

static void run_cache_create(struct executor *executor, const struct case_op *op)
{
    struct harness_cache *cache = find_cache(executor, op->zone, false);
    if (cache != NULL) {
        harness_cache_create(&executor->harness, op->value, (uint64_t)1 << op->align, cache);
    }
}

static void run_cache_alloc(struct executor *executor, const struct case_op *op)
{
    struct harness_cache *cache = find_cache(executor, op->zone, true);
    struct slot_map *slots = &executor->object_slots;
    struct harness_object *objects[HARNESS_BULK_MAX];
    uint32_t numbers[HARNESS_BULK_MAX];
    uint32_t count = op->op == OP_CACHE_BULK ? op->count : 1;
    if (cache == NULL || count > HARNESS_BULK_MAX || slots_left(slots) < count) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = slot_find(slots, op->slot, false);
        objects[i] = &executor->objects[numbers[i]];
        slot_set(slots, numbers[i], true);
    }
    if (!harness_cache_alloc(&executor->harness, cache, count, objects)) {
        for (uint32_t i = 0; i < count; i++) {
            slot_set(slots, numbers[i], false);
        }
    }
}

static void run_cache_free(struct executor *executor, const struct case_op *op)
{
    struct slot_map *slots = &executor->object_slots;
    if (slots->count > 0) {
        uint32_t slot = slot_find(slots, op->slot, true);
        harness_cache_free(&executor->harness, &executor->objects[slot]);
        slot_set(slots, slot, false);
    }
}

enum { RESERVE_MAX = 4096 }; /* more would be for nothing but the memory that it takes */

static void run_cache_reserve(struct executor *executor, const struct case_op *op)
{
    struct harness_cache *cache = find_cache(executor, op->zone, true);
    if (cache == NULL || op->count > RESERVE_MAX) {
        return;
    }
    if (op->op == OP_CACHE_RESERVE) {
        harness_cache_reserve(&executor->harness, cache, op->count);
    } else {
        harness_cache_unreserve(&executor->harness, cache);
    }
}

static void run_cache_take(struct executor *executor, const struct case_op *op)
{
    struct harness_cache *cache = find_cache(executor, op->zone, true);
    struct slot_map *slots = &executor->object_slots;
    if (cache == NULL || slots_left(slots) == 0) {
        return;
    }
    uint32_t slot = slot_find(slots, op->slot, false);
    if (harness_cache_take(&executor->harness, cache, &executor->objects[slot])) {
        slot_set(slots, slot, true);
    }
}

static void run_cache_destroy(struct executor *executor, const struct case_op *op)
{
    struct harness_cache *cache = find_cache(executor, op->zone, true);
    if (cache != NULL) {
        harness_cache_destroy(&executor->harness, cache);
    }
}

/* The first run at or after @from, around the end, that is used or is not; CASE_CONTIGS: none. */
static uint32_t find_contig(const struct executor *executor, uint32_t from, bool used)
{
    const struct harness_contig *contigs = executor->harness.contigs;
    return ring_find(&contigs[0].used, sizeof(contigs[0]), CASE_CONTIGS, from, used);
}

static void run_contig(struct executor *executor, const struct case_op *op)
{
    struct harness *harness = &executor->harness;
    uint32_t index = find_contig(executor, op->slot, false);
    struct contig_request request = op_contig_request(op, harness->model.start);
    if (index < CASE_CONTIGS) {
        harness_contig_alloc(harness, &request, index);
    }
}

static void run_contig_free(struct executor *executor, const struct case_op *op)
{
    uint32_t index = find_contig(executor, op->slot, true);
    if (index < CASE_CONTIGS) {
        harness_contig_free(&executor->harness, index);
    }
}

static void run_compact(struct harness *harness, const struct case_op *op)
{
    struct compact_request request = op_compact_request(op);
    harness_compact(harness, &request);
}

/* An operation on objects. */
static void run_cache_op(struct executor *executor, const struct case_op *op)
{
    switch ((enum op)op->op) {
    case OP_CACHE_CREATE:
        run_cache_create(executor, op);
        break;
    case OP_CACHE_ALLOC:
    case OP_CACHE_BULK:
        run_cache_alloc(executor, op);
        break;
    case OP_CACHE_FREE:
        run_cache_free(executor, op);
        break;
    case OP_CACHE_DESTROY:
        run_cache_destroy(executor, op);
        break;
    case OP_CACHE_RESERVE:
    case OP_CACHE_UNRESERVE:
        run_cache_reserve(executor, op);
        break;
    case OP_CACHE_TAKE:
        run_cache_take(executor, op);
        break;
    default:
        break;
    }
}

/* An operation on blocks or runs of them, or another one on memory. */
static void run_memory_op(struct executor *executor, const struct case_op *op)
{
    struct harness *harness = &executor->harness;
    switch ((enum op)op->op) {
    case OP_ALLOC:
    case OP_ALLOC_DESC:
    case OP_ALLOC_NODE:
    case OP_ALLOC_COMPACT:
        run_alloc(executor, op);
        break;
    case OP_FREE:
        run_free(executor, op);
        break;
    case OP_SPLIT:
        run_split(executor, op);
        break;
    case OP_REF:
        take_ref(harness, op->slot, harness->model.start + op->value);
        break;
    case OP_REF_FOLIO:
        run_ref_folio(executor, op);
        break;
    case OP_PUT:
        run_put(executor, op);
        break;
    case OP_LOOKUP:
        harness_lookup(harness, harness->model.start + op->value);
        break;
    case OP_SHRINK:
        harness_shrink(harness);
        break;
    case OP_MEMORY_FAILURE:
        harness_memory_failure(harness, harness->model.start + op->value);
        break;
    case OP_UNPOISON:
        harness_unpoison(harness, harness->model.start + op->value);
        break;
    case OP_CONTIG:
    case OP_CONTIG_LARGE:
    case OP_CONTIG_CMA:
        run_contig(executor, op);
        break;
    case OP_CONTIG_FREE:
        run_contig_free(executor, op);
        break;
    case OP_COMPACT:
        run_compact(harness, op);
        break;
    case OP_ZONE_ADD:
        harness_zone_add(harness, op->zone);
        break;
    case OP_ZONE_REMOVE:
        harness_zone_remove(harness, op->zone);
        break;
    default:
        run_cache_op(executor, op);
        break;
    }
}

/* Context: the program has CPUs. */
static void run_cpu_op(struct harness *harness, const struct case_op *op)
{
    if (op->op == OP_CPU) {
        harness_cpu_move(harness, op->zone);
    } else if (op->op == OP_CPU_ONLINE) {
        harness_cpu_online(harness, op->zone);
    } else {
        harness_cpu_offline(harness, op->zone);
    }
}

static bool op_is_cpu(enum op op)
{
    return op == OP_CPU || op == OP_CPU_ONLINE || op == OP_CPU_OFFLINE;
}

static void run_op(struct executor *executor, const struct case_op *op)
{
    struct harness *harness = &executor->harness;
    if ((op_needs((enum op)op->op) & ~harness->subject->capabilities) != 0) {
        return;
    }
    fault_arm(&harness->fault, op);
    if (op_is_range((enum op)op->op)) {
        executor_run_range(harness, op);
    } else if (op_is_space((enum op)op->op)) {
        executor_run_space(executor, op);
    } else if (!op_is_cpu((enum op)op->op)) {
        run_memory_op(executor, op);
    } else if (harness->cpus.count > 0) {
        run_cpu_op(harness, op);
    }
}

static void show_state(struct executor *executor, uint32_t done)
{
    if (executor->watch != NULL) {
        executor->watch(executor->watch_context, executor, done);
    }
}

/* Frees all that is left, as the operations would; what has failed is taken into use again last. */
static void tear_down(struct executor *executor)
{
    struct harness *harness = &executor->harness;
    const struct case_op none = {0};
    fault_disarm(&harness->fault);
    harness_cpus_close(harness);
    harness_range_close(harness);
    executor_tear_down_spaces(executor);
    while (executor->object_slots.count > 0 && !harness_violated(harness)) {
        run_cache_free(executor, &none);
    }
    for (unsigned i = 0; i < CASE_CACHES && !harness_violated(harness); i++) {
        if (executor->caches[i].used && executor->caches[i].reserved > 0) {
            harness_cache_unreserve(harness, &executor->caches[i]);
        }
        if (executor->caches[i].used && !harness_violated(harness)) {
            harness_cache_destroy(harness, &executor->caches[i]);
        }
    }
    while (!harness_violated(harness) && run_put(executor, &none)) {
    }
    while (executor->block_slots.count > 0 && !harness_violated(harness)) {
        run_free(executor, &none);
    }
    for (uint32_t i = 0; i < CASE_CONTIGS && !harness_violated(harness); i++) {
        if (harness->contigs[i].used) {
            harness_contig_free(harness, i);
        }
    }
    harness_unpoison_all(harness);
    for (zone_id_t zone = 0; zone < ZONES_MAX && !harness_violated(harness); zone++) {
        if (model_has_zone(&harness->model, zone) && harness->model.map.zones[zone].later) {
            harness_zone_remove(harness, zone);
        }
    }
    if (!harness_violated(harness)) {
        harness_shrink(harness);
    }
    harness_validate(harness);
    show_state(executor, executor->op_index + 1);
    harness_check_whole(harness);
}

bool executor_begin(struct executor *executor, const struct program *program)
{
    struct harness *harness = &executor->harness;
    slot_map_clear(&executor->block_slots, program->slots);
    slot_map_clear(&executor->object_slots, program->slots);
    slot_map_clear(&executor->space_slots, program->slots);
    memset(executor->caches, 0, sizeof(executor->caches));
    executor->op_index = 0;
    executor->state_hash = 0;
    harness->cpus.asked = program->cpus;
    return harness_boot(harness, &program->map);
}

void executor_step(struct executor *executor, const struct case_op *op, uint32_t index)
{
    executor->op_index = index;
    executor->harness.unchanged = false;
    run_op(executor, op);
    show_state(executor, index + 1);
    if (executor->validate_period != 0 && (index + 1) % executor->validate_period == 0) {
        harness_validate(&executor->harness);
    }
}

void executor_end(struct executor *executor, const struct program *program)
{
    executor->op_index = program->ops_count;
    harness_validate(&executor->harness);
    executor->state_hash = harness_state_hash(&executor->harness);
    tear_down(executor);
}

bool executor_run(struct executor *executor, const struct program *program)
{
    struct harness *harness = &executor->harness;
    if (!executor_begin(executor, program)) {
        return !harness_violated(harness);
    }
    show_state(executor, 0);
    for (uint32_t i = 0; i < program->ops_count && !harness_violated(harness); i++) {
        executor_step(executor, &program->ops[i], i);
    }
    if (!harness_violated(harness)) {
        executor_end(executor, program);
    }
    return !harness_violated(harness);
}

bool executor_run_twice(struct executor *executor, const struct program *program)
{
    if (!executor_run(executor, program)) {
        return false;
    }
    uint64_t first = executor->state_hash;
    if (!executor_run(executor, program)) {
        return false;
    }
    if (executor->state_hash != first) {
        harness_fail(&executor->harness, CHECK_DETERMINISM, "state %016llx, then %016llx",
                     (unsigned long long)first, (unsigned long long)executor->state_hash);
    }
    return !harness_violated(&executor->harness);
}

void executor_print_violation(FILE *out, const struct executor *executor,
                              const struct program *program, uint32_t before)
{
    const struct report *report = &executor->harness.report;
    uint32_t at = executor->op_index;
    fprintf(out, "potad: violated: %s: %s\npotad:   %s\n", report->name, report->sentence,
            report->detail);
    for (uint32_t i = at > before ? at - before : 0; i <= at && i < program->ops_count; i++) {
        fprintf(out, "potad:   %s op %u: ", i == at ? "->" : "  ", i);
        case_print_op(out, &program->ops[i]);
        fputc('\n', out);
    }
    if (at >= program->ops_count) {
        fprintf(out, "potad:   -> at the end, after op %u\n", program->ops_count);
    }
}
