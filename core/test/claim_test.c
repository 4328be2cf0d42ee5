/* SPDX-License-Identifier: MIT
 *
 * claim_test.c: the two sides of a CPU's lists, its owner and who claims them, each held where it
 * is while the other comes: see cpu_cache.h. Two threads, and no luck.
 */
#include "core/test/arena.h"

#include "core/page_alloc.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

enum { FRAMES = 512, LOOK_US = 100, LOOKS_MOST = 100000 };

static struct arena arena;
static atomic_word_t done; /* the other thread is */
static pthread_t other;

/* All threads are on the one CPU that there is: each test sees to it that only one is at a time. */
static uint32_t enters_the_first(void *context)
{
    (void)context;
    return 0;
}

/* Boots with one CPU that keeps blocks. */
static void begin(void)
{
    const struct boot_map map = {
        .zones_count = 1,
        .ranges_count = 1,
        .zones = {{.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 0, .frames = FRAMES}},
    };
    arena_open(&arena, &map);
    arena.port.cpu_enter = enters_the_first;
    assert_int_equal(potad_boot(&arena.potad, &arena.port, &map), STATUS_OK);
    assert_int_equal(potad_cpu_online(&arena.potad, 0), STATUS_OK);
    free_pages(&arena.potad, arena_take(&arena, 0));
    atomic_word_poke(&done, 0);
}

static void end(void)
{
    assert_int_equal(potad_cpu_offline(&arena.potad, 0), STATUS_OK);
    arena_validate(&arena);
    arena_close(&arena);
}

static uint64_t events_of(enum core_event event)
{
    return atomic_word_peek(&arena.potad.events[event]);
}

static bool is_done(void)
{
    return atomic_word_acquire(&done) != 0;
}

/* Waits until @event has been, or for ten seconds. */
static void await(enum core_event event)
{
    for (unsigned looks = 0; events_of(event) == 0 && looks < LOOKS_MOST; looks++) {
        usleep(LOOK_US);
    }
    assert_true(events_of(event) > 0);
}

/* Blocks that the CPU keeps. Context: nobody changes that. */
static uint64_t kept(const struct cpu_cache *cache)
{
    uint64_t blocks = 0;
    for (unsigned i = 0; i < sizeof(cache->lists) / sizeof(cache->lists[0]); i++) {
        blocks += cache->lists[i].count;
    }
    return blocks;
}

static void *shrinks(void *context)
{
    (void)context;
    potad_shrink(&arena.potad);
    atomic_word_release(&done, 1);
    return NULL;
}

/* Who is inside is left alone: what he has there is his until he leaves. */
static void claim_waits_for_who_is_inside(void **state)
{
    uint32_t cpu = 0;
    (void)state;
    begin();
    struct cpu_cache *cache = cpu_cache_enter(&arena.potad, &cpu);
    assert_non_null(cache);
    uint64_t before = kept(cache);
    assert_true(before > 0);
    assert_int_equal(pthread_create(&other, NULL, shrinks, NULL), 0);
    await(CORE_EVENT_CLAIM_MET);
    assert_false(is_done());
    assert_int_equal(kept(cache), before);
    cpu_cache_leave(&arena.potad, cpu);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_true(is_done());
    assert_int_equal(kept(cache), 0);
    end();
}

static struct buddy *taken;

static void *allocates(void *context)
{
    struct page_request request = {.zone = ZONE_ANY};
    (void)context;
    if (alloc_pages(&arena.potad, &request, &taken) == STATUS_OK) {
        atomic_word_release(&done, 1);
    }
    return NULL;
}

/* While lists are claimed, their owner goes to the zone, and does not wait. */
static void owner_goes_elsewhere_while_claimed(void **state)
{
    (void)state;
    begin();
    struct cpu_cache *cache = cpu_cache_of(&arena.potad, 0);
    cpu_cache_stop(&arena.potad);
    uint64_t before = kept(cache);
    assert_int_equal(pthread_create(&other, NULL, allocates, NULL), 0);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_true(is_done());
    assert_true(events_of(CORE_EVENT_OWNER_MET) > 0);
    assert_int_equal(kept(cache), before);
    cpu_cache_start(&arena.potad);
    free_pages(&arena.potad, taken);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claim_waits_for_who_is_inside),
        cmocka_unit_test(owner_goes_elsewhere_while_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
