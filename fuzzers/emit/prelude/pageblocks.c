/* SPDX-License-Identifier: MIT */
/* Free blocks are listed by the type of their pageblock: that of what is in use there. */

/* The type that a frame in use gives its pageblock, or MIGRATETYPES for none. */
static enum migratetype frame_type(const struct test *test, pfn_t pfn, const struct frame *frame)
{
    if (frame->use == METADATA) {
        return pfn - test->boot_start < test->boot_frames ? MIGRATETYPES : MIGRATE_UNMOVABLE;
    }
    if (frame->use == KEPT) {
        return (enum migratetype)(frame->owner / 2);
    }
    if (frame->use != USED) {
        return MIGRATETYPES;
    }
    return frame->owner >= RUNS ? test->run_type(test, frame->owner)
                                : test->blocks[frame->owner].migratetype;
}

static enum migratetype pageblock_type(const struct test *test, pfn_t pfn, order_t order)
{
    order_t whole = test->map->pageblock_order == 0 ? PAGEBLOCK_ORDER : test->map->pageblock_order;
    const struct frame *own = &test->frames[pfn - FIRST_FRAME];
    pfn_t first = pfn >> whole << whole;
    enum migratetype type = MIGRATE_MOVABLE;
    if (own->kind == CMA) {
        return MIGRATE_CMA;
    }
    for (pfn_t at = first; order < whole && at < first + order_frames(whole); at++) {
        const struct frame *frame = frame_at(&t, at);
        if (frame->use == HOLE || frame->zone != own->zone || frame->kind == CMA) {
            continue;
        }
        enum migratetype used = frame_type(test, at, frame);
        if (used == MIGRATE_UNMOVABLE) {
            return MIGRATE_UNMOVABLE;
        }
        type = used == MIGRATE_RECLAIMABLE ? used : type;
    }
    return type;
}

static void check_pageblocks(struct test *test)
{
    static uint64_t blocks[ZONES_MAX][AREA_UNACCEPTED][ORDERS];
    memset(blocks, 0, sizeof(blocks));
    for (pfn_t at = FIRST_FRAME; at < FIRST_FRAME + FRAMES; at++) {
        const struct frame *frame = frame_at(test, at);
        pfn_t start;
        if (frame->use == FREE) {
            order_t order = free_block(test, at, &start);
            if (frame->kind != UNACCEPTED) {
                blocks[frame->zone][pageblock_type(test, start, order)][order]++;
            }
            at = start + order_frames(order) - 1;
        }
    }
    for (zone_id_t zone = 0; zone < test->map->zones_count; zone++) {
        for (unsigned area = 0; area < AREA_UNACCEPTED; area++) {
            for (order_t order = 0; order < ORDERS; order++) {
                uint64_t count = test->potad.zones[zone].areas[area].blocks[order];
                if (count != blocks[zone][area][order]) {
                    fail(test, "migratetype",
                         "zone %u, type %u, order %u: %llu free blocks, %llu expected", zone, area,
                         order, (ull)count, (ull)blocks[zone][area][order]);
                }
            }
        }
    }
}

static void watch_pageblocks(struct test *test)
{
    test->free_type = pageblock_type;
    test->check_types = check_pageblocks;
}
