/* SPDX-License-Identifier: MIT
 *
 * linear_test.c: histories made by hand, with what must be said of them. Memory is frames 0 to 15
 * in zone 0 and 16 to 31 in zone 1.
 */
#include "stress/explore/linear.h"
#include "stress/test/made_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { CALLS_MAX = 80, SEEN_BITS = 12 };

struct bench {
    struct call_rules rules;
    struct calls calls;
    struct linear linear;
};

static const struct call_span spans[] = {{0, 16, 0}, {16, 16, 1}};

static int open_bench(void **state)
{
    static struct bench bench;
    bench.rules = (struct call_rules){.spans = spans, .spans_count = 2};
    *state = &bench;
    bool calls = calls_open(&bench.calls, CALLS_MAX);
    return linear_open(&bench.linear, SEEN_BITS) && calls ? 0 : -1;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;
    calls_close(&bench->calls);
    linear_close(&bench->linear);
    return 0;
}

/* The next history begins. */
static struct bench *bench_of(void **state)
{
    struct bench *bench = *state;
    calls_clear(&bench->calls);
    return bench;
}

static enum linear_answer judge(struct bench *bench)
{
    return judge_linear(&bench->linear, &bench->calls, &bench->rules);
}

#define assert_yes(bench) assert_int_equal(judge(bench), LINEAR_YES)
#define assert_no(bench)  assert_int_equal(judge(bench), LINEAR_NO)

/* What a history of one call by each thread, one after the other, comes to. */
static enum linear_answer judge_two(void **state, struct call first, struct call second)
{
    struct bench *bench = bench_of(state);
    told(&bench->calls, 0, first);
    told(&bench->calls, 1, second);
    return judge(bench);
}

static void linear_grant_is_of_nobody(void **state)
{
    struct bench *bench;
    assert_int_equal(judge_two(state, alloc(1, 4), alloc(1, 6)), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc(1, 4), alloc(1, 4)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(0, 5), alloc(2, 4)), LINEAR_NO);
    assert_int_equal(judge_two(state, contig(3, 0, 5), alloc(0, 7)), LINEAR_NO);
    assert_int_equal(judge_two(state, contig(3, 0, 5), alloc(0, 8)), LINEAR_YES);

    /* A free that overlaps the second grant may have come first; one that began later not. */
    bench = bench_of(state);
    told(&bench->calls, 0, alloc(1, 4));
    struct call *free = opens(&bench->calls, 0, freed(1, 4));
    told(&bench->calls, 1, alloc(1, 4));
    closes(&bench->calls, free);
    assert_yes(bench);
    bench = bench_of(state);
    told(&bench->calls, 0, alloc(1, 4));
    told(&bench->calls, 1, alloc(1, 4));
    told(&bench->calls, 0, freed(1, 4));
    assert_no(bench);

    /* One free does not make way for two. */
    bench = bench_of(state);
    told(&bench->calls, 0, alloc(1, 4));
    free = opens(&bench->calls, 0, freed(1, 4));
    struct call *one = opens(&bench->calls, 1, alloc(0, 4));
    struct call *other = opens(&bench->calls, 2, alloc(1, 4));
    closes(&bench->calls, free);
    closes(&bench->calls, one);
    closes(&bench->calls, other);
    assert_no(bench);
}

static void linear_grant_is_where_it_was_asked_for(void **state)
{
    struct call high = alloc(2, 16);
    assert_int_equal(judge_two(state, alloc(2, 8), high), LINEAR_YES);
    high.zones = 1;
    assert_int_equal(judge_two(state, alloc(2, 8), high), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(2, 8), alloc(2, 2)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(2, 8), alloc(2, 32)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(2, 8), contig(4, 0, 14)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(2, 8), contig(3, 1, 13)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(2, 8), contig(3, 1, 12)), LINEAR_YES);
}

static void linear_free_is_of_what_was_granted(void **state)
{
    struct bench *bench;
    assert_int_equal(judge_two(state, alloc(1, 4), freed(1, 4)), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc(1, 4), freed(0, 4)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), freed(1, 6)), LINEAR_NO);
    assert_int_equal(judge_two(state, contig(2, 1, 4), freed(1, 4)), LINEAR_NO);
    assert_int_equal(judge_two(state, contig(2, 1, 4), contig_freed(2, 4)), LINEAR_YES);
    assert_int_equal(judge_two(state, contig(3, 1, 4), contig_freed(2, 4)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), contig_freed(2, 4)), LINEAR_NO);

    bench = bench_of(state);
    told(&bench->calls, 0, alloc(1, 4));
    told(&bench->calls, 0, freed(1, 4));
    told(&bench->calls, 0, freed(1, 4));
    assert_no(bench);
}

/* Two blocks were at one place: which of them is left depends on which was freed. */
static void linear_free_says_which_block(void **state)
{
    for (uint32_t first = 0; first < 2; first++) {
        struct bench *bench = bench_of(state);
        struct call *plain = opens(&bench->calls, 0, alloc(1, 4));
        struct call *owners = opens(&bench->calls, 1, alloc_desc(1, 4, 7));
        struct call *freeing = opens(&bench->calls, 2, freed(1, 4));
        closes(&bench->calls, plain);
        closes(&bench->calls, owners);
        closes(&bench->calls, freeing);
        told(&bench->calls, 2, looked(4, first == 0 ? owned : MEMDESC_BUDDY_ALLOCATED, 4, 1));
        assert_int_equal(judge(bench), first == 0 ? LINEAR_YES : LINEAR_NO);
    }

    struct bench *bench = bench_of(state);
    told(&bench->calls, 0, alloc_desc(1, 4, 7));
    told(&bench->calls, 0, put(7, true));
    assert_yes(bench);
    struct call call = freed_desc(1, 4, 8);
    told(&bench->calls, 0, call);
    assert_no(bench);
    bench->calls.calls[2].descriptor = 7;
    assert_yes(bench);
    bench->calls.calls[2].type = MEMDESC_ANONMEM;
    assert_no(bench);
}

static void linear_split_leaves_parts(void **state)
{
    static const struct {
        order_t order;
        pfn_t pfn;
    } parts[] = {{0, 8}, {0, 9}, {1, 10}, {2, 12}};
    struct bench *bench = bench_of(state);
    struct call whole = alloc(3, 8);
    struct call upper = looked(13, MEMDESC_BUDDY_ALLOCATED, 12, 2);
    struct call cut = split(3, 8, 0, STATUS_OK);
    whole.descriptor = upper.descriptor = cut.descriptor = 7;
    told(&bench->calls, 0, whole);
    struct call *call = opens(&bench->calls, 0, cut);
    told(&bench->calls, 1, looked(11, MEMDESC_BUDDY_ALLOCATED, 8, 3));
    closes(&bench->calls, call);
    told(&bench->calls, 1, upper); /* the last part keeps the handle */
    for (uint32_t i = 0; i < 4; i++) {
        struct call part = freed(parts[i].order, parts[i].pfn);
        part.descriptor = i == 3 ? 7 : 0;
        told(&bench->calls, 0, part);
    }
    told(&bench->calls, 1, alloc(3, 8));
    assert_yes(bench);

    bench = bench_of(state);
    told(&bench->calls, 0, alloc(3, 8));
    told(&bench->calls, 0, split(3, 8, 0, STATUS_OK));
    told(&bench->calls, 1, looked(11, MEMDESC_BUDDY_ALLOCATED, 8, 3));
    assert_no(bench);
    bench = bench_of(state);
    told(&bench->calls, 0, alloc(3, 8));
    told(&bench->calls, 0, split(3, 8, 0, STATUS_OK));
    told(&bench->calls, 0, freed(3, 8));
    assert_no(bench);
}

static void linear_split_is_refused_for_a_reason(void **state)
{
    struct call owners = split(3, 8, 1, STATUS_INVALID);
    owners.type = owned;
    owners.descriptor = 7;
    assert_int_equal(judge_two(state, alloc(3, 8), split(3, 8, 3, STATUS_INVALID)), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc(3, 8), split(3, 8, 3, STATUS_OK)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(3, 8), split(3, 8, 1, STATUS_INVALID)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(3, 8), split(3, 8, 1, STATUS_BUSY)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc_desc(3, 8, 7), owners), LINEAR_YES);
    owners.status = STATUS_OK;
    assert_int_equal(judge_two(state, alloc_desc(3, 8, 7), owners), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(3, 8), split(3, 8, 1, STATUS_NO_MEMORY)), LINEAR_NO);
}

/* F2: there must be memory in no possible order. */
static void linear_no_memory_needs_a_reason(void **state)
{
    struct bench *bench = bench_of(state);
    told(&bench->calls, 0, alloc(4, 0));
    told(&bench->calls, 0, alloc_short(4));
    assert_no(bench);
    bench->rules.slack = 1;
    assert_yes(bench);
    bench->rules.slack = 0;

    bench = bench_of(state);
    told(&bench->calls, 0, alloc(4, 0));
    struct call *call = opens(&bench->calls, 0, alloc(0, 31));
    told(&bench->calls, 1, alloc_short(4));
    closes(&bench->calls, call);
    assert_yes(bench);

    /* Nor is there where the allocator's own metadata would go. */
    bench = bench_of(state);
    told(&bench->calls, 0, alloc_short(0));
    assert_no(bench);
    bench->rules.homeless = ~0U;
    assert_yes(bench);
    bench->rules.homeless = 0;

    /* What is free is free, whoever gives what back. */
    bench = bench_of(state);
    told(&bench->calls, 0, alloc(4, 0));
    told(&bench->calls, 0, alloc(3, 16));
    call = opens(&bench->calls, 0, freed(4, 0));
    told(&bench->calls, 1, alloc_short(3));
    closes(&bench->calls, call);
    assert_no(bench);

    /* Only zones that may serve count, and runs are counted on their alignment. */
    bench = bench_of(state);
    told(&bench->calls, 0, alloc(4, 0));
    struct call low = alloc_short(0);
    low.zones = 1;
    told(&bench->calls, 1, low);
    told(&bench->calls, 0, contig(9, 0, 20));
    struct call run = contig(4, 2, 0);
    run.status = STATUS_NO_MEMORY;
    bench->rules.slack = 1;
    told(&bench->calls, 1, run);
    assert_yes(bench);
    bench->rules.slack = 0;
    assert_no(bench);
    bench = bench_of(state);
    told(&bench->calls, 0, alloc(4, 0));
    told(&bench->calls, 0, contig(9, 0, 19));
    told(&bench->calls, 1, run);
    assert_no(bench);
    bench = bench_of(state);
    told(&bench->calls, 0, alloc(4, 0));
    told(&bench->calls, 0, contig(10, 0, 19));
    told(&bench->calls, 1, run);
    assert_yes(bench);
}

static void linear_status_is_one_of_the_call(void **state)
{
    struct call call = alloc(1, 4);
    call.status = STATUS_ACCEPT_FAILED;
    assert_int_equal(judge_two(state, alloc(1, 4), call), LINEAR_YES);
    call.status = STATUS_INVALID;
    assert_int_equal(judge_two(state, alloc(1, 4), call), LINEAR_NO);
}

static void linear_lookup_sees_what_is_there(void **state)
{
    const enum memdesc_type plain = MEMDESC_BUDDY_ALLOCATED;
    struct call seen;
    assert_int_equal(judge_two(state, alloc(1, 4), looked(5, plain, 4, 1)), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(5, plain, 4, 0)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(4, plain, 4, 0)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(4, plain, 4, 2)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(5, owned, 4, 1)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), looked_flawed(5, plain, 4, 1)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), none(CALL_LOOKUP, 5)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), none(CALL_LOOKUP, 33)), LINEAR_YES);
    assert_int_equal(judge_two(state, contig(3, 0, 5), looked(7, plain, 6, 1)), LINEAR_YES);
    assert_int_equal(judge_two(state, contig(3, 0, 5), looked(7, plain, 7, 1)), LINEAR_NO);
    assert_int_equal(judge_two(state, contig(3, 0, 5), looked(5, plain, 4, 1)), LINEAR_NO);

    seen = found(CALL_LOOKUP, 5, 7, 4, 1);
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 7), seen), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 8), seen), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 7), looked(5, plain, 4, 1)), LINEAR_NO);
}

static void linear_lookup_of_nobodys_frame(void **state)
{
    struct bench *bench = *state;
    const enum memdesc_type free = MEMDESC_BUDDY_FREE;
    const enum memdesc_type plain = MEMDESC_BUDDY_ALLOCATED;
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, free, 6, 1)), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, free, 4, 2)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(5, free, 4, 1)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(7, free, 7, 1)), LINEAR_NO);
    struct call odd = looked(6, free, 6, 0);
    odd.seen.frames = 3;
    assert_int_equal(judge_two(state, alloc(1, 8), odd), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(9, free, 12, 2)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, owned, 6, 1)), LINEAR_NO);

    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, plain, 6, 1)), LINEAR_NO);
    bench->rules.keeps = true;
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, plain, 6, 1)), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, plain, 4, 2)), LINEAR_NO);

    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, MEMDESC_SLAB, 6, 0)), LINEAR_NO);
    bench->rules.metadata = true;
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, MEMDESC_SLAB, 6, 0)), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, MEMDESC_RESERVED, 6, 0)), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(5, MEMDESC_SLAB, 5, 0)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), looked(6, owned, 6, 1)), LINEAR_NO);
}

/* The head of one moment, the extent of another: it was never so. */
static void linear_lookup_is_not_torn(void **state)
{
    struct bench *bench = bench_of(state);
    told(&bench->calls, 0, alloc_desc(1, 4, 7));
    struct call *look = opens(&bench->calls, 1, found(CALL_LOOKUP, 4, 7, 4, 0));
    told(&bench->calls, 0, put(7, true));
    told(&bench->calls, 0, freed_desc(1, 4, 7));
    told(&bench->calls, 0, alloc_desc(0, 4, 8));
    closes(&bench->calls, look);
    assert_no(bench);
    *look =
        (struct call){.kind = CALL_LOOKUP, .invoked = look->invoked, .returned = look->returned};
    look->pfn = 4;
    look->found = true;
    look->type = owned;
    look->descriptor = 8;
    look->seen = (struct call_seen){4, 1, false};
    assert_yes(bench);
}

/* Two threads look at what two others do, and see it in different orders. */
static void linear_lookups_agree_on_the_order(void **state)
{
    struct bench *bench = bench_of(state);
    struct call *one = opens(&bench->calls, 0, alloc(0, 4));
    struct call *other = opens(&bench->calls, 1, alloc(0, 5));
    told(&bench->calls, 2, looked(4, MEMDESC_BUDDY_ALLOCATED, 4, 0));
    told(&bench->calls, 2, looked(5, MEMDESC_BUDDY_FREE, 5, 0));
    told(&bench->calls, 3, looked(5, MEMDESC_BUDDY_FREE, 5, 0));
    told(&bench->calls, 3, looked(5, MEMDESC_BUDDY_ALLOCATED, 5, 0));
    told(&bench->calls, 3, looked(4, MEMDESC_BUDDY_FREE, 4, 0));
    closes(&bench->calls, one);
    closes(&bench->calls, other);
    assert_no(bench);
}

static void linear_failed_frame_is_not_granted(void **state)
{
    const struct call failure = on_frame(CALL_FAILURE, 5, STATUS_OK);
    struct bench *bench;
    assert_int_equal(judge_two(state, failure, alloc(1, 6)), LINEAR_YES);
    assert_int_equal(judge_two(state, failure, alloc(1, 4)), LINEAR_NO);
    assert_int_equal(judge_two(state, failure, looked(5, MEMDESC_POISONED, 5, 0)), LINEAR_YES);
    assert_int_equal(judge_two(state, failure, looked(4, MEMDESC_POISONED, 4, 0)), LINEAR_NO);
    assert_int_equal(judge_two(state, failure, looked(5, MEMDESC_POISONED, 4, 1)), LINEAR_NO);
    assert_int_equal(judge_two(state, failure, looked(5, MEMDESC_BUDDY_FREE, 5, 0)), LINEAR_NO);
    assert_int_equal(judge_two(state, failure, looked(4, MEMDESC_BUDDY_FREE, 4, 1)), LINEAR_NO);

    bench = bench_of(state);
    told(&bench->calls, 0, alloc(1, 4));
    told(&bench->calls, 1, failure);
    told(&bench->calls, 1, looked_flawed(4, MEMDESC_BUDDY_ALLOCATED, 4, 1));
    told(&bench->calls, 0, freed(1, 4));
    told(&bench->calls, 1, looked(5, MEMDESC_POISONED, 5, 0));
    told(&bench->calls, 0, alloc_short(4));
    told(&bench->calls, 1, on_frame(CALL_UNPOISON, 5, STATUS_OK));
    told(&bench->calls, 0, alloc(1, 4));
    assert_no(bench); /* the upper zone was free */
    bench->calls.calls[5].order = 5;
    assert_yes(bench);
}

static void linear_failure_is_told_as_it_is(void **state)
{
    const struct call failure = on_frame(CALL_FAILURE, 5, STATUS_OK);
    struct call again = failure;
    assert_int_equal(judge_two(state, failure, again), LINEAR_NO);
    again.status = STATUS_EXISTS;
    assert_int_equal(judge_two(state, failure, again), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc(1, 4), again), LINEAR_NO);
    again.status = STATUS_BUSY;
    assert_int_equal(judge_two(state, alloc(1, 4), again), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 6), again), LINEAR_YES);
    again.status = STATUS_NO_MEMORY;
    assert_int_equal(judge_two(state, alloc(1, 4), again), LINEAR_NO);
    again.status = STATUS_NOT_FOUND;
    assert_int_equal(judge_two(state, alloc(1, 4), again), LINEAR_NO);
    again.status = STATUS_INVALID;
    assert_int_equal(judge_two(state, alloc(1, 4), again), LINEAR_NO);
    again.pfn = 32;
    assert_int_equal(judge_two(state, alloc(1, 4), again), LINEAR_YES);
    again.status = STATUS_OK;
    assert_int_equal(judge_two(state, alloc(1, 4), again), LINEAR_NO);

    again = on_frame(CALL_UNPOISON, 5, STATUS_OK);
    assert_int_equal(judge_two(state, failure, again), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc(1, 4), again), LINEAR_NO);
    again.status = STATUS_INVALID;
    assert_int_equal(judge_two(state, failure, again), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), again), LINEAR_YES);
}

static void linear_memory_for_the_allocator_runs_short(void **state)
{
    struct bench *bench = bench_of(state);
    told(&bench->calls, 0, alloc(4, 0));
    told(&bench->calls, 0, alloc(4, 16));
    told(&bench->calls, 1, on_frame(CALL_FAILURE, 5, STATUS_NO_MEMORY));
    told(&bench->calls, 0, split(4, 16, 0, STATUS_NO_MEMORY));
    assert_yes(bench);
    told(&bench->calls, 0, split(4, 16, 4, STATUS_NO_MEMORY));
    assert_no(bench);

    bench = bench_of(state);
    told(&bench->calls, 0, alloc(4, 0));
    told(&bench->calls, 0, alloc(4, 16));
    told(&bench->calls, 1, on_frame(CALL_FAILURE, 5, STATUS_OK));
    told(&bench->calls, 1, on_frame(CALL_FAILURE, 5, STATUS_NO_MEMORY));
    assert_no(bench);
}

static void linear_move_takes_the_block_along(void **state)
{
    struct bench *bench = bench_of(state);
    told(&bench->calls, 0, alloc_desc(1, 4, 7));
    struct call *call = opens(&bench->calls, 1, contig(4, 2, 4));
    struct call *move = opens(&bench->calls, 1, moved_desc(1, 4, 16, 7));
    told(&bench->calls, 2, found(CALL_LOOKUP, 5, 7, 4, 1));
    told(&bench->calls, 2, found(CALL_LOOKUP, 17, 7, 16, 1));
    told(&bench->calls, 2, on_frame(CALL_FAILURE, 16, STATUS_BUSY));
    closes(&bench->calls, move);
    closes(&bench->calls, call);
    told(&bench->calls, 0, put(7, true));
    told(&bench->calls, 0, freed_desc(1, 16, 7));
    assert_yes(bench);
    move->status = STATUS_BUSY;
    assert_no(bench);
    move->status = STATUS_OK;
    told(&bench->calls, 2, found(CALL_LOOKUP, 5, 7, 4, 1));
    assert_no(bench);

    assert_int_equal(judge_two(state, alloc(1, 4), moved(1, 4, 6)), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc(1, 4), moved(0, 4, 6)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), moved(1, 4, 7)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), moved(1, 4, 32)), LINEAR_NO);
    bench = bench_of(state);
    told(&bench->calls, 0, alloc(1, 4));
    told(&bench->calls, 0, alloc(0, 9));
    told(&bench->calls, 0, moved(1, 4, 8));
    assert_no(bench);
}

/* D3 */
static void linear_move_needs_sound_frames_and_no_references(void **state)
{
    for (pfn_t failed = 5; failed <= 13; failed += 4) {
        struct bench *bench = bench_of(state);
        told(&bench->calls, 0, alloc(1, 4));
        told(&bench->calls, 1, on_frame(CALL_FAILURE, failed, STATUS_OK));
        told(&bench->calls, 1, moved(1, 4, 8));
        assert_int_equal(judge(bench), failed == 13 ? LINEAR_YES : LINEAR_NO);
    }
    struct bench *bench = bench_of(state);
    told(&bench->calls, 0, alloc_desc(1, 4, 7));
    told(&bench->calls, 1, found(CALL_TRYGET, 5, 7, 4, 1));
    struct call *move = opens(&bench->calls, 2, moved_desc(1, 4, 8, 7));
    assert_yes(bench);
    closes(&bench->calls, move);
    assert_no(bench);
}

/* D2 */
static void linear_tryget_finds_what_lives(void **state)
{
    struct bench *bench;
    struct call got = found(CALL_TRYGET, 5, 7, 4, 1);
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 7), got), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 8), got), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc_desc(0, 4, 7), got), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 7), none(CALL_TRYGET, 6)), LINEAR_YES);
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 7), none(CALL_TRYGET, 5)), LINEAR_NO);
    assert_int_equal(judge_two(state, alloc(1, 4), none(CALL_TRYGET, 5)), LINEAR_YES);
    got = found(CALL_TRYGET, 5, 7, 4, 0);
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 7), got), LINEAR_NO);
    got = found(CALL_TRYGET, 5, 7, 4, 1);
    got.type = MEMDESC_ANONMEM;
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 7), got), LINEAR_NO);

    /* After the last put there is nothing to be had, though the block is still there. */
    bench = bench_of(state);
    told(&bench->calls, 0, alloc_desc(1, 4, 7));
    struct call *last = opens(&bench->calls, 0, put(7, true));
    told(&bench->calls, 1, none(CALL_TRYGET, 5));
    told(&bench->calls, 1, found(CALL_LOOKUP, 5, 7, 4, 1));
    told(&bench->calls, 0, freed_desc(1, 4, 7));
    closes(&bench->calls, last);
    assert_yes(bench);
    told(&bench->calls, 1, found(CALL_TRYGET, 5, 7, 4, 1));
    assert_no(bench);

    /* A block that is just moving gives no references. */
    bench = bench_of(state);
    told(&bench->calls, 0, alloc_desc(1, 4, 7));
    struct call *move = opens(&bench->calls, 2, moved_desc(1, 4, 8, 7));
    told(&bench->calls, 1, none(CALL_TRYGET, 5));
    closes(&bench->calls, move);
    assert_yes(bench);
    told(&bench->calls, 1, none(CALL_TRYGET, 9));
    assert_no(bench);
}

static void linear_put_tells_the_last(void **state)
{
    struct bench *bench = bench_of(state);
    told(&bench->calls, 0, alloc_desc(1, 4, 7));
    told(&bench->calls, 1, found(CALL_TRYGET, 5, 7, 4, 1));
    told(&bench->calls, 0, put(7, false));
    told(&bench->calls, 1, put(7, true));
    told(&bench->calls, 1, freed_desc(1, 4, 7));
    assert_yes(bench);
    told(&bench->calls, 1, put(7, false));
    assert_no(bench);

    for (uint32_t wrong = 0; wrong < 3; wrong++) {
        bench = bench_of(state);
        told(&bench->calls, 0, alloc_desc(1, 4, 7));
        told(&bench->calls, 1, found(CALL_TRYGET, 5, 7, 4, 1));
        told(&bench->calls, 0, put(7, wrong == 0));
        told(&bench->calls, 1, put(7, wrong != 1));
        told(&bench->calls, 1, freed_desc(1, 4, 7));
        assert_int_equal(judge(bench), wrong == 2 ? LINEAR_YES : LINEAR_NO);
    }

    /* A block is not freed while there are references. */
    bench = bench_of(state);
    told(&bench->calls, 0, alloc_desc(1, 4, 7));
    told(&bench->calls, 1, freed_desc(1, 4, 7));
    assert_no(bench);
}

/* A tryget in vain had a reference for a moment: the last goes with it, and others may get one. */
static void linear_reference_in_passing(void **state)
{
    struct bench *bench = bench_of(state);
    told(&bench->calls, 0, alloc_desc(1, 4, 7));
    struct call *passing = opens(&bench->calls, 1, none(CALL_TRYGET, 5));
    told(&bench->calls, 0, put(7, false));
    struct call *drop = opens(&bench->calls, 1, (struct call){.kind = CALL_DROP, .descriptor = 7});
    told(&bench->calls, 1, freed_desc(1, 4, 7));
    closes(&bench->calls, drop);
    closes(&bench->calls, passing);
    assert_yes(bench);
    told(&bench->calls, 1, (struct call){.kind = CALL_DROP, .descriptor = 7});
    assert_no(bench);

    bench = bench_of(state);
    told(&bench->calls, 0, alloc_desc(1, 4, 7));
    passing = opens(&bench->calls, 1, none(CALL_TRYGET, 9));
    told(&bench->calls, 0, put(7, false));
    told(&bench->calls, 2, found(CALL_TRYGET, 5, 7, 4, 1));
    closes(&bench->calls, passing);
    told(&bench->calls, 2, put(7, true));
    told(&bench->calls, 2, freed_desc(1, 4, 7));
    assert_yes(bench);

    /* He who had it in passing must still be there, and what he drops must be there to be dropped.
     */
    for (uint32_t there = 0; there < 2; there++) {
        bench = bench_of(state);
        told(&bench->calls, 0, alloc_desc(1, 4, 7));
        passing = opens(&bench->calls, 1, none(CALL_TRYGET, 9));
        told(&bench->calls, 0, put(7, there == 0));
        if (there == 1) {
            closes(&bench->calls, passing);
        }
        told(&bench->calls, 2, found(CALL_TRYGET, 5, 7, 4, 1));
        assert_no(bench);
    }
    struct call dropped = {.kind = CALL_DROP, .descriptor = 7};
    assert_int_equal(judge_two(state, alloc_desc(1, 4, 7), dropped), LINEAR_NO);
}

static void linear_pending_call_may_have_taken_effect(void **state)
{
    struct bench *bench = bench_of(state);
    told(&bench->calls, 0, alloc(1, 4));
    opens(&bench->calls, 0, freed(1, 4));
    assert_yes(bench);
    told(&bench->calls, 1, alloc(1, 4));
    assert_yes(bench);
    told(&bench->calls, 2, alloc(1, 4));
    assert_no(bench);

    /* An allocation may have been seen, in one place. */
    bench = bench_of(state);
    opens(&bench->calls, 0, alloc_desc(1, 0, 7));
    told(&bench->calls, 1, found(CALL_TRYGET, 5, 7, 4, 1));
    told(&bench->calls, 1, put(7, false));
    told(&bench->calls, 1, alloc_short(0));
    assert_yes(bench);
    told(&bench->calls, 1, alloc(1, 4));
    assert_no(bench);
    bench->calls.count--;
    bench->calls.moment -= 2;
    told(&bench->calls, 1, found(CALL_LOOKUP, 9, 7, 8, 1));
    assert_no(bench);

    /* A reference that nobody was told of. */
    bench = bench_of(state);
    told(&bench->calls, 0, alloc_desc(1, 4, 7));
    opens(&bench->calls, 1, none(CALL_TRYGET, 5));
    told(&bench->calls, 0, put(7, false));
    told(&bench->calls, 2, put(7, true));
    assert_yes(bench);

    /* A put that was the last, or was not. */
    for (uint32_t got = 0; got < 2; got++) {
        bench = bench_of(state);
        told(&bench->calls, 0, alloc_desc(1, 4, 7));
        if (got == 1) {
            told(&bench->calls, 1, found(CALL_TRYGET, 5, 7, 4, 1));
        }
        opens(&bench->calls, 0, put(7, false));
        if (got == 1) {
            told(&bench->calls, 1, put(7, true));
        }
        told(&bench->calls, 2, freed_desc(1, 4, 7));
        assert_yes(bench);
    }

    /* Of a run, nobody knows what it is made of. */
    bench = bench_of(state);
    told(&bench->calls, 1, looked(4, MEMDESC_BUDDY_ALLOCATED, 4, 1));
    opens(&bench->calls, 0, contig(3, 0, 0));
    assert_no(bench);
    bench = bench_of(state);
    opens(&bench->calls, 0, contig(3, 0, 0));
    told(&bench->calls, 1, looked(4, MEMDESC_BUDDY_ALLOCATED, 4, 1));
    assert_yes(bench);
}

static void linear_says_how_far_it_came(void **state)
{
    struct bench *bench = bench_of(state);
    told(&bench->calls, 0, alloc(1, 16)); /* of no interest */
    told(&bench->calls, 0, alloc(1, 4));
    told(&bench->calls, 1, looked(4, MEMDESC_BUDDY_ALLOCATED, 4, 1));
    struct call *wrong = opens(&bench->calls, 0, alloc(0, 5));
    told(&bench->calls, 1, freed(0, 4));
    closes(&bench->calls, wrong);
    told(&bench->calls, 1, freed(1, 4));
    assert_no(bench);
    assert_int_equal(bench->linear.prefix_count, 2);
    assert_int_equal(bench->linear.prefix[0], 1);
    assert_int_equal(bench->linear.prefix[1], 2);
    assert_int_equal(bench->linear.stuck_count, 2);
    assert_int_equal(bench->linear.stuck[0], 4);
    assert_int_equal(bench->linear.stuck[1], 3);
}

static void linear_is_undecided_where_there_is_no_room(void **state)
{
    struct bench *bench = bench_of(state);
    struct call *open[16];
    for (uint32_t i = 0; i < 16; i++) {
        open[i] = opens(&bench->calls, i, alloc(0, i));
    }
    told(&bench->calls, 16, alloc_short(4));
    for (uint32_t i = 0; i < 16; i++) {
        closes(&bench->calls, open[i]);
    }
    assert_int_equal(judge(bench), LINEAR_UNDECIDED);

    /* Of more blocks in use than are counted, nothing is said. */
    static const struct call_span large = {0, (uint64_t)1 << 62, 0};
    bench->rules = (struct call_rules){.spans = &large, .spans_count = 1};
    for (uint32_t few = 0; few < 2; few++) {
        bench = bench_of(state);
        for (uint32_t i = few; i < 6; i++) {
            pfn_t pfn = order_frames(50) * i;
            told(&bench->calls, 0, alloc(50, pfn));
            told(&bench->calls, 0, split(50, pfn, 0, STATUS_OK));
        }
        told(&bench->calls, 0, alloc_short(0));
        assert_int_equal(judge(bench), few == 1 ? LINEAR_NO : LINEAR_UNDECIDED);
    }

    bench = bench_of(state);
    for (uint32_t i = 0; i < LINEAR_TURNS_MAX; i++) {
        told(&bench->calls, 0, i % 2 == 0 ? alloc(0, 4) : freed(0, 4));
    }
    assert_yes(bench);
    told(&bench->calls, 0, alloc(0, 4));
    assert_int_equal(judge(bench), LINEAR_UNDECIDED);
    while (bench->calls.lost == 0) {
        told(&bench->calls, 0, alloc(0, 4));
    }
    assert_int_equal(bench->calls.count, CALLS_MAX);
    bench->calls.count = 1;
    bench->calls.moment = 2;
    assert_int_equal(judge(bench), LINEAR_UNDECIDED);
    bench->calls.lost = 0;
    assert_yes(bench);
}

static void call_describe_says_what_and_when(void **state)
{
    struct bench *bench = bench_of(state);
    char text[CALL_TEXT_MAX];
    told(&bench->calls, 3, alloc(1, 4));
    const struct call *call = &bench->calls.calls[0];
    assert_string_equal(call_describe(call, text),
                        "thread 3, step 0: alloc order 1, descriptor 0x0 -> 0x4");
    call = opens(&bench->calls, 2, contig_freed(3, 20));
    assert_string_equal(call_describe(call, text),
                        "thread 2, step 2: contig-free 0x14, 3 frames -> never returned");
    told(&bench->calls, 1, found(CALL_TRYGET, 5, 7, 4, 1));
    assert_non_null(strstr(call_describe(call + 1, text), "tryget 0x5 -> 0x4, 2 frames"));
}

#define ON_BENCH(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BENCH(linear_grant_is_of_nobody),
        ON_BENCH(linear_grant_is_where_it_was_asked_for),
        ON_BENCH(linear_free_is_of_what_was_granted),
        ON_BENCH(linear_free_says_which_block),
        ON_BENCH(linear_split_leaves_parts),
        ON_BENCH(linear_split_is_refused_for_a_reason),
        ON_BENCH(linear_no_memory_needs_a_reason),
        ON_BENCH(linear_status_is_one_of_the_call),
        ON_BENCH(linear_lookup_sees_what_is_there),
        ON_BENCH(linear_lookup_of_nobodys_frame),
        ON_BENCH(linear_lookup_is_not_torn),
        ON_BENCH(linear_lookups_agree_on_the_order),
        ON_BENCH(linear_failed_frame_is_not_granted),
        ON_BENCH(linear_failure_is_told_as_it_is),
        ON_BENCH(linear_memory_for_the_allocator_runs_short),
        ON_BENCH(linear_move_takes_the_block_along),
        ON_BENCH(linear_move_needs_sound_frames_and_no_references),
        ON_BENCH(linear_tryget_finds_what_lives),
        ON_BENCH(linear_put_tells_the_last),
        ON_BENCH(linear_reference_in_passing),
        ON_BENCH(linear_pending_call_may_have_taken_effect),
        ON_BENCH(linear_says_how_far_it_came),
        ON_BENCH(linear_is_undecided_where_there_is_no_room),
        ON_BENCH(call_describe_says_what_and_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
