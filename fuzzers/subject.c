/* SPDX-License-Identifier: MIT */
#include "fuzzers/subject.h"

#include <string.h>

extern const struct subject subject_core;

const struct subject *const subjects[] = {&subject_core, NULL};

const struct subject *subject_find(const char *name)
{
    for (const struct subject *const *subject = subjects; *subject != NULL; subject++) {
        if (strcmp((*subject)->name, name) == 0) {
            return *subject;
        }
    }
    return NULL;
}
