/* SPDX-License-Identifier: MIT
 *
 * executor_space.c: what operations on spaces mean in units.
 */
#include "fuzzers/executor_internal.h"

/* How the ranges of a space lie, with @units in sum; the wrong ones come last. X(id) */
#define EDGES_TABLE(X)                                                                             \
    X(EDGES_WHOLE)     /* one range from 0 on */                                                   \
    X(EDGES_ODD_START) /* the same from 1 on */                                                    \
    X(EDGES_HOLE)      /* two ranges, and a unit between */                                        \
    X(EDGES_HOLES)     /* eight ranges, and ever more units between */                             \
    X(EDGES_TOP)       /* one range, to the last unit that can be */                               \
    X(EDGES_TOP_HOLE)  /* the same with a hole of three units in the middle */                     \
    X(EDGES_TOUCH)     /* three ranges side by side, from 5 on */                                  \
    X(EDGES_FAR)       /* a range from 3 on, and one at the top */                                 \
    X(EDGES_EMPTY)     /* from here on wrong: a range without units */                             \
    X(EDGES_OVERLAP)   /* ranges that share a unit */                                              \
    X(EDGES_UNSORTED)  /* a range before the one before */                                         \
    X(EDGES_WRAP)      /* a range over the last number */                                          \
    X(EDGES_NONE)      /* no range */                                                              \
    X(EDGES_BASE)      /* a base that is no multiple of a unit */

enum edges {
#define X(id) id,
    EDGES_TABLE(X)
#undef X
        EDGES
};

enum { RANGES_MOST = 8 };

/* @units of 2^@shift, or as many as there can be. */
static uint64_t scaled(uint64_t units, unsigned shift)
{
    bool fits = shift == 0 || units >> (64 - shift) == 0;
    return fits ? units << shift : UINT64_MAX;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void add_range(struct subject_space_config *config, struct unit_range *ranges,
                      uint64_t start, uint64_t units)
{
    ranges[config->ranges_count++] = (struct unit_range){start, units};
}

/* Eight ranges where @units can be cut so; of ever more units between, at most 21 in sum. */
static void add_holes(struct subject_space_config *config, struct unit_range *ranges,
                      uint64_t units)
{
    uint64_t start = 3;
    for (unsigned i = 0; i < RANGES_MOST && units / RANGES_MOST > 0; i++) {
        add_range(config, ranges, start, units / RANGES_MOST);
        start += units / RANGES_MOST + i;
    }
}

static void lay_ranges(enum edges edges, uint64_t units, struct subject_space_config *config,
                       struct unit_range *ranges)
{
    uint64_t half = units / 2;
    uint64_t third = units / 3;
    /* So that holes do not reach over the last number. */
    units = units < UINT64_MAX - 32 || edges == EDGES_WHOLE || edges == EDGES_TOP ? units
                                                                                  : UINT64_MAX - 32;
    switch (edges) {
    case EDGES_ODD_START:
        add_range(config, ranges, 1, units);
        break;
    case EDGES_HOLE:
        add_range(config, ranges, 0, half);
        add_range(config, ranges, half + 1, units - half);
        break;
    case EDGES_HOLES:
        add_holes(config, ranges, units);
        break;
    case EDGES_TOP:
        add_range(config, ranges, UINT64_MAX - units, units);
        break;
    case EDGES_TOP_HOLE:
        add_range(config, ranges, UINT64_MAX - units - 3, half);
        add_range(config, ranges, UINT64_MAX - (units - half), units - half);
        break;
    case EDGES_TOUCH:
        add_range(config, ranges, 5, third);
        add_range(config, ranges, 5 + third, third);
        add_range(config, ranges, 5 + 2 * third, units - 2 * third);
        break;
    case EDGES_FAR:
        add_range(config, ranges, 3, half);
        add_range(config, ranges, UINT64_MAX - (units - half), units - half);
        break;
    case EDGES_EMPTY:
        add_range(config, ranges, 0, units);
        add_range(config, ranges, units, 0);
        break;
    case EDGES_OVERLAP:
        add_range(config, ranges, 0, half + 1);
        add_range(config, ranges, half, units - half);
        break;
    case EDGES_UNSORTED:
        add_range(config, ranges, half, units - half);
        add_range(config, ranges, 0, half);
        break;
    case EDGES_WRAP:
        add_range(config, ranges, UINT64_MAX - half, half + 1);
        break;
    case EDGES_NONE:
        break;
    default:
        add_range(config, ranges, 0, units);
        break;
    }
}

/* The first frame of memory, so that a touch of a unit's address is one of a frame that must not be
 * touched; 0 where units are larger than all of it. */
static uint64_t base_address(const struct harness *harness, uint32_t unit_shift)
{
    const struct simmem *mem = &harness->mem;
    uint64_t address = (uint64_t)(uintptr_t)mem->base;
    uint64_t mask = ((uint64_t)1 << unit_shift) - 1;
    uint64_t base = (address + mask) & ~mask;
    return base >= address && base - address < mem->frames * FRAME_SIZE ? base : 0;
}

/* The first space at or after @from, around the end, that there is or is not. Return: CASE_SPACES
 * where there is none. */
static uint32_t find_space(const struct executor *executor, uint32_t from, bool used)
{
    const struct harness_space *spaces = executor->harness.spaces.spaces;
    return ring_find(&spaces[0].used, sizeof(spaces[0]), CASE_SPACES, from, used);
}

static void run_add(struct executor *executor, const struct case_op *op)
{
    struct harness *harness = &executor->harness;
    struct unit_range ranges[RANGES_MOST];
    uint32_t number = find_space(executor, op->zone, false);
    enum edges edges = (enum edges)(op->slot % (uint32_t)EDGES);
    struct subject_space_config config = {
        .base = base_address(harness, op->align) + (edges == EDGES_BASE ? 1 : 0),
        .unit_shift = op->align,
        .table = op->op == OP_SPACE_ADD_TABLE,
        .ranges = ranges,
        .homes = op->type < 32 ? (uint32_t)1 << op->type : 0,
        .descriptor_bytes = op->count,
    };
    if (number < CASE_SPACES) {
        lay_ranges(edges, scaled(op->value, op->order), &config, ranges);
        harness_space_add(harness, number, &config);
    }
}

static void run_alloc(struct executor *executor, const struct case_op *op)
{
    struct slot_map *slots = &executor->space_slots;
    uint32_t number = find_space(executor, op->zone, true);
    if (number < CASE_SPACES && slots_left(slots) > 0) {
        uint32_t slot = slot_find(slots, op->slot, false);
        if (harness_space_alloc(&executor->harness, number, op->order, slot)) {
            slot_set(slots, slot, true);
        }
    }
}

static void run_free(struct executor *executor, const struct case_op *op)
{
    struct slot_map *slots = &executor->space_slots;
    if (slots->count > 0) {
        uint32_t slot = slot_find(slots, op->slot, true);
        harness_space_free(&executor->harness, slot);
        slot_set(slots, slot, false);
    }
}

static void run_split(struct executor *executor, const struct case_op *op)
{
    struct slot_map *slots = &executor->space_slots;
    uint32_t parts[ORDERS];
    if (slots->count == 0) {
        return;
    }
    uint32_t slot = slot_find(slots, op->slot, true);
    order_t whole = executor->harness.spaces.blocks[slot].block.order;
    order_t count = op->order < whole ? whole - op->order : 0;
    if (slots_take(slots, slot, count, parts) &&
        !harness_space_split(&executor->harness, slot, op->order, parts)) {
        slots_give(slots, parts, count);
    }
}

static void run_lookup(struct executor *executor, const struct case_op *op)
{
    uint32_t number = find_space(executor, op->zone, true);
    uint64_t unit = scaled(op->value, op->order);
    if (number < CASE_SPACES) {
        harness_space_lookup(&executor->harness, number, op->type == 0 ? unit : UINT64_MAX - unit);
    }
}

/* The first run at or after @from, around the end, that there is or is not. Return: CASE_CONTIGS
 * where there is none. */
static uint32_t find_run(const struct executor *executor, uint32_t from, bool used)
{
    const struct harness_space_run *runs = executor->harness.spaces.runs;
    return ring_find(&runs[0].used, sizeof(runs[0]), CASE_CONTIGS, from, used);
}

/* What within= is made of; 0 is no limits. */
enum { WITHIN_LOG2 = 63, WITHIN_DOWN = 64, WITHIN_WRONG = 128 };

/* The limits of @op are 2^within numbers, or as many as there are: from key= behind the first unit
 * of the space on, or up to key= before its end. Wrong ones have the first number and the last one
 * exchanged, and are empty where that is the same. */
static void set_limits(const struct space_model *model, const struct case_op *op,
                       struct unit_run_request *request)
{
    const struct space_runs *units = &model->units;
    uint64_t key = scaled(op->value, op->order);
    uint64_t size = (uint64_t)1 << (op->type & WITHIN_LOG2);
    if (op->type == 0) {
        return;
    }
    if ((op->type & WITHIN_WRONG) != 0) {
        uint64_t low = sum(units->runs[0].first, key > 0 ? key : 1);
        request->low = sum(low, size - 1);
        request->high = low;
    } else if ((op->type & WITHIN_DOWN) != 0) {
        uint64_t end = units->runs[units->count - 1].last + 1;
        request->high = end > key ? end - key : 1;
        request->low = request->high > size ? request->high - size : 0;
    } else {
        request->low = sum(units->runs[0].first, key);
        request->high = request->low > UINT64_MAX - size ? 0 : request->low + size;
    }
}

static void run_run(struct executor *executor, const struct case_op *op)
{
    uint32_t number = find_space(executor, op->zone, true);
    uint32_t index = find_run(executor, op->slot, false);
    if (number < CASE_SPACES && index < CASE_CONTIGS) {
        struct unit_run_request request = {
            .units = scaled(op->count, op->order),
            .align = op->align,
        };
        set_limits(&executor->harness.spaces.spaces[number].model, op, &request);
        (void)harness_space_alloc_run(&executor->harness, number, &request, index);
    }
}

static void run_run_free(struct executor *executor, uint32_t from)
{
    uint32_t index = find_run(executor, from, true);
    if (index < CASE_CONTIGS) {
        harness_space_free_run(&executor->harness, index);
    }
}

void executor_run_space(struct executor *executor, const struct case_op *op)
{
    uint32_t number;
    switch ((enum op)op->op) {
    case OP_SPACE_ADD:
    case OP_SPACE_ADD_TABLE:
        run_add(executor, op);
        break;
    case OP_SPACE_REMOVE:
        number = find_space(executor, op->zone, true);
        if (number < CASE_SPACES) {
            harness_space_remove(&executor->harness, number);
        }
        break;
    case OP_SPACE_ALLOC:
        run_alloc(executor, op);
        break;
    case OP_SPACE_FREE:
        run_free(executor, op);
        break;
    case OP_SPACE_SPLIT:
        run_split(executor, op);
        break;
    case OP_SPACE_LOOKUP:
        run_lookup(executor, op);
        break;
    case OP_SPACE_RUN:
        run_run(executor, op);
        break;
    case OP_SPACE_RUN_FREE:
        run_run_free(executor, op->slot);
        break;
    default:
        break;
    }
}

void executor_tear_down_spaces(struct executor *executor)
{
    struct harness *harness = &executor->harness;
    const struct case_op none = {0};
    while (executor->space_slots.count > 0 && !harness_violated(harness)) {
        run_free(executor, &none);
    }
    for (uint32_t i = 0; i < CASE_CONTIGS && !harness_violated(harness); i++) {
        run_run_free(executor, i);
    }
    for (uint32_t number = 0; number < CASE_SPACES && !harness_violated(harness); number++) {
        if (harness->spaces.spaces[number].used) {
            harness_space_remove(harness, number);
        }
    }
}
