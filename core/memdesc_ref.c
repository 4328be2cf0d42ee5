/* SPDX-License-Identifier: MIT
 *
 * memdesc_ref.c: references to owners' descriptors (requirements D1, D2).
 */
#include "core/page_alloc.h"

/* The word that frame @pfn leads to, by a look without a lock, and where it stands. Context: inside
 * a section of the epoch: the zone's map stays until that ends. */
static struct frame_entry entry_peek(struct potad *potad, pfn_t pfn)
{
    struct frame_entry entry = {.pfn = pfn, .word = 0};
    const struct space *zone = zone_of(potad, pfn);
    struct range_entry head;
    if (zone == NULL) {
        return entry;
    }
    if (!block_map_has_tree(&zone->map)) {
        return frame_table_find(zone->map.table, pfn);
    }
    if (range_tree_prev(&zone->map.tree, pfn, &head)) {
        entry = (struct frame_entry){.pfn = head.first, .word = head.value};
    }
    return entry;
}

/* What an attempt came to. */
enum attempt { ATTEMPT_GOT, ATTEMPT_NONE, ATTEMPT_AGAIN };

/* Context: inside a section. */
static enum attempt ref_try(struct potad *potad, pfn_t pfn, struct memdesc_ref *ref)
{
    struct frame_entry entry = entry_peek(potad, pfn);
    enum memdesc_type type = memdesc_type(entry.word);
    struct memdesc *head = memdesc_head(entry.word);
    if (entry.word == 0 || !memdesc_is_shared(potad, type)) {
        return ATTEMPT_NONE;
    }
    port_window(potad, WINDOW_REF_LOOKED);
    bool got = atomic_flags_raise(&head->flags, MEMDESC_REF, MEMDESC_REFS, MEMDESC_REFS);
    port_window(potad, WINDOW_REF_TAKEN);
    struct frame_entry now = entry_peek(potad, pfn);
    bool same = now.word == entry.word && now.pfn == entry.pfn;
    if (got && same) {
        /* From here on the block stays as it is. A frame in a hole finds one that ends before. */
        *ref = (struct memdesc_ref){head, type, entry.pfn, head->order};
        bool inside = pfn - entry.pfn < order_frames(head->order);
        return inside ? ATTEMPT_GOT : ATTEMPT_NONE;
    }
    if (got) {
        *ref = (struct memdesc_ref){head, type, entry.pfn, 0};
        return ATTEMPT_AGAIN;
    }
    return same ? ATTEMPT_NONE : ATTEMPT_AGAIN;
}

bool memdesc_tryget(struct potad *potad, pfn_t pfn, struct memdesc_ref *ref)
{
    enum attempt attempt;
    do {
        *ref = (struct memdesc_ref){.descriptor = NULL};
        struct epoch_slot *section = epoch_enter(&potad->epoch, epoch_hint());
        attempt = ref_try(potad, pfn, ref);
        epoch_exit(section);
        if (attempt != ATTEMPT_GOT && ref->descriptor != NULL) {
            /* Outside of the section: it may be the last one. */
            memdesc_put(potad, ref->descriptor, ref->type);
        }
    } while (attempt == ATTEMPT_AGAIN);
    return attempt == ATTEMPT_GOT;
}

void memdesc_put(struct potad *potad, struct memdesc *descriptor, enum memdesc_type type)
{
    uint32_t before = atomic_flags_drop(&descriptor->flags, MEMDESC_REF);
    ASSERT((before & MEMDESC_REFS) != 0);
    if ((before & MEMDESC_REFS) == MEMDESC_REF) {
        spinlock_lock(&potad->owners_lock);
        struct memdesc_ops ops = potad->owners[type];
        spinlock_unlock(&potad->owners_lock);
        ASSERT(ops.release != NULL);
        lock_check_call("memdesc_ops.release");
        ops.release(ops.context, descriptor);
    }
}

void memdesc_lock(struct memdesc *descriptor)
{
    lock_check_take(descriptor, LOCK_DESCRIPTOR, 0);
    while (!atomic_flags_change(&descriptor->flags, MEMDESC_LOCKED, 0, MEMDESC_LOCKED)) {
        port_relax();
    }
}

void memdesc_unlock(struct memdesc *descriptor)
{
    lock_check_release(descriptor, LOCK_DESCRIPTOR, 0);
    bool unlocked = atomic_flags_change(&descriptor->flags, MEMDESC_LOCKED, MEMDESC_LOCKED, 0);
    ASSERT(unlocked);
}
