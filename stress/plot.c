/* SPDX-License-Identifier: MIT */
#include "stress/plot.h"

/* A plot that is busy is tried so many times before it stays. */
enum { LEAVING_TURNS = 8 };

/* Free frames that a plot keeps, if any: to have some, it accepts memory before it is asked to. */
enum { WATERMARK_FRAMES = 12 };

static const enum zone_class plot_classes[] = {ZONE_NORMAL, ZONE_HIGHMEM, ZONE_MOVABLE};

enum { PLOT_CLASSES = sizeof(plot_classes) / sizeof(plot_classes[0]) };

static void plot_set(struct plot *plot, enum plot_state state)
{
    uint64_t changes = relaxed_load(&plot->changes) / PLOT_STATES + 1;
    relaxed_store_in_place(&plot->changes, changes * PLOT_STATES + (uint64_t)state);
}

/* Makes all frames of @plot there, or absent, in the shadow table. */
static void plot_mark(struct worker *worker, const struct plot *plot, bool there)
{
    struct shadow *shadow = &worker->world->shadow;
    struct shadow_conflict conflict;
    char text[COOKIE_TEXT_MAX];
    for (uint32_t i = 0; i < plot->count; i++) {
        const struct range *range = &plot->ranges[i];
        bool marked = there ? shadow_arrive(shadow, range->start, range->frames, &conflict)
                            : shadow_leave(shadow, range->start, range->frames, &conflict);
        if (!marked) {
            worker_report(worker, FINDING_OVERLAP,
                          "the zone of frame %#" PRIx64 " %s, but the frame is of %s", conflict.pfn,
                          there ? "comes" : "is gone", cookie_describe(conflict.cookie, text));
        }
        if (!there && range->unaccepted) {
            shadow_forget(shadow, range->start, range->frames);
        }
    }
}

/* Adds @plot, which is ABSENT and this thread's, as zone number @zone. */
static enum status plot_add(struct worker *worker, struct plot *plot, zone_id_t zone,
                            const struct zone_config *config)
{
    struct world *world = worker->world;
    worker_begin(worker, "zone-add");
    relaxed_store(&plot->zone, zone);
    relaxed_store(&plot->zone_class, (uint64_t)config->zone_class);
    plot_mark(worker, plot, true);
    plot_set(plot, PLOT_MOVING);
    enum status status =
        world->subject->zone_add(world->instance, zone, config, plot->ranges, plot->count);
    if (status == STATUS_OK) {
        plot_set(plot, PLOT_THERE);
        worker_count(worker, PATH_ZONE_ADDED);
    } else {
        plot_mark(worker, plot, false);
        plot_set(plot, PLOT_ABSENT);
    }
    worker_end(worker);
    return status;
}

/* Removes @plot, which is THERE and this thread's. */
static enum status plot_remove(struct worker *worker, struct plot *plot)
{
    struct world *world = worker->world;
    worker_begin(worker, "zone-remove");
    plot_set(plot, PLOT_MOVING);
    enum status status =
        world->subject->zone_remove(world->instance, (zone_id_t)relaxed_load(&plot->zone));
    if (status == STATUS_OK) {
        plot_mark(worker, plot, false);
        plot_set(plot, PLOT_ABSENT);
        worker_count(worker, PATH_ZONE_REMOVED);
    } else {
        plot_set(plot, PLOT_THERE);
    }
    worker_end(worker);
    return status;
}

static void turn_add(struct worker *worker, struct plot *plot)
{
    struct random *random = &worker->random;
    zone_id_t zone = (zone_id_t)(WORLD_ZONES + random_below(random, WORLD_PLOTS));
    struct zone_config config = {
        .zone_class = plot_classes[random_below(random, PLOT_CLASSES)],
        .watermark_min = random_once_in(random, 2) ? WATERMARK_FRAMES : 0,
    };
    enum status status = plot_add(worker, plot, zone, &config);
    if (status == STATUS_EXISTS) {
        /* Another plot has the number. */
        worker_count(worker, PATH_ZONE_EXISTS);
    } else {
        (void)worker_expect(worker, status);
    }
}

static void turn_remove(struct worker *worker, struct plot *plot)
{
    uint64_t leaving = relaxed_load(&plot->leaving);
    enum status status = plot_remove(worker, plot);
    if (status == STATUS_BUSY) {
        worker_count(worker, PATH_ZONE_BUSY);
        relaxed_store(&plot->leaving, leaving == 0 ? LEAVING_TURNS : leaving - 1);
        return;
    }
    relaxed_store(&plot->leaving, 0);
    if (status != STATUS_OK) {
        worker_report(worker, FINDING_STATUS, "removing a zone answers status %d", (int)status);
    }
}

void plot_turn(struct worker *worker, struct plot *plot)
{
    /* Without order: what the subject owes those who move zones is not to be hidden. */
    if (relaxed_swap(&plot->moving, 1) != 0) {
        return;
    }
    if (plot_state(relaxed_load(&plot->changes)) == PLOT_ABSENT) {
        turn_add(worker, plot);
    } else {
        turn_remove(worker, plot);
    }
    relaxed_store_in_place(&plot->moving, 0);
}

static void end_expect(struct worker *coordinator, const char *what, enum status status)
{
    if (status != STATUS_OK) {
        worker_report(coordinator, FINDING_NOT_WHOLE, "all is free, and %s a zone answers %d", what,
                      (int)status);
    }
}

void plots_end(struct worker *coordinator)
{
    struct world *world = coordinator->world;
    for (unsigned i = 0; i < world->plots_count; i++) {
        struct plot *plot = &world->plots[i];
        if (plot_state(relaxed_load(&plot->changes)) == PLOT_THERE) {
            end_expect(coordinator, "removing", plot_remove(coordinator, plot));
        }
    }
    for (unsigned i = 0; i < world->plots_count; i++) {
        struct plot *plot = &world->plots[i];
        zone_id_t zone = (zone_id_t)(WORLD_ZONES + (i + 1) % WORLD_PLOTS);
        struct zone_config config = {.zone_class = ZONE_MOVABLE};
        end_expect(coordinator, "adding", plot_add(coordinator, plot, zone, &config));
        end_expect(coordinator, "removing", plot_remove(coordinator, plot));
    }
}
