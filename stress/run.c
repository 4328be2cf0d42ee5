/* SPDX-License-Identifier: MIT */
#include "stress/run.h"

#include "fuzzers/interrupt.h"
#include "stress/clock.h"
#include "stress/cpu_turn.h"
#include "stress/crash.h"
#include "stress/disturb_turn.h"
#include "stress/gate.h"
#include "stress/report.h"
#include "stress/shuffle.h"
#include "stress/watchdog.h"

#include <stdlib.h>
#include <string.h>

enum { POLL_MS = 10 };

static const double interval_seconds = 0.5;
static const double round_seconds = 1;

struct run;

struct run_thread {
    struct run *run;
    struct worker *worker;
    struct disturber *disturber; /* NULL, as the next: nothing is asked for */
    struct disturb_turns *turns;
    pthread_t thread;
};

struct run {
    struct world world; /* first: it begins on a cache line */
    const struct plan *plan;
    struct findings findings;
    struct gate gate;
    struct watchdog watchdog;
    struct progress progress;
    struct worker *workers; /* of plan->threads threads, then the coordinator's */
    struct run_thread *threads;
    struct disturber
        *disturbers; /* of plan->threads threads, as the next; NULL: none is asked for */
    struct disturb_turns *turns;
    struct shuffle_thread *moved;
    struct shuffle shuffle;
    void *shared;
    double started;
    double working; /* seconds that the gate was open */
    uint64_t validations;
    uint64_t rounds;
    char replay[REPLAY_MAX];
};

static struct worker *coordinator_of(struct run *run)
{
    return &run->workers[run->plan->threads];
}

/* Works until it is called back. */
static void thread_work(const struct run_thread *thread)
{
    const struct run *run = thread->run;
    while (!gate_is_called(&run->gate) && !findings_any(&run->findings)) {
        run->plan->workload->step(thread->worker);
        if (thread->disturber != NULL) {
            disturb_turn(thread->worker, thread->disturber, thread->turns);
        }
    }
}

static void *thread_main(void *context)
{
    const struct run_thread *thread = context;
    struct run *run = thread->run;
    const struct workload *workload = run->plan->workload;
    worker_current = thread->worker;
    disturber_current = thread->disturber;
    for (;;) {
        switch (gate_wait(&run->gate, thread->worker)) {
        case GATE_RUN:
            thread_work(thread);
            break;
        case GATE_DRAIN:
            workload->drain(thread->worker, run->plan->threads);
            cpu_turn_end(thread->worker);
            break;
        case GATE_LEAVE:
            return NULL;
        }
    }
}

/* Notes which paths the workload is there for, and nobody took. Return: whether there are any. */
static bool note_missing(const struct run *run, struct outcome *outcome)
{
    const struct workload *workload = run->plan->workload;
    uint32_t capabilities = run->plan->subject->capabilities;
    bool any = false;
    for (const enum path *path = workload->required; *path != PATHS; path++) {
        outcome->missing[*path] = true;
    }
    for (unsigned i = 0; i < DISTURBANCES; i++) {
        outcome->missing[path_of_disturbance((enum disturbance)i)] =
            (run->plan->disturb >> i & 1) != 0;
    }
    for (unsigned i = 0; i < run->plan->threads && workload->arms_faults; i++) {
        uint64_t asked = relaxed_load(&run->workers[i].sites_asked);
        for (unsigned site = 0; site < FAULT_SITES; site++) {
            bool *missing = &outcome->missing[path_of_fault((enum fault_site)site)];
            *missing = *missing || (asked >> site & 1) != 0;
        }
    }
    capabilities &= run->plan->cpus == 0 ? ~(uint32_t)SUBJECT_CPUS : ~(uint32_t)0;
    for (unsigned path = 0; path < PATHS; path++) {
        uint32_t needed = path_capabilities((enum path)path);
        bool able = (capabilities & needed) == needed;
        outcome->missing[path] = outcome->missing[path] && able && outcome->paths[path] == 0;
        any = any || outcome->missing[path];
    }
    return any;
}

static void assess_disturbances(const struct run *run, struct outcome *outcome)
{
    for (unsigned i = 0; i < run->plan->threads && run->disturbers != NULL; i++) {
        for (unsigned kind = 0; kind < DISTURBANCES; kind++) {
            outcome->paths[path_of_disturbance((enum disturbance)kind)] +=
                relaxed_load(&run->disturbers[i].counts[kind]);
        }
    }
}

/* What has come of it so far. Context: any thread. */
static void run_assess(const struct run *run, struct outcome *outcome)
{
    *outcome = (struct outcome){
        .interrupted = interrupted != 0,
        .seconds = clock_seconds() - run->started,
        .seconds_working = run->working,
        .validations = run->validations,
        .rounds = run->rounds,
        .chain_depth = run->world.chain_depth,
        .findings = &run->findings,
    };
    for (unsigned i = 0; i < run->plan->threads; i++) {
        outcome->operations_of[i] = relaxed_load(&run->workers[i].operations);
        outcome->operations += outcome->operations_of[i];
        for (unsigned path = 0; path < PATHS; path++) {
            outcome->paths[path] += relaxed_load(&run->workers[i].paths[path]);
        }
    }
    assess_disturbances(run, outcome);
    for (unsigned event = 0; event < CORE_EVENTS; event++) {
        outcome->paths[path_of_core_event((enum core_event)event)] = run->world.events[event];
    }
    bool missing = note_missing(run, outcome);
    outcome->result = missing ? RESULT_INCONCLUSIVE : RESULT_NOTHING_FOUND;
    if (findings_any(outcome->findings)) {
        outcome->result = RESULT_VIOLATION;
    }
}

/* The summary. Return: the exit status. */
static enum result run_report(struct run *run)
{
    struct outcome outcome;
    run_assess(run, &outcome);
    report_end(run->plan, &outcome, &run->progress);
    return outcome.result;
}

/* A thread is stuck, maybe with locks of the subject: nothing can be ended in order. */
static void run_give_up(void *context)
{
    run_report(context);
    crash_exit(RESULT_VIOLATION);
}

static bool run_goes_on(const struct run *run)
{
    return interrupted == 0 && !findings_any(&run->findings) &&
           clock_seconds() - run->started < (double)run->plan->seconds;
}

/* Has the coordinator check while all threads stand still. */
static void run_check(struct run *run)
{
    struct worker *coordinator = coordinator_of(run);
    relaxed_store(&coordinator->parked, 0);
    if (!findings_any(&run->findings)) {
        run->plan->workload->scene->check(coordinator, run->workers, run->plan->threads);
        run->validations++;
    }
}

static bool run_is_idle(const struct run *run)
{
    bool idle = false;
    for (unsigned i = 0; i < run->plan->threads; i++) {
        idle = idle || relaxed_load(&run->workers[i].idle) != 0;
    }
    return idle;
}

/* Lets the threads work for a while, or until one is idle, then checks. */
static void run_interval(struct run *run)
{
    double start = clock_seconds();
    double end = start + interval_seconds;
    relaxed_store(&coordinator_of(run)->parked, 1);
    for (unsigned i = 0; i < run->plan->threads; i++) {
        relaxed_store(&run->workers[i].idle, 0);
    }
    gate_open(&run->gate, GATE_RUN);
    while (run_goes_on(run) && clock_seconds() < end && !run_is_idle(run)) {
        clock_sleep_ms(POLL_MS);
        if (report_is_due(&run->progress)) {
            struct outcome outcome;
            run_assess(run, &outcome);
            report_progress(&run->progress, run->plan, &outcome);
        }
    }
    gate_collect(&run->gate);
    run->working += clock_seconds() - start;
    run_check(run);
}

/* Has all freed and checks that nothing is left. */
static void run_end_round(struct run *run)
{
    struct worker *coordinator = coordinator_of(run);
    if (findings_any(&run->findings)) {
        return;
    }
    double start = clock_seconds();
    relaxed_store(&coordinator->parked, 1);
    gate_open(&run->gate, GATE_DRAIN);
    gate_collect(&run->gate);
    run->working += clock_seconds() - start;
    run_check(run);
    run->plan->workload->scene->end(coordinator);
    run->rounds++;
}

static enum status round_boot(struct run *run)
{
    const struct workload *workload = run->plan->workload;
    struct worker *coordinator = coordinator_of(run);
    enum status status = workload->scene->begin(coordinator);
    return status == STATUS_OK && workload->watch != NULL ? workload->watch(coordinator) : status;
}

/* Begins a round as others have begun before. Return: whether it did. */
static bool run_begin_again(struct run *run)
{
    struct worker *coordinator = coordinator_of(run);
    worker_begin(coordinator, "begin");
    enum status status = round_boot(run);
    if (status != STATUS_OK) {
        worker_report(coordinator, FINDING_STATUS, "the same boot now answers %d", (int)status);
    }
    worker_end(coordinator);
    return status == STATUS_OK;
}

/* Whether a round that is to @end may do so, or has nothing left to do. */
static bool round_is_over(struct run *run, double end)
{
    const struct workload *workload = run->plan->workload;
    return workload->finished != NULL ? workload->finished(coordinator_of(run))
                                      : clock_seconds() >= end;
}

static void run_rounds(struct run *run)
{
    do {
        double end = clock_seconds() + round_seconds;
        while (run_goes_on(run) && !round_is_over(run, end)) {
            run_interval(run);
        }
        run_end_round(run);
    } while (run_goes_on(run) && run_begin_again(run));
}

/* Zeroed cache lines, at least one, that hold @bytes. Return: NULL where there is no memory. */
static void *zeroed_lines(size_t bytes)
{
    size_t size = (bytes / CACHE_LINE + 1) * CACHE_LINE;
    void *lines = aligned_alloc(CACHE_LINE, size);
    return lines == NULL ? NULL : memset(lines, 0, size);
}

/* Allocates what threads disturb each other with. Return: whether there was memory. */
static bool open_disturbers(struct run *run, const struct plan *plan)
{
    if (plan->disturb == 0) {
        return true;
    }
    run->disturbers = calloc(plan->threads, sizeof(*run->disturbers));
    run->turns = calloc(plan->threads, sizeof(*run->turns));
    run->moved = calloc(plan->threads, sizeof(*run->moved));
    if (run->disturbers == NULL || run->turns == NULL || run->moved == NULL) {
        return false;
    }
    for (unsigned i = 0; i < plan->threads; i++) {
        disturber_init(&run->disturbers[i], plan->disturb, plan->seed, i);
    }
    return true;
}

/* Allocates what the threads need. Return: whether there was memory; run_close() in any case. */
static bool run_open(struct run *run, const struct plan *plan)
{
    const struct workload *workload = plan->workload;
    *run = (struct run){.plan = plan};
    report_replay(plan, run->replay);
    gate_init(&run->gate, plan->threads);
    findings_init(&run->findings);
    run->workers = calloc(plan->threads + 1, sizeof(*run->workers));
    run->threads = calloc(plan->threads, sizeof(*run->threads));
    run->shared = zeroed_lines(workload->shared_bytes);
    if (run->workers == NULL || run->threads == NULL || run->shared == NULL) {
        return false;
    }
    for (unsigned i = 0; i <= plan->threads; i++) {
        struct worker *worker = &run->workers[i];
        worker_init(worker, i, plan->seed);
        worker->world = &run->world;
        worker->findings = &run->findings;
        worker->shared = run->shared;
        worker->own = calloc(1, workload->own_bytes + 1);
        if (worker->own == NULL) {
            return false;
        }
    }
    return open_disturbers(run, plan);
}

static void run_close(struct run *run)
{
    for (unsigned i = 0; run->workers != NULL && i <= run->plan->threads; i++) {
        free(run->workers[i].own);
    }
    free(run->workers);
    free(run->threads);
    free(run->disturbers);
    free(run->turns);
    free(run->moved);
    free(run->shared);
    findings_destroy(&run->findings);
    gate_destroy(&run->gate);
}

/* Starts the threads; they wait at the gate. Return: how many there are. */
static unsigned run_start(struct run *run)
{
    unsigned started = 0;
    for (; started < run->plan->threads; started++) {
        struct run_thread *thread = &run->threads[started];
        *thread = (struct run_thread){.run = run, .worker = &run->workers[started]};
        if (run->disturbers != NULL) {
            thread->disturber = &run->disturbers[started];
            thread->turns = &run->turns[started];
        }
        if (pthread_create(&thread->thread, NULL, thread_main, thread) != 0) {
            break;
        }
    }
    return started;
}

/* Sends the @started threads home. */
static void run_stop(struct run *run, unsigned started)
{
    gate_open(&run->gate, GATE_LEAVE);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(run->threads[i].thread, NULL);
    }
}

/* Has the threads moved among processors, if that is asked for. Return: whether it is so now. */
static bool run_start_shuffle(struct run *run)
{
    const struct plan *plan = run->plan;
    if ((plan->disturb >> DISTURB_AFFINITY & 1) == 0) {
        return true;
    }
    for (unsigned i = 0; i < plan->threads; i++) {
        run->moved[i] = (struct shuffle_thread){run->threads[i].thread, &run->disturbers[i]};
    }
    return shuffle_start(&run->shuffle, run->moved, plan->threads, plan->seed);
}

static void run_stop_shuffle(struct run *run)
{
    if ((run->plan->disturb >> DISTURB_AFFINITY & 1) != 0) {
        shuffle_stop(&run->shuffle);
    }
}

/* Runs all rounds, watched. Return: whether the system started all threads that this takes. */
static bool run_watched(struct run *run)
{
    if (!run_start_shuffle(run)) {
        return false;
    }
    bool watched = watchdog_start(&run->watchdog);
    if (watched) {
        run->started = clock_seconds();
        run_rounds(run);
        watchdog_stop(&run->watchdog);
    }
    run_stop_shuffle(run);
    return watched;
}

static enum result run_threads(struct run *run)
{
    unsigned started = run_start(run);
    run->gate.threads = started;
    run->watchdog = (struct watchdog){
        .workers = run->workers,
        .count = run->plan->threads + 1,
        .bite = run_give_up,
        .context = run,
    };
    gate_collect(&run->gate);
    bool complete = started == run->plan->threads && run_watched(run);
    run_stop(run, started);
    if (!complete) {
        fprintf(stderr, "potad-stress: --threads: the system starts no more than %u\n", started);
        return RESULT_BAD_USAGE;
    }
    return run_report(run);
}

/* Begins the first round, and runs all. */
static enum result run_scene(struct run *run)
{
    const struct plan *plan = run->plan;
    report_begin(plan, &run->progress);
    enum status status = round_boot(run);
    if (status == STATUS_OK) {
        return run_threads(run);
    }
    fprintf(stderr, "potad-stress: --frames: %s does not boot on %" PRIu64 ": status %d\n",
            plan->subject->name, plan->frames, (int)status);
    return RESULT_BAD_USAGE;
}

enum result run_execute(const struct plan *plan)
{
    static struct run run;
    enum result result = RESULT_BAD_USAGE;
    const struct scene *scene = plan->workload->scene;
    bool opened = run_open(&run, plan);
    if (opened) {
        worker_current = coordinator_of(&run);
        interrupt_watch();
        crash_install(run.replay);
        opened = scene->open(coordinator_of(&run), plan);
    }
    if (opened) {
        result = run_scene(&run);
        scene->close(coordinator_of(&run));
    } else {
        fprintf(stderr, "potad-stress: --frames: no memory for %" PRIu64 "\n", plan->frames);
    }
    worker_current = NULL;
    run_close(&run);
    return result;
}
