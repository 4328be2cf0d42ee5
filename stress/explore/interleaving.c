/* SPDX-License-Identifier: MIT */
#include "stress/explore/interleaving.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 118, CELL_MAX = 200 };

static bool writes(const struct explored_step *step)
{
    return step->place->kind != SYNC_LOAD;
}

/* Whether @step and @other, of two threads, may not change places. */
static bool conflict(const struct explored_step *step, const struct explored_step *other)
{
    return step->address == other->address && step->thread != other->thread &&
           (writes(step) || writes(other));
}

/* The step on the same word before, or after where @direction is 1; or NULL. */
static const struct explored_step *neighbour(const struct explore_log *log, uint32_t index,
                                             int direction)
{
    const struct explored_step *step = &log->steps[index];
    for (uint32_t i = index + (uint32_t)direction; i < log->count; i += (uint32_t)direction) {
        if (log->steps[i].address == step->address) {
            return &log->steps[i];
        }
    }
    return NULL;
}

static bool begins_op(const struct explored_step *step)
{
    return step->at.step == 0;
}

/* Where an operation begins or ends is a step of the harness's own. */
bool interleaving_is_turn(const struct explored_step *step)
{
    return strstr(step->place->what, "->turns") != NULL;
}

bool interleaving_matters(const struct explore_log *log, uint32_t index)
{
    const struct explored_step *step = &log->steps[index];
    if (interleaving_is_turn(step)) {
        return begins_op(step);
    }
    const struct explored_step *before = neighbour(log, index, -1);
    const struct explored_step *after = neighbour(log, index, 1);
    return (before != NULL && conflict(step, before)) || (after != NULL && conflict(step, after));
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

const char *interleaving_kind_name(const struct explored_step *step)
{
    static const char *const kinds[SYNC_KINDS] = {"load", "store", "update", "lock", "unlock"};
    return kinds[step->place->kind];
}

/* "update &zone->births: 7", and where. */
static void describe(const struct explored_step *step, const struct program *program, char *cell)
{
    if (interleaving_is_turn(step)) {
        FILE *out = fmemopen(cell, CELL_MAX, "w");
        if (out != NULL && begins_op(step) && step->at.op < program->ops_count) {
            struct case_op op = program->ops[step->at.op];
            op.thread = 0;
            fprintf(out, "%" PRIu32 ": ", step->at.op);
            case_print_op(out, &op);
        } else if (out != NULL) {
            fputs("(ended)", out);
        }
        if (out != NULL) {
            fclose(out);
        }
        return;
    }
    const char *what = step->place->what;
    bool valued = step->place->kind <= SYNC_UPDATE;
    char value[32] = "";
    if (valued) {
        snprintf(value, sizeof(value), " = %#" PRIx64 "%s", step->value,
                 step->older > 0 ? " (older)" : "");
    }
    snprintf(cell, CELL_MAX, "  %s %s%s %s:%d", interleaving_kind_name(step),
             what + (what[0] == '&' ? 1 : 0), value, file_name(step->place->file),
             step->place->line);
}

static void print_head(FILE *out, unsigned threads, int width)
{
    for (unsigned i = 0; i < threads; i++) {
        fprintf(out, "%sthread %-*u", i == 0 ? "" : "| ", i + 1 < threads ? width - 7 : 1, i + 1);
    }
    fputc('\n', out);
}

static void print_cell(FILE *out, unsigned column, int width, const char *cell)
{
    for (unsigned i = 0; i < column; i++) {
        fprintf(out, "%-*s| ", width, "");
    }
    fprintf(out, "%s\n", cell);
}

void interleaving_print(FILE *out, const struct explore_log *log, const struct program *program,
                        unsigned threads, bool all)
{
    int width = WIDTH / (int)threads - 2;
    unsigned last = threads;
    uint32_t passed = 0;
    print_head(out, threads, width);
    for (uint32_t i = 0; i < log->count; i++) {
        const struct explored_step *step = &log->steps[i];
        char cell[CELL_MAX] = "";
        if (!all && !interleaving_matters(log, i)) {
            passed++;
            continue;
        }
        if (passed > 0 && step->thread == last) {
            print_cell(out, last, width, "  ...");
        }
        passed = 0;
        last = step->thread;
        describe(step, program, cell);
        print_cell(out, step->thread, width, cell);
    }
}
