/* SPDX-License-Identifier: MIT */
#include "stress/explore/frames.h"

#include <stdlib.h>

enum { LIVES_PER_CALL = 8 };

#define NO_LIFE UINT32_MAX

/* An extent that may be in use: from the beginning of the call that grants it to the return of the
 * one that gives it back. */
struct life {
    pfn_t pfn;
    uint64_t frames;
    enum memdesc_type type;
    uint64_t descriptor;
    bool run;
    bool taken;    /* somebody has begun to give it back */
    uint32_t to;   /* a moment, or CALL_PENDING */
    uint32_t next; /* of those that begin at the same frame, and have ended or have not */
};

/* What is sure of a frame. Moments are counted from 1 here; 0: never, or not so. */
struct frame_state {
    uint64_t generation;
    uint32_t owned;   /* since when */
    uint32_t failed;  /* since when */
    uint32_t mended;  /* when somebody last began to, or was done */
    uint32_t menders; /* who are about to */
    uint32_t open;    /* lives of extents that begin here, and have not ended */
    uint32_t closed;  /* and those that have, the latest first */
    bool in_run;      /* has been in one: of what blocks that is made, nobody knows */
};

struct name_state {
    uint64_t generation;
    uint64_t descriptor;
    uint32_t dead;    /* since when; as above */
    uint32_t granted; /* when somebody last began to allocate under it */
};

/* What a call has done to lives. */
struct call_note {
    uint32_t made; /* the first of those that it grants */
    uint32_t made_count;
    uint32_t taken; /* the one that it gives back */
};

bool frames_judge_open(struct frames_judge *judge, pfn_t start, uint64_t frames, uint32_t calls_max)
{
    uint64_t names = 4;
    while (names < (uint64_t)2 * calls_max) {
        names *= 2;
    }
    *judge = (struct frames_judge){
        .start = start,
        .frames = frames,
        .calls_max = calls_max,
        .lives_max = LIVES_PER_CALL * calls_max,
        .names_mask = names - 1,
    };
    judge->states = calloc(frames, sizeof(*judge->states));
    judge->lives = calloc(judge->lives_max, sizeof(*judge->lives));
    judge->notes = calloc(calls_max, sizeof(*judge->notes));
    judge->names = calloc(names, sizeof(*judge->names));
    return judge->states != NULL && judge->lives != NULL && judge->notes != NULL &&
           judge->names != NULL;
}

void frames_judge_close(struct frames_judge *judge)
{
    free(judge->states);
    free(judge->lives);
    free(judge->notes);
    free(judge->names);
    *judge = (struct frames_judge){0};
}

/* The state of frame @pfn, or NULL outside of the map. */
static struct frame_state *state_of(struct frames_judge *judge, pfn_t pfn)
{
    if (pfn - judge->start >= judge->frames) {
        return NULL;
    }
    struct frame_state *state = &judge->states[pfn - judge->start];
    if (state->generation != judge->generation) {
        *state = (struct frame_state){
            .generation = judge->generation, .open = NO_LIFE, .closed = NO_LIFE};
    }
    return state;
}

static struct name_state *name_of(struct frames_judge *judge, uint64_t descriptor)
{
    uint64_t index = hash_mix(descriptor) & judge->names_mask;
    struct name_state *name = &judge->names[index];
    while (name->generation == judge->generation && name->descriptor != descriptor) {
        index = (index + 1) & judge->names_mask;
        name = &judge->names[index];
    }
    if (name->generation != judge->generation) {
        *name = (struct name_state){.generation = judge->generation, .descriptor = descriptor};
    }
    return name;
}

/* Notes what a finding is about. Return: @finding. */
static enum finding found(struct frames_judge *judge, uint32_t number, pfn_t pfn,
                          enum finding finding)
{
    judge->call = number;
    judge->pfn = pfn;
    return finding;
}

/* Whether @call, which may never have returned, has done what it was asked to. */
static bool takes_effect(const struct call *call)
{
    bool told = call->kind != CALL_FREE && call->kind != CALL_CONTIG_FREE;
    return call_is_pending(call) || !told || call->status == STATUS_OK;
}

/* Call @number begins to grant @life. Extents outside of the map have none. Return: whether there
 * was room. */
static bool life_begin(struct frames_judge *judge, uint32_t number, struct life life)
{
    struct frame_state *state = state_of(judge, life.pfn);
    struct call_note *note = &judge->notes[number];
    if (state == NULL || judge->lives_count == judge->lives_max) {
        return state == NULL;
    }
    uint32_t index = judge->lives_count++;
    note->made = note->made_count++ == 0 ? index : note->made;
    life.to = CALL_PENDING;
    life.next = state->open;
    judge->lives[index] = life;
    state->open = index;
    for (pfn_t pfn = life.pfn; life.run && pfn < life.pfn + life.frames; pfn++) {
        state = state_of(judge, pfn);
        if (state != NULL) {
            state->in_run = true;
        }
    }
    return true;
}

/* What call @number gave back has ended. */
static void life_end(struct frames_judge *judge, uint32_t number)
{
    uint32_t index = judge->notes[number].taken;
    struct life *life = &judge->lives[index];
    struct frame_state *state = state_of(judge, life->pfn);
    uint32_t *link = &state->open;
    while (*link != index) {
        link = &judge->lives[*link].next;
    }
    *link = life->next;
    life->to = judge->calls->calls[number].returned;
    life->next = state->closed;
    state->closed = index;
}

/* Call @number begins to give back what it says: an extent that is in use. */
static enum finding take_begin(struct frames_judge *judge, uint32_t number)
{
    const struct call *call = &judge->calls->calls[number];
    const struct frame_state *state = state_of(judge, call->pfn);
    bool run = call->kind == CALL_CONTIG_FREE;
    uint32_t index = state == NULL ? NO_LIFE : state->open;
    while (index != NO_LIFE) {
        struct life *life = &judge->lives[index];
        if (!life->taken && life->frames == call_frames(call) && life->run == run &&
            life->type == call->type && life->descriptor == call->descriptor) {
            /* An owner who never heard more of a move may have the block still. */
            life->taken = !call_is_pending(call);
            judge->notes[number].taken = index;
            return FINDINGS;
        }
        index = life->next;
    }
    /* A call that never returned may not have done it; and what an allocation that never returned
     * has granted, others may know. */
    bool excused = call_is_pending(call) || judge->unknown;
    return excused ? FINDINGS : found(judge, number, call->pfn, FINDING_OWNERSHIP);
}

/* From now on the frames of what call @number gives back may be another's. */
static void frames_let_go(struct frames_judge *judge, uint32_t number)
{
    const struct life *life = &judge->lives[judge->notes[number].taken];
    for (pfn_t pfn = life->pfn; pfn < life->pfn + life->frames; pfn++) {
        struct frame_state *state = state_of(judge, pfn);
        if (state != NULL) {
            state->owned = 0;
        }
    }
}

/* Call @number splits what it has taken. Return: whether there was room. */
static bool split_begin(struct frames_judge *judge, uint32_t number)
{
    const struct call *call = &judge->calls->calls[number];
    struct life part = {.pfn = call->pfn, .frames = order_frames(call->part)};
    bool room = true;
    while (room && call->part < call->order && part.pfn < call->pfn + order_frames(call->order)) {
        bool last = part.frames == order_frames(call->order - 1) && part.pfn > call->pfn;
        part.descriptor = last ? call->descriptor : 0;
        room = life_begin(judge, number, part);
        pfn_t next = part.pfn + part.frames;
        part.frames = part.pfn == call->pfn ? part.frames : 2 * part.frames;
        part.pfn = next;
    }
    return room;
}

/* Call @number, which may be granted something in its place, has taken something. Return: whether
 * there was room. */
static bool taken_begin(struct frames_judge *judge, uint32_t number)
{
    const struct call *call = &judge->calls->calls[number];
    if (call->kind == CALL_SPLIT) {
        /* Meanwhile, all of it has its owner. */
        return split_begin(judge, number);
    }
    frames_let_go(judge, number);
    struct life moved = {.pfn = call->to,
                         .frames = order_frames(call->order),
                         .type = call->type,
                         .descriptor = call->descriptor};
    return call->kind != CALL_MOVE || life_begin(judge, number, moved);
}

/* Call @number has granted frames from @pfn to its caller. */
static enum finding frames_grant(struct frames_judge *judge, uint32_t number, pfn_t pfn,
                                 uint64_t frames, uint32_t zones)
{
    const struct call *call = &judge->calls->calls[number];
    if (!pfn_is_aligned(pfn, call->order) || !rules_hold_frames(judge->rules, pfn, frames, zones)) {
        return found(judge, number, pfn, FINDING_CONTAINMENT);
    }
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        struct frame_state *state = state_of(judge, at);
        if (state->owned != 0) {
            return found(judge, number, at, FINDING_OVERLAP);
        }
        if (state->failed != 0 && state->failed - 1 < call->invoked) {
            return found(judge, number, at, FINDING_FAILED_FRAME);
        }
        state->owned = call->returned + 1;
    }
    return FINDINGS;
}

/* Whether @call may have seen @life. */
static bool life_fits(const struct life *life, const struct call *call)
{
    bool plain = life->type == MEMDESC_NONE;
    bool told = call->descriptor != 0 && life->descriptor != 0;
    return life->frames == call->seen.frames && !life->run &&
           call->type == (plain ? MEMDESC_BUDDY_ALLOCATED : life->type) &&
           (!told || life->descriptor == call->descriptor);
}

/* Whether @call may have seen a block in use that was there at some time of it. Those that ended
 * before it began are behind the others. */
static bool block_was_there(struct frames_judge *judge, const struct call *call)
{
    const struct frame_state *state = state_of(judge, call->seen.pfn);
    if (state == NULL) {
        return false;
    }
    for (uint32_t i = state->open; i != NO_LIFE; i = judge->lives[i].next) {
        if (life_fits(&judge->lives[i], call)) {
            return true;
        }
    }
    for (uint32_t i = state->closed; i != NO_LIFE && judge->lives[i].to > call->invoked;
         i = judge->lives[i].next) {
        if (life_fits(&judge->lives[i], call)) {
            return true;
        }
    }
    return false;
}

/* Whether @call, a lookup that saw a block of nobody's, may have: no frame of it was surely owned
 * all the time. */
static bool nobodys_was_there(struct frames_judge *judge, const struct call *call)
{
    switch (call->type) {
    case MEMDESC_BUDDY_FREE:
    case MEMDESC_POISONED:
        break;
    case MEMDESC_BUDDY_ALLOCATED:
        if (!judge->rules->keeps) {
            return false;
        }
        break;
    case MEMDESC_SLAB:
    case MEMDESC_RESERVED:
        if (!judge->rules->metadata) {
            return false;
        }
        break;
    default:
        return false;
    }
    pfn_t end = judge->start + judge->frames;
    for (pfn_t pfn = call->seen.pfn; pfn < call->seen.pfn + call->seen.frames && pfn < end; pfn++) {
        const struct frame_state *state = state_of(judge, pfn);
        if (state != NULL && state->owned != 0 && state->owned - 1 < call->invoked) {
            return false;
        }
    }
    return true;
}

static enum finding lookup_end(struct frames_judge *judge, uint32_t number)
{
    const struct call *call = &judge->calls->calls[number];
    bool memory = rules_hold_frames(judge->rules, call->pfn, 1, ~(uint32_t)0);
    bool right = call->found;
    if (!call->found) {
        right = !memory;
    } else if (call->pfn - call->seen.pfn >= call->seen.frames) {
        right = false;
    } else if (memory && !judge->unknown && !block_was_there(judge, call)) {
        bool in_run = call->type == MEMDESC_BUDDY_ALLOCATED && state_of(judge, call->pfn)->in_run;
        right = in_run || nobodys_was_there(judge, call);
    }
    return right ? FINDINGS : found(judge, number, call->pfn, FINDING_LOOKUP);
}

/* A call to do with a reference has returned: was there a descriptor to refer to? */
static enum finding reference_end(struct frames_judge *judge, uint32_t number)
{
    const struct call *call = &judge->calls->calls[number];
    if (call->kind == CALL_TRYGET && !call->found) {
        return FINDINGS;
    }
    struct name_state *name = name_of(judge, call->descriptor);
    if (name->dead != 0 && name->dead - 1 < call->invoked) {
        return found(judge, number, call->pfn, FINDING_LIFETIME);
    }
    bool last = call->kind == CALL_DROP || (call->kind == CALL_PUT && call->last);
    if (last && name->granted <= call->invoked) {
        name->dead = call->returned + 1;
    }
    bool told = call->kind == CALL_TRYGET && call->seen.frames != 0;
    if (told && !judge->unknown && !block_was_there(judge, call)) {
        return found(judge, number, call->pfn, FINDING_LOOKUP);
    }
    return FINDINGS;
}

/* An allocation begins. Return: whether there was room. */
static bool grant_begin(struct frames_judge *judge, uint32_t number)
{
    const struct call *call = &judge->calls->calls[number];
    if (call->descriptor != 0) {
        struct name_state *name = name_of(judge, call->descriptor);
        name->dead = 0;
        name->granted = call->invoked + 1;
    }
    struct life life = {.pfn = call->pfn,
                        .frames = call_frames(call),
                        .type = call->type,
                        .descriptor = call->descriptor,
                        .run = call->kind == CALL_CONTIG};
    judge->unknown = judge->unknown || call_is_pending(call);
    return call_is_pending(call) || life_begin(judge, number, life);
}

/* What is so from the beginning of call @number on. Return: as judge_frames(), and whether there
 * was no room in *@full. */
static enum finding call_begin(struct frames_judge *judge, uint32_t number, bool *full)
{
    const struct call *call = &judge->calls->calls[number];
    struct frame_state *state = state_of(judge, call->pfn);
    enum finding finding;
    judge->notes[number] = (struct call_note){.taken = NO_LIFE};
    if (!takes_effect(call)) {
        return FINDINGS;
    }
    switch (call->kind) {
    case CALL_ALLOC:
    case CALL_CONTIG:
        *full = !grant_begin(judge, number);
        return FINDINGS;
    case CALL_UNPOISON:
        if (state != NULL) {
            state->failed = 0;
            state->mended = call->invoked + 1;
            state->menders++;
        }
        return FINDINGS;
    case CALL_FREE:
    case CALL_CONTIG_FREE:
    case CALL_MOVE:
    case CALL_SPLIT:
        finding = take_begin(judge, number);
        if (judge->notes[number].taken != NO_LIFE) {
            *full = !taken_begin(judge, number);
        } else {
            *full = judge->unknown;
        }
        return finding;
    default:
        return FINDINGS;
    }
}

/* What is so from the return of call @number on. */
static enum finding call_end(struct frames_judge *judge, uint32_t number)
{
    const struct call *call = &judge->calls->calls[number];
    struct frame_state *state = state_of(judge, call->pfn);
    switch (call->kind) {
    case CALL_LOOKUP:
        return lookup_end(judge, number);
    case CALL_TRYGET:
    case CALL_PUT:
    case CALL_DROP:
        return reference_end(judge, number);
    default:
        break;
    }
    if (!takes_effect(call)) {
        return FINDINGS;
    }
    if (judge->notes[number].taken != NO_LIFE) {
        life_end(judge, number);
    }
    switch (call->kind) {
    case CALL_ALLOC:
    case CALL_CONTIG:
        return frames_grant(judge, number, call->pfn, call_frames(call), call->zones);
    case CALL_MOVE:
        return frames_grant(judge, number, call->to, call_frames(call), ~(uint32_t)0);
    case CALL_FAILURE:
        if (state != NULL && state->menders == 0 && state->mended <= call->invoked) {
            state->failed = call->returned + 1;
        }
        return FINDINGS;
    case CALL_UNPOISON:
        if (state != NULL) {
            state->mended = call->returned + 1;
            state->menders--;
        }
        return FINDINGS;
    default:
        return FINDINGS;
    }
}

enum finding judge_frames(struct frames_judge *judge, const struct calls *calls,
                          const struct call_rules *rules)
{
    judge->calls = calls;
    judge->rules = rules;
    judge->generation++;
    judge->lives_count = 0;
    judge->unknown = false;
    if (calls->lost > 0 || calls->count > judge->calls_max) {
        return FINDINGS;
    }
    for (uint32_t moment = 0; moment < calls->moment; moment++) {
        uint32_t number = calls->moments[moment] / 2;
        bool full = false;
        enum finding finding = (calls->moments[moment] & 1) != 0 ? call_end(judge, number)
                                                                 : call_begin(judge, number, &full);
        if (finding != FINDINGS || full) {
            return finding;
        }
    }
    return FINDINGS;
}
