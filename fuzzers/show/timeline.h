/* SPDX-License-Identifier: MIT
 *
 * timeline.h: what memory looked like before and after each operation of a case, as changes from
 * step to step.
 *
 *   step 0 (boot)     |        free, order 6         |     all of it
 *   step 1            |  in use, 4  |                      what has changed: these replace
 *   step 2                          | u3 |                 whatever was there
 */
#ifndef POTAD_FUZZERS_SHOW_TIMELINE_H
#define POTAD_FUZZERS_SHOW_TIMELINE_H

#include "core/boot_map.h"
#include "fuzzers/show/look.h"

#include <stdio.h>

enum { TIMELINE_NAME_MAX = 64, TIMELINE_TEXT_MAX = 400 };

#define SHOWN_NO_ORDER ((uint8_t)0xff)

/* Of a span: its block has references beside its owner's own; a frame of it has failed; its owner
 * has dropped it. */
enum shown_flag { SHOWN_REFERRED = 1, SHOWN_FAILED = 2, SHOWN_ENDED = 4 };

/* Frames in a row that look the same: a block, or a stretch of something else. */
struct shown_span {
    pfn_t pfn;
    uint64_t frames;
    uint32_t owner; /* the slot of a block in use, the number of a run; 0 for all else */
    uint8_t look;   /* enum look */
    uint8_t order;  /* or SHOWN_NO_ORDER */
    uint8_t type;   /* enum memdesc_type of a block under its owner's descriptor, else 0 */
    uint8_t flags;  /* of enum shown_flag */
};

/* Free blocks of one zone, class and order: what the model has, and what the allocator counts. */
struct shown_count {
    uint8_t zone;
    uint8_t class; /* enum frame_class */
    uint8_t order;
    uint8_t known; /* the allocator counts at all */
    uint64_t model;
    uint64_t subject;
};

/* What else is told of a step. X(id, key, label) */
#define SHOWN_NUMBER_TABLE(X)                                                                      \
    X(NUMBER_FREE, "free frames")                                                                  \
    X(NUMBER_HELD, "blocks in use")                                                                \
    X(NUMBER_METADATA, "metadata frames")                                                          \
    X(NUMBER_SLABS, "slabs")                                                                       \
    X(NUMBER_OBJECTS, "objects in use")                                                            \
    X(NUMBER_SPARE, "spare descriptors")                                                           \
    X(NUMBER_KEPT, "blocks kept by CPUs")                                                          \
    X(NUMBER_POISONED, "poisoned frames")                                                          \
    X(NUMBER_FAULTS, "faults that struck")                                                         \
    X(NUMBER_LIVE, "descriptors in use")                                                           \
    X(NUMBER_LIVE_DUE, "descriptors, by the model")

enum shown_number {
#define X(id, label) id,
    SHOWN_NUMBER_TABLE(X)
#undef X
        SHOWN_NUMBERS
};

struct shown_step {
    uint32_t done; /* operations that have ended: 0 after the boot */
    uint32_t spans_first;
    uint32_t spans_count;
    uint32_t counts_first;
    uint32_t counts_count;
    uint32_t looks[LOOKS]; /* spans of each look: all there are, not only what has changed */
    uint64_t numbers[SHOWN_NUMBERS];
};

/* Empty where nothing was violated. */
struct shown_finding {
    char name[TIMELINE_NAME_MAX];
    char sentence[TIMELINE_TEXT_MAX];
    char detail[TIMELINE_TEXT_MAX];
    uint32_t op; /* as many as the program has: at the end */
};

struct timeline {
    struct boot_map map; /* as the subject was shown it */
    bool booted;
    bool counted; /* the subject counts free blocks and descriptors */
    uint32_t ops; /* of the program */
    struct shown_finding finding;
    struct shown_step *steps;
    struct shown_span *spans;
    struct shown_count *counts;
    struct shown_span *views; /* where lookups and the model differ in the end: what lookups say */
    uint32_t steps_count;
    uint32_t spans_count;
    uint32_t counts_count;
    uint32_t views_count;
};

void timeline_free(struct timeline *timeline);

/* A list of spans by ascending frame, without gaps. */
struct span_list {
    struct shown_span *spans;
    uint32_t count;
    uint32_t room;
};

/* Appends @span, or makes the last one longer where @joins and they look the same. Aborts where
 * there is no memory. */
void span_list_add(struct span_list *list, const struct shown_span *span, bool joins);
void span_list_free(struct span_list *list);

static inline bool span_equal(const struct shown_span *a, const struct shown_span *b)
{
    return a->pfn == b->pfn && a->frames == b->frames && a->owner == b->owner &&
           a->look == b->look && a->order == b->order && a->type == b->type && a->flags == b->flags;
}

/* Fills @changes with the spans of @after that are not in @before. */
void span_list_compare(const struct span_list *before, const struct span_list *after,
                       struct span_list *changes);

/* Has @changes replace what was there in @list: undoes span_list_compare(). */
void span_list_apply(struct span_list *list, const struct shown_span *changes, uint32_t count);

#endif
