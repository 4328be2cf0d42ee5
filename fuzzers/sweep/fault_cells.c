/* SPDX-License-Identifier: MIT
 *
 * fault_cells.c: which operations can come to which fault sites, by design. One line a group, with
 * its reason; what no line names can be reached, and a case of the corpus must do so.
 */
#include "fuzzers/sweep/fault_matrix.h"

#include "fuzzers/op_request.h"

#include <string.h>

#define OP(id)   ((uint64_t)1 << (id))
#define SITE(id) (1U << (id))

_Static_assert(OPS <= 64, "a bit for each operation");

#define ALL_SITES ((1U << FAULT_SITES) - 1)
#define ALL_OPS   ((OP(OPS - 1) << 1) - 1)

#define OPS_FREE                                                                                   \
    (OP(OP_FREE) | OP(OP_CACHE_FREE) | OP(OP_CACHE_DESTROY) | OP(OP_CACHE_UNRESERVE) |             \
     OP(OP_SHRINK) | OP(OP_UNPOISON) | OP(OP_CONTIG_FREE) | OP(OP_SPACE_FREE) |                    \
     OP(OP_SPACE_RUN_FREE) | OP(OP_SPACE_REMOVE) | OP(OP_ZONE_REMOVE) | OP(OP_CPU_OFFLINE) |       \
     OP(OP_PUT))
#define OPS_LOOK (OP(OP_LOOKUP) | OP(OP_SPACE_LOOKUP) | OP(OP_REF) | OP(OP_REF_FOLIO) | OP(OP_CPU))

#define OPS_RANGE_READ                                                                             \
    (OP(OP_RANGE_ERASE) | OP(OP_RANGE_LOAD) | OP(OP_RANGE_GAP) | OP(OP_RANGE_ENTER) |              \
     OP(OP_RANGE_EXIT))
#define OPS_RANGE                                                                                  \
    (OPS_RANGE_READ | OP(OP_RANGE_STORE) | OP(OP_RANGE_STORE_EMPTY) | OP(OP_RANGE_CLEAR) |         \
     OP(OP_RANGE_PREPARE) | OP(OP_RANGE_BUILD))
#define OPS_MAKE_CACHE                                                                             \
    (OPS_RANGE | OP(OP_CACHE_CREATE) | OP(OP_SPACE_ADD) | OP(OP_SPACE_ADD_TABLE) | OP(OP_ZONE_ADD))
#define OPS_METADATA                                                                               \
    (OP(OP_CACHE_CREATE) | OP(OP_CACHE_ALLOC) | OP(OP_CACHE_BULK) | OP(OP_CACHE_RESERVE) |         \
     OP(OP_SPACE_ADD_TABLE) | OP(OP_CPU_ONLINE))
#define OPS_MOVE (OP(OP_CONTIG_CMA) | OP(OP_COMPACT) | OP(OP_ALLOC_COMPACT))

/* X(operations, sites, reason) */
#define IMPOSSIBLE_TABLE(X)                                                                        \
    X(OPS_FREE, ALL_SITES, "what frees takes no step that may fail (A3, F3)")                      \
    X(OPS_LOOK, ALL_SITES, "looking, and referring, takes no memory")                              \
    X(OP(OP_CACHE_TAKE), ALL_SITES, "what was set aside is there (A4)")                            \
    X(~OPS_MAKE_CACHE, SITE(FAULT_CACHE_DESC), "it makes no cache")                                \
    X(~OP(OP_MEMORY_FAILURE), SITE(FAULT_POISON_DESC), "only failures are recorded")               \
    X(~(OP(OP_CPU_ONLINE) | OP(OP_ZONE_ADD)), SITE(FAULT_CPU_DESC),                                \
      "only a CPU that comes online, or a zone, needs lists")                                      \
    X(~OPS_MOVE, SITE(FAULT_MIGRATE), "it asks no owner to move")                                  \
    X(OPS_RANGE_READ, SITE(FAULT_RANGE_NODE), "reading and erasing take no node (A3)")             \
    X(OPS_METADATA, SITE(FAULT_RANGE_NODE),                                                        \
      "slabs lie in zones of the boot, whose map is a table here")

struct impossible {
    uint64_t ops;
    uint32_t sites;
    const char *reason;
};

static const struct impossible impossible[] = {
#define X(ops, sites, reason) {(ops)&ALL_OPS, sites, reason},
    IMPOSSIBLE_TABLE(X)
#undef X
};

enum { GROUPS = sizeof(impossible) / sizeof(impossible[0]) };

bool fault_cells_known(const struct subject *subject)
{
    /* The others map zones of the boot by a tree: there, its nodes run out when they will. */
    return strcmp(subject->name, "core") == 0;
}

const char *fault_cell_impossible(const struct subject *subject, enum op op, enum fault_site site)
{
    if ((op_needs(op) & ~subject->capabilities) != 0) {
        return "the subject has no such operation";
    }
    for (unsigned i = 0; i < GROUPS; i++) {
        if ((impossible[i].ops & OP(op)) != 0 && (impossible[i].sites & SITE(site)) != 0) {
            return impossible[i].reason;
        }
    }
    return NULL;
}

/* Operations and sites that @reason is the first to rule out. */
static unsigned count_cells(const struct subject *subject, const char *reason)
{
    unsigned count = 0;
    for (unsigned op = 0; op < OPS; op++) {
        for (unsigned site = 0; site < FAULT_SITES; site++) {
            const char *why = fault_cell_impossible(subject, (enum op)op, (enum fault_site)site);
            count += why == reason ? 1 : 0;
        }
    }
    return count;
}

void fault_matrix_print_reasons(FILE *out, const struct subject *subject)
{
    fprintf(out, "\noperations and sites that do not meet, by design:\n");
    for (unsigned i = 0; i < GROUPS; i++) {
        fprintf(out, "%6u  %s\n", count_cells(subject, impossible[i].reason), impossible[i].reason);
    }
}
