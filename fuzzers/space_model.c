/* SPDX-License-Identifier: MIT */
#include "fuzzers/space_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void space_model_reset(struct space_model *model)
{
    model->units.count = 0;
    model->free.count = 0;
    memset(model->blocks, 0, sizeof(model->blocks));
}

void space_model_free(struct space_model *model)
{
    free(model->units.runs);
    free(model->free.runs);
    *model = (struct space_model){0};
}

/* Index of the first run that ends at or behind @unit. */
static uint64_t find_run(const struct space_runs *runs, uint64_t unit)
{
    uint64_t from = 0;
    uint64_t to = runs->count;
    while (from < to) {
        uint64_t middle = (from + to) / 2;
        if (runs->runs[middle].last < unit) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

/* Whether one run has all units from @first to @last; its index is @at. */
static bool runs_cover(const struct space_runs *runs, uint64_t first, uint64_t last, uint64_t *at)
{
    *at = find_run(runs, first);
    return *at < runs->count && runs->runs[*at].first <= first && runs->runs[*at].last >= last;
}

static void insert_run(struct space_runs *runs, uint64_t at, struct space_run run)
{
    if (runs->count == runs->capacity) {
        runs->capacity = 2 * runs->capacity + 16;
        runs->runs = realloc(runs->runs, runs->capacity * sizeof(*runs->runs));
        if (runs->runs == NULL) {
            fprintf(stderr, "potad: no memory for the model of a space\n");
            abort();
        }
    }
    memmove(&runs->runs[at + 1], &runs->runs[at], (runs->count - at) * sizeof(*runs->runs));
    runs->runs[at] = run;
    runs->count++;
}

static void remove_run(struct space_runs *runs, uint64_t at)
{
    runs->count--;
    memmove(&runs->runs[at], &runs->runs[at + 1], (runs->count - at) * sizeof(*runs->runs));
}

/* The largest aligned block that starts with @unit and ends at or before @last. */
static order_t order_within(uint64_t unit, uint64_t last)
{
    order_t order = 0;
    while (order + 1 < ORDERS) {
        uint64_t more =
            ((uint64_t)2 << order) - 1; /* behind the first, in a block twice as large */
        if ((unit & more) != 0 || last - unit < more) {
            break;
        }
        order++;
    }
    return order;
}

/* Counts the blocks of one free run in, or out. */
static void count_run(struct space_model *model, struct space_run run, bool in)
{
    uint64_t unit = run.first;
    for (;;) {
        order_t order = order_within(unit, run.last);
        uint64_t more = ((uint64_t)1 << order) - 1;
        model->blocks[order] += in ? 1 : UINT64_MAX;
        if (run.last - unit == more) {
            return;
        }
        unit += more + 1;
    }
}

void space_model_release(struct space_model *model, uint64_t first, uint64_t last)
{
    struct space_runs *runs = &model->free;
    struct space_run run = {first, last};
    uint64_t at = find_run(runs, first);
    if (at > 0 && runs->runs[at - 1].last + 1 == first) {
        at--;
        run.first = runs->runs[at].first;
        count_run(model, runs->runs[at], false);
        remove_run(runs, at);
    }
    if (at < runs->count && runs->runs[at].first == last + 1) {
        run.last = runs->runs[at].last;
        count_run(model, runs->runs[at], false);
        remove_run(runs, at);
    }
    insert_run(runs, at, run);
    count_run(model, run, true);
}

void space_model_allocate(struct space_model *model, uint64_t first, uint64_t last)
{
    struct space_runs *runs = &model->free;
    uint64_t at = find_run(runs, first);
    struct space_run run = runs->runs[at];
    count_run(model, run, false);
    remove_run(runs, at);
    if (run.last > last) {
        insert_run(runs, at, (struct space_run){last + 1, run.last});
        count_run(model, runs->runs[at], true);
    }
    if (run.first < first) {
        insert_run(runs, at, (struct space_run){run.first, first - 1});
        count_run(model, runs->runs[at], true);
    }
}

void space_model_add(struct space_model *model, uint64_t first, uint64_t last)
{
    struct space_runs *units = &model->units;
    if (units->count > 0 && units->runs[units->count - 1].last + 1 == first) {
        units->runs[units->count - 1].last = last;
    } else {
        insert_run(units, units->count, (struct space_run){first, last});
    }
    space_model_release(model, first, last);
}

bool space_model_exists(const struct space_model *model, uint64_t unit)
{
    uint64_t at;
    return runs_cover(&model->units, unit, unit, &at);
}

bool space_model_is_free(const struct space_model *model, uint64_t first, uint64_t last)
{
    uint64_t at;
    return runs_cover(&model->free, first, last, &at);
}

bool space_model_has_run(const struct space_model *model, uint64_t units, order_t align,
                         struct space_run limits)
{
    uint64_t mask = ((uint64_t)1 << align) - 1;
    for (uint64_t i = 0; i < model->free.count; i++) {
        const struct space_run *run = &model->free.runs[i];
        uint64_t first = run->first > limits.first ? run->first : limits.first;
        uint64_t last = run->last < limits.last ? run->last : limits.last;
        uint64_t start = (first + mask) & ~mask; /* before @first, where the numbers end */
        if (start >= first && start <= last && last - start >= units - 1) {
            return true;
        }
    }
    return false;
}

struct space_model_block space_model_block_at(const struct space_model *model, uint64_t unit)
{
    struct space_run run = model->free.runs[find_run(&model->free, unit)];
    uint64_t first = run.first;
    for (;;) {
        order_t order = order_within(first, run.last);
        uint64_t more = ((uint64_t)1 << order) - 1;
        if (unit - first <= more) {
            return (struct space_model_block){first, order};
        }
        first += more + 1;
    }
}

order_t space_model_smallest(const struct space_model *model, order_t order)
{
    while (order < ORDERS && model->blocks[order] == 0) {
        order++;
    }
    return order;
}

uint64_t space_model_blocks(const struct space_model *model)
{
    uint64_t blocks = 0;
    for (order_t order = 0; order < ORDERS; order++) {
        blocks += model->blocks[order];
    }
    return blocks;
}
