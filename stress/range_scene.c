/* SPDX-License-Identifier: MIT */
#include "stress/range_scene.h"

#include "fuzzers/violation.h"

#include <sched.h>
#include <stdlib.h>

/* Once in how many times: a unit is hot; the writer gives up the CPU beside a word that readers
 * see; a check gives back all spare nodes. */
enum { HOT_ONE_IN = 2, STEP_YIELD_ONE_IN = 1024, TRIM_ONE_IN = 4 };

uint32_t range_scene_unit(struct range_scene *scene, struct random *random)
{
    if (random_once_in(random, HOT_ONE_IN)) {
        uint64_t hot = relaxed_load(&scene->clock.hot) + random_below(random, HOT_UNITS);
        return (uint32_t)(hot % scene->keys.units);
    }
    return (uint32_t)random_below(random, scene->keys.units);
}

static void *node_take(void *context)
{
    struct range_scene *scene = context;
    if (worker_fault(worker_current, FAULT_RANGE_NODE)) {
        return NULL;
    }
    void *node = aligned_alloc(RANGE_NODE_BYTES, RANGE_NODE_BYTES);
    scene->writer.taken += node != NULL ? 1 : 0;
    return node;
}

static void node_give_back(void *context, void *node)
{
    struct range_scene *scene = context;
    scene->writer.given++;
    free(node);
}

/* Lets readers come in before and after a word is written. */
static void node_step(void *context)
{
    (void)context;
    if (random_once_in(&worker_current->jitter, STEP_YIELD_ONE_IN)) {
        sched_yield();
    }
}

static void scene_close(struct worker *coordinator)
{
    struct range_scene *scene = coordinator->shared;
    for (unsigned i = 0; i < scene->threads; i++) {
        free(scene->readers[i].reads);
    }
    history_close(&scene->history);
    keyspace_close(&scene->keys);
}

static bool scene_open(struct worker *coordinator, const struct plan *plan)
{
    struct range_scene *scene = coordinator->shared;
    struct random random;
    random_init(&random, plan->seed, 2 * (uint64_t)THREADS_MAX + 2);
    scene->source = (struct range_source){
        .context = scene, .take = node_take, .give_back = node_give_back, .step = node_step};
    scene->threads = plan->threads;
    bool opened = keyspace_open(&scene->keys, (uint32_t)plan->frames, &random) &&
                  history_open(&scene->history, &scene->keys);
    for (unsigned i = 1; opened && i < plan->threads; i++) {
        scene->readers[i].reads = calloc(READS_MAX, sizeof(struct read));
        opened = scene->readers[i].reads != NULL;
    }
    if (!opened) {
        scene_close(coordinator);
    }
    return opened;
}

/* Readers use vector instructions in every other round: ThreadSanitizer does not see 32 bytes that
 * are read at a time. */
static enum status scene_begin(struct worker *coordinator)
{
    struct range_scene *scene = coordinator->shared;
    epoch_init(&scene->epoch);
    range_tree_init(&scene->tree, &scene->epoch, &scene->source);
    if (random_once_in(&coordinator->random, 2)) {
        scene->tree.find = &range_find_portable;
    }
    scene->writer = (struct range_writer){.serial = scene->writer.serial, .now = scene->writer.now};
    history_clear(&scene->history, scene->writer.now);
    return STATUS_OK;
}

static void check_invariants(struct worker *coordinator, struct range_scene *scene)
{
    struct violation violation;
    worker_begin(coordinator, "validate");
    if (!range_tree_validate(&scene->tree, &violation)) {
        char text[VIOLATION_TEXT_MAX];
        violation_text(text, "", "key", &violation);
        worker_report(coordinator, FINDING_INVARIANT, "%s does not hold; %s",
                      invariant_name(violation.invariant), text);
    }
    worker_end(coordinator);
}

/* Compares all that the tree has with what is there now. */
static void check_ranges(struct worker *coordinator, struct range_scene *scene)
{
    const struct keyspace *keys = &scene->keys;
    struct range_entry entry = {0};
    bool more = range_tree_next(&scene->tree, 0, &entry);
    bool same = true;
    worker_begin(coordinator, "compare");
    for (uint32_t unit = 0; unit < keys->units; unit++) {
        const struct piece *piece = history_now(&scene->history, unit);
        if (piece == NULL) {
            continue;
        }
        same = more && entry.first == keyspace_first(keys, piece->first) &&
               entry.last == keyspace_last(keys, piece->last) && entry.value == piece->value;
        if (!same) {
            break;
        }
        unit = piece->last;
        more = entry.last != UINT64_MAX && range_tree_next(&scene->tree, entry.last + 1, &entry);
    }
    if (!same || more) {
        worker_report(coordinator, FINDING_ACCOUNTING,
                      "%" PRIu64 " ranges, of %u that should be there; one that differs, if any: "
                      "%#" PRIx64 " to %#" PRIx64 ", value %" PRIu64,
                      scene->tree.ranges, scene->history.live, entry.first, entry.last,
                      entry.value);
    }
    worker_end(coordinator);
}

/* No section is open: what was retired can come back, all of it. */
static void check_nodes(struct worker *coordinator, struct range_scene *scene)
{
    struct range_tree *tree = &scene->tree;
    worker_begin(coordinator, "count nodes");
    if (random_once_in(&coordinator->random, TRIM_ONE_IN)) {
        range_tree_trim(tree);
        uint64_t kept = range_tree_nodes(tree) - tree->nodes;
        if (kept != tree->prepared * tree->store_need) {
            worker_report(coordinator, FINDING_NOT_WHOLE,
                          "%" PRIu64 " nodes are kept beside the tree, %" PRIu64 " are prepared",
                          kept, tree->prepared * tree->store_need);
        }
    }
    uint64_t live = scene->writer.taken - scene->writer.given;
    if (live != range_tree_nodes(tree)) {
        worker_report(coordinator, FINDING_ACCOUNTING,
                      "%" PRIu64 " nodes are out, and the tree knows of %" PRIu64, live,
                      range_tree_nodes(tree));
    }
    worker_end(coordinator);
}

/* Reports @read of the reader @index. */
static void report_read(struct worker *coordinator, unsigned index, const struct read *read,
                        enum verdict verdict)
{
    static const char *const kinds[] = {
        [READ_VALUE] = "value", [READ_LOAD] = "load", [READ_NEXT] = "next", [READ_PREV] = "prev"};
    enum finding finding = verdict == VERDICT_UNTRUE ? FINDING_UNTRUE_READ : FINDING_PASSED_OVER;
    worker_report(coordinator, finding,
                  "thread %u, %s of key %#" PRIx64 " in operations %" PRIu64 " to %" PRIu64
                  ": %#" PRIx64 " to %#" PRIx64 ", value %" PRIu64,
                  index, kinds[read->kind], read->key, read->before, read->after, read->entry.first,
                  read->entry.last, read->entry.value);
}

static void check_reads(struct worker *coordinator, struct range_scene *scene)
{
    worker_begin(coordinator, "judge reads");
    for (unsigned index = 1; index < scene->threads; index++) {
        struct range_reader *reader = &scene->readers[index];
        for (uint32_t i = 0; i < reader->count; i++) {
            enum verdict verdict = history_judge(&scene->history, &reader->reads[i]);
            if (verdict != VERDICT_TRUE) {
                report_read(coordinator, index, &reader->reads[i], verdict);
                break;
            }
        }
        reader->count = 0;
        worker_end(coordinator);
    }
    history_restart(&scene->history, scene->writer.now);
}

static void scene_check(struct worker *coordinator, struct worker *workers, unsigned threads)
{
    struct range_scene *scene = coordinator->shared;
    (void)workers;
    (void)threads;
    check_invariants(coordinator, scene);
    check_ranges(coordinator, scene);
    check_nodes(coordinator, scene);
    check_reads(coordinator, scene);
}

static void scene_end(struct worker *coordinator)
{
    struct range_scene *scene = coordinator->shared;
    worker_begin(coordinator, "destroy");
    range_tree_destroy(&scene->tree);
    uint64_t left = scene->writer.taken - scene->writer.given;
    if (left != 0) {
        worker_report(coordinator, FINDING_NOT_WHOLE,
                      "the tree is gone, and %" PRIu64 " of its nodes are left", left);
    }
    worker_end(coordinator);
}

const struct scene scene_range = {
    .open = scene_open,
    .close = scene_close,
    .begin = scene_begin,
    .check = scene_check,
    .end = scene_end,
};
