/* SPDX-License-Identifier: MIT */
#include "fuzzers/input.h"

#include "fuzzers/memory_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool read_failed(const char *path, const char *reason)
{
    fprintf(stderr, "potad: %s: %s\n", path, reason);
    return false;
}

static bool read_stream(FILE *file, struct input *input)
{
    size_t room = 0;
    size_t got = 1;
    while (got > 0) {
        if (input->size == room) {
            room = room == 0 ? 4096 : room * 2;
            uint8_t *grown = realloc(input->data, room);
            if (grown == NULL) {
                return false;
            }
            input->data = grown;
        }
        got = fread(input->data + input->size, 1, room - input->size, file);
        input->size += got;
    }
    return !ferror(file);
}

bool input_read(const char *path, struct input *input)
{
    struct stat status;
    bool standard = strcmp(path, "-") == 0;
    *input = (struct input){0};
    FILE *file = standard ? stdin : fopen(path, "rb");
    if (file == NULL) {
        return read_failed(path, strerror(errno));
    }
    bool directory = fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode);
    errno = directory ? EISDIR : 0;
    bool read = !directory && read_stream(file, input);
    int error = errno;
    if (!standard) {
        fclose(file);
    }
    if (!read) {
        input_free(input);
        return read_failed(path, strerror(error));
    }
    return true;
}

void input_free(struct input *input)
{
    free(input->data);
    *input = (struct input){0};
}

bool input_is_text(const struct input *input)
{
    /* Text has no zero bytes; every binary case has some, if only in its header. */
    return input->size > 0 && memchr(input->data, 0, input->size) == NULL &&
           memmem(input->data, input->size, "potad-case", 10) != NULL;
}

bool input_read_case(const char *path, const struct case_limits *limits, struct program *program)
{
    struct input input;
    struct case_error error;
    if (!input_read(path, &input)) {
        return false;
    }
    bool read = false;
    if (input_is_text(&input)) {
        read = case_parse(program, (const char *)input.data, input.size, &error);
    } else {
        read = case_decode(program, input.data, input.size, &error);
    }
    if (!read && limits != NULL && !input_is_text(&input)) {
        case_decode_any(program, input.data, input.size, limits);
        read = true;
    }
    input_free(&input);
    return read || read_failed(path, error.text);
}

bool input_read_map(const char *path, struct boot_map *map)
{
    struct input input;
    struct case_error error;
    struct program program;
    if (!input_read(path, &input)) {
        return false;
    }
    program_init(&program);
    bool read = false;
    if (input_is_text(&input)) {
        read = case_parse(&program, (const char *)input.data, input.size, &error);
    } else if (case_has_magic(input.data, input.size)) {
        read = case_decode(&program, input.data, input.size, &error);
    } else {
        read = memory_map_parse(&program.map, (const char *)input.data, input.size, &error);
    }
    *map = program.map;
    program_free(&program);
    input_free(&input);
    return read || read_failed(path, error.text);
}
