/* SPDX-License-Identifier: MIT
 *
 * utf8.h: text from elsewhere, as file names are, for what takes valid UTF-8 only, as JSON does.
 */
#ifndef POTAD_FUZZERS_UTF8_H
#define POTAD_FUZZERS_UTF8_H

/* Return: @text, with U+FFFD for each byte that is no part of valid UTF-8, to be freed by the
 * caller; NULL: there is no memory for it. */
char *utf8_valid(const char *text) __attribute__((warn_unused_result));

#endif
