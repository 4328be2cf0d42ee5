/* SPDX-License-Identifier: MIT */
#include "fuzzers/op_request.h"

uint32_t op_needs(enum op op)
{
    switch (op) {
    case OP_ALLOC_DESC:
        return SUBJECT_DESC;
    case OP_SPLIT:
        return SUBJECT_SPLIT;
    case OP_ALLOC_NODE:
        return SUBJECT_ZONES;
    case OP_LOOKUP:
        return SUBJECT_LOOKUP;
    case OP_CACHE_CREATE:
    case OP_CACHE_ALLOC:
    case OP_CACHE_BULK:
    case OP_CACHE_FREE:
    case OP_CACHE_DESTROY:
        return SUBJECT_CACHE;
    case OP_CACHE_RESERVE:
    case OP_CACHE_TAKE:
    case OP_CACHE_UNRESERVE:
        return SUBJECT_CACHE | SUBJECT_RESERVE;
    case OP_MEMORY_FAILURE:
    case OP_UNPOISON:
        return SUBJECT_POISON;
    case OP_CONTIG:
    case OP_CONTIG_LARGE:
    case OP_CONTIG_FREE:
        return SUBJECT_CONTIG;
    case OP_CONTIG_CMA:
        return SUBJECT_CONTIG | SUBJECT_ZONES;
    case OP_ZONE_ADD:
    case OP_ZONE_REMOVE:
        return SUBJECT_HOTPLUG;
    case OP_CPU:
    case OP_CPU_ONLINE:
    case OP_CPU_OFFLINE:
        return SUBJECT_CPUS;
    case OP_COMPACT:
    case OP_ALLOC_COMPACT:
        return SUBJECT_COMPACT;
    case OP_REF:
    case OP_REF_FOLIO:
    case OP_PUT:
        return SUBJECT_REFS;
    default:
        return (op_is_range(op) ? (uint32_t)SUBJECT_RANGE : 0) |
               (op_is_space(op) ? (uint32_t)SUBJECT_SPACES : 0);
    }
}

/* What a type of descriptor is of. */
static enum migratetype migratetype_of(enum memdesc_type type)
{
    return type == MEMDESC_FOLIO ? MIGRATE_MOVABLE : MIGRATE_UNMOVABLE;
}

struct subject_request op_alloc_request(const struct case_op *op)
{
    bool desc = op->op == OP_ALLOC_DESC;
    bool node = op->op == OP_ALLOC_NODE;
    return (struct subject_request){
        .order = op->order,
        .zone = node ? ZONE_ANY : op->zone,
        .node = node ? op->zone : 0,
        .below = node ? (enum zone_class)op->align : ZONE_DMA,
        .reserve = node && op->count != 0,
        .compact = op->op == OP_ALLOC_COMPACT,
        .migratetype =
            desc ? migratetype_of((enum memdesc_type)op->type) : (enum migratetype)op->type,
        .type = desc ? (enum memdesc_type)op->type : MEMDESC_NONE,
    };
}

struct contig_request op_contig_request(const struct case_op *op, pfn_t start)
{
    bool cma = op->op == OP_CONTIG_CMA;
    bool large = op->op == OP_CONTIG_LARGE;
    bool limited = !large && op->order != 0 && op->order < ORDERS;
    pfn_t low = start + op->value;
    return (struct contig_request){
        .units = large ? (uint64_t)op->count << op->order : op->count,
        .align = op->align,
        .low = limited ? low : 0,
        .high = limited ? low + ((uint64_t)1 << op->order) : 0,
        .zone = op->zone,
        .migratetype = cma ? MIGRATE_UNMOVABLE : (enum migratetype)op->type,
        .below = ZONE_DMA,
        .cma = cma,
    };
}

struct compact_request op_compact_request(const struct case_op *op)
{
    uint64_t limit = op->count == 0 ? UINT64_MAX : op->count;
    return (struct compact_request){
        .pages = {.order = op->order,
                  .zone = op->zone,
                  .migratetype = (enum migratetype)op->type,
                  .below = ZONE_DMA},
        .frames_max = limit,
        .blocks_max = limit,
    };
}
