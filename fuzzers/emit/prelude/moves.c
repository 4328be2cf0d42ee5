/* SPDX-License-Identifier: MIT */
/* Owners that are asked to move: all agree, but where a fault says no, or others have references.
 */

/* The block that @move is about, or NULL where it is none that was asked in this way. */
static struct block *block_moved(const struct ear *ear, const struct memdesc *descriptor,
                                 const struct migration *move)
{
    const struct frame *frame = frame_at(ear->t, move->from);
    if (frame->use != USED || frame->owner >= RUNS) {
        return NULL;
    }
    struct block *block = &ear->t->blocks[frame->owner];
    bool own = block->type != MEMDESC_NONE;
    bool right = block->pfn == move->from && block->order == move->order &&
                 block->migratetype == MIGRATE_MOVABLE &&
                 ear->type == (own ? block->type : MEMDESC_BUDDY_ALLOCATED) &&
                 (own ? descriptor == &block->descriptor : move->buddy == block->buddy);
    return right ? block : NULL;
}

static void block_move(struct test *test, struct block *block, const struct migration *move)
{
    uint64_t frames = order_frames(move->order);
    const struct frame *to = frame_at(test, move->to);
    const struct zone_config *zones = test->map->zones;
    if (block->refs > 0) {
        fail(test, "migrate", "block %#llx moves, with %u references", (ull)move->from,
             block->refs);
    }
    if (to->use != FREE || to->kind == UNACCEPTED ||
        frames_alike(test, move->to, move->to + frames) < frames) {
        fail(test, "overlap", "block %#llx, order %u, moves to %#llx, not free accepted memory",
             (ull)move->from, move->order, (ull)move->to);
    }
    if (zones[to->zone].zone_class > zones[frame_at(test, move->from)->zone].zone_class) {
        fail(test, "containment", "block %#llx moves to zone %u, of a higher class",
             (ull)move->from, to->zone);
    }
    uint32_t number = frame_at(test, move->from)->owner;
    set_use(test, move->from, frames, FREE, 0);
    set_use(test, move->to, frames, USED, number);
    block->pfn = move->to;
    test->moves.moved += frames;
    check_ends(test, block);
}

static void check_asked(struct test *test, const struct block *block)
{
    test->moves.tried += order_frames(block->order);
    if (test->moves.order != 0 &&
        (block->order >= test->moves.order || frame_at(test, block->pfn)->kind == CMA)) {
        fail(test, "compact", "the owner of %#llx, order %u, is asked to make room for order %u",
             (ull)block->pfn, block->order, test->moves.order);
    }
}

static bool hear_move(void *context, struct memdesc *descriptor, struct migration *move,
                      enum migrate_stage stage)
{
    const struct ear *ear = context;
    struct test *test = ear->t;
    struct block *block = block_moved(ear, descriptor, move);
    if (block == NULL || block->moving != (stage != MIGRATE_TRY)) {
        fail(test, "migrate", "the owner of %#llx hears of a move out of turn: %d", (ull)move->from,
             (int)stage);
    }
    if (stage == MIGRATE_TRY) {
        move->buddy = block->buddy;
        check_asked(test, block);
        if (block->ended) {
            return false; /* its owner has no say any more */
        }
    } else if (stage == MIGRATE_COMMIT) {
        block_move(test, block, move);
    }
    block->moving = stage == MIGRATE_TRY;
    test->moves.waiting += block->moving ? 1 : ~0U;
    return true;
}

static void hear_moves(struct test *test)
{
    test->owner_ops.migrate = hear_move;
    watch(test);
}

/* What compaction says, and what owners have heard. */
static void check_compacted(struct test *test, const struct compact_request *request,
                            const struct compact_result *result)
{
    uint64_t window = request->pages.order < ORDERS ? order_frames(request->pages.order) : 0;
    if (result->frames_moved != test->moves.moved || test->moves.tried > result->frames_tried) {
        fail(test, "compact", "says that %llu of %llu frames have moved; owners heard of %llu",
             (ull)result->frames_moved, (ull)result->frames_tried, (ull)test->moves.moved);
    }
    if (result->frames_tried > request->frames_max || test->moves.tried > request->frames_max ||
        (result->blocks_seen > request->blocks_max &&
         result->blocks_seen - request->blocks_max > window)) {
        fail(test, "compact", "%llu frames were to move, %llu blocks were looked at",
             (ull)result->frames_tried, (ull)result->blocks_seen);
    }
}

static bool block_is_there(struct test *test, const struct page_request *request)
{
    static struct free_counts counts;
    count_free(test, &counts);
    for (unsigned zone = 0; zone < test->map->zones_count; zone++) {
        for (order_t order = request->order; order < ORDERS; order++) {
            const uint64_t(*blocks)[ORDERS] = counts.blocks[zone];
            uint64_t lent = request->migratetype == MIGRATE_MOVABLE ? blocks[CMA][order] : 0;
            if (zone_serves(test, request, zone) &&
                blocks[ACCEPTED][order] + blocks[UNACCEPTED][order] + lent > 0) {
                return true;
            }
        }
    }
    return false;
}

static void compact(struct test *test, struct compact_request request, int expected)
{
    struct compact_result result = {.frames_moved = 0};
    struct before before = remember(test);
    test->moves.order = request.pages.order;
    enum status status = potad_compact(&test->potad, &request, &result);
    check_moves(test);
    bool given_up = status == STATUS_BUSY && expected == STATUS_OK;
    answer(test, given_up ? STATUS_NO_MEMORY : status, expected, "spurious-failure");
    if (status != STATUS_INVALID) {
        check_compacted(test, &request, &result);
    }
    if (status == STATUS_OK && !block_is_there(test, &request.pages)) {
        fail(test, "compact", "order %u is said to be there, and is not", request.pages.order);
    }
    if (status != STATUS_OK && test->moves.moved > 0) {
        fail(test, "failure-state", "%llu frames have moved for nothing", (ull)test->moves.moved);
    }
    settle(test);
    if (test->moves.moved == 0) {
        check_unchanged(test, &before);
    }
    done(test);
}
