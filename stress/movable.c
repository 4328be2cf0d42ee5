/* SPDX-License-Identifier: MIT */
#include "stress/movable.h"

#include <stdlib.h>
#include <string.h>

/* An owner refuses once in so many times for no reason. */
enum { REFUSE_ONE_IN = 48 };

bool movables_open(struct movables *all, const struct world *world, unsigned threads)
{
    uint64_t count = (uint64_t)threads * MOVABLES_OF_THREAD;
    *all = (struct movables){
        .items = aligned_alloc(CACHE_LINE_BYTES, count * sizeof(*all->items)),
        .count = count,
        .plain = calloc(world->shadow.frames, sizeof(*all->plain)),
        .world = world,
    };
    if (all->items == NULL || all->plain == NULL) {
        movables_close(all);
        return false;
    }
    memset(all->items, 0, count * sizeof(*all->items));
    return true;
}

void movables_close(struct movables *all)
{
    free(all->items);
    free(all->plain);
    *all = (struct movables){0};
}

/* Where the item of a block that starts at @pfn is noted down, or NULL. */
static relaxed_word_t *plain_at(const struct movables *all, pfn_t pfn)
{
    pfn_t frame = pfn - all->world->shadow.start;
    return frame < all->world->shadow.frames ? &all->plain[frame] : NULL;
}

static void note(struct movables *all, const struct movable *item, pfn_t pfn, bool there)
{
    if (item->held.type == MEMDESC_NONE && plain_at(all, pfn) != NULL) {
        relaxed_store(plain_at(all, pfn), there ? 1 + (uint64_t)(item - all->items) : 0);
    }
}

static struct movable *plain_item(const struct movables *all, pfn_t pfn)
{
    uint64_t index = plain_at(all, pfn) == NULL ? 0 : relaxed_load(plain_at(all, pfn));
    return index == 0 ? NULL : &all->items[index - 1];
}

static struct movable *item_of(struct memdesc *descriptor)
{
    return (struct movable *)(void *)((char *)descriptor - offsetof(struct movable, descriptor));
}

/* Whether a block may go where @move says. */
static bool target_fits(const struct world *world, const struct migration *move)
{
    const struct range *from = world_range_of(world, move->from);
    const struct range *first = world_range_of(world, move->to);
    const struct range *last = world_range_of(world, move->to + order_frames(move->order) - 1);
    return from != NULL && first != NULL && last != NULL && first->zone == last->zone &&
           pfn_is_aligned(move->to, move->order) &&
           world->map.zones[first->zone].zone_class <= world->map.zones[from->zone].zone_class;
}

/* Makes the new frames the block's. */
static void target_claim(struct worker *worker, const struct migration *move, cookie_t cookie)
{
    struct world *world = worker->world;
    uint64_t frames = order_frames(move->order);
    struct shadow_conflict conflict;
    char text[COOKIE_TEXT_MAX];
    if (!target_fits(world, move)) {
        worker_report(worker, FINDING_CONTAINMENT,
                      "order %u at %#" PRIx64 " is to move to %#" PRIx64, move->order, move->from,
                      move->to);
        return;
    }
    if (!shadow_claim(&world->shadow, move->to, frames, cookie, &conflict)) {
        worker_report(worker, FINDING_OVERLAP,
                      "order %u at %#" PRIx64 " is to move to %#" PRIx64 ", but frame %#" PRIx64
                      " is of %s",
                      move->order, move->from, move->to, conflict.pfn,
                      cookie_describe(conflict.cookie, text));
    }
    if (!shadow_is_accepted(&world->shadow, move->to, frames)) {
        worker_report(worker, FINDING_ACCEPT,
                      "order %u at %#" PRIx64 " is to move to %#" PRIx64 ", not all of it accepted",
                      move->order, move->from, move->to);
    }
    worker_check_sound(worker, move->to, frames);
}

/* Gives back what the block does not use any more. */
static void frames_release(struct worker *worker, pfn_t pfn, order_t order, cookie_t cookie)
{
    struct shadow_conflict conflict;
    char text[COOKIE_TEXT_MAX];
    if (!shadow_release(&worker->world->shadow, pfn, order_frames(order), cookie, &conflict)) {
        worker_report(worker, FINDING_OWNERSHIP,
                      "order %u at %#" PRIx64 " was moved from or not to, but frame %#" PRIx64
                      " is of %s",
                      order, pfn, conflict.pfn, cookie_describe(conflict.cookie, text));
    }
}

/* Answers for the owner of @item, or of no block if that is NULL: what is asked about may have been
 * freed, and another block allocated. Whose struct buddy it is, is left to the subject to find out.
 * The jitter decides who refuses: what threads do next does not depend on who asks them. */
static bool item_try(struct worker *worker, struct movable *item, bool described,
                     struct migration *move)
{
    worker_count(worker, PATH_MOVE_TRIED);
    worker_pause(worker);
    bool refuses = random_once_in(&worker->jitter, REFUSE_ONE_IN);
    bool there = false;
    enum migratetype migratetype = MIGRATE_MOVABLE;
    cookie_t cookie = COOKIE_FREE;
    if (item != NULL) {
        spinlock_lock(&item->lock);
        const struct held_block *held = &item->held;
        there = item->state == MOVABLE_HELD && held->block.pfn == move->from &&
                held->block.order == move->order && (held->type != MEMDESC_NONE) == described;
        migratetype = there ? held->migratetype : MIGRATE_MOVABLE;
        if (there && !refuses) {
            item->state = MOVABLE_MOVING;
            item->changes++;
            item->to = move->to;
            move->buddy = described ? held->block.handle : move->buddy;
            cookie = held->cookie;
        }
        spinlock_unlock(&item->lock);
    }
    const struct range *range = world_range_of(worker->world, move->from);
    if (migratetype != MIGRATE_MOVABLE && range != NULL && range->cma) {
        /* Elsewhere, it may have taken the place of a movable one. */
        worker_report(worker, FINDING_MIGRATE, "order %u at %#" PRIx64 " of type %d is to move",
                      move->order, move->from, (int)migratetype);
    }
    if (!there || refuses) {
        worker_count(worker, there ? PATH_MOVE_REFUSED : PATH_MOVE_GONE);
        return false;
    }
    target_claim(worker, move, cookie);
    worker_count(worker, PATH_MOVE_AGREED);
    worker_pause(worker);
    return true;
}

/* Ends a move for the owner of @item, or of no block if that is NULL. */
static void item_finish(struct worker *worker, struct movables *all, struct movable *item,
                        const struct migration *move, bool moved)
{
    struct held_block after = {.cookie = COOKIE_FREE};
    bool due = false;
    if (item != NULL) {
        spinlock_lock(&item->lock);
        after = item->held;
        due =
            item->state == MOVABLE_MOVING && after.block.pfn == move->from &&
            after.block.order == move->order && item->to == move->to &&
            (!moved || (after.block.handle == move->buddy && after.migratetype == MIGRATE_MOVABLE));
        spinlock_unlock(&item->lock);
    }
    if (!due) {
        worker_report(worker, FINDING_MIGRATE,
                      "the owner of order %u at %#" PRIx64 " hears that it %s %#" PRIx64,
                      move->order, move->from, moved ? "is now at" : "does not go to", move->to);
        return;
    }
    struct memdesc_info info = {0};
    after.block.pfn = moved ? move->to : move->from;
    pfn_t last = after.block.pfn + order_frames(move->order) - 1;
    if (!held_block_leads(worker, &after, last, &info)) {
        held_block_misled(worker, &after, last, &info);
    }
    frames_release(worker, moved ? move->from : move->to, move->order, after.cookie);
    if (moved) {
        note(all, item, move->from, false);
        note(all, item, move->to, true);
    }
    spinlock_lock(&item->lock);
    item->held = after;
    item->changes++;
    item->state = MOVABLE_HELD;
    spinlock_unlock(&item->lock);
    worker_count(worker, moved ? PATH_MOVE_COMMITTED : PATH_MOVE_CANCELLED);
}

static bool hear(struct movables *all, struct movable *item, bool described, struct migration *move,
                 enum migrate_stage stage)
{
    struct worker *worker = worker_current;
    if (stage == MIGRATE_TRY) {
        return item_try(worker, item, described, move);
    }
    item_finish(worker, all, item, move, stage == MIGRATE_COMMIT);
    worker_pause(worker);
    return true;
}

static bool hear_described(void *context, struct memdesc *descriptor, struct migration *move,
                           enum migrate_stage stage)
{
    return hear(context, item_of(descriptor), true, move, stage);
}

static bool hear_plain(void *context, struct memdesc *descriptor, struct migration *move,
                       enum migrate_stage stage)
{
    (void)descriptor;
    return hear(context, plain_item(context, move->from), false, move, stage);
}

enum status movables_watch(struct movables *all)
{
    const struct world *world = all->world;
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < MEMDESC_TYPES && world_can(world, SUBJECT_MOVES); i++) {
        enum memdesc_type type = (enum memdesc_type)i;
        bool plain = type == MEMDESC_BUDDY_ALLOCATED;
        struct memdesc_ops ops = {
            .migrate = plain ? hear_plain : hear_described,
            .context = all,
        };
        if (status == STATUS_OK && (plain || memdesc_type_is_owner(type))) {
            status = world->subject->watch(world->instance, type, &ops);
        }
    }
    return status;
}

static void item_check(struct worker *coordinator, const struct movable *item)
{
    const struct world *world = coordinator->world;
    const struct held_block *held = &item->held;
    struct memdesc_info info = {0};
    char text[COOKIE_TEXT_MAX];
    if (item->state != MOVABLE_HELD) {
        worker_report(coordinator, FINDING_MIGRATE,
                      "the owner of order %u at %#" PRIx64 " agreed, and has heard nothing since",
                      held->block.order, held->block.pfn);
        return;
    }
    for (pfn_t pfn = held->block.pfn; pfn < held->block.pfn + order_frames(held->block.order);
         pfn++) {
        if (shadow_owner(&world->shadow, pfn) != held->cookie) {
            worker_report(coordinator, FINDING_OWNERSHIP,
                          "frame %#" PRIx64 " of order %u at %#" PRIx64 " is of %s", pfn,
                          held->block.order, held->block.pfn,
                          cookie_describe(shadow_owner(&world->shadow, pfn), text));
            return;
        }
    }
    if (world_can(world, SUBJECT_LOOKUP) &&
        !held_block_leads(coordinator, held, held->block.pfn, &info)) {
        held_block_misled(coordinator, held, held->block.pfn, &info);
    }
}

void movables_check(struct worker *coordinator, const struct movables *all)
{
    worker_begin(coordinator, "compare-movables");
    for (uint64_t i = 0; i < all->count; i++) {
        if (all->items[i].state != MOVABLE_NONE) {
            item_check(coordinator, &all->items[i]);
        }
    }
    worker_end(coordinator);
}

/* Context: the holder, but for the lock. */
static void item_set(struct movable *item, enum movable_state state)
{
    spinlock_lock(&item->lock);
    item->state = state;
    spinlock_unlock(&item->lock);
}

void movable_publish(struct movables *all, struct movable *item, const struct held_block *held)
{
    item->held = *held;
    note(all, item, held->block.pfn, true);
    item_set(item, MOVABLE_HELD);
}

bool movable_take(struct movable *item)
{
    spinlock_lock(&item->lock);
    bool taken = item->state == MOVABLE_HELD;
    item->state = taken ? MOVABLE_BUSY : item->state;
    spinlock_unlock(&item->lock);
    return taken;
}

void movable_put(struct movable *item)
{
    item_set(item, MOVABLE_HELD);
}

struct held_block movable_retire(struct movables *all, struct movable *item)
{
    struct held_block held = item->held;
    note(all, item, held.block.pfn, false);
    item_set(item, MOVABLE_NONE);
    return held;
}

/* Copies what @item holds. Return: whether nobody moves it. */
static bool item_peek(struct movable *item, struct held_block *held, uint64_t *changes)
{
    spinlock_lock(&item->lock);
    bool still = item->state == MOVABLE_HELD;
    *held = item->held;
    *changes = item->changes;
    spinlock_unlock(&item->lock);
    return still;
}

pfn_t movable_frame(struct worker *worker, struct movable *item)
{
    struct held_block held;
    uint64_t changes;
    (void)item_peek(item, &held, &changes);
    return held.block.pfn + random_below(&worker->random, order_frames(held.block.order));
}

void movable_lookup(struct worker *worker, struct movable *item)
{
    struct held_block held;
    struct held_block later;
    struct memdesc_info info = {0};
    uint64_t before;
    uint64_t after;
    worker_begin(worker, "lookup-movable");
    bool still = item_peek(item, &held, &before);
    pfn_t pfn = held.block.pfn + random_below(&worker->random, order_frames(held.block.order));
    bool leads = held_block_leads(worker, &held, pfn, &info);
    still = item_peek(item, &later, &after) && still && before == after;
    if (still && !leads) {
        held_block_misled(worker, &held, pfn, &info);
    }
    worker_count(worker, PATH_LOOKUP);
    worker_end(worker);
}
