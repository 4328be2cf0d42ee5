/* SPDX-License-Identifier: MIT
 *
 * triage_test.c: failing files of a core with two things wrong come out as two groups, one of them
 * known, and the reports have what their readers ask for.
 */
#include "fuzzers/folder.h"
#include "fuzzers/interrupt.h"
#include "fuzzers/shrink/test/flawed_core.h"
#include "fuzzers/shrink/triage.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

enum { PATH_BYTES = 256, TEXT_BYTES = 16384 };

#define MAP "potad-case 2\nrange zone=0 start=0 frames=200\n"

#define ALLOC(slot, order) "alloc slot=" slot " order=" order " zone=any type=movable\n"
#define SPLIT(slot)        ALLOC(slot, "2") "split slot=" slot " order=0\n"

static char folder[PATH_BYTES]; /* of the running test */

static struct subject subject;

static const char *in_folder(const char *name)
{
    static char path[PATH_BYTES];
    assert_true(snprintf(path, sizeof(path), "%.*s/%s", PATH_BYTES / 2, folder, name) < PATH_BYTES);
    return path;
}

static void write_bytes(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(in_folder(name), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

static const char *read_text(const char *name)
{
    static char text[TEXT_BYTES];
    FILE *file = fopen(in_folder(name), "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    return text;
}

/* The program @text as no case, but as a fuzz target takes it: of a version that never was. */
static void write_raw(const char *name, const char *text)
{
    uint8_t bytes[512];
    struct case_error error;
    struct program program;
    program_init(&program);
    assert_true(case_parse(&program, text, strlen(text), &error));
    assert_true(case_encoded_bytes(&program) <= sizeof(bytes));
    case_encode(&program, bytes);
    bytes[4] = 0xff;
    write_bytes(name, bytes, case_encoded_bytes(&program));
    program_free(&program);
}

static int make_folder(void **state)
{
    static const char *const folders[] = {"in", "in/page_fuzzer", "in/page_fuzzer/failures",
                                          "known"};
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/triage_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        assert_int_equal(mkdir(in_folder(folders[i]), 0777), 0);
    }
    write_text("in/clean.ops", MAP ALLOC("0", "1"));
    write_text("in/lookup.ops", MAP SPLIT("0") SPLIT("9") ALLOC("3", "0") SPLIT("17"));
    write_text("in/order.ops", MAP ALLOC("0", "0") ALLOC("1", "5") "free slot=0\n");
    write_text("in/order-longer.ops",
               MAP ALLOC("0", "0") ALLOC("2", "0") ALLOC("1", "5") "shrink\n");
    write_raw("in/page_fuzzer/failures/crash-1", MAP ALLOC("4", "5"));
    /* What commands leave there is no input. */
    write_text("in/summary.json", "{}");
    write_text("in/triage.md", "potad-case 2\n");
    write_text("in/notes", "none of it fails\n");
    write_text("in/page_fuzzer/log", "INFO: Seed: 1\n");
    write_text("in/page_fuzzer/failures/crash-1.c", "int main(void)\n");
    write_text("in/page_fuzzer/failures/crash-1.replay.ops", "potad-schedule 1\n");
    write_text("known/again.ops", "# signature: spurious-failure in harness_alloc\n" MAP);
    write_text("known/order.ops", "# signature: spurious-failure in harness_alloc\n" MAP);
    write_text("known/other.ops", "# signature: lookup in somewhere_else\n" MAP);
    return 0;
}

static int remove_folder(void **state)
{
    char command[PATH_BYTES + 16];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command); /* NOLINT(cert-env33-c): a name of mkdtemp() */
}

static void triage_folder(struct triage *triage)
{
    static char known[PATH_BYTES];
    static char out[PATH_BYTES];
    snprintf(known, sizeof(known), "%s", in_folder("known"));
    snprintf(out, sizeof(out), "%s", in_folder("out"));
    subject = flawed_core(FLAW_LOOKUP | FLAW_ORDER);
    *triage = (struct triage){.common = shrink_common_defaults(), .known = known, .out = out};
    triage->common.subject = &subject;
    assert_true(folder_make(out));
    triage_add(triage, in_folder("in"));
    assert_true(triage_settle(triage));
}

static void symbols_project_path_starts_at_the_project(void **state)
{
    static const struct {
        const char *path;
        const char *own; /* of symbols.c */
        const char *expected;
    } paths[] = {
        {"/home/me/core/potad/fuzzers/x.c", "", "fuzzers/x.c"},
        {"/home/me/core/potad/build/../fuzzers/x.c", "", "fuzzers/x.c"},
        {"/stress/fuzzers/core/x.c", "", "core/x.c"},
        {"/home/me/core/fuzzers/core/x.c", "/home/me/core/fuzzers/shrink/symbols.c",
         "fuzzers/core/x.c"},
        {"/home/me/core/b/../fuzzers/core/x.c", "../fuzzers/shrink/symbols.c", "fuzzers/core/x.c"},
        {"/home/me/core/x.c", "/elsewhere/fuzzers/shrink/symbols.c", "core/x.c"},
        {"/home/me/hardcore/x.c", "", NULL},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *path = symbols_project_path(paths[i].path, paths[i].own);
        if (paths[i].expected == NULL) {
            assert_null(path);
        } else {
            assert_non_null(path);
            assert_string_equal(path, paths[i].expected);
        }
    }
}

static const struct triage_group *group_find(const struct triage *triage, const char *name)
{
    for (uint32_t i = 0; i < triage->groups_count; i++) {
        if (strcmp(triage->groups[i].result.trial.signature.name, name) == 0) {
            return &triage->groups[i];
        }
    }
    fail_msg("no group of %s", name);
    return NULL;
}

static void triage_groups_by_signature(void **state)
{
    struct triage triage;
    (void)state;
    triage_folder(&triage);
    assert_int_equal(triage.inputs, 5);
    assert_int_equal(triage.failing, 4);
    assert_false(triage.unreadable);
    assert_int_equal(triage.groups_count, 2);
    const struct triage_group *lookup = group_find(&triage, "lookup");
    assert_int_equal(lookup->files_count, 1);
    assert_null(lookup->known);
    assert_int_equal(lookup->result.ops_before, 7);
    assert_in_range(lookup->result.ops_after, 4, 6);
    const struct triage_group *order = group_find(&triage, "spurious-failure");
    assert_int_equal(order->files_count, 3);
    assert_string_equal(order->result.trial.signature.text, "spurious-failure in harness_alloc");
    char known[2 * PATH_BYTES + 2];
    int first = snprintf(known, sizeof(known), "%s, ", in_folder("known/again.ops"));
    snprintf(known + first, sizeof(known) - (size_t)first, "%s", in_folder("known/order.ops"));
    assert_string_equal(order->known, known);
    /* A check is found where the harness compares. */
    assert_string_equal(order->file, "fuzzers/harness.c");
    assert_in_range(order->line, 2, 2000);
    assert_int_equal(order->program.ops_count, 1);
    /* The one that was shrunk is the smallest, which is no case but bytes. */
    assert_string_equal(order->files[order->smallest],
                        in_folder("in/page_fuzzer/failures/crash-1"));
    /* What was saved fails the same way, and is known by what it says of itself. */
    struct triage again = {.common = triage.common, .known = triage.out};
    triage_add(&again, order->saved);
    assert_true(triage_settle(&again));
    assert_int_equal(again.groups_count, 1);
    assert_string_equal(again.groups[0].known, order->saved);
    triage_free(&again);
    triage_free(&triage);
}

/* Its one line on stderr is not to be seen. */
static void triage_add_quietly(struct triage *triage, const char *name)
{
    int shown = dup(STDERR_FILENO);
    int nowhere = open("/dev/null", O_WRONLY);
    assert_true(dup2(nowhere, STDERR_FILENO) >= 0);
    triage_add(triage, in_folder(name));
    assert_true(dup2(shown, STDERR_FILENO) >= 0);
    close(nowhere);
    close(shown);
}

static void triage_says_what_it_cannot_read(void **state)
{
    struct triage triage = {.common = shrink_common_defaults()};
    (void)state;
    write_text("in/other", "this is no case");
    triage_add_quietly(&triage, "in/other");
    assert_true(triage.unreadable);
    assert_int_equal(triage.inputs, 0);
    triage_free(&triage);
}

/* There is one, and a log that is none. */
static void triage_takes_failures_of_the_folder(void **state)
{
    static const char *const folders[] = {"in/page_fuzzer", "in/page_fuzzer/failures"};
    (void)state;
    for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        struct triage triage = {.common = shrink_common_defaults()};
        triage_add(&triage, in_folder(folders[i]));
        assert_int_equal(triage.inputs, 1);
        assert_false(triage.unreadable);
        triage_free(&triage);
    }
}

static void triage_wants_inputs_of_a_folder(void **state)
{
    struct triage triage = {.common = shrink_common_defaults()};
    (void)state;
    write_text("known/summary.json", "{}");
    assert_int_equal(unlink(in_folder("known/again.ops")), 0);
    assert_int_equal(unlink(in_folder("known/order.ops")), 0);
    assert_int_equal(unlink(in_folder("known/other.ops")), 0);
    triage_add_quietly(&triage, "known");
    assert_true(triage.unreadable);
    assert_int_equal(triage.inputs, 0);
    triage_free(&triage);
}

static void assert_not_run(const struct triage *triage, int not_run, int no_room)
{
    assert_int_equal(triage->inputs, 0);
    assert_true(triage_write_json(triage, in_folder("triage.json")));
    json_t *json = json_load_file(in_folder("triage.json"), 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "inputs")), 0);
    assert_int_equal(json_integer_value(json_object_get(json, "not_run")), not_run);
    assert_int_equal(json_integer_value(json_object_get(json, "no_room")), no_room);
    json_decref(json);
    assert_true(triage_write_markdown(triage, in_folder("triage.md")));
}

static void triage_counts_what_does_not_run(void **state)
{
    struct triage triage = {.common = shrink_common_defaults()};
    (void)state;
    write_text("narrow.ops", "potad-case 2\nrange zone=0 start=0 frames=1\n");
    triage_add(&triage, in_folder("narrow.ops"));
    assert_int_equal(triage.no_room, 1);
    assert_not_run(&triage, 1, 1);
    assert_non_null(strstr(read_text("triage.md"), "\nnot run: 1 input, without room"));
    triage_free(&triage);
}

static void triage_counts_what_is_left(void **state)
{
    struct triage triage = {.common = shrink_common_defaults()};
    (void)state;
    interrupted = 1;
    triage_add(&triage, in_folder("in"));
    interrupted = 0;
    assert_int_equal(triage.left, 5);
    assert_not_run(&triage, 5, 0);
    assert_non_null(strstr(read_text("triage.md"), "\nstopped: 5 inputs were not run\n"));
    triage_free(&triage);
}

static void triage_write_json_has_all(void **state)
{
    struct triage triage;
    (void)state;
    triage_folder(&triage);
    assert_true(triage_write_json(&triage, in_folder("triage.json")));
    json_t *json = json_load_file(in_folder("triage.json"), 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "failing")), 4);
    assert_int_equal(json_integer_value(json_object_get(json, "new")), 1);
    const json_t *groups = json_object_get(json, "groups");
    assert_int_equal(json_array_size(groups), 2);
    const json_t *group = json_array_get(groups, 0);
    assert_string_equal(json_string_value(json_object_get(group, "violated")), "lookup");
    assert_true(json_is_true(json_object_get(group, "new")));
    assert_true(json_is_null(json_object_get(group, "known")));
    assert_non_null(strstr(json_string_value(json_object_get(group, "case")), "\nsplit slot="));
    json_decref(json);
    triage_free(&triage);
}

/* JSON takes UTF-8 only, file systems any bytes. */
static void triage_write_json_takes_any_name(void **state)
{
    static char known[PATH_BYTES];
    struct triage triage = {.common = shrink_common_defaults(), .known = known};
    (void)state;
    subject = flawed_core(FLAW_ORDER);
    triage.common.subject = &subject;
    snprintf(known, sizeof(known), "%s", in_folder("known"));
    write_text("in/\xff.ops", MAP ALLOC("0", "5"));
    write_text("known/\xfe.ops", "# signature: spurious-failure in harness_alloc\n" MAP);
    triage_add(&triage, in_folder("in/\xff.ops"));
    assert_true(triage_settle(&triage));
    assert_true(triage_write_json(&triage, in_folder("triage.json")));
    json_t *json = json_load_file(in_folder("triage.json"), 0, NULL);
    assert_non_null(json);
    const json_t *group = json_array_get(json_object_get(json, "groups"), 0);
    const json_t *files = json_object_get(group, "files");
    assert_int_equal(json_array_size(files), 1);
    assert_string_equal(json_string_value(json_array_get(files, 0)),
                        in_folder("in/\xef\xbf\xbd.ops"));
    assert_string_equal(json_string_value(json_object_get(group, "shrunk")),
                        in_folder("in/\xef\xbf\xbd.ops"));
    assert_non_null(
        strstr(json_string_value(json_object_get(group, "known")), "/known/\xef\xbf\xbd.ops"));
    json_decref(json);
    triage_free(&triage);
}

static void triage_write_markdown_shows_the_case(void **state)
{
    struct triage triage;
    (void)state;
    triage_folder(&triage);
    assert_true(triage_write_markdown(&triage, in_folder("triage.md")));
    const char *text = read_text("triage.md");
    assert_non_null(strstr(text, "# 4 failing inputs in 2 groups, 1 new\n"));
    assert_non_null(strstr(text, "\n## New: `lookup in "));
    assert_non_null(strstr(text, "\n## Known: `spurious-failure in harness_alloc`\n"));
    assert_non_null(strstr(text, "\n```\n# signature: lookup in "));
    assert_non_null(strstr(text, "Reproduce: `ci/reproduce --subject core "));
    triage_free(&triage);
}

/* What GitHub's code scanning requires of a result. */
static void assert_result(const json_t *result, const json_t *rules)
{
    const char *rule = json_string_value(json_object_get(result, "ruleId"));
    assert_non_null(rule);
    bool listed = false;
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *id = json_object_get(json_array_get(rules, i), "id");
        listed = listed || strcmp(json_string_value(id), rule) == 0;
    }
    assert_true(listed);
    assert_true(json_is_string(json_object_get(json_object_get(result, "message"), "text")));
    const json_t *locations = json_object_get(result, "locations");
    assert_int_equal(json_array_size(locations), 1);
    const json_t *location = json_object_get(json_array_get(locations, 0), "physicalLocation");
    const json_t *uri = json_object_get(json_object_get(location, "artifactLocation"), "uri");
    assert_non_null(json_string_value(uri));
    assert_int_not_equal(json_string_value(uri)[0], '/');
    assert_null(strchr(json_string_value(uri), ' '));
    const json_t *line = json_object_get(json_object_get(location, "region"), "startLine");
    assert_true(json_integer_value(line) >= 1);
    const json_t *prints = json_object_get(result, "partialFingerprints");
    assert_true(json_is_string(json_object_get(prints, "potadSignature/v1")));
}

static void triage_write_sarif_is_fit_for_code_scanning(void **state)
{
    struct triage triage;
    (void)state;
    triage_folder(&triage);
    assert_true(triage_write_sarif(&triage, in_folder("triage.sarif")));
    json_t *json = json_load_file(in_folder("triage.sarif"), 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "version")), "2.1.0");
    assert_non_null(
        strstr(json_string_value(json_object_get(json, "$schema")), "sarif-2.1.0.json"));
    const json_t *runs = json_object_get(json, "runs");
    assert_int_equal(json_array_size(runs), 1);
    const json_t *run = json_array_get(runs, 0);
    const json_t *driver = json_object_get(json_object_get(run, "tool"), "driver");
    assert_string_equal(json_string_value(json_object_get(driver, "name")), "potad");
    const json_t *rules = json_object_get(driver, "rules");
    const json_t *results = json_object_get(run, "results");
    assert_int_equal(json_array_size(rules), 2);
    assert_int_equal(json_array_size(results), 2);
    for (size_t i = 0; i < json_array_size(results); i++) {
        assert_result(json_array_get(results, i), rules);
    }
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *text = json_object_get(json_array_get(rules, i), "shortDescription");
        assert_true(json_is_string(json_object_get(text, "text")));
    }
    json_decref(json);
    triage_free(&triage);
}

/* The uri of the first result of @triage. */
static void assert_uri(const struct triage *triage, const char *expected)
{
    assert_true(triage_write_sarif(triage, in_folder("triage.sarif")));
    json_t *json = json_load_file(in_folder("triage.sarif"), 0, NULL);
    const char *uri = NULL;
    json_t *locations = NULL;
    assert_non_null(json);
    assert_int_equal(
        json_unpack(json, "{s:[{s:[{s:o}]}]}", "runs", "results", "locations", &locations), 0);
    assert_int_equal(json_unpack(locations, "[{s:{s:{s:s}}}]", "physicalLocation",
                                 "artifactLocation", "uri", &uri),
                     0);
    assert_string_equal(uri, expected);
    json_decref(json);
}

/* Where no source is known, by an absolute path. */
static void triage_write_sarif_names_the_input(void **state)
{
    char before[PATH_BYTES];
    char uri[PATH_BYTES + 16];
    struct triage triage = {.common = shrink_common_defaults()};
    (void)state;
    subject = flawed_core(FLAW_ORDER);
    triage.common.subject = &subject;
    triage_add(&triage, in_folder("in/order.ops"));
    assert_true(triage_settle(&triage));
    assert_int_equal(triage.groups_count, 1);
    triage.groups[0].file[0] = '\0';
    snprintf(uri, sizeof(uri), "file://%s", in_folder("in/order.ops"));
    assert_uri(&triage, uri);
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(folder), 0);
    assert_uri(&triage, "in/order.ops");
    assert_int_equal(chdir(in_folder("known")), 0);
    assert_uri(&triage, uri);
    assert_int_equal(chdir(before), 0);
    triage_free(&triage);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symbols_project_path_starts_at_the_project),
        TEST(triage_groups_by_signature),
        TEST(triage_says_what_it_cannot_read),
        TEST(triage_takes_failures_of_the_folder),
        TEST(triage_wants_inputs_of_a_folder),
        TEST(triage_counts_what_does_not_run),
        TEST(triage_counts_what_is_left),
        TEST(triage_write_json_has_all),
        TEST(triage_write_json_takes_any_name),
        TEST(triage_write_markdown_shows_the_case),
        TEST(triage_write_sarif_is_fit_for_code_scanning),
        TEST(triage_write_sarif_names_the_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
