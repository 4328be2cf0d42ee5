/* SPDX-License-Identifier: MIT
 *
 * sweep_files.h: the cases that a command line names.
 */
#ifndef POTAD_FUZZERS_SWEEP_SWEEP_FILES_H
#define POTAD_FUZZERS_SWEEP_SWEEP_FILES_H

#include <stdbool.h>
#include <stdint.h>

struct sweep_files {
    char **paths; /* in the order of the command line, and by name within a folder */
    uint32_t count;
};

/* Appends the files of @paths, which NULL ends; of folders, all *.ops in them and in folders in
 * them. Aborts where there is no memory. Return: false with one line on stderr that names the path
 * and the reason. */
bool sweep_files_find(struct sweep_files *files, char **paths) __attribute__((warn_unused_result));
void sweep_files_free(struct sweep_files *files);

#endif
