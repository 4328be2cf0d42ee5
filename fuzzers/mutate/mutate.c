/* SPDX-License-Identifier: MIT
 *
 * mutate.c: draws kinds of changes, and brings what they leave back into the limits of the target.
 */
#include "fuzzers/mutate/mutate.h"

#include "fuzzers/mutate/mutation.h"

#include <stdlib.h>
#include <string.h>

enum {
    STACKED_MAX = 6,    /* changes in one call, at most */
    TRIES_MAX = 8,      /* until one could be done, and something is different */
    PROGRAM_ONE_IN = 4, /* changes are of the program, the others of how it is scheduled: the
                         * explorer has looked into that program already */
    MARK_BYTES = sizeof(CASE_MARK) - 1
};

static bool (*const functions[MUTATIONS])(struct mutator *) = {
    [MUTATION_INSERT] = mutate_insert,
    [MUTATION_REPLACE] = mutate_replace,
    [MUTATION_DELETE] = mutate_delete,
    [MUTATION_DUPLICATE] = mutate_duplicate,
    [MUTATION_SWAP] = mutate_swap,
    [MUTATION_MOVE] = mutate_move,
    [MUTATION_TUNE] = mutate_tune,
    [MUTATION_FAULT_ADD] = mutate_fault_add,
    [MUTATION_FAULT_MOVE] = mutate_fault_move,
    [MUTATION_FAULT_REMOVE] = mutate_fault_remove,
    [MUTATION_IDIOM] = mutate_idiom,
    [MUTATION_SWARM] = mutate_swarm,
    [MUTATION_MAP] = mutate_map,
    [MUTATION_THREAD] = mutate_thread,
    [MUTATION_SPLICE] = mutate_splice,
};

static const uint8_t weights[MUTATIONS] = {
#define X(id, name, weight) [id] = (weight),
    MUTATION_TABLE(X)
#undef X
};

const char *mutation_name(enum mutation mutation)
{
    static const char *const names[MUTATIONS] = {
#define X(id, name, weight) [id] = (name),
        MUTATION_TABLE(X)
#undef X
    };
    return mutation < MUTATIONS ? names[mutation] : "?";
}

void mutator_init(struct mutator *mutator, const struct case_limits *limits)
{
    *mutator = (struct mutator){.limits = limits};
    program_init(&mutator->program);
    program_init(&mutator->other);
}

void mutator_close(struct mutator *mutator)
{
    program_free(&mutator->program);
    program_free(&mutator->other);
    free(mutator->bytes.data);
    free(mutator->behind.data);
    *mutator = (struct mutator){0};
}

void mutator_seed(struct mutator *mutator, uint64_t seed)
{
    mutator->random = seed;
}

uint32_t mutation_room(const struct mutator *mutator)
{
    const struct program *program = &mutator->program;
    size_t used = CASE_HEADER_BYTES + (size_t)program->map.ranges_count * CASE_RANGE_BYTES;
    size_t left = mutator->bytes_max > used ? mutator->bytes_max - used : 0;
    size_t room = left / CASE_OP_BYTES;
    room = room < mutator->limits->ops ? room : mutator->limits->ops;
    return room > program->ops_count ? (uint32_t)room - program->ops_count : 0;
}

static void *reallocate(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes);
    if (memory == NULL) {
        fprintf(stderr, "potad: no memory for an input of %zu bytes\n", bytes);
        abort();
    }
    return memory;
}

/* Has room for @bytes in @buffer. */
static void buffer_reserve(struct mutate_buffer *buffer, size_t bytes)
{
    if (bytes > buffer->room) {
        buffer->data = reallocate(buffer->data, bytes);
        buffer->room = bytes;
    }
    buffer->size = bytes;
}

/* Leaves out what bytes_max has no room for: ranges first, one stays. */
static void fit(struct mutator *mutator)
{
    struct program *program = &mutator->program;
    struct boot_map *map = &program->map;
    size_t room = mutator->bytes_max - CASE_HEADER_BYTES;
    while (map->ranges_count > 1 && (size_t)map->ranges_count * CASE_RANGE_BYTES > room) {
        map->ranges_count--;
        map->zones_count = map->ranges[map->ranges_count - 1].zone + 1;
    }
    room -= (size_t)map->ranges_count * CASE_RANGE_BYTES;
    if (program->ops_count > room / CASE_OP_BYTES) {
        program->ops_count = (uint32_t)(room / CASE_OP_BYTES);
    }
}

static void encode(struct mutator *mutator)
{
    buffer_reserve(&mutator->bytes, case_encoded_bytes(&mutator->program));
    case_encode(&mutator->program, mutator->bytes.data);
}

/* Brings the program back into the limits, and encodes it. The decoder of random bytes is the one
 * place that knows them all. */
static void settle(struct mutator *mutator)
{
    fit(mutator);
    encode(mutator);
    case_decode_any(&mutator->program, mutator->bytes.data, mutator->bytes.size, mutator->limits);
    encode(mutator);
}

static bool has_mark(const struct mutator *mutator, const uint8_t *data, size_t size)
{
    return mutator->limits->threads != 0 && case_program_bytes(data, size) < size;
}

/* Where the bytes of @data behind the mark begin; @size where there is none. */
static size_t behind_start(const struct mutator *mutator, const uint8_t *data, size_t size)
{
    return has_mark(mutator, data, size) ? case_program_bytes(data, size) + MARK_BYTES : size;
}

/* Takes an input apart: the program, and what is behind it. */
static void load(struct mutator *mutator, const uint8_t *data, size_t size, size_t size_max)
{
    size_t behind = behind_start(mutator, data, size);
    mutator->marked = has_mark(mutator, data, size);
    mutator->bytes_max = size_max - (mutator->limits->threads == 0 ? 0 : MARK_BYTES);
    case_decode_any(&mutator->program, data, size, mutator->limits);
    fit(mutator);
    buffer_reserve(&mutator->behind, size_max);
    mutator->behind.size = size - behind < size_max ? size - behind : size_max;
    if (mutator->behind.size > 0) {
        memcpy(mutator->behind.data, data + behind, mutator->behind.size);
    }
}

/* Puts the input together again, in mutator->bytes; the program's bytes go first. */
static void store(struct mutator *mutator, size_t size_max)
{
    settle(mutator);
    if (!mutator->marked) {
        return;
    }
    size_t at = mutator->bytes.size;
    size_t behind = mutator->behind.size;
    behind = behind < size_max - at - MARK_BYTES ? behind : size_max - at - MARK_BYTES;
    buffer_reserve(&mutator->bytes, at + MARK_BYTES + behind);
    memcpy(mutator->bytes.data + at, CASE_MARK, MARK_BYTES);
    if (behind > 0) {
        memcpy(mutator->bytes.data + at + MARK_BYTES, mutator->behind.data, behind);
    }
}

/* One kind of change by weight. Return: whether it could be done. */
static bool apply_one(struct mutator *mutator)
{
    unsigned kind = mutate_weighted(mutator, weights, MUTATIONS);
    if (!functions[kind](mutator)) {
        return false;
    }
    mutator->applied |= 1U << kind;
    return true;
}

/* Changes the program in a few ways at once. */
static void apply(struct mutator *mutator)
{
    uint32_t wanted = mutate_few(mutator, STACKED_MAX);
    for (uint32_t tries = 0; wanted > 0 && tries < STACKED_MAX * TRIES_MAX; tries++) {
        wanted -= apply_one(mutator) ? 1 : 0;
    }
}

/* The room for what is behind the program, with the mark before it. */
static size_t behind_room(const struct mutator *mutator, size_t size_max)
{
    size_t used = case_encoded_bytes(&mutator->program) + MARK_BYTES;
    return size_max > used ? size_max - used : 0;
}

static void change(struct mutator *mutator, size_t size_max)
{
    size_t room = behind_room(mutator, size_max);
    if (mutator->limits->threads == 0 || room == 0 || mutate_one_in(mutator, PROGRAM_ONE_IN)) {
        apply(mutator);
        return;
    }
    mutator->marked = true;
    mutate_schedule(mutator, &mutator->behind, room);
    mutator->applied |= 1U << MUTATION_SCHEDULE;
}

/* Where no case has room: any bytes, for the first of them are a header already. */
static size_t mutate_short(struct mutator *mutator, uint8_t *data, size_t size, size_t size_max)
{
    size_t wanted = size_max == 0 ? 0 : 1 + mutate_below(mutator, (uint32_t)size_max);
    for (size_t i = size < wanted ? size : mutate_below(mutator, (uint32_t)wanted + 1); i < wanted;
         i++) {
        data[i] = (uint8_t)mutate_random(mutator);
    }
    return wanted;
}

/* Whether there is room for a case, and a mark where there may be one. */
static bool has_room(const struct mutator *mutator, size_t size_max)
{
    return size_max >= MUTATE_BYTES_MIN + (mutator->limits->threads == 0 ? 0 : MARK_BYTES);
}

size_t mutator_mutate(struct mutator *mutator, uint8_t *data, size_t size, size_t size_max)
{
    mutator->applied = 0;
    size = size < size_max ? size : size_max;
    if (!has_room(mutator, size_max)) {
        return mutate_short(mutator, data, size, size_max);
    }
    load(mutator, data, size, size_max);
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        change(mutator, size_max);
        store(mutator, size_max);
        if (mutator->bytes.size != size || memcmp(data, mutator->bytes.data, size) != 0) {
            break;
        }
    }
    memcpy(data, mutator->bytes.data, mutator->bytes.size);
    return mutator->bytes.size;
}

size_t mutator_cross(struct mutator *mutator, const uint8_t *one, size_t one_size,
                     const uint8_t *other, size_t other_size, uint8_t *out, size_t size_max)
{
    mutator->applied = 0;
    if (!has_room(mutator, size_max)) {
        size_t size = one_size < size_max ? one_size : size_max;
        memcpy(out, one, size);
        return mutate_short(mutator, out, size, size_max);
    }
    size_t behind = behind_start(mutator, other, other_size);
    load(mutator, one, one_size, size_max);
    size_t room = behind_room(mutator, size_max);
    if (!mutator->marked || behind == other_size || mutate_one_in(mutator, PROGRAM_ONE_IN)) {
        case_decode_any(&mutator->other, other, other_size, mutator->limits);
        mutate_splice(mutator);
        mutator->applied |= 1U << MUTATION_SPLICE;
    } else {
        mutate_schedule_cross(mutator, &mutator->behind, other + behind, other_size - behind, room);
        mutator->applied |= 1U << MUTATION_SCHEDULE;
    }
    store(mutator, size_max);
    memcpy(out, mutator->bytes.data, mutator->bytes.size);
    return mutator->bytes.size;
}

void mutator_describe(const struct mutator *mutator, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (unsigned kind = 0; kind < MUTATIONS; kind++) {
        if ((mutator->applied & 1U << kind) != 0 && at + 1 < size) {
            int wrote = snprintf(text + at, size - at, "%s%s", at == 0 ? "" : ",",
                                 mutation_name((enum mutation)kind));
            at += wrote > 0 ? (size_t)wrote : 0;
        }
    }
}
