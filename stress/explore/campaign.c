/* SPDX-License-Identifier: MIT */
#include "stress/explore/campaign.h"

#include "fuzzers/folder.h"
#include "fuzzers/interrupt.h"
#include "stress/clock.h"
#include "stress/explore/determinism.h"
#include "stress/explore/pairs.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TURN = 2000,              /* executions of one program before the next one's */
    RANDOM_BYTES = 512,       /* that random programs are made of */
    LOOK_EVERY = 16,          /* executions between two looks at the clock */
    LOOK_MILLISECONDS = 2000, /* of the CPU, that so many may take: far more than they do */
    CHECK_EVERY = 4096, /* executions between two that are replayed to see whether they can be */
    POLL_MICROSECONDS = 20000,
    PROGRESS_SECONDS = 10
};

/* A program that is explored by turns. */
struct explored_case {
    struct program program;
    struct strategy *strategy;
    bool done;
};

/* One process. */
struct explorer_job {
    const struct campaign_plan *plan;
    struct attempt *attempt;
    unsigned index;
    double deadline; /* or 0 */
    struct explorer explorer;
    struct stage *stage; /* of the program that is executed */
};

static void note_program(struct attempt *attempt, const struct program *program)
{
    FILE *out = fmemopen(attempt->program, sizeof(attempt->program), "w");
    if (out != NULL) {
        case_print(out, program);
        fclose(out);
    }
}

static bool time_is_up(const struct explorer_job *job)
{
    const struct campaign_plan *plan = job->plan;
    const struct attempt *attempt = job->attempt;
    if (plan->executions != 0 && attempt->executions >= plan->executions) {
        return true;
    }
    return attempt->executions % LOOK_EVERY == 0 &&
           (*(volatile const bool *)&attempt->stop ||
            (job->deadline > 0 && clock_seconds() >= job->deadline));
}

/* Executes the program of the stage once, and at times again. Return: whether nothing was found. */
static bool execute(struct explorer_job *job, struct explored_case *subject)
{
    struct attempt *attempt = job->attempt;
    struct explorer *explorer = &job->explorer;
    bool checks = attempt->executions % CHECK_EVERY == 0;
    struct explore_finding finding;
    if (attempt->executions % LOOK_EVERY == 0) {
        attempt_expect_end(LOOK_MILLISECONDS);
    }
    explorer->log = checks ? attempt_log(attempt) : NULL;
    bool good = stage_execute(job->stage, subject->strategy, &finding);
    explorer->log = NULL;
    attempt->executions++;
    attempt->steps += explorer->steps;
    attempt->switches += explorer->schedule->runs_count - 1;
    attempt->undecided += job->stage->undecided ? 1 : 0;
    if (!good) {
        attempt->finding = finding;
        attempt->hash = explorer->hash;
    }
    subject->done = !subject->strategy->end(subject->strategy, explorer->decisions);
    attempt->covered += subject->done ? 1 : 0;
    checks = checks && !explorer->schedule->overflow; /* then it cannot be replayed */
    return good && (!checks || determinism_check(job->stage, &attempt->log, &attempt->finding));
}

/* Executes @subject a number of times. Return: whether to go on. */
static bool take_turn(struct explorer_job *job, struct explored_case *subject)
{
    struct attempt *attempt = job->attempt;
    note_program(attempt, &subject->program);
    job->stage = stage_open(&subject->program, &job->plan->options, &job->explorer, attempt->error);
    if (job->stage == NULL) {
        attempt->bad_program = job->plan->files_count > 0;
        subject->done = true;
        return !attempt->bad_program;
    }
    bool goes_on = true;
    for (uint32_t i = 0; i < TURN && goes_on && !subject->done; i++) {
        goes_on = execute(job, subject) && !time_is_up(job);
    }
    stage_close(job->stage);
    return goes_on;
}

static struct strategy *make_strategy(const struct explorer_job *job, uint64_t number)
{
    struct strategy *strategy =
        strategy_make(job->plan->strategy, job->plan->seed + (number << 8) + job->index);
    if (strategy == NULL) {
        abort(); /* its name was looked at before */
    }
    return strategy;
}

/* A program of random operations, each in a random thread. */
static void draw_program(struct program *program, const struct campaign_plan *plan,
                         struct random *random)
{
    uint8_t bytes[RANDOM_BYTES];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)random_next(random);
    }
    case_decode_any(program, bytes, sizeof(bytes), &case_limits_schedule);
    uint32_t counts[EXPLORE_THREADS] = {0};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < program->ops_count; i++) {
        struct case_op op = program->ops[i];
        unsigned thread = i < plan->ops ? 0 : 1 + (unsigned)(random_next(random) % plan->threads);
        if (thread != 0 && counts[thread - 1]++ >= plan->ops) {
            continue;
        }
        op.thread = thread & CASE_HALF_MASK;
        program->ops[kept++] = op;
    }
    program->ops_count = kept;
}

static void explore_random(struct explorer_job *job)
{
    struct random random;
    struct explored_case subject = {.done = false};
    random_init(&random, job->plan->seed, job->index);
    program_init(&subject.program);
    bool goes_on = true;
    while (goes_on) {
        draw_program(&subject.program, job->plan, &random);
        if (program_threads(&subject.program) < 2) {
            continue;
        }
        subject.strategy = make_strategy(job, job->attempt->programs++);
        subject.done = false;
        goes_on = take_turn(job, &subject) && !time_is_up(job);
        strategy_close(subject.strategy);
    }
    program_free(&subject.program);
}

/* Pairs of operations, each job others, until all executions of each have been. */
static void explore_pairs(struct explorer_job *job)
{
    struct explored_case subject = {.done = false};
    bool goes_on = true;
    program_init(&subject.program);
    for (uint32_t i = job->index; i < pairs_count() && goes_on; i += job->plan->jobs) {
        pairs_make(&subject.program, i);
        subject.strategy = make_strategy(job, i);
        subject.done = false;
        job->attempt->programs++;
        while (goes_on && !subject.done) {
            goes_on = take_turn(job, &subject);
        }
        strategy_close(subject.strategy);
    }
    program_free(&subject.program);
}

/* Reads the case of each file. Return: whether all can be read; if not, the attempt says why. */
static bool read_files(struct explorer_job *job, struct explored_case *cases)
{
    const struct campaign_plan *plan = job->plan;
    char error[FAILURE_ERROR_MAX];
    struct failure *failure = malloc(sizeof(*failure));
    bool good = failure != NULL;
    for (int i = 0; i < plan->files_count && good; i++) {
        good = failure_load(failure, plan->files[i], error);
        if (!good) {
            snprintf(job->attempt->error, SCHEDULE_ERROR_MAX, "%.*s", SCHEDULE_ERROR_MAX - 1,
                     error);
            job->attempt->bad_program = true;
            job->attempt->bad_file = i;
            break;
        }
        cases[i].program = failure->program;
        cases[i].strategy = make_strategy(job, (uint64_t)i);
    }
    free(failure);
    return good;
}

static void explore_files(struct explorer_job *job)
{
    const struct campaign_plan *plan = job->plan;
    struct explored_case *cases = calloc((size_t)plan->files_count, sizeof(*cases));
    bool goes_on = cases != NULL && read_files(job, cases);
    job->attempt->programs = (uint64_t)plan->files_count;
    for (bool any = true; any && goes_on;) {
        any = false;
        for (int i = 0; i < plan->files_count && goes_on; i++) {
            if (!cases[i].done) {
                any = true;
                job->attempt->bad_file = i;
                goes_on = take_turn(job, &cases[i]);
            }
        }
    }
    for (int i = 0; cases != NULL && i < plan->files_count; i++) {
        if (cases[i].strategy != NULL) {
            strategy_close(cases[i].strategy);
            program_free(&cases[i].program);
        }
    }
    free(cases);
}

static void job_work(void *context)
{
    struct explorer_job *job = context;
    signal(SIGINT, SIG_IGN); /* who waits says when to stop */
    attempt_expect_end(LOOK_MILLISECONDS);
    if (!explorer_open(&job->explorer, &job->attempt->schedule)) {
        abort();
    }
    if (job->plan->files_count > 0) {
        explore_files(job);
    } else if (job->plan->pairs) {
        explore_pairs(job);
    } else {
        explore_random(job);
    }
}

static void sum(struct campaign_report *report, struct attempt *const *attempts, unsigned count)
{
    report->executions = 0;
    report->programs = 0;
    report->covered = 0;
    report->steps = 0;
    report->switches = 0;
    report->undecided = 0;
    for (unsigned i = 0; i < count; i++) {
        report->executions += attempts[i]->executions;
        report->programs += attempts[i]->programs;
        report->covered += attempts[i]->covered;
        report->steps += attempts[i]->steps;
        report->switches += attempts[i]->switches;
        report->undecided += attempts[i]->undecided;
    }
}

static void progress(const struct campaign_report *report)
{
    fprintf(stderr, "potad-stress: %.0f s: %" PRIu64 " programs, %" PRIu64 " executions, %.0f/s\n",
            report->seconds, report->programs, report->executions,
            (double)report->executions / report->seconds);
}

/* Waits for all processes; the first that finds something has the others stop. Return: that one's
 * number, or @count. */
static unsigned wait_for_all(struct attempt *const *attempts, const int *processes, unsigned count,
                             struct campaign_report *report)
{
    double start = clock_seconds();
    uint64_t shown = 0;
    unsigned running = count;
    unsigned found = count;
    bool ended[CAMPAIGN_JOBS_MAX] = {false};
    while (running > 0) {
        for (unsigned i = 0; i < count; i++) {
            siginfo_t info = {0};
            if (!ended[i] &&
                waitid(P_PID, (id_t)processes[i], &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
                info.si_pid == processes[i]) {
                attempt_wait(attempts[i], processes[i]);
                ended[i] = true;
                running--;
                found = found == count && attempt_found(attempts[i]) ? i : found;
            }
            attempts[i]->stop = attempts[i]->stop || interrupted != 0 || found < count;
        }
        usleep(running > 0 ? POLL_MICROSECONDS : 0);
        sum(report, attempts, count);
        report->seconds = clock_seconds() - start;
        if (report->seconds >= (double)(shown + PROGRESS_SECONDS)) {
            shown += PROGRESS_SECONDS;
            progress(report);
        }
    }
    return found;
}

/* Saves @failure under a name of its own. Return: whether it is saved. */
static bool save(const struct campaign_plan *plan, const struct failure *failure,
                 struct campaign_report *report)
{
    const size_t bytes = sizeof(report->path);
    size_t length;
    unsigned number = 1;
    do {
        length = (size_t)snprintf(report->path, bytes, "%s/%s-%u.ops", plan->out, failure->found,
                                  number++);
    } while (access(report->path, F_OK) == 0);
    errno = ENAMETOOLONG;
    bool saved = length < bytes && folder_make(plan->out) && failure_save(failure, report->path);
    if (!saved) {
        fprintf(stderr, "potad-stress: --out: %s: %s\n", plan->out, strerror(errno));
        report->path[0] = '\0';
    }
    return saved;
}

/* Has what was found happen again, makes it small, and saves it. */
static enum campaign_result settle(const struct campaign_plan *plan, struct attempt *attempt,
                                   struct campaign_report *report)
{
    struct case_error error;
    struct failure *failure = calloc(1, sizeof(*failure));
    if (failure == NULL) {
        abort();
    }
    program_init(&failure->program);
    report->finding = attempt->finding;
    schedule_copy(&failure->schedule, &attempt->schedule);
    failure->options = plan->options;
    snprintf(failure->found, sizeof(failure->found), "%s", attempt->finding.name);
    snprintf(failure->text, sizeof(failure->text), "%s", attempt->finding.text);
    snprintf(failure->subject, sizeof(failure->subject), "%s", plan->subject);
    build_id(failure->build, sizeof(failure->build));
    if (!case_parse(&failure->program, attempt->program, strlen(attempt->program), &error)) {
        fprintf(stderr, "potad-stress: the case cannot be read back: %s\n%s", error.text,
                attempt->program);
        free(failure);
        return CAMPAIGN_INCONCLUSIVE;
    }
    for (unsigned i = 0; i < CAMPAIGN_REPLAYS; i++) {
        attempt_replay(attempt, &failure->program, &plan->options, &failure->schedule,
                       failure->found, false);
        report->replays += strcmp(attempt->finding.name, failure->found) == 0 ? 1 : 0;
    }
    if (plan->shrinks && report->replays == CAMPAIGN_REPLAYS) {
        shrink(attempt, &failure->program, &plan->options, &failure->schedule, failure->found,
               &report->shrunk);
        attempt_replay(attempt, &failure->program, &plan->options, &failure->schedule,
                       failure->found, false);
        report->finding = attempt->finding;
        snprintf(failure->text, sizeof(failure->text), "%s", attempt->finding.text);
    }
    if (!save(plan, failure, report)) {
        failure_print(stderr, failure); /* so it is not lost */
    }
    program_free(&failure->program);
    free(failure);
    return report->replays > 0 ? CAMPAIGN_FOUND : CAMPAIGN_INCONCLUSIVE;
}

/* Starts process number @index. Return: whether it runs. */
static bool start_one(const struct campaign_plan *plan, unsigned index, struct attempt *attempt,
                      int *process)
{
    struct explorer_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return false;
    }
    job->plan = plan;
    job->attempt = attempt;
    job->index = index;
    job->deadline = plan->seconds == 0 ? 0 : clock_seconds() + (double)plan->seconds;
    *process = attempt_start(attempt, false, job_work, job);
    free(job);
    return *process > 0;
}

static bool start(const struct campaign_plan *plan, struct attempt **attempts, int *processes)
{
    for (unsigned i = 0; i < plan->jobs; i++) {
        attempts[i] = attempt_open();
        if (attempts[i] == NULL || !start_one(plan, i, attempts[i], &processes[i])) {
            fprintf(stderr, "potad-stress: process %u cannot be started: %s\n", i + 1,
                    strerror(errno));
            return false;
        }
    }
    return true;
}

/* Names the file that could not be explored. Return: whether there is one. */
static bool tell_bad_file(const struct campaign_plan *plan, struct attempt *const *attempts)
{
    for (unsigned i = 0; i < plan->jobs; i++) {
        if (attempts[i]->bad_program) {
            fprintf(stderr, "potad-stress: %s: %s\n", plan->files[attempts[i]->bad_file],
                    attempts[i]->error);
            return true;
        }
    }
    return false;
}

enum campaign_result campaign_run(const struct campaign_plan *plan, struct campaign_report *report)
{
    struct attempt *attempts[CAMPAIGN_JOBS_MAX] = {NULL};
    int processes[CAMPAIGN_JOBS_MAX];
    *report = (struct campaign_report){.programs_all = plan->pairs ? pairs_count() : 0};
    interrupt_watch();
    if (!start(plan, attempts, processes)) {
        return CAMPAIGN_BAD_INPUT;
    }
    unsigned found = wait_for_all(attempts, processes, plan->jobs, report);
    enum campaign_result result = report->executions > 0 ? CAMPAIGN_NOTHING : CAMPAIGN_INCONCLUSIVE;
    if (found < plan->jobs) {
        result = settle(plan, attempts[found], report);
    } else if (tell_bad_file(plan, attempts)) {
        result = CAMPAIGN_BAD_INPUT;
    }
    for (unsigned i = 0; i < plan->jobs; i++) {
        attempt_close(attempts[i]);
    }
    return result;
}
