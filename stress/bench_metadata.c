/* SPDX-License-Identifier: MIT
 *
 * bench_metadata.c: the memory that the core keeps metadata in, a managed frame, by what is in use;
 * next to the 64 bytes of Linux' struct page and the record of the textbook buddy.
 */
#include "stress/bench.h"
#include "stress/bench_arena.h"
#include "stress/bench_turns.h"
#include "stress/textbook_buddy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINUX_BYTES = 64, LARGE_ORDER = 9 };

/* X(id, name, key) */
#define FILL_TABLE(X)                                                                              \
    X(FILL_EMPTY, "nothing in use", "empty")                                                       \
    X(FILL_HALF, "every other frame, order 0", "half_order_0")                                     \
    X(FILL_ZERO, "all, order 0", "full_order_0")                                                   \
    X(FILL_LARGE, "all, order 9", "full_order_9")

enum fill {
#define X(id, name, key) id,
    FILL_TABLE(X)
#undef X
        FILLS
};

/* Return: how many blocks of @order there were. */
static uint64_t take_all(struct bench_arena *arena, order_t order, struct buddy **blocks)
{
    const struct page_request request = {.order = order, .zone = ZONE_ANY};
    uint64_t count = 0;
    while (alloc_pages(arena->potad, &request, &blocks[count]) == STATUS_OK) {
        count++;
    }
    return count;
}

static double bytes_a_frame(enum block_map_kind kind, enum fill fill, uint64_t frames)
{
    struct bench_arena *arena = bench_memory_get(1, sizeof(*arena));
    struct buddy **blocks = bench_memory_get(frames, sizeof(struct buddy *));
    bench_arena_open(arena, kind, frames, 0);
    if (fill != FILL_EMPTY) {
        uint64_t count = take_all(arena, fill == FILL_LARGE ? LARGE_ORDER : 0, blocks);
        for (uint64_t i = 0; fill == FILL_HALF && i < count; i++) {
            if (blocks[i]->pfn % 2 != 0) {
                free_pages(arena->potad, blocks[i]);
            }
        }
    }
    double bytes =
        (double)(atomic_word_peek(&arena->exposed) << FRAME_SHIFT) / (double)arena->frames;
    bench_arena_close(arena);
    free(blocks);
    free(arena);
    return bytes;
}

json_t *bench_metadata(const struct bench_options *options)
{
    static const struct {
        const char *name;
        const char *key;
    } fills[FILLS] = {
#define X(id, text, name_json) [id] = {text, name_json},
        FILL_TABLE(X)
#undef X
    };
    json_t *rows = json_array();
    printf("metadata of %" PRIu64
           " frames, in bytes a frame; struct potad, of %zu bytes, is apart\n",
           options->arena_frames, sizeof(struct potad));
    printf("  %-28s %8s %10s %8s %9s\n", "in use", "core", "core-tree", "Linux", "textbook");
    for (unsigned fill = 0; fill < FILLS; fill++) {
        double table = bytes_a_frame(BLOCK_MAP_TABLE, (enum fill)fill, options->arena_frames);
        double tree = bytes_a_frame(BLOCK_MAP_TREE, (enum fill)fill, options->arena_frames);
        printf("  %-28s %8.2f %10.2f %8d %9zu\n", fills[fill].name, table, tree, LINUX_BYTES,
               sizeof(struct textbook_page));
        json_array_append_new(rows, json_pack("{s:s,s:f,s:f}", "in_use", fills[fill].key, "core",
                                              table, "core_tree", tree));
    }
    return json_pack("{s:I,s:o}", "arena_frames", (json_int_t)options->arena_frames, "bytes", rows);
}
