/* SPDX-License-Identifier: MIT */
#include "stress/shadow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const char *cookie_describe(cookie_t cookie, char *text)
{
    uint64_t serial = cookie & (((uint64_t)1 << COOKIE_SERIAL_BITS) - 1);
    if (cookie_is_thread(cookie)) {
        uint64_t thread = (cookie >> COOKIE_SERIAL_BITS) - 1;
        snprintf(text, COOKIE_TEXT_MAX, "thread %" PRIu64 " (item %" PRIu64 ")", thread, serial);
        return text;
    }
    switch (cookie) {
    case COOKIE_FREE:
        return "nobody";
    case COOKIE_SUBJECT:
        return "the subject's metadata";
    case COOKIE_ABSENT:
        return "a zone that is not there";
    default:
        return "no memory";
    }
}

bool shadow_open(struct shadow *shadow, const struct boot_map *map)
{
    const struct range *last = &map->ranges[map->ranges_count - 1];
    shadow->start = map->ranges[0].start;
    shadow->frames = last->start + last->frames - shadow->start;
    shadow->owners = calloc(shadow->frames, sizeof(*shadow->owners));
    shadow->accepted = calloc(shadow->frames, sizeof(*shadow->accepted));
    shadow->failed = calloc(shadow->frames, sizeof(*shadow->failed));
    if (shadow->owners == NULL || shadow->accepted == NULL || shadow->failed == NULL) {
        shadow_close(shadow);
        return false;
    }
    shadow_reset(shadow, map);
    return true;
}

void shadow_close(struct shadow *shadow)
{
    free(shadow->owners);
    free(shadow->accepted);
    free(shadow->failed);
    *shadow = (struct shadow){0};
}

void shadow_reset(struct shadow *shadow, const struct boot_map *map)
{
    for (uint64_t frame = 0; frame < shadow->frames; frame++) {
        relaxed_store(&shadow->owners[frame], COOKIE_HOLE);
        relaxed_store(&shadow->accepted[frame], 0);
        relaxed_store(&shadow->failed[frame], 0);
    }
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        for (uint64_t frame = 0; frame < range->frames; frame++) {
            uint64_t index = range->start - shadow->start + frame;
            bool later = map->zones[range->zone].later;
            relaxed_store(&shadow->owners[index], later ? COOKIE_ABSENT : COOKIE_FREE);
            relaxed_store(&shadow->accepted[index], range->unaccepted ? 0 : 1);
        }
    }
}

static bool shadow_has(const struct shadow *shadow, pfn_t pfn)
{
    return pfn - shadow->start < shadow->frames;
}

/* Puts @to where @from is, frame by frame. Return: whether it was everywhere. */
static bool shadow_change(struct shadow *shadow, pfn_t pfn, uint64_t frames, cookie_t from,
                          cookie_t to, struct shadow_conflict *conflict)
{
    bool all = true;
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        cookie_t seen = COOKIE_HOLE;
        if (shadow_has(shadow, at)) {
            seen = relaxed_replace(&shadow->owners[at - shadow->start], from, to);
        }
        if (seen != from && all) {
            *conflict = (struct shadow_conflict){.pfn = at, .cookie = seen};
            all = false;
        }
    }
    return all;
}

bool shadow_claim(struct shadow *shadow, pfn_t pfn, uint64_t frames, cookie_t cookie,
                  struct shadow_conflict *conflict)
{
    return shadow_change(shadow, pfn, frames, COOKIE_FREE, cookie, conflict);
}

bool shadow_release(struct shadow *shadow, pfn_t pfn, uint64_t frames, cookie_t cookie,
                    struct shadow_conflict *conflict)
{
    return shadow_change(shadow, pfn, frames, cookie, COOKIE_FREE, conflict);
}

bool shadow_arrive(struct shadow *shadow, pfn_t pfn, uint64_t frames,
                   struct shadow_conflict *conflict)
{
    return shadow_change(shadow, pfn, frames, COOKIE_ABSENT, COOKIE_FREE, conflict);
}

bool shadow_leave(struct shadow *shadow, pfn_t pfn, uint64_t frames,
                  struct shadow_conflict *conflict)
{
    return shadow_change(shadow, pfn, frames, COOKIE_FREE, COOKIE_ABSENT, conflict);
}

void shadow_forget(struct shadow *shadow, pfn_t pfn, uint64_t frames)
{
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        relaxed_store(&shadow->accepted[at - shadow->start], 0);
    }
}

bool shadow_accept(struct shadow *shadow, pfn_t pfn, uint64_t frames)
{
    bool first = true;
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        first = shadow_has(shadow, at) &&
                relaxed_swap(&shadow->accepted[at - shadow->start], 1) == 0 && first;
    }
    return first;
}

bool shadow_is_accepted(const struct shadow *shadow, pfn_t pfn, uint64_t frames)
{
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        if (!shadow_has(shadow, at) || relaxed_load(&shadow->accepted[at - shadow->start]) == 0) {
            return false;
        }
    }
    return true;
}

cookie_t shadow_owner(const struct shadow *shadow, pfn_t pfn)
{
    return shadow_has(shadow, pfn) ? relaxed_load(&shadow->owners[pfn - shadow->start])
                                   : COOKIE_HOLE;
}
