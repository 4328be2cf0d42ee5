/* SPDX-License-Identifier: MIT
 *
 * shrink_test.c: the core with one or two things wrong, of which the shrinker must hold the one
 * that it was given: each is easy to fall into from the other, as the last test shows.
 */
#include "fuzzers/shrink/shrink.h"
#include "fuzzers/shrink/shrink_command.h"
#include "fuzzers/shrink/shrink_failure.h"
#include "fuzzers/shrink/test/flawed_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* To shrink LONG_OPS takes 384 executions, on any machine; some more are all right. */
enum { LONG_OPS = 1000, LONG_EXECUTIONS = 500, MEDIUM_OPS = 200, SEED = 7 };

#define MAP                                                                                        \
    "potad-case 2\nslots 128\ncpus 2\n"                                                            \
    "range zone=0 start=0x10 frames=500 node=1 watermark=8\n"                                      \
    "range zone=1 start=0x300 frames=300 class=movable\n"

#define ALLOC(slot, order) "alloc slot=" slot " order=" order " zone=any type=movable\n"
#define SPLIT(slot)        "split slot=" slot " order=0\n"

static void parse(struct program *program, const char *text)
{
    struct case_error error;
    program_init(program);
    if (!case_parse(program, text, strlen(text), &error)) {
        fail_msg("%s", error.text);
    }
}

/* Two splits early on, the third and a lookup late, and behind them what shows the other flaw. */
static void make_long(struct program *program, unsigned ops)
{
    static const char *const lines[] = {ALLOC("7", "2"), "free slot=9\n",
                                        ALLOC("3", "1"), "lookup frame=77\n",
                                        "cpu cpu=1\n",   "cache-create cache=2 size=64 align=8\n"};
    char *text = NULL;
    size_t size = 0;
    uint64_t state = SEED;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    fputs(MAP, out);
    for (unsigned i = 0; i < ops - 2 * FLAWED_SPLITS - 2; i++) {
        state = hash_mix(state + i);
        if (i == ops / 10 || i == ops / 4) {
            fputs(ALLOC("20", "3") SPLIT("20"), out);
        }
        fputs(lines[state % (i < ops / 10 ? 6 : 5)], out);
    }
    fputs(ALLOC("20", "3") SPLIT("20") "lookup frame=40\n" ALLOC("50", "5"), out);
    assert_int_equal(fclose(out), 0);
    parse(program, text);
    assert_int_equal(program->ops_count, ops);
    free(text);
}

static volatile sig_atomic_t stop; /* as by Ctrl-C */

static bool shrink_under(unsigned wrong, struct program *program, struct shrink_result *result)
{
    struct subject subject = flawed_core(wrong);
    const struct shrink_plan plan = {.subject = &subject,
                                     .label = "shrink_test",
                                     .validate_period = TRIAL_VALIDATE_PERIOD,
                                     .trial_seconds = 2,
                                     .seconds = 60,
                                     .stop = &stop};
    return shrink_failure(&plan, program, result);
}

static void assert_program(const struct program *program, const char *text)
{
    char *shown = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&shown, &size);
    assert_non_null(out);
    case_print(out, program);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(shown, text);
    free(shown);
}

#define SMALLEST "potad-case 2\nslots 64\nrange zone=0 start=0 frames="

static void shrink_failure_leaves_a_clean_case(void **state)
{
    struct program program;
    struct shrink_result result;
    (void)state;
    parse(&program, MAP ALLOC("0", "5") "free slot=0\n");
    assert_false(shrink_under(0, &program, &result));
    assert_int_equal(result.trial.end, TRIAL_CLEAN);
    assert_int_equal(program.ops_count, 2);
    program_free(&program);
}

/* Shrunk again, it is the same to the byte. */
static void assert_smallest(struct program *program)
{
    struct shrink_result result;
    size_t size = case_encoded_bytes(program);
    uint8_t *once = malloc(size);
    uint8_t *twice = malloc(size);
    assert_non_null(once);
    assert_non_null(twice);
    case_encode(program, once);
    assert_true(shrink_under(FLAW_LOOKUP | FLAW_ORDER, program, &result));
    assert_int_equal(case_encoded_bytes(program), size);
    case_encode(program, twice);
    assert_memory_equal(once, twice, size);
    free(once);
    free(twice);
}

static void shrink_failure_holds_the_signature(void **state)
{
    struct program program;
    struct shrink_result result;
    (void)state;
    make_long(&program, LONG_OPS);
    assert_true(shrink_under(FLAW_LOOKUP | FLAW_ORDER, &program, &result));
    assert_false(result.stopped);
    assert_in_range(result.executions, 1, LONG_EXECUTIONS);
    assert_string_equal(result.trial.signature.name, "lookup");
    assert_int_equal(result.ops_before, LONG_OPS);
    assert_in_range(result.ops_after, 4, 7); /* three splits need a block or more */
    assert_int_equal(program.cpus, 0);
    assert_int_equal(program.slots, CASE_SLOTS_MIN);
    assert_int_equal(program.map.ranges_count, 1);
    assert_smallest(&program);
    program_free(&program);
}

/* The trap itself: where any failure will do, the other one is taken, which is smaller. */
static bool fails_somehow(void *context, const struct program *program)
{
    struct trial trial;
    trial_run(context, program, &trial);
    return trial.end == TRIAL_FAILED;
}

static void shrink_program_drifts_without_signature(void **state)
{
    struct subject subject = flawed_core(FLAW_LOOKUP | FLAW_ORDER);
    struct program program;
    struct trials trials;
    struct trial trial;
    (void)state;
    make_long(&program, MEDIUM_OPS);
    trials_open(&trials, &subject, &program);
    trial_run(&trials, &program, &trial);
    assert_string_equal(trial.signature.name, "lookup");
    shrink_program(&program, &(struct shrink_judge){fails_somehow, &trials});
    trial_run(&trials, &program, &trial);
    assert_string_equal(trial.signature.name, "spurious-failure");
    trials_close(&trials);
    program_free(&program);
}

static void shrink_failure_lowers_what_is_left(void **state)
{
    struct program program;
    struct shrink_result result;
    (void)state;
    parse(&program, MAP "free slot=3\n"
                        "alloc slot=70 order=5 zone=1 type=movable fault=buddy-desc:9:always\n"
                        "free slot=70 thread=2\n");
    assert_true(shrink_under(FLAW_CRASH, &program, &result));
    assert_true(result.trial.crashed);
    assert_string_equal(result.trial.signature.name, "SIGSEGV");
    assert_program(&program, SMALLEST "2\nalloc slot=0 order=5 zone=0 type=unmovable\n");
    program_free(&program);
}

/* What the map alone shows needs no operation, and one zone. */
static void shrink_failure_leaves_no_operation(void **state)
{
    struct program program;
    struct shrink_result result;
    (void)state;
    parse(&program, MAP ALLOC("0", "1") "free slot=0\n");
    assert_true(shrink_under(FLAW_BOOT, &program, &result));
    assert_string_equal(result.trial.signature.name, "status");
    assert_program(&program, SMALLEST "1\n");
    program_free(&program);
}

static void shrink_failure_stops_when_asked(void **state)
{
    struct program program;
    struct shrink_result result;
    (void)state;
    parse(&program, MAP ALLOC("0", "5") "free slot=0\n");
    stop = 1;
    assert_true(shrink_under(FLAW_ORDER, &program, &result));
    stop = 0;
    assert_true(result.stopped);
    assert_int_equal(result.trial.end, TRIAL_FAILED);
    assert_int_equal(program.ops_count, 2);
    program_free(&program);
}

static void assert_holds(const char *path, const char *text)
{
    char held[256];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    held[fread(held, 1, sizeof(held) - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    assert_string_equal(held, text);
}

/* What it holds stays until there is a case, and is gone then, however long it was. */
static void shrink_output_keeps_what_is_there(void **state)
{
    static const char longer[] = "the last result, longer than the next one, by far ------------"
                                 "------------------------------------------------------------";
    const struct shrink_common common = shrink_common_defaults();
    const struct signature signature = {.text = "lookup in nothing"};
    char folder[] = "/tmp/shrink_test.XXXXXX";
    char path[64];
    struct shrink_output output;
    struct program program;
    (void)state;
    parse(&program, SMALLEST "1\n");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/small.ops", folder);
    assert_true(shrink_output_open(&output, path));
    shrink_output_drop(&output);
    assert_int_not_equal(access(path, F_OK), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(longer, file);
    assert_int_equal(fclose(file), 0);
    assert_true(shrink_output_open(&output, path));
    assert_holds(path, longer);
    shrink_output_drop(&output);
    assert_holds(path, longer);
    assert_true(shrink_output_open(&output, path));
    assert_true(shrink_output_write(&output, &common, &signature, &program));
    assert_holds(path, "# signature: lookup in nothing\n" SMALLEST "1\n");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    program_free(&program);
}

static void shrink_failure_names_the_assertion(void **state)
{
    struct program program;
    struct shrink_result result;
    (void)state;
    parse(&program, MAP ALLOC("0", "5") "free slot=0\n");
    assert_true(shrink_under(FLAW_ASSERT, &program, &result));
    assert_string_equal(result.trial.signature.text, "assert(order != 5) in harness_alloc");
    assert_int_equal(program.ops_count, 1);
    program_free(&program);
}

/* Runs one operation that a sanitizer ends, if there is that one. */
static void assert_report(unsigned wrong, const char *signature)
{
    struct subject subject = flawed_core(wrong);
    struct program program;
    struct trials trials;
    struct trial trial;
    parse(&program, MAP ALLOC("0", "5"));
    trials_open(&trials, &subject, &program);
    trial_run(&trials, &program, &trial);
    assert_int_equal(trial.end, TRIAL_FAILED);
    assert_string_equal(trial.signature.text, signature);
    trials_close(&trials);
    program_free(&program);
}

static void trial_run_names_reports(void **state)
{
    (void)state;
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
    assert_report(FLAW_FREED, "asan-heap-use-after-free in harness_alloc");
#endif
#if __has_feature(undefined_behavior_sanitizer)
    assert_report(FLAW_SHIFT, "ubsan-invalid-shift-exponent in harness_alloc");
#endif
#endif
    assert_report(FLAW_ORDER, "spurious-failure in harness_alloc");
}

static bool signals_wait(void)
{
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
    return true; /* ThreadSanitizer hands them on at the next call into it only */
#endif
#endif
    return false;
}

static void trial_run_ends_what_does_not(void **state)
{
    if (signals_wait()) {
        skip();
    }
    struct program program;
    (void)state;
    parse(&program, MAP ALLOC("0", "0") ALLOC("0", "5") "free slot=0\n");
    struct subject subject = flawed_core(FLAW_ENDLESS);
    struct trials trials;
    struct trial trial;
    trials_open(&trials, &subject, &program);
    trials.seconds = 1;
    trial_run(&trials, &program, &trial);
    assert_int_equal(trial.end, TRIAL_FAILED);
    assert_string_equal(trial.signature.text, "timeout in harness_alloc");
    program.ops_count = 1;
    trial_run(&trials, &program, &trial);
    assert_int_equal(trial.end, TRIAL_CLEAN);
    trials_close(&trials);
    program_free(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shrink_failure_leaves_a_clean_case),
        cmocka_unit_test(shrink_failure_holds_the_signature),
        cmocka_unit_test(shrink_program_drifts_without_signature),
        cmocka_unit_test(shrink_failure_lowers_what_is_left),
        cmocka_unit_test(shrink_failure_leaves_no_operation),
        cmocka_unit_test(shrink_failure_stops_when_asked),
        cmocka_unit_test(shrink_output_keeps_what_is_there),
        cmocka_unit_test(shrink_failure_names_the_assertion),
        cmocka_unit_test(trial_run_names_reports),
        cmocka_unit_test(trial_run_ends_what_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
