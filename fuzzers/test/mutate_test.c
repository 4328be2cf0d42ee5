/* SPDX-License-Identifier: MIT
 *
 * mutate_test.c: whatever is changed stays a canonical program within the limits of its target, cut
 * between operations only, and is the same for the same seed.
 */
#include "fuzzers/mutate/mutate.h"

#include "fuzzers/executor.h"
#include "fuzzers/mutate/trim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES_MAX = 2200, CHAIN = 1500, CROSSINGS = 500, MARK_BYTES = sizeof(CASE_MARK) - 1 };

/* Bytes that are an input, and what they are canonically. */
struct checked {
    uint8_t data[BYTES_MAX];
    size_t size;
    size_t program_bytes;
    struct program program;
};

/* The first bytes are, exactly, a case within @limits. */
static void assert_canonical(struct checked *checked, const struct case_limits *limits)
{
    struct case_error error;
    struct program *program = &checked->program;
    uint8_t again[BYTES_MAX];
    checked->program_bytes =
        limits->threads == 0 ? checked->size : case_program_bytes(checked->data, checked->size);
    if (!case_decode(program, checked->data, checked->program_bytes, &error)) {
        fail_msg("%s: %s", limits->name, error.text);
    }
    case_decode_any(program, checked->data, checked->size, limits);
    assert_int_equal(case_encoded_bytes(program), checked->program_bytes);
    case_encode(program, again);
    assert_memory_equal(again, checked->data, checked->program_bytes);
    assert_true(program->ops_count <= limits->ops);
    assert_true(program->map.ranges_count <= limits->ranges);
    assert_true(checked->program_bytes == checked->size ||
                checked->size >= checked->program_bytes + MARK_BYTES);
}

/* Room that is often enough, and sometimes for less than a case. */
static size_t room_of(unsigned step)
{
    static const size_t rooms[] = {2048, 2048, BYTES_MAX, 1024, 100, 24, 20, 19, 7, 1};
    return rooms[step * 7 / 5 % (sizeof(rooms) / sizeof(rooms[0]))];
}

static void mutate_keeps_programs_canonical(void **state)
{
    struct checked input = {.size = 0};
    (void)state;
    program_init(&input.program);
    for (const struct case_limits *const *limits = case_limits_all; *limits != NULL; limits++) {
        struct mutator mutator;
        mutator_init(&mutator, *limits);
        for (unsigned i = 0; i < CHAIN; i++) {
            size_t room = room_of(i);
            if (i % 100 == 0) {
                memset(input.data, (int)i, sizeof(input.data)); /* bytes that are no case */
                input.size = i % 1000;
            }
            mutator_seed(&mutator, i);
            input.size = mutator_mutate(&mutator, input.data, input.size, room);
            assert_true(input.size <= room);
            if (room >= MUTATE_BYTES_MIN + MARK_BYTES) {
                assert_canonical(&input, *limits);
            }
        }
        mutator_close(&mutator);
    }
    program_free(&input.program);
}

static void mutate_of_nothing_makes_something(void **state)
{
    struct mutator mutator;
    uint8_t data[BYTES_MAX];
    (void)state;
    mutator_init(&mutator, &case_limits_page);
    assert_int_equal(mutator_mutate(&mutator, data, 0, 0), 0);
    assert_int_equal(mutator_mutate(&mutator, data, 0, 1), 1);
    assert_true(mutator_mutate(&mutator, data, 0, 2048) >= MUTATE_BYTES_MIN);
    mutator_close(&mutator);
}

/* A long program for @limits: what a chain of changes comes to. */
static void grow(struct mutator *mutator, struct checked *input, unsigned seed, uint32_t ops)
{
    memcpy(input->data, "PTAD", 4);
    input->size = 4;
    program_init(&input->program);
    do {
        mutator_seed(mutator, seed++);
        input->size = mutator_mutate(mutator, input->data, input->size, 2048);
        assert_canonical(input, mutator->limits);
    } while (input->program.ops_count < ops);
}

static void mutate_same_seed_gives_the_same(void **state)
{
    struct mutator one;
    struct mutator other;
    struct checked input;
    uint8_t again[BYTES_MAX];
    uint8_t crossed[2][BYTES_MAX];
    (void)state;
    mutator_init(&one, &case_limits_schedule);
    mutator_init(&other, &case_limits_schedule);
    grow(&one, &input, 7, 16); /* the other one has no past */
    for (unsigned seed = 0; seed < CROSSINGS; seed++) {
        memcpy(again, input.data, sizeof(again));
        mutator_seed(&one, seed);
        size_t size = mutator_mutate(&one, again, input.size, 2048);
        mutator_seed(&one, seed);
        size_t cross = mutator_cross(&one, again, size, input.data, input.size, crossed[0], 2048);
        memcpy(crossed[1], input.data, sizeof(again));
        mutator_seed(&other, seed);
        assert_int_equal(mutator_mutate(&other, crossed[1], input.size, 2048), size);
        assert_memory_equal(crossed[1], again, size);
        mutator_seed(&other, seed);
        assert_int_equal(
            mutator_cross(&other, again, size, input.data, input.size, crossed[1], 2048), cross);
        assert_memory_equal(crossed[1], crossed[0], cross);
    }
    program_free(&input.program);
    mutator_close(&one);
    mutator_close(&other);
}

static void mutate_changes_something(void **state)
{
    struct mutator mutator;
    struct checked input;
    uint8_t changed[BYTES_MAX];
    unsigned same = 0;
    (void)state;
    mutator_init(&mutator, &case_limits_page);
    grow(&mutator, &input, 1, 8);
    for (unsigned seed = 0; seed < CHAIN; seed++) {
        memcpy(changed, input.data, sizeof(changed));
        mutator_seed(&mutator, seed);
        size_t size = mutator_mutate(&mutator, changed, input.size, 2048);
        same += size == input.size && memcmp(changed, input.data, size) == 0 ? 1 : 0;
    }
    assert_int_equal(same, 0);
    program_free(&input.program);
    mutator_close(&mutator);
}

static void mutate_reaches_each_kind(void **state)
{
    struct mutator mutator;
    struct checked input;
    uint8_t out[BYTES_MAX];
    char text[MUTATE_TEXT_MAX];
    uint32_t reached = 0;
    (void)state;
    mutator_init(&mutator, &case_limits_schedule);
    grow(&mutator, &input, 3, 12);
    for (unsigned seed = 0; seed < CHAIN; seed++) {
        mutator_seed(&mutator, seed);
        input.size = mutator_mutate(&mutator, input.data, input.size, 2048);
        reached |= mutator.applied;
        mutator_describe(&mutator, text, sizeof(text));
        assert_string_not_equal(text, "");
        mutator_cross(&mutator, input.data, input.size, input.data, input.size, out, 2048);
        reached |= mutator.applied;
    }
    for (unsigned kind = 0; kind < MUTATIONS; kind++) {
        if ((reached & 1U << kind) == 0) {
            fail_msg("never drawn: %s", mutation_name((enum mutation)kind));
        }
    }
    program_free(&input.program);
    mutator_close(&mutator);
}

/* Each kind of operation that a target's weights name is drawn, whatever there is to begin with. */
static void mutate_draws_what_the_target_weighs(void **state)
{
    (void)state;
    for (const struct case_limits *const *limits = case_limits_all; *limits != NULL; limits++) {
        struct mutator mutator;
        struct checked input;
        bool drawn[OPS] = {false};
        uint32_t faults = 0;
        mutator_init(&mutator, *limits);
        grow(&mutator, &input, 5, 1);
        for (unsigned seed = 0; seed < 2 * CHAIN; seed++) {
            mutator_seed(&mutator, seed);
            input.size = mutator_mutate(&mutator, input.data, input.size, 2048);
            assert_canonical(&input, *limits);
            for (uint32_t i = 0; i < input.program.ops_count; i++) {
                drawn[input.program.ops[i].op] = true;
                faults += input.program.ops[i].nth != 0 ? 1 : 0;
            }
        }
        for (unsigned op = 0; op < OPS; op++) {
            if ((*limits)->op_weights[op] != 0 && !drawn[op]) {
                fail_msg("%s: never drawn: %s", (*limits)->name, op_name((enum op)op));
            }
        }
        assert_int_not_equal(faults, 0);
        program_free(&input.program);
        mutator_close(&mutator);
    }
}

/* A program of lookups, of frames from @first on. */
static void make_lookups(struct checked *input, uint32_t first, uint32_t count)
{
    struct program *program = &input->program;
    program_init(program);
    program->map = (struct boot_map){.zones_count = 1,
                                     .ranges_count = 1,
                                     .zones = {{.zone_class = ZONE_NORMAL}},
                                     .ranges = {{.frames = 100}}};
    for (uint32_t i = 0; i < count; i++) {
        program_add(program, (struct case_op){.op = OP_LOOKUP, .value = first + i});
    }
    input->size = case_encoded_bytes(program);
    case_encode(program, input->data);
}

static void cross_cuts_between_operations_only(void **state)
{
    enum { FIRST = 100, SECOND = 900, COUNT = 40 };
    struct mutator mutator;
    struct checked one = {.size = 0};
    struct checked other = {.size = 0};
    struct checked child = {.size = 0};
    unsigned of_both = 0;
    (void)state;
    make_lookups(&one, FIRST, COUNT);
    make_lookups(&other, SECOND, COUNT);
    program_init(&child.program);
    mutator_init(&mutator, &case_limits_page);
    for (unsigned seed = 0; seed < CROSSINGS; seed++) {
        uint32_t firsts = 0;
        uint32_t seconds = 0;
        mutator_seed(&mutator, seed);
        child.size =
            mutator_cross(&mutator, one.data, one.size, other.data, other.size, child.data, 2048);
        assert_canonical(&child, &case_limits_page);
        for (uint32_t i = 0; i < child.program.ops_count; i++) {
            const struct case_op *op = &child.program.ops[i];
            bool first = op->value >= FIRST && op->value < FIRST + COUNT;
            assert_int_equal(op->op, OP_LOOKUP);
            assert_true(first || (op->value >= SECOND && op->value < SECOND + COUNT));
            firsts += first ? 1 : 0;
            seconds += first ? 0 : 1;
        }
        of_both += firsts != 0 && seconds != 0 ? 1 : 0;
    }
    assert_true(of_both > CROSSINGS / 2);
    program_free(&one.program);
    program_free(&other.program);
    program_free(&child.program);
    mutator_close(&mutator);
}

/* Three of four changes leave the program of a schedule as it is, and the fourth its choices. */
static void mutate_changes_program_or_schedule(void **state)
{
    static const uint8_t choices[] = {CASE_MARK "\1 abcdefgh"};
    struct mutator mutator;
    struct checked input = {.size = 0};
    struct checked out = {.size = 0};
    unsigned programs = 0;
    unsigned schedules = 0;
    (void)state;
    make_lookups(&input, 0, 8);
    size_t program_bytes = input.size;
    memcpy(input.data + program_bytes, choices, sizeof(choices));
    input.size += sizeof(choices);
    program_init(&out.program);
    mutator_init(&mutator, &case_limits_schedule);
    for (unsigned seed = 0; seed < CROSSINGS; seed++) {
        memcpy(out.data, input.data, sizeof(out.data));
        mutator_seed(&mutator, seed);
        out.size = mutator_mutate(&mutator, out.data, input.size, 2048);
        assert_canonical(&out, &case_limits_schedule);
        bool program_same =
            out.program_bytes == program_bytes && memcmp(out.data, input.data, program_bytes) == 0;
        size_t rest = out.size - out.program_bytes;
        bool rest_same =
            rest == sizeof(choices) && memcmp(out.data + out.program_bytes, choices, rest) == 0;
        assert_true(program_same || rest_same);
        programs += program_same ? 0 : 1;
        schedules += rest_same ? 0 : 1;
    }
    assert_true(programs > CROSSINGS / 8 && schedules > programs);
    program_free(&input.program);
    program_free(&out.program);
    mutator_close(&mutator);
}

/* Whether @program asks for frame 107. */
static bool asks(const struct program *program)
{
    for (uint32_t i = 0; i < program->ops_count; i++) {
        if (program->ops[i].value == 107) {
            return true;
        }
    }
    return false;
}

static void trim_leaves_what_is_needed(void **state)
{
    struct checked input = {.size = 0};
    struct checked tried = {.size = 0};
    struct trim trim;
    (void)state;
    make_lookups(&input, 90, 20);
    memcpy(input.data + input.size, CASE_MARK "\1abcdefghijkl", 17);
    input.size += 17;
    program_init(&tried.program);
    trim_init(&trim, &case_limits_schedule);
    uint32_t steps = trim_begin(&trim, input.data, input.size);
    size_t good = input.size;
    assert_true(steps > 0);
    for (uint32_t step = 0; step < steps;) {
        const uint8_t *data;
        tried.size = trim_propose(&trim, &data);
        assert_true(tried.size < good);
        memcpy(tried.data, data, tried.size);
        assert_canonical(&tried, &case_limits_schedule);
        bool same = asks(&tried.program);
        good = same ? tried.size : good;
        uint32_t next = trim_judge(&trim, same);
        assert_true(next > step);
        step = next;
    }
    /* One operation, the mark, and how. */
    assert_int_equal(good, MUTATE_BYTES_MIN + CASE_OP_BYTES + MARK_BYTES + 1);
    assert_true(asks(&trim.program));
    trim_close(&trim);
    program_free(&input.program);
    program_free(&tried.program);
}

static void trim_of_nothing_ends_at_once(void **state)
{
    struct checked input = {.size = 0};
    struct trim trim;
    (void)state;
    trim_init(&trim, &case_limits_page);
    make_lookups(&input, 0, 0);
    assert_int_equal(trim_begin(&trim, input.data, input.size), 0);
    assert_int_equal(trim_begin(&trim, input.data, 3), 0); /* its canonical form is longer */
    trim_close(&trim);
    program_free(&input.program);
}

static bool flawed_lookup(void *instance, pfn_t pfn, struct memdesc_info *info)
{
    return subject_find("core")->lookup(instance, pfn, info) && pfn % 64 != 41;
}

/* What was found with a mutated input is found again, with its bytes and with its text. */
static void mutate_finds_what_can_be_reproduced(void **state)
{
    struct subject flawed = *subject_find("core");
    struct mutator mutator;
    struct checked input;
    struct executor executor;
    struct case_error error;
    unsigned seed = 0;
    (void)state;
    flawed.lookup = flawed_lookup;
    executor_init(&executor, &flawed, case_limits_page.slots);
    mutator_init(&mutator, &case_limits_page);
    grow(&mutator, &input, 11, 8);
    while (executor_run(&executor, &input.program)) {
        assert_true(seed < CHAIN);
        mutator_seed(&mutator, seed++);
        input.size = mutator_mutate(&mutator, input.data, input.size, 2048);
        assert_canonical(&input, &case_limits_page);
    }
    const char *name = executor.harness.report.name;
    uint32_t op = executor.op_index;
    char *text = NULL;
    size_t text_size = 0;
    FILE *file = open_memstream(&text, &text_size);
    case_print(file, &input.program);
    fclose(file);
    for (unsigned way = 0; way < 2; way++) {
        bool read = way == 0 ? case_decode(&input.program, input.data, input.size, &error)
                             : case_parse(&input.program, text, text_size, &error);
        assert_true(read);
        assert_false(executor_run(&executor, &input.program));
        assert_string_equal(executor.harness.report.name, name);
        assert_int_equal(executor.op_index, op);
    }
    free(text);
    program_free(&input.program);
    mutator_close(&mutator);
    executor_close(&executor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutate_keeps_programs_canonical),
        cmocka_unit_test(mutate_of_nothing_makes_something),
        cmocka_unit_test(mutate_same_seed_gives_the_same),
        cmocka_unit_test(mutate_changes_something),
        cmocka_unit_test(mutate_reaches_each_kind),
        cmocka_unit_test(mutate_draws_what_the_target_weighs),
        cmocka_unit_test(cross_cuts_between_operations_only),
        cmocka_unit_test(mutate_changes_program_or_schedule),
        cmocka_unit_test(trim_leaves_what_is_needed),
        cmocka_unit_test(trim_of_nothing_ends_at_once),
        cmocka_unit_test(mutate_finds_what_can_be_reproduced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
