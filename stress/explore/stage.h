/* SPDX-License-Identifier: MIT
 *
 * stage.h: one case of threads (fuzzers/case.h) on a subject, executed again and again from the
 * same state: the operations before its first phase run once, and all executions begin behind them.
 *
 *   stage_open()     boot, operations before the first phase, keep
 *   stage_execute()  restore, threads under the explorer, check, free all, check that it is whole
 *
 * Beside the subject, a table says who owns each frame at every step (invariants overlap and
 * ownership); what threads hand to each other through slots is ordered, and nothing else is.
 */
#ifndef POTAD_STRESS_EXPLORE_STAGE_H
#define POTAD_STRESS_EXPLORE_STAGE_H

#include "fuzzers/fault.h"
#include "fuzzers/subject.h"
#include "stress/explore/arena.h"
#include "stress/explore/descriptor.h"
#include "stress/explore/explorer.h"
#include "stress/explore/frames.h"
#include "stress/explore/linear.h"

enum { STAGE_SLOTS = 64, STAGE_OPS_MAX = 64, STAGE_PHASES_MAX = STAGE_OPS_MAX + 1 };

/* Of a slot: an operation is on it; it holds something; its block is asked to move; its owner has
 * dropped it, and others still have references. */
enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_USED, SLOT_MOVING, SLOT_ENDED };

/* Of a frame: its failure was beside a call that may have taken it into use again. The judges of
 * the history know better. */
#define FAILED_PERHAPS UINT64_MAX

struct stage_cache;
struct stage;
struct call;

struct stage_slot {
    enum slot_state state;
    struct subject_block block;
    enum memdesc_type type;
    struct stage_cache *cache; /* of an object */
    void *object;
    struct contig contig; /* of a run */
    enum migratetype migratetype;
    struct memdesc *referred;     /* of a reference */
    struct call *move;            /* under way */
    char handed;                  /* ThreadSanitizer's point of handing over */
    struct descriptor descriptor; /* of a block with a type */
};

struct stage_cache {
    enum slot_state state;
    void *cache;
    uint64_t size;
    uint32_t users;   /* operations that are in it */
    uint32_t objects; /* that are held */
    char handed;
};

/* What all executions begin with, and what they change. */
struct stage_state {
    struct stage_slot blocks[STAGE_SLOTS];
    struct stage_slot objects[STAGE_SLOTS];
    struct stage_slot refs[STAGE_SLOTS];
    struct stage_slot contigs[CASE_CONTIGS];
    struct stage_cache caches[CASE_CACHES];
    uint8_t owners[ARENA_FRAMES_MAX]; /* of frames */
    uint8_t accepted[ARENA_FRAMES_MAX];
    bool accepted_any;                 /* since boot */
    uint64_t failed[ARENA_FRAMES_MAX]; /* 0, the number of the failure, or FAILED_PERHAPS */
    uint64_t failures;                 /* so far */
    uint64_t mends;                    /* calls of unpoison() so far */
    uint64_t mends_ended;              /* of these */
    uint32_t cpus_online;              /* as bits */
    uint32_t cpus_moving;              /* on their way to or fro */
};

/* Ends that were checked, and good, by what memory was then: a hash table, 0 for none. */
struct ends {
    uint64_t *hashes;
    uint32_t count;
};

/* Who is told what a stage does, in the threads of its executions, too. */
struct stage_listener {
    void (*begins)(void *context, const struct stage *stage, uint32_t op); /* slots: as it finds */
    void (*ended)(void *context, const struct stage *stage, uint32_t op);

    /* No order of the calls explains what they were answered. */
    void (*judged)(void *context, const struct stage *stage);
    void *context;
};

struct stage_options {
    const struct subject *subject;
    const struct stage_listener *listener; /* or NULL */
    bool any_cpu;                          /* which CPU a thread is on is a choice, too */
    bool reuse; /* owners put descriptors on other blocks without a grace period between */
    bool weak;  /* loads may see what weak memory lets them see */
};

struct stage {
    struct stage_options options;
    const struct program *program;
    unsigned threads;
    struct arena memory;
    struct port port;
    void *instance;
    void *instance_kept;
    struct stage_state state;
    struct stage_state state_kept;
    struct program_phase phases[STAGE_PHASES_MAX];
    uint32_t phases_count;
    uint32_t first_phase;                       /* the first that is concurrent */
    atomic_word_t arrivals;                     /* of threads at the ends of phases */
    atomic_word_t turns;                        /* operations that began or ended: each is a step */
    atomic_word_t cpu_turns[CASE_CPUS_MAX + 1]; /* the same: who comes to a CPU, or leaves it */
    uint32_t cpu_taken;                         /* CPUs with a thread on them, as bits */
    char cpu_points[CASE_CPUS_MAX + 1]; /* ThreadSanitizer's: who is on a CPU follows who was */
    struct explorer *explorer;
    struct explore_finding finding;                /* of what runs outside of the explorer */
    struct fault_plan faults[EXPLORE_THREADS + 1]; /* of each thread, and of who sets up */
    uint64_t free_frames;                          /* after boot */
    struct ends ends;                              /* that executions have come to */
    struct image_lines lines;
    bool lines_noted;   /* they are all that the last execution has changed */
    struct calls calls; /* the history, from the boot on */
    struct calls calls_kept;
    struct call *call[EXPLORE_THREADS + 1]; /* the put or tryget that each thread is in */
    struct call_span spans[RANGES_MAX];
    struct call_rules rules;
    struct frames_judge frames_judge;
    struct linear linear;
    bool undecided; /* the history of the last execution, by the exact judge */
    bool opened;
};

/* Makes a stage of @program, which stays. Return: NULL with @error, of SCHEDULE_ERROR_MAX bytes: it
 * is too large, does not boot, or fails before its first phase. */
struct stage *stage_open(const struct program *program, const struct stage_options *options,
                         struct explorer *explorer, char *error)
    __attribute__((warn_unused_result));
void stage_close(struct stage *stage);

/* Executes it once. Return: whether nothing was found wrong; if not, *@finding says what. */
bool stage_execute(struct stage *stage, struct strategy *strategy, struct explore_finding *finding)
    __attribute__((warn_unused_result));

#endif
