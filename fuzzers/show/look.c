/* SPDX-License-Identifier: MIT */
#include "fuzzers/show/look.h"

const struct look_style look_styles[LOOKS] = {
#define X(id, key, letter, hatch, light, dark, label)                                              \
    [id] = {key, letter, hatch, light, dark, label},
    LOOK_TABLE(X)
#undef X
};
