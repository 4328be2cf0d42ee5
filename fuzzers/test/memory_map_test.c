/* SPDX-License-Identifier: MIT
 *
 * memory_map_test.c: maps of machines as text, good and bad; and the core on those that are
 * shipped, the largest of which has 1.5 TB.
 */
#include "fuzzers/memory_map.h"

#include "fuzzers/harness.h"
#include "fuzzers/input.h"
#include "fuzzers/subject_range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *what;
    const char *text;
    const char *ranges; /* as a case has them */
} good_texts[] = {
    {"/proc/iomem: what is not memory and what is indented is passed over",
     "00000000-00000fff : Reserved\n"
     "01000000-01ffffff : System RAM\n"
     "  01000000-011fffff : Kernel code\n"
     "  01200000-012fffff : System RAM\n"
     "fd000000-ffffffff : PCI Bus 0000:00\n",
     "range zone=0 start=0x1000 frames=4096\n"},
    {"e820, with and without the time; types that are no memory",
     "[    0.000000] BIOS-e820: [mem 0x0000000001000000-0x0000000001ffffff] usable\n"
     "[    0.000000] BIOS-e820: [mem 0x0000000002000000-0x0000000002ffffff] reserved\n"
     "BIOS-e820: [mem 0x03000000-0x03000fff] ACPI data\n"
     "BIOS-e820: [mem 0x03001000-0x03001fff] ACPI NVS\n"
     "BIOS-e820: [mem 0x03002000-0x03002fff] persistent (type 12)\n"
     "BIOS-e820: [mem 0x03003000-0x03003fff] type 20\n"
     "BIOS-e820: [mem 0x04000000-0x04ffffff] usable\n",
     "range zone=0 start=0x1000 frames=4096\n"
     "range zone=0 start=0x4000 frames=4096\n"},
    {"below 16 MiB is dma", "00000000-01ffffff : System RAM",
     "range zone=0 start=0 frames=4096 class=dma\n"
     "range zone=1 start=0x1000 frames=4096\n"},
    {"unaccepted, by each name",
     "01000000-01ffffff : Unaccepted Memory\n"
     "02000000-02ffffff : unaccepted\n"
     "BIOS-e820: [mem 0x03000000-0x03ffffff] unaccepted\n"
     "04000000-04ffffff : System RAM\n",
     "range zone=0 start=0x1000 frames=12288 unaccepted\n"
     "range zone=0 start=0x4000 frames=4096\n"},
    {"whole frames only",
     "01000001-01003ffe : System RAM\n"
     "01004001-01005ffe : System RAM\n"
     "01006000-01006ffe : System RAM\n",
     "range zone=0 start=0x1001 frames=2\n"},
    {"neighbours are one range",
     "01000000-01ffffff : System RAM\n"
     "02000000-02ffffff : System RAM\n",
     "range zone=0 start=0x1000 frames=8192\n"},
    {"nodes and zones cut memory; they may stand behind it",
     "00000000-0fffffff : System RAM # all of it\r\n"
     "\n"
     "# four quarters\n"
     "zone normal 0-3ffffff\n"
     "  zone movable 0x8000000-0xfffffff\n"
     "node 1 0x4000000-0xbffffff\n"
     "node 3 0xc000000-0xfffffff\n",
     "range zone=0 start=0 frames=16384\n"
     "range zone=1 start=0x4000 frames=16384 node=1\n"
     "range zone=2 start=0x8000 frames=16384 class=movable node=1\n"
     "range zone=3 start=0xc000 frames=16384 class=movable node=3\n"},
    {"upper and lower case, leading zeros", "0000000001ABC000-0000000001abcFFF : System RAM\n",
     "range zone=0 start=0x1abc frames=1\n"},
};

static void memory_map_parse_takes_good_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(good_texts); i++) {
        struct boot_map map;
        struct case_error error;
        char *printed = NULL;
        size_t size = 0;
        const char *text = good_texts[i].text;
        if (!memory_map_parse(&map, text, strlen(text), &error)) {
            fail_msg("%s: %s", good_texts[i].what, error.text);
        }
        FILE *stream = open_memstream(&printed, &size);
        assert_non_null(stream);
        case_print_map(stream, &map);
        fclose(stream);
        if (strcmp(printed, good_texts[i].ranges) != 0) {
            fail_msg("%s:\n%s", good_texts[i].what, printed);
        }
        free(printed);
    }
}

#define RAM "01000000-01ffffff : System RAM\n"

static const struct {
    const char *text;
    const char *error;
} bad_texts[] = {
    {"", "line 0: no whole frame of memory"},
    {"# nothing\n", "line 1: no whole frame of memory"},
    {"00000000-00000000 : System RAM\n", "line 1: no whole frame of memory"},
    {RAM "frobnicate\n", "line 2: not of /proc/iomem"},
    {RAM "02000000-02ffffff\n", "line 2: not of /proc/iomem"},
    {RAM "02000000-02ffffff : \n", "line 2: not of /proc/iomem"},
    {RAM "02000000 : System RAM\n", "line 2: not of /proc/iomem"},
    {RAM "  indented\n", "line 2: not of /proc/iomem"},
    {RAM "[    0.000000\n", "line 2: not of /proc/iomem"},
    {RAM "BIOS-e820: [mem 0x02000000-0x02ffffff usable\n", "line 2: not of /proc/iomem"},
    {RAM "BIOS-e820: [mem 0x02000000-0x02ffffff] usabel\n", "line 2: unknown type 'usabel'"},
    {RAM "03000000-02ffffff : System RAM\n", "line 2: it ends before it starts"},
    {RAM "01fff000-02ffffff : System RAM\n", "line 2: it overlaps what line 1 says"},
    {RAM "BIOS-e820: [mem 0x0-0x1000fff] unaccepted\n", "line 2: it overlaps what line 1 says"},
    {RAM "00100000-00ffffff : System RAM\n", "line 2: it lies below the memory of line 1"},
    {RAM "02000000-10000000000fff : System RAM\n", "line 2: addresses have 52 bits"},
    {RAM "02000000-fffffffffffffffff : System RAM\n", "line 2: addresses have 52 bits"},
    {RAM "200000000000-200000000fff : System RAM\n", "line 2: a range or a hole of 16 TiB"},
    {"01000000-200000000000 : System RAM\n", "line 1: a range or a hole of 16 TiB"},
    {RAM "node 4 0-ffffff\n", "line 2: nodes are 0 to 3"},
    {RAM "node 1\n", "line 2: START-END is expected"},
    {RAM "node 1 0-ffffff usable\n", "line 2: START-END is expected"},
    {RAM "node 1 0-1000\n", "line 2: it cuts a frame"},
    {RAM "node 1 0-ffffff\nnode 2 fff000-1ffffff\n", "line 3: it overlaps what line 2 says"},
    {RAM "node 1 ffffff-0\n", "line 2: it ends before it starts"},
    {"BIOS-e820: [mem 0-ffffff] us\033able\n", "line 1: unknown type 'us?able'"},
    {RAM "zone frobnicate 0-ffffff\n", "line 2: unknown zone class"},
    {RAM "zone dma 0-ffffff\nzone dma 0-ffffff\n", "line 3: it overlaps what line 2 says"},
};

static void memory_map_parse_names_line_of_bad_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(bad_texts); i++) {
        struct boot_map map;
        struct case_error error = {.text = "nothing"};
        const char *text = bad_texts[i].text;
        bool parsed = memory_map_parse(&map, text, strlen(text), &error);
        if (parsed || strncmp(error.text, bad_texts[i].error, strlen(bad_texts[i].error)) != 0) {
            fail_msg("%s\nsays %s\nnot  %s", text, error.text, bad_texts[i].error);
        }
    }
}

/* @count frames with holes between, and what @after_each says of each. */
static char *many_frames(unsigned count, const char *after_each)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    for (unsigned i = 0; i < count; i++) {
        unsigned at = 0x1000 + 2 * i;
        fprintf(stream, "%x000-%xfff : System RAM\n", at, at);
        if (i % 2 != 0 && after_each != NULL) {
            fprintf(stream, after_each, at, at);
        }
    }
    fclose(stream);
    return text;
}

static void memory_map_parse_keeps_limits(void **state)
{
    (void)state;
    const struct {
        unsigned count;
        const char *after_each;
        const char *error; /* NULL: it is within them */
    } cases[] = {
        {RANGES_MAX, NULL, NULL},
        {RANGES_MAX + 1, NULL, "line 33: more than 32 ranges"},
        {200, NULL, "line 129: more than 128 such lines"},
        {ZONES_MAX, "node 1 %x000-%xfff\n", NULL},
        {ZONES_MAX + 1, "zone highmem %x000-%xfff\n", "line 13: more than 8 zones"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct boot_map map;
        struct case_error error = {.text = "nothing"};
        char *text = many_frames(cases[i].count, cases[i].after_each);
        assert_int_equal(memory_map_parse(&map, text, strlen(text), &error),
                         cases[i].error == NULL);
        assert_string_equal(error.text, cases[i].error == NULL ? "nothing" : cases[i].error);
        free(text);
    }
}

static void read_shipped(const char *name, struct boot_map *map)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", POTAD_MAPS, name);
    assert_true(input_read_map(path, map));
}

static uint64_t frames_of(const struct boot_map *map, bool unaccepted)
{
    uint64_t frames = 0;
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        frames += map->ranges[i].unaccepted == unaccepted ? map->ranges[i].frames : 0;
    }
    return frames;
}

struct shipped {
    const char *name;
    uint32_t zones;
    enum zone_class last_class;
    uint32_t last_node;
    uint64_t mib;            /* firmware may keep some of it */
    uint64_t mib_unaccepted; /* of it */
};

static void assert_map(const struct shipped *shipped, const struct boot_map *map)
{
    enum { MIB_KEPT_MAX = 512 };
    const struct zone_config *last = &map->zones[map->zones_count - 1];
    uint64_t unaccepted = frames_of(map, true) >> 8;
    uint64_t mib = (frames_of(map, false) >> 8) + unaccepted;
    assert_int_equal(map->zones_count, shipped->zones);
    assert_int_equal(last->zone_class, shipped->last_class);
    assert_int_equal(last->node, shipped->last_node);
    assert_in_range(mib, shipped->mib - MIB_KEPT_MAX, shipped->mib);
    assert_in_range(unaccepted + MIB_KEPT_MAX, shipped->mib_unaccepted,
                    shipped->mib_unaccepted + MIB_KEPT_MAX);
}

/* What each shipped map is shipped for, and that every core boots from it, grants and takes back.
 */
static void memory_map_boots_every_shipped_map(void **state)
{
    (void)state;
    static const struct shipped all_shipped[] = {
        {"laptop.e820", 2, ZONE_NORMAL, 0, 16 << 10, 0},
        {"two-node-1.5tb.iomem", 3, ZONE_NORMAL, 1, 1536 << 10, 0},
        {"highmem-i386.e820", 3, ZONE_HIGHMEM, 0, 4 << 10, 0},
        {"confidential-guest.e820", 2, ZONE_NORMAL, 0, 8 << 10, (8 << 10) - 64},
    };
    static const char *const names[] = {"core", "core-tree", "core-both"};
    for (size_t i = 0; i < LENGTH(all_shipped) * LENGTH(names); i++) {
        const struct shipped *shipped = &all_shipped[i / LENGTH(names)];
        struct boot_map map;
        struct harness harness;
        read_shipped(shipped->name, &map);
        assert_map(shipped, &map);
        struct subject_request request = {.order = 9, .zone = map.zones_count - 1};
        harness_init(&harness, subject_find(names[i % LENGTH(names)]), 1);
        assert_true(harness_boot(&harness, &map));
        assert_true(harness_alloc(&harness, &request, 0));
        harness_validate(&harness);
        harness_free(&harness, 0);
        harness_shrink(&harness);
        harness_validate(&harness);
        harness_check_whole(&harness);
        assert_false(harness_violated(&harness));
        harness_close(&harness);
    }
}

/* A word in the middle of a block of 512 GiB is not read by validation, but counted. */
static void space_validate_counts_words_of_large_blocks(void **state)
{
    (void)state;
    const pfn_t stray = ((pfn_t)1 << 28) + 12345678;
    struct boot_map map;
    struct harness harness;
    struct violation violation;
    read_shipped("two-node-1.5tb.iomem", &map);
    harness_init(&harness, subject_find("core"), 1);
    assert_true(harness_boot(&harness, &map));
    struct potad *potad = &((struct subject_core_instance *)harness.instance)->potad;
    struct space *zone = &potad->zones[map.zones_count - 1];
    struct frame_entry block = block_map_find(&zone->map, stray);
    assert_int_equal(memdesc_head(block.word)->order, 27);
    assert_true(potad_validate(potad, &violation));
    block_map_write(&zone->map, stray, block.word);
    assert_false(potad_validate(potad, &violation));
    assert_int_equal(violation.invariant, INVARIANT_HEAD_WORD);
    block_map_write(&zone->map, stray, 0);
    assert_true(potad_validate(potad, &violation));
    harness_close(&harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_map_parse_takes_good_texts),
        cmocka_unit_test(memory_map_parse_names_line_of_bad_texts),
        cmocka_unit_test(memory_map_parse_keeps_limits),
        cmocka_unit_test(memory_map_boots_every_shipped_map),
        cmocka_unit_test(space_validate_counts_words_of_large_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
