/* SPDX-License-Identifier: MIT
 *
 * cpu_objects_test.c: objects that CPUs keep of users' caches: who gets them, when they go back to
 * their slabs, and that they are free all the while (F2).
 */
#include "core/page_alloc.h"
#include "core/test/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { OBJECTS_MAX = 4096 };

static struct kmem_cache *create(struct machine *machine, uint64_t size)
{
    struct kmem_cache *cache = NULL;
    assert_int_equal(kmem_cache_create(&machine->arena.potad, "test", size, 1, &cache), STATUS_OK);
    return cache;
}

static void *take(struct machine *machine, struct kmem_cache *cache)
{
    void *object = NULL;
    assert_int_equal(kmem_cache_alloc(&machine->arena.potad, cache, &object), STATUS_OK);
    memset(object, 0x33, cache->size);
    return object;
}

static void give(struct machine *machine, struct kmem_cache *cache, void *object)
{
    kmem_cache_free(&machine->arena.potad, cache, object);
}

static void destroy(struct machine *machine, struct kmem_cache *cache)
{
    assert_int_equal(kmem_cache_destroy(&machine->arena.potad, cache), STATUS_OK);
}

static uint64_t magazine_count(const struct object_magazine *magazine)
{
    uint64_t count = 0;
    for (void *at = object_of_link(magazine->first); at != NULL; count++) {
        at = object_of_link(*object_next(at));
    }
    return count;
}

/* Objects of @cache that @cpu keeps. */
static uint64_t kept(const struct machine *machine, uint32_t cpu, const struct kmem_cache *cache)
{
    const struct cpu_objects *objects = &machine_keeper(machine, cpu)->objects[cache->number];
    return magazine_count(&objects->loaded) + magazine_count(&objects->other);
}

static uint64_t events(const struct machine *machine, enum core_event event)
{
    return atomic_word_peek(&machine->arena.potad.events[event]);
}

struct blocks {
    struct buddy *buddys[OBJECTS_MAX];
    unsigned count;
};

/* Takes all memory, in single frames. */
static void exhaust(struct machine *machine, struct blocks *blocks)
{
    struct page_request request = {.zone = ZONE_ANY};
    blocks->count = 0;
    while (alloc_pages(&machine->arena.potad, &request, &blocks->buddys[blocks->count]) ==
           STATUS_OK) {
        blocks->count++;
        assert_true(blocks->count < OBJECTS_MAX);
    }
}

static void give_blocks(struct machine *machine, struct blocks *blocks)
{
    for (unsigned i = 0; i < blocks->count; i++) {
        free_pages(&machine->arena.potad, blocks->buddys[i]);
    }
}

/* However many are held, allocations and frees in turn go to no slab from some time on. */
static void pairs_test(struct machine *machine)
{
    static const uint64_t sizes[] = {1, 8, 24, 64, 200, 1024, 4096};
    void *held[200];
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct kmem_cache *cache = create(machine, sizes[i]);
        for (unsigned count = 0; count < 200; count++) {
            for (unsigned k = 0; k < 2; k++) {
                void *one = take(machine, cache);
                void *other = take(machine, cache);
                assert_ptr_not_equal(one, other);
                give(machine, cache, one);
                give(machine, cache, other);
            }
            uint64_t refilled = events(machine, CORE_EVENT_OBJECTS_REFILLED);
            uint64_t flushed = events(machine, CORE_EVENT_FLUSHED);
            uint64_t live = cache->live;
            for (unsigned k = 0; k < 20; k++) {
                void *one = take(machine, cache);
                void *other = take(machine, cache);
                give(machine, cache, one);
                give(machine, cache, other);
            }
            assert_int_equal(events(machine, CORE_EVENT_OBJECTS_REFILLED), refilled);
            assert_int_equal(events(machine, CORE_EVENT_FLUSHED), flushed);
            assert_int_equal(cache->live, live);
            held[count] = take(machine, cache);
        }
        arena_validate(&machine->arena);
        for (unsigned count = 0; count < 200; count++) {
            give(machine, cache, held[count]);
            assert_true(kept(machine, 0, cache) <= 2 * (uint64_t)cache->magazine);
        }
        assert_true(events(machine, CORE_EVENT_FLUSHED) > 0);
        arena_validate(&machine->arena);
        destroy(machine, cache);
    }
}

static void b1_pairs_on_a_cpu_take_nothing_from_the_slabs(void **state)
{
    (void)state;
    machine_for_each_kind(4096, 1, pairs_test);
}

/* CPU 0 has all objects that there is memory for, and frees them; CPU 1 gets as many. */
static void objects_pressure_test(struct machine *machine)
{
    static void *objects[OBJECTS_MAX];
    static struct blocks blocks;
    struct kmem_cache *cache = create(machine, 64);
    struct potad *potad = &machine->arena.potad;
    unsigned count = 0;
    while (count < 100) {
        objects[count++] = take(machine, cache);
    }
    exhaust(machine, &blocks);
    machine->cpu = 1;
    while (kmem_cache_alloc(potad, cache, &objects[count]) == STATUS_OK) {
        count++;
        assert_true(count < OBJECTS_MAX);
    }
    machine->cpu = 0;
    for (unsigned i = 0; i < 100; i++) {
        give(machine, cache, objects[i]);
    }
    assert_int_equal(kept(machine, 0, cache), 100);
    machine->cpu = 1;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(kmem_cache_alloc(potad, cache, &objects[i]), STATUS_OK);
    }
    assert_int_equal(kept(machine, 0, cache), 0);
    arena_validate(&machine->arena);
    machine->cpu = CPUS_MAX;
    for (unsigned i = 0; i < count; i++) {
        give(machine, cache, objects[i]);
    }
    destroy(machine, cache);
    give_blocks(machine, &blocks);
}

static void f2_objects_that_a_cpu_keeps_another_gets_when_memory_is_short(void **state)
{
    (void)state;
    machine_for_each_kind(600, 2, objects_pressure_test);
}

/* A slab that nothing but a magazine keeps is memory for a block, and for another cache. */
static void slab_pressure_test(struct machine *machine)
{
    static struct blocks blocks;
    static struct blocks more;
    struct kmem_cache *cache = create(machine, 1024);
    void *objects[8];
    for (unsigned i = 0; i < 8; i++) {
        objects[i] = take(machine, cache);
    }
    exhaust(machine, &blocks);
    for (unsigned i = 0; i < 8; i++) {
        give(machine, cache, objects[i]);
    }
    exhaust(machine, &more);
    assert_true(more.count > 0);
    assert_int_equal(kept(machine, 0, cache), 0);
    assert_int_equal(cache->slabs, 0);
    arena_validate(&machine->arena);
    give_blocks(machine, &more);
    give_blocks(machine, &blocks);
    destroy(machine, cache);
}

static void f2_a_block_is_made_of_a_slab_that_only_magazines_keep(void **state)
{
    (void)state;
    machine_for_each_kind(600, 1, slab_pressure_test);
}

static void destroy_test(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    struct kmem_cache *cache = create(machine, 40);
    void *held = take(machine, cache);
    void *object = take(machine, cache);
    machine->cpu = 1;
    give(machine, cache, object);
    assert_int_equal(kmem_cache_destroy(potad, cache), STATUS_BUSY);
    assert_int_equal(kept(machine, 0, cache) + kept(machine, 1, cache), 0);
    assert_int_equal(cache->live, 1);
    arena_validate(&machine->arena);
    object = take(machine, cache);
    give(machine, cache, object);
    give(machine, cache, held);
    uint32_t number = cache->number;
    destroy(machine, cache);
    arena_validate(&machine->arena);
    cache = create(machine, 1000);
    assert_int_equal(cache->number, number);
    give(machine, cache, take(machine, cache));
    destroy(machine, cache);
}

static void a_cache_is_busy_only_while_users_hold_objects(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 2, destroy_test);
}

static void offline_test(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    struct kmem_cache *cache = create(machine, 100);
    give(machine, cache, take(machine, cache));
    assert_true(kept(machine, 0, cache) > 0);
    assert_int_equal(potad_cpu_offline(potad, 0), STATUS_OK);
    arena_validate(&machine->arena);
    assert_int_equal(cache->live, 0);
    assert_int_equal(cache->slabs, 0);
    give(machine, cache, take(machine, cache)); /* on no CPU */
    assert_int_equal(potad_cpu_online(potad, 0), STATUS_OK);
    give(machine, cache, take(machine, cache));
    assert_true(kept(machine, 0, cache) > 0);
    potad_shrink(potad);
    assert_int_equal(kept(machine, 0, cache), 0);
    assert_int_equal(cache->slabs, 0);
    destroy(machine, cache);
}

static void offline_and_shrink_give_objects_back(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 1, offline_test);
}

/* More caches than there are numbers: the last do without, until numbers are free. */
static void numbers_test(struct machine *machine)
{
    struct kmem_cache *caches[CPU_CACHES + 2];
    for (unsigned i = 0; i < CPU_CACHES + 2; i++) {
        caches[i] = create(machine, 8 + 8 * i);
        give(machine, caches[i], take(machine, caches[i]));
        assert_int_equal(caches[i]->number, i < CPU_CACHES ? i : CPU_CACHES);
        assert_int_equal(caches[i]->live > 0, i < CPU_CACHES);
    }
    arena_validate(&machine->arena);
    destroy(machine, caches[3]);
    caches[3] = create(machine, 500);
    assert_int_equal(caches[3]->number, 3);
    for (unsigned i = 0; i < CPU_CACHES + 2; i++) {
        destroy(machine, caches[i]);
    }
}

static void caches_beyond_the_numbers_have_no_magazines(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 1, numbers_test);
}

/* Neither have caches with a fault site: it is asked before each object; nor large objects. */
static void site_test(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    struct kmem_cache *cache;
    void *object;
    assert_int_equal(kmem_cache_create_site(potad, "site", 64, 1, FAULT_RANGE_NODE, &cache),
                     STATUS_OK);
    give(machine, cache, take(machine, cache));
    arena_fail(&machine->arena, FAULT_RANGE_NODE, 1);
    assert_int_equal(kmem_cache_alloc(potad, cache, &object), STATUS_NO_MEMORY);
    arena_fail(&machine->arena, FAULT_SITES, 0);
    destroy(machine, cache);
    cache = create(machine, CPU_OBJECTS_STRIDE + 1);
    give(machine, cache, take(machine, cache));
    assert_int_equal(cache->slabs, 0);
    destroy(machine, cache);
}

static void f1_a_cache_with_a_fault_site_asks_before_each_object(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 1, site_test);
}

/* A cache without a slab, and a step of making one that fails: as it was. */
static void fault_test(struct machine *machine)
{
    static const enum fault_site sites[] = {FAULT_SLAB_PAGE, FAULT_SLAB_DESC};
    struct potad *potad = &machine->arena.potad;
    struct kmem_cache *cache = create(machine, 64);
    void *object;
    for (unsigned i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
        potad_shrink(potad);
        uint64_t hash = potad_state_hash(potad);
        arena_fail(&machine->arena, sites[i], 1);
        assert_int_equal(kmem_cache_alloc(potad, cache, &object), STATUS_NO_MEMORY);
        arena_fail(&machine->arena, FAULT_SITES, 0);
        arena_validate(&machine->arena);
        assert_int_equal(potad_state_hash(potad), hash);
        give(machine, cache, take(machine, cache));
    }
    destroy(machine, cache);
}

static void f1_an_object_that_cannot_be_had_leaves_all_as_it_was(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 1, fault_test);
}

/* What the acts below are about. */
struct freed {
    struct kmem_cache *cache;
    void *object;
};

static void act_free(struct machine *machine, void *context)
{
    const struct freed *freed = context;
    give(machine, freed->cache, freed->object);
}

static void act_free_elsewhere(struct machine *machine, void *context)
{
    machine->cpu = 1;
    act_free(machine, context);
}

static void act_free_on_no_cpu(struct machine *machine, void *context)
{
    machine->cpu = CPUS_MAX;
    act_free(machine, context);
}

static void act_write_and_take(struct machine *machine, void *context)
{
    const struct freed *freed = context;
    memset(freed->object, 0x11, 8);
    take(machine, freed->cache);
}

static void act_drain(struct machine *machine, void *context)
{
    const struct freed *freed = context;
    memset(freed->object, 0x11, 8);
    potad_shrink(&machine->arena.potad);
}

static void double_free_test(struct machine *machine)
{
    static const uint64_t sizes[] = {1, 8, 64, 1000};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct kmem_cache *cache = create(machine, sizes[i]);
        void *keeps = take(machine, cache); /* the slab */
        void *object = take(machine, cache);
        void *other = take(machine, cache);
        struct freed freed = {cache, object};
        give(machine, cache, object);
        assert_true(machine_asserts(machine, act_free, &freed));
        assert_true(machine_asserts(machine, act_free_elsewhere, &freed));
        assert_true(machine_asserts(machine, act_free_on_no_cpu, &freed));
        assert_true(machine_asserts(machine, act_write_and_take, &freed));
        assert_true(machine_asserts(machine, act_drain, &freed));
        give(machine, cache, other);
        assert_true(machine_asserts(machine, act_free, &freed));
        /* Back in the slab, as a free object of that. */
        potad_shrink(&machine->arena.potad);
        assert_true(machine_asserts(machine, act_free, &freed));
        assert_true(machine_asserts(machine, act_free_on_no_cpu, &freed));
        /* What looks free, but is in use, may be freed. */
        object = take(machine, cache);
        freed.object = object;
        *object_next(object) = OBJECT_NONE;
        assert_false(machine_asserts(machine, act_free, &freed));
        give(machine, cache, object);
        give(machine, cache, keeps);
        destroy(machine, cache);
    }
}

static void freeing_or_writing_a_free_object_is_an_assertion(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 2, double_free_test);
}

static void assert_i18(struct machine *machine)
{
    struct violation violation;
    assert_false(potad_validate(&machine->arena.potad, &violation));
    assert_int_equal(violation.invariant, INVARIANT_CPU_MAGAZINE);
}

/* Each thing that I18 says, when it is not so; and the look itself changes nothing. */
static void i18_sees_magazines_that_are_wrong(void **state)
{
    (void)state;
    static struct machine machine;
    machine_open_frames(&machine, BLOCK_MAP_BOTH, 1024, 2);
    struct kmem_cache *cache = create(&machine, 64);
    struct kmem_cache *other = create(&machine, 64);
    void *held = take(&machine, cache);
    void *object = take(&machine, cache);
    potad_shrink(&machine.arena.potad);
    give(&machine, cache, object);
    arena_validate(&machine.arena);
    struct cpu_objects *magazines = &machine_keeper(&machine, 0)->objects[cache->number];
    const struct cpu_objects none = {OBJECT_MAGAZINE_EMPTY, OBJECT_MAGAZINE_EMPTY};
    struct cpu_objects before = *magazines;
    magazines->loaded.room++;
    assert_i18(&machine); /* a longer chain than counted */
    magazines->loaded.room -= 2;
    assert_i18(&machine);
    *magazines = before;
    cache->magazine = 0;
    assert_i18(&machine); /* more than fit */
    cache->magazine = CPU_OBJECTS_MAX;
    machine_keeper(&machine, 1)->objects[cache->number] = before;
    assert_i18(&machine); /* twice */
    machine_keeper(&machine, 1)->objects[cache->number] = none;
    machine_keeper(&machine, 0)->objects[other->number] = before;
    *magazines = none;
    assert_i18(&machine); /* another cache's */
    machine_keeper(&machine, 0)->objects[other->number] = *magazines;
    *magazines = before;
    object_link_t word = *object_next(object);
    *object_next(object) = 1;
    assert_i18(&machine); /* written to */
    *object_next(object) = word;
    slab_mark(slab_of(&machine.arena.potad.source, object), object, false);
    slab_of(&machine.arena.potad.source, object)->live--;
    cache->live--;
    assert_i18(&machine); /* free in its slab */
    slab_mark(slab_of(&machine.arena.potad.source, object), object, true);
    slab_of(&machine.arena.potad.source, object)->live++;
    cache->live++;
    other->number = cache->number;
    assert_i18(&machine);
    other->number = cache->number + 1;
    arena_validate(&machine.arena);
    give(&machine, cache, held);
    destroy(&machine, cache);
    destroy(&machine, other);
    machine_close(&machine);
}

/* Whatever happens to memory, a reserve gives what was set aside, and takes no lock for that. */
static void reserve_test(struct machine *machine)
{
    enum { COUNT = 150 };
    struct potad *potad = &machine->arena.potad;
    struct kmem_cache *cache = create(machine, 100);
    struct kmem_reserve reserve = {.cache = NULL};
    static struct blocks blocks;
    void *objects[COUNT];
    assert_null(kmem_cache_alloc_reserved(&reserve));
    assert_int_equal(kmem_cache_reserve(potad, cache, COUNT, &reserve), STATUS_OK);
    assert_int_equal(cache->live, COUNT);
    assert_int_equal(kmem_cache_destroy(potad, cache), STATUS_BUSY);
    exhaust(machine, &blocks);
    arena_validate(&machine->arena);
    spinlock_lock(&cache->lock);
    for (unsigned i = 0; i < COUNT; i++) {
        objects[i] = kmem_cache_alloc_reserved(&reserve);
        assert_non_null(objects[i]);
        memset(objects[i], (int)i, cache->size);
    }
    spinlock_unlock(&cache->lock);
    assert_null(kmem_cache_alloc_reserved(&reserve));
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(*(unsigned char *)objects[i], i);
        give(machine, cache, objects[i]);
    }
    arena_validate(&machine->arena);
    kmem_cache_unreserve(potad, &reserve);
    give_blocks(machine, &blocks);
    destroy(machine, cache);
}

static void a4_a_reserve_gives_what_was_set_aside(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 1, reserve_test);
    machine_for_each_kind(1024, 0, reserve_test);
}

/* Topped up, up to @count and no further; what is left goes back. */
static void refill_test(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    struct kmem_cache *cache = create(machine, 64);
    struct kmem_cache *other = create(machine, 64);
    struct kmem_reserve reserve = {.cache = NULL};
    assert_int_equal(kmem_cache_reserve(potad, cache, 10, &reserve), STATUS_OK);
    for (unsigned i = 0; i < 4; i++) {
        give(machine, cache, kmem_cache_alloc_reserved(&reserve));
    }
    potad_shrink(potad);
    assert_int_equal(cache->live, 6);
    assert_int_equal(kmem_cache_reserve(potad, cache, 3, &reserve), STATUS_OK);
    assert_int_equal(cache->live, 6);
    assert_int_equal(kmem_cache_reserve(potad, cache, 80, &reserve), STATUS_OK);
    assert_int_equal(reserve.objects.count, 80);
    assert_int_equal(cache->live, 80);
    assert_int_equal(kmem_cache_reserve(potad, other, 80, &reserve), STATUS_INVALID);
    arena_validate(&machine->arena);
    kmem_cache_unreserve(potad, &reserve);
    assert_int_equal(cache->live, 0);
    assert_int_equal(kmem_cache_reserve(potad, other, 1, &reserve), STATUS_OK);
    kmem_cache_unreserve(potad, &reserve);
    kmem_cache_unreserve(potad, &reserve);
    destroy(machine, cache);
    destroy(machine, other);
}

static void a4_a_reserve_is_topped_up(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 1, refill_test);
}

/* Each step of setting 300 objects aside fails once, then for good: all or none. */
static void reserve_fault_test(struct machine *machine)
{
    static const enum fault_site sites[] = {FAULT_SLAB_PAGE, FAULT_SLAB_DESC, FAULT_BUDDY_DESC,
                                            FAULT_RANGE_NODE};
    struct potad *potad = &machine->arena.potad;
    struct kmem_cache *cache = create(machine, 200);
    struct kmem_reserve reserve = {.cache = NULL};
    assert_int_equal(kmem_cache_reserve(potad, cache, 3, &reserve), STATUS_OK);
    uint64_t hash = potad_state_hash(potad);
    unsigned failed = 0;
    for (unsigned i = 0; i < 2 * sizeof(sites) / sizeof(sites[0]); i++) {
        enum status status = STATUS_NO_MEMORY;
        for (uint64_t step = 1; status != STATUS_OK; step++) {
            arena_fail(&machine->arena, sites[i / 2], step);
            machine->arena.fail_once = i % 2 == 0;
            status = kmem_cache_reserve(potad, cache, 300, &reserve);
            arena_fail(&machine->arena, FAULT_SITES, 0);
            failed += status != STATUS_OK ? 1 : 0;
            arena_validate(&machine->arena);
            if (status != STATUS_OK) {
                assert_int_equal(reserve.objects.count, 3);
                assert_int_equal(potad_state_hash(potad), hash);
            }
        }
        assert_int_equal(reserve.objects.count, 300);
        kmem_cache_unreserve(potad, &reserve);
        potad_shrink(potad);
        assert_int_equal(kmem_cache_reserve(potad, cache, 3, &reserve), STATUS_OK);
        hash = potad_state_hash(potad);
    }
    assert_true(failed > 20);
    kmem_cache_unreserve(potad, &reserve);
    destroy(machine, cache);
}

static void f1_a_reserve_that_fails_leaves_all_as_it_was(void **state)
{
    (void)state;
    machine_for_each_kind(2048, 0, reserve_fault_test);
}

/* Objects of three caches that come and go on four CPUs that do, too. */
static void random_test(struct machine *machine)
{
    static unsigned char *objects[3][OBJECTS_MAX / 4];
    unsigned counts[3] = {0};
    struct kmem_cache *caches[3] = {create(machine, 8), create(machine, 100),
                                    create(machine, 2000)};
    uint64_t random = 1;
    for (unsigned i = 0; i < 30000; i++) {
        unsigned which = (unsigned)arena_random(&random, 3);
        machine->cpu = (uint32_t)arena_random(&random, 5);
        if (arena_random(&random, 300) == 0) {
            machine_cpu_toggle(machine, (uint32_t)arena_random(&random, 4));
        } else if (counts[which] < OBJECTS_MAX / 4 && arena_random(&random, 2) == 0) {
            void *object;
            if (kmem_cache_alloc(&machine->arena.potad, caches[which], &object) == STATUS_OK) {
                memset(object, (int)which + 1, caches[which]->size);
                objects[which][counts[which]++] = object;
            }
        } else if (counts[which] > 0) {
            uint64_t at = arena_random(&random, counts[which]);
            assert_int_equal(objects[which][at][0], which + 1);
            give(machine, caches[which], objects[which][at]);
            objects[which][at] = objects[which][--counts[which]];
        }
        if (i % 64 == 0) {
            arena_validate(&machine->arena);
        }
    }
    for (unsigned which = 0; which < 3; which++) {
        while (counts[which] > 0) {
            give(machine, caches[which], objects[which][--counts[which]]);
        }
        destroy(machine, caches[which]);
    }
}

static void any_sequence_leaves_memory_whole(void **state)
{
    (void)state;
    machine_for_each_kind(700, 0, random_test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b1_pairs_on_a_cpu_take_nothing_from_the_slabs),
        cmocka_unit_test(f2_objects_that_a_cpu_keeps_another_gets_when_memory_is_short),
        cmocka_unit_test(f2_a_block_is_made_of_a_slab_that_only_magazines_keep),
        cmocka_unit_test(a_cache_is_busy_only_while_users_hold_objects),
        cmocka_unit_test(offline_and_shrink_give_objects_back),
        cmocka_unit_test(caches_beyond_the_numbers_have_no_magazines),
        cmocka_unit_test(f1_a_cache_with_a_fault_site_asks_before_each_object),
        cmocka_unit_test(f1_an_object_that_cannot_be_had_leaves_all_as_it_was),
        cmocka_unit_test(freeing_or_writing_a_free_object_is_an_assertion),
        cmocka_unit_test(i18_sees_magazines_that_are_wrong),
        cmocka_unit_test(a4_a_reserve_gives_what_was_set_aside),
        cmocka_unit_test(a4_a_reserve_is_topped_up),
        cmocka_unit_test(f1_a_reserve_that_fails_leaves_all_as_it_was),
        cmocka_unit_test(any_sequence_leaves_memory_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
