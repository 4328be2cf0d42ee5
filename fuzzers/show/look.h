/* SPDX-License-Identifier: MIT
 *
 * look.h: how frames are shown: names, letters and colours, in pages and in pictures.
 */
#ifndef POTAD_FUZZERS_SHOW_LOOK_H
#define POTAD_FUZZERS_SHOW_LOOK_H

/* X(id, key, letter, hatch, colour on light, colour on dark, label). No two have the same letter;
 * colours that are near each other have different hatches: none, slash, back, dots or cross. */
#define LOOK_TABLE(X)                                                                              \
    X(LOOK_FREE, "free", "", "none", "#e4f0e6", "#1d3326", "free")                                 \
    X(LOOK_KEPT, "kept", "K", "dots", "#b9dfc3", "#2b5a3d", "free, kept by a CPU")                 \
    X(LOOK_CMA, "cma", "C", "slash", "#d7ecd0", "#274523", "free, CMA")                            \
    X(LOOK_UNACCEPTED, "unaccepted", "N", "back", "#e3e3ef", "#30304a", "free, not accepted")      \
    X(LOOK_UNMOVABLE, "unmovable", "U", "none", "#9ec3ec", "#24558e", "in use, unmovable")         \
    X(LOOK_MOVABLE, "movable", "M", "none", "#f7d38a", "#7d5606", "in use, movable")               \
    X(LOOK_RECLAIMABLE, "reclaimable", "R", "none", "#d8b8f0", "#64378a", "in use, reclaimable")   \
    X(LOOK_OWNED, "owned", "D", "slash", "#f3b391", "#8a4220", "in use, owner's descriptor")       \
    X(LOOK_RUN, "run", "T", "back", "#8fd8d8", "#0f5f63", "in use, run of frames")                 \
    X(LOOK_SLAB, "slab", "S", "dots", "#c9c4bb", "#55504a", "slab")                                \
    X(LOOK_BOOT, "boot", "B", "none", "#b3b0ab", "#45423f", "metadata of the boot")                \
    X(LOOK_POISONED, "poisoned", "X", "cross", "#f2a0a8", "#8c2531", "poisoned")                   \
    X(LOOK_HOLE, "hole", "", "hole", "#f6f6f4", "#121316", "no memory")

enum look {
#define X(id, key, letter, hatch, light, dark, label) id,
    LOOK_TABLE(X)
#undef X
        LOOKS
};

struct look_style {
    const char *key;
    const char *letter;
    const char *hatch;
    const char *light;
    const char *dark;
    const char *label;
};

extern const struct look_style look_styles[LOOKS];

#endif
