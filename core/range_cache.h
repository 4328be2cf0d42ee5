/* SPDX-License-Identifier: MIT
 *
 * range_cache.h: nodes of range trees from a cache of the allocator, 16 to a frame.
 */
#ifndef POTAD_CORE_RANGE_CACHE_H
#define POTAD_CORE_RANGE_CACHE_H

#include "core/potad.h"
#include "core/range_tree.h"

struct range_cache {
    struct potad *potad;
    struct kmem_cache *cache;
    struct range_source source; /* for range_tree_init(); the user may fill in its step */
};

/* Makes a cache of nodes of @potad. Asks FAULT_RANGE_NODE before each node.
 * Return: OK, or NO_MEMORY with nothing changed. */
enum status range_cache_open(struct range_cache *cache, struct potad *potad)
    __attribute__((warn_unused_result));

/* Destroys it. Return: OK, or BUSY while a tree has nodes of it: see range_tree_destroy(). */
enum status range_cache_close(struct range_cache *cache) __attribute__((warn_unused_result));

#endif
