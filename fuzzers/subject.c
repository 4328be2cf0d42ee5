/* SPDX-License-Identifier: MIT */
#include "fuzzers/subject.h"

#include <string.h>

extern const struct subject subject_core;
extern const struct subject subject_core_tree;
extern const struct subject subject_core_both;

const struct subject *const subjects[] = {&subject_core, &subject_core_tree, &subject_core_both,
                                          NULL};

const struct subject *subject_find(const char *name)
{
    for (const struct subject *const *subject = subjects; *subject != NULL; subject++) {
        if (strcmp((*subject)->name, name) == 0) {
            return *subject;
        }
    }
    return NULL;
}

static void add_blocks(const struct subject *subject, void *instance, zone_id_t zone, unsigned area,
                       order_t orders, uint64_t *sum)
{
    const uint64_t *blocks = subject->free_blocks(instance, zone, area);
    for (order_t order = 0; blocks != NULL && order < orders; order++) {
        sum[order] += blocks[order];
    }
}

void subject_count_blocks(const struct subject *subject, void *instance, zone_id_t zone,
                          order_t orders, struct subject_blocks *blocks)
{
    for (order_t order = 0; order < orders; order++) {
        blocks->accepted[order] = 0;
        blocks->cma[order] = 0;
        blocks->unaccepted[order] = 0;
    }
    for (unsigned area = 0; area < MIGRATETYPES; area++) {
        add_blocks(subject, instance, zone, area, orders, blocks->accepted);
    }
    add_blocks(subject, instance, zone, AREA_CMA, orders, blocks->cma);
    add_blocks(subject, instance, zone, AREA_UNACCEPTED, orders, blocks->unaccepted);
}
