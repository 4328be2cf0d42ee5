/* SPDX-License-Identifier: MIT */
#include "stress/watchdog.h"

#include "stress/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOOK_MS = 100 };

/* What was last seen of a worker. */
struct sighting {
    uint64_t operations;
    double since;
};

/* Where each thread stands, one line for each. */
static void print_stations(const struct watchdog *watchdog, const struct sighting *sightings,
                           double now)
{
    for (unsigned i = 0; i < watchdog->count; i++) {
        const struct worker *worker = &watchdog->workers[i];
        bool parked = relaxed_load(&worker->parked) != 0;
        fprintf(stderr, "  thread %u%s: operation %" PRIu64 ", %s, for %.1f s\n", worker->index,
                i + 1 == watchdog->count ? " (coordinator)" : "", relaxed_load(&worker->operations),
                parked ? "waits for the others" : relaxed_text(&worker->operation),
                now - sightings[i].since);
    }
}

/* Looks at worker number @index. */
static void look(struct watchdog *watchdog, struct sighting *sightings, unsigned index)
{
    struct worker *worker = &watchdog->workers[index];
    struct sighting *seen = &sightings[index];
    uint64_t operations = relaxed_load(&worker->operations);
    double now = clock_seconds();
    if (operations != seen->operations || relaxed_load(&worker->parked) != 0) {
        *seen = (struct sighting){.operations = operations, .since = now};
    } else if (now - seen->since >= (double)WATCHDOG_SECONDS) {
        worker_report(worker, FINDING_NO_PROGRESS, "stuck for %d s", WATCHDOG_SECONDS);
        print_stations(watchdog, sightings, now);
        watchdog->bite(watchdog->context);
    }
}

static void *watch(void *context)
{
    struct watchdog *watchdog = context;
    struct sighting *sightings = calloc(watchdog->count, sizeof(*sightings));
    for (unsigned i = 0; sightings != NULL && i < watchdog->count; i++) {
        sightings[i].since = clock_seconds();
    }
    while (sightings != NULL && relaxed_load(&watchdog->stopped) == 0) {
        clock_sleep_ms(LOOK_MS);
        for (unsigned i = 0; i < watchdog->count; i++) {
            look(watchdog, sightings, i);
        }
    }
    free(sightings);
    return NULL;
}

bool watchdog_start(struct watchdog *watchdog)
{
    relaxed_store(&watchdog->stopped, 0);
    return pthread_create(&watchdog->thread, NULL, watch, watchdog) == 0;
}

void watchdog_stop(struct watchdog *watchdog)
{
    relaxed_store(&watchdog->stopped, 1);
    pthread_join(watchdog->thread, NULL);
}
