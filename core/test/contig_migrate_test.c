/* SPDX-License-Identifier: MIT
 *
 * contig_migrate_test.c: requirement B6: CMA memory that owners of movable blocks clear: random
 * states, compared with brute force, and what other threads may do meanwhile. In the drawings, c is
 * a free frame of CMA, m one in a movable block whose owner agrees to move, r any other of CMA; .
 * is a free frame elsewhere, a one in use.
 */
#include "core/contig_find.h"
#include "core/test/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

enum {
    BASE = SCENE_BASE, /* zone 1, and behind it zone 2 */
    SPAN = SCENE_SPAN,
    FRAMES = SCENE_FRAMES,
    ROOM_FRAMES = 8, /* that new descriptors may take */
    ORDER_MAX = 3
};

/* Takes a block of zone 1. Return: NULL where there is none. */
static struct block *take(struct scene *scene, order_t order, bool movable, bool described)
{
    const struct page_request request = {
        .order = order,
        .zone = 1,
        .migratetype = movable ? MIGRATE_MOVABLE : MIGRATE_UNMOVABLE,
    };
    return scene_take(scene, &request, described);
}

/* Zone 1 of up to five ranges, CMA's and others, some of which touch; nothing of it may go to zone
 * 2, and to zone 0 only where zone 1 is of a class that is no lower. */
static void open_random(struct scene *scene, uint64_t *random)
{
    bool low = arena_random(random, 2) == 0;
    struct boot_map map = {
        .kind = (enum block_map_kind)arena_random(random, 3),
        .zones_count = 3,
        .zones = {{.zone_class = ZONE_NORMAL},
                  {.zone_class = low ? ZONE_DMA : ZONE_HIGHMEM},
                  {.zone_class = ZONE_MOVABLE}},
        .ranges = {{.start = 0, .frames = SCENE_METADATA, .zone = 0}},
        .ranges_count = 1,
    };
    pfn_t at = BASE + arena_random(random, 16);
    uint64_t ranges = 2 + arena_random(random, 4);
    for (uint64_t i = 0; i < ranges; i++) {
        uint64_t frames = 1 + arena_random(random, 40);
        bool cma = i == 0 || arena_random(random, 2) == 0;
        at = scene_map_range(&map, at, frames, cma, random);
    }
    map.ranges[map.ranges_count++] = (struct range){.start = at, .frames = 16, .zone = 2};
    scene_open(scene, &map);
}

/* Fills zone 1, then frees what begins in a part of it, and random blocks of CMA and elsewhere. */
static void fill_random(struct scene *scene, uint64_t *random)
{
    order_t orders = 1 + (order_t)arena_random(random, ORDER_MAX + 1);
    uint64_t tries = 0;
    while (tries < orders) {
        order_t order = (order_t)arena_random(random, orders);
        bool movable = arena_random(random, 4) != 0;
        struct block *block = take(scene, order, movable, arena_random(random, 2) == 0);
        tries += block == NULL ? 1 : 0;
    }
    /* Eighths of CMA's blocks, fewer, and of others. */
    uint64_t freed[2] = {arena_random(random, 9),
                         arena_random(random, 1 + arena_random(random, 6))};
    uint64_t refusing = arena_random(random, 3) * 8;
    pfn_t start = BASE + arena_random(random, SPAN / 2);
    pfn_t end = start + arena_random(random, 1 + arena_random(random, SPAN / 4));
    for (unsigned i = 0; i < SCENE_BLOCKS; i++) {
        struct block *block = &scene->blocks[i];
        if (block->handle == NULL) {
            continue;
        }
        const struct range *range = scene_range(scene, block->pfn);
        bool inside = block->pfn >= start && block->pfn < end;
        if (range->zone != 1 || inside || arena_random(random, 8) < freed[range->cma]) {
            scene_free(scene, block);
        } else {
            block->refuses = refusing > 0 && arena_random(random, refusing) == 0;
            block->before = block->pfn;
        }
    }
}

/* Draws zone 1. */
static void scene_draw(struct scene *scene)
{
    memset(scene->drawn, ' ', FRAMES);
    for (pfn_t at = BASE; at < FRAMES; at++) {
        const struct range *range = scene_range(scene, at);
        struct memdesc_info info;
        if (range == NULL || range->zone != 1) {
            continue;
        }
        assert_true(memdesc_lookup(&scene->arena.potad, at, &info));
        const struct block *block = scene_find(scene, info.pfn);
        bool agrees =
            block != NULL && block->type == MIGRATE_MOVABLE && !block->refuses && !info.flawed;
        bool free = info.type == MEMDESC_BUDDY_FREE;
        scene->drawn[at] = (char)(range->cma ? (free     ? 'c'
                                                : agrees ? 'm'
                                                         : 'r')
                                  : free     ? '.'
                                             : 'a');
    }
}

/* A request of any size and limits; or, half of the time, one that fits a run that can be cleared
 * to the frame, or is one frame too many. */
static struct contig_request request_random(uint64_t *random, const char *drawn)
{
    struct contig_request request = {
        .units = 1 + arena_random(random, 1 + arena_random(random, 48)),
        .align = arena_random(random, 2) == 0 ? 0 : (order_t)arena_random(random, 6),
        .low = arena_random(random, 2) == 0 ? 0 : BASE + arena_random(random, 128),
        .high = PFN_NONE,
        .zone = 1,
        .cma = true,
    };
    pfn_t start = BASE + arena_random(random, SPAN / 2);
    pfn_t end = start;
    while (drawn[end] == 'c' || drawn[end] == 'm') {
        end++;
    }
    if (end > start && arena_random(random, 2) == 0) {
        request.align = (order_t)arena_random(random, 3);
        pfn_t first = pfn_align_up(start, request.align);
        request.low = start;
        request.high = end - arena_random(random, (end - start + 1) / 2);
        request.units = (first < request.high ? request.high - first : 0) + arena_random(random, 2);
        request.units = request.units > 0 ? request.units : 1;
    } else if (arena_random(random, 2) == 0) {
        request.high = (request.low > BASE ? request.low : BASE) + 1 + arena_random(random, 128);
    }
    return request;
}

/* What brute force says. */
enum due { DUE_FREE, DUE_MOVED, DUE_NONE, DUE_EITHER };

/* Whether a naturally aligned block of @order lies in free frames of one kind outside of the window
 * of @units at @pfn. */
static bool order_is_free(const char *drawn, order_t order, pfn_t pfn, uint64_t units)
{
    for (pfn_t at = BASE; at < FRAMES; at += order_frames(order)) {
        bool free = drawn[at] == 'c' || drawn[at] == '.';
        for (pfn_t i = at; free && i < at + order_frames(order); i++) {
            free = drawn[i] == drawn[at] && i - pfn >= units;
        }
        if (free) {
            return true;
        }
    }
    return false;
}

/* Whether the blocks in the window find no place in zone 1 in whatever way. */
static bool has_no_room(struct scene *scene, pfn_t pfn, uint64_t units)
{
    const char *drawn = scene->drawn;
    uint64_t free = 0;
    uint64_t moving = 0;
    order_t largest = 0;
    for (pfn_t at = BASE; at < FRAMES; at++) {
        bool inside = at - pfn < units;
        free += (drawn[at] == 'c' && !inside) || drawn[at] == '.' ? 1 : 0;
        const struct block *block = scene_find(scene, at);
        if (block != NULL && at < pfn + units && at + order_frames(block->order) > pfn) {
            moving += order_frames(block->order);
            largest = block->order > largest ? block->order : largest;
        }
    }
    return moving > free || (moving > 0 && !order_is_free(drawn, largest, pfn, units));
}

/* Whether any window's blocks find a place outside of CMA, in whatever order they are asked and
 * whatever is tried before: for each one, there is a place of the largest one's order. */
static bool has_room_for_all(const struct scene *scene, uint64_t units)
{
    const struct arena *arena = &scene->arena;
    bool low = arena->map.zones[1].zone_class == ZONE_DMA;
    uint64_t blocks = 0;
    order_t largest = 0;
    for (unsigned i = 0; i < SCENE_BLOCKS; i++) {
        const struct block *block = &scene->blocks[i];
        if (block->handle != NULL && block->type == MIGRATE_MOVABLE &&
            scene_range(scene, block->pfn)->cma) {
            blocks++;
            largest = block->order > largest ? block->order : largest;
        }
    }
    uint64_t places = 0;
    uint64_t need = ROOM_FRAMES + (blocks < units ? blocks : units);
    for (zone_id_t zone = low ? 1 : 0; zone < 2; zone++) {
        const struct free_area *areas = arena->potad.zones[zone].areas;
        for (order_t order = largest; order < ORDERS / 2; order++) {
            uint64_t free = areas[AREA_UNMOVABLE].blocks[order] + areas[AREA_MOVABLE].blocks[order];
            places += (free + areas[AREA_RECLAIMABLE].blocks[order]) << (order - largest);
        }
    }
    return blocks == 0 || places >= need;
}

static enum due due_of(struct scene *scene, const struct contig_request *request)
{
    const char *drawn = scene->drawn;
    bool low = scene->arena.map.zones[1].zone_class == ZONE_DMA;
    bool room = has_room_for_all(scene, request->units);
    enum due due = DUE_NONE;
    for (pfn_t start = pfn_align_up(BASE, request->align); start + request->units <= FRAMES;
         start += order_frames(request->align)) {
        uint64_t free = 0;
        bool fits = start >= request->low && start + request->units <= request->high;
        for (uint64_t i = 0; fits && i < request->units; i++) {
            free += drawn[start + i] == 'c' ? 1 : 0;
            fits = drawn[start + i] == 'c' || drawn[start + i] == 'm';
        }
        if (fits && free == request->units) {
            return DUE_FREE;
        }
        if (fits && room) {
            due = DUE_MOVED;
        } else if (fits && due == DUE_NONE) {
            due = low && has_no_room(scene, start, request->units) ? DUE_NONE : DUE_EITHER;
        }
    }
    return due;
}

/* The blocks that @run touched, and only those, are elsewhere than before. */
static void check_blocks(struct scene *scene, const struct contig *run)
{
    unsigned moved = 0;
    scene_check(scene);
    for (unsigned i = 0; i < SCENE_BLOCKS; i++) {
        const struct block *block = &scene->blocks[i];
        if (block->handle == NULL) {
            continue;
        }
        pfn_t end = block->before + order_frames(block->order);
        bool touched = block->before < run->pfn + run->units && end > run->pfn;
        assert_int_equal(block->pfn != block->before, touched);
        moved += touched ? 1 : 0;
    }
    assert_int_equal(scene->told[MIGRATE_COMMIT], moved);
    assert_int_equal(scene->agreed, scene->told[MIGRATE_COMMIT] + scene->told[MIGRATE_CANCEL]);
}

/* Frames that are free, or have become descriptors. */
static uint64_t frames_left(const struct scene *scene)
{
    uint64_t frames = 0;
    for (zone_id_t id = 0; id < scene->arena.map.zones_count; id++) {
        const struct space *zone = &scene->arena.potad.zones[id];
        frames += zone->frames[BUDDY_FREE] + zone->frames[BUDDY_SLAB];
    }
    return frames;
}

static void check_run(const struct scene *scene, const struct contig_request *request,
                      const struct contig *run)
{
    assert_int_equal(run->units, request->units);
    assert_true(pfn_is_aligned(run->pfn, request->align));
    assert_true(run->pfn >= request->low && run->pfn + run->units <= request->high);
    for (pfn_t at = run->pfn; at < run->pfn + run->units; at++) {
        assert_true(scene->drawn[at] == 'c' || scene->drawn[at] == 'm');
        assert_int_equal(scene->content[at], 0);
    }
}

/* Asks. Return: what was due. */
static enum due ask_random(struct scene *scene, uint64_t *random, uint64_t number)
{
    struct contig contig = {.pfn = 0};
    struct potad *potad = &scene->arena.potad;
    scene_draw(scene);
    struct contig_request request = request_random(random, scene->drawn);
    enum due due = due_of(scene, &request);
    uint64_t hash = potad_state_hash(potad);
    uint64_t left = frames_left(scene);
    memset(scene->told, 0, sizeof(scene->told));
    scene->agreed = 0;
    enum status status = alloc_contig(potad, &request, &contig);
    bool fits = due == DUE_EITHER ? status == STATUS_OK || status == STATUS_NO_MEMORY
                                  : status == (due == DUE_NONE ? STATUS_NO_MEMORY : STATUS_OK);
    if (!fits || (due == DUE_FREE && scene->told[MIGRATE_TRY] > 0)) {
        fail_msg("state %lu: answers %d, due %d, having asked %u, for %lu frames, alignment 2^%u, "
                 "from %lu to %lu in %.*s",
                 (unsigned long)number, (int)status, (int)due, scene->told[MIGRATE_TRY],
                 (unsigned long)request.units, request.align, (unsigned long)request.low,
                 (unsigned long)request.high, SPAN, scene->drawn + BASE);
    }
    check_blocks(scene, &contig);
    if (status == STATUS_OK) {
        check_run(scene, &request, &contig);
        assert_int_equal(frames_left(scene), left - contig.units);
        free_contig(potad, &contig);
    } else {
        assert_int_equal(potad_state_hash(potad), hash);
    }
    return due;
}

/* Takes a few frames of CMA now and then, which nobody will move. Return: without units: none. */
static struct contig keep_run(struct scene *scene, uint64_t *random)
{
    struct contig_request request = {.units = 1 + arena_random(random, 6), .zone = 1, .cma = true};
    struct contig contig = {.units = 0};
    bool keeps = arena_random(random, 4) == 0;
    request.low = BASE + arena_random(random, SPAN / 4);
    if (!keeps || alloc_contig(&scene->arena.potad, &request, &contig) != STATUS_OK) {
        return (struct contig){.units = 0};
    }
    return contig;
}

/* Has frames fail for one question, half of the time. */
static enum due ask_with_failures(struct scene *scene, uint64_t *random, uint64_t number)
{
    enum { FAILURES = 2 };
    pfn_t failed[FAILURES];
    unsigned count = 0;
    for (unsigned i = 0; i < FAILURES && arena_random(random, 4) == 0; i++) {
        failed[count] = BASE + arena_random(random, SPAN);
        count += memory_failure(&scene->arena.potad, failed[count]) == STATUS_OK ? 1 : 0;
    }
    enum due due = ask_random(scene, random, number);
    while (count > 0) {
        assert_int_equal(unpoison(&scene->arena.potad, failed[--count]), STATUS_OK);
    }
    return due;
}

/* POTAD_CONTIG_STATES says how many states. In most, brute force knows what is due. */
static void random_states_agree_with_brute_force(void **state)
{
    (void)state;
    enum { STATES_A_SCENE = 16 };
    const char *asked = getenv("POTAD_CONTIG_STATES");
    uint64_t states = asked == NULL ? 20000 : strtoull(asked, NULL, 0);
    uint64_t counts[DUE_EITHER + 1] = {0};
    static struct scene scene;
    for (uint64_t i = 0; i < states; i++) {
        uint64_t random = i;
        if (i % STATES_A_SCENE == 0) {
            open_random(&scene, &random);
        }
        struct contig kept = keep_run(&scene, &random);
        fill_random(&scene, &random);
        counts[ask_with_failures(&scene, &random, i)]++;
        if (kept.units > 0) {
            free_contig(&scene.arena.potad, &kept);
        }
        if (i % STATES_A_SCENE == STATES_A_SCENE - 1 || i == states - 1) {
            scene_close(&scene);
        }
    }
    print_message("free %lu, moved %lu, none %lu, either %lu\n", (unsigned long)counts[DUE_FREE],
                  (unsigned long)counts[DUE_MOVED], (unsigned long)counts[DUE_NONE],
                  (unsigned long)counts[DUE_EITHER]);
    assert_true(states < 1000 || counts[DUE_EITHER] < states / 8);
    assert_true(states < 1000 || counts[DUE_MOVED] > states / 8);
}

/* Below: what other threads do while the first owner is asked.
 *
 *   zone 1:   1024       1040       1056
 *             | cma, 16  | 16 more  |
 */
static struct scene race;
static struct contig run_here;
static sem_t is_asking;
static sem_t may_go_on;
static bool acted;

static void race_open(bool (*fault)(void *context, enum fault_site site))
{
    const struct boot_map map = {
        .kind = BLOCK_MAP_BOTH,
        .zones_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_DMA}},
        .ranges = {{.start = 0, .frames = SCENE_METADATA, .zone = 0},
                   {.start = BASE, .frames = 16, .zone = 1, .cma = true},
                   {.start = BASE + 16, .frames = 16, .zone = 1}},
        .ranges_count = 3,
    };
    acted = false;
    scene_open(&race, &map);
    race.arena.potad.port.fault = fault;
}

/* Fills zone 1 with blocks of @order; those that are not of CMA are free again. */
static void race_fill(order_t order)
{
    while (take(&race, order, true, false) != NULL) {
    }
    for (pfn_t at = 16; at < 32; at += order_frames(order)) {
        scene_free(&race, scene_block(&race, at));
    }
}

static enum status race_ask(pfn_t from, pfn_t to, struct contig *contig)
{
    const struct contig_request request = {
        .units = to - from,
        .low = BASE + from,
        .high = BASE + to,
        .zone = 1,
        .cma = true,
    };
    return alloc_contig(&race.arena.potad, &request, contig);
}

static void *other_asks(void *context)
{
    enum status *status = context;
    struct contig contig;
    *status = race_ask(2, 6, &contig);
    if (*status == STATUS_OK) {
        assert_int_equal(contig.pfn, BASE + 2);
        free_contig(&race.arena.potad, &contig);
    }
    return NULL;
}

static pthread_t other;
static enum status others_status;

static bool other_frees_and_asks(void *context, enum fault_site site)
{
    (void)context;
    if (site != FAULT_MIGRATE) {
        return false;
    }
    if (!acted) {
        acted = true;
        scene_free(&race, scene_block(&race, 2));
        assert_int_equal(pthread_create(&other, NULL, other_asks, &others_status), 0);
        sem_wait(&is_asking);
    } else if (pthread_equal(pthread_self(), other) != 0) {
        sem_post(&is_asking);
        sem_wait(&may_go_on);
    }
    return false;
}

/* The window 0 to 4 is being cleared; 2 to 4 becomes free, and another thread holds it, and asks
 * for 4 to 6. Only one of the two has 2 to 4. */
static void window_leaves_what_another_one_holds(void **state)
{
    (void)state;
    sem_init(&is_asking, 0, 0);
    sem_init(&may_go_on, 0, 0);
    race_open(other_frees_and_asks);
    race_fill(1);
    assert_int_equal(race_ask(0, 4, &run_here), STATUS_NO_MEMORY);
    sem_post(&may_go_on);
    pthread_join(other, NULL);
    assert_int_equal(others_status, STATUS_OK);
    assert_int_equal(race.told[MIGRATE_COMMIT], 1);
    assert_int_equal(race.told[MIGRATE_CANCEL], 1);
    race.arena.potad.port.fault = race.arena.port.fault;
    scene_close(&race);
    sem_destroy(&is_asking);
    sem_destroy(&may_go_on);
}

/* As another CPU: frames 4 to 8 become one block. */
static bool other_makes_one_of_four(void *context, enum fault_site site)
{
    struct block *taken[4];
    unsigned count = 0;
    (void)context;
    if (site != FAULT_MIGRATE || acted) {
        return false;
    }
    acted = true;
    for (pfn_t at = 4; at < 8; at++) {
        scene_free(&race, scene_block(&race, at));
    }
    do {
        taken[count] = take(&race, 2, true, false);
        assert_non_null(taken[count]);
    } while (taken[count++]->pfn != BASE + 4);
    for (unsigned i = 0; i + 1 < count; i++) {
        scene_free(&race, taken[i]);
    }
    return false;
}

/* The window 1 to 7 ended between two blocks when it was found: now one lies across its end, and
 * cutting that takes descriptors. */
static void window_ends_inside_a_block_that_grew(void **state)
{
    (void)state;
    race_open(other_makes_one_of_four);
    race_fill(0);
    assert_int_equal(race_ask(1, 7, &run_here), STATUS_OK);
    assert_int_equal(run_here.pfn, BASE + 1);
    assert_int_equal(race.told[MIGRATE_COMMIT], 4);
    arena_validate(&race.arena);
    free_contig(&race.arena.potad, &run_here);
    scene_close(&race);
}

/* The same, and once all owners have been asked, there are no more descriptors. */
static bool other_takes_what_that_needs(void *context, enum fault_site site)
{
    static unsigned asked;
    asked = acted ? asked : 0;
    (void)other_makes_one_of_four(context, site);
    asked += site == FAULT_MIGRATE ? 1 : 0;
    return site == FAULT_BUDDY_DESC && asked == 4;
}

static void window_lacks_descriptors_for_a_block_that_grew(void **state)
{
    (void)state;
    race_open(other_takes_what_that_needs);
    race_fill(0);
    assert_int_equal(race_ask(1, 7, &run_here), STATUS_NO_MEMORY);
    assert_int_equal(race.told[MIGRATE_CANCEL], 4);
    race.arena.potad.port.fault = race.arena.port.fault;
    arena_validate(&race.arena);
    scene_close(&race);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_leaves_what_another_one_holds),
        cmocka_unit_test(window_ends_inside_a_block_that_grew),
        cmocka_unit_test(window_lacks_descriptors_for_a_block_that_grew),
        cmocka_unit_test(random_states_agree_with_brute_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
