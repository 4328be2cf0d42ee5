/* SPDX-License-Identifier: MIT
 *
 * record_ranges.c: calls on range trees. The harness asks much of them by itself: of what readers
 * ask, only that is written down which is the operation.
 */
#include "fuzzers/emit/record_internal.h"

#include <inttypes.h>

static const struct subject_range_ops *inner_ops(void)
{
    return recorder.inner->range;
}

static enum status wrap_open(void *instance, void (*step)(void *context), void *context,
                             void **tree)
{
    bool noted = record_begin();
    if (noted) {
        record_piece(PIECE_RANGES);
        record_call(RECORD_OTHER, 0, true, "open_ranges(T");
    }
    enum status status = inner_ops()->open(instance, step, context, tree);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_store(void *tree, uint64_t first, uint64_t last, uint64_t value)
{
    bool noted = record_begin();
    if (noted) {
        record_call(RECORD_OTHER, 0, true, "store(T, %#" PRIx64 ", %#" PRIx64 ", %" PRIu64, first,
                    last, value);
    }
    enum status status = inner_ops()->store(tree, first, last, value);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_store_empty(void *tree, uint64_t first, uint64_t last, uint64_t value)
{
    bool noted = record_begin();
    if (noted) {
        record_call(RECORD_OTHER, 0, true, "store_empty(T, %#" PRIx64 ", %#" PRIx64 ", %" PRIu64,
                    first, last, value);
    }
    enum status status = inner_ops()->store_empty(tree, first, last, value);
    record_end_status(noted, status);
    return status;
}

static bool wrap_erase(void *tree, uint64_t key, struct range_entry *erased)
{
    if (record_begin()) {
        record_call(RECORD_OTHER, 0, false, "erase(T, %#" PRIx64, key);
    }
    bool was = inner_ops()->erase(tree, key, erased);
    record_end();
    return was;
}

static enum status wrap_clear(void *tree, uint64_t first, uint64_t last)
{
    bool noted = record_begin();
    if (noted) {
        record_call(RECORD_OTHER, 0, true, "clear(T, %#" PRIx64 ", %#" PRIx64, first, last);
    }
    enum status status = inner_ops()->clear(tree, first, last);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_prepare(void *tree, uint64_t stores)
{
    bool noted = record_begin();
    if (noted) {
        record_call(RECORD_OTHER, 0, true, "prepare(T, %" PRIu64, stores);
    }
    enum status status = inner_ops()->prepare(tree, stores);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_build(void *tree, const struct range_entry *entries, uint64_t count)
{
    bool noted = record_begin();
    for (uint64_t i = 0; noted && i < count; i++) {
        record_call(RECORD_OTHER, 0, false, "entry(%#" PRIx64 ", %#" PRIx64 ", %" PRIu64,
                    entries[i].first, entries[i].last, entries[i].value);
    }
    if (noted) {
        record_call(RECORD_OTHER, 0, true, "build(T");
    }
    enum status status = inner_ops()->build(tree, entries, count);
    record_end_status(noted, status);
    return status;
}

static uint64_t wrap_value(void *tree, uint64_t key)
{
    if (record_begin() && record_once(OP_RANGE_LOAD)) {
        record_call(RECORD_OTHER, 0, false, "load(T, %#" PRIx64, key);
    }
    uint64_t value = inner_ops()->value(tree, key);
    record_end();
    return value;
}

/* A search has one right answer, and the model knows it. */
static enum status wrap_gap(void *tree, const struct range_gap_request *request, uint64_t *found)
{
    bool noted = record_begin();
    if (noted) {
        uint64_t right = 0;
        enum status expected =
            range_model_gap(&recorder.executor.harness.range.now, request, &right);
        record_call(RECORD_OTHER, 0, true,
                    "gap(T, (struct range_gap_request){.first = %#" PRIx64 ", .last = %#" PRIx64
                    ", .size = %#" PRIx64 ", .align = %#" PRIx64 "%s}, %#" PRIx64,
                    request->first, request->last, request->size, request->align,
                    request->from_above ? ", .from_above = true" : "", right);
        fprintf(recorder.log, "S\t%d\n", (int)expected);
    }
    enum status status = inner_ops()->gap(tree, request, found);
    record_end();
    return status;
}

static void *wrap_enter(void *tree)
{
    if (record_begin()) {
        uint32_t number = recorder.program->ops[record_op()].zone % CASE_SECTIONS;
        record_call(RECORD_OTHER, 0, false, "enter(T, %" PRIu32, number);
    }
    void *section = inner_ops()->enter(tree);
    record_end();
    return section;
}

static void wrap_exit(void *tree, void *section)
{
    if (record_begin()) {
        uint32_t number = recorder.program->ops[record_op()].zone % CASE_SECTIONS;
        record_call(RECORD_OTHER, 0, false, "leave(T, %" PRIu32, number);
    }
    inner_ops()->exit(tree, section);
    record_end();
}

void record_wrap_ranges(struct subject_range_ops *outer)
{
    outer->open = wrap_open;
    outer->store = wrap_store;
    outer->store_empty = wrap_store_empty;
    outer->erase = wrap_erase;
    outer->clear = wrap_clear;
    outer->prepare = wrap_prepare;
    outer->build = wrap_build;
    outer->value = wrap_value;
    outer->gap = wrap_gap;
    outer->enter = wrap_enter;
    outer->exit = wrap_exit;
}
