/* SPDX-License-Identifier: MIT
 *
 * executor_compact_test.c: the core's compaction under the executor, with one thing wrong at a time
 * in what is asked of it or what it answers: the executor must name the check that is violated.
 */
#include "fuzzers/test/flaw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Zone 1, once it is prepared: two windows of order 2, a frame free in each.
 *
 *   | . m m-m | . m m-m |
 */
#define MAP                                                                                        \
    "potad-case 2\npageblock 3\n"                                                                  \
    "range zone=0 start=0 frames=160\n"                                                            \
    "range zone=1 start=160 frames=8 class=highmem\n"
#define PREPARED                                                                                   \
    "alloc slot=0 order=2 zone=1 type=movable\n"                                                   \
    "alloc slot=1 order=2 zone=1 type=movable\n"                                                   \
    "split slot=0 order=0\nfree slot=2\nsplit slot=1 order=0\nfree slot=2\n"
#define COMPACT(order, count) "compact order=" order " zone=1 type=unmovable count=" count "\n"

/* X(id, name, check, operation at which it is found, program) */
#define FLAW_TABLE(X)                                                                              \
    /* says that a block is there, having done nothing */                                          \
    X(FLAW_SAYS_SO, "says_so", CHECK_COMPACT, 6, PREPARED COMPACT("2", "0"))                       \
    /* whatever the limit */                                                                       \
    X(FLAW_LIMITS, "limits", CHECK_COMPACT, 6, PREPARED COMPACT("2", "2"))                         \
    /* has looked at more blocks than it may */                                                    \
    X(FLAW_BLOCKS, "blocks", CHECK_COMPACT, 6, PREPARED COMPACT("2", "8"))                         \
    /* says that more has moved than owners have heard of */                                       \
    X(FLAW_NUMBERS, "numbers", CHECK_COMPACT, 6, PREPARED COMPACT("2", "0"))                       \
    /* asks for blocks as large as the one that is wanted */                                       \
    X(FLAW_LARGER, "larger", CHECK_COMPACT, 6, PREPARED COMPACT("1", "0"))                         \
    /* makes a block where one is free */                                                          \
    X(FLAW_NEEDLESS, "needless", CHECK_COMPACT, 7, PREPARED "free slot=0\n" COMPACT("1", "0"))     \
    /* gives up at once */                                                                         \
    X(FLAW_GIVES_UP, "gives_up", CHECK_SPURIOUS, 6, PREPARED COMPACT("2", "0"))                    \
    /* the same of an allocation */                                                                \
    X(FLAW_ALLOC, "alloc", CHECK_SPURIOUS, 6,                                                      \
      PREPARED "alloc-compact slot=9 order=2 zone=1 type=unmovable\n")                             \
    /* moves blocks, and says that it has failed */                                                \
    X(FLAW_FOR_NOTHING, "for_nothing", CHECK_FAILURE_STATE, 6, PREPARED COMPACT("2", "0"))         \
    /* answers that limits were in the way, where there were none */                               \
    X(FLAW_BUSY, "busy", CHECK_STATUS, 6, PREPARED COMPACT("2", "0"))

enum flaw { FLAW_NONE, FLAW_TABLE(FLAW_ID) FLAWS };

static enum status flawed_alloc(void *instance, const struct subject_request *request,
                                struct subject_block *block)
{
    struct subject_request asked = *request;
    asked.compact = asked.compact && flaw_now != FLAW_ALLOC;
    return flaw_core()->alloc(instance, &asked, block);
}

static enum status flawed_compact(void *instance, const struct compact_request *request,
                                  struct compact_result *result)
{
    struct compact_request asked = *request;
    if (flaw_now == FLAW_SAYS_SO || flaw_now == FLAW_GIVES_UP || flaw_now == FLAW_BUSY) {
        *result = (struct compact_result){0};
        return flaw_now == FLAW_SAYS_SO ? STATUS_OK
               : flaw_now == FLAW_BUSY  ? STATUS_BUSY
                                        : STATUS_NO_MEMORY;
    }
    if (flaw_now == FLAW_LIMITS) {
        asked.frames_max = UINT64_MAX;
        asked.blocks_max = UINT64_MAX;
    }
    asked.pages.order += flaw_now == FLAW_LARGER || flaw_now == FLAW_NEEDLESS ? 1 : 0;
    enum status status = flaw_core()->compact(instance, &asked, result);
    result->frames_moved += flaw_now == FLAW_NUMBERS ? 1 : 0;
    result->blocks_seen += flaw_now == FLAW_BLOCKS ? 16 : 0;
    return flaw_now == FLAW_FOR_NOTHING ? STATUS_NO_MEMORY : status;
}

static struct flaw_case flaw_cases[FLAWS] = {FLAW_TABLE(FLAW_CASE)};

static void executor_run_finds_flaw(void **state)
{
    struct subject subject = *flaw_core();
    subject.alloc = flawed_alloc;
    subject.compact = flawed_compact;
    flaw_assert_found(&subject, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {FLAW_TABLE(FLAW_TEST)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
