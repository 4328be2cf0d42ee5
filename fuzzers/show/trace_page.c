/* SPDX-License-Identifier: MIT */
#include "fuzzers/show/trace_page.h"

#include "fuzzers/potad_case.h"
#include "fuzzers/run_trace.h"
#include "fuzzers/show/page.h"
#include "fuzzers/show/snapshot.h"

#include <stdlib.h>
#include <string.h>

/* Memory at one time. */
struct sample {
    uint64_t events;
    uint64_t used[TRACE_COLUMNS]; /* frames that are not free, of each column */
    uint8_t looks[TRACE_COLUMNS]; /* what most of these are */
    uint64_t free_frames[ORDERS]; /* in blocks of each order */
    uint64_t frames_of[LOOKS];
};

struct sampler {
    struct boot_map map;
    uint64_t frames; /* without holes */
    uint64_t column; /* frames of one */
    uint64_t events; /* so far */
    uint64_t stride; /* events between samples */
    uint32_t count;
    bool started;
    struct sample samples[TRACE_SAMPLES_MAX];
    struct sample last;
    uint64_t looks_of[TRACE_COLUMNS][LOOKS]; /* of the sample that is taken */
    struct span_list spans;
};

static void sampler_start(struct sampler *sampler, const struct harness *harness)
{
    sampler->map = harness->model.map;
    sampler->started = true;
    for (uint32_t i = 0; i < sampler->map.ranges_count; i++) {
        sampler->frames += sampler->map.ranges[i].frames;
    }
    sampler->column = (sampler->frames + TRACE_COLUMNS - 1) / TRACE_COLUMNS;
}

/* Adds the frames of @span, which is of one range, to their columns. @at: of its first frame, as
 * holes left out. */
static void add_span(struct sampler *sampler, const struct shown_span *span, uint64_t at)
{
    uint64_t end = at + span->frames;
    while (at < end) {
        uint64_t column = at / sampler->column;
        uint64_t stop = (column + 1) * sampler->column;
        stop = stop < end ? stop : end;
        sampler->looks_of[column][span->look] += stop - at;
        at = stop;
    }
}

static bool is_free(unsigned look)
{
    return look == LOOK_FREE || look == LOOK_KEPT || look == LOOK_CMA || look == LOOK_UNACCEPTED;
}

static void sum_columns(const struct sampler *sampler, struct sample *sample)
{
    for (unsigned column = 0; column < TRACE_COLUMNS; column++) {
        uint64_t most = 0;
        for (unsigned look = 0; look < LOOKS; look++) {
            uint64_t frames = sampler->looks_of[column][look];
            sample->frames_of[look] += frames;
            if (is_free(look) || look == LOOK_HOLE) {
                continue;
            }
            sample->used[column] += frames;
            if (frames > most) {
                most = frames;
                sample->looks[column] = (uint8_t)look;
            }
        }
    }
}

static void take_sample(struct sampler *sampler, struct harness *harness, struct sample *sample)
{
    uint64_t at = 0;
    *sample = (struct sample){.events = sampler->events};
    memset(sampler->looks_of, 0, sizeof(sampler->looks_of));
    snapshot_spans(harness, &sampler->spans);
    for (uint32_t i = 0; i < sampler->spans.count; i++) {
        const struct shown_span *span = &sampler->spans.spans[i];
        if (span->look == LOOK_HOLE) {
            continue;
        }
        add_span(sampler, span, at);
        at += span->frames;
        if (is_free(span->look)) {
            sample->free_frames[span->order] += span->frames;
        }
    }
    sum_columns(sampler, sample);
}

/* How many events there will be is not known: where samples are too many, every other one goes. */
static void thin_out(struct sampler *sampler)
{
    for (uint32_t i = 0; i < TRACE_SAMPLES_MAX / 2; i++) {
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
        sampler_start(sampler, harness);
    }
    if (ended) {
        take_sample(sampler, harness, &sampler->last);
        return;
    }
    if (sampler->events % sampler->stride == 0) {
        if (sampler->count == TRACE_SAMPLES_MAX) {
            thin_out(sampler);
        }
        if (sampler->events % sampler->stride == 0) {
            take_sample(sampler, harness, &sampler->samples[sampler->count++]);
        }
    }
    sampler->events++;
}

static json_t *numbers(const uint64_t *values, unsigned count)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++) {
        json_array_append_new(list, json_integer((json_int_t)values[i]));
    }
    return list;
}

static json_t *tell_sample(const struct sample *sample)
{
    json_t *looks = json_array();
    for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
        json_array_append_new(looks, json_integer(sample->looks[i]));
    }
    return json_pack("{s:I,s:o,s:o,s:o,s:o}", "events", (json_int_t)sample->events, "used",
                     numbers(sample->used, TRACE_COLUMNS), "looks", looks, "free",
                     numbers(sample->free_frames, ORDERS), "of", numbers(sample->frames_of, LOOKS));
}

static json_t *tell(const struct sampler *sampler, const char *path, const char *subject)
{
    json_t *samples = json_array();
    json_t *ranges = json_array();
    for (uint32_t i = 0; i < sampler->count; i++) {
        json_array_append_new(samples, tell_sample(&sampler->samples[i]));
    }
    json_array_append_new(samples, tell_sample(&sampler->last));
    for (uint32_t i = 0; i < sampler->map.ranges_count; i++) {
        const struct range *range = &sampler->map.ranges[i];
        json_array_append_new(ranges, json_pack("{s:I,s:I,s:I}", "start", (json_int_t)range->start,
                                                "frames", (json_int_t)range->frames, "zone",
                                                (json_int_t)range->zone));
    }
    return json_pack("{s:s,s:s,s:I,s:I,s:I,s:o,s:o,s:o}", "file", path, "subject", subject,
                     "frames", (json_int_t)sampler->frames, "column", (json_int_t)sampler->column,
                     "events", (json_int_t)sampler->events, "ranges", ranges, "samples", samples,
                     "looks", page_looks());
}

int trace_page_data(const char *path, const struct subject *subject, const struct boot_map *map,
                    json_t **data)
{
    struct sampler *sampler = calloc(1, sizeof(*sampler));
    struct report finding = {0};
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
                                          .report = &finding};
    int status = run_trace(&options, &results);
    *data = NULL;
    if (sampler->started && status != EXIT_BAD_INPUT) {
        *data = tell(sampler, path, subject->name);
        json_object_set_new(*data, "finding",
                            finding.name == NULL
                                ? json_null()
                                : json_pack("{s:s,s:s,s:s}", "name", finding.name, "sentence",
                                            finding.sentence, "detail", finding.detail));
    }
    json_decref(results);
    span_list_free(&sampler->spans);
    free(sampler);
    return status;
}
