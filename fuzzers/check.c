/* SPDX-License-Identifier: MIT */
#include "fuzzers/check.h"

#include "core/invariant.h"

#include <stddef.h>
#include <string.h>

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

const char *check_sentence_of(const char *name)
{
    static const struct {
        const char *name;
        const char *sentence;
    } all[] = {
#define X(id, name, sentence) {name, sentence},
        CHECK_TABLE(X)
#undef X
#define X(id, number, name, sentence) {name, sentence},
            INVARIANT_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(name, all[i].name) == 0) {
            return all[i].sentence;
        }
    }
    return NULL;
}
