/* SPDX-License-Identifier: MIT
 *
 * explorer.h: runs threads as fibers of one thread, one step at a time, as a strategy decides. A
 * step is an atomic or a lock of code that is built with POTAD_EXPLORED; between two of them nobody
 * else runs. What happened is noted in a schedule, by which strategy_replay() has it happen again.
 *
 *   fiber 1        fiber 2
 *   ...code...
 *   port_sync_step() ──► explorer_step(): strategy->choose() ── 2 ──► goes on with its own step
 */
#ifndef POTAD_STRESS_EXPLORE_EXPLORER_H
#define POTAD_STRESS_EXPLORE_EXPLORER_H

#include "core/sync_explored.h"
#include "stress/explore/sharing.h"
#include "stress/explore/strategy.h"
#include "stress/explore/weak.h"

enum { EXPLORE_TEXT_MAX = 400, EXPLORE_NAME_MAX = 32, EXPLORE_HELD_MAX = 16 };

/* One step, for those who tell what happened. */
struct explored_step {
    uint8_t thread;
    struct schedule_point at;
    const struct sync_place *place;
    const void *address;
    uint64_t value; /* that was loaded or stored */
    uint8_t older;  /* stores that came after the one that was loaded */
};

struct explore_log {
    struct explored_step *steps;
    uint32_t count;
    uint32_t capacity;
};

/* What was found wrong, if anything. */
struct explore_finding {
    char name[EXPLORE_NAME_MAX]; /* of an invariant; empty: nothing */
    char text[EXPLORE_TEXT_MAX];
};

struct explored_thread;

struct explorer {
    struct explored_thread *thread; /* EXPLORE_THREADS of them */
    unsigned threads;               /* of this execution */
    unsigned current;
    unsigned unfinished;
    bool all_started; /* all threads have come to their first step */
    uint64_t steps;
    uint64_t stores; /* and unlocks: what may end a wait */
    uint64_t wakes;  /* in a row, of threads that waited for a store that nobody made */
    uint64_t hash;   /* of all steps: the same for the same execution */
    uint64_t decisions;
    bool is_weak;
    struct weak weak; /* what loads see, where it is */
    uint64_t before;  /* there: in the word that the step is on */
    struct pending pending[EXPLORE_THREADS];
    struct strategy *strategy;
    struct sharing sharing;
    struct schedule *schedule; /* of this execution; the user's own */
    struct explore_finding finding;
    struct explore_log *log; /* or NULL */
    void (*body)(void *context, unsigned thread);
    void *context;
};

/* The explorer of the execution that runs, or NULL. */
extern struct explorer *explorer_active;

/* There has been an explorer in this process: then no threads run in it but those of executions. */
extern bool explorer_is_open;

/* @schedule: what executions are noted in; stays. Return: whether there was memory;
 * explorer_close() only then. */
bool explorer_open(struct explorer *explorer, struct schedule *schedule)
    __attribute__((warn_unused_result));
void explorer_close(struct explorer *explorer);

/* Forgets which words threads have shared: another program comes. */
void explorer_forget(struct explorer *explorer);

/* Whether loads may see what weak memory lets them see (weak.h), in executions from now on: which
 * one is a pick of the strategy's. Return: whether there was memory. */
bool explorer_set_weak(struct explorer *explorer, bool weak) __attribute__((warn_unused_result));

/* Runs @body for threads 0 to @threads - 1, until all have ended or something is found.
 * Return: whether nothing was; else explorer->finding says what. */
bool explorer_run(struct explorer *explorer, unsigned threads,
                  void (*body)(void *context, unsigned thread), void *context,
                  struct strategy *strategy) __attribute__((warn_unused_result));

/* What threads did before they release @point is seen by those that acquire it later, as users of
 * the core see to when they pass something on. Context: outside of executions, too. */
void explorer_release(void *point);
void explorer_acquire(void *point);

/* In weak memory, what threads knew when they told their time is known to those that ask for theirs
 * later: so who takes time for an order of events is right. ThreadSanitizer hears nothing of it.
 * Context: outside of executions, too. */
void explorer_tell_time(void);
void explorer_ask_time(void);

/* The calls below come from bodies, while explorer_active is set. */

/* The thread that runs, from 0. */
static inline unsigned explorer_thread(const struct explorer *explorer)
{
    return explorer->current;
}

/* The thread begins operation @op. */
void explorer_begin_op(struct explorer *explorer, uint32_t op);

/* One of @count values, as the strategy decides; 0 is the usual one. */
unsigned explorer_pick(struct explorer *explorer, unsigned count);

/* Something is wrong: ends the execution, and does not return. */
_Noreturn void explorer_report(struct explorer *explorer, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for those who must return: the execution ends at the next step. */
void explorer_note(struct explorer *explorer, const char *name, const char *text);

/* The thread waits for a store of another one, in a loop. */
void explorer_relax(struct explorer *explorer);

/* All threads see what all have stored: a step, where memory is weak. */
void explorer_barrier(struct explorer *explorer);

/* Where the thread is, and steps so far: a clock. */
struct schedule_point explorer_point(const struct explorer *explorer);

/* The locks that the thread holds, for core/lock_order.h. */
struct lock_held *explorer_locks_held(struct explorer *explorer);

/* As port_sync_*(). */
void explorer_step(struct explorer *explorer, const struct sync_place *place, const void *address);
uint64_t explorer_loaded(struct explorer *explorer, const struct sync_place *place,
                         const void *address, uint64_t newest);
void explorer_stored(struct explorer *explorer, const struct sync_place *place, const void *address,
                     uint64_t value);
void explorer_seen(struct explorer *explorer, const struct sync_place *place, const void *address,
                   uint64_t value);
void explorer_lock(struct explorer *explorer, const struct sync_place *place,
                   const spinlock_t *lock);
void explorer_locked(struct explorer *explorer, const struct sync_place *place,
                     const spinlock_t *lock);
void explorer_unlocked(struct explorer *explorer, const struct sync_place *place,
                       const spinlock_t *lock);

#endif
