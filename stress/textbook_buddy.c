/* SPDX-License-Identifier: MIT */
#include "stress/textbook_buddy.h"

static struct textbook_page *page_of_link(struct list_head *link)
{
    return list_item(link, struct textbook_page, list);
}

static void list_block(struct textbook_buddy *buddy, struct textbook_page *page, order_t order)
{
    page->order = order;
    page->free = true;
    list_push(&buddy->free[order], &page->list);
}

void textbook_buddy_open(struct textbook_buddy *buddy, struct textbook_page *pages,
                         order_t order_top, uint32_t cache_high, uint32_t cache_batch)
{
    *buddy = (struct textbook_buddy){
        .pages = pages,
        .order_top = order_top,
        .cache = {.high = cache_high, .batch = cache_batch},
    };
    for (order_t order = 0; order < TEXTBOOK_ORDERS; order++) {
        list_init(&buddy->free[order]);
    }
    list_init(&buddy->cache.pages);
    for (pfn_t pfn = 0; pfn < order_frames(order_top); pfn++) {
        pages[pfn] = (struct textbook_page){.free = false};
    }
    list_block(buddy, pages, order_top);
}

static struct textbook_page *block_alloc(struct textbook_buddy *buddy, order_t order)
{
    order_t found = order;
    while (found <= buddy->order_top && list_is_empty(&buddy->free[found])) {
        found++;
    }
    if (found > buddy->order_top) {
        return NULL;
    }
    struct textbook_page *page = page_of_link(list_pop(&buddy->free[found]));
    while (found > order) {
        found--;
        list_block(buddy, page + order_frames(found), found);
    }
    page->order = order;
    page->free = false;
    return page;
}

static void block_free(struct textbook_buddy *buddy, struct textbook_page *page)
{
    order_t order = page->order;
    pfn_t pfn = (pfn_t)(page - buddy->pages);
    while (order < buddy->order_top) {
        struct textbook_page *other = &buddy->pages[pfn_buddy(pfn, order)];
        if (!other->free || other->order != order) {
            break;
        }
        list_remove(&other->list);
        other->free = false;
        pfn &= ~order_frames(order);
        order++;
    }
    list_block(buddy, &buddy->pages[pfn], order);
}

static struct textbook_page *cache_alloc(struct textbook_buddy *buddy)
{
    struct textbook_cache *cache = &buddy->cache;
    uint32_t refill = cache->count == 0 ? cache->batch : 0;
    while (cache->count < refill) {
        struct textbook_page *page = block_alloc(buddy, 0);
        if (page == NULL) {
            break;
        }
        /* Behind the others, so that frames are given out in the buddy's order. */
        list_push(cache->pages.prev, &page->list);
        cache->count++;
    }
    if (cache->count == 0) {
        return NULL;
    }
    cache->count--;
    return page_of_link(list_pop(&cache->pages));
}

static void cache_free(struct textbook_buddy *buddy, struct textbook_page *page)
{
    struct textbook_cache *cache = &buddy->cache;
    list_push(&cache->pages, &page->list);
    cache->count++;
    if (cache->count <= cache->high) {
        return;
    }
    for (uint32_t i = 0; i < cache->batch; i++) {
        struct list_head *coldest = cache->pages.prev;
        list_remove(coldest);
        block_free(buddy, page_of_link(coldest));
    }
    cache->count -= cache->batch;
}

struct textbook_page *textbook_buddy_alloc(struct textbook_buddy *buddy, order_t order)
{
    return order == 0 && buddy->cache.high > 0 ? cache_alloc(buddy) : block_alloc(buddy, order);
}

void textbook_buddy_free(struct textbook_buddy *buddy, struct textbook_page *page)
{
    if (page->order == 0 && buddy->cache.high > 0) {
        cache_free(buddy, page);
    } else {
        block_free(buddy, page);
    }
}
