/* SPDX-License-Identifier: MIT
 *
 * lifetime: threads take references to whatever descriptor a frame leads to, while those who put
 * them there end their blocks; whoever drops the last reference frees the block. Descriptors are
 * malloc()ed one by one, and freed when a grace period has passed since (requirement D2):
 * AddressSanitizer sees one that is looked at later, ThreadSanitizer even one that is only made a
 * new one too early. Some are put on another block at once, which is allowed: who has found them on
 * the old one has to see that.
 *
 *   owner     alloc ───────► put ─────────────┐            ┌► malloc()ed memory is freed
 *   others          tryget ─────────► put ────┴► release: block freed, grace period
 */
#include "stress/held_block.h"
#include "stress/workload.h"

#include <stdlib.h>

enum {
    BLOCK_ORDER_MAX = 3,
    FOLIOS_MAX = 48, /* that a thread owns */
    REFS_MAX = 8,    /* that it has to others' */
    ENDED_MAX = 24,  /* descriptors that wait for the same grace period */
    REUSED_ONE_IN = 2,
    SPAN_MARGIN = 8
};

static const enum memdesc_type folio_type = MEMDESC_FOLIO;

/* A block under a descriptor that others refer to. */
struct folio {
    _Alignas(MEMDESC_ALIGN) struct memdesc head;
    relaxed_word_t live; /* 1 until its block is freed */
    uint64_t visits;     /* under its lock */
    struct held_block held;
};

/* What a thread has of its own. */
struct lifetimes {
    struct folio *folios[FOLIOS_MAX];
    struct memdesc_ref refs[REFS_MAX];
    struct folio *ended[ENDED_MAX];
    uint32_t folios_count;
    uint32_t refs_count;
    uint32_t ended_count;
};

static struct folio *folio_of(struct memdesc *descriptor)
{
    return (struct folio *)(void *)descriptor;
}

/* Frees the descriptors whose blocks are freed, when nobody can come upon them any more. */
static void ended_free(struct worker *worker, struct lifetimes *own)
{
    const struct world *world = worker->world;
    worker_begin(worker, "grace period");
    world->subject->synchronise(world->instance);
    worker_count(worker, PATH_GRACE_WAITED);
    while (own->ended_count > 0) {
        free(own->ended[--own->ended_count]);
    }
    worker_end(worker);
}

/* Keeps @folio until it can be freed. */
static void folio_end(struct worker *worker, struct lifetimes *own, struct folio *folio)
{
    if (own->ended_count == ENDED_MAX) {
        ended_free(worker, own);
    }
    own->ended[own->ended_count++] = folio;
}

/* The last reference is gone. Context: of the thread that had it. */
static void folio_release(void *context, struct memdesc *descriptor)
{
    struct worker *worker = worker_current;
    struct lifetimes *own = worker->own;
    struct folio *folio = folio_of(descriptor);
    (void)context;
    if (relaxed_load(&folio->live) == 0) {
        worker_report(worker, FINDING_LIFETIME, "a descriptor's block is released twice");
        return;
    }
    relaxed_store(&folio->live, 0);
    held_block_free(worker, &folio->held);
    folio_end(worker, own, folio);
}

static void ref_put(struct worker *worker, struct memdesc *descriptor)
{
    const struct world *world = worker->world;
    worker_begin(worker, "put");
    world->subject->put(world->instance, descriptor, folio_type);
    worker_end(worker);
}

static void step_drop(struct worker *worker, struct lifetimes *own)
{
    if (own->folios_count > 0) {
        uint64_t index = random_below(&worker->random, own->folios_count);
        struct folio *folio = own->folios[index];
        own->folios[index] = own->folios[--own->folios_count];
        ref_put(worker, &folio->head);
    }
}

/* A descriptor that is on no block, or NULL. */
static struct folio *folio_make(struct worker *worker, struct lifetimes *own)
{
    if (own->folios_count == FOLIOS_MAX) {
        return NULL;
    }
    if (own->ended_count > 0 && random_once_in(&worker->random, REUSED_ONE_IN)) {
        worker_count(worker, PATH_REUSE);
        return own->ended[--own->ended_count];
    }
    struct folio *folio = aligned_alloc(MEMDESC_ALIGN, sizeof(struct folio));
    if (folio != NULL) {
        *folio = (struct folio){.visits = 0};
    }
    return folio;
}

static void step_alloc(struct worker *worker, struct lifetimes *own)
{
    struct folio *folio = folio_make(worker, own);
    if (folio == NULL) {
        step_drop(worker, own);
        return;
    }
    struct subject_request request = held_block_request(worker, BLOCK_ORDER_MAX, true);
    relaxed_store(&folio->live, 1);
    request.type = folio_type;
    request.descriptor = &folio->head;
    if (held_block_alloc(worker, &request, &folio->held)) {
        own->folios[own->folios_count++] = folio;
    } else {
        relaxed_store(&folio->live, 0);
        folio_end(worker, own, folio);
        step_drop(worker, own);
    }
}

static void step_let_go(struct worker *worker, struct lifetimes *own)
{
    if (own->refs_count > 0) {
        uint64_t index = random_below(&worker->random, own->refs_count);
        struct memdesc *descriptor = own->refs[index].descriptor;
        own->refs[index] = own->refs[--own->refs_count];
        ref_put(worker, descriptor);
    }
}

/* What a reference is worth: the block is there, under this descriptor, and stays. */
static void ref_check(struct worker *worker, pfn_t pfn, const struct memdesc_ref *ref)
{
    const struct world *world = worker->world;
    struct folio *folio = folio_of(ref->descriptor);
    struct memdesc_info info = {0};
    worker_begin(worker, "reference");
    memdesc_lock(ref->descriptor);
    folio->visits++;
    memdesc_unlock(ref->descriptor);
    bool found = world->subject->lookup(world->instance, pfn, &info);
    if (relaxed_load(&folio->live) == 0 || ref->type != folio_type) {
        worker_report(worker, FINDING_LIFETIME,
                      "frame %#" PRIx64 " leads to a descriptor whose block was freed", pfn);
    } else if (!found || info.descriptor != ref->descriptor || info.pfn != ref->pfn ||
               info.frames != order_frames(ref->order)) {
        worker_report(worker, FINDING_LIFETIME,
                      "frame %#" PRIx64 " is not of the block of order %u at %#" PRIx64
                      " that is referred to",
                      pfn, ref->order, ref->pfn);
    }
    worker_end(worker);
}

static void step_get(struct worker *worker, struct lifetimes *own)
{
    const struct world *world = worker->world;
    const struct shadow *shadow = &world->shadow;
    struct memdesc_ref *ref = &own->refs[own->refs_count];
    pfn_t pfn = shadow->start - SPAN_MARGIN +
                random_below(&worker->random, shadow->frames + (uint64_t)2 * SPAN_MARGIN);
    if (own->refs_count == REFS_MAX) {
        step_let_go(worker, own);
        return;
    }
    worker_begin(worker, "tryget");
    bool got = world->subject->tryget(world->instance, pfn, ref);
    worker_end(worker);
    if (got) {
        worker_count(worker, PATH_REF);
        own->refs_count++;
        ref_check(worker, pfn, ref);
    }
}

static void step_look_again(struct worker *worker, struct lifetimes *own)
{
    if (own->refs_count > 0) {
        const struct memdesc_ref *ref = &own->refs[random_below(&worker->random, own->refs_count)];
        ref_check(worker, ref->pfn, ref);
    }
}

static void step_lookup_any(struct worker *worker, struct lifetimes *own)
{
    (void)own;
    held_block_lookup_any(worker);
}

/* X(weight, function): what a step is */
#define STEP_TABLE(X)                                                                              \
    X(20, step_alloc)                                                                              \
    X(20, step_drop)                                                                               \
    X(60, step_get)                                                                                \
    X(30, step_let_go)                                                                             \
    X(10, step_look_again)                                                                         \
    X(4, step_lookup_any)

static const struct {
    uint32_t weight;
    void (*run)(struct worker *worker, struct lifetimes *own);
} steps[] = {
#define X(weight, function) {weight, function},
    STEP_TABLE(X)
#undef X
};

static void lifetime_step(struct worker *worker)
{
    if (!world_can(worker->world, SUBJECT_REFS | SUBJECT_DESC | SUBJECT_POISON | SUBJECT_LOOKUP)) {
        relaxed_store(&worker->idle, 1);
        return;
    }
    unsigned step = random_by_weight(&worker->random, &steps[0].weight, sizeof(steps[0]),
                                     sizeof(steps) / sizeof(steps[0]));
    steps[step].run(worker, worker->own);
}

static void lifetime_drain(struct worker *worker, unsigned threads)
{
    struct lifetimes *own = worker->own;
    (void)threads;
    while (own->refs_count > 0) {
        step_let_go(worker, own);
    }
    while (own->folios_count > 0) {
        step_drop(worker, own);
    }
    if (own->ended_count > 0) {
        ended_free(worker, own);
    }
}

static enum status lifetime_watch(struct worker *coordinator)
{
    const struct world *world = coordinator->world;
    const struct memdesc_ops ops = {.release = folio_release};
    return world_can(world, SUBJECT_REFS | SUBJECT_POISON)
               ? world->subject->watch(world->instance, folio_type, &ops)
               : STATUS_OK;
}

static const enum path required[] = {
    PATH_ALLOC_DESC,        PATH_FREE, PATH_REF, PATH_REUSE, PATH_GRACE_WAITED,
    PATH_WINDOW_REF_LOOKED, PATHS,
};

const struct workload workload_lifetime = {
    .name = "lifetime",
    .summary = "threads hold on to descriptors of others, who end their blocks meanwhile",
    .scene = &scene_world,
    .frames = 512,
    .required = required,
    .own_bytes = sizeof(struct lifetimes),
    .threads_min = 2,
    .watch = lifetime_watch,
    .step = lifetime_step,
    .drain = lifetime_drain,
};
