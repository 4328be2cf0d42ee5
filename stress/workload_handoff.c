/* SPDX-License-Identifier: MIT
 *
 * handoff: what one thread allocates, another frees. Threads pack parcels of blocks and objects
 * and swap them against what lies in a random slot of a small exchange; what they get out, they
 * free. Nobody waits: the exchange is never too full nor too empty for a swap.
 *
 *    thread 0 ── parcel ──► | slot 0 | slot 1 | ... | ──► older parcel, of any thread: freed
 */
#include "stress/held_block.h"
#include "stress/held_object.h"
#include "stress/workload.h"

#include <stdlib.h>

enum {
    EXCHANGE_SLOTS = 64,
    PARCEL_MAX = 8, /* blocks, and objects */
    PARCEL_ORDER_MAX = 6,
    SPLIT_ONE_IN = 4,
    DESCRIBED_ONE_IN = 4
};

_Static_assert((unsigned)PARCEL_ORDER_MAX + 1 <= (unsigned)PARCEL_MAX,
               "a parcel holds all parts of a split block");

struct exchange {
    exchange_slot_t slots[EXCHANGE_SLOTS];
};

struct parcel {
    unsigned from; /* thread */
    unsigned blocks_count;
    unsigned objects_count;
    struct held_block blocks[PARCEL_MAX];
    struct held_object objects[PARCEL_MAX];
};

/* Packs one block, cut into its parts. */
static void pack_split(struct worker *worker, struct parcel *parcel)
{
    struct subject_request request = held_block_request(worker, PARCEL_ORDER_MAX, false);
    if (!held_block_alloc(worker, &request, &parcel->blocks[0])) {
        return;
    }
    parcel->blocks_count = 1;
    if (request.order > 0) {
        struct held_block whole = parcel->blocks[0];
        unsigned parts = held_block_split(worker, &whole, 0, parcel->blocks);
        parcel->blocks_count = parts > 0 ? parts : 1;
    }
}

static void pack_blocks(struct worker *worker, struct parcel *parcel)
{
    bool describes = world_can(worker->world, SUBJECT_DESC);
    for (uint64_t left = 1 + random_below(&worker->random, PARCEL_MAX); left > 0; left--) {
        bool described = describes && random_once_in(&worker->random, DESCRIBED_ONE_IN);
        struct subject_request request = held_block_request(worker, PARCEL_ORDER_MAX, described);
        struct held_block *held = &parcel->blocks[parcel->blocks_count];
        parcel->blocks_count += held_block_alloc(worker, &request, held) ? 1 : 0;
    }
}

static void parcel_pack(struct worker *worker, struct parcel *parcel)
{
    const struct world *world = worker->world;
    *parcel = (struct parcel){.from = worker->index};
    if (world_can(world, SUBJECT_SPLIT) && random_once_in(&worker->random, SPLIT_ONE_IN)) {
        pack_split(worker, parcel);
    } else {
        pack_blocks(worker, parcel);
    }
    unsigned count = (unsigned)random_below(&worker->random, PARCEL_MAX + 1);
    if (count > 0 && world_can(world, SUBJECT_CACHE) &&
        held_object_alloc(worker, count, parcel->objects)) {
        parcel->objects_count = count;
    }
}

/* Frees what is in @parcel, and it, and says whose it was. */
static void parcel_unpack(struct worker *worker, struct parcel *parcel)
{
    for (unsigned i = 0; i < parcel->blocks_count; i++) {
        if (world_can(worker->world, SUBJECT_LOOKUP)) {
            held_block_lookup(worker, &parcel->blocks[i]);
        }
        held_block_free(worker, &parcel->blocks[i]);
    }
    for (unsigned i = 0; i < parcel->objects_count; i++) {
        held_object_free(worker, &parcel->objects[i]);
    }
    if (parcel->from != worker->index) {
        worker_count(worker, PATH_HANDOVER);
    }
    free(parcel);
}

static void handoff_step(struct worker *worker)
{
    struct exchange *exchange = worker->shared;
    struct parcel *parcel = malloc(sizeof(*parcel));
    if (parcel != NULL) {
        parcel_pack(worker, parcel);
    }
    uint64_t slot = random_below(&worker->random, EXCHANGE_SLOTS);
    struct parcel *other = exchange_swap(&exchange->slots[slot], parcel);
    if (other != NULL) {
        parcel_unpack(worker, other);
    }
}

static void handoff_drain(struct worker *worker, unsigned threads)
{
    struct exchange *exchange = worker->shared;
    for (unsigned slot = worker->index; slot < EXCHANGE_SLOTS; slot += threads) {
        struct parcel *parcel = exchange_swap(&exchange->slots[slot], NULL);
        if (parcel != NULL) {
            parcel_unpack(worker, parcel);
        }
    }
}

static const enum path required[] = {
    PATH_HANDOVER, PATH_ALLOC,       PATH_ALLOC_DESC,          PATH_SPLIT,
    PATH_FREE,     PATH_OBJECT_FREE, PATH_CORE_EVENT_REFILLED, PATH_CORE_EVENT_FLUSHED,
    PATHS,
};

const struct workload workload_handoff = {
    .name = "handoff",
    .summary = "each thread frees blocks and objects that another one allocated",
    .scene = &scene_world,
    .frames = 16384,
    .required = required,
    .shared_bytes = sizeof(struct exchange),
    .threads_min = 2,
    .step = handoff_step,
    .drain = handoff_drain,
};
