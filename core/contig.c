/* SPDX-License-Identifier: MIT
 *
 * contig.c: frames in a row, any number of them (requirement B6), out of zones. What is found is
 * held while descriptors for cutting it are allocated, as in page_alloc.c, so that they do not come
 * out of the run itself; only where they can come from nowhere else, it is let go and looked for
 * again.
 */
#include "core/page_alloc.h"

enum { DRAINS_MOST = 4 /* of a call: CPUs' lists fill again meanwhile */ };

bool contig_gather(struct contig_call *call, struct contig_cut cut)
{
    /* One end, then both: never more at a time than the halvings of a block. */
    return stash_fill(call->potad, call->alloc, &call->stash, cut.left) &&
           stash_fill(call->potad, call->alloc, &call->stash, (uint64_t)cut.left + cut.right);
}

/* Accepts all blocks of a trimmed run that are not. Context: the zone's lock, let go meanwhile.
 * Return: false where the port could not accept one. */
static bool run_accept(struct contig_call *call, struct space *zone, pfn_t pfn)
{
    pfn_t at = pfn;
    while (at < pfn + call->goal.units) {
        struct buddy *buddy = contig_part(zone, at);
        uint64_t frames = order_frames(buddy_order(buddy));
        if (buddy_is(buddy, BUDDY_UNACCEPTED)) {
            if (!frames_accept(call->potad, zone, at, frames, call->alloc.transaction)) {
                return false;
            }
            buddy_set_accepted(buddy);
        }
        at += frames;
    }
    return true;
}

/* Finds a free run and takes it off the lists, with what trimming it takes in hand. Context: the
 * zone's lock, let go meanwhile. Return: whether it did: then *@run is it. */
static bool run_hold(struct contig_call *call, struct space *zone, enum watermark watermark,
                     struct contig_run *run)
{
    struct buddy_stash *pending = &call->alloc.transaction->pending;
    uint64_t units = call->goal.units;
    pfn_t pfn;
    for (;;) {
        if (!zone_serves(zone, &call->block) ||
            !zone_may_give(zone, &call->block, watermark, units) ||
            !contig_find(zone, &call->goal, &pfn)) {
            zone_note_change(call->potad, zone, &call->block);
            return false;
        }
        struct contig_cut cut = contig_cut_of(zone, pfn, units);
        if (!map_nodes_ready(call->alloc, zone, contig_cut_nodes(zone, cut, 0))) {
            return false;
        }
        *run = (struct contig_run){zone, pfn, units, call};
        contig_hold(run);
        if (call->stash.count >= (uint64_t)cut.left + cut.right) {
            return true;
        }
        block_in_hand(call->potad);
        spinlock_unlock(&zone->lock);
        bool filled = contig_gather(call, cut);
        spinlock_lock(&zone->lock);
        /* Or it will be, before the zone is unlocked. */
        block_put_back(call->potad, call->alloc.transaction);
        /* Others may have used the nodes meanwhile. */
        bool ready = map_nodes_ready(call->alloc, zone, contig_cut_nodes(zone, cut, 0));
        if (filled && ready) {
            return true;
        }
        contig_let_go(run, pending);
        spinlock_unlock(&zone->lock);
        core_event(call->potad, CORE_EVENT_LET_GO);
        filled = ready && contig_gather(call, cut);
        spinlock_lock(&zone->lock);
        if (!filled) {
            return false;
        }
    }
}

/* Takes a run that is free. Context: no lock. */
static enum status run_take(struct contig_call *call, struct space *zone, enum watermark watermark)
{
    struct buddy_stash *pending = &call->alloc.transaction->pending;
    enum status status = STATUS_NO_MEMORY;
    struct contig_run run;
    spinlock_lock(&zone->lock);
    if (run_hold(call, zone, watermark, &run)) {
        contig_trim(&run, &call->stash, pending);
        status = run_accept(call, zone, run.pfn) ? STATUS_OK : STATUS_ACCEPT_FAILED;
        if (status == STATUS_OK) {
            uint64_t parts = contig_give(&run, call->migratetype, BUDDY_OWNED);
            *call->contig = (struct contig){run.pfn, run.units, parts, zone->id};
        } else {
            contig_let_go(&run, pending);
        }
    }
    spinlock_unlock(&zone->lock);
    buddy_stash_move(&call->stash, pending);
    return status;
}

/* Tries all zones that will do, in the node's order. */
static enum status contig_try_above(struct contig_call *call, enum watermark watermark)
{
    struct potad *potad = call->potad;
    uint32_t drains = call->alloc.transaction->drains;
    enum status status = STATUS_NO_MEMORY;
    uint64_t list = atomic_word_acquire(&potad->index.lists[call->block.node]);
    zone_id_t id;
    while (zonelist_next(&list, &id)) {
        struct space *zone = &potad->zones[id];
        if ((call->block.zones >> id & 1) == 0) {
            continue;
        }
        enum status tried = run_take(call, zone, watermark);
        bool cma = (call->goal.kinds >> CONTIG_CMA & 1) != 0;
        if (cma && tried == STATUS_NO_MEMORY && cpu_cache_reclaim(potad, call->alloc, &drains)) {
            /* What CPUs keep has no owner to ask. */
            tried = run_take(call, zone, watermark);
        }
        if (cma && tried == STATUS_NO_MEMORY) {
            tried = contig_move_out(call, zone, watermark);
        }
        if (tried == STATUS_OK) {
            return STATUS_OK;
        }
        status = tried == STATUS_ACCEPT_FAILED ? tried : status;
        if (request_waits(call->alloc, &call->block)) {
            return status;
        }
    }
    return status;
}

static enum status contig_try(struct contig_call *call)
{
    enum status status = STATUS_NO_MEMORY;
    if (zones_have(call->potad, ZONES_HAVE_WATERMARKS) && !call->block.reserve) {
        status = contig_try_above(call, WATERMARK_LOW);
    }
    if (status == STATUS_OK || request_waits(call->alloc, &call->block)) {
        return status;
    }
    return contig_try_above(call, WATERMARK_MIN);
}

/* Spells @request out. Return: whether it can be asked for at all. */
static bool contig_resolve(const struct potad *potad, const struct contig_request *request,
                           struct contig_call *call)
{
    /* CMA memory is where movable blocks go: what of it is taken is theirs. */
    struct page_request pages = {
        .zone = request->zone,
        .migratetype = request->cma ? MIGRATE_MOVABLE : request->migratetype,
        .node = request->node,
        .below = request->below,
        .reserve = request->reserve,
    };
    call->goal = (struct contig_goal){
        .units = request->units,
        .align = request->align,
        .low = request->low,
        .high = request->high == 0 ? PFN_NONE : request->high,
        .kinds = request->cma ? 1U << CONTIG_CMA : 1U << CONTIG_ACCEPTED | 1U << CONTIG_UNACCEPTED,
    };
    call->migratetype = request->cma ? MIGRATE_UNMOVABLE : request->migratetype;
    return request->units > 0 && request->align < ORDERS && call->goal.low < call->goal.high &&
           request_resolve(potad, &pages, &call->block);
}

/* Allocates what is asked for, or leaves all as it was: then *@retries says whether to try it
 * again, having done so @tried times. */
static enum status contig_once(struct contig_call *call, unsigned tried, bool *retries)
{
    struct potad *potad = call->potad;
    struct alloc_transaction transaction;
    uint32_t drains = 0;
    enum status status;
    call->alloc = transaction_begin(potad, &transaction);
    buddy_stash_init(&call->stash);
    call->block.patient = true;
    do {
        status = contig_try(call);
    } while (status != STATUS_OK &&
             (request_again(potad, call->alloc, &call->block) ||
              (drains < DRAINS_MOST && cpu_cache_reclaim(potad, call->alloc, &drains))));
    if (status == STATUS_OK) {
        transaction_commit(potad, &transaction);
    } else {
        transaction_undo(potad, &transaction);
    }
    *retries = status == STATUS_NO_MEMORY && transaction_retries(call->potad, &transaction, tried);
    return status;
}

enum status alloc_contig(struct potad *potad, const struct contig_request *request,
                         struct contig *contig)
{
    struct contig_call call = {.potad = potad, .contig = contig};
    unsigned tried = 0;
    bool retries;
    if (!contig_resolve(potad, request, &call)) {
        return STATUS_INVALID;
    }
    const struct block_request block = call.block;
    enum status status;
    do {
        call.block = block;
        status = contig_once(&call, tried++, &retries);
    } while (retries);
    if (status == STATUS_OK) {
        zone_accept_ahead(potad, &potad->zones[contig->zone]);
    }
    return status;
}

void free_contig(struct potad *potad, const struct contig *contig)
{
    struct buddy_stash released;
    struct space *zone = &potad->zones[contig->zone];
    pfn_t at = contig->pfn;
    buddy_stash_init(&released);
    spinlock_lock(&zone->lock);
    while (at < contig->pfn + contig->units) {
        struct buddy *buddy = contig_part(zone, at);
        ASSERT(buddy_state(buddy) == BUDDY_ALLOCATED);
        ASSERT(buddy->pfn == at);
        at += order_frames(buddy_order(buddy));
        block_free(potad, zone, buddy, NULL, &released);
    }
    spinlock_unlock(&zone->lock);
    descriptors_release(potad, &released);
}
