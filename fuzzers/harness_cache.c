/* SPDX-License-Identifier: MIT
 *
 * harness_cache.c: caches of objects on subject and model. Each object carries a pattern of its own
 * for as long as it is in use.
 */
#include "fuzzers/harness_internal.h"

enum {
    PATTERN_BYTES_MAX = 16,  /* of an object, at each end */
    SIZE_ORDINARY = 1 << 20, /* no excuse for refusing a cache of such objects */
    SLAB_ORDERS_MORE = 3,    /* slabs may be larger than an object by so much */
    CACHE_SLACK_FRAMES = 16
};

static unsigned char pattern_of(uint64_t serial, uint64_t at)
{
    return (unsigned char)(serial * 31 + at * 7 + 1);
}

/* The next byte at or after @at that carries the pattern. */
static uint64_t pattern_next(uint64_t at, uint64_t size)
{
    bool middle = at >= PATTERN_BYTES_MAX && at + PATTERN_BYTES_MAX < size;
    return middle ? size - PATTERN_BYTES_MAX : at;
}

void harness_pattern_write(unsigned char *object, uint64_t size, uint64_t serial)
{
    for (uint64_t at = 0; at < size; at = pattern_next(at + 1, size)) {
        object[at] = pattern_of(serial, at);
    }
}

void harness_pattern_check(struct harness *harness, const unsigned char *object, uint64_t size,
                           uint64_t serial)
{
    for (uint64_t at = 0; at < size; at = pattern_next(at + 1, size)) {
        if (object[at] != pattern_of(serial, at)) {
            harness_fail(harness, CHECK_OBJECT, "byte %llu of an object of %llu was overwritten",
                         (unsigned long long)at, (unsigned long long)size);
            return;
        }
    }
}

bool harness_cache_create(struct harness *harness, uint64_t size, uint64_t align,
                          struct harness_cache *cache)
{
    struct before before = harness_remember(harness);
    void *handle = NULL;
    harness->operations++;
    enum status status = harness->subject->cache_create(harness->instance, size, align, &handle);
    bool ordinary = size > 0 && size <= SIZE_ORDINARY && align <= SIZE_ORDINARY;
    if (status != STATUS_OK) {
        if (status == STATUS_INVALID && ordinary) {
            harness_fail(harness, CHECK_STATUS, "no cache of size %llu, alignment %llu",
                         (unsigned long long)size, (unsigned long long)align);
        }
        harness_settle(harness);
        harness_check_unchanged(harness, &before);
        return false;
    }
    if (size == 0) {
        harness_fail(harness, CHECK_STATUS, "a cache of objects without size");
    }
    *cache = (struct harness_cache){.handle = handle, .size = size, .align = align, .used = true};
    harness_settle(harness);
    return true;
}

bool harness_cache_destroy(struct harness *harness, struct harness_cache *cache)
{
    harness->operations++;
    harness->freeing = true;
    enum status status = harness->subject->cache_destroy(harness->instance, cache->handle);
    harness->freeing = false;
    enum status expected = cache->live + cache->reserved > 0 ? STATUS_BUSY : STATUS_OK;
    if (status != expected) {
        harness_fail(harness, CHECK_STATUS,
                     "destroying a cache with %llu objects, %llu set aside, answers %d",
                     (unsigned long long)cache->live, (unsigned long long)cache->reserved,
                     (int)status);
    }
    cache->used = status != STATUS_OK;
    harness_settle(harness);
    return status == STATUS_OK;
}

bool harness_object_is_contained(const struct harness *harness, const unsigned char *object,
                                 uint64_t size)
{
    pfn_t first;
    pfn_t last;
    bool inside = simmem_frame_of(&harness->mem, object, &first) &&
                  simmem_frame_of(&harness->mem, object + size - 1, &last);
    for (pfn_t pfn = first; inside && pfn <= last; pfn++) {
        inside = model_use(&harness->model, pfn) == USE_METADATA;
    }
    return inside;
}

static void check_object(struct harness *harness, const struct harness_object *made)
{
    const struct harness_cache *cache = made->cache;
    unsigned char *object = made->object;
    if (((uintptr_t)object & (cache->align - 1)) != 0) {
        harness_fail(harness, CHECK_ALIGNMENT, "object at %p, asked for multiples of %llu",
                     (void *)object, (unsigned long long)cache->align);
        return;
    }
    if (!harness_object_is_contained(harness, object, cache->size)) {
        harness_fail(harness, CHECK_CONTAINMENT, "object at %p is not in frames of a slab",
                     (void *)object);
        return;
    }
    harness_pattern_write(object, cache->size, made->serial);
}

bool harness_objects_fit(const struct harness *harness, uint32_t zones, uint64_t size,
                         uint64_t bytes)
{
    const struct model *model = &harness->model;
    uint64_t slack = CACHE_SLACK_FRAMES + harness->subject->slack_frames;
    order_t order = SLAB_ORDERS_MORE + 1;
    bytes = bytes > size ? bytes : size;
    if (bytes >> 62 != 0) {
        return false;
    }
    while ((FRAME_SIZE << order) < bytes + slack * FRAME_SIZE) {
        order++;
    }
    for (zone_id_t zone = 0; zone < model->map.zones_count; zone++) {
        bool asked = zones == 0 || (zones >> zone & 1) != 0;
        if (asked && zone_holds_metadata(&model->map.zones[zone]) &&
            (model_smallest(model, model_kind(zone, FRAME_ACCEPTED), order + 1) < ORDERS)) {
            return true;
        }
    }
    return false;
}

/* What the subject says of @cache; zeros where it says nothing. */
static struct subject_cache_stats cache_stats(const struct harness *harness,
                                              const struct harness_cache *cache)
{
    struct subject_cache_stats stats = {0};
    if ((harness->subject->capabilities & SUBJECT_COUNTERS) != 0) {
        harness->subject->cache_stats(harness->instance, cache->handle, &stats);
    }
    return stats;
}

/* After an operation on @cache (F5). */
static void settle_cache(struct harness *harness, const struct harness_cache *cache)
{
    uint64_t live = cache_stats(harness, cache).live;
    if ((harness->subject->capabilities & SUBJECT_COUNTERS) != 0 &&
        live != cache->live + cache->reserved) {
        harness_fail(harness, CHECK_OBJECT_COUNT, "%llu objects are in use, not %llu and %llu",
                     (unsigned long long)live, (unsigned long long)cache->live,
                     (unsigned long long)cache->reserved);
    }
    harness_settle(harness);
}

/* F2: objects that wait for the next allocation, on whatever CPU, serve it; else memory does. */
static bool objects_must_succeed(const struct harness *harness, const struct harness_cache *cache,
                                 uint64_t count)
{
    uint64_t size = cache->size > cache->align ? cache->size : cache->align;
    return count <= cache_stats(harness, cache).spare ||
           harness_objects_fit(harness, 0, size, size * count);
}

/* After an attempt to have @count objects of @cache that answered @status. */
static void check_refused(struct harness *harness, const struct harness_cache *cache,
                          uint64_t count, bool must, enum status status,
                          const struct before *before)
{
    if (must && harness->fault.fired == 0) {
        harness_fail(harness, CHECK_SPURIOUS, "%llu objects of %llu bytes: answers %d",
                     (unsigned long long)count, (unsigned long long)cache->size, (int)status);
    }
    settle_cache(harness, cache);
    harness_check_unchanged(harness, before);
}

/* An object that the subject has granted. */
static void note_object(struct harness *harness, struct harness_cache *cache, void *result,
                        struct harness_object *object)
{
    *object = (struct harness_object){
        .object = result, .cache = cache, .serial = harness->objects_made++, .used = true};
    cache->live++;
    check_object(harness, object);
}

bool harness_cache_alloc(struct harness *harness, struct harness_cache *cache, uint32_t count,
                         struct harness_object **objects)
{
    void *results[HARNESS_BULK_MAX];
    struct before before = harness_remember(harness);
    bool must = objects_must_succeed(harness, cache, count);
    harness->operations++;
    enum status status =
        harness->subject->cache_alloc(harness->instance, cache->handle, count, results);
    if (status != STATUS_OK) {
        check_refused(harness, cache, count, must, status, &before);
        return false;
    }
    for (uint32_t i = 0; i < count && !harness_violated(harness); i++) {
        note_object(harness, cache, results[i], objects[i]);
    }
    settle_cache(harness, cache);
    return true;
}

void harness_cache_free(struct harness *harness, struct harness_object *object)
{
    harness->operations++;
    harness_pattern_check(harness, object->object, object->cache->size, object->serial);
    if (harness_violated(harness)) {
        return;
    }
    object->used = false;
    object->cache->live--;
    harness->freeing = true;
    harness->subject->cache_free(harness->instance, object->cache->handle, object->object);
    harness->freeing = false;
    settle_cache(harness, object->cache);
}

void harness_cache_reserve(struct harness *harness, struct harness_cache *cache, uint32_t count)
{
    struct before before = harness_remember(harness);
    uint64_t missing = cache->reserved < count ? count - cache->reserved : 0;
    bool must = objects_must_succeed(harness, cache, missing);
    harness->operations++;
    enum status status =
        harness->subject->cache_reserve(harness->instance, cache->handle, count, &cache->reserve);
    if (status != STATUS_OK) {
        check_refused(harness, cache, missing, must, status, &before);
        return;
    }
    cache->reserved += missing;
    settle_cache(harness, cache);
}

bool harness_cache_take(struct harness *harness, struct harness_cache *cache,
                        struct harness_object *object)
{
    harness->operations++;
    harness->freeing = true; /* nor may this allocate */
    void *result = harness->subject->cache_take(harness->instance, &cache->reserve);
    harness->freeing = false;
    if ((result != NULL) != (cache->reserved > 0)) {
        harness_fail(harness, CHECK_RESERVE, "%llu objects are left, but there is %s",
                     (unsigned long long)cache->reserved, result == NULL ? "none" : "one");
        return false;
    }
    if (result != NULL) {
        cache->reserved--;
        note_object(harness, cache, result, object);
    }
    settle_cache(harness, cache);
    return result != NULL;
}

void harness_cache_unreserve(struct harness *harness, struct harness_cache *cache)
{
    harness->operations++;
    harness->freeing = true;
    harness->subject->cache_unreserve(harness->instance, &cache->reserve);
    harness->freeing = false;
    cache->reserved = 0;
    settle_cache(harness, cache);
}
