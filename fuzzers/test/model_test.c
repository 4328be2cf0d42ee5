/* SPDX-License-Identifier: MIT
 *
 * model_test.c: the model against brute force: flat arrays of frames, out of which all that the
 * model keeps up to date is computed anew, block by aligned block, after every step.
 */
#include "fuzzers/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEED = 20210329, STEPS = 2000, FRAMES_MAX = 1024, ORDERS_TRIED = 12, HELD_MAX = 256 };

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The maps, a letter for each frame from frame @start on: '.' a hole, 'a', 'b', ... the zones, in
 * capitals what is unaccepted, and '1', '2', ... the CMA memory of the same zones. */
struct drawing {
    const char *name;
    pfn_t start;
    const char *frames;
};

static const struct drawing drawings[] = {
    {"one frame", 5, "a"},
    {"whole blocks", 64, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {"odd edges", 3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {"holes", 7, "aaaaaaaaa.aaaaaa..aaaa........aaaaaaaaaaaaaaaaa...a.aa.aaaaaaaaaa"},
    {"zones touch", 16, "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbcccccccccc"},
    {"unaccepted", 0, "aaaaaaaaaaaaAAAAAAAAAAAAAAAAAAAAAAaaaaaaaaBBBBBBBBBBBBBBBBBB"},
    {"all of it", 1, "AAAaaaaaaaa..aaaabbbbbBBBBBBBBBBBBB.BBBBBBBBbbbbccccccccc......CCCCCCCCCC"},
    {"lent out, too", 5, "aaaaa1111111111111aaaAAAAAA.bbbbBBBB2222222222222222bbb.cccc3333333CCCC"},
};

/* The kind of a frame that is drawn as @letter; 0: a hole. */
static uint8_t kind_drawn(char letter)
{
    if (letter == '.') {
        return 0;
    }
    if (letter < 'A') {
        return model_kind((zone_id_t)(letter - '1'), FRAME_CMA);
    }
    return model_kind((zone_id_t)((letter | 0x20) - 'a'),
                      letter < 'a' ? FRAME_UNACCEPTED : FRAME_ACCEPTED);
}

/* splitmix64 */
static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
    random_state += 0x9e3779b97f4a7c15U;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return (z ^ z >> 31) % limit;
}

struct held {
    pfn_t pfn;
    order_t order;
};

/* The model, and what it is compared with. */
struct pair {
    const struct drawing *drawing;
    unsigned step;
    struct model model;
    pfn_t start;
    uint64_t frames;
    enum model_use use[FRAMES_MAX];
    uint8_t kind[FRAMES_MAX]; /* 0 in a hole */
    bool failed[FRAMES_MAX];  /* in use */
    uint32_t owner[FRAMES_MAX];
    struct held held[HELD_MAX]; /* the allocated blocks; an index is an owner */
    uint32_t held_count;
    uint64_t metadata;
    uint64_t accepted;
    uint64_t poisoned;
};

static void pair_assert(const struct pair *pair, bool holds, const char *what, uint64_t frame)
{
    if (!holds) {
        fail_msg("seed %d, map '%s', step %u: %s, frame %llu", SEED, pair->drawing->name,
                 pair->step, what, (unsigned long long)frame);
    }
}

static void map_of(const struct drawing *drawing, struct boot_map *map)
{
    const char *frames = drawing->frames;
    *map = (struct boot_map){0};
    for (size_t i = 0; frames[i] != '\0'; i++) {
        if (frames[i] == '.') {
            continue;
        }
        if (i == 0 || frames[i] != frames[i - 1]) {
            zone_id_t zone = model_kind_zone(kind_drawn(frames[i]));
            enum frame_class class = model_kind_class(kind_drawn(frames[i]));
            map->ranges[map->ranges_count++] = (struct range){
                .start = drawing->start + i,
                .zone = zone,
                .unaccepted = class == FRAME_UNACCEPTED,
                .cma = class == FRAME_CMA,
            };
            map->zones_count = zone + 1;
        }
        map->ranges[map->ranges_count - 1].frames++;
    }
}

static void pair_open(struct pair *pair, const struct drawing *drawing)
{
    struct boot_map map;
    *pair = (struct pair){.drawing = drawing, .start = drawing->start};
    map_of(drawing, &map);
    pair->frames = strlen(drawing->frames);
    assert_true(pair->frames <= FRAMES_MAX);
    for (uint64_t i = 0; i < pair->frames; i++) {
        pair->kind[i] = kind_drawn(drawing->frames[i]);
        pair->use[i] = pair->kind[i] == 0 ? USE_HOLE : USE_FREE;
    }
    assert_true(model_open(&pair->model, &map));
}

/* The kind of all frames of the block, if they are free and of one kind; else 0. */
static uint8_t brute_whole(const struct pair *pair, pfn_t pfn, order_t order)
{
    uint64_t count = (uint64_t)1 << order;
    if (pfn % count != 0 || pfn < pair->start || pfn + count > pair->start + pair->frames) {
        return 0;
    }
    uint64_t first = pfn - pair->start;
    for (uint64_t i = first; i < first + count; i++) {
        if (pair->use[i] != USE_FREE || pair->kind[i] != pair->kind[first]) {
            return 0;
        }
    }
    return pair->kind[first];
}

/* The largest whole block around a free frame. */
static struct held brute_block(const struct pair *pair, pfn_t pfn)
{
    struct held block = {pfn, 0};
    for (order_t order = 1; order < ORDERS_TRIED; order++) {
        pfn_t start = pfn >> order << order;
        if (brute_whole(pair, start, order) == 0) {
            break;
        }
        block = (struct held){start, order};
    }
    return block;
}

/* The first frame of @use at or after the frame @i of the drawing. */
static pfn_t brute_next(const struct pair *pair, uint64_t i, enum model_use use)
{
    while (i < pair->frames && pair->use[i] != use) {
        i++;
    }
    return pair->start + i;
}

/* As far as the model says so, frames are alike. */
static bool brute_alike(const struct pair *pair, uint64_t i, uint64_t count)
{
    for (uint64_t at = i; at < i + count && at < pair->frames; at++) {
        bool own = pair->use[at] != USE_ALLOCATED || pair->owner[at] == pair->owner[i];
        if (pair->use[at] != pair->use[i] || pair->kind[at] != pair->kind[i] || !own) {
            return false;
        }
    }
    return count > 0 && i + count <= pair->frames;
}

static void compare_frames(const struct pair *pair)
{
    const struct model *model = &pair->model;
    for (uint64_t i = 0; i < pair->frames; i++) {
        pfn_t pfn = pair->start + i;
        pair_assert(pair, model_use(model, pfn) == pair->use[i], "use", pfn);
        pair_assert(pair, model_frame_kind(model, pfn) == pair->kind[i], "kind", pfn);
        pair_assert(pair, model_has_failed(model, pfn, 1) == pair->failed[i], "failed", pfn);
        uint64_t more = random_below(pair->frames - i);
        bool failed = memchr(pair->failed + i, true, more) != NULL;
        pair_assert(pair, model_has_failed(model, pfn, more) == failed, "failed behind", pfn);
        enum model_use use = (enum model_use)(USE_FREE + random_below(USE_POISONED));
        pair_assert(pair, model_next(model, pfn, use) == brute_next(pair, i, use), "next", pfn);
        pair_assert(pair, brute_alike(pair, i, model_alike(model, pfn)), "alike", pfn);
        if (pair->use[i] == USE_ALLOCATED) {
            pair_assert(pair, model_owner(model, pfn) == pair->owner[i], "owner", pfn);
        }
        if (pair->use[i] == USE_FREE) {
            struct held expected = brute_block(pair, pfn);
            struct held actual = {0};
            model_free_block(model, pfn, &actual.pfn, &actual.order);
            pair_assert(pair, actual.pfn == expected.pfn && actual.order == expected.order,
                        "free block", pfn);
        }
    }
    for (uint64_t beyond = 0; beyond < 4; beyond++) {
        pfn_t behind = pair->start + pair->frames + beyond;
        pair_assert(pair, model_use(model, behind) == USE_HOLE, "use behind the end", behind);
        pfn_t before = pair->start - 1 - beyond; /* may wrap around */
        pair_assert(pair, model_use(model, before) == USE_HOLE, "use before the start", before);
    }
}

/* All aligned blocks, those that reach over the edges included. */
static void compare_blocks(const struct pair *pair)
{
    const struct model *model = &pair->model;
    uint64_t blocks[MODEL_KINDS][ORDERS] = {0};
    uint64_t free_frames[MODEL_KINDS] = {0};
    uint64_t total = 0;
    for (order_t order = 0; order < ORDERS_TRIED; order++) {
        pfn_t step = (pfn_t)1 << order;
        pfn_t pfn = pair->start >> order << order;
        for (; pfn < pair->start + pair->frames; pfn += step) {
            uint8_t kind = brute_whole(pair, pfn, order);
            pair_assert(pair, model_is_free(model, pfn, order) == (kind != 0), "is free", pfn);
            pair_assert(pair, order == 0 || !model_is_free(model, pfn + 1, order), "crooked", pfn);
            if (kind != 0 && brute_block(pair, pfn).order == order) {
                blocks[kind][order]++;
                free_frames[kind] += step;
                total++;
            }
        }
    }
    for (uint8_t kind = 0; kind < MODEL_KINDS; kind++) {
        order_t smallest = ORDERS;
        pair_assert(pair, free_frames[kind] == model->free_frames[kind], "free frames", kind);
        for (order_t order = ORDERS; order-- > 0;) {
            smallest = blocks[kind][order] > 0 ? order : smallest;
            pair_assert(pair, model->blocks[kind][order] == blocks[kind][order], "blocks", kind);
            pair_assert(pair, model_smallest(model, kind, order) == smallest, "smallest", kind);
        }
    }
    pair_assert(pair, model->free_blocks == total, "sum of free blocks", total);
}

static void compare(const struct pair *pair)
{
    compare_frames(pair);
    compare_blocks(pair);
    pair_assert(pair, pair->model.metadata_frames == pair->metadata, "metadata frames", 0);
    pair_assert(pair, pair->model.accepted == pair->accepted, "accepted frames", 0);
    pair_assert(pair, pair->model.poisoned_frames == pair->poisoned, "poisoned frames", 0);
}

/* Steps: each does one thing to both, if what it picks at random may have it done. */

static void set_block(struct pair *pair, struct held block, enum model_use use, uint32_t owner)
{
    for (uint64_t i = 0; i < (uint64_t)1 << block.order; i++) {
        uint64_t at = block.pfn - pair->start + i;
        bool kept = use == USE_FREE && pair->failed[at];
        pair->use[at] = kept ? USE_POISONED : use;
        pair->failed[at] = pair->failed[at] && !kept;
        pair->poisoned += kept ? 1 : 0;
        pair->owner[at] = owner;
    }
}

static void step_allocate(struct pair *pair)
{
    order_t order = (order_t)random_below(5);
    pfn_t pfn = (pair->start + random_below(pair->frames)) >> order << order;
    if (pair->held_count < HELD_MAX && brute_whole(pair, pfn, order) != 0) {
        struct held block = {pfn, order};
        model_allocate(&pair->model, pfn, order, pair->held_count);
        set_block(pair, block, USE_ALLOCATED, pair->held_count);
        pair->held[pair->held_count++] = block;
    }
}

/* The last block moves to the number that is free now. */
static void release(struct pair *pair, uint32_t number)
{
    struct held block = pair->held[number];
    struct held last = pair->held[--pair->held_count];
    pair->held[number] = last;
    model_set_owner(&pair->model, last.pfn, last.order, number);
    set_block(pair, last, USE_ALLOCATED, number);
    model_release(&pair->model, block.pfn, block.order);
    set_block(pair, block, USE_FREE, 0);
}

static void step_release(struct pair *pair)
{
    if (pair->held_count > 0) {
        release(pair, (uint32_t)random_below(pair->held_count));
    }
}

/* Two halves out of one block: the second one gets a number of its own. */
static void step_split(struct pair *pair)
{
    uint32_t number = (uint32_t)random_below(HELD_MAX);
    if (number < pair->held_count && pair->held_count < HELD_MAX && pair->held[number].order > 0) {
        struct held *first = &pair->held[number];
        first->order--;
        struct held second = {first->pfn + ((uint64_t)1 << first->order), first->order};
        model_set_owner(&pair->model, second.pfn, second.order, pair->held_count);
        set_block(pair, second, USE_ALLOCATED, pair->held_count);
        pair->held[pair->held_count++] = second;
    }
}

/* Frames from @i on, a random number up to 12, that all have its use and kind. */
static uint64_t some_alike(const struct pair *pair, uint64_t i)
{
    uint64_t most = 1 + random_below(12);
    uint64_t count = 1;
    while (count < most && i + count < pair->frames && pair->use[i + count] == pair->use[i] &&
           pair->kind[i + count] == pair->kind[i]) {
        count++;
    }
    return count;
}

static void conceal(struct pair *pair, uint64_t i)
{
    uint64_t count = some_alike(pair, i);
    model_conceal(&pair->model, pair->start + i, count);
    for (uint64_t at = i; at < i + count; at++) {
        set_block(pair, (struct held){pair->start + at, 0}, USE_FREE, 0);
    }
    pair->metadata -= count;
}

static void step_metadata(struct pair *pair)
{
    uint64_t i = random_below(pair->frames);
    if (pair->use[i] == USE_FREE) {
        uint64_t count = some_alike(pair, i);
        model_expose(&pair->model, pair->start + i, count);
        for (uint64_t at = i; at < i + count; at++) {
            pair->use[at] = USE_METADATA;
        }
        pair->metadata += count;
    } else if (pair->use[i] == USE_METADATA) {
        conceal(pair, i);
    }
}

static void heal(struct pair *pair, uint64_t i)
{
    model_heal(&pair->model, pair->start + i);
    pair->failed[i] = false;
    if (pair->use[i] == USE_POISONED) {
        pair->use[i] = USE_FREE;
        pair->poisoned--;
    }
}

static void step_failure(struct pair *pair)
{
    uint64_t i = random_below(pair->frames);
    if (pair->use[i] == USE_POISONED || pair->failed[i]) {
        heal(pair, i);
    } else if (pair->use[i] != USE_HOLE) {
        model_fail(&pair->model, pair->start + i);
        pair->failed[i] = true;
        if (pair->use[i] == USE_FREE) {
            set_block(pair, (struct held){pair->start + i, 0}, USE_FREE, 0);
        }
    }
}

static void step_accept(struct pair *pair)
{
    uint64_t i = random_below(pair->frames);
    if (pair->use[i] == USE_FREE && model_kind_unaccepted(pair->kind[i])) {
        uint64_t count = some_alike(pair, i);
        model_accept(&pair->model, pair->start + i, count);
        for (uint64_t at = i; at < i + count; at++) {
            pair->kind[at]--;
        }
        pair->accepted += count;
    }
}

static void step(struct pair *pair)
{
    static void (*const steps[])(struct pair *) = {step_allocate, step_allocate, step_release,
                                                   step_release,  step_split,    step_metadata,
                                                   step_failure};
    /* Rarely, for it cannot be undone. */
    if (random_below(64) == 0) {
        step_accept(pair);
    } else {
        steps[random_below(LENGTH(steps))](pair);
    }
}

static void free_all(struct pair *pair)
{
    while (pair->held_count > 0) {
        step_release(pair);
    }
    for (uint64_t i = 0; i < pair->frames; i++) {
        if (pair->use[i] == USE_METADATA) {
            conceal(pair, i);
        }
        if (pair->use[i] == USE_POISONED) {
            heal(pair, i);
        }
    }
}

/* Zones */

/* Whether the frame @i is drawn as one of @zone. */
static bool is_of_zone(const struct pair *pair, uint64_t i, zone_id_t zone)
{
    uint8_t kind = kind_drawn(pair->drawing->frames[i]);
    return kind != 0 && model_kind_zone(kind) == zone;
}

static bool brute_uses_zone(const struct pair *pair, zone_id_t zone)
{
    for (uint64_t i = 0; i < pair->frames; i++) {
        bool idle = pair->use[i] == USE_FREE || pair->use[i] == USE_POISONED;
        if (is_of_zone(pair, i, zone) && !idle) {
            return true;
        }
    }
    return false;
}

/* Ends all use of @zone; frames of it that have failed are poisoned. */
static void free_zone(struct pair *pair, zone_id_t zone)
{
    for (uint32_t number = pair->held_count; number-- > 0;) {
        if (is_of_zone(pair, pair->held[number].pfn - pair->start, zone)) {
            release(pair, number);
        }
    }
    for (uint64_t i = 0; i < pair->frames; i++) {
        if (is_of_zone(pair, i, zone) && pair->use[i] == USE_METADATA) {
            conceal(pair, i);
        }
    }
}

static void add_zone(struct pair *pair, zone_id_t zone)
{
    model_add_zone(&pair->model, zone);
    for (uint64_t i = 0; i < pair->frames; i++) {
        if (is_of_zone(pair, i, zone)) {
            pair->use[i] = USE_FREE;
            pair->kind[i] = kind_drawn(pair->drawing->frames[i]);
        }
    }
}

/* Context: nothing of @zone is in use. */
static void remove_zone(struct pair *pair, zone_id_t zone)
{
    model_remove_zone(&pair->model, zone);
    for (uint64_t i = 0; i < pair->frames; i++) {
        if (is_of_zone(pair, i, zone)) {
            pair->poisoned -= pair->use[i] == USE_POISONED ? 1 : 0;
            pair->use[i] = USE_HOLE;
            pair->kind[i] = 0;
        }
    }
}

static void step_zone(struct pair *pair)
{
    zone_id_t zone = (zone_id_t)random_below(pair->model.map.zones_count);
    if (!model_has_zone(&pair->model, zone)) {
        add_zone(pair, zone);
        return;
    }
    if (random_below(2) == 0) {
        free_zone(pair, zone);
    }
    bool uses = brute_uses_zone(pair, zone);
    pair_assert(pair, model_uses_zone(&pair->model, zone) == uses, "zone in use", zone);
    if (!uses) {
        remove_zone(pair, zone);
        pair_assert(pair, !model_has_zone(&pair->model, zone), "zone is there", zone);
    }
}

static void model_open_counts_every_block(void **state)
{
    (void)state;
    static struct pair pair;
    for (size_t i = 0; i < LENGTH(drawings); i++) {
        pair_open(&pair, &drawings[i]);
        compare(&pair);
        model_close(&pair.model);
    }
}

static void model_random_steps_agree_with_brute_force(void **state)
{
    (void)state;
    static struct pair pair;
    random_state = SEED;
    for (size_t i = 0; i < LENGTH(drawings); i++) {
        pair_open(&pair, &drawings[i]);
        for (pair.step = 1; pair.step <= STEPS; pair.step++) {
            step(&pair);
            compare(&pair);
        }
        free_all(&pair);
        compare(&pair);
        model_close(&pair.model);
    }
}

/* Zones go and come, poisoned frames and all, between other steps. Without any, the hash is 0, and
 * with all, what it was, be it that memory had been accepted, or had failed, before it went. */
static void model_zones_come_and_go(void **state)
{
    (void)state;
    static struct pair pair;
    random_state = SEED;
    for (size_t i = 0; i < LENGTH(drawings); i++) {
        uint64_t removed_poisoned = 0;
        pair_open(&pair, &drawings[i]);
        uint64_t hash = pair.model.hash;
        zone_id_t zones = pair.model.map.zones_count;
        for (pair.step = 1; pair.step <= STEPS; pair.step++) {
            uint64_t poisoned = pair.poisoned;
            if (random_below(16) == 0) {
                step_zone(&pair);
                removed_poisoned += pair.poisoned < poisoned ? 1 : 0;
            } else {
                step(&pair);
            }
            compare(&pair);
        }
        assert_true(removed_poisoned > 0);
        for (zone_id_t zone = 0; zone < zones; zone++) {
            if (model_has_zone(&pair.model, zone)) {
                free_zone(&pair, zone);
                remove_zone(&pair, zone);
            }
        }
        compare(&pair);
        assert_int_equal(pair.model.hash, 0);
        assert_int_equal(pair.model.free_blocks, 0);
        for (zone_id_t zone = zones; zone-- > 0;) {
            add_zone(&pair, zone);
        }
        compare(&pair);
        assert_int_equal(pair.model.hash, hash);
        model_close(&pair.model);
    }
}

/* A zone that comes later is a hole until then. */
static void model_open_leaves_later_zones_out(void **state)
{
    (void)state;
    struct boot_map map;
    struct model model = {.frames = 0};
    map_of(&drawings[LENGTH(drawings) - 1], &map);
    map.zones[1].later = true;
    assert_true(model_open(&model, &map));
    pfn_t first = 0;
    for (uint32_t i = map.ranges_count; i-- > 0;) {
        first = map.ranges[i].zone == 1 ? map.ranges[i].start : first;
    }
    assert_true(model_has_zone(&model, 0));
    assert_false(model_has_zone(&model, 1));
    assert_false(model_has_zone(&model, ZONES_MAX));
    assert_int_equal(model_use(&model, first), USE_HOLE);
    assert_int_equal(model_frame_kind(&model, first), 0);
    uint64_t hash = model.hash;
    model_add_zone(&model, 1);
    assert_int_equal(model_use(&model, first), USE_FREE);
    assert_int_equal(model_frame_kind(&model, first), model_kind(1, FRAME_ACCEPTED));
    assert_int_not_equal(model.hash, hash);
    model_remove_zone(&model, 1);
    assert_int_equal(model.hash, hash);
    model_close(&model);
}

/*  0       4       8              15
 *  | a a a a . . . . a a a a a a a a |     -> one block of order 2, one of order 3
 *            4 . . . | 8               allocate order 2 at 4: nothing merges, then everything
 */
static void model_release_merges_up_to_the_top(void **state)
{
    (void)state;
    static const struct drawing sixteen = {"sixteen", 0, "aaaaaaaaaaaaaaaa"};
    static struct pair pair;
    uint8_t kind = model_kind(0, FRAME_ACCEPTED);
    pair_open(&pair, &sixteen);
    uint64_t hash = pair.model.hash;
    assert_int_equal(pair.model.blocks[kind][4], 1);
    model_allocate(&pair.model, 4, 2, 0);
    assert_int_equal(pair.model.blocks[kind][4], 0);
    assert_int_equal(pair.model.blocks[kind][3], 1);
    assert_int_equal(pair.model.blocks[kind][2], 1);
    assert_int_not_equal(pair.model.hash, hash);
    model_release(&pair.model, 4, 2);
    assert_int_equal(pair.model.blocks[kind][4], 1);
    assert_int_equal(pair.model.free_blocks, 1);
    assert_int_equal(pair.model.hash, hash);
    model_close(&pair.model);
}

/* The same state by two ways, one of them through others: block by block in random order on one
 * model, straight on the other. */
static void model_hash_is_of_the_state_alone(void **state)
{
    (void)state;
    static struct pair pair;
    static struct pair other;
    random_state = SEED;
    for (size_t i = 0; i < LENGTH(drawings); i++) {
        pair_open(&pair, &drawings[i]);
        pair_open(&other, &drawings[i]);
        uint64_t hash = pair.model.hash;
        assert_int_equal(hash, other.model.hash);
        for (pair.step = 1; pair.step <= STEPS; pair.step++) {
            step(&pair);
        }
        for (uint64_t at = pair.frames; at-- > 0;) {
            uint8_t kind = pair.kind[at];
            if (kind != 0 && kind != other.kind[at]) {
                model_accept(&other.model, pair.start + at, 1);
            }
            if (pair.use[at] == USE_ALLOCATED) {
                model_allocate(&other.model, pair.start + at, 0, 0);
            } else if (pair.use[at] == USE_METADATA) {
                model_expose(&other.model, pair.start + at, 1);
            }
            if (pair.use[at] == USE_POISONED || pair.failed[at]) {
                model_fail(&other.model, pair.start + at);
            }
        }
        assert_int_equal(pair.model.hash, other.model.hash);
        free_all(&pair);
        pair_assert(&pair, pair.accepted > 0 || pair.model.hash == hash, "hash of all free", 0);
        model_close(&pair.model);
        model_close(&other.model);
    }
}

/* All states of a few frames, each free, allocated or metadata, in order or not: no two have one
 * hash. */
static void model_hash_tells_states_apart(void **state)
{
    (void)state;
    enum { FRAMES = 4, STATES = 6 * 6 * 6 * 6 };
    static const struct drawing four = {"four", 1, "aaaa"};
    static struct pair pair;
    static uint64_t hashes[STATES];
    for (unsigned i = 0; i < STATES; i++) {
        unsigned uses = i;
        pair_open(&pair, &four);
        for (unsigned frame = 0; frame < FRAMES; frame++, uses /= 6) {
            if (uses % 3 == 1) {
                model_allocate(&pair.model, pair.start + frame, 0, 0);
            } else if (uses % 3 == 2) {
                model_expose(&pair.model, pair.start + frame, 1);
            }
            if (uses % 6 >= 3) {
                model_fail(&pair.model, pair.start + frame);
            }
        }
        hashes[i] = pair.model.hash;
        for (unsigned before = 0; before < i; before++) {
            assert_int_not_equal(hashes[before], hashes[i]);
        }
        model_close(&pair.model);
    }
}

/* The memory of a large map serves a small one, and nothing of the old state is left. */
static void model_open_again_forgets_the_last_map(void **state)
{
    (void)state;
    static struct pair pair;
    static struct pair again;
    const struct drawing *large = &drawings[LENGTH(drawings) - 1];
    random_state = SEED;
    pair_open(&pair, large);
    for (pair.step = 1; pair.step <= STEPS; pair.step++) {
        step(&pair);
    }
    const void *memory = pair.model.facts.memory;
    for (size_t i = 0; i < LENGTH(drawings); i++) {
        struct boot_map map;
        pair_open(&again, &drawings[i]);
        uint64_t hash = again.model.hash;
        model_close(&again.model);
        map_of(&drawings[i], &map);
        assert_true(model_open(&pair.model, &map));
        assert_ptr_equal(pair.model.facts.memory, memory);
        assert_int_equal(pair.model.hash, hash);
        again.model = pair.model;
        compare(&again);
    }
    model_close(&pair.model);
}

/* Blocks larger than any in the map can be asked about. */
static void model_is_free_refuses_what_is_too_large(void **state)
{
    (void)state;
    static struct pair pair;
    pair_open(&pair, &drawings[0]);
    assert_int_equal(pair.model.orders, 1);
    assert_true(model_is_free(&pair.model, 5, 0));
    assert_false(model_is_free(&pair.model, 4, 1));
    assert_false(model_is_free(&pair.model, 0, ORDERS - 1));
    assert_false(model_is_free(&pair.model, 0, 63));
    assert_int_equal(model_smallest(&pair.model, model_kind(0, FRAME_ACCEPTED), 1), ORDERS);
    model_close(&pair.model);
}

static uint64_t resident_kib(void)
{
    uint64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %lu", &pages), 1);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* 1.5 TB with a hole at 3 GiB: costs are those of the blocks, not of the frames in them. */
static void model_large_map_costs_what_is_in_use(void **state)
{
    (void)state;
    enum { RESIDENT_KIB_MAX = 8 << 10 };
    const pfn_t end = (pfn_t)3 << 27;
    const struct boot_map map = {
        .zones_count = 1,
        .ranges_count = 2,
        .ranges = {{.start = 0, .frames = 0xc0000},
                   {.start = 0x100000, .frames = end - 0x100000, .unaccepted = true}},
    };
    struct model model = {0};
    uint64_t before = resident_kib();
    for (unsigned turn = 0; turn < 2; turn++) {
        assert_true(model_open(&model, &map));
        uint64_t hash = model.hash;
        model_accept(&model, (pfn_t)1 << 27, (uint64_t)1 << 28);
        assert_int_equal(model_smallest(&model, model_kind(0, FRAME_ACCEPTED), 20), 27);
        model_allocate(&model, (pfn_t)1 << 28, 27, 7);
        model_fail(&model, ((pfn_t)1 << 28) + 12345);
        assert_int_equal(model_owner(&model, end - 1), 7);
        model_set_owner(&model, (pfn_t)1 << 28, 26, 8);
        assert_int_equal(model_owner(&model, ((pfn_t)1 << 28) + 1), 8);
        model_release(&model, (pfn_t)1 << 28, 27);
        pfn_t poisoned = model_next(&model, 0, USE_POISONED);
        assert_int_equal(poisoned, ((pfn_t)1 << 28) + 12345);
        model_heal(&model, poisoned);
        assert_int_equal(model_next(&model, 0, USE_POISONED), end);
        assert_int_equal(model.blocks[model_kind(0, FRAME_ACCEPTED)][27], 2);
        assert_int_not_equal(model.hash, hash);
    }
    uint64_t after = resident_kib();
    if (after - before > RESIDENT_KIB_MAX) {
        fail_msg("%llu KiB more are resident", (unsigned long long)(after - before));
    }
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_open_counts_every_block),
        cmocka_unit_test(model_random_steps_agree_with_brute_force),
        cmocka_unit_test(model_zones_come_and_go),
        cmocka_unit_test(model_open_leaves_later_zones_out),
        cmocka_unit_test(model_release_merges_up_to_the_top),
        cmocka_unit_test(model_hash_is_of_the_state_alone),
        cmocka_unit_test(model_hash_tells_states_apart),
        cmocka_unit_test(model_open_again_forgets_the_last_map),
        cmocka_unit_test(model_is_free_refuses_what_is_too_large),
        cmocka_unit_test(model_large_map_costs_what_is_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
