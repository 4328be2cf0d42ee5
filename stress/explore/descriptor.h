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

/* Whether its owner has freed it. Context: unseen by sanitizers. */
bool descriptor_has_ended(const struct descriptor *descriptor);

/* It is as it was before again, or ended where it was not: sanitizers see it so, too. */
void descriptor_restored(struct descriptor *descriptor);

#endif
