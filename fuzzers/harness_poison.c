/* SPDX-License-Identifier: MIT
 *
 * harness_poison.c: frames that fail (requirement B3), on subject and model. What becomes of a
 * free frame is not known before: the subject may need memory for the descriptors around it, and
 * the frame may be in a slab of them by the time it is marked.
 */
#include "fuzzers/harness_internal.h"

static void hear_failure(void *context, struct memdesc *descriptor, pfn_t pfn)
{
    const struct harness_ear *ear = context;
    struct harness_told *told = &ear->harness->told;
    told->count++;
    told->type = ear->type;
    told->descriptor = descriptor;
    told->pfn = pfn;
}

void harness_watch(struct harness *harness)
{
    const struct subject *subject = harness->subject;
    if ((subject->capabilities & SUBJECT_POISON) == 0) {
        return;
    }
    for (unsigned i = 0; i < MEMDESC_TYPES; i++) {
        enum memdesc_type type = (enum memdesc_type)i;
        struct harness_ear *ear = &harness->ears[i];
        *ear = (struct harness_ear){.harness = harness, .type = type};
        struct memdesc_ops ops = {
            .release = harness_type_is_shared(harness, type) ? harness_hear_release : NULL,
            .memory_failure = hear_failure,
            .migrate = harness_hear_migrate,
            .context = ear,
        };
        bool used = type == MEMDESC_BUDDY_ALLOCATED || type == MEMDESC_SLAB ||
                    (type >= MEMDESC_FOLIO && type <= MEMDESC_VMALLOC) || type >= MEMDESC_USER;
        enum status status = subject->watch(harness->instance, type, &ops);
        if (status != (used ? STATUS_OK : STATUS_INVALID)) {
            harness_fail(harness, CHECK_STATUS, "watching type %s answers %d",
                         memdesc_type_name(type), (int)status);
        }
    }
}

static bool is_boot_metadata(const struct harness *harness, pfn_t pfn)
{
    return pfn - harness->boot_metadata_start < harness->boot_metadata_frames;
}

/* What a failure of frame @pfn must be answered with, memory permitting. */
static enum status failure_expected(const struct harness *harness, pfn_t pfn)
{
    enum model_use use = model_use(&harness->model, pfn);
    if (use == USE_HOLE) {
        return STATUS_INVALID;
    }
    if (is_boot_metadata(harness, pfn)) {
        return STATUS_BUSY;
    }
    bool known = use == USE_POISONED || model_has_failed(&harness->model, pfn, 1);
    return known ? STATUS_EXISTS : STATUS_OK;
}

/* F2: whether nothing excuses NO_MEMORY: there is room for slabs of all that can be needed, or for
 * a free frame descriptors enough. Taken before the operation. */
static bool failure_must_succeed(struct harness *harness, pfn_t pfn)
{
    enum { RECORD_FRAMES = 3 }; /* a slab for the record, and its struct slab's */
    pfn_t start;
    order_t order;
    if (harness_metadata_room(harness) >= harness_slack_frames(harness) + RECORD_FRAMES) {
        return true;
    }
    if (model_use(&harness->model, pfn) != USE_FREE) {
        return false;
    }
    model_free_block(&harness->model, pfn, &start, &order);
    return order <= harness_spare_descriptors(harness);
}

/* Whether who was told is the owner that frame @pfn, of @use until now, has. */
static bool told_owner(const struct harness *harness, pfn_t pfn, enum model_use use)
{
    const struct harness_told *told = &harness->told;
    if (use != USE_ALLOCATED) {
        return told->type == MEMDESC_SLAB;
    }
    if (harness_contig_of(harness, pfn) != NULL) {
        return told->type == MEMDESC_BUDDY_ALLOCATED;
    }
    const struct harness_block *block = &harness->blocks[model_owner(&harness->model, pfn)];
    bool own = block->type != MEMDESC_NONE;
    return told->type == (own ? block->type : MEMDESC_BUDDY_ALLOCATED) &&
           (!own || told->descriptor == &block->descriptor);
}

/* Compares who was told of the failure of @pfn, a frame of @use before, with who was to be. */
static void check_told(struct harness *harness, pfn_t pfn, enum model_use before, bool done)
{
    const struct harness_told *told = &harness->told;
    enum model_use use = model_use(&harness->model, pfn);
    uint32_t least = done && (before != USE_FREE || use != USE_FREE) ? 1 : 0;
    /* A free frame may have become part of a slab, and been given back since. */
    uint32_t most = done ? 1 : 0;
    if (told->count < least || told->count > most) {
        harness_fail(harness, CHECK_OWNER_TOLD, "frame %#llx fails: %u owners were told",
                     (unsigned long long)pfn, told->count);
    } else if (told->count > 0 && (told->pfn != pfn || !told_owner(harness, pfn, before))) {
        harness_fail(harness, CHECK_OWNER_TOLD,
                     "frame %#llx fails: an owner of type %s was told of frame %#llx",
                     (unsigned long long)pfn, memdesc_type_name(told->type),
                     (unsigned long long)told->pfn);
    }
}

void harness_memory_failure(struct harness *harness, pfn_t pfn)
{
    struct before before = harness_remember(harness);
    enum status expected = failure_expected(harness, pfn);
    enum model_use use = model_use(&harness->model, pfn);
    bool must = expected == STATUS_OK && failure_must_succeed(harness, pfn);
    harness->operations++;
    harness->told.count = 0;
    enum status status = harness->subject->memory_failure(harness->instance, pfn);
    bool no_memory = expected == STATUS_OK && status == STATUS_NO_MEMORY;
    if (status != expected && !no_memory) {
        harness_fail(harness, CHECK_STATUS, "the failure of frame %#llx answers %d, not %d",
                     (unsigned long long)pfn, (int)status, (int)expected);
        return;
    }
    if (no_memory && must && harness->fault.fired == 0) {
        harness_fail(harness, CHECK_SPURIOUS,
                     "the failure of frame %#llx answers %d with memory for descriptors",
                     (unsigned long long)pfn, (int)status);
    }
    check_told(harness, pfn, use, status == STATUS_OK);
    if (status == STATUS_OK) {
        model_fail(&harness->model, pfn);
    }
    harness_settle(harness);
    if (status != STATUS_OK) {
        harness_check_unchanged(harness, &before);
    }
    harness_check_lookup(harness, pfn);
    harness_check_lookup(harness, pfn - 1);
    harness_check_lookup(harness, pfn + 1);
}

void harness_unpoison(struct harness *harness, pfn_t pfn)
{
    struct model *model = &harness->model;
    struct before before = harness_remember(harness);
    bool failed = model_use(model, pfn) == USE_POISONED ||
                  (model_use(model, pfn) != USE_HOLE && model_has_failed(model, pfn, 1));
    harness->operations++;
    harness->freeing = true;
    if (failed) {
        model_heal(model, pfn);
    }
    enum status status = harness->subject->unpoison(harness->instance, pfn);
    harness->freeing = false;
    if (status != (failed ? STATUS_OK : STATUS_INVALID)) {
        harness_fail(harness, CHECK_STATUS, "frame %#llx, %s, is taken into use again: answers %d",
                     (unsigned long long)pfn, failed ? "failed" : "in order", (int)status);
        return;
    }
    harness_settle(harness);
    if (!failed) {
        harness_check_unchanged(harness, &before);
    }
    harness_check_lookup(harness, pfn);
    harness_check_lookup(harness, pfn - 1);
    harness_check_lookup(harness, pfn + 1);
}

void harness_unpoison_all(struct harness *harness)
{
    const struct model *model = &harness->model;
    while (model->failed_frames > 0 && !harness_violated(harness)) {
        harness_unpoison(harness, model->failed[0]);
    }
    pfn_t pfn = model->start;
    while (model->poisoned_frames > 0 && !harness_violated(harness)) {
        pfn = model_next(model, pfn, USE_POISONED);
        harness_unpoison(harness, pfn);
    }
}
