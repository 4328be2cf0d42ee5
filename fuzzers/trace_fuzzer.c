/* SPDX-License-Identifier: MIT
 *
 * trace_fuzzer: any text is read as a kernel trace in the same way whatever pieces it comes in,
 * page events are of frames that can be, and a line that is none is named with a reason.
 */
#include "fuzzers/fuzz_reader.h"
#include "fuzzers/fuzz_target.h"
#include "fuzzers/trace_text.h"

#include <inttypes.h>
#include <string.h>

struct pieces {
    const char *at;
    size_t bytes;
    size_t piece_bytes;
};

static const char *next_piece(void *context, const char **block, size_t *bytes, bool *ended)
{
    struct pieces *pieces = context;
    *ended = pieces->bytes == 0;
    *block = pieces->at;
    *bytes = pieces->bytes < pieces->piece_bytes ? pieces->bytes : pieces->piece_bytes;
    pieces->at += *bytes;
    pieces->bytes -= *bytes;
    return NULL;
}

/* What a reading came to. */
struct reading {
    uint64_t events;
    uint64_t hash; /* of all that they say: FNV-1a */
    struct trace_counts counts;
    enum trace_result result;
    char error[TRACE_ERROR_MAX];
};

static void mix(struct reading *reading, uint64_t value)
{
    reading->hash = (reading->hash ^ value) * 0x100000001b3U;
}

static void check_event(const struct trace_event *event, uint64_t line_before)
{
    uint64_t frames = (uint64_t)1 << (64 - FRAME_SHIFT);
    if (event->order >= 64 - FRAME_SHIFT || event->pfn >= frames ||
        event->pfn + order_frames(event->order) > frames) {
        fuzz_reader_fail(READER_BOUNDS, "line %" PRIu64 ": frame %#" PRIx64 " order %u",
                         event->line, event->pfn, event->order);
    }
    if (event->line <= line_before) {
        fuzz_reader_fail(READER_BOUNDS, "line %" PRIu64 " behind line %" PRIu64, event->line,
                         line_before);
    }
}

/* Every line is counted once; those that are none of these are empty, or about lost events. */
static void check_counts(const struct reading *reading)
{
    const struct trace_counts *counts = &reading->counts;
    uint64_t sum =
        reading->events + counts->comments + counts->other_events + counts->failed_allocs;
    if (sum > counts->lines) {
        fuzz_reader_fail(READER_BOUNDS, "%" PRIu64 " lines of %" PRIu64, sum, counts->lines);
    }
}

static struct reading read_pieces(const uint8_t *data, size_t size, size_t piece_bytes)
{
    static struct trace_text text;
    struct pieces pieces = {(const char *)data, size, piece_bytes};
    struct trace_source source = {.context = &pieces, .next_block = next_piece};
    struct reading reading = {0};
    struct trace_event event = {0};
    trace_text_open(&text, "input", &source);
    uint64_t line = 0;
    while ((reading.result = trace_text_next(&text, &event)) == TRACE_EVENT) {
        check_event(&event, line);
        line = event.line;
        reading.events++;
        mix(&reading, event.pfn << 1 | event.is_free);
        mix(&reading, event.line << 8 | event.order);
        mix(&reading, (uint64_t)event.cpu << 32 | event.migratetype);
    }
    if (trace_text_next(&text, &event) != reading.result) {
        fuzz_reader_fail(READER_BOUNDS, "what comes behind the end is something else");
    }
    if (reading.result == TRACE_ERROR) {
        fuzz_reader_check_reason(text.error);
    }
    reading.counts = text.counts;
    memcpy(reading.error, text.error, sizeof(reading.error));
    check_counts(&reading);
    return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t piece_bytes[] = {1, 7};
    fuzz_reader_begin();
    struct reading whole = read_pieces(data, size, size);
    for (unsigned i = 0; i < sizeof(piece_bytes) / sizeof(piece_bytes[0]); i++) {
        struct reading reading = read_pieces(data, size, piece_bytes[i]);
        if (reading.result != whole.result || reading.hash != whole.hash ||
            memcmp(&reading.counts, &whole.counts, sizeof(whole.counts)) != 0 ||
            strcmp(reading.error, whole.error) != 0) {
            fuzz_reader_fail(
                READER_PIECES,
                "%" PRIu64 " events, '%s'; in pieces of %zu bytes, %" PRIu64 " events, '%s'",
                whole.events, whole.error, piece_bytes[i], reading.events, reading.error);
        }
    }
    fuzz_reader_add((uint32_t)whole.events, &whole.hash, sizeof(whole.hash));
    return 0;
}
