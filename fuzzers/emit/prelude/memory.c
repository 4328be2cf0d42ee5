/* SPDX-License-Identifier: MIT */
/* What the core runs on: simulated memory in which only frames that the core has exposed may be
 * touched, and a flat array that says of each frame what it is used for. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "core/potad.h"

#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Each case needs some of what follows. */
#pragma GCC diagnostic ignored "-Wunused-function"

typedef unsigned long long ull;

enum use { HOLE, FREE, USED, METADATA, POISONED, KEPT /* by a CPU: free to everybody else */ };
enum kind { ACCEPTED, UNACCEPTED, CMA, KINDS };

struct frame {
    uint8_t use;
    uint8_t zone;
    uint8_t kind;
    bool failed; /* in use, and to be kept back when its block is freed */
    /* Of a used frame: number of its block; RUNS and above: of its run. Of a kept one: twice its
     * type, and 1 for the first of its block. */
    uint32_t owner;
};

enum { RUNS_MAX = 8, RUNS = 1 << 24 };

struct block {
    /* The owner's, for a type other than MEMDESC_NONE. */
    _Alignas(MEMDESC_ALIGN) struct memdesc descriptor;
    struct buddy *buddy;
    pfn_t pfn;
    order_t order;
    enum memdesc_type type;
    enum migratetype migratetype;
    bool used;
    bool moving; /* its owner has agreed, and not heard yet what became of it */
    bool ended;  /* dropped by its owner; others have references */
    uint32_t refs;
};

struct test;

struct ear {
    struct test *t;
    enum memdesc_type type;
};

struct test {
    struct potad potad;
    const struct boot_map *map;
    struct port port;
    int line; /* of the operation that is under way */
    unsigned char *memory;
    uint32_t zones; /* bit n: zone n is there */
    struct frame frames[FRAMES];
    struct block blocks[SLOTS];
    uint64_t exposed;
    uint64_t accepted;        /* frames */
    uint64_t accepted_before; /* the operation that is under way, or was the last one: */
    uint64_t exposed_before;
    uint64_t left_before[ZONES_MAX]; /* free frames that no CPU keeps */
    bool booted;
    bool freeing; /* what is under way must not allocate */
    pfn_t boot_start;
    uint64_t boot_frames;
    uint64_t boot_free;
    uint64_t boot_hash;
    uint64_t state; /* at the end of the first run */
    uint64_t run_parts;
    uint32_t cpu;
    struct {
        enum fault_site site;
        uint32_t nth;
        bool always;
        uint32_t steps;
        uint32_t fired;
    } fault;
    struct {
        uint32_t count;
        enum memdesc_type type;
        const struct memdesc *descriptor;
        pfn_t pfn;
    } told; /* what owners have heard of failures in this operation */
    struct {
        order_t order; /* of the block that is to be made; 0: none */
        uint64_t tried;
        uint64_t moved;
        uint32_t waiting; /* owners that are to hear more */
    } moves;
    struct memdesc_ops owner_ops;
    struct ear ears[MEMDESC_TYPES];
    struct block *due; /* its last reference is just being dropped */
    /* What some cases need; else NULL. */
    void (*drop)(struct test *t, unsigned number);
    bool (*keeps)(struct test *t);
    void (*mark_kept)(struct test *t, bool mark);
    void (*check_kept)(struct test *t, pfn_t pfn, const struct memdesc_info *info);
    void (*check_run)(struct test *t, pfn_t pfn, const struct memdesc_info *info);
    enum migratetype (*run_type)(const struct test *t, uint32_t owner);
    enum migratetype (*free_type)(const struct test *t, pfn_t pfn, order_t order);
    void (*check_types)(struct test *t);
    void (*check_ranges)(struct test *t);
    void (*check_spaces)(struct test *t);
    uint64_t (*hash_spaces)(struct test *t);
};

static struct test t;

/* The test, at the line that calls. */
#define T (t.line = __LINE__, &t)

static _Noreturn void fail(const struct test *test, const char *check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static _Noreturn void fail(const struct test *test, const char *check, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "potad: violated: %s: ", check);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, " (%s:%d)\n", __FILE__, test->line);
    va_end(arguments);
    _exit(1);
}

/* What the core asks its embedder for. */
_Noreturn void port_assert_failed(const char *expression, const char *file, int line)
{
    fail(&t, "assert", "%s, %s:%d", expression, file, line);
}

#ifndef POTAD_EXPLORED
void port_relax(void)
{
}

#ifdef POTAD_CHECK_LOCKS
struct lock_held *port_locks_held(void)
{
    static struct lock_held held;
    return &held;
}
#endif
#endif

#ifdef POTAD_CHECK_LOCKS
_Noreturn void port_lock_order_broken(const struct lock_violation *violation)
{
    fail(&t, "lock-order", "%s %s %s", violation->first.name, violation->is, violation->held.name);
}
#endif

static unsigned char *frame_address(const struct test *test, pfn_t pfn)
{
    return test->memory + ((pfn - FIRST_FRAME) << FRAME_SHIFT);
}

static bool in_memory(const struct test *test, const void *address)
{
    return (uintptr_t)address - (uintptr_t)test->memory < (uint64_t)FRAMES << FRAME_SHIFT;
}

static void on_touch(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (in_memory(&t, info->si_addr)) {
        ull offset = (uintptr_t)info->si_addr - (uintptr_t)t.memory;
        fail(&t, "forbidden-touch", "frame %#llx", FIRST_FRAME + (offset >> FRAME_SHIFT));
    }
    signal(number, SIG_DFL); /* the access is made again */
}

/* Address space for all frames, with access to none. Frame 0 would be aligned to 1 GiB. */
static void reserve_memory(struct test *test)
{
    const uintptr_t align = (uintptr_t)1 << 30;
    size_t bytes = ((size_t)FRAMES << FRAME_SHIFT) + align;
    void *space = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct sigaction action = {.sa_sigaction = on_touch, .sa_flags = SA_SIGINFO};
    if (space == MAP_FAILED || sigaction(SIGSEGV, &action, NULL) != 0) {
        fputs("no address space\n", stderr);
        _exit(3);
    }
    uintptr_t first = (uintptr_t)(FIRST_FRAME << FRAME_SHIFT);
    test->memory = (unsigned char *)space + ((first - (uintptr_t)space) & (align - 1));
}

static struct frame *frame_at(struct test *test, pfn_t pfn)
{
    static struct frame hole;
    return pfn - FIRST_FRAME < FRAMES ? &test->frames[pfn - FIRST_FRAME] : &hole;
}

static bool holds_metadata(const struct test *test, const struct frame *frame)
{
    return frame->kind == ACCEPTED && zone_holds_metadata(&test->map->zones[frame->zone]);
}

static void set_access(const struct test *test, pfn_t pfn, uint64_t frames, int rights)
{
    if (mprotect(frame_address(test, pfn), frames << FRAME_SHIFT, rights) != 0) {
        fputs("no access rights\n", stderr);
        _exit(3);
    }
}

static void may_allocate(const struct test *test, const char *what)
{
    if (test->freeing) {
        fail(test, "free-allocates", "a free asks for %s", what);
    }
}

static void port_expose(void *context, pfn_t pfn, uint64_t frames, bool zeroed)
{
    struct test *test = context;
    may_allocate(test, "metadata frames");
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        struct frame *frame = frame_at(test, at);
        if (frame->use != FREE || !holds_metadata(test, frame)) {
            fail(test, "metadata-home", "metadata in frame %#llx of zone %u", (ull)at, frame->zone);
        }
        frame->use = METADATA;
    }
    if (!test->booted) {
        test->boot_start = pfn;
    }
    test->exposed += frames;
    set_access(test, pfn, frames, PROT_READ | PROT_WRITE);
    /* What is not zeroed may hold anything. */
    memset(frame_address(test, pfn), zeroed ? 0 : 0xa5, frames << FRAME_SHIFT);
}

static void port_conceal(void *context, pfn_t pfn, uint64_t frames)
{
    struct test *test = context;
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        struct frame *frame = frame_at(test, at);
        if (frame->use != METADATA) {
            fail(test, "metadata-home", "frame %#llx given back, not metadata", (ull)at);
        }
        frame->use = frame->failed ? POISONED : FREE;
        frame->failed = false;
    }
    set_access(test, pfn, frames, PROT_NONE);
}

static bool port_accept(void *context, pfn_t pfn, uint64_t frames)
{
    struct test *test = context;
    may_allocate(test, "acceptance");
    for (pfn_t at = pfn; at < pfn + frames; at++) {
        struct frame *frame = frame_at(test, at);
        if (frame->use != FREE || frame->kind != UNACCEPTED) {
            fail(test, "accept", "frame %#llx accepted, not free and unaccepted", (ull)at);
        }
        frame->kind = ACCEPTED;
    }
    test->accepted += frames;
    return true;
}

static bool port_fault(void *context, enum fault_site site)
{
    struct test *test = context;
    may_allocate(test, "what may fail");
    if (test->fault.nth == 0 || site != test->fault.site) {
        return false;
    }
    test->fault.steps++;
    bool fails = test->fault.always ? test->fault.steps >= test->fault.nth
                                    : test->fault.steps == test->fault.nth;
    test->fault.fired += fails ? 1 : 0;
    return fails;
}

enum { ONCE = false, ALWAYS = true };

/* Makes the @nth step at @site of the next operation fail, and ALWAYS all that follow. */
static void fault_next(struct test *test, enum fault_site site, uint32_t nth, bool always)
{
    test->fault.site = site;
    test->fault.nth = nth;
    test->fault.always = always;
    test->fault.steps = 0;
    test->fault.fired = 0;
}

/* The operation has ended. */
static void done(struct test *test)
{
    test->fault.nth = 0;
    test->fault.fired = 0;
}

/* Makes all as new, with the memory that @map says; the core is not booted yet. */
static void open_memory(struct test *test, const struct boot_map *map)
{
    uint64_t state = test->state;
    unsigned char *memory = test->memory;
    struct port port = test->port;
    int line = test->line;
    memset((void *)test, 0, sizeof(*test));
    test->memory = memory;
    test->state = state;
    test->line = line;
    test->map = map;
    test->cpu = CPUS_MAX;
    if (memory == NULL) {
        reserve_memory(test);
    }
    set_access(test, FIRST_FRAME, FRAMES, PROT_NONE);
    for (uint32_t i = 0; i < map->ranges_count; i++) {
        const struct range *range = &map->ranges[i];
        bool later = map->zones[range->zone].later;
        test->zones |= later ? 0 : 1U << range->zone;
        for (uint64_t at = 0; at < range->frames; at++) {
            *frame_at(test, range->start + at) = (struct frame){
                .use = later ? HOLE : FREE,
                .zone = (uint8_t)range->zone,
                .kind = range->unaccepted ? UNACCEPTED : (range->cma ? CMA : ACCEPTED),
            };
        }
    }
    test->port = (struct port){
        .direct_map =
            (unsigned char *)((uintptr_t)test->memory - (uintptr_t)(FIRST_FRAME << FRAME_SHIFT)),
        .expose = port_expose,
        .conceal = port_conceal,
        .accept = port_accept,
        .fault = port_fault,
        .context = test,
        .cpu_enter = port.cpu_enter,
    };
}
