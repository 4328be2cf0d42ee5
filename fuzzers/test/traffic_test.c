/* SPDX-License-Identifier: MIT
 *
 * traffic_test.c: a trace's events as blocks of a run, against a flat array: one entry for each
 * frame of the trace.
 */
#include "fuzzers/traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SEED = 20211005,
    EVENTS = 200000,
    FRAMES = 9000, /* of the trace: more than the first table of names holds */
    BLOCKS_MAX = 8192,
    NOBODY = BLOCKS_MAX
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* What the sink is told, and answers. */
struct recorder {
    uint32_t blocks;           /* of the stream */
    pfn_t pfn[BLOCKS_MAX];     /* of the block with this number, ... */
    order_t order[BLOCKS_MAX]; /* ... as the sink was told */
    bool used[BLOCKS_MAX];
    uint32_t used_count;
    uint32_t used_peak;
    uint32_t number_max; /* the largest number given out, plus 1 */
    uint64_t allocs;     /* that were granted */
    uint64_t frees;
    uint32_t refuse_every; /* allocation that is refused: each such one; 0: none */
    uint64_t asked;
    uint64_t stop_after; /* calls of alloc; 0: never */
};

static struct recorder recorder;

static bool sink_alloc(void *context, const struct trace_event *event, uint32_t number)
{
    struct recorder *to = context;
    assert_true(number < to->blocks);
    assert_false(to->used[number]); /* a number is one block's at a time */
    to->asked++;
    if (to->refuse_every != 0 && to->asked % to->refuse_every == 0) {
        return false;
    }
    to->used[number] = true;
    to->pfn[number] = event->pfn;
    to->order[number] = event->order;
    to->number_max = number + 1 > to->number_max ? number + 1 : to->number_max;
    to->used_count++;
    to->used_peak = to->used_count > to->used_peak ? to->used_count : to->used_peak;
    to->allocs++;
    return true;
}

static void sink_free(void *context, uint32_t number)
{
    struct recorder *to = context;
    assert_true(number < to->blocks);
    assert_true(to->used[number]);
    to->used[number] = false;
    to->used_count--;
    to->frees++;
}

static bool sink_stopped(void *context)
{
    const struct recorder *to = context;
    return to->stop_after != 0 && to->asked >= to->stop_after;
}

static struct traffic *open_stream(uint32_t blocks)
{
    static const struct traffic_sink sink = {&recorder, sink_alloc, sink_free, sink_stopped};
    recorder = (struct recorder){.blocks = blocks};
    return traffic_open(blocks, &sink);
}

static struct trace_event alloc_event(pfn_t pfn, order_t order)
{
    return (struct trace_event){.pfn = pfn, .order = order};
}

static struct trace_event free_event(pfn_t pfn, order_t order)
{
    return (struct trace_event){.is_free = true, .pfn = pfn, .order = order};
}

static void traffic_feed_pairs_allocs_and_frees(void **state)
{
    (void)state;
    const struct trace_event events[] = {
        alloc_event(0x100, 0), alloc_event(0x200, 3), free_event(0x100, 0),
        alloc_event(0x300, 1), free_event(0x200, 3),
    };
    struct traffic *traffic = open_stream(8);
    traffic_feed(traffic, events, LENGTH(events));
    const struct traffic_counts *counts = traffic_counts(traffic);
    assert_int_equal(counts->events, 5);
    assert_int_equal(counts->allocs, 3);
    assert_int_equal(counts->frees, 2);
    assert_int_equal(counts->live_blocks, 1);
    assert_int_equal(counts->live_frames, 2);
    assert_int_equal(counts->peak_frames, 10); /* 8 and 2 */
    assert_int_equal(recorder.used_count, 1);
    assert_int_equal(
        counts->unknown_frees + counts->double_allocs + counts->order_changes + counts->dropped, 0);
    traffic_close(traffic);
}

/* Of a block that was allocated before the trace began: the sink hears nothing of it. */
static void traffic_feed_skips_unknown_frees(void **state)
{
    (void)state;
    const struct trace_event events[] = {
        free_event(0x100, 0),  free_event(0, 0),     alloc_event(0x101, 1),
        free_event(0x100, 10), free_event(0x101, 1), free_event(0x101, 1),
    };
    struct traffic *traffic = open_stream(8);
    traffic_feed(traffic, events, LENGTH(events));
    assert_int_equal(traffic_counts(traffic)->unknown_frees, 4);
    assert_int_equal(traffic_counts(traffic)->frees, 5);
    assert_int_equal(traffic_counts(traffic)->live_blocks, 0);
    assert_int_equal(recorder.frees, 1);
    traffic_close(traffic);
}

/* The free between was not traced: the old block is freed before the new one is allocated, so that
 * a single number is enough. */
static void traffic_feed_frees_before_double_alloc(void **state)
{
    (void)state;
    const struct trace_event events[] = {
        alloc_event(0x100, 2),
        alloc_event(0x100, 0),
        alloc_event(0x100, 0),
    };
    struct traffic *traffic = open_stream(1);
    traffic_feed(traffic, events, LENGTH(events));
    const struct traffic_counts *counts = traffic_counts(traffic);
    assert_int_equal(counts->double_allocs, 2);
    assert_int_equal(counts->dropped, 0);
    assert_int_equal(counts->frees, 0); /* no event was one */
    assert_int_equal(counts->live_blocks, 1);
    assert_int_equal(counts->live_frames, 1);
    assert_int_equal(counts->peak_frames, 4);
    assert_int_equal(recorder.frees, 2);
    assert_int_equal(recorder.order[0], 0);
    traffic_close(traffic);
}

/* The block is freed as it was allocated, whatever order the free says. */
static void traffic_feed_counts_order_changes(void **state)
{
    (void)state;
    const struct trace_event events[] = {
        alloc_event(0x100, 3), free_event(0x100, 0),  alloc_event(0x100, 0),
        free_event(0x100, 9),  alloc_event(0x100, 5), free_event(0x100, 5),
    };
    struct traffic *traffic = open_stream(8);
    traffic_feed(traffic, events, LENGTH(events));
    assert_int_equal(traffic_counts(traffic)->order_changes, 2);
    assert_int_equal(traffic_counts(traffic)->live_frames, 0);
    assert_int_equal(traffic_counts(traffic)->unknown_frees, 0);
    traffic_close(traffic);
}

/* No number left, and a sink that has no room: both times the trace's later free is unknown. */
static void traffic_feed_counts_dropped(void **state)
{
    (void)state;
    const struct trace_event events[] = {
        alloc_event(1, 0), alloc_event(2, 0), alloc_event(3, 0), free_event(3, 0),
        free_event(1, 0),  alloc_event(4, 0), alloc_event(5, 0),
    };
    struct traffic *traffic = open_stream(2);
    traffic_feed(traffic, events, LENGTH(events));
    assert_int_equal(traffic_counts(traffic)->dropped, 2); /* frames 3 and 5 */
    assert_int_equal(traffic_counts(traffic)->unknown_frees, 1);
    assert_int_equal(traffic_counts(traffic)->live_blocks, 2);
    traffic_close(traffic);

    traffic = open_stream(2);
    recorder.refuse_every = 2;
    traffic_feed(traffic, events, LENGTH(events));
    assert_int_equal(traffic_counts(traffic)->dropped, 2); /* frames 2 and 4 */
    assert_int_equal(traffic_counts(traffic)->unknown_frees, 0);
    assert_int_equal(traffic_counts(traffic)->live_blocks, 1);
    traffic_close(traffic);
}

/* As many numbers as blocks live at once, however many come and go. */
static void traffic_feed_uses_numbers_again(void **state)
{
    (void)state;
    struct traffic *traffic = open_stream(BLOCKS_MAX);
    for (pfn_t pfn = 0; pfn < 100000; pfn++) {
        const struct trace_event events[] = {alloc_event(pfn, 0), free_event(pfn - 7, 0)};
        traffic_feed(traffic, events, LENGTH(events));
    }
    assert_int_equal(traffic_counts(traffic)->live_blocks, 7);
    assert_int_equal(recorder.used_peak, 8);
    assert_int_equal(recorder.number_max, 8);
    traffic_close(traffic);
}

static void traffic_feed_stops_when_told(void **state)
{
    (void)state;
    const struct trace_event events[] = {alloc_event(1, 0), alloc_event(2, 0), free_event(1, 0),
                                         alloc_event(3, 0)};
    struct traffic *traffic = open_stream(8);
    recorder.stop_after = 2;
    traffic_feed(traffic, events, LENGTH(events));
    assert_int_equal(traffic_counts(traffic)->events, 2);
    assert_int_equal(recorder.frees, 0);
    traffic_close(traffic);
}

/* splitmix64 */
static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
    random_state += 0x9e3779b97f4a7c15U;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return (z ^ z >> 31) % limit;
}

/* What the stream must know: for each frame of the trace, whether a block starts there. */
struct flat {
    bool live[FRAMES];
    order_t order[FRAMES];
    struct traffic_counts counts;
    uint64_t asked; /* calls of the sink's alloc */
};

static void flat_free(struct flat *flat, pfn_t pfn)
{
    flat->live[pfn] = false;
    flat->counts.live_blocks--;
    flat->counts.live_frames -= (uint64_t)1 << flat->order[pfn];
}

static void flat_feed(struct flat *flat, const struct trace_event *event)
{
    struct traffic_counts *counts = &flat->counts;
    pfn_t pfn = event->pfn;
    bool live = flat->live[pfn];
    counts->events++;
    if (event->is_free) {
        counts->frees++;
        counts->unknown_frees += live ? 0 : 1;
        counts->order_changes += live && flat->order[pfn] != event->order ? 1 : 0;
    } else {
        counts->allocs++;
        counts->double_allocs += live ? 1 : 0;
    }
    if (live) {
        flat_free(flat, pfn);
    }
    if (event->is_free) {
        return;
    }
    bool room = counts->live_blocks < recorder.blocks;
    flat->asked += room ? 1 : 0;
    if (!room || (recorder.refuse_every != 0 && flat->asked % recorder.refuse_every == 0)) {
        counts->dropped++;
        return;
    }
    flat->live[pfn] = true;
    flat->order[pfn] = event->order;
    counts->live_blocks++;
    counts->live_frames += (uint64_t)1 << event->order;
    if (counts->live_frames > counts->peak_frames) {
        counts->peak_frames = counts->live_frames;
    }
}

/* The blocks that the sink has are those of the array. */
static void assert_same_blocks(const struct flat *flat)
{
    uint64_t live = 0;
    for (uint32_t number = 0; number < recorder.blocks; number++) {
        if (recorder.used[number]) {
            assert_true(flat->live[recorder.pfn[number]]);
            assert_int_equal(flat->order[recorder.pfn[number]], recorder.order[number]);
            live++;
        }
    }
    assert_int_equal(live, flat->counts.live_blocks);
}

/* Random events on the first @frames frames. */
static void compare_random(uint32_t blocks, pfn_t frames, uint32_t refuse_every)
{
    static struct flat flat;
    flat = (struct flat){0};
    random_state = SEED;
    struct traffic *traffic = open_stream(blocks);
    recorder.refuse_every = refuse_every;
    for (unsigned i = 0; i < EVENTS; i++) {
        /* Tides, so that the table of names is full at times and nearly empty at others. */
        bool rising = i / (EVENTS / 8) % 2 == 0;
        struct trace_event event = {
            .is_free = random_below(10) < (rising ? 3 : 7),
            .pfn = random_below(frames),
            .order = (order_t)random_below(4),
        };
        traffic_feed(traffic, &event, 1);
        flat_feed(&flat, &event);
        if (memcmp(traffic_counts(traffic), &flat.counts, sizeof(flat.counts)) != 0) {
            fail_msg("seed %d, event %u: the counts differ", SEED, i);
        }
    }
    assert_same_blocks(&flat);
    assert_int_equal(recorder.number_max, recorder.used_peak);
    traffic_close(traffic);
}

static void traffic_feed_agrees_with_flat_array(void **state)
{
    (void)state;
    compare_random(BLOCKS_MAX, FRAMES, 0);
    compare_random(BLOCKS_MAX, 50, 0); /* many double allocations */
    compare_random(1000, FRAMES, 0);   /* no number left at times */
    compare_random(BLOCKS_MAX, FRAMES, 3);
    compare_random(1, 5, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traffic_feed_pairs_allocs_and_frees),
        cmocka_unit_test(traffic_feed_skips_unknown_frees),
        cmocka_unit_test(traffic_feed_frees_before_double_alloc),
        cmocka_unit_test(traffic_feed_counts_order_changes),
        cmocka_unit_test(traffic_feed_counts_dropped),
        cmocka_unit_test(traffic_feed_uses_numbers_again),
        cmocka_unit_test(traffic_feed_stops_when_told),
        cmocka_unit_test(traffic_feed_agrees_with_flat_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
