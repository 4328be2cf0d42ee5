/* SPDX-License-Identifier: MIT */
#include "stress/test/axioms.h"

#include "core/sync_explored.h"

#include <string.h>

/* The word of the lock comes behind the others. */
enum { EVENTS_MAX = LITMUS_THREADS * LITMUS_STEPS, WORD_LOCK = LITMUS_WORDS, WORDS };

_Static_assert((int)EVENTS_MAX <= 32, "a set of events is a word of 32 bits");

/* Stores to a word are counted; number 0 is what it was before. */
enum { NO_STORE = -1 };

struct event {
    unsigned order; /* enum sync_order */
    unsigned word;  /* or WORDS: it reads and writes none */
    int reads;      /* number of the store that it reads, or NO_STORE */
    int writes;     /* number of the store that it makes, or NO_STORE */
    uint32_t past;  /* the events that happen before it */
};

struct state {
    const struct litmus_program *program;
    const char *observes;
    struct litmus_outcomes *outcomes;
    struct event events[EVENTS_MAX]; /* in the order of the execution */
    unsigned count;
    unsigned next[LITMUS_THREADS]; /* step of each thread */
    int last[LITMUS_THREADS];      /* event of each thread, or -1 */
    int barrier;                   /* the last one for all threads, or -1 */
    uint64_t registers[LITMUS_REGISTERS];
    uint64_t values[WORDS][EVENTS_MAX + 1]; /* of all stores */
    int makers[WORDS][EVENTS_MAX + 1];      /* the event of each store, or -1 */
    int newest[WORDS];
    bool locked;
};

static void execute(const struct state *before);

static bool acquires(const struct event *event)
{
    return event->reads != NO_STORE &&
           (event->order == SYNC_ACQUIRE || event->order == SYNC_ACQ_REL ||
            event->order == SYNC_ORDERED);
}

static bool releases(const struct event *event)
{
    return event->writes != NO_STORE &&
           (event->order == SYNC_RELEASE || event->order == SYNC_ACQ_REL ||
            event->order == SYNC_ORDERED);
}

/* Event @number and all that happens before it; none for -1. */
static uint32_t past_of(const struct state *state, int number)
{
    return number < 0 ? 0 : state->events[number].past | (uint32_t)1 << number;
}

/* What synchronises with a load of store @number of @word: who made it, and, back through updates,
 * who made those that they read. */
static uint32_t past_released(const struct state *state, unsigned word, int number)
{
    uint32_t past = 0;
    while (number != NO_STORE && state->makers[word][number] >= 0) {
        int maker = state->makers[word][number];
        const struct event *event = &state->events[maker];
        past |= releases(event) ? past_of(state, maker) : 0;
        number = event->reads;
    }
    return past;
}

/* Whether @first is before @second in the order of stores to their word: it writes, or reads, what
 * the other overwrites, or reads what comes later. */
static bool is_before(const struct event *first, const struct event *second)
{
    int reads = second->reads;
    int writes = second->writes;
    if (first->word != second->word || first->word == WORDS) {
        return false;
    }
    return (first->writes != NO_STORE && (writes > first->writes || reads >= first->writes)) ||
           (first->reads != NO_STORE && (writes > first->reads || reads > first->reads));
}

/* Whether the last event may be: by what happened before it, it must not be before that in the
 * order of stores; nor, if it is ordered, before any ordered event. */
static bool last_is_permitted(const struct state *state)
{
    const struct event *last = &state->events[state->count - 1];
    for (unsigned i = 0; i + 1 < state->count; i++) {
        const struct event *event = &state->events[i];
        bool ordered = event->order == SYNC_ORDERED && last->order == SYNC_ORDERED;
        if (((last->past >> i & 1) != 0 || ordered) && is_before(last, event)) {
            return false;
        }
    }
    return true;
}

/* Adds the event of @thread's next step, which reads store @reads and makes one of @value where
 * @writes. Return: whether it is permitted. */
static bool event_add(struct state *state, unsigned thread, struct event event, bool writes,
                      uint64_t value)
{
    int number = (int)state->count++;
    event.writes = NO_STORE;
    event.past = past_of(state, state->last[thread]) | past_of(state, state->barrier);
    if (writes) {
        event.writes = ++state->newest[event.word];
        state->values[event.word][event.writes] = value;
        state->makers[event.word][event.writes] = number;
    }
    if (acquires(&event)) {
        event.past |= past_released(state, event.word, event.reads);
    }
    state->events[number] = event;
    state->last[thread] = number;
    state->next[thread]++;
    return last_is_permitted(state);
}

/* Goes on with @thread's next step, an access that reads store @reads. */
static void execute_access(const struct state *before, unsigned thread, int reads)
{
    struct state state = *before;
    const struct litmus_step *step = &state.program->steps[thread][state.next[thread]];
    struct event event = {.order = step->order, .word = step->word, .reads = reads};
    uint64_t seen = reads == NO_STORE ? 0 : state.values[step->word][reads];
    bool writes = step->kind != LITMUS_LOAD;
    if (step->kind == LITMUS_CHANGE && seen != step->from) {
        /* Of a failed update, the order is relaxed. */
        writes = false;
        event.order = SYNC_RELAXED;
    }
    if (step->target < LITMUS_REGISTERS) {
        state.registers[step->target] = seen;
    }
    uint64_t value = step->kind == LITMUS_ADD ? seen + step->value : step->value;
    if (event_add(&state, thread, event, writes, value)) {
        execute(&state);
    }
}

/* Goes on with @thread's next step, which takes or releases the lock. */
static void execute_lock(const struct state *before, unsigned thread, bool takes)
{
    struct state state = *before;
    struct event event = {.order = takes ? SYNC_ACQUIRE : SYNC_RELEASE,
                          .word = WORD_LOCK,
                          .reads = takes ? state.newest[WORD_LOCK] : NO_STORE};
    state.locked = takes;
    if (event_add(&state, thread, event, true, takes)) {
        execute(&state);
    }
}

/* Goes on with a barrier, or with the end of another thread: what happens before this step, too. */
static void execute_past(const struct state *before, unsigned thread, bool barrier)
{
    struct state state = *before;
    const struct litmus_step *step = &state.program->steps[thread][state.next[thread]];
    struct event event = {.order = SYNC_RELAXED, .word = WORDS, .reads = NO_STORE};
    (void)event_add(&state, thread, event, false, 0);
    struct event *added = &state.events[state.count - 1];
    if (barrier) {
        added->past = ((uint32_t)1 << (state.count - 1)) - 1;
        state.barrier = (int)state.count - 1;
    } else {
        added->past |= past_of(&state, state.last[step->value]);
    }
    execute(&state);
}

static void execute_step(const struct state *state, unsigned thread)
{
    const struct litmus_step *step = &state->program->steps[thread][state->next[thread]];
    unsigned waited = step->value;
    switch (step->kind) {
    case LITMUS_STORE:
        execute_access(state, thread, NO_STORE);
        break;
    case LITMUS_LOAD:
        for (int reads = 0; reads <= state->newest[step->word]; reads++) {
            execute_access(state, thread, reads);
        }
        break;
    case LITMUS_ADD:
    case LITMUS_CHANGE: /* reads what it overwrites, and if it fails, what it would have */
        execute_access(state, thread, state->newest[step->word]);
        break;
    case LITMUS_LOCK:
    case LITMUS_UNLOCK:
        if (step->kind == LITMUS_UNLOCK || !state->locked) {
            execute_lock(state, thread, step->kind == LITMUS_LOCK);
        }
        break;
    case LITMUS_AFTER:
        if (state->next[waited] == state->program->counts[waited]) {
            execute_past(state, thread, false);
        }
        break;
    default:
        execute_past(state, thread, true);
        break;
    }
}

static void note_outcome(const struct state *state)
{
    uint64_t outcome = 0;
    for (const char *name = state->observes; *name != '\0'; name++) {
        unsigned word = (unsigned)(*name - 'x');
        uint64_t value =
            *name < 'x' ? state->registers[*name - 'a'] : state->values[word][state->newest[word]];
        outcome = 10 * outcome + value % LITMUS_VALUES;
    }
    state->outcomes->shown[outcome % LITMUS_OUTCOMES] = true;
    state->outcomes->executions++;
}

/* All that may follow @before. */
static void execute(const struct state *before)
{
    bool ended = true;
    for (unsigned thread = 0; thread < before->program->threads; thread++) {
        if (before->next[thread] < before->program->counts[thread]) {
            ended = false;
            execute_step(before, thread);
        }
    }
    if (ended) {
        note_outcome(before);
    }
}

void axioms_run(const struct litmus_program *program, const char *observes,
                struct litmus_outcomes *outcomes)
{
    struct state state = {
        .program = program, .observes = observes, .outcomes = outcomes, .barrier = -1};
    memset(outcomes, 0, sizeof(*outcomes));
    for (unsigned thread = 0; thread < LITMUS_THREADS; thread++) {
        state.last[thread] = -1;
    }
    for (unsigned word = 0; word < WORDS; word++) {
        state.makers[word][0] = -1;
    }
    execute(&state);
}
