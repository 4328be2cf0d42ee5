/* SPDX-License-Identifier: MIT */
#include "stress/held_run.h"

enum { RUN_UNITS_MAX = 300, RUN_ALIGNS = 8 };

/* Whether @run is what @request asked for, as far as one can tell from the map. */
static bool shape_fits(const struct world *world, const struct contig_request *request,
                       const struct contig *run)
{
    pfn_t end = run->pfn + run->units;
    if (run->units != request->units || !pfn_is_aligned(run->pfn, request->align) ||
        run->pfn < request->low || (request->high != 0 && end > request->high) ||
        (request->zone != ZONE_ANY && request->zone != run->zone)) {
        return false;
    }
    for (pfn_t at = run->pfn; at < end;) {
        const struct range *range = world_range_of(world, at);
        if (range == NULL || world_zone_of(world, range) != run->zone ||
            range->cma != request->cma) {
            return false;
        }
        at = range->start + range->frames;
    }
    return true;
}

/* Makes the frames of the run just allocated @held's. */
static void claim(struct worker *worker, const struct contig_request *request,
                  const struct held_run *held)
{
    struct world *world = worker->world;
    const struct contig *run = &held->run;
    struct shadow_conflict conflict;
    char text[COOKIE_TEXT_MAX];
    if (!shape_fits(world, request, run)) {
        worker_report(worker, FINDING_CONTAINMENT,
                      "asked for %" PRIu64 " frames%s, gets %" PRIu64 " at %#" PRIx64,
                      request->units, request->cma ? " of CMA" : "", run->units, run->pfn);
        return;
    }
    if (!shadow_claim(&world->shadow, run->pfn, run->units, held->cookie, &conflict)) {
        worker_report(worker, FINDING_OVERLAP,
                      "gets %" PRIu64 " frames at %#" PRIx64 ", but frame %#" PRIx64 " is of %s",
                      run->units, run->pfn, conflict.pfn, cookie_describe(conflict.cookie, text));
    }
    if (!shadow_is_accepted(&world->shadow, run->pfn, run->units)) {
        worker_report(worker, FINDING_ACCEPT,
                      "gets %" PRIu64 " frames at %#" PRIx64 ", not all of them accepted",
                      run->units, run->pfn);
    }
    worker_check_sound(worker, run->pfn, run->units);
}

bool held_run_alloc(struct worker *worker, const struct contig_request *request,
                    struct held_run *held)
{
    struct world *world = worker->world;
    *held = (struct held_run){.cookie = worker_cookie(worker)};
    worker_begin(worker, request->cma ? "run-cma" : "run");
    enum status status = world->subject->alloc_contig(world->instance, request, &held->run);
    bool taken = worker_expect(worker, status) && status == STATUS_OK;
    if (taken) {
        claim(worker, request, held);
    }
    worker_count(worker, taken ? PATH_RUN : PATH_RUN_FAILED);
    worker_end(worker);
    return taken;
}

void held_run_free(struct worker *worker, const struct held_run *held)
{
    struct world *world = worker->world;
    const struct contig *run = &held->run;
    struct shadow_conflict conflict;
    char text[COOKIE_TEXT_MAX];
    worker_begin(worker, "free-run");
    if (!shadow_release(&world->shadow, run->pfn, run->units, held->cookie, &conflict)) {
        worker_report(worker, FINDING_OWNERSHIP, "frame %#" PRIx64 " of a run is of %s",
                      conflict.pfn, cookie_describe(conflict.cookie, text));
    }
    world->subject->free_contig(world->instance, run);
    worker_end(worker);
}

bool held_run_cycle(struct worker *worker)
{
    struct held_run held;
    struct contig_request request = {
        .units = 1 + random_below(&worker->random, RUN_UNITS_MAX),
        .align = (order_t)random_below(&worker->random, RUN_ALIGNS),
        .zone = ZONE_ANY,
        .migratetype = (enum migratetype)random_below(&worker->random, MIGRATETYPES),
    };
    bool taken = held_run_alloc(worker, &request, &held);
    if (taken) {
        held_run_free(worker, &held);
    }
    return taken;
}
