/* SPDX-License-Identifier: MIT */
#include "stress/held_object.h"

#include <string.h>

/* Of the caches that threads create for themselves. */
enum { CYCLE_SIZE_MAX = 3000, CYCLE_ALIGN_LOG2_MAX = 7 };

/* The pattern of @cookie, eight bytes at a time. */
static uint64_t pattern_at(cookie_t cookie, uint64_t offset)
{
    uint64_t state = cookie ^ offset << COOKIE_SERIAL_BITS;
    return random_mix(&state);
}

static void pattern_fill(unsigned char *object, uint64_t size, cookie_t cookie)
{
    for (uint64_t offset = 0; offset < size; offset += sizeof(uint64_t)) {
        uint64_t word = pattern_at(cookie, offset);
        uint64_t left = size - offset;
        memcpy(object + offset, &word, left < sizeof(word) ? left : sizeof(word));
    }
}

/* Return: where @object first differs from the pattern of @cookie, @size where it does not. */
static uint64_t pattern_compare(const unsigned char *object, uint64_t size, cookie_t cookie)
{
    for (uint64_t offset = 0; offset < size; offset += sizeof(uint64_t)) {
        uint64_t word = pattern_at(cookie, offset);
        uint64_t left = size - offset;
        if (memcmp(object + offset, &word, left < sizeof(word) ? left : sizeof(word)) != 0) {
            return offset;
        }
    }
    return size;
}

/* Checks that an object just allocated lies where it may, and fills it. */
static void claim(struct worker *worker, const struct cache_shape *shape, unsigned char *object,
                  cookie_t cookie)
{
    const struct world *world = worker->world;
    uintptr_t address = (uintptr_t)object;
    pfn_t first;
    pfn_t last;
    char text[COOKIE_TEXT_MAX];
    bool inside = simmem_frame_of(&world->memory, object, &first) &&
                  simmem_frame_of(&world->memory, object + shape->size - 1, &last);
    if (!inside || (address & (shape->align - 1)) != 0) {
        worker_report(worker, FINDING_CONTAINMENT,
                      "an object of %" PRIu64 " bytes is at %#" PRIxPTR, shape->size, address);
        return;
    }
    for (pfn_t pfn = first; pfn <= last; pfn++) {
        cookie_t owner = shadow_owner(&world->shadow, pfn);
        if (owner != COOKIE_SUBJECT) {
            worker_report(worker, FINDING_CONTAINMENT, "an object is in frame %#" PRIx64 " of %s",
                          pfn, cookie_describe(owner, text));
            return;
        }
    }
    pattern_fill(object, shape->size, cookie);
}

/* Checks that the object is still as claim() left it. */
static void release(struct worker *worker, const struct cache_shape *shape,
                    const unsigned char *object, cookie_t cookie)
{
    char text[COOKIE_TEXT_MAX];
    uint64_t differs = pattern_compare(object, shape->size, cookie);
    if (differs != shape->size) {
        worker_report(worker, FINDING_OBJECT_CORRUPT,
                      "object of %" PRIu64 " bytes at %#" PRIxPTR
                      " of %s has changed, from byte %" PRIu64 " on",
                      shape->size, (uintptr_t)object, cookie_describe(cookie, text), differs);
    }
}

/* Allocates @count objects of @cache. Return: whether there was memory. */
static bool take(struct worker *worker, void *cache, const struct cache_shape *shape,
                 unsigned count, void **objects, cookie_t *cookies)
{
    struct world *world = worker->world;
    enum status status = world->subject->cache_alloc(world->instance, cache, count, objects);
    if (!worker_expect(worker, status) || status != STATUS_OK) {
        worker_count(worker, PATH_OBJECT_FAILED);
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        cookies[i] = worker_cookie(worker);
        claim(worker, shape, objects[i], cookies[i]);
    }
    worker->objects_live += count;
    worker_count(worker, PATH_OBJECT_ALLOC);
    return true;
}

static void put(struct worker *worker, void *cache, const struct cache_shape *shape,
                unsigned char *object, cookie_t cookie)
{
    struct world *world = worker->world;
    release(worker, shape, object, cookie);
    world->subject->cache_free(world->instance, cache, object);
    worker->objects_live--;
    worker_count(worker, PATH_OBJECT_FREE);
}

bool held_object_alloc(struct worker *worker, unsigned count, struct held_object *held)
{
    void *objects[HELD_BULK_MAX];
    cookie_t cookies[HELD_BULK_MAX];
    uint32_t cache = (uint32_t)random_below(&worker->random, WORLD_CACHES);
    worker_begin(worker, "object-alloc");
    bool taken =
        take(worker, worker->world->caches[cache], &cache_shapes[cache], count, objects, cookies);
    for (unsigned i = 0; taken && i < count; i++) {
        held[i] = (struct held_object){.address = objects[i], .cache = cache, .cookie = cookies[i]};
    }
    worker_end(worker);
    return taken;
}

void held_object_free(struct worker *worker, const struct held_object *held)
{
    worker_begin(worker, "object-free");
    put(worker, worker->world->caches[held->cache], &cache_shapes[held->cache], held->address,
        held->cookie);
    worker_end(worker);
}

void held_object_cycle_cache(struct worker *worker)
{
    struct world *world = worker->world;
    struct random *random = &worker->random;
    void *objects[HELD_BULK_MAX];
    cookie_t cookies[HELD_BULK_MAX];
    void *cache = NULL;
    unsigned count = 1 + (unsigned)random_below(random, HELD_BULK_MAX);
    struct cache_shape shape = {
        .size = 1 + random_below(random, CYCLE_SIZE_MAX),
        .align = (uint64_t)1 << random_below(random, CYCLE_ALIGN_LOG2_MAX + 1),
    };
    worker_begin(worker, "cache-cycle");
    enum status status =
        world->subject->cache_create(world->instance, shape.size, shape.align, &cache);
    if (worker_expect(worker, status) && status == STATUS_OK) {
        bool taken = take(worker, cache, &shape, count, objects, cookies);
        for (unsigned i = 0; taken && i < count; i++) {
            put(worker, cache, &shape, objects[i], cookies[i]);
        }
        status = world->subject->cache_destroy(world->instance, cache);
        if (status != STATUS_OK) {
            worker_report(worker, FINDING_STATUS, "destroying an empty cache answers %d",
                          (int)status);
        }
        worker_count(worker, PATH_CACHE_CYCLE);
    }
    worker_end(worker);
}

/* Takes @count objects, as many as were set aside or fewer, and frees them. */
static void take_reserved(struct worker *worker, uint32_t cache, struct kmem_reserve *reserve,
                          unsigned count)
{
    struct world *world = worker->world;
    const struct cache_shape *shape = &cache_shapes[cache];
    unsigned char *objects[HELD_BULK_MAX];
    cookie_t cookies[HELD_BULK_MAX];
    for (unsigned i = 0; i < count; i++) {
        objects[i] = world->subject->cache_take(world->instance, reserve);
        if (objects[i] == NULL) {
            worker_report(worker, FINDING_RESERVE, "%u of %u objects of %" PRIu64 " bytes", i,
                          count, shape->size);
            return;
        }
        cookies[i] = worker_cookie(worker);
        claim(worker, shape, objects[i], cookies[i]);
        worker->objects_live++;
    }
    for (unsigned i = 0; i < count; i++) {
        put(worker, world->caches[cache], shape, objects[i], cookies[i]);
    }
}

bool held_object_reserve(struct worker *worker)
{
    struct world *world = worker->world;
    struct random *random = &worker->random;
    struct kmem_reserve reserve = {.cache = NULL};
    uint32_t cache = (uint32_t)random_below(random, WORLD_CACHES);
    unsigned count = 1 + (unsigned)random_below(random, HELD_BULK_MAX);
    unsigned taken = (unsigned)random_below(random, count + 1);
    worker_begin(worker, "reserve");
    enum status status =
        world->subject->cache_reserve(world->instance, world->caches[cache], count, &reserve);
    bool enough = worker_expect(worker, status) && status == STATUS_OK;
    if (enough) {
        take_reserved(worker, cache, &reserve, taken);
        status =
            world->subject->cache_reserve(world->instance, world->caches[cache], count, &reserve);
        enough = worker_expect(worker, status) && status == STATUS_OK;
        take_reserved(worker, cache, &reserve, enough ? count : count - taken);
        worker_count(worker, PATH_RESERVE);
    }
    world->subject->cache_unreserve(world->instance, &reserve);
    worker_end(worker);
    return enough;
}
