/* SPDX-License-Identifier: MIT
 *
 * harness_refs.c: references to descriptors (requirements D1, D2), on subject and model. Folios can
 * be referred to, no other type: to free one is to drop the owner's own reference, and the block
 * lives on until the last one goes.
 */
#include "fuzzers/harness_internal.h"

#include <string.h>

void harness_refs_reset(struct harness *harness)
{
    memset(&harness->refs, 0, sizeof(harness->refs));
}

bool harness_type_is_shared(const struct harness *harness, enum memdesc_type type)
{
    const uint32_t needed = SUBJECT_REFS | SUBJECT_POISON | SUBJECT_DESC;
    return type == MEMDESC_FOLIO && (harness->subject->capabilities & needed) == needed;
}

void harness_hear_release(void *context, struct memdesc *descriptor)
{
    const struct harness_ear *ear = context;
    struct harness *harness = ear->harness;
    struct harness_block *block = harness->refs.due;
    struct memdesc_ref ref;
    harness->refs.due = NULL;
    if (block == NULL || descriptor != &block->descriptor || ear->type != block->type) {
        harness_fail(harness, CHECK_RELEASE, "an owner of type %s is to release a block that is %s",
                     memdesc_type_name(ear->type),
                     block == NULL ? "referred to, or released" : "not the one that was dropped");
        return;
    }
    pfn_t last = block->block.pfn + ((uint64_t)1 << block->block.order) - 1;
    if (harness->subject->tryget(harness->instance, last, &ref)) {
        harness_fail(harness, CHECK_REFERENCE,
                     "frame %#llx gives a reference, with none left and its block being released",
                     (unsigned long long)last);
        return;
    }
    harness_block_free(harness, block);
}

/* Drops one reference to @block; the model knows already which are left. */
static void ref_drop(struct harness *harness, struct harness_block *block)
{
    pfn_t pfn = block->block.pfn;
    harness->refs.due = block->ended && block->refs == 0 ? block : NULL;
    harness->operations++;
    harness->freeing = true;
    harness->subject->put(harness->instance, &block->descriptor, block->type);
    harness->freeing = false;
    if (harness->refs.due != NULL) {
        harness_fail(harness, CHECK_RELEASE,
                     "the last reference to block %#llx is dropped, and nobody releases it",
                     (unsigned long long)pfn);
    }
    harness->refs.due = NULL;
    harness_settle(harness);
    harness_check_lookup(harness, pfn);
}

void harness_block_end(struct harness *harness, struct harness_block *block)
{
    block->ended = true;
    harness->refs.ended++;
    ref_drop(harness, block);
}

/* The number of the block that a reference from frame @pfn is to, or HARNESS_NO_BLOCK. */
static uint32_t block_shared(const struct harness *harness, pfn_t pfn)
{
    if (model_use(&harness->model, pfn) != USE_ALLOCATED ||
        harness_contig_of(harness, pfn) != NULL) {
        return HARNESS_NO_BLOCK;
    }
    uint32_t number = model_owner(&harness->model, pfn);
    bool shared = harness_type_is_shared(harness, harness->blocks[number].type);
    return shared ? number : HARNESS_NO_BLOCK;
}

void harness_ref_get(struct harness *harness, pfn_t pfn, uint32_t index)
{
    struct memdesc_ref ref = {.descriptor = NULL};
    uint32_t number = block_shared(harness, pfn);
    harness->operations++;
    harness->freeing = true; /* no lock, no allocation */
    bool got = harness->subject->tryget(harness->instance, pfn, &ref);
    harness->freeing = false;
    if (got != (number != HARNESS_NO_BLOCK)) {
        harness_fail(harness, CHECK_REFERENCE, "frame %#llx gives %s, and is %s",
                     (unsigned long long)pfn, got ? "a reference" : "none",
                     got ? "of no block that can be referred to" : "of one that can be");
        return;
    }
    if (!got) {
        harness_settle(harness);
        return;
    }
    struct harness_block *block = &harness->blocks[number];
    if (ref.descriptor != &block->descriptor || ref.type != block->type ||
        ref.pfn != block->block.pfn || ref.order != block->block.order) {
        harness_fail(harness, CHECK_REFERENCE,
                     "frame %#llx gives a reference to %#llx, order %u; expected %#llx, order %u",
                     (unsigned long long)pfn, (unsigned long long)ref.pfn, ref.order,
                     (unsigned long long)block->block.pfn, block->block.order);
        return;
    }
    block->refs++;
    harness->refs.held[index] = (struct harness_ref){.block = number, .used = true};
    harness_settle(harness);
}

uint32_t harness_ref_put(struct harness *harness, uint32_t index)
{
    struct harness_ref *ref = &harness->refs.held[index];
    struct harness_block *block = &harness->blocks[ref->block];
    ref->used = false;
    block->refs--;
    ref_drop(harness, block);
    return ref->block;
}
