/* SPDX-License-Identifier: MIT */
#include "stress/command_explore.h"

#include "stress/explore/campaign.h"
#include "stress/explore/interleaving.h"
#include "stress/schedule_page.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static bool plan_make(const struct options *options, struct campaign_plan *plan)
{
    *plan = (struct campaign_plan){
        .files = (const char *const *)options->files,
        .files_count = options->files_count,
        .pairs = options->pairs,
        .strategy = options->strategy,
        .seed = options_seed(options),
        .seconds = options->seconds,
        .executions = options->executions,
        .threads = (unsigned)options->threads,
        .ops = (unsigned)options->ops,
        .jobs = (unsigned)options->jobs,
        .out = options->out,
        .shrinks = !options->keep,
        .options = {.subject = subject_find(options->subject),
                    .any_cpu = options->any_cpu,
                    .reuse = options->reuse,
                    .weak = options->weak},
        .subject = options->subject,
    };
    if (plan->options.subject == NULL) {
        fprintf(stderr, "potad-stress: --subject: there is no '%s', see potad-stress list\n",
                options->subject);
        return false;
    }
    if ((plan->options.subject->capabilities & SUBJECT_THREADS) == 0) {
        fprintf(stderr, "potad-stress: --subject: %s is for one thread only\n", options->subject);
        return false;
    }
    struct strategy *strategy = strategy_make(options->strategy, 0);
    if (strategy == NULL) {
        fprintf(stderr, "potad-stress: --strategy: there is no '%s', see explore --help\n",
                options->strategy);
        return false;
    }
    strategy_close(strategy);
    return true;
}

static void print_found(const struct campaign_plan *plan, const struct campaign_report *report)
{
    const struct shrunk *shrunk = &report->shrunk;
    fprintf(stderr, "potad-stress: violated: %s: %s\n", report->finding.name, report->finding.text);
    fprintf(stderr, "potad-stress: replayed %u of %d times\n", report->replays, CAMPAIGN_REPLAYS);
    if (shrunk->attempts > 0) {
        fprintf(stderr,
                "potad-stress: shrunken in %" PRIu64 " attempts: %" PRIu32 " to %" PRIu32
                " switches, %" PRIu32 " to %" PRIu32 " operations, %u to %u threads\n",
                shrunk->attempts, shrunk->switches_before, shrunk->switches_after,
                shrunk->ops_before, shrunk->ops_after, shrunk->threads_before,
                shrunk->threads_after);
    }
    if (report->path[0] == '\0') {
        return;
    }
    fprintf(stderr, "potad-stress: replay: potad-stress replay %s\n", report->path);
    if (!plan->options.weak) {
        fprintf(stderr, "potad-stress: as a C test: potad-stress emit-c %s -o test.c\n",
                report->path);
    }
}

static void print_summary(const struct campaign_plan *plan, const struct campaign_report *report)
{
    double executions = report->executions > 0 ? (double)report->executions : 1;
    printf("%s, seed %" PRIu64 ": %" PRIu64, plan->strategy, plan->seed, report->programs);
    if (report->programs_all > 0) {
        printf(" of %" PRIu64, report->programs_all);
    }
    printf(" programs, %" PRIu64
           " executions in %.1f s (%.0f/s), %.1f steps, %.1f switches each; %s",
           report->executions, report->seconds, (double)report->executions / report->seconds,
           (double)report->steps / executions, (double)report->switches / executions,
           report->finding.name[0] != '\0' ? "1 violation" : "nothing found");
    if (report->covered > 0) {
        printf("; all executions of %" PRIu64 " programs within the bound", report->covered);
    }
    if (report->undecided > 0) {
        printf("; %" PRIu64 " histories too long to be judged exactly", report->undecided);
    }
    putchar('\n');
}

static bool write_json(const struct options *options, const struct campaign_plan *plan,
                       const struct campaign_report *report)
{
    if (options->json == NULL) {
        return true;
    }
    json_t *json = json_pack(
        "{s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, "
        "s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:i, s:I}",
        "strategy", plan->strategy, "seed", (json_int_t)plan->seed, "subject", plan->subject,
        "programs", (json_int_t)report->programs, "programs_all", (json_int_t)report->programs_all,
        "executions", (json_int_t)report->executions, "covered", (json_int_t)report->covered,
        "steps", (json_int_t)report->steps, "switches", (json_int_t)report->switches, "seconds",
        report->seconds, "found", report->finding.name, "text", report->finding.text, "replays",
        (int)report->replays, "file", report->path, "switches_before",
        (int)report->shrunk.switches_before, "switches_after", (int)report->shrunk.switches_after,
        "ops_before", (int)report->shrunk.ops_before, "ops_after", (int)report->shrunk.ops_after,
        "undecided", (json_int_t)report->undecided);
    bool good = json != NULL && json_dump_file(json, options->json, JSON_INDENT(2)) == 0;
    json_decref(json);
    if (!good) {
        fprintf(stderr, "potad-stress: --json: %s: it could not be written\n", options->json);
    }
    return good;
}

enum result command_explore(const struct options *options)
{
    struct campaign_plan plan;
    struct campaign_report report;
    if (!plan_make(options, &plan)) {
        return RESULT_BAD_USAGE;
    }
    fprintf(stderr, "potad-stress: explore --strategy %s --seed %" PRIu64 " --subject %s%s%s%s\n",
            plan.strategy, plan.seed, plan.subject, plan.options.any_cpu ? " --any-cpu" : "",
            plan.options.reuse ? " --reuse" : "", plan.options.weak ? " --weak" : "");
    enum campaign_result result = campaign_run(&plan, &report);
    if (result == CAMPAIGN_BAD_INPUT) {
        return RESULT_BAD_USAGE;
    }
    if (report.finding.name[0] != '\0') {
        print_found(&plan, &report);
    }
    print_summary(&plan, &report);
    bool written = write_json(options, &plan, &report);
    if (result == CAMPAIGN_FOUND) {
        return RESULT_VIOLATION;
    }
    if (!written) {
        return RESULT_BAD_USAGE;
    }
    return result == CAMPAIGN_NOTHING ? RESULT_NOTHING_FOUND : RESULT_INCONCLUSIVE;
}

/* Executes @failure again and again. Return: how often what it says was found; @attempt has the
 * last one. */
static uint64_t replay_times(const struct options *options, const struct failure *failure,
                             struct attempt *attempt)
{
    uint64_t same = 0;
    for (uint64_t i = 0; i < options->times; i++) {
        attempt_replay(attempt, &failure->program, &failure->options, &failure->schedule,
                       failure->found, i + 1 == options->times);
        same += strcmp(attempt->finding.name, failure->found) == 0 ? 1 : 0;
    }
    return same;
}

/* Return: whether there was nothing to write, or it was written. */
static bool write_html(const struct options *options, const struct failure *failure,
                       const struct attempt *attempt)
{
    if (options->html == NULL ||
        schedule_page_write(options->html, options->files[0], failure, attempt)) {
        return true;
    }
    fprintf(stderr, "potad-stress: --html: %s: %s\n", options->html, strerror(errno));
    return false;
}

static enum result replay_show(const struct options *options, const struct failure *failure,
                               struct attempt *attempt)
{
    char build[FAILURE_BUILD_MAX];
    build_id(build, sizeof(build));
    if (failure->build[0] != '\0' && strcmp(build, failure->build) != 0) {
        fprintf(stderr, "potad-stress: found by another build, %.12s; this is %.12s\n",
                failure->build, build);
    }
    /* A page on standard output is alone there. */
    FILE *out = options->html != NULL && strcmp(options->html, "-") == 0 ? stderr : stdout;
    uint64_t same = replay_times(options, failure, attempt);
    if (attempt->bad_program) {
        fprintf(stderr, "potad-stress: %s: %s\n", options->files[0], attempt->error);
        return RESULT_BAD_USAGE;
    }
    interleaving_print(out, &attempt->log, &failure->program, program_threads(&failure->program),
                       options->all);
    fputs("schedule: ", out);
    schedule_print(out, &attempt->schedule);
    fputc('\n', out);
    if (!write_html(options, failure, attempt)) {
        return RESULT_BAD_USAGE;
    }
    if (attempt_found(attempt)) {
        fprintf(stderr, "potad-stress: violated: %s: %s\n", attempt->finding.name,
                attempt->finding.text);
    }
    if (failure->found[0] != '\0') {
        fprintf(out, "found %s: %" PRIu64 " of %" PRIu64 "\n", failure->found, same,
                options->times);
    }
    if (failure->found[0] != '\0' && same < options->times) {
        return attempt_found(attempt) ? RESULT_VIOLATION : RESULT_INCONCLUSIVE;
    }
    return attempt_found(attempt) ? RESULT_VIOLATION : RESULT_NOTHING_FOUND;
}

enum result command_replay(const struct options *options)
{
    char error[FAILURE_ERROR_MAX];
    struct failure *failure = calloc(1, sizeof(*failure));
    struct attempt *attempt = attempt_open();
    enum result result = RESULT_BAD_USAGE;
    if (failure == NULL || attempt == NULL) {
        fprintf(stderr, "potad-stress: no memory\n");
    } else if (!failure_load(failure, options->files[0], error)) {
        fprintf(stderr, "potad-stress: %s: %s\n", options->files[0], error);
    } else if ((failure->options.subject->capabilities & SUBJECT_THREADS) == 0) {
        fprintf(stderr, "potad-stress: %s: %s is for one thread only\n", options->files[0],
                failure->subject);
        program_free(&failure->program);
    } else {
        result = replay_show(options, failure, attempt);
        program_free(&failure->program);
    }
    if (attempt != NULL) {
        attempt_close(attempt);
    }
    free(failure);
    return result;
}
