/* SPDX-License-Identifier: MIT
 *
 * accept.c: unaccepted memory is accepted in the smallest piece that serves a request
 * (page_alloc.c), and here, ahead of requests, in zones that have watermarks (requirement E2).
 */
#include "core/page_alloc.h"

/* The order of the piece to accept now, or ORDERS where none is to be. Context: the zone's lock. */
static order_t order_ahead(const struct space *zone)
{
    const struct free_area *unaccepted = &zone->areas[AREA_UNACCEPTED];
    uint64_t accepted = zone->frames[BUDDY_FREE] - unaccepted->frames;
    uint64_t high = zone_watermark(zone, WATERMARK_HIGH);
    if (unaccepted->nonempty == 0 || accepted >= high) {
        return ORDERS;
    }
    order_t largest = 63 - (order_t)__builtin_clzll(unaccepted->nonempty);
    order_t order = 0;
    while (order < largest && order_frames(order) < high - accepted) {
        order++;
    }
    return order;
}

void zone_accept_ahead(struct potad *potad, struct space *zone)
{
    struct alloc_transaction transaction;
    struct buddy *buddy;
    if (zone->watermark_min == 0) {
        return;
    }
    spinlock_lock(&zone->lock);
    struct block_request request = {
        .order = order_ahead(zone),
        .as_of = zone->born,
        .migratetype = MIGRATE_MOVABLE,
        .reserve = true,
    };
    spinlock_unlock(&zone->lock);
    if (request.order == ORDERS) {
        return;
    }
    struct alloc_context alloc = transaction_begin(potad, &transaction);
    if (block_alloc_unaccepted(potad, alloc, zone, &request, &buddy) != STATUS_OK) {
        /* Nothing is lost: the memory is free as it was, and the next allocation tries again. */
        transaction_undo(potad, &transaction);
        return;
    }
    spinlock_lock(&zone->lock);
    block_free(potad, zone, buddy, NULL, &transaction.pending);
    spinlock_unlock(&zone->lock);
    transaction_commit(potad, &transaction);
}
