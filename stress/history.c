/* SPDX-License-Identifier: MIT */
#include "stress/history.h"

#include <stdlib.h>
#include <string.h>

/* NONE: no change. A look at what a search passed over costs at most LOOKS units. */
#define NONE UINT32_MAX
enum { CHANGES_MORE = 1 << 20, PIECES_MORE = 1 << 17, LOOKS = 64 };

bool history_open(struct history *history, const struct keyspace *keys)
{
    *history = (struct history){
        .keys = keys,
        .pieces_max = 3 * keys->units + PIECES_MORE,
        .changes_max = 4 * keys->units + CHANGES_MORE,
    };
    history->pieces = calloc(history->pieces_max, sizeof(*history->pieces));
    history->pieces_kept = calloc(history->pieces_max, sizeof(*history->pieces));
    history->changes = calloc(history->changes_max, sizeof(*history->changes));
    history->latest = calloc(keys->units, sizeof(*history->latest));
    if (history->pieces == NULL || history->pieces_kept == NULL || history->changes == NULL ||
        history->latest == NULL) {
        return false;
    }
    history_clear(history, 0);
    return true;
}

void history_close(struct history *history)
{
    free(history->pieces);
    free(history->pieces_kept);
    free(history->changes);
    free(history->latest);
}

void history_clear(struct history *history, uint64_t now)
{
    history->start = now;
    history->pieces_count = 0;
    history->changes_count = 0;
    history->live = 0;
    memset(history->latest, 0xff, history->keys->units * sizeof(*history->latest));
}

/* Adds a piece, without a look at what is there. */
static void piece_add(struct history *history, struct piece piece)
{
    uint32_t index = history->pieces_count++;
    ASSERT(index < history->pieces_max);
    history->pieces[index] = piece;
    history->live++;
    for (uint32_t unit = piece.first; unit <= piece.last; unit++) {
        uint32_t change = history->changes_count++;
        ASSERT(change < history->changes_max);
        history->changes[change] = (struct change){index, history->latest[unit]};
        history->latest[unit] = change;
    }
}

void history_restart(struct history *history, uint64_t now)
{
    struct piece *kept = history->pieces_kept;
    uint32_t count = 0;
    for (uint32_t i = 0; i < history->pieces_count; i++) {
        if (history->pieces[i].to == HISTORY_STILL) {
            kept[count++] = history->pieces[i];
        }
    }
    history_clear(history, now);
    for (uint32_t i = 0; i < count; i++) {
        kept[i].from = now;
        piece_add(history, kept[i]);
    }
}

/* One operation takes each unit at most once, and leaves two more pieces at most than it finds. */
bool history_has_room(const struct history *history)
{
    uint32_t units = history->keys->units;
    return history->pieces_max - history->pieces_count > units + 2 &&
           history->changes_max - history->changes_count > 2 * units;
}

/* The latest piece of @unit, there or not; NULL where there was none. */
static struct piece *piece_latest(const struct history *history, uint32_t unit)
{
    uint32_t change = history->latest[unit];
    return change == NONE ? NULL : &history->pieces[history->changes[change].piece];
}

const struct piece *history_now(const struct history *history, uint32_t unit)
{
    const struct piece *piece = piece_latest(history, unit);
    return piece != NULL && piece->to == HISTORY_STILL ? piece : NULL;
}

void history_cut(struct history *history, uint32_t first, uint32_t last, uint64_t now)
{
    for (uint32_t unit = first; unit <= last; unit++) {
        struct piece *piece = piece_latest(history, unit);
        if (piece == NULL || piece->to != HISTORY_STILL) {
            continue;
        }
        struct piece left = {piece->first, first - 1, piece->value, now, HISTORY_STILL};
        struct piece right = {last + 1, piece->last, piece->value, now, HISTORY_STILL};
        bool sticks_out = piece->first < first;
        unit = piece->last;
        piece->to = now;
        history->live--;
        if (sticks_out) {
            piece_add(history, left);
        }
        if (unit > last) {
            piece_add(history, right);
        }
    }
}

void history_put(struct history *history, uint32_t first, uint32_t last, uint64_t value,
                 uint64_t now)
{
    piece_add(history, (struct piece){first, last, value, now, HISTORY_STILL});
}

/* Whether @piece is what @read was told. */
static bool piece_matches(const struct history *history, const struct piece *piece,
                          const struct read *read)
{
    return piece->value == read->entry.value &&
           (read->kind == READ_VALUE ||
            (keyspace_first(history->keys, piece->first) == read->entry.first &&
             keyspace_last(history->keys, piece->last) == read->entry.last));
}

/* Whether what @read was told was there at some time of it, under @unit. */
static bool was_there(const struct history *history, uint32_t unit, const struct read *read)
{
    uint32_t change = history->latest[unit];
    while (change != NONE) {
        const struct piece *piece = &history->pieces[history->changes[change].piece];
        if (piece->to <= read->before) {
            return false;
        }
        if (piece->from <= read->after && piece_matches(history, piece, read)) {
            return true;
        }
        change = history->changes[change].earlier;
    }
    return false;
}

/* Whether nothing was under @unit at some time of @read. */
static bool was_empty(const struct history *history, uint32_t unit, const struct read *read)
{
    uint64_t end = HISTORY_STILL; /* of the time before what came later */
    uint32_t change = history->latest[unit];
    while (change != NONE && end > read->before) {
        const struct piece *piece = &history->pieces[history->changes[change].piece];
        if (piece->to < end && piece->to <= read->after) {
            return true;
        }
        end = piece->from;
        change = history->changes[change].earlier;
    }
    return change == NONE && end > history->start && end > read->before;
}

/* Whether one piece was under @unit during all of @read. */
static bool was_full(const struct history *history, uint32_t unit, const struct read *read)
{
    uint32_t change = history->latest[unit];
    while (change != NONE) {
        const struct piece *piece = &history->pieces[history->changes[change].piece];
        if (piece->to <= read->after) {
            return false;
        }
        if (piece->from <= read->before) {
            return true;
        }
        change = history->changes[change].earlier;
    }
    return false;
}

/* Whether a search from @from to @to (units, ascending) passed over anything; a sample if far. */
static bool passed_over(const struct history *history, uint32_t from, uint32_t to,
                        const struct read *read)
{
    uint32_t stride = 1 + (to - from) / LOOKS;
    for (uint32_t unit = from; unit <= to; unit += stride) {
        if (was_full(history, unit, read)) {
            return true;
        }
    }
    return false;
}

/* Whether the range that @read was told is one that may answer its key. */
static bool answers_key(const struct read *read)
{
    const struct range_entry *entry = &read->entry;
    bool from_key = entry->first <= read->key;
    bool to_key = entry->last >= read->key;
    switch (read->kind) {
    case READ_NEXT:
        return to_key;
    case READ_PREV:
        return from_key;
    case READ_LOAD:
        return from_key && to_key;
    default:
        return true;
    }
}

enum verdict history_judge(const struct history *history, const struct read *read)
{
    const struct keyspace *keys = history->keys;
    uint32_t unit = keyspace_unit(keys, read->key);
    bool by_key = read->kind == READ_VALUE || read->kind == READ_LOAD;
    if (!read->found && by_key) {
        return was_empty(history, unit, read) ? VERDICT_TRUE : VERDICT_PASSED_OVER;
    }
    if (read->found) {
        uint32_t told = by_key ? unit : keyspace_unit(keys, read->entry.first);
        if (!answers_key(read) || !was_there(history, told, read)) {
            return VERDICT_UNTRUE;
        }
    }
    bool passed = false;
    if (read->kind == READ_NEXT && (!read->found || read->entry.first > read->key)) {
        uint32_t end = read->found ? keyspace_unit(keys, read->entry.first) - 1 : keys->units - 1;
        passed = passed_over(history, unit, end, read);
    } else if (read->kind == READ_PREV && (!read->found || read->entry.last < read->key)) {
        uint32_t begin = read->found ? keyspace_unit(keys, read->entry.last) + 1 : 0;
        passed = passed_over(history, begin, unit, read);
    }
    return passed ? VERDICT_PASSED_OVER : VERDICT_TRUE;
}
