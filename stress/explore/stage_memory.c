/* SPDX-License-Identifier: MIT
 *
 * stage_memory.c: what executions change, how it was before, and at which ends of executions it has
 * been checked. Of most programs, thousands of executions come to a few dozen ends.
 */
#include "stress/explore/image.h"
#include "stress/explore/stage_internal.h"

#include <stdlib.h>
#include <string.h>

enum { ENDS_MAX = 1 << 13 };

/* In whole lines. */
static size_t lines_bytes(size_t bytes)
{
    return (bytes + IMAGE_LINE_BYTES - 1) / IMAGE_LINE_BYTES * IMAGE_LINE_BYTES;
}

static size_t instance_bytes(const struct stage *stage)
{
    return lines_bytes(stage->options.subject->instance_bytes);
}

_Static_assert(sizeof(struct stage_state) % IMAGE_LINE_BYTES == 0, "whole lines");

void *stage_allocate(size_t bytes)
{
    void *memory = aligned_alloc(IMAGE_LINE_BYTES, lines_bytes(bytes));
    return memory == NULL ? NULL : memset(memory, 0, lines_bytes(bytes));
}

bool stage_memory_open(struct stage *stage)
{
    stage->instance = stage_allocate(instance_bytes(stage));
    stage->instance_kept = stage_allocate(instance_bytes(stage));
    stage->ends.hashes = calloc(ENDS_MAX, sizeof(*stage->ends.hashes));
    return stage->instance != NULL && stage->instance_kept != NULL && stage->ends.hashes != NULL &&
           arena_open(&stage->memory, &stage->program->map);
}

void stage_memory_close(struct stage *stage)
{
    arena_close(&stage->memory);
    free(stage->instance);
    free(stage->instance_kept);
    free(stage->ends.hashes);
}

void stage_memory_keep(struct stage *stage)
{
    arena_keep(&stage->memory);
    image_copy(stage->instance_kept, stage->instance, instance_bytes(stage));
    image_copy(&stage->state_kept, &stage->state, sizeof(stage->state));
}

void stage_memory_restore(struct stage *stage)
{
    bool ended[STAGE_SLOTS];
    for (uint32_t i = 0; i < STAGE_SLOTS; i++) {
        ended[i] = descriptor_has_ended(&stage->state.blocks[i].descriptor);
    }
    if (stage->lines_noted) {
        arena_restore(&stage->memory, true);
        image_restore_lines(&stage->lines);
    } else {
        arena_restore(&stage->memory, false);
        image_restore(stage->instance, stage->instance_kept, instance_bytes(stage));
        image_restore(&stage->state, &stage->state_kept, sizeof(stage->state));
    }
    stage->lines_noted = false;
    for (uint32_t i = 0; i < STAGE_SLOTS; i++) {
        struct descriptor *descriptor = &stage->state.blocks[i].descriptor;
        if (descriptor_has_ended(descriptor) != ended[i]) {
            descriptor_restored(descriptor);
        }
    }
}

static uint64_t memory_hash(struct stage *stage)
{
    struct image_lines *lines = &stage->lines;
    lines->count = 0;
    lines->overflow = false;
    uint64_t hash = arena_hash(&stage->memory, 1, lines);
    hash = image_hash(hash, stage->instance, stage->instance_kept, instance_bytes(stage), lines);
    return image_hash(hash, &stage->state, &stage->state_kept, sizeof(stage->state), lines);
}

/* Where @end is, or would be. */
static uint64_t *place_of(const struct ends *ends, uint64_t end)
{
    uint64_t index = end % ENDS_MAX;
    while (ends->hashes[index] != 0 && ends->hashes[index] != end) {
        index = (index + 1) % ENDS_MAX;
    }
    return &ends->hashes[index];
}

bool stage_end_is_known(struct stage *stage, uint64_t *end)
{
    *end = memory_hash(stage);
    bool known = *end != 0 && *place_of(&stage->ends, *end) == *end;
    /* Nothing changes any more: what differs is what the next execution has to put back. */
    stage->lines_noted = known && !stage->lines.overflow;
    return known;
}

void stage_end_note(struct stage *stage, uint64_t end)
{
    if (stage->ends.count < ENDS_MAX / 2) {
        *place_of(&stage->ends, end) = end;
        stage->ends.count++;
    }
}
