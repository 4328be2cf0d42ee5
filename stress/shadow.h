/* SPDX-License-Identifier: MIT
 *
 * shadow.h: who owns each frame, kept beside the subject: nothing is ever written into a block.
 * One word a frame of the map's span, and one more that says whether the frame is accepted.
 *
 *   cookie   63            48 47                         0
 *           +----------------+----------------------------+
 *           | thread + 1     | serial number of the item  |    0 in the upper part: see below
 *           +----------------+----------------------------+
 */
#ifndef POTAD_STRESS_SHADOW_H
#define POTAD_STRESS_SHADOW_H

#include "core/boot_map.h"
#include "stress/relaxed.h"

typedef uint64_t cookie_t;

enum {
    COOKIE_FREE = 0,
    COOKIE_SUBJECT = 1, /* exposed: the subject's metadata or slab objects */
    COOKIE_HOLE = 2,    /* no memory is here */
    COOKIE_ABSENT = 3,  /* of a zone that is not there */
    COOKIE_SERIAL_BITS = 48,
    COOKIE_TEXT_MAX = 48
};

struct shadow {
    pfn_t start;
    uint64_t frames;
    relaxed_word_t *owners;   /* cookies */
    relaxed_word_t *accepted; /* 0 or 1 */
    relaxed_word_t *failed;   /* 0, or the number of the failure: see world.h */
};

/* A frame whose owner is not the one that was expected. */
struct shadow_conflict {
    pfn_t pfn;
    cookie_t cookie; /* its owner */
};

/* @serial: cut to COOKIE_SERIAL_BITS. */
static inline cookie_t cookie_make(unsigned thread, uint64_t serial)
{
    uint64_t mask = ((uint64_t)1 << COOKIE_SERIAL_BITS) - 1;
    return ((uint64_t)thread + 1) << COOKIE_SERIAL_BITS | (serial & mask);
}

/* Whether a thread of the run owns what has @cookie. */
static inline bool cookie_is_thread(cookie_t cookie)
{
    return cookie >> COOKIE_SERIAL_BITS != 0;
}

/* Writes who @cookie is into @text, of COOKIE_TEXT_MAX bytes. Return: @text. */
const char *cookie_describe(cookie_t cookie, char *text);

/* Makes the table of @map, all memory free. Return: false where there is no memory for it. */
bool shadow_open(struct shadow *shadow, const struct boot_map *map)
    __attribute__((warn_unused_result));
void shadow_close(struct shadow *shadow);

/* All memory is free and as accepted as @map says, again. Context: no other thread. */
void shadow_reset(struct shadow *shadow, const struct boot_map *map);

/* Gives @frames frames from @pfn, free until now, to @cookie. Context of this and all below: any
 * thread. Return: whether they were free; if not, the first that was not is in @conflict. */
bool shadow_claim(struct shadow *shadow, pfn_t pfn, uint64_t frames, cookie_t cookie,
                  struct shadow_conflict *conflict) __attribute__((warn_unused_result));

/* Makes @frames frames from @pfn, @cookie's until now, free. Call it before the subject may give
 * them out again. Return: whether they were @cookie's; if not, the first that was not is in
 * @conflict and left alone. */
bool shadow_release(struct shadow *shadow, pfn_t pfn, uint64_t frames, cookie_t cookie,
                    struct shadow_conflict *conflict) __attribute__((warn_unused_result));

/* The frames of a zone that comes, or has gone. Return: as shadow_claim(). */
bool shadow_arrive(struct shadow *shadow, pfn_t pfn, uint64_t frames,
                   struct shadow_conflict *conflict) __attribute__((warn_unused_result));
bool shadow_leave(struct shadow *shadow, pfn_t pfn, uint64_t frames,
                  struct shadow_conflict *conflict) __attribute__((warn_unused_result));

/* Notes that @frames frames from @pfn, which are not there, are not accepted any more. */
void shadow_forget(struct shadow *shadow, pfn_t pfn, uint64_t frames);

/* Frame @pfn of the table has failed, as number @number; 0: it is sound again. */
static inline void shadow_set_failed(struct shadow *shadow, pfn_t pfn, uint64_t number)
{
    relaxed_store(&shadow->failed[pfn - shadow->start], number);
}

/* The number of the failure of frame @pfn of the table, or 0. */
static inline uint64_t shadow_failed(const struct shadow *shadow, pfn_t pfn)
{
    return relaxed_load(&shadow->failed[pfn - shadow->start]);
}

/* Notes that @frames frames from @pfn are accepted. Return: whether none was before. */
bool shadow_accept(struct shadow *shadow, pfn_t pfn, uint64_t frames)
    __attribute__((warn_unused_result));

/* Whether all of @frames frames from @pfn are accepted. */
bool shadow_is_accepted(const struct shadow *shadow, pfn_t pfn, uint64_t frames);

/* Return: the owner of @pfn, COOKIE_HOLE for a frame outside of the table. */
cookie_t shadow_owner(const struct shadow *shadow, pfn_t pfn);

#endif
