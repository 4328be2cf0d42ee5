/* SPDX-License-Identifier: MIT
 *
 * failure.h: what was found, as one file: a case in text, as fuzzers/case.h has it, under comments
 * that say what was found, by which build, and the schedule. So every command that reads cases
 * reads it, too.
 *
 *   # potad-stress 1
 *   # found: overlap: frame 0x2a is made held: it was held, not free
 *   # build: 8f3c...
 *   # subject: core
 *   # options: any-cpu
 *   # schedule: 1@3.14 2@5.2 1@end 2@end
 *   potad-case 2
 *   ...
 */
#ifndef POTAD_STRESS_EXPLORE_FAILURE_H
#define POTAD_STRESS_EXPLORE_FAILURE_H

#include "stress/explore/stage.h"

enum { FAILURE_ERROR_MAX = 200, FAILURE_BUILD_MAX = 64, FAILURE_SUBJECT_MAX = 32 };

struct failure {
    struct program program;
    struct schedule schedule;
    bool scheduled; /* the file says a schedule */
    struct stage_options options;
    char found[EXPLORE_NAME_MAX]; /* empty: the file does not say */
    char text[EXPLORE_TEXT_MAX];
    char build[FAILURE_BUILD_MAX];
    char subject[FAILURE_SUBJECT_MAX];
};

/* Which build this program is: its linker's build id, or "unknown". */
void build_id(char *text, size_t bytes);

/* Prints @failure as a file has it. */
void failure_print(FILE *out, const struct failure *failure);

/* Writes @failure. Return: false where the file could not be written; errno says why. */
bool failure_save(const struct failure *failure, const char *path)
    __attribute__((warn_unused_result));

/* Reads one, or a case without a schedule. Return: false with @error, of FAILURE_ERROR_MAX bytes.
 */
bool failure_load(struct failure *failure, const char *path, char *error)
    __attribute__((warn_unused_result));

#endif
