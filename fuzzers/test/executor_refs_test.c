/* SPDX-License-Identifier: MIT
 *
 * executor_refs_test.c: references to the core's descriptors under the executor (requirements D1,
 * D2), with one thing wrong at a time in how they are given or dropped: the executor must name the
 * check that is violated. And what operations mean for blocks that others refer to.
 */
#include "fuzzers/test/flaw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SLOTS = 64 };

/* Zone 1, with nothing of the boot's: a folio of order 1 at frame 160, others behind it.
 *
 *   160   162   164
 *   | f f | a a | . . . . |
 */
#define MAP                                                                                        \
    "potad-case 2\n"                                                                               \
    "range zone=0 start=0 frames=160\n"                                                            \
    "range zone=1 start=160 frames=8 class=highmem\n"
#define DESC(slot, desc) "alloc-desc slot=" slot " order=1 zone=1 desc=" desc "\n"
#define FOLIO            DESC("0", "folio")
#define REF(frame)       "ref slot=0 frame=" frame "\n"
#define FREE(slot)       "free slot=" slot "\n"
#define PUT              "put slot=0\n"

/* X(id, name, check, operation at which it is found, program) */
#define FLAW_TABLE(X)                                                                              \
    /* none, where there is one */                                                                 \
    X(FLAW_NONE_GIVEN, "none_given", CHECK_REFERENCE, 1, FOLIO REF("160"))                         \
    /* one to a block of a type that has none, to a free one, and to no memory */                  \
    X(FLAW_OTHER_TYPE, "other_type", CHECK_REFERENCE, 1, DESC("0", "anonmem") REF("160"))          \
    X(FLAW_FREE_BLOCK, "free_block", CHECK_REFERENCE, 0, REF("160"))                               \
    X(FLAW_HOLE, "hole", CHECK_REFERENCE, 1, FOLIO REF("168"))                                     \
    /* to a block that ends before the frame */                                                    \
    X(FLAW_EXTENT, "extent", CHECK_REFERENCE, 1, FOLIO REF("161"))                                 \
    /* to another descriptor than the frame leads to */                                            \
    X(FLAW_DESCRIPTOR, "descriptor", CHECK_REFERENCE, 2, FOLIO DESC("1", "folio") REF("162"))      \
    /* while the block is released */                                                              \
    X(FLAW_FROM_ZERO, "from_zero", CHECK_REFERENCE, 1, FOLIO FREE("0"))                            \
    /* the block is released while others refer to it */                                           \
    X(FLAW_EARLY, "early", CHECK_RELEASE, 2, FOLIO REF("160") FREE("0"))                           \
    /* not by the one who has had the last reference */                                            \
    X(FLAW_NEVER, "never", CHECK_RELEASE, 3, FOLIO REF("160") FREE("0") PUT)                       \
    /* twice */                                                                                    \
    X(FLAW_TWICE, "twice", CHECK_RELEASE, 1, FOLIO FREE("0"))                                      \
    /* free-allocates: a fallible step in taking a reference, and in dropping it */                \
    X(FLAW_GET_STEP, "get_step", CHECK_FREE_ALLOCATES, 1, FOLIO REF("160"))                        \
    X(FLAW_PUT_STEP, "put_step", CHECK_FREE_ALLOCATES, 2, FOLIO REF("160") PUT)                    \
    /* migrate: what others refer to moves */                                                      \
    X(FLAW_MOVES, "moves", CHECK_MIGRATE, 2,                                                       \
      FOLIO REF("160") "compact order=3 zone=1 type=movable count=0\n")

enum flaw { FLAW_NONE, FLAW_TABLE(FLAW_ID) FLAWS };

/* What the flaws need of the present boot. */
static struct port port;
static struct memdesc_ops owner; /* of folios */
static struct memdesc *first;    /* descriptor of the first block that has one */

static enum status flawed_open(void *instance, const struct port *asked, const struct boot_map *map)
{
    port = *asked;
    first = NULL;
    return flaw_core()->open(instance, asked, map);
}

static enum status flawed_watch(void *instance, enum memdesc_type type,
                                const struct memdesc_ops *ops)
{
    owner = type == MEMDESC_FOLIO ? *ops : owner;
    return flaw_core()->watch(instance, type, ops);
}

static enum status flawed_alloc(void *instance, const struct subject_request *request,
                                struct subject_block *block)
{
    first = first == NULL ? request->descriptor : first;
    return flaw_core()->alloc(instance, request, block);
}

static void flawed_step(void)
{
    (void)port.fault(port.context, FAULT_BUDDY_DESC);
}

static bool flawed_tryget(void *instance, pfn_t pfn, struct memdesc_ref *ref)
{
    bool right = flaw_core()->tryget(instance, pfn, ref);
    if (flaw_now == FLAW_GET_STEP) {
        flawed_step();
    }
    if (flaw_now == FLAW_NONE_GIVEN && right) {
        flaw_core()->put(instance, ref->descriptor, ref->type);
        return false;
    }
    ref->order -= flaw_now == FLAW_EXTENT && right ? 1 : 0;
    ref->descriptor = flaw_now == FLAW_DESCRIPTOR && right ? first : ref->descriptor;
    return right || flaw_now == FLAW_OTHER_TYPE || flaw_now == FLAW_FREE_BLOCK ||
           flaw_now == FLAW_HOLE || flaw_now == FLAW_FROM_ZERO;
}

static void flawed_put(void *instance, struct memdesc *descriptor, enum memdesc_type type)
{
    if (flaw_now == FLAW_PUT_STEP) {
        flawed_step();
    }
    if (flaw_now == FLAW_NEVER) {
        return;
    }
    if (flaw_now == FLAW_EARLY) {
        owner.release(owner.context, descriptor);
        return;
    }
    flaw_core()->put(instance, descriptor, type);
    if (flaw_now == FLAW_TWICE) {
        owner.release(owner.context, descriptor);
    }
}

/* All of the zone is cleared, whoever refers to what is in it. */
static enum status flawed_compact(void *instance, const struct compact_request *request,
                                  struct compact_result *result)
{
    if (flaw_now != FLAW_MOVES) {
        return flaw_core()->compact(instance, request, result);
    }
    struct migration move = {.from = 160, .to = 80, .order = 1};
    *result = (struct compact_result){0};
    (void)owner.migrate(owner.context, first, &move, MIGRATE_TRY);
    (void)owner.migrate(owner.context, first, &move, MIGRATE_COMMIT);
    return STATUS_OK;
}

static struct flaw_case flaw_cases[FLAWS] = {FLAW_TABLE(FLAW_CASE)};

static struct subject flawed_subject(void)
{
    struct subject subject = *flaw_core();
    subject.open = flawed_open;
    subject.watch = flawed_watch;
    subject.alloc = flawed_alloc;
    subject.tryget = flawed_tryget;
    subject.put = flawed_put;
    subject.compact = flawed_compact;
    return subject;
}

static void executor_run_finds_flaw(void **state)
{
    struct subject subject = flawed_subject();
    flaw_assert_found(&subject, *state);
}

/* A hash of the state after @text, before the teardown. */
static uint64_t state_after(const char *text)
{
    struct executor executor;
    struct program program;
    program_init(&program);
    flaw_parse(&program, text);
    executor_init(&executor, flaw_core(), SLOTS);
    assert_true(executor_run(&executor, &program));
    uint64_t hash = executor.state_hash;
    executor_close(&executor);
    program_free(&program);
    return hash;
}

/* The block of a folio that was freed is in use, and its slot is, until the last reference goes. */
static void d1_freed_folio_lives_until_the_last_put(void **state)
{
    (void)state;
    uint64_t none = state_after(MAP);
    uint64_t one = state_after(MAP FOLIO);
    uint64_t two = state_after(MAP FOLIO DESC("1", "folio"));
    assert_int_not_equal(none, one);
    assert_int_equal(state_after(MAP FOLIO REF("161") FREE("0")), one);
    assert_int_equal(state_after(MAP FOLIO REF("161") REF("160") FREE("0") PUT), one);
    assert_int_equal(state_after(MAP FOLIO REF("161") FREE("0") DESC("0", "folio")), two);
    /* It cannot be freed again, or split, nor in place of others. */
    assert_int_equal(state_after(MAP FOLIO REF("161") FREE("0") FREE("0")), one);
    assert_int_equal(state_after(MAP FOLIO REF("161") FREE("0") "split slot=0 order=0\n"), one);
    assert_int_equal(state_after(MAP FOLIO REF("161") FREE("0") DESC("5", "folio") FREE("0")), one);
    assert_int_equal(state_after(MAP FOLIO REF("161") FREE("0") PUT), none);
    assert_int_equal(state_after(MAP FOLIO REF("161") PUT FREE("0")), none);
    /* From any slot on, past what is no folio, one that has ended too. */
    assert_int_equal(state_after(MAP FOLIO "ref-folio slot=9\n" FREE("0")), one);
    assert_int_equal(
        state_after(MAP FOLIO DESC("1", "anonmem") "ref-folio slot=1\n" FREE("0") FREE("1")), one);
    assert_int_equal(state_after(MAP FOLIO REF("161") FREE("0") "ref-folio slot=0\n" PUT), one);
    assert_int_equal(state_after(MAP FOLIO REF("161") REF("160") FREE("0") PUT PUT PUT), none);
}

/* What is not a folio is given no reference, and is freed at once. */
static void d2_only_folios_are_referred_to(void **state)
{
    (void)state;
    uint64_t none = state_after(MAP);
    assert_int_equal(state_after(MAP DESC("0", "anonmem") REF("160") FREE("0")), none);
    assert_int_equal(state_after(MAP REF("0") REF("160") REF("168") REF("4294967295") PUT), none);
}

/* Who cannot refer to descriptors frees folios as all others. */
static void executor_run_takes_subject_without_references(void **state)
{
    struct subject subject = *flaw_core();
    (void)state;
    subject.capabilities &= ~(uint32_t)SUBJECT_REFS;
    subject.tryget = NULL;
    subject.put = NULL;
    flaw_assert_clean(&subject, MAP FOLIO REF("160") FREE("0") PUT DESC("0", "folio"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLAW_TABLE(FLAW_TEST) cmocka_unit_test(d1_freed_folio_lives_until_the_last_put),
        cmocka_unit_test(d2_only_folios_are_referred_to),
        cmocka_unit_test(executor_run_takes_subject_without_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
