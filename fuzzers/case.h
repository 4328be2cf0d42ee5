/* SPDX-License-Identifier: MIT
 *
 * case.h: the one format of everything that the harness runs: a memory map and a program of
 * operations on it.
 *
 * Binary, little-endian, fixed-width:
 *
 *   header  8 bytes   'P' 'T' 'A' 'D'  version  ranges  slots  pageblock
 *   range  12 bytes   flags  class  node  watermark  gap (4)  frames (4)
 *   op     16 bytes   op  order  zone  type  slot (2)  count (2)  value (4)  align  site  nth  how
 *
 * There are 64 << slots slots, slots being the lower four bits of their byte; the upper four are a
 * number of CPUs, of which 0 means that there are no CPUs at all: "cpus N" in text. CPUs 0 to N - 1
 * come online at boot, as far as there is memory. pageblock is an order, 0 for the core's own. A
 * range starts gap frames behind the end of the last one, so that no ranges overlap. What is the
 * whole zone's stands with its first range: class (0 normal, 1 dma, 2 movable, 3 highmem), node,
 * its watermark as the logarithm of twice the frames, 0 for none, and whether it comes later than
 * at boot. Text: one range or operation a line, `name operand=value ...`, comments from # to the
 * end of the line. In canonical form, operands that an operation does not have are 0; text and
 * binary of a canonical case are the same thing.
 *
 * how: the fault's mode in the lower four bits, in the upper four a thread, 1 to CASE_THREADS_MAX:
 * `thread=N` at the end of an operation's line; 0 for none, and then not written. Operations
 * without a thread run alone: all before them have ended, and all after them wait. Those in a row
 * that name threads are a phase: each thread runs its own in their order, beside the others.
 *
 *   alloc                 |  free thread=1    alloc thread=1  |  shrink
 *                         |  lookup thread=2                  |
 *
 * A run in the order of the lines is one of the schedules that this allows, and what all executors
 * do that have no threads.
 *
 * Slots: a case has a number of them for blocks, as many for objects and as many for blocks of
 * spaces, and CASE_CACHES for caches, CASE_CONTIGS for runs, CASE_REFS for references, CASE_SPACES
 * for spaces.
 * An operation that creates something puts it into the first free slot at or after the one it
 * names; one that uses something takes the first used slot at or after it; both wrap around. Where
 * there is none, the operation does nothing. So each operation of a random program means something,
 * and a program that is written or recorded means exactly what it says.
 */
#ifndef POTAD_FUZZERS_CASE_H
#define POTAD_FUZZERS_CASE_H

#include "core/boot_map.h"
#include "core/memdesc.h"
#include "core/port.h"

#include <stdio.h>

enum {
    CASE_VERSION = 2,
    CASE_HEADER_BYTES = 8,
    CASE_RANGE_BYTES = 12,
    CASE_OP_BYTES = 16,
    CASE_RANGES_MAX = RANGES_MAX,
    CASE_PAGEBLOCK_MAX = 32,
    CASE_SLOTS_MIN = 64,
    CASE_SLOTS_MAX = 1 << 16,
    CASE_CPUS_MAX = 15,
    CASE_THREADS_MAX = 4,
    CASE_HALF_BITS = 4, /* a fault's mode and a thread share a byte */
    CASE_HALF_MASK = (1 << CASE_HALF_BITS) - 1,
    CASE_CACHES = 8,
    CASE_CONTIGS = 8,
    CASE_REFS = 16,
    CASE_SECTIONS = 4, /* of readers of the range tree */
    CASE_SPACES = 4,   /* of other things than memory */
    CASE_ERROR_MAX = 160
};

/* The operands. X(id, name, member of struct case_op, kind, help) */
#define OPERAND_TABLE(X)                                                                           \
    X(OPERAND_SLOT, "slot", slot, KIND_NUMBER, "where the block or object is kept")                \
    X(OPERAND_ORDER, "order", order, KIND_NUMBER, "log2 of the frames")                            \
    X(OPERAND_ZONE, "zone", zone, KIND_ZONE, "zone number, or any")                                \
    X(OPERAND_TYPE, "type", type, KIND_MIGRATETYPE, "unmovable, movable or reclaimable")           \
    X(OPERAND_DESC, "desc", type, KIND_MEMDESC, "the owner's type: folio, anonmem, ... or 16-31")  \
    X(OPERAND_FRAME, "frame", value, KIND_NUMBER, "counted from the first frame of the map")       \
    X(OPERAND_CACHE, "cache", zone, KIND_NUMBER, "which cache")                                    \
    X(OPERAND_SIZE, "size", value, KIND_NUMBER, "of an object, in bytes")                          \
    X(OPERAND_ALIGN, "align", align, KIND_LOG2,                                                    \
      "a power of two: bytes of an object, units of a run")                                        \
    X(OPERAND_COUNT, "count", count, KIND_NUMBER,                                                  \
      "of objects, all or none; entries; stores; what compaction may move")                        \
    X(OPERAND_KEY, "key", value, KIND_NUMBER, "first key, or unit, in 2^shift")                    \
    X(OPERAND_SHIFT, "shift", order, KIND_NUMBER, "log2 of what keys and units count in")          \
    X(OPERAND_KEYS, "keys", count, KIND_NUMBER, "how many units; 0: limits the wrong way round")   \
    X(OPERAND_END, "end", type, KIND_NUMBER, "1: keys count downward from the last there is")      \
    X(OPERAND_SECTION, "section", zone, KIND_NUMBER, "which section of a reader")                  \
    X(OPERAND_PATTERN, "pattern", align, KIND_NUMBER, "how entries lie; from 12 on, one is wrong") \
    X(OPERAND_WINDOW, "window", zone, KIND_NUMBER, "limits, in sizes of the gap; 0: the rest")     \
    X(OPERAND_NODE, "node", zone, KIND_NUMBER, "whose zones are tried first")                      \
    X(OPERAND_BELOW, "below", align, KIND_CLASS, "zones of lower classes only; dma: of any")       \
    X(OPERAND_RESERVE, "reserve", count, KIND_NUMBER, "1: may take what watermarks keep back")     \
    X(OPERAND_ABOVE, "above", slot, KIND_NUMBER, "1: the highest gap, not the lowest")             \
    X(OPERAND_RUN, "units", count, KIND_NUMBER, "frames in a row")                                 \
    X(OPERAND_WITHIN, "within", order, KIND_NUMBER, "log2 of the frames= to look in; 0: anywhere") \
    X(OPERAND_SPACE, "space", zone, KIND_NUMBER, "which space")                                    \
    X(OPERAND_UNIT, "unit", align, KIND_LOG2, "of a space, in bytes: a power of two")              \
    X(OPERAND_UNITS, "units", value, KIND_NUMBER, "of a space, in 2^shift")                        \
    X(OPERAND_EDGES, "edges", slot, KIND_NUMBER,                                                   \
      "0 whole 1 odd start 2 hole 3 holes 4 top 5 top, hole 6 touching 7 far; 8-13 wrong")         \
    X(OPERAND_BYTES, "bytes", count, KIND_NUMBER, "of its descriptors")                            \
    X(OPERAND_HOME, "home", type, KIND_ZONE, "the zone that its metadata may lie in, or any")      \
    X(OPERAND_LIMITS, "within", type, KIND_NUMBER,                                                 \
      "log2 of the units from key= on; +64: before key= from the end; +128: wrong; 0: any")        \
    X(OPERAND_CPU, "cpu", zone, KIND_NUMBER, "number of a CPU")

enum operand_kind { KIND_NUMBER, KIND_ZONE, KIND_MIGRATETYPE, KIND_MEMDESC, KIND_LOG2, KIND_CLASS };

enum operand_index {
#define X(id, name, member, kind, help) id##_INDEX,
    OPERAND_TABLE(X)
#undef X
        OPERANDS
};

enum operand {
#define X(id, name, member, kind, help) id = 1 << id##_INDEX,
    OPERAND_TABLE(X)
#undef X
};

/* A range of keys. */
#define RANGE_OPERANDS (OPERAND_KEY | OPERAND_SHIFT | OPERAND_KEYS | OPERAND_END)

/* A run of frames: its slot, size, alignment and limits. */
#define CONTIG_OPERANDS                                                                            \
    (OPERAND_SLOT | OPERAND_ZONE | OPERAND_RUN | OPERAND_ALIGN | OPERAND_FRAME | OPERAND_WITHIN)
/* What a space is made of. */
#define SPACE_OPERANDS                                                                             \
    (OPERAND_SPACE | OPERAND_UNIT | OPERAND_UNITS | OPERAND_SHIFT | OPERAND_EDGES |                \
     OPERAND_BYTES | OPERAND_HOME)

/* The operations. X(id, name, weights for page, slab, range, space and schedule, operands, help).
 * The weights are relative: how often random bytes mean this operation in programs for each fuzz
 * target. A schedule has no `cpu`: on which CPU a thread is, is for the scheduler to say. */
#define OP_TABLE(X)                                                                                \
    X(OP_ALLOC, "alloc", 30, 6, 4, 20, 30,                                                         \
      OPERAND_SLOT | OPERAND_ORDER | OPERAND_ZONE | OPERAND_TYPE,                                  \
      "allocate a block of 2^order frames")                                                        \
    X(OP_ALLOC_DESC, "alloc-desc", 10, 2, 1, 8, 20,                                                \
      OPERAND_SLOT | OPERAND_ORDER | OPERAND_ZONE | OPERAND_DESC,                                  \
      "allocate a block under the owner's own descriptor (A6); folios are movable")                \
    X(OP_ALLOC_NODE, "alloc-node", 6, 1, 0, 20, 0,                                                 \
      OPERAND_SLOT | OPERAND_ORDER | OPERAND_NODE | OPERAND_TYPE | OPERAND_BELOW |                 \
          OPERAND_RESERVE,                                                                         \
      "allocate a block from a node's zones, in their order")                                      \
    X(OP_FREE, "free", 30, 6, 3, 30, 30, OPERAND_SLOT, "free a block, or a part of a split one")   \
    X(OP_SPLIT, "split", 6, 1, 1, 5, 6, OPERAND_SLOT | OPERAND_ORDER,                              \
      "split an allocated block down to an order; the parts take free slots (A4)")                 \
    X(OP_LOOKUP, "lookup", 8, 1, 0, 5, 8, OPERAND_FRAME, "ask what a frame belongs to (F4)")       \
    X(OP_CACHE_CREATE, "cache-create", 3, 8, 1, 1, 4,                                              \
      OPERAND_CACHE | OPERAND_SIZE | OPERAND_ALIGN, "create a cache of objects")                   \
    X(OP_CACHE_ALLOC, "cache-alloc", 15, 25, 1, 4, 15, OPERAND_CACHE | OPERAND_SLOT,               \
      "allocate an object")                                                                        \
    X(OP_CACHE_BULK, "cache-bulk", 5, 20, 2, 2, 3, OPERAND_CACHE | OPERAND_SLOT | OPERAND_COUNT,   \
      "allocate many objects, all or none")                                                        \
    X(OP_CACHE_FREE, "cache-free", 15, 30, 1, 4, 15, OPERAND_SLOT, "free an object")               \
    X(OP_CACHE_DESTROY, "cache-destroy", 2, 3, 1, 1, 3, OPERAND_CACHE,                             \
      "destroy a cache: busy while in use")                                                        \
    X(OP_SHRINK, "shrink", 1, 1, 1, 1, 3, 0, "give back the descriptor slabs that are not needed") \
    X(OP_MEMORY_FAILURE, "memory-failure", 4, 2, 1, 2, 6, OPERAND_FRAME,                           \
      "a frame fails: take it out, or keep it back when its block is freed (B3)")                  \
    X(OP_UNPOISON, "unpoison", 4, 2, 1, 2, 4, OPERAND_FRAME, "take a failed frame into use again") \
    X(OP_RANGE_STORE, "range-store", 0, 0, 24, 0, 0, RANGE_OPERANDS,                               \
      "store a value of its own for keys (B3)")                                                    \
    X(OP_RANGE_STORE_EMPTY, "range-store-empty", 0, 0, 8, 0, 0, RANGE_OPERANDS,                    \
      "the same, where none of the keys has a value")                                              \
    X(OP_RANGE_ERASE, "range-erase", 0, 0, 16, 0, 0, OPERAND_KEY | OPERAND_SHIFT | OPERAND_END,    \
      "erase the whole range that a key is in (A3)")                                               \
    X(OP_RANGE_CLEAR, "range-clear", 0, 0, 6, 0, 0, RANGE_OPERANDS, "erase keys, cutting ranges")  \
    X(OP_RANGE_LOAD, "range-load", 0, 0, 6, 0, 0, OPERAND_KEY | OPERAND_SHIFT | OPERAND_END,       \
      "ask for a key, and for the ranges around it")                                               \
    X(OP_RANGE_GAP, "range-gap", 0, 0, 6, 0, 0,                                                    \
      RANGE_OPERANDS | OPERAND_ALIGN | OPERAND_WINDOW | OPERAND_ABOVE,                             \
      "find keys without a value: keys= of them")                                                  \
    X(OP_RANGE_PREPARE, "range-prepare", 0, 0, 3, 0, 0, OPERAND_COUNT,                             \
      "take nodes for stores to come, which cannot fail")                                          \
    X(OP_RANGE_BUILD, "range-build", 0, 0, 3, 0, 0,                                                \
      OPERAND_COUNT | OPERAND_KEY | OPERAND_SHIFT | OPERAND_PATTERN,                               \
      "build an empty tree from sorted entries")                                                   \
    X(OP_RANGE_ENTER, "range-enter", 0, 0, 4, 0, 0, OPERAND_SECTION,                               \
      "begin a reader's section, which holds on to what it saw")                                   \
    X(OP_RANGE_EXIT, "range-exit", 0, 0, 4, 0, 0, OPERAND_SECTION, "end a section")                \
    X(OP_CONTIG, "contig", 2, 0, 0, 10, 4, CONTIG_OPERANDS | OPERAND_TYPE,                         \
      "allocate frames in a row, outside of CMA ranges (B6)")                                      \
    X(OP_CONTIG_LARGE, "contig-large", 0, 0, 0, 2, 0,                                              \
      OPERAND_SLOT | OPERAND_ZONE | OPERAND_RUN | OPERAND_SHIFT | OPERAND_ALIGN | OPERAND_TYPE,    \
      "the same without limits, units=*2^shift of them")                                           \
    X(OP_CONTIG_CMA, "contig-cma", 0, 0, 0, 10, 2, CONTIG_OPERANDS,                                \
      "the same in CMA ranges, whose movable blocks move out")                                     \
    X(OP_CONTIG_FREE, "contig-free", 2, 0, 0, 10, 5, OPERAND_SLOT, "free frames in a row")         \
    X(OP_SPACE_ADD, "space-add", 0, 0, 0, 3, 0, SPACE_OPERANDS,                                    \
      "make a space of units that need not be memory, found by a tree (B2, B4, B5)")               \
    X(OP_SPACE_ADD_TABLE, "space-add-table", 0, 0, 0, 2, 0, SPACE_OPERANDS,                        \
      "the same, found by a word a unit")                                                          \
    X(OP_SPACE_REMOVE, "space-remove", 0, 0, 0, 2, 0, OPERAND_SPACE, "end it: busy while in use")  \
    X(OP_SPACE_ALLOC, "space-alloc", 0, 0, 0, 9, 0, OPERAND_SPACE | OPERAND_SLOT | OPERAND_ORDER,  \
      "allocate a block of 2^order units")                                                         \
    X(OP_SPACE_FREE, "space-free", 0, 0, 0, 6, 0, OPERAND_SLOT, "free a block of a space")         \
    X(OP_SPACE_SPLIT, "space-split", 0, 0, 0, 2, 0, OPERAND_SLOT | OPERAND_ORDER,                  \
      "split an allocated block of a space down to an order (A4)")                                 \
    X(OP_SPACE_LOOKUP, "space-lookup", 0, 0, 0, 1, 0,                                              \
      OPERAND_SPACE | OPERAND_KEY | OPERAND_SHIFT | OPERAND_END, "ask what a unit belongs to")     \
    X(OP_SPACE_RUN, "space-run", 0, 0, 0, 5, 0,                                                    \
      OPERAND_SPACE | OPERAND_SLOT | OPERAND_RUN | OPERAND_SHIFT | OPERAND_ALIGN | OPERAND_KEY |   \
          OPERAND_LIMITS,                                                                          \
      "allocate units=*2^shift in a row, from a multiple of align= on (B6)")                       \
    X(OP_SPACE_RUN_FREE, "space-run-free", 0, 0, 0, 4, 0, OPERAND_SLOT, "free units in a row")     \
    X(OP_ZONE_ADD, "zone-add", 1, 0, 0, 4, 0, OPERAND_ZONE,                                        \
      "add a zone that comes later than at boot: exists if it is there (B2)")                      \
    X(OP_ZONE_REMOVE, "zone-remove", 1, 0, 0, 3, 0, OPERAND_ZONE,                                  \
      "remove it again: busy while in use")                                                        \
    X(OP_CPU, "cpu", 5, 5, 0, 5, 0, OPERAND_CPU,                                                   \
      "go to the first CPU online from that number on, around; from 64 on, to none (B1)")          \
    X(OP_CPU_ONLINE, "cpu-online", 1, 1, 0, 1, 3, OPERAND_CPU,                                     \
      "bring a CPU online: exists if it is")                                                       \
    X(OP_CPU_OFFLINE, "cpu-offline", 1, 1, 0, 1, 4, OPERAND_CPU,                                   \
      "take a CPU offline; who is on it goes on to the next")                                      \
    X(OP_COMPACT, "compact", 2, 0, 0, 5, 4,                                                        \
      OPERAND_ORDER | OPERAND_ZONE | OPERAND_TYPE | OPERAND_COUNT,                                 \
      "make a free block of 2^order frames of what can move: count= of them, and blocks to look "  \
      "at; 0: any number (D3)")                                                                    \
    X(OP_ALLOC_COMPACT, "alloc-compact", 4, 0, 0, 10, 0,                                           \
      OPERAND_SLOT | OPERAND_ORDER | OPERAND_ZONE | OPERAND_TYPE,                                  \
      "allocate a block; where there is none, one is made of what can move (D3)")                  \
    X(OP_CACHE_RESERVE, "cache-reserve", 1, 8, 0, 1, 0, OPERAND_CACHE | OPERAND_COUNT,             \
      "set objects aside until there are so many, all or none (A4)")                               \
    X(OP_CACHE_TAKE, "cache-take", 2, 12, 0, 1, 0, OPERAND_CACHE | OPERAND_SLOT,                   \
      "take an object that was set aside")                                                         \
    X(OP_CACHE_UNRESERVE, "cache-unreserve", 1, 2, 0, 1, 0, OPERAND_CACHE,                         \
      "give back what is left of what was set aside")                                              \
    X(OP_REF, "ref", 2, 0, 0, 2, 10, OPERAND_SLOT | OPERAND_FRAME,                                 \
      "take a reference to what a frame leads to, if that is a folio (D2)")                        \
    X(OP_REF_FOLIO, "ref-folio", 4, 0, 0, 3, 8, OPERAND_SLOT,                                      \
      "take a reference to the first folio from a block's slot on, around, by its last frame")     \
    X(OP_PUT, "put", 5, 0, 0, 3, 14, OPERAND_SLOT,                                                 \
      "drop a reference: a folio that was freed before is free with the last one (D1)")

enum op {
#define X(id, name, page, slab, range, space, schedule, operands, help) id,
    OP_TABLE(X)
#undef X
        OPS
};

/* How often an armed fault strikes. X(id, name) */
#define FAULT_MODE_TABLE(X)                                                                        \
    X(FAULT_ONCE, "once")         /* the nth time only */                                          \
    X(FAULT_PERSISTENT, "always") /* the nth time and every time after it */

enum fault_mode {
#define X(id, name) id,
    FAULT_MODE_TABLE(X)
#undef X
        FAULT_MODES
};

struct case_op {
    uint8_t op;
    uint8_t order;
    uint8_t zone;
    uint8_t type;
    uint16_t slot;
    uint16_t count;
    uint32_t value;
    uint8_t align;                   /* log2 */
    uint8_t site;                    /* enum fault_site; 0 where nth is 0 */
    uint8_t nth;                     /* the step at the site that fails, from 1; 0: no fault */
    uint8_t mode : CASE_HALF_BITS;   /* enum fault_mode */
    uint8_t thread : CASE_HALF_BITS; /* from 1; 0: it runs alone */
};

_Static_assert(sizeof(struct case_op) == CASE_OP_BYTES, "records are copied as they are");

struct program {
    struct boot_map map;
    uint32_t slots; /* a power of two from CASE_SLOTS_MIN to CASE_SLOTS_MAX */
    uint32_t cpus;  /* up to CASE_CPUS_MAX; 0: there are none */
    uint32_t ops_count;
    uint32_t ops_capacity;
    struct case_op *ops;
};

/* What a random program is cut down to, and the operations that it tends to. */
struct case_limits {
    const char *name; /* of the fuzz target */
    uint32_t ranges;
    uint32_t frames; /* of one range */
    uint32_t gap;    /* between ranges */
    uint32_t ops;
    uint32_t slots;            /* a multiple of 64 */
    uint32_t cpus;             /* a program that asks for more has none */
    uint32_t threads;          /* up to CASE_THREADS_MAX; 0: all operations run alone */
    const uint8_t *op_weights; /* OPS of them */
};

extern const struct case_limits case_limits_page;     /* for page_fuzzer */
extern const struct case_limits case_limits_slab;     /* for slab_fuzzer */
extern const struct case_limits case_limits_range;    /* for range_tree_fuzzer */
extern const struct case_limits case_limits_space;    /* for space_fuzzer */
extern const struct case_limits case_limits_schedule; /* for schedule_fuzzer */

/* Those of all fuzz targets over cases; NULL ends the array. */
extern const struct case_limits *const case_limits_all[];

/* The limits of the fuzz target @name, or NULL. */
const struct case_limits *case_limits_find(const char *name);

/* What is wrong with an input, in one line, without its name. */
struct case_error {
    char text[CASE_ERROR_MAX];
};

/* Shows bytes of @error that do not print, which it cites from the input, as '?'. */
void case_error_clean(struct case_error *error);

void program_init(struct program *program);
void program_free(struct program *program);

/* Appends @op. Aborts where there is no memory. */
void program_add(struct program *program, struct case_op op);

/* The highest thread that an operation of @program names, 0 where none names one. */
uint32_t program_threads(const struct program *program);

/* A longest part of a program of operations that all name threads, or all none. */
struct program_phase {
    uint32_t first;  /* operation */
    uint32_t end;    /* behind the last */
    bool concurrent; /* its operations name threads */
};

/* Moves @phase on to the next one, from {0} to the first. Return: whether there is one. */
bool program_next_phase(const struct program *program, struct program_phase *phase);

/* Of an input of schedule_fuzzer, the bytes that are its program: up to CASE_MARK, or all. What is
 * behind the mark says how its threads are scheduled, and is for stress/explore. No canonical case
 * within case_limits_schedule has these bytes in it. */
#define CASE_MARK "PTSC"
size_t case_program_bytes(const uint8_t *data, size_t size);

/* Decodes any bytes into a canonical program within @limits; magic and version are not looked at.
 * Where the limits allow threads, the program ends where case_program_bytes() says.
 * What is canonical and within the limits already stays as it is. The program's memory is used
 * again. */
void case_decode_any(struct program *program, const uint8_t *data, size_t size,
                     const struct case_limits *limits);

/* Decodes a canonical case, of this version or of version 1 (case_v1.h), which is canonical where
 * it is so in this one. Return: false with @error naming the byte. */
bool case_decode(struct program *program, const uint8_t *data, size_t size,
                 struct case_error *error) __attribute__((warn_unused_result));

/* Bytes that case_encode() writes. */
size_t case_encoded_bytes(const struct program *program);

/* Encodes @program into @data. */
void case_encode(const struct program *program, uint8_t *data);

/* Parses text, of this version or of version 1. Return: false with @error naming the line. */
bool case_parse(struct program *program, const char *text, size_t size, struct case_error *error)
    __attribute__((warn_unused_result));

/* Prints the map, an operation (without end of line), or all. */
void case_print_map(FILE *out, const struct boot_map *map);
void case_print_op(FILE *out, const struct case_op *op);
void case_print(FILE *out, const struct program *program);

/* Whether @data starts as a binary case does. */
bool case_has_magic(const uint8_t *data, size_t size);

const char *op_name(enum op op);
uint32_t op_operands(enum op op); /* as a mask of enum operand */
bool op_is_range(enum op op);     /* on the range tree */
bool op_is_space(enum op op);     /* on a space of other things than memory */
const char *fault_site_name(enum fault_site site);
const char *memdesc_type_name(enum memdesc_type type); /* "user" from MEMDESC_USER on */

/* Canonical form: unused operands 0. */
struct case_op case_op_canonical(struct case_op op);

#endif
