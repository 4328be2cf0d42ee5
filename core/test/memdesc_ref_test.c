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

/* What another thread does while a descriptor is looked for, once each. */
struct company {
    void (*looked)(void); /* it is found, not yet referred to */
    void (*taken)(void);  /* it is referred to, not yet looked at again */
};

static struct company company;
static struct folio ours;
static struct folio theirs;

static void keep_company(struct arena *of, enum window window)
{
    void (**act)(void) = window == WINDOW_REF_LOOKED ? &company.looked : &company.taken;
    void (*now)(void) = *act;
    (void)of;
    if (now != NULL && (window == WINDOW_REF_LOOKED || window == WINDOW_REF_TAKEN)) {
        *act = NULL;
        now();
    }
}

static uint32_t references(const struct folio *folio)
{
    return (atomic_flags_peek(&folio->head.flags) & MEMDESC_REFS) / MEMDESC_REF;
}

static void drop_ours(void)
{
    memdesc_put(&arena.potad, &ours.head, TYPE);
}

static struct buddy *blocker;

/* Ours gets another block, elsewhere: the old one is @blocker's now. */
static void recycle_ours(void)
{
    struct buddy *taken[FRAMES / 8];
    unsigned count = 0;
    pfn_t pfn = ours.buddy->pfn;
    drop_ours();
    do {
        taken[count] = arena_take(&arena, 3);
    } while (taken[count++]->pfn != pfn);
    blocker = taken[--count];
    while (count > 0) {
        free_pages(&arena.potad, taken[--count]);
    }
    folio_open(&ours, 5);
}

/* The block is free, and the frame is of another block of another descriptor. */
static void replace_ours(void)
{
    drop_ours();
    folio_open(&theirs, 0);
}

/* A frame in the midst of a block of order 3, so that its head is looked for, with @those. */
static bool tryget_beside(const struct company *those, struct memdesc_ref *ref, pfn_t *pfn)
{
    folio_open(&ours, 3);
    theirs = (struct folio){.released = 0};
    *pfn = ours.buddy->pfn;
    arena.window = keep_company;
    company = *those;
    bool got = memdesc_tryget(&arena.potad, *pfn, ref);
    arena.window = NULL;
    return got;
}

/* The block is freed behind the look: there is none to be had, and the count does not rise. */
static void d2_reference_to_a_freed_block_is_none(void **state)
{
    const struct company those = {.looked = drop_ours};
    struct memdesc_ref ref;
    pfn_t pfn;
    (void)state;
    uint64_t hash = begin();
    assert_false(tryget_beside(&those, &ref, &pfn));
    assert_int_equal(ours.released, 1);
    assert_int_equal(references(&ours), 0);
    end(hash);
}

/* The frame is another block's behind the look: that is what the reference is to. */
static void d2_reference_to_a_frame_given_out_again(void **state)
{
    const struct company those = {.looked = replace_ours};
    struct memdesc_ref ref;
    pfn_t pfn;
    (void)state;
    uint64_t hash = begin();
    bool got = tryget_beside(&those, &ref, &pfn);
    assert_int_equal(got, theirs.buddy->pfn == pfn);
    assert_int_equal(ours.released, 1);
    assert_int_equal(references(&theirs), got ? 2 : 1);
    if (got) {
        assert_ptr_equal(ref.descriptor, &theirs.head);
        assert_int_equal(ref.order, 0);
        memdesc_put(&arena.potad, ref.descriptor, TYPE);
    }
    memdesc_put(&arena.potad, &theirs.head, TYPE);
    assert_int_equal(theirs.released, 1);
    end(hash);
}

/* The descriptor is another block's behind the look: the reference that was taken is given back,
 * and the new block is as its owner left it. */
static void d2_reference_to_a_recycled_descriptor_goes_back(void **state)
{
    const struct company those = {.looked = recycle_ours};
    struct memdesc_ref ref;
    pfn_t pfn;
    (void)state;
    uint64_t hash = begin();
    assert_false(tryget_beside(&those, &ref, &pfn));
    assert_true(pfn - ours.buddy->pfn >= 32);
    assert_int_equal(references(&ours), 1);
    assert_int_equal(ours.released, 0);
    drop_ours();
    assert_int_equal(ours.released, 1);
    free_pages(&arena.potad, blocker);
    end(hash);
}

/* The same, and its owner drops it while the passer-by has it: who comes by releases it. */
static void d2_passer_by_releases_what_he_has_last(void **state)
{
    const struct company those = {.looked = recycle_ours, .taken = drop_ours};
    struct memdesc_ref ref;
    pfn_t pfn;
    (void)state;
    uint64_t hash = begin();
    assert_false(tryget_beside(&those, &ref, &pfn));
    assert_int_equal(references(&ours), 0);
    assert_int_equal(ours.released, 1);
    free_pages(&arena.potad, blocker);
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
        cmocka_unit_test(d2_reference_to_a_freed_block_is_none),
        cmocka_unit_test(d2_reference_to_a_frame_given_out_again),
        cmocka_unit_test(d2_reference_to_a_recycled_descriptor_goes_back),
        cmocka_unit_test(d2_passer_by_releases_what_he_has_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
