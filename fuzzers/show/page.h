/* SPDX-License-Identifier: MIT
 *
 * page.h: one HTML page that needs nothing else: data, style and script are in it.
 */
#ifndef POTAD_FUZZERS_SHOW_PAGE_H
#define POTAD_FUZZERS_SHOW_PAGE_H

#include <jansson.h>
#include <stdbool.h>

/* What is shown. Each has a script of its own. */
enum page_kind { PAGE_CASE, PAGE_TRACE, PAGE_SCHEDULE };

/* Writes a page of @kind over @data to @path ("-": standard output). Return: false where it could
 * not be written; errno says why. */
bool page_write(const char *path, enum page_kind kind, const char *title, const json_t *data)
    __attribute__((warn_unused_result));

/* All looks, for pages that draw memory. */
json_t *page_looks(void);

#endif
