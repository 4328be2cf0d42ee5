/* SPDX-License-Identifier: MIT
 *
 * model.h: what an allocator's state must be, kept so simply that it is right by inspection: a word
 * for each frame, no code shared with core/. What it does not predict, such as which of many free
 * blocks is taken, it takes note of and checks.
 *
 * A frame's word says its use, its kind (zone, acceptance, CMA), and the block that it belongs to
 * if it is allocated. The largest aligned block of one word (sparse.h) around a free frame is then
 * the free block that the frame must be in, because whole halves always merge:
 *
 *   order 2   |         0         |         3         |      blocks[3][2] = 1
 *   order 1   |    3    |    0    |    -    |    -    |      blocks[3][1] = 1
 *   order 0   | -  | -  | 0  | 3  | -  | -  | -  | -  |      blocks[3][0] = 1
 *
 * All costs follow the blocks there are, not the frames in them: a map may have 1.5 TB.
 */
#ifndef POTAD_FUZZERS_MODEL_H
#define POTAD_FUZZERS_MODEL_H

#include "core/boot_map.h"
#include "fuzzers/sparse.h"

enum model_use {
    USE_HOLE,
    USE_FREE,
    USE_ALLOCATED,
    USE_METADATA, /* exposed: frame table, boot descriptors, slabs */
    USE_POISONED  /* failed, and out of circulation */
};

/* Free frames of one zone that are not of one class never merge. */
enum frame_class { FRAME_ACCEPTED, FRAME_UNACCEPTED, FRAME_CMA, FRAME_CLASSES };

enum {
    MODEL_KINDS = 1 + FRAME_CLASSES * ZONES_MAX,
    MODEL_OWNERS = 1 << 24 /* numbers of blocks are below */
};

/* Zone and class of a frame, never 0. */
static inline uint8_t model_kind(zone_id_t zone, enum frame_class class)
{
    return (uint8_t)(1 + FRAME_CLASSES * zone + class);
}

static inline zone_id_t model_kind_zone(uint8_t kind)
{
    return (zone_id_t)(kind - 1) / FRAME_CLASSES;
}

static inline enum frame_class model_kind_class(uint8_t kind)
{
    return (enum frame_class)((kind - 1) % FRAME_CLASSES);
}

static inline bool model_kind_unaccepted(uint8_t kind)
{
    return model_kind_class(kind) == FRAME_UNACCEPTED;
}

struct model {
    struct boot_map map;
    pfn_t start;
    uint64_t frames;      /* from the first range's start to the last one's end */
    order_t orders;       /* no block can be of this order or above */
    uint32_t zones;       /* bit n: zone n is there */
    struct sparse facts;  /* a word for each frame; 0 in a hole */
    pfn_t *failed;        /* the frames that are in use and have failed, in no order */
    uint64_t failed_room; /* for so many */
    uint64_t blocks[MODEL_KINDS][ORDERS]; /* free blocks */
    uint64_t free_blocks;                 /* the sum of blocks */
    uint64_t free_frames[MODEL_KINDS];
    uint64_t metadata_frames;
    uint64_t poisoned_frames;
    uint64_t failed_frames; /* in use */
    uint64_t accepted;      /* frames accepted since boot */
    uint64_t hash;          /* of free blocks, metadata frames, poisoned and failed ones */
};

/* Makes all frames of zones of @map that are there at boot free. @model is zeroed or was opened
 * before: its memory is used again where it is large enough. Return: false where there is no
 * memory. */
bool model_open(struct model *model, const struct boot_map *map)
    __attribute__((warn_unused_result));
void model_close(struct model *model);

static inline bool model_has_zone(const struct model *model, zone_id_t zone)
{
    return zone < ZONES_MAX && (model->zones >> zone & 1) != 0;
}

/* Makes the frames of @zone of the map, which is not there, free; and frames of one that is there,
 * all of them free or poisoned, holes. */
void model_add_zone(struct model *model, zone_id_t zone);
void model_remove_zone(struct model *model, zone_id_t zone);

/* Whether frames of @zone are in use. */
bool model_uses_zone(const struct model *model, zone_id_t zone);

/* Whether the aligned block of @order at @pfn is free, of one zone and acceptance. */
bool model_is_free(const struct model *model, pfn_t pfn, order_t order);

/* Marks a block that model_is_free() as allocated by @owner. */
void model_allocate(struct model *model, pfn_t pfn, order_t order, uint32_t owner);

/* Gives the frames of an allocated block to @owner. */
void model_set_owner(struct model *model, pfn_t pfn, order_t order, uint32_t owner);

/* Marks an allocated block as free, but for its failed frames: these are poisoned. */
void model_release(struct model *model, pfn_t pfn, order_t order);

/* Marks free frames, all of one kind, as metadata, and back: poisoned, those that have failed. */
void model_expose(struct model *model, pfn_t pfn, uint64_t frames);
void model_conceal(struct model *model, pfn_t pfn, uint64_t frames);

/* Marks free, unaccepted frames, all of one kind, as accepted. */
void model_accept(struct model *model, pfn_t pfn, uint64_t frames);

/* Marks a frame that fails: a free one as poisoned, one in use as failed. */
void model_fail(struct model *model, pfn_t pfn);

/* Ends that: a poisoned frame is free, one in use has not failed. */
void model_heal(struct model *model, pfn_t pfn);

/* Whether frames of the @frames from @pfn on, in use, have failed. */
bool model_has_failed(const struct model *model, pfn_t pfn, uint64_t frames);

/* What the frame @pfn, any number, is used for. */
enum model_use model_use(const struct model *model, pfn_t pfn);

/* The kind of a frame inside the span; 0 in a hole. */
uint8_t model_frame_kind(const struct model *model, pfn_t pfn);

/* The number of the block that an allocated frame belongs to. */
uint32_t model_owner(const struct model *model, pfn_t pfn);

/* How many frames from @pfn on, inside the span, surely have its use, kind and owner; at least 1.
 */
uint64_t model_alike(const struct model *model, pfn_t pfn);

/* The first frame of @use, not a hole, from @pfn on; the end of the span where there is none. */
pfn_t model_next(const struct model *model, pfn_t pfn, enum model_use use);

/* Frames in a row, the first a multiple of 2^align, all in [low, high). */
struct model_run {
    uint64_t units;
    order_t align;
    pfn_t low;
    pfn_t high;
};

/* Whether there is @run of frames that will all do, as @serves says of each: the same of all that
 * have one use, kind and owner. Looks at all frames. */
bool model_has_run(const struct model *model, const struct model_run *run,
                   bool (*serves)(const void *context, pfn_t pfn), const void *context);

/* The free block that the free frame @pfn is in. */
void model_free_block(const struct model *model, pfn_t pfn, pfn_t *start, order_t *order);

/* The smallest order at or above @order of a free block of @kind, or ORDERS. */
order_t model_smallest(const struct model *model, uint8_t kind, order_t order);

#endif
