/* SPDX-License-Identifier: MIT */
#include "fuzzers/show/trace_page.h"

#include "fuzzers/json_text.h"
#include "fuzzers/potad_case.h"
#include "fuzzers/run_trace.h"
#include "fuzzers/show/page.h"
#include "fuzzers/show/snapshot.h"

#include <stdlib.h>
#include <string.h>

/* A page block that is in use, at least a part of it. */
struct used_block {
    uint64_t number; /* frame over frames */
    uint32_t frames[LOOKS];
};

/* Memory at one time. */
struct sample {
    uint64_t events;
    struct used_block *used; /* ascending */
    uint32_t used_count;
    uint64_t free_blocks[ORDERS];
    uint64_t frames_of[LOOKS];
};

struct sampler {
    struct boot_map map;
    order_t block_order;
    uint64_t events; /* so far */
    uint64_t stride; /* events between samples */
    uint32_t count;
    bool started;
    struct sample samples[TRACE_SAMPLES_MAX + 1]; /* one more for the end */
    struct span_list spans;
};

/* Page blocks in a row, as far as they have ever been in use: what one line of the page shows. */
struct row {
    uint64_t first;
    uint64_t last;
    uint64_t blocks; /* of them that have */
};

static bool is_free(unsigned look)
{
    return look == LOOK_FREE || look == LOOK_KEPT || look == LOOK_CMA || look == LOOK_UNACCEPTED;
}

/* What comes and goes: not what is free, or the boot's for good. */
static bool is_used(unsigned look)
{
    return !is_free(look) && look != LOOK_HOLE && look != LOOK_BOOT;
}

static struct used_block *block_add(struct sample *sample, uint64_t number)
{
    uint32_t count = sample->used_count;
    if (count > 0 && sample->used[count - 1].number == number) {
        return &sample->used[count - 1];
    }
    if ((count & (count - 1)) == 0) {
        uint32_t room = count == 0 ? 1 : 2 * count;
        sample->used = realloc(sample->used, room * sizeof(*sample->used));
        if (sample->used == NULL) {
            abort();
        }
    }
    sample->used[count] = (struct used_block){.number = number};
    sample->used_count++;
    return &sample->used[count];
}

static void add_used(struct sample *sample, const struct shown_span *span, order_t order)
{
    pfn_t end = span->pfn + span->frames;
    for (pfn_t pfn = span->pfn; pfn < end;) {
        pfn_t stop = ((pfn >> order) + 1) << order;
        stop = stop < end ? stop : end;
        block_add(sample, pfn >> order)->frames[span->look] += (uint32_t)(stop - pfn);
        pfn = stop;
    }
}

static void take_sample(struct sampler *sampler, struct harness *harness, struct sample *sample)
{
    *sample = (struct sample){.events = sampler->events};
    snapshot_spans(harness, &sampler->spans);
    for (uint32_t i = 0; i < sampler->spans.count; i++) {
        const struct shown_span *span = &sampler->spans.spans[i];
        sample->frames_of[span->look] += span->frames;
        if (is_free(span->look)) {
            sample->free_blocks[span->order]++;
        } else if (is_used(span->look)) {
            add_used(sample, span, sampler->block_order);
        }
    }
}

/* How many events there will be is not known: where samples are too many, every other one goes. */
static void thin_out(struct sampler *sampler)
{
    for (size_t i = 0; i < TRACE_SAMPLES_MAX / 2; i++) {
        free(sampler->samples[2 * i + 1].used);
        sampler->samples[i] = sampler->samples[2 * i];
    }
    sampler->count = TRACE_SAMPLES_MAX / 2;
    sampler->stride *= 2;
}

/* @context: a struct sampler. */
static void watch(void *context, struct harness *harness, bool ended)
{
    struct sampler *sampler = context;
    if (!sampler->started) {
        order_t order = harness->model.map.pageblock_order;
        sampler->map = harness->model.map;
        sampler->block_order = order != 0 ? order : PAGEBLOCK_ORDER;
        sampler->started = true;
    }
    if (!ended && sampler->count == TRACE_SAMPLES_MAX) {
        thin_out(sampler);
    }
    if (ended || sampler->events % sampler->stride == 0) {
        take_sample(sampler, harness, &sampler->samples[sampler->count++]);
    }
    sampler->events += ended ? 0 : 1;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* The page blocks that have ever been in use, ascending. */
static uint64_t *all_blocks(const struct sampler *sampler, uint64_t *count)
{
    uint64_t all = 0;
    uint64_t kept = 0;
    for (uint32_t i = 0; i < sampler->count; i++) {
        all += sampler->samples[i].used_count;
    }
    uint64_t *numbers = malloc((all + 1) * sizeof(*numbers));
    if (numbers == NULL) {
        abort();
    }
    all = 0;
    for (uint32_t i = 0; i < sampler->count; i++) {
        for (uint32_t j = 0; j < sampler->samples[i].used_count; j++) {
            numbers[all++] = sampler->samples[i].used[j].number;
        }
    }
    qsort(numbers, all, sizeof(*numbers), compare_numbers);
    for (uint64_t i = 0; i < all; i++) {
        if (kept == 0 || numbers[i] != numbers[kept - 1]) {
            numbers[kept++] = numbers[i];
        }
    }
    *count = kept;
    return numbers;
}

static uint32_t make_rows(const struct sampler *sampler, struct row rows[TRACE_ROWS_MAX])
{
    uint64_t count;
    uint64_t *numbers = all_blocks(sampler, &count);
    uint64_t each = (count + TRACE_ROWS_MAX - 1) / TRACE_ROWS_MAX;
    uint32_t made = 0;
    for (uint64_t i = 0; i < count; i += each) {
        uint64_t end = i + each < count ? i + each : count;
        rows[made++] =
            (struct row){.first = numbers[i], .last = numbers[end - 1], .blocks = end - i};
    }
    free(numbers);
    return made;
}

/* Frames in use of each row, and what most of these are: two numbers a row. */
static json_t *tell_used(const struct sample *sample, const struct row *rows, uint32_t count)
{
    json_t *list = json_array();
    uint32_t at = 0;
    for (uint32_t row = 0; row < count; row++) {
        uint64_t frames[LOOKS] = {0};
        uint64_t used = 0;
        unsigned most = 0;
        for (; at < sample->used_count && sample->used[at].number <= rows[row].last; at++) {
            for (unsigned look = 0; look < LOOKS; look++) {
                frames[look] += sample->used[at].frames[look];
            }
        }
        for (unsigned look = 0; look < LOOKS; look++) {
            used += frames[look];
            most = frames[look] > frames[most] ? look : most;
        }
        json_array_append_new(list, json_integer((json_int_t)used));
        json_array_append_new(list, json_integer((json_int_t)most));
    }
    return list;
}

static json_t *numbers(const uint64_t *values, unsigned count)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++) {
        json_array_append_new(list, json_integer((json_int_t)values[i]));
    }
    return list;
}

static unsigned orders_used(const struct sampler *sampler)
{
    unsigned orders = 1;
    for (uint32_t i = 0; i < sampler->count; i++) {
        for (unsigned order = orders; order < ORDERS; order++) {
            orders = sampler->samples[i].free_blocks[order] > 0 ? order + 1 : orders;
        }
    }
    return orders;
}

static json_t *tell(const struct sampler *sampler, const char *path, const char *subject)
{
    struct row rows[TRACE_ROWS_MAX];
    uint32_t rows_count = make_rows(sampler, rows);
    unsigned orders = orders_used(sampler);
    const json_int_t block_frames = (json_int_t)order_frames(sampler->block_order);
    uint64_t frames = 0;
    json_t *samples = json_array();
    json_t *told_rows = json_array();
    for (uint32_t i = 0; i < sampler->count; i++) {
        const struct sample *sample = &sampler->samples[i];
        json_array_append_new(samples,
                              json_pack("{s:I,s:o,s:o,s:o}", "events", (json_int_t)sample->events,
                                        "used", tell_used(sample, rows, rows_count), "free",
                                        numbers(sample->free_blocks, orders), "of",
                                        numbers(sample->frames_of, LOOKS)));
    }
    for (uint32_t i = 0; i < rows_count; i++) {
        json_array_append_new(told_rows,
                              json_pack("[I,I,I]", (json_int_t)rows[i].first * block_frames,
                                        (json_int_t)(rows[i].last + 1) * block_frames,
                                        (json_int_t)rows[i].blocks * block_frames));
    }
    for (uint32_t i = 0; i < sampler->map.ranges_count; i++) {
        frames += sampler->map.ranges[i].frames;
    }
    return json_pack(
        "{s:o,s:s,s:I,s:I,s:I,s:o,s:o,s:o}", "file", json_text(path), "subject", subject, "frames",
        (json_int_t)frames, "pageblock", (json_int_t)order_frames(sampler->block_order), "events",
        (json_int_t)sampler->events, "rows", told_rows, "samples", samples, "looks", page_looks());
}

int trace_page_data(const char *path, const struct subject *subject, const struct boot_map *map,
                    json_t **data)
{
    struct sampler *sampler = calloc(1, sizeof(*sampler));
    struct report found = {0};
    json_t *results = NULL;
    if (sampler == NULL) {
        abort();
    }
    sampler->stride = 1;
    const struct trace_options options = {.path = path,
                                          .subject = subject,
                                          .map = map,
                                          .command = "show",
                                          .watch = watch,
                                          .watch_context = sampler,
                                          .report = &found};
    int status = run_trace(&options, &results);
    *data = NULL;
    if (sampler->started && status != EXIT_BAD_INPUT) {
        json_t *finding = found.name == NULL
                              ? json_null()
                              : json_pack("{s:s,s:s,s:o}", "name", found.name, "sentence",
                                          found.sentence, "detail", json_text(found.detail));
        *data = tell(sampler, path, subject->name);
        json_object_set_new(*data, "finding", finding);
    }
    for (uint32_t i = 0; i < sampler->count; i++) {
        free(sampler->samples[i].used);
    }
    json_decref(results);
    span_list_free(&sampler->spans);
    free(sampler);
    return status;
}
