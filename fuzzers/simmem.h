/* SPDX-License-Identifier: MIT
 *
 * simmem.h: simulated physical memory: address space for every frame of a map, with access to none
 * of it. Only frames that the subject exposes can be touched; a touch of any other (free,
 * unaccepted, not for metadata) faults at once. So 1.5 TB can be managed on a small machine.
 *
 * Under AddressSanitizer a concealed frame is poisoned, which costs no system call; elsewhere it
 * loses its access rights.
 */
#ifndef POTAD_FUZZERS_SIMMEM_H
#define POTAD_FUZZERS_SIMMEM_H

#include "core/boot_map.h"

/* What is aligned in physical addresses is so in this memory, up to here. */
#define SIMMEM_ALIGN ((size_t)1 << 30)

/* What was never exposed is passed over by so many frames. */
#define SIMMEM_CHUNK ((uint64_t)1 << 15)

/* What is in exposed frames that need not be zeroed. */
#define SIMMEM_STALE_BYTE 0xa5

struct simmem {
    pfn_t start;
    uint64_t frames;
    void *reserved; /* the address space, and its size */
    size_t reserved_bytes;
    unsigned char *base;   /* of frame start; frame 0 is, or would be, aligned to SIMMEM_ALIGN */
    unsigned char *states; /* one for each frame */
    /* For each SIMMEM_CHUNK of frames: whether any was ever exposed. Threads share chunks. */
    _Atomic unsigned char *touched;
};

/* Reserves address space for all ranges of @map. Return: false where there is none. */
bool simmem_open(struct simmem *mem, const struct boot_map *map)
    __attribute__((warn_unused_result));
void simmem_close(struct simmem *mem);

/* Conceals all frames, for another run on the same map or one that fits into its span. */
void simmem_reset(struct simmem *mem);

/* Address that frame 0 has, or would have. */
unsigned char *simmem_direct_map(const struct simmem *mem);

/* See struct port. What is not zeroed holds the same bytes always, and nothing that was there
 * before: so what a case shows in one process, it shows in any. Context of both: any thread, for
 * frames that no other thread passes at the same time. Aborts where the system refuses to change
 * access rights. */
void simmem_expose(struct simmem *mem, pfn_t pfn, uint64_t frames, bool zeroed);
void simmem_conceal(struct simmem *mem, pfn_t pfn, uint64_t frames);

/* Whether @pfn is exposed at present. */
bool simmem_is_exposed(const struct simmem *mem, pfn_t pfn);

/* Makes a touch of a concealed frame of @mem print the violation forbidden-touch and end the
 * process: with exit status 1, or as AddressSanitizer ends it. One memory at a time; NULL ends the
 * watch. */
void simmem_watch(const struct simmem *mem);

/* Whether @address lies in @mem; if so, *@pfn is its frame. */
bool simmem_frame_of(const struct simmem *mem, const void *address, pfn_t *pfn);

/* Called, where not NULL, when AddressSanitizer is about to report something. Context: as a signal
 * handler's; it need not return. */
extern void (*simmem_on_report)(void);

#endif
