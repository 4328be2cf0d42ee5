/* SPDX-License-Identifier: MIT */
#include "fuzzers/show/page_case.h"

#include "fuzzers/json_text.h"
#include "fuzzers/model.h"
#include "fuzzers/show/page.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { OP_TEXT_MAX = 256, KEY_MAX = 64, PINS_MAX = 16 };

/* What the steps so far have told, so that each tells only what is new. */
struct teller {
    const struct timeline *timeline;
    const struct program *program;
    json_t *cells;
    json_t *numbers_of_cells; /* by their text */
    struct shown_count counts[ZONES_MAX][FRAME_CLASSES][ORDERS];
    uint64_t numbers[SHOWN_NUMBERS];
    uint32_t looks[LOOKS];
};

static void add(json_t *array, uint64_t value)
{
    json_array_append_new(array, json_integer((json_int_t)value));
}

/* The number of the way in which @span looks. */
static uint64_t cell_of(struct teller *teller, const struct shown_span *span)
{
    char key[KEY_MAX];
    snprintf(key, sizeof(key), "%u.%u.%u.%u.%u", span->look, span->order, span->type, span->flags,
             span->owner);
    const json_t *known = json_object_get(teller->numbers_of_cells, key);
    if (known != NULL) {
        return (uint64_t)json_integer_value(known);
    }
    uint64_t number = json_array_size(teller->cells);
    json_array_append_new(teller->cells,
                          json_pack("[i,i,i,i,I]", span->look, span->order, span->type, span->flags,
                                    (json_int_t)span->owner));
    json_object_set_new(teller->numbers_of_cells, key, json_integer((json_int_t)number));
    return number;
}

static json_t *tell_spans(struct teller *teller, const struct shown_span *spans, uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        add(list, spans[i].pfn);
        add(list, spans[i].frames);
        add(list, cell_of(teller, &spans[i]));
    }
    return list;
}

static void tell_count(json_t *list, const struct shown_count *count)
{
    add(list, count->zone);
    add(list, count->class);
    add(list, count->order);
    add(list, count->model);
    add(list, count->subject);
}

static json_t *tell_counts(struct teller *teller, const struct shown_step *step)
{
    json_t *list = json_array();
    struct shown_count *known = &teller->counts[0][0][0];
    static struct shown_count now[ZONES_MAX][FRAME_CLASSES][ORDERS];
    memset(now, 0, sizeof(now));
    for (uint32_t i = 0; i < step->counts_count; i++) {
        const struct shown_count *count = &teller->timeline->counts[step->counts_first + i];
        now[count->zone][count->class][count->order] = *count;
    }
    for (uint32_t i = 0; i < ZONES_MAX * FRAME_CLASSES * ORDERS; i++) {
        struct shown_count *count = &now[0][0][0] + i;
        count->zone = (uint8_t)(i / ORDERS / FRAME_CLASSES);
        count->class = (uint8_t)(i / ORDERS % FRAME_CLASSES);
        count->order = (uint8_t)(i % ORDERS);
        if (count->model != known[i].model || count->subject != known[i].subject) {
            tell_count(list, count);
        }
        known[i] = *count;
    }
    return list;
}

static json_t *tell_numbers(struct teller *teller, const struct shown_step *step)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < SHOWN_NUMBERS; i++) {
        if (step->numbers[i] != teller->numbers[i]) {
            add(list, i);
            add(list, step->numbers[i]);
        }
    }
    memcpy(teller->numbers, step->numbers, sizeof(teller->numbers));
    return list;
}

static json_t *tell_looks(struct teller *teller, const struct shown_step *step)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < LOOKS; i++) {
        if (step->looks[i] != teller->looks[i]) {
            add(list, i);
            add(list, step->looks[i]);
        }
    }
    memcpy(teller->looks, step->looks, sizeof(teller->looks));
    return list;
}

static json_t *tell_op(const struct teller *teller, uint32_t done)
{
    char text[OP_TEXT_MAX] = "";
    if (done == 0 || done > teller->program->ops_count) {
        return json_string("");
    }
    FILE *out = fmemopen(text, sizeof(text), "w");
    if (out != NULL) {
        case_print_op(out, &teller->program->ops[done - 1]);
        fclose(out);
    }
    return json_string(text);
}

static json_t *tell_steps(struct teller *teller)
{
    const struct timeline *timeline = teller->timeline;
    json_t *steps = json_array();
    for (uint32_t i = 0; i < timeline->steps_count; i++) {
        const struct shown_step *step = &timeline->steps[i];
        json_array_append_new(
            steps,
            json_pack("{s:I,s:o,s:o,s:o,s:o,s:o}", "o", (json_int_t)step->done, "t",
                      tell_op(teller, step->done), "d",
                      tell_spans(teller, timeline->spans + step->spans_first, step->spans_count),
                      "f", tell_counts(teller, step), "n", tell_numbers(teller, step), "e",
                      tell_looks(teller, step)));
    }
    return steps;
}

static json_t *tell_ranges(const struct boot_map *map)
{
    json_t *ranges = json_array();
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        json_array_append_new(ranges,
                              json_pack("{s:I,s:I,s:I}", "start", (json_int_t)map->ranges[i].start,
                                        "frames", (json_int_t)map->ranges[i].frames, "zone",
                                        (json_int_t)map->ranges[i].zone));
    }
    return ranges;
}

static json_t *tell_zones(const struct boot_map *map)
{
    static const char *const classes[] = {
#define X(id, name) [id] = (name),
        ZONE_CLASS_TABLE(X)
#undef X
    };
    json_t *zones = json_array();
    for (uint32_t i = 0; i < map->zones_count; i++) {
        const struct zone_config *zone = &map->zones[i];
        json_array_append_new(
            zones, json_pack("{s:s,s:I,s:I,s:b}", "class", classes[zone->zone_class], "node",
                             (json_int_t)zone->node, "watermark", (json_int_t)zone->watermark_min,
                             "later", (int)zone->later));
    }
    return zones;
}

static json_t *tell_types(void)
{
    json_t *types = json_array();
    for (unsigned i = 0; i < MEMDESC_TYPES; i++) {
        json_array_append_new(types, json_string(memdesc_type_name((enum memdesc_type)i)));
    }
    return types;
}

static json_t *tell_number_names(void)
{
    json_t *names = json_array();
#define X(id, label) json_array_append_new(names, json_string(label));
    SHOWN_NUMBER_TABLE(X)
#undef X
    return names;
}

/* Whether what is at @at, in @text, is behind @word and a space. */
static bool is_behind(const char *text, const char *at, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(at - text) <= length || at[-1] != ' ') {
        return false;
    }
    const char *start = at - 1 - length;
    return strncmp(start, word, length) == 0 &&
           (start == text || !isalnum((unsigned char)start[-1]));
}

/* Whether the number from @at to @end, in @detail, is one of a frame, as %#llx prints it. */
static bool is_frame(const char *detail, const char *at, const char *end)
{
    static const char *const words[] = {"frame", "block", "run", "moves to", "owner of"};
    if (*at != '0' || (end != at + 1 && at[1] != 'x')) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (is_behind(detail, at, words[i])) {
            return true;
        }
    }
    return strncmp(end, ", order ", 8) == 0 && !is_behind(detail, at, "order") &&
           !is_behind(detail, at, "zone") && !is_behind(detail, at, "type");
}

/* Whether @detail is of a space, whose units are no frames. */
static bool names_space(const char *detail)
{
    const char *at = detail;
    while ((at = strstr(at, "space ")) != NULL) {
        at += strlen("space ");
        if (isdigit((unsigned char)*at)) {
            return true;
        }
    }
    return false;
}

/* The frames that @detail names, for the page to mark them. */
static json_t *tell_pins(const char *detail)
{
    json_t *pins = json_array();
    const char *at = names_space(detail) ? "" : detail;
    while (*at != '\0' && json_array_size(pins) < PINS_MAX) {
        const char *end = at;
        while (isalnum((unsigned char)*end)) {
            end++;
        }
        if (end > at && is_frame(detail, at, end)) {
            add(pins, strtoull(at, NULL, 16));
        }
        at = end > at ? end : end + 1;
    }
    return pins;
}

static json_t *tell_finding(const struct shown_finding *finding)
{
    if (finding->name[0] == '\0') {
        return json_null();
    }
    return json_pack("{s:o,s:o,s:o,s:o,s:I}", "name", json_text(finding->name), "sentence",
                     json_text(finding->sentence), "detail", json_text(finding->detail), "pins",
                     tell_pins(finding->detail), "op", (json_int_t)finding->op);
}

json_t *page_case_data(const struct timeline *timeline, const struct program *program,
                       const char *file, const char *subject)
{
    struct teller *teller = calloc(1, sizeof(*teller));
    if (teller == NULL) {
        abort();
    }
    const struct boot_map *map = &timeline->map;
    const struct range *last = &map->ranges[map->ranges_count - 1];
    order_t pageblock = map->pageblock_order != 0 ? map->pageblock_order : PAGEBLOCK_ORDER;
    *teller = (struct teller){.timeline = timeline, .program = program};
    teller->cells = json_array();
    teller->numbers_of_cells = json_object();
    json_t *steps = tell_steps(teller);
    json_t *views = tell_spans(teller, timeline->views, timeline->views_count);
    json_t *data = json_pack(
        "{s:o,s:s,s:I,s:I,s:I,s:I,s:b}", "file", json_text(file), "subject", subject, "ops",
        (json_int_t)program->ops_count, "start", (json_int_t)map->ranges[0].start, "frames",
        (json_int_t)(last->start + last->frames - map->ranges[0].start), "pageblock",
        (json_int_t)order_frames(pageblock), "counted", (int)timeline->counted);
    json_object_set_new(data, "looks", page_looks());
    json_object_set_new(data, "types", tell_types());
    json_object_set_new(data, "numbers", tell_number_names());
    json_object_set_new(data, "zones", tell_zones(map));
    json_object_set_new(data, "ranges", tell_ranges(map));
    json_object_set_new(data, "finding", tell_finding(&timeline->finding));
    json_object_set(data, "cells", teller->cells);
    json_object_set_new(data, "steps", steps);
    json_object_set_new(data, "views", views);
    json_decref(teller->cells);
    json_decref(teller->numbers_of_cells);
    free(teller);
    return data;
}
