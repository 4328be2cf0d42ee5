/* SPDX-License-Identifier: MIT */
/* Frames that fail: a free one is poisoned, one in use when its block is freed; its owner is told.
 */
static void hear_failure(void *context, struct memdesc *descriptor, pfn_t pfn)
{
    const struct ear *ear = context;
    struct test *test = ear->t;
    test->told.count++;
    test->told.type = ear->type;
    test->told.descriptor = descriptor;
    test->told.pfn = pfn;
}

static void hear_failures(struct test *test)
{
    test->owner_ops.memory_failure = hear_failure;
    watch(test);
}

/* Whether who was told is the owner that frame @was had. */
static bool told_owner(const struct test *test, const struct frame *was)
{
    if (was->use != USED) {
        return test->told.type == MEMDESC_SLAB;
    }
    if (was->owner >= RUNS) {
        return test->told.type == MEMDESC_BUDDY_ALLOCATED;
    }
    const struct block *block = &test->blocks[was->owner];
    bool own = block->type != MEMDESC_NONE;
    return test->told.type == (own ? block->type : MEMDESC_BUDDY_ALLOCATED) &&
           (!own || test->told.descriptor == &block->descriptor);
}

static void check_told(struct test *test, pfn_t pfn, const struct frame *was, bool failed)
{
    /* A free frame may have become part of a slab meanwhile. */
    bool in_use = was->use != FREE || frame_at(test, pfn)->use != FREE;
    uint32_t count = test->told.count;
    if (count < (failed && in_use ? 1 : 0) || count > (failed ? 1 : 0)) {
        fail(test, "owner-told", "frame %#llx fails: %u owners were told", (ull)pfn, count);
    }
    if (count > 0 && (test->told.pfn != pfn || !told_owner(test, was))) {
        fail(test, "owner-told", "frame %#llx fails: an owner of type %d was told of %#llx",
             (ull)pfn, (int)test->told.type, (ull)test->told.pfn);
    }
}

static void check_around(struct test *test, pfn_t pfn)
{
    check_lookup(test, pfn);
    check_lookup(test, pfn - 1);
    check_lookup(test, pfn + 1);
}

/* Takes a failed frame into use again. */
static void heal_frame(struct test *test, pfn_t pfn, int expected)
{
    struct frame *frame = frame_at(test, pfn);
    struct before before = remember(test);
    bool failed = frame->failed || frame->use == POISONED;
    if (failed) {
        frame->failed = false;
        frame->use = frame->use == POISONED ? FREE : frame->use;
    }
    test->freeing = true;
    enum status status = unpoison(&test->potad, pfn);
    test->freeing = false;
    answer(test, status, expected, "status");
    settle(test);
    if (!failed) {
        check_unchanged(test, &before);
    }
    check_around(test, pfn);
    done(test);
}

static void fail_frame(struct test *test, pfn_t pfn, int expected)
{
    struct before before = remember(test);
    struct frame was = *frame_at(test, pfn);
    enum status status = memory_failure(&test->potad, pfn);
    answer(test, status, expected, "spurious-failure");
    check_told(test, pfn, &was, status == STATUS_OK);
    if (status == STATUS_OK) {
        struct frame *frame = frame_at(test, pfn);
        frame->failed = frame->use != FREE;
        frame->use = frame->use == FREE ? POISONED : frame->use;
    }
    settle(test);
    if (status != STATUS_OK) {
        check_unchanged(test, &before);
    }
    check_around(test, pfn);
    done(test);
    if (status == STATUS_OK && expected == REFUSED) {
        heal_frame(test, pfn, STATUS_OK);
    }
}

static void heal_all(struct test *test)
{
    for (pfn_t pfn = FIRST_FRAME; pfn < FIRST_FRAME + FRAMES; pfn++) {
        if (frame_at(test, pfn)->failed) {
            heal_frame(test, pfn, STATUS_OK);
        }
    }
    for (pfn_t pfn = FIRST_FRAME; pfn < FIRST_FRAME + FRAMES; pfn++) {
        if (frame_at(test, pfn)->use == POISONED) {
            heal_frame(test, pfn, STATUS_OK);
        }
    }
}
