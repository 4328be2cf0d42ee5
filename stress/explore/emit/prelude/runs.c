/* SPDX-License-Identifier: MIT */
/* Runs of frames, by numbers, and compaction. */
struct run {
    enum state state;
    struct contig contig;
};

static struct run runs[RUNS_MAX];

static void take_run(struct test *test, unsigned number, struct contig_request request)
{
    struct run *run = &runs[number];
    if (run->state != EMPTY) {
        return;
    }
    run->state = BUSY;
    uint64_t failures = grants.failures;
    note("allocate %llu frames", (ull)request.units);
    enum status status = alloc_contig(&test->potad, &request, &run->contig);
    if (status == STATUS_OK) {
        granted(test, run->contig.pfn, run->contig.units, failures);
        note("allocated %#llx", (ull)run->contig.pfn);
    } else {
        expect(test, "contig", status);
        note("refused: %d", STATUS_ACCEPT_FAILED); /* why is not judged */
    }
    run->state = status == STATUS_OK ? HELD : EMPTY;
}

static void give_run(struct test *test, unsigned number)
{
    struct run *run = &runs[number];
    if (run->state != HELD) {
        return;
    }
    run->state = BUSY;
    note("free %llu frames from %#llx", (ull)run->contig.units, (ull)run->contig.pfn);
    own(test, run->contig.pfn, run->contig.units, USED, FREE, "ownership");
    free_contig(&test->potad, &run->contig);
    note("freed %#llx", (ull)run->contig.pfn);
    run->state = EMPTY;
}

/* Whatever it answers: what it has done is seen by the owners. */
static void compact(struct test *test, struct compact_request request)
{
    struct compact_result result;
    enum status status = potad_compact(&test->potad, &request, &result);
    (void)status;
}

static void give_runs(struct test *test)
{
    for (unsigned i = 0; i < RUNS_MAX; i++) {
        give_run(test, i);
    }
}
