/* SPDX-License-Identifier: MIT
 *
 * arena.h: an allocator on a little ordinary memory, for unit tests of the core.
 */
#ifndef POTAD_CORE_TEST_ARENA_H
#define POTAD_CORE_TEST_ARENA_H

#include "core/potad.h"

enum { ARENA_FRAMES = 8192 };

struct arena {
    struct potad potad;
    struct port port;
    struct boot_map map;
    unsigned char *memory; /* of frame base */
    pfn_t base;
    uint64_t exposed;            /* frames */
    uint64_t accepted;           /* frames */
    uint64_t steps[FAULT_SITES]; /* fallible steps asked about */
    enum fault_site fault;       /* that fails from step fail_from on; FAULT_SITES: none */
    uint64_t fail_from;          /* counted from 1 in steps[fault] */
    bool fail_once;              /* only that step */
    void (*window)(struct arena *arena, enum window window);
    void *context; /* the window's own */
};

/* Boots on @map; fails the running test where that does not work. */
void arena_open(struct arena *arena, const struct boot_map *map);
void arena_close(struct arena *arena);

/* One zone of @frames frames from @start on, and as many more as the boot metadata takes. */
void arena_open_frames(struct arena *arena, pfn_t start, uint64_t frames);

/* Fails the running test unless all invariants hold. */
void arena_validate(struct arena *arena);

/* Makes step @from (from 1) at @site and all later ones fail; FAULT_SITES: none. */
void arena_fail(struct arena *arena, enum fault_site site, uint64_t from);

/* A block of @order from any zone; fails the running test where there is none. */
struct buddy *arena_take(struct arena *arena, order_t order);

/* The next number of the sequence of @state, 0 to @limit - 1. */
uint64_t arena_random(uint64_t *state, uint64_t limit);

/* Free blocks of @order in @zone, accepted. */
uint64_t arena_free_blocks(const struct arena *arena, zone_id_t zone, order_t order);

#endif
