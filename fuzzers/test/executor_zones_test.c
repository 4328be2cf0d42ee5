/* SPDX-License-Identifier: MIT
 *
 * executor_zones_test.c: the core's zones under the executor, with one thing wrong at a time in
 * what is asked of it or what it answers: the executor must name the check that is violated.
 */
#include "fuzzers/test/flaw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Zone 0 and 2 are nodes 0 and 1; zone 1 is highmem of node 0; both of zone 0 and 2 keep frames.
 *
 *   0                   256       320                   576             608
 *   |  zone 0, keeps 16 | highmem |  zone 2, keeps 64   | unaccepted    |
 */
#define MAP                                                                                        \
    "potad-case 2\npageblock 4\n"                                                                  \
    "range zone=0 start=0 frames=256 watermark=16\n"                                               \
    "range zone=1 start=256 frames=64 class=highmem\n"                                             \
    "range zone=2 start=320 frames=256 node=1 watermark=64\n"                                      \
    "range zone=2 start=576 frames=32 unaccepted\n"

#define ALLOC(slot, order, node, below, type)                                                      \
    "alloc-node slot=" slot " order=" order " type=" type " node=" node " below=" below            \
    " reserve=0\n"
/* Makes descriptors, so that the next operations need no slab. */
#define FIRST ALLOC("9", "0", "0", "highmem", "unmovable")

/* X(id, name, check, operation at which it is found, program) */
#define FLAW_TABLE(X)                                                                              \
    /* takes from the other node first */                                                          \
    X(FLAW_NODE, "node", CHECK_ZONE_ORDER, 1, FIRST ALLOC("0", "2", "0", "dma", "unmovable"))      \
    /* takes any zone, however high */                                                             \
    X(FLAW_BELOW, "below", CHECK_CONTAINMENT, 0,                                                   \
      FIRST ALLOC("0", "2", "0", "highmem", "unmovable"))                                          \
    /* draws upon the reserve: of 4 blocks of 64 frames, one must stay */                          \
    X(FLAW_RESERVE, "reserve", CHECK_WATERMARK, 4,                                                 \
      FIRST "alloc slot=0 order=6 zone=2 type=movable\n"                                           \
            "alloc slot=1 order=6 zone=2 type=movable\n"                                           \
            "alloc slot=2 order=6 zone=2 type=movable\n"                                           \
            "alloc slot=3 order=6 zone=2 type=movable\n")                                          \
    /* takes the smallest block, of whatever type */                                               \
    X(FLAW_TYPE, "type", CHECK_MIGRATETYPE, 1, FIRST ALLOC("0", "0", "0", "highmem", "movable"))   \
    /* lists unmovable memory as movable, and the other way round */                               \
    X(FLAW_LISTS, "lists", CHECK_MIGRATETYPE, 1, "lookup frame=0\n")                               \
    /* says that free memory is reclaimable */                                                     \
    X(FLAW_LOOKUP, "lookup", CHECK_LOOKUP, 0, "lookup frame=200\n")

enum flaw { FLAW_NONE, FLAW_TABLE(FLAW_ID) FLAWS };

static enum status flawed_alloc(void *instance, const struct subject_request *request,
                                struct subject_block *block)
{
    struct subject_request asked = *request;
    asked.node ^= flaw_now == FLAW_NODE ? 1 : 0;
    asked.below = flaw_now == FLAW_BELOW ? ZONE_DMA : asked.below;
    asked.reserve = asked.reserve || flaw_now == FLAW_RESERVE;
    if (flaw_now == FLAW_TYPE && asked.migratetype == MIGRATE_MOVABLE) {
        asked.migratetype = MIGRATE_UNMOVABLE;
    }
    return flaw_core()->alloc(instance, &asked, block);
}

static const uint64_t *flawed_free_blocks(void *instance, zone_id_t zone, unsigned area)
{
    bool swapped = flaw_now == FLAW_LISTS && area <= AREA_MOVABLE;
    return flaw_core()->free_blocks(instance, zone, swapped ? area ^ 1 : area);
}

static bool flawed_lookup(void *instance, pfn_t pfn, struct memdesc_info *info)
{
    bool found = flaw_core()->lookup(instance, pfn, info);
    if (flaw_now == FLAW_LOOKUP && found && info->type == MEMDESC_BUDDY_FREE) {
        info->migratetype = MIGRATE_RECLAIMABLE;
    }
    return found;
}

static struct flaw_case flaw_cases[FLAWS] = {FLAW_TABLE(FLAW_CASE)};

static void executor_run_finds_flaw(void **state)
{
    struct subject subject = *flaw_core();
    subject.alloc = flawed_alloc;
    subject.free_blocks = flawed_free_blocks;
    subject.lookup = flawed_lookup;
    flaw_assert_found(&subject, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {FLAW_TABLE(FLAW_TEST)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
