/* SPDX-License-Identifier: MIT
 *
 * held_object.h: slab objects that a thread holds, and the operations on them, checked: each
 * object is filled with a pattern of its owner, and must still have it when it is freed.
 *
 * Context of all: the worker's own thread. What is wrong is reported.
 */
#ifndef POTAD_STRESS_HELD_OBJECT_H
#define POTAD_STRESS_HELD_OBJECT_H

#include "stress/worker.h"

enum { HELD_BULK_MAX = 16 };

struct held_object {
    unsigned char *address;
    uint32_t cache; /* index into world->caches */
    cookie_t cookie;
};

/* Allocates @count objects (1 to HELD_BULK_MAX), all or none, of one random cache. Return: whether
 * there was memory. */
bool held_object_alloc(struct worker *worker, unsigned count, struct held_object *held);

/* Frees what anybody allocated and handed to this thread. */
void held_object_free(struct worker *worker, const struct held_object *held);

/* Creates a cache, allocates and frees some objects, and destroys it, as far as memory goes. */
void held_object_cycle_cache(struct worker *worker);

/* Sets objects of one random cache aside, takes some of them, sets more aside and takes all;
 * what was taken is freed. Return: whether there was memory. */
bool held_object_reserve(struct worker *worker);

#endif
