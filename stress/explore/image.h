/* SPDX-License-Identifier: MIT
 *
 * image.h: memory beside a copy of how it was: what differs, in lines of 64 bytes, most of which
 * never do. None of it is seen by sanitizers: whoever calls orders it, and frames that nobody may
 * touch are looked at, too.
 *
 *   kept  | line | line | line | line |
 *   now   | line | LINE | line | LINE |      image_restore() writes two lines; image_hash() is of
 *                                            these two and where they are, and notes them
 */
#ifndef POTAD_STRESS_EXPLORE_IMAGE_H
#define POTAD_STRESS_EXPLORE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IMAGE_LINE_BYTES = 64, IMAGE_LINES_MAX = 4096 };

/* Lines that differ. */
struct image_lines {
    uint32_t count;
    bool overflow; /* there are more */
    struct {
        void *now;
        const void *kept;
    } lines[IMAGE_LINES_MAX];
};

/* In all functions, @bytes is a multiple of IMAGE_LINE_BYTES. */

/* Copies @from to @to. */
void image_copy(void *to, const void *from, size_t bytes);

/* Makes @now what @kept is. */
void image_restore(void *now, const void *kept, size_t bytes);

/* Makes the noted lines what they were. Context: no others differ. */
void image_restore_lines(const struct image_lines *lines);

/* Return: @hash, and what is different in @now, and where; which lines that are is added to @lines,
 * if that is not NULL. */
uint64_t image_hash(uint64_t hash, void *now, const void *kept, size_t bytes,
                    struct image_lines *lines);

#endif
