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
