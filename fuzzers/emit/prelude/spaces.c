/* SPDX-License-Identifier: MIT */
/* Spaces of units that need not be memory. All that is allocated is in a list of pieces; what is
 * between these is free, cut into the largest aligned blocks. */
#include "core/potad_space.h"

enum { SPACES = 4, OWN_BYTES = sizeof(struct buddy), PIECE_PATTERN = 16 };

struct piece {
    uint64_t first; /* units */
    uint64_t last;
    const struct buddy *descriptor;
    unsigned space;
    uint32_t owner; /* a block's number; RUNS and above: a run's */
    uint64_t serial;
};

struct own_space {
    struct potad_space space;
    struct unit_range ranges[RANGES_MAX];
    uint32_t ranges_count;
    uint64_t bytes; /* of a descriptor */
    uint32_t homes;
    bool used;
};

static struct own_space spaces[SPACES];
static struct piece *pieces; /* by ascending units of one space and the next */
static uint64_t pieces_count;
static uint64_t pieces_room;
static uint64_t pieces_made;
static struct unit_run space_runs[RUNS_MAX]; /* 0 units: none */

static void fail_unit(const char *check, unsigned space, uint64_t unit, const char *what)
{
    fail(&t, check, "space %u, unit %#llx: %s", space, (ull)unit, what);
}

/* The first piece that ends at or behind @unit of @space. */
static uint64_t piece_find(unsigned space, uint64_t unit)
{
    uint64_t i = 0;
    while (i < pieces_count &&
           (pieces[i].space < space || (pieces[i].space == space && pieces[i].last < unit))) {
        i++;
    }
    return i;
}

static struct piece *piece_at(unsigned space, uint64_t unit)
{
    uint64_t i = piece_find(space, unit);
    bool there = i < pieces_count && pieces[i].space == space && pieces[i].first <= unit;
    return there ? &pieces[i] : NULL;
}

static void piece_remove(uint64_t index)
{
    pieces_count--;
    memmove(pieces + index, pieces + index + 1, (pieces_count - index) * sizeof(*pieces));
}

/* The free units around @unit. Return: whether there are any. */
static bool free_units(unsigned space, uint64_t unit, uint64_t *first, uint64_t *last)
{
    const struct own_space *own = &spaces[space];
    bool inside = false;
    for (uint32_t i = 0; i < own->ranges_count; i++) {
        const struct unit_range *range = &own->ranges[i];
        uint64_t end = range->start + range->units - 1;
        if (unit >= range->start && unit <= end) {
            inside = true;
            *first = range->start;
            *last = end;
        }
    }
    for (uint32_t i = 0; inside && i < own->ranges_count; i++) { /* ranges that touch are one */
        *last = own->ranges[i].start == *last + 1 ? *last + own->ranges[i].units : *last;
        uint32_t back = own->ranges_count - 1 - i;
        bool touches = own->ranges[back].start + own->ranges[back].units == *first;
        *first = touches ? own->ranges[back].start : *first;
    }
    uint64_t i = piece_find(space, unit);
    bool above = i < pieces_count && pieces[i].space == space;
    if (!inside || (above && pieces[i].first <= unit)) {
        return false;
    }
    *last = above && pieces[i].first - 1 < *last ? pieces[i].first - 1 : *last;
    bool below = i > 0 && pieces[i - 1].space == space;
    *first = below && pieces[i - 1].last + 1 > *first ? pieces[i - 1].last + 1 : *first;
    return true;
}

static bool exists(unsigned space, uint64_t unit)
{
    bool there = false;
    for (uint32_t i = 0; i < spaces[space].ranges_count; i++) {
        there = there || unit - spaces[space].ranges[i].start < spaces[space].ranges[i].units;
    }
    return there;
}

static void settle_space(struct test *test, unsigned space)
{
    const struct own_space *own = &spaces[space];
    uint64_t counts[ORDERS] = {0};
    uint64_t blocks = 0;
    uint64_t first;
    uint64_t last;
    for (uint32_t i = 0; own->used && i < own->ranges_count; i++) {
        uint64_t end = own->ranges[i].start + own->ranges[i].units;
        for (uint64_t unit = own->ranges[i].start; unit < end;) {
            if (!free_units(space, unit, &first, &last)) {
                unit = piece_at(space, unit)->last + 1;
                continue;
            }
            bool counted = first < own->ranges[i].start; /* with the range that it begins in */
            for (uint64_t at = first; !counted && at <= last;) {
                order_t order = pfn_order_max(at, last - at + 1);
                counts[order]++;
                blocks++;
                at += order_frames(order);
            }
            unit = last + 1;
        }
    }
    for (order_t order = 0; own->used && order < ORDERS; order++) {
        uint64_t actual = own->space.space.areas[AREA_MOVABLE].blocks[order];
        if (actual != counts[order]) {
            fail(test, "coalescing", "space %u, order %u: %llu free blocks, %llu expected", space,
                 order, (ull)actual, (ull)counts[order]);
        }
    }
    for (uint64_t i = 0; i < pieces_count; i++) {
        blocks += pieces[i].space == space ? 1 : 0;
    }
    if (own->used && own->space.own_descriptors->live != blocks) {
        fail(test, "descriptors", "space %u: %llu descriptors in use, %llu expected", space,
             (ull)own->space.own_descriptors->live, (ull)blocks);
    }
    settle(test);
}

static void check_unit(unsigned space, uint64_t unit)
{
    struct potad_space_info info = {.unit = 0};
    bool found = potad_space_lookup(&spaces[space].space, unit, &info);
    const struct piece *piece = piece_at(space, unit);
    uint64_t first;
    uint64_t last;
    bool right = found == exists(space, unit);
    if (right && piece != NULL) {
        right = !info.is_free && info.unit == piece->first &&
                info.descriptor == piece->descriptor &&
                info.unit + (order_frames(info.order) - 1) == piece->last;
    } else if (right && free_units(space, unit, &first, &last)) {
        order_t order = 0;
        while (order + 1 < ORDERS && unit >> (order + 1) << (order + 1) >= first &&
               (unit | (order_frames(order + 1) - 1)) <= last) {
            order++;
        }
        right = info.is_free && info.order == order && info.unit == unit >> order << order;
    }
    if (!right) {
        fail_unit("lookup", space, unit, found ? "leads to the wrong block" : "is not found");
    }
}

static void check_piece(const struct piece *piece)
{
    check_unit(piece->space, piece->first);
    check_unit(piece->space, piece->last);
    check_unit(piece->space, piece->first - 1);
    check_unit(piece->space, piece->last + 1);
}

/* Writes the pattern of @piece behind the core's part of its descriptor, or compares with it. */
static void piece_pattern(const struct piece *piece, bool compare)
{
    unsigned char *bytes = (unsigned char *)(uintptr_t)piece->descriptor;
    uint64_t size = spaces[piece->space].bytes;
    for (uint64_t at = OWN_BYTES; at < size; at++) {
        unsigned char right = (unsigned char)(piece->serial * 31 + at * 7 + 1);
        if (compare && bytes[at] != right) {
            fail(&t, "object-corrupt", "byte %llu of a descriptor was overwritten", (ull)at);
        }
        bytes[at] = right;
    }
}

/* Takes note of a block that was granted. Context: its units are none's. */
static void piece_add(struct test *test, struct piece piece)
{
    uint64_t offset = (uintptr_t)piece.descriptor - (uintptr_t)test->memory;
    pfn_t frame = FIRST_FRAME + (offset >> FRAME_SHIFT);
    if (!in_memory(test, piece.descriptor) || frame_at(test, frame)->use != METADATA) {
        fail_unit("containment", piece.space, piece.first, "descriptor in no frame of a slab");
    }
    uint32_t homes = spaces[piece.space].homes;
    if (homes != 0 && (homes >> frame_at(test, frame)->zone & 1) == 0) {
        fail_unit("metadata-home", piece.space, piece.first, "descriptor in another zone");
    }
    if (pieces_count == pieces_room) {
        pieces_room = 2 * pieces_room + 64;
        pieces = realloc(pieces, pieces_room * sizeof(*pieces));
        if (pieces == NULL) {
            abort();
        }
    }
    uint64_t index = piece_find(piece.space, piece.first);
    memmove(pieces + index + 1, pieces + index, (pieces_count - index) * sizeof(*pieces));
    piece.serial = pieces_made++;
    pieces[index] = piece;
    pieces_count++;
    piece_pattern(&piece, false);
}

static void check_units_free(unsigned space, uint64_t from, uint64_t to, const char *outside)
{
    uint64_t first;
    uint64_t last;
    if (!exists(space, from) || !exists(space, to)) {
        fail_unit(outside, space, from, "not in the space");
    }
    if (!free_units(space, from, &first, &last) || last < to) {
        fail_unit("overlap", space, from, "not free");
    }
}

static void remove_space(struct test *test, unsigned number, int expected)
{
    struct before before = remember(test);
    if (spaces[number].used) {
        test->freeing = true;
        enum status status = potad_space_remove(&test->potad, &spaces[number].space);
        test->freeing = false;
        answer(test, status, expected, "status");
        spaces[number].used = status != STATUS_OK;
        if (spaces[number].used) {
            check_unchanged(test, &before);
        }
        settle_space(test, number);
    }
    done(test);
}

/* @config.base counts from an address in simulated memory, where one of a unit's size fits. */
static void add_space(struct test *test, unsigned number, struct potad_space_config config,
                      int expected)
{
    struct own_space *own = &spaces[number];
    struct before before = remember(test);
    uint64_t mask = config.unit_shift < 64 ? ((uint64_t)1 << config.unit_shift) - 1 : 0;
    uint64_t base = ((uint64_t)(uintptr_t)test->memory + mask) & ~mask;
    config.base += in_memory(test, (void *)(uintptr_t)base) ? base : 0;
    own->ranges_count = config.ranges_count;
    for (uint32_t i = 0; i < config.ranges_count; i++) {
        own->ranges[i] = config.ranges[i];
    }
    own->bytes = config.descriptor_bytes;
    own->homes = config.homes;
    enum status status = potad_space_add(&test->potad, &own->space, &config);
    answer(test, status, expected, "spurious-failure");
    own->used = status == STATUS_OK;
    if (own->used) {
        settle_space(test, number);
        check_unit(number, own->ranges[0].start);
        check_unit(number, own->ranges[0].start - 1);
    } else {
        check_unchanged(test, &before);
        settle(test);
    }
    done(test);
    if (status == STATUS_OK && expected == REFUSED) {
        remove_space(test, number, STATUS_OK);
    }
}

static struct piece *piece_of(uint32_t owner)
{
    uint64_t i = 0;
    while (i < pieces_count && pieces[i].owner != owner) {
        i++;
    }
    return i < pieces_count ? &pieces[i] : NULL;
}

static void give_units(struct test *test, unsigned number)
{
    const struct piece *held = piece_of(number);
    if (held != NULL) {
        struct piece piece = *held;
        piece_pattern(&piece, true);
        piece_remove((uint64_t)(held - pieces));
        test->freeing = true;
        potad_space_free(&test->potad, &spaces[piece.space].space,
                         (struct buddy *)(uintptr_t)piece.descriptor);
        test->freeing = false;
        settle_space(test, piece.space);
        check_unit(piece.space, piece.first);
    }
    done(test);
}

static void take_units(struct test *test, unsigned number, unsigned space, order_t order,
                       int expected)
{
    struct buddy *buddy = NULL;
    struct before before = remember(test);
    enum status status = potad_space_alloc(&test->potad, &spaces[space].space, order, &buddy);
    answer(test, status, expected, "spurious-failure");
    if (status == STATUS_OK) {
        uint64_t unit = buddy->pfn;
        if (buddy_order(buddy) != order || !pfn_is_aligned(unit, order)) {
            fail_unit("alignment", space, unit, "not the order that was asked for");
        }
        check_units_free(space, unit, unit + (order_frames(order) - 1), "containment");
        struct piece piece = {unit, unit + (order_frames(order) - 1), buddy, space, number, 0};
        piece_add(test, piece);
        settle_space(test, space);
        check_piece(&piece);
    } else {
        check_unchanged(test, &before);
        settle_space(test, space);
    }
    done(test);
    if (status == STATUS_OK && expected == REFUSED) {
        give_units(test, number);
    }
}

/* Splits block @number down to @order; the other parts become the numbers @others. */
static void split_units(struct test *test, unsigned number, order_t order, const unsigned *others,
                        int expected)
{
    struct buddy *parts[ORDERS];
    const struct piece *held = piece_of(number);
    if (held == NULL) {
        done(test);
        return;
    }
    struct before before = remember(test);
    struct piece whole = *held;
    uint64_t unit = whole.first;
    order_t old = buddy_order(whole.descriptor);
    piece_pattern(&whole, true);
    enum status status =
        potad_space_split(&test->potad, &spaces[whole.space].space,
                          (struct buddy *)(uintptr_t)whole.descriptor, order, parts);
    answer(test, status, expected, "spurious-failure");
    if (status == STATUS_OK) {
        piece_pattern(&whole, true);
        piece_remove((uint64_t)(held - pieces));
    } else {
        check_unchanged(test, &before);
    }
    for (order_t i = 0; status == STATUS_OK && i <= old - order; i++) {
        order_t right = i == 0 ? order : order + i - 1;
        uint64_t last = unit + (order_frames(right) - 1);
        unsigned part = i == old - order ? number : others[i];
        if (parts[i]->pfn != unit || buddy_order(parts[i]) != right) {
            fail_unit("alignment", whole.space, unit, "no part of the split begins here");
        }
        piece_add(test, (struct piece){unit, last, parts[i], whole.space, part, 0});
        check_unit(whole.space, unit);
        check_unit(whole.space, last);
        unit = last + 1;
    }
    settle_space(test, whole.space);
    done(test);
}

/* Takes note of the parts of a run, as lookups find them. */
static void run_begin(struct test *test, unsigned number, unsigned space)
{
    const struct unit_run *run = &space_runs[number];
    uint64_t left = run->units;
    uint64_t parts = 0;
    for (uint64_t unit = run->unit; left > 0; parts++) {
        struct potad_space_info info = {.unit = 0};
        bool found = potad_space_lookup(&spaces[space].space, unit, &info);
        uint64_t units = order_frames(info.order);
        if (!found || info.is_free || info.unit != unit || units > left) {
            fail_unit("lookup", space, unit, "no part of the run begins here");
        }
        for (uint64_t i = 0; i < pieces_count; i++) {
            if (pieces[i].descriptor == info.descriptor) {
                fail_unit("lookup", space, unit, "has the descriptor of another block");
            }
        }
        piece_add(test, (struct piece){unit, unit + (units - 1), info.descriptor, space,
                                       RUNS + number, 0});
        unit += units;
        left -= units;
    }
    if (parts != run->parts) {
        fail_unit("lookup", space, run->unit, "a run has another number of parts than it says");
    }
}

static void give_unit_run(struct test *test, unsigned number)
{
    struct piece *piece;
    unsigned space = 0;
    if (space_runs[number].units == 0) {
        return;
    }
    while ((piece = piece_of(RUNS + number)) != NULL) {
        space = piece->space;
        check_unit(space, piece->first);
        piece_pattern(piece, true);
        piece_remove((uint64_t)(piece - pieces));
    }
    test->freeing = true;
    potad_space_free_run(&test->potad, &spaces[space].space, &space_runs[number]);
    test->freeing = false;
    settle_space(test, space);
    check_unit(space, space_runs[number].unit);
    space_runs[number].units = 0;
    done(test);
}

static void take_unit_run(struct test *test, unsigned number, unsigned space,
                          struct unit_run_request request, int expected)
{
    struct unit_run run = {.units = 0};
    struct before before = remember(test);
    enum status status = potad_space_alloc_run(&test->potad, &spaces[space].space, &request, &run);
    answer(test, status, expected, "spurious-failure");
    if (status == STATUS_OK) {
        uint64_t last = run.unit + (run.units - 1);
        if (run.units != request.units || !pfn_is_aligned(run.unit, request.align) ||
            last < run.unit) {
            fail_unit("alignment", space, run.unit, "not the run that was asked for");
        }
        if (run.unit < request.low || (request.high != 0 && last >= request.high)) {
            fail_unit("containment", space, run.unit, "not inside the limits");
        }
        check_units_free(space, run.unit, last, "overlap");
        space_runs[number] = run;
        run_begin(test, number, space);
        settle_space(test, space);
        check_unit(space, run.unit - 1);
        check_unit(space, last + 1);
    } else {
        check_unchanged(test, &before);
        settle_space(test, space);
    }
    done(test);
    if (status == STATUS_OK && expected == REFUSED) {
        give_unit_run(test, number);
    }
}

static void lookup_unit(struct test *test, unsigned space, uint64_t unit)
{
    check_unit(space, unit);
    done(test);
}

static void validate_spaces(struct test *test)
{
    struct violation violation;
    for (uint64_t i = 0; i < pieces_count; i++) {
        check_unit(pieces[i].space, pieces[i].first);
        check_unit(pieces[i].space, pieces[i].last);
        piece_pattern(&pieces[i], true);
    }
    for (unsigned i = 0; i < SPACES; i++) {
        settle_space(test, i);
        if (spaces[i].used && !potad_space_validate(&spaces[i].space, &violation)) {
            fail(test, invariant_name(violation.invariant), "unit %#llx: %#llx, expected %#llx",
                 (ull)violation.pfn, (ull)violation.actual, (ull)violation.expected);
        }
    }
}

static uint64_t hash_all_spaces(struct test *test)
{
    uint64_t hash = 0;
    (void)test;
    for (unsigned i = 0; i < SPACES; i++) {
        hash += spaces[i].used ? (i + 1) * potad_space_state_hash(&spaces[i].space) : 0;
    }
    return hash;
}

static void watch_spaces(struct test *test)
{
    test->check_spaces = validate_spaces;
    test->hash_spaces = hash_all_spaces;
}

static void end_spaces(struct test *test)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        give_units(test, i);
    }
    for (unsigned i = 0; i < RUNS_MAX; i++) {
        give_unit_run(test, i);
    }
    for (unsigned i = 0; i < SPACES; i++) {
        remove_space(test, i, STATUS_OK);
    }
}
