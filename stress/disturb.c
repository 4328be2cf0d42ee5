/* SPDX-License-Identifier: MIT */
#include "stress/disturb.h"

#include "core/sync_explored.h"
#include "stress/clock.h"

#include <stdio.h>
#include <string.h>

/* What a place is to the one who disturbs. */
enum role {
    ROLE_ANY,
    ROLE_SECTION_BEGINS, /* behind it, the thread is in a section */
    ROLE_SECTION_ENDS,   /* before it, still */
    ROLE_LISTS_LOADED    /* where it finds lists, it is in them */
};

enum {
    PROBES = 32,     /* entries that are looked at for a place */
    STREAM = 1 << 16 /* of random numbers: behind those of the workers */
};

/* When a thread rests: at a place that it has come to n times, once in n / SELDOM times on average,
 * within bounds. So each place gets about as many rests as any other, and those that are hardly
 * ever come to get the most by visit. */
enum { SELDOM = 16, GAP_MIN = 8, GAP_MAX = 1 << 16 };

/* How long: mostly for less than an operation, rarely for many. In microseconds. */
enum {
    SPINS_MAX = 2000,
    SPIN_ONE_IN = 2,
    LONG_ONE_IN = 8,
    SHORT_US = 150,
    LONG_US = 4000,
    STUTTER_US = 60,
    STUTTER_MIN = 3,
    STUTTER_SPAN = 6,
    STALL_ONE_IN = 256,
    STALL_MIN_US = 1000,
    STALL_US = 5000
};

/* How often: it works for so many times as long as it has rested, or stalled. */
static const double work_by_rest = 3;
static const double work_by_stall = 4;

_Thread_local struct disturber *disturber_current;

static const struct {
    const char *name;
    const char *summary;
} disturbances[DISTURBANCES] = {
#define X(id, name, what) [id] = {name, what},
    DISTURB_TABLE(X)
#undef X
};

const char *disturb_name(enum disturbance disturbance)
{
    return disturbances[disturbance].name;
}

const char *disturb_summary(enum disturbance disturbance)
{
    return disturbances[disturbance].summary;
}

/* The disturbance called @name, @length bytes long, as a bit; all bits for "all"; or 0. */
static uint32_t bits_of(const char *name, size_t length)
{
    if (length == strlen("all") && strncmp(name, "all", length) == 0) {
        return ((uint32_t)1 << DISTURBANCES) - 1;
    }
    for (unsigned i = 0; i < DISTURBANCES; i++) {
        const char *known = disturbances[i].name;
        if (strlen(known) == length && strncmp(name, known, length) == 0) {
            return (uint32_t)1 << i;
        }
    }
    return 0;
}

bool disturb_parse(const char *text, struct disturb_list *list, char *error)
{
    *list = (struct disturb_list){.asked = 0};
    for (const char *name = text;; name++) {
        size_t length = strcspn(name, ",");
        uint32_t bits = bits_of(name, length);
        if (bits == 0) {
            char names[DISTURB_TEXT_MAX];
            disturb_write(UINT32_MAX, names);
            snprintf(error, DISTURB_ERROR_MAX, "'%.*s' is none of %s, all",
                     (int)(length < 40 ? length : 40), name, names);
            return false;
        }
        list->asked |= bits;
        list->all = list->all || (bits & (bits - 1)) != 0;
        name += length;
        if (*name == '\0') {
            return true;
        }
    }
}

void disturb_write(uint32_t asked, char *text)
{
    size_t end = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < DISTURBANCES; i++) {
        if ((asked >> i & 1) != 0) {
            end += (size_t)snprintf(text + end, DISTURB_TEXT_MAX - end, "%s%s", end > 0 ? "," : "",
                                    disturbances[i].name);
        }
    }
}

void disturber_init(struct disturber *disturber, uint32_t asked, uint64_t seed, unsigned index)
{
    *disturber = (struct disturber){.asked = asked};
    random_init(&disturber->random, seed, STREAM + (uint64_t)index);
    disturber->stall_in = 1 + random_below(&disturber->random, STALL_ONE_IN);
}

/* Names, because the core does not know that anybody asks; a test asks whether they are there. */
static enum role role_of(const struct sync_place *place)
{
    if (place->kind == SYNC_UPDATE && strcmp(place->function, "slot_claim") == 0 &&
        strcmp(place->what, "&slot->entered") == 0) {
        return ROLE_SECTION_BEGINS;
    }
    if (strcmp(place->function, "epoch_exit") == 0) {
        return ROLE_SECTION_ENDS;
    }
    if (place->kind == SYNC_LOAD && strcmp(place->function, "cpu_cache_enter") == 0) {
        return ROLE_LISTS_LOADED;
    }
    return ROLE_ANY;
}

/* The entry of @place, or NULL: there is no room for it. */
static struct disturb_place *find(struct disturber *disturber, const struct sync_place *place)
{
    uint64_t hash = (uint64_t)(uintptr_t)place * 0x9e3779b97f4a7c15U >> 32;
    for (unsigned i = 0; i < PROBES; i++) {
        struct disturb_place *at = &disturber->places[(hash + i) % DISTURB_PLACES];
        if (at->place == place) {
            return at;
        }
        if (at->place == NULL) {
            *at = (struct disturb_place){
                .place = place,
                .role = role_of(place),
                .due = 1 + random_below(&disturber->random, GAP_MIN),
            };
            return at;
        }
    }
    return NULL;
}

static void sleep_us(uint64_t us)
{
    struct timespec time = {.tv_sec = 0, .tv_nsec = (long)us * 1000};
    nanosleep(&time, NULL);
}

static void spin(uint64_t times)
{
    for (uint64_t i = 0; i < times; i++) {
        relaxed_pin();
    }
}

/* Rests for up to @us, or @long_us where that is more, rarely. */
static void rest(struct disturber *disturber, uint64_t us, uint64_t long_us)
{
    struct random *random = &disturber->random;
    double start = clock_seconds();
    if (random_once_in(random, SPIN_ONE_IN)) {
        spin(random_below(random, SPINS_MAX));
    } else {
        sleep_us(1 + random_below(random, random_once_in(random, LONG_ONE_IN) ? long_us : us));
    }
    double end = clock_seconds();
    disturber->rest_from = end + (end - start) * work_by_rest;
}

/* One more rest of those in a row; it is a stutter from the second on. */
static void stutter(struct disturber *disturber)
{
    disturber->burst--;
    rest(disturber, STUTTER_US, STUTTER_US);
    if (++disturber->burst_rests == 2) {
        disturber_count(disturber, DISTURB_STUTTER);
    }
}

/* The thread has come to @at as often as it should before it rests there. */
static void rest_at(struct disturber *disturber, struct disturb_place *at)
{
    struct random *random = &disturber->random;
    uint64_t gap = at->met / SELDOM;
    gap = gap < GAP_MIN ? GAP_MIN : gap > GAP_MAX ? GAP_MAX : gap;
    at->due = at->met + 1 + random_below(random, 2 * gap);
    bool delays = disturber_asks(disturber, DISTURB_DELAY);
    bool stutters = disturber_asks(disturber, DISTURB_STUTTER);
    if ((!delays && !stutters) || clock_seconds() < disturber->rest_from) {
        return;
    }
    if (stutters && (!delays || random_once_in(random, 2))) {
        disturber->burst = STUTTER_MIN + random_below(random, STUTTER_SPAN);
        disturber->burst_rests = 0;
        stutter(disturber);
    } else {
        rest(disturber, SHORT_US, LONG_US);
        disturber_count(disturber, DISTURB_DELAY);
    }
}

/* Stays where others have to wait for this thread, now and then. */
static void stall(struct disturber *disturber)
{
    struct random *random = &disturber->random;
    if (!disturber_asks(disturber, DISTURB_STALL) || --disturber->stall_in > 0) {
        return;
    }
    disturber->stall_in = 1 + random_below(random, STALL_ONE_IN);
    double start = clock_seconds();
    if (start < disturber->stall_from) {
        return;
    }
    sleep_us(STALL_MIN_US + random_below(random, STALL_US));
    double end = clock_seconds();
    disturber->stall_from = end + (end - start) * work_by_stall;
    disturber_count(disturber, DISTURB_STALL);
}

void disturber_step(struct disturber *disturber, const struct sync_place *place)
{
    struct disturb_place *at = find(disturber, place);
    disturber->at = at;
    if (at == NULL) {
        return;
    }
    at->met++;
    if (disturber->in_section) {
        stall(disturber);
    }
    if (at->role == ROLE_SECTION_BEGINS || at->role == ROLE_SECTION_ENDS) {
        disturber->in_section = at->role == ROLE_SECTION_BEGINS;
    }
    if (disturber->burst > 0) {
        stutter(disturber);
    } else if (at->met >= at->due) {
        rest_at(disturber, at);
    }
}

void disturber_loaded(struct disturber *disturber, uint64_t value)
{
    const struct disturb_place *at = disturber->at;
    if (at != NULL && at->role == ROLE_LISTS_LOADED && value != 0) {
        stall(disturber);
    }
}
