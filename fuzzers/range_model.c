/* SPDX-License-Identifier: MIT */
#include "fuzzers/range_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void range_model_clear_all(struct range_model *model)
{
    model->count = 0;
}

void range_model_close(struct range_model *model)
{
    free(model->entries);
    *model = (struct range_model){0};
}

static void reserve(struct range_model *model, uint64_t count)
{
    if (count <= model->capacity) {
        return;
    }
    model->capacity = count * 2;
    model->entries = realloc(model->entries, model->capacity * sizeof(*model->entries));
    if (model->entries == NULL) {
        fprintf(stderr, "potad: no memory for %llu ranges\n", (unsigned long long)count);
        abort();
    }
}

void range_model_copy(struct range_model *to, const struct range_model *from)
{
    reserve(to, from->count);
    to->count = from->count;
    if (from->count > 0) {
        memcpy(to->entries, from->entries, from->count * sizeof(*from->entries));
    }
}

uint64_t range_model_find(const struct range_model *model, uint64_t key)
{
    uint64_t low = 0;
    uint64_t high = model->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (model->entries[middle].last < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Puts @with (at most 3 entries) in place of those from @begin to before @end. */
static void replace(struct range_model *model, uint64_t begin, uint64_t end,
                    const struct range_entry *with, uint64_t count)
{
    uint64_t behind = model->count - end;
    reserve(model, begin + count + behind);
    if (behind > 0) {
        memmove(model->entries + begin + count, model->entries + end,
                behind * sizeof(*model->entries));
    }
    for (uint64_t i = 0; i < count; i++) {
        model->entries[begin + i] = with[i];
    }
    model->count = begin + count + behind;
}

/* Clears, and stores where @value is not 0. */
static void put(struct range_model *model, uint64_t first, uint64_t last, uint64_t value)
{
    struct range_entry with[3];
    uint64_t count = 0;
    uint64_t begin = range_model_find(model, first);
    uint64_t end = begin;
    while (end < model->count && model->entries[end].first <= last) {
        end++;
    }
    if (end > begin && model->entries[begin].first < first) {
        with[count] = model->entries[begin];
        with[count++].last = first - 1;
    }
    if (value != 0) {
        with[count++] = (struct range_entry){first, last, value};
    }
    if (end > begin && model->entries[end - 1].last > last) {
        with[count] = model->entries[end - 1];
        with[count++].first = last + 1;
    }
    replace(model, begin, end, with, count);
}

void range_model_clear(struct range_model *model, uint64_t first, uint64_t last)
{
    put(model, first, last, 0);
}

void range_model_store(struct range_model *model, uint64_t first, uint64_t last, uint64_t value)
{
    put(model, first, last, value);
}

const struct range_entry *range_model_next(const struct range_model *model, uint64_t key)
{
    uint64_t index = range_model_find(model, key);
    return index < model->count ? &model->entries[index] : NULL;
}

const struct range_entry *range_model_load(const struct range_model *model, uint64_t key)
{
    const struct range_entry *entry = range_model_next(model, key);
    return entry != NULL && entry->first <= key ? entry : NULL;
}

uint64_t range_model_value(const struct range_model *model, uint64_t key)
{
    const struct range_entry *entry = range_model_load(model, key);
    return entry == NULL ? 0 : entry->value;
}

const struct range_entry *range_model_prev(const struct range_model *model, uint64_t key)
{
    uint64_t index = range_model_find(model, key);
    if (index < model->count && model->entries[index].first <= key) {
        return &model->entries[index];
    }
    return index > 0 ? &model->entries[index - 1] : NULL;
}

bool range_model_cuts(const struct range_model *model, uint64_t first, uint64_t last)
{
    const struct range_entry *left = range_model_load(model, first);
    const struct range_entry *right = range_model_load(model, last);
    return (left != NULL && left->first < first) || (right != NULL && right->last > last);
}

bool range_model_has(const struct range_model *model, const struct range_entry *entry)
{
    const struct range_entry *own = range_model_load(model, entry->first);
    return own != NULL && own->first == entry->first && own->last == entry->last &&
           own->value == entry->value;
}

/* The place of @request among the keys from @first to @last, all without a value. */
static bool place_in(const struct range_gap_request *request, uint64_t first, uint64_t last,
                     uint64_t *found)
{
    uint64_t low = first > request->first ? first : request->first;
    uint64_t high = last < request->last ? last : request->last;
    if (low > high || high - low < request->size - 1) {
        return false;
    }
    uint64_t latest = high - (request->size - 1);
    uint64_t down = latest - latest % request->align;
    uint64_t over = low % request->align == 0 ? 0 : request->align - low % request->align;
    *found = request->from_above ? down : low + over;
    return request->from_above ? down >= low : over <= latest - low;
}

enum status range_model_gap(const struct range_model *model,
                            const struct range_gap_request *request, uint64_t *found)
{
    enum status status = STATUS_NOT_FOUND;
    uint64_t place = 0;
    uint64_t first = 0;
    bool all = false; /* the last range ends with the last key */
    if (request->size == 0 || request->first > request->last || request->align == 0 ||
        (request->align & (request->align - 1)) != 0) {
        return STATUS_INVALID;
    }
    for (uint64_t i = 0; i <= model->count && !all; i++) {
        bool tail = i == model->count;
        uint64_t end = tail ? UINT64_MAX : model->entries[i].first;
        bool gap = tail || first < end;
        bool fits = gap && place_in(request, first, tail ? end : end - 1, &place);
        if (fits && (request->from_above || status == STATUS_NOT_FOUND)) {
            *found = place;
            status = STATUS_OK;
        }
        if (!tail) {
            all = model->entries[i].last == UINT64_MAX;
            first = model->entries[i].last + 1;
        }
    }
    return status;
}
