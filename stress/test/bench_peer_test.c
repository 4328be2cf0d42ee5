/* SPDX-License-Identifier: MIT
 *
 * bench_peer_test.c: every peer that is there does what it is timed for: gives out different
 * blocks, and takes them back.
 */
#include "stress/bench_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 1 << 14, BLOCKS = 512, ROUNDS = 4 };

static void assert_different(void *const *blocks)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        assert_non_null(blocks[i]);
        for (unsigned j = 0; j < i; j++) {
            assert_ptr_not_equal(blocks[i], blocks[j]);
        }
    }
}

static void peer_check(struct bench_peer *peer)
{
    static void *blocks[BLOCKS];
    const struct bench_set set = {.allocator = peer->allocator, .blocks = blocks};
    uint32_t victims[ROUNDS * BENCH_CHURN];
    struct bench_step steps[BLOCKS];
    if (peer->missing != NULL) {
        return;
    }
    assert_true(peer->units >= BLOCKS);
    peer->ops->pairs(&set, BLOCKS);
    peer->ops->take(&set, 0, BLOCKS / 2);
    peer->ops->take(&set, BLOCKS / 2, BLOCKS / 2);
    assert_different(blocks);
    for (uint32_t i = 0; i < ROUNDS * BENCH_CHURN; i++) {
        victims[i] = i * 7 % BLOCKS;
    }
    peer->ops->churn(&set, victims, ROUNDS);
    assert_different(blocks);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        steps[i] = (struct bench_step){.slot = i, .order = i % 4};
    }
    assert_int_equal(peer->ops->mixed(&set, steps, BLOCKS), 0);
    for (unsigned i = 0; i < BLOCKS; i++) {
        assert_null(blocks[i]);
    }
    assert_int_equal(peer->ops->mixed(&set, steps, BLOCKS), 0);
    assert_different(blocks);
    peer->ops->give(&set, 0, BLOCKS);
    bench_peer_close(peer);
}

static void peer_frames_come_and_go(void **state)
{
    const struct bench_goods goods = {.frames = FRAMES};
    struct bench_peer peer;
    (void)state;
    bench_peer_core(&peer, &goods, CORE_TABLE);
    peer_check(&peer);
    bench_peer_core(&peer, &goods, CORE_TREE);
    peer_check(&peer);
    bench_peer_core(&peer, &goods, CORE_LOCKED);
    peer_check(&peer);
    for (unsigned which = TEXTBOOK_PLAIN; which <= TEXTBOOK_LOCKED; which++) {
        bench_peer_textbook(&peer, &goods, (enum bench_textbook)which);
        peer_check(&peer);
    }
    for (unsigned id = 0; id < BENCH_MALLOCS; id++) {
        bench_peer_malloc(&peer, &goods, (enum bench_malloc_id)id);
        peer_check(&peer);
    }
}

static void peer_objects_come_and_go(void **state)
{
    const struct bench_goods goods = {.frames = FRAMES, .object_bytes = 64};
    struct bench_peer peer;
    (void)state;
    bench_peer_core(&peer, &goods, CORE_TABLE);
    peer_check(&peer);
    bench_peer_malloc(&peer, &goods, BENCH_GLIBC);
    peer_check(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_frames_come_and_go),
        cmocka_unit_test(peer_objects_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
