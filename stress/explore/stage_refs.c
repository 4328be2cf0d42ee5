/* SPDX-License-Identifier: MIT
 *
 * stage_refs.c: references to folios (requirements D1, D2), and movable blocks that move (B6, D3).
 * Who drops the last reference frees the block, waits until nobody can come upon its descriptor any
 * more, and ends that: at the earliest moment that is allowed. Or he never frees a descriptor: then
 * the next block may have it at once, as with SLAB_TYPESAFE_BY_RCU in Linux.
 */
#include "stress/explore/stage_internal.h"

#include <inttypes.h>

bool stage_is_shared(const struct stage *stage, enum memdesc_type type)
{
    return type == MEMDESC_FOLIO && (stage->options.subject->capabilities & SUBJECT_REFS) != 0;
}

static struct stage_slot *slot_of(struct stage *stage, const struct memdesc *descriptor)
{
    for (uint32_t i = 0; i < STAGE_SLOTS; i++) {
        struct stage_slot *slot = &stage->state.blocks[i];
        if (&slot->descriptor.head == descriptor) {
            return slot;
        }
    }
    return NULL;
}

/* The last reference is gone, in a put(), or in a tryget() that came too late. */
static void hear_release(void *context, struct memdesc *descriptor)
{
    struct stage *stage = context;
    struct stage_slot *slot = slot_of(stage, descriptor);
    struct call *inside = stage->call[stage_thread(stage)];
    if (slot == NULL || slot->state != SLOT_ENDED) {
        stage_fail(stage, "lifetime", "an owner is to release a block that has not ended");
        return;
    }
    if (inside != NULL && inside->kind == CALL_PUT) {
        inside->last = true;
    } else {
        struct call *drop = stage_call(stage, CALL_DROP, 0);
        drop->descriptor = (uint64_t)(uintptr_t)descriptor;
        stage_called(stage, drop);
    }
    slot->state = SLOT_BUSY;
    explorer_acquire(&slot->handed);
    stage_free_block(stage, slot);
    if (!stage->options.reuse) {
        stage->options.subject->synchronise(stage->instance);
        descriptor_end(&slot->descriptor);
    }
    stage_leave_slot(slot, SLOT_FREE);
}

/* The slot of a movable block that is where @move says, or NULL. */
static struct stage_slot *slot_moving(struct stage *stage, const struct migration *move,
                                      enum slot_state state)
{
    for (uint32_t i = 0; i < STAGE_SLOTS; i++) {
        struct stage_slot *slot = &stage->state.blocks[i];
        if (slot->state == state && slot->type == MEMDESC_NONE &&
            slot->migratetype == MIGRATE_MOVABLE && slot->block.pfn == move->from &&
            slot->block.order == move->order) {
            return slot;
        }
    }
    return NULL;
}

static bool move_try(struct stage *stage, const struct migration *move)
{
    struct stage_slot *slot = slot_moving(stage, move, SLOT_USED);
    if (slot == NULL) {
        return false;
    }
    slot->state = SLOT_MOVING;
    explorer_acquire(&slot->handed);
    stage_own(stage, move->to, (uint64_t)1 << move->order, OWNER_FREE, OWNER_HELD, "overlap");
    slot->move = stage_call(stage, CALL_MOVE, move->from);
    slot->move->to = move->to;
    slot->move->order = move->order;
    return true;
}

static bool hear_migrate(void *context, struct memdesc *descriptor, struct migration *move,
                         enum migrate_stage moment)
{
    struct stage *stage = context;
    (void)descriptor;
    if (moment == MIGRATE_TRY) {
        return move_try(stage, move);
    }
    struct stage_slot *slot = slot_moving(stage, move, SLOT_MOVING);
    if (slot == NULL) {
        stage_fail(stage, "migrate", "an owner hears of a move from %#" PRIx64 " that is not his",
                   move->from);
        return false;
    }
    bool moved = moment == MIGRATE_COMMIT;
    stage_own(stage, moved ? move->from : move->to, (uint64_t)1 << move->order, OWNER_HELD,
              OWNER_FREE, "ownership");
    slot->block.pfn = moved ? move->to : move->from;
    slot->move->status = moved ? STATUS_OK : STATUS_BUSY;
    stage_called(stage, slot->move);
    stage_leave_slot(slot, SLOT_USED);
    return true;
}

static void watch(struct stage *stage, enum memdesc_type type, const struct memdesc_ops *ops)
{
    enum status status = stage->options.subject->watch(stage->instance, type, ops);
    if (status != STATUS_OK) {
        stage_fail(stage, "status", "watch answers %d", (int)status);
    }
}

void stage_watch(struct stage *stage)
{
    uint32_t capabilities = stage->options.subject->capabilities;
    if ((capabilities & SUBJECT_POISON) == 0) {
        return;
    }
    if ((capabilities & SUBJECT_REFS) != 0) {
        const struct memdesc_ops folios = {.release = hear_release, .context = stage};
        watch(stage, MEMDESC_FOLIO, &folios);
    }
    if ((capabilities & (SUBJECT_CONTIG | SUBJECT_COMPACT)) != 0) {
        const struct memdesc_ops movable = {.migrate = hear_migrate, .context = stage};
        watch(stage, MEMDESC_BUDDY_ALLOCATED, &movable);
    }
}

static void put(struct stage *stage, struct memdesc *descriptor)
{
    struct call **inside = &stage->call[stage_thread(stage)];
    struct call *call = stage_call(stage, CALL_PUT, 0);
    call->descriptor = (uint64_t)(uintptr_t)descriptor;
    *inside = call;
    stage->options.subject->put(stage->instance, descriptor, MEMDESC_FOLIO);
    *inside = NULL;
    stage_called(stage, call);
}

void stage_end_folio(struct stage *stage, struct stage_slot *slot)
{
    stage_leave_slot(slot, SLOT_ENDED);
    put(stage, &slot->descriptor.head);
}

static void run_get(struct stage *stage, const struct case_op *op, pfn_t pfn)
{
    struct call **inside = &stage->call[stage_thread(stage)];
    struct stage_slot *slot = stage_take_slot(stage->state.refs, STAGE_SLOTS, op->slot, SLOT_FREE);
    struct memdesc_ref ref = {.descriptor = NULL};
    if (slot == NULL) {
        return;
    }
    struct call *call = stage_call(stage, CALL_TRYGET, pfn);
    *inside = call;
    call->found = stage->options.subject->tryget(stage->instance, pfn, &ref);
    *inside = NULL;
    if (call->found) {
        call->descriptor = (uint64_t)(uintptr_t)ref.descriptor;
        call->type = ref.type;
        call->seen = (struct call_seen){ref.pfn, (uint64_t)1 << ref.order, false};
        slot->referred = ref.descriptor;
        if (!descriptor_look((const struct descriptor *)(const void *)ref.descriptor)) {
            stage_fail(stage, "lifetime", "a reference leads to a descriptor that has ended");
        }
    }
    stage_called(stage, call);
    stage_leave_slot(slot, call->found ? SLOT_USED : SLOT_FREE);
}

/* A folio, from @from on, by its last frame. */
static void run_get_folio(struct stage *stage, const struct case_op *op)
{
    for (uint32_t i = 0; i < STAGE_SLOTS; i++) {
        const struct stage_slot *slot = &stage->state.blocks[(op->slot + i) % STAGE_SLOTS];
        if ((slot->state == SLOT_USED || slot->state == SLOT_ENDED) &&
            slot->type == MEMDESC_FOLIO) {
            run_get(stage, op, slot->block.pfn + ((pfn_t)1 << slot->block.order) - 1);
            return;
        }
    }
}

static void run_put(struct stage *stage, uint32_t from)
{
    struct stage_slot *slot = stage_take_slot(stage->state.refs, STAGE_SLOTS, from, SLOT_USED);
    if (slot != NULL) {
        put(stage, slot->referred);
        stage_leave_slot(slot, SLOT_FREE);
    }
}

void stage_run_ref(struct stage *stage, const struct case_op *op)
{
    switch ((enum op)op->op) {
    case OP_REF:
        run_get(stage, op, stage->memory.start + op->value);
        break;
    case OP_REF_FOLIO:
        run_get_folio(stage, op);
        break;
    default:
        run_put(stage, op->slot);
        break;
    }
}

void stage_drop_refs(struct stage *stage)
{
    for (uint32_t i = 0; i < STAGE_SLOTS; i++) {
        if (stage->state.refs[i].state == SLOT_USED) {
            run_put(stage, i);
        }
    }
}
