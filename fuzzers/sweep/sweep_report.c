/* SPDX-License-Identifier: MIT */
#include "fuzzers/sweep/sweep_report.h"

#include "fuzzers/folder.h"
#include "fuzzers/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_MAX_BYTES = 4096, DETAIL_MAX = 2 * REPORT_MAX };

static const double live_seconds = 0.25;
static const double line_seconds = 10;

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void sweep_report_begin(struct sweep_report *report, const char *out, uint32_t files)
{
    *report = (struct sweep_report){
        .out = out,
        .files = files,
        .terminal = isatty(STDERR_FILENO) != 0,
        .begun = now_seconds(),
        .findings = json_array(),
        .shown = json_object(),
    };
    report->next = report->begun + (report->terminal ? live_seconds : line_seconds);
}

void sweep_report_close(struct sweep_report *report)
{
    json_decref(report->findings);
    json_decref(report->shown);
}

static void clear_live_line(struct sweep_report *report)
{
    if (report->printed) {
        fputs("\r\033[K", stderr);
        report->printed = false;
    }
}

void sweep_report_progress(struct sweep_report *report, const struct sweep *sweep)
{
    double now = now_seconds();
    if (now < report->next) {
        return;
    }
    fprintf(stderr,
            "%ssweep: %.0f s, %" PRIu64 " of %" PRIu32 " cases, %" PRIu64 " attempts, %" PRIu64
            " failures%s",
            report->terminal ? "\r" : "", now - report->begun, sweep->counts.cases, report->files,
            sweep->counts.attempts, sweep->counts.found, report->terminal ? "\033[K" : "\n");
    report->printed = report->terminal;
    report->next = now + (report->terminal ? live_seconds : line_seconds);
}

static int print_fault(char *text, size_t room, const struct fault *fault)
{
    return snprintf(text, room, "%s:%" PRIu32 ":%s", fault_site_name(fault->site), fault->nth,
                    matrix_mode_name((enum matrix_mode)fault->mode));
}

void attempt_print(const struct attempt *attempt, char *text)
{
    size_t room = ATTEMPT_TEXT_MAX;
    size_t length = (size_t)snprintf(text, room, "%" PRIu32 ":", attempt->index);
    length += (size_t)print_fault(text + length, room - length, &attempt->first);
    if (attempt->then.nth != 0) {
        text[length++] = '+';
        print_fault(text + length, room - length, &attempt->then);
    }
}

/* Takes one number and the colon behind it. */
static bool parse_number(const char **text, uint32_t most, uint32_t *number)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(*text, &end, 10);
    bool good = errno == 0 && **text >= '0' && **text <= '9' && *end == ':' && value <= most;
    *number = (uint32_t)value;
    *text = end + 1;
    return good;
}

/* Whether @text goes on with @word, and that ends there; then @text is behind it. */
static bool parse_word(const char **text, const char *word)
{
    size_t length = strlen(word);
    bool good = strncmp(*text, word, length) == 0 && strcspn(*text, ":+") == length;
    *text += good ? length : 0;
    return good;
}

static bool parse_fault(const char **text, struct fault *fault, uint32_t nth_min)
{
    unsigned site = 0;
    unsigned mode = 0;
    while (site < FAULT_SITES && !parse_word(text, fault_site_name((enum fault_site)site))) {
        site++;
    }
    if (site == FAULT_SITES || *(*text)++ != ':' ||
        !parse_number(text, SWEEP_NTH_MAX, &fault->nth) || fault->nth < nth_min) {
        return false;
    }
    while (mode < FAULT_MODES && !parse_word(text, matrix_mode_name((enum matrix_mode)mode))) {
        mode++;
    }
    fault->site = (enum fault_site)site;
    fault->mode = (enum fault_mode)mode;
    return mode < FAULT_MODES;
}

bool attempt_parse(const char *text, struct attempt *attempt)
{
    *attempt = (struct attempt){.rest = true};
    if (!parse_number(&text, UINT32_MAX, &attempt->index) ||
        !parse_fault(&text, &attempt->first, 0)) {
        return false;
    }
    /* A second fault counts from a first one on. */
    if (*text == '+' && attempt->first.nth != 0) {
        text++;
        return parse_fault(&text, &attempt->then, 1) && *text == '\0';
    }
    return *text == '\0';
}

/* The case up to where @outcome has come, with the fault in its operation: a copy whose operations
 * are to be freed. */
static struct program shown_program(const struct program *program, const struct attempt *attempt,
                                    const struct attempt_outcome *outcome)
{
    struct program shown = *program;
    const struct fault none = {0};
    bool rest = attempt->rest && outcome->stage >= ATTEMPT_REST;
    shown.ops = NULL;
    shown.ops_count = 0;
    shown.ops_capacity = 0;
    for (uint32_t i = 0; i < program->ops_count && (rest || i <= attempt->index); i++) {
        struct case_op op = program->ops[i];
        if (i == attempt->index) {
            program_add(&shown, attempt_op(program, i, &attempt->first));
            if (outcome->stage == ATTEMPT_OPERATION || !outcome->clean.unchanged) {
                continue;
            }
            op = attempt_op(program, i, &none);
        }
        program_add(&shown, op);
    }
    return shown;
}

/* Writes the case that shows what was found into @path, of PATH_MAX_BYTES. Return: whether there is
 * one now; if not, errno says why. Context: @attempt has one fault. */
static bool write_case(const struct sweep_report *report, const struct program *program,
                       const struct attempt *attempt, const struct attempt_outcome *outcome,
                       const char *detail, char *path)
{
    char what[ATTEMPT_TEXT_MAX];
    attempt_print(attempt, what);
    for (char *at = strchr(what, ':'); at != NULL; at = strchr(at, ':')) {
        *at = '-';
    }
    const char *name = strrchr(report->path, '/');
    name = name == NULL ? report->path : name + 1;
    size_t length = strlen(name);
    length -= length > 4 && strcmp(name + length - 4, ".ops") == 0 ? 4 : 0;
    snprintf(path, PATH_MAX_BYTES, "%s/%.*s-op-%s.ops", report->out, (int)length, name, what);
    FILE *file = folder_make(report->out) ? fopen(path, "w") : NULL;
    if (file == NULL) {
        return false;
    }
    struct program shown = shown_program(program, attempt, outcome);
    fprintf(file, "# %s: %s\n", report->path, detail);
    case_print(file, &shown);
    program_free(&shown);
    return fclose(file) == 0;
}

/* How the process of an attempt ended that did not end by itself. */
static void print_death(char *text, size_t room, const struct attempt_outcome *outcome)
{
    if (WIFSIGNALED(outcome->died) && WTERMSIG(outcome->died) == SIGALRM) {
        snprintf(text, room, "stuck");
    } else if (WIFSIGNALED(outcome->died)) {
        snprintf(text, room, "ended by signal %d (%s)", WTERMSIG(outcome->died),
                 strsignal(WTERMSIG(outcome->died)));
    } else {
        snprintf(text, room, "ended with status %d", WEXITSTATUS(outcome->died));
    }
}

/* Prints a finding, and how to see it again. */
static void print_finding(const struct sweep *sweep, const struct program *program,
                          const struct attempt *attempt, const struct attempt_outcome *outcome,
                          const char *detail, const char *shown)
{
    const struct sweep_report *report = sweep->context;
    const struct report *violation = &outcome->report;
    char what[ATTEMPT_TEXT_MAX];
    attempt_print(attempt, what);
    fprintf(stderr, "potad: %s\n", report->path);
    if (outcome->done) {
        fprintf(stderr, "potad: violated: %s: %s\n", violation->name, violation->sentence);
    }
    fprintf(stderr, "potad:   %s, %s\n", detail, attempt_stage_text(outcome->stage));
    fprintf(stderr, "potad:   -> op %" PRIu32 ": ", attempt->index);
    struct case_op op = attempt_op(program, attempt->index, &attempt->first);
    case_print_op(stderr, &op);
    fprintf(stderr, "\npotad:   again: potad-case sweep --subject %s --only %s %s\n",
            sweep->executor.harness.subject->name, what, report->path);
    if (shown[0] != '\0') {
        fprintf(stderr, "potad:   the case: potad-case run --subject %s %s\n",
                sweep->executor.harness.subject->name, shown);
    }
}

/* Takes note of a finding of the kind @key. Return: whether it is the first one. */
static bool note_kind(struct sweep_report *report, const char *key)
{
    json_int_t count = json_integer_value(json_object_get(report->shown, key));
    json_object_set_new(report->shown, key, json_integer(count + 1));
    return count == 0;
}

/* What is told of a finding. */
struct told {
    uint32_t op;
    const char *operation;
    const char *only;
    const char *violated;
    const char *detail;
    const char *stage;
    const char *shown; /* the case that shows it, or "" */
};

static void tell(struct sweep_report *report, const struct told *told)
{
    json_array_append_new(report->findings,
                          json_pack("{s:o,s:i,s:s,s:s,s:s,s:o,s:s,s:o}", "file",
                                    json_text(report->path), "op", (int)told->op, "operation",
                                    told->operation, "only", told->only, "violated", told->violated,
                                    "detail", json_text(told->detail), "stage", told->stage, "case",
                                    json_text(told->shown)));
}

void sweep_report_found(struct sweep *sweep, const struct program *program,
                        const struct attempt *attempt, const struct attempt_outcome *outcome)
{
    struct sweep_report *report = sweep->context;
    const char *violated = outcome->done ? outcome->report.name : "crash";
    const char *operation = op_name((enum op)program->ops[attempt->index].op);
    char detail[DETAIL_MAX];
    char kind[DETAIL_MAX];
    char what[ATTEMPT_TEXT_MAX];
    char shown[PATH_MAX_BYTES] = "";
    snprintf(detail, sizeof(detail), "%s", outcome->report.detail);
    if (!outcome->done) {
        print_death(detail, sizeof(detail), outcome);
    }
    const struct fault *last = attempt->then.nth != 0 ? &attempt->then : &attempt->first;
    snprintf(kind, sizeof(kind), "%s %s %s", violated, operation, fault_site_name(last->site));
    clear_live_line(report);
    if (note_kind(report, kind)) {
        bool one_fault = attempt->then.nth == 0; /* a second one cannot be said in a case */
        if (one_fault && !write_case(report, program, attempt, outcome, detail, shown)) {
            fprintf(stderr, "potad-case sweep: %s: %s: no case is saved\n", report->out,
                    strerror(errno));
            shown[0] = '\0';
        }
        print_finding(sweep, program, attempt, outcome, detail, shown);
    }
    attempt_print(attempt, what);
    const struct told told = {attempt->index, operation, what,
                              violated,       detail,    attempt_stage_text(outcome->stage),
                              shown};
    tell(report, &told);
}

void sweep_report_not_clean(struct sweep_report *report, const struct sweep *sweep,
                            const struct program *program)
{
    const struct executor *executor = &sweep->executor;
    clear_live_line(report);
    fprintf(stderr, "potad: %s: not swept, for it violates a check as it is\n", report->path);
    executor_print_violation(stderr, executor, program, 0);
    bool at_op = executor->op_index < program->ops_count;
    const char *operation = at_op ? op_name((enum op)program->ops[executor->op_index].op) : "";
    const struct told told = {executor->op_index,
                              operation,
                              "",
                              executor->harness.report.name,
                              executor->harness.report.detail,
                              "as it is",
                              report->path};
    tell(report, &told);
}

/* What the summary has, in its order. X(member, text) */
#define SUMMARY_TABLE(X)                                                                           \
    X(cases, "cases")                                                                              \
    X(not_run, "cases whose map has no room for metadata")                                         \
    X(operations, "operations")                                                                    \
    X(reaching, "operations that come to a fault site")                                            \
    X(attempts, "attempts")                                                                        \
    X(failed, "attempts in which a step failed")                                                   \
    X(second_faults, "of them, in which a second fault struck")                                    \
    X(refused, "of them, refused, and tried again")                                                \
    X(survived, "of them, survived another way")                                                   \
    X(rests, "of them, with the rest of the case")                                                 \
    X(left_out, "operations with more pairs than --pairs")                                         \
    X(cut_off, "operations with more steps than a case can name")                                  \
    X(found, "failures")

void sweep_report_end(struct sweep_report *report, const struct sweep *sweep)
{
    clear_live_line(report);
#define X(member, text) printf("%-48s %10" PRIu64 "\n", text, sweep->counts.member);
    SUMMARY_TABLE(X)
#undef X
    printf("%-48s %10.1f\n", "seconds", now_seconds() - report->begun);
    const char *kind;
    json_t *count;
    json_object_foreach(report->shown, kind, count)
    {
        printf("failures like %-34s %10lld\n", kind, (long long)json_integer_value(count));
    }
}

uint32_t sweep_report_matrix(struct sweep_report *report, const struct sweep *sweep)
{
    const struct subject *subject = sweep->executor.harness.subject;
    clear_live_line(report);
    printf(
        "\nattempts in which the operation failed/came to the step; recovered/failed/came where\n"
        "something was found\n");
    for (unsigned mode = 0; mode < MATRIX_MODES; mode++) {
        fault_matrix_print(stdout, &sweep->matrix, (enum matrix_mode)mode);
    }
    if (!fault_cells_known(subject)) {
        printf("\nWhat %s can come to is not known here: no cell is asked for.\n", subject->name);
        return 0;
    }
    fault_matrix_print_reasons(stdout, subject);
    fflush(stdout);
    return fault_matrix_check(stderr, &sweep->matrix, subject);
}

bool sweep_report_write(const struct sweep_report *report, const struct sweep *sweep,
                        const char *path)
{
    const struct subject *subject = sweep->executor.harness.subject;
    json_t *results =
        json_pack("{s:s,s:f}", "subject", subject->name, "seconds", now_seconds() - report->begun);
#define X(member, text)                                                                            \
    json_object_set_new(results, #member, json_integer((json_int_t)sweep->counts.member));
    SUMMARY_TABLE(X)
#undef X
    json_object_set(results, "findings", report->findings);
    json_object_set_new(results, "fault_matrix", fault_matrix_json(&sweep->matrix, subject));
    bool written = json_dump_file(results, path, JSON_INDENT(2)) == 0;
    json_decref(results);
    if (!written) {
        fprintf(stderr, "potad-case sweep: %s: cannot be written\n", path);
    }
    return written;
}
