/* SPDX-License-Identifier: MIT
 *
 * linear_random_test.c: random histories, made from calls that were right one after the other by
 * giving each more time:
 *
 *   one by one   ·  0  ·  1  ·  2  ·  3  ·         thread 0  ├──── 0 ────┤ ├── 3 ───┤
 *   widened                                        thread 1    ├─── 1 ────────┤
 *                                                  thread 2       ├──────── 2 ────────┤
 *
 * Those are always linearizable. With one answer changed, the judge has to agree with a search
 * through all orders, on an allocator of its own: an array of frames, copied at each step; and what
 * frames.h finds must be wrong in all orders.
 * POTAD_LINEAR_HISTORIES: so many of each kind; POTAD_LINEAR_SPEED: prints how long it takes.
 */
#include "stress/clock.h"
#include "stress/explore/frames.h"
#include "stress/explore/linear.h"
#include "stress/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    FRAMES = 16, /* the upper half in zone 1 */
    NAMES = 4,   /* descriptors are below; 0: none */
    BLOCKS = 96,
    CALLS = 20, /* of a history, at most */
    SEEN_BITS = 21
};

static const struct call_span spans[] = {{0, FRAMES / 2, 0}, {FRAMES / 2, FRAMES / 2, 1}};

/* An allocator that does one call after the other. */
struct tiny {
    uint8_t block[FRAMES]; /* of the frame, from 1; 0: nobody's */
    bool failed[FRAMES];
    struct tiny_block {
        pfn_t pfn;
        uint64_t frames;
        enum memdesc_type type;
        uint64_t descriptor;
        bool counted;
        bool run;
    } blocks[BLOCKS];
    uint32_t blocks_count; /* ever */
    int references[NAMES];
    int lives[NAMES];
};

/* What a history is made of, and judged by. */
struct scene {
    struct random random;
    struct call_rules rules;
    struct tiny tiny;
    struct call made[CALLS]; /* one after the other */
    uint32_t count;
    struct calls calls; /* widened */
    struct linear linear;
    struct frames_judge frames;
};

static uint64_t below(struct scene *scene, uint64_t limit)
{
    return random_below(&scene->random, limit);
}

/* --- the allocator ------------------------------------------------------------------------- */

static struct tiny_block *tiny_at(struct tiny *tiny, pfn_t pfn)
{
    return pfn < FRAMES && tiny->block[pfn] != 0 ? &tiny->blocks[tiny->block[pfn] - 1] : NULL;
}

/* Whether there are such frames, in @zones and no two of them, that nobody has. */
static bool tiny_is_nobodys(const struct tiny *tiny, pfn_t pfn, uint64_t frames, uint32_t zones)
{
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        uint32_t zone = at < FRAMES / 2 ? 0 : 1;
        if (at >= FRAMES || tiny->block[at] != 0 || (zones >> zone & 1) == 0 ||
            zone != (pfn < FRAMES / 2 ? 0 : 1)) {
            return false;
        }
    }
    return true;
}

static bool tiny_has_failed(const struct tiny *tiny, pfn_t pfn, uint64_t frames)
{
    bool failed = false;
    for (pfn_t at = pfn; at < pfn + frames && at < FRAMES; at++) {
        failed = failed || tiny->failed[at];
    }
    return failed;
}

/* Takes as many runs as there are, from the left. Whether there are no more than @slack. */
static bool tiny_is_short(const struct tiny *tiny, uint64_t frames, order_t align, uint32_t zones,
                          uint64_t slack)
{
    uint64_t runs = 0;
    for (pfn_t pfn = 0; pfn < FRAMES; pfn++) {
        if (pfn % order_frames(align) == 0 && tiny_is_nobodys(tiny, pfn, frames, zones) &&
            !tiny_has_failed(tiny, pfn, frames)) {
            runs++;
            pfn += frames - 1;
        }
    }
    return runs <= slack;
}

static void tiny_put(struct tiny *tiny, struct tiny_block block)
{
    assert_true(tiny->blocks_count < BLOCKS);
    tiny->blocks[tiny->blocks_count++] = block;
    memset(&tiny->block[block.pfn], (int)tiny->blocks_count, block.frames);
}

static bool tiny_grant(struct tiny *tiny, const struct call *call, uint64_t slack)
{
    bool run = call->kind == CALL_CONTIG;
    uint64_t frames = run ? call->frames : order_frames(call->order);
    if (call->status == STATUS_NO_MEMORY) {
        return tiny_is_short(tiny, frames, call->order, call->zones, slack);
    }
    if (call->status != STATUS_OK || call->pfn % order_frames(call->order) != 0 ||
        !tiny_is_nobodys(tiny, call->pfn, frames, call->zones) ||
        tiny_has_failed(tiny, call->pfn, frames)) {
        return false;
    }
    tiny_put(tiny, (struct tiny_block){call->pfn, frames, call->type, call->descriptor,
                                       call->counted, run});
    tiny->references[call->descriptor] += call->counted ? 1 : 0;
    tiny->lives[call->descriptor] += call->counted ? 1 : 0;
    return true;
}

/* The block that @call is about, as @run or as a block. */
static struct tiny_block *tiny_same(struct tiny *tiny, const struct call *call, bool run)
{
    struct tiny_block *block = tiny_at(tiny, call->pfn);
    uint64_t frames = run ? call->frames : order_frames(call->order);
    bool same = block != NULL && block->pfn == call->pfn && block->frames == frames &&
                block->run == run && block->type == call->type &&
                block->descriptor == call->descriptor;
    return same ? block : NULL;
}

static bool tiny_take_back(struct tiny *tiny, const struct call *call)
{
    struct tiny_block *block = tiny_same(tiny, call, call->kind == CALL_CONTIG_FREE);
    if (block == NULL || (block->counted && tiny->lives[block->descriptor] != 0)) {
        return false;
    }
    memset(&tiny->block[block->pfn], 0, block->frames);
    return true;
}

static bool tiny_split(struct tiny *tiny, const struct call *call, uint64_t slack)
{
    struct tiny_block *block = tiny_same(tiny, call, false);
    if (block == NULL) {
        return false;
    }
    bool possible = block->type == MEMDESC_NONE && call->part < call->order;
    if (call->status != STATUS_OK) {
        return possible ? call->status == STATUS_NO_MEMORY && tiny_is_short(tiny, 1, 0, 3, slack)
                        : call->status == STATUS_INVALID;
    }
    pfn_t pfn = call->pfn;
    for (order_t order = call->part; possible && pfn < call->pfn + order_frames(call->order);) {
        tiny_put(tiny, (struct tiny_block){.pfn = pfn, .frames = order_frames(order)});
        order = pfn == call->pfn ? order : order + 1;
        pfn += tiny->blocks[tiny->blocks_count - 1].frames;
    }
    return possible;
}

static bool tiny_lookup(struct tiny *tiny, const struct call *call, const struct call_rules *rules)
{
    const struct call_seen *seen = &call->seen;
    const struct tiny_block *block = tiny_at(tiny, call->pfn);
    bool failed = tiny_has_failed(tiny, seen->pfn, seen->frames);
    if (!call->found || call->pfn < seen->pfn || call->pfn >= seen->pfn + seen->frames) {
        return !call->found && call->pfn >= FRAMES;
    }
    if (block == NULL) {
        bool nobodys = true;
        for (pfn_t at = seen->pfn; at < seen->pfn + seen->frames && at < FRAMES; at++) {
            nobodys = nobodys && tiny->block[at] == 0;
        }
        bool whole = (seen->frames & (seen->frames - 1)) == 0 && seen->pfn % seen->frames == 0;
        return nobodys && ((call->type == MEMDESC_BUDDY_FREE && whole && !failed) ||
                           (call->type == MEMDESC_POISONED && failed && seen->frames == 1) ||
                           (call->type == MEMDESC_BUDDY_ALLOCATED && whole && rules->keeps) ||
                           (call->type == MEMDESC_SLAB && rules->metadata));
    }
    bool plain = block->type == MEMDESC_NONE;
    if (call->type != (plain ? MEMDESC_BUDDY_ALLOCATED : block->type) || seen->flawed != failed) {
        return false;
    }
    if (block->run) {
        return seen->pfn >= block->pfn && seen->pfn + seen->frames <= block->pfn + block->frames;
    }
    return seen->pfn == block->pfn && seen->frames == block->frames &&
           (plain || call->descriptor == block->descriptor);
}

static bool tiny_fail(struct tiny *tiny, const struct call *call, uint64_t slack, bool beside_move)
{
    bool memory = call->pfn < FRAMES;
    bool failed = tiny_has_failed(tiny, call->pfn, 1);
    switch (call->status) {
    case STATUS_OK:
        if (memory) {
            tiny->failed[call->pfn] = true;
        }
        return memory && !failed;
    case STATUS_EXISTS:
        return failed;
    case STATUS_BUSY:
        return tiny_at(tiny, call->pfn) == NULL || beside_move;
    case STATUS_NO_MEMORY:
        return memory && !failed && tiny_is_short(tiny, 1, 0, 3, slack);
    default:
        return call->status == STATUS_INVALID && !memory;
    }
}

static bool tiny_unpoison(struct tiny *tiny, const struct call *call)
{
    bool failed = tiny_has_failed(tiny, call->pfn, 1);
    if (call->status == STATUS_OK && failed) {
        tiny->failed[call->pfn] = false;
        return true;
    }
    return call->status == STATUS_INVALID && !failed;
}

static bool tiny_move(struct tiny *tiny, const struct call *call)
{
    struct tiny_block *from = tiny_same(tiny, call, false);
    uint64_t frames = order_frames(call->order);
    if (call->status != STATUS_OK) {
        return true;
    }
    if (from == NULL || call->to % frames != 0 || !tiny_is_nobodys(tiny, call->to, frames, 3) ||
        tiny_has_failed(tiny, call->to, frames) || tiny_has_failed(tiny, call->pfn, frames) ||
        (from->counted && tiny->references[from->descriptor] != 1)) {
        return false;
    }
    struct tiny_block block = *from;
    memset(&tiny->block[call->pfn], 0, frames);
    block.pfn = call->to;
    tiny_put(tiny, block);
    return true;
}

static bool tiny_refer(struct tiny *tiny, const struct call *call, const struct turn *beside)
{
    const struct tiny_block *block = tiny_at(tiny, call->pfn);
    int *references = &tiny->references[call->descriptor];
    int *lives = &tiny->lives[call->descriptor];
    bool refers = block != NULL && block->counted;
    switch (call->kind) {
    case CALL_TRYGET:
        if (!call->found) {
            return !refers || tiny->references[block->descriptor] == 0 || beside->beside_move;
        }
        if (!refers || block->descriptor != call->descriptor || *lives == 0 ||
            (*references == 0 && !beside->beside_tryget)) {
            return false;
        }
        ++*references;
        return call->seen.frames == 0 ||
               (call->seen.pfn == block->pfn && call->seen.frames == block->frames &&
                call->type == block->type);
    case CALL_PUT:
        if (--*references < 0) {
            return false;
        }
        *lives -= call->last ? 1 : 0;
        return call->last ? *references == 0 && *lives >= 0
                          : *references > 0 || beside->beside_tryget;
    default:
        return *references == 0 && (*lives)-- > 0;
    }
}

/* Does @call, with what is @beside it. Return: whether it was told what is so; if not, @tiny is
 * of no use. */
static bool tiny_do(struct tiny *tiny, const struct call *call, const struct call_rules *rules,
                    uint64_t slack, const struct turn *beside)
{
    switch (call->kind) {
    case CALL_ALLOC:
    case CALL_CONTIG:
        return tiny_grant(tiny, call, slack);
    case CALL_FREE:
    case CALL_CONTIG_FREE:
        return tiny_take_back(tiny, call);
    case CALL_SPLIT:
        return tiny_split(tiny, call, slack);
    case CALL_LOOKUP:
        return tiny_lookup(tiny, call, rules);
    case CALL_FAILURE:
        return tiny_fail(tiny, call, slack, beside->beside_move);
    case CALL_UNPOISON:
        return tiny_unpoison(tiny, call);
    case CALL_MOVE:
        return tiny_move(tiny, call);
    default:
        return tiny_refer(tiny, call, beside);
    }
}

/* --- histories ----------------------------------------------------------------------------- */

/* A block that is in use, or a random frame. */
static struct tiny_block draw_block(struct scene *scene)
{
    for (uint32_t i = 0; i < 8; i++) {
        const struct tiny_block *block = tiny_at(&scene->tiny, below(scene, FRAMES));
        if (block != NULL) {
            return *block;
        }
    }
    order_t order = (order_t)below(scene, 3);
    return (struct tiny_block){.pfn = below(scene, FRAMES) & ~(order_frames(order) - 1),
                               .frames = order_frames(order)};
}

static order_t order_of(uint64_t frames)
{
    return (order_t)(63 - __builtin_clzll(frames));
}

/* What @call, a lookup or tryget, may have seen: often a block that is there. */
static void draw_seen(struct scene *scene, struct call *call)
{
    static const enum memdesc_type types[] = {MEMDESC_BUDDY_FREE, MEMDESC_BUDDY_ALLOCATED,
                                              MEMDESC_POISONED, MEMDESC_SLAB};
    struct tiny_block block = draw_block(scene);
    call->pfn = below(scene, 10) == 0 ? FRAMES : block.pfn + below(scene, block.frames);
    call->found = below(scene, 4) != 0;
    call->seen = (struct call_seen){block.pfn, block.frames, below(scene, 4) == 0};
    call->descriptor = block.descriptor;
    call->type = block.type == MEMDESC_NONE ? types[below(scene, 4)] : block.type;
}

/* A call and what it may have been told, right or not. */
static struct call draw_call(struct scene *scene, enum call_kind kind)
{
    static const enum status statuses[] = {STATUS_OK,        STATUS_OK,      STATUS_OK,
                                           STATUS_NO_MEMORY, STATUS_INVALID, STATUS_EXISTS,
                                           STATUS_BUSY};
    struct tiny_block block = draw_block(scene);
    struct call call = {.kind = kind, .order = (order_t)below(scene, 3), .pfn = block.pfn};
    call.status = statuses[below(scene, 7)];
    call.zones = 1 + (uint32_t)below(scene, 3);
    switch (kind) {
    case CALL_ALLOC:
        call.pfn = below(scene, FRAMES) & ~(order_frames(call.order) - 1);
        call.descriptor = below(scene, 2) * below(scene, NAMES);
        call.counted = call.descriptor != 0;
        call.type = call.counted ? MEMDESC_FOLIO : MEMDESC_NONE;
        return call;
    case CALL_CONTIG:
        call.frames = 1 + below(scene, 5);
        call.order = (order_t)below(scene, 2);
        call.pfn = below(scene, FRAMES) & ~(order_frames(call.order) - 1);
        return call;
    case CALL_LOOKUP:
    case CALL_TRYGET:
        draw_seen(scene, &call);
        return call;
    case CALL_FAILURE:
    case CALL_UNPOISON:
        call.pfn = below(scene, FRAMES + 1);
        return call;
    case CALL_PUT:
    case CALL_DROP:
        call = (struct call){.kind = kind, .descriptor = below(scene, NAMES)};
        call.last = below(scene, 2) == 0;
        return call;
    default:
        call.order = order_of(block.frames);
        call.frames = block.frames;
        call.type = block.type;
        call.descriptor = block.descriptor;
        call.part = (order_t)below(scene, call.order + 1);
        call.to = below(scene, FRAMES) & ~(block.frames - 1);
        return call;
    }
}

/* Whether an owner would do that: a descriptor is on one block at a time. */
static bool call_makes_sense(const struct tiny *tiny, const struct call *call)
{
    for (pfn_t pfn = 0; call->kind == CALL_ALLOC && pfn < FRAMES; pfn++) {
        const struct tiny_block *block = tiny_at((struct tiny *)(uintptr_t)tiny, pfn);
        if (block != NULL && call->descriptor != 0 && block->descriptor == call->descriptor) {
            return false;
        }
    }
    return true;
}

/* Makes @count calls that are right one after the other. */
static void scene_make(struct scene *scene, uint32_t count)
{
    const struct turn alone = {.beside_move = false};
    scene->rules = (struct call_rules){.spans = spans,
                                       .spans_count = 2,
                                       .slack = below(scene, 3) / 2,
                                       .keeps = below(scene, 2) == 0,
                                       .metadata = below(scene, 2) == 0};
    scene->tiny = (struct tiny){.blocks_count = 0};
    scene->count = 0;
    while (scene->count < count) {
        enum call_kind kind =
            below(scene, 3) == 0 ? CALL_ALLOC : (enum call_kind)below(scene, CALL_KINDS);
        struct call call = draw_call(scene, kind);
        struct tiny tiny = scene->tiny;
        if (call_makes_sense(&tiny, &call) &&
            tiny_do(&tiny, &call, &scene->rules, scene->rules.slack, &alone)) {
            scene->tiny = tiny;
            scene->made[scene->count++] = call;
        }
    }
}

struct event {
    uint64_t time;
    uint32_t call;
    bool returned;
};

static int event_compare(const void *left, const void *right)
{
    const struct event *a = left;
    const struct event *b = right;
    return a->time < b->time ? -1 : a->time > b->time;
}

/* Whether call @number may not have returned: what an allocation granted is nobody's to free,
 * split, move or put then, but who saw it may. */
static bool call_may_be_pending(const struct scene *scene, uint32_t number)
{
    const struct call *call = &scene->made[number];
    bool may = call->kind != CALL_CONTIG;
    for (uint32_t i = 0; i < scene->count && call->kind == CALL_ALLOC; i++) {
        const struct call *other = &scene->made[i];
        bool owners = other->kind == CALL_FREE || other->kind == CALL_SPLIT ||
                      other->kind == CALL_MOVE || other->kind == CALL_PUT ||
                      other->kind == CALL_DROP;
        may = may && !owners;
    }
    return may;
}

/* Gives each call to one of @threads and more time, around its turn, and records all that. One of
 * the calls that are the last of their threads may not return. */
static void scene_widen(struct scene *scene, uint32_t threads, bool pending)
{
    enum { TURN = 1 << 20 };
    struct event events[2 * CALLS];
    struct call *recorded[CALLS];
    uint64_t idle[CALLS] = {0}; /* since when each thread is */
    uint32_t thread[CALLS];
    uint32_t events_count = 0;
    for (uint32_t i = 0; i < scene->count; i++) {
        thread[i] = (uint32_t)below(scene, threads);
    }
    for (uint32_t i = 0; i < scene->count; i++) {
        uint32_t next = i + 1;
        while (next < scene->count && thread[next] != thread[i]) {
            next++;
        }
        uint64_t turn = (i + (uint64_t)1) * TURN;
        uint64_t begin = turn - below(scene, turn - idle[thread[i]]);
        uint64_t end = turn + 1 + below(scene, (next - i) * (uint64_t)TURN - 2);
        idle[thread[i]] = end;
        events[events_count++] = (struct event){begin, i, false};
        bool returns = next < scene->count || !pending || !call_may_be_pending(scene, i);
        if (returns) {
            events[events_count++] = (struct event){end, i, true};
        }
        pending = pending && returns;
    }
    qsort(events, events_count, sizeof(*events), event_compare);
    calls_clear(&scene->calls);
    for (uint32_t i = 0; i < events_count; i++) {
        uint32_t number = events[i].call;
        if (events[i].returned) {
            calls_end(&scene->calls, recorded[number], i);
            continue;
        }
        struct call *call = calls_begin(&scene->calls, scene->made[number].kind, thread[number], i);
        struct call made = scene->made[number];
        made.thread = thread[number];
        made.invoked = call->invoked;
        made.returned = call->returned;
        *call = made;
        recorded[number] = call;
    }
}

/* Changes one answer. */
static void scene_falsify(struct scene *scene)
{
    struct call *call = &scene->made[below(scene, scene->count)];
    struct call other = draw_call(scene, call->kind);
    switch (call->kind) {
    case CALL_FREE:
    case CALL_CONTIG_FREE:
    case CALL_DROP:
        return;
    case CALL_ALLOC:
    case CALL_CONTIG:
        call->status = below(scene, 3) == 0 ? other.status : call->status;
        call->pfn = other.pfn & ~(order_frames(call->order) - 1);
        return;
    case CALL_LOOKUP:
    case CALL_TRYGET:
        other.pfn = call->pfn;
        if (below(scene, 2) == 0) {
            other.seen = call->seen;
        }
        *call = other;
        return;
    case CALL_PUT:
        call->last = !call->last;
        return;
    default:
        call->status = other.status;
        return;
    }
}

/* --- all orders ---------------------------------------------------------------------------- */

static bool orders_search(struct scene *scene, const struct tiny *tiny, uint64_t done);

/* Whether @call, number @number, can be next, and the rest after it. */
static bool orders_go_on(struct scene *scene, const struct tiny *tiny, uint64_t done,
                         uint32_t number, const struct call *call)
{
    struct turn beside = {.beside_move = false};
    uint64_t slack = scene->rules.slack;
    for (uint32_t i = 0; i < scene->calls.count; i++) {
        const struct call *other = &scene->calls.calls[i];
        if (other->kind == CALL_ALLOC && other->returned == CALL_PENDING) {
            slack = FRAMES;
        }
        if (i != number && other->invoked < call->returned && call->invoked < other->returned) {
            beside.beside_move = beside.beside_move || other->kind == CALL_MOVE;
            beside.beside_tryget = beside.beside_tryget || other->kind == CALL_TRYGET;
        }
    }
    struct tiny next = *tiny;
    return tiny_do(&next, call, &scene->rules, slack, &beside) &&
           orders_search(scene, &next, done | (uint64_t)1 << number);
}

/* Whether call @number, which never returned, can have been next. */
static bool orders_guess(struct scene *scene, const struct tiny *tiny, uint64_t done,
                         uint32_t number)
{
    struct call call = scene->calls.calls[number];
    call.status = STATUS_OK;
    call.found = true;
    call.seen.frames = 0;
    for (pfn_t guess = 0; guess < FRAMES; guess++) {
        call.last = guess % 2 != 0;
        if (call.kind == CALL_ALLOC) {
            call.pfn = guess;
        }
        if (call.kind == CALL_TRYGET) {
            call.descriptor = guess % NAMES;
        }
        if (call.kind != CALL_LOOKUP && orders_go_on(scene, tiny, done, number, &call)) {
            return true;
        }
    }
    return false;
}

/* Whether there is an order of the calls that are not in @done. */
static bool orders_search(struct scene *scene, const struct tiny *tiny, uint64_t done)
{
    const struct calls *calls = &scene->calls;
    bool left = false;
    for (uint32_t i = 0; i < calls->count; i++) {
        const struct call *call = &calls->calls[i];
        bool early = (done >> i & 1) == 0;
        left = left || (early && call->returned != CALL_PENDING);
        for (uint32_t j = 0; j < calls->count && early; j++) {
            early = (done >> j & 1) != 0 || calls->calls[j].returned > call->invoked;
        }
        if (!early) {
            continue;
        }
        bool goes_on = call->returned == CALL_PENDING ? orders_guess(scene, tiny, done, i)
                                                      : orders_go_on(scene, tiny, done, i, call);
        if (goes_on) {
            return true;
        }
    }
    return !left;
}

/* --- tests --------------------------------------------------------------------------------- */

static int open_scene(void **state)
{
    static struct scene scene;
    random_init(&scene.random, 1, 0);
    *state = &scene;
    bool calls = calls_open(&scene.calls, CALLS);
    bool linear = linear_open(&scene.linear, SEEN_BITS);
    return frames_judge_open(&scene.frames, 0, FRAMES, CALLS) && calls && linear ? 0 : -1;
}

static int close_scene(void **state)
{
    struct scene *scene = *state;
    calls_close(&scene->calls);
    linear_close(&scene->linear);
    frames_judge_close(&scene->frames);
    return 0;
}

static uint64_t histories(uint64_t usual)
{
    const char *text = getenv("POTAD_LINEAR_HISTORIES");
    return text != NULL ? strtoull(text, NULL, 10) : usual;
}

static enum linear_answer judge(struct scene *scene)
{
    return judge_linear(&scene->linear, &scene->calls, &scene->rules);
}

/* Whether @call grants frames, or gives some back, or both. */
static bool call_changes_owner(const struct call *call)
{
    return call->kind == CALL_ALLOC || call->kind == CALL_CONTIG || call->kind == CALL_SPLIT ||
           call->kind == CALL_MOVE || call->kind == CALL_FREE || call->kind == CALL_CONTIG_FREE;
}

/* Whether everybody who gives something back had been told of it before he began, as it is when
 * these are not just calls that were given more time. */
static bool history_is_causal(const struct calls *calls)
{
    for (uint32_t i = 0; i < calls->count; i++) {
        const struct call *back = &calls->calls[i];
        for (uint32_t j = 0; j < calls->count; j++) {
            const struct call *grant = &calls->calls[j];
            pfn_t pfn = grant->kind == CALL_MOVE ? grant->to : grant->pfn;
            if (i != j && call_changes_owner(back) && call_changes_owner(grant) &&
                back->kind != CALL_ALLOC && back->kind != CALL_CONTIG && grant->kind != CALL_FREE &&
                grant->kind != CALL_CONTIG_FREE && grant->returned > back->invoked &&
                (grant->status == STATUS_OK || call_is_pending(grant)) &&
                frames_meet(back->pfn, call_frames(back), pfn, call_frames(grant))) {
                return false;
            }
        }
    }
    return true;
}

/* What frames.h finds; nothing where that is not for it to judge. */
static enum finding find(struct scene *scene)
{
    if (!history_is_causal(&scene->calls)) {
        return FINDINGS;
    }
    return judge_frames(&scene->frames, &scene->calls, &scene->rules);
}

static void print_history(const struct scene *scene)
{
    char text[CALL_TEXT_MAX];
    for (uint32_t i = 0; i < scene->calls.count; i++) {
        const struct call *call = &scene->calls.calls[i];
        print_error("%u: %u-%u %s\n", i, call->invoked, call->returned, call_describe(call, text));
    }
    print_error("slack %u, keeps %u, metadata %u; the judge came to", (unsigned)scene->rules.slack,
                scene->rules.keeps, scene->rules.metadata);
    for (uint32_t i = 0; i < scene->linear.prefix_count; i++) {
        print_error(" %u", scene->linear.prefix[i]);
    }
    print_error("; then none of");
    for (uint32_t i = 0; i < scene->linear.stuck_count; i++) {
        print_error(" %u", scene->linear.stuck[i]);
    }
    print_error("\n");
}

static void linear_widened_histories_are_linearizable(void **state)
{
    struct scene *scene = *state;
    for (uint64_t i = 0; i < histories(10000); i++) {
        scene_make(scene, 2 + (uint32_t)below(scene, CALLS - 2));
        scene_widen(scene, 2 + (uint32_t)below(scene, 3), below(scene, 4) == 0);
        if (judge(scene) != LINEAR_YES || find(scene) != FINDINGS) {
            print_error("found in frames: %u\n", (unsigned)find(scene));
            print_history(scene);
            fail();
        }
    }
}

static void linear_agrees_with_all_orders(void **state)
{
    struct scene *scene = *state;
    uint64_t count = histories(20000);
    uint64_t not = 0;
    uint64_t found = 0;
    for (uint64_t i = 0; i < count; i++) {
        scene_make(scene, 2 + (uint32_t)below(scene, 6));
        scene_falsify(scene);
        scene_widen(scene, 2 + (uint32_t)below(scene, 3), below(scene, 3) == 0);
        struct tiny nothing = {.blocks_count = 0};
        bool linear = orders_search(scene, &nothing, 0);
        bool finds = find(scene) != FINDINGS;
        if (judge(scene) != (linear ? LINEAR_YES : LINEAR_NO) || (linear && finds)) {
            print_error("there is %s order; found in frames: %u\n", linear ? "an" : "no",
                        (unsigned)find(scene));
            print_history(scene);
            fail();
        }
        not += linear ? 0 : 1;
        found += finds ? 1 : 0;
    }
    assert_in_range(not, count / 10, count / 10 * 9);
    assert_in_range(found, count / 20, not );
}

/* Prints how long a history takes, if asked to. */
static void print_speed(const char *what, double seconds, uint64_t count)
{
    if (getenv("POTAD_LINEAR_SPEED") != NULL) {
        print_message("%s: %.2f us\n", what, seconds * 1e6 / (double)count);
    }
}

/* What follows every execution of the explorer. */
static void linear_speed_of_usual_histories(void **state)
{
    enum { KINDS = 200, TIMES = 20 };
    struct scene *scene = *state;
    double linear = 0;
    double frames = 0;
    for (uint32_t i = 0; i < KINDS; i++) {
        do {
            scene_make(scene, 12);
            scene_widen(scene, 3, false);
        } while (!history_is_causal(&scene->calls));
        double begin = clock_seconds();
        for (uint32_t j = 0; j < TIMES; j++) {
            assert_int_equal(judge(scene), LINEAR_YES);
        }
        double middle = clock_seconds();
        for (uint32_t j = 0; j < TIMES; j++) {
            assert_int_equal(judge_frames(&scene->frames, &scene->calls, &scene->rules), FINDINGS);
        }
        linear += middle - begin;
        frames += clock_seconds() - middle;
    }
    print_speed("12 calls of 3 threads, linear", linear, (uint64_t)KINDS * TIMES);
    print_speed("12 calls of 3 threads, frames", frames, (uint64_t)KINDS * TIMES);
}

/* 20 calls at a time, one of which was wrong after any of the others: every set is looked at. */
static void linear_speed_of_the_worst(void **state)
{
    static const struct call_span wide = {0, 64, 0};
    struct scene *scene = *state;
    struct call *open[CALLS];
    scene->rules = (struct call_rules){.spans = &wide, .spans_count = 1};
    calls_clear(&scene->calls);
    for (uint32_t i = 0; i < CALLS; i++) {
        open[i] = calls_begin(&scene->calls, CALL_ALLOC, i, i);
        open[i]->zones = 1;
        open[i]->pfn = i;
    }
    open[0]->status = STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < CALLS; i++) {
        calls_end(&scene->calls, open[i], i);
    }
    double begin = clock_seconds();
    assert_int_equal(judge(scene), LINEAR_NO);
    print_speed("20 calls at a time, one of them wrong", clock_seconds() - begin, 1);
    assert_int_equal(scene->linear.prefix_count, CALLS - 1);
    open[0]->status = STATUS_OK;
    begin = clock_seconds();
    assert_int_equal(judge(scene), LINEAR_YES);
    print_speed("20 calls at a time, right", clock_seconds() - begin, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_widened_histories_are_linearizable),
        cmocka_unit_test(linear_agrees_with_all_orders),
        cmocka_unit_test(linear_speed_of_usual_histories),
        cmocka_unit_test(linear_speed_of_the_worst),
    };
    return cmocka_run_group_tests(tests, open_scene, close_scene);
}
