/* SPDX-License-Identifier: MIT
 *
 * learn.c: counts what follows what on each CPU. Events in a row that do the same are one step;
 * each one to four steps in a row, with an allocation among them, may be an idiom.
 *
 *   events   a0 a0 a0 a0 f f f f   a9 f   a0 a0 a0 a0 f f f f
 *   steps    alloc 0 x 4, free-newest x 4, alloc 9 x 1, free-newest x 1, alloc 0 x 4, ...
 */
#include "fuzzers/mutate/learn.h"

#include "core/types.h"
#include "fuzzers/traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCKS_MAX = 1 << 18, /* of the trace that live at once */
    PER_LENGTH = 9,       /* idioms of each number of steps */
    SEEN_MIN = 2,
    CPUS = CPUS_MAX
};

/* A block of the trace. */
struct source {
    uint64_t serial; /* on its CPU, from 1 */
    uint32_t cpu;
    uint8_t order;
};

/* What a CPU is in the middle of. */
struct stream {
    struct idiom_step step;
    uint32_t count;    /* events of it; 0: there is no step */
    uint32_t forward;  /* frees behind that of the block allocated just before */
    uint32_t backward; /* or just after */
    uint64_t freed;    /* serial of the last one */
    uint64_t serial;   /* of the last block allocated */
    struct idiom_step past[IDIOM_STEPS_MAX]; /* the newest first */
    uint32_t past_count;
};

struct learner {
    struct traffic *traffic;
    const struct trace_event *event;
    bool told; /* the traffic has said which block it is */
    struct source *sources;
    struct stream streams[CPUS];
    struct idiom *grams;
    size_t grams_count;
    size_t grams_room;
};

static void *allocate(void *memory, size_t count, size_t bytes)
{
    memory = reallocarray(memory, count, bytes);
    if (memory == NULL) {
        fprintf(stderr, "potad: no memory for %zu idioms\n", count);
        abort();
    }
    return memory;
}

/* The last steps of @stream. Frees alone are no idiom, nor are allocations, but of one step: what
 * is learned is how the two go together. */
static void gram_add(struct learner *learner, const struct stream *stream, uint32_t length)
{
    struct idiom gram = {.seen = 1, .steps_count = (uint8_t)length};
    uint32_t allocs = 0;
    for (uint32_t i = 0; i < length; i++) {
        gram.steps[i] = stream->past[length - 1 - i];
        allocs += gram.steps[i].action == IDIOM_ALLOC ? 1 : 0;
    }
    if (allocs == 0 || (length > 1 && allocs == length)) {
        return;
    }
    if (learner->grams_count == learner->grams_room) {
        learner->grams_room = learner->grams_room == 0 ? 1024 : learner->grams_room * 2;
        learner->grams = allocate(learner->grams, learner->grams_room, sizeof(gram));
    }
    learner->grams[learner->grams_count++] = gram;
}

/* A power of two, rounded down. */
static uint8_t count_rounded(uint32_t count)
{
    uint32_t rounded = 1;
    while (rounded * 2 <= count && rounded < IDIOM_COUNT_MAX) {
        rounded *= 2;
    }
    return (uint8_t)rounded;
}

/* The step that @stream is in has ended: it is the end of some idioms. */
static void step_end(struct learner *learner, struct stream *stream)
{
    if (stream->count == 0) {
        return;
    }
    struct idiom_step step = stream->step;
    if (step.action != IDIOM_ALLOC) {
        bool newest = stream->backward * 3 >= stream->count * 2;
        bool forward = stream->forward * 3 >= stream->count * 2;
        step.action = newest ? IDIOM_FREE_NEWEST : IDIOM_FREE_ANY;
        step.action = !newest && forward ? IDIOM_FREE_FORWARD : step.action;
    }
    step.count = count_rounded(stream->count);
    memmove(&stream->past[1], &stream->past[0], sizeof(stream->past) - sizeof(stream->past[0]));
    stream->past[0] = step;
    stream->past_count += stream->past_count < IDIOM_STEPS_MAX ? 1 : 0;
    for (uint32_t length = 1; length <= stream->past_count; length++) {
        gram_add(learner, stream, length);
    }
    stream->count = 0;
}

/* One more event of a step that is like @step, or the first of a new one. */
static void step_go(struct learner *learner, struct stream *stream, struct idiom_step step)
{
    bool same = stream->count > 0 && stream->step.action == step.action &&
                stream->step.order == step.order && stream->step.type == step.type;
    if (!same) {
        step_end(learner, stream);
        stream->step = step;
        stream->forward = 0;
        stream->backward = 0;
    }
    stream->count++;
}

static bool sink_alloc(void *context, const struct trace_event *event, uint32_t number)
{
    struct learner *learner = context;
    uint32_t cpu = event->cpu % CPUS;
    struct stream *stream = &learner->streams[cpu];
    struct idiom_step step = {
        .action = IDIOM_ALLOC,
        .order = (uint8_t)event->order,
        .type = event->migratetype < MIGRATETYPES ? (uint8_t)event->migratetype : 0,
    };
    step_go(learner, stream, step);
    learner->sources[number] =
        (struct source){.serial = ++stream->serial, .cpu = cpu, .order = step.order};
    return true;
}

static void sink_free(void *context, uint32_t number)
{
    struct learner *learner = context;
    const struct source *source = &learner->sources[number];
    if (!learner->event->is_free) {
        return; /* one that was not traced */
    }
    learner->told = true;
    uint32_t cpu = learner->event->cpu % CPUS;
    struct stream *stream = &learner->streams[cpu];
    struct idiom_step step = {.action = IDIOM_FREE_ANY, .order = source->order};
    bool allocated_last = stream->count > 0 && stream->step.action == IDIOM_ALLOC;
    step_go(learner, stream, step);
    bool own = source->cpu == cpu;
    bool newest = own && allocated_last && source->serial == stream->serial;
    stream->backward += newest || (own && source->serial + 1 == stream->freed) ? 1 : 0;
    stream->forward += own && source->serial == stream->freed + 1 ? 1 : 0;
    stream->freed = own ? source->serial : 0;
}

static bool sink_stopped(void *context)
{
    (void)context;
    return false;
}

struct learner *learner_open(void)
{
    struct learner *learner = allocate(NULL, 1, sizeof(*learner));
    *learner = (struct learner){0};
    struct traffic_sink sink = {learner, sink_alloc, sink_free, sink_stopped};
    learner->sources = allocate(NULL, BLOCKS_MAX, sizeof(*learner->sources));
    learner->traffic = traffic_open(BLOCKS_MAX, &sink);
    return learner;
}

void learner_close(struct learner *learner)
{
    traffic_close(learner->traffic);
    free(learner->sources);
    free(learner->grams);
    free(learner);
}

void learner_feed(struct learner *learner, const struct trace_event *event)
{
    learner->event = event;
    learner->told = false;
    traffic_feed(learner->traffic, event, 1);
    if (event->is_free && !learner->told) {
        struct idiom_step step = {.action = IDIOM_FREE_ANY, .order = (uint8_t)event->order};
        struct stream *stream = &learner->streams[event->cpu % CPUS];
        step_go(learner, stream, step);
        stream->freed = 0;
    }
}

static int by_steps(const void *a, const void *b)
{
    const struct idiom *one = a;
    const struct idiom *other = b;
    if (one->steps_count != other->steps_count) {
        return one->steps_count < other->steps_count ? -1 : 1;
    }
    return memcmp(one->steps, other->steps, sizeof(one->steps));
}

static int by_frequency(const void *a, const void *b)
{
    const struct idiom *one = a;
    const struct idiom *other = b;
    if (one->steps_count == other->steps_count && one->seen != other->seen) {
        return one->seen > other->seen ? -1 : 1;
    }
    return by_steps(a, b);
}

/* Sorts, and counts those that are the same. */
static void grams_count(struct learner *learner)
{
    size_t kept = 0;
    if (learner->grams_count == 0) {
        return;
    }
    qsort(learner->grams, learner->grams_count, sizeof(*learner->grams), by_steps);
    for (size_t i = 1; i < learner->grams_count; i++) {
        if (by_steps(&learner->grams[kept], &learner->grams[i]) == 0) {
            learner->grams[kept].seen++;
        } else {
            learner->grams[++kept] = learner->grams[i];
        }
    }
    learner->grams_count = kept + 1;
    qsort(learner->grams, learner->grams_count, sizeof(*learner->grams), by_frequency);
}

/* Whether @gram allocates blocks of @order. */
static bool gram_allocates(const struct idiom *gram, order_t order)
{
    for (uint32_t i = 0; i < gram->steps_count; i++) {
        if (gram->steps[i].action == IDIOM_ALLOC && gram->steps[i].order == order) {
            return true;
        }
    }
    return false;
}

/* Whether @gram is the most frequent one of its length for one of its orders: rare orders are worth
 * as much as usual ones. */
static bool gram_is_first(const struct learner *learner, const struct idiom *gram)
{
    for (order_t order = 0; order < ORDERS; order++) {
        const struct idiom *first = learner->grams;
        while (first->steps_count != gram->steps_count || !gram_allocates(first, order)) {
            if (++first == learner->grams + learner->grams_count) {
                break;
            }
        }
        if (first == gram) {
            return true;
        }
    }
    return false;
}

uint32_t learner_idioms(struct learner *learner, struct idiom *found)
{
    uint32_t count = 0;
    uint32_t of_length[IDIOM_STEPS_MAX + 1] = {0};
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        step_end(learner, &learner->streams[cpu]);
    }
    grams_count(learner);
    for (size_t i = 0; i < learner->grams_count && count < IDIOMS_MAX; i++) {
        const struct idiom *gram = &learner->grams[i];
        uint32_t *same = &of_length[gram->steps_count];
        bool frequent = *same < PER_LENGTH && gram->seen >= SEEN_MIN;
        if (frequent || gram_is_first(learner, gram)) {
            found[count++] = *gram;
            *same += 1;
        }
    }
    return count;
}
