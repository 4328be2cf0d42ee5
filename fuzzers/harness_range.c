/* SPDX-License-Identifier: MIT
 *
 * harness_range.c: operations on a map by ranges; harness_range_read.c looks at what they made.
 */
#include "fuzzers/harness_range.h"

#include "fuzzers/harness_internal.h"

#include <stdlib.h>
#include <string.h>

/* No excuse for a failure: so many frames for nodes, and for slabs of descriptors. */
enum { NODES_OF_STORE = 32, NODES_OF_FRAME = 16, RANGE_SLACK_FRAMES = 16 };

/* One operation that writes. */
struct range_op {
    const char *name;
    enum status expected; /* where there is memory */
    bool promised;        /* prepared: needs none */
    bool must;            /* there is enough */
    uint64_t objects;     /* in use in caches before it */
};

typedef unsigned long long ull;

static bool has_room(const struct harness *harness, uint64_t nodes)
{
    return harness_metadata_room(harness) >= nodes / NODES_OF_FRAME + RANGE_SLACK_FRAMES;
}

static uint64_t objects_live(struct harness *harness)
{
    struct subject_stats stats = {0};
    if ((harness->subject->capabilities & SUBJECT_COUNTERS) != 0) {
        harness->subject->stats(harness->instance, &stats);
    }
    return stats.cache_objects_live;
}

/* A failed operation leaves the map as it was, and no node in its hands (F1). What the allocator
 * has made to serve it so far, slabs of descriptors, it may keep: each node was a call of its own.
 */
static void check_undone(struct harness *harness, const struct range_op *op)
{
    uint64_t objects = objects_live(harness);
    harness->unchanged = true;
    if (objects != op->objects) {
        harness_fail(harness, CHECK_FAILURE_STATE,
                     "range-%s failed, and %llu nodes are in use; before, %llu were", op->name,
                     (ull)objects, (ull)op->objects);
    }
    harness_range_check_all(harness);
}

/* Begins an operation on the keys from @first to @last, which takes @nodes nodes at most. Context:
 * range->next is what it makes of the map. */
static struct range_op op_begin(struct harness *harness, const char *name, enum status expected,
                                uint64_t first, uint64_t last, uint64_t nodes)
{
    struct harness_range *range = &harness->range;
    harness->operations++;
    range->first = first;
    range->last = last;
    range->steps = 0;
    range->writing = true;
    return (struct range_op){
        .name = name,
        .expected = expected,
        .must = has_room(harness, nodes),
        .objects = objects_live(harness),
    };
}

/* Remembers for readers in sections what the present operation changes. */
static void note_change(struct harness_range *range, uint64_t first, uint64_t last, uint64_t value)
{
    if (range->sections_open == 0) {
        return;
    }
    if (range->changes_count == range->changes_capacity) {
        range->changes_capacity = 2 * range->changes_capacity + 64;
        range->changes = realloc(range->changes, range->changes_capacity * sizeof(*range->changes));
        if (range->changes == NULL) {
            abort();
        }
    }
    range->changes[range->changes_count++] = (struct range_entry){first, last, value};
}

/* The operation was done: the model after it is the one. */
static void adopt(struct harness_range *range)
{
    struct range_model before = range->now;
    range->now = range->next;
    range->next = before;
}

/* Compares with what was expected. Return: whether the operation was done. */
static bool op_end(struct harness *harness, const struct range_op *op, enum status status)
{
    struct harness_range *range = &harness->range;
    bool starved = status == STATUS_NO_MEMORY && op->expected == STATUS_OK;
    bool done = status == STATUS_OK;
    range->writing = false;
    if (!starved && status != op->expected) {
        harness_fail(harness, CHECK_STATUS, "range-%s answers %d; expected %d", op->name,
                     (int)status, (int)op->expected);
        return false;
    }
    if (starved && op->promised) {
        harness_fail(harness, CHECK_RANGE_PREPARED, "range-%s answers %d, with %llu prepared",
                     op->name, (int)status, (ull)range->prepared);
    } else if (starved && op->must && harness->fault.fired == 0) {
        harness_fail(harness, CHECK_SPURIOUS, "range-%s answers %d with memory for nodes", op->name,
                     (int)status);
    }
    if (done) {
        adopt(range);
    }
    harness_settle(harness);
    if (starved) {
        check_undone(harness, op);
    }
    harness_range_check_key(harness, range->first);
    harness_range_check_key(harness, range->last);
    harness_range_check_key(harness, range->last + 1);
    return done && !harness_violated(harness);
}

bool harness_range_open(struct harness *harness)
{
    struct harness_range *range = &harness->range;
    if (range->tree != NULL) {
        return true;
    }
    struct before before = harness_remember(harness);
    bool must = has_room(harness, 0);
    harness->operations++;
    enum status status =
        harness->subject->range->open(harness->instance, harness_range_step, harness, &range->tree);
    if (status != STATUS_OK) {
        range->tree = NULL;
        if (status != STATUS_NO_MEMORY || (must && harness->fault.fired == 0)) {
            harness_fail(harness, CHECK_STATUS, "opening a range tree answers %d", (int)status);
        }
        harness_check_unchanged(harness, &before);
    }
    harness_settle(harness);
    return range->tree != NULL && !harness_violated(harness);
}

void harness_range_close(struct harness *harness)
{
    struct harness_range *range = &harness->range;
    for (unsigned slot = 0; slot < CASE_SECTIONS; slot++) {
        if (range->sections[slot].handle != NULL && !harness_violated(harness)) {
            harness_range_exit(harness, slot);
        }
    }
    if (range->tree == NULL || harness_violated(harness)) {
        return;
    }
    harness_range_clear(harness, 0, UINT64_MAX);
    if (harness_violated(harness)) {
        return;
    }
    harness->freeing = true;
    enum status status = harness->subject->range->close(range->tree);
    harness->freeing = false;
    range->tree = NULL;
    if (status != STATUS_OK) {
        harness_fail(harness, CHECK_STATUS, "closing a range tree answers %d", (int)status);
    }
    harness_settle(harness);
}

/* A prepared store asks for nothing: what it could ask for fails. */
static void withhold_nodes(struct harness *harness)
{
    const struct case_op fails = {.op = (uint8_t)harness->fault.op,
                                  .site = FAULT_RANGE_NODE,
                                  .nth = 1,
                                  .mode = FAULT_PERSISTENT};
    if (harness->range.prepared > 0 && harness->fault.nth == 0) {
        fault_arm(&harness->fault, &fails);
    }
}

/* What is to be done when a call that prepared stores are for has ended. */
static void store_done(struct harness *harness, uint64_t first, uint64_t last, uint64_t value)
{
    struct harness_range *range = &harness->range;
    note_change(range, first, last, value);
    range->prepared -= range->prepared > 0 ? 1 : 0;
}

void harness_range_store(struct harness *harness, uint64_t first, uint64_t last, bool only_empty)
{
    const struct subject_range_ops *ops = harness->subject->range;
    struct harness_range *range = &harness->range;
    enum status expected = first > last ? STATUS_INVALID : STATUS_OK;
    uint64_t value = ++range->serial;
    withhold_nodes(harness);
    range_model_copy(&range->next, &range->now);
    if (expected == STATUS_OK) {
        const struct range_entry *there = range_model_next(&range->now, first);
        bool taken = there != NULL && there->first <= last;
        expected = only_empty && taken ? STATUS_EXISTS : STATUS_OK;
        range_model_store(&range->next, first, last, value);
    }
    struct range_op op = op_begin(harness, only_empty ? "store-empty" : "store", expected, first,
                                  last, NODES_OF_STORE);
    op.promised = range->prepared > 0;
    range->storing = expected == STATUS_OK ? value : 0;
    enum status status =
        (only_empty ? ops->store_empty : ops->store)(range->tree, first, last, value);
    range->storing = 0;
    if (op_end(harness, &op, status)) {
        store_done(harness, first, last, value);
    }
    harness_range_check_sections(harness);
}

void harness_range_clear(struct harness *harness, uint64_t first, uint64_t last)
{
    struct harness_range *range = &harness->range;
    bool valid = first <= last;
    bool cuts = valid && range_model_cuts(&range->now, first, last);
    withhold_nodes(harness);
    range_model_copy(&range->next, &range->now);
    if (valid) {
        range_model_clear(&range->next, first, last);
    }
    struct range_op op =
        op_begin(harness, "clear", valid ? STATUS_OK : STATUS_INVALID, first, last, NODES_OF_STORE);
    /* Whole ranges are erased: that needs no memory, ever (A3). */
    op.promised = range->prepared > 0;
    harness->freeing = !cuts;
    enum status status = harness->subject->range->clear(range->tree, first, last);
    harness->freeing = false;
    op.must = op.must || !cuts;
    if (op_end(harness, &op, status)) {
        store_done(harness, first, last, 0);
    }
    harness_range_check_sections(harness);
}

void harness_range_erase(struct harness *harness, uint64_t key)
{
    struct harness_range *range = &harness->range;
    const struct range_entry *there = range_model_load(&range->now, key);
    struct range_entry expected = there == NULL ? (struct range_entry){key, key, 0} : *there;
    struct range_entry erased = expected;
    range_model_copy(&range->next, &range->now);
    range_model_clear(&range->next, expected.first, expected.last);
    struct range_op op = op_begin(harness, "erase", STATUS_OK, expected.first, expected.last, 0);
    harness->freeing = true;
    bool was = harness->subject->range->erase(range->tree, key, &erased);
    harness->freeing = false;
    if (was != (expected.value != 0) || memcmp(&erased, &expected, sizeof(erased)) != 0) {
        harness_fail(harness, CHECK_RANGE_LOOKUP,
                     "erase %#llx: %#llx to %#llx had %llu; expected %#llx to %#llx, %llu",
                     (ull)key, (ull)erased.first, (ull)erased.last, was ? (ull)erased.value : 0,
                     (ull)expected.first, (ull)expected.last, (ull)expected.value);
    }
    if (op_end(harness, &op, STATUS_OK)) {
        note_change(range, expected.first, expected.last, 0);
    }
    harness_range_check_sections(harness);
}

void harness_range_load(struct harness *harness, uint64_t key)
{
    harness->operations++;
    harness_range_check_key(harness, key);
    harness_range_check_key(harness, key - 1);
    harness_range_check_key(harness, key + 1);
}

void harness_range_gap(struct harness *harness, const struct range_gap_request *request)
{
    struct harness_range *range = &harness->range;
    uint64_t found = 0;
    uint64_t right = 0;
    harness->operations++;
    enum status status = harness->subject->range->gap(range->tree, request, &found);
    enum status expected = range_model_gap(&range->now, request, &right);
    if (status != expected || found != right) {
        harness_fail(harness, CHECK_GAP_SEARCH,
                     "gap of %#llx keys, aligned to %#llx, in %#llx to %#llx: answers %d, %#llx; "
                     "expected %d, %#llx",
                     (ull)request->size, (ull)request->align, (ull)request->first,
                     (ull)request->last, (int)status, (ull)found, (int)expected, (ull)right);
    }
}

void harness_range_prepare(struct harness *harness, uint64_t stores)
{
    struct harness_range *range = &harness->range;
    range_model_copy(&range->next, &range->now);
    struct range_op op = op_begin(harness, "prepare", STATUS_OK, 0, 0, stores * NODES_OF_STORE);
    if (op_end(harness, &op, harness->subject->range->prepare(range->tree, stores))) {
        range->prepared = stores;
    }
}

static bool entries_are_valid(const struct range_entry *entries, uint64_t count)
{
    bool valid = true;
    for (uint64_t i = 0; i < count; i++) {
        bool apart = i == 0 || entries[i].first > entries[i - 1].last;
        valid = valid && apart && entries[i].first <= entries[i].last && entries[i].value != 0;
    }
    return valid;
}

void harness_range_build(struct harness *harness, struct range_entry *entries, uint64_t count)
{
    struct harness_range *range = &harness->range;
    enum status expected = STATUS_OK;
    for (uint64_t i = 0; i < count; i++) {
        entries[i].value = entries[i].value != 0 ? ++range->serial : 0;
    }
    if (range->now.count > 0) {
        expected = STATUS_BUSY;
    } else if (!entries_are_valid(entries, count)) {
        expected = STATUS_INVALID;
    }
    range_model_copy(&range->next, &range->now);
    for (uint64_t i = 0; i < count && expected == STATUS_OK; i++) {
        range_model_store(&range->next, entries[i].first, entries[i].last, entries[i].value);
    }
    struct range_op op = op_begin(harness, "build", expected, 0, UINT64_MAX,
                                  count + (range->prepared + 1) * NODES_OF_STORE);
    enum status status = harness->subject->range->build(range->tree, entries, count);
    if (op_end(harness, &op, status)) {
        for (uint64_t i = 0; i < count; i++) {
            note_change(range, entries[i].first, entries[i].last, entries[i].value);
        }
    }
    harness_range_check_sections(harness);
}

void harness_range_enter(struct harness *harness, unsigned slot)
{
    const struct subject_range_ops *ops = harness->subject->range;
    struct harness_range *range = &harness->range;
    struct harness_section *section = &range->sections[slot];
    harness->operations++;
    if (section->handle != NULL) {
        return;
    }
    range->changes_count = range->sections_open == 0 ? 0 : range->changes_count;
    section->handle = ops->enter(range->tree);
    section->root = ops->root(range->tree);
    section->changes = range->changes_count;
    range_model_copy(&section->then, &range->now);
    range->sections_open++;
}

void harness_range_exit(struct harness *harness, unsigned slot)
{
    struct harness_range *range = &harness->range;
    struct harness_section *section = &range->sections[slot];
    harness->operations++;
    if (section->handle == NULL) {
        return;
    }
    if (section->root != 0) {
        harness_range_check_section_end(harness, section);
    }
    harness->subject->range->exit(range->tree, section->handle);
    section->handle = NULL;
    range->sections_open--;
}

void harness_range_reset(struct harness_range *range)
{
    range->tree = NULL;
    range_model_clear_all(&range->now);
    for (unsigned slot = 0; slot < CASE_SECTIONS; slot++) {
        range->sections[slot].handle = NULL;
    }
    range->sections_open = 0;
    range->changes_count = 0;
    range->writing = false;
    range->prepared = 0;
    range->serial = 0;
    range->random = 0;
}

void harness_range_free(struct harness_range *range)
{
    range_model_close(&range->now);
    range_model_close(&range->next);
    for (unsigned slot = 0; slot < CASE_SECTIONS; slot++) {
        range_model_close(&range->sections[slot].then);
    }
    free(range->changes);
}
