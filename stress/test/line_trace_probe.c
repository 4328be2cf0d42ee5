/* SPDX-License-Identifier: MIT */
#include "stress/test/line_trace_probe.h"

#include <string.h>

void probe_add(struct probe_line *lines)
{
    lines[2].words[3] =
        lines[0].words[0] + lines[0].words[7] + lines[1].words[1] + lines[1].words[2];
}

uint64_t probe_stack(uint64_t seed)
{
    volatile uint64_t words[PROBE_LINES];
    uint64_t sum = 0;
    for (unsigned i = 0; i < PROBE_LINES; i++) {
        words[i] = seed + i;
    }
    for (unsigned i = 0; i < PROBE_LINES; i++) {
        sum += words[i];
    }
    return sum;
}

void probe_atomics(atomic_word_t *from, atomic_word_t *to)
{
    atomic_word_add(to, atomic_word_acquire(from));
}

bool probe_locks(spinlock_t *lock, atomic_word_t *word)
{
    spinlock_lock(lock);
    bool claimed = atomic_word_claim_ordered(word, 1);
    spinlock_unlock(lock);
    return !claimed;
}

void probe_clear(struct probe_line *lines)
{
    memset(&lines[1], 0, (PROBE_LINES - 2) * sizeof(lines[0]));
}

void probe_copy(struct probe_line *lines)
{
    struct {
        uint64_t words[8];
    } line;
    memcpy(&line, &lines[0], sizeof(line));
    line.words[0]++;
    memcpy(&lines[1].words[1], &line, sizeof(line));
}
