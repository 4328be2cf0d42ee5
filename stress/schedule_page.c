/* SPDX-License-Identifier: MIT */
#include "stress/schedule_page.h"

#include "fuzzers/json_text.h"
#include "fuzzers/show/page.h"
#include "stress/explore/interleaving.h"
#include "stress/finding.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OP_TEXT_MAX = 256, KEY_MAX = 32, STEPS_MAX = 6000 };

/* As schedule.js has them. */
enum step_flag { STEP_MATTERS = 1, STEP_BEGINS = 2, STEP_ENDS = 4 };

/* Numbers of places and words, by what they are. */
struct numbering {
    json_t *numbers;
    json_t *places;
};

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* The number of @pointer among those asked for with @letter. @fresh: none has had it before. */
static json_int_t number_of(const struct numbering *numbering, char letter, const void *pointer,
                            bool *fresh)
{
    char key[KEY_MAX];
    char last[2] = {letter, '\0'};
    snprintf(key, sizeof(key), "%c%p", letter, pointer);
    const json_t *known = json_object_get(numbering->numbers, key);
    *fresh = known == NULL;
    if (known != NULL) {
        return json_integer_value(known);
    }
    json_int_t number = json_integer_value(json_object_get(numbering->numbers, last));
    json_object_set_new(numbering->numbers, last, json_integer(number + 1));
    json_object_set_new(numbering->numbers, key, json_integer(number));
    return number;
}

static json_int_t place_number(const struct numbering *numbering, const struct explored_step *step)
{
    const struct sync_place *place = step->place;
    bool fresh;
    json_int_t number = number_of(numbering, 'p', place, &fresh);
    if (fresh) {
        json_array_append_new(
            numbering->places,
            json_pack("{s:s,s:s,s:s,s:i,s:s}", "kind", interleaving_kind_name(step), "what",
                      place->what + (place->what[0] == '&' ? 1 : 0), "file", file_name(place->file),
                      "line", place->line, "function", place->function));
    }
    return number;
}

static json_t *tell_step(const struct numbering *numbering, const struct explore_log *log,
                         uint32_t index)
{
    const struct explored_step *step = &log->steps[index];
    char value[KEY_MAX] = "";
    bool fresh;
    unsigned flags = interleaving_matters(log, index) ? STEP_MATTERS : 0;
    if (interleaving_is_turn(step)) {
        flags = step->at.step == 0 ? STEP_BEGINS : STEP_ENDS;
    } else if (step->place->kind <= SYNC_UPDATE) {
        snprintf(value, sizeof(value), "%#" PRIx64, step->value);
    }
    return json_pack("[i,I,I,I,I,s,i,i]", (int)step->thread, (json_int_t)step->at.op,
                     (json_int_t)step->at.step, place_number(numbering, step),
                     number_of(numbering, 'w', step->address, &fresh), value, (int)step->older,
                     (int)flags);
}

/* All steps, or of very many the last ones: those from @first on. */
static json_t *tell_steps(const struct numbering *numbering, const struct explore_log *log,
                          uint32_t first)
{
    json_t *steps = json_array();
    for (uint32_t i = first; i < log->count; i++) {
        json_array_append_new(steps, tell_step(numbering, log, i));
    }
    return steps;
}

/* Which threads are in an operation when the step @first is done. */
static json_t *tell_inside(const struct explore_log *log, unsigned threads, uint32_t first)
{
    bool inside[EXPLORE_THREADS + 1] = {false};
    json_t *told = json_array();
    for (uint32_t i = 0; i < first; i++) {
        const struct explored_step *step = &log->steps[i];
        if (interleaving_is_turn(step) && step->thread < threads) {
            inside[step->thread] = step->at.step == 0;
        }
    }
    for (unsigned thread = 0; thread < threads; thread++) {
        json_array_append_new(told, json_boolean(inside[thread]));
    }
    return told;
}

/* How often another thread went on: of all steps, shown or not. */
static uint32_t count_switches(const struct explore_log *log)
{
    uint32_t switches = 0;
    for (uint32_t i = 1; i < log->count; i++) {
        switches += log->steps[i].thread != log->steps[i - 1].thread ? 1 : 0;
    }
    return switches;
}

static json_t *tell_ops(const struct program *program)
{
    json_t *ops = json_array();
    for (uint32_t i = 0; i < program->ops_count; i++) {
        char text[OP_TEXT_MAX] = "";
        struct case_op op = program->ops[i];
        FILE *out = fmemopen(text, sizeof(text), "w");
        op.thread = 0;
        if (out != NULL) {
            case_print_op(out, &op);
            fclose(out);
        }
        json_array_append_new(ops, json_string(text));
    }
    return ops;
}

static json_t *tell_schedule(const struct schedule *schedule)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return json_string("");
    }
    schedule_print(out, schedule);
    fclose(out);
    json_t *told = json_text(text);
    free(text);
    return told;
}

static json_t *tell_finding(const struct attempt *attempt)
{
    if (!attempt_found(attempt)) {
        return json_null();
    }
    return json_pack("{s:o,s:s,s:o}", "name", json_text(attempt->finding.name), "sentence",
                     finding_sentence_of(attempt->finding.name), "detail",
                     json_text(attempt->finding.text));
}

bool schedule_page_write(const char *path, const char *file, const struct failure *failure,
                         const struct attempt *attempt)
{
    const struct numbering numbering = {.numbers = json_object(), .places = json_array()};
    const struct explore_log *log = &attempt->log;
    uint32_t first = log->count > STEPS_MAX ? log->count - STEPS_MAX : 0;
    json_t *data = json_pack(
        "{s:o,s:s,s:i,s:o,s:o,s:o,s:o,s:o}", "file", json_text(file), "subject", failure->subject,
        "threads", (int)program_threads(&failure->program), "steps",
        tell_steps(&numbering, log, first), "ops", tell_ops(&failure->program), "schedule",
        tell_schedule(&attempt->schedule), "finding", tell_finding(attempt), "looks", page_looks());
    json_object_set_new(data, "first", json_integer((json_int_t)first));
    json_object_set_new(data, "inside",
                        tell_inside(log, program_threads(&failure->program), first));
    json_object_set_new(data, "total", json_integer((json_int_t)log->count));
    json_object_set_new(data, "switches", json_integer((json_int_t)count_switches(log)));
    json_object_set(data, "places", numbering.places);
    bool written = page_write(path, PAGE_SCHEDULE, file, data);
    json_decref(data);
    json_decref(numbering.places);
    json_decref(numbering.numbers);
    return written;
}
