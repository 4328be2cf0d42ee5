/* SPDX-License-Identifier: MIT */
#include "fuzzers/check.h"

static const struct {
    const char *name;
    const char *sentence;
} checks[CHECKS] = {
#define X(id, name, sentence) [id] = {name, sentence},
    CHECK_TABLE(X)
#undef X
};

const char *check_name(enum check check)
{
    return checks[check].name;
}

const char *check_sentence(enum check check)
{
    return checks[check].sentence;
}
