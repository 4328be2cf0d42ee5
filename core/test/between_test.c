/* SPDX-License-Identifier: MIT
 *
 * between_test.c: what other threads do just between two steps of a call, done by the port there:
 * where it is told of a window, or asked for the CPU.
 */
#include "core/page_alloc.h"
#include "core/potad_space.h"
#include "core/test/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { BOOT, ADDED, BOOT_FRAMES = 512, BASE = 4096, ADDED_FRAMES = 1024, BLOCKS = 2048 };

static struct arena arena;
static bool armed;
static pfn_t failed;
static struct buddy *held[BLOCKS];
static uint64_t held_count;

static void begin(void)
{
    struct boot_map map = {
        .zones_count = 1,
        .ranges_count = 1,
        .zones = {{.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 0, .frames = BOOT_FRAMES}},
    };
    arena_open(&arena, &map);
    armed = false;
    failed = PFN_NONE;
    held_count = 0;
}

static struct buddy *take_from(zone_id_t zone)
{
    struct buddy *buddy = NULL;
    struct page_request request = {.zone = zone, .migratetype = MIGRATE_MOVABLE};
    return alloc_pages(&arena.potad, &request, &buddy) == STATUS_OK ? buddy : NULL;
}

/* Takes all there is of @zone. */
static void take_all(zone_id_t zone)
{
    struct buddy *buddy;
    while ((buddy = take_from(zone)) != NULL) {
        assert_true(held_count < BLOCKS);
        held[held_count++] = buddy;
    }
}

static void free_all(void)
{
    while (held_count > 0) {
        free_pages(&arena.potad, held[--held_count]);
    }
}

/* The highest frame that is in use, by itself, and no list's yet. */
static pfn_t last_in_use(void)
{
    for (pfn_t pfn = BOOT_FRAMES; pfn-- > 0;) {
        struct memdesc_info info;
        if (memdesc_lookup(&arena.potad, pfn, &info) && info.type == MEMDESC_BUDDY_ALLOCATED) {
            return pfn;
        }
    }
    return PFN_NONE;
}

static uint32_t enter_fails_a_frame(void *context)
{
    (void)context;
    pfn_t pfn = armed ? last_in_use() : PFN_NONE;
    if (pfn != PFN_NONE) {
        armed = false;
        assert_int_equal(memory_failure(&arena.potad, pfn), STATUS_OK);
        failed = pfn;
    }
    return 0;
}

/* A frame fails when a batch has left its zone, and is on no list of the CPU yet: it never gets on
 * one. */
static void refill_leaves_out_what_has_failed(void **state)
{
    (void)state;
    begin();
    arena.potad.port.cpu_enter = enter_fails_a_frame;
    assert_int_equal(potad_cpu_online(&arena.potad, 0), STATUS_OK);
    armed = true;
    held[held_count++] = take_from(ZONE_ANY);
    assert_non_null(held[0]);
    assert_int_not_equal(failed, PFN_NONE);
    assert_int_not_equal(failed, held[0]->pfn);
    arena_validate(&arena);
    take_all(ZONE_ANY);
    for (uint64_t i = 0; i < held_count; i++) {
        assert_int_not_equal(held[i]->pfn, failed);
    }
    free_all();
    assert_int_equal(unpoison(&arena.potad, failed), STATUS_OK);
    assert_int_equal(potad_cpu_offline(&arena.potad, 0), STATUS_OK);
    arena_validate(&arena);
    arena_close(&arena);
}

static uint32_t enters_none(void *context)
{
    (void)context;
    return CPUS_MAX;
}

static void leaves_what_was_entered(void *context, uint32_t cpu)
{
    (void)context;
    assert_true(cpu < CPUS_MAX);
}

/* A thread that is on no CPU leaves none. */
static void nobody_leaves_what_he_has_not_entered(void **state)
{
    (void)state;
    begin();
    arena.potad.port.cpu_enter = enters_none;
    arena.potad.port.cpu_leave = leaves_what_was_entered;
    assert_int_equal(potad_cpu_online(&arena.potad, 0), STATUS_OK);
    take_all(ZONE_ANY);
    free_all();
    assert_int_equal(potad_cpu_offline(&arena.potad, 0), STATUS_OK);
    arena_validate(&arena);
    arena_close(&arena);
}

/* Where the call that grows a slab has nothing of the zone in hand. */
static void window_removes_the_zone(struct arena *of, enum window window)
{
    if (!armed || window != WINDOW_SLAB_GROW || of->potad.zones[ADDED].frames[BUDDY_TAKEN] > 0) {
        return;
    }
    armed = false;
    free_all();
    assert_int_equal(potad_zone_remove(&of->potad, ADDED), STATUS_OK);
}

/* A call needs more tree nodes for a zone, and that has gone when it has them: they go back. */
static void nodes_for_a_zone_that_goes_are_not_lost(void **state)
{
    const struct zone_config config = {.zone_class = ZONE_HIGHMEM};
    const struct range range = {.start = BASE, .frames = ADDED_FRAMES};
    (void)state;
    begin();
    assert_int_equal(potad_zone_add(&arena.potad, ADDED, &config, &range, 1), STATUS_OK);
    arena.window = window_removes_the_zone;
    armed = true;
    for (uint64_t i = 0; i < ADDED_FRAMES && armed; i++) {
        struct buddy *buddy = take_from(ADDED);
        if (armed) {
            assert_non_null(buddy);
            held[held_count++] = buddy;
        } else {
            assert_null(buddy);
        }
    }
    assert_false(armed);
    arena_validate(&arena);
    arena_close(&arena);
}

/* Others are faster: the slab that a free has found goes back to its zone. */
static void window_shrinks(struct arena *of, enum window window)
{
    if (armed && window == WINDOW_RETIRE) {
        armed = false;
        potad_shrink(&of->potad);
        armed = true;
    }
}

static uint64_t events_of(enum core_event event)
{
    return atomic_word_peek(&arena.potad.events[event]);
}

/* A slab that could be retired has been by another thread, before the locks for it were there: its
 * struct slab, and its frame, may be anything by now. */
static void retire_looks_at_its_slab_again(void **state)
{
    (void)state;
    begin();
    uint64_t hash = potad_state_hash(&arena.potad);
    take_all(ZONE_ANY);
    arena.window = window_shrinks;
    armed = true;
    for (uint64_t i = 0; i < held_count; i++) {
        free_pages(&arena.potad, held[i]);
        arena_validate(&arena);
    }
    assert_true(events_of(CORE_EVENT_RETIRE_RACED) > 0);
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

static struct kmem_cache *reusing;
static void *reused[BLOCKS];
static uint64_t reused_count;

static void reused_free(void)
{
    while (reused_count > 0) {
        kmem_cache_free(&arena.potad, reusing, reused[--reused_count]);
    }
}

/* Others are faster, and what the slab has left is used again: its frame, and its struct slab. */
static void window_uses_again(struct arena *of, enum window window)
{
    if (!armed || window != WINDOW_RETIRE) {
        return;
    }
    armed = false;
    potad_shrink(&of->potad);
    while (reused_count < BLOCKS &&
           kmem_cache_alloc(&of->potad, reusing, &reused[reused_count]) == STATUS_OK) {
        reused_count++;
    }
    armed = true;
}

/* What stands in the frame of a slab that was to be retired is another slab, of another cache: with
 * another struct slab, or with just the one of before. */
static void retire_looks_whose_slab_it_is(void **state)
{
    (void)state;
    begin();
    enum status status = kmem_cache_create(&arena.potad, "reusing", FRAME_SIZE, 1, &reusing);
    assert_int_equal(status, STATUS_OK);
    take_all(ZONE_ANY);
    arena.window = window_uses_again;
    armed = true;
    for (uint64_t i = 0; i < held_count; i++) {
        free_pages(&arena.potad, held[i]);
        arena_validate(&arena);
        armed = false;
        reused_free();
        armed = true;
    }
    armed = false;
    assert_true(events_of(CORE_EVENT_RETIRE_RACED) > 0);
    assert_int_equal(kmem_cache_destroy(&arena.potad, reusing), STATUS_OK);
    arena_validate(&arena);
    arena_close(&arena);
}

static enum status inner_status;

/* A block is in the hands of the call that has it accepted here: who finds no memory waits for it,
 * which is in vain. Then it is not accepted. */
static bool accept_asks_for_more(void *context, pfn_t pfn, uint64_t frames)
{
    (void)context;
    (void)pfn;
    (void)frames;
    struct buddy *buddy;
    const struct page_request request = {.order = 20, .zone = ZONE_ANY};
    inner_status = alloc_pages(&arena.potad, &request, &buddy);
    return false;
}

/* Whoever waits for memory in others' hands gives up in the end; and what the port does not accept
 * is nobody's. */
static void who_waits_in_vain_gives_up(void **state)
{
    const struct boot_map map = {
        .zones_count = 1,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 0, .frames = BOOT_FRAMES},
                   {.start = BOOT_FRAMES, .frames = 64, .unaccepted = true}},
    };
    struct buddy *buddy;
    const struct page_request request = {.zone = ZONE_ANY};
    (void)state;
    arena_open(&arena, &map);
    arena.potad.port.accept = accept_asks_for_more;
    inner_status = STATUS_OK;
    held_count = 0;
    enum status status = STATUS_OK;
    while ((status = alloc_pages(&arena.potad, &request, &buddy)) == STATUS_OK) {
        held[held_count++] = buddy;
    }
    assert_int_equal(status, STATUS_ACCEPT_FAILED);
    assert_int_equal(inner_status, STATUS_NO_MEMORY);
    arena_validate(&arena);
    arena.potad.port.accept = arena.port.accept;
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_OK);
    free_pages(&arena.potad, buddy);
    free_all();
    arena_validate(&arena);
    arena_close(&arena);
}

static const struct {
    bool split;    /* else it is freed */
    bool recycled; /* and its frames are given out again, one by one */
} fates[] = {{true, false}, {false, false}, {false, true}};

static unsigned fate;
static pfn_t ours; /* the frame that fails */
static struct buddy *parts[4];

/* Takes just the block of frame @pfn, alone. */
static void keep_only(pfn_t pfn)
{
    take_all(ZONE_ANY);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < held_count; i++) {
        if (held[i]->pfn == pfn) {
            held[kept++] = held[i];
        } else {
            free_pages(&arena.potad, held[i]);
        }
    }
    assert_int_equal(kept, 1);
    held_count = kept;
}

/* While what a failure will take is allocated, its block, held[0], of order 3, is split or freed.
 */
static void window_ends_the_block(struct arena *of, enum window window)
{
    if (!armed || window != WINDOW_SLAB_GROW) {
        return;
    }
    armed = false;
    if (fates[fate].split) {
        assert_int_equal(split_pages(&of->potad, held[0], 0, parts), STATUS_OK);
        return;
    }
    free_pages(&of->potad, held[0]);
    held_count = 0;
    if (fates[fate].recycled) {
        keep_only(ours);
    }
}

/* The block of a frame that fails is not what it was when what that takes is in hand: just that
 * frame is poisoned all the same, or its new owner's block is marked. */
static void failure_looks_at_its_block_again(void **state)
{
    (void)state;
    for (fate = 0; fate < sizeof(fates) / sizeof(fates[0]); fate++) {
        struct memdesc_info info;
        begin();
        held[held_count++] = arena_take(&arena, 3);
        ours = held[0]->pfn + 5;
        arena.window = window_ends_the_block;
        armed = true;
        assert_int_equal(memory_failure(&arena.potad, ours), STATUS_OK);
        assert_false(armed);
        arena_validate(&arena);
        assert_true(memdesc_lookup(&arena.potad, ours, &info));
        bool in_use = fates[fate].split || fates[fate].recycled;
        assert_int_equal(info.type, in_use ? MEMDESC_BUDDY_ALLOCATED : MEMDESC_POISONED);
        assert_int_equal(info.flawed, in_use);
        assert_true(info.frames == (fates[fate].split ? 4 : 1));
        for (pfn_t other = ours & ~(pfn_t)7; other < (ours | 7); other++) {
            assert_true(memdesc_lookup(&arena.potad, other, &info));
            bool beside = other - info.pfn < info.frames && ours - info.pfn < info.frames;
            assert_true(beside || (!info.flawed && info.type != MEMDESC_POISONED));
        }
        for (unsigned i = 0; fates[fate].split && i < 4; i++) {
            held[i] = parts[i];
            held_count = 4;
        }
        free_all();
        arena_validate(&arena);
        assert_true(memdesc_lookup(&arena.potad, ours, &info));
        assert_int_equal(info.type, MEMDESC_POISONED);
        assert_int_equal(info.pfn, ours);
        assert_int_equal(unpoison(&arena.potad, ours), STATUS_OK);
        arena_validate(&arena);
        arena_close(&arena);
    }
}

/* While descriptors for a split are allocated, a frame of the block fails. */
static void window_fails_a_frame(struct arena *of, enum window window)
{
    if (armed && window == WINDOW_SLAB_GROW) {
        armed = false;
        assert_int_equal(memory_failure(&of->potad, ours), STATUS_OK);
    }
}

/* A block is split of which a frame has failed since the call began: just the part with that frame
 * is marked. */
static void split_sees_what_has_failed_meanwhile(void **state)
{
    void *taken[SLAB_OBJECTS_MAX];
    (void)state;
    begin();
    struct buddy *whole = arena_take(&arena, 3);
    ours = whole->pfn + 5;
    struct kmem_cache *buddys = &arena.potad.cache_buddy;
    uint64_t count = buddys->slabs * buddys->capacity - buddys->live;
    assert_int_equal(kmem_cache_alloc_bulk(&arena.potad, buddys, count, taken), STATUS_OK);
    arena.window = window_fails_a_frame;
    armed = true;
    assert_int_equal(split_pages(&arena.potad, whole, 0, parts), STATUS_OK);
    assert_false(armed);
    while (count > 0) {
        kmem_cache_free(&arena.potad, buddys, taken[--count]);
    }
    arena_validate(&arena);
    for (unsigned i = 0; i < 4; i++) {
        struct memdesc_info info;
        assert_true(memdesc_lookup(&arena.potad, parts[i]->pfn, &info));
        assert_int_equal(info.flawed, ours - info.pfn < info.frames);
        held[held_count++] = parts[i];
    }
    free_all();
    arena_validate(&arena);
    assert_int_equal(unpoison(&arena.potad, ours), STATUS_OK);
    arena_validate(&arena);
    arena_close(&arena);
}

static struct potad_space space;
static const struct unit_range units = {0, 4096};
/* So large that each takes a slab of its own. */
static const struct potad_space_config space_config = {
    .unit_shift = 12, .ranges = &units, .ranges_count = 1, .descriptor_bytes = 4096};
static struct buddy *space_block;
static struct buddy *space_parts[ORDERS];
static struct unit_run space_run;

static enum status space_adds(void)
{
    return potad_space_add(&arena.potad, &space, &space_config);
}

static enum status space_allocates(void)
{
    return potad_space_alloc(&arena.potad, &space, 9, &space_block);
}

static enum status space_splits(void)
{
    return potad_space_split(&arena.potad, &space, space_block, 0, space_parts);
}

static enum status space_allocates_a_run(void)
{
    const struct unit_run_request request = {.units = 1001, .low = 1025};
    return potad_space_alloc_run(&arena.potad, &space, &request, &space_run);
}

static struct kmem_cache *cache;
static struct kmem_reserve reserve;

static enum status cache_is_made(void)
{
    return kmem_cache_create(&arena.potad, "objects", 4096, 8, &cache);
}

static enum status objects_are_reserved(void)
{
    return kmem_cache_reserve(&arena.potad, cache, 2, &reserve);
}

static enum status cpu_comes_online(void)
{
    return potad_cpu_online(&arena.potad, 0);
}

static enum status zone_is_added(void)
{
    const struct zone_config config = {.zone_class = ZONE_HIGHMEM};
    const struct range range = {.start = BASE, .frames = ADDED_FRAMES};
    return potad_zone_add(&arena.potad, ADDED, &config, &range, 1);
}

static struct buddy *whole;

/* Where no descriptor is left in any slab. */
static enum status block_is_split(void)
{
    void *taken[SLAB_OBJECTS_MAX];
    struct kmem_cache *buddys = &arena.potad.cache_buddy;
    uint64_t count = buddys->slabs * buddys->capacity - buddys->live;
    assert_int_equal(kmem_cache_alloc_bulk(&arena.potad, buddys, count, taken), STATUS_OK);
    enum status status = split_pages(&arena.potad, whole, 0, parts);
    while (count > 0) {
        kmem_cache_free(&arena.potad, buddys, taken[--count]);
    }
    return status;
}

static unsigned grows;       /* how often a cache was empty */
static unsigned grows_first; /* in a call that is not tried again */

static void window_counts(struct arena *of, enum window window)
{
    (void)of;
    grows += window == WINDOW_SLAB_GROW;
}

/* Others have memory in hand from the first window on, and put it back when the call has been
 * tried once. */
static void window_others_have_memory(struct arena *of, enum window window)
{
    window_counts(of, window);
    if (window != WINDOW_SLAB_GROW || !armed) {
        return;
    }
    if (grows == 1) {
        block_in_hand(&of->potad);
    } else if (grows > grows_first) {
        armed = false;
        free_all();
        block_put_back(&of->potad, NULL);
    }
}

/* Each of @calls, where there is no memory: fails while nobody else has any in hand, and succeeds
 * when others put theirs back. */
static void each_waits(enum status (*const *calls)(void), unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        take_all(BOOT);
        grows = 0;
        arena.window = window_counts;
        assert_int_equal(calls[i](), STATUS_NO_MEMORY);
        assert_int_not_equal(grows, 0);
        grows_first = grows;
        grows = 0;
        armed = true;
        arena.window = window_others_have_memory;
        assert_int_equal(calls[i](), STATUS_OK);
        assert_false(armed);
        arena.window = NULL;
        arena_validate(&arena);
    }
}

/* F2: what lacks memory for its metadata is tried again where others had some in hand meanwhile,
 * and not where nobody had. */
static void f2_metadata_waits_for_what_others_have_in_hand(void **state)
{
    static enum status (*const calls[])(void) = {
        cache_is_made, objects_are_reserved, zone_is_added, cpu_comes_online, block_is_split,
    };
    (void)state;
    begin();
    arena.potad.port.cpu_enter = enters_none;
    uint64_t hash = potad_state_hash(&arena.potad);
    whole = arena_take(&arena, 3);
    each_waits(calls, sizeof(calls) / sizeof(calls[0]));
    for (unsigned i = 0; i < 4; i++) {
        free_pages(&arena.potad, parts[i]);
    }
    assert_int_equal(potad_cpu_offline(&arena.potad, 0), STATUS_OK);
    assert_int_equal(potad_zone_remove(&arena.potad, ADDED), STATUS_OK);
    kmem_cache_unreserve(&arena.potad, &reserve);
    assert_int_equal(kmem_cache_destroy(&arena.potad, cache), STATUS_OK);
    potad_shrink(&arena.potad);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* The same of calls on a space. */
static void f2_space_waits_for_what_others_have_in_hand(void **state)
{
    static enum status (*const calls[])(void) = {space_adds, space_allocates, space_splits,
                                                 space_allocates_a_run};
    (void)state;
    begin();
    uint64_t hash = potad_state_hash(&arena.potad);
    each_waits(calls, sizeof(calls) / sizeof(calls[0]));
    potad_space_free_run(&arena.potad, &space, &space_run);
    for (unsigned i = 0; i <= 9; i++) {
        potad_space_free(&arena.potad, &space, space_parts[i]);
    }
    assert_int_equal(potad_space_remove(&arena.potad, &space), STATUS_OK);
    potad_shrink(&arena.potad);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refill_leaves_out_what_has_failed),
        cmocka_unit_test(nobody_leaves_what_he_has_not_entered),
        cmocka_unit_test(nodes_for_a_zone_that_goes_are_not_lost),
        cmocka_unit_test(retire_looks_at_its_slab_again),
        cmocka_unit_test(retire_looks_whose_slab_it_is),
        cmocka_unit_test(who_waits_in_vain_gives_up),
        cmocka_unit_test(failure_looks_at_its_block_again),
        cmocka_unit_test(split_sees_what_has_failed_meanwhile),
        cmocka_unit_test(f2_metadata_waits_for_what_others_have_in_hand),
        cmocka_unit_test(f2_space_waits_for_what_others_have_in_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
