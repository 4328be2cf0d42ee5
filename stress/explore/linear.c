/* SPDX-License-Identifier: MIT */
#include "stress/explore/linear.h"

#include <stdlib.h>

bool linear_open(struct linear *linear, uint32_t seen_bits)
{
    *linear = (struct linear){.seen_max = (uint64_t)1 << seen_bits};
    linear->seen = calloc(linear->seen_max, sizeof(*linear->seen));
    return linear->seen != NULL;
}

void linear_close(struct linear *linear)
{
    free(linear->seen);
    linear->seen = NULL;
}

static uint64_t bit(uint32_t turn)
{
    return (uint64_t)1 << turn;
}

/* Forgets where the search has been, and keeps what it remembers next close together. */
static void seen_forget(struct linear *linear)
{
    uint64_t sets = linear->count < 62 ? (uint64_t)2 << linear->count : linear->seen_max;
    linear->seen_mask = (sets < linear->seen_max ? sets : linear->seen_max) - 1;
    linear->seen_count = 0;
    linear->generation++;
    linear->states = 0;
}

enum seen { SEEN_NEW, SEEN_BEFORE, SEEN_FULL };

/* Notes that the search has come to the set @done. */
static enum seen seen_note(struct linear *linear, uint64_t done)
{
    uint64_t index = hash_mix(done) & linear->seen_mask;
    while (linear->seen[index].generation == linear->generation) {
        if (linear->seen[index].done == done) {
            return SEEN_BEFORE;
        }
        index = (index + 1) & linear->seen_mask;
    }
    if (linear->seen_count > linear->seen_mask / 4 * 3) {
        return SEEN_FULL;
    }
    linear->seen_count++;
    linear->seen[index] = (struct linear_seen){done, linear->generation};
    return SEEN_NEW;
}

/* Adds a turn of @call, as it was or may have been. Return: whether there was room. */
static bool turn_add(struct linear *linear, const struct call *call, uint32_t number)
{
    uint32_t turn = linear->count;
    if (turn == LINEAR_TURNS_MAX) {
        return false;
    }
    linear->turns[turn] = (struct turn){.call = *call};
    linear->numbers[turn] = number;
    linear->instead[turn] = 0;
    linear->count++;
    if (!call_is_pending(call)) {
        linear->required |= bit(turn);
    }
    return true;
}

/* Whether @look saw what @alloc, which never returned, may have granted. */
static bool look_saw_grant(const struct call *look, const struct call *alloc)
{
    if ((look->kind != CALL_LOOKUP && look->kind != CALL_TRYGET) || call_is_pending(look) ||
        !look->found || look->seen.frames != order_frames(alloc->order)) {
        return false;
    }
    if (alloc->type == MEMDESC_NONE) {
        return look->type == MEMDESC_BUDDY_ALLOCATED;
    }
    return look->type == alloc->type && look->descriptor == alloc->descriptor;
}

/* Whether a turn of call @number, from @first on, grants @pfn already. */
static bool turn_grants(const struct linear *linear, uint32_t first, pfn_t pfn)
{
    for (uint32_t i = first; i < linear->count; i++) {
        if (linear->turns[i].call.pfn == pfn) {
            return true;
        }
    }
    return false;
}

/* An allocation that never returned: wherever others saw it. */
static bool turns_add_alloc(struct linear *linear, const struct calls *calls, uint32_t number)
{
    struct call maybe = calls->calls[number];
    uint32_t first = linear->count;
    maybe.status = STATUS_OK;
    for (uint32_t i = 0; i < calls->count; i++) {
        const struct call *look = &calls->calls[i];
        maybe.pfn = look->seen.pfn;
        if (look_saw_grant(look, &maybe) && !turn_grants(linear, first, maybe.pfn) &&
            !turn_add(linear, &maybe, number)) {
            return false;
        }
    }
    return true;
}

/* A tryget that never returned: whatever descriptor it may have got. */
static bool turns_add_tryget(struct linear *linear, const struct calls *calls, uint32_t number)
{
    struct call maybe = calls->calls[number];
    maybe.found = true;
    maybe.seen.frames = 0;
    for (uint32_t i = 0; i < calls->count; i++) {
        const struct call *alloc = &calls->calls[i];
        maybe.descriptor = alloc->descriptor;
        if (alloc->kind == CALL_ALLOC && alloc->counted && !turn_add(linear, &maybe, number)) {
            return false;
        }
    }
    return true;
}

/* What call @number, which never returned, may have done. Return: whether there was room. */
static bool turns_add_pending(struct linear *linear, const struct calls *calls, uint32_t number)
{
    struct call maybe = calls->calls[number];
    uint32_t first = linear->count;
    bool room = true;
    maybe.status = STATUS_OK;
    switch (maybe.kind) {
    case CALL_ALLOC:
        room = turns_add_alloc(linear, calls, number);
        break;
    case CALL_TRYGET:
        room = turns_add_tryget(linear, calls, number);
        break;
    case CALL_LOOKUP:
    case CALL_CONTIG:
        break;
    case CALL_PUT:
        maybe.last = false;
        room = turn_add(linear, &maybe, number);
        maybe.last = true;
        /* fall through */
    default:
        room = room && turn_add(linear, &maybe, number);
        break;
    }
    for (uint32_t i = first; i < linear->count; i++) {
        linear->instead[i] = (bit(linear->count - 1) - bit(first)) | bit(linear->count - 1);
    }
    return room;
}

/* Notes what @turn overlaps. */
static void turn_look_beside(struct turn *turn, const struct calls *calls, uint32_t number)
{
    for (uint32_t i = 0; i < calls->count; i++) {
        const struct call *other = &calls->calls[i];
        if (i == number || !calls_overlap(&turn->call, other)) {
            continue;
        }
        turn->beside_move = turn->beside_move || other->kind == CALL_MOVE;
        turn->beside_tryget = turn->beside_tryget || other->kind == CALL_TRYGET;
        turn->beside_grant =
            turn->beside_grant || (other->kind == CALL_CONTIG && call_is_pending(other));
    }
}

/* Makes turns of @calls, by their return. Return: whether there was room. */
static bool turns_prepare(struct linear *linear, const struct calls *calls)
{
    linear->count = 0;
    linear->required = 0;
    bool room = calls->lost == 0;
    for (uint32_t i = 0; room && i < calls->moment; i++) {
        uint32_t number = calls->moments[i] / 2;
        bool returned = (calls->moments[i] & 1) != 0;
        room = !returned || turn_add(linear, &calls->calls[number], number);
    }
    uint32_t returned = linear->count;
    for (uint32_t i = 0; room && i < calls->count; i++) {
        room = !call_is_pending(&calls->calls[i]) || turns_add_pending(linear, calls, i);
    }
    for (uint32_t i = 0; i < linear->count; i++) {
        struct turn *turn = &linear->turns[i];
        uint32_t before = 0;
        while (before < returned && call_precedes(&linear->turns[before].call, &turn->call)) {
            before++;
        }
        linear->before[i] = bit(before) - 1;
        turn_look_beside(turn, calls, linear->numbers[i]);
    }
    return room;
}

/* The frames that a call is about. */
struct frames {
    pfn_t pfn;
    uint64_t frames;
};

/* Return: how many of @frames, which has two. */
static uint32_t call_extents(const struct call *call, struct frames *frames)
{
    switch (call->kind) {
    case CALL_PUT:
    case CALL_DROP:
        return 0;
    case CALL_LOOKUP:
    case CALL_TRYGET:
        frames[0] = (struct frames){call->pfn, 1};
        frames[1] = (struct frames){call->seen.pfn, call->seen.frames};
        return call->found ? 2 : 1;
    case CALL_FAILURE:
    case CALL_UNPOISON:
        frames[0] = (struct frames){call->pfn, 1};
        return 1;
    case CALL_MOVE:
        frames[1] = (struct frames){call->to, order_frames(call->order)};
        /* fall through */
    default:
        frames[0] = (struct frames){call->pfn, call_frames(call)};
        return call->kind == CALL_MOVE ? 2 : 1;
    }
}

/* Whether the order of @call and @other may matter to anybody. */
static bool calls_meet(const struct call *call, const struct call *other)
{
    struct frames frames[2];
    struct frames others[2];
    uint32_t count = call_extents(call, frames);
    uint32_t others_count = call_extents(other, others);
    if (call->descriptor != 0 && call->descriptor == other->descriptor) {
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < others_count; j++) {
            if (frames_meet(frames[i].pfn, frames[i].frames, others[j].pfn, others[j].frames)) {
                return true;
            }
        }
    }
    return false;
}

/* Whether @turn was told that there was no memory, which is not so by itself. */
static bool turn_counts_all(const struct linear *linear, const struct turn *turn)
{
    const struct call *call = &turn->call;
    uint64_t runs = 0;
    if (call->status != STATUS_NO_MEMORY || sequential_may_be_short_of_frames(&linear->state)) {
        return false;
    }
    if (call->kind == CALL_ALLOC || call->kind == CALL_CONTIG) {
        runs = sequential_runs(&linear->state, call_frames(call), call->order, call->zones);
    } else if (call->kind == CALL_SPLIT || call->kind == CALL_FAILURE) {
        runs = sequential_runs(&linear->state, 1, 0, (uint32_t) ~(uint32_t)0);
    }
    return runs > linear->state.slack;
}

/* The turns that have to do with @turn, directly or not, of those in @left. Context: the state is
 * that before all calls. */
static uint64_t group_of(const struct linear *linear, uint32_t turn, uint64_t left)
{
    uint64_t group = bit(turn);
    uint64_t fresh = group;
    while (fresh != 0) {
        uint32_t from = (uint32_t)__builtin_ctzll(fresh);
        fresh &= fresh - 1;
        for (uint64_t rest = left & ~group; rest != 0; rest &= rest - 1) {
            uint32_t to = (uint32_t)__builtin_ctzll(rest);
            if ((linear->instead[from] & bit(to)) != 0 ||
                calls_meet(&linear->turns[from].call, &linear->turns[to].call)) {
                group |= bit(to);
                fresh |= bit(to);
            }
        }
    }
    return group;
}

/* The turns of @group, but those in @done, that can be next by their time. */
static uint64_t turns_ready(const struct linear *linear, uint64_t group, uint64_t done)
{
    uint64_t ready = 0;
    for (uint64_t rest = group & ~done; rest != 0; rest &= rest - 1) {
        uint32_t turn = (uint32_t)__builtin_ctzll(rest);
        bool early = (linear->before[turn] & group & ~done) == 0;
        if (early && (linear->instead[turn] & done) == 0) {
            ready |= bit(turn);
        }
    }
    return ready;
}

/* Notes the longest prefix: all that led to node @depth. */
static void prefix_note(struct linear *linear, uint32_t depth)
{
    linear->prefix_count = depth;
    for (uint32_t i = 0; i < depth; i++) {
        linear->prefix[i] = linear->numbers[linear->nodes[i + 1].turn];
    }
    linear->stuck_count = 0;
    for (uint64_t rest = linear->nodes[depth].todo; rest != 0; rest &= rest - 1) {
        uint32_t number = linear->numbers[__builtin_ctzll(rest)];
        bool again = linear->stuck_count > 0 && linear->stuck[linear->stuck_count - 1] == number;
        linear->stuck_count += again ? 0 : 1;
        linear->stuck[linear->stuck_count - 1] = number;
    }
}

/* Tries turns at node @depth, whose turns are @done, until one of them is right and leads to where
 * the search has not been: node @depth + 1. Return: whether there was one, or SEEN_FULL. */
static enum seen node_descend(struct linear *linear, uint32_t depth, uint64_t done)
{
    struct linear_node *node = &linear->nodes[depth];
    struct linear_node *next = node + 1;
    while (node->todo != 0) {
        uint32_t turn = (uint32_t)__builtin_ctzll(node->todo);
        node->todo &= node->todo - 1;
        enum fit fit = sequential_apply(&linear->state, &linear->turns[turn], &next->undo);
        if (linear->state.overflow) {
            return SEEN_FULL;
        }
        if (fit == FIT_WRONG) {
            continue;
        }
        if (fit == FIT_SEEN) {
            node->todo = 0;
        }
        linear->states++;
        enum seen seen = seen_note(linear, done | bit(turn));
        if (seen != SEEN_BEFORE) {
            next->turn = turn;
            next->changed = fit == FIT_CHANGED;
            return seen;
        }
        if (fit == FIT_CHANGED) {
            sequential_undo(&linear->state, &linear->turns[turn], &next->undo);
        }
    }
    return SEEN_BEFORE;
}

/* Whether there is an order of @group. Context: the state is that before all calls. */
static enum linear_answer group_search(struct linear *linear, uint64_t group)
{
    uint32_t depth = 0;
    uint64_t done = 0;
    linear->nodes[0].todo = turns_ready(linear, group, done);
    prefix_note(linear, 0);
    while ((linear->required & group & ~done) != 0) {
        switch (node_descend(linear, depth, done)) {
        case SEEN_FULL:
            return LINEAR_UNDECIDED;
        case SEEN_NEW:
            depth++;
            done |= bit(linear->nodes[depth].turn);
            linear->nodes[depth].todo = turns_ready(linear, group, done);
            if (depth > linear->prefix_count) {
                prefix_note(linear, depth);
            }
            break;
        case SEEN_BEFORE:
            if (depth == 0) {
                return LINEAR_NO;
            }
            const struct linear_node *node = &linear->nodes[depth--];
            done &= ~bit(node->turn);
            if (node->changed) {
                sequential_undo(&linear->state, &linear->turns[node->turn], &node->undo);
            }
            break;
        }
    }
    return LINEAR_YES;
}

/* With an allocation that never returned, nobody knows how much memory is left. */
static uint64_t slack_of(const struct calls *calls, const struct call_rules *rules)
{
    for (uint32_t i = 0; i < calls->count; i++) {
        const struct call *call = &calls->calls[i];
        bool grants = call->kind == CALL_ALLOC || call->kind == CALL_CONTIG;
        if (grants && call_is_pending(call)) {
            return UINT64_MAX;
        }
    }
    return rules->slack;
}

enum linear_answer judge_linear(struct linear *linear, const struct calls *calls,
                                const struct call_rules *rules)
{
    uint64_t slack = slack_of(calls, rules);
    if (!turns_prepare(linear, calls)) {
        return LINEAR_UNDECIDED;
    }
    seen_forget(linear);
    sequential_reset(&linear->state, rules, slack);
    uint64_t left = linear->count == LINEAR_TURNS_MAX ? ~(uint64_t)0 : bit(linear->count) - 1;
    bool together = false;
    for (uint32_t i = 0; i < linear->count && !together; i++) {
        together = turn_counts_all(linear, &linear->turns[i]);
    }
    enum linear_answer answer = LINEAR_YES;
    while (left != 0) {
        uint32_t first = (uint32_t)__builtin_ctzll(left);
        uint64_t group = together ? left : group_of(linear, first, left);
        left &= ~group;
        enum linear_answer found = group_search(linear, group);
        if (found == LINEAR_NO) {
            return LINEAR_NO;
        }
        answer = found == LINEAR_UNDECIDED ? found : answer;
        sequential_reset(&linear->state, rules, slack);
    }
    return answer;
}
