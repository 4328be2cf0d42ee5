/* SPDX-License-Identifier: MIT
 *
 * slab_test.c: caches, and the bootstrap of requirements A7 to A9.
 */
#include "core/page_alloc.h"
#include "core/test/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { HOARD_MAX = 4096 };

static struct kmem_cache *create(struct arena *arena, uint64_t size, uint64_t align)
{
    struct kmem_cache *cache = NULL;
    assert_int_equal(kmem_cache_create(&arena->potad, "test", size, align, &cache), STATUS_OK);
    return cache;
}

/* Any size and alignment: objects are aligned, apart, and their own. */
static void kmem_cache_alloc_any_size_and_alignment(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 7, 8, 24, 100, 360, 1000, 2049, 4096, 5000, 20000, 65536};
    static const uint64_t aligns[] = {1, 8, 32, 64, 4096, 16384, 65536};
    struct arena arena;
    void *objects[24];
    arena_open_frames(&arena, 0, 4096);
    uint64_t hash = potad_state_hash(&arena.potad);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned j = 0; j < sizeof(aligns) / sizeof(aligns[0]); j++) {
            struct kmem_cache *cache = create(&arena, sizes[i], aligns[j]);
            assert_int_equal(kmem_cache_alloc_bulk(&arena.potad, cache, 24, objects), STATUS_OK);
            for (unsigned k = 0; k < 24; k++) {
                assert_int_equal((uintptr_t)objects[k] % aligns[j], 0);
                memset(objects[k], (int)k + 1, sizes[i]);
            }
            arena_validate(&arena);
            for (unsigned k = 0; k < 24; k++) {
                assert_int_equal(((unsigned char *)objects[k])[0], k + 1);
                assert_int_equal(((unsigned char *)objects[k])[sizes[i] - 1], k + 1);
                kmem_cache_free(&arena.potad, cache, objects[k]);
            }
            assert_int_equal(kmem_cache_destroy(&arena.potad, cache), STATUS_OK);
        }
    }
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

static void kmem_cache_create_refuses_bad_sizes(void **state)
{
    (void)state;
    struct arena arena;
    struct kmem_cache *cache;
    arena_open_frames(&arena, 0, 256);
    assert_int_equal(kmem_cache_create(&arena.potad, "test", 0, 8, &cache), STATUS_INVALID);
    assert_int_equal(kmem_cache_create(&arena.potad, "test", 8, 0, &cache), STATUS_INVALID);
    assert_int_equal(kmem_cache_create(&arena.potad, "test", 8, 24, &cache), STATUS_INVALID);
    assert_int_equal(kmem_cache_create(&arena.potad, "test", UINT64_MAX, 8, &cache),
                     STATUS_INVALID);
    arena_close(&arena);
}

static void kmem_cache_destroy_busy_while_in_use(void **state)
{
    (void)state;
    struct arena arena;
    void *object;
    arena_open_frames(&arena, 0, 256);
    struct kmem_cache *cache = create(&arena, 64, 64);
    assert_int_equal(kmem_cache_alloc(&arena.potad, cache, &object), STATUS_OK);
    assert_int_equal(kmem_cache_destroy(&arena.potad, cache), STATUS_BUSY);
    kmem_cache_free(&arena.potad, cache, object);
    assert_int_equal(kmem_cache_destroy(&arena.potad, cache), STATUS_OK);
    arena_close(&arena);
}

/* A4 for objects: 200 objects of a page each out of 100 free frames: none, and nothing changed. */
static void kmem_cache_alloc_bulk_all_or_nothing(void **state)
{
    (void)state;
    struct arena arena;
    void *objects[200];
    arena_open_frames(&arena, 5, 100);
    struct kmem_cache *cache = create(&arena, 4096, 4096);
    uint64_t hash = potad_state_hash(&arena.potad);
    assert_int_equal(kmem_cache_alloc_bulk(&arena.potad, cache, 200, objects), STATUS_NO_MEMORY);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* A7: the struct slab is had first; where the block then fails, it is put back. */
static void slab_page_make_failure_puts_struct_slab_back(void **state)
{
    (void)state;
    struct arena arena;
    void *object;
    arena_open_frames(&arena, 0, 512);
    struct kmem_cache *cache = create(&arena, 256, 64);
    uint64_t hash = potad_state_hash(&arena.potad);
    uint64_t live = arena.potad.cache_slab.live;
    arena_fail(&arena, FAULT_SLAB_PAGE, 1);
    assert_int_equal(kmem_cache_alloc(&arena.potad, cache, &object), STATUS_NO_MEMORY);
    assert_true(arena.steps[FAULT_SLAB_DESC] > 0);
    assert_int_equal(arena.potad.cache_slab.live, live);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* A8: a cold start on one free block of order n, and nothing else. The first struct slab makes
 * frame 0 self-describing; from order 1 on, frame 1 holds the struct buddys of all that results:
 *
 *   | Q | R | 1 | 2     | 3             |    Q: kmem_cache_slab, R: kmem_cache_buddy
 */
static void self_described_make_cold_start_at_every_order(void **state)
{
    (void)state;
    for (order_t order = 0; order <= 12; order++) {
        struct arena arena;
        struct alloc_transaction transaction;
        void *object = NULL;
        arena_open_frames(&arena, 0, order_frames(order));
        struct potad *potad = &arena.potad;
        assert_int_equal(arena_free_blocks(&arena, 0, order), 1);
        uint64_t hash = potad_state_hash(potad);
        struct alloc_context alloc = transaction_begin(potad, &transaction);
        assert_true(kmem_cache_take(&potad->cache_slab, alloc, 1, &object));
        struct slab *home = slab_of(&potad->source, object);
        assert_ptr_equal(home, arena.memory);
        assert_ptr_equal(slab_of(&potad->source, home), home);
        assert_int_equal(potad->cache_buddy.live, order);
        assert_int_equal(potad->cache_buddy.slabs, order > 0 ? 1 : 0);
        for (order_t below = 1; below < order; below++) {
            assert_int_equal(arena_free_blocks(&arena, 0, below), 1);
        }
        /* With a slab of struct buddys in it, the home is not empty yet. */
        struct slab *empty = kmem_cache_put(&potad->cache_slab, home, object);
        assert_ptr_equal(empty, order > 0 ? NULL : home);
        if (empty != NULL) {
            slab_page_give_back(potad, empty, &transaction.pending);
        }
        transaction_undo(potad, &transaction);
        arena_validate(&arena);
        assert_int_equal(potad_state_hash(potad), hash);
        arena_close(&arena);
    }
}

/* A cold start where callers ask: with one free block of order n, blocks of all lower orders can
 * be had from order 2 on, where two frames go to descriptors; from order 0, the block itself. */
static void alloc_pages_cold_start_at_every_order(void **state)
{
    (void)state;
    for (order_t order = 0; order <= 12; order++) {
        for (order_t asked = 0; asked <= order; asked++) {
            struct arena arena;
            struct buddy *buddy = NULL;
            struct page_request request = {.order = asked, .zone = 0};
            arena_open_frames(&arena, 0, order_frames(order));
            uint64_t hash = potad_state_hash(&arena.potad);
            bool met = asked == order || order >= 2;
            assert_int_equal(alloc_pages(&arena.potad, &request, &buddy),
                             met ? STATUS_OK : STATUS_NO_MEMORY);
            arena_validate(&arena);
            if (met) {
                free_pages(&arena.potad, buddy);
                potad_shrink(&arena.potad);
            }
            arena_validate(&arena);
            assert_int_equal(potad_state_hash(&arena.potad), hash);
            arena_close(&arena);
        }
    }
}

/* Other CPUs, as the mail has them: at each window they take all struct slabs, struct buddys and
 * low-order blocks that are left, so that the allocation has to begin anew. */
struct company {
    void *slabs[HOARD_MAX];
    uint64_t slabs_count;
    void *buddys[HOARD_MAX];
    uint64_t buddys_count;
    struct buddy *blocks[HOARD_MAX];
    uint64_t blocks_count;
    bool busy;
};

static void hoard(struct arena *arena, struct kmem_cache *cache, void **objects, uint64_t *count)
{
    struct alloc_transaction transaction;
    while (kmem_cache_has_free(cache)) {
        struct alloc_context alloc = transaction_begin(&arena->potad, &transaction);
        assert_true(kmem_cache_take(cache, alloc, 1, &objects[*count]));
        transaction_commit(&arena->potad, &transaction);
        if (cache == &arena->potad.cache_buddy) {
            buddy_reset(objects[*count]);
        }
        (*count)++;
    }
}

static void crowd(struct arena *arena, enum window window)
{
    struct company *company = arena->context;
    if (company->busy || window != WINDOW_SLAB_DESC_TAKEN) {
        return;
    }
    company->busy = true;
    hoard(arena, &arena->potad.cache_slab, company->slabs, &company->slabs_count);
    hoard(arena, &arena->potad.cache_buddy, company->buddys, &company->buddys_count);
    while (arena_free_blocks(arena, 0, 0) > 0) {
        company->blocks[company->blocks_count++] = arena_take(arena, 0);
    }
    company->busy = false;
}

static void leave(struct arena *arena, struct company *company)
{
    struct potad *potad = &arena->potad;
    struct buddy_stash released;
    buddy_stash_init(&released);
    arena->window = NULL;
    while (company->blocks_count > 0) {
        free_pages(potad, company->blocks[--company->blocks_count]);
    }
    while (company->buddys_count > 0) {
        buddy_stash_put(&released, company->buddys[--company->buddys_count]);
    }
    descriptors_release(potad, &released);
    while (company->slabs_count > 0) {
        void *object = company->slabs[--company->slabs_count];
        struct slab *slab = slab_of(&potad->source, object);
        if (kmem_cache_put(&potad->cache_slab, slab, object) != NULL) {
            slab_page_give_back(potad, slab, &released);
        }
    }
    descriptors_release(potad, &released);
}

/* A9: the chain buddy, slab, slab, buddy, slab, slab, at its deepest, below a user's cache. It
 * succeeds, it is as deep as it can be, and all of it can be given back. */
static void slab_page_make_worst_chain_is_bounded(void **state)
{
    (void)state;
    static struct company company;
    struct arena arena;
    void *object;
    company = (struct company){.busy = false};
    arena_open_frames(&arena, 0, 2047);
    uint64_t hash = potad_state_hash(&arena.potad);
    struct kmem_cache *cache = create(&arena, 4096, 4096);
    arena.window = crowd;
    arena.context = &company;
    assert_int_equal(kmem_cache_alloc(&arena.potad, cache, &object), STATUS_OK);
    uint64_t depth = atomic_word_peek(&arena.potad.chain_depth_seen);
    print_message("A9: the chain was %u calls deep; the bound is %u\n", (unsigned)depth,
                  (unsigned)CHAIN_DEPTH_MAX);
    assert_int_equal(depth, CHAIN_DEPTH_MAX);
    leave(&arena, &company);
    kmem_cache_free(&arena.potad, cache, object);
    assert_int_equal(kmem_cache_destroy(&arena.potad, cache), STATUS_OK);
    potad_shrink(&arena.potad);
    arena_validate(&arena);
    assert_int_equal(potad_state_hash(&arena.potad), hash);
    arena_close(&arena);
}

/* A9: the same with memory too small for it: a clean failure. */
static void slab_page_make_worst_chain_fails_cleanly(void **state)
{
    (void)state;
    static struct company company;
    for (uint64_t frames = 1; frames <= 64; frames++) {
        struct arena arena;
        void *object;
        struct kmem_cache *cache = NULL;
        company = (struct company){.busy = false};
        arena_open_frames(&arena, 0, frames);
        uint64_t hash = potad_state_hash(&arena.potad);
        arena.window = crowd;
        arena.context = &company;
        enum status created = kmem_cache_create(&arena.potad, "test", 4096, 4096, &cache);
        if (created == STATUS_OK && kmem_cache_alloc(&arena.potad, cache, &object) == STATUS_OK) {
            kmem_cache_free(&arena.potad, cache, object);
        }
        leave(&arena, &company);
        if (created == STATUS_OK) {
            assert_int_equal(kmem_cache_destroy(&arena.potad, cache), STATUS_OK);
        }
        potad_shrink(&arena.potad);
        arena_validate(&arena);
        assert_int_equal(potad_state_hash(&arena.potad), hash);
        arena_close(&arena);
    }
}

/* Freeing everything gives every slab back, in whatever order, down to the last descriptor. */
static void descriptors_release_gives_all_slabs_back(void **state)
{
    (void)state;
    static struct buddy *taken[4096];
    for (unsigned stride = 1; stride < 64; stride += 6) {
        struct arena arena;
        unsigned count = 0;
        arena_open_frames(&arena, 1, 4096);
        uint64_t hash = potad_state_hash(&arena.potad);
        struct page_request request = {.order = 0, .zone = 0};
        while (alloc_pages(&arena.potad, &request, &taken[count]) == STATUS_OK) {
            count++;
        }
        assert_in_range(count, 4000, 4096);
        for (unsigned first = 0; first < stride; first++) {
            for (unsigned i = first; i < count; i += stride) {
                free_pages(&arena.potad, taken[i]);
            }
        }
        potad_shrink(&arena.potad);
        arena_validate(&arena);
        assert_int_equal(arena.potad.cache_buddy.slabs, 0);
        assert_int_equal(arena.potad.cache_slab.slabs, 0);
        assert_int_equal(potad_state_hash(&arena.potad), hash);
        arena_close(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kmem_cache_alloc_any_size_and_alignment),
        cmocka_unit_test(kmem_cache_create_refuses_bad_sizes),
        cmocka_unit_test(kmem_cache_destroy_busy_while_in_use),
        cmocka_unit_test(kmem_cache_alloc_bulk_all_or_nothing),
        cmocka_unit_test(slab_page_make_failure_puts_struct_slab_back),
        cmocka_unit_test(self_described_make_cold_start_at_every_order),
        cmocka_unit_test(alloc_pages_cold_start_at_every_order),
        cmocka_unit_test(slab_page_make_worst_chain_is_bounded),
        cmocka_unit_test(slab_page_make_worst_chain_fails_cleanly),
        cmocka_unit_test(descriptors_release_gives_all_slabs_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
