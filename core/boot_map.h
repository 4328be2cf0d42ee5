/* SPDX-License-Identifier: MIT
 *
 * boot_map.h: the memory that an allocator gets.
 */
#ifndef POTAD_CORE_BOOT_MAP_H
#define POTAD_CORE_BOOT_MAP_H

#include "core/types.h"

/* Frames that exist. */
struct range {
    pfn_t start;
    uint64_t frames;
    zone_id_t zone;
    bool unaccepted; /* requirement E2 */
};

/* How a zone finds a block from a frame: see block_map.h. */
enum block_map_kind { BLOCK_MAP_TABLE, BLOCK_MAP_TREE, BLOCK_MAP_BOTH };

struct boot_map {
    enum block_map_kind kind;
    uint32_t zones_count; /* 1 to ZONES_MAX */
    uint32_t ranges_count;
    bool metadata_allowed[ZONES_MAX]; /* requirement E3; at least one zone */
    struct range ranges[RANGES_MAX];  /* disjoint, by ascending start; a zone's ranges in a row */
};

#endif
