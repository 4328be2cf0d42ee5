/* SPDX-License-Identifier: MIT */
#include "fuzzers/folder.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/stat.h>

static bool is_folder(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return false;
    }
    if (!S_ISDIR(status.st_mode)) {
        errno = ENOTDIR;
        return false;
    }
    return true;
}

bool folder_make(const char *path)
{
    char part[PATH_MAX];
    for (size_t i = 0; path[i] != '\0'; i++) {
        if (i + 1 == sizeof(part)) {
            errno = ENAMETOOLONG;
            return false;
        }
        part[i] = path[i];
        part[i + 1] = '\0';
        bool end = path[i + 1] == '/' || path[i + 1] == '\0';
        if (end && mkdir(part, 0777) != 0 && errno != EEXIST) {
            return false;
        }
    }
    return is_folder(path);
}
