/* SPDX-License-Identifier: MIT
 *
 * range_reader.c: a section, and what is read in it. A reader writes down what it was told and
 * judges nothing: whatever it looked up of the writer's would order the two.
 */
#include "stress/range_scene.h"

#include <sched.h>
#include <unistd.h>

/* Reads in a section; and once in how many times a section sleeps, has another one inside, or
 * gives up the CPU between two reads. */
enum {
    SECTION_READS = 64,
    WALK_READS = 16,
    STALL_ONE_IN = 2048,
    STALL_US = 8000,
    NEST_ONE_IN = 16,
    YIELD_ONE_IN = 256,
    FIXED_HINT_ONE_IN = 4
};

/* One call of @kind for @key, written down. Return: the read. */
static const struct read *read_one(struct worker *worker, struct range_scene *scene,
                                   enum read_kind kind, uint64_t key)
{
    struct range_reader *reader = &scene->readers[worker->index];
    struct read *read = &reader->reads[reader->count++];
    const struct range_tree *tree = &scene->tree;
    struct range_entry entry = {0};
    uint64_t before = relaxed_load_in_place(&scene->clock.done);
    switch (kind) {
    case READ_VALUE:
        entry.value = range_tree_value(tree, key);
        read->found = entry.value != 0;
        break;
    case READ_LOAD:
        read->found = range_tree_load(tree, key, &entry);
        break;
    case READ_NEXT:
        read->found = range_tree_next(tree, key, &entry);
        break;
    case READ_PREV:
        read->found = range_tree_prev(tree, key, &entry);
        break;
    }
    read->after = relaxed_load_in_place(&scene->clock.begun);
    read->before = before;
    read->kind = kind;
    read->key = key;
    read->entry = entry;
    worker_count(worker, PATH_RANGE_READ);
    if (read->after > before) {
        worker_count(worker, PATH_RANGE_OVERLAPPED);
    }
    return read;
}

/* Visits the ranges from @key on, as range_tree_for_each() does. */
static void read_walk(struct worker *worker, struct range_scene *scene, uint64_t key)
{
    for (unsigned i = 0; i < WALK_READS; i++) {
        const struct read *read = read_one(worker, scene, READ_NEXT, key);
        if (!read->found || read->entry.last == UINT64_MAX) {
            return;
        }
        key = read->entry.last + 1;
    }
}

static void read_random(struct worker *worker, struct range_scene *scene)
{
    struct random *random = &worker->random;
    uint32_t unit = range_scene_unit(scene, random);
    uint64_t key = keyspace_draw(&scene->keys, unit, random);
    switch (random_below(random, 16)) {
    case 0:
        read_walk(worker, scene, key);
        break;
    case 1:
    case 2:
        read_one(worker, scene, READ_NEXT, key);
        break;
    case 3:
    case 4:
        read_one(worker, scene, READ_PREV, key);
        break;
    case 5:
    case 6:
    case 7:
        read_one(worker, scene, READ_LOAD, key);
        break;
    default:
        read_one(worker, scene, READ_VALUE, key);
        break;
    }
    if (random_once_in(&worker->jitter, YIELD_ONE_IN)) {
        sched_yield();
    }
}

static struct epoch_slot *section_enter(struct worker *worker, struct range_scene *scene)
{
    bool fixed = random_once_in(&worker->random, FIXED_HINT_ONE_IN);
    return epoch_enter(&scene->epoch, fixed ? 0 : worker->index);
}

void range_reader_step(struct worker *worker, struct range_scene *scene)
{
    struct range_reader *reader = &scene->readers[worker->index];
    struct random *random = &worker->random;
    if (READS_MAX - reader->count < SECTION_READS * WALK_READS) {
        relaxed_store(&worker->idle, 1);
        sched_yield();
        return;
    }
    unsigned count = 1 + (unsigned)random_below(random, SECTION_READS);
    bool nests = random_once_in(random, NEST_ONE_IN);
    struct epoch_slot *inner = NULL;
    worker_begin(worker, "read");
    struct epoch_slot *section = section_enter(worker, scene);
    relaxed_store_in_place(&reader->section, ++reader->sections);
    for (unsigned i = 0; i < count; i++) {
        if (nests && i == count / 2) {
            inner = section_enter(worker, scene);
        }
        read_random(worker, scene);
    }
    if (inner != NULL) {
        epoch_exit(inner);
    }
    if (random_once_in(random, STALL_ONE_IN)) {
        usleep((useconds_t)random_below(random, STALL_US));
        read_random(worker, scene);
    }
    relaxed_store_in_place(&reader->section, 0);
    epoch_exit(section);
    worker_end(worker);
}
