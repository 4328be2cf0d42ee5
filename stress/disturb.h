/* SPDX-License-Identifier: MIT
 *
 * disturb.h: what threads of a run are disturbed by, on request, so that they meet in more ways
 * than the system's own timing has them. A thread that is to be disturbed has a struct disturber,
 * to which port_explored.c hands each of its atomics and locks before it happens.
 *
 * None of this orders the threads: all that it writes is the thread's own, but for counters.
 */
#ifndef POTAD_STRESS_DISTURB_H
#define POTAD_STRESS_DISTURB_H

#include "core/sync.h"
#include "stress/random.h"
#include "stress/relaxed.h"

struct sync_place;

/* X(id, name, what it does) */
#define DISTURB_TABLE(X)                                                                           \
    X(DISTURB_DELAY, "delay", "a thread rests right before an atomic or a lock")                   \
    X(DISTURB_STUTTER, "stutter", "it does so several times in a row, in one operation")           \
    X(DISTURB_STALL, "stall", "it stays in an epoch section, or in its CPU's lists, for long")     \
    X(DISTURB_AFFINITY, "affinity", "threads are moved from processor to processor")               \
    X(DISTURB_EXHAUST, "exhaust", "one takes nearly all memory for a moment, and gives it back")   \
    X(DISTURB_HOTPLUG, "hotplug", "a thread's own CPU goes offline, and online again")

enum disturbance {
#define X(id, name, what) id,
    DISTURB_TABLE(X)
#undef X
        DISTURBANCES
};

enum {
    DISTURB_PLACES = 2048,  /* lines of the source that a thread keeps count of */
    DISTURB_TEXT_MAX = 100, /* of a list of names */
    DISTURB_ERROR_MAX = 160
};

/* What was asked for. */
struct disturb_list {
    uint32_t asked; /* bits by enum disturbance */
    bool all;       /* those of them that make sense */
};

/* How often a thread has come to a place, and when it is to rest there. */
struct disturb_place {
    const struct sync_place *place; /* NULL: none yet */
    uint32_t role;
    uint64_t met;
    uint64_t due; /* the value of met */
};

struct disturber {
    uint32_t asked;
    struct random random;
    relaxed_word_t counts[DISTURBANCES]; /* written by this thread, or by who moves it */
    struct disturb_place *at;            /* where it is */
    bool in_section;                     /* of an epoch */
    uint64_t burst;                      /* rests of a stutter that are left */
    uint64_t burst_rests;                /* that it had so far */
    uint64_t stall_in;                   /* times that it could stall until it looks at the clock */
    double rest_from;                    /* clock_seconds(): it has rested enough until then */
    double stall_from;
    struct disturb_place places[DISTURB_PLACES];
};

/* This thread's, or NULL: port.h's functions are not told who calls. */
extern _Thread_local struct disturber *disturber_current;

const char *disturb_name(enum disturbance disturbance);
const char *disturb_summary(enum disturbance disturbance);

/* Reads names with commas between them, or "all". Return: whether there are such; if not, @error,
 * of DISTURB_ERROR_MAX bytes, says which is none. */
bool disturb_parse(const char *text, struct disturb_list *list, char *error)
    __attribute__((warn_unused_result));

/* Writes the names of @asked, as disturb_parse() reads them, into @text of DISTURB_TEXT_MAX bytes.
 */
void disturb_write(uint32_t asked, char *text);

/* Makes thread number @index's; all its choices come from @seed. */
void disturber_init(struct disturber *disturber, uint32_t asked, uint64_t seed, unsigned index);

/* It is about to do what @place says. Context: locks of the subject may be held. */
void disturber_step(struct disturber *disturber, const struct sync_place *place);

/* It has loaded @value there, right behind disturber_step(). */
void disturber_loaded(struct disturber *disturber, uint64_t value);

/* What follows is another operation. */
static inline void disturber_next(struct disturber *disturber)
{
    disturber->burst = 0;
}

static inline bool disturber_asks(const struct disturber *disturber, enum disturbance disturbance)
{
    return (disturber->asked >> disturbance & 1) != 0;
}

static inline void disturber_count(struct disturber *disturber, enum disturbance disturbance)
{
    relaxed_count(&disturber->counts[disturbance], 1);
}

#endif
