/* SPDX-License-Identifier: MIT
 *
 * case_fuzzer: whatever bytes are read as a case, binary, text, or what a fuzz target makes of
 * them, come back the same from binary and from text; and what is refused is refused for a reason.
 */
#include "fuzzers/fuzz_reader.h"
#include "fuzzers/fuzz_target.h"

#include <stdlib.h>
#include <string.h>

static struct program program;

static void read_binary(const uint8_t *data, size_t size)
{
    struct case_error error;
    if (!case_decode(&program, data, size, &error)) {
        fuzz_reader_check_reason(error.text);
        return;
    }
    /* There is one binary form of a program: the canonical one. */
    if (case_encoded_bytes(&program) != size) {
        fuzz_reader_fail(READER_ROUND_TRIP, "of %zu bytes, %zu were read", size,
                         case_encoded_bytes(&program));
    }
    fuzz_reader_check_program(&program);
}

static void read_text(const uint8_t *data, size_t size)
{
    struct case_error error;
    if (!case_parse(&program, (const char *)data, size, &error)) {
        fuzz_reader_check_reason(error.text);
        return;
    }
    fuzz_reader_check_program(&program);
}

/* Those of one target: of each in turn would cost most of the runs. */
static const struct case_limits *limits_for(size_t size)
{
    size_t count = 1; /* there is one */
    while (case_limits_all[count] != NULL) {
        count++;
    }
    return case_limits_all[size % count];
}

/* What is within the limits already stays as it is. */
static void check_kept(const struct case_limits *limits)
{
    static struct program again;
    size_t size = case_encoded_bytes(&program);
    uint8_t *data = malloc(size);
    uint8_t *kept = malloc(size);
    if (data == NULL || kept == NULL) {
        abort();
    }
    case_encode(&program, data);
    case_decode_any(&again, data, size, limits);
    bool same = case_encoded_bytes(&again) == size;
    if (same) {
        case_encode(&again, kept);
        same = memcmp(data, kept, size) == 0;
    }
    if (!same) {
        fuzz_reader_fail(READER_ROUND_TRIP, "within the limits of %s, it is cut down once more",
                         limits->name);
    }
    free(data);
    free(kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_reader_begin();
    read_binary(data, size);
    read_text(data, size);
    const struct case_limits *limits = limits_for(size);
    case_decode_any(&program, data, size, limits);
    fuzz_reader_check_program(&program);
    check_kept(limits);
    return 0;
}
