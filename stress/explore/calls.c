/* SPDX-License-Identifier: MIT */
#include "stress/explore/calls.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[] = {
#define X(id, name, recorded) [id] = (name),
    CALL_TABLE(X)
#undef X
};

bool calls_open(struct calls *calls, uint32_t max)
{
    *calls = (struct calls){.max = max};
    calls->calls = calloc((size_t)max + 1, sizeof(*calls->calls));
    calls->moments = calloc((size_t)2 * max, sizeof(*calls->moments));
    return calls->calls != NULL && calls->moments != NULL;
}

void calls_close(struct calls *calls)
{
    free(calls->calls);
    free(calls->moments);
    *calls = (struct calls){0};
}

void calls_clear(struct calls *calls)
{
    calls->count = 0;
    calls->moment = 0;
    calls->lost = 0;
}

struct call *calls_begin(struct calls *calls, enum call_kind kind, uint32_t thread, uint64_t step)
{
    bool room = calls->count < calls->max;
    struct call *call = &calls->calls[room ? calls->count : calls->max];
    *call = (struct call){
        .kind = kind,
        .thread = thread,
        .invoked = calls->moment,
        .returned = CALL_PENDING,
        .step_invoked = step,
    };
    if (!room) {
        calls->lost++;
        return call;
    }
    calls->moments[calls->moment++] = 2 * calls->count++;
    return call;
}

void calls_end(struct calls *calls, struct call *call, uint64_t step)
{
    uint32_t number = (uint32_t)(call - calls->calls);
    if (number == calls->max) {
        return;
    }
    call->returned = calls->moment;
    call->step_returned = step;
    calls->moments[calls->moment++] = 2 * number + 1;
}

bool rules_hold_frames(const struct call_rules *rules, pfn_t pfn, uint64_t frames, uint32_t zones)
{
    pfn_t at = pfn; /* up to here all is well, in @zones and in one zone */
    for (uint32_t i = 0; i < rules->spans_count && at < pfn + frames; i++) {
        const struct call_span *span = &rules->spans[i];
        if (at - span->pfn < span->frames && (zones >> span->zone & 1) != 0) {
            at = span->pfn + span->frames;
            zones = (uint32_t)1 << span->zone;
        }
    }
    return frames > 0 && at >= pfn + frames;
}

const char *call_kind_name(enum call_kind kind)
{
    return kind_names[kind];
}

/* What @call was asked to do. */
static void describe_arguments(const struct call *call, char *text, size_t size)
{
    const char *name = call_kind_name(call->kind);
    switch (call->kind) {
    case CALL_ALLOC:
        snprintf(text, size, "%s order %u, descriptor 0x%" PRIx64, name, call->order,
                 call->descriptor);
        return;
    case CALL_CONTIG:
        snprintf(text, size, "%s %" PRIu64 " frames", name, call->frames);
        return;
    case CALL_CONTIG_FREE:
        snprintf(text, size, "%s 0x%" PRIx64 ", %" PRIu64 " frames", name, call->pfn, call->frames);
        return;
    case CALL_FREE:
        snprintf(text, size, "%s 0x%" PRIx64 ", order %u", name, call->pfn, call->order);
        return;
    case CALL_SPLIT:
        snprintf(text, size, "%s 0x%" PRIx64 ", order %u, into %u", name, call->pfn, call->order,
                 call->part);
        return;
    case CALL_MOVE:
        snprintf(text, size, "%s 0x%" PRIx64 ", order %u, to 0x%" PRIx64, name, call->pfn,
                 call->order, call->to);
        return;
    case CALL_PUT:
    case CALL_DROP:
        snprintf(text, size, "%s descriptor 0x%" PRIx64, name, call->descriptor);
        return;
    default:
        snprintf(text, size, "%s 0x%" PRIx64, name, call->pfn);
    }
}

/* What @call, which has returned, was told. */
static void describe_answer(const struct call *call, char *text, size_t size)
{
    switch (call->kind) {
    case CALL_LOOKUP:
    case CALL_TRYGET:
        if (call->found) {
            snprintf(text, size,
                     "0x%" PRIx64 ", %" PRIu64 " frames, type %u, descriptor 0x%" PRIx64 "%s",
                     call->seen.pfn, call->seen.frames, (unsigned)call->type, call->descriptor,
                     call->seen.flawed ? ", flawed" : "");
        } else {
            snprintf(text, size, "none");
        }
        return;
    case CALL_PUT:
        snprintf(text, size, "%s", call->last ? "the last" : "not the last");
        return;
    case CALL_ALLOC:
    case CALL_CONTIG:
        if (call->status == STATUS_OK) {
            snprintf(text, size, "0x%" PRIx64, call->pfn);
            return;
        }
        break;
    default:
        break;
    }
    snprintf(text, size, "status %u", (unsigned)call->status);
}

const char *call_describe(const struct call *call, char *text)
{
    char arguments[CALL_TEXT_MAX / 2];
    char answer[CALL_TEXT_MAX / 2] = "never returned";
    describe_arguments(call, arguments, sizeof(arguments));
    if (!call_is_pending(call)) {
        describe_answer(call, answer, sizeof(answer));
    }
    snprintf(text, CALL_TEXT_MAX, "thread %u, step %" PRIu64 ": %s -> %s", call->thread,
             call->step_invoked, arguments, answer);
    return text;
}
