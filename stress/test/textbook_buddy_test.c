/* SPDX-License-Identifier: MIT
 *
 * textbook_buddy_test.c: a peer that gives out one frame twice would be measured for nothing.
 */
#include "stress/random.h"
#include "stress/textbook_buddy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ORDER_TOP = 10, FRAMES = 1 << ORDER_TOP, CACHE_HIGH = 12, CACHE_BATCH = 5 };

static struct textbook_page pages[FRAMES];
static struct textbook_buddy buddy;

static uint64_t blocks_free(order_t order)
{
    uint64_t count = 0;
    list_for_each (link, &buddy.free[order]) {
        count++;
    }
    return count;
}

/*  order 10: | frame 0 ...                                   |
 *  after:    | 0, given out | 8 | 16 ... | 32 ... | ... | 512 ... | */
static void textbook_alloc_halves(void **state)
{
    (void)state;
    textbook_buddy_open(&buddy, pages, ORDER_TOP, 0, 0);
    assert_ptr_equal(textbook_buddy_alloc(&buddy, 3), &pages[0]);
    for (order_t order = 3; order < ORDER_TOP; order++) {
        assert_int_equal(blocks_free(order), 1);
        assert_true(pages[order_frames(order)].free);
        assert_int_equal(pages[order_frames(order)].order, order);
    }
    assert_ptr_equal(textbook_buddy_alloc(&buddy, 9), &pages[512]);
    assert_null(textbook_buddy_alloc(&buddy, 9));
    textbook_buddy_free(&buddy, &pages[512]);
    textbook_buddy_free(&buddy, &pages[0]);
    assert_int_equal(blocks_free(ORDER_TOP), 1);
}

/* Random blocks, each frame with its owner noted, until nothing is left; then all is freed. */
static void fill_and_empty(struct random *random)
{
    static bool taken[FRAMES];
    static struct textbook_page *held[FRAMES];
    unsigned count = 0;
    uint64_t frames = 0;
    for (;;) {
        order_t order = (order_t)random_below(random, 4);
        struct textbook_page *page = textbook_buddy_alloc(&buddy, order);
        page = page == NULL ? textbook_buddy_alloc(&buddy, 0) : page;
        if (page == NULL) {
            break;
        }
        pfn_t pfn = (pfn_t)(page - pages);
        assert_true(pfn_is_aligned(pfn, page->order));
        for (uint64_t i = 0; i < order_frames(page->order); i++) {
            assert_false(taken[pfn + i]);
            taken[pfn + i] = true;
        }
        frames += order_frames(page->order);
        held[count++] = page;
    }
    assert_int_equal(frames, FRAMES);
    while (count > 0) {
        unsigned at = (unsigned)random_below(random, count);
        struct textbook_page *page = held[at];
        for (uint64_t i = 0; i < order_frames(page->order); i++) {
            taken[(pfn_t)(page - pages) + i] = false;
        }
        held[at] = held[--count];
        textbook_buddy_free(&buddy, page);
    }
}

static void textbook_free_merges_all(void **state)
{
    struct random random;
    (void)state;
    random_init(&random, 1, 0);
    textbook_buddy_open(&buddy, pages, ORDER_TOP, 0, 0);
    for (unsigned round = 0; round < 8; round++) {
        fill_and_empty(&random);
        assert_int_equal(blocks_free(ORDER_TOP), 1);
    }
}

static void textbook_cache_keeps_up_to_high(void **state)
{
    struct random random;
    (void)state;
    random_init(&random, 2, 0);
    textbook_buddy_open(&buddy, pages, ORDER_TOP, CACHE_HIGH, CACHE_BATCH);
    for (unsigned round = 0; round < 8; round++) {
        fill_and_empty(&random);
        assert_in_range(buddy.cache.count, CACHE_HIGH - CACHE_BATCH + 1, CACHE_HIGH);
    }
}

/* The frame that was freed last comes back first; a batch that is due goes from the other end. */
static void textbook_cache_gives_warmest(void **state)
{
    struct textbook_page *held[CACHE_HIGH + 1];
    (void)state;
    textbook_buddy_open(&buddy, pages, ORDER_TOP, CACHE_HIGH, CACHE_BATCH);
    for (unsigned i = 0; i <= CACHE_HIGH; i++) {
        held[i] = textbook_buddy_alloc(&buddy, 0);
        assert_ptr_equal(held[i], &pages[i]);
    }
    assert_int_equal(buddy.cache.count, 2);
    textbook_buddy_free(&buddy, held[7]);
    assert_ptr_equal(textbook_buddy_alloc(&buddy, 0), held[7]);
    for (unsigned i = 0; i <= CACHE_HIGH; i++) {
        textbook_buddy_free(&buddy, held[i]);
    }
    assert_int_equal(buddy.cache.count, 2 + CACHE_HIGH + 1 - CACHE_BATCH);
    assert_ptr_equal(textbook_buddy_alloc(&buddy, 0), held[CACHE_HIGH]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(textbook_alloc_halves),
        cmocka_unit_test(textbook_free_merges_all),
        cmocka_unit_test(textbook_cache_keeps_up_to_high),
        cmocka_unit_test(textbook_cache_gives_warmest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
