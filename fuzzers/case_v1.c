/* SPDX-License-Identifier: MIT
 *
 * case_v1.c: see case_v1.h. In binary, version 1 differs in these:
 *
 *   header   byte 7 is 0: there are no pageblocks to speak of
 *   range    byte 0: 1 begins a zone, 2 without metadata, 4 unaccepted; bytes 1 to 3 are 0
 *   op       byte 0 counts in a table of its own; byte 15 is the fault's mode alone
 */
#include "fuzzers/case_v1.h"

enum {
    V1_NEW_ZONE = 1,
    V1_NO_METADATA = 2,
    V1_UNACCEPTED = 4,
    V1_RANGES_MAX = 8,
    V2_UNACCEPTED = 2,
    V2_CLASS_HIGHMEM = 3 /* which is what no metadata means */
};

static const uint8_t v1_ops[] = {
    OP_ALLOC,        OP_ALLOC_DESC,     OP_FREE,       OP_SPLIT,       OP_LOOKUP,
    OP_CACHE_CREATE, OP_CACHE_ALLOC,    OP_CACHE_BULK, OP_CACHE_FREE,  OP_CACHE_DESTROY,
    OP_SHRINK,       OP_MEMORY_FAILURE, OP_UNPOISON,   OP_RANGE_STORE, OP_RANGE_STORE_EMPTY,
    OP_RANGE_ERASE,  OP_RANGE_CLEAR,    OP_RANGE_LOAD, OP_RANGE_GAP,   OP_RANGE_PREPARE,
    OP_RANGE_BUILD,  OP_RANGE_ENTER,    OP_RANGE_EXIT,
};

static bool fail(struct case_error *error, size_t byte, const char *reason)
{
    snprintf(error->text, sizeof(error->text), "byte %zu: %s, in version %u", byte, reason,
             CASE_VERSION_1);
    return false;
}

static bool upgrade_range(uint8_t *range, size_t at, struct case_error *error)
{
    uint8_t flags = range[0];
    bool begins = (flags & V1_NEW_ZONE) != 0;
    bool bare = (flags & V1_NO_METADATA) != 0;
    if (flags > (V1_NEW_ZONE | V1_NO_METADATA | V1_UNACCEPTED) || (bare && !begins) ||
        (range[1] | range[2] | range[3]) != 0) {
        return fail(error, at, "a range has unknown flags");
    }
    range[0] =
        (uint8_t)((flags & V1_NEW_ZONE) | ((flags & V1_UNACCEPTED) != 0 ? V2_UNACCEPTED : 0));
    range[1] = bare ? V2_CLASS_HIGHMEM : 0;
    return true;
}

static bool upgrade_op(uint8_t *op, size_t at, struct case_error *error)
{
    if (op[0] >= sizeof(v1_ops) || op[15] >= FAULT_MODES) {
        return fail(error, at, "an operation is unknown");
    }
    op[0] = v1_ops[op[0]];
    return true;
}

bool case_v1_upgrade(uint8_t *data, size_t size, struct case_error *error)
{
    if (size < CASE_HEADER_BYTES || !case_has_magic(data, size) || data[4] != CASE_VERSION_1) {
        return fail(error, 0, "not a case");
    }
    size_t ops = CASE_HEADER_BYTES + (size_t)data[5] * CASE_RANGE_BYTES;
    if (data[5] > V1_RANGES_MAX) {
        return fail(error, 5, "too many ranges");
    }
    if (data[6] >> CASE_HALF_BITS != 0 || data[7] != 0) {
        return fail(error, 6, "stray bits");
    }
    if (size < ops || (size - ops) % CASE_OP_BYTES != 0) {
        return fail(error, size, "the last record is cut short");
    }
    data[4] = CASE_VERSION;
    for (size_t at = CASE_HEADER_BYTES; at < ops; at += CASE_RANGE_BYTES) {
        if (!upgrade_range(data + at, at, error)) {
            return false;
        }
    }
    for (size_t at = ops; at < size; at += CASE_OP_BYTES) {
        if (!upgrade_op(data + at, at, error)) {
            return false;
        }
    }
    return true;
}
