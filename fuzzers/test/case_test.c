/* SPDX-License-Identifier: MIT
 *
 * case_test.c: text, binary and programs are the same thing; any bytes are a program; what is no
 * case is refused with its place.
 */
#include "fuzzers/case_v1.h"

#include "fuzzers/input.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEED = 20211025, PROGRAMS = 2000, BYTES_MAX = 3000, LINE_MAX_BYTES = 256 };

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* splitmix64 */
static uint64_t random_state;

static uint64_t random_u64(void)
{
    random_state += 0x9e3779b97f4a7c15U;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

static uint64_t random_below(uint64_t limit)
{
    return random_u64() % limit;
}

/* Text of @program, for the caller to free. */
static char *text_of(const struct program *program)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    case_print(file, program);
    assert_int_equal(fclose(file), 0);
    return text;
}

/* Bytes of @program, for the caller to free. */
static uint8_t *bytes_of(const struct program *program)
{
    uint8_t *data = malloc(case_encoded_bytes(program));
    assert_non_null(data);
    case_encode(program, data);
    return data;
}

static void parse(struct program *program, const char *text)
{
    struct case_error error;
    if (!case_parse(program, text, strlen(text), &error)) {
        fail_msg("%s in:\n%s", error.text, text);
    }
}

/* All that a program says; @number tells which of the random ones it is. */
static void assert_same(const struct program *a, const struct program *b, unsigned number)
{
    char *text_a = text_of(a);
    char *text_b = text_of(b);
    bool same = strcmp(text_a, text_b) == 0 && a->ops_count == b->ops_count &&
                a->slots == b->slots && a->cpus == b->cpus &&
                a->map.ranges_count == b->map.ranges_count &&
                a->map.zones_count == b->map.zones_count &&
                a->map.pageblock_order == b->map.pageblock_order;
    same =
        same && (a->ops_count == 0 || memcmp(a->ops, b->ops, a->ops_count * sizeof(*a->ops)) == 0);
    for (uint32_t i = 0; same && i < a->map.ranges_count; i++) {
        const struct range *one = &a->map.ranges[i];
        const struct range *other = &b->map.ranges[i];
        same = one->start == other->start && one->frames == other->frames &&
               one->zone == other->zone && one->unaccepted == other->unaccepted &&
               one->cma == other->cma;
    }
    for (uint32_t i = 0; same && i < a->map.zones_count; i++) {
        const struct zone_config *one = &a->map.zones[i];
        const struct zone_config *other = &b->map.zones[i];
        same = one->zone_class == other->zone_class && one->node == other->node &&
               one->watermark_min == other->watermark_min && one->later == other->later;
    }
    if (!same) {
        fail_msg("seed %d, program %u: one\n%sis not the other\n%s", SEED, number, text_a, text_b);
    }
    free(text_a);
    free(text_b);
}

/* Program -> binary -> program, and program -> text -> program. */
static void assert_lossless(const struct program *program, unsigned number)
{
    struct program again;
    struct case_error error;
    program_init(&again);
    uint8_t *data = bytes_of(program);
    if (!case_decode(&again, data, case_encoded_bytes(program), &error)) {
        fail_msg("seed %d, program %u: %s", SEED, number, error.text);
    }
    assert_same(program, &again, number);
    char *text = text_of(program);
    parse(&again, text);
    assert_same(program, &again, number);
    free(text);
    free(data);
    program_free(&again);
}

/* Random programs. Without limits: all that the format can say. */

/* What random operations on spaces are cut down to. */
static struct case_op random_space_operands(struct case_op op, uint32_t slots)
{
    bool adds = (op_operands((enum op)op.op) & OPERAND_UNITS) != 0;
    bool run = (op_operands((enum op)op.op) & OPERAND_RUN) != 0;
    op.order = (uint8_t)random_below(64);
    op.align = (uint8_t)random_below(run ? 8 : 64);
    op.zone = (uint8_t)random_below(CASE_SPACES);
    op.type = (uint8_t)random_below(run ? 136 : (adds ? 4 : 2));
    op.slot = (uint16_t)random_below(adds ? 16 : slots);
    op.count = (uint16_t)random_below(run ? 64 : 4097);
    op.value %= 4096;
    return op;
}

static struct case_op random_op(uint32_t slots, const struct case_limits *limits)
{
    bool any = limits == NULL;
    struct case_op op = {.op = (uint8_t)random_below(OPS)};
    uint32_t operands = op_operands((enum op)op.op);
    op.order = (uint8_t)random_below(any ? 64 : 12);
    op.zone = (uint8_t)random_below(any ? 256 : 5);
    op.zone = !any && op.zone == 4 ? (uint8_t)ZONE_ANY : op.zone;
    if ((operands & OPERAND_CACHE) != 0) {
        op.zone = (uint8_t)random_below(any ? 256 : CASE_CACHES);
    }
    if (!any && (operands & OPERAND_CPU) != 0) {
        op.zone = (uint8_t)random_below(8);
    }
    op.type = (uint8_t)random_below((operands & OPERAND_DESC) != 0 ? (uint64_t)MEMDESC_TYPES
                                                                   : (uint64_t)MIGRATETYPES);
    op.slot = (uint16_t)random_below(slots);
    op.count = (uint16_t)random_below(any ? 1 << 16 : 64);
    op.value = (uint32_t)random_u64();
    if (!any) {
        op.value %= (operands & OPERAND_SIZE) != 0 ? 3 * 4096 : limits->frames * 4;
    }
    op.align = (uint8_t)random_below(any ? 64 : 15);
    if ((operands & OPERAND_BELOW) != 0) {
        op.align = (uint8_t)random_below(ZONE_CLASSES);
    }
    if (!any && (operands & OPERAND_NODE) != 0) {
        op.zone = (uint8_t)random_below(2);
        op.count = (uint16_t)random_below(2);
    }
    if (!any && op_is_range((enum op)op.op)) {
        op.order = (uint8_t)random_below(64);
        op.zone = (uint8_t)random_below((operands & OPERAND_SECTION) != 0 ? CASE_SECTIONS : 32);
        op.type = (uint8_t)random_below(2);
        op.slot = (uint16_t)random_below(2);
        op.count = (uint16_t)random_below(16);
    }
    if (!any && op_is_space((enum op)op.op)) {
        op = random_space_operands(op, slots);
    }
    if (random_below(4) == 0) {
        op.nth = (uint8_t)(1 + random_below(any ? 255 : 16));
        op.site = (uint8_t)random_below(FAULT_SITES);
        op.mode = random_below(FAULT_MODES) & CASE_HALF_MASK;
    }
    op.thread = random_below(1 + (any ? CASE_THREADS_MAX : limits->threads)) & CASE_HALF_MASK;
    return case_op_canonical(op);
}

static void random_map(struct boot_map *map, const struct case_limits *limits)
{
    uint64_t count = 1 + random_below(limits == NULL ? CASE_RANGES_MAX : limits->ranges);
    pfn_t end = 0;
    *map = (struct boot_map){.pageblock_order = (order_t)random_below(8)};
    for (uint64_t i = 0; i < count; i++) {
        uint64_t frames = 1 + random_below(limits == NULL ? UINT32_MAX : limits->frames);
        pfn_t start = end + random_below(limits == NULL ? (uint64_t)1 << 32 : limits->gap);
        uint64_t cma = random_below(3);
        if ((i == 0 || random_below(2) == 0) && map->zones_count < ZONES_MAX) {
            map->zones[map->zones_count++] = (struct zone_config){
                .zone_class = (enum zone_class)random_below(ZONE_CLASSES),
                .node = (uint32_t)random_below(2),
                .watermark_min = ((uint64_t)1 << random_below(6)) / 2,
                .later = i > 0 && random_below(2) == 0,
            };
        }
        map->ranges[map->ranges_count++] = (struct range){
            .start = start,
            .frames = frames,
            .zone = map->zones_count - 1,
            .unaccepted = cma == 1,
            .cma = cma == 2,
        };
        end = start + frames;
    }
}

static void random_program(struct program *program, const struct case_limits *limits)
{
    uint32_t slots_max = limits == NULL ? CASE_SLOTS_MAX : limits->slots;
    uint64_t ops = random_below(limits == NULL ? 100 : limits->ops + 1);
    program->ops_count = 0;
    program->slots = CASE_SLOTS_MIN;
    while (program->slots < slots_max && random_below(2) == 0) {
        program->slots *= 2;
    }
    program->cpus = (uint32_t)random_below(1 + (limits == NULL ? CASE_CPUS_MAX : limits->cpus));
    random_map(&program->map, limits);
    for (uint64_t i = 0; i < ops; i++) {
        program_add(program, random_op(program->slots, limits));
    }
}

/* Text */

#define HEAD "potad-case 2\nslots 64\nrange zone=0 start=0 frames=64\n"

/* In canonical form. */
static const char *const texts[] = {
    HEAD,
    "potad-case 2\nslots 65536\ncpus 15\npageblock 9\n"
    "range zone=0 start=0x7 frames=1 class=highmem unaccepted\n"
    "range zone=0 start=0x8 frames=4294967295\n"
    "range zone=1 start=0x100000007 frames=9 class=dma node=3 watermark=4096 unaccepted\n"
    "range zone=1 start=0x100000010 frames=9 cma\n"
    "range zone=2 start=0x200000000 frames=1 class=highmem later\n"
    "range zone=2 start=0x200000001 frames=2\n"
    "range zone=3 start=0x200000003 frames=4 class=movable node=1 watermark=2 later unaccepted\n"
    "range zone=4 start=0x200000007 frames=4 later cma\n"
    "zone-add zone=2\n"
    "zone-remove zone=any\n"
    "free slot=65535\n",
    HEAD "alloc slot=0 order=0 zone=any type=unmovable\n"
         "alloc slot=63 order=63 zone=0 type=movable fault=buddy-desc:1:once\n"
         "alloc slot=1 order=51 zone=254 type=reclaimable fault=slab-desc:255:always\n"
         "alloc-desc slot=2 order=1 zone=any desc=none\n"
         "alloc-desc slot=2 order=1 zone=any desc=vmalloc fault=accept:1:always\n"
         "alloc-desc slot=2 order=1 zone=any desc=poisoned\n"
         "alloc-desc slot=2 order=1 zone=any desc=11\n"
         "alloc-desc slot=2 order=1 zone=any desc=31 fault=slab-page:2:once\n"
         "alloc-node slot=2 order=1 type=movable node=255 below=highmem reserve=1\n"
         "free slot=3 fault=cache-desc:1:once\n"
         "split slot=4 order=0\n"
         "lookup frame=4294967295\n"
         "cache-create cache=255 size=0 align=1\n"
         "cache-create cache=0 size=4294967295 align=9223372036854775808\n"
         "cache-alloc slot=5 cache=1\n"
         "cache-bulk slot=6 cache=2 count=65535\n"
         "cache-free slot=7\n"
         "cache-destroy cache=7\n"
         "shrink\n"
         "memory-failure frame=4294967295 fault=poison-desc:1:once\n"
         "unpoison frame=0\n"
         "cpu cpu=255\n"
         "cpu-online cpu=63 fault=cpu-desc:1:once\n"
         "cpu-offline cpu=0\n"
         "free slot=3 thread=4\n"
         "shrink thread=1\n"
         "split slot=4 order=0 fault=buddy-desc:1:always thread=2\n",
};

static void case_print_keeps_canonical_text(void **state)
{
    (void)state;
    struct program program;
    program_init(&program);
    for (size_t i = 0; i < LENGTH(texts); i++) {
        parse(&program, texts[i]);
        char *text = text_of(&program);
        assert_string_equal(text, texts[i]);
        free(text);
        assert_lossless(&program, (unsigned)i);
    }
    program_free(&program);
}

/* Comments, blanks, hexadecimal, operands in any order, numbers for names, no last newline. */
static void case_parse_reads_what_people_write(void **state)
{
    (void)state;
    struct program program;
    program_init(&program);
    parse(&program, "# a comment\n\n  potad-case\t2 # more\r\n"
                    "range frames=0x40 zone=0 start=0\n\n"
                    "alloc type=movable\tzone=255   order=0x3 slot=07# no blank before it\n"
                    "   # another\n"
                    "alloc-desc slot=1 order=0 zone=0 desc=5\n"
                    "cache-create align=64 size=0x20 cache=1\r\n"
                    "free thread=0x2 fault=accept:1:once slot=1\n"
                    "shrink");
    char *text = text_of(&program);
    assert_string_equal(text, HEAD "alloc slot=7 order=3 zone=any type=movable\n"
                                   "alloc-desc slot=1 order=0 zone=0 desc=folio\n"
                                   "cache-create cache=1 size=32 align=64\n"
                                   "free slot=1 fault=accept:1:once thread=2\n"
                                   "shrink\n");
    free(text);
    program_free(&program);
}

static void case_encode_keeps_random_programs(void **state)
{
    (void)state;
    struct program program;
    program_init(&program);
    random_state = SEED;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        random_program(&program, NULL);
        assert_lossless(&program, i);
    }
    program_free(&program);
}

/* Any bytes */

static const struct case_limits *const all_limits[] = {&case_limits_page, &case_limits_slab,
                                                       &case_limits_range, &case_limits_space,
                                                       &case_limits_schedule};

static void assert_within(const struct program *program, const struct case_limits *limits,
                          unsigned number)
{
    bool within = program->ops_count <= limits->ops && program->slots <= limits->slots &&
                  program->slots >= CASE_SLOTS_MIN && program->map.ranges_count >= 1 &&
                  program->map.ranges_count <= limits->ranges && program->cpus <= limits->cpus;
    pfn_t end = 0;
    for (uint32_t i = 0; i < program->map.ranges_count; i++) {
        const struct range *range = &program->map.ranges[i];
        within = within && range->start - end < limits->gap && range->frames >= 1 &&
                 range->frames <= limits->frames;
        end = range->start + range->frames;
    }
    for (uint32_t i = 0; i < program->ops_count; i++) {
        within = within && program->ops[i].slot < program->slots &&
                 program->ops[i].thread <= limits->threads;
    }
    if (!within) {
        fail_msg("seed %d, bytes %u: not within the limits of %s", SEED, number, limits->name);
    }
}

/* The byte of the slots says how many CPUs there are, in half of all programs none. */
static void case_decode_any_has_cpus_in_half_of_all_programs(void **state)
{
    (void)state;
    struct program program;
    program_init(&program);
    for (size_t i = 0; i < LENGTH(all_limits); i++) {
        unsigned without = 0;
        for (unsigned byte = 0; byte < 256; byte++) {
            const uint8_t header[CASE_HEADER_BYTES] = {[6] = (uint8_t)byte};
            case_decode_any(&program, header, sizeof(header), all_limits[i]);
            assert_true(program.cpus == byte >> 4 || program.cpus == 0);
            without += program.cpus == 0 ? 1 : 0;
        }
        assert_int_equal(without, 256 - 16 * all_limits[i]->cpus);
        assert_true(without >= 128);
    }
    program_free(&program);
}

/* The upper half of the last byte is a thread where the target has threads, else nothing. */
static void case_decode_any_cuts_threads(void **state)
{
    (void)state;
    struct program program;
    uint8_t data[CASE_HEADER_BYTES + CASE_RANGE_BYTES + CASE_OP_BYTES] = {0};
    program_init(&program);
    data[5] = 1;                /* range */
    data[sizeof(data) - 2] = 1; /* nth: a fault is armed */
    for (size_t i = 0; i < LENGTH(all_limits); i++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            data[sizeof(data) - 1] = (uint8_t)byte;
            case_decode_any(&program, data, sizeof(data), all_limits[i]);
            assert_int_equal(program.ops_count, 1);
            assert_int_equal(program.ops[0].thread, (byte >> 4) % (all_limits[i]->threads + 1));
            assert_int_equal(program.ops[0].mode, byte % FAULT_MODES);
        }
    }
    assert_int_equal(case_limits_page.threads, 0);
    assert_int_equal(case_limits_schedule.threads, CASE_THREADS_MAX);
    program_free(&program);
}

/* Behind the mark is what schedule_fuzzer schedules by; to all others it is bytes as any. */
static void case_decode_any_ends_at_the_mark(void **state)
{
    (void)state;
    enum { BEFORE = CASE_HEADER_BYTES + CASE_RANGE_BYTES + CASE_OP_BYTES };
    static const uint8_t mark[] = {'P', 'T', 'S', 'C'};
    uint8_t data[BEFORE + 3 * CASE_OP_BYTES] = {0};
    struct program program;
    program_init(&program);
    data[5] = 1;
    assert_int_equal(case_program_bytes(data, sizeof(data)), sizeof(data));
    memcpy(&data[BEFORE], mark, sizeof(mark));
    assert_int_equal(case_program_bytes(data, sizeof(data)), BEFORE);
    for (size_t i = 0; i < LENGTH(all_limits); i++) {
        case_decode_any(&program, data, sizeof(data), all_limits[i]);
        assert_int_equal(program.ops_count, all_limits[i]->threads != 0 ? 1 : 4);
    }
    program_free(&program);
}

/* Threads */

/* The phases of @text as "first-end", those that are concurrent with a "+". */
static void assert_phases(const char *text, uint32_t threads, const char *expected)
{
    char phases[LINE_MAX_BYTES] = "";
    size_t used = 0;
    struct program program;
    program_init(&program);
    parse(&program, text);
    for (struct program_phase phase = {0}; program_next_phase(&program, &phase);) {
        used += (size_t)snprintf(phases + used, sizeof(phases) - used, " %u-%u%s", phase.first,
                                 phase.end, phase.concurrent ? "+" : "");
    }
    assert_string_equal(phases, expected);
    assert_int_equal(program_threads(&program), threads);
    program_free(&program);
}

static void program_next_phase_parts_operations_with_threads_from_others(void **state)
{
    (void)state;
    assert_phases(HEAD, 0, "");
    assert_phases(HEAD "shrink\nshrink\n", 0, " 0-2");
    assert_phases(HEAD "shrink thread=3\n", 3, " 0-1+");
    assert_phases(HEAD "shrink thread=2\nshrink thread=1\nshrink thread=2\n", 2, " 0-3+");
    assert_phases(HEAD "shrink\n"
                       "shrink thread=4\nshrink thread=1\n"
                       "shrink\nshrink\n"
                       "shrink thread=1\n",
                  4, " 0-1 1-3+ 3-5 5-6+");
}

/* Random bytes of any length; every other time they start as a case does, and every operation has
 * the number of one. */
static size_t random_bytes(uint8_t *data)
{
    size_t size = random_below(BYTES_MAX);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)random_u64();
    }
    if (size >= CASE_HEADER_BYTES && random_below(2) == 0) {
        const uint8_t header[CASE_HEADER_BYTES] = {'P', 'T', 'A', 'D', CASE_VERSION, 1, 0, 0};
        memcpy(data, header, sizeof(header));
        for (size_t at = CASE_HEADER_BYTES + CASE_RANGE_BYTES; at < size; at += CASE_OP_BYTES) {
            data[at] = (uint8_t)random_below(OPS);
        }
    }
    return size;
}

static void case_decode_any_makes_canonical_programs(void **state)
{
    (void)state;
    uint8_t data[BYTES_MAX];
    struct program program;
    program_init(&program);
    random_state = SEED;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        const struct case_limits *limits = all_limits[i % LENGTH(all_limits)];
        case_decode_any(&program, data, random_bytes(data), limits);
        assert_within(&program, limits, i);
        assert_lossless(&program, i);
    }
    program_free(&program);
}

static void case_decode_any_keeps_canonical_programs(void **state)
{
    (void)state;
    struct program program;
    struct program again;
    program_init(&program);
    program_init(&again);
    random_state = SEED;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        const struct case_limits *limits = all_limits[i % LENGTH(all_limits)];
        random_program(&program, limits);
        uint8_t *data = bytes_of(&program);
        case_decode_any(&again, data, case_encoded_bytes(&program), limits);
        assert_same(&program, &again, i);
        free(data);
    }
    program_free(&program);
    program_free(&again);
}

static void assert_seeds_kept(const char *folder, const struct case_limits *limits)
{
    char path[4096];
    struct program program;
    struct program again;
    program_init(&program);
    program_init(&again);
    snprintf(path, sizeof(path), "%s/%s", POTAD_SEEDS, folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof(path), "%s/%s/%s", POTAD_SEEDS, folder, entry->d_name);
            assert_true(input_read_case(path, NULL, &program));
            uint8_t *data = bytes_of(&program);
            case_decode_any(&again, data, case_encoded_bytes(&program), limits);
            assert_same(&program, &again, 0);
            free(data);
        }
    }
    closedir(dir);
    program_free(&program);
    program_free(&again);
}

/* A fuzzer takes its seeds as they are written. */
static void case_decode_any_keeps_seeds(void **state)
{
    (void)state;
    assert_seeds_kept("common", &case_limits_page);
    assert_seeds_kept("page_fuzzer", &case_limits_page);
    assert_seeds_kept("slab_fuzzer", &case_limits_slab);
    assert_seeds_kept("range_tree_fuzzer", &case_limits_range);
    assert_seeds_kept("space_fuzzer", &case_limits_space);
    assert_seeds_kept("schedule_fuzzer", &case_limits_schedule);
}

/* Binary errors. A case of two ranges and two operations:
 *
 *   0        8            20           32                48              64
 *   | header | range 0    | range 1    | alloc           | cache-create   |
 */
enum { AT_RANGE = 8, AT_OP = 32, AT_CREATE = 48, SMALL_BYTES = 64 };

static void small_case(uint8_t data[SMALL_BYTES])
{
    struct program program;
    program_init(&program);
    parse(&program, "potad-case 2\nrange zone=0 start=3 frames=64\nrange zone=1 start=80 frames=9\n"
                    "alloc slot=1 order=2 zone=any type=movable\n"
                    "cache-create cache=1 size=24 align=8\n");
    assert_int_equal(case_encoded_bytes(&program), SMALL_BYTES);
    case_encode(&program, data);
    program_free(&program);
}

static void assert_not_decoded(const uint8_t *data, size_t size, const char *place)
{
    struct program program;
    struct case_error error = {""};
    program_init(&program);
    /* Its own allocation, so that AddressSanitizer sees a byte read behind it. */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    assert_false(case_decode(&program, copy, size, &error));
    if (strncmp(error.text, place, strlen(place)) != 0) {
        fail_msg("'%s' where '%s' was expected", error.text, place);
    }
    free(copy);
    program_free(&program);
}

static void case_decode_no_magic_names_byte_0(void **state)
{
    (void)state;
    uint8_t data[SMALL_BYTES];
    for (size_t i = 0; i < 4; i++) {
        small_case(data);
        data[i] ^= 0x20;
        assert_not_decoded(data, sizeof(data), "byte 0: ");
    }
}

static void case_decode_unknown_version_names_byte_4(void **state)
{
    (void)state;
    uint8_t data[SMALL_BYTES];
    small_case(data);
    for (unsigned version = 0; version < 256; version++) {
        data[4] = (uint8_t)version;
        if (version != CASE_VERSION && version != CASE_VERSION_1) {
            char place[LINE_MAX_BYTES];
            snprintf(place, sizeof(place), "byte 4: version %u is unknown", version);
            assert_not_decoded(data, sizeof(data), place);
        }
    }
}

/* As version 1 wrote it: two zones, the second without metadata and not accepted. */
static const uint8_t v1_case[] = {
    'P', 'T', 'A', 'D', 1, 2, 0, 0,                          /* */
    1,   0,   0,   0,   5, 0, 0, 0, 96, 0, 0, 0,             /* */
    7,   0,   0,   0,   3, 0, 0, 0, 64, 0, 0, 0,             /* */
    0,   3,   255, 1,   9, 0, 0, 0, 0,  0, 0, 0, 0, 4, 2, 1, /* alloc, with a fault at accept */
    2,   0,   0,   0,   9, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, /* free */
    22,  0,   3,   0,   0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, /* range-exit */
};

static void case_decode_version_1_says_the_same(void **state)
{
    (void)state;
    struct program binary;
    struct program text;
    struct case_error error = {""};
    program_init(&binary);
    program_init(&text);
    if (!case_decode(&binary, v1_case, sizeof(v1_case), &error)) {
        fail_msg("%s", error.text);
    }
    parse(&text, "potad-case 1\nrange zone=0 start=5 frames=96\n"
                 "range zone=1 start=104 frames=64 no-metadata unaccepted\n"
                 "alloc slot=9 order=3 zone=any type=movable fault=accept:2:always\n"
                 "free slot=9\nrange-exit section=3\n");
    assert_same(&binary, &text, 1);
    assert_int_equal(text.map.zones[1].zone_class, ZONE_HIGHMEM);
    assert_true(text.map.ranges[1].unaccepted);
    program_free(&binary);
    program_free(&text);
}

static void case_decode_bad_version_1_names_its_byte(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        uint8_t value;
        const char *place;
    } bad[] = {
        {5, 9, "byte 5: "},   {6, 0x10, "byte 6: "}, {7, 1, "byte 6: "},    {8, 8, "byte 8: "},
        {20, 6, "byte 20: "}, {22, 1, "byte 20: "},  {32, 23, "byte 32: "}, {47, 2, "byte 32: "},
    };
    uint8_t data[sizeof(v1_case)];
    for (size_t i = 0; i < LENGTH(bad); i++) {
        memcpy(data, v1_case, sizeof(data));
        data[bad[i].at] = bad[i].value;
        assert_not_decoded(data, sizeof(data), bad[i].place);
    }
    assert_not_decoded(v1_case, sizeof(v1_case) - 1, "byte 79: ");
}

/* Whole after the ranges, and after each operation: there it is a shorter case. */
static void case_decode_cut_short_names_its_end(void **state)
{
    (void)state;
    uint8_t data[SMALL_BYTES];
    char place[LINE_MAX_BYTES];
    small_case(data);
    for (size_t size = 0; size < SMALL_BYTES; size++) {
        snprintf(place, sizeof(place), "byte %zu: the %s is cut short", size,
                 size < CASE_HEADER_BYTES ? "header" : "last record");
        if (size < 4) {
            assert_not_decoded(data, size, "byte 0: ");
        } else if (size != AT_OP && size != AT_CREATE) {
            assert_not_decoded(data, size, place);
        }
    }
}

static void case_decode_header_names_its_byte(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        uint8_t value;
        const char *place;
    } bad[] = {
        {5, 0, "byte 5: "},   {5, CASE_RANGES_MAX + 1, "byte 5: "},
        {5, 255, "byte 5: "}, {6, 11, "byte 6: "},
        {6, 255, "byte 6: "}, {7, CASE_PAGEBLOCK_MAX + 1, "byte 7: "},
    };
    uint8_t data[SMALL_BYTES];
    for (size_t i = 0; i < LENGTH(bad); i++) {
        small_case(data);
        data[bad[i].at] = bad[i].value;
        assert_not_decoded(data, sizeof(data), bad[i].place);
    }
}

static void case_decode_stray_range_names_its_byte(void **state)
{
    (void)state;
    uint8_t data[SMALL_BYTES];
    small_case(data);
    data[AT_RANGE] ^= 1; /* the first range begins no zone */
    assert_not_decoded(data, sizeof(data), "byte 8: range 0");
    small_case(data);
    data[AT_RANGE] |= 8; /* the first zone comes later */
    assert_not_decoded(data, sizeof(data), "byte 8: range 0");
    for (size_t at = 0; at < 4; at++) {
        small_case(data);
        data[AT_RANGE + CASE_RANGE_BYTES + at] |= 0x80;
        assert_not_decoded(data, sizeof(data), "byte 20: range 1");
    }
    small_case(data);
    data[AT_RANGE + CASE_RANGE_BYTES] = 0;
    data[AT_RANGE + CASE_RANGE_BYTES + 1] = 3; /* class=highmem, but begins no zone */
    assert_not_decoded(data, sizeof(data), "byte 20: range 1");
    small_case(data);
    data[AT_RANGE + CASE_RANGE_BYTES] = 8; /* later, but begins no zone */
    assert_not_decoded(data, sizeof(data), "byte 20: range 1");
    small_case(data);
    data[AT_RANGE + 3] = 63; /* a watermark that text and the boot refuse */
    assert_not_decoded(data, sizeof(data), "byte 8: range 0");
    small_case(data);
    memset(data + AT_RANGE + 8, 0, 4);
    assert_not_decoded(data, sizeof(data), "byte 16: range 0 has no frames");
}

/* Bytes of an operation that must be 0, and values out of range: X(offset from the op, value) */
static void case_decode_stray_operand_names_its_op(void **state)
{
    (void)state;
    static const struct {
        uint8_t at;
        uint8_t value;
    } bad[] = {
        {AT_OP, OPS},         {AT_OP, 255},        {AT_OP + 1, 64},    {AT_OP + 3, MIGRATETYPES},
        {AT_OP + 4, 64},      {AT_OP + 5, 1},      {AT_OP + 6, 1},     {AT_OP + 8, 1},
        {AT_OP + 12, 1},      {AT_OP + 13, 1},     {AT_OP + 15, 1},    {AT_CREATE + 1, 1},
        {AT_CREATE + 3, 1},   {AT_CREATE + 4, 1},  {AT_CREATE + 7, 1}, {AT_CREATE + 12, 64},
        {AT_CREATE, OPS + 1}, {AT_CREATE + 13, 1},
    };
    uint8_t data[SMALL_BYTES];
    for (size_t i = 0; i < LENGTH(bad); i++) {
        char place[LINE_MAX_BYTES];
        bool second = bad[i].at >= AT_CREATE;
        snprintf(place, sizeof(place), "byte %d: operation %d ", second ? AT_CREATE : AT_OP,
                 second);
        small_case(data);
        data[bad[i].at] = bad[i].value;
        assert_not_decoded(data, sizeof(data), place);
    }
}

static void case_decode_stray_fault_names_its_op(void **state)
{
    (void)state;
    uint8_t data[SMALL_BYTES];
    small_case(data);
    data[AT_OP + 14] = 1; /* nth: a fault is armed */
    data[AT_OP + 13] = FAULT_SITES;
    assert_not_decoded(data, sizeof(data), "byte 32: operation 0 ");
    data[AT_OP + 13] = 0;
    data[AT_OP + 15] = FAULT_MODES;
    assert_not_decoded(data, sizeof(data), "byte 32: operation 0 ");
}

static void case_decode_unknown_thread_names_its_op(void **state)
{
    (void)state;
    uint8_t data[SMALL_BYTES];
    for (unsigned thread = CASE_THREADS_MAX + 1; thread < 16; thread++) {
        small_case(data);
        data[AT_CREATE + 15] = (uint8_t)(thread << CASE_HALF_BITS);
        assert_not_decoded(data, sizeof(data), "byte 48: operation 1 ");
    }
}

/* Text errors: each text has one, at the line that is given. */
struct bad_text {
    const char *text;
    const char *error; /* how it starts */
    const char *word;  /* in it */
};

static void assert_not_parsed(const struct bad_text *bad, size_t count)
{
    struct program program;
    program_init(&program);
    for (size_t i = 0; i < count; i++) {
        struct case_error error = {""};
        if (case_parse(&program, bad[i].text, strlen(bad[i].text), &error)) {
            fail_msg("taken, without '%s':\n%s", bad[i].error, bad[i].text);
        }
        if (strncmp(error.text, bad[i].error, strlen(bad[i].error)) != 0 ||
            strstr(error.text, bad[i].word) == NULL) {
            fail_msg("'%s' where '%s' with '%s' was expected", error.text, bad[i].error,
                     bad[i].word);
        }
    }
    program_free(&program);
}

static void case_parse_bad_head_names_line(void **state)
{
    (void)state;
    static const struct bad_text bad[] = {
        {"", "line ", "no range"},
        {"# only a comment\n", "line 1: ", "no range"},
        {"potad-case 2\n", "line 1: ", "no range"},
        {"\nrange zone=0 start=0 frames=9\n", "line 2: ", "potad-case 2"},
        {"potad-case\n", "line 1: ", "version"},
        {"potad-case 3\n", "line 1: ", "version 3 is unknown"},
        {"potad-case 2\nrange zone=0 start=0 frames=9 no-metadata\n", "line 2: ", "no-metadata"},
        {"potad-case 1x\n", "line 1: ", "version"},
        {"potad-case 2\nslots\n", "line 2: ", "slots"},
        {"potad-case 2\nslots 63\n", "line 2: ", "slots"},
        {"potad-case 2\nslots 96\n", "line 2: ", "slots"},
        {"potad-case 2\nslots 131072\n", "line 2: ", "slots"},
        {"potad-case 2\ncpus\n", "line 2: ", "cpus"},
        {"potad-case 2\ncpus 16\n", "line 2: ", "cpus"},
        {"potad-case 2\npageblock 0\n", "line 2: ", "pageblock"},
        {"potad-case 2\npageblock 33\n", "line 2: ", "pageblock"},
        {HEAD "shrink\nslots 64\n", "line 5: ", "before operations"},
    };
    assert_not_parsed(bad, LENGTH(bad));
}

static void case_parse_bad_range_names_line(void **state)
{
    (void)state;
#define ONE "potad-case 2\nrange zone=0 start=8 frames=8\n"
    static const struct bad_text bad[] = {
        {"potad-case 2\nshrink\n", "line 2: ", "before the first range"},
        {HEAD "shrink\nrange zone=1 start=99 frames=9\n", "line 5: ", "behind the first operation"},
        {ONE "range zone=0 start=15 frames=8\n", "line 3: ", "start="}, /* overlaps by a frame */
        {ONE "range zone=1 start=0 frames=8\n", "line 3: ", "start="},
        {ONE "range zone=0 start=16 frames=0\n", "line 3: ", "frames="},
        {ONE "range zone=0 start=16\n", "line 3: ", "frames="},
        {ONE "range zone=0 frames=9\n", "line 3: ", "start="},
        {ONE "range start=16 frames=9\n", "line 3: ", "zones"},
        {ONE "range zone=2 start=16 frames=9\n", "line 3: ", "zones"},
        {ONE "range zone=1 start=16 frames=9\nrange zone=0 start=30 frames=9\n",
         "line 4: ", "zones"},
        {ONE "range zone=0 start=4294967313 frames=9\n", "line 3: ", "start="},
        {ONE "range zone=0 start=16 frames=4294967296\n", "line 3: ", "frames="},
        {ONE "range zone=0 start=x frames=9\n", "line 3: ", "start=x"},
        {ONE "range zone=0 start=-1 frames=9\n", "line 3: ", "start=-1"},
        {ONE "range zone=0 start=16 frames=9 movable\n", "line 3: ", "movable"},
        {ONE "range zone=0 start=16 frames=9 order=1\n", "line 3: ", "order=1"},
        {ONE "range zone=0 start=16 frames=9 class=highmem\n", "line 3: ", "first range"},
        {ONE "range zone=0 start=16 frames=9 later\n", "line 3: ", "first range"},
        {ONE "range zone=1 start=16 frames=9 later\nrange zone=1 start=25 frames=9 later\n",
         "line 4: ", "first range"},
        {ONE "range zone=1 start=16 frames=9 later=1\n", "line 3: ", "later=1"},
        {"potad-case 2\nrange zone=0 start=8 frames=8 later\n", "line 2: ", "zone 0 is there"},
        {ONE "range zone=1 start=16 frames=9 class=high\n", "line 3: ", "class=high"},
        {ONE "range zone=1 start=16 frames=9 node=4\n", "line 3: ", "nodes"},
        {ONE "range zone=1 start=16 frames=9 watermark=3\n", "line 3: ", "powers of two"},
        {ONE "range zone=1 start=16 frames=9 cma unaccepted\n", "line 3: ", "cma"},
        {"potad-case 2\n"
         "range zone=0 start=0 frames=1\nrange zone=1 start=1 frames=1\n"
         "range zone=2 start=2 frames=1\nrange zone=3 start=3 frames=1\n"
         "range zone=4 start=4 frames=1\nrange zone=5 start=5 frames=1\n"
         "range zone=6 start=6 frames=1\nrange zone=7 start=7 frames=1\n"
         "range zone=8 start=8 frames=1\n",
         "line 10: ", "zones count up"},
    };
#undef ONE
    assert_not_parsed(bad, LENGTH(bad));
}

static void case_parse_bad_operation_names_line(void **state)
{
    (void)state;
    static const struct bad_text bad[] = {
        {HEAD "allocate slot=0\n", "line 4: ", "'allocate'"},
        {HEAD "# x\n\nFREE slot=0\n", "line 6: ", "'FREE'"},
        {HEAD "free\n", "line 4: ", "slot="},
        {HEAD "alloc slot=0 order=0 zone=any\n", "line 4: ", "type="},
        {HEAD "cache-create cache=0 align=8\n", "line 4: ", "size="},
        {HEAD "free slot=0 slot=0\n", "line 4: ", "slot twice"},
        {HEAD "free slot=0 slot=1\n", "line 4: ", "slot twice"},
        {HEAD "free slot=0 order=1\n", "line 4: ", "'order'"},
        {HEAD "shrink slot=0\n", "line 4: ", "'slot'"},
        {HEAD "free slot\n", "line 4: ", "'slot'"},
        {HEAD "free slot=\n", "line 4: ", "'slot='"},
        {HEAD "free slot=64\n", "line 4: ", "64 slots"},
        {HEAD "shrink\nfree slot=65535\n", "line 5: ", "slot=65535"},
        {HEAD "free slot=65536\n", "line 4: ", "slot=65536"},
        {HEAD "free slot=1x\n", "line 4: ", "slot=1x"},
        {HEAD "free \033[31m\n", "line 4: ", "'?[31m'"}, /* what does not print is not printed */
        {HEAD "free slot=-1\n", "line 4: ", "slot=-1"},
        {HEAD "free slot=0x\n", "line 4: ", "slot=0x"},
        {HEAD "free slot=99999999999999999999999\n", "line 4: ", "slot=9"},
        {HEAD "split slot=0 order=64\n", "line 4: ", "order=64"},
        {HEAD "alloc slot=0 order=0 zone=256 type=movable\n", "line 4: ", "zone=256"},
        {HEAD "alloc slot=0 order=0 zone=all type=movable\n", "line 4: ", "zone=all"},
        {HEAD "alloc slot=0 order=0 zone=0 type=cma\n", "line 4: ", "type=cma"},
        {HEAD "alloc-desc slot=0 order=0 zone=0 desc=page\n", "line 4: ", "desc=page"},
        {HEAD "alloc-desc slot=0 order=0 zone=0 desc=32\n", "line 4: ", "desc=32"},
        {HEAD "lookup frame=4294967296\n", "line 4: ", "frame=4294967296"},
        {HEAD "cache-create cache=0 size=8 align=0\n", "line 4: ", "align=0"},
        {HEAD "cache-create cache=0 size=8 align=24\n", "line 4: ", "align=24"},
        {HEAD "cache-bulk cache=0 slot=0 count=65536\n", "line 4: ", "count=65536"},
    };
    assert_not_parsed(bad, LENGTH(bad));
}

static void case_parse_bad_fault_names_line(void **state)
{
    (void)state;
    static const struct bad_text bad[] = {
        {HEAD "free slot=0 fault=\n", "line 4: ", "fault"},
        {HEAD "free slot=0 fault=accept\n", "line 4: ", "'accept'"},
        {HEAD "free slot=0 fault=accept:1\n", "line 4: ", "'accept:1'"},
        {HEAD "free slot=0 fault=page:1:once\n", "line 4: ", "'page:1:once'"},
        {HEAD "free slot=0 fault=accept:0:once\n", "line 4: ", "'accept:0:once'"},
        {HEAD "free slot=0 fault=accept:256:once\n", "line 4: ", "'accept:256:once'"},
        {HEAD "free slot=0 fault=accept:x:once\n", "line 4: ", "'accept:x:once'"},
        {HEAD "free slot=0 fault=accept:1:twice\n", "line 4: ", "'accept:1:twice'"},
        {HEAD "free slot=0 fault=accept:1:once:1\n", "line 4: ", "'accept:1:once:1'"},
    };
    assert_not_parsed(bad, LENGTH(bad));
}

static void case_parse_bad_thread_names_line(void **state)
{
    (void)state;
    static const struct bad_text bad[] = {
        {HEAD "shrink thread=5\n", "line 4: ", "1 to 4, not '5'"},
        {HEAD "shrink thread=0\n", "line 4: ", "1 to 4, not '0'"},
        {HEAD "shrink thread=x\n", "line 4: ", "1 to 4, not 'x'"},
        {HEAD "shrink thread=\n", "line 4: ", "1 to 4, not ''"},
        {HEAD "shrink thread=4294967297\n", "line 4: ", "1 to 4, not '4294967297'"},
        {HEAD "shrink thread\n", "line 4: ", "'thread'"},
        {HEAD "shrink\nshrink thread=1 thread=1\n", "line 5: ", "two threads"},
        {"potad-case 2\nrange zone=0 start=0 frames=9 thread=1\n", "line 2: ", "thread=1"},
    };
    assert_not_parsed(bad, LENGTH(bad));
}

/* What a line says twice, or says besides, is a mistake; the words "user" and 10 to 15 are not
 * the same, for the names of types are only for those that have one. */
static void case_parse_stray_words_name_line(void **state)
{
    (void)state;
    static const struct bad_text bad[] = {
        {"potad-case 2 2\nrange zone=0 start=0 frames=9\n", "line 1: ", "2"},
        {"potad-case 2\nslots 64 128\nrange zone=0 start=0 frames=9\n", "line 2: ", "128"},
        {"potad-case 2\nrange zone=0 start=0 frames=9 frames=8\n", "line 2: ", "frames"},
        {HEAD "free slot=0 fault=accept:1:once fault=slab-page:1:once\n", "line 4: ", "fault"},
        {HEAD "alloc-desc slot=0 order=0 zone=0 desc=user\n", "line 4: ", "desc=user"},
    };
    assert_not_parsed(bad, LENGTH(bad));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_print_keeps_canonical_text),
        cmocka_unit_test(case_parse_reads_what_people_write),
        cmocka_unit_test(case_encode_keeps_random_programs),
        cmocka_unit_test(case_decode_any_has_cpus_in_half_of_all_programs),
        cmocka_unit_test(case_decode_any_cuts_threads),
        cmocka_unit_test(case_decode_any_ends_at_the_mark),
        cmocka_unit_test(program_next_phase_parts_operations_with_threads_from_others),
        cmocka_unit_test(case_decode_any_makes_canonical_programs),
        cmocka_unit_test(case_decode_any_keeps_canonical_programs),
        cmocka_unit_test(case_decode_any_keeps_seeds),
        cmocka_unit_test(case_decode_version_1_says_the_same),
        cmocka_unit_test(case_decode_bad_version_1_names_its_byte),
        cmocka_unit_test(case_decode_no_magic_names_byte_0),
        cmocka_unit_test(case_decode_unknown_version_names_byte_4),
        cmocka_unit_test(case_decode_cut_short_names_its_end),
        cmocka_unit_test(case_decode_header_names_its_byte),
        cmocka_unit_test(case_decode_stray_range_names_its_byte),
        cmocka_unit_test(case_decode_stray_operand_names_its_op),
        cmocka_unit_test(case_decode_stray_fault_names_its_op),
        cmocka_unit_test(case_decode_unknown_thread_names_its_op),
        cmocka_unit_test(case_parse_bad_head_names_line),
        cmocka_unit_test(case_parse_bad_range_names_line),
        cmocka_unit_test(case_parse_bad_operation_names_line),
        cmocka_unit_test(case_parse_bad_fault_names_line),
        cmocka_unit_test(case_parse_bad_thread_names_line),
        cmocka_unit_test(case_parse_stray_words_name_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
