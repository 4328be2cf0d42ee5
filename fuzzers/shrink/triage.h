/* SPDX-License-Identifier: MIT
 *
 * triage.h: failing inputs in groups, one for each signature, with one of each group shrunk.
 *
 *   files ──> trials ──> groups by signature ──> the one of fewest operations, shrunk ──> reports
 */
#ifndef POTAD_FUZZERS_SHRINK_TRIAGE_H
#define POTAD_FUZZERS_SHRINK_TRIAGE_H

#include "fuzzers/shrink/shrink_command.h"
#include "fuzzers/shrink/symbols.h"

struct triage_group {
    struct shrink_result result; /* of shrinking; its trial has the signature */
    struct program program;      /* shrunk */
    char **files;                /* that fail like this, by name */
    uint32_t files_count;
    uint32_t smallest; /* of the files: it was shrunk */
    char *known;       /* the cases with the same signature, with ", " between; NULL: it is new */
    char *saved;       /* the shrunken case, or NULL */
    char file[SYMBOL_FILE_MAX]; /* where in the sources it was found; empty: nobody knows */
    unsigned line;
    uint64_t hash; /* of the signature */
};

struct triage {
    struct shrink_common common;
    const char *known; /* folder of cases of known bugs, or NULL */
    const char *out;   /* folder for the shrunken cases, or NULL */
    struct triage_group *groups;
    uint32_t groups_count;
    uint32_t inputs;  /* that were run */
    uint32_t failing; /* of these */
    uint32_t no_room; /* that were not, as their maps have no room for metadata */
    uint32_t left;    /* that were not, as it was stopped */
    bool unreadable;  /* one was not read, or a folder has none: that was said */
};

bool triage_is_folder(const char *path);

/* Runs the file @path, or those of the folder @path, of its failures, and of all its
 * TARGET/failures, and puts those that fail into groups. What is no case is taken as bytes for the
 * target of the options, else for TARGET of its path. Of a folder that is no failures, and where no
 * target is known, only cases are run: *.ops, and what is one in binary; of no folder, what
 * commands of this project leave beside inputs. */
void triage_add(struct triage *triage, const char *path);

/* Shrinks one of each group, looks whether it is known, and saves it. Return: false with one line
 * on stderr where it could not be saved. Context: triage->out is there. */
bool triage_settle(struct triage *triage) __attribute__((warn_unused_result));

void triage_free(struct triage *triage);

/* triage_report.c: all of it for people, as JSON, as Markdown, and as SARIF 2.1.0. Return of those
 * with a path: false with one line on stderr where it could not be written. */
void triage_print(const struct triage *triage);
bool triage_write_json(const struct triage *triage, const char *path)
    __attribute__((warn_unused_result));
bool triage_write_markdown(const struct triage *triage, const char *path)
    __attribute__((warn_unused_result));
bool triage_write_sarif(const struct triage *triage, const char *path)
    __attribute__((warn_unused_result));

#endif
