/* SPDX-License-Identifier: MIT
 *
 * types.h: the words that every layer of the core speaks: frame numbers, orders, results.
 */
#ifndef POTAD_CORE_TYPES_H
#define POTAD_CORE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A unit's number: an address divided by the unit's size. Units of memory are frames. */
typedef uint64_t pfn_t;

/* The base-2 logarithm of a block's length in units. */
typedef uint32_t order_t;

/* Index of a zone in its allocator, or ZONE_ANY in a request. */
typedef uint32_t zone_id_t;

enum {
    FRAME_SHIFT = 12,
    ORDERS = 64, /* the numbers of units have 64 bits: orders 0 to 63 */
    PAGEBLOCK_ORDER = 9,
    PAGEBLOCK_ORDER_MAX = 15,
    NODES_MAX = 4,
    ZONES_MAX = 8,
    CPUS_MAX = 64,
    CPU_ORDERS = 4,  /* blocks below this order are kept by CPUs */
    CPU_CACHES = 32, /* caches whose objects CPUs keep */
    RANGES_MAX = 32
};

/* Of a usual machine. What most calls touch is laid out in as few of them as it takes (B1). */
#define CACHE_LINE_BYTES 64

/* Such a machine fetches lines in pairs: what CPUs write at the same time is that far apart. */
#define CACHE_PAIR_BYTES ((size_t)2 * CACHE_LINE_BYTES)

/* What a short path may count on, and what it need not. */
#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* For short functions whose callers mostly know what they ask for, so that half of each goes away.
 */
#define ALWAYS_INLINE inline __attribute__((always_inline))

#define FRAME_SIZE ((uint64_t)1 << FRAME_SHIFT)
#define ZONE_ANY   ((zone_id_t)0xff)
#define PFN_NONE   (~(pfn_t)0)

/* What a call answers. Exhaustion is an answer; misuse that the core can see is INVALID or BUSY. */
enum status {
    STATUS_OK,
    STATUS_NO_MEMORY,     /* no block, or no memory for a descriptor: nothing has changed */
    STATUS_ACCEPT_FAILED, /* only unaccepted memory was left, and the port could not accept it */
    STATUS_INVALID,       /* an argument is out of its range */
    STATUS_BUSY,          /* the object still has users */
    STATUS_EXISTS,        /* it is so already, or something is there already */
    STATUS_NOT_FOUND      /* there is no such thing */
};

/* The finaliser of SplitMix64: every input bit reaches every output bit. */
static inline uint64_t hash_mix(uint64_t value)
{
    value ^= value >> 30;
    value *= 0xbf58476d1ce4e5b9U;
    value ^= value >> 27;
    value *= 0x94d049bb133111ebU;
    return value ^ value >> 31;
}

/* Frames in a block of @order (below ORDERS). */
static inline uint64_t order_frames(order_t order)
{
    return (uint64_t)1 << order;
}

/* The block of @order that, joined with the one at @pfn, makes a block of @order + 1. */
static inline pfn_t pfn_buddy(pfn_t pfn, order_t order)
{
    return pfn ^ order_frames(order);
}

/* Whether a block of @order may start at @pfn. */
static inline bool pfn_is_aligned(pfn_t pfn, order_t order)
{
    return (pfn & (order_frames(order) - 1)) == 0;
}

/* The largest order of a block that starts at @pfn and ends at or before @pfn + @frames (> 0). */
static inline order_t pfn_order_max(pfn_t pfn, uint64_t frames)
{
    order_t fit = 63 - (order_t)__builtin_clzll(frames);
    order_t align = pfn == 0 ? ORDERS - 1 : (order_t)__builtin_ctzll(pfn);
    return fit < align ? fit : align;
}

#endif
