/* SPDX-License-Identifier: MIT
 *
 * harness_cpu.c: CPUs that come and go, and the blocks that they keep. The model knows nothing of
 * those: to it they are free, and so they are to everybody who wants memory (F2). Only what the
 * subject says of its free blocks does not have them, and lookups find blocks in use there: for
 * such comparisons they are marked in the model, and unmarked again.
 */
#include "fuzzers/harness_internal.h"

#include <stdio.h>
#include <stdlib.h>

static void keep(void *context, const struct subject_cached *kept)
{
    struct harness_cpus *cpus = context;
    if (cpus->kept_count == cpus->kept_room) {
        cpus->kept_room = cpus->kept_room == 0 ? 256 : 2 * cpus->kept_room;
        cpus->kept = realloc(cpus->kept, cpus->kept_room * sizeof(*cpus->kept));
        if (cpus->kept == NULL) {
            fprintf(stderr, "potad: no memory for a list of what CPUs keep\n");
            abort();
        }
    }
    cpus->kept[cpus->kept_count++] = *kept;
}

void harness_kept_list(struct harness *harness)
{
    struct harness_cpus *cpus = &harness->cpus;
    cpus->kept_count = 0;
    if (cpus->online != 0) {
        harness->subject->cached(harness->instance, keep, cpus);
    }
}

/* Whether a CPU may keep @kept: free and accepted, of the zone that it is for, and CMA's only for
 * movable ones. */
static bool kept_is_right(const struct model *model, const struct subject_cached *kept)
{
    if ((uint32_t)kept->migratetype >= MIGRATETYPES ||
        !model_is_free(model, kept->pfn, kept->order)) {
        return false;
    }
    uint8_t kind = model_frame_kind(model, kept->pfn);
    enum frame_class class = model_kind_class(kind);
    return model_kind_zone(kind) == kept->zone &&
           (class == FRAME_ACCEPTED ||
            (class == FRAME_CMA && kept->migratetype == MIGRATE_MOVABLE));
}

void harness_kept_mark(struct harness *harness)
{
    struct harness_cpus *cpus = &harness->cpus;
    harness_kept_list(harness);
    for (uint32_t i = 0; i < cpus->kept_count; i++) {
        const struct subject_cached *kept = &cpus->kept[i];
        if (!kept_is_right(&harness->model, kept)) {
            cpus->kept_count = i;
            harness_fail(harness, CHECK_OVERLAP,
                         "a CPU keeps a block that is not free: %#llx, order %u, zone %u, type %d",
                         (unsigned long long)kept->pfn, kept->order, kept->zone,
                         (int)kept->migratetype);
            return;
        }
        model_allocate(&harness->model, kept->pfn, kept->order,
                       HARNESS_KEPT_OWNER + (uint32_t)kept->migratetype);
    }
}

void harness_kept_unmark(struct harness *harness)
{
    const struct harness_cpus *cpus = &harness->cpus;
    for (uint32_t i = cpus->kept_count; i > 0; i--) {
        model_release(&harness->model, cpus->kept[i - 1].pfn, cpus->kept[i - 1].order);
    }
}

const struct subject_cached *harness_kept_at(const struct harness *harness, pfn_t pfn)
{
    const struct harness_cpus *cpus = &harness->cpus;
    for (uint32_t i = 0; i < cpus->kept_count; i++) {
        if (pfn - cpus->kept[i].pfn < (uint64_t)1 << cpus->kept[i].order) {
            return &cpus->kept[i];
        }
    }
    return NULL;
}

/* What is kept of one zone for those who may have @movable ones. */
struct kept_sum {
    const struct model *model;
    zone_id_t zone;
    bool movable;
    uint64_t blocks;
    uint64_t frames;
};

static void sum_kept(void *context, const struct subject_cached *kept)
{
    struct kept_sum *sum = context;
    uint8_t kind = model_frame_kind(sum->model, kept->pfn);
    sum->blocks++;
    if (kept->zone == sum->zone && (sum->movable || model_kind_class(kind) != FRAME_CMA)) {
        sum->frames += (uint64_t)1 << kept->order;
    }
}

uint64_t harness_kept_frames(const struct harness *harness, zone_id_t zone, enum migratetype type,
                             uint64_t *blocks)
{
    struct kept_sum sum = {
        .model = &harness->model, .zone = zone, .movable = type == MIGRATE_MOVABLE};
    if (harness->cpus.online != 0) {
        harness->subject->cached(harness->instance, sum_kept, &sum);
    }
    *blocks = sum.blocks;
    return sum.frames;
}

void harness_cpus_reset(struct harness *harness)
{
    struct harness_cpus *cpus = &harness->cpus;
    bool has = (harness->subject->capabilities & SUBJECT_CPUS) != 0;
    cpus->count = has ? cpus->asked : 0;
    cpus->current = CPUS_MAX;
    cpus->online = 0;
    cpus->kept_count = 0;
}

/* The first CPU that is online from number @from on, around; CPUS_MAX: none is. */
static uint32_t cpu_from(const struct harness *harness, uint32_t from)
{
    uint64_t online = harness->cpus.online;
    uint64_t behind = online >> from << from;
    if (online == 0) {
        return CPUS_MAX;
    }
    return (uint32_t)__builtin_ctzll(behind != 0 ? behind : online);
}

void harness_cpus_boot(struct harness *harness)
{
    for (uint32_t cpu = 0; cpu < harness->cpus.count && !harness_violated(harness); cpu++) {
        harness_cpu_online(harness, cpu);
    }
    harness_cpu_move(harness, 0);
}

void harness_cpus_close(struct harness *harness)
{
    harness->cpus.current = CPUS_MAX;
    for (uint32_t cpu = 0; cpu < CPUS_MAX && !harness_violated(harness); cpu++) {
        if ((harness->cpus.online >> cpu & 1) != 0) {
            harness_cpu_offline(harness, cpu);
        }
    }
}

void harness_cpu_move(struct harness *harness, uint32_t cpu)
{
    harness->cpus.current = cpu < CPUS_MAX ? cpu_from(harness, cpu) : (uint32_t)CPUS_MAX;
}

void harness_cpu_online(struct harness *harness, uint32_t cpu)
{
    enum { CPU_FRAMES = 4 }; /* no excuse for refusing what needs no more */
    struct harness_cpus *cpus = &harness->cpus;
    struct before before = harness_remember(harness);
    uint64_t bytes = CPU_FRAMES * FRAME_SIZE;
    bool must = harness_metadata_room(harness) >= harness_slack_frames(harness) + CPU_FRAMES &&
                harness_objects_fit(harness, 0, bytes, bytes);
    bool exists = cpu < CPUS_MAX && (cpus->online >> cpu & 1) != 0;
    enum status expected = exists ? STATUS_EXISTS : STATUS_OK;
    expected = cpu < CPUS_MAX ? expected : STATUS_INVALID;
    harness->operations++;
    enum status status = harness->subject->cpu_online(harness->instance, cpu);
    bool no_memory = expected == STATUS_OK && status == STATUS_NO_MEMORY;
    if (status != expected && !no_memory) {
        harness_fail(harness, CHECK_STATUS, "cpu-online of CPU %u answers %d, not %d", cpu,
                     (int)status, (int)expected);
        return;
    }
    if (no_memory && must && harness->fault.fired == 0) {
        harness_fail(harness, CHECK_SPURIOUS, "CPU %u finds no memory for its lists", cpu);
    }
    if (status == STATUS_OK) {
        cpus->online |= (uint64_t)1 << cpu;
    }
    harness_settle(harness);
    if (status != STATUS_OK) {
        harness_check_unchanged(harness, &before);
    }
}

void harness_cpu_offline(struct harness *harness, uint32_t cpu)
{
    struct harness_cpus *cpus = &harness->cpus;
    struct before before = harness_remember(harness);
    bool is = cpu < CPUS_MAX && (cpus->online >> cpu & 1) != 0;
    enum status expected = is ? STATUS_OK : STATUS_INVALID;
    cpus->online &= is ? ~((uint64_t)1 << cpu) : ~(uint64_t)0;
    if (cpus->current == cpu && is) {
        harness_cpu_move(harness, cpu);
    }
    harness->operations++;
    harness->freeing = true;
    enum status status = harness->subject->cpu_offline(harness->instance, cpu);
    harness->freeing = false;
    if (status != expected) {
        harness_fail(harness, CHECK_STATUS, "cpu-offline of CPU %u answers %d, not %d", cpu,
                     (int)status, (int)expected);
        return;
    }
    harness_settle(harness);
    if (status != STATUS_OK) {
        harness_check_unchanged(harness, &before);
    }
}
