/* SPDX-License-Identifier: MIT
 *
 * lock_order.h: the locks of the core, in the order in which a thread may take them, and the check
 * that it does. This table is the one place that says so; README.md has it in the same words.
 *
 * Only builds with POTAD_CHECK_LOCKS check: sync.h has every lock that is taken or released pass
 * by here, before anybody waits for it, so that what could deadlock with the right company is
 * reported without. In others a lock does not even know its class.
 */
#ifndef POTAD_CORE_LOCK_ORDER_H
#define POTAD_CORE_LOCK_ORDER_H

#include "core/types.h"

/* How locks of one class go with others. */
#define LOCK_RULE_TABLE(X)                                                                         \
    X(LOCK_OUTSIDE, "taken by owners, with none of the core's")                                    \
    X(LOCK_SINGLE, "one of them")                                                                  \
    X(LOCK_ASCENDING, "several, by ascending number")                                              \
    X(LOCK_ALONE, "with none of the core's")                                                       \
    X(LOCK_WITHIN, "inside a CPU's lists, and with nothing else")

enum lock_rule {
#define X(id, words) id,
    LOCK_RULE_TABLE(X)
#undef X
        LOCK_RULES
};

/* Who holds a lock takes those of lines below only, or as the rule says. X(id, rule, name, what) */
#define LOCK_CLASS_TABLE(X)                                                                        \
    X(LOCK_OWNER, LOCK_OUTSIDE, "owner", "any lock of the core's users")                           \
    X(LOCK_DESCRIPTOR, LOCK_OUTSIDE, "descriptor", "the lock bit of an owner's descriptor")        \
    X(LOCK_CPUS, LOCK_SINGLE, "cpus", "which CPUs are online, and that their lists are claimed")   \
    X(LOCK_CACHE_BUDDY, LOCK_SINGLE, "cache-buddy", "the cache of struct buddys")                  \
    X(LOCK_CACHE_SLAB, LOCK_SINGLE, "cache-slab", "the cache of struct slabs")                     \
    X(LOCK_ZONE, LOCK_ASCENDING, "zone", "all of a zone of memory")                                \
    X(LOCK_SPENT, LOCK_SINGLE, "spent", "records that frees have used up")                         \
    X(LOCK_CACHE, LOCK_SINGLE, "cache", "any other cache")                                         \
    X(LOCK_SPACE, LOCK_ALONE, "space", "all of a user's space")                                    \
    X(LOCK_CLAIMS, LOCK_ALONE, "claims", "numbers and frames that zones have")                     \
    X(LOCK_CACHES, LOCK_ALONE, "caches", "the list of caches")                                     \
    X(LOCK_OWNERS, LOCK_ALONE, "owners", "the owners to be told")                                  \
    X(LOCK_CPU_LISTS, LOCK_ALONE, "cpu-lists",                                                     \
      "a CPU's lists, by being inside: no lock, but "                                              \
      "who claims them waits for it")                                                              \
    X(LOCK_DEPOT, LOCK_WITHIN, "depot", "what CPUs keep for each other")

enum lock_class {
#define X(id, rule, name, what) id,
    LOCK_CLASS_TABLE(X)
#undef X
        LOCK_CLASSES
};

enum {
    /* Locks of the owners' own that are noted; what more they hold is not. */
    LOCKS_OWNED_MAX = 8,
    /* And all zones, and one of each class above and below. */
    LOCKS_HELD_MAX = LOCKS_OWNED_MAX + ZONES_MAX + LOCK_CLASSES
};

/* A lock that somebody holds, or asks for. */
struct lock_name {
    const void *lock;
    enum lock_class class;
    uint32_t number; /* of LOCK_ASCENDING: its place among those of its class */
};

/* What one thread holds, in the order in which it took them. All zero: nothing. */
struct lock_held {
    struct lock_name locks[LOCKS_HELD_MAX];
    uint32_t count;
};

/* What can be wrong. X(id, what follows the first lock or the call, and comes before the second) */
#define LOCK_BROKEN_TABLE(X)                                                                       \
    X(LOCK_BROKEN_NONE, "is as it should be")                                                      \
    X(LOCK_BROKEN_ORDER, "is taken by who holds")                                                  \
    X(LOCK_BROKEN_TWICE, "is taken by who holds it already:")                                      \
    X(LOCK_BROKEN_RELEASE, "is released by who does not hold it, but at most")                     \
    X(LOCK_BROKEN_HELD, "covers what is changed by who holds, at most,")                           \
    X(LOCK_BROKEN_CALL, "is called by who holds")

enum lock_broken {
#define X(id, words) id,
    LOCK_BROKEN_TABLE(X)
#undef X
        LOCK_BROKENS
};

/* A lock or a call in words, for those who report it. */
struct lock_words {
    const char *name;
    bool numbered; /* is one of several, with @number */
    uint32_t number;
};

/* The first thing that was found wrong: a sentence of three parts. */
struct lock_violation {
    enum lock_broken broken;
    struct lock_words first; /* what was to be taken or released, or was called */
    const char *is;          /* of LOCK_BROKEN_TABLE */
    struct lock_words held;
};

/* Notes that the thread of @held is about to take @asked. Return: whether it may; if not,
 * @violation says why not, and nothing is noted. */
bool lock_order_take(struct lock_held *held, struct lock_name asked,
                     struct lock_violation *violation);

/* Notes that the thread of @held is about to release @asked. Return: as lock_order_take(). */
bool lock_order_release(struct lock_held *held, struct lock_name asked,
                        struct lock_violation *violation);

/* Checks that the thread of @held has @asked. Return: as lock_order_take(). */
bool lock_order_held(const struct lock_held *held, struct lock_name asked,
                     struct lock_violation *violation);

/* Checks that the thread of @held has no lock of the core while it calls @call, by whose
 * documentation none is held. Return: as lock_order_take(). */
bool lock_order_call(const struct lock_held *held, const char *call,
                     struct lock_violation *violation);

/* What the tables say, for reports: a name, and words. */
const char *lock_class_name(enum lock_class class);
const char *lock_rule_words(enum lock_rule rule);
enum lock_rule lock_class_rule(enum lock_class class);
const char *lock_class_what(enum lock_class class);
const char *lock_broken_words(enum lock_broken broken);

#endif
