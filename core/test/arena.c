/* SPDX-License-Identifier: MIT */
#include "core/test/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *frame_of(const struct arena *arena, pfn_t pfn)
{
    return arena->memory + ((pfn - arena->base) << FRAME_SHIFT);
}

static void test_expose(void *context, pfn_t pfn, uint64_t frames, bool zeroed)
{
    struct arena *arena = context;
    arena->exposed += frames;
    memset(frame_of(arena, pfn), zeroed ? 0 : 0xa5, frames << FRAME_SHIFT);
}

static void test_conceal(void *context, pfn_t pfn, uint64_t frames)
{
    struct arena *arena = context;
    arena->exposed -= frames;
    memset(frame_of(arena, pfn), 0x5a, frames << FRAME_SHIFT);
}

static bool test_accept(void *context, pfn_t pfn, uint64_t frames)
{
    struct arena *arena = context;
    (void)pfn;
    arena->accepted += frames;
    return true;
}

static bool test_fault(void *context, enum fault_site site)
{
    struct arena *arena = context;
    arena->steps[site]++;
    bool fails = arena->fail_once ? arena->steps[site] == arena->fail_from
                                  : arena->steps[site] >= arena->fail_from;
    return site == arena->fault && fails;
}

static void test_window(void *context, enum window window)
{
    struct arena *arena = context;
    if (arena->window != NULL) {
        arena->window(arena, window);
    }
}

void arena_open(struct arena *arena, const struct boot_map *map)
{
    *arena = (struct arena){.map = *map, .fault = FAULT_SITES};
    arena->base = map->ranges[0].start & ~(pfn_t)511;
    arena->memory = aligned_alloc((size_t)1 << 21, (size_t)ARENA_FRAMES << FRAME_SHIFT);
    assert_non_null(arena->memory);
    arena->port = (struct port){
        .context = arena,
        .direct_map =
            (unsigned char *)((uintptr_t)arena->memory - (uintptr_t)(arena->base << FRAME_SHIFT)),
        .expose = test_expose,
        .conceal = test_conceal,
        .accept = test_accept,
        .fault = test_fault,
        .window = test_window,
    };
    assert_int_equal(potad_boot(&arena->potad, &arena->port, map), STATUS_OK);
}

void arena_close(struct arena *arena)
{
    free(arena->memory);
}

void arena_open_frames(struct arena *arena, pfn_t start, uint64_t frames)
{
    struct boot_map map = {
        .zones_count = 1, .ranges_count = 1, .zones = {{.zone_class = ZONE_NORMAL}}};
    uint64_t carved = 1;
    do {
        map.ranges[0] = (struct range){.start = start, .frames = frames + carved};
        arena_open(arena, &map);
        uint64_t left = arena->potad.zones[0].managed_frames;
        if (left == frames) {
            return;
        }
        carved += frames - left;
        arena_close(arena);
    } while (carved < ARENA_FRAMES);
    fail_msg("no map leaves %d frames", (int)frames);
}

void arena_validate(struct arena *arena)
{
    struct violation violation;
    if (!potad_validate(&arena->potad, &violation)) {
        fail_msg("%s at frame %#lx: %#lx, expected %#lx", invariant_name(violation.invariant),
                 (unsigned long)violation.pfn, (unsigned long)violation.actual,
                 (unsigned long)violation.expected);
    }
}

void arena_fail(struct arena *arena, enum fault_site site, uint64_t from)
{
    arena->fault = site;
    arena->fail_from = from;
    memset(arena->steps, 0, sizeof(arena->steps));
}

struct buddy *arena_take(struct arena *arena, order_t order)
{
    struct buddy *buddy = NULL;
    struct page_request request = {.order = order, .zone = ZONE_ANY};
    assert_int_equal(alloc_pages(&arena->potad, &request, &buddy), STATUS_OK);
    return buddy;
}

uint64_t arena_random(uint64_t *state, uint64_t limit)
{
    /* SplitMix64. */
    *state += 0x9e3779b97f4a7c15U;
    return hash_mix(*state) % limit;
}

uint64_t arena_free_blocks(const struct arena *arena, zone_id_t zone, order_t order)
{
    uint64_t blocks = 0;
    for (unsigned area = 0; area < AREA_UNACCEPTED; area++) {
        blocks += arena->potad.zones[zone].areas[area].blocks[order];
    }
    return blocks;
}
