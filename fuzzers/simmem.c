/* SPDX-License-Identifier: MIT */
#include "fuzzers/simmem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define SIMMEM_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIMMEM_POISONS 1
#endif
#endif

#ifdef SIMMEM_POISONS
#include <sanitizer/asan_interface.h>
#endif

enum frame_state {
    STATE_UNTOUCHED, /* no access rights, reads as zero */
    STATE_EXPOSED,
    STATE_POISONED, /* access rights, but poisoned */
    STATE_LOCKED    /* no access rights, holds what was in it */
};

static unsigned char *frame_address(const struct simmem *mem, pfn_t pfn)
{
    return mem->base + ((pfn - mem->start) << FRAME_SHIFT);
}

static uint64_t chunks_of(uint64_t frames)
{
    return (frames + SIMMEM_CHUNK - 1) / SIMMEM_CHUNK;
}

/* The first run of frames in @state, one that exposed frames get into, at or after @from. Return:
 * its length, 0 where there is none. */
static uint64_t find_run(const struct simmem *mem, unsigned char state, uint64_t *from)
{
    while (*from < mem->frames) {
        uint64_t chunk = *from / SIMMEM_CHUNK;
        uint64_t end = (chunk + 1) * SIMMEM_CHUNK;
        end = end < mem->frames ? end : mem->frames;
        const unsigned char *left = mem->states + *from;
        const unsigned char *first =
            mem->touched[chunk] != 0 ? memchr(left, state, end - *from) : NULL;
        if (first != NULL) {
            *from = (uint64_t)(first - mem->states);
            uint64_t run = 1;
            while (*from + run < mem->frames && first[run] == state) {
                run++;
            }
            return run;
        }
        *from = end;
    }
    return 0;
}

/* Its address space may be mapped anew by somebody who knows nothing of poison. */
static void unpoison_all(const struct simmem *mem)
{
#ifdef SIMMEM_POISONS
    uint64_t run;
    for (uint64_t at = 0; (run = find_run(mem, STATE_POISONED, &at)) > 0; at += run) {
        ASAN_UNPOISON_MEMORY_REGION(mem->base + (at << FRAME_SHIFT), run << FRAME_SHIFT);
    }
#else
    (void)mem;
#endif
}

bool simmem_open(struct simmem *mem, const struct boot_map *map)
{
    const struct range *last = &map->ranges[map->ranges_count - 1];
    *mem = (struct simmem){.start = map->ranges[0].start};
    mem->frames = last->start + last->frames - mem->start;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    mem->reserved_bytes = (mem->frames << FRAME_SHIFT) + SIMMEM_ALIGN;
    void *base = mmap(NULL, mem->reserved_bytes, PROT_NONE, flags, -1, 0);
    void *states = mmap(NULL, mem->frames, PROT_READ | PROT_WRITE, flags, -1, 0);
    mem->reserved = base == MAP_FAILED ? NULL : base;
    mem->states = states == MAP_FAILED ? NULL : states;
    mem->touched = calloc(chunks_of(mem->frames), sizeof(*mem->touched));
    if (mem->reserved == NULL || mem->states == NULL || mem->touched == NULL) {
        simmem_close(mem);
        return false;
    }
    uintptr_t first = (uintptr_t)(mem->start << FRAME_SHIFT);
    uintptr_t skip = (first - (uintptr_t)mem->reserved) & (SIMMEM_ALIGN - 1);
    mem->base = (unsigned char *)mem->reserved + skip;
    return true;
}

void simmem_close(struct simmem *mem)
{
    if (mem->base != NULL) {
        unpoison_all(mem);
    }
    if (mem->reserved != NULL) {
        munmap(mem->reserved, mem->reserved_bytes);
    }
    if (mem->states != NULL) {
        munmap(mem->states, mem->frames);
    }
    free((void *)mem->touched);
    *mem = (struct simmem){0};
}

unsigned char *simmem_direct_map(const struct simmem *mem)
{
    return (unsigned char *)((uintptr_t)mem->base - (uintptr_t)(mem->start << FRAME_SHIFT));
}

static void set_access(const struct simmem *mem, pfn_t pfn, uint64_t frames, int rights)
{
    if (mprotect(frame_address(mem, pfn), frames << FRAME_SHIFT, rights) != 0) {
        fprintf(stderr, "potad: access rights of %llu frames at %#llx: %s\n",
                (unsigned long long)frames, (unsigned long long)pfn, strerror(errno));
        abort();
    }
}

/* Gives access to a run of frames that are all in @state. */
static void expose_run(const struct simmem *mem, pfn_t pfn, uint64_t frames, unsigned char state,
                       bool zeroed)
{
    unsigned char *address = frame_address(mem, pfn);
    if (state == STATE_UNTOUCHED || state == STATE_LOCKED) {
        set_access(mem, pfn, frames, PROT_READ | PROT_WRITE);
    }
#ifdef SIMMEM_POISONS
    if (state == STATE_POISONED) {
        ASAN_UNPOISON_MEMORY_REGION(address, frames << FRAME_SHIFT);
    }
#endif
    if (!zeroed || state != STATE_UNTOUCHED) {
        memset(address, zeroed ? 0 : SIMMEM_STALE_BYTE, frames << FRAME_SHIFT);
    }
    memset(mem->states + (pfn - mem->start), STATE_EXPOSED, frames);
    uint64_t last = (pfn - mem->start + frames - 1) / SIMMEM_CHUNK;
    for (uint64_t chunk = (pfn - mem->start) / SIMMEM_CHUNK; chunk <= last; chunk++) {
        if (!mem->touched[chunk]) {
            mem->touched[chunk] = 1;
        }
    }
}

void simmem_expose(struct simmem *mem, pfn_t pfn, uint64_t frames, bool zeroed)
{
    uint64_t done = 0;
    while (done < frames) {
        const unsigned char *states = mem->states + (pfn + done - mem->start);
        uint64_t run = 1;
        while (done + run < frames && states[run] == states[0]) {
            run++;
        }
        expose_run(mem, pfn + done, run, states[0], zeroed);
        done += run;
    }
}

void simmem_conceal(struct simmem *mem, pfn_t pfn, uint64_t frames)
{
#ifdef SIMMEM_POISONS
    ASAN_POISON_MEMORY_REGION(frame_address(mem, pfn), frames << FRAME_SHIFT);
    memset(mem->states + (pfn - mem->start), STATE_POISONED, frames);
#else
    set_access(mem, pfn, frames, PROT_NONE);
    memset(mem->states + (pfn - mem->start), STATE_LOCKED, frames);
#endif
}

/* Makes exposed frames as they were at first. */
static void give_back(struct simmem *mem, pfn_t pfn, uint64_t frames)
{
    set_access(mem, pfn, frames, PROT_NONE);
    if (madvise(frame_address(mem, pfn), frames << FRAME_SHIFT, MADV_DONTNEED) != 0) {
        memset(mem->states + (pfn - mem->start), STATE_LOCKED, frames);
        return;
    }
    memset(mem->states + (pfn - mem->start), STATE_UNTOUCHED, frames);
}

void simmem_reset(struct simmem *mem)
{
    /* A large frame table is hardly written to: zeroing it for the next boot, or poisoning it,
     * would make up most of what is resident. Fuzzers' small ones are faster kept. */
    enum { FRAMES_KEPT_MAX = 256 };
    uint64_t run;
    for (uint64_t at = 0; (run = find_run(mem, STATE_EXPOSED, &at)) > 0; at += run) {
        if (run > FRAMES_KEPT_MAX) {
            give_back(mem, mem->start + at, run);
        } else {
            simmem_conceal(mem, mem->start + at, run);
        }
    }
}

bool simmem_is_exposed(const struct simmem *mem, pfn_t pfn)
{
    return pfn - mem->start < mem->frames && mem->states[pfn - mem->start] == STATE_EXPOSED;
}

bool simmem_frame_of(const struct simmem *mem, const void *address, pfn_t *pfn)
{
    uintptr_t offset = (uintptr_t)address - (uintptr_t)mem->base;
    *pfn = mem->start + (offset >> FRAME_SHIFT);
    return offset >> FRAME_SHIFT < mem->frames;
}
