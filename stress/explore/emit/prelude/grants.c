/* SPDX-License-Identifier: MIT */
/* Blocks, by numbers: what threads do with them beside each other. A block that a call works on is
 * busy until that has returned. Where a number has nothing for a call, there is no call: then the
 * threads have not come to where they were when this test was made. */
struct descriptor {
    _Alignas(MEMDESC_ALIGN) struct memdesc head;
    uint64_t mark; /* the owner's own */
};

enum { LIVE = 0x5ca1ab1e, DEAD = 0x0ddba11 };

/* Its owner has dropped an ENDED block, and others still have references. */
enum state { EMPTY, BUSY, HELD, MOVING, ENDED };

struct grant {
    struct descriptor descriptor;
    enum state state;
    struct buddy *buddy;
    pfn_t pfn;
    order_t order;
    enum memdesc_type type;
    enum migratetype migratetype;
};

struct reference {
    enum state state;
    struct memdesc *descriptor;
};

/* Of a frame: its failure was beside a call that may have taken it into use again. */
#define FAILED_PERHAPS UINT64_MAX

static struct {
    struct grant blocks[SLOTS];
    struct reference references[SLOTS];
    bool reuse; /* owners put descriptors on other blocks without a grace period between */
    bool *last[THREADS_MAX + 1]; /* of the put() that a thread is in: it was the last reference */
    uint64_t failed[FRAMES];     /* 0, the number of the failure, or FAILED_PERHAPS */
    uint64_t failures;           /* so far */
    uint64_t mends;              /* calls of unpoison() so far */
    uint64_t mends_ended;        /* of these */
} grants;

/* Takes block @number for a call. Return: NULL where it is not in @state. */
static struct grant *claim(unsigned number, enum state state)
{
    struct grant *grant = &grants.blocks[number];
    if (grant->state != state) {
        return NULL;
    }
    grant->state = BUSY;
    return grant;
}

/* The number of the block that has @descriptor; -1: none. */
static int number_of(const struct memdesc *descriptor)
{
    for (int i = 0; i < SLOTS; i++) {
        if (&grants.blocks[i].descriptor.head == descriptor) {
            return i;
        }
    }
    return -1;
}

static void descriptor_begin(struct descriptor *descriptor)
{
    may_touch(descriptor, sizeof(*descriptor), true);
    descriptor->mark = LIVE;
}

/* The owner frees it: nobody may touch it until it is made anew. */
static void descriptor_end(struct descriptor *descriptor)
{
    memset((void *)descriptor, 0xff, sizeof(*descriptor));
    descriptor->mark = DEAD;
    may_touch(descriptor, sizeof(*descriptor), false);
}

/* @frames frames from @pfn were granted to who asked when there had been @failures failures. */
static void granted(struct test *test, pfn_t pfn, uint64_t frames, uint64_t failures)
{
    own(test, pfn, frames, FREE, USED, "overlap");
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        uint64_t failed = grants.failed[at - FIRST_FRAME];
        if (failed != 0 && failed <= failures) {
            fail(test, "failed-frame", "frame %#llx is granted, and had failed before", (ull)at);
        }
    }
}

/* The answers that a call may have that asks for memory. */
static void expect(struct test *test, const char *what, enum status status)
{
    if (status != STATUS_OK && status != STATUS_NO_MEMORY && status != STATUS_ACCEPT_FAILED &&
        status != STATUS_INVALID) {
        fail(test, "status", "%s answers %d", what, (int)status);
    }
}

/* What is beyond the judgement of who has seen only answers is one status to him. */
static int refusal(enum status status)
{
    return status == STATUS_INVALID ? STATUS_ACCEPT_FAILED : (int)status;
}

static void take_desc(struct test *test, unsigned number, struct page_request request,
                      enum memdesc_type type)
{
    struct grant *grant = claim(number, EMPTY);
    struct buddy *buddy = NULL;
    if (grant == NULL) {
        return;
    }
    grant->type = type;
    grant->migratetype = request.migratetype;
    descriptor_begin(&grant->descriptor);
    uint64_t failures = grants.failures;
    note("allocate order %u", request.order);
    enum status status =
        type == MEMDESC_NONE
            ? alloc_pages(&test->potad, &request, &buddy)
            : alloc_pages_desc(&test->potad, &request, &grant->descriptor.head, type, &buddy);
    if (status == STATUS_OK) {
        grant->buddy = buddy;
        grant->pfn = buddy->pfn;
        grant->order = buddy_order(buddy);
        if (grant->order != request.order || !pfn_is_aligned(grant->pfn, grant->order)) {
            fail(test, "containment", "order %u was asked for, %u at frame %#llx granted",
                 request.order, grant->order, (ull)grant->pfn);
        }
        granted(test, grant->pfn, order_frames(grant->order), failures);
        note("allocated %#llx", (ull)grant->pfn);
    } else {
        expect(test, "alloc", status);
        note("refused: %d", refusal(status));
    }
    grant->state = status == STATUS_OK ? HELD : EMPTY;
}

static void take(struct test *test, unsigned number, struct page_request request)
{
    take_desc(test, number, request, MEMDESC_NONE);
}

/* Where block @number is not granted before there are threads, there is nothing to be found. */
static void must_have(unsigned number)
{
    if (grants.blocks[number].state != HELD) {
        fprintf(stderr,
                "block %u of the set-up is refused: this is not the memory or the core "
                "that the test was made for\n",
                number);
        _exit(3);
    }
}

static void free_block(struct test *test, const struct grant *grant)
{
    pfn_t pfn = grant->pfn;
    note("free %#llx", (ull)pfn);
    own(test, pfn, order_frames(grant->order), USED, FREE, "ownership");
    free_pages(&test->potad, grant->buddy);
    note("freed %#llx", (ull)pfn);
}

static void drop(struct test *test, struct memdesc *descriptor)
{
    bool last = false;
    int number = number_of(descriptor);
    note("drop a reference to %d", number);
    grants.last[who()] = &last;
    memdesc_put(&test->potad, descriptor, MEMDESC_FOLIO);
    grants.last[who()] = NULL;
    note("dropped a reference to %d%s", number, last ? ", the last" : "");
}

/* The last reference is gone, in a drop(), or in a get() that came too late. */
static void hear_release(void *context, struct memdesc *descriptor)
{
    struct test *test = context;
    int number = number_of(descriptor);
    if (number < 0 || grants.blocks[number].state != ENDED) {
        fail(test, "lifetime", "an owner is to release a block that has not ended");
    }
    struct grant *grant = &grants.blocks[number];
    if (grants.last[who()] != NULL) {
        *grants.last[who()] = true;
    } else {
        note("the last reference to %d goes", number);
        note("the last reference to %d has gone", number);
    }
    grant->state = BUSY;
    free_block(test, grant);
    if (!grants.reuse) {
        struct epoch_stall stall;
        if (!epoch_synchronise(&test->potad.epoch, 0, &stall)) {
            fail(test, "grace-period", "it is given up, without a limit to its patience");
        }
        descriptor_end(&grant->descriptor);
    }
    grant->state = EMPTY;
}

/* Frees block @number; of a folio, drops the owner's own reference. */
static void give(struct test *test, unsigned number)
{
    struct grant *grant = claim(number, HELD);
    if (grant == NULL) {
        return;
    }
    if (grant->type == MEMDESC_FOLIO) {
        grant->state = ENDED;
        drop(test, &grant->descriptor.head);
        return;
    }
    free_block(test, grant);
    grant->state = EMPTY;
}

/* Splits block @number down to @order; the other parts, by address, become the numbers @others. */
static void split(struct test *test, unsigned number, order_t order, const unsigned *others)
{
    struct buddy *parts[ORDERS];
    struct grant *whole = claim(number, HELD);
    if (whole == NULL) {
        return;
    }
    order_t count = whole->order - order;
    for (order_t i = 0; i < count; i++) {
        if (claim(others[i], EMPTY) == NULL) {
            fail(test, "numbers", "a part of block %u has no number", number);
        }
    }
    note("split %#llx to order %u", (ull)whole->pfn, order);
    enum status status = split_pages(&test->potad, whole->buddy, order, parts);
    note("split %#llx: %d", (ull)whole->pfn, (int)status);
    for (order_t i = 0; i < count; i++) {
        struct grant *part = &grants.blocks[others[i]];
        if (status == STATUS_OK) {
            part->buddy = parts[i];
            part->pfn = parts[i]->pfn;
            part->order = buddy_order(parts[i]);
            part->type = MEMDESC_NONE;
            part->migratetype = whole->migratetype;
        }
        part->state = status == STATUS_OK ? HELD : EMPTY;
    }
    if (status == STATUS_OK) {
        whole->buddy = parts[count];
        whole->pfn = parts[count]->pfn;
        whole->order = buddy_order(parts[count]);
    }
    expect(test, "split", status);
    whole->state = HELD;
}

/* What a frame leads to. */
static void note_found(pfn_t pfn, bool found, const struct memdesc_info *info)
{
    int owner = found && memdesc_type_is_owner(info->type) ? number_of(info->descriptor) : -1;
    if (found) {
        note("%#llx: type %d at %#llx, %llu frames%s, of %d", (ull)pfn, (int)info->type,
             (ull)info->pfn, (ull)info->frames, info->flawed ? ", flawed" : "", owner);
    } else {
        note("%#llx: nothing", (ull)pfn);
    }
}

static void lookup(struct test *test, pfn_t pfn)
{
    struct memdesc_info info = {.frames = 0};
    note("look up %#llx", (ull)pfn);
    bool found = memdesc_lookup(&test->potad, pfn, &info);
    note_found(pfn, found, &info);
    if (found && (pfn < info.pfn || pfn - info.pfn >= info.frames)) {
        fail(test, "lookup", "frame %#llx is said to be in %llu frames from %#llx", (ull)pfn,
             (ull)info.frames, (ull)info.pfn);
    }
}

/* Takes reference @number to what frame @pfn leads to, if that gives any. */
static void get(struct test *test, unsigned number, pfn_t pfn)
{
    struct memdesc_ref ref = {.descriptor = NULL};
    struct reference *reference = &grants.references[number];
    if (reference->state != EMPTY) {
        return;
    }
    reference->state = BUSY;
    note("refer to %#llx", (ull)pfn);
    bool found = memdesc_tryget(&test->potad, pfn, &ref);
    if (found) {
        reference->descriptor = ref.descriptor;
        if (((const struct descriptor *)(const void *)ref.descriptor)->mark != LIVE) {
            fail(test, "lifetime", "a reference leads to a descriptor that has ended");
        }
    }
    note_found(pfn, found,
               &(struct memdesc_info){.type = ref.type,
                                      .descriptor = ref.descriptor,
                                      .pfn = ref.pfn,
                                      .frames = order_frames(ref.order)});
    reference->state = found ? HELD : EMPTY;
}

static void put(struct test *test, unsigned number)
{
    struct reference *reference = &grants.references[number];
    if (reference->state == HELD) {
        reference->state = BUSY;
        drop(test, reference->descriptor);
        reference->state = EMPTY;
    }
}

static bool in_map(pfn_t pfn)
{
    return pfn - FIRST_FRAME < FRAMES;
}

static void fail_frame(struct test *test, pfn_t pfn)
{
    bool alone = grants.mends_ended == grants.mends;
    uint64_t mends = grants.mends;
    note("fail %#llx", (ull)pfn);
    enum status status = memory_failure(&test->potad, pfn);
    note("failed %#llx: %d", (ull)pfn, (int)status);
    if (status == STATUS_OK && in_map(pfn)) {
        alone = alone && grants.mends == mends;
        grants.failed[pfn - FIRST_FRAME] = alone ? ++grants.failures : FAILED_PERHAPS;
    }
}

static void heal_frame(struct test *test, pfn_t pfn)
{
    if (in_map(pfn)) {
        grants.failed[pfn - FIRST_FRAME] = 0;
    }
    grants.mends++;
    note("heal %#llx", (ull)pfn);
    enum status status = unpoison(&test->potad, pfn);
    note("healed %#llx: %d", (ull)pfn, (int)status);
    grants.mends_ended++;
}

static void shrink(struct test *test)
{
    potad_shrink(&test->potad);
}

/* The movable block that @move is about, or NULL. */
static struct grant *grant_moving(const struct migration *move, enum state state)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct grant *grant = &grants.blocks[i];
        if (grant->state == state && grant->type == MEMDESC_NONE &&
            grant->migratetype == MIGRATE_MOVABLE && grant->pfn == move->from &&
            grant->order == move->order) {
            return grant;
        }
    }
    return NULL;
}

static bool hear_migrate(void *context, struct memdesc *descriptor, struct migration *move,
                         enum migrate_stage stage)
{
    struct test *test = context;
    bool tries = stage == MIGRATE_TRY;
    bool moved = stage == MIGRATE_COMMIT;
    struct grant *grant = grant_moving(move, tries ? HELD : MOVING);
    (void)descriptor;
    if (grant == NULL && !tries) {
        fail(test, "migrate", "an owner hears of a move from %#llx that is not his",
             (ull)move->from);
    }
    if (grant == NULL) {
        return false;
    }
    if (tries) {
        grant->state = MOVING;
        own(test, move->to, order_frames(move->order), FREE, USED, "overlap");
        note("move %#llx to %#llx", (ull)move->from, (ull)move->to);
        return true;
    }
    own(test, moved ? move->from : move->to, order_frames(move->order), USED, FREE, "ownership");
    grant->pfn = moved ? move->to : move->from;
    note("%s %#llx", moved ? "moved" : "not moved", (ull)move->from);
    grant->state = HELD;
    return true;
}

/* Owners are told from now on. @reuse: they put descriptors on other blocks at once. */
static void hear(struct test *test, bool reuse)
{
    const struct memdesc_ops folios = {.release = hear_release, .context = test};
    const struct memdesc_ops movable = {.migrate = hear_migrate, .context = test};
    grants.reuse = reuse;
    if (memdesc_register(&test->potad, MEMDESC_FOLIO, &folios) != STATUS_OK ||
        memdesc_register(&test->potad, MEMDESC_BUDDY_ALLOCATED, &movable) != STATUS_OK) {
        fail(test, "status", "owners are not registered");
    }
}

static void give_all(struct test *test)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        put(test, i);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        give(test, i);
    }
}

static void heal_all(struct test *test)
{
    for (pfn_t pfn = FIRST_FRAME; pfn < FIRST_FRAME + FRAMES; pfn++) {
        if (grants.failed[pfn - FIRST_FRAME] != 0) {
            heal_frame(test, pfn);
        }
    }
}
