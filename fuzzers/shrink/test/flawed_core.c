/* SPDX-License-Identifier: MIT */
#include "fuzzers/shrink/test/flawed_core.h"

#include <signal.h>
#include <stdlib.h>

enum { BAD_ORDER = 5 };

static unsigned flaws;

/* Since boot. */
static unsigned splits;

static enum status flawed_open(void *instance, const struct port *port, const struct boot_map *map)
{
    splits = 0;
    if ((flaws & FLAW_BOOT) != 0) {
        return STATUS_INVALID;
    }
    return subject_find("core")->open(instance, port, map);
}

static volatile int too_far = 40; /* more than compilers and checkers see */

static void read_freed(void)
{
    volatile char *volatile memory = malloc(1);
    free((void *)memory);
    (void)*memory; /* NOLINT(clang-analyzer-unix.Malloc): that is the flaw */
}

static enum status flawed_alloc(void *instance, const struct subject_request *request,
                                struct subject_block *block)
{
    bool bad = request->order == BAD_ORDER;
    if (bad && (flaws & FLAW_ORDER) != 0) {
        return STATUS_NO_MEMORY;
    }
    if (bad && (flaws & FLAW_CRASH) != 0) {
        raise(SIGSEGV);
    }
    if (bad && (flaws & FLAW_ASSERT) != 0) {
        port_assert_failed("order != 5", "shrink_test.c", 1);
    }
    if (bad && (flaws & FLAW_FREED) != 0) {
        read_freed();
    }
    if (bad && (flaws & FLAW_SHIFT) != 0) {
        volatile int shifted = 1 << too_far;
        (void)shifted;
    }
    while (bad && (flaws & FLAW_ENDLESS) != 0) {
        port_relax();
    }
    return subject_find("core")->alloc(instance, request, block);
}

static enum status flawed_split(void *instance, const struct subject_block *block, order_t order,
                                struct subject_block *parts)
{
    splits++;
    return subject_find("core")->split(instance, block, order, parts);
}

static bool flawed_lookup(void *instance, pfn_t pfn, struct memdesc_info *info)
{
    if ((flaws & FLAW_LOOKUP) != 0 && splits >= FLAWED_SPLITS) {
        return false;
    }
    return subject_find("core")->lookup(instance, pfn, info);
}

struct subject flawed_core(unsigned wrong)
{
    struct subject subject = *subject_find("core");
    subject.open = flawed_open;
    subject.alloc = flawed_alloc;
    subject.split = flawed_split;
    subject.lookup = flawed_lookup;
    flaws = wrong;
    return subject;
}
