/* SPDX-License-Identifier: MIT */
#include "fuzzers/show/timeline.h"

#include <stdlib.h>
#include <string.h>

void timeline_free(struct timeline *timeline)
{
    free(timeline->steps);
    free(timeline->spans);
    free(timeline->counts);
    free(timeline->views);
    *timeline = (struct timeline){0};
}

void span_list_add(struct span_list *list, const struct shown_span *span, bool joins)
{
    struct shown_span *last = list->count > 0 ? &list->spans[list->count - 1] : NULL;
    if (joins && last != NULL && last->look == span->look && last->order == span->order &&
        last->owner == span->owner && last->type == span->type && last->flags == span->flags) {
        last->frames += span->frames;
        return;
    }
    if (list->count == list->room) {
        list->room = list->room == 0 ? 256 : 2 * list->room;
        list->spans = realloc(list->spans, list->room * sizeof(*list->spans));
        if (list->spans == NULL) {
            fprintf(stderr, "potad: no memory for %u spans\n", list->room);
            abort();
        }
    }
    list->spans[list->count++] = *span;
}

void span_list_free(struct span_list *list)
{
    free(list->spans);
    *list = (struct span_list){0};
}

void span_list_compare(const struct span_list *before, const struct span_list *after,
                       struct span_list *changes)
{
    uint32_t old = 0;
    changes->count = 0;
    for (uint32_t i = 0; i < after->count; i++) {
        const struct shown_span *span = &after->spans[i];
        while (old < before->count && before->spans[old].pfn < span->pfn) {
            old++;
        }
        if (old == before->count || !span_equal(&before->spans[old], span)) {
            span_list_add(changes, span, false);
        }
    }
}

void span_list_apply(struct span_list *list, const struct shown_span *changes, uint32_t count)
{
    struct span_list merged = {0};
    uint32_t old = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct shown_span *change = &changes[i];
        while (old < list->count && list->spans[old].pfn < change->pfn) {
            span_list_add(&merged, &list->spans[old++], false);
        }
        span_list_add(&merged, change, false);
        while (old < list->count && list->spans[old].pfn < change->pfn + change->frames) {
            old++;
        }
    }
    while (old < list->count) {
        span_list_add(&merged, &list->spans[old++], false);
    }
    span_list_free(list);
    *list = merged;
}
