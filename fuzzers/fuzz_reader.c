/* SPDX-License-Identifier: MIT */
#include "fuzzers/fuzz_reader.h"

#include "fuzzers/fuzz_target.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static uint64_t executions;
static uint64_t operations;
static uint64_t hash; /* of what was read of the present input: FNV-1a */

static void print_stats(void)
{
    fprintf(stderr, "potad-stats: execs=%" PRIu64 " ops=%" PRIu64 "\n", executions, operations);
}

void fuzz_reader_begin(void)
{
    if (executions == 0) {
        atexit(print_stats);
    }
    executions++;
    hash = 0xcbf29ce484222325U;
}

void fuzz_reader_add(uint32_t count, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    operations += count;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001b3U;
    }
}

void fuzz_reader_fail(enum reader_check check, const char *format, ...)
{
    static const struct {
        const char *name;
        const char *sentence;
    } checks[READER_CHECKS] = {
#define X(id, name, sentence) [id] = {name, sentence},
        READER_CHECK_TABLE(X)
#undef X
    };
    va_list arguments;
    fprintf(stderr, "potad: violated: %s: %s\npotad:   ", checks[check].name,
            checks[check].sentence);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

void fuzz_reader_check_reason(const char *reason)
{
    for (const char *at = reason; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~') {
            fuzz_reader_fail(READER_REASON, "byte %#x in '%s'", (unsigned char)*at, reason);
        }
    }
    if (*reason == '\0') {
        fuzz_reader_fail(READER_REASON, "there is none");
    }
}

struct bytes {
    uint8_t *data;
    size_t size;
};

static struct bytes encode(const struct program *program)
{
    struct bytes bytes = {.size = case_encoded_bytes(program)};
    bytes.data = malloc(bytes.size);
    if (bytes.data == NULL) {
        abort();
    }
    case_encode(program, bytes.data);
    return bytes;
}

/* Whether @program is, in binary, @bytes; where it differs goes to *@at. */
static bool encodes_as(const struct program *program, const struct bytes *bytes, size_t *at)
{
    struct bytes own = encode(program);
    size_t both = own.size < bytes->size ? own.size : bytes->size;
    for (*at = 0; *at < both && own.data[*at] == bytes->data[*at];) {
        (*at)++;
    }
    bool same = own.size == bytes->size && *at == own.size;
    free(own.data);
    return same;
}

static void check_binary(const struct bytes *bytes)
{
    static struct program again;
    struct case_error error;
    size_t at;
    if (!case_decode(&again, bytes->data, bytes->size, &error)) {
        fuzz_reader_fail(READER_ROUND_TRIP, "in binary it is refused: %s", error.text);
    }
    if (!encodes_as(&again, bytes, &at)) {
        fuzz_reader_fail(READER_ROUND_TRIP, "in binary it differs from byte %zu on", at);
    }
}

static void check_text(const struct program *program, const struct bytes *bytes)
{
    static struct program again;
    struct case_error error;
    char *text = NULL;
    size_t size = 0;
    size_t at;
    FILE *file = open_memstream(&text, &size);
    if (file == NULL) {
        abort();
    }
    case_print(file, program);
    if (fclose(file) != 0) {
        abort();
    }
    if (!case_parse(&again, text, size, &error)) {
        fuzz_reader_fail(READER_ROUND_TRIP, "as text it is refused: %s, in\n%s", error.text, text);
    }
    if (!encodes_as(&again, bytes, &at)) {
        fuzz_reader_fail(READER_ROUND_TRIP, "as text it differs from byte %zu on:\n%s", at, text);
    }
    free(text);
}

void fuzz_reader_check_program(const struct program *program)
{
    struct bytes bytes = encode(program);
    check_binary(&bytes);
    check_text(program, &bytes);
    fuzz_reader_add(program->ops_count, bytes.data, bytes.size);
    free(bytes.data);
}

uint64_t fuzz_target_state_hash(void)
{
    return hash;
}

void fuzz_target_stats(uint64_t *executions_out, uint64_t *operations_out)
{
    *executions_out = executions;
    *operations_out = operations;
}
