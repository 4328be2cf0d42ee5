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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(space_model_agrees_with_units),
        cmocka_unit_test(space_model_counts_to_the_last_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
