/* SPDX-License-Identifier: MIT
 *
 * harness_range_read.c: what readers of a map by ranges see: after an operation, within it, and in
 * a section that began before it.
 */
#include "fuzzers/harness_internal.h"

#include <stdio.h>

enum {
    STEPS_ALL = 64,      /* steps of an operation that are all looked at; */
    STEPS_PERIOD = 16,   /* then, every so many */
    SNAPSHOT_KEYS = 256, /* looked up when a section ends */
};

typedef unsigned long long ull;

static uint64_t random_next(struct harness_range *range)
{
    range->random = range->random * 6364136223846793005U + 1442695040888963407U;
    return range->random >> 33;
}

/* A key at the border of one of the ranges of @model. */
static uint64_t random_border(struct harness_range *range, const struct range_model *model)
{
    uint64_t choice = random_next(range);
    if (model->count == 0) {
        return choice;
    }
    const struct range_entry *entry = &model->entries[choice / 4 % model->count];
    uint64_t key = choice % 2 == 0 ? entry->first : entry->last;
    return choice / 2 % 2 == 0 ? key : key + 1;
}

static bool entries_equal(const struct range_entry *a, const struct range_entry *b)
{
    return a->first == b->first && a->last == b->last && a->value == b->value;
}

/* One answer about a range, against the one expected; NULL: none. */
static void check_entry(struct harness *harness, const char *what, uint64_t key, bool there,
                        const struct range_entry *entry, const struct range_entry *expected)
{
    if (there == (expected != NULL) && (!there || entries_equal(entry, expected))) {
        return;
    }
    struct range_entry none = {0};
    const struct range_entry *got = there ? entry : &none;
    const struct range_entry *right = expected != NULL ? expected : &none;
    harness_fail(harness, CHECK_RANGE_LOOKUP,
                 "%s %#llx: %#llx to %#llx has %llu; expected %#llx to %#llx, %llu", what, (ull)key,
                 (ull)got->first, (ull)got->last, (ull)got->value, (ull)right->first,
                 (ull)right->last, (ull)right->value);
}

void harness_range_check_key(struct harness *harness, uint64_t key)
{
    const struct subject_range_ops *ops = harness->subject->range;
    const struct range_model *now = &harness->range.now;
    void *tree = harness->range.tree;
    struct range_entry entry;
    uint64_t value = ops->value(tree, key);
    if (value != range_model_value(now, key)) {
        harness_fail(harness, CHECK_RANGE_LOOKUP, "key %#llx has %llu; expected %llu", (ull)key,
                     (ull)value, (ull)range_model_value(now, key));
    }
    bool there = ops->load(tree, key, &entry);
    check_entry(harness, "load", key, there, &entry, range_model_load(now, key));
    there = ops->next(tree, key, &entry);
    check_entry(harness, "next", key, there, &entry, range_model_next(now, key));
    there = ops->prev(tree, key, &entry);
    check_entry(harness, "prev", key, there, &entry, range_model_prev(now, key));
}

void harness_range_check_all(struct harness *harness)
{
    const struct subject_range_ops *ops = harness->subject->range;
    const struct harness_range *range = &harness->range;
    struct range_entry entry;
    uint64_t key = 0;
    for (uint64_t i = 0; i < range->now.count && !harness_violated(harness); i++) {
        bool there = ops->next(range->tree, key, &entry);
        check_entry(harness, "next", key, there, &entry, &range->now.entries[i]);
        key = range->now.entries[i].last + 1;
    }
    bool ended = range->now.count > 0 && key == 0;
    if (!ended && !harness_violated(harness)) {
        bool there = ops->next(range->tree, key, &entry);
        check_entry(harness, "next", key, there, &entry, NULL);
    }
    uint64_t count = ops->count(range->tree);
    if (count != range->now.count) {
        harness_fail(harness, CHECK_RANGE_LOOKUP, "%llu ranges counted; expected %llu", (ull)count,
                     (ull)range->now.count);
    }
}

/* Whether the present operation leaves this range of before it as it is. */
static bool is_kept(const struct harness_range *range, const struct range_entry *entry)
{
    return entry->last < range->first || entry->first > range->last;
}

/* The next kept range at or behind @key, or NULL. */
static const struct range_entry *kept_next(const struct harness_range *range, uint64_t key)
{
    const struct range_entry *entry = range_model_next(&range->now, key);
    if (entry == NULL || is_kept(range, entry) || range->last == UINT64_MAX) {
        return entry != NULL && is_kept(range, entry) ? entry : NULL;
    }
    entry = range_model_next(&range->now, range->last + 1);
    if (entry != NULL && !is_kept(range, entry)) {
        entry = entry->last == UINT64_MAX ? NULL : range_model_next(&range->now, entry->last + 1);
    }
    return entry;
}

static const struct range_entry *kept_prev(const struct harness_range *range, uint64_t key)
{
    const struct range_entry *entry = range_model_prev(&range->now, key);
    if (entry == NULL || is_kept(range, entry) || range->first == 0) {
        return entry != NULL && is_kept(range, entry) ? entry : NULL;
    }
    entry = range_model_prev(&range->now, range->first - 1);
    if (entry != NULL && !is_kept(range, entry)) {
        entry = entry->first == 0 ? NULL : range_model_prev(&range->now, entry->first - 1);
    }
    return entry;
}

static void fail_reader(struct harness *harness, const char *what, uint64_t key,
                        const struct range_entry *entry)
{
    harness_fail(harness, CHECK_RANGE_READER,
                 "step %llu, %s %#llx: %#llx to %#llx has %llu, neither before nor after",
                 (ull)harness->range.steps, what, (ull)key, (ull)entry->first, (ull)entry->last,
                 (ull)entry->value);
}

/* A range that a reader found is one of before or after. */
static bool is_known(const struct harness_range *range, const struct range_entry *entry)
{
    return range_model_has(&range->now, entry) || range_model_has(&range->next, entry);
}

/* Neighbours: none that is there all the time may be passed over. */
static void check_step_neighbours(struct harness *harness, uint64_t key)
{
    const struct subject_range_ops *ops = harness->subject->range;
    const struct harness_range *range = &harness->range;
    struct range_entry entry = {0};
    bool there = ops->next(range->tree, key, &entry);
    const struct range_entry *kept = kept_next(range, key);
    bool right = there ? is_known(range, &entry) && entry.last >= key &&
                             (kept == NULL || entry.first <= kept->first)
                       : kept == NULL;
    if (!right) {
        fail_reader(harness, "next", key, &entry);
    }
    entry = (struct range_entry){0};
    there = ops->prev(range->tree, key, &entry);
    kept = kept_prev(range, key);
    right = there ? is_known(range, &entry) && entry.first <= key &&
                        (kept == NULL || entry.first >= kept->first)
                  : kept == NULL;
    if (!right) {
        fail_reader(harness, "prev", key, &entry);
    }
}

static void check_step_key(struct harness *harness, uint64_t key)
{
    const struct subject_range_ops *ops = harness->subject->range;
    const struct harness_range *range = &harness->range;
    uint64_t value = ops->value(range->tree, key);
    if (value != range_model_value(&range->now, key) &&
        value != range_model_value(&range->next, key)) {
        fail_reader(harness, "value", key, &(struct range_entry){.value = value});
    }
}

/* A store is seen whole or not at all. */
static void check_step_whole(struct harness *harness)
{
    const struct subject_range_ops *ops = harness->subject->range;
    const struct harness_range *range = &harness->range;
    if (range->storing == 0) {
        return;
    }
    bool low = ops->value(range->tree, range->first) == range->storing;
    bool high = ops->value(range->tree, range->last) == range->storing;
    if (low != high) {
        harness_fail(harness, CHECK_RANGE_READER,
                     "step %llu: %llu is stored at %#llx, not at %#llx", (ull)range->steps,
                     (ull)range->storing, (ull)(low ? range->first : range->last),
                     (ull)(low ? range->last : range->first));
    }
}

void harness_range_step(void *context)
{
    struct harness *harness = context;
    struct harness_range *range = &harness->range;
    uint64_t first = range->first;
    uint64_t last = range->last;
    if (!range->writing || harness_violated(harness)) {
        return;
    }
    range->steps++;
    if (range->steps > STEPS_ALL && range->steps % STEPS_PERIOD != 0) {
        return;
    }
    const uint64_t keys[] = {
        first,
        last,
        first - 1,
        last + 1,
        random_border(range, &range->now),
        random_border(range, &range->next),
    };
    enum { KEYS = sizeof(keys) / sizeof(keys[0]) };
    for (unsigned i = 0; i < KEYS; i++) {
        check_step_key(harness, keys[i]);
    }
    check_step_whole(harness);
    check_step_neighbours(harness, keys[range->steps % KEYS]);
    check_step_neighbours(harness, keys[KEYS - 1]);
}

/* A value that @key had at some time since the section began. */
static bool was_value(const struct harness_range *range, const struct harness_section *section,
                      uint64_t key, uint64_t value)
{
    bool was = range_model_value(&section->then, key) == value;
    for (uint64_t i = section->changes; i < range->changes_count && !was; i++) {
        const struct range_entry *change = &range->changes[i];
        was = change->first <= key && key <= change->last && change->value == value;
    }
    return was;
}

static void check_section_key(struct harness *harness, const struct harness_section *section,
                              uint64_t key)
{
    const struct harness_range *range = &harness->range;
    uint64_t value = harness->subject->range->root_value(range->tree, section->root, key);
    if (!was_value(range, section, key, value)) {
        harness_fail(harness, CHECK_RANGE_SNAPSHOT,
                     "a reader since change %llu finds %llu at %#llx, which was never there",
                     (ull)section->changes, (ull)value, (ull)key);
    }
}

void harness_range_check_sections(struct harness *harness)
{
    struct harness_range *range = &harness->range;
    for (unsigned slot = 0; slot < CASE_SECTIONS; slot++) {
        const struct harness_section *section = &range->sections[slot];
        if (section->handle != NULL && section->root != 0 && !harness_violated(harness)) {
            check_section_key(harness, section, range->first);
            check_section_key(harness, section, range->last + 1);
            check_section_key(harness, section, random_border(range, &section->then));
            check_section_key(harness, section, random_border(range, &section->then));
        }
    }
}

void harness_range_check_section_end(struct harness *harness, const struct harness_section *section)
{
    uint64_t count = section->then.count;
    uint64_t stride = count / SNAPSHOT_KEYS + 1;
    for (uint64_t i = 0; i < count && !harness_violated(harness); i += stride) {
        const struct range_entry *entry = &section->then.entries[i];
        check_section_key(harness, section, entry->first);
        check_section_key(harness, section, entry->last);
    }
}

void harness_range_validate(struct harness *harness)
{
    struct violation violation;
    const struct harness_range *range = &harness->range;
    if (range->tree == NULL || harness_violated(harness)) {
        return;
    }
    if (!harness->subject->range->validate(range->tree, &violation)) {
        harness_fail_invariant(harness, "", "key", &violation);
        return;
    }
    harness_range_check_all(harness);
}
