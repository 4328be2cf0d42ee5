/* SPDX-License-Identifier: MIT
 *
 * descriptor.h: an owner's descriptor, as its owner uses it: plain memory, which the sanitizers
 * watch. Unlike the rest of the explorer this is compiled with instrumentation.
 */
#ifndef POTAD_STRESS_EXPLORE_DESCRIPTOR_H
#define POTAD_STRESS_EXPLORE_DESCRIPTOR_H

#include "core/memdesc.h"

struct descriptor {
    _Alignas(MEMDESC_ALIGN) struct memdesc head;
    uint64_t mark; /* the owner's own */
};

/* The owner makes it, before it is put on a block. */
void descriptor_begin(struct descriptor *descriptor);

/* Somebody who has a reference looks into it. Return: whether it is what its owner has made. */
bool descriptor_look(const struct descriptor *descriptor);

/* The owner frees it: nobody may touch it until it is made anew. */
void descriptor_end(struct descriptor *descriptor);

/* All between @start and @bytes further on was put back to how it was: so are descriptors that have
 * ended since. */
void descriptors_restored(const void *start, size_t bytes);

#endif
