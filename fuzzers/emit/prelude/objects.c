/* SPDX-License-Identifier: MIT */
/* Caches of objects. Each object carries a pattern of its own for as long as it is in use. */
enum { CACHES = 8, PATTERN_BYTES = 16 /* of an object, at each end */ };

struct object {
    unsigned char *bytes;
    unsigned cache;
    uint64_t serial;
    bool used;
};

struct cache {
    struct kmem_cache *cache;
    uint64_t size;
    uint64_t align;
    uint64_t live;
    uint64_t reserved;
    struct kmem_reserve reserve;
};

static struct object objects_held[SLOTS];
static struct cache caches[CACHES];
static uint64_t objects_made;

static unsigned char pattern(uint64_t serial, uint64_t at)
{
    return (unsigned char)(serial * 31 + at * 7 + 1);
}

/* Writes the pattern of @serial, or compares with it. */
static void pattern_pass(const struct test *test, unsigned char *bytes, uint64_t size,
                         uint64_t serial, bool compare)
{
    for (uint64_t at = 0; at < size; at++) {
        if (at >= PATTERN_BYTES && at + PATTERN_BYTES < size) {
            at = size - PATTERN_BYTES;
        }
        if (compare && bytes[at] != pattern(serial, at)) {
            fail(test, "object-corrupt", "byte %llu of %llu was overwritten", (ull)at, (ull)size);
        }
        bytes[at] = pattern(serial, at);
    }
}

static bool in_slab(struct test *test, const unsigned char *bytes, uint64_t size)
{
    uint64_t offset = (uintptr_t)bytes - (uintptr_t)test->memory;
    for (pfn_t at = offset >> FRAME_SHIFT; at <= (offset + size - 1) >> FRAME_SHIFT; at++) {
        if (frame_at(test, FIRST_FRAME + at)->use != METADATA) {
            return false;
        }
    }
    return in_memory(test, bytes);
}

static void settle_cache(struct test *test, unsigned number)
{
    const struct cache *cache = &caches[number];
    uint64_t live = cache->cache->live - cpu_objects_count(&test->potad, cache->cache);
    if (live != cache->live + cache->reserved) {
        fail(test, "object-count", "%llu objects are in use, not %llu and %llu", (ull)live,
             (ull)cache->live, (ull)cache->reserved);
    }
    settle(test);
}

static void end_cache(struct test *test, unsigned number, int expected)
{
    if (caches[number].cache != NULL) {
        test->freeing = true;
        enum status status = kmem_cache_destroy(&test->potad, caches[number].cache);
        test->freeing = false;
        answer(test, status, expected, "status");
        caches[number].cache = status == STATUS_OK ? NULL : caches[number].cache;
        settle(test);
    }
    done(test);
}

static void make_cache(struct test *test, unsigned number, uint64_t size, uint64_t align,
                       int expected)
{
    struct kmem_cache *made = NULL;
    struct before before = remember(test);
    enum status status = kmem_cache_create(&test->potad, "test", size, align, &made);
    answer(test, status, expected, "spurious-failure");
    settle(test);
    if (status == STATUS_OK) {
        caches[number] = (struct cache){.cache = made, .size = size, .align = align};
    } else {
        check_unchanged(test, &before);
    }
    done(test);
    if (status == STATUS_OK && expected == REFUSED) {
        end_cache(test, number, STATUS_OK);
    }
}

static void object_begin(struct test *test, unsigned number, unsigned cache, unsigned char *bytes)
{
    struct object *object = &objects_held[number];
    *object = (struct object){bytes, cache, objects_made++, true};
    caches[cache].live++;
    if (((uintptr_t)bytes & (caches[cache].align - 1)) != 0) {
        fail(test, "alignment", "object at %p, asked for multiples of %llu", (void *)bytes,
             (ull)caches[cache].align);
    }
    if (!in_slab(test, bytes, caches[cache].size)) {
        fail(test, "containment", "object at %p is not in frames of a slab", (void *)bytes);
    }
    pattern_pass(test, bytes, caches[cache].size, object->serial, false);
}

static void free_object(struct test *test, unsigned number)
{
    struct object *object = &objects_held[number];
    if (!object->used) {
        return;
    }
    pattern_pass(test, object->bytes, caches[object->cache].size, object->serial, true);
    object->used = false;
    caches[object->cache].live--;
    test->freeing = true;
    kmem_cache_free(&test->potad, caches[object->cache].cache, object->bytes);
    test->freeing = false;
    settle_cache(test, object->cache);
    done(test);
}

/* Allocates @count objects, all or none: the free numbers from @first on, around. */
static void take_objects(struct test *test, unsigned first, unsigned count, unsigned cache,
                         int expected)
{
    void *taken[64];
    unsigned numbers[64] = {0};
    struct kmem_cache *from = caches[cache].cache;
    if (from == NULL) {
        done(test);
        return;
    }
    struct before before = remember(test);
    enum status status = count == 1 ? kmem_cache_alloc(&test->potad, from, taken)
                                    : kmem_cache_alloc_bulk(&test->potad, from, count, taken);
    answer(test, status, expected, "spurious-failure");
    for (unsigned i = 0, number = first % SLOTS; status == STATUS_OK && i < count; i++) {
        while (objects_held[number].used) {
            number = (number + 1) % SLOTS;
        }
        object_begin(test, number, cache, taken[i]);
        numbers[i] = number;
    }
    settle_cache(test, cache);
    if (status != STATUS_OK) {
        check_unchanged(test, &before);
    }
    done(test);
    for (unsigned i = 0; status == STATUS_OK && expected == REFUSED && i < count; i++) {
        free_object(test, numbers[i]);
    }
}

/* Sets objects aside until there are @count. */
static void reserve(struct test *test, unsigned number, uint64_t count, int expected)
{
    struct cache *cache = &caches[number];
    if (cache->cache == NULL) {
        done(test);
        return;
    }
    struct before before = remember(test);
    enum status status = kmem_cache_reserve(&test->potad, cache->cache, count, &cache->reserve);
    answer(test, status, expected, "spurious-failure");
    if (status == STATUS_OK && count > cache->reserved) {
        cache->reserved = count;
    }
    settle_cache(test, number);
    if (status != STATUS_OK) {
        check_unchanged(test, &before);
    }
    done(test);
}

/* Takes one of them as object @number. */
static void take_reserved(struct test *test, unsigned number, unsigned from)
{
    struct cache *cache = &caches[from];
    test->freeing = true; /* nor may this allocate */
    void *bytes = kmem_cache_alloc_reserved(&cache->reserve);
    test->freeing = false;
    if ((bytes != NULL) != (cache->reserved > 0)) {
        fail(test, "reserve", "%llu objects are left, but there is %s", (ull)cache->reserved,
             bytes == NULL ? "none" : "one");
    }
    if (bytes != NULL) {
        cache->reserved--;
        object_begin(test, number, from, bytes);
    }
    settle_cache(test, from);
    done(test);
}

static void unreserve(struct test *test, unsigned number)
{
    struct cache *cache = &caches[number];
    test->freeing = true;
    kmem_cache_unreserve(&test->potad, &cache->reserve);
    test->freeing = false;
    cache->reserved = 0;
    settle_cache(test, number);
    done(test);
}

static void end_caches(struct test *test)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        free_object(test, i);
    }
    for (unsigned i = 0; i < CACHES; i++) {
        if (caches[i].cache != NULL && caches[i].reserved > 0) {
            unreserve(test, i);
        }
        end_cache(test, i, STATUS_OK);
    }
}
