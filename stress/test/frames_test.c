/* SPDX-License-Identifier: MIT
 *
 * frames_test.c: histories made by hand, with what is found in them. Memory is frames 4 to 15 in
 * zone 0 and 16 to 31 in zone 1.
 */
#include "stress/explore/frames.h"
#include "stress/test/made_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CALLS_MAX = 4096 };

struct bench {
    struct call_rules rules;
    struct calls calls;
    struct frames_judge judge;
};

static const struct call_span spans[] = {{4, 12, 0}, {16, 16, 1}};

static int open_bench(void **state)
{
    static struct bench bench;
    bench.rules = (struct call_rules){.spans = spans, .spans_count = 2};
    *state = &bench;
    bool calls = calls_open(&bench.calls, CALLS_MAX);
    return frames_judge_open(&bench.judge, 4, 28, CALLS_MAX) && calls ? 0 : -1;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;
    calls_close(&bench->calls);
    frames_judge_close(&bench->judge);
    return 0;
}

/* The next history begins. */
static struct calls *calls_of(void **state)
{
    struct bench *bench = *state;
    calls_clear(&bench->calls);
    return &bench->calls;
}

static enum finding judge(void **state)
{
    struct bench *bench = *state;
    return judge_frames(&bench->judge, &bench->calls, &bench->rules);
}

/* What a history of two calls, one after the other, comes to. */
static enum finding judge_two(void **state, struct call first, struct call second)
{
    struct calls *calls = calls_of(state);
    told(calls, 0, first);
    told(calls, 1, second);
    return judge(state);
}

static void frames_grants_do_not_overlap(void **state)
{
    const struct bench *bench = *state;
    assert_int_equal(judge_two(state, alloc(1, 4), alloc(1, 6)), FINDINGS);
    assert_int_equal(judge_two(state, alloc(1, 8), alloc(2, 8)), FINDING_OVERLAP);
    assert_int_equal(bench->judge.call, 1);
    assert_int_equal(bench->judge.pfn, 8);
    assert_int_equal(judge_two(state, contig(3, 0, 5), alloc(0, 7)), FINDING_OVERLAP);

    /* From the return of a grant to the beginning of the free, and no longer. */
    struct calls *calls = calls_of(state);
    struct call *first = opens(calls, 0, alloc(1, 4));
    told(calls, 1, alloc(1, 4));
    told(calls, 1, freed(1, 4));
    closes(calls, first);
    struct call *free = opens(calls, 0, freed(1, 4));
    told(calls, 1, alloc(1, 4));
    told(calls, 1, split(1, 4, 0, STATUS_OK));
    assert_int_equal(judge(state), FINDINGS);
    told(calls, 2, alloc(0, 5));
    assert_int_equal(judge(state), FINDING_OVERLAP);
    closes(calls, free);

    /* A block that is being split has its owner. */
    calls = calls_of(state);
    told(calls, 0, alloc(1, 4));
    opens(calls, 0, split(1, 4, 0, STATUS_OK));
    told(calls, 1, alloc(1, 4));
    assert_int_equal(judge(state), FINDING_OVERLAP);
}

static void frames_what_is_given_back_was_granted(void **state)
{
    struct calls *calls;
    assert_int_equal(judge_two(state, alloc(1, 4), freed(1, 4)), FINDINGS);
    assert_int_equal(judge_two(state, alloc(1, 4), freed(0, 4)), FINDING_OWNERSHIP);
    assert_int_equal(judge_two(state, alloc(1, 4), freed(1, 6)), FINDING_OWNERSHIP);
    assert_int_equal(judge_two(state, alloc(1, 4), freed_desc(1, 4, 7)), FINDING_OWNERSHIP);
    assert_int_equal(judge_two(state, alloc(1, 4), contig_freed(2, 4)), FINDING_OWNERSHIP);
    struct call back = freed_desc(1, 4, 7);
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 7), back), FINDINGS);
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 8), back), FINDING_OWNERSHIP);
    back.type = MEMDESC_ANONMEM;
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 7), back), FINDING_OWNERSHIP);
    calls = calls_of(state);
    told(calls, 0, alloc(1, 4));
    opens(calls, 0, freed(1, 4));
    assert_int_equal(judge(state), FINDINGS);
    struct call *twice = opens(calls, 1, freed(1, 4));
    closes(calls, twice);
    assert_int_equal(judge(state), FINDINGS); /* the first may never have begun */
    calls = calls_of(state);
    told(calls, 0, alloc(1, 4));
    struct call *once = opens(calls, 0, freed(1, 4));
    told(calls, 1, freed(1, 4));
    closes(calls, once);
    assert_int_equal(judge(state), FINDING_OWNERSHIP);
    assert_int_equal(judge_two(state, contig(3, 0, 5), contig_freed(3, 5)), FINDINGS);

    calls = calls_of(state);
    told(calls, 0, alloc(3, 8));
    told(calls, 0, split(3, 8, 1, STATUS_OK));
    told(calls, 0, freed(1, 8));
    told(calls, 0, freed(1, 10));
    told(calls, 0, freed(2, 12));
    assert_int_equal(judge(state), FINDINGS);
    told(calls, 0, freed(2, 12));
    assert_int_equal(judge(state), FINDING_OWNERSHIP);
    calls = calls_of(state);
    told(calls, 0, alloc(3, 8));
    told(calls, 0, split(3, 8, 1, STATUS_NO_MEMORY));
    told(calls, 0, freed(3, 8));
    assert_int_equal(judge(state), FINDINGS);
}

static void frames_grant_is_where_it_was_asked_for(void **state)
{
    struct call high = alloc(2, 16);
    high.zones = 1;
    assert_int_equal(judge_two(state, alloc(0, 8), high), FINDING_CONTAINMENT);
    assert_int_equal(judge_two(state, alloc(0, 8), alloc(2, 0)), FINDING_CONTAINMENT);
    assert_int_equal(judge_two(state, alloc(0, 8), alloc(2, 10)), FINDING_CONTAINMENT);
    assert_int_equal(judge_two(state, alloc(0, 8), contig(4, 0, 14)), FINDING_CONTAINMENT);
    assert_int_equal(judge_two(state, alloc(0, 8), moved(0, 8, 32)), FINDING_CONTAINMENT);
}

static void frames_failed_is_not_granted(void **state)
{
    const struct call failure = on_frame(CALL_FAILURE, 5, STATUS_OK);
    struct call busy = failure;
    busy.status = STATUS_BUSY;
    assert_int_equal(judge_two(state, failure, alloc(1, 4)), FINDING_FAILED_FRAME);
    assert_int_equal(judge_two(state, failure, alloc(1, 6)), FINDINGS);
    assert_int_equal(judge_two(state, busy, alloc(1, 4)), FINDINGS);

    /* A failure during the grant may have come later. */
    struct calls *calls = calls_of(state);
    struct call *granted = opens(calls, 0, alloc(1, 4));
    told(calls, 1, failure);
    closes(calls, granted);
    assert_int_equal(judge(state), FINDINGS);

    /* Mended, or it may be. */
    calls = calls_of(state);
    told(calls, 1, failure);
    granted = opens(calls, 0, alloc(1, 4));
    told(calls, 1, on_frame(CALL_UNPOISON, 5, STATUS_OK));
    closes(calls, granted);
    assert_int_equal(judge(state), FINDINGS);
    calls = calls_of(state);
    struct call *failing = opens(calls, 1, failure);
    told(calls, 2, on_frame(CALL_UNPOISON, 5, STATUS_OK));
    closes(calls, failing);
    told(calls, 0, alloc(1, 4));
    assert_int_equal(judge(state), FINDINGS);
}

static void frames_lookup_sees_what_was_there(void **state)
{
    const enum memdesc_type plain = MEMDESC_BUDDY_ALLOCATED;
    struct call seen = found(CALL_LOOKUP, 5, 7, 4, 1);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(5, plain, 4, 1)), FINDINGS);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(5, plain, 4, 0)), FINDING_LOOKUP);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(5, plain, 5, 0)), FINDING_LOOKUP);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, plain, 4, 1)), FINDING_LOOKUP);
    assert_int_equal(judge_two(state, alloc(1, 4), seen), FINDING_LOOKUP);
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 7), seen), FINDINGS);
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 8), seen), FINDING_LOOKUP);
    seen.kind = CALL_TRYGET;
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 7), seen), FINDINGS);
    assert_int_equal(judge_two(state, alloc_desc(0, 4, 7), seen), FINDING_LOOKUP);
    assert_int_equal(judge_two(state, alloc(1, 4), none(CALL_LOOKUP, 5)), FINDING_LOOKUP);
    assert_int_equal(judge_two(state, alloc(1, 4), none(CALL_LOOKUP, 3)), FINDINGS);
    assert_int_equal(judge_two(state, contig(3, 0, 5), looked(6, plain, 6, 1)), FINDINGS);

    /* At any time of the call. */
    struct calls *calls = calls_of(state);
    told(calls, 0, alloc(0, 4));
    struct call *one = opens(calls, 1, looked(4, plain, 4, 0));
    struct call *other = opens(calls, 2, looked(4, plain, 4, 1));
    told(calls, 0, freed(0, 4));
    struct call *granted = opens(calls, 0, alloc(1, 4));
    closes(calls, one);
    closes(calls, other);
    closes(calls, granted);
    assert_int_equal(judge(state), FINDINGS);
    told(calls, 1, looked(4, plain, 4, 0));
    assert_int_equal(judge(state), FINDING_LOOKUP);

    /* A block that moves is at one place, or the other. */
    for (uint32_t late = 0; late < 2; late++) {
        calls = calls_of(state);
        told(calls, 0, alloc_desc(0, 4, 7));
        struct call *move = opens(calls, 1, moved_desc(0, 4, 8, 7));
        told(calls, 2, found(CALL_LOOKUP, 4, 7, 4, 0));
        told(calls, 2, found(CALL_LOOKUP, 8, 7, 8, 0));
        closes(calls, move);
        told(calls, 2, found(CALL_LOOKUP, 8, 7, 8, 0));
        told(calls, 2, late == 0 ? alloc(0, 4) : found(CALL_LOOKUP, 4, 7, 4, 0));
        assert_int_equal(judge(state), late == 0 ? FINDINGS : FINDING_LOOKUP);
    }
}

static void frames_lookup_of_nobodys_frame(void **state)
{
    struct bench *bench = *state;
    const enum memdesc_type free = MEMDESC_BUDDY_FREE;
    const enum memdesc_type plain = MEMDESC_BUDDY_ALLOCATED;
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, free, 6, 1)), FINDINGS);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, free, 4, 2)), FINDING_LOOKUP);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, owned, 6, 1)), FINDING_LOOKUP);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, plain, 6, 1)), FINDING_LOOKUP);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, MEMDESC_SLAB, 6, 0)), FINDING_LOOKUP);
    bench->rules.keeps = true;
    bench->rules.metadata = true;
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, plain, 6, 1)), FINDINGS);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, MEMDESC_SLAB, 6, 0)), FINDINGS);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(5, MEMDESC_SLAB, 5, 0)), FINDING_LOOKUP);
    struct calls *calls = calls_of(state);
    struct call *seen = opens(calls, 1, looked(5, free, 4, 2));
    told(calls, 0, alloc(1, 4));
    closes(calls, seen);
    assert_int_equal(judge(state), FINDINGS);
}

/* D2 */
static void frames_reference_is_to_what_lives(void **state)
{
    struct calls *calls = calls_of(state);
    told(calls, 0, alloc_desc(1, 4, 7));
    struct call *early = opens(calls, 1, found(CALL_TRYGET, 5, 7, 4, 1));
    struct call *last = opens(calls, 0, put(7, true));
    told(calls, 0, freed_desc(1, 4, 7));
    closes(calls, last);
    closes(calls, early);
    assert_int_equal(judge(state), FINDINGS);
    told(calls, 1, none(CALL_TRYGET, 5));
    assert_int_equal(judge(state), FINDINGS);
    struct call *late = opens(calls, 1, found(CALL_TRYGET, 5, 7, 4, 1));
    closes(calls, late);
    assert_int_equal(judge(state), FINDING_LIFETIME);
    late->kind = CALL_PUT;
    assert_int_equal(judge(state), FINDING_LIFETIME);

    /* Allocated again, be it inside the put; or gone in passing. */
    calls = calls_of(state);
    told(calls, 0, alloc_desc(1, 4, 7));
    last = opens(calls, 0, put(7, true));
    told(calls, 0, freed_desc(1, 4, 7));
    told(calls, 0, alloc_desc(1, 8, 7));
    closes(calls, last);
    told(calls, 1, found(CALL_TRYGET, 9, 7, 8, 1));
    told(calls, 0, put(7, false));
    told(calls, 1, put(7, true));
    told(calls, 1, freed_desc(1, 8, 7));
    told(calls, 0, alloc_desc(1, 8, 7));
    told(calls, 1, found(CALL_TRYGET, 9, 7, 8, 1));
    told(calls, 0, put(7, false));
    assert_int_equal(judge(state), FINDINGS);
    told(calls, 1, (struct call){.kind = CALL_DROP, .descriptor = 7});
    told(calls, 0, put(7, false));
    assert_int_equal(judge(state), FINDING_LIFETIME);
}

/* What it granted, nobody knows. */
static void frames_pending_allocation_excuses_what_is_seen(void **state)
{
    struct calls *calls = calls_of(state);
    opens(calls, 0, alloc_desc(1, 0, 7));
    told(calls, 1, found(CALL_TRYGET, 5, 7, 4, 1));
    told(calls, 1, found(CALL_LOOKUP, 5, 7, 4, 1));
    told(calls, 1, freed_desc(1, 4, 7));
    assert_int_equal(judge(state), FINDINGS);
    calls = calls_of(state);
    told(calls, 0, alloc(1, 4));
    opens(calls, 0, freed(1, 4));
    told(calls, 1, looked(4, MEMDESC_BUDDY_ALLOCATED, 4, 1));
    told(calls, 1, alloc(1, 4));
    assert_int_equal(judge(state), FINDINGS);
}

/* One frame, over and over, each time seen by another thread for which the next one comes. */
static void frames_long_history(void **state)
{
    struct calls *calls = calls_of(state);
    struct call *look = opens(calls, 1, looked(4, MEMDESC_BUDDY_ALLOCATED, 4, 0));
    while (calls->count + 4 <= CALLS_MAX) {
        told(calls, 0, alloc(0, 4));
        closes(calls, look);
        look = opens(calls, 1, looked(4, MEMDESC_BUDDY_ALLOCATED, 4, 0));
        told(calls, 0, freed(0, 4));
    }
    closes(calls, look);
    assert_int_equal(judge(state), FINDINGS);
    told(calls, 1, looked(4, MEMDESC_BUDDY_ALLOCATED, 4, 0));
    assert_int_equal(judge(state), FINDING_LOOKUP);
    while (calls->lost == 0) {
        told(calls, 0, alloc(0, 4));
    }
    assert_int_equal(judge(state), FINDINGS);
}

#define ON_BENCH(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BENCH(frames_grants_do_not_overlap),
        ON_BENCH(frames_what_is_given_back_was_granted),
        ON_BENCH(frames_grant_is_where_it_was_asked_for),
        ON_BENCH(frames_failed_is_not_granted),
        ON_BENCH(frames_lookup_sees_what_was_there),
        ON_BENCH(frames_lookup_of_nobodys_frame),
        ON_BENCH(frames_reference_is_to_what_lives),
        ON_BENCH(frames_pending_allocation_excuses_what_is_seen),
        ON_BENCH(frames_long_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
