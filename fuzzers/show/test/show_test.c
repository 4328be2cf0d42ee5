/* SPDX-License-Identifier: MIT
 *
 * show_test.c: what is recorded of a case is what the model has, what a broken subject says is told
 * apart from it, and pages and pictures hold it. Where POTAD_PAGES names a folder, the pages of
 * broken subjects are left there, for ci/check-html.
 */
#include "fuzzers/executor.h"
#include "fuzzers/input.h"
#include "fuzzers/show/page.h"
#include "fuzzers/show/page_case.h"
#include "fuzzers/show/record.h"
#include "fuzzers/show/snapshot.h"
#include "fuzzers/show/strip.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEXT_MAX = 1 << 20, PICTURE_MAX = 30000 };

/* An order-5 block is split into two halves of order 4 at operation 1. */
static const char split_case[] = "potad-case 2\n"
                                 "range zone=0 start=0 frames=64\n"
                                 "range zone=1 start=80 frames=48 unaccepted\n"
                                 "alloc slot=0 order=4 zone=0 type=movable\n"
                                 "split slot=0 order=3\n"
                                 "alloc-desc slot=2 order=1 zone=any desc=folio\n"
                                 "memory-failure frame=8\n"
                                 "free slot=0\n";

static void parse(struct program *program, const char *text)
{
    struct case_error error;
    program_init(program);
    if (!case_parse(program, text, strlen(text), &error)) {
        fail_msg("%s", error.text);
    }
}

/* Runs @text on @subject, and records it. */
static void record(const struct subject *subject, const char *text, struct program *program,
                   struct timeline *timeline)
{
    parse(program, text);
    assert_true(record_case(subject, program, 0, 0, timeline));
}

/* Broken subjects: the core, but for one function. */

static bool lookup_forgets(void *instance, pfn_t pfn, struct memdesc_info *info)
{
    bool found = subject_find("core")->lookup(instance, pfn, info);
    struct memdesc_info neighbour;
    bool split = subject_find("core")->lookup(instance, 56, &neighbour);
    bool wrong = found && split && info->type == MEMDESC_BUDDY_ALLOCATED && info->frames == 8;
    return found && !wrong;
}

static enum status split_crashes(void *instance, const struct subject_block *block, order_t order,
                                 struct subject_block *parts)
{
    (void)instance;
    (void)block;
    (void)order;
    (void)parts;
    fputs("potad: violated: assert: halves (x.c:1)\n", stderr);
    _exit(7);
}

static void stats_miscount(void *instance, struct subject_stats *stats)
{
    subject_find("core")->stats(instance, stats);
    stats->descriptors_live += stats->descriptors_live > 7 ? 1 : 0;
}

static struct subject broken(void)
{
    struct subject subject = *subject_find("core");
    subject.name = "broken";
    return subject;
}

/* The list of all spans after step @step, made of changes. */
static struct span_list list_at(const struct timeline *timeline, uint32_t step)
{
    struct span_list list = {0};
    for (uint32_t i = 0; i <= step; i++) {
        const struct shown_step *one = &timeline->steps[i];
        span_list_apply(&list, timeline->spans + one->spans_first, one->spans_count);
    }
    return list;
}

static const struct shown_span *span_at(const struct span_list *list, pfn_t pfn)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (pfn - list->spans[i].pfn < list->spans[i].frames) {
            return &list->spans[i];
        }
    }
    return NULL;
}

/* Whether @list has no gaps, as many spans of each look as @step says, and as many free frames. */
static void assert_whole(const struct timeline *timeline, const struct span_list *list,
                         const struct shown_step *step)
{
    const struct boot_map *map = &timeline->map;
    const struct range *last = &map->ranges[map->ranges_count - 1];
    uint32_t looks[LOOKS] = {0};
    uint64_t free_frames = 0;
    pfn_t end = map->ranges[0].start;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct shown_span *span = &list->spans[i];
        assert_int_equal(span->pfn, end);
        assert_true(span->frames > 0);
        end = span->pfn + span->frames;
        looks[span->look]++;
        bool free =
            span->look == LOOK_FREE || span->look == LOOK_CMA || span->look == LOOK_UNACCEPTED;
        free_frames += free ? span->frames : 0;
    }
    assert_int_equal(end, last->start + last->frames);
    assert_memory_equal(looks, step->looks, sizeof(looks));
    assert_int_equal(free_frames, step->numbers[NUMBER_FREE]);
}

static void span_list_apply_undoes_compare(void **state)
{
    (void)state;
    struct span_list before = {0};
    struct span_list after = {0};
    struct span_list changes = {0};
    uint64_t seed = 20260101;
    for (unsigned round = 0; round < 200; round++) {
        after.count = 0;
        for (pfn_t pfn = 0; pfn < 64;) {
            seed = hash_mix(seed + 1);
            uint64_t frames = 1 + seed % 9 < 64 - pfn ? 1 + seed % 9 : 64 - pfn;
            struct shown_span span = {.pfn = pfn, .frames = frames, .look = seed >> 32 & 1};
            span_list_add(&after, &span, false);
            pfn += frames;
        }
        span_list_compare(&before, &after, &changes);
        span_list_apply(&before, changes.spans, changes.count);
        assert_int_equal(before.count, after.count);
        for (uint32_t i = 0; i < after.count; i++) {
            assert_true(span_equal(&before.spans[i], &after.spans[i]));
        }
    }
    span_list_free(&before);
    span_list_free(&after);
    span_list_free(&changes);
}

static void record_case_notes_each_operation(void **state)
{
    (void)state;
    struct program program;
    struct timeline timeline;
    record(subject_find("core"), split_case, &program, &timeline);
    assert_true(timeline.booted);
    assert_string_equal(timeline.finding.name, "");
    assert_int_equal(timeline.steps_count, program.ops_count + 2);
    struct span_list list = {0};
    for (uint32_t i = 0; i < timeline.steps_count; i++) {
        assert_int_equal(timeline.steps[i].done, i);
        span_list_free(&list);
        list = list_at(&timeline, i);
        assert_whole(&timeline, &list, &timeline.steps[i]);
    }
    span_list_free(&list);
    list = list_at(&timeline, 2);
    uint32_t parts = 0;
    for (uint32_t i = 0; i < list.count; i++) {
        parts += list.spans[i].look == LOOK_MOVABLE && list.spans[i].order == 3 ? 1 : 0;
    }
    assert_int_equal(parts, 2);
    assert_int_equal(span_at(&list, 70)->look, LOOK_HOLE);
    assert_int_equal(span_at(&list, 100)->look, LOOK_UNACCEPTED);
    span_list_free(&list);
    list = list_at(&timeline, 4);
    assert_int_equal(span_at(&list, 8)->look, LOOK_POISONED);
    uint32_t folios = 0;
    for (uint32_t i = 0; i < list.count; i++) {
        folios += list.spans[i].look == LOOK_OWNED && list.spans[i].type == MEMDESC_FOLIO ? 1 : 0;
    }
    assert_int_equal(folios, 1);
    span_list_free(&list);
    timeline_free(&timeline);
    program_free(&program);
}

/* At every step of every seed, spans fill memory, and what lookups of the core say is what they
 * show. */
static void assert_shown(void *context, struct executor *executor, uint32_t done)
{
    struct span_list list = {0};
    struct span_list views = {0};
    (void)done;
    snapshot_spans(&executor->harness, &list);
    for (uint32_t i = 1; i < list.count; i++) {
        assert_int_equal(list.spans[i].pfn, list.spans[i - 1].pfn + list.spans[i - 1].frames);
    }
    snapshot_views(&executor->harness, &views);
    if (views.count > 0) {
        fail_msg("%s, after %u operations: frame %#llx: lookups say %s", (const char *)context,
                 done, (unsigned long long)views.spans[0].pfn,
                 look_styles[views.spans[0].look].label);
    }
    span_list_free(&list);
    span_list_free(&views);
}

static void snapshot_views_are_none_of_a_good_subject(void **state)
{
    (void)state;
    glob_t files;
    struct executor executor;
    assert_int_equal(glob(POTAD_SEEDS "/*/*.ops", 0, NULL, &files), 0);
    executor_init(&executor, subject_find("core"), CASE_SLOTS_MAX);
    executor.watch = assert_shown;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct program program;
        program_init(&program);
        assert_true(input_read_case(files.gl_pathv[i], NULL, &program));
        executor.watch_context = files.gl_pathv[i];
        if (program.ops_count <= 200) {
            assert_true(executor_run(&executor, &program));
        }
        program_free(&program);
    }
    executor_close(&executor);
    globfree(&files);
}

/* Leaves the page of @timeline where POTAD_PAGES says. */
static void leave_page(const struct timeline *timeline, const struct program *program,
                       const char *name)
{
    char path[4096];
    const char *folder = getenv("POTAD_PAGES");
    json_t *data = page_case_data(timeline, program, name, "broken");
    snprintf(path, sizeof(path), "%s/%s.html", folder == NULL ? "/dev" : folder, name);
    if (folder != NULL) {
        assert_true(page_write(path, PAGE_CASE, name, data));
    }
    json_decref(data);
}

static void record_case_tells_model_and_lookups_apart(void **state)
{
    (void)state;
    struct subject subject = broken();
    struct program program;
    struct timeline timeline;
    subject.lookup = lookup_forgets;
    record(&subject, split_case, &program, &timeline);
    assert_string_equal(timeline.finding.name, "lookup");
    assert_int_equal(timeline.finding.op, 1);
    assert_int_equal(timeline.steps[timeline.steps_count - 1].done, 2);
    assert_int_equal(timeline.views_count, 2);
    assert_int_equal(timeline.views[0].look, LOOK_HOLE);
    assert_int_equal(timeline.views[0].frames, 8);
    leave_page(&timeline, &program, "lookup");
    timeline_free(&timeline);
    program_free(&program);
}

static void record_case_tells_both_counts(void **state)
{
    (void)state;
    struct subject subject = broken();
    struct program program;
    struct timeline timeline;
    subject.stats = stats_miscount;
    record(&subject, split_case, &program, &timeline);
    assert_string_equal(timeline.finding.name, "descriptors");
    const struct shown_step *last = &timeline.steps[timeline.steps_count - 1];
    assert_int_equal(last->numbers[NUMBER_LIVE], last->numbers[NUMBER_LIVE_DUE] + 1);
    leave_page(&timeline, &program, "descriptors");
    timeline_free(&timeline);
    program_free(&program);
}

static void record_case_shows_a_crash_up_to_there(void **state)
{
    (void)state;
    struct subject subject = broken();
    struct program program;
    struct timeline timeline;
    subject.split = split_crashes;
    record(&subject, split_case, &program, &timeline);
    assert_string_equal(timeline.finding.name, "assert");
    assert_string_equal(timeline.finding.detail, "halves (x.c:1)");
    assert_int_equal(timeline.finding.op, 1);
    assert_int_equal(timeline.steps_count, 3);
    assert_int_equal(timeline.steps[2].done, 2);
    assert_int_equal(timeline.steps[2].spans_count, 0);
    leave_page(&timeline, &program, "crash");
    timeline_free(&timeline);
    program_free(&program);
}

static bool validate_complains(void *instance, struct violation *violation)
{
    struct subject_stats stats;
    subject_find("core")->stats(instance, &stats);
    *violation = (struct violation){.pfn = 5};
    return stats.descriptors_live < 9;
}

/* Where each operation is followed by validation, at that after which it fails; else at the end. */
static void record_case_validates_as_asked(void **state)
{
    (void)state;
    struct subject subject = broken();
    struct program program;
    struct timeline timeline;
    subject.validate = validate_complains;
    record(&subject, split_case, &program, &timeline);
    assert_int_equal(timeline.finding.op, program.ops_count);
    timeline_free(&timeline);
    assert_true(record_case(&subject, &program, 1, 0, &timeline));
    assert_string_equal(timeline.finding.sentence, "the subject's own validation found it");
    assert_true(timeline.finding.op < program.ops_count);
    assert_int_equal(timeline.steps[timeline.steps_count - 1].done, timeline.finding.op + 1);
    timeline_free(&timeline);
    program_free(&program);
}

static bool lookup_for_ever(void *instance, pfn_t pfn, struct memdesc_info *info)
{
    while (subject_find("core")->lookup(instance, pfn, info) || pfn != PFN_NONE) {
    }
    return false;
}

static void record_case_ends_what_has_no_end(void **state)
{
    (void)state;
    struct subject subject = broken();
    struct program program;
    struct timeline timeline;
    subject.lookup = lookup_for_ever;
    parse(&program, split_case);
    assert_true(record_case(&subject, &program, 0, 1, &timeline));
    assert_string_equal(timeline.finding.name, "timeout");
    timeline_free(&timeline);
    program_free(&program);
}

static void record_case_thins_out_long_programs(void **state)
{
    (void)state;
    struct program program;
    struct timeline timeline;
    parse(&program, split_case);
    struct case_op lookup = {.op = OP_LOOKUP};
    while (program.ops_count < 3 * RECORD_STEPS_MAX) {
        program_add(&program, lookup);
    }
    assert_true(record_case(subject_find("core"), &program, 0, 0, &timeline));
    assert_true(timeline.steps_count <= RECORD_STEPS_MAX + RECORD_LAST_STEPS);
    assert_int_equal(timeline.steps[timeline.steps_count - 1].done, program.ops_count + 1);
    timeline_free(&timeline);
    program_free(&program);
}

/* Numbers of the steps in @data: those of the timeline, made of changes anew. */
static void page_case_data_tells_the_timeline(void **state)
{
    (void)state;
    struct program program;
    struct timeline timeline;
    struct span_list list = {0};
    size_t i;
    const json_t *step;
    record(subject_find("core"), split_case, &program, &timeline);
    json_t *data = page_case_data(&timeline, &program, "x.ops", "core");
    const json_t *cells = json_object_get(data, "cells");
    json_array_foreach(json_object_get(data, "steps"), i, step)
    {
        const json_t *told = json_object_get(step, "d");
        struct span_list changes = {0};
        for (size_t j = 0; j < json_array_size(told); j += 3) {
            const json_t *cell =
                json_array_get(cells, (size_t)json_integer_value(json_array_get(told, j + 2)));
            struct shown_span span = {
                .pfn = (pfn_t)json_integer_value(json_array_get(told, j)),
                .frames = (uint64_t)json_integer_value(json_array_get(told, j + 1)),
                .look = (uint8_t)json_integer_value(json_array_get(cell, 0)),
                .order = (uint8_t)json_integer_value(json_array_get(cell, 1)),
            };
            span_list_add(&changes, &span, false);
        }
        span_list_apply(&list, changes.spans, changes.count);
        span_list_free(&changes);
        assert_whole(&timeline, &list, &timeline.steps[i]);
    }
    assert_int_equal(i, timeline.steps_count);
    assert_true(json_is_null(json_object_get(data, "finding")));
    span_list_free(&list);
    json_decref(data);
    timeline_free(&timeline);
    program_free(&program);
}

/* What the page marks of @detail, as the JSON of its frames. */
static void assert_pins(struct timeline *timeline, const struct program *program,
                        const char *detail, const char *due)
{
    struct shown_finding *finding = &timeline->finding;
    snprintf(finding->name, sizeof(finding->name), "lookup");
    snprintf(finding->detail, sizeof(finding->detail), "%s", detail);
    json_t *data = page_case_data(timeline, program, "x.ops", "core");
    const json_t *told = json_object_get(json_object_get(data, "finding"), "pins");
    char *pins = json_dumps(told, JSON_COMPACT);
    assert_non_null(pins);
    if (strcmp(pins, due) != 0) {
        fail_msg("%s, not %s, of: %s", pins, due, detail);
    }
    free(pins);
    json_decref(data);
}

/* %#llx of frame 0 is "0"; and units of spaces are no frames. */
static void page_case_data_tells_the_frames_of_the_finding(void **state)
{
    (void)state;
    static const char *const details[][2] = {
        {"frame 0: buddy at 0 of 16 frames in zone 0; expected a folio", "[0]"},
        {"frame 0x21: 0, expected 0x1", "[33]"},
        {"zone 0, order 3: 4 free blocks, 5 expected", "[]"},
        {"zone 1, type 0, order 2: 4 free blocks, 5 expected", "[]"},
        {"frame 0, address 0x7f0000001000", "[0]"},
        {"block 0x10, order 4, moves to 0, not free accepted memory", "[16,0]"},
        {"block 0x10 moves to zone 1, of a higher class than zone 0", "[16]"},
        {"run 0x30 of zone 0: frame 0 is elsewhere", "[48,0]"},
        {"run 0 of 16 frames; asked for 0 at 2^0", "[0]"},
        {"frame 0x8 gives a reference to 0x9, order 0; expected 0, order 3", "[8,9,0]"},
        {"part 1 of a split is 0x18, order 2; expected 0x10, order 3", "[24,16]"},
        {"a CPU keeps a block that is not free: 0, order 0, zone 0, type 1", "[0]"},
        {"the owner of 0x20 hears of a move out of turn: 0", "[32]"},
        {"descriptor of a space in frame 0x20, zone 1", "[32]"},
        {"space 0, unit 0x3: 0x1, expected 0", "[]"},
        {"block 0x4, order 2, of space 1 is not free", "[]"},
        {"part 1 of a split in space 0 is 0x4, order 2; expected 0, order 2", "[]"},
        {"run 0x4 in space 0 has 1 parts, not 2", "[]"},
        {"in all: 0x8, expected 0xa", "[]"},
        {"key 0: 0x8, expected 0xa", "[]"},
        {"0", "[]"},
        {"frame ", "[]"},
        {"\xff", "[]"},
        {"", "[]"},
    };
    struct program program;
    struct timeline timeline;
    record(subject_find("core"), split_case, &program, &timeline);
    for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
        assert_pins(&timeline, &program, details[i][0], details[i][1]);
    }
    timeline_free(&timeline);
    program_free(&program);
}

static unsigned occurrences(const char *text, const char *word)
{
    unsigned count = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

/* What is in the data cannot end its script. */
static void page_write_escapes_data(void **state)
{
    (void)state;
    char path[] = "/tmp/show_test_XXXXXX";
    char *text = calloc(1, TEXT_MAX);
    int file = mkstemp(path);
    json_t *data = json_pack("{s:s}", "file", "</script><b>&\"");
    assert_true(file >= 0);
    assert_non_null(text);
    assert_true(page_write(path, PAGE_CASE, "<title> & more", data));
    assert_true(read(file, text, TEXT_MAX - 1) > 0);
    assert_int_equal(occurrences(text, "</script>"), 2);
    assert_int_equal(occurrences(text, "<b>"), 0);
    assert_int_equal(occurrences(text, "<title>&lt;title> &amp; more</title>"), 1);
    assert_int_equal(occurrences(text, "<!--"), 0);
    close(file);
    unlink(path);
    json_decref(data);
    free(text);
}

static char *strip_text(const struct timeline *timeline, const struct program *program)
{
    char *text = calloc(1, TEXT_MAX);
    FILE *out = fmemopen(text, TEXT_MAX, "w");
    assert_non_null(text);
    assert_non_null(out);
    strip_print(out, timeline, program, "a<b.ops");
    fclose(out);
    return text;
}

/* A file name need be no UTF-8, nor what a process says last; a page and a picture are. */
static void pages_take_names_of_any_bytes(void **state)
{
    (void)state;
    struct program program;
    struct timeline timeline;
    record(subject_find("core"), split_case, &program, &timeline);
    struct shown_finding *finding = &timeline.finding;
    snprintf(finding->name, sizeof(finding->name), "a\xff<");
    snprintf(finding->sentence, sizeof(finding->sentence), "b\xff");
    snprintf(finding->detail, sizeof(finding->detail), "c\xff");
    json_t *data = page_case_data(&timeline, &program, "d\xff", "core");
    const json_t *told = json_object_get(data, "finding");
    assert_string_equal(json_string_value(json_object_get(data, "file")), "d\xef\xbf\xbd");
    assert_string_equal(json_string_value(json_object_get(told, "name")), "a\xef\xbf\xbd<");
    assert_string_equal(json_string_value(json_object_get(told, "sentence")), "b\xef\xbf\xbd");
    assert_string_equal(json_string_value(json_object_get(told, "detail")), "c\xef\xbf\xbd");
    assert_true(page_write("/dev/null", PAGE_CASE, "d\xff", data));
    char *text = strip_text(&timeline, &program);
    assert_int_equal(occurrences(text, "\xff"), 0);
    assert_int_equal(occurrences(text, "a\xef\xbf\xbd&#60;: b\xef\xbf\xbd<"), 1);
    assert_int_equal(occurrences(text, "c\xef\xbf\xbd<"), 1);
    free(text);
    json_decref(data);
    timeline_free(&timeline);
    program_free(&program);
}

static void strip_print_marks_the_violation(void **state)
{
    (void)state;
    struct subject subject = broken();
    struct program program;
    struct timeline timeline;
    record(subject_find("core"), split_case, &program, &timeline);
    char *text = strip_text(&timeline, &program);
    assert_int_equal(occurrences(text, "class=\"mark\""), 0);
    assert_int_equal(occurrences(text, "nothing was found wrong"), 1);
    assert_int_equal(occurrences(text, ">M4</text>"), 1);
    assert_int_equal(occurrences(text, ">M3</text>"), 2);
    assert_int_equal(occurrences(text, "a&#60;b.ops"), 1);
    assert_int_equal(occurrences(text, "<script"), 0);
    assert_true(strlen(text) < PICTURE_MAX);
    free(text);
    timeline_free(&timeline);
    program_free(&program);
    subject.lookup = lookup_forgets;
    record(&subject, split_case, &program, &timeline);
    text = strip_text(&timeline, &program);
    assert_int_equal(occurrences(text, "class=\"mark\""), 1);
    assert_int_equal(occurrences(text, "op 1: lookup: "), 1);
    free(text);
    timeline_free(&timeline);
    program_free(&program);
}

static void looks_differ_by_more_than_colour(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LOOKS; i++) {
        for (unsigned j = 0; j < i; j++) {
            const struct look_style *a = &look_styles[i];
            const struct look_style *b = &look_styles[j];
            assert_true(strcmp(a->letter, b->letter) != 0 || strcmp(a->hatch, b->hatch) != 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(span_list_apply_undoes_compare),
        cmocka_unit_test(record_case_notes_each_operation),
        cmocka_unit_test(snapshot_views_are_none_of_a_good_subject),
        cmocka_unit_test(record_case_tells_model_and_lookups_apart),
        cmocka_unit_test(record_case_tells_both_counts),
        cmocka_unit_test(record_case_shows_a_crash_up_to_there),
        cmocka_unit_test(record_case_validates_as_asked),
        cmocka_unit_test(record_case_ends_what_has_no_end),
        cmocka_unit_test(record_case_thins_out_long_programs),
        cmocka_unit_test(page_case_data_tells_the_timeline),
        cmocka_unit_test(page_case_data_tells_the_frames_of_the_finding),
        cmocka_unit_test(page_write_escapes_data),
        cmocka_unit_test(pages_take_names_of_any_bytes),
        cmocka_unit_test(strip_print_marks_the_violation),
        cmocka_unit_test(looks_differ_by_more_than_colour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
