/* SPDX-License-Identifier: MIT
 *
 * history.h: what was stored under each unit of the keys, and when; and whether what a reader was
 * told agrees with it.
 *
 *   unit 6  ├── piece 3: value 9 ──┤              ├── piece 8: value 14 ──────
 *   unit 7  ├── piece 3: value 9 ──┼── piece 5: value 11 ──┤
 *   time    4                      9              12       15
 *
 * Time is counted in operations of the one writer. It says before operation n that n has begun, and
 * after it that n is done. A reader notes what was done before its call and what had begun after
 * it. What operation i stored and operation j took away may be what a call was told if i had begun
 * when it ended, and j was not done when it began; it was there all the time if i was done when it
 * began and j had not begun when it ended.
 *
 * Written by the writer's thread alone, read while it stands still: nothing here orders threads.
 */
#ifndef POTAD_STRESS_HISTORY_H
#define POTAD_STRESS_HISTORY_H

#include "core/range_tree.h"
#include "stress/keyspace.h"

#define HISTORY_STILL UINT64_MAX /* nothing has taken it away */

/* A range as it was from one operation to another; whole units, and a value that is only its own
 * and that of other pieces cut from the same store. */
struct piece {
    uint32_t first; /* units */
    uint32_t last;
    uint64_t value;
    uint64_t from;
    uint64_t to; /* or HISTORY_STILL */
};

/* That a unit became part of a piece. */
struct change {
    uint32_t piece;
    uint32_t earlier; /* the change before, of the same unit, or none */
};

struct history {
    const struct keyspace *keys;
    uint64_t start; /* all before is forgotten */
    struct piece *pieces;
    struct piece *pieces_kept; /* as many, for history_restart() */
    struct change *changes;
    uint32_t *latest; /* change of each unit, or none */
    uint32_t pieces_count;
    uint32_t pieces_max;
    uint32_t changes_count;
    uint32_t changes_max;
    uint32_t live; /* pieces that nothing has taken away */
};

/* A reader's call and what it was told. */
struct read {
    enum read_kind { READ_VALUE, READ_LOAD, READ_NEXT, READ_PREV } kind;
    bool found;
    uint64_t key;
    struct range_entry entry; /* of READ_VALUE, the value only */
    uint64_t before;          /* operations that were done before */
    uint64_t after;           /* and that had begun after */
};

enum verdict {
    VERDICT_TRUE,
    VERDICT_UNTRUE,     /* what was told was not there at any time of the call */
    VERDICT_PASSED_OVER /* what was there all the time was not told */
};

/* Makes a history of nothing stored. Return: whether there was memory; history_close() in any
 * case. */
bool history_open(struct history *history, const struct keyspace *keys)
    __attribute__((warn_unused_result));
void history_close(struct history *history);

/* Forgets all that has been, and all that is. */
void history_clear(struct history *history, uint64_t now);

/* Forgets all that is no more at @now, when nobody reads. */
void history_restart(struct history *history, uint64_t now);

/* Whether there is room for any one operation. */
bool history_has_room(const struct history *history);

/* The piece that @unit is in now, or NULL. */
const struct piece *history_now(const struct history *history, uint32_t unit);

/* Operation @now takes the units from @first to @last away from all; what sticks out stays. */
void history_cut(struct history *history, uint32_t first, uint32_t last, uint64_t now);

/* Operation @now stores @value there, where nothing is. */
void history_put(struct history *history, uint32_t first, uint32_t last, uint64_t value,
                 uint64_t now);

/* Judges @read, all of which is after the last history_restart(). */
enum verdict history_judge(const struct history *history, const struct read *read);

#endif
