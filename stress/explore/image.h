/* SPDX-License-Identifier: MIT
 *
 * image.h: memory beside a copy of how it was: what differs, in lines of 64 bytes, most of which
 * never do. None of it is seen by sanitizers: whoever calls orders it, and frames that nobody may
 * touch are looked at, too.
 *
 *   kept  | line | line | line | line |
 *   now   | line | LINE | line | LINE |      image_restore() writes two lines, image_hash() is of
 *                                            these two and where they are
 */
#ifndef POTAD_STRESS_EXPLORE_IMAGE_H
#define POTAD_STRESS_EXPLORE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

enum { IMAGE_LINE_BYTES = 64 };

/* In all functions, @bytes is a multiple of IMAGE_LINE_BYTES. */

/* Copies @from to @to. */
void image_copy(void *to, const void *from, size_t bytes);

/* Makes @now what @kept is. */
void image_restore(void *now, const void *kept, size_t bytes);

/* Return: @hash, and what is different in @now, and where. */
uint64_t image_hash(uint64_t hash, const void *now, const void *kept, size_t bytes);

#endif
