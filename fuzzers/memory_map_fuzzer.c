/* SPDX-License-Identifier: MIT
 *
 * memory_map_fuzzer: what any text says of a machine's memory is a map that a case can hold, and is
 * the same map where it is said once more, line by line; what is refused is refused for a reason.
 */
#include "fuzzers/fuzz_reader.h"
#include "fuzzers/fuzz_target.h"
#include "fuzzers/memory_map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const class_names[ZONE_CLASSES] = {
#define X(id, name) [id] = (name),
    ZONE_CLASS_TABLE(X)
#undef X
};

/* Says all of @map in the words of memory_map.h. */
static void map_say(FILE *out, const struct boot_map *map)
{
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        const struct zone_config *zone = &map->zones[range->zone];
        uint64_t start = range->start << FRAME_SHIFT;
        uint64_t last = ((range->start + range->frames) << FRAME_SHIFT) - 1;
        fprintf(out, "BIOS-e820: [mem %#" PRIx64 "-%#" PRIx64 "] %s\n", start, last,
                range->unaccepted ? "unaccepted" : "usable");
        fprintf(out, "zone %s %#" PRIx64 "-%#" PRIx64 "\n", class_names[zone->zone_class], start,
                last);
        fprintf(out, "node %u %#" PRIx64 "-%#" PRIx64 "\n", zone->node, start, last);
    }
}

static bool maps_are_same(const struct boot_map *a, const struct boot_map *b)
{
    bool same = a->ranges_count == b->ranges_count && a->zones_count == b->zones_count;
    for (uint32_t i = 0; same && i < a->ranges_count; i++) {
        const struct range *left = &a->ranges[i];
        const struct range *right = &b->ranges[i];
        same = left->start == right->start && left->frames == right->frames &&
               left->zone == right->zone && left->unaccepted == right->unaccepted &&
               a->zones[left->zone].zone_class == b->zones[right->zone].zone_class &&
               a->zones[left->zone].node == b->zones[right->zone].node;
    }
    return same;
}

static void check_said_again(const struct boot_map *map)
{
    struct boot_map again;
    struct case_error error;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (file == NULL) {
        abort();
    }
    map_say(file, map);
    if (fclose(file) != 0) {
        abort();
    }
    if (!memory_map_parse(&again, text, size, &error)) {
        fuzz_reader_fail(READER_ROUND_TRIP, "said again it is refused: %s, in\n%s", error.text,
                         text);
    }
    if (!maps_are_same(map, &again)) {
        fuzz_reader_fail(READER_ROUND_TRIP, "said again it is another map:\n%s", text);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program program;
    struct case_error error;
    fuzz_reader_begin();
    program_init(&program);
    if (memory_map_parse(&program.map, (const char *)data, size, &error)) {
        fuzz_reader_check_program(&program);
        check_said_again(&program.map);
        fuzz_reader_add(program.map.ranges_count, NULL, 0);
    } else {
        fuzz_reader_check_reason(error.text);
    }
    program_free(&program);
    return 0;
}
