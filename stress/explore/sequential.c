/* SPDX-License-Identifier: MIT */
#include "stress/explore/sequential.h"

enum { ALL_ZONES = -1, NOWHERE = -1 };

void sequential_reset(struct sequential *state, const struct call_rules *rules, uint64_t slack)
{
    state->rules = rules;
    state->slack = slack;
    state->extents_count = 0;
    state->failed_count = 0;
    state->references_count = 0;
    state->overflow = false;
}

/* The extent that @pfn is in, or NULL. */
static struct extent *extent_of(struct sequential *state, pfn_t pfn)
{
    for (uint32_t i = 0; i < state->extents_count; i++) {
        if (pfn - state->extents[i].pfn < state->extents[i].frames) {
            return &state->extents[i];
        }
    }
    return NULL;
}

/* Whether some of @frames frames from @pfn are in use. */
static bool in_use(const struct sequential *state, pfn_t pfn, uint64_t frames)
{
    for (uint32_t i = 0; i < state->extents_count; i++) {
        if (frames_meet(pfn, frames, state->extents[i].pfn, state->extents[i].frames)) {
            return true;
        }
    }
    return false;
}

/* The index of a failed frame among @frames frames from @pfn, or the number of failed frames. */
static uint32_t failed_among(const struct sequential *state, pfn_t pfn, uint64_t frames)
{
    uint32_t index = 0;
    while (index < state->failed_count && state->failed[index] - pfn >= frames) {
        index++;
    }
    return index;
}

static bool has_failed(const struct sequential *state, pfn_t pfn, uint64_t frames)
{
    return failed_among(state, pfn, frames) < state->failed_count;
}

/* Whether all of @frames frames from @pfn can be granted: memory of @zones, sound, nobody's. */
static bool can_be_granted(const struct sequential *state, pfn_t pfn, uint64_t frames,
                           uint32_t zones)
{
    return rules_hold_frames(state->rules, pfn, frames, zones) && !in_use(state, pfn, frames) &&
           !has_failed(state, pfn, frames);
}

/* The references to @descriptor; NULL where there is no room for any more descriptors. */
static struct references *references_of(struct sequential *state, uint64_t descriptor)
{
    struct references *references = state->references;
    for (uint32_t i = 0; i < state->references_count; i++, references++) {
        if (references->descriptor == descriptor) {
            return references;
        }
    }
    if (state->references_count == SEQUENTIAL_DESCRIPTORS_MAX) {
        state->overflow = true;
        return NULL;
    }
    state->references_count++;
    *references = (struct references){.descriptor = descriptor};
    return references;
}

/* The first frames from @at on, below @end, that cannot be granted. Return: where they begin, or
 * @end; and in *@behind, what comes behind them. */
static pfn_t next_taken(const struct sequential *state, pfn_t at, pfn_t end, pfn_t *behind)
{
    pfn_t first = end;
    *behind = end;
    for (uint32_t i = 0; i < state->extents_count; i++) {
        const struct extent *extent = &state->extents[i];
        if (extent->pfn < first && extent->pfn + extent->frames > at) {
            first = extent->pfn;
            *behind = extent->pfn + extent->frames;
        }
    }
    for (uint32_t i = 0; i < state->failed_count; i++) {
        if (state->failed[i] < first && state->failed[i] >= at) {
            first = state->failed[i];
            *behind = first + 1;
        }
    }
    return first;
}

/* How many runs of @frames frames, on multiples of @align frames, fit between @at and @end. */
static uint64_t runs_between(pfn_t at, pfn_t end, uint64_t frames, uint64_t align)
{
    pfn_t first = (at + align - 1) & ~(align - 1);
    if (end < first || end - first < frames) {
        return 0;
    }
    uint64_t stride = (frames + align - 1) & ~(align - 1);
    return 1 + (end - first - frames) / stride;
}

uint64_t sequential_runs(const struct sequential *state, uint64_t frames, order_t align,
                         uint32_t zones)
{
    uint64_t runs = 0;
    for (uint32_t i = 0; i < state->rules->spans_count; i++) {
        const struct call_span *span = &state->rules->spans[i];
        pfn_t at = span->pfn;
        pfn_t end = at + span->frames;
        while ((zones >> span->zone & 1) != 0 && at < end) {
            pfn_t behind;
            pfn_t taken = next_taken(state, at, end, &behind);
            runs += runs_between(at, taken, frames, order_frames(align));
            at = behind;
        }
    }
    return runs;
}

/* Whether a call that asked for such a run may be told that there is none. */
static bool may_be_short(const struct sequential *state, uint64_t frames, order_t align,
                         uint32_t zones)
{
    return sequential_runs(state, frames, align, zones) <= state->slack;
}

bool sequential_may_be_short_of_frames(const struct sequential *state)
{
    return may_be_short(state, 1, 0, ~state->rules->homeless);
}

static enum fit seen_if(bool right)
{
    return right ? FIT_SEEN : FIT_WRONG;
}

/* Notes what is changed, for sequential_undo(). */
static void extent_note(const struct sequential *state, const struct extent *extent,
                        struct undo *undo)
{
    undo->extents_count = state->extents_count;
    undo->index = (uint32_t)NOWHERE;
    if (extent != NULL) {
        undo->index = (uint32_t)(extent - state->extents);
        undo->extent = *extent;
    }
}

/* Return: whether there was room. */
static bool extent_add(struct sequential *state, struct extent extent)
{
    if (state->extents_count == SEQUENTIAL_EXTENTS_MAX) {
        state->overflow = true;
        return false;
    }
    state->extents[state->extents_count++] = extent;
    return true;
}

static enum fit extent_remove(struct sequential *state, struct extent *extent, struct undo *undo)
{
    extent_note(state, extent, undo);
    *extent = state->extents[--state->extents_count];
    return FIT_CHANGED;
}

static enum fit apply_grant(struct sequential *state, const struct turn *turn, struct undo *undo)
{
    const struct call *call = &turn->call;
    uint64_t frames = call_frames(call);
    if (call->status == STATUS_NO_MEMORY) {
        return seen_if(may_be_short(state, frames, call->order, call->zones) ||
                       sequential_may_be_short_of_frames(state));
    }
    if (call->status != STATUS_OK) {
        return seen_if(call->status == STATUS_ACCEPT_FAILED);
    }
    if (!pfn_is_aligned(call->pfn, call->order) ||
        !can_be_granted(state, call->pfn, frames, call->zones)) {
        return FIT_WRONG;
    }
    if (call->counted) {
        struct references *references = references_of(state, call->descriptor);
        if (references == NULL) {
            return FIT_WRONG;
        }
        undo->references = (uint32_t)(references - state->references);
        references->count++;
        references->lives++;
    }
    extent_note(state, NULL, undo);
    struct extent extent = {
        call->pfn, frames, call->type, call->descriptor, call->kind == CALL_CONTIG, call->counted};
    return extent_add(state, extent) ? FIT_CHANGED : FIT_WRONG;
}

/* The block that @call is about, if it is one as @call says, and not a run. */
static struct extent *block_of(struct sequential *state, const struct call *call)
{
    struct extent *extent = extent_of(state, call->pfn);
    bool same = extent != NULL && !extent->run && extent->pfn == call->pfn &&
                extent->frames == order_frames(call->order) && extent->type == call->type &&
                extent->descriptor == call->descriptor;
    return same ? extent : NULL;
}

static enum fit apply_free(struct sequential *state, const struct turn *turn, struct undo *undo)
{
    struct extent *block = block_of(state, &turn->call);
    if (block == NULL) {
        return FIT_WRONG;
    }
    if (block->counted) {
        const struct references *references = references_of(state, block->descriptor);
        if (references == NULL || references->lives != 0) {
            return FIT_WRONG;
        }
    }
    return extent_remove(state, block, undo);
}

static enum fit apply_contig_free(struct sequential *state, const struct turn *turn,
                                  struct undo *undo)
{
    struct extent *run = extent_of(state, turn->call.pfn);
    bool same =
        run != NULL && run->run && run->pfn == turn->call.pfn && run->frames == turn->call.frames;
    return same ? extent_remove(state, run, undo) : FIT_WRONG;
}

static enum fit apply_split(struct sequential *state, const struct turn *turn, struct undo *undo)
{
    const struct call *call = &turn->call;
    struct extent *block = block_of(state, call);
    if (block == NULL) {
        return FIT_WRONG;
    }
    bool possible = block->type == MEMDESC_NONE && call->part < call->order;
    if (call->status == STATUS_NO_MEMORY) {
        return seen_if(possible && sequential_may_be_short_of_frames(state));
    }
    if (call->status != STATUS_OK) {
        return seen_if(!possible && call->status == STATUS_INVALID);
    }
    if (!possible) {
        return FIT_WRONG;
    }
    extent_note(state, block, undo);
    /* The upper half stays in its place, and keeps its descriptor. */
    block->pfn += block->frames / 2;
    block->frames /= 2;
    for (order_t order = call->part; order < call->order - 1; order++) {
        struct extent part = {.pfn = call->pfn + order_frames(order),
                              .frames = order_frames(order)};
        if (!extent_add(state, part)) {
            return FIT_WRONG;
        }
    }
    struct extent lowest = {.pfn = call->pfn, .frames = order_frames(call->part)};
    return extent_add(state, lowest) ? FIT_CHANGED : FIT_WRONG;
}

/* Whether @call may have seen @extent. */
static bool fits_extent(const struct sequential *state, const struct extent *extent,
                        const struct call *call)
{
    const struct call_seen *seen = &call->seen;
    enum memdesc_type type = extent->type == MEMDESC_NONE ? MEMDESC_BUDDY_ALLOCATED : extent->type;
    bool flawed = has_failed(state, seen->pfn, seen->frames);
    if (call->type != type || seen->flawed != flawed) {
        return false;
    }
    if (extent->run) {
        /* Of what blocks it is made is not for its owner to know. */
        return seen->pfn >= extent->pfn && seen->pfn + seen->frames <= extent->pfn + extent->frames;
    }
    bool told = call->descriptor != 0 && extent->descriptor != 0;
    return seen->pfn == extent->pfn && seen->frames == extent->frames &&
           (!told || call->descriptor == extent->descriptor);
}

/* Whether @turn may have seen a frame that nobody has. */
static bool fits_nobodys(const struct sequential *state, const struct turn *turn)
{
    const struct call *call = &turn->call;
    const struct call_seen *seen = &call->seen;
    if (in_use(state, seen->pfn, seen->frames)) {
        return false;
    }
    bool failed = has_failed(state, seen->pfn, seen->frames);
    bool block = (seen->frames & (seen->frames - 1)) == 0 && (seen->pfn & (seen->frames - 1)) == 0;
    switch (call->type) {
    case MEMDESC_BUDDY_FREE:
        return block && !failed;
    case MEMDESC_POISONED:
        return seen->frames == 1 && failed;
    case MEMDESC_BUDDY_ALLOCATED:
        return block && (state->rules->keeps || turn->beside_grant);
    case MEMDESC_RESERVED:
    case MEMDESC_SLAB:
        return state->rules->metadata;
    default:
        return false;
    }
}

static enum fit apply_lookup(struct sequential *state, const struct turn *turn, struct undo *undo)
{
    const struct call *call = &turn->call;
    (void)undo;
    if (!call->found) {
        return seen_if(!rules_hold_frames(state->rules, call->pfn, 1, (uint32_t)ALL_ZONES));
    }
    if (call->pfn - call->seen.pfn >= call->seen.frames) {
        return FIT_WRONG;
    }
    const struct extent *extent = extent_of(state, call->pfn);
    return seen_if(extent != NULL ? fits_extent(state, extent, call) : fits_nobodys(state, turn));
}

static enum fit apply_failure(struct sequential *state, const struct turn *turn, struct undo *undo)
{
    const struct call *call = &turn->call;
    bool memory = rules_hold_frames(state->rules, call->pfn, 1, (uint32_t)ALL_ZONES);
    bool failed = has_failed(state, call->pfn, 1);
    switch (call->status) {
    case STATUS_OK:
        break;
    case STATUS_EXISTS:
        return seen_if(failed);
    case STATUS_BUSY:
        return seen_if(!in_use(state, call->pfn, 1) || turn->beside_move);
    case STATUS_INVALID:
        return seen_if(!memory);
    case STATUS_NO_MEMORY:
        return seen_if(memory && !failed && sequential_may_be_short_of_frames(state));
    default:
        return FIT_WRONG;
    }
    if (failed || !memory) {
        return FIT_WRONG;
    }
    if (state->failed_count == SEQUENTIAL_FAILED_MAX) {
        state->overflow = true;
        return FIT_WRONG;
    }
    extent_note(state, NULL, undo);
    state->failed[state->failed_count++] = call->pfn;
    return FIT_CHANGED;
}

static enum fit apply_unpoison(struct sequential *state, const struct turn *turn, struct undo *undo)
{
    uint32_t index = failed_among(state, turn->call.pfn, 1);
    bool failed = index < state->failed_count;
    if (turn->call.status != STATUS_OK) {
        return seen_if(turn->call.status == STATUS_INVALID && !failed);
    }
    if (!failed) {
        return FIT_WRONG;
    }
    extent_note(state, NULL, undo);
    undo->index = index;
    state->failed[index] = state->failed[--state->failed_count];
    return FIT_CHANGED;
}

static enum fit apply_move(struct sequential *state, const struct turn *turn, struct undo *undo)
{
    const struct call *call = &turn->call;
    struct extent *block = block_of(state, call);
    if (call->status != STATUS_OK) {
        return FIT_SEEN; /* cancelled: it may even have been freed, and never asked */
    }
    if (block == NULL || !pfn_is_aligned(call->to, call->order) ||
        !can_be_granted(state, call->to, block->frames, (uint32_t)ALL_ZONES) ||
        has_failed(state, block->pfn, block->frames)) {
        return FIT_WRONG;
    }
    if (block->counted) {
        const struct references *references = references_of(state, block->descriptor);
        if (references == NULL || references->count != 1) {
            return FIT_WRONG;
        }
    }
    extent_note(state, block, undo);
    block->pfn = call->to;
    return FIT_CHANGED;
}

/* Notes which count is changed, for sequential_undo(). */
static enum fit references_note(const struct sequential *state, const struct references *references,
                                struct undo *undo)
{
    undo->references = (uint32_t)(references - state->references);
    return FIT_CHANGED;
}

static enum fit apply_tryget(struct sequential *state, const struct turn *turn, struct undo *undo)
{
    const struct call *call = &turn->call;
    const struct call_seen *seen = &call->seen;
    const struct extent *extent = extent_of(state, call->pfn);
    struct references *references = NULL;
    if (extent != NULL && extent->counted) {
        references = references_of(state, extent->descriptor);
    }
    if (!call->found) {
        return seen_if(references == NULL || references->count == 0 || turn->beside_move);
    }
    if (references == NULL || references->descriptor != call->descriptor) {
        return FIT_WRONG;
    }
    bool told = seen->frames != 0;
    if (told && (seen->pfn != extent->pfn || seen->frames != extent->frames ||
                 call->type != extent->type)) {
        return FIT_WRONG;
    }
    /* Another one may have had a reference in passing, and so the last is not gone yet. */
    if (references->lives == 0 || (references->count == 0 && !turn->beside_tryget)) {
        return FIT_WRONG;
    }
    references->count++;
    return references_note(state, references, undo);
}

static enum fit apply_put(struct sequential *state, const struct turn *turn, struct undo *undo)
{
    const struct call *call = &turn->call;
    struct references *references = references_of(state, call->descriptor);
    if (references == NULL || references->count == 0) {
        return FIT_WRONG;
    }
    /* Whoever has a reference has it to what lives. */
    bool none_left = references->count == 1;
    if (call->last ? !none_left : none_left && !turn->beside_tryget) {
        return FIT_WRONG;
    }
    references->count--;
    references->lives -= call->last ? 1 : 0;
    return references_note(state, references, undo);
}

static enum fit apply_drop(struct sequential *state, const struct turn *turn, struct undo *undo)
{
    struct references *references = references_of(state, turn->call.descriptor);
    if (references == NULL || references->count != 0 || references->lives == 0) {
        return FIT_WRONG;
    }
    references->lives--;
    return references_note(state, references, undo);
}

enum fit sequential_apply(struct sequential *state, const struct turn *turn, struct undo *undo)
{
    static enum fit (*const apply[CALL_KINDS])(struct sequential * state, const struct turn *turn,
                                               struct undo *undo) = {
        [CALL_ALLOC] = apply_grant,     [CALL_FREE] = apply_free,
        [CALL_SPLIT] = apply_split,     [CALL_LOOKUP] = apply_lookup,
        [CALL_CONTIG] = apply_grant,    [CALL_CONTIG_FREE] = apply_contig_free,
        [CALL_FAILURE] = apply_failure, [CALL_UNPOISON] = apply_unpoison,
        [CALL_MOVE] = apply_move,       [CALL_TRYGET] = apply_tryget,
        [CALL_PUT] = apply_put,         [CALL_DROP] = apply_drop,
    };
    return apply[turn->call.kind](state, turn, undo);
}

/* Puts all extents back to where they were. */
static void extents_undo(struct sequential *state, const struct undo *undo)
{
    if (state->extents_count < undo->extents_count) {
        state->extents[state->extents_count] = state->extents[undo->index];
    }
    state->extents_count = undo->extents_count;
    if (undo->index != (uint32_t)NOWHERE) {
        state->extents[undo->index] = undo->extent;
    }
}

void sequential_undo(struct sequential *state, const struct turn *turn, const struct undo *undo)
{
    const struct call *call = &turn->call;
    struct references *references = &state->references[undo->references];
    switch (call->kind) {
    case CALL_FAILURE:
        state->failed_count--;
        return;
    case CALL_UNPOISON:
        state->failed[state->failed_count++] = state->failed[undo->index];
        state->failed[undo->index] = call->pfn;
        return;
    case CALL_TRYGET:
        references->count--;
        return;
    case CALL_PUT:
        references->count++;
        references->lives += call->last ? 1 : 0;
        return;
    case CALL_DROP:
        references->lives++;
        return;
    default:
        break;
    }
    if (call->counted && call->kind == CALL_ALLOC) {
        references->count--;
        references->lives--;
    }
    extents_undo(state, undo);
}
