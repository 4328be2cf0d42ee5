/* SPDX-License-Identifier: MIT
 *
 * race_record.c: compiled without instrumentation, as the stage itself. What calls and answers are
 * in words is what prelude/grants.c and runs.c note of them: a test compares the two.
 */
#include "stress/explore/emit/race_record.h"

#include "stress/explore/stage_internal.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

struct race_record *race_record_open(void)
{
    void *memory = mmap(NULL, sizeof(struct race_record), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void race_record_close(struct race_record *record)
{
    munmap(record, sizeof(*record));
}

/* The number of the slot that has @descriptor, -1: none. */
static int number_of(const struct stage *stage, uint64_t descriptor)
{
    for (int i = 0; i < STAGE_SLOTS; i++) {
        if ((uint64_t)(uintptr_t)&stage->state.blocks[i].descriptor == descriptor) {
            return i;
        }
    }
    return -1;
}

static void tell_call(const struct stage *stage, const struct call *call, char *line, size_t bytes)
{
    switch (call->kind) {
    case CALL_ALLOC:
        snprintf(line, bytes, "allocate order %" PRIu32, call->order);
        break;
    case CALL_FREE:
        snprintf(line, bytes, "free %#" PRIx64, call->pfn);
        break;
    case CALL_SPLIT:
        snprintf(line, bytes, "split %#" PRIx64 " to order %" PRIu32, call->pfn, call->part);
        break;
    case CALL_LOOKUP:
        snprintf(line, bytes, "look up %#" PRIx64, call->pfn);
        break;
    case CALL_CONTIG:
        snprintf(line, bytes, "allocate %" PRIu64 " frames", call->frames);
        break;
    case CALL_CONTIG_FREE:
        snprintf(line, bytes, "free %" PRIu64 " frames from %#" PRIx64, call->frames, call->pfn);
        break;
    case CALL_FAILURE:
        snprintf(line, bytes, "fail %#" PRIx64, call->pfn);
        break;
    case CALL_UNPOISON:
        snprintf(line, bytes, "heal %#" PRIx64, call->pfn);
        break;
    case CALL_MOVE:
        snprintf(line, bytes, "move %#" PRIx64 " to %#" PRIx64, call->pfn, call->to);
        break;
    case CALL_TRYGET:
        snprintf(line, bytes, "refer to %#" PRIx64, call->pfn);
        break;
    case CALL_PUT:
        snprintf(line, bytes, "drop a reference to %d", number_of(stage, call->descriptor));
        break;
    default:
        snprintf(line, bytes, "the last reference to %d goes", number_of(stage, call->descriptor));
        break;
    }
}

static void tell_found(const struct stage *stage, const struct call *call, char *line, size_t bytes)
{
    if (!call->found) {
        snprintf(line, bytes, "%#" PRIx64 ": nothing", call->pfn);
        return;
    }
    int owner = memdesc_type_is_owner(call->type) ? number_of(stage, call->descriptor) : -1;
    snprintf(line, bytes, "%#" PRIx64 ": type %d at %#" PRIx64 ", %" PRIu64 " frames%s, of %d",
             call->pfn, (int)call->type, call->seen.pfn, call->seen.frames,
             call->seen.flawed ? ", flawed" : "", owner);
}

/* What was asked for is granted, at a frame, or refused. */
static void tell_granted(const struct call *call, char *line, size_t bytes)
{
    if (call->status == STATUS_OK) {
        snprintf(line, bytes, "allocated %#" PRIx64, call->pfn);
    } else {
        snprintf(line, bytes, "refused: %d", (int)call->status);
    }
}

static void tell_answer(const struct stage *stage, const struct call *call, char *line,
                        size_t bytes)
{
    switch (call->kind) {
    case CALL_ALLOC:
    case CALL_CONTIG:
        tell_granted(call, line, bytes);
        break;
    case CALL_FREE:
    case CALL_CONTIG_FREE:
        snprintf(line, bytes, "freed %#" PRIx64, call->pfn);
        break;
    case CALL_SPLIT:
        snprintf(line, bytes, "split %#" PRIx64 ": %d", call->pfn, (int)call->status);
        break;
    case CALL_LOOKUP:
    case CALL_TRYGET:
        tell_found(stage, call, line, bytes);
        break;
    case CALL_FAILURE:
        snprintf(line, bytes, "failed %#" PRIx64 ": %d", call->pfn, (int)call->status);
        break;
    case CALL_UNPOISON:
        snprintf(line, bytes, "healed %#" PRIx64 ": %d", call->pfn, (int)call->status);
        break;
    case CALL_MOVE:
        snprintf(line, bytes, "%s %#" PRIx64, call->status == STATUS_OK ? "moved" : "not moved",
                 call->pfn);
        break;
    case CALL_PUT:
        snprintf(line, bytes, "dropped a reference to %d%s", number_of(stage, call->descriptor),
                 call->last ? ", the last" : "");
        break;
    default:
        snprintf(line, bytes, "the last reference to %d has gone",
                 number_of(stage, call->descriptor));
        break;
    }
}

/* Finds the slot of @slots, from @from on, that the operation will take. */
static void resolve(struct race_op *op, const struct stage_slot *slots, uint32_t count,
                    uint32_t from, enum slot_state state)
{
    const struct stage_slot *slot = stage_find_slot(slots, count, from, state);
    op->nothing = slot == NULL;
    op->number = slot == NULL ? 0 : (uint32_t)(slot - slots);
}

/* The first @count free slots of @slots from @from on. */
static void resolve_free(struct race_op *op, const struct stage_slot *slots, uint32_t from,
                         uint32_t count)
{
    for (uint32_t i = 0; i < STAGE_SLOTS && op->others_count < count; i++) {
        uint32_t slot = (from + i) % STAGE_SLOTS;
        if (slots[slot].state == SLOT_FREE) {
            op->others[op->others_count++] = slot;
        }
    }
}

/* The whole of a split, and as many free slots as there are parts: as stage_ops.c takes them. */
static void resolve_split(struct race_op *op, const struct stage *stage,
                          const struct case_op *case_op)
{
    const struct stage_slot *slots = stage->state.blocks;
    resolve(op, slots, STAGE_SLOTS, case_op->slot, SLOT_USED);
    const struct stage_slot *whole = &slots[op->number];
    if (op->nothing || whole->type != MEMDESC_NONE || case_op->order >= whole->block.order) {
        op->nothing = true;
        return;
    }
    uint32_t count = whole->block.order - case_op->order;
    resolve_free(op, slots, case_op->slot, count);
    op->nothing = op->others_count < count;
}

static void resolve_cache(struct race_op *op, const struct stage *stage, uint32_t from,
                          enum slot_state state)
{
    op->nothing = true;
    for (uint32_t i = 0; i < CASE_CACHES && op->nothing; i++) {
        op->cache = (from + i) % CASE_CACHES;
        op->nothing = stage->state.caches[op->cache].state != state;
    }
}

enum { BULK_MAX = 16 /* as stage_ops.c has it */ };

/* A cache, and as many free slots as there are, up to the objects that are asked for. */
static void resolve_objects(struct race_op *op, const struct stage *stage,
                            const struct case_op *case_op)
{
    uint32_t count = case_op->op == OP_CACHE_BULK ? case_op->count : 1;
    resolve_cache(op, stage, case_op->zone, SLOT_USED);
    resolve_free(op, stage->state.objects, case_op->slot, count <= BULK_MAX ? count : 0);
    op->nothing = op->nothing || op->others_count == 0;
}

static void resolve_cache_op(struct race_op *op, const struct stage *stage,
                             const struct case_op *case_op)
{
    const struct stage_cache *caches = stage->state.caches;
    switch ((enum op)case_op->op) {
    case OP_CACHE_CREATE:
        resolve_cache(op, stage, case_op->zone, SLOT_FREE);
        break;
    case OP_CACHE_DESTROY:
        resolve_cache(op, stage, case_op->zone, SLOT_USED);
        op->nothing = op->nothing || caches[op->cache].users > 0;
        break;
    case OP_CACHE_ALLOC:
    case OP_CACHE_BULK:
        resolve_objects(op, stage, case_op);
        break;
    case OP_CACHE_FREE:
        resolve(op, stage->state.objects, STAGE_SLOTS, case_op->slot, SLOT_USED);
        break;
    default:
        break;
    }
}

/* The last frame of the first folio from the operation's slot on: as stage_refs.c takes it. */
static void resolve_folio(struct race_op *op, const struct stage *stage,
                          const struct case_op *case_op)
{
    resolve(op, stage->state.refs, STAGE_SLOTS, case_op->slot, SLOT_FREE);
    for (uint32_t i = 0; i < STAGE_SLOTS; i++) {
        const struct stage_slot *slot = &stage->state.blocks[(case_op->slot + i) % STAGE_SLOTS];
        if ((slot->state == SLOT_USED || slot->state == SLOT_ENDED) &&
            slot->type == MEMDESC_FOLIO) {
            op->pfn = slot->block.pfn + ((pfn_t)1 << slot->block.order) - 1;
            return;
        }
    }
    op->nothing = true;
}

static void begins(void *context, const struct stage *stage, uint32_t index)
{
    struct race_record *record = context;
    struct race_op *op = &record->ops[index];
    const struct case_op *case_op = &stage->program->ops[index];
    *op = (struct race_op){.began = true,
                           .pfn = stage->memory.start + case_op->value,
                           .first_call = stage->calls.count};
    switch ((enum op)case_op->op) {
    case OP_ALLOC:
    case OP_ALLOC_DESC:
    case OP_ALLOC_NODE:
    case OP_ALLOC_COMPACT:
        resolve(op, stage->state.blocks, STAGE_SLOTS, case_op->slot, SLOT_FREE);
        break;
    case OP_FREE:
        resolve(op, stage->state.blocks, STAGE_SLOTS, case_op->slot, SLOT_USED);
        break;
    case OP_SPLIT:
        resolve_split(op, stage, case_op);
        break;
    case OP_CONTIG:
    case OP_CONTIG_CMA:
        resolve(op, stage->state.contigs, CASE_CONTIGS, case_op->slot, SLOT_FREE);
        break;
    case OP_CONTIG_FREE:
        resolve(op, stage->state.contigs, CASE_CONTIGS, case_op->slot, SLOT_USED);
        break;
    case OP_REF:
        resolve(op, stage->state.refs, STAGE_SLOTS, case_op->slot, SLOT_FREE);
        break;
    case OP_REF_FOLIO:
        resolve_folio(op, stage, case_op);
        break;
    case OP_PUT:
        resolve(op, stage->state.refs, STAGE_SLOTS, case_op->slot, SLOT_USED);
        break;
    default:
        resolve_cache_op(op, stage, case_op);
        break;
    }
}

static bool is_granted(const struct stage *stage, const struct race_op *op,
                       const struct case_op *case_op)
{
    switch ((enum op)case_op->op) {
    case OP_ALLOC:
    case OP_ALLOC_DESC:
    case OP_ALLOC_NODE:
    case OP_ALLOC_COMPACT:
        return !op->nothing && stage->state.blocks[op->number].state == SLOT_USED;
    default:
        return false;
    }
}

static void ended(void *context, const struct stage *stage, uint32_t index)
{
    struct race_record *record = context;
    struct race_op *op = &record->ops[index];
    op->ended = true;
    op->granted = is_granted(stage, op, &stage->program->ops[index]);
    /* What the operation calls is first; what its owners then do comes behind. */
    for (uint32_t i = op->first_call; i < stage->calls.count; i++) {
        const struct call *call = &stage->calls.calls[i];
        if (call->thread == stage_thread(stage)) {
            tell_answer(stage, call, op->answer, sizeof(op->answer));
            return;
        }
    }
}

static void judged(void *context, const struct stage *stage)
{
    struct race_record *record = context;
    const struct calls *calls = &stage->calls;
    record->judged = true;
    record->lines_count = 0;
    for (uint32_t i = stage->calls_kept.moment; i < calls->moment; i++) {
        const struct call *call = &calls->calls[calls->moments[i] / 2];
        char *line = record->lines[record->lines_count++];
        int length = snprintf(line, RACE_LINE_BYTES, "%" PRIu32 ": ", call->thread + 1);
        (calls->moments[i] % 2 == 0 ? tell_call : tell_answer)(stage, call, line + length,
                                                               (size_t)(RACE_LINE_BYTES - length));
        if (record->lines_count == RACE_LINES_MAX) {
            return;
        }
    }
}

struct stage_listener race_record_listener(struct race_record *record)
{
    return (struct stage_listener){
        .begins = begins, .ended = ended, .judged = judged, .context = record};
}
