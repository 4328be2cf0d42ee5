/* SPDX-License-Identifier: MIT */
#include "fuzzers/mutate/idioms.h"
const struct idiom idioms[] = {{1, 1, {{IDIOM_ALLOC, 0, MIGRATE_MOVABLE, 1}}}};
const uint32_t idioms_count = 1;
