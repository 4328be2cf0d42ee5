/* SPDX-License-Identifier: MIT */
#include "core/sync.h"
#include "stress/bench_loops.h"
#include "stress/textbook_buddy.h"

#include <stdlib.h>

struct textbook {
    struct textbook_buddy buddy;
    _Alignas(CACHE_LINE_BYTES) spinlock_t lock;
};

BENCH_TEMPLATE void *textbook_alloc(void *allocator, order_t order)
{
    struct textbook *textbook = allocator;
    return textbook_buddy_alloc(&textbook->buddy, order);
}

BENCH_TEMPLATE void textbook_free(void *allocator, void *block)
{
    struct textbook *textbook = allocator;
    textbook_buddy_free(&textbook->buddy, block);
}

BENCH_OPS(textbook_ops, textbook_alloc, textbook_free);

BENCH_TEMPLATE void *locked_alloc(void *allocator, order_t order)
{
    struct textbook *textbook = allocator;
    spinlock_lock(&textbook->lock);
    void *block = textbook_buddy_alloc(&textbook->buddy, order);
    spinlock_unlock(&textbook->lock);
    return block;
}

BENCH_TEMPLATE void locked_free(void *allocator, void *block)
{
    struct textbook *textbook = allocator;
    spinlock_lock(&textbook->lock);
    textbook_buddy_free(&textbook->buddy, block);
    spinlock_unlock(&textbook->lock);
}

BENCH_OPS(locked_ops, locked_alloc, locked_free);

static void textbook_close(void *allocator)
{
    struct textbook *textbook = allocator;
    free(textbook->buddy.pages);
    free(textbook);
}

void bench_peer_textbook(struct bench_peer *peer, const struct bench_goods *goods,
                         enum bench_textbook which)
{
    static const char *const names[] = {
        [TEXTBOOK_PLAIN] = "textbook",
        [TEXTBOOK_CACHED] = "textbook-cached",
        [TEXTBOOK_LOCKED] = "textbook-locked",
    };
    struct textbook *textbook = aligned_alloc(CACHE_LINE_BYTES, sizeof(*textbook));
    if (textbook == NULL) {
        abort();
    }
    spinlock_init(&textbook->lock, LOCK_OWNER, 0);
    textbook_buddy_open(&textbook->buddy,
                        bench_memory_get(goods->frames, sizeof(struct textbook_page)),
                        pfn_order_max(0, goods->frames),
                        which == TEXTBOOK_CACHED ? TEXTBOOK_CACHE_HIGH : 0, TEXTBOOK_CACHE_BATCH);
    *peer = (struct bench_peer){
        .name = names[which],
        .ops = which == TEXTBOOK_LOCKED ? &locked_ops : &textbook_ops,
        .allocator = textbook,
        .close = textbook_close,
        .units = goods->frames,
    };
}
