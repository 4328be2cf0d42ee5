/* SPDX-License-Identifier: MIT */
/* Caches and their objects, by numbers. */
enum { CACHES = 8, BULK_MAX = 16 };

struct cache {
    enum state state;
    struct kmem_cache *cache;
    uint64_t size;
    uint32_t users;   /* calls that are in it */
    uint32_t objects; /* that are held */
};

struct object {
    enum state state;
    struct cache *cache;
    void *address;
};

static struct cache caches[CACHES];
static struct object objects[SLOTS];

static void create_cache(struct test *test, unsigned number, uint64_t size, uint64_t align)
{
    struct cache *cache = &caches[number];
    if (cache->state != EMPTY) {
        return;
    }
    cache->state = BUSY;
    cache->size = size;
    enum status status = kmem_cache_create(&test->potad, "subject", size, align, &cache->cache);
    expect(test, "cache-create", status);
    cache->state = status == STATUS_OK ? HELD : EMPTY;
}

static void destroy_cache(struct test *test, unsigned number)
{
    struct cache *cache = &caches[number];
    if (cache->state != HELD || cache->users > 0) {
        return;
    }
    cache->state = BUSY;
    enum status due = cache->objects > 0 ? STATUS_BUSY : STATUS_OK;
    enum status status = kmem_cache_destroy(&test->potad, cache->cache);
    if (status != due) {
        fail(test, "status", "cache-destroy with %u objects answers %d", cache->objects,
             (int)status);
    }
    cache->state = status == STATUS_OK ? EMPTY : HELD;
}

/* No two objects that are held share a byte. */
static void object_granted(struct test *test, struct object *object, struct cache *cache,
                           void *address)
{
    const char *start = address;
    for (unsigned i = 0; i < SLOTS; i++) {
        const char *held = objects[i].address;
        if (&objects[i] != object && held != NULL && start < held + objects[i].cache->size &&
            held < start + cache->size) {
            fail(test, "overlap", "an object is given out while it is held as number %u", i);
        }
    }
    object->cache = cache;
    object->address = address;
}

/* Allocates objects @numbers, @count of them, all or none. */
static void take_objects(struct test *test, unsigned number, const unsigned *numbers,
                         unsigned count)
{
    void *addresses[BULK_MAX];
    struct cache *cache = &caches[number];
    bool free = cache->state == HELD;
    for (unsigned i = 0; i < count; i++) {
        free = free && objects[numbers[i]].state == EMPTY;
    }
    if (!free) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        objects[numbers[i]].state = BUSY;
    }
    cache->users++;
    enum status status = count == 1
                             ? kmem_cache_alloc(&test->potad, cache->cache, addresses)
                             : kmem_cache_alloc_bulk(&test->potad, cache->cache, count, addresses);
    expect(test, "cache-alloc", status);
    for (unsigned i = 0; i < count; i++) {
        if (status == STATUS_OK) {
            object_granted(test, &objects[numbers[i]], cache, addresses[i]);
        }
        objects[numbers[i]].state = status == STATUS_OK ? HELD : EMPTY;
    }
    cache->objects += status == STATUS_OK ? count : 0;
    cache->users--;
}

static void give_object(struct test *test, unsigned number)
{
    struct object *object = &objects[number];
    if (object->state != HELD || object->cache->state != HELD) {
        return;
    }
    void *address = object->address;
    object->state = BUSY;
    object->address = NULL;
    object->cache->users++;
    object->cache->objects--;
    kmem_cache_free(&test->potad, object->cache->cache, address);
    object->cache->users--;
    object->state = EMPTY;
}

static void give_objects(struct test *test)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        give_object(test, i);
    }
}

static void destroy_caches(struct test *test)
{
    for (unsigned i = 0; i < CACHES; i++) {
        destroy_cache(test, i);
    }
}
