/* SPDX-License-Identifier: MIT */
#include "stress/workload.h"

#include <string.h>

#define X(name) extern const struct workload workload_##name;
WORKLOAD_TABLE(X)
#undef X

const struct workload *const workloads[] = {
#define X(name) &workload_##name,
    WORKLOAD_TABLE(X)
#undef X
        NULL};

const struct workload *workload_find(const char *name)
{
    for (const struct workload *const *workload = workloads; *workload != NULL; workload++) {
        if (strcmp((*workload)->name, name) == 0) {
            return *workload;
        }
    }
    return NULL;
}
