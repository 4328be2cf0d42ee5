/* SPDX-License-Identifier: MIT
 *
 * folder.h: folders that commands write into.
 */
#ifndef POTAD_FUZZERS_FOLDER_H
#define POTAD_FUZZERS_FOLDER_H

#include <stdbool.h>

/* Makes folder @path, and those that it is in; those that are there stay. Return: whether @path is
 * a folder now; if not, errno says why. */
bool folder_make(const char *path) __attribute__((warn_unused_result));

#endif
