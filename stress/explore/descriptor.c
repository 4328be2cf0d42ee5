/* SPDX-License-Identifier: MIT */
#include "stress/explore/descriptor.h"

#include "stress/explore/asan_memory.h"

enum { MARK_LIVE = 0x5ca1ab1e, MARK_DEAD = 0x0ddba11 };

void descriptor_begin(struct descriptor *descriptor)
{
    asan_unpoison(descriptor, sizeof(*descriptor));
    descriptor->mark = MARK_LIVE;
}

bool descriptor_look(const struct descriptor *descriptor)
{
    return descriptor->mark == MARK_LIVE;
}

void descriptor_end(struct descriptor *descriptor)
{
    /* ThreadSanitizer takes this for what free() does: a write to all of it. */
    uint64_t *words = (uint64_t *)(void *)&descriptor->head;
    for (size_t i = 0; i < sizeof(descriptor->head) / sizeof(*words); i++) {
        words[i] = ~(uint64_t)0;
    }
    descriptor->mark = MARK_DEAD;
    asan_poison(descriptor, sizeof(*descriptor));
}

__attribute__((no_sanitize("address", "thread"))) bool
descriptor_has_ended(const struct descriptor *descriptor)
{
    return descriptor->mark == MARK_DEAD;
}

void descriptor_restored(struct descriptor *descriptor)
{
    if (descriptor_has_ended(descriptor)) {
        asan_poison(descriptor, sizeof(*descriptor));
    } else {
        asan_unpoison(descriptor, sizeof(*descriptor));
    }
}
