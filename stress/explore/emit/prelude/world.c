/* SPDX-License-Identifier: MIT */
/* What the core is given: memory, CPUs, faults; and who has which frame, at each moment. */

/* AddressSanitizer's, where the test is built with it. */
__attribute__((weak)) void __asan_poison_memory_region(const volatile void *address, size_t size);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void *address, size_t size);

/* Whether these @bytes may be touched. */
static void may_touch(const volatile void *address, size_t bytes, bool may)
{
    if (__asan_poison_memory_region != NULL) {
        (may ? __asan_unpoison_memory_region : __asan_poison_memory_region)(address, bytes);
    }
}

static struct {
    uint32_t cpus;        /* 0: there are none */
    bool any_cpu;         /* which CPU a thread is on is a choice */
    uint32_t online;      /* as bits */
    uint32_t moving;      /* on their way to or fro */
    uint32_t taken;       /* with a thread on them */
    bool accepted;        /* memory, since the boot */
    uint64_t free_frames; /* after the boot */
    struct {
        enum fault_site site;
        uint32_t nth; /* 0: no fault */
        bool always;
        uint32_t steps;
    } faults[THREADS_MAX + 1]; /* of each thread, and of who sets up */
} world;

/* Gives frames that were @from's to @to; if they were not, that is @check. */
static void own(struct test *test, pfn_t pfn, uint64_t frames, enum use from, enum use to,
                const char *check)
{
    static const char *const words[] = {"no memory", "free", "held", "metadata"};
    if (pfn - FIRST_FRAME >= FRAMES || frames > FRAMES - (pfn - FIRST_FRAME)) {
        fail(test, "containment", "%llu frames from %#llx are not in the map", (ull)frames,
             (ull)pfn);
    }
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        struct frame *frame = frame_at(test, at);
        if (frame->use != from) {
            fail(test, check, "frame %#llx is made %s: it was %s, not %s", (ull)at, words[to],
                 words[frame->use], words[from]);
        }
        frame->use = (uint8_t)to;
    }
}

static void expose(void *context, pfn_t pfn, uint64_t frames, bool zeroed)
{
    struct test *test = context;
    own(test, pfn, frames, FREE, METADATA, "overlap");
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        if (!holds_metadata(test, frame_at(test, at))) {
            fail(test, "metadata-home", "frame %#llx is made metadata, and not fit for it",
                 (ull)at);
        }
    }
    set_access(test, pfn, frames, PROT_READ | PROT_WRITE);
    may_touch(frame_address(test, pfn), frames << FRAME_SHIFT, true);
    /* What is not zeroed may hold anything. */
    memset(frame_address(test, pfn), zeroed ? 0 : 0xa5, frames << FRAME_SHIFT);
}

static void conceal(void *context, pfn_t pfn, uint64_t frames)
{
    struct test *test = context;
    may_touch(frame_address(test, pfn), frames << FRAME_SHIFT, false);
    set_access(test, pfn, frames, PROT_NONE);
    own(test, pfn, frames, METADATA, FREE, "ownership");
}

static bool accept_frames(void *context, pfn_t pfn, uint64_t frames)
{
    struct test *test = context;
    world.accepted = true;
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        if (frame_at(test, at)->kind != UNACCEPTED) {
            fail(test, "accept", "frame %#llx is accepted twice", (ull)at);
        }
        frame_at(test, at)->kind = ACCEPTED;
    }
    return true;
}

/* Makes the @nth step at @site of the operation that the thread is in fail; ALWAYS: and all that
 * follow. */
static void arm(enum fault_site site, uint32_t nth, bool always)
{
    world.faults[who()].site = site;
    world.faults[who()].nth = nth;
    world.faults[who()].always = always;
    world.faults[who()].steps = 0;
}

static void disarm(void)
{
    world.faults[who()].nth = 0;
}

static bool step_fails(void *context, enum fault_site site)
{
    (void)context;
    if (world.faults[who()].nth == 0 || site != world.faults[who()].site) {
        return false;
    }
    uint32_t steps = ++world.faults[who()].steps;
    return world.faults[who()].always ? steps >= world.faults[who()].nth
                                      : steps == world.faults[who()].nth;
}

/* A thread has a CPU of its own, as far as there are so many, and is on none while another one is
 * on it, or it is offline. */
static uint32_t enter_cpu(void *context)
{
    (void)context;
    unsigned other = world.any_cpu && self() != NULL && world.cpus > 1 ? choose(world.cpus) : 0;
    uint32_t cpu = (who() % THREADS_MAX + other) % world.cpus;
    own_step();
    if ((world.online >> cpu & 1) == 0 || (world.taken >> cpu & 1) != 0) {
        return CPUS_MAX;
    }
    world.taken |= 1U << cpu;
    return cpu;
}

static void leave_cpu(void *context, uint32_t cpu)
{
    (void)context;
    own_step();
    world.taken &= ~(1U << cpu);
}

/* Between two steps no other thread runs: all see what all have stored. */
static void cpu_barrier(void *context)
{
    (void)context;
}

/* Nobody goes to a CPU that is on its way to or fro; who is on it leaves it first. */
static void cpu_changes(struct test *test, uint32_t cpu, bool online)
{
    uint32_t bit = 1U << cpu;
    own_step();
    if ((world.moving & bit) != 0 || online == ((world.online & bit) != 0)) {
        return;
    }
    world.moving |= bit;
    world.online &= ~bit;
    while (self() != NULL && (world.taken & bit) != 0) {
        port_relax();
    }
    enum status status =
        online ? potad_cpu_online(&test->potad, cpu) : potad_cpu_offline(&test->potad, cpu);
    if (!online && status != STATUS_OK) {
        fail(test, "status", "cpu-offline answers %d", (int)status);
    }
    own_step();
    world.online |= online && status == STATUS_OK ? bit : 0;
    world.moving &= ~bit;
}

static void cpu_online(struct test *test, uint32_t cpu)
{
    cpu_changes(test, cpu, true);
}

static void cpu_offline(struct test *test, uint32_t cpu)
{
    cpu_changes(test, cpu, false);
}

static uint64_t count_free(const struct test *test)
{
    uint64_t frames = 0;
    for (zone_id_t zone = 0; zone < test->map->zones_count; zone++) {
        for (unsigned area = 0; area < AREAS; area++) {
            for (order_t order = 0; order < ORDERS; order++) {
                frames += test->potad.zones[zone].areas[area].blocks[order] << order;
            }
        }
    }
    return frames;
}

/* @cpus: that come online, one for each thread; @any_cpu: which one a thread is on is a choice. */
static void boot(struct test *test, const struct boot_map *map, uint32_t cpus, bool any_cpu)
{
    open_memory(test, map);
    may_touch(frame_address(test, FIRST_FRAME), (size_t)FRAMES << FRAME_SHIFT, false);
    test->port.expose = expose;
    test->port.conceal = conceal;
    test->port.accept = accept_frames;
    test->port.fault = step_fails;
    world.cpus = cpus;
    world.any_cpu = any_cpu;
    if (cpus > 0) {
        test->port.cpu_enter = enter_cpu;
        test->port.cpu_leave = leave_cpu;
        test->port.cpu_barrier = cpu_barrier;
    }
    if (potad_boot(&test->potad, &test->port, map) != STATUS_OK) {
        fail(test, "boot", "there is too little memory for it");
    }
    world.free_frames = count_free(test);
}

/* All that the core can check of itself. Context: all stand still. */
static void validate(struct test *test)
{
    struct violation violation;
    world.taken = 0;
    if (!potad_validate(&test->potad, &violation)) {
        fail(test, invariant_name(violation.invariant), "frame %#llx: %#llx, expected %#llx",
             (ull)violation.pfn, (ull)violation.actual, (ull)violation.expected);
    }
}

static void stop_cpus(struct test *test)
{
    for (uint32_t cpu = 0; cpu < world.cpus; cpu++) {
        cpu_offline(test, cpu);
    }
}

/* When all is free, memory is as it was after the boot. Acceptance cuts blocks for good: more of
 * them may need a slab for descriptors. */
static void check_whole(struct test *test)
{
    potad_shrink(&test->potad);
    uint64_t frames = count_free(test);
    if (frames != world.free_frames && !world.accepted) {
        fail(test, "not-whole", "all is freed, and %llu frames are free; after boot it was %llu",
             (ull)frames, (ull)world.free_frames);
    }
}
