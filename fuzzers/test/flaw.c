/* SPDX-License-Identifier: MIT */
#include "fuzzers/test/flaw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SLOTS = 512 };

unsigned flaw_now;

const struct subject *flaw_core(void)
{
    return subject_find("core");
}

void flaw_parse(struct program *program, const char *text)
{
    struct case_error error;
    if (!case_parse(program, text, strlen(text), &error)) {
        fail_msg("%s in:\n%s", error.text, text);
    }
}

static void assert_clean(struct executor *executor, const struct program *program)
{
    if (!executor_run(executor, program)) {
        executor_print_violation(stderr, executor, program, 4);
        fail_msg("without the flaw: %s", executor->harness.report.detail);
    }
}

void flaw_assert_clean(const struct subject *subject, const char *text)
{
    struct executor executor;
    struct program program;
    program_init(&program);
    flaw_parse(&program, text);
    executor_init(&executor, subject, SLOTS);
    assert_clean(&executor, &program);
    executor_close(&executor);
    program_free(&program);
}

void flaw_assert_found(const struct subject *subject, const struct flaw_case *flaw)
{
    struct executor executor;
    struct program program;
    program_init(&program);
    flaw_parse(&program, flaw->program);
    executor_init(&executor, subject, SLOTS);
    flaw_now = 0;
    assert_clean(&executor, &program);
    flaw_now = flaw->flaw;
    bool clean = executor_run(&executor, &program);
    flaw_now = 0;
    assert_false(clean);
    assert_string_equal(executor.harness.report.name, check_name(flaw->check));
    assert_string_equal(executor.harness.report.sentence, check_sentence(flaw->check));
    assert_int_equal(executor.op_index, flaw->op);
    /* The violation is not left over in the next run. */
    assert_clean(&executor, &program);
    executor_close(&executor);
    program_free(&program);
}
