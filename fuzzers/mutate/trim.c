/* SPDX-License-Identifier: MIT */
#include "fuzzers/mutate/trim.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_FIRST = 2, /* one of so many parts goes first */
    CHUNK_LAST = 32, /* and one of so many last: an engine has other things to do, too */
    BEHIND_PARTS = 2,
    BEHIND_STEPS = 16
};

static void *reallocate(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes == 0 ? 1 : bytes);
    if (memory == NULL) {
        fprintf(stderr, "potad: no memory for an input of %zu bytes\n", bytes);
        abort();
    }
    return memory;
}

void trim_init(struct trim *trim, const struct case_limits *limits)
{
    *trim = (struct trim){.limits = limits};
    program_init(&trim->program);
    program_init(&trim->tried);
}

void trim_close(struct trim *trim)
{
    program_free(&trim->program);
    program_free(&trim->tried);
    free(trim->behind);
    free(trim->bytes);
    *trim = (struct trim){0};
}

static void copy_program(struct program *to, const struct program *from)
{
    to->map = from->map;
    to->slots = from->slots;
    to->cpus = from->cpus;
    to->ops_count = 0;
    for (uint32_t i = 0; i < from->ops_count; i++) {
        program_add(to, from->ops[i]);
    }
}

static uint32_t chunk_min(const struct trim *trim)
{
    uint32_t chunk = trim->program.ops_count / CHUNK_LAST;
    return chunk == 0 ? 1 : chunk;
}

/* No proposal is left. */
static bool ended(const struct trim *trim)
{
    return trim->chunk == 0 && trim->behind_bytes <= sizeof(CASE_MARK);
}

uint32_t trim_begin(struct trim *trim, const uint8_t *data, size_t size)
{
    size_t program_bytes = trim->limits->threads == 0 ? size : case_program_bytes(data, size);
    case_decode_any(&trim->program, data, size, trim->limits);
    trim->behind_bytes = size - program_bytes;
    trim->behind = reallocate(trim->behind, trim->behind_bytes);
    memcpy(trim->behind, data + program_bytes, trim->behind_bytes);
    trim->bytes = reallocate(trim->bytes, case_encoded_bytes(&trim->program) + trim->behind_bytes);
    trim->chunk = trim->program.ops_count / CHUNK_FIRST;
    trim->chunk = trim->chunk == 0 ? trim->program.ops_count : trim->chunk;
    trim->at = 0;
    trim->step = 0;
    /* Each chunk is half the one before, and is tried all along: fewer than this. */
    trim->steps = 4 * trim->program.ops_count + BEHIND_STEPS;
    bool larger = case_encoded_bytes(&trim->program) > program_bytes;
    trim->steps = larger || ended(trim) ? 0 : trim->steps;
    return trim->steps;
}

size_t trim_propose(struct trim *trim, const uint8_t **out)
{
    copy_program(&trim->tried, &trim->program);
    trim->behind_tried = trim->behind_bytes;
    if (trim->chunk > 0) {
        struct program *tried = &trim->tried;
        uint32_t left = tried->ops_count - trim->at;
        uint32_t count = trim->chunk < left ? trim->chunk : left;
        memmove(tried->ops + trim->at, tried->ops + trim->at + count,
                (left - count) * sizeof(*tried->ops));
        tried->ops_count -= count;
    } else {
        size_t behind = trim->behind_bytes - sizeof(CASE_MARK);
        trim->behind_tried -= (behind + BEHIND_PARTS - 1) / BEHIND_PARTS;
    }
    size_t bytes = case_encoded_bytes(&trim->tried);
    case_encode(&trim->tried, trim->bytes);
    memcpy(trim->bytes + bytes, trim->behind, trim->behind_tried);
    *out = trim->bytes;
    return bytes + trim->behind_tried;
}

/* Operations went, or stay: on to those behind them, or to smaller chunks. */
static void move_on(struct trim *trim, bool good)
{
    trim->at += good ? 0 : trim->chunk;
    if (trim->at < trim->program.ops_count) {
        return;
    }
    trim->at = 0;
    trim->chunk = trim->chunk <= chunk_min(trim) ? 0 : trim->chunk / 2;
    trim->chunk = trim->program.ops_count == 0 ? 0 : trim->chunk;
}

uint32_t trim_judge(struct trim *trim, bool good)
{
    bool behind = trim->chunk == 0;
    if (good) {
        copy_program(&trim->program, &trim->tried);
        trim->behind_bytes = trim->behind_tried;
    }
    if (!behind) {
        move_on(trim, good);
    }
    trim->step++;
    /* The end of a schedule goes as long as nobody misses it. */
    if (ended(trim) || (behind && !good)) {
        trim->step = trim->steps;
    }
    return trim->step;
}
