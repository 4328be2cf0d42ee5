/* SPDX-License-Identifier: MIT */
#include "stress/worker.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* How often a thread gives up the CPU where the subject can be come in upon, once in so many
 * times, and how often it then sleeps instead of being ready again at once. */
enum {
    WINDOW_YIELD = 4,
    WINDOW_SLEEP = 64,
    WINDOW_SLEEP_US = 100,
    LOCKED_YIELD = 64,
    SELDOM = 64,
    RARE_SLEEP = 4,
    RARE_SLEEP_US = 300,
    NTH_MAX = 4
};

_Thread_local struct worker *worker_current;

void worker_init(struct worker *worker, unsigned index, uint64_t seed)
{
    *worker = (struct worker){.index = index, .cpu = CPUS_MAX};
    random_init(&worker->random, seed, 2 * (uint64_t)index);
    random_init(&worker->jitter, seed, 2 * (uint64_t)index + 1);
    relaxed_set_text(&worker->operation, "start");
    relaxed_store(&worker->parked, 1);
}

void worker_report(struct worker *worker, enum finding finding, const char *format, ...)
{
    char text[FINDING_TEXT_MAX];
    va_list args;
    int end = snprintf(text, sizeof(text), "thread %u, operation %" PRIu64 " (%s): ", worker->index,
                       relaxed_load(&worker->operations), relaxed_text(&worker->operation));
    va_start(args, format);
    vsnprintf(text + end, sizeof(text) - (size_t)end, format, args);
    va_end(args);
    findings_add(worker->findings, finding, text);
}

void worker_arm(struct worker *worker)
{
    struct random *random = &worker->random;
    worker->fault = (struct armed_fault){
        .armed = true,
        .persistent = random_once_in(random, 2),
        .site = (enum fault_site)random_below(random, FAULT_SITES),
        .nth = 1 + random_below(random, NTH_MAX),
    };
}

void worker_arm_site(struct worker *worker, enum fault_site site)
{
    worker->fault = (struct armed_fault){.armed = true, .site = site, .nth = 1};
}

void worker_disarm(struct worker *worker)
{
    worker->fault.armed = false;
}

bool worker_fault(struct worker *worker, enum fault_site site)
{
    struct armed_fault *fault = &worker->fault;
    relaxed_store(&worker->sites_asked,
                  relaxed_load(&worker->sites_asked) | (uint64_t)1 << (unsigned)site);
    if (random_once_in(&worker->jitter, LOCKED_YIELD)) {
        sched_yield();
    }
    if (!fault->armed || fault->site != site) {
        return false;
    }
    fault->asked++;
    bool fires = fault->asked == fault->nth || (fault->persistent && fault->asked > fault->nth);
    if (fires) {
        fault->fired = true;
        worker_count(worker, path_of_fault(site));
    }
    return fires;
}

void worker_pause(struct worker *worker)
{
    if (random_once_in(&worker->jitter, WINDOW_SLEEP)) {
        usleep(WINDOW_SLEEP_US);
    } else if (random_once_in(&worker->jitter, WINDOW_YIELD)) {
        sched_yield();
    }
}

void worker_pause_seldom(struct worker *worker)
{
    if (random_once_in(&worker->jitter, SELDOM)) {
        worker_pause(worker);
    }
}

void worker_window(struct worker *worker, enum window window)
{
    worker_count(worker, path_of_window(window));
    /* Frames that fail just now are few, and so are slabs that two threads would retire. */
    bool rare = window == WINDOW_BATCH_TAKEN || window == WINDOW_RETIRE;
    if (rare && random_once_in(&worker->jitter, RARE_SLEEP)) {
        usleep(RARE_SLEEP_US);
    }
    worker_pause(worker);
}

void worker_check_sound(struct worker *worker, pfn_t pfn, uint64_t frames)
{
    const struct shadow *shadow = &worker->world->shadow;
    for (pfn_t at = pfn; at < pfn + frames && at - shadow->start < shadow->frames; at++) {
        uint64_t number = shadow_failed(shadow, at);
        if (number != 0 && number <= worker->failures_seen) {
            worker_report(worker, FINDING_FAILED_FRAME,
                          "is given frame %#" PRIx64 ", which had failed before", at);
            return;
        }
    }
}

bool worker_expect(struct worker *worker, enum status status)
{
    const struct armed_fault *fault = &worker->fault;
    bool unaccepted = fault->armed && fault->fired && fault->site == FAULT_ACCEPT;
    bool expected = status == STATUS_OK || status == STATUS_NO_MEMORY ||
                    (status == STATUS_ACCEPT_FAILED && unaccepted);
    if (!expected) {
        worker_report(worker, FINDING_STATUS, "answers status %d", (int)status);
    }
    return expected;
}
