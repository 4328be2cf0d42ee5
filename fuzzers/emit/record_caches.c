/* SPDX-License-Identifier: MIT
 *
 * record_caches.c: calls on caches of objects. Which cache or object is meant, is for the executor
 * to choose; its slots say which it has chosen.
 */
#include "fuzzers/emit/record_internal.h"

#include <inttypes.h>

static const struct case_op *present_op(void)
{
    return &recorder.program->ops[record_op()];
}

static uint32_t cache_by_handle(const void *handle)
{
    const struct harness_cache *caches = recorder.executor.caches;
    uint32_t i = 0;
    while (i < CASE_CACHES - 1 && (!caches[i].used || caches[i].handle != handle)) {
        i++;
    }
    return i;
}

static uint32_t cache_by_reserve(const struct kmem_reserve *reserve)
{
    const char *first = (const char *)&recorder.executor.caches[0].reserve;
    return (uint32_t)((size_t)((const char *)reserve - first) / sizeof(struct harness_cache));
}

static enum status wrap_cache_create(void *instance, uint64_t size, uint64_t align, void **cache)
{
    bool noted = record_begin();
    if (noted) {
        const struct harness_cache *caches = recorder.executor.caches;
        uint32_t number =
            ring_find(&caches[0].used, sizeof(caches[0]), CASE_CACHES, present_op()->zone, false);
        record_piece(PIECE_OBJECTS);
        record_call(RECORD_OTHER, 0, true, "make_cache(T, %" PRIu32 ", %" PRIu64 ", %#" PRIx64,
                    number, size, align);
    }
    enum status status = recorder.inner->cache_create(instance, size, align, cache);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_cache_destroy(void *instance, void *cache)
{
    bool noted = record_begin();
    if (noted) {
        record_call(RECORD_OTHER, 0, true, "end_cache(T, %" PRIu32, cache_by_handle(cache));
    }
    enum status status = recorder.inner->cache_destroy(instance, cache);
    record_end_status(noted, status);
    return status;
}

static enum status wrap_cache_alloc(void *instance, void *cache, uint64_t count, void **objects)
{
    bool noted = record_begin();
    if (noted) {
        record_call(RECORD_OTHER, 0, true, "take_objects(T, %u, %" PRIu64 ", %" PRIu32,
                    (unsigned)present_op()->slot % recorder.program->slots, count,
                    cache_by_handle(cache));
    }
    enum status status = recorder.inner->cache_alloc(instance, cache, count, objects);
    record_end_status(noted, status);
    return status;
}

static void wrap_cache_free(void *instance, void *cache, void *object)
{
    if (record_begin()) {
        const struct executor *executor = &recorder.executor;
        uint32_t number = slot_find(&executor->object_slots, present_op()->slot, true);
        record_call(RECORD_OTHER, 0, false, "free_object(T, %" PRIu32, number);
    }
    recorder.inner->cache_free(instance, cache, object);
    record_end();
}

static enum status wrap_cache_reserve(void *instance, void *cache, uint64_t count,
                                      struct kmem_reserve *reserve)
{
    bool noted = record_begin();
    if (noted) {
        record_call(RECORD_OTHER, 0, true, "reserve(T, %" PRIu32 ", %" PRIu64,
                    cache_by_reserve(reserve), count);
    }
    enum status status = recorder.inner->cache_reserve(instance, cache, count, reserve);
    record_end_status(noted, status);
    return status;
}

static void *wrap_cache_take(void *instance, struct kmem_reserve *reserve)
{
    if (record_begin()) {
        const struct executor *executor = &recorder.executor;
        uint32_t number = slot_find(&executor->object_slots, present_op()->slot, false);
        record_call(RECORD_OTHER, 0, false, "take_reserved(T, %" PRIu32 ", %" PRIu32, number,
                    cache_by_reserve(reserve));
    }
    void *object = recorder.inner->cache_take(instance, reserve);
    record_end();
    return object;
}

static void wrap_cache_unreserve(void *instance, struct kmem_reserve *reserve)
{
    if (record_begin()) {
        record_call(RECORD_OTHER, 0, false, "unreserve(T, %" PRIu32, cache_by_reserve(reserve));
    }
    recorder.inner->cache_unreserve(instance, reserve);
    record_end();
}

void record_wrap_caches(struct subject *outer)
{
    outer->cache_create = wrap_cache_create;
    outer->cache_destroy = wrap_cache_destroy;
    outer->cache_alloc = wrap_cache_alloc;
    outer->cache_free = wrap_cache_free;
    outer->cache_reserve = wrap_cache_reserve;
    outer->cache_take = wrap_cache_take;
    outer->cache_unreserve = wrap_cache_unreserve;
}
