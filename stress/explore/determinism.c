/* SPDX-License-Identifier: MIT */
#include "stress/explore/determinism.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_TEXT = 150 };

/* Values from here on may be addresses, which are not the same in another process. */
#define VALUE_MAX ((uint64_t)1 << 16)

static uint64_t value_of(const struct explored_step *step)
{
    return step->value < VALUE_MAX ? step->value : VALUE_MAX;
}

static bool is_same(const struct explored_step *a, const struct explored_step *b)
{
    return a->thread == b->thread && a->at.op == b->at.op && a->at.step == b->at.step &&
           a->place == b->place && a->older == b->older && value_of(a) == value_of(b);
}

/* "thread 2, operation 3, step 14: &zone->births = 0x7, in zone_of() at lookup.c:31" */
static void describe(const struct explore_log *log, uint32_t index, char *text)
{
    if (index == log->count) {
        snprintf(text, STEP_TEXT, "no step any more");
        return;
    }
    const struct explored_step *step = &log->steps[index];
    const char *slash = strrchr(step->place->file, '/');
    char value[32] = "";
    if (step->place->kind <= SYNC_UPDATE) {
        snprintf(value, sizeof(value), " = %#" PRIx64, step->value);
    }
    snprintf(text, STEP_TEXT,
             "thread %u, operation %" PRIu32 ", step %" PRIu32 ": %.40s%s, in %.32s() at %.24s:%d",
             step->thread + 1U, step->at.op, step->at.step, step->place->what, value,
             step->place->function, slash == NULL ? step->place->file : slash + 1,
             step->place->line);
}

bool determinism_differ(const struct explore_log *first, const struct explore_log *again,
                        char *text)
{
    char was[STEP_TEXT];
    char is[STEP_TEXT];
    uint32_t index = 0;
    while (index < first->count && index < again->count &&
           is_same(&first->steps[index], &again->steps[index])) {
        index++;
    }
    if (index == first->count && index == again->count) {
        return false;
    }
    describe(first, index, was);
    describe(again, index, is);
    snprintf(text, EXPLORE_TEXT_MAX,
             "something else than the schedule decides what step %" PRIu32 " is: %s; then %s",
             index + 1, was, is);
    return true;
}

/* Says what the two executions, the second of which ended with @ended, have not in common. */
static void say_difference(const struct explore_log *first, const struct explore_log *again,
                           const struct explore_finding *ended, struct explore_finding *finding)
{
    snprintf(finding->name, EXPLORE_NAME_MAX, "%s", DETERMINISM_NAME);
    if (!determinism_differ(first, again, finding->text)) {
        snprintf(finding->text, EXPLORE_TEXT_MAX,
                 "the same steps, and another end: nothing was found; then %s: %.200s",
                 ended->name[0] != '\0' ? ended->name : "nothing, but choices were others",
                 ended->text);
    }
}

bool determinism_check(struct stage *stage, const struct explore_log *first,
                       struct explore_finding *finding)
{
    struct explorer *explorer = stage->explorer;
    struct explore_log *log = explorer->log;
    struct explore_finding ended = {.name = ""};
    uint64_t hash = explorer->hash;
    struct schedule *schedule = malloc(sizeof(*schedule));
    struct explore_log again = {.capacity = first->capacity};
    again.steps = calloc(again.capacity, sizeof(*again.steps));
    if (schedule == NULL || again.steps == NULL) {
        abort();
    }
    schedule_copy(schedule, explorer->schedule);
    struct strategy *strategy = strategy_replay(schedule);
    explorer->log = &again;
    bool same = stage_execute(stage, strategy, &ended) && explorer->hash == hash;
    explorer->log = log;
    strategy_close(strategy);
    schedule_copy(explorer->schedule, schedule);
    if (!same) {
        say_difference(first, &again, &ended, finding);
    }
    free(schedule);
    free(again.steps);
    return same;
}
