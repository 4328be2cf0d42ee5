/* SPDX-License-Identifier: MIT
 *
 * memdesc_ref_test.c: references to owners' descriptors (requirements D1, D2).
 */
#include "core/test/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { FRAMES = 512 };

static const enum memdesc_type TYPE = MEMDESC_FOLIO;

/* An owner's descriptor, and what it knows of its block. */
struct folio {
    _Alignas(MEMDESC_ALIGN) struct memdesc head;
    struct buddy *buddy;
    unsigned released;
};

static struct arena arena;

static void folio_release(void *context, struct memdesc *descriptor)
{
    struct folio *folio = (struct folio *)(void *)descriptor;
    (void)context;
    folio->released++;
    free_pages(&arena.potad, folio->buddy);
}

static bool folio_migrate(void *context, struct memdesc *descriptor, struct migration *move,
                          enum migrate_stage stage)
{
    (void)context;
    (void)stage;
    move->buddy = ((struct folio *)(void *)descriptor)->buddy;
    return true;
}

static const struct memdesc_ops folio_ops = {.release = folio_release, .migrate = folio_migrate};

static void folio_open(struct folio *folio, order_t order)
{
    struct page_request request = {
        .order = order, .zone = ZONE_ANY, .migratetype = MIGRATE_MOVABLE};
    *folio = (struct folio){.released = 0};
    assert_int_equal(alloc_pages_desc(&arena.potad, &request, &folio->head, TYPE, &folio->buddy),
                     STATUS_OK);
}

static uint64_t begin(void)
{
    arena_open_frames(&arena, 0, FRAMES);
    assert_int_equal(memdesc_register(&arena.potad, TYPE, &folio_ops), STATUS_OK);
    return potad_state_hash(&arena.potad);
}

static void end(uint64_t hash)
{
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* Every frame of the block leads to its descriptor; the last who drops it releases it. */
static void d1_last_reference_releases(void **state)
{
    struct memdesc_ref ref;
    struct folio folio;
    (void)state;
    uint64_t hash = begin();
    folio_open(&folio, 3);
    pfn_t pfn = folio.buddy->pfn;
    for (pfn_t at = pfn; at < pfn + 8; at++) {
        assert_true(memdesc_tryget(&arena.potad, at, &ref));
        assert_ptr_equal(ref.descriptor, &folio.head);
        assert_int_equal(ref.type, TYPE);
        assert_int_equal(ref.pfn, pfn);
        assert_int_equal(ref.order, 3);
    }
    arena_validate(&arena);
    memdesc_put(&arena.potad, &folio.head, TYPE); /* the owner's */
    assert_int_equal(folio.released, 0);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(folio.released, 0);
        memdesc_put(&arena.potad, &folio.head, TYPE);
    }
    assert_int_equal(folio.released, 1);
    assert_false(memdesc_tryget(&arena.potad, pfn, &ref));
    end(hash);
}

/* What is the allocator's own is never referred to, nor what has no release(), nor a hole. */
static void d2_only_shared_descriptors_are_referred_to(void **state)
{
    struct kmem_cache *cache = NULL;
    struct memdesc_ref ref;
    struct folio folio;
    void *object = NULL;
    (void)state;
    uint64_t hash = begin();
    struct buddy *plain = arena_take(&arena, 2);
    assert_int_equal(kmem_cache_create(&arena.potad, "own", 64, 8, &cache), STATUS_OK);
    assert_int_equal(kmem_cache_alloc(&arena.potad, cache, &object), STATUS_OK);
    for (pfn_t pfn = 0; pfn < (pfn_t)2 * FRAMES; pfn++) {
        assert_false(memdesc_tryget(&arena.potad, pfn, &ref));
    }
    assert_false(memdesc_tryget(&arena.potad, PFN_NONE, &ref));
    folio_open(&folio, 0);
    assert_int_equal(memdesc_register(&arena.potad, TYPE, &(struct memdesc_ops){.context = NULL}),
                     STATUS_OK);
    assert_false(memdesc_tryget(&arena.potad, folio.buddy->pfn, &ref));
    free_pages(&arena.potad, folio.buddy);
    free_pages(&arena.potad, plain);
    kmem_cache_free(&arena.potad, cache, object);
    assert_int_equal(kmem_cache_destroy(&arena.potad, cache), STATUS_OK);
    end(hash);
}

/* The lock bit is the type's business; references come and go beside it. */
static void d1_lock_is_beside_the_references(void **state)
{
    struct memdesc_ref ref;
    struct folio folio;
    (void)state;
    uint64_t hash = begin();
    folio_open(&folio, 0);
    memdesc_lock(&folio.head);
    assert_true(memdesc_tryget(&arena.potad, folio.buddy->pfn, &ref));
    memdesc_unlock(&folio.head);
    memdesc_lock(ref.descriptor);
    memdesc_put(&arena.potad, ref.descriptor, TYPE);
    memdesc_unlock(&folio.head);
    memdesc_put(&arena.potad, &folio.head, TYPE);
    assert_int_equal(folio.released, 1);
    end(hash);
}

/* A full count stays full. */
static void d1_count_does_not_overflow(void **state)
{
    struct memdesc_ref ref;
    struct folio folio;
    (void)state;
    uint64_t hash = begin();
    folio_open(&folio, 0);
    for (uint32_t i = 1; i < MEMDESC_REFS_MAX; i++) {
        assert_true(memdesc_tryget(&arena.potad, folio.buddy->pfn, &ref));
    }
    assert_false(memdesc_tryget(&arena.potad, folio.buddy->pfn, &ref));
    assert_false((atomic_flags_peek(&folio.head.flags) & MEMDESC_LOCKED) != 0);
    for (uint32_t i = 0; i < MEMDESC_REFS_MAX; i++) {
        memdesc_put(&arena.potad, &folio.head, TYPE);
    }
    assert_int_equal(folio.released, 1);
    end(hash);
}

/* A block that others refer to stays where it is. */
static void d3_referred_block_does_not_move(void **state)
{
    const struct boot_map map = {
        .zones_count = 1,
        .ranges_count = 2,
        .zones = {{.zone_class = ZONE_NORMAL}},
        .ranges = {{.start = 0, .frames = 256}, {.start = 256, .frames = 8, .cma = true}},
    };
    struct contig_request request = {.units = 8, .zone = ZONE_ANY, .cma = true};
    struct folio folios[256];
    struct memdesc_ref ref;
    struct contig contig;
    unsigned count = 0;
    (void)state;
    arena_open(&arena, &map);
    assert_int_equal(memdesc_register(&arena.potad, TYPE, &folio_ops), STATUS_OK);
    uint64_t hash = potad_state_hash(&arena.potad);
    /* Until one lies in CMA memory. */
    do {
        folio_open(&folios[count], 0);
    } while (folios[count++].buddy->pfn < 256);
    struct folio *moves = &folios[count - 1];
    while (count > 1) {
        memdesc_put(&arena.potad, &folios[--count - 1].head, TYPE);
    }
    assert_true(memdesc_tryget(&arena.potad, moves->buddy->pfn, &ref));
    assert_int_equal(alloc_contig(&arena.potad, &request, &contig), STATUS_NO_MEMORY);
    arena_validate(&arena);
    memdesc_put(&arena.potad, ref.descriptor, TYPE);
    assert_int_equal(alloc_contig(&arena.potad, &request, &contig), STATUS_OK);
    assert_true(moves->buddy->pfn < 256);
    assert_true(memdesc_tryget(&arena.potad, moves->buddy->pfn, &ref));
    memdesc_put(&arena.potad, ref.descriptor, TYPE);
    free_contig(&arena.potad, &contig);
    memdesc_put(&arena.potad, &moves->head, TYPE);
    end(hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(d1_last_reference_releases),
        cmocka_unit_test(d1_lock_is_beside_the_references),
        cmocka_unit_test(d1_count_does_not_overflow),
        cmocka_unit_test(d2_only_shared_descriptors_are_referred_to),
        cmocka_unit_test(d3_referred_block_does_not_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
