/* SPDX-License-Identifier: MIT
 *
 * bench_page_peers.c: the textbook buddy as a subject that allocates and frees, and all that
 * potad-bench page compares.
 */
#include "stress/bench_page.h"
#include "stress/textbook_buddy.h"

#include <stdlib.h>

_Static_assert((int)BENCH_TOP_ORDER < (int)TEXTBOOK_ORDERS, "the zone is one block");

struct peer {
    struct textbook_buddy buddy;
    pfn_t start;
};

/* Works on the last range of @map alone, one block; the records of its frames are malloc()ed. */
static enum status open_with(struct peer *peer, const struct boot_map *map, uint32_t cache_high)
{
    const struct range *range = &map->ranges[map->ranges_count - 1];
    struct textbook_page *pages = calloc(range->frames, sizeof(*pages));
    if (pages == NULL) {
        return STATUS_NO_MEMORY;
    }
    peer->start = range->start;
    textbook_buddy_open(&peer->buddy, pages, pfn_order_max(range->start, range->frames), cache_high,
                        TEXTBOOK_CACHE_BATCH);
    return STATUS_OK;
}

static enum status peer_open(void *instance, const struct port *port, const struct boot_map *map)
{
    (void)port;
    return open_with(instance, map, 0);
}

static enum status peer_open_cached(void *instance, const struct port *port,
                                    const struct boot_map *map)
{
    (void)port;
    return open_with(instance, map, TEXTBOOK_CACHE_HIGH);
}

static void peer_close(void *instance)
{
    struct peer *peer = instance;
    free(peer->buddy.pages);
}

static enum status peer_alloc(void *instance, const struct subject_request *request,
                              struct subject_block *block)
{
    struct peer *peer = instance;
    struct textbook_page *page = textbook_buddy_alloc(&peer->buddy, request->order);
    if (page == NULL) {
        return STATUS_NO_MEMORY;
    }
    *block = (struct subject_block){.pfn = peer->start + (pfn_t)(page - peer->buddy.pages),
                                    .order = request->order,
                                    .handle = page};
    return STATUS_OK;
}

static void peer_free(void *instance, const struct subject_block *block)
{
    struct peer *peer = instance;
    textbook_buddy_free(&peer->buddy, block->handle);
}

static const struct subject textbook = {
    .version = SUBJECT_VERSION,
    .name = "textbook",
    .instance_bytes = sizeof(struct peer),
    .open = peer_open,
    .close = peer_close,
    .alloc = peer_alloc,
    .free = peer_free,
};

static const struct subject textbook_cached = {
    .version = SUBJECT_VERSION,
    .name = "textbook-cached",
    .instance_bytes = sizeof(struct peer),
    .open = peer_open_cached,
    .close = peer_close,
    .alloc = peer_alloc,
    .free = peer_free,
};

extern const struct subject subject_core;
extern const struct subject subject_core_tree;

const struct subject *const bench_page_peers[PEERS] = {
    [PEER_TABLE] = &subject_core,
    [PEER_TREE] = &subject_core_tree,
    [PEER_TEXTBOOK] = &textbook,
    [PEER_TEXTBOOK_CACHED] = &textbook_cached,
};
