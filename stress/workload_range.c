/* SPDX-License-Identifier: MIT
 *
 * range: one thread writes a range tree, which grows to thousands of ranges and shrinks again; all
 * others read it without a lock, and write down what they were told.
 */
#include "stress/range_scene.h"
#include "stress/workload.h"

static void range_step(struct worker *worker)
{
    if (worker->index == 0) {
        range_writer_step(worker, worker->shared);
    } else {
        range_reader_step(worker, worker->shared);
    }
}

static void range_drain(struct worker *worker, unsigned threads)
{
    (void)threads;
    if (worker->index == 0) {
        range_writer_drain(worker, worker->shared);
    }
}

#define X(id, name) PATH_##id,
static const enum path required[] = {
    PATH_RANGE_OVERLAPPED, PATH_RANGE_FAILED,          PATH_RANGE_PREPARED, PATH_RANGE_BUILT,
    PATH_HEIGHT_GREW,      PATH_HEIGHT_SHRANK,         PATH_HEIGHT_THREE,   PATH_GRACE_WAITED,
    PATH_GRACE_STALLED,    RANGE_EVENT_TABLE(X) PATHS,
};
#undef X

const struct workload workload_range = {
    .name = "range",
    .summary = "one thread writes a tree of ranges that all others read without a lock",
    .scene = &scene_range,
    .subject = "core",
    .frames = 16384,
    .required = required,
    .arms_faults = true,
    .shared_bytes = sizeof(struct range_scene),
    .threads_min = 2,
    .step = range_step,
    .drain = range_drain,
};
