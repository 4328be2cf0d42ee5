/* SPDX-License-Identifier: MIT
 *
 * determinism_test.c: an execution that does not happen again as it was, and what is said of it.
 */
#include "stress/explore/determinism.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LOG_MAX = 64 };

struct scene {
    struct explorer explorer;
    struct schedule schedule;
    struct explored_step steps[2][EXPLORE_STEPS_MAX];
    struct explore_log logs[2];
    atomic_word_t words[2];
    unsigned executions; /* so far: what nobody schedules */
    bool stray;          /* a thread looks at that */
};

static struct scene scene;

static int scene_open(void **state)
{
    (void)state;
    scene.executions = 0;
    scene.stray = false;
    return explorer_open(&scene.explorer, &scene.schedule) ? 0 : -1;
}

static int scene_close(void **state)
{
    (void)state;
    explorer_close(&scene.explorer);
    return 0;
}

/* Two steps of each thread; the second one of thread 1 may be on another word each time. */
static void take_two_steps(void *context, unsigned thread)
{
    bool other = scene.stray && thread == 1 && scene.executions % 2 == 1;
    (void)context;
    explorer_begin_op(&scene.explorer, thread);
    (void)atomic_word_add(&scene.words[0], 1);
    if (other) {
        atomic_word_poke(&scene.words[1], 7);
    } else {
        (void)atomic_word_add(&scene.words[0], 1);
    }
}

/* Executes into log @index. */
static void execute(unsigned index)
{
    struct strategy *strategy = strategy_make("exhaustive0", 0);
    assert_non_null(strategy);
    (atomic_word_poke)(&scene.words[0], 0);
    scene.logs[index] = (struct explore_log){.steps = scene.steps[index], .capacity = LOG_MAX};
    scene.explorer.log = &scene.logs[index];
    assert_true(explorer_run(&scene.explorer, 2, take_two_steps, NULL, strategy));
    scene.explorer.log = NULL;
    scene.executions++;
    strategy_close(strategy);
}

static void determinism_finds_no_difference(void **state)
{
    char text[EXPLORE_TEXT_MAX] = "";
    (void)state;
    execute(0);
    execute(1);
    assert_false(determinism_differ(&scene.logs[0], &scene.logs[1], text));
}

static void determinism_names_the_first_other_step(void **state)
{
    char text[EXPLORE_TEXT_MAX] = "";
    (void)state;
    scene.stray = true;
    execute(0);
    execute(1);
    assert_true(determinism_differ(&scene.logs[0], &scene.logs[1], text));
    assert_non_null(strstr(text, "what step 4 is"));
    assert_non_null(strstr(text, "thread 2, operation 1, step 1: &scene.words[0] = 0x4"));
    assert_non_null(strstr(text, "; then thread 2, operation 1, step 1: &scene.words[1] = 0x7"));
    assert_non_null(strstr(text, "in take_two_steps() at determinism_test.c:"));
}

static void determinism_names_where_one_goes_on(void **state)
{
    char text[EXPLORE_TEXT_MAX] = "";
    (void)state;
    execute(0);
    execute(1);
    scene.logs[1].count--;
    assert_true(determinism_differ(&scene.logs[0], &scene.logs[1], text));
    assert_non_null(strstr(text, "; then no step any more"));
}

/* The allocator, but for a look at a frame before every second allocation. */
static enum status alloc_with_a_look(void *instance, const struct subject_request *request,
                                     struct subject_block *block)
{
    const struct subject *core = subject_find("core");
    struct memdesc_info info;
    if (scene.stray && scene.executions++ % 2 == 1) {
        (void)core->lookup(instance, 0, &info);
    }
    return core->alloc(instance, request, block);
}

/* Whether a case of two threads on a subject that looks is executed again as it was. */
static bool stage_happens_again(bool looks, struct explore_finding *finding)
{
    static const char text[] = "potad-case 2\nslots 64\nrange zone=0 start=0x0 frames=32\n"
                               "alloc slot=0 order=1 zone=any type=unmovable thread=1\n"
                               "free slot=8 thread=2\n";
    struct subject subject = *subject_find("core");
    struct stage_options options = {.subject = &subject};
    struct program program;
    struct case_error error;
    char why[SCHEDULE_ERROR_MAX] = "";
    subject.alloc = alloc_with_a_look;
    program_init(&program);
    assert_true(case_parse(&program, text, strlen(text), &error));
    struct stage *stage = stage_open(&program, &options, &scene.explorer, why);
    assert_non_null(stage);
    struct strategy *strategy = strategy_make("sticky", 1);
    scene.stray = looks;
    scene.logs[0] = (struct explore_log){.steps = scene.steps[0], .capacity = EXPLORE_STEPS_MAX};
    scene.explorer.log = &scene.logs[0];
    assert_true(stage_execute(stage, strategy, finding));
    scene.explorer.log = NULL;
    bool same = determinism_check(stage, &scene.logs[0], finding);
    strategy_close(strategy);
    stage_close(stage);
    program_free(&program);
    return same;
}

static void determinism_check_takes_what_happens_again(void **state)
{
    struct explore_finding finding = {.name = ""};
    (void)state;
    assert_true(stage_happens_again(false, &finding));
    assert_string_equal(finding.name, "");
}

static void determinism_check_names_what_else_decides(void **state)
{
    struct explore_finding finding = {.name = ""};
    (void)state;
    assert_false(stage_happens_again(true, &finding));
    assert_string_equal(finding.name, DETERMINISM_NAME);
    assert_non_null(strstr(finding.text, "thread 1, operation 0, step "));
    assert_non_null(strstr(finding.text, "lookup.c:"));
}

/* Epochs begin to look for a place of their own where the hint says: it is that of stacks, which
 * are elsewhere in each process, in programs that explore nothing. */
static void who_sets_up_has_a_number_of_his_own(void **state)
{
    uint32_t hint = 0;
    (void)state;
    assert_true(port_sync_hint(&hint));
    assert_int_equal(hint, EXPLORE_THREADS);
}

#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, scene_open, scene_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(determinism_finds_no_difference),
        SCENE_TEST(determinism_names_the_first_other_step),
        SCENE_TEST(determinism_names_where_one_goes_on),
        SCENE_TEST(determinism_check_takes_what_happens_again),
        SCENE_TEST(determinism_check_names_what_else_decides),
        SCENE_TEST(who_sets_up_has_a_number_of_his_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
