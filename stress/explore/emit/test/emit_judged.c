/* SPDX-License-Identifier: MIT
 *
 * emit_judged.c: for emit_race_test.sh: writes the test of a case as if a judge had refused what
 * its threads were answered. So the test has to fail wherever it does the same.
 */
#include "stress/explore/emit/emit_race.h"

#include <stdlib.h>
#include <string.h>

static struct stage_listener inner;

static void begins(void *context, const struct stage *stage, uint32_t op)
{
    inner.begins(context, stage, op);
}

/* When the last operation has ended, all calls are known. */
static void ended(void *context, const struct stage *stage, uint32_t op)
{
    const struct race_record *record = context;
    bool all = true;
    inner.ended(context, stage, op);
    for (uint32_t i = 0; i < stage->program->ops_count; i++) {
        all = all && record->ops[i].ended;
    }
    if (all) {
        inner.judged(context, stage);
    }
}

static void judged(void *context, const struct stage *stage)
{
    inner.judged(context, stage);
}

static void execute(struct failure *failure, struct attempt *attempt, struct race_record *record)
{
    inner = race_record_listener(record);
    const struct stage_listener listener = {begins, ended, judged, record};
    failure->options.listener = &listener;
    attempt_replay(attempt, &failure->program, &failure->options, &failure->schedule, "", false);
    failure->options.listener = NULL;
}

int main(int count, char **arguments)
{
    char error[FAILURE_ERROR_MAX];
    struct failure *failure = calloc(1, sizeof(*failure));
    struct attempt *attempt = attempt_open();
    struct race_record *record = race_record_open();
    if (count != 2 || failure == NULL || attempt == NULL || record == NULL ||
        !failure_load(failure, arguments[1], error)) {
        fprintf(stderr, "usage: emit_judged FILE\n");
        return 2;
    }
    execute(failure, attempt, record);
    if (attempt->bad_program || attempt_found(attempt)) {
        fprintf(stderr, "emit_judged: %s: %s%s\n", arguments[1], attempt->error,
                attempt->finding.name);
        return 2;
    }
    snprintf(attempt->finding.name, sizeof(attempt->finding.name), "linearizability");
    emit_race_test(stdout, failure, attempt, record, arguments[1]);
    race_record_close(record);
    attempt_close(attempt);
    program_free(&failure->program);
    free(failure);
    return 0;
}
