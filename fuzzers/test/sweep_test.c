/* SPDX-License-Identifier: MIT
 *
 * sweep_test.c: the core with one thing wrong at a time, which only a sweep finds: when two steps
 * fail, when a call is tried again, when the process ends.
 */
#include "fuzzers/sweep/sweep.h"
#include "fuzzers/sweep/sweep_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define CASE                                                                                       \
    "potad-case 2\n"                                                                               \
    "range zone=0 start=0 frames=66\n"                                                             \
    "cache-create cache=0 size=48 align=16\n"                                                      \
    "alloc slot=0 order=0 zone=any type=movable fault=buddy-desc:1:always\n"                       \
    "free slot=0\n"                                                                                \
    "cache-create cache=1 size=9000 align=8\n"

/* What the sweep below has found last, and how often it has found anything. */
struct seen {
    uint32_t found;
    struct attempt attempt;
    struct attempt_outcome outcome;
};

static struct seen seen;

static void note_found(struct sweep *sweep, const struct program *program,
                       const struct attempt *attempt, const struct attempt_outcome *outcome)
{
    (void)sweep;
    (void)program;
    seen.found++;
    seen.attempt = *attempt;
    seen.outcome = *outcome;
}

static bool always(struct sweep *sweep)
{
    (void)sweep;
    return true;
}

static void parse(struct program *program, const char *text)
{
    struct case_error error;
    program_init(program);
    if (!case_parse(program, text, strlen(text), &error)) {
        fail_msg("%s", error.text);
    }
}

/* Sweeps CASE on @subject. Return: what was counted. */
static struct sweep_counts sweep_on(const struct subject *subject, uint32_t pairs, uint32_t each)
{
    struct sweep sweep;
    struct program program;
    parse(&program, CASE);
    memset(&seen, 0, sizeof(seen));
    sweep_init(&sweep, subject);
    sweep.pairs = pairs;
    sweep.each = each;
    sweep.rest = 2;
    sweep.found = note_found;
    sweep.goes_on = always;
    assert_int_equal(sweep_case(&sweep, &program), SWEEP_DONE);
    struct sweep_counts counts = sweep.counts;
    sweep_close(&sweep);
    program_free(&program);
    return counts;
}

static struct subject flawed; /* the core, but for one function */
static bool refused;          /* it has, once: each process has its own */

static enum status create_never_again(void *instance, uint64_t size, uint64_t align, void **cache)
{
    enum status status = STATUS_NO_MEMORY;
    if (!refused) {
        status = subject_find("core")->cache_create(instance, size, align, cache);
    }
    refused = status == STATUS_NO_MEMORY;
    return status;
}

static enum status create_or_die(void *instance, uint64_t size, uint64_t align, void **cache)
{
    enum status status = subject_find("core")->cache_create(instance, size, align, cache);
    if (status == STATUS_NO_MEMORY) {
        _Exit(7);
    }
    return status;
}

/* Keeps a cache for itself where there was no memory for the caller's. */
static enum status create_and_keep(void *instance, uint64_t size, uint64_t align, void **cache)
{
    const struct subject *core = subject_find("core");
    void *kept;
    enum status status = core->cache_create(instance, size, align, cache);
    if (status == STATUS_NO_MEMORY) {
        (void)core->cache_create(instance, size, align, &kept);
    }
    return status;
}

/* Lives where a fault refuses it. */
static enum status create_and_die(void *instance, uint64_t size, uint64_t align, void **cache)
{
    enum status status = subject_find("core")->cache_create(instance, size, align, cache);
    if (status == STATUS_OK) {
        _Exit(7);
    }
    return status;
}

typedef enum status (*create_function)(void *, uint64_t, uint64_t, void **);

static const struct subject *core_with(create_function create)
{
    flawed = *subject_find("core");
    flawed.cache_create = create;
    return &flawed;
}

static void sweep_case_finds_nothing_in_the_core(void **state)
{
    (void)state;
    struct sweep_counts counts = sweep_on(subject_find("core"), 0, 0);
    assert_int_equal(counts.found, 0);
    assert_int_equal(counts.operations, 4);
    assert_int_equal(counts.reaching, 3);
    assert_true(counts.refused > 0);
    assert_true(counts.survived > 0);
    assert_true(counts.rests > 0);
    assert_int_equal(counts.second_faults, 0);
    assert_int_equal(counts.failed, counts.refused + counts.survived);
}

static void sweep_case_tries_pairs_within_the_budget(void **state)
{
    (void)state;
    struct sweep_counts none = sweep_on(subject_find("core"), 0, 0);
    struct sweep_counts some = sweep_on(subject_find("core"), 3, 0);
    struct sweep_counts all = sweep_on(subject_find("core"), 1000, 0);
    assert_int_equal(some.found + all.found, 0);
    assert_in_range(some.attempts, none.attempts + 1, none.attempts + 9);
    assert_in_range(some.left_out, 1, 3);
    assert_int_equal(all.left_out, 0);
    assert_true(all.second_faults > some.second_faults);
}

static void sweep_case_tries_so_many_of_each(void **state)
{
    (void)state;
    struct sweep_counts all = sweep_on(subject_find("core"), 0, 0);
    struct sweep_counts one = sweep_on(subject_find("core"), 0, 1);
    assert_int_equal(one.found, 0);
    assert_int_equal(one.reaching, all.reaching);
    assert_true(one.attempts < all.attempts); /* the second cache is passed over */
}

static void sweep_case_finds_what_fails_again(void **state)
{
    (void)state;
    struct sweep_counts counts = sweep_on(core_with(create_never_again), 0, 0);
    assert_true(counts.found > 0);
    assert_int_equal(counts.found, seen.found);
    assert_true(seen.outcome.done);
    assert_string_equal(seen.outcome.report.name, check_name(CHECK_RETRY));
    assert_int_equal(seen.outcome.stage, ATTEMPT_AGAIN);
    assert_int_equal(seen.attempt.index % 3, 0); /* of the two that make caches */
    assert_false(refused);                       /* that was in another process */
}

static void sweep_case_finds_what_stays_behind(void **state)
{
    (void)state;
    struct sweep_counts counts = sweep_on(core_with(create_and_keep), 0, 0);
    assert_true(counts.found > 0);
    assert_string_equal(seen.outcome.report.name, check_name(CHECK_FAILURE_STATE));
    assert_int_equal(seen.outcome.stage, ATTEMPT_OPERATION);
}

static void sweep_case_outlives_a_crash(void **state)
{
    (void)state;
    struct sweep_counts counts = sweep_on(core_with(create_or_die), 0, 0);
    assert_true(counts.found > 1); /* it goes on behind the first one */
    assert_false(seen.outcome.done);
    assert_true(attempt_found(&seen.outcome));
    assert_int_equal(seen.attempt.index % 3, 0); /* of the two that make caches */
    assert_int_equal(counts.cases, 1);
}

static void sweep_only_makes_one_attempt(void **state)
{
    (void)state;
    struct sweep sweep;
    struct program program;
    struct attempt attempt;
    parse(&program, CASE);
    memset(&seen, 0, sizeof(seen));
    sweep_init(&sweep, core_with(create_never_again));
    sweep.found = note_found;
    assert_true(attempt_parse("0:slab-page:1:always", &attempt));
    assert_int_equal(sweep_only(&sweep, &program, &attempt), SWEEP_DONE);
    assert_int_equal(seen.found, 1);
    assert_int_equal(sweep.counts.found, 1);
    assert_true(attempt_parse("2:slab-page:1:always", &attempt));
    assert_int_equal(sweep_only(&sweep, &program, &attempt), SWEEP_NO_STRIKE);
    sweep_close(&sweep);
    program_free(&program);
}

/* What an operation does wrong without the fault that the case has there is found again. */
static void sweep_only_repeats_a_probe(void **state)
{
    (void)state;
    struct sweep sweep;
    struct program program;
    struct attempt attempt;
    char text[ATTEMPT_TEXT_MAX];
    parse(&program, "potad-case 2\nrange zone=0 start=0 frames=66\nshrink\n"
                    "cache-create cache=0 size=48 align=16 fault=slab-page:1:always\n");
    memset(&seen, 0, sizeof(seen));
    sweep_init(&sweep, core_with(create_and_die));
    sweep.found = note_found;
    sweep.goes_on = always;
    assert_int_equal(sweep_case(&sweep, &program), SWEEP_DONE);
    assert_int_equal(seen.found, 1);
    attempt_print(&seen.attempt, text);
    assert_string_equal(text, "1:buddy-desc:0:once");
    assert_true(attempt_parse(text, &attempt));
    assert_int_equal(sweep_only(&sweep, &program, &attempt), SWEEP_DONE);
    assert_int_equal(seen.found, 2);
    assert_int_equal(sweep.counts.found, 2);
    assert_int_equal(WEXITSTATUS(seen.outcome.died), 7);
    /* Another operation without a fault is well. */
    assert_true(attempt_parse("0:buddy-desc:0:once", &attempt));
    assert_int_equal(sweep_only(&sweep, &program, &attempt), SWEEP_DONE);
    assert_int_equal(seen.found, 2);
    sweep_close(&sweep);
    program_free(&program);
}

static void attempt_parse_takes_what_is_printed(void **state)
{
    (void)state;
    static const char *const good[] = {"0:buddy-desc:1:once", "70000:cpu-desc:255:always",
                                       "1:slab-page:0:once",
                                       "3:slab-page:2:always+slab-page:7:once"};
    static const char *const bad[] = {"",
                                      "1",
                                      ":slab-page:1:once",
                                      "1:slab-page:1",
                                      "1:slab-page:256:once",
                                      "1:slab-page:1:once+slab-page:0:once",
                                      "1:slab-page:0:once+slab-page:1:once",
                                      "1:slab:1:once",
                                      "1:slab-page:1:once+",
                                      "1:slab-page:1:onceagain",
                                      "1:slab-page:1:once+slab-page:1:once+slab-page:1:once"};
    char text[ATTEMPT_TEXT_MAX];
    struct attempt attempt;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(attempt_parse(good[i], &attempt));
        attempt_print(&attempt, text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(attempt_parse(bad[i], &attempt));
    }
}

static void fault_step_counts_the_second_from_the_first(void **state)
{
    (void)state;
    struct fault_plan plan = {.op = OPS};
    const struct case_op op = {.op = OP_ALLOC, .site = FAULT_SLAB_PAGE, .nth = 2};
    fault_arm(&plan, &op);
    plan.then = (struct fault){FAULT_BUDDY_DESC, 2, FAULT_ONCE};
    assert_false(fault_step(&plan, FAULT_BUDDY_DESC));
    assert_false(fault_step(&plan, FAULT_BUDDY_DESC)); /* before the first fault */
    assert_false(fault_step(&plan, FAULT_SLAB_PAGE));
    assert_true(fault_step(&plan, FAULT_SLAB_PAGE));
    assert_false(fault_step(&plan, FAULT_BUDDY_DESC));
    assert_int_equal(plan.fired_then, 0);
    assert_true(fault_step(&plan, FAULT_BUDDY_DESC));
    assert_false(fault_step(&plan, FAULT_BUDDY_DESC));
    assert_int_equal(plan.fired, 2);
    assert_int_equal(plan.fired_then, 1);
    assert_int_equal(plan.steps[FAULT_BUDDY_DESC], 5);
    assert_int_equal(plan.steps_after[FAULT_BUDDY_DESC], 3);
    fault_disarm(&plan);
    assert_int_equal(plan.then.nth, 0);
}

static void fault_matrix_check_names_each_cell(void **state)
{
    (void)state;
    static struct fault_matrix matrix;
    const struct subject *core = subject_find("core");
    FILE *out = tmpfile();
    uint32_t possible = 0;
    assert_non_null(out);
    for (unsigned op = 0; op < OPS; op++) {
        for (unsigned site = 0; site < FAULT_SITES; site++) {
            if (fault_cell_impossible(core, (enum op)op, (enum fault_site)site) == NULL) {
                possible += FAULT_MODES;
            }
        }
    }
    assert_true(possible > 0);
    assert_int_equal(fault_matrix_check(out, &matrix, core), possible);
    matrix.cells[OP_ALLOC][FAULT_ACCEPT][MATRIX_ONCE].failed = 1;
    assert_int_equal(fault_matrix_check(out, &matrix, core), possible - 1);
    /* What cannot be, is not to be, either. */
    matrix.cells[OP_FREE][FAULT_ACCEPT][MATRIX_ALWAYS].failed = 1;
    assert_int_equal(fault_matrix_check(out, &matrix, core), possible);
    assert_true(fault_cells_known(core));
    assert_false(fault_cells_known(subject_find("core-tree")));
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweep_case_finds_nothing_in_the_core),
        cmocka_unit_test(sweep_case_tries_pairs_within_the_budget),
        cmocka_unit_test(sweep_case_tries_so_many_of_each),
        cmocka_unit_test(sweep_case_finds_what_fails_again),
        cmocka_unit_test(sweep_case_finds_what_stays_behind),
        cmocka_unit_test(sweep_case_outlives_a_crash),
        cmocka_unit_test(sweep_only_makes_one_attempt),
        cmocka_unit_test(sweep_only_repeats_a_probe),
        cmocka_unit_test(attempt_parse_takes_what_is_printed),
        cmocka_unit_test(fault_step_counts_the_second_from_the_first),
        cmocka_unit_test(fault_matrix_check_names_each_cell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
