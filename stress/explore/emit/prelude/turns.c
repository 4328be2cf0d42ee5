/* SPDX-License-Identifier: MIT */
/* Threads that take turns: each atomic and each lock of the core, and the beginning and end of each
 * operation, is a step, before which the schedule says who goes on. Who runs holds turns.lock. */
#include "core/sync_explored.h"

#include <pthread.h>
#include <sys/time.h>

enum {
    THREADS_MAX = 4,
    NOBODY = THREADS_MAX,
    STEPS_MAX = 50000, /* more is no progress */
    LOOKS_MAX = 2000,  /* of threads that wait, in a row, when all do: the same */
    HELD_MAX = 16,
    SECONDS_MAX = 5 /* of the CPU: far more than all threads take */
};

/* Behind the last operation. */
#define END UINT_MAX

/* @thread, from 1, runs until it has done @steps steps of operation @op. */
struct turn {
    unsigned thread;
    unsigned op;
    unsigned steps;
};

/* A choice that @thread has behind that point: @value, where others are 0. */
struct choice {
    struct turn at;
    unsigned value;
};

struct schedule {
    const struct turn *turns;
    unsigned turns_count;
    const struct choice *choices;
    unsigned choices_count;
};

struct held {
    const spinlock_t *lock;
    const struct sync_place *place;
};

struct thread {
    pthread_cond_t turn;
    void (*body)(void);
    unsigned op; /* where it is */
    unsigned steps;
    int line;
    bool started; /* it has come to its first step */
    bool finished;
    bool waits;           /* in a loop, for a store of another one */
    bool yielded;         /* has waited, and not done a step since */
    uint64_t stores;      /* its own */
    uint64_t stores_seen; /* by others, when it began to wait */
    const spinlock_t *wants;
    const struct sync_place *wants_at;
    unsigned held_count;
    struct held held[HELD_MAX];
    struct lock_held locks; /* the core's own record, where it keeps one */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct thread threads[THREADS_MAX];
    unsigned count; /* of threads; 0: nobody takes turns */
    unsigned unfinished;
    unsigned current;
    bool all_started;
    const struct schedule *schedule;
    unsigned turn; /* of the schedule, that is under way */
    unsigned steps;
    unsigned looks;
    uint64_t stores;
    uint64_t meetings; /* arrivals at the ends of phases */
} turns = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

/* The thread that runs, or NULL: this is before or behind them all. */
static struct thread *self(void)
{
    return turns.count > 0 ? &turns.threads[turns.current] : NULL;
}

/* Its number from 0; THREADS_MAX: before or behind them all. */
static unsigned who(void)
{
    return turns.count > 0 ? turns.current : THREADS_MAX;
}

static bool can_go_on(const struct thread *thread)
{
    if (thread->finished) {
        return false;
    }
    if (thread->wants != NULL) {
        return !spinlock_is_held(thread->wants);
    }
    return !thread->waits || turns.stores - thread->stores != thread->stores_seen;
}

/* Who holds @lock, or NULL. */
static const struct thread *holder_of(const spinlock_t *lock, const struct sync_place **place)
{
    for (unsigned i = 0; i < turns.count; i++) {
        for (unsigned k = 0; k < turns.threads[i].held_count; k++) {
            if (turns.threads[i].held[k].lock == lock) {
                *place = turns.threads[i].held[k].place;
                return &turns.threads[i];
            }
        }
    }
    return NULL;
}

/* Who waits for what, in words. */
static void describe_wait(const struct thread *thread, char *text, size_t bytes)
{
    const struct sync_place *since = NULL;
    const struct thread *holder = thread->wants != NULL ? holder_of(thread->wants, &since) : NULL;
    unsigned number = (unsigned)(thread - turns.threads) + 1;
    if (holder != NULL) {
        snprintf(text, bytes, "thread %u, line %d, wants %s in %s(), which thread %u took in %s()",
                 number, thread->line, thread->wants_at->what, thread->wants_at->function,
                 (unsigned)(holder - turns.threads) + 1, since->function);
    } else {
        snprintf(text, bytes, "thread %u, line %d, waits for %s", number, thread->line,
                 thread->wants != NULL ? "a lock that nobody releases"
                                       : "a store that nobody makes");
    }
}

static _Noreturn void fail_stuck(const char *check)
{
    char text[THREADS_MAX][200] = {""};
    unsigned count = 0;
    for (unsigned i = 0; i < turns.count; i++) {
        if (!turns.threads[i].finished) {
            describe_wait(&turns.threads[i], text[count++], sizeof(text[0]));
        }
    }
    fail(&t, check, "%s%s%s%s%s%s%s", text[0], count > 1 ? "; " : "", text[1],
         count > 2 ? "; " : "", text[2], count > 3 ? "; " : "", text[3]);
}

/* Nobody can go on: somebody who waits in a loop may look again. */
static unsigned look_again(void)
{
    bool loops = false;
    for (unsigned i = 1; i <= turns.count; i++) {
        unsigned index = (turns.current + i) % turns.count;
        const struct thread *thread = &turns.threads[index];
        if (!thread->finished && thread->wants == NULL && thread->waits) {
            loops = true;
            if (turns.looks++ < LOOKS_MAX) {
                return index;
            }
        }
    }
    fail_stuck(loops ? "livelock" : "deadlock");
}

static bool is_before(const struct thread *thread, const struct turn *turn)
{
    return thread->op < turn->op || (thread->op == turn->op && thread->steps < turn->steps);
}

/* Who of @enabled, as bits, goes on by the schedule; where that fits no more, whoever can. */
static unsigned scheduled(unsigned enabled)
{
    const struct schedule *schedule = turns.schedule;
    for (; turns.turn < schedule->turns_count; turns.turn++) {
        const struct turn *turn = &schedule->turns[turns.turn];
        unsigned index = turn->thread - 1;
        if ((enabled >> index & 1) != 0 && is_before(&turns.threads[index], turn)) {
            return index;
        }
    }
    if (turns.current != NOBODY && (enabled >> turns.current & 1) != 0 &&
        !turns.threads[turns.current].yielded) {
        return turns.current;
    }
    return (unsigned)__builtin_ctz(enabled);
}

static unsigned next_thread(void)
{
    unsigned enabled = 0;
    for (unsigned i = 0; i < turns.count; i++) {
        enabled |= can_go_on(&turns.threads[i]) ? 1U << i : 0;
    }
    if (turns.unfinished == 0) {
        return NOBODY;
    }
    if (enabled == 0) {
        return look_again();
    }
    return (enabled & (enabled - 1)) == 0 ? (unsigned)__builtin_ctz(enabled) : scheduled(enabled);
}

/* All threads come to their first step before anybody does it. */
static unsigned next_to_start(void)
{
    for (unsigned i = 0; i < turns.count; i++) {
        if (!turns.threads[i].started && !turns.threads[i].finished) {
            return i;
        }
    }
    turns.all_started = true;
    turns.current = NOBODY;
    return next_thread();
}

/* Has somebody go on; returns when that is @thread, unless it has ended. */
static void hand_on(struct thread *thread)
{
    thread->started = true;
    unsigned next = turns.all_started ? next_thread() : next_to_start();
    turns.current = next;
    if (next == NOBODY) {
        pthread_cond_signal(&turns.ended);
        return;
    }
    pthread_cond_signal(&turns.threads[next].turn);
    while (!thread->finished && turns.current != (unsigned)(thread - turns.threads)) {
        pthread_cond_wait(&thread->turn, &turns.lock);
    }
    t.line = thread->finished ? t.line : thread->line;
}

/* @thread is about to do a step, and does it when it is its turn. */
static void step(struct thread *thread)
{
    if (turns.steps == STEPS_MAX) {
        fail(&t, "livelock", "%d steps, and no end", STEPS_MAX);
    }
    hand_on(thread);
    thread->wants = NULL;
    thread->yielded = false;
    thread->waits = false;
    thread->steps++;
    turns.steps++;
}

/* @thread has changed what others may wait for. */
static void stored(struct thread *thread)
{
    thread->stores++;
    turns.stores++;
    turns.looks = 0;
}

void port_sync_step(const struct sync_place *place, const void *address)
{
    (void)place;
    (void)address;
    if (self() != NULL) {
        step(self());
    }
}

uint64_t port_sync_loaded(const struct sync_place *place, const void *address, uint64_t newest)
{
    (void)place;
    (void)address;
    return newest;
}

void port_sync_stored(const struct sync_place *place, const void *address, uint64_t value)
{
    (void)place;
    (void)address;
    (void)value;
    if (self() != NULL) {
        stored(self());
    }
}

void port_sync_seen(const struct sync_place *place, const void *address, uint64_t value)
{
    (void)place;
    (void)address;
    (void)value;
}

void port_sync_lock(const struct sync_place *place, const spinlock_t *lock)
{
    struct thread *thread = self();
    if (thread != NULL) {
        thread->wants = lock;
        thread->wants_at = place;
        step(thread);
    }
}

void port_sync_locked(const struct sync_place *place, const spinlock_t *lock)
{
    struct thread *thread = self();
    if (thread != NULL && thread->held_count < HELD_MAX) {
        thread->held[thread->held_count++] = (struct held){lock, place};
    }
}

void port_sync_unlocked(const struct sync_place *place, const spinlock_t *lock)
{
    struct thread *thread = self();
    (void)place;
    for (unsigned i = thread != NULL ? thread->held_count : 0; i > 0; i--) {
        if (thread->held[i - 1].lock == lock) {
            thread->held[i - 1] = thread->held[--thread->held_count];
            break;
        }
    }
    if (thread != NULL) {
        stored(thread);
    }
}

bool port_sync_hint(uint32_t *hint)
{
    *hint = who();
    return true;
}

/* The thread looks in a loop for what another one is to store. */
void port_relax(void)
{
    struct thread *thread = self();
    if (thread == NULL) {
        return;
    }
    if (turns.steps == STEPS_MAX) {
        fail(&t, "livelock", "%d steps, and no end", STEPS_MAX);
    }
    thread->waits = true;
    thread->yielded = true;
    thread->stores_seen = turns.stores - thread->stores;
    hand_on(thread);
    thread->waits = false;
}

struct lock_held *port_locks_held(void)
{
    static struct lock_held before_and_behind;
    return self() != NULL ? &self()->locks : &before_and_behind;
}

/* What the schedule says where there are @count possibilities. */
static unsigned choose(unsigned count)
{
    struct thread *thread = self();
    unsigned value = 0;
    for (unsigned i = 0; i < turns.schedule->choices_count; i++) {
        const struct choice *choice = &turns.schedule->choices[i];
        if (choice->at.thread == who() + 1 && choice->at.op == thread->op &&
            choice->at.steps == thread->steps) {
            value = choice->value;
            break;
        }
    }
    thread->steps++;
    return value < count ? value : 0;
}

/* A step of the test itself. */
static void own_step(void)
{
    struct thread *thread = self();
    if (thread != NULL) {
        step(thread);
        stored(thread);
    }
}

/* Operation @op begins, at @line. */
static void begin(unsigned op, int line)
{
    struct thread *thread = self();
    thread->op = op;
    thread->steps = 0;
    thread->line = line;
    t.line = line;
    own_step();
}

#define OP(number, call)                                                                           \
    do {                                                                                           \
        begin(number, __LINE__);                                                                   \
        call;                                                                                      \
        own_step();                                                                                \
    } while (0)

/* Waits until all threads have come here for the @times-th time. */
static void meet(unsigned times)
{
    step(self());
    turns.meetings++;
    stored(self());
    for (;;) {
        step(self());
        if (turns.meetings >= (uint64_t)times * turns.count) {
            return;
        }
        port_relax();
    }
}

static void *thread_main(void *context)
{
    struct thread *thread = context;
    pthread_mutex_lock(&turns.lock);
    while (turns.current != (unsigned)(thread - turns.threads)) {
        pthread_cond_wait(&thread->turn, &turns.lock);
    }
    thread->body();
    thread->finished = true;
    turns.unfinished--;
    hand_on(thread);
    pthread_mutex_unlock(&turns.lock);
    return NULL;
}

/* Whoever runs goes round in a loop without a step. */
static void on_time_up(int number)
{
    (void)number;
    fail(&t, "hang", "thread %u goes on, and comes to no step any more", who() + 1);
}

static void limit_time(time_t seconds)
{
    const struct itimerval timer = {.it_value = {.tv_sec = seconds}};
    signal(SIGPROF, on_time_up);
    setitimer(ITIMER_PROF, &timer, NULL);
}

/* Runs @bodies beside each other, as @schedule says. */
static void run_threads(const struct schedule *schedule, void (*const *bodies)(void),
                        unsigned count)
{
    limit_time(SECONDS_MAX);
    pthread_mutex_lock(&turns.lock);
    turns.schedule = schedule;
    turns.count = count;
    turns.unfinished = count;
    turns.current = 0;
    for (unsigned i = 0; i < count; i++) {
        struct thread *thread = &turns.threads[i];
        pthread_t pthread;
        thread->body = bodies[i];
        if (pthread_cond_init(&thread->turn, NULL) != 0 ||
            pthread_create(&pthread, NULL, thread_main, thread) != 0 ||
            pthread_detach(pthread) != 0) {
            fputs("no threads\n", stderr);
            _exit(3);
        }
    }
    while (turns.unfinished > 0) {
        pthread_cond_wait(&turns.ended, &turns.lock);
    }
    turns.count = 0;
    pthread_mutex_unlock(&turns.lock);
    limit_time(0);
}
