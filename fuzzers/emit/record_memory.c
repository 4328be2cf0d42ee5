/* SPDX-License-Identifier: MIT
 *
 * record_memory.c: calls on frames that fail, runs, compaction, zones and CPUs.
 */
#include "fuzzers/emit/record_internal.h"

#include <inttypes.h>

static enum status wrap_memory_failure(void *instance, pfn_t pfn)
{
    bool noted = record_begin();
    if (noted) {
        record_piece(PIECE_FAILURES);
        record_call(RECORD_OTHER, 0, true, "fail_frame(T, %#" PRIx64, pfn);
    }
    enum status status = recorder.inner->memory_failure(instance, pfn);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_unpoison(void *instance, pfn_t pfn)
{
    bool noted = record_begin();
    if (noted) {
        record_piece(PIECE_FAILURES);
        record_call(RECORD_OTHER, 0, true, "heal_frame(T, %#" PRIx64, pfn);
    }
    enum status status = recorder.inner->unpoison(instance, pfn);
    record_end_status(noted, status);
    return status;
}

/* The number that a run gets: as the executor chooses it. */
static uint32_t run_next(void)
{
    const struct harness_contig *contigs = recorder.executor.harness.contigs;
    uint32_t from = recorder.program->ops[record_op()].slot;
    return ring_find(&contigs[0].used, sizeof(contigs[0]), CASE_CONTIGS, from, false);
}

static enum status wrap_alloc_contig(void *instance, const struct contig_request *request,
                                     struct contig *contig)
{
    bool noted = record_begin();
    if (noted) {
        uint32_t number = run_next();
        record_piece(PIECE_RUNS);
        if (request->cma) {
            record_piece(PIECE_MOVES);
        }
        record_call(RECORD_RUN, number, true, "take_run(T, %" PRIu32 ", %s", number,
                    emit_contig_request(request));
    }
    enum status status = recorder.inner->alloc_contig(instance, request, contig);
    record_end_status(noted, status);
    return status;
}

static void wrap_free_contig(void *instance, const struct contig *contig)
{
    if (record_begin()) {
        const char *first = (const char *)&recorder.executor.harness.contigs[0].contig;
        size_t number = (size_t)((const char *)contig - first) / sizeof(struct harness_contig);
        record_call(RECORD_OTHER, 0, false, "give_run(T, %zu", number);
    }
    recorder.inner->free_contig(instance, contig);
    record_end();
}

static enum status wrap_compact(void *instance, const struct compact_request *request,
                                struct compact_result *result)
{
    bool noted = record_begin();
    if (noted) {
        record_piece(PIECE_MOVES);
        record_call(RECORD_OTHER, 0, true, "compact(T, %s", emit_compact_request(request));
    }
    enum status status = recorder.inner->compact(instance, request, result);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_zone_add(void *instance, zone_id_t zone, const struct zone_config *config,
                                 const struct range *ranges, uint32_t count)
{
    bool noted = record_begin();
    if (noted) {
        record_piece(PIECE_ZONES);
        record_call(RECORD_OTHER, 0, true, "add_zone(T, %" PRIu32, zone);
    }
    enum status status = recorder.inner->zone_add(instance, zone, config, ranges, count);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_zone_remove(void *instance, zone_id_t zone)
{
    bool noted = record_begin();
    if (noted) {
        record_piece(PIECE_ZONES);
        record_call(RECORD_OTHER, 0, true, "remove_zone(T, %" PRIu32, zone);
    }
    enum status status = recorder.inner->zone_remove(instance, zone);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_cpu_online(void *instance, uint32_t cpu)
{
    bool noted = record_begin();
    if (noted) {
        record_piece(PIECE_CPUS);
        record_call(RECORD_OTHER, 0, true, "cpu_online(T, %" PRIu32, cpu);
    }
    enum status status = recorder.inner->cpu_online(instance, cpu);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_cpu_offline(void *instance, uint32_t cpu)
{
    bool noted = record_begin();
    if (noted) {
        record_piece(PIECE_CPUS);
        record_call(RECORD_OTHER, 0, true, "cpu_offline(T, %" PRIu32, cpu);
    }
    enum status status = recorder.inner->cpu_offline(instance, cpu);
    record_end_status(noted, status);
    return status;
}

void record_wrap_memory(struct subject *outer)
{
    outer->memory_failure = wrap_memory_failure;
    outer->unpoison = wrap_unpoison;
    outer->alloc_contig = wrap_alloc_contig;
    outer->free_contig = wrap_free_contig;
    outer->compact = wrap_compact;
    outer->zone_add = wrap_zone_add;
    outer->zone_remove = wrap_zone_remove;
    outer->cpu_online = wrap_cpu_online;
    outer->cpu_offline = wrap_cpu_offline;
}
