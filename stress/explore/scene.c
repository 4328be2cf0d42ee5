/* SPDX-License-Identifier: MIT */
#include "stress/explore/scene_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { INSTANCE_ALIGN = 64 };

static size_t instance_bytes(const struct scene *scene)
{
    size_t bytes = scene->options.subject->instance_bytes;
    return (bytes + INSTANCE_ALIGN - 1) / INSTANCE_ALIGN * INSTANCE_ALIGN;
}

void scene_fail(struct scene *scene, const char *name, const char *format, ...)
{
    char text[EXPLORE_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (explorer_active != NULL) {
        explorer_report(scene->explorer, name, "%s", text);
    }
    if (!scene_failed(scene)) {
        snprintf(scene->finding.name, sizeof(scene->finding.name), "%s", name);
        snprintf(scene->finding.text, sizeof(scene->finding.text), "%s", text);
        scene->finding.thread = NO_THREAD;
    }
}

void scene_own(struct scene *scene, pfn_t pfn, uint64_t frames, enum scene_owner from,
               enum scene_owner to, const char *name)
{
    static const char *const words[] = {"free", "metadata", "no memory", "held"};
    uint64_t first = pfn - scene->memory.start;
    if (pfn < scene->memory.start || first + frames > scene->memory.frames) {
        scene_fail(scene, "containment", "%" PRIu64 " frames from %#" PRIx64 " are not in the map",
                   frames, pfn);
        return;
    }
    for (uint64_t i = first; i < first + frames; i++) {
        if (scene->state.owners[i] != from) {
            scene_fail(scene, name, "frame %#" PRIx64 " is made %s: it was %s, not %s",
                       scene->memory.start + i, words[to], words[scene->state.owners[i]],
                       words[from]);
        }
        scene->state.owners[i] = (uint8_t)to;
    }
}

static void owners_init(struct scene *scene)
{
    const struct boot_map *map = &scene->program->map;
    memset(scene->state.owners, OWNER_HOLE, sizeof(scene->state.owners));
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        uint64_t first = range->start - scene->memory.start;
        memset(&scene->state.owners[first], OWNER_FREE, range->frames);
        memset(&scene->state.accepted[first], range->unaccepted ? 0 : 1, range->frames);
    }
}

/* Frames that are in free blocks. */
static uint64_t count_free(const struct scene *scene)
{
    uint64_t frames = 0;
    for (zone_id_t zone = 0; zone < scene->program->map.zones_count; zone++) {
        struct subject_blocks blocks;
        subject_count_blocks(scene->options.subject, scene->instance, zone, ORDERS, &blocks);
        for (order_t order = 0; order < ORDERS; order++) {
            frames += (blocks.accepted[order] + blocks.cma[order] + blocks.unaccepted[order])
                      << order;
        }
    }
    return frames;
}

static bool boot(struct scene *scene)
{
    const struct subject *subject = scene->options.subject;
    enum status status = subject->open(scene->instance, &scene->port, &scene->program->map);
    scene->opened = status == STATUS_OK;
    if (status != STATUS_OK) {
        scene_fail(scene, "boot", "it answers %d: there is too little memory for it", (int)status);
        return false;
    }
    scene->free_frames = count_free(scene);
    for (uint32_t cpu = 0; scene->port.cpu_enter != NULL && cpu < scene->program->cpus; cpu++) {
        const struct case_op online = {.op = OP_CPU_ONLINE, .zone = (uint8_t)cpu};
        scene_run_op(scene, &online);
    }
    return !scene_failed(scene);
}

static bool phases_find(struct scene *scene)
{
    struct program_phase phase = {0};
    scene->first_phase = SCENE_PHASES_MAX;
    while (program_next_phase(scene->program, &phase)) {
        if (phase.concurrent && scene->first_phase == SCENE_PHASES_MAX) {
            scene->first_phase = scene->phases_count;
        }
        scene->phases[scene->phases_count++] = phase;
    }
    return scene->first_phase < SCENE_PHASES_MAX;
}

/* Runs an operation with its fault. */
static void run_op(struct scene *scene, uint32_t index)
{
    const struct case_op *op = &scene->program->ops[index];
    struct scene_fault *fault = &scene->faults[scene_thread(scene)];
    *fault = (struct scene_fault){.op = op};
    scene_run_op(scene, op);
    fault->op = NULL;
}

static void run_set_up(struct scene *scene)
{
    for (uint32_t i = 0; i < scene->phases[scene->first_phase].first && !scene_failed(scene); i++) {
        run_op(scene, i);
    }
}

static bool memory_open(struct scene *scene)
{
    scene->instance = aligned_alloc(INSTANCE_ALIGN, instance_bytes(scene));
    scene->instance_kept = aligned_alloc(INSTANCE_ALIGN, instance_bytes(scene));
    if (scene->instance == NULL || scene->instance_kept == NULL) {
        return false;
    }
    memset(scene->instance, 0, instance_bytes(scene));
    return arena_open(&scene->memory, &scene->program->map);
}

static bool scene_make(struct scene *scene, char *error)
{
    const struct program *program = scene->program;
    if (program->ops_count > SCENE_OPS_MAX || program->slots != SCENE_SLOTS) {
        snprintf(error, SCHEDULE_ERROR_MAX, "more than %d operations, or slots", SCENE_OPS_MAX);
        return false;
    }
    if (!phases_find(scene)) {
        snprintf(error, SCHEDULE_ERROR_MAX, "no operation has a thread");
        return false;
    }
    if (!memory_open(scene)) {
        snprintf(error, SCHEDULE_ERROR_MAX, "more than %d frames from first to last",
                 ARENA_FRAMES_MAX);
        return false;
    }
    owners_init(scene);
    scene_port_init(scene);
    if (boot(scene)) {
        run_set_up(scene);
    }
    if (scene_failed(scene)) {
        snprintf(error, SCHEDULE_ERROR_MAX, "before its threads: %s: %.60s", scene->finding.name,
                 scene->finding.text);
        return false;
    }
    return true;
}

bool scene_open(struct scene *scene, const struct program *program,
                const struct scene_options *options, struct explorer *explorer, char *error)
{
    memset(scene, 0, sizeof(*scene));
    scene->options = *options;
    scene->program = program;
    scene->explorer = explorer;
    scene->threads = program_threads(program);
    if (!scene_make(scene, error)) {
        scene_close(scene);
        return false;
    }
    arena_keep(&scene->memory);
    memcpy(scene->instance_kept, scene->instance, instance_bytes(scene));
    scene->state_kept = scene->state;
    return true;
}

void scene_close(struct scene *scene)
{
    if (scene->opened) {
        scene->options.subject->close(scene->instance);
    }
    arena_close(&scene->memory);
    free(scene->instance);
    free(scene->instance_kept);
    scene->instance = NULL;
    scene->instance_kept = NULL;
}

static void restore(struct scene *scene)
{
    arena_restore(&scene->memory);
    arena_copy(scene->instance, scene->instance_kept, instance_bytes(scene));
    arena_copy(&scene->state, &scene->state_kept, sizeof(scene->state));
    memset(scene->faults, 0, sizeof(scene->faults));
    scene->cpu_taken = 0;
    scene->finding.name[0] = '\0';
    (atomic_word_poke)(&scene->arrivals, 0);
    (atomic_word_poke)(&scene->turns, 0);
}

/* Waits until all threads have come here for the @times-th time; what they did before is seen. */
static void meet(struct scene *scene, uint64_t times)
{
    (void)atomic_word_add_ordered(&scene->arrivals, 1);
    while (atomic_word_acquire(&scene->arrivals) < times * scene->threads) {
        port_relax();
    }
}

/* Where an operation begins and ends is a step, on a word that all operations share: so the order
 * of these is part of the schedule, and no search takes them for independent. It orders no memory:
 * that is for the subject to do. */
static void turn(struct scene *scene)
{
    (void)atomic_word_add(&scene->turns, 1);
}

static void run_phase(struct scene *scene, const struct program_phase *phase, unsigned thread)
{
    for (uint32_t i = phase->first; i < phase->end; i++) {
        unsigned whose = phase->concurrent ? scene->program->ops[i].thread - 1U : 0;
        if (whose == thread) {
            explorer_begin_op(scene->explorer, i);
            turn(scene);
            run_op(scene, i);
            turn(scene);
        }
    }
}

static void thread_body(void *context, unsigned thread)
{
    struct scene *scene = context;
    uint64_t met = 0;
    for (uint32_t i = scene->first_phase; i < scene->phases_count; i++) {
        run_phase(scene, &scene->phases[i], thread);
        if (i + 1 < scene->phases_count) {
            meet(scene, ++met);
        }
    }
}

static void validate(struct scene *scene, const char *when)
{
    struct violation violation = {0};
    if (!scene->options.subject->validate(scene->instance, &violation)) {
        scene_fail(scene, invariant_name(violation.invariant),
                   "%sframe %#" PRIx64 ": %#" PRIx64 ", expected %#" PRIx64, when, violation.pfn,
                   violation.actual, violation.expected);
    }
}

/* All threads have ended: the subject has to be sound, and whole when all is freed. */
static void check_end(struct scene *scene)
{
    validate(scene, "");
    if (scene_failed(scene)) {
        return;
    }
    scene_free_all(scene);
    if (!scene_failed(scene)) {
        validate(scene, "all is freed: ");
    }
    uint64_t frames = count_free(scene);
    if (!scene_failed(scene) && frames != scene->free_frames) {
        scene_fail(scene, "not-whole",
                   "all is freed, and %" PRIu64 " frames are free; after boot it was %" PRIu64,
                   frames, scene->free_frames);
    }
}

bool scene_execute(struct scene *scene, struct strategy *strategy, struct explore_finding *finding)
{
    restore(scene);
    if (!explorer_run(scene->explorer, scene->threads, thread_body, scene, strategy)) {
        *finding = scene->explorer->finding;
        return false;
    }
    scene->cpu_taken = 0;
    check_end(scene);
    *finding = scene->finding;
    return !scene_failed(scene);
}
