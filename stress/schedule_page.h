/* SPDX-License-Identifier: MIT
 *
 * schedule_page.h: what threads did, as a page with a lane for each (fuzzers/show).
 */
#ifndef POTAD_STRESS_SCHEDULE_PAGE_H
#define POTAD_STRESS_SCHEDULE_PAGE_H

#include "stress/explore/attempt.h"
#include "stress/explore/failure.h"

/* Writes what @attempt, of the case of @failure, logged, to @path. @file: the name of the case.
 * Return: false where it could not be written; errno says why. */
bool schedule_page_write(const char *path, const char *file, const struct failure *failure,
                         const struct attempt *attempt) __attribute__((warn_unused_result));

#endif
