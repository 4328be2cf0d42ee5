/* SPDX-License-Identifier: MIT */
/* Frames in a row. */
struct run {
    struct contig contig;
    enum migratetype migratetype; /* of its parts */
    bool used;
};

static struct run runs[RUNS_MAX];

static void check_run_lookup(struct test *test, pfn_t pfn, const struct memdesc_info *info)
{
    const struct run *run = &runs[frame_at(test, pfn)->owner - RUNS];
    bool inside = info->pfn >= run->contig.pfn && pfn - info->pfn < info->frames &&
                  info->pfn + info->frames <= run->contig.pfn + run->contig.units;
    if (!inside || info->type != MEMDESC_BUDDY_ALLOCATED || info->zone != run->contig.zone ||
        info->migratetype != run->migratetype || info->unaccepted ||
        info->flawed != has_failed(test, info->pfn, info->frames)) {
        fail_lookup(test, pfn, info, "a part of the run around it");
    }
}

static enum migratetype run_type(const struct test *test, uint32_t owner)
{
    (void)test;
    return runs[owner - RUNS].migratetype;
}

static void check_run(struct test *test, const struct contig_request *request,
                      const struct contig *run)
{
    struct page_request served = {
        .zone = request->zone,
        .below = request->below,
        .migratetype = request->cma ? MIGRATE_MOVABLE : request->migratetype,
    };
    if (run->units != request->units || !pfn_is_aligned(run->pfn, request->align)) {
        fail(test, "alignment", "run %#llx of %llu frames", (ull)run->pfn, (ull)run->units);
    }
    if (run->pfn < request->low || (request->high != 0 && run->pfn + run->units > request->high) ||
        !zone_serves(test, &served, run->zone)) {
        fail(test, "containment", "run %#llx in zone %u is not inside its limits", (ull)run->pfn,
             run->zone);
    }
    for (pfn_t at = run->pfn; at < run->pfn + run->units; at++) {
        const struct frame *frame = frame_at(test, at);
        if (frame->use != FREE) {
            fail(test, "overlap", "run %#llx: frame %#llx is not free", (ull)run->pfn, (ull)at);
        }
        if (frame->zone != run->zone || (frame->kind == CMA) != request->cma) {
            fail(test, "containment", "run %#llx: frame %#llx is elsewhere", (ull)run->pfn,
                 (ull)at);
        }
        if (frame->kind == UNACCEPTED) {
            fail(test, "accept", "run %#llx: frame %#llx is not accepted", (ull)run->pfn, (ull)at);
        }
    }
}

static void check_parts(struct test *test, const struct contig *run)
{
    uint64_t parts = 0;
    for (pfn_t at = run->pfn; at < run->pfn + run->units; parts++) {
        struct memdesc_info info = {.frames = 1};
        check_lookup(test, at);
        (void)memdesc_lookup(&test->potad, at, &info);
        at = info.pfn + info.frames;
    }
    if (parts != run->parts) {
        fail(test, "lookup", "run %#llx has %llu parts, not %llu", (ull)run->pfn, (ull)parts,
             (ull)run->parts);
    }
}

static void give_run(struct test *test, unsigned number)
{
    struct run *run = &runs[number];
    if (!run->used) {
        return;
    }
    set_use(test, run->contig.pfn, run->contig.units, FREE, 0);
    run->used = false;
    test->run_parts -= run->contig.parts;
    test->freeing = true;
    free_contig(&test->potad, &run->contig);
    test->freeing = false;
    settle(test);
    done(test);
}

static void take_run(struct test *test, unsigned number, struct contig_request request,
                     int expected)
{
    struct run *run = &runs[number];
    struct contig contig = {.pfn = 0};
    struct before before = remember(test);
    test->check_run = check_run_lookup;
    test->run_type = run_type;
    enum status status = alloc_contig(&test->potad, &request, &contig);
    check_moves(test);
    answer(test, status, expected, "contig");
    if (status == STATUS_OK) {
        check_run(test, &request, &contig);
        *run = (struct run){contig, request.cma ? MIGRATE_UNMOVABLE : request.migratetype,
                            .used = true};
        set_use(test, contig.pfn, contig.units, USED, RUNS + number);
        test->run_parts += contig.parts;
        settle(test);
        check_parts(test, &contig);
    } else {
        settle(test);
        check_unchanged(test, &before);
    }
    done(test);
    if (status == STATUS_OK && expected == REFUSED) {
        give_run(test, number);
    }
}

/* Run @number does not come from @zone: so says @check. */
static void run_not_from(const struct test *test, unsigned number, zone_id_t zone,
                         const char *check)
{
    if (runs[number].used && runs[number].contig.zone == zone) {
        fail(test, check, "run %u comes from zone %u", number, zone);
    }
}

static void give_runs(struct test *test)
{
    for (unsigned i = 0; i < RUNS_MAX; i++) {
        give_run(test, i);
    }
}
