/* SPDX-License-Identifier: MIT
 *
 * linear.h: whether a history is linearizable: whether there is an order of its calls, in which a
 * call that had returned before another began comes before it, and in which an allocator that does
 * one call after the other (sequential.h) gives all these answers.
 *
 *   thread 0  ├─ alloc -> 8 ─┤  ├── free 8 ──┤          alloc 8, free 8, alloc' 8: fine
 *   thread 1                        ├─ alloc' -> 8 ─┤
 *
 * The search is that of Wing and Gong (1993), depth first, with Lowe's memory of where it has been
 * (2017): what is left to do follows from the set of calls that are done, which is one word.
 * Two things keep it short, and exact:
 * - Calls that have nothing to do with each other's frames and descriptors are judged apart:
 *   linearizability is local (Herlihy and Wing, 1990). A NO_MEMORY answer is about all frames.
 * - A call that changes nothing, and whose answers are right now, is done now: whatever order there
 *   is without it, there is with it here.
 *
 * A call that never returned may have taken effect, at any time since it began, or not. What an
 * allocation would have granted is known only where others saw it; while there is one, NO_MEMORY is
 * always right, and, for a run, blocks in use and plain of nobody's. Nobody frees, splits, moves or
 * puts what an allocation grants before it returns, unless he has seen it.
 *
 * Cost (linear_random_test with POTAD_LINEAR_SPEED; a busy 2-core machine, -O2): 1.1 us for a usual
 * history, 12 calls of 3 threads, and 6 us for 20 calls at a time that are right. The worst of 20
 * calls at a time, all about one thing and one of them wrong in every order, takes 0.6 s: all 2^19
 * sets of the others are looked at, 20 turns each. A judge with 2^21 places decides all histories
 * of 20 calls that returned.
 */
#ifndef POTAD_STRESS_LINEAR_H
#define POTAD_STRESS_LINEAR_H

#include "stress/explore/sequential.h"

enum { LINEAR_TURNS_MAX = 64 };

enum linear_answer {
    LINEAR_YES,
    LINEAR_NO,
    LINEAR_UNDECIDED /* the history, or the search, takes more room than there is */
};

/* A judge, and why its latest answer was no. */
struct linear {
    /* The longest beginning of an order that was found, and the calls that could be next by their
     * time, none of which can by its answers: numbers in the record. Of calls that have to do with
     * each other only. */
    uint32_t prefix[LINEAR_TURNS_MAX];
    uint32_t stuck[LINEAR_TURNS_MAX];
    uint32_t prefix_count;
    uint32_t stuck_count;
    uint64_t states; /* how many sets of calls were looked at */

    /* The rest is the judge's own. */
    struct turn turns[LINEAR_TURNS_MAX]; /* by their return, the pending ones last */
    uint32_t numbers[LINEAR_TURNS_MAX];  /* of their calls */
    uint64_t before[LINEAR_TURNS_MAX];   /* sets of turns: those that must be done before, */
    uint64_t instead[LINEAR_TURNS_MAX];  /* and those of which only one can be */
    uint64_t required;                   /* those that have returned */
    uint32_t count;
    struct linear_node {
        uint64_t todo; /* not yet tried here */
        uint32_t turn; /* the one that led here */
        struct undo undo;
        bool changed;
    } nodes[LINEAR_TURNS_MAX + 1];
    struct sequential state;
    struct linear_seen {
        uint64_t done;
        uint64_t generation;
    } * seen;
    uint64_t seen_max; /* a power of two */
    uint64_t seen_mask;
    uint64_t seen_count;
    uint64_t generation;
};

/* Makes a judge that remembers 3/4 of 2^@seen_bits sets, 16 bytes each. Return: whether there was
 * memory; linear_close() in any case. */
bool linear_open(struct linear *linear, uint32_t seen_bits) __attribute__((warn_unused_result));
void linear_close(struct linear *linear);

/* Judges @calls. Never allocates. */
enum linear_answer judge_linear(struct linear *linear, const struct calls *calls,
                                const struct call_rules *rules);

#endif
