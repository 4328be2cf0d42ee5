/* SPDX-License-Identifier: MIT
 *
 * case.c: programs, their canonical form, and the binary codec. case_text.c has the text form.
 */
#include "fuzzers/case.h"

#include "core/memdesc.h"
#include "fuzzers/case_v1.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum range_flag {
    RANGE_NEW_ZONE = 1,
    RANGE_UNACCEPTED = 2,
    RANGE_CMA = 4,
    RANGE_LATER = 8, /* of a zone: it is not there at boot */
    RANGE_FLAGS = 15
};

enum { WATERMARK_LOG2_MAX = 62 }; /* what text and the boot take: below 2^62 frames */

/* A range as in a record. */
struct range_record {
    uint8_t flags;
    uint8_t zone_class; /* class_of_byte() */
    uint8_t node;
    uint8_t watermark; /* log2 of twice the frames; 0: none */
    uint64_t gap;
    uint64_t frames;
};

static const char magic[4] = {'P', 'T', 'A', 'D'};

static const uint8_t page_weights[OPS] = {
#define X(id, name, page, slab, range, space, schedule, operands, help) [id] = (page),
    OP_TABLE(X)
#undef X
};

static const uint8_t slab_weights[OPS] = {
#define X(id, name, page, slab, range, space, schedule, operands, help) [id] = (slab),
    OP_TABLE(X)
#undef X
};

static const uint8_t range_weights[OPS] = {
#define X(id, name, page, slab, range, space, schedule, operands, help) [id] = (range),
    OP_TABLE(X)
#undef X
};

static const uint8_t space_weights[OPS] = {
#define X(id, name, page, slab, range, space, schedule, operands, help) [id] = (space),
    OP_TABLE(X)
#undef X
};

static const uint8_t schedule_weights[OPS] = {
#define X(id, name, page, slab, range, space, schedule, operands, help) [id] = (schedule),
    OP_TABLE(X)
#undef X
};

const struct case_limits case_limits_page = {.name = "page_fuzzer",
                                             .ranges = 4,
                                             .frames = 512,
                                             .gap = 64,
                                             .ops = 64,
                                             .slots = 64,
                                             .cpus = 7,
                                             .op_weights = page_weights};

const struct case_limits case_limits_slab = {.name = "slab_fuzzer",
                                             .ranges = 2,
                                             .frames = 128,
                                             .gap = 8,
                                             .ops = 128,
                                             .slots = 512,
                                             .cpus = 7,
                                             .op_weights = slab_weights};

const struct case_limits case_limits_range = {.name = "range_tree_fuzzer",
                                              .ranges = 2,
                                              .frames = 96,
                                              .gap = 8,
                                              .ops = 96,
                                              .slots = 64,
                                              .op_weights = range_weights};

const struct case_limits case_limits_space = {.name = "space_fuzzer",
                                              .ranges = 8,
                                              .frames = 256,
                                              .gap = 64,
                                              .ops = 80,
                                              .slots = 64,
                                              .cpus = 7,
                                              .op_weights = space_weights};

/* Small: there are many schedules of each program. */
const struct case_limits case_limits_schedule = {.name = "schedule_fuzzer",
                                                 .ranges = 2,
                                                 .frames = 128,
                                                 .gap = 8,
                                                 .ops = 24,
                                                 .slots = 64,
                                                 .cpus = 4,
                                                 .threads = CASE_THREADS_MAX,
                                                 .op_weights = schedule_weights};

const struct case_limits *const case_limits_all[] = {&case_limits_page,     &case_limits_slab,
                                                     &case_limits_range,    &case_limits_space,
                                                     &case_limits_schedule, NULL};

const struct case_limits *case_limits_find(const char *name)
{
    for (const struct case_limits *const *limits = case_limits_all; *limits != NULL; limits++) {
        if (strcmp((*limits)->name, name) == 0) {
            return *limits;
        }
    }
    return NULL;
}

const char *op_name(enum op op)
{
    static const char *const names[OPS] = {
#define X(id, name, page, slab, range, space, schedule, operands, help) [id] = (name),
        OP_TABLE(X)
#undef X
    };
    return op < OPS ? names[op] : "?";
}

uint32_t op_operands(enum op op)
{
    static const uint32_t operands_of[OPS] = {
#define X(id, name, page, slab, range, space, schedule, operands, help) [id] = (operands),
        OP_TABLE(X)
#undef X
    };
    return operands_of[op];
}

bool op_is_range(enum op op)
{
    return op >= OP_RANGE_STORE && op <= OP_RANGE_EXIT;
}

bool op_is_space(enum op op)
{
    return op >= OP_SPACE_ADD && op <= OP_SPACE_RUN_FREE;
}

const char *fault_site_name(enum fault_site site)
{
    static const char *const names[FAULT_SITES] = {
#define X(id, name, what) [id] = (name),
        FAULT_SITE_TABLE(X)
#undef X
    };
    return site < FAULT_SITES ? names[site] : "?";
}

const char *memdesc_type_name(enum memdesc_type type)
{
    static const char *const names[MEMDESC_USER] = {
#define X(id, name) [id] = (name),
        MEMDESC_TABLE(X)
#undef X
    };
    return type < MEMDESC_USER && names[type] != NULL ? names[type] : "user";
}

void program_init(struct program *program)
{
    *program = (struct program){.slots = CASE_SLOTS_MIN};
}

void program_free(struct program *program)
{
    free(program->ops);
    program_init(program);
}

static void program_reserve(struct program *program, uint32_t ops)
{
    if (ops <= program->ops_capacity) {
        return;
    }
    uint32_t capacity = program->ops_capacity == 0 ? 64 : program->ops_capacity;
    while (capacity < ops) {
        capacity *= 2;
    }
    program->ops = realloc(program->ops, capacity * sizeof(*program->ops));
    if (program->ops == NULL) {
        fprintf(stderr, "potad: no memory for a program of %u operations\n", ops);
        abort();
    }
    program->ops_capacity = capacity;
}

void program_add(struct program *program, struct case_op op)
{
    program_reserve(program, program->ops_count + 1);
    program->ops[program->ops_count++] = op;
}

uint32_t program_threads(const struct program *program)
{
    uint32_t threads = 0;
    for (uint32_t i = 0; i < program->ops_count; i++) {
        threads = program->ops[i].thread > threads ? program->ops[i].thread : threads;
    }
    return threads;
}

bool program_next_phase(const struct program *program, struct program_phase *phase)
{
    phase->first = phase->end;
    if (phase->first == program->ops_count) {
        return false;
    }
    phase->concurrent = program->ops[phase->first].thread != 0;
    while (phase->end < program->ops_count &&
           (program->ops[phase->end].thread != 0) == phase->concurrent) {
        phase->end++;
    }
    return true;
}

struct case_op case_op_canonical(struct case_op op)
{
    uint32_t operands = op_operands((enum op)op.op);
    struct case_op canonical = {.op = op.op, .thread = op.thread};
#define X(id, name, member, kind, help)                                                            \
    if ((operands & (id)) != 0) {                                                                  \
        canonical.member = op.member;                                                              \
    }
    OPERAND_TABLE(X)
#undef X
    if (op.nth != 0) {
        canonical.nth = op.nth;
        canonical.site = op.site;
        canonical.mode = op.mode;
    }
    return canonical;
}

static uint32_t load_u32(const uint8_t *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
           (uint32_t)data[3] << 24;
}

static void store_u32(uint8_t *data, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        data[i] = (uint8_t)(value >> 8 * i);
    }
}

static struct case_op load_op(const uint8_t *data)
{
    return (struct case_op){
        .op = data[0],
        .order = data[1],
        .zone = data[2],
        .type = data[3],
        .slot = (uint16_t)(data[4] | data[5] << 8),
        .count = (uint16_t)(data[6] | data[7] << 8),
        .value = load_u32(data + 8),
        .align = data[12],
        .site = data[13],
        .nth = data[14],
        .mode = (unsigned)data[15] & CASE_HALF_MASK,
        .thread = (unsigned)data[15] >> CASE_HALF_BITS & CASE_HALF_MASK,
    };
}

static void store_op(uint8_t *data, const struct case_op *op)
{
    const uint8_t bytes[8] = {op->op,
                              op->order,
                              op->zone,
                              op->type,
                              (uint8_t)op->slot,
                              (uint8_t)(op->slot >> 8),
                              (uint8_t)op->count,
                              (uint8_t)(op->count >> 8)};
    memcpy(data, bytes, sizeof(bytes));
    store_u32(data + 8, op->value);
    data[12] = op->align;
    data[13] = op->site;
    data[14] = op->nth;
    data[15] = (uint8_t)(op->thread << CASE_HALF_BITS | op->mode);
}

/* The most usual class is 0 in records; the same both ways. */
static uint8_t class_of_byte(uint8_t byte)
{
    return byte ^ ZONE_NORMAL;
}

static struct range_record load_range(const uint8_t *data)
{
    return (struct range_record){
        .flags = data[0],
        .zone_class = data[1],
        .node = data[2],
        .watermark = data[3],
        .gap = load_u32(data + 4),
        .frames = load_u32(data + 8),
    };
}

/* Appends a range behind the last. The first of a map always begins a zone; memory lent out is
 * accepted. */
static void map_add(struct boot_map *map, const struct range_record *record)
{
    bool begins = map->ranges_count == 0 ||
                  ((record->flags & RANGE_NEW_ZONE) != 0 && map->zones_count < ZONES_MAX);
    pfn_t end = 0;
    if (map->ranges_count > 0) {
        const struct range *last = &map->ranges[map->ranges_count - 1];
        end = last->start + last->frames;
    }
    if (begins) {
        map->zones[map->zones_count++] = (struct zone_config){
            .zone_class = (enum zone_class)class_of_byte(record->zone_class),
            .node = record->node,
            .watermark_min = ((uint64_t)1 << record->watermark) / 2,
            .later = map->ranges_count > 0 && (record->flags & RANGE_LATER) != 0,
        };
    }
    bool cma = (record->flags & RANGE_CMA) != 0;
    map->ranges[map->ranges_count++] = (struct range){
        .start = end + record->gap,
        .frames = record->frames,
        .zone = map->zones_count - 1,
        .unaccepted = !cma && (record->flags & RANGE_UNACCEPTED) != 0,
        .cma = cma,
    };
}

/* The record of a range, in canonical form. */
static struct range_record range_record(const struct boot_map *map, uint32_t index)
{
    const struct range *range = &map->ranges[index];
    const struct range *last = index > 0 ? &map->ranges[index - 1] : NULL;
    const struct zone_config *zone = &map->zones[range->zone];
    struct range_record record = {
        .flags =
            (uint8_t)((range->unaccepted ? RANGE_UNACCEPTED : 0) | (range->cma ? RANGE_CMA : 0)),
        .gap = range->start - (last == NULL ? 0 : last->start + last->frames),
        .frames = range->frames,
    };
    if (last == NULL || last->zone != range->zone) {
        record.flags |= RANGE_NEW_ZONE | (zone->later ? RANGE_LATER : 0);
        record.zone_class = class_of_byte((uint8_t)zone->zone_class);
        record.node = (uint8_t)zone->node;
        record.watermark = 0;
        while (((uint64_t)1 << record.watermark) / 2 < zone->watermark_min) {
            record.watermark++;
        }
    }
    return record;
}

/* How often CASE_SLOTS_MIN is doubled for @slots. */
static uint32_t slots_log2(uint32_t slots)
{
    return (uint32_t)__builtin_ctz(slots / CASE_SLOTS_MIN);
}

/* The byte of slots and CPUs. */
enum { SLOTS_BITS = 4 };

static uint32_t byte_slots(uint8_t byte)
{
    return byte & ((1U << SLOTS_BITS) - 1);
}

static uint32_t byte_cpus(uint8_t byte)
{
    return (uint32_t)byte >> SLOTS_BITS;
}

/* One byte picks an operation by weight. */
static uint8_t wheel(uint8_t byte, const uint8_t *weights)
{
    uint32_t sum = 0;
    for (unsigned op = 0; op < OPS; op++) {
        sum += weights[op];
    }
    uint32_t at = byte % sum;
    uint8_t op = 0;
    while (at >= weights[op]) {
        at -= weights[op++];
    }
    return op;
}

/* The same for operands of range trees: few units, so that ranges meet, at both ends of the keys.
 */
static struct case_op range_op_clamp(struct case_op op)
{
    enum {
        KEYS_LIMIT = 16,
        ENTRIES_LIMIT = 2048,
        STORES_LIMIT = 16,
        WINDOW_LIMIT = 32,
        SHIFTS = 8
    };
    static const uint8_t shifts[SHIFTS] = {0, 0, 2, 2, 12, 19, 22, 55};
    uint32_t operands = op_operands((enum op)op.op);
    op.order = op.order < 64 ? op.order : shifts[op.order % SHIFTS];
    op.type %= 2;
    op.slot %= 2;
    if ((operands & OPERAND_KEYS) != 0) {
        op.count %= KEYS_LIMIT;
    } else {
        op.count = (uint16_t)(op.count % (op.op == OP_RANGE_BUILD ? ENTRIES_LIMIT : STORES_LIMIT));
    }
    bool section = (operands & OPERAND_SECTION) != 0;
    op.zone = (uint8_t)(op.zone % (section ? (unsigned)CASE_SECTIONS : (unsigned)WINDOW_LIMIT));
    return op;
}

/* The same for operands of spaces: mostly small ones, so that blocks meet, but some that reach over
 * all numbers. */
static struct case_op space_op_clamp(struct case_op op, uint32_t slots)
{
    enum {
        UNITS_LIMIT = 4096,
        BYTES_LIMIT = 4097,
        EDGES_LIMIT = 16,
        EDGES_RIGHT = 8,
        ZONES_LIMIT = 4,
        ORDER_LIMIT = 12,
        RUN_LIMIT = 64,
        RUN_ALIGNS = 8,
        RUN_WITHIN_LIMIT = 136, /* some of those that are wrong, too */
        SHIFTS = 8
    };
    static const uint8_t shifts[SHIFTS] = {0, 0, 0, 1, 4, 10, 18, 52};
    static const uint8_t withins[SHIFTS] = {0, 0, 0, 2, 4, 6, 8, 64 + 5};
    uint32_t operands = op_operands((enum op)op.op);
    bool adds = (operands & OPERAND_UNITS) != 0;
    uint8_t order = (operands & OPERAND_SHIFT) != 0 ? shifts[op.order % SHIFTS]
                                                    : (uint8_t)(op.order % ORDER_LIMIT);
    op.order = op.order < 64 ? op.order : order;
    op.zone %= CASE_SPACES;
    op.value %= UNITS_LIMIT;
    op.count %= BYTES_LIMIT;
    op.align = op.align < 64 ? op.align : (uint8_t)(9 + op.align % 8);
    if ((operands & OPERAND_RUN) != 0) {
        op.count %= RUN_LIMIT;
        op.align %= RUN_ALIGNS;
        op.type = op.type < RUN_WITHIN_LIMIT ? op.type : withins[op.type % SHIFTS];
        op.slot = (uint16_t)(op.slot % slots);
    } else if (adds) {
        op.slot = op.slot < EDGES_LIMIT ? op.slot : op.slot % EDGES_RIGHT;
        op.type = op.type < ZONES_LIMIT ? op.type : (uint8_t)ZONE_ANY;
    } else {
        op.slot = (uint16_t)(op.slot % slots);
        op.type %= 2;
    }
    return op;
}

/* Most operations run without a fault, or programs would fail at once. */
static struct case_op fault_clamp(struct case_op op)
{
    enum { NTH_LIMIT = 16 };
    op.nth = op.nth <= NTH_LIMIT ? op.nth : 0;
    op.site %= FAULT_SITES;
    op.mode = op.mode % FAULT_MODES & CASE_HALF_MASK;
    return op;
}

/* Few CPUs, so that the same ones are meant; at times, none. */
static uint8_t cpu_clamp(uint8_t cpu)
{
    enum { CPUS = 8 };
    uint8_t often = cpu % CPUS == CPUS - 1 ? (uint8_t)CPUS_MAX : cpu % CPUS;
    return cpu < CPUS || cpu == CPUS_MAX ? cpu : often;
}

/* Cuts any bytes down to an operation within @limits; what is within them stays. */
static struct case_op op_clamp(struct case_op op, uint32_t slots, const struct case_limits *limits)
{
    enum {
        SIZE_LIMIT = 3 * 4096,
        ALIGN_LIMIT = 15,
        COUNT_LIMIT = 64,
        UNITS_LIMIT = 256,
        ORDER_LIMIT = 12,
        NODES_LIMIT = 2
    };
    op.op = op.op < OPS ? op.op : wheel(op.op, limits->op_weights);
    op.thread = op.thread % (limits->threads + 1) & CASE_HALF_MASK;
    if (op_is_space((enum op)op.op)) {
        return case_op_canonical(fault_clamp(space_op_clamp(op, slots)));
    }
    uint32_t operands = op_operands((enum op)op.op);
    bool range = op_is_range((enum op)op.op);
    op = range ? range_op_clamp(op) : op;
    op.order = range ? op.order : op.order % ORDER_LIMIT;
    op.slot = (uint16_t)(op.slot % slots);
    bool units = (operands & OPERAND_RUN) != 0 || op.op == OP_CACHE_RESERVE;
    uint16_t count_limit = units ? UNITS_LIMIT : COUNT_LIMIT;
    op.count = range ? op.count : op.count % count_limit;
    op.align = (uint8_t)(op.align % ((operands & OPERAND_BELOW) != 0 ? (unsigned)ZONE_CLASSES
                                                                     : (unsigned)ALIGN_LIMIT));
    if ((operands & OPERAND_NODE) != 0) {
        op.zone %= NODES_LIMIT;
        op.count %= 2;
    }
    op.value %= (operands & OPERAND_SIZE) != 0 ? SIZE_LIMIT : limits->frames * 4;
    if ((operands & OPERAND_CACHE) != 0) {
        op.zone %= CASE_CACHES;
    } else if ((operands & OPERAND_CPU) != 0) {
        op.zone = cpu_clamp(op.zone);
    } else if (!range && (operands & OPERAND_NODE) == 0 && op.zone >= 4) {
        op.zone = (uint8_t)ZONE_ANY;
    }
    if ((operands & OPERAND_DESC) != 0) {
        /* Often a type that can be referred to. */
        bool folio = op.type >= MEMDESC_TYPES && op.type % 2 == 0;
        op.type = folio ? (uint8_t)MEMDESC_FOLIO : op.type % MEMDESC_TYPES;
    } else {
        op.type %= MIGRATETYPES;
    }
    return case_op_canonical(fault_clamp(op));
}

/* The same for ranges. Most zones are ordinary ones, without a reserve. */
static struct range_record range_clamp(struct range_record record, const struct case_limits *limits)
{
    enum { NODES_LIMIT = 2, WATERMARK_LIMIT = 6, CLASSES = 8 };
    static const uint8_t classes[CLASSES] = {0, 1, 2, 3, 0, 0, 0, 3};
    if (record.flags > 4 * RANGE_FLAGS) {
        record.flags &= (uint8_t)~RANGE_LATER; /* most zones are there from the beginning */
    }
    record.flags &= RANGE_FLAGS;
    if ((record.flags & RANGE_UNACCEPTED) != 0 && (record.flags & RANGE_CMA) != 0) {
        record.flags &= RANGE_NEW_ZONE | RANGE_LATER; /* half of all ranges are ordinary memory */
    }
    record.zone_class = classes[record.zone_class % CLASSES];
    record.node %= NODES_LIMIT;
    record.watermark = record.watermark < WATERMARK_LIMIT ? record.watermark : 0;
    record.gap %= limits->gap;
    record.frames = (record.frames + limits->frames - 1) % limits->frames + 1;
    return record;
}

size_t case_program_bytes(const uint8_t *data, size_t size)
{
    const uint8_t *mark = memmem(data, size, CASE_MARK, sizeof(CASE_MARK) - 1);
    return mark == NULL ? size : (size_t)(mark - data);
}

void case_decode_any(struct program *program, const uint8_t *data, size_t size,
                     const struct case_limits *limits)
{
    enum { PAGEBLOCK_LIMIT = 8 };
    uint8_t header[CASE_HEADER_BYTES] = {0};
    if (limits->threads != 0) {
        size = case_program_bytes(data, size);
    }
    memcpy(header, data, size < sizeof(header) ? size : sizeof(header));
    size_t at = sizeof(header);
    uint32_t ranges = (header[5] + limits->ranges - 1) % limits->ranges + 1;
    program->map = (struct boot_map){.pageblock_order = header[7] % PAGEBLOCK_LIMIT};
    program->ops_count = 0;
    program->slots = (uint32_t)CASE_SLOTS_MIN
                     << byte_slots(header[6]) % (slots_log2(limits->slots) + 1);
    /* Half of all programs have no CPUs: what is checked of them is exact. */
    program->cpus = byte_cpus(header[6]) <= limits->cpus ? byte_cpus(header[6]) : 0;
    for (uint32_t i = 0; i < ranges; i++) {
        uint8_t record[CASE_RANGE_BYTES] = {0};
        if (at < size) {
            memcpy(record, data + at, size - at < sizeof(record) ? size - at : sizeof(record));
        }
        struct range_record range = range_clamp(load_range(record), limits);
        map_add(&program->map, &range);
        at += sizeof(record);
    }
    while (at + CASE_OP_BYTES <= size && program->ops_count < limits->ops) {
        program_add(program, op_clamp(load_op(data + at), program->slots, limits));
        at += CASE_OP_BYTES;
    }
}

void case_error_clean(struct case_error *error)
{
    for (char *at = error->text; *at != '\0'; at++) {
        *at = *at >= ' ' && *at <= '~' ? *at : '?';
    }
}

static bool fail(struct case_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(struct case_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    return false;
}

bool case_has_magic(const uint8_t *data, size_t size)
{
    return size >= sizeof(magic) && memcmp(data, magic, sizeof(magic)) == 0;
}

static bool decode_ranges(struct program *program, const uint8_t *data, uint32_t ranges,
                          struct case_error *error)
{
    for (uint32_t i = 0; i < ranges; i++) {
        size_t at = CASE_HEADER_BYTES + (size_t)i * CASE_RANGE_BYTES;
        struct range_record record = load_range(data + at);
        if (record.frames == 0) {
            return fail(error, "byte %zu: range %u has no frames", at + 8, i);
        }
        if (record.zone_class >= ZONE_CLASSES || record.node >= NODES_MAX ||
            record.watermark > WATERMARK_LOG2_MAX) {
            return fail(error, "byte %zu: range %u has an unknown class, node or watermark", at, i);
        }
        map_add(&program->map, &record);
        struct range_record canonical = range_record(&program->map, i);
        if (record.flags != canonical.flags || record.zone_class != canonical.zone_class ||
            record.node != canonical.node || record.watermark != canonical.watermark) {
            return fail(error, "byte %zu: range %u has unknown flags", at, i);
        }
    }
    return true;
}

static bool op_is_canonical(const struct case_op *op)
{
    if (op->op >= OPS) {
        return false;
    }
    struct case_op canonical = case_op_canonical(*op);
    uint32_t operands = op_operands((enum op)op->op);
    bool in_range = op->site < FAULT_SITES && op->mode < FAULT_MODES &&
                    op->thread <= CASE_THREADS_MAX && op->order < 64 && op->align < 64 &&
                    (!(operands & OPERAND_TYPE) || op->type < MIGRATETYPES) &&
                    (!(operands & OPERAND_DESC) || op->type < MEMDESC_TYPES) &&
                    (!(operands & OPERAND_BELOW) || op->align < ZONE_CLASSES);
    return in_range && memcmp(&canonical, op, sizeof(canonical)) == 0;
}

/* Decodes a case of the present version. */
static bool decode_present(struct program *program, const uint8_t *data, size_t size,
                           struct case_error *error)
{
    program->map = (struct boot_map){0};
    program->ops_count = 0;
    if (!case_has_magic(data, size)) {
        return fail(error, "byte 0: not a case: no magic 'PTAD'");
    }
    if (size < CASE_HEADER_BYTES) {
        return fail(error, "byte %zu: the header is cut short", size);
    }
    if (data[4] != CASE_VERSION) {
        return fail(error, "byte 4: version %u is unknown; this program reads version %u", data[4],
                    CASE_VERSION);
    }
    uint32_t ranges = data[5];
    size_t ops = CASE_HEADER_BYTES + (size_t)ranges * CASE_RANGE_BYTES;
    if (ranges == 0 || ranges > CASE_RANGES_MAX) {
        return fail(error, "byte 5: %u ranges; 1 to %u can be", ranges, CASE_RANGES_MAX);
    }
    if (byte_slots(data[6]) > slots_log2(CASE_SLOTS_MAX)) {
        return fail(error, "byte 6: too many slots");
    }
    if (data[7] > CASE_PAGEBLOCK_MAX) {
        return fail(error, "byte 7: no pageblock is of order %u", data[7]);
    }
    program->map.pageblock_order = data[7];
    program->slots = (uint32_t)CASE_SLOTS_MIN << byte_slots(data[6]);
    program->cpus = byte_cpus(data[6]);
    if (size < ops || (size - ops) % CASE_OP_BYTES != 0) {
        return fail(error, "byte %zu: the last record is cut short", size);
    }
    if (!decode_ranges(program, data, ranges, error)) {
        return false;
    }
    for (size_t at = ops; at < size; at += CASE_OP_BYTES) {
        struct case_op op = load_op(data + at);
        if (!op_is_canonical(&op) || op.slot >= program->slots) {
            return fail(error, "byte %zu: operation %u is unknown or has stray operands", at,
                        program->ops_count);
        }
        program_add(program, op);
    }
    return true;
}

bool case_decode(struct program *program, const uint8_t *data, size_t size,
                 struct case_error *error)
{
    if (!case_has_magic(data, size) || size < CASE_HEADER_BYTES || data[4] != CASE_VERSION_1) {
        return decode_present(program, data, size, error);
    }
    uint8_t *copy = malloc(size);
    if (copy == NULL) {
        return fail(error, "no memory for %zu bytes", size);
    }
    memcpy(copy, data, size);
    bool decoded = case_v1_upgrade(copy, size, error) && decode_present(program, copy, size, error);
    free(copy);
    return decoded;
}

size_t case_encoded_bytes(const struct program *program)
{
    return CASE_HEADER_BYTES + (size_t)program->map.ranges_count * CASE_RANGE_BYTES +
           (size_t)program->ops_count * CASE_OP_BYTES;
}

void case_encode(const struct program *program, uint8_t *data)
{
    const struct boot_map *map = &program->map;
    uint8_t *at = data;
    memset(data, 0, case_encoded_bytes(program));
    memcpy(at, magic, sizeof(magic));
    at[4] = CASE_VERSION;
    at[5] = (uint8_t)map->ranges_count;
    at[6] = (uint8_t)(program->cpus << SLOTS_BITS | slots_log2(program->slots));
    at[7] = (uint8_t)map->pageblock_order;
    at += CASE_HEADER_BYTES;
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        struct range_record record = range_record(map, i);
        at[0] = record.flags;
        at[1] = record.zone_class;
        at[2] = record.node;
        at[3] = record.watermark;
        store_u32(at + 4, (uint32_t)record.gap);
        store_u32(at + 8, (uint32_t)record.frames);
        at += CASE_RANGE_BYTES;
    }
    for (uint32_t i = 0; i < program->ops_count; i++) {
        store_op(at, &program->ops[i]);
        at += CASE_OP_BYTES;
    }
}
