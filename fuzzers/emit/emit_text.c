/* SPDX-License-Identifier: MIT */
#include "fuzzers/emit/emit_text.h"

#include <inttypes.h>
#include <string.h>

const char *emit_site(enum fault_site site)
{
    static const char *const texts[FAULT_SITES] = {
#define X(id, name, what) #id,
        FAULT_SITE_TABLE(X)
#undef X
    };
    return texts[site];
}

const char *emit_migratetype(enum migratetype type)
{
    static const char *const texts[MIGRATETYPES] = {
        [MIGRATE_UNMOVABLE] = "MIGRATE_UNMOVABLE",
        [MIGRATE_MOVABLE] = "MIGRATE_MOVABLE",
        [MIGRATE_RECLAIMABLE] = "MIGRATE_RECLAIMABLE",
    };
    static char other[40];
    if ((unsigned)type < MIGRATETYPES) {
        return texts[type];
    }
    snprintf(other, sizeof(other), "(enum migratetype)%d", (int)type);
    return other;
}

const char *emit_zone(zone_id_t zone)
{
    static char number[16];
    snprintf(number, sizeof(number), "%" PRIu32, zone);
    return zone == ZONE_ANY ? "ZONE_ANY" : number;
}

const char *emit_request(const struct page_request *request)
{
    static const char *const classes[] = {
#define X(id, name) #id,
        ZONE_CLASS_TABLE(X)
#undef X
    };
    static char text[240];
    char node[32] = "";
    char below[64] = "";
    if (request->node != 0) {
        snprintf(node, sizeof(node), ", .node = %" PRIu32, request->node);
    }
    if ((unsigned)request->below >= ZONE_CLASSES) {
        snprintf(below, sizeof(below), ", .below = (enum zone_class)%d", (int)request->below);
    } else if (request->below != ZONE_DMA) {
        snprintf(below, sizeof(below), ", .below = %s", classes[request->below]);
    }
    snprintf(text, sizeof(text),
             "(struct page_request){.order = %" PRIu32 ", .zone = %s, .migratetype = %s%s%s%s%s}",
             request->order, emit_zone(request->zone), emit_migratetype(request->migratetype), node,
             below, request->reserve ? ", .reserve = true" : "",
             request->compact ? ", .compact = true" : "");
    return text;
}

const char *emit_contig_request(const struct contig_request *request)
{
    static char text[240];
    char limits[80] = "";
    if (request->low != 0 || request->high != 0) {
        snprintf(limits, sizeof(limits), ", .low = %#" PRIx64 ", .high = %#" PRIx64, request->low,
                 request->high);
    }
    snprintf(text, sizeof(text),
             "(struct contig_request){.units = %" PRIu64 ", .align = %" PRIu32
             "%s, .zone = %s, .migratetype = %s%s}",
             request->units, request->align, limits, emit_zone(request->zone),
             emit_migratetype(request->migratetype), request->cma ? ", .cma = true" : "");
    return text;
}

/* A limit of compaction. */
static const char *limit_text(uint64_t limit, char *text, size_t bytes)
{
    snprintf(text, bytes, "%" PRIu64, limit);
    return limit == UINT64_MAX ? "UINT64_MAX" : text;
}

const char *emit_compact_request(const struct compact_request *request)
{
    static char text[320];
    char frames[24];
    char blocks[24];
    snprintf(text, sizeof(text),
             "(struct compact_request){.pages = %s, .frames_max = %s, .blocks_max = %s}",
             emit_request(&request->pages), limit_text(request->frames_max, frames, sizeof(frames)),
             limit_text(request->blocks_max, blocks, sizeof(blocks)));
    return text;
}

const char *emit_memdesc_type(enum memdesc_type type)
{
    static const char *const texts[] = {
#define X(id, name) #id,
        MEMDESC_TABLE(X)
#undef X
    };
    static char other[40];
    if ((unsigned)type < sizeof(texts) / sizeof(texts[0])) {
        return texts[type];
    }
    snprintf(other, sizeof(other), "(enum memdesc_type)%d", (int)type);
    return other;
}

const char *emit_map_kind(const char *subject)
{
    if (strcmp(subject, "core") == 0) {
        return "BLOCK_MAP_TABLE";
    }
    if (strcmp(subject, "core-tree") == 0) {
        return "BLOCK_MAP_TREE";
    }
    return strcmp(subject, "core-both") == 0 ? "BLOCK_MAP_BOTH" : NULL;
}

static void print_range(FILE *out, const struct range *range)
{
    fprintf(out,
            "        {.start = %#" PRIx64 ", .frames = %" PRIu64 ", .zone = %" PRIu32 "%s%s},\n",
            range->start, range->frames, range->zone,
            range->unaccepted ? ", .unaccepted = true" : "", range->cma ? ", .cma = true" : "");
}

void emit_map(FILE *out, const struct boot_map *map, const char *kind)
{
    static const char *const classes[] = {
#define X(id, name) #id,
        ZONE_CLASS_TABLE(X)
#undef X
    };
    fprintf(out,
            "static const struct boot_map map = {\n    .kind = %s,\n    .pageblock_order = %" PRIu32
            ",\n    .zones_count = %" PRIu32 ",\n    .ranges_count = %" PRIu32
            ",\n    .zones = {\n",
            kind, map->pageblock_order, map->zones_count, map->ranges_count);
    for (uint32_t i = 0; i < map->zones_count; i++) {
        const struct zone_config *zone = &map->zones[i];
        fprintf(out,
                "        {.zone_class = %s, .node = %" PRIu32 ", .watermark_min = %" PRIu64
                "%s},\n",
                classes[zone->zone_class], zone->node, zone->watermark_min,
                zone->later ? ", .later = true" : "");
    }
    fputs("    },\n    .ranges = {\n", out);
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        print_range(out, &map->ranges[i]);
    }
    fputs("    },\n};\n", out);
}
