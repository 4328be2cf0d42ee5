/* SPDX-License-Identifier: MIT
 *
 * bench_threads.c: what two threads cost each other, each pinned to a CPU: each with blocks of its
 * own; or one allocates, and the other frees. Times are CPU time, relative to what one thread needs
 * by itself; all take turns, and the median of these counts.
 */
#include "stress/bench.h"
#include "stress/bench_peer.h"
#include "stress/bench_ring.h"
#include "stress/bench_turns.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDES = 2, BATCH = BENCH_RING_BATCH, TURNS_MIN = 3, PEERS_MAX = 9, FIGURES = 3 };

static const double warm_seconds = 0.001; /* caches fill, the other thread comes */
static const double turn_seconds = 0.005;

/* What a turn is measured of. */
enum game { GAME_OWN, GAME_HANDOVER };

/* A peer, and what is known of it. */
struct entrant {
    struct bench_peer peer;
    struct bench_ring *ring;
    struct bench_turns solo[SIDES]; /* a pair, by the thread on each CPU */
    struct bench_turns own[SIDES];  /* the same, both at a time */
    struct bench_turns handover;    /* a pair, by two threads */
};

/* A thread in a turn. */
struct side {
    _Alignas(CACHE_PAIR_BYTES) struct entrant *entrant; /* the other side writes to its own lines */
    unsigned number;                                    /* also of its CPU */
    enum game game;
    double begin; /* when it is measured: bench_now() */
    double end;
    void *blocks[BATCH];
    double ns; /* a pair */
    double share;
};

/* Return: whether it did something. */
static bool side_batch(struct side *side)
{
    const struct bench_ops *ops = side->entrant->peer.ops;
    struct bench_ring *ring = side->entrant->ring;
    struct bench_set set = {.allocator = side->entrant->peer.allocator, .blocks = side->blocks};
    if (side->game == GAME_OWN) {
        ops->take(&set, 0, BATCH);
        ops->give(&set, 0, BATCH);
        return true;
    }
    bool allocates = side->number == 0;
    set.blocks = allocates ? bench_ring_room(ring) : bench_ring_batch(ring);
    if (set.blocks == NULL) {
        return false;
    }
    if (allocates) {
        ops->take(&set, 0, BATCH);
        bench_ring_put(ring);
    } else {
        ops->give(&set, 0, BATCH);
        bench_ring_taken(ring);
    }
    return true;
}

/* Return: pairs done until @end. */
static uint64_t side_run_until(struct side *side, double end)
{
    uint64_t pairs = 0;
    while (bench_now() < end) {
        for (unsigned i = 0; i < 8; i++) {
            pairs += side_batch(side) ? BATCH : 0;
        }
    }
    return pairs;
}

/* What is left in the ring is freed, too. */
static void side_finish(struct side *side)
{
    struct bench_ring *ring = side->entrant->ring;
    if (side->game == GAME_OWN) {
        return;
    }
    if (side->number == 0) {
        atomic_word_release(&ring->ended, 1);
        return;
    }
    bool ended = false;
    while (!ended) {
        ended = atomic_word_acquire(&ring->ended) != 0;
        while (side_batch(side)) {
        }
    }
}

static void *side_main(void *context)
{
    struct side *side = context;
    bench_pin(side->number);
    side_run_until(side, side->begin);
    double start = bench_now();
    double cpu = bench_cpu_seconds();
    uint64_t pairs = side_run_until(side, side->end);
    double elapsed = bench_now() - start;
    cpu = bench_cpu_seconds() - cpu;
    side_finish(side);
    side->ns = cpu * 1e9 / (double)(pairs == 0 ? 1 : pairs);
    side->share = pairs == 0 ? 0 : cpu / elapsed;
    return NULL;
}

/* Runs the @count @sides at the same time, all set but for the times. Return: the least share of
 * the time that one of them had a CPU. */
static double sides_run(struct side *sides, unsigned count)
{
    pthread_t threads[SIDES];
    double begin = bench_now() + warm_seconds;
    double share = 1;
    for (unsigned i = 0; i < count; i++) {
        sides[i].begin = begin;
        sides[i].end = begin + turn_seconds;
        if (pthread_create(&threads[i], NULL, side_main, &sides[i]) != 0) {
            fputs("potad-bench: no thread\n", stderr);
            abort();
        }
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        share = sides[i].share < share ? sides[i].share : share;
    }
    return share;
}

static void turn_solo(struct entrant *entrant)
{
    for (unsigned i = 0; i < SIDES; i++) {
        struct side side = {.entrant = entrant, .number = i, .game = GAME_OWN};
        double share = sides_run(&side, 1);
        bench_turns_note(&entrant->solo[i], side.ns, share);
    }
}

static void turn_own(struct entrant *entrant)
{
    struct side sides[SIDES] = {{.entrant = entrant, .number = 0, .game = GAME_OWN},
                                {.entrant = entrant, .number = 1, .game = GAME_OWN}};
    double share = sides_run(sides, SIDES);
    for (unsigned i = 0; i < SIDES; i++) {
        bench_turns_note(&entrant->own[i], sides[i].ns, share);
    }
}

static void turn_handover(struct entrant *entrant)
{
    struct side sides[SIDES] = {{.entrant = entrant, .number = 0, .game = GAME_HANDOVER},
                                {.entrant = entrant, .number = 1, .game = GAME_HANDOVER}};
    *entrant->ring = (struct bench_ring){.blocks = {NULL}};
    double share = sides_run(sides, SIDES);
    /* As many are freed as are allocated, but for a few: the thread that did fewer. */
    double ns = sides[0].ns > sides[1].ns ? sides[0].ns : sides[1].ns;
    bench_turns_note(&entrant->handover, ns, share);
}

struct contest {
    struct entrant entrants[PEERS_MAX];
    unsigned count;
};

static void contest_open(struct contest *contest, const struct bench_goods *goods)
{
    *contest = (struct contest){.count = 0};
    bench_peer_core(&contest->entrants[contest->count++].peer, goods, CORE_TABLE);
    bench_peer_core(&contest->entrants[contest->count++].peer, goods, CORE_TREE);
    bench_peer_core(&contest->entrants[contest->count++].peer, goods, CORE_LOCKED);
    if (goods->object_bytes == 0) {
        bench_peer_textbook(&contest->entrants[contest->count++].peer, goods, TEXTBOOK_LOCKED);
    }
    for (unsigned id = 0; id < BENCH_MALLOCS; id++) {
        bench_peer_malloc(&contest->entrants[contest->count++].peer, goods,
                          (enum bench_malloc_id)id);
    }
    for (unsigned i = 0; i < contest->count; i++) {
        contest->entrants[i].ring = aligned_alloc(CACHE_LINE_BYTES, sizeof(struct bench_ring));
        if (contest->entrants[i].ring == NULL) {
            abort();
        }
    }
}

static void contest_close(struct contest *contest)
{
    for (unsigned i = 0; i < contest->count; i++) {
        bench_peer_close(&contest->entrants[i].peer);
        free(contest->entrants[i].ring);
    }
}

static void contest_run(struct contest *contest, double seconds)
{
    double start = bench_now();
    for (unsigned turn = 0; turn < TURNS_MIN || bench_now() - start < seconds; turn++) {
        for (unsigned i = 0; i < contest->count; i++) {
            if (contest->entrants[i].peer.missing == NULL) {
                turn_solo(&contest->entrants[i]);
                turn_own(&contest->entrants[i]);
                turn_handover(&contest->entrants[i]);
            }
        }
    }
}

static bool all_count(const struct entrant *entrant)
{
    bool counts = bench_turns_count(&entrant->handover);
    for (unsigned i = 0; i < SIDES; i++) {
        counts = counts && bench_turns_count(&entrant->solo[i]);
        counts = counts && bench_turns_count(&entrant->own[i]);
    }
    return counts;
}

static json_t *entrant_report(struct entrant *entrant)
{
    if (entrant->peer.missing != NULL) {
        printf("  %-16s %s\n", entrant->peer.name, entrant->peer.missing);
        return NULL;
    }
    double solo_sum = 0;
    double own = 0;
    double own_ratio = 0;
    for (unsigned i = 0; i < SIDES; i++) {
        double solo_each = bench_turns_median(&entrant->solo[i]);
        double own_each = bench_turns_median(&entrant->own[i]);
        solo_sum += solo_each;
        own = own_each > own ? own_each : own;
        own_ratio = own_each / solo_each > own_ratio ? own_each / solo_each : own_ratio;
    }
    double solo = solo_sum / (double)SIDES;
    double handover = bench_turns_median(&entrant->handover);
    bool counts = all_count(entrant);
    printf("  %-16s %10.1f %10.1f %10.2f %10.1f %10.2f%s\n", entrant->peer.name, solo, own,
           own_ratio, handover, handover / solo, counts ? "" : "  ?");
    return json_pack("{s:s,s:f,s:f,s:f,s:f,s:f,s:b}", "allocator", entrant->peer.name, "solo_ns",
                     solo, "own_ns", own, "own_to_solo", own_ratio, "handover_ns", handover,
                     "handover_to_solo", handover / solo, "counts", counts);
}

static json_t *contest_report(const struct bench_options *options, const struct bench_goods *goods)
{
    static struct contest contest;
    if (bench_cpus() < SIDES) {
        puts("two threads: needs two CPUs");
        return json_null();
    }
    contest_open(&contest, goods);
    contest_run(&contest, options->seconds * (double)FIGURES);
    json_t *rows = json_array();
    printf("two threads, %s; ns a pair, %u in a row: by one thread; by each of two, the slower\n"
           "one; by two of which one allocates and the other frees (waits for each other\n"
           "included); the ratios are to one thread; '?': threads slept, or waited for CPUs\n",
           goods->object_bytes == 0 ? "frames" : "objects of 64 bytes", (unsigned)BATCH);
    printf("  %-16s %10s %10s %10s %10s %10s\n", "allocator", "solo", "own", "ratio", "handover",
           "ratio");
    for (unsigned i = 0; i < contest.count; i++) {
        json_t *row = entrant_report(&contest.entrants[i]);
        if (row != NULL) {
            json_array_append_new(rows, row);
        }
    }
    contest_close(&contest);
    return rows;
}

json_t *bench_threads_page(const struct bench_options *options)
{
    const struct bench_goods goods = {.frames = options->arena_frames};
    return contest_report(options, &goods);
}

json_t *bench_threads_slab(const struct bench_options *options)
{
    const struct bench_goods goods = {.frames = options->arena_frames, .object_bytes = 64};
    return contest_report(options, &goods);
}
