/* SPDX-License-Identifier: MIT
 *
 * bench_range_threads.c: what a writer costs two readers, and they it. Threads may be more than
 * CPUs, so each counts its own CPU time.
 */
#include "stress/bench_range.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RANGES = 1000000, READERS = 2, SECTION_READS = 64 };

struct shared {
    struct range_load load;
    struct range_pool pool;
    struct epoch epoch;
    struct range_tree tree;
    double seconds;
};

struct side {
    struct shared *shared;
    uint64_t seed;
    uint64_t operations;
    double cpu_ns;   /* of all of them */
    double worst_ns; /* of one, by the clock on the wall: the writer's */
};

static double cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *reader(void *context)
{
    struct side *side = context;
    struct shared *shared = side->shared;
    const uint64_t *queries = shared->load.queries;
    uint64_t sum = 0;
    double end = bench_now() + shared->seconds;
    double start = cpu_ns();
    uint64_t at = bench_random(&side->seed) % QUERIES;
    while (bench_now() < end) {
        for (unsigned batch = 0; batch < 256; batch++) {
            struct epoch_slot *section = epoch_enter(&shared->epoch, epoch_hint());
            for (unsigned i = 0; i < SECTION_READS; i++) {
                sum += range_tree_value(&shared->tree, queries[at++ % QUERIES]);
            }
            epoch_exit(section);
        }
        side->operations += (uint64_t)256 * SECTION_READS;
    }
    side->cpu_ns = cpu_ns() - start;
    return sum == 0 ? NULL : context;
}

/* Erases a random range, and stores its first half or all of it again. */
static void *writer(void *context)
{
    struct side *side = context;
    struct shared *shared = side->shared;
    const struct range_load *load = &shared->load;
    double end = bench_now() + shared->seconds;
    double start = cpu_ns();
    while (bench_now() < end) {
        for (unsigned i = 0; i < 64; i++) {
            struct range_entry entry = load->sorted[bench_random(&side->seed) % load->count];
            uint64_t middle = entry.first + (entry.last - entry.first) / 2;
            struct range_entry half = {entry.first, middle, entry.value};
            double before = bench_now();
            range_tree_erase(&shared->tree, entry.first, NULL);
            range_must_store(&shared->tree, (i & 1) != 0 ? &half : &entry);
            double took = (bench_now() - before) * 1e9;
            side->worst_ns = took > side->worst_ns ? took : side->worst_ns;
        }
        side->operations += 64;
    }
    side->cpu_ns = cpu_ns() - start;
    return context;
}

/* Runs @readers readers, and a writer where @writes. */
static void run(struct shared *shared, unsigned readers, bool writes, struct side *sides)
{
    pthread_t threads[READERS + 1];
    unsigned count = readers + (writes ? 1 : 0);
    for (unsigned i = 0; i < count; i++) {
        sides[i] = (struct side){.shared = shared, .seed = i + 1};
        if (pthread_create(&threads[i], NULL, i < readers ? reader : writer, &sides[i]) != 0) {
            fputs("potad-bench: no thread\n", stderr);
            abort();
        }
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
}

static double each(const struct side *side)
{
    return side->cpu_ns / (double)side->operations;
}

json_t *bench_range_threads(const struct bench_options *options)
{
    static struct shared shared;
    struct side sides[READERS + 1];
    range_load_open(&shared.load, RANGES, false, options->seed);
    range_pool_open(&shared.pool, RANGES);
    epoch_init(&shared.epoch);
    range_tree_init(&shared.tree, &shared.epoch, &shared.pool.source);
    if (range_tree_build(&shared.tree, shared.load.sorted, RANGES) != STATUS_OK) {
        abort();
    }
    shared.seconds = options->seconds;
    run(&shared, 0, true, sides);
    double writer_solo = each(&sides[0]);
    double worst_solo = sides[0].worst_ns;
    run(&shared, 1, false, sides);
    double solo = each(&sides[0]);
    run(&shared, READERS, false, sides);
    double pair = (each(&sides[0]) + each(&sides[1])) / 2;
    run(&shared, READERS, true, sides);
    double beside = (each(&sides[0]) + each(&sides[1])) / 2;
    double writer_beside = each(&sides[2]);
    printf("\nreaders, 64 lookups a section, %d ranges, CPU time: alone %.1f ns; two %.1f (%.2f); "
           "two beside a writer %.1f (%.2f)\n",
           RANGES, solo, pair, pair / solo, beside, beside / solo);
    printf("the writer, an erase and a store: alone %.0f ns; beside two readers %.0f (%.2f); "
           "the longest, waits for a CPU included, %.0f and %.0f us\n",
           writer_solo, writer_beside, writer_beside / writer_solo, worst_solo / 1000,
           sides[2].worst_ns / 1000);
    range_load_close(&shared.load);
    range_pool_close(&shared.pool);
    return json_pack("{s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "reader_alone_ns", solo, "reader_pair_ns",
                     pair, "reader_beside_writer_ns", beside, "writer_alone_ns", writer_solo,
                     "writer_beside_readers_ns", writer_beside, "writer_worst_alone_ns", worst_solo,
                     "writer_worst_beside_ns", sides[2].worst_ns);
}
