/* SPDX-License-Identifier: MIT */
#include "fuzzers/show/record.h"

#include "fuzzers/executor.h"
#include "fuzzers/show/snapshot.h"
#include "fuzzers/time_limit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNTS_MAX = ZONES_MAX * FRAME_CLASSES * ORDERS, SAID_MAX = 1 << 16 };

/* What both processes see. */
struct shared {
    struct boot_map map;
    struct shown_finding finding;
    bool booted;
    bool counted;
    bool ended;
    int write_error; /* why the temporary file could not be written; 0: it could */
    uint32_t views;
};

struct recorder {
    const struct program *program;
    struct shared *shared;
    FILE *steps; /* a struct shown_step, its spans, its counts; and so on */
    struct span_list before;
    struct span_list now;
    struct span_list changes;
    uint32_t stride; /* operations a step, but for the last ones */
    uint32_t validate_period;
    uint32_t seconds; /* of processor time */
};

/* Ends the process: what is shown would not be what happened. */
static _Noreturn void write_failed(const struct recorder *recorder)
{
    recorder->shared->write_error = errno;
    _exit(2);
}

static void put(const struct recorder *recorder, const void *data, size_t bytes, size_t count)
{
    if (count > 0 && fwrite(data, bytes, count, recorder->steps) != count) {
        write_failed(recorder);
    }
}

static void flush(const struct recorder *recorder)
{
    if (fflush(recorder->steps) != 0) {
        write_failed(recorder);
    }
}

static void swap_lists(struct span_list *a, struct span_list *b)
{
    struct span_list kept = *a;
    *a = *b;
    *b = kept;
}

static bool gets_a_step(const struct recorder *recorder, const struct harness *harness,
                        uint32_t done)
{
    uint32_t ops = recorder->program->ops_count;
    return harness_violated(harness) || done % recorder->stride == 0 ||
           done + RECORD_LAST_STEPS > ops;
}

/* Notes one step. @context: a struct recorder. */
static void note_step(void *context, struct executor *executor, uint32_t done)
{
    static struct shown_count counts[COUNTS_MAX];
    struct recorder *recorder = context;
    struct harness *harness = &executor->harness;
    struct shown_step step = {.done = done};
    if (!gets_a_step(recorder, harness, done)) {
        return;
    }
    recorder->shared->map = harness->model.map;
    recorder->shared->booted = true;
    snapshot_spans(harness, &recorder->now);
    span_list_compare(&recorder->before, &recorder->now, &recorder->changes);
    snapshot_numbers(harness, step.numbers);
    for (uint32_t i = 0; i < recorder->now.count; i++) {
        step.looks[recorder->now.spans[i].look]++;
    }
    step.spans_count = recorder->changes.count;
    step.counts_count = snapshot_counts(harness, counts, COUNTS_MAX);
    put(recorder, &step, sizeof(step), 1);
    put(recorder, recorder->changes.spans, sizeof(*recorder->changes.spans), step.spans_count);
    put(recorder, counts, sizeof(*counts), step.counts_count);
    flush(recorder);
    swap_lists(&recorder->before, &recorder->now);
}

static void note_finding(struct shared *shared, const struct executor *executor)
{
    const struct report *report = &executor->harness.report;
    struct shown_finding *finding = &shared->finding;
    snprintf(finding->name, sizeof(finding->name), "%s", report->name);
    snprintf(finding->sentence, sizeof(finding->sentence), "%s", report->sentence);
    snprintf(finding->detail, sizeof(finding->detail), "%s", report->detail);
    finding->op = executor->op_index;
}

/* What the process of its own does. */
static void run(const struct subject *subject, struct recorder *recorder)
{
    struct executor executor;
    executor_init(&executor, subject, CASE_SLOTS_MAX);
    executor.watch = note_step;
    executor.watch_context = recorder;
    executor.validate_period = recorder->validate_period;
    recorder->shared->counted = (subject->capabilities & SUBJECT_COUNTERS) != 0;
    bool good = executor_run(&executor, recorder->program);
    if (!good) {
        note_finding(recorder->shared, &executor);
    }
    recorder->shared->ended = true;
    if (!good && executor.harness.opened) {
        struct span_list views = {0};
        snapshot_views(&executor.harness, &views);
        put(recorder, views.spans, sizeof(*views.spans), views.count);
        flush(recorder);
        recorder->shared->views = views.count;
        span_list_free(&views);
    }
    executor_close(&executor);
}

/* Makes *@array longer by @count elements read from @file. Return: whether they were all there. */
static bool get(FILE *file, void **array, uint32_t *used, uint32_t count, size_t bytes)
{
    if (count == 0) {
        return true;
    }
    char *grown = realloc(*array, ((size_t)*used + count) * bytes);
    if (grown == NULL) {
        fprintf(stderr, "potad-case show: no memory\n");
        abort();
    }
    *array = grown;
    bool whole = fread(grown + *used * bytes, bytes, count, file) == count;
    *used += whole ? count : 0;
    return whole;
}

/* Reads what was noted up to the last whole step. */
static void read_steps(FILE *file, const struct shared *shared, struct timeline *timeline)
{
    struct shown_step step;
    size_t views_bytes = shared->views * sizeof(*timeline->views);
    fseek(file, 0, SEEK_END);
    long end = ftell(file) - (long)views_bytes;
    rewind(file);
    while (ftell(file) < end && fread(&step, sizeof(step), 1, file) == 1) {
        step.spans_first = timeline->spans_count;
        step.counts_first = timeline->counts_count;
        if (!get(file, (void **)&timeline->spans, &timeline->spans_count, step.spans_count,
                 sizeof(*timeline->spans)) ||
            !get(file, (void **)&timeline->counts, &timeline->counts_count, step.counts_count,
                 sizeof(*timeline->counts))) {
            return;
        }
        timeline->steps =
            realloc(timeline->steps, (timeline->steps_count + 1) * sizeof(*timeline->steps));
        if (timeline->steps == NULL) {
            abort();
        }
        timeline->steps[timeline->steps_count++] = step;
    }
    if (!get(file, (void **)&timeline->views, &timeline->views_count, shared->views,
             sizeof(*timeline->views))) {
        timeline->views_count = 0;
    }
}

/* The operation that was found wrong has a step of its own, be it that its process crashed before
 * it could tell: then memory is shown as it was before. */
static void add_last_step(struct timeline *timeline)
{
    const struct shown_finding *finding = &timeline->finding;
    uint32_t count = timeline->steps_count;
    if (finding->name[0] == '\0' || count == 0 || timeline->steps[count - 1].done > finding->op) {
        return;
    }
    timeline->steps = realloc(timeline->steps, (count + 1) * sizeof(*timeline->steps));
    if (timeline->steps == NULL) {
        abort();
    }
    timeline->steps[count] = timeline->steps[count - 1];
    timeline->steps[count].done = finding->op + 1;
    timeline->steps[count].spans_count = 0;
    timeline->steps_count++;
}

/* Copies what the process said to stderr. Return: its text. */
static char *said_copy(FILE *file)
{
    char *text = calloc(1, SAID_MAX);
    if (text == NULL) {
        abort();
    }
    rewind(file);
    size_t size = fread(text, 1, SAID_MAX - 1, file);
    fwrite(text, 1, size, stderr);
    text[strcspn(text, "\x1b")] = '\0';
    return text;
}

static void copy_line(char *to, size_t bytes, const char *line)
{
    int length = (int)strcspn(line, "\n");
    snprintf(to, bytes, "%.*s", length < (int)bytes ? length : (int)bytes - 1, line);
}

/* Makes a finding of how the process ended, and of its last words: those of a check that cannot
 * return, or what comes first. */
static void crash_describe(struct timeline *timeline, const char *said, int status)
{
    static const char mark[] = "potad: violated: ";
    struct shown_finding *finding = &timeline->finding;
    const char *line = strstr(said, mark);
    uint32_t done = timeline->steps_count > 0 ? timeline->steps[timeline->steps_count - 1].done : 0;
    finding->op = done < timeline->ops ? done : timeline->ops;
    snprintf(finding->name, sizeof(finding->name), "crash");
    if (WIFSIGNALED(status) && WTERMSIG(status) == TIME_LIMIT_SIGNAL) {
        snprintf(finding->name, sizeof(finding->name), "timeout");
        snprintf(finding->sentence, sizeof(finding->sentence),
                 "it came to no end in the processor time that it was given");
    } else if (WIFSIGNALED(status)) {
        snprintf(finding->sentence, sizeof(finding->sentence), "the process was killed: %s",
                 strsignal(WTERMSIG(status)));
    } else {
        snprintf(finding->sentence, sizeof(finding->sentence), "the process ended with status %d",
                 WEXITSTATUS(status));
    }
    if (line == NULL) {
        copy_line(finding->detail, sizeof(finding->detail), said);
        return;
    }
    line += strlen(mark);
    size_t name = strcspn(line, ":\n");
    snprintf(finding->name, sizeof(finding->name), "%.*s", (int)(name < 40 ? name : 40), line);
    if (line[name] == ':') {
        copy_line(finding->detail, sizeof(finding->detail), line + name + 2);
    }
}

/* Starts the process, waits for it, and reads what it left. */
static bool record_in_process(const struct subject *subject, struct recorder *recorder, FILE *said,
                              struct timeline *timeline)
{
    int status;
    fflush(stdout);
    fflush(stderr);
    pid_t process = fork();
    if (process == 0) {
        dup2(fileno(said), STDERR_FILENO);
        signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error like others */
        time_limit_set(recorder->seconds);
        run(subject, recorder);
        fflush(stderr);
        _exit(0);
    }
    if (process < 0 || waitpid(process, &status, 0) != process) {
        fprintf(stderr, "potad-case show: no process: %s\n", strerror(errno));
        return false;
    }
    if (recorder->shared->write_error != 0) {
        fprintf(stderr, "potad-case show: temporary file: %s\n",
                strerror(recorder->shared->write_error));
        return false;
    }
    char *text = said_copy(said);
    timeline->map = recorder->shared->map;
    timeline->booted = recorder->shared->booted;
    timeline->counted = recorder->shared->counted;
    timeline->ops = recorder->program->ops_count;
    timeline->finding = recorder->shared->finding;
    read_steps(recorder->steps, recorder->shared, timeline);
    if (!recorder->shared->ended) {
        crash_describe(timeline, text, status);
    }
    add_last_step(timeline);
    free(text);
    return true;
}

bool record_case(const struct subject *subject, const struct program *program,
                 uint32_t validate_period, uint32_t seconds, struct timeline *timeline)
{
    struct recorder recorder = {.program = program,
                                .validate_period = validate_period,
                                .seconds = seconds,
                                .stride = program->ops_count / RECORD_STEPS_MAX + 1};
    FILE *said = tmpfile();
    *timeline = (struct timeline){0};
    recorder.steps = tmpfile();
    recorder.shared = mmap(NULL, sizeof(*recorder.shared), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool good = said != NULL && recorder.steps != NULL && recorder.shared != MAP_FAILED;
    if (!good) {
        fprintf(stderr, "potad-case show: no temporary file: %s\n", strerror(errno));
    } else {
        good = record_in_process(subject, &recorder, said, timeline);
    }
    if (recorder.shared != MAP_FAILED) {
        munmap(recorder.shared, sizeof(*recorder.shared));
    }
    if (recorder.steps != NULL) {
        fclose(recorder.steps);
    }
    if (said != NULL) {
        fclose(said);
    }
    return good;
}
