/* SPDX-License-Identifier: MIT */
#include "stress/explore/stage_internal.h"

#include "fuzzers/violation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void stage_fail(struct stage *stage, const char *name, const char *format, ...)
{
    char text[EXPLORE_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (explorer_active != NULL) {
        explorer_report(stage->explorer, name, "%s", text);
    }
    if (!stage_failed(stage)) {
        snprintf(stage->finding.name, sizeof(stage->finding.name), "%s", name);
        snprintf(stage->finding.text, sizeof(stage->finding.text), "%s", text);
    }
}

void stage_own(struct stage *stage, pfn_t pfn, uint64_t frames, enum stage_owner from,
               enum stage_owner to, const char *name)
{
    static const char *const words[] = {"free", "metadata", "no memory", "held"};
    uint64_t first = pfn - stage->memory.start;
    if (pfn < stage->memory.start || first + frames > stage->memory.frames) {
        stage_fail(stage, "containment", "%" PRIu64 " frames from %#" PRIx64 " are not in the map",
                   frames, pfn);
        return;
    }
    for (uint64_t i = first; i < first + frames; i++) {
        if (stage->state.owners[i] != from) {
            stage_fail(stage, name, "frame %#" PRIx64 " is made %s: it was %s, not %s",
                       stage->memory.start + i, words[to], words[stage->state.owners[i]],
                       words[from]);
        }
        stage->state.owners[i] = (uint8_t)to;
    }
}

static void owners_init(struct stage *stage)
{
    const struct boot_map *map = &stage->program->map;
    memset(stage->state.owners, OWNER_HOLE, sizeof(stage->state.owners));
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        uint64_t first = range->start - stage->memory.start;
        if (map->zones[range->zone].later) {
            continue;
        }
        memset(&stage->state.owners[first], OWNER_FREE, range->frames);
        memset(&stage->state.accepted[first], range->unaccepted ? 0 : 1, range->frames);
    }
}

/* Frames that are in free blocks. */
static uint64_t count_free(const struct stage *stage)
{
    uint64_t frames = 0;
    for (zone_id_t zone = 0; zone < stage->program->map.zones_count; zone++) {
        struct subject_blocks blocks;
        subject_count_blocks(stage->options.subject, stage->instance, zone, ORDERS, &blocks);
        for (order_t order = 0; order < ORDERS; order++) {
            frames += (blocks.accepted[order] + blocks.cma[order] + blocks.unaccepted[order])
                      << order;
        }
    }
    return frames;
}

static bool boot(struct stage *stage)
{
    const struct subject *subject = stage->options.subject;
    enum status status = subject->open(stage->instance, &stage->port, &stage->program->map);
    stage->opened = status == STATUS_OK;
    if (status != STATUS_OK) {
        stage_fail(stage, "boot", "it answers %d: there is too little memory for it", (int)status);
        return false;
    }
    stage->free_frames = count_free(stage);
    stage_watch(stage);
    for (uint32_t cpu = 0; stage->port.cpu_enter != NULL && cpu < stage->program->cpus; cpu++) {
        const struct case_op online = {.op = OP_CPU_ONLINE, .zone = (uint8_t)cpu};
        stage_run_op(stage, &online);
    }
    return !stage_failed(stage);
}

static bool phases_find(struct stage *stage)
{
    struct program_phase phase = {0};
    stage->first_phase = STAGE_PHASES_MAX;
    while (program_next_phase(stage->program, &phase)) {
        if (phase.concurrent && stage->first_phase == STAGE_PHASES_MAX) {
            stage->first_phase = stage->phases_count;
        }
        stage->phases[stage->phases_count++] = phase;
    }
    return stage->first_phase < STAGE_PHASES_MAX;
}

/* Runs an operation with its fault. */
static void run_op(struct stage *stage, uint32_t index)
{
    const struct case_op *op = &stage->program->ops[index];
    const struct stage_listener *listener = stage->options.listener;
    struct fault_plan *fault = &stage->faults[stage_thread(stage)];
    if (listener != NULL) {
        listener->begins(listener->context, stage, index);
    }
    fault_arm(fault, op);
    stage_run_op(stage, op);
    fault_disarm(fault);
    if (listener != NULL) {
        listener->ended(listener->context, stage, index);
    }
}

static void run_set_up(struct stage *stage)
{
    for (uint32_t i = 0; i < stage->phases[stage->first_phase].first && !stage_failed(stage); i++) {
        run_op(stage, i);
    }
}

static bool stage_make(struct stage *stage, char *error)
{
    const struct program *program = stage->program;
    if (program->ops_count > STAGE_OPS_MAX || program->slots != STAGE_SLOTS) {
        snprintf(error, SCHEDULE_ERROR_MAX, "more than %d operations, or slots", STAGE_OPS_MAX);
        return false;
    }
    if (!explorer_set_weak(stage->explorer, stage->options.weak)) {
        snprintf(error, SCHEDULE_ERROR_MAX, "no memory for weak memory");
        return false;
    }
    if (!phases_find(stage)) {
        snprintf(error, SCHEDULE_ERROR_MAX, "no operation has a thread");
        return false;
    }
    if (!stage_memory_open(stage)) {
        snprintf(error, SCHEDULE_ERROR_MAX, "more than %d frames from first to last",
                 ARENA_FRAMES_MAX);
        return false;
    }
    owners_init(stage);
    stage_port_init(stage);
    if (!stage_judge_open(stage)) {
        snprintf(error, SCHEDULE_ERROR_MAX, "no memory for its judges");
        return false;
    }
    if (boot(stage)) {
        run_set_up(stage);
    }
    if (stage_failed(stage)) {
        snprintf(error, SCHEDULE_ERROR_MAX, "before its threads: %s: %.60s", stage->finding.name,
                 stage->finding.text);
        return false;
    }
    return true;
}

struct stage *stage_open(const struct program *program, const struct stage_options *options,
                         struct explorer *explorer, char *error)
{
    struct stage *stage = stage_allocate(sizeof(*stage));
    if (stage == NULL) {
        snprintf(error, SCHEDULE_ERROR_MAX, "no memory for a stage");
        return NULL;
    }
    stage->options = *options;
    stage->program = program;
    stage->explorer = explorer;
    stage->threads = program_threads(program);
    explorer_forget(explorer);
    if (!stage_make(stage, error)) {
        stage_close(stage);
        return NULL;
    }
    stage_memory_keep(stage);
    stage_judge_keep(stage);
    return stage;
}

void stage_close(struct stage *stage)
{
    if (stage->opened) {
        stage->options.subject->close(stage->instance);
    }
    stage_judge_close(stage);
    stage_memory_close(stage);
    free(stage);
}

static void restore(struct stage *stage)
{
    stage_memory_restore(stage);
    stage_judge_restore(stage);
    for (unsigned i = 0; i <= EXPLORE_THREADS; i++) {
        fault_disarm(&stage->faults[i]);
    }
    stage->cpu_taken = 0;
    stage->finding.name[0] = '\0';
    stage->undecided = false;
    (atomic_word_poke)(&stage->arrivals, 0);
    (atomic_word_poke)(&stage->turns, 0);
    for (unsigned i = 0; i <= CASE_CPUS_MAX; i++) {
        (atomic_word_poke)(&stage->cpu_turns[i], 0);
    }
}

/* Waits until all threads have come here for the @times-th time; what they did before is seen. */
static void meet(struct stage *stage, uint64_t times)
{
    (void)atomic_word_add_ordered(&stage->arrivals, 1);
    while (atomic_word_acquire(&stage->arrivals) < times * stage->threads) {
        port_relax();
    }
}

/* Where an operation begins and ends is a step, on a word that all operations share: so the order
 * of these is part of the schedule, and no search takes them for independent. It orders no memory:
 * that is for the subject to do. */
static void turn(struct stage *stage)
{
    (void)atomic_word_add(&stage->turns, 1);
}

static void run_phase(struct stage *stage, const struct program_phase *phase, unsigned thread)
{
    for (uint32_t i = phase->first; i < phase->end; i++) {
        unsigned whose = phase->concurrent ? stage->program->ops[i].thread - 1U : 0;
        if (whose == thread) {
            explorer_begin_op(stage->explorer, i);
            turn(stage);
            run_op(stage, i);
            turn(stage);
        }
    }
}

static void thread_body(void *context, unsigned thread)
{
    struct stage *stage = context;
    uint64_t met = 0;
    for (uint32_t i = stage->first_phase; i < stage->phases_count; i++) {
        run_phase(stage, &stage->phases[i], thread);
        if (i + 1 < stage->phases_count) {
            meet(stage, ++met);
        }
    }
}

static void validate(struct stage *stage)
{
    struct violation violation = {0};
    if (!stage->options.subject->validate(stage->instance, &violation)) {
        char text[VIOLATION_TEXT_MAX];
        violation_text(text, "", "frame", &violation);
        stage_fail(stage, invariant_name(violation.invariant), "%s", text);
    }
}

/* Acceptance cuts blocks for good: more of them than after boot may need a slab for descriptors. */
static void check_whole(struct stage *stage)
{
    uint64_t frames = count_free(stage);
    if (!stage_failed(stage) && frames != stage->free_frames && !stage->state.accepted_any) {
        stage_fail(stage, "not-whole",
                   "all is freed, and %" PRIu64 " frames are free; after boot it was %" PRIu64,
                   frames, stage->free_frames);
    }
}

/* All threads have ended: the subject has to be sound, and whole when all is freed. */
static void check_end(struct stage *stage)
{
    validate(stage);
    if (stage_failed(stage)) {
        return;
    }
    stage_free_all(stage);
    check_whole(stage);
}

/* The same, but where it was just so before: what follows from there was found good. */
static void check_new_end(struct stage *stage)
{
    uint64_t end;
    if (stage_end_is_known(stage, &end)) {
        return;
    }
    check_end(stage);
    if (!stage_failed(stage)) {
        stage_end_note(stage, end);
    }
}

bool stage_execute(struct stage *stage, struct strategy *strategy, struct explore_finding *finding)
{
    restore(stage);
    if (!explorer_run(stage->explorer, stage->threads, thread_body, stage, strategy)) {
        *finding = stage->explorer->finding;
        return false;
    }
    stage->cpu_taken = 0;
    stage_judge(stage);
    if (!stage_failed(stage)) {
        check_new_end(stage);
    }
    *finding = stage->finding;
    return !stage_failed(stage);
}
