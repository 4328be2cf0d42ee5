/* SPDX-License-Identifier: MIT
 *
 * scene.h: an arena with blocks in use, and an owner of all of them that moves them where it is
 * asked to: for unit tests of what moves blocks. They are looked at in zone 1, from SCENE_BASE on;
 * zone 0 has room for metadata.
 */
#ifndef POTAD_CORE_TEST_SCENE_H
#define POTAD_CORE_TEST_SCENE_H

#include "core/test/arena.h"

enum {
    SCENE_METADATA = 256, /* frames of zone 0 */
    SCENE_BASE = 1024,
    SCENE_SPAN = 256,
    SCENE_FRAMES = SCENE_BASE + SCENE_SPAN,
    SCENE_BLOCKS = SCENE_SPAN + SCENE_METADATA
};

/* A block in use, and what its owner knows of it. */
struct block {
    _Alignas(MEMDESC_ALIGN) struct memdesc descriptor;
    struct buddy *handle; /* NULL: no block, ... */
    bool wanted;          /* ... but the allocator is being asked for one */
    pfn_t pfn;
    pfn_t before; /* the test's own: where it was */
    pfn_t to;
    order_t order;
    enum migratetype type;
    uint64_t content; /* of each of its frames */
    bool described;
    bool refuses;
    bool moving;
};

struct scene {
    struct arena arena;
    struct block blocks[SCENE_BLOCKS];
    uint16_t at[SCENE_FRAMES];      /* 1 + the index of the block that starts there, or 0 */
    uint64_t content[SCENE_FRAMES]; /* of whom, or 0 */
    uint64_t contents;              /* given out so far */
    unsigned told[MIGRATE_CANCEL + 1];
    unsigned agreed;
    uint64_t frames_told; /* of those asked to TRY */
    bool changed; /* as by another CPU, while an owner was asked: the next may be asked about
                   * a block that has gone, or is not movable */
    char drawn[SCENE_FRAMES + 1]; /* the test's own */
};

/* Boots on @map, with the owner. */
void scene_open(struct scene *scene, const struct boot_map *map);

/* Frees what is in use, and checks all invariants. */
void scene_close(struct scene *scene);

/* The owner moves blocks with descriptors of their own, and others where @plain. */
void scene_watch(struct scene *scene, bool plain);

/* Takes a block, under a descriptor of its own or not. Return: NULL where there is none. */
struct block *scene_take(struct scene *scene, const struct page_request *request, bool described);

/* Gives the owner the block @handle, of @type. */
struct block *scene_own(struct scene *scene, struct buddy *handle, enum migratetype type);

void scene_free(struct scene *scene, struct block *block);

/* The block that starts at @pfn. Return: NULL where none does. */
struct block *scene_find(struct scene *scene, pfn_t pfn);

/* The one @at frames into zone 1; fails the running test where none starts there. */
struct block *scene_block(struct scene *scene, pfn_t at);

/* The range of the boot map that @pfn lies in, or NULL. */
const struct range *scene_range(const struct scene *scene, pfn_t pfn);

/* Checks that all blocks are where their owner knows them, with their content, and wait to hear
 * nothing. */
void scene_check(struct scene *scene);

/* Adds a range of zone 1 to @map. Return: where the next one starts: there, or somewhat later. */
pfn_t scene_map_range(struct boot_map *map, pfn_t start, uint64_t frames, bool cma,
                      uint64_t *random);

#endif
