/* SPDX-License-Identifier: MIT */
#include "stress/command_emit_c.h"

#include "stress/explore/emit/emit_race.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Says on stderr why there is no test of @path. */
static enum result refuse(const char *path, const char *reason, enum result result)
{
    fprintf(stderr, "potad-stress: %s: %s\n", path, reason);
    return result;
}

static enum result write_test(const struct options *options, const struct failure *failure,
                              const struct attempt *attempt, const struct race_record *record)
{
    const char *file = options->files[0];
    const char *slash = strrchr(file, '/');
    const char *path = options->output != NULL ? options->output : "standard output";
    FILE *out = options->output == NULL ? stdout : fopen(options->output, "w");
    if (out == NULL) {
        return refuse(path, strerror(errno), RESULT_BAD_USAGE);
    }
    emit_race_test(out, failure, attempt, record, slash == NULL ? file : slash + 1);
    bool written = fflush(out) == 0 && ferror(out) == 0;
    if (options->output != NULL) {
        written = fclose(out) == 0 && written;
    }
    return written ? RESULT_NOTHING_FOUND : refuse(path, strerror(errno), RESULT_BAD_USAGE);
}

static enum result emit(const struct options *options, const struct failure *failure,
                        struct attempt *attempt, struct race_record *record)
{
    char reason[FAILURE_ERROR_MAX];
    const char *file = options->files[0];
    const char *refusal = emit_race_refuses(failure);
    if (refusal != NULL) {
        return refuse(file, refusal, RESULT_BAD_USAGE);
    }
    emit_race_execute(failure, attempt, record);
    if (attempt->bad_program) {
        return refuse(file, attempt->error, RESULT_BAD_USAGE);
    }
    if (failure->found[0] != '\0' && strcmp(failure->found, attempt->finding.name) != 0) {
        snprintf(reason, sizeof(reason), "%s was found, and is not here: %s", failure->found,
                 attempt_found(attempt) ? attempt->finding.name : "nothing is violated");
        return refuse(file, reason, RESULT_INCONCLUSIVE);
    }
    return write_test(options, failure, attempt, record);
}

enum result command_emit_c(const struct options *options)
{
    char error[FAILURE_ERROR_MAX];
    struct failure *failure = calloc(1, sizeof(*failure));
    struct attempt *attempt = attempt_open();
    struct race_record *record = race_record_open();
    enum result result = RESULT_BAD_USAGE;
    if (failure == NULL || attempt == NULL || record == NULL) {
        fprintf(stderr, "potad-stress: no memory\n");
    } else if (!failure_load(failure, options->files[0], error)) {
        fprintf(stderr, "potad-stress: %s: %s\n", options->files[0], error);
    } else {
        result = emit(options, failure, attempt, record);
        program_free(&failure->program);
    }
    if (record != NULL) {
        race_record_close(record);
    }
    if (attempt != NULL) {
        attempt_close(attempt);
    }
    free(failure);
    return result;
}
