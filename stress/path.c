/* SPDX-License-Identifier: MIT */
#include "stress/path.h"

static const struct {
    const char *name;
    uint32_t capabilities;
} paths[PATHS] = {
#define X(id, name, capability) [id] = {name, capability},
    PATH_TABLE(X)
#undef X
#define X(id, name, what) [PATH_##id] = {"disturb-" name, 0},
        DISTURB_TABLE(X)
#undef X
#define X(id, name, what) [PATH_##id] = {"fault-" name, 0},
            FAULT_SITE_TABLE(X)
#undef X
#define X(id, name) [PATH_##id] = {"window-" name, 0},
                WINDOW_TABLE(X)
#undef X
#define X(id, name) [PATH_##id] = {name, 0},
                    RANGE_EVENT_TABLE(X)
#undef X
#define X(id, name)                                                                                \
    [PATH_##id] = {name, SUBJECT_EVENTS | ((id) <= CORE_EVENT_OWNER_MET ? SUBJECT_CPUS : 0)},
                        CORE_EVENT_TABLE(X)
#undef X
};

const char *path_name(enum path path)
{
    return paths[path].name;
}

uint32_t path_capabilities(enum path path)
{
    return paths[path].capabilities;
}
