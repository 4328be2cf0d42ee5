/* SPDX-License-Identifier: MIT
 *
 * executor_range.c: what operations on a map by ranges mean in keys.
 */
#include "fuzzers/executor_internal.h"

#include <stdio.h>
#include <stdlib.h>

struct span {
    uint64_t first;
    uint64_t last;
};

/* @units of 2^@shift keys, or as many as there can be. */
static uint64_t scaled(uint64_t units, unsigned shift)
{
    bool fits = shift == 0 || units >> (64 - shift) == 0;
    return fits ? units << shift : UINT64_MAX;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static struct span mirrored(const struct case_op *op, struct span span)
{
    return op->type == 0 ? span : (struct span){UINT64_MAX - span.last, UINT64_MAX - span.first};
}

/* The keys of @op; limits the wrong way round where it has none. */
static struct span op_span(const struct case_op *op)
{
    uint64_t first = scaled(op->value, op->order);
    if (op->count == 0) {
        first = first == 0 ? 1 : first;
        return mirrored(op, (struct span){first, first - 1});
    }
    return mirrored(op, (struct span){first, sum(first, scaled(op->count, op->order) - 1)});
}

static uint64_t op_key(const struct case_op *op)
{
    uint64_t key = scaled(op->value, op->order);
    return mirrored(op, (struct span){key, key}).first;
}

static void run_gap(struct harness *harness, const struct case_op *op)
{
    uint64_t size = scaled(op->count, op->order);
    uint64_t window;
    struct span span = {scaled(op->value, op->order), UINT64_MAX};
    if (op->zone > 0 && size > 0 && !__builtin_mul_overflow(size, op->zone, &window)) {
        span.last = sum(span.first, window - 1);
    }
    span = mirrored(op, span);
    struct range_gap_request request = {
        .first = span.first,
        .last = span.last,
        .size = size,
        .align = (uint64_t)1 << op->align,
        .from_above = op->slot != 0,
    };
    harness_range_gap(harness, &request);
}

/* How the entries of a build lie. */
enum pattern {
    PATTERN_DENSE,  /* one unit each, side by side */
    PATTERN_EVEN,   /* one unit each, and one between */
    PATTERN_MIXED,  /* up to 4 units, up to 3 between */
    PATTERN_UNEVEN, /* odd numbers of keys, far apart: no two on multiples of a unit */
    PATTERNS
};

enum { PATTERN_WRONG = 12 }; /* from here on, one entry is wrong */

static struct span pattern_next(enum pattern pattern, uint64_t at, unsigned shift, uint64_t random)
{
    uint64_t units = 1;
    uint64_t between = 0;
    switch (pattern) {
    case PATTERN_EVEN:
        between = 1;
        break;
    case PATTERN_MIXED:
        units = 1 + random % 4;
        between = random / 4 % 4;
        break;
    case PATTERN_UNEVEN:
        units = 1 + random % 0x10000;
        between = random / 0x10000 % 0x100000;
        break;
    default:
        break;
    }
    uint64_t first = sum(at, scaled(between, shift));
    return (struct span){first, sum(first, scaled(units, shift) - 1)};
}

/* Spoils the entry at @at, which is not the first. */
static void spoil(struct range_entry *entries, uint64_t at, enum pattern how)
{
    switch (how) {
    case PATTERN_DENSE: /* overlaps the one before */
        entries[at].first = entries[at - 1].last;
        break;
    case PATTERN_EVEN: /* has no value */
        entries[at].value = 0;
        break;
    default: { /* lies before the one before */
        struct range_entry before = entries[at - 1];
        entries[at - 1] = entries[at];
        entries[at] = before;
        break;
    }
    }
}

/* Return: how many entries there are before the keys end. */
static uint64_t fill_entries(const struct case_op *op, struct range_entry *entries)
{
    enum pattern pattern = (enum pattern)(op->align % PATTERNS);
    uint64_t random = (uint64_t)op->align << 32 | op->value;
    uint64_t at = scaled(op->value, op->order);
    uint64_t count = 0;
    while (count < op->count && at != UINT64_MAX) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        struct span span = pattern_next(pattern, at, op->order, random >> 24);
        entries[count++] = (struct range_entry){span.first, span.last, 1};
        at = sum(span.last, 1);
    }
    if (op->align >= PATTERN_WRONG && count > 1) {
        spoil(entries, 1 + random % (count - 1), pattern);
    }
    return count;
}

static void run_build(struct harness *harness, const struct case_op *op)
{
    struct range_entry *entries = malloc((op->count + 1U) * sizeof(*entries));
    if (entries == NULL) {
        fprintf(stderr, "potad: no memory for %u entries\n", op->count);
        abort();
    }
    harness_range_build(harness, entries, fill_entries(op, entries));
    free(entries);
}

void executor_run_range(struct harness *harness, const struct case_op *op)
{
    struct span span = op_span(op);
    if (!harness_range_open(harness)) {
        return;
    }
    switch ((enum op)op->op) {
    case OP_RANGE_STORE:
    case OP_RANGE_STORE_EMPTY:
        harness_range_store(harness, span.first, span.last, op->op == OP_RANGE_STORE_EMPTY);
        break;
    case OP_RANGE_ERASE:
        harness_range_erase(harness, op_key(op));
        break;
    case OP_RANGE_CLEAR:
        harness_range_clear(harness, span.first, span.last);
        break;
    case OP_RANGE_LOAD:
        harness_range_load(harness, op_key(op));
        break;
    case OP_RANGE_GAP:
        run_gap(harness, op);
        break;
    case OP_RANGE_PREPARE:
        harness_range_prepare(harness, op->count);
        break;
    case OP_RANGE_BUILD:
        run_build(harness, op);
        break;
    case OP_RANGE_ENTER:
        harness_range_enter(harness, op->zone % CASE_SECTIONS);
        break;
    case OP_RANGE_EXIT:
        harness_range_exit(harness, op->zone % CASE_SECTIONS);
        break;
    default:
        break;
    }
}
