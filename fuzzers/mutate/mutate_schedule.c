/* SPDX-License-Identifier: MIT
 *
 * mutate_schedule.c: the bytes behind a program with threads: how, and choices, each a byte of its
 * own, those at the front and those at the back for different things (stress/explore). They stay
 * what they are where others come and go, so any byte can be moved.
 */
#include "fuzzers/mutate/mutation.h"

#include <string.h>

enum { RUN_BYTES_MAX = 16, HOWS = 4 };

/* Has room for @count bytes at @at. */
static uint8_t *open_bytes(struct mutate_buffer *behind, size_t at, size_t count)
{
    memmove(behind->data + at + count, behind->data + at, behind->size - at);
    behind->size += count;
    return behind->data + at;
}

static void cut_bytes(struct mutate_buffer *behind, size_t at, size_t count)
{
    memmove(behind->data + at, behind->data + at + count, behind->size - at - count);
    behind->size -= count;
}

/* Where a choice may stand: behind the first byte, which says how. */
static size_t place_of(struct mutator *mutator, const struct mutate_buffer *behind)
{
    return 1 + mutate_below(mutator, (uint32_t)behind->size);
}

static void insert_bytes(struct mutator *mutator, struct mutate_buffer *behind, size_t size_max)
{
    size_t room = size_max - behind->size;
    uint32_t count = mutate_few(mutator, (uint32_t)(room < RUN_BYTES_MAX ? room : RUN_BYTES_MAX));
    uint8_t *bytes = open_bytes(behind, place_of(mutator, behind), count);
    for (uint32_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)mutate_random(mutator);
    }
}

static void copy_bytes(struct mutator *mutator, struct mutate_buffer *behind, size_t size_max)
{
    uint8_t run[RUN_BYTES_MAX];
    size_t from = 1 + mutate_below(mutator, (uint32_t)behind->size - 1);
    size_t room = size_max - behind->size;
    size_t max = behind->size - from < room ? behind->size - from : room;
    size_t count = mutate_few(mutator, (uint32_t)(max < RUN_BYTES_MAX ? max : RUN_BYTES_MAX));
    memcpy(run, behind->data + from, count);
    memcpy(open_bytes(behind, place_of(mutator, behind), count), run, count);
}

/* Changes one choice: any other, or one a step longer, or another thread. */
static void change_byte(struct mutator *mutator, uint8_t *byte)
{
    enum { WHOM_SHIFT = 6 };
    switch (mutate_below(mutator, 4)) {
    case 0:
        *byte = (uint8_t)mutate_random(mutator);
        break;
    case 1:
        *byte = (uint8_t)(*byte + 1);
        break;
    case 2:
        *byte = (uint8_t)(*byte - 1);
        break;
    default:
        *byte ^= (uint8_t)((1 + mutate_below(mutator, 3)) << WHOM_SHIFT);
        break;
    }
}

static void change_once(struct mutator *mutator, struct mutate_buffer *behind, size_t size_max)
{
    bool full = behind->size == size_max;
    size_t choices = behind->size - 1;
    uint32_t kind = mutate_below(mutator, 16);
    if (kind == 0) {
        behind->data[0] ^= (uint8_t)(1 + mutate_below(mutator, HOWS - 1));
    } else if ((kind < 5 || choices == 0) && !full) {
        insert_bytes(mutator, behind, size_max);
    } else if (choices == 0) {
        behind->data[0] = (uint8_t)mutate_below(mutator, HOWS);
    } else if (kind < 8) {
        size_t at = 1 + mutate_below(mutator, (uint32_t)choices);
        cut_bytes(behind, at, mutate_few(mutator, (uint32_t)(behind->size - at)));
    } else if (kind < 10 && !full) {
        copy_bytes(mutator, behind, size_max);
    } else {
        change_byte(mutator, &behind->data[1 + mutate_below(mutator, (uint32_t)choices)]);
    }
}

/* At least the byte that says how. */
static void begin(struct mutator *mutator, struct mutate_buffer *behind, size_t size_max)
{
    if (behind->size == 0) {
        behind->data[behind->size++] = (uint8_t)mutate_below(mutator, HOWS);
    }
    behind->size = behind->size < size_max ? behind->size : size_max;
}

void mutate_schedule(struct mutator *mutator, struct mutate_buffer *behind, size_t size_max)
{
    enum { CHANGES_MAX = 4 };
    begin(mutator, behind, size_max);
    for (uint32_t count = mutate_few(mutator, CHANGES_MAX); count > 0; count--) {
        change_once(mutator, behind, size_max);
    }
}

void mutate_schedule_cross(struct mutator *mutator, struct mutate_buffer *behind,
                           const uint8_t *other, size_t other_size, size_t size_max)
{
    begin(mutator, behind, size_max);
    if (other_size < 2) {
        mutate_schedule(mutator, behind, size_max);
        return;
    }
    size_t at = place_of(mutator, behind);
    size_t from = 1 + mutate_below(mutator, (uint32_t)other_size - 1);
    size_t count = other_size - from;
    if (mutate_one_in(mutator, 2)) {
        behind->size = at; /* the beginning of this one, the end of the other */
    } else {
        count = 1 + mutate_below(mutator, (uint32_t)count);
    }
    size_t room = size_max - behind->size;
    count = count < room ? count : room;
    memcpy(open_bytes(behind, at, count), other + from, count);
}
