/* SPDX-License-Identifier: MIT
 *
 * bench_race.c: one thread allocates and frees in patterns, from the core and from its peers in the
 * same run, turn by turn, so that what else the machine does strikes all of them; the best turn
 * counts. Only ratios are claims.
 */
#include "stress/bench.h"
#include "stress/bench_pattern.h"
#include "stress/bench_turns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS_MIN = 3, TURNS_MAX = 1000, PEERS_MAX = 9 };

static const char *const figure_names[FIGURES] = {
#define X(id, name, what) [id] = (name),
    FIGURE_TABLE(X)
#undef X
};

/* A table. */
struct race {
    struct racer *racers; /* the core is the first */
    unsigned count;
    unsigned mallocs;      /* the first of these, which are the last */
    unsigned reference;    /* the other one that the core is compared with */
    uint64_t object_bytes; /* 0: frames */
    double seconds;        /* for each stage */
};

static void race_close(struct race *race)
{
    for (unsigned i = 0; i < race->count; i++) {
        racer_close(&race->racers[i]);
    }
    free(race->racers);
}

static void race_call(struct race *race, void (*step)(struct racer *racer))
{
    for (unsigned i = 0; step != NULL && i < race->count; i++) {
        if (race->racers[i].peer.missing == NULL) {
            step(&race->racers[i]);
        }
    }
}

static void race_run(struct race *race)
{
    bench_pin(0);
    for (unsigned i = 0; i < STAGES; i++) {
        if (stages[i].whole && race->object_bytes != 0) {
            continue;
        }
        race_call(race, stages[i].begin);
        double start = bench_now();
        for (unsigned turn = 0;
             turn < TURNS_MIN || (turn < TURNS_MAX && bench_now() - start < race->seconds);
             turn++) {
            race_call(race, stages[i].turn);
        }
        race_call(race, stages[i].end);
    }
    bench_unpin();
}

/* The fastest malloc, or 0 where none was measured. */
static double malloc_best(const struct race *race, enum figure figure)
{
    double best = 0;
    for (unsigned i = race->mallocs; i < race->count; i++) {
        double ns = race->racers[i].best[figure];
        best = best == 0 || (ns > 0 && ns < best) ? ns : best;
    }
    return best;
}

static int column_width(const struct bench_peer *peer)
{
    enum { WIDTH_MIN = 9 };
    int width = (int)strlen(peer->name);
    return width < WIDTH_MIN ? WIDTH_MIN : width;
}

static void ratio_print(json_t *row, const char *key, double ns, double other, int width)
{
    if (other > 0) {
        printf(" %*.2f", width, ns / other);
        json_object_set_new(row, key, json_real(ns / other));
    } else {
        printf(" %*s", width, "-");
    }
}

/* Return: what is printed, or NULL where it was not measured. */
static json_t *figure_report(const struct race *race, enum figure figure)
{
    double ns = race->racers[0].best[figure];
    if (ns == 0) {
        return NULL;
    }
    json_t *row = json_pack("{s:s}", "pattern", figure_names[figure]);
    json_t *times = json_object();
    printf("  %-16s", figure_names[figure]);
    for (unsigned i = 0; i < race->count; i++) {
        const struct racer *racer = &race->racers[i];
        if (racer->peer.missing != NULL) {
            printf(" %*s", column_width(&racer->peer), "-");
            continue;
        }
        printf(" %*.1f", column_width(&racer->peer), racer->best[figure]);
        json_object_set_new(times, racer->peer.name, json_real(racer->best[figure]));
    }
    json_object_set_new(row, "ns", times);
    ratio_print(row, "core_to_best_malloc", ns, malloc_best(race, figure), 13);
    ratio_print(row, "core_to_reference", ns, race->racers[race->reference].best[figure], 16);
    puts("");
    return row;
}

/* What the figures of a peer do not say. */
static void remark_print(const struct racer *racer)
{
    if (racer->peer.missing != NULL) {
        printf("  %s: %s\n", racer->peer.name, racer->peer.missing);
    } else if (racer->failed > 0) {
        printf("  %s: of mixed, %.2f %% of the steps found no block\n", racer->peer.name,
               100.0 * (double)racer->failed / (double)racer->stepped);
    }
}

static json_t *race_report(const struct race *race)
{
    char reference[32];
    json_t *rows = json_array();
    snprintf(reference, sizeof(reference), "/%s", race->racers[race->reference].peer.name);
    printf("  %-16s", "ns");
    for (unsigned i = 0; i < race->count; i++) {
        printf(" %*s", column_width(&race->racers[i].peer), race->racers[i].peer.name);
    }
    printf(" %13s %16s\n", "core/malloc", reference);
    for (unsigned figure = 0; figure < FIGURES; figure++) {
        json_t *row = figure_report(race, (enum figure)figure);
        if (row != NULL) {
            json_array_append_new(rows, row);
        }
    }
    for (unsigned i = 0; i < race->count; i++) {
        remark_print(&race->racers[i]);
    }
    return json_pack("{s:s,s:o}", "reference", race->racers[race->reference].peer.name, "patterns",
                     rows);
}

/* Adds the core, by table and by tree, and without what CPUs keep. */
static void race_open(struct race *race, const struct bench_goods *goods)
{
    race->racers = bench_memory_get(PEERS_MAX, sizeof(race->racers[0]));
    race->object_bytes = goods->object_bytes;
    bench_peer_core(&race->racers[race->count++].peer, goods, CORE_TABLE);
    bench_peer_core(&race->racers[race->count++].peer, goods, CORE_TREE);
    bench_peer_core(&race->racers[race->count++].peer, goods, CORE_LOCKED);
}

static void race_add_mallocs(struct race *race, const struct bench_goods *goods)
{
    race->mallocs = race->count;
    for (unsigned id = 0; id < BENCH_MALLOCS; id++) {
        bench_peer_malloc(&race->racers[race->count++].peer, goods, (enum bench_malloc_id)id);
    }
}

static void legend_print(const char *unit, bool frames)
{
    static const char *const whats[FIGURES] = {
#define X(id, name, what) [id] = (what),
        FIGURE_TABLE(X)
#undef X
    };
    printf("%s; core/malloc: the ratio to the fastest malloc\n", unit);
    for (unsigned i = 0; i < (frames ? FIGURES : CHURN); i++) {
        printf("  %-16s %s\n", figure_names[i], whats[i]);
    }
}

json_t *bench_race_page(const struct bench_options *options)
{
    const struct bench_goods goods = {.frames = options->arena_frames};
    struct race race = {.seconds = options->seconds};
    race_open(&race, &goods);
    bench_peer_textbook(&race.racers[race.count++].peer, &goods, TEXTBOOK_PLAIN);
    race.reference = race.count;
    bench_peer_textbook(&race.racers[race.count++].peer, &goods, TEXTBOOK_CACHED);
    race_add_mallocs(&race, &goods);
    for (unsigned i = 0; i < race.count; i++) {
        racer_open(&race.racers[i], 0, options->seed);
    }
    legend_print("frames by one thread; bulk and random free: three quarters of all", true);
    printf("arena of %" PRIu64 " frames; of the mallocs, blocks of 4096 bytes, %" PRIu64
           " at most\n\n",
           goods.frames, (uint64_t)BENCH_MALLOC_FRAMES_MAX);
    race_run(&race);
    json_t *result = race_report(&race);
    json_object_set_new(result, "arena_frames", json_integer((json_int_t)goods.frames));
    race_close(&race);
    return result;
}

static json_t *race_slab(const struct bench_options *options, uint64_t bytes)
{
    enum { BULK = 4096 };
    const struct bench_goods goods = {.frames = options->arena_frames, .object_bytes = bytes};
    struct race race = {.seconds = options->seconds / 3};
    race_open(&race, &goods);
    race_add_mallocs(&race, &goods);
    race.reference = race.mallocs + BENCH_JEMALLOC;
    for (unsigned i = 0; i < race.count; i++) {
        racer_open(&race.racers[i], BULK, options->seed);
    }
    race_run(&race);
    printf("\nobjects of %" PRIu64 " bytes\n", bytes);
    json_t *result = race_report(&race);
    json_object_set_new(result, "bytes", json_integer((json_int_t)bytes));
    race_close(&race);
    return result;
}

json_t *bench_race_slab(const struct bench_options *options)
{
    static const uint64_t sizes[] = {64, 256, 1024};
    json_t *results = json_array();
    legend_print("objects by one thread; bulk and random free: 4096", false);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        json_array_append_new(results, race_slab(options, sizes[i]));
    }
    return results;
}
