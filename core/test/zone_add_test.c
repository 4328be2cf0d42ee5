/* SPDX-License-Identifier: MIT
 *
 * zone_add_test.c: memory that comes and goes while the allocator is in use (requirements B2, E1).
 */
#include "core/test/arena.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

enum { BOOT, ADDED = 3, BOOT_FRAMES = 512, BASE = 4096 };

static const struct zone_config normal = {.zone_class = ZONE_NORMAL, .node = 1};
static const struct zone_config movable = {.zone_class = ZONE_MOVABLE};

/* Unaligned edges, a hole of a frame, ranges that touch, each kind of memory:
 * 24 blocks are listed once what touches has merged. */
static const struct range ranges[] = {
    {.start = BASE + 3, .frames = 100},
    {.start = BASE + 104, .frames = 152},
    {.start = BASE + 256, .frames = 768},
    {.start = BASE + 1024, .frames = 256, .unaccepted = true},
    {.start = BASE + 1280, .frames = 64, .cma = true},
};

enum { RANGES = sizeof(ranges) / sizeof(ranges[0]), FRAMES = 100 + 152 + 768 + 256 + 64 };

static struct arena arena;

/* Boots one zone of node 0, whose map is of @kind. */
static uint64_t begin(enum block_map_kind kind)
{
    struct boot_map map = {
        .kind = kind,
        .zones_count = 1,
        .ranges_count = 1,
        .zones = {{.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 0, .frames = BOOT_FRAMES}},
    };
    arena_open(&arena, &map);
    return potad_state_hash(&arena.potad);
}

static enum status add(const struct zone_config *config)
{
    return potad_zone_add(&arena.potad, ADDED, config, ranges, RANGES);
}

/* Removes the zone, and checks that all is as after boot. */
static void end(uint64_t hash)
{
    assert_int_equal(potad_zone_remove(&arena.potad, ADDED), STATUS_OK);
    arena_validate(&arena);
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

static struct buddy *take_from(zone_id_t zone, order_t order, enum migratetype type)
{
    struct buddy *buddy = NULL;
    struct page_request request = {.order = order, .zone = zone, .migratetype = type};
    return alloc_pages(&arena.potad, &request, &buddy) == STATUS_OK ? buddy : NULL;
}

/* All of the zone's memory can be had, nothing else of it is found, and when all is freed it can
 * go. */
static void b2_zone_comes_serves_and_goes(void **state)
{
    static struct buddy *blocks[FRAMES];
    (void)state;
    for (unsigned kind = BLOCK_MAP_TABLE; kind <= BLOCK_MAP_BOTH; kind++) {
        uint64_t hash = begin((enum block_map_kind)kind);
        struct memdesc_info info;
        assert_false(memdesc_lookup(&arena.potad, BASE + 3, &info));
        assert_null(take_from(ADDED, 0, MIGRATE_MOVABLE));
        assert_int_equal(add(&normal), STATUS_OK);
        arena_validate(&arena);
        assert_true(memdesc_lookup(&arena.potad, BASE + 3, &info));
        assert_int_equal(info.zone, ADDED);
        assert_false(memdesc_lookup(&arena.potad, BASE + 2, &info));
        assert_false(memdesc_lookup(&arena.potad, BASE + 103, &info));
        uint64_t count = 0;
        struct buddy *buddy;
        while ((buddy = take_from(ADDED, 0, MIGRATE_MOVABLE)) != NULL) {
            assert_int_equal(buddy->head.zone, ADDED);
            assert_true(count < FRAMES);
            blocks[count++] = buddy;
        }
        assert_int_equal(count, FRAMES);
        arena_validate(&arena);
        while (count > 0) {
            free_pages(&arena.potad, blocks[--count]);
        }
        arena_validate(&arena);
        end(hash);
    }
}

/* Zones that came later are in all lists: the node's own zone is tried first, that of node 0 last.
 */
static void e1_added_zone_takes_its_place_in_the_lists(void **state)
{
    struct buddy *buddy = NULL;
    (void)state;
    uint64_t hash = begin(BLOCK_MAP_TABLE);
    struct page_request request = {.zone = ZONE_ANY, .node = 1};
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_OK);
    assert_int_equal(buddy->head.zone, BOOT);
    free_pages(&arena.potad, buddy);
    assert_int_equal(add(&normal), STATUS_OK);
    for (uint32_t node = 0; node < 2; node++) {
        request.node = node;
        assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_OK);
        assert_int_equal(buddy->head.zone, node == 1 ? ADDED : BOOT);
        free_pages(&arena.potad, buddy);
    }
    end(hash);
}

/* Also where its tree has just few nodes left. */
static void e1_zone_short_of_nodes_is_not_passed_over(void **state)
{
    struct buddy *buddy = NULL;
    struct contig contig;
    struct page_request request = {.zone = ZONE_ANY, .node = 1};
    struct contig_request run = {.units = 5, .zone = ZONE_ANY, .node = 1};
    (void)state;
    uint64_t hash = begin(BLOCK_MAP_BOTH);
    assert_int_equal(potad_zone_add(&arena.potad, ADDED, &normal, &ranges[2], 1), STATUS_OK);
    potad_shrink(&arena.potad);
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_OK);
    assert_int_equal(buddy->head.zone, ADDED);
    free_pages(&arena.potad, buddy);
    potad_shrink(&arena.potad);
    assert_int_equal(alloc_contig(&arena.potad, &run, &contig), STATUS_OK);
    assert_int_equal(contig.zone, ADDED);
    free_contig(&arena.potad, &contig);
    /* Where there are no nodes to be had, others do. */
    potad_shrink(&arena.potad);
    arena_fail(&arena, FAULT_RANGE_NODE, 1);
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_OK);
    assert_int_equal(buddy->head.zone, BOOT);
    assert_int_equal(alloc_contig(&arena.potad, &run, &contig), STATUS_OK);
    assert_int_equal(contig.zone, BOOT);
    arena_fail(&arena, FAULT_SITES, 0);
    free_pages(&arena.potad, buddy);
    free_contig(&arena.potad, &contig);
    end(hash);
}

/* It may go again, so that it holds no metadata, be it of a class that could. */
static void e3_added_zone_holds_no_metadata(void **state)
{
    struct kmem_cache *cache = NULL;
    void *object = NULL;
    (void)state;
    uint64_t hash = begin(BLOCK_MAP_TREE);
    assert_int_equal(add(&normal), STATUS_OK);
    assert_int_equal(kmem_cache_create_in(&arena.potad, "there", 64, 8, 1U << ADDED, &cache),
                     STATUS_INVALID);
    assert_int_equal(kmem_cache_create(&arena.potad, "any", FRAME_SIZE, 8, &cache), STATUS_OK);
    uint64_t count = 0;
    void *objects[BOOT_FRAMES];
    while (kmem_cache_alloc(&arena.potad, cache, &object) == STATUS_OK) {
        assert_true(object < (void *)(arena.port.direct_map + BASE * FRAME_SIZE));
        objects[count++] = object;
    }
    assert_true(count > BOOT_FRAMES / 2);
    arena_validate(&arena);
    while (count > 0) {
        kmem_cache_free(&arena.potad, cache, objects[--count]);
    }
    assert_int_equal(kmem_cache_destroy(&arena.potad, cache), STATUS_OK);
    end(hash);
}

/* "Removed only when wholly free; else an error and nothing changes." */
static void b2_zone_in_use_stays(void **state)
{
    (void)state;
    uint64_t hash = begin(BLOCK_MAP_TABLE);
    assert_int_equal(add(&normal), STATUS_OK);
    for (order_t order = 0; order < 10; order++) {
        struct buddy *buddy = take_from(ADDED, order, MIGRATE_UNMOVABLE);
        assert_non_null(buddy);
        uint64_t used = potad_state_hash(&arena.potad);
        assert_int_equal(potad_zone_remove(&arena.potad, ADDED), STATUS_BUSY);
        arena_validate(&arena);
        assert_int_equal(potad_state_hash(&arena.potad), used);
        free_pages(&arena.potad, buddy);
    }
    end(hash);
}

/* Poisoned frames leave with their zone; a frame in use that has failed keeps it. */
static void b3_failed_frames_go_with_their_zone(void **state)
{
    (void)state;
    uint64_t hash = begin(BLOCK_MAP_TABLE);
    assert_int_equal(add(&movable), STATUS_OK);
    struct buddy *buddy = take_from(ADDED, 3, MIGRATE_MOVABLE);
    assert_non_null(buddy);
    assert_int_equal(memory_failure(&arena.potad, buddy->pfn + 5), STATUS_OK);
    assert_int_equal(memory_failure(&arena.potad, BASE + 1100), STATUS_OK);
    assert_int_equal(potad_zone_remove(&arena.potad, ADDED), STATUS_BUSY);
    free_pages(&arena.potad, buddy);
    arena_validate(&arena);
    end(hash);
}

/* Frames of a zone that has gone come again as another one's, which has a higher or a lower number:
 * nothing finds the old one there. */
static void b2_frames_come_back_as_another_zone(void **state)
{
    static const zone_id_t numbers[] = {ADDED, ADDED + 2, ADDED - 1, ADDED};
    (void)state;
    uint64_t hash = begin(BLOCK_MAP_BOTH);
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct memdesc_info info;
        /* Another part of the frames each time, so that spans differ, too. */
        const struct range *some = &ranges[i % 2];
        zone_id_t id = numbers[i];
        assert_int_equal(potad_zone_add(&arena.potad, id, &normal, some, 2), STATUS_OK);
        for (pfn_t pfn = BASE; pfn < BASE + 1400; pfn++) {
            bool inside =
                pfn - some[0].start < some[0].frames || pfn - some[1].start < some[1].frames;
            assert_int_equal(memdesc_lookup(&arena.potad, pfn, &info), inside);
            assert_true(!inside || info.zone == id);
        }
        assert_int_equal(memory_failure(&arena.potad, some[1].start), STATUS_OK);
        arena_validate(&arena);
        assert_int_equal(potad_zone_remove(&arena.potad, id), STATUS_OK);
        assert_int_equal(unpoison(&arena.potad, some[1].start), STATUS_INVALID);
        assert_false(memdesc_lookup(&arena.potad, some[1].start, &info));
    }
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

static void zone_add_refuses_what_is_taken(void **state)
{
    static const struct range beside[] = {
        {.start = BASE + 1343, .frames = 1},                      /* its last frame */
        {.start = BASE - 10, .frames = 14},                       /* its first one */
        {.start = BASE + 103, .frames = 1},                       /* its hole */
        {.start = BOOT_FRAMES - 1, .frames = 1},                  /* the boot's last frame */
        {.start = BASE + 1344, .frames = 10},                     /* behind it: good */
        {.start = BOOT_FRAMES, .frames = BASE + 3 - BOOT_FRAMES}, /* before it: good */
    };
    struct potad *potad = &arena.potad;
    (void)state;
    uint64_t boot = begin(BLOCK_MAP_TABLE);
    assert_int_equal(add(&normal), STATUS_OK);
    potad_shrink(potad);
    uint64_t hash = potad_state_hash(potad);
    assert_int_equal(add(&normal), STATUS_EXISTS);
    assert_int_equal(potad_zone_add(potad, BOOT, &normal, &beside[4], 1), STATUS_EXISTS);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(potad_zone_add(potad, 5, &normal, &beside[i], 1), STATUS_EXISTS);
    }
    for (unsigned i = 4; i < 6; i++) {
        assert_int_equal(potad_zone_add(potad, i, &normal, &beside[i], 1), STATUS_OK);
    }
    arena_validate(&arena);
    for (unsigned i = 4; i < 6; i++) {
        assert_int_equal(potad_zone_remove(potad, i), STATUS_OK);
    }
    potad_shrink(potad);
    assert_int_equal(potad_state_hash(potad), hash);
    assert_int_equal(potad_zone_remove(potad, BOOT), STATUS_INVALID);
    assert_int_equal(potad_zone_remove(potad, 5), STATUS_INVALID);
    assert_int_equal(potad_zone_remove(potad, ZONES_MAX), STATUS_INVALID);
    end(boot);
}

static void zone_add_refuses_bad_plans(void **state)
{
    static const struct range bad[][2] = {
        {{.start = BASE, .frames = 0}, {.start = BASE + 9, .frames = 1}},
        {{.start = BASE + 9, .frames = 1}, {.start = BASE, .frames = 1}},
        {{.start = BASE, .frames = 2}, {.start = BASE + 1, .frames = 2}},
        {{.start = BASE, .frames = 2, .cma = true, .unaccepted = true},
         {.start = BASE + 2, .frames = 2}},
        {{.start = BASE, .frames = 2}, {.start = (pfn_t)1 << 52, .frames = 2}},
    };
    struct zone_config config = normal;
    (void)state;
    uint64_t hash = begin(BLOCK_MAP_TABLE);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(potad_zone_add(&arena.potad, ADDED, &normal, bad[i], 2), STATUS_INVALID);
    }
    assert_int_equal(potad_zone_add(&arena.potad, ADDED, &normal, ranges, 0), STATUS_INVALID);
    assert_int_equal(potad_zone_add(&arena.potad, ZONES_MAX, &normal, ranges, 1), STATUS_INVALID);
    config.node = NODES_MAX;
    assert_int_equal(add(&config), STATUS_INVALID);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* F1: whichever step fails, nothing has changed, and the next attempt goes well. */
static void f1_zone_add_undoes_what_fails(void **state)
{
    uint64_t failures[FAULT_SITES] = {0};
    (void)state;
    uint64_t hash = begin(BLOCK_MAP_TABLE);
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        for (uint64_t nth = 1;; nth++) {
            arena_fail(&arena, (enum fault_site)site, nth);
            enum status status = add(&normal);
            arena_fail(&arena, FAULT_SITES, 0);
            arena_validate(&arena);
            if (status == STATUS_OK) {
                assert_int_equal(potad_zone_remove(&arena.potad, ADDED), STATUS_OK);
                potad_shrink(&arena.potad);
                assert_int_equal(potad_state_hash(&arena.potad), hash);
                break;
            }
            failures[site]++;
            assert_int_equal(status, STATUS_NO_MEMORY);
            assert_int_equal(potad_state_hash(&arena.potad), hash);
        }
    }
    const enum fault_site reached[] = {FAULT_BUDDY_DESC, FAULT_SLAB_DESC, FAULT_CACHE_DESC,
                                       FAULT_SLAB_PAGE, FAULT_RANGE_NODE};
    for (unsigned i = 0; i < sizeof(reached) / sizeof(reached[0]); i++) {
        assert_true(failures[reached[i]] > 0);
    }
    arena_close(&arena);
}

static unsigned windows;

/* Another CPU: the zone that the allocation has chosen goes, and memory that is only for movable
 * blocks comes under its number. */
static void replace_zone(struct arena *own, enum window window)
{
    if (window == WINDOW_SLAB_GROW && windows++ == 0) {
        own->fault = FAULT_SITES;
        assert_int_equal(potad_zone_remove(&own->potad, ADDED), STATUS_OK);
        assert_int_equal(potad_zone_add(&own->potad, ADDED, &movable, ranges, RANGES), STATUS_OK);
    }
}

/* A request that has chosen a zone does not take the next one of that number. The first descriptor
 * fails, so that the block to be cut is let go while the second is allocated. */
static void b2_request_means_the_zone_that_was_there(void **state)
{
    struct buddy *buddy = NULL;
    struct page_request request = {.zone = ADDED, .migratetype = MIGRATE_UNMOVABLE};
    (void)state;
    uint64_t hash = begin(BLOCK_MAP_TABLE);
    assert_int_equal(potad_zone_add(&arena.potad, ADDED, &normal, &ranges[2], 1), STATUS_OK);
    /* One descriptor is left, which is the one to fail. */
    struct kmem_cache *buddys = &arena.potad.cache_buddy;
    uint64_t count = buddys->slabs * buddys->capacity - buddys->live - 1;
    void *taken[SLAB_OBJECTS_MAX];
    assert_int_equal(kmem_cache_alloc_bulk(&arena.potad, buddys, count, taken), STATUS_OK);
    arena_fail(&arena, FAULT_BUDDY_DESC, 1);
    arena.fail_once = true;
    arena.window = replace_zone;
    windows = 0;
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_NO_MEMORY);
    arena.window = NULL;
    arena_fail(&arena, FAULT_SITES, 0);
    assert_true(windows > 0);
    while (count > 0) {
        kmem_cache_free(&arena.potad, buddys, taken[--count]);
    }
    arena_validate(&arena);
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_INVALID);
    end(hash);
}

/* Another CPU: the zone goes while nodes for its tree are allocated. */
static void remove_zone(struct arena *own, enum window window)
{
    if (window == WINDOW_SLAB_GROW && windows++ == 0) {
        assert_int_equal(potad_zone_remove(&own->potad, ADDED), STATUS_OK);
    }
}

/* What was allocated for the tree of a zone that has gone goes back. */
static void b2_zone_that_goes_gets_no_nodes(void **state)
{
    struct buddy *buddy = NULL;
    struct page_request request = {.zone = ADDED, .migratetype = MIGRATE_MOVABLE};
    (void)state;
    uint64_t hash = begin(BLOCK_MAP_TABLE);
    assert_int_equal(potad_zone_add(&arena.potad, ADDED, &normal, &ranges[2], 1), STATUS_OK);
    /* The next cut finds few nodes, and slabs of them none. */
    potad_shrink(&arena.potad);
    struct kmem_cache *nodes = &arena.potad.cache_node;
    uint64_t count = nodes->slabs * nodes->capacity - nodes->live;
    void *taken[SLAB_OBJECTS_MAX];
    assert_int_equal(kmem_cache_alloc_bulk(&arena.potad, nodes, count, taken), STATUS_OK);
    arena.window = remove_zone;
    windows = 0;
    assert_int_equal(alloc_pages(&arena.potad, &request, &buddy), STATUS_NO_MEMORY);
    arena.window = NULL;
    assert_true(windows > 0);
    while (count > 0) {
        kmem_cache_free(&arena.potad, nodes, taken[--count]);
    }
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    assert_int_equal(nodes->live, 0);
    assert_int_equal(add(&normal), STATUS_OK);
    end(hash);
}

static atomic_word_t looking; /* 1: the reader is about to look; 2: it has been told */
static bool found;

static void *looks_up(void *context)
{
    struct memdesc_info info;
    (void)context;
    atomic_word_release(&looking, 1);
    found = memdesc_lookup(&arena.potad, BOOT_FRAMES / 2, &info);
    atomic_word_release(&looking, 2);
    return NULL;
}

/* While the span of a zone is written, its start and its end are not of one zone: who reads it
 * waits until they are. Here the first zone seems to start where the added one does. */
static void d2_span_is_not_read_by_halves(void **state)
{
    struct zone_spans *spans = &arena.potad.spans;
    pthread_t reader;
    (void)state;
    uint64_t hash = begin(BLOCK_MAP_TABLE);
    assert_int_equal(add(&normal), STATUS_OK);
    uint64_t changes = atomic_word_peek(&spans->changes);
    atomic_word_poke(&looking, 0);
    atomic_word_release(&spans->changes, changes + 1);
    atomic_word_release(&spans->spans[BOOT].start, BASE);
    assert_int_equal(pthread_create(&reader, NULL, looks_up, NULL), 0);
    while (atomic_word_acquire(&looking) == 0) {
        usleep(100);
    }
    usleep(20000);
    assert_int_equal(atomic_word_acquire(&looking), 1);
    atomic_word_release(&spans->spans[BOOT].start, 0);
    atomic_word_release(&spans->changes, changes + 2);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_true(found);
    end(hash);
}

enum { TURNS = 1000, HELD = 100, CRUMBS = 16 };

/* Another CPU: has slabs of descriptors made and retired, and takes of the zone what there is. */
static void *alloc_and_free(void *own)
{
    static struct buddy *held[HELD];
    struct potad *potad = own;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        struct page_request request = {.zone = turn % 4 == 0 ? ADDED : BOOT};
        unsigned count = 0;
        while (count < HELD && alloc_pages(potad, &request, &held[count]) == STATUS_OK) {
            count++;
        }
        while (count > 0) {
            free_pages(potad, held[--count]);
        }
    }
    return NULL;
}

static void lay_crumbs(struct range *crumbs)
{
    for (unsigned i = 0; i < CRUMBS; i++) {
        crumbs[i] = (struct range){.start = BASE + 32 * i + 1, .frames = 30};
    }
}

/* Their descriptors fill some slabs. */
enum { HELD_IN_SLABS = 400 };

static struct buddy *held[HELD_IN_SLABS];
static unsigned crumbs_moved;

/* The descriptor of the @i-th crumb's first block, if it has one yet. */
static const struct buddy *crumb_buddy(unsigned i)
{
    const struct space *zone = &arena.potad.zones[ADDED];
    pfn_t pfn = BASE + 32 * i + 1;
    memdesc_t word = zone->managed_frames == 0 ? 0 : block_map_read(&zone->map, pfn);
    return (const struct buddy *)(void *)memdesc_head(word);
}

/* Another CPU, while a zone is being made: frees all that is held, so that slabs of descriptors are
 * retired where only those of free blocks are left. */
static void free_held(struct arena *own, enum window window)
{
    const struct buddy *before[CRUMBS];
    if (window != WINDOW_SLAB_GROW || crumb_buddy(0) == NULL) {
        return;
    }
    own->window = NULL;
    for (unsigned i = 0; i < CRUMBS; i++) {
        before[i] = crumb_buddy(i);
    }
    for (unsigned i = 0; i < HELD_IN_SLABS; i++) {
        if (held[i] != NULL) {
            free_pages(&own->potad, held[i]);
        }
    }
    for (unsigned i = 0; i < CRUMBS; i++) {
        crumbs_moved += before[i] != crumb_buddy(i);
    }
}

/* The descriptors of a zone that nobody finds yet move under its lock: where locks are checked, it
 * is seen that they do. They fill gaps in slabs of others. */
static void b2_zone_in_the_making_is_locked(void **state)
{
    const struct page_request request = {.zone = BOOT};
    struct range crumbs[CRUMBS];
    (void)state;
    lay_crumbs(crumbs);
    uint64_t hash = begin(BLOCK_MAP_TABLE);
    for (unsigned i = 0; i < HELD_IN_SLABS; i++) {
        assert_int_equal(alloc_pages(&arena.potad, &request, &held[i]), STATUS_OK);
    }
    /* Four free frames that merge leave three descriptors over. */
    for (unsigned i = 0; i < HELD_IN_SLABS; i++) {
        if (held[i]->pfn % 8 >= 4) {
            free_pages(&arena.potad, held[i]);
            held[i] = NULL;
        }
    }
    crumbs_moved = 0;
    arena.window = free_held;
    assert_int_equal(potad_zone_add(&arena.potad, ADDED, &normal, crumbs, CRUMBS), STATUS_OK);
    arena.window = NULL;
    assert_true(crumbs_moved > 0);
    arena_validate(&arena);
    end(hash);
}

/* The arena's port counts, for one CPU; these do not. */
static void expose_any(void *own, pfn_t pfn, uint64_t frames, bool zeroed)
{
    (void)own;
    (void)pfn;
    (void)frames;
    (void)zeroed;
}

static void conceal_any(void *own, pfn_t pfn, uint64_t frames)
{
    expose_any(own, pfn, frames, false);
}

/* While a zone is made and removed, others move the descriptors of its free blocks about and use
 * its memory: ThreadSanitizer sees whether they do so in turn. */
static void b2_zones_come_and_go_beside_others(void **state)
{
    struct range crumbs[CRUMBS];
    struct potad *potad = &arena.potad;
    pthread_t other;
    (void)state;
    lay_crumbs(crumbs);
    uint64_t hash = begin(BLOCK_MAP_TABLE);
    potad->port.expose = expose_any;
    potad->port.conceal = conceal_any;
    potad->port.fault = NULL;
    potad->port.window = NULL;
    assert_int_equal(pthread_create(&other, NULL, alloc_and_free, potad), 0);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        enum status added = potad_zone_add(potad, ADDED, &normal, crumbs, CRUMBS);
        enum status removed = potad_zone_remove(potad, ADDED);
        assert_true(added == STATUS_OK || added == STATUS_EXISTS || added == STATUS_NO_MEMORY);
        assert_true(removed == STATUS_OK || removed == STATUS_BUSY || added != STATUS_OK);
    }
    assert_int_equal(pthread_join(other, NULL), 0);
    enum status added = add(&normal);
    assert_true(added == STATUS_OK || added == STATUS_EXISTS);
    end(hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b2_zone_comes_serves_and_goes),
        cmocka_unit_test(b2_zone_in_use_stays),
        cmocka_unit_test(b2_request_means_the_zone_that_was_there),
        cmocka_unit_test(b2_zone_that_goes_gets_no_nodes),
        cmocka_unit_test(d2_span_is_not_read_by_halves),
        cmocka_unit_test(b2_zone_in_the_making_is_locked),
        cmocka_unit_test(b2_zones_come_and_go_beside_others),
        cmocka_unit_test(b2_frames_come_back_as_another_zone),
        cmocka_unit_test(b3_failed_frames_go_with_their_zone),
        cmocka_unit_test(e1_added_zone_takes_its_place_in_the_lists),
        cmocka_unit_test(e1_zone_short_of_nodes_is_not_passed_over),
        cmocka_unit_test(e3_added_zone_holds_no_metadata),
        cmocka_unit_test(f1_zone_add_undoes_what_fails),
        cmocka_unit_test(zone_add_refuses_what_is_taken),
        cmocka_unit_test(zone_add_refuses_bad_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
