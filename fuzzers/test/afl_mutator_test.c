/* SPDX-License-Identifier: MIT
 *
 * afl_mutator_test.c: the library that AFL++ loads, through the functions that it looks up.
 */
#include "fuzzers/case.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES_MAX = 512, TIMES = 200 };

/* afl-fuzz 4.04c looks these up by name. */
struct library {
    void *handle;
    void *(*init)(void *afl, unsigned seed);
    size_t (*fuzz)(void *data, uint8_t *input, size_t size, uint8_t **out, uint8_t *other,
                   size_t other_size, size_t size_max);
    const char *(*describe)(void *data, size_t size_max);
    int32_t (*init_trim)(void *data, uint8_t *input, size_t size);
    size_t (*trim)(void *data, uint8_t **out);
    int32_t (*post_trim)(void *data, uint8_t success);
    void (*deinit)(void *data);
};

static void look_up(const struct library *library, const char *name, void *function)
{
    void *found = dlsym(library->handle, name);
    assert_non_null(found);
    memcpy(function, &found, sizeof(found));
}

static int library_open(void **state)
{
    static struct library library;
    library.handle = dlopen(POTAD_AFL_MUTATOR, RTLD_NOW);
    assert_non_null(library.handle);
    look_up(&library, "afl_custom_init", &library.init);
    look_up(&library, "afl_custom_fuzz", &library.fuzz);
    look_up(&library, "afl_custom_describe", &library.describe);
    look_up(&library, "afl_custom_init_trim", &library.init_trim);
    look_up(&library, "afl_custom_trim", &library.trim);
    look_up(&library, "afl_custom_post_trim", &library.post_trim);
    look_up(&library, "afl_custom_deinit", &library.deinit);
    *state = &library;
    return 0;
}

static int library_close(void **state)
{
    struct library *library = *state;
    return dlclose(library->handle);
}

static void init_without_a_target_is_refused(void **state)
{
    const struct library *library = *state;
    unsetenv("POTAD_TARGET");
    assert_null(library->init(NULL, 1));
    setenv("POTAD_TARGET", "no_fuzzer", 1);
    assert_null(library->init(NULL, 1));
}

/* Copies the input that came out last, and checks it. Return: its size. */
static size_t adopt(uint8_t *input, const uint8_t *out, size_t size, struct program *program)
{
    struct case_error error;
    assert_true(size <= BYTES_MAX);
    memcpy(input, out, size);
    if (!case_decode(program, input, size, &error)) {
        fail_msg("%s", error.text);
    }
    return size;
}

static void fuzz_makes_cases_and_says_how(void **state)
{
    const struct library *library = *state;
    uint8_t input[BYTES_MAX] = "PTAD";
    uint8_t other[BYTES_MAX] = "PTAD";
    uint8_t *out = NULL;
    size_t size = 4;
    bool spliced = false;
    struct program program;
    program_init(&program);
    setenv("POTAD_TARGET", "slab_fuzzer", 1);
    void *data = library->init(NULL, 1);
    assert_non_null(data);
    for (unsigned i = 0; i < TIMES; i++) {
        size_t made = library->fuzz(data, input, size, &out, other, size, BYTES_MAX);
        const char *text = library->describe(data, 64);
        assert_string_not_equal(text, "");
        assert_true(strlen(text) < 64);
        spliced = spliced || strstr(text, "splice") != NULL;
        memcpy(other, input, sizeof(other));
        size = adopt(input, out, made, &program);
    }
    assert_true(spliced);
    library->deinit(data);
    program_free(&program);
}

static void trim_of_all_leaves_no_operation(void **state)
{
    const struct library *library = *state;
    uint8_t input[BYTES_MAX] = "PTAD";
    uint8_t *out = NULL;
    size_t size = 4;
    struct program program;
    program_init(&program);
    setenv("POTAD_TARGET", "page_fuzzer", 1);
    void *data = library->init(NULL, 2);
    assert_non_null(data);
    do {
        size_t made = library->fuzz(data, input, size, &out, NULL, 0, BYTES_MAX);
        size = adopt(input, out, made, &program);
    } while (program.ops_count < 10);
    int32_t steps = library->init_trim(data, input, size);
    assert_true(steps > 0);
    for (int32_t step = 0; step < steps;) {
        size_t made = library->trim(data, &out);
        assert_true(made < size);
        size = adopt(input, out, made, &program);
        step = library->post_trim(data, 1);
    }
    assert_int_equal(program.ops_count, 0);
    library->deinit(data);
    program_free(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_without_a_target_is_refused),
        cmocka_unit_test(fuzz_makes_cases_and_says_how),
        cmocka_unit_test(trim_of_all_leaves_no_operation),
    };
    return cmocka_run_group_tests(tests, library_open, library_close);
}
