/* SPDX-License-Identifier: MIT */
#include "core/lock_order.h"

const char *lock_class_name(enum lock_class class)
{
    switch (class) {
#define X(id, rule, name, what)                                                                    \
    case id:                                                                                       \
        return name;
        LOCK_CLASS_TABLE(X)
#undef X
    default:
        return "none";
    }
}

enum lock_rule lock_class_rule(enum lock_class class)
{
    static const enum lock_rule rules[LOCK_CLASSES] = {
#define X(id, rule, name, what) [id] = (rule),
        LOCK_CLASS_TABLE(X)
#undef X
    };
    return class < LOCK_CLASSES ? rules[class] : LOCK_ALONE;
}

const char *lock_class_what(enum lock_class class)
{
    switch (class) {
#define X(id, rule, name, what)                                                                    \
    case id:                                                                                       \
        return what;
        LOCK_CLASS_TABLE(X)
#undef X
    default:
        return "none";
    }
}

const char *lock_rule_words(enum lock_rule rule)
{
    switch (rule) {
#define X(id, words)                                                                               \
    case id:                                                                                       \
        return words;
        LOCK_RULE_TABLE(X)
#undef X
    default:
        return "none";
    }
}

const char *lock_broken_words(enum lock_broken broken)
{
    switch (broken) {
#define X(id, words)                                                                               \
    case id:                                                                                       \
        return words;
        LOCK_BROKEN_TABLE(X)
#undef X
    default:
        return "none";
    }
}

/* @name in words; one without a lock is nothing. */
static struct lock_words words_of(const struct lock_name *name)
{
    return (struct lock_words){
        .name = name->lock == NULL ? "nothing" : lock_class_name(name->class),
        .numbered = name->lock != NULL && lock_class_rule(name->class) == LOCK_ASCENDING,
        .number = name->number,
    };
}

static bool is_of_core(enum lock_class class)
{
    return lock_class_rule(class) != LOCK_OUTSIDE;
}

/* Whether who holds @held may take @asked, another lock. */
static bool may_take(const struct lock_name *held, const struct lock_name *asked)
{
    enum lock_rule rule = lock_class_rule(asked->class);
    if (!is_of_core(held->class)) {
        /* Owners have an order of their own among theirs. */
        return true;
    }
    if (rule == LOCK_WITHIN) {
        return held->class == LOCK_CPU_LISTS;
    }
    if (rule == LOCK_ALONE || lock_class_rule(held->class) == LOCK_ALONE) {
        return false;
    }
    if (held->class == asked->class) {
        return rule == LOCK_ASCENDING && held->number < asked->number;
    }
    return held->class < asked->class;
}

bool lock_order_take(struct lock_held *held, struct lock_name asked,
                     struct lock_violation *violation)
{
    for (uint32_t i = 0; i < held->count; i++) {
        const struct lock_name *before = &held->locks[i];
        bool twice = before->lock == asked.lock;
        if (twice || !may_take(before, &asked)) {
            *violation = (struct lock_violation){
                .broken = twice ? LOCK_BROKEN_TWICE : LOCK_BROKEN_ORDER,
                .first = words_of(&asked),
                .is = lock_broken_words(twice ? LOCK_BROKEN_TWICE : LOCK_BROKEN_ORDER),
                .held = words_of(before),
            };
            return false;
        }
    }
    /* All that are held are owners' in the first case, or it would have been a violation. */
    if (is_of_core(asked.class) || held->count < LOCKS_OWNED_MAX) {
        held->locks[held->count++] = asked;
    }
    return true;
}

/* Says that the thread of @held does not have @asked. Return: false. */
static bool lock_missing(const struct lock_held *held, const struct lock_name *asked,
                         enum lock_broken broken, struct lock_violation *violation)
{
    struct lock_name last = {.lock = NULL};
    if (held->count > 0) {
        last = held->locks[held->count - 1];
    }
    *violation = (struct lock_violation){
        .broken = broken,
        .first = words_of(asked),
        .is = lock_broken_words(broken),
        .held = words_of(&last),
    };
    return false;
}

bool lock_order_release(struct lock_held *held, struct lock_name asked,
                        struct lock_violation *violation)
{
    for (uint32_t i = held->count; i-- > 0;) {
        if (held->locks[i].lock == asked.lock) {
            held->count--;
            for (; i < held->count; i++) {
                held->locks[i] = held->locks[i + 1];
            }
            return true;
        }
    }
    /* Whoever of its users releases a lock of theirs, is theirs to say. */
    return !is_of_core(asked.class) || lock_missing(held, &asked, LOCK_BROKEN_RELEASE, violation);
}

bool lock_order_held(const struct lock_held *held, struct lock_name asked,
                     struct lock_violation *violation)
{
    for (uint32_t i = 0; i < held->count; i++) {
        if (held->locks[i].lock == asked.lock) {
            return true;
        }
    }
    return lock_missing(held, &asked, LOCK_BROKEN_HELD, violation);
}

bool lock_order_call(const struct lock_held *held, const char *call,
                     struct lock_violation *violation)
{
    for (uint32_t i = 0; i < held->count; i++) {
        if (is_of_core(held->locks[i].class)) {
            *violation = (struct lock_violation){
                .broken = LOCK_BROKEN_CALL,
                .first = {.name = call},
                .is = lock_broken_words(LOCK_BROKEN_CALL),
                .held = words_of(&held->locks[i]),
            };
            return false;
        }
    }
    return true;
}
