/* SPDX-License-Identifier: MIT
 *
 * epoch.h: grace periods for readers that take no lock. A reader encloses its reading in a section;
 * a writer that has unlinked something retires it, and gets it back for good when all sections
 * that could have seen it have ended.
 *
 *            slot 0    slot 1    slot 2          now = 7
 *          +---------+---------+---------+
 *          |    0    |    5    |    7    |       0: no section; else the epoch in which it began
 *          +---------+---------+---------+
 *
 *   The oldest section began in epoch 5: what was unlinked before the step to epoch 6 may still be
 *   read there, what was unlinked before the step to epoch 5 may not.
 *
 * No fences: ThreadSanitizer cannot see them. See epoch_enter() for why none is needed.
 */
#ifndef POTAD_CORE_EPOCH_H
#define POTAD_CORE_EPOCH_H

#include "core/check.h"
#include "core/sync.h"
#include "core/types.h"

enum {
    EPOCH_SLOTS = 64, /* sections that can be open at a time; more wait */
    CACHE_LINE = 64
};

struct epoch_slot {
    _Alignas(CACHE_LINE) atomic_word_t entered; /* epoch, or 0 */
};

struct epoch {
    atomic_word_t now;  /* from 1 */
    atomic_word_t used; /* bit n: slot n was used at least once */
    struct epoch_slot slots[EPOCH_SLOTS];
};

/* What is retired starts with, or contains, a link. */
struct epoch_link {
    struct epoch_link *next;
};

struct epoch_list {
    struct epoch_link *first;
    uint64_t count;
};

/* What one writer has retired. Context of all that takes one: the writer's lock. */
struct epoch_queue {
    struct epoch *epoch;
    struct epoch_list fresh;   /* retired since the last step */
    struct epoch_list waiting; /* for all sections to be of @target or later */
    uint64_t target;
};

/* The section that keeps a grace period from ending. */
struct epoch_stall {
    uint32_t slot;
    uint64_t entered;
    uint64_t behind; /* steps of the epoch since */
};

void epoch_init(struct epoch *epoch);

/* Begins a section: what is reachable now stays readable until epoch_exit(). Sections of one thread
 * may nest; each has a slot. @hint: threads that give different ones share no cache line.
 * Context: any thread; spins while all slots are taken. Return: the section. */
struct epoch_slot *epoch_enter(struct epoch *epoch, uint32_t hint);

static inline void epoch_exit(struct epoch_slot *section)
{
    /* Pairs with the load in oldest_section(). */
    atomic_word_release(&section->entered, 0);
}

/* A hint that is the thread's own as far as its stack is. */
static inline uint32_t epoch_hint(void)
{
#ifdef POTAD_EXPLORED
    uint32_t hint;
    if (port_sync_hint(&hint)) {
        return hint;
    }
#endif
    uint64_t stack = (uint64_t)(uintptr_t)__builtin_frame_address(0) >> 16;
    return (uint32_t)(stack * 0x9e3779b97f4a7c15U >> 58);
}

void epoch_queue_init(struct epoch_queue *queue, struct epoch *epoch);

/* Retires what @link belongs to, which no new section can reach. */
void epoch_retire(struct epoch_queue *queue, struct epoch_link *link);

/* Moves all whose grace period has ended to @ended; starts a grace period for the rest, if none
 * runs. Never waits. */
void epoch_poll(struct epoch_queue *queue, struct epoch_list *ended);

/* Moves all to @ended. Context: all sections that were open when they were retired have ended. */
void epoch_queue_end(struct epoch_queue *queue, struct epoch_list *ended);

/* Waits until all sections that are open now have ended, at most @patience looks at them (0: for
 * ever). Return: whether they have; if not, @stall says which is the oldest. */
bool epoch_synchronise(struct epoch *epoch, uint64_t patience, struct epoch_stall *stall)
    __attribute__((warn_unused_result));

/* Finds the oldest open section. Return: whether there is any. */
bool epoch_oldest(const struct epoch *epoch, struct epoch_stall *stall);

static inline void epoch_list_push(struct epoch_list *list, struct epoch_link *link)
{
    link->next = list->first;
    list->first = link;
    list->count++;
}

/* Context: @list is not empty. */
static inline struct epoch_link *epoch_list_pop(struct epoch_list *list)
{
    struct epoch_link *link = list->first;
    ASSERT(link != NULL);
    list->first = link->next;
    list->count--;
    return link;
}

#endif
