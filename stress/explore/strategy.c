/* SPDX-License-Identifier: MIT */
#include "stress/explore/strategy.h"

#include <stdlib.h>
#include <string.h>

enum { PCT_DEPTH_DEFAULT = 3, BOUND_DEFAULT = 2 };

const char *const strategy_names[] = {"portfolio",   "random",      "sticky", "pos",  "pct2",
                                      "pct3",        "pct4",        "pct5",   "pct6", "exhaustive0",
                                      "exhaustive1", "exhaustive2", NULL};

/* Whether @name is @kind and one digit of @digits, or @kind alone: then *@number stays. */
static bool name_is(const char *name, const char *kind, const char *digits, unsigned *number)
{
    size_t length = strlen(kind);
    if (strncmp(name, kind, length) != 0) {
        return false;
    }
    if (name[length] == '\0') {
        return true;
    }
    if (name[length + 1] != '\0' || strchr(digits, name[length]) == NULL) {
        return false;
    }
    *number = (unsigned)(name[length] - '0');
    return true;
}

struct strategy *strategy_make(const char *name, uint64_t seed)
{
    unsigned number = PCT_DEPTH_DEFAULT;
    if (name_is(name, "pct", "23456", &number)) {
        return strategy_pct(seed, number);
    }
    number = BOUND_DEFAULT;
    if (name_is(name, "exhaustive", "0123", &number)) {
        return strategy_exhaustive(number);
    }
    struct {
        const char *name;
        struct strategy *(*make)(uint64_t seed);
    } const simple[] = {{"portfolio", strategy_portfolio},
                        {"random", strategy_random},
                        {"sticky", strategy_sticky},
                        {"pos", strategy_pos}};
    for (unsigned i = 0; i < sizeof(simple) / sizeof(simple[0]); i++) {
        if (strcmp(name, simple[i].name) == 0) {
            return simple[i].make(seed);
        }
    }
    return NULL;
}
