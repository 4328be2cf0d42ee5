/* SPDX-License-Identifier: MIT
 *
 * learn_test.c: what a CPU does again and again is found, by how it allocates and frees.
 */
#include "fuzzers/mutate/learn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void feed(struct learner *learner, bool is_free, pfn_t pfn, order_t order, uint32_t cpu)
{
    struct trace_event event = {
        .is_free = is_free, .pfn = pfn, .order = order, .migratetype = 1, .cpu = cpu};
    learner_feed(learner, &event);
}

/* How often the idiom of @count steps was seen; 0: it was not found. */
static uint32_t seen(const struct idiom *found, uint32_t found_count,
                     const struct idiom_step *steps, uint32_t count)
{
    for (uint32_t i = 0; i < found_count; i++) {
        if (found[i].steps_count == count &&
            memcmp(found[i].steps, steps, count * sizeof(*steps)) == 0) {
            return found[i].seen;
        }
    }
    return 0;
}

/* Five blocks are allocated and freed, three times: backwards on CPU 0, forward on CPU 1, at the
 * same time; and on CPU 2, frames that nobody has seen allocated. */
static void learn_tells_how_blocks_are_freed(void **state)
{
    static const struct idiom_step backward[] = {{IDIOM_ALLOC, 0, MIGRATE_MOVABLE, 4},
                                                 {IDIOM_FREE_NEWEST, 0, 0, 4}};
    static const struct idiom_step forward[] = {{IDIOM_ALLOC, 3, MIGRATE_MOVABLE, 4},
                                                {IDIOM_FREE_FORWARD, 3, 0, 4}};
    static const struct idiom_step any[] = {{IDIOM_ALLOC, 9, MIGRATE_MOVABLE, 1},
                                            {IDIOM_FREE_ANY, 0, 0, 4}};
    struct idiom found[IDIOMS_MAX];
    struct learner *learner = learner_open();
    (void)state;
    for (unsigned turn = 0; turn < 3; turn++) {
        feed(learner, false, 4096 + turn, 9, 2);
        for (unsigned i = 0; i < 5; i++) {
            feed(learner, false, 100 + i, 0, 0);
            feed(learner, false, 200 + i * 8, 3, 1);
        }
        for (unsigned i = 0; i < 5; i++) {
            feed(learner, true, 104 - i, 0, 0);
            feed(learner, true, 200 + i * 8, 3, 1);
            feed(learner, true, 9000 + i * 3, 0, 2);
        }
    }
    uint32_t count = learner_idioms(learner, found);
    assert_int_equal(seen(found, count, backward, 2), 3);
    assert_int_equal(seen(found, count, forward, 2), 3);
    assert_int_equal(seen(found, count, any, 2), 3);
    learner_close(learner);
}

static void learn_nothing_from_nothing(void **state)
{
    struct idiom found[IDIOMS_MAX];
    struct learner *learner = learner_open();
    (void)state;
    assert_int_equal(learner_idioms(learner, found), 0);
    feed(learner, true, 77, 0, 0);
    assert_int_equal(learner_idioms(learner, found), 0);
    learner_close(learner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learn_tells_how_blocks_are_freed),
        cmocka_unit_test(learn_nothing_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
