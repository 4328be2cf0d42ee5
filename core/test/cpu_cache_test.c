/* SPDX-License-Identifier: MIT
 *
 * cpu_cache_test.c: small blocks that CPUs keep (requirement B1): who gets them, when they go back
 * to their zone, and that they are free memory all the while (F2); for blocks found by a table, by
 * a tree, and by both.
 */
#include "core/page_alloc.h"
#include "core/test/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { BATCH = 32, ANYWHERE = 1024 };

/* Blocks that @cpu keeps of one kind. */
static uint64_t kept_of(const struct machine *machine, uint32_t cpu, zone_id_t zone,
                        enum migratetype type, order_t order)
{
    return cpu_list_of(machine_keeper(machine, cpu)->lists, zone, type, order)->count;
}

/* Frames that @cpu keeps. */
static uint64_t kept(const struct machine *machine, uint32_t cpu)
{
    uint64_t frames = 0;
    for (zone_id_t zone = 0; zone < ZONES_MAX; zone++) {
        for (unsigned type = 0; type < MIGRATETYPES; type++) {
            for (order_t order = 0; order < CPU_ORDERS; order++) {
                frames += kept_of(machine, cpu, zone, (enum migratetype)type, order) << order;
            }
        }
    }
    return frames;
}

static uint64_t zone_free(const struct machine *machine, zone_id_t zone)
{
    return machine->arena.potad.zones[zone].frames[BUDDY_FREE];
}

static enum status try_take(struct machine *machine, order_t order, enum migratetype type,
                            struct buddy **buddy)
{
    struct page_request request = {.order = order, .zone = ZONE_ANY, .migratetype = type};
    return alloc_pages(&machine->arena.potad, &request, buddy);
}

static struct buddy *take(struct machine *machine, order_t order)
{
    return arena_take(&machine->arena, order);
}

static void give(struct machine *machine, struct buddy *buddy)
{
    free_pages(&machine->arena.potad, buddy);
}

/* Takes all memory, in blocks of @order, but what CPUs keep for others, and none of the lists of
 * @cpu. Return: how many; the blocks are linked by their lists' links. */
static uint64_t exhaust(struct machine *machine, order_t order, struct list_head *blocks)
{
    uint64_t count = 0;
    struct buddy *buddy;
    list_init(blocks);
    while (try_take(machine, order, MIGRATE_UNMOVABLE, &buddy) == STATUS_OK) {
        list_push(blocks, &buddy->list);
        count++;
    }
    return count;
}

static void give_all(struct machine *machine, struct list_head *blocks)
{
    struct list_head *link = blocks->next;
    list_init(blocks);
    while (link != blocks) {
        struct list_head *next = link->next;
        give(machine, buddy_of_link(link));
        link = next;
    }
}

/* The first allocations take a batch of 32 frames, or just their own blocks, if these are there; of
 * pairs from then on, the zone hears nothing. */
static void pairs_test(struct machine *machine)
{
    for (order_t order = 0; order < CPU_ORDERS; order++) {
        struct buddy *first = take(machine, order);
        struct buddy *second = take(machine, order);
        give(machine, take(machine, order));
        give(machine, second);
        uint64_t free = zone_free(machine, 0);
        uint64_t writes = machine->arena.potad.zones[0].frame_writes;
        for (unsigned i = 0; i < 100; i++) {
            struct buddy *one = take(machine, order);
            struct buddy *other = take(machine, order);
            assert_ptr_not_equal(one, other);
            give(machine, one);
            give(machine, other);
        }
        assert_int_equal(zone_free(machine, 0), free);
        assert_int_equal(machine->arena.potad.zones[0].frame_writes, writes);
        arena_validate(&machine->arena);
        give(machine, first);
    }
}

static void b1_pairs_on_a_cpu_take_nothing_from_the_zone(void **state)
{
    (void)state;
    machine_for_each_kind(4096, 1, pairs_test);
}

/* Allocations get batches. Then frees of all: the lists hold two magazines at most, and the zone
 * gets one at a time. */
static void surplus_test(struct machine *machine)
{
    struct list_head blocks;
    unsigned batches = 0;
    list_init(&blocks);
    for (unsigned i = 0; i < 512; i++) {
        list_push(&blocks, &take(machine, 0)->list);
        batches += kept(machine, 0) == BATCH - 1 ? 1 : 0;
    }
    assert_in_range(batches, 1, 512 / BATCH); /* smaller ones, too, of smaller blocks */
    while (!list_is_empty(&blocks)) {
        uint64_t before = kept(machine, 0);
        give(machine, buddy_of_link(list_pop(&blocks)));
        uint64_t after = kept(machine, 0);
        assert_true(after <= 2 * (uint64_t)CPU_MAGAZINE);
        assert_true(after == before + 1 || after == before + 1 - CPU_MAGAZINE);
    }
    assert_in_range(kept(machine, 0), CPU_MAGAZINE + 1, 2 * (uint64_t)CPU_MAGAZINE);
}

static void surplus_goes_back_in_magazines(void **state)
{
    (void)state;
    machine_for_each_kind(4096, 1, surplus_test);
}

enum { JOINED_FRAMES = 4096 };

/* Words of the map that are written for each block that goes back, of 512 that are freed from the
 * first or the last on. */
static double writes_each(struct machine *machine, bool downwards)
{
    struct buddy *blocks[JOINED_FRAMES] = {NULL}; /* by their frames */
    const struct space *zone = &machine->arena.potad.zones[0];
    for (unsigned i = 0; i < 512; i++) {
        struct buddy *buddy = take(machine, 0);
        assert_true(buddy->pfn < JOINED_FRAMES);
        blocks[buddy->pfn] = buddy;
    }
    uint64_t writes = zone->frame_writes;
    uint64_t free = zone->frames[BUDDY_FREE];
    for (unsigned i = 0; i < JOINED_FRAMES; i++) {
        struct buddy *buddy = blocks[downwards ? JOINED_FRAMES - 1 - i : i];
        if (buddy != NULL) {
            give(machine, buddy);
        }
    }
    arena_validate(&machine->arena);
    return (double)(zone->frame_writes - writes) / (double)(zone->frames[BUDDY_FREE] - free);
}

/* Neighbours are one block before the zone hears of them: their own words are taken off, and
 * hardly any is written and taken off again. */
static void joined_test(struct machine *machine)
{
    assert_true(writes_each(machine, false) < 1.25);
    assert_true(writes_each(machine, true) < 1.25);
}

static void b1_neighbours_go_back_as_one_block(void **state)
{
    (void)state;
    machine_for_each_kind(JOINED_FRAMES, 1, joined_test);
}

/* Frames that the depot has of one kind. */
static uint64_t stored(const struct machine *machine, zone_id_t zone, enum migratetype type)
{
    return machine->arena.potad.depot.lists[cpu_list_number(zone, type, 0)].count;
}

/* Has CPU 0 free @count frames, one list's, the depot's, and more. */
static void overfill(struct machine *machine, unsigned count)
{
    struct list_head blocks;
    list_init(&blocks);
    machine->cpu = 0;
    for (unsigned i = 0; i < count; i++) {
        list_push(&blocks, &take(machine, 0)->list);
    }
    give_all(machine, &blocks);
}

/* One CPU allocates what another one frees: magazines go from one to the other, and the zone hears
 * nothing of it. */
static void handover_test(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    uint64_t free = 0;
    uint64_t writes = 0;
    overfill(machine, 300);
    assert_true(stored(machine, 0, MIGRATE_UNMOVABLE) >= CPU_MAGAZINE);
    for (unsigned i = 0; i < 50; i++) {
        struct list_head blocks;
        list_init(&blocks);
        machine->cpu = 0;
        for (unsigned k = 0; k < CPU_MAGAZINE; k++) {
            list_push(&blocks, &take(machine, 0)->list);
        }
        machine->cpu = 1;
        give_all(machine, &blocks);
        if (i < 4) {
            /* CPU 1 has room itself. */
            free = zone_free(machine, 0);
            writes = potad->zones[0].frame_writes;
        }
        assert_int_equal(zone_free(machine, 0), free);
        assert_int_equal(potad->zones[0].frame_writes, writes);
        arena_validate(&machine->arena);
    }
    assert_true(atomic_word_peek(&potad->events[CORE_EVENT_STORED]) >= 40);
    assert_true(atomic_word_peek(&potad->events[CORE_EVENT_FETCHED]) >= 40);
}

static void b1_cpus_hand_magazines_over_without_the_zone(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 2, handover_test);
}

/* What the depot has is free memory: of larger blocks, too, and where a frame of it fails. */
static void depot_is_free_test(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    struct list_head blocks;
    struct memdesc_info info;
    machine->cpu = CPUS_MAX;
    uint64_t count = exhaust(machine, 2, &blocks);
    give_all(machine, &blocks);
    overfill(machine, 400);
    assert_true(stored(machine, 0, MIGRATE_UNMOVABLE) >= CPU_MAGAZINE);
    machine->cpu = CPUS_MAX;
    /* Descriptors may take other frames; the depot's alone make 16 blocks. */
    assert_in_range(exhaust(machine, 2, &blocks), count - 8, count + 2);
    assert_int_equal(stored(machine, 0, MIGRATE_UNMOVABLE), 0);
    arena_validate(&machine->arena);
    give_all(machine, &blocks);
    overfill(machine, 400);
    uint32_t kind = cpu_list_number(0, MIGRATE_UNMOVABLE, 0);
    pfn_t failed = potad->depot.lists[kind].blocks[0]->pfn;
    assert_int_equal(memory_failure(potad, failed), STATUS_OK);
    arena_validate(&machine->arena);
    assert_true(memdesc_lookup(potad, failed, &info));
    assert_int_equal(info.type, MEMDESC_POISONED);
    assert_int_equal(unpoison(potad, failed), STATUS_OK);
}

static void f2_what_the_depot_has_is_free_memory(void **state)
{
    (void)state;
    machine_for_each_kind(600, 2, depot_is_free_test);
}

/* There is a depot while there are CPUs to hand over to. */
static void depot_goes_with_the_last_but_one(void **state)
{
    (void)state;
    static struct machine machine;
    machine_open_frames(&machine, BLOCK_MAP_TABLE, 1024, 1);
    struct potad *potad = &machine.arena.potad;
    overfill(&machine, 400);
    assert_int_equal(stored(&machine, 0, MIGRATE_UNMOVABLE), 0);
    machine_cpu_toggle(&machine, 1);
    overfill(&machine, 400);
    assert_true(stored(&machine, 0, MIGRATE_UNMOVABLE) > 0);
    machine_cpu_toggle(&machine, 1);
    assert_int_equal(stored(&machine, 0, MIGRATE_UNMOVABLE), 0);
    assert_int_equal(potad->cache_blocks.live, 1);
    overfill(&machine, 400);
    assert_int_equal(stored(&machine, 0, MIGRATE_UNMOVABLE), 0);
    machine_close(&machine);
}

/* A zone that comes while CPUs are online is kept blocks of, too. */
static void zones_that_come_later_have_lists(void **state)
{
    (void)state;
    static struct machine machine;
    machine_open_frames(&machine, BLOCK_MAP_TABLE, 1024, 2);
    struct potad *potad = &machine.arena.potad;
    const struct zone_config config = {.zone_class = ZONE_NORMAL};
    const struct range range = {.start = 2048, .frames = 512};
    struct page_request request = {.zone = 1};
    struct buddy *buddy;
    assert_int_equal(potad_zone_add(potad, 1, &config, &range, 1), STATUS_OK);
    assert_int_equal(alloc_pages(potad, &request, &buddy), STATUS_OK);
    give(&machine, buddy);
    assert_true(kept_of(&machine, 0, 1, MIGRATE_UNMOVABLE, 0) > 0);
    assert_true(potad->depot.lists[cpu_list_number(1, MIGRATE_UNMOVABLE, 0)].room > 0);
    arena_validate(&machine.arena);
    assert_int_equal(potad_zone_remove(potad, 1), STATUS_OK);
    machine_close(&machine);
}

/* A request that no list serves at once, for it names classes, fills none beyond its batch. */
static void below_test(struct machine *machine)
{
    struct list_head blocks;
    list_init(&blocks);
    for (unsigned i = 0; i < 512; i++) {
        struct buddy *buddy;
        struct page_request request = {.zone = ZONE_ANY, .below = ZONE_HIGHMEM};
        assert_int_equal(alloc_pages(&machine->arena.potad, &request, &buddy), STATUS_OK);
        assert_true(kept(machine, 0) < BATCH);
        list_push(&blocks, &buddy->list);
    }
    give_all(machine, &blocks);
}

static void requests_by_class_do_not_pile_up_blocks(void **state)
{
    (void)state;
    machine_for_each_kind(4096, 1, below_test);
}

/* CPU 0 frees all, CPU 1 gets all again: there is no memory that is nobody's. */
static void pressure_test(struct machine *machine)
{
    for (order_t order = 0; order < CPU_ORDERS; order++) {
        struct list_head blocks;
        struct list_head again;
        machine->cpu = 1;
        uint64_t count = exhaust(machine, order, &blocks);
        machine->cpu = 0;
        give_all(machine, &blocks);
        assert_true(kept(machine, 0) > 0);
        machine->cpu = 1;
        /* Descriptors may take a frame more. */
        assert_in_range(exhaust(machine, order, &again), count - 2, count + 2);
        arena_validate(&machine->arena);
        assert_int_equal(kept(machine, 0), 0);
        machine->cpu = CPUS_MAX;
        give_all(machine, &again);
    }
}

static void f2_what_a_cpu_keeps_another_gets_when_memory_is_short(void **state)
{
    (void)state;
    machine_for_each_kind(600, 2, pressure_test);
}

/* Leaves the zone nothing, and CPU 0 @count blocks of one frame that were one block of 64. */
static void keep_on_cpu(struct machine *machine, struct list_head *rest, unsigned count)
{
    struct buddy *frames[64];
    struct buddy *block;
    struct buddy *parts[ORDERS];
    unsigned known = 0;
    machine->cpu = CPUS_MAX;
    block = take(machine, 6);
    pfn_t pfn = block->pfn;
    assert_int_equal(split_pages(&machine->arena.potad, block, 0, parts), STATUS_OK);
    /* 0, 1, 2-3, 4-7, ...: the larger ones are split until all are frames. */
    struct buddy *work[64];
    unsigned left = 7;
    for (unsigned i = 0; i < left; i++) {
        work[i] = parts[i];
    }
    while (left > 0) {
        struct buddy *part = work[--left];
        if (buddy_order(part) == 0) {
            frames[known++] = part;
            continue;
        }
        order_t order = buddy_order(part);
        assert_int_equal(split_pages(&machine->arena.potad, part, order - 1, parts), STATUS_OK);
        work[left++] = parts[0];
        work[left++] = parts[1];
    }
    assert_int_equal(known, 64);
    (void)exhaust(machine, 0, rest);
    machine->cpu = 0;
    for (unsigned i = 0; i < 64; i++) {
        if (frames[i]->pfn - pfn < count) {
            give(machine, frames[i]);
        } else {
            list_push(rest, &frames[i]->list);
        }
    }
    assert_int_equal(kept(machine, 0), count);
    arena_validate(&machine->arena);
}

static void large_test(struct machine *machine)
{
    struct list_head rest;
    struct buddy *buddy;
    keep_on_cpu(machine, &rest, 64);
    assert_int_equal(try_take(machine, 6, MIGRATE_UNMOVABLE, &buddy), STATUS_OK);
    assert_int_equal(kept(machine, 0), 0);
    give(machine, buddy);
    give_all(machine, &rest);
}

static void f2_a_large_block_is_made_of_what_cpus_keep(void **state)
{
    (void)state;
    machine_for_each_kind(300, 1, large_test);
}

static void contig_kept_test(struct machine *machine)
{
    struct list_head rest;
    struct contig contig;
    struct contig_request request = {.units = 33, .zone = ZONE_ANY};
    keep_on_cpu(machine, &rest, 64);
    assert_int_equal(alloc_contig(&machine->arena.potad, &request, &contig), STATUS_OK);
    assert_int_equal(contig.units, 33);
    arena_validate(&machine->arena);
    free_contig(&machine->arena.potad, &contig);
    give_all(machine, &rest);
}

static void f2_a_run_is_made_of_what_cpus_keep(void **state)
{
    (void)state;
    machine_for_each_kind(300, 1, contig_kept_test);
}

static void kmem_test(struct machine *machine)
{
    struct list_head rest;
    struct kmem_cache *cache;
    void *object;
    machine->cpu = CPUS_MAX;
    assert_int_equal(kmem_cache_create(&machine->arena.potad, "eight", 8 * FRAME_SIZE, 1, &cache),
                     STATUS_OK);
    keep_on_cpu(machine, &rest, 64);
    assert_int_equal(kmem_cache_alloc(&machine->arena.potad, cache, &object), STATUS_OK);
    arena_validate(&machine->arena);
    kmem_cache_free(&machine->arena.potad, cache, object);
    assert_int_equal(kmem_cache_destroy(&machine->arena.potad, cache), STATUS_OK);
    give_all(machine, &rest);
}

static void f2_slabs_are_made_of_what_cpus_keep(void **state)
{
    (void)state;
    machine_for_each_kind(300, 1, kmem_test);
}

/* A zone that came later, all of it on CPU 0's lists but for what it has in hand. */
static void f2_a_zone_goes_though_a_cpu_keeps_its_blocks(void **state)
{
    (void)state;
    for (unsigned kind = BLOCK_MAP_TABLE; kind <= BLOCK_MAP_BOTH; kind++) {
        static struct machine machine;
        struct boot_map map = {
            .kind = (enum block_map_kind)kind,
            .zones_count = 1,
            .ranges_count = 1,
            .zones = {{.zone_class = ZONE_NORMAL}},
            .ranges = {{.start = 0, .frames = 1024}},
        };
        struct range range = {.start = 2048, .frames = 100};
        struct zone_config config = {.zone_class = ZONE_NORMAL};
        struct buddy *buddys[8];
        machine_open(&machine, &map, 1);
        struct potad *potad = &machine.arena.potad;
        assert_int_equal(potad_zone_add(potad, 1, &config, &range, 1), STATUS_OK);
        for (unsigned k = 0; k < 8; k++) {
            struct page_request request = {.order = k % CPU_ORDERS, .zone = 1};
            assert_int_equal(alloc_pages(potad, &request, &buddys[k]), STATUS_OK);
        }
        assert_int_equal(potad_zone_remove(potad, 1), STATUS_BUSY);
        for (unsigned k = 0; k < 8; k++) {
            give(&machine, buddys[k]);
        }
        assert_true(kept(&machine, 0) > 0);
        arena_validate(&machine.arena);
        assert_int_equal(potad_zone_remove(potad, 1), STATUS_OK);
        assert_int_equal(kept(&machine, 0), 0);
        machine_close(&machine);
    }
}

/* A run out of CMA memory, where blocks that a CPU keeps have no owner to ask. */
static void f2_a_cma_run_is_cleared_of_what_cpus_keep(void **state)
{
    (void)state;
    for (unsigned kind = BLOCK_MAP_TABLE; kind <= BLOCK_MAP_BOTH; kind++) {
        static struct machine machine;
        struct boot_map map = {
            .kind = (enum block_map_kind)kind,
            .zones_count = 2,
            .ranges_count = 2,
            .zones = {{.zone_class = ZONE_NORMAL}, {.zone_class = ZONE_HIGHMEM}},
            .ranges = {{.start = 0, .frames = 512},
                       {.start = 512, .frames = 64, .zone = 1, .cma = true}},
        };
        struct contig_request request = {.units = 64, .zone = 1, .cma = true};
        struct contig contig;
        struct page_request one = {.zone = 1, .migratetype = MIGRATE_MOVABLE};
        struct buddy *buddy;
        machine_open(&machine, &map, 1);
        assert_int_equal(alloc_pages(&machine.arena.potad, &one, &buddy), STATUS_OK);
        give(&machine, buddy);
        assert_true(kept(&machine, 0) > 0);
        assert_int_equal(alloc_contig(&machine.arena.potad, &request, &contig), STATUS_OK);
        arena_validate(&machine.arena);
        free_contig(&machine.arena.potad, &contig);
        machine_close(&machine);
    }
}

/* Going offline gives everything back: the state is that without the CPU. */
static void offline_test(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    struct list_head blocks;
    list_init(&blocks);
    assert_int_equal(potad_cpu_online(potad, 5), STATUS_OK);
    machine->cpu = 5;
    for (unsigned i = 0; i < 400; i++) {
        list_push(&blocks, &take(machine, i % CPU_ORDERS)->list);
    }
    give_all(machine, &blocks);
    assert_true(kept(machine, 5) > 0);
    assert_true(potad->zones[0].spare.count > 0);
    machine->cpu = CPUS_MAX;
    assert_int_equal(potad_cpu_offline(potad, 5), STATUS_OK);
    arena_validate(&machine->arena);
}

static void offline_gives_everything_back(void **state)
{
    (void)state;
    machine_for_each_kind(2048, 0, offline_test);
}

static struct machine *both_machine;

/* As another CPU: brings CPU 3 online while memory for that is asked for. */
static bool other_comes_first(void *context, enum fault_site site)
{
    (void)context;
    if (site == FAULT_SLAB_PAGE && both_machine != NULL) {
        struct potad *potad = &both_machine->arena.potad;
        both_machine = NULL;
        assert_int_equal(potad_cpu_online(potad, 3), STATUS_OK);
    }
    return false;
}

/* Two threads bring a CPU online at once: one of them does, and the other leaves nothing behind. */
static void both_test(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    both_machine = machine;
    potad->port.fault = other_comes_first;
    assert_int_equal(potad_cpu_online(potad, 3), STATUS_EXISTS);
    assert_null(both_machine);
    potad->port.fault = machine->arena.port.fault;
    arena_validate(&machine->arena);
    assert_int_equal(potad_cpu_offline(potad, 3), STATUS_OK);
}

static void a_cpu_comes_online_once_of_two(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 0, both_test);
}

/* What cannot be asked for is refused before any list is looked for; a thread on a CPU that is not
 * online does without. */
static void refused_test(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    struct page_request type = {.zone = ZONE_ANY, .migratetype = (enum migratetype)MIGRATETYPES};
    struct page_request zone = {.zone = ZONES_MAX};
    struct buddy *buddy;
    assert_int_equal(alloc_pages(potad, &type, &buddy), STATUS_INVALID);
    assert_int_equal(alloc_pages(potad, &zone, &buddy), STATUS_INVALID);
    machine->cpu = 7;
    give(machine, take(machine, 0));
    assert_null(machine_keeper(machine, 7));
    assert_int_equal(machine->entered, 0);
    machine->cpu = 0;
}

static void what_has_no_list_goes_without(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 1, refused_test);
}

static void cpus_come_and_go_once(void **state)
{
    (void)state;
    static struct machine machine;
    machine_open_frames(&machine, BLOCK_MAP_TABLE, 1024, 0);
    struct potad *potad = &machine.arena.potad;
    assert_int_equal(potad_cpu_online(potad, CPUS_MAX), STATUS_INVALID);
    assert_int_equal(potad_cpu_offline(potad, CPUS_MAX), STATUS_INVALID);
    assert_int_equal(potad_cpu_offline(potad, 3), STATUS_INVALID);
    assert_int_equal(potad_cpu_online(potad, 3), STATUS_OK);
    assert_int_equal(potad_cpu_online(potad, 3), STATUS_EXISTS);
    assert_int_equal(potad_cpu_online(potad, CPUS_MAX - 1), STATUS_OK);
    arena_validate(&machine.arena);
    assert_int_equal(potad_cpu_offline(potad, 3), STATUS_OK);
    assert_int_equal(potad_cpu_offline(potad, 3), STATUS_INVALID);
    assert_int_equal(potad_cpu_offline(potad, CPUS_MAX - 1), STATUS_OK);
    machine_close(&machine);
}

static void act_free(struct machine *machine, void *buddy)
{
    give(machine, buddy);
}

static void act_free_twice(struct machine *machine, void *buddy)
{
    give(machine, buddy);
    give(machine, buddy);
}

static void act_free_twice_and_drain(struct machine *machine, void *buddy)
{
    act_free_twice(machine, buddy);
    potad_shrink(&machine->arena.potad);
}

static void double_free_test(struct machine *machine)
{
    struct buddy *buddy = take(machine, 0);
    assert_false(machine_asserts(machine, act_free, buddy));
    /* Without marks, it is seen when the zone gets it for the second time. */
    assert_true(!CPU_MARKS || machine_asserts(machine, act_free_twice, buddy));
    assert_true(machine_asserts(machine, act_free_twice_and_drain, buddy));
    give(machine, buddy);
}

static void freeing_a_kept_block_is_an_assertion(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 1, double_free_test);
}

/* A frame that a CPU keeps is a free one: it is poisoned at once, and nobody is told. */
static void failure_kept_test(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    struct memdesc_info info;
    for (order_t order = 0; order < CPU_ORDERS; order++) {
        struct buddy *buddy = take(machine, order);
        pfn_t pfn = buddy->pfn;
        give(machine, buddy);
        pfn_t failed = pfn + order_frames(order) / 2;
        assert_int_equal(memory_failure(potad, failed), STATUS_OK);
        arena_validate(&machine->arena);
        assert_true(memdesc_lookup(potad, failed, &info));
        assert_int_equal(info.type, MEMDESC_POISONED);
        assert_int_equal(memory_failure(potad, failed), STATUS_EXISTS);
        assert_int_equal(unpoison(potad, failed), STATUS_OK);
        arena_validate(&machine->arena);
    }
}

static void b3_a_frame_that_a_cpu_keeps_is_poisoned_at_once(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 2, failure_kept_test);
}

/* A block with a failed frame is not kept when it is freed; once the frame is sound again, and has
 * been given to somebody else, it is. */
static void failure_used_test(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    struct memdesc_info info;
    struct buddy *buddy = take(machine, 2);
    pfn_t failed = buddy->pfn + 1;
    assert_int_equal(memory_failure(potad, failed), STATUS_OK);
    assert_true(buddy_is(buddy, BUDDY_FLAWED));
    uint64_t before = kept(machine, 0);
    give(machine, buddy);
    assert_int_equal(kept(machine, 0), before);
    arena_validate(&machine->arena);
    assert_true(memdesc_lookup(potad, failed, &info));
    assert_int_equal(info.type, MEMDESC_POISONED);
    assert_int_equal(unpoison(potad, failed), STATUS_OK);
    /* The parts of a split block know which of them has failed. */
    struct buddy *parts[3];
    buddy = take(machine, 1);
    failed = buddy->pfn + 1;
    assert_int_equal(memory_failure(potad, failed), STATUS_OK);
    assert_int_equal(split_pages(potad, buddy, 0, parts), STATUS_OK);
    before = kept(machine, 0);
    give(machine, parts[0]);
    assert_int_equal(kept(machine, 0), before + 1);
    give(machine, parts[1]);
    assert_int_equal(kept(machine, 0), before + 1);
    arena_validate(&machine->arena);
    assert_int_equal(unpoison(potad, failed), STATUS_OK);
}

static void b3_a_block_with_a_failed_frame_is_not_kept(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 1, failure_used_test);
}

static void owned_test(struct machine *machine)
{
    static _Alignas(MEMDESC_ALIGN) struct memdesc descriptor;
    struct page_request request = {.zone = ZONE_ANY};
    struct buddy *buddy;
    for (order_t order = 0; order < CPU_ORDERS; order++) {
        request.order = order;
        give(machine, take(machine, order));
        uint64_t before = kept(machine, 0);
        assert_int_equal(
            alloc_pages_desc(&machine->arena.potad, &request, &descriptor, MEMDESC_FOLIO, &buddy),
            STATUS_OK);
        assert_int_equal(kept(machine, 0), before);
        give(machine, buddy);
        assert_int_equal(kept(machine, 0), before);
        arena_validate(&machine->arena);
    }
}

static void a6_blocks_of_owners_are_not_kept(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 1, owned_test);
}

/* What is freed of one zone, type and order serves that alone. */
static void lists_are_of_one_zone_type_and_order(void **state)
{
    (void)state;
    for (unsigned kind = BLOCK_MAP_TABLE; kind <= BLOCK_MAP_BOTH; kind++) {
        static struct machine machine;
        struct boot_map map = {
            .kind = (enum block_map_kind)kind,
            .zones_count = 3,
            .ranges_count = 3,
            .zones = {{.zone_class = ZONE_NORMAL},
                      {.zone_class = ZONE_MOVABLE},
                      {.zone_class = ZONE_NORMAL, .node = 1}},
            .ranges = {{.start = 0, .frames = 1024},
                       {.start = 1024, .frames = 512, .zone = 1},
                       {.start = 2048, .frames = 512, .zone = 2}},
        };
        machine_open(&machine, &map, 1);
        for (unsigned k = 0; k < 3 * MIGRATETYPES * CPU_ORDERS; k++) {
            struct page_request request = {
                .order = k % CPU_ORDERS,
                .migratetype = (enum migratetype)(k / CPU_ORDERS % MIGRATETYPES),
                .zone = k / CPU_ORDERS / MIGRATETYPES,
            };
            struct buddy *buddy = NULL;
            bool may = request.zone != 1 || request.migratetype == MIGRATE_MOVABLE;
            assert_int_equal(alloc_pages(&machine.arena.potad, &request, &buddy),
                             may ? STATUS_OK : STATUS_INVALID);
            if (may) {
                pfn_t pfn = buddy->pfn;
                assert_int_equal(buddy->head.zone, request.zone);
                assert_int_equal(buddy->head.migratetype, request.migratetype);
                give(&machine, buddy);
                assert_int_equal(alloc_pages(&machine.arena.potad, &request, &buddy), STATUS_OK);
                assert_int_equal(buddy->pfn, pfn);
                give(&machine, buddy);
            }
            arena_validate(&machine.arena);
        }
        machine_close(&machine);
    }
}

/* A zone with little left above its watermark fills no lists. */
static void a_refill_leaves_the_watermark_alone(void **state)
{
    (void)state;
    static struct machine machine;
    struct boot_map map = {
        .zones_count = 1,
        .ranges_count = 1,
        .zones = {{.zone_class = ZONE_NORMAL, .watermark_min = 64}},
        .ranges = {{.start = 0, .frames = 300}},
    };
    struct list_head blocks;
    machine_open(&machine, &map, 1);
    (void)exhaust(&machine, 0, &blocks);
    assert_in_range(zone_free(&machine, 0), 64, 65);
    assert_int_equal(kept(&machine, 0), 0);
    /* Who may draw upon the reserve gets his block, and leaves none of it to others. */
    struct page_request reserve = {.zone = ZONE_ANY, .reserve = true};
    struct buddy *buddy;
    uint64_t before = zone_free(&machine, 0);
    assert_int_equal(alloc_pages(&machine.arena.potad, &reserve, &buddy), STATUS_OK);
    list_push(&blocks, &buddy->list);
    assert_in_range(zone_free(&machine, 0), before - 2, before - 1);
    assert_int_equal(try_take(&machine, 0, MIGRATE_UNMOVABLE, &buddy), STATUS_NO_MEMORY);
    give_all(&machine, &blocks);
    machine_close(&machine);
}

enum { KEPT_FRAMES = 8192, KEPT_BLOCKS = 4200 };

/* The order of the largest free block. */
static order_t largest(const struct machine *machine)
{
    uint64_t orders = 0;
    for (unsigned area = 0; area < AREAS; area++) {
        orders |= machine->arena.potad.zones[0].areas[area].nonempty;
    }
    return 63 - (order_t)__builtin_clzll(orders);
}

/* Takes many small blocks, and frees them in some order, by @seed: what is left are slabs of struct
 * buddys that nobody needs but for those that are kept for cuts. */
static void scatter(struct machine *machine, uint64_t seed)
{
    static struct buddy *blocks[KEPT_BLOCKS];
    uint64_t random = seed;
    uint64_t most = 200 + arena_random(&random, KEPT_BLOCKS - 200);
    uint64_t count = 0;
    while (count < most) {
        order_t order = seed % 4 == 3 ? (order_t)arena_random(&random, 3) : 0;
        if (try_take(machine, order, MIGRATE_UNMOVABLE, &blocks[count]) != STATUS_OK) {
            break;
        }
        count++;
    }
    while (count > 0) {
        uint64_t i = seed % 3 == 0 ? count - 1 : arena_random(&random, count);
        give(machine, blocks[i]);
        blocks[i] = blocks[--count];
    }
}

/* Descriptors that a zone keeps for cuts, and the slabs that they are in, are no reason for an
 * allocation to fail. */
static void f2_what_is_kept_for_cuts_is_given_up(void **state)
{
    (void)state;
    static struct machine machine;
    uint64_t larger = 0;
    for (uint64_t seed = 1; seed <= 64; seed++) {
        struct buddy *buddy;
        struct list_head large;
        list_init(&large);
        machine_open_frames(&machine, BLOCK_MAP_TABLE, KEPT_FRAMES, 1);
        /* Slabs are to lie between small blocks. */
        for (order_t order = 11; order > 5; order--) {
            if (largest(&machine) >= order) {
                list_push(&large, &take(&machine, order)->list);
            }
        }
        scatter(&machine, seed);
        order_t order = largest(&machine) + 1;
        enum status status = try_take(&machine, order, MIGRATE_UNMOVABLE, &buddy);
        if (status == STATUS_OK) {
            give(&machine, buddy);
            larger++;
        }
        potad_shrink(&machine.arena.potad);
        assert_int_equal(status, largest(&machine) >= order ? STATUS_OK : STATUS_NO_MEMORY);
        give_all(&machine, &large);
        machine_close(&machine);
    }
    assert_true(larger > 0);
}

/* Whatever step fails: there is a block, or there is none and all is as it was. */
static void fault_test(struct machine *machine)
{
    struct potad *potad = &machine->arena.potad;
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        for (uint64_t from = 1; from < 48; from++) {
            struct buddy *buddy;
            potad_shrink(potad);
            uint64_t before = potad_state_hash(potad);
            machine->arena.fail_once = from % 2 == 0;
            arena_fail(&machine->arena, (enum fault_site)site, (from + 1) / 2);
            enum status status = try_take(machine, from % CPU_ORDERS, MIGRATE_MOVABLE, &buddy);
            arena_fail(&machine->arena, FAULT_SITES, 0);
            arena_validate(&machine->arena);
            if (status == STATUS_OK) {
                give(machine, buddy);
                continue;
            }
            assert_int_equal(status, STATUS_NO_MEMORY);
            assert_int_equal(potad_state_hash(potad), before);
        }
    }
}

static void f1_a_refill_that_fails_leaves_all_as_it_was(void **state)
{
    (void)state;
    machine_for_each_kind(1024, 1, fault_test);
}

static void f1_a_cpu_that_does_not_come_online_leaves_all_as_it_was(void **state)
{
    (void)state;
    static const enum fault_site sites[] = {FAULT_CPU_DESC, FAULT_SLAB_PAGE, FAULT_SLAB_DESC,
                                            FAULT_BUDDY_DESC};
    for (unsigned kind = BLOCK_MAP_TABLE; kind <= BLOCK_MAP_BOTH; kind++) {
        for (unsigned k = 0; k < sizeof(sites) / sizeof(sites[0]); k++) {
            static struct machine machine;
            machine_open_frames(&machine, (enum block_map_kind)kind, 1024, 0);
            arena_fail(&machine.arena, sites[k], 1);
            enum status status = potad_cpu_online(&machine.arena.potad, 1);
            bool failed = machine.arena.steps[sites[k]] > 0;
            arena_fail(&machine.arena, FAULT_SITES, 0);
            arena_validate(&machine.arena);
            /* One struct buddy that is missing is made up for by the second attempt. */
            bool survives = !failed || (sites[k] == FAULT_BUDDY_DESC && status == STATUS_OK);
            assert_int_equal(status, survives ? STATUS_OK : STATUS_NO_MEMORY);
            assert_true(sites[k] != FAULT_CPU_DESC || failed);
            if (!survives) {
                assert_null(machine_keeper(&machine, 1));
                assert_int_equal(potad_state_hash(&machine.arena.potad), machine.hash);
            }
            machine_close(&machine);
        }
    }
}

static bool violates_i17(struct machine *machine)
{
    struct violation violation;
    bool violates = !potad_validate(&machine->arena.potad, &violation);
    assert_true(!violates || violation.invariant == INVARIANT_CPU_LIST);
    return violates;
}

static void assert_i17(struct machine *machine)
{
    assert_true(violates_i17(machine));
}

/* Each thing that I17 says, when it is not so. */
static void i17_sees_lists_that_are_wrong(void **state)
{
    (void)state;
    static struct machine machine;
    machine_open_frames(&machine, BLOCK_MAP_BOTH, 1024, 2);
    struct buddy *buddy = take(&machine, 0);
    struct buddy *owned = take(&machine, 0);
    struct buddy *third = take(&machine, 0);
    give(&machine, third);
    give(&machine, buddy);
    arena_validate(&machine.arena);
    struct cpu_cache *cache = machine_keeper(&machine, 0);
    struct cpu_list *list = cpu_list_of(cache->lists, 0, MIGRATE_UNMOVABLE, 0);
    uint32_t room = list->room;
    list->room = list->count - 1;
    assert_i17(&machine);
    list->room = room;
    list->count--;
    assert_int_equal(violates_i17(&machine), CPU_MARKS); /* not on its list, but marked */
    list->blocks[list->count++] = list->blocks[0];       /* the same one twice */
    assert_i17(&machine);
    list->blocks[list->count - 1] = buddy;
    buddy_set_use(buddy, BUDDY_OWNED, true);
    assert_i17(&machine);
    buddy_set_use(buddy, BUDDY_OWNED, false);
    arena_validate(&machine.arena);
    struct cpu_list *other = cpu_list_of(cache->lists, 0, MIGRATE_MOVABLE, 0);
    const struct cpu_list before = *list;
    const struct cpu_list empty = *other;
    *other = before;
    *list = empty;
    assert_i17(&machine);
    *list = before;
    *other = empty;
    buddy_set_use(owned, BUDDY_CACHED, true);
    assert_i17(&machine);
    buddy_set_use(owned, BUDDY_CACHED, false);
    arena_validate(&machine.arena);
    give(&machine, owned);
    overfill(&machine, 400);
    struct cpu_list *depot = &machine.arena.potad.depot.lists[cpu_list_number(0, 0, 0)];
    assert_true(depot->count > 1);
    struct buddy *first = depot->blocks[0];
    depot->blocks[0] = depot->blocks[1];
    assert_i17(&machine);
    depot->blocks[0] = first;
    machine_close(&machine);
}

/* Any sequence, on any CPU: all invariants hold, and in the end nothing is left. */
static void random_test(struct machine *machine)
{
    static struct buddy *blocks[ANYWHERE];
    unsigned count = 0;
    uint64_t random = 1;
    for (unsigned i = 0; i < 20000; i++) {
        machine->cpu = (uint32_t)arena_random(&random, 4);
        if (arena_random(&random, 200) == 0) {
            machine_cpu_toggle(machine, machine->cpu);
        } else if (count < ANYWHERE && arena_random(&random, 2) == 0) {
            enum migratetype type = (enum migratetype)arena_random(&random, MIGRATETYPES);
            order_t order = (order_t)arena_random(&random, CPU_ORDERS + 2);
            count += try_take(machine, order, type, &blocks[count]) == STATUS_OK ? 1 : 0;
        } else if (count > 0) {
            uint64_t which = arena_random(&random, count);
            give(machine, blocks[which]);
            blocks[which] = blocks[--count];
        }
        if (i % 64 == 0) {
            arena_validate(&machine->arena);
        }
    }
    while (count > 0) {
        give(machine, blocks[--count]);
    }
    for (uint32_t cpu = 0; cpu < 4; cpu++) {
        if (machine_keeper(machine, cpu) != NULL) {
            machine_cpu_toggle(machine, cpu);
        }
    }
}

static void any_sequence_leaves_memory_whole(void **state)
{
    (void)state;
    machine_for_each_kind(1500, 0, random_test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b1_pairs_on_a_cpu_take_nothing_from_the_zone),
        cmocka_unit_test(surplus_goes_back_in_magazines),
        cmocka_unit_test(b1_neighbours_go_back_as_one_block),
        cmocka_unit_test(b1_cpus_hand_magazines_over_without_the_zone),
        cmocka_unit_test(f2_what_the_depot_has_is_free_memory),
        cmocka_unit_test(depot_goes_with_the_last_but_one),
        cmocka_unit_test(zones_that_come_later_have_lists),
        cmocka_unit_test(requests_by_class_do_not_pile_up_blocks),
        cmocka_unit_test(f2_what_a_cpu_keeps_another_gets_when_memory_is_short),
        cmocka_unit_test(f2_a_large_block_is_made_of_what_cpus_keep),
        cmocka_unit_test(f2_a_run_is_made_of_what_cpus_keep),
        cmocka_unit_test(f2_slabs_are_made_of_what_cpus_keep),
        cmocka_unit_test(f2_a_zone_goes_though_a_cpu_keeps_its_blocks),
        cmocka_unit_test(f2_a_cma_run_is_cleared_of_what_cpus_keep),
        cmocka_unit_test(offline_gives_everything_back),
        cmocka_unit_test(a_cpu_comes_online_once_of_two),
        cmocka_unit_test(what_has_no_list_goes_without),
        cmocka_unit_test(cpus_come_and_go_once),
        cmocka_unit_test(freeing_a_kept_block_is_an_assertion),
        cmocka_unit_test(b3_a_frame_that_a_cpu_keeps_is_poisoned_at_once),
        cmocka_unit_test(b3_a_block_with_a_failed_frame_is_not_kept),
        cmocka_unit_test(a6_blocks_of_owners_are_not_kept),
        cmocka_unit_test(lists_are_of_one_zone_type_and_order),
        cmocka_unit_test(a_refill_leaves_the_watermark_alone),
        cmocka_unit_test(f2_what_is_kept_for_cuts_is_given_up),
        cmocka_unit_test(f1_a_refill_that_fails_leaves_all_as_it_was),
        cmocka_unit_test(f1_a_cpu_that_does_not_come_online_leaves_all_as_it_was),
        cmocka_unit_test(i17_sees_lists_that_are_wrong),
        cmocka_unit_test(any_sequence_leaves_memory_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
