/* SPDX-License-Identifier: MIT */
#include "fuzzers/shrink/triage.h"

#include "fuzzers/input.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "potad: no memory for failing inputs\n");
        abort();
    }
    return memory;
}

bool triage_is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The fuzz target that an input at TARGET/failures/NAME is for, or NULL. */
static const struct case_limits *limits_of_path(const char *path)
{
    char real[PATH_MAX];
    return realpath(path, real) == NULL ? NULL : case_limits_find(basename(dirname(dirname(real))));
}

static struct triage_group *group_of(struct triage *triage, const struct signature *signature)
{
    for (uint32_t i = 0; i < triage->groups_count; i++) {
        if (signature_equal(&triage->groups[i].result.trial.signature, signature)) {
            return &triage->groups[i];
        }
    }
    triage->groups =
        must(reallocarray(triage->groups, triage->groups_count + 1, sizeof(*triage->groups)));
    struct triage_group *group = &triage->groups[triage->groups_count++];
    *group = (struct triage_group){0};
    program_init(&group->program);
    return group;
}

/* Takes @program, of @path, which has failed in @trial, into its group. */
static void group_add(struct triage *triage, const char *path, struct program *program,
                      const struct trial *trial)
{
    struct triage_group *group = group_of(triage, &trial->signature);
    if (group->files_count == 0 || program->ops_count < group->program.ops_count) {
        struct program before = group->program;
        group->program = *program;
        *program = before;
        group->result.trial = *trial;
        group->smallest = group->files_count;
    }
    group->files = must(reallocarray(group->files, group->files_count + 1, sizeof(*group->files)));
    group->files[group->files_count++] = must(strdup(path));
}

static void add_file(struct triage *triage, const char *path)
{
    const struct shrink_common *common = &triage->common;
    const struct shrink_plan plan = shrink_common_plan(common, "triage");
    struct program program;
    struct trials trials;
    struct trial trial;
    if (*plan.stop != 0) {
        triage->left++;
        return;
    }
    program_init(&program);
    if (input_read_case(path, common->limits != NULL ? common->limits : limits_of_path(path),
                        &program)) {
        trials_open(&trials, common->subject, &program);
        trials.validate_period = common->validate_period;
        trials.seconds = common->trial_seconds;
        trial_run_first(&trials, &program, &trial);
        trials_close(&trials);
        triage->inputs += trial.end == TRIAL_NOT_RUN ? 0 : 1;
        triage->no_room += trial.end == TRIAL_NOT_RUN ? 1 : 0;
        if (trial.end == TRIAL_FAILED) {
            triage->failing++;
            group_add(triage, path, &program, &trial);
        }
    } else {
        triage->unreadable = true;
    }
    program_free(&program);
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool ends_in(const char *path, const char *end)
{
    size_t length = strlen(path);
    size_t behind = strlen(end);
    return length >= behind && strcmp(path + length - behind, end) == 0;
}

/* Whether @path is what commands of this project leave beside inputs. */
static bool is_report(const char *path)
{
    static const char *const ends[] = {".c",     ".html", ".json", ".md",        ".replay.ops",
                                       ".sarif", ".svg",  "/log",  "/replay-log"};
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (ends_in(path, ends[i])) {
            return true;
        }
    }
    return false;
}

/* Whether @path is a case; what cannot be read may be one. */
static bool is_case(const char *path)
{
    uint8_t start[8];
    FILE *file = ends_in(path, ".ops") ? NULL : fopen(path, "rb");
    if (file == NULL) {
        return true;
    }
    size_t size = fread(start, 1, sizeof(start), file);
    fclose(file);
    return case_has_magic(start, size);
}

/* Whether @path, in a folder, is an input; all but reports are, of @failures. */
static bool is_input(const struct triage *triage, const char *path, bool failures)
{
    struct stat status;
    if ((stat(path, &status) == 0 && !S_ISREG(status.st_mode)) || is_report(path)) {
        return false;
    }
    return failures || triage->common.limits != NULL || limits_of_path(path) != NULL ||
           is_case(path);
}

static bool is_failures(const char *folder)
{
    char real[PATH_MAX];
    return realpath(folder, real) != NULL && strcmp(basename(real), "failures") == 0;
}

/* Return: how many inputs there were, with one that stands for a folder that cannot be read. */
static uint32_t add_folder(struct triage *triage, const char *path, bool top)
{
    struct dirent **entries;
    bool failures = !top || is_failures(path);
    uint32_t added = 0;
    int count = scandir(path, &entries, not_hidden, alphasort);
    if (count < 0) {
        fprintf(stderr, "potad: %s: %s\n", path, strerror(errno));
        triage->unreadable = true;
        return 1;
    }
    for (int i = 0; i < count; i++) {
        char inner[PATH_MAX];
        char below[PATH_MAX + sizeof("/failures")];
        snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name);
        snprintf(below, sizeof(below), "%s/failures", inner);
        if (is_input(triage, inner, failures)) {
            add_file(triage, inner);
            added++;
        } else if (top && strcmp(entries[i]->d_name, "failures") == 0 && triage_is_folder(inner)) {
            added += add_folder(triage, inner, false);
        } else if (top && triage_is_folder(below)) {
            added += add_folder(triage, below, false);
        }
        free(entries[i]);
    }
    free(entries);
    return added;
}

void triage_add(struct triage *triage, const char *path)
{
    if (!triage_is_folder(path)) {
        add_file(triage, path);
    } else if (add_folder(triage, path, true) == 0) {
        fprintf(stderr, "potad: %s: no inputs: neither cases (*.ops, or binary) nor failures/*\n",
                path);
        triage->unreadable = true;
    }
}

/* Whether the case @path says that it shows @signature. */
static bool case_says(const char *path, const char *signature)
{
    static const char mark[] = "# signature: ";
    FILE *file = fopen(path, "r");
    char line[SIGNATURE_MAX + sizeof(mark) + 2];
    bool says = false;
    while (file != NULL && !says && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        says =
            strncmp(line, mark, strlen(mark)) == 0 && strcmp(line + strlen(mark), signature) == 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return says;
}

/* Puts @path behind the others of @known, which may be NULL. Return: all. */
static char *known_add(char *known, const char *path)
{
    char *all = NULL;
    if (asprintf(&all, "%s%s%s", known == NULL ? "" : known, known == NULL ? "" : ", ", path) < 0) {
        all = NULL;
    }
    free(known);
    return must(all);
}

/* Return: the cases of @folder that show @signature, with ", " between; NULL: there is none. */
static char *known_find(const char *folder, const char *signature)
{
    struct dirent **entries;
    char *known = NULL;
    int count = folder == NULL ? 0 : scandir(folder, &entries, not_hidden, alphasort);
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        if (case_says(path, signature)) {
            known = known_add(known, path);
        }
        free(entries[i]);
    }
    if (count > 0) {
        free(entries);
    }
    return known;
}

/* FNV-1a. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
    }
    return hash;
}

/* Saves the shrunken case as FOLDER/NAME-HASH.ops. Return: whether it could. */
static bool save(const struct triage *triage, struct triage_group *group)
{
    char path[PATH_MAX];
    const char *name = group->result.trial.signature.name;
    int length =
        (int)strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    snprintf(path, sizeof(path), "%s/%.*s-%08x.ops", triage->out, length, name,
             (unsigned)(group->hash & UINT32_MAX));
    FILE *file = fopen(path, "w");
    if (file != NULL) {
        shrink_print_case(file, &triage->common, &group->result.trial.signature, &group->program);
    }
    bool written = file != NULL && !ferror(file);
    written = file != NULL && fclose(file) == 0 && written;
    if (!written) {
        fprintf(stderr, "potad-case triage: %s: %s\n", path, strerror(errno));
    }
    group->saved = written ? must(strdup(path)) : NULL;
    return written;
}

bool triage_settle(struct triage *triage)
{
    bool saved = true;
    for (uint32_t i = 0; i < triage->groups_count; i++) {
        struct triage_group *group = &triage->groups[i];
        struct signature signature = group->result.trial.signature;
        const struct shrink_plan plan = shrink_common_plan(&triage->common, signature.name);
        struct trial first = group->result.trial;
        if (!shrink_failure(&plan, &group->program, &group->result)) {
            group->result.trial = first; /* it fails at times only: it is told as it was */
        }
        group->hash = hash_text(signature.text);
        group->known = known_find(triage->known, signature.text);
        symbols_source(first.signature.address, group->file, &group->line);
        saved = (triage->out == NULL || save(triage, group)) && saved;
    }
    return saved;
}

void triage_free(struct triage *triage)
{
    for (uint32_t i = 0; i < triage->groups_count; i++) {
        struct triage_group *group = &triage->groups[i];
        for (uint32_t k = 0; k < group->files_count; k++) {
            free(group->files[k]);
        }
        free(group->files);
        free(group->known);
        free(group->saved);
        program_free(&group->program);
    }
    free(triage->groups);
    triage->groups = NULL;
    triage->groups_count = 0;
}
