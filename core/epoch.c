/* SPDX-License-Identifier: MIT */
#include "core/epoch.h"

void epoch_init(struct epoch *epoch)
{
    atomic_word_poke(&epoch->now, 1);
    atomic_word_poke(&epoch->used, 0);
    for (unsigned slot = 0; slot < EPOCH_SLOTS; slot++) {
        atomic_word_poke(&epoch->slots[slot].entered, 0);
    }
}

/* The lowest free slot at or after @hint, around the end, claimed for @now. */
static struct epoch_slot *slot_claim(struct epoch *epoch, uint32_t hint, uint64_t now)
{
    for (uint32_t i = 0;; i++) {
        uint32_t index = (hint + i) % EPOCH_SLOTS;
        struct epoch_slot *slot = &epoch->slots[index];
        uint64_t bit = (uint64_t)1 << index;
        if ((atomic_word_load_ordered(&epoch->used) & bit) == 0) {
            atomic_word_or_ordered(&epoch->used, bit);
        }
        if (atomic_word_peek(&slot->entered) == 0 &&
            atomic_word_claim_ordered(&slot->entered, now)) {
            return slot;
        }
        if (i % EPOCH_SLOTS == EPOCH_SLOTS - 1) {
            port_relax();
        }
    }
}

struct epoch_slot *epoch_enter(struct epoch *epoch, uint32_t hint)
{
    uint64_t now = atomic_word_load_ordered(&epoch->now);
    struct epoch_slot *slot = slot_claim(epoch, hint, now);
    /* Claim and load here, step and look at the slots there, are in one order. A writer that did
     * not see the claim looked, and so stepped, before it; then this load sees the step, and with
     * it all that was unlinked before. A writer that did see it waits for this section. An old
     * number in the slot only makes a grace period longer. */
    (void)atomic_word_load_ordered(&epoch->now);
    return slot;
}

/* The slot of the oldest section, or EPOCH_SLOTS. */
static uint32_t oldest_section(const struct epoch *epoch, uint64_t *entered)
{
    uint32_t oldest = EPOCH_SLOTS;
    uint64_t used = atomic_word_load_ordered(&epoch->used);
    *entered = UINT64_MAX;
    for (; used != 0; used &= used - 1) {
        uint32_t slot = (uint32_t)__builtin_ctzll(used);
        uint64_t when = atomic_word_load_ordered(&epoch->slots[slot].entered);
        if (when != 0 && when < *entered) {
            oldest = slot;
            *entered = when;
        }
    }
    return oldest;
}

/* Return: whether all sections began in @target or later. */
static bool grace_period_ended(const struct epoch *epoch, uint64_t target)
{
    uint64_t entered;
    oldest_section(epoch, &entered);
    return entered >= target;
}

bool epoch_oldest(const struct epoch *epoch, struct epoch_stall *stall)
{
    uint64_t entered;
    uint32_t slot = oldest_section(epoch, &entered);
    if (slot == EPOCH_SLOTS) {
        return false;
    }
    uint64_t now = atomic_word_load_ordered(&epoch->now);
    *stall = (struct epoch_stall){.slot = slot, .entered = entered, .behind = now - entered};
    return true;
}

bool epoch_synchronise(struct epoch *epoch, uint64_t patience, struct epoch_stall *stall)
{
    /* Readers may want a lock before they end their sections. */
    lock_check_call("epoch_synchronise");
    uint64_t target = atomic_word_add_ordered(&epoch->now, 1) + 1;
    for (uint64_t looks = 1; !grace_period_ended(epoch, target); looks++) {
        if (looks == patience) {
            return !epoch_oldest(epoch, stall) || stall->entered >= target;
        }
        port_relax();
    }
    return true;
}

void epoch_queue_init(struct epoch_queue *queue, struct epoch *epoch)
{
    *queue = (struct epoch_queue){.epoch = epoch};
}

void epoch_retire(struct epoch_queue *queue, struct epoch_link *link)
{
    epoch_list_push(&queue->fresh, link);
}

static void move_all(struct epoch_list *from, struct epoch_list *to)
{
    while (from->count > 0) {
        epoch_list_push(to, epoch_list_pop(from));
    }
}

void epoch_queue_end(struct epoch_queue *queue, struct epoch_list *ended)
{
    move_all(&queue->waiting, ended);
    move_all(&queue->fresh, ended);
}

void epoch_poll(struct epoch_queue *queue, struct epoch_list *ended)
{
    if (queue->waiting.count > 0 && grace_period_ended(queue->epoch, queue->target)) {
        move_all(&queue->waiting, ended);
    }
    if (queue->waiting.count > 0 || queue->fresh.count == 0) {
        return;
    }
    queue->target = atomic_word_add_ordered(&queue->epoch->now, 1) + 1;
    if (grace_period_ended(queue->epoch, queue->target)) {
        move_all(&queue->fresh, ended);
        return;
    }
    queue->waiting = queue->fresh;
    queue->fresh = (struct epoch_list){0};
}
