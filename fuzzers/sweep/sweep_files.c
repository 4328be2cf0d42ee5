/* SPDX-License-Identifier: MIT */
#include "fuzzers/sweep/sweep_files.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct sweep_files *files, const char *path)
{
    char **grown = reallocarray(files->paths, files->count + 1U, sizeof(*grown));
    char *copy = strdup(path);
    if (grown == NULL || copy == NULL) {
        fprintf(stderr, "potad: no memory for %u names of files\n", files->count + 1);
        abort();
    }
    grown[files->count++] = copy;
    files->paths = grown;
}

static bool is_case(const char *name)
{
    size_t length = strlen(name);
    return length > 4 && strcmp(name + length - 4, ".ops") == 0;
}

static int by_name(const FTSENT **one, const FTSENT **other)
{
    return strcmp((*one)->fts_name, (*other)->fts_name);
}

/* A file that is named itself is taken whatever it is called. */
static bool find_one(struct sweep_files *files, char *path)
{
    char *roots[] = {path, NULL};
    uint32_t before = files->count;
    int error = 0;
    if (strcmp(path, "-") == 0) {
        add(files, path);
        return true;
    }
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    FTSENT *entry;
    while (tree != NULL && (entry = fts_read(tree)) != NULL) {
        bool file = entry->fts_info == FTS_F || entry->fts_info == FTS_DEFAULT;
        if (file && (entry->fts_level == FTS_ROOTLEVEL || is_case(entry->fts_name))) {
            add(files, entry->fts_path);
        } else if (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR ||
                   entry->fts_info == FTS_ERR) {
            error = entry->fts_errno;
        }
    }
    if (tree != NULL) {
        fts_close(tree);
    }
    if (error != 0 || files->count == before) {
        fprintf(stderr, "potad: %s: %s\n", path,
                error != 0 ? strerror(error) : "no case (*.ops) in this folder");
        return false;
    }
    return true;
}

bool sweep_files_find(struct sweep_files *files, char **paths)
{
    for (; *paths != NULL; paths++) {
        if (!find_one(files, *paths)) {
            return false;
        }
    }
    return true;
}

void sweep_files_free(struct sweep_files *files)
{
    for (uint32_t i = 0; i < files->count; i++) {
        free(files->paths[i]);
    }
    free((void *)files->paths);
    *files = (struct sweep_files){.count = 0};
}
