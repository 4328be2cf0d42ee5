/* SPDX-License-Identifier: MIT
 *
 * compact_test.c: requirement D3: blocks that movable ones make room for: single states that show
 * something, and random ones compared with brute force. In the drawings, m is a frame of a movable
 * block whose owner agrees, r any other in use, . a free one.
 */
#include "core/test/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { BASE = SCENE_BASE, SPAN = SCENE_SPAN, FRAMES = SCENE_FRAMES, ORDER_MAX = 5 };

static struct scene scene;

/* Zone 1 of @frames, in one range; no slab is ever in it. */
static void open_frames(enum block_map_kind kind, uint64_t frames)
{
    const struct boot_map map = {
        .kind = kind,
        .zones_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = SCENE_METADATA, .zone = 0},
                   {.start = BASE, .frames = frames, .zone = 1}},
        .ranges_count = 2,
    };
    scene_open(&scene, &map);
}

/* Takes a block of zone 1. Return: NULL where there is none. */
static struct block *take(order_t order, enum migratetype type, bool described, bool compact)
{
    const struct page_request request = {
        .order = order,
        .zone = 1,
        .migratetype = type,
        .compact = compact,
    };
    return scene_take(&scene, &request, described);
}

/* Zone 1 as drawn, of single frames: m, or u, unmovable; f, movable under a descriptor; or free. */
static void open_drawn(const char *frames)
{
    uint64_t count = strlen(frames);
    open_frames(BLOCK_MAP_BOTH, count);
    for (pfn_t at = 0; at < count; at++) {
        assert_non_null(take(0, MIGRATE_MOVABLE, false, false));
    }
    for (pfn_t at = 0; at < count; at++) {
        if (frames[at] == 'u' || frames[at] == 'f') {
            /* The only free frame. */
            scene_free(&scene, scene_block(&scene, at));
            enum migratetype type = frames[at] == 'u' ? MIGRATE_UNMOVABLE : MIGRATE_MOVABLE;
            assert_non_null(take(0, type, frames[at] == 'f', false));
        }
    }
    for (pfn_t at = 0; at < count; at++) {
        if (frames[at] == '.') {
            scene_free(&scene, scene_block(&scene, at));
        }
    }
}

static enum status ask(order_t order, uint64_t frames_max, uint64_t blocks_max,
                       struct compact_result *result)
{
    const struct compact_request request = {
        .pages = {.order = order, .zone = 1, .migratetype = MIGRATE_UNMOVABLE},
        .frames_max = frames_max,
        .blocks_max = blocks_max,
    };
    return potad_compact(&scene.arena.potad, &request, result);
}

/* Asks without limits. */
static enum status ask_all(order_t order)
{
    struct compact_result result;
    return ask(order, UINT64_MAX, UINT64_MAX, &result);
}

static void d3_order_becomes_available(void **state)
{
    (void)state;
    for (unsigned kind = BLOCK_MAP_TABLE; kind <= BLOCK_MAP_BOTH; kind++) {
        open_frames((enum block_map_kind)kind, 64);
        for (pfn_t at = 0; at < 64; at++) {
            assert_non_null(take(0, MIGRATE_MOVABLE, at % 3 == 0, false));
        }
        for (pfn_t at = 0; at < 64; at += 2) {
            scene_free(&scene, scene_block(&scene, at));
        }
        assert_int_equal(arena_free_blocks(&scene.arena, 1, 0), 32);
        assert_int_equal(ask_all(4), STATUS_OK);
        assert_int_equal(arena_free_blocks(&scene.arena, 1, 4), 1);
        assert_int_equal(scene.told[MIGRATE_TRY], 8);
        assert_int_equal(scene.told[MIGRATE_COMMIT], 8);
        arena_validate(&scene.arena);
        scene_check(&scene);
        /* It is there: nobody is asked for another one. */
        assert_int_equal(ask_all(4), STATUS_OK);
        assert_int_equal(scene.told[MIGRATE_TRY], 8);
        scene_close(&scene);
    }
}

/* Windows in which something stays are passed over; nobody in them is asked. */
static void d3_types_that_stay_are_not_asked(void **state)
{
    (void)state;
    struct compact_result result;
    open_drawn("m.muu.mmmm.m.fm.");
    /* A failed frame in use, and a free one. */
    assert_int_equal(memory_failure(&scene.arena.potad, BASE + 8), STATUS_OK);
    assert_int_equal(ask(2, UINT64_MAX, UINT64_MAX, &result), STATUS_OK);
    assert_int_equal(scene.told[MIGRATE_TRY], 2);
    assert_int_equal(result.frames_moved, 2);
    assert_int_equal(result.frames_tried, 2);
    assert_int_equal(scene.at[BASE + 13] + scene.at[BASE + 14], 0);
    assert_int_equal(unpoison(&scene.arena.potad, BASE + 8), STATUS_OK);
    scene_check(&scene);
    scene_close(&scene);

    /* Nobody to ask for plain blocks. */
    open_drawn("m.f.m.f.");
    scene_watch(&scene, false);
    uint64_t hash = potad_state_hash(&scene.arena.potad);
    assert_int_equal(ask(2, UINT64_MAX, UINT64_MAX, &result), STATUS_NO_MEMORY);
    assert_int_equal(scene.told[MIGRATE_TRY], 0);
    assert_int_equal(result.blocks_seen, 2);
    assert_int_equal(potad_state_hash(&scene.arena.potad), hash);
    scene_close(&scene);
}

/* A frame that has failed while it was free is a block that stays. */
static void d3_poisoned_frames_stay(void **state)
{
    (void)state;
    open_drawn("m.m.m.m.");
    assert_int_equal(memory_failure(&scene.arena.potad, BASE + 1), STATUS_OK);
    assert_int_equal(ask_all(2), STATUS_OK);
    assert_int_equal(scene.at[BASE + 4] + scene.at[BASE + 6], 0);
    assert_true(scene.at[BASE + 0] != 0);
    assert_int_equal(unpoison(&scene.arena.potad, BASE + 1), STATUS_OK);
    scene_close(&scene);
}

/* Blocks move to other places of the zone as long as there are. */
static void d3_places_are_near(void **state)
{
    (void)state;
    open_drawn("m.m.m.m.mm.m.m..");
    assert_int_equal(ask_all(3), STATUS_OK);
    assert_int_equal(scene.told[MIGRATE_COMMIT], 4);
    for (pfn_t at = 8; at < 16; at++) {
        assert_true(scene.at[BASE + at] != 0);
    }
    scene_close(&scene);
}

/* Memory that is not accepted is nobody's to move into, and no part of a window. */
static void d3_unaccepted_memory_stays(void **state)
{
    (void)state;
    const struct boot_map map = {
        .zones_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = SCENE_METADATA, .zone = 0},
                   {.start = BASE, .frames = 8, .zone = 1, .unaccepted = true}},
        .ranges_count = 2,
    };
    scene_open(&scene, &map);
    assert_non_null(take(0, MIGRATE_MOVABLE, false, false));
    assert_int_equal(ask_all(2), STATUS_OK);
    assert_int_equal(scene.told[MIGRATE_TRY], 0);
    assert_non_null(take(2, MIGRATE_UNMOVABLE, false, false));
    assert_int_equal(ask_all(2), STATUS_NO_MEMORY);
    assert_int_equal(scene.told[MIGRATE_TRY], 0);
    scene_close(&scene);
}

/* In the zone of the boot's own metadata. */
static void d3_boot_metadata_is_passed_over(void **state)
{
    (void)state;
    memset(&scene, 0, sizeof(scene));
    arena_open_frames(&scene.arena, BASE, 64);
    scene_watch(&scene, true);
    struct potad *potad = &scene.arena.potad;
    const struct page_request request = {.zone = 0, .migratetype = MIGRATE_MOVABLE};
    struct buddy *handle;
    while (alloc_pages(potad, &request, &handle) == STATUS_OK) {
        scene_own(&scene, handle, MIGRATE_MOVABLE);
    }
    for (pfn_t at = BASE; at < FRAMES; at += 2) {
        if (scene.at[at] != 0) {
            scene_free(&scene, scene_find(&scene, at));
        }
    }
    for (order_t order = 1; order < ORDERS; order++) {
        struct compact_result result;
        const struct compact_request wanted = {
            .pages = {.order = order, .zone = ZONE_ANY},
            .frames_max = UINT64_MAX,
            .blocks_max = UINT64_MAX,
        };
        enum status status = potad_compact(potad, &wanted, &result);
        assert_int_equal(status, order <= 3 ? STATUS_OK : status);
        arena_validate(&scene.arena);
        scene_check(&scene);
    }
    scene_close(&scene);
}

static void d3_limits_are_kept(void **state)
{
    (void)state;
    struct compact_result result;
    open_drawn("mm.mmm.mm..m.mm.");
    uint64_t hash = potad_state_hash(&scene.arena.potad);
    /* No window has one frame to move only. */
    assert_int_equal(ask(2, 1, UINT64_MAX, &result), STATUS_BUSY);
    assert_int_equal(scene.told[MIGRATE_TRY], 0);
    assert_int_equal(potad_state_hash(&scene.arena.potad), hash);
    /* Two are enough for the third; the first two are passed over. */
    scene.arena.potad.zones[1].compact_from = 0;
    assert_int_equal(ask(2, 2, UINT64_MAX, &result), STATUS_OK);
    assert_int_equal(scene.frames_told, 2);
    assert_int_equal(scene.at[BASE + 8] + scene.at[BASE + 11], 0);
    scene_close(&scene);

    /* A window that was begun is looked at to its end, another one is not begun. */
    open_drawn("uuuuuuuuuuuuuuuum.m.");
    assert_int_equal(ask(2, UINT64_MAX, 3, &result), STATUS_BUSY);
    assert_int_equal(result.blocks_seen, 3);
    assert_int_equal(ask(2, UINT64_MAX, 2, &result), STATUS_OK);
    assert_int_equal(result.blocks_seen, 1 + 4);
    assert_int_equal(result.frames_moved, 2);
    assert_int_equal(ask(2, UINT64_MAX, 0, &result), STATUS_OK);
    assert_int_equal(result.blocks_seen, 0);
    scene_close(&scene);

    /* Owners that refuse use it up, too; the next call does not begin with them again. */
    open_drawn("mmm.mmm.mmm.m.m.");
    for (pfn_t at = 0; at < 12; at++) {
        if (scene.at[BASE + at] != 0) {
            scene_block(&scene, at)->refuses = true;
        }
    }
    unsigned calls = 0;
    enum status status = STATUS_BUSY;
    for (; status == STATUS_BUSY; calls++) {
        uint64_t before = scene.frames_told;
        status = ask(2, 3, UINT64_MAX, &result);
        assert_true(scene.frames_told - before <= 3);
    }
    assert_int_equal(status, STATUS_OK);
    assert_true(calls <= 4);
    scene_close(&scene);
}

/* Calls with small limits come to the window at the end of the zone, and to the start again. */
static void d3_cursor_goes_on(void **state)
{
    (void)state;
    struct compact_result result;
    for (unsigned turn = 0; turn < 2; turn++) {
        open_drawn(turn == 0 ? "uuuuuuuuuuuuuuuuuuuuuuuuuuuum.m."
                             : "m.m.uuuuuuuuuuuuuuuuuuuuuuuuuuuu");
        scene.arena.potad.zones[1].compact_from = turn == 0 ? 0 : BASE + 4;
        unsigned calls = 0;
        enum status status;
        do {
            status = ask(2, UINT64_MAX, 2, &result);
            calls++;
            assert_true(calls <= 8);
        } while (status == STATUS_BUSY);
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(calls, 4);
        scene_close(&scene);
    }
}

/* The last of three refuses: two hear CANCEL, and all is as before. */
static void d3_refusal_changes_nothing(void **state)
{
    (void)state;
    open_drawn("mfm.u.u.");
    scene_block(&scene, 2)->refuses = true;
    uint64_t hash = potad_state_hash(&scene.arena.potad);
    assert_int_equal(ask_all(2), STATUS_NO_MEMORY);
    assert_int_equal(scene.told[MIGRATE_TRY], 3);
    assert_int_equal(scene.told[MIGRATE_CANCEL], 2);
    assert_int_equal(potad_state_hash(&scene.arena.potad), hash);
    arena_validate(&scene.arena);
    assert_null(take(2, MIGRATE_UNMOVABLE, false, true));
    assert_int_equal(potad_state_hash(&scene.arena.potad), hash);
    scene_check(&scene);
    scene_block(&scene, 2)->refuses = false;
    assert_non_null(take(2, MIGRATE_UNMOVABLE, false, true));
    scene_check(&scene);
    scene_close(&scene);
}

/* Asks in one of eight ways, with a fault at one step: it does as it should, or nothing. Return:
 * whether the step was taken. */
static bool fault_strikes(enum fault_site site, uint64_t from, unsigned way, unsigned *failed)
{
    bool allocates = (way & 1) != 0;
    open_drawn("mmm.mmm.m.fm....");
    assert_non_null(take(2, MIGRATE_UNMOVABLE, false, false));
    struct potad *potad = &scene.arena.potad;
    potad_shrink(potad);
    uint64_t hash = potad_state_hash(potad);
    memset(scene.arena.steps, 0, sizeof(scene.arena.steps));
    arena_fail(&scene.arena, site, from);
    scene.arena.fail_once = (way & 2) != 0;
    bool done = allocates ? take(2, MIGRATE_RECLAIMABLE, (way & 4) != 0, true) != NULL
                          : ask_all(2) == STATUS_OK;
    bool struck = scene.arena.steps[site] >= from;
    arena_fail(&scene.arena, FAULT_SITES, 0);
    assert_true(done || struck);
    assert_true(done || potad_state_hash(potad) == hash);
    *failed += done ? 0 : 1;
    arena_validate(&scene.arena);
    scene_check(&scene);
    if (!done) {
        assert_int_equal(ask_all(2), STATUS_OK);
    }
    scene_close(&scene);
    return struck;
}

static void d3_every_fault_changes_nothing(void **state)
{
    (void)state;
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        unsigned failed = 0;
        for (unsigned way = 0; way < 8; way++) {
            uint64_t from = 1;
            while (fault_strikes((enum fault_site)site, from, way, &failed)) {
                from++;
            }
        }
        assert_true(failed > 0 || (site != FAULT_MIGRATE && site != FAULT_BUDDY_DESC));
    }
}

/* The block that is made is the caller's, under whatever descriptor. */
static void d3_alloc_asks_for_it(void **state)
{
    (void)state;
    for (unsigned described = 0; described < 2; described++) {
        open_drawn("m.m.u.m.");
        assert_null(take(2, MIGRATE_RECLAIMABLE, described != 0, false));
        assert_int_equal(scene.told[MIGRATE_TRY], 0);
        const struct block *block = take(2, MIGRATE_RECLAIMABLE, described != 0, true);
        assert_non_null(block);
        assert_int_equal(scene.told[MIGRATE_COMMIT], 2);
        assert_int_equal(arena_free_blocks(&scene.arena, 1, 2), 0);
        arena_validate(&scene.arena);
        scene_check(&scene);
        /* There is no other. */
        assert_null(take(2, MIGRATE_RECLAIMABLE, described != 0, true));
        scene_close(&scene);
    }
}

static unsigned taken_between;

/* As another CPU: takes whatever is free while the first owner is asked. */
static bool other_takes_all(void *context, enum fault_site site)
{
    (void)context;
    if (site == FAULT_MIGRATE && taken_between == 0) {
        while (take(0, MIGRATE_UNMOVABLE, false, false) != NULL) {
            taken_between++;
        }
    }
    return false;
}

/* What is free in the window is held while owners are asked: others get nothing of it. */
static void d3_window_is_held(void **state)
{
    (void)state;
    open_drawn("m.m.");
    taken_between = 0;
    scene.arena.potad.port.fault = other_takes_all;
    const struct block *block = take(2, MIGRATE_UNMOVABLE, false, true);
    assert_non_null(block);
    assert_int_equal(block->pfn, BASE);
    assert_int_equal(scene.told[MIGRATE_COMMIT], 2);
    assert_int_equal(taken_between, 0);
    scene_check(&scene);
    scene.arena.potad.port.fault = scene.arena.port.fault;
    scene_close(&scene);
}

/* As another CPU: where the first owner's block is, another one is now that is not movable. */
static bool other_comes_later(void *context, enum fault_site site)
{
    (void)context;
    if (site == FAULT_MIGRATE && !scene.changed) {
        scene.changed = true;
        scene_free(&scene, scene_block(&scene, 0));
        const struct block *block = take(0, MIGRATE_UNMOVABLE, false, false);
        assert_non_null(block);
        assert_int_equal(block->pfn, BASE);
    }
    return false;
}

/* Its owner, who looks at place and order only, agrees; but it does not move. */
static void d3_what_came_later_stays(void **state)
{
    (void)state;
    open_drawn("m.uuu");
    scene.arena.potad.port.fault = other_comes_later;
    assert_int_equal(ask_all(1), STATUS_NO_MEMORY);
    assert_true(scene.changed);
    assert_int_equal(scene.told[MIGRATE_TRY], 1);
    assert_int_equal(scene.told[MIGRATE_CANCEL], 1);
    scene_check(&scene);
    scene.arena.potad.port.fault = scene.arena.port.fault;
    scene_close(&scene);
}

static struct buddy *accepted_meanwhile;

/* While zone 1 has a block accepted, another CPU looks for one to move there. */
static void window_compacts(struct arena *of, enum window window)
{
    struct compact_result result;
    (void)of;
    if (window == WINDOW_BEFORE_ACCEPT) {
        scene.arena.window = NULL;
        assert_int_equal(ask(2, UINT64_MAX, UINT64_MAX, &result), STATUS_NO_MEMORY);
        assert_int_equal(result.blocks_seen, 1);
    }
}

/* A block that is just being allocated looks like a movable one in use, but has no owner yet. */
static void d3_what_is_being_accepted_stays(void **state)
{
    const struct boot_map map = {
        .zones_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = SCENE_METADATA, .zone = 0},
                   {.start = BASE, .frames = 4, .zone = 1, .unaccepted = true}},
        .ranges_count = 2,
    };
    const struct page_request request = {.zone = 1, .migratetype = MIGRATE_MOVABLE};
    (void)state;
    scene_open(&scene, &map);
    scene.arena.window = window_compacts;
    enum status status = alloc_pages(&scene.arena.potad, &request, &accepted_meanwhile);
    assert_int_equal(status, STATUS_OK);
    assert_null(scene.arena.window);
    assert_int_equal(scene.told[MIGRATE_TRY], 0);
    free_pages(&scene.arena.potad, accepted_meanwhile);
    arena_validate(&scene.arena);
    scene_close(&scene);
}

/* A block whose owner agrees to whatever he is asked, and what he makes of it before. */
static struct {
    struct {
        _Alignas(MEMDESC_ALIGN) struct memdesc head;
    } descriptors[2];
    unsigned used; /* which of these */
    unsigned next; /* which one its frames have next */
    struct buddy *handle;
    unsigned told[MIGRATE_CANCEL + 1];
} hasty;

static void hasty_take(order_t order)
{
    const struct page_request request = {
        .order = order,
        .zone = 1,
        .migratetype = MIGRATE_MOVABLE,
    };
    enum status status =
        alloc_pages_desc(&scene.arena.potad, &request, &hasty.descriptors[hasty.used].head,
                         MEMDESC_FOLIO, &hasty.handle);
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(hasty.handle->pfn, BASE);
}

static bool hasty_migrate(void *context, struct memdesc *descriptor, struct migration *move,
                          enum migrate_stage stage)
{
    (void)context;
    assert_ptr_equal(descriptor, &hasty.descriptors[0].head);
    hasty.told[stage]++;
    if (stage == MIGRATE_TRY) {
        free_pages(&scene.arena.potad, hasty.handle);
        hasty.used = hasty.next;
        hasty_take(0);
        move->buddy = hasty.handle;
    }
    return true;
}

/* An owner has freed his block, and allocated a smaller one in its place, under another descriptor
 * or the same: what he agrees to is about the block of before. */
static void d3_smaller_block_in_its_place_stays(void **state)
{
    const struct memdesc_ops ops = {.migrate = hasty_migrate};
    (void)state;
    for (hasty.next = 0; hasty.next < 2; hasty.next++) {
        open_drawn("....uu..");
        hasty.used = 0;
        hasty.told[MIGRATE_TRY] = 0;
        hasty.told[MIGRATE_COMMIT] = 0;
        hasty.told[MIGRATE_CANCEL] = 0;
        hasty_take(1);
        assert_int_equal(memdesc_register(&scene.arena.potad, MEMDESC_FOLIO, &ops), STATUS_OK);
        assert_int_equal(ask_all(2), STATUS_NO_MEMORY);
        assert_int_equal(hasty.told[MIGRATE_TRY], 1);
        assert_int_equal(hasty.told[MIGRATE_COMMIT], 0);
        assert_int_equal(hasty.told[MIGRATE_CANCEL], 1);
        assert_int_equal(hasty.handle->pfn, BASE);
        arena_validate(&scene.arena);
        free_pages(&scene.arena.potad, hasty.handle);
        scene_close(&scene);
    }
}

/* As another CPU: while the second owner is asked, a frame of the first one's block fails. */
static bool other_reports_failure(void *context, enum fault_site site)
{
    (void)context;
    if (site == FAULT_MIGRATE && scene.told[MIGRATE_TRY] == 1) {
        assert_int_equal(memory_failure(&scene.arena.potad, BASE), STATUS_OK);
    }
    return false;
}

/* Its owner has agreed, but what has failed since does not move, and nothing else of its window. */
static void d3_what_has_failed_since_stays(void **state)
{
    (void)state;
    open_drawn("mm.u.uuu");
    scene.arena.potad.port.fault = other_reports_failure;
    assert_int_equal(ask_all(1), STATUS_NO_MEMORY);
    assert_int_equal(scene.told[MIGRATE_TRY], 2);
    assert_int_equal(scene.told[MIGRATE_CANCEL], 2);
    assert_int_equal(scene.told[MIGRATE_COMMIT], 0);
    arena_validate(&scene.arena);
    scene_check(&scene);
    scene.arena.potad.port.fault = scene.arena.port.fault;
    scene_close(&scene);
}

/* As another CPU: all of zone 1 is freed, and removed. */
static bool other_removes_zone(void *context, enum fault_site site)
{
    (void)context;
    if (site == FAULT_MIGRATE && !scene.changed) {
        scene.changed = true;
        for (pfn_t at = 0; at < 4; at++) {
            scene_free(&scene, scene_block(&scene, at));
        }
        assert_int_equal(potad_zone_remove(&scene.arena.potad, 1), STATUS_OK);
    }
    return false;
}

/* Where nothing of a window was free, nothing of it is held, and nobody has agreed, nothing keeps
 * its zone. */
static void d3_zone_goes_while_owners_are_asked(void **state)
{
    (void)state;
    const struct boot_map map = {
        .zones_count = 1,
        .zones = {{.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 0, .frames = SCENE_METADATA, .zone = 0}},
        .ranges_count = 1,
    };
    const struct zone_config config = {.zone_class = ZONE_HIGHMEM};
    const struct range range = {.start = BASE, .frames = 4, .zone = 1};
    scene_open(&scene, &map);
    assert_int_equal(potad_zone_add(&scene.arena.potad, 1, &config, &range, 1), STATUS_OK);
    for (pfn_t at = 0; at < 4; at++) {
        assert_non_null(take(0, MIGRATE_MOVABLE, false, false));
    }
    scene.arena.potad.port.fault = other_removes_zone;
    assert_int_equal(ask_all(2), STATUS_NO_MEMORY);
    assert_true(scene.changed);
    assert_int_equal(scene.told[MIGRATE_TRY], 1);
    scene.arena.potad.port.fault = scene.arena.port.fault;
    scene_close(&scene);
}

/* Parts of a run, movable or not, stay with it. */
static void d3_runs_stay(void **state)
{
    (void)state;
    struct contig contig;
    const struct contig_request request = {.units = 3, .zone = 1, .migratetype = MIGRATE_MOVABLE};
    open_frames(BLOCK_MAP_BOTH, 4);
    assert_int_equal(alloc_contig(&scene.arena.potad, &request, &contig), STATUS_OK);
    assert_int_equal(ask_all(2), STATUS_NO_MEMORY);
    assert_int_equal(ask_all(1), STATUS_NO_MEMORY);
    assert_int_equal(scene.told[MIGRATE_TRY], 0);
    free_contig(&scene.arena.potad, &contig);
    assert_int_equal(ask_all(2), STATUS_OK);
    scene_close(&scene);
}

/* Requests that make no sense, and those that need no search. */
static void d3_odd_requests(void **state)
{
    (void)state;
    struct compact_result result;
    open_drawn("mmmm");
    assert_int_equal(ask_all(ORDERS), STATUS_INVALID);
    assert_int_equal(ask_all(ORDERS - 1), STATUS_NO_MEMORY);
    assert_int_equal(ask_all(3), STATUS_NO_MEMORY);
    assert_int_equal(ask(0, UINT64_MAX, UINT64_MAX, &result), STATUS_NO_MEMORY);
    assert_int_equal(result.blocks_seen, 0);
    assert_int_equal(scene.told[MIGRATE_TRY], 0);
    scene_close(&scene);
}

/* Zone 1 of up to four ranges, some of which touch, and some are CMA's. */
static void open_random(uint64_t *random)
{
    struct boot_map map = {
        .kind = (enum block_map_kind)arena_random(random, 3),
        .pageblock_order = 1 + (order_t)arena_random(random, ORDER_MAX),
        .zones_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
        .ranges = {{.start = 0, .frames = SCENE_METADATA, .zone = 0}},
        .ranges_count = 1,
    };
    pfn_t at = BASE + arena_random(random, 16);
    uint64_t ranges = 1 + arena_random(random, 4);
    for (uint64_t i = 0; i < ranges; i++) {
        uint64_t frames = 1 + arena_random(random, 48);
        bool cma = arena_random(random, 5) == 0;
        at = scene_map_range(&map, at, frames, cma, random);
    }
    scene_open(&scene, &map);
}

/* Fills zone 1, then frees some of it. */
static void fill_random(uint64_t *random)
{
    order_t orders = 1 + (order_t)arena_random(random, ORDER_MAX);
    uint64_t unmovable = 1 + arena_random(random, 32);
    for (uint64_t tries = 0; tries < orders;) {
        bool stays = arena_random(random, unmovable) == 0;
        enum migratetype type = stays ? MIGRATE_UNMOVABLE : MIGRATE_MOVABLE;
        order_t order = (order_t)arena_random(random, orders);
        tries += take(order, type, arena_random(random, 2) == 0, false) == NULL ? 1 : 0;
    }
    uint64_t freed = arena_random(random, 8);
    uint64_t refusing = arena_random(random, 3) * 8;
    for (unsigned i = 0; i < SCENE_BLOCKS; i++) {
        struct block *block = &scene.blocks[i];
        if (block->handle != NULL && arena_random(random, 8) < freed) {
            scene_free(&scene, block);
        } else if (block->handle != NULL) {
            block->refuses = refusing > 0 && arena_random(random, refusing) == 0;
        }
    }
}

/* Draws zone 1: upper-case where it is CMA's. */
static void scene_draw(void)
{
    const struct boot_map *map = &scene.arena.map;
    memset(scene.drawn, ' ', FRAMES);
    for (uint32_t i = 1; i < map->ranges_count; i++) {
        for (pfn_t at = map->ranges[i].start; at < map->ranges[i].start + map->ranges[i].frames;
             at++) {
            struct memdesc_info info;
            assert_true(memdesc_lookup(&scene.arena.potad, at, &info));
            const struct block *block = scene_find(&scene, info.pfn);
            bool agrees = block != NULL && block->type == MIGRATE_MOVABLE && !block->refuses;
            char kind = (char)(agrees ? 'm' : 'r');
            kind = info.type == MEMDESC_BUDDY_FREE ? '.' : kind;
            scene.drawn[at] = (char)(map->ranges[i].cma ? 'C' : kind);
        }
    }
}

/* What brute force says of a window. */
enum due { DUE_NONE, DUE_EITHER, DUE_MADE, DUE_THERE };

/* Whether all blocks in the window at @pfn find places, in whatever way: there is one of the
 * largest one's order, outside of it, for each. */
static bool has_room(pfn_t pfn, order_t order)
{
    uint64_t blocks = 0;
    uint64_t places = 0;
    order_t largest = 0;
    for (pfn_t at = pfn; at < pfn + order_frames(order); at++) {
        const struct block *block = scene_find(&scene, at);
        largest = block != NULL && block->order > largest ? block->order : largest;
        blocks += block != NULL ? 1 : 0;
    }
    uint64_t step = order_frames(largest);
    for (pfn_t place = BASE; place < FRAMES; place += step) {
        bool free = place - pfn >= order_frames(order);
        for (pfn_t at = place; free && at < place + step; at++) {
            free = scene.drawn[at] == '.';
        }
        places += free ? 1 : 0;
    }
    return places >= blocks;
}

static enum due window_due(pfn_t pfn, order_t order)
{
    const char *drawn = scene.drawn;
    bool moves = false;
    for (pfn_t at = pfn; at < pfn + order_frames(order); at++) {
        if (drawn[at] != 'm' && drawn[at] != '.') {
            return DUE_NONE;
        }
        if (drawn[at] == 'm') {
            struct memdesc_info info;
            assert_true(memdesc_lookup(&scene.arena.potad, at, &info));
            moves = true;
            if (info.frames >= order_frames(order)) {
                return DUE_NONE;
            }
        }
    }
    if (!moves) {
        return DUE_THERE;
    }
    return has_room(pfn, order) ? DUE_MADE : DUE_EITHER;
}

/* Asks, or allocates. Return: what was due. */
static enum due ask_random(uint64_t *random, uint64_t number)
{
    struct potad *potad = &scene.arena.potad;
    order_t order = 1 + (order_t)arena_random(random, ORDER_MAX);
    bool allocates = arena_random(random, 2) == 0;
    enum due due = DUE_NONE;
    scene_draw();
    for (pfn_t pfn = BASE; pfn < FRAMES; pfn += order_frames(order)) {
        enum due here = window_due(pfn, order);
        due = here > due ? here : due;
    }
    uint64_t hash = potad_state_hash(potad);
    memset(scene.told, 0, sizeof(scene.told));
    struct block *made =
        allocates ? take(order, MIGRATE_UNMOVABLE, arena_random(random, 2) == 0, true) : NULL;
    bool done = allocates ? made != NULL : ask_all(order) == STATUS_OK;
    bool right = due == DUE_EITHER || done == (due != DUE_NONE);
    right = right && (due != DUE_THERE || scene.told[MIGRATE_TRY] == 0);
    if (!right) {
        fail_msg("state %lu: order %u %s where %d was due, having asked %u, in %.*s",
                 (unsigned long)number, order, done ? "is there" : "is not there", (int)due,
                 scene.told[MIGRATE_TRY], SPAN, scene.drawn + BASE);
    }
    assert_true(done || potad_state_hash(potad) == hash);
    scene_check(&scene);
    scene_draw();
    if (made != NULL) {
        scene_free(&scene, made);
    }
    return due;
}

/* POTAD_COMPACT_STATES says how many states. */
static void d3_random_states_agree_with_brute_force(void **state)
{
    (void)state;
    enum { STATES_A_SCENE = 16 };
    const char *asked = getenv("POTAD_COMPACT_STATES");
    uint64_t states = asked == NULL ? 10000 : strtoull(asked, NULL, 0);
    uint64_t counts[DUE_THERE + 1] = {0};
    for (uint64_t i = 0; i < states; i++) {
        uint64_t random = i;
        if (i % STATES_A_SCENE == 0) {
            open_random(&random);
        }
        fill_random(&random);
        counts[ask_random(&random, i)]++;
        if (i % STATES_A_SCENE == STATES_A_SCENE - 1 || i == states - 1) {
            scene_close(&scene);
        }
    }
    print_message("none %lu, either %lu, made %lu, there %lu\n", (unsigned long)counts[DUE_NONE],
                  (unsigned long)counts[DUE_EITHER], (unsigned long)counts[DUE_MADE],
                  (unsigned long)counts[DUE_THERE]);
    assert_true(states < 1000 || counts[DUE_EITHER] < states / 8);
    assert_true(states < 1000 || counts[DUE_MADE] > states / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(d3_order_becomes_available),
        cmocka_unit_test(d3_types_that_stay_are_not_asked),
        cmocka_unit_test(d3_poisoned_frames_stay),
        cmocka_unit_test(d3_places_are_near),
        cmocka_unit_test(d3_unaccepted_memory_stays),
        cmocka_unit_test(d3_boot_metadata_is_passed_over),
        cmocka_unit_test(d3_limits_are_kept),
        cmocka_unit_test(d3_cursor_goes_on),
        cmocka_unit_test(d3_refusal_changes_nothing),
        cmocka_unit_test(d3_every_fault_changes_nothing),
        cmocka_unit_test(d3_alloc_asks_for_it),
        cmocka_unit_test(d3_window_is_held),
        cmocka_unit_test(d3_what_came_later_stays),
        cmocka_unit_test(d3_what_is_being_accepted_stays),
        cmocka_unit_test(d3_smaller_block_in_its_place_stays),
        cmocka_unit_test(d3_what_has_failed_since_stays),
        cmocka_unit_test(d3_zone_goes_while_owners_are_asked),
        cmocka_unit_test(d3_runs_stay),
        cmocka_unit_test(d3_odd_requests),
        cmocka_unit_test(d3_random_states_agree_with_brute_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
