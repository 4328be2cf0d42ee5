/* SPDX-License-Identifier: MIT
 *
 * input.h: files as the tools read them: a case as text or binary, a memory map, or any bytes.
 */
#ifndef POTAD_FUZZERS_INPUT_H
#define POTAD_FUZZERS_INPUT_H

#include "fuzzers/case.h"

struct input {
    uint8_t *data;
    size_t size;
};

/* Reads the whole of @path ("-": standard input). Return: false with one line on stderr that names
 * the file and the reason. */
bool input_read(const char *path, struct input *input) __attribute__((warn_unused_result));
void input_free(struct input *input);

/* Whether the bytes are a case as text. */
bool input_is_text(const struct input *input);

/* Reads the case @path, text or binary; with @limits not NULL, a file that is neither stands for
 * the program that a fuzz target with these limits makes of it. Return: as input_read(). */
bool input_read_case(const char *path, const struct case_limits *limits, struct program *program)
    __attribute__((warn_unused_result));

/* Reads the memory map of @path: of a case, text or binary, or as memory_map.h says. Return: as
 * input_read(). */
bool input_read_map(const char *path, struct boot_map *map) __attribute__((warn_unused_result));

#endif
