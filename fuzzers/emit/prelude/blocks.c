/* SPDX-License-Identifier: MIT */
/* What is compared after each operation: the core's counts and lookups with the array of frames. */

/* Frames from @pfn on, before @end, that are as the one there. */
static uint64_t frames_alike(struct test *test, pfn_t pfn, pfn_t end)
{
    const struct frame *first = frame_at(test, pfn);
    uint64_t count = 1;
    for (const struct frame *frame; pfn + count < end; count++) {
        frame = frame_at(test, pfn + count);
        if (frame->use != first->use || frame->zone != first->zone || frame->kind != first->kind) {
            break;
        }
    }
    return count;
}

struct free_counts {
    uint64_t blocks[ZONES_MAX][KINDS][ORDERS];
    uint64_t all;
};

/* Free blocks are the largest aligned ones that runs of free frames of one kind can be cut into. */
static void count_free(struct test *test, struct free_counts *counts)
{
    const pfn_t end = FIRST_FRAME + FRAMES;
    *counts = (struct free_counts){.all = 0};
    for (pfn_t at = FIRST_FRAME; at < end;) {
        const struct frame *frame = frame_at(test, at);
        uint64_t run = frames_alike(test, at, end);
        for (pfn_t stop = at + run; frame->use == FREE && at < stop;) {
            order_t order = pfn_order_max(at, stop - at);
            counts->blocks[frame->zone][frame->kind][order]++;
            counts->all++;
            run -= order_frames(order);
            at += order_frames(order);
        }
        at += run;
    }
}

/* The free block around @pfn. */
static order_t free_block(struct test *test, pfn_t pfn, pfn_t *start)
{
    const struct frame *frame = frame_at(test, pfn);
    order_t order = 0;
    *start = pfn;
    while (order + 1 < ORDERS) {
        pfn_t wider = pfn >> (order + 1) << (order + 1);
        uint64_t frames = order_frames(order + 1);
        if (wider - FIRST_FRAME >= FRAMES || frames > FRAMES - (wider - FIRST_FRAME) ||
            frame_at(test, wider)->use != FREE || frame_at(test, wider)->zone != frame->zone ||
            frame_at(test, wider)->kind != frame->kind ||
            frames_alike(test, wider, wider + frames) < frames) {
            break;
        }
        order++;
        *start = wider;
    }
    return order;
}

static bool has_failed(struct test *test, pfn_t pfn, uint64_t frames)
{
    bool failed = false;
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        failed = failed || frame_at(test, at)->failed;
    }
    return failed;
}

static uint64_t count_use(const struct test *test, enum use use)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < FRAMES; i++) {
        count += test->frames[i].use == use ? 1 : 0;
    }
    return count;
}

/* F5: the struct buddys in use are those of all blocks, and what is kept for others to come. */
static void check_descriptors(struct test *test, uint64_t blocks)
{
    struct potad *potad = &test->potad;
    uint64_t live = potad->cache_buddy.live + atomic_word_peek(&potad->boot_buddies);
    list_for_each (link, &potad->caches) {
        blocks += list_item(link, struct kmem_cache, caches)->slabs;
    }
    for (zone_id_t zone = 0; zone < ZONES_MAX; zone++) {
        blocks += potad->zones[zone].spare.count;
        list_for_each (link, &potad->zones[zone].flaws) {
            blocks += list_item(link, struct poison, list)->buddys.count;
        }
    }
    if (live != blocks) {
        fail(test, "descriptors", "%llu descriptors in use, %llu expected", (ull)live, (ull)blocks);
    }
}

static void settle(struct test *test)
{
    static struct free_counts counts;
    uint64_t kept = 0;
    if (test->mark_kept != NULL) {
        test->mark_kept(test, true);
    }
    count_free(test, &counts);
    for (zone_id_t zone = 0; zone < test->map->zones_count; zone++) {
        const struct free_area *areas = test->potad.zones[zone].areas;
        for (order_t order = 0; order < ORDERS; order++) {
            const uint64_t actual[KINDS] = {
                areas[AREA_UNMOVABLE].blocks[order] + areas[AREA_MOVABLE].blocks[order] +
                    areas[AREA_RECLAIMABLE].blocks[order],
                areas[AREA_UNACCEPTED].blocks[order], areas[AREA_CMA].blocks[order]};
            for (unsigned kind = 0; kind < KINDS; kind++) {
                uint64_t expected = counts.blocks[zone][kind][order];
                if (actual[kind] != expected) {
                    fail(test, "coalescing", "zone %u, order %u: %llu free blocks, %llu expected",
                         zone, order, (ull)actual[kind], (ull)expected);
                }
            }
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        kept += test->blocks[i].used ? 1 : 0;
    }
    for (uint64_t i = 0; i < FRAMES; i++) { /* what a CPU keeps is a block, too: its first frame */
        kept += test->frames[i].use == KEPT ? test->frames[i].owner % 2 : 0;
    }
    check_descriptors(test, counts.all + kept + test->run_parts + count_use(test, POISONED));
    if (test->mark_kept != NULL) {
        test->mark_kept(test, false);
    }
}

static void fail_lookup(const struct test *test, pfn_t pfn, const struct memdesc_info *info,
                        const char *expected)
{
    fail(test, "lookup", "frame %#llx: type %d at %#llx of %llu frames in zone %u; expected %s",
         (ull)pfn, (int)info->type, (ull)info->pfn, (ull)info->frames, info->zone, expected);
}

static void check_free_lookup(struct test *test, pfn_t pfn, const struct memdesc_info *info)
{
    const struct frame *frame = frame_at(test, pfn);
    pfn_t start;
    order_t order = free_block(test, pfn, &start);
    if (info->type != MEMDESC_BUDDY_FREE || info->pfn != start ||
        info->frames != order_frames(order) || info->zone != frame->zone ||
        info->unaccepted != (frame->kind == UNACCEPTED) || info->flawed) {
        fail_lookup(test, pfn, info, "the free block around it");
    }
    if (test->free_type != NULL && frame->kind != UNACCEPTED &&
        info->migratetype != test->free_type(test, start, order)) {
        fail_lookup(test, pfn, info, "the type of its pageblock");
    }
}

static void check_used_lookup(struct test *test, pfn_t pfn, const struct memdesc_info *info)
{
    const struct frame *frame = frame_at(test, pfn);
    if (frame->owner >= RUNS) {
        test->check_run(test, pfn, info);
        return;
    }
    const struct block *block = &test->blocks[frame->owner];
    bool own = block->type != MEMDESC_NONE;
    if (info->type != (own ? block->type : MEMDESC_BUDDY_ALLOCATED) || info->pfn != block->pfn ||
        info->frames != order_frames(block->order) || info->zone != frame->zone ||
        info->migratetype != block->migratetype ||
        info->flawed != has_failed(test, info->pfn, info->frames) ||
        (own && info->descriptor != &block->descriptor)) {
        fail_lookup(test, pfn, info, "the allocated block around it");
    }
}

static void check_metadata_lookup(struct test *test, pfn_t pfn, const struct memdesc_info *info)
{
    bool right = (info->type == MEMDESC_SLAB || info->type == MEMDESC_RESERVED) &&
                 pfn - info->pfn < info->frames;
    if (!right || frame_at(test, info->pfn)->use != METADATA ||
        frame_at(test, info->pfn + info->frames - 1)->use != METADATA ||
        info->flawed != has_failed(test, info->pfn, info->frames)) {
        fail_lookup(test, pfn, info, "metadata around it");
    }
}

static void check_lookup(struct test *test, pfn_t pfn)
{
    struct memdesc_info info = {.frames = 0};
    bool found = memdesc_lookup(&test->potad, pfn, &info);
    if (test->mark_kept != NULL) {
        test->mark_kept(test, true);
    }
    const struct frame *frame = frame_at(test, pfn);
    if (found != (frame->use != HOLE)) {
        fail(test, "lookup", "frame %#llx is %s, lookup says otherwise", (ull)pfn,
             found ? "in a hole" : "memory");
    }
    if (frame->use == FREE) {
        check_free_lookup(test, pfn, &info);
    } else if (frame->use == USED) {
        check_used_lookup(test, pfn, &info);
    } else if (frame->use == METADATA) {
        check_metadata_lookup(test, pfn, &info);
    } else if (frame->use == KEPT) {
        test->check_kept(test, pfn, &info);
    } else if (frame->use == POISONED &&
               (info.type != MEMDESC_POISONED || info.pfn != pfn || info.frames != 1 ||
                info.zone != frame->zone || info.flawed)) {
        fail_lookup(test, pfn, &info, "a poisoned frame");
    }
    if (test->mark_kept != NULL) {
        test->mark_kept(test, false);
    }
}

static uint64_t state_hash(struct test *test)
{
    uint64_t spaces = test->hash_spaces != NULL ? test->hash_spaces(test) : 0;
    return spaces + potad_state_hash(&test->potad);
}

/* What an operation that fails must leave as it was. */
struct before {
    uint64_t frames; /* a hash of their uses */
    uint64_t state;  /* the core's own; where a fault is armed */
    uint64_t accepted;
    uint64_t metadata;
    bool kept; /* by CPUs: the operation may give that back */
};

static uint64_t frames_hash(const struct test *test)
{
    uint64_t hash = 0;
    for (uint64_t i = 0; i < FRAMES; i++) {
        hash += hash_mix(i * 16 + test->frames[i].use * 2U + test->frames[i].failed);
    }
    return hash;
}

/* Free frames of each zone that no CPU keeps. */
static void count_left(struct test *test, uint64_t left[ZONES_MAX])
{
    memset(left, 0, ZONES_MAX * sizeof(left[0]));
    if (test->mark_kept != NULL) {
        test->mark_kept(test, true);
    }
    for (uint64_t i = 0; i < FRAMES; i++) {
        left[test->frames[i].zone] += test->frames[i].use == FREE ? 1 : 0;
    }
    if (test->mark_kept != NULL) {
        test->mark_kept(test, false);
    }
}

static struct before remember(struct test *test)
{
    struct before before = {
        .frames = frames_hash(test),
        .accepted = test->accepted,
        .metadata = count_use(test, METADATA),
        .kept = test->keeps != NULL && test->keeps(test),
    };
    before.state = test->fault.nth != 0 && !before.kept ? state_hash(test) : 0;
    test->accepted_before = test->accepted;
    test->exposed_before = test->exposed;
    count_left(test, test->left_before);
    test->moves.order = 0;
    test->moves.tried = 0;
    test->moves.moved = 0;
    test->told.count = 0;
    return before;
}

static void check_unchanged(struct test *test, const struct before *before)
{
    if (test->accepted != before->accepted) {
        return; /* that cannot be undone */
    }
    if (before->kept) {
        if (count_use(test, METADATA) > before->metadata) {
            fail(test, "failure-state", "the operation failed, but metadata has grown");
        }
        return;
    }
    if (frames_hash(test) != before->frames ||
        (test->fault.nth != 0 && state_hash(test) != before->state)) {
        fail(test, "failure-state", "the operation failed, but memory is not as before");
    }
}

/* What else than one status may be expected. REFUSED: by the core that the test was made with;
 * where another one grants it, it is given back at once. */
enum { ANY_STATUS = INT_MIN, REFUSED, OK_BUT_FOR_FAULT };
#define OTHER_THAN(status) (~(int)(status))

/* @refused: the check that is violated where there is no memory, and there should be. */
static void answer(const struct test *test, enum status status, int expected, const char *refused)
{
    bool starved = status == STATUS_NO_MEMORY || status == STATUS_ACCEPT_FAILED;
    if (expected == OK_BUT_FOR_FAULT) {
        expected = starved && test->fault.fired > 0 ? (int)status : STATUS_OK;
    }
    if (expected == ANY_STATUS || expected == REFUSED || (int)status == expected ||
        (expected < 0 && (int)status != ~expected)) {
        return;
    }
    fail(test, starved && expected == STATUS_OK ? refused : "status", "answers %d, expected %s%d",
         (int)status, expected < 0 ? "other than " : "", expected < 0 ? ~expected : expected);
}

/* What owners that have agreed to move are to hear. */
static void check_moves(const struct test *test)
{
    if (test->moves.waiting > 0) {
        fail(test, "migrate", "%u owners that agreed have heard nothing since",
             test->moves.waiting);
    }
}

static bool zone_serves(const struct test *test, const struct page_request *request, unsigned zone)
{
    const struct zone_config *config = &test->map->zones[zone];
    return (test->zones >> zone & 1) != 0 && (request->zone == ZONE_ANY || request->zone == zone) &&
           (request->below == ZONE_DMA || config->zone_class < request->below) &&
           (config->zone_class != ZONE_MOVABLE || request->migratetype == MIGRATE_MOVABLE);
}

static void check_granted(struct test *test, const struct page_request *request,
                          const struct block *block)
{
    uint64_t frames = order_frames(request->order);
    const struct frame *first = frame_at(test, block->pfn);
    if (block->order != request->order || !pfn_is_aligned(block->pfn, request->order)) {
        fail(test, "alignment", "frame %#llx, order %u", (ull)block->pfn, block->order);
    }
    if (first->use != FREE || frames_alike(test, block->pfn, block->pfn + frames) < frames) {
        fail(test, "overlap", "block %#llx, order %u, is not free memory of one zone",
             (ull)block->pfn, block->order);
    }
    if (!zone_serves(test, request, first->zone) ||
        (first->kind == CMA && request->migratetype != MIGRATE_MOVABLE)) {
        fail(test, "containment", "block %#llx is in zone %u, which does not serve this request",
             (ull)block->pfn, first->zone);
    }
    if (first->kind == UNACCEPTED) {
        fail(test, "accept", "block %#llx was granted without being accepted", (ull)block->pfn);
    }
}

static void set_use(struct test *test, pfn_t pfn, uint64_t frames, enum use use, uint32_t owner)
{
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        struct frame *frame = frame_at(test, at);
        bool poisoned = use == FREE && frame->failed;
        frame->use = poisoned ? POISONED : (uint8_t)use;
        frame->failed = use != FREE && frame->failed;
        frame->owner = owner;
    }
}

static void check_ends(struct test *test, const struct block *block)
{
    check_lookup(test, block->pfn);
    check_lookup(test, block->pfn + order_frames(block->order) - 1);
}

static void give(struct test *test, unsigned number);

/* Makes room for block @number, where a split that was REFUSED has left one. */
static void vacate(struct test *test, unsigned number)
{
    bool always = test->fault.always;
    uint32_t nth = test->fault.nth;
    if (test->blocks[number].used) {
        give(test, number);
        fault_next(test, test->fault.site, nth, always);
    }
}

/* Allocates block @number, under a descriptor of @type where that is not MEMDESC_NONE. */
static void take_desc(struct test *test, unsigned number, struct page_request request,
                      enum memdesc_type type, int expected)
{
    struct block *block = &test->blocks[number];
    struct buddy *buddy = NULL;
    vacate(test, number);
    struct before before = remember(test);
    test->moves.order = request.compact ? request.order : 0;
    enum status status = type == MEMDESC_NONE ? alloc_pages(&test->potad, &request, &buddy)
                                              : alloc_pages_desc(&test->potad, &request,
                                                                 &block->descriptor, type, &buddy);
    check_moves(test);
    answer(test, status, expected, "spurious-failure");
    if (status == STATUS_OK) {
        block->buddy = buddy;
        block->pfn = buddy->pfn;
        block->order = buddy_order(buddy);
        block->type = type;
        block->migratetype = request.migratetype;
        block->used = true;
        block->moving = false;
        block->ended = false;
        block->refs = 0;
        check_granted(test, &request, block);
        set_use(test, block->pfn, order_frames(block->order), USED, number);
        settle(test);
        check_ends(test, block);
    } else {
        settle(test);
        check_unchanged(test, &before);
    }
    done(test);
    if (status == STATUS_OK && expected == REFUSED) {
        give(test, number);
    }
}

static void take(struct test *test, unsigned number, struct page_request request, int expected)
{
    take_desc(test, number, request, MEMDESC_NONE, expected);
}

static void free_now(struct test *test, struct block *block)
{
    set_use(test, block->pfn, order_frames(block->order), FREE, 0);
    block->used = false;
    block->ended = false;
    free_pages(&test->potad, block->buddy);
}

/* Frees block @number; of one that others can refer to, drops the owner's own reference. */
static void give(struct test *test, unsigned number)
{
    struct block *block = &test->blocks[number];
    if (!block->used || block->ended) {
        return;
    }
    if (block->type == MEMDESC_FOLIO && test->drop != NULL) {
        block->ended = true;
        test->drop(test, number);
        return;
    }
    test->freeing = true;
    free_now(test, block);
    test->freeing = false;
    settle(test);
    done(test);
}

/* Splits block @number down to @order; the other parts, by address, become the numbers @others. */
static void split(struct test *test, unsigned number, order_t order, const unsigned *others,
                  int expected)
{
    struct block *whole = &test->blocks[number];
    struct buddy *parts[ORDERS];
    if (!whole->used) {
        done(test);
        return;
    }
    for (order_t i = 0; others != NULL && i < whole->order - order; i++) {
        vacate(test, others[i]);
    }
    struct before before = remember(test);
    pfn_t pfn = whole->pfn;
    order_t old = whole->order;
    enum status status = split_pages(&test->potad, whole->buddy, order, parts);
    answer(test, status, expected, "spurious-failure");
    for (order_t i = 0; status == STATUS_OK && i <= old - order; i++) {
        order_t right = i == 0 ? order : order + i - 1;
        unsigned index = i == old - order ? number : others[i];
        struct block *part = &test->blocks[index];
        if (parts[i]->pfn != pfn || buddy_order(parts[i]) != right) {
            fail(test, "alignment", "part %u is %#llx, order %u; expected %#llx, order %u", i,
                 (ull)parts[i]->pfn, buddy_order(parts[i]), (ull)pfn, right);
        }
        part->buddy = parts[i];
        part->pfn = pfn;
        part->order = right;
        part->type = MEMDESC_NONE;
        part->migratetype = whole->migratetype;
        part->used = true;
        part->moving = false;
        part->ended = false;
        part->refs = 0;
        for (pfn_t at = pfn; at < pfn + order_frames(right); at++) {
            frame_at(test, at)->owner = index;
        }
        check_ends(test, part);
        pfn += order_frames(right);
    }
    settle(test);
    if (status != STATUS_OK) {
        check_unchanged(test, &before);
    }
    done(test);
}

static void lookup(struct test *test, pfn_t pfn)
{
    check_lookup(test, pfn);
    done(test);
}

static void shrink(struct test *test)
{
    test->freeing = true;
    potad_shrink(&test->potad);
    test->freeing = false;
    settle(test);
}

/* Block @number comes not from frame @pfn, where others were to be taken first. */
static void not_from(const struct test *test, unsigned number, pfn_t pfn, const char *check)
{
    if (test->blocks[number].used && test->blocks[number].pfn == pfn) {
        fail(test, check, "block %u comes from frame %#llx", number, (ull)pfn);
    }
}

/* Block @number comes not from @zone while zone @earlier has one. */
static void passes_over(struct test *test, unsigned number, zone_id_t zone, zone_id_t earlier)
{
    static struct free_counts counts;
    const struct block *block = &test->blocks[number];
    count_free(test, &counts);
    for (order_t order = block->order; block->used && order < ORDERS; order++) {
        const uint64_t(*blocks)[ORDERS] = counts.blocks[earlier];
        uint64_t lent = block->migratetype == MIGRATE_MOVABLE ? blocks[CMA][order] : 0;
        if (frame_at(test, block->pfn)->zone == zone &&
            blocks[ACCEPTED][order] + blocks[UNACCEPTED][order] + lent > 0) {
            fail(test, "zone-order", "zone %u gave block %u, before zone %u", zone, number,
                 earlier);
        }
    }
}

/* The last operation has left @frames in @zone, if it took any: metadata may have what there is. */
static void leaves(struct test *test, zone_id_t zone, uint64_t frames)
{
    uint64_t left[ZONES_MAX];
    count_left(test, left);
    if (left[zone] < test->left_before[zone] && left[zone] < frames &&
        test->exposed == test->exposed_before) {
        fail(test, "watermark", "zone %u keeps %llu frames, and has %llu left", zone, (ull)frames,
             (ull)left[zone]);
    }
}

/* Where @zone has little accepted memory left, the last operation has accepted more. */
static void accepts_ahead(const struct test *test, zone_id_t zone)
{
    uint64_t frames[KINDS] = {0};
    uint64_t min = test->map->zones[zone].watermark_min;
    for (uint64_t i = 0; i < FRAMES; i++) {
        const struct frame *frame = &test->frames[i];
        frames[frame->kind] += frame->use == FREE && frame->zone == zone ? 1 : 0;
    }
    if (frames[ACCEPTED] + frames[CMA] < min + min / 2 && frames[UNACCEPTED] > 0 &&
        test->accepted == test->accepted_before) {
        fail(test, "watermark", "zone %u has %llu accepted frames left, and accepts no more", zone,
             (ull)(frames[ACCEPTED] + frames[CMA]));
    }
}

/* All that the core can check of itself, and frames all over the map. */
static void validate(struct test *test)
{
    struct violation violation;
    settle(test);
    for (unsigned i = 0; i < SLOTS; i++) {
        if (test->blocks[i].used) {
            check_ends(test, &test->blocks[i]);
        }
    }
    if (test->check_ranges != NULL) {
        test->check_ranges(test);
    }
    if (test->mark_kept != NULL) {
        test->mark_kept(test, true);
    }
    if (test->check_types != NULL) {
        test->check_types(test);
    }
    if (test->mark_kept != NULL) {
        test->mark_kept(test, false);
    }
    if (test->check_spaces != NULL) {
        test->check_spaces(test);
    }
    if (!potad_validate(&test->potad, &violation)) {
        fail(test, invariant_name(violation.invariant), "frame %#llx: %#llx, expected %#llx",
             (ull)violation.pfn, (ull)violation.actual, (ull)violation.expected);
    }
    for (pfn_t pfn = FIRST_FRAME; pfn < FIRST_FRAME + FRAMES; pfn += FRAMES / 512 + 1) {
        check_lookup(test, pfn);
    }
}

/* The operations have ended, for the first or second time: in the same state. */
static void check_state(struct test *test, bool second)
{
    validate(test);
    uint64_t state = state_hash(test);
    if (second && state != test->state) {
        fail(test, "determinism", "state %016llx, then %016llx", (ull)test->state, (ull)state);
    }
    test->state = state;
}

static void boot(struct test *test, const struct boot_map *map)
{
    open_memory(test, map);
    answer(test, potad_boot(&test->potad, &test->port, map), STATUS_OK, "status");
    test->booted = true;
    test->boot_frames = count_use(test, METADATA);
    static struct free_counts counts;
    count_free(test, &counts);
    test->boot_free = counts.all;
    settle(test);
    test->boot_hash = state_hash(test);
}

static void give_all(struct test *test)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        give(test, i);
    }
}

/* When all is free, memory is as it was after boot. */
static void finish(struct test *test)
{
    static struct free_counts counts;
    shrink(test);
    validate(test);
    uint64_t slabs = count_use(test, METADATA) - test->boot_frames;
    if (slabs == 0 && test->accepted == 0 && state_hash(test) != test->boot_hash) {
        fail(test, "not-whole", "all is free, but blocks are not as after boot");
    }
    for (pfn_t pfn = FIRST_FRAME; pfn < FIRST_FRAME + FRAMES; pfn++) {
        struct frame *frame = frame_at(test, pfn);
        if (frame->use == METADATA && pfn - test->boot_start >= test->boot_frames) {
            frame->use = FREE;
        }
    }
    count_free(test, &counts);
    /* Acceptance cuts blocks for good: more of them than at boot need slabs for descriptors. */
    if (slabs > 0 && counts.all <= test->boot_free) {
        fail(test, "not-whole", "all is free, but %llu frames of slabs are left", (ull)slabs);
    }
}
