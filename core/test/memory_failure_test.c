/* SPDX-License-Identifier: MIT
 *
 * memory_failure_test.c: requirement B3, with A3 and F1: frames that fail, free or in use. In the
 * drawings, . is a free frame, a one in use, P a poisoned one, and ! a failed one in use.
 */
#include "core/test/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct memdesc_info lookup(struct arena *arena, pfn_t pfn)
{
    struct memdesc_info info = {0};
    assert_true(memdesc_lookup(&arena->potad, pfn, &info));
    return info;
}

/* Draws the frames of the block of @order at @pfn, and compares. */
static void assert_frames(struct arena *arena, pfn_t pfn, const char *expected)
{
    for (unsigned i = 0; expected[i] != '\0'; i++) {
        struct memdesc_info info = lookup(arena, pfn + i);
        char drawn = info.type == MEMDESC_POISONED ? 'P' : '.';
        drawn = info.type == MEMDESC_BUDDY_ALLOCATED ? 'a' : drawn;
        if (drawn != expected[i]) {
            fail_msg("frame %u is %c, expected %s", i, drawn, expected);
        }
    }
}

static void fail_frame(struct arena *arena, pfn_t pfn)
{
    assert_int_equal(memory_failure(&arena->potad, pfn), STATUS_OK);
    arena_validate(arena);
}

static void heal_frame(struct arena *arena, pfn_t pfn)
{
    assert_int_equal(unpoison(&arena->potad, pfn), STATUS_OK);
    arena_validate(arena);
}

/* Checks that nothing but what was there at @hash is left. */
static void assert_whole(struct arena *arena, uint64_t hash)
{
    potad_shrink(&arena->potad);
    arena_validate(arena);
    assert_int_equal(potad_state_hash(&arena->potad), hash);
}

/* |    order 6    |  ->  | P | 1 frame | 2 frames | ...: whichever frame fails, one block of each
 * smaller order is left, and all of it comes back. */
static void memory_failure_cuts_a_free_block_around_the_frame(void **state)
{
    (void)state;
    for (pfn_t pfn = 0; pfn < 64; pfn++) {
        struct arena arena;
        arena_open_frames(&arena, 0, 64 + 4096);
        uint64_t hash = potad_state_hash(&arena.potad);
        fail_frame(&arena, pfn);
        struct memdesc_info info = lookup(&arena, pfn);
        assert_int_equal(info.type, MEMDESC_POISONED);
        assert_int_equal(info.pfn, pfn);
        assert_int_equal(info.frames, 1);
        assert_false(info.flawed);
        for (order_t order = 0; pfn >= 32 && order < 5; order++) {
            info = lookup(&arena, pfn_buddy(pfn, order));
            assert_int_equal(info.type, MEMDESC_BUDDY_FREE);
            assert_int_equal(info.frames, order_frames(order));
        }
        heal_frame(&arena, pfn);
        assert_whole(&arena, hash);
        arena_close(&arena);
    }
}

/* E2: a frame that was never accepted is taken out without being accepted, and stays so. */
static void memory_failure_leaves_unaccepted_memory_unaccepted(void **state)
{
    (void)state;
    struct arena arena;
    const struct boot_map map = {
        .zones_count = 2,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = 64, .zone = 0},
                   {.start = 64, .frames = 64, .zone = 1, .unaccepted = true}},
    };
    arena_open(&arena, &map);
    uint64_t hash = potad_state_hash(&arena.potad);
    fail_frame(&arena, 100);
    assert_int_equal(arena.accepted, 0);
    assert_true(lookup(&arena, 100).unaccepted);
    assert_true(lookup(&arena, 101).unaccepted);
    heal_frame(&arena, 100);
    assert_whole(&arena, hash);
    arena_close(&arena);
}

/* aaaaaaaa  ->  aaaaa!aa  ->  .....P..  */
static void free_pages_keeps_a_failed_frame_back(void **state)
{
    (void)state;
    for (pfn_t at = 0; at < 8; at++) {
        char expected[9] = "........";
        struct arena arena;
        arena_open_frames(&arena, 0, 64);
        uint64_t hash = potad_state_hash(&arena.potad);
        struct buddy *buddy = arena_take(&arena, 3);
        pfn_t pfn = buddy->pfn;
        fail_frame(&arena, pfn + at);
        assert_frames(&arena, pfn, "aaaaaaaa");
        assert_true(lookup(&arena, pfn).flawed);
        free_pages(&arena.potad, buddy);
        arena_validate(&arena);
        expected[at] = 'P';
        assert_frames(&arena, pfn, expected);
        assert_int_equal(arena.potad.cache_poison.live, 0);
        heal_frame(&arena, pfn + at);
        assert_whole(&arena, hash);
        arena_close(&arena);
    }
}

/* a!aaa!aa  ->  .P...P..  for every two frames of a block, healed before or after the free. */
static void free_pages_keeps_two_failed_frames_back(void **state)
{
    (void)state;
    struct arena arena;
    arena_open_frames(&arena, 0, 64);
    uint64_t hash = potad_state_hash(&arena.potad);
    for (unsigned pair = 0; pair < 8 * 8; pair++) {
        char expected[9] = "........";
        unsigned first = pair / 8;
        unsigned second = pair % 8;
        if (first == second) {
            continue;
        }
        struct buddy *buddy = arena_take(&arena, 3);
        pfn_t pfn = buddy->pfn;
        fail_frame(&arena, pfn + first);
        fail_frame(&arena, pfn + second);
        if (first < second) {
            heal_frame(&arena, pfn + first);
        } else {
            expected[first] = 'P';
        }
        expected[second] = 'P';
        free_pages(&arena.potad, buddy);
        arena_validate(&arena);
        assert_frames(&arena, pfn, expected);
        for (unsigned i = 0; i < 8; i++) {
            assert_int_equal(unpoison(&arena.potad, pfn + i),
                             expected[i] == 'P' ? STATUS_OK : STATUS_INVALID);
        }
        assert_whole(&arena, hash);
    }
    arena_close(&arena);
}

/* a!aaaa!a  ->  a | ! | aa | aa!a: each record goes with the part that holds the frame. */
static void split_pages_keeps_records_with_their_parts(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *parts[4];
    const bool flawed[4] = {false, true, false, true};
    arena_open_frames(&arena, 0, 64);
    uint64_t hash = potad_state_hash(&arena.potad);
    struct buddy *buddy = arena_take(&arena, 3);
    pfn_t pfn = buddy->pfn;
    fail_frame(&arena, pfn + 1);
    fail_frame(&arena, pfn + 6);
    assert_int_equal(split_pages(&arena.potad, buddy, 0, parts), STATUS_OK);
    arena_validate(&arena);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(lookup(&arena, parts[i]->pfn).flawed, flawed[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        free_pages(&arena.potad, parts[i]);
        arena_validate(&arena);
    }
    assert_frames(&arena, pfn, ".P....P.");
    heal_frame(&arena, pfn + 6);
    heal_frame(&arena, pfn + 1);
    assert_whole(&arena, hash);
    arena_close(&arena);
}

/* A slab's frames stay in use until the slab goes; any frame of a slab of any cache. */
static void memory_failure_waits_for_the_slab(void **state)
{
    (void)state;
    struct arena arena;
    struct kmem_cache *cache;
    void *object;
    arena_open_frames(&arena, 0, 64);
    uint64_t hash = potad_state_hash(&arena.potad);
    assert_int_equal(kmem_cache_create(&arena.potad, "test", 5000, 8, &cache), STATUS_OK);
    assert_int_equal(kmem_cache_alloc(&arena.potad, cache, &object), STATUS_OK);
    unsigned failed = 0;
    for (pfn_t pfn = 0; pfn < 64; pfn++) {
        if (lookup(&arena, pfn).type == MEMDESC_SLAB) {
            fail_frame(&arena, pfn);
            assert_true(lookup(&arena, pfn).flawed);
            failed++;
        }
    }
    assert_in_range(failed, 5, 32);
    kmem_cache_free(&arena.potad, cache, object);
    assert_int_equal(kmem_cache_destroy(&arena.potad, cache), STATUS_OK);
    arena_validate(&arena);
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_in_range(arena.potad.zones[0].frames[BUDDY_POISONED], 2, failed);
    for (pfn_t pfn = 0; pfn < 64; pfn++) {
        failed -= unpoison(&arena.potad, pfn) == STATUS_OK ? 1 : 0;
        arena_validate(&arena);
    }
    assert_int_equal(failed, 0);
    assert_whole(&arena, hash);
    arena_close(&arena);
}

/* F1: at each site, from each step on, all steps fail: nothing changes, and then it works. */
static void memory_failure_without_memory_changes_nothing(void **state)
{
    (void)state;
    for (unsigned used = 0; used < 2; used++) {
        struct arena arena;
        unsigned refused = 0;
        arena_open_frames(&arena, 0, 64);
        struct buddy *buddy = arena_take(&arena, 4);
        pfn_t pfn = used != 0 ? buddy->pfn + 7 : 40;
        uint64_t hash = potad_state_hash(&arena.potad);
        for (unsigned site = 0; site < FAULT_SITES; site++) {
            for (uint64_t from = 1; from <= 8; from++) {
                arena_fail(&arena, (enum fault_site)site, from);
                enum status status = memory_failure(&arena.potad, pfn);
                if (status == STATUS_OK) {
                    heal_frame(&arena, pfn);
                    potad_shrink(&arena.potad);
                } else {
                    assert_int_equal(status, STATUS_NO_MEMORY);
                    refused++;
                }
                arena_validate(&arena);
                assert_int_equal(potad_state_hash(&arena.potad), hash);
            }
        }
        assert_in_range(refused, 4, 8 * FAULT_SITES);
        arena_fail(&arena, FAULT_SITES, 0);
        fail_frame(&arena, pfn);
        arena_close(&arena);
    }
}

/* A3, F3: freeing a block with failed frames, and healing frames, asks for nothing. */
static void free_pages_of_a_flawed_block_asks_no_fallible_step(void **state)
{
    (void)state;
    struct arena arena;
    struct buddy *taken[FAULT_SITES];
    pfn_t pfns[FAULT_SITES];
    arena_open_frames(&arena, 0, 512);
    uint64_t hash = potad_state_hash(&arena.potad);
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        taken[site] = arena_take(&arena, 4);
        pfns[site] = taken[site]->pfn;
        for (unsigned i = 0; i < 16; i += 1 + site) {
            fail_frame(&arena, pfns[site] + i);
        }
    }
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        arena_fail(&arena, (enum fault_site)site, 1);
        heal_frame(&arena, pfns[site]);
        free_pages(&arena.potad, taken[site]);
        arena_validate(&arena);
        for (unsigned i = 1 + site; i < 16; i += 1 + site) {
            heal_frame(&arena, pfns[site] + i);
        }
        for (unsigned asked = 0; asked < FAULT_SITES; asked++) {
            assert_int_equal(arena.steps[asked], 0);
        }
    }
    assert_whole(&arena, hash);
    arena_close(&arena);
}

static void memory_failure_says_what_it_cannot_do(void **state)
{
    (void)state;
    struct arena arena;
    const struct boot_map map = {
        .zones_count = 1,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 8, .frames = 64, .zone = 0}, {.start = 80, .frames = 8, .zone = 0}},
    };
    arena_open(&arena, &map);
    struct buddy *buddy = arena_take(&arena, 2);
    fail_frame(&arena, buddy->pfn + 1);
    fail_frame(&arena, 85);
    uint64_t hash = potad_state_hash(&arena.potad);
    const struct {
        pfn_t pfn;
        enum status failure;
        enum status healing;
    } cases[] = {
        {0, STATUS_INVALID, STATUS_INVALID},          /* before the first frame */
        {75, STATUS_INVALID, STATUS_INVALID},         /* in the hole */
        {88, STATUS_INVALID, STATUS_INVALID},         /* behind the last frame */
        {UINT64_MAX, STATUS_INVALID, STATUS_INVALID}, /* no frame at all */
        {71, STATUS_BUSY, STATUS_INVALID},            /* boot metadata */
        {85, STATUS_EXISTS, STATUS_OK},               /* poisoned */
        {buddy->pfn + 1, STATUS_EXISTS, STATUS_OK},   /* failed, in use */
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(memory_failure(&arena.potad, cases[i].pfn), cases[i].failure);
        assert_int_equal(potad_state_hash(&arena.potad), hash);
    }
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(unpoison(&arena.potad, cases[i].pfn), cases[i].healing);
        assert_int_equal(unpoison(&arena.potad, cases[i].pfn), STATUS_INVALID);
        arena_validate(&arena);
    }
    arena_close(&arena);
}

/* Who was told of a failure last, and how often anybody was. */
struct told {
    unsigned count;
    pfn_t pfn;
    const struct memdesc *descriptor;
};

static void tell(void *context, struct memdesc *descriptor, pfn_t pfn)
{
    struct told *told = context;
    told->count++;
    told->pfn = pfn;
    told->descriptor = descriptor;
}

/* B3: the owner is told once, of its descriptor and frame; nobody is told of a free frame. */
static void b3_memory_failure_tells_the_owner(void **state)
{
    (void)state;
    struct arena arena;
    _Alignas(MEMDESC_ALIGN) struct memdesc folio = {.order = 0};
    struct told told[MEMDESC_TYPES] = {0};
    struct page_request request = {.order = 2, .zone = ZONE_ANY};
    struct buddy *buddy;
    arena_open_frames(&arena, 0, 64);
    for (unsigned type = 0; type < MEMDESC_TYPES; type++) {
        struct memdesc_ops ops = {.memory_failure = tell, .context = &told[type]};
        bool owner = memdesc_type_is_owner((enum memdesc_type)type) || type == MEMDESC_SLAB ||
                     type == MEMDESC_BUDDY_ALLOCATED;
        assert_int_equal(memdesc_register(&arena.potad, (enum memdesc_type)type, &ops),
                         owner ? STATUS_OK : STATUS_INVALID);
    }
    assert_int_equal(alloc_pages_desc(&arena.potad, &request, &folio, MEMDESC_FOLIO, &buddy),
                     STATUS_OK);
    fail_frame(&arena, buddy->pfn + 3);
    assert_int_equal(told[MEMDESC_FOLIO].count, 1);
    assert_int_equal(told[MEMDESC_FOLIO].pfn, buddy->pfn + 3);
    assert_ptr_equal(told[MEMDESC_FOLIO].descriptor, &folio);
    assert_int_equal(memory_failure(&arena.potad, buddy->pfn + 3), STATUS_EXISTS);
    struct buddy *plain = arena_take(&arena, 0);
    fail_frame(&arena, plain->pfn);
    assert_ptr_equal(told[MEMDESC_BUDDY_ALLOCATED].descriptor, &plain->head);
    pfn_t slab = (pfn_t)((unsigned char *)plain - arena.memory) >> FRAME_SHIFT;
    fail_frame(&arena, slab);
    assert_ptr_equal(told[MEMDESC_SLAB].descriptor, lookup(&arena, slab).descriptor);
    fail_frame(&arena, 63);
    unsigned count = 0;
    for (unsigned type = 0; type < MEMDESC_TYPES; type++) {
        count += told[type].count;
    }
    assert_int_equal(count, 3);
    free_pages(&arena.potad, buddy);
    arena_validate(&arena);
    assert_false(folio.flawed);
    arena_close(&arena);
}

/* The descriptors of poisoned frames move to other slabs: frames fail in blocks whose descriptors
 * are in several slabs, and when all is free, one slab is left. */
static void retire_moves_descriptors_of_poisoned_frames(void **state)
{
    (void)state;
    enum { BLOCKS = 400, EACH = 50 };
    struct arena arena;
    struct buddy *taken[BLOCKS];
    arena_open_frames(&arena, 0, 512);
    uint64_t hash = potad_state_hash(&arena.potad);
    for (unsigned i = 0; i < BLOCKS; i++) {
        taken[i] = arena_take(&arena, 0);
    }
    assert_in_range(arena.potad.cache_buddy.slabs, 3, 5);
    for (unsigned i = 0; i < BLOCKS; i += EACH) {
        fail_frame(&arena, taken[i]->pfn);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        free_pages(&arena.potad, taken[i]);
    }
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(arena.potad.zones[0].frames[BUDDY_POISONED], BLOCKS / EACH);
    assert_int_equal(arena.potad.cache_buddy.slabs, 1);
    for (pfn_t pfn = 0; pfn < 512; pfn++) {
        if (lookup(&arena, pfn).type == MEMDESC_POISONED) {
            heal_frame(&arena, pfn);
        }
    }
    assert_whole(&arena, hash);
    arena_close(&arena);
}

/* Little memory: what the failure needs may come from the very block of the frame, which is then a
 * slab's. Every frame of every such arena, with and without a block in use. */
static void memory_failure_finds_its_frame_in_a_new_slab(void **state)
{
    (void)state;
    unsigned in_slab = 0;
    for (uint64_t frames = 1; frames <= 20; frames++) {
        for (pfn_t pfn = 0; pfn < 2 * frames; pfn++) {
            struct arena arena;
            arena_open_frames(&arena, 0, frames);
            uint64_t hash = potad_state_hash(&arena.potad);
            struct buddy *buddy = NULL;
            struct page_request request = {.order = 0, .zone = 0};
            bool used = pfn >= frames && alloc_pages(&arena.potad, &request, &buddy) == STATUS_OK;
            uint64_t before = potad_state_hash(&arena.potad);
            if (memory_failure(&arena.potad, pfn % frames) == STATUS_OK) {
                in_slab += lookup(&arena, pfn % frames).type == MEMDESC_SLAB ? 1 : 0;
                arena_validate(&arena);
                heal_frame(&arena, pfn % frames);
            } else {
                assert_int_equal(potad_state_hash(&arena.potad), before);
            }
            if (used) {
                free_pages(&arena.potad, buddy);
            }
            assert_whole(&arena, hash);
            arena_close(&arena);
        }
    }
    assert_in_range(in_slab, 1, 400);
}

static void fail_frames_of_taken_blocks(struct arena *arena, enum window window)
{
    uint64_t *busy = arena->context;
    arena->window = NULL;
    for (pfn_t pfn = 0; pfn < 64 && window != WINDOWS; pfn++) {
        *busy += memory_failure(&arena->potad, pfn) == STATUS_BUSY ? 1 : 0;
    }
}

/* While a thread holds a block that it has taken off its list, another one's failure in it is
 * refused: |  the block of order 6, to be cut: BUSY  |. */
static void memory_failure_in_a_taken_block_is_busy(void **state)
{
    (void)state;
    struct arena arena;
    uint64_t busy = 0;
    arena_open_frames(&arena, 0, 64);
    uint64_t hash = potad_state_hash(&arena.potad);
    arena.window = fail_frames_of_taken_blocks;
    arena.context = &busy;
    /* Nothing else is free, so the block is held until descriptors cannot be had. */
    struct buddy *buddy = arena_take(&arena, 0);
    assert_int_equal(busy, 64);
    arena_validate(&arena);
    free_pages(&arena.potad, buddy);
    assert_whole(&arena, hash);
    arena_close(&arena);
}

/* Between the allocation of a slab's block and the slab's first use, its frames may fail. */
static void fail_slabs(struct arena *arena, enum window window)
{
    (void)window;
    arena->window = NULL;
    for (pfn_t pfn = 0; pfn < 64; pfn++) {
        if (lookup(arena, pfn).type == MEMDESC_SLAB) {
            enum status status = memory_failure(&arena->potad, pfn);
            assert_true(status == STATUS_OK || status == STATUS_EXISTS);
        }
    }
    arena->window = fail_slabs;
}

static void memory_failure_of_slabs_while_they_are_made(void **state)
{
    (void)state;
    struct arena arena;
    struct kmem_cache *cache;
    void *objects[8];
    arena_open_frames(&arena, 0, 256);
    uint64_t hash = potad_state_hash(&arena.potad);
    struct buddy *buddy = arena_take(&arena, 0);
    arena.window = fail_slabs;
    assert_int_equal(kmem_cache_create(&arena.potad, "test", 3000, 8, &cache), STATUS_OK);
    assert_int_equal(kmem_cache_alloc_bulk(&arena.potad, cache, 8, objects), STATUS_OK);
    arena.window = NULL;
    arena_validate(&arena);
    for (unsigned i = 0; i < 8; i++) {
        kmem_cache_free(&arena.potad, cache, objects[i]);
        arena_validate(&arena);
    }
    assert_int_equal(kmem_cache_destroy(&arena.potad, cache), STATUS_OK);
    free_pages(&arena.potad, buddy);
    unsigned healed = 0;
    for (pfn_t pfn = 0; pfn < 64; pfn++) {
        healed += unpoison(&arena.potad, pfn) == STATUS_OK ? 1 : 0;
        arena_validate(&arena);
    }
    assert_in_range(healed, 2, 64);
    assert_whole(&arena, hash);
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_failure_cuts_a_free_block_around_the_frame),
        cmocka_unit_test(memory_failure_leaves_unaccepted_memory_unaccepted),
        cmocka_unit_test(free_pages_keeps_a_failed_frame_back),
        cmocka_unit_test(free_pages_keeps_two_failed_frames_back),
        cmocka_unit_test(split_pages_keeps_records_with_their_parts),
        cmocka_unit_test(memory_failure_waits_for_the_slab),
        cmocka_unit_test(memory_failure_without_memory_changes_nothing),
        cmocka_unit_test(free_pages_of_a_flawed_block_asks_no_fallible_step),
        cmocka_unit_test(memory_failure_says_what_it_cannot_do),
        cmocka_unit_test(b3_memory_failure_tells_the_owner),
        cmocka_unit_test(retire_moves_descriptors_of_poisoned_frames),
        cmocka_unit_test(memory_failure_finds_its_frame_in_a_new_slab),
        cmocka_unit_test(memory_failure_in_a_taken_block_is_busy),
        cmocka_unit_test(memory_failure_of_slabs_while_they_are_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
