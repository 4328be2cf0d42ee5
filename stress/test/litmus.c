/* SPDX-License-Identifier: MIT */
#include "stress/test/litmus.h"

#include "core/sync_explored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DECISIONS_MAX = 64 };

/* What was decided in this execution, and what is next to be tried: depth first, all again. */
struct decisions {
    uint32_t made[DECISIONS_MAX];
    uint32_t counts[DECISIONS_MAX];
    uint32_t count; /* that were made */
    uint32_t known; /* so many are as they were the last time, but for the last of them */
};

/* One execution. */
struct run {
    const struct litmus_program *program;
    struct weak *weak;
    struct decisions *decisions;
    uint64_t words[LITMUS_WORDS];
    uint64_t registers[LITMUS_REGISTERS];
    unsigned next[LITMUS_THREADS];  /* step of each thread */
    uint32_t waits[LITMUS_THREADS]; /* how many stores there were when it last waited in vain */
    uint32_t stores;                /* and one */
    uint32_t steps;
    bool locked;
    bool stuck; /* too many decisions */
};

/* A weak_pick: which of @count is next to be tried. */
static uint32_t decide(void *context, uint32_t count)
{
    struct run *run = context;
    struct decisions *decisions = run->decisions;
    if (decisions->count == DECISIONS_MAX) {
        run->stuck = true;
        return 0;
    }
    uint32_t depth = decisions->count++;
    if (depth >= decisions->known) {
        decisions->made[depth] = 0;
    }
    decisions->counts[depth] = count;
    return decisions->made[depth];
}

/* Return: whether there is an execution that has not been. */
static bool decisions_next(struct decisions *decisions)
{
    while (decisions->count > 0) {
        uint32_t last = decisions->count - 1;
        if (decisions->made[last] + 1 < decisions->counts[last]) {
            decisions->made[last]++;
            decisions->known = decisions->count;
            decisions->count = 0;
            return true;
        }
        decisions->count--;
    }
    return false;
}

static bool thread_has_ended(const struct run *run, unsigned thread)
{
    return run->next[thread] == run->program->counts[thread];
}

/* Who waited in vain waits for a store, or for those that have been made to be seen. */
static bool thread_is_ready(const struct run *run, unsigned thread)
{
    if (thread_has_ended(run, thread)) {
        return false;
    }
    const struct litmus_step *step = &run->program->steps[thread][run->next[thread]];
    switch (step->kind) {
    case LITMUS_LOCK:
        return !run->locked;
    case LITMUS_WAIT:
        return run->waits[thread] != run->stores || run->words[step->word] != 0;
    case LITMUS_AFTER:
        return thread_has_ended(run, step->value);
    default:
        return true;
    }
}

static void step_store(struct run *run, unsigned thread, const struct litmus_step *step)
{
    uint64_t *word = &run->words[step->word];
    weak_store(run->weak, thread, word, step->order, *word, step->value);
    *word = step->value;
    run->stores++;
}

static uint64_t step_load(struct run *run, unsigned thread, const struct litmus_step *step)
{
    const uint64_t *word = &run->words[step->word];
    return weak_load(run->weak, thread, word, step->order, *word);
}

/* Return: the value before. */
static uint64_t step_update(struct run *run, unsigned thread, const struct litmus_step *step)
{
    uint64_t *word = &run->words[step->word];
    uint64_t before = *word;
    if (step->kind == LITMUS_CHANGE && before != step->from) {
        weak_update_failed(run->weak, thread, word, SYNC_RELAXED, before);
        return before;
    }
    *word = step->kind == LITMUS_ADD ? before + step->value : step->value;
    weak_update(run->weak, thread, word, step->order, before, *word);
    run->stores++;
    return before;
}

/* Return: whether @thread goes on behind @step. */
static bool step_wait(struct run *run, unsigned thread, const struct litmus_step *step)
{
    if (step_load(run, thread, step) != 0) {
        return true;
    }
    weak_fresh(run->weak, thread);
    run->waits[thread] = run->stores;
    return false;
}

static void step_run(struct run *run, unsigned thread)
{
    static const int lock;
    const struct litmus_step *step = &run->program->steps[thread][run->next[thread]];
    uint64_t answer = 0;
    run->steps++;
    switch (step->kind) {
    case LITMUS_STORE:
        step_store(run, thread, step);
        break;
    case LITMUS_LOAD:
        answer = step_load(run, thread, step);
        break;
    case LITMUS_ADD:
    case LITMUS_CHANGE:
        answer = step_update(run, thread, step);
        break;
    case LITMUS_LOCK:
        weak_lock(run->weak, thread, &lock);
        run->locked = true;
        break;
    case LITMUS_UNLOCK:
        weak_unlock(run->weak, thread, &lock);
        run->locked = false;
        break;
    case LITMUS_BARRIER:
        weak_barrier_all(run->weak);
        break;
    case LITMUS_WAIT:
        if (!step_wait(run, thread, step)) {
            return;
        }
        break;
    case LITMUS_AFTER:
        weak_handover(run->weak, step->value, thread);
        break;
    }
    if (step->target < LITMUS_REGISTERS) {
        run->registers[step->target] = answer;
    }
    run->next[thread]++;
}

/* Runs until no thread is ready. Return: whether all have ended. */
static bool run_execute(struct run *run)
{
    for (;;) {
        unsigned ready[LITMUS_THREADS];
        uint32_t count = 0;
        bool ended = true;
        for (unsigned thread = 0; thread < run->program->threads; thread++) {
            ended &= thread_has_ended(run, thread);
            if (thread_is_ready(run, thread)) {
                ready[count++] = thread;
            }
        }
        if (count == 0 || run->stuck) {
            return ended && !run->stuck;
        }
        step_run(run, ready[count > 1 ? decide(run, count) : 0]);
    }
}

/* The number whose digits are what @observes names. */
static unsigned run_outcome(const struct run *run, const char *observes)
{
    uint64_t outcome = 0;
    for (; *observes != '\0'; observes++) {
        uint64_t value =
            *observes < 'x' ? run->registers[*observes - 'a'] : run->words[*observes - 'x'];
        outcome = 10 * outcome + value % LITMUS_VALUES;
    }
    return (unsigned)(outcome % LITMUS_OUTCOMES);
}

bool litmus_run(const struct litmus_program *program, const char *observes, struct weak *weak,
                struct litmus_outcomes *outcomes)
{
    struct decisions decisions = {.count = 0};
    memset(outcomes, 0, sizeof(*outcomes));
    do {
        struct run run = {.program = program, .weak = weak, .decisions = &decisions, .stores = 1};
        weak_reset(weak, decide, &run);
        if (!run_execute(&run)) {
            return false;
        }
        outcomes->shown[run_outcome(&run, observes)] = true;
        outcomes->executions++;
        outcomes->steps_max = run.steps > outcomes->steps_max ? run.steps : outcomes->steps_max;
    } while (decisions_next(&decisions));
    return true;
}

/* The order in brackets at the end of @text, which is cut off. Return: whether there is a known
 * one, or none. */
static bool order_parse(char *text, unsigned *order)
{
    static const char *const names[SYNC_ORDERS] = {"(rlx)", "(acq)", "(rel)", "(acq_rel)", "(ord)"};
    char *bracket = strchr(text, '(');
    *order = SYNC_RELAXED;
    if (bracket == NULL) {
        return true;
    }
    for (unsigned i = 0; i < SYNC_ORDERS; i++) {
        if (strcmp(bracket, names[i]) == 0) {
            *order = i;
            *bracket = '\0';
            return true;
        }
    }
    return false;
}

static bool word_parse(char name, unsigned *word)
{
    *word = (unsigned)(name - 'x');
    return name >= 'x' && name < 'x' + LITMUS_WORDS;
}

static bool digit_parse(char digit, unsigned *value)
{
    *value = (unsigned)(digit - '0');
    return digit >= '0' && digit <= '9';
}

/* A step without an equals sign. */
static bool plain_parse(struct litmus_step *step, const char *text)
{
    static const struct {
        const char *name;
        enum litmus_kind kind;
    } names[] = {{"lock", LITMUS_LOCK}, {"unlock", LITMUS_UNLOCK}, {"barrier", LITMUS_BARRIER}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i].name) == 0) {
            step->kind = names[i].kind;
            return true;
        }
    }
    size_t length = strlen(text);
    if (strncmp(text, "wait ", 5) == 0 && length == 6) {
        step->kind = LITMUS_WAIT;
        return word_parse(text[5], &step->word);
    }
    step->kind = LITMUS_AFTER;
    return strncmp(text, "after ", 6) == 0 && length == 7 && digit_parse(text[6], &step->value) &&
           step->value < LITMUS_THREADS;
}

/* x, x+1 or x?1:2: what is read. */
static bool read_parse(struct litmus_step *step, const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || !word_parse(text[0], &step->word)) {
        return false;
    }
    step->kind = length == 1 ? LITMUS_LOAD : length == 3 ? LITMUS_ADD : LITMUS_CHANGE;
    return length == 1 || (length == 3 && text[1] == '+' && digit_parse(text[2], &step->value)) ||
           (length == 5 && text[1] == '?' && text[3] == ':' && digit_parse(text[2], &step->from) &&
            digit_parse(text[4], &step->value));
}

static bool step_parse(struct litmus_step *step, char *text)
{
    *step = (struct litmus_step){.target = LITMUS_REGISTERS};
    text += strspn(text, " ");
    text[strcspn(text, "\n")] = '\0';
    for (size_t end = strlen(text); end > 0 && text[end - 1] == ' '; end--) {
        text[end - 1] = '\0';
    }
    if (!order_parse(text, &step->order)) {
        return false;
    }
    if (text[0] >= 'x' && text[0] <= 'z' && text[1] == '=') {
        step->kind = LITMUS_STORE;
        return word_parse(text[0], &step->word) && digit_parse(text[2], &step->value) &&
               text[3] == '\0';
    }
    if (text[0] >= 'a' && text[0] < 'a' + LITMUS_REGISTERS && text[1] == '=') {
        step->target = (unsigned)(text[0] - 'a');
        return read_parse(step, text + 2);
    }
    return plain_parse(step, text) || read_parse(step, text);
}

bool litmus_parse(struct litmus_program *program, const char *text)
{
    char copy[256];
    char *rest = copy;
    *program = (struct litmus_program){.threads = 0};
    if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy)) {
        return false;
    }
    for (char *thread; (thread = strsep(&rest, "/")) != NULL; program->threads++) {
        if (program->threads == LITMUS_THREADS) {
            return false;
        }
        unsigned *count = &program->counts[program->threads];
        for (char *step; (step = strsep(&thread, ";")) != NULL; ++*count) {
            if (*count == LITMUS_STEPS ||
                !step_parse(&program->steps[program->threads][*count], step)) {
                return false;
            }
        }
    }
    return true;
}
