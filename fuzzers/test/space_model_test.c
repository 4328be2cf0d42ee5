/* SPDX-License-Identifier: MIT
 *
 * space_model_test.c: the model of a space, against one that looks at each unit by itself.
 */
#include "fuzzers/space_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { UNITS = 128, ROUNDS = 5000 };

enum use { HOLE, FREE, TAKEN };

struct fixture {
    struct space_model model;
    uint64_t base; /* a multiple of UNITS */
    enum use uses[UNITS];
    uint64_t random;
};

static uint64_t draw(struct fixture *f, uint64_t below)
{
    f->random = f->random * 6364136223846793005U + 1442695040888963407U;
    return (f->random >> 33) % below;
}

static bool all_are(const struct fixture *f, uint64_t first, uint64_t count, enum use use)
{
    for (uint64_t unit = first; unit < first + count; unit++) {
        if (unit >= UNITS || f->uses[unit] != use) {
            return false;
        }
    }
    return true;
}

/* Whether the aligned block is free, and its parent is not. */
static bool is_free_block(const struct fixture *f, uint64_t first, order_t order)
{
    uint64_t units = (uint64_t)1 << order;
    uint64_t parent = first & ~units;
    return first % units == 0 && all_are(f, first, units, FREE) &&
           !all_are(f, parent, 2 * units, FREE);
}

static void assert_same(const struct fixture *f)
{
    uint64_t blocks[ORDERS] = {0};
    for (order_t order = 0; order < 8; order++) {
        for (uint64_t unit = 0; unit < UNITS; unit++) {
            if (!is_free_block(f, unit, order)) {
                continue;
            }
            blocks[order]++;
            for (uint64_t inside = unit; inside < unit + ((uint64_t)1 << order); inside++) {
                struct space_model_block block = space_model_block_at(&f->model, f->base + inside);
                assert_int_equal(block.unit, f->base + unit);
                assert_int_equal(block.order, order);
            }
        }
    }
    assert_memory_equal(blocks, f->model.blocks, sizeof(blocks));
    for (uint64_t unit = 0; unit < UNITS; unit++) {
        uint64_t at = f->base + unit;
        assert_int_equal(space_model_exists(&f->model, at), f->uses[unit] != HOLE);
        assert_int_equal(space_model_is_free(&f->model, at, at), f->uses[unit] == FREE);
    }
}

/* Whether there is a run inside @limits: at each place, unit by unit. */
static bool has_run(const struct fixture *f, uint64_t units, order_t align, struct space_run limits)
{
    for (uint64_t unit = 0; unit + units <= UNITS; unit++) {
        uint64_t first = f->base + unit;
        bool inside = first >= limits.first && first + (units - 1) <= limits.last;
        if (inside && first % ((uint64_t)1 << align) == 0 && all_are(f, unit, units, FREE)) {
            return true;
        }
    }
    return false;
}

/* Limits around, across and beside the units, as far as numbers go. */
static void assert_same_runs(struct fixture *f)
{
    enum { BESIDE = 16, WIDTH = 2 * BESIDE };
    for (unsigned i = 0; i < 8; i++) {
        uint64_t first = f->base + draw(f, UNITS + WIDTH) - BESIDE;
        uint64_t last = first + draw(f, WIDTH);
        uint64_t units = 1 + draw(f, BESIDE);
        order_t align = (order_t)draw(f, 6);
        struct space_run limits = {first, last < first ? UINT64_MAX : last};
        assert_int_equal(space_model_has_run(&f->model, units, align, limits),
                         has_run(f, units, align, limits));
        limits.first = 0;
        assert_int_equal(space_model_has_run(&f->model, units, align, limits),
                         has_run(f, units, align, limits));
        limits = (struct space_run){first, UINT64_MAX};
        assert_int_equal(space_model_has_run(&f->model, units, align, limits),
                         has_run(f, units, align, limits));
    }
}

static void set(struct fixture *f, uint64_t first, uint64_t count, enum use use)
{
    for (uint64_t unit = first; unit < first + count; unit++) {
        f->uses[unit] = use;
    }
}

/* Random runs and holes, random allocations and frees, at both ends of the numbers. */
static void space_model_agrees_with_units(void **state)
{
    static const uint64_t bases[] = {0, 1 << 20, UINT64_MAX - UNITS + 1};
    (void)state;
    for (unsigned i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        struct fixture f = {.base = bases[i], .random = i};
        space_model_reset(&f.model);
        for (uint64_t unit = draw(&f, 4); unit < UNITS; unit += draw(&f, 2)) {
            uint64_t count = 1 + draw(&f, UNITS - unit < 40 ? UNITS - unit : 40);
            space_model_add(&f.model, f.base + unit, f.base + unit + count - 1);
            set(&f, unit, count, FREE);
            unit += count;
        }
        assert_same(&f);
        for (unsigned round = 0; round < ROUNDS; round++) {
            uint64_t count = (uint64_t)1 << draw(&f, 5);
            uint64_t first = draw(&f, UNITS) / count * count;
            if (all_are(&f, first, count, FREE)) {
                space_model_allocate(&f.model, f.base + first, f.base + first + count - 1);
                set(&f, first, count, TAKEN);
            } else if (all_are(&f, first, count, TAKEN)) {
                space_model_release(&f.model, f.base + first, f.base + first + count - 1);
                set(&f, first, count, FREE);
            }
            assert_same(&f);
            assert_same_runs(&f);
        }
        space_model_free(&f.model);
    }
}

/* B5: all the numbers that a space can have are one block of each order. */
static void space_model_counts_to_the_last_order(void **state)
{
    struct space_model model = {0};
    (void)state;
    space_model_reset(&model);
    space_model_add(&model, 0, UINT64_MAX - 1);
    assert_int_equal(space_model_blocks(&model), ORDERS);
    for (order_t order = 0; order < ORDERS; order++) {
        assert_int_equal(model.blocks[order], 1);
        assert_int_equal(space_model_smallest(&model, order), order);
    }
    space_model_allocate(&model, 0, ((uint64_t)1 << 63) - 1);
    assert_int_equal(space_model_smallest(&model, 63), ORDERS);
    space_model_free(&model);
}

/* B6: runs between the first number and the last one that a unit can have. */
static void space_model_has_run_of_all_units(void **state)
{
    struct space_model model = {0};
    const uint64_t last = UINT64_MAX - 1;
    const uint64_t half = (uint64_t)1 << 63;
    (void)state;
    space_model_reset(&model);
    space_model_add(&model, 0, last);
    assert_true(space_model_has_run(&model, UINT64_MAX, 63, (struct space_run){0, UINT64_MAX}));
    assert_true(space_model_has_run(&model, UINT64_MAX, 0, (struct space_run){0, last}));
    assert_false(space_model_has_run(&model, UINT64_MAX, 0, (struct space_run){0, last - 1}));
    assert_false(space_model_has_run(&model, UINT64_MAX, 0, (struct space_run){1, UINT64_MAX}));
    assert_true(space_model_has_run(&model, half - 1, 63, (struct space_run){half, last}));
    assert_true(space_model_has_run(&model, half - 1, 63, (struct space_run){1, UINT64_MAX}));
    assert_false(space_model_has_run(&model, half, 63, (struct space_run){1, UINT64_MAX}));
    assert_false(space_model_has_run(&model, 1, 63, (struct space_run){half + 1, UINT64_MAX}));
    assert_true(space_model_has_run(&model, 1, 0, (struct space_run){last, last}));
    assert_true(space_model_has_run(&model, 1, 1, (struct space_run){last, UINT64_MAX}));
    assert_false(space_model_has_run(&model, 1, 0, (struct space_run){UINT64_MAX, UINT64_MAX}));
    space_model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(space_model_agrees_with_units),
        cmocka_unit_test(space_model_counts_to_the_last_order),
        cmocka_unit_test(space_model_has_run_of_all_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
