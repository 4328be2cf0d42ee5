/* SPDX-License-Identifier: MIT */
/* References to folios: the last one that goes has the block released. */
static void hear_release(void *context, struct memdesc *descriptor)
{
    const struct ear *ear = context;
    struct test *test = ear->t;
    struct block *block = test->due;
    struct memdesc_ref ref;
    test->due = NULL;
    if (block == NULL || descriptor != &block->descriptor || ear->type != block->type) {
        fail(test, "release", "an owner of type %d is to release a block that is not due",
             (int)ear->type);
    }
    pfn_t last = block->pfn + order_frames(block->order) - 1;
    if (memdesc_tryget(&test->potad, last, &ref)) {
        fail(test, "reference", "frame %#llx gives a reference, with its block being released",
             (ull)last);
    }
    free_now(test, block);
}

/* A reference to block @number goes. */
static void drop(struct test *test, unsigned number)
{
    struct block *block = &test->blocks[number];
    pfn_t pfn = block->pfn;
    test->due = block->ended && block->refs == 0 ? block : NULL;
    test->freeing = true;
    memdesc_put(&test->potad, &block->descriptor, block->type);
    test->freeing = false;
    if (test->due != NULL) {
        fail(test, "release", "the last reference to %#llx is dropped, and nobody releases it",
             (ull)pfn);
    }
    settle(test);
    check_lookup(test, pfn);
    done(test);
}

static void hear_releases(struct test *test)
{
    test->owner_ops.release = hear_release;
    test->drop = drop;
    watch(test);
}

/* Takes a reference to what frame @pfn leads to: a folio gives one, and nothing else. */
static void get(struct test *test, pfn_t pfn)
{
    struct memdesc_ref ref = {.descriptor = NULL};
    const struct frame *frame = frame_at(test, pfn);
    struct block *block =
        frame->use == USED && frame->owner < RUNS ? &test->blocks[frame->owner] : NULL;
    bool right = block != NULL && block->type == MEMDESC_FOLIO;
    test->freeing = true; /* no lock, no allocation */
    bool got = memdesc_tryget(&test->potad, pfn, &ref);
    test->freeing = false;
    if (got != right || (got && (ref.descriptor != &block->descriptor || ref.type != block->type ||
                                 ref.pfn != block->pfn || ref.order != block->order))) {
        fail(test, "reference", "frame %#llx gives %s, to %#llx, order %u", (ull)pfn,
             got ? "a reference" : "none", (ull)ref.pfn, ref.order);
    }
    if (got) {
        block->refs++;
    }
    settle(test);
    done(test);
}

/* Drops a reference to block @number. */
static void put(struct test *test, unsigned number)
{
    struct block *block = &test->blocks[number];
    if (block->used && block->refs > 0) {
        block->refs--;
        drop(test, number);
    }
}

static void put_all(struct test *test)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        while (test->blocks[i].used && test->blocks[i].refs > 0) {
            put(test, i);
        }
    }
}
