/* SPDX-License-Identifier: MIT */
#include "core/invariant.h"

const char *invariant_name(enum invariant invariant)
{
    switch (invariant) {
#define X(id, number, name, sentence)                                                              \
    case id:                                                                                       \
        return name;
        INVARIANT_TABLE(X)
#undef X
    default:
        return "none";
    }
}
