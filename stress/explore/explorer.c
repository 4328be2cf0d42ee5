/* SPDX-License-Identifier: MIT
 *
 * explorer.c: compiled without instrumentation, as fiber.c: what the scheduler itself touches
 * orders no threads, and is no race of theirs.
 *
 * A thread that comes to a step says what it will do, and has the strategy choose who goes on: if
 * another one, it switches to its fiber directly, and does its step when somebody chooses it.
 */
#include "stress/explore/explorer.h"

#include "stress/explore/fiber.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAKES_MAX = 2000,      /* of waiting threads, when all wait: more is no progress */
    WEAK_LOCATIONS = 4096, /* words and locks of an execution; of more, loads see the newest */
    OLDER_MAX = 128,       /* older values that a thread sees: so all loops end */
    PATH_NAME = 32         /* of a file, in messages */
};

struct held {
    const spinlock_t *lock;
    const struct sync_place *place;
};

struct explored_thread {
    struct fiber fiber;
    struct explorer *explorer;
    unsigned index;
    bool started; /* it has come to its first step */
    bool finished;
    bool waits;           /* in a loop, for a store */
    bool yielded;         /* waited, and has not done a step since */
    bool outdated;        /* has seen an older value since it last waited */
    uint32_t older;       /* how many it has seen */
    uint64_t stores_seen; /* by others, when it began to wait */
    uint64_t stores;      /* its own */
    const spinlock_t *wants;
    const struct sync_place *wants_at;
    struct schedule_point at;
    uint32_t held_count;
    struct held held[EXPLORE_HELD_MAX];
    struct lock_held lock_held;
};

struct explorer *explorer_active;
bool explorer_is_open;

/* The fiber of who calls explorer_run(). */
static struct fiber main_fiber;
static bool main_adopted;

/* What ThreadSanitizer has the beginning and the end of executions order by. */
static char begin_point;
static char end_point;

/* What weak memory has time order by. */
static const char time_point;

static struct explored_thread *current_of(struct explorer *explorer)
{
    return &explorer->thread[explorer->current];
}

static void thread_main(void *context);

bool explorer_open(struct explorer *explorer, struct schedule *schedule)
{
    *explorer = (struct explorer){
        .schedule = schedule,
        .thread = calloc(EXPLORE_THREADS, sizeof(*explorer->thread)),
    };
    if (!main_adopted && !fiber_adopt(&main_fiber)) {
        return false;
    }
    main_adopted = true;
    explorer_is_open = true;
    if (explorer->thread == NULL) {
        return false;
    }
    for (unsigned i = 0; i < EXPLORE_THREADS; i++) {
        struct explored_thread *thread = &explorer->thread[i];
        thread->explorer = explorer;
        thread->index = i;
        if (!fiber_open(&thread->fiber, thread_main, thread)) {
            abort(); /* 1 MiB of address space */
        }
    }
    return true;
}

void explorer_close(struct explorer *explorer)
{
    for (unsigned i = 0; i < EXPLORE_THREADS; i++) {
        fiber_close(&explorer->thread[i].fiber);
    }
    free(explorer->thread);
    weak_close(&explorer->weak);
}

bool explorer_set_weak(struct explorer *explorer, bool weak)
{
    explorer->is_weak = weak;
    return !weak || explorer->weak.locations != NULL || weak_open(&explorer->weak, WEAK_LOCATIONS);
}

static bool found_any(const struct explorer *explorer)
{
    return explorer->finding.name[0] != '\0';
}

/* Ends the execution from within a fiber, for good or, where it is not finished, by leaving it. */
static void leave(struct explorer *explorer)
{
    struct explored_thread *self = current_of(explorer);
    fiber_release(&end_point);
    fiber_switch(&self->fiber, &main_fiber);
}

void explorer_note(struct explorer *explorer, const char *name, const char *text)
{
    if (!found_any(explorer)) {
        snprintf(explorer->finding.name, EXPLORE_NAME_MAX, "%s", name);
        snprintf(explorer->finding.text, EXPLORE_TEXT_MAX, "%s", text);
    }
}

_Noreturn void explorer_report(struct explorer *explorer, const char *name, const char *format, ...)
{
    char text[EXPLORE_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    explorer_note(explorer, name, text);
    leave(explorer);
    abort(); /* nobody comes back to it */
}

static bool is_enabled(const struct explorer *explorer, const struct explored_thread *thread)
{
    if (thread->finished) {
        return false;
    }
    if (thread->wants != NULL) {
        return !spinlock_is_held(thread->wants);
    }
    return !thread->waits || explorer->stores - thread->stores != thread->stores_seen;
}

static uint32_t enabled_mask(const struct explorer *explorer)
{
    uint32_t enabled = 0;
    for (unsigned i = 0; i < explorer->threads; i++) {
        enabled |= is_enabled(explorer, &explorer->thread[i]) ? 1U << i : 0;
    }
    return enabled;
}

/* Who holds @lock, and since where. Return: NO_THREAD where nobody here does. */
static unsigned holder_of(const struct explorer *explorer, const spinlock_t *lock,
                          const struct sync_place **place)
{
    for (unsigned i = 0; i < explorer->threads; i++) {
        const struct explored_thread *thread = &explorer->thread[i];
        for (uint32_t j = 0; j < thread->held_count; j++) {
            if (thread->held[j].lock == lock) {
                *place = thread->held[j].place;
                return i;
            }
        }
    }
    return NO_THREAD;
}

/* Who waits for what, in words. */
static void describe_stuck(const struct explorer *explorer, char *text)
{
    size_t length = 0;
    for (unsigned i = 0; i < explorer->threads && length < EXPLORE_TEXT_MAX; i++) {
        const struct explored_thread *thread = &explorer->thread[i];
        const struct sync_place *since = NULL;
        if (thread->finished) {
            continue;
        }
        unsigned holder =
            thread->wants == NULL ? NO_THREAD : holder_of(explorer, thread->wants, &since);
        int more;
        if (holder != NO_THREAD) {
            more = snprintf(text + length, EXPLORE_TEXT_MAX - length,
                            "%sthread %u wants %s in %s(), which thread %u took as %s in %s()",
                            length == 0 ? "" : "; ", i + 1, thread->wants_at->what,
                            thread->wants_at->function, holder + 1, since->what, since->function);
        } else {
            more = snprintf(text + length, EXPLORE_TEXT_MAX - length,
                            "%sthread %u, in operation %" PRIu32 ", waits for %s",
                            length == 0 ? "" : "; ", i + 1, thread->at.op,
                            thread->wants != NULL ? "a lock that was never released"
                                                  : "a store that nobody makes");
        }
        length += more > 0 ? (size_t)more : 0;
    }
}

/* All that have not ended wait. Return: one that may look again, as loops may count their looks; or
 * NO_THREAD: it is hopeless, and reported. */
static unsigned wake_one(struct explorer *explorer)
{
    bool loops = false;
    for (unsigned i = 1; i <= explorer->threads; i++) {
        unsigned index = (explorer->current + i) % explorer->threads;
        const struct explored_thread *thread = &explorer->thread[index];
        if (!thread->finished && thread->wants == NULL && thread->waits) {
            loops = true;
            if (explorer->wakes++ < WAKES_MAX) {
                return index;
            }
        }
    }
    char text[EXPLORE_TEXT_MAX] = "";
    describe_stuck(explorer, text);
    explorer_note(explorer, loops ? "livelock" : "deadlock", text);
    return NO_THREAD;
}

static unsigned choose(struct explorer *explorer, uint32_t enabled)
{
    struct decision decision = {
        .threads = explorer->threads,
        .enabled = enabled,
        .current = explorer->current,
        .yielded = explorer->current != NO_THREAD && current_of(explorer)->yielded,
        .number = explorer->decisions++,
        .pending = explorer->pending,
    };
    return explorer->strategy->choose(explorer->strategy, &decision);
}

/* Return: who goes on, or NO_THREAD: the execution is over. */
static unsigned next_thread(struct explorer *explorer)
{
    if (explorer->unfinished == 0 || found_any(explorer)) {
        return NO_THREAD;
    }
    uint32_t enabled = enabled_mask(explorer);
    if (enabled == 0) {
        return wake_one(explorer);
    }
    if ((enabled & (enabled - 1)) == 0) {
        return (unsigned)__builtin_ctz(enabled);
    }
    return choose(explorer, enabled);
}

/* A run is noted when it begins, so that one that never ends, in a crash, is known, too. */
static void run_begins(struct explorer *explorer, unsigned next)
{
    explorer->current = next;
    schedule_add_run(explorer->schedule,
                     (struct schedule_run){.thread = (uint8_t)next, .until = SCHEDULE_END});
}

/* A thread that has not come to its first step, or NO_THREAD. All come there before any does it: so
 * it is known what each will do. */
static unsigned not_started(const struct explorer *explorer)
{
    for (unsigned i = 0; i < explorer->threads; i++) {
        if (!explorer->thread[i].started && !explorer->thread[i].finished) {
            return i;
        }
    }
    return NO_THREAD;
}

static void run_ended(struct explorer *explorer, const struct explored_thread *thread)
{
    struct schedule *schedule = explorer->schedule;
    if (!thread->finished && !schedule->overflow && schedule->runs_count > 0) {
        schedule->runs[schedule->runs_count - 1].until = thread->at;
    }
}

/* @self is at its first step, or has ended without any: the others shall come as far before anybody
 * goes on. Return: who is next, NO_THREAD: nobody. */
static unsigned start_next(struct explorer *explorer, struct explored_thread *self)
{
    self->started = true;
    unsigned next = not_started(explorer);
    if (next != NO_THREAD) {
        explorer->current = next;
        return next;
    }
    explorer->all_started = true;
    explorer->current = NO_THREAD;
    next = next_thread(explorer);
    if (next != NO_THREAD) {
        run_begins(explorer, next);
    }
    return next;
}

/* Return: who goes on after @self, NO_THREAD: nobody. */
static unsigned go_on(struct explorer *explorer, const struct explored_thread *self)
{
    unsigned next = next_thread(explorer);
    if (next == self->index && !self->finished) {
        return next;
    }
    run_ended(explorer, self);
    if (next != NO_THREAD) {
        run_begins(explorer, next);
    }
    return next;
}

/* Has somebody go on; returns when that is the caller's fiber, @self, again. */
static void reschedule(struct explorer *explorer, struct explored_thread *self)
{
    unsigned next = explorer->all_started ? go_on(explorer, self) : start_next(explorer, self);
    if (next == NO_THREAD) {
        fiber_release(&end_point);
        fiber_switch(&self->fiber, &main_fiber);
    } else if (next != self->index || self->finished) {
        fiber_switch(&self->fiber, &explorer->thread[next].fiber);
    }
}

static void thread_main(void *context)
{
    struct explored_thread *thread = context;
    struct explorer *explorer = thread->explorer;
    for (;;) {
        fiber_acquire(&begin_point);
        explorer->body(explorer->context, thread->index);
        fiber_release(&end_point);
        thread->finished = true;
        explorer->unfinished--;
        reschedule(explorer, thread);
    }
}

static void thread_reset(struct explored_thread *thread)
{
    thread->started = false;
    thread->finished = false;
    thread->waits = false;
    thread->yielded = false;
    thread->outdated = false;
    thread->older = 0;
    thread->stores = 0;
    thread->wants = NULL;
    thread->at = (struct schedule_point){0, 0};
    thread->held_count = 0;
    thread->lock_held.count = 0;
}

static uint32_t pick_store(void *context, uint32_t count);

static void execution_begin(struct explorer *explorer, unsigned threads)
{
    explorer->threads = threads;
    explorer->unfinished = threads;
    explorer->current = 0;
    explorer->all_started = false;
    explorer->steps = 0;
    explorer->stores = 0;
    explorer->wakes = 0;
    explorer->hash = 0xcbf29ce484222325U;
    explorer->decisions = 0;
    explorer->finding.name[0] = '\0';
    if (explorer->is_weak) {
        weak_reset(&explorer->weak, pick_store, explorer);
    }
    schedule_clear(explorer->schedule);
    for (unsigned i = 0; i < threads; i++) {
        thread_reset(&explorer->thread[i]);
        explorer->pending[i] = (struct pending){.address = NULL};
    }
    if (explorer->log != NULL) {
        explorer->log->count = 0;
    }
}

void explorer_forget(struct explorer *explorer)
{
    sharing_clear(&explorer->sharing);
}

bool explorer_run(struct explorer *explorer, unsigned threads,
                  void (*body)(void *context, unsigned thread), void *context,
                  struct strategy *strategy)
{
    explorer->body = body;
    explorer->context = context;
    explorer->strategy = strategy;
    execution_begin(explorer, threads);
    strategy->begin(strategy, threads);
    explorer_active = explorer;
    fiber_release(&begin_point);
    fiber_switch(&main_fiber, &explorer->thread[0].fiber);
    fiber_acquire(&end_point);
    explorer_active = NULL;
    for (unsigned i = 0; i < threads; i++) {
        if (!explorer->thread[i].finished) {
            fiber_restart(&explorer->thread[i].fiber);
        }
    }
    return !found_any(explorer);
}

/* Whether a step is in the way of others on its word that only read. In weak memory, ordered loads
 * are: what they have seen, later ones may not be older than. */
static bool place_writes(const struct explorer *explorer, const struct sync_place *place)
{
    return place->kind != SYNC_LOAD || (explorer->is_weak && place->order == SYNC_ORDERED);
}

/* A step of @self is about to be: it waits here until it is its turn. */
static void arrive(struct explorer *explorer, struct explored_thread *self,
                   const struct sync_place *place, const void *address)
{
    struct pending *pending = &explorer->pending[self->index];
    pending->address = address;
    pending->writes = place_writes(explorer, place);
    pending->at = self->at;
    if (explorer->steps == EXPLORE_STEPS_MAX) {
        explorer_report(explorer, "livelock", "%u steps, and no end; thread %u is in %s()",
                        (unsigned)EXPLORE_STEPS_MAX, self->index + 1, place->function);
    }
    bool shared =
        address == NULL || sharing_note(&explorer->sharing, self->index, address, pending->writes);
    if (shared || self->wants != NULL || explorer->strategy->complete || !explorer->all_started) {
        reschedule(explorer, self);
    }
    if (found_any(explorer)) {
        leave(explorer);
    }
}

static void hash_add(struct explorer *explorer, uint64_t value)
{
    explorer->hash = (explorer->hash ^ value) * 0x100000001b3U;
}

static void tell_strategy(struct explorer *explorer, const void *address, bool writes)
{
    if (explorer->strategy->stepped != NULL) {
        explorer->strategy->stepped(explorer->strategy, address, writes);
    }
}

/* @self does the step that it came to. */
static void proceed(struct explorer *explorer, struct explored_thread *self,
                    const struct sync_place *place, const void *address)
{
    self->yielded = false;
    self->waits = false;
    explorer->steps++;
    tell_strategy(explorer, address, place_writes(explorer, place));
    hash_add(explorer, (uint64_t)self->index << 32 | (uint32_t)place->line);
    if (explorer->log != NULL && explorer->log->count < explorer->log->capacity) {
        explorer->log->steps[explorer->log->count++] = (struct explored_step){
            .thread = (uint8_t)self->index, .at = self->at, .place = place, .address = address};
    }
    self->at.step++;
}

static void log_value(struct explorer *explorer, uint64_t value)
{
    if (explorer->log != NULL && explorer->log->count > 0) {
        explorer->log->steps[explorer->log->count - 1].value = value;
    }
}

static uint64_t word_at(const struct sync_place *place, const void *address)
{
    return place->bytes == sizeof(uint64_t) ? (atomic_word_peek)((const atomic_word_t *)address)
                                            : (atomic_flags_peek)((const atomic_flags_t *)address);
}

void explorer_step(struct explorer *explorer, const struct sync_place *place, const void *address)
{
    struct explored_thread *self = current_of(explorer);
    arrive(explorer, self, place, address);
    proceed(explorer, self, place, address);
    if (explorer->is_weak && place->kind != SYNC_LOAD) {
        explorer->before = word_at(place, address);
    }
}

uint64_t explorer_loaded(struct explorer *explorer, const struct sync_place *place,
                         const void *address, uint64_t newest)
{
    uint64_t value = newest;
    if (explorer->is_weak) {
        value = weak_load(&explorer->weak, explorer->current, address, place->order, newest);
    }
    hash_add(explorer, value < 1 << 16 ? value : 0); /* larger ones may be addresses */
    log_value(explorer, value);
    return value;
}

/* Something changed that others may wait for. */
static void stored(struct explorer *explorer, struct explored_thread *self)
{
    explorer->stores++;
    self->stores++;
    explorer->wakes = 0;
}

void explorer_stored(struct explorer *explorer, const struct sync_place *place, const void *address,
                     uint64_t value)
{
    if (explorer->is_weak) {
        (place->kind == SYNC_STORE ? weak_store : weak_update)(
            &explorer->weak, explorer->current, address, place->order, explorer->before, value);
    }
    stored(explorer, current_of(explorer));
    log_value(explorer, value);
}

void explorer_seen(struct explorer *explorer, const struct sync_place *place, const void *address,
                   uint64_t value)
{
    (void)place;
    if (explorer->is_weak) {
        weak_update_failed(&explorer->weak, explorer->current, address, SYNC_RELAXED, value);
    }
    log_value(explorer, value);
}

void explorer_lock(struct explorer *explorer, const struct sync_place *place,
                   const spinlock_t *lock)
{
    struct explored_thread *self = current_of(explorer);
    self->wants = lock;
    self->wants_at = place;
    arrive(explorer, self, place, lock);
    self->wants = NULL;
    proceed(explorer, self, place, lock);
}

void explorer_locked(struct explorer *explorer, const struct sync_place *place,
                     const spinlock_t *lock)
{
    struct explored_thread *self = current_of(explorer);
    if (explorer->is_weak) {
        weak_lock(&explorer->weak, self->index, lock);
    }
    if (self->held_count < EXPLORE_HELD_MAX) {
        self->held[self->held_count++] = (struct held){lock, place};
    }
}

void explorer_unlocked(struct explorer *explorer, const struct sync_place *place,
                       const spinlock_t *lock)
{
    struct explored_thread *self = current_of(explorer);
    (void)place;
    if (explorer->is_weak) {
        weak_unlock(&explorer->weak, self->index, lock);
    }
    for (uint32_t i = self->held_count; i > 0; i--) {
        if (self->held[i - 1].lock == lock) {
            self->held[i - 1] = self->held[--self->held_count];
            break;
        }
    }
    tell_strategy(explorer, lock, true);
    stored(explorer, self);
}

void explorer_relax(struct explorer *explorer)
{
    struct explored_thread *self = current_of(explorer);
    if (explorer->is_weak) {
        weak_fresh(&explorer->weak, self->index);
    }
    /* Who has seen an older value need not wait for a store: he sees a newer one next time. */
    self->waits = !self->outdated;
    self->outdated = false;
    self->yielded = true;
    self->stores_seen = explorer->stores - self->stores;
    explorer->pending[self->index].address = NULL;
    explorer->pending[self->index].at = self->at;
    if (explorer->steps == EXPLORE_STEPS_MAX) {
        explorer_report(explorer, "livelock", "%u steps, and no end; thread %u waits in a loop",
                        (unsigned)EXPLORE_STEPS_MAX, self->index + 1);
    }
    reschedule(explorer, self);
    if (found_any(explorer)) {
        leave(explorer);
    }
    self->waits = false;
}

void explorer_barrier(struct explorer *explorer)
{
    static const struct sync_place place = {
        .file = __FILE__,
        .function = "port.cpu_barrier",
        .what = "barrier",
        .line = __LINE__,
        .kind = SYNC_UPDATE,
        .order = SYNC_ORDERED,
    };
    if (!explorer->is_weak) {
        return; /* between two steps, no other thread runs: nothing is left to do */
    }
    /* On no address: it is in the way of all other steps. */
    struct explored_thread *self = current_of(explorer);
    arrive(explorer, self, &place, NULL);
    proceed(explorer, self, &place, NULL);
    weak_barrier_all(&explorer->weak);
}

static void release(const void *point)
{
    if (explorer_active != NULL && explorer_active->is_weak) {
        weak_unlock(&explorer_active->weak, explorer_active->current, point);
    }
}

static void acquire(const void *point)
{
    if (explorer_active != NULL && explorer_active->is_weak) {
        weak_lock(&explorer_active->weak, explorer_active->current, point);
    }
}

void explorer_release(void *point)
{
    release(point);
    fiber_release(point);
}

void explorer_acquire(void *point)
{
    acquire(point);
    fiber_acquire(point);
}

void explorer_tell_time(void)
{
    release(&time_point);
}

void explorer_ask_time(void)
{
    acquire(&time_point);
}

void explorer_begin_op(struct explorer *explorer, uint32_t op)
{
    current_of(explorer)->at = (struct schedule_point){op, 0};
}

static unsigned pick(struct explorer *explorer, unsigned count, bool loads)
{
    struct explored_thread *self = current_of(explorer);
    struct decision decision = {
        .threads = explorer->threads,
        .enabled = 1U << self->index,
        .current = self->index,
        .loads = loads,
        .number = explorer->decisions,
        .pending = explorer->pending,
    };
    explorer->pending[self->index].at = self->at;
    unsigned value = explorer->strategy->pick(explorer->strategy, &decision, count);
    if (value != 0) {
        schedule_add_pick(explorer->schedule, (struct schedule_pick){.thread = (uint8_t)self->index,
                                                                     .value = (uint8_t)value,
                                                                     .at = self->at});
    }
    hash_add(explorer, value);
    self->at.step++; /* so that each choice has a place of its own */
    return value;
}

unsigned explorer_pick(struct explorer *explorer, unsigned count)
{
    return pick(explorer, count, false);
}

/* As weak_pick(). */
static uint32_t pick_store(void *context, uint32_t count)
{
    struct explorer *explorer = context;
    struct explored_thread *self = current_of(explorer);
    if (self->older == OLDER_MAX) {
        return 0;
    }
    unsigned back = pick(explorer, count, true);
    if (back > 0) {
        self->outdated = true;
        self->older++;
    }
    if (explorer->log != NULL && explorer->log->count > 0) {
        explorer->log->steps[explorer->log->count - 1].older = (uint8_t)back;
    }
    return back;
}

struct schedule_point explorer_point(const struct explorer *explorer)
{
    return explorer->thread[explorer->current].at;
}

struct lock_held *explorer_locks_held(struct explorer *explorer)
{
    return &current_of(explorer)->lock_held;
}
