/* SPDX-License-Identifier: MIT
 *
 * record.c: the log, calls on blocks, and what is to be expected where a violation was found.
 */
#include "fuzzers/emit/record_internal.h"
#include "fuzzers/harness_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct recorder recorder;

uint32_t record_op(void)
{
    const struct executor *executor = &recorder.executor;
    return executor->harness.fault.op == OPS ? RECORD_BOOT : executor->op_index;
}

/* What is left is freed: a test does that by itself. */
static bool tearing_down(void)
{
    const struct executor *executor = &recorder.executor;
    return recorder.program->ops_count > 0 && executor->op_index >= recorder.program->ops_count;
}

bool record_begin(void)
{
    return recorder.depth++ == 0 && !tearing_down();
}

void record_end(void)
{
    recorder.depth--;
}

void record_end_status(bool noted, enum status status)
{
    record_end();
    if (noted) {
        recorder.status = status;
        fprintf(recorder.log, "S\t%d\n", (int)status);
    }
}

void record_piece(enum emit_piece piece)
{
    if ((recorder.pieces >> piece & 1) == 0) {
        recorder.pieces |= 1U << piece;
        fprintf(recorder.log, "P\t%u\n", (unsigned)piece);
    }
}

/* The CPU that the call is made on, and the fault that is armed for it. */
static void record_circumstances(bool faults)
{
    const struct harness *harness = &recorder.executor.harness;
    const struct fault_plan *fault = &harness->fault;
    uint32_t op = record_op();
    if (harness->cpus.current != recorder.cpu) {
        recorder.cpu = harness->cpus.current;
        if (recorder.cpu < CPUS_MAX) {
            fprintf(recorder.log, "N\t%" PRIu32 "\ton_cpu(T, %" PRIu32 "\n", op, recorder.cpu);
        } else {
            fprintf(recorder.log, "N\t%" PRIu32 "\ton_cpu(T, CPUS_MAX\n", op);
        }
    }
    if (faults && fault->nth != 0 && fault->op != OPS && recorder.fault_op != op) {
        recorder.fault_op = op;
        fprintf(recorder.log, "N\t%" PRIu32 "\tfault_next(T, %s, %" PRIu32 ", %s\n", op,
                emit_site(fault->site), fault->nth, fault->mode == FAULT_ONCE ? "ONCE" : "ALWAYS");
    }
}

void record_call(enum record_kind kind, uint32_t number, bool status, const char *format, ...)
{
    va_list arguments;
    /* A shrink for another operation's sake comes before that: its fault is not meant. */
    record_circumstances(strncmp(format, "shrink", 6) != 0);
    recorder.kind = kind;
    recorder.number = number;
    fprintf(recorder.log, "%c\t%" PRIu32 "\t", status ? 'C' : 'N', record_op());
    va_start(arguments, format);
    vfprintf(recorder.log, format, arguments);
    va_end(arguments);
    fputc('\n', recorder.log);
    fflush(recorder.log);
}

/* The number of the block that @block is the harness's own struct of. */
static uint32_t block_number(const struct subject_block *block)
{
    const char *first = (const char *)&recorder.executor.harness.blocks[0].block;
    return (uint32_t)((size_t)((const char *)block - first) / sizeof(struct harness_block));
}

static enum status wrap_alloc(void *instance, const struct subject_request *request,
                              struct subject_block *block)
{
    bool noted = record_begin();
    if (noted) {
        const struct page_request pages = subject_page_request(request);
        uint32_t number = block_number(block);
        if (request->compact) {
            record_piece(PIECE_MOVES);
        }
        if (request->type == MEMDESC_FOLIO) {
            record_piece(PIECE_REFS);
        }
        if (request->type == MEMDESC_NONE) {
            record_call(RECORD_BLOCK, number, true, "take(T, %" PRIu32 ", %s", number,
                        emit_request(&pages));
        } else {
            record_call(RECORD_BLOCK, number, true, "take_desc(T, %" PRIu32 ", %s, %s", number,
                        emit_request(&pages), emit_memdesc_type(request->type));
        }
    }
    enum status status = recorder.inner->alloc(instance, request, block);
    record_end_status(noted, status);
    return status;
}

static void wrap_free(void *instance, const struct subject_block *block)
{
    if (record_begin()) {
        record_call(RECORD_OTHER, 0, false, "give(T, %" PRIu32, block_number(block));
    }
    recorder.inner->free(instance, block);
    record_end();
}

const char *record_parts(const struct slot_map *slots, const bool *first_used, size_t stride,
                         uint32_t whole, order_t count)
{
    static char text[ORDERS * 12];
    size_t length = 0;
    uint32_t slot = whole;
    snprintf(text, sizeof(text), "NULL");
    for (order_t i = 0; i < count; i++) {
        do {
            slot = slot_find(slots, slot + 1, true);
        } while (*(const bool *)((const char *)first_used + slot * stride));
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%" PRIu32,
                                   i == 0 ? "(unsigned[]){" : ", ", slot);
    }
    if (count > 0) {
        snprintf(text + length, sizeof(text) - length, "}");
    }
    return text;
}

static enum status wrap_split(void *instance, const struct subject_block *block, order_t order,
                              struct subject_block *parts)
{
    const struct harness *harness = &recorder.executor.harness;
    bool noted = record_begin();
    for (uint32_t i = 0; noted && i < harness->blocks_end; i++) {
        const struct harness_block *whole = &harness->blocks[i];
        if (whole->used && whole->block.handle == block->handle) {
            order_t others = order < block->order ? block->order - order : 0;
            record_call(RECORD_OTHER, 0, true, "split(T, %" PRIu32 ", %" PRIu32 ", %s", i, order,
                        record_parts(&recorder.executor.block_slots, &harness->blocks[0].used,
                                     sizeof(*whole), i, others));
            break;
        }
    }
    enum status status = recorder.inner->split(instance, block, order, parts);
    record_end_status(noted, status);
    return status;
}

bool record_once(enum op op)
{
    uint32_t index = record_op();
    bool first = index < recorder.program->ops_count && recorder.once_op != index &&
                 recorder.program->ops[index].op == op;
    recorder.once_op = first ? index : recorder.once_op;
    return first;
}

/* Of the many lookups that the harness makes, the one that the operation is. */
static bool wrap_lookup(void *instance, pfn_t pfn, struct memdesc_info *info)
{
    if (record_begin() && record_once(OP_LOOKUP)) {
        record_call(RECORD_OTHER, 0, false, "lookup(T, %#" PRIx64, pfn);
    }
    bool found = recorder.inner->lookup(instance, pfn, info);
    record_end();
    return found;
}

static void wrap_shrink(void *instance)
{
    if (record_begin()) {
        record_call(RECORD_OTHER, 0, false, "shrink(T");
    }
    recorder.inner->shrink(instance);
    record_end();
}

static bool wrap_validate(void *instance, struct violation *violation)
{
    if (record_begin() && recorder.executor.op_index < recorder.program->ops_count) {
        record_call(RECORD_OTHER, 0, false, "validate(T");
    }
    bool valid = recorder.inner->validate(instance, violation);
    record_end();
    return valid;
}

static bool wrap_tryget(void *instance, pfn_t pfn, struct memdesc_ref *ref)
{
    if (record_begin()) {
        record_piece(PIECE_REFS);
        record_call(RECORD_OTHER, 0, false, "get(T, %#" PRIx64, pfn);
    }
    bool got = recorder.inner->tryget(instance, pfn, ref);
    record_end();
    return got;
}

static void wrap_put(void *instance, struct memdesc *descriptor, enum memdesc_type type)
{
    if (record_begin()) {
        const char *first = (const char *)&recorder.executor.harness.blocks[0].descriptor;
        size_t number = (size_t)((const char *)descriptor - first) / sizeof(struct harness_block);
        uint32_t op = record_op();
        bool dropped = op < recorder.program->ops_count && recorder.program->ops[op].op == OP_PUT;
        record_piece(PIECE_REFS);
        record_call(RECORD_OTHER, 0, false, "%s(T, %zu", dropped ? "put" : "give", number);
    }
    recorder.inner->put(instance, descriptor, type);
    record_end();
}

/* Where the zone or the place of what was granted is wrong: any other will do, or none. */
static void expect_elsewhere(const struct harness *harness, zone_id_t zone)
{
    const char *name = harness->report.name;
    const char *detail = harness->report.detail;
    const char *before;
    uint64_t min = harness->model.map.zones[zone].watermark_min;
    if (strcmp(name, check_name(CHECK_WATERMARK)) == 0 && strstr(detail, "accepts no more")) {
        fprintf(recorder.log, "A\taccepts_ahead(T, %" PRIu32 "\n", zone);
    } else if (strcmp(name, check_name(CHECK_WATERMARK)) == 0) {
        /* While other zones have enough, one keeps a quarter more. */
        uint64_t kept = strstr(detail, "before zone") != NULL ? min + min / 4 : min;
        fprintf(recorder.log, "A\tleaves(T, %" PRIu32 ", %" PRIu64 "\n", zone, kept);
    } else if (recorder.kind == RECORD_RUN) {
        fprintf(recorder.log, "A\trun_not_from(T, %" PRIu32 ", %" PRIu32 ", \"%s\"\n",
                recorder.number, zone, name);
    } else if (strcmp(name, check_name(CHECK_MIGRATETYPE)) == 0) {
        fprintf(recorder.log, "A\tnot_from(T, %" PRIu32 ", %#" PRIx64 ", \"%s\"\n", recorder.number,
                harness->blocks[recorder.number].block.pfn, name);
    } else if ((before = strstr(detail, "before zone ")) != NULL) {
        fprintf(recorder.log, "A\tpasses_over(T, %" PRIu32 ", %" PRIu32 ", %lu\n", recorder.number,
                zone, strtoul(before + strlen("before zone "), NULL, 10));
    }
}

/* A violation in a call on a block or run that was granted. Its detail tells apart what one check
 * finds in several ways: a choice, too little that is accepted ahead, and free blocks on wrong
 * lists, which the test finds by itself. */
static void expect_choice(const struct harness *harness)
{
    const struct model *model = &harness->model;
    const struct report *report = &harness->report;
    bool block = recorder.kind == RECORD_BLOCK;
    pfn_t pfn = block ? harness->blocks[recorder.number].block.pfn
                      : harness->contigs[recorder.number].contig.pfn;
    bool listed = strncmp(report->detail, "block ", strlen("block ")) != 0;
    if (strcmp(report->name, check_name(CHECK_ZONE_ORDER)) == 0 ||
        strcmp(report->name, check_name(CHECK_WATERMARK)) == 0 ||
        (strcmp(report->name, check_name(CHECK_MIGRATETYPE)) == 0 && !listed)) {
        expect_elsewhere(harness, model_kind_zone(model_frame_kind(model, pfn)));
    }
}

/* What the call that a violation was found in should have answered, as far as the model says. */
static void record_expectation(const struct harness *harness)
{
    const char *name = harness->report.name;
    if (strcmp(name, check_name(CHECK_GAP_SEARCH)) == 0) {
        return; /* it is noted already: wrap_gap() */
    }
    if (strcmp(name, check_name(CHECK_RANGE_PREPARED)) == 0) {
        fprintf(recorder.log, "X\tSTATUS_OK\n"); /* whatever fails */
    } else if (strcmp(name, check_name(CHECK_SPURIOUS)) == 0 ||
               strcmp(name, check_name(CHECK_CONTIG)) == 0) {
        /* Where a fault is armed, another core may come to the step that fails. */
        fprintf(recorder.log, "X\t%s\n",
                harness->fault.nth == 0 ? "STATUS_OK" : "OK_BUT_FOR_FAULT");
    } else if (strcmp(name, check_name(CHECK_STATUS)) == 0) {
        fprintf(recorder.log, "X\tOTHER_THAN(%d)\n", (int)recorder.status);
    } else {
        /* The model has nothing against the answer, but the call may have gone wrong before it. */
        fprintf(recorder.log, "X\tANY_STATUS\n");
    }
    if (recorder.kind != RECORD_OTHER && recorder.status == STATUS_OK) {
        expect_choice(harness);
    }
}

static void wrap(const struct subject *inner, struct subject *outer)
{
    *outer = *inner;
    outer->alloc = wrap_alloc;
    outer->free = wrap_free;
    outer->split = wrap_split;
    outer->lookup = wrap_lookup;
    outer->shrink = wrap_shrink;
    outer->validate = wrap_validate;
    outer->tryget = wrap_tryget;
    outer->put = wrap_put;
    record_wrap_caches(outer);
    record_wrap_memory(outer);
    recorder.range = *inner->range;
    record_wrap_ranges(&recorder.range);
    outer->range = &recorder.range;
    recorder.spaces = *inner->spaces;
    record_wrap_spaces(&recorder.spaces);
    outer->spaces = &recorder.spaces;
}

/* Runs the case once. Return: whether no violation was found. */
static bool run_once(const struct program *program)
{
    recorder.cpu = CPUS_MAX;
    recorder.fault_op = RECORD_BOOT;
    recorder.once_op = RECORD_BOOT;
    recorder.pieces = 0;
    if (executor_run(&recorder.executor, program)) {
        return true;
    }
    const struct harness *harness = &recorder.executor.harness;
    const char *name = harness->report.name;
    if (!tearing_down()) {
        record_expectation(harness);
    }
    /* Found at the end, too. */
    if (strcmp(name, check_name(CHECK_MIGRATETYPE)) == 0 ||
        strcmp(name, check_name(CHECK_LOOKUP)) == 0) {
        record_piece(PIECE_PAGEBLOCKS);
    }
    fprintf(recorder.log, "V\t%s\t%s\n", name, harness->report.detail);
    return false;
}

/* Runs the case again, in memory that is not as new: what is found then is recorded instead. */
static void record_again(const struct program *program)
{
    fflush(recorder.log);
    long end = ftell(recorder.log);
    fprintf(recorder.log, "R\n");
    if (run_once(program)) {
        fflush(recorder.log);
        if (end < 0 || ftruncate(fileno(recorder.log), end) != 0 ||
            fseek(recorder.log, end, SEEK_SET) != 0) {
            abort();
        }
    }
}

void record_run(const struct record_options *options, const struct program *program, FILE *log)
{
    recorder = (struct recorder){.log = log, .program = program, .inner = options->subject};
    wrap(options->subject, &recorder.outer);
    executor_init(&recorder.executor, &recorder.outer, CASE_SLOTS_MAX);
    recorder.executor.validate_period = options->validate_period;
    if (run_once(program) && recorder.executor.harness.opened) {
        record_again(program);
    }
    if (recorder.executor.harness.opened) {
        fprintf(log, "E\n");
    }
    fflush(log);
    executor_close(&recorder.executor);
}
