/* SPDX-License-Identifier: MIT */
#include "fuzzers/check.h"

#include "core/invariant.h"

#include <string.h>

static const struct named_sentence checks[CHECKS] = {
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

const char *named_sentence_find(const struct named_sentence *all, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, all[i].name) == 0) {
            return all[i].sentence;
        }
    }
    return NULL;
}

const char *check_sentence_of(const char *name)
{
    static const struct named_sentence all[] = {
#define X(id, name, sentence) {name, sentence},
        CHECK_TABLE(X)
#undef X
#define X(id, number, name, sentence) {name, sentence},
            INVARIANT_TABLE(X)
#undef X
    };
    return named_sentence_find(all, sizeof(all) / sizeof(all[0]), name);
}
