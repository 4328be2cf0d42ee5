/* SPDX-License-Identifier: MIT
 *
 * case_text.c: cases as text, one range or operation a line:
 *
 *   potad-case 2
 *   slots 64
 *   cpus 2
 *   range zone=0 start=3 frames=509
 *   alloc slot=0 order=3 zone=any type=movable fault=buddy-desc:1:once   # a comment
 *   free slot=0 thread=1
 */
#include "core/memdesc.h"
#include "fuzzers/case_v1.h"
#include "fuzzers/operand.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const class_names[ZONE_CLASSES] = {
#define X(id, name) [id] = (name),
    ZONE_CLASS_TABLE(X)
#undef X
};

static const char *const migratetype_names[MIGRATETYPES] = {"unmovable", "movable", "reclaimable"};

static const char *const fault_mode_names[FAULT_MODES] = {
#define X(id, name) [id] = (name),
    FAULT_MODE_TABLE(X)
#undef X
};

/* Printing */

static void print_value(FILE *out, enum operand_kind kind, uint64_t value)
{
    if (kind == KIND_ZONE && value == ZONE_ANY) {
        fputs("any", out);
    } else if (kind == KIND_CLASS && value < ZONE_CLASSES) {
        fputs(class_names[value], out);
    } else if (kind == KIND_MIGRATETYPE && value < MIGRATETYPES) {
        fputs(migratetype_names[value], out);
    } else if (kind == KIND_MEMDESC && value < MEMDESC_USER &&
               strcmp(memdesc_type_name((enum memdesc_type)value), "user") != 0) {
        fputs(memdesc_type_name((enum memdesc_type)value), out);
    } else {
        unsigned shift = kind == KIND_LOG2 ? (unsigned)value : 0;
        uint64_t shown = kind == KIND_LOG2 ? (uint64_t)1 << shift : value;
        fprintf(out, "%llu", (unsigned long long)shown);
    }
}

void case_print_op(FILE *out, const struct case_op *op)
{
    fputs(op_name((enum op)op->op), out);
    for (unsigned operand = 0; operand < OPERANDS; operand++) {
        if ((op_operands((enum op)op->op) >> operand & 1) != 0) {
            fprintf(out, " %s=", operand_fields[operand].name);
            print_value(out, operand_fields[operand].kind, operand_get(op, operand));
        }
    }
    if (op->nth != 0) {
        fprintf(out, " fault=%s:%u:%s", fault_site_name((enum fault_site)op->site), op->nth,
                fault_mode_names[op->mode]);
    }
    if (op->thread != 0) {
        fprintf(out, " thread=%u", op->thread);
    }
}

/* What differs from the usual zone. */
static void print_zone(FILE *out, const struct zone_config *zone)
{
    if (zone->zone_class != ZONE_NORMAL) {
        fprintf(out, " class=%s", class_names[zone->zone_class]);
    }
    if (zone->node != 0) {
        fprintf(out, " node=%u", zone->node);
    }
    if (zone->watermark_min != 0) {
        fprintf(out, " watermark=%llu", (unsigned long long)zone->watermark_min);
    }
    if (zone->later) {
        fprintf(out, " later");
    }
}

void case_print_map(FILE *out, const struct boot_map *map)
{
    if (map->pageblock_order != 0) {
        fprintf(out, "pageblock %u\n", map->pageblock_order);
    }
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        fprintf(out, "range zone=%u start=%#llx frames=%llu", range->zone,
                (unsigned long long)range->start, (unsigned long long)range->frames);
        if (i == 0 || map->ranges[i - 1].zone != range->zone) {
            print_zone(out, &map->zones[range->zone]);
        }
        fprintf(out, "%s%s\n", range->unaccepted ? " unaccepted" : "", range->cma ? " cma" : "");
    }
}

void case_print(FILE *out, const struct program *program)
{
    fprintf(out, "potad-case %u\nslots %u\n", CASE_VERSION, program->slots);
    if (program->cpus != 0) {
        fprintf(out, "cpus %u\n", program->cpus);
    }
    case_print_map(out, &program->map);
    for (uint32_t i = 0; i < program->ops_count; i++) {
        case_print_op(out, &program->ops[i]);
        fputc('\n', out);
    }
}

/* Parsing */

struct word {
    const char *start;
    size_t length;
};

struct parser {
    const char *at; /* rest of the line */
    const char *end;
    unsigned line;
    uint64_t version; /* of the case */
    struct case_error *error;
};

static bool parse_fail(const struct parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool parse_fail(const struct parser *parser, const char *format, ...)
{
    char reason[CASE_ERROR_MAX - 32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    snprintf(parser->error->text, sizeof(parser->error->text), "line %u: %s", parser->line, reason);
    case_error_clean(parser->error);
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line, without comments. Return: whether there is one. */
static bool next_word(struct parser *parser, struct word *word)
{
    while (parser->at < parser->end && is_blank(*parser->at)) {
        parser->at++;
    }
    word->start = parser->at;
    while (parser->at < parser->end && !is_blank(*parser->at) && *parser->at != '#') {
        parser->at++;
    }
    word->length = (size_t)(parser->at - word->start);
    return word->length > 0;
}

static bool word_is(struct word word, const char *text)
{
    return strlen(text) == word.length && memcmp(text, word.start, word.length) == 0;
}

/* Cuts "name=value" at the sign. Return: whether there is one. */
static bool word_cut(struct word word, char sign, struct word *name, struct word *value)
{
    const char *at = memchr(word.start, sign, word.length);
    if (at == NULL) {
        return false;
    }
    *name = (struct word){word.start, (size_t)(at - word.start)};
    *value = (struct word){at + 1, word.length - name->length - 1};
    return true;
}

static bool word_number(struct word word, uint64_t *number)
{
    char digits[24];
    char *end;
    if (word.length == 0 || word.length >= sizeof(digits) || word.start[0] < '0' ||
        word.start[0] > '9') {
        return false;
    }
    memcpy(digits, word.start, word.length);
    digits[word.length] = '\0';
    *number = strtoull(digits, &end, 0);
    return *end == '\0';
}

/* Index of @word in @names, or @count. */
static unsigned word_index(struct word word, const char *const *names, unsigned count)
{
    unsigned index = 0;
    while (index < count && !word_is(word, names[index])) {
        index++;
    }
    return index;
}

static bool parse_value(enum operand_kind kind, struct word word, uint64_t *value)
{
    if (kind == KIND_ZONE && word_is(word, "any")) {
        *value = ZONE_ANY;
        return true;
    }
    if (kind == KIND_MIGRATETYPE) {
        *value = word_index(word, migratetype_names, MIGRATETYPES);
        return *value < MIGRATETYPES;
    }
    if (kind == KIND_CLASS) {
        *value = word_index(word, class_names, ZONE_CLASSES);
        return *value < ZONE_CLASSES;
    }
    for (unsigned type = 0; kind == KIND_MEMDESC && type < MEMDESC_USER; type++) {
        const char *name = memdesc_type_name((enum memdesc_type)type);
        if (word_is(word, name) && strcmp(name, "user") != 0) {
            *value = type;
            return true;
        }
    }
    if (!word_number(word, value)) {
        return false;
    }
    if (kind == KIND_LOG2) {
        if (*value == 0 || (*value & (*value - 1)) != 0) {
            return false;
        }
        *value = (uint64_t)__builtin_ctzll(*value);
    }
    return kind != KIND_MEMDESC || *value < MEMDESC_TYPES;
}

static bool operand_set(struct case_op *op, unsigned operand, uint64_t value)
{
    size_t bytes = operand_fields[operand].bytes;
    bool is_order = operand_fields[operand].offset == offsetof(struct case_op, order);
    if (value >> 8 * bytes != 0 || (is_order && value > 63)) {
        return false;
    }
    operand_put(op, operand, (uint32_t)value);
    return true;
}

static bool parse_fault(const struct parser *parser, struct word value, struct case_op *op)
{
    struct word site;
    struct word rest;
    struct word nth;
    struct word mode;
    uint64_t number = 0;
    if (op->nth != 0) {
        return parse_fail(parser, "two faults; an operation has one");
    }
    if (!word_cut(value, ':', &site, &rest) || !word_cut(rest, ':', &nth, &mode)) {
        return parse_fail(parser, "a fault is SITE:NTH:once|always, not '%.*s'", (int)value.length,
                          value.start);
    }
    unsigned index = 0;
    while (index < FAULT_SITES && !word_is(site, fault_site_name((enum fault_site)index))) {
        index++;
    }
    unsigned how = word_index(mode, fault_mode_names, FAULT_MODES);
    if (index == FAULT_SITES || how == FAULT_MODES || !word_number(nth, &number) || number == 0 ||
        number > 255) {
        return parse_fail(parser, "unknown fault '%.*s'", (int)value.length, value.start);
    }
    op->site = (uint8_t)index;
    op->nth = (uint8_t)number;
    op->mode = how & CASE_HALF_MASK;
    return true;
}

static bool parse_thread(const struct parser *parser, struct word value, struct case_op *op)
{
    uint64_t number = 0;
    if (op->thread != 0) {
        return parse_fail(parser, "two threads; an operation has one");
    }
    if (!word_number(value, &number) || number == 0 || number > CASE_THREADS_MAX) {
        return parse_fail(parser, "threads are 1 to %u, not '%.*s'", CASE_THREADS_MAX,
                          (int)value.length, value.start);
    }
    op->thread = number & CASE_HALF_MASK;
    return true;
}

static bool parse_operand(const struct parser *parser, struct word word, struct case_op *op,
                          uint32_t *seen)
{
    struct word name;
    struct word value;
    uint64_t number = 0;
    if (!word_cut(word, '=', &name, &value)) {
        return parse_fail(parser, "'%.*s' is not operand=value", (int)word.length, word.start);
    }
    if (word_is(name, "fault")) {
        return parse_fault(parser, value, op);
    }
    if (word_is(name, "thread")) {
        return parse_thread(parser, value, op);
    }
    for (unsigned operand = 0; operand < OPERANDS; operand++) {
        if ((op_operands((enum op)op->op) >> operand & 1) == 0 ||
            !word_is(name, operand_fields[operand].name)) {
            continue;
        }
        if ((*seen >> operand & 1) != 0) {
            return parse_fail(parser, "operand %s twice", operand_fields[operand].name);
        }
        *seen |= 1U << operand;
        if (!parse_value(operand_fields[operand].kind, value, &number) ||
            !operand_set(op, operand, number)) {
            return parse_fail(parser, "bad value in '%.*s'", (int)word.length, word.start);
        }
        return true;
    }
    return parse_fail(parser, "%s has no operand '%.*s'", op_name((enum op)op->op),
                      (int)name.length, name.start);
}

static bool parse_op(struct parser *parser, struct word word, struct program *program)
{
    struct case_op op = {0};
    uint32_t seen = 0;
    while (op.op < OPS && !word_is(word, op_name((enum op)op.op))) {
        op.op++;
    }
    if (op.op == OPS) {
        return parse_fail(parser, "unknown operation '%.*s'", (int)word.length, word.start);
    }
    if (program->map.ranges_count == 0) {
        return parse_fail(parser, "an operation before the first range");
    }
    const char *name = op_name((enum op)op.op);
    while (next_word(parser, &word)) {
        if (!parse_operand(parser, word, &op, &seen)) {
            return false;
        }
    }
    if (seen != op_operands((enum op)op.op)) {
        unsigned missing = (unsigned)__builtin_ctz(op_operands((enum op)op.op) & ~seen);
        return parse_fail(parser, "%s needs %s=", name, operand_fields[missing].name);
    }
    if (op.slot >= program->slots) {
        return parse_fail(parser, "slot=%u, but the case has %u slots", op.slot, program->slots);
    }
    program_add(program, op);
    return true;
}

/* The operands of a range line. */
enum range_field {
    FIELD_ZONE,
    FIELD_START,
    FIELD_FRAMES,
    FIELD_NODE,
    FIELD_WATERMARK,
    FIELD_CLASS,
    RANGE_FIELDS
};

/* A range as it is written; UINT64_MAX where a field is not. */
struct range_line {
    uint64_t fields[RANGE_FIELDS];
    bool unaccepted;
    bool cma;
    bool later;
};

static bool parse_range_field(struct word word, struct range_line *line)
{
    static const char *const names[RANGE_FIELDS] = {"zone", "start",     "frames",
                                                    "node", "watermark", "class"};
    struct word name;
    struct word value;
    unsigned field = word_cut(word, '=', &name, &value) ? word_index(name, names, RANGE_FIELDS)
                                                        : (unsigned)RANGE_FIELDS;
    if (field == RANGE_FIELDS || line->fields[field] != UINT64_MAX) {
        return false;
    }
    if (field != FIELD_CLASS) {
        return word_number(value, &line->fields[field]);
    }
    line->fields[field] = word_index(value, class_names, ZONE_CLASSES);
    return line->fields[field] < ZONE_CLASSES;
}

static bool parse_range_words(struct parser *parser, struct range_line *line)
{
    struct word word;
    for (unsigned field = 0; field < RANGE_FIELDS; field++) {
        line->fields[field] = UINT64_MAX;
    }
    while (next_word(parser, &word)) {
        if (word_is(word, "unaccepted")) {
            line->unaccepted = true;
        } else if (word_is(word, "cma")) {
            line->cma = true;
        } else if (word_is(word, "later")) {
            line->later = true;
        } else if (parser->version == CASE_VERSION_1 && word_is(word, "no-metadata")) {
            line->fields[FIELD_CLASS] = ZONE_HIGHMEM;
        } else if (!parse_range_field(word, line)) {
            return parse_fail(parser, "bad operand '%.*s' of a range", (int)word.length,
                              word.start);
        }
    }
    return true;
}

/* What the first range of a zone says of the zone. */
static bool parse_zone(const struct parser *parser, const struct range_line *line, bool begins,
                       struct boot_map *map)
{
    uint64_t node = line->fields[FIELD_NODE];
    uint64_t watermark = line->fields[FIELD_WATERMARK];
    uint64_t zone_class = line->fields[FIELD_CLASS];
    if (!begins) {
        return ((node & watermark & zone_class) == UINT64_MAX && !line->later) ||
               parse_fail(parser,
                          "class, node, watermark and later belong to a zone's first range");
    }
    if (line->later && map->zones_count == 0) {
        return parse_fail(parser, "zone 0 is there at boot");
    }
    node = node == UINT64_MAX ? 0 : node;
    watermark = watermark == UINT64_MAX ? 0 : watermark;
    if (node >= NODES_MAX || (watermark & (watermark - 1)) != 0 || watermark >> 62 != 0) {
        return parse_fail(parser, "nodes are below %u, watermarks powers of two", NODES_MAX);
    }
    map->zones[map->zones_count++] = (struct zone_config){
        .zone_class = zone_class == UINT64_MAX ? ZONE_NORMAL : (enum zone_class)zone_class,
        .node = (uint32_t)node,
        .watermark_min = watermark,
        .later = line->later,
    };
    return true;
}

static bool parse_range(struct parser *parser, struct program *program)
{
    struct boot_map *map = &program->map;
    struct range_line line = {.unaccepted = false};
    if (program->ops_count > 0) {
        return parse_fail(parser, "a range behind the first operation");
    }
    if (!parse_range_words(parser, &line)) {
        return false;
    }
    const struct range *last = map->ranges_count > 0 ? &map->ranges[map->ranges_count - 1] : NULL;
    uint64_t end = last == NULL ? 0 : last->start + last->frames;
    uint64_t zone = line.fields[FIELD_ZONE];
    uint64_t start = line.fields[FIELD_START];
    uint64_t frames = line.fields[FIELD_FRAMES];
    bool begins = zone == map->zones_count;
    bool goes_on = last != NULL && zone == last->zone;
    if (map->ranges_count == CASE_RANGES_MAX || (!begins && !goes_on) || zone >= ZONES_MAX) {
        return parse_fail(parser, "zones count up from 0, in at most %u ranges", CASE_RANGES_MAX);
    }
    if (start < end || start - end > UINT32_MAX || frames == 0 || frames > UINT32_MAX) {
        return parse_fail(parser, "ranges have start= behind the last one's end, and frames=");
    }
    if (line.unaccepted && line.cma) {
        return parse_fail(parser, "cma memory is accepted");
    }
    if (!parse_zone(parser, &line, begins, map)) {
        return false;
    }
    map->ranges[map->ranges_count++] = (struct range){
        .start = start,
        .frames = frames,
        .zone = (zone_id_t)zone,
        .unaccepted = line.unaccepted,
        .cma = line.cma,
    };
    return true;
}

/* Context: all that belongs on the line is read. */
static bool parse_end(struct parser *parser)
{
    struct word word;
    if (next_word(parser, &word)) {
        return parse_fail(parser, "'%.*s' is too much", (int)word.length, word.start);
    }
    return true;
}

static bool parse_version(struct parser *parser)
{
    struct word word;
    if (!next_word(parser, &word) || !word_number(word, &parser->version)) {
        return parse_fail(parser, "potad-case needs its version");
    }
    if (parser->version != CASE_VERSION && parser->version != CASE_VERSION_1) {
        return parse_fail(parser, "version %llu is unknown; this program reads versions %u and %u",
                          (unsigned long long)parser->version, CASE_VERSION_1, CASE_VERSION);
    }
    return parse_end(parser);
}

static bool parse_slots(struct parser *parser, struct program *program)
{
    struct word word;
    uint64_t slots = 0;
    if (!next_word(parser, &word) || !word_number(word, &slots) || slots < CASE_SLOTS_MIN ||
        slots > CASE_SLOTS_MAX || (slots & (slots - 1)) != 0 || program->ops_count > 0) {
        return parse_fail(parser, "slots are a power of two from %u to %u, before operations",
                          CASE_SLOTS_MIN, CASE_SLOTS_MAX);
    }
    program->slots = (uint32_t)slots;
    return parse_end(parser);
}

static bool parse_cpus(struct parser *parser, struct program *program)
{
    struct word word;
    uint64_t cpus = 0;
    if (!next_word(parser, &word) || !word_number(word, &cpus) || cpus > CASE_CPUS_MAX ||
        program->ops_count > 0) {
        return parse_fail(parser, "cpus are up to %u, before operations", CASE_CPUS_MAX);
    }
    program->cpus = (uint32_t)cpus;
    return parse_end(parser);
}

static bool parse_pageblock(struct parser *parser, struct program *program)
{
    struct word word;
    uint64_t order = 0;
    if (!next_word(parser, &word) || !word_number(word, &order) || order == 0 ||
        order > CASE_PAGEBLOCK_MAX || program->ops_count > 0) {
        return parse_fail(parser, "a pageblock's order is 1 to %u, before operations",
                          CASE_PAGEBLOCK_MAX);
    }
    program->map.pageblock_order = (order_t)order;
    return parse_end(parser);
}

static bool parse_line(struct parser *parser, struct program *program, bool *versioned)
{
    struct word word;
    if (!next_word(parser, &word)) {
        return true;
    }
    if (!*versioned) {
        *versioned = true;
        return word_is(word, "potad-case")
                   ? parse_version(parser)
                   : parse_fail(parser, "a case starts with 'potad-case %u'", CASE_VERSION);
    }
    if (word_is(word, "slots")) {
        return parse_slots(parser, program);
    }
    if (word_is(word, "cpus")) {
        return parse_cpus(parser, program);
    }
    if (word_is(word, "pageblock")) {
        return parse_pageblock(parser, program);
    }
    return word_is(word, "range") ? parse_range(parser, program) : parse_op(parser, word, program);
}

bool case_parse(struct program *program, const char *text, size_t size, struct case_error *error)
{
    struct parser parser = {.error = error};
    const char *at = text;
    const char *end = text + size;
    bool versioned = false;
    program->map = (struct boot_map){0};
    program->slots = CASE_SLOTS_MIN;
    program->cpus = 0;
    program->ops_count = 0;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end == NULL ? end : line_end;
        parser.at = at;
        parser.end = line_end;
        parser.line++;
        if (!parse_line(&parser, program, &versioned)) {
            return false;
        }
        at = line_end + 1;
    }
    if (program->map.ranges_count == 0) {
        return parse_fail(&parser, "no range: a case needs memory");
    }
    return true;
}
