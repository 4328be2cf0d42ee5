/* SPDX-License-Identifier: MIT
 *
 * textbook_buddy.h: the list buddy of the textbooks, as a peer to measure the core by: a record a
 * frame, as struct page is one, with the links of a free list in it. One thread, no lock, no check,
 * nothing that says who owns a block. Before it may stand what Linux calls a per-CPU list: a cache
 * of single frames that takes from the buddy and gives back many at a time.
 */
#ifndef POTAD_STRESS_TEXTBOOK_BUDDY_H
#define POTAD_STRESS_TEXTBOOK_BUDDY_H

#include "core/list.h"

enum {
    TEXTBOOK_ORDERS = 25,
    TEXTBOOK_CACHE_HIGH = 186, /* Linux's, for a zone of 1 GiB */
    TEXTBOOK_CACHE_BATCH = 63
};

struct textbook_page {
    struct list_head list; /* the free list of order, or the cache */
    uint32_t order;        /* of the block that starts here */
    bool free;             /* the block is on a free list */
};

_Static_assert(sizeof(struct textbook_page) == 24, "the size that the measured peer is known by");

struct textbook_cache {
    struct list_head pages; /* the warmest first */
    uint32_t count;
    uint32_t high;  /* above so many, a batch goes back; 0: no cache */
    uint32_t batch; /* frames that come or go at a time */
};

struct textbook_buddy {
    struct list_head free[TEXTBOOK_ORDERS];
    struct textbook_page *pages;
    order_t order_top; /* of the block that all frames are when all are free */
    struct textbook_cache cache;
};

/* Makes one free block of @order_top, below TEXTBOOK_ORDERS, with a record for each frame at
 * @pages; @cache_high and @cache_batch are those of the cache, 0 for none. */
void textbook_buddy_open(struct textbook_buddy *buddy, struct textbook_page *pages,
                         order_t order_top, uint32_t cache_high, uint32_t cache_batch);

/* Return: the record of the first frame of a block of @order, or NULL where there is none. */
struct textbook_page *textbook_buddy_alloc(struct textbook_buddy *buddy, order_t order);

/* Frees the block that starts at @page. */
void textbook_buddy_free(struct textbook_buddy *buddy, struct textbook_page *page);

#endif
