/* SPDX-License-Identifier: MIT
 *
 * sharing.h: which words threads were seen to share, one of them writing, in all executions of a
 * program so far. Elsewhere it does not matter who goes on, so strategies that draw are not asked:
 * of an allocator's steps, most are under a lock. What is shared only if threads meet in a certain
 * way is learned when they first do.
 */
#ifndef POTAD_STRESS_EXPLORE_SHARING_H
#define POTAD_STRESS_EXPLORE_SHARING_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { SHARING_WORDS = 4096, SHARING_PROBES = 8 };

struct sharing {
    struct shared_word {
        const void *address;
        uint8_t readers; /* threads, as bits; writers are readers, too */
        uint8_t writers;
    } words[SHARING_WORDS];
};

static inline void sharing_clear(struct sharing *sharing)
{
    memset(sharing, 0, sizeof(*sharing));
}

/* Notes that @thread comes to @address. Return: whether threads share it, or it is not known. */
static inline bool sharing_note(struct sharing *sharing, unsigned thread, const void *address,
                                bool writes)
{
    uint64_t hash = (uint64_t)(uintptr_t)address * 0x9e3779b97f4a7c15U >> 52;
    uint8_t bit = (uint8_t)(1U << thread);
    for (uint32_t i = 0; i < SHARING_PROBES; i++) {
        struct shared_word *word = &sharing->words[(hash + i) % SHARING_WORDS];
        if (word->address != address && word->address != NULL) {
            continue;
        }
        word->address = address;
        word->readers |= bit;
        word->writers |= writes ? bit : 0;
        return word->writers != 0 && (word->readers & (word->readers - 1)) != 0;
    }
    return true;
}

#endif
