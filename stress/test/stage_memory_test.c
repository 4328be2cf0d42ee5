/* SPDX-License-Identifier: MIT
 *
 * stage_memory_test.c: what executions change is found and put back; an end is checked once, and
 * any other end is another one.
 */
#include "stress/explore/image.h"
#include "stress/explore/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LINES = 8, BYTES = LINES * IMAGE_LINE_BYTES };

struct memory {
    _Alignas(IMAGE_LINE_BYTES) unsigned char now[BYTES];
    _Alignas(IMAGE_LINE_BYTES) unsigned char kept[BYTES];
};

static struct memory memory;

static void memory_fill(void)
{
    for (size_t i = 0; i < BYTES; i++) {
        memory.kept[i] = (unsigned char)(i * 7 + i / 256);
    }
    image_copy(memory.now, memory.kept, BYTES);
    assert_memory_equal(memory.now, memory.kept, BYTES);
}

static void image_restore_undoes_each_byte(void **state)
{
    (void)state;
    memory_fill();
    for (size_t i = 0; i < BYTES; i++) {
        memory.now[i] ^= 0x10;
        image_restore(memory.now, memory.kept, BYTES);
        assert_memory_equal(memory.now, memory.kept, BYTES);
    }
}

static void image_hash_tells_each_byte_and_its_place(void **state)
{
    uint64_t hashes[BYTES + 1];
    (void)state;
    memory_fill();
    hashes[BYTES] = image_hash(1, memory.now, memory.kept, BYTES, NULL);
    for (size_t i = 0; i < BYTES; i++) {
        memory.now[i] ^= 0x10;
        hashes[i] = image_hash(1, memory.now, memory.kept, BYTES, NULL);
        memory.now[i] ^= 0x10;
    }
    for (size_t i = 0; i <= BYTES; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(hashes[i], hashes[j]);
        }
    }
}

static void image_lines_are_all_that_differs(void **state)
{
    static struct image_lines lines;
    (void)state;
    memory_fill();
    memory.now[0] ^= 1;
    memory.now[5 * IMAGE_LINE_BYTES + 63] ^= 1;
    memory.now[BYTES - 1] ^= 1;
    (void)image_hash(1, memory.now, memory.kept, BYTES, &lines);
    assert_int_equal(lines.count, 3);
    assert_false(lines.overflow);
    image_restore_lines(&lines);
    assert_memory_equal(memory.now, memory.kept, BYTES);
}

/* The core, which counts how often it is validated, and may leave a mark of each split. */
static unsigned validations;
static unsigned marks;
static bool leaves_marks;

static bool validate_counted(void *instance, struct violation *violation)
{
    validations++;
    return subject_find("core")->validate(instance, violation);
}

static enum status split_marked(void *instance, const struct subject_block *block, order_t order,
                                struct subject_block *parts)
{
    const struct subject *core = subject_find("core");
    if (leaves_marks) {
        unsigned char *last = (unsigned char *)instance + core->instance_bytes - 1;
        assert_int_equal(*last, 0); /* the mark of the execution before is gone */
        *last = (unsigned char)++marks;
    }
    return core->split(instance, block, order, parts);
}

/* Executes the same schedule 20 times. Return: how often its end was validated. */
static unsigned ends_checked(bool marked)
{
    static const char text[] = "potad-case 2\nslots 64\nrange zone=0 start=0x0 frames=32\n"
                               "alloc slot=0 order=2 zone=any type=unmovable\n"
                               "split slot=0 order=0 thread=1\n"
                               "free slot=8 thread=2\n";
    static struct explorer explorer;
    static struct schedule schedule;
    struct subject subject = *subject_find("core");
    struct stage_options options = {.subject = &subject};
    struct explore_finding finding = {.name = ""};
    struct program program;
    struct case_error error;
    char why[SCHEDULE_ERROR_MAX] = "";
    subject.validate = validate_counted;
    subject.split = split_marked;
    program_init(&program);
    assert_true(case_parse(&program, text, strlen(text), &error));
    assert_true(explorer_open(&explorer, &schedule));
    struct stage *stage = stage_open(&program, &options, &explorer, why);
    assert_non_null(stage);
    struct strategy *strategy = strategy_make("exhaustive0", 1);
    validations = 0;
    marks = 0;
    leaves_marks = marked;
    for (unsigned i = 0; i < 20; i++) {
        assert_true(stage_execute(stage, strategy, &finding));
    }
    strategy_close(strategy);
    stage_close(stage);
    explorer_close(&explorer);
    program_free(&program);
    return validations;
}

static void stage_checks_an_end_once(void **state)
{
    (void)state;
    assert_int_equal(ends_checked(false), 1);
}

static void stage_checks_ends_that_differ_in_a_byte(void **state)
{
    (void)state;
    assert_int_equal(ends_checked(true), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_restore_undoes_each_byte),
        cmocka_unit_test(image_hash_tells_each_byte_and_its_place),
        cmocka_unit_test(image_lines_are_all_that_differs),
        cmocka_unit_test(stage_checks_an_end_once),
        cmocka_unit_test(stage_checks_ends_that_differ_in_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
