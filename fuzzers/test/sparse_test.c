/* SPDX-License-Identifier: MIT
 *
 * sparse_test.c: the sparse array against a plain one.
 */
#include "fuzzers/sparse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEED = 20210329, STEPS = 4000, COUNT_MAX = 300 };

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* splitmix64 */
static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
    random_state += 0x9e3779b97f4a7c15U;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return (z ^ z >> 31) % limit;
}

/* Where arrays start and end: at blocks' borders and beside them. */
static const struct {
    uint64_t first;
    uint64_t count;
} shapes[] = {{0, 1},  {7, 1},   {0, 2},   {1, 2},      {0, 64},          {0, 65},
              {3, 60}, {63, 66}, {64, 64}, {1000, 300}, {0xc0000001, 255}};

struct plain {
    uint64_t first;
    uint64_t count;
    uint32_t words[COUNT_MAX];
};

/* The order of the largest aligned block around entry @index with one word. */
static order_t plain_order(const struct plain *plain, uint64_t index)
{
    uint32_t word = plain->words[index - plain->first];
    for (order_t order = 1;; order++) {
        uint64_t start = index >> order << order;
        uint64_t length = (uint64_t)1 << order;
        if (word == 0 || start < plain->first || start + length > plain->first + plain->count) {
            return order - 1;
        }
        for (uint64_t at = start; at < start + length; at++) {
            if (plain->words[at - plain->first] != word) {
                return order - 1;
            }
        }
    }
}

static void compare(const struct sparse *sparse, const struct plain *plain)
{
    for (uint64_t i = 0; i < plain->count; i++) {
        order_t order;
        assert_int_equal(sparse_get(sparse, plain->first + i, &order), plain->words[i]);
        assert_int_equal(order, plain_order(plain, plain->first + i));
    }
}

static void sparse_random_blocks_agree_with_an_array(void **state)
{
    (void)state;
    static struct sparse sparse;
    static struct plain plain;
    random_state = SEED;
    for (size_t shape = 0; shape < LENGTH(shapes); shape++) {
        plain = (struct plain){.first = shapes[shape].first, .count = shapes[shape].count};
        assert_true(plain.count <= COUNT_MAX);
        assert_true(sparse_open(&sparse, plain.first, plain.count));
        compare(&sparse, &plain);
        for (unsigned step = 0; step < STEPS; step++) {
            order_t order = (order_t)random_below(9);
            uint64_t index = (plain.first + random_below(plain.count)) >> order << order;
            uint64_t end = index + ((uint64_t)1 << order);
            uint32_t word = 1 + (uint32_t)random_below(3);
            if (index < plain.first || end > plain.first + plain.count) {
                continue;
            }
            for (uint64_t at = index; at < end; at++) {
                plain.words[at - plain.first] = word;
            }
            assert_int_equal(sparse_set(&sparse, index, order, word), plain_order(&plain, index));
            if (step < 64 || step % 16 == 0) {
                compare(&sparse, &plain);
            }
        }
    }
    sparse_close(&sparse);
}

/* Memory that is used again is zero again, whether it is zeroed or given back. */
static void sparse_open_again_is_empty(void **state)
{
    (void)state;
    static const uint64_t counts[] = {(uint64_t)1 << 36, 1000, (uint64_t)1 << 30, 3};
    static struct sparse sparse;
    const void *memory = NULL;
    for (size_t i = 0; i < LENGTH(counts); i++) {
        uint64_t count = counts[i];
        order_t order;
        assert_true(sparse_open(&sparse, 0, count));
        memory = memory == NULL ? sparse.memory : memory;
        assert_ptr_equal(sparse.memory, memory);
        for (uint64_t at = 0; at < count; at += count / 3) {
            assert_int_equal(sparse_get(&sparse, at, &order), 0);
            sparse_set(&sparse, at, 0, 9);
        }
        assert_int_equal(sparse_set(&sparse, 0, 1, 5), 1);
        assert_int_equal(sparse_get(&sparse, 1, &order), 5);
    }
    sparse_close(&sparse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sparse_random_blocks_agree_with_an_array),
        cmocka_unit_test(sparse_open_again_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
