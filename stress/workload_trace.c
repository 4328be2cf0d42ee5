/* SPDX-License-Identifier: MIT
 *
 * trace: what the CPUs of a real machine did to its page allocator, on as many per-CPU lists, by
 * threads that each do what some of the CPUs did (script.h). Frees often come from another CPU than
 * the allocation; who comes to one too early waits for the block.
 *
 *   block    AHEAD ── alloc, by one thread ──► HELD ── free, by this or another one ──► GONE
 *                  └► there was no memory: GONE at once, and its free is passed over
 */
#include "stress/held_block.h"
#include "stress/run.h"
#include "stress/script.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

enum { REST_US = 200 };

enum step { BLOCK_AHEAD, BLOCK_HELD, BLOCK_GONE };

struct replay_block {
    handover_t step; /* enum step; the rest is the thread's that has taken it there */
    struct held_block held;
};

/* What all threads share. */
struct replay {
    const struct script *script;
    struct replay_block *blocks;
    relaxed_word_t done; /* threads that have nothing left to do in this round */
};

/* What each has of its own. */
struct player {
    uint64_t at; /* in its part of the script */
    bool waits;
    bool done;
};

/* Has the thread stand on the CPU of the trace, if there is one for each. */
static void player_move(struct worker *worker, const struct script *script, uint32_t cpu)
{
    worker->cpu = worker->world->cpus.count < script->cpus ? (uint32_t)CPUS_MAX : cpu;
}

static void replay_alloc(struct worker *worker, const struct replay *replay, uint32_t number)
{
    const struct script_block *wanted = &replay->script->blocks[number];
    struct replay_block *block = &replay->blocks[number];
    struct subject_request request = {
        .order = wanted->order,
        .zone = ZONE_ANY,
        .migratetype = (enum migratetype)wanted->migratetype,
        .type = MEMDESC_NONE,
    };
    bool granted = held_block_alloc(worker, &request, &block->held);
    handover_give(&block->step, granted ? BLOCK_HELD : BLOCK_GONE);
}

/* Frees the block of @op. Return: whether it is there to be freed, or never was; if not, it is to
 * come. */
static bool replay_free(struct worker *worker, const struct replay *replay,
                        const struct script_op *op)
{
    struct replay_block *block = &replay->blocks[op->block];
    switch (handover_look(&block->step)) {
    case BLOCK_AHEAD:
        return false;
    case BLOCK_HELD:
        held_block_free(worker, &block->held);
        handover_give(&block->step, BLOCK_GONE);
        if (block->held.cookie >> COOKIE_SERIAL_BITS != (uint64_t)worker->index + 1) {
            worker_count(worker, PATH_HANDOVER);
        }
        if (replay->script->blocks[op->block].cpu != op->cpu) {
            worker_count(worker, PATH_CPU_CROSSED);
        }
        return true;
    default:
        return true;
    }
}

/* Notes that this thread is through, and that the round is, if it is the last. The others rest: the
 * watchdog takes them for parked. */
static void player_end(struct worker *worker, struct replay *replay, struct player *player)
{
    relaxed_store(&worker->parked, 1);
    if (player->done) {
        usleep(REST_US);
        return;
    }
    player->done = true;
    if (relaxed_number(&replay->done) == replay->script->threads) {
        worker_count(worker, PATH_TRACE_REPLAYED);
        relaxed_store(&worker->idle, 1);
    }
}

static void trace_step(struct worker *worker)
{
    struct replay *replay = worker->shared;
    struct player *player = worker->own;
    const struct script_part *part = &replay->script->parts[worker->index];
    if (player->at == part->count) {
        player_end(worker, replay, player);
        return;
    }
    const struct script_op *op = &part->ops[player->at];
    player_move(worker, replay->script, op->cpu);
    if (!op->is_free) {
        replay_alloc(worker, replay, op->block);
    } else if (!replay_free(worker, replay, op)) {
        if (!player->waits) {
            worker_count(worker, PATH_TRACE_WAITED);
        }
        player->waits = true;
        relaxed_store(&worker->parked, 1);
        sched_yield();
        return;
    }
    if (player->waits) {
        player->waits = false;
        relaxed_store(&worker->parked, 0);
    }
    player->at++;
}

/* Frees its share of what is live, and starts over. */
static void trace_drain(struct worker *worker, unsigned threads)
{
    struct replay *replay = worker->shared;
    for (uint64_t i = worker->index; i < replay->script->blocks_count; i += threads) {
        struct replay_block *block = &replay->blocks[i];
        if (handover_look(&block->step) == BLOCK_HELD) {
            held_block_free(worker, &block->held);
        }
        handover_give(&block->step, BLOCK_AHEAD);
    }
    *(struct player *)worker->own = (struct player){.at = 0};
}

static bool trace_finished(const struct worker *coordinator)
{
    const struct replay *replay = coordinator->shared;
    return relaxed_load(&replay->done) == replay->script->threads;
}

static bool trace_scene_open(struct worker *coordinator, const struct plan *plan)
{
    struct replay *replay = coordinator->shared;
    replay->script = plan->script;
    replay->blocks = calloc(plan->script->blocks_count, sizeof(*replay->blocks));
    if (replay->blocks == NULL || !scene_world.open(coordinator, plan)) {
        free(replay->blocks);
        return false;
    }
    return true;
}

static void trace_scene_close(struct worker *coordinator)
{
    struct replay *replay = coordinator->shared;
    scene_world.close(coordinator);
    free(replay->blocks);
}

static enum status trace_scene_begin(struct worker *coordinator)
{
    struct replay *replay = coordinator->shared;
    relaxed_store(&replay->done, 0);
    return scene_world.begin(coordinator);
}

static void trace_scene_check(struct worker *coordinator, struct worker *workers, unsigned threads)
{
    scene_world.check(coordinator, workers, threads);
}

static void trace_scene_end(struct worker *coordinator)
{
    scene_world.end(coordinator);
}

/* scene_world, with the blocks of the trace. */
static const struct scene scene_trace = {
    .open = trace_scene_open,
    .close = trace_scene_close,
    .begin = trace_scene_begin,
    .check = trace_scene_check,
    .end = trace_scene_end,
};

static const enum path required[] = {
    PATH_TRACE_REPLAYED,      PATH_ALLOC, PATH_FREE, PATH_HANDOVER, PATH_CPU_CROSSED,
    PATH_CORE_EVENT_REFILLED, PATHS,
};

const struct workload workload_trace = {
    .name = "trace",
    .summary = "threads do what the CPUs of a real machine did: --trace FILE",
    .scene = &scene_trace,
    .frames = 1 << 18,
    .required = required,
    .wants_trace = true,
    .own_bytes = sizeof(struct player),
    .shared_bytes = sizeof(struct replay),
    .threads_min = 2,
    .step = trace_step,
    .drain = trace_drain,
    .finished = trace_finished,
};
