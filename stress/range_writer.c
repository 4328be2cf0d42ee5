/* SPDX-License-Identifier: MIT
 *
 * range_writer.c: random operations by weight, each checked by itself and entered in the history.
 * The writer fills the tree up to a goal, then thins it out to a tenth or to nothing, and so on.
 */
#include "stress/range_scene.h"

#include <sched.h>

/* Chances of one in so many, and sizes. */
enum {
    ARM_ONE_IN = 4,
    LONG_ONE_IN = 32,
    HUGE_ONE_IN = 1024,
    EDGE_ONE_IN = 64,
    SHORT_UNITS = 3,
    LONG_UNITS = 64,
    MOVE_ONE_IN = 4096,  /* the hot units move */
    JUMP_ONE_IN = 64,    /* the erasing goes on elsewhere */
    EMPTY_ONE_IN = 4,    /* thinning goes on to nothing */
    REBUILD_ONE_IN = 64, /* the tree is emptied to be built */
    MANY = 16,           /* ranges in one store */
    PREPARED = 16,
    SHIFTS = 5,        /* goals go down to 1/16 of the largest */
    PATIENCE = 64,     /* looks at open sections */
    RETIRED_MAX = 4096 /* nodes at which the writer waits for readers */
};

/* X(function, name, weight while it fills, and while it thins) */
#define WRITE_TABLE(X)                                                                             \
    X(write_store, "store", 40, 4)                                                                 \
    X(write_store_empty, "store-empty", 20, 2)                                                     \
    X(write_store_many, "store-many", 4, 1)                                                        \
    X(write_value, "change-value", 12, 12)                                                         \
    X(write_again, "store-again", 4, 3)                                                            \
    X(write_erase, "erase", 8, 60)                                                                 \
    X(write_erase_nothing, "erase-nothing", 1, 1)                                                  \
    X(write_clear, "clear", 3, 6)                                                                  \
    X(write_build, "build", 2, 2)                                                                  \
    X(write_prepare, "prepare", 1, 1)                                                              \
    X(write_gap, "gap", 4, 4)                                                                      \
    X(write_trim, "trim", 1, 1)                                                                    \
    X(write_synchronise, "synchronise", 1, 1)

/* Units, both included. */
struct span {
    uint32_t first;
    uint32_t last;
};

static uint64_t key_first(const struct range_scene *scene, struct span span)
{
    return keyspace_first(&scene->keys, span.first);
}

static uint64_t key_last(const struct range_scene *scene, struct span span)
{
    return keyspace_last(&scene->keys, span.last);
}

static struct span span_of(const struct piece *piece)
{
    return (struct span){piece->first, piece->last};
}

/* From @first, @length units if there are as many. */
static struct span span_make(const struct range_scene *scene, uint32_t first, uint64_t length)
{
    uint32_t left = scene->keys.units - first;
    return (struct span){first, first + (length < left ? (uint32_t)length : left) - 1};
}

static struct span span_draw(struct worker *worker, struct range_scene *scene)
{
    struct random *random = &worker->random;
    uint32_t first = range_scene_unit(scene, random);
    uint64_t most = SHORT_UNITS;
    if (random_once_in(random, HUGE_ONE_IN)) {
        most = scene->keys.units / 8;
    } else if (random_once_in(random, LONG_ONE_IN)) {
        most = LONG_UNITS;
    }
    uint64_t length = 1 + random_below(random, most);
    if (random_once_in(random, EDGE_ONE_IN)) {
        first = random_once_in(random, 2) ? 0 : scene->keys.units - (uint32_t)length;
    }
    return span_make(scene, first, length);
}

/* The first piece in or behind @unit, or NULL. */
static const struct piece *piece_from(const struct range_scene *scene, uint32_t unit)
{
    for (; unit < scene->keys.units; unit++) {
        const struct piece *piece = history_now(&scene->history, unit);
        if (piece != NULL) {
            return piece;
        }
    }
    return NULL;
}

static bool span_is_free(const struct range_scene *scene, struct span span)
{
    const struct piece *piece = piece_from(scene, span.first);
    return piece == NULL || piece->first > span.last;
}

/* An operation that readers may see begins. */
static void write_begin(struct range_scene *scene)
{
    relaxed_store_in_place(&scene->clock.begun, ++scene->writer.now);
}

/* It is done, with @status. Return: whether that is OK. */
static bool write_end(struct worker *worker, struct range_scene *scene, enum status status)
{
    bool may_fail = worker->fault.armed && worker->fault.fired;
    relaxed_store_in_place(&scene->clock.done, scene->writer.now);
    if (status == STATUS_OK) {
        return true;
    }
    if (status != STATUS_NO_MEMORY || !may_fail) {
        worker_report(worker, FINDING_STATUS, "answers status %d", (int)status);
    }
    worker_count(worker, PATH_RANGE_FAILED);
    return false;
}

/* The history of a store that is done. */
static void note_store(struct range_scene *scene, struct span span, uint64_t value)
{
    history_cut(&scene->history, span.first, span.last, scene->writer.now);
    history_put(&scene->history, span.first, span.last, value, scene->writer.now);
}

static void store(struct worker *worker, struct range_scene *scene, struct span span)
{
    bool prepared = scene->tree.prepared > 0;
    uint64_t value = ++scene->writer.serial;
    write_begin(scene);
    enum status status =
        range_tree_store(&scene->tree, key_first(scene, span), key_last(scene, span), value);
    if (write_end(worker, scene, status)) {
        note_store(scene, span, value);
    } else if (prepared) {
        worker_report(worker, FINDING_STATUS, "a store that was prepared has no memory");
    }
    if (prepared) {
        worker_count(worker, PATH_RANGE_PREPARED);
    }
}

static void write_store(struct worker *worker, struct range_scene *scene)
{
    store(worker, scene, span_draw(worker, scene));
}

static void write_store_empty(struct worker *worker, struct range_scene *scene)
{
    struct span span = span_draw(worker, scene);
    bool is_free = span_is_free(scene, span);
    uint64_t value = ++scene->writer.serial;
    write_begin(scene);
    enum status status =
        range_tree_store_empty(&scene->tree, key_first(scene, span), key_last(scene, span), value);
    bool refused = status == STATUS_EXISTS;
    if (write_end(worker, scene, refused && !is_free ? STATUS_OK : status) && !refused) {
        if (!is_free) {
            worker_report(worker, FINDING_STATUS, "stores where something is");
            return;
        }
        note_store(scene, span, value);
    }
}

/* Up to @most short ranges in @span, some side by side. Return: how many. */
static unsigned draw_entries(struct worker *worker, struct range_scene *scene, struct span span,
                             unsigned most, struct span *spans, struct range_entry *entries)
{
    uint32_t unit = span.first;
    unsigned count = 0;
    while (count < most) {
        unit += (uint32_t)random_below(&worker->random, SHORT_UNITS);
        if (unit > span.last) {
            break;
        }
        struct span drawn = span_make(scene, unit, 1 + random_below(&worker->random, SHORT_UNITS));
        drawn.last = drawn.last < span.last ? drawn.last : span.last;
        spans[count] = drawn;
        entries[count++] = (struct range_entry){key_first(scene, drawn), key_last(scene, drawn),
                                                ++scene->writer.serial};
        unit = drawn.last + 1;
    }
    return count;
}

static void write_store_many(struct worker *worker, struct range_scene *scene)
{
    struct range_entry entries[MANY];
    struct span spans[MANY];
    uint32_t first = range_scene_unit(scene, &worker->random);
    struct span span = span_make(scene, first, 1 + random_below(&worker->random, LONG_UNITS));
    unsigned most = 1 + (unsigned)random_below(&worker->random, MANY);
    unsigned count = draw_entries(worker, scene, span, most, spans, entries);
    if (count == 0) {
        return;
    }
    write_begin(scene);
    enum status status = range_tree_store_many(&scene->tree, key_first(scene, span),
                                               key_last(scene, span), entries, count);
    if (!write_end(worker, scene, status)) {
        return;
    }
    history_cut(&scene->history, span.first, span.last, scene->writer.now);
    for (unsigned i = 0; i < count; i++) {
        history_put(&scene->history, spans[i].first, spans[i].last, entries[i].value,
                    scene->writer.now);
    }
}

/* A new value for a range as it is. */
static void write_value(struct worker *worker, struct range_scene *scene)
{
    const struct piece *piece = piece_from(scene, range_scene_unit(scene, &worker->random));
    if (piece != NULL) {
        store(worker, scene, span_of(piece));
    }
}

/* Where it erased last, maybe into the slot that it emptied. */
static void write_again(struct worker *worker, struct range_scene *scene)
{
    const struct range_writer *writer = &scene->writer;
    store(worker, scene, (struct span){writer->erased_first, writer->erased_last});
}

static void erase(struct worker *worker, struct range_scene *scene, const struct piece *piece)
{
    struct range_writer *writer = &scene->writer;
    struct span span = span_of(piece);
    struct range_entry due = {key_first(scene, span), key_last(scene, span), piece->value};
    struct range_entry entry = {0};
    uint32_t unit =
        span.first + (uint32_t)random_below(&worker->random, span.last - span.first + 1);
    uint64_t key = keyspace_draw(&scene->keys, unit, &worker->random);
    uint64_t taken = writer->taken;
    write_begin(scene);
    bool erased = range_tree_erase(&scene->tree, key, &entry);
    write_end(worker, scene, STATUS_OK);
    if (!erased || entry.first != due.first || entry.last != due.last || entry.value != due.value ||
        taken != writer->taken) {
        worker_report(worker, FINDING_STATUS,
                      "erases %#" PRIx64 " to %#" PRIx64 " for key %#" PRIx64 ", and takes %" PRIu64
                      " nodes",
                      entry.first, entry.last, key, writer->taken - taken);
    }
    history_cut(&scene->history, span.first, span.last, writer->now);
    writer->erased_first = span.first;
    writer->erased_last = span.last;
}

/* Erases ranges one behind the other, so that leaves run empty. */
static void write_erase(struct worker *worker, struct range_scene *scene)
{
    struct range_writer *writer = &scene->writer;
    if (random_once_in(&worker->random, JUMP_ONE_IN)) {
        writer->cursor = range_scene_unit(scene, &worker->random);
    }
    const struct piece *piece = piece_from(scene, writer->cursor);
    writer->cursor = piece == NULL ? 0 : piece->last;
    if (piece != NULL) {
        erase(worker, scene, piece);
    }
}

static void write_erase_nothing(struct worker *worker, struct range_scene *scene)
{
    uint32_t unit = range_scene_unit(scene, &worker->random);
    if (history_now(&scene->history, unit) != NULL) {
        return;
    }
    write_begin(scene);
    uint64_t key = keyspace_draw(&scene->keys, unit, &worker->random);
    bool erased = range_tree_erase(&scene->tree, key, NULL);
    write_end(worker, scene, erased ? STATUS_NOT_FOUND : STATUS_OK);
}

static void clear(struct worker *worker, struct range_scene *scene, struct span span)
{
    write_begin(scene);
    enum status status =
        range_tree_clear(&scene->tree, key_first(scene, span), key_last(scene, span));
    if (write_end(worker, scene, status)) {
        history_cut(&scene->history, span.first, span.last, scene->writer.now);
    }
}

static void write_clear(struct worker *worker, struct range_scene *scene)
{
    struct span span = span_draw(worker, scene);
    uint64_t length = (uint64_t)span.last - span.first + 1;
    clear(worker, scene, span_make(scene, span.first, SHORT_UNITS * length));
}

/* Builds an empty tree in one go; in one that is not, that must be refused, unless it is emptied
 * first. */
static void write_build(struct worker *worker, struct range_scene *scene)
{
    enum { ENTRIES = 1024 };
    struct range_entry entries[ENTRIES];
    struct span spans[ENTRIES];
    struct span whole = span_make(scene, 0, scene->keys.units);
    if (random_once_in(&worker->random, REBUILD_ONE_IN)) {
        clear(worker, scene, whole);
    }
    bool is_empty = scene->history.live == 0;
    unsigned most = is_empty ? (unsigned)random_below(&worker->random, ENTRIES + 1) : 1;
    unsigned count = draw_entries(worker, scene, whole, most, spans, entries);
    write_begin(scene);
    enum status status = range_tree_build(&scene->tree, entries, count);
    bool refused = status == STATUS_BUSY && !is_empty;
    if (write_end(worker, scene, refused ? STATUS_OK : status) && !refused) {
        for (unsigned i = 0; i < count; i++) {
            history_put(&scene->history, spans[i].first, spans[i].last, entries[i].value,
                        scene->writer.now);
        }
        worker_count(worker, PATH_RANGE_BUILT);
    }
}

static void write_prepare(struct worker *worker, struct range_scene *scene)
{
    write_begin(scene);
    enum status status = range_tree_prepare(&scene->tree, random_below(&worker->random, PREPARED));
    write_end(worker, scene, status);
}

/* What a search for a gap finds must be one. */
static void write_gap(struct worker *worker, struct range_scene *scene)
{
    struct random *random = &worker->random;
    struct span span = span_make(scene, range_scene_unit(scene, random), scene->keys.units / 4);
    struct range_gap_request request = {
        .first = key_first(scene, span),
        .last = key_last(scene, span),
        .size = 1 + random_below(random, (uint64_t)1 << random_below(random, 44)),
        .align = (uint64_t)1 << random_below(random, 20),
        .from_above = random_once_in(random, 2),
    };
    uint64_t found;
    enum status status = range_tree_gap(&scene->tree, &request, &found);
    if (status == STATUS_NOT_FOUND) {
        return;
    }
    uint64_t last = found + (request.size - 1);
    struct span there = {keyspace_unit(&scene->keys, found), keyspace_unit(&scene->keys, last)};
    if (status != STATUS_OK || found < request.first || last > request.last ||
        found % request.align != 0 || !span_is_free(scene, there)) {
        worker_report(worker, FINDING_STATUS,
                      "answers %d and %#" PRIx64 " for %#" PRIx64 " keys from %#" PRIx64
                      " to %#" PRIx64,
                      (int)status, found, request.size, request.first, request.last);
    }
}

static void write_trim(struct worker *worker, struct range_scene *scene)
{
    (void)worker;
    range_tree_trim(&scene->tree);
}

/* Waits for readers, but not for long; when the wait is over, no section that was open is. */
static void write_synchronise(struct worker *worker, struct range_scene *scene)
{
    uint64_t open[THREADS_MAX] = {0};
    struct epoch_stall stall = {0};
    bool waits = false;
    for (unsigned i = 1; i < scene->threads; i++) {
        open[i] = relaxed_load_in_place(&scene->readers[i].section);
        waits = waits || open[i] != 0;
    }
    if (!epoch_synchronise(&scene->epoch, PATIENCE, &stall)) {
        worker_count(worker, PATH_GRACE_STALLED);
        if (stall.slot >= EPOCH_SLOTS || stall.entered == 0 || stall.behind == 0) {
            worker_report(worker, FINDING_GRACE_PERIOD,
                          "is held up by slot %u, entered in %" PRIu64 ", %" PRIu64 " behind",
                          stall.slot, stall.entered, stall.behind);
        }
        return;
    }
    for (unsigned i = 1; i < scene->threads; i++) {
        if (open[i] != 0 && relaxed_load_in_place(&scene->readers[i].section) == open[i]) {
            worker_report(worker, FINDING_GRACE_PERIOD,
                          "section %" PRIu64 " of thread %u was open before, and still is", open[i],
                          i);
        }
    }
    if (waits) {
        worker_count(worker, PATH_GRACE_WAITED);
    }
}

struct write {
    void (*run)(struct worker *worker, struct range_scene *scene);
    const char *name;
    uint32_t weights[2]; /* while it fills, while it thins */
};

static const struct write writes[] = {
#define X(function, name, fills, thins) {function, name, {fills, thins}},
    WRITE_TABLE(X)
#undef X
};

enum { WRITES = sizeof(writes) / sizeof(writes[0]) };

static const struct write *write_draw(struct worker *worker, bool thins)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < WRITES; i++) {
        all += writes[i].weights[thins];
    }
    uint64_t drawn = random_below(&worker->random, all);
    const struct write *write = writes;
    for (; drawn >= write->weights[thins]; write++) {
        drawn -= write->weights[thins];
    }
    return write;
}

/* Turns from filling to thinning, and back, where the goal is reached. */
static void choose_mood(struct worker *worker, struct range_scene *scene)
{
    struct range_writer *writer = &scene->writer;
    struct random *random = &worker->random;
    uint32_t live = scene->history.live;
    if (writer->thins ? live <= writer->goal : live >= writer->goal) {
        uint32_t most = scene->keys.units / 3 >> random_below(random, SHIFTS);
        bool to_nothing = random_once_in(random, EMPTY_ONE_IN);
        writer->thins = !writer->thins && live > 0;
        writer->goal = to_nothing ? 0 : live / 10;
        if (!writer->thins) {
            writer->goal = 1 + most / 2 + (uint32_t)random_below(random, most / 2);
        }
    }
    if (random_once_in(random, MOVE_ONE_IN)) {
        relaxed_store(&scene->clock.hot, random_below(random, scene->keys.units));
    }
}

/* Counts what the operation came to, as far as the tree tells. */
static void count_paths(struct worker *worker, struct range_scene *scene)
{
    struct range_writer *writer = &scene->writer;
    const struct range_tree *tree = &scene->tree;
    unsigned height = range_tree_height(tree);
    worker_count(worker, PATH_RANGE_WRITE);
    for (unsigned event = 0; event < RANGE_EVENTS; event++) {
        uint64_t more = tree->events[event] - writer->events[event];
        worker_count_more(worker, path_of_event((enum range_event)event), more);
        writer->events[event] = tree->events[event];
    }
    worker_count_more(worker, PATH_HEIGHT_GREW, height > writer->height);
    worker_count_more(worker, PATH_HEIGHT_SHRANK, height < writer->height);
    worker_count_more(worker, PATH_HEIGHT_THREE, height >= 3 && writer->height < 3);
    writer->height = height;
}

void range_writer_step(struct worker *worker, struct range_scene *scene)
{
    struct range_tree *tree = &scene->tree;
    if (!history_has_room(&scene->history)) {
        relaxed_store(&worker->idle, 1);
        sched_yield();
        return;
    }
    choose_mood(worker, scene);
    if (random_once_in(&worker->random, ARM_ONE_IN)) {
        worker_arm(worker);
    }
    bool crowded = tree->retired.fresh.count + tree->retired.waiting.count > RETIRED_MAX;
    const struct write *write = write_draw(worker, scene->writer.thins);
    worker_begin(worker, crowded ? "wait for readers" : write->name);
    if (crowded) {
        write_synchronise(worker, scene);
        range_tree_trim(tree);
    } else {
        write->run(worker, scene);
    }
    worker_disarm(worker);
    count_paths(worker, scene);
    worker_end(worker);
}

void range_writer_drain(struct worker *worker, struct range_scene *scene)
{
    if (random_once_in(&worker->random, 2)) {
        worker_begin(worker, "clear");
        clear(worker, scene, span_make(scene, 0, scene->keys.units));
        worker_end(worker);
    }
}
