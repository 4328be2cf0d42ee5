/* SPDX-License-Identifier: MIT
 *
 * subject_range.h: the allocator of core/ with a range tree and spaces over it, as one instance.
 */
#ifndef POTAD_FUZZERS_SUBJECT_RANGE_H
#define POTAD_FUZZERS_SUBJECT_RANGE_H

#include "core/range_cache.h"
#include "fuzzers/subject.h"

struct subject_tree {
    struct range_tree tree;
    struct range_cache nodes;
    struct range_source source; /* passes on to that of nodes, and to step */
    void (*step)(void *context);
    void *step_context;
    struct epoch epoch;
};

struct subject_core_instance {
    struct potad potad; /* first: subject_core.c works on it alone */
    struct subject_tree tree;
    struct potad_space spaces[SUBJECT_SPACES_MAX];
};

extern const struct subject_range_ops subject_core_range;

#endif
