/* SPDX-License-Identifier: MIT */
#include "stress/report.h"

#include "stress/clock.h"
#include "stress/script.h"

#include <jansson.h>
#include <unistd.h>

static const double live_seconds = 0.25;
static const double line_seconds = 10;

static const char *const result_names[] = {
    [RESULT_NOTHING_FOUND] = "nothing found",
    [RESULT_VIOLATION] = "violation",
    [RESULT_BAD_USAGE] = "bad usage",
    [RESULT_INCONCLUSIVE] = "inconclusive",
};

void report_replay(const struct plan *plan, char *text)
{
    char disturb[DISTURB_TEXT_MAX];
    disturb_write(plan->disturb, disturb);
    snprintf(text, REPLAY_MAX,
             "potad-stress run --workload %s --threads %u --seconds %" PRIu64 " --seed %" PRIu64
             " --subject %s --frames %" PRIu64 " --cpus %" PRIu32 "%s%s%s%s",
             plan->workload->name, plan->threads, plan->seconds, plan->seed, plan->subject->name,
             plan->frames, plan->cpus, plan->disturb != 0 ? " --disturb " : "", disturb,
             plan->script != NULL ? " --trace " : "",
             plan->script != NULL ? plan->script->path : "");
}

void report_begin(const struct plan *plan, struct progress *progress)
{
    char replay[REPLAY_MAX];
    report_replay(plan, replay);
    fprintf(stderr, "%s\n", replay);
    *progress = (struct progress){.terminal = isatty(STDERR_FILENO) != 0};
    progress->next = clock_seconds() + (progress->terminal ? live_seconds : line_seconds);
}

bool report_is_due(const struct progress *progress)
{
    return clock_seconds() >= progress->next;
}

void report_progress(struct progress *progress, const struct plan *plan,
                     const struct outcome *outcome)
{
    fprintf(stderr,
            "%s%s: %.0f of %" PRIu64 " s, %" PRIu64 " operations, %" PRIu64 " validations, %" PRIu64
            " rounds%s",
            progress->terminal ? "\r" : "", plan->workload->name, outcome->seconds, plan->seconds,
            outcome->operations, outcome->validations, outcome->rounds,
            progress->terminal ? "\033[K" : "\n");
    progress->printed = progress->terminal;
    progress->next += progress->terminal ? live_seconds : line_seconds;
}

static double rate(const struct outcome *outcome)
{
    return outcome->seconds > 0 ? (double)outcome->operations / outcome->seconds : 0;
}

/* The same of the time in which the threads were let work. */
static double rate_working(const struct outcome *outcome)
{
    return outcome->seconds_working > 0 ? (double)outcome->operations / outcome->seconds_working
                                        : 0;
}

static void print_operations(const struct plan *plan, const struct outcome *outcome)
{
    printf("operations   %" PRIu64 " (%.0f a second; %.0f a second of work)\n", outcome->operations,
           rate(outcome), rate_working(outcome));
    printf("by thread   ");
    for (unsigned i = 0; i < plan->threads; i++) {
        printf(" %" PRIu64, outcome->operations_of[i]);
    }
    printf("\n");
}

static void print_trace(const struct script *script)
{
    printf("trace        %s, of %" PRIu32 " CPUs\n", script->path, script->cpus);
    traffic_print(stdout, &script->counts);
}

static void print_paths(const struct outcome *outcome)
{
    int column = 0;
    for (unsigned path = 0; path < PATHS; path++) {
        const char *name = path_name((enum path)path);
        printf("%s%-22s %10" PRIu64, column == 0 ? "  " : "   ", name, outcome->paths[path]);
        column = (column + 1) % 2;
        if (column == 0) {
            printf("\n");
        }
    }
    printf("%s", column == 0 ? "" : "\n");
}

static void print_result(const struct plan *plan, const struct outcome *outcome)
{
    char replay[REPLAY_MAX];
    printf("result       %s%s\n", result_names[outcome->result],
           outcome->interrupted ? " (interrupted)" : "");
    for (unsigned path = 0; path < PATHS; path++) {
        if (outcome->missing[path] && outcome->result == RESULT_INCONCLUSIVE) {
            printf("             %s was never reached\n", path_name((enum path)path));
        }
    }
    if (outcome->result == RESULT_VIOLATION) {
        report_replay(plan, replay);
        printf("violated     %s: %s\n", finding_name(outcome->findings->first),
               finding_sentence(outcome->findings->first));
        printf("             %s\n", outcome->findings->text);
        printf("replay       %s\n", replay);
        printf("             (draws the same operations; the timing of threads is not replayed)\n");
    }
}

static json_t *json_paths(const struct outcome *outcome)
{
    json_t *paths = json_object();
    for (unsigned path = 0; path < PATHS; path++) {
        json_object_set_new(paths, path_name((enum path)path),
                            json_integer((json_int_t)outcome->paths[path]));
    }
    return paths;
}

static json_t *json_missing(const struct outcome *outcome)
{
    json_t *missing = json_array();
    for (unsigned path = 0; path < PATHS; path++) {
        if (outcome->missing[path]) {
            json_array_append_new(missing, json_string(path_name((enum path)path)));
        }
    }
    return missing;
}

static json_t *json_operations(const struct plan *plan, const struct outcome *outcome)
{
    json_t *operations = json_array();
    for (unsigned i = 0; i < plan->threads; i++) {
        json_array_append_new(operations, json_integer((json_int_t)outcome->operations_of[i]));
    }
    return operations;
}

static json_t *json_disturb(const struct plan *plan)
{
    json_t *names = json_array();
    for (unsigned i = 0; i < DISTURBANCES; i++) {
        if ((plan->disturb >> i & 1) != 0) {
            json_array_append_new(names, json_string(disturb_name((enum disturbance)i)));
        }
    }
    return names;
}

static void write_json(const struct plan *plan, const struct outcome *outcome)
{
    char replay[REPLAY_MAX];
    report_replay(plan, replay);
    json_t *violation =
        outcome->result == RESULT_VIOLATION
            ? json_pack("{s:s, s:s}", "name", finding_name(outcome->findings->first), "text",
                        outcome->findings->text)
            : json_null();
    json_t *root = json_pack(
        "{s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:f, s:I, s:f, s:I, s:I, s:I, s:o, s:s, s:i, s:b, "
        "s:o, "
        "s:o, "
        "s:s}",
        "workload", plan->workload->name, "subject", plan->subject->name, "threads",
        (int)plan->threads, "cpus", (int)plan->cpus, "frames", (json_int_t)plan->frames, "seed",
        (json_int_t)plan->seed, "seconds_asked", (json_int_t)plan->seconds, "seconds",
        outcome->seconds, "operations", (json_int_t)outcome->operations, "operations_per_second",
        rate(outcome), "validations", (json_int_t)outcome->validations, "rounds",
        (json_int_t)outcome->rounds, "chain_depth", (json_int_t)outcome->chain_depth, "paths",
        json_paths(outcome), "result", result_names[outcome->result], "status",
        (int)outcome->result, "interrupted", outcome->interrupted ? 1 : 0, "never_reached",
        json_missing(outcome), "violation", violation, "replay", replay);
    json_object_set_new(root, "disturb", json_disturb(plan));
    json_object_set_new(root, "operations_by_thread", json_operations(plan, outcome));
    json_object_set_new(root, "operations_per_second_of_work", json_real(rate_working(outcome)));
    if (plan->script != NULL) {
        json_object_set_new(root, "trace", json_string(plan->script->path));
        json_object_set_new(root, "trace_events",
                            json_integer((json_int_t)plan->script->counts.events));
    }
    /* Whoever closes the file asks whether it was written. */
    json_dumpf(root, plan->json, JSON_INDENT(2));
    fputc('\n', plan->json);
    json_decref(root);
}

void report_end(const struct plan *plan, const struct outcome *outcome, struct progress *progress)
{
    if (progress->printed) {
        fprintf(stderr, "\r\033[K");
    }
    printf("workload     %s\n", plan->workload->name);
    printf("subject      %s, %" PRIu64 " frames\n", plan->subject->name, plan->frames);
    printf("threads      %u, on %" PRIu32 " CPUs\n", plan->threads, plan->cpus);
    printf("seconds      %.1f\n", outcome->seconds);
    printf("seed         %" PRIu64 "\n", plan->seed);
    print_operations(plan, outcome);
    printf("validations  %" PRIu64 ", in %" PRIu64 " rounds\n", outcome->validations,
           outcome->rounds);
    printf("chain depth  %" PRIu64 "\n", outcome->chain_depth);
    if (plan->script != NULL) {
        print_trace(plan->script);
    }
    printf("paths\n");
    print_paths(outcome);
    print_result(plan, outcome);
    fflush(stdout);
    if (plan->json != NULL) {
        write_json(plan, outcome);
    }
}
