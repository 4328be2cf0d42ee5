/* SPDX-License-Identifier: MIT
 *
 * boot_map.h: the memory that an allocator gets: zones, and the ranges of frames of each.
 */
#ifndef POTAD_CORE_BOOT_MAP_H
#define POTAD_CORE_BOOT_MAP_H

#include "core/types.h"

/* What the memory of a zone is good for. An allocation that a class serves can be served by any
 * lower one, too: those are the scarcer. X(id, name) */
#define ZONE_CLASS_TABLE(X)                                                                        \
    X(ZONE_DMA, "dma")         /* devices of few address bits reach it */                          \
    X(ZONE_NORMAL, "normal")   /* always mapped */                                                 \
    X(ZONE_HIGHMEM, "highmem") /* not mapped: holds no metadata (requirements C4, E3) */           \
    X(ZONE_MOVABLE, "movable") /* may be asked back at any time: only movable blocks in it */

enum zone_class {
#define X(id, name) id,
    ZONE_CLASS_TABLE(X)
#undef X
        ZONE_CLASSES
};

/* Frames that exist. */
struct range {
    pfn_t start;
    uint64_t frames;
    zone_id_t zone;
    bool unaccepted; /* requirement E2 */
    bool cma; /* lent to movable blocks until a device asks for it (requirement B6); accepted */
};

struct zone_config {
    enum zone_class zone_class;
    uint32_t node;          /* below NODES_MAX */
    uint64_t watermark_min; /* free frames that are kept for those who may use the reserve */
    bool later; /* not there at boot: it may be added, potad_zone_add(), and removed again */
};

/* How a zone finds a block from a frame: see block_map.h. */
enum block_map_kind { BLOCK_MAP_TABLE, BLOCK_MAP_TREE, BLOCK_MAP_BOTH };

struct boot_map {
    enum block_map_kind kind;
    order_t pageblock_order; /* frames whose free parts share one type; 0: PAGEBLOCK_ORDER */
    uint32_t zones_count;    /* 1 to ZONES_MAX; one at least is there at boot */
    uint32_t ranges_count;
    struct zone_config zones[ZONES_MAX];
    struct range ranges[RANGES_MAX]; /* disjoint, by ascending start; a zone's ranges in a row */
};

/* Whether metadata may live in a zone of @config (requirement E3): not where it may go again. */
static inline bool zone_holds_metadata(const struct zone_config *config)
{
    return config->zone_class <= ZONE_NORMAL && !config->later;
}

/* Whether metadata may live in @range of @map. */
static inline bool range_holds_metadata(const struct boot_map *map, const struct range *range)
{
    return zone_holds_metadata(&map->zones[range->zone]) && !range->unaccepted && !range->cma;
}

#endif
