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
    enum status expected = cache->live > 0 ? STATUS_BUSY : STATUS_OK;
    if (status != expected) {
        harness_fail(harness, CHECK_STATUS, "destroying a cache with %llu objects answers %d",
                     (unsigned long long)cache->live, (int)status);
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

static bool objects_must_succeed(const struct harness *harness, const struct harness_cache *cache,
                                 uint32_t count)
{
    uint64_t size = cache->size > cache->align ? cache->size : cache->align;
    return harness_objects_fit(harness, 0, size, size * count);
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
        if (must && harness->fault.fired == 0) {
            harness_fail(harness, CHECK_SPURIOUS, "%u objects of %llu bytes: answers %d", count,
                         (unsigned long long)cache->size, (int)status);
        }
        harness_settle(harness);
        harness_check_unchanged(harness, &before);
        return false;
    }
    for (uint32_t i = 0; i < count && !harness_violated(harness); i++) {
        *objects[i] = (struct harness_object){
            .object = results[i], .cache = cache, .serial = harness->objects_made++, .used = true};
        cache->live++;
        check_object(harness, objects[i]);
    }
    harness_settle(harness);
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
    harness_settle(harness);
}
